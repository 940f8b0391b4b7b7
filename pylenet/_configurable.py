"""What layers, losses, optimizers and their like share: a config of the constructor's arguments."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any, ClassVar, TypeVar, cast

from ._missing import OldArguments

T = TypeVar("T", bound="Configurable")


class Configurable(metaclass=OldArguments):
    """Base of what its constructor's arguments tell; each is an attribute of the same name.

    class Loss(Configurable, family="loss") begins a family: its subclasses in this package are
    `members`, by class name, and only they can be named in a config. not_called: names of methods
    that training never calls, so that a class outside of this package must not define them.
    """

    family: ClassVar[str]  # as messages call it
    members: ClassVar[dict[str, type[Any]]]
    not_called: ClassVar[tuple[str, ...]] = ()
    _found_parameters: ClassVar[Mapping[str, inspect.Parameter]]

    def __init_subclass__(
        cls, *, family: str = "", not_called: tuple[str, ...] = (), **settings: Any
    ) -> None:
        super().__init_subclass__(**settings)
        if family:
            cls.family, cls.members, cls.not_called = family, {}, not_called
            return
        if not is_own(cls):
            refuse_methods(cls, cls.not_called)
        elif not cls.__name__.startswith("_"):
            cls.members[cls.__name__] = cls

    def arguments(self) -> dict[str, Any]:
        """The constructor's arguments by name."""
        return {name: getattr(self, name) for name in self._parameters() if hasattr(self, name)}

    def get_config(self) -> dict[str, Any]:
        """Constructor arguments, as JSON values."""
        return self.arguments()

    @classmethod
    def from_config(cls: type[T], config: dict[str, Any]) -> T:
        """A new object from what `get_config` returned."""
        return cls(**config)

    @classmethod
    def _parameters(cls) -> Mapping[str, inspect.Parameter]:
        """The constructor's by name; with **keywords, also those of the class they go on to.

        Reading a signature takes longer than building a layer, so each class keeps its own.
        """
        if "_found_parameters" in vars(cls):
            return cls._found_parameters
        found: dict[str, inspect.Parameter] = {}
        for base in cls.__mro__:
            if "__init__" in vars(base) and base is not object:
                own = inspect.signature(vars(base)["__init__"]).parameters
                found |= {name: own[name] for name in own if name not in found}
                if not any(parameter.kind is parameter.VAR_KEYWORD for parameter in own.values()):
                    break
        cls._found_parameters = MappingProxyType(found)
        return cls._found_parameters

    def __repr__(self) -> str:
        arguments = ", ".join(f"{name}={value!r}" for name, value in self.arguments().items())
        return f"{type(self).__name__}({arguments})"


def is_own(cls: type[Any]) -> bool:
    """Whether this package defines the class."""
    return cls.__module__.startswith(f"{__package__}.")


def refuse_methods(cls: type[Any], names: Iterable[str]) -> None:
    """Raise TypeError where the class itself defines one of these, which would do nothing."""
    for name in names:
        if name in vars(cls):
            raise TypeError(
                f"{cls.__name__} must not have a method {name}: training would not call it, "
                "because C++ computes that"
            )


def short_name(cls: type[Any]) -> str:
    """As max_pooling2d of MaxPooling2D."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", cls.__name__).lower()


def serialize(value: Configurable) -> dict[str, Any]:
    """The config dict that names class and arguments, of JSON values only; without any state."""
    return {"class_name": type(value).__name__, "config": value.get_config()}


def get(
    family: type[Any],
    identifier: object,
    names: Mapping[str, type[T]],
    fold: Callable[[str], str] = str,
) -> T:
    """The member that a name, a config dict or an instance (returned as it is) stands for.

    names: the short names, besides those of classes. fold: applied to a name before it is sought
    among them.
    """
    if isinstance(identifier, family):
        return cast(T, identifier)
    name, config = _identifier(family.family, identifier)
    found: type[T] | None = names.get(fold(name)) or family.members.get(name)
    if found is None:
        raise ValueError(f"{family.family} must be one of {list(names)}, got {name!r}")
    return found.from_config(config)


def _identifier(name: str, value: object) -> tuple[str, dict[str, Any]]:
    """Name and config of a string or of a {"class_name": ..., "config": {...}} dict."""
    if isinstance(value, str):
        return value, {}
    if not isinstance(value, dict):
        raise TypeError(f"{name} must be a name, an instance or a config dict, got {value!r}")
    class_name, config = value.get("class_name"), value.get("config", {})
    if not (isinstance(class_name, str) and isinstance(config, dict)):
        raise ValueError(f"{name} must have a 'class_name' and a 'config' dict, got {value!r}")
    return class_name, dict(config)
