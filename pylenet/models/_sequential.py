"""Sequential: compile, fit, evaluate, predict, with Keras's arguments and meaning."""

from __future__ import annotations

import copy
import functools
import itertools
import math
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from time import perf_counter
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

import numpy as np
from numpy.typing import NDArray

from .. import _arrays, _check, _core, _random, _threads, losses, optimizers
from .._callback import WEIGHTS_CHANGED, Callback, CallbackList, History
from .._configurable import is_own, refuse_methods
from .._eager import eager
from .._missing import takes_old_arguments
from .._progress import ProgressLogger, checked_verbose
from ..augmentation import RandomAffine
from ..layers._base import SymbolicTensor
from . import _inputs
from ._inputs import Labelled
from ._meters import Chosen, Meters
from ._stack import LayerStack, applied, check_training

if TYPE_CHECKING:  # imported where they are used
    from ..constraints import Constraint
    from ..distributed import MPI
    from ..metrics import Metric
    from ..regularizers import Regularizer
    from ._batches import Batches
    from ._graph import Prefix, Tensor
    from ._state import TrainingState

CALL_SECONDS = 0.04  # of training in one call into C++, or one step: progress waits for it
FEW = 8  # samples: so few are looked at for scaled pixels only once, to save the time

Predicted = TypeVar("Predicted")
Augmentation = dict[str, float | int]  # what C++ is told of it and of the epoch
Evaluated = tuple[float, int, NDArray[np.float32] | None]  # loss, right answers, outputs

_Arguments = ParamSpec("_Arguments")
_Result = TypeVar("_Result")


def _goes_together(method: Callable[_Arguments, _Result]) -> Callable[_Arguments, _Result]:
    """The method; where it is told to distribute, all ranks end it alike."""

    @functools.wraps(method)
    def call(*args: _Arguments.args, **named: _Arguments.kwargs) -> _Result:
        distribute = named.get("distribute")
        if distribute is None:
            return method(*args, **named)
        from ..distributed import MPI

        if not isinstance(distribute, MPI):
            raise TypeError(f"distribute must be a distributed.MPI or None, got {distribute!r}")
        with distribute.together():
            return method(*args, **named)

    return call


TRAINING_METHODS = (
    *("train_step", "test_step", "predict_step", "compute_loss", "compute_metrics"),
    *("make_train_function", "make_test_function", "make_predict_function"),
)


