"""Races: who has which loss after how many seconds, side by side on one machine.

All contestants paint the same pair with the same network. Their pictures are judged by one
loss, at the final size, in float32, outside their own clocks. They take turns, so that a
machine that slows down for a while slows all of them down.
"""

import dataclasses
import time
from dataclasses import dataclass

import keras
import numpy as np
import tensorflow as tf

import functions
from style_transfer.optimization import engine as training
from style_transfer.optimization import transfer
from style_transfer.settings import Settings
from tools import textbook

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


def build_judge(weights, content, style, settings):
    """Build the function from an image to its total loss in float32, a number."""
    settings = dataclasses.replace(settings, precision="float32")
    model = transfer.build_network(weights, settings)
    targets = functions.compute_targets(model, content, [functions.Style(style)], settings)
    judge = tf.function(lambda image: functions.compute_losses(model, image, targets, settings))
    return lambda image: float(judge(tf.convert_to_tensor(image))[-1])


def run_textbook(weights, content, style, settings, *, steps):
    """Yield the laps of the textbook's loop: Adam, float32, one size, a Python loop.

    Loss and network are those of the settings. Adam's β and ε are Keras' defaults: with the
    tutorial's ε of 0.1, against gradients of a loss of about 1, the picture would not move.
    """
    settings = dataclasses.replace(settings, precision="float32")
    model = transfer.build_network(weights, settings)
    begin = time.perf_counter()
    targets = functions.compute_targets(model, content, [functions.Style(style)], settings)
    image = tf.Variable(content)

    def loss(image):
        value = tf.convert_to_tensor(image)
        return functions.compute_losses(model, value, targets, settings)[-1]

    adam = keras.optimizers.Adam(textbook.LEARNING_RATE)
    step = textbook.build_step(image, loss, adam)
    spent = time.perf_counter() - begin
    for first in range(0, steps, STEPS_IN_A_LAP):
        done = min(steps, first + STEPS_IN_A_LAP)
        begin = time.perf_counter()
        for _ in range(first, done):
            value = step().numpy()
        spent += time.perf_counter() - begin
        yield Lap(done / steps, np.array([spent]), np.array([value]), image.numpy())


def run_ours(weights, content, style, settings):
    """Yield the laps of our loop, one an epoch; its clock counts all but building the network."""
    model = transfer.build_network(weights, settings)
    begin = time.perf_counter()
    job = transfer.Transfer(
        training.Training(model, settings), content, [functions.Style(style)], content, settings
    )
    spent, seconds, losses = 0.0, [], []
    for iterate in job.run():
        spent += time.perf_counter() - begin
        totals = iterate.losses[:, -1]
        behind = np.arange(len(totals))[::-1]  # steps still to do at the time of each loss
        seconds.extend(spent - behind * (iterate.seconds_per_step or 0.0))
        losses.extend(totals)
        if iterate.image is not None:
            # The losses of a smaller scale are of another picture; the judge's alone counts.
            final = job.training.picture.shape == content.shape
            kept = slice(None) if final else slice(-1, None)
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
        judge: from `build_judge`.

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


def loss_at(record, moment):
    """Return the loss that a record has after so many seconds."""
    seconds, losses = record
    return float(losses[max(0, np.searchsorted(seconds, moment, side="right") - 1)])


def compare_with_textbook(weights, content, style, effort):
    """Time how long we take to the loss that the textbook's loop ends with.

    Returns:
        (loss, seconds): the textbook's, and rows of (who, seconds to that loss, ratio to the
        textbook's seconds, loss at its own end, seconds to its own end).
    """
    ours = Settings(epochs=effort.epochs, steps=effort.steps)
    shorter = dataclasses.replace(ours, steps=max(1, ours.steps // 2))
    entries = {
        "defaults": ours,
        "defaults, half the steps": shorter,
        "one scale, half the steps": dataclasses.replace(shorter, scales="1"),
    }
    pair = (weights, content, style)
    contestants = {name: run_ours(*pair, settings) for name, settings in entries.items()}
    contestants[TEXTBOOK] = run_textbook(*pair, ours, steps=effort.textbook_steps)
    records = compete(contestants, build_judge(*pair, ours))
    wanted = float(records[TEXTBOOK][1][-1])
    base = float(records[TEXTBOOK][0][-1])
    rows = []
    for name in entries:
        seconds, losses = records[name]
        reached = seconds_to(records[name], wanted)
        rows.append((name, reached, reached / base, float(losses[-1]), float(seconds[-1])))
    return (wanted, base), rows


def compare_optimizers(weights, content, style, effort):
    """Compare the losses of Adam and L-BFGS, at one scale, after equal times.

    Returns:
        Rows of (seconds, loss of Adam, loss of L-BFGS, their ratio): at a quarter, at half and
        at the end of the time that both have.
    """
    common = dict(epochs=effort.epochs, steps=effort.steps, scales="1")
    entries = {name: Settings(optimizer=name, **common) for name in ("adam", "lbfgs")}
    pair = (weights, content, style)
    contestants = {name: run_ours(*pair, settings) for name, settings in entries.items()}
    records = compete(contestants, build_judge(*pair, entries["adam"]))
    end = min(seconds[-1] for seconds, _ in records.values())
    rows = []
    for part in (0.25, 0.5, 1.0):
        adam, lbfgs = (loss_at(records[name], part * end) for name in entries)
        rows.append((part * end, adam, lbfgs, lbfgs / adam))
    return rows
