"""Where the network's weights come from: ImageNet, a file, or a seeded random draw."""

import io
import math
import os
import socket
import threading
import urllib.request
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

import files
from settings import CONVOLUTIONS, LAYERS, VGG19_WIDTHS, block_of

IMAGENET_FILE = "vgg19_weights_tf_dim_ordering_tf_kernels_notop.h5"
IMAGENET_ADDRESS = (
    f"https://storage.googleapis.com/tensorflow/keras-applications/vgg19/{IMAGENET_FILE}"
)
IMAGENET_MD5 = "253f8cb515780f3b799900260a226db6"  # as in keras.applications.vgg19
SECONDS_TO_ANSWER = 8.0
MAX_CHANNELS = 4096  # more than any VGG has; a file that claims more is not one
REMEDY = "give VGG19 weights in Keras' .h5 or .weights.h5 layout, or another --weights"


@dataclass(frozen=True)
class Weights:
    """The weights of VGG19's convolutions, or of the first of them.

    Attributes:
        name: for people, such as `VGG19 (ImageNet)`.
        layers: from layer name to (kernel (3, 3, in, out), bias (out,)), float32.
        sha256: of the file, or of the arrays where there is none.
    """

    name: str
    layers: dict
    sha256: str

    @property
    def widths(self):
        """Channels in each of the five blocks; a block that is not there counts as the last."""
        first = [f"block{block}_conv1" for block in range(1, len(CONVOLUTIONS) + 1)]
        widths = [self.layers[name][1].size for name in first if name in self.layers]
        return (*widths, *widths[-1:] * (len(CONVOLUTIONS) - len(widths)))

    def assign(self, model):
        """Give the weights to a model of `functions.build_model`.

        Raises:
            ValueError: the file ends before the deepest layer that the model has.
        """
        for layer in model.layers:
            if layer.name in LAYERS:
                if layer.name not in self.layers:
                    raise ValueError(f"{self.name} has no layer {layer.name}")
                layer.set_weights(self.layers[layer.name])


def load(source, *, seed=0):
    """Load weights by name or from a file.

    Args:
        source: `imagenet` (or `auto`), `random`, or the path of a file.
        seed: of the random draw.

    Raises:
        files.FileError: the file is missing, damaged, or not VGG19's; or it cannot be had.
    """
    if source == "random":
        return draw(seed)
    if source in ("auto", "imagenet"):
        return read(imagenet_file(), name="VGG19 (ImageNet)")
    return read(source, name=f"VGG19 ({files.printable(Path(source).name)})")


def draw(seed, widths=VGG19_WIDTHS):
    """Draw random weights, He-normal (He et al., arXiv:1502.01852): variance 2 / inputs."""
    generator = np.random.default_rng(seed)
    layers = {}
    channels = 3
    for name in LAYERS:
        width = widths[block_of(name) - 1]
        deviation = math.sqrt(2.0 / (9 * channels))
        kernel = generator.normal(0.0, deviation, (3, 3, channels, width)).astype(np.float32)
        layers[name] = (kernel, np.zeros(width, np.float32))
        channels = width
    digest = files.sha256(b"".join(kernel.tobytes() for kernel, _ in layers.values()))
    return Weights(f"VGG19 (random, seed {seed})", layers, digest)


def read(path, *, name):
    """Read a weights file: Keras' legacy `.h5` layout or its `.weights.h5` layout.

    Only arrays of numbers are read, each after a look at its declared shape; nothing in the
    file is run and no other file is followed to.
    """
    data = files.read(path, remedy=REMEDY)
    try:
        with h5py.File(io.BytesIO(data), "r") as file:
            layers = read_layers(file)
    except (OSError, KeyError, ValueError, TypeError, RuntimeError) as error:
        reason = f"is not a VGG19 weights file ({error})"
        raise files.FileError(path, reason, REMEDY) from None
    return Weights(name, layers, files.sha256(data))


def read_layers(file):
    """Read the convolutions in order, until the file has no more: {name: (kernel, bias)}."""
    layers = {}
    channels = 3
    for index, name in enumerate(LAYERS):
        paths = array_paths(file, name, index)
        if paths is None:
            break
        kernel, bias = (read_array(file, path) for path in paths)
        if bias.ndim != 1 or kernel.shape != (3, 3, channels, bias.size):
            raise ValueError(f"{name} has a kernel of shape {kernel.shape}")
        layers[name] = (kernel, bias)
        channels = bias.size
    if not layers:
        raise ValueError("it has no layer block1_conv1")
    return layers


