"""Processes of this machine that paint, see `desk`."""

import contextlib
import os
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import wait

SECONDS_TO_END = 1.0  # in which one whose pipe has ended tells its status


@dataclass(frozen=True)
class Gone:
    """A worker died; `reason`: a line without a point."""

    reason: str


class Worker:
    """A process that paints.

    Args:
        target: called in it with its end of the pipe: a function of a module.
        arguments: more for the target.
        environment: variables by name that it has besides, or others than, those of this one.
    """

    def __init__(self, target, *arguments, environment=None):
        context = get_context("spawn")
        self.connection, theirs = context.Pipe()
        arguments = (theirs, *arguments)
        self.process = context.Process(target=target, args=arguments, daemon=True)
        with set_in_environment(environment or {}):
            self.process.start()
        theirs.close()  # or its end would never be seen
        self.is_ready = False

    def send(self, message):
        """Send a message; that the process is gone is noticed when it is listened to."""
        with contextlib.suppress(OSError):
            self.connection.send(message)

    def receive(self):
        """Return a message that is there: (identity, event), or `Gone` after the last."""
        try:
            return self.connection.recv()
        except (EOFError, OSError):
            return self.bury()

    def bury(self):
        """Put away a worker that is dead, or about to be; return `Gone`."""
        self.process.join(SECONDS_TO_END)
        code = self.process.exitcode
        self.kill()
        return Gone(explain(code))

    def kill(self):
        """End the process at once. What lies on the disk is whole."""
        self.process.kill()
        self.process.join()
        self.connection.close()


@contextlib.contextmanager
def set_in_environment(variables):
    """Let what is started in the block have these variables."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def explain(code):
    """Say why a painting failed whose worker died with a status."""
    if code == -9:
        return (
            "the process that paints was killed, as the system does where the memory runs out; "
            "choose a smaller size"
        )
    return f"the process that paints ended with status {code}; the terminal may say why"


class Crew:
    """Workers that are processes of this machine, see `dispatch`.

    Args:
        staff: a `staff.Staff`.
        target: of the `Worker`s: a function of a module.
        craft: of `worker.serve`; the target gets it.
    """

    def __init__(self, staff, target, craft):
        self.staff, self.target, self.craft = staff, target, craft
        self.count, self.lines = staff.count, (staff.text,)
        self.places = [None] * staff.count  # the worker in each

    def hire(self):
        """Start a worker in a place that is free."""
        free = (each is None or each.connection.closed for each in self.places)
        place = list(free).index(True)
        environment = self.staff.environment(place)
        worker = Worker(self.target, self.craft, environment=environment)
        self.places[place] = worker
        return worker

    def listen(self, workers, seconds):
        """Wait until workers say something; see `dispatch`."""
        speaking = {worker.connection: worker for worker in workers}
        return [(speaking[each], speaking[each].receive()) for each in wait(speaking, seconds)]
