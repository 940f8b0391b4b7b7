// Normally distributed numbers from random words: G. Box and M. Muller, "A note on the generation
// of random normal deviates", Ann. Math. Statist. 29 (1958).
#pragma once

#include "kernels/math.h"
#include "kernels/philox.h"
#include "kernels/vec.h"

namespace pylenet {
namespace {

// The sine of 2 pi f is f P(f^2), the cosine 1 + f^2 Q(f^2), fitted as in math.h for |f| <= 1/8
// (3e-9); lowest power last.
constexpr float kSineP[] = {-75.40203857421875f, 81.5925521850586f, -41.3416633605957f,
                            6.2831854820251465f};
constexpr float kCosineQ[] = {59.24595642089844f, -85.44374084472656f, 64.93932342529297f,
                              -19.739208221435547f};

// Which random words a layer draws: of one key and counter, each kind has its own.
constexpr std::uint32_t kDropoutDomain = 0, kNoiseDomain = 1u << 28,
                        kChannelDropoutDomain = 2u << 28;

constexpr auto words_as_they_are = [](auto random) { return random; };

// From 2^-24 to 1 - 2^-24, each a float: the upper 23 bits and a half.
inline vec share_of(uvec word) {
  return (__builtin_convertvector(ivec(word >> 9), vec) + splat(0.5f)) * splat(0x1p-23f);
}

// log(u) for normal numbers u in (0, 1).
inline vec log_of_share(vec u) {
  constexpr std::int32_t kRootOfHalf = 0x3f3504f3;  // as a float
  const ivec exponent = (ivec(u) - kRootOfHalf) >> 23;
  const vec e = __builtin_convertvector(exponent, vec);
  const vec v = vec(ivec(u) - (exponent << 23)) - splat(1.0f);  // from -0.3 to 0.42
  return fma(e, splat(kLn2High), fma(e, splat(kLn2Low), log1p(v)));
}

// Two independent numbers: a point at a random angle, its distance that of two normal coordinates.
struct Pair {
  vec a, b;
};
inline Pair normal_pair(uvec distance, uvec angle) {
  const vec r = square_root(splat(-2.0f) * log_of_share(share_of(distance)));
  const vec turn = share_of(angle) - splat(0.5f);
  const vec quarters = whole_product(turn, 4.0f);  // from -2 to 2
  const vec f = fma(quarters, splat(-0.25f), turn), t = f * f;
  const vec sine = f * polynomial(kSineP, t), cosine = fma(polynomial(kCosineQ, t), t, splat(1.0f));
  const ivec q = __builtin_convertvector(quarters, ivec), odd = -(q & 1);
  const vec x = select(odd, sine, cosine), y = select(odd, cosine, sine);
  const ivec turned = ivec(q == 2) | ivec(q == -2);
  return {r * select(turned | ivec(q == 1), -x, x), r * select(turned | ivec(q == -1), -y, y)};
}

struct FourNormals {
  vec word[4];
};
constexpr auto normals = [](auto random) {
  const Pair first = normal_pair(random.word[0], random.word[1]);
  const Pair second = normal_pair(random.word[2], random.word[3]);
  return FourNormals{{first.a, first.b, second.a, second.b}};
};

}  // namespace
}  // namespace pylenet
