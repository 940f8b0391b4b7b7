// Trainable sub-sampling: y = coefficient * (sum of the window) + bias, a pair for each channel.
// In lanes, then for one image; no padding.
#pragma once

#include "kernels.h"
#include "pool2d-inl.h"
#include "single-inl.h"
#include "single-pool2d-inl.h"
#include "vec.h"

namespace pylenet {
namespace {

// ---- in lanes

// Calls f(output, sum of its window) for each output, in order.
template <class F>
inline void for_each_window_sum(const float* x, const PoolShape& s, F f) {
  if (halves(s))
    return for_each_half(s, [&](std::size_t out, std::size_t upper, std::size_t lower) {
      f(out / kLanes, vec{} + load(x + upper) + load(x + upper + kLanes) + load(x + lower) +
                          load(x + lower + kLanes));
    });
  for_each_window(s, [&](std::size_t out, std::size_t map, const Window& w) {
    vec sum{};
    for_each_cell(s, map, w, [&](std::size_t in) { sum += load(x + in * kLanes); });
    f(out, sum);
  });
}

void subsample2d_forward(float* y, const float* x, const float* coefficient, const float* bias,
                         const PoolShape& s) {
  const std::size_t map = std::size_t(s.out_height) * s.out_width;
  for_each_window_sum(x, s, [&](std::size_t out, vec sum) {
    const std::size_t c = out / map;
    store(y + out * kLanes, fma(splat(coefficient[c]), sum, splat(bias[c])));
  });
}

void subsample2d_backward_input(float* dx, float* dy, const float* coefficient,
                                const PoolShape& s) {
  const std::size_t map = std::size_t(s.out_height) * s.out_width;
  if (halves(s))
    return for_each_half(s, [&](std::size_t out, std::size_t upper, std::size_t lower) {
      const vec g = load(dy + out) * splat(coefficient[out / kLanes / map]);
      const std::size_t cells[] = {upper, upper + kLanes, lower, lower + kLanes};
      for (const std::size_t cell : cells) store(dx + cell, g);
    });
  std::memset(dx, 0, std::size_t(s.channels) * s.in_height * s.in_width * kLanes * sizeof(float));
  for_each_window(s, [&](std::size_t out, std::size_t in_map, const Window& w) {
    const vec g = load(dy + out * kLanes) * splat(coefficient[out / map]);
    for_each_cell(s, in_map, w,
                  [&](std::size_t in) { store(dx + in * kLanes, load(dx + in * kLanes) + g); });
  });
}

void subsample2d_backward_parameters(float* dcoefficient, float* dbias, const float* x,
                                     const float* dy, const PoolShape& s) {
  const std::size_t map = std::size_t(s.out_height) * s.out_width;
  vec dot{}, total{};
  for_each_window_sum(x, s, [&](std::size_t out, vec sum) {
    const vec g = load(dy + out * kLanes);
    dot = fma(sum, g, dot);
    total += g;
    if ((out + 1) % map != 0) return;
    dcoefficient[out / map] = lane_sum(dot);
    dbias[out / map] = lane_sum(total);
    dot = total = vec{};
  });
}

// ---- one image alone: channels are in the lanes

// Calls f(output's first float, sum of its window) for each pixel of the channels from c on.
template <class F>
inline void for_each_pixel_sum(const float* x, const PoolShape& s, std::size_t c, F f) {
  const std::size_t pixel = s.channels, row = s.in_width * pixel;
  if (halves(s)) {
    const float* from = x + c;
    for (int oh = 0; oh < s.out_height; oh++, from += row)
      for (int ow = 0; ow < s.out_width; ow++, from += 2 * pixel, c += pixel)
        f(c, vec{} + load_unaligned(from) + load_unaligned(from + pixel) +
                 load_unaligned(from + row) + load_unaligned(from + row + pixel));
    return;
  }
  for_each_pixel_window(s, [&](std::size_t out, const Window& w) {
    vec sum{};
    for_each_cell(s, 0, w, [&](std::size_t in) { sum += load_unaligned(x + in * pixel + c); });
    f(out * pixel + c, sum);
  });
}

void single_subsample2d_forward(float* y, const float* x, const float* coefficient,
                                const float* bias, const PoolShape& s) {
  for (int c = 0; c < s.channels; c += kLanes) {
    const int n = lanes_left(s.channels, c);
    const vec factor = load_some(coefficient + c, n), start = load_some(bias + c, n);
    for_each_pixel_sum(x, s, c, [&](std::size_t out, vec sum) {
      store_some(y + out, fma(factor, sum, start), n);
    });
  }
}

void single_subsample2d_backward_input(float* dx, float* dy, const float* coefficient,
                                       const PoolShape& s) {
  const std::size_t pixel = s.channels, outputs = pixel * s.out_height * s.out_width;
  for (int c = 0; c < s.channels; c += kLanes) {
    const int n = lanes_left(s.channels, c);
    const vec factor = load_some(coefficient + c, n);
    for (std::size_t out = c; out < outputs; out += pixel)
      store_some(dy + out, load_unaligned(dy + out) * factor, n);
  }
  if (halves(s))
    return for_each_half_cell(s, [&](auto, std::size_t out, std::size_t, std::size_t cell) {
      store_unaligned(dx + cell, load_unaligned(dy + out));
    });
  std::memset(dx, 0, s.in_height * s.in_width * pixel * sizeof(float));
  for_each_pixel_window(s, [&](std::size_t out, const Window& w) {
    for_each_channels(s.channels, [&](int c) {
      const int n = lanes_left(s.channels, c);
      for_each_cell(s, 0, w, [&](std::size_t in) {
        float* d = dx + in * pixel + c;
        store_some(d, load_unaligned(d) + load_unaligned(dy + out * pixel + c), n);
      });
    });
  });
}

void single_subsample2d_backward_parameters(float* dcoefficient, float* dbias, const float* x,
                                            const float* dy, const PoolShape& s) {
  for (int c = 0; c < s.channels; c += kLanes) {
    const int n = lanes_left(s.channels, c);
    vec dot{}, total{};
    for_each_pixel_sum(x, s, c, [&](std::size_t out, vec sum) {
      const vec g = load_unaligned(dy + out);
      dot = fma(sum, g, dot);
      total += g;
    });
    store_some(dcoefficient + c, dot + vec{}, n);
    store_some(dbias + c, total, n);
  }
}

}  // namespace
}  // namespace pylenet
