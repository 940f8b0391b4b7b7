"""Models that compute in whole numbers: `pylenet.quantize`. docs/int8.md is their arithmetic."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import _check
from ..models import Sequential, _inputs
from . import _blocks, _build, _ranges
from ._model import QuantizedModel, of_model

__all__ = ["QuantizedModel", "quantize"]

MOST_IMAGES = 2000  # that are looked at: half to find ranges, half to choose among them
RANGES = ("best", *_ranges.METHODS)
DENSE_BITS = (4, 8)


def quantize(
    model: Sequential, images: Any, *, dense_bits: int = 8, ranges: str = "best"
) -> QuantizedModel:
    """A model on whole numbers that gives nearly the answers of a trained one, by docs/int8.md.

    images: training images as the model takes them, (N, ...), some hundred or more; never test
    images. Of many, 2,000 evenly spread ones are looked at. Pixels come in as they are: uint8, or
    whole numbers from 0 to 255 of another dtype, some above 127. Other numbers come in as 255 steps
    from 0, or 127 to both sides of 0.
    dense_bits: of the weights of Dense layers, 8 or 4. ranges: how the range of each layer's
    integers is found on one half of the images: "max", the largest value; "99.99" or "99.9", that
    percentile; "error", the range with the least squared error; "best": whichever of these comes
    nearest to the model's answers on the other half.

    Takes a chain of Conv2D, Dense, pooling, ZeroPadding2D, activations, BatchNormalization,
    Rescaling, Flatten, Reshape and Permute; what only training uses, as Dropout, is left out.
    Raises TypeError for what is no Sequential, ValueError where it has another layer (the message
    names it), has no weights, or where its weights, images, or what a layer gives for these are
    not finite.
    """
    if not isinstance(model, Sequential):
        raise TypeError(f"model must be a Sequential, got {model!r}")
    if _check.integer("dense_bits", dense_bits, 1) not in DENSE_BITS:
        raise ValueError(f"dense_bits must be 4 or 8, got {dense_bits}")
    ranges = _check.one_of("ranges", ranges, RANGES)
    shape = tuple(size or 0 for size in model.input_shape[1:])
    some = _inputs.images("images", images, shape)
    some = some[:: -(-len(some) // MOST_IMAGES)]
    if not np.isfinite(some).all():
        raise ValueError("images must hold finite numbers, got NaN or infinity")
    chain = _blocks.chain_of(model)
    if not np.isfinite(chain.parameters).all():
        raise ValueError(f"model {model.name!r} must have finite weights, got NaN or infinity")
    source = _build.input_of(some)
    seen, held_out = some[::2], some[1::2] if len(some) > 1 else some
    observed = _build.observe(chain, seen)
    expected = chain.outputs(held_out, chain.nodes_before_last_function)

    found: list[tuple[float, QuantizedModel]] = []
    for exponent in _build.exponents(chain.blocks):
        blocks, values = _build.equalized(chain.blocks, observed, exponent)
        weights = _build.weights_of(blocks, seen, values, dense_bits)
        for method in _ranges.methods(ranges):
            steps, output = _build.build(blocks, weights, seen, values, source, method)
            made = of_model(model, source, steps, output)
            answers = made.scores(held_out) * output.scale
            error = float(np.square(answers.reshape(expected.shape) - expected).mean())
            found.append((error, made))
    return min(found, key=lambda pair: pair[0])[1]
