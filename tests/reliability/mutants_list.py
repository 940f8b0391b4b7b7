"""The bugs of mutants.py: where, what stands there, what takes its place, where to look first."""

from typing import NamedTuple


class Mutant(NamedTuple):
    file: str
    old: str
    new: str
    tests: str  # arguments of pytest: the likeliest to fail


# Issue 11 of 2026 named kinds of bugs that the suite let through: one of each, or two.
ONCE_LET_THROUGH = [
    Mutant(
        "csrc/kernels/single/conv2d.h",
        "s.kernel_height * s.kernel_width <= kMostPairTaps;",
        "s.kernel_height * s.kernel_width <= kMostPairTaps + 1;",
        "tests/kinds/test_float64.py -k Conv2D",
    ),
    Mutant(
        "csrc/kernels/lanes/loss.h",
        "const vec direct = select(inside(v / sum), t[k] / v, vec{});",
        "const vec direct = t[k] / v;",
        "tests/kernels/test_network_gradients.py",
    ),
    Mutant(
        "csrc/kernels/lanes/loss.h",
        "dot += select(inside(q), wanted, vec{});",
        "dot += wanted;",
        "tests/kernels/test_network_gradients.py",
    ),
    Mutant(
        "pylenet/datasets/_idx.py",
        'arrays[file.name] = check(array, file, f"{where}[{key}]")',
        'arrays[file.name] = check(array, file, f"{where}[{key}]") if len(arrays) < 3 else array',
        "tests/data/test_datasets.py",
    ),
    Mutant(
        "pylenet/models/_sequential.py",
        """        for start in range(0, len(x), chunk):
            part = slice(start, start + chunk)
            network.predict(y[part]""",
        """        for start in range(0, len(x) - 1, chunk):
            part = slice(start, start + chunk)
            network.predict(y[part]""",
        "tests/models/test_predict.py",
    ),
    Mutant(
        "csrc/kernels/lanes/loss.h",
        "const ivec better = v > best;",
        "const ivec better = v >= best;",
        "tests/models/test_losses.py",
    ),
    Mutant(
        "csrc/network/train.cpp",
        "  losses += steps;\n",
        "",
        "tests/process/test_interrupt.py -k undisturbed",
    ),
    Mutant(
        "csrc/network/train.cpp",
        "  correct += steps;\n",
        "",
        "tests/process/test_interrupt.py -k undisturbed",
    ),
    Mutant(
        "pylenet/models/_sequential.py",
        "if not all(np.isfinite(weight).all() for weight in self.weights):",
        "if any(np.isnan(weight).any() for weight in self.weights):",
        "tests/models/test_fit_callbacks.py",
    ),
    Mutant(
        "csrc/runtime/gate.h",
        "return !writing && (writes ? readers : waiting_writers) == 0;",
        "return !writing && (!writes || readers == 0);",
        "tests/process/test_threads_at_once.py -k 'goes_after or keep_coming'",
    ),
    Mutant(
        "csrc/runtime/gate.h",
        "inside_ = state_->open(false);",
        "inside_ = !state_->writing;",
        "tests/process/test_threads_at_once.py -k goes_after",
    ),
    Mutant(
        "csrc/kernels/single/conv2d.h",
        "const vec wv = load_some(w, n);",
        "const vec wv = load_unaligned(w);",
        "tests/process/test_guard_pages.py",
    ),
    Mutant(
        "csrc/kernels/single/layout.h",
        "for (; i + kLanes <= size; i += kLanes)",
        "for (; i < size; i += kLanes)",
        "tests/process/test_guard_pages.py",
    ),
    Mutant(
        "csrc/kernels/lanes/layout.h",
        "const int first = w + kLanes <= width ? w : width - kLanes;",
        "const int first = w;",
        "tests/process/test_guard_pages.py",
    ),
    Mutant(
        "pylenet/losses.py",
        "shifted = pred - pred.max(axis=1, keepdims=True)",
        "shifted = pred - pred.max()",
        "tests/models/test_losses.py",
    ),
    Mutant(
        "csrc/kernels/lanes/loss.h",
        "  for (int k = 1; k < n; k++) top = larger(load(y + k * kLanes), top);\n  vec sum{}, weight",
        "  vec sum{}, weight",
        "tests/models/test_losses.py",
    ),
    Mutant(
        "pylenet/models/_sequential.py",
        "if len(images) > FEW or not self._looked_at_pixels:",
        "if not self._looked_at_pixels:",
        "tests/models/test_predict.py",
    ),
    Mutant(
        "pylenet/callbacks.py",
        "        self.wait = 0\n        self.stopped_epoch = 0\n",
        "        self.stopped_epoch = 0\n        if not hasattr(self, 'wait'):\n            self.wait = 0\n",
        "tests/models/test_callbacks.py",
    ),
    Mutant(
        "pylenet/callbacks.py",
        "        self.best_weights: Any = None\n",
        "        self.best_weights: Any = getattr(self, 'best_weights', None)\n",
        "tests/models/test_callbacks.py",
    ),
    Mutant(
        "pylenet/callbacks.py",
        "        self.stopped_epoch = 0\n",
        "        self.stopped_epoch = getattr(self, 'stopped_epoch', 0)\n",
        "tests/models/test_callbacks.py",
    ),
]

