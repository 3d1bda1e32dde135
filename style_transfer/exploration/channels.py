"""What excites a channel most: a picture made for each, from nothing but the network.

See `fourier` for the method, and `answers` for what is climbed.
"""

import keras
import numpy as np
import tensorflow as tf

from style_transfer.exploration import answers, fourier
from style_transfer.exploration.choices import check_channels, choose_layers, parse_channels
from style_transfer.exploration.study import Explorer, Progress, time_call
from style_transfer.optimization.device import find_device
from style_transfer.optimization.events import Outlined
from style_transfer.reports.page import Grid

AT_ONCE = 16  # pictures
SPACES = {False: "its own channels", True: "the full network's, as its heads estimate them"}
NOTE = "A picture for each channel, from noise, changed until it answers most at all positions."


class Channels(Explorer):
    """Pictures that excite channels of some layers.

    Raises:
        SettingsError: the network has no such layer, channel or head.
    """

    def __init__(self, study, prepared):
        self.choices, self.network = study.choices, prepared.network
        self.prepared, self.seed = prepared, prepared.settings.seed
        self.layers = choose_layers(self.choices.layers, self.network)
        self.channels = parse_channels(self.choices.channels)
        self.size = (self.choices.size,) * 2
        self.heads = {
            layer: answers.choose_head(self.network, layer, self.choices.space)
            for layer in self.layers
        }
        for layer, head in self.heads.items():
            count = answers.count_channels(self.network, layer, head)
            check_channels(self.channels, layer, self.network, count)
        seen = fourier.seen_side(self.choices.size)
        prepared.check_memory((seen, seen * min(AT_ONCE, len(self.channels))), self.layers)
        self.title = f"What excites channels of {self.network.name} most"
        self.spectrum = fourier.Spectrum(self.choices.size)

    def outline(self):
        """Return lines that say what will be done."""
        name, side, steps = self.network.name, self.choices.size, self.choices.steps
        lines = [f"{name}, {side}×{side} px, {steps} steps, {find_device().name}"]
        for layer, head in self.heads.items():
            lines.append(f"{layer}: {len(self.channels)} of {SPACES[head is not None]}")
        return tuple(lines)

    def living(self, layer):
        """Return the channels of a layer that can be excited."""
        dead = answers.find_dead(self.network, layer, self.channels, self.heads[layer])
        return [each for each in self.channels if each not in dead]

    def explore(self, album, should_stop):
        """Make what is missing of the pictures; see `Explorer`."""
        wanted = [(layer, channel) for layer in self.layers for channel in self.living(layer)]
        missing = [each for each in wanted if not album.picture(name_of(*each)).exists()]
        progress = Progress(len(wanted), len(wanted) - len(missing))
        for layer in self.layers:
            channels = [channel for name, channel in missing if name == layer]
            for first in range(0, len(channels), AT_ONCE):
                chosen = channels[first : first + AT_ONCE]
                pictures = self.climb(layer, chosen, should_stop)
                if pictures is None:
                    return progress.done, False
                for channel, picture in zip(chosen, pictures):
                    album.add(name_of(layer, channel), picture[np.newaxis])
                yield progress.add(len(chosen), layer)
        return progress.done, True

    def estimate(self):
        """Time a step of each layer, and say what all would take: a generator of events."""
        seconds = 0.0
        for layer in self.layers:
            living = self.living(layer)
            if not living:
                continue
            with find_device().scope():
                climb, _ = self.begin(layer, living[:AT_ONCE])
                moves = fourier.draw_transform(np.random.default_rng(self.seed), self.choices.size)
                each = time_call(lambda climb=climb, moves=moves: climb(*moves).numpy())
            seconds += each * self.choices.steps * len(living) / len(living[:AT_ONCE])
        yield Outlined((f"about {1 + seconds:.0f} s",))

    def begin(self, layer, channels):
        """Return (climb, spectra): a function that takes a step, and the variable that it moves."""
        settings, head = self.prepared.for_layers([layer]), self.heads[layer]
        model = answers.build_answers(self.network, settings, layer, channels, head)
        spectra = tf.Variable(self.spectrum.start(len(channels), self.seed))
        return build_climb(model, self.spectrum, spectra, self.choices.rate), spectra

    def climb(self, layer, channels, should_stop):
        """Make pictures (count, side, side, 3) that excite channels; None if asked to stop."""
        with find_device().scope():
            climb, spectra = self.begin(layer, channels)
            generator = np.random.default_rng(self.seed)
            for _ in range(self.choices.steps):
                climb(*fourier.draw_transform(generator, self.choices.size))
                if should_stop():
                    return None
            return self.spectrum.paint(spectra).numpy()

    def list_grids(self, album):
        """Return the grid: a row for each layer, a column for each channel."""
        cells, captions = {}, {}
        for row, layer in enumerate(self.layers):
            living = self.living(layer)
            for column, channel in enumerate(self.channels):
                path = album.picture(name_of(layer, channel))
                if path.exists():
                    cells[row, column] = [path]
                elif channel not in living:
                    captions[row, column] = "dead"
        columns = [f"#{channel}" for channel in self.channels]
        rows = [f"{layer}\n{SPACES[self.heads[layer] is not None]}" for layer in self.layers]
        return {"sheet.png": Grid(self.title, rows, columns, cells, captions, absent="", note=NOTE)}


def build_climb(model, spectrum, spectra, rate):
    """Build the function that takes a step: each picture climbs the answers of its own channel.

    Args:
        model: from `answers.build_answers`, with as many channels as there are pictures.
        spectrum: a `fourier.Spectrum`.
        spectra: a variable, of the pictures.
        rate: Adam's step size.

    Returns:
        A function of a transform, see `fourier.draw_transform`, to the mean answers (count,).
    """
    optimizer = keras.optimizers.Adam(rate)
    optimizer.build([spectra])

    @tf.function(autograph=False)
    def climb(offset, matrix):
        with tf.GradientTape() as tape:
            seen = fourier.transform(spectrum.paint(spectra), offset, matrix)
            own = tf.linalg.diag_part(tf.reduce_mean(model(seen), axis=(1, 2)))
            loss = -tf.reduce_sum(own)
        optimizer.apply([tape.gradient(loss, spectra)])
        return own

    return climb


def name_of(layer, channel):
    """Return the name of a picture's file."""
    return f"{layer}_{channel:03}"
