from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

__version__: str
COMPILER: str
OPENMP: int

def zeros(size: int) -> NDArray[np.float32]: ...
def built_isas() -> list[str]: ...
def available_isas() -> list[str]: ...
def active_isa() -> str: ...
def set_isa(name: str) -> None: ...
def built_int8_isas() -> list[str]: ...
def available_int8_isas() -> list[str]: ...
def active_int8_isa() -> str: ...
def active_convolution() -> str: ...
def set_convolution(name: str) -> None: ...
def activations() -> tuple[str, ...]: ...
def joined_activations() -> tuple[str, ...]: ...
def describe(
    node: Mapping[str, Any], input_shape: tuple[int, int, int], offset: int
) -> tuple[tuple[int, int, int], list[tuple[str, int, tuple[int, ...], bool]], int]: ...
def permitted_threads(threads: int) -> int: ...
def count_threads(threads: int) -> int: ...
def peak_flops(threads: int, seconds: float) -> float: ...

class LossKind:
    CROSS_ENTROPY_FROM_LOGITS: LossKind
    CROSS_ENTROPY_FROM_PROBABILITIES: LossKind
    MEAN_SQUARED_ERROR: LossKind
    MAXIMUM_A_POSTERIORI: LossKind
    BINARY_CROSS_ENTROPY_FROM_LOGITS: LossKind
    BINARY_CROSS_ENTROPY_FROM_PROBABILITIES: LossKind
    MEAN_ABSOLUTE_ERROR: LossKind
    HUBER: LossKind
    LOG_COSH: LossKind
    HINGE: LossKind
    SQUARED_HINGE: LossKind
    POISSON: LossKind
    KL_DIVERGENCE: LossKind
    CATEGORICAL_HINGE: LossKind
    MEAN_ABSOLUTE_PERCENTAGE_ERROR: LossKind
    MEAN_SQUARED_LOGARITHMIC_ERROR: LossKind
    COSINE_SIMILARITY: LossKind

class Loss:
    def __init__(
        self,
        kind: LossKind,
        constant: float = 0.0,
        target_scale: float = 1.0,
        target_shift: float = 0.0,
    ) -> None: ...

class Gate:
    def __init__(self) -> None: ...

class _Exchange(Protocol):
    """Those who compute each step together: their memory, and waiting for them.

    groups, parts: which of how many this is, of those who share a step's groups, and of those who
    have the memory in common, who share the parts of its gradient. common_parameters: whether the
    parameters, and the optimizer's state, are one for these, each of whom updates a part. Not where
    it is clipped by norms, or with regularizers or constraints. Where the call raises an error, a
    part of a step may be in them.
    """

    @property
    def groups(self) -> tuple[int, int]: ...
    @property
    def parts(self) -> tuple[int, int]: ...
    @property
    def common_parameters(self) -> bool: ...
    def memory(self, floats: int) -> NDArray[np.float32]:
        """At least so many floats, at a multiple of 64 bytes. Asked for before each call."""

    def gather(self, arrays: list[tuple[int, int]], groups: int) -> object:
        """Return when the memory has all groups' share of arrays (groups, floats).

        arrays: where each begins in the memory, and its floats.
        """

    def wait(self) -> object:
        """Return when all have summed their parts, and read the groups' arrays no more."""

class Meeting:
    """Where processes wait for each other: in memory that they share.

    seats: int64 (processes, 8), each row a cache line of zeros that one of them writes to, which
    is row `own` for this one. Meetings have numbers, which grow.
    """

    def __init__(self, seats: NDArray[np.int64], own: int) -> None: ...
    def come(self, number: int, purpose: int) -> None:
        """Tell the others that this one is there; what it wrote before is theirs to read."""

    def come_elsewhere(self, number: int) -> None:
        """Tell them that this one waits for this meeting by other means, as those by messages."""

    def wait(self, spin: bool) -> bool | None:
        """Whether all came to the meeting that this one came to last, for the same purpose.

        False where one is elsewhere, or came for another purpose; None where a millisecond or so
        did not show. spin: keep the processor at first, for the others have their own.
        """

