"""Files on disk: only regular ones are read, a write is whole or not at all."""

import contextlib
import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from style_transfer import files

ROOT = Path(__file__).resolve().parent.parent
AS_ROOT = not hasattr(os, "geteuid") or os.geteuid() == 0


@pytest.mark.parametrize(
    "text, shown",
    [
        ("Bäume 樹.png", "Bäume 樹.png"),
        ("a\nb\r\t\0", r"a\nb\r\t\x00"),
        ("\x1b[2Jgone", r"\x1b[2Jgone"),
        ("\u202egnp.exe\u2028", r"\u202egnp.exe\u2028"),
        (b"caf\xe9.png", r"caf\udce9.png"),
        (Path("-o"), "-o"),
        (7, "7"),
    ],
)
def test_printable_escapes_what_would_confuse_a_terminal(text, shown):
    assert files.printable(text) == shown


def test_an_error_is_one_line_with_file_reason_and_remedy():
    error = files.FileError("a\nb.png", "went\nwrong", "try another")
    assert str(error) == r"a\nb.png: went\nwrong; try another"
    assert isinstance(error, ValueError)


def test_sha256_of_the_standards_own_example():
    digest = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert files.sha256(b"abc") == digest  # FIPS 180-4


def test_read_gives_the_bytes(tmp_path):
    (tmp_path / "file").write_bytes(b"\0\xff\r\n")
    assert files.read(tmp_path / "file", remedy="") == b"\0\xff\r\n"


def sparse(path, size):
    with open(path, "wb") as file:
        file.truncate(size)


@pytest.mark.parametrize(
    "make, reason",
    [
        (lambda path: None, "no such file"),
        (lambda path: path.mkdir(), "is a folder"),
        (lambda path: os.mkfifo(path), "is not a regular file"),
        (lambda path: path.symlink_to("/dev/zero"), "is not a regular file"),
        (lambda path: path.symlink_to("nowhere"), "no such file"),
        (lambda path: path.symlink_to(path), "symbolic links"),
        (lambda path: path.touch(), "is empty"),
        (lambda path: sparse(path, 512 * 2**20 + 1), "is larger than 512 MB"),
    ],
    ids=["missing", "folder", "FIFO", "device", "dangling", "circle", "empty", "huge"],
)
def test_what_is_not_a_file_of_reasonable_size_is_refused(tmp_path, make, reason):
    path = tmp_path / "file"
    make(path)
    with pytest.raises(files.FileError) as caught:
        files.read(path, remedy="the remedy")
    assert str(caught.value).startswith(f"{path}: ")
    assert reason in str(caught.value) and str(caught.value).endswith("; the remedy")


def test_a_file_of_just_the_limit_passes(tmp_path):
    sparse(tmp_path / "file", 512 * 2**20)
    files.check_regular(tmp_path / "file", remedy="")


def test_impossible_names_are_refused(tmp_path):
    for name in ("a\0b", "n" * 5000, tmp_path / "file" / "below"):
        (tmp_path / "file").touch()
        with pytest.raises(files.FileError, match="the remedy"):
            files.read(name, remedy="the remedy")


@pytest.mark.skipif(AS_ROOT, reason="may read everything")
def test_a_file_without_permission_is_refused(tmp_path):
    (tmp_path / "file").write_bytes(b"secret")
    (tmp_path / "file").chmod(0)
    with pytest.raises(files.FileError, match="Permission denied"):
        files.read(tmp_path / "file", remedy="")


def test_writing_replaces_the_file_and_leaves_nothing_else(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"old and longer")
    with files.writing(str(path)) as file:
        file.write(b"new")
        assert path.read_bytes() == b"old and longer"
    assert path.read_bytes() == b"new"
    assert os.listdir(tmp_path) == ["file"]


@pytest.mark.parametrize("error", [ValueError, OSError, KeyboardInterrupt, SystemExit])
def test_a_write_that_fails_changes_nothing(tmp_path, error):
    path = tmp_path / "file"
    path.write_bytes(b"old")
    with pytest.raises(error), files.writing(path) as file:
        file.write(b"half")
        raise error
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["file"]


def test_the_bytes_are_on_the_disk_before_the_name_changes(tmp_path, monkeypatch):
    calls = []

    def record(name):
        original = getattr(os, name)
        monkeypatch.setattr(os, name, lambda *them: (calls.append(name), original(*them))[1])

    record("fsync")
    record("replace")
    files.write_text(tmp_path / "file", "ä\n")
    assert calls == ["fsync", "replace", "fsync"]  # the file, then the folder
    assert (tmp_path / "file").read_bytes() == b"\xc3\xa4\n"


