"""Where weights come from: chance, the compact network, ImageNet; `auto` asks no network."""

import dataclasses
import hashlib
import math
import re
import socket
import threading

import h5py
import numpy as np
import pytest
from conftest import ROOT, SMALL_VGG19
from small import DRAWN, SMALL, SMALL_VGG16
from webserver import Server

import functions
from style_transfer import files
from style_transfer.method.architecture import ARCHITECTURES, VGG16, VGG19
from style_transfer.networks import weights


@pytest.fixture
def small_file(tmp_path):
    """A file of small weights."""
    path = tmp_path / "bad.weights.h5"
    weights.write(path, SMALL)
    return path


@pytest.mark.parametrize("architecture", ARCHITECTURES.values(), ids=lambda each: each.name)
def test_random_weights_are_he_normal_and_seeded(architecture):
    architecture = dataclasses.replace(architecture, widths=(16, 32, 64, 128, 128))
    drawn = weights.draw(5, architecture)
    generator = np.random.default_rng(5)
    channels = 3
    for name, (kernel, bias) in drawn.layers.items():
        shape = (3, 3, channels, architecture.width(name))
        variance = 2 / (9 * channels)  # He et al., arXiv:1502.01852, equation 10
        expected = generator.normal(0, math.sqrt(variance), shape).astype(np.float32)
        np.testing.assert_array_equal(kernel, expected)
        assert not bias.any() and bias.shape == shape[3:]
        assert kernel.dtype == bias.dtype == np.float32
        assert abs(kernel.var() / variance - 1) < 5 * np.sqrt(2 / kernel.size), name
        channels = bias.size
    assert drawn.name == f"{architecture.name} (random, seed 5)"
    same, other = weights.draw(5, architecture), weights.draw(6, architecture)
    assert drawn.sha256 == same.sha256 != other.sha256


def test_the_compact_network_is_that_of_its_card():
    loaded = weights.load("compact")
    card = (ROOT / "data" / "weights" / "README.md").read_text()
    assert re.search("SHA-256: `(.*)`", card).group(1) == loaded.sha256
    assert loaded.name == "compact VGG19" and loaded.source == "compact"
    assert loaded.architecture == dataclasses.replace(VGG19, widths=(16, 32, 64, 128, 128))
    assert list(loaded.layers) == list(VGG19.layers[:13])
    with h5py.File(ROOT / "data" / "weights" / "vgg19_compact.weights.h5") as file:
        for index, pair in enumerate(loaded.layers.values()):
            group = file["layers"][f"conv2d_{index}" if index else "conv2d"]
            for position, array in enumerate(pair):
                np.testing.assert_array_equal(array, group[f"vars/{position}"][()])


def test_the_compact_network_has_heads_to_the_channels_of_vgg19():
    """Of the five layers of the style; Keras reads the same file, and leaves them alone."""
    loaded = weights.load("compact")
    shapes = {name: (kernel.shape, bias.shape) for name, (kernel, bias) in loaded.heads.items()}
    assert shapes == {
        f"block{block}_conv1": ((narrow, wide), (wide,))
        for block, (narrow, wide) in enumerate(zip(loaded.architecture.widths, VGG19.widths), 1)
    }
    model = functions.build_model(list(loaded.layers), loaded.architecture)
    model.load_weights(weights.COMPACT_FILES["VGG19"])
    for name, pair in loaded.layers.items():
        for array, expected in zip(model.get_layer(name).get_weights(), pair, strict=True):
            np.testing.assert_array_equal(array, expected)


@pytest.fixture
def reads(monkeypatch):
    """The paths of the files that were read."""
    paths = []
    read = files.read
    monkeypatch.setattr(
        files, "read", lambda path, **rest: paths.append(path) or read(path, **rest)
    )
    return paths


def test_a_file_is_read_again_only_when_it_has_changed(small_file, reads):
    first, again = weights.load(small_file), weights.load(small_file)
    assert reads == [small_file]
    kernel = first.layers["block1_conv1"][0]
    assert again.layers["block1_conv1"][0] is kernel
    with pytest.raises(ValueError, match="read-only"):
        kernel[:] = 0
    weights.write(small_file, DRAWN)
    assert weights.load(small_file).sha256 != first.sha256
    small_file.unlink()
    with pytest.raises(files.FileError, match="no such file"):
        weights.load(small_file)


def test_random_weights_are_kept_by_seed_and_architecture():
    drawn = weights.load("random", architecture=SMALL_VGG19, seed=1)
    assert weights.load("random", architecture=SMALL_VGG19, seed=1).layers is drawn.layers
    assert weights.load("random", architecture=SMALL_VGG19, seed=2).sha256 != drawn.sha256
    assert weights.load("random", architecture=SMALL_VGG16, seed=1).architecture == SMALL_VGG16
    assert drawn.source == "random"


@pytest.fixture
def release(monkeypatch, tmp_path, small_file):
    """A function that gives a small file the place of VGG19's ImageNet file, at an address.

    Keras' home is empty; the function returns where the file goes. No proxy is asked.
    """
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("no_proxy", "*")
    md5 = hashlib.md5(small_file.read_bytes()).hexdigest()

    def release(address="http://127.0.0.1:9/models/weights.h5"):
        monkeypatch.setitem(weights.IMAGENET, "VGG19", weights.Release(address, md5, 80))
        return tmp_path / "home" / "models" / "weights.h5"

    return release


