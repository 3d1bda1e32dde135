"""What the network sees: maps, patches and Gram matrices against NumPy and Keras."""

import csv
import dataclasses
import json
import re

import keras
import numpy as np
import pytest
import tensorflow as tf
from conftest import ROOT, SMALL_VGG19, paint, refused
from matplotlib import colormaps
from PIL import Image

import functions
from style_transfer.exploration import answers, drawing, patches
from style_transfer.exploration import study as studies
from style_transfer.exploration.choices import FeatureChoices, parse_channels
from style_transfer.networks import weights
from style_transfer.pictures import images
from style_transfer.settings import Settings

LAYERS = ("block2_conv1", "block3_conv2")
FLAGS = ("--layer", LAYERS[0], "--layer", LAYERS[1], "--border", "0")


def features_of(path):
    """What Keras' own model computes, without any of the program's ways."""
    model = functions.build_model(LAYERS, SMALL_VGG19)
    weights.draw(0, SMALL_VGG19).assign(model)
    image = images.to_tensor(images.load(path), Image.open(path).size)
    return {name: np.asarray(each)[0] for name, each in model(image).items()}


@pytest.fixture
def explored(run_main, content, style, small_weights, tmp_path):
    """A function that looks at the photo, and returns the folder."""

    def look(*arguments, beside=True):
        more = ("--beside", style, "-s", style, "--gram") if beside else ()
        flags = ("--weights", small_weights, *FLAGS, "-o", tmp_path / "out")
        outcome = run_main("features", "-c", content, *flags, *more, *arguments)
        assert outcome.returncode == 0, outcome.stderr
        return tmp_path / "out"

    return look


def test_the_table_is_what_keras_computes(explored, content, style):
    folder = explored()
    expected = {"content": features_of(content), "beside": features_of(style)}
    rows = list(csv.reader((folder / "features.csv").open()))[1:]
    assert len(rows) == 3 * (6 + 8)  # the painting, too
    for layer, channel, role, mean, most, share in rows:
        if role in expected:
            map_ = expected[role][layer][..., int(channel)]
            there = [float(mean), float(most), float(share)]
            wanted = [map_.mean(), map_.max(), (map_ > 0).mean()]
            np.testing.assert_allclose(there, wanted, rtol=1e-4, atol=1e-5)


def test_the_strongest_channels_are_shown_in_their_order(explored, content):
    folder = explored("--top", "3", beside=False)
    for layer, features in features_of(content).items():
        strongest = np.argsort(-features.mean(axis=(0, 1)))[:3]
        there = {path.name for path in folder.glob(f"pictures/{layer}_???_*")}
        assert there == {f"{layer}_{channel:03}_content.png" for channel in strongest}
        for channel in strongest:
            path = folder / "pictures" / f"{layer}_{channel:03}_content.png"
            values = features[..., channel]
            block = 64 // values.shape[1]
            pixels = np.asarray(Image.open(path).convert("L"))[::block, ::block]
            wanted = 255 * np.minimum(values / np.quantile(values, drawing.WHITE), 1)
            np.testing.assert_allclose(pixels, wanted, atol=0.51)


def test_two_pictures_share_the_brightness_of_a_channel(explored, content, style):
    folder = explored("--channels", "2")
    maps = [features_of(path)[LAYERS[0]][..., 2] for path in (content, style)]
    brightest = max(np.quantile(each, drawing.WHITE) for each in maps)
    for role, values in zip(("content", "beside"), maps):
        picture = Image.open(folder / "pictures" / f"{LAYERS[0]}_002_{role}.png").convert("L")
        assert abs(np.asarray(picture).max() - 255 * min(1, values.max() / brightest)) < 1


def test_the_page_and_the_record_tell_how_it_was_made(explored, content):
    folder = explored("--channels", "0-1,4")
    page = (folder / "sheet.html").read_text()
    assert "features" in page and "--channels" in page and "0-1,4" in page
    assert page.count('<table class="grid"') == 2  # the maps and the Gram matrices
    record = json.loads((folder / "run.json").read_text())
    assert record["command"] == "features" and record["finished"] is True
    assert record["choices"]["channels"] == "0-1,4" and record["size"] == [64, 48]
    assert Image.open(folder / "gram.png").format == "PNG"


