// The layers that only the LeNet-5 of 1998 has.
#pragma once

#include <memory>

#include "layers.h"

namespace pylenet {

// Throw std::invalid_argument where spec and shape do not fit.
std::unique_ptr<Layer> make_subsample2d(const LayerSpec& spec, Shape in, std::size_t offset);
std::unique_ptr<Layer> make_rbf(const LayerSpec& spec, Shape in);

}  // namespace pylenet
