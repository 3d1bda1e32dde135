"""How tests start the program as a process: with its modules imported, or as a user does."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import warm

ROOT = Path(__file__).resolve().parent.parent
MAIN = (sys.executable, str(ROOT / "main.py"))
STAND_IN = (sys.executable, str(ROOT / "tests" / "standin.py"))


class Servers:
    """Fork processes that begin with modules imported; the stand-ins, which are not to, without
    TensorFlow.

    Attributes:
        environment: variables by name in which that is imported.
    """

    light = (
        "standin",
        "PIL.PdfImagePlugin",  # the largest of those that Pillow imports by and by
        "style_transfer.batches.local",
        "style_transfer.reports.page",
        "style_transfer.reports.sheet",
        "style_transfer.server.application",
        "style_transfer.server.studio",
        *(name for name in ("s3fs", "sshfs") if importlib.util.find_spec(name)),
    )
    heavy = (*light[1:], "main", "tensorflow", "keras", "style_transfer.optimization.engine")
    environment, running = None, {}

    @classmethod
    def get(cls, program):
        """Return the one for a program, which begins when it is first needed."""
        modules = cls.light if program == STAND_IN else cls.heavy
        if modules not in cls.running:
            cls.running[modules] = warm.Server(modules, cls.environment)
        return cls.running[modules]

    @classmethod
    def end(cls):
        """End them; each ends with the last process that it has forked."""
        while cls.running:
            cls.running.popitem()[1].end()


def open_process(folder, *arguments, program=STAND_IN, fresh=False, **keywords):
    """Begin the program in a folder, with pipes for its output; see `subprocess.Popen`.

    Args:
        program: the first words of the command.
        fresh: whether it imports its modules itself; so does what is no file in Python.
    """
    pipe = subprocess.PIPE
    keywords = {"stdout": pipe, "stderr": pipe, "text": True, "cwd": folder} | keywords
    command = [*program, *map(str, arguments)]
    can_be_warm = sys.platform == "linux" and len(program) == 2 and program[0] == sys.executable
    if fresh or not can_be_warm:
        return subprocess.Popen(command, **keywords)
    return warm.Popen(Servers.get(program), command, **keywords)
