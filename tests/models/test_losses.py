"""Losses and metrics as functions on arrays, and how they are found by name."""

import math

import numpy as np
import pytest

from pylenet import losses, metrics
from pylenet.layers import RBF, Dense
from pylenet.models import Sequential
from pylenet.optimizers import SGD

PREDICTED = np.array([[0.05, 0.95, 0.0], [0.1, 0.8, 0.1]])
LABELS = np.array([1, 2])
ONE_HOT = np.eye(3)[LABELS]
EXPECTED = [-math.log(0.95), -math.log(0.1)]

NAMES = {
    "categorical_crossentropy": losses.CategoricalCrossentropy,
    "sparse_categorical_crossentropy": losses.SparseCategoricalCrossentropy,
    "mean_squared_error": losses.MeanSquaredError,
}


def test_crossentropy_is_minus_the_log_of_the_right_class():
    for values in (
        losses.categorical_crossentropy(ONE_HOT, PREDICTED),
        losses.sparse_categorical_crossentropy(LABELS, PREDICTED),
        losses.sparse_categorical_crossentropy(LABELS[:, None], PREDICTED),
        losses.sparse_categorical_crossentropy(LABELS, np.log(PREDICTED + 1e-30), from_logits=True),
        losses.categorical_crossentropy(ONE_HOT, np.log(PREDICTED + 1e-30), from_logits=True),
    ):
        assert values.dtype == np.float32
        np.testing.assert_allclose(values, EXPECTED, rtol=1e-6)


def test_probabilities_are_divided_by_their_sum():
    values = losses.categorical_crossentropy(ONE_HOT, 4 * PREDICTED)
    np.testing.assert_allclose(values, EXPECTED, rtol=1e-6)


def test_probabilities_are_clipped_so_that_the_loss_stays_finite():
    certain = [[1.0, 0.0]]
    np.testing.assert_allclose(
        losses.sparse_categorical_crossentropy([1], certain), [-math.log(1e-7)], rtol=1e-6
    )
    np.testing.assert_allclose(
        losses.sparse_categorical_crossentropy([0], certain), [1e-7], rtol=1e-5
    )


def test_large_logits_do_not_overflow():
    values = losses.sparse_categorical_crossentropy([0, 1], [[1e4, 0.0]] * 2, from_logits=True)
    np.testing.assert_allclose(values, [0, 1e4])


def test_each_row_of_logits_is_for_itself_however_far_it_lies_from_others():
    rows = np.array([[0.0, 1.0], [1000.0, 1001.0], [-1000.0, -999.0]])
    expected = [math.log(1 + math.e)] * 3
    for values in (
        losses.sparse_categorical_crossentropy([0, 0, 0], rows, from_logits=True),
        losses.categorical_crossentropy(np.eye(2)[[0, 0, 0]], rows, from_logits=True),
    ):
        np.testing.assert_allclose(values, expected, rtol=1e-6)


@pytest.mark.parametrize("loss", ["categorical_crossentropy", "sparse_categorical_crossentropy"])
@pytest.mark.parametrize("batch", [1, 3, 16])
def test_training_computes_rows_of_logits_far_apart_as_the_function_does(loss, batch, isa):
    model = Sequential([Dense(2, input_shape=(2,))])
    model.compile(SGD(1.0), {"class_name": loss, "config": {"from_logits": True}})
    x = np.array([[0.0, 1.0], [1000.0, 1001.0], [-1000.0, -999.0]] * 6)[:batch]
    labels = np.arange(batch) % 2
    y = labels if model.loss.takes_labels else np.eye(2)[labels]
    model.set_weights([np.eye(2), np.zeros(2)])
    expected = model.loss(y, x)
    assert model.evaluate(x, y) == pytest.approx(expected, rel=1e-6)
    assert model.train_on_batch(x, y) == pytest.approx(expected, rel=1e-6)
    p = np.array([1, math.e]) / (1 + math.e)
    gradient = (p - np.eye(2)[labels]).mean(axis=0)
    np.testing.assert_allclose(model.get_weights()[1], -gradient, rtol=1e-5)


