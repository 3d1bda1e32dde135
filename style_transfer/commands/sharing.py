"""Several pictures at once: parts of the list for several machines, processes on this one."""

import functools
import re
import signal

import click

from style_transfer.commands.console import Console
from style_transfer.commands.interrupts import SIGNALS
from style_transfer.commands.options import RUN, Option
from style_transfer.commands.playing import choose_backend
from style_transfer.commands.storing import Sent

NAMES = ("workers", "cluster", "shard")
AUTO = "auto"
MOST = 1000  # workers


def sharing_options():
    """Make the options by which several pictures are shared out."""
    return [
        Option(
            "--workers",
            section=RUN,
            metavar="N",
            callback=parse_workers,
            help="Paint several pictures at once, by N processes that divide cores and memory; "
            "auto: as many as pay.",
        ),
        Option(
            "--cluster",
            section=RUN,
            metavar="ADDRESS",
            help="Paint several pictures on the machines of a Ray cluster: HOST:PORT of its head, "
            "or auto. --workers says by how many processes.",
        ),
        Option(
            "--shard",
            section=RUN,
            metavar="I/N",
            callback=parse_shard,
            help="Of several pictures, only the I-th of N parts, counted from 1: one for each "
            "machine.",
        ),
    ]


def parse_workers(_context, _parameter, text):
    """Turn `4` into a number; `auto` stays."""
    if text is None or text == AUTO:
        return text
    if not (text.isascii() and text.isdecimal() and 1 <= int(text) <= MOST):
        raise click.BadParameter(f"{text} is no number of processes; write 2, or auto")
    return int(text)


def parse_shard(_context, _parameter, text):
    """Turn `3/16` into (3, 16)."""
    if text is None:
        return None
    found = re.fullmatch(r"([0-9]{1,9})/([0-9]{1,9})", text)
    if not found:
        raise click.BadParameter(f"{text} is no part; write 1/4 for the first of four")
    number, count = map(int, found.groups())
    if not 1 <= number <= count:
        raise click.BadParameter(f"{text}: parts are counted from 1, from 1/{count or 1} on")
    return number, count


def find_sharing(given):
    """List the flags of options that only several pictures have."""
    return [f"--{name}" for name in NAMES if getattr(given, name)]


def refuse_sharing(given):
    """Refuse what only several pictures can be shared by, where there is one."""
    for flag in find_sharing(given):
        raise click.UsageError(f"{flag} is for several --content files, or a folder of them")


def spread(craft, tasks, sharing, settings, console, store):
    """Return what makes the events of tasks, see `playing.play`, and sends what is done.

    Args:
        craft: what does them, see `batches.worker`.
        tasks: a list.
        sharing: (how many processes are to do them, or `auto`, or None: this one alone; address
            of a cluster, or None).
        settings: `memory`.
        console: a `Console`.
        store: see `storing`.

    Raises:
        files.FileError, SettingsError: none of the pictures can be painted, for `auto`; the
            cluster cannot be used.
    """
    wanted, address = sharing
    here = functools.partial(craft.perform, tasks)
    if not tasks or (wanted in (None, 1) and not address):
        return store.follow(here)
    from style_transfer.batches import cluster, dispatch, local, processes, staff

    if address:
        choose_backend()  # which Ray's processes are to have, too
        if store.is_remote and not isinstance(craft, local.Batch):
            raise click.UsageError("--cluster: apply writes to a folder that all machines see")
        craft = Sent(craft, store.address) if store.is_remote else craft
        options = {"is_verbose": console.verbose}
        with console.silence():
            crew = cluster.Crew(address, craft, wanted, len(tasks), settings, **options)
        return dispatch.Dispatch(tasks, crew).perform
    chosen = staff.choose(wanted, tasks, craft, settings)
    if chosen.count == 1:
        console.say(chosen.text)
        return store.follow(here)
    target = functools.partial(work, is_verbose=console.verbose)
    return store.follow(dispatch.Dispatch(tasks, processes.Crew(chosen, target, craft)).perform)


def work(connection, craft, *, is_verbose):
    """Paint in a process of its own, which no signal to all of a terminal or a job is meant for.

    Whoever started it hears them, and says when to stop.
    """
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    from style_transfer.batches import worker

    with Console(verbose=is_verbose).silence():  # what made it end is said by the other
        worker.serve(connection, craft)
