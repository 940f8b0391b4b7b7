"""What float32 programs have in common: C text. docs/numerics.md says whose bits these are."""

from __future__ import annotations

HEAD = r"""
#if defined(__FAST_MATH__) || (defined(__FINITE_MATH_ONLY__) && __FINITE_MATH_ONLY__)
#error "-ffast-math changes the results: compile this file without it"
#endif
#if defined(__FLT_EVAL_METHOD__) && __FLT_EVAL_METHOD__ != 0 && __FLT_EVAL_METHOD__ != 16
#error "floats must be computed as floats: on 32-bit x86 compile this file with -msse2 -mfpmath=sse"
#endif
#if defined(__clang__)
#pragma STDC FP_CONTRACT OFF
#endif

/* NET_FMA(a, b, c) is a * b + c: rounded once where the processor does that, else twice. A vector
 * has NET_LANES floats. */
#if defined(__AVX512F__)
#include <immintrin.h>
#define NET_FUSED 1
#define NET_LANES 16
typedef __m512 net_vec;
#define NET_SPLAT(s) _mm512_set1_ps(s)
#define NET_LOAD(p) _mm512_loadu_ps(p)
#define NET_STORE(p, v) _mm512_storeu_ps(p, v)
#define NET_VFMA(a, b, c) _mm512_fmadd_ps(a, b, c)
#define NET_LARGER(a, b) _mm512_max_ps(a, b)
#define NET_SMALLER(a, b) _mm512_min_ps(a, b)
#define NET_MUL(a, b) _mm512_mul_ps(a, b)
#define NET_DIV(a, b) _mm512_div_ps(a, b)
#define NET_NAN(a, b) (_mm512_cmp_ps_mask(a, b, _CMP_UNORD_Q) != 0)
#elif defined(__FMA__)
#include <immintrin.h>
#define NET_FUSED 1
#define NET_LANES 8
typedef __m256 net_vec;
#define NET_SPLAT(s) _mm256_set1_ps(s)
#define NET_LOAD(p) _mm256_loadu_ps(p)
#define NET_STORE(p, v) _mm256_storeu_ps(p, v)
#define NET_VFMA(a, b, c) _mm256_fmadd_ps(a, b, c)
#define NET_LARGER(a, b) _mm256_max_ps(a, b)
#define NET_SMALLER(a, b) _mm256_min_ps(a, b)
#define NET_MUL(a, b) _mm256_mul_ps(a, b)
#define NET_DIV(a, b) _mm256_div_ps(a, b)
#define NET_NAN(a, b) (_mm256_movemask_ps(_mm256_cmp_ps(a, b, _CMP_UNORD_Q)) != 0)
#elif defined(__SSE2__)
#include <emmintrin.h>
#define NET_FUSED 0
#define NET_LANES 4
typedef __m128 net_vec;
#define NET_SPLAT(s) _mm_set1_ps(s)
#define NET_LOAD(p) _mm_loadu_ps(p)
#define NET_STORE(p, v) _mm_storeu_ps(p, v)
#define NET_VFMA(a, b, c) _mm_add_ps(_mm_mul_ps(a, b), c)
#define NET_LARGER(a, b) _mm_max_ps(a, b)
#define NET_SMALLER(a, b) _mm_min_ps(a, b)
#define NET_MUL(a, b) _mm_mul_ps(a, b)
#define NET_DIV(a, b) _mm_div_ps(a, b)
#define NET_NAN(a, b) (_mm_movemask_ps(_mm_cmpunord_ps(a, b)) != 0)
#else
#if defined(__ARM_FEATURE_FMA)
#define NET_FUSED 1
#else
#define NET_FUSED 0
#endif
#define NET_LANES 1
typedef float net_vec;
#define NET_SPLAT(s) (s)
#define NET_LOAD(p) (*(p))
#define NET_STORE(p, v) (*(p) = (v))
#define NET_VFMA(a, b, c) NET_FMA(a, b, c)
#define NET_LARGER(a, b) ((a) > (b) ? (a) : (b))
#define NET_SMALLER(a, b) ((a) < (b) ? (a) : (b))
#define NET_MUL(a, b) ((a) * (b))
#define NET_DIV(a, b) ((a) / (b))
#endif
#if NET_FUSED
#define NET_FMA(a, b, c) __builtin_fmaf(a, b, c)
#else
#define NET_FMA(a, b, c) ((a) * (b) + (c))
#endif
#define NET_TILE (2 * NET_LANES) /* outputs that a convolution computes together */
#define NET_WIDE (4 * NET_LANES) /* the same of a dense layer */
#define NET_SPARE (4 * NET_LANES - 1) /* floats behind constants that a last tile may read */
"""

