// Which instruction set runs, how fast it can be, and the activations that all of them have.
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <string>

#include "bindings/arrays.h"
#include "bindings/bind.h"
#include "bindings/gil.h"
#include "layers/settings.h"
#include "network/network.h"
#include "runtime/dispatch.h"

namespace pylenet {

namespace {

double peak(int threads, double seconds) {
  positive("threads", threads);
  const GilReleased released;
  return peak_flops(threads, seconds);
}

}  // namespace

void bind_instruction_sets(py::module_& m) {
  m.def("built_isas", &built_isas);
  m.def("available_isas", &available_isas);
  m.def("active_isa", [] { return std::string(active_isa().name); });
  m.def("set_isa", &set_isa, py::arg("name"));
  m.def("peak_flops", &peak, py::arg("threads"), py::arg("seconds"));
  m.def("activations", [] { return py::tuple(py::cast(activation_names())); });
}

}  // namespace pylenet
