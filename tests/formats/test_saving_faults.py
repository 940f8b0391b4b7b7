"""Saving under faults: full disks, read-only folders, savers at once, kills, order of writes."""

import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import pytest
import sanitizer
from nets import LENETS, small, state, tiny
from tolerance import assert_same_bits

from pylenet.models import load_model

SCRIPTS = Path(__file__).parents[1] / "reliability"
posix = pytest.mark.skipif(os.name != "posix", reason="needs POSIX")


def test_data_reach_the_disk_before_the_name_and_the_name_before_save_returns(
    tmp_path, monkeypatch
):
    events = []

    def noted(name, real):
        def call(*arguments):
            if name == "fsync":
                folder = os.path.isdir(f"/proc/self/fd/{arguments[0]}")
                events.append("fsync folder" if folder else "fsync file")
            else:
                events.append(name)
            return real(*arguments)

        return call

    if not os.path.isdir("/proc/self/fd"):
        pytest.skip("needs /proc to tell files from folders")
    for name in ("fsync", "replace"):
        monkeypatch.setattr(os, name, noted(name, getattr(os, name)))
    tiny().save(tmp_path / "m")
    assert events == ["fsync file", "replace", "fsync folder"]


FULL = """
import errno, os, resource, signal
from pathlib import Path
from pylenet.models import lenet5_classic
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
model = lenet5_classic()
model.save("m")
before = Path("m").read_bytes()
size = len(before)
model.set_weights([w + 1 for w in model.get_weights()])
for limit in (0, 1, 4096, size // 2, size - 1):
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    try:
        model.save("m")
    except OSError as error:
        assert error.errno == errno.EFBIG
    else:
        raise SystemExit("saved beyond the limit")
    assert Path("m").read_bytes() == before
resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
model.save("m")
assert Path("m").read_bytes() != before
print(os.listdir("."))
"""


@posix
def test_a_disk_that_fills_up_while_saving_leaves_the_old_file_and_no_other(run_python):
    done = run_python(FULL)
    assert done.stdout == "['m']\n", done.stderr


@pytest.fixture
def read_only_folder():
    """A folder with a model "m" that this process may read and not change, root or not."""
    nobody = 65534
    is_root = os.geteuid() == 0
    with tempfile.TemporaryDirectory() as folder:
        tiny().save(Path(folder) / "m")
        os.chmod(Path(folder) / "m", 0o666)  # it could be written in place, and torn
        os.chmod(folder, 0o555)
        if is_root:
            os.seteuid(nobody)
        try:
            yield Path(folder)
        finally:
            if is_root:
                os.seteuid(0)
            os.chmod(folder, 0o700)


@posix
def test_in_a_read_only_folder_saving_is_an_error_and_the_old_file_stays(read_only_folder):
    with pytest.raises(PermissionError):
        small().save(read_only_folder / "m")
    assert [p.name for p in read_only_folder.iterdir()] == ["m"]
    assert load_model(read_only_folder / "m").count_params() == tiny().count_params()


def test_threads_that_save_under_one_name_leave_one_of_their_files_whole(tmp_path):
    models = [LENETS[name]() for name in LENETS]
    wholes = [state(model) for model in models]

    def work(model):
        for _ in range(10):
            model.save(tmp_path / "m")

    workers = [threading.Thread(target=work, args=(model,)) for model in models * 2]
    for worker in workers:
        worker.start()
    for _ in range(20):
        if (tmp_path / "m").exists():
            found = load_model(tmp_path / "m")
            assert any((state(found) == whole).all() for whole in wholes)
    for worker in workers:
        worker.join()
    assert [p.name for p in tmp_path.iterdir()] == ["m"]
    load_model(tmp_path / "m")


def test_what_a_killed_process_left_is_swept_away_after_a_day(tmp_path):
    old, new, other = (tmp_path / name for name in (".m.0.tmp", ".m.1.tmp", ".n.0.tmp"))
    own = tmp_path / ".m.notes"  # the user's own
    for path in (old, new, other, own):
        path.write_text("torn")
    for path in (old, other, own):
        os.utime(path, (time.time() - 90_000,) * 2)
    model = tiny()
    model.save(tmp_path / "m")
    assert sorted(p.name for p in tmp_path.iterdir()) == [".m.1.tmp", ".m.notes", ".n.0.tmp", "m"]
    assert_same_bits(state(load_model(tmp_path / "m")), state(model))


def run_script(name, *arguments):
    command = [sys.executable, str(SCRIPTS / name), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=500, cwd="/")


@posix
def test_sigkill_at_200_moments_of_saving_loses_nothing():
    kills = sanitizer.fewer(200)
    done = run_script("kill_saving.py", "--kills", kills)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{kills} kills while saving: 0 files lost" in done.stdout


@posix
def test_sigkill_at_any_moment_of_training_and_resume_give_the_same_bits():
    done = run_script("kill_training.py", "--kills", sanitizer.fewer(12))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 trainings ended with other bits" in done.stdout
