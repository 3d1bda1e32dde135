"""Races: who has which loss after how many seconds, side by side on one machine.

All contestants paint the same pair with the same network. Their pictures are judged by one
loss, at the final size, in float32, outside their own clocks. They take turns, so that a
machine that slows down for a while slows all of them down.
"""

import dataclasses
import time
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from style_transfer.feedforward import instant
from style_transfer.optimization.engine import Engine, build_network, choose_lifts
from style_transfer.optimization.targets import Style
from style_transfer.optimization.transfer import Material, Transfer
from style_transfer.settings import Settings
from tools import textbook
from tools.judge import Judge

STEPS_IN_A_LAP = 25
TEXTBOOK = "textbook"


@dataclass(frozen=True)
class Lap:
    """A stretch of a contestant's way.

    Attributes:
        share: of the whole way, done at its end.
        seconds: (n,) on the contestant's own clock, after each step of the lap.
        losses: (n,) as the contestant reports them.
        image: (1, height, width, 3) at its end.
    """

    share: float
    seconds: np.ndarray
    losses: np.ndarray
    image: np.ndarray


def run_textbook(loss, content, *, steps):
    """Yield the laps of the textbook's loop: Adam, float32, one size, a Python loop.

    Adam's β and ε are Keras' defaults: with the tutorial's ε of 0.1, against gradients of a
    loss of about 1, the picture would not move.

    Args:
        loss: function from an image to a tensor; its targets are computed before the clock runs.
    """
    image = tf.Variable(content)
    step = textbook.build_step(image, loss, textbook.build_adam(beta_1=0.9, epsilon=1e-7))
    spent = 0.0
    for first in range(0, steps, STEPS_IN_A_LAP):
        done = min(steps, first + STEPS_IN_A_LAP)
        begin = time.perf_counter()
        for _ in range(first, done):
            value = step().numpy()
        spent += time.perf_counter() - begin
        yield Lap(done / steps, np.array([spent]), np.array([value]), image.numpy())


def run_ours(weights, content, style, settings):
    """Yield the laps of our loop, one an epoch; its clock counts all but building the network."""
    engine = Engine(weights, settings)
    begin = time.perf_counter()
    start = instant.painter(settings) if settings.init == "instant" else content
    transfer = Transfer(engine, Material(content, [Style(style)], start), settings)
    spent, seconds, losses = 0.0, [], []
    for iterate in transfer.run():
        spent += time.perf_counter() - begin
        behind = np.arange(len(iterate.totals))[::-1]  # steps still to do at each loss's time
        seconds.extend(spent - behind * (iterate.seconds_per_step or 0.0))
        losses.extend(iterate.totals)
        if iterate.image is not None:
            # The losses of a smaller scale are of another picture; the judge's alone counts.
            is_final = transfer.state["image"].shape == content.shape
            kept = slice(None) if is_final else slice(-1, None)
            share = iterate.step / (settings.epochs * settings.steps)
            yield Lap(share, np.array(seconds[kept]), np.array(losses[kept]), iterate.image)
            seconds, losses = [], []
        begin = time.perf_counter()


def compete(contestants, judge):
    """Let the contestants take turns until all are done; who has done least is next.

    The losses that a lap reports, which may be in another precision, are scaled so that the
    last of them is the judge's.

    Args:
        contestants: from name to iterator of laps.
        judge: function from an image to its total loss.

    Returns:
        From name to (seconds, losses), arrays of one length.
    """
    records = {name: [] for name in contestants}
    shares = dict.fromkeys(contestants, -1.0)
    while shares:
        name = min(shares, key=shares.get)
        lap = next(contestants[name], None)
        if lap is None:
            del shares[name]
            continue
        shares[name] = lap.share
        losses = lap.losses * (judge(lap.image) / lap.losses[-1])
        records[name].append((lap.seconds, losses))
    return {name: tuple(map(np.concatenate, zip(*laps))) for name, laps in records.items()}


def seconds_to(record, loss):
    """Return when a record first has a loss so low; infinity if never."""
    seconds, losses = record
    low = losses <= loss
    return float(seconds[low.argmax()]) if low.any() else float("inf")


def compare_with_textbook(weights, content, style, effort):
    """Time how long we take to the loss that the textbook's loop ends with.

    Returns:
        Rows of (who, seconds to that loss, ratio to the textbook's seconds, loss at its own end,
        seconds to its own end); the first is the textbook's.
    """
    ours = Settings(epochs=effort.epochs, steps=effort.steps)
    entries = {
        "defaults": ours,
        "twice the steps": dataclasses.replace(ours, epochs=2 * ours.epochs),
        "from the photo": dataclasses.replace(ours, init="content", scales="1"),
        "from the photo, coarse to fine": dataclasses.replace(ours, init="content"),
    }
    network = build_network(weights, ours, "float32")
    judge = Judge(network, content, style, ours, choose_lifts(weights, ours))
    contestants = {TEXTBOOK: run_textbook(judge.loss, content, steps=effort.textbook_steps)}
    for name, settings in entries.items():
        contestants[name] = run_ours(weights, content, style, settings)
    records = compete(contestants, judge.total)
    base, wanted = (float(each[-1]) for each in records[TEXTBOOK])
    rows = [(TEXTBOOK, base, 1.0, wanted, base)]
    for name in entries:
        seconds, losses = records[name]
        reached = seconds_to(records[name], wanted)
        rows.append((name, reached, reached / base, float(losses[-1]), float(seconds[-1])))
    return rows
