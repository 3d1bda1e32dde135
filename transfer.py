"""The loop: train the image epoch by epoch, and yield what is worth showing or saving."""

import os
import time
from dataclasses import dataclass

import keras
import numpy as np
import tensorflow as tf

import functions

SECONDS_BETWEEN_REPORTS = 1.0


class DivergedError(ArithmeticError):
    """The loss is no longer a finite number."""


@dataclass(frozen=True)
class Iterate:
    """Where the optimisation stands.

    Attributes:
        epoch: from 1; 0 for the start image.
        step: steps done, over all epochs.
        losses: (n, 4), what became known since the last iterate: content, style, total
            variation (unweighted) and total. A step's loss is that of the image before it, so
            the last image's own comes with the last iterate, and all rows together are those
            after 0, 1, … steps.
        image: (1, height, width, 3) in [0, 1] at the end of an epoch, else None.
        seconds_per_step: of the steps since the last iterate; None where there were none.
    """

    epoch: int
    step: int
    losses: np.ndarray
    image: np.ndarray | None
    seconds_per_step: float | None


def build_network(weights, settings):
    """Build the truncated VGG19 that the settings ask for, with these weights.

    Raises:
        ValueError: the weights do not reach up to the deepest layer.
    """
    model = functions.build_model(settings.layers, widths=weights.widths, pooling=settings.pooling)
    weights.assign(model)
    return model


def start_image(content, style, settings):
    """Return the image that the optimisation starts from, in the size of the content.

    Args:
        content: (1, height, width, 3).
        style: (1, any height, any width, 3): the painting; or the start picture itself, if
            `settings.init` names one.
    """
    if settings.init == "content":
        return content
    if settings.init == "noise":
        generator = np.random.default_rng(settings.seed)
        return generator.uniform(size=content.shape).astype(np.float32)
    resized = tf.image.resize(style, content.shape[1:3], "bicubic", antialias=True)
    return np.clip(resized, 0.0, 1.0)


def run(model, content, style, start, settings):
    """Transfer the style: a generator of `Iterate`, about one a second and one an epoch.

    The first is the start image. Every run with the same arguments yields the same images.

    Args:
        model: from `build_network`.
        content, style: images (1, height, width, 3); their sizes may differ.
        start: image of the content's size.
        settings: weights of the losses, epochs, steps.

    Raises:
        DivergedError: the loss became infinite or not a number.
    """
    keras.utils.set_random_seed(settings.seed)
    tf.config.experimental.enable_op_determinism()
    targets = functions.compute_targets(model, content, style, settings)
    image = tf.Variable(start)
    train = functions.build_training(model, image, targets, settings)
    yield Iterate(0, 0, np.empty((0, 4), np.float32), image.numpy(), None)

    done, chunk = 0, 1
    for epoch in range(1, settings.epochs + 1):
        end = epoch * settings.steps
        while done < end:
            chunk = min(chunk, end - done)
            losses, seconds = timed_steps(train, chunk)
            check_finite(losses, done, settings)
            done += chunk
            last = done == settings.epochs * settings.steps
            if last:
                final = functions.compute_losses(model, image, targets, settings)
                losses = np.vstack([losses, final])
                check_finite(losses, done, settings)
            snapshot = image.numpy() if done == end else None
            yield Iterate(epoch, done, losses, snapshot, seconds)
            chunk = max(1, int(SECONDS_BETWEEN_REPORTS / seconds))


def timed_steps(train, count):
    """Run `count` training steps; return their losses (count, 4) and the seconds for each."""
    begin = time.perf_counter()
    losses = train(tf.constant(count)).numpy()
    return losses, (time.perf_counter() - begin) / count


def check_finite(losses, done, settings):
    """Raise DivergedError at the first row that is not finite; `done` steps came before it."""
    bad = ~np.isfinite(losses).all(axis=1)
    if bad.any():
        step = done + int(bad.argmax())
        epoch = max(1, -(-step // settings.steps))
        raise DivergedError(
            f"diverged at epoch {epoch}, step {step}; lower --learning-rate"
            f" (now {settings.learning_rate:g})"
        )


def describe_device():
    """Name what computes: the GPU, or the number of threads on the processor."""
    gpus = tf.config.list_physical_devices("GPU")
    if gpus:
        details = tf.config.experimental.get_device_details(gpus[0])
        return details.get("device_name", "GPU")
    threads = tf.config.threading.get_intra_op_parallelism_threads() or os.cpu_count()
    return f"CPU, {threads} threads"
