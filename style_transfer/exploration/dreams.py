"""The command `dream`: a table of dreams, or a film that goes into one."""

import importlib.util
from pathlib import Path

import numpy as np
import tensorflow as tf
from PIL import Image

from style_transfer.errors import SettingsError
from style_transfer.exploration import answers
from style_transfer.exploration.choices import check_channels, choose_layers, parse_channels
from style_transfer.exploration.dream import Dreamer, choose_colors
from style_transfer.exploration.study import Explorer, Progress, time_call
from style_transfer.optimization.device import find_device
from style_transfer.optimization.events import Notice, Outlined
from style_transfer.pictures import images
from style_transfer.reports import animation, frames
from style_transfer.reports.page import Grid

GUIDE_SIDE = 224  # pixels, at most
ZOOM = 1.05  # of a frame against the one before
ZOOM_OCTAVES, ZOOM_STEPS = 2, 3  # of a frame: what is in it goes on from the one before
NOTE = "Changed step by step, from small sizes to large ones, so that the layer answers more."
STILLS = 5  # frames of a film that its sheet shows


class Dreams(Explorer):
    """Dreams of a picture: a row for each channel, a column for each layer.

    Raises:
        SettingsError: the network has no such layer or channel, or a guide makes no sense.
    """

    def __init__(self, study, prepared):
        self.choices, self.network, self.prepared = study.choices, prepared.network, prepared
        self.layers = choose_layers(self.choices.layers or self.default_layers(), self.network)
        self.channels = parse_channels(self.choices.channels)
        self.guide = prepared.pictures.get("guide")
        self.check()
        picture = prepared.pictures["content"]
        self.size = prepared.fit(picture)
        prepared.check_memory(self.size, self.layers)
        self.image = images.to_tensor(picture, self.size)
        self.stem = Path(picture.path).stem
        self.title = f"{self.network.name} dreams of {self.stem}"

    def default_layers(self):
        """Return the layers to dream of where none is named: VGG16 has fewer in block 4."""
        last = max(name for name in self.network.architecture.layers if name.startswith("block4"))
        return "block4_conv2", last, "block5_conv1"

    def check(self):
        """Refuse channels that there are not, and a guide with channels or with a low layer."""
        for layer in self.layers:
            head = self.choose_head(layer)
            count = answers.count_channels(self.network, layer, head)
            check_channels(self.channels, layer, self.network, count)
        if self.guide and self.channels:
            raise SettingsError("--guide does not go with --channels: it chooses the features")
        low = [layer for layer in self.layers if layer.startswith(("block1", "block2"))]
        if self.guide and low:
            raise SettingsError(f"--guide: {low[0]} sees too little; name a layer of block 3 on")

    def choose_head(self, layer):
        """Return the head of a layer whose channels are meant, or None."""
        space = self.choices.space
        return answers.choose_head(self.network, layer, space) if self.channels else None

    def outline(self):
        """Return lines that say what will be done."""
        width, height = self.size
        count = len(self.layers) * max(1, len(self.channels))
        dreams = f"{count} dream{'s' * (count > 1)} of {', '.join(self.layers)}"
        return (f"{self.network.name}, {width}×{height} px, {find_device().name}: {dreams}",)

    def dreamer(self, layer, channel):
        """Return what dreams of a layer, or of a channel of it."""
        guide = self.guide and images.to_tensor(
            self.guide, images.fitted_size(self.guide.pixels.size, GUIDE_SIDE)
        )
        return Dreamer(
            self.network,
            self.prepared.for_layers([layer]),
            layer,
            () if channel is None else (channel,),
            head=self.choose_head(layer),
            guide=guide,
        )

    def estimate(self):
        """Time a step, and say what all of them would take: a generator of events."""
        layer, channel = list(self.places.values())[-1]
        image = tf.constant(self.image)
        with find_device().scope():
            dreamer, colors = self.dreamer(layer, channel), choose_colors(self.choices.colors)
            seconds = time_call(lambda: dreamer.climb(image, tf.constant(1.0), colors).numpy())
        yield Outlined((f"about {1 + seconds * self.count_steps():.0f} s",))

    def count_steps(self):
        """Return how many steps all dreams take, those at smaller sizes as parts of one."""
        return len(self.places) * self.steps_of(self.choices.octaves, self.choices.steps)

    def steps_of(self, octaves, steps):
        """Return how many steps of the largest size a dream is worth."""
        return steps * sum(self.choices.octave_scale ** (-2 * power) for power in range(octaves))

    @property
    def places(self):
        """The dreams: from (row, column) to (layer, channel or None)."""
        channels = self.channels or (None,)
        return {
            (row, column): (layer, channel)
            for row, channel in enumerate(channels)
            for column, layer in enumerate(self.layers, start=1)
        }

    def explore(self, album, should_stop):
        """Dream what is missing; see `Explorer`."""
        album.add("photo", self.image)
        places = self.places.values()
        missing = [each for each in places if not album.picture(name_of(*each)).exists()]
        progress = Progress(len(places), len(places) - len(missing))
        for layer, channel in missing:
            with find_device().scope():
                *earlier, last = self.dream_whole(self.dreamer(layer, channel))
            for number, image in enumerate(earlier, start=1):
                album.add(f"{name_of(layer, channel)}_octave{number}", image)
            album.add(name_of(layer, channel), last)
            yield progress.add(1, name_of(layer, channel))
            if should_stop():
                break
        return progress.done, progress.done == progress.count

    def dream_whole(self, dreamer):
        """Return the images of a dream, one for each octave, all of the size of the last."""
        found = list(dreamer.dream(self.image, self.choices, seed=self.prepared.settings.seed))
        return [enlarge(image, self.size) for image in found]

    def list_grids(self, album):
        """Return the grid of the dreams; each moves through its octaves."""
        cells = {(row, 0): [album.picture("photo")] for row in range(max(1, len(self.channels)))}
        for place, (layer, channel) in self.places.items():
            name = name_of(layer, channel)
            if album.picture(name).exists():
                octaves = sorted(album.path("pictures").glob(f"{name}_octave*.png"))
                cells[place] = [*octaves, album.picture(name)]
        rows = [f"#{channel}" for channel in self.channels] or [self.describe()]
        columns = [self.stem, *self.layers]
        more = {"absent": "not yet", "note": NOTE}
        return {"sheet.png": Grid(self.title, rows, columns, cells, **more)}

    def describe(self):
        """Write what all channels of a layer dream of."""
        return f"guided by {Path(self.guide.path).stem}" if self.guide else "all channels"


