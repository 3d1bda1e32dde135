"""Hands the pictures of a batch to workers, here or elsewhere; one that dies is replaced.

There is one loop for both. What it needs is a crew:

    lines            what was chosen, for people
    count            how many workers there are to be
    hire()           starts one, which has `send(message)` and `kill()`
    listen(workers, seconds)
                     waits for what they say: pairs of a worker and (identity, event), see `desk`,
                     or `processes.Gone`
"""

import time
from collections import Counter, deque
from dataclasses import dataclass

from style_transfer.batches.desk import LAST, Downloading, Ready, Stop
from style_transfer.batches.processes import Gone
from style_transfer.batches.worker import Assignment
from style_transfer.errors import ComputationError
from style_transfer.optimization.events import (
    Iterate,
    JobEnded,
    JobFailed,
    JobSkipped,
    Notice,
    Outlined,
    Planned,
    Progressed,
    Saved,
)

TRIES = 3  # of a picture whose workers die, and of workers that never get ready
SECONDS = 0.2  # between two looks at whether to stop


@dataclass
class Work:
    """A picture that a worker has in hand: when that began, its share that is done, and when
    that was told; the seconds left are those that were told."""

    number: int
    began: float
    steps: int = 0
    share: float = 0.0
    seconds_left: float | None = None

    def take(self, event):
        """Take in an event."""
        if isinstance(event, Planned):
            self.steps = event.settings.epochs * event.settings.steps
            self.share, self.seconds_left = event.steps_done / self.steps, event.seconds
        elif isinstance(event, Iterate):
            self.share, self.seconds_left = event.step / self.steps, event.seconds_left

    def estimate(self, pace):
        """Estimate the seconds left; None if nothing is known.

        Args:
            pace: seconds that a picture took so far, or None.
        """
        if self.seconds_left is not None or pace is None:
            return self.seconds_left
        return max(0.0, pace - (time.monotonic() - self.began))


class Dispatch:
    """Does tasks by a crew of workers.

    Args:
        tasks: a list of what the workers' craft takes.
        crew: see above.
    """

    def __init__(self, tasks, crew):
        self.tasks, self.crew, self.most = tasks, crew, crew.count
        self.waiting = deque(range(len(tasks)))
        self.workers, self.idle, self.busy = [], [], {}  # the last: `Work` by worker
        self.deaths, self.stillborn = Counter(), 0
        self.ended, self.unfinished = 0, 0
        self.painted, self.seconds = 0, 0.0
        self.told = set()
        self.is_stopping = False

    def perform(self, *, should_stop=lambda: False, downloading=None):
        """Do the tasks: a generator of events, see `job.perform_each`, whose order is another.

        Args:
            should_stop: asked about five times a second; then all end after the step under way.
            downloading: not called; that something is downloaded is a notice.

        Raises:
            ComputationError: no worker gets ready.
        """
        yield Outlined(self.crew.lines)
        yield self.describe()
        try:
            while self.busy or (self.waiting and not self.is_stopping):
                if should_stop():
                    self.stop()
                else:
                    self.hand_out()
                for worker, message in self.crew.listen(self.workers, SECONDS):
                    yield from self.take(worker, message)
        finally:
            for worker in self.workers:
                worker.kill()
        if left := len(self.waiting) + self.unfinished:
            pictures = "1 picture is" if left == 1 else f"{left} pictures are"
            yield Notice(f"{pictures} left; the same command goes on with them")

    def stop(self):
        """Ask all who paint to end after their step; those who are not ready yet are not needed."""
        if not self.is_stopping:
            self.is_stopping = True
            for worker, work in self.busy.items():
                worker.send(Stop(work.number))

    def hand_out(self):
        """Hire whoever is missing, and give each who has nothing to do the next task."""
        needed = min(self.most, len(self.waiting) + len(self.busy))
        while len(self.workers) < needed:
            self.workers.append(self.crew.hire())
        while self.idle and self.waiting:
            worker, number = self.idle.pop(), self.waiting.popleft()
            self.busy[worker] = Work(number, time.monotonic())
            worker.send(Assignment(number, self.tasks[number], number in self.deaths))

    def take(self, worker, message):
        """Take in what a worker says, or its death: a generator of events."""
        if isinstance(message, Gone):
            yield from self.bury(worker, message)
            return
        _, event = message
        if isinstance(event, Ready):
            self.stillborn = 0
            self.idle.append(worker)
        elif isinstance(event, LAST):
            self.idle.append(worker)
            yield from self.end(self.busy.pop(worker), event)
        elif isinstance(event, Notice | Downloading):
            text = event.text if isinstance(event, Notice) else "the weights are downloaded"
            if text not in self.told:  # else each worker, or each picture, would say it
                self.told.add(text)
                yield Notice(f"{self.tasks[self.busy[worker].number].label}: {text}")
        elif isinstance(event, Planned | Iterate):
            self.busy[worker].take(event)
            yield self.describe()

    def end(self, work, event):
        """Note how a task ended: a generator of events."""
        if isinstance(event, Saved) and not event.finished:
            self.unfinished += 1
            yield event
            return
        if not isinstance(event, JobSkipped | JobFailed):
            self.painted += 1
            self.seconds += time.monotonic() - work.began
        self.ended += 1
        label = self.tasks[work.number].label
        yield JobEnded(self.ended, len(self.tasks), label, self.estimate())
        yield event

    def bury(self, worker, gone):
        """Take down that a worker died: a generator of events.

        What it had in hand waits behind the others, until what killed it may have passed.
        """
        self.workers.remove(worker)
        if worker in self.idle:
            self.idle.remove(worker)
            return
        work = self.busy.pop(worker, None)
        if self.is_stopping:
            self.unfinished += work is not None
        elif work is None:
            yield from self.replace_stillborn(gone)
        else:
            yield from self.put_back(work, gone)

    def replace_stillborn(self, gone):
        """Take down that a worker died before it was ready: a generator of events.

        Where that happens again and again, as for want of memory, the others go on without it.
        """
        self.stillborn += 1
        if self.stillborn < TRIES:
            return
        if not (self.busy or self.idle):
            raise ComputationError(f"no worker gets ready, {TRIES} times in a row: {gone.reason}")
        self.stillborn, self.most = 0, self.most - 1
        yield Notice(f"{gone.reason}, {TRIES} times before it was ready; going on with {self.most}")

    def put_back(self, work, gone):
        """Let a task whose worker died wait once more, or give it up: a generator of events."""
        task = self.tasks[work.number]
        self.deaths[work.number] += 1
        if self.deaths[work.number] < TRIES:
            self.waiting.append(work.number)
            yield Notice(f"{task.label}: {gone.reason}; another one goes on with it")
        else:
            error = f"given up after {TRIES} tries: {gone.reason}"
            yield from self.end(work, JobFailed(task.label, error, task.content))

    def describe(self):
        """Return the `Progressed`."""
        shares = tuple((self.tasks[work.number].label, work.share) for work in self.busy.values())
        return Progressed(self.ended, len(self.tasks), shares, self.estimate())

    def estimate(self):
        """Estimate the seconds left for all; None if nothing is known."""
        pace = self.seconds / self.painted if self.painted else None
        left = [work.estimate(pace) for work in self.busy.values()]
        if None in left or (pace is None and not left):
            return None
        # Before the first is done, one that has begun stands for those that wait.
        each = max(left) if pace is None else pace
        total = sum(left) + each * len(self.waiting)
        return max([total / max(1, len(self.workers)), *left])
