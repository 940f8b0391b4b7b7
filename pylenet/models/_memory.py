"""Where weights lie: one flat buffer for a model and for those that share layers with it."""

from __future__ import annotations

from typing import TYPE_CHECKING
from weakref import WeakSet

import numpy as np
from numpy.typing import NDArray

from .. import _core
from ._trainer import TrainerLock

if TYPE_CHECKING:
    from ..layers import Layer
    from ._stack import LayerStack


class Memory:
    """The weights of the models that have layers in common.

    Each layer lies in one place of the buffer, whichever models have it; a model's parameters are
    the range that its layers lie in. gate, trainer: who may touch the weights, asked by all of
    these models.
    """

    def __init__(self) -> None:
        self.buffer = _core.zeros(0)  # with room for some more to come
        self.end = 0  # from which on nothing lies there
        self.gate = _core.Gate()
        self.trainer = TrainerLock()
        self._stacks: WeakSet[LayerStack] = WeakSet()

    def serve(self, stack: LayerStack) -> None:
        """Tell this stack from now on when its weights move."""
        self._stacks.add(stack)

    def room(self, end: int) -> NDArray[np.float32]:
        """A buffer of what lies here, with zeros behind it up to `end`: for `take`."""
        buffer = self.buffer
        if end > buffer.size:
            self._check_idle()
            buffer = _core.zeros(max(end, buffer.size * 5 // 4))  # copies are few
            buffer[: self.end] = self.buffer[: self.end]
        buffer[self.end : end] = 0  # also where drawing weights once failed half-way
        return buffer

    def take(self, buffer: NDArray[np.float32], end: int) -> None:
        """Have all lie in this buffer from now on, up to `end`."""
        moved, self.buffer, self.end = buffer is not self.buffer, buffer, end
        if moved:
            for stack in self._stacks:
                stack.move(self, 0)

    def absorb(self, other: Memory) -> None:
        """Take over all that lies in another memory, and the models it serves."""
        self._check_idle()
        other._check_idle()
        start, end = self.end, self.end + other.end
        buffer = self.room(end)
        buffer[start:end] = other.buffer[: other.end]
        self.take(buffer, end)
        for stack in list(other._stacks):
            stack.move(self, start)
            self._stacks.add(stack)

    def others(self, layer: Layer, stack: LayerStack) -> list[LayerStack]:
        """The models besides `stack` that have this layer."""
        return [other for other in self._stacks if other is not stack and layer in other.layers]

    def forget_what_nobody_has(self) -> None:
        """Use the room at the end again."""
        self.end = max((stack.range[1] for stack in self._stacks), default=0)

    def _check_idle(self) -> None:
        if self.trainer.busy:
            raise RuntimeError(
                "weights must stay where they are while a model is trained: make models of its "
                "layers, and add layers, before or afterwards"
            )
