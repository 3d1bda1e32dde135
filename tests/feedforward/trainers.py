"""Small trainings for the tests; as a program, one by the backend that Keras was told.

    python trainers.py SAVED.npz DONE.npz

goes on from one and writes the other: `losses` of the steps, and all that a training saves.
"""

import sys

import keras
import numpy as np
from conftest import SMALL_VGG19

from style_transfer.feedforward import dataset, replicas, start, training, trunk
from style_transfer.feedforward.critic import Critic
from style_transfer.feedforward.loss import Loss
from style_transfer.networks import weights
from style_transfer.settings import Settings

STEPS = 4

SETTINGS = Settings(epochs=2, steps=3, learning_rate=2e-3, style_weight=5.0)


class Photos(dataset.Batches):
    """Batches of chance, without files."""

    def __init__(self):
        super().__init__(["photo"], (2, 40))

    def find(self, position):
        generator = np.random.default_rng(position)
        return generator.integers(0, 256, (48, 56, 3), dtype=np.uint8)


def make_narrow(setattr):
    """Give the trunk few channels, so that a step takes little time."""
    for name, value in (("STEM", 4), ("WIDTH", 6), ("BLOCKS", 1)):
        setattr(trunk, name, value)


def build_loss(count, settings=SETTINGS, precision="float32"):
    generator = np.random.default_rng(1)
    styles = [generator.random((1, 48, 64, 3), np.float32) ** (1 + n) for n in range(count)]
    return Loss(weights.draw(0, SMALL_VGG19), settings, styles, precision), styles


def build_trainer(
    saved=None,
    settings=SETTINGS,
    count=2,
    weight=0.0,
    precision="float32",
    devices=replicas.ALONE,
):
    keras.utils.set_random_seed(0)
    loss, paintings = build_loss(count, settings, precision)
    widths = {"block1_conv1": SMALL_VGG19.widths[0], "block3_conv1": SMALL_VGG19.widths[2]}
    critic = Critic(weight, widths, paintings, devices) if weight else None
    photos = Photos()
    styles = np.eye(count, dtype=np.float32)
    lesson = training.Lesson(photos, photos.batch(1000), photos.batch(1001)[:1], styles, count)
    network = trunk.build_trunk(count, start.POLICIES[precision])
    kind = {"critic": critic, "devices": devices}
    return training.Trainer(network, loss, lesson, settings, saved=saved, **kind)


def take_steps(trainer):
    """Take some steps; return their losses."""
    batches = trainer.lesson.photos.from_batch(0)
    losses = np.stack([trainer.next_step(next(batches)) for _ in range(STEPS)])
    batches.close()
    return losses


def main(saved, done):
    """Continue a training with a critic."""
    make_narrow(setattr)
    trainer = build_trainer(weight=0.5)
    arrays, header = trainer.save()
    with np.load(saved) as file:  # the two count steps in integers of other lengths
        arrays = {name: file[name].astype(each.dtype) for name, each in arrays.items()}
    trainer.restore(arrays, header)
    losses = take_steps(trainer)
    np.savez(done, losses=losses, **trainer.save()[0])


if __name__ == "__main__":
    sys.modules["tensorflow"] = None  # whatever imports it fails
    main(*sys.argv[1:])
