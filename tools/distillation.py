"""How far the compact VGG19 is: first each layer learns by itself, then all together."""

import dataclasses
import time
from pathlib import Path

import keras
import numpy as np

import functions
from style_transfer.method.architecture import VGG19
from tools import crops, layerwise
from tools.student import JointModel
from tools.teachers import border

# Lower layers have more positions in a picture and fewer weights to learn from them: sides of
# the crops in pixels, and the number of crops as a share of that for block 5.
SIZES = {1: 48, 2: 96, 3: 192, 4: 288, 5: 288}
SHARES = {1: 0.25, 2: 0.25, 3: 0.25, 4: 0.5, 5: 1.0}
UNIT = 50  # steps of the second half between two checkpoints
SCALE_CROPS = 32  # that the teacher's root mean squares are taken from
SCALE_BATCH = 10**9  # the number of the batch that these are; no step reaches it


class Distillation:
    """A student that learns from a teacher: both, the pictures, and how far it is.

    Args:
        pictures: (training, held_out) from `crops.load_pictures`.
        teacher: from `teachers.load_teacher`; the student gets the same layers.
        widths: channels in each of the student's five blocks.
        size: side of the crops in pixels.
        seed: seed of everything random.
        checkpoint: path of the file that `save` writes and `resume` reads.
    """

    def __init__(self, pictures, teacher, *, widths, size, seed, checkpoint):
        self.training, self.held_out = pictures
        self.teacher, self.widths, self.size, self.seed = teacher, widths, size, seed
        self.architecture = dataclasses.replace(VGG19, widths=widths)
        self.names = tuple(teacher.output)
        self.checkpoint = Path(checkpoint)
        self.arrays = {}  # {name: [kernel, bias] or [kernel, bias, head kernel, head bias]}
        self.done = 0  # units of work
        self.optimizer_state = []
        images = self.crops(SCALE_CROPS, number=SCALE_BATCH)
        features = teacher.predict(images, batch_size=4, verbose=0)
        self.scales = {name: rms(value) for name, value in features.items()}

    def crops(self, count, *, number, size=None, held_out=False):
        """Draw the batch `number` of `count` crops, NumPy (count, size, size, 3)."""
        pictures = self.held_out if held_out else self.training
        return self.dataset(pictures, size=size, batch=count, first=number, count=1)[0][0]

    def dataset(self, pictures, *, size=None, batch, first, count):
        """Return the crops that belong to this student's seed."""
        size = size or self.size
        return crops.Crops(
            pictures, size=size, batch=batch, first=first, count=count, seed=self.seed
        )

    def student(self):
        """Build the student with the weights that it has by now."""
        model = functions.build_model(self.names, self.architecture)
        for name, arrays in self.arrays.items():
            model.get_layer(name).set_weights(arrays[:2])
        return model

    def layer_round(self, name, *, round_number, crop_count, rate, steps):
        """Train one layer on a set of fresh crops: a unit of the first half."""
        keras.utils.set_random_seed(self.seed + self.done)
        block = VGG19.block(name)
        size, count = min(self.size, SIZES[block]), max(2, round(SHARES[block] * crop_count))
        images = self.crops(count, number=self.done, size=size)
        student = self.student()
        below = keras.Model(student.input, student.get_layer(name).input)
        beside = keras.Model(self.teacher.input, self.teacher.output[name])
        edge = border(name)
        features = cut(below.predict(images, batch_size=4, verbose=0), edge - 1)
        targets = cut(beside.predict(images, batch_size=4, verbose=0), edge) / self.scales[name]
        self.arrays[name] = layerwise.train_layer(
            features,
            targets,
            filters=self.architecture.width(name),
            start=self.arrays.get(name),
            rate=rate * 0.3**round_number,
            steps=steps,
        )

    def joint_steps(self, count, *, first, batch, rate):
        """Train all layers together for `count` steps: a unit of the second half."""
        model = self.joint(rate)
        batches = self.dataset(self.training, batch=batch, first=first, count=count)
        model.fit(batches, shuffle=False, verbose=0)
        for name in self.arrays:
            arrays = model.student.get_layer(name).get_weights()
            head = model.heads[name].get_weights() if name in model.heads else []
            self.arrays[name] = [*arrays, *head]
        variables = model.optimizer.variables
        self.optimizer_state = [keras.ops.convert_to_numpy(each) for each in variables]

    def joint(self, rate=0.0):
        """Build the model that trains all layers together, in the state that it has by now."""
        heads = {name: arrays[2:] for name, arrays in self.arrays.items() if arrays[2:]}
        model = JointModel(self.student(), self.teacher, scales=self.scales, heads=heads)
        model.compile(keras.optimizers.Adam(rate), jit_compile=layerwise.COMPILE)
        model.optimizer.build(model.trainable_variables)
        for variable, value in zip(model.optimizer.variables, self.optimizer_state):
            variable.assign(value)
        model.optimizer.learning_rate = rate
        return model

    def measure(self, count=24):
        """Return the relative errors on crops of pictures that are not trained on."""
        model = self.joint()
        batches = self.crops(count, number=0, held_out=True).reshape(
            count // 4, 4, self.size, self.size, 3
        )
        found = [model.errors(images) for images in batches]
        return {
            key: float(np.mean([keras.ops.convert_to_numpy(each[key]) for each in found]))
            for key in found[0]
        }

    def work(self, units):
        """Do the units of work that are not done yet, with a checkpoint after each."""
        units = list(units)
        start = time.monotonic()
        for index in range(self.done, len(units)):
            label, unit = units[index]
            unit(self)
            self.done = index + 1
            self.save()
            errors = self.measure(8)
            shown = {key: errors[key] for key in errors if label.startswith(key)} or errors
            figures = ", ".join(f"{key} {value:.2g}" for key, value in shown.items())
            seconds = time.monotonic() - start
            print(f"{index + 1}/{len(units)} {label}: {figures} ({seconds:.0f} s)", flush=True)

    def save(self):
        """Write everything that `resume` needs, whole or not at all."""
        state = {"done": self.done, "widths": self.widths, "size": self.size, "seed": self.seed}
        for name, arrays in self.arrays.items():
            state.update({f"{name}/{index}": array for index, array in enumerate(arrays)})
        for index, array in enumerate(self.optimizer_state):
            state[f"optimizer/{index:03}"] = array
        part = self.checkpoint.with_suffix(".part.npz")
        np.savez(part, **state)
        part.replace(self.checkpoint)

    def resume(self):
        """Go on where `save` was last called.

        Raises:
            ValueError: the checkpoint is of a student with other settings.
        """
        with np.load(self.checkpoint) as state:
            for name in ("widths", "size", "seed"):
                if not np.array_equal(state[name], getattr(self, name)):
                    raise ValueError(f"{self.checkpoint} has another {name}: {state[name]}")
            self.done = int(state["done"])
            for key in state.files:
                group, _, _ = key.partition("/")
                if group in self.names:
                    self.arrays.setdefault(group, []).append(state[key])
                elif group == "optimizer":
                    self.optimizer_state.append(state[key])


