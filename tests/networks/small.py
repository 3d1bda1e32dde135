"""Small weights, and what is expected of the files that hold them."""

import dataclasses
import hashlib

import numpy as np
import pytest
from conftest import SMALL_VGG19, SMALL_WIDTHS, within

from style_transfer import files
from style_transfer.method.architecture import VGG16
from style_transfer.networks import weights

SMALL_VGG16 = dataclasses.replace(VGG16, widths=SMALL_WIDTHS)

DRAWN = weights.draw(1, SMALL_VGG19).layers

SMALL = {
    name: (kernel, np.random.default_rng(bias.size).random(bias.shape, np.float32))
    for name, (kernel, bias) in DRAWN.items()
}

HEADS = {
    name: (
        np.random.default_rng(width).normal(size=(SMALL[name][1].size, width)).astype(np.float32),
        np.random.default_rng(width + 1).normal(size=width).astype(np.float32),
    )
    for name, width in {"block1_conv1": 10, "block3_conv1": 7}.items()
}


def check(loaded, path, layers):
    """Compare what was loaded from a file with the arrays that it should hold."""
    name = loaded.architecture.name
    assert loaded.name == f"{name} ({path.name})" and list(loaded.layers) == list(layers)
    assert loaded.source == path
    assert loaded.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    for name, expected in layers.items():
        for array, wanted in zip(loaded.layers[name], expected, strict=True):
            assert array.dtype == np.float32
            np.testing.assert_array_equal(array, wanted)


def refused(path):
    """Load a file that is to be refused, quickly and cheaply; return the message."""
    with within(seconds=5, megabytes=24), pytest.raises(files.FileError) as caught:
        weights.load(path)
    message = str(caught.value)
    assert message.isprintable() and message.startswith(f"{path}: ")
    assert "another --weights" in message
    return message
