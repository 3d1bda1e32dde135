"""Color profiles that are three curves and a matrix (ICC.1), converted between in 16 bits.

LittleCMS as Pillow has it converts 8 bits a channel. Profiles of cameras, screens and editors are
of this kind; those of tables (some scanners', all of printers) are left to it.
"""

import functools
import struct
from dataclasses import dataclass
from typing import Any

from PIL import ImageCms

LEVELS = 65536
HEADER = 128  # bytes, before the table of tags
TABLES = b"A2B0"  # the tag that goes before curves and matrix
#: Which parameter of a parametric curve is which, by its type; see `parametric`.
PARAMETERS = ("g", "gab", "gabc", "gabcd", "gabcdef")
ROWS = 512  # converted at once


@dataclass(frozen=True, eq=False)  # arrays have no single answer to ==
class Shaper:
    """What turns samples of 16 bits into light.

    Attributes:
        curves: (3, 65536), light by sample, in [0, 1].
        matrix: (3, 3), from the light of red, green and blue to CIE XYZ; of gray, which is the
            same in all profiles, None.
    """

    curves: Any
    matrix: Any


def convert(colors, own, target=None):
    """Convert colors from one profile to another.

    Args:
        colors: (height, width, 3) uint16.
        own: the bytes of the profile that they are in, or None: sRGB. In one of gray, red, green
            and blue are the same.
        target: that which they are to be in.

    Returns:
        An array like `colors`; None if a profile is of another kind, or junk.
    """
    import numpy as np  # slow to import, and seldom needed before TensorFlow is there

    if own == target:
        return colors
    source, wanted = read(own), read(target)
    if source is None or wanted is None or wanted.matrix is None:
        return None
    if (np.diff(wanted.curves) < 0).any():
        return None
    turn = np.eye(3)
    if source.matrix is not None:
        turn = np.linalg.solve(wanted.matrix, source.matrix)
    samples, converted = np.arange(LEVELS), np.empty_like(colors)
    for first in range(0, len(colors), ROWS):
        rows = colors[first : first + ROWS]
        light = [curve[rows[..., channel]] for channel, curve in enumerate(source.curves)]
        light = np.stack(light, axis=-1) @ turn.T.astype(np.float32)
        for channel, curve in enumerate(wanted.curves):
            found = np.interp(light[..., channel], curve, samples)
            converted[first : first + ROWS, :, channel] = np.rint(found)
    return converted


@functools.lru_cache(maxsize=8)
def read(profile):
    """Return the `Shaper` of a profile's bytes, or of sRGB for None; None if it has none."""
    import numpy as np

    if profile is None:
        profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    try:
        tags = read_tags(profile)
        if TABLES in tags or profile[20:24] != b"XYZ ":
            return None
        if profile[16:20] == b"GRAY":
            return Shaper(np.stack([read_curve(tags[b"kTRC"])] * 3), None)
        names = (b"r", b"g", b"b")
        matrix = np.transpose([read_point(tags[name + b"XYZ"]) for name in names])
        np.linalg.inv(matrix)  # raises if it cannot be undone
        return Shaper(np.stack([read_curve(tags[name + b"TRC"]) for name in names]), matrix)
    except (KeyError, ValueError, IndexError, ArithmeticError, struct.error):
        return None


def read_tags(profile):
    """Return the tags of a profile: from signature to bytes."""
    (count,) = struct.unpack_from(">I", profile, HEADER)
    found = {}
    for number in range(min(count, 100)):
        name, start, size = struct.unpack_from(">4sII", profile, HEADER + 4 + 12 * number)
        found[name] = profile[start : start + size]
    return found


def read_point(tag):
    """Return the three numbers of a tag of type XYZ."""
    return [each / 65536 for each in struct.unpack_from(">3i", tag, 8)]


def read_curve(tag):
    """Return the light, (65536,) float32 in [0, 1], of all samples, of a curve's tag.

    Raises:
        ValueError: it is of no type that there is.
    """
    import numpy as np

    samples = np.linspace(0.0, 1.0, LEVELS)
    count, kind = struct.unpack_from(">I", tag, 8)[0], struct.unpack_from(">H", tag, 8)[0]
    if tag[:4] == b"para":
        numbers = struct.unpack_from(f">{len(PARAMETERS[kind])}i", tag, 12)
        named = dict(zip(PARAMETERS[kind], (each / 65536 for each in numbers)))
        light = parametric(samples, kind, **named)
    elif tag[:4] != b"curv":
        raise ValueError(f"unknown kind of curve: {tag[:4]!r}")
    elif count < 2:
        gamma = struct.unpack_from(">H", tag, 12)[0] / 256 if count else 1.0
        light = samples**gamma
    else:
        table = np.frombuffer(tag, ">u2", count, 12) / 65535
        light = np.interp(samples, np.linspace(0.0, 1.0, count), table)
    return np.clip(light, 0.0, 1.0).astype(np.float32)


def parametric(samples, kind, g, a=1.0, b=0.0, c=0.0, d=0.0, e=0.0, f=0.0):
    """Return (a X + b)^g + e from d on, and c X + f before: ICC.1, parametricCurveType.

    The types 1 and 2 begin where a X + b does; what type 2 calls c is added everywhere.
    """
    import numpy as np

    if kind in (1, 2):
        c, d, e, f = 0.0, -b / a, c, c
    power = np.maximum(a * samples + b, 0.0) ** g + e
    return np.where(samples >= d, power, c * samples + f)