def rms(values):
    """Return the root mean square."""
    return float(np.sqrt(np.mean(np.square(values, dtype=np.float64))))


def cut(features, edge):
    """Leave out `edge` rows and columns at each side of (batch, height, width, channels)."""
    return features[:, edge : features.shape[1] - edge, edge : features.shape[2] - edge]


def plan(names, *, again=None, rounds, crop_count, rate, layer_steps, steps, batch, joint_rate):
    """Yield each unit of work: (its label, a function that takes the `Distillation`).

    Args:
        names: the layers, from the image upwards.
        again: from which layer upwards all layers are trained a second time by themselves.
        rounds, crop_count, rate, layer_steps: of each layer by itself: how many sets of fresh
            crops, crops in a set, Adam's relative step size in the first, steps with a set.
        steps, batch, joint_rate: of all layers together: how many steps, crops in a step,
            Adam's step size at the start; it falls to 0 along a cosine.
    """
    second = names[names.index(again) :] if again else ()
    for name in (*names, *second):
        for number in range(rounds):
            options = dict(round_number=number, crop_count=crop_count, rate=rate, steps=layer_steps)
            yield (
                f"{name}, round {number + 1}",
                lambda run, name=name, options=options: run.layer_round(name, **options),
            )
    for first in range(0, steps, UNIT):
        progress = first / steps
        options = dict(
            count=min(UNIT, steps - first),
            first=10**6 + first,
            batch=batch,
            rate=joint_rate * 0.5 * (1 + np.cos(np.pi * progress)),
        )
        yield (
            f"all layers, step {first + options['count']}",
            lambda run, options=options: run.joint_steps(**options),
        )
