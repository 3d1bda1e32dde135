"""One pass: what the decoders are given, region by region, against NumPy; what is kept."""

import dataclasses
import functools
import math
import weakref
from collections import OrderedDict

import numpy as np
import pytest
from conftest import ROOT, SMALL_VGG19

import functions
from style_transfer.feedforward import decoder, transforms, universal, watch
from style_transfer.method import regions
from style_transfer.networks import decoders, weights
from style_transfer.optimization.targets import Style
from style_transfer.optimization.transfer import Material
from style_transfer.pictures import images, large
from style_transfer.settings import Settings

LEVEL = "block2_conv1"
ONLY = Settings(strength="0,0,0,1,0")  # that level alone
SHAPE = (1, 40, 56, 3)


def pictures(*shapes):
    generator = np.random.default_rng(0)
    return [generator.random(shape, np.float32) for shape in shapes]


def lay_by(picture):
    """The same as a large picture."""
    shelf = large.Shelf(picture.shape)
    shelf[:, :, :] = picture
    return shelf


@pytest.fixture(scope="module")
def network():
    """A narrow network with decoders of chance."""
    levels = {
        level: {
            layer.name: tuple(layer.get_weights())
            for layer in decoder.build_decoder(level, SMALL_VGG19).layers
            if layer.weights
        }
        for level in decoders.LEVELS
    }
    found = weights.draw(0, SMALL_VGG19)
    return universal.UniversalTransfer(found, decoders.Decoders(levels, ""))


@pytest.fixture
def given(network, monkeypatch):
    """What the decoder of `LEVEL` was given; it answers with gray."""
    features = []

    def answer(found):
        features.append(np.asarray(found)[0])
        _, height, width, _ = found.shape
        return np.full((1, 2 * height, 2 * width, 3), 0.5, np.float32)

    monkeypatch.setitem(network.decoders, LEVEL, answer)
    return features


def features_of(network, picture):
    """The features of a picture without its mirrored border, (M, N) float64."""
    found = functions.extract_features(network.encoder, picture, border=16)[LEVEL]
    return np.asarray(found, float).reshape(-1, found.shape[-1])


def inner(features):
    """The same of what a decoder was given: for `SHAPE`, 20 and more pixels are mirrored."""
    height, width, channels = features.shape
    assert (height, width) == (40, 48)  # 40 + 2 · 16 = 72 lacks 8 of 80, 56 + 32 of 96
    return features[10:-10, 10:-10].reshape(-1, channels).astype(float)


def moments(flat):
    return flat.mean(axis=0), np.cov(flat.T, bias=True)


@pytest.mark.parametrize("transform", ["monge", "wct"])
def test_the_decoder_is_given_features_with_the_statistics_of_the_painting(
    network, given, transform
):
    photo, painting = pictures(SHAPE, (1, 48, 36, 3))
    settings = Settings(strength=ONLY.strength, transform=transform)
    image = network.paint(Material(photo, [Style(painting)], None), settings)
    assert image.shape == SHAPE and (image == 0.5).all()
    (features,) = given
    for found, expected in zip(moments(inner(features)), moments(features_of(network, painting))):
        np.testing.assert_allclose(found, expected, atol=2e-3 * np.abs(expected).max())


def test_half_the_strength_is_halfway(network, given):
    photo, painting = pictures(SHAPE, (1, 48, 36, 3))
    for strength in ("1", "0.5"):
        settings = Settings(strength=f"0,0,0,{strength},0")
        network.paint(Material(photo, [Style(painting)], None), settings)
    whole, half = map(inner, given)
    expected = 0.5 * whole + 0.5 * features_of(network, photo)
    np.testing.assert_allclose(half, expected, rtol=1e-3, atol=1e-3 * np.abs(expected).max())


def test_two_styles_are_mixed_by_their_shares(network, given):
    photo, *paintings = pictures(SHAPE, (1, 48, 36, 3), (1, 40, 40, 3))
    for shares in ((1, 0), (0, 1), (1, 3)):
        styles = [Style(each, (float(share),)) for each, share in zip(paintings, shares)]
        network.paint(Material(photo, styles, None), ONLY)
    first, second, both = map(inner, given)
    expected = 0.25 * first + 0.75 * second
    np.testing.assert_allclose(both, expected, rtol=1e-3, atol=1e-3 * np.abs(expected).max())


def halves():
    """A mask of two regions, left and right."""
    mask = np.zeros((*SHAPE[:3], 2), np.float32)
    mask[:, :, :28, 0] = mask[:, :, 28:, 1] = 1
    return mask


