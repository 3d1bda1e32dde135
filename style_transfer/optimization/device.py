"""What computes: a GPU that is known to work, or the processor; and how precisely."""

import contextlib
import functools
from dataclasses import dataclass

import keras

from style_transfer.errors import SettingsError
from style_transfer.optimization import processors


@dataclass(frozen=True)
class Device:
    """What computes.

    Attributes:
        name: for people.
        is_gpu: whether it is a GPU.
        notice: what the user should know about the choice, if anything.
    """

    name: str
    is_gpu: bool = False
    notice: str = ""

    def scope(self):
        """Return a context in which this thread computes there."""
        # Without a notice the device is where TensorFlow computes anyway.
        return keras.device("cpu:0") if self.notice else contextlib.nullcontext()


@functools.cache
def find_device():
    """Return the first GPU if it computes, else the processor; asked once a process."""
    return find_device_of_jax() if keras.backend.backend() == "jax" else find_device_of_tensorflow()


def find_device_of_jax():
    """See `find_device`; only trainings compute by JAX, see `feedforward.backends`."""
    import jax

    device = jax.devices()[0]
    return Device(device.device_kind, is_gpu=device.platform == "gpu")


def find_device_of_tensorflow():
    """See `find_device`."""
    import tensorflow as tf

    processor = processors.name()
    gpus = tf.config.list_physical_devices("GPU")
    if not gpus:
        return Device(processor)
    details = tf.config.experimental.get_device_details(gpus[0])
    name = details.get("device_name", "GPU")
    try:
        try_gpu()
    except tf.errors.OpError as error:
        reason = str(error.message).partition("\n")[0]
        notice = f"{name} cannot compute ({reason}); the processor does, which is slower"
        return Device(processor, notice=notice)
    return Device(name, is_gpu=True)


def count_gpus():
    """Return how many GPUs TensorFlow finds."""
    import tensorflow as tf

    return len(tf.config.list_physical_devices("GPU"))


def name_gpu(number):
    """Return the name of a GPU for people, once it has computed.

    Raises:
        SettingsError: it does not compute.
    """
    import tensorflow as tf

    gpu = tf.config.list_physical_devices("GPU")[number]
    name = tf.config.experimental.get_device_details(gpu).get("device_name", "GPU")
    try:
        try_gpu(number)
    except tf.errors.OpError as error:
        reason = str(error.message).partition("\n")[0]
        remedy = "name others in CUDA_VISIBLE_DEVICES, or leave --gpus out"
        raise SettingsError(f"GPU {number}, {name}, cannot compute ({reason}); {remedy}") from error
    return name


def try_gpu(number=0):
    """Compute a little on a GPU: TensorFlow may have no kernels for it (CUDA_ERROR_INVALID_PTX).

    Raises:
        tf.errors.OpError: it cannot.
    """
    import tensorflow as tf

    with tf.device(f"/GPU:{number}"):
        image, kernel = tf.ones((1, 8, 8, 3)), tf.ones((3, 3, 3, 4))
        tf.reduce_sum(tf.nn.relu(tf.nn.conv2d(image, kernel, 1, "SAME"))).numpy()


def choose_precision(settings):
    """Return what the convolutions compute in: `float32`, `bfloat16` or `float16`.

    `auto` is bfloat16 on a processor with instructions for it (without them it is emulated, and
    slower), else float32. On a GPU, too: float16 was tested on processors only; and by JAX.
    """
    if settings.precision != "auto":
        return settings.precision
    if keras.backend.backend() != "tensorflow":
        return "float32"
    is_fast = processors.has_bfloat16() and not find_device().is_gpu
    return "bfloat16" if is_fast else "float32"


def on_device(method):
    """Let a method of what has an `engine` compute where that does.

    Not its generator: a context of TensorFlow is one of the thread, and between two iterates that
    is someone else's.
    """

    @functools.wraps(method)
    def compute(self, *arguments):
        with self.engine.device.scope():
            return method(self, *arguments)

    return compute
