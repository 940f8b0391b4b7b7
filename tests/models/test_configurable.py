"""Families of objects that a config can name: layers, losses, optimizers and their like."""

import inspect

import pytest

import pylenet
from pylenet import constraints, initializers, layers, losses, metrics, optimizers, regularizers
from pylenet.initializers import Initializer
from pylenet.layers import Layer
from pylenet.losses import Loss
from pylenet.optimizers import Optimizer, schedules
from pylenet.optimizers.schedules import LearningRateSchedule

FAMILIES = {
    Layer: layers,
    Loss: losses,
    Optimizer: optimizers,
    LearningRateSchedule: schedules,
    Initializer: initializers,
}


@pytest.mark.parametrize("base", FAMILIES, ids=lambda base: base.__name__)
def test_a_family_has_every_public_class_of_its_module_and_no_other(base):
    module = FAMILIES[base]
    public = [getattr(module, name) for name in module.__all__]
    expected = {c.__name__: c for c in public if inspect.isclass(c) and issubclass(c, base)}
    del expected[base.__name__]
    assert base.members == expected


def test_a_class_of_the_user_s_is_none_even_under_a_name_of_ours():
    class Dense(layers.Dense):
        pass

    assert Layer.members["Dense"] is layers.Dense
    assert repr(Dense(3)) == repr(layers.Dense(3))


def test_a_class_of_the_user_s_with_a_constructor_of_its_own_trains_and_prints():
    class Momentum(optimizers.SGD):
        def __init__(self, rate):
            super().__init__(rate, 0.9)

    assert Momentum(0.1).hyperparameters()["momentum"] == 0.9
    assert repr(Momentum(0.1)).startswith("Momentum(learning_rate=0.1, momentum=0.9")

    class Wide(layers.Conv2D):
        def __init__(self, filters):
            super().__init__(filters, 5)

    assert repr(Wide(3)) == "Wide(filters=3)"
    assert pylenet.Sequential([layers.Input((7, 7, 1)), Wide(3)]).output_shape == (None, 3, 3, 3)

    class Passing(layers.Dense):
        def __init__(self, *args, **keywords):
            super().__init__(*args, **keywords)

    layer = Passing(3, "tanh", name="one")
    assert repr(layer) == repr(layers.Dense(3, "tanh")).replace("Dense", "Passing")
    assert Passing.from_config(layer.get_config()).get_config() == layer.get_config()


@pytest.mark.parametrize("name", sorted(Layer.members))
def test_an_argument_that_a_layer_does_not_have_is_an_error_that_names_the_layer(name):
    needed = {"Conv2D": (3, 2), "Dense": (3,), "RBF": (["+-"],), "Rescaling": (2,)}
    needed |= {"Activation": ("relu",), "Dropout": (0.5,), "SpatialDropout2D": (0.5,)}
    needed |= {"GaussianNoise": (0.1,), "Permute": ((1,),), "Reshape": ((4,),)}
    with pytest.raises(TypeError, match=rf"^{name}\(\) got an unexpected .* 'kernel_norm'"):
        Layer.members[name](*needed.get(name, ()), kernel_norm="l2")


@pytest.mark.parametrize(
    ("base", "method"),
    [
        (losses.MeanSquaredError, "call"),
        (losses.Loss, "__call__"),
        (losses.Huber, "values"),
        (regularizers.L2, "__call__"),
        (constraints.Constraint, "__call__"),
        (metrics.MeanSquaredError, "__call__"),
        (layers.Dense, "call"),
        (layers.Dense, "build"),
        (Layer, "call"),
        (Layer, "compute_output_shape"),
        (optimizers.SGD, "update_step"),
        (pylenet.Sequential, "call"),
        (pylenet.Sequential, "train_step"),
        (pylenet.Sequential, "compute_metrics"),
    ],
)
def test_a_method_that_training_would_not_call_is_refused(base, method):
    with pytest.raises(TypeError, match=f"Mine must not have a method {method}: training would"):
        type("Mine", (base,), {method: lambda self, *arguments: 0.0, "__module__": __name__})
