"""Whole files: only regular ones are replaced, through links, with their mode and owner."""

import errno
import os
import socket
import stat
import tempfile
from pathlib import Path

import numpy as np
import pytest
from nets import compiled, tiny

from pylenet import _files, callbacks, cli
from pylenet.models import load_model

pytestmark = pytest.mark.skipif(os.name != "posix", reason="needs POSIX")


def save(path):
    tiny().save(path)


def train(callback, epochs=1):
    x, y = np.zeros((4, 4), np.float32), np.zeros(4, int)
    compiled(tiny).fit(x, y, epochs=epochs, verbose=0, callbacks=callback)


def checkpoint(path):
    train(callbacks.ModelCheckpoint(path))


def write(path):
    _files.write_whole(path, b"new")


WRITERS = pytest.mark.parametrize("writer", [save, checkpoint, write])


def if_possible(call, *arguments):
    """Do what some systems let only root do, or nobody; skip the test if it cannot be done."""
    try:
        call(*arguments)
    except OSError as error:
        pytest.skip(f"{call.__name__} is not possible here: {error}")


def make_device(path):
    if_possible(os.mknod, path, 0o666 | stat.S_IFCHR, os.makedev(1, 3))  # as /dev/null


def make_socket(path):
    with socket.socket(socket.AF_UNIX) as end:
        if_possible(end.bind, str(path))


@pytest.mark.parametrize("make", [make_device, os.mkfifo, make_socket, Path.mkdir])
@pytest.mark.parametrize("through_link", [False, True])
@WRITERS
def test_what_is_no_regular_file_is_refused_and_stays(writer, make, through_link, tmp_path):
    path = target = tmp_path / "target"
    make(target)
    if through_link:
        path = tmp_path / "link"
        path.symlink_to(target)
    kind = stat.S_IFMT(target.lstat().st_mode)
    names = sorted(tmp_path.iterdir())
    message = r"must be a file, got .*" + path.name
    if writer is save:  # a model that was trained is kept
        with pytest.warns(UserWarning, match=message):
            save(path)
        (tmp_path / f"{path.name}.safetensors").unlink()
    else:
        with pytest.raises(ValueError, match=message):
            writer(path)
    assert stat.S_IFMT(target.lstat().st_mode) == kind
    assert sorted(tmp_path.iterdir()) == names


def test_a_device_is_refused_by_the_command_line_too(tmp_path, capsys):
    make_device(tmp_path / "device")
    assert cli.main(["bench", "--quick", "--json", str(tmp_path / "device")]) == 2
    assert "which is a device or pipe" in capsys.readouterr().err
    assert (tmp_path / "device").is_char_device()


@pytest.mark.parametrize("there", [True, False], ids=["there", "dangling"])
@WRITERS
def test_a_link_stays_and_what_it_leads_to_is_written(writer, there, tmp_path):
    (tmp_path / "far").mkdir()
    target = tmp_path / "far" / "target"
    if there:
        target.write_bytes(b"old")
    (tmp_path / "middle").symlink_to(Path("far") / "target")
    link = tmp_path / "link"
    link.symlink_to("middle")
    writer(link)
    assert os.readlink(link) == "middle"
    assert target.read_bytes() not in (b"old", b"")
    assert not target.is_symlink()
    assert [path.name for path in (tmp_path / "far").iterdir()] == ["target"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["far", "link", "middle"]


def test_a_link_to_itself_is_an_error_that_names_it(tmp_path):
    (tmp_path / "link").symlink_to("link")
    with pytest.raises(OSError, match="link'") as info:
        write(tmp_path / "link")
    assert info.value.errno == errno.ELOOP
    assert (tmp_path / "link").is_symlink()


def test_what_was_left_beside_a_links_target_is_swept_away(tmp_path):
    (tmp_path / "far").mkdir()
    (tmp_path / "far" / ".target.0.tmp").write_bytes(b"torn")
    (tmp_path / "link").symlink_to(Path("far") / "target")
    _files.sweep(tmp_path / "link", 0)
    assert list((tmp_path / "far").iterdir()) == []


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o664, 0o444, 0o755])
@WRITERS
def test_the_mode_of_a_file_that_is_there_is_kept(writer, mode, tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"old")
    path.chmod(mode)
    writer(path)
    assert stat.S_IMODE(path.stat().st_mode) == mode
    assert path.read_bytes() != b"old"


def test_a_new_file_has_the_mode_that_the_umask_gives(tmp_path):
    before = os.umask(0o027)
    try:
        write(tmp_path / "file")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == 0o640


