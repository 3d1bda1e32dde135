"""Measure how steady films are, where all motion is known: `python tools/films.py --clip tripod`.

A table as Ruder et al. (arXiv:1604.08610) and Lai et al. (arXiv:1808.00449) print it: frame by
frame, what each part of the method adds, and one pass; seconds a frame, warping error, style and
content error, sharpness. Whoever blurs or freezes wins the warping error: the others tell. It is
measured twice: by the flow of the film itself where that is trusted, as the papers do (`seen`), and
by the exact flow, wherever it leads to the same thing (`exact`), seen or not.
"""

import argparse
import dataclasses
import os
import sys
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ["TF_DETERMINISTIC_OPS"] = "1"
ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import numpy as np  # noqa: E402

from style_transfer.film_settings import FilmSettings  # noqa: E402
from style_transfer.optimization.device import choose_precision  # noqa: E402
from style_transfer.optimization.preparation import choose_sizes, load_weights  # noqa: E402
from style_transfer.pictures import films, images  # noqa: E402
from style_transfer.runs.inputs import Inputs  # noqa: E402
from style_transfer.settings import Settings  # noqa: E402
from style_transfer.video import flow, visits  # noqa: E402
from style_transfer.video.frames import Frames  # noqa: E402
from style_transfer.video.loss import FrameEngine  # noqa: E402
from style_transfer.video.materials import Materials  # noqa: E402
from style_transfer.video.painters import Optimizer, Pass  # noqa: E402
from style_transfer.video.transfer import FilmTransfer, Frame, warping_error  # noqa: E402
from tools.clips import Clip  # noqa: E402

HEADING = (
    f"{'':19} s first  s each     seen × film     exact × film  content    style sharpness"
    "  drift   kept"
)
STRIP = (1280, 1280)  # pixels, at most
#: The clips: both move; the object alone does; nothing does, but for the grain.
KINDS = ("pan", "tripod", "still")
PLAIN = FilmSettings()
#: The rows: what is changed in the settings of a film; whether each frame is painted for itself.
ROWS = {
    "frame by frame": (PLAIN, True),
    "warped start": (dataclasses.replace(PLAIN, temporal_weight=0.0), False),
    "+ temporal loss": (PLAIN, False),
    "+ anchors 1 and 3": (dataclasses.replace(PLAIN, anchors="1,3"), False),
    "+ second pass": (dataclasses.replace(PLAIN, passes=2), False),
    "keyframes 8": (dataclasses.replace(PLAIN, keyframes=8), False),
    "one pass": (dataclasses.replace(PLAIN, instant=True), True),
    "one pass steadied": (dataclasses.replace(PLAIN, instant=True), False),
}


def read(path, size=None):
    """Read a picture as (height, width, 3) in [0, 1], in another size if need be."""
    pixels = images.load(path).pixels
    return np.asarray(pixels.resize(size) if size else pixels, np.float32) / 255


