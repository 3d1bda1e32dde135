"""A command whose --output is an address: it works in a folder here, which is sent there."""

import contextlib
import dataclasses
import functools
import posixpath
from pathlib import Path

from style_transfer import files, storage
from style_transfer.errors import SettingsError
from style_transfer.optimization.events import JobFailed, JobSkipped, Notice, Painted, Saved


class Here:
    """Where a command writes to a folder of this machine: nothing to do.

    Attributes:
        output: what the command is to take for its option.
    """

    is_remote = False

    def __init__(self, output):
        self.output = output

    def fetch(self, is_wanted):
        """Do nothing: all is here."""

    def follow(self, perform):
        """Return what makes events, see `playing.play`, as it is."""
        return perform

    def name(self, path):
        """Return a path, as it is."""
        return path


class There:
    """Where a command writes to an address, see `Here`.

    Args:
        address: of a folder, or of a file.
        is_file: which of both.
    """

    is_remote = True

    def __init__(self, address, is_file=False):
        from style_transfer.runs.mirror import Mirror

        folder, name = posixpath.split(address) if is_file else (address, "")
        self.mirror = Mirror(folder)
        self.local, self.address = str(self.mirror.folder), self.mirror.place.address
        self.output = f"{self.local}/{name}" if is_file or address.endswith("/") else self.local
        self.fetch = self.mirror.fetch

    def follow(self, perform):
        """Return what makes the same events, and sends what is done in the meantime."""

        def perform_and_send(**keywords):
            for event in perform(**keywords):
                if isinstance(event, Saved):
                    self.mirror.mark(event.folder)
                # What is said to be there is there.
                if notice := self.mirror.tick(waits=isinstance(event, Saved | Painted)):
                    yield Notice(notice)
                yield self.rename(event)

        return perform_and_send

    def rename(self, event):
        """Return an event with addresses in the place of what stands for them here."""
        if isinstance(event, Saved):
            folder, result = self.name(event.folder), self.name(event.result)
            return dataclasses.replace(event, folder=folder, result=result)
        if isinstance(event, Painted | JobSkipped) and event.result:
            return dataclasses.replace(event, result=self.name(event.result))
        if isinstance(event, JobFailed):
            return dataclasses.replace(event, error=self.name(event.error))
        return event

    def name(self, text):
        """Return a text, or a path as text, with addresses in it."""
        return str(text).replace(self.local, self.address)

    def rename_error(self, error):
        """Make an error speak of addresses."""
        if isinstance(error, OSError):
            if error.filename:
                error.filename = self.name(error.filename)
        else:
            error.args = tuple(map(self.name, error.args))


class Sent:
    """A craft whose runs go to an address from wherever they are painted; see `batches.worker`.

    Args:
        craft: a `local.Batch`.
        address: of the folder of all runs.
    """

    def __init__(self, craft, address):
        self.craft, self.address = craft, address

    def perform_one(self, task, *, is_retry=False, **hooks):
        """Do a job in a folder of its own on this machine, which stands for one there."""
        with stored(f"{self.address}/{task.job.folder.name}") as store:
            store.fetch(lambda _: False)
            here = dataclasses.replace(task.job, folder=Path(store.output))
            moved = dataclasses.replace(task, job=here)
            perform = functools.partial(self.craft.perform_one, moved, is_retry=is_retry)
            yield from store.follow(perform)(**hooks)


@contextlib.contextmanager
def stored(output, suffixes=()):
    """Make `Here` or `There` of what the user named; at the end all is sent.

    Args:
        output: a path, an address or None.
        suffixes: a tuple: of files; what has another one is a folder.

    Raises:
        files.FileError: the address cannot be used, or a package is missing.
        storage.StorageError: the machine does not answer, or refuses.
    """
    if not storage.is_address(output):
        yield Here(output)
        return
    there = There(output, output.lower().endswith(suffixes))
    is_end = False
    try:
        yield there
        is_end = True
    except (files.FileError, SettingsError, RuntimeError, OSError) as error:
        there.rename_error(error)
        raise
    finally:
        there.mirror.close(is_end=is_end)
