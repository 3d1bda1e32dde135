"""Ctrl-C, SIGTERM and SIGHUP: the first one ends the run after the step, a second one at once."""

import signal

#: What asks a program to end; Windows has no SIGHUP.
SIGNALS = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
)
MESSAGE = "\nStopping after this step; once more stops at once.\n"


class Interrupts:
    """Catches the signals while its block runs.

    The block must leave Python's main thread free: only there, and only between two
    instructions of Python, is a signal looked at.

    Args:
        tell: called with a message, as bytes, in the middle of whatever is under way.

    Attributes:
        number: of the signal that came, or None.
        are_caught: whether the block has begun.
    """

    def __init__(self, tell):
        self.tell = tell
        self.number = None
        self.are_caught = False
        self.before = {}

    def __enter__(self):
        self.are_caught = True
        for number in SIGNALS:
            # `nohup` ignores SIGHUP, and a background job of a script SIGINT: so do we then.
            if signal.getsignal(number) is not signal.SIG_IGN:
                self.before[number] = signal.signal(number, self.note)
        return self

    def __exit__(self, *_):
        for number, handler in self.before.items():
            signal.signal(number, handler)

    def note(self, number, _frame):
        """Remember the signal; from now on let the system end the process."""
        self.number = number
        for each in self.before:
            signal.signal(each, signal.SIG_DFL)
        self.tell(MESSAGE.encode())
