// The kernels that stand in both layouts, each once: name and arguments. kernels.h makes the
// table's type from it, kernels.cpp both tables, by name. Included where PYLENET_KERNEL says what
// to make.
//
// Scratch and the order of sums are part of the contract; kernels.h has the rules for all.

// y = float(image[index[lane]]) * scale + offset; lanes >= count are zero.
PYLENET_KERNEL(pack, (float* y, const ImageView& images, const std::int64_t* index, int count,
                      Shape shape, float scale, float offset))
// The same of images distorted by `a`, whose values are interpolated between four pixels.
// frames: room for each lane's image with three more rows and columns, in floats, and kSlack.
PYLENET_KERNEL(pack_affine,
               (float* y, void* frames, const ImageView& images, const std::int64_t* index,
                int count, Shape shape, float scale, float offset, const RandomAffine& a))
// images [lane][h][w][c], densely packed, for lanes < count.
PYLENET_KERNEL(unpack, (float* images, const float* x, int count, Shape shape))

// y [h * w * c][lane] in Keras's flatten order, from x; and back.
PYLENET_KERNEL(flatten, (float* y, const float* x, Shape shape))
PYLENET_KERNEL(unflatten, (float* dx, const float* dy, Shape shape))

PYLENET_KERNEL(rescale, (float* y, const float* x, std::size_t size, float scale, float offset))

// y, an image of height x width: x moved to (top, left), zeros around it.
PYLENET_KERNEL(pad2d,
               (float* y, const float* x, Shape shape, int height, int width, int top, int left))
// y of `shape` out of x, an image of height x width, from (top, left) on.
PYLENET_KERNEL(crop2d,
               (float* y, const float* x, Shape shape, int height, int width, int top, int left))

// kernel [kh][kw][ic][oc], bias [oc] or null.
// Sums: bias, then input channel, kernel row, kernel column. `activation`, not softmax, of what
// `affine` makes of the sums is stored; to the bits of channel_affine_forward.
PYLENET_KERNEL(conv2d_forward,
               (float* y, const float* x, const float* kernel, const float* bias,
                const ConvShape& s, const ChannelAffine& affine, Activation activation))
// dx of height x width, without the padding (top, left) that the forward input had.
// Sums: output channel, kernel row, kernel column.
PYLENET_KERNEL(conv2d_backward_input,
               (float* dx, float* scratch, const float* dy, const float* kernel, const ConvShape& s,
                int height, int width, int top, int left))
// Sums: output row, output column in each lane, then the lanes as a tree. dbias may be null.
PYLENET_KERNEL(conv2d_backward_kernel,
               (float* dkernel, float* dbias, const float* x, const float* dy, const ConvShape& s))

// The same by Cook-Toom's algorithm, for kernels of 3 x 3 and 5 x 5 with strides of 1: fewer
// products, other roundings. kernels/cook_toom.h has the order of the sums, cook_toom_shape.h says
// how much room everything takes. u: the kernel, transformed; with its turned copy for the input's
// gradient. scratch: room for a kernel.
PYLENET_KERNEL(cook_toom_weights,
               (float* u, float* scratch, const float* kernel, const ConvShape& s, bool both_ways))
PYLENET_KERNEL(cook_toom_forward,
               (float* y, float* scratch, const float* x, const float* u, const float* bias,
                const ConvShape& s, const ChannelAffine& affine, Activation activation))
PYLENET_KERNEL(cook_toom_backward_input,
               (float* dx, float* scratch, const float* dy, const float* u, const ConvShape& s,
                int height, int width, int top, int left))
PYLENET_KERNEL(cook_toom_backward_kernel, (float* dkernel, float* dbias, float* scratch,
                                           const float* x, const float* dy, const ConvShape& s))
// The kernel's gradient in two dimensions: its sums at the pairs of points; and back from there,
// adding if `add`, which uses the sums up.
PYLENET_KERNEL(cook_toom_kernel_points, (float* sums, float* dbias, float* scratch, const float* x,
                                         const float* dy, const ConvShape& s))
PYLENET_KERNEL(cook_toom_kernel_from_points,
               (float* dkernel, float* sums, const ConvShape& s, bool add))

// Pooling. Backward, `below` is the activation whose output x is: dx is the gradient of what
// went into it. Linear stands for none.
PYLENET_KERNEL(max_pool2d_forward, (float* y, const float* x, const PoolShape& s))
// The gradient goes to the first maximum of each window, in row-major order.
PYLENET_KERNEL(max_pool2d_backward, (float* dx, const float* dy, const float* x, const float* y,
                                     const PoolShape& s, Activation below))
// The sum of each window, or its mean if `mean`; padding is not counted.
PYLENET_KERNEL(sum_pool2d_forward, (float* y, const float* x, const PoolShape& s, bool mean))
PYLENET_KERNEL(sum_pool2d_backward, (float* dx, const float* dy, const float* x, const PoolShape& s,
                                     bool mean, Activation below))