KERNELS = [
    Mutant(
        "csrc/kernels/lanes/conv2d.h",
        "const int ih = oh * s.stride_height + kh;",
        "const int ih = oh * s.stride_width + kh;",
        "tests/kinds/test_float64.py tests/kinds/test_bits.py tests/kinds/test_order.py -k Conv2D",
    ),
    Mutant(
        "csrc/kernels/lanes/conv2d.h",
        "  if (s.stride_width != 1)\n    conv2d_forward_sized<0, 0>",
        "  if (s.stride_height != 1)\n    conv2d_forward_sized<0, 0>",
        "tests/kinds/test_float64.py tests/kinds/test_bits.py tests/kinds/test_order.py -k Conv2D",
    ),
    Mutant(
        "csrc/kernels/activation.h",
        "vec backward(vec dy, vec y) const { return y > vec{} ? dy : dy * splat(own.parameter); }",
        "vec backward(vec dy, vec y) const { return y > vec{} ? dy : dy - dy + splat(own.parameter); }",
        "tests/kinds/test_float64.py tests/kinds/test_bits.py tests/kinds/test_order.py -k Activation",
    ),
    Mutant(
        "csrc/kernels/lanes/conv2d_backward.h",
        "width == s.in_width && s.out_width >= s.kernel_width - 1;",
        "width == s.in_width;",
        "tests/kinds/test_float64.py tests/kinds/test_bits.py tests/kinds/test_order.py -k Conv2D",
    ),
    Mutant(
        "csrc/kernels/lanes/conv2d_backward.h",
        "(EDGE == Edge::kRight && u >= kw)",
        "(EDGE == Edge::kRight && u > kw)",
        "tests/kinds/test_float64.py tests/kinds/test_bits.py tests/kinds/test_order.py -k Conv2D",
    ),
    Mutant(
        "csrc/kernels/lanes/conv2d_backward.h",
        "const std::size_t tap = std::size_t(kh + h) * s.kernel_width + kw + k;",
        "const std::size_t tap = std::size_t(kh + h) * s.kernel_width + kw % 5 + k;",
        "tests/kinds/test_float64.py tests/kinds/test_bits.py tests/kinds/test_order.py -k Conv2D",
    ),
    Mutant(
        "csrc/kernels/lanes/activation.h",
        "for (std::size_t i = 1; i < size; i++) top = larger(load(y + i * kLanes), top);",
        "for (std::size_t i = 1; i + 1 < size; i++) top = larger(load(y + i * kLanes), top);",
        "tests/kernels/test_activations.py tests/kinds/test_float64.py tests/kinds/test_bits.py tests/kinds/test_order.py",
    ),
    Mutant(
        "csrc/kernels/lanes/layout.h",
        "for (int lane = count; lane < kLanes; lane++) rows[lane] = vec{};\n",
        "",
        "tests/kinds/test_float64.py tests/kinds/test_bits.py tests/kinds/test_order.py",
    ),
    Mutant(
        "csrc/kernels/lanes/layout.h",
        "x + ((std::size_t(c) * height + h + top) * width + left) * kLanes,",
        "x + ((std::size_t(c) * height + h + left) * width + top) * kLanes,",
        "tests/kinds/test_float64.py tests/kinds/test_bits.py tests/kinds/test_order.py -k ZeroPadding",
    ),
    Mutant(
        "csrc/kernels/lanes/loss.h",
        "store(dy + k * kLanes, (p * weight - t[k]) * scale);",
        "store(dy + k * kLanes, (p - t[k]) * scale);",
        "tests/kernels/test_network_gradients.py tests/kinds/test_networks.py",
    ),
    Mutant(
        "csrc/kernels/lanes/loss.h",
        "if (dy && count < kLanes)",
        "if (dy && count < kLanes - 1)",
        "tests/kernels/test_network_gradients.py tests/kinds/test_networks.py",
    ),
    Mutant(
        "csrc/kernels/lanes/random.h",
        "quarter = (size + 3) / 4;",
        "quarter = size / 4;",
        "tests/models/test_dropout.py",
    ),
    Mutant(
        "csrc/kernels/pool2d.h",
        "s.in_height == 2 * s.out_height && s.in_width == 2 * s.out_width;",
        "s.in_height == 2 * s.out_height;",
        "tests/kinds/test_float64.py tests/kinds/test_bits.py tests/kinds/test_order.py -k Pooling",
    ),
    Mutant(
        "csrc/kernels/pool2d.h",
        "return best == best ? larger(best, v) : best;",
        "return larger(best, v);",
        "tests/kernels/test_pool2d.py",
    ),
    Mutant(
        "csrc/kernels/pool2d.h",
        "load_unaligned(dx + cell) + (hit ? rest : vec{}), n);\n        rest = hit ? vec{} : rest;",
        "load_unaligned(dx + cell) + (hit ? rest : vec{}), n);",
        "tests/kernels/test_pool2d.py",
    ),
    Mutant(
        "csrc/kernels/pool2d.h",
        "const vec share = load_unaligned(dy + out) / splat(mean ? float(w.cells()) : 1.0f);",
        "const vec share = load_unaligned(dy + out) / splat(mean ? float(s.pool_height * s.pool_width) : 1.0f);",
        "tests/kinds/test_float64.py tests/kinds/test_bits.py tests/kinds/test_order.py -k Pooling",
    ),
    Mutant(
        "csrc/kernels/math.h",
        "constexpr float kExpLow = -104.0f",
        "constexpr float kExpLow = -80.0f",
        "tests/kernels/test_activations.py tests/kinds/test_float64.py tests/kinds/test_bits.py tests/kinds/test_order.py -k 'softmax or Activation'",
    ),
    Mutant(
        "csrc/kernels/math.h",
        "return larger(splat(-1.0f), smaller(splat(1.0f), y));",
        "return y;",
        "tests/kernels/test_activations.py",
    ),
    Mutant(
        "csrc/kernels/optimizer.h",
        "w += step.nesterov ? fma(momentum, v, minus_rate * g) : v;",
        "w += step.nesterov ? v + minus_rate * g : v;",
        "tests/kernels/test_network_gradients.py tests/kinds/test_networks.py",
    ),
    Mutant(
        "csrc/kernels/sum_records.h",
        "return first + (groups > kHalf",
        "return first + (groups >= kHalf",
        "tests/kinds/test_float64.py tests/kinds/test_bits.py tests/kinds/test_order.py",
    ),
    Mutant(
        "csrc/kernels/single/conv2d_backward.h",
        "return s.stride_height == 1 && u.end - u.begin == l.end - l.begin;",
        "return u.end - u.begin == l.end - l.begin;",
        "tests/kinds/test_float64.py tests/kinds/test_bits.py tests/kinds/test_order.py -k Conv2D",
    ),
    Mutant(
        "csrc/kernels/single/conv2d_backward.h",
        "              i < rows\n                  ? load_some(",
        "              i <= rows\n                  ? load_some(",
        "tests/kinds/test_float64.py tests/kinds/test_bits.py tests/kinds/test_order.py -k Conv2D",
    ),
    Mutant(
        "csrc/kernels/single/activation.h",
        "float top = y[0], sum = 0.0f;",
        "float top = 0.0f, sum = 0.0f;",
        "tests/kernels/test_activations.py",
    ),
    Mutant(
        "csrc/kernels/single/layout.h",
        "                     (shape.channels == 1 || images.channel_stride == sizeof(T));",
        "                     images.channel_stride != 0;",
        "tests/models/test_targets.py tests/data/test_arrays.py",
    ),
    Mutant(
        "csrc/kernels/affine.h",
        "wide = zoom / squeeze;",
        "wide = zoom * (2.0 - squeeze);",
        "tests/models/test_augmentation.py",
    ),
    Mutant(
        "csrc/kernels/batch_norm.h",
        "total += select(used, mean ? v * v : v, vec{});",
        "total += mean ? v * v : v;",
        "tests/models/test_batch_normalization.py",
    ),
    Mutant(
        "csrc/kernels/kernel_rows.h",
        "if (begin < 0) begin = ih % s.stride_height;",
        "if (begin < 0) begin = 0;",
        "tests/kinds/test_float64.py tests/kinds/test_bits.py tests/kinds/test_order.py -k Conv2D",
    ),
    Mutant(
        "csrc/kernels/dense_kernel.h",
        "acc[t][v] = !add ? vec{} : v + 1 < TV ? load_unaligned(from) : load_some(from, last);",
        "acc[t][v] = !add || v + 1 < TV ? vec{} : load_some(from, last);",
        "tests/kinds/test_float64.py tests/kinds/test_bits.py tests/kinds/test_order.py -k Dense",
    ),
]

