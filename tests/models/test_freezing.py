"""`trainable = False`: what is frozen stays, and everything else is trained as if it were not."""

import numpy as np
import pytest
import reference
from kinds import CASES, _networks, copy_of, kind_of
from nets import compiled, forward, samples, small, state
from seeded import uniform
from tolerance import EPS, assert_same_bits

import pylenet
from pylenet import optimizers
from pylenet.layers import BatchNormalization, Conv2D, Dense, Dropout, Flatten, Input
from pylenet.models import Model, Sequential, load_model

X, Y = samples(40, (8, 7, 2), 4)
OPTIMIZERS = {
    "sgd": lambda: optimizers.SGD(0.1, 0.9, True, weight_decay=0.1),
    "adamw": lambda: optimizers.AdamW(0.01, weight_decay=0.5),
    "ema": lambda: optimizers.Adam(0.01, use_ema=True, ema_overwrite_frequency=2),
    "norm": lambda: optimizers.SGD(0.1, global_clipnorm=0.01),
    "sdlm": lambda: optimizers.SDLM(0.001, samples=20, weight_decay=0.1),
}


def normalized():
    return Sequential(
        [
            Input((8, 7, 2)),
            Conv2D(3, 3),
            BatchNormalization(),
            Conv2D(4, 2, activation="relu"),
            Flatten(),
            Dense(6),
            BatchNormalization(),
            Dense(4, "softmax"),
        ]
    )


def frozen(build, names, optimizer="sgd"):
    """A compiled model in which the layers at these places are frozen."""
    model = compiled(build, optimizer)
    for place in names:
        model.layers[place].trainable = False
    model.compile(model.optimizer, model.loss)
    return model


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("places", [[0], [0, 2], [2], [4, 5], [0, 2, 4, 5]], ids=str)
def test_frozen_weights_do_not_change_and_the_others_do(places, optimizer, isa):
    model = frozen(small, places, OPTIMIZERS[optimizer]())
    before = [layer.get_weights() for layer in model.layers]
    model.fit(X, Y, 16, 2, 0)
    for place, (layer, former) in enumerate(zip(model.layers, before, strict=True)):
        for old, new in zip(former, layer.get_weights(), strict=True):
            assert np.array_equal(old, new) == (place in places)


class WithAverages:
    """A frozen layer's: in training it does what it does in predictions."""

    def __init__(self, kind):
        self.kind = kind

    def backward_in_training(self, layer, dy, x, *weights):
        dx, *own = self.kind.backward(layer, dy, x, *weights)
        return dx, *[np.zeros(w.shape) for w in own]


def told(layer):
    """What its config says but for its name, and an axis, which a built layer leaves out."""
    return layer.get_config() | {"name": None, "axis": None}


WEIGHTED = [case for case in CASES if case.weight_shapes]


@pytest.mark.parametrize("batch", [1, 17])
@pytest.mark.parametrize("case", WEIGHTED, ids=str)
def test_around_a_frozen_layer_a_step_goes_down_the_gradient(case, batch, isa):
    arguments = (optimizers.SGD(1.0), "categorical_crossentropy", "softmax", batch)
    model, x, rows = _networks.inside(case, *arguments)
    layer = next(layer for layer in model.layers if told(layer) == told(copy_of(case.layer)))
    layer.trainable = False
    model.compile(model.optimizer, model.loss)
    kind, before = WithAverages(kind_of(layer)), model.get_weights()
    parts = _networks.parts_of(model)
    *inputs, p = _networks.values(parts, x)
    dy, expected = -rows / p / len(x), []
    for part, weights in reversed(parts):
        used = kind if part is layer else kind_of(part)
        dy, *own = used.backward_in_training(part, dy, inputs.pop(), *weights)
        expected = [*own, *expected]
    model.train_on_batch(x, rows)
    for e, old, new in zip(expected, before, model.get_weights(), strict=True):
        np.testing.assert_allclose(reference.float64(old) - new, e, rtol=1e-4, atol=40 * EPS)


@pytest.mark.parametrize("build", [small, normalized])
def test_what_is_not_frozen_learns_to_the_same_bits_where_only_lower_layers_are(build, isa):
    """Nothing goes back through these; the first step of the others is the same."""
    free, held = compiled(build), frozen(build, range(len(build().layers) - 1))
    if build is normalized:  # in training it is another network
        for model in (free, held):
            for layer in model.layers[1:-1]:
                if isinstance(layer, BatchNormalization):
                    layer.trainable = False
            model.compile(optimizers.SGD(0.01), model.loss)
    for model in (free, held):
        model.train_on_batch(X, Y)
    assert_same_bits(*(tuple(model.layers[-1].get_weights()) for model in (free, held)))
    assert np.any(state(free) != state(held))


@pytest.mark.parametrize("batch", [1, 7, 16, 40])
def test_a_frozen_batch_normalization_is_in_inference_mode(batch, isa, threads):
    model = frozen(normalized, [1, 5])
    model.set_weights([w + 0.5 * abs(uniform(w.shape, k)) for k, w in enumerate(model.weights)])
    kept = [model.layers[k].get_weights() for k in (1, 5)]
    x, y = X[:batch], Y[:batch]
    expected = -np.log(forward(model, x)[np.arange(batch), y]).mean()
    assert model.train_on_batch(x, y) == pytest.approx(expected, rel=1e-5)
    for former, k in zip(kept, (1, 5), strict=True):
        assert_same_bits(tuple(model.layers[k].get_weights()), tuple(former))


