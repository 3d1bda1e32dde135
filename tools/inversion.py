"""How far the decoders of the compact network are: layer by layer, then each one whole.

First each layer of a decoder learns to compute what the same layer of a published decoder
computes, as the layers of the compact network did (`layerwise`). Then each decoder is trained as a
whole, to give back pictures, and to give pictures whose features are those that it was fed with.
Half of the features that it sees were transformed, as they will be when it paints.
"""

import time
from pathlib import Path

import keras
import numpy as np
from keras import ops

import functions
from style_transfer.feedforward import decoder, transforms
from style_transfer.method import statistics
from style_transfer.networks import decoders
from tools import crops, layerwise
from tools.teachers import build_network

SIZE = 192  # side of the crops for a layer by itself, in pixels
# Lower layers have more positions in a picture, and fewer weights to learn from them.
CROPS = {1: 8, 2: 16, 3: 48, 4: 96, 5: 96}
BORDER = 16  # mirrored pixels around a picture for the encoder, as when it paints
STYLE_SIZE = 256  # side of the crops that styles are taken from
PIXELS = 10.0  # weight of the pixels' squared error beside the relative one of the features
UNIT = 100  # steps of the second half between two checkpoints
WEAKEST = 0.3  # of the transforms in training


class Inversion:
    """Decoders that learn to undo an encoder: all of them, the pictures, and how far they are.

    Args:
        photos, paintings: (training, held_out) each, from `crops.load_pictures`.
        weights: `Weights` of the encoder.
        published: from `teachers.load_decoders`.
        seed: seed of everything random.
        checkpoint: path of the file that `save` writes and `resume` reads.
    """

    def __init__(self, photos, paintings, weights, published, *, seed, checkpoint):
        self.photos, self.paintings, self.published = photos, paintings, published
        self.architecture, self.seed = weights.architecture, seed
        encoder = build_network(weights)
        self.encoders = {level: encoder_of(encoder, level) for level in decoders.LEVELS}
        self.checkpoint = Path(checkpoint)
        self.arrays = {}  # {level/layer: [kernel, bias]}
        self.optimizer_state = {}  # {level: arrays}
        self.done = 0  # units of work

    def draw(self, kind, *, size, batch, number, held_out=False, disturbed=False):
        """Draw the batch `number` of crops of `photos` or `paintings`."""
        pictures = getattr(self, kind)[held_out]
        keywords = dict(first=number, count=1, seed=self.seed, disturbed=disturbed)
        return crops.Crops(pictures, size=size, batch=batch, **keywords)[0][0]

    def encode(self, images, level):
        """Return the features of images at a level, NumPy; four at a time."""
        parts = [
            functions.extract_features(
                self.encoders[level], images[first : first + 4], border=BORDER
            )
            for first in range(0, len(images), 4)
        ]
        return np.concatenate([ops.convert_to_numpy(part[level]) for part in parts])

    def transform(self, features, level, *, number, held_out=False):
        """Give each of some features the statistics of a painting, more or less of it."""
        random = np.random.default_rng((self.seed, number))
        draw = dict(size=STYLE_SIZE, batch=len(features), number=number, held_out=held_out)
        styles = self.encode(self.draw("paintings", **draw), level)
        changed = []
        for content, style in zip(features, styles):
            described = [describe(each) for each in (content, style)]
            found = transforms.find_map(random.choice(transforms.NAMES), *described)
            matrix, offset = transforms.mix_maps([found], [random.uniform(WEAKEST, 1.0)])
            changed.append(content @ matrix.T.astype(np.float32) + offset.astype(np.float32))
        return np.stack(changed)

    def decoder(self, level):
        """Build a decoder with the weights that it has by now."""
        model = decoder.build_decoder(level, self.architecture)
        for layer in model.layers:
            if arrays := self.arrays.get(f"{level}/{layer.name}"):
                layer.set_weights(arrays)
        return model

    def layer_round(self, level, name, *, round_number, rate, steps):
        """Train one layer of one decoder on fresh crops: a unit of the first half."""
        keras.utils.set_random_seed(self.seed + self.done)
        count = CROPS[self.architecture.block(name)]
        images = self.draw("photos", size=SIZE, batch=count, number=self.done, disturbed=True)
        encoder, teacher = self.published[level]
        features, theirs = self.encode(images, level), encoder.predict(images, 4, verbose=0)
        half = count // 2
        changed = self.transform(features[half:], level, number=self.done)
        theirs[half:] = match(features[:half], theirs[:half])(changed)
        features[half:] = changed
        model = self.decoder(level)
        below = keras.Model(model.input, model.get_layer(name).input)
        targets = teacher.predict(theirs, 4, verbose=0)[name]
        if name != self.architecture.layers[0]:  # which gives pixels, and those are in [0, 1]
            targets = targets / np.sqrt(np.mean(np.square(targets)))
        self.arrays[f"{level}/{name}"] = layerwise.train_layer(
            below.predict(features, 4, verbose=0),
            targets,
            filters=targets.shape[-1],
            start=self.arrays.get(f"{level}/{name}") if round_number else None,
            rate=rate * 0.3**round_number,
            steps=steps,
        )

    def joint_steps(self, level, count, *, first, batch, size, rate):
        """Train one decoder as a whole for `count` steps: a unit of the second half."""
        trainer = Trainer(self.decoder(level), self.encoders[level], level)
        trainer.compile(keras.optimizers.Adam(rate), jit_compile=layerwise.COMPILE)
        trainer.optimizer.build(trainer.trainable_variables)
        for variable, value in zip(
            trainer.optimizer.variables, self.optimizer_state.get(level, ())
        ):
            variable.assign(value)
        trainer.optimizer.learning_rate = rate
        batches = Batches(self, level, first=first, count=count, batch=batch, size=size)
        trainer.fit(batches, shuffle=False, verbose=0)
        for name, _ in self.architecture.mirrored(level):
            arrays = trainer.decoder.get_layer(name).get_weights()
            self.arrays[f"{level}/{name}"] = arrays
        variables = trainer.optimizer.variables
        self.optimizer_state[level] = [ops.convert_to_numpy(each) for each in variables]

    def measure(self, level, count=4, size=256):
        """Return what a decoder is worth on pictures that are not trained on.

        Returns:
            `psnr`, in decibels, of the pictures that it gives back, `features`, the relative error
            of their features, and `transformed`, that of features that it was fed with.
        """
        images = self.draw("photos", size=size, batch=count, number=0, held_out=True)
        features = self.encode(images, level)
        changed = self.transform(features, level, number=0, held_out=True)
        decoder = self.decoder(level)
        made, painted = (
            np.clip(decoder.predict(each, 4, verbose=0), 0, 1) for each in (features, changed)
        )
        error = np.mean(np.square(made - images), axis=(1, 2, 3))
        pairs = {"features": (made, features), "transformed": (painted, changed)}
        found = {
            name: float(np.mean(functions.relative_error(self.encode(picture, level), wanted)))
            for name, (picture, wanted) in pairs.items()
        }
        return {"psnr": float(np.mean(-10 * np.log10(error))), **found}

    def work(self, units):
        """Do the units of work that are not done yet, with a checkpoint after each."""
        units, start = list(units), time.monotonic()
        for index in range(self.done, len(units)):
            label, level, unit = units[index]
            unit(self)
            self.done = index + 1
            self.save()
            line = f"{index + 1}/{len(units)} {label}"
            if f"{level}/{self.architecture.layers[0]}" in self.arrays:  # it is whole
                figures = self.measure(level).items()
                line += ": " + ", ".join(f"{name} {value:.3g}" for name, value in figures)
            print(f"{line} ({time.monotonic() - start:.0f} s)", flush=True)

    def levels(self):
        """Return the weights as `networks.decoders.Decoders` has them."""
        return {
            level: {
                name: self.arrays[f"{level}/{name}"]
                for name, _ in self.architecture.mirrored(level)
            }
            for level in decoders.LEVELS
        }

    def save(self):
        """Write everything that `resume` needs, whole or not at all."""
        state = {"done": self.done, "seed": self.seed}
        groups = {
            **self.arrays,
            **{f"{key}/adam": each for key, each in self.optimizer_state.items()},
        }
        for name, arrays in groups.items():
            state.update({f"{name}/{index}": array for index, array in enumerate(arrays)})
        part = self.checkpoint.with_suffix(".part.npz")
        np.savez(part, **state)
        part.replace(self.checkpoint)

    def resume(self):
        """Read what `save` wrote."""
        with np.load(self.checkpoint) as state:
            if state["seed"] != self.seed:
                raise ValueError(f"{self.checkpoint} has another seed: {state['seed']}")
            self.done = int(state["done"])
            for key in state.files:
                if "/" not in key:
                    continue
                name, _, _ = key.rpartition("/")
                level, _, part = name.partition("/")
                if part == "adam":
                    self.optimizer_state.setdefault(level, []).append(state[key])
                else:
                    self.arrays.setdefault(name, []).append(state[key])


