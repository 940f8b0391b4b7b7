"""What is shown while one waits, with a clock and a terminal of our own."""

import io
import re
import sys
from contextlib import redirect_stderr, redirect_stdout

import pytest

from pylenet import _progress
from pylenet._progress import Download, ProgressLogger, checked_verbose

LOGS = {"accuracy": 0.98125, "loss": 0.0004}


class Terminal(io.StringIO):
    def isatty(self):
        return True

    def screen(self):
        """The lines as a terminal shows them: what follows a carriage return overwrites."""
        lines = []
        for line in self.getvalue().split("\n"):
            shown = ""
            for part in line.split("\r"):
                shown = part + shown[len(part) :]
            lines.append(shown)
        return lines


class Notebook(Terminal):
    """As ipykernel's stream: no terminal, but a carriage return goes back on it."""

    def isatty(self):
        return False


Notebook.__module__ = "ipykernel.iostream"


@pytest.fixture
def clock(monkeypatch):
    """A clock that stands still until it is set."""

    class Clock:
        now = 100.0

    monkeypatch.setattr(_progress, "perf_counter", lambda: Clock.now)
    return Clock


@pytest.fixture
def terminal(monkeypatch):
    """A terminal of 200 columns, to be put in the place of standard output."""
    monkeypatch.setenv("COLUMNS", "200")
    return Terminal()


def logger(verbose=1, epochs=20, steps=469):
    progress = ProgressLogger()
    progress.set_params({"verbose": verbose, "epochs": epochs, "steps": steps})
    return progress


