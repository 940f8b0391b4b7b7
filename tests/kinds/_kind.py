"""What the tests know of a kind of layer, and what the tables need of it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from typing import NamedTuple

import core
import numpy as np
from seeded import integers, uniform
from tolerance import summed

from pylenet import ops
from pylenet.layers import Input, Layer
from pylenet.models import Sequential
from pylenet.utils import set_random_seed

KINDS: dict[type, "Kind"] = {}  # by the layer's class


def kind_of(layer) -> "Kind":
    return KINDS[type(layer)]


def copy_of(layer):
    """The same layer, not yet in a model."""
    return type(layer).from_config(layer.get_config())


@dataclass(frozen=True, eq=False)
class Case:
    """A layer, the shape of its input without the batch, and how many images it is given.

    output_shape and weights (names and shapes, in order) are spelled out in an entry's `cases`;
    elsewhere they are left out, and known from the entry's float64 functions.
    """

    layer: Layer
    input_shape: tuple
    output_shape: tuple | None = None
    weights: dict = field(default_factory=dict)
    batch: int = 19

    def __str__(self):
        return f"{repr(self.layer)[:80]}-{'x'.join(map(str, self.input_shape))}-n{self.batch}"

    def of(self, batch):
        return replace(self, batch=batch)

    @property
    def kind(self):
        return kind_of(self.layer)

    @cached_property
    def weight_shapes(self):
        return self.weights or self.kind.weights(self.layer, self.input_shape)

    @property
    def averages(self):
        """The weights without a gradient, which come last."""
        return [name for name in self.weight_shapes if name in self.kind.averages]

    @property
    def gradients(self):
        """How many there are: of x and of the weights that have one."""
        return 1 + len(self.weight_shapes) - len(self.averages)

    def model(self, *more):
        """A new model of the layer, with more layers on top, and always the same weights."""
        set_random_seed(5)
        return Sequential([Input(self.input_shape), copy_of(self.layer), *more])

    def arrays(self, make=None, seed=1):
        """dy, x and the weights; x as the kind wants it, unless `make` makes all."""
        x = (make or self.kind.inputs)((self.batch, *self.input_shape), seed)
        weights = {
            name: self.kind.weight(name, (make or uniform)(shape, seed + 2 + k))
            for k, (name, shape) in enumerate(self.weight_shapes.items())
        }
        one = self.kind.forward(self.layer, x[:1], *weights.values())
        dy = (make or uniform)((self.batch, *one.shape[1:]), seed + 1)
        return {"dy": dy, "x": x, **weights}

    @lru_cache  # noqa: B019 - cases live as long as the tests
    def problem(self, make=None, margin=1e-4, seed=1):
        """Arrays, what float64 makes of them, and the largest errors of float32.

        The gradient is not asked for at outputs within `margin` of a kink, which lies a rounding
        to its other side in float32.
        """
        arrays = self.arrays(make, seed)
        dy, *rest = arrays.values()
        exact = make is integers and self.kind.exact(self.layer)
        if not exact:
            near = self.kind.near_kink(self.layer, margin, *rest)
            assert near.size < 20 or np.mean(near) < 0.5
            arrays["dy"] = dy = np.where(near, np.float32(0), dy)
        y = self.kind.forward(self.layer, *rest)
        gradients = self.kind.backward(self.layer, dy, *rest)
        errors = self.kind.errors(self.layer, dy, *rest)
        return Problem(arrays, y, gradients, [0.0] * len(errors) if exact else errors)


class Problem(NamedTuple):
    arrays: dict
    y: np.ndarray
    gradients: tuple
    errors: Sequence[float]  # of y, dx and the weights' gradients


@dataclass(frozen=True, eq=False)
class Call:
    """A layer forward or backward as a function of arrays by name.

    It is the kind's function of pylenet.ops, or the layer itself where there is none or if
    `by_layer`.
    """

    case: Case
    backward: bool = False
    by_layer: bool = False

    @property
    def op(self):
        """The function's name in pylenet.ops, or None."""
        kind, plane = self.case.kind, len(self.case.input_shape) == 2  # an image without channels
        if kind.op is None or self.by_layer or plane or not kind.has_op(self.case.layer):
            return None
        return kind.op + "_backward" * self.backward

    def __str__(self):
        return f"{self.op or ('layer', 'layer_backward')[self.backward]}-{self.case}"

    @property
    def names(self):
        """Of the arrays that it takes: a backward function of ops has no bias."""
        left_out = "bias" if self.backward and self.op else None
        weights = [name for name in self.case.weight_shapes if name != left_out]
        return [*["dy"][: self.backward], "x", *weights]

    def inputs(self, batch, seed=0, make=None):
        """Its arrays by name."""
        arrays = self.case.of(batch).arrays(make, seed)
        return {name: arrays[name] for name in self.names}

    def __call__(self, arrays):
        """The results, always as a tuple; the first has the batch in front."""
        layer, kind = self.case.layer, self.case.kind
        if self.op:
            options = {name: getattr(layer, own) for name, own in kind.options.items()}
            result = getattr(ops, self.op)(**arrays, **options)
            return result if isinstance(result, tuple) else (result,)
        model = self.case.model()
        model.set_weights([arrays[name] for name in self.case.weight_shapes])
        if self.backward:
            return core.gradients(model, arrays["x"], arrays["dy"])
        return (model.predict(arrays["x"]),)


