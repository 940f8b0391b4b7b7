// 2-D convolution, with all channels connected or by a table.
#include <algorithm>
#include <cstring>
#include <stdexcept>

#include "kernels/cook_toom_shape.h"
#include "layers/cook_toom.h"
#include "layers/layer.h"
#include "layers/slide.h"
#include "runtime/memory.h"

namespace pylenet {

namespace {

// Positions in [in][out] of the links, ascending, from the inputs that feed each output.
std::vector<int> links_of(const std::vector<std::vector<int>>& connections, int out) {
  if (connections.empty()) return {};
  if (int(connections.size()) != out)
    throw std::invalid_argument("connections must be given for each of the " + std::to_string(out) +
                                " filters, got " + std::to_string(connections.size()));
  std::vector<int> links;
  for (int o = 0; o < out; o++)
    for (const int i : connections[o]) links.push_back(i * out + o);
  std::sort(links.begin(), links.end());
  if (links.empty() || std::adjacent_find(links.begin(), links.end()) != links.end())
    throw std::invalid_argument("connections must hold each link once, and one at least");
  return links;
}

class Conv2D final : public SummedLayer {
 public:
  Conv2D(const Settings& settings, Shape in, std::size_t offset)
      : Conv2D(settings, in, offset,
               Slide(settings, "kernel_size", settings.flag("same_padding"), in)) {}

  void forward(const Call& call, float* y, const float* x) const override {
    forward_affine(call, y, x, {}, activation_);
  }
  bool takes_affine() const override { return !has_activation(); }
  void forward_affine(const Call& call, float* y, const float* x, const ChannelAffine& affine,
                      Activation activation) const override {
    if (fast_.forward)
      return call.kernels.cook_toom_forward(y, fast_scratch(call), padded_input(call, x),
                                            call.prepared, tensor(call, 1), shape_, affine,
                                            activation);
    const float* weights = kernel(call);
    call.kernels.conv2d_forward(y, padded_input(call, x), weights, tensor(call, 1), shape_, affine,
                                activation);
  }
  void backward(const Call& call, float* dx, float* dy, const float* x,
                const float* y) const override {
    if (!derivative_taken_) undo_activation(call, dy, y);
    contract(call, dx, dy, x, fast_);
  }
  void hessian(const Call& call, float* hx, float* hy, const float*, const float* x_squared,
               const float* y) const override {
    if (!derivative_taken_) undo_activation_squared(call, hy, y);
    contract(call, hx, hy, x_squared, {});
  }

  Activation give_derivative() override {
    derivative_taken_ = true;
    return activation_;
  }

  void allow_fast_algorithms() override {
    fast_ = cook_toom_pays(shape_);
    if (!links_.empty()) fast_.kernel_points = false;
  }
  std::size_t prepared_floats(bool both_ways) const override {
    if (!fast_.forward && !(both_ways && fast_.backward_input)) return 0;
    return cook_toom::kernel_floats(shape_) +
           (both_ways ? cook_toom::kernel_floats(shape_) : tensors[0].size());
  }
  // Forward alone the kernel stands beside what was made of it: most calls follow one with the
  // same, and comparing takes a fraction of the time. It is made of that copy: whoever writes to
  // weights in the midst, against the rules, may spoil this call but no later one.
  void prepare(const Call& call, float* prepared, bool both_ways, bool kept) const override {
    const float* stored = tensor(call, 0);
    if (!both_ways) {
      float* former = prepared + cook_toom::kernel_floats(shape_);
      const std::size_t bytes = tensors[0].size() * sizeof(float);
      if (kept && std::memcmp(former, stored, bytes) == 0) return;
      std::memcpy(former, stored, bytes);
      stored = former;
    }
    call.kernels.cook_toom_weights(prepared, fast_scratch(call), full(call, stored), shape_,
                                   both_ways);
  }

  std::size_t forward_scratch(int lanes) const override {
    if (fast_.forward)
      return fast_offset(lanes) + std::max(cook_toom::forward_scratch(shape_, lanes),
                                           cook_toom::weights_scratch(shape_));
    return links_.empty() ? (padded_ ? padded_floats(lanes) : 0) : all_scratch(lanes);
  }
  std::size_t backward_scratch(int lanes) const override {
    return fast_offset(lanes) +
           std::max({fast_.forward ? forward_scratch(lanes) - fast_offset(lanes) : 0,
                     fast_.backward_input ? cook_toom::backward_input_scratch(shape_, lanes) : 0,
                     fast_.kernel_points     ? cook_toom::kernel_points_scratch(shape_, lanes)
                     : fast_.backward_kernel ? cook_toom::backward_kernel_scratch(shape_, lanes)
                                             : 0,
                     fast_.backward_input ? cook_toom::weights_scratch(shape_) : 0});
  }

