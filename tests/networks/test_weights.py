"""Weights: every layout gives Keras' own features, bad files are refused, downloads are checked."""

import contextlib
import hashlib
import http.server
import pickle
import shutil
import socket
import threading
import time
import zlib

import h5py
import keras
import numpy as np
import pytest
from conftest import SMALL_WIDTHS, within

import functions
from style_transfer import files
from style_transfer.networks import weights
from style_transfer.settings import LAYERS

DRAWN = weights.draw(1, SMALL_WIDTHS).layers
SMALL = {
    name: (kernel, np.random.default_rng(bias.size).random(bias.shape, np.float32))
    for name, (kernel, bias) in DRAWN.items()
}


@pytest.fixture(scope="module")
def oracle():
    """Keras' VGG19 with random weights, biases too."""
    model = keras.applications.VGG19(weights=None, include_top=False)
    generator = np.random.default_rng(0)
    for name in LAYERS:
        kernel, bias = model.get_layer(name).get_weights()
        model.get_layer(name).set_weights([kernel, generator.normal(0, 0.1, bias.shape)])
    return model


def check(loaded, path, layers):
    """Compare what was loaded from a file with the arrays that it should hold."""
    assert loaded.name == f"VGG19 ({path.name})" and list(loaded.layers) == list(layers)
    assert loaded.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    for name, expected in layers.items():
        for array, wanted in zip(loaded.layers[name], expected):
            assert array.dtype == np.float32
            np.testing.assert_array_equal(array, wanted)


@pytest.mark.parametrize("save", ["save_weights", "save"])
def test_what_keras_saves_gives_the_features_of_keras(oracle, tmp_path, save):
    path = tmp_path / {"save_weights": "vgg19.weights.h5", "save": "vgg19.h5"}[save]
    getattr(oracle, save)(path)
    loaded = weights.load(str(path))
    check(loaded, path, {name: oracle.get_layer(name).get_weights() for name in LAYERS})
    assert loaded.widths == functions.VGG19_WIDTHS
    if save == "save":
        return
    model = functions.build_model(LAYERS)
    loaded.assign(model)
    image = np.random.default_rng(0).random((1, 34, 50, 3), np.float32)
    outputs = [oracle.get_layer(name).output for name in LAYERS]
    prepared = keras.applications.vgg19.preprocess_input(image * 255)
    features = model(image)
    for name, expected in zip(LAYERS, keras.Model(oracle.inputs[0], outputs)(prepared)):
        error = np.abs(features[name] - expected).max()
        assert error <= 1e-5 * np.abs(expected).max(), name


@pytest.mark.parametrize("top", ["", "model_weights/"])
@pytest.mark.parametrize(
    "names",
    [
        ("{0}_W_1:0", "{0}_b_1:0"),  # the file published in 2016
        ("{0}/kernel:0", "{0}/bias:0"),  # Keras 2
        ("{0}/kernel", "{0}/bias"),  # Keras 3
    ],
)
def test_the_legacy_layout_of_every_version(tmp_path, top, names):
    path = tmp_path / "legacy.h5"
    with h5py.File(path, "w") as file:
        for layer, arrays in SMALL.items():
            group = file.create_group(f"{top}{layer}")
            keys = [name.format(layer) for name in names]
            group.attrs["weight_names"] = [key.encode() for key in keys]
            for key, array in zip(keys, arrays):
                group[key] = array
    check(weights.load(path), path, SMALL)


def test_what_was_written_is_read(tmp_path):
    path = tmp_path / "small.weights.h5"
    weights.write(path, SMALL)
    check(weights.load(path), path, SMALL)


def test_our_file_is_one_that_keras_loads(tmp_path):
    path = tmp_path / "small.weights.h5"
    weights.write(path, SMALL)
    model = functions.build_model(LAYERS, widths=SMALL_WIDTHS)
    model.load_weights(path)
    for name, expected in SMALL.items():
        for array, wanted in zip(model.get_layer(name).get_weights(), expected):
            np.testing.assert_array_equal(array, wanted)


