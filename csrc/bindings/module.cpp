// The extension module pylenet._core.
#include "bindings/bind.h"

PYBIND11_MODULE(_core, m, pybind11::mod_gil_not_used()) {
  m.doc() = "pylenet's compiled part: planned networks over kernels for each instruction set.";
  m.attr("__version__") = PYLENET_VERSION;
  m.attr("COMPILER") = PYLENET_COMPILER;
#ifdef _OPENMP
  m.attr("OPENMP") = _OPENMP;
#else
  m.attr("OPENMP") = 0;
#endif
  pylenet::bind_instruction_sets(m);
  pylenet::bind_network(m);
  pylenet::bind_int8_network(m);
  pylenet::bind_meeting(m);
}
