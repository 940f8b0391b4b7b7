"""Models that have layers in common: one in another, a new end on old layers, a part of a model."""

import copy
import pickle
import threading

import numpy as np
import pytest
from nets import compiled, samples, small, state, tiny
from tolerance import assert_same_bits

from pylenet import Model, Sequential, optimizers
from pylenet.callbacks import LambdaCallback
from pylenet.layers import (
    Activation,
    BatchNormalization,
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    Input,
    MaxPooling2D,
    Softmax,
)
from pylenet.models import load_model
from pylenet.utils import set_random_seed

X, Y = samples(40, (8, 7, 2), 4)


def below():
    return Sequential(
        [Conv2D(3, 3, activation="relu", input_shape=(8, 7, 2)), MaxPooling2D(2), Flatten()],
        name="below",
    )


def above():
    return Sequential([Dense(7, "tanh", input_shape=(18,)), Dense(4, "softmax")], name="above")


def weights_of(*models):
    return tuple(w for model in models for w in model.get_weights())


def train(model, epochs=2, optimizer="adam", x=X, y=Y):
    set_random_seed(5)
    model.compile(optimizer, "sparse_categorical_crossentropy")
    return model.fit(x, y, batch_size=16, epochs=epochs, verbose=0)


def flat_copy(model):
    """A model of its own of the same layers, with the same weights."""
    return copy.deepcopy(model)


# A model in another


@pytest.mark.parametrize("known", [True, False])
def test_a_model_of_models_is_the_chain_of_their_layers_and_shares_their_weights(known, tmp_path):
    first, second = below(), above()
    expected = (*first.get_weights(), *second.get_weights())
    whole = Sequential([*([Input((8, 7, 2))] if known else []), first, second])
    assert whole.layers == (*first.layers, *second.layers)
    assert_same_bits(weights_of(whole), expected)
    train(whole)
    assert not np.array_equal(whole.get_weights()[0], expected[0])
    assert_same_bits(weights_of(first, second), weights_of(whole))
    assert_same_bits(second.predict(first.predict(X)), whole.predict(X))
    whole.save(tmp_path / "m")
    assert_same_bits(load_model(tmp_path / "m").predict(X), whole.predict(X))


def test_it_trains_to_the_bits_of_a_chain_that_shares_nothing():
    whole = Sequential([below(), above()])
    alone = flat_copy(whole)
    for model in (whole, alone):
        train(model)
    assert_same_bits(state(whole), state(alone))


def test_names_are_unique_and_those_of_the_layers_everywhere(capsys):
    first = Sequential([Dense(3, input_shape=(5,)), Dense(4, name="own")])
    second = Sequential([Dense(3, input_shape=(4,)), Dense(4, name="own")])
    whole = Sequential([first, second])
    names = [layer.name for layer in whole.layers]
    assert names == ["dense", "own", "dense_2", "dense_3"]
    assert [layer.name for layer in second.layers] == names[2:]
    assert whole.get_layer("dense_3") is second.layers[-1]
    assert Sequential([below(), above()]).get_layer("above").layers[0].units == 7
    whole.summary()
    assert all(f"{name} (Dense)" in capsys.readouterr().out for name in names[:1])
    assert list(whole.named_weights()) == [f"{n}.{w}" for n in names for w in ("kernel", "bias")]


def test_a_model_goes_on_training_within_another_with_its_optimizer_s_state():
    model = compiled(small, "adam")
    alone = copy.deepcopy(model)
    model.train_on_batch(X, Y)
    probabilities = Sequential([model, Softmax()])
    again = Sequential([model, Softmax()])  # as a cell of a notebook that is run twice
    model.train_on_batch(X, Y)
    for _ in range(2):
        alone.train_on_batch(X, Y)
    assert_same_bits(state(model), state(alone))
    for outer in (probabilities, again):
        assert_same_bits(weights_of(outer), weights_of(model))
        np.testing.assert_allclose(outer.predict(X).sum(axis=1), 1, rtol=1e-6)


def test_models_without_a_shape_get_theirs_with_the_outer_one():
    inner = Sequential([Conv2D(3, 3, activation="relu"), Flatten()])
    outer = Sequential([inner, Sequential([Dense(4, "softmax")])])
    assert not inner.built
    train(outer)
    assert inner.built
    assert inner.input_shape == (None, 8, 7, 2)
    assert inner.predict(X).shape == (40, 90)
    assert_same_bits(weights_of(inner), tuple(outer.get_weights()[:2]))