class Sequential(LayerStack):
    """A stack of layers to train and run: Sequential([Conv2D(6, 5, input_shape=(28, 28, 1)), ...]).

    x is an array (N, height, width, channels), (N, height, width) for one channel, or
    (N, features). uint8, float32 and float64 in any memory layout are read in place; other numbers
    and booleans are copied to float32, or uint8 where they fit, data frames and tensors are made
    arrays. Where batches are said to do, x may also be a generator, a utils.PyDataset, a data
    loader or a list, each giving tuples (x, y). Results do not depend on the number of threads,
    predictions not on the batch they are made in.
    """

    optimizer: optimizers.Optimizer | None = None
    loss: losses.Loss | None = None
    stop_training = False
    history: History | None = None  # of the last fit
    training_state: TrainingState | None = None  # of the last fit, or the present one
    _metrics: tuple[Chosen, ...] = ()
    _data_name: str | None = None
    _class_names: tuple[str, ...] | None = None
    _looked_at_pixels = False
    _warned_of_border = False
    light_border = False  # whether the images that it was trained on had one, or may have had
    _looked_at_outputs = False  # whether the loss suits them; compile forgets it

    def __init_subclass__(cls, **settings: Any) -> None:
        super().__init_subclass__(**settings)
        if not is_own(cls):
            refuse_methods(cls, ("call", *TRAINING_METHODS))

    @takes_old_arguments
    def compile(
        self,
        optimizer: Any = None,
        loss: Any = None,
        metrics: Sequence[Any] | None = None,
        *,
        weighted_metrics: Sequence[Any] | None = None,
    ) -> None:
        """Choose how to train.

        optimizer: a name, or an instance from `optimizers`, which keeps the state it has. loss: a
        name, function or instance from `losses`. metrics: a list of names, functions or instances
        from `metrics` or of one's own, or none; "accuracy" is that of classes, or where there is
        one output, of yes and no. weighted_metrics: the same, with samples' weights where these are
        given. Optimizer and loss have no default. Raises ValueError for a cross-entropy that is not
        from logits unless the outputs come from a softmax, or from a sigmoid, of which the first
        use warns.
        """
        if optimizer is None:
            raise ValueError("optimizer must be one of pylenet.optimizers, got None")
        if loss is None:
            raise ValueError("loss must be one of pylenet.losses, got None")
        chosen_loss = losses.get(loss)
        chosen_optimizer = optimizers.get(optimizer)
        chosen = (
            *_chosen("metrics", metrics, weighted=False),
            *_chosen("weighted_metrics", weighted_metrics, weighted=True),
        )
        names = [metric.name for metric, _ in chosen]
        if len({"loss", "val_loss", *names}) < len(names) + 2:
            raise ValueError(f"metrics must have names of their own, no loss's, got {names}")
        if self.built:
            _inputs.core_loss(chosen_loss, self._nodes_down(), self._output_shape())
            Meters(chosen, chosen_loss, self._output_shape()[0])
        self.optimizer, self.loss = chosen_optimizer, chosen_loss
        self._freeze()
        self._looked_at_outputs = False
        self._metrics = chosen

    @property
    def metrics(self) -> list[Metric]:
        """What compile was told to measure besides the loss."""
        return [metric for metric, _ in self._metrics]

    @property
    def metrics_names(self) -> list[str]:
        """What `evaluate` gives, in its order: "loss", then the metrics."""
        return ["loss", *(metric.name for metric in self.metrics)]

    def metrics_config(self) -> dict[str, Any]:
        """What compile was told of metrics, as JSON values; with a warning where that is less."""
        from ..metrics import is_user_s, serialize

        if left_out := [metric.name for metric in self.metrics if is_user_s(metric)]:
            from .._warn import warn

            warn(
                f"model {self.name!r} is saved without its metrics {left_out}, which are of one's "
                "own: a file holds no Python; compile it again once it is loaded"
            )
        kept = [chosen for chosen in self._metrics if chosen.metric.name not in left_out]
        kinds = {"metrics": False, "weighted_metrics": True}
        return {
            kind: [serialize(m) for m, weighted in kept if weighted == own]
            for kind, own in kinds.items()
        }

    @property
    def data_name(self) -> str | None:
        """What the model was trained on, None where nobody said; saved with it."""
        return self._data_name

    @data_name.setter
    def data_name(self, name: str | None) -> None:
        self._data_name = None if name is None else _check.text("data_name", name)

    @property
    def class_names(self) -> tuple[str, ...] | None:
        """What its classes are called, by label, None where nobody said; saved with it."""
        return self._class_names

    @class_names.setter
    def class_names(self, names: Sequence[str] | None) -> None:
        if names is None:
            self._class_names = None
            return
        if not isinstance(names, (tuple, list)):
            raise TypeError(f"class_names must be a list of names, got {names!r}")
        if self.built and self._output_shape() != (len(names),):
            raise ValueError(
                f"class_names must be one for each of the outputs, {self._output_shape()}, got "
                f"{len(names)}"
            )
        self._class_names = tuple(_check.text("class_names", name) for name in names)

    def facts(self) -> dict[str, Any]:
        """What a file tells of a model besides its layers, its weights and how it is trained."""
        return {
            "data_name": self.data_name,
            "class_names": self.class_names,
            "light_border": self.light_border,
        }

    def set_facts(self, facts: Mapping[str, Any]) -> None:
        """As a file tells them; what it does not tell is as in a new model."""
        self.data_name, self.class_names = facts.get("data_name"), facts.get("class_names")
        self.light_border = _check.boolean("light_border", facts.get("light_border", False))

    @takes_old_arguments
    @_goes_together
    def fit(
        self,
        x: Any,
        y: Any = None,
        batch_size: int | None = None,
        epochs: int = 1,
        verbose: int | str = "auto",
        callbacks: Callback | Sequence[Callback] | None = None,
        *,
        validation_split: float = 0.0,
        validation_data: Any = None,
        shuffle: bool = True,
        class_weight: Mapping[int, float] | None = None,
        sample_weight: Any = None,
        initial_epoch: int = 0,
        steps_per_epoch: int | None = None,
        validation_steps: int | None = None,
        validation_batch_size: int | None = None,
        validation_freq: int | Sequence[int] = 1,
        augmentation: RandomAffine | None = None,
        distribute: MPI | None = None,
    ) -> History:
        """Train from initial_epoch up to `epochs` and return a History of loss and metrics.

        y: labels (N,) or rows (N, outputs), as the loss wants them. batch_size: 32 if None.
        sample_weight: (N,), by which each sample's loss is multiplied; the sum is still divided by
        the number of samples. class_weight: the same by class, a dict of label to weight, 1 for
        classes it has not. Validation knows only weights of its own.
        x may give batches (x, y) or (x, y, sample_weight) instead, y being None; then batch_size
        says nothing, shuffle is about the order of batches of a PyDataset, and an epoch is
        steps_per_epoch of them, or one pass if None. An iterator, which is gone through once, ends
        the training with a warning where it has too few.
        verbose: 0 silent, 1 a line that moves on a terminal and one line an epoch elsewhere, 2 one
        line an epoch, "auto" 1 on a terminal or in a notebook, else 0. validation_data: (x, y),
        (x, y, sample_weight), or what gives batches, validation_steps of them if that is not None;
        or validation_split: the share of the samples, from the end, that is kept for it.
        validation_batch_size: of validation_steps, batch_size if None. validation_freq: validate
        after every so many epochs, or after those in a list, counted from 1. Loss and
        metrics of an epoch are means over its steps, each before its update; the last batch may be
        smaller. augmentation: distorts the images that are trained on, anew in each epoch.
        distribute: a distributed.MPI, to share each step with other processes, which call this too,
        with the same arrays: rank 0's weights are where all begin, and callbacks run there alone.
        Raises ValueError when the loss is no longer finite, or weights are not after an epoch, when
        they have changed already, unless a callbacks.TerminateOnNaN ends the training; RuntimeError
        while another thread trains this model. What other threads predict, evaluate or save
        meanwhile is of the weights after some whole step.
        """
        batch_size = 32 if batch_size is None else _check.integer("batch_size", batch_size, 1)
        epochs = _check.integer("epochs", epochs, 1)
        verbose = checked_verbose(verbose)
        initial_epoch = _check.integer("initial_epoch", initial_epoch, 0)
        split = _check.real("validation_split", validation_split, "[0, 1)")
        shuffle = _check.boolean("shuffle", shuffle)
        if augmentation is not None:
            self._check_augmentation(augmentation)
        validates = _frequency("validation_freq", validation_freq)
        weight_of_class = _inputs.class_weights(class_weight)
        data = self._data(
            "", x, y, sample_weight, "steps_per_epoch", steps_per_epoch, batch_size, shuffle=shuffle
        )
        validation = None
        if validation_batch_size is None:
            validation_batch_size = batch_size
        else:
            _check.integer("validation_batch_size", validation_batch_size, 1)
        if validation_data is not None:
            validation = self._validation_data(
                validation_data, validation_steps, validation_batch_size
            )
        elif split:
            data, validation = _split(data, split)
        if isinstance(data, tuple):
            data = data.weigh_classes(weight_of_class)
        if distribute is not None:
            self._check_alike(distribute, data, validation, batch_size, epochs)

        from ._state import TrainingState

        self.light_border = not isinstance(data, tuple) or _inputs.has_light_border(data.x)
        if isinstance(data, tuple):
            samples = len(data.x)
            steps: int | None = -(-samples // batch_size)
        else:
            samples, batch_size, steps = 0, 0, data.steps
        progress = ProgressLogger()
        params = {"verbose": verbose, "epochs": epochs, "steps": steps}
        if distribute is not None and distribute.rank:
            params["verbose"] = 0
        with self._trainer.held(self.name):
            hooks = CallbackList(callbacks, self, params, progress=progress)
            if distribute is not None:
                hooks = distribute.callbacks(hooks, self)
            self.history = hooks.history
            self.stop_training = False
            self.training_state = state = TrainingState(
                self.parameters,
                self._start_optimizer(),
                epoch=initial_epoch,
                samples=samples,
                batch_size=batch_size,
                shuffle=shuffle,
                augmentation=augmentation,
                seed=self._drawn_seed(),
                log_names=self._log_names(hooks, validation is not None),
                distribute=distribute,
            )
            logs: dict[str, float] = {}
            try:
                hooks.on_train_begin()
                while state.epoch < epochs:
                    epoch = state.epoch
                    hooks.on_epoch_begin(epoch)
                    if isinstance(data, tuple):
                        logs = self._train_epoch(data, state, hooks, progress)
                    else:
                        found = self._train_epoch_in_batches(
                            data, weight_of_class, state, hooks, progress
                        )
                        if not found:
                            break
                        logs = found
                    if validation is not None and validates(epoch + 1):
                        hooks.on_test_begin()
                        results = self._evaluate(
                            validation, hooks, validation_batch_size, distribute
                        )
                        hooks.on_test_end(results)
                        logs |= {f"val_{name}": value for name, value in results.items()}
                    state.epoch = epoch + 1
                    hooks.on_epoch_end(epoch, logs)
                    if self.stop_training:
                        break
                self._take_average()
                hooks.on_train_end(logs)
            finally:
                progress.close()
        return hooks.history

    @takes_old_arguments
    @_goes_together
    def evaluate(
        self,
        x: Any,
        y: Any = None,
        batch_size: int | None = None,
        verbose: int | str = 0,
        sample_weight: Any = None,
        steps: int | None = None,
        callbacks: Callback | Sequence[Callback] | None = None,
        *,
        return_dict: bool = False,
        distribute: MPI | None = None,
    ) -> list[float] | float | dict[str, float]:
        """[loss, accuracy] as means over the samples; the loss alone if compiled without metrics.

        x may give batches (x, y) or (x, y, sample_weight) instead, y being None: `steps` of them,
        or all if None. sample_weight: as in `fit`. batch_size: as in Keras, but results do not
        depend on it, unless a callback has a hook of batches: then means are taken batch by batch,
        which may change their last bits. return_dict: give them by name. distribute: as in `fit`;
        every rank gets the results.
        """
        return_dict = _check.boolean("return_dict", return_dict)
        data = self._data("", x, y, sample_weight, "steps", steps, batch_size)
        hooks, progress = self._hooks(verbose, batch_size, callbacks, distribute)
        if distribute is not None:
            self._check_alike(distribute, data, None, batch_size, 0)
        hooks.on_test_begin()
        results = self._evaluate(data, hooks, batch_size, distribute)
        progress.update(1)
        hooks.on_test_end(results)
        return results if return_dict else self._as_list(results)

    def predict(
        self,
        x: Any,
        batch_size: int | None = None,
        verbose: int | str = 0,
        steps: int | None = None,
        callbacks: Callback | Sequence[Callback] | None = None,
        *,
        distribute: MPI | None = None,
    ) -> NDArray[np.float32]:
        """The model's outputs, float32 (N, ...); of an RBF layer distances, the smallest wins.

        x may give batches instead, arrays or tuples whose first is taken: `steps` of them, or all
        if None. batch_size: as in Keras, but results do not depend on it. distribute: as in `fit`;
        every rank gets all outputs, by its own weights those of its share.
        """
        if distribute is not None:
            return self._predict_together(
                x, batch_size, verbose, steps, callbacks, distribute=distribute
            )
        if type(x) is not np.ndarray and _are_batches(x):
            from ._batches import Batches

            batches = Batches("x", x, steps, steps_name="steps", restart=True)
            return np.concatenate(
                self._told(self._predict, batches, batch_size, verbose, callbacks)
            )
        images = self._images("x", x)
        if images.item(0) > 0 and not (self.light_border or self._warned_of_border):
            self._warned_of_border = _inputs.warns_of_light_border("x", images)
        if steps is not None:
            images = images[: _check.integer("steps", steps, 1) * (batch_size or 32)]
        if verbose == 0 and callbacks is None:  # the least latency
            if batch_size is not None:
                _check.integer("batch_size", batch_size, 1)
            return self._predict(images)
        found = self._told(self._predict, images, batch_size, verbose, callbacks)
        return found[0] if len(found) == 1 else np.concatenate(found)

    def __call__(self, inputs: Any, training: bool | None = None, mask: None = None) -> Any:
        """What predict gives, as a tensor: an array that has numpy(), too.

        Called on what a layer gives, or an Input, it gives what its last layer does, for `Model`.
        training: None or False; True raises ValueError where a layer computes something else then.
        """
        if isinstance(inputs, SymbolicTensor):
            if not self.built:
                self.build(inputs.sample_shape)
            return applied(self.layers, inputs)
        check_training(self.layers, training)
        return eager(self.predict(inputs))

    def predict_on_batch(self, x: NDArray[Any]) -> NDArray[np.float32]:
        """What predict gives."""
        return self._predict(self._images("x", x))

    def predict_prefixes(
        self,
        prefixes: Sequence[Prefix],
        x: NDArray[Any],
        batch_size: int | None = None,
        verbose: int | str = 0,
        callbacks: Callback | Sequence[Callback] | None = None,
    ) -> list[NDArray[np.float32]]:
        """What each of the prefixes gives, all with the weights from after the same step."""
        parameters = self.network.snapshot(self.parameters)

        def predict(images: NDArray[Any]) -> list[NDArray[np.float32]]:
            return self._predict_prefixes(prefixes, parameters, images)

        found = self._told(predict, self._images("x", x), batch_size, verbose, callbacks)
        return [np.concatenate(parts) for parts in zip(*found, strict=True)]

    def train_on_batch(
        self,
        x: NDArray[Any],
        y: Any,
        sample_weight: Any = None,
        class_weight: Mapping[int, float] | None = None,
        *,
        return_dict: bool = False,
    ) -> list[float] | float | dict[str, float]:
        """One step on all of x; returns the batch's [loss, accuracy] from before the update.

        sample_weight, class_weight: as in `fit`. return_dict: give them by name. Raises ValueError,
        the step being done, when that loss is not finite.
        """
        return_dict = _check.boolean("return_dict", return_dict)
        data = self._labelled("x", "y", x, y, sample_weight)
        data = data.weigh_classes(_inputs.class_weights(class_weight))
        samples, meters = len(data.x), self._meters()
        order = np.arange(samples)
        with self._trainer.held(self.name):
            place = self._start_optimizer().iterations % 2**32  # as an epoch, to what layers draw
            self._prepare_optimizer(data, order)
            losses_, correct = self._steps(
                data, order, samples, None, self._drawn_seed(), place, meters
            )
        loss = float(losses_[0]) / samples
        if not np.isfinite(loss):
            raise ValueError(
                f"the loss is {loss}: expected a finite number; look for NaN in x. "
                f"{WEIGHTS_CHANGED}"
            )
        results = meters.logs(loss, int(correct[0]) / samples)
        return results if return_dict else self._as_list(results)

    def test_on_batch(
        self, x: NDArray[Any], y: Any, sample_weight: Any = None, *, return_dict: bool = False
    ) -> list[float] | float | dict[str, float]:
        """What evaluate gives."""
        return self.evaluate(x, y, sample_weight=sample_weight, return_dict=return_dict)

    def snapshot_training(
        self,
    ) -> tuple[NDArray[np.float32], dict[str, NDArray[np.float32]], int]:
        """Copies of `parameters` and of the optimizer's slots by name, and its count of steps.

        All from between two steps, whatever another thread trains. No slots before the first one.
        """
        optimizer, slots, count = self.optimizer, {}, np.zeros(1, np.int64)
        if optimizer is not None:
            count = optimizer.step_count
            if optimizer.serves(self.parameters.size, self.identity):
                slots = dict(zip(optimizer.slot_names, optimizer.slots, strict=True))
        (flat, *copies), iterations = self.network.snapshot_training(
            self.parameters, list(slots.values()), count
        )
        return flat, dict(zip(slots, copies, strict=True)), iterations

    @takes_old_arguments
    def save(
        self,
        filepath: str | os.PathLike[str],
        overwrite: bool = True,
        include_optimizer: bool = True,
    ) -> None:
        """Write architecture, weights and how it is compiled, with the optimizer's state.

        include_optimizer: False leaves out how it is compiled, and the state.
        The file is written whole or not at all. Its name's ending says what it is: .keras or .h5
        for Keras (pip install "pylenet[keras]"), else pylenet's own format, which .safetensors
        stands for. overwrite: whether to take the place of a file that is there; if not,
        FileExistsError is raised. Where a file of that name cannot be written, or has no way to say
        what a layer does, pylenet's own format is written under a name beside it, and a warning
        says so.
        """
        from ._saving import save_model

        overwrite = _check.boolean("overwrite", overwrite)
        model = self
        if not _check.boolean("include_optimizer", include_optimizer):
            model = copy.deepcopy(self)
            model.optimizer, model.loss, model._metrics = None, None, ()
        save_model(model, filepath, overwrite)

    def export(
        self,
        filepath: str | os.PathLike[str],
        format: str | None = None,
        *,
        test_images: Any = None,
    ) -> None:
        """Write the model for another program to run: C, ONNX, or PyTorch.

        format: "c" (.c), "onnx" (.onnx; pip install "pylenet[onnx]"), as `save` writes it too, or
        "torch"; by the name's ending if None. C is a file and its header, NAME.c and NAME.h, that
        give the bits of `predict` (docs/embedding.md); test_images, as the model takes them, are
        what its self-test compares. For PyTorch a .pt or .pth file is a state dict, and needs
        PyTorch to be written; a .safetensors file, with format="torch", is the same without it;
        a .py file is the source of the module that takes this state dict, channels first. Raises
        ValueError where a layer has no counterpart there, ImportError where a package is missing.
        """
        from ..convert._export import export

        export(self, filepath, format, test_images)

    def save_weights(self, filepath: str | os.PathLike[str], overwrite: bool = True) -> None:
        """Write the weights alone, as `save` writes a model.

        Endings: .weights.h5 for Keras 3 (with the optimizer's state), any other .h5 for Keras 2 and
        3, else .safetensors.
        """
        from ._saving import save_weights

        save_weights(self, filepath, _check.boolean("overwrite", overwrite))

    def load_weights(
        self,
        filepath: str | os.PathLike[str],
        by_name: bool = False,
        skip_mismatch: bool = False,
    ) -> None:
        """Set all weights to those of a file of weights, or of a whole model.

        filepath: what `save_weights` or `save` wrote, or another tool: see docs/interop.md. All are
        set or, where a ValueError says what does not fit, none. by_name: only those of layers that
        have the same name in the file, pylenet's own or a Keras .h5; the others stay as they are,
        and with skip_mismatch so do those of another shape.
        """
        from ._saving import load_weights

        by_name = _check.boolean("by_name", by_name)
        load_weights(self, filepath, by_name, _check.boolean("skip_mismatch", skip_mismatch))

    def to_json(self, **options: Any) -> str:
        """The layers and how it is compiled, without weights, as Keras 3 writes them.

        For `models.model_from_json`, or Keras's. options: of json.dumps.
        """
        from ._saving import to_json

        return to_json(self, **options)

    def get_config(self) -> dict[str, Any]:
        """Name and layers with their arguments, as Keras's."""
        from ..convert import _keras_config

        return _keras_config.sequential_config(self, strict=False)

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Sequential:
        """A new model, with new weights, of what `get_config` gave, of ours or of a Keras model.

        Raises ValueError where the layers are no chain, or one of them is not in pylenet.
        """
        from ._saving import model_from_config

        return model_from_config({"class_name": cls.__name__, "config": config})

    if not TYPE_CHECKING:  # else any attribute would pass for one

        def __getattr__(self, name: str) -> Any:
            """A method that models had in Keras 1 or 2."""
            if name.startswith("_"):
                raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
            from .._keras._old import method

            return method(self, name)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle and copy as `save` and `load_model` do."""
        from ._saving import model_of, whole

        tensors, config = whole(self)
        return model_of, (config, tensors)

    def _train_epoch(
        self,
        data: Labelled,
        state: TrainingState,
        hooks: CallbackList,
        progress: ProgressLogger,
    ) -> dict[str, float]:
        """One pass over the samples, some steps at a time; returns its logs."""
        samples, batch_size, epoch = state.samples, state.batch_size, state.epoch
        drawn = None if state.augmentation is None else state.augmentation.settings(epoch)
        order = _random.generator().permutation(samples) if state.shuffle else np.arange(samples)
        steps = -(-samples // batch_size)
        self._prepare_optimizer(data, order, epoch, drawn)
        meters = self._meters()
        loss_sums, correct = np.zeros(steps), np.zeros(steps, np.int64)
        done, chunk, distribute = 0, 1, state.distribute
        by_step = hooks.wants_batches("train")
        logs: dict[str, float] = {}
        while done < steps and not self.stop_training:
            if by_step:
                hooks.on_train_batch_begin(done)
            started = perf_counter()
            end = min(done + chunk, steps)
            if distribute is not None:  # all see the same step's loss first
                end = distribute.broadcast(end)
            part = order[done * batch_size : end * batch_size]
            loss_sums[done:end], correct[done:end] = self._steps(
                data, part, batch_size, drawn, state.seed, epoch, meters, distribute
            )
            seen = min(end * batch_size, samples)
            loss = float(loss_sums[:end].sum()) / seen
            logs = meters.logs(loss, int(correct[:end].sum()) / seen)
            invalid = np.flatnonzero(~np.isfinite(loss_sums[done:end]))
            if invalid.size:
                batch = done + int(invalid[0])
                hooks.on_not_finite(epoch, batch, f"the loss is {loss_sums[batch]}")
            elif end == steps:
                self._check_weights(hooks, epoch, end)
            progress.update(end, logs)
            if by_step:
                hooks.on_train_batch_end(done, logs)
            else:
                elapsed = max(perf_counter() - started, 1e-6)
                chunk = max(1, min(2 * (end - done), int((end - done) * CALL_SECONDS / elapsed)))
            done = end
        return logs

    def _train_epoch_in_batches(
        self,
        batches: Batches,
        class_weight: Mapping[int, float] | None,
        state: TrainingState,
        hooks: CallbackList,
        progress: ProgressLogger,
    ) -> dict[str, float]:
        """One step for each batch; returns the epoch's logs, none where there was no batch.

        What is drawn for a sample is a function of the seed, the step and the place in the batch.
        """
        _, optimizer = self._compiled()
        if optimizer.hessian_samples(state.epoch):
            raise ValueError(f"x must be an array for the optimizer {optimizer!r}, got batches")
        optimizer.prepare(state.epoch, None)
        loss_sum, correct, seen, step = 0.0, 0, 0, 0
        meters, by_step = self._meters(), hooks.wants_batches("train")
        logs: dict[str, float] = {}
        for batch in self._labelled_batches(batches):
            data, samples = batch.weigh_classes(class_weight), len(batch.x)
            if by_step:
                hooks.on_train_batch_begin(step)
            place = optimizer.iterations
            drawn = None if state.augmentation is None else state.augmentation.settings(place)
            losses_, right = self._steps(
                data, np.arange(samples), samples, drawn, state.seed, place, meters
            )
            seen += samples
            loss_sum, correct, step = (
                loss_sum + float(losses_[0]),
                correct + int(right[0]),
                step + 1,
            )
            logs = meters.logs(loss_sum / seen, correct / seen)
            if not np.isfinite(losses_[0]):
                hooks.on_not_finite(state.epoch, step - 1, f"the loss is {losses_[0]}")
            progress.update(step, logs)
            if by_step:
                hooks.on_train_batch_end(step - 1, logs)
            if self.stop_training:
                break
        else:
            if not (seen or hooks.history.epoch):
                raise ValueError(f"{batches.name} must give one batch or more, got none")
            self._check_weights(hooks, state.epoch, step)
            if batches.ran_out:
                from .._warn import warn  # not needed to import the package

                warn(batches.what_ran_out())
                self.stop_training = True
        progress.set_steps(batches.steps)
        return logs

    def _check_weights(self, hooks: CallbackList, epoch: int, steps: int) -> None:
        """At the end of an epoch of so many steps."""
        if not all(np.isfinite(weight).all() for weight in self.weights):
            hooks.on_not_finite(epoch, steps - 1, "weights are NaN or infinite")

    def _steps(
        self,
        data: Labelled,
        order: NDArray[np.int64],
        batch_size: int,
        augmentation: Augmentation | None,
        seed: int,
        epoch: int,
        meters: Meters,
        distribute: MPI | None = None,
    ) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Train on data[order]; returns each step's summed loss and right answers."""
        network, (_, optimizer) = self.network, self._compiled()
        batch_size = min(batch_size, len(order))
        steps = -(-len(order) // batch_size)
        outputs = meters.room(len(order))
        regularizers, constraints = self._regularizers(), self._constraints()
        state: list[NDArray[Any]] = [self.parameters, *optimizer.slots, optimizer.step_count]
        together: AbstractContextManager[Any] = nullcontext((None, state))
        if distribute is not None:
            by_parts = not (optimizer.clips_norms or regularizers or constraints)
            together = distribute.exchange(network, state, by_parts=by_parts)
        with together as (exchange, (parameters, *slots, iterations)):
            results = network.train(
                parameters,
                data.x,
                data.y,
                order,
                batch_size=batch_size,
                loss=data.loss,
                optimizer=optimizer.hyperparameters(),
                slots=slots,
                iterations=iterations,
                learning_rates=optimizer.learning_rates(steps),
                augmentation=augmentation,
                seed=seed,
                epoch=epoch,
                exchange=exchange,
                threads=_threads.asked_for(),
                weights=data.weights,
                outputs=outputs,
                regularizers=regularizers,
                constraints=constraints,
            )
        if outputs is not None:  # step by step, so that sums do not depend on the time steps took
            for start in range(0, len(order), batch_size):
                part = slice(start, start + batch_size)
                meters.observe(data, order[part], outputs[part])
        return results

    @_goes_together
    def _predict_together(
        self,
        x: Any,
        batch_size: int | None,
        verbose: int | str,
        steps: int | None,
        callbacks: Callback | Sequence[Callback] | None,
        distribute: MPI | None = None,
    ) -> NDArray[np.float32]:
        assert distribute is not None
        _, progress = self._hooks(verbose, batch_size, callbacks, distribute)
        if type(x) is not np.ndarray and _are_batches(x):
            raise ValueError("x must be an array with distribute, got what gives batches")
        images = self._images("x", x)
        if steps is not None:
            images = images[: _check.integer("steps", steps, 1) * (batch_size or 32)]
        distribute.check_alike({"x": (images.shape, images.dtype.str)})
        progress.on_predict_begin()
        share = distribute.own(len(images))
        own = self._predict(images[share.start : share.stop])
        whole = distribute.concatenate(own, len(images))
        progress.update(1)
        progress.on_predict_end()
        return whole

    def _check_alike(
        self,
        distribute: MPI,
        data: Labelled | Batches,
        validation: Labelled | Batches | None,
        batch_size: int | None,
        epochs: int,
    ) -> None:
        """Raise ValueError unless all ranks do the same, and what can be shared."""
        if not isinstance(data, tuple) or not isinstance(validation, (tuple, type(None))):
            raise ValueError("x must be an array with distribute, got what gives batches")
        if epochs and self._meters().room(1) is not None:
            raise ValueError(
                f"metrics must be accuracies of classes, without weights, with distribute in fit: "
                f"each rank has only a share of the outputs, got {self.metrics_names[1:]}"
            )
        from ._saving import config_of

        config = config_of(self)
        del config["name"]
        distribute.check_alike(
            {
                "x": (data.x.shape, data.x.dtype.str),
                "y": (data.y.shape, data.y.dtype.str),
                "sample_weight": data.weights is not None,
                "validation data": None if validation is None else validation.x.shape,
                "batch_size": batch_size,
                "epochs": epochs,
                "convolution algorithm": _core.active_convolution(),
                "model": config,
            }
        )

    def _predict(self, x: NDArray[Any]) -> NDArray[np.float32]:
        network, threads = self.network, _threads.asked_for()
        if self._output_is_large and len(x) == 1:
            one = network.predict_one(self.parameters, x)
            return one.reshape(1, *self._output_shape())
        y = np.empty((len(x), *self._output_shape()), np.float32)
        chunk = self._samples_a_call
        if len(x) <= chunk:  # two views less: a twentieth of the time for one image
            network.predict(y, self.parameters, x, threads)
            return y
        for start in range(0, len(x), chunk):
            part = slice(start, start + chunk)
            network.predict(y[part], self.parameters, x[part], threads)
        return y

    def _predict_prefixes(
        self, prefixes: Sequence[Prefix], parameters: NDArray[np.float32], x: NDArray[Any]
    ) -> list[NDArray[np.float32]]:
        threads = _threads.get_num_threads()
        results = [np.empty((len(x), *prefix.output_shape), np.float32) for prefix in prefixes]
        chunk = self._samples_a_call
        for start in range(0, len(x), chunk):
            part = slice(start, start + chunk)
            for y, prefix in zip(results, prefixes, strict=True):
                own = parameters[: prefix.parameters]
                prefix.network.predict(y[part], own, x[part], threads)
        return results

    def _told(
        self,
        predict: Callable[[NDArray[Any]], Predicted],
        x: NDArray[Any] | Batches,
        batch_size: int | None,
        verbose: int | str,
        callbacks: Callback | Sequence[Callback] | None,
    ) -> list[Predicted]:
        """predict(images) of all images, or of each batch where there are batches or their hooks.

        Progress is told as `verbose` says.
        """
        hooks, progress = self._hooks(verbose, batch_size, callbacks)
        by_batch, found = hooks.wants_batches("predict"), []
        hooks.on_predict_begin()
        for batch, images in enumerate(self._image_batches(x, batch_size if by_batch else 0)):
            if by_batch:
                hooks.on_predict_batch_begin(batch)
            found.append(predict(images))
            if by_batch:
                hooks.on_predict_batch_end(batch, {"outputs": found[-1]})
        if not found:
            raise ValueError("x must give one batch or more, got none")
        progress.update(1)
        hooks.on_predict_end()
        return found

    def _image_batches(
        self, x: NDArray[Any] | Batches, batch_size: int | None
    ) -> Iterator[NDArray[Any]]:
        """Checked images. batch_size: 32 if None; 0 for all of an array at once."""
        if not isinstance(x, np.ndarray):
            for images, *_ in x.epoch():
                yield self._images("x", images)
            return
        size = batch_size if batch_size is not None else 32
        for start in range(0, max(1, len(x)), size or max(1, len(x))):
            yield x[start : start + size] if size else x

    def _evaluate(
        self,
        data: Labelled | Batches,
        hooks: CallbackList,
        batch_size: int | None,
        distribute: MPI | None = None,
    ) -> dict[str, float]:
        """The means over the samples; batch by batch where a callback has a hook of these."""
        network, meters, penalty = self.network, self._meters(), self._penalty()
        total, correct, samples = 0.0, 0, 0
        by_batch = hooks.wants_batches("test")

        def evaluated(piece: Labelled) -> Evaluated:
            outputs = meters.room(len(piece.x))
            loss, right = network.evaluate(
                self.parameters,
                piece.x,
                piece.y,
                piece.loss,
                _threads.asked_for(),
                piece.weights,
                outputs,
            )
            return loss, right, outputs

        if not isinstance(data, tuple):
            batches: Iterable[Labelled] = self._labelled_batches(data)
        else:
            batches = data.parts(batch_size or 32) if by_batch else (data,)
        for index, batch in enumerate(batches):
            if by_batch:
                hooks.on_test_batch_begin(index)
            pieces = batch.parts(self._samples_a_call)
            for piece, found in _each(pieces, evaluated, distribute):
                piece_loss, piece_correct, outputs = found
                if outputs is not None:
                    meters.observe(piece, slice(None), outputs)
                total += piece_loss
                correct += piece_correct
                samples += len(piece.x)
            if by_batch and samples:
                logs = meters.logs(total / samples + penalty, correct / samples)
                hooks.on_test_batch_end(index, logs)
        if not samples:
            raise ValueError("x must give one batch or more to evaluate, got none")
        return meters.logs(total / samples + penalty, correct / samples)

    def _ruled(self) -> Iterator[tuple[Tensor, Regularizer | None, Constraint | None]]:
        """The tensors that training changes and that have a regularizer or a constraint."""
        for placed in self._built():
            if placed.layer.rules and placed.layer.name not in self._frozen:
                for tensor in placed.tensors:
                    if tensor.name in placed.layer.rules:
                        yield tensor, *placed.layer.rules[tensor.name]

    def _regularizers(self) -> list[tuple[int, int, float, float]]:
        """As C++ is told them."""
        return [
            (tensor.offset, tensor.offset + math.prod(tensor.shape), rule.l1, rule.l2)
            for tensor, rule, _ in self._ruled()
            if rule is not None
        ]

    def _constraints(self) -> list[tuple[Any, Any]]:
        """As C++ is told them."""
        return [
            ((tensor.offset, *rule.plan(tensor.shape)), rule.norm())
            for tensor, _, rule in self._ruled()
            if rule is not None
        ]

    def _penalty(self) -> float:
        """What regularizers add to the loss."""
        rules = [(tensor, rule) for tensor, rule, _ in self._ruled() if rule is not None]
        if not rules:
            return 0.0
        flat = self.network.snapshot(self.parameters)
        return sum(rule(tensor.of(flat)) for tensor, rule in rules)

    def _meters(self) -> Meters:
        loss, _ = self._compiled()
        return Meters(self._metrics, loss, self._output_shape()[0])

    def _log_names(self, hooks: CallbackList, validated: bool) -> list[str] | None:
        """What the logs of an epoch will have; None where a callback of others may add to them."""
        if not all(type(cb).__module__.startswith("pylenet.") for cb in hooks.callbacks):
            return None
        names = [*self.metrics_names[1:], "loss"]
        return [*names, *(f"val_{name}" for name in names if validated), "learning_rate"]

    def _as_list(self, logs: dict[str, float]) -> list[float] | float:
        values = [logs[name] for name in self.metrics_names]
        return values if len(values) > 1 else values[0]

    def _hooks(
        self,
        verbose: int | str,
        batch_size: int | None,
        callbacks: Callback | Sequence[Callback] | None,
        distribute: MPI | None = None,
    ) -> tuple[CallbackList, ProgressLogger]:
        if batch_size is not None:
            _check.integer("batch_size", batch_size, 1)
        params = {"verbose": checked_verbose(verbose), "steps": 1}
        if distribute is not None:
            if callbacks is not None:
                raise ValueError("callbacks must be None with distribute, but in fit")
            if distribute.rank:
                params["verbose"] = 0
        progress = ProgressLogger()
        return CallbackList(callbacks, self, params, progress=progress), progress

    def _images(self, name: str, x: Any) -> NDArray[Any]:
        """x, checked; builds a model whose input shape was not known."""
        if not self.built:
            self._check_layers()
            self.build(_arrays.numbers(name, x).shape[1:])
        images = _inputs.images(name, x, self._input_shape or ())
        if len(images) > FEW or not self._looked_at_pixels:
            self._looked_at_pixels = True
            _inputs.warn_if_scaled(name, images, self.layers)
        return images

    def _check_layers(self) -> None:
        if not self.layers:
            raise ValueError(f"model {self.name!r} has no layers: add some first")

    def _labelled(
        self, x_name: str, y_name: str, x: Any, y: Any, sample_weight: Any = None
    ) -> Labelled:
        loss, _ = self._compiled()
        images = self._images(x_name, x)
        nodes, outputs = list(self._nodes_down()), self._output_shape()
        _inputs.core_loss(loss, nodes, outputs)
        if not self._looked_at_outputs:
            self._looked_at_outputs = True
            _inputs.warn_if_no_softmax(loss, nodes)
            self._meters()
        targets = _inputs.targets(y_name, y, loss, outputs[0], len(images))
        weights = None
        if sample_weight is not None:
            weights = _check.sample_weights("sample_weight", sample_weight, len(images))
        return Labelled(images, targets, weights, _inputs.core_loss(loss, nodes, outputs, targets))

    def _data(
        self,
        role: str,
        x: Any,
        y: Any,
        sample_weight: Any,
        steps_name: str,
        steps: int | None,
        batch_size: int | None,
        *,
        shuffle: bool | None = None,
    ) -> Labelled | Batches:
        """x and y, checked; or x as what gives batches of both. role: "validation ", or nothing.

        shuffle: None for an evaluation, which begins anew each time.
        """
        from ._batches import Batches, Slices

        restart, shuffle = shuffle is None, bool(shuffle)
        if not _are_batches(x):
            data = self._labelled(f"{role}x", f"{role}y", x, y, sample_weight)
            if steps is None:
                return data
            x, y, sample_weight = Slices(data, batch_size or 32, shuffle), None, None
        if y is not None or sample_weight is not None:
            raise ValueError(
                f"{role}y and sample_weight must be None where {role}x gives batches (x, y) or "
                "(x, y, sample_weight)"
            )
        self._compiled()
        batches = Batches(
            f"{role}x", x, steps, steps_name=steps_name, shuffle=shuffle, restart=restart
        )
        if not self.built:
            self._images(batches.name, batches.first()[0])
        return batches

    def _validation_data(self, data: Any, steps: int | None, batch_size: int) -> Labelled | Batches:
        more: tuple[Any, ...] = ("validation_steps", steps, batch_size)
        if _are_batches(data):
            return self._data("validation ", data, None, None, *more)
        if not isinstance(data, (tuple, list)) or len(data) not in (2, 3):
            raise TypeError(
                "validation_data must be a tuple (x, y) or (x, y, sample_weight), or give batches "
                "of these"
            )
        x, y, sample_weight = (*data, None)[:3]
        return self._data("validation ", x, y, sample_weight, *more)

    def _labelled_batches(self, batches: Batches) -> Iterator[Labelled]:
        for x, *rest in batches.epoch():
            if not rest:
                raise ValueError(f"{batches.name} must give batches (x, y), got one without y")
            yield self._labelled(f"{batches.name} of a batch", "y of a batch", x, *rest)

    def _check_augmentation(self, augmentation: object) -> None:
        if not isinstance(augmentation, RandomAffine):
            raise TypeError(f"augmentation must be a RandomAffine or None, got {augmentation!r}")
        augmentation.check_samples("x", self._input_shape or ())

    def _core_loss(self) -> _core.Loss:
        loss, _ = self._compiled()
        return _inputs.core_loss(loss, self._nodes_down(), self._output_shape())

    def _compiled(self) -> tuple[losses.Loss, optimizers.Optimizer]:
        if self.loss is None or self.optimizer is None:
            raise ValueError(f"model {self.name!r} must be compiled first: call compile(...)")
        return self.loss, self.optimizer

    def _prepare_optimizer(
        self,
        data: Labelled,
        order: NDArray[np.int64],
        epoch: int | None = None,
        augmentation: Augmentation | None = None,
    ) -> None:
        """To be called before an epoch on data[order], and before a step outside of `fit`."""
        _, optimizer = self._compiled()
        hessian = None
        if samples := optimizer.hessian_samples(epoch):
            if data.weights is not None:
                raise ValueError(f"{optimizer.name} knows no weights of samples or classes")
            hessian = self.network.hessian(
                self.parameters,
                data.x,
                order[:samples],
                data.loss,
                augmentation,
                _threads.asked_for(),
            )
            for begin, end, _, l2 in self._regularizers():
                hessian[begin:end] += 2 * l2
        optimizer.prepare(epoch, hessian)

    def _take_average(self) -> None:
        """Put the optimizer's moving average in the place of the weights, if it keeps one."""
        _, optimizer = self._compiled()
        if not optimizer.use_ema or not optimizer.iterations:
            return
        flat, average = self.network.snapshot(self.parameters), optimizer.slots[-1]
        for placed in self._built():
            for tensor in placed.tensors:
                if tensor.trainable and placed.layer.name not in self._frozen:
                    tensor.of(flat)[...] = tensor.of(average)
        self.network.assign(self.parameters, flat)

    def _drawn_seed(self) -> int:
        """For layers that draw without a seed of their own; 0 where there are none."""
        nodes = (node for placed in self._built() for node in placed.nodes)
        draws = any(node.settings.get("seed") == -1 for node in nodes)
        return int(_random.generator().integers(2**32)) if draws else 0

    def _start_optimizer(self) -> optimizers.Optimizer:
        _, optimizer = self._compiled()
        optimizer.build(self.parameters.size, self.identity)
        return optimizer


def _each(
    pieces: Iterable[Labelled],
    evaluated: Callable[[Labelled], Evaluated],
    distribute: MPI | None,
) -> Iterator[tuple[Labelled, Evaluated]]:
    """Each piece with what is found for it, in order, whichever rank has found it."""
    if distribute is None:
        for piece in pieces:
            yield piece, evaluated(piece)
        return
    all_of_them = list(pieces)
    own = [evaluated(all_of_them[i]) for i in distribute.own(len(all_of_them))]
    yield from zip(all_of_them, itertools.chain(*distribute.gather(own)), strict=True)


def _are_batches(x: object) -> bool:
    if isinstance(x, np.ndarray):
        return False
    from ._batches import are_batches

    return are_batches(x)


def _frequency(name: str, value: Any) -> Callable[[int], bool]:
    """Whether a number counts, from 1: of a number n each n-th, of a list those in it."""
    if isinstance(value, (list, tuple, set)):
        chosen = {_check.integer(f"{name} in a list", number, 1) for number in value}
        return chosen.__contains__
    every = _check.integer(name, value, 1)
    return lambda number: number % every == 0


def _split(data: Labelled | Batches, share: float) -> tuple[Labelled, Labelled]:
    """What is trained on, and the share at the end that is kept."""
    if not isinstance(data, tuple):
        raise ValueError(f"validation_split must be 0 where x gives batches, got {share}")
    samples = len(data.x)
    kept = int(samples * (1 - share))
    if not 0 < kept < samples:
        raise ValueError(
            f"validation_split must leave samples on both sides, got {share} of {samples} samples"
        )
    return data.part(slice(kept)), data.part(slice(kept, None))


def _chosen(name: str, metrics: Any, weighted: bool) -> list[Chosen]:
    if isinstance(metrics, (str, bytes)) or not isinstance(metrics or [], Sequence):
        raise TypeError(f"{name} must be a list, as ['accuracy'], got {metrics!r}")
    if not metrics:
        return []
    from ..metrics import get  # not needed to import the package

    return [Chosen(get(metric), weighted) for metric in metrics]