CONV2D = r"""
/* Four places of a convolution, at x, x + b, x + c and x + d, for NET_TILE filters. kernel
 * [channel][row][column][filter]. Sums: bias, then channels, rows, columns in order. */
static NET_INLINE void net_conv2d(float sums[4 * NET_TILE], const float *x, int b, int c, int d,
                                  const float *kernel, const float *bias, int channels, int height,
                                  int width, int row, int filters) {
  net_vec a0 = NET_LOAD(bias), b0 = a0, c0 = a0, d0 = a0;
  net_vec a1 = NET_LOAD(bias + NET_LANES), b1 = a1, c1 = a1, d1 = a1;
  int channel, i, j;
  for (channel = 0; channel < channels; channel++)
    for (i = 0; i < height; i++) {
      const float *p = x + i * row + channel;
      for (j = 0; j < width; j++, p += channels, kernel += filters) {
        const net_vec w0 = NET_LOAD(kernel), w1 = NET_LOAD(kernel + NET_LANES);
        net_vec v = NET_SPLAT(p[0]);
        a0 = NET_VFMA(v, w0, a0);
        a1 = NET_VFMA(v, w1, a1);
        v = NET_SPLAT(p[b]);
        b0 = NET_VFMA(v, w0, b0);
        b1 = NET_VFMA(v, w1, b1);
        v = NET_SPLAT(p[c]);
        c0 = NET_VFMA(v, w0, c0);
        c1 = NET_VFMA(v, w1, c1);
        v = NET_SPLAT(p[d]);
        d0 = NET_VFMA(v, w0, d0);
        d1 = NET_VFMA(v, w1, d1);
      }
    }
  NET_STORE(sums, a0);
  NET_STORE(sums + NET_LANES, a1);
  NET_STORE(sums + NET_TILE, b0);
  NET_STORE(sums + NET_TILE + NET_LANES, b1);
  NET_STORE(sums + 2 * NET_TILE, c0);
  NET_STORE(sums + 2 * NET_TILE + NET_LANES, c1);
  NET_STORE(sums + 3 * NET_TILE, d0);
  NET_STORE(sums + 3 * NET_TILE + NET_LANES, d1);
}
"""

DENSE = r"""
/* NET_WIDE outputs of a dense layer. kernel [input][output]. Sums: bias, then inputs in order. */
static NET_INLINE void net_dense(float sums[NET_WIDE], const float *x, const float *kernel,
                                 const float *bias, int inputs, int outputs) {
  net_vec a = NET_LOAD(bias), b = NET_LOAD(bias + NET_LANES);
  net_vec c = NET_LOAD(bias + 2 * NET_LANES), d = NET_LOAD(bias + 3 * NET_LANES);
  int i;
  for (i = 0; i < inputs; i++, kernel += outputs) {
    const net_vec v = NET_SPLAT(x[i]);
    a = NET_VFMA(v, NET_LOAD(kernel), a);
    b = NET_VFMA(v, NET_LOAD(kernel + NET_LANES), b);
    c = NET_VFMA(v, NET_LOAD(kernel + 2 * NET_LANES), c);
    d = NET_VFMA(v, NET_LOAD(kernel + 3 * NET_LANES), d);
  }
  NET_STORE(sums, a);
  NET_STORE(sums + NET_LANES, b);
  NET_STORE(sums + 2 * NET_LANES, c);
  NET_STORE(sums + 3 * NET_LANES, d);
}
"""

