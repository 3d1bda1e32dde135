"""What a network's pictures are worth: made with it, judged by the teacher's loss.

Needs TensorFlow. The pictures are made as the program makes them at one scale.
"""

from pathlib import Path

import numpy as np
import tensorflow as tf
from PIL import Image

import functions
from style_transfer.optimization import optimizers
from tools.crops import SUFFIXES


def list_pictures(folder):
    """Return the paths of the pictures in a folder, in the order of their names."""
    return sorted(path for path in Path(folder).iterdir() if path.suffix.lower() in SUFFIXES)


def load_picture(path, size):
    """Read a picture, its longer side `size`, as (1, height, width, 3) in [0, 1]."""
    with Image.open(path) as image:
        image = image.convert("RGB")
    scale = size / max(image.size)
    image = image.resize([round(side * scale) for side in image.size], Image.Resampling.LANCZOS)
    return np.asarray(image, np.float32)[None] / 255


def save_picture(path, picture):
    """Write (1, height, width, 3) in [0, 1] as a PNG."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray((picture[0] * 255).round().astype(np.uint8)).save(path)


class Judge:
    """The loss that one network has for one pair of pictures.

    Args:
        model: from images to a dictionary of features.
        content, style: (1, height, width, 3) in [0, 1].
        settings: a `settings.Settings` with the layers and the weights of the losses.
    """

    def __init__(self, model, content, style, settings):
        self.targets = functions.compute_targets(model, content, [functions.Style(style)], settings)
        self.evaluate = tf.function(functions.build_evaluation(model, settings))

    def total(self, picture):
        """Return the weighted total loss of a picture."""
        return float(self.evaluate(tf.constant(picture), self.targets)[0][-1])

    def minimize(self, start, steps):
        """Make a picture, from `start`, in so many steps of L-BFGS; 8 bits a channel."""
        optimizer = optimizers.LBFGS()
        state = optimizer.start(start)
        train = functions.build_training(self.evaluate, optimizer, state, self.targets)
        state, _ = train(state, self.targets, tf.constant(steps + 1))
        return (state["image"].numpy() * 255).round().astype(np.float32) / 255


class Gallery:
    """The pictures that several networks make of pairs of pictures, and what they are worth.

    Args:
        folder: where the pictures are saved as `CONTENT-STYLE-NETWORK.png`, or None.
        networks: `{name: model}`; the first is the teacher, whose loss judges all pictures.
        size: longer side of all pictures.
        reuse: whether pictures that lie in the folder are judged and not made again.
    """

    def __init__(self, folder, networks, *, size, reuse=False):
        self.folder = Path(folder) if folder else None
        self.networks, self.size = networks, size
        self.reuse = reuse and folder

    def compare(self, content, style, settings, *, steps):
        """Make a picture of one pair with each network, and judge all of them.

        Args:
            content, style: paths.
            settings: a `settings.Settings` with the layers and the weights of the losses.
            steps: of L-BFGS.

        Returns:
            (pair, totals): its name, and `{name: total loss}` with `start`, the content
            picture itself, first.
        """
        pair = f"{Path(content).stem}-{Path(style).stem}"
        images = [load_picture(path, self.size) for path in (content, style)]
        teacher = next(iter(self.networks.values()))
        judge = Judge(teacher, *images, settings)
        totals = {"start": judge.total(images[0])}
        for name, model in self.networks.items():
            path = self.folder / f"{pair}-{name}.png" if self.folder else None
            if self.reuse and path.exists():
                picture = load_picture(path, self.size)
            else:
                own = judge if model is teacher else Judge(model, *images, settings)
                picture = own.minimize(images[0], steps)
            if path:
                save_picture(path, picture)
            totals[name] = judge.total(picture)
        return pair, totals


def summarize(rows):
    """Format the figures of all pairs.

    Args:
        rows: list of (pair, totals) from `Gallery.compare`.
    """
    names = list(rows[0][1])
    teacher = names[1]
    lines = [f"{'pair':40}" + "".join(f"{name:>10}" for name in names) + f"{'ratio':>8}"]
    for pair, totals in rows:
        figures = "".join(f"{totals[name]:10.3f}" for name in names)
        lines.append(f"{pair:40}{figures}{totals[names[2]] / totals[teacher]:8.3f}")
    for name in names[2:]:
        ratios = [totals[name] / totals[teacher] for _, totals in rows]
        whole = sum(totals[name] for _, totals in rows) / sum(t[teacher] for _, t in rows)
        lines.append(
            f"{name}: mean of the ratios to {teacher} {np.mean(ratios):.3f}, largest "
            f"{max(ratios):.3f}; ratio of the means {whole:.3f}"
        )
    return "\n".join(lines)
