"""What a picture will cost, in seconds and bytes, before it is ordered."""

import json
import math
from dataclasses import dataclass

from style_transfer import files
from style_transfer.errors import SettingsError
from style_transfer.networks import weights
from style_transfer.optimization import memory, preparation, room, schedule
from style_transfer.runs import record as records
from style_transfer.server.orders import INSTANT, PAINTED
from style_transfer.validation import parse_memory

# Seconds for each pixel of a step and of one pass, on two cores of 2.5 GHz. As soon as this machine
# has painted a picture, its own pace counts.
STEP = {"compact": 2.2e-6, "imagenet": 2.2e-5}
PASS = 6e-6
LOOKS = 7  # times a pass, for what Google's network normalizes by, where it goes in blocks
BESIDE = {INSTANT: 0.3, PAINTED: 6.0}  # seconds to read, to compile the steps, to write it all
LONGEST = 24 * 3600.0  # seconds
LOOK_BACK = 20  # finished orders among which one of the same kind is looked for


@dataclass(frozen=True)
class Estimate:
    """What a picture will cost.

    Attributes:
        width, height: in pixels.
        seconds: about.
        memory: peak, in bytes.
        available: bytes of memory that it may take.
        block: side in pixels of the smallest blocks that it is computed in; None: whole.
        problem: why it cannot be painted, and what to do; or nothing.
    """

    width: int
    height: int
    seconds: float
    memory: float
    available: float
    block: int | None = None
    problem: str = ""


@dataclass(frozen=True)
class Sized:
    """What `preparation.choose_sizes` asks of a picture: its size, and what it is called."""

    size: tuple[int, int]
    path: str = "the picture"

    @property
    def pixels(self):
        """Itself: it has a `size`."""
        return self


def estimate(way, sizes, settings, finished, store):
    """Estimate what a picture costs.

    Args:
        way: `instant` or `painted`.
        sizes: `Inputs` of the (width, height) of what was chosen.
        settings: of the picture.
        finished: orders that are finished, the oldest first.
        store: the `Store` that has them.

    Returns:
        An `Estimate`.

    Raises:
        files.FileError: a picture would be too small.
        SettingsError: there are no such weights.
    """
    sizes = preparation.choose_sizes(sizes.map(Sized), settings)
    recent = finished[: -LOOK_BACK - 1 : -1]
    there = find_budget(settings)
    way_of = estimate_pass if way == INSTANT else estimate_painting
    seconds, needed, block, largest = way_of(sizes, settings, there, recent, store)
    problem = find_problem(seconds, needed, there, largest)
    return Estimate(*sizes.content, seconds + BESIDE[way], needed, there, block, problem)


def find_budget(settings):
    """Return the bytes that the worker may take, as it finds them, see `room.find_budget`."""
    given = parse_memory(settings.memory)
    if given is not None:
        return given
    return memory.LIBRARIES + (1 - room.MARGIN) * memory.available()  # the worker has those already


def estimate_pass(sizes, settings, budget, recent, store):
    """Return (seconds, bytes, side of the blocks or None, largest side or 0) of one pass."""
    seconds = find(recent, lambda order: pass_pace(order, store), PASS) * math.prod(sizes.content)
    every = [sizes.content, *sizes.styles]
    block = room.choose_pass_block(every, budget)
    needed = room.estimate_pass(every, block)
    if math.isinf(block):
        return seconds, needed, None, 0
    largest = 0 if needed <= budget else room.largest_pass_side(every, budget)
    looks = LOOKS if settings.transform == "google" else 1
    seconds *= looks * overlap(sizes.content, block, room.PASS_MARGIN)
    return seconds, needed, block, largest


def estimate_painting(sizes, settings, budget, recent, store):
    """Return (seconds, bytes, side of the blocks or None, largest side or 0) of a painting."""
    network = resolve(settings)
    architecture = widths_of(network, settings)
    pace = find(recent, lambda order: step_pace(order, network, store), STEP[network])
    seconds = count_steps(sizes, settings) * pace * math.prod(sizes.content)
    arguments = sizes, architecture, settings
    found = room.plan(*arguments, budget)
    if not found:
        return seconds, room.least(*arguments), None, room.largest_side(*arguments, budget)
    fitted, left = found
    cut = left.choose_cut(sizes.content[::-1])
    seconds *= left.work(sizes.content[::-1])
    block = min(*cut.sides, *sizes.content) if cut else None
    return seconds, room.estimate(sizes, architecture, fitted, left), block, 0


def overlap(size, block, margin):
    """Return how many times the pixels of a picture its blocks have, with their margins."""
    seen = [math.ceil(side / block) * (min(block, side) + 2 * margin) for side in size]
    return max(1.0, math.prod(seen) / math.prod(size))


def find_problem(seconds, needed, there, largest):
    """Say why a picture cannot be painted, and what to do; nothing if it can.

    Args:
        largest: size in pixels that would fit into the memory; 0: not known.
    """
    if needed > there:
        numbers = f"{needed / 1e9:.1f} GB of memory, and {there / 1e9:.1f} GB are free"
        return f"needs about {numbers}; choose a smaller size" + (
            f", at most {largest} px" if largest else ""
        )
    if seconds > LONGEST:
        return f"would take {seconds / 86400:.0f} days; choose a smaller size or fewer epochs"
    return ""


def count_steps(sizes, settings):
    """Return to how many steps at the final size the steps of all scales amount."""
    side, smallest = max(sizes.content), min(min(each) for each in (sizes.content, *sizes.styles))
    scales = schedule.plan_scales(side, smallest, settings)
    return schedule.total_seconds(scales, (scales[0].side / side) ** 2, settings.steps)


def resolve(settings):
    """Return the name of the weights that settings stand for."""
    try:
        return weights.resolve(settings.weights, settings.architecture)
    except ValueError as error:
        raise SettingsError(f"weights: {error}") from None


def widths_of(network, settings):
    """Return the architecture with the widths that it has."""
    if network == "compact":
        return weights.load(network, architecture=settings.architecture).architecture
    return settings.architecture


def find(recent, pace, otherwise):
    """Return the pace of the first of the recent orders that has one."""
    return next((found for found in map(pace, recent) if found), otherwise)


def step_pace(order, network, store):
    """Return the seconds that a step took for each pixel, or None."""
    if order.way != PAINTED:
        return None
    try:
        record = json.loads(files.read(store.place(order.id) / records.NAME, remedy=""))
        seconds, size = record["seconds_per_step"], record["size"]
        is_same = record["settings"]["weights"] == network
    except (ValueError, KeyError, TypeError):  # FileError is a ValueError, too
        return None
    return seconds / math.prod(size) if seconds and is_same else None


def pass_pace(order, store):
    """Return the seconds that a pass took for each pixel, or None."""
    size = store.result_size(order) if order.way == INSTANT and order.seconds else None
    return order.seconds / math.prod(size) if size else None
