"""fit, evaluate and predict on batches: generators, a PyDataset, loaders, lists; and casts."""

import itertools
import math

import numpy as np
import pytest
from nets import compiled, samples, small, state, tiny
from tolerance import assert_same_bits

from pylenet import callbacks, layers, optimizers
from pylenet.augmentation import RandomAffine
from pylenet.models import Sequential
from pylenet.utils import PyDataset, set_random_seed

SHAPE, CLASSES, SIZE = (8, 7, 2), 4, 5
X, Y = samples(23, SHAPE, CLASSES)
BATCHES = [(X[i : i + SIZE], Y[i : i + SIZE]) for i in range(0, len(X), SIZE)]


class Indexed(PyDataset):
    def __init__(self, batches):
        super().__init__(workers=2)
        self.batches, self.asked, self.calls = batches, [], []

    def __len__(self):
        return len(self.batches)

    def __getitem__(self, index):
        self.asked.append(index)
        return self.batches[index]

    def on_epoch_begin(self):
        self.calls.append("begin")

    def on_epoch_end(self):
        self.calls.append("end")


class Loader:
    """What a torch DataLoader looks like: gone through again and again, lists of tensors."""

    def __iter__(self):
        return (list(map(Tensor, batch)) for batch in BATCHES)

    def __len__(self):
        return len(BATCHES)


class Tensor:
    def __init__(self, values):
        self.values = values

    def __array__(self, dtype=None, copy=None):
        return np.asarray(self.values, dtype)


class DataSet:
    """What a tf.data.Dataset looks like whose length nobody knows."""

    def __iter__(self):
        return iter(BATCHES)

    def __len__(self):
        raise TypeError("The dataset is infinite or of unknown length.")


def generator():
    """Batches without an end."""
    return itertools.cycle(BATCHES)


SOURCES = {
    "a list": lambda: BATCHES,
    "a PyDataset": lambda: Indexed(BATCHES),
    "a loader": Loader,
    "a data set": DataSet,
    "a generator": generator,
}


def model_(metrics=("accuracy",)):
    return compiled(small, optimizers.SGD(0.05, momentum=0.9), metrics=metrics)


def trained_on_arrays(epochs=2):
    model = model_()
    history = model.fit(X, Y, batch_size=SIZE, epochs=epochs, shuffle=False, verbose=0)
    return model, history.history


def assert_alike(history, expected):
    """The same names and, but for the order in which losses are summed, the same values."""
    assert history.keys() == expected.keys()
    for name, values in history.items():
        assert values == pytest.approx(expected[name], rel=1e-12)


def steps_for(kind):
    return len(BATCHES) if kind == "a generator" else None


@pytest.mark.parametrize("kind", SOURCES)
def test_batches_train_to_the_bits_that_their_arrays_do(kind):
    expected, history = trained_on_arrays()
    model = model_()
    found = model.fit(
        SOURCES[kind](), epochs=2, shuffle=False, steps_per_epoch=steps_for(kind), verbose=0
    )
    assert_same_bits(state(model), state(expected))
    assert_alike(found.history, history)


@pytest.mark.parametrize("kind", SOURCES)
def test_batches_are_evaluated_and_predicted_as_their_arrays_are(kind):
    model = model_()
    steps = steps_for(kind)
    assert model.evaluate(SOURCES[kind](), steps=steps) == pytest.approx(
        model.evaluate(X, Y), rel=1e-12
    )
    assert_same_bits(model.predict(SOURCES[kind](), steps=steps), model.predict(X))


def test_batches_may_be_the_validation_data_too():
    expected = model_().fit(X, Y, batch_size=SIZE, validation_data=(X, Y), verbose=0, shuffle=False)
    for validation, steps in ((BATCHES, None), (generator(), len(BATCHES)), (Loader(), None)):
        found = model_().fit(BATCHES, validation_data=validation, validation_steps=steps, verbose=0)
        assert_alike(found.history, expected.history)


def test_arrays_may_have_steps_as_well():
    expected, _ = trained_on_arrays()
    model = model_()
    model.fit(
        X, Y, batch_size=SIZE, epochs=5, steps_per_epoch=2, shuffle=False, verbose=0
    )  # ten steps, as two epochs of five
    assert_same_bits(state(model), state(expected))
    part = slice(0, 2 * SIZE)
    assert model.evaluate(X, Y, batch_size=SIZE, steps=2) == pytest.approx(
        model.evaluate(X[part], Y[part]), rel=1e-12
    )
    assert_same_bits(model.predict(X, batch_size=SIZE, steps=2), model.predict(X[part]))
    found = model.fit(X, Y, batch_size=SIZE, validation_data=(X, Y), validation_steps=2, verbose=0)
    assert found.history["val_loss"][0] == pytest.approx(model.evaluate(X[part], Y[part])[0])


