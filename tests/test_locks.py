"""Locks on folders hold between processes, and say whose they are or why there can be none."""

import errno
import os
import threading

import pytest
from test_files import AS_ROOT, program

from style_transfer import files

HOLDER = """
import os, sys
sys.path.insert(0, sys.argv[1])
from style_transfer import files
lock = files.Lock(sys.argv[2])
os.write(1, b"held")
sys.stdin.read()
"""


def state(folder):
    """All that a look at a folder must not change."""
    return {
        each.name: (each.read_bytes(), each.stat().st_mtime_ns, each.stat().st_ino)
        for each in folder.iterdir()
    }


@pytest.mark.parametrize("take", [files.Lock, files.check_unlocked])
def test_a_lock_of_another_process_is_respected_and_the_process_named(tmp_path, take):
    with program(HOLDER, tmp_path / ".lock") as process:
        before = state(tmp_path)
        for _ in range(2):
            with pytest.raises(files.FileError) as caught:
                take(tmp_path / ".lock")
        assert str(caught.value) == (
            f"{tmp_path}: is in use by another run, process {process.pid}; "
            "wait for it, stop it, or choose another --output"
        )
        assert state(tmp_path) == before


def test_a_killed_process_leaves_no_lock(tmp_path):
    with program(HOLDER, tmp_path / ".lock") as process:
        process.kill()
    assert str(process.pid) in (tmp_path / ".lock").read_text()
    files.check_unlocked(tmp_path / ".lock")
    with files.Lock(tmp_path / ".lock"):
        assert (tmp_path / ".lock").read_text().split() == ["process", str(os.getpid())]


def test_a_lock_holds_within_one_process_until_it_is_released(tmp_path):
    path = tmp_path / ".lock"
    lock = files.Lock(path)
    for take in (files.Lock, files.check_unlocked):
        with pytest.raises(files.FileError, match=f"process {os.getpid()};"):
            take(path)
    lock.release()
    lock.release()  # does nothing
    with files.Lock(path), pytest.raises(files.FileError):
        files.check_unlocked(path)
    with pytest.raises(KeyError), files.Lock(path):
        raise KeyError
    files.check_unlocked(path)


def test_a_lock_can_be_released_in_another_thread(tmp_path):
    lock = files.Lock(tmp_path / ".lock")
    thread = threading.Thread(target=lock.release)
    thread.start()
    thread.join()
    files.check_unlocked(tmp_path / ".lock")


@pytest.mark.parametrize("text", [b"", b"12345", b"\xff" * 99, b"process many\n"])
def test_a_holder_that_signed_otherwise_is_unknown(tmp_path, text):
    """As one of another version of the program, which wrote its number alone."""
    with files.Lock(tmp_path / ".lock"):
        (tmp_path / ".lock").write_bytes(text)
        with pytest.raises(files.FileError, match="process unknown;"):
            files.Lock(tmp_path / ".lock")


def test_a_look_at_the_lock_creates_and_changes_nothing(tmp_path):
    files.check_unlocked(tmp_path / ".lock")
    files.check_unlocked(tmp_path / "nowhere" / ".lock")
    assert os.listdir(tmp_path) == []
    (tmp_path / ".lock").write_bytes(b"123")
    before = state(tmp_path)
    files.check_unlocked(tmp_path / ".lock")
    assert state(tmp_path) == before


@pytest.mark.parametrize("number", [errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP, errno.EIO])
@pytest.mark.parametrize("take", [files.Lock, files.check_unlocked])
def test_a_file_system_without_locks_is_not_called_in_use(tmp_path, monkeypatch, take, number):
    fcntl = pytest.importorskip("fcntl")

    def flock(_file, _operation):
        raise OSError(number, os.strerror(number))

    (tmp_path / ".lock").touch()
    monkeypatch.setattr(fcntl, "flock", flock)
    with pytest.raises(files.FileError) as caught:
        take(tmp_path / ".lock")
    reason = f"cannot be locked ({os.strerror(number)})"
    assert str(caught.value) == f"{tmp_path}: {reason}; choose another --output"
    assert (tmp_path / ".lock").read_bytes() == b""


@pytest.mark.parametrize("take", [files.Lock, files.check_unlocked])
@pytest.mark.parametrize("number", [errno.EACCES, errno.EPERM, errno.EROFS])
def test_a_lock_that_may_not_be_written_says_so(tmp_path, monkeypatch, take, number):
    """By a stand-in for `os.open`, since root may write everywhere."""
    path, original = tmp_path / ".lock", os.open
    path.touch()

    def refuse(name, flags, *others, **keywords):
        if str(name) == str(path) and flags & (os.O_RDWR | os.O_WRONLY):
            raise OSError(number, os.strerror(number), name)
        return original(name, flags, *others, **keywords)

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(files.FileError) as caught:
        take(path)
    reason = f"cannot be written to ({os.strerror(number)})"
    assert str(caught.value) == f"{tmp_path}: {reason}; choose another --output"


@pytest.mark.skipif(AS_ROOT, reason="may write everywhere")
@pytest.mark.parametrize("mode", [0o400, 0o600])
def test_a_read_only_folder_with_a_lock_is_refused(tmp_path, mode):
    path = tmp_path / ".lock"
    path.touch()
    path.chmod(mode)
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(files.FileError, match="cannot be written to .Permission denied"):
            files.check_unlocked(path)
    finally:
        tmp_path.chmod(0o700)


@pytest.mark.parametrize("take", [files.Lock, files.check_unlocked])
def test_a_folder_in_the_place_of_the_lock_is_refused(tmp_path, take):
    (tmp_path / ".lock").mkdir()
    with pytest.raises(files.FileError, match="cannot be locked .Is a directory"):
        take(tmp_path / ".lock")
