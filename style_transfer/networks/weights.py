"""Where a network's weights come from: ImageNet, the bundled compact network, a file, chance."""

import dataclasses
import functools
import io
import math
import os
import threading
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

from style_transfer import files
from style_transfer.method.architecture import ARCHITECTURES, VGG16, VGG19, Architecture
from style_transfer.networks import downloads, hdf5, layouts

NAMES = ("imagenet", "compact", "auto", "random")  # anything else is the path of a file
COMPACT_FILES = {
    VGG19.name: Path(__file__).resolve().parents[2]
    / "data"
    / "weights"
    / "vgg19_compact.weights.h5"
}
LOADING = threading.Lock()  # threads that want the same file read and download it once


@dataclass(frozen=True)
class Release:
    """A file of trained weights on the web.

    Attributes:
        address: where it is.
        md5: its checksum, in hexadecimal digits.
        megabytes: its size, for people.
    """

    address: str
    md5: str
    megabytes: int


STORE = "https://storage.googleapis.com/tensorflow/keras-applications"
IMAGENET = {  # as in keras.applications, without the classifier
    VGG16.name: Release(
        f"{STORE}/vgg16/vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5",
        "6d6bbae143d832006294945121d1f1fc",
        59,
    ),
    VGG19.name: Release(
        f"{STORE}/vgg19/vgg19_weights_tf_dim_ordering_tf_kernels_notop.h5",
        "253f8cb515780f3b799900260a226db6",
        80,
    ),
}


@dataclass(frozen=True)
class Weights:
    """The weights of a network's convolutions, or of the first of them.

    Attributes:
        name: for people, such as `VGG19 (ImageNet)`.
        architecture: with the widths of these layers; a block that is not there counts as the
            last one that is.
        layers: from layer name to (kernel (3, 3, in, out), bias (out,)), float32.
        sha256: of the file, or of the arrays where there is none.
        source: what `load` was asked for, but what it found where that was `auto`.
        heads: of a small network that stands for a large one: from layer name to (kernel (N, K),
            bias (K,)), which turn its features into an estimate of the large one's before ReLU.
    """

    name: str
    architecture: Architecture
    layers: dict
    sha256: str
    source: str = ""
    heads: dict = dataclasses.field(default_factory=dict)

    @property
    def lifts(self):
        """The heads as matrices (K, N + 1), the bias as the last column: by layer name."""
        return {
            name: np.concatenate([kernel, bias[np.newaxis]]).T
            for name, (kernel, bias) in self.heads.items()
        }

    def assign(self, model):
        """Give the weights to the layers of a Keras model, by name.

        Raises:
            ValueError: the weights end before the deepest layer that the model has.
        """
        for layer in model.layers:
            if layer.weights:
                if layer.name not in self.layers:
                    raise ValueError(f"{self.name} has no layer {layer.name}")
                layer.set_weights(self.layers[layer.name])


def load(source, *, architecture=VGG19, seed=0, progress=None):
    """Load weights by name or from a file; what was loaded last is not read again.

    Args:
        source: `imagenet` (downloaded once, into Keras' cache), `compact` (bundled), `auto` (the
            first if it is there, else the second, without a download), `random`, or the path of
            a file.
        architecture: whose weights they are; the widths count for `random` only.
        seed: of the random draw.
        progress: called as `progress(done, total)` with numbers of bytes during a download.

    Returns:
        `Weights`; their arrays cannot be written to.

    Raises:
        files.FileError: the file is missing, damaged, or not of this architecture; or it cannot
            be had.
        ValueError: there is no compact network of this architecture.
    """
    with LOADING:
        found = resolve(source, architecture)
        if found == "random":
            return dataclasses.replace(draw_once(seed, architecture), source=found)
        if source == "imagenet":
            path = fetch_imagenet(architecture, progress)
        else:  # `auto` fetches nothing, not even a file that was there when it was decided
            path = locate(found, architecture)
        weights = read_once(path, architecture, downloads.identify(path))
    name = {
        "imagenet": f"{architecture.name} (ImageNet)",
        "compact": f"compact {architecture.name}",
    }
    return dataclasses.replace(weights, name=name.get(found, weights.name), source=found)


def resolve(source, architecture=VGG19):
    """Return what a source stands for: `auto` for `imagenet` or `compact`, anything for itself.

    What `auto` stands for is decided once in a process, so that a batch does not mix networks,
    and from what lies on this machine, without a network.

    Raises:
        ValueError: there is no compact network of this architecture.
    """
    if source == "auto":
        return decide(architecture.name, locate("imagenet", architecture))
    if source == "compact":
        check_compact(architecture.name)
    return source


