// Between the caller's images and one image alone, channels last; flattening, padding, cropping,
// rescaling of it.
#pragma once

#include "kernels/kernels.h"
#include "kernels/read.h"
#include "kernels/vec.h"

namespace pylenet {
namespace {
namespace single {

template <class T>
void pack_as(float* y, const char* image, const ImageView& images, Shape shape, float scale,
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

void pack(float* y, const ImageView& images, const std::int64_t* index, int, Shape shape,
          float scale, float offset) {
  const char* image = static_cast<const char*>(images.data) + *index * images.image_stride;
  switch (images.type) {
    case ElementType::kUint8:
      return pack_as<std::uint8_t>(y, image, images, shape, scale, offset);
    case ElementType::kFloat32:
      return pack_as<float>(y, image, images, shape, scale, offset);
    case ElementType::kFloat64:
      return pack_as<double>(y, image, images, shape, scale, offset);
  }
}

void unpack(float* image, const float* x, int, Shape shape) {
  std::memcpy(image, x, size_of(shape) * sizeof(float));
}

void flatten(float* y, const float* x, Shape shape) {
  std::memcpy(y, x, size_of(shape) * sizeof(float));
}

void unflatten(float* dx, const float* dy, Shape shape) { flatten(dx, dy, shape); }

void rescale(float* y, const float* x, std::size_t size, float scale, float offset) {
  for (std::size_t i = 0; i < size; i += kLanes)
    store(y + i, load(x + i) * splat(scale) + splat(offset));
}

void pad2d(float* y, const float* x, Shape shape, int height, int width, int top, int left) {
  const std::size_t pixel = shape.channels, row = shape.width * pixel;
  std::memset(y, 0, height * width * pixel * sizeof(float));
  for (int h = 0; h < shape.height; h++)
    std::memcpy(y + (std::size_t(h + top) * width + left) * pixel, x + h * row,
                row * sizeof(float));
}

void crop2d(float* y, const float* x, Shape shape, int, int width, int top, int left) {
  const std::size_t pixel = shape.channels, row = shape.width * pixel;
  for (int h = 0; h < shape.height; h++)
    std::memcpy(y + h * row, x + (std::size_t(h + top) * width + left) * pixel,
                row * sizeof(float));
}

}  // namespace single
}  // namespace
}  // namespace pylenet
