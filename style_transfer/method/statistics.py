"""Other statistics of a style than the Gram matrix, and how far two of them differ.

Means and deviations of the channels (Huang & Belongie, arXiv:1703.06868, the style loss of
AdaIN), and the Wasserstein distance of the Gaussians with the features' means and covariances.
"""

from keras import ops

ITERATIONS = 15  # of Newton-Schulz; at a condition of 10^4 it has converged by then
FLOOR = 1e-6


def moments(features, guide=None):
    """Compute the means and the covariances of the channels over all positions.

    Args:
        features: (1, height, width, N).
        guide: (1, height, width, 1) in [0, 1]: how much each position counts.

    Returns:
        `mean` (N,), `covariance` (N, N), in a dictionary.
    """
    flat, root, total = weigh(features, guide)
    mean = ops.sum(root * flat, axis=0) / total
    centered = flat - root * mean
    return {"mean": mean, "covariance": ops.matmul(ops.transpose(centered), centered) / total}


def channel_moments(features, guide=None):
    """Compute the mean and the deviation of each channel: `mean` (N,), `deviation` (N,)."""
    flat, root, total = weigh(features, guide)
    mean = ops.sum(root * flat, axis=0) / total
    variance = ops.sum(ops.square(flat - root * mean), axis=0) / total
    # The root of 0 has no slope; a channel that is silent everywhere would give NaN.
    return {"mean": mean, "deviation": ops.sqrt(variance + FLOOR)}


def weigh(features, guide):
    """Return √g F as (M, N), √g as (M, 1) and the sum of g, over the M positions."""
    flat = ops.reshape(features, (-1, features.shape[-1]))
    guide = ops.ones_like(flat[:, :1]) if guide is None else ops.reshape(guide, (-1, 1))
    root = ops.sqrt(guide)
    return flat * root, root, ops.maximum(ops.sum(guide), FLOOR)


def mix(descriptions, shares):
    """Mix the statistics of several pictures linearly, in proportion to their shares."""
    pairs = [(share / sum(shares), each) for share, each in zip(shares, descriptions) if share]
    mixed = {name: sum(share * each[name] for share, each in pairs) for name in pairs[0][1]}
    if "covariance" in mixed:
        mixed["root"] = square_root(mixed["covariance"])  # which every comparison needs
    return mixed


def differ(value, target, measure):
    """Compare statistics with a target from `mix`.

    Args:
        measure: function from two tensors of one shape to a number; not asked where the
            statistics have a distance of their own.
    """
    if "root" in target:
        return wasserstein(value, target)
    return sum(measure(value[name], target[name]) for name in target) / len(target)


def wasserstein(value, target):
    """Return the squared Wasserstein-2 distance of two Gaussians, relative to the target.

    |μ₁ − μ₂|² + tr(Σ₁ + Σ₂ − 2 (Σ₂^½ Σ₁ Σ₂^½)^½) (Givens & Shortt, Michigan Mathematical
    Journal 31, 1984), divided by |μ₂|² + tr Σ₂, so that features that are 0 have the error 1.

    Args:
        value: from `moments`.
        target: the same, with `root`, the `square_root` of its covariance.
    """
    means = ops.sum(ops.square(value["mean"] - target["mean"]))
    inner = ops.matmul(ops.matmul(target["root"], value["covariance"]), target["root"])
    traces = ops.trace(value["covariance"]) + ops.trace(target["covariance"])
    distance = means + traces - 2.0 * ops.trace(square_root(inner))
    energy = ops.sum(ops.square(target["mean"])) + ops.trace(target["covariance"])
    return ops.maximum(distance, 0.0) / ops.maximum(energy, FLOOR)


def square_root(matrix):
    """Return the root of a symmetric positive semi-definite (N, N), by Newton-Schulz.

    Higham, Functions of Matrices (2008), equation 6.35: products of matrices only, which can be
    differentiated and run fast on any device. A little is added to the diagonal, since features
    of fewer positions than channels have a singular covariance.
    """
    size = matrix.shape[0]
    identity = ops.eye(size, dtype=matrix.dtype)
    matrix = matrix + identity * (1e-5 * ops.trace(matrix) / size + 1e-12)
    norm = ops.sqrt(ops.sum(ops.square(matrix)))
    root, inverse = matrix / norm, identity
    for _ in range(ITERATIONS):
        step = 0.5 * (3.0 * identity - ops.matmul(inverse, root))
        root, inverse = ops.matmul(root, step), ops.matmul(step, inverse)
    return root * ops.sqrt(norm)