def test_other_pictures_are_searched_for_patches(explored, tmp_path):
    (tmp_path / "others").mkdir()
    for number in range(2):
        paint(tmp_path / "others" / f"{number}.png", 20 + number)
    folder = explored("--channels", "1", "--pictures", tmp_path / "others")
    assert Image.open(folder / "patches.png").size > (2 * patches.DRAWN_SIDE,) * 2
    assert (folder / "sheet.html").read_text().count('<table class="grid"') == 3


@pytest.mark.parametrize("layer", ["block1_conv2", "block2_conv1", "block3_conv2"])
def test_the_field_is_all_that_a_position_depends_on(layer):
    model = functions.build_model([layer], SMALL_VGG19, pooling="avg")
    for each in model.layers:
        if each.weights:  # positive weights: nothing is cut off, nothing cancels out
            each.set_weights([np.ones_like(value) for value in each.get_weights()])
    image = tf.fill((1, 64, 64, 3), 1.0)
    with tf.GradientTape() as tape:
        tape.watch(image)
        features = model(image)[layer]
        row, column = features.shape[1] // 2, features.shape[2] // 2 - 1
        value = features[0, row, column, 0]
    rows, columns = np.nonzero(np.abs(tape.gradient(value, image).numpy()[0]).sum(-1))
    stride, size = SMALL_VGG19.stride(layer), SMALL_VGG19.receptive_field(layer)
    box = drawing.Geometry(stride, size).field((row, column))
    assert box == (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)


def test_peaks_are_apart_and_the_largest_there_are():
    values = np.zeros((9, 9), np.float32)
    values[4, 4], values[4, 5], values[0, 8], values[8, 0] = 5.0, 4.5, 3.0, 2.0
    assert patches.find_peaks(values, 1, 3) == [(5.0, (4, 4)), (3.0, (0, 8)), (2.0, (8, 0))]
    assert patches.find_peaks(values, 1, 9) == patches.find_peaks(values, 1, 3)
    assert patches.find_peaks(values, 0, 2) == [(5.0, (4, 4)), (4.5, (4, 5))]


def test_a_patch_shows_what_lies_in_the_field():
    photo = Image.new("RGB", (64, 64), "white")
    photo.paste("blue", (10, 20, 50, 60))
    patch = np.asarray(patches.crop(photo, (10, 20, 50, 60)))
    assert (patch == (0, 0, 255)).all()
    beyond = np.asarray(patches.crop(photo, (-40, 0, 0, 40)))
    assert (beyond == np.array([242, 239, 233])).all()


def test_correlation_is_that_of_numpy():
    first, second = np.random.default_rng(0).normal(size=(2, 5, 7))
    assert drawing.correlate(first, second) == pytest.approx(
        np.corrcoef(first.ravel(), second.ravel())[0, 1]
    )
    assert drawing.correlate(first, np.ones((5, 7))) == 0.0


def test_the_model_card_tells_the_dead_channels():
    card = (ROOT / "data" / "weights" / "README.md").read_text()
    total, channels = map(int, re.search(r"(\d+) of its (\d+) are dead", card).groups())
    told = re.search(r"From `block1_conv1` to `block5_conv1`: ([^;]*);", card)[1]
    counts = [int(each) for each in re.findall(r"(?<!of )\b\d+", told)]
    compact = weights.load("compact")
    widths = {name: compact.architecture.width(name) for name in compact.layers}
    dead = [
        len(answers.find_dead(compact, *each)) for each in zip(widths, map(range, widths.values()))
    ]
    assert dead == counts and (sum(dead), sum(widths.values())) == (total, channels)


def test_the_color_bar_has_the_colors_of_the_gram_matrices():
    bar = np.asarray(drawing.draw_color_bar())
    top, column = (drawing.GRAM_SIDE - drawing.BAR_HEIGHT) // 2, drawing.GRAM_SIDE // 8
    rows = top + np.array([0, 100, 200, 299])
    for row, share in zip(rows, (1.0, 0.1, 0.01, 0.001)):
        color = np.array(colormaps["magma"](1 + np.log10(share) / 3)[:3]) * 255
        np.testing.assert_allclose(bar[row, column], color, atol=3)


