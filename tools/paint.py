"""Paint the three sample styles of data/input (brush strokes, circles, waves) from a seed.

Example: python tools/paint.py --output data/input
"""

import argparse
import math
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

# Painted larger and then reduced, so that every edge is smooth without a drawing library.
OVERSAMPLING = 2
# Lengths called "unit" or "width" are in pixels of a picture whose longer side is this.
REFERENCE_SIDE = 1024

# Night. (width, length, coverage) of each brush, the coarse ones first as a painter works.
BRUSHES = ((46, 150, 2.2), (28, 110, 1.6), (17, 80, 1.5), (10, 52, 0.9))
SKY = ((12, 18, 58), (24, 42, 116), (32, 76, 168), (54, 122, 192), (96, 172, 190), (198, 222, 200))
GLOW = ((255, 250, 214), (252, 226, 118), (240, 214, 104), (186, 214, 158), (104, 166, 190))
HILL = ((10, 18, 44), (20, 42, 80), (34, 74, 104), (60, 110, 112), (128, 150, 104))
TREE = ((8, 12, 20), (16, 28, 28), (32, 52, 38), (66, 74, 40), (112, 92, 48))
# (x, y, radius) in units of the picture's height; the first is the moon.
STARS = (
    (0.22, 0.20, 0.070), (0.55, 0.11, 0.026), (0.80, 0.25, 0.034), (1.00, 0.10, 0.024),
    (0.09, 0.47, 0.024), (1.26, 0.30, 0.030), (0.42, 0.42, 0.020),
)  # fmt: skip
# (x, top, width) of each tree, and (x, y, radius, turn) of each vortex, in the same units.
TREES = ((1.04, 0.42, 0.055), (1.2, 0.52, 0.05), (1.12, 0.2, 0.08))
VORTICES = ((0.60, 0.36, 0.17, 1.0), (0.88, 0.47, 0.12, -1.0), (0.27, 0.52, 0.10, -0.8))

# Circles and waves: the paper, the colours of the washes and the inks of the three plates.
PAPER = np.array((250, 244, 228))
CELLS_DOWN = 3
WASHES = (
    (206, 46, 40), (236, 124, 34), (246, 196, 62), (58, 134, 84), (24, 128, 150), (34, 62, 140),
    (108, 52, 120), (216, 104, 134), (40, 36, 54), (236, 220, 180), (140, 190, 200), (150, 70, 36),
)  # fmt: skip
INKS = ((34, 48, 112), (98, 158, 190), (222, 150, 48))


def smooth_noise(rng, shape, cell):
    """Return noise in [0, 1] of that shape, its grains `cell` pixels or (height, width) large."""
    cell = np.broadcast_to(cell, 2)
    coarse = [max(2, math.ceil(side / grain) + 1) for side, grain in zip(shape, cell)]
    grains = Image.fromarray(rng.random(coarse, dtype=np.float32))
    return np.clip(np.asarray(grains.resize(shape[::-1], Image.Resampling.BICUBIC)), 0, 1)


def cloud(rng, shape, cell, octaves=4):
    """Return `smooth_noise` summed over octaves, each half as large and half as strong."""
    cell = np.broadcast_to(cell, 2)
    layers = [smooth_noise(rng, shape, np.maximum(cell / 2**k, 1)) / 2**k for k in range(octaves)]
    return sum(layers) / (2 - 2 ** (1 - octaves))


def ramp(colours, position):
    """Return the colour, (..., 3), at `position` in [0, 1] along a list of colours."""
    stops = np.linspace(0, 1, len(colours))
    return np.stack([np.interp(position, stops, channel) for channel in zip(*colours)], axis=-1)


def grid(shape):
    """Return the position of each pixel as x + iy, in units of the picture's height."""
    height, width = shape
    return (np.arange(width)[None, :] + 1j * np.arange(height)[:, None]) / height


