"""Whole runs of the program, seen from outside: when they say what, and their peak memory.

TensorFlow is not imported here: a child's peak memory, as the system reports it, is never below
that of the process that started it.
"""

import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

MAIN = Path(__file__).resolve().parent.parent / "main.py"
IMPORT = (sys.executable, "-c", "import tensorflow")


@dataclass(frozen=True)
class Observed:
    """What was seen of a process that has ended.

    Attributes:
        moments: (line, seconds since the start) of each line on standard error.
        seconds: from its start to its end.
        gigabytes: the peak of its resident memory, in 10⁹ bytes.
    """

    moments: list
    seconds: float
    gigabytes: float

    def until(self, beginning):
        """Return when the first line with this beginning came; NaN if none did."""
        found = (seconds for line, seconds in self.moments if line.startswith(beginning))
        return next(found, float("nan"))


def build_command(pair, network, folder, *, size, epochs, steps):
    """Return the command line of a run.

    Args:
        pair: paths of photo and painting.
        network: what `--weights` takes.
        folder: for the run.
    """
    content, style = pair
    options = dict(content=content, style=style, weights=network, output=folder)
    options |= dict(size=size, epochs=epochs, steps=steps)
    pairs = ((f"--{name}", str(value)) for name, value in options.items())
    words = [word for pair in pairs for word in pair]
    return [sys.executable, str(MAIN), *words, "--enlarge", "--overwrite"]


def observe(command):
    """Run a command to its end, on Linux or macOS, and return what was `Observed`.

    Raises:
        subprocess.CalledProcessError: it failed.
    """
    begin = time.perf_counter()
    pipes = dict(stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    process = subprocess.Popen(command, text=True, **pipes)
    with process.stderr as lines:
        moments = [(line.strip(), time.perf_counter() - begin) for line in lines]
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        said = "\n".join(line for line, _ in moments)
        raise subprocess.CalledProcessError(process.returncode, command, stderr=said)
    unit = 1 if sys.platform == "darwin" else 1024  # bytes there, KiB here
    return Observed(moments, time.perf_counter() - begin, usage.ru_maxrss * unit / 1e9)