@pytest.mark.parametrize("build", [small, normalized])
def test_threads_and_instruction_sets_change_no_bit(build, isa, threads_restored):
    found = []
    for n in (1, 2, 3):
        pylenet.set_num_threads(n)
        model = frozen(build, [2, 4], "adam")
        model.fit(X, Y, 9, 2, 0)
        found.append(state(model))
    assert_same_bits(found[1], found[0])
    assert_same_bits(found[2], found[0])


def test_it_takes_effect_when_the_model_is_compiled_and_can_be_taken_back():
    model = compiled(small)
    layer, kernel = model.layers[0], model.layers[0].kernel.copy()
    layer.trainable = False
    model.train_on_batch(X, Y)
    assert np.any(layer.kernel != kernel)
    model.compile(model.optimizer, model.loss)
    kernel = layer.kernel.copy()
    model.train_on_batch(X, Y)
    layer.trainable = True
    model.train_on_batch(X, Y)
    assert_same_bits(layer.kernel, kernel)
    model.compile(model.optimizer, model.loss)
    model.train_on_batch(X, Y)
    assert np.any(layer.kernel != kernel)


def test_a_layer_can_be_frozen_before_it_is_in_a_model():
    layers = [Conv2D(3, 3, input_shape=(8, 7, 2), trainable=False), Dropout(0.1), Flatten()]
    model = Sequential([*layers, Dense(4, "softmax")])
    model.compile("adam", "sparse_categorical_crossentropy")
    kernel = layers[0].kernel.copy()
    model.fit(X, Y, epochs=2, verbose=0)
    assert_same_bits(layers[0].kernel, kernel)
    assert layers[0].trainable is False
    assert "trainable=False" in repr(layers[0])
    assert "trainable" not in repr(model.layers[3])


def test_a_model_without_anything_to_train_keeps_its_weights_and_tells_its_loss():
    model = compiled(normalized)
    model.trainable = False
    model.compile("adam", model.loss)
    before, loss = state(model), model.evaluate(X, Y)
    assert model.fit(X, Y, 40, 2, 0).history["loss"] == pytest.approx([loss] * 2, rel=1e-6)
    assert_same_bits(state(model), before)


def test_a_model_freezes_its_layers_and_what_is_frozen_is_counted_apart():
    model, printed = normalized(), []
    averages = [w for k in (1, 5) for w in model.layers[k].get_weights()[2:]]
    assert len(model.trainable_weights) == len(model.weights) - 4
    assert_same_bits(tuple(model.non_trainable_weights), tuple(averages))
    model.layers[0].trainable = False
    assert model.layers[0].trainable_weights == []
    assert_same_bits(tuple(model.layers[0].non_trainable_weights), tuple(model.weights[:2]))
    assert len(model.non_trainable_weights) == 6
    model.summary(print_fn=printed.append)
    fixed = sum(w.size for w in model.non_trainable_weights)
    assert f"Trainable params: {model.count_params() - fixed:,} (" in "\n".join(printed)
    assert f"Non-trainable params: {fixed:,} (" in "\n".join(printed)
    model.trainable = False
    assert not any(layer.trainable for layer in model.layers)
    assert model.trainable_weights == []
    assert len(model.non_trainable_weights) == len(model.weights)
    model.trainable = True
    assert all(layer.trainable for layer in model.layers)


def test_the_summary_of_a_model_that_is_trained_as_a_whole_does_not_mention_it():
    printed = []
    small().summary(print_fn=printed.append)
    assert "rainable" not in "\n".join(printed)


def test_what_is_frozen_is_so_after_saving_and_loading(tmp_path):
    model = frozen(small, [0, 2])
    model.save(tmp_path / "model")
    loaded = load_model(tmp_path / "model")
    assert [layer.trainable for layer in loaded.layers] == [
        layer.trainable for layer in model.layers
    ]
    for one in (model, loaded):
        one.train_on_batch(X, Y)
    assert_same_bits(state(loaded), state(model))


def test_layers_of_a_trained_model_are_frozen_through_a_functional_one():
    inputs = Input((8, 7, 2))
    hidden = Flatten()(Conv2D(3, 3)(inputs))
    model = Model(inputs, Dense(4, "softmax")(hidden))
    Model(model.inputs, model.layers[0].output).trainable = False
    assert [layer.trainable for layer in model.layers] == [False, True, True]


@pytest.mark.parametrize("wrong", [1, None, "no"])
def test_trainable_is_true_or_false(wrong):
    model = small()
    for target in (model, model.layers[0]):
        with pytest.raises(TypeError, match="trainable must be True or False"):
            target.trainable = wrong
    with pytest.raises(TypeError, match="trainable must be True or False"):
        Dense(3, trainable=wrong)


def test_nothing_goes_back_through_layers_below_which_all_is_frozen():
    """A profile has the time of each node's way back, which is 0 where there is none."""
    for places, expected in ([], [True] * 6), ([0, 2], [False] * 4 + [True] * 2):
        model = frozen(small, places)
        loss = model._core_loss()
        steps = model.network.profile(model.parameters, X[:1], np.int32(Y[:1]), loss, 1)["layers"]
        backward = [step["backward"][0] > 0 for step in steps]
        assert backward == expected[: len(backward)]
