"""Deep Dream: its steps against NumPy, SciPy and Keras, and the command."""

import dataclasses
import json

import numpy as np
import pytest
import tensorflow as tf
from conftest import SMALL_VGG19, refused
from PIL import Image
from scipy import ndimage
from test_reconstruction import stop_after

import functions
from style_transfer.exploration import dream, dreams
from style_transfer.exploration import study as studies
from style_transfer.exploration.choices import DreamChoices
from style_transfer.method.architecture import VGG16, VGG19
from style_transfer.networks import weights
from style_transfer.pictures import images
from style_transfer.settings import Settings

LAYER = "block2_conv2"
SETTINGS = Settings(content_layers=(LAYER,), style_layers=())


@pytest.fixture(scope="module")
def network():
    return weights.draw(0, SMALL_VGG19)


@pytest.fixture(scope="module")
def image():
    generator = np.random.default_rng(3)
    coarse = generator.uniform(0.2, 0.8, (6, 8, 3))
    smooth = ndimage.zoom(coarse, (8, 8, 1), order=1)
    return smooth[np.newaxis].astype(np.float32)


def energy_of(network, image):
    model = functions.build_model([LAYER], SMALL_VGG19)
    network.assign(model)
    return model, tf.reduce_mean(model(image)[LAYER] ** 2)


@pytest.mark.parametrize("deviation", [0.5, 1.3, 3.0])
def test_smoothing_is_scipys_gaussian(image, deviation):
    found = dream.smooth(tf.constant(image), tf.constant(deviation))
    reach = int(np.ceil(3 * deviation))
    wanted = ndimage.gaussian_filter(image[0], (deviation, deviation, 0), radius=(reach, reach, 0))
    np.testing.assert_allclose(found[0], wanted, atol=1e-5)


def test_no_smoothing_changes_nothing(image):
    np.testing.assert_array_equal(dream.smooth(tf.constant(image), tf.constant(0.0)), image)


def test_a_step_is_the_gradient_of_the_energy(network, image):
    dreamer = dream.Dreamer(network, SETTINGS, LAYER, ())
    step = dreamer.climb(tf.constant(image), tf.constant(0.0), tf.eye(3)).numpy()
    variable = tf.constant(image)
    with tf.GradientTape() as tape:
        tape.watch(variable)
        _, energy = energy_of(network, variable)
    gradient = tape.gradient(energy, variable).numpy()
    np.testing.assert_allclose(step, gradient / gradient.std(), rtol=1e-3, atol=1e-3)


def test_a_dream_excites_the_layer_in_every_octave(network, image):
    choices = DreamChoices(octaves=2, steps=4, jitter=4, rate=0.02)
    dreamer = dream.Dreamer(network, SETTINGS, LAYER, ())
    octaves = list(dreamer.dream(image, choices))
    assert [each.shape for each in octaves][-1] == image.shape
    assert energy_of(network, octaves[-1])[1] > 1.2 * energy_of(network, image)[1]
    again = list(dreamer.dream(image, choices))
    np.testing.assert_array_equal(octaves[-1], again[-1])
    assert octaves[-1].min() >= 0.0 and octaves[-1].max() <= 1.0


def test_without_steps_to_speak_of_the_picture_stays_where_it_is(network, image):
    choices = DreamChoices(octaves=3, steps=3, jitter=7, rate=1e-9)
    *_, last = dream.Dreamer(network, SETTINGS, LAYER, ()).dream(image, choices)
    np.testing.assert_allclose(last, image, atol=1e-4)


def test_octaves_grow_to_the_size_of_the_picture():
    choices = DreamChoices(octave_scale=2.0)
    assert dream.plan_octaves((128, 256), 3, choices) == [(32, 64), (64, 128), (128, 256)]
    assert dream.plan_octaves((128, 256), 9, choices)[0] == (32, 64)  # no smaller than it sees
    assert dream.plan_octaves((40, 40), 1, choices) == [(40, 40)]


def test_a_guide_is_the_sum_of_products_with_what_fits_best():
    generator = np.random.default_rng(0)
    guide = generator.normal(size=(1, 3, 4, 5)).astype(np.float32)
    features = generator.normal(size=(1, 2, 6, 5)).astype(np.float32)
    products = features.reshape(-1, 5) @ guide.reshape(-1, 5).T
    found = dream.guided_by(tf.constant(guide))(tf.constant(features))
    assert float(found) == pytest.approx(products.max(axis=1).mean(), rel=1e-5)


def test_natural_colors_change_brightness_more_than_hue():
    matrix = np.asarray(dream.choose_colors("natural"))
    gray, red_green = np.ones(3) / np.sqrt(3), np.array([1, -1, 0]) / np.sqrt(2)
    assert np.linalg.norm(gray @ matrix) > 5 * np.linalg.norm(red_green @ matrix)
    np.testing.assert_array_equal(dream.choose_colors("free"), np.eye(3))


def test_the_contrast_is_that_of_the_other(image):
    found = dreams.match_contrast(image**2, image)
    np.testing.assert_allclose(found.mean((0, 1, 2)), image.mean((0, 1, 2)), rtol=1e-4)
    np.testing.assert_allclose(found.std((0, 1, 2)), image.std((0, 1, 2)), rtol=1e-3)


