"""Colors: moments and histograms against NumPy and SciPy, luminance against Pillow and YIQ."""

import numpy as np
import pytest
import scipy.linalg
import scipy.stats
from PIL import Image

from style_transfer.method import color

# RGB to NTSC's YIQ, as in MATLAB's rgb2ntsc.
YIQ = np.array([[0.299, 0.587, 0.114], [0.596, -0.274, -0.322], [0.211, -0.523, 0.312]])
LINEAR = {"cholesky": np.linalg.cholesky, "symmetric": scipy.linalg.sqrtm}
SIZES = {"content": (32, 44), "style": (40, 36)}


def frozen(image):
    """An image that nobody may write to."""
    image = np.asarray(image, np.float32)
    image.flags.writeable = False
    return image


def picture(seed, size=(32, 40), *, spread=0.12):
    """Correlated colors; those inside [0, 1] occur once."""
    generator = np.random.default_rng(seed)
    mixture = np.eye(3) + generator.uniform(-0.6, 0.6, (3, 3))
    colors = generator.normal(size=(1, *size, 3)) @ mixture * spread
    return frozen(np.clip(colors + generator.uniform(0.35, 0.65, 3), 0, 1))


def pair():
    return picture(1, SIZES["style"]), picture(2, SIZES["content"])


def plain(name, size):
    """A picture that lacks what a formula might divide by."""
    ramp = np.linspace(0, 1, size[0] * size[1]).reshape(1, *size, 1)
    noise = np.random.default_rng(3).integers(-1, 2, (1, *size, 3)) / 255
    return frozen(
        {
            "black": np.zeros((1, *size, 3)),
            "white": np.ones((1, *size, 3)),
            "flat": np.broadcast_to([0.9, 0.3, 0.1], (1, *size, 3)).copy(),
            "grays": np.repeat(ramp, 3, axis=-1),
            "reds": ramp * [1, 0, 0],
            "one hue": ramp * [0.2, 0.5, 0.9],
            "nearly black": np.abs(noise),
            "nearly gray": np.clip(ramp + noise, 0, 1),
            "black and white": np.repeat(np.round(ramp), 3, axis=-1),
            "colors": picture(4, size, spread=0.5),
        }[name]
    )


PLAIN = (
    "black",
    "white",
    "flat",
    "grays",
    "reds",
    "one hue",
    "nearly black",
    "nearly gray",
    "black and white",
    "colors",
)


def moments(image):
    """The mean and the covariance of the pixels, written out."""
    pixels = np.asarray(image, float).reshape(-1, 3)
    mean = sum(pixels) / len(pixels)
    covariance = sum(np.outer(pixel - mean, pixel - mean) for pixel in pixels) / len(pixels)
    return mean, covariance


def matrix_between(before, after):
    """The A of x' = A x + b, from the pixels; fails if they have no such relation."""
    pixels = np.asarray(before, float).reshape(-1, 3)
    known = np.column_stack([pixels, np.ones(len(pixels))])
    solution, *_ = np.linalg.lstsq(known, np.asarray(after, float).reshape(-1, 3))
    np.testing.assert_allclose(known @ solution, after.reshape(-1, 3), atol=1e-5)
    return solution[:3].T


@pytest.mark.parametrize("mode", LINEAR)
def test_a_linear_transfer_gives_the_contents_mean_and_covariance(mode):
    style, content = pair()
    expected = moments(content)
    matched = moments(color.match_colors(style, content, mode))
    for value, target, before in zip(matched, expected, moments(style)):
        np.testing.assert_allclose(value, target, atol=1e-7)
        assert np.abs(before - target).max() > 0.01


@pytest.mark.parametrize("mode", LINEAR)
def test_a_linear_transfer_is_made_of_two_roots(mode):
    style, content = pair()
    of_style, of_content = (LINEAR[mode](moments(image)[1]) for image in (style, content))
    matrix = matrix_between(style, color.match_colors(style, content, mode))
    np.testing.assert_allclose(matrix, of_content @ np.linalg.inv(of_style), atol=1e-4)


