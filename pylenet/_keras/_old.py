"""Arguments, methods and names in logs of Keras 1 and 2, and what they are today."""

from __future__ import annotations

import inspect
import itertools
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from .._warn import warn

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..models import Sequential

Arguments = dict[str, Any]

_said: set[str] = set()


def warn_once(text: str) -> None:
    """Give this DeprecationWarning at the user's line, once in a process."""
    if text not in _said:
        _said.add(text)
        warn(text, DeprecationWarning)


_DATA_FORMATS = {"tf": "channels_last", "th": "channels_first"}
_IGNORED = (
    "class_mode max_q_size max_queue_size nb_worker pickle_safe sample_weight_mode show_accuracy "
    "theano_mode use_multiprocessing workers"
)
# Arguments: a name of today, or a function of the value that gives today's arguments.
ARGUMENTS: dict[str, str | Callable[[Any], Arguments]] = {
    "alpha": "negative_slope",
    "W_constraint": "kernel_constraint",
    "W_regularizer": "kernel_regularizer",
    "b_constraint": "bias_constraint",
    "b_regularizer": "bias_regularizer",
    "batch_input_shape": lambda shape: {"input_shape": tuple(shape)[1:]},
    "beta_init": "beta_initializer",
    "bias": "use_bias",
    "border_mode": "padding",
    "dim_ordering": lambda order: {"data_format": _DATA_FORMATS.get(order, order)},
    "gamma_init": "gamma_initializer",
    "grayscale": lambda on: {"color_mode": "grayscale" if on else "rgb"},
    "init": "kernel_initializer",
    "input": "inputs",
    "lr": "learning_rate",
    "nb_epoch": "epochs",
    "nb_classes": "num_classes",
    "nb_filter": "filters",
    "output": "outputs",
    "output_dim": "units",
    "p": "rate",
    "period": lambda epochs: _every_epoch(epochs),
    "sigma": "stddev",
    "subsample": "strides",
    # These change nothing here: right answers are counted where compile is given metrics, and
    # batches are asked for by the thread that trains.
    **dict.fromkeys(_IGNORED.split(), lambda value: {}),
}
# Arguments of Keras, of any version, that may be given where pylenet has not got them, with one of
# these values: they ask for what is done anyway. ANY: whatever is given, results are the same.
ANY = object()
NEUTRAL: dict[str, tuple[Any, ...]] = {
    "custom_objects": (ANY,),  # none is needed: what a file has of one's own is not read
    "dilation_rate": (1, (1, 1), [1, 1]),
    "expand_nested": (ANY,),
    "fused": (None, True, False),
    "groups": (1,),
    "jit_compile": (ANY,),
    "loss_weights": (None,),
    "mode": (0,),
    "noise_shape": (None,),
    "positions": (ANY,),
    "ragged": (None, False),
    "reduction": ("sum_over_batch_size", "auto"),
    "renorm": (False,),
    "run_eagerly": (None, False),
    "safe_mode": (ANY,),  # nothing in a file is run
    "show_trainable": (ANY,),
    "sparse": (None, False),
    "steps_per_execution": (ANY,),
}


def _every_epoch(period: Any) -> Arguments:
    if period != 1:
        raise ValueError(
            f"period must be 1, got {period!r}: give save_freq= a number of steps, as period * "
            "steps of an epoch"
        )
    return {}


_ENDINGS = {"keras": (".keras",), "h5": (".h5", ".hdf5")}  # of save_format
# Arguments that are told together with others, or that one value of is old, or all there is here.
TOGETHER = {"nb_row", "nb_col", "decay", "amsgrad", "axis", "epsilon", "l", "save_format"}
# Where one of these is given, a convolution's second and third argument are rows and columns.
_OF_KERAS_1 = (
    "W_constraint W_regularizer b_constraint b_regularizer bias border_mode dim_ordering init "
    "nb_filter subsample"
)


