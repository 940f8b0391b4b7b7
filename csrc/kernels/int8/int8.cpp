// Compiled once for each instruction set, with PYLENET_ISA its name, as kernels.cpp is: exports one
// object, its two tables of kernels.
#include "kernels/int8/int8.h"

#include "kernels/int8/lanes.h"
#include "kernels/int8/single.h"
#include "kernels/int8/steps.h"

#define PYLENET_JOIN_(a, b) a##b
#define PYLENET_JOIN(a, b) PYLENET_JOIN_(a, b)
#define PYLENET_STRING_(a) #a
#define PYLENET_STRING(a) PYLENET_STRING_(a)

namespace pylenet {

extern const Int8InstructionSet PYLENET_JOIN(int8_, PYLENET_ISA);

constexpr Int8InstructionSet PYLENET_JOIN(int8_, PYLENET_ISA) = {
    PYLENET_STRING(PYLENET_ISA),
    int8::kTop,
    int8::kOffset,
    int8::kFloats,
    {
        int8::kLanes,
        int8::lanes::kColumns,
        int8::lanes::kChannels,
        int8::lanes::kDenseTile,
        0,
        int8::lanes::bytes_from_images,
        int8::lanes::conv2d,
        int8::lanes::dense,
        int8::max_pool2d<true>,
        int8::average_pool2d<true>,
        int8::affine<true>,
        int8::zero_padding2d<true>,
    },
    {
        1,
        int8::single::kColumns,
        int8::kLanes,
        int8::single::kSums * int8::kLanes,
        int8::kLanes > 4 ? int8::single::kColumnsTile : 0,
        int8::single::bytes_from_images,
        int8::single::conv2d,
        int8::single::dense,
        int8::max_pool2d<false>,
        int8::average_pool2d<false>,
        int8::affine<false>,
        int8::zero_padding2d<false>,
    },
};

}  // namespace pylenet