def test_a_model_is_called_on_what_a_layer_gives():
    inputs = Input((8, 7, 2))
    first, second = below(), above()
    model = Model(inputs, second(first(inputs)))
    assert isinstance(model, Sequential)
    assert model.layers == (*first.layers, *second.layers)
    unbuilt = Sequential([Flatten(), Dense(4)])
    assert unbuilt(inputs).shape == (None, 4)
    assert Model(inputs, unbuilt(inputs)).get_weights()[0].shape == (112, 4)
    view = Model(model.inputs, model.layers[1].output)
    assert Model(inputs, Flatten()(view(inputs))).layers[:2] == model.layers[:2]
    several = Model(model.inputs, [layer.output for layer in model.layers])
    for use in (lambda: several(inputs), lambda: Sequential().add(several)):
        with pytest.raises(ValueError, match="has several outputs, and a chain of layers goes on"):
            use()


def test_a_class_of_a_user_s_own_applies_models():
    class Net(Model):
        def __init__(self):
            super().__init__()
            self.first, self.second = below(), above()

        def call(self, inputs):
            return self.second(self.first(inputs))

    net = Net()
    train(net, 1)
    assert_same_bits(weights_of(net.first, net.second), weights_of(net))
    assert Sequential([Input((8, 7, 2)), Net()]).layers[0].name == "conv2d"


# A new end, a part


def on_the_layers(model):
    new = Sequential()
    for layer in model.layers[:-1]:
        new.add(layer)
    new.add(Dense(3, "softmax"))
    return new


def on_the_output(model):
    return Model(model.input, Dense(3, "softmax")(model.layers[-2].output))


def on_a_part(model):
    return Sequential([Model(model.inputs, model.layers[-2].output), Dense(3, "softmax")])


ENDS = [on_the_layers, on_the_output, on_a_part]
OPTIMIZERS = {
    "adam": optimizers.Adam,
    "decay": lambda: optimizers.AdamW(weight_decay=0.1),
    "clipped": lambda: optimizers.SGD(0.1, momentum=0.9, global_clipnorm=0.01),
    "average": lambda: optimizers.SGD(0.1, use_ema=True, ema_momentum=0.5),
    "sdlm": lambda: optimizers.SDLM(samples=20),
}


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("new_end", ENDS)
def test_a_new_end_trains_the_old_layers_and_leaves_the_old_end_alone(new_end, optimizer, threads):
    old = compiled(small, "adam")
    set_random_seed(3)
    new = new_end(old)
    assert new.layers[:-1] == old.layers[:-1]
    former_end, former = old.layers[-1].get_weights(), old.get_weights()[0]
    alone = flat_copy(new)
    for model in (new, alone):
        train(model, optimizer=OPTIMIZERS[optimizer](), y=Y % 3)
    assert_same_bits(state(new), state(alone))
    assert_same_bits(tuple(old.get_weights()[:-2]), tuple(new.get_weights()[:-2]))
    assert_same_bits(tuple(old.layers[-1].get_weights()), tuple(former_end))
    assert not np.array_equal(old.get_weights()[0], former)
    assert_same_bits(new.predict(X), alone.predict(X))


def test_frozen_layers_stay_in_the_new_model_and_train_in_the_old_one():
    old = compiled(small, "adam")
    new = on_the_layers(old)
    for layer in new.layers[:-1]:
        layer.trainable = False
    before = old.get_weights()
    train(new, 1, y=Y % 3)
    assert_same_bits(tuple(old.get_weights()), tuple(before))
    old.train_on_batch(X, Y)  # as it was compiled
    assert not np.array_equal(old.get_weights()[0], before[0])


def test_a_model_with_another_s_weights_between_its_own_is_saved_and_set_like_any(tmp_path):
    old = compiled(small, "adam")
    new = on_the_output(old)
    train(new, 1, y=Y % 3)
    end = old.layers[-1].get_weights()
    new.save(tmp_path / "m")
    loaded = load_model(tmp_path / "m")
    assert_same_bits(loaded.predict(X), new.predict(X))
    for model in (new, loaded):
        model.fit(X, Y % 3, shuffle=False, verbose=0)
    assert_same_bits(state(loaded), state(new))
    new.set_weights([np.zeros_like(w) for w in new.get_weights()])
    assert not np.concatenate([w.ravel() for w in old.get_weights()[:-2]]).any()
    assert_same_bits(tuple(old.layers[-1].get_weights()), tuple(end))


