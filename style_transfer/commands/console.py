"""What a run says on standard error: messages, the progress bar, silence for the libraries."""

import contextlib
import json
import os
import shlex
import shutil
import sys
from pathlib import Path

import click

from style_transfer import files
from style_transfer.commands.wording import (
    describe_cost,
    describe_drawn,
    describe_ended,
    describe_film_cost,
    describe_frame,
    describe_jobs,
    describe_progress,
    describe_start,
)
from style_transfer.optimization import events

ERASE_LINE = "\r\x1b[2K"
WIDEST = 120  # columns of the progress bar with its text
LOADING = "Loading TensorFlow …"


class Console:
    """Messages for the person at the terminal.

    Args:
        quiet: say nothing at all (errors are not said here).
        verbose: let the libraries speak as well.
        as_json: print results as JSON, a line each.
    """

    def __init__(self, *, quiet=False, verbose=False, as_json=False):
        self.quiet = quiet
        self.as_json = as_json
        self.verbose = verbose
        self.terminal = sys.stderr.isatty()
        self.has_status = False
        self.progress = None
        self.is_film = False
        self.unsilenced = None  # standard error, while the libraries are silenced

    @property
    def errors(self):
        """The stream that reaches standard error."""
        return self.unsilenced or sys.stderr

    def note_signal(self, text):
        """Write bytes at once, as a handler of signals must: a `print` may be under way."""
        if not self.quiet:
            os.write(self.unsilenced.fileno() if self.unsilenced else 2, text)

    def status(self, text):
        """Show, on a terminal only, what is happening just now; the next message replaces it."""
        if self.terminal and not self.quiet:
            self.erase()
            self.write(click.echo, text, self.errors, nl=False)
            self.has_status = True

    def say(self, text):
        """Print a line on standard error."""
        if not self.quiet:
            self.erase()
            self.write(click.echo, text, self.errors)

    def print(self, text):
        """Print a line on standard output."""
        self.erase()
        self.write(click.echo, text)

    def print_picture(self, data):
        """Write the bytes of a picture to standard output, unless nobody listens any more.

        Raises:
            OSError: they could not be written; unlike a message, a picture is what was asked for.
        """
        self.erase()
        # In a stream of its own: what `sys.stdout` cannot write would fail again at the exit.
        try:
            with (
                contextlib.suppress(BrokenPipeError),
                open(sys.stdout.fileno(), "wb", closefd=False) as stream,
            ):
                stream.write(data)
        except OSError as error:
            error.filename = "standard output"
            raise

    def print_error(self, content, error):
        """Print a failure as JSON, where that is how results are printed."""
        if self.as_json:
            self.print(json.dumps({"content": content, "error": str(error)}))

    def erase(self):
        """Remove what `status` showed."""
        if self.has_status:
            self.has_status = False
            self.write(click.echo, ERASE_LINE, self.errors, nl=False)

    def write(self, function, *arguments, **keywords):
        """Call what writes; where nobody listens any more (`| head -1`), the run goes on."""
        try:
            function(*arguments, **keywords)
        except OSError:
            self.quiet = True
            with open(os.devnull, "w") as nowhere:
                for stream in (sys.stdout, sys.stderr):
                    try:
                        stream.flush()
                    except OSError:  # what it still holds must not fail again at the exit
                        os.dup2(nowhere.fileno(), stream.fileno())

    @contextlib.contextmanager
    def silence(self):
        """Swallow what the libraries write to the file descriptor of standard error.

        TensorFlow's start-up messages come from C++ and obey no Python setting.
        """
        if self.verbose:
            yield
            return
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
        sys.stderr.flush()
        kept = os.dup(2)
        with open(os.devnull, "w") as nowhere, os.fdopen(kept, "w", closefd=False) as stream:
            os.dup2(nowhere.fileno(), 2)
            self.unsilenced = stream
            try:
                yield
            finally:
                self.unsilenced = None
                os.dup2(kept, 2)
        os.close(kept)

    def show_download(self, done, total):
        """Show how a download gets on; without a terminal, say that it begins."""
        size = f" of {total / 1e6:.0f}" if total else ""
        self.status(f"Downloading the weights: {done / 1e6:.0f}{size} MB …")
        if not done and not self.terminal:
            self.say("Downloading the weights …")

    def show(self, event):
        """Show an event of a job, see `events`."""
        SHOWN[type(event)](self, event)

    def show_plan(self, planned):
        """Say what will be computed and what it will cost; from now on there is progress."""
        self.say(describe_start(planned))
        self.say(describe_cost(planned))
        if self.quiet:
            self.progress = None
        else:
            self.progress = (Bar if self.terminal else Log)(planned, self)

    def show_iterate(self, iterate):
        """Show how the run gets on."""
        if self.progress and iterate.step and len(iterate.losses):
            self.progress.advance(iterate)

    def show_film_plan(self, planned):
        """Say which frames will be painted, and what that will cost."""
        self.say(", ".join(planned.parts))
        self.say(describe_film_cost(planned))
        self.is_film = True

    def show_frame(self, frame):
        """Show how a film gets on: where it stands on a terminal, else a line for each frame."""
        (self.status if self.terminal else self.say)(describe_frame(frame))

    def show_share(self, share):
        """Show how a step gets on that takes long."""
        if self.progress:
            self.progress.show_share(share)

    def show_pass(self, share):
        """Show, on a terminal only, how far a pass over a large picture is."""
        self.status(f"{share:.0%} of the pass")

    def end_progress(self):
        """Take the progress bar away."""
        if self.progress:
            self.progress.close()
            self.progress = None

    def show_drawn(self, drawn):
        """Show, on a terminal as a line that the next one replaces, that a picture is there."""
        (self.status if self.terminal else self.say)(describe_drawn(drawn))

    def show_jobs(self, progressed):
        """Show, on a terminal only, where several jobs stand; the line may not go on in a next."""
        width = min(WIDEST, shutil.get_terminal_size().columns - 1)
        self.status(describe_jobs(progressed)[:width])

    def show_saving(self, _saving):
        """Say what takes some seconds after the steps."""
        self.end_progress()
        self.status("Writing the result, the curves, the animation and the report …")

    def show_failure(self, failed):
        """Say why one of several jobs failed, perhaps in the middle of its steps."""
        self.end_progress()
        self.print_error(failed.content, failed.error)
        self.say(f"Error: {failed.error}")

    def show_painted(self, painted):
        """Print the path of a picture, or the picture itself where it has none."""
        if painted.result is None:
            self.print_picture(painted.data)
        elif self.as_json:
            facts = describe_picture(painted) | {"seconds": round(painted.seconds, 3)}
            self.print(json.dumps(facts))
        else:
            self.print(painted.result)
            self.say(f"{painted.size[0]}×{painted.size[1]} px in {painted.seconds:.1f} s")

    def show_skipped(self, skipped):
        """Say that a job was done before, and print the path of its picture."""
        self.say("done before")
        if skipped.result and self.as_json:
            self.print(json.dumps(describe_picture(skipped) | {"skipped": True}))
        elif skipped.result:
            self.print(skipped.result)

    def show_saved(self, saved):
        """Print the path of the result; say how to go on with a run that was stopped."""
        self.print(saved.result)
        if not saved.finished:
            folder = shlex.quote(files.printable(saved.folder))
            how = "the same command again"  # of a training, whose network lies beside its folder
            if Path(saved.folder) in (Path(saved.result), Path(saved.result).parent):
                command = "video " if self.is_film else f"{saved.command} " if saved.command else ""
                how = f"python main.py {command}--resume {folder}"
            unit = "frames" if self.is_film else saved.unit
            self.say(f"Stopped after {saved.steps_done} {unit}; to continue:")
            self.say(f"  {how}")


