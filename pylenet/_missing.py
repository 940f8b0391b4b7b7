"""What a public module answers when it is asked for a name of Keras that it does not have.

`__getattr__ = of(__name__)` in a module is all; what it knows is in `_keras`, read when it is used.
So it is with modules that Keras has, or once had, and arguments of its versions 1 and 2.
"""

from __future__ import annotations

import functools
from abc import ABCMeta
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from importlib.machinery import ModuleSpec
    from inspect import Signature
    from types import ModuleType

T = TypeVar("T", bound=Callable[..., Any])

# Arguments of Keras 1 and 2, or that do nothing here: `_keras/_old.py` says what they are today.
_NAMES = (
    "W_constraint W_regularizer alpha amsgrad axis b_constraint b_regularizer batch_input_shape "
    "beta_init bias border_mode class_mode custom_objects decay dilation_rate "
    "dim_ordering epsilon expand_nested fused gamma_init grayscale groups init input jit_compile l "
    "loss_weights lr max_q_size max_queue_size mode nb_classes nb_col nb_epoch nb_filter nb_row "
    "nb_worker noise_shape output output_dim p period pickle_safe positions ragged reduction "
    "renorm run_eagerly safe_mode "
    "sample_weight_mode save_format show_accuracy show_trainable sigma sparse steps_per_execution "
    "subsample theano_mode "
    "use_multiprocessing workers"
)
OLD_ARGUMENTS = frozenset(_NAMES.split())


def of(module: str, lazy: dict[str, str] | None = None) -> Callable[[str], Any]:
    """A module's `__getattr__`. lazy: names of its own, by the submodule they are imported from.

    A name that is in neither raises AttributeError, as it would without.
    """

    def attribute(name: str) -> Any:
        if lazy and name in lazy:
            from importlib import import_module

            place = import_module(f".{lazy[name]}", module)
            return place if lazy[name] == name else getattr(place, name)
        if not name.startswith("_"):
            from ._keras import attribute

            return attribute(module, name)
        raise AttributeError(f"module {module!r} has no attribute {name!r}")

    return attribute


class FirstFinder:
    """Finds pylenet itself under another name. Before others, which would import it once more."""

    @staticmethod
    def find_spec(
        fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if not fullname.startswith(("pylenet.keras", "pylenet.tf_keras.keras")):
            return None
        from ._keras import spec

        return spec(fullname)


class LastFinder:
    """Finds modules of Keras that pylenet has in another place, or has not: see `_keras`."""

    @staticmethod
    def find_spec(
        fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if not fullname.startswith("pylenet.") or "._" in fullname:
            return None
        from ._keras import spec

        return spec(fullname)


class OldArguments(ABCMeta):
    """Of classes whose constructors take arguments of Keras 1 and 2 by today's names."""

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        if not OLD_ARGUMENTS.isdisjoint(kwargs):
            from ._keras._old import today

            args, kwargs = today(cls, args, kwargs)
        try:
            return super().__call__(*args, **kwargs)
        except TypeError as error:
            who, call, what = str(error).partition(".__init__()")
            if call and who in {base.__qualname__ for base in cls.__mro__}:
                raise TypeError(f"{cls.__name__}(){what}") from None
            raise

    @property
    def __signature__(cls) -> Signature:
        """Of the constructor, which help and editors show."""
        from inspect import signature

        found = signature(cls.__init__)  # type: ignore[misc]
        return found.replace(parameters=list(found.parameters.values())[1:])


def takes_old_arguments(function: T) -> T:
    """Decorates a function that takes arguments of Keras 1 and 2 by today's names."""

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        if not OLD_ARGUMENTS.isdisjoint(kwargs):
            from ._keras._old import today

            args, kwargs = today(function, args, kwargs)
        return function(*args, **kwargs)

    return call  # type: ignore[return-value]
