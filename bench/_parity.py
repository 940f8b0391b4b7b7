"""Whether a peer computes what pylenet does. One that does not is not timed."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

LOSS_TOLERANCE = 1e-4  # relative
WEIGHT_TOLERANCE = 1e-4
PROBABILITY_TOLERANCE = 1e-5

Results = list[NDArray[Any]]


def errors(kind: str, ours: Results, theirs: Results) -> dict[str, float]:
    """The largest differences, by what differs; infinite where shapes do or a value is no number.

    Results of training: the losses of some steps, the mean loss of the same steps in one call, then
    the weights after either. Results of inference: the probabilities of each batch.
    """
    if [a.shape for a in ours] != [a.shape for a in theirs]:
        return dict.fromkeys(TOLERANCES[kind], float("inf"))
    if kind == "inference":
        return {"probabilities": largest(ours, theirs)}
    relative = [a / b for a, b in zip(theirs[:2], ours[:2], strict=True)]
    return {
        "losses": largest(relative, [np.ones_like(a) for a in relative]),
        "weights": largest(ours[2:], theirs[2:]),
    }


def refused(kind: str, found: dict[str, float]) -> str | None:
    """Why such a peer must not be timed, or None."""
    reasons = [
        f"{name} differ by {found[name]:.1e}, and {tolerance:.0e} is allowed"
        for name, tolerance in TOLERANCES[kind].items()
        if not found[name] <= tolerance
    ]
    return "; ".join(reasons) or None


def largest(a: Results, b: Results) -> float:
    apart = float(np.max([np.abs(x - y).max() for x, y in zip(a, b, strict=True)]))  # keeps NaN
    return apart if np.isfinite(apart) else float("inf")


TOLERANCES = {
    "train": {"losses": LOSS_TOLERANCE, "weights": WEIGHT_TOLERANCE},
    "inference": {"probabilities": PROBABILITY_TOLERANCE},
}
