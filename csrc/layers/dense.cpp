// Dense layers, of flat input or of an image, which is flattened in Keras's order: a convolution
// whose window is the whole image is one. For LeNet-5's of 1998 and one image that is 8 times
// faster than the convolution's kernels.
#include <algorithm>
#include <cstring>
#include <utility>

#include "layers/layer.h"
#include "runtime/memory.h"

namespace pylenet {

namespace {

// Records: inputs, [group][in][lane], and dy as rows, [image][row_stride].
class Dense final : public ActivatedLayer, private WideLayer {
 public:
  Dense(const Settings& settings, Shape in, std::size_t offset)
      : ActivatedLayer(in, {settings.integer("units", 1, kMostValues), 1, 1}, offset,
                       settings.activation("activation")),
        inputs_(int(size_of(in))),
        outputs_(out.channels),
        row_stride_(row_stride(outputs_)) {
    check_weights("dense", double(inputs_) * outputs_);
    add_tensor("kernel", {inputs_, outputs_});
    if (settings.flag("use_bias")) add_tensor("bias", {outputs_});
  }

  void forward(const Call& call, float* y, const float* x) const override {
    if (is_wide()) return forward_groups(call, &y, &x, 1);
    if (!flat()) {
      call.kernels.flatten(call.scratch, x, in);
      x = call.scratch;
    }
    call.kernels.dense_forward(y, x, tensor(call, 0), tensor(call, 1), inputs_, outputs_);
    activate(call, y);
  }
  void backward(const Call& call, float* dx, float* dy, const float* x,
                const float* y) const override {
    if (is_wide()) return backward_groups(call, dx ? &dx : nullptr, &dy, &x, &y, 1);
    undo_activation(call, dy, y);
    contract(call, dx, dy, x);
  }
  void hessian(const Call& call, float* hx, float* hy, const float*, const float* x_squared,
               const float* y) const override {
    undo_activation_squared(call, hy, y);
    contract(call, hx, hy, x_squared);
  }

  const WideLayer* wide() const override { return is_wide() ? this : nullptr; }

  std::size_t forward_scratch(int lanes) const override {
    return flat() ? 0 : std::size_t(inputs_) * lanes;
  }
  double cost() const override { return double(inputs_) * outputs_; }
  RecordFloats record_floats(int lanes) const override {
    return {std::size_t(inputs_) * lanes, std::size_t(row_stride_) * lanes};
  }

  bool contracts_in_parts() const override { return true; }
  int parts() const override { return kernel_parts() + int(tensors.size()) - 1; }
  Range part_range(int part) const override {
    if (part == kernel_parts()) return {tensors[1].offset, tensors[1].offset + tensors[1].size()};
    const auto [begin, end] = rows(part);
    const std::size_t offset = tensors[0].offset;
    return {offset + std::size_t(begin) * outputs_, offset + std::size_t(end) * outputs_};
  }
  void sum_part(const Kernels& kernels, const Records& records, float* gradient, int part,
                int images, bool add) const override {
    if (part == kernel_parts())
      return kernels.dense_backward_bias(gradient + tensors[1].offset, records.second, images,
                                         outputs_, row_stride_, add);
    const auto [begin, end] = rows(part);
    kernels.dense_backward_kernel(gradient + tensors[0].offset, records.first, records.second,
                                  images, inputs_, outputs_, row_stride_, begin, end, add);
  }

 private:
  static constexpr int kPartRows = 16;  // 16 x 120 weights over 128 images: some 10 microseconds

  // Backward but for the activation; the same for gradients and the Hessian.
  void contract(const Call& call, float* dx, const float* dy, const float* x) const {
    keep_records(call, call.group, dy, x);
    if (!dx) return;
    float* flat_dx = flat() ? dx : call.scratch;
    call.kernels.dense_backward_input(flat_dx, dy, tensor(call, 0), inputs_, outputs_);
    if (!flat()) call.kernels.unflatten(dx, flat_dx, in);
  }
  void keep_records(const Call& call, std::size_t group, const float* dy, const float* x) const {
    if (!call.records.first) return;
    const Kernels& kernels = call.kernels;
    const std::size_t input_floats = std::size_t(inputs_) * kernels.lanes;
    const std::size_t row_floats = std::size_t(row_stride_) * kernels.lanes;
    float* inputs = call.records.first + group * input_floats;
    if (flat())
      std::memcpy(inputs, x, input_floats * sizeof(float));
    else
      kernels.flatten(inputs, x, in);
    kernels.dense_rows(call.records.second + group * row_floats, dy, outputs_, row_stride_);
  }

  void forward_groups(const Call& call, float* const* y, const float* const* x,
                      int groups) const override {
    call.kernels.dense_wide_forward(y, x, groups, tensor(call, 0), tensor(call, 1), inputs_,
                                    outputs_);
    for (int g = 0; g < groups; g++) activate(call, y[g]);
  }
  void backward_groups(const Call& call, float* const* dx, float* const* dy, const float* const* x,
                       const float* const* y, int groups) const override {
    for (int g = 0; g < groups; g++) {
      undo_activation(call, dy[g], y[g]);
      keep_records(call, call.group + g, dy[g], x[g]);
    }
    if (dx)
      call.kernels.dense_wide_backward_input(dx, dy, groups, tensor(call, 0), inputs_, outputs_);
  }

  // Weights of 256 KB share the second-level cache with a group's values; those of LeNet-5's layers
  // are half of that at most.
  static constexpr double kWideWeights = 1 << 16;
  bool is_wide() const { return flat() && double(inputs_) * outputs_ >= kWideWeights; }
  // Of many outputs, an odd number of cache lines: rows that lie a power of two apart would share
  // few places of the first-level cache.
  static int row_stride(int outputs) {
    constexpr int kMany = 256, kLine = int(kAlign / sizeof(float));
    const int stride = int(aligned_floats(outputs));
    return outputs >= kMany && stride / kLine % 2 == 0 ? stride + kLine : stride;
  }

  bool flat() const { return in.height * in.width == 1; }
  int kernel_parts() const { return (inputs_ + kPartRows - 1) / kPartRows; }
  // Of the kernel, in one of its parts.
  std::pair<int, int> rows(int part) const {
    return {part * kPartRows, std::min((part + 1) * kPartRows, inputs_)};
  }

  int inputs_, outputs_, row_stride_;
};

const Registered<Dense> kDense("dense");

}  // namespace

}  // namespace pylenet
