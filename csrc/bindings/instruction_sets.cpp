// Which instruction set runs, on how many threads, how fast that can be, and the activations that
// all of them have.
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <string>

#include "bindings/arrays.h"
#include "bindings/bind.h"
#include "bindings/gil.h"
#include "layers/settings.h"
#include "network/network.h"
#include "runtime/dispatch.h"
#include "runtime/team.h"

namespace pylenet {

namespace {

double peak(int threads, double seconds) {
  positive("threads", threads);
  const GilReleased released;
  return peak_flops(threads, seconds);
}

int permitted_threads(int threads) {
  positive("threads", threads);
  return permitted(threads);
}

// By running them: OpenMP itself may give fewer at times (OMP_DYNAMIC).
int count_threads(int threads) {
  positive("threads", threads);
  const GilReleased released;
  int count = 1;
  run_team(threads, [&](const Member& member) {
    if (member.thread == 0) count = member.threads;
  });
  return count;
}

}  // namespace

void bind_instruction_sets(py::module_& m) {
  m.def("built_isas", &built_isas);
  m.def("available_isas", &available_isas);
  m.def("active_isa", [] { return std::string(active_isa().name); });
  m.def("set_isa", &set_isa, py::arg("name"));
  m.def("active_convolution", [] { return name_of(active_convolution()); });
  m.def("set_convolution", &set_convolution, py::arg("name"));
  m.def("permitted_threads", &permitted_threads, py::arg("threads"));
  m.def("count_threads", &count_threads, py::arg("threads"));
  m.def("peak_flops", &peak, py::arg("threads"), py::arg("seconds"));
  m.def("activations", [] { return py::tuple(py::cast(activation_names())); });
  m.def("joined_activations", [] { return py::tuple(py::cast(joined_activation_names())); });
}

}  // namespace pylenet
