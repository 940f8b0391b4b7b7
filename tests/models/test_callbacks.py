"""Callbacks without training: a stand-in model and a loop that calls the hooks as fit does."""

import csv
import math

import pytest
from notebook import html_rows

from pylenet import optimizers
from pylenet.callbacks import (
    Callback,
    CallbackList,
    CSVLogger,
    EarlyStopping,
    History,
    LambdaCallback,
    LearningRateScheduler,
    ModelCheckpoint,
    ReduceLROnPlateau,
    TerminateOnNaN,
)


class Model:
    """As much of a model as callbacks use; its weights are the number of the epoch."""

    def __init__(self, optimizer=None):
        self.optimizer = optimizer
        self.stop_training = False
        self.weights = None
        self.saved = []

    def get_weights(self):
        return self.weights

    def set_weights(self, weights):
        self.weights = weights

    def save(self, path):
        self.saved.append(path)


def fit(callbacks, logs, model=None, first_epoch=0, verbose=0):
    """Run the epochs whose logs are given, as fit does; the model and its History."""
    model = model or Model()
    params = {"verbose": verbose, "epochs": first_epoch + len(logs), "steps": 1}
    every = CallbackList(callbacks, model, params)
    every.on_train_begin()
    for epoch, values in enumerate(logs, first_epoch):
        model.weights = epoch
        every.on_epoch_begin(epoch)
        every.on_epoch_end(epoch, dict(values))
        if model.stop_training:
            break
    every.on_train_end(dict(values))
    return model, every.history


def epochs_run(callback, name, values):
    return len(fit(callback, [{name: value} for value in values])[1].epoch)


# The base class and the list


class Recorder(Callback):
    def __init__(self, calls, name):
        self.calls, self.name = calls, name

    def __getattribute__(self, attribute):
        if attribute.startswith("on_") and hasattr(Callback, attribute):
            return lambda *args: self.calls.append((self.name, attribute, *args))
        return super().__getattribute__(attribute)


@pytest.mark.parametrize(
    ("hook", "args"),
    [
        ("on_train_begin", ()),
        ("on_train_end", ()),
        ("on_epoch_begin", (3,)),
        ("on_epoch_end", (3,)),
        ("on_train_batch_begin", (5,)),
        ("on_train_batch_end", (5,)),
        ("on_test_begin", ()),
        ("on_test_end", ()),
        ("on_predict_begin", ()),
        ("on_predict_end", ()),
    ],
)
def test_the_list_calls_each_hook_of_each_callback_in_order(hook, args):
    calls, logs = [], {"loss": 1.0}
    progress = Recorder(calls, "p")
    every = CallbackList(
        [Recorder(calls, "a"), Recorder(calls, "b")], Model(), {}, progress=progress
    )
    getattr(every, hook)(*args, logs)
    assert calls == [(name, hook, *args, logs) for name in "pab"]
    assert all(call[-1] is logs for call in calls)


def test_callbacks_get_the_model_and_the_params():
    callback, model, params = Callback(), Model(), {"epochs": 3}
    CallbackList(callback, model, params)
    assert callback.model is model
    assert callback.params is params


def test_the_batch_hooks_of_the_base_class_call_their_aliases():
    class Old(Callback):
        def __init__(self):
            self.calls = []

        def on_batch_begin(self, batch, logs=None):
            self.calls.append(("begin", batch, logs))

        def on_batch_end(self, batch, logs=None):
            self.calls.append(("end", batch, logs))

    old = Old()
    every = CallbackList([old], Model(), {})
    every.on_train_batch_begin(1)
    every.on_train_batch_end(1, {"loss": 2.0})
    assert old.calls == [("begin", 1, None), ("end", 1, {"loss": 2.0})]


@pytest.mark.parametrize(
    "hook", ["on_train_batch_begin", "on_train_batch_end", "on_batch_begin", "on_batch_end"]
)
def test_a_batch_hook_in_a_class_or_on_an_instance_is_noticed(hook):
    by_class = type("ByClass", (Callback,), {hook: lambda self, batch, logs=None: None})
    on_instance = Callback()
    setattr(on_instance, hook, lambda batch, logs=None: None)
    for callback in (by_class(), on_instance):
        assert CallbackList([History(), callback], Model(), {}).wants_batches("train")