LARGEST = r"""
/* The largest of four sums, or of four floors where they are below; a NaN stays. */
static NET_INLINE void net_largest(float best[NET_TILE], float sums[4 * NET_TILE], float floor) {
  int k, place;
#if NET_LANES > 1
  int nan = 0;
  for (k = 0; k < NET_TILE; k += NET_LANES) {
    const net_vec a = NET_LOAD(sums + k), b = NET_LOAD(sums + NET_TILE + k);
    const net_vec c = NET_LOAD(sums + 2 * NET_TILE + k), d = NET_LOAD(sums + 3 * NET_TILE + k);
    const net_vec f = NET_SPLAT(floor);
    const net_vec upper = NET_LARGER(NET_LARGER(f, a), NET_LARGER(f, b));
    nan |= NET_NAN(a, b) | NET_NAN(c, d);
    NET_STORE(best + k, NET_LARGER(NET_LARGER(upper, NET_LARGER(f, c)), NET_LARGER(f, d)));
  }
  if (!nan) return;
#endif
  for (k = 0; k < NET_TILE; k++) {
    best[k] = net_larger(floor, sums[k]);
    for (place = 1; place < 4; place++)
      best[k] = net_larger_or_nan(best[k], net_larger(floor, sums[place * NET_TILE + k]));
  }
}
"""
LARGER = r"""
static NET_INLINE float net_larger(float a, float b) { return a > b ? a : b; }
"""
SMALLER = r"""
static NET_INLINE float net_smaller(float a, float b) { return a < b ? a : b; }
"""
LARGER_OR_NAN = r"""
/* The larger one; a NaN stays. */
static NET_INLINE float net_larger_or_nan(float best, float v) {
  return best == best ? net_larger(best, v) : best;
}
"""
POLYNOMIAL = r"""
/* p[0] x^(count - 1) + ... + p[count - 1] */
static NET_INLINE float net_polynomial(const float *p, int count, float x) {
  float y = p[0];
  int i;
  NET_UNROLL for (i = 1; i < count; i++) y = NET_FMA(y, x, p[i]);
  return y;
}
"""
TANH_OF = r"""
/* p[0] x^4 + ... + p[4], of each x */
static NET_INLINE net_vec net_polynomial_of(const float p[5], net_vec x) {
  net_vec y = NET_SPLAT(p[0]);
  int i;
  NET_UNROLL for (i = 1; i < 5; i++) y = NET_VFMA(y, x, NET_SPLAT(p[i]));
  return y;
}
/* x P(x^2) / Q(x^2) */
static net_vec net_tanh_of(net_vec x) {
  static const float p[5] = {1.3177028357347353e-08f, 2.0480834791669622e-05f,
                             0.0034877897705882788f, 0.13374456763267517f, 1.0f};
  static const float q[5] = {7.703845312789781e-07f, 0.00032728855148889124f,
                             0.025847308337688446f, 0.46707770228385925f, 1.0f};
  const net_vec square = NET_MUL(x, x), most = NET_SPLAT(9.1f * 9.1f);
  const net_vec t = NET_SMALLER(square, most), one = NET_SPLAT(1.0f);
  const net_vec y = NET_MUL(x, NET_DIV(net_polynomial_of(p, t), net_polynomial_of(q, t)));
  const net_vec below = NET_SMALLER(one, y), minus_one = NET_SPLAT(-1.0f);
  return NET_LARGER(minus_one, below);
}
"""
TANH = r"""
static NET_INLINE float net_tanh(float x) {
  float y[NET_LANES];
  NET_STORE(y, net_tanh_of(NET_SPLAT(x)));
  return y[0];
}
"""
TANH_EACH = r"""
static NET_INLINE void net_tanh_each(float *v, int count) {
  int i;
  for (i = 0; i < count; i += NET_LANES) NET_STORE(v + i, net_tanh_of(NET_LOAD(v + i)));
}
"""
EXP_PARTS = r"""
/* 2^n for whole n in [-126, 127] */
static NET_INLINE float net_power_of_two(float n) {
  const uint32_t bits = (uint32_t)((int32_t)n + 127) << 23;
  float y;
  memcpy(&y, &bits, sizeof y);
  return y;
}
/* x y, rounded to a whole number: adding 1.5 * 2^23 rounds */
static NET_INLINE float net_whole_product(float x, float y) {
  return NET_FMA(x, y, 12582912.0f) - 12582912.0f;
}
/* x - n ln 2 */
static NET_INLINE float net_without_powers(float x, float n) {
  return NET_FMA(n, 2.12194440e-4f, NET_FMA(n, -0.693359375f, x));
}
/* e^r - 1 near 0 */
static NET_INLINE float net_expm1_near_0(float r) {
  static const float p[5] = {0.0013814467238262296f, 0.008368780836462975f, 0.04166839271783829f,
                             0.1666651964187622f, 0.4999999403953552f};
  return NET_FMA(net_polynomial(p, 5, r) * r, r, r);
}
/* 2^n e^r, in two steps: the first half keeps the product normal */
static NET_INLINE float net_exp_of_parts(float n, float r) {
  const float p = net_expm1_near_0(r) + 1.0f, half = net_whole_product(n, 0.5f);
  return p * net_power_of_two(half) * net_power_of_two(n - half);
}
"""
EXP = r"""
static float net_exp(float x) {
  float n;
  if (x != x) return x;
  x = net_larger(-104.0f, net_smaller(89.0f, x));
  n = net_whole_product(x, 1.44269504f);
  return net_exp_of_parts(n, net_without_powers(x, n));
}
"""
EXP_OF_SUM = r"""
/* e^(high + low) */
static float net_exp_of_sum(float high, float low) {
  float n;
  if (high != high) return high;
  high = net_larger(-104.0f, net_smaller(89.0f, high));
  n = net_whole_product(high + low, 1.44269504f);
  return net_exp_of_parts(n, net_without_powers(high, n) + low);
}
"""
EXPM1 = r"""
/* e^x - 1 for x <= 0 */
static float net_expm1(float x) {
  float n, power;
  if (x != x) return x;
  x = net_larger(-25.0f, net_smaller(0.0f, x));
  n = net_whole_product(x, 1.44269504f);
  power = net_power_of_two(n);
  return NET_FMA(power, net_expm1_near_0(net_without_powers(x, n)), power - 1.0f);
}
"""
LOG1P = r"""
/* log(1 + u) for u from 0 to 1 */
static float net_log1p(float u) {
  static const float p[4] = {0.28012022376060486f, 0.2800179719924927f, 0.4002152681350708f,
                             0.666664183139801f};
  const float s = u / (2.0f + u), t = s * s;
  return NET_FMA(net_polynomial(p, 4, t) * t, s, s + s);
}
"""
NORMAL_TAIL = r"""
/* how much of the standard normal distribution lies beyond |x| */
static float net_normal_tail(float x) {
  static const float p[10] = {
      -0.00013419541937764734f, 0.00017465844575781375f, 0.001568404957652092f,
      -0.00351021159440279f,    -0.007524002809077501f,  0.0604034885764122f,
      -0.1865236610174179f,     0.38713690638542175f,    -0.6078965663909912f,
      0.7552851438522339f};
  const float t = net_smaller(15.0f, net_larger(x, -x));
  float upper, e, d;
  uint32_t bits;
  memcpy(&bits, &t, sizeof bits);
  bits &= 0xFFFFF000u;
  memcpy(&upper, &bits, sizeof upper);
  e = net_exp_of_sum(-0.5f * upper * upper, -0.5f * (t - upper) * (t + upper));
  d = 1.0f / (t + 4.0f);
  return e * (net_polynomial(p, 10, (t - 4.0f) * d) * d);
}
"""
LOGISTIC = r"""
static float net_logistic(float x) {
  const float e = net_exp(net_smaller(x, -x)), most = 1.0f / (1.0f + e);
  return x < 0.0f ? e * most : most;
}
"""
SOFTMAX = r"""
static void net_softmax(float *y, int count) {
  float top = y[0], sum = 0.0f;
  int i;
  for (i = 1; i < count; i++) top = y[i] > top ? y[i] : top;
  for (i = 0; i < count; i++) {
    y[i] = net_exp(y[i] - top);
    sum += y[i];
  }
  for (i = 0; i < count; i++) y[i] = y[i] / sum;
}
"""


