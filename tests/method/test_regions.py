"""Masks: their colors, soft edges, pairs, and what becomes of them in the layers."""

from dataclasses import replace

import numpy as np
import pytest

import functions
from style_transfer.method import regions
from style_transfer.method.architecture import ARCHITECTURES, VGG19


def mask_of(*levels, height=24, width=48):
    """Vertical bands of gray levels or colors."""
    bands = np.array([np.broadcast_to(level, 3) for level in levels], np.uint8)
    return np.repeat(bands[np.newaxis], height, axis=0).repeat(width // len(levels), axis=1)


def test_colors_are_found_from_dark_to_bright():
    mask = mask_of(255, 0, (200, 30, 30))
    assert [tuple(each) for each in regions.find_colors(mask)] == [
        (0, 0, 0),
        (200, 30, 30),
        (255, 255, 255),
    ]


def test_noise_and_soft_edges_are_no_regions():
    ramp = np.concatenate([np.zeros(60), np.linspace(0, 255, 8), np.full(60, 255)])
    mask = np.repeat(np.repeat(ramp[np.newaxis, :, np.newaxis], 30, 0), 3, 2)
    mask = np.clip(mask + np.random.default_rng(0).integers(-3, 4, mask.shape), 0, 255)
    assert len(regions.find_colors(mask)) == 2


def test_a_photo_is_no_mask():
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3))
    with pytest.raises(ValueError, match="more than 8 colors"):
        regions.find_colors(noise)


def test_memberships_follow_the_gray_level():
    levels = np.array([[0, 51, 128, 204, 255]], float)
    pixels = np.repeat(levels[..., np.newaxis], 3, axis=2)
    found = regions.memberships(pixels, [np.zeros(3), np.full(3, 255.0)])
    np.testing.assert_allclose(found[0, 0, :, 1], levels[0] / 255, atol=1e-6)
    np.testing.assert_allclose(found.sum(axis=-1), 1, rtol=1e-6)


def test_a_mask_of_one_color_is_one_region():
    pixels = mask_of(128)
    colors = regions.find_colors(pixels)
    assert len(colors) == 1
    np.testing.assert_array_equal(regions.memberships(pixels, colors), np.ones((1, 24, 48, 1)))


def test_without_style_masks_the_last_style_takes_the_brightest_region():
    pixels = mask_of(0, 128, 255)
    colors = regions.find_colors(pixels)
    styles = regions.share_out(colors, (1.0, 1.0))
    assert styles == [((0.0, 1.0, 0.0), None), ((0.0, 0.0, 1.0), None)]
    np.testing.assert_array_equal(regions.memberships(pixels, colors)[0, 0, ::16], np.eye(3))


def test_style_masks_pair_up_by_color():
    red, blue = (255, 0, 0), (0, 0, 255)
    colors = regions.find_colors(mask_of(red, blue))
    places = {tuple(color): index for index, color in enumerate(colors)}
    both, paint = regions.match(mask_of(blue, red), 0.7, colors)
    mask = paint(mask_of(blue, red))
    assert both == (0.7, 0.7)
    np.testing.assert_array_equal(mask[0, 0, 0], np.eye(2)[places[blue]])
    np.testing.assert_array_equal(mask[0, 0, -1], np.eye(2)[places[red]])
    one, paint = regions.match(mask_of(red, (0, 255, 0)), 0.3, colors)
    mask = paint(mask_of(red, (0, 255, 0)))
    assert one[places[red]] == 0.3 and one[places[blue]] == 0.0
    np.testing.assert_array_equal(mask[0, 0, 0], np.eye(2)[places[red]])
    np.testing.assert_array_equal(mask[0, 0, -1], (0, 0))  # green is nobody's


def test_pairs_that_cannot_be_are_refused():
    colors = regions.find_colors(mask_of(0, 255))
    with pytest.raises(ValueError, match="2 regions, too few for 3 styles"):
        regions.share_out(colors, (1.0, 1.0, 1.0))
    with pytest.raises(ValueError, match="no color of the content"):
        regions.match(mask_of((255, 0, 0)), 1.0, colors)


@pytest.mark.parametrize("border", [0, 16])
@pytest.mark.parametrize("layer", [name for name in VGG19.layers if name.endswith("_conv1")])
@pytest.mark.parametrize("network", ARCHITECTURES)
def test_guides_have_the_shape_of_the_features(network, layer, border):
    mask = regions.memberships(mask_of(0, 255, height=50, width=70), [np.zeros(3), np.full(3, 255)])
    architecture = replace(ARCHITECTURES[network], widths=(2, 2, 2, 2, 2))
    model = functions.build_model((layer,), architecture)
    image = np.zeros((*mask.shape[:3], 3), np.float32)
    shape = functions.extract_features(model, image, border=border)[layer].shape
    guides = regions.guides(mask, layer, architecture, border)
    assert len(guides) == 2
    for guide in guides:
        assert guide.shape == (*shape[:3], 1)
        assert np.min(guide) >= 0 and np.max(guide) <= 1 and np.max(guide) > 0


def test_features_that_see_beyond_the_edge_count_less():
    mask = np.zeros((1, 128, 128, 2), np.float32)
    mask[:, :, :64, 0] = mask[:, :, 64:, 1] = 1
    guides = regions.guides(mask, "block3_conv1", VGG19, 0)
    left, right = (np.asarray(each)[0, 16, :, 0] for each in guides)
    assert left[:14].min() == 1 and left[16:].max() == 0
    assert left[15] < 0.5  # its neighbor is of the other region
    np.testing.assert_allclose(left, right[::-1], atol=1e-6)


def test_a_small_region_keeps_what_it_has():
    mask = np.zeros((1, 128, 128, 2), np.float32)
    mask[:, 64:72, 64:72, 1] = 1
    mask[..., 0] = 1 - mask[..., 1]
    _, small = regions.guides(mask, "block3_conv1", VGG19, 0)
    np.testing.assert_array_equal(small, mask[:, ::4, ::4, 1:])


def test_no_mask_is_one_region_without_a_guide():
    assert regions.guides(None, "block1_conv1", VGG19, 16) == [None]