def test_training_computes_large_logits_as_the_function_does(isa):
    model = Sequential([Dense(2, input_shape=(2,))])
    model.compile(SGD(1.0), losses.SparseCategoricalCrossentropy(from_logits=True))
    model.set_weights([np.eye(2), np.zeros(2)])
    x = np.array([[0.0, 1e4], [1e4, 0.0]])
    assert model.evaluate(x, [1, 0]) == 0
    assert model.evaluate(x, [0, 0]) == 5000


def test_soft_labels_weigh_every_class():
    values = losses.categorical_crossentropy([[0.25, 0.75]], [[0.5, 0.5]])
    np.testing.assert_allclose(values, [math.log(2)], rtol=1e-6)


def test_mean_squared_error_is_the_mean_over_the_last_axis():
    values = losses.mean_squared_error([[0, 0], [1, 2]], [[3.0, 4.0], [1.0, 0.0]])
    assert values.dtype == np.float32
    np.testing.assert_array_equal(values, [12.5, 2])


@pytest.mark.parametrize(
    ("name", "truth"),
    [
        ("categorical_crossentropy", ONE_HOT),
        ("sparse_categorical_crossentropy", LABELS),
        ("mean_squared_error", ONE_HOT),
    ],
)
def test_a_loss_is_the_mean_of_its_function(name, truth):
    loss = losses.get(name)(truth, PREDICTED)
    assert isinstance(loss, float)
    assert loss == pytest.approx(getattr(losses, name)(truth, PREDICTED).mean(), rel=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_a_loss_is_found_by_name_function_class_instance_and_config(name):
    cls = NAMES[name]
    for identifier in (name, cls.__name__, cls, getattr(losses, name), getattr(metrics, name)):
        loss = losses.get(identifier)
        assert type(loss) is cls
        assert loss.kind == loss.name == name
        assert loss.from_logits is False
    assert losses.get(loss) is loss
    assert losses.serialize(losses.get(losses.serialize(loss))) == losses.serialize(loss)


@pytest.mark.parametrize("name", ["mse", "MSE"])
def test_mse_is_mean_squared_error(name):
    assert losses.get(name).kind == "mean_squared_error"


def test_from_logits_is_kept_in_config_and_repr():
    loss = losses.SparseCategoricalCrossentropy(from_logits=True, name="ce")
    again = losses.get(losses.serialize(loss))
    assert (again.from_logits, again.name) == (True, "ce")
    assert repr(loss) == "SparseCategoricalCrossentropy(from_logits=True, name='ce')"


def test_a_loss_from_logits_computes_from_logits():
    for cls, truth in (
        (losses.CategoricalCrossentropy, [[0, 1]]),
        (losses.SparseCategoricalCrossentropy, [1]),
    ):
        assert cls(from_logits=True)(truth, [[2.0, 2.0]]) == pytest.approx(math.log(2))
        assert cls(from_logits=True)(truth, [[9.0, -9.0]]) == pytest.approx(18)


def dice(y_true, y_pred):
    return 0.0


@pytest.mark.parametrize("wrong", ["dice", dice, {"class_name": "Dice"}])
def test_an_unknown_loss_is_named_with_those_there_are(wrong):
    with pytest.raises(ValueError, match=r"loss must be one of .*'mse'.*got .*[Dd]ice"):
        losses.get(wrong)


@pytest.mark.parametrize("wrong", [None, 1])
def test_what_is_no_loss_is_a_type_error(wrong):
    with pytest.raises(TypeError, match="loss must be a name, an instance or a config dict"):
        losses.get(wrong)


@pytest.mark.parametrize(
    ("name", "truth", "predicted", "message"),
    [
        ("categorical_crossentropy", [1, 2], PREDICTED, r"y_true must have shape \(2, 3\)"),
        ("mean_squared_error", np.eye(2), PREDICTED, r"y_true must have shape \(2, 3\)"),
        ("mean_squared_error", [1.0], [1.0], r"y_pred must have shape \(N, features\)"),
        ("sparse_categorical_crossentropy", ONE_HOT, PREDICTED, r"\(2, 1\), got \(2, 3\)"),
        ("sparse_categorical_crossentropy", [0, 3], PREDICTED, "labels below 3, got 3"),
        ("sparse_categorical_crossentropy", [0, -1], PREDICTED, "labels >= 0, got -1"),
        ("sparse_categorical_crossentropy", [0, 0.5], PREDICTED, "integer labels, got 0.5"),
    ],
)
def test_wrong_shapes_and_labels_are_named(name, truth, predicted, message):
    with pytest.raises(ValueError, match=message):
        getattr(losses, name)(truth, predicted)


def test_the_loss_of_an_empty_batch_is_an_error():
    with pytest.raises(ValueError, match="y_pred must hold at least one sample"):
        losses.MeanSquaredError()(np.zeros((0, 3)), np.zeros((0, 3)))


def test_accuracy_functions_compare_the_largest_prediction_with_the_label():
    predicted = [[0.1, 0.9], [0.8, 0.2], [0.5, 0.5]]
    for right in (
        metrics.categorical_accuracy(np.eye(2)[[1, 1, 0]], predicted),
        metrics.sparse_categorical_accuracy([1, 1, 0], predicted),
        metrics.sparse_categorical_accuracy([[1], [1], [0]], predicted),
    ):
        assert right.dtype == np.float32
        np.testing.assert_array_equal(right, [1, 0, 1])


EQUAL = {
    "first two": [2.0, 2.0, 1.0],
    "last two": [1.0, 2.0, 2.0],
    "first and last": [2.0, 1.0, 2.0],
    "all": [2.0, 2.0, 2.0],
    "zeros of both signs": [-0.0, 0.0, -1.0],
}


@pytest.mark.parametrize("outputs", EQUAL.values(), ids=EQUAL)
@pytest.mark.parametrize("loss", ["mse", losses.CategoricalCrossentropy(from_logits=True)])
@pytest.mark.parametrize("batch", [1, 9, 16, 20])
def test_of_equal_outputs_and_targets_the_first_counts_as_in_the_metric(outputs, loss, batch, isa):
    model = Sequential([Dense(3, input_shape=(1,))])
    model.compile(SGD(0.0), loss, metrics=["accuracy"])
    model.set_weights([np.zeros((1, 3)), np.array(outputs)])
    x = np.ones((batch, 1))
    for targets in (*EQUAL.values(), *np.eye(3)):
        y = np.tile(targets, (batch, 1))
        expected = metrics.categorical_accuracy(y, np.tile(outputs, (batch, 1))).mean()
        assert model.evaluate(x, y)[1] == expected
        assert model.train_on_batch(x, y)[1] == expected
        history = model.fit(x, y, batch, verbose=0).history
        assert history["accuracy"] == [expected]


@pytest.mark.parametrize("batch", [1, 20])
def test_of_equal_distances_the_first_counts(batch, isa):
    model = Sequential([RBF(["+-", "-+", "++"], input_shape=(2,))])
    model.compile("sgd", "maximum_a_posteriori", metrics=["accuracy"])
    x = np.tile([[0.0, 0.0]], (batch, 1))  # as far from each code
    assert [model.evaluate(x, np.full(batch, label))[1] for label in range(3)] == [1, 0, 0]


@pytest.mark.parametrize(
    ("identifier", "key"),
    [
        ("accuracy", "accuracy"),
        ("acc", "acc"),
        ("categorical_accuracy", "categorical_accuracy"),
        ("sparse_categorical_accuracy", "sparse_categorical_accuracy"),
        (metrics.categorical_accuracy, "categorical_accuracy"),
        (metrics.sparse_categorical_accuracy, "sparse_categorical_accuracy"),
        (metrics.CategoricalAccuracy, "categorical_accuracy"),
        (metrics.CategoricalAccuracy(), "categorical_accuracy"),
        (metrics.SparseCategoricalAccuracy(name="digits"), "digits"),
    ],
)
def test_a_metric_gives_the_key_of_the_logs_that_keras_gives(identifier, key):
    assert metrics.get(identifier).name == key


def test_an_unknown_metric_is_named_with_those_there_are():
    with pytest.raises(ValueError, match=r"metrics must be among .*'accuracy'.*got"):
        metrics.get("f1_score")


@pytest.mark.parametrize("wrong", [None, 3])
def test_what_is_no_metric_is_a_type_error(wrong):
    with pytest.raises(TypeError, match="metric must be a name, an instance or a config dict"):
        metrics.get(wrong)


def test_repr_of_a_metric_is_the_constructor_call():
    metric = metrics.CategoricalAccuracy(name="top")
    assert repr(metric) == "CategoricalAccuracy(name='top')"
