"""Google's networks in one pass: published weights against ONNX Runtime; codes, regions, sizes."""

import numpy as np
import pytest
from conftest import ROOT
from PIL import Image
from published import float_graph, published_graph, whole_graph

from style_transfer.feedforward import arbitrary, google, models, trained
from style_transfer.networks import google as published
from style_transfer.optimization.targets import Style
from style_transfer.optimization.transfer import Material
from style_transfer.settings import Settings

CODE = np.linspace(-1, 1, 100, dtype=np.float32)


def picture(name, size):
    image = Image.open(ROOT / "data" / "input" / name).convert("RGB").resize(size)
    return np.asarray(image, np.float32)[np.newaxis] / 255


@published_graph
@pytest.mark.parametrize("size", [(256, 256), (320, 224)])
def test_the_prediction_network_is_the_published_one(size):
    painting = picture("night_strokes.jpg", size)
    (expected,) = float_graph(published.PREDICTION).run(None, {"style_image": painting})
    codes = np.asarray(arbitrary.load_network().prediction(painting))
    np.testing.assert_allclose(codes.mean(axis=(1, 2)), expected[:, 0, 0], atol=1e-3)


@published_graph
@pytest.mark.parametrize("size", [(384, 384), (148, 100)])
def test_the_transfer_network_is_the_published_one(size):
    photo, graph = picture("temple.jpg", size), float_graph(published.TRANSFER)
    names = [each.name for each in graph.get_inputs()]
    (expected,) = graph.run(None, dict(zip(names, (photo, CODE.reshape(1, 1, 1, 100)))))
    found = arbitrary.load_network().transfer([photo, CODE[np.newaxis]])
    np.testing.assert_allclose(found, expected, atol=1e-3)


@published_graph
def test_the_picture_is_near_that_of_the_graphs_that_round_to_8_bits():
    """As they are, both after one another, at the only size that they take."""
    photo, painting = picture("temple.jpg", (384, 384)), picture("night_strokes.jpg", (256, 256))
    (code,) = whole_graph(published.PREDICTION).run(None, {"style_image": painting})
    graph = whole_graph(published.TRANSFER)
    names = [each.name for each in graph.get_inputs()]
    (expected,) = graph.run(None, dict(zip(names, (photo, code))))
    found = arbitrary.load_network().paint(Material(photo, [Style(painting)], None), Settings())
    assert np.abs(found - expected).mean() < 0.05 < 0.2 < np.abs(photo - expected).mean()


@published_graph
@pytest.mark.parametrize("size", [(128, 96), (75, 101)])
def test_the_network_of_26_styles_is_the_published_one(size):
    photo = picture("temple.jpg", size)
    shares = np.zeros((1, 26), np.float32)
    shares[0, [7, 19]] = 0.25, 0.75
    width, height = size
    padded = np.pad(photo, ((0, 0), (0, -height % 4), (0, -width % 4), (0, 0)), mode="reflect")
    inputs = {"image": padded.transpose(0, 3, 1, 2), "style_weights": shares[0]}
    (expected,) = whole_graph(published.MULTISTYLE).run(None, inputs)
    network = trained.Network(models.read("multistyle26"))
    material = Material(photo, [Style(photo)], None)
    found = network.paint(material, Settings(blend=tuple(shares[0].tolist())))
    np.testing.assert_allclose(found, expected.transpose(0, 2, 3, 1)[:, :height, :width], atol=1e-3)


class Average:
    """A prediction network whose code is the color of each part, and how large the picture is."""

    def __call__(self, image):
        image = np.asarray(image)
        _, height, width, _ = image.shape
        self.shape = (height, width)
        parts = image[:, : height // 32 * 32, : width // 32 * 32]
        return parts.reshape(1, height // 32, 32, width // 32, 32, 3).mean(axis=(2, 4))


class Flat:
    """A transfer network that paints all in the color that the code is."""

    def __call__(self, inputs):
        photo, code = inputs
        return np.zeros_like(photo) + np.asarray(code)[:, np.newaxis, np.newaxis]


@pytest.fixture
def network():
    return arbitrary.ArbitraryStyleTransfer(Average(), Flat())


def flat(color, height=64, width=64):
    return np.full((1, height, width, 3), color, np.float32)


RED, BLUE, GRAY = (1.0, 0.0, 0.0), (0.0, 0.0, 1.0), (0.5, 0.5, 0.5)


@pytest.mark.parametrize(
    ("strength", "shares", "expected"),
    [
        ("auto", (1, 0), RED),
        ("1", (1, 3), (0.25, 0.0, 0.75)),
        ("0", (1, 1), GRAY),
        ("0.5", (0, 2), (0.25, 0.25, 0.75)),
    ],
)
def test_codes_are_mixed_by_shares_and_strength(network, strength, shares, expected):
    styles = [Style(flat(color), (share,)) for color, share in zip((RED, BLUE), shares)]
    image = network.paint(Material(flat(GRAY), styles, None), Settings(strength=strength))
    np.testing.assert_allclose(image, flat(expected), atol=1e-6)


@pytest.mark.parametrize(
    ("scale", "sides", "expected"),
    [(1.0, (64, 96), (256, 384)), (0.5, (300, 150), (256, 128)), (2.0, (32, 32), (512, 512))],
)
def test_a_painting_is_looked_at_in_the_size_that_was_trained(network, scale, sides, expected):
    material = Material(flat(GRAY), [Style(flat(RED, *sides))], None)
    network.paint(material, Settings(style_scale=scale))
    assert network.prediction.shape == expected


def test_each_region_has_the_code_of_its_styles(network):
    """Left from the left of a picture, middle from another; the rest stays a photo, softly."""
    mask = np.zeros((1, 64, 96, 3), np.float32)
    mask[:, :, :32, 0] = mask[:, :, 32:64, 1] = mask[:, :, 64:, 2] = 1
    mask[:, :, 31, :] = (0.5, 0.5, 0)
    both = np.concatenate([flat(RED, 64, 32), flat(BLUE, 64, 32)], axis=2)
    half = np.zeros((1, 64, 64, 3), np.float32)
    half[:, :, :32, 0] = 1
    styles = [Style(both, (1.0, 0.0, 0.0), half), Style(flat(BLUE), (0.0, 1.0, 0.0))]
    image = network.paint(Material(flat(GRAY, 64, 96), styles, None, mask), Settings())
    columns = image[0, 0]
    np.testing.assert_allclose(columns[:31], np.tile(RED, (31, 1)), atol=0.05)
    np.testing.assert_allclose(columns[31], (0.5, 0.0, 0.5), atol=0.05)
    np.testing.assert_allclose(columns[32:64], np.tile(BLUE, (32, 1)), atol=1e-6)
    np.testing.assert_allclose(columns[64:], np.tile(GRAY, (32, 1)), atol=1e-6)


def test_a_picture_of_any_size_keeps_it():
    """With weights of chance."""
    network = arbitrary.ArbitraryStyleTransfer(
        google.build_prediction_network(), google.build_transfer_network(google.ARBITRARY)
    )
    generator = np.random.default_rng(0)
    photo, painting = (
        generator.random((1, *sides, 3), np.float32) for sides in ((37, 50), (40, 33))
    )
    image = network.paint(Material(photo, [Style(painting)], None), Settings(strength="0.5"))
    assert image.shape == photo.shape and image.min() > 0 and image.max() < 1
