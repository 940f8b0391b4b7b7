// Max, sum and average pooling. Windows are clipped to the image, which is what 'same' padding
// means for all of them: the maximum and the sum ignore it, the mean does not count it.
#pragma once

#include "kernels/activation.h"
#include "kernels/kernels.h"
#include "kernels/vec.h"

namespace pylenet {
namespace {

struct Window {
  int row_begin, row_end, column_begin, column_end;
  int cells() const { return (row_end - row_begin) * (column_end - column_begin); }
};

// Calls f(output, input map, window, values of a cell) for each output; places are in floats.
template <class Layout, class F>
inline void for_each_window(const PoolShape& s, F f) {
  const Layout layout{s.channels};
  for (int m = 0; m < layout.maps(); m++) {
    const std::size_t map = layout.begin(m, s.in_height * s.in_width);
    std::size_t out = layout.begin(m, s.out_height * s.out_width);
    for (int oh = 0; oh < s.out_height; oh++) {
      const int top = oh * s.stride_height - s.pad_top;
      const int bottom = top + s.pool_height;
      for (int ow = 0; ow < s.out_width; ow++, out += layout.cell()) {
        const int left = ow * s.stride_width - s.pad_left;
        const int right = left + s.pool_width;
        f(out, map,
          Window{top < 0 ? 0 : top, bottom < s.in_height ? bottom : s.in_height,
                 left < 0 ? 0 : left, right < s.in_width ? right : s.in_width},
          layout.values(m));
      }
    }
  }
}

// Calls g(cell) for each cell of a window, row by row.
template <class Layout, class G>
inline void for_each_cell(const PoolShape& s, std::size_t map, const Window& w, G g) {
  for (int ih = w.row_begin; ih < w.row_end; ih++)
    for (int iw = w.column_begin; iw < w.column_end; iw++)
      g(map + (std::size_t(ih) * s.in_width + iw) * Layout{s.channels}.cell());
}

// Halving, the LeNets' pooling: 2 x 2 windows side by side, cut off by nothing and leaving no cell
// out. The kernels do it without the general loops: 4 to 6 times faster.
inline bool halves(const PoolShape& s) {
  return s.pool_height == 2 && s.pool_width == 2 && s.stride_height == 2 && s.stride_width == 2 &&
         s.in_height == 2 * s.out_height && s.in_width == 2 * s.out_width;
}

// Calls f(output, its four cells row by row, values of a cell).
template <class Layout, class F>
inline void for_each_half(const PoolShape& s, F f) {
  const Layout layout{s.channels};
  const std::size_t cell = layout.cell(), row = s.in_width * cell;
  for (int m = 0; m < layout.maps(); m++) {
    std::size_t in = layout.begin(m, s.in_height * s.in_width);
    std::size_t out = layout.begin(m, s.out_height * s.out_width);
    for (int oh = 0; oh < s.out_height; oh++, in += row)
      for (int ow = 0; ow < s.out_width; ow++, out += cell, in += 2 * cell) {
        const std::size_t cells[] = {in, in + cell, in + row, in + row + cell};
        f(out, cells, layout.values(m));
      }
  }
}

// The larger one; a NaN wins and stays.
inline vec larger_or_nan(vec best, vec v) { return best == best ? larger(best, v) : best; }

template <class Layout>
void max_pool2d_forward_in(float* y, const float* x, const PoolShape& s) {
  if (halves(s))
    return for_each_half<Layout>(s, [&](std::size_t out, const std::size_t* cells, auto n) {
      vec best = load_unaligned(x + cells[0]);
      PYLENET_UNROLL
      for (int k = 1; k < 4; k++) best = larger_or_nan(best, load_unaligned(x + cells[k]));
      store_some(y + out, best, n);
    });
  for_each_window<Layout>(s, [&](std::size_t out, std::size_t map, const Window& w, auto n) {
    const std::size_t first = std::size_t(w.row_begin) * s.in_width + w.column_begin;
    vec best = load_unaligned(x + map + first * Layout{s.channels}.cell());
    for_each_cell<Layout>(
        s, map, w, [&](std::size_t cell) { best = larger_or_nan(best, load_unaligned(x + cell)); });
    store_some(y + out, best, n);
  });
}

template <class Layout>
void max_pool2d_backward_in(float* dx, const float* dy, const float* x, const float* y,
                            const PoolShape& s, Activation below) {
  with_activation(below, [&](auto function) {
    if (halves(s))
      return for_each_half<Layout>(s, [&](std::size_t out, const std::size_t* cells, auto n) {
        const vec best = load_unaligned(y + out);
        // What has not found its maximum yet.
        vec rest = function.backward(load_unaligned(dy + out), best);
        PYLENET_UNROLL
        for (int k = 0; k < 4; k++) {
          const auto hit = load_unaligned(x + cells[k]) == best;
          store_some(dx + cells[k], hit ? rest : vec{}, n);
          rest = hit ? vec{} : rest;
        }
      });
    std::memset(dx, 0, Layout{s.channels}.floats(s.in_height * s.in_width) * sizeof(float));
    for_each_window<Layout>(s, [&](std::size_t out, std::size_t map, const Window& w, auto n) {
      const vec best = load_unaligned(y + out);
      vec rest = function.backward(load_unaligned(dy + out), best);
      for_each_cell<Layout>(s, map, w, [&](std::size_t cell) {
        const auto hit = load_unaligned(x + cell) == best;
        store_some(dx + cell, load_unaligned(dx + cell) + (hit ? rest : vec{}), n);
        rest = hit ? vec{} : rest;
      });
    });
  });
}

template <class Layout>
void sum_pool2d_forward_in(float* y, const float* x, const PoolShape& s, bool mean) {
  if (halves(s)) {
    const vec share = splat(mean ? 0.25f : 1.0f);
    return for_each_half<Layout>(s, [&](std::size_t out, const std::size_t* cells, auto n) {
      vec sum{};
      PYLENET_UNROLL
      for (int k = 0; k < 4; k++) sum += load_unaligned(x + cells[k]);
      store_some(y + out, sum * share, n);
    });
  }
  for_each_window<Layout>(s, [&](std::size_t out, std::size_t map, const Window& w, auto n) {
    vec sum{};
    for_each_cell<Layout>(s, map, w, [&](std::size_t cell) { sum += load_unaligned(x + cell); });
    store_some(y + out, sum / splat(mean ? float(w.cells()) : 1.0f), n);
  });
}

template <class Layout>
void sum_pool2d_backward_in(float* dx, const float* dy, const float* x, const PoolShape& s,
                            bool mean, Activation below) {
  with_activation(below, [&](auto function) {
    if (halves(s)) {
      const vec factor = splat(mean ? 0.25f : 1.0f);
      return for_each_half<Layout>(s, [&](std::size_t out, const std::size_t* cells, auto n) {
        const vec share = load_unaligned(dy + out) * factor;
        PYLENET_UNROLL
        for (int k = 0; k < 4; k++)
          store_some(dx + cells[k], function.backward(share, load_unaligned(x + cells[k])), n);
      });
    }
    const std::size_t floats = Layout{s.channels}.floats(s.in_height * s.in_width);
    std::memset(dx, 0, floats * sizeof(float));
    for_each_window<Layout>(s, [&](std::size_t out, std::size_t map, const Window& w, auto n) {
      const vec share = load_unaligned(dy + out) / splat(mean ? float(w.cells()) : 1.0f);
      for_each_cell<Layout>(s, map, w, [&](std::size_t cell) {
        store_some(dx + cell, load_unaligned(dx + cell) + share, n);
      });
    });
    for (std::size_t i = 0; i < floats; i += kLanes)
      store(dx + i, function.backward(load(dx + i), load(x + i)));
  });
}

}  // namespace
}  // namespace pylenet
