"""The compiled part checks again what it is given: it would read or write beyond arrays else."""

import numpy as np
import pytest

from pylenet import _core
from pylenet.layers import Dense
from pylenet.layers.activation import LINEAR
from pylenet.models import Sequential
from pylenet.optimizers import Adam

N, LOSS = 6, _core.LossKind.MEAN_SQUARED_ERROR


def arguments():
    """What `train` takes, all of it right: six samples of four numbers, in steps of two."""
    optimizer = Adam()
    model = Sequential([Dense(3, input_shape=(4,))])
    size = model.network.parameter_floats
    return model.network, {
        "parameters": np.zeros(size, np.float32),
        "x": np.ones((N, 4), np.float32),
        "y": np.arange(N, dtype=np.int32) % 3,
        "order": np.arange(N),
        "batch_size": 2,
        "loss": LOSS,
        "optimizer": optimizer.hyperparameters(),
        "slots": [np.zeros(size, np.float32) for _ in optimizer.slot_names],
        "iterations": np.zeros(1, np.int64),
        "learning_rates": np.ones(3, np.float32),
        "augmentation": None,
        "seed": 0,
        "epoch": 0,
        "threads": 1,
    }


def unaligned(a):
    """The same values one byte off."""
    memory = np.zeros(a.nbytes + 1, np.uint8)[1:].view(a.dtype).reshape(a.shape)
    memory[...] = a
    return memory


WRONG = {
    "parameters": [
        (lambda a: a[:-1], "parameters must have shape"),
        (lambda a: np.append(a, a), "parameters must have shape"),
        (lambda a: a.reshape(1, -1), "parameters must have shape"),
        (unaligned, "parameters must be aligned"),
        (lambda a: a.astype(np.float64), "parameters must be a C-contiguous numpy array"),
        (lambda a: np.repeat(a, 2)[::2], "parameters must be a C-contiguous numpy array"),
    ],
    "x": [
        (lambda a: a[:, :-1], r"x must have shape \(n, 1, 1, 4\)"),
        (lambda a: a[:-1], "y must have one entry for each of the 5 images"),
        (lambda a: np.append(a, a, 0), "y must have one entry for each of the 12 images"),
        (lambda a: a.astype(int), "x must be uint8, float32 or float64"),
    ],
    "y": [
        (lambda a: a[:-1], "y must have one entry for each of the 6 images"),
        (lambda a: np.append(a, a), "y must have one entry for each of the 6 images"),
        (lambda a: a + np.int32(3), "y must hold labels from 0 to 2, got 3"),
        (lambda a: a - np.int32(1), "y must hold labels from 0 to 2, got -1"),
        (lambda a: a.astype(np.int64), "y must be a C-contiguous numpy array of int32"),
        (lambda _: np.zeros((N, 2), np.float32), r"y must have shape \(n, 3\), got \(6, 2\)"),
        (lambda _: np.zeros((N, 3)), "y must be a C-contiguous numpy array of float32"),
    ],
    "order": [
        (lambda a: a + 1, "order must hold indices from 0 to 5, got 6"),
        (lambda a: a - 1, "order must hold indices from 0 to 5, got -1"),
        (lambda a: a.astype(np.int32), "order must be a C-contiguous numpy array of int64"),
    ],
    "slots": [
        (lambda a: a[:1], "the optimizer needs 2 slots, got 1"),
        (lambda a: [*a, a[0]], "the optimizer needs 2 slots, got 3"),
        (lambda a: [a[0], a[1][:-1]], "slot must have shape"),
    ],
    "iterations": [(lambda a: np.append(a, a), "iterations must hold one number")],
    "learning_rates": [
        (lambda a: a[:-1], "learning_rates must have one rate for each of the 3 steps, got 2"),
        (lambda a: np.append(a, a), "one rate for each of the 3 steps, got 6"),
    ],
    "batch_size": [(lambda _: 0, "batch_size must be at least 1, got 0")],
    "threads": [(lambda _: 0, "threads must be at least 1, got 0")],
}