@pytest.fixture
def no_network(monkeypatch):
    """Fail if anything looks up a name or connects, in whatever thread."""
    asked = []

    def refuse(*arguments, **_):
        asked.append(arguments)
        raise OSError("no network in this test")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    yield
    assert asked == []


def put(path, data):
    """Put a file in Keras' cache."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def test_imagenet_is_downloaded_once_even_by_several_threads(release, small_file, reads):
    told, loaded = [], []

    def load():
        keywords = {"progress": lambda *numbers: told.append(numbers)}
        loaded.append(weights.load("imagenet", **keywords))

    with Server(small_file.read_bytes()) as server:
        path = release(server.address)
        threads = [threading.Thread(target=load) for _ in range(4)]
        for each in threads:
            each.start()
        for each in threads:
            each.join()
        assert len(server.asked) == 1
    assert path.read_bytes() == small_file.read_bytes()
    assert reads == [path]
    size = path.stat().st_size
    assert told[0] == (0, size) and told[-1] == (size, size) and told == sorted(told)
    for each in loaded:
        assert each.name == "VGG19 (ImageNet)" and each.source == "imagenet"
        assert each.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
        assert each.architecture == SMALL_VGG19


def test_imagenet_that_cannot_be_had_is_one_line(release):
    path = release()
    with pytest.raises(files.FileError) as caught:
        weights.load("imagenet")
    message = str(caught.value)
    assert message.startswith(f"weights.h5: is not in {path.parent} and cannot be downloaded (")
    assert message.endswith("/weights.h5 there, or choose another --weights")


@pytest.mark.parametrize("state", ["absent", "damaged", "a folder"])
def test_auto_is_the_compact_network_without_a_network(release, no_network, small_file, state):
    path = release()
    if state == "damaged":
        put(path, small_file.read_bytes()[:-1] + b"x")
    if state == "a folder":
        path.mkdir(parents=True)
    before = sorted(path.parent.glob("*"))
    loaded = weights.load("auto")
    assert (loaded.name, loaded.source) == ("compact VGG19", "compact")
    assert loaded.layers is weights.load("compact").layers
    assert sorted(path.parent.glob("*")) == before


def test_auto_is_imagenet_where_its_file_lies_intact(release, no_network, small_file, reads):
    path = release()
    put(path, small_file.read_bytes())
    for source in ("auto", "imagenet", "auto"):
        loaded = weights.load(source)
        assert (loaded.name, loaded.source) == ("VGG19 (ImageNet)", "imagenet")
    assert reads == [path]
    np.testing.assert_array_equal(loaded.layers["block1_conv1"][0], SMALL["block1_conv1"][0])


def test_auto_is_decided_once(release, no_network, small_file, monkeypatch, tmp_path):
    path = release()
    assert weights.resolve("auto") == "compact"
    put(path, small_file.read_bytes())
    assert weights.resolve("auto") == weights.load("auto").source == "compact"
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "other"))
    put(tmp_path / "other" / "models" / path.name, small_file.read_bytes())
    assert weights.resolve("auto") == "imagenet"
    (tmp_path / "other" / "models" / path.name).unlink()
    with pytest.raises(files.FileError, match="no such file"):
        weights.load("auto")


@pytest.mark.parametrize("source", ["auto", "compact"])
def test_there_is_no_compact_vgg16(release, no_network, source):
    release()
    with pytest.raises(ValueError) as caught:
        weights.load(source, architecture=VGG16)
    remedy = "--weights imagenet downloads it (59 MB), or give a file"
    assert str(caught.value) == f"there is no compact VGG16; {remedy}"


def test_auto_finds_vgg16_where_it_lies_intact(release, no_network, monkeypatch, small_file):
    path = release()
    weights.write(small_file, weights.draw(0, SMALL_VGG16).layers)
    put(path, small_file.read_bytes())
    md5 = hashlib.md5(small_file.read_bytes()).hexdigest()
    there = weights.Release("http://127.0.0.1:9/weights.h5", md5, 59)
    monkeypatch.setitem(weights.IMAGENET, "VGG16", there)
    loaded = weights.load("auto", architecture=VGG16)
    assert loaded.name == "VGG16 (ImageNet)" and loaded.architecture == SMALL_VGG16


def test_the_releases_are_those_of_keras(monkeypatch):
    for architecture in ARCHITECTURES.values():
        asked = []

        def note(name, address, *, asked=asked, **rest):
            asked.append((name, address, rest["file_hash"]))
            raise InterruptedError

        module = __import__(f"keras.src.applications.{architecture.name.lower()}", fromlist=["*"])
        monkeypatch.setattr(module.file_utils, "get_file", note)
        with pytest.raises(InterruptedError):
            getattr(module, architecture.name)(include_top=False)
        release = weights.IMAGENET[architecture.name]
        assert asked == [(release.address.rpartition("/")[2], release.address, release.md5)]
