"""Initial weights: Keras's initializers, and FanInUniform.

Sources: Glorot and Bengio, AISTATS 2010; He, Zhang, Ren and Sun, ICCV 2015; LeCun, Bottou, Orr and
Müller, Efficient BackProp, 1998; LeCun, Bottou, Bengio and Haffner, Proc. IEEE 86(11), 1998.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from . import _check, _configurable, _missing, _random
from ._configurable import serialize, short_name

__all__ = [
    "Constant",
    "FanInUniform",
    "GlorotNormal",
    "GlorotUniform",
    "HeNormal",
    "HeUniform",
    "Initializer",
    "LecunNormal",
    "LecunUniform",
    "Ones",
    "Orthogonal",
    "RandomNormal",
    "RandomUniform",
    "TruncatedNormal",
    "VarianceScaling",
    "Zeros",
    "constant",
    "fan_in_uniform",
    "get",
    "glorot_normal",
    "glorot_uniform",
    "he_normal",
    "he_uniform",
    "lecun_normal",
    "lecun_uniform",
    "ones",
    "orthogonal",
    "random_normal",
    "random_uniform",
    "serialize",
    "truncated_normal",
    "variance_scaling",
    "zeros",
]

__getattr__ = _missing.of(__name__)

# Standard deviation of a unit normal cut off at two standard deviations.
TRUNCATED_STDDEV = 0.87962566103423978


class Initializer(_configurable.Configurable, family="initializer"):
    """Base class: `initializer(shape)` gives a new C-ordered float32 array of that shape."""

    def __call__(self, shape: Sequence[int]) -> NDArray[np.float32]:
        raise NotImplementedError(f"{type(self).__name__} must override __call__(self, shape)")


class Zeros(Initializer):
    """All zeros."""

    def __call__(self, shape: Sequence[int]) -> NDArray[np.float32]:
        return np.zeros(shape, np.float32)


class Ones(Initializer):
    """All ones."""

    def __call__(self, shape: Sequence[int]) -> NDArray[np.float32]:
        return np.ones(shape, np.float32)


class _VarianceScaling(Initializer):
    """Random weights of mean 0 and variance scale / fan.

    Shapes: (in, out) or (kh, kw, in, out); a fan counts kh * kw * channels.
    seed: an integer gives the same values at every call; None draws from the package's generator.
    """

    scale: ClassVar[float]
    fan: ClassVar[str]
    distribution: ClassVar[str]

    def __init__(self, seed: int | None = None) -> None:
        self.seed = None if seed is None else _check.integer("seed", seed, 0)

    def __call__(self, shape: Sequence[int]) -> NDArray[np.float32]:
        shape = tuple(shape)
        rng = _random.generator() if self.seed is None else np.random.default_rng(self.seed)
        fan_in, fan_out = _fans(shape)
        fan = fan_in if self.fan == "in" else (fan_in + fan_out) / 2
        variance = self.scale / max(1.0, fan)
        if self.distribution == "uniform":
            limit = math.sqrt(3 * variance)
            return rng.uniform(-limit, limit, shape).astype(np.float32)
        stddev = math.sqrt(variance) / TRUNCATED_STDDEV
        return (stddev * _truncated_normal(rng, shape)).astype(np.float32)


class GlorotUniform(_VarianceScaling):
    """Uniform within +-sqrt(6 / (fan_in + fan_out))."""

    scale, fan, distribution = 1.0, "average", "uniform"


class GlorotNormal(_VarianceScaling):
    """Normal, cut off at two deviations, of variance 2 / (fan_in + fan_out)."""

    scale, fan, distribution = 1.0, "average", "normal"


class HeUniform(_VarianceScaling):
    """Uniform within +-sqrt(6 / fan_in)."""

    scale, fan, distribution = 2.0, "in", "uniform"


class HeNormal(_VarianceScaling):
    """Normal, cut off at two deviations, of variance 2 / fan_in."""

    scale, fan, distribution = 2.0, "in", "normal"


class LecunUniform(_VarianceScaling):
    """Uniform within +-sqrt(3 / fan_in)."""

    scale, fan, distribution = 1.0, "in", "uniform"


class LecunNormal(_VarianceScaling):
    """Normal, cut off at two deviations, of variance 1 / fan_in."""

    scale, fan, distribution = 1.0, "in", "normal"


class Constant(Initializer):
    """All of one value."""

    def __init__(self, value: float = 0.0) -> None:
        self.value = _check.real("value", value)

    def __call__(self, shape: Sequence[int]) -> NDArray[np.float32]:
        return np.full(shape, self.value, np.float32)


class _Drawn(Initializer):
    """Random values whatever the shape. seed: as for the others."""

    def __init__(self, seed: int | None) -> None:
        self.seed = None if seed is None else _check.integer("seed", seed, 0)

    def _generator(self) -> np.random.Generator:
        return _random.generator() if self.seed is None else np.random.default_rng(self.seed)


class RandomNormal(_Drawn):
    """Normal of this mean and standard deviation."""

    def __init__(self, mean: float = 0.0, stddev: float = 0.05, seed: int | None = None) -> None:
        super().__init__(seed)
        self.mean = _check.real("mean", mean)
        self.stddev = _check.real("stddev", stddev, "[0, inf)")

    def __call__(self, shape: Sequence[int]) -> NDArray[np.float32]:
        values = self._generator().normal(self.mean, self.stddev, tuple(shape))
        return values.astype(np.float32)


class TruncatedNormal(RandomNormal):
    """Normal of this mean and standard deviation, cut off at two deviations."""

    def __call__(self, shape: Sequence[int]) -> NDArray[np.float32]:
        values = _truncated_normal(self._generator(), tuple(shape))
        return (self.mean + self.stddev * values).astype(np.float32)


class RandomUniform(_Drawn):
    """Uniform from minval to maxval."""

    def __init__(
        self, minval: float = -0.05, maxval: float = 0.05, seed: int | None = None
    ) -> None:
        super().__init__(seed)
        self.minval = _check.real("minval", minval)
        self.maxval = _check.real("maxval", maxval)
        if self.maxval < self.minval:
            raise ValueError(f"maxval must not be below minval, {minval}, got {maxval}")

    def __call__(self, shape: Sequence[int]) -> NDArray[np.float32]:
        values = self._generator().uniform(self.minval, self.maxval, tuple(shape))
        return values.astype(np.float32)


class Orthogonal(_Drawn):
    """An orthogonal matrix (all axes but the last, the last), times gain.

    Source: Saxe, McClelland and Ganguli, ICLR 2014.
    """

    def __init__(self, gain: float = 1.0, seed: int | None = None) -> None:
        super().__init__(seed)
        self.gain = _check.real("gain", gain)

    def __call__(self, shape: Sequence[int]) -> NDArray[np.float32]:
        shape = tuple(shape)
        if len(shape) < 2:
            raise ValueError(f"shape must have at least two axes to be orthogonal, got {shape}")
        rows, columns = math.prod(shape[:-1]), shape[-1]
        a = self._generator().normal(size=(max(rows, columns), min(rows, columns)))
        q, r = np.linalg.qr(a)
        q *= np.sign(np.diag(r))
        return (self.gain * (q if rows >= columns else q.T)).reshape(shape).astype(np.float32)


class VarianceScaling(Initializer):
    """Random weights of mean 0 and variance scale / fan.

    mode: "fan_in", "fan_out" or "fan_avg". distribution: "truncated_normal", which is cut off at
    two deviations, "untruncated_normal" or "uniform". Shapes and seed as for the others.
    """

    def __init__(
        self,
        scale: float = 1.0,
        mode: str = "fan_in",
        distribution: str = "truncated_normal",
        seed: int | None = None,
    ) -> None:
        self.scale = _check.real("scale", scale, "(0, inf)")
        self.mode = _check.one_of("mode", mode, ("fan_in", "fan_out", "fan_avg"))
        kinds = ("truncated_normal", "untruncated_normal", "uniform")
        self.distribution = _check.one_of("distribution", distribution, kinds)
        self.seed = None if seed is None else _check.integer("seed", seed, 0)

    def __call__(self, shape: Sequence[int]) -> NDArray[np.float32]:
        shape = tuple(shape)
        fan_in, fan_out = _fans(shape)
        fans = {"fan_in": fan_in, "fan_out": fan_out, "fan_avg": (fan_in + fan_out) / 2}
        deviation = math.sqrt(self.scale / max(1.0, fans[self.mode]))
        if self.distribution == "uniform":
            limit = math.sqrt(3) * deviation
            return RandomUniform(-limit, limit, self.seed)(shape)
        if self.distribution == "untruncated_normal":
            return RandomNormal(0.0, deviation, self.seed)(shape)
        return TruncatedNormal(0.0, deviation / TRUNCATED_STDDEV, self.seed)(shape)


class FanInUniform(Initializer):
    """Uniform within +-scale / fan_in, as LeNet-5 began in 1998.

    scale: a number > 0. Shapes and seed as for the others.
    """

    def __init__(self, scale: float = 2.4, seed: int | None = None) -> None:
        self.scale = _check.real32("scale", scale, "(0, inf)")
        self.seed = None if seed is None else _check.integer("seed", seed, 0)

    def __call__(self, shape: Sequence[int]) -> NDArray[np.float32]:
        shape = tuple(shape)
        rng = _random.generator() if self.seed is None else np.random.default_rng(self.seed)
        limit = self.scale / max(1.0, _fans(shape)[0])
        return rng.uniform(-limit, limit, shape).astype(np.float32)


fan_in_uniform = FanInUniform
glorot_uniform, glorot_normal = GlorotUniform, GlorotNormal
he_uniform, he_normal = HeUniform, HeNormal
lecun_uniform, lecun_normal = LecunUniform, LecunNormal
random_normal, random_uniform, truncated_normal = RandomNormal, RandomUniform, TruncatedNormal
constant, orthogonal, variance_scaling = Constant, Orthogonal, VarianceScaling
zeros, ones = Zeros, Ones

_NAMES: dict[str, type[Initializer]] = {
    **{short_name(cls): cls for cls in Initializer.members.values()},
    "normal": RandomNormal,
    "uniform": RandomUniform,
    "zero": Zeros,
    "one": Ones,
}


def get(identifier: object) -> Initializer:
    """The initializer for a name, a config dict, a class or an instance (returned as it is)."""
    if isinstance(identifier, type) and issubclass(identifier, Initializer):
        return identifier()
    return _configurable.get(Initializer, identifier, _NAMES)


def _fans(shape: tuple[int, ...]) -> tuple[int, int]:
    """Inputs of one output and outputs of one input of a dense or convolution kernel."""
    if len(shape) < 2:
        fan = shape[0] if shape else 1
        return fan, fan
    field = math.prod(shape[:-2])
    return field * shape[-2], field * shape[-1]


def _truncated_normal(rng: np.random.Generator, shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Unit normal values, drawn again until they lie within two deviations."""
    values = rng.standard_normal(math.prod(shape))
    while (outside := np.flatnonzero(np.abs(values) > 2)).size:
        values[outside] = rng.standard_normal(outside.size)
    return values.reshape(shape)
