// Compiled once for each instruction set, with PYLENET_ISA its name: exports one object,
// its tables of kernels, and nothing else. Everything it includes has internal linkage and uses no
// std containers, so that the linker can never take a function compiled for one instruction set for
// another's.
#include "kernels.h"

#include "activation-inl.h"
#include "affine-inl.h"
#include "conv2d-inl.h"
#include "conv2d_backward-inl.h"
#include "crop2d-inl.h"
#include "curvature-inl.h"
#include "dense-inl.h"
#include "loss-inl.h"
#include "optimizer-inl.h"
#include "pack-inl.h"
#include "peak-inl.h"
#include "pool2d-inl.h"
#include "rbf-inl.h"
#include "single-conv2d-inl.h"
#include "single-conv2d_backward-inl.h"
#include "single-inl.h"
#include "single-pool2d-inl.h"
#include "subsample2d-inl.h"

#define PYLENET_JOIN_(a, b) a##b
#define PYLENET_JOIN(a, b) PYLENET_JOIN_(a, b)
#define PYLENET_STRING_(a) #a
#define PYLENET_STRING(a) PYLENET_STRING_(a)

namespace pylenet {

extern const InstructionSet PYLENET_JOIN(kernels_, PYLENET_ISA);

const InstructionSet PYLENET_JOIN(kernels_, PYLENET_ISA) = {
    PYLENET_STRING(PYLENET_ISA),
    {
        kLanes,
        pack,
        pack_affine,
        unpack,
        flatten,
        unflatten,
        rescale,
        pad2d,
        crop2d,
        conv2d_forward,
        conv2d_backward_input,
        conv2d_backward_kernel,
        max_pool2d_forward,
        max_pool2d_backward,
        average_pool2d_forward,
        average_pool2d_backward,
        subsample2d_forward,
        subsample2d_backward_input,
        subsample2d_backward_parameters,
        rbf_forward,
        rbf_backward,
        dense_forward,
        dense_backward_input,
        dense_rows,
        dense_backward_kernel<kLanes>,
        dense_backward_bias,
        activation_forward,
        activation_backward,
        loss,
        sum_partials<kLanes>,
    },
    {
        1,
        single_pack,
        single_pack_affine,
        single_unpack,
        single_flatten,
        single_flatten,
        single_rescale,
        single_pad2d,
        single_crop2d,
        single_conv2d_forward,
        single_conv2d_backward_input,
        single_conv2d_backward_kernel,
        single_max_pool2d_forward,
        single_max_pool2d_backward,
        single_average_pool2d_forward,
        single_average_pool2d_backward,
        single_subsample2d_forward,
        single_subsample2d_backward_input,
        single_subsample2d_backward_parameters,
        single_rbf_forward,
        single_rbf_backward,
        single_dense_forward,
        single_dense_backward_input,
        single_dense_rows,
        dense_backward_kernel<1>,
        dense_backward_bias,
        single_activation_forward,
        single_activation_backward,
        single_loss,
        sum_partials<1>,
    },
    loss_curvature,
    square,
    optimizer_step,
    multiply_adds,
};

}  // namespace pylenet