def sky(rng, place):
    """Return the sky's colours, (height, width, 3), and its flow, complex (height, width)."""
    shape = place.shape
    flow = 1 + 0.5j * np.sin(4.2 * place.real + 5 * place.imag) + 0j
    light = 0.62 - 0.55 * (1 - place.imag) + 0.5 * (cloud(rng, shape, shape[0] / 3) - 0.5)
    light = light + 0.13 * np.sin(38 * (place.imag + 0.11 * np.cos(4.2 * place.real)))
    for x, y, radius, turn in VORTICES:
        arm = (place - (x + 1j * y)) / radius
        distance = abs(arm) + 1e-6
        pull = np.exp(-((distance / 1.25) ** 4))
        spiral = np.cos(np.angle(arm) * 2 - np.sign(turn) * 7 * np.sqrt(distance))
        flow = flow * (1 - pull) + pull * arm / distance * (1j * turn - 0.25)
        light = light * (1 - pull) + pull * (0.55 + 0.38 * spiral)
    return ramp(SKY, np.clip(light, 0, 0.95)), flow


def halos(rng, place, colours, flow):
    """Return the sky's colours and flow with the rings of the STARS, and where the discs are."""
    discs = np.zeros(place.shape, bool)
    for x, y, radius in STARS:
        arm = (place - (x + 1j * y)) / radius
        distance = abs(arm) + 1e-6
        pull = np.exp(-((distance / 3.4) ** 3))
        # The middle is crossed, not circled, or it would stay bare.
        turn = 1j * arm / distance + 1.2 * np.exp(-((distance / 0.35) ** 2))
        flow = flow * (1 - pull) + pull * turn
        rings = 0.72 + 0.28 * np.cos(5.2 * (distance - 1))
        # Each stroke is of one colour or the other: mixed paint would turn grey.
        chosen = rings * np.exp(-((distance / 3) ** 3)) > rng.random(place.shape)
        glow = ramp(GLOW, np.clip(distance / 3.2, 0, 1))
        colours = np.where((chosen | (distance < 1))[..., None], glow, colours)
        discs |= distance < 1.1
    return colours, flow, discs


def hills(rng, place):
    """Yield (colours, flow, inside) of three ranges of hills, the nearest the darkest."""
    shade = cloud(rng, place.shape, place.shape[0] / 12)
    for number, base in enumerate((0.72, 0.80, 0.90)):
        phase = 2.6 * number + 5 * place.real
        below = place.imag - base - 0.045 * np.sin(phase) - 0.02 * np.sin(2.3 * phase + 1)
        light = np.clip(0.75 - 0.2 * number - 4 * below + 0.8 * (shade - 0.5), 0, 1)
        slope = 0.225 * np.cos(phase) + 0.23 * np.cos(2.3 * phase + 1)
        yield ramp(HILL, light), 1 + 1j * (slope + 0.5 * np.sin(60 * below)), below > 0


def trees(rng, place):
    """Yield (colours, flow, inside) of the dark TREES, which rise like flames."""
    ragged = 1 + 0.9 * (smooth_noise(rng, place.shape, place.shape[0] / 30) - 0.5)
    for x, top, width in TREES:
        rise = np.clip((place.imag - top) / (1 - top), 0, None)
        sway = 0.3 * width * np.sin(12 * place.imag + 9 * x) * rise
        across = (place.real - x - sway) / (width * rise**0.7 + 0.2 * width)
        light = 0.4 + 0.35 * np.sin(7 * across + 16 * place.imag) - 0.3 * across
        lean = 0.3 * np.sin(16 * place.imag + 3 * across) - 0.3 * np.clip(across, -1, 1)
        yield ramp(TREE, np.clip(light, 0, 1)), lean - 1j, abs(across) < ragged * (rise > 0)


