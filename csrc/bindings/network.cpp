// Networks: checks, pointers, the GIL. No arithmetic.
#include "network/network.h"

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <algorithm>
#include <array>
#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "bindings/arrays.h"
#include "bindings/bind.h"
#include "bindings/exchange.h"
#include "bindings/gil.h"
#include "bindings/settings.h"
#include "runtime/dispatch.h"
#include "runtime/interrupt.h"
#include "runtime/memory.h"

namespace pylenet {
namespace {

// The first `size` floats of the memory, which it owns.
py::array vector_of(AlignedArray<float> memory, std::size_t size) {
  float* data = memory.release();
  const py::capsule owner(data, [](void* p) { AlignedDelete()(p); });
  return py::array_t<float>({py::ssize_t(size)}, {py::ssize_t(sizeof(float))}, data, owner);
}

py::array zeros(std::size_t size) { return vector_of(aligned_zeros<float>(size), size); }

std::tuple<int, int, int> hwc(Shape s) { return {s.height, s.width, s.channels}; }
Shape shape_of(std::tuple<int, int, int> hwc) {
  const auto [height, width, channels] = hwc;
  return {channels, height, width};
}

std::unique_ptr<Network> make_network(std::tuple<int, int, int> input,
                                      const std::vector<py::dict>& nodes, float scale, float offset,
                                      const std::vector<int>& frozen,
                                      const std::vector<std::size_t>& places,
                                      std::shared_ptr<Gate> gate,
                                      const std::optional<std::string>& isa,
                                      const std::optional<std::string>& convolution) {
  std::vector<Settings> settings;
  for (const py::dict& node : nodes) settings.push_back(settings_of(node));
  return std::make_unique<Network>(
      shape_of(input), settings, scale, offset, frozen, places, std::move(gate),
      isa ? isa_named(*isa) : active_isa(),
      convolution ? convolution_named(*convolution) : active_convolution());
}

// One layer alone: its output shape, its tensors (name, offset, shape), where the next one's begin.
py::tuple describe(const py::dict& node, std::tuple<int, int, int> input, std::size_t offset) {
  const auto layer = make_layer(settings_of(node), shape_of(input), offset);
  py::list tensors;
  for (const Tensor& t : layer->tensors)
    tensors.append(py::make_tuple(t.name, t.offset, py::tuple(py::cast(t.shape)), t.trainable));
  return py::make_tuple(hwc(layer->out), tensors, layer->end());
}

const float* parameters_of(const Network& network, const py::object& object) {
  const auto a = exactly<FloatVector>("parameters", object);
  if (std::size_t(a.size()) != network.parameter_floats())
    throw py::value_error("parameters must have " + std::to_string(network.parameter_floats()) +
                          " values, got " + std::to_string(a.size()));
  return a.data();
}

// An array (n, height, width, channels), or (n, features) where `like` is one.
py::array_t<float> images_like(const py::array& like, Shape s) {
  if (like.ndim() == 2) return py::array_t<float>({like.shape(0), py::ssize_t(s.channels)});
  return py::array_t<float>(
      {like.shape(0), py::ssize_t(s.height), py::ssize_t(s.width), py::ssize_t(s.channels)});
}

// Calls work(interrupt) without the GIL, inside the gate, and again while Ctrl-C interrupts it.
// Python's handler runs in between, where it may use the model; what it raises ends the call.
template <class Work>
void interruptible(const Network& network, bool writes, Work work) {
  for (;;) {
    {
      GilReleased released;
      Interrupt interrupt([&] { return released.interrupted(); });
      const Gate::Pass pass(network.gate(), writes, interrupt);
      if (!interrupt.came()) work(interrupt, released);
      if (!interrupt.came()) return;
    }
    handle_interrupt();
  }
}

// In multiply-adds of vectors: 15 microseconds of a LeNet. A shorter call keeps the GIL, for
// threads lose more time by handing it to each other than they gain (docs/reliability.md has the
// figures).
constexpr double kShortCall = 8e4;

// Into y, so that one call allocates nothing but what the caller keeps.
void predict(const Network& network, const py::object& y, const py::object& parameters,
             const py::array& x, int threads) {
  const float* p = parameters_of(network, parameters);
  const ImageView view = image_view("x", x, network.input());
  const std::int64_t count = x.shape(0);
  auto outputs = exactly<FloatVector>("y", y);
  if (std::size_t(outputs.size()) != count * size_of(network.output()))
    throw py::value_error("y must have " + std::to_string(size_of(network.output())) +
                          " values for each image, got shape " + shape_text(outputs));
  float* data = outputs.mutable_data();
  positive("threads", threads);
  const auto work = [&](Interrupt& interrupt, auto&&...) {
    network.predict(data, p, view, count, threads, interrupt);
  };
  if (count == 0) return;
  if (network.predict_cost(count) <= kShortCall) {
    Interrupt none([] { return false; });  // Ctrl-C can wait so long
    const Gate::Pass pass(network.gate(), std::try_to_lock);
    if (pass.inside()) return work(none);
  }
  interruptible(network, false, work);
}

// The outputs of one image, in new memory in which a large output is computed right away.
py::array predict_one(const Network& network, const py::object& parameters, const py::array& x) {
  const float* p = parameters_of(network, parameters);
  const ImageView view = image_view("x", x, network.input());
  if (x.shape(0) != 1)
    throw py::value_error("x must hold one image, got " + std::to_string(x.shape(0)));
  const std::size_t outputs = size_of(network.output());
  auto y = aligned_memory<float>(outputs + kSlack);
  interruptible(network, false, [&](Interrupt& interrupt, GilReleased&) {
    network.predict_one(y.get(), p, view, interrupt);
  });
  return vector_of(std::move(y), outputs);
}

// One weight for each image, or null for None.
const float* weights_of(const std::optional<py::object>& weights, std::int64_t images) {
  if (!weights) return nullptr;
  const auto a = exactly<FloatVector>("weights", *weights);
  if (a.size() != images)
    throw py::value_error("weights must have one for each of the " + std::to_string(images) +
                          " images, got shape " + shape_text(a));
  return a.data();
}

// Where the outputs of so many images are to be written, or null for None.
float* outputs_of(const Network& network, const std::optional<py::object>& outputs,
                  std::int64_t images) {
  if (!outputs) return nullptr;
  auto a = exactly<FloatVector>("outputs", *outputs);
  if (std::size_t(a.size()) != images * size_of(network.output()))
    throw py::value_error("outputs must have " + std::to_string(size_of(network.output())) +
                          " values for each image, got shape " + shape_text(a));
  return a.mutable_data();
}

std::pair<double, std::int64_t> evaluate(const Network& network, const py::object& parameters,
                                         const py::array& x, const py::array& y, Loss loss,
                                         int threads, const std::optional<py::object>& weights,
                                         const std::optional<py::object>& outputs) {
  const float* p = parameters_of(network, parameters);
  const ImageView view = image_view("x", x, network.input());
  const std::int64_t count = x.shape(0);
  Targets targets = targets_of(y, count, int(size_of(network.output())));
  targets.weights = weights_of(weights, count);
  float* written = outputs_of(network, outputs, count);
  positive("threads", threads);
  double sum = 0.0;
  std::int64_t correct = 0;
  if (count > 0)
    interruptible(network, false, [&](Interrupt& interrupt, GilReleased&) {
      network.evaluate(&sum, &correct, written, p, view, count, targets, loss, threads, interrupt);
    });
  return {sum, correct};
}

std::pair<py::array, py::array> gradient(const Network& network, const py::object& parameters,
                                         const py::array& x, const py::array& dy, int threads) {
  const float* p = parameters_of(network, parameters);
  const ImageView view = image_view("x", x, network.input());
  const ImageView dy_view = image_view("dy", dy, network.output());
  if (x.shape(0) != dy.shape(0))
    throw py::value_error("dy must have as many images as x, " + std::to_string(x.shape(0)) +
                          ", got " + std::to_string(dy.shape(0)));
  py::array_t<float> dx = images_like(x, network.input());
  py::array parameter_gradient = zeros(network.parameter_floats());
  float* dx_data = dx.mutable_data();
  auto* gradient_data = static_cast<float*>(parameter_gradient.mutable_data());
  const std::int64_t count = x.shape(0);
  positive("threads", threads);
  if (count > 0)
    interruptible(network, false, [&](Interrupt& interrupt, GilReleased&) {
      network.gradient(dx_data, gradient_data, p, view, dy_view, count, threads, interrupt);
    });
  return {std::move(dx), std::move(parameter_gradient)};
}

// The indices of images, each checked.
IndexVector order_of(const py::object& object, std::int64_t images) {
  auto order = exactly<IndexVector>("order", object);
  for (std::int64_t i = 0; i < order.size(); i++)
    if (order.data()[i] < 0 || order.data()[i] >= images)
      throw py::value_error("order must hold indices from 0 to " + std::to_string(images - 1) +
                            ", got " + std::to_string(order.data()[i]));
  return order;
}

// A number of a dict, 0 where it is not there.
template <class T>
T number(const py::dict& d, const char* name) {
  return d.contains(name) ? d[name].cast<T>() : T(0);
}

OptimizerStep::Kind kind_of(const std::string& name) {
  constexpr std::pair<const char*, OptimizerStep::Kind> kKinds[] = {
      {"sgd", OptimizerStep::kSgd},         {"adam", OptimizerStep::kAdam},
      {"sdlm", OptimizerStep::kSdlm},       {"rmsprop", OptimizerStep::kRmsprop},
      {"adagrad", OptimizerStep::kAdagrad}, {"adadelta", OptimizerStep::kAdadelta},
      {"adamax", OptimizerStep::kAdamax},   {"nadam", OptimizerStep::kNadam},
  };
  for (const auto& [known, kind] : kKinds)
    if (name == known) return kind;
  throw py::value_error("optimizer kind must be one that pylenet.optimizers has, got '" + name +
                        "'");
}

// Which of an optimizer's places for state are used.
std::array<bool, kSlots> slots_used(const OptimizerStep& s, const py::dict& d) {
  const bool momentum = s.momentum != 0.0f;
  switch (s.kind) {
    case OptimizerStep::kSgd:
      return {momentum, false, false};
    case OptimizerStep::kSdlm:
    case OptimizerStep::kAdagrad:
      return {true, false, false};
    case OptimizerStep::kAdam:
      return {true, true, number<bool>(d, "amsgrad")};
    case OptimizerStep::kRmsprop:
      return {true, momentum, number<bool>(d, "centered")};
    case OptimizerStep::kAdadelta:
    case OptimizerStep::kAdamax:
    case OptimizerStep::kNadam:
      break;
  }
  return {true, true, false};
}

Clipping clipping_of(const py::dict& d) {
  for (const auto& [name, kind] : {std::pair("clipvalue", Clipping::kValue),
                                   {"clipnorm", Clipping::kNorm},
                                   {"global_clipnorm", Clipping::kGlobalNorm}})
    if (d.contains(name)) return {kind, d[name].cast<float>()};
  return {};
}

// slots: first the optimizer's own, in its order, then the moving average.
Optimizer optimizer_of(const Network& network, const py::dict& d,
                       const std::vector<py::object>& slots) {
  Optimizer o{};
  OptimizerStep& s = o.step;
  s.kind = kind_of(d["kind"].cast<std::string>());
  s.weight_decay = number<float>(d, "weight_decay");
  s.momentum = number<float>(d, "momentum");
  s.nesterov = number<bool>(d, "nesterov");
  s.beta_1 = number<float>(d, "beta_1");
  s.beta_2 = number<float>(d, "beta_2");
  s.rho = number<float>(d, "rho");
  s.epsilon = number<float>(d, "epsilon");
  o.clipping = clipping_of(d);
  o.average.momentum = number<float>(d, "ema_momentum");
  o.average.overwrite_every = number<std::int64_t>(d, "ema_overwrite_frequency");

  const auto used = slots_used(s, d);
  std::vector<float**> places;
  for (int i = 0; i < kSlots; i++)
    if (used[i]) places.push_back(&o.slots[i]);
  if (d.contains("ema_momentum")) places.push_back(&o.average.values);
  if (slots.size() != places.size())
    throw py::value_error("the optimizer needs " + std::to_string(places.size()) + " slots, got " +
                          std::to_string(slots.size()));
  for (std::size_t i = 0; i < places.size(); i++) {
    auto slot = exactly<FloatVector>("slot", slots[i]);
    *places[i] = flat_buffer("slot", slot, network.parameter_floats());
  }
  return o;
}

// (begin, end, l1, l2).
Regularizer regularizer_of(const Network& network, const py::tuple& t) {
  const auto [begin, end, l1, l2] = t.cast<std::tuple<std::size_t, std::size_t, float, float>>();
  if (begin > end || end > network.parameter_floats())
    throw py::value_error("a regularizer's range must be of the parameters");
  return {{begin, end}, l1, l2};
}

// (offset, outer, length, inner), and then (low, high, rate) of a norm, None where values are not
// to be negative.
Constraint constraint_of(const Network& network, const py::tuple& t) {
  const auto [place, norm] =
      t.cast<std::tuple<std::array<std::size_t, 4>, std::optional<std::array<double, 3>>>>();
  const auto [offset, outer, length, inner] = place;
  if (offset + outer * length * inner > network.parameter_floats() || length == 0)
    throw py::value_error("a constraint's tensor must be of the parameters");
  Constraint c{Constraint::kNonNegative, offset, outer, length, inner, 0.0, 0.0, 0.0};
  if (norm) {
    c.kind = Constraint::kNorm;
    std::tie(c.low, c.high, c.rate) = std::tuple((*norm)[0], (*norm)[1], (*norm)[2]);
  }
  return c;
}

double factor(const py::dict& d, const char* name) {
  const auto value = d[name].cast<double>();
  if (!(value >= 0.0 && value <= 1.0))
    throw py::value_error(std::string(name) + " must be from 0 to 1, got " + std::to_string(value));
  return value;
}

std::optional<RandomAffine> random_affine(const Network& network,
                                          const std::optional<py::dict>& given) {
  if (!given) return std::nullopt;
  const py::dict& d = *given;
  constexpr std::size_t kMost = 1 << 24;  // positions in sixteen images are 32-bit numbers
  if (framed_floats(network.input()) > kMost)
    throw py::value_error("images to be distorted must have at most " + std::to_string(kMost) +
                          " values with a frame of three pixels");
  RandomAffine a{};
  a.rate = factor(d, "rate");
  a.rotation = factor(d, "rotation");
  a.zoom = factor(d, "zoom");
  a.squeeze = factor(d, "squeeze");
  a.shear = factor(d, "shear");
  a.translation = factor(d, "translation");
  a.fill = d["fill"].cast<float>();
  a.seed = d["seed"].cast<std::uint64_t>();
  a.epoch = d["epoch"].cast<std::uint32_t>();
  return a;
}

py::array hessian(const Network& network, const py::object& parameters, const py::array& x,
                  const py::object& order, Loss loss, const std::optional<py::dict>& augmentation,
                  int threads) {
  const float* p = parameters_of(network, parameters);
  const ImageView view = image_view("x", x, network.input());
  const IndexVector indices = order_of(order, x.shape(0));
  const auto affine = random_affine(network, augmentation);
  py::array result = zeros(network.parameter_floats());
  auto* data = static_cast<float*>(result.mutable_data());
  positive("threads", threads);
  if (indices.size() > 0) {
    const std::int64_t* first = indices.data();
    const std::int64_t count = indices.size();
    interruptible(network, false, [&](Interrupt& interrupt, GilReleased&) {
      network.hessian(data, p, view, first, count, loss, affine ? &*affine : nullptr, threads,
                      interrupt);
    });
  }
  return result;
}

py::array distort(const Network& network, const py::array& x, const py::object& order,
                  const py::dict& augmentation, int threads) {
  const ImageView view = image_view("x", x, network.input());
  const IndexVector indices = order_of(order, x.shape(0));
  const std::int64_t* images = indices.data();
  const std::int64_t count = indices.size();
  const RandomAffine affine = *random_affine(network, augmentation);
  const Shape s = network.input();
  py::array_t<float> y(
      {py::ssize_t(count), py::ssize_t(s.height), py::ssize_t(s.width), py::ssize_t(s.channels)});
  float* data = y.mutable_data();
  positive("threads", threads);
  if (count > 0)
    interruptible(network, false, [&](Interrupt& interrupt, GilReleased&) {
      network.distort(data, view, images, count, affine, threads, interrupt);
    });
  return std::move(y);
}

// Trains on the images x[order], batch after batch. Returns each step's loss, summed over its
// batch, and how many of its images were right.
std::pair<py::array, py::array> train(
    const Network& network, const py::object& parameters, const py::array& x, const py::array& y,
    const py::object& order, int batch_size, Loss loss, const py::dict& optimizer,
    const std::vector<py::object>& slots, const py::object& iterations,
    const py::object& learning_rates, const std::optional<py::dict>& augmentation,
    std::uint32_t seed, std::uint32_t epoch, const std::optional<py::object>& exchange, int threads,
    const std::optional<py::object>& weights, const std::optional<py::object>& outputs,
    const std::vector<py::tuple>& regularizers, const std::vector<py::tuple>& constraints) {
  TrainCall call{};
  call.seed = seed;
  call.epoch = epoch;
  auto flat = exactly<FloatVector>("parameters", parameters);
  call.parameters = flat_buffer("parameters", flat, network.parameter_floats());
  call.x = image_view("x", x, network.input());
  call.targets = targets_of(y, x.shape(0), int(size_of(network.output())));
  call.loss = loss;
  const IndexVector indices = order_of(order, x.shape(0));
  call.order = indices.data();
  call.count = indices.size();
  const auto affine = random_affine(network, augmentation);
  call.augmentation = affine ? &*affine : nullptr;
  call.batch_size = positive("batch_size", batch_size);
  call.largest = std::min<std::int64_t>(batch_size, call.count);
  const std::int64_t steps = call.steps();
  const auto rates = exactly<FloatVector>("learning_rates", learning_rates);
  if (rates.size() != steps)
    throw py::value_error("learning_rates must have one rate for each of the " +
                          std::to_string(steps) + " steps, got " + std::to_string(rates.size()));
  call.learning_rates = rates.data();
  call.optimizer = optimizer_of(network, optimizer, slots);
  call.targets.weights = weights_of(weights, x.shape(0));
  call.outputs = outputs_of(network, outputs, call.count);
  call.output_floats = std::int64_t(size_of(network.output()));
  if (exchange && outputs)
    throw py::value_error("outputs must be None with an exchange, which computes only a share");
  for (const py::tuple& t : regularizers) call.regularizers.push_back(regularizer_of(network, t));
  for (const py::tuple& t : constraints) call.constraints.push_back(constraint_of(network, t));
  auto counter = exactly<IndexVector>("iterations", iterations);
  if (counter.size() != 1) throw py::value_error("iterations must hold one number");
  std::int64_t* steps_done = counter.mutable_data();
  positive("threads", threads);

  py::array_t<double> losses(steps);
  py::array_t<std::int64_t> correct(steps);
  std::optional<PythonExchange> others;
  if (exchange && steps > 0)
    call.exchange = &others.emplace(*exchange, network.exchange_floats(call));
  if (others && others->common_parameters() && !call.updates_by_parts())
    throw py::value_error(
        "parameters must not be common with clipping by norms, regularizers or constraints");
  call.losses = losses.mutable_data();
  call.correct = correct.mutable_data();
  if (steps > 0)
    interruptible(network, true, [&](Interrupt& interrupt, GilReleased& released) {
      call.optimizer.iterations = *steps_done;
      if (others) others->released(released);
      const std::int64_t done = network.train(call, threads, interrupt);
      *steps_done += done;  // here, where no signal comes between weights and count
      call.skip(done);
      if (others) others->rethrow();
    });
  return {std::move(losses), std::move(correct)};
}

// A copy of parameters that no call is writing to.
py::array snapshot(const Network& network, const py::object& parameters) {
  const float* from = parameters_of(network, parameters);
  py::array copy = zeros(network.parameter_floats());
  auto* to = static_cast<float*>(copy.mutable_data());
  interruptible(network, false, [&](Interrupt&, GilReleased&) {
    std::copy_n(from, network.parameter_floats(), to);
  });
  return copy;
}

// Copies of parameters, of an optimizer's slots and of its count of steps, all from between two
// calls that train.
std::pair<std::vector<py::array>, std::int64_t> snapshot_training(
    const Network& network, const py::object& parameters, const std::vector<py::object>& slots,
    const py::object& iterations) {
  std::vector<const float*> from{parameters_of(network, parameters)};
  for (const py::object& slot : slots) from.push_back(parameters_of(network, slot));
  const auto counter = exactly<IndexVector>("iterations", iterations);
  if (counter.size() != 1) throw py::value_error("iterations must hold one number");
  const std::int64_t* steps_done = counter.data();
  std::vector<py::array> copies;
  std::vector<float*> to;
  for (std::size_t i = 0; i < from.size(); i++) {
    copies.push_back(zeros(network.parameter_floats()));
    to.push_back(static_cast<float*>(copies.back().mutable_data()));
  }
  std::int64_t steps = 0;
  interruptible(network, false, [&](Interrupt&, GilReleased&) {
    for (std::size_t i = 0; i < from.size(); i++)
      std::copy_n(from[i], network.parameter_floats(), to[i]);
    steps = *steps_done;
  });
  return {std::move(copies), steps};
}

// Copies values into parameters while no call reads or writes them.
void assign(const Network& network, const py::object& parameters, const py::object& values) {
  auto flat = exactly<FloatVector>("parameters", parameters);
  float* to = flat_buffer("parameters", flat, network.parameter_floats());
  const float* from = parameters_of(network, values);
  interruptible(network, true, [&](Interrupt&, GilReleased&) {
    std::copy_n(from, network.parameter_floats(), to);
  });
}

// The way back of snapshot_training.
void assign_training(const Network& network, const py::object& parameters,
                     const std::vector<py::object>& slots, const py::object& iterations,
                     const std::vector<py::object>& values, std::int64_t steps) {
  if (values.size() != slots.size() + 1)
    throw py::value_error("values must be those of the parameters and of " +
                          std::to_string(slots.size()) + " slots, got " +
                          std::to_string(values.size()));
  const std::size_t size = network.parameter_floats();
  auto flat = exactly<FloatVector>("parameters", parameters);
  std::vector<float*> to{flat_buffer("parameters", flat, size)};
  for (const py::object& slot : slots) {
    auto array = exactly<FloatVector>("slots", slot);
    to.push_back(flat_buffer("slots", array, size));
  }
  std::vector<const float*> from;
  for (const py::object& value : values) from.push_back(parameters_of(network, value));
  auto counter = exactly<IndexVector>("iterations", iterations);
  if (counter.size() != 1) throw py::value_error("iterations must hold one number");
  std::int64_t* steps_done = counter.mutable_data();
  interruptible(network, true, [&](Interrupt&, GilReleased&) {
    for (std::size_t i = 0; i < to.size(); i++) std::copy_n(from[i], size, to[i]);
    *steps_done = steps;
  });
}

// As a dict, so that Python names what it takes.
py::dict profile(const Network& network, const py::object& parameters, const py::array& x,
                 const py::array& y, Loss loss, int repeats) {
  const float* p = parameters_of(network, parameters);
  const ImageView view = image_view("x", x, network.input());
  const Targets targets = targets_of(y, x.shape(0), int(size_of(network.output())));
  const std::int64_t count = x.shape(0);
  positive("repeats", repeats);
  if (count < 1 || count > network.lanes())
    throw py::value_error("x must hold from 1 to " + std::to_string(network.lanes()) +
                          " images, got " + std::to_string(count));
  StepTimes times{};
  interruptible(network, false, [&](Interrupt&, GilReleased&) {
    times = network.profile(p, view, count, targets, loss, repeats);
  });
  const auto phase = [](const PhaseTime& t) {
    return py::make_tuple(t.seconds, t.work, t.multiplications);
  };
  py::list layers;
  for (const LayerTimes& t : times.layers)
    layers.append(py::dict(py::arg("node") = t.node, py::arg("forward") = phase(t.forward),
                           py::arg("backward") = phase(t.backward),
                           py::arg("update") = phase(t.update)));
  return py::dict(py::arg("images") = times.images, py::arg("pack") = times.pack,
                  py::arg("loss") = times.loss, py::arg("layers") = layers);
}

}  // namespace

void bind_network(py::module_& m) {
  m.def("zeros", &zeros, py::arg("size"));
  m.def("describe", &describe, py::arg("node"), py::arg("input_shape"), py::arg("offset"));
  py::enum_<LossKind>(m, "LossKind")
      .value("CROSS_ENTROPY_FROM_LOGITS", LossKind::kCrossEntropyFromLogits)
      .value("CROSS_ENTROPY_FROM_PROBABILITIES", LossKind::kCrossEntropyFromProbabilities)
      .value("MEAN_SQUARED_ERROR", LossKind::kMeanSquaredError)
      .value("MAXIMUM_A_POSTERIORI", LossKind::kMaximumAPosteriori)
      .value("BINARY_CROSS_ENTROPY_FROM_LOGITS", LossKind::kBinaryCrossEntropyFromLogits)
      .value("BINARY_CROSS_ENTROPY_FROM_PROBABILITIES",
             LossKind::kBinaryCrossEntropyFromProbabilities)
      .value("MEAN_ABSOLUTE_ERROR", LossKind::kMeanAbsoluteError)
      .value("HUBER", LossKind::kHuber)
      .value("LOG_COSH", LossKind::kLogCosh)
      .value("HINGE", LossKind::kHinge)
      .value("SQUARED_HINGE", LossKind::kSquaredHinge)
      .value("POISSON", LossKind::kPoisson)
      .value("KL_DIVERGENCE", LossKind::kKlDivergence)
      .value("CATEGORICAL_HINGE", LossKind::kCategoricalHinge)
      .value("MEAN_ABSOLUTE_PERCENTAGE_ERROR", LossKind::kMeanAbsolutePercentageError)
      .value("MEAN_SQUARED_LOGARITHMIC_ERROR", LossKind::kMeanSquaredLogarithmicError)
      .value("COSINE_SIMILARITY", LossKind::kCosineSimilarity);
  py::class_<Loss>(m, "Loss").def(py::init<LossKind, float, float, float>(), py::arg("kind"),
                                  py::arg("constant") = 0.0f, py::arg("target_scale") = 1.0f,
                                  py::arg("target_shift") = 0.0f);
  py::implicitly_convertible<LossKind, Loss>();
  py::class_<Gate, std::shared_ptr<Gate>>(m, "Gate").def(py::init<>());
  py::class_<Network>(m, "Network")
      .def(py::init(&make_network), py::arg("input_shape"), py::arg("nodes"), py::kw_only(),
           py::arg("scale") = 1.0f, py::arg("offset") = -0.0f,
           py::arg("frozen") = std::vector<int>(), py::arg("places") = std::vector<std::size_t>(),
           py::arg("gate") = py::none(), py::arg("isa") = py::none(),
           py::arg("convolution") = py::none())
      .def_property_readonly("isa", &Network::isa)
      .def_property_readonly("lanes", &Network::lanes)
      .def_property_readonly("parameter_floats", &Network::parameter_floats)
      .def_property_readonly("bytes_per_thread", &Network::bytes_per_thread)
      .def("snapshot", &snapshot, py::arg("parameters"))
      .def("snapshot_training", &snapshot_training, py::arg("parameters"), py::arg("slots"),
           py::arg("iterations"))
      .def("assign", &assign, py::arg("parameters"), py::arg("values"))
      .def("assign_training", &assign_training, py::arg("parameters"), py::arg("slots"),
           py::arg("iterations"), py::arg("values"), py::arg("steps"))
      .def("predict", &predict, py::arg("y"), py::arg("parameters"), py::arg("x"),
           py::arg("threads"))
      .def("predict_one", &predict_one, py::arg("parameters"), py::arg("x"))
      .def("evaluate", &evaluate, py::arg("parameters"), py::arg("x"), py::arg("y"),
           py::arg("loss"), py::arg("threads"), py::arg("weights") = py::none(),
           py::arg("outputs") = py::none())
      .def("gradient", &gradient, py::arg("parameters"), py::arg("x"), py::arg("dy"),
           py::arg("threads"))
      .def("hessian", &hessian, py::arg("parameters"), py::arg("x"), py::arg("order"),
           py::arg("loss"), py::arg("augmentation"), py::arg("threads"))
      .def("profile", &profile, py::arg("parameters"), py::arg("x"), py::arg("y"), py::arg("loss"),
           py::arg("repeats"))
      .def("train", &train, py::arg("parameters"), py::arg("x"), py::arg("y"), py::arg("order"),
           py::kw_only(), py::arg("batch_size"), py::arg("loss"), py::arg("optimizer"),
           py::arg("slots"), py::arg("iterations"), py::arg("learning_rates"),
           py::arg("augmentation"), py::arg("seed"), py::arg("epoch"),
           py::arg("exchange") = py::none(), py::arg("threads"), py::arg("weights") = py::none(),
           py::arg("outputs") = py::none(), py::arg("regularizers") = py::tuple(),
           py::arg("constraints") = py::tuple())
      .def("distort", &distort, py::arg("x"), py::arg("order"), py::arg("augmentation"),
           py::arg("threads"));
}

}  // namespace pylenet
