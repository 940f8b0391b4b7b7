// Random affine distortion of one image while it is packed: neighbouring pixels of a row in the
// lanes.
#pragma once

#include "kernels/affine.h"
#include "kernels/kernels.h"
#include "kernels/vec.h"

namespace pylenet {
namespace {
namespace single {

template <class P, class T>
void pack_affine_as(float* y, void* frames, const ImageView& images, std::int64_t index,
                    Shape shape, float scale, float offset, const RandomAffine& a) {
  const Framed<P> framed{static_cast<P*>(frames), shape};
  put_in_frame<P, T>(framed, 0, images, index, P(a.fill));
  const Affine map = draw(a, index, shape.height, shape.width);
  vec steps;
  for (int i = 0; i < kLanes; i++) steps[i] = float(i);
  for (int h = 0; h < shape.height; h++) {
    const vec row = splat(map.rr * float(h) + map.r0), column = splat(map.cr * float(h) + map.c0);
    for (int w = 0; w < shape.width; w += kLanes) {
      const int columns = lanes_left(shape.width, w);
      const vec along = splat(float(w)) + steps;
      for (int c = 0; c < shape.channels; c++) {
        const vec value = interpolate(framed, ivec{} + c * framed.plane(),
                                      row + splat(map.rc) * along, column + splat(map.cc) * along);
        const vec scaled = value * splat(scale) + splat(offset);
        for (int i = 0; i < columns; i++) y[i * shape.channels + c] = scaled[i];
      }
      y += columns * shape.channels;
    }
  }
}

void pack_affine(float* y, void* frames, const ImageView& images, const std::int64_t* index, int,
                 Shape shape, float scale, float offset, const RandomAffine& a) {
  with_pixels(images.type, a.fill, [&](auto kept, auto given) {
    pack_affine_as<decltype(kept), decltype(given)>(y, frames, images, *index, shape, scale, offset,
                                                    a);
  });
}

}  // namespace single
}  // namespace
}  // namespace pylenet
