"""What excites channels: the spectrum, the transforms and the answers, and the command."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf
from conftest import SMALL_VGG19, refused
from scipy import ndimage

import functions
from style_transfer.exploration import answers, channels, fourier
from style_transfer.networks import weights
from style_transfer.settings import Settings

LAYER = "block2_conv1"
SETTINGS = Settings(content_layers=(LAYER,), style_layers=())


@pytest.fixture(scope="module")
def network():
    return weights.draw(0, SMALL_VGG19)


@pytest.fixture(scope="module")
def image():
    return np.random.default_rng(3).uniform(size=(1, 32, 48, 3)).astype(np.float32)


def features_of(network, image):
    model = functions.build_model([LAYER], SMALL_VGG19)
    network.assign(model)
    return np.asarray(model(image)[LAYER])


def test_answers_are_the_features_before_their_relu(network, image):
    found = answers.build_answers(network, SETTINGS, LAYER, [4, 1])(image).numpy()
    assert (found < 0).any()
    wanted = features_of(network, image)[..., [4, 1]]
    np.testing.assert_allclose(np.maximum(found, 0), wanted, rtol=1e-4, atol=1e-3)


def test_lifted_answers_are_what_the_head_makes_of_the_features(network, image):
    generator = np.random.default_rng(1)
    kernel, bias = generator.normal(size=(6, 9)), generator.normal(size=9)
    head = kernel.astype(np.float32), bias.astype(np.float32)
    found = answers.build_answers(network, SETTINGS, LAYER, [8, 0], head)(image).numpy()
    wanted = (features_of(network, image) @ head[0] + head[1])[..., [8, 0]]
    np.testing.assert_allclose(found, wanted, rtol=1e-3, atol=1e-2)


def test_the_space_is_that_of_the_heads_where_there_are_any(network):
    head = (np.ones((6, 9), np.float32), np.zeros(9, np.float32))
    with_heads = dataclasses.replace(network, heads={LAYER: head})
    assert answers.choose_head(with_heads, LAYER, "auto") is head
    assert answers.choose_head(with_heads, LAYER, "raw") is None
    assert answers.choose_head(with_heads, "block3_conv1", "auto") is None
    assert answers.count_channels(with_heads, LAYER, head) == 9
    assert answers.count_channels(with_heads, LAYER, None) == 6


def test_channels_without_weights_are_dead(network):
    kernel, bias = (np.array(each) for each in network.layers[LAYER])
    kernel[..., 3] = 0.0
    dead = dataclasses.replace(network, layers=network.layers | {LAYER: (kernel, bias)})
    assert answers.find_dead(dead, LAYER, [0, 3, 5], None) == [3]


def test_a_spectrum_is_painted_as_numpy_does():
    spectrum = fourier.Spectrum(16)
    spectra = np.random.default_rng(0).normal(size=(2, 3, 16, 9, 2)).astype(np.float32)
    found = spectrum.paint(tf.constant(spectra)).numpy()
    frequencies = np.sqrt(np.fft.fftfreq(16)[:, None] ** 2 + np.fft.rfftfreq(16)[None] ** 2)
    scaled = (spectra[..., 0] + 1j * spectra[..., 1]) * 16 / np.maximum(frequencies, 1 / 16)
    axes = np.fft.irfft2(scaled, (16, 16)) / 4
    root = np.array([[0.26, 0.09, 0.02], [0.27, 0.0, -0.05], [0.27, -0.09, 0.03]])
    colors = np.moveaxis(axes, 1, -1) @ (root / np.sqrt((root**2).sum(0)).max()).T
    np.testing.assert_allclose(found, 1 / (1 + np.exp(-colors)), atol=1e-4)


def test_it_starts_gray_and_all_alike():
    spectrum = fourier.Spectrum(32)
    pictures = spectrum.paint(tf.constant(spectrum.start(3, seed=5))).numpy()
    assert abs(pictures - 0.5).max() < 0.2 and pictures.std() > 0
    np.testing.assert_array_equal(pictures[0], pictures[2])


def test_the_transform_is_that_of_scipy():
    side = 40
    picture = np.random.default_rng(2).uniform(size=(1, side, side, 3))
    picture = ndimage.gaussian_filter(picture, (0, 2, 2, 0)).astype(np.float32)
    offset, matrix = fourier.draw_transform(np.random.default_rng(7), side)
    found = fourier.transform(tf.constant(picture), offset, matrix).numpy()[0]
    seen = fourier.seen_side(side)
    assert found.shape == (seen, seen, 3)
    padded = np.pad(picture[0], ((12, 12), (12, 12), (0, 0)), constant_values=0.5)
    cut = padded[offset[0] : offset[0] + seen, offset[1] : offset[1] + seen]
    a, b, c, d, e, f, *_ = matrix[0]  # x = a x' + b y' + c, y = d x' + e y' + f
    ys, xs = np.mgrid[:seen, :seen]
    places = [d * xs + e * ys + f, a * xs + b * ys + c]
    inside = np.all([(each > 0) & (each < seen - 1) for each in places], axis=0)
    assert inside.mean() > 0.7
    for channel in range(3):
        wanted = ndimage.map_coordinates(cut[..., channel], places, order=1)
        np.testing.assert_allclose(found[..., channel][inside], wanted[inside], atol=1e-4)


def test_transforms_stay_within_what_is_said():
    generator = np.random.default_rng(0)
    for _ in range(50):
        offset, matrix = fourier.draw_transform(generator, 64)
        a, b, *_ = matrix[0]
        assert ((offset >= 0) & (offset <= 8)).all()
        assert 1 / 1.1 - 1e-6 <= np.hypot(a, b) <= 1 / 0.9 + 1e-6
        assert abs(np.degrees(np.arctan2(b, a))) <= 10 + 1e-4


def test_pictures_climb_their_own_channel_whatever_is_beside_them(network):
    spectrum, final = fourier.Spectrum(32), {}
    for chosen in ([0, 2, 5], [2]):
        model = answers.build_answers(network, SETTINGS, LAYER, chosen)
        spectra = tf.Variable(spectrum.start(len(chosen), 0))
        climb = channels.build_climb(model, spectrum, spectra, 0.05)
        generator = np.random.default_rng(0)
        values = [climb(*fourier.draw_transform(generator, 32)).numpy() for _ in range(12)]
        assert (values[-1] > values[0]).all()
        final[len(chosen)] = spectrum.paint(spectra).numpy()
    np.testing.assert_allclose(final[3][1], final[1][0], atol=0.01)


def test_the_command_makes_what_is_missing(run_main, small_weights, tmp_path):
    flags = ("--weights", small_weights, "--size", "32", "--steps", "2")
    out = tmp_path / "out"
    outcome = run_main("channels", *flags, "--layer", LAYER, "--channels", "0-2", "-o", out)
    assert outcome.returncode == 0, outcome.stderr
    assert outcome.stdout == f"{out}/sheet.png\n"
    pictures = {path.name: path.read_bytes() for path in (out / "pictures").iterdir()}
    assert set(pictures) == {f"{LAYER}_00{number}.png" for number in range(3)}
    (out / "pictures" / f"{LAYER}_001.png").unlink()
    assert run_main("channels", "--resume", out).returncode == 0
    assert {path.name: path.read_bytes() for path in (out / "pictures").iterdir()} == pictures


def test_dead_channels_are_told(run_main, network, tmp_path):
    kernel, bias = (np.array(each) for each in network.layers[LAYER])
    kernel[..., 1] = 0.0
    path = tmp_path / "dead.weights.h5"
    weights.write(path, network.layers | {LAYER: (kernel, bias)})
    flags = ("--weights", path, "--size", "32", "--steps", "1", "--layer", LAYER)
    outcome = run_main("channels", *flags, "--channels", "0,1", "-o", tmp_path / "out")
    assert outcome.returncode == 0, outcome.stderr
    assert [each.name for each in (tmp_path / "out" / "pictures").iterdir()] == [f"{LAYER}_000.png"]
    assert (tmp_path / "out" / "sheet.html").read_text().count(">dead<") == 1


def test_a_dry_run_says_how_long_it_takes(run_main, small_weights):
    outcome = run_main(
        "channels", "--weights", small_weights, "--layer", LAYER, "--channels", "0", "--dry-run"
    )
    assert outcome.returncode == 0 and outcome.stdout == "", outcome.stderr
    assert outcome.stderr.splitlines()[-1].startswith("about ")


def test_bad_channels_are_refused(run_main, small_weights):
    flags = ("--weights", small_weights, "--layer", LAYER)
    refused(run_main("channels", *flags, "--channels", "6"), "channel 6", "from 0 to 5")
    refused(run_main("channels", *flags, "--channels", ""), "--channels", "name a channel")
    refused(run_main("channels", *flags, "--space", "lifted"), "--space", "no head")
