"""LeNet-5 of 1998: the paper's counts, its codes, its loss, and digits by smallest distance."""

import itertools
import re

import numpy as np
import pytest
from kinds.conv2d import full_kernel
from nets import compiled, digits, forward, map_loss, one_hot, samples, state
from tolerance import assert_close, assert_same_bits, summed

import pylenet
from pylenet import cli, initializers, losses, models, optimizers
from pylenet.layers import RBF, Conv2D, Dense, Flatten, Input, Subsampling2D
from pylenet.models import Sequential, _lenet1998, lenet5_1998, load_model
from pylenet.utils import set_random_seed

LOSS = "maximum_a_posteriori"

# Name, output, neurons, trainable parameters, connections: table of the paper.
PAPER = [
    ("c1", (28, 28, 6), 4_704, 156, 122_304),
    ("s2", (14, 14, 6), 1_176, 12, 5_880),
    ("c3", (10, 10, 16), 1_600, 1_516, 151_600),
    ("s4", (5, 5, 16), 400, 32, 2_000),
    ("c5", (1, 1, 120), 120, 48_120, 48_120),
    ("f6", (84,), 84, 10_164, 10_164),
    ("output", (10,), 10, 0, 840),
]


# The network


@pytest.mark.parametrize(("name", "shape", "neurons", "parameters", "connections"), PAPER)
def test_each_layer_has_the_paper_s_counts(name, shape, neurons, parameters, connections):
    (layer,) = (layer for layer in lenet5_1998().layers if layer.name == name)
    assert layer.output_shape == (None, *shape)
    assert layer.count_neurons() == neurons
    assert layer.count_params() == parameters
    assert layer.count_connections() == connections


def test_in_all_there_are_60000_parameters_and_340908_connections():
    model = lenet5_1998()
    assert model.count_params() == 60_000
    assert sum(layer.count_connections() for layer in model.layers) == 340_908
    rest = [layer for layer in model.layers if layer.name not in [row[0] for row in PAPER]]
    assert all(layer.count_neurons() == layer.count_connections() == 0 for layer in rest)


def test_summary_prints_the_table():
    lines = []
    lenet5_1998().summary(print_fn=lines.append)
    rows = {line.split()[0]: re.split(r"\s{2,}", line)[1:] for line in lines[4:-3]}
    for name, shape, neurons, parameters, connections in PAPER:
        counts = [f"{count:,}" for count in (neurons, parameters, connections)]
        assert rows[name] == [str((None, *shape)), *counts]
    assert "Total params: 60,000" in lines[-2]
    assert lines[-1] == "Total connections: 340,908"


@pytest.mark.parametrize(
    ("layer", "image", "connections"),
    [
        (Conv2D(2, 3, padding="same"), (4, 5, 3), (10 * 13 * 3 + 20) * 2),
        (Conv2D(2, (2, 3), (2, 1), "same", use_bias=False), (3, 4, 1), 3 * 10 * 2),
        (Conv2D(2, 2, connections=[[0, 2], [1]]), (3, 4, 3), 6 * (4 * 3 + 2)),
        (Subsampling2D(3, 2), (7, 6, 2), 2 * 3 * 2 * (9 + 1)),
        (Dense(3, use_bias=False), (5,), 15),
        (Flatten(), (3, 4), 0),
    ],
    ids=repr,
)
def test_connections_are_the_inputs_that_exist(layer, image, connections):
    Sequential([Input(image), layer])
    assert layer.count_connections() == connections


def test_counts_outside_a_model_are_an_error():
    for count in (Dense(3).count_connections, Dense(3).count_neurons):
        with pytest.raises(ValueError, match="has no shape yet: add it to a model"):
            count()


def test_initial_weights_are_drawn_by_how_many_inputs_their_unit_has():
    set_random_seed(3)
    weights = lenet5_1998().named_weights()
    for name, inputs in (("c1", 25), ("c5", 400), ("f6", 120)):
        kernel = weights[f"{name}.kernel"]
        limit = np.sqrt(3 / inputs)
        assert 0.8 * limit < np.abs(kernel).max() <= np.float32(limit)
    for name in ("s2", "s4"):
        assert 0.2 < np.abs(weights[f"{name}.coefficient"]).max() <= 0.6
    full, _ = full_kernel(weights["c3.kernel"], _lenet1998.CONNECTIONS, 6)
    for o, maps in enumerate(_lenet1998.CONNECTIONS):
        limit = np.sqrt(3 / (25 * len(maps)))
        assert 0.8 * limit < np.abs(full[..., o]).max() <= np.float32(limit)
    assert not any(w.any() for name, w in weights.items() if name.endswith("bias"))


