"""Random small networks, batches of one and of many: outputs and gradients against float64."""

import numpy as np
import reference
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from nets import compiled, forward, layer_forward, one_hot
from tolerance import EPS

from pylenet import layers, optimizers
from pylenet.models import Sequential

# The same examples every time, none kept on disk. The isa fixture needs no reset between them.
several = settings(
    max_examples=60,
    deadline=None,
    database=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
# One image alone, a few, about a unit of lanes, more than one.
batches = st.just(1) | st.integers(2, 8) | st.integers(9, 20) | st.integers(21, 40)
pairs = st.tuples(st.integers(1, 3), st.integers(1, 3))
CLASSES = 4
# A float64 reference takes another branch where two numbers are nearly equal. That changes an
# output by as little as they differ, but a gradient by a whole term.
SMOOTH = (["tanh", "sigmoid", "linear"], [layers.AveragePooling2D])
KINKED = ([*SMOOTH[0], "relu"], [*SMOOTH[1], layers.MaxPooling2D])


@st.composite
def networks(draw, activations, poolings):
    """A model's input shape and its layers, made anew at each call."""
    shape = draw(st.tuples(st.integers(3, 12), st.integers(3, 12), st.integers(1, 4)))
    size, recipe = shape[:2], []
    for _ in range(draw(st.integers(0, 2))):
        for kind in (layers.Conv2D, draw(st.sampled_from([None, *poolings]))):
            if kind is None:
                continue
            window, strides = draw(pairs), draw(pairs)
            fits = all(w <= n for w, n in zip(window, size, strict=True))
            padding = draw(st.sampled_from(["valid", "same"])) if fits else "same"
            size = [
                reference.out_size(n, w, s, padding)[0]
                for n, w, s in zip(size, window, strides, strict=True)
            ]
            options = {"strides": strides, "padding": padding}
            if kind is layers.Conv2D:
                options |= {
                    "activation": draw(st.sampled_from(activations)),
                    "use_bias": draw(st.booleans()),
                }
                recipe.append((kind, (draw(st.integers(1, 18)), window), options))
            else:
                recipe.append((kind, (window,), options))
    recipe.append((layers.Flatten, (), {}))
    if draw(st.booleans()):
        units, activation = draw(st.integers(1, 20)), draw(st.sampled_from(activations))
        recipe.append((layers.Dense, (units, activation), {}))
    recipe.append((layers.Dense, (CLASSES, "softmax"), {}))
    return shape, recipe


def build(network):
    shape, recipe = network
    made = [kind(*arguments, **options) for kind, arguments, options in recipe]
    return Sequential([layers.Input(shape), *made])


def make(network, batch, seed):
    """A compiled model that takes whole steps down its gradient, images, and targets."""
    model = compiled(
        lambda: build(network), optimizers.SGD(1.0), "categorical_crossentropy", seed % 2**32
    )
    rng = np.random.default_rng(seed)
    x = rng.uniform(-1, 1, (batch, *network[0])).astype(np.float32)
    return model, x, one_hot(rng.integers(0, CLASSES, batch), CLASSES)


def backward(layer, dy, x, weights, last):
    """dy of the layer's output, or of what goes into its softmax: dx and its weights' gradients."""
    if isinstance(layer, layers.Flatten):
        return dy.reshape(x.shape), []
    if isinstance(layer, layers.AveragePooling2D):
        options = (layer.pool_size, layer.strides, layer.padding)
        return reference.average_pool2d_backward(dy, x, *options), []
    conv = isinstance(layer, layers.Conv2D)
    options = {"strides": layer.strides, "padding": layer.padding} if conv else {}
    if not last:
        apply = reference.conv2d if conv else reference.dense
        before = apply(x, *weights, **options)
        dy = reference.activation_backward(dy, before, layer.activation)
    gradient = reference.conv2d_backward if conv else reference.dense_backward
    dx, *found = gradient(dy, x, weights[0], **options)
    return dx, found[: len(weights)]


def gradients(model, x, rows):
    """Of the mean cross entropy of `rows`, one for each weight, in float64."""
    weights, inputs = [layer.get_weights() for layer in model.layers], [reference.float64(x)]
    for layer, own in zip(model.layers, weights, strict=True):
        inputs.append(layer_forward(layer, inputs[-1], *own))
    dy, found = (inputs.pop() - rows) / len(x), []
    for layer, own in zip(reversed(model.layers), reversed(weights), strict=True):
        dy, own_gradients = backward(layer, dy, inputs.pop(), own, layer is model.layers[-1])
        found = [*own_gradients, *found]
    return found


@several
@given(networks(*KINKED), batches, st.integers(0, 2**40))
def test_a_network_predicts_what_the_reference_does(isa, network, batch, seed):
    model, x, _ = make(network, batch, seed)
    np.testing.assert_allclose(model.predict(x), forward(model, x), rtol=1e-5, atol=40 * EPS)


@several
@given(networks(*SMOOTH), batches, st.integers(0, 2**40))
def test_a_step_of_training_goes_down_the_reference_s_gradient(isa, network, batch, seed):
    model, x, rows = make(network, batch, seed)
    expected, before = gradients(model, x, rows), model.get_weights()
    model.train_on_batch(x, rows)
    for e, old, new in zip(expected, before, model.get_weights(), strict=True):
        np.testing.assert_allclose(reference.float64(old) - new, e, rtol=1e-4, atol=40 * EPS)
