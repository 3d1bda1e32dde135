"""Masks: their colors, soft edges, pairs, and what becomes of them in the layers."""

import numpy as np
import pytest

import functions
from style_transfer.method import regions
from style_transfer.settings import LAYERS


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


def test_without_style_masks_the_last_style_takes_the_brightest_region():
    mask, styles = regions.pair(mask_of(0, 128, 255), [], (1.0, 1.0))
    assert [shares for shares, _ in styles] == [(0.0, 1.0, 0.0), (0.0, 0.0, 1.0)]
    assert all(each is None for _, each in styles)
    np.testing.assert_array_equal(mask[0, 0, ::16], np.eye(3))


def test_style_masks_pair_up_by_color():
    red, blue = (255, 0, 0), (0, 0, 255)
    masks = [mask_of(blue, red), mask_of(red, (0, 255, 0))]
    _, styles = regions.pair(mask_of(red, blue), masks, (0.7, 0.3))
    colors = regions.find_colors(mask_of(red, blue))
    places = {tuple(color): index for index, color in enumerate(colors)}
    first, second = (shares for shares, _ in styles)
    assert first == (0.7, 0.7)
    assert second[places[red]] == 0.3 and second[places[blue]] == 0.0
    np.testing.assert_array_equal(styles[0][1][0, 0, 0], np.eye(2)[places[blue]])
    np.testing.assert_array_equal(styles[1][1][0, 0, -1], (0, 0))  # green is nobody's


def test_pairs_that_cannot_be_are_refused():
    with pytest.raises(ValueError, match="2 regions, too few for 3 styles"):
        regions.pair(mask_of(0, 255), [], (1.0, 1.0, 1.0))
    with pytest.raises(ValueError, match="no color of the content"):
        regions.pair(mask_of(0, 255), [mask_of((255, 0, 0))], (1.0,))


def test_receptive_fields():
    """Counted by hand: 3 for a convolution, and each pooling doubles the stride."""
    expected = {"block1_conv1": 3, "block1_conv2": 5, "block2_conv1": 10, "block3_conv1": 24}
    expected |= {"block4_conv1": 68, "block5_conv1": 156, "block5_conv4": 252}
    assert {name: regions.receptive_field(name) for name in expected} == expected


@pytest.mark.parametrize("border", [0, 16])
@pytest.mark.parametrize("layer", [name for name in LAYERS if name.endswith("_conv1")])
def test_guides_have_the_shape_of_the_features(layer, border):
    mask = regions.memberships(mask_of(0, 255, height=50, width=70), [np.zeros(3), np.full(3, 255)])
    model = functions.build_model((layer,), widths=(2, 2, 2, 2, 2))
    image = np.zeros((*mask.shape[:3], 3), np.float32)
    shape = functions.look(model, image, border=border)[layer].shape
    for (guide,) in regions.guide(mask, layer, border):
        assert guide.shape == (*shape[:3], 1)
        assert np.min(guide) >= 0 and np.max(guide) <= 1 and np.max(guide) > 0


def test_features_that_see_beyond_the_edge_count_less():
    mask = np.zeros((1, 128, 128, 2), np.float32)
    mask[:, :, :64, 0] = mask[:, :, 64:, 1] = 1
    (left,), (right,) = regions.guide(mask, "block3_conv1", 0)
    left, right = (np.asarray(each)[0, 16, :, 0] for each in (left, right))
    assert left[:14].min() == 1 and left[16:].max() == 0
    assert left[15] < 0.5  # its neighbor is of the other region
    np.testing.assert_allclose(left, right[::-1], atol=1e-6)


def test_no_mask_is_one_region_without_a_guide():
    assert regions.guide(None, "block1_conv1", 16) == [()]
