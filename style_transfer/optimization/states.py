"""The state of an optimizer, a dictionary of tensors, as arrays by name, and back."""

import numpy as np
import tensorflow as tf

from style_transfer.runs import checkpoint


def flatten(state):
    """Name all tensors of a state, one by one."""
    tensors = {}
    for name, value in state.items():
        if isinstance(value, tuple):
            tensors |= {f"{name}.{index}": each for index, each in enumerate(value)}
        else:
            tensors[name] = value
    return tensors


def unflatten(arrays, example):
    """Put a state together again from arrays by the names that `flatten` gave.

    Args:
        arrays: are taken out of the dictionary one by one: large ones are not there twice.
        example: a state with the same shapes.

    Raises:
        checkpoint.CheckpointError: names, shapes or types are others.
    """
    expected = {name: np.asarray(tensor) for name, tensor in flatten(example).items()}
    checkpoint.check_arrays(arrays, expected)
    tensors = {name: tf.constant(arrays.pop(name)) for name in list(arrays)}
    return {
        name: tuple(tensors[f"{name}.{index}"] for index in range(len(value)))
        if isinstance(value, tuple)
        else tensors[name]
        for name, value in example.items()
    }
