// A layer's settings out of a Python dict, whatever the layer.
#pragma once

#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "layers/settings.h"

namespace pylenet {

namespace py = pybind11;

inline void add_to(Setting& setting, const py::handle& value) {
  if (py::isinstance<py::str>(value)) {
    setting.texts.push_back(value.cast<std::string>());
  } else if (!py::isinstance<py::sequence>(value)) {
    setting.numbers.push_back(value.cast<double>());
  } else {
    setting.rows.push_back(value.cast<std::vector<double>>());
  }
}

// Of {"kind": ..., setting: value}. Throws ValueError for a value that no setting can have.
inline Settings settings_of(const py::dict& node) {
  std::map<std::string, Setting> values;
  for (const auto& [key, value] : node) {
    Setting& setting = values[key.cast<std::string>()];
    try {
      if (py::isinstance<py::str>(value) || !py::isinstance<py::sequence>(value))
        add_to(setting, value);
      else
        for (const auto& item : value.cast<py::sequence>()) add_to(setting, item);
    } catch (const py::cast_error&) {
      throw py::value_error("a layer's setting '" + key.cast<std::string>() +
                            "' is of the wrong kind: " + std::string(py::repr(value)));
    }
  }
  const auto kind = values.extract("kind");
  if (kind.empty() || kind.mapped().texts.size() != 1)
    throw py::value_error("a node must have a kind, as text");
  return Settings(kind.mapped().texts[0], std::move(values));
}

}  // namespace pylenet
