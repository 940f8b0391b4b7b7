"""What programs in whole numbers have in common: C text. docs/int8.md is their arithmetic."""

from __future__ import annotations

HEAD = r"""
#if (-1 >> 1) != -1
#error "this file needs shifts of negative numbers that round down"
#endif

/* NET_FOUR is the order in memory of four weights of a convolution. Where pairs of 16 bits are
 * multiplied and added in one instruction (NET_PAIRS), a convolution first widens its window, or
 * all windows of a row (NET_ROWS). */
#if defined(__SSE2__)
#include <emmintrin.h>
#define NET_PAIRS 1
#define NET_ROWS 1
#define NET_FOUR(a, b, c, d) a, b, c, d
#elif defined(__ARM_FEATURE_DSP) && defined(__ARM_FEATURE_SIMD32) && defined(__ARMEL__)
#include <arm_acle.h>
#define NET_PAIRS 1
#define NET_ROWS 0
#define NET_FOUR(a, b, c, d) a, c, b, d
#else
#define NET_PAIRS 0
#define NET_ROWS 0
#define NET_FOUR(a, b, c, d) a, b, c, d
#endif

/* Set where a product of 64 bits takes many instructions. */
#if !defined(NET_HALVES)
#if defined(__ARM_ARCH_6M__) || defined(__AVR__) || defined(__ARM_ARCH_8M_BASE__)
#define NET_HALVES 1
#else
#define NET_HALVES 0
#endif
#endif
"""

ROUNDED = r"""
/* (a m + 2^(s - 1)) >> s */
static NET_INLINE int32_t net_rounded(int32_t a, int32_t m, int s) {
#if NET_HALVES
  const int32_t high = (a >> 16) * m;
  const uint32_t low = (uint32_t)(a & 0xFFFF) * (uint32_t)m;
  if (s > 16) return (high + ((int32_t)1 << (s - 17)) + (int32_t)(low >> 16)) >> (s - 16);
  return (int32_t)((uint32_t)high << (16 - s)) + (int32_t)((low + ((uint32_t)1 << (s - 1))) >> s);
#else
  return (int32_t)(((int64_t)a * m + ((int64_t)1 << (s - 1))) >> s);
#endif
}
"""
BOUNDED = r"""
static NET_INLINE int32_t net_bounded(int32_t v, int32_t low, int32_t high) {
  return v < low ? low : v > high ? high : v;
}
"""
CONV2D_PAIRS = r"""
#if NET_PAIRS
/* Four sums of products with the same weights, at x, x + b, x + c and x + d: `rows` rows of
 * `length` numbers, a multiple of 8. */
static NET_INLINE void net_conv2d_pairs(int32_t sums[4], const int16_t *x, int b, int c, int d,
                                        int row, const int8_t *w, int rows, int length) {
  int i, k;
#if defined(__SSE2__)
  __m128i s0 = _mm_setzero_si128(), s1 = s0, s2 = s0, s3 = s0;
  for (i = 0; i < rows; i++, x += row)
    for (k = 0; k < length; k += 8, w += 8) {
      const int16_t *p = x + k;
      __m128i v = _mm_loadl_epi64((const __m128i *)(const void *)w);
      v = _mm_srai_epi16(_mm_unpacklo_epi8(v, v), 8);
#define NET_AT(place) _mm_madd_epi16(_mm_loadu_si128((const __m128i *)(const void *)(place)), v)
      s0 = _mm_add_epi32(s0, NET_AT(p));
      s1 = _mm_add_epi32(s1, NET_AT(p + b));
      s2 = _mm_add_epi32(s2, NET_AT(p + c));
      s3 = _mm_add_epi32(s3, NET_AT(p + d));
#undef NET_AT
    }
  s0 = _mm_add_epi32(_mm_unpacklo_epi32(s0, s1), _mm_unpackhi_epi32(s0, s1));
  s2 = _mm_add_epi32(_mm_unpacklo_epi32(s2, s3), _mm_unpackhi_epi32(s2, s3));
  s0 = _mm_add_epi32(_mm_unpacklo_epi64(s0, s2), _mm_unpackhi_epi64(s0, s2));
  _mm_storeu_si128((__m128i *)(void *)sums, s0);
#else
  int32_t s0 = 0, s1 = 0, s2 = 0, s3 = 0;
  for (i = 0; i < rows; i++, x += row)
    for (k = 0; k < length; k += 4, w += 4) {
      const int16_t *p = x + k;
      uint32_t four;
      int16x2_t v, low, high;
      memcpy(&four, w, 4);
      low = __sxtb16((int8x4_t)four);
      high = __sxtb16((int8x4_t)(four >> 8 | four << 24));
#define NET_AT(place, weights, sum) (memcpy(&v, place, 4), __smlad(v, weights, sum))
      s0 = NET_AT(p, low, s0);
      s1 = NET_AT(p + b, low, s1);
      s2 = NET_AT(p + c, low, s2);
      s3 = NET_AT(p + d, low, s3);
      s0 = NET_AT(p + 2, high, s0);
      s1 = NET_AT(p + b + 2, high, s1);
      s2 = NET_AT(p + c + 2, high, s2);
      s3 = NET_AT(p + d + 2, high, s3);
#undef NET_AT
    }
  sums[0] = s0;
  sums[1] = s1;
  sums[2] = s2;
  sums[3] = s3;
#endif
}
#endif
"""


def conv2d_plain(kind: str) -> str:
    """The same four sums straight from the image, whose values are of this kind."""
    return CONV2D_PLAIN.replace("$kind", f"{kind}_t").replace("$letter", kind[0])


