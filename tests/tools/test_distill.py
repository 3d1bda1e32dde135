"""The distillation of the compact VGG19: its parts, its checkpoints, the network that it made."""

import dataclasses
import shutil

import h5py
import keras
import numpy as np
import pytest
import tensorflow as tf
from click.testing import CliRunner
from keras import ops
from PIL import Image
from scipy.signal import correlate2d

import functions
from style_transfer.method import preprocessing
from style_transfer.method.architecture import VGG19
from style_transfer.networks import weights
from style_transfer.pictures import images
from tools import crops, distill, distillation, layerwise, teachers
from tools.comparison import load_picture
from tools.student import JointModel, relative_errors
from tools.teachers import STUDENT_LAYERS, border

WIDTHS = (3, 4, 5, 5, 5)
NARROW = dataclasses.replace(VGG19, widths=WIDTHS)
PHOTOS = distill.ROOT / "data" / "input"


@pytest.fixture(scope="module")
def encoder():
    """Arrays of a narrow encoder in the published layout; its `conv0` is VGG19's own."""
    random = np.random.default_rng(0)
    arrays = {
        "conv0.weight": 255 * np.eye(3)[::-1, :, None, None],
        "conv0.bias": -np.array(preprocessing.IMAGENET_MEANS),
    }
    channels = 3
    for name in STUDENT_LAYERS:
        width = NARROW.width(name)
        key = f"conv{name[5]}{name[-1]}"
        deviation = np.sqrt(2 / (9 * channels))
        arrays[f"{key}.weight"] = random.normal(0, deviation, (width, channels, 3, 3))
        arrays[f"{key}.bias"] = random.normal(0, 1, width)
        channels = width
    return {name: array.astype(np.float32) for name, array in arrays.items()}


@pytest.fixture(scope="module")
def encoder_file(encoder, tmp_path_factory):
    path = tmp_path_factory.mktemp("teacher") / "teacher.npz"
    np.savez(path, **encoder)
    return path


@pytest.fixture(scope="module")
def pictures():
    """(training, held_out): smooth random pictures."""
    random = np.random.default_rng(1)
    coarse = random.integers(0, 256, (6, 8, 9, 3), dtype=np.uint8)
    large = [np.asarray(Image.fromarray(each).resize((90, 80), 3)) for each in coarse]
    return large[1:], large[:1]


def reflected_convolution(features, kernel, bias):
    """Convolve (height, width, in) with (out, in, 3, 3), padded by reflection, then ReLU."""
    padded = np.pad(features, ((1, 1), (1, 1), (0, 0)), mode="reflect")
    maps = [
        sum(correlate2d(padded[..., i], kernel[o, i], "valid") for i in range(kernel.shape[1]))
        + bias[o]
        for o in range(kernel.shape[0])
    ]
    return np.maximum(np.stack(maps, axis=-1), 0)


def test_published_encoder_against_scipy(encoder, encoder_file):
    image = np.random.default_rng(2).uniform(size=(32, 48, 3))
    found = teachers.load_teacher(encoder_file)(image[None].astype(np.float32))
    hidden = 255 * image[..., ::-1] - preprocessing.IMAGENET_MEANS
    expected = {}
    for name in STUDENT_LAYERS[:3]:
        if name == "block2_conv1":
            hidden = hidden.reshape(16, 2, 24, 2, -1).max(axis=(1, 3))
        key = f"conv{name[5]}{name[-1]}"
        hidden = reflected_convolution(hidden, encoder[f"{key}.weight"], encoder[f"{key}.bias"])
        expected[name] = hidden
    for name, value in expected.items():
        assert np.allclose(found[name][0], value, rtol=1e-4, atol=1e-3), name


def test_missing_array_is_named(encoder):
    rest = {name: array for name, array in encoder.items() if name != "conv32.bias"}
    with pytest.raises(ValueError, match=r"conv32\.bias"):
        teachers.build_compressed(rest)


def own_weights(encoder):
    """The encoder's weights in the layout of `functions.build_model`."""
    layers = {}
    for name in STUDENT_LAYERS:
        key = f"conv{name[5]}{name[-1]}"
        kernel = encoder[f"{key}.weight"].transpose(2, 3, 1, 0)
        layers[name] = (kernel, encoder[f"{key}.bias"])
    return weights.Weights("narrow", NARROW, layers, "")


