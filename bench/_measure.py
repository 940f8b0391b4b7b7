"""Check that peers compute the same, then time them round by round, each in its own process."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from time import sleep
from typing import Any

from _data import load
from _parity import TOLERANCES, errors, refused
from _peers import PYLENET, Library
from _session import PeerFailed, Session
from _work import Work
from pylenet.benchmark.subjects import EPOCH

REST = 0.1  # seconds before a timing, in which the last library's spinning threads go to sleep
FEWEST_STEPS, FEWEST_CALLS, MOST_CALLS = 10, 3, 50_000
SHARE_OF_INFERENCE = 0.25  # of the seconds that a timing of training may take


@dataclass
class Timings:
    """One library at one work. way: how it is timed, the quickest of `ways` in a short run.

    refused: the ways that do not compute the same, with the reason.
    """

    way: str
    images: int  # those of one epoch where the whole way to 99 % is timed
    ways: dict[str, float] = field(default_factory=dict)  # seconds an image
    errors: dict[str, float] = field(default_factory=dict)  # the way's, beside pylenet
    refused: dict[str, str] = field(default_factory=dict)
    seconds: list[float] = field(default_factory=list)
    warm_up_seconds: list[float] = field(default_factory=list)
    accuracy: list[float] = field(default_factory=list)  # on test images, to 99 %

    @property
    def per_image(self) -> list[float]:
        return [seconds / self.images for seconds in self.seconds]


@dataclass
class Run:
    """All that is found out. A library that drops out leaves `timings` and enters `dropped`."""

    libraries: list[Library]
    works: list[Work]
    folder: Path
    seconds: float
    timings: dict[Work, dict[str, Timings]] = field(default_factory=dict)
    versions: dict[str, dict[str, str]] = field(default_factory=dict)
    import_seconds: dict[str, list[float]] = field(default_factory=dict)
    peak_bytes: dict[str, int] = field(default_factory=dict)
    dropped: dict[str, str] = field(default_factory=dict)

    def check(self) -> None:
        """Fill `timings` with what may be timed. Raises PeerFailed if pylenet itself fails."""
        self.timings = {work: {} for work in self.works}
        for library in self.libraries:
            try:
                for threads in self._thread_counts():
                    self._check(library, threads)
                print(f"{library.label:<20} {self._verdict(library)}")
            except PeerFailed as failure:
                self._drop(library, str(failure))

    def time(self, rounds: int) -> None:
        """Every work once a round, libraries in turn; every other round in reverse order."""
        for i in range(rounds):
            print(f"round {i + 1} of {rounds}", flush=True)
            for threads in self._thread_counts():
                with ExitStack() as stack:
                    sessions = self._open(stack, threads)
                    for work in self._works_of(threads):
                        for session in sessions[:: -1 if i % 2 else 1]:
                            self._guarded(session.library, self._time, session, work)

    def weigh(self) -> None:
        """Peak memory of processes that do no more than train, at the first such work."""
        work = next((w for w in self.works if w.timing == "train"), None)
        if work is None:
            return
        for library in self._present():
            if library.name in self.timings[work]:
                self._guarded(library, self._weigh, library, work)

    def _check(self, library: Library, threads: int) -> None:
        with Session(library, threads, self.folder) as session:
            self.versions[library.name] = session.about["versions"]
            for work in self._works_of(threads):
                if session.about["ways"].get(work.kind):
                    self.timings[work][library.name] = self._check_work(session, work)

    def _check_work(self, session: Session, work: Work) -> Timings:
        """Raises PeerFailed where no way to do this work gives what pylenet gives."""
        ways: dict[str, float] = {}
        apart: dict[str, dict[str, float]] = {}
        reasons: dict[str, str] = {}
        for way in session.about["ways"][work.kind]:
            out = self.folder / f"{session.library.name}.npz"
            found = session.ask(f"check_{work.check}", **work_of(work, way), out=out.name)
            apart[way] = self._compared(session.library, work, out)
            reason = refused(work.check, apart[way])
            if reason:
                reasons[way] = f"does not compute the same ({work}; {way}): {reason}"
            else:
                ways[way] = found["seconds_per_image"]
        if not ways:
            first, *others = reasons.values()
            raise PeerFailed(first + f" (and so in {len(others)} other ways)" * bool(others))
        for reason in reasons.values():
            print(f"{session.library.label:<20} not timed in this way: {reason}")
        way = min(ways, key=ways.__getitem__)
        images = images_in(work, ways[way], self.seconds)
        return Timings(way, images, ways, apart[way], reasons)

    def _compared(self, library: Library, work: Work, out: Path) -> dict[str, float]:
        """Errors beside the first library, pylenet, whose results are kept for that."""
        reference = self.folder / f"{work.kind}-{work.form}-{work.batch_size}.npz"
        if library is PYLENET:
            out.rename(reference)
            return dict.fromkeys(TOLERANCES[work.check], 0.0)
        return errors(work.check, load(reference), load(out))

    def _open(self, stack: ExitStack, threads: int) -> list[Session]:
        sessions = []
        for library in self._present():
            if not any(library.name in self.timings[w] for w in self._works_of(threads)):
                continue
            try:
                session = stack.enter_context(Session(library, threads, self.folder))
            except PeerFailed as failure:
                self._drop(library, str(failure))
                continue
            self.import_seconds.setdefault(library.name, []).append(session.about["import_seconds"])
            sessions.append(session)
        return sessions

    def _time(self, session: Session, work: Work) -> None:
        timings = self.timings[work].get(session.library.name)
        if timings is None:
            return
        sleep(REST)
        amount = {"images": timings.images}
        if work.timing == "to_99":
            amount = {"seed": len(timings.seconds) + 1}
        found = session.ask(f"time_{work.timing}", **work_of(work, timings.way), **amount)
        timings.seconds.append(found["seconds"])
        if "accuracy" in found:
            timings.accuracy.append(found["accuracy"])
        else:
            timings.warm_up_seconds.append(found["warm_up_seconds"])

    def _weigh(self, library: Library, work: Work) -> None:
        timings = self.timings[work][library.name]
        with Session(library, work.threads, self.folder) as session:
            session.ask("time_train", **work_of(work, timings.way), images=timings.images)
            self.peak_bytes[library.name] = session.ask("peak_memory")["bytes"]

    def _guarded(self, library: Library, action: Any, *arguments: Any) -> None:
        if library.name in self.dropped:
            return
        try:
            action(*arguments)
        except PeerFailed as failure:
            self._drop(library, str(failure))

    def _drop(self, library: Library, reason: str) -> None:
        if library is PYLENET:
            raise PeerFailed(f"pylenet: {reason}")
        print(f"{library.label:<20} not timed: {reason}")
        self.dropped[library.name] = reason
        for timings in self.timings.values():
            timings.pop(library.name, None)

    def _verdict(self, library: Library) -> str:
        """How far apart at most, over all works."""
        if library is PYLENET:
            return "is what the others are compared with"
        worst: dict[str, float] = {}
        for by_library in self.timings.values():
            if library.name in by_library:
                for name, apart in by_library[library.name].errors.items():
                    worst[name] = max(apart, worst.get(name, 0))
        if not worst:
            return "does none of this work"
        return "agrees: " + ", ".join(f"{name} to {apart:.0e}" for name, apart in worst.items())

    def _present(self) -> list[Library]:
        return [library for library in self.libraries if library.name not in self.dropped]

    def _works_of(self, threads: int) -> list[Work]:
        return [work for work in self.works if work.threads == threads]

    def _thread_counts(self) -> list[int]:
        return sorted({work.threads for work in self.works}, reverse=True)


def work_of(work: Work, way: str) -> dict[str, Any]:
    """The arguments of a request."""
    arguments = asdict(work) | {"way": way}
    return {name: arguments[name] for name in ("form", "batch_size", "way")}


def images_in(work: Work, seconds_per_image: float, seconds: float) -> int:
    """What a timing goes over, in whole batches: an epoch at most, and what fits into `seconds`."""
    if work.timing == "to_99":
        return EPOCH
    batch = seconds_per_image * work.batch_size
    if work.check == "train":
        steps = min(EPOCH // work.batch_size, max(FEWEST_STEPS, int(seconds / batch)))
        return steps * work.batch_size
    calls = int(seconds * SHARE_OF_INFERENCE / batch)
    return min(MOST_CALLS, max(FEWEST_CALLS, calls)) * work.batch_size