def test_the_package_s_own_callbacks_do_not_ask_for_single_steps(tmp_path):
    own = [
        EarlyStopping(),
        ModelCheckpoint(tmp_path / "m"),
        LearningRateScheduler(lambda epoch: 0.1),
        CSVLogger(tmp_path / "c"),
        TerminateOnNaN(),
    ]
    assert not CallbackList(own, Model(), {}).wants_batches("train")


def test_a_history_is_added_unless_there_is_one():
    assert isinstance(CallbackList(None, Model(), {}).history, History)
    mine = History()
    every = CallbackList([mine, Callback()], Model(), {})
    assert every.history is mine
    assert len(every.callbacks) == 2


def test_history_comes_last_so_that_it_sees_what_others_put_into_the_logs():
    class Adds(Callback):
        def on_epoch_end(self, epoch, logs=None):
            logs["extra"] = 10 * epoch

    _, history = fit(Adds(), [{"loss": 1.0}, {"loss": 0.5}])
    assert history.history == {"loss": [1.0, 0.5], "extra": [0, 10]}
    assert history.epoch == [0, 1]


@pytest.mark.parametrize("wrong", [3, [3], EarlyStopping, [EarlyStopping], "history", [None]])
def test_what_is_no_callback_is_a_type_error(wrong):
    with pytest.raises(TypeError, match="callbacks must"):
        CallbackList(wrong, Model(), {})


@pytest.mark.parametrize("hook", ["on_test_batch_end", "on_predict_batch_begin"])
def test_a_batch_hook_of_an_evaluation_or_a_prediction_slows_down_no_training(hook):
    mine = type("Mine", (Callback,), {hook: lambda self, batch, logs=None: None})
    hooks = CallbackList([mine()], Model(), {})
    wanted = [of for of in ("train", "test", "predict") if hooks.wants_batches(of)]
    assert wanted == [hook.split("_")[1]]


# History


def test_a_history_tells_its_end_in_its_repr():
    _, history = fit([], [{"loss": 1.0, "acc": 0.25}, {"loss": 0.5, "acc": 0.75}])
    assert repr(history) == "<History of 2 epochs, at the end loss 0.5000, acc 0.7500>"
    assert repr(History()) == "<History of 0 epochs>"


def test_a_notebook_shows_a_history_as_a_table_of_the_epochs():
    logs = [{"loss": 1.0}, {"loss": 0.0001234, "<late>": 3.0}]
    _, history = fit([], logs, first_epoch=4)
    assert html_rows(history) == [["epoch", "loss"], ["5", "1.0000"], ["6", "1.2340e-04"]]
    _, history = fit([], [{"<b>&": 1.0, "note": "x<y"}])
    assert html_rows(history) == [["epoch", "<b>&", "note"], ["1", "1.0000", "x<y"]]
    assert html_rows(History()) == [["epoch"]]


def test_of_a_long_history_a_notebook_shows_both_ends():
    _, history = fit([], [{"loss": 1.0}] * 25)
    shown = [epoch for epoch, _ in html_rows(history)[1:]]
    assert shown == [*map(str, range(1, 11)), "...", *map(str, range(16, 26))]


# TerminateOnNaN


def test_a_loss_that_is_not_finite_is_an_error():
    with pytest.raises(ValueError, match="the loss is nan at step 5 of epoch 3"):
        CallbackList(EarlyStopping(), Model(), {}).on_not_finite(2, 4, "the loss is nan")


@pytest.mark.parametrize("verbose", [0, 1])
def test_terminate_on_nan_stops_training_instead(verbose, capsys):
    model = Model()
    hooks = CallbackList([TerminateOnNaN()], model, {"verbose": verbose})
    hooks.on_not_finite(0, 4, "the loss is inf")
    assert model.stop_training
    assert ("Batch 4: the loss is inf" in capsys.readouterr().out) == bool(verbose)


# EarlyStopping


@pytest.mark.parametrize(
    ("options", "values", "expected"),
    [
        ({}, [3, 2, 1, 1, 0], 4),
        ({}, [3, 2, 1], 3),
        ({"patience": 2}, [3, 2, 2, 2, 1], 4),
        ({"patience": 2}, [3, 2, 2, 1, 1, 1, 0], 6),
        ({"min_delta": 0.5}, [3, 2, 1.6, 0], 3),
        ({"min_delta": -0.5}, [3, 2, 1.6, 0], 3),
        ({"mode": "max"}, [1, 2, 3, 2, 4], 4),
        ({"mode": "max", "min_delta": 0.5}, [1, 2, 2.4, 3], 3),
        ({"monitor": "val_accuracy"}, [1, 2, 3, 2, 4], 4),
        ({"monitor": "acc"}, [1, 2, 2, 4], 3),
        ({"baseline": 1.0, "patience": 2}, [3, 2.5, 2.5, 2, 0], 3),
        ({"baseline": 1.0, "patience": 2}, [3, 0.9, 0.95, 0.5, 0.4], 5),
        ({"start_from_epoch": 3}, [1, 2, 3, 4, 5, 6], 5),
        ({}, [1, math.nan, 0], 2),
    ],
)
def test_early_stopping_ends_when_keras_does(options, values, expected):
    monitor = options.get("monitor", "val_loss")
    assert epochs_run(EarlyStopping(**options), monitor, values) == expected


