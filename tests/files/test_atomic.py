"""Files that are replaced: wholly or not at all, and nothing lost but the contents."""

import os
import signal
import stat
import subprocess
import sys
import tempfile
import threading
from contextlib import suppress
from pathlib import Path

import pytest

from sketchlearn.files.atomic import replace_when_done, write_atomically

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o664, 0o755])
def test_an_older_file_s_permissions_remain(tmp_path, mode):
    path = tmp_path / "a"
    path.write_bytes(b"older")
    path.chmod(mode)
    write_atomically(path, b"newer")
    assert path.read_bytes() == b"newer"
    assert stat.S_IMODE(path.stat().st_mode) == mode


def test_a_new_file_has_those_that_the_mask_leaves(tmp_path):
    before = os.umask(0o027)
    try:
        write_atomically(tmp_path / "a", b"newer")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o640


def test_contents_are_never_more_readable_than_the_file_that_they_replace(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"older")
    path.chmod(0o600)
    with replace_when_done(path) as temporary:
        assert stat.S_IMODE(temporary.stat().st_mode) == 0o600
        temporary.write_bytes(b"newer")


def test_an_older_file_s_owner_remains(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"older")
    # Root may give a file to anybody; others to a group that they are in.
    is_root = os.geteuid() == 0
    owner = (1234, 4321) if is_root else (os.geteuid(), max([os.getegid(), *os.getgroups()]))
    os.chown(path, *owner)
    path.chmod(0o640)
    write_atomically(path, b"newer")
    status = path.stat()
    assert (status.st_uid, status.st_gid, stat.S_IMODE(status.st_mode)) == (*owner, 0o640)


def test_extended_attributes_remain_where_files_have_some(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"older")
    expected = None
    with suppress(AttributeError, OSError):
        os.setxattr(path, "user.origin", b"ward 7")
        expected = b"ward 7"
    write_atomically(path, b"newer")
    assert path.read_bytes() == b"newer"
    assert (os.getxattr(path, "user.origin") if expected else None) == expected


def test_a_read_only_file_is_not_replaced(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"older")
    path.chmod(0o444)
    with pytest.raises(PermissionError, match="read-only"):
        write_atomically(path, b"newer")
    assert path.read_bytes() == b"older"
    assert os.listdir(tmp_path) == ["a"]


def test_a_folder_that_takes_no_files_is_told_by_its_name():
    # Outside pytest's folders, which only their owner may enter.
    with tempfile.TemporaryDirectory() as name:
        folder, user = Path(name), os.geteuid()
        folder.chmod(0o555)
        try:
            if user == 0:
                # No permission keeps root from writing: for a moment this is somebody else.
                os.seteuid(65534)
            with pytest.raises(PermissionError) as caught:
                write_atomically(folder / "a", b"newer")
        finally:
            os.seteuid(user)
            folder.chmod(0o755)
    assert caught.value.filename == name


def test_what_is_no_file_is_written_in_place(tmp_path):
    reading, writing = os.pipe()
    os.mkfifo(tmp_path / "named")
    for path in (f"/dev/fd/{writing}", tmp_path / "named"):
        end = reading if path != tmp_path / "named" else os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        write_atomically(path, b"newer")
        assert os.read(end, 100) == b"newer"
    assert os.listdir(tmp_path) == ["named"]
    # A file without a name any more.
    with open(tmp_path / "gone", "w+b") as file:
        os.unlink(tmp_path / "gone")
        write_atomically(f"/dev/fd/{file.fileno()}", b"newer")
        assert file.read() == b"newer"
    assert os.listdir(tmp_path) == ["named"]


@pytest.mark.parametrize("name", ["n" * 255, "é" * 127, "n" * 240 + ".sketch"])
def test_the_longest_names_can_be_written(tmp_path, name):
    write_atomically(tmp_path / name, b"newer")
    write_atomically(tmp_path / name, b"newest")
    assert os.listdir(tmp_path) == [name]
    assert (tmp_path / name).read_bytes() == b"newest"


KILLED = """
import os, signal, sys
from sketchlearn.files.atomic import replace_when_done
with replace_when_done(sys.argv[1]) as temporary:
    temporary.write_bytes(b"half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.slow
def test_what_a_killed_process_left_is_removed_when_the_file_is_written_next(tmp_path):
    path, other = tmp_path / "a", tmp_path / "b"
    for victim in (path, path, other):
        arguments = [sys.executable, "-c", KILLED, str(victim)]
        done = subprocess.run(arguments, env={**os.environ, "PYTHONPATH": str(ROOT)}, check=False)
        assert done.returncode == -signal.SIGKILL
    assert len(os.listdir(tmp_path)) >= 2
    write_atomically(path, b"newer")
    # Those of other files are left to whoever writes these.
    assert len(os.listdir(tmp_path)) == 2
    write_atomically(other, b"newer")
    assert sorted(os.listdir(tmp_path)) == ["a", "b"]


def test_a_temporary_file_in_use_is_left_alone(tmp_path):
    path = tmp_path / "a"
    with replace_when_done(path) as temporary:
        temporary.write_bytes(b"slow")
        write_atomically(path, b"fast")
        assert path.read_bytes() == b"fast"
        assert temporary.exists()
    assert path.read_bytes() == b"slow"
    assert os.listdir(tmp_path) == ["a"]


def test_many_writers_of_one_file_leave_one_of_their_files(tmp_path):
    path = tmp_path / "a"
    contents = [bytes([i]) * 100_000 for i in range(8)]

    def write(content):
        for _ in range(10):
            write_atomically(path, content)

    threads = [threading.Thread(target=write, args=[content]) for content in contents]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert path.read_bytes() in contents
    assert os.listdir(tmp_path) == ["a"]


def test_the_folder_is_brought_to_the_disk_after_the_name_is_there(tmp_path, monkeypatch):
    path = tmp_path / "a"
    synced = []
    fsync = os.fsync

    def noted(descriptor):
        is_folder = stat.S_ISDIR(os.fstat(descriptor).st_mode)
        synced.append(("folder" if is_folder else "file", path.exists()))
        fsync(descriptor)

    # The system's, not the package's: what it is asked for, and when.
    monkeypatch.setattr(os, "fsync", noted)
    write_atomically(path, b"newer")
    assert synced == [("file", False), ("folder", True)]
