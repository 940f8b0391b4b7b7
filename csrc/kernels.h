// The compute contract: shapes, layouts, and the kernels of one instruction set.
//
// Kernels work on a *unit* of images, in one of two layouts, each with a table of its own:
//
// - *Lanes*: as many images as the machine's vector has floats (4, 8 or 16), one image per SIMD
//   lane. Buffers are [channel][row][column][lane]: kernels are plain vertical arithmetic whatever
//   the number of channels.
// - *Single*: one image alone, [row][column][channel], with channels in the lanes where it pays.
//
// Sixteen images are a *block*: 16 / lanes units. Sums over images are taken in an order that only
// the block fixes (see lane_sums in vec.h), so that every layout, every instruction set and any
// number of threads agree.
//
// Rules for all kernels: arguments are outputs, scratch, inputs, shape. Outputs are overwritten
// unless a comment says "adds". A unit's buffers are aligned to a vector and have kSlack floats
// after their end, which kernels may read and write. Weights and gradients are in Keras's layout,
// need no alignment, and are never padded: nothing beyond them is touched. Kernels allocate nothing
// and throw nothing. One output is one float32 accumulator, summed in the order the comment gives;
// layouts and register tiles change speed, never bits.
#pragma once

#include <cstddef>
#include <cstdint>

namespace pylenet {

constexpr int kBlock = 16;          // images whose gradients are summed as one tree
constexpr std::size_t kAlign = 64;  // bytes; every parameter tensor starts on a multiple
constexpr int kSlack = 16;          // floats: the widest vector

enum class ElementType { kUint8, kFloat32, kFloat64 };
enum class ActivationKind { kLinear, kRelu, kScaledTanh, kSigmoid, kSoftmax, kTanh };
enum class LossKind {
  kCrossEntropyFromLogits,         // softmax inside: log-sum-exp, gradient p - t
  kCrossEntropyFromProbabilities,  // Keras's formula: rows normalised, then clipped to [eps, 1 -
                                   // eps]
  kMeanSquaredError,
  kMaximumAPosteriori,  // of distances: y_t + log(e^-constant + sum of e^-y); the least one is
                        // right
};
struct Loss {
  LossKind kind;
  float constant;  // kMaximumAPosteriori's
};

// Images in the caller's memory, read in place: any strides (bytes), any alignment.
struct ImageView {
  const void* data;
  ElementType type;
  std::ptrdiff_t image_stride, row_stride, column_stride, channel_stride;
};

struct Shape {  // one value in lane layout, without the lanes
  int channels, height, width;
  std::size_t size() const { return std::size_t(channels) * height * width; }
};

// Of an image in a frame that distortion wants around it.
inline std::size_t framed_size(Shape s) {
  return std::size_t(s.channels) * (s.height + 3) * (s.width + 3);
}

// A strided correlation over an input that already contains its padding.
struct ConvShape {
  int in_channels, in_height, in_width;
  int out_channels, out_height, out_width;
  int kernel_height, kernel_width, stride_height, stride_width;

