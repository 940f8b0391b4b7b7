"""The graph that is run: what is rewritten, what is not, and where the weights lie."""

import math

import numpy as np
import pytest
from nets import compiled, samples, small
from tolerance import assert_same_bits

from pylenet import Sequential, _core
from pylenet.layers import (
    Activation,
    Conv2D,
    Dense,
    Flatten,
    Input,
    MaxPooling2D,
    Rescaling,
    Subsampling2D,
    ZeroPadding2D,
)
from pylenet.models import lenet5_1998, lenet5_classic

IMAGE = Input((6, 5, 2))


def kinds(*layers):
    return [node.kind for node in Sequential([IMAGE, *layers]).graph.nodes]


def activations(*layers):
    nodes = Sequential([IMAGE, *layers]).graph.nodes
    return [node.settings["activation"].name for node in nodes if "activation" in node.settings]


def test_a_rescaling_that_comes_first_is_done_while_pixels_are_read():
    graph = Sequential([IMAGE, Rescaling(0.5, 3.0), Flatten()]).graph
    assert [node.kind for node in graph.nodes] == ["flatten"]
    assert (graph.scale, graph.offset) == (0.5, 3.0)


@pytest.mark.parametrize(
    "layers",
    [[ZeroPadding2D(1), Rescaling(0.5)], [Rescaling(2.0), Rescaling(0.5)]],
    ids=["behind padding", "the second of two"],
)
def test_another_rescaling_is_a_node(layers):
    assert kinds(*layers)[-1] == "rescaling"


def test_without_a_rescaling_pixels_stay_as_they_are():
    graph = Sequential([IMAGE, Flatten()]).graph
    assert (graph.scale, graph.offset) == (1.0, 0.0)
    assert math.copysign(1, graph.offset) < 0  # x + 0.0 would make 0.0 of -0.0


@pytest.mark.parametrize("layer", [Conv2D(3, 2), Subsampling2D(2), Conv2D(3, (6, 5))], ids=repr)
def test_an_activation_becomes_part_of_the_node_before_it(layer):
    again = type(layer).from_config(layer.get_config())
    assert len(kinds(again, Activation("tanh"))) == 1
    other = type(layer).from_config(layer.get_config())
    assert activations(other, Activation("tanh")) == ["tanh"]


def test_an_activation_stays_a_node_where_the_one_before_has_one_or_can_have_none():
    assert activations(Conv2D(3, 2, activation="relu"), Activation("tanh")) == ["relu", "tanh"]
    assert kinds(MaxPooling2D(2), Activation("tanh")) == ["max_pool2d", "activation"]
    assert kinds(Activation("tanh")) == ["activation"]


def test_softmax_is_always_a_node_of_its_own():
    assert kinds(Flatten(), Dense(3, "softmax")) == ["flatten", "dense", "activation"]
    assert kinds(Flatten(), Dense(3), Activation("softmax")) == ["flatten", "dense", "activation"]


def test_a_convolution_as_large_as_its_image_is_dense_and_keeps_its_kernel_s_shape():
    layer = Conv2D(3, (6, 5), activation="tanh", use_bias=False)
    (node,) = Sequential([IMAGE, layer]).graph.nodes
    assert node.kind == "dense"
    assert (node.settings["units"], node.settings["use_bias"]) == (3, False)
    assert [(tensor.name, tensor.shape) for tensor in node.tensors] == [("kernel", (6, 5, 2, 3))]
    assert layer.kernel.shape == (6, 5, 2, 3)


@pytest.mark.parametrize(
    "layer",
    [
        Conv2D(3, (5, 5)),
        Conv2D(3, (6, 5), padding="same"),
        Conv2D(1, (6, 5), connections=[[0, 1]]),
    ],
    ids=repr,
)
def test_another_convolution_is_none(layer):
    assert kinds(layer) == ["conv2d"]


def test_a_node_names_the_layers_that_it_comes_from():
    nodes = Sequential([IMAGE, Conv2D(3, 2), Activation("tanh"), Flatten()]).graph.nodes
    assert [node.layers for node in nodes] == [("conv2d", "activation"), ("flatten",)]


@pytest.mark.parametrize("build", [lenet5_classic, lenet5_1998, small])
def test_shapes_go_on_from_node_to_node_and_weights_lie_one_behind_the_other(build):
    model = build()
    graph, shape, end = model.graph, model.graph.input_shape, 0
    views = []
    for node in graph.nodes:
        assert node.input_shape == shape
        shape = node.output_shape
        for tensor in node.tensors:
            assert tensor.offset % 16 == 0
            assert tensor.offset >= end
            end = tensor.offset + math.prod(tensor.shape)
            views.append(tensor.of(model.parameters))
    assert end <= model.parameters.size == graph.network().parameter_floats
    assert math.prod(shape) == math.prod(model.output_shape[1:])
    for view, weight in zip(views, model.weights, strict=True):
        assert view.shape == weight.shape
        assert np.shares_memory(view, weight)


# Layers one by one


def test_building_costs_each_layer_once(monkeypatch):
    """Were the whole described at each layer, ten times the layers would cost a hundred times."""

    def described(layers):
        nodes = []
        describe = _core.describe

        def counted(node, shape, offset):
            nodes.append(node)
            return describe(node, shape, offset)

        with monkeypatch.context() as patch:
            patch.setattr(_core, "describe", counted)
            Sequential([Input((4,)), *(Dense(4, "tanh") for _ in range(layers))]).network  # noqa: B018
        return len(nodes)

    few = described(10)
    assert 10 <= few <= 60
    assert described(100) <= 10 * few


def test_a_network_is_planned_once_when_it_is_needed_and_anew_after_a_layer():
    model = Sequential([Input((4,)), Dense(3)])
    network = model.network
    assert model.network is network
    x, _ = samples(5, (4,), 3)
    model.predict(x)
    assert model.network is network
    model.add(Dense(2))
    assert model.network is not network
    assert model.predict(x).shape == (5, 2)


def test_weights_stay_what_they_are_while_layers_are_added():
    model, kept = Sequential([Input((4,))]), []
    for n in range(1, 40):
        model.add(Dense(n, kernel_initializer="he_normal"))
        kept.append(model.layers[-1].kernel.copy())
        assert all(np.shares_memory(w, model.parameters) for w in model.weights)
    assert_same_bits(tuple(layer.kernel for layer in model.layers), tuple(kept))
    model.parameters[:] = 1
    assert all(w.min() == w.max() == 1 for w in model.weights)


def test_a_layer_whose_weights_cannot_be_drawn_leaves_no_trace():
    def fails(shape):
        raise RuntimeError("no weights today")

    model, layer = Sequential([Input((4,)), Dense(30), Dense(1)]), Dense(2)
    before, names = model.parameters, [layer.name for layer in model.layers]
    layer.bias_initializer = fails
    with pytest.raises(RuntimeError, match="no weights today"):
        model.add(layer)
    assert layer.name is None
    assert not hasattr(layer, "input_shape")
    assert model.parameters is before
    assert [layer.name for layer in model.layers] == names
    model.add(Dense(2, use_bias=False))
    assert_same_bits(model.parameters[: before.size], before)
    assert np.isfinite(model.parameters).all()


def test_weights_go_by_name_in_any_buffer_like_the_parameters():
    model = compiled(small, "adam")
    model.train_on_batch(*samples(4, (8, 7, 2), 4))
    velocity = model.named_weights(model.optimizer.slots[1])
    assert list(velocity) == list(model.named_weights())
    for name, view in model.named_weights().items():
        assert velocity[name].shape == view.shape
        assert np.shares_memory(velocity[name], model.optimizer.slots[1])
