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

/* What is read in words and pairs of them begins at a multiple of 4 bytes. */
#if NET_PAIRS && !NET_ROWS
#define NET_ALIGNED __attribute__((aligned(4)))
typedef uint64_t __attribute__((aligned(4), may_alias)) net_two_words;
#else
#define NET_ALIGNED
#endif

/* Where four sums are written in assembly, because a Cortex-M0 has few registers. */
#if defined(__ARM_ARCH_6M__) && defined(__GNUC__)
#define NET_THUMB 1
#if defined(__clang__)
#define NET_NAKED __attribute__((naked, noinline))
#else
#define NET_NAKED __attribute__((naked, noipa))
#endif
/* What is multiplied: from a row's end, minus how many in a row; how many rows; the next one. */
typedef struct {
  const void *a, *b, *c, *d, *v;
  int count, rows, row, step;
} net_rows;
#else
#define NET_THUMB 0
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
#if NET_PAIRS && !NET_ROWS
  /* the upper half of a product, rounded; s is a constant */
  if (s > 15) {
    int32_t y;
    __asm__("smmulr %0, %1, %2" : "=r"(y) : "r"(a), "r"((int32_t)((uint32_t)m << (32 - s))));
    return y;
  }
#endif
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


def thumb(name: str, load: str, load_v: str) -> str:
    """sums[0] = a[k] * v[k] summed over rows, and so on with b, c and d."""
    terms = "".join(
        f'          "{load} r7, [r{k}, r5]\\n muls r7, r6\\n add r{k + 8}, r7\\n"\n'
        for k in range(4)
    )
    return THUMB.replace("$name", name).replace("$load", load_v).replace("$terms", terms)


# r0 to r3: a to d; r4: v; r5: the place in the row; r8 to r11: the sums; r12: t; lr: rows left.
THUMB = r"""
#if NET_THUMB
static NET_NAKED void net_thumb_$name(int32_t *sums __attribute__((unused)),
                                  net_rows *t __attribute__((unused))) {
  __asm__(".syntax unified\n push {r0, r4-r7, lr}\n"
          "mov r4, r8\n mov r5, r9\n mov r6, r10\n mov r7, r11\n push {r4-r7}\n"
          "movs r2, #0\n mov r8, r2\n mov r9, r2\n mov r10, r2\n mov r11, r2\n"
          "mov r12, r1\n ldr r2, [r1, #24]\n mov lr, r2\n"
          "1: mov r7, r12\n ldmia r7!, {r0-r5}\n"
          "2: $load r6, [r4, r5]\n"
$terms          "adds r5, #1\n bne 2b\n"
          "mov r7, r12\n ldr r5, [r7, #28]\n"
          "adds r0, r5\n adds r1, r5\n adds r2, r5\n adds r3, r5\n"
          "ldr r5, [r7, #32]\n adds r4, r5\n stmia r7!, {r0-r4}\n"
          "mov r0, lr\n subs r0, #1\n mov lr, r0\n bne 1b\n"
          "ldr r0, [sp, #16]\n mov r1, r8\n mov r2, r9\n mov r3, r10\n mov r4, r11\n"
          "stmia r0!, {r1-r4}\n pop {r4-r7}\n"
          "mov r8, r4\n mov r9, r5\n mov r10, r6\n mov r11, r7\n pop {r0, r4-r7, pc}\n");
}
#endif
"""
UPPER = r"""
#if NET_PAIRS && !NET_ROWS
/* The second and the fourth byte of a word as signed numbers of 16 bits, and as unsigned ones. */
static NET_INLINE int16x2_t net_upper(uint64_t word) {
  int16x2_t y;
  __asm__("sxtb16 %0, %1, ror #8" : "=r"(y) : "r"((uint32_t)word));
  return y;
}
static NET_INLINE int16x2_t net_upper_unsigned(uint32_t word) {
  int16x2_t y;
  __asm__("uxtb16 %0, %1, ror #8" : "=r"(y) : "r"(word));
  return y;
}
#endif
"""
INTEGER = r"""
static NET_INLINE int32_t net_integer(int8_t v) { return v; }
"""
LOOKED_UP = r"""
static NET_INLINE int32_t net_looked_up(const int8_t *table, int32_t r) {
  return table[net_bounded(r, -512, 511) + 512];
}
"""
LOOKED_UP_ODD = r"""
/* In a table of what 0 to -512 become, with the sign turned, and at its end of what 511 does. */
static NET_INLINE int32_t net_looked_up_odd(const int8_t *table, int32_t r) {
  const int32_t sign = r >> 31, size = (r ^ sign) - sign;
  const int32_t place = r > 510 ? 513 : size > 512 ? 512 : size;
  return (table[place] ^ sign) - sign;
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
    for (k = 0; k < length; k += 8, w += 8) {
      const int16_t *p = x + k;
      const uint64_t eight = *(const net_two_words *)(const void *)w;
      const int16x2_t w0 = __sxtb16((int8x4_t)eight), w1 = net_upper(eight);
      const int16x2_t w2 = __sxtb16((int8x4_t)(eight >> 32)), w3 = net_upper(eight >> 32);
      uint64_t v;
#define NET_FOUR_AT(sum, place, low, high)             \
  v = *(const net_two_words *)(const void *)(place); \
  sum = __smlad((int16x2_t)v, low, sum);             \
  sum = __smlad((int16x2_t)(v >> 32), high, sum)
      NET_FOUR_AT(s0, p, w0, w1);
      NET_FOUR_AT(s1, p + b, w0, w1);
      NET_FOUR_AT(s2, p + c, w0, w1);
      NET_FOUR_AT(s3, p + d, w0, w1);
      NET_FOUR_AT(s0, p + 4, w2, w3);
      NET_FOUR_AT(s1, p + b + 4, w2, w3);
      NET_FOUR_AT(s2, p + c + 4, w2, w3);
      NET_FOUR_AT(s3, p + d + 4, w2, w3);
#undef NET_FOUR_AT
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
#if NET_THUMB
  net_rows t;
  x += length;
  t.a = x;
  t.b = x + b;
  t.c = x + c;
  t.d = x + d;
  t.v = w + length;
  t.count = -length;
  t.rows = rows;
  t.row = row;
  t.step = step;
  net_thumb_$letter(sums, &t);
#else
  int32_t s0 = 0, s1 = 0, s2 = 0, s3 = 0;
  int i, k;
  for (i = 0; i < rows; i++, x += row, w += step)
    for (k = 0; k < length; k++) {
      s0 += x[k] * w[k];
      s1 += x[k + b] * w[k];
      s2 += x[k + c] * w[k];
      s3 += x[k + d] * w[k];
    }
  sums[0] = s0;
  sums[1] = s1;
  sums[2] = s2;
  sums[3] = s3;
#endif
}
#endif
"""