def test_padding_reaches_exactly_the_border(encoder):
    """The same weights with zeros and with reflection: equal inside the border, not on it."""
    image = np.random.default_rng(3).uniform(size=(1, 192, 192, 3)).astype(np.float32)
    zeros = teachers.build_network(own_weights(encoder))(image)
    reflection = teachers.build_compressed(encoder)(image)
    reached = 0
    for name in STUDENT_LAYERS:
        scale = np.abs(reflection[name]).max()
        difference = np.abs(zeros[name] - reflection[name]).max(axis=(0, 1, 3)) / scale
        inside = distillation.cut(np.abs(zeros[name] - reflection[name]), border(name))
        assert inside.size and inside.max() < 1e-4 * scale, name
        reached += difference[border(name) - 1] > 1e-4
    assert reached == len(STUDENT_LAYERS)


def save_legacy(path, layers):
    """Write weights as the files of keras.applications have them."""
    with h5py.File(path, "w") as file:
        for name, arrays in layers.items():
            names = [f"{name}/{name}_{part}:0" for part in ("W", "b")]
            group = file.create_group(name)
            group.attrs["weight_names"] = [each.encode() for each in names]
            for each, array in zip(names, arrays):
                group[each] = array


@pytest.mark.parametrize("layout", ["numbered", "legacy"])
def test_keras_files_are_teachers(layout, encoder, tmp_path):
    path, layers = tmp_path / "teacher.weights.h5", own_weights(encoder).layers
    save_legacy(path, layers) if layout == "legacy" else weights.write(path, layers)
    teacher = teachers.load_teacher(path)
    assert tuple(teacher.output) == STUDENT_LAYERS
    assert np.array_equal(teacher.get_layer("block5_conv1").kernel, layers["block5_conv1"][0])


def test_whitening_against_numpy():
    features = np.random.default_rng(4).normal(size=(3, 12, 12, 2)).cumsum(axis=1)
    center, whitener, colorer = layerwise.whitening(features.astype(np.float32))
    patches = [
        features[b, y : y + 3, x : x + 3].ravel()
        for b in range(3)
        for y in range(10)
        for x in range(10)
    ]
    assert np.allclose(center, np.mean(patches, axis=0), atol=1e-5)
    white = (np.array(patches) - center) @ whitener
    assert np.allclose(white.T @ white / len(white), np.eye(18), atol=0.02)
    assert np.allclose(whitener @ colorer, np.eye(18), atol=1e-8)


def test_matching_loss_by_hand():
    target, output = np.array([2.0, 2.0, 0.0, 0.0]), np.array([3.0, -1.0, 0.5, -7.0])
    expected = (1**2 + 3**2 + 0.5**2 + 0) / 4 / 2
    assert np.isclose(float(layerwise.matching_loss(target, output)), expected)


@pytest.mark.parametrize("filters", [6, 4])
def test_a_layer_learns_and_goes_on_learning(filters):
    """With as many channels as the teacher it becomes the teacher's layer; with fewer, less."""
    keras.utils.set_random_seed(0)
    random = np.random.default_rng(5)
    features = np.maximum(random.normal(size=(80, 18, 18, 4)).cumsum(axis=2), 0)
    features = features.astype(np.float32)
    kernel = random.normal(size=(3, 3, 4, 6)).astype(np.float32)
    targets = np.maximum(ops.convert_to_numpy(ops.conv(features, kernel, padding="valid")), 0)
    targets /= np.sqrt(np.mean(targets**2))
    options = dict(filters=filters, steps=40)
    first = layerwise.train_layer(features[:72], targets[:72], rate=1.0, **options)
    second = layerwise.train_layer(features[:72], targets[:72], rate=0.3, start=first, **options)
    errors = [held_out_error(arrays, features[72:], targets[72:]) for arrays in (first, second)]
    assert errors[1] < errors[0] < (0.3 if filters == 6 else 0.7)
    if filters == 6:
        assert errors[1] < 0.01
    own = held_out_features(second[:2], features)
    assert 0.5 < np.mean(own**2) < 2


