"""The metrics of one epoch, batch or evaluation."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .._callback import Values
from .._configurable import is_own
from ..losses import Loss, MaximumAPosteriori
from ._inputs import Labelled

if TYPE_CHECKING:
    from ..metrics import Metric


class Chosen(NamedTuple):
    """A metric as compile was told it: whether samples' weights count."""

    metric: Metric
    weighted: bool


class Meters:
    """Fresh copies of the chosen metrics, for a loss and so many outputs.

    Raises ValueError where they do not fit.
    """

    def __init__(self, chosen: Sequence[Chosen], loss: Loss, outputs: int) -> None:
        self._outputs = outputs
        self._sign = -1 if isinstance(loss, MaximumAPosteriori) else 1  # of distances
        self._chosen: list[Chosen] = []
        for metric, weighted in chosen:
            _check_fit(metric, loss, outputs)
            own = copy.deepcopy(metric)
            own.reset_state()
            self._chosen.append(Chosen(own, weighted))
        self._observed = [c for c in self._chosen if not self._counts(c)]

    def room(self, samples: int) -> NDArray[np.float32] | None:
        """An array for the outputs of so many samples, None where no metric looks at them."""
        return np.empty((samples, self._outputs), np.float32) if self._observed else None

    def observe(
        self, data: Labelled, which: NDArray[np.int64] | slice, outputs: NDArray[np.float32]
    ) -> None:
        """Samples `which` of the data gave these outputs."""
        y, weights = data.y[which], None if data.weights is None else data.weights[which]
        for metric, weighted in self._observed:
            metric.update_state(y, self._sign * outputs, weights if weighted else None)

    def logs(self, loss: float, accuracy: float) -> dict[str, float]:
        """By name, the metrics before the loss, as Keras has them. accuracy: as C++ counted it."""
        values = {
            c.metric.name: accuracy if self._counts(c) else float(c.metric.result())
            for c in self._chosen
        }
        return Values({**values, "loss": loss})

    def _counts(self, chosen: Chosen) -> bool:
        """Whether C++ counts it. A user's subclass may count otherwise."""
        metric, weighted = chosen
        return metric.counted and not weighted and self._outputs > 1 and is_own(type(metric))


def _check_fit(metric: Metric, loss: Loss, outputs: int) -> None:
    name = metric.name
    if isinstance(loss, MaximumAPosteriori) and not metric.counted:
        raise ValueError(f"metrics must be accuracies of distances, got {name!r}")
    if metric.needs_rows:
        if loss.takes_labels:
            raise ValueError(
                f"metric {name!r} needs a row of targets for each sample, and loss {loss.kind!r} "
                "takes labels; for one-hot rows (utils.to_categorical) compile with "
                "loss='categorical_crossentropy'"
            )
    elif outputs < 2 and not metric.takes_one_output:
        raise ValueError(f"metric {name!r} needs at least 2 outputs, one for each class")
