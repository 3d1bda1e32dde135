"""What the image is to resemble, against NumPy written out; and the pictures it is made from."""

import numpy as np
import pytest
import scipy.ndimage
from conftest import SMALL_VGG19, paint
from PIL import Image

import functions
from style_transfer import files
from style_transfer.networks import weights
from style_transfer.optimization import engine, material, preparation, targets
from style_transfer.optimization.targets import Style
from style_transfer.pictures import images
from style_transfer.runs.inputs import Inputs
from style_transfer.settings import Settings

LAYERS = ("block1_conv1:3", "block2_conv1")
SETTINGS = Settings(style_layers=LAYERS, content_layers=("block2_conv2",), border=0)


@pytest.fixture(scope="module")
def model():
    return engine.build_network(weights.draw(0, SMALL_VGG19), SETTINGS, "float32")


@pytest.fixture(scope="module")
def photo():
    return np.random.default_rng(0).random((1, 48, 64, 3), np.float32)


@pytest.fixture(scope="module")
def paintings():
    generator = np.random.default_rng(1)
    return [generator.random((1, 40, 40, 3), np.float32) for _ in range(2)]


def gram(features):
    flat = np.asarray(features, np.float64).reshape(-1, features.shape[-1])
    return flat.T @ flat / len(flat)


def test_content_is_the_features_of_the_photo(model, photo, paintings):
    found = targets.compute_targets(model, photo, [Style(paintings[0])], SETTINGS)
    expected = model(photo)["block2_conv2"]
    assert list(found.content) == ["block2_conv2"]
    np.testing.assert_allclose(found.content["block2_conv2"], expected, rtol=1e-5)


def test_a_blend_is_the_mean_of_gram_matrices_by_their_shares(model, photo, paintings):
    styles = [Style(paintings[0], (3.0,)), Style(paintings[1], (1.0,))]
    found = targets.compute_targets(model, photo, styles, SETTINGS)
    for name, weight in (("block1_conv1", 0.75), ("block2_conv1", 0.25)):
        (region,) = found.style[name]
        assert "guide" not in region
        np.testing.assert_allclose(region["weight"], weight, rtol=1e-6)
        first, second = (gram(model(each)[name]) for each in paintings)
        expected = 0.75 * first + 0.25 * second
        np.testing.assert_allclose(region["statistics"]["gram"][0], expected, rtol=1e-4)


@pytest.mark.parametrize("masked", [False, True])
def test_lifted_layers_are_described_in_the_channels_of_their_lift(model, photo, paintings, masked):
    """The other layer stays as it is; each region carries the lift for the image to come."""
    lift = np.random.default_rng(3).normal(size=(9, 5)).astype(np.float32)
    mask = None
    if masked:
        mask = np.zeros((1, 48, 64, 2), np.float32)
        mask[:, :, :32, 0] = mask[:, :, 32:, 1] = 1.0
    style = Style(paintings[0], (1.0,) * (2 if masked else 1))
    lifts = {"block1_conv1": lift}
    found = targets.compute_targets(model, photo, [style], SETTINGS, mask=mask, lifts=lifts)
    features = model(paintings[0])
    lifted = features["block1_conv1"].numpy() @ lift[:, :-1].T + lift[:, -1]
    for region in found.style["block1_conv1"]:
        np.testing.assert_array_equal(region["lift"], lift)
        assert ("guide" in region) == masked
        np.testing.assert_allclose(region["statistics"]["gram"][0], gram(lifted), rtol=1e-3)
    for region in found.style["block2_conv1"]:
        expected = gram(features["block2_conv1"])
        assert "lift" not in region
        np.testing.assert_allclose(region["statistics"]["gram"][0], expected, rtol=1e-4)


def test_a_region_weighs_its_area_times_the_layers_share(model, photo, paintings):
    """A quarter of the photo takes the second style, the rest the first."""
    mask = np.zeros((1, 48, 64, 2), np.float32)
    mask[:, :, :16, 1] = 1.0
    mask[..., 0] = 1.0 - mask[..., 1]
    styles = [Style(paintings[0], (1.0, 0.0)), Style(paintings[1], (0.0, 1.0))]
    found = targets.compute_targets(model, photo, styles, SETTINGS, mask=mask)
    for name, weight in (("block1_conv1", 0.75), ("block2_conv1", 0.25)):
        regions = found.style[name]
        shares = [each["weight"] / weight for each in regions]
        np.testing.assert_allclose(shares, [0.75, 0.25], rtol=1e-6)
        for region, painting in zip(regions, paintings):
            expected = gram(model(painting)[name])
            np.testing.assert_allclose(region["statistics"]["gram"][0], expected, rtol=1e-4)
        guide = np.asarray(regions[1]["guide"])[0, ..., 0]
        middle = guide.shape[1] // 4
        assert guide[:, 0].min() > 0.4 and guide[:, middle + 2 :].max() == 0


def mean_around(values, size):
    """The means of (h, w) over windows of size × size, of what is inside."""
    total, count = (
        scipy.ndimage.uniform_filter(each, size, mode="constant")
        for each in (values, np.ones_like(values))
    )
    return total / count


def guides_written_out(mask, stride, size):
    """Regions pooled to a layer, each position by how much of what it sees is of its own."""
    height, width = mask.shape[1] // stride, mask.shape[2] // stride
    pooled = mask[0].reshape(height, stride, width, stride, -1).mean(axis=(1, 3))
    found = []
    for region in range(mask.shape[-1]):
        own = pooled[..., region].astype(float)
        inner = own * np.clip(2 * mean_around(own, size) - 1, 0, 1)
        found.append(inner if inner.max() > 0.5 else own)
    return found