class Zoom(Dreams):
    """A film: each frame is the middle of the one before, enlarged, and dreamed on.

    Raises:
        SettingsError: more than one dream is asked for.
    """

    def default_layers(self):
        """Return the layer to dream of where none is named."""
        return super().default_layers()[-1:]

    def check(self):
        """Refuse several dreams, too."""
        super().check()
        if len(self.layers) * max(1, len(self.channels)) > 1:
            raise SettingsError("--zoom makes a film of one dream; name one --layer, one channel")

    def explore(self, album, should_stop):
        """Make the frames that are missing, and the film; see `Explorer`.

        Each frame goes on from the file of the one before, so that a film that was continued has
        the same bytes.
        """
        (layer, channel), count = next(iter(self.places.values())), self.choices.zoom
        done = len(find_frames(album))
        progress = Progress(count, done)
        if done < count:
            dreamer = self.dreamer(layer, channel)
        while progress.done < count and not should_stop():
            with find_device().scope():
                image = self.make_frame(dreamer, album, progress.done)
            album.add(frame_name(progress.done), image)
            yield progress.add(1, "frame")
        yield from save_film(album, find_frames(album))
        return progress.done, progress.done == count

    def count_steps(self):
        """Return how many steps all frames take; the first is a whole dream."""
        frame = self.steps_of(ZOOM_OCTAVES, ZOOM_STEPS)
        return super().count_steps() + (self.choices.zoom - 1) * frame

    def make_frame(self, dreamer, album, number):
        """Make a frame: the first one is a whole dream, the others go on from the one before."""
        if number == 0:
            return self.dream_whole(dreamer)[-1]
        before = frames.read(album.picture(frame_name(number - 1)))
        pixels = np.asarray(enlarge_middle(before), np.float32)[np.newaxis] / 255.0
        less = {"octaves": ZOOM_OCTAVES, "steps": ZOOM_STEPS}
        image = list(dreamer.dream(pixels, self.choices, seed=number, **less))[-1]
        # Each frame dreams on from the one before: without this, contrast would grow on and on.
        first = np.asarray(frames.read(album.picture(frame_name(0))), np.float32)[np.newaxis] / 255
        return match_contrast(image, first)

    def outline(self):
        """Return lines that say what will be done."""
        return (*super().outline(), f"a film of {self.choices.zoom} frames")

    def list_grids(self, album):
        """Return the grid: the film, and some of its frames."""
        there = find_frames(album)
        stills = frames.choose(there, STILLS)
        cells = {(0, 0): there} | {(0, at): [path] for at, path in enumerate(stills, start=1)}
        columns = ["the film", *(path.stem.replace("_", " ") for path in stills)]
        more = {"absent": "not yet", "note": NOTE}
        rows, cells = list(self.layers), cells if there else {}
        return {"sheet.png": Grid(self.title, rows, columns, cells, **more)}


def choose_explorer(study, prepared):
    """Return what makes the dreams, or the film, of a study."""
    return (Zoom if study.choices.zoom else Dreams)(study, prepared)


def save_film(album, there):
    """Write the film as GIF, and as MP4 where PyAV is installed: a generator of events."""
    if not there:
        return
    animation.save_gif(there, album.path("zoom.gif"))
    if importlib.util.find_spec("av"):
        animation.save_mp4(there, album.path("zoom.mp4"))
    else:
        yield Notice("zoom.mp4 needs PyAV; install it with: python -m pip install av")


def name_of(layer, channel):
    """Return the name of a dream's file."""
    return layer if channel is None else f"{layer}_{channel:03}"


def frame_name(number):
    """Return the name of a frame's file."""
    return f"frame_{number:04}"


def find_frames(album):
    """Return the frames of a film that are there, in order, up to the first that is missing."""
    found = []
    while (path := album.picture(frame_name(len(found)))).exists():
        found.append(path)
    return found


def match_contrast(image, other):
    """Give each color of an image the mean and the deviation that it has in another."""
    mean, deviation = image.mean((0, 1, 2)), image.std((0, 1, 2)) + 1e-6
    return (image - mean) / deviation * other.std((0, 1, 2)) + other.mean((0, 1, 2))


def enlarge(image, size):
    """Return an image in another (width, height)."""
    pixels = images.to_pixels(image)
    return np.asarray(pixels.resize(size, Image.Resampling.BICUBIC), np.float32)[None] / 255.0


def enlarge_middle(picture):
    """Return the middle of a Pillow image, in the size of the whole."""
    width, height = picture.size
    more = (1 - 1 / ZOOM) / 2
    box = (width * more, height * more, width * (1 - more), height * (1 - more))
    return picture.resize(picture.size, Image.Resampling.BICUBIC, box=box)
