"""Callbacks within a real fit, losses that are no numbers, and what fit prints."""

import numpy as np
import pytest
from nets import (
    LENETS,
    compiled,
    digits,
    one_hot,
    samples,
    small,
    state,
    tiny,
)
from tolerance import assert_same_bits

from pylenet import callbacks, optimizers
from pylenet.layers import (
    Dense,
)
from pylenet.models import Model, Sequential, load_model

# fit: callbacks


class Recorder(callbacks.Callback):
    def __init__(self, *, batches):
        self.calls = []
        self.logs = {}
        hooks = ["train_begin", "train_end", "epoch_begin", "epoch_end", "test_begin", "test_end"]
        for hook in hooks + ["train_batch_begin", "train_batch_end"] * batches:
            setattr(self, f"on_{hook}", self.recorder(hook))

    def recorder(self, hook):
        def record(*index, logs=None):
            *index, last = [*index, logs] if logs is not None else [*index, None]
            if index and isinstance(index[-1], (dict, type(None))):
                last = index.pop()
            self.calls.append(" ".join([hook, *map(str, index)]))
            self.logs[self.calls[-1]] = None if last is None else dict(last)

        return record


EPOCH = [
    "epoch_begin {0}",
    "train_batch_begin 0",
    "train_batch_end 0",
    "train_batch_begin 1",
    "train_batch_end 1",
    "test_begin",
    "test_end",
    "epoch_end {0}",
]


@pytest.mark.parametrize("batches", [True, False])
def test_hooks_are_called_in_keras_s_order(batches):
    x, y = samples(6, (4,), 3)
    recorder = Recorder(batches=batches)
    model = compiled(tiny, metrics=["accuracy"])
    model.fit(
        x,
        y,
        batch_size=4,
        epochs=3,
        initial_epoch=1,
        validation_data=(x, y),
        callbacks=[recorder],
        verbose=0,
    )
    expected = ["train_begin", *(call.format(e) for e in (1, 2) for call in EPOCH), "train_end"]
    assert recorder.calls == [call for call in expected if batches or "batch" not in call]
    assert recorder.params == {"verbose": 0, "epochs": 3, "steps": 2}
    assert recorder.model is model
    assert set(recorder.logs["test_end"]) == {"loss", "accuracy"}
    assert set(recorder.logs["epoch_end 2"]) == {"loss", "accuracy", "val_loss", "val_accuracy"}
    assert recorder.logs["train_end"] == recorder.logs["epoch_end 2"]
    if batches:
        means = {k: v for k, v in recorder.logs["epoch_end 2"].items() if "val" not in k}
        assert recorder.logs["train_batch_end 1"] == means


@pytest.mark.parametrize("name", LENETS)
def test_batch_hooks_run_step_by_step_and_change_no_bit(name):
    x, y = digits(70)
    found = []
    for hooks in ([], [Recorder(batches=True)]):
        model = compiled(LENETS[name], optimizers.SGD(0.1, momentum=0.5), metrics=["accuracy"])
        history = model.fit(x, y, batch_size=8, epochs=3, callbacks=hooks, verbose=0)
        found.append((state(model), history.history))
    assert_same_bits(found[0][0], found[1][0])
    assert found[0][1] == found[1][1]


class Batches(callbacks.Callback):
    """Writes down what is told around the batches of evaluations and predictions."""

    def __init__(self):
        self.calls, self.outputs = [], []

    def on_test_begin(self, logs=None):
        self.calls.append("test")

    def on_test_batch_begin(self, batch, logs=None):
        self.calls.append(batch)

    def on_test_batch_end(self, batch, logs=None):
        self.calls.append((batch, dict(logs)))

    def on_test_end(self, logs=None):
        self.calls.append(dict(logs))

    def on_predict_batch_begin(self, batch, logs=None):
        self.calls.append(batch)

    def on_predict_batch_end(self, batch, logs=None):
        self.outputs.append(logs["outputs"])

    def on_predict_end(self, logs=None):
        self.calls.append("end")


