"""A picture as a spectrum of decorrelated colors, which keeps what climbs a channel from noise.

Olah, Mordvintsev & Schubert, Feature Visualization (Distill 2017), as their program Lucid has it:
amplitudes that fall with the frequency, as those of photographs do; colors along the principal
axes of those of photographs; and pictures that are moved, turned and scaled before the network sees
them, so that only what survives that is worth while.
"""

import numpy as np
import tensorflow as tf
from keras import ops

#: The square root of the covariance of photographs' colors, from Lucid: RGB by axis.
COLOR_ROOT = np.array([[0.26, 0.09, 0.02], [0.27, 0.0, -0.05], [0.27, -0.09, 0.03]], np.float32)
COLOR_ROOT /= np.linalg.norm(COLOR_ROOT, axis=0).max()
SPREAD = 0.01  # of the random start
DAMPING = 4.0  # as in Lucid, so that the start is a gray with little noise
GRAY = 0.5
PADDING = 12  # pixels of gray around the picture
JITTER, LAST_JITTER = 8, 4  # pixels
SCALES = (0.9, 1.1)
DEGREES = 10.0


class Spectrum:
    """The way from spectra to pictures.

    Args:
        side: pixels of the square pictures.
    """

    def __init__(self, side):
        self.side = side
        frequencies = np.hypot(np.fft.fftfreq(side)[:, None], np.fft.rfftfreq(side)[None])
        scale = side / np.maximum(frequencies, 1.0 / side)
        self.scale = tf.constant(scale, tf.complex64)

    def start(self, count, seed):
        """Return random spectra (count, 3, side, side // 2 + 1, 2), all of them the same."""
        generator = np.random.default_rng(seed)
        spectrum = generator.normal(0.0, SPREAD, (1, 3, *self.scale.shape, 2))
        return np.repeat(spectrum.astype(np.float32), count, axis=0)

    def paint(self, spectra):
        """Turn spectra into pictures (count, side, side, 3) in [0, 1]."""
        values = tf.complex(spectra[..., 0], spectra[..., 1]) * self.scale
        axes = tf.signal.irfft2d(values, [self.side, self.side]) / DAMPING
        return tf.sigmoid(tf.einsum("bahw,ca->bhwc", axes, COLOR_ROOT))


def draw_transform(generator, side):
    """Draw how pictures are moved, turned and scaled: (offsets (2,), transform (1, 8)).

    Args:
        generator: of NumPy.
        side: of the pictures, without the padding.
    """
    offset = generator.integers(0, JITTER + 1, 2)
    angle = np.deg2rad(generator.uniform(-DEGREES, DEGREES))
    scale, middle = generator.uniform(*SCALES), seen_side(side) / 2
    across, along = np.cos(angle) / scale, np.sin(angle) / scale
    shift = middle + generator.uniform(-LAST_JITTER, LAST_JITTER, 2)
    rows = [
        [across, -along, shift[0] - (across - along) * middle],
        [along, across, shift[1] - (along + across) * middle],
    ]
    transform = np.array([*np.ravel(rows), 0.0, 0.0], np.float32)
    return offset.astype(np.int32), transform[np.newaxis]


def seen_side(side):
    """Return the side of what the network sees of pictures with such a side."""
    return side + 2 * PADDING - JITTER


def transform(pictures, offset, matrix):
    """Pad pictures (count, side, side, 3), cut, turn and scale them, see `draw_transform`."""
    side = seen_side(pictures.shape[1])
    around = ((0, 0), (PADDING, PADDING), (PADDING, PADDING), (0, 0))
    padded = tf.pad(pictures, around, constant_values=GRAY)
    cut = padded[:, offset[0] : offset[0] + side, offset[1] : offset[1] + side]
    cut = tf.ensure_shape(cut, (None, side, side, 3))
    return ops.image.affine_transform(
        cut, tf.repeat(matrix, tf.shape(cut)[0], axis=0), fill_mode="reflect"
    )
