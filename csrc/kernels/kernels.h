// The compute contract: what kernels are given, their layouts, and the kernels of one instruction
// set.
//
// Kernels work on a *group* of images, in one of two layouts, each with a table of its own:
//
// - *Lanes*: as many images as the machine's vector has floats (4, 8 or 16), one image per SIMD
//   lane. Buffers are [channel][row][column][lane]: kernels are plain vertical arithmetic whatever
//   the number of channels.
// - *Single*: one image alone, [row][column][channel], with channels in the lanes where it pays.
//
// Sixteen images are a *block*: 16 / lanes groups. Sums over images are taken in an order that only
// the block fixes (see lane_sums in vec.h), so that every layout, every instruction set and any
// number of threads agree.
//
// Rules for all kernels: arguments are outputs, scratch, inputs, shape. Outputs are overwritten
// unless a comment says "adds". A group's buffers are aligned to a vector and have kSlack floats
// after their end, which kernels may read and write. Weights and gradients are in Keras's layout,
// need no alignment, and are never padded: nothing beyond them is touched. Kernels allocate nothing
// and throw nothing. One output is one float32 accumulator, summed in the order the comment gives;
// layouts and register tiles change speed, never bits.
//
// Functions here have internal linkage: they are compiled for every instruction set, and the linker
// might take one for another.
#pragma once

#include <cstddef>
#include <cstdint>

namespace pylenet {

constexpr int kBlock = 16;          // images whose gradients are summed as one tree
constexpr std::size_t kAlign = 64;  // bytes; every parameter tensor starts on a multiple
constexpr int kSlack = 16;          // floats: the widest vector

enum class ElementType { kUint8, kFloat32, kFloat64 };

enum class ActivationKind : int;  // see activation_list.h; 0 is kLinear
struct Activation {
  ActivationKind kind{};
  float parameter = 0.0f;                  // of kinds that have one
  float ceiling = 0.0f, threshold = 0.0f;  // kBoundedRelu's
};

enum class LossKind {
  kCrossEntropyFromLogits,         // softmax inside: log-sum-exp, gradient p - t
  kCrossEntropyFromProbabilities,  // Keras's formula: rows normalised, then clipped to [eps, 1 -
                                   // eps]
  kMeanSquaredError,
  kMaximumAPosteriori,  // of distances: y_t + log(e^-constant + sum of e^-y); the least one is
                        // right
  kBinaryCrossEntropyFromLogits,  // sigmoid inside; of each output alone, as all up to kPoisson
  kBinaryCrossEntropyFromProbabilities,  // Keras's: clipped to [eps, 1 - eps]
  kMeanAbsoluteError,
  kHuber,  // up to an error of `constant` half its square, then linear
  kLogCosh,
  kHinge,
  kSquaredHinge,
  kMeanAbsolutePercentageError,
  kMeanSquaredLogarithmicError,
  kPoisson,
  kKlDivergence,
  kCategoricalHinge,
  kCosineSimilarity,
};
struct Loss {
  LossKind kind;
  float constant;                    // kMaximumAPosteriori's, kHuber's
  float target_scale, target_shift;  // rows of targets are taken times scale plus shift
};

// Images in the caller's memory, read in place: any strides (bytes), any alignment.
struct ImageView {
  const void* data;
  ElementType type;
  std::ptrdiff_t image_stride, row_stride, column_stride, channel_stride;
};

struct Shape {  // of one image's values
  int channels, height, width;
};

namespace {  // so that every file has its own
inline std::size_t size_of(Shape s) { return std::size_t(s.channels) * s.height * s.width; }
inline bool is_linear(const Activation& a) { return a.kind == ActivationKind{}; }
}  // namespace

// y = scale x + shift, of each channel; null for none.
struct ChannelAffine {
  const float *scale = nullptr, *shift = nullptr;
};

// A strided correlation over an input that already contains its padding.
struct ConvShape {
  int in_channels, in_height, in_width;
  int out_channels, out_height, out_width;
  int kernel_height, kernel_width, stride_height, stride_width;
};

// Windows are clipped to the image: padding is never materialised.
struct PoolShape {
  int channels, in_height, in_width, out_height, out_width;
  int pool_height, pool_width, stride_height, stride_width, pad_top, pad_left;
};

// What a loss compares with: labels or rows.
struct Targets {
  const std::int32_t* labels;  // [image]
  const float* rows;           // [image][classes]
  const float* weights;        // [image], of its loss; null where all are 1
};

// A random affine distortion: what each image's map is drawn from, uniformly between -limit and
// limit (see draw in affine.h).
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

// The images of a group in training, and what random numbers depend on besides them.
struct TrainingImages {
  std::uint32_t seed, epoch;
  const std::int64_t* index;  // [image] of all that are trained on
  int count;
};

// Random zeros: each value stays with probability 1 - rate, times `scale`.
struct Dropout {
  std::uint64_t key;        // of the random numbers
  std::uint32_t threshold;  // rate 2^32: random numbers below it drop a value
  float scale;              // 1 / (1 - rate)
};

// What an optimizer's update is told; which of it is used depends on the kind (optimizer.h).
struct OptimizerStep {
  enum Kind { kSgd, kAdam, kSdlm, kRmsprop, kAdagrad, kAdadelta, kAdamax, kNadam } kind;
  float weight_decay;  // decoupled: w -= w * weight_decay * learning_rate, before the update
  float momentum;
  bool nesterov;
  float beta_1, beta_2, rho, epsilon;
  // Of this step alone:
  float learning_rate;
  float bias_rate;                              // with the bias correction: Adam's, Adamax's
  float mean_rate, gradient_rate, square_rate;  // Nadam's
};

struct Kernels {
  int lanes;  // images in a group

#define PYLENET_KERNEL(name, arguments) void(*name) arguments;
#include "kernels/kernel_list.h"
#undef PYLENET_KERNEL
};

// What is compiled once for each instruction set.
struct InstructionSet {
  const char* name;
  Kernels lanes, single;

  // Second derivatives of one image's loss with respect to y (single layout), the same for every
  // label. For kCrossEntropyFromLogits, kMeanSquaredError, kMaximumAPosteriori.
  void (*loss_hessian)(float* h, const float* y, Loss loss, int classes);
  // y = x^2 for whole vectors: up to kSlack floats more than `size`.
  void (*square)(float* y, const float* x, std::size_t size);

  // One step of the optimizer on `size` parameters. slots: its state, three; null where unused.
  void (*optimizer_step)(float* parameters, float* const* slots, const float* gradient,
                         std::size_t size, const OptimizerStep& step);
  // average = momentum average + (1 - momentum) w, and then w = average if `overwrite`.
  void (*moving_average)(float* average, float* parameters, std::size_t size, float momentum,
                         bool overwrite);
  // Each value of a gradient to [-limit, limit]; each times factor.
  void (*clip)(float* gradient, std::size_t size, float limit);
  void (*scale)(float* gradient, std::size_t size, float factor);
  float (*sum_of_squares)(const float* x, std::size_t size);
  // Adds to the gradient that of sum(l1 |w| + l2 w^2), which is returned; |w| has no slope at 0.
  float (*regularize)(float* gradient, const float* parameters, std::size_t size, float l1,
                      float l2);
  // For measuring: as many multiply-adds as the machine can do at once, one after the other,
  // `rounds` times. Returns how many one round is; *sink keeps them from being optimised away.
  int (*multiply_adds)(float* sink, std::int64_t rounds);
};

}  // namespace pylenet
