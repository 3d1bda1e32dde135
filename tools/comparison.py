"""What a network's pictures are worth: made with it, judged by the teacher's loss.

Needs TensorFlow. The pictures are made at one size, by L-BFGS, without warm-up and patience.
"""

from pathlib import Path

import numpy as np

from style_transfer.pictures import images
from tools.judge import Judge


def load_picture(path, size):
    """Read a picture, its longer side `size`, as (1, height, width, 3) in [0, 1]."""
    picture = images.load(path)
    return images.to_tensor(picture, images.fitted_size(picture.pixels.size, size, enlarge=True))


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
        if folder:
            self.folder.mkdir(parents=True, exist_ok=True)

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
        pictures = [load_picture(path, self.size) for path in (content, style)]
        teacher = next(iter(self.networks.values()))
        judge = Judge(teacher, *pictures, settings)
        totals = {"start": judge.total(pictures[0])}
        for name, model in self.networks.items():
            path = self.folder / f"{pair}-{name}.png" if self.folder else None
            if self.reuse and path.exists():
                made = load_picture(path, self.size)
            else:
                own = judge if model is teacher else Judge(model, *pictures, settings)
                made = own.minimize(pictures[0], steps)
                if path:
                    images.save_png(path, made)
            totals[name] = judge.total(made)
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
