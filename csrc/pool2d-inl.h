// Max and average pooling in lane layout. Windows are clipped to the image, which is what 'same'
// padding means for both: the maximum ignores it, the mean does not count it.
#pragma once

#include "activation-inl.h"
#include "kernels.h"
#include "vec.h"

namespace pylenet {
namespace {

struct Window {
  int row_begin, row_end, column_begin, column_end;
  int cells() const { return (row_end - row_begin) * (column_end - column_begin); }
};

// Calls f(output index, input map's first index, window) for each output, in order.
template <class F>
inline void for_each_window(const PoolShape& s, F f) {
  std::size_t out = 0;
  for (int c = 0; c < s.channels; c++) {
    const std::size_t map = std::size_t(c) * s.in_height * s.in_width;
    for (int oh = 0; oh < s.out_height; oh++) {
      const int top = oh * s.stride_height - s.pad_top;
      const int bottom = top + s.pool_height;
      for (int ow = 0; ow < s.out_width; ow++, out++) {
        const int left = ow * s.stride_width - s.pad_left;
        const int right = left + s.pool_width;
        f(out, map,
          Window{top < 0 ? 0 : top, bottom < s.in_height ? bottom : s.in_height,
                 left < 0 ? 0 : left, right < s.in_width ? right : s.in_width});
      }
    }
  }
}

// Calls g(input index) for each cell of a window, row by row.
template <class G>
inline void for_each_cell(const PoolShape& s, std::size_t map, const Window& w, G g) {
  for (int ih = w.row_begin; ih < w.row_end; ih++)
    for (int iw = w.column_begin; iw < w.column_end; iw++)
      g(map + std::size_t(ih) * s.in_width + iw);
}

// Halving, the LeNets' pooling: 2 x 2 windows side by side, cut off by nothing and leaving no cell
// out. Its kernels below do what the general ones do, without their loops: 6 to 4 times faster.
inline bool halves(const PoolShape& s) {
  return s.pool_height == 2 && s.pool_width == 2 && s.stride_height == 2 && s.stride_width == 2 &&
         s.in_height == 2 * s.out_height && s.in_width == 2 * s.out_width;
}

// Calls f(output, its two cells of the upper row, of the lower row) with their indices in floats.
template <class F>
inline void for_each_half(const PoolShape& s, F f) {
  const std::size_t width = std::size_t(s.in_width) * kLanes;
  std::size_t out = 0, in = 0;
  for (int row = 0; row < s.channels * s.out_height; row++, in += width)
    for (int ow = 0; ow < s.out_width; ow++, out += kLanes, in += 2 * kLanes)
      f(out, in, in + width);
}

// The larger one; a NaN wins and stays.
inline vec larger_or_nan(vec best, vec v) { return best == best ? larger(best, v) : best; }

void max_pool2d_forward(float* y, const float* x, const PoolShape& s) {
  if (halves(s))
    return for_each_half(s, [&](std::size_t out, std::size_t upper, std::size_t lower) {
      vec best = larger_or_nan(load(x + upper), load(x + upper + kLanes));
      best = larger_or_nan(best, load(x + lower));
      store(y + out, larger_or_nan(best, load(x + lower + kLanes)));
    });
  for_each_window(s, [&](std::size_t out, std::size_t map, const Window& w) {
    vec best = load(x + (map + std::size_t(w.row_begin) * s.in_width + w.column_begin) * kLanes);
    for_each_cell(s, map, w,
                  [&](std::size_t in) { best = larger_or_nan(best, load(x + in * kLanes)); });
    store(y + out * kLanes, best);
  });
}

template <class Below>
inline void max_pool2d_backward_through(float* dx, const float* dy, const float* x, const float* y,
                                        const PoolShape& s) {
  if (halves(s))
    return for_each_half(s, [&](std::size_t out, std::size_t upper, std::size_t lower) {
      const vec best = load(y + out);
      vec rest = Below::backward(load(dy + out), best);  // what has not found its maximum yet
      const std::size_t cells[] = {upper, upper + kLanes, lower, lower + kLanes};
      PYLENET_UNROLL
      for (int k = 0; k < 4; k++) {
        const auto hit = load(x + cells[k]) == best;
        store(dx + cells[k], hit ? rest : vec{});
        rest = hit ? vec{} : rest;
      }
    });
  std::memset(dx, 0, std::size_t(s.channels) * s.in_height * s.in_width * kLanes * sizeof(float));
  for_each_window(s, [&](std::size_t out, std::size_t map, const Window& w) {
    const vec best = load(y + out * kLanes);
    vec rest = Below::backward(load(dy + out * kLanes), best);
    for_each_cell(s, map, w, [&](std::size_t in) {
      const auto hit = load(x + in * kLanes) == best;
      float* d = dx + in * kLanes;
      store(d, load(d) + (hit ? rest : vec{}));
      rest = hit ? vec{} : rest;
    });
  });
}

void max_pool2d_backward(float* dx, const float* dy, const float* x, const float* y,
                         const PoolShape& s, ActivationKind below) {
  with_activation(below, [&](auto activation) {
    max_pool2d_backward_through<decltype(activation)>(dx, dy, x, y, s);
  });
}

void average_pool2d_forward(float* y, const float* x, const PoolShape& s) {
  if (halves(s))
    return for_each_half(s, [&](std::size_t out, std::size_t upper, std::size_t lower) {
      const vec sum = vec{} + load(x + upper) + load(x + upper + kLanes) + load(x + lower) +
                      load(x + lower + kLanes);
      store(y + out, sum * splat(0.25f));
    });
  for_each_window(s, [&](std::size_t out, std::size_t map, const Window& w) {
    vec sum{};
    for_each_cell(s, map, w, [&](std::size_t in) { sum += load(x + in * kLanes); });
    store(y + out * kLanes, sum / splat(float(w.cells())));
  });
}

template <class Below>
inline void average_pool2d_backward_through(float* dx, const float* dy, const float* x,
                                            const PoolShape& s) {
  if (halves(s))
    return for_each_half(s, [&](std::size_t out, std::size_t upper, std::size_t lower) {
      const vec share = load(dy + out) * splat(0.25f);
      const std::size_t cells[] = {upper, upper + kLanes, lower, lower + kLanes};
      PYLENET_UNROLL
      for (int k = 0; k < 4; k++) store(dx + cells[k], Below::backward(share, load(x + cells[k])));
    });
  const std::size_t size = std::size_t(s.channels) * s.in_height * s.in_width;
  std::memset(dx, 0, size * kLanes * sizeof(float));
  for_each_window(s, [&](std::size_t out, std::size_t map, const Window& w) {
    const vec share = load(dy + out * kLanes) / splat(float(w.cells()));
    for_each_cell(s, map, w, [&](std::size_t in) {
      float* d = dx + in * kLanes;
      store(d, load(d) + share);
    });
  });
  for_each_vector(dx, size, [&](vec g, std::size_t i) { return Below::backward(g, load(x + i)); });
}

void average_pool2d_backward(float* dx, const float* dy, const float* x, const PoolShape& s,
                             ActivationKind below) {
  with_activation(below, [&](auto activation) {
    average_pool2d_backward_through<decltype(activation)>(dx, dy, x, s);
  });
}

}  // namespace
}  // namespace pylenet