def test_early_stopping_restores_the_best_weights_only_when_asked():
    logs = [{"val_loss": v} for v in (3, 1, 2, 2, 2)]
    keeps, _ = fit(EarlyStopping(patience=2), logs)
    restores, _ = fit(EarlyStopping(patience=2, restore_best_weights=True), logs)
    assert (keeps.weights, restores.weights) == (3, 1)


def test_the_best_weights_are_restored_too_when_training_ends_by_itself():
    logs = [{"val_loss": v} for v in (3, 1, 2)]
    model, _ = fit(EarlyStopping(patience=9, restore_best_weights=True), logs)
    assert not model.stop_training
    assert model.weights == 1


def test_early_stopping_can_be_used_for_a_second_fit():
    callback = EarlyStopping()
    assert [epochs_run(callback, "val_loss", [2, 1, 1, 0]) for _ in range(2)] == [3, 3]


def test_a_second_fit_knows_nothing_of_what_early_stopping_saw_in_the_first(capsys):
    callback = EarlyStopping(patience=2, verbose=1, restore_best_weights=True)
    first = [{"val_loss": value} for value in (0.1, 0.5, 0.5, 0.1)]
    model, history = fit(callback, first)
    assert (model.weights, len(history.epoch)) == (0, 3)
    capsys.readouterr()
    # Never as good as the first fit's; it ends by itself, one epoch before patience does.
    model, history = fit(callback, [{"val_loss": value} for value in (3, 2, 2)])
    assert (model.weights, len(history.epoch)) == (1, 3)
    best = "Restoring model weights from the best epoch: 2"
    assert capsys.readouterr().out.splitlines() == [best]
    assert (callback.best, callback.best_epoch, callback.stopped_epoch) == (2, 1, 0)


def test_epochs_without_improvement_at_the_end_of_a_fit_do_not_count_in_the_next():
    callback = EarlyStopping(patience=2)
    assert epochs_run(callback, "val_loss", [1, 2]) == 2
    assert epochs_run(callback, "val_loss", [3, 3, 3, 3, 3]) == 3


def test_epochs_worse_than_the_baseline_do_not_count_in_the_next_fit():
    callback = EarlyStopping(patience=3, baseline=0.5)
    assert epochs_run(callback, "val_loss", [1, 1]) == 2
    assert epochs_run(callback, "val_loss", [3, 3, 3, 3, 3]) == 3


def test_a_later_fit_without_the_quantity_restores_no_weights_of_an_earlier_one():
    callback = EarlyStopping(restore_best_weights=True)
    fit(callback, [{"val_loss": 1.0}])
    model = Model()
    with pytest.warns(UserWarning, match="'val_loss', which is not available"):
        fit(callback, [{"loss": 1.0}] * 3, model)
    assert model.weights == 2  # the last epoch's


def test_early_stopping_says_what_it_does_only_when_asked(capsys):
    logs = [{"val_loss": v} for v in (2, 1, 1)]
    fit(EarlyStopping(restore_best_weights=True), logs)
    assert capsys.readouterr().out == ""
    fit(EarlyStopping(restore_best_weights=True, verbose=1), logs)
    assert capsys.readouterr().out.splitlines() == [
        "Epoch 3: early stopping",
        "Restoring model weights from the best epoch: 2",
    ]


def test_a_missing_quantity_is_a_warning_that_says_what_there_is():
    with pytest.warns(UserWarning, match=r"EarlyStopping monitors 'val_loss'.*\['acc', 'loss'\]"):
        fit(EarlyStopping(), [{"loss": 1.0, "acc": 0.5}])


