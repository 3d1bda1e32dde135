"""What TensorFlow raises, and memory that ran out, in one line."""

import sys

from style_transfer import files
from style_transfer.errors import ComputationError
from style_transfer.method.architecture import MIN_SIDE
from style_transfer.validation import ORIGINAL


def tensorflow_errors():
    """Return the class of the errors that TensorFlow raises, if it is loaded."""
    tensorflow = sys.modules.get("tensorflow")
    return (tensorflow.errors.OpError,) if tensorflow else ()


def explain(error, settings):
    """Return the one-line error for one of TensorFlow's."""
    tensorflow = sys.modules["tensorflow"]
    if isinstance(error, tensorflow.errors.ResourceExhaustedError):
        return ComputationError(f"the memory ran out; {smaller(settings)}")
    reason = files.printable(str(error.message).partition("\n")[0])
    return ComputationError(f"TensorFlow failed: {reason}")


def smaller(settings):
    """Say what would take less memory."""
    if settings.size == ORIGINAL:
        return "give a smaller --size"
    return f"--size {max(MIN_SIDE, int(settings.size / 2**0.5))} takes half"