SHOWN = {
    events.Loading: lambda console, event: console.say(f"Loading {event.library} …"),
    events.Notice: lambda console, notice: console.say(f"Note: {notice.text}"),
    events.Planned: Console.show_plan,
    events.Outlined: lambda console, outlined: list(map(console.say, outlined.lines)),
    events.Drawn: Console.show_drawn,
    events.Iterate: Console.show_iterate,
    events.FilmPlanned: Console.show_film_plan,
    events.FrameDone: Console.show_frame,
    events.Saving: Console.show_saving,
    events.Saved: Console.show_saved,
    events.Painted: Console.show_painted,
    events.JobStarted: lambda console, job: console.say(f"[{job.number}/{job.count}] {job.label}"),
    events.JobEnded: lambda console, ended: console.say(describe_ended(ended)),
    events.Progressed: Console.show_jobs,
    events.JobSkipped: Console.show_skipped,
    events.JobFailed: Console.show_failure,
}


class Bar:
    """The progress of a run, as a bar on a terminal."""

    def __init__(self, planned, console):
        from tqdm import tqdm

        settings = planned.settings
        self.planned = planned
        self.console = console
        self.epochs = ""
        self.bar = tqdm(
            total=settings.epochs * settings.steps,
            initial=planned.steps_done,
            file=sys.stderr,
            bar_format="{postfix[0]} [{bar}] {postfix[1]}",
            postfix=["", ""],
            nrows=9,  # a pseudo-terminal may say that it has none, and would get no bar
            miniters=1,
            leave=False,
        )

    def advance(self, iterate):
        """Move it to an `Iterate`; the terminal may have got another width."""
        self.bar.ncols = min(WIDEST, shutil.get_terminal_size().columns - 1)
        self.epochs = f"{iterate.epoch}/{self.planned.settings.epochs}"
        self.bar.postfix = [self.epochs, describe_progress(iterate, self.planned.terms)]
        self.bar.n = iterate.step
        self.console.write(self.bar.refresh)

    def show_share(self, share):
        """Show the share of the steps under way that is done."""
        self.bar.postfix[0] = f"{self.epochs} {share:.0%}"
        self.console.write(self.bar.refresh)

    def close(self):
        """Take it away."""
        self.console.write(self.bar.close)


class Log:
    """The progress of a run, a line for each epoch, where there is no terminal to draw on."""

    def __init__(self, planned, console):
        self.planned = planned
        self.console = console

    def advance(self, iterate):
        """Print a line at the end of an epoch."""
        if iterate.image is not None:
            epochs = self.planned.settings.epochs
            text = describe_progress(iterate, self.planned.terms)
            self.console.say(f"epoch {iterate.epoch}/{epochs} {text}")

    def show_share(self, share):
        """Do nothing: that would be many lines."""

    def close(self):
        """Do nothing: there is nothing to take away."""


def open_missing_streams():
    """Open the null device where the process was started without one of its three streams.

    Otherwise the next file that is opened would be taken for standard error.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number
            setattr(sys, name, os.fdopen(number, "r" if number == 0 else "w", closefd=False))


def describe_picture(event):
    """Return what the JSON of a picture, painted or there already, says of it."""
    width, height = event.size
    facts = {"content": event.content, "result": str(event.result)}
    return facts | {"width": width, "height": height}
