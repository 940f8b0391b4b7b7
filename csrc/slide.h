// Where windows stand that slide over an image.
#pragma once

#include <algorithm>
#include <stdexcept>
#include <string>

#include "layers.h"

namespace pylenet {

// One axis of a window that slides over an image, with TensorFlow's meaning of the paddings:
// 'same' gives ceil(size / stride) positions, the odd cell of padding goes to the end.
struct Axis {
  int out, before, after;
};

inline Axis slide(const char* axis, int size, int window, int stride, bool same) {
  if (window < 1 || stride < 1)
    throw std::invalid_argument("window and strides must be positive, got " +
                                std::to_string(window) + " and " + std::to_string(stride));
  if (window > kMostValues || stride > kMostValues)
    throw std::invalid_argument("window and strides are too large, got " + std::to_string(window) +
                                " and " + std::to_string(stride));
  if (!same) {
    if (window > size)
      throw std::invalid_argument("the window's " + std::string(axis) + " " +
                                  std::to_string(window) + " is larger than the image's " +
                                  std::to_string(size) + " and padding is 'valid'");
    return {(size - window) / stride + 1, 0, 0};
  }
  const int out = (size - 1) / stride + 1;
  const int padding = std::max(0, (out - 1) * stride + window - size);
  return {out, padding / 2, padding - padding / 2};
}

struct Slide {
  Axis rows, columns;
  Slide(const LayerSpec& spec, Shape in)
      : rows(slide("height", in.height, spec.window.first, spec.strides.first, spec.same_padding)),
        columns(
            slide("width", in.width, spec.window.second, spec.strides.second, spec.same_padding)) {}
};

}  // namespace pylenet
