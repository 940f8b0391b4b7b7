// Max and average pooling of one image, channels last, with channels in the lanes. Every mean has
// the order of the kernels for many images (pool2d-inl.h), hence their bits.
#pragma once

#include "activation-inl.h"
#include "kernels.h"
#include "pool2d-inl.h"
#include "single-inl.h"
#include "vec.h"

namespace pylenet {
namespace {

// Calls f(first channel) for each vector of channels. The last vector may reach past its pixel:
// where whole vectors are stored, they are stored in the order of memory, so that what is too much
// is overwritten.
template <class F>
inline void for_each_channels(int channels, F f) {
  for (int c = 0; c < channels; c += kLanes) f(c);
}

// The windows of PoolShape, over pixels instead of cells of one map.
template <class F>
inline void for_each_pixel_window(const PoolShape& s, F f) {
  PoolShape map = s;
  map.channels = 1;
  for_each_window(map, [&](std::size_t out, std::size_t, const Window& w) { f(out, w); });
}

// Of `halves`: calls f(output, its upper two cells, its lower two), each the first of a vector of
// channels, with indices in floats; f(out, upper, upper + pixel, lower, lower + pixel).
template <class F>
inline void for_each_half_pixel(const PoolShape& s, F f) {
  const std::size_t pixel = s.channels, row = s.in_width * pixel;
  std::size_t out = 0, in = 0;
  for (int oh = 0; oh < s.out_height; oh++, in += row)
    for (int ow = 0; ow < s.out_width; ow++, out += pixel, in += 2 * pixel)
      for_each_channels(s.channels, [&](std::size_t c) {
        f(out + c, in + c, in + pixel + c, in + row + c, in + row + pixel + c);
      });
}

void single_max_pool2d_forward(float* y, const float* x, const PoolShape& s) {
  const std::size_t pixel = s.channels;
  if (halves(s))
    return for_each_half_pixel(
        s, [&](std::size_t out, std::size_t a, std::size_t b, std::size_t c, std::size_t d) {
          vec best = larger_or_nan(load_unaligned(x + a), load_unaligned(x + b));
          best = larger_or_nan(best, load_unaligned(x + c));
          store_unaligned(y + out, larger_or_nan(best, load_unaligned(x + d)));
        });
  for_each_pixel_window(s, [&](std::size_t out, const Window& w) {
    for_each_channels(s.channels, [&](int c) {
      vec best =
          load_unaligned(x + (std::size_t(w.row_begin) * s.in_width + w.column_begin) * pixel + c);
      for_each_cell(s, 0, w, [&](std::size_t in) {
        best = larger_or_nan(best, load_unaligned(x + in * pixel + c));
      });
      store_unaligned(y + out * pixel + c, best);
    });
  });
}

void single_average_pool2d_forward(float* y, const float* x, const PoolShape& s) {
  const std::size_t pixel = s.channels;
  if (halves(s))
    return for_each_half_pixel(
        s, [&](std::size_t out, std::size_t a, std::size_t b, std::size_t c, std::size_t d) {
          const vec sum = vec{} + load_unaligned(x + a) + load_unaligned(x + b) +
                          load_unaligned(x + c) + load_unaligned(x + d);
          store_unaligned(y + out, sum * splat(0.25f));
        });
  for_each_pixel_window(s, [&](std::size_t out, const Window& w) {
    for_each_channels(s.channels, [&](int c) {
      vec sum{};
      for_each_cell(s, 0, w, [&](std::size_t in) { sum += load_unaligned(x + in * pixel + c); });
      store_unaligned(y + out * pixel + c, sum / splat(float(w.cells())));
    });
  });
}

// Of `halves`, dx's cells in the order of memory: calls f(K, output, window's first cell, cell) for
// each vector of channels, where the cell is the window's K-th of four.
template <class F>
inline void for_each_half_cell(const PoolShape& s, F f) {
  const std::size_t pixel = s.channels, row = s.in_width * pixel;
  const auto cells = [&](auto k, std::size_t out, std::size_t first, std::size_t cell) {
    for_each_channels(s.channels, [&](std::size_t c) { f(k, out + c, first + c, cell + c); });
  };
  for (int oh = 0; oh < s.out_height; oh++) {
    const std::size_t out = std::size_t(oh) * s.out_width * pixel, in = 2 * oh * row;
    for (std::size_t w = 0; w < s.out_width * pixel; w += pixel) {
      cells(std::integral_constant<int, 0>(), out + w, in + 2 * w, in + 2 * w);
      cells(std::integral_constant<int, 1>(), out + w, in + 2 * w, in + 2 * w + pixel);
    }
    for (std::size_t w = 0; w < s.out_width * pixel; w += pixel) {
      cells(std::integral_constant<int, 2>(), out + w, in + 2 * w, in + 2 * w + row);
      cells(std::integral_constant<int, 3>(), out + w, in + 2 * w, in + 2 * w + row + pixel);
    }
  }
}

template <class Below>
inline void single_max_pool2d_backward_through(float* dx, const float* dy, const float* x,
                                               const float* y, const PoolShape& s) {
  const std::size_t pixel = s.channels;
  if (halves(s)) {
    const std::size_t offsets[] = {0, pixel, s.in_width * pixel};
    return for_each_half_cell(s, [&](auto k, std::size_t out, std::size_t first, std::size_t cell) {
      const vec best = load_unaligned(y + out);
      const vec g = Below::backward(load_unaligned(dy + out), best);
      ivec hit = load_unaligned(x + cell) == best;
      for (int earlier = 0; earlier < decltype(k)::value; earlier++)
        hit &= ~ivec(load_unaligned(x + first + offsets[earlier]) == best);
      store_unaligned(dx + cell, hit ? g : vec{});
    });
  }
  std::memset(dx, 0, s.in_height * s.in_width * pixel * sizeof(float));
  for_each_pixel_window(s, [&](std::size_t out, const Window& w) {
    for_each_channels(s.channels, [&](int c) {
      const int n = lanes_left(s.channels, c);
      const vec best = load_unaligned(y + out * pixel + c);
      vec rest = Below::backward(load_unaligned(dy + out * pixel + c), best);
      for_each_cell(s, 0, w, [&](std::size_t in) {
        const auto hit = load_unaligned(x + in * pixel + c) == best;
        float* d = dx + in * pixel + c;
        store_some(d, load_unaligned(d) + (hit ? rest : vec{}), n);
        rest = hit ? vec{} : rest;
      });
    });
  });
}

void single_max_pool2d_backward(float* dx, const float* dy, const float* x, const float* y,
                                const PoolShape& s, ActivationKind below) {
  with_activation(below, [&](auto activation) {
    single_max_pool2d_backward_through<decltype(activation)>(dx, dy, x, y, s);
  });
}

void single_average_pool2d_backward(float* dx, const float* dy, const float* x, const PoolShape& s,
                                    ActivationKind below) {
  const std::size_t pixel = s.channels, size = s.in_height * s.in_width * pixel;
  if (halves(s))
    return with_activation(below, [&](auto activation) {
      for_each_half_cell(s, [&](auto, std::size_t out, std::size_t, std::size_t cell) {
        const vec share = load_unaligned(dy + out) * splat(0.25f);
        store_unaligned(dx + cell, activation.backward(share, load_unaligned(x + cell)));
      });
    });
  std::memset(dx, 0, size * sizeof(float));
  for_each_pixel_window(s, [&](std::size_t out, const Window& w) {
    for_each_channels(s.channels, [&](int c) {
      const int n = lanes_left(s.channels, c);
      const vec share = load_unaligned(dy + out * pixel + c) / splat(float(w.cells()));
      for_each_cell(s, 0, w, [&](std::size_t in) {
        float* d = dx + in * pixel + c;
        store_some(d, load_unaligned(d) + share, n);
      });
    });
  });
  single_activation_backward(dx, x, below, size);
}

}  // namespace
}  // namespace pylenet
