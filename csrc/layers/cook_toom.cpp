#include "layers/cook_toom.h"

#include "kernels/cook_toom_shape.h"

namespace pylenet {

// How many times as long the direct kernels take, on one core of a Xeon with AVX-512 and with its
// AVX2: forward; gradient of the input; of the kernel; and of one image alone, forward and both
// gradients. A star: they are computed in two dimensions, the kernel's gradient where tiles are few
// (cook_toom::two_dimensional, two_dimensional_kernel).
//
//   in -> out channels, rows of outputs   forward   input      kernel     one: forward  back
//   5 x 5    1 ->  6, 24 (LeNet's C1)     1.2  2.0             1.1  1.3   0.8  1.7   1.0  1.4
//   5 x 5    1 -> 20, 24 (Caffe's C1)     1.0  2.0             1.1  1.3
//   5 x 5    6 -> 16,  8 (LeNet's C3) *   1.8  2.6  2.3  3.5   1.6  2.3   1.8  5.1   2.1  4.2
//   5 x 5    3 ->  6, 28                  1.3  1.9  1.0  2.0   1.3  1.5   1.6  2.7   1.2  3.2
//   5 x 5    6 -> 16, 10                  1.5  1.9  1.8  2.1   1.0  1.4   1.9  4.2   1.0  2.8
//   5 x 5    6 -> 16, 26                  1.6  1.7  1.8  2.3   1.3  1.6   2.0  4.5   1.3  2.6
//   5 x 5    6 -> 16, 12 *                1.6  2.5  1.8  3.4   1.6  2.4
//   5 x 5   16 -> 16, 32 *                1.9  2.8  2.4  2.7   1.3  1.5
//   5 x 5   20 -> 50,  8 *                3.8  3.0  4.0  4.6   2.2  3.2   1.4  5.3   3.5  5.8
//   3 x 3   32 -> 64, 11 *                2.1  2.8  2.4  2.8   1.6  1.6   3.0  6.0   2.8  3.5
//   3 x 3   32 -> 64, 24 *                2.1  3.6  2.8  3.3   1.9  1.8   3.4  4.3   3.7  4.3
//
// 5 x 5 of 3 -> 6 channels takes less time along rows than in two dimensions: 0.7 of it on 28 x 28,
// forward. Along rows 6 -> 16 on 8 x 8 takes 1.1 to 1.8 times as long, 20 -> 50 1.4 to 2.2 times; 3
// x 3 of 32 -> 64 on 24 x 24 1.1 to 1.7 times, of 16 -> 16 on 28 x 28 1.1 to 1.3 times.
//
// With the last tiles cut off, along rows takes so many times as long (lanes; one image):
//
//                                           AVX-512             AVX2
//                                           forward  back       forward  back
//   3 x 3   32 -> 64, 11    1.8 (products)  1.2 1.3  1.3 1.7    1.3 1.4  1.6 2.1
//   3 x 3   16 -> 16, 11    1.8             0.9 1.2  1.1 1.2    1.2      1.3
//   3 x 3   32 -> 64, 15    1.9             1.2 1.2  1.3 1.3    1.5      1.6
//   3 x 3   32 -> 64, 13    1.6             1.1 1.1  1.2 1.2    1.4 1.1  1.5 1.3
//   3 x 3   32 -> 64, 6x16  1.5             0.9 0.7  1.1 0.8    1.1      1.2
//   5 x 5   16 -> 16, 10    2.1             1.1 1.4  1.1 1.6    1.3      1.4
//   5 x 5   20 -> 50, 10    2.1             1.2 1.7  1.1 2.2    1.5      1.5
//   5 x 5    6 -> 16, 10    2.1             0.9 1.0  1.0 1.6    1.1 1.1  1.3 1.4
//   5 x 5    6 -> 16, 26    2.3             0.8 0.9  1.0 1.5    1.2      1.2
//   5 x 5   16 -> 16, 5x16  1.6             0.9 1.1  0.9 1.1    1.2      1.2
//
// It does not pay where a sum has few terms or few outputs share what was transformed:
//
//   5 x 5    1 ->  6, 60                  0.6  1.6             1.0  1.1
//   3 x 3    1 -> 32, 26                  0.7  1.3             0.9  0.8
//   3 x 3   64 -> 64,  3                  1.2  1.1  2.0  1.6   0.7  0.9
FastConvolution cook_toom_pays(const ConvShape& s) {
  constexpr int kLeastWidth = 8, kMostWidth = 32, kFewChannels = 16;
  if (s.stride_height != 1 || s.stride_width != 1 || s.kernel_height != s.kernel_width ||
      s.out_width < kLeastWidth || s.out_width > kMostWidth || s.out_height > kMostWidth)
    return {};
  const int in = s.in_channels, out = s.out_channels;
  const bool first = s.kernel_width == 5 && in == 1 && out <= 24 && s.out_width <= 28;
  const bool many = (s.kernel_width == 5 && in >= 3) ||
                    (s.kernel_width == 3 && in >= kFewChannels && out >= kFewChannels);
  return {first || many, many, first || many, many && cook_toom::two_dimensional_kernel(s)};
}

double cook_toom_products(const ConvShape& s, bool two_dimensional) {
  const double row =
      double(cook_toom::points(s)) * cook_toom::tiles(s) * s.in_channels * s.out_channels;
  if (two_dimensional) return row * cook_toom::points(s) * cook_toom::tile_rows(s);
  return row * s.out_height * s.kernel_height;
}

}  // namespace pylenet
