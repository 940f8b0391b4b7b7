"""What the tests ask of the compiled part that no public function tells."""

import contextlib
import os

import effort
import numpy as np

import pylenet
from pylenet import _core

# Where one is forced from outside, tests that force one have that; a run without has them all.
ISAS = [_core.active_isa()] if os.environ.get("PYLENET_ISA") else _core.available_isas()


def on_each_isa(check):
    """Call it with each instruction set forced, in a quick run with the best one alone.

    For tests whose input and expected results take longer to make than to check.
    """
    former = _core.active_isa()
    try:
        for name in [former] if effort.quick else ISAS:
            _core.set_isa(name)
            try:
                check()
            except AssertionError as error:
                raise AssertionError(f"on {name}: {error}") from error
    finally:
        _core.set_isa(former)


def plan_anew(model):
    """For the instruction set that is active now: a network keeps the one it was planned for."""
    vars(model).pop("_network", None)
    assert model.network.isa == _core.active_isa()


@contextlib.contextmanager
def convolutions_by(algorithm):
    """The algorithm of convolutions meanwhile."""
    former = pylenet.get_convolution()
    pylenet.set_convolution(algorithm)
    try:
        yield
    finally:
        pylenet.set_convolution(former)


def gradients(model, x, dy):
    """Of sum(dy * model(x)): dx, and one array for each of the model's weights."""
    shape = model.input_shape[1:]
    images = x if len(shape) != 2 else x[..., None]
    threads = pylenet.get_num_threads()
    dx, flat = model.network.gradient(model.parameters, images, dy, threads)
    return dx.reshape(x.shape), *by_weight(model, flat)


def hessian(model, x, order=None, augmentation=None, threads=1):
    """The Hessian's diagonal as SDLM takes it, in the layout of the optimizer's state."""
    order = np.arange(len(x)) if order is None else order
    spec = None if augmentation is None else augmentation.settings(0)
    return model.network.hessian(model.parameters, x, order, model._core_loss(), spec, threads)


def by_weight(model, flat):
    """The parts of a flat buffer of all parameters, one for each weight, in its shape."""
    return list(model.named_weights(flat).values())