class Trainer(keras.Model):
    """A decoder and the frozen encoder that judges its pictures; `fit` trains the decoder.

    A batch is (features, images, targets): what the decoder is fed with; the pictures of the
    first half; and from layer to the features of these and, of the level's own layer, of all.
    """

    def __init__(self, decoder, encoder, level):
        super().__init__()
        self.decoder, self.encoder, self.level = decoder, encoder, level
        self.built = True

    def call(self, features):
        return self.decoder(features)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """Sum the errors of the pixels, of the level's own features, and of the lower ones."""
        images, targets = y
        half = ops.shape(images)[0]
        pixels = ops.mean(ops.square(y_pred[:half] - images))
        found = functions.extract_features(self.encoder, y_pred, border=BORDER)
        own = ops.mean(functions.relative_error(found.pop(self.level), targets[self.level]))
        others = [
            ops.mean(functions.relative_error(value[:half], targets[name]))
            for name, value in found.items()
        ]
        return PIXELS * pixels + own + (sum(others) / len(others) if others else 0.0)


class Batches(keras.utils.PyDataset):
    """Batches for a `Trainer`: a half to be given back, a half of transformed features."""

    def __init__(self, run, level, *, first, count, batch, size):
        super().__init__()
        self.run, self.level, self.first, self.count = run, level, first, count
        self.batch, self.size = batch, size

    def __len__(self):
        return self.count

    def __getitem__(self, index):
        number = self.first + index
        images = self.run.draw(
            "photos", size=self.size, batch=self.batch, number=number, disturbed=True
        )
        half = self.batch // 2
        encoder = self.run.encoders[self.level]
        features = functions.extract_features(encoder, images, border=BORDER)
        targets = {name: ops.convert_to_numpy(each[:half]) for name, each in features.items()}
        changed = ops.convert_to_numpy(features[self.level][half:])
        changed = self.run.transform(changed, self.level, number=number)
        targets[self.level] = np.concatenate([targets[self.level], changed])
        return targets[self.level], (images[:half], targets)


