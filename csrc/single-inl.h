// One image alone, channels last: packing, flattening, activations, dense layers, loss.
// Every sum has the order of the kernels for many images, hence their bits.
#pragma once

#include "activation-inl.h"
#include "dense-inl.h"
#include "kernels.h"
#include "loss-inl.h"
#include "pack-inl.h"
#include "vec.h"

namespace pylenet {
namespace {

inline int lanes_left(int size, int first) { return size - first < kLanes ? size - first : kLanes; }

inline std::size_t size_of(Shape s) { return std::size_t(s.channels) * s.height * s.width; }

// ---- between the caller's image and ours

template <class T>
void single_pack_as(float* y, const char* image, const ImageView& images, Shape shape, float scale,
                    float offset) {
  const std::size_t size = size_of(shape);
  const std::ptrdiff_t pixel = sizeof(T) * shape.channels;
  const bool dense = images.row_stride == pixel * shape.width && images.column_stride == pixel &&
                     (shape.channels == 1 || images.channel_stride == sizeof(T));
  std::size_t i = 0;
  if (dense)
    for (; i + kLanes <= size; i += kLanes)
      store(y + i, read_vector<T>(image + i * sizeof(T)) * splat(scale) + splat(offset));
  for (; i < size; i++) {
    const std::ptrdiff_t c = i % shape.channels, w = i / shape.channels % shape.width,
                         h = i / shape.channels / shape.width;
    y[i] = float(read<T>(image + h * images.row_stride + w * images.column_stride +
                         c * images.channel_stride)) *
               scale +
           offset;
  }
}

void single_pack(float* y, const ImageView& images, const std::int64_t* index, int, Shape shape,
                 float scale, float offset) {
  const char* image = static_cast<const char*>(images.data) + *index * images.image_stride;
  switch (images.type) {
    case ElementType::kUint8:
      return single_pack_as<std::uint8_t>(y, image, images, shape, scale, offset);
    case ElementType::kFloat32:
      return single_pack_as<float>(y, image, images, shape, scale, offset);
    case ElementType::kFloat64:
      return single_pack_as<double>(y, image, images, shape, scale, offset);
  }
}

void single_unpack(float* image, const float* x, int, Shape shape) {
  std::memcpy(image, x, size_of(shape) * sizeof(float));
}

void single_flatten(float* y, const float* x, Shape shape) {  // and back: channels are last
  std::memcpy(y, x, size_of(shape) * sizeof(float));
}

void single_rescale(float* y, const float* x, std::size_t size, float scale, float offset) {
  for (std::size_t i = 0; i < size; i += kLanes)
    store(y + i, load(x + i) * splat(scale) + splat(offset));
}

void single_pad2d(float* y, const float* x, Shape shape, int height, int width, int top, int left) {
  const std::size_t pixel = shape.channels, row = shape.width * pixel;
  std::memset(y, 0, height * width * pixel * sizeof(float));
  for (int h = 0; h < shape.height; h++)
    std::memcpy(y + (std::size_t(h + top) * width + left) * pixel, x + h * row,
                row * sizeof(float));
}

// ---- activations and losses

// Where values of one image meet each other, as in softmax: the kernel for many images, this one in
// its first lane.
inline void to_first_lane(float* lanes, const float* x, std::size_t size) {
  for (std::size_t i = 0; i < size; i++) store(lanes + i * kLanes, vec{x[i]});
}
inline void from_first_lane(float* x, const float* lanes, std::size_t size) {
  for (std::size_t i = 0; i < size; i++) x[i] = lanes[i * kLanes];
}

// Sums in order, as the kernel for many images does.
inline void single_softmax_forward(float* y, std::size_t size) {
  float top = y[0], sum = 0.0f;
  for (std::size_t i = 1; i < size; i++) top = y[i] > top ? y[i] : top;
  for (std::size_t i = 0; i < size; i += kLanes) store(y + i, exp(load(y + i) - splat(top)));
  for (std::size_t i = 0; i < size; i++) sum += y[i];
  for (std::size_t i = 0; i < size; i += kLanes) store(y + i, load(y + i) / splat(sum));
}

inline void single_softmax_backward(float* dy, const float* y, std::size_t size) {
  vec dot{};
  for (std::size_t i = 0; i < size; i++) dot = fma(splat(dy[i]), splat(y[i]), dot);
  for (std::size_t i = 0; i < size; i += kLanes) store(dy + i, load(y + i) * (load(dy + i) - dot));
}

void single_activation_forward(float* y, ActivationKind kind, std::size_t size) {
  if (kind == ActivationKind::kSoftmax) return single_softmax_forward(y, size);
  with_activation(kind, [&](auto activation) {
    for (std::size_t i = 0; i < size; i += kLanes) store(y + i, activation.forward(load(y + i)));
  });
}

void single_activation_backward(float* dy, const float* y, ActivationKind kind, std::size_t size) {
  if (kind == ActivationKind::kSoftmax) return single_softmax_backward(dy, y, size);
  with_activation(kind, [&](auto activation) {
    for (std::size_t i = 0; i < size; i += kLanes)
      store(dy + i, activation.backward(load(dy + i), load(y + i)));
  });
}

void single_loss(float* dy, float* losses, std::int32_t* correct, float* scratch, const float* y,
                 const Targets& targets, const std::int64_t* index, int count, Loss which,
                 int classes, float scale) {
  float* lanes = scratch;
  float* gradient = dy ? scratch + std::size_t(classes) * kLanes : nullptr;
  to_first_lane(lanes, y, classes);
  loss(gradient, losses, correct, nullptr, lanes, targets, index, count, which, classes, scale);
  if (dy) from_first_lane(dy, gradient, classes);
}

// ---- dense layers

// `n` outputs from o on, TV vectors of them, contracted over all inputs.
template <int TV>
inline void single_dense_tile(float* y, const float* x, const float* kernel, const float* bias,
                              int in, int out, int o, int last) {
  vec acc[TV];
  PYLENET_UNROLL
  for (int v = 0; v < TV; v++)
    acc[v] = !bias ? vec{} : load_some(bias + o + v * kLanes, v + 1 < TV ? kLanes : last);
  const float* w = kernel + o;
  for (int i = 0; i < in; i++, w += out) {
    const vec xv = splat(x[i]);
    PYLENET_UNROLL
    for (int v = 0; v + 1 < TV; v++) acc[v] = fma(xv, load_unaligned(w + v * kLanes), acc[v]);
    acc[TV - 1] = fma(xv, load_some(w + (TV - 1) * kLanes, last), acc[TV - 1]);
  }
  PYLENET_UNROLL
  for (int v = 0; v < TV; v++) store_unaligned(y + o + v * kLanes, acc[v]);
}

// Tiles of TV vectors, then one of what is left.
template <int TV>
inline void single_dense_tiles(float* y, const float* x, const float* kernel, const float* bias,
                               int in, int out, int o = 0) {
  for (; o + (TV - 1) * kLanes < out; o += TV * kLanes)
    single_dense_tile<TV>(y, x, kernel, bias, in, out, o, lanes_left(out, o + (TV - 1) * kLanes));
  if constexpr (TV > 1) {
    if (o < out) single_dense_tiles<TV - 1>(y, x, kernel, bias, in, out, o);
  }
}

void single_dense_forward(float* y, const float* x, const float* kernel, const float* bias, int in,
                          int out) {
  single_dense_tiles<8>(y, x, kernel, bias, in, out);
}

// kLanes rows of the kernel at a time, turned in registers so that each lane is an input.
void single_dense_backward_input(float* dx, const float* dy, const float* kernel, int in, int out) {
  for (int i = 0; i < in; i += kLanes) {
    const int rows = lanes_left(in, i);
    vec acc{};
    for (int o = 0; o < out; o += kLanes) {
      const int columns = lanes_left(out, o);
      const float* w = kernel + std::size_t(i) * out + o;
      vec tile[kLanes];
      if (rows == kLanes && columns == kLanes) {
        PYLENET_UNROLL
        for (int t = 0; t < kLanes; t++) tile[t] = load_unaligned(w + std::size_t(t) * out);
        transpose(tile);
        PYLENET_UNROLL
        for (int t = 0; t < kLanes; t++) acc = fma(splat(dy[o + t]), tile[t], acc);
      } else {
        for (int t = 0; t < kLanes; t++)
          tile[t] = t < rows ? load_some(w + std::size_t(t) * out, columns) : vec{};
        transpose(tile);
        for (int t = 0; t < columns; t++) acc = fma(splat(dy[o + t]), tile[t], acc);
      }
    }
    store(dx + i, acc);
  }
}

void single_dense_rows(float* rows, const float* dy, int out, int row_stride) {
  std::memcpy(rows, dy, out * sizeof(float));
  std::memset(rows + out, 0, (row_stride - out) * sizeof(float));
}

}  // namespace
}  // namespace pylenet