  // Floats of scratch that the convolution kernels need.
  std::size_t scratch_floats(int lanes) const {
    // Backward, dy with zeros between and around: [out_channels][out_height][spread_width].
    const std::size_t spread =
        std::size_t(out_channels) * out_height * (in_width + kernel_width - 1);
    if (lanes > 1) return spread * lanes;
    // ... and the kernel turned around: [row][column][out][in channels rounded up to vectors].
    return spread + 2 * kSlack +
           std::size_t(kernel_height) * kernel_width * out_channels * (in_channels + kSlack);
  }
};

// Windows are clipped to the image: padding is never materialised.
struct PoolShape {
  int channels, in_height, in_width, out_height, out_width;
  int pool_height, pool_width, stride_height, stride_width, pad_top, pad_left;
};

// What a loss compares with: exactly one of the pointers is set.
struct Targets {
  const std::int32_t* labels;  // [image]
  const float* rows;           // [image][classes]
};

// A random affine distortion: what each image's map is drawn from, uniformly between -limit and
// limit (see draw in affine-inl.h).
struct RandomAffine {
  double rate;           // chance of an image to be distorted at all
  double rotation;       // full turns
  double zoom, squeeze;  // of the size; squeezing makes one side longer, the other shorter
  double shear;          // columns a row
  double translation;    // of height and width
  float fill;            // outside the image
  std::uint64_t seed;    // with the epoch and the image's index, all that the map depends on
  std::uint32_t epoch;
};

struct OptimizerStep {
  enum Kind { kSgd, kAdam, kSdlm } kind;
  float learning_rate;  // of this step; Adam's bias correction is folded into adam_rate
  float weight_decay;   // decoupled: w -= w * weight_decay * learning_rate, before the update
  float momentum;
  bool nesterov;
  float beta_1, beta_2, epsilon, adam_rate;
};

struct Kernels {
  int lanes;  // images in a unit

  // y = float(image[index[lane]]) * scale + offset; lanes >= count are zero.
  void (*pack)(float* y, const ImageView& images, const std::int64_t* index, int count, Shape shape,
               float scale, float offset);
  // The same of images distorted by `a`, whose values are interpolated between four pixels.
  // scratch: framed_size(shape) floats for each of `lanes`, and kSlack.
  void (*pack_affine)(float* y, void* scratch, const ImageView& images, const std::int64_t* index,
                      int count, Shape shape, float scale, float offset, const RandomAffine& a);
  // images [lane][h][w][c], densely packed, for lanes < count.
  void (*unpack)(float* images, const float* x, int count, Shape shape);

  // y [h * w * c][lane] in Keras's flatten order, from x; and back.
  void (*flatten)(float* y, const float* x, Shape shape);
  void (*unflatten)(float* dx, const float* dy, Shape shape);

  void (*rescale)(float* y, const float* x, std::size_t size, float scale, float offset);

  // y, an image of height x width: x moved to (top, left), zeros around it.
  void (*pad2d)(float* y, const float* x, Shape shape, int height, int width, int top, int left);
  // y of `shape` out of x, an image of height x width, from (top, left) on.
  void (*crop2d)(float* y, const float* x, Shape shape, int height, int width, int top, int left);

  // kernel [kh][kw][ic][oc], bias [oc] or null.
  // Sums: bias, then input channel, kernel row, kernel column. `activation` of the sums is stored;
  // not softmax.
  void (*conv2d_forward)(float* y, const float* x, const float* kernel, const float* bias,
                         const ConvShape& s, ActivationKind activation);
  // dx of height x width, without the padding (top, left) that the forward input had.
  // Sums: output channel, kernel row, kernel column.
  void (*conv2d_backward_input)(float* dx, float* scratch, const float* dy, const float* kernel,
                                const ConvShape& s, int height, int width, int top, int left);
  // Sums: output row, output column in each lane, then the lanes as a tree. dbias may be null.
  void (*conv2d_backward_kernel)(float* dkernel, float* dbias, const float* x, const float* dy,
                                 const ConvShape& s);

  // Pooling. Backward, `below` is the activation whose output x is: dx is the gradient of what
  // went into it. Linear stands for none.
  void (*max_pool2d_forward)(float* y, const float* x, const PoolShape& s);
  // The gradient goes to the first maximum of each window, in row-major order.
  void (*max_pool2d_backward)(float* dx, const float* dy, const float* x, const float* y,
                              const PoolShape& s, ActivationKind below);
  // Padding is not counted in the mean.
  void (*average_pool2d_forward)(float* y, const float* x, const PoolShape& s);
  void (*average_pool2d_backward)(float* dx, const float* dy, const float* x, const PoolShape& s,
                                  ActivationKind below);