class Kind:
    """An entry: one kind of layer. Subclasses that name their `layer` fill KINDS.

    Float64 functions take the layer for its settings; `weights` are arrays in the layer's order.
    """

    layer: type  # of pylenet.layers
    averages: Sequence[str] = ()  # weights that follow what a step has seen: their gradient is zero
    op: str | None = None  # in pylenet.ops, its gradient with _backward behind the name
    options: dict[str, str] = {}  # the op's options, and the layer's attributes for them

    cases: Sequence[Case]  # small and awkward, shapes spelled out; each table has all of them
    awkward: Sequence[Case] = ()  # whose arguments are tried in every dtype and layout
    lenet: Sequence[Case] = ()  # LeNet's own: the same bits on them as well
    sizes: Sequence[Case] = ()  # more, compared with float64, exactly where that is possible
    sweeps: dict[str, Sequence[Case]] = {}  # one size after the other, compared exactly

    good: dict  # arguments of the constructor
    wrong: dict[str, Sequence[tuple]]  # for each argument, wrong values and their errors
    misfits: Sequence[tuple] = ()  # a layer, an input that it does not take, the error's text

    ranks: Sequence[int] = (3,)  # of the input that random instances take: 3 images, 1 rows

    # What it computes

    def weights(self, layer, input_shape) -> dict:
        """Names and shapes, in order."""
        return {}

    def forward(self, layer, x, *weights) -> np.ndarray:
        """The output in float64."""
        raise NotImplementedError

    def backward(self, layer, dy, x, *weights) -> tuple:
        """dx and the weights' gradients in float64."""
        raise NotImplementedError

    def forward_in_training(self, layer, x, *weights) -> np.ndarray:
        """The output in float64 in a step's first epoch, of all its images in order."""
        return self.forward(layer, x, *weights)

    def backward_in_training(self, layer, dy, x, *weights) -> tuple:
        """As backward; for averages what the step takes off them."""
        return self.backward(layer, dy, x, *weights)

    @property
    def differs_in_training(self) -> bool:
        return type(self).forward_in_training is not Kind.forward_in_training

    def errors(self, layer, dy, x, *weights) -> Sequence[float]:
        """The largest errors of float32's y, dx and weights' gradients. Moved values have none."""
        return [0.0] * (2 + len(weights))

    def without_hessian(self, layer, input_shape) -> str | None:
        """In a network, why no Hessian goes through it: the error's text."""
        return None

    # Where it shows

    def has_op(self, layer) -> bool:
        """Whether `op` does all that this layer does."""
        return True

    def exact(self, layer) -> bool:
        """Whether float32 makes no error with small integers.

        And a smooth layer none in a difference over steps of 1: a polynomial up to degree 2.
        """
        return True

    def inputs(self, shape, seed) -> np.ndarray:
        """An x at which nothing hides an error of the gradient."""
        return uniform(shape, seed)

    def weight(self, name, values) -> np.ndarray:
        """The weight `name`, made from random values."""
        return values

    def near_kink(self, layer, margin, x, *weights) -> np.ndarray:
        """Which outputs lie within `margin` of a place where the gradient jumps."""
        return np.bool_(False)

    def smooth(self, layer) -> bool:
        """Whether the gradient jumps nowhere."""
        return True

    # Random instances

    def random(self, draw, input_shape) -> Layer | None:
        """A layer drawn with Hypothesis for inputs of one shape. None: no random instances."""
        return None

    def suits_networks(self) -> bool:
        """Whether random networks have it: where it leaves numbers about as large as they were."""
        return True

    # The order of sums, where it is documented

    order: Sequence[Case] = ()

    def in_order(self, layer, multiply_add: Callable, dy, x, *weights) -> tuple:
        """y, dx and the weights' gradients in float32, each sum written out in its order."""
        raise NotImplementedError

    def __init_subclass__(cls):
        if "layer" in vars(cls):
            KINDS[cls.layer] = cls()


def product_errors(forward_terms, back_terms, weight_terms, dy, x, kernel, bias=None):
    """errors() of a layer that sums products of x and kernel: how many go into y, dx, dkernel."""
    errors = [
        summed(forward_terms, x, kernel, bias=0 if bias is None else bias),
        summed(back_terms, dy, kernel),
        summed(weight_terms, dy, x),
    ]
    return errors if bias is None else [*errors, summed(weight_terms, dy)]