def test_another_s_weights_in_between_may_be_anything():
    old = compiled(small)
    new = on_the_output(old)
    assert new.range[0] == old.range[0]
    assert new.range[1] > old.range[1]
    old.layers[-1].kernel[...] = np.nan
    train(new, y=Y % 3)
    assert np.isfinite(state(new)).all()
    assert np.isnan(old.layers[-1].kernel).all()


def test_two_models_trained_apart_and_together_as_adversaries_are():
    maker = Sequential([Dense(6, "relu", input_shape=(3,)), Dense(5, "tanh")])
    judge = Sequential(
        [Dense(8, "relu", input_shape=(5,)), Dropout(0.2, seed=1), Dense(1, "sigmoid")]
    )
    judge.compile("adam", "binary_crossentropy")
    judge.trainable = False
    both = Sequential([maker, judge])
    both.compile("adam", "binary_crossentropy")
    rng = np.random.default_rng(0)
    for _ in range(3):
        real, noise = rng.normal(size=(16, 5)), rng.normal(size=(16, 3))
        made = maker.predict(noise)
        maker_was, judge_was = maker.get_weights(), judge.get_weights()
        judge.train_on_batch(np.concatenate([real, made]), np.repeat([1, 0], 16))
        assert_same_bits(tuple(maker.get_weights()), tuple(maker_was))
        assert not np.array_equal(judge.get_weights()[0], judge_was[0])
        judge_was = judge.get_weights()
        both.train_on_batch(noise, np.ones(16))
        assert_same_bits(tuple(judge.get_weights()), tuple(judge_was))
        assert not np.array_equal(maker.get_weights()[0], maker_was[0])
    assert_same_bits(both.predict(noise), judge.predict(maker.predict(noise)))


def test_a_decoder_is_the_last_layers_on_an_input_of_its_own():
    inputs = Input((6,))
    hidden = Dense(3, "relu")(inputs)
    encoder = Model(inputs, hidden)  # the shorter one first, or the longer one
    whole = Model(inputs, Dense(6, "sigmoid")(hidden))
    code = Input((3,))
    decoder = Model(code, whole.layers[-1](code))
    x = np.random.default_rng(0).random((20, 6))
    whole.compile("adam", "mse")
    whole.fit(x, x, verbose=0)
    assert_same_bits(decoder.predict(encoder.predict(x)), whole.predict(x))
    assert_same_bits(weights_of(encoder, decoder), weights_of(whole))


def test_a_model_of_the_middle_begins_at_a_layer_s_input():
    model = compiled(small)
    middle = Model(model.layers[2].input, model.layers[4].output)
    first = Model(model.layers[0].input, model.layers[1].output)
    assert [layer.name for layer in middle.layers] == [layer.name for layer in model.layers[2:5]]
    expected = Model(model.inputs, model.layers[4].output).predict(X)
    assert_same_bits(middle.predict(first.predict(X)), expected)


def test_moving_averages_are_shared_too():
    inner = Sequential([Dense(5, input_shape=(4,)), BatchNormalization(), Activation("relu")])
    outer = Sequential([inner, Dense(3, "softmax")])
    x, y = samples(40, (4,), 3)
    train(outer, x=x, y=y)
    assert inner.layers[1].moving_mean.any()
    assert_same_bits(outer.predict(x), Sequential([inner, *outer.layers[3:]]).predict(x))


# Copies, threads, layers that come and go


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
def test_a_copy_shares_nothing(copied):
    inner = compiled(small, "adam")
    outer = Sequential([inner, Softmax()])
    other, before = copied(outer), state(inner)
    other.set_weights([np.zeros_like(w) for w in other.get_weights()])
    assert_same_bits(state(inner), before)
    layer = copied(inner.layers[0])
    layer.kernel[...] = 0
    assert_same_bits(state(inner), before)
    with pytest.raises(ValueError, match="layer must be new or of a model, got a copy of"):
        Sequential().add(layer)


