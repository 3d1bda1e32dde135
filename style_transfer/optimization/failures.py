"""What TensorFlow or JAX raises, and memory that ran out, in one line."""

import sys

from style_transfer import files
from style_transfer.errors import ComputationError
from style_transfer.method.architecture import MIN_SIDE
from style_transfer.validation import ORIGINAL


def tensorflow_errors():
    """Return the class of the errors that TensorFlow raises, if it is loaded."""
    tensorflow = sys.modules.get("tensorflow")
    return (tensorflow.errors.OpError,) if tensorflow else ()


def jax_errors():
    """Return the class of the errors that JAX raises, if it is loaded."""
    jax = sys.modules.get("jax")
    return (jax.errors.JaxRuntimeError,) if jax else ()


def explain(error, settings):
    """Return the one-line error for one of TensorFlow's, or of JAX's."""
    if is_out_of_memory(error):
        return ComputationError(f"the memory ran out; {smaller(settings)}")
    reason = files.printable(str(getattr(error, "message", error)).partition("\n")[0])
    library = "TensorFlow" if isinstance(error, tensorflow_errors()) else "JAX"
    return ComputationError(f"{library} failed: {reason}")


def is_out_of_memory(error):
    """Tell whether an error of one of the two says that the memory ran out."""
    if isinstance(error, tensorflow_errors()):
        return isinstance(error, sys.modules["tensorflow"].errors.ResourceExhaustedError)
    return str(error).startswith("RESOURCE_EXHAUSTED")


def smaller(settings):
    """Say what would take less memory."""
    if settings.size == ORIGINAL:
        return "give a smaller --size"
    return f"--size {max(MIN_SIDE, int(settings.size / 2**0.5))} takes half"
