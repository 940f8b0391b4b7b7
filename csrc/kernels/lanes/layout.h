// Between the caller's images and lanes; flattening, padding, cropping, rescaling of lanes.
#pragma once

#include "kernels/kernels.h"
#include "kernels/read.h"
#include "kernels/vec.h"

namespace pylenet {
namespace {
namespace lanes {

// Rows whose pixels stand side by side in memory: kLanes pixels of each image at a time, turned
// around in registers. Where kLanes does not divide the width, the last ones overlap.
template <class T>
inline void pack_rows(float* y, const ImageView& images, const std::int64_t* index, int count,
                      int height, int width, float scale, float offset) {
  for (int h = 0; h < height; h++, y += std::size_t(width) * kLanes)
    for (int w = 0; w < width; w += kLanes) {
      const int first = w + kLanes <= width ? w : width - kLanes;
      vec rows[kLanes];
      for (int lane = count; lane < kLanes; lane++) rows[lane] = vec{};
      for (int lane = 0; lane < count; lane++)
        rows[lane] = read_vector<T>(static_cast<const char*>(images.data) +
                                    index[lane] * images.image_stride + h * images.row_stride +
                                    first * std::ptrdiff_t(sizeof(T))) *
                         splat(scale) +
                     splat(offset);
      transpose(rows);
      PYLENET_UNROLL
      for (int i = 0; i < kLanes; i++) store(y + (first + i) * kLanes, rows[i]);
    }
}

template <class T>
void pack_as(float* y, const ImageView& images, const std::int64_t* index, int count, Shape shape,
             float scale, float offset) {
  if (shape.channels == 1 && images.column_stride == sizeof(T)) {
    const bool one_row = images.row_stride == shape.width * images.column_stride;
    const int height = one_row ? 1 : shape.height;
    const int width = one_row ? shape.height * shape.width : shape.width;
    if (width >= kLanes) return pack_rows<T>(y, images, index, count, height, width, scale, offset);
  }
  std::memset(y, 0,
              std::size_t(shape.channels) * shape.height * shape.width * kLanes * sizeof(float));
  for (int lane = 0; lane < count; lane++) {
    const char* image = static_cast<const char*>(images.data) + index[lane] * images.image_stride;
    float* to = y + lane;
    for (int c = 0; c < shape.channels; c++)
      for (int h = 0; h < shape.height; h++) {
        const char* from = image + c * images.channel_stride + h * images.row_stride;
        for (int w = 0; w < shape.width; w++, to += kLanes, from += images.column_stride)
          *to = float(read<T>(from)) * scale + offset;
      }
  }
}

void pack(float* y, const ImageView& images, const std::int64_t* index, int count, Shape shape,
          float scale, float offset) {
  switch (images.type) {
    case ElementType::kUint8:
      return pack_as<std::uint8_t>(y, images, index, count, shape, scale, offset);
    case ElementType::kFloat32:
      return pack_as<float>(y, images, index, count, shape, scale, offset);
    case ElementType::kFloat64:
      return pack_as<double>(y, images, index, count, shape, scale, offset);
  }
}

void unpack(float* images, const float* x, int count, Shape shape) {
  for (int lane = 0; lane < count; lane++)
    for (int h = 0; h < shape.height; h++)
      for (int w = 0; w < shape.width; w++)
        for (int c = 0; c < shape.channels; c++)
          *images++ = x[((std::size_t(c) * shape.height + h) * shape.width + w) * kLanes + lane];
}

// Calls f(position in h, w, c order, position in c, h, w order) for each value.
template <class F>
inline void for_each_flattened(Shape s, F f) {
  std::size_t flat = 0;
  for (int h = 0; h < s.height; h++)
    for (int w = 0; w < s.width; w++)
      for (int c = 0; c < s.channels; c++, flat += kLanes)
        f(flat, ((std::size_t(c) * s.height + h) * s.width + w) * kLanes);
}

void flatten(float* y, const float* x, Shape shape) {
  for_each_flattened(shape,
                     [&](std::size_t flat, std::size_t in) { store(y + flat, load(x + in)); });
}

void unflatten(float* dx, const float* dy, Shape shape) {
  for_each_flattened(shape,
                     [&](std::size_t flat, std::size_t in) { store(dx + in, load(dy + flat)); });
}

void rescale(float* y, const float* x, std::size_t size, float scale, float offset) {
  for (std::size_t i = 0; i < size * kLanes; i += kLanes)
    store(y + i, load(x + i) * splat(scale) + splat(offset));
}

void pad2d(float* y, const float* x, Shape shape, int height, int width, int top, int left) {
  std::memset(y, 0, std::size_t(shape.channels) * height * width * kLanes * sizeof(float));
  for (int c = 0; c < shape.channels; c++)
    for (int h = 0; h < shape.height; h++)
      std::memcpy(y + ((std::size_t(c) * height + h + top) * width + left) * kLanes,
                  x + (std::size_t(c) * shape.height + h) * shape.width * kLanes,
                  std::size_t(shape.width) * kLanes * sizeof(float));
}

void crop2d(float* y, const float* x, Shape shape, int height, int width, int top, int left) {
  const std::size_t row = std::size_t(shape.width) * kLanes;
  for (int c = 0; c < shape.channels; c++)
    for (int h = 0; h < shape.height; h++)
      std::memcpy(y + (std::size_t(c) * shape.height + h) * row,
                  x + ((std::size_t(c) * height + h + top) * width + left) * kLanes,
                  row * sizeof(float));
}

}  // namespace lanes
}  // namespace
}  // namespace pylenet