def guided_gram(features, guide):
    flat = np.asarray(features, np.float64).reshape(-1, features.shape[-1])
    return flat.T @ (flat * guide.reshape(-1, 1)) / guide.sum()


def test_the_style_loss_of_regions_is_that_of_numpy(model, photo, paintings):
    """Area × share × layer weight: two soft regions, two styles, one of them with a mask.

    In half of their receptive fields, 3 and 10 px, the layers see 3 × 3 positions.
    """
    ramp = np.clip((np.arange(64) - 20) / 12, 0, 1)
    mask = np.broadcast_to(np.stack([1 - ramp, ramp], axis=-1), (1, 48, 64, 2)).astype(np.float32)
    own = np.zeros((1, 40, 40, 2), np.float32)
    own[:, :24, :, 0] = own[:, 24:, :, 1] = 1.0
    styles = [Style(paintings[0], (0.6, 0.2), own), Style(paintings[1], (0.0, 0.6))]
    found = targets.compute_targets(model, photo, styles, SETTINGS, mask=mask)
    image = np.random.default_rng(5).random(photo.shape, np.float32)
    value, looks = model(image), [model(each) for each in paintings]
    expected = 0.0
    for name, weight, stride in (("block1_conv1", 0.75, 1), ("block2_conv1", 0.25, 2)):
        guides = guides_written_out(mask, stride, 3)
        of_own = guides_written_out(own, stride, 3)
        masked = [guided_gram(looks[0][name], each) for each in of_own]
        whole = gram(looks[1][name])
        goals = [masked[0], 0.25 * masked[1] + 0.75 * whole]
        for region, (guide, goal) in enumerate(zip(guides, goals)):
            target = found.style[name][region]
            share = weight * mask[..., region].mean()
            np.testing.assert_allclose(target["weight"], share, rtol=1e-5)
            np.testing.assert_allclose(target["statistics"]["gram"][0], goal, rtol=1e-4)
            np.testing.assert_allclose(target["guide"][0, ..., 0], guide, atol=1e-5)
            error = guided_gram(value[name], guide) - goal
            expected += share * np.sum(error**2) / np.sum(goal**2)
    (loss,) = functions.style_loss(value, found.style).numpy()
    np.testing.assert_allclose(loss, expected, rtol=1e-4)


def test_a_region_without_a_style_is_left_out(model, photo, paintings):
    mask = np.full((1, 48, 64, 2), 0.5, np.float32)
    style = Style(paintings[0], (0.0, 1.0))
    found = targets.compute_targets(model, photo, [style], SETTINGS, mask=mask)
    assert [len(regions) for regions in found.style.values()] == [1, 1]


@pytest.mark.parametrize(
    ("kind", "shares"),
    [("equal", (0.75, 0.25)), ("geometric", (12 / 13, 1 / 13)), ("gatys", (3 / 4**2, 1 / 6**2))],
)
def test_weights_of_layers(model, kind, shares):
    settings = Settings(style_layers=LAYERS, layer_weights=kind)
    found = targets.layer_weights(settings, model)
    np.testing.assert_allclose(list(found.values()), shares)


def prepare(tmp_path, settings, **more):
    """The material of pictures that lie in a folder."""
    photo = paint(tmp_path / "photo.png", 1)
    painting = paint(tmp_path / "painting.png", 2, (72, 60))
    pictures = Inputs(str(photo), (str(painting),), **more).map(images.load)
    return material.prepare(pictures, preparation.choose_sizes(pictures, settings), settings)


def test_starts(tmp_path):
    for init, expected in (("content", "photo.png"), ("style", "painting.png")):
        ready = prepare(tmp_path, Settings(init=init))
        pixels = np.asarray(Image.open(tmp_path / expected), np.float32)
        assert ready.start.shape[-1] == 3
        assert abs(ready.start.mean() - pixels.mean() / 255) < 0.01
    assert prepare(tmp_path, Settings(init="noise")).start is None
    other = str(paint(tmp_path / "other.png", 9))
    ready = prepare(tmp_path, Settings(init=other), init=other)
    pixels = np.asarray(Image.open(other), np.float32)[np.newaxis] / 255
    np.testing.assert_allclose(ready.start, pixels, atol=1e-6)


def test_the_mask_that_is_at_fault_is_named(tmp_path):
    """The style's mask has no color of the content's; the content's is good."""
    half = np.zeros((48, 64), np.uint8)
    half[:, 32:] = 255
    Image.fromarray(half).save(tmp_path / "content_mask.png")
    Image.new("RGB", (72, 60), "red").save(tmp_path / "style_mask.png")
    masks = {
        "content_mask": str(tmp_path / "content_mask.png"),
        "style_masks": (str(tmp_path / "style_mask.png"),),
    }
    with pytest.raises(files.FileError, match="style_mask.png.*no color"):
        prepare(tmp_path, Settings(), **masks)
    crowd = np.random.default_rng(0).choice(np.arange(0, 256, 51), (48, 64, 3)).astype(np.uint8)
    Image.fromarray(crowd).save(tmp_path / "content_mask.png")
    with pytest.raises(files.FileError, match="content_mask.png.*no flat colors"):
        prepare(tmp_path, Settings(), **masks)


def test_a_style_is_compared_only_with_what_it_is(model, paintings):
    """The loss of the painting itself is 0, and that of another one is not."""
    found = targets.compute_targets(model, paintings[0], [Style(paintings[0])], SETTINGS)
    losses = [float(functions.style_loss(model(each), found.style)[0]) for each in paintings]
    assert losses[0] < 1e-9 < 1e-6 < losses[1]