@pytest.mark.parametrize("kind", ["array", "batches"])
def test_an_evaluation_tells_its_batches_and_the_means_so_far(kind):
    x, y = samples(50, (4,), 3)
    model = compiled(tiny, metrics=["accuracy", "sparse_top_k_categorical_accuracy"])
    parts = [slice(k, k + 20) for k in (0, 20, 40)]
    data = (
        ((x, y), {"batch_size": 20}) if kind == "array" else (([(x[p], y[p]) for p in parts],), {})
    )
    told = Batches()
    found = model.evaluate(*data[0], **data[1], callbacks=[told], return_dict=True)
    expected = model.evaluate(x, y, return_dict=True)
    assert found == pytest.approx(expected, rel=1e-12)
    assert told.calls[::2] == [
        "test",
        *(
            (k, pytest.approx(m))
            for k, m in enumerate(
                model.evaluate(x[: p.stop], y[: p.stop], return_dict=True) for p in parts
            )
        ),
    ]
    assert told.calls[1::2] == [0, 1, 2, found]


def test_a_prediction_tells_its_batches_and_has_the_same_bits():
    x, _ = samples(50, (4,), 3)
    model, told = compiled(tiny), Batches()
    expected = model.predict(x)
    assert_same_bits(model.predict(x, batch_size=16, callbacks=told), expected)
    assert told.calls == [0, 1, 2, 3, "end"]
    assert [len(y) for y in told.outputs] == [16, 16, 16, 2]
    assert_same_bits(np.concatenate(told.outputs), expected)
    told = Batches()
    assert_same_bits(model.predict([(x[:30],), (x[30:],)], callbacks=[told]), expected)
    assert told.calls == [0, 1, "end"]
    part, told = Model(model.inputs, model.layers[0].output), Batches()
    assert_same_bits(part.predict(x, callbacks=[told]), expected)
    assert [len(y[0]) for y in told.outputs] == [32, 18]


def test_a_validation_tells_its_batches():
    x, y = samples(50, (4,), 3)
    model, told = compiled(tiny), Batches()
    model.fit(x, y, epochs=2, validation_data=(x, y), validation_batch_size=30, callbacks=[told])
    one = ["test", 0, 0, 1, 1]
    assert [c[0] if isinstance(c, tuple) else c for c in told.calls if not isinstance(c, dict)] == (
        one * 2
    )


class StopAt(callbacks.Callback):
    """Ends training in the step or at the end of the epoch given, counted from 0."""

    def __init__(self, *, batch=None, epoch=None):
        self.batch, self.epoch = batch, epoch

    def on_train_batch_end(self, batch, logs=None):
        self.model.stop_training |= batch == self.batch

    def on_epoch_end(self, epoch, logs=None):
        self.model.stop_training |= epoch == self.epoch


def test_a_callback_can_end_training_after_an_epoch_and_after_a_step():
    x, y = samples(30, (4,), 3)
    model = compiled(tiny)
    history = model.fit(x, y, batch_size=5, epochs=9, verbose=0, callbacks=[StopAt(epoch=1)])
    assert history.epoch == [0, 1]
    assert model.optimizer.iterations == 12
    model.fit(x, y, batch_size=5, epochs=9, verbose=0, callbacks=[StopAt(batch=3)])
    assert model.optimizer.iterations == 16
    model.fit(x, y, batch_size=5, epochs=1, verbose=0)
    assert model.optimizer.iterations == 22


def test_an_epoch_that_is_cut_short_is_validated_as_in_keras():
    x, y = samples(30, (4,), 3)
    model = compiled(tiny)
    stops = [StopAt(batch=1), callbacks.EarlyStopping("val_loss")]
    history = model.fit(
        x, y, batch_size=5, epochs=3, validation_data=(x, y), callbacks=stops, verbose=0
    )
    assert {name: len(values) for name, values in history.history.items()} == {
        "loss": 1,
        "val_loss": 1,
    }


def test_early_stopping_ends_a_fit_and_brings_the_best_weights_back():
    x, y = samples(40, (4,), 3)
    model = compiled(tiny, optimizers.SGD(0.2))
    wrong = (x, (y + 1) % 3)  # learning makes this validation worse from the first epoch on
    stop = callbacks.EarlyStopping(patience=2, restore_best_weights=True)
    history = model.fit(x, y, epochs=50, validation_data=wrong, callbacks=[stop], verbose=0)
    assert history.epoch == [0, 1, 2]
    assert model.evaluate(*wrong) == history.history["val_loss"][0]


