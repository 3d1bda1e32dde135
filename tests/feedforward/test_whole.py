"""Networks with statistics of the whole, block by block: what they paint of the whole at once."""

import numpy as np
import pytest
import tensorflow as tf

from style_transfer.feedforward import (
    architectures,
    google,
    prediction,
    trained,
    watch,
    whole,
)


def picture(height, width):
    coarse = np.random.default_rng(0).random((1, 24, 31, 3), np.float32)
    return tf.image.resize(coarse, (height, width), "bicubic").numpy()


#: Three blocks beside each other, the middle one of which sees a margin on both sides; and four, in
#: two rows. A block and its margin are less than the picture.
BLOCK = 128
ROW, SQUARE = picture(58, 403), picture(214, 250)


def shares(count):
    return np.random.default_rng(1).dirichlet(np.ones(count), 1).astype(np.float32)


def moments():
    return prediction.describe(SQUARE[:, :128, :128])[np.newaxis]


NETWORKS = {
    "johnson": (lambda: architectures.build("johnson", 3), lambda: shares(3)),
    "google": (lambda: architectures.build("google", 0), moments),
    "adain": (lambda: architectures.build("adain", 0), moments),
    "autoencoder": (lambda: architectures.build("autoencoder", 0), moments),
    "published": (lambda: google.build_transfer_network(google.ARBITRARY), lambda: shares(100)),
    "26 styles": (lambda: google.build_transfer_network(google.MULTISTYLE), lambda: shares(26)),
}


@pytest.fixture
def eager():
    """Nothing is compiled, which would take longer than to compute it."""
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


@pytest.mark.parametrize("name", NETWORKS)
def test_blocks_are_painted_as_the_whole(eager, name):
    compare(*NETWORKS[name])


def test_blocks_in_rows_and_columns(eager):
    compare(*NETWORKS["adain"], SQUARE)


def test_as_graphs():
    compare(*NETWORKS["autoencoder"])


def test_without_the_statistics_of_the_whole_there_are_seams(eager, monkeypatch):
    """So that the comparison can fail."""
    monkeypatch.setattr(whole.Blocks, "look", lambda *_: [(1, np.zeros(1), np.ones(1))])
    with pytest.raises(AssertionError):
        compare(*NETWORKS["published"])


def test_a_painting_is_described_in_blocks_as_at_once():
    expected = prediction.describe(SQUARE)
    np.testing.assert_allclose(prediction.describe(SQUARE, 128), expected, rtol=1e-4, atol=1e-5)


def compare(build, style, picture=ROW):
    """Paint at once and in blocks, and compare."""
    network, style = trained.Compiled(build()), style()
    expected = architectures.paint(network, picture, style)
    shares = []
    with watch.watching(shares.append):
        found = architectures.paint(network, picture, style, block=BLOCK)
    assert shares == sorted(shares) and shares[-1] == pytest.approx(1.0)
    np.testing.assert_allclose(found, expected, atol=2e-4)
    assert expected.std() > 0.01
