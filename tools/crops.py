"""Training pictures: random crops of photographs, and what style transfer makes of them."""

import keras
import numpy as np
from PIL import Image

from style_transfer.pictures import images

SHORT_SIDE = 320  # pictures are kept in memory with a short side of at most this
HELD_OUT = 32  # one picture in so many is never trained on


def load_pictures(folders):
    """Read all pictures of some folders.

    Returns:
        (training, held_out): two lists of arrays (height, width, 3), uint8.

    Raises:
        ValueError: there are fewer than two pictures, or one cannot be read.
    """
    paths = [path for folder in folders for path in images.expand(folder)]
    if len(paths) < 2:
        raise ValueError(f"found {len(paths)} pictures in {', '.join(map(str, folders))}")
    pictures = [np.asarray(shrink(images.load(path).pixels)) for path in paths]
    training = [each for index, each in enumerate(pictures) if index % HELD_OUT]
    return training, pictures[::HELD_OUT]


def shrink(picture):
    """Scale a Pillow image down to a short side of `SHORT_SIDE`, if it is larger."""
    longer_side = SHORT_SIDE * max(picture.size) / min(picture.size)
    size = images.fitted_size(picture.size, longer_side)
    return picture.resize(size, Image.Resampling.LANCZOS)


def random_crop(picture, size, random):
    """Cut a random square out of a picture, at a random scale: (size, size, 3) in [0, 1]."""
    height, width = picture.shape[:2]
    side = min(height, width, size / random.uniform(0.9, 2.0))
    left, top = random.uniform(0, width - side), random.uniform(0, height - side)
    crop = Image.fromarray(picture).resize(
        (size, size), Image.Resampling.BILINEAR, box=(left, top, left + side, top + side)
    )
    crop = np.asarray(crop, np.float32) / 255
    return crop[:, ::-1] if random.random() < 0.5 else crop


def disturb(crop, random):
    """Change contrast, colors and grain: style transfer passes through such pictures."""
    size = len(crop)
    if random.random() < 0.5:
        gray = crop.mean(axis=-1, keepdims=True)
        crop = gray + (crop - gray) * random.uniform(0.0, 2.5)  # saturation
        crop = crop.mean() + (crop - crop.mean()) * random.uniform(0.4, 2.5)  # contrast
        crop = crop + random.normal(0, 0.1, 3)  # tint
    if random.random() < 0.5:
        cells = size // random.choice([1, 1, 2, 4, 8])
        noise = random.normal(0, random.uniform(0, 0.3), (cells, cells, 3))
        crop = crop + noise.repeat(size // cells, axis=0).repeat(size // cells, axis=1)
    return np.clip(crop, 0, 1).astype(np.float32)


class Crops(keras.utils.PyDataset):
    """Batches (batch, size, size, 3) of crops; batch number `n` is the same in every run.

    Args:
        pictures: list of arrays (height, width, 3), uint8.
        size: side of a crop in pixels, a multiple of 16.
        batch: crops in a batch.
        first, count: the numbers of the batches.
        seed: seed of all random choices.
        disturbed: change colors and grain, blend some of the crops.
    """

    def __init__(self, pictures, *, size, batch, first, count, seed=0, disturbed=True):
        super().__init__()
        self.pictures, self.size, self.batch = pictures, size, batch
        self.first, self.count, self.seed, self.disturbed = first, count, seed, disturbed

    def __len__(self):
        return self.count

    def __getitem__(self, index):
        random = np.random.default_rng((self.seed, self.first + index))
        return (np.stack([self.draw(random) for _ in range(self.batch)]),)

    def draw(self, random):
        """Draw one crop, or a blend of two."""
        crop = self.draw_plain(random)
        if not self.disturbed:
            return crop
        if random.random() < 0.2:
            crop = crop + (self.draw_plain(random) - crop) * np.float32(random.uniform(0, 1))
        return disturb(crop, random)

    def draw_plain(self, random):
        return random_crop(self.pictures[random.integers(len(self.pictures))], self.size, random)