def _function(name: str, body: str, more: str = "") -> str:
    return f"\nstatic NET_INLINE float net_{name}(float v{more}) {{ {body} }}\n"


_SLOPE = ", float slope"
# By name: the text, and what it calls.
FUNCTIONS: dict[str, tuple[str, tuple[str, ...]]] = {
    "conv2d": (CONV2D, ()),
    "dense": (DENSE, ()),
    "larger": (LARGER, ()),
    "largest": (LARGEST, ("larger", "larger_or_nan")),
    "smaller": (SMALLER, ()),
    "larger_or_nan": (LARGER_OR_NAN, ("larger",)),
    "polynomial": (POLYNOMIAL, ()),
    "exp_parts": (EXP_PARTS, ("polynomial",)),
    "tanh_of": (TANH_OF, ()),
    "tanh": (TANH, ("tanh_of",)),
    "tanh_each": (TANH_EACH, ("tanh_of",)),
    "exp": (EXP, ("exp_parts", "larger", "smaller")),
    "exp_of_sum": (EXP_OF_SUM, ("exp_parts", "larger", "smaller")),
    "expm1": (EXPM1, ("exp_parts", "larger", "smaller")),
    "log1p": (LOG1P, ("polynomial",)),
    "normal_tail": (NORMAL_TAIL, ("exp_of_sum", "larger", "smaller", "polynomial")),
    "logistic": (LOGISTIC, ("exp", "smaller")),
    "softmax": (SOFTMAX, ("exp",)),
    "relu": (_function("relu", "return net_larger(0.0f, v);"), ("larger",)),
    "leaky_relu": (_function("leaky_relu", "return v > 0.0f ? v : v * slope;", _SLOPE), ()),
    "bounded_relu": (
        """
static NET_INLINE float net_bounded_relu(float v, float slope, float ceiling, float threshold) {
  if (v >= ceiling) return ceiling;
  if (v >= threshold) return v;
  return net_larger(-3.4028234e38f, v - threshold) * slope;
}
""",
        ("larger",),
    ),
    "sigmoid": (_function("sigmoid", "return 1.0f / (1.0f + net_exp(-v));"), ("exp",)),
    "hard_sigmoid": (
        _function("hard_sigmoid", "return net_smaller(6.0f, net_larger(0.0f, v + 3.0f)) / 6.0f;"),
        ("larger", "smaller"),
    ),
    "scaled_tanh": (
        _function("scaled_tanh", "return 1.7159f * net_tanh(2.0f / 3.0f * v);"),
        ("tanh",),
    ),
    "elu": (
        _function("elu", "return v > 0.0f ? v : slope * net_expm1(v);", _SLOPE),
        ("expm1",),
    ),
    "selu": (
        """
static NET_INLINE float net_selu(float v) {
  return v > 0.0f ? 1.05070098f * v : 1.05070098f * 1.67326324f * net_expm1(v);
}
""",
        ("expm1",),
    ),
    "exponential": (_function("exponential", "return net_exp(v);"), ("exp",)),
    "softplus": (
        """
static NET_INLINE float net_softplus(float v) {
  return net_larger(0.0f, v) + net_log1p(net_exp(net_smaller(v, -v)));
}
""",
        ("larger", "smaller", "exp", "log1p"),
    ),
    "softsign": (
        _function("softsign", "return v / (1.0f + net_larger(v, -v));"),
        ("larger",),
    ),
    "silu": (
        _function("silu", "return net_larger(-110.0f, v) * net_logistic(v);"),
        ("larger", "logistic"),
    ),
    "gelu": (
        """
static NET_INLINE float net_gelu(float v) {
  const float tail = net_normal_tail(v);
  return net_larger(-15.0f, v) * (v < 0.0f ? tail : 1.0f - tail);
}
""",
        ("larger", "normal_tail"),
    ),
    "gelu_tanh": (
        """
static NET_INLINE float net_gelu_tanh(float v) {
  const float held = net_larger(-15.0f, net_smaller(15.0f, v));
  const float inner = held * NET_FMA(held * held, 1.5957691216f * 0.044715f, 1.5957691216f);
  return net_larger(-15.0f, v) * net_logistic(inner);
}
""",
        ("larger", "smaller", "logistic"),
    ),
}
PARAMETERS = {  # of an activation's function, which are passed on
    "leaky_relu": 1,
    "elu": 1,
    "bounded_relu": 3,
}