LAYERS = [
    Mutant(
        "csrc/layers/conv2d.cpp",
        "  std::sort(links.begin(), links.end());\n",
        "",
        "tests/kinds/test_float64.py tests/kinds/test_bits.py tests/kinds/test_order.py -k Conv2D",
    ),
    Mutant(
        "csrc/layers/conv2d.cpp",
        "      clear_gaps(own);\n",
        "",
        "tests/models/test_training.py",
    ),
    Mutant(
        "csrc/layers/conv2d.cpp",
        "if (!derivative_taken_) undo_activation_squared(call, hy, y);",
        "undo_activation_squared(call, hy, y);",
        "tests/models/test_hessian.py tests/kinds/test_networks.py",
    ),
    Mutant(
        "csrc/layers/conv2d.cpp",
        "std::max(padded_floats(lanes), spread_floats(lanes))",
        "spread_floats(lanes)",
        "tests/kinds/test_float64.py tests/kinds/test_bits.py tests/kinds/test_order.py -k Conv2D",
    ),
    Mutant(
        "csrc/layers/dense.cpp",
        "const int end = std::min(begin + kPartRows, inputs_);",
        "const int end = begin + kPartRows;",
        "tests/kinds/test_float64.py tests/kinds/test_bits.py tests/kinds/test_order.py -k Dense",
    ),
    Mutant(
        "csrc/layers/dense.cpp",
        "    if (!flat()) call.kernels.unflatten(dx, flat_dx, in);\n",
        "    if (!flat()) std::memcpy(dx, flat_dx, size_of(in) * call.kernels.lanes * sizeof(float));\n",
        "tests/models/test_graph.py tests/kernels/test_network_gradients.py tests/kinds/test_networks.py",
    ),
    Mutant(
        "csrc/layers/pool2d.cpp",
        "    call.kernels.rescale(hy, hy, size_of(out), share, -0.0f);\n    backward(call, hx, hy, x, y);\n    if (hx) call.kernels.activation_backward(hx, x, below_, size_of(in));  // its second power\n",
        "    call.kernels.rescale(hy, hy, size_of(out), share, -0.0f);\n    backward(call, hx, hy, x, y);\n",
        "tests/models/test_hessian.py tests/kinds/test_networks.py",
    ),
    Mutant(
        "csrc/layers/pool2d.cpp",
        " &&\n        (shape_.out_width - 1) * shape_.stride_width + shape_.pool_width <= in.width;",
        ";",
        "tests/models/test_hessian.py tests/kinds/test_networks.py",
    ),
    Mutant(
        "csrc/layers/slide.cpp",
        "padding / 2, padding - padding / 2};",
        "padding - padding / 2, padding / 2};",
        "tests/kinds/test_float64.py tests/kinds/test_bits.py tests/kinds/test_order.py -k 'Conv2D or Pooling'",
    ),
    Mutant(
        "csrc/layers/dropout.cpp",
        "std::uint64_t(call.training->seed) << 32 | call.layer :",
        "std::uint64_t(call.training->seed) << 32 :",
        "tests/models/test_dropout.py",
    ),
    Mutant(
        "csrc/layers/dropout.cpp",
        "return seed_ < 0 ?",
        "return seed_ <= 0 ?",
        "tests/models/test_dropout.py",
    ),
    Mutant(
        "csrc/layers/normalization.cpp",
        "1.0f / std::sqrt(at(values, kVariance)[c] + epsilon_);",
        "1.0f / (std::sqrt(at(values, kVariance)[c]) + epsilon_);",
        "tests/models/test_batch_normalization.py tests/kinds/test_float64.py tests/kinds/test_bits.py tests/kinds/test_order.py -k 'atch'",
    ),
    Mutant(
        "csrc/layers/normalization.cpp",
        "- slope[c] * mean[c];",
        "- slope[c];",
        "tests/models/test_batch_normalization.py",
    ),
    Mutant(
        "csrc/layers/lecun.cpp",
        "(kSlopes / 2 + 1 / kSlopes) * (kSlopes / 2 + 1 / kSlopes);",
        "(kSlopes / 2) * (kSlopes / 2);",
        "tests/models/test_hessian.py",
    ),
    Mutant(
        "csrc/layers/layer.cpp",
        "for (int power = 0; power < 2; power++)",
        "for (int power = 1; power < 2; power++)",
        "tests/models/test_hessian.py tests/kinds/test_networks.py",
    ),
    Mutant(
        "csrc/layers/layer.cpp",
        "    if (!t.trainable) return t.offset - tensors[0].offset;\n",
        "    if (!t.trainable) break;\n",
        "tests/models/test_batch_normalization.py",
    ),
    Mutant(
        "csrc/network/plan.cpp",
        "scratch = reserve(std::max(forward_scratch, backward_scratch));",
        "scratch = reserve(forward_scratch);",
        "tests/kinds/test_float64.py tests/kinds/test_bits.py tests/kinds/test_order.py tests/kernels/test_network_gradients.py tests/kinds/test_networks.py",
    ),
    Mutant(
        "csrc/network/plan.cpp",
        "sizes[turn] = std::max(sizes[turn], size_of(layers[i]->in));",
        "sizes[turn] = size_of(layers[i]->in);",
        "tests/kernels/test_network_gradients.py tests/kinds/test_networks.py",
    ),
    Mutant(
        "csrc/network/plan.cpp",
        "2 * size_of(output_shape) * kSlack);",
        "size_of(output_shape) * kSlack);",
        "tests/models/test_losses.py tests/kernels/test_network_gradients.py",
    ),
    Mutant(
        "csrc/network/predict.cpp",
        "worker.sum_part(gradient, part, int(end - slab), slab > 0);",
        "worker.sum_part(gradient, part, int(end - slab), false);",
        "tests/kinds/test_float64.py tests/kinds/test_bits.py tests/kinds/test_order.py",
    ),
    Mutant(
        "csrc/network/predict.cpp",
        "            plan.kernels.rescale(group_dx, group_dx, size_of(input_), scale_, -0.0f);\n",
        "",
        "tests/kinds/test_float64.py tests/kinds/test_bits.py tests/kinds/test_order.py -k 'Rescaling'",
    ),
    Mutant(
        "csrc/network/train.cpp",
        "1.0f / float(end - begin)",
        "1.0f / float(call.batch_size)",
        "tests/models/test_training.py",
    ),
    Mutant(
        "csrc/network/train.cpp",
        "worker.sum_part(gradient, part, slab.images(), !slab.first);",
        "worker.sum_part(gradient, part, slab.images(), false);",
        "tests/models/test_training.py",
    ),
    Mutant(
        "csrc/network/train.cpp",
        "network().barriers_.empty() ? kSlab : call.batch_size;",
        "kSlab;",
        "tests/models/test_batch_normalization.py",
    ),
    Mutant(
        "csrc/network/hessian.cpp",
        "worker.forward.sum_part(hessian, part, int(end - slab), slab > 0);",
        "worker.forward.sum_part(hessian, part, int(end - slab), false);",
        "tests/models/test_hessian.py",
    ),
    Mutant(
        "csrc/network/worker.h",
        "    if (workspace_->bytes() > kMostKept) return;\n",
        "",
        "tests/models/test_predict.py tests/process/test_memory_limits.py tests/process/test_memory_flat.py",
    ),
    Mutant(
        "csrc/network/worker.h",
        "index(order ? order + first : consecutive)",
        "index(order ? order : consecutive)",
        "tests/models/test_training.py",
    ),
    Mutant(
        "csrc/runtime/team.h",
        "return int(std::int64_t(n) * thread / threads);",
        "return n / threads * thread;",
        "tests/models/test_predict.py tests/models/test_training.py",
    ),
]