  // Trainable sub-sampling: coefficient [c] times the window's sum, row by row, plus bias [c]. No
  // padding. Parameters' sums: as the convolution kernel's. dy is used up.
  void (*subsample2d_forward)(float* y, const float* x, const float* coefficient, const float* bias,
                              const PoolShape& s);
  void (*subsample2d_backward_input)(float* dx, float* dy, const float* coefficient,
                                     const PoolShape& s);
  void (*subsample2d_backward_parameters)(float* dcoefficient, float* dbias, const float* x,
                                          const float* dy, const PoolShape& s);

  // y_o = sum over the inputs, in order, of (x_i - code_oi)^2. codes [in][out] and, for the way
  // back, turned [out][in]: both with kSlack floats after their end. Backward's sums: outputs in
  // order, then times 2.
  void (*rbf_forward)(float* y, const float* x, const float* codes, int in, int out);
  void (*rbf_backward)(float* dx, const float* dy, const float* x, const float* turned, int in,
                       int out);

  // kernel [in][out], bias [out] or null. Sums: bias, then the inputs in order.
  void (*dense_forward)(float* y, const float* x, const float* kernel, const float* bias, int in,
                        int out);
  // Sums: outputs in order.
  void (*dense_backward_input)(float* dx, const float* dy, const float* kernel, int in, int out);
  // rows [lane][row_stride]: dy turned to rows, the rest of a row zero.
  void (*dense_rows)(float* rows, const float* dy, int out, int row_stride);
  // dkernel rows [begin, end) of [in][out], contracted over `count` images in order, and dbias.
  // x: [unit][in][lane]; rows: [image][row_stride]. Add to what is there if `add`.
  void (*dense_backward_kernel)(float* dkernel, const float* x, const float* rows, int count,
                                int in, int out, int row_stride, int begin, int end, bool add);
  void (*dense_backward_bias)(float* dbias, const float* rows, int count, int out, int row_stride,
                              bool add);

  // In place. softmax runs over all `size` values of an image, the others over each alone.
  void (*activation_forward)(float* y, ActivationKind kind, std::size_t size);
  // dy becomes dx, in place; y is what the forward pass gave.
  void (*activation_backward)(float* dy, const float* y, ActivationKind kind, std::size_t size);

  // Loss of each lane's row of y, whether its arg max (arg min of distances) is right, and (if dy
  // is set) dloss/dy times `scale`. Lanes >= count give neither loss nor gradient. Targets start at
  // the unit's images through index. scratch: 2 * classes * kSlack floats.
  void (*loss)(float* dy, float* losses, std::int32_t* correct, float* scratch, const float* y,
               const Targets& targets, const std::int64_t* index, int count, Loss loss, int classes,
               float scale);

  // gradient[begin, end) = sum over units of partials [unit][size], block after block, the units
  // of a block as a tree. Adds if `add`.
  void (*sum_partials)(float* gradient, const float* partials, int units, std::size_t size,
                       std::size_t begin, std::size_t end, bool add);
};

// What is compiled once for each instruction set.
struct InstructionSet {
  const char* name;
  Kernels lanes, single;

  // Second derivatives of one image's loss with respect to y (single layout), the same for every
  // label. Not for kCrossEntropyFromProbabilities.
  void (*loss_curvature)(float* h, const float* y, Loss loss, int classes);
  // y = x^2 for whole vectors: up to kSlack floats more than `size`.
  void (*square)(float* y, const float* x, std::size_t size);

  // One step of the optimizer on `size` parameters. slot_1, slot_2: its state, null if unused.
  void (*optimizer_step)(float* parameters, float* slot_1, float* slot_2, const float* gradient,
                         std::size_t size, const OptimizerStep& step);
  // For measuring: as many multiply-adds as the machine can do at once, one after the other,
  // `rounds` times. Returns how many one round is; *sink keeps them from being optimised away.
  int (*multiply_adds)(float* sink, std::int64_t rounds);
};

}  // namespace pylenet