def night(rng, place):
    """Yield (brushes, colours, flow, inside) of each part of the night, from far to near."""
    colours, flow, discs = halos(rng, place, *sky(rng, place))
    yield BRUSHES, colours, flow, np.ones(place.shape, bool)
    # What is small and must not show what lies under it is painted twice.
    yield 2 * BRUSHES[2:], colours, flow, discs
    for hill in hills(rng, place):
        yield BRUSHES, *hill
    for tree in trees(rng, place):
        yield 2 * BRUSHES[2:], *tree


def trace(flow, middle, length, points=16):
    """Return the paths, complex (strokes, points), which follow the flow through each middle."""
    step, half = length / points, points // 2
    back, path = [middle], [middle]
    for line, stride, count in ((back, -step, half), (path, step, points - half - 1)):
        for _ in range(count):
            ahead = line[-1] + lookup(flow, line[-1]) * stride / 2
            line.append(line[-1] + lookup(flow, ahead) * stride)
    return np.stack(back[:0:-1] + path, axis=1)


def lookup(field, position):
    """Return the field's values at complex pixel positions, the border's outside of it."""
    row = np.clip(position.imag, 0, field.shape[0] - 1).astype(int)
    return field[row, np.clip(position.real, 0, field.shape[1] - 1).astype(int)]


def brush(draw, rng, path, width, colour):
    """Draw one stroke as parallel bristles; the alpha channel keeps the height of the paint."""
    tangent = np.gradient(path)
    normal = 1j * tangent / (abs(tangent) + 1e-6)
    count = max(3, round(width / 3.2))
    across = np.linspace(-1, 1, count)
    belly = np.sin(np.linspace(0.35, math.pi - 0.3, len(path))) ** 0.5
    lines = path + normal * belly * across[:, None] * width / 2
    tone = rng.normal(0, 13, count) + rng.choice((-1, 1)) * 16 * across
    shades = colour + tone[:, None] * (1, 0.95, 0.8)
    heights = 120 + 45 * across**4 + rng.normal(0, 32, count)
    fills = np.clip(np.column_stack([shades, heights]), 0, 255).astype(int)
    trims = rng.integers(0, 3, (count, 2))
    for line, fill, (first, last) in zip(lines, fills.tolist(), trims):
        kept = line[first : len(line) - last]
        draw.line(kept.view(np.float64).tolist(), tuple(fill), math.ceil(width / count) + 1)


