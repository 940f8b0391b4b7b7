// Which convolutions are computed by Cook-Toom's algorithm.
#pragma once

#include "kernels/kernels.h"
#include "layers/layer.h"

namespace pylenet {

struct FastConvolution {
  bool forward = false, backward_input = false, backward_kernel = false;
  bool kernel_points = false;  // the kernel's gradient in two dimensions, summed at the points
};

// What of a convolution of this shape takes less time by Cook-Toom's algorithm.
FastConvolution cook_toom_pays(const ConvShape& s);

// The products of a pass on one image; without those of transforms.
double cook_toom_products(const ConvShape& s, bool two_dimensional);

}  // namespace pylenet
