// Where the backward pass for the Hessian begins: the loss's own, of one image.
#pragma once

#include "kernels/kernels.h"
#include "kernels/math.h"
#include "kernels/vec.h"

namespace pylenet {
namespace {

void square(float* y, const float* x, std::size_t size) {
  for (std::size_t i = 0; i < size; i += kLanes) {
    const vec v = load_unaligned(x + i);  // parameters may lie anywhere
    store(y + i, v * v);
  }
}

// p_k = e^(sign y_k) / sum, the sum being of all of these and of e^-rest.
inline void shares(float* p, const float* y, int n, float sign, float rest) {
  float top = -rest;
  for (int k = 0; k < n; k++) top = sign * y[k] > top ? sign * y[k] : top;
  for (int k = 0; k < n; k += kLanes)
    store_unaligned(p + k, exp(splat(sign) * load_unaligned(y + k) - splat(top)));
  float sum = exp(splat(-rest - top))[0];
  for (int k = 0; k < n; k++) sum += p[k];
  for (int k = 0; k < n; k += kLanes) store_unaligned(p + k, load_unaligned(p + k) / splat(sum));
}

// d2(loss) / dy_k^2, whatever the label.
void loss_hessian(float* h, const float* y, Loss loss, int classes) {
  if (loss.kind == LossKind::kMeanSquaredError) {
    for (int k = 0; k < classes; k++) h[k] = 2.0f / float(classes);
    return;
  }
  if (loss.kind == LossKind::kMaximumAPosteriori)
    shares(h, y, classes, -1.0f, loss.constant);
  else
    shares(h, y, classes, 1.0f, __builtin_inff());
  for (int k = 0; k < classes; k += kLanes) {
    const vec p = load_unaligned(h + k);
    store_unaligned(h + k, p * (splat(1.0f) - p));
  }
}

}  // namespace
}  // namespace pylenet
