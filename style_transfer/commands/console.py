"""What a run says on standard error: messages, the progress bar, silence for the libraries."""

import contextlib
import os
import shutil
import sys

import click

ERASE_LINE = "\r\x1b[2K"
LOADING = "Loading TensorFlow …"


class Console:
    """Messages for the person at the terminal.

    Args:
        quiet: say nothing at all (errors are not said here).
        verbose: let the libraries speak as well.
    """

    def __init__(self, *, quiet=False, verbose=False):
        self.quiet = quiet
        self.verbose = verbose
        self.terminal = sys.stderr.isatty()
        self.passing = False

    def pass_on(self, text):
        """Show, on a terminal only, what is happening just now; the next message replaces it."""
        if self.terminal and not self.quiet:
            self.erase()
            self.write(click.echo, text, nl=False, err=True)
            self.passing = True

    def say(self, text):
        """Print a line on standard error."""
        if not self.quiet:
            self.erase()
            self.write(click.echo, text, err=True)

    def print(self, text):
        """Print a line on standard output."""
        self.write(click.echo, text)

    def erase(self):
        """Remove what `pass_on` showed."""
        if self.passing:
            self.passing = False
            self.write(click.echo, ERASE_LINE, nl=False, err=True)

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

        TensorFlow's start-up messages come from C++ and obey no Python setting. Yields a text
        stream that still reaches standard error.
        """
        if self.verbose:
            yield sys.stderr
            return
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
        sys.stderr.flush()
        kept = os.dup(2)
        with open(os.devnull, "w") as nowhere, os.fdopen(kept, "w", closefd=False) as stream:
            os.dup2(nowhere.fileno(), 2)
            try:
                yield nowhere if self.quiet else stream
            finally:
                stream.flush()
                os.dup2(kept, 2)
                os.close(kept)

    @contextlib.contextmanager
    def progress(self, settings):
        """Show how a run gets on: yields a function to call with each `transfer.Iterate`."""
        self.erase()
        if self.quiet:
            yield lambda iterate: None
        elif self.terminal:
            total = settings.epochs * settings.steps
            with click.progressbar(
                length=total,
                file=sys.stderr,
                bar_template="%(label)s [%(bar)s] %(info)s",
                show_eta=False,
                show_percent=False,
            ) as bar:
                yield lambda iterate: self.write(advance, bar, iterate, settings)
        else:
            yield lambda iterate: self.log(iterate, settings)

    def log(self, iterate, settings):
        """Print a line for an epoch, where there is no terminal to draw a bar on."""
        if iterate.image is not None and iterate.step:
            self.say(f"epoch {iterate.epoch}/{settings.epochs} {describe(iterate)}")


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


def advance(bar, iterate, settings):
    """Move click's progress bar, made as wide as the terminal leaves room for."""
    if not iterate.step:
        return
    bar.label = f"{iterate.epoch}/{settings.epochs}"
    text = describe(iterate)
    room = shutil.get_terminal_size().columns - len(f"{bar.label} [] ") - 1
    bar.width = max(4, min(36, room - len(text)))
    bar.item_show_func = lambda _: text[: room - bar.width]
    bar.update(iterate.step - bar.pos, iterate)


def describe(iterate):
    """Write time left, losses and pace in a few characters each: all fits into 80 columns."""
    names = ("content", "style", "tv", "total")
    losses = " ".join(f"{name} {value:.2g}" for name, value in zip(names, iterate.losses[-1]))
    return f"{clock(iterate.seconds_left)} left {losses} {iterate.seconds_per_step:.2g} s/step"


def clock(seconds):
    """Write a duration as minutes and seconds, `3:05`, with hours where there are any."""
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
