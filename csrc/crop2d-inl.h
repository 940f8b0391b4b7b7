// Cutting an image out of a larger one: the way back through padding. In lanes, then for one image.
#pragma once

#include "kernels.h"
#include "vec.h"

namespace pylenet {
namespace {

void crop2d(float* y, const float* x, Shape shape, int height, int width, int top, int left) {
  const std::size_t row = std::size_t(shape.width) * kLanes;
  for (int c = 0; c < shape.channels; c++)
    for (int h = 0; h < shape.height; h++)
      std::memcpy(y + (std::size_t(c) * shape.height + h) * row,
                  x + ((std::size_t(c) * height + h + top) * width + left) * kLanes,
                  row * sizeof(float));
}

void single_crop2d(float* y, const float* x, Shape shape, int, int width, int top, int left) {
  const std::size_t pixel = shape.channels, row = shape.width * pixel;
  for (int h = 0; h < shape.height; h++)
    std::memcpy(y + h * row, x + (std::size_t(h + top) * width + left) * pixel,
                row * sizeof(float));
}

}  // namespace
}  // namespace pylenet