def test_private_content_is_never_seen_in_a_file_for_all(tmp_path, monkeypatch):
    path = tmp_path / "file"
    path.write_bytes(b"old")
    path.chmod(0o600)
    modes, real = [], os.open

    def noted(name, *arguments):
        descriptor = real(name, *arguments)
        if str(name).endswith(".tmp"):
            modes.append(stat.S_IMODE(os.fstat(descriptor).st_mode))
        return descriptor

    monkeypatch.setattr(os, "open", noted)
    write(path)
    assert modes == [0o600]


@WRITERS
def test_the_owner_of_a_file_that_is_there_is_kept(writer, tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"old")
    path.chmod(0o640)
    if_possible(os.chown, path, 12345, 23456)
    writer(path)
    found = path.stat()
    assert (found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode)) == (12345, 23456, 0o640)


def test_an_owner_that_cannot_be_kept_does_not_stop_the_writing(tmp_path, monkeypatch):
    def not_permitted(*_):
        raise PermissionError(errno.EPERM, "Operation not permitted")

    (tmp_path / "file").write_bytes(b"old")
    monkeypatch.setattr(os, "chown", not_permitted)
    write(tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == b"new"


@pytest.mark.parametrize("letter", ["n", "ä", "猫"])
@WRITERS
def test_a_name_may_be_as_long_as_the_file_system_allows(writer, letter, tmp_path):
    size = len(letter.encode())
    limit = os.pathconf(tmp_path, "PC_NAME_MAX")
    path = tmp_path / (letter * (limit // size))
    for _ in range(2):
        writer(path)
    assert list(tmp_path.iterdir()) == [path]
    if writer is not write:
        load_model(path)


@WRITERS
def test_a_name_that_is_too_long_is_an_error_that_names_the_target(writer, tmp_path):
    path = tmp_path / ("n" * (os.pathconf(tmp_path, "PC_NAME_MAX") + 1))
    with pytest.raises(OSError, match="too long") as info:
        writer(path)
    assert info.value.filename == str(path)
    assert list(tmp_path.iterdir()) == []


def test_torn_files_of_a_long_name_are_swept_away_and_those_of_its_neighbour_stay(tmp_path):
    one, other = (tmp_path / ("n" * 200 + end) for end in "ab")
    for path in (one, other):
        _files.temporary_name(path).write_bytes(b"torn")
    _files.sweep(one, 0)
    (left,) = tmp_path.iterdir()
    _files.sweep(other, 0)
    assert not left.exists()


@pytest.fixture
def folder_of_mode():
    """Makes a folder with a "file", then binds this process, root or not, by the folder's mode."""
    is_root = os.geteuid() == 0
    with tempfile.TemporaryDirectory() as name:  # tmp_path lies where only its owner may enter

        def make(mode):
            folder = Path(name)
            (folder / "file").write_bytes(b"old")
            folder.chmod(mode)
            if is_root:
                if_possible(os.seteuid, 65534)
            return folder

        try:
            yield make
        finally:
            if is_root:
                os.seteuid(0)
            os.chmod(name, 0o700)


@pytest.mark.parametrize("name", ["file", "new"])
def test_in_a_read_only_folder_the_error_names_the_target(name, folder_of_mode):
    path = folder_of_mode(0o555) / name
    with pytest.raises(PermissionError) as info:
        tiny().save(path)
    assert info.value.filename == str(path)
    assert info.value.filename2 is None
    assert ".tmp" not in str(info.value)


def test_a_folder_that_may_be_written_to_and_not_listed_will_do(folder_of_mode):
    path = folder_of_mode(0o333) / "new"
    tiny().save(path)
    load_model(path)


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_an_error_while_writing_names_the_target_and_leaves_the_old_file(
    call, tmp_path, monkeypatch
):
    def fail(*arguments):
        raise OSError(errno.ENOSPC, "No space left on device", *map(str, arguments))

    path = tmp_path / "file"
    path.write_bytes(b"old")
    monkeypatch.setattr(os, call, fail)
    with pytest.raises(OSError, match="No space left on device: .*file'$") as info:
        write(path)
    assert info.value.filename == str(path)
    assert [p.name for p in tmp_path.iterdir()] == ["file"]
    assert path.read_bytes() == b"old"


def test_a_backup_is_written_through_a_link_with_the_mode_of_the_file(tmp_path):
    (tmp_path / "run").mkdir()
    link, target = tmp_path / "run" / "backup.safetensors", tmp_path / "kept"
    link.symlink_to(target)
    for epochs in (1, 2):
        train(callbacks.BackupAndRestore(tmp_path / "run", delete_checkpoint=False), epochs)
        if epochs == 1:
            target.chmod(0o600)
    assert link.is_symlink()
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