BINDINGS = [
    Mutant(
        "csrc/bindings/arrays.h",
        '  if (reinterpret_cast<std::uintptr_t>(array.data()) % sizeof(typename ArrayType::value_type) != 0)\n    throw py::value_error(std::string(name) + " must be aligned");\n',
        "",
        "tests/kernels/test_core_checks.py",
    ),
    Mutant(
        "csrc/bindings/arrays.h",
        "if (a.ndim() < 1 || a.shape(0) != images)",
        "if (a.ndim() < 1 || a.shape(0) > images)",
        "tests/kernels/test_core_checks.py",
    ),
    Mutant(
        "csrc/bindings/network.cpp",
        "order.data()[i] >= images)",
        "order.data()[i] > images)",
        "tests/kernels/test_core_checks.py",
    ),
    Mutant(
        "csrc/bindings/network.cpp",
        "if (slots.size() != places.size())",
        "if (slots.size() < places.size())",
        "tests/kernels/test_core_checks.py",
    ),
    Mutant(
        "csrc/bindings/network.cpp",
        "constexpr double kShortCall = 8e4;",
        "constexpr double kShortCall = 8e6;",
        "tests/process/test_threads_at_once.py",
    ),
    Mutant(
        "csrc/bindings/network.cpp",
        "if (!(value >= 0.0 && value <= 1.0))",
        "if (!(value >= 0.0))",
        "tests/models/test_augmentation.py",
    ),
    Mutant(
        "csrc/bindings/network.cpp",
        "  if (framed_floats(network.input()) > kMost)",
        "  if (framed_floats(network.input()) > 16 * kMost)",
        "tests/models/test_augmentation.py",
    ),
    Mutant(
        "csrc/bindings/network.cpp",
        "      *steps_done += done;",
        "      *steps_done += call.steps();",
        "tests/process/test_interrupt.py",
    ),
]