@functools.cache
def decide(name, path):
    """Return `imagenet` if its file lies intact at `path`, else `compact`."""
    if downloads.is_intact(path, md5=IMAGENET[name].md5):
        return "imagenet"
    check_compact(name)
    return "compact"


def check_compact(name):
    """Raise ValueError unless there is a compact network of the architecture with this name."""
    if name not in COMPACT_FILES:
        size = IMAGENET[name].megabytes
        remedy = f"--weights imagenet downloads it ({size} MB), or give a file"
        raise ValueError(f"there is no compact {name}; {remedy}")


def locate(source, architecture):
    """Return the path of a source's file, whether or not it is there."""
    if source == "imagenet":
        return imagenet_folder() / downloads.file_name(IMAGENET[architecture.name].address)
    return COMPACT_FILES[architecture.name] if source == "compact" else source


def imagenet_folder():
    """Return the folder of Keras' cache where its trained networks lie."""
    return Path(os.environ.get("KERAS_HOME", "~/.keras")).expanduser() / "models"


def fetch_imagenet(architecture, progress):
    """Return the path of Keras' own ImageNet file, downloaded into Keras' cache if need be."""
    release = IMAGENET[architecture.name]
    return downloads.fetch(
        release.address,
        folder=imagenet_folder(),
        md5=release.md5,
        alternative="choose another --weights",
        progress=progress,
    )


def draw(seed, architecture=VGG19):
    """Draw random weights, He-normal (He et al., arXiv:1502.01852): variance 2 / inputs."""
    generator = np.random.default_rng(seed)
    layers = {}
    channels = 3
    for name in architecture.layers:
        width = architecture.width(name)
        deviation = math.sqrt(2.0 / (9 * channels))
        kernel = generator.normal(0.0, deviation, (3, 3, channels, width)).astype(np.float32)
        layers[name] = (kernel, np.zeros(width, np.float32))
        for array in layers[name]:
            array.flags.writeable = False  # they may be shared, see `draw_once`
        channels = width
    digest = files.sha256(b"".join(kernel.tobytes() for kernel, _ in layers.values()))
    return Weights(f"{architecture.name} (random, seed {seed})", architecture, layers, digest)


draw_once = functools.lru_cache(maxsize=1)(draw)  # 80 MB


def read(path, *, architecture):
    """Read a weights file: Keras' legacy `.h5` layout or its `.weights.h5` layout."""
    remedy = f"give {architecture.name} weights in Keras' .h5 or .weights.h5 layout"
    remedy += ", or another --weights"
    data = files.read(path, remedy=remedy)
    try:
        with h5py.File(io.BytesIO(data), "r") as file:
            found = layouts.find_layers(file, architecture)
            layers = {name: tuple(map(hdf5.read_array, pair)) for name, pair in found.items()}
            found = layouts.find_heads(file, layers)
            heads = {name: tuple(map(hdf5.read_array, pair)) for name, pair in found.items()}
    except Exception as error:  # HDF5 raises all kinds of errors for a damaged file
        reason = f"is not a {architecture.name} weights file ({error})"
        if flag := layouts.recognize(data, but=architecture):
            reason = f"looks like {ARCHITECTURES[flag].name}, not {architecture.name}"
            remedy = f"add --network {flag}"
        raise files.FileError(path, reason, remedy) from None
    name = f"{architecture.name} ({files.printable(Path(path).name)})"
    widths = with_widths(architecture, layers)
    return Weights(name, widths, layers, files.sha256(data), heads=heads)


@functools.lru_cache(maxsize=2)  # 80 MB each
def read_once(path, architecture, identity):
    """Read a file as it is now, see `downloads.identify`."""
    return read(path, architecture=architecture)


def with_widths(architecture, layers):
    """Return the architecture with the widths of these layers."""
    widths = {architecture.block(name): bias.size for name, (_, bias) in layers.items()}
    widths = tuple(widths.values())
    missing = len(architecture.convolutions) - len(widths)
    return dataclasses.replace(architecture, widths=(*widths, *widths[-1:] * missing))


def write(path, layers, *, heads=None, dtype=np.float32):
    """Write weights in Keras' `.weights.h5` layout, whole or not at all.

    Args:
        layers: from layer name to (kernel, bias), from the image upwards.
        heads: see `Weights`; beside what Keras reads.
        dtype: of the arrays in the file; `load` gives float32 in any case.

    Raises:
        OSError: the file cannot be written.
    """
    buffer = io.BytesIO()
    groups = {layouts.numbered_path(index): pair for index, pair in enumerate(layers.values())}
    groups |= {layouts.head_path(name): pair for name, pair in (heads or {}).items()}
    with h5py.File(buffer, "w") as file:
        for group, arrays in groups.items():
            for position, array in enumerate(arrays):
                file[f"{group}/{position}"] = np.asarray(array, dtype)
    files.write(path, buffer.getvalue())
