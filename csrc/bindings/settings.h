// A layer's settings out of a Python dict, whatever the layer.
#pragma once

#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <map>
#include <string>
#include <vector>

#include "layers/settings.h"

namespace pylenet {

namespace py = pybind11;

inline Setting setting_of(const py::handle& value) {
  if (py::isinstance<py::bool_>(value)) return value.cast<bool>();
  if (py::isinstance<py::int_>(value)) return value.cast<std::int64_t>();
  if (py::isinstance<py::float_>(value)) return value.cast<double>();
  if (py::isinstance<py::str>(value)) return value.cast<std::string>();
  const auto items = value.cast<py::sequence>();
  if (py::len(items) == 0 || py::isinstance<py::int_>(items[0])) return value.cast<Integers>();
  if (!py::isinstance<py::str>(items[0])) return value.cast<std::vector<Integers>>();
  if (py::len(items) == 2 && !py::isinstance<py::str>(items[1])) return value.cast<NamedNumber>();
  return value.cast<std::vector<std::string>>();
}

// Of {"kind": ..., setting: value}. Throws ValueError for a value that no setting can have.
inline Settings settings_of(const py::dict& node) {
  std::string kind;
  std::map<std::string, Setting> values;
  for (const auto& [key, value] : node) {
    const auto name = key.cast<std::string>();
    try {
      if (name == "kind")
        kind = value.cast<std::string>();
      else
        values.emplace(name, setting_of(value));
    } catch (const std::exception&) {
      throw py::value_error("a layer's setting '" + name +
                            "' is of the wrong kind or too large: " + std::string(py::repr(value)));
    }
  }
  return Settings(std::move(kind), std::move(values));
}

}  // namespace pylenet
