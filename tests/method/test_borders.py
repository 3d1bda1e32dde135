"""The border around a picture: its width, what is mirrored there, what is cut off again."""

import numpy as np
import pytest

from style_transfer.method import borders
from style_transfer.method.architecture import ARCHITECTURES


@pytest.mark.parametrize("border", [1, 4, 16])
@pytest.mark.parametrize("side", [32, 33, 47, 48, 341, 512])
def test_a_border_is_as_asked_or_a_little_more(side, border):
    ((before, after),) = borders.padding((side,), border)
    assert (before + side + after) % 16 == 0
    assert border <= before <= after <= before + 1 and after <= border + 8


def test_the_sides_become_multiples_of_the_largest_stride():
    assert {each.largest_stride for each in ARCHITECTURES.values()} == {borders.MULTIPLE}


def test_a_border_of_0_is_none():
    image = np.ones((1, 33, 35, 3))
    padding = borders.padding((33, 35), 0)
    assert borders.pad(image, padding) is image
    assert borders.crop(image, "block1_conv1", padding) is image


def test_pictures_go_on_mirrored():
    image = np.random.default_rng(0).random((2, 35, 40, 3))
    expected = np.pad(image, ((0, 0), (6, 7), (12, 12), (0, 0)), mode="reflect")
    # 35 + 10 + 3 = 48, 40 + 10 + 14 = 64
    padding = borders.padding((35, 40), 5)
    np.testing.assert_array_equal(borders.pad(image, padding), expected)


@pytest.mark.parametrize("border", [1, 4, 16])
@pytest.mark.parametrize("layer", ["block1_conv1", "block3_conv4", "block5_conv1"])
def test_all_positions_that_stand_for_a_pixel_of_the_picture_are_kept(layer, border):
    """Of features that are 1 where, pooled by NumPy, any of it is picture."""
    stride = 2 ** (int(layer[5]) - 1)
    for shape in ((32, 33), (45, 50), (64, 100)):
        padding = borders.padding(shape, border)
        mask = np.pad(np.ones(shape), padding)
        height, width = (side // stride for side in mask.shape)
        pooled = mask.reshape(height, stride, width, stride).max(axis=(1, 3))
        kept = borders.crop(pooled[np.newaxis, ..., np.newaxis], layer, padding)
        assert np.min(kept) == 1 and np.sum(kept) == pooled.sum()