def test_each_region_has_its_own_map(network, given):
    """Where a position is of one region alone, it is mapped by NumPy with what that one is."""
    photo, *paintings = pictures(SHAPE, (1, 48, 36, 3), (1, 40, 40, 3))
    mask, shares = halves(), ((1.0, 0.0), (0.0, 1.0))
    styles = [Style(each, share) for each, share in zip(paintings, shares)]
    network.paint(Material(photo, styles, None, mask), ONLY)
    found = inner(given[0]).reshape(20, 28, -1)
    own = features_of(network, photo).reshape(20, 28, -1)
    guides = regions.guides(mask, LEVEL, SMALL_VGG19, 16)
    for region, columns in enumerate((slice(0, 14), slice(14, 28))):
        share = np.asarray(guides[region], float).ravel()
        flat = own.reshape(-1, own.shape[-1])
        content = {
            "mean": np.average(flat, axis=0, weights=share),
            "covariance": np.cov(flat.T, bias=True, aweights=share),
        }
        style = dict(zip(("mean", "covariance"), moments(features_of(network, paintings[region]))))
        matrix, offset = transforms.find_map("monge", content, style)
        expected = own[:, columns] @ matrix.T + offset
        scale = np.abs(expected).max()
        np.testing.assert_allclose(found[:, columns], expected, atol=5e-3 * scale)


def test_a_region_without_a_style_is_the_photo(network, given):
    photo, painting = pictures(SHAPE, (1, 48, 36, 3))
    material = Material(photo, [Style(painting, (0.0, 1.0))], None, halves())
    image = network.paint(material, ONLY)
    np.testing.assert_array_equal(image[:, :, :28], photo[:, :, :28])
    assert (image[:, :, 28:] == 0.5).all()
    own = features_of(network, photo).reshape(20, 28, -1)
    found = inner(given[0]).reshape(20, 28, -1)
    np.testing.assert_allclose(found[:, :14], own[:, :14], rtol=1e-5, atol=1e-5)


def test_the_levels_are_gone_through_from_large_shapes_to_fine_grain(network, monkeypatch):
    """Each encodes what the one above has decoded; one without strength is left out."""
    order = []
    for level in decoders.LEVELS:
        stride = SMALL_VGG19.stride(level)

        def answer(found, level=level, stride=stride):
            order.append(level)
            _, height, width, _ = found.shape
            return np.full((1, stride * height, stride * width, 3), 0.25, np.float32)

        monkeypatch.setitem(network.decoders, level, answer)
    photo, painting = pictures(SHAPE, (1, 48, 36, 3))
    material = Material(photo, [Style(painting)], None)
    network.paint(material, Settings())
    assert order == [f"block{block}_conv1" for block in (5, 4, 3, 2, 1)]
    order.clear()
    network.paint(material, Settings(strength="0,0.5,0,0,1"))
    assert order == ["block4_conv1", "block1_conv1"]
    order.clear()
    np.testing.assert_array_equal(network.paint(material, Settings(strength="0")), photo)
    assert order == []


def test_a_picture_out_of_range_is_clipped(network, monkeypatch):
    photo, painting = pictures(SHAPE, (1, 48, 36, 3))
    for value in (-3.0, 7.0):

        def answer(found, value=value):
            _, height, width, _ = found.shape
            return np.full((1, 2 * height, 2 * width, 3), value, np.float32)

        monkeypatch.setitem(network.decoders, LEVEL, answer)
        image = network.paint(Material(photo, [Style(painting)], None), ONLY)
        assert (image == np.clip(value, 0, 1)).all()


def test_a_style_is_looked_at_once_and_the_last_are_kept(network, monkeypatch):
    looks, describe = [], network.describe_anew
    monkeypatch.setattr(network, "describe_anew", lambda *all: looks.append(1) or describe(*all))
    monkeypatch.setattr(universal, "DESCRIPTIONS", 2)
    monkeypatch.setattr(network, "descriptions", OrderedDict())
    styles = [Style(each) for each in pictures(*[(1, 32, 32, 3)] * 3)]
    for index in (0, 1, 1, 0, 2, 0):  # the first one is in use
        network.describe(styles[index])
    assert len(looks) == 3 and len(network.descriptions) == 2


def test_all_is_computed_where_the_device_says(network, watched, monkeypatch):
    monkeypatch.setattr(universal, "find_device", lambda: watched)
    photo, painting = pictures(SHAPE, (1, 48, 36, 3))
    for name in ("pad", "apply_maps", "leave_out"):
        watched.watch(universal, name)
    network.paint(Material(photo, [Style(painting, (1.0, 1.0))], None, halves()), ONLY)
    assert watched.seen == {"pad", "apply_maps", "leave_out"}
    watched.watch(universal, "UniversalTransfer")
    universal.load_network.__wrapped__()
    assert "UniversalTransfer" in watched.seen and not watched.depth


def test_of_the_regions_one_at_a_time_is_in_memory(monkeypatch):
    alive, affine = [], universal.affine

    def count(*arguments):
        assert not any(each() is not None for each in alive)
        found = affine(*arguments)
        alive.append(weakref.ref(found))
        return found

    monkeypatch.setattr(universal, "affine", count)
    features, mask = pictures((1, 8, 8, 4), (1, 8, 8, 3))
    universal.apply_maps(features, [(np.eye(4), np.zeros(4))] * 3, mask)
    assert len(alive) == 3