def test_checkpoints_of_a_fit_can_be_loaded_and_go_on(tmp_path):
    x, y = samples(40, (4,), 3)
    model = compiled(tiny, metrics=["accuracy"])
    path = tmp_path / "new folder" / "{epoch}-{val_loss:.3f}"
    save = callbacks.ModelCheckpoint(path)
    history = model.fit(x, y, epochs=2, validation_split=0.25, callbacks=save, verbose=0).history
    names = [f"{e + 1}-{loss:.3f}" for e, loss in enumerate(history["val_loss"])]
    assert sorted(p.name for p in path.parent.iterdir()) == sorted(names)
    loaded = load_model(path.parent / names[1])
    assert_same_bits(state(loaded), state(model))
    assert loaded.evaluate(x, y) == model.evaluate(x, y)


def test_a_scheduler_sets_the_rate_of_each_epoch_of_a_fit():
    x, y = samples(12, (4,), 3)
    rates = [0.5, 0.25, 0.0]
    model, stepwise = compiled(tiny), compiled(tiny)
    history = model.fit(
        x,
        y,
        batch_size=12,
        epochs=3,
        shuffle=False,
        callbacks=[callbacks.LearningRateScheduler(lambda epoch: rates[epoch])],
        verbose=0,
    )
    assert history.history["learning_rate"] == rates
    for rate in rates:
        stepwise.optimizer.learning_rate = rate
        stepwise.train_on_batch(x, y)
    assert_same_bits(state(model), state(stepwise))


def test_a_csv_file_has_the_history_of_a_fit(tmp_path):
    x, y = samples(12, (4,), 3)
    log = callbacks.CSVLogger(tmp_path / "log.csv")
    history = compiled(tiny, metrics=["accuracy"]).fit(x, y, epochs=2, callbacks=log, verbose=0)
    rows = [line.split(",") for line in (tmp_path / "log.csv").read_text().splitlines()]
    assert rows[0] == ["epoch", "accuracy", "loss"]
    assert [int(row[0]) for row in rows[1:]] == [0, 1]
    assert [float(row[2]) for row in rows[1:]] == history.history["loss"]


# fit: losses that are no numbers


def with_nan(n, at):
    x, y = samples(n, (8, 7, 2), 4)
    x[at, 3, 4, 1] = np.nan
    return x, y


@pytest.mark.parametrize(("at", "step"), [(0, 1), (9, 2), (22, 5)])
def test_a_loss_that_is_nan_is_an_error_with_epoch_and_step(at, step, isa):
    x, y = with_nan(23, at)
    with pytest.raises(
        ValueError, match=f"the loss is nan at step {step} of epoch 3: .* NaN or inf"
    ):
        compiled(small).fit(x, y, batch_size=5, shuffle=False, epochs=4, initial_epoch=2, verbose=0)
    with pytest.raises(ValueError, match="the loss is nan"):
        compiled(small).train_on_batch(x, y)


CHANGED = "The weights are no longer those from before that step"


def fit_is_refused(model, x, y):
    with pytest.raises(ValueError, match=f"{CHANGED}; callbacks.ModelCheckpoint keeps"):
        model.fit(x, y, verbose=0)


def train_on_batch_is_refused(model, x, y):
    with pytest.raises(ValueError, match=f"look for NaN in x. {CHANGED}"):
        model.train_on_batch(x, y)


@pytest.mark.parametrize("train", [fit_is_refused, train_on_batch_is_refused])
def test_after_a_loss_that_is_nan_the_error_says_that_the_weights_have_changed(train):
    model = compiled(small)
    train(model, *with_nan(23, 7))
    assert np.isnan(state(model)).any()


def test_terminate_on_nan_says_that_the_weights_have_changed(capsys):
    stop = callbacks.TerminateOnNaN()
    compiled(small).fit(*with_nan(23, 7), verbose=1, callbacks=[stop])
    assert f"terminating training. {CHANGED}" in capsys.readouterr().out


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name", LENETS)
def test_a_pixel_that_is_not_finite_is_an_error_at_the_latest_in_the_next_step(name, value):
    """tanh of infinity is 1: the loss is finite still, the gradient is not."""
    x, y = digits(23)
    x = x.astype(np.float32)
    x[7, 14, 14] = value
    with pytest.raises(ValueError, match="the loss is (nan|inf) at step (2|3) of epoch 1"):
        compiled(LENETS[name]).fit(x, y, batch_size=5, shuffle=False, verbose=0)


