"""Statistics of features over positions: sums, what is finished from them, and how far two differ.

Gram matrices (Gatys et al., equation 3); means and deviations of the channels (Huang & Belongie,
arXiv:1703.06868, the style loss of AdaIN); and the Wasserstein distance of the Gaussians with the
features' means and covariances. All are finished from sums over positions, which add up: the sums
of a picture are those of its parts.
"""

from typing import Any, NamedTuple

from keras import ops

from style_transfer.method import gradients

ITERATIONS = 15  # of Newton-Schulz; at a condition of 10^4 it has converged by then
FLOOR = 1e-6


class Sums(NamedTuple):
    """Sums over the positions k of features F, each counted with g_k in [0, 1].

    Attributes:
        count: Σ g, (batch or 1,).
        first: Σ g F, (batch, N).
        second: Σ g F Fᵀ, (batch, N, N); or its diagonal alone, (batch, N).
    """

    count: Any
    first: Any
    second: Any

    def __add__(self, other):
        """Add the sums of two sets of positions."""
        return Sums(*(mine + its for mine, its in zip(self, other)))

    def lifted(self, lift):
        """Return the sums of A F + b: those of other channels, without a look at any position.

        Args:
            lift: (K, N + 1): A, with b as its last column.
        """
        moments = ops.concatenate([self.second, self.first[:, :, None]], axis=2)
        last = ops.concatenate([self.first, self.count[:, None] + 0.0 * self.first[:, :1]], axis=1)
        moments = ops.concatenate([moments, last[:, None, :]], axis=1)  # (batch, N + 1, N + 1)
        half = ops.matmul(lift, moments)
        return Sums(self.count, half[:, :, -1], ops.matmul(half, ops.transpose(lift)))


def sum_positions(features, guide=None, lift=None, *, diagonal=False):
    """Sum features (batch, height, width, N) over their positions.

    Args:
        guide: (batch or 1, height, width, 1): how much each position counts; None: 1.
        lift: (K, N + 1), see `Sums.lifted`; None: the features as they are.
        diagonal: whether of `second` the diagonal is enough.
    """
    flat = flatten(features)  # (batch, M, N)
    if guide is None:
        root, count = None, ops.cast(ops.shape(flat)[1:2], flat.dtype)
    else:
        root = ops.sqrt(flatten(guide))
        flat, count = flat * root, ops.maximum(ops.sum(guide, axis=(1, 2, 3)), FLOOR)
    first = ops.sum(flat if root is None else flat * root, axis=1)
    if lift is not None:
        sums = Sums(count, first, gradients.correlate(flat)).lifted(lift)
        return sums._replace(second=diagonals(sums.second)) if diagonal else sums
    if diagonal:
        return Sums(count, first, ops.sum(ops.square(flat), axis=1))
    return Sums(count, first, gradients.correlate(flat))


def diagonals(matrices):
    """Return the diagonals (batch, N) of (batch, N, N)."""
    return ops.diagonal(matrices, axis1=-2, axis2=-1)


def flatten(features):
    """Turn (batch, height, width, N) into (batch, M, N)."""
    batch, height, width, channels = ops.shape(features)
    return ops.reshape(features, (batch, height * width, channels))


class Errors(NamedTuple):
    """Sums over the positions and channels of features F against those of a photo, P.

    Attributes:
        squares: Σ (F − P)², (batch,).
        energy: Σ P², (batch,).
        count: of the numbers in P, for each of the batch.
    """

    squares: Any
    energy: Any
    count: Any


def sum_up(features, targets, kind):
    """Return `sum_errors` and `sum_regions`, by term; see `functions.sum_up`."""
    return {
        "content": sum_errors(features, targets.content),
        "style": sum_regions(features, targets.style, kind),
    }


def sum_errors(features, targets):
    """Return the `Errors` of each layer of `targets`; see `functions.content_loss`."""
    return {
        name: Errors(
            gradients.sum_square(features[name] - target),
            gradients.sum_square(target),
            gradients.count(target),
        )
        for name, target in targets.items()
    }


def sum_regions(features, targets, kind):
    """Return a tuple of `Sums` for each layer, one a region; see `functions.style_loss`."""
    return {
        name: tuple(
            sum_kind(features[name], kind, region.get("guide"), region.get("lift"))
            for region in regions
        )
        for name, regions in targets.items()
    }


def sum_kind(features, kind, guide=None, lift=None):
    """Return the `Sums` that statistics of a kind are finished from."""
    return sum_positions(features, guide, lift, diagonal=kind == "mean-std")


