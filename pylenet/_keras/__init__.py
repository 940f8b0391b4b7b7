"""Names of Keras: those that are not in pylenet, and those that Keras had in its versions 1 and 2.

A module of pylenet that lacks a name asks `attribute` (through `_missing.py`). `Finder` does the
same for modules. A name that Keras has and pylenet has not is a `Placeholder`, which can be
imported and raises when it is used; an old name is today's thing, with one DeprecationWarning.
"""

from __future__ import annotations

import importlib
import sys
from importlib.abc import Loader
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any, NoReturn

from .. import _missing
from . import _names
from ._old import convolution2d, warn_once

PACKAGE = "pylenet"


class Placeholder:
    """A name of Keras that is not in pylenet: `from pylenet.layers import LSTM` works.

    Calling it, taking an attribute of it or making a class of it raises an error that says what to
    do instead. Nothing is an instance of it.
    """

    def __init__(self, name: str, instead: str) -> None:
        self._name, self._instead = name, instead

    def __call__(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise NotImplementedError(self._sentence())

    def __getattr__(self, name: str) -> NoReturn:
        if name.startswith("_"):
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        raise AttributeError(self._sentence())

    def __mro_entries__(self, bases: tuple[Any, ...]) -> NoReturn:
        raise NotImplementedError(self._sentence())

    def __instancecheck__(self, instance: object) -> bool:
        return False

    def __subclasscheck__(self, cls: type) -> bool:
        return False

    def __repr__(self) -> str:
        return f"<{self._name}, which is not in {PACKAGE}>"

    def _sentence(self) -> str:
        return f"{self._name} is not in {PACKAGE}: {self._instead}"


_found: dict[tuple[str, str], Any] = {}  # what was answered, so that it is one object, warned once


def attribute(module: str, name: str) -> Any:
    """What stands for `name` of Keras in this module of pylenet. Raises AttributeError for none."""
    key = (module, name)
    if key not in _found:
        _found[key] = _sought(module, name)
    return _found[key]


def _sought(module: str, name: str) -> Any:
    place = module.partition(".")[2]  # as Keras calls it: "layers"
    path = f"{place}.{name}".lstrip(".")
    if place in ("ops", "backend"):
        from ._tensors import PLACES

        if name in PLACES[place]:
            return PLACES[place][name]
    if path in _names.SAME:
        return _thing(_names.SAME[path])
    if path in _names.RENAMED:
        today = _names.RENAMED[path]
        warn_once(f"{PACKAGE}.{path} is a name of Keras 1 or 2; today it is {PACKAGE}.{today}")
        return convolution2d if name == "Convolution2D" else _thing(today)
    if path in _names.WHOLE or _names.is_module(path):
        return importlib.import_module(f"{PACKAGE}.{path}")
    if instead := _names.instead_of(place, name):
        return Placeholder(f"{module}.{name}", instead)
    raise AttributeError(f"module {module!r} has no attribute {name!r}")


def _thing(path: str) -> Any:
    """The thing at this place below the package."""
    module, _, name = path.rpartition(".")
    return getattr(importlib.import_module(f"{PACKAGE}.{module}".rstrip(".")), name)


class ModuleLoader(Loader):
    """Puts a module that is there in the place of an old name, or makes one of placeholders."""

    def __init__(self, target: str | None) -> None:
        self._target = target

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return None

    def exec_module(self, module: ModuleType) -> None:
        name = module.__name__
        if self._target is not None:
            sys.modules[name] = importlib.import_module(self._target)
            return
        module.__doc__ = f"Names of Keras's module of this name, which is not in {PACKAGE}."
        vars(module).update(__all__=[], __getattr__=_missing.of(name))


def spec(fullname: str) -> ModuleSpec | None:
    """How to import the module of Keras, of any version, that pylenet has not under this name."""
    path = fullname.partition(".")[2]
    for alias in _names.WHOLE:  # pylenet.keras.layers is pylenet.layers
        if path == alias or path.startswith(f"{alias}."):
            return ModuleSpec(fullname, ModuleLoader(PACKAGE + path[len(alias) :]))
    if path in _names.MOVED:
        today = f"{PACKAGE}.{_names.MOVED[path]}"
        warn_once(f"{fullname} is a module of Keras 1 or 2; its names are in {today} today")
        return ModuleSpec(fullname, ModuleLoader(today))
    if _names.is_module(path):
        return ModuleSpec(fullname, ModuleLoader(None), is_package=True)
    return None