CONV2D_PLAIN = r"""
#if !NET_PAIRS
/* Four sums of products with the same weights, at x, x + b, x + c and x + d: `rows` rows of
 * `length` numbers; rows of weights begin `step` apart. */
static NET_INLINE void net_conv2d_$letter(int32_t sums[4], const $kind *x, int b, int c, int d,
                                    int row, const int8_t *w, int rows, int length, int step) {
  int32_t s0 = 0, s1 = 0, s2 = 0, s3 = 0;
  int i, k;
  for (i = 0; i < rows; i++, x += row, w += step)
    for (k = 0; k < length; k++) {
      const $kind *p = x + k;
      const int32_t v = w[k];
      s0 += p[0] * v;
      s1 += p[b] * v;
      s2 += p[c] * v;
      s3 += p[d] * v;
    }
  sums[0] = s0;
  sums[1] = s1;
  sums[2] = s2;
  sums[3] = s3;
}
#endif
"""


def dense(kind: str) -> str:
    """Four outputs of a dense layer."""
    unsigned = kind == "uint8"
    text = DENSE.replace("$kind", f"{kind}_t").replace("$letter", kind[0])
    low = "_mm_unpacklo_epi8(v, zero)" if unsigned else "_mm_srai_epi16(_mm_unpacklo_epi8(v, v), 8)"
    text = text.replace("$widen_low", low).replace("$widen_high", low.replace("lo_", "hi_"))
    wide = "__uxtb16((uint8x4_t)" if unsigned else "__sxtb16((int8x4_t)"
    return text.replace("$widen", wide).replace("$zero", ZERO if unsigned else "")


ZERO = "  const __m128i zero = _mm_setzero_si128();\n"
DENSE = r"""
/* Four outputs of a dense layer; their weights begin at w, w + b, w + c and w + d. */
static NET_INLINE void net_dense_$letter(int32_t sums[4], const $kind *x, const int8_t *w, int b, int c,
                                   int d, int inputs) {
  int32_t s0 = 0, s1 = 0, s2 = 0, s3 = 0;
  int k = 0;
#if defined(__SSE2__)
$zero  __m128i t0 = _mm_setzero_si128(), t1 = t0, t2 = t0, t3 = t0;
  for (; k + 16 <= inputs; k += 16) {
    const __m128i v = _mm_loadu_si128((const __m128i *)(const void *)(x + k));
    const __m128i low = $widen_low, high = $widen_high;
    __m128i u;
#define NET_ADD(sum, place)                                                             \
  u = _mm_loadu_si128((const __m128i *)(const void *)(place));                          \
  sum = _mm_add_epi32(sum, _mm_madd_epi16(low, _mm_srai_epi16(_mm_unpacklo_epi8(u, u), 8))); \
  sum = _mm_add_epi32(sum, _mm_madd_epi16(high, _mm_srai_epi16(_mm_unpackhi_epi8(u, u), 8)))
    NET_ADD(t0, w + k);
    NET_ADD(t1, w + k + b);
    NET_ADD(t2, w + k + c);
    NET_ADD(t3, w + k + d);
#undef NET_ADD
  }
  k = inputs - inputs % 16;
  t0 = _mm_add_epi32(_mm_unpacklo_epi32(t0, t1), _mm_unpackhi_epi32(t0, t1));
  t2 = _mm_add_epi32(_mm_unpacklo_epi32(t2, t3), _mm_unpackhi_epi32(t2, t3));
  t0 = _mm_add_epi32(_mm_unpacklo_epi64(t0, t2), _mm_unpackhi_epi64(t0, t2));
  _mm_storeu_si128((__m128i *)(void *)sums, t0);
  s0 = sums[0];
  s1 = sums[1];
  s2 = sums[2];
  s3 = sums[3];
#elif NET_PAIRS
  for (; k + 4 <= inputs; k += 4) {
    uint32_t four;
    int16x2_t low, high;
    memcpy(&four, x + k, 4);
    low = (int16x2_t)$widenfour);
    high = (int16x2_t)$widen(four >> 8 | four << 24));
#define NET_ADD(sum, place)                                              \
  memcpy(&four, place, 4);                                               \
  sum = __smlad(low, __sxtb16((int8x4_t)four), sum);                     \
  sum = __smlad(high, __sxtb16((int8x4_t)(four >> 8 | four << 24)), sum)
    NET_ADD(s0, w + k);
    NET_ADD(s1, w + k + b);
    NET_ADD(s2, w + k + c);
    NET_ADD(s3, w + k + d);
#undef NET_ADD
  }
  k = inputs - inputs % 4;
#endif
  for (; k < inputs; k++) {
    const int32_t v = x[k];
    s0 += v * w[k];
    s1 += v * w[k + b];
    s2 += v * w[k + c];
    s3 += v * w[k + d];
  }
  sums[0] = s0;
  sums[1] = s1;
  sums[2] = s2;
  sums[3] = s3;
}
"""

FUNCTIONS: dict[str, tuple[str, tuple[str, ...]]] = {
    "rounded": (ROUNDED, ()),
    "bounded": (BOUNDED, ()),
    "conv2d_pairs": (CONV2D_PAIRS, ()),
    "conv2d_u": (conv2d_plain("uint8"), ()),
    "conv2d_i": (conv2d_plain("int8"), ()),
    "dense_u": (dense("uint8"), ()),
    "dense_i": (dense("int8"), ()),
}