def paint_layer(draw, rng, colours, flow, inside, width, length, coverage):
    """Cover the pixels `inside` with strokes of one brush, in random order."""
    area = np.flatnonzero(inside)
    count = math.ceil(coverage * area.size / (width * length)) if area.size else 0
    spots = rng.choice(area, count) if count else area
    middle = spots % inside.shape[1] + 1j * (spots // inside.shape[1])
    wanted = lookup(colours, middle)
    mixed = wanted + rng.normal(0, 1, (count, 3)) * (5 + 0.07 * wanted)
    for path, colour in zip(trace(flow, middle, length), mixed):
        brush(draw, rng, path, width * rng.uniform(0.7, 1.2), colour)


def relief(picture, strength=0.7):
    """Return the RGB array of an RGBA picture lit from the upper left, alpha being its height."""
    pixels = np.asarray(picture, dtype=np.float32)
    down, right = np.gradient(pixels[..., 3])
    light = np.clip((down + right) * strength, -38, 46)
    return pixels[..., :3] + light[..., None]


def night_strokes(rng, shape):
    """Return a night of swirling strokes, floats (height, width, 3) in [0, 255]."""
    unit = max(shape) / REFERENCE_SIDE
    canvas = Image.new("RGBA", shape[::-1], (*SKY[1], 100))
    draw = ImageDraw.Draw(canvas)
    for brushes, colours, flow, inside in night(rng, grid(shape)):
        flow = flow / (abs(flow) + 1e-6)
        for width, length, coverage in brushes:
            size = width * unit, length * unit
            paint_layer(draw, rng, colours, flow, inside, *size, coverage)
    return relief(canvas)


def cells(rng, place):
    """Return the number of each pixel's cell, laid like bricks, and its way from the middle."""
    warp = [0.1 * cloud(rng, place.shape, place.shape[0] / CELLS_DOWN) for _ in range(2)]
    x, y = CELLS_DOWN * (place.real + warp[0]), CELLS_DOWN * (place.imag + warp[1])
    row = np.floor(y).astype(int)
    x = x + 0.5 * (row % 2)
    column = np.floor(x).astype(int)
    number = row * (column.max() + 1) + column
    middle = 0.5 + rng.uniform(-0.07, 0.07, (2, number.max() + 1))
    return number, 2 * (x - column - middle[0][number] + 1j * (y - row - middle[1][number]))


def rings(rng, number, distance, count=7):
    """Return the ink of each pixel, (height, width, 3), and its distance from its ring's edge."""
    gaps = rng.uniform(0.5, 1.5, (number.max() + 1, count))
    edges = 1.04 * np.cumsum(gaps, axis=1) / gaps.sum(axis=1, keepdims=True)
    # A step of less than the number of inks never lands on the neighbour's.
    inks = np.cumsum(rng.integers(1, len(WASHES), (len(gaps), count + 1)), axis=1) % len(WASHES)
    ring, nearest = np.zeros(distance.shape, int), np.full(distance.shape, 9.0)
    for edge in edges.T:
        beyond = distance - edge[number]
        ring += beyond > 0
        nearest = np.minimum(nearest, abs(beyond))
    return np.array(WASHES)[inks[number, ring]], nearest


def hairs(rng, number, arm):
    """Return the streaks, in [0, 1], which a brush leaves on its way around each middle."""
    bristles = smooth_noise(rng, (1024, 512), (7, 60))
    along = np.int64(abs(np.angle(arm)) / math.pi * 511)
    return bristles[np.int64(abs(arm) * 450 + 97 * number) % 1024, along]


def circles(rng, shape):
    """Return concentric circles in watercolour, floats (height, width, 3) in [0, 255]."""
    unit = max(shape) / REFERENCE_SIDE
    number, arm = cells(rng, grid(shape))
    arm = arm * (1 + 0.18 * (cloud(rng, shape, 90 * unit, 5) - 0.5) / (abs(arm) + 0.15))
    ink, edge = rings(rng, number, abs(arm))
    grain = cloud(rng, shape, 3 * unit, 2) - 0.5
    # Water carries pigment to the rim of a wash, and to the rims of puddles within it.
    density = 0.8 + 0.5 * np.exp(-edge / 0.025) + 0.9 * (hairs(rng, number, arm) - 0.5)
    density += 1.5 * (cloud(rng, shape, 70 * unit) - 0.5) + 0.6 * grain
    density += 0.35 * np.exp(-abs(cloud(rng, shape, 110 * unit, 6) - 0.5) / 0.006)
    bare = edge < 0.06 * (cloud(rng, shape, 40 * unit) - 0.48)
    density = np.where(bare, 0.08, np.clip(density, 0.12, 2.2))
    return PAPER * (ink / 255) ** density[..., None] + 14 * grain[..., None]


def scales(rng, place):
    """Return the number of each pixel's scale and its way from the scale's foot, in radii."""
    place = place + 0.014 * (cloud(rng, place.shape, place.shape[0] / 20) - 0.5) * (1 + 1j)
    number, arm = np.zeros(place.shape, int), np.zeros(place.shape, complex)
    foot, row = 0.0, 0
    while foot < 1.3:
        radius = 0.10 + 0.08 * foot
        column = np.round(place.real / (2 * radius) + 0.5 * (row % 2))
        middle = (column - 0.5 * (row % 2)) * 2 * radius
        swell = 0.035 * np.sin(3.4 * middle + 0.5 * row) * min(1, 3 * foot)
        way = (place - middle - 1j * (foot + swell)) / radius
        inside = abs(way) < 1
        number[inside] = (row * 64 + column[inside]).astype(int)
        arm[inside] = way[inside]
        foot, row = foot + 0.58 * radius, row + 1
    return number, arm


def plates(rng, number, arm):
    """Return where each of the INKS is printed, booleans (height, width)."""
    fans = number.max() + 1
    bands, kind = rng.integers(3, 6, fans)[number], rng.integers(0, 9, fans)[number]
    tremble = cloud(rng, arm.shape, arm.shape[0] / 50) - 0.5
    radius, turn = abs(arm), np.angle(arm * 1j) + kind
    crest = 0.77 + 0.13 * abs(np.sin(turn * 6.5)) ** 0.8 + 0.06 * tremble
    level = radius / crest * bands
    body, odd = radius < crest, np.floor(level - bands) % 2 == 1
    carved = abs(level - np.round(level)) < 0.07 + 0.3 * tremble
    carved |= (kind % 3 == 1) & (np.cos(turn * 40) > 0.7 + 2 * tremble)
    outline = (radius > 0.97) | (abs(radius - crest) < 0.012 + 0.03 * tremble)
    beside = ((turn * 13 / math.pi) % 2 - 1) * math.pi / 13 * radius
    spray = np.hypot(beside, radius - 0.925) < 0.024 + 0.03 * tremble
    ochre = body & odd & (kind == 2) | body & (level < 1.5) & (kind > 4)
    deep = body & odd & ~carved & ~ochre | outline
    return deep, body & ~carved & ~ochre | spray, ochre & ~carved


def waves(rng, shape):
    """Return overlapping wave scales as a woodcut, floats (height, width, 3) in [0, 255]."""
    unit = max(shape) / REFERENCE_SIDE
    number, arm = scales(rng, grid(shape))
    picture = PAPER * (1 + 0.06 * (cloud(rng, shape, (3 * unit, 30 * unit), 2) - 0.5))[..., None]
    for ink, plate in zip(INKS, plates(rng, number, arm)):
        # Plates never meet exactly: each is off by a few pixels of its own.
        slips = np.int64(rng.uniform(-3, 3, 2) * unit)
        rows, columns = (np.clip(np.arange(n) + slip, 0, n - 1) for n, slip in zip(shape, slips))
        fibre = cloud(rng, shape, (6 * unit, 130 * unit), 3) - 0.5
        density = 0.75 + 0.8 * (cloud(rng, shape, 120 * unit) - 0.5) + fibre
        density[cloud(rng, shape, 4 * unit, 2) > 0.79] *= 0.4
        density = density * plate[np.ix_(rows, columns)]
        picture = picture * (np.array(ink) / 255) ** np.clip(density, 0, 1.6)[..., None]
    return picture


PAINTERS = {"night_strokes": night_strokes, "circles": circles, "waves": waves}


def paint(name, *, size=(960, 720), seed=0):
    """Return one style picture.

    Args:
        name: a key of PAINTERS.
        size: (width, height) in pixels.
        seed: integer of 0 or more; the same seed gives the same pixels.

    Returns:
        PIL.Image.Image, RGB, of that size.
    """
    rng = np.random.default_rng([seed, *name.encode()])
    pixels = PAINTERS[name](rng, (size[1] * OVERSAMPLING, size[0] * OVERSAMPLING))
    large = Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))
    return large.resize(size, Image.Resampling.LANCZOS)


def main(arguments=None):
    """Paint every style into the folder named on the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    folder = Path(__file__).resolve().parents[1] / "data" / "input"
    parser.add_argument(
        "--output", metavar="DIR", type=Path, default=folder, help="folder (default: data/input)"
    )
    parser.add_argument(
        "--seed", type=int, default=0, help="the same seed gives the same pixels (default: 0)"
    )
    options = parser.parse_args(arguments)
    if options.seed < 0:
        parser.error(f"argument --seed: must be 0 or more, not {options.seed}")
    options.output.mkdir(parents=True, exist_ok=True)
    for name in PAINTERS:
        paint(name, seed=options.seed).save(options.output / f"{name}.jpg", quality=88)


if __name__ == "__main__":
    main()
