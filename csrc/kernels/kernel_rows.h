// Which rows of a convolution's kernel meet a row of its input, for both layouts.
#pragma once

#include "kernels/kernels.h"

namespace pylenet {
namespace {

// The kernel rows that reach input row ih from an existing output row.
struct KernelRows {
  int begin, end, step;
};
inline KernelRows rows_reaching(const ConvShape& s, int ih) {
  int begin = ih - (s.out_height - 1) * s.stride_height;
  if (begin < 0) begin = ih % s.stride_height;
  return {begin, ih < s.kernel_height ? ih + 1 : s.kernel_height, s.stride_height};
}

}  // namespace
}  // namespace pylenet
