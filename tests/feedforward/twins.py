"""A program: the same training on one device and on two, which TensorFlow makes only at first.

    python twins.py DONE.npz

writes what both save after some steps, by the name of each, see `tell`.
"""

import dataclasses
import sys

import numpy as np
import tensorflow as tf
from trainers import SETTINGS, build_trainer, make_narrow

from style_transfer.feedforward import replicas

STEPS = 3
SHALLOW = {"style_layers": ("block1_conv1", "block3_conv1"), "content_layers": ("block3_conv1",)}
FAST = dataclasses.replace(SETTINGS, learning_rate=0.5, **SHALLOW)  # reached after fifty steps


def build(devices):
    with devices.scope():
        return build_trainer(settings=FAST, weight=0.5, devices=devices)


def take_steps(trainer, count):
    """Take some steps; return their losses, and what the trainer saves after each."""
    losses, saved = [], [trainer.save()]
    for _ in range(count):
        losses.append(trainer.next_step(trainer.lesson.photos.batch(trainer.step)))
        saved.append(trainer.save())
    return np.stack(losses), saved


def tell(name, losses, saved):
    """Return arrays by their names: `NAME losses`, `NAME STEP network …`, `NAME STEP other …`."""
    found = {f"{name} losses": losses}
    for arrays, header in saved:
        found |= {f"{name} {header['step']} {key}": each for key, each in arrays.items()}
    return found


def main(done):
    """Train on both, then let each continue what the other began."""
    (processor,) = tf.config.list_physical_devices("CPU")
    two = [tf.config.LogicalDeviceConfiguration()] * 2
    tf.config.set_logical_device_configuration(processor, two)
    make_narrow(setattr)
    trainers = {"one": build(replicas.ALONE), "two": build(replicas.Mirrored(["CPU:0", "CPU:1"]))}
    runs = {name: take_steps(each, STEPS) for name, each in trainers.items()}
    found = {}
    for name, other in (("one", "two"), ("two", "one")):
        found |= tell(name, *runs[name])
        trainers[name].restore(*runs[other][1][1])  # its own are two steps further
        found |= tell(f"{name} continues", *take_steps(trainers[name], STEPS - 1))
    np.savez(done, others=[each.path for each in trainers["one"].others], **found)


if __name__ == "__main__":
    main(*sys.argv[1:])