def test_weights_live_as_long_as_one_of_the_models():
    inner = tiny()
    outer = Sequential([*inner.layers, Softmax()])
    kernel, expected = outer.layers[0].kernel, inner.get_weights()[0]
    del inner
    assert_same_bits(outer.layers[0].kernel, expected)
    with pytest.raises(ValueError, match="was first part of is no more"):
        outer.layers[0].input  # noqa: B018
    assert Model(outer.inputs, outer.layers[0].output).predict(np.ones((1, 4))).shape == (1, 3)
    del outer
    assert_same_bits(kernel, expected)


def test_a_layer_that_is_taken_off_stays_in_the_other_model():
    inner = tiny()
    outer = Sequential([inner])
    outer.add(Dense(2))
    expected = inner.get_weights()
    outer.pop()
    assert outer.pop() is inner.layers[0]
    assert outer.layers == ()
    assert_same_bits(tuple(inner.get_weights()), tuple(expected))
    for _ in range(3):  # room is used again
        outer.add(Dense(3))
        outer.pop()
    assert outer.parameters.size == 0


def test_many_layers_may_come_while_models_share_some():
    """The buffer moves again and again."""
    inner = tiny()
    first, second = Sequential([inner]), Sequential([inner])
    for units in range(2, 12):
        first.add(Dense(units))
        second.add(Dense(units))
    expected = weights_of(first)
    alone = flat_copy(first)
    x = np.random.default_rng(0).normal(size=(5, 4))
    assert_same_bits(first.predict(x), alone.predict(x))
    second.set_weights([np.zeros_like(w) for w in second.get_weights()])
    assert_same_bits(weights_of(first)[2:], expected[2:])
    assert not np.concatenate([w.ravel() for w in inner.get_weights()]).any()


def test_what_does_not_fit_is_an_error_and_changes_nothing():
    model, layer = compiled(small), Dense(3, input_shape=(5,))
    other = Sequential([layer])
    for wrong, message in (
        (layer, r"input_shape must be \(4,\) here, got \(5,\)"),
        (other, r"input_shape must be \(4,\) here, got \(5,\)"),
        (Sequential(name="empty"), "model 'empty' has no layers yet"),
        (model, "layer must be in a model once"),
    ):
        with pytest.raises(ValueError, match=message):
            model.add(wrong)
    with pytest.raises(ValueError, match="it must be the same here, got"):
        model.layers[-1](Input((9,)))
    assert len(model.layers) == 6
    assert layer.name == "dense"
    assert state(model).size == sum(w.size for w in compiled(small).get_weights())


def test_weights_do_not_move_while_they_are_trained():
    model, other = compiled(small), Sequential([Dense(5, input_shape=(4,))])
    said = []

    def grow(epoch, logs):
        for make in (
            lambda: on_the_output(model),
            lambda: Sequential([Input((8, 7, 2)), model, other]),
        ):
            with pytest.raises(
                (RuntimeError, ValueError), match="must stay where they are"
            ) as error:
                make()
            said.append(error.type)
        said.append(Sequential([model, Softmax()]).predict(X).shape)

    model.fit(X, Y, callbacks=[LambdaCallback(on_epoch_end=grow)], verbose=0)
    assert said[0] is RuntimeError
    assert said[-1] == (40, 4)


def test_an_inner_model_sees_whole_steps_of_the_outer_one_in_another_thread():
    inner = Sequential([Dense(64, use_bias=False, input_shape=(64,)), Dense(64, use_bias=False)])
    outer = Sequential([inner, Dense(2)])
    x, stop, torn = np.ones((1, 64), np.float32), threading.Event(), []
    outer.set_weights([np.zeros_like(w) for w in outer.get_weights()])

    def write():
        value = 0
        while not stop.is_set():
            value = (value + 1) % 7
            outer.set_weights([np.full_like(w, value) for w in outer.get_weights()])

    writer = threading.Thread(target=write)
    writer.start()
    whole = {float(value**2 * 64**2) for value in range(7)}
    for _ in range(300):
        found = set(inner.predict(x).ravel().tolist())
        torn += [] if len(found) == 1 and found <= whole else [found]
    stop.set()
    writer.join()
    assert torn == []