def today(function: Any, args: tuple[Any, ...], given: Arguments) -> tuple[Any, Arguments]:
    """Arguments in today's names, for a function or a class, with a warning that names them.

    A name that the function has is left as it is, and so is one that nobody knows. Raises TypeError
    where an argument is given by its old name and by today's.
    """
    own = _parameters(function)
    call = f"{function.__qualname__.removesuffix('.__init__')}()"
    new: Arguments = {}
    said: list[str] = []
    for name, value in given.items():
        if name not in own and _is_neutral(name, value):
            continue
        entry = ARGUMENTS.get(name)
        if name in own or entry is None or (isinstance(entry, str) and entry not in own):
            new[name] = value
            continue
        found = {entry: value} if isinstance(entry, str) else entry(value)
        _refuse_twice(call, name, found, given)
        new |= found
        said.append(f"{name}= is {', '.join(found)}= today" if found else f"{name}= is no more")
    if {"nb_row", "nb_col"} <= new.keys() - own.keys():
        _refuse_twice(call, "nb_row", ["kernel_size"], given)
        new["kernel_size"] = new.pop("nb_row"), new.pop("nb_col")
        said.append("nb_row=, nb_col= are kernel_size= today")
    elif "kernel_size" in own and given.keys() & _OF_KERAS_1.split() and _are_integers(args[1:3]):
        args = (args[0], args[1:3], *args[3:])
        said.append("the two sizes of a kernel are one pair today")
    if new.get("decay") is not None and "decay" not in own and "learning_rate" in own:
        if decay := new.pop("decay"):
            new["learning_rate"] = _decaying(args, new, own, decay)
        said.append("decay= is learning_rate=schedules.InverseTimeDecay(...) today")
    if "amsgrad" not in own and new.get("amsgrad") is False:
        del new["amsgrad"]  # as it is here
    if "axis" not in own and new.get("axis") in (-1, 3):
        del new["axis"]  # the channels, as it is here
    if new.get("epsilon", 0) is None and "epsilon" in own:
        del new["epsilon"]
        said.append("epsilon=None is no more: leave it out")
    if "epsilon" in new and "epsilon" not in own and "min_delta" in own:
        _refuse_twice(call, "epsilon", ["min_delta"], given)
        new["min_delta"] = new.pop("epsilon")
        said.append("epsilon= is min_delta= today")
    if "l" in new and "l" not in own and len(factors := own.keys() & {"l1", "l2"}) == 1:
        (factor,) = factors
        _refuse_twice(call, "l", [factor], given)
        new[factor] = new.pop("l")
        said.append(f"l= is {factor}= today")
    if "save_format" in new and "save_format" not in own and "filepath" in own:
        _check_save_format(new.pop("save_format"), new.get("filepath", *args[1:2]))
        said.append("save_format= is no more: the name's ending says it")
    if "data_format" in new and "data_format" not in own and new["data_format"] != "channels_first":
        del new["data_format"]  # it is the only one there is
    if said:
        warn_once(f"{call} got names of Keras 1 or 2: {'; '.join(said)}")
    return args, new


def _is_neutral(name: str, value: Any) -> bool:
    plain = isinstance(value, (int, str, tuple, list, dict))  # an array is equal to nothing
    return any(
        known is ANY or known is value or (plain and known == value)
        for known in NEUTRAL.get(name, ())
    )


def _check_save_format(form: Any, filepath: Any) -> None:
    """Raise ValueError unless the file's name says so, too."""
    if form is not None and not str(filepath).endswith(_ENDINGS.get(form, ())):
        raise ValueError(
            f"save_format must be what the ending of filepath says, got {form!r} and {filepath!r}"
        )


def _refuse_twice(call: str, old: str, today: Iterable[str], given: Collection[str]) -> None:
    for name in today:
        if name in given:
            raise TypeError(
                f"{call} must get {name}= alone, got {old}= as well, its name in Keras 1 or 2"
            )


def _parameters(function: Any) -> Mapping[str, inspect.Parameter]:
    if hasattr(function, "_parameters"):  # of a Configurable, those that it hands on as well
        found: Mapping[str, inspect.Parameter] = function._parameters()
        return found
    return inspect.signature(function).parameters


def _are_integers(sizes: tuple[Any, ...]) -> bool:
    return len(sizes) == 2 and all(isinstance(size, int) for size in sizes)


def _decaying(
    args: tuple[Any, ...], given: Arguments, own: Mapping[str, inspect.Parameter], decay: float
) -> Any:
    """Keras 1's and 2's rate / (1 + decay * step)."""
    from ..optimizers.schedules import InverseTimeDecay

    rate = given.get("learning_rate", args[0] if args else own["learning_rate"].default)
    return InverseTimeDecay(rate, 1, decay)


def convolution2d(*args: Any, **kwargs: Any) -> Any:
    """Keras 1's Convolution2D(filters, rows, columns), or today's Conv2D(filters, kernel_size)."""
    from ..layers import Conv2D

    if _are_integers(args[1:3]):
        args = (args[0], args[1:3], *args[3:])
    return Conv2D(*args, **kwargs)


# Methods of a model


