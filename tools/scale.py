"""What a million pictures take: the driver is measured, the rest simulated; see docs/scale.md.

python tools/scale.py driver              # 100,000 stand-in jobs of 10 ms
python tools/scale.py simulate            # 10^6 pictures on 10, 100, 1000 workers
"""

import argparse
import heapq
import random
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import psutil

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from style_transfer.batches import cluster, desk, dispatch, processes, staff, worker
from style_transfer.optimization.events import Iterate, JobEnded, Painted, Planned
from style_transfer.settings import Settings

HOUR = 3600.0
EVERY = 10_000  # jobs between two looks at the driver's memory


@dataclass(frozen=True)
class Task:
    """A stand-in for a picture."""

    label: str = "photo"
    content: str = "photo.jpg"


@dataclass(frozen=True)
class Craft:
    """What does stand-ins: waits, and tells so many iterates of each."""

    seconds: float
    iterates: int

    def __setstate__(self, state):
        self.__dict__.update(state)
        desk.load = lambda: None  # in the worker, which needs no TensorFlow

    def perform_one(self, task, **_hooks):
        """Do nothing for a while."""
        settings = Settings(epochs=1, steps=max(1, self.iterates))
        yield Planned("", (64, 64), "", "", settings, (), (64,), self.seconds, 0.0)
        time.sleep(self.seconds)
        for step in range(self.iterates):
            yield Iterate(1, step + 1, [[0.0] * 3], [0.0], None, 0.01, 0.0)
        yield Painted(task.content, None, (64, 64), self.seconds, b"")


def measure_driver(jobs, workers, craft, address):
    """Do stand-in jobs; print what the driver takes for each, and its memory on the way."""
    if address:
        crew = cluster.Crew(address, craft, workers, jobs, Settings())
    else:
        crew = processes.Crew(staff.Staff(workers, 1, 1e9), worker.serve, craft)
    tasks = [Task()] * jobs
    here, began, ended = psutil.Process(), time.perf_counter(), 0
    busy = sum(here.cpu_times()[:2])
    for event in dispatch.Dispatch(tasks, crew).perform():
        ended += isinstance(event, JobEnded)
        if isinstance(event, JobEnded) and (ended == 1 or ended % EVERY == 0):
            print(f"{ended} jobs: {here.memory_info().rss / 1e6:.1f} MB", flush=True)
    took, busy = time.perf_counter() - began, sum(here.cpu_times()[:2]) - busy
    print(
        f"{jobs} jobs of {craft.seconds * 1e3:g} ms, {craft.iterates} iterates, {workers} workers: "
        f"{took:.1f} s, of the driver {busy / jobs * 1e3:.3f} ms a job"
    )


@dataclass(frozen=True)
class Load:
    """What a picture takes, and what goes wrong.

    Attributes:
        seconds: of painting, in steps and files.
        start: seconds until a worker is ready: the libraries, and compiling.
        checkpoint: seconds between two.
        vanish: share of the machines that vanishes each hour.
        workers: on a machine.
        replace: seconds until there is another machine.
        driver: seconds of the driver for a picture, with all its iterates.
        bytes: that stay of a picture.
    """

    seconds: float
    start: float
    checkpoint: float
    vanish: float
    workers: int
    replace: float
    driver: float
    bytes: float


