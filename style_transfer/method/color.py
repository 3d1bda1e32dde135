"""Keep the photo's colors (Gatys, Bethge, Hertzmann and Shechtman, arXiv:1606.05897).

Two ways. Either the style picture gets the photo's colors before the transfer (`cholesky`,
`symmetric`, `histogram`), or only luminance is transferred and the photo's own chrominance is
put back afterwards (`luminance`). The transfer itself is the same in all of them.
"""

import numpy as np

MODES = ("none", "luminance", "cholesky", "symmetric", "histogram")

#: The Y of NTSC's YIQ, the space that the paper works in (ITU-R BT.601, section 2.5.1).
LUMINANCE = np.array((0.299, 0.587, 0.114), np.float32)

# The variance under which the style's colors are not amplified any further: a deviation of four
# of the 255 levels. Else a style picture in grays gives a matrix without bounds, and one in near
# grays the blocks of its JPEG in full color. The paintings tried have over 5 everywhere.
NOISE = (4 / 255) ** 2
# The content's variances are at least this, as Cholesky's root must have it: too little to see.
TINY = 1e-10


def match_style(style, content, mode):
    """Give the style picture the content's colors, as far as `mode` says, before the transfer.

    Args:
        style, content: images (1, height, width, 3) in [0, 1]; their sizes may differ.
        mode: `none`: nothing changes; `luminance`: gray, its luminance with the content's mean
            and deviation; `cholesky`, `symmetric`: the content's mean color and covariance, by
            the one or the other root of it (see `match_statistics`); `histogram`: the
            content's histogram in each of red, green and blue.

    Returns:
        (1, height, width, 3) float32, of the style's size. What leaves [0, 1] is clipped.

    Raises:
        ValueError: the mode is unknown.
    """
    return find_matching(style, content, mode)(style)


def find_matching(style, content, mode):
    """Return a function of the style's pixels, (1, any, any, 3): what `match_style` does to them.

    Args:
        style, content, mode: of `match_style`; of the pictures, as many pixels as tell the rest.

    Raises:
        ValueError: the mode is unknown.
    """
    if mode not in MODES:
        raise ValueError(f"unknown mode of color: {mode}; there are {', '.join(MODES)}")
    match = find_match(style, content, mode)
    return lambda pixels: np.clip(match(pixels), 0.0, 1.0).astype(np.float32)


def match_content(content, mode):
    """Return what the network is to see of the content: its grays, if `mode` is `luminance`.

    Args:
        content: (1, height, width, 3) in [0, 1].
        mode: as in `match_style`.

    Returns:
        An image of the same shape.
    """
    return gray(luminance(content)) if mode == "luminance" else content


def restore(image, content, mode):
    """Put the content's chrominance back after the transfer, if `mode` is `luminance`.

    In YIQ, one Y in place of another, with I and Q as they were, adds the same to red, green
    and blue. Where that would leave [0, 1], the chrominance is shrunk towards gray as far as
    needed: the luminance and the hue stay, where clipping would change both.

    Args:
        image: (1, height, width, 3) in [0, 1]: the transfer's result. Of it only the
            luminance counts.
        content: (1, height, width, 3) in [0, 1]: the photo in its own colors.
        mode: as in `match_style`.

    Returns:
        (1, height, width, 3) in [0, 1].
    """
    if mode != "luminance":
        return image
    return colorize(luminance(image), content - luminance(content))


def match_colors(style, content, mode):
    """Do the work of `match_style`, before clipping."""
    return find_match(style, content, mode)(style)


def find_match(style, content, mode):
    """Do the work of `find_matching`, before clipping."""
    if mode == "luminance":
        match = match_statistics(luminance(style), luminance(content), symmetric_root)
        return lambda pixels: gray(match(luminance(pixels)))
    if mode == "cholesky":
        return match_statistics(style, content, np.linalg.cholesky)
    if mode == "symmetric":
        return match_statistics(style, content, symmetric_root)
    if mode == "histogram":
        return match_histograms(style, content)
    return lambda pixels: pixels