@pytest.mark.parametrize(
    ("name", "make", "message"),
    [(name, make, message) for name, cases in WRONG.items() for make, message in cases],
    ids=lambda v: v if isinstance(v, str) else "",
)
def test_what_is_wrong_for_a_training_is_named_and_nothing_is_written(name, make, message):
    network, given = arguments()
    parameters = given["parameters"]
    given[name] = make(given[name])
    with pytest.raises((ValueError, TypeError), match=message):
        network.train(**given)
    assert not parameters.any()


def test_what_is_right_trains():
    network, given = arguments()
    losses, correct = network.train(**given)
    assert (losses.shape, correct.shape, given["iterations"][0]) == ((3,), (3,), 3)
    assert given["parameters"].any()


def test_weights_may_lie_anywhere_and_a_network_says_up_to_where():
    dense = {"kind": "dense", "units": 3, "use_bias": True, "activation": LINEAR}
    ends = [_core.Network((1, 1, 4), [dense, dense], places=p) for p in ([], [64, 16])]
    assert [network.parameter_floats for network in ends] == [64, 96]
    for places, message in (
        ([16], "places must be one for each node, got 1"),
        ([0, 24], "places must be multiples of 16, got 24"),
    ):
        with pytest.raises(ValueError, match=message):
            _core.Network((1, 1, 4), [dense, dense], places=places)


@pytest.mark.parametrize("values", [17, 19])
def test_the_array_of_predictions_has_a_place_for_each_value(values):
    network, given = arguments()
    y = np.zeros(values, np.float32)
    with pytest.raises(ValueError, match=r"y must have 3 values for each image, got shape \(1"):
        network.predict(y, given["parameters"], given["x"], 1)
    assert not y.any()


def test_a_gradient_is_of_as_many_images():
    network, given = arguments()
    with pytest.raises(ValueError, match="dy must have as many images as x, 6, got 5"):
        network.gradient(given["parameters"], given["x"], np.zeros((5, 3), np.float32), 1)


def test_images_to_be_distorted_may_be_as_large_as_positions_can_be_counted():
    """Sixteen images with three more rows and columns: 2**28 values."""
    spec = dict.fromkeys(("rate", "rotation", "zoom", "squeeze", "shear", "translation"), 0.0)
    spec |= {"fill": 0.0, "seed": 1, "epoch": 0}
    no_images, order = np.zeros((0, 4093, 4094, 1), np.uint8), np.zeros(0, np.int64)
    with pytest.raises(ValueError, match="must have at most 16777216 values with a frame"):
        _core.Network((4093, 4094, 1), []).distort(no_images, order, spec, 1)
    largest = _core.Network((4093, 4093, 1), []).distort(no_images[:, :, 1:], order, spec, 1)
    assert largest.shape == (0, 4093, 4093, 1)


def test_what_snapshot_training_gives_is_assigned_again():
    network, given = arguments()
    network.train(**given)
    state = [given[name] for name in ("parameters", "slots", "iterations")]
    values, steps = network.snapshot_training(*state)
    assert steps == 3
    expected = [value.tobytes() for value in values]
    network.train(**given)
    assert given["parameters"].tobytes() != expected[0]
    network.assign_training(*state, values, steps)
    assert [array.tobytes() for array in (state[0], *state[1])] == expected
    assert given["iterations"] == 3


@pytest.mark.parametrize(
    ("changed", "error", "text"),
    [
        ({"parameters": np.zeros(16, np.float32)}, ValueError, "parameters must have shape"),
        ({"slots": [np.zeros(32, np.float64)] * 2}, TypeError, "slots must be a C-contiguous"),
        ({"slots": [np.zeros(16, np.float32)] * 2}, ValueError, "slots must have shape"),
        ({"slots": []}, ValueError, "values must be those of the parameters and of 0 slots, got 3"),
        ({"iterations": np.zeros(2, np.int64)}, ValueError, "iterations must hold one number"),
        ({"values": [np.zeros(16, np.float32)] * 3}, ValueError, "parameters must have"),
    ],
)
def test_a_state_that_does_not_fit_is_not_assigned(changed, error, text):
    network, given = arguments()
    own = {name: given[name] for name in ("parameters", "slots", "iterations")}
    values, steps = network.snapshot_training(**own)
    with pytest.raises(error, match=text):
        network.assign_training(**(own | {"values": values, "steps": steps} | changed))