def held_out_features(arrays, features):
    return np.maximum(np.asarray(ops.conv(features, arrays[0], padding="valid")) + arrays[1], 0)


def held_out_error(arrays, features, targets):
    output = held_out_features(arrays[:2], features)
    if arrays[2:]:
        output = np.maximum(output @ arrays[2] + arrays[3], 0)
    return np.mean((output - targets) ** 2) / np.mean(targets**2)


def small_distillation(pictures, encoder, checkpoint, widths=(2, 4, 5, 5, 5)):
    """A distillation of the first layer, with a head unless the widths are the teacher's."""
    whole = teachers.build_compressed(encoder)
    teacher = keras.Model(whole.input, {"block1_conv1": whole.output["block1_conv1"]})
    options = dict(widths=widths, size=32, seed=0, checkpoint=checkpoint)
    return distillation.Distillation(pictures, teacher, **options)


@pytest.fixture
def eagerly():
    """Without graphs, whose building takes longer than a few steps."""
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


@pytest.mark.filterwarnings("ignore:Even though the `tf.config")  # Keras' batches have graphs
@pytest.mark.usefixtures("eagerly")
def test_a_resumed_distillation_gives_the_same_weights(pictures, encoder, tmp_path, monkeypatch):
    monkeypatch.setattr(distillation, "UNIT", 2)
    monkeypatch.setattr(distillation.Distillation, "measure", lambda *_: {})  # changes nothing
    plan = dict(rounds=1, crop_count=8, rate=1.0, layer_steps=3, steps=4, batch=2, joint_rate=0.01)
    units = list(distillation.plan(["block1_conv1"], **plan))
    whole = small_distillation(pictures, encoder, tmp_path / "whole.npz")
    whole.work(units[:2])
    shutil.copy(tmp_path / "whole.npz", tmp_path / "interrupted.npz")
    whole.work(units)
    resumed = small_distillation(pictures, encoder, tmp_path / "interrupted.npz")
    resumed.resume()
    assert resumed.done == 2
    resumed.work(units)
    assert resumed.done == whole.done == 3
    for ours, theirs in zip(resumed.arrays["block1_conv1"], whole.arrays["block1_conv1"]):
        assert np.array_equal(ours, theirs)
    resumed.widths = WIDTHS
    with pytest.raises(ValueError, match="widths"):
        resumed.resume()


def test_joint_steps_lower_the_held_out_error(pictures, encoder, tmp_path):
    run = small_distillation(pictures, encoder, tmp_path / "x.npz", widths=WIDTHS)
    layer = run.student().get_layer("block1_conv1")
    run.arrays["block1_conv1"] = [layer.kernel.numpy() / 100, layer.bias.numpy()]
    before = run.measure(4)
    run.joint_steps(40, first=0, batch=2, rate=3e-4)
    after = run.measure(4)
    assert all(after[key] < 0.9 * before[key] for key in before)


def test_relative_errors_leave_the_border_out(encoder):
    """Two networks that differ by their padding alone differ by nothing that counts."""
    image = np.random.default_rng(6).uniform(size=(2, 192, 192, 3)).astype(np.float32)
    student = teachers.build_network(own_weights(encoder))
    scales = dict.fromkeys(STUDENT_LAYERS, 1.0)
    teacher = teachers.build_compressed(encoder)
    model = JointModel(student, teacher, scales=scales, heads={})
    errors = model.errors(image)
    assert len(errors) == 18  # 13 layers, 5 Gram matrices
    assert max(float(error) for error in errors.values()) < 1e-6


def test_layers_that_lack_their_head_are_not_compared(encoder):
    image = np.random.default_rng(8).uniform(size=(1, 64, 64, 3)).astype(np.float32)
    teacher = teachers.build_compressed(encoder)
    names = STUDENT_LAYERS[:3]
    teacher = keras.Model(teacher.input, {name: teacher.output[name] for name in names})
    student = functions.build_model(names, dataclasses.replace(VGG19, widths=(2, *WIDTHS[1:])))
    heads = {"block1_conv2": (np.ones((2, 3), np.float32), np.zeros(3, np.float32))}
    model = JointModel(student, teacher, scales=dict.fromkeys(names, 1.0), heads=heads)
    assert list(model.errors(image)) == ["block1_conv2", "block2_conv1", "block2_conv1 gram"]


