// Which instruction set's kernels run: the best one built that this processor supports, or the one
// that was asked for. And by which algorithms convolutions are computed.
#pragma once

#include <string>
#include <vector>

#include "kernels/int8/int8.h"
#include "kernels/kernels.h"

namespace pylenet {

std::vector<std::string> built_isas();      // slowest first
std::vector<std::string> available_isas();  // those of them that this processor runs

// The one in force. At first use: PYLENET_ISA if set, else the last of available_isas().
// Throws std::invalid_argument where PYLENET_ISA names none that is available.
const InstructionSet& active_isa();

// The available one of this name. Throws std::invalid_argument where there is none.
const InstructionSet& isa_named(const std::string& name);

// Forces one for networks built from now on. Throws like active_isa.
void set_isa(const std::string& name);

// The same of the kernels on whole numbers, which have instruction sets of their own: avx512vnni in
// place of avx512.
std::vector<std::string> built_int8_isas();
std::vector<std::string> available_int8_isas();

// The best one that goes with the instruction set in force, which is an upper bound for it.
const Int8InstructionSet& active_int8_isa();

// The available one of this name. Throws std::invalid_argument where there is none.
const Int8InstructionSet& int8_isa_named(const std::string& name);
// That of the floats that goes with it.
const InstructionSet& floats_of(const Int8InstructionSet& isa);

// kCookToom: where it is faster (layers/cook_toom.h). kDirect: never.
enum class Convolution { kDirect, kCookToom };

// The one in force. At first use: PYLENET_CONVOLUTION if set, "direct" or "cook_toom".
// Throws std::invalid_argument where it is neither.
Convolution active_convolution();
Convolution convolution_named(const std::string& name);
const char* name_of(Convolution convolution);

// Forces one for networks built from now on. Throws like active_convolution.
void set_convolution(const std::string& name);

}  // namespace pylenet
