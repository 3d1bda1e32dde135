"""Jobs at a terminal: their events are shown, and signals end them in good order."""

import contextlib
import os
import sys
from concurrent.futures import ThreadPoolExecutor

from style_transfer.commands.interrupts import Interrupts
from style_transfer.optimization.events import Iterate, JobFailed, Planned

EXIT_INTERRUPTED = 128  # plus the number of the signal, as shells have it


def play(perform, console):
    """Show the events of one job, or of several, as they come.

    From the first plan on, the work is done in a thread, so that the main one is free for signals,
    which then end the run after a step. Before, Ctrl-C ends the process at once.

    Args:
        perform: makes a generator of events, given what `job.perform` calls `should_stop` and
            `downloading`.
        console: a `Console`.

    Returns:
        A `JobFailed` for each job that failed.

    Raises:
        SystemExit: a signal ended it.
    """
    # The same command gives the same bytes; TensorFlow reads this when it is imported.
    os.environ["TF_DETERMINISTIC_OPS"] = "1"
    interrupts = Interrupts(quiet=console.quiet)
    events = perform(
        should_stop=lambda: interrupts.number is not None, downloading=console.show_download
    )
    failures = []
    with ThreadPoolExecutor(1) as worker, contextlib.ExitStack() as catching:
        event = next_event(events, None, console)
        while event is not None:
            console.show(event)
            if isinstance(event, JobFailed):
                failures.append(event)
            if isinstance(event, Planned) and not interrupts.are_caught:
                catching.enter_context(interrupts)
            event = next_event(events, event, console, worker if interrupts.are_caught else None)
    if interrupts.number:
        sys.exit(EXIT_INTERRUPTED + interrupts.number)
    return failures


def next_event(events, last, console, worker=None):
    """Wait for the next event, or None: in this thread, or with it free, in a worker."""
    is_optimizing = isinstance(last, (Planned, Iterate))
    with contextlib.nullcontext() if is_optimizing else console.silence():
        return worker.submit(next, events, None).result() if worker else next(events, None)