def test_an_epoch_of_steps_goes_on_where_the_last_one_ended():
    expected, _ = trained_on_arrays()
    for kind in SOURCES:
        model = model_()
        model.fit(SOURCES[kind](), steps_per_epoch=2, epochs=5, shuffle=False, verbose=0)
        assert_same_bits(state(model), state(expected))


def test_a_py_dataset_s_batches_are_shuffled_and_its_hooks_called():
    data = Indexed(BATCHES)
    set_random_seed(3)
    model_().fit(data, epochs=3, verbose=0)
    passes = [data.asked[i : i + 5] for i in range(0, 15, 5)]
    assert all(sorted(order) == [0, 1, 2, 3, 4] for order in passes)
    assert len({tuple(order) for order in passes}) > 1
    assert data.calls == ["begin", "end"] * 3


def test_a_py_dataset_says_what_it_must_override():
    for method in (len, lambda data: data[0]):
        with pytest.raises(NotImplementedError, match="PyDataset must override __"):
            method(PyDataset())
    assert Indexed(BATCHES).num_batches == len(BATCHES)


def test_an_iterator_that_runs_out_ends_the_training_with_a_warning():
    model = model_()
    with pytest.warns(UserWarning, match="x ran out of batches"):
        history = model.fit(iter(BATCHES), epochs=3, verbose=0)
    assert history.epoch == [0]
    with pytest.warns(UserWarning, match="x ran out of batches"):
        history = model.fit(iter(BATCHES), steps_per_epoch=3, epochs=3, verbose=0)
    assert history.epoch == [0, 1]


@pytest.mark.parametrize("empty", [[([],)][:0], iter([]), Indexed([])], ids=type)
def test_no_batches_at_all_are_an_error(empty):
    model = model_()
    if isinstance(empty, list):
        with pytest.raises(TypeError, match="x must be a numpy array"):
            model.fit(empty)
        return
    for call in (model.fit, model.evaluate, model.predict):
        with pytest.raises(ValueError, match="must give one batch or more.*got none"):
            call(empty)


def test_batches_build_a_model_whose_input_shape_is_not_known():
    def unbuilt():
        return Sequential([layers.Flatten(), layers.Dense(CLASSES, "softmax")])

    expected = compiled(unbuilt)
    expected.fit(X, Y, batch_size=SIZE, shuffle=False, verbose=0)
    for source in (BATCHES, iter(BATCHES), Indexed(BATCHES), Loader()):
        model = compiled(unbuilt)
        model.fit(source, shuffle=False, verbose=0)
        assert_same_bits(state(model), state(expected))


class Steps(callbacks.Callback):
    def __init__(self, stop_at=None):
        self.seen, self.stop_at = [], stop_at

    def on_train_batch_end(self, batch, logs=None):
        self.seen.append((batch, dict(logs)))
        if batch == self.stop_at:
            self.model.stop_training = True


def test_callbacks_see_the_same_as_with_arrays():
    arrays, batches = Steps(), Steps()
    model_().fit(X, Y, batch_size=SIZE, shuffle=False, callbacks=[arrays], verbose=0)
    model_().fit(BATCHES, callbacks=[batches], verbose=0)
    assert [step for step, _ in batches.seen] == [step for step, _ in arrays.seen]
    for (_, found), (_, expected) in zip(batches.seen, arrays.seen, strict=True):
        assert found == pytest.approx(expected, rel=1e-12)


def test_a_callback_can_stop_an_epoch_of_batches():
    steps = Steps(stop_at=2)
    history = model_().fit(generator(), callbacks=[steps], epochs=4, verbose=0)
    assert len(steps.seen) == 3
    assert history.epoch == [0]


def test_what_is_no_number_in_a_batch_is_found():
    bad = [*BATCHES[:2], (np.full_like(X[:2], np.nan), Y[:2])]
    with pytest.raises(ValueError, match="the loss is nan at step 3 of epoch 1"):
        model_().fit(bad, verbose=0)
    history = model_().fit(bad, epochs=3, callbacks=callbacks.TerminateOnNaN(), verbose=0)
    assert history.epoch == [0]
    assert math.isnan(history.history["loss"][0])


