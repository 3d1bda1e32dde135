"""Files on disk: read what is a regular file, write whole or not at all, lock, fingerprint."""

import contextlib
import errno
import hashlib
import os
import re
import stat
import time
from pathlib import Path

import filelock

MAX_BYTES = 512 * 2**20
FULL = {errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC)}
PATIENCE = (0.05, 0.1, 0.2, 0.3, 0.35)  # seconds between attempts to replace a file

#: What `writing` calls the file beside its target until it is whole: `.<name>.<process>.tmp`.
TEMPORARY = re.compile(r"\..+\.([1-9][0-9]*)\.tmp")


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


def check_regular(path, *, remedy, most=MAX_BYTES):
    """Raise FileError unless `path` is a regular file of 1 byte to 512 MB.

    It is not opened, since opening a pipe would wait for a writer for ever.

    Args:
        most: bytes, in place of 512 MB; None: any number, of a file that is not read whole.
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
    if most is not None and status.st_size > most:
        raise FileError(path, f"is larger than {most // 2**20} MB", remedy)


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
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")  # as of TEMPORARY
    try:
        with open(temporary, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        if keep and path.exists():
            replace(path, keep)
        replace(temporary, path)
    except BaseException as error:
        with contextlib.suppress(OSError):
            temporary.unlink()
        nameless = isinstance(error, OSError) and error.filename in (None, str(temporary))
        if nameless and error.errno:
            error.filename = str(path)  # "No space left on device" alone would not say where
        raise
    sync_folder(path.parent)


def replace(source, target):
    """Rename a file over another; be patient with a virus scanner, which holds new files.

    Raises:
        PermissionError: it could not be renamed for about a second.
        OSError: it cannot be renamed.
    """
    for seconds in PATIENCE:
        try:
            return os.replace(source, target)
        except PermissionError:
            time.sleep(seconds)
    return os.replace(source, target)


def remove_temporary(folder, *, is_shared=False):
    """Remove what processes that were killed in `writing` left in a folder, and nothing else.

    Args:
        is_shared: whether others may be writing there; what a living process may still need stays.
    """
    import psutil  # not at the top, since it makes `--help` slower

    alive = set(map(str, psutil.pids())) if is_shared else ()
    for path in Path(folder).glob(".*.tmp"):
        found = TEMPORARY.fullmatch(path.name)
        if found and found[1] not in alive and path.is_file():
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

    It is released by `release`, or at the end of a `with` block. The lock's file stays, since
    another process may wait for it.

    Args:
        path: of the lock's file, which names the process that holds it.

    Raises:
        FileError: another process holds it (names its number, where that can be known); or
            nobody can, as on some network drives.
    """

    def __init__(self, path):
        self.lock = filelock.FileLock(
            path,
            timeout=0,
            thread_local=False,  # a server may release it in another thread
            fallback_to_soft=False,  # a soft lock would outlive a process that is killed
            preserve_lock_file=True,
            on_acquired=sign,
        )
        try:
            self.lock.acquire()
        except filelock.Timeout:
            raise in_use(path) from None
        except OSError as error:
            raise not_lockable(path, error) from None

    def release(self):
        """Give the lock back; once more does nothing."""
        self.lock.release()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.release()


def check_unlocked(path):
    """Check that a `Lock` could be taken; nothing is created or changed.

    Args:
        path: of the lock's file; where there is none, nobody holds it.

    Raises:
        FileError: as of `Lock`.
    """
    try:
        descriptor = os.open(path, os.O_RDWR)  # NFS locks only what is open for writing
    except FileNotFoundError:
        return
    except OSError as error:
        raise not_lockable(path, error) from None
    try:
        free = filelock.lock_descriptor(descriptor, blocking=False)
    except OSError as error:
        raise not_lockable(path, error) from None
    finally:
        os.close(descriptor)  # and with it the lock, if it was taken
    if not free:
        raise in_use(path)
    if not os.access(Path(path).parent, os.W_OK | os.X_OK):
        raise not_lockable(path, PermissionError(errno.EACCES, os.strerror(errno.EACCES)))


def sign(descriptor):
    """Write into a lock's file, just locked, who holds it.

    Of one length, so that no moment and no rest of a longer text shows another number.
    """
    os.write(descriptor, f"process {os.getpid():<10}\n".encode())


def read_holder(path):
    """Return the number of the process that holds a lock, as text; or "unknown"."""
    try:
        with open(path, "rb", buffering=0) as file:
            file.seek(1)  # Windows lets nobody read the first byte: it is what is locked
            found = re.match(rb"rocess (\d+)\s", file.read(64))
    except OSError:
        found = None
    return found[1].decode() if found else "unknown"


def in_use(path):
    """Build the error for a folder whose lock another process holds."""
    reason = f"is in use by another run, process {read_holder(path)}"
    return FileError(Path(path).parent, reason, "wait for it, stop it, or choose another --output")


def not_lockable(path, error):
    """Build the error for a folder that cannot be locked by anybody, from an OSError."""
    denied = isinstance(error, PermissionError) or error.errno == errno.EROFS
    reason = "cannot be written to" if denied else "cannot be locked"
    reason += f" ({error.strerror or error})"
    return FileError(Path(path).parent, reason, "choose another --output")