@pytest.mark.parametrize("mask, mode", [(0o022, 0o644), (0o027, 0o640), (0o077, 0o600)])
def test_permissions_follow_the_umask(tmp_path, mask, mode):
    before = os.umask(mask)
    try:
        files.write_text(tmp_path / "file", "text")
    finally:
        os.umask(before)
    assert (tmp_path / "file").stat().st_mode & 0o777 == mode


def test_a_missing_folder_is_named_and_not_made(tmp_path):
    path = tmp_path / "folder" / "file"
    with pytest.raises(FileNotFoundError) as caught:
        files.write_text(path, "text")
    assert caught.value.filename == str(path)
    assert os.listdir(tmp_path) == []


FULL_DISK = """
import resource, signal, sys
sys.path.insert(0, sys.argv[1])
from style_transfer import files
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
try:
    with files.writing(sys.argv[2]) as file:
        for _ in range(int(sys.argv[3])):
            file.write(bytes(1000))
except OSError as error:
    sys.exit(str(error))
"""


@pytest.mark.parametrize("thousands", [5, 500])  # fails in the last flush; fails on the way
def test_a_full_disk_keeps_the_old_file_and_says_where(tmp_path, thousands):
    pytest.importorskip("resource")
    path = tmp_path / "file"
    path.write_bytes(b"old")
    command = [sys.executable, "-c", FULL_DISK, str(ROOT), str(path), str(thousands)]
    outcome = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert outcome.returncode == 1
    assert outcome.stderr == f"[Errno 27] File too large: '{path}'\n"
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["file"]


@pytest.fixture
def scanner(monkeypatch):
    """A function that makes the next so many `os.replace` fail, as under a virus scanner."""

    def start(failures):
        original, calls = os.replace, []

        def replace(source, target):
            calls.append((source, target))
            if len(calls) <= failures:
                raise PermissionError(errno.EACCES, "Access is denied", str(source))
            original(source, target)

        monkeypatch.setattr(os, "replace", replace)
        monkeypatch.setattr(files, "PATIENCE", (0, 0, 0, 0))
        return calls

    return start


@pytest.mark.parametrize("keep", [None, "before"])
def test_a_file_that_a_scanner_holds_for_a_moment_is_replaced(tmp_path, scanner, keep):
    path = tmp_path / "file"
    path.write_bytes(b"old")
    calls = scanner(2)
    with files.writing(path, keep=keep and tmp_path / keep) as file:
        file.write(b"new")
    assert path.read_bytes() == b"new"
    assert sorted(os.listdir(tmp_path)) == ([keep, "file"] if keep else ["file"])
    assert len(calls) == (4 if keep else 3)


def test_a_file_that_stays_held_ends_in_an_error_that_names_it(tmp_path, scanner):
    path = tmp_path / "file"
    path.write_bytes(b"old")
    calls = scanner(99)
    with pytest.raises(PermissionError) as caught:
        files.write(path, b"new")
    assert caught.value.filename == str(path)
    assert path.read_bytes() == b"old" and os.listdir(tmp_path) == ["file"]
    assert len(calls) == 5  # the first attempt, and one after each pause


def test_the_patience_with_a_scanner_is_about_a_second():
    assert 0.5 <= sum(files.PATIENCE) <= 1.5


def test_other_errors_are_not_tried_again(tmp_path, scanner):
    calls = scanner(0)
    with pytest.raises(IsADirectoryError):
        files.write(tmp_path, b"new")
    assert len(calls) == 1


KILLED = """
import os, sys
sys.path.insert(0, sys.argv[1])
from style_transfer import files
with files.writing(sys.argv[2]) as file:
    os.write(1, b"writing")
    sys.stdin.read()
"""


@pytest.mark.parametrize("is_shared", [False, True])
def test_what_a_killed_process_left_is_removed_and_nothing_else(tmp_path, is_shared):
    mine = {".mine.tmp", ".12.tmp", ".a.b.tmp", "a.12.tmp", ".a.12.tmp.gz", ".a.12", ".a.012.tmp"}
    for name in mine:
        (tmp_path / name).write_text("text")
    (tmp_path / ".folder.12.tmp").mkdir()
    with program(KILLED, tmp_path / "result.png") as process:
        files.remove_temporary(tmp_path, is_shared=True)
        assert (tmp_path / f".result.png.{process.pid}.tmp").exists()
        process.kill()
    left = {each.name for each in tmp_path.iterdir()} - mine - {".folder.12.tmp"}
    assert left == {f".result.png.{process.pid}.tmp"}
    files.remove_temporary(tmp_path, is_shared=is_shared)
    assert {each.name for each in tmp_path.iterdir()} == mine | {".folder.12.tmp"}


@contextlib.contextmanager
def program(text, path):
    """Run a small program that says when it is ready, and waits for the end of the block."""
    command = [sys.executable, "-c", text, str(ROOT), str(path)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe) as process:
        try:
            assert process.stdout.read(4), process.stderr.read()
            yield process
        finally:
            process.kill()
