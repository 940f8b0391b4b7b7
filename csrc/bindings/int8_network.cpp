// Networks of whole numbers: checks, pointers, the GIL.
#include "network/int8_network.h"

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "bindings/arrays.h"
#include "bindings/bind.h"
#include "bindings/gil.h"
#include "bindings/settings.h"
#include "runtime/dispatch.h"

namespace pylenet {

namespace {

using Bytes = py::array_t<std::uint8_t, py::array::c_style>;
using Scores = py::array_t<std::int32_t, py::array::c_style>;

Int8Shape int8_shape(const py::handle& sizes) {
  const auto [height, width, channels] = sizes.cast<std::tuple<int, int, int>>();
  if (height < 1 || width < 1 || channels < 1)
    throw py::value_error("a shape must be (height, width, channels), each at least 1");
  return {height, width, channels};
}

void pair_of(int (&to)[2], const py::handle& value) {
  const auto [rows, columns] = value.cast<std::pair<int, int>>();
  to[0] = rows;
  to[1] = columns;
}

// A tensor's values, or none where the step has no such tensor.
template <class T, class As>
std::vector<T> values_of(const py::dict& tensors, const char* name) {
  if (!tensors.contains(name)) return {};
  const auto array = exactly<py::array_t<As, py::array::c_style>>(name, tensors[name]);
  return {array.data(), array.data() + array.size()};
}

void expect(const char* name, std::size_t size, std::size_t wanted) {
  if (size != wanted)
    throw py::value_error(std::string(name) + " must have " + std::to_string(wanted) +
                          " values, got " + std::to_string(size));
}

// A step of what Python keeps of it; what the kernels read is as large as they take it to be.
Int8Step step_of(const py::object& object) {
  Int8Step step;
  step.kind = object.attr("kind").cast<std::string>();
  step.in = int8_shape(object.attr("input_shape"));
  step.out = int8_shape(object.attr("output_shape"));
  step.low = object.attr("low").cast<std::int32_t>();
  step.high = object.attr("high").cast<std::int32_t>();
  step.shift = object.attr("shift").cast<int>();
  pair_of(step.window, object.attr("window"));
  pair_of(step.strides, object.attr("strides"));
  pair_of(step.before, object.attr("before"));
  const auto tensors = object.attr("tensors").cast<py::dict>();
  step.kernel = values_of<std::int8_t, std::int8_t>(tensors, "kernel");
  step.bias = values_of<std::int32_t, std::int32_t>(tensors, "bias");
  step.multiplier = values_of<std::int32_t, std::int16_t>(tensors, "multiplier");
  step.table = values_of<std::int8_t, std::int8_t>(tensors, "table");
  for (const auto& [cells, multiplier] : object.attr("cells").cast<py::dict>())
    step.cells.emplace_back(cells.cast<std::int32_t>(), multiplier.cast<std::int32_t>());

  const std::size_t channels = step.out.channels;
  const std::size_t inputs = std::size_t(step.in.height) * step.in.width * step.in.channels;
  const bool conv = step.kind == "conv2d", dense = step.kind == "dense";
  const bool weighted = conv || dense;
  const bool rounds = weighted || step.kind == "affine" || step.kind == "average_pool2d";
  if (rounds && (step.shift < 1 || step.shift > 31))
    throw py::value_error("shift must be from 1 to 31, got " + std::to_string(step.shift));
  if (!step.table.empty()) expect("table", step.table.size(), kTableSize);
  if (weighted || step.kind == "affine") {
    expect("bias", step.bias.size(), channels);
    expect("multiplier", step.multiplier.size(), channels);
  }
  for (int axis = 0; axis < 2; axis++)
    if (step.window[axis] < 1 || step.strides[axis] < 1 || step.before[axis] < 0)
      throw py::value_error("window and strides must be at least 1, before at least 0");
  if (conv)
    expect("kernel", step.kernel.size(),
           channels * step.window[0] * step.window[1] * step.in.channels);
  else if (dense)
    expect("kernel", step.kernel.size(), channels * inputs);
  else if (step.in.channels != step.out.channels)
    throw py::value_error("a step without a kernel must keep the channels");
  if (dense && (step.out.height != 1 || step.out.width != 1))
    throw py::value_error("a dense step must give (1, 1, units)");
  if (step.kind == "affine" &&
      (step.in.height != step.out.height || step.in.width != step.out.width))
    throw py::value_error("an affine step must keep the shape");
  if (step.kind == "zero_padding2d" && (step.before[0] + step.in.height > step.out.height ||
                                        step.before[1] + step.in.width > step.out.width))
    throw py::value_error("a padded image must have room for the image");
  if (!conv && step.kind.find("pool") != std::string::npos)
    for (int axis = 0; axis < 2; axis++) {
      const int size = axis ? step.in.width : step.in.height;
      const int out = axis ? step.out.width : step.out.height;
      if (step.before[axis] >= step.window[axis] ||
          std::int64_t(out - 1) * step.strides[axis] - step.before[axis] >= size)
        throw py::value_error("a window of a pool must have a cell of the image");
    }
  return step;
}

std::unique_ptr<Int8Network> make_network(const py::tuple& input, std::int32_t low,
                                          const py::sequence& steps, float scale,
                                          const py::object& function,
                                          const std::optional<std::string>& isa) {
  std::vector<Int8Step> own;
  for (const auto& step : steps) own.push_back(step_of(py::reinterpret_borrow<py::object>(step)));
  py::dict node;
  node["kind"] = "activation";
  node["activation"] = function;
  const Activation activation = settings_of(node).any_activation("activation");
  const Int8InstructionSet& integers = isa ? int8_isa_named(*isa) : active_int8_isa();
  return std::make_unique<Int8Network>(int8_shape(input), low, own, scale, activation, integers,
                                       isa ? floats_of(integers) : active_isa());
}

// In multiply-adds: some 15 microseconds; a shorter call keeps the GIL.
constexpr double kShortCall = 2.5e6;

// Fills `to`, of `count` images, which is scores or real numbers.
template <class T>
void predict(const Int8Network& network, py::array_t<T, py::array::c_style> to, const Bytes& x,
             int threads, std::int32_t* scores, float* y) {
  if (x.ndim() < 1 || std::size_t(x.size()) != x.shape(0) * network.inputs())
    throw py::value_error("x must have " + std::to_string(network.inputs()) +
                          " bytes for each image, got shape " + shape_text(x));
  const std::int64_t count = x.shape(0);
  if (std::size_t(to.size()) != count * network.outputs())
    throw py::value_error("y must have " + std::to_string(network.outputs()) +
                          " values for each image, got shape " + shape_text(to));
  positive("threads", threads);
  if (count == 0) return;
  const std::uint8_t* images = x.data();
  if (network.cost() * double(count) <= kShortCall) {
    Interrupt none([] { return false; });  // Ctrl-C can wait so long
    return network.predict(scores, y, images, count, threads, none);
  }
  for (;;) {
    {
      GilReleased released;
      Interrupt interrupt([&] { return released.interrupted(); });
      network.predict(scores, y, images, count, threads, interrupt);
      if (!interrupt.came()) return;
    }
    handle_interrupt();
  }
}

}  // namespace

void bind_int8_network(py::module_& m) {
  m.def("built_int8_isas", &built_int8_isas);
  m.def("available_int8_isas", &available_int8_isas);
  m.def("active_int8_isa", [] { return std::string(active_int8_isa().name); });
  py::class_<Int8Network>(m, "Int8Network")
      .def(py::init(&make_network), py::arg("input_shape"), py::arg("low"), py::arg("steps"),
           py::kw_only(), py::arg("scale"), py::arg("function"), py::arg("isa") = py::none())
      .def_property_readonly("isa", &Int8Network::isa)
      .def(
          "scores",
          [](const Int8Network& network, const py::object& y, const py::object& x, int threads) {
            auto scores = exactly<Scores>("y", y);
            predict<std::int32_t>(network, scores, exactly<Bytes>("x", x), threads,
                                  scores.mutable_data(), nullptr);
          },
          py::arg("y"), py::arg("x"), py::arg("threads"))
      .def(
          "predict",
          [](const Int8Network& network, const py::object& y, const py::object& x, int threads) {
            auto real = exactly<FloatVector>("y", y);
            predict<float>(network, real, exactly<Bytes>("x", x), threads, nullptr,
                           real.mutable_data());
          },
          py::arg("y"), py::arg("x"), py::arg("threads"));
}

}  // namespace pylenet