// y = scale [c] * x + shift [c], fused. Not in place: with AVX-512 each masked store would hold up
// the next load. Parameters' sums: as the convolution kernel's.
PYLENET_KERNEL(channel_affine_forward,
               (float* y, const float* x, const float* scale, const float* shift, Shape s))
PYLENET_KERNEL(channel_affine_backward_input,
               (float* dx, const float* dy, const float* scale, Shape s))
PYLENET_KERNEL(channel_affine_backward_parameters,
               (float* dscale, float* dshift, const float* x, const float* dy, Shape s))

// y_o = sum over the inputs, in order, of (x_i - code_oi)^2. codes [in][out] and, for the way
// back, turned [out][in]: both with kSlack floats after their end. Backward's sums: outputs in
// order, then times 2.
PYLENET_KERNEL(rbf_forward, (float* y, const float* x, const float* codes, int in, int out))
PYLENET_KERNEL(rbf_backward,
               (float* dx, const float* dy, const float* x, const float* turned, int in, int out))

// kernel [in][out], bias [out] or null. Sums: bias, then the inputs in order.
PYLENET_KERNEL(dense_forward,
               (float* y, const float* x, const float* kernel, const float* bias, int in, int out))
// Sums: outputs in order.
PYLENET_KERNEL(dense_backward_input,
               (float* dx, const float* dy, const float* kernel, int in, int out))
// The same of several groups at a time, for weights that do not fit the caches.
PYLENET_KERNEL(dense_wide_forward, (float* const* y, const float* const* x, int groups,
                                    const float* kernel, const float* bias, int in, int out))
PYLENET_KERNEL(dense_wide_backward_input, (float* const* dx, const float* const* dy, int groups,
                                           const float* kernel, int in, int out))
// rows [lane][row_stride]: dy turned to rows, the rest of a row zero.
PYLENET_KERNEL(dense_rows, (float* rows, const float* dy, int out, int row_stride))
// dkernel rows [begin, end) of [in][out], contracted over `count` images in order, and dbias.
// x: [group][in][lane]; rows: [image][row_stride]. Add to what is there if `add`.
PYLENET_KERNEL(dense_backward_kernel,
               (float* dkernel, const float* x, const float* rows, int count, int in, int out,
                int row_stride, int begin, int end, bool add))
PYLENET_KERNEL(dense_backward_bias,
               (float* dbias, const float* rows, int count, int out, int row_stride, bool add))

// In place. softmax runs over all `size` values of an image, the others over each alone.
PYLENET_KERNEL(activation_forward, (float* y, Activation activation, std::size_t size))
// dy becomes dx, in place; v is what the forward pass gave, or what it was given by kinds of
// PYLENET_ACTIVATIONS_BY_INPUT.
PYLENET_KERNEL(activation_backward,
               (float* dy, const float* v, Activation activation, std::size_t size))

// Loss of each lane's row of y, whether its arg max (arg min of distances) is right, and (if dy
// is set) dloss/dy times `scale`. Lanes >= count give neither loss nor gradient. Targets start at
// the group's images through index. scratch: 2 * classes * kSlack floats.
PYLENET_KERNEL(loss, (float* dy, float* losses, std::int32_t* correct, float* scratch,
                      const float* y, const Targets& targets, const std::int64_t* index, int count,
                      Loss loss, int classes, float scale))

// gradient[begin, end) = sum over groups of records [group][size], block after block, the groups of
// a block as a tree. Adds if `add`.
PYLENET_KERNEL(sum_records, (float* gradient, const float* records, int groups, std::size_t size,
                             std::size_t begin, std::size_t end, bool add))

// y = x, times d.scale or zero. A value's random number is a function of the key, the epoch, its
// image and its place in Keras's flatten order.
PYLENET_KERNEL(dropout, (float* y, const float* x, const TrainingImages& images, const Dropout& d,
                         Shape shape))
// The same of whole channels: the place is the channel's.
PYLENET_KERNEL(channel_dropout, (float* y, const float* x, const TrainingImages& images,
                                 const Dropout& d, Shape shape))
// y = x + deviation times a normally distributed number, which depends on the same as dropout's.
PYLENET_KERNEL(gaussian_noise, (float* y, const float* x, const TrainingImages& images,
                                std::uint64_t key, float deviation, Shape shape))

// Batch normalisation. Sums over all places of the first `count` images, each channel's: in each
// lane row by row, then the lanes as a tree.
// sum [c] of x, or of its squared distance from mean [c] where that is set.
PYLENET_KERNEL(batch_sum, (float* sum, const float* x, const float* mean, int count, Shape shape))
// dscale [c]: sum of dy (x - mean) inverse; dshift [c]: sum of dy.
PYLENET_KERNEL(batch_norm_backward_parameters,
               (float* dscale, float* dshift, const float* x, const float* dy, const float* mean,
                const float* inverse, int count, Shape shape))
// dx = a dy + b x + c, a, b and c [channel]; zero for images from `count` on.
PYLENET_KERNEL(batch_norm_backward_input,
               (float* dx, const float* dy, const float* x, const float* a, const float* b,
                const float* c, int count, Shape shape))
