"""Compiled functions: one graph for all sizes, and nothing said about how many there are."""

import logging

import numpy as np
import tensorflow as tf

from style_transfer.optimization.graphs import Compiled


def test_one_graph_serves_pictures_of_all_sizes():
    compiled = Compiled(lambda picture, shares: tf.reduce_mean(picture) * shares)
    for size in (4, 7, 9):
        picture = np.full((1, size, 2 * size, 3), 0.5, np.float32)
        np.testing.assert_allclose(compiled(picture, np.float32([1, 2])), [0.5, 1.0])
    assert len(compiled.graphs) == 1
    compiled(picture, np.float32([1, 2, 3]))
    assert len(compiled.graphs) == 2


def test_many_graphs_of_one_code_are_no_reason_to_warn(caplog, monkeypatch):
    monkeypatch.setattr(logging.getLogger("tensorflow"), "propagate", True)

    def make(number):
        return Compiled(lambda tensor: tensor + number)

    assert [float(make(number)(np.float32(1))) for number in range(8)] == list(range(1, 9))
    assert "retracing" not in caplog.text
