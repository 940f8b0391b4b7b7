// Compiled once for each instruction set, with PYLENET_ISA its name: exports one table of kernels
// and nothing else. Everything it includes has internal linkage and uses no std containers, so
// that the linker can never take a function compiled for one instruction set for another's.
#include "kernels.h"

#include "activation-inl.h"
#include "conv2d-inl.h"
#include "dense-inl.h"
#include "loss-inl.h"
#include "optimizer-inl.h"
#include "pack-inl.h"
#include "pool2d-inl.h"

#define PYLENET_JOIN_(a, b) a##b
#define PYLENET_JOIN(a, b) PYLENET_JOIN_(a, b)
#define PYLENET_STRING_(a) #a
#define PYLENET_STRING(a) PYLENET_STRING_(a)

namespace pylenet {

extern const Kernels PYLENET_JOIN(kernels_, PYLENET_ISA);

const Kernels PYLENET_JOIN(kernels_, PYLENET_ISA) = {
    PYLENET_STRING(PYLENET_ISA),
    kLanes,
    pack,
    unpack,
    flatten,
    unflatten,
    rescale,
    pad2d,
    conv2d_forward,
    conv2d_backward_input,
    conv2d_backward_kernel,
    max_pool2d_forward,
    max_pool2d_backward,
    average_pool2d_forward,
    average_pool2d_backward,
    dense_forward,
    dense_backward_input,
    dense_rows,
    dense_backward_kernel,
    dense_backward_bias,
    activation_forward,
    activation_backward,
    loss,
    sum_partials,
    optimizer_step,
};

}  // namespace pylenet
