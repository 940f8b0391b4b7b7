"""Training, evaluating and predicting on many processes by MPI, to the bits of one.

    # mpirun -n 4 python script.py
    world = pylenet.distributed.MPI()
    (x, y), test = world.shared(pylenet.datasets.mnist.load_data)
    model.fit(x, y, batch_size=1024, epochs=5, distribute=world)

Every process, a rank, runs the same script. They share the images of each step, exchange what the
gradient is summed from, and share its parts, each summed in the order of one process
(docs/distributed.md). It needs mpi4py and an MPI: `pip install "pylenet[mpi]"`.
"""

from __future__ import annotations

import os
import pickle
import signal
import struct
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import Any, NoReturn, TypeVar

import numpy as np
from numpy.typing import NDArray

from . import _core, _threads
from ._callback import CallbackList, History, TerminateOnNaN

__all__ = ["MPI", "RankError"]

Shared = TypeVar("Shared")
Arrays = Sequence[tuple[int, int]]  # in the node's memory: where one begins, floats of a group

SPINS = 3000  # looks at a request, some milliseconds, before it is looked at only now and then
NAP_SECONDS = 50e-6
LINE = 64  # bytes of a cache line: no two ranks write to one of an array
HEADER = struct.Struct("=4q")  # of a meeting: whether this rank failed, which, what for, a size
HELD_SIGNALS = signal.SIGINT, signal.SIGTERM
ALARM = 1  # the tag of a message that says no more
PIECE = 1 << 30  # bytes in one message, which counts in 32 bits

# What a meeting is for.
EXCHANGE, SUMS, BROADCAST, GATHER, WAIT = KINDS = range(5)


class RankError(RuntimeError):
    """Another rank has failed; the text says which, and how."""