MODELS = [
    Mutant(
        "pylenet/models/_sequential.py",
        "kept = int(samples * (1 - share))",
        "kept = int(samples * share)",
        "tests/models/test_training.py tests/models/test_sequential.py",
    ),
    Mutant(
        "pylenet/models/_sequential.py",
        "return data.part(slice(kept)), data.part(slice(kept, None))",
        "return data, data.part(slice(kept, None))",
        "tests/models/test_training.py tests/models/test_sequential.py",
    ),
    Mutant(
        "pylenet/models/_sequential.py",
        "seen = min(end * batch_size, samples)",
        "seen = end * batch_size",
        "tests/models/test_training.py",
    ),
    Mutant(
        "pylenet/models/_sequential.py",
        "            self._prepare_optimizer(data, order)\n",
        "",
        "tests/models/test_hessian.py",
    ),
    Mutant(
        "pylenet/models/_sequential.py",
        "        self._looked_at_outputs = False\n        self._metrics",
        "        self._metrics",
        "tests/models/test_sequential.py",
    ),
    Mutant(
        "pylenet/models/_sequential.py",
        "            self.stop_training = False\n",
        "",
        "tests/models/test_fit_callbacks.py tests/models/test_training.py",
    ),
    Mutant(
        "pylenet/models/_sequential.py",
        "                    state.epoch = epoch + 1\n                    hooks.on_epoch_end(epoch, logs)\n",
        "                    hooks.on_epoch_end(epoch, logs)\n                    state.epoch = epoch + 1\n",
        "tests/models/test_backup.py",
    ),
    Mutant(
        "pylenet/models/_memory.py",
        "            buffer[: self.end] = self.buffer[: self.end]\n",
        "",
        "tests/models/test_sequential.py tests/models/test_layers.py tests/models/test_shared_layers.py",
    ),
    Mutant(
        "pylenet/models/_stack.py",
        "                layer.name = name\n",
        "                pass\n",
        "tests/models/test_sequential.py tests/models/test_layers.py",
    ),
    Mutant(
        "pylenet/models/_stack.py",
        "        flat = self.network.snapshot(self.parameters)\n        assign_weights(",
        "        flat = self.parameters\n        assign_weights(",
        "tests/process/test_threads_at_once.py tests/models/test_sequential.py",
    ),
    Mutant(
        "pylenet/models/_stack.py",
        '            self._view(each)\n        vars(self).pop("_network", None)\n',
        "            self._view(each)\n",
        "tests/models/test_sequential.py tests/models/test_layers.py tests/models/test_shared_layers.py",
    ),
    Mutant(
        "pylenet/callbacks.py",
        "return current - self.min_delta > reference",
        "return current + self.min_delta > reference",
        "tests/models/test_callbacks.py",
    ),
    Mutant(
        "pylenet/callbacks.py",
        "                return\n            self.best = current\n",
        "                return\n",
        "tests/models/test_callbacks.py",
    ),
    Mutant(
        "pylenet/callbacks.py",
        "if current is None or epoch < self.start_from_epoch:",
        "if current is None or epoch <= self.start_from_epoch:",
        "tests/models/test_callbacks.py",
    ),
    Mutant(
        "pylenet/_callback.py",
        "self.history = histories[0] if histories else History()",
        "self.history = History()",
        "tests/models/test_callbacks.py",
    ),
    Mutant(
        "pylenet/optimizers/_base.py",
        "if len(self.slots) != len(self.slot_names):",
        "if self.slot_names:",
        "tests/models/test_optimizers.py",
    ),
    Mutant(
        "pylenet/optimizers/_base.py",
        "if former_size != size or former_owner is not owner:",
        "if former_size != size:",
        "tests/models/test_optimizers.py",
    ),
    Mutant(
        "pylenet/optimizers/_optimizers.py",
        "weight_decay: float = 0.004,",
        "weight_decay: float = 0.04,",
        "tests/models/test_optimizers.py",
    ),
    Mutant(
        "pylenet/optimizers/_sdlm.py",
        "return 0 if epoch is None and gain.any() else self.samples",
        "return 0 if epoch is None else self.samples",
        "tests/models/test_hessian.py",
    ),
    Mutant(
        "pylenet/optimizers/schedules.py",
        "(self.total_steps - steps_up + 1)",
        "(self.total_steps - steps_up)",
        "tests/models/test_schedules.py",
    ),
    Mutant(
        "pylenet/optimizers/schedules.py",
        "done = min((step - self.warmup_steps) / self.decay_steps, 1.0)",
        "done = min(step / self.decay_steps, 1.0)",
        "tests/models/test_schedules.py",
    ),
    Mutant(
        "pylenet/initializers.py",
        "np.abs(values) > 2",
        "np.abs(values) > 3",
        "tests/data/test_utils.py tests/models -k 'initial or weights_are'",
    ),
    Mutant(
        "pylenet/models/_graph.py",
        '        or settings["same_padding"]\n',
        "",
        "tests/models/test_graph.py",
    ),
    Mutant(
        "pylenet/models/_inputs.py",
        "if 0 < largest <= 1:",
        "if 0 < largest < 1:",
        "tests/models/test_predict.py",
    ),
    Mutant(
        "pylenet/models/_inputs.py",
        "if not np.isfinite(rows).all():",
        "if np.isnan(rows).any():",
        "tests/models/test_targets.py",
    ),
    Mutant(
        "pylenet/_arrays.py",
        "min(start + length, size) - max(start, 0)",
        "min(start + length, size) - start",
        "tests/models/test_layers.py tests/models/test_lenet1998.py",
    ),
]