def test_relative_error_of_gram_matrices_by_hand():
    random = np.random.default_rng(7)
    value, target = random.normal(size=(2, 1, 6, 6, 3)).astype(np.float32)
    inner = [each[0, 1:-1, 1:-1].reshape(-1, 3) for each in (value, target)]
    ours, theirs = (each.T @ each / len(each) for each in inner)
    expected = np.sum((ours - theirs) ** 2) / np.sum(theirs**2)
    errors = relative_errors({"block1_conv1": value}, {"block1_conv1": target})
    assert np.isclose(errors["block1_conv1 gram"], expected, rtol=1e-4)


def test_crops_are_the_same_in_every_run(pictures):
    options = dict(size=48, batch=3, seed=1)
    whole = crops.Crops(pictures[0], first=0, count=6, **options)
    rest = crops.Crops(pictures[0], first=4, count=2, **options)
    assert np.array_equal(whole[5][0], rest[1][0])
    assert not np.array_equal(whole[4][0], whole[5][0])
    batch = whole[0][0]
    assert batch.shape == (3, 48, 48, 3) and batch.dtype == np.float32
    assert batch.min() >= 0 and batch.max() <= 1


def test_pictures_that_measure_are_not_trained_on(tmp_path):
    for index in range(40):
        Image.new("RGB", (20, 30), (index, 0, 0)).save(tmp_path / f"{index:02}.png")
    trained, held_out = crops.load_pictures([tmp_path])
    colors = [{int(each[0, 0, 0]) for each in part} for part in (trained, held_out)]
    assert colors[1] == {0, 32} and not colors[0] & colors[1]
    for path in list(tmp_path.iterdir())[1:]:
        path.unlink()
    with pytest.raises(ValueError, match="found 1 picture"):
        crops.load_pictures([tmp_path])


def test_evaluate_prints_a_table_and_reuses_pictures(encoder, encoder_file, pictures, tmp_path):
    for folder, picture in zip(("content", "style"), pictures[0]):
        (tmp_path / folder).mkdir()
        Image.fromarray(picture[:40, :48]).save(tmp_path / folder / "one.png")
    (tmp_path / "output").mkdir()
    Image.new("RGB", (48, 40)).save(tmp_path / "output" / "one-one-random.png")
    shutil.copy(tmp_path / "content" / "one.png", tmp_path / "output" / "one-one-teacher.png")
    weights.write(tmp_path / "compact.weights.h5", own_weights(encoder).layers, dtype=np.float16)
    arguments = ["evaluate", "--size", "48", "--steps", "20", "--reuse"]
    arguments += ["--teacher", encoder_file, "--weights", tmp_path / "compact.weights.h5"]
    for folder in ("content", "style", "output"):
        arguments += [f"--{folder}", tmp_path / folder]
    result = CliRunner().invoke(distill.main, list(map(str, arguments)), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    line = [line for line in result.output.splitlines() if "one-one" in line][-1]
    start, teacher, compact, random, ratio = map(float, line.split()[1:])
    assert teacher == start < random  # what it paints in so few steps is not always better
    assert ratio == pytest.approx(compact / teacher, rel=1e-2)
    with Image.open(tmp_path / "output" / "one-one-compact.png") as picture:
        assert picture.size == (48, 40)


def test_the_file_that_is_shipped():
    assert distill.COMPACT.stat().st_size <= 4_000_000
    network = weights.load(distill.COMPACT)
    assert tuple(network.layers) == STUDENT_LAYERS
    assert network.architecture.widths == tuple(map(int, distill.WIDTHS.split(",")))
    model = teachers.build_network(network)
    squares = {name: [] for name in STUDENT_LAYERS}
    for path in images.expand(PHOTOS):
        picture = load_picture(path, 192)
        for name, features in model(picture).items():
            squares[name].append(np.mean(np.square(features)))
    for name, values in squares.items():
        assert 0.2 < np.mean(values) < 5, name