def match_statistics(style, content, root):
    """Give the style's pixels the mean and the covariance of the content's: x' = A x + b.

    A = Σ_C^½ Σ_S^-½ and b = μ_C - A μ_S. A covariance has many roots. The paper tries two:
    Cholesky's, by which the new red comes from red alone and the new green from red and green,
    and the symmetric one (from Image Analogies), which treats all channels alike. Of a single
    channel either is the deviation, and this the paper's σ_C / σ_S (L_S - μ_S) + μ_C.

    Departs from the paper where the style has next to no variance in some direction of the
    color space: it then has less than the content's afterwards (see `NOISE`).

    Args:
        style, content: (1, any height, any width, N).
        root: a function from a positive definite Σ (N, N) to a matrix R with R Rᵀ = Σ.

    Returns:
        A function from pixels (1, any, any, N) to such, float64, not clipped.
    """
    style_mean, style_covariance = statistics(style)
    content_mean, content_covariance = statistics(content)
    style_root = root(raise_eigenvalues(style_covariance, NOISE))
    content_root = root(raise_eigenvalues(content_covariance, TINY))
    matrix = content_root @ np.linalg.inv(style_root)
    return lambda pixels: (pixels - style_mean) @ matrix.T + content_mean


def statistics(image):
    """Return the mean (N) and the covariance (N, N) of the pixels of (1, height, width, N)."""
    pixels = image.reshape(-1, image.shape[-1])
    covariance = np.cov(pixels, rowvar=False, bias=True, dtype=np.float64)
    return pixels.mean(axis=0, dtype=np.float64), np.atleast_2d(covariance)


def raise_eigenvalues(covariance, least):
    """Raise to `least` those eigenvalues of a symmetric matrix that are below."""
    eigenvalues, vectors = np.linalg.eigh(covariance)
    return vectors * np.maximum(eigenvalues, least) @ vectors.T


def symmetric_root(covariance):
    """Return the symmetric positive definite R with R R = `covariance`, (N, N)."""
    eigenvalues, vectors = np.linalg.eigh(covariance)
    return vectors * np.sqrt(eigenvalues) @ vectors.T


def match_histograms(style, content):
    """Give each channel of the style the histogram of the content's; return a function."""
    channels = range(style.shape[-1])
    matches = [match_histogram(style[..., each], content[..., each]) for each in channels]
    return lambda pixels: np.stack([matches[each](pixels[..., each]) for each in channels], -1)


def match_histogram(values, reference):
    """Replace each value by the one that has the same rank in `reference`.

    What is equal stays equal, so that a flat area stays flat: equal values share their middle
    rank. A histogram with gaps, as of a drawing in few tones, is therefore met as nearly as
    its tones allow. Between the ranks of `reference` its values are interpolated.

    Args:
        values, reference: arrays of any shapes.

    Returns:
        A function from values to an array of their shape. One that is none of `values` gets what
        is between its neighbors there.
    """
    known, counts = np.unique(values, return_counts=True)
    ranks = (np.cumsum(counts) - counts / 2) / values.size
    reference_ranks = (np.arange(reference.size) + 0.5) / reference.size
    matched = np.interp(ranks, reference_ranks, np.sort(reference, axis=None))
    return lambda own: np.interp(own, known, matched)


def luminance(image):
    """Weigh red, green and blue (1, height, width, 3) to luminances (1, height, width, 1)."""
    return image @ LUMINANCE[:, np.newaxis]


def gray(light):
    """Turn luminances (1, height, width, 1) into a gray image (1, height, width, 3)."""
    return np.repeat(light, 3, axis=-1)


def colorize(light, chrominance):
    """Add chrominance to luminance, shrunk so far that all of it is in [0, 1].

    Args:
        light: (1, height, width, 1) in [0, 1].
        chrominance: (1, height, width, 3): red, green and blue less their luminance.

    Returns:
        (1, height, width, 3) in [0, 1].
    """
    room = np.where(chrominance > 0, 1 - light, light)
    size = np.abs(chrominance)
    share = np.divide(room, size, out=np.ones_like(size), where=size > room)
    return np.clip(light + share.min(axis=-1, keepdims=True) * chrominance, 0.0, 1.0)