@pytest.mark.parametrize("kind", [EarlyStopping, ModelCheckpoint], ids=lambda k: k.__name__)
@pytest.mark.filterwarnings("always")
def test_a_missing_quantity_is_told_once_in_a_fit_and_at_the_line_that_led_there(kind, tmp_path):
    options = {"filepath": tmp_path / "m", "save_best_only": True}
    callback = kind(**options) if kind is ModelCheckpoint else kind()
    for _ in range(2):
        with pytest.warns(UserWarning, match="monitors 'val_loss'") as caught:
            assert len(fit(callback, [{"loss": 1.0}] * 3)[1].epoch) == 3
        (warning,) = caught
        assert warning.filename == __file__
        assert str(warning.message).endswith("give fit validation_data or validation_split")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mode": "best"}, "mode must be one of .*got 'best'"),
        ({"monitor": "val_speed"}, "mode must be 'min' or 'max' to monitor 'val_speed'"),
        ({"patience": -1}, "patience must be an integer >= 0"),
        ({"start_from_epoch": -1}, "start_from_epoch must be"),
        ({"min_delta": math.nan}, "min_delta must be"),
    ],
)
def test_a_wrong_option_of_early_stopping_is_named(options, message):
    with pytest.raises(ValueError, match=message):
        EarlyStopping(**options)


# ModelCheckpoint


def test_a_checkpoint_is_saved_after_each_epoch_under_its_formatted_name(tmp_path):
    path = tmp_path / "runs" / "{epoch:02d}-{val_loss:.2f}.safetensors"
    model, _ = fit(ModelCheckpoint(path), [{"val_loss": 0.5}, {"val_loss": 1.256}])
    folder = tmp_path / "runs"
    assert model.saved == [str(folder / f"{n}.safetensors") for n in ("01-0.50", "02-1.26")]
    assert folder.is_dir()


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"monitor": "val_loss"}, [1, 2, 4]),
        ({"monitor": "val_accuracy"}, [1, 3]),
        ({"monitor": "val_loss", "mode": "max"}, [1, 3]),
    ],
)
def test_only_the_best_checkpoints_are_saved(options, expected, tmp_path):
    logs = [{"val_loss": v, "val_accuracy": v} for v in (3, 2, 4, 1, 1)]
    checkpoint = ModelCheckpoint(tmp_path / "{epoch}", save_best_only=True, **options)
    model, _ = fit(checkpoint, logs)
    assert model.saved == [str(tmp_path / str(epoch)) for epoch in expected]


def test_without_the_quantity_a_checkpoint_warns_and_saves(tmp_path):
    checkpoint = ModelCheckpoint(tmp_path / "m", save_best_only=True)
    with pytest.warns(UserWarning, match="ModelCheckpoint monitors 'val_loss'"):
        model, _ = fit(checkpoint, [{"loss": 1.0}])
    assert model.saved == [str(tmp_path / "m")]


def test_a_checkpoint_says_what_it_does_only_when_asked(tmp_path, capsys):
    logs = [{"val_loss": 1.0}, {"val_loss": 2.0}]
    fit(ModelCheckpoint(tmp_path / "m", save_best_only=True), logs)
    assert capsys.readouterr().out == ""
    fit(ModelCheckpoint(tmp_path / "m", save_best_only=True, verbose=1), logs)
    assert capsys.readouterr().out.splitlines() == [
        f"Epoch 1: saving model to {tmp_path / 'm'}",
        "Epoch 2: val_loss 2.00000 is not an improvement",
    ]


def test_a_checkpoint_s_name_may_use_only_what_is_in_the_logs(tmp_path):
    with pytest.raises(ValueError, match=r"filepath must use names among \['epoch', 'loss'\]"):
        fit(ModelCheckpoint(tmp_path / "{val_loss}"), [{"loss": 1.0}])


# LearningRateScheduler


def test_a_schedule_gets_the_epoch_and_the_rate_and_sets_the_rate():
    model = Model(optimizers.SGD(1.0))
    schedule = LearningRateScheduler(lambda epoch, rate: rate / 2 if epoch else rate)
    _, history = fit(schedule, [{"loss": 1.0}] * 3, model)
    assert history.history["learning_rate"] == [1.0, 0.5, 0.25]
    assert model.optimizer.learning_rate == 0.25


def test_a_schedule_may_take_the_epoch_alone():
    model = Model(optimizers.Adam())
    fit(LearningRateScheduler(lambda epoch: 0.5 + epoch), [{}], model, first_epoch=2)
    assert model.optimizer.learning_rate == 2.5


