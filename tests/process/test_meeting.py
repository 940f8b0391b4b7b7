"""Waiting for each other in memory in common, with threads in place of processes."""

import threading

import numpy as np
import pytest

from pylenet import _core

COUNT = 3


@pytest.fixture
def seats():
    return _core.zeros(COUNT * 16).view(np.int64).reshape(COUNT, 8)  # on a cache line


def come_and_wait(meeting, number, purpose, *, spin=False):
    meeting.come(number, purpose)
    while (found := meeting.wait(spin)) is None:
        pass
    return found


def together(act):
    """What act(own) returns or raises on each of so many threads."""
    found = [None] * COUNT

    def run(own):
        found[own] = act(own)

    workers = [threading.Thread(target=run, args=[own]) for own in range(COUNT)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    return found


@pytest.mark.parametrize("spin", [False, True])
def test_who_has_met_sees_what_all_wrote_before(spin, seats):
    rounds = 40 if spin else 200
    written = np.zeros((2, COUNT), np.int64)

    def act(own):
        meeting = _core.Meeting(seats, own)
        seen = []
        for number in range(1, rounds + 1):
            written[number % 2, own] = number * (own + 1)
            assert come_and_wait(meeting, number, number % 5, spin=spin)
            seen.append(written[number % 2].tolist())
        return seen

    expected = [[number * (own + 1) for own in range(COUNT)] for number in range(1, rounds + 1)]
    assert together(act) == [expected] * COUNT


def test_nobody_has_met_before_all_have_come(seats):
    meetings = [_core.Meeting(seats, own) for own in range(COUNT)]
    meetings[2].come(1, 7)
    assert meetings[2].wait(spin=True) is None
    meetings[0].come(1, 7)
    assert meetings[0].wait(spin=False) is None
    meetings[1].come(1, 7)
    assert [meeting.wait(spin=False) for meeting in meetings] == [True] * COUNT


def test_who_has_gone_on_has_met_those_who_have_not_looked_yet(seats):
    first, second, third = (_core.Meeting(seats, own) for own in range(COUNT))
    for meeting in (first, second, third):
        meeting.come(1, 7)
    assert first.wait(spin=False)
    first.come(2, 8)
    assert second.wait(spin=False)
    second.come_elsewhere(2)
    assert third.wait(spin=False)
    third.come(2, 8)
    assert [first.wait(spin=False), third.wait(spin=False)] == [False, False]


@pytest.mark.parametrize("elsewhere", [False, True])
def test_all_see_that_one_came_for_something_else_or_goes_elsewhere(elsewhere, seats):
    def act(own):
        meeting = _core.Meeting(seats, own)
        met = come_and_wait(meeting, 1, 7)
        if own != 1:
            return met, come_and_wait(meeting, 2, 7)
        if elsewhere:
            meeting.come_elsewhere(2)
            return met, False
        return met, come_and_wait(meeting, 2, 9)

    assert together(act) == [(True, False)] * COUNT


@pytest.mark.parametrize(
    ("change", "own", "error", "text"),
    [
        (lambda s: s.astype(np.int32), 0, TypeError, "seats must be a C-contiguous"),
        (lambda s: s[:, :7].copy(), 0, ValueError, r"seats must have shape \(n, 8\)"),
        (lambda s: s.ravel()[1:17].reshape(2, 8), 0, ValueError, "begin at a multiple of 64"),
        (lambda s: s, 3, ValueError, "own must be one of the 3 seats, got 3"),
        (lambda s: s, -1, ValueError, "own must be one of the 3 seats, got -1"),
    ],
)
def test_seats_that_cannot_be_are_refused(change, own, error, text, seats):
    with pytest.raises(error, match=text):
        _core.Meeting(change(seats), own)
