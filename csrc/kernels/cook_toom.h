// Cook-Toom convolution, for both layouts: transforms of one tile of a row, or of a column.
//
// Four neighbouring outputs of a row depend on n = 3 + taps inputs. Seen as polynomials, input and
// kernel are multiplied at n points, one product each, where the direct sum takes 4 taps products
// (A. L. Toom 1963, S. A. Cook 1966; for convolutions S. Winograd 1980). With A, B and G the
// matrices of these transforms, d a tile's inputs and g a kernel row:
//
//   y  = A^T [(G g) * (B^T d)]     forward
//
//   dd = B [(G g) * (A dy)]        gradient of the input: its transpose
//
//   dg = G^T [(B^T d) * (A dy)]    gradient of the kernel
//
// Sums over channels and kernel rows are taken at the points.
//
// Points 0, 1, -1, 2, -2, 1/2, -1/2 and infinity (without the halves for three taps) have the least
// error of those tried, and make the constants of A and B exact. What comes at p and at -p is an
// even and an odd part, added and subtracted.
//
// In two dimensions a tile is four rows high too, and each transform is done twice: columns first
// on the way to the points, rows first on the way back. A pair of points has one product for each
// channel then, and kernel rows are no longer summed. The kernel's gradient stays there until it
// is summed over all images.
//
// Sums at a point: forward kernel rows, in each the input channels; backward kernel rows from the
// last to the first, in each the output channels; of the kernel's gradient output rows, in each the
// tiles, or row after row of tiles. Each value of a transform is computed by itself, with the same
// operations in any layout.
#pragma once

#include <utility>

#include "kernels/cook_toom_shape.h"
#include "kernels/kernels.h"
#include "kernels/vec.h"

namespace pylenet {
namespace {
namespace cook_toom {

#define PYLENET_ROLLED \
  _Pragma("GCC unroll 1")  // unrolled, GCC 12 loads all weights and spills them

constexpr double kPositivePoints[3] = {1.0, 2.0, 0.5};

constexpr double power(double p, int exponent) {
  return exponent ? p * power(p, exponent - 1) : 1.0;
}

// An int that the compiler knows by its type. (One of std would be a symbol that files share.)
template <int I>
struct Constant {
  constexpr operator int() const { return I; }
};

// Calls f(0), f(1) .. f(N - 1) with constants: GCC 12 leaves constants of unrolled loops in memory.
template <class F, int... I>
inline __attribute__((always_inline)) void each(F f, std::integer_sequence<int, I...>) {
  (f(Constant<I>()), ...);
}
template <int N, class F>
inline __attribute__((always_inline)) void each(F f) {
  each(f, std::make_integer_sequence<int, N>());
}

// sum + c v. Nothing is multiplied by 1, and c and -c share a constant.
inline __attribute__((always_inline)) vec term(vec sum, double c, vec v) {
  if (c == 1.0) return sum + v;
  if (c == -1.0) return sum - v;
  return c < 0.0 ? fma(-v, splat(float(-c)), sum) : fma(v, splat(float(c)), sum);
}

template <int TAPS>
struct Transform {
  static constexpr int kTaps = TAPS, kPoints = kOutputs + TAPS - 1, kPairs = (kPoints - 2) / 2;

  // Points in order: 0, then p and -p of each pair, then infinity.
  struct Tables {
    double all[kPairs + 1];      // coefficients of the product of x - p^2 over all pairs,
    double but[kPairs][kPairs];  // and over all but one
    double scale[kPairs];        // of G's rows at a pair
  };
  static constexpr Tables tables() {
    Tables t{};
    for (int but = -1; but < kPairs; but++) {
      double c[kPairs + 2] = {1.0};
      int degree = 0;
      for (int k = 0; k < kPairs; k++) {
        if (k == but) continue;
        const double square = kPositivePoints[k] * kPositivePoints[k];
        degree++;
        for (int i = degree; i >= 0; i--)
          c[i] = (i > 0 ? c[i - 1] : 0.0) - square * (i < degree ? c[i] : 0.0);
      }
      for (int i = 0; i <= degree; i++) (but < 0 ? t.all[i] : t.but[but][i]) = c[i];
    }
    for (int k = 0; k < kPairs; k++) {
      const double square = kPositivePoints[k] * kPositivePoints[k];
      double scale = 2.0 * square;
      for (int l = 0; l < kPairs; l++)
        if (l != k) scale *= square - kPositivePoints[l] * kPositivePoints[l];
      t.scale[k] = 1.0 / scale;
    }
    return t;
  }
  static constexpr Tables kTables = tables();