def array_paths(file, name, index):
    """Find where a file keeps the kernel and the bias of a layer; None if it has none.

    `.weights.h5` numbers the convolutions; the legacy layout has a group for each layer, which
    lists its arrays, at the root or, in a file that holds a whole model, in `model_weights`.
    """
    numbered = f"layers/conv2d_{index}" if index else "layers/conv2d"
    if f"{numbered}/vars" in file:
        return f"{numbered}/vars/0", f"{numbered}/vars/1"
    for group in (name, f"model_weights/{name}"):
        if group in file:
            names = [os.fsdecode(each) for each in file[group].attrs["weight_names"]]
            kernel, bias = names  # raises ValueError if there are not two
            return f"{group}/{kernel}", f"{group}/{bias}"
    return None


def read_array(file, path):
    """Read an array of floats as float32, after a look at what it claims to be."""
    if not isinstance(file.get(path, getlink=True), h5py.HardLink):
        raise ValueError(f"{path} is a link")
    dataset = file[path]
    if not isinstance(dataset, h5py.Dataset) or dataset.dtype.kind != "f":
        raise ValueError(f"{path} is not an array of floats")
    if dataset.external or dataset.is_virtual:
        raise ValueError(f"{path} lies in another file")
    if max(dataset.shape, default=0) > MAX_CHANNELS:
        raise ValueError(f"{path} claims to be of shape {dataset.shape}")
    array = dataset[()].astype(np.float32)
    if not np.isfinite(array).all():
        raise ValueError(f"{path} holds values that are not finite")
    return array


def write(path, layers, *, dtype=np.float32):
    """Write weights in Keras' `.weights.h5` layout, whole or not at all.

    Args:
        layers: from layer name to (kernel, bias), in the order of `settings.LAYERS`.
        dtype: of the arrays in the file; `read` gives float32 in any case.
    """
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        for index, arrays in enumerate(layers.values()):
            for position, array in enumerate(arrays):
                group = f"layers/conv2d_{index}" if index else "layers/conv2d"
                file[f"{group}/vars/{position}"] = np.asarray(array, dtype)
    with files.writing(path) as file:
        file.write(buffer.getvalue())


def imagenet_file():
    """Return the path of Keras' own ImageNet file, downloaded into Keras' cache if need be.

    Raises:
        files.FileError: it is not there and cannot be downloaded; comes within 15 seconds.
    """
    home = Path(os.environ.get("KERAS_HOME", "~/.keras")).expanduser()
    cached = home / "models" / IMAGENET_FILE
    try:
        if not cached.exists():
            check_reachable(IMAGENET_ADDRESS)
        return download()
    except Exception as error:  # Keras raises a bare Exception where a download fails
        reason = f"not in {cached.parent} and cannot be downloaded ({error})"
        remedy = f"put {IMAGENET_ADDRESS} there, or choose another --weights"
        raise files.FileError(IMAGENET_FILE, reason, remedy) from None


def check_reachable(address):
    """Raise OSError unless the server answers in time.

    In a thread, since looking up a name cannot be given a time limit.
    """
    outcome = ["no answer from the network"]

    def ask():
        try:
            request = urllib.request.Request(address, method="HEAD")
            urllib.request.urlopen(request, timeout=SECONDS_TO_ANSWER).close()
            outcome[0] = None
        except OSError as error:
            outcome[0] = str(error)

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(SECONDS_TO_ANSWER)
    if outcome[0]:
        raise OSError(outcome[0])


def download():
    """Let Keras fetch the ImageNet file, or find it in its cache, and check its digest."""
    import keras  # slow to import, and needed for this file only

    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(SECONDS_TO_ANSWER)  # of each read: a dead line is not waited for
    try:
        return keras.utils.get_file(
            IMAGENET_FILE, IMAGENET_ADDRESS, cache_subdir="models", file_hash=IMAGENET_MD5
        )
    finally:
        socket.setdefaulttimeout(before)
