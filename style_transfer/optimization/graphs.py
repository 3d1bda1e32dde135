"""Functions of tensors as graphs that serve pictures of all sizes."""

import functools

import tensorflow as tf


class Compiled:
    """A function, compiled once for each kind of arguments, whatever their size.

    TensorFlow by itself would make a graph for the first size and another for all; each takes some
    seconds, and tens of megabytes.

    Args:
        function: of nested tensors.
    """

    def __init__(self, function):
        self.function, self.graphs = function, {}

    def __call__(self, *arguments):
        """Call the function; NumPy arrays become tensors."""
        arguments = tf.nest.map_structure(tf.convert_to_tensor, arguments)
        signature = tf.nest.map_structure(any_size, arguments)
        key = repr(signature)
        if key not in self.graphs:
            # Each has a function of its own: of one code, TensorFlow counts the graphs, and warns.
            own = functools.partial(self.function)
            self.graphs[key] = tf.function(own, input_signature=signature, autograph=False)
        return self.graphs[key](*arguments)


def any_size(tensor):
    """Return the signature of a tensor, that of pictures and features without their size."""
    shape = tensor.shape.as_list()
    if len(shape) == 4:
        shape[1:3] = None, None
    return tf.TensorSpec(shape, tensor.dtype)