@pytest.mark.parametrize("transform", transforms.NAMES)
@pytest.mark.parametrize("flat", ["photo", "painting", "both"])
def test_flat_pictures_give_no_nan(transform, flat):
    """The smallest ones there are, with the bundled weights."""
    photo, painting = pictures((1, 32, 32, 3), (1, 32, 36, 3))
    if flat in ("photo", "both"):
        photo[:] = (0.2, 0.6, 0.1)
    if flat in ("painting", "both"):
        painting[:] = (1.0, 0.0, 0.0)
    network, settings = universal.load_network(), Settings(transform=transform)
    image = network.paint(Material(photo, [Style(painting)], None), settings)
    assert image.shape == photo.shape and np.isfinite(image).all()
    assert image.min() >= 0 and image.max() <= 1
    if flat != "photo":  # red everywhere, more or less
        assert np.abs(image.mean(axis=(0, 1, 2)) - painting[0, 0, 0]).max() < 0.15


def test_the_bundled_decoders_invert_the_bundled_encoder():
    """The finest level nearly, the others at least in what is light and what is dark."""
    network = universal.load_network()
    picture = images.load(ROOT / "data" / "input" / "temple.jpg")
    photo = images.to_tensor(picture, images.fitted_size(picture.pixels.size, 96))
    photo = photo[:, : 16 * (photo.shape[1] // 16)]
    for level in decoders.LEVELS:
        found = network.decoders[level](network.encoders[level](photo)[level])
        assert found.shape == photo.shape
        assert np.corrcoef(np.ravel(found), photo.ravel())[0, 1] > 0.7
    assert np.mean((found - photo) ** 2) < 0.05 * photo.var()


@pytest.mark.parametrize("strength", ["1,0,0,0,0", "0,0,1,0,0", "0,0,0,0,1"])
@pytest.mark.parametrize("is_masked", [False, True])
@pytest.mark.parametrize("is_large", [False, True])
def test_in_blocks_each_level_paints_the_same(network, monkeypatch, strength, is_masked, is_large):
    """No seams: odd sides, with regions and without, in memory and from a file."""
    photo, painting = pictures((1, 85, 130, 3), (1, 70, 99, 3))
    mask = np.zeros((1, 85, 130, 2), np.float32)
    mask[..., 0] = np.linspace(-1, 2, 130).clip(0, 1)
    mask[..., 1] = 1 - mask[..., 0]
    if is_large:  # then both ways see what 16 bits hold
        photo, painting, mask = (np.asarray(lay_by(each)) for each in (photo, painting, mask))
    styles = [Style(painting, (1.0,) * (2 if is_masked else 1))]
    material = Material(photo, styles, None, mask if is_masked else None)
    found, shares = [], []
    for block in (math.inf, 48):
        choose = functools.partial(lambda *_, side, **__: side, side=block)
        monkeypatch.setattr(universal.room, "choose_pass_block", choose)
        network.descriptions.clear()
        with watch.watching(shares.append):
            found.append(np.asarray(network.paint(material, Settings(strength=strength))))
        assert shares == sorted(shares) and bool(shares) == (block < math.inf)
        if is_large:
            styles = [style._replace(picture=lay_by(style.picture)) for style in styles]
            material = dataclasses.replace(material, content=lay_by(photo), styles=styles)
        if is_large and is_masked:
            material = dataclasses.replace(material, mask=lay_by(mask))
    assert shares[-1] == pytest.approx(1.0)
    whole, blocks = found
    np.testing.assert_allclose(blocks, whole, atol=5e-3)
    assert np.abs(blocks - whole).mean() < 1e-4 < np.abs(whole - photo).mean()


def test_graphs_paint_the_same(network):
    photo, painting = pictures(SHAPE, (1, 48, 36, 3))
    material = Material(photo, [Style(painting)], photo)
    compiled = network.compiled()
    images_ = [each.paint(material, Settings()) for each in (network, compiled, compiled)]
    np.testing.assert_allclose(images_[0], images_[1], atol=1e-5)
    np.testing.assert_array_equal(images_[1], images_[2])
    assert compiled.decoders is not network.decoders


def test_the_deep_levels_may_compute_in_16_bits():
    network = universal.load_network()
    found = [images.load(ROOT / "data" / "input" / name) for name in ("temple.jpg", "waves.jpg")]
    photo, painting = (images.to_tensor(each, (192, 128)) for each in found)
    material = Material(photo, [Style(painting)], photo)
    half = network.compiled("bfloat16")

    def differ(strength):
        settings = Settings(strength=strength)
        return np.abs(half.paint(material, settings) - network.paint(material, settings)).mean()

    assert 1e-4 < differ("0.5,0.5,0,0,0") < 0.015
    assert differ("0,0,1,1,1") < 1e-5