  // B^T: a tile's inputs at the points.
  struct Input {
    static constexpr int kFrom = kPoints;
    static inline __attribute__((always_inline)) void apply(vec* r, const vec* d) {
      vec first = d[2 * kPairs], last = d[2 * kPairs + 1];
      each<kPairs>([&](auto i) __attribute__((always_inline)) {
        constexpr double c = kTables.all[i];
        first = term(first, c, d[2 * i]);
        last = term(last, c, d[2 * i + 1]);
      });
      r[0] = first;
      r[kPoints - 1] = last;
      each<kPairs>([&](auto k) __attribute__((always_inline)) {
        vec even = d[2 * kPairs], odd = d[2 * kPairs - 1];
        each<kPairs - 1>([&](auto i) __attribute__((always_inline)) {
          constexpr double c = kTables.but[k][i];
          even = term(even, c, d[2 * i + 2]);
          odd = term(odd, c, d[2 * i + 1]);
        });
        r[1 + 2 * k] = term(even, kPositivePoints[k], odd);
        r[2 + 2 * k] = term(even, -kPositivePoints[k], odd);
      });
    }
  };

  // A: a tile of the output's gradient at the points.
  struct Spread {
    static constexpr int kFrom = kOutputs;
    static inline __attribute__((always_inline)) void apply(vec* r, const vec* y) {
      r[0] = y[0];
      r[kPoints - 1] = y[3];
      each<kPairs>([&](auto k) __attribute__((always_inline)) {
        constexpr double p = kPositivePoints[k];
        const vec even = term(y[0], p * p, y[2]), odd = term(y[1], p * p, y[3]);
        r[1 + 2 * k] = term(even, p, odd);
        r[2 + 2 * k] = term(even, -p, odd);
      });
    }
  };

  // A^T: a tile's outputs from the points.
  static inline __attribute__((always_inline)) void output(vec* y, const vec* r) {
    vec sum[kPairs], difference[kPairs];
    PYLENET_UNROLL
    for (int k = 0; k < kPairs; k++) {
      sum[k] = r[1 + 2 * k] + r[2 + 2 * k];
      difference[k] = r[1 + 2 * k] - r[2 + 2 * k];
    }
    each<kOutputs>([&](auto i) __attribute__((always_inline)) {
      vec v = i % 2 ? difference[0] : sum[0];
      each<kPairs - 1>([&](auto k) __attribute__((always_inline)) {
        constexpr double c = power(kPositivePoints[k + 1], i);
        v = term(v, c, i % 2 ? difference[k + 1] : sum[k + 1]);
      });
      if (i == 0) v += r[0];
      if (i == kOutputs - 1) v += r[kPoints - 1];
      y[i] = v;
    });
  }

  // B: what the points give to the gradient of a tile's inputs.
  static inline __attribute__((always_inline)) void collect(vec* d, const vec* r) {
    vec sum[kPairs], difference[kPairs];
    PYLENET_UNROLL
    for (int k = 0; k < kPairs; k++) {
      sum[k] = r[1 + 2 * k] + r[2 + 2 * k];
      difference[k] = r[1 + 2 * k] - r[2 + 2 * k];
    }
    each<kPairs + 1>([&](auto i) __attribute__((always_inline)) {
      constexpr double c = kTables.all[i];
      vec even = c == 1.0 ? r[0] : splat(float(c)) * r[0];
      vec odd = c == 1.0 ? r[kPoints - 1] : splat(float(c)) * r[kPoints - 1];
      each<kPairs>([&](auto k) __attribute__((always_inline)) {
        if constexpr (i > 0) {
          constexpr double e = kTables.but[k][i > 0 ? i - 1 : 0];
          even = term(even, e, sum[k]);
        }
        if constexpr (i < kPairs) {
          constexpr double o = kPositivePoints[k] * kTables.but[k][i < kPairs ? i : 0];
          odd = term(odd, o, difference[k]);
        }
      });
      d[2 * i] = even;
      d[2 * i + 1] = odd;
    });
  }

