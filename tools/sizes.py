"""Large pictures: seconds a step and peak memory of the program, at once and in blocks."""

import math
import re

from style_transfer.optimization import memory, room
from style_transfer.pictures import images
from style_transfer.runs.inputs import Inputs
from style_transfer.settings import Settings
from tools import jobs

HEAD = ("network", "px", "how", "--memory", "s a step", "peak GB", "time, to at once")
HISTORY = 5  # of L-BFGS, so that the images beside do not hide what the evaluation takes
PACE = re.compile(r"([\d.e+]+) s/step")
GRAIN = 5e8  # bytes, to a multiple of which memory is given
WORK = 1.6  # times that of the whole, which an evaluation in blocks may take


def measure(name, source, architecture, pair, side, folder):
    """Measure a network at a size; return rows for a table with `HEAD`.

    At once only where this machine has the memory for it.
    """
    settings = Settings(history=HISTORY, enlarge=True, size=side)
    content, style = (images.load(path).pixels.size for path in pair)
    fitted = [images.fitted_size(each, side, enlarge=True) for each in (content, style)]
    arguments = Inputs(fitted[0], (fitted[1],)), architecture, settings
    whole = room.estimate(*arguments, room.Room(math.inf, architecture, settings))
    budgets = {"in blocks": find_budget(arguments, whole)}
    if whole < memory.available():
        budgets = {"at once": math.ceil(whole / GRAIN) * GRAIN} | budgets
    rows, first = [], math.nan
    for how, budget in budgets.items():
        if budget is not None:
            seconds, peak = run(source, pair, side, budget, folder)
            first = seconds if how == "at once" else first
            given = f"{budget / 1e9:g}GB"
            rows.append((f"{name} VGG19", side, how, given, seconds, peak, seconds / first))
    return rows


def find_budget(arguments, whole):
    """Return the least memory in which blocks take not much longer; None: all fits at once."""
    sizes, *_ = arguments
    shape = sizes.content[::-1]
    for budget in (number * GRAIN for number in range(1, math.ceil(whole / GRAIN))):
        found = room.plan(*arguments, budget, is_fixed=True)
        if found and found[1].work(shape) <= WORK:
            return budget if found[1].choose_cut(shape) else None
    return None


def run(source, pair, side, budget, folder):
    """Take two steps in a process of its own; return (seconds of the last step, peak GB)."""
    command = jobs.build_command(pair, source, folder, size=side, epochs=1, steps=2)
    more = ("--scales", "1", "--init", "content", "--history", HISTORY, "--keep", "result")
    command += [*map(str, more), "--memory", f"{budget / 1e9:g}GB"]
    seen = jobs.observe(command)
    paces = [each for line, _ in seen.moments for each in PACE.findall(line)]
    return float(paces[-1]), seen.gigabytes
