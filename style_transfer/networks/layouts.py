"""Where the layers of VGG lie in Keras' weights files: `.weights.h5`, and the legacy `.h5`."""

import io

import h5py

from style_transfer.method.architecture import ARCHITECTURES
from style_transfer.networks import hdf5

MAX_CHANNELS = 512  # VGG's own; a file that claims more is not one


def find_layers(file, architecture):
    """Find the convolutions in order, unread, until the file has no more: {name: (kernel, bias)}.

    Raises:
        ValueError: there are none, or they are not those of the architecture.
    """
    found = {}
    for index, name in enumerate(architecture.layers):
        arrays = find_arrays(file, [numbered_path(index), *named_paths(name)])
        if arrays is None:
            break
        found[name] = arrays
    if not found:
        raise ValueError(f"it has no layer {architecture.layers[0]}")
    check_shapes(found, architecture)
    check_rest(file, found, architecture)
    return found


def find_heads(file, layers):
    """Find the heads of layers, unread: {name: (kernel, bias)}, see `weights.Weights`.

    Args:
        layers: from layer name to (kernel, bias).

    Raises:
        ValueError: one does not fit its layer.
    """
    found = {}
    for name, (_, bias) in layers.items():
        if arrays := find_arrays(file, [head_path(name)]):
            kernel, offset = arrays
            width = offset.size
            wrong = kernel.shape != (bias.size, width) or offset.ndim != 1
            if wrong or not 0 < width <= MAX_CHANNELS:
                raise ValueError(f"the head of {name} has shapes {kernel.shape}, {offset.shape}")
            found[name] = arrays
    return found


def head_path(name):
    """Return where the head of a layer lies; Keras has no place for it."""
    return f"heads/{name}"


def find_arrays(file, paths):
    """Find the kernel and the bias of a layer, unread, at the first path where there is a group.

    Which is which is told by the number of axes: the arrays have had other names in every version
    of Keras.
    """
    for path in paths:
        group = hdf5.follow(file, path)
        if isinstance(group, h5py.Group):
            if len(group) != 2:
                raise ValueError(f"{path} holds {len(group)} arrays, not a kernel and a bias")
            arrays = [hdf5.find_array(group, key) for key in group]
            return sorted(arrays, key=lambda array: array.ndim, reverse=True)
    return None


def numbered_path(index):
    """Return where `.weights.h5` has a convolution: it numbers them from the image upwards."""
    return f"layers/conv2d_{index}/vars" if index else "layers/conv2d/vars"


def named_paths(name):
    """Return where the legacy layout may have a layer.

    At the root or, in a file that holds a whole model, in `model_weights`; Keras 2 and 3 repeat
    the name within.
    """
    return [f"{top}{path}" for top in ("", "model_weights/") for path in (f"{name}/{name}", name)]


def check_shapes(found, architecture):
    """Raise ValueError unless each block has one width, and each layer takes what comes before."""
    widths = {}
    channels = 3
    for name, (kernel, bias) in found.items():
        width = widths.setdefault(architecture.block(name), bias.size)
        wrong = bias.shape != (width,) or kernel.shape != (3, 3, channels, width)
        if wrong or not 0 < width <= MAX_CHANNELS:
            raise ValueError(f"{name} has shapes {kernel.shape} and {bias.shape}")
        channels = width


def check_rest(file, found, architecture):
    """Raise ValueError if the file has more layers of VGG's than those that were found."""
    for name in dict.fromkeys(name for each in ARCHITECTURES.values() for name in each.layers):
        if name not in found and any(hdf5.follow(file, path) for path in named_paths(name)):
            raise ValueError(f"it has {name}, but not all layers of {architecture.name} before it")
    if hdf5.follow(file, numbered_path(len(found))):
        raise ValueError(f"it has more convolutions than {architecture.name}")


def recognize(data, *, but):
    """Return which of `ARCHITECTURES` a file has the layers of, if not of `but`; else None."""
    if fits(data, but):
        return None
    return next((flag for flag, each in ARCHITECTURES.items() if fits(data, each)), None)


def fits(data, architecture):
    """Tell whether a file has the layers of an architecture, whatever their values."""
    try:
        with h5py.File(io.BytesIO(data), "r") as file:
            return bool(find_layers(file, architecture))
    except Exception:  # HDF5 raises all kinds of errors for a damaged file
        return False
