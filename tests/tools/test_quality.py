"""What pictures are judged by: the errors of content and style, and the ripple."""

import numpy as np
import pytest
from PIL import Image

from tools import quality
from tools.teachers import STUDENT_LAYERS, short_name

WIDTHS = {1: 4, 2: 5, 3: 6, 4: 7, 5: 8}
HEADS = ("block1_conv1", "block2_conv1", "block3_conv1", "block4_conv1", "block5_conv1")


@pytest.fixture(scope="module")
def judge():
    random = np.random.default_rng(0)

    def draw(out, inside, side):
        scale = (2 / (inside * side**2)) ** 0.5
        return random.normal(0, scale, (out, inside, side, side)).astype(np.float32)

    arrays, channels = {"conv0.weight": draw(3, 3, 1), "conv0.bias": np.zeros(3, np.float32)}, 3
    for name in STUDENT_LAYERS:
        width = WIDTHS[int(name[5])]
        arrays[f"{short_name(name)}.weight"] = draw(width, channels, 3)
        arrays[f"{short_name(name)}.bias"] = np.zeros(width, np.float32)
        channels = width
    for name in HEADS:
        arrays[f"{short_name(name)}_aux.weight"] = draw(9, WIDTHS[int(name[5])], 1)
        arrays[f"{short_name(name)}_aux.bias"] = np.zeros(9, np.float32)
    return quality.build_judge(arrays)


def noise(seed, sigma=6.0, size=(96, 128)):
    """Draw a smooth random picture (1, height, width, 3) in [0, 1]."""
    from scipy import ndimage

    values = np.random.default_rng(seed).normal(size=(*size, 3))
    values = ndimage.gaussian_filter(values, (sigma, sigma, 0))
    return (0.5 + 0.15 * values / values.std()).clip(0, 1).astype(np.float32)[np.newaxis]


def test_a_photo_has_no_error_of_content_and_a_painting_none_of_style(judge):
    photo, painting = noise(0), noise(1)
    judgement = quality.Judgement(judge, photo, painting)
    own, painted = judgement.errors(photo), judgement.errors(painting)
    assert own["content"] == pytest.approx(0, abs=1e-9) and own["style"] > 1e-4
    assert painted["style"] == pytest.approx(0, abs=1e-9) and painted["content"] > 0.01


def test_heads_are_applied_before_relu(judge):
    features = judge(noise(2))
    assert list(features) == list(HEADS)
    assert all(each.shape[-1] == 9 and np.min(each) == 0 for each in features.values())


def test_ripple_of_two_pixels_is_seen_and_slow_change_is_not():
    photo = noise(3)
    checks = (np.indices(photo.shape[1:3]).sum(axis=0) % 2 - 0.5)[np.newaxis, ..., np.newaxis]
    rippled = photo + np.float32(4 / 255) * checks.astype(np.float32)
    # A wave of ± 2 / 255, all of it in the finest octave.
    assert quality.ripple(photo, rippled) == pytest.approx(2.0, rel=0.1)
    assert quality.ripple(photo, photo) < 0.2


def test_ripple_on_strokes_alone_does_not_count():
    photo = np.full((1, 96, 128, 3), 0.5, np.float32)
    picture = photo.copy()
    picture[:, :, 96:] = np.random.default_rng(0).uniform(size=(1, 96, 32, 3))  # a quarter
    assert quality.ripple(photo, picture) < 0.5


def test_the_finest_octave_is_what_halving_loses():
    light = noise(4)[0, ..., 0]
    small = Image.fromarray(light).resize((64, 48), Image.Resampling.LANCZOS)
    again = np.asarray(small.resize((128, 96), Image.Resampling.LANCZOS))
    np.testing.assert_array_equal(quality.halved(light), again)


def test_ranks_go_from_0_to_1():
    values = np.array([[3.0, 1.0], [2.0, 9.0]])
    np.testing.assert_allclose(quality.ranks(values), [[2 / 3, 0], [1 / 3, 1]])
