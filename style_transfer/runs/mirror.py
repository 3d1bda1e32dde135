"""A folder here that stands for one at an address: runs are painted here, and kept there.

What is there of a run is that run as it was at some time: its record comes last, and one that says
more than is true is removed first. So what counts as finished is finished, and a run whose machine
vanished goes on elsewhere, from its last checkpoint there.
"""

import contextlib
import json
import os
import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath

from style_transfer import files
from style_transfer.runs import record as records
from style_transfer.runs.folder import CHECKPOINTS, FILES
from style_transfer.storage import Place, StorageError

VARIABLE = "STYLE_SCRATCH"  # names the folder that all mirrors lie in
SECONDS = 30.0  # between two uploads while a run goes on
MOST = 100  # mirrors of one address, each of another process
CHECKPOINT, LEFT_OUT = CHECKPOINTS  # the second is for a damaged first, which no address has
OWN = {*FILES} - {LEFT_OUT}
FRAMES, FRAME = "frames", "frames/epoch_"


class Mirror:
    """A folder that stands for one at an address.

    Args:
        address: of the folder.

    Attributes:
        folder: a `Path`, of this process alone.
        complete: the folders of runs of which all is written; of others, only the end tells.

    Raises:
        files.FileError, StorageError: as of `storage.Place`.
    """

    def __init__(self, address):
        self.place = Place(address)
        self.folder, self.lock = claim(self.place.address)
        self.there, self.finished = None, set()  # from name to the bytes, of records; runs
        self.seen = {}  # from name to the signature of the file here that is there, too
        self.complete = set()
        self.is_wanted = lambda name: False
        self.thread, self.sending = ThreadPoolExecutor(1, "upload"), None
        self.last, self.has_sent = -SECONDS, False

    def fetch(self, is_wanted):
        """Bring here what a command needs of what is there.

        What an earlier process could not send is sent first.

        Args:
            is_wanted: whether a file of a finished run is, by its path within the run; of one that
                is not, all are. Whether another file is, by its path.

        Raises:
            StorageError: the other machine does not answer, or refuses.
            OSError: a file could not be written.
        """
        self.is_wanted = is_wanted
        self.there = dict.fromkeys(self.place.list())
        names = [name for name in self.there if split(name)[1] == records.NAME]
        self.there |= self.place.read_all(names)
        self.finished = {split(name)[0] for name in names if is_finished(self.there[name])}
        for run in self.finished:
            self.remove_here(run, lambda own: True)
        self.send(is_end=True)
        self.bring([name for name in self.there if self.is_needed(name)])
        self.seen = self.list_here()

    def is_needed(self, name):
        """Tell whether a file there is needed here."""
        run, own = split(name)
        if (self.folder / name).exists():
            return False
        if join(run, records.NAME) not in self.there:
            return self.is_wanted(name)
        return is_own(own) and (own == records.NAME or self.is_kept(run, own))

    def is_kept(self, run, own):
        """Tell whether a file of a run there has to be here, too."""
        return run not in self.finished or self.is_wanted(own)

    def bring(self, names):
        """Fetch files, each whole or not at all; records last, since they are what makes a run."""
        targets = {name: self.folder / name for name in names}
        partial = {name: path.with_name(f".{path.name}") for name, path in targets.items()}
        for path in targets.values():
            path.parent.mkdir(parents=True, exist_ok=True)
        if partial:
            self.place.get(partial)
        for name in sorted(names, key=lambda each: split(each)[1] == records.NAME):
            files.replace(partial[name], targets[name])

    def list_here(self, run="."):
        """Return what is here, of a run or of all: from name to what tells of a change."""
        found = {}
        for path in (self.folder / run).rglob("*"):
            is_left_out = path.name.startswith(".") or path.name == LEFT_OUT
            with contextlib.suppress(FileNotFoundError):  # just now replaced or removed
                if path.is_file() and not is_left_out:
                    found[path.relative_to(self.folder).as_posix()] = sign(path)
        return found

    def tick(self, *, waits=False):
        """Send in a thread what has changed, if the last time is a while ago.

        Args:
            waits: whether to send it now, and wait until it is there.

        Returns:
            What to tell the user, if it failed, and will be tried again; or None.

        Raises:
            StorageError: it failed, and never worked before.
        """
        if self.sending and not (waits or self.sending.done()):
            return None
        error = self.settle()
        if waits or time.monotonic() - self.last >= SECONDS:
            self.sending = self.thread.submit(self.send, complete=frozenset(self.complete))
            error = self.settle() if waits else error
            self.last = time.monotonic()
        return f"not uploaded yet: {error}" if error else None

    def settle(self):
        """Wait for what is being sent; return the `StorageError` that it ended with, or None."""
        sending, self.sending = self.sending, None
        error = sending and sending.exception()
        if error and not (self.has_sent and isinstance(error, StorageError)):
            raise error
        return error

    def mark(self, folder):
        """Take down that all of a run is written."""
        self.complete.add(Path(folder).relative_to(self.folder).as_posix())

    def send(self, *, complete=(), is_end=False):
        """Send what has changed.

        Args:
            complete: runs of which all is written.
            is_end: whether that holds for all.

        Raises:
            StorageError: the other machine does not answer, or refuses.
        """
        changed = self.changes()
        runs = sorted({split(name)[0] for name in changed})
        runs = [run for run in runs if (self.folder / run / records.NAME).exists()]
        for run in runs:
            self.send_run(run, is_complete=is_end or run in complete)
        self.put({name: each for name, each in changed.items() if split(name)[0] not in runs})

    def changes(self, run="."):
        """Return what is here and not there, see `list_here`."""
        here = self.list_here(run).items()
        return {name: each for name, each in here if each != self.seen.get(name)}

    def send_run(self, run, *, is_complete):
        """Send what has changed of a run: the checkpoint after the snapshots, the record last.

        One that is finished has no checkpoint there.
        """
        record, checkpoint = join(run, records.NAME), join(run, CHECKPOINT)
        signature = sign(self.folder / record)
        data = (self.folder / record).read_bytes()
        if self.there.get(record) and (run in self.finished or differs(self.there[record], data)):
            self.forget([record])
        ends = is_finished(data) and is_complete
        with self.hold(run) as held:
            here = self.list_here(run).keys() | ({checkpoint} if held else set())
            self.forget([each for each in self.there if is_of(each, run) and each not in here])
            changed = self.changes(run)
            own = {name: each for name, each in changed.items() if split(name)[0] == run}
            self.put({name: own[name] for name in own.keys() - {record, checkpoint}})
            if held and not ends and sign(held) != self.seen.get(checkpoint):
                self.put({checkpoint: sign(held)}, held)
        if is_finished(data) and not ends:
            return  # the animation and the report are still to come
        if signature != self.seen.get(record):
            copy = self.folder / ".record"  # the run may write another one at any time
            files.write(copy, data)
            self.put({record: signature}, copy)
            self.there[record] = data
        if ends:
            self.finished.add(run)
            self.forget(self.there.keys() & {checkpoint})
            self.remove_here(run, lambda own: own != records.NAME and not self.is_wanted(own))

    @contextlib.contextmanager
    def hold(self, run):
        """Give the checkpoint of a run a second name, so that no newer one takes its place.

        For a moment there is only the one before: while the newest is renamed.
        """
        held = self.folder / ".held"
        held.unlink(missing_ok=True)
        for name in CHECKPOINTS:
            with contextlib.suppress(FileNotFoundError):
                link(self.folder / run / name, held)
                break
        yield held if held.exists() else None
        held.unlink(missing_ok=True)

    def put(self, names, source=None):
        """Put files there, and take down that they are.

        Args:
            names: from name to the signature of what is sent.
            source: the path of a single one, where that is not its own.
        """
        if names:
            self.place.put({name: source or self.folder / name for name in names})
            self.has_sent = True
            self.seen |= names
            self.there |= dict.fromkeys(names)

    def forget(self, names):
        """Remove files there."""
        self.place.remove(names)
        for name in names:
            del self.there[name]
            self.seen.pop(name, None)
            self.finished.discard(split(name)[0])

    def remove_here(self, run, is_removed):
        """Remove files of a run here that are there."""
        for name in self.list_here(run):
            if is_of(name, run) and is_removed(split(name)[1]):
                (self.folder / name).unlink()
                self.seen.pop(name, None)

    def close(self, *, is_end):
        """Send what is left, and remove what is here; what cannot be sent stays.

        Args:
            is_end: whether the command did all that it was to do.

        Raises:
            StorageError: it could not be sent; says where it lies.
        """
        try:
            self.thread.shutdown()
            if self.there is not None:  # else it never answered
                self.send(complete=self.complete, is_end=is_end)
            if self.there is not None or not self.list_here():
                shutil.rmtree(self.folder)
        except StorageError as error:
            where = f"what is painted is kept in {files.printable(self.folder)}"
            raise StorageError(
                f"{error}; {where}; give the same command again, which uploads it"
            ) from error
        finally:
            self.lock.release()


