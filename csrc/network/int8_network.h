// A planned network of whole numbers (docs/int8.md), which predicts. Its steps were checked before:
// what is checked here is only what memory depends on.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "kernels/int8/int8.h"
#include "kernels/kernels.h"
#include "runtime/interrupt.h"
#include "runtime/memory.h"

namespace pylenet {

// One step as Python has it.
struct Int8Step {
  std::string kind;
  Int8Shape in, out;
  std::int32_t low, high;
  int shift;
  int window[2], strides[2], before[2];                      // rows, columns
  std::vector<std::int8_t> kernel;                           // [out][row][column][in], or [out][in]
  std::vector<std::int32_t> bias, multiplier;                // [channel]
  std::vector<std::int8_t> table;                            // kTableSize, or none
  std::vector<std::pair<std::int32_t, std::int32_t>> cells;  // of an average: count, multiplier
};

class Int8Network {
 public:
  // low: of the input's integers, 0 or -127. scale: of the answer. Throws std::invalid_argument
  // where a step does not fit.
  Int8Network(Int8Shape input, std::int32_t low, const std::vector<Int8Step>& steps, float scale,
              Activation function, const Int8InstructionSet& isa, const InstructionSet& floats);

  ~Int8Network();

  const char* isa() const { return isa_.name; }
  std::size_t inputs() const { return inputs_; }
  std::size_t outputs() const { return outputs_; }
  double cost() const { return cost_; }  // of one image, in multiply-adds

  // For `count` images of bytes (integers, plus 128 where low is negative), contiguous. Either may
  // be null: scores [image][output], the answer's integers; y likewise, the function of these
  // times `scale`. A call that was interrupted has written nothing that counts.
  void predict(std::int32_t* scores, float* y, const std::uint8_t* images, std::int64_t count,
               int threads, Interrupt& interrupt) const;

 private:
  struct Place;
  struct Plan;
  struct Workspace;

  Int8Conv weighted(Place& place, const Int8Step& step, const Int8Kernels& kernels, int zero,
                    bool wide) const;
  bool as_floats(AlignedArray<std::int32_t>& multiplier, std::size_t count, int shift,
                 std::int64_t largest) const;
  Plan planned(const Int8Kernels& kernels, const std::vector<Int8Step>& steps) const;
  template <class Thread>
  void run(const Plan& plan, Thread& own, const std::uint8_t* images, int count) const;
  template <class Thread>
  void finish(const Plan& plan, Thread& own, std::int32_t* scores, float* y, int count) const;

  const Int8InstructionSet& isa_;
  const InstructionSet& floats_;
  const Int8Shape input_;
  const int zero_;  // the input's byte of 0
  const float scale_;
  const Activation function_;
  std::size_t inputs_, outputs_ = 0;
  double cost_ = 0.0;
  std::unique_ptr<const Plan> many_, single_;
  std::mutex& mutex_;
  mutable std::vector<std::unique_ptr<Workspace>> idle_;  // kept for the next call
};

}  // namespace pylenet