class MPI:
    """The processes that `mpirun` started, to be given to `fit`, `evaluate` and `predict`.

    comm: an mpi4py communicator of the ranks that work together, COMM_WORLD if None; it is
    duplicated, so every one of its ranks must come here. rank, ranks: which of how many this is.
    exchanges, bytes_exchanged: how often records were exchanged so far, and all ranks' bytes.
    Without `mpirun` there is one. Where the number of threads was not chosen, the ranks of a node
    share its processors. An exception that ends a rank's script ends all ranks.

    Raises ImportError without mpi4py, ValueError where the ranks differ in what the bits or the
    records depend on: pylenet's version, instruction set, convolution algorithm.
    """

    def __init__(self, comm: Any = None) -> None:
        self._mpi = mpi = _mpi4py()
        world = (mpi.COMM_WORLD if comm is None else comm).Dup()
        node = world.Split_type(mpi.COMM_TYPE_SHARED)
        # Ranks of a node follow each other, so that a node's share is one piece.
        first = node.bcast(world.rank)
        self._connect(world.Split(0, first * world.size + world.rank), node.size)
        _abort_on_uncaught_errors(self)
        self._agree_on_the_build()
        self._share_processors()

    def _connect(self, comm: Any, node_size: int) -> None:
        """Nodes of `node_size` neighbouring ranks, each as many as this rank's says."""
        self._comm = comm
        self.rank: int = comm.rank
        self.ranks: int = comm.size
        sizes = comm.allgather(node_size)
        starts = [0]
        while starts[-1] + sizes[starts[-1]] < self.ranks:
            starts.append(starts[-1] + sizes[starts[-1]])
        self._nodes = [(begin, begin + sizes[begin]) for begin in starts]
        mine = next(i for i, (b, e) in enumerate(self._nodes) if b <= self.rank < e)
        self._node = comm.Split(mine, self.rank)
        leads = self._node.rank == 0
        self._leaders = comm.Split(0 if leads else 1, self.rank) if len(starts) > 1 else None
        self._leads = leads
        self._header = bytearray(HEADER.size)
        self._headers = bytearray(self.ranks * HEADER.size)
        self._meetings = 0  # so many there were
        self._inside = 0  # `together` blocks
        self.told: BaseException | None = None  # the error that all ranks know of
        self._whole = _Whole()
        self._windows: list[Any] = []  # memory that arrays lie in
        self._records, self._state = _NodeMemory(), _NodeMemory()  # of steps; of what is trained
        self._plans: dict[Any, list[Any]] = {}
        self.exchanges = self.bytes_exchanged = 0
        self._seats: Any = None  # memory in which they meet
        self._roomy = False  # whether each thread of the node's ranks has a processor
        self._meeting: _core.Meeting | None = None
        if self.ranks > 1:
            self._meeting = self._take_seats()

    def __repr__(self) -> str:
        return f"MPI()  # rank {self.rank} of {self.ranks}"

    @contextmanager
    def apart(self) -> Iterator[None]:
        """Within `together`, a long block in which ranks do not meet: each must `look`."""
        try:
            yield
        except BaseException as error:
            if error is not self.told:
                for rank in range(self.ranks):
                    if rank != self.rank:
                        self._comm.isend(None, rank, ALARM)
            raise

    def look(self) -> None:
        """Raise RankError or KeyboardInterrupt where another rank has left `apart` by an error."""
        if self._comm.iprobe(tag=ALARM):
            self._comm.recv(tag=ALARM)
            self._meet(WAIT, 0)

    def abort(self, code: int) -> NoReturn:
        """End all ranks at once, wherever they are."""
        sys.stdout.flush()
        sys.stderr.flush()
        self._comm.Abort(code)
        raise SystemExit(code)

    @property
    def nodes(self) -> int:
        """How many machines, or groups of ranks that share memory, there are."""
        return len(self._nodes)

    @property
    def place_in_node(self) -> tuple[int, int]:
        """Which this is of a node's ranks, and of how many."""
        return self._node.rank, self._node.size

    def shared(self, load: Callable[[], Shared]) -> Shared:
        """What load() returns, called by rank 0 alone; to be called by every rank.

        Its numpy arrays lie in memory that all ranks of a node share, once a node, and are
        read-only; they stay there until the process ends. All else is pickled. Where load() raises,
        so do all ranks.
        """
        with self.together():
            buffers: list[pickle.PickleBuffer] = []
            text, sizes = b"", []
            if self.rank == 0:
                text = pickle.dumps(load(), protocol=5, buffer_callback=buffers.append)
                sizes = [buffer.raw().nbytes for buffer in buffers]
            text, sizes = self.broadcast((text, sizes))
            places = [0]
            for size in sizes:
                places.append(places[-1] + -(-size // LINE) * LINE)
            with self._whole:
                window, memory = self._allocate(places[-1])
                self._windows.append(window)
                for place, buffer in zip(places, buffers, strict=False):
                    raw = np.frombuffer(buffer.raw(), np.uint8)
                    memory[place : place + len(raw)] = raw
                if self._leaders is not None and self._leads:
                    for start in range(0, places[-1], PIECE):
                        self._wait(self._leaders.Ibcast(memory[start : start + PIECE]))
                self._meet(WAIT, 0)
            memory.flags.writeable = False
            views = [
                memoryview(memory[place : place + size])  # type: ignore[arg-type]
                for place, size in zip(places, sizes, strict=False)
            ]
            value: Shared = pickle.loads(text, buffers=views)
            return value

    @contextmanager
    def together(self) -> Iterator[None]:
        """A block that all ranks go through: if one leaves it by an exception, so do all.

        The others get a RankError that tells of it, or KeyboardInterrupt. They are told when they
        next wait for the ranks in such a block.
        """
        self._inside += 1
        left = False
        try:
            self._whole.listen()
            yield
            if self._inside == 1:
                with self._whole:
                    self._meet(WAIT, 1)  # nobody leaves while another may still fail
                    left = True  # what comes now is not the others' affair
        except BaseException as error:
            if self.told is not error and not left:
                self._tell(error)
            raise
        finally:
            self._inside -= 1
            if not self._inside:
                self._whole.listen_no_more()

    def broadcast(self, value: Shared) -> Shared:
        """Rank 0's value, pickled, on all ranks."""
        if self.ranks == 1:
            return value
        data = np.frombuffer(pickle.dumps(value), np.uint8).copy() if self.rank == 0 else None
        with self._whole:
            self._meet(BROADCAST, -1 if data is None else len(data))
            if data is None:
                data = np.empty(int(self._sizes()[0]), np.uint8)
            self._wait(self._comm.Ibcast(data))
        if self.rank == 0:
            return value
        received: Shared = pickle.loads(data.tobytes())
        return received

    def gather(self, value: Shared) -> list[Shared]:
        """Every rank's value, pickled, by rank, on all of them."""
        if self.ranks == 1:
            return [value]
        data = np.frombuffer(pickle.dumps(value), np.uint8).copy()
        with self._whole:
            self._meet(GATHER, len(data), alike=False)
            sizes = self._sizes()
            whole = np.empty(int(sizes.sum()), np.uint8)
            places = np.cumsum(sizes) - sizes
            there = [whole, sizes.tolist(), places.tolist(), self._mpi.BYTE]
            self._wait(self._comm.Iallgatherv(data, there))
        return [
            pickle.loads(whole[place : place + size].tobytes())
            for place, size in zip(places, sizes, strict=True)
        ]

    def check_alike(self, values: dict[str, Any]) -> None:
        """Raise ValueError, on all ranks, where one has others of the named values."""
        found = self.gather(values)
        for name in values:
            for rank, one in enumerate(found):
                if one[name] != found[0][name]:
                    self.told = ValueError(
                        f"all ranks must have the same {name}, got {found[0][name]!r} on rank 0 "
                        f"and {one[name]!r} on rank {rank}"
                    )
                    raise self.told

    def own(self, count: int) -> range:
        """Which of so many pieces are this rank's; each is one rank's."""
        return range(count * self.rank // self.ranks, count * (self.rank + 1) // self.ranks)

    def concatenate(self, own: NDArray[np.float32], rows: int) -> NDArray[np.float32]:
        """All ranks' rows in a new array. own: rows own(rows) of that many."""
        whole = np.empty((rows, *own.shape[1:]), own.dtype)
        if self.ranks == 1:
            whole[...] = own
            return whole
        width = max(1, own[:1].nbytes if len(own) else whole[:1].nbytes)
        step = max(self.ranks, PIECE // (width * self.ranks) // self.ranks * self.ranks)
        with self._whole:
            self._meet(GATHER, len(own), alike=False)
            sizes = self._sizes()
            kind = self._mpi.BYTE.Create_contiguous(width).Commit()
            for start in range(0, int(sizes.max()), step):
                part = [max(0, min(int(size) - start, step)) for size in sizes]
                places = [rows * rank // self.ranks + start for rank in range(self.ranks)]
                sent = [np.ascontiguousarray(own[start : start + step]), part[self.rank], kind]
                self._wait(self._comm.Iallgatherv(sent, [whole, part, places, kind]))
            kind.Free()
        return whole

    def callbacks(self, own: CallbackList, model: Any) -> CallbackList:
        """Those of fit: rank 0 runs them, and all ranks have the model that they leave."""
        return _SharedCallbacks(self, own, model)

    @contextmanager
    def exchange(
        self, network: _core.Network, state: list[NDArray[Any]], *, by_parts: bool
    ) -> Iterator[tuple[_Exchange | None, list[NDArray[Any]]]]:
        """What `Network.train` is to be given, and where it is to train.

        state: parameters and slots of the optimizer, all of one length, then the count of steps.
        by_parts: whether a parameter's update needs no more than its own gradient. Then the ranks
        of a node train in memory that they share, and each has what came of it at the end of the
        block; what it had before, on all ranks, if one leaves the block by an exception.
        """
        if not by_parts or self.nodes == self.ranks:  # the same on all ranks
            yield _Exchange(self) if self.ranks > 1 else None, state
            return
        *own, count = state
        common = self._state_memory(own)
        if self._leads:
            for ours, theirs in zip(common, own, strict=True):
                ours[...] = theirs
        self._meet_in_node(WAIT, 0)
        counted = count.copy()
        yield _Exchange(self, common_parameters=True), [*common, counted]
        with self._whole:
            meet = self._meet_in_node if self.nodes == 1 else self._meet
            meet(WAIT, 0)  # nobody takes it over if one has failed
            network.assign_training(own[0], own[1:], count, common, int(counted[0]))
            self._meet_in_node(WAIT, 0)  # nobody writes to it before all have read it

    def step_memory(self, size: int) -> NDArray[np.uint8]:
        """So many bytes for the ranks of a node to compute steps in."""
        if size > len(self._records.bytes):
            self._plans.clear()
        return self._grown(self._records, size)

    def _state_memory(self, like: list[NDArray[np.float32]]) -> list[NDArray[np.float32]]:
        """Arrays like these in the memory of the node."""
        row = -(-like[0].nbytes // LINE) * LINE + LINE  # for kernels may read a little beyond
        memory = self._grown(self._state, row * len(like)).view(np.float32).reshape(len(like), -1)
        return [memory[i, : array.size] for i, array in enumerate(like)]

    def gather_records(self, arrays: Arrays, groups: int) -> None:
        """Wait for all ranks' records in the node's memory, and bring in the other nodes'."""
        size = 4 * groups * sum(floats for _, floats in arrays)
        self.exchanges += 1
        self.bytes_exchanged += size
        if self.nodes == 1:
            self._meet_in_node(EXCHANGE, size)
            return
        with self._whole:
            self._meet(EXCHANGE, size)
            if self._leaders is not None and self._leads:
                requests = [
                    self._leaders.Iallgatherv(self._mpi.IN_PLACE, whole)
                    for whole in self._of_nodes(arrays, groups)
                ]
                for request in requests:
                    self._wait(request)
            self._meet_in_node(WAIT, size)

    def wait_for_sums(self) -> None:
        """Wait for the ranks of the node."""
        self._meet_in_node(SUMS, 0)

    def _of_nodes(self, arrays: Arrays, groups: int) -> list[Any]:
        """As MPI is told to gather them from the nodes, in place."""
        key = (*arrays, groups)
        plan = self._plans.get(key)
        if plan is None:
            ends = [groups * rank // self.ranks for rank in range(self.ranks + 1)]
            plan = self._plans[key] = []
            for place, floats in arrays:
                row = 4 * floats
                sizes = [(ends[end] - ends[begin]) * row for begin, end in self._nodes]
                places = [ends[begin] * row for begin, _ in self._nodes]
                memory = self._records.bytes[4 * place : 4 * place + groups * row]
                plan.append([memory, sizes, places, self._mpi.BYTE])
        return plan

    def _grown(self, memory: _NodeMemory, size: int) -> NDArray[np.uint8]:
        """So many bytes of it; what was in it is gone where there were fewer."""
        if size > len(memory.bytes):
            with self._whole:
                window, grown = self._allocate(size)
                self._meet(WAIT, size)  # all have it, or none
                former, memory.window, memory.bytes = memory.window, window, grown
                if former is not None:
                    former.Free()
        return memory.bytes[:size]

    def _take_seats(self) -> _core.Meeting:
        """Where the ranks of the node wait for each other."""
        size = LINE * max(end - begin for begin, end in self._nodes)
        self._seats, memory = self._allocate(size)
        seats = memory.view(np.int64).reshape(-1, LINE // 8)[: self._node.size]
        seats[self._node.rank] = 0
        self._meet(WAIT, size)  # no seat is found as it was before
        return _core.Meeting(seats, self._node.rank)

    def _allocate(self, size: int) -> tuple[Any, NDArray[np.uint8]]:
        """Memory of the node, the same for its ranks, from a cache line on."""
        if self.ranks > 1:
            self._meet(WAIT, size)  # what follows waits where nobody looks at who has failed
        own = size + LINE if self._leads else 0
        window = self._mpi.Win.Allocate_shared(own, 1, comm=self._node)
        window.Lock_all()
        memory = np.frombuffer(window.Shared_query(0)[0], np.uint8, size + LINE)
        start = -memory.ctypes.data % LINE  # pages are mapped: the same on all ranks
        return window, memory[start : start + size]

    def _meet_in_node(self, kind: int, size: int) -> None:
        """Wait for the ranks of this node, as `_meet` for all, in the memory that they share."""
        assert self._meeting is not None
        with self._whole:
            self._meetings += 1
            self._meeting.come(self._meetings, size * len(KINDS) + kind)
            if not self._wait_in_node():
                self._meetings -= 1
                self._meet(kind, size)  # where it shows who has failed, or is where

    def _meet(self, kind: int, size: int, *, alike: bool = True) -> None:
        """Wait for all ranks, each of which tells a size.

        Raises an error where a rank has failed, or is somewhere else. alike: whether sizes must be
        the same, but for those of ranks that do not know.
        """
        if self.ranks == 1:
            HEADER.pack_into(self._headers, 0, 0, 0, kind, size)
            return
        with self._whole:
            told = self._tell_all(0, kind, size)
            if self._headers == self._header * self.ranks:
                return  # as nearly always
            if told[:, 0].any():
                self._raise_from_others()
        places, sizes = told[:, 1:3], told[:, 3]
        if (places != places[0]).any() or (alike and (sizes[sizes >= 0] != sizes[0]).any()):
            self.told = RankError(
                "the ranks are not at the same place: each must call the same methods, with "
                "arguments of the same kind and shape, in the same order"
            )
            raise self.told

    def _tell_all(self, failed: int, kind: int, size: int) -> NDArray[np.int64]:
        """Meet all ranks by messages; returns `_told`."""
        self._meetings += 1
        if self._meeting is not None:
            self._meeting.come_elsewhere(self._meetings)
        HEADER.pack_into(self._header, 0, failed, self._meetings, kind, size)
        self._wait(self._comm.Iallgather(self._header, self._headers))
        told = self._told()
        self._meetings = int(told[:, 1].max())  # where one has failed, others may be further
        return told

    def _told(self) -> NDArray[np.int64]:
        """What each rank told at the last such, [rank][whether it failed, number, kind, size]."""
        return np.frombuffer(bytes(self._headers), np.int64).reshape(self.ranks, -1)

    def _sizes(self) -> NDArray[np.int64]:
        return self._told()[:, 3]

    def _wait(self, request: Any) -> None:
        looks = 0 if self._roomy else SPINS
        while not request.Test():  # and not Wait, which would keep the processor from others
            looks += 1
            if looks > SPINS:
                time.sleep(NAP_SECONDS)

    def _wait_in_node(self) -> bool:
        """Whether the node's ranks have come together; else one is elsewhere."""
        assert self._meeting is not None
        found = self._meeting.wait(self._roomy)
        while found is None:
            self._comm.Iprobe()  # so that MPI sends on what other ranks may wait for
            found = self._meeting.wait(spin=False)
        return found

    def _tell(self, error: BaseException) -> None:
        """Meet the others once more, wherever they are, to say that this rank has failed."""
        if self.ranks == 1:
            return
        with self._whole:
            self._tell_all(1, WAIT, 0)
            self._hear(error)
            self.told = error

    def _hear(self, own: BaseException | None) -> tuple[int, str, bool]:
        """The first rank that failed, what it says, and whether that was Ctrl-C."""
        failed = int(np.flatnonzero(self._told()[:, 0])[0])
        text = f"{type(own).__name__}: {own}" if own is not None else ""
        content = (failed, text[:1000], isinstance(own, KeyboardInterrupt))
        data = np.zeros(4096, np.uint8)
        if failed == self.rank:
            pickled = np.frombuffer(pickle.dumps(content), np.uint8)
            data[: len(pickled)] = pickled
        self._wait(self._comm.Ibcast(data, root=failed))
        found: tuple[int, str, bool] = pickle.loads(data.tobytes())
        return found

    def _raise_from_others(self) -> None:
        rank, text, pressed = self._hear(None)
        self.told = KeyboardInterrupt() if pressed else RankError(f"rank {rank} has failed: {text}")
        raise self.told

    def _agree_on_the_build(self) -> None:
        self.check_alike(
            {
                "version of pylenet": _core.__version__,
                "instruction set (PYLENET_ISA)": _core.active_isa(),
                "convolution algorithm (PYLENET_CONVOLUTION)": _core.active_convolution(),
            }
        )

    def _share_processors(self) -> None:
        """Each rank its share of a node's processors, unless the threads were chosen."""
        mine = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else {0}
        masks = self._node.allgather(sorted(mine))
        sharing = sum(bool(mine & set(mask)) for mask in masks)
        share = _threads.available_processors() // sharing
        if sharing > 1 and not _threads.chosen():
            _threads.set_num_threads(max(1, share))
        self._roomy = _threads.asked_for() <= share


class _NodeMemory:
    """Memory that a node's ranks share."""

    def __init__(self) -> None:
        self.window: Any = None
        self.bytes: NDArray[np.uint8] = np.zeros(0, np.uint8)


class _Exchange:
    """How `Network.train` computes steps together with other ranks: _core.pyi has the protocol."""

    def __init__(self, world: MPI, *, common_parameters: bool = False) -> None:
        self._world, self.common_parameters = world, common_parameters
        self.groups, self.parts = (world.rank, world.ranks), world.place_in_node

    def memory(self, floats: int) -> NDArray[np.float32]:
        return self._world.step_memory(4 * floats).view(np.float32)

    def gather(self, arrays: list[tuple[int, int]], groups: int) -> None:
        self._world.gather_records(arrays, groups)

    def wait(self) -> None:
        self._world.wait_for_sums()


class _Whole:
    """Blocks of messages that belong together: Ctrl-C, and SIGTERM, are heard at their end.

    In between, the others would wait for what is not sent any more. Where a block is left by an
    exception, that alone is told. Blocks lie within each other; only handlers in Python wait.
    """

    def __init__(self) -> None:
        self._depth = 0
        self._listening = False
        self._handlers: dict[int, Any] = {}
        self._came: list[tuple[int, Any]] = []

    def listen(self) -> None:
        """Take the place of the handlers that there are, for blocks to need no time for it."""
        if threading.current_thread() is not threading.main_thread():
            return
        for number in HELD_SIGNALS:
            handler = signal.getsignal(number)
            if callable(handler) and handler != self._hear:
                self._handlers[number] = handler  # kept, should it be called once more
                signal.signal(number, self._hear)
        self._listening = True

    def listen_no_more(self) -> None:
        self._listening = False
        for number, handler in self._handlers.items():
            if signal.getsignal(number) == self._hear:
                signal.signal(number, handler)

    def __enter__(self) -> None:
        self._depth += 1
        if not self._listening and self._depth == 1:
            self.listen()
            self._listening = False  # but for this block

    def __exit__(self, kind: Any, error: Any, at: Any) -> None:
        self._depth -= 1
        if self._depth:
            return
        came, self._came = self._came, []
        if not self._listening:
            self.listen_no_more()
        if kind is None:
            for number, frame in came:
                self._handlers[number](number, frame)

    def _hear(self, number: int, frame: Any) -> None:
        if self._depth:
            self._came.append((number, frame))
        else:
            self._handlers[number](number, frame)


class _SharedCallbacks(CallbackList):
    """A CallbackList whose callbacks run on rank 0; the other ranks follow.

    After each hook every rank has the weights, the optimizer's state, the learning rate, the random
    generators, the logs and the decision to stop that rank 0 has. Histories, and what decides when
    a loss is no longer finite, are on all ranks.
    """

    def __init__(self, world: MPI, own: CallbackList, model: Any) -> None:
        self._world, self._own, self._model = world, own, model
        self.history, self.callbacks = own.history, own.callbacks
        if world.rank > 0:
            kept = (History, TerminateOnNaN)
            own.callbacks[:] = [cb for cb in own.callbacks if isinstance(cb, kept)]

    def wants_batches(self, of: str) -> bool:
        return self._world.broadcast(self._own.wants_batches(of))

    def on_not_finite(self, epoch: int, batch: int, what: str) -> None:
        self._own.on_not_finite(epoch, batch, what)

    def _run(self, hook: str, *args: Any) -> None:
        world, model, state = self._world, self._model, self._model.training_state
        logs = args[-1] if args and isinstance(args[-1], dict) else None
        arrays = state.arrays()
        if world.rank == 0:
            before = {name: array.copy() for name, array in arrays.items()}
            getattr(self._own, hook)(*args)
            changed = {
                name: array
                for name, array in arrays.items()
                if hook == "on_train_begin" or array.tobytes() != before[name].tobytes()
            }
            world.broadcast((model.stop_training, state.values(), changed, logs))
            return
        nothing: Any = None
        model.stop_training, values, changed, told = world.broadcast(nothing)
        state.put(values, changed)
        if logs is not None:
            logs.clear()
            logs.update(told)
        getattr(self._own, hook)(*args)


def _follow(hook: str) -> Callable[..., None]:
    def call(self: _SharedCallbacks, *args: Any) -> None:
        self._run(hook, *args)

    call.__name__ = hook
    return call


for _hook in [name for name in vars(CallbackList) if name.startswith("on_")]:
    if _hook != "on_not_finite":
        setattr(_SharedCallbacks, _hook, _follow(_hook))


def _mpi4py() -> Any:
    """mpi4py's module MPI, which starts MPI when it is imported."""
    # The wheel's one-sided communication by UCX complains when it is not used.
    os.environ.setdefault("OMPI_MCA_osc", "^ucx")
    try:
        from mpi4py import MPI
    except (ImportError, RuntimeError) as error:
        raise ImportError(
            f'pylenet.distributed needs mpi4py and an MPI: pip install "pylenet[mpi]" ({error})'
        ) from error
    return MPI


def _abort_on_uncaught_errors(world: MPI) -> None:
    """Let an exception that ends this process end all of them, which would wait for it forever.

    One that all ranks have is told by rank 0 alone.
    """
    former = sys.excepthook

    def hook(kind: type[BaseException], error: BaseException, at: TracebackType | None) -> None:
        told = error is world.told
        if not told or world.rank == 0:
            former(kind, error, at)
        if not told:
            world.abort(130 if isinstance(error, KeyboardInterrupt) else 1)

    sys.excepthook = hook
