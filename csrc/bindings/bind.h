// What the module is made of: one function for each topic.
#pragma once

#include <pybind11/pybind11.h>

namespace pylenet {

void bind_instruction_sets(pybind11::module_& m);
void bind_int8_network(pybind11::module_& m);
void bind_meeting(pybind11::module_& m);
void bind_network(pybind11::module_& m);

}  // namespace pylenet