  // Where the kernel's gradient is summed at the points, these take its place in a record, and all
  // of it is one part: each of its values depends on all points.
  RecordFloats record_floats(int lanes) const override {
    if (!fast_.kernel_points) return SummedLayer::record_floats(lanes);
    return {points_floats() + span() - kernel_span(), 0};
  }
  int parts() const override { return fast_.kernel_points ? 1 : SummedLayer::parts(); }
  Range part_range(int part) const override {
    if (!fast_.kernel_points) return SummedLayer::part_range(part);
    return {tensors[0].offset, tensors[0].offset + span()};
  }
  void sum_part(const Kernels& kernels, const Records& records, float* gradient, int part,
                int images, bool add) const override {
    if (!fast_.kernel_points)
      return SummedLayer::sum_part(kernels, records, gradient, part, images, add);
    float* dkernel = gradient + tensors[0].offset;
    const int groups = groups_of(images, kernels);
    const std::size_t stride = record_floats(kernels.lanes)[0];
    if (tensors.size() > 1)
      kernels.sum_records(dkernel + kernel_span(), records.first + points_floats(), groups, stride,
                          0, tensors[1].size(), add);
    float* sums = records.first;  // in place of the first group's, which nobody else reads
    if (groups > 1)
      kernels.sum_records(sums, sums, groups, stride, 0, cook_toom::kernel_points(shape_), false);
    kernels.cook_toom_kernel_from_points(dkernel, sums, shape_, add);
    clear_gaps(dkernel);
  }
  void sum_hessian_part(const Kernels& kernels, const Records& records, float* hessian, int part,
                        int images, bool add) const override {
    SummedLayer::sum_part(kernels, records, hessian, part, images, add);
  }

  double cost() const override {
    return double(size_of(out)) * in.channels * shape_.kernel_height * shape_.kernel_width;
  }
  double multiplications(Pass pass) const override {
    const bool fast = pass == Pass::kForward         ? fast_.forward
                      : pass == Pass::kInputGradient ? fast_.backward_input
                                                     : fast_.backward_kernel;
    const bool two_dimensional =
        pass == Pass::kWeightGradient ? fast_.kernel_points : cook_toom::two_dimensional(shape_);
    return fast ? cook_toom_products(shape_, two_dimensional) : cost();
  }

 private:
  Conv2D(const Settings& settings, Shape in, std::size_t offset, const Slide& slide)
      : SummedLayer(
            in, {settings.integer("filters", 1, kMostValues), slide.rows.out, slide.columns.out},
            offset, settings.activation("activation")),
        shape_{in.channels,
               in.height + slide.rows.before + slide.rows.after,
               in.width + slide.columns.before + slide.columns.after,
               out.channels,
               out.height,
               out.width,
               slide.rows.window,
               slide.columns.window,
               slide.rows.stride,
               slide.columns.stride},
        top_(slide.rows.before),
        left_(slide.columns.before),
        padded_(shape_.in_height != in.height || shape_.in_width != in.width) {
    const int height = shape_.kernel_height, width = shape_.kernel_width, filters = out.channels;
    check_weights("conv2d", double(in.channels) * height * width * filters);
    check_size({in.channels, shape_.in_height, shape_.in_width});
    check_size({filters, out.height, shape_.in_width + width - 1});
    links_ = links_of(settings.table("connections", in.channels - 1), filters);
    if (links_.empty())
      add_tensor("kernel", {height, width, in.channels, filters});
    else
      add_tensor("kernel", {height, width, int(links_.size())});
    if (settings.flag("use_bias")) add_tensor("bias", {filters});
  }

  // Backward but for the activation; the same for gradients and the Hessian, whose squares are not
  // for fast algorithms: these subtract.
  void contract(const Call& call, float* dx, const float* dy, const float* x,
                FastConvolution fast) const {
    if (call.records.first) {
      x = padded_input(call, x);
      if (fast.kernel_points)
        backward_kernel_points(call, dy, x);
      else
        backward_kernel(call, dy, x, fast.backward_kernel);
    }
    if (dx && fast.backward_input)
      call.kernels.cook_toom_backward_input(dx, fast_scratch(call), dy, call.prepared, shape_,
                                            in.height, in.width, top_, left_);
    else if (dx)
      call.kernels.conv2d_backward_input(dx, call.scratch, dy, kernel(call), shape_, in.height,
                                         in.width, top_, left_);
  }

