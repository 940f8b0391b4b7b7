// The contract of the kernels that compute in whole numbers (docs/int8.md): inference only.
//
// What lies between two steps is one byte a value: the integer itself where none is negative, else
// the integer plus 128 (`zero` is the byte of 0). Two layouts, as of the float kernels: in lanes a
// value is `lanes` bytes, one for each image of a group; one image alone is a value after the
// other, channels fastest. All integers are the same for every instruction set and both layouts.
//
// What multiplies weights reads its input as *words* of four bytes: of one row of a window, whose
// kernel width * channels bytes follow each other in memory. In lanes the rows of words are made
// first (rows_from_bytes, rows_from_images); one image alone has them as it is, but for padding.
//
// Output buffers have kInt8Slack bytes behind them that kernels may write.
#pragma once

#include <cstddef>
#include <cstdint>

namespace pylenet {

constexpr int kInt8Slack = 256;  // bytes: four vectors
constexpr int kTableSize = 1024;

struct Int8Shape {
  int height, width, channels;
};

// What a sum becomes: rounded, then looked up or cut off.
struct Int8End {
  const std::int32_t* multiplier;  // [channel], padded with zeros to a whole tile
  const std::int32_t* bias;        // likewise; what an input's `zero` and `offset` add is taken off
  const std::uint8_t* table;       // bytes of the output, or null; three bytes more can be read
  std::int32_t low, high;          // of the integer
  int shift;
  int zero;  // the output's; 0 for an answer
};

// Rows of bytes with their padding, as a convolution or a dense step reads them.
struct Int8Rows {
  int top, left;       // padding before the image
  int rows, bytes;     // with padding; bytes of one image's row
  int words;           // room of a row in lanes, in words
  int versions, step;  // in lanes: version v's word j begins at byte 4 j + v * step
  int zero;            // the input's
};

struct Int8Conv {
  Int8Shape in, out;  // out: before pooling
  int window_rows, window_words, stride_rows, stride_bytes;
  Int8Rows rows;
  // In lanes, where a window's row has one byte more than whole words: words of that byte in four
  // rows, so many for a window; 0 for none. They come after the others.
  int columns_words;
  const std::int32_t* weights;  // [window row][word][output channel] of four bytes; wide: twice
  int padded_channels;          // of weights, bias and multiplier
  bool wide;                    // products of 16 bits: the input has bytes above 127
  bool pooled;                  // the largest of each 2 x 2 sums is one output
  Int8End end;
};

struct Int8Pool {
  Int8Shape in, out;
  int window_rows, window_columns, stride_rows, stride_columns, top, left;
  int zero;                        // of input and output
  const std::int32_t* multiplier;  // [output row][output column], of an average
  Int8End end;                     // of an average
};

struct Int8Affine {
  Int8Shape shape;
  int zero;  // the input's
  Int8End end;
};

struct Int8Padding {
  Int8Shape in, out;
  int top, left, zero;
};

struct Int8Kernels {
  int lanes;
  int conv_tile, dense_tile;  // output channels are padded to a multiple
  // Rows of words, or for one image of bytes, from what a step gave.
  void (*rows_from_bytes)(std::uint8_t* rows, const std::uint8_t* x, Int8Shape in,
                          const Int8Rows& shape);
  // The same from `count` images of the caller's, each contiguous, image_bytes apart.
  void (*rows_from_images)(std::uint8_t* rows, const std::uint8_t* images, std::size_t image_bytes,
                           int count, Int8Shape in, const Int8Rows& shape);
  // The images' bytes as a step gives them.
  void (*bytes_from_images)(std::uint8_t* y, const std::uint8_t* images, std::size_t image_bytes,
                            int count, std::size_t values);
  // y: bytes, or with `answer` the integers as int32 [value][lane].
  // With columns_words, it writes into the rows' room behind them.
  void (*conv2d)(void* y, std::uint8_t* rows, const Int8Conv& conv, bool answer);
  void (*dense)(void* y, const std::uint8_t* rows, const Int8Conv& conv, bool answer);
  void (*max_pool2d)(std::uint8_t* y, const std::uint8_t* x, const Int8Pool& pool);
  void (*average_pool2d)(void* y, const std::uint8_t* x, const Int8Pool& pool, bool answer);
  void (*affine)(void* y, const std::uint8_t* x, const Int8Affine& affine, bool answer);
  void (*zero_padding2d)(std::uint8_t* y, const std::uint8_t* x, const Int8Padding& padding);
};

// What is compiled once for each instruction set.
struct Int8InstructionSet {
  const char* name;
  int top;     // the largest byte of an input whose products need not be wide
  int offset;  // what products that are not wide take off each byte of an input
  Int8Kernels many, single;
};

}  // namespace pylenet
