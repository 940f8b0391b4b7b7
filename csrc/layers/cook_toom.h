// Which convolutions are computed by Cook-Toom's algorithm.
#pragma once

#include "kernels/kernels.h"
#include "layers/layer.h"

namespace pylenet {

struct FastConvolution {
  bool forward = false, backward_input = false, backward_kernel = false;
};

// What of a convolution of this shape takes less time by Cook-Toom's algorithm.
FastConvolution cook_toom_pays(const ConvShape& s);

// The products of a pass on one image; without those of transforms.
double cook_toom_products(const ConvShape& s, Pass pass);

}  // namespace pylenet