def test_channels_are_numbers_and_ranges():
    assert parse_channels("0,38") == (0, 38)
    assert parse_channels("2-4,3,9") == (2, 3, 4, 9)
    assert parse_channels("") == ()
    for text in ("a", "1-", "-1", "1.5", "1 2", "9999999999"):
        with pytest.raises(ValueError, match="no channel"):
            parse_channels(text)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), ("--content is missing",)),
        (("-c", "photo", "--channels", "8"), ("channel 8", "from 0 to 7")),
        (("-c", "photo", "--channels", "x"), ("--channels", "no channel")),
        (("-c", "photo", "--layer", "relu4_1"), ("--layer", "relu4_1")),
        (("-c", "photo", "--layer", "block5_conv4", "--weights", "compact"), ("block5_conv4",)),
        (("-c", "nowhere.png"), ("nowhere.png",)),
    ],
)
def test_bad_input_ends_in_one_line(run_main, content, small_weights, arguments, words):
    given = [content if each == "photo" else each for each in arguments]
    flags = ("--weights", small_weights, "--layer", "block3_conv1", "--channels", "0")
    refused(run_main("features", *flags, *given), *words)


def test_a_dry_run_writes_nothing(run_main, content, small_weights, tmp_path):
    outcome = run_main("features", "-c", content, "--weights", small_weights, "--dry-run")
    assert outcome.returncode == 0 and outcome.stdout == ""
    assert "64×48 px" in outcome.stderr
    assert list((tmp_path / "cwd").iterdir()) == []


def test_what_it_looks_at_is_never_removed(explored, run_main, small_weights):
    folder = explored(beside=False)
    own = next((folder / "pictures").glob("*_content.png"))
    flags = ("--weights", small_weights, "-o", folder, "--overwrite")
    refused(run_main("features", "-c", own, *flags), "would be removed", own.name)
    assert own.exists()


def test_it_goes_on_where_it_was_stopped(run_main, content, style, small_weights, tmp_path):
    """With one picture to take patches of missing, too: the same as without the interruption."""
    settings = Settings(weights=str(small_weights), precision="float32")
    choices, inputs = FeatureChoices(layers=LAYERS), {"content": content, "pictures": style}
    whole, halted = tmp_path / "whole", tmp_path / "halted"
    study = studies.Study("features", inputs, settings, choices, whole)
    *_, last = studies.perform(study)
    assert last.finished
    study = dataclasses.replace(study, folder=halted)
    *_, last = studies.perform(study, should_stop=lambda: True)
    assert not last.finished
    drawn = halted / "pictures" / f"{LAYERS[0]}_content.png"
    written = drawn.stat().st_mtime_ns
    assert not list(halted.glob(f"pictures/{LAYERS[1]}*"))
    outcome = run_main("features", "--resume", halted)
    assert outcome.returncode == 0, outcome.stderr
    assert drawn.stat().st_mtime_ns == written
    names = {path.relative_to(whole) for path in whole.glob("**/*.png")}
    assert names == {path.relative_to(halted) for path in halted.glob("**/*.png")}
    for name in names:
        assert (whole / name).read_bytes() == (halted / name).read_bytes(), name
    assert json.loads((halted / "run.json").read_text())["finished"] is True


def test_every_layer_that_there_is(run_main, content, tmp_path):
    narrow = dataclasses.replace(weights.VGG16, widths=(2, 2, 2, 2, 2))
    weights.write(tmp_path / "vgg16.weights.h5", weights.draw(0, narrow).layers)
    flags = ("--network", "vgg16", "--weights", tmp_path / "vgg16.weights.h5", "--top", "1")
    outcome = run_main("features", "-c", content, "--layer", "all", *flags, "-o", tmp_path / "all")
    assert outcome.returncode == 0, outcome.stderr
    there = {
        path.name.rpartition("_")[0] for path in (tmp_path / "all/pictures").glob("*_content*")
    }
    assert set(weights.VGG16.layers) <= there


def test_keras_agrees_about_the_gram_matrices(style):
    features = features_of(style)[LAYERS[0]]
    flat = features.reshape(-1, features.shape[-1])
    from style_transfer.exploration import grams

    found = grams.compute(features[None])
    np.testing.assert_allclose(found, flat.T @ flat / len(flat), rtol=1e-4)
    assert keras.ops.shape(found) == (6, 6)