def run_epoch(progress, clock, chunks=5, epoch=2):
    """An epoch of 469 steps in 0.938 s and a validation of 0.6 s."""
    progress.on_train_begin()
    progress.on_epoch_begin(epoch)
    for chunk in range(1, chunks + 1):
        clock.now += 0.938 / chunks
        progress.update(469 * chunk // chunks, {"accuracy": 0.5, "loss": 1.0})
    clock.now += 0.6
    progress.on_epoch_end(epoch, LOGS)
    progress.on_train_end()


EPOCH = "469/469 - 1.5s - 2.0ms/step - accuracy: 0.9812 - loss: 4.0000e-04"


@pytest.mark.parametrize("verbose", [1, 2])
def test_away_from_a_terminal_there_is_one_line_an_epoch(verbose, clock, capsys):
    run_epoch(logger(verbose), clock)
    assert capsys.readouterr().out == f"Epoch 3/20 - {EPOCH}\n"


def test_verbose_2_is_one_line_an_epoch_on_a_terminal_too(clock, terminal):
    with redirect_stdout(terminal):
        run_epoch(logger(2), clock)
    assert terminal.getvalue() == f"Epoch 3/20 - {EPOCH}\n"


def test_verbose_0_prints_nothing(clock, terminal):
    with redirect_stdout(terminal):
        run_epoch(logger(0), clock)
    assert terminal.getvalue() == ""


def test_on_a_terminal_the_line_is_drawn_in_place(clock, terminal):
    with redirect_stdout(terminal):
        run_epoch(logger(), clock)
    assert terminal.screen() == ["Epoch 3/20", EPOCH, ""]
    drawn = re.findall(r"\r *(\d+)/469", terminal.getvalue())
    assert drawn == ["93", "187", "281", "375", "469", "469"]


def test_in_a_notebook_the_line_is_drawn_in_place_whatever_the_terminal_s_width(clock, monkeypatch):
    monkeypatch.setenv("COLUMNS", "30")
    notebook = Notebook()
    with redirect_stdout(notebook):
        run_epoch(logger(), clock)
    assert notebook.screen() == ["Epoch 3/20", EPOCH, ""]
    drawn = re.findall(r"\r *(\d+)/469 - [^\r]* - loss: ", notebook.getvalue())
    assert drawn == ["93", "187", "281", "375", "469", "469"]


def test_the_line_is_drawn_at_most_ten_times_a_second(clock, terminal):
    with redirect_stdout(terminal):
        run_epoch(logger(), clock, chunks=469)
    assert 8 <= terminal.getvalue().count("\r") <= 11


def half_an_epoch(progress, clock, logs):
    progress.on_epoch_begin(0)
    clock.now += 1
    progress.update(5, logs)


def test_a_shorter_line_leaves_nothing_of_a_longer_one(clock, terminal):
    progress = logger(steps=10)
    with redirect_stdout(terminal):
        half_an_epoch(progress, clock, {"a_long_name": 0.5, "loss": 0.5})
        progress.on_epoch_end(0, {"loss": 0.5})
    assert terminal.screen()[1].rstrip() == " 5/10 - 1.0s - 200ms/step - loss: 0.5000"


def test_a_live_line_does_not_wrap(clock, terminal, monkeypatch):
    monkeypatch.setenv("COLUMNS", "30")
    with redirect_stdout(terminal):
        half_an_epoch(logger(), clock, LOGS)
    assert len(terminal.screen()[-1]) == 29


def test_close_ends_an_unfinished_line_once(clock, terminal):
    progress = logger()
    with redirect_stdout(terminal):
        half_an_epoch(progress, clock, LOGS)
        before = terminal.getvalue()
        progress.close()
        progress.close()
    assert terminal.getvalue() == before + "\n"


def test_evaluate_and_predict_print_a_line_of_their_own(clock, capsys):
    progress = logger(steps=79)
    progress.on_test_begin()
    clock.now += 0.0316
    progress.update(79, LOGS)
    progress.on_test_end({"loss": 0.5})
    progress.on_predict_begin()
    clock.now += 0.0079
    progress.update(79)
    progress.on_predict_end()
    assert capsys.readouterr().out.splitlines() == [
        "79/79 - 32ms - 400us/step - loss: 0.5000",
        "79/79 - 7.9ms - 100us/step",
    ]


def test_validation_within_fit_prints_nothing_and_counts_as_time_of_the_epoch(clock, capsys):
    progress = logger()
    progress.on_train_begin()
    progress.on_epoch_begin(0)
    clock.now += 2
    progress.on_test_begin()
    clock.now += 1
    progress.on_test_end(LOGS)
    assert capsys.readouterr().out == ""
    progress.on_epoch_end(0, {})
    assert " - 3.0s - " in capsys.readouterr().out


def test_an_epoch_that_ends_early_shows_how_far_it_came(clock, capsys):
    progress = logger(epochs=1)
    progress.on_epoch_begin(0)
    progress.update(7)
    progress.on_epoch_end(0, {"loss": float("nan")})
    assert capsys.readouterr().out == "Epoch 1/1 -   7/469 - 0us - 0us/step - loss: nan\n"


@pytest.mark.parametrize(("verbose", "checked"), [(0, 0), (1, 1), (2, 2), (True, 1)])
def test_verbose_is_0_1_or_2(verbose, checked):
    assert checked_verbose(verbose) == checked


def test_verbose_auto_prints_where_a_person_looks_on(terminal, monkeypatch):
    assert checked_verbose("auto") == 0
    with redirect_stdout(terminal):
        assert checked_verbose("auto") == 1
    monkeypatch.setitem(sys.modules, "ipykernel", None)
    assert checked_verbose("auto") == 1


@pytest.mark.parametrize("wrong", [3, -1, "yes", None])
def test_another_verbose_is_an_error(wrong):
    with pytest.raises(ValueError, match="verbose must be 0, 1, 2 or 'auto'"):
        logger(wrong)


def download(clock, sizes, total):
    progress = Download("Data")
    for size in sizes:
        progress.update("file.gz", size, total)
        clock.now += 0.03
    progress.close()


def test_a_download_is_drawn_at_once_then_ten_times_a_second_and_when_it_is_done(clock, terminal):
    with redirect_stderr(terminal):
        download(clock, range(0, 1_100_000, 100_000), 1_000_000)
    drawn = re.findall(
        r"\r *(\d+) %, \S+ of 1\.0 MB downloading Data file\.gz", terminal.getvalue()
    )
    assert drawn == ["0", "40", "80", "100"]
    assert terminal.getvalue().endswith("\n")


def test_of_a_download_of_unknown_length_the_megabytes_are_shown(clock, terminal):
    with redirect_stderr(terminal):
        download(clock, [1_500_000], None)
    assert terminal.screen() == ["1.5 MB downloading Data file.gz", ""]


def test_away_from_a_terminal_a_download_is_one_line_when_it_begins(clock, capsys):
    download(clock, [], 9)
    assert capsys.readouterr() == ("", "")
    download(clock, [1, 5, 9], 9)
    assert capsys.readouterr() == ("", "downloading Data\n")


def test_without_a_standard_error_a_download_prints_nothing(clock, capsys):
    with redirect_stderr(None):
        download(clock, [1, 9], 9)
    assert capsys.readouterr() == ("", "")