def test_paper_and_ink_become_the_paper_s_values_and_the_frame_is_paper():
    model = lenet5_1998()
    front = Sequential([type(layer).from_config(layer.get_config()) for layer in model.layers[:2]])
    x = np.zeros((1, 28, 28, 1), np.uint8)
    x[0, 0, 27] = 255
    (y,) = front.predict(x)
    assert y.shape == (32, 32, 1)
    assert y[2, 29, 0] == pytest.approx(1.175, abs=1e-6)
    y[2, 29] = -0.1
    assert np.all(y == np.float32(-0.1))


def test_the_output_is_the_float64_network_s(isa):
    set_random_seed(5)
    model = lenet5_1998()
    x, _ = digits(5)
    expected = forward(model, x[..., None])
    assert_close(model.predict(x), expected, summed(84, expected))


def test_the_ten_codes_are_different_pictures():
    codes = _lenet1998.codes()
    assert len(codes) == 10
    assert {len(code) for code in codes} == {84}
    distances = [
        sum(a != b for a, b in zip(one, other, strict=True))
        for one, other in itertools.combinations(codes, 2)
    ]
    assert min(distances) >= 27


def test_codes_may_be_numbers():
    numbers = np.array([[1, -1, 1], [-1, -1, 1]])
    assert RBF(numbers).codes == RBF(["+-+", "--+"]).codes


def test_the_command_line_s_summary_shows_table_and_pictures(capsys):
    assert cli.main(["summary", "1998"]) == 0
    text = capsys.readouterr().out
    assert "340,908" in text
    pictures = text.split("Codes of output:\n")[1].splitlines()
    assert max(map(len, text.splitlines())) <= 80
    upper, gap, lower = pictures[:12], pictures[12], pictures[13:]
    assert (len(lower), gap) == (12, "")
    assert {len(line.split()) for line in upper + lower} == {5}
    assert "".join(line.split()[2] for line in lower) == (
        _lenet1998.codes()[7].replace("+", "#").replace("-", ".")
    )


# Missing links


def test_missing_links_are_like_weights_of_zero(isa):
    x = np.random.default_rng(1).normal(size=(5, 6, 7, 3)).astype(np.float32)
    sparse = Conv2D(4, 3, connections=[[0], [1, 2], [0, 1, 2], [2]], input_shape=(6, 7, 3))
    full = Conv2D(4, 3, input_shape=(6, 7, 3))
    one, other = Sequential([sparse]), Sequential([full])
    kernel, table = full_kernel(sparse.kernel, sparse.connections, 3)
    assert sparse.kernel.shape == (3, 3, table.sum())
    other.set_weights([kernel, sparse.bias])
    assert_same_bits(one.predict(x), other.predict(x))


def test_links_and_pictures_cannot_be_given_to_layers_that_have_their_weights():
    conv, rbf = Conv2D(4, 1, input_shape=(1, 1, 2)), RBF(["+-+-"])
    Sequential([conv, Flatten(), rbf])
    for layer, name, value in ((conv, "connections", ((0,),) * 4), (rbf, "code_shape", (2, 2))):
        with pytest.raises(AttributeError, match=f"{name} of a layer in a model must stay"):
            setattr(layer, name, value)


# Distances


def test_the_digit_is_the_smallest_distance_in_evaluate_and_in_training():
    codes = ["++++", "----", "+-+-"]
    model = Sequential([RBF(codes, input_shape=(4,))])
    model.compile("sgd", LOSS, metrics=["accuracy"])
    x = np.array([[1, 1, 1, 0.5], [-1, -1, 0, -1], [1, -1, 1, -1], [1, 1, 1, 1]], np.float32)
    y = [0, 1, 2, 1]
    assert model.predict(x).argmin(axis=1).tolist() == [0, 1, 2, 0]
    assert model.evaluate(x, y)[1] == 0.75
    assert model.train_on_batch(x, y)[1] == 0.75


@pytest.mark.parametrize("j", [0.5, 1.0, 20.0])
def test_the_loss_is_the_paper_s_formula_everywhere(j, isa):
    rng = np.random.default_rng(2)
    model = Sequential([Dense(6, input_shape=(5,)), RBF(["+-+-+-", "++---+", "-+++--"])])
    model.compile("sgd", losses.MaximumAPosteriori(j))
    x, y = rng.normal(size=(37, 5)), rng.integers(0, 3, 37)
    distances = np.float64(model.predict(x))
    chosen = distances[np.arange(37), y]
    expected = chosen + np.log(np.exp(-j) + np.exp(-distances).sum(axis=1))
    np.testing.assert_allclose(losses.maximum_a_posteriori(y, distances, j), expected, rtol=1e-6)
    assert model.evaluate(x, y) == pytest.approx(expected.mean(), rel=1e-5)
    assert model.loss(y, distances) == pytest.approx(expected.mean(), rel=1e-6)


def test_the_loss_of_distances_beyond_float32_s_exponential_is_finite():
    y = np.array([[300.0, 500.0], [0.0, 1e4], [200.0, 100.0]])
    expected = [300 - 1 + 0.0, np.log(1 + np.exp(-1.0)), 200 - 1]
    np.testing.assert_allclose(losses.maximum_a_posteriori([0, 0, 0], y), expected, rtol=1e-6)