def predict_classes(
    model: Sequential, x: Any, batch_size: int | None = None, verbose: int | str = 0
) -> NDArray[np.int64]:
    """The most probable class of each sample; of one output, as a column, whether it is > 0.5."""
    found = model.predict(x, batch_size, verbose)
    if found.shape[-1] == 1:
        return (found > 0.5).astype(np.int64)
    return np.asarray(found.argmax(axis=-1))


def predict_proba(
    model: Sequential, x: Any, batch_size: int | None = None, verbose: int | str = 0
) -> NDArray[np.float32]:
    """What predict gives."""
    return model.predict(x, batch_size, verbose)


def fit_generator(
    model: Sequential,
    generator: Any,
    steps_per_epoch: int | None = None,
    epochs: int | None = None,
    verbose: int | str = 1,
    callbacks: Any = None,
    validation_data: Any = None,
    validation_steps: int | None = None,
    *,
    nb_epoch: int | None = None,
    samples_per_epoch: int | None = None,
    nb_val_samples: int | None = None,
    **others: Any,
) -> Any:
    """fit on what gives batches. Keras 1 counted the samples of an epoch, not its steps."""
    if nb_epoch is not None:
        _refuse_twice(
            "fit_generator()", "nb_epoch", ["epochs"], () if epochs is None else ["epochs"]
        )
        epochs = nb_epoch
    if samples_per_epoch is not None:
        generator, steps_per_epoch = _steps(generator, samples_per_epoch)
    if nb_val_samples is not None:
        validation_data, validation_steps = _steps(validation_data, nb_val_samples)
    return model.fit(
        generator,
        epochs=1 if epochs is None else epochs,
        verbose=verbose,
        callbacks=callbacks,
        steps_per_epoch=steps_per_epoch,
        validation_data=validation_data,
        validation_steps=validation_steps,
        **_without_workers(others),
    )


def evaluate_generator(
    model: Sequential,
    generator: Any,
    steps: int | None = None,
    *,
    val_samples: int | None = None,
    **others: Any,
) -> Any:
    """evaluate on what gives batches."""
    if val_samples is not None:
        generator, steps = _steps(generator, val_samples)
    return model.evaluate(generator, steps=steps, **_without_workers(others))


def predict_generator(
    model: Sequential,
    generator: Any,
    steps: int | None = None,
    *,
    val_samples: int | None = None,
    **others: Any,
) -> Any:
    """predict on what gives batches."""
    if val_samples is not None:
        generator, steps = _steps(generator, val_samples)
    return model.predict(generator, steps=steps, **_without_workers(others))


METHODS: dict[str, tuple[Callable[..., Any], str]] = {
    "predict_classes": (predict_classes, "predict(x).argmax(axis=-1)"),
    "predict_proba": (predict_proba, "predict"),
    "fit_generator": (fit_generator, "fit"),
    "evaluate_generator": (evaluate_generator, "evaluate"),
    "predict_generator": (predict_generator, "predict"),
}


GONE = {  # methods of Keras that have no other name here
    "add_loss": "penalties are arguments of layers, as kernel_regularizer=",
    "add_metric": "metrics are an argument of compile",
    "to_yaml": "use to_json",
}


def method(model: Sequential, name: str) -> Callable[..., Any]:
    """A model's method of Keras 1 or 2. Raises AttributeError where they had none of this name."""
    if name not in METHODS:
        said = f"{type(model).__name__!r} object has no attribute {name!r}"
        raise AttributeError(f"{said}: {GONE[name]}" if name in GONE else said)
    function, now = METHODS[name]
    warn_once(f"model.{name}() is a name of Keras 1 or 2; today it is model.{now}")

    def bound(*args: Any, **kwargs: Any) -> Any:
        return function(model, *args, **kwargs)

    return bound


def _steps(source: Any, samples: int) -> tuple[Any, int | None]:
    """What gives batches, and how many of them have so many samples."""
    if isinstance(source, tuple):  # validation data (x, y)
        return source, None
    if hasattr(source, "__getitem__"):
        first = source[0]
    else:
        source = iter(source)
        first = next(source)
        source = itertools.chain([first], source)
    return source, -(-samples // len(first[0]))


def _without_workers(others: Arguments) -> Arguments:
    return {name: value for name, value in others.items() if name not in _IGNORED.split()}


# Names in logs

LOGS = {"acc": "accuracy", "val_acc": "val_accuracy", "lr": "learning_rate"}


def log_name(name: str, logs: Mapping[str, Any]) -> str:
    """Today's name of what `name` was in the logs. Raises KeyError where there is none in them."""
    today = LOGS.get(name)
    if today is None or today not in logs:
        raise KeyError(name)
    warn_once(f"{name!r} in logs is a name of Keras 1 or 2; today it is {today!r}")
    return today