def test_the_two_roots_give_different_pictures():
    style, content = pair()
    cholesky, symmetric = (color.match_style(style, content, mode) for mode in LINEAR)
    assert np.abs(cholesky - symmetric).mean() > 0.02
    triangular = matrix_between(style, color.match_colors(style, content, "cholesky"))
    np.testing.assert_allclose(np.triu(triangular, 1), 0, atol=1e-5)


def test_only_the_symmetric_transfer_treats_the_channels_alike():
    style, content = pair()
    turned = [frozen(image[..., ::-1]) for image in (style, content)]
    differences = {}
    for mode in LINEAR:
        there = color.match_colors(style, content, mode)
        differences[mode] = np.abs(color.match_colors(*turned, mode)[..., ::-1] - there).max()
    assert differences["symmetric"] < 1e-6 and differences["cholesky"] > 0.01


def test_the_symmetric_root_equals_scipys():
    for seed in range(5):
        mixture = np.random.default_rng(seed).normal(size=(3, 3)) * 10.0**-seed
        covariance = mixture @ mixture.T
        root = color.symmetric_root(covariance)
        scale = np.abs(root).max()
        np.testing.assert_allclose(root / scale, scipy.linalg.sqrtm(covariance) / scale, atol=1e-7)
        np.testing.assert_allclose(root, root.T, atol=1e-12 * scale)


def test_a_style_with_the_contents_colors_stays_as_it_is():
    style, _ = pair()
    for mode in ("cholesky", "symmetric", "histogram", "none"):
        np.testing.assert_allclose(color.match_style(style, style, mode), style, atol=1e-6)


@pytest.mark.parametrize("mode", LINEAR)
def test_the_noise_of_a_nearly_gray_style_does_not_become_color(mode):
    size = SIZES["style"]
    style, content = plain("nearly gray", size), plain("colors", SIZES["content"])
    matched = color.match_colors(style, content, mode)
    quiet = color.match_colors(plain("grays", size), content, mode)
    assert np.std(matched - quiet) < 0.35 * content.std()
    assert np.std(matched) > 0.5 * content.std()


@pytest.mark.parametrize("mode", LINEAR)
def test_a_gray_content_gives_a_gray_style(mode):
    matched = color.match_style(pair()[0], plain("grays", SIZES["content"]), mode)
    np.testing.assert_allclose(matched, matched[..., :1].repeat(3, axis=-1), atol=0.1 / 255)
    assert matched.std() > 0.2


def test_luminance_gets_the_contents_mean_and_deviation():
    style, content = pair()
    of_style, of_content = (np.asarray(image, float) @ YIQ[0] for image in (style, content))
    matched = color.match_colors(style, content, "luminance")
    expected = of_content.std() / of_style.std() * (of_style - of_style.mean()) + of_content.mean()
    for channel in range(3):
        np.testing.assert_allclose(matched[..., channel], expected, atol=1e-6)
    clipped = color.match_style(style, content, "luminance")
    np.testing.assert_allclose(clipped, np.clip(matched, 0, 1), atol=1e-7)


def test_the_network_sees_grays_as_pillow_makes_them():
    pixels = np.random.default_rng(5).integers(0, 256, (24, 32, 3), np.uint8)
    seen = color.match_content(frozen(pixels[np.newaxis] / 255), "luminance")
    assert seen.shape == (1, 24, 32, 3) and seen.dtype == np.float32
    expected = np.asarray(Image.fromarray(pixels).convert("L"), float)
    for channel in range(3):
        np.testing.assert_allclose(seen[0, ..., channel] * 255, expected, atol=0.51)


def test_same_sized_pictures_have_the_same_histogram_afterwards():
    style, content = picture(1, spread=0.1), picture(2, spread=0.1)
    matched = color.match_style(style, content, "histogram")
    for channel in range(3):
        assert len(np.unique(style[..., channel])) == style[..., channel].size
        expected = np.sort(content[..., channel], axis=None)
        order = style[..., channel].argsort(axis=None)
        np.testing.assert_allclose(matched[..., channel].ravel()[order], expected, atol=1e-6)


def test_histograms_match_by_middle_rank_as_in_scipy():
    generator = np.random.default_rng(6)
    style = frozen(generator.integers(0, 9, (1, 20, 30, 3)) / 8)
    content = picture(7, (17, 23))
    matched = color.match_style(style, content, "histogram")
    for channel in range(3):
        ranks = scipy.stats.rankdata(style[..., channel]) / 600 - 0.5 / 600
        expected = np.quantile(content[..., channel], ranks, method="hazen")
        np.testing.assert_allclose(matched[..., channel].ravel(), expected, atol=1e-6)


