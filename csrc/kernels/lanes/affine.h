// Random affine distortion of a group's images while they are packed: one pixel of each at a time.
#pragma once

#include "kernels/affine.h"
#include "kernels/kernels.h"
#include "kernels/vec.h"

namespace pylenet {
namespace {
namespace lanes {

template <class P, class T>
void pack_affine_as(float* y, void* frames, const ImageView& images, const std::int64_t* index,
                    int count, Shape shape, float scale, float offset, const RandomAffine& a) {
  const Framed<P> framed{static_cast<P*>(frames), shape};
  vec rr{}, rc{}, r0{}, cr{}, cc{}, c0{};
  ivec first{}, used{};
  for (int lane = 0; lane < count; lane++) {
    put_in_frame<P, T>(framed, lane, images, index[lane], P(a.fill));
    const Affine map = draw(a, index[lane], shape.height, shape.width);
    rr[lane] = map.rr, rc[lane] = map.rc, r0[lane] = map.r0;
    cr[lane] = map.cr, cc[lane] = map.cc, c0[lane] = map.c0;
    first[lane] = lane * framed.image();
    used[lane] = -1;
  }
  for (int c = 0; c < shape.channels; c++, first += framed.plane())
    for (int h = 0; h < shape.height; h++) {
      const vec row = rr * splat(float(h)) + r0, column = cr * splat(float(h)) + c0;
      for (int w = 0; w < shape.width; w++, y += kLanes) {
        const vec along = splat(float(w));
        const vec value = interpolate(framed, first, row + rc * along, column + cc * along);
        store(y, vec(ivec(value * splat(scale) + splat(offset)) & used));
      }
    }
}

void pack_affine(float* y, void* frames, const ImageView& images, const std::int64_t* index,
                 int count, Shape shape, float scale, float offset, const RandomAffine& a) {
  with_pixels(images.type, a.fill, [&](auto kept, auto given) {
    pack_affine_as<decltype(kept), decltype(given)>(y, frames, images, index, count, shape, scale,
                                                    offset, a);
  });
}

}  // namespace lanes
}  // namespace
}  // namespace pylenet
