// The contract of the kernels that compute in whole numbers (docs/int8.md): inference only.
//
// What lies between two steps is one byte a value: the integer itself where none is negative, else
// the integer plus 128 (`zero` is the byte of 0). Two layouts, as of the float kernels: in lanes a
// value is `lanes` bytes, one for each image of a group; one image alone is a value after the
// other, channels fastest. All integers are the same for every instruction set and both layouts.
//
// What multiplies weights reads *words* of 32 bits: four values that follow each other in a row of
// a window, as bytes less `offset`; or two, of 16 bits each, where products of bytes would not be
// exact (`wide`). They are made of a step's input first, row by row.
//
// Output buffers have kInt8Slack bytes behind them that kernels may write.
#pragma once

#include <cstddef>
#include <cstdint>

namespace pylenet {

constexpr int kInt8Slack = 256;  // bytes: four vectors
constexpr int kTableSize = 1024;
constexpr int kInt8MostInColumns = 8;  // channels, where lanes hold columns

struct Int8Shape {
  int height, width, channels;
};

// What a sum becomes: rounded, then looked up or cut off.
struct Int8End {
  // [channel], padded with zeros to a whole tile. With `floats` each holds the bits of a float,
  // multiplier / 2^shift.
  const std::int32_t* multiplier;
  const std::int32_t* bias;   // likewise; what an input's `zero` and `offset` add is taken off
  const std::uint8_t* table;  // bytes of the output, or null; three bytes more can be read
  std::int32_t low, high;     // of the integer
  int shift;
  int zero;     // the output's; 0 for an answer
  bool floats;  // no sum is above 2^24: a float holds it
};

// Rows of words, or of values, with their padding, as a convolution or a dense step reads them.
struct Int8Rows {
  int top, left;     // padding before the image
  int rows, values;  // with padding
  int kept;          // rows of words at a time, one in place of another; one image: all
  int places, step;  // words of a row: each begins `step` values behind the one before
  int zero;          // the input's
  bool wide;
};

enum class Int8Pooled { kNot, kLargest, kAverage };  // of each 2 x 2 sums, or what they become

struct Int8Conv {
  Int8Shape in, out;  // out: before pooling
  int window_rows, stride_rows, stride_values;
  Int8Rows rows;
  // One image alone: the lanes hold columns of the output, else its channels. The words then lie
  // as if each vector of columns were one column of the images in lanes.
  bool columns_in_lanes;
  // How many such columns a row has, and the steps from one to the next and from a row of words to
  // the next, in words.
  int columns, column_step, row_step;
  // The words of a window: so many, and where each is, [output row][word], in words from the rows'
  // first (one image's channels in lanes: in bytes). With down_words a window's row has one value
  // more than whole words: the last of the words hold that value in as many rows as a word has
  // values, down to this one. They lie behind all rows, each in the place of the window it is for,
  // and are made of the words that begin with it, `last_value` from that place.
  int words;
  const std::ptrdiff_t* offsets;
  bool down_words;
  int last_value;
  const std::int32_t* weights;  // [word][output channel]
  int padded_channels;          // of weights, bias and multiplier
  Int8Pooled pooled;
  Int8End end, pooled_end;  // the second of an average, with one multiplier
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
  int columns;                // that a convolution reads in a row, at least
  int conv_tile, dense_tile;  // output channels are padded to a multiple
  int columns_tile;           // likewise with columns in lanes; 0 where lanes cannot hold these
  // `count` images of the caller's, each contiguous, image_bytes apart, as a step gives them.
  void (*bytes_from_images)(std::uint8_t* y, const std::uint8_t* images, std::size_t image_bytes,
                            int count, std::size_t values);
  // y: bytes, or with `answer` the integers as int32 [value][lane]. x: what a step gave. rows: room
  // for the words that are made of it, as room_of says.
  void (*conv2d)(void* y, std::uint8_t* rows, const std::uint8_t* x, const Int8Conv& conv,
                 bool answer);
  void (*dense)(void* y, std::uint8_t* rows, const std::uint8_t* x, const Int8Conv& conv,
                bool answer);
  void (*max_pool2d)(std::uint8_t* y, const std::uint8_t* x, const Int8Pool& pool);
  void (*average_pool2d)(void* y, const std::uint8_t* x, const Int8Pool& pool, bool answer);
  void (*affine)(void* y, const std::uint8_t* x, const Int8Affine& affine, bool answer);
  void (*zero_padding2d)(std::uint8_t* y, const std::uint8_t* x, const Int8Padding& padding);
};

// What is compiled once for each instruction set.
struct Int8InstructionSet {
  const char* name;
  int top;      // the largest byte of an input whose products need not be wide
  int offset;   // what products that are not wide take off each byte of an input
  bool floats;  // sums may be rounded as floats
  Int8Kernels many, single;
};

}  // namespace pylenet
