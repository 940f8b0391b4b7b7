#include "layers/layer.h"

#include <algorithm>
#include <map>
#include <stdexcept>

#include "runtime/memory.h"

namespace pylenet {

namespace {

constexpr int kMostWeights = 1 << 28;  // of one layer, 1 GiB

std::map<std::string, MakeLayer>& kinds() {  // made at first use: files register in any order
  static std::map<std::string, MakeLayer> all;
  return all;
}

}  // namespace

std::size_t Tensor::size() const {
  std::size_t n = 1;
  for (int d : shape) n *= d;
  return n;
}

void Layer::add_tensor(const char* name, const std::vector<int>& shape, bool trainable) {
  tensors.push_back({name, end_, shape, trainable});
  end_ += aligned_floats(tensors.back().size());
}

void ActivatedLayer::activate(const Call& call, float* y) const {
  if (has_activation()) call.kernels.activation_forward(y, activation_, size_of(out));
}
void ActivatedLayer::undo_activation(const Call& call, float* dy, const float* v) const {
  if (has_activation()) call.kernels.activation_backward(dy, v, activation_, size_of(out));
}
void ActivatedLayer::undo_activation_squared(const Call& call, float* hy, const float* v) const {
  for (int power = 0; power < 2; power++) undo_activation(call, hy, v);
}

Range SummedLayer::part_range(int part) const {
  const std::size_t offset = tensors[0].offset, begin = std::size_t(part) * kPartFloats;
  return {offset + begin, offset + std::min(begin + kPartFloats, span())};
}
void SummedLayer::sum_part(const Kernels& kernels, const Records& records, float* gradient,
                           int part, int images, bool add) const {
  const std::size_t offset = tensors[0].offset;
  const auto [begin, end] = part_range(part);
  kernels.sum_records(gradient + offset, records.first, groups_of(images, kernels),
                      record_floats(kernels.lanes)[0], begin - offset, end - offset, add);
}

std::size_t SummedLayer::span() const {
  for (const Tensor& t : tensors)
    if (!t.trainable) return t.offset - tensors[0].offset;
  return tensors.empty() ? 0 : end_ - tensors[0].offset;
}

void SummedLayer::clear_gaps(float* record) const {
  for (const Tensor& t : tensors) {
    if (!t.trainable) break;
    float* begin = record + (t.offset - tensors[0].offset);
    std::fill(begin + t.size(), begin + aligned_floats(t.size()), 0.0f);
  }
}

void check_size(Shape s) {
  if (s.channels < 1 || s.height < 1 || s.width < 1)
    throw std::invalid_argument("shapes must be positive");
  if (double(s.channels) * s.height * s.width > kMostValues)
    throw std::invalid_argument("a shape of " + std::to_string(s.height) + " x " +
                                std::to_string(s.width) + " x " + std::to_string(s.channels) +
                                " values is too large");
}

void check_weights(const std::string& kind, double weights) {
  if (weights > kMostWeights)
    throw std::invalid_argument(kind + " would have more than " + std::to_string(kMostWeights) +
                                " weights");
}

void check_flat(const std::string& what, Shape in) {
  if (in.height * in.width != 1)
    throw std::invalid_argument(what + " needs flat input, got an image: put a Flatten before it");
}

void register_kind(const char* kind, MakeLayer make) { kinds()[kind] = make; }

std::unique_ptr<Layer> make_layer(const Settings& settings, Shape in, std::size_t offset) {
  const auto found = kinds().find(settings.kind());
  if (found == kinds().end())
    throw std::invalid_argument("unknown kind of layer '" + settings.kind() + "'");
  check_size(in);
  auto layer = found->second(settings, in, offset);
  check_size(layer->out);
  settings.check_all_read();
  return layer;
}

}  // namespace pylenet