class Network:
    def __init__(
        self,
        input_shape: tuple[int, int, int],
        nodes: Sequence[Mapping[str, Any]],
        *,
        scale: float = 1.0,
        offset: float = -0.0,
        frozen: Sequence[int] = ...,
        places: Sequence[int] = ...,
        gate: Gate | None = None,
        isa: str | None = None,
        convolution: str | None = None,
    ) -> None: ...
    @property
    def isa(self) -> str: ...
    @property
    def lanes(self) -> int: ...
    @property
    def parameter_floats(self) -> int: ...
    @property
    def bytes_per_thread(self) -> int: ...
    def snapshot(self, parameters: NDArray[np.float32]) -> NDArray[np.float32]: ...
    def snapshot_training(
        self,
        parameters: NDArray[np.float32],
        slots: Sequence[NDArray[np.float32]],
        iterations: NDArray[np.int64],
    ) -> tuple[list[NDArray[np.float32]], int]: ...
    def assign(self, parameters: NDArray[np.float32], values: NDArray[np.float32]) -> None: ...
    def assign_training(
        self,
        parameters: NDArray[np.float32],
        slots: Sequence[NDArray[np.float32]],
        iterations: NDArray[np.int64],
        values: Sequence[NDArray[np.float32]],
        steps: int,
    ) -> None: ...
    def predict(
        self,
        y: NDArray[np.float32],
        parameters: NDArray[np.float32],
        x: NDArray[Any],
        threads: int,
    ) -> None: ...
    def predict_one(
        self, parameters: NDArray[np.float32], x: NDArray[Any]
    ) -> NDArray[np.float32]: ...
    def evaluate(
        self,
        parameters: NDArray[np.float32],
        x: NDArray[Any],
        y: NDArray[Any],
        loss: Loss | LossKind,
        threads: int,
        weights: NDArray[np.float32] | None = None,
        outputs: NDArray[np.float32] | None = None,
    ) -> tuple[float, int]: ...
    def gradient(
        self, parameters: NDArray[np.float32], x: NDArray[Any], dy: NDArray[Any], threads: int
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]: ...
    def hessian(
        self,
        parameters: NDArray[np.float32],
        x: NDArray[Any],
        order: NDArray[np.int64],
        loss: Loss | LossKind,
        augmentation: Mapping[str, float | int] | None,
        threads: int,
    ) -> NDArray[np.float32]: ...
    def profile(
        self,
        parameters: NDArray[np.float32],
        x: NDArray[Any],
        y: NDArray[Any],
        loss: Loss | LossKind,
        repeats: int,
    ) -> dict[str, Any]: ...
    def train(
        self,
        parameters: NDArray[np.float32],
        x: NDArray[Any],
        y: NDArray[Any],
        order: NDArray[np.int64],
        *,
        batch_size: int,
        loss: Loss | LossKind,
        optimizer: Mapping[str, float | bool | str],
        slots: Sequence[NDArray[np.float32]],
        iterations: NDArray[np.int64],
        learning_rates: NDArray[np.float32],
        augmentation: Mapping[str, float | int] | None,
        seed: int,
        epoch: int,
        exchange: _Exchange | None = None,
        threads: int,
        weights: NDArray[np.float32] | None = None,
        outputs: NDArray[np.float32] | None = None,
        regularizers: Sequence[tuple[int, int, float, float]] = (),
        constraints: Sequence[tuple[Any, Any]] = (),
    ) -> tuple[NDArray[np.float64], NDArray[np.int64]]: ...
    def distort(
        self,
        x: NDArray[Any],
        order: NDArray[np.int64],
        augmentation: Mapping[str, float | int],
        threads: int,
    ) -> NDArray[np.float32]: ...

class Int8Network:
    def __init__(
        self,
        input_shape: tuple[int, int, int],
        low: int,
        steps: Sequence[Any],
        *,
        scale: float,
        function: tuple[str, float, float, float],
        isa: str | None = None,
    ) -> None: ...
    @property
    def isa(self) -> str: ...
    def scores(self, y: NDArray[np.int32], x: NDArray[np.uint8], threads: int) -> None: ...
    def predict(self, y: NDArray[np.float32], x: NDArray[np.uint8], threads: int) -> None: ...
