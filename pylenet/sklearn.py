"""LeNet as a classifier of scikit-learn, which is an extra: `pip install "pylenet[sklearn]"`."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

try:
    from sklearn.base import BaseEstimator, ClassifierMixin
    from sklearn.model_selection import train_test_split
    from sklearn.utils import check_random_state
    from sklearn.utils.multiclass import check_classification_targets
    from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data
except ImportError as error:
    raise ImportError(
        'pylenet.sklearn needs scikit-learn 1.6 or newer: pip install "pylenet[sklearn]"'
    ) from error

from . import _check, _random, optimizers
from ._warn import warn
from .augmentation import RandomAffine
from .callbacks import EarlyStopping
from .layers import Dense, Flatten, Input, Layer, Rescaling, ZeroPadding2D
from .models import Sequential
from .models._lenet import classic_layers, modern_layers
from .optimizers.schedules import OneCycle

__all__ = ["LeNetClassifier"]

NUMBERS = [np.float32, np.float64, np.uint8]  # what is read in place; others become the first
VARIANTS = {"classic": classic_layers, "modern": modern_layers}
SCHEDULES = ("one_cycle", "constant")
LEAST_SIDE = 28  # pixels: smaller images get a border
ONE_CYCLE = 10.0  # its highest rate, of the optimizer's own
LOSS = "sparse_categorical_crossentropy"
ROWS = 1024  # whose squares are summed at a time: as float64 they take little memory


class LeNetClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """A LeNet that learns to classify images, with scikit-learn's methods and meaning.

    X is flat rows (n, pixels), or images (n, height, width) or (n, height, width, channels); uint8,
    float32 and float64 are read in place, other numbers are copied to float32. y holds labels of
    any kind, as numbers or strings. Results are a function of X, y, the parameters and
    random_state, whatever the number of threads (PYLENET_NUM_THREADS).

    variant: "modern" (ReLU, max pooling) or "classic" (tanh, average pooling). layers: a list of
    layers of one's own in its place, without the last one, which has an output for each class; they
    are copied. They get flat rows as these are, unless image_shape is given.
    image_shape: (height, width) or (height, width, channels) of flat rows, one of which may be -1.
    None: a square, or where the number of pixels is none, one row of pixels, with a warning. The
    variants put a border of zeros around images of fewer than 28 x 28 pixels.
    rescale: whether to divide pixels by the root mean square of those of the first call.
    augmentation: a RandomAffine that distorts the training images anew in each epoch.

    optimizer: a name from `optimizers`, or an instance, of which a copy is used. learning_rate: of
    an optimizer given by name; None is that optimizer's own, and ten times that as the highest of
    one cycle. schedule: "one_cycle" rises over a fifth of the steps and falls to zero, "constant"
    stays; partial_fit is always constant, for it does not know how much will come.
    batch_size: images a step. max_iter: epochs. early_stopping: keep back validation_fraction of
    the samples, stratified by class, end when the accuracy on them has not risen by more than tol
    in n_iter_no_change epochs, and take the weights of the best epoch.
    random_state: int, RandomState or None: of weights, order of the samples, and distortions.
    verbose: 0, 1 or 2, as in `Sequential.fit`.

    After fit: classes_, the labels in order; n_features_in_, the pixels of a sample; image_shape_,
    as the network has them, (height, width, channels) or (pixels,); model_, the trained Sequential,
    whose class_names are the labels as text;
    n_iter_, epochs done; loss_curve_, the mean loss of each; validation_scores_, the accuracy after
    each where early_stopping, else None.
    """

    def __init__(
        self,
        variant: str = "modern",
        layers: Sequence[Layer] | None = None,
        *,
        image_shape: tuple[int, ...] | None = None,
        rescale: bool = True,
        augmentation: RandomAffine | None = None,
        optimizer: str | optimizers.Optimizer = "adam",
        learning_rate: float | None = None,
        schedule: str = "one_cycle",
        batch_size: int = 64,
        max_iter: int = 10,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 5,
        tol: float = 1e-4,
        random_state: Any = None,
        verbose: int = 0,
    ) -> None:
        self.variant = variant
        self.layers = layers
        self.image_shape = image_shape
        self.rescale = rescale
        self.augmentation = augmentation
        self.optimizer = optimizer
        self.learning_rate = learning_rate
        self.schedule = schedule
        self.batch_size = batch_size
        self.max_iter = max_iter
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.tol = tol
        self.random_state = random_state
        self.verbose = verbose

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> LeNetClassifier:
        """Train from new weights and return self.

        sample_weight: (n,), numbers >= 0, by which each sample's loss is multiplied. Raises
        TypeError or ValueError for parameters or data that make no sense, ValueError when the loss
        is no longer finite.
        """
        rows, y, shape, weights = self._checked(X, y, sample_weight, reset=True)
        classes, labels = np.unique(y, return_inverse=True)
        self._begin(classes, rows, shape)
        images, callbacks, validation = self._images(rows, shape), [], None
        if self.early_stopping:
            images, labels, weights, validation = self._split(images, labels, weights)
            callbacks = [
                EarlyStopping(
                    "val_accuracy",
                    min_delta=self.tol,
                    patience=self.n_iter_no_change,
                    mode="max",
                    restore_best_weights=True,
                )
            ]
        max_iter = _check.integer("max_iter", self.max_iter, 1)
        batch_size = _check.integer("batch_size", self.batch_size, 1)
        self._compile(steps=-(-len(images) // batch_size) * max_iter)
        with _random.drawing_from(self._generator):
            history = self.model_.fit(
                *(images, labels, batch_size, max_iter, self.verbose, callbacks),
                sample_weight=weights,
                validation_data=validation,
                augmentation=self._augmentation,
            ).history
        self.loss_curve_ = history["loss"]
        self.n_iter_ = len(self.loss_curve_)
        self.validation_scores_ = history["val_accuracy"] if validation else None
        return self

    def partial_fit(
        self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None
    ) -> LeNetClassifier:
        """Train for one epoch of these samples, from where the last call ended; returns self.

        classes: all labels that y may hold in this call and later ones; needed in the first call.
        sample_weight: as in `fit`. Raises ValueError for a label that is not among the classes.
        """
        first = not hasattr(self, "model_")
        if self.early_stopping:
            raise ValueError("early_stopping must be False for partial_fit, got True")
        if first and classes is None:
            raise ValueError("classes must be given in the first call of partial_fit, got None")
        rows, y, shape, weights = self._checked(X, y, sample_weight, reset=first)
        _check_order("classes", classes)
        known = self.classes_ if classes is None else np.unique(classes)
        if not first and not np.array_equal(known, self.classes_):
            raise ValueError(f"classes must be {self.classes_} as before, got {known}")
        if strange := sorted(set(np.unique(y).tolist()) - set(known.tolist())):
            raise ValueError(f"y must hold labels among the classes {known}, got {strange}")
        if first:
            self._begin(known, rows, shape)
            self.loss_curve_, self.n_iter_, self.validation_scores_ = [], 0, None
        if first or not self._is_constant:
            self._compile(steps=None)
        epoch = self.n_iter_
        with _random.drawing_from(self._generator):
            history = self.model_.fit(
                self._images(rows, shape),
                np.searchsorted(known, y),
                _check.integer("batch_size", self.batch_size, 1),
                epoch + 1,
                self.verbose,
                initial_epoch=epoch,
                sample_weight=weights,
                augmentation=self._augmentation,
            ).history
        self.loss_curve_ += history["loss"]
        self.n_iter_ = epoch + 1
        return self

    def predict(self, X: Any) -> NDArray[Any]:
        """The label of each sample: the most probable one, the first of several. Shape (n,)."""
        probabilities = self.predict_proba(X)
        labels: NDArray[Any] = self.classes_[probabilities.argmax(axis=1)]
        return labels

    def predict_proba(self, X: Any) -> NDArray[np.float32]:
        """The probability of each class, in the order of classes_: float32 (n, classes)."""
        check_is_fitted(self)
        rows, shape = _rows(X)
        rows = validate_data(self, rows, dtype=NUMBERS, reset=False)
        return self.model_.predict(self._images(rows, shape))

    def predict_log_proba(self, X: Any) -> NDArray[np.float32]:
        """The natural logarithm of predict_proba, -inf where that is 0."""
        with np.errstate(divide="ignore"):
            found: NDArray[np.float32] = np.log(self.predict_proba(X))
        return found

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        return tags

    def _checked(
        self, X: Any, y: Any, sample_weight: Any, *, reset: bool
    ) -> tuple[NDArray[Any], NDArray[Any], tuple[int, ...] | None, NDArray[Any] | None]:
        """X as rows, y, the shape of X's images if it is no rows, and weights."""
        rows, shape = _rows(X)
        _check_order("y", y)
        rows, y = validate_data(self, rows, y, dtype=NUMBERS, reset=reset)
        check_classification_targets(y)
        if sample_weight is not None:
            sample_weight = _check_sample_weight(sample_weight, rows)
            if (least := sample_weight.min()) < 0:
                raise ValueError(f"sample_weight must hold numbers >= 0, got {least}")
        return rows, y, shape, sample_weight

    def _begin(
        self, classes: NDArray[Any], rows: NDArray[Any], shape: tuple[int, ...] | None
    ) -> None:
        """A new network, not compiled, for images as these and for these classes."""
        if len(classes) < 2:
            raise ValueError(f"y must hold two classes or more, got one class: {classes}")
        _check.one_of("schedule", self.schedule, SCHEDULES)
        _check.boolean("early_stopping", self.early_stopping)
        _check.real("validation_fraction", self.validation_fraction, "(0, 1)")
        _check.real("tol", self.tol, "[0, inf)")
        _check.integer("n_iter_no_change", self.n_iter_no_change, 1)
        self.classes_ = classes
        self.image_shape_ = self._chosen_shape(rows, shape)
        drawn = check_random_state(self.random_state).randint(2**32, size=4, dtype=np.uint32)
        self._generator = np.random.default_rng(drawn)
        self._augmentation = self._seeded_augmentation()
        scale = [Rescaling(_scale(rows))] if _check.boolean("rescale", self.rescale) else []
        with _random.drawing_from(self._generator):
            model = Sequential(
                [Input(self.image_shape_), *scale, *self._hidden_layers()], name="lenet_classifier"
            )
            if len(model.output_shape) > 2:
                model.add(Flatten())
            model.add(Dense(len(classes), "softmax"))
        model.class_names = [str(label) for label in classes.tolist()]
        self.model_ = model

    def _chosen_shape(self, rows: NDArray[Any], shape: tuple[int, ...] | None) -> tuple[int, ...]:
        """A sample's shape, as the network gets it. shape: of the images that X has, if any."""
        pixels = rows.shape[1]
        given = self.image_shape
        if given is not None:
            try:
                found = rows[:1].reshape(1, *given).shape[1:]
            except (TypeError, ValueError):
                found = ()
            if len(found) not in (2, 3) or (shape is not None and _image(shape) != _image(found)):
                what = f"{pixels} pixels a sample" if shape is None else f"images of {shape}"
                raise ValueError(
                    "image_shape must be (height, width) or (height, width, channels), and fit X, "
                    f"got {given!r} for {what}"
                )
            return _image(found)
        if shape is not None:
            return _image(shape)
        if self.layers is not None:
            return (pixels,)
        side = math.isqrt(pixels)
        if side * side == pixels:
            return (side, side, 1)
        warn(
            f"X has {pixels} pixels a sample, which is no square: taken as one row of pixels; "
            "image_shape=(height, width) says otherwise, or image_shape=(1, -1) that it is so"
        )
        return (1, pixels, 1)

    def _hidden_layers(self) -> list[Layer]:
        if self.layers is not None:
            if not isinstance(self.layers, (list, tuple)):
                raise TypeError(f"layers must be a list of layers or None, got {self.layers!r}")
            for layer in self.layers:
                if not isinstance(layer, Layer):
                    raise TypeError(f"layers must hold pylenet's layers, got {layer!r}")
            return [type(layer).from_config(layer.get_config()) for layer in self.layers]
        layers = VARIANTS[_check.one_of("variant", self.variant, tuple(VARIANTS))]()
        height, width = (max(0, LEAST_SIDE - side) for side in self.image_shape_[:2])
        if height or width:
            border = (height // 2, height - height // 2), (width // 2, width - width // 2)
            layers.insert(0, ZeroPadding2D(border))
        return layers

    def _compile(self, steps: int | None) -> None:
        """steps: of the cycle; None for a rate that is constant, and stays so."""
        self._is_constant = steps is None or self.schedule == "constant"
        if isinstance(self.optimizer, optimizers.Optimizer):
            self._is_constant = True
            optimizer = type(self.optimizer).from_config(self.optimizer.get_config())
        else:
            optimizer = optimizers.get(_check.text("optimizer", self.optimizer))
            rate: Any = self.learning_rate
            if rate is None:
                rate = optimizer.learning_rate * (1.0 if self._is_constant else ONE_CYCLE)
            rate = _check.real32("learning_rate", rate, "[0, inf)")
            if not self._is_constant:
                rate = OneCycle(rate, steps or 1)
            optimizer = type(optimizer)(rate)
        self.model_.compile(optimizer, LOSS, metrics=["accuracy"])

    def _seeded_augmentation(self) -> RandomAffine | None:
        """The augmentation, or a copy with a seed of random_state's unless it was given one."""
        augmentation = self.augmentation
        if augmentation is None or not isinstance(augmentation, RandomAffine):
            return augmentation  # fit says what is wrong
        if augmentation.seed_is_given:
            return augmentation
        seed = int(self._generator.integers(2**63))
        return RandomAffine(**(augmentation.arguments() | {"seed": seed}))

    def _images(self, rows: NDArray[Any], shape: tuple[int, ...] | None) -> NDArray[Any]:
        """Rows as the network takes them. shape: of the images that they were, if any."""
        if shape is not None and _image(shape) != _image(self.image_shape_):
            raise ValueError(f"X must hold images of {self.image_shape_}, got {shape}")
        return rows.reshape(-1, *self.image_shape_)

    def _split(
        self, images: NDArray[Any], labels: NDArray[Any], weights: NDArray[Any] | None
    ) -> tuple[Any, Any, Any, tuple[Any, Any]]:
        """Images, labels and weights to train on, and (images, labels) that are kept back."""
        kept, back = train_test_split(
            np.arange(len(images)),
            test_size=self.validation_fraction,
            stratify=labels,
            random_state=int(self._generator.integers(2**32)),
        )
        if weights is not None:
            weights = weights[kept]
        return images[kept], labels[kept], weights, (images[back], labels[back])


def _rows(X: Any) -> tuple[Any, tuple[int, ...] | None]:
    """Images as flat rows, and their shape; anything else as it is, and None."""
    if isinstance(X, (list, tuple)):
        X = np.asarray(X)
    if getattr(X, "ndim", 0) < 3:
        return X, None
    X = np.asarray(X)
    if X.ndim > 4:
        raise ValueError(
            "X must have shape (n, pixels), (n, height, width) or (n, height, width, channels), "
            f"got {X.shape}"
        )
    return X.reshape(len(X), math.prod(X.shape[1:])), X.shape[1:]


def _check_order(name: str, labels: Any) -> None:
    """Raise TypeError where labels cannot be sorted, as strings and numbers; numpy makes strings
    of a list of both.
    """
    kind = getattr(getattr(labels, "dtype", None), "kind", "")
    if not isinstance(labels, (list, tuple)) and kind != "O":
        return
    with contextlib.suppress(ValueError):  # of rows, which are refused later
        try:
            sorted(labels)
        except TypeError:
            kinds = " and ".join(dict.fromkeys(type(label).__name__ for label in labels))
            raise TypeError(
                f"{name} must hold labels that can be sorted, all numbers or all strings, "
                f"got {kinds}"
            ) from None


def _image(shape: tuple[int, ...]) -> tuple[int, ...]:
    """(height, width, channels) of a shape that may leave out one channel."""
    return (*shape, 1)[:3] if len(shape) > 1 else shape


def _scale(rows: NDArray[Any]) -> float:
    """One over the root mean square of all values, or 1 where they are all zero."""
    squares = 0.0
    for start in range(0, len(rows), ROWS):
        squares += float(np.square(rows[start : start + ROWS], dtype=np.float64).sum())
    return 1 / math.sqrt(squares / rows.size) if squares else 1.0
