// Max and average pooling in lane layout. Windows are clipped to the image, which is what 'same'
// padding means for both: the maximum ignores it, the mean does not count it.
#pragma once

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

void max_pool2d_forward(float* y, const float* x, const PoolShape& s) {
  for_each_window(s, [&](std::size_t out, std::size_t map, const Window& w) {
    vec best = load(x + (map + std::size_t(w.row_begin) * s.in_width + w.column_begin) * kLanes);
    for_each_cell(s, map, w, [&](std::size_t in) {
      const vec v = load(x + in * kLanes);
      best = ((v > best) | (v != v)) ? v : best;  // a NaN wins and stays
    });
    store(y + out * kLanes, best);
  });
}

void max_pool2d_backward(float* dx, const float* dy, const float* x, const float* y,
                         const PoolShape& s) {
  std::memset(dx, 0, std::size_t(s.channels) * s.in_height * s.in_width * kLanes * sizeof(float));
  for_each_window(s, [&](std::size_t out, std::size_t map, const Window& w) {
    const vec best = load(y + out * kLanes);
    vec rest = load(dy + out * kLanes);  // what has not found its maximum yet
    for_each_cell(s, map, w, [&](std::size_t in) {
      const auto hit = load(x + in * kLanes) == best;
      float* d = dx + in * kLanes;
      store(d, load(d) + (hit ? rest : vec{}));
      rest = hit ? vec{} : rest;
    });
  });
}

void average_pool2d_forward(float* y, const float* x, const PoolShape& s) {
  for_each_window(s, [&](std::size_t out, std::size_t map, const Window& w) {
    vec sum{};
    for_each_cell(s, map, w, [&](std::size_t in) { sum += load(x + in * kLanes); });
    store(y + out * kLanes, sum / splat(float(w.cells())));
  });
}

void average_pool2d_backward(float* dx, const float* dy, const PoolShape& s) {
  std::memset(dx, 0, std::size_t(s.channels) * s.in_height * s.in_width * kLanes * sizeof(float));
  for_each_window(s, [&](std::size_t out, std::size_t map, const Window& w) {
    const vec share = load(dy + out * kLanes) / splat(float(w.cells()));
    for_each_cell(s, map, w, [&](std::size_t in) {
      float* d = dx + in * kLanes;
      store(d, load(d) + share);
    });
  });
}

}  // namespace
}  // namespace pylenet