@pytest.mark.usefixtures("direct_convolutions")  # tanh makes 1 of their infinity, not NaN
def test_weights_that_the_last_step_leaves_not_finite_are_an_error():
    x, y = digits(10)
    x = x.astype(np.float32)
    x[7, 14, 14] = np.inf
    message = "weights are NaN or infinite at step 2 of epoch 1: expected finite"
    with pytest.raises(ValueError, match=message):
        compiled(LENETS["classic"]).fit(x, y, batch_size=5, shuffle=False, verbose=0)
    model = compiled(LENETS["classic"])
    model.fit(x, y, 5, 3, shuffle=False, verbose=0, callbacks=callbacks.TerminateOnNaN())
    assert len(model.history.history["loss"]) == 1


@pytest.mark.parametrize("target", [-1.0, 1.0])
def test_weights_that_become_infinite_while_the_loss_is_finite_are_an_error(target):
    def infinite_soon():
        model = Sequential([Dense(1, input_shape=(1,))])
        model.compile(optimizers.SGD(3e38), "mse")
        model.set_weights([np.zeros((1, 1)), np.zeros(1)])
        return model

    x, y = np.ones((1, 1)), np.full((1, 1), target)
    model = infinite_soon()
    assert model.train_on_batch(x, y) == 1
    assert (state(model) == target * np.inf).all()
    message = f"weights are NaN or infinite at step 1 of epoch 1: .*{CHANGED}"
    with pytest.raises(ValueError, match=message):
        infinite_soon().fit(x, y, verbose=0)
    stopped = infinite_soon()
    stopped.fit(x, y, epochs=3, verbose=0, callbacks=callbacks.TerminateOnNaN())
    assert stopped.history.history["loss"] == [1]


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_weight_that_is_not_finite_shows_in_all_results(value):
    x, y = samples(9, (4,), 3)
    model = compiled(tiny)
    kernel, bias = model.get_weights()
    bias[1] = value
    model.set_weights([kernel, bias])
    assert np.isnan(model.predict(x)).all()
    assert not np.isfinite(model.evaluate(x, y))
    with pytest.raises(ValueError, match="the loss is (nan|inf) at step 1 of epoch 1"):
        model.fit(x, y, verbose=0)


def test_a_learning_rate_that_is_far_too_high_is_an_error():
    x, y = samples(20, (4,), 3)
    model = compiled(lambda: Sequential([Dense(3, input_shape=(4,))]), optimizers.SGD(1e20), "mse")
    with pytest.raises(
        ValueError, match="the loss is (inf|nan) at step .* lower the learning rate"
    ):
        model.fit(x, one_hot(y, 3), epochs=20, verbose=0)


def test_terminate_on_nan_ends_the_fit_without_an_error(capsys):
    x, y = with_nan(23, 7)
    stop = callbacks.TerminateOnNaN()
    history = compiled(small).fit(x, y, batch_size=5, epochs=4, callbacks=[stop], verbose=0)
    assert history.epoch == [0]
    assert np.isnan(history.history["loss"][0])
    assert capsys.readouterr().out == ""


def test_terminate_on_nan_does_not_disturb_callbacks_that_watch_the_validation():
    x, y = with_nan(23, 7)
    stops = [callbacks.TerminateOnNaN(), callbacks.EarlyStopping("val_loss")]
    history = compiled(small).fit(
        x, y, epochs=4, validation_data=(x[:5], y[:5]), callbacks=stops, verbose=0
    )
    assert history.epoch == [0]


# fit: what it prints


@pytest.mark.parametrize(("verbose", "lines"), [(0, 0), (1, 3), (2, 3)])
def test_fit_prints_nothing_or_one_line_an_epoch_away_from_a_terminal(verbose, lines, capsys):
    x, y = samples(12, (4,), 3)
    compiled(tiny, metrics=["accuracy"]).fit(
        x, y, batch_size=5, epochs=3, validation_data=(x, y), verbose=verbose
    )
    printed = capsys.readouterr()
    assert printed.err == ""
    assert len(printed.out.splitlines()) == lines
    for epoch, line in enumerate(printed.out.splitlines(), 1):
        assert line.startswith(f"Epoch {epoch}/3 - 3/3")
        for name in (" accuracy: ", " loss: ", " val_accuracy: ", " val_loss: "):
            assert name in line


def test_fit_is_silent_by_default_away_from_a_terminal(capsys):
    x, y = samples(12, (4,), 3)
    model = compiled(tiny)
    model.fit(x, y)
    model.evaluate(x, y)
    model.predict(x)
    assert capsys.readouterr().out == ""
