"""Jobs at a terminal: their events are shown, and signals end them in good order."""

import contextlib
import os
import sys
from concurrent.futures import ThreadPoolExecutor

from style_transfer.commands.interrupts import Interrupts
from style_transfer.optimization.events import (
    FilmPlanned,
    FrameDone,
    Iterate,
    JobFailed,
    JobStarted,
    Outlined,
    Planned,
)

EXIT_INTERRUPTED = 128  # plus the number of the signal, as shells have it


def play(perform, console, backend="tensorflow"):
    """Show the events of one job, or of several, as they come.

    From the first plan on, and from the first of several jobs on, the work is done in a thread, so
    that the main one is free for signals, which then end the run after a step; a download they end
    at once. Before, Ctrl-C ends the process at once.

    Args:
        perform: makes a generator of events, given what `job.perform` calls `should_stop` and
            `downloading`.
        console: a `Console`.
        backend: of Keras, whatever its own configuration says: all but trainings need TensorFlow.

    Returns:
        A `JobFailed` for each job that failed.

    Raises:
        SystemExit: a signal ended it.
    """
    choose_backend(backend)
    interrupts = Interrupts(console.note_signal)

    def show_download(done, total):
        exit_after(interrupts)
        console.show_download(done, total)

    events = perform(should_stop=lambda: interrupts.number is not None, downloading=show_download)
    failures = []
    with ThreadPoolExecutor(1) as worker, contextlib.ExitStack() as catching:
        event = next_event(events, None, console)
        while event is not None:
            begun = isinstance(event, (Planned, FilmPlanned, Outlined, JobStarted))
            if begun and not interrupts.are_caught:
                catching.enter_context(interrupts)
            console.show(event)
            if isinstance(event, JobFailed):
                failures.append(event)
            event = next_event(events, event, console, worker if interrupts.are_caught else None)
    exit_after(interrupts)
    return failures


def choose_backend(name="tensorflow"):
    """Have Keras compute by a backend, and the same command give the same bytes.

    All of them read the environment when they are imported.
    """
    os.environ["KERAS_BACKEND"] = name
    os.environ["TF_DETERMINISTIC_OPS"] = "1"
    if name == "jax":
        flags = os.environ.get("XLA_FLAGS", "")
        os.environ["XLA_FLAGS"] = f"{flags} --xla_gpu_deterministic_ops=true".strip()


def exit_after(interrupts):
    """End the process, or the thread, if a signal came."""
    if interrupts.number:
        sys.exit(EXIT_INTERRUPTED + interrupts.number)


def next_event(events, last, console, worker=None):
    """Wait for the next event, or None: in this thread, or with it free, in a worker."""
    is_optimizing = isinstance(last, (Planned, Iterate, FrameDone))
    with contextlib.nullcontext() if is_optimizing else console.silence():
        return worker.submit(next, events, None).result() if worker else next(events, None)
