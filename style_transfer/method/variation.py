"""Total variation: how much neighboring pixels differ (Mahendran & Vedaldi, arXiv:1412.0035).

As the statistics of features, it is finished from sums, and those of parts add up to the whole's.
"""

from keras import ops

from style_transfer.method import gradients

SMOOTH = 1 / 255  # below this much, a difference of colors counts by its square


def sum_differences(image, form, own=None):
    """Sum what makes the total variation of (batch, height, width, 3).

    Args:
        form: `isotropic`: the mean length of the color's gradient, which favors no direction
            (Rudin, Osher & Fatemi 1992); `mean-squared` (equation 4 with exponent 2),
            `sum-squared`, `mean-absolute`, `sum-absolute`: of the differences along rows and
            along columns.
        own: (height, width) of a part of a larger picture, which `image` shows with one pixel
            more below and to the right, where there is one; None: `image` is all there is.

    Returns:
        A list of (sum, count): sums (batch,), and of how many numbers for each of the batch.
    """
    rows, columns = (gradients.differences(image, axis) for axis in (1, 2))
    if own is not None:
        rows, columns = gradients.first(rows, own[1], 2), gradients.first(columns, own[0], 1)
    if form == "isotropic":
        height, width = ops.shape(rows)[1], ops.shape(columns)[2]
        rows, columns = gradients.first(rows, width, 2), gradients.first(columns, height, 1)
        squares = ops.square(rows) + ops.square(columns)
        terms = [ops.sqrt(ops.mean(squares, axis=3, keepdims=True) + SMOOTH**2)]
    else:
        power = ops.square if form.endswith("squared") else ops.abs
        terms = [power(rows), power(columns)]
    return [(ops.sum(each, axis=(1, 2, 3)), gradients.count(each)) for each in terms]


def finish(sums, form):
    """Finish the total variation, (batch,), from `sum_differences`."""
    if form.startswith("sum"):
        return sum(total for total, _ in sums)
    return sum(total / count for total, count in sums)
