"""Files on disk: read what is a regular file, write whole or not at all, lock, fingerprint."""

import contextlib
import errno
import hashlib
import os
import stat
from pathlib import Path

MAX_BYTES = 512 * 2**20
FULL = {errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC)}


class FileError(ValueError):
    """A file cannot be used. The message is one line: the file, the reason, the remedy."""

    def __init__(self, path, reason, remedy):
        super().__init__(f"{printable(path)}: {printable(reason)}; {remedy}")


def printable(text):
    """Escape what would confuse a terminal: control characters, line ends, bytes not UTF-8."""
    text = os.fsdecode(text) if isinstance(text, (bytes, os.PathLike)) else str(text)
    return "".join(
        each if each.isprintable() else each.encode("unicode_escape").decode() for each in text
    )


def check_regular(path, *, remedy):
    """Raise FileError unless `path` is a regular file of 1 byte to 512 MB.

    It is not opened, since opening a pipe would wait for a writer for ever.
    """
    try:
        status = os.stat(path)
    except FileNotFoundError:
        raise FileError(path, "no such file", remedy) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise FileError(path, reason, remedy) from None
    if stat.S_ISDIR(status.st_mode):
        raise FileError(path, "is a folder", remedy)
    if not stat.S_ISREG(status.st_mode):
        raise FileError(path, "is not a regular file", remedy)
    if status.st_size == 0:
        raise FileError(path, "is empty", remedy)
    if status.st_size > MAX_BYTES:
        raise FileError(path, f"is larger than {MAX_BYTES // 2**20} MB", remedy)


def read(path, *, remedy):
    """Return the bytes of a regular file; raise FileError if it cannot be read."""
    check_regular(path, remedy=remedy)
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise FileError(path, error.strerror, remedy) from None


def sha256(data):
    """Fingerprint bytes: 64 hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()


@contextlib.contextmanager
def writing(path, *, keep=None):
    """Open a binary file that replaces `path` once it is whole and on the disk, or never.

    The bytes go into a temporary file beside the target, are flushed and synced, and the file
    is renamed; if the block raises, the temporary file is removed and `path` is untouched.

    Args:
        keep: the path that the file replaced is kept under, if any.

    Raises:
        OSError: the file cannot be written; names `path`.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with open(temporary, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        if keep and path.exists():
            os.replace(path, keep)
        os.replace(temporary, path)
    except BaseException as error:
        with contextlib.suppress(OSError):
            temporary.unlink()
        nameless = isinstance(error, OSError) and error.filename in (None, str(temporary))
        if nameless and error.errno:
            error.filename = str(path)  # "No space left on device" alone would not say where
        raise
    sync_folder(path.parent)


def remove_temporary(folder):
    """Remove what a process that was killed in `writing` left in a folder."""
    for path in Path(folder).glob(".*.tmp"):
        path.unlink(missing_ok=True)


def sync_folder(folder):
    """Make a rename in `folder` survive a power cut (where the system can: not on Windows)."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write(path, data):
    """Write bytes whole or not at all.

    Raises:
        OSError: as of `writing`; where the disk is full, it says how many bytes are needed.
    """
    try:
        with writing(path) as file:
            file.write(data)
    except OSError as error:
        raise say_bytes(error, len(data)) from None


def write_text(path, text):
    """Write a UTF-8 text file whole or not at all."""
    write(path, text.encode())


def say_bytes(error, count):
    """Add to an OSError for a full disk the number of bytes needed; return the error."""
    if error.errno in FULL and "needed" not in error.strerror:
        error.strerror += f" ({count} bytes needed)"
    return error


class Lock:
    """A lock on a folder, held by the operating system: a dead process holds none.

    Args:
        path: of the lock's file, which holds the number of the process.

    Raises:
        FileError: another process holds it; names its number.
    """

    def __init__(self, path):
        self.file = open(path, "a+b")  # noqa: SIM115 - open as long as the lock is held
        try:
            take(self.file)
        except OSError:
            self.file.seek(0)
            holder = self.file.read(20).decode("ascii", "replace") or "unknown"
            self.file.close()
            reason = f"is in use by another run, process {holder}"
            remedy = "wait for it, stop it, or choose another --output"
            raise FileError(Path(path).parent, reason, remedy) from None
        self.file.truncate(0)
        self.file.write(str(os.getpid()).encode())
        self.file.flush()

    def release(self):
        """Give the lock back; its file stays, since another process may wait for it."""
        self.file.close()


def check_unlocked(path):
    """Raise FileError if another process holds the lock at `path`."""
    if Path(path).exists():
        Lock(path).release()


def take(file):
    """Lock an open file for this process alone; raise OSError at once if that cannot be."""
    if os.name == "nt":
        import msvcrt

        file.seek(1 << 30)  # far from the text, which others want to read
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        file.seek(0)
    else:
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
