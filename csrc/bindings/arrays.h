// numpy arrays at the border: what may come in, and pointers into it. Every check that Python made
// is made again here, shorter.
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <string>

#include "kernels/kernels.h"

namespace pylenet {

namespace py = pybind11;

using FloatVector = py::array_t<float, py::array::c_style>;  // contiguous float32
using LabelVector = py::array_t<std::int32_t, py::array::c_style>;
using IndexVector = py::array_t<std::int64_t, py::array::c_style>;

inline int positive(const char* name, int value) {
  if (value < 1)
    throw py::value_error(std::string(name) + " must be at least 1, got " + std::to_string(value));
  return value;
}

inline std::string shape_text(const py::array& a) { return py::str(a.attr("shape")); }

// A contiguous array of exactly this type: anything else would be converted, that is copied.
template <class ArrayType>
ArrayType exactly(const char* name, const py::object& object) {
  if (!py::isinstance<ArrayType>(object))
    throw py::type_error(std::string(name) + " must be a C-contiguous numpy array of " +
                         std::string(py::str(py::dtype::of<typename ArrayType::value_type>())) +
                         ", got " + std::string(py::str(py::type::of(object))));
  const auto array = py::reinterpret_borrow<ArrayType>(object);
  if (reinterpret_cast<std::uintptr_t>(array.data()) % sizeof(typename ArrayType::value_type) != 0)
    throw py::value_error(std::string(name) + " must be aligned");
  return array;
}

inline ElementType element_type(const char* name, const py::array& a) {
  if (py::isinstance<py::array_t<std::uint8_t>>(a)) return ElementType::kUint8;
  if (py::isinstance<py::array_t<float>>(a)) return ElementType::kFloat32;
  if (py::isinstance<py::array_t<double>>(a)) return ElementType::kFloat64;
  throw py::type_error(std::string(name) +
                       " must be uint8, float32 or float64 in native byte order, got " +
                       std::string(py::str(a.dtype())));
}

// Images (n, height, width, channels), or (n, height, width) of one channel, or rows (n, features),
// of the given shape.
inline ImageView image_view(const char* name, const py::array& a, Shape shape) {
  const ElementType type = element_type(name, a);
  if (a.ndim() == 4 && a.shape(1) == shape.height && a.shape(2) == shape.width &&
      a.shape(3) == shape.channels)
    return {a.data(), type, a.strides(0), a.strides(1), a.strides(2), a.strides(3)};
  if (a.ndim() == 3 && a.shape(1) == shape.height && a.shape(2) == shape.width &&
      shape.channels == 1)
    return {a.data(), type, a.strides(0), a.strides(1), a.strides(2), 0};
  if (a.ndim() == 2 && shape.height * shape.width == 1 && a.shape(1) == shape.channels)
    return {a.data(), type, a.strides(0), 0, 0, a.strides(1)};
  throw py::value_error(std::string(name) + " must have shape (n, " + std::to_string(shape.height) +
                        ", " + std::to_string(shape.width) + ", " + std::to_string(shape.channels) +
                        "), got " + shape_text(a));
}

// The flat parameter buffer or one like it; written to.
inline float* flat_buffer(const char* name, FloatVector& a, std::size_t size) {
  if (std::size_t(a.size()) != size || a.ndim() != 1)
    throw py::value_error(std::string(name) + " must have shape (" + std::to_string(size) +
                          ",), got " + shape_text(a));
  return a.mutable_data();  // throws where it is read-only
}

// Labels in [0, classes), or one row of targets for each image.
inline Targets targets_of(const py::array& a, std::int64_t images, int classes) {
  if (a.ndim() < 1 || a.shape(0) != images)
    throw py::value_error("y must have one entry for each of the " + std::to_string(images) +
                          " images, got shape " + shape_text(a));
  if (a.ndim() == 1) {
    const auto labels = exactly<LabelVector>("y", a);
    for (std::int64_t i = 0; i < images; i++)
      if (labels.data()[i] < 0 || labels.data()[i] >= classes)
        throw py::value_error("y must hold labels from 0 to " + std::to_string(classes - 1) +
                              ", got " + std::to_string(labels.data()[i]));
    return {labels.data(), nullptr, nullptr};
  }
  if (a.ndim() != 2 || a.shape(1) != classes)
    throw py::value_error("y must have shape (n, " + std::to_string(classes) + "), got " +
                          shape_text(a));
  return {nullptr, exactly<FloatVector>("y", a).data(), nullptr};
}

}  // namespace pylenet