@pytest.mark.parametrize("loss", ["mse", "sparse_categorical_crossentropy"])
def test_other_losses_of_distances_are_refused(loss):
    model = Sequential([RBF(["+-", "--"], input_shape=(2,))])
    with pytest.raises(ValueError, match="loss must be MaximumAPosteriori after an RBF layer"):
        model.compile("sgd", loss)


# The whole of it


def test_it_learns_saves_and_loads(tmp_path):
    x, y = digits(300)
    model = compiled(lenet5_1998, optimizers.SDLM(), LOSS, metrics=["accuracy"])
    before = model.evaluate(x, y)
    history = model.fit(x, y, batch_size=1, epochs=2, verbose=0).history
    loss, accuracy = model.evaluate(x, y)
    assert loss < before[0]
    assert accuracy > 0.9
    assert len(history["accuracy"]) == 2
    model.save(tmp_path / "model.safetensors")
    loaded = load_model(tmp_path / "model.safetensors")
    assert loaded.evaluate(x, y) == [loss, accuracy]
    assert_same_bits(loaded.predict(x), model.predict(x))
    assert loaded.loss.get_config() == model.loss.get_config()
    assert loaded.optimizer.get_config() == model.optimizer.get_config()
    assert loaded.layers[-1].pictures() == model.layers[-1].pictures()


def test_training_is_the_same_bits_on_every_number_of_threads(threads_restored):
    x, y = digits(60)
    weights = []
    for n in (1, 2, 3):
        pylenet.set_num_threads(n)
        model = compiled(lenet5_1998, optimizers.SDLM(samples=50), LOSS)
        model.fit(x, y, batch_size=1, verbose=0)
        model.fit(x, y, batch_size=20, verbose=0)
        weights.append(state(model))
    assert_same_bits(weights[1], weights[0])
    assert_same_bits(weights[2], weights[0])


def test_scaled_pixels_are_warned_of():
    with pytest.warns(UserWarning, match="looks scaled already"):
        lenet5_1998().predict(np.full((1, 28, 28), 0.5))


def test_fan_in_uniform_keeps_to_its_seed_and_limit():
    draw = initializers.FanInUniform(1.5, seed=4)
    assert_same_bits(draw((3, 5, 2, 7)), draw((3, 5, 2, 7)))
    assert 0.9 * 1.5 / 30 < np.abs(draw((3, 5, 2, 7))).max() <= np.float32(1.5 / 30)
    for scale, error in ((0, ValueError), ("1", TypeError), (1e39, ValueError)):
        with pytest.raises(error, match="scale"):
            initializers.FanInUniform(scale)


def test_the_loss_s_rows_are_the_labels_one_hot():
    distances = np.random.default_rng(1).uniform(0, 3, (9, 4))
    labels = np.arange(9) % 4
    expected = map_loss(one_hot(labels, 4), distances)
    np.testing.assert_allclose(losses.maximum_a_posteriori(labels, distances), expected, rtol=1e-6)


def test_accuracy_in_fit_is_that_of_its_steps():
    x, y = samples(30, (6,), 3)
    model = Sequential([Dense(4, input_shape=(6,)), RBF(["++--", "+-+-", "--++"])])
    model.compile(optimizers.SGD(0.0), LOSS, metrics=["accuracy"])
    history = model.fit(x, y, batch_size=1, verbose=0).history
    assert history["accuracy"][0] == pytest.approx(np.mean(model.predict(x).argmin(axis=1) == y))


# Other numbers of classes


@pytest.mark.parametrize("classes", [2, 10, 26, 62])
@pytest.mark.parametrize("build", [models.lenet5_classic, models.lenet5_modern])
def test_the_lenets_of_today_tell_any_number_of_classes_apart(build, classes):
    model = build(classes=classes)
    assert model.output_shape == (None, classes)
    assert model.count_params() == 44426 + 85 * (classes - 10)
    model.compile("adam", "sparse_categorical_crossentropy")
    x = np.random.default_rng(0).integers(0, 256, (4, 28, 28)).astype(np.uint8)
    model.fit(x, np.arange(4) % classes, verbose=0)


@pytest.mark.parametrize("build", [models.lenet5_classic, models.lenet5_modern, models.lenet5_1998])
def test_a_wrong_number_of_classes_is_named(build):
    with pytest.raises(ValueError, match="classes must be an integer >= 2, got 1"):
        build(1)
    with pytest.raises(TypeError, match="classes must be an integer, got 2.5"):
        build(2.5)


def test_1998_has_the_ten_digits_alone():
    assert models.lenet5_1998(10).output_shape == (None, 10)
    with pytest.raises(
        ValueError, match="classes must be 10, for the codes of lenet5_1998 are the"
    ):
        models.lenet5_1998(classes=26)