def encoder_of(encoder, level):
    """Return the frozen part of an encoder up to a level, with its own and all lower ones."""
    layers = decoders.LEVELS[decoders.LEVELS.index(level) :]
    model = keras.Model(encoder.input, {name: encoder.output[name] for name in layers})
    model.trainable = False
    return model


def describe(features):
    """Return the `mean` and `covariance` of features (height, width, N), NumPy."""
    found = statistics.covariances(statistics.sum_positions(features[np.newaxis]))
    return {name: ops.convert_to_numpy(each)[0] for name, each in found.items()}


def match(ours, theirs):
    """Fit a function from our features to the published encoder's, by least squares."""
    flat, wanted = (each.reshape(-1, each.shape[-1]).astype(np.float64) for each in (ours, theirs))
    flat = np.c_[flat, np.ones(len(flat))]
    small = 1e-6 * np.trace(flat.T @ flat) / flat.shape[1] * np.eye(flat.shape[1])
    matrix = np.linalg.solve(flat.T @ flat + small, flat.T @ wanted).astype(np.float32)
    return lambda features: np.maximum(features @ matrix[:-1] + matrix[-1], 0)


def plan(architecture, *, rounds, rate, layer_steps, steps, batch, size, joint_rate):
    """Yield each unit of work: (its label, its level, a function that takes the `Inversion`).

    Args:
        rounds, rate, layer_steps: of each layer by itself: sets of fresh crops, Adam's relative
            step size in the first, steps with a set.
        steps, batch, size, joint_rate: of each decoder as a whole: steps, crops in a step, their
            side, Adam's step size at the start; it falls to 0 along a cosine.
    """
    for level in reversed(decoders.LEVELS):
        for name, _ in architecture.mirrored(level):
            for number in range(rounds):
                options = dict(round_number=number, rate=rate, steps=layer_steps)
                yield (
                    f"{level} {name}, round {number + 1}",
                    level,
                    lambda run, at=(level, name), options=options: run.layer_round(*at, **options),
                )
    for level in decoders.LEVELS:
        for first in range(0, steps, UNIT):
            options = dict(
                count=min(UNIT, steps - first),
                first=10**6 + first,
                batch=batch,
                size=size,
                rate=joint_rate * 0.5 * (1 + np.cos(np.pi * first / steps)),
            )
            yield (
                f"{level}, step {first + options['count']}",
                level,
                lambda run, level=level, options=options: run.joint_steps(level, **options),
            )