  // G: a kernel row at the points.
  static inline __attribute__((always_inline)) void kernel(vec* r, const vec* g) {
    r[0] = g[0] * splat(float(1.0 / kTables.all[0]));
    r[kPoints - 1] = g[TAPS - 1];
    each<kPairs>([&](auto k) __attribute__((always_inline)) {
      constexpr double p = kPositivePoints[k], scale = kTables.scale[k];
      vec even = term(g[0], p * p, g[2]), odd = g[1];
      if constexpr (TAPS == 5) {
        even = term(even, power(p, 4), g[4]);
        odd = term(odd, p * p, g[3]);
      }
      r[1 + 2 * k] = term(even, p, odd) * splat(float(scale));
      r[2 + 2 * k] = term(even, -p, odd) * splat(float(scale));
    });
  }

  // G^T: the gradient of a kernel row from the points.
  static inline __attribute__((always_inline)) void kernel_gradient(vec* g, const vec* r) {
    vec sum[kPairs], difference[kPairs];
    each<kPairs>([&](auto k) __attribute__((always_inline)) {
      constexpr double scale = kTables.scale[k];
      sum[k] = (r[1 + 2 * k] + r[2 + 2 * k]) * splat(float(scale));
      difference[k] = (r[1 + 2 * k] - r[2 + 2 * k]) * splat(float(scale));
    });
    each<TAPS>([&](auto i) __attribute__((always_inline)) {
      vec v = i % 2 ? difference[0] : sum[0];
      each<kPairs - 1>([&](auto k) __attribute__((always_inline)) {
        constexpr double c = power(kPositivePoints[k + 1], i);
        v = term(v, c, i % 2 ? difference[k + 1] : sum[k + 1]);
      });
      if constexpr (i == 0) v = fma(r[0], splat(float(1.0 / kTables.all[0])), v);
      if constexpr (i == TAPS - 1) v += r[kPoints - 1];
      g[i] = v;
    });
  }
};

// u [point][row][i], kernel [row][tap][i], `size` values i.
template <class T>
__attribute__((noinline)) void transform_rows(float* u, const float* kernel, int rows,
                                              std::size_t size) {
  for (int row = 0; row < rows; row++, kernel += T::kTaps * size, u += size)
    for_each_vector_of(size, [&](std::size_t i, std::size_t n) {
      vec g[T::kTaps], r[T::kPoints];
      PYLENET_UNROLL
      for (int k = 0; k < T::kTaps; k++) g[k] = load_some(kernel + k * size + i, n);
      T::kernel(r, g);
      PYLENET_UNROLL
      for (int k = 0; k < T::kPoints; k++) store_some(u + k * rows * size + i, r[k], n);
    });
}

// to [column][row], from [row][column].
inline void transpose_channels(float* to, const float* from, int rows, int columns) {
  for (int r = 0; r < rows; r += kLanes)
    for (int c = 0; c < columns; c += kLanes) {
      const int height = lanes_left(rows, r), width = lanes_left(columns, c);
      vec tile[kLanes];
      for (int i = 0; i < kLanes; i++)
        tile[i] = i < height ? load_some(from + std::size_t(r + i) * columns + c, width) : vec{};
      transpose(tile);
      for (int i = 0; i < width; i++)
        store_some(to + std::size_t(c + i) * rows + r, tile[i], height);
    }
}

// In two dimensions: columns of an image at the points. `size` neighbouring values of each row, a
// row `stride` floats after the other, and `left` rows: those past the end are zero. Points `point`
// floats apart. Op: T::Input or T::Spread.
template <class T, class Op>
__attribute__((noinline)) void columns(float* r, std::size_t point, const float* image, int left,
                                       std::size_t stride, std::size_t size) {
  constexpr float zeros[kLanes] = {};
  for (std::size_t i = 0; i < size; i += kLanes) {
    vec values[Op::kFrom], points[T::kPoints];
    PYLENET_UNROLL
    for (int k = 0; k < Op::kFrom; k++)
      values[k] = load_unaligned(k < left ? image + k * stride + i : zeros);
    Op::apply(points, values);
    PYLENET_UNROLL
    for (int k = 0; k < T::kPoints; k++) store_unaligned(r + k * point + i, points[k]);
  }
}

// The rows of outputs that come of such points, `left` at most.
template <class T>
__attribute__((noinline)) void output_columns(float* y, int left, std::size_t stride,
                                              const float* r, std::size_t point, std::size_t size,
                                              vec floor) {
  for (std::size_t i = 0; i < size; i += kLanes) {
    const std::size_t n = lanes_left(int(size), int(i));
    vec points[T::kPoints], outputs[kOutputs];
    PYLENET_UNROLL
    for (int k = 0; k < T::kPoints; k++) points[k] = load_unaligned(r + k * point + i);
    T::output(outputs, points);
    PYLENET_UNROLL
    for (int k = 0; k < kOutputs; k++)
      if (k < left) store_some(y + k * stride + i, larger(floor, outputs[k]), n);
  }
}

// Of the gradient of an image with `height` rows those that such points of a row of tiles give to,
// `first` the uppermost, which may be above the image. What the tiles above have given stays.
template <class T>
__attribute__((noinline)) void collect_columns(float* dx, std::size_t stride, int height, int first,
                                               bool add, const float* r, std::size_t point,
                                               std::size_t size) {
  for (std::size_t i = 0; i < size; i += kLanes) {
    const std::size_t n = lanes_left(int(size), int(i));
    vec points[T::kPoints], parts[T::kPoints];
    PYLENET_UNROLL
    for (int k = 0; k < T::kPoints; k++) points[k] = load_unaligned(r + k * point + i);
    T::collect(parts, points);
    PYLENET_UNROLL
    for (int k = 0; k < T::kPoints; k++) {
      if (first + k < 0 || first + k >= height) continue;
      float* to = dx + std::ptrdiff_t(first + k) * stride + i;
      if (k < T::kPoints - kOutputs && add) parts[k] = load_some(to, n) + parts[k];
      store_some(to, parts[k], n);
    }
  }
}

// Calls f(Transform) for the kernel's width.
template <class F>
inline void with_transform(const ConvShape& s, F f) {
  if (s.kernel_width == 5)
    f(Transform<5>());
  else
    f(Transform<3>());
}

// u: the transformed kernel, from Keras's layout, and for the way back the turned one.
inline void weights(float* u, float* scratch, const float* kernel, const ConvShape& s,
                    bool both_ways) {
  const int rows = s.kernel_height;
  const std::size_t size = std::size_t(s.in_channels) * s.out_channels;
  with_transform(s, [&](auto transform) {
    using T = decltype(transform);
    if (two_dimensional(s)) {
      constexpr int kPoints = T::kPoints;
      transform_rows<T>(scratch, kernel, rows, size);
      transform_rows<T>(u, scratch, kPoints, size);
      for (int k = 0; both_ways && k < kPoints * kPoints; k++)
        transpose_channels(u + kernel_floats(s) + k * size, u + k * size, s.in_channels,
                           s.out_channels);
      return;
    }
    transform_rows<T>(u, kernel, rows, size);
    if (!both_ways) return;
    float* turned = scratch;
    for (int row = rows; row-- > 0;)
      for (int kw = 0; kw < T::kTaps; kw++, turned += size)
        transpose_channels(turned, kernel + (row * T::kTaps + kw) * size, s.in_channels,
                           s.out_channels);
    transform_rows<T>(u + kernel_floats(s), scratch, rows, size);
  });
}

// The gradient of kernel rows g [tap] from r [point], `size` values each, which lie `tap` and
// `point` floats apart. g may be r.
template <class T>
__attribute__((noinline)) void gradient_rows(float* g, std::size_t tap, const float* r,
                                             std::size_t point, std::size_t size, bool add) {
  for_each_vector_of(size, [&](std::size_t i, std::size_t n) {
    vec points[T::kPoints], taps[T::kTaps];
    PYLENET_UNROLL
    for (int k = 0; k < T::kPoints; k++) points[k] = load_some(r + k * point + i, n);
    T::kernel_gradient(taps, points);
    PYLENET_UNROLL
    for (int k = 0; k < T::kTaps; k++) {
      if (add) taps[k] = load_some(g + k * tap + i, n) + taps[k];
      store_some(g + k * tap + i, taps[k], n);
    }
  });
}

// The gradient of the kernel from its sums at pairs of points, which it uses up.
template <class T>
inline void kernel_from_points(float* dkernel, float* sums, const ConvShape& s, bool add) {
  const std::size_t size = std::size_t(s.in_channels) * s.out_channels;
  for (int i = 0; i < T::kPoints; i++) {
    float* row = sums + i * T::kPoints * size;
    gradient_rows<T>(row, size, row, size, size, false);
  }
  for (int kw = 0; kw < T::kTaps; kw++)
    gradient_rows<T>(dkernel + kw * size, T::kTaps * size, sums + kw * size, T::kPoints * size,
                     size, add);
}

}  // namespace cook_toom
}  // namespace
}  // namespace pylenet