def dense(kind: str) -> str:
    """Four outputs of a dense layer."""
    unsigned = kind == "uint8"
    text = DENSE.replace("$kind", f"{kind}_t").replace("$letter", kind[0])
    text = text.replace("$thumb", "dense" if unsigned else "i")
    low = "_mm_unpacklo_epi8(v, zero)" if unsigned else "_mm_srai_epi16(_mm_unpacklo_epi8(v, v), 8)"
    text = text.replace("$widen_low", low).replace("$widen_high", low.replace("lo_", "hi_"))
    wide = "__uxtb16((uint8x4_t)" if unsigned else "__sxtb16((int8x4_t)"
    upper = "net_upper_unsigned(" if unsigned else "net_upper("
    text = text.replace("$upper", upper)
    return text.replace("$widen", wide).replace("$zero", ZERO if unsigned else "")


ZERO = "  const __m128i zero = _mm_setzero_si128();\n"
DENSE = r"""
/* Four outputs of a dense layer; their weights begin at w, w + b, w + c and w + d. */
static NET_INLINE void net_dense_$letter(int32_t sums[4], const $kind *x, const int8_t *w, int b,
                                   int c, int d, int inputs) {
#if NET_THUMB
  net_rows t;
  w += inputs;
  t.a = w;
  t.b = w + b;
  t.c = w + c;
  t.d = w + d;
  t.v = x + inputs;
  t.count = -inputs;
  t.rows = 1;
  t.row = t.step = 0;
  net_thumb_$thumb(sums, &t);
#else
  int32_t s0 = 0, s1 = 0, s2 = 0, s3 = 0;
  int k = 0;
#if defined(__SSE2__)
$zero  __m128i t0 = _mm_setzero_si128(), t1 = t0, t2 = t0, t3 = t0;
  for (; k + 16 <= inputs; k += 16) {
    const __m128i v = _mm_loadu_si128((const __m128i *)(const void *)(x + k));
    const __m128i low = $widen_low, high = $widen_high;
    __m128i u;
#define NET_TERMS(sum, place)                                                             \
  u = _mm_loadu_si128((const __m128i *)(const void *)(place));                          \
  sum = _mm_add_epi32(sum, _mm_madd_epi16(low, _mm_srai_epi16(_mm_unpacklo_epi8(u, u), 8))); \
  sum = _mm_add_epi32(sum, _mm_madd_epi16(high, _mm_srai_epi16(_mm_unpackhi_epi8(u, u), 8)))
    NET_TERMS(t0, w + k);
    NET_TERMS(t1, w + k + b);
    NET_TERMS(t2, w + k + c);
    NET_TERMS(t3, w + k + d);
#undef NET_TERMS
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
    high = $upperfour);
#define NET_TERMS(sum, place)                                              \
  memcpy(&four, place, 4);                                               \
  sum = __smlad(low, __sxtb16((int8x4_t)four), sum);                     \
  sum = __smlad(high, net_upper(four), sum)
    NET_TERMS(s0, w + k);
    NET_TERMS(s1, w + k + b);
    NET_TERMS(s2, w + k + c);
    NET_TERMS(s3, w + k + d);
#undef NET_TERMS
  }
  k = inputs - inputs % 4;
#endif
  for (; k < inputs; k++) {
    s0 += x[k] * w[k];
    s1 += x[k] * w[k + b];
    s2 += x[k] * w[k + c];
    s3 += x[k] * w[k + d];
  }
  sums[0] = s0;
  sums[1] = s1;
  sums[2] = s2;
  sums[3] = s3;
#endif
}
"""

FUNCTIONS: dict[str, tuple[str, tuple[str, ...]]] = {
    "rounded": (ROUNDED, ()),
    "bounded": (BOUNDED, ()),
    "integer": (INTEGER, ()),
    "looked_up": (LOOKED_UP, ("bounded",)),
    "looked_up_odd": (LOOKED_UP_ODD, ()),
    "thumb_u": (thumb("u", "ldrb", "ldrsb"), ()),
    "thumb_i": (thumb("i", "ldrsb", "ldrsb"), ()),
    "thumb_dense": (thumb("dense", "ldrsb", "ldrb"), ()),
    "upper": (UPPER, ()),
    "conv2d_pairs": (CONV2D_PAIRS, ("upper",)),
    "conv2d_u": (conv2d_plain("uint8"), ("thumb_u",)),
    "conv2d_i": (conv2d_plain("int8"), ("thumb_i",)),
    "dense_u": (dense("uint8"), ("upper", "thumb_dense")),
    "dense_i": (dense("int8"), ("upper", "thumb_i")),
}