class Crowd:
    """Workers that paint in thought, see `simulate`.

    Attributes:
        begun, left: when each worker begins with its picture, and its seconds left then.
        version: of the end that is foreseen for each; an older one has become untrue.
        events: (time, kind, number, version), a heap.
        free: when the driver has nothing to do any more.
        lost: seconds of workers that painted nothing that stays.
    """

    def __init__(self, workers, load, chance):
        self.load, self.chance, self.workers = load, chance, workers
        self.begun, self.left = [load.start] * workers, [load.seconds] * workers
        self.version = [0] * workers
        self.free = self.lost = 0.0
        self.events = []
        for number in range(workers):
            self.foresee_end(number)
        for number in range(0, workers, load.workers):
            self.foresee_loss(0.0, number)

    def foresee_end(self, number):
        """Take down when a worker will have painted its picture."""
        when = self.begun[number] + self.left[number]
        heapq.heappush(self.events, (when, "end", number, self.version[number]))

    def foresee_loss(self, now, number):
        """Take down when the machine will vanish whose first worker this is."""
        when = now + self.chance.expovariate(self.load.vanish / HOUR)
        heapq.heappush(self.events, (when, "vanish", number, 0))

    def vanish(self, now, first):
        """Let a machine vanish; another one takes its place, and goes on from the checkpoints."""
        ready = now + self.load.replace + self.load.start
        for each in range(first, min(first + self.load.workers, self.workers)):
            painted = min(max(0.0, now - self.begun[each]), self.left[each])
            gone = painted % self.load.checkpoint
            self.lost += gone + ready - max(now, self.begun[each])
            self.begun[each] = ready
            self.left[each] -= painted - gone
            self.version[each] += 1
            self.foresee_end(each)
        self.foresee_loss(now, first)

    def end(self, now, number):
        """Let the driver take in a picture, and hand out the next."""
        self.free = max(self.free, now) + self.load.driver
        self.lost += self.free - now
        self.begun[number], self.left[number] = self.free, self.load.seconds
        self.version[number] += 1
        self.foresee_end(number)


def simulate(pictures, workers, load, seed=0):
    """Paint pictures, in thought.

    Machines vanish at random times, with all workers on them; what was painted since the last
    checkpoint is lost, and so is the time until another machine is ready. The driver takes in one
    end of a picture after the other, and a worker waits for it.

    Args:
        pictures, workers: how many.
        load: a `Load`.
        seed: of chance.

    Returns:
        (hours, share of the workers' time that was lost, share of the time that the driver worked).
    """
    crowd = Crowd(workers, load, random.Random(seed))
    done = now = 0
    while done < pictures:
        now, kind, number, version = heapq.heappop(crowd.events)
        if kind == "vanish":
            crowd.vanish(now, number)
        elif version == crowd.version[number]:
            done += 1
            crowd.end(now, number)
    return now / HOUR, crowd.lost / (now * workers), min(1.0, done * load.driver / now)


def report(pictures, load):
    """Print a line for each number of workers."""
    print("| workers | hours | pictures an hour | lost | driver busy | storage |")
    print("|---|---|---|---|---|---|")
    for workers in (10, 100, 1000, 10_000):
        hours, lost, busy = simulate(pictures, workers, load)
        size = pictures * load.bytes / 1e9
        print(
            f"| {workers:,} | {hours:,.1f} | {pictures / hours:,.0f} | {lost:.2%} | {busy:.1%} | "
            f"{size:,.0f} GB |",
            flush=True,
        )
    print(f"the driver is the limit from {load.seconds / load.driver:,.0f} workers on")


def main():
    """Read what is wanted from the command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("what", choices=("driver", "simulate"))
    parser.add_argument("--jobs", type=int, default=100_000)
    parser.add_argument("--job-seconds", type=float, default=0.01)
    parser.add_argument("--iterates", type=int, default=0)
    parser.add_argument("--workers", type=int, default=16)
    parser.add_argument("--cluster", help="measure a driver that speaks to Ray's actors")
    parser.add_argument("--pictures", type=int, default=1_000_000)
    names = ("seconds", "start", "checkpoint", "vanish", "replace", "driver", "bytes")
    defaults = (60.0, 11.0, 30.0, 0.05, 120.0, 0.017, 0.34e6)
    for name, value in zip(names, defaults):
        parser.add_argument(f"--{name}", type=float, default=value)
    parser.add_argument("--per-machine", type=int, default=8)
    given = parser.parse_args()
    if given.what == "driver":
        craft = Craft(given.job_seconds, given.iterates)
        measure_driver(given.jobs, given.workers, craft, given.cluster)
    else:
        values = {name: getattr(given, name) for name in names}
        report(given.pictures, Load(workers=given.per_machine, **values))


if __name__ == "__main__":
    main()