def test_every_network_has_the_layers_to_dream_of(content):
    """Without a name: VGG16 has no fourth convolution in a block."""
    last = {"vgg19": "block4_conv4", "vgg16": "block4_conv3"}
    for name, architecture in (("vgg19", VGG19), ("vgg16", VGG16)):
        narrow = weights.draw(0, dataclasses.replace(architecture, widths=(2,) * 5))
        prepared = studies.Prepared(
            {"content": images.load(content)}, narrow, Settings(network=name)
        )
        for zoom, layers in (
            (0, ("block4_conv2", last[name], "block5_conv1")),
            (2, ("block5_conv1",)),
        ):
            study = studies.Study("dream", {}, prepared.settings, DreamChoices(zoom=zoom), None)
            assert dreams.choose_explorer(study, prepared).layers == layers


FAST = ("--steps", "2", "--octaves", "2", "--jitter", "2")


def test_the_command_dreams_of_layers_and_channels(run_main, content, small_weights, tmp_path):
    flags = ("--weights", small_weights, "--layer", LAYER, "--layer", "block3_conv1", *FAST)
    outcome = run_main("dream", "-c", content, *flags, "--channels", "0,2", "-o", tmp_path / "out")
    assert outcome.returncode == 0, outcome.stderr
    for layer in (LAYER, "block3_conv1"):
        for channel in (0, 2):
            picture = Image.open(tmp_path / "out" / "pictures" / f"{layer}_{channel:03}.png")
            assert picture.size == (64, 48)
    record = json.loads((tmp_path / "out" / "run.json").read_text())
    assert record["finished"] is True and record["choices"]["channels"] == "0,2"
    assert "--channels" in (tmp_path / "out" / "sheet.html").read_text()


def test_a_guide_leads_to_another_dream(run_main, content, style, small_weights, tmp_path):
    flags = ("-c", content, "--weights", small_weights, "--layer", "block3_conv1", *FAST)
    assert run_main("dream", *flags, "-o", tmp_path / "free").returncode == 0
    outcome = run_main("dream", *flags, "--guide", style, "-o", tmp_path / "guided")
    assert outcome.returncode == 0, outcome.stderr
    pictures = [
        (tmp_path / name / "pictures" / "block3_conv1.png").read_bytes()
        for name in ("free", "guided")
    ]
    assert pictures[0] != pictures[1]


def test_a_film_goes_on_with_the_same_bytes(run_main, content, small_weights, tmp_path):
    settings = Settings(weights=str(small_weights))
    choices = DreamChoices(layers=(LAYER,), zoom=3, steps=2, octaves=2, jitter=2)
    inputs = {"content": str(content)}
    whole = studies.Study("dream", inputs, settings, choices, tmp_path / "whole")
    assert list(studies.perform(whole))[-1].finished
    halted = studies.Study("dream", inputs, settings, choices, tmp_path / "halted")
    assert not stop_after(1, halted).finished
    outcome = run_main("dream", "--resume", tmp_path / "halted")
    assert outcome.returncode == 0, outcome.stderr
    for number in range(3):
        name = f"pictures/frame_{number:04}.png"
        one, other = ((tmp_path / each / name).read_bytes() for each in ("whole", "halted"))
        assert one == other
    with Image.open(tmp_path / "halted" / "zoom.gif") as film:
        assert film.n_frames == 3


@pytest.mark.parametrize("zoom", [(), ("--zoom", "5")])
def test_a_dry_run_says_how_long_it_takes_and_writes_nothing(
    run_main, content, small_weights, tmp_path, zoom
):
    flags = ("--weights", small_weights, "--layer", LAYER, *FAST, *zoom)
    outcome = run_main("dream", "-c", content, *flags, "--dry-run")
    assert outcome.returncode == 0 and outcome.stdout == "", outcome.stderr
    assert outcome.stderr.splitlines()[-1].startswith("about ")
    assert list((tmp_path / "cwd").iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--guide", "photo", "--channels", "0"), ("--guide", "--channels")),
        (("--guide", "photo", "--layer", LAYER), ("--guide", LAYER)),
        (("--zoom", "3", "--layer", LAYER, "--layer", "block3_conv1"), ("--zoom", "one")),
        (("--channels", "8", "--layer", "block3_conv1"), ("channel 8",)),
        (("--channels", "0", "--layer", "block3_conv1", "--space", "lifted"), ("--space", "head")),
        (("--rate", "0"), ("--rate",)),
    ],
)
def test_bad_input_ends_in_one_line(run_main, content, small_weights, arguments, words):
    given = [content if each == "photo" else each for each in arguments]
    refused(run_main("dream", "-c", content, "--weights", small_weights, *given), *words)


def test_what_was_made_by_another_command_is_not_continued(
    run_main, content, small_weights, tmp_path
):
    outcome = run_main("model", "--weights", small_weights, "-o", tmp_path / "graph")
    assert outcome.returncode == 0, outcome.stderr
    refused(run_main("dream", "--resume", tmp_path / "graph"), "not made by dream", "model")
    refused(run_main("--resume", tmp_path / "graph"), "made by model")
    refused(run_main("dream", "--resume", tmp_path / "graph", "--size", "64"), "--size")
