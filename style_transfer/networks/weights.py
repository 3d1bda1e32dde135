"""Where the network's weights come from: ImageNet, the bundled compact network, a file, chance."""

import dataclasses
import hashlib
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

from style_transfer import files
from style_transfer.settings import CONVOLUTIONS, LAYERS, VGG19_WIDTHS, block_of

NAMES = ("imagenet", "compact", "auto", "random")  # anything else is the path of a file
IMAGENET_FILE = "vgg19_weights_tf_dim_ordering_tf_kernels_notop.h5"
IMAGENET_ADDRESS = (
    f"https://storage.googleapis.com/tensorflow/keras-applications/vgg19/{IMAGENET_FILE}"
)
IMAGENET_MD5 = "253f8cb515780f3b799900260a226db6"  # as in keras.applications.vgg19
COMPACT_FILE = Path(__file__).resolve().parents[2] / "data" / "weights" / "vgg19_compact.weights.h5"
SECONDS_TO_ANSWER = 8.0
SECONDS_FOR_AUTO = 3.0  # `auto` has something else to offer, and does not keep people waiting
MAX_CHANNELS = 512  # VGG19's own; a file that claims more is not one
REMEDY = "give VGG19 weights in Keras' .h5 or .weights.h5 layout, or another --weights"


@dataclass(frozen=True)
class Weights:
    """The weights of VGG19's convolutions, or of the first of them.

    Attributes:
        name: for people, such as `VGG19 (ImageNet)`.
        layers: from layer name to (kernel (3, 3, in, out), bias (out,)), float32.
        sha256: of the file, or of the arrays where there is none.
        source: what `load` was asked for, but what it found where that was `auto`.
        notice: what the user should know about the choice, if anything.
    """

    name: str
    layers: dict
    sha256: str
    source: str = ""
    notice: str = ""

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
        source: `imagenet`, `compact`, `auto` (the first if it is there or can be downloaded
            now, else the second), `random`, or the path of a file.
        seed: of the random draw.

    Raises:
        files.FileError: the file is missing, damaged, or not VGG19's; or it cannot be had.
    """
    if source == "auto":
        return load_best()
    if source == "random":
        found = draw(seed)
    elif source == "imagenet":
        found = read(imagenet_file(), name="VGG19 (ImageNet)")
    elif source == "compact":
        found = read(COMPACT_FILE, name="compact VGG19")
    else:
        found = read(source, name=f"VGG19 ({files.printable(Path(source).name)})")
    return dataclasses.replace(found, source=source)


def load_best():
    """Load the ImageNet weights if they can be had at once, else the compact network."""
    try:
        found = read(imagenet_file(SECONDS_FOR_AUTO), name="VGG19 (ImageNet)")
    except files.FileError:
        notice = (
            "the full VGG19 cannot be downloaded now, so the bundled compact network is used; "
            "--weights imagenet says why, --weights compact takes it without asking"
        )
        return dataclasses.replace(load("compact"), notice=notice)
    return dataclasses.replace(found, source="imagenet")


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
    except Exception as error:  # HDF5 raises all kinds of errors for a damaged file
        reason = f"is not a VGG19 weights file ({error})"
        raise files.FileError(path, reason, REMEDY) from None
    return Weights(name, layers, files.sha256(data))


def read_layers(file):
    """Read the convolutions in order, until the file has no more: {name: (kernel, bias)}."""
    layers = {}
    channels = 3
    for index, name in enumerate(LAYERS):
        arrays = find_arrays(file, name, index)
        if arrays is None:
            break
        kernel, bias = arrays
        width = bias.size
        if bias.ndim != 1 or width > MAX_CHANNELS or kernel.shape != (3, 3, channels, width):
            raise ValueError(f"{name} has shapes {kernel.shape} and {bias.shape}")
        layers[name] = (read_array(kernel), read_array(bias))
        channels = width
    if not layers:
        raise ValueError("it has no layer block1_conv1")
    return layers


def find_arrays(file, name, index):
    """Find the kernel and the bias of a layer, unread; None if the file has no such layer.

    `.weights.h5` numbers the convolutions; the legacy layout has a group for each layer, at the
    root or, in a file that holds a whole model, in `model_weights`; Keras 2 and 3 repeat the
    name within. What is the kernel and what the bias is told by the number of axes, since the
    arrays have had other names in every version.
    """
    numbered = f"layers/conv2d_{index}/vars" if index else "layers/conv2d/vars"
    twice = f"{name}/{name}"
    for path in (numbered, twice, name, f"model_weights/{twice}", f"model_weights/{name}"):
        group = follow(file, path)
        if isinstance(group, h5py.Group):
            arrays = [find_array(group, key) for key in group]
            bias, kernel = sorted(arrays, key=lambda array: array.ndim)  # or raises ValueError
            return kernel, bias
    return None


def follow(group, path):
    """Return what lies at a path, or None; a link on the way could lead to another file."""
    for part in path.split("/"):
        link = group.get(part, getlink=True) if isinstance(group, h5py.Group) else None
        if link is None:
            return None
        if not isinstance(link, h5py.HardLink):
            raise ValueError(f"{part} is a link")
        group = group[part]
    return group


def find_array(group, name):
    """Return a dataset of floats, unread, whose values lie in this very file as they are."""
    dataset = follow(group, name)
    if not isinstance(dataset, h5py.Dataset) or dataset.dtype.kind != "f":
        raise ValueError(f"{name} is not an array of floats")
    if dataset.external or dataset.is_virtual:
        raise ValueError(f"{name} lies in another file")
    if dataset.chunks:  # unpacked, a few of them could fill the memory; Keras writes none
        raise ValueError(f"{name} is in chunks")
    return dataset


def read_array(dataset):
    """Read a dataset as float32, once its declared shape was looked at."""
    array = dataset[()].astype(np.float32)
    if not np.isfinite(array).all():
        raise ValueError(f"{dataset.name} holds values that are not finite")
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


def imagenet_file(patience=SECONDS_TO_ANSWER):
    """Return the path of Keras' own ImageNet file, downloaded into Keras' cache if need be.

    Args:
        patience: how many seconds the server has to answer.

    Raises:
        files.FileError: it is not there and cannot be downloaded; comes within 15 seconds.
    """
    home = Path(os.environ.get("KERAS_HOME", "~/.keras")).expanduser()
    cached = home / "models" / IMAGENET_FILE
    try:
        if is_intact(cached):
            return cached
        check_reachable(IMAGENET_ADDRESS, patience)
        return download(home)
    except Exception as error:  # Keras raises a bare Exception where a download fails
        state = "is damaged" if cached.exists() else "is not"
        reason = f"{state} in {cached.parent} and cannot be downloaded ({error})"
        remedy = f"put {IMAGENET_ADDRESS} there, or choose another --weights"
        raise files.FileError(IMAGENET_FILE, reason, remedy) from None


def is_intact(path):
    """Tell whether the ImageNet file is there and whole."""
    if not path.is_file():
        return False
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "md5").hexdigest() == IMAGENET_MD5


def check_reachable(address, patience):
    """Raise OSError unless the server answers within `patience` seconds.

    In a thread, since looking up a name cannot be given a time limit.
    """
    outcome = ["no answer from the network"]

    def ask():
        try:
            request = urllib.request.Request(address, method="HEAD")
            urllib.request.urlopen(request, timeout=patience).close()
            outcome[0] = None
        except Exception as error:  # not only OSError: http.client has errors of its own
            outcome[0] = str(error) or type(error).__name__

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(patience)
    if outcome[0]:
        raise OSError(outcome[0])


def download(home):
    """Let Keras fetch the ImageNet file into its cache and check it; return the path."""
    import keras  # slow to import, and needed for this file only

    home.mkdir(parents=True, exist_ok=True)  # without it, Keras would take a folder in /tmp
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(SECONDS_TO_ANSWER)  # of each read: a dead line is not waited for
    try:
        return keras.utils.get_file(
            IMAGENET_FILE,
            IMAGENET_ADDRESS,
            file_hash=IMAGENET_MD5,
            cache_dir=home,
            cache_subdir="models",
        )
    finally:
        socket.setdefaulttimeout(before)
