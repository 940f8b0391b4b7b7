// Compiled once for each instruction set, with PYLENET_ISA its name: exports one object, its tables
// of kernels, and nothing else. Everything it includes has internal linkage and uses no std
// containers, so that the linker can never take a function compiled for one instruction set for
// another's.
#include "kernels/kernels.h"

#include "kernels/dense_kernel.h"
#include "kernels/hessian.h"
#include "kernels/lanes/activation.h"
#include "kernels/lanes/affine.h"
#include "kernels/lanes/conv2d.h"
#include "kernels/lanes/conv2d_backward.h"
#include "kernels/lanes/cook_toom.h"
#include "kernels/lanes/dense.h"
#include "kernels/lanes/dense_wide.h"
#include "kernels/lanes/layout.h"
#include "kernels/lanes/loss.h"
#include "kernels/lanes/maps.h"
#include "kernels/lanes/random.h"
#include "kernels/lanes/rbf.h"
#include "kernels/optimizer.h"
#include "kernels/peak.h"
#include "kernels/single/activation.h"
#include "kernels/single/affine.h"
#include "kernels/single/conv2d.h"
#include "kernels/single/conv2d_backward.h"
#include "kernels/single/cook_toom.h"
#include "kernels/single/dense.h"
#include "kernels/single/dense_wide.h"
#include "kernels/single/layout.h"
#include "kernels/single/loss.h"
#include "kernels/single/maps.h"
#include "kernels/single/random.h"
#include "kernels/single/rbf.h"
#include "kernels/sum_records.h"

#define PYLENET_JOIN_(a, b) a##b
#define PYLENET_JOIN(a, b) PYLENET_JOIN_(a, b)
#define PYLENET_STRING_(a) #a
#define PYLENET_STRING(a) PYLENET_STRING_(a)

namespace pylenet {
namespace {

constexpr Kernels lanes_table() {
  Kernels table{};
  table.lanes = kLanes;
#define PYLENET_KERNEL(name, arguments) table.name = lanes::name;
#include "kernels/kernel_list.h"
#undef PYLENET_KERNEL
  return table;
}

constexpr Kernels single_table() {
  Kernels table{};
  table.lanes = 1;
#define PYLENET_KERNEL(name, arguments) table.name = single::name;
#include "kernels/kernel_list.h"
#undef PYLENET_KERNEL
  return table;
}

}  // namespace

extern const InstructionSet PYLENET_JOIN(kernels_, PYLENET_ISA);

constexpr InstructionSet PYLENET_JOIN(kernels_, PYLENET_ISA) = {
    PYLENET_STRING(PYLENET_ISA),
    lanes_table(),
    single_table(),
    loss_hessian,
    square,
    optimizer_step,
    moving_average,
    clip,
    scale,
    sum_of_squares,
    regularize,
    multiply_adds,
};

}  // namespace pylenet
