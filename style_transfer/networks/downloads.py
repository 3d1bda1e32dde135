"""One way to fetch a file from the web: whole and with the right checksum, or not at all.

`keras.utils.get_file` would do it, but prints its progress, raises bare Exceptions, waits for a
dead line for ever, and takes the seconds that importing Keras takes.
"""

import contextlib
import functools
import hashlib
import http.client
import os
import posixpath
import queue
import threading
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

from style_transfer import files

SECONDS_TO_ANSWER = 8.0  # for the server to answer, and then for each piece to come
PIECE = 2**16  # bytes


def fetch(address, *, folder, md5=None, sha256=None, alternative="", progress=None):
    """Return the path of a file from the web, downloaded unless it lies there intact.

    Args:
        address: an `http` or `https` address; its last part is the file's name.
        folder: where the file is, or goes; created if need be.
        md5, sha256: what the file's checksum must be, in hexadecimal digits; one of the two.
        alternative: what else the user can do if it cannot be had, for the error's remedy.
        progress: called as `progress(done, total)` with numbers of bytes, first with 0 done;
            `total` is None where the server does not say.

    Raises:
        files.FileError: the file cannot be downloaded, or is not the one expected; without a
            network this takes `SECONDS_TO_ANSWER`. What lay in its place is untouched.
    """
    path = Path(folder) / file_name(address)
    if is_intact(path, md5=md5, sha256=sha256):
        return path
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with connect(address) as response, files.writing(path) as file:
            receive(response, file, progress or (lambda done, total: None))
            file.flush()
            check_digest(file.name, md5=md5, sha256=sha256)
    except (OSError, http.client.HTTPException, ValueError) as error:
        state = "is damaged" if os.path.exists(path) else "is not"
        reason = f"{state} in {path.parent} and cannot be downloaded ({explain(error)})"
        remedy = f"put {address} there" + (f", or {alternative}" if alternative else "")
        raise files.FileError(path.name, reason, remedy) from None
    return path


def file_name(address):
    """Return the last part of an address, without what follows a question mark."""
    return posixpath.basename(urllib.parse.urlsplit(address).path)


def is_intact(path, *, md5=None, sha256=None):
    """Tell whether a file is there, can be read, and has the checksum."""
    with contextlib.suppress(OSError):
        if os.path.isfile(path):
            check_digest(path, md5=md5, sha256=sha256)
            return True
    return False


def check_digest(path, *, md5=None, sha256=None):
    """Raise OSError unless a file has the checksum."""
    algorithm, expected = ("sha256", sha256) if sha256 else ("md5", md5)
    found = digest(path, algorithm, identify(path))
    if found != expected:
        raise OSError(f"its {algorithm} checksum is {found}, not {expected}")


@functools.lru_cache(maxsize=8)  # so that a batch of pictures checks a file of 80 MB once
def digest(path, algorithm, identity):
    """Compute the checksum of a file as it is now, see `identify`."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest()


def identify(path):
    """Return what changes when a file is replaced or written to; None if there is no file."""
    try:
        status = os.stat(path)
    except (OSError, ValueError):
        return None
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def connect(address):
    """Open an address; raise OSError unless the server answers in time.

    In a thread, since looking up a name cannot be given a time limit; a daemon, since the
    program must be able to end while it is still waiting.
    """
    outcome = queue.SimpleQueue()

    def ask():
        try:
            outcome.put(urllib.request.urlopen(address, timeout=SECONDS_TO_ANSWER))
        except Exception as error:  # raised below, in the thread of the caller
            outcome.put(error)

    threading.Thread(target=ask, daemon=True).start()
    try:
        answer = outcome.get(timeout=SECONDS_TO_ANSWER)
    except queue.Empty:
        raise TimeoutError("no answer from the network") from None
    if isinstance(answer, Exception):
        raise answer
    return answer


def receive(response, file, progress):
    """Copy the body of a response into a file; raise OSError if it ends early or stalls."""
    length = response.headers.get("Content-Length", "")
    total = int(length) if length.isdecimal() else None
    done = 0
    progress(done, total)
    while done != total and (piece := response.read1(PIECE)):
        file.write(piece)
        done += len(piece)
        progress(done, total)
    if total is not None and done != total:
        raise OSError(f"the line broke after {done} of {total} bytes")


def explain(error):
    """Say in a few words why a download failed."""
    if type(error) is urllib.error.URLError:  # not HTTPError, which says more itself
        error = error.reason
    return str(error) or type(error).__name__
