"""Gram matrices (Gatys et al., arXiv:1508.06576, equation 3) of several pictures, as heat maps."""

import numpy as np

import functions
from style_transfer.exploration import drawing
from style_transfer.reports.page import Grid

TITLE = "Gram matrices: which channels answer together"
NOTE = (
    "A square for each pair of channels: the mean, over all positions, of their answers' product. "
    "Its color is by the logarithm; 1 is the largest of {}, written over the column. The channels "
    "stand in the order of their answers to {}; those that answer to no picture are left out."
)


def grid_of_grams(album, features, rows):
    """Draw the Gram matrices of each layer and picture; return their grid.

    The channels of a layer stand in one order for all pictures, by how strongly the painting (or,
    without one, the photo) excites them; so do the colors.

    Args:
        album: an `Album`.
        features: by role and layer name, (1, height, width, N).
        rows: labels of the rows, by role, in their order.
    """
    roles = [role for role in rows if role in features]
    reference = "style" if "style" in roles else "content"
    layers, columns = list(features[reference]), []
    cells, captions = {}, {}
    for column, layer in enumerate(layers):
        grams = {role: compute(features[role][layer]) for role in roles}
        order = sort_channels(grams, reference)
        brightest = float(grams[reference].max())
        columns.append(f"{layer}\n1 = {brightest:.3g}")
        for row, role in enumerate(roles):
            picture = drawing.draw_gram(grams[role][np.ix_(order, order)], brightest)
            cells[row, column] = [album.add_picture(f"gram_{layer}_{role}", picture)]
            if role != reference and reference == "style":
                error = float(functions.relative_error(grams[role][None], grams["style"][None])[0])
                captions[row, column] = f"relative error {error:.2g}"
    cells[0, len(layers)] = [album.add_picture("gram_colors", drawing.draw_color_bar())]
    note = NOTE.format(*["the painting" if reference == "style" else "the photo"] * 2)
    labels = [rows[role] for role in roles], [*columns, "colors"]
    return Grid(TITLE, *labels, cells, captions, absent="", note=note)


def compute(features):
    """Return the Gram matrix (N, N) of features (1, height, width, N)."""
    return np.asarray(functions.gram_matrix(features))[0]


def sort_channels(grams, reference):
    """Return the channels that answer in any picture, the strongest of the reference first."""
    energies = {role: np.diag(gram) for role, gram in grams.items()}
    order = np.argsort(-energies[reference], kind="stable")
    return order[sum(energies.values())[order] > 0]