@pytest.mark.parametrize("dtype", [np.float16, np.float64, ">f4"])
def test_other_kinds_of_floats_are_read_as_float32(tmp_path, dtype):
    path = tmp_path / "small.weights.h5"
    weights.write(path, SMALL, dtype=dtype)
    for name, arrays in weights.load(path).layers.items():
        for array, original in zip(arrays, SMALL[name]):
            assert array.dtype == np.float32
            np.testing.assert_array_equal(array, original.astype(dtype).astype(np.float32))
    if dtype == np.float16:
        assert path.stat().st_size < 2.5 * sum(kernel.size for kernel, _ in SMALL.values()) + 50_000


def test_a_file_may_end_before_the_last_layer(tmp_path):
    path = tmp_path / "short.weights.h5"
    weights.write(path, {name: SMALL[name] for name in LAYERS[:5]})
    loaded = weights.load(path)
    assert list(loaded.layers) == list(LAYERS[:5])
    assert loaded.widths == (4, 6, 8, 8, 8)
    loaded.assign(functions.build_model(LAYERS[:5], widths=loaded.widths))
    with pytest.raises(ValueError, match="short.weights.h5.* has no layer block3_conv2"):
        loaded.assign(functions.build_model(["block3_conv2"], widths=loaded.widths))


def test_random_weights_are_he_normal_and_seeded():
    drawn = weights.load("random", seed=5)
    channels = 3
    for name, (kernel, bias) in drawn.layers.items():
        assert kernel.shape == (3, 3, channels, bias.size) and not bias.any()
        assert kernel.dtype == bias.dtype == np.float32
        variance = 2 / (9 * channels)  # He et al., arXiv:1502.01852, equation 10
        assert abs(kernel.var() / variance - 1) < 5 * np.sqrt(2 / kernel.size), name
        assert abs(kernel.mean()) < 5 * np.sqrt(variance / kernel.size), name
        channels = bias.size
    assert drawn.widths == functions.VGG19_WIDTHS and "seed 5" in drawn.name
    small, same, other = (weights.draw(seed, SMALL_WIDTHS) for seed in (5, 5, 6))
    assert small.sha256 == same.sha256 != other.sha256
    for name in LAYERS:
        np.testing.assert_array_equal(small.layers[name][0], same.layers[name][0])
        assert (small.layers[name][0] != other.layers[name][0]).any()


FIRST = "layers/conv2d/vars"


@pytest.fixture
def small_file(tmp_path):
    """A file of small weights, which a test may damage."""
    path = tmp_path / "bad.weights.h5"
    weights.write(path, SMALL)
    return path


def refused(path):
    """Load a file that is to be refused, quickly and cheaply; return the message."""
    with within(seconds=1, megabytes=24), pytest.raises(files.FileError) as caught:
        weights.load(path)
    message = str(caught.value)
    assert message.isprintable() and message.startswith(f"{path}: ")
    assert "another --weights" in message
    return message


def replace(path, **arrays):
    with h5py.File(path, "r+") as file:
        for name, array in arrays.items():
            del file[FIRST][name]
            if array is not None:
                file[FIRST][name] = array


