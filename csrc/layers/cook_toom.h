// Which convolutions are computed by Cook-Toom's algorithm.
#pragma once

#include "kernels/kernels.h"

namespace pylenet {

struct FastConvolution {
  bool forward = false, backward_input = false, backward_kernel = false;
};

// What of a convolution of this shape takes less time by Cook-Toom's algorithm.
FastConvolution cook_toom_pays(const ConvShape& s);

}  // namespace pylenet
