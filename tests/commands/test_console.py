"""Messages and the progress bar, on a real terminal and without one."""

import os
import re
import sys
import textwrap

import pytest
from conftest import ROOT

from style_transfer.commands import wording

PROGRAM = """
    import sys
    sys.path.insert(0, {root!r})
    import numpy as np
    from style_transfer.commands.console import Console
    from style_transfer.optimization.events import Iterate, Planned, Saving
    from style_transfer.settings import Settings
    def iterate(epoch, step, image):
        losses, totals = np.array([[0.1, 0.002, 0.03]]), np.array([123.4])
        left = (20 - step) * 0.25
        return Iterate(epoch, step, losses, totals, image, 0.25 if step else None, left)
    settings, terms = Settings(epochs=2, steps=10), ("content", "style", "total_variation")
    console = Console(quiet={quiet})
    console.status("Passing")
    console.show_pass(0.251)
    console.say("Staying")
    console.show(Planned("net", (9, 9), "float32", "CPU", settings, terms, (9,), 5.0, 1e9))
    for event in (iterate(0, 0, 1), iterate(1, 4, None), iterate(1, 10, 1), iterate(2, 20, 1)):
        console.show(event)
    console.show(Saving())
    console.erase()
"""


def on_terminal(columns, quiet=False):
    """Run PROGRAM on a pseudo-terminal of so many columns; return what it wrote."""
    program = textwrap.dedent(PROGRAM).format(root=str(ROOT), quiet=quiet)
    pty = pytest.importorskip("pty", reason="Windows has no pseudo-terminals")
    process, descriptor = pty.fork()
    if process == 0:
        os.environ["COLUMNS"] = str(columns)
        os.execv(sys.executable, [sys.executable, "-c", program])
    written = b""
    while True:
        try:
            part = os.read(descriptor, 4096)
        except OSError:  # how Linux reports the end of a terminal
            break
        if not part:
            break
        written += part
    assert os.waitpid(process, 0)[1] == 0, written.decode()
    return written.decode()


@pytest.mark.parametrize("columns", [60, 80, 140])
def test_the_bar_fits_on_one_line(columns):
    written = on_terminal(columns)
    lines = re.split(r"[\r\n]+", re.sub(r"\x1b\[[0-9?]*[A-Za-z]", "", written))
    bars = [line for line in lines if " left " in line]
    assert bars and max(map(len, bars)) < columns
    assert "Staying" in lines
    bar = bars[-1]
    assert bar.startswith("2/2 [")
    assert "0:00 left content 0.1" in bar
    if columns >= 80:
        assert bar.strip().endswith("style 0.002 tv 0.03 total 1.2e+02 0.25 s/step")


def test_the_bar_shows_the_time_left():
    written = on_terminal(140)
    assert "0:04 left" in written  # 16 of 20 steps of 0.25 s
    assert "25% of the pass" in written


def test_quiet_says_nothing():
    assert on_terminal(80, quiet=True) == ""


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0:00"), (59.6, "1:00"), (185, "3:05"), (3725, "1:02:05")]
)
def test_clock(seconds, text):
    assert wording.clock(seconds) == text