def claim(address):
    """Return a folder for the mirror of an address, and the lock on it.

    The first that no process holds, with what an earlier one could not send.
    """
    given = os.environ.get(VARIABLE)
    parent = Path(given) if given else Path.home() / ".cache" / "style-transfer"
    parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    name = f"{PurePosixPath(address).name}-{files.sha256(address.encode())[:12]}"
    for number in range(1, MOST + 1):
        try:
            lock = files.Lock(parent / f"{name}-{number}.lock")
        except files.FileError:
            if number == MOST:
                raise
        else:
            break
    folder = parent / f"{name}-{number}"
    folder.mkdir(exist_ok=True, mode=0o700)
    return folder, lock


def link(path, other):
    """Give a file a second name; where there are no links, copy it."""
    try:
        os.link(path, other)
    except FileNotFoundError:
        raise
    except OSError:
        shutil.copy2(path, other)


def sign(path):
    """Return what tells a file from another that takes its place."""
    status = path.stat()
    return status.st_mtime_ns, status.st_size


def split(name):
    """Split a name into the folder of the run that it may belong to, and its path in there."""
    path = PurePosixPath(name)
    run = path.parent.parent if path.parent.name == FRAMES else path.parent
    return str(run), str(path.relative_to(run))


def join(run, own):
    """Put together again what `split` split."""
    return str(PurePosixPath(run) / own)


def is_own(own):
    """Tell whether a path within a run's folder is of a file that runs write."""
    return own in OWN or own.startswith(FRAME)


def is_of(name, run):
    """Tell whether a name is of a file that a run has written."""
    return split(name)[0] == run and is_own(split(name)[1])


def is_finished(data):
    """Tell whether a record, as bytes, is of a run that has nothing left to do."""
    with contextlib.suppress(ValueError, KeyError, TypeError, RecursionError):
        return json.loads(data)["finished"] is True
    return False


def differs(there, here):
    """Tell whether a record there, as bytes, is of another run than the one here."""
    try:
        return records.fingerprint(json.loads(there)) != records.fingerprint(json.loads(here))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):  # it is damaged
        return True
