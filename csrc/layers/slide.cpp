#include "layers/slide.h"

#include <algorithm>
#include <stdexcept>
#include <string>

#include "layers/layer.h"

namespace pylenet {

namespace {

Axis slide(const char* axis, int size, int window, int stride, bool same) {
  if (!same) {
    if (window > size)
      throw std::invalid_argument("the window's " + std::string(axis) + " " +
                                  std::to_string(window) + " is larger than the image's " +
                                  std::to_string(size) + " and padding is 'valid'");
    return {window, stride, (size - window) / stride + 1, 0, 0};
  }
  const int out = (size - 1) / stride + 1;
  const std::int64_t needed = std::int64_t(out - 1) * stride + window;
  const int padding = int(std::max<std::int64_t>(0, needed - size));
  return {window, stride, out, padding / 2, padding - padding / 2};
}

}  // namespace

Slide::Slide(const Settings& settings, const char* window_name, bool same_padding, Shape in) {
  const auto window = settings.integers(window_name, 2, 1, kMostValues);
  const auto strides = settings.integers("strides", 2, 1, kMostValues);
  rows = slide("height", in.height, window[0], strides[0], same_padding);
  columns = slide("width", in.width, window[1], strides[1], same_padding);
}

PoolShape pool_shape(Shape in, const Slide& slide) {
  const Axis &rows = slide.rows, &columns = slide.columns;
  return {in.channels,    in.height,   in.width,       rows.out,    columns.out,   rows.window,
          columns.window, rows.stride, columns.stride, rows.before, columns.before};
}

}  // namespace pylenet