def test_truncated_files_are_refused(small_file):
    data = small_file.read_bytes()
    for length in (0, 7, 100, 2000, len(data) // 2, len(data) - 1):
        small_file.write_bytes(data[:length])
        refused(small_file)


class Surprise:
    """What a pickle can do when it is loaded."""

    def __reduce__(self):
        return open, ("surprise", "w")


@pytest.mark.parametrize(
    "data", [b"weights" * 99, pickle.dumps(Surprise()), b"PK\x03\x04" + bytes(99)]
)
def test_what_is_not_hdf5_is_refused(tmp_path, monkeypatch, data):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "weights.h5"
    path.write_bytes(data)
    assert "not a VGG19 weights file" in refused(path)
    assert [each.name for each in tmp_path.iterdir()] == ["weights.h5"]


KERNEL, BIAS = SMALL["block1_conv1"]


@pytest.mark.parametrize(
    "arrays, reason",
    [
        ({"0": KERNEL[:, :, :2]}, "block1_conv1 has shapes (3, 3, 2, 4) and (4,)"),
        ({"0": KERNEL[:2]}, "block1_conv1 has shapes"),
        ({"0": KERNEL[..., :3]}, "block1_conv1 has shapes"),
        ({"0": KERNEL[..., :3], "1": BIAS[:3]}, "block1_conv2 has shapes"),
        ({"0": KERNEL[..., :0], "1": BIAS[:0]}, "block1_conv2 has shapes"),
        ({"0": BIAS}, "block1_conv1 has shapes (4,) and (4,)"),
        ({"1": KERNEL}, "block1_conv1 has shapes"),
        ({"0": KERNEL.astype(int)}, "not an array of floats"),
        ({"0": KERNEL.astype("S4")}, "not an array of floats"),
        ({"0": np.array(["a", "b"], object)}, "not an array of floats"),
        ({"0": h5py.Empty("f")}, "has shapes"),
        ({"1": np.full(4, np.nan, np.float32)}, "not finite"),
        ({"1": np.full(4, 1e300)}, "not finite"),
        ({"1": None}, "bad.weights.h5"),
        ({"0": None, "1": None}, "bad.weights.h5"),
    ],
)
@pytest.mark.filterwarnings("ignore:overflow")
def test_wrong_arrays_are_refused(small_file, arrays, reason):
    replace(small_file, **arrays)
    assert reason in refused(small_file)


def test_a_third_array_and_a_group_in_place_of_one_are_refused(small_file):
    with h5py.File(small_file, "r+") as file:
        file[FIRST]["2"] = BIAS
    refused(small_file)
    with h5py.File(small_file, "r+") as file:
        del file[FIRST]["1"], file[FIRST]["2"]
        file[FIRST].create_group("1")
    assert "not an array of floats" in refused(small_file)


def test_a_file_of_something_else_is_refused(tmp_path):
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["dense/kernel"] = np.ones((3, 3), np.float32)
        file.create_dataset("block1_conv1", (4, 10**8), np.float32, chunks=(1, 100))
    assert "no layer block1_conv1" in refused(tmp_path / "other.h5")


@pytest.mark.parametrize("place", ["layers", "layers/conv2d", FIRST, f"{FIRST}/0"])
@pytest.mark.parametrize("kind", ["external", "soft"])
def test_links_are_not_followed(small_file, tmp_path, place, kind):
    whole = tmp_path / "whole.h5"
    shutil.copy(small_file, whole)
    with h5py.File(small_file, "r+") as file:
        file.move("layers", "elsewhere")
        moved = place.replace("layers", "elsewhere", 1)
        if kind == "soft":
            link = h5py.SoftLink(f"/{moved}")
        else:
            link = h5py.ExternalLink(str(whole), f"/{place}")
        if place != "layers":
            parent = place.rpartition("/")[0]
            file.copy("elsewhere", "layers")
            del file[place]
            assert parent in file
        file[place] = link
    assert "is a link" in refused(small_file)


def test_values_in_another_file_are_not_read(small_file, tmp_path):
    whole = tmp_path / "whole.h5"
    shutil.copy(small_file, whole)
    layout = h5py.VirtualLayout(KERNEL.shape, np.float32)
    layout[...] = h5py.VirtualSource(str(whole), f"{FIRST}/0", KERNEL.shape)
    for virtual in (True, False):
        with h5py.File(small_file, "r+") as file:
            del file[FIRST]["0"]
            if virtual:
                file[FIRST].create_virtual_dataset("0", layout)
            else:
                raw = [(str(tmp_path / "raw"), 0, h5py.h5f.UNLIMITED)]
                (tmp_path / "raw").write_bytes(KERNEL.tobytes())
                file[FIRST].create_dataset("0", KERNEL.shape, np.float32, external=raw)
        assert "another file" in refused(small_file)


def test_absurd_shapes_are_refused_before_anything_is_allocated(small_file):
    shapes = (10**9,), (3, 3, 3, 10**8), (4096,) * 4
    for shape in shapes:
        for position in ("0", "1"):
            weights.write(small_file, SMALL)
            with h5py.File(small_file, "r+") as file:
                del file[FIRST][position]
                chunks = tuple(min(side, 100) for side in shape)
                file[FIRST].create_dataset(position, shape, np.float32, chunks=chunks)
            assert small_file.stat().st_size < 100_000
            refused(small_file)
    with h5py.File(small_file, "w") as file:  # without chunks: nothing of it is in the file
        file.create_dataset(f"{FIRST}/0", (3, 3, 3, 10**8), np.float32)
        file.create_dataset(f"{FIRST}/1", (10**8,), np.float32)
    assert "block1_conv1 has shapes" in refused(small_file)


def test_a_compressed_bomb_is_refused(small_file):
    with h5py.File(small_file, "r+") as file:
        del file[FIRST]["1"]
        options = {"chunks": (4,), "compression": "gzip"}
        bias = file[FIRST].create_dataset("1", (4,), np.float32, **options)
        bias.id.write_direct_chunk((0,), zlib.compress(bytes(50_000_000)))
    assert "in chunks" in refused(small_file)


class Server:
    """A web server on this machine that counts what it is asked for."""

    def __init__(self, data, *, stall=False):
        server = self
        self.asked = []

        class Answer(http.server.BaseHTTPRequestHandler):
            def do_HEAD(self):
                server.asked.append(self.command)
                self.send_response(200)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()

            def do_GET(self):
                self.do_HEAD()
                if stall:
                    self.wfile.write(data[: len(data) // 2])
                    server.done.wait(20)
                else:
                    self.wfile.write(data)

            def log_message(self, *_):
                pass

        self.done = threading.Event()
        self.http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer)
        self.address = f"http://127.0.0.1:{self.http.server_port}/{weights.IMAGENET_FILE}"
        threading.Thread(target=self.http.serve_forever, args=[0.02], daemon=True).start()

    def close(self):
        self.done.set()
        self.http.shutdown()
        self.http.server_close()


@pytest.fixture
def serve(monkeypatch, small_file):
    """A function that serves bytes (by default weights) where ImageNet's are looked for."""
    servers = []
    genuine = small_file.read_bytes()
    monkeypatch.setattr(weights, "IMAGENET_MD5", hashlib.md5(genuine).hexdigest())

    def serve(data=genuine, **options):
        servers.append(Server(data, **options))
        monkeypatch.setattr(weights, "IMAGENET_ADDRESS", servers[-1].address)
        return servers[-1]

    yield serve
    for server in servers:
        server.close()


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty home of Keras; returns where the ImageNet file goes. No proxy is asked."""
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("no_proxy", "*")
    return tmp_path / "home" / "models" / weights.IMAGENET_FILE


def fails(ask=lambda: weights.load("imagenet")):
    """Ask for the ImageNet weights in vain; return the message."""
    with pytest.raises(files.FileError) as caught:
        ask()
    message = str(caught.value)
    assert message.isprintable() and message.startswith(f"{weights.IMAGENET_FILE}: ")
    assert weights.IMAGENET_ADDRESS in message and "or choose another --weights" in message
    return message


def test_the_download_is_cached_and_asked_for_once(serve, cache, capfd):
    server = serve()
    for source in ("imagenet", "auto", "imagenet"):
        loaded = weights.load(source)
        assert loaded.name == "VGG19 (ImageNet)"
        np.testing.assert_array_equal(loaded.layers["block5_conv4"][0], SMALL["block5_conv4"][0])
    assert server.asked == ["HEAD", "GET"]
    assert loaded.sha256 == hashlib.sha256(cache.read_bytes()).hexdigest()
    assert "Downloading" in capfd.readouterr().out
    assert socket.getdefaulttimeout() is None


def test_a_cached_file_needs_neither_network_nor_permission_to_write(serve, cache, small_file):
    cache.parent.mkdir(parents=True)
    shutil.copy(small_file, cache)
    cache.parent.parent.chmod(0o500)
    server = serve()
    weights.load("imagenet")
    cache.parent.parent.chmod(0o700)
    assert server.asked == []


def test_a_damaged_cached_file_is_fetched_anew(serve, cache, small_file):
    cache.parent.mkdir(parents=True)
    cache.write_bytes(small_file.read_bytes()[:-1] + b"x")
    assert serve().asked == []
    weights.load("imagenet")
    assert cache.read_bytes() == small_file.read_bytes()


def test_a_download_with_a_wrong_digest_is_refused(serve, cache):
    serve(b"not the weights")
    assert "hash" in fails()


def test_a_download_that_stalls_is_given_up_and_leaves_nothing(serve, cache, monkeypatch):
    monkeypatch.setattr(weights, "SECONDS_TO_ANSWER", 0.5)
    serve(stall=True)
    start = time.monotonic()
    assert "timed out" in fails()
    assert time.monotonic() - start < 5
    assert list(cache.parent.iterdir()) == []


@pytest.mark.parametrize("damaged", [False, True])
def test_without_a_network_one_line_says_what_to_do(cache, monkeypatch, damaged):
    monkeypatch.setattr(weights, "IMAGENET_ADDRESS", "http://127.0.0.1:9/vgg19.h5")
    if damaged:
        cache.parent.mkdir(parents=True)
        cache.write_bytes(b"half of it")
    message = fails()
    assert "refused" in message and str(cache.parent) in message
    assert ("is damaged in" if damaged else "is not in") in message


def test_auto_takes_the_compact_network_where_the_full_one_is_out_of_reach(
    serve, cache, monkeypatch, small_file
):
    monkeypatch.setattr(weights, "COMPACT_FILE", small_file)
    address = serve().address
    monkeypatch.setattr(weights, "IMAGENET_ADDRESS", "http://127.0.0.1:9/vgg19.h5")
    loaded = weights.load("auto")
    assert loaded.name == weights.load("compact").name == "compact VGG19"
    assert "cannot be downloaded" in loaded.notice and loaded.notice.isprintable()
    np.testing.assert_array_equal(loaded.layers["block1_conv1"][0], KERNEL)
    monkeypatch.setattr(weights, "IMAGENET_ADDRESS", address)
    assert weights.load("auto").notice == ""


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 200 OK\r\n", b"nonsense\r\n\r\n"])
def test_a_server_that_never_answers_properly_is_given_up(cache, monkeypatch, answer, capfd):
    assert weights.SECONDS_FOR_AUTO < weights.SECONDS_TO_ANSWER < 10  # of the 15 there are
    over = threading.Event()

    def drip(connection):
        connection.sendall(answer)
        while answer.startswith(b"HTTP") and not over.wait(0.1):
            connection.sendall(b"X: more\r\n")  # each in time, and the answer never ends
        over.wait(10)

    def accept():
        with listener.accept()[0] as connection, contextlib.suppress(OSError):
            drip(connection)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = f"http://127.0.0.1:{listener.getsockname()[1]}/vgg19.h5"
        monkeypatch.setattr(weights, "IMAGENET_ADDRESS", address)
        thread = threading.Thread(target=accept)
        thread.start()
        start = time.monotonic()
        message = fails(lambda: weights.imagenet_file(0.8))
        assert time.monotonic() - start < 2
        assert ("nonsense" in message) == answer.startswith(b"nonsense")
        over.set()
        thread.join()
    assert capfd.readouterr().err == ""
