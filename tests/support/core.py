"""What the tests ask of the compiled part that no public function tells."""

import contextlib

import numpy as np

import pylenet


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