def test_each_batch_drops_and_distorts_otherwise():
    """Else equal batches would be alike in what is drawn for them."""
    x = np.ones((SIZE, 40), np.float32)
    set_random_seed(0)
    net = Sequential([layers.Dropout(0.5, input_shape=(40,)), layers.Dense(1, use_bias=False)])
    net.compile(optimizers.SGD(0.0), "mse")
    target = np.zeros((SIZE, 1), np.float32)
    steps = Steps()
    net.fit([(x, target)] * 4, callbacks=[steps], verbose=0)
    losses = [logs["loss"] * (step + 1) for step, logs in steps.seen]
    each = np.diff([0, *losses])
    assert len(set(np.round(each, 6))) == 4
    images = [(X, Y)] * 2
    distort = RandomAffine(rotation_factor=0.1, seed=1)
    plain, distorted = model_(), model_()
    plain.fit(images, verbose=0)
    distorted.fit(images, augmentation=distort, verbose=0)
    assert not np.array_equal(state(plain), state(distorted))


def test_progress_counts_what_it_knows(capsys):
    model_().fit(DataSet(), epochs=2, verbose=2)
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith("Epoch 1/2 - 5/5 - ")
    assert second.startswith("Epoch 2/2 - 5/5 - ")


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda m: m.fit(BATCHES, Y),
            ValueError,
            "y and sample_weight must be None where x gives batches",
        ),
        (lambda m: m.fit(X), TypeError, "y must be given with an array x"),
        (lambda m: m.fit(BATCHES, validation_split=0.2), ValueError, "validation_split must be 0"),
        (lambda m: m.fit(BATCHES, steps_per_epoch=0), ValueError, "steps_per_epoch must be"),
        (lambda m: m.fit(BATCHES, steps_per_epoch=1.5), TypeError, "steps_per_epoch must be"),
        (lambda m: m.fit([(X,)]), ValueError, r"x must give batches \(x, y\), got one without y"),
        (lambda m: m.fit(iter([3])), TypeError, r"x must give batches \(x, y\).*got int"),
        (lambda m: m.fit(iter([(X, Y, Y, Y)])), ValueError, "got a tuple of 4"),
        (lambda m: m.fit(iter([(X[:, 1:], Y)])), ValueError, "x of a batch must have shape"),
        (lambda m: m.fit(iter([(X, Y[1:])])), ValueError, "y of a batch must hold 23 targets"),
        (lambda m: m.evaluate([(X,)]), ValueError, "without y"),
        (lambda m: m.fit(X, Y, validation_data=[(X,)]), ValueError, "validation x must give"),
        (lambda m: m.fit(X, Y, validation_data=X), TypeError, "validation_data must be"),
        (lambda m: m.fit(X, Y, validation_freq=0), ValueError, "validation_freq must be"),
        (lambda m: m.fit({"a": X}, Y), TypeError, "x must be a numpy array"),
        (lambda m: m.fit("x"), TypeError, "x must be a numpy array"),
    ],
)
def test_what_does_not_fit_is_named(call, error, message):
    with pytest.raises(error, match=message):
        call(model_())


def test_sdlm_wants_arrays():
    model = compiled(small, optimizers.SDLM())
    with pytest.raises(ValueError, match="x must be an array for the optimizer SDLM"):
        model.fit(BATCHES, verbose=0)


def test_validation_takes_place_as_often_as_it_is_told():
    for freq, count in ((2, 2), ([1, 4], 2), (1, 5)):
        history = model_().fit(
            BATCHES, epochs=5, validation_data=(X, Y), validation_freq=freq, verbose=0
        )
        assert len(history.history["val_loss"]) == count


# Casts


class Frame:
    """What a DataFrame looks like."""

    def __init__(self, values):
        self.values = values

    def to_numpy(self):
        return self.values


WHOLE = np.random.default_rng(3).integers(0, 256, (9, 4))


@pytest.mark.parametrize(
    "x",
    [
        WHOLE,
        WHOLE.astype(np.int32),
        WHOLE.astype(np.uint16),
        -WHOLE,
        WHOLE * 70000,
        WHOLE > 99,
        (WHOLE / 7).astype(np.float16),
        (WHOLE / 7).astype(">f8"),
        (WHOLE / 7).astype(np.longdouble),
    ],
    ids=lambda x: str(x.dtype),
)
def test_other_numbers_are_cast_to_the_same_values(x):
    model = compiled(tiny)
    expected = model.predict(x.astype(np.float32))
    for same in (x, Frame(x), Tensor(x)):
        assert_same_bits(model.predict(same), expected)
        model.fit(same, np.arange(9) % 3, verbose=0)
        model.set_weights(compiled(tiny).get_weights())
