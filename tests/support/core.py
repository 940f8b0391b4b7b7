"""What the tests ask of the compiled part that no public function tells."""

import numpy as np

import pylenet


def gradients(model, x, dy):
    """Of sum(dy * model(x)): dx, and one array for each of the model's weights."""
    shape = model.input_shape[1:]
    images = x if len(shape) != 2 else x[..., None]
    threads = pylenet.get_num_threads()
    dx, flat = model._planned().gradient(model._parameters, images, dy, threads)
    return dx.reshape(x.shape), *by_weight(model, flat)


def hessian(model, x, order=None, augmentation=None, threads=1):
    """The Hessian's diagonal as SDLM takes it, in the layout of the optimizer's state."""
    order = np.arange(len(x)) if order is None else order
    spec = None if augmentation is None else augmentation._spec(0)
    return model._planned().curvature(
        model._parameters, x, order, model._core_loss(), spec, threads
    )


def by_weight(model, flat):
    """The parts of a flat buffer of all parameters, one for each weight, in its shape."""
    base = model._parameters.ctypes.data
    places = [(w, (w.ctypes.data - base) // 4) for w in model.weights]
    return [flat[start : start + w.size].reshape(w.shape) for w, start in places]
