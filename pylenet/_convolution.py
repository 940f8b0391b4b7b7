"""By which algorithm convolutions are computed."""

from __future__ import annotations

from . import _check, _core


def set_convolution(name: str) -> None:
    """Compute convolutions by this algorithm from now on: "cook_toom", the default, or "direct".

    direct: each output is one sum, a product for each weight. cook_toom: 2 to 6.25 times fewer
    products for kernels of 3 x 3 and 5 x 5, where that was measured to be faster; it rounds
    otherwise (docs/numerics.md). A model takes it up when it first runs, and at each `compile`: no
    training changes its arithmetic midway. Until this is called PYLENET_CONVOLUTION says which.
    Raises ValueError for another name.
    """
    _core.set_convolution(_check.one_of("name", name, ("cook_toom", "direct")))


def get_convolution() -> str:
    """The algorithm in use: "cook_toom" or "direct".

    Raises ValueError where PYLENET_CONVOLUTION is neither.
    """
    return _core.active_convolution()
