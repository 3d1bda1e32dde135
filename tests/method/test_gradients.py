"""Gradients that are written out against those that TensorFlow derives, for a batch of two."""

import numpy as np
import pytest
import tensorflow as tf

from style_transfer.method import gradients


def derive(function, values):
    """Return result and gradient of a function by TensorFlow, for an arbitrary change."""
    values = tf.constant(values)
    with tf.GradientTape() as tape:
        tape.watch(values)
        result = function(values)
        changes = np.random.default_rng(1).normal(size=result.shape).astype(np.float32)
        total = tf.reduce_sum(result * changes)
    return result.numpy(), tape.gradient(total, values).numpy()


OPERATIONS = {
    "mean_square": (gradients.mean_square, lambda x: tf.reduce_mean(x**2, axis=(1, 2, 3))),
    "mean_square of matrices": (
        lambda x: gradients.mean_square(x[..., 0]),
        lambda x: tf.reduce_mean(x[..., 0] ** 2, axis=(1, 2)),
    ),
    "crop": (lambda x: gradients.crop(x, ((1, 2), (0, 3))), lambda x: x[:, 1:-2, :-3]),
    "crop one side": (lambda x: gradients.crop(x, ((0, 0), (2, 0))), lambda x: x[:, :, 2:]),
    "first rows": (lambda x: gradients.first(x, 4, 1), lambda x: x[:, :4]),
    "first columns": (lambda x: gradients.first(x, tf.shape(x)[2], 2), lambda x: x),
    "differences of rows": (
        lambda x: gradients.differences(x, 1),
        lambda x: x[:, 1:] - x[:, :-1],
    ),
    "differences of columns": (
        lambda x: gradients.differences(x, 2),
        lambda x: x[:, :, 1:] - x[:, :, :-1],
    ),
    "correlate": (
        lambda x: gradients.correlate(tf.reshape(x, (tf.shape(x)[0], -1, 3))),
        lambda x: tf.einsum("bhwi,bhwj->bij", x, x),
    ),
}


@pytest.mark.parametrize("written, plain", OPERATIONS.values(), ids=OPERATIONS)
@pytest.mark.parametrize("compiled", [False, True])
def test_results_and_gradients_are_those_that_tensorflow_derives(written, plain, compiled):
    values = np.random.default_rng(0).normal(size=(2, 7, 6, 3)).astype(np.float32)
    if compiled:  # for sizes that are not known beforehand
        signature = [tf.TensorSpec((None, None, None, 3), tf.float32)]
        written = tf.function(written, input_signature=signature)
    for found, expected in zip(derive(written, values), derive(plain, values)):
        assert found.shape == expected.shape
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)
