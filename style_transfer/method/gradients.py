"""Operations of the losses with their gradients written out.

What TensorFlow derives by itself computes the same, but in more passes over the memory, and in
several times as many operations where sizes are not known beforehand.
"""

from keras import ops


def custom_gradient(function):
    """Let a function of one tensor say what its gradient is.

    Args:
        function: from a tensor to (result, gradient), the latter a function from the change of
            the loss with the result to that with the tensor.
    """

    @ops.custom_gradient
    def wrapped(tensor):
        result, gradient = function(tensor)

        def backward(*arguments, upstream=None):
            # Keras passes it on as its backends do: by place, or by name.
            return gradient(arguments[0] if upstream is None else upstream)

        return result, backward

    return wrapped


@custom_gradient
def correlate(flat):
    """Return FᵀF, (batch, N, N), for F = `flat`, (batch, M, N).

    Its gradient is F (D + Dᵀ): one product, where differentiating both factors takes two, and
    a transpose of all features.
    """

    def gradient(change):
        return ops.matmul(flat, change + ops.transpose(change, (0, 2, 1)))

    return ops.matmul(ops.transpose(flat, (0, 2, 1)), flat), gradient


@custom_gradient
def mean_square(values):
    """Return the mean of the squares of (batch, …), (batch,)."""
    axes = tuple(range(1, len(values.shape)))
    share = 1.0 / count(values)

    def gradient(change):
        return ops.reshape(2.0 * change * share, (-1, *(1 for _ in axes))) * values

    return ops.sum(ops.square(values), axis=axes) * share, gradient


@custom_gradient
def sum_square(values):
    """Return the sum of the squares of (batch, …), (batch,)."""
    axes = tuple(range(1, len(values.shape)))

    def gradient(change):
        return ops.reshape(2.0 * change, (-1, *(1 for _ in axes))) * values

    return ops.sum(ops.square(values), axis=axes), gradient


def count(values):
    """Return how many numbers each of (batch, …) has, as a number of the same type."""
    batch, size = (
        ops.cast(each, values.dtype) for each in (ops.shape(values)[0], ops.size(values))
    )
    return size / batch


def crop(values, around):
    """Cut ((top, bottom), (left, right)) positions off (batch, height, width, N)."""
    (top, bottom), (left, right) = around

    @custom_gradient
    def cut(values):
        batch, height, width, channels = ops.shape(values)
        size = batch, height - top - bottom, width - left - right, channels

        def gradient(change):
            return ops.pad(change, ((0, 0), *around, (0, 0)))

        return ops.slice(values, (0, top, left, 0), size), gradient

    return cut(values)


def first(values, count, axis):
    """Return the first so many of (batch, height, width, N) along an axis, 1 or 2."""
    more = ops.shape(values)[axis] - count
    around = [(0, 0), (0, 0)]
    around[axis - 1] = (0, more)
    return crop(values, around)


def differences(values, axis):
    """Return how much each of the values differs from the one before it along an axis, 1 or 2."""
    whole = [slice(None)] * axis
    later, earlier = ((*whole, slice(1, None)), (*whole, slice(None, -1)))
    after, before = ([(0, 0)] * axis + [pair] + [(0, 0)] * (3 - axis) for pair in ((1, 0), (0, 1)))

    @custom_gradient
    def subtract(values):
        def gradient(change):
            return ops.pad(change, after) - ops.pad(change, before)

        return values[later] - values[earlier], gradient

    return subtract(values)
