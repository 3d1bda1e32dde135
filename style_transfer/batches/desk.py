"""What a process that paints and whoever hands it the work say to each other, over a pipe.

The process loads TensorFlow, says `Ready`, takes an assignment, and sends the events of it, the
last of which is one of `LAST`. Its main thread paints; another one listens. Where the pipe ends,
whoever handed out the work is gone, and the process ends as well, in the middle of whatever it
does: a run goes on from its checkpoint.
"""

import dataclasses
import os
import threading
from collections import deque
from dataclasses import dataclass

from style_transfer.optimization.events import Iterate, JobFailed, JobSkipped, Painted, Saved

LAST = (Saved, Painted, JobFailed, JobSkipped)  # the events that end an assignment


@dataclass(frozen=True)
class Stop:
    """The painting of an assignment is to end after its step, with a picture."""

    id: object


@dataclass(frozen=True)
class Ready:
    """TensorFlow is loaded."""


@dataclass(frozen=True)
class Downloading:
    """Weights are downloaded: bytes so far, and bytes in all or None."""

    done: int
    total: int | None


class Desk:
    """The worker's end of the pipe.

    Args:
        connection: what has `recv` and `send`, as those of multiprocessing do.
    """

    def __init__(self, connection):
        self.connection = connection
        self.waiting = deque()
        self.arrival = threading.Condition()
        self.stopped = set()  # ids

    def open(self):
        """Listen from now on, load TensorFlow, and say that it is."""
        threading.Thread(target=self.listen, daemon=True).start()
        load()
        self.send(None, Ready())

    def listen(self):
        """Take in what comes, until whoever sent it is gone."""
        while True:
            try:
                message = self.connection.recv()
            except (EOFError, OSError):
                os._exit(0)  # nothing is lost: each file on the disk is whole
            with self.arrival:
                if isinstance(message, Stop):
                    self.stopped.add(message.id)
                else:
                    self.waiting.append(message)
                    self.arrival.notify()

    def take(self):
        """Wait for an assignment, and return it."""
        with self.arrival:
            self.arrival.wait_for(lambda: self.waiting)
            return self.waiting.popleft()

    def send(self, identity, event):
        """Tell an event of an assignment, without its pixels: those lie in files."""
        self.connection.send((identity, slim(event)))

    def hooks(self, identity):
        """Return what `job.perform` asks and tells while it does an assignment."""

        def downloading(done, total):
            self.send(identity, Downloading(done, total))

        def should_stop():
            return identity in self.stopped

        return {"should_stop": should_stop, "downloading": downloading}


def load():
    """Load TensorFlow, which takes some seconds: while the user still chooses."""
    import tensorflow  # noqa: F401

    from style_transfer.feedforward import universal  # noqa: F401
    from style_transfer.optimization import transfer  # noqa: F401


def slim(event):
    """Return an event without its pixels."""
    if isinstance(event, Iterate):
        return dataclasses.replace(event, image=None)
    return dataclasses.replace(event, data=b"") if isinstance(event, Painted) else event
