"""Give features the statistics of another picture's, by one affine map: x' = A x + b.

- `wct`: the whitening and coloring transform (Li et al., arXiv:1705.08086): mean and covariance,
  by way of white features.
- `monge`: the same mean and covariance by the shortest way, so that the photo's structure stays:
  the optimal transport between two Gaussians (Mroueh, arXiv:1905.12828; Lu et al.,
  arXiv:1906.00668).
- `adain`: means and deviations alone (Huang & Belongie, arXiv:1703.06868).

A map is made once from two small matrices, in float64; applied, it is a product per position.
"""

import numpy as np

NAMES = ("monge", "wct", "adain")
# A direction with less than this share of the mean variance is noise, or dead: whitening would
# amplify it without bounds, so it gets the painting's mean there, and nothing else.
LEAST = 1e-4


def find_map(name, content, style):
    """Make the map that gives features with the statistics `content` those of `style`.

    Args:
        name: one of `NAMES`.
        content, style: dictionaries with `mean` (N,) and `covariance` (N, N).

    Returns:
        (A, b): (N, N) and (N,), float64.
    """
    matrix = {"monge": monge, "wct": wct, "adain": adain}[name](
        np.asarray(content["covariance"], np.float64), np.asarray(style["covariance"], np.float64)
    )
    return matrix, np.asarray(style["mean"], np.float64) - matrix @ content["mean"]


def mix_maps(maps, shares):
    """Mix affine maps, each with its share; what the shares lack to 1 is left as it is.

    Args:
        maps: a list of (A, b).
        shares: a number for each.
    """
    size = len(maps[0][1])
    rest = 1.0 - sum(shares)
    matrix = rest * np.eye(size) + sum(share * each for share, (each, _) in zip(shares, maps))
    return matrix, sum(share * each for share, (_, each) in zip(shares, maps))


def wct(content, style):
    """Return Σ_s^½ Σ_c^-½ for covariances (N, N)."""
    (root, _), (_, inverse) = roots(style), roots(content)
    return root @ inverse


def monge(content, style):
    """Return Σ_c^-½ (Σ_c^½ Σ_s Σ_c^½)^½ Σ_c^-½: the symmetric A with A Σ_c A = Σ_s."""
    root, inverse = roots(content)
    return inverse @ roots(root @ style @ root)[0] @ inverse


def adain(content, style):
    """Return the diagonal matrix σ_s / σ_c, from the diagonals of the covariances."""
    content, style = (np.maximum(np.diag(each), 0.0) for each in (content, style))
    least = LEAST * content.mean()
    ratio = np.divide(style, content, out=np.zeros_like(style), where=content > least)
    return np.diag(np.sqrt(ratio))


def roots(covariance):
    """Return the symmetric Σ^½ and Σ^-½ of Σ (N, N); the latter leaves out what is `LEAST`."""
    values, vectors = np.linalg.eigh(covariance)
    values = np.maximum(values, 0.0)
    kept = values > LEAST * values.mean()
    inverse = np.divide(1.0, np.sqrt(values), out=np.zeros_like(values), where=kept)
    return (vectors * np.sqrt(values)) @ vectors.T, (vectors * inverse) @ vectors.T