def test_a_type_error_inside_a_schedule_is_not_swallowed():
    def schedule(epoch, rate):
        return "a" + 1

    with pytest.raises(TypeError, match="concatenate"):
        fit(LearningRateScheduler(schedule), [{}], Model(optimizers.SGD()))


def test_the_scheduler_says_what_it_sets_only_when_asked(capsys):
    model = Model(optimizers.SGD())
    fit(LearningRateScheduler(lambda epoch: 0.5), [{}], model)
    assert capsys.readouterr().out == ""
    fit(LearningRateScheduler(lambda epoch: 0.5, verbose=1), [{}], model)
    assert capsys.readouterr().out == "Epoch 1: setting the learning rate to 0.5\n"


@pytest.mark.parametrize(("returned", "error"), [(None, TypeError), (-1.0, ValueError)])
def test_a_schedule_that_returns_no_rate_is_named(returned, error):
    with pytest.raises(error, match=r"schedule\(0\) must be a number"):
        fit(LearningRateScheduler(lambda epoch: returned), [{}], Model(optimizers.SGD()))


def test_an_optimizer_with_a_schedule_of_its_own_is_a_clear_error():
    model = Model(optimizers.SGD(optimizers.schedules.OneCycle(0.1, 10)))
    with pytest.raises(TypeError, match="learning_rate cannot be set"):
        fit(LearningRateScheduler(lambda epoch: 0.1), [{}], model)


@pytest.mark.parametrize(
    "callback", [ReduceLROnPlateau("loss"), LearningRateScheduler(lambda epoch: 0.1)]
)
def test_a_schedule_of_the_optimizer_s_is_refused_before_the_first_epoch(callback):
    model = Model(optimizers.SGD(optimizers.schedules.OneCycle(0.1, 10)))
    with pytest.raises(TypeError, match="learning_rate cannot be set in training.*OneCycle"):
        CallbackList(callback, model, {"verbose": 0}).on_train_begin()


def test_a_rate_that_decays_is_reduced_from_where_it_began():
    decaying = optimizers.schedules.InverseTimeDecay(0.5, 1, 0.125)
    model = Model(optimizers.SGD(decaying))
    model.optimizer.iterations = 8
    fit(ReduceLROnPlateau("loss", 0.5, patience=0), [{"loss": 1}, {"loss": 1}], model)
    assert model.optimizer.base_rate == 0.25
    assert model.optimizer.learning_rate == 0.125
    fit(LearningRateScheduler(lambda epoch, rate: rate * 2), [{}], model)
    assert model.optimizer.learning_rate == 0.25
    assert model.optimizer.learning_rates(2).tolist() == [0.25, pytest.approx(0.5 / 2.125)]


def test_a_schedule_must_be_a_function():
    with pytest.raises(TypeError, match=r"schedule must be a function, got 0\.1"):
        LearningRateScheduler(0.1)


# CSVLogger

LOGS = [{"loss": 1.5, "accuracy": 0.25}, {"loss": 0.5, "accuracy": 0.75}]


def test_the_csv_file_has_a_row_for_each_epoch(tmp_path):
    fit(CSVLogger(tmp_path / "log.csv"), LOGS)
    assert (tmp_path / "log.csv").read_bytes() == b"epoch,accuracy,loss\n0,0.25,1.5\n1,0.75,0.5\n"


def test_the_csv_file_is_whole_after_each_epoch_even_if_training_fails(tmp_path):
    path = tmp_path / "log.csv"

    class Fails(Callback):
        def on_epoch_end(self, epoch, logs=None):
            assert len(path.read_text().splitlines()) == epoch + 2
            if epoch == 1:
                raise RuntimeError("out of coffee")

    with pytest.raises(RuntimeError, match="coffee"):
        fit([CSVLogger(path), Fails()], LOGS)
    assert len(path.read_text().splitlines()) == 3