def describe(features, kind, guide=None, lift=None):
    """Compute the statistics of features (batch, height, width, N), as a dictionary.

    Args:
        kind: `gram`: (batch, N, N); `mean-std`: `mean` and `deviation` (batch, N); or
            `wasserstein`: `mean` and `covariance` (batch, N, N).
        guide, lift: see `sum_positions`.
    """
    return finish(sum_kind(features, kind, guide, lift), kind)


def finish(sums, kind):
    """Finish the statistics of a kind, see `describe`, from `Sums`."""
    return {"gram": grams, "mean-std": deviations, "wasserstein": covariances}[kind](sums)


def grams(sums):
    """Finish `gram` (batch, N, N)."""
    return {"gram": sums.second * (1.0 / sums.count)[:, None, None]}


def covariances(sums):
    """Finish `mean` (batch, N) and `covariance` (batch, N, N)."""
    mean = sums.first / sums.count[:, None]
    second = sums.second / sums.count[:, None, None]
    return {"mean": mean, "covariance": second - mean[:, :, None] * mean[:, None, :]}


def deviations(sums):
    """Finish `mean` (batch, N) and `deviation` (batch, N), from the diagonal of `second`."""
    mean = sums.first / sums.count[:, None]
    # Rounding may leave less than 0 of a channel that is the same everywhere.
    variance = ops.maximum(sums.second / sums.count[:, None] - ops.square(mean), 0.0)
    # The root of 0 has no slope; a channel that is silent everywhere would give NaN.
    return {"mean": mean, "deviation": ops.sqrt(variance + FLOOR)}


def mix(descriptions, shares):
    """Mix the statistics of several pictures linearly, in proportion to their shares.

    Covariances too: halfway between two styles, not the covariance of a picture that is half the
    one and half the other, in which the distance of the two means would count as variance.
    """
    pairs = [(share / sum(shares), each) for share, each in zip(shares, descriptions) if share]
    mixed = {name: sum(share * each[name] for share, each in pairs) for name in pairs[0][1]}
    if "covariance" in mixed:
        mixed["root"] = square_root(mixed["covariance"])  # which every comparison needs
    return mixed


def compare(value, target, error):
    """Compare statistics with a target from `mix`; return (batch,).

    Args:
        error: function from two tensors of one shape to (batch,); not asked where the statistics
            have a distance of their own.
    """
    if "root" in target:
        return wasserstein(value, target)
    return sum(error(value[name], target[name]) for name in target) / len(target)


def wasserstein(value, target):
    """Return the squared Wasserstein-2 distance of two Gaussians, relative to the target.

    |μ₁ − μ₂|² + tr(Σ₁ + Σ₂ − 2 (Σ₂^½ Σ₁ Σ₂^½)^½) (Givens & Shortt, Michigan Mathematical
    Journal 31, 1984), divided by |μ₂|² + tr Σ₂, so that features that are 0 have the error 1.

    Args:
        value: from `describe`.
        target: the same, with `root`, the `square_root` of its covariance.
    """
    means = ops.sum(ops.square(value["mean"] - target["mean"]), axis=-1)
    inner = ops.matmul(ops.matmul(target["root"], value["covariance"]), target["root"])
    traces = trace(value["covariance"]) + trace(target["covariance"])
    distance = means + traces - 2.0 * trace(square_root(inner))
    energy = ops.sum(ops.square(target["mean"]), axis=-1) + trace(target["covariance"])
    return ops.maximum(distance, 0.0) / ops.maximum(energy, FLOOR)


def trace(matrices):
    """Return the traces of (batch, N, N)."""
    return ops.trace(matrices, axis1=-2, axis2=-1)


def square_root(matrices):
    """Return the roots of symmetric positive semi-definite (batch, N, N), by Newton-Schulz.

    Higham, Functions of Matrices (2008), equation 6.35: products of matrices only, which can be
    differentiated and run fast on any device. A little is added to the diagonal, since features
    of fewer positions than channels have a singular covariance.
    """
    size = matrices.shape[-1]
    identity = ops.eye(size, dtype=matrices.dtype)
    least = 1e-5 * trace(matrices) / size + 1e-12
    matrices = matrices + identity * least[:, None, None]
    norm = ops.sqrt(ops.sum(ops.square(matrices), axis=(-2, -1), keepdims=True))
    root, inverse = matrices / norm, ops.broadcast_to(identity, ops.shape(matrices))
    for _ in range(ITERATIONS):
        step = 0.5 * (3.0 * identity - ops.matmul(inverse, root))
        root, inverse = ops.matmul(root, step), ops.matmul(step, inverse)
    return root * ops.sqrt(norm)