DATA = [
    Mutant(
        "pylenet/_files.py",
        "mode = 0o666 if before is None else 0o600",
        "mode = 0o666",
        "tests/formats/test_whole_files.py",
    ),
    Mutant(
        "pylenet/_files.py",
        "if path.lstat().st_mtime <= old:",
        "if path.lstat().st_mtime >= old:",
        "tests/formats/test_saving_faults.py tests/formats/test_whole_files.py",
    ),
    Mutant(
        "pylenet/_files.py",
        '        if left.suffix == ".tmp":\n            with',
        "        if left.name:\n            with",
        "tests/formats/test_saving_faults.py tests/formats/test_whole_files.py",
    ),
    Mutant(
        "pylenet/_files.py",
        "for owner, group in ((-1, source.st_gid), (source.st_uid, -1)):",
        "for owner, group in ((-1, source.st_uid), (source.st_gid, -1)):",
        "tests/formats/test_whole_files.py",
    ),
    Mutant(
        "pylenet/datasets/_idx.py",
        "    except DamagedError:\n        raise\n    except _BROKEN_NPZ",
        "    except _BROKEN_NPZ",
        "tests/data/test_datasets.py",
    ),
    Mutant(
        "pylenet/datasets/_idx.py",
        "    if got != array.size:\n        raise",
        "    if got > array.size:\n        raise",
        "tests/data/test_datasets.py",
    ),
    Mutant(
        "pylenet/datasets/_web.py",
        "    if total is not None and body.tell() != total:\n",
        "    if total is not None and body.tell() > total:\n",
        "tests/data/test_datasets.py",
    ),
    Mutant(
        "pylenet/datasets/_web.py",
        "                silent.add(host)\n",
        "                pass\n",
        "tests/data/test_datasets.py",
    ),
    Mutant(
        "pylenet/datasets/_web.py",
        "if body.tell() > limit + _SLACK:",
        "if body.tell() > 16 * limit + 16 * _SLACK:",
        "tests/data/test_datasets.py",
    ),
    Mutant(
        "pylenet/datasets/_folder.py",
        "if train[0].shape[1:] != test[0].shape[1:]:",
        "if train[0].shape[1] != test[0].shape[1]:",
        "tests/data/test_datasets.py",
    ),
    Mutant(
        "pylenet/_cgroup.py",
        "found = [-(-limit // period)",
        "found = [limit // period",
        "tests/process/test_threads.py",
    ),
    Mutant(
        "pylenet/_threads.py",
        'for name in ("PYLENET_NUM_THREADS", "OMP_NUM_THREADS"):',
        'for name in ("OMP_NUM_THREADS", "PYLENET_NUM_THREADS"):',
        "tests/process/test_threads.py tests/kernels/test_isa_threads.py",
    ),
    Mutant(
        "pylenet/cli/_evaluate.py",
        "if model.data_name not in (None, data.name):",
        "if model.data_name != data.name:",
        "tests/cli/test_cli.py -k evaluate",
    ),
    Mutant(
        "pylenet/cli/_options.py",
        "= images / np.float32(255)",
        "= images / np.float32(256)",
        "tests/cli/test_cli.py -k evaluate",
    ),
    Mutant(
        "pylenet/cli/_train.py",
        '        "seed": options.seed,\n',
        "",
        "tests/models/test_resume.py tests/cli/test_cli.py",
    ),
    Mutant(
        "pylenet/cli/_backup.py",
        "        self._started += perf_counter() - self._test_started\n",
        "        pass\n",
        "tests/models/test_resume.py tests/cli/test_cli.py",
    ),
    Mutant(
        "pylenet/cli/_data.py",
        "int(end([end(train[1]), end(test[1])]))",
        "int(end(train[1]))",
        "tests/cli/test_cli.py",
    ),
    Mutant(
        "pylenet/_progress.py",
        "line.ljust(self._length)",
        "line",
        "tests/models/test_progress.py",
    ),
    Mutant(
        "pylenet/models/_saving.py",
        "if values.dtype != np.float32:",
        'if values.dtype.kind != "f":',
        "tests/formats/test_hostile_files.py",
    ),
]

TOPICS = {
    "once let through": ONCE_LET_THROUGH,
    "kernels": KERNELS,
    "layers, network, runtime": LAYERS,
    "bindings": BINDINGS,
    "models, callbacks, optimizers, losses": MODELS,
    "data, files, commands": DATA,
}