def test_a_csv_file_that_is_there_is_overwritten_or_appended_to(tmp_path):
    path = tmp_path / "log.csv"
    path.write_text("old")
    fit(CSVLogger(path), LOGS)
    fit(CSVLogger(path, append=True), [{"accuracy": 0.5}], first_epoch=2)
    with open(path, newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == ["0", "1", "2"]
    assert rows[2] == {"epoch": "2", "accuracy": "0.5", "loss": "NA"}


def test_appending_to_a_file_that_is_not_there_starts_it_with_the_header(tmp_path):
    fit(CSVLogger(tmp_path / "log.csv", append=True), LOGS)
    assert (tmp_path / "log.csv").read_text().startswith("epoch,accuracy,loss\n0,")


def test_appending_values_without_a_column_is_an_error(tmp_path):
    fit(CSVLogger(tmp_path / "log.csv"), LOGS)
    with pytest.raises(ValueError, match=r"must have the columns \['val_loss'\], got \['epoch'"):
        fit(CSVLogger(tmp_path / "log.csv", append=True), [{"val_loss": 0.5}])


def test_the_separator_is_used_for_writing_and_for_appending(tmp_path):
    path = tmp_path / "log.csv"
    for append in (False, True):
        fit(CSVLogger(path, separator=";", append=append), LOGS[:1])
    assert path.read_text() == "epoch;accuracy;loss\n0;0.25;1.5\n0;0.25;1.5\n"


def test_a_csv_file_in_a_missing_folder_fails_before_training(tmp_path):
    every = CallbackList(CSVLogger(tmp_path / "none" / "log.csv"), Model(), {})
    with pytest.raises(FileNotFoundError):
        every.on_train_begin()


@pytest.mark.parametrize("separator", ["", ", "])
def test_a_separator_must_be_one_character(separator):
    with pytest.raises(ValueError, match="separator must be one character"):
        CSVLogger("log.csv", separator=separator)


# ReduceLROnPlateau, LambdaCallback


def rates(losses, **settings):
    """The learning rates of the epochs that have these losses, and what is left after them."""
    model = Model(optimizers.SGD(1.0))
    callback = ReduceLROnPlateau("loss", **settings)
    _, history = fit(callback, [{"loss": loss} for loss in losses], model)
    return [*history.history["learning_rate"], model.optimizer.learning_rate]


@pytest.mark.parametrize(
    ("losses", "settings", "expected"),
    [  # what Keras 3.15 does
        ([5, 4, 4, 4, 4, 4], {"patience": 2, "factor": 0.5}, [1, 1, 1, 1, 0.5, 0.5, 0.25]),
        (
            [5, 5, 5, 5, 5],
            {"patience": 1, "factor": 0.1, "min_lr": 0.05},
            [1, 1, 0.1, 0.05, 0.05, 0.05],
        ),
        (
            [5, 5, 5, 5, 5, 5],
            {"patience": 1, "factor": 0.5, "cooldown": 2},
            [1, 1, 0.5, 0.5, 0.25, 0.25, 0.125],
        ),
        ([5, 4.99995, 4.9999], {"patience": 1, "factor": 0.5}, [1, 1, 0.5, 0.25]),
        ([5, 4.9999, 4.9998], {"patience": 1, "factor": 0.5, "min_delta": 0}, [1, 1, 1, 1]),
        ([1, 2, 3], {"patience": 0, "factor": 0.5, "mode": "max"}, [1, 1, 1, 1]),
    ],
)
def test_the_rate_falls_where_keras_s_does(losses, settings, expected):
    assert rates(losses, **settings) == pytest.approx(expected, rel=1e-6)


def test_a_plateau_is_told_and_a_missing_quantity_warned_of(capsys):
    model = Model(optimizers.SGD(1.0))
    fit(ReduceLROnPlateau("loss", patience=0, verbose=1), [{"loss": 1}, {"loss": 1}], model)
    assert capsys.readouterr().out == "Epoch 2: reducing the learning rate to 0.1\n"
    with pytest.warns(UserWarning, match="ReduceLROnPlateau monitors 'val_loss'"):
        fit(ReduceLROnPlateau(), [{"loss": 1}], model)
    with pytest.raises(ValueError, match="factor"):
        ReduceLROnPlateau(factor=1.0)


def test_a_lambda_callback_calls_its_functions():
    seen = []
    callback = LambdaCallback(
        on_train_begin=lambda logs: seen.append("begin"),
        on_epoch_end=lambda epoch, logs: seen.append((epoch, logs["loss"])),
        on_train_end=None,
    )
    assert not CallbackList(callback, Model(), {}).wants_batches("train")
    fit(callback, [{"loss": 3}, {"loss": 2}])
    assert seen == ["begin", (0, 3), (1, 2)]
    assert CallbackList(
        LambdaCallback(on_batch_end=lambda b, logs: None), Model(), {}
    ).wants_batches("train")
    with pytest.raises(TypeError, match="unexpected keyword argument 'on_nothing'"):
        LambdaCallback(on_nothing=print)
    with pytest.raises(TypeError, match="on_epoch_end must be a function"):
        LambdaCallback(on_epoch_end=3)