def make_clip(size, kind="pan", *, noise=0.0):
    """Return the `Clip`: a camera over a photo, another photo crossing it; see `KINDS`."""
    thing = read(ROOT / "data/input/cat.jpg", (size[0] // 5, size[1] * 4 // 15))
    step = size[0] / 96, -size[0] / 480
    pan = size[0] / 240, size[0] / 960
    # As large as it is seen: to leave out pixels would make a film that flickers by itself.
    photo = images.load(ROOT / "data/input/temple.jpg").pixels.size
    ground = read(ROOT / "data/input/temple.jpg", images.fitted_size(photo, size[0] * 4 // 3))
    motion = {"pan": pan, "step": step}
    if kind != "pan":
        motion |= {"pan": (0, 0), "zoom": 1.0}
    if kind == "still":
        motion["step"] = 0, 0
    return Clip(ground, thing, size, **motion, noise=noise)


def write_clip(clip, folder, count):
    """Write the frames of a clip into a folder, and return it as a `Film`."""
    folder.mkdir(parents=True, exist_ok=True)
    for stale in folder.glob("*.png"):
        stale.unlink()
    for index in range(count):
        images.save_png(folder / f"{index:04}.png", clip.frame(index)[0][None])
    return films.load(folder)


class Studio:
    """What all rows share: the film, the painting, the network."""

    def __init__(self, film, style, settings):
        self.film, self.settings = film, settings
        first = images.Picture(film.path, film.sha256, next(film.read(film.times))[1], ())
        self.pictures = Inputs(first, (images.load(style),))
        self.sizes = choose_sizes(self.pictures, settings)
        self.network = load_weights(settings.weights, settings, None)
        self.judge = FrameEngine(self.network, settings, 0.0)

    def paint(self, planned, film):
        """Paint the visits; return the last image of each frame, and the seconds of each visit."""
        frames = Frames(self.film, self.film.times, self.sizes.content, visits.reach(film))
        materials = Materials(self.pictures, self.sizes, frames, None, self.settings)
        results, images_, seconds = {}, {}, []
        transfer = FilmTransfer(self.painter(film), materials, planned, results.get)
        for event in transfer.run():
            if isinstance(event, Frame):
                results[event.visit.name] = event.image, event.seen, event.measures["shot"]
                images_[event.visit.frame] = event.image
                seconds.append(event.measures["seconds"])
        return [images_[index] for index in sorted(images_)], seconds

    def painter(self, film):
        """Return what paints with the settings of a film."""
        if film.instant:
            from style_transfer.feedforward import instant

            precision = choose_precision(self.settings)
            network = instant.load_compiled(self.settings.transform, precision)
            return Pass(network, self.settings, film.steadiness)
        engine = FrameEngine(self.network, self.settings, film.temporal_weight)
        count = 2 if film.keyframes > 1 else len(film.distances)
        return Optimizer(engine, self.settings, film, count)

    def errors(self, results):
        """Return content and style error, the mean over the frames."""
        from style_transfer.video.painters import FrameTransfer

        frames = Frames(self.film, self.film.times, self.sizes.content)
        materials = Materials(self.pictures, self.sizes, frames, None, self.settings)
        settings = dataclasses.replace(self.settings, scales="1", epochs=1, init="content")
        losses = []
        for index, image in enumerate(results):
            material = dataclasses.replace(materials.of(index, 0), start=image)
            losses.append(FrameTransfer(self.judge, material, settings, (), 1).state["losses"])
        return np.mean(losses, axis=0)[:2]


def measure(clip, results):
    """Measure how steady and how sharp the images of a clip's frames are.

    Returns:
        (seen, exact, sharpness, drift, kept): two warping errors, the mean gradient energy; by how
        many 1/255 the last is brighter than the first, and how much of the first's energy it has.
    """
    errors = []
    for index in range(1, len(results)):
        frame, before = clip.frame(index)[0], clip.frame(index - 1)[0]
        ways = flow.measure(frame, before), clip.flow(index, index - 1)
        errors.append(
            [
                warping_error(results[index][0], flow.warp(results[index - 1][0], motion), trust)
                for motion, trust in ways
            ]
        )
    energies = [flow.gradient_energy(each[0]).mean() for each in results]
    drift = 255 * (results[-1].mean() - results[0].mean())
    return *np.mean(errors, axis=0), np.mean(energies), drift, energies[-1] / energies[0]


def draw_strip(clip, folder, path):
    """Draw frames 4 to 6 of two rows, and how each differs from the one before, moved exactly."""
    lines = []
    for name in ("frame by frame", "+ temporal loss"):
        frames = [read(folder / name.replace(" ", "_") / f"{each:06}.png") for each in (4, 5, 6)]
        cells = [frames[0]]
        for index, (before, after) in enumerate(zip(frames, frames[1:]), start=4):
            motion, same = clip.flow(index, index - 1)
            apart = np.abs(after - flow.warp(before, motion)) * same[..., np.newaxis]
            cells += [np.clip(2 * apart, 0, 1), after]
        lines.append(np.hstack(cells))
    strip = images.to_pixels(np.vstack(lines)[np.newaxis])
    strip.thumbnail(STRIP)
    strip.save(path, quality=70, optimize=True)


def main():
    """Print the table; keep the frames of each row in a folder."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--frames", type=int, default=9)
    parser.add_argument("--size", type=int, default=480)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--noise", type=float, default=0.0, help="grain of the film, 0.02 say")
    parser.add_argument("--clip", choices=KINDS, default="pan", help="what moves")
    parser.add_argument("--rows", default=",".join(ROWS), help="of the table, with commas between")
    parser.add_argument("--style", default=str(ROOT / "data/input/waves.jpg"))
    parser.add_argument("--output", type=Path, default=ROOT / "data/output/films")
    parser.add_argument(
        "--strip", type=Path, help="draw this picture of an earlier table, and stop"
    )
    given = parser.parse_args()
    size = given.size, given.size * 9 // 16
    clip = make_clip(size, given.clip, noise=given.noise)
    if given.strip:
        draw_strip(clip, given.output, given.strip)
        return
    film = write_clip(clip, given.output / "clip", given.frames)
    settings = Settings(size=given.size, epochs=given.epochs, weights="compact")
    studio = Studio(film, given.style, settings)
    own = measure(clip, [clip.frame(index)[0][None] for index in range(given.frames)])
    print(HEADING)
    print_row("the film itself", (), own, own, ())
    for name in given.rows.split(","):
        report(name, studio, clip, own, given)


def report(name, studio, clip, own, given):
    """Paint and print one row."""
    film, alone = ROWS[name]
    count = given.frames
    planned = [visits.Visit(index, 0, ()) for index in range(count)]
    began = time.monotonic()
    results, seconds = studio.paint(planned if alone else visits.plan(count, film), film)
    each = (time.monotonic() - began - seconds[0]) / max(1, count - 1)
    for index, image in enumerate(results):
        path = given.output / name.replace(" ", "_") / f"{index + 1:06}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        images.save_png(path, image)
    print_row(name, (seconds[0], each), measure(clip, results), own, studio.errors(results))


def print_row(name, seconds, measured, own, errors):
    """Print a row, of the film itself without what there is none of."""
    seen, exact, sharpness, drift, kept = measured
    times = "".join(f"{each:8.2f}" for each in seconds) or " " * 16
    # Of a film in which all rests there is no error to compare with.
    seen, exact = ((each, each / max(there, 1e-9)) for each, there in zip((seen, exact), own))
    steady = f"{seen[0]:9.6f}{seen[1]:7.2f}{exact[0]:10.6f}{exact[1]:7.2f}"
    losses = "".join(f"{each:9.5f}" for each in errors) or " " * 18
    print(f"{name:19}{times} {steady}{losses}{sharpness:10.5f}{drift:7.2f}{kept:7.3f}", flush=True)


if __name__ == "__main__":
    main()