  void backward_kernel(const Call& call, const float* dy, const float* x, bool fast) const {
    float* own = record(call);
    float* dbias = tensors.size() > 1 ? own + kernel_span() : nullptr;
    float* dkernel = links_.empty() ? own : full_kernel(call);
    if (fast)
      call.kernels.cook_toom_backward_kernel(dkernel, dbias, fast_scratch(call), x, dy, shape_);
    else
      call.kernels.conv2d_backward_kernel(dkernel, dbias, x, dy, shape_);
    clear_gaps(own);
    if (!links_.empty())
      for_each_link([&](std::size_t full, std::size_t stored) { own[stored] = dkernel[full]; });
  }
  void backward_kernel_points(const Call& call, const float* dy, const float* x) const {
    float* own = record(call);
    float* dbias = tensors.size() > 1 ? own + points_floats() : nullptr;
    call.kernels.cook_toom_kernel_points(own, dbias, fast_scratch(call), x, dy, shape_);
  }
  std::size_t kernel_span() const { return aligned_floats(tensors[0].size()); }
  std::size_t points_floats() const { return aligned_floats(cook_toom::kernel_points(shape_)); }

  // Calls f(position in the full kernel, position among the stored weights) for each weight.
  template <class F>
  void for_each_link(F f) const {
    const std::size_t tap = std::size_t(shape_.in_channels) * shape_.out_channels;
    std::size_t stored = 0;
    for (std::size_t full = 0; full < full_kernel_floats(); full += tap)
      for (const int link : links_) f(full + link, stored++);
  }
  std::size_t full_kernel_floats() const {
    return std::size_t(shape_.kernel_height) * shape_.kernel_width * shape_.in_channels *
           shape_.out_channels;
  }

  // Scratch: the padded input, or what the kernel for the input's gradient needs; then, with links,
  // the full kernel; then that of fast algorithms.
  std::size_t padded_floats(int lanes) const {
    return std::size_t(shape_.in_channels) * shape_.in_height * shape_.in_width * lanes;
  }
  // Backward, dy with zeros between and around: [out_channels][out_height][spread width]. For one
  // image the kernel turned around, too: [row][column][out][in channels rounded up to vectors].
  std::size_t spread_floats(int lanes) const {
    const std::size_t spread = std::size_t(shape_.out_channels) * shape_.out_height *
                               (shape_.in_width + shape_.kernel_width - 1);
    if (lanes > 1) return spread * lanes;
    return spread + 2 * kSlack +
           std::size_t(shape_.kernel_height) * shape_.kernel_width * shape_.out_channels *
               (shape_.in_channels + kSlack);
  }
  std::size_t full_kernel_offset(int lanes) const {
    return aligned_floats(std::max(padded_floats(lanes), spread_floats(lanes)) + kSlack);
  }
  std::size_t all_scratch(int lanes) const {
    return full_kernel_offset(lanes) + (links_.empty() ? 0 : full_kernel_floats() + kSlack);
  }
  std::size_t fast_offset(int lanes) const { return aligned_floats(all_scratch(lanes)); }
  float* fast_scratch(const Call& call) const {
    return call.scratch + fast_offset(call.kernels.lanes);
  }
  float* full_kernel(const Call& call) const {
    return call.scratch + full_kernel_offset(call.kernels.lanes);
  }

  // With a table of connections the stored weights are spread out, and missing ones are zero: the
  // full kernels take two thirds more multiply-adds in LeNet's, yet less time than gathering.
  const float* kernel(const Call& call) const { return full(call, tensor(call, 0)); }
  const float* full(const Call& call, const float* stored) const {
    if (links_.empty()) return stored;
    float* full = full_kernel(call);
    std::memset(full, 0, full_kernel_floats() * sizeof(float));
    for_each_link([&](std::size_t to, std::size_t from) { full[to] = stored[from]; });
    return full;
  }
  const float* padded_input(const Call& call, const float* x) const {
    if (!padded_) return x;
    call.kernels.pad2d(call.scratch, x, in, shape_.in_height, shape_.in_width, top_, left_);
    return call.scratch;
  }

  ConvShape shape_;
  int top_, left_;
  bool padded_;
  std::vector<int> links_;  // of one tap, positions in [in][out]; empty where all are connected
  FastConvolution fast_;    // which of its kernels are of a fast algorithm
  bool derivative_taken_ = false;
};

const Registered<Conv2D> kConv2D("conv2d");

}  // namespace

}  // namespace pylenet
