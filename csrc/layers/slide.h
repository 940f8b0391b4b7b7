// Where windows stand that slide over an image.
#pragma once

#include "kernels/kernels.h"
#include "layers/settings.h"

namespace pylenet {

// One axis of a window that slides over an image, with TensorFlow's meaning of the paddings:
// 'same' gives ceil(size / stride) positions, the odd cell of padding goes to the end.
struct Axis {
  int window, stride, out, before, after;
};

// Of a layer's settings: the window's size under its own name, strides, same_padding.
struct Slide {
  Axis rows, columns;
  // Throws std::invalid_argument where the window does not fit into the image.
  Slide(const Settings& settings, const char* window_name, bool same_padding, Shape in);
};

// A pooling layer's shape, of windows that stand so over `in`.
PoolShape pool_shape(Shape in, const Slide& slide);

}  // namespace pylenet