def test_a_flat_style_becomes_the_contents_middle_color():
    content = picture(2, SIZES["content"])
    flat = plain("flat", SIZES["style"])
    matched = color.match_style(flat, content, "histogram")
    np.testing.assert_allclose(
        matched, np.broadcast_to(np.median(content, (1, 2)), flat.shape), atol=1e-6
    )
    for mode in LINEAR:
        matched = color.match_style(flat, content, mode)
        np.testing.assert_allclose(
            matched, np.broadcast_to(moments(content)[0], flat.shape), atol=1e-5
        )


@pytest.mark.parametrize("name", PLAIN)
def test_what_was_not_changed_comes_back_as_it_was(name):
    content = plain(name, SIZES["content"])
    seen = color.match_content(content, "luminance")
    np.testing.assert_allclose(color.restore(seen, content, "luminance"), content, atol=1e-6)


def test_restoring_gives_the_images_luminance_and_the_contents_chrominance():
    content, image = picture(8, spread=0.05), picture(9, spread=0.05)
    restored = color.restore(image, content, "luminance") @ YIQ.T
    np.testing.assert_allclose(restored[..., 0], image @ YIQ[0], atol=1e-6)
    np.testing.assert_allclose(restored[..., 1:], (content @ YIQ.T)[..., 1:], atol=1e-6)
    assert np.abs((content - image) @ YIQ[0]).max() > 0.1


def test_outside_the_gamut_chrominance_shrinks_and_no_more_than_it_must():
    content, image = plain("colors", (60, 50)), picture(10, (60, 50), spread=0.5)
    restored = color.restore(image, content, "luminance")
    light, *found = np.moveaxis(restored @ YIQ.T, -1, 0)
    _, *wanted = np.moveaxis(content @ YIQ.T, -1, 0)
    np.testing.assert_allclose(light, image @ YIQ[0], atol=1e-6)
    length = np.hypot(*wanted)
    np.testing.assert_allclose(wanted[0] * found[1], wanted[1] * found[0], atol=1e-6)
    assert (wanted[0] * found[0] + wanted[1] * found[1] > -1e-6).all()
    assert (np.hypot(*found) < length + 1e-6).all()
    shrunk = np.hypot(*found) < length - 1e-5
    assert 0.1 < shrunk.mean() < 0.9
    edges = np.minimum(restored, 1 - restored).min(axis=-1)
    np.testing.assert_allclose(edges[shrunk], 0, atol=1e-6)


@pytest.mark.parametrize("mode", color.MODES)
@pytest.mark.parametrize("of_style", PLAIN)
def test_no_picture_breaks_a_formula(mode, of_style):
    style = plain(of_style, SIZES["style"])
    for of_content in PLAIN:
        content = plain(of_content, SIZES["content"])
        image = plain(of_style, SIZES["content"])
        results = {
            "style": color.match_style(style, content, mode),
            "content": color.match_content(content, mode),
            "image": color.restore(image, content, mode),
        }
        for name, result in results.items():
            assert result.shape == (1, *SIZES["style" if name == "style" else "content"], 3)
            assert result.dtype == np.float32, (name, of_content)
            assert np.isfinite(result).all(), (name, of_content)
            assert result.min() >= 0 and result.max() <= 1, (name, of_content)


def test_other_modes_leave_the_rest_of_the_way_alone():
    style, content = pair()
    np.testing.assert_array_equal(color.match_style(style, content, "none"), style)
    for mode in set(color.MODES) - {"luminance"}:
        assert color.match_content(content, mode) is content
        assert color.restore(style, content, mode) is style


@pytest.mark.parametrize("mode", ["", "lab", "Luminance", None])
def test_an_unknown_mode_is_refused_before_the_transfer(mode):
    known = "none, luminance, cholesky, symmetric, histogram"
    with pytest.raises(ValueError, match=f"^unknown mode of color: {mode}; there are {known}$"):
        color.match_style(*pair(), mode)
