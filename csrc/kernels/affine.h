// Random affine distortion of training images, done while they are packed.
//
// An image's map is drawn by a counter-based generator, Philox4x32-10 (J. Salmon, M. Moraes, R.
// Dror and D. Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011): the seed is the key,
// image and epoch are the counter, so neither threads nor the order or size of batches enter.
// Values are interpolated bilinearly, in lanes (several images at one pixel each) or for one image
// (several pixels of one row). Nothing is fused, so that all instruction sets give the same bits.
#pragma once

#include "kernels/kernels.h"
#include "kernels/philox.h"
#include "kernels/read.h"
#include "kernels/vec.h"

namespace pylenet {
namespace {

// Our own, the same on every machine; |x| up to a full turn, to 1e-12.
inline void cosine_sine(double* cosine, double* sine, double x) {
  x *= 0.125;
  double c = 1.0, s = 1.0;
  for (int k = 6; k > 0; k--) {  // Taylor's series from their ends
    c = 1.0 - x * x / ((2 * k - 1) * (2 * k)) * c;
    s = 1.0 - x * x / ((2 * k) * (2 * k + 1)) * s;
  }
  s *= x;
  for (int twice = 0; twice < 3; twice++) {
    const double s2 = 2.0 * s * c;
    c = 1.0 - 2.0 * s * s;
    s = s2;
  }
  *cosine = c;
  *sine = s;
}

// Pixel (r, c) of the result lies at row rr r + rc c + r0 and column cr r + cc c + c0 of the
// original in its frame.
struct Affine {
  float rr, rc, r0, cr, cc, c0;
};

inline Affine draw(const RandomAffine& a, std::int64_t image, int height, int width) {
  const auto low = std::uint32_t(image), high = std::uint32_t(std::uint64_t(image) >> 32);
  const auto first = philox<std::uint32_t>({low, high, a.epoch, 0}, a.seed);
  const auto second = philox<std::uint32_t>({low, high, a.epoch, 1}, a.seed);
  if (fraction(second.word[2]) > a.rate) return {1.0f, 0.0f, 1.0f, 0.0f, 1.0f, 1.0f};
  double cosine, sine;
  cosine_sine(&cosine, &sine, 6.283185307179586 * a.rotation * symmetric(first.word[0]));
  const double zoom = 1.0 + a.zoom * symmetric(first.word[1]);
  const double squeeze = 1.0 + a.squeeze * symmetric(first.word[2]);
  const double shear = a.shear * symmetric(first.word[3]);
  const double down = a.translation * height * symmetric(second.word[0]);
  const double right = a.translation * width * symmetric(second.word[1]);
  // About the middle: squeeze, then shear, then rotate, then zoom.
  const double tall = zoom * squeeze, wide = zoom / squeeze;
  const double rr = tall * (cosine + sine * shear), rc = wide * sine;
  const double cr = tall * (cosine * shear - sine), cc = wide * cosine;
  const double middle_r = 0.5 * (height - 1), middle_c = 0.5 * (width - 1);
  const double r0 = middle_r + down - (rr * middle_r + rc * middle_c);
  const double c0 = middle_c + right - (cr * middle_r + cc * middle_c);
  return {float(rr), float(rc), float(r0 + 1.0), float(cr), float(cc), float(c0 + 1.0)};
}

// The planes of an image in a frame: a pixel of fill before them, two after, both ways, so that
// every position from 0 to height + 1 and width + 1 has its four neighbours.
template <class P>
struct Framed {
  P* pixels;
  Shape shape;

  int stride() const { return shape.width + 3; }
  int plane() const { return (shape.height + 3) * stride(); }
  int image() const { return shape.channels * plane(); }
};

template <class P, class T>
void put_in_frame(const Framed<P>& to, int lane, const ImageView& images, std::int64_t index,
                  P fill) {
  const auto [channels, height, width] = to.shape;
  const int size = to.image(), stride = to.stride();
  P* row = to.pixels + std::size_t(lane) * size;
  for (int i = 0; i < size; i++) row[i] = fill;
  row += stride + 1;
  const char* image = static_cast<const char*>(images.data) + index * images.image_stride;
  const std::ptrdiff_t column_stride = images.column_stride;
  for (int c = 0; c < channels; c++, row += 3 * stride)
    for (int h = 0; h < height; h++, row += stride) {
      const char* from = image + c * images.channel_stride + h * images.row_stride;
      if (sizeof(P) == sizeof(T) && column_stride == sizeof(T))
        std::memcpy(row, from, width * sizeof(T));
      else
        for (int w = 0; w < width; w++) row[w] = P(read<T>(from + w * column_stride));
    }
}

// A pixel and its right neighbour, in each lane.
inline void neighbours(vec* left, vec* right, const std::uint8_t* pixels, ivec at) {
  const ivec both = gather_bytes(pixels, at);
  *left = __builtin_convertvector(both & 255, vec);
  *right = __builtin_convertvector((both >> 8) & 255, vec);
}
inline void neighbours(vec* left, vec* right, const float* pixels, ivec at) {
  *left = gather(pixels, at);
  *right = gather(pixels + 1, at);
}

// The values at (row, column) of the planes that begin at `first`, with nothing but fill outside.
template <class P>
inline vec interpolate(const Framed<P>& from, ivec first, vec row, vec column) {
  row = smaller(larger(row, vec{}), splat(float(from.shape.height + 1)));
  column = smaller(larger(column, vec{}), splat(float(from.shape.width + 1)));
  const ivec r = __builtin_convertvector(row, ivec), c = __builtin_convertvector(column, ivec);
  const vec down = row - __builtin_convertvector(r, vec);
  const vec along = column - __builtin_convertvector(c, vec);
  const ivec at = first + r * from.stride() + c;
  vec left, right;
  neighbours(&left, &right, from.pixels, at);
  const vec above = left + along * (right - left);
  neighbours(&left, &right, from.pixels + from.stride(), at);
  const vec below = left + along * (right - left);
  return above + down * (below - above);
}

// Bytes stay bytes, a quarter of the memory, where the fill is one as well.
inline bool is_byte(float fill) {
  return fill >= 0.0f && fill <= 255.0f && fill == float(std::uint8_t(fill));
}

// Calls f(kept, given) with a value of the type that pixels have in their frame and in the caller's
// memory.
template <class F>
inline void with_pixels(ElementType type, float fill, F f) {
  if (type == ElementType::kFloat64) return f(float{}, double{});
  if (type == ElementType::kFloat32) return f(float{}, float{});
  if (is_byte(fill)) return f(std::uint8_t{}, std::uint8_t{});
  f(float{}, std::uint8_t{});
}

}  // namespace
}  // namespace pylenet
