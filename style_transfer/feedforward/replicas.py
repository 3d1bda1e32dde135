"""Several GPUs for one training: all hold the same weights, each computes a part of every batch.

What they compute is what one does with the same batch: the means of their gradients are taken
before anything is done with them, so that one clipping and one update follow.

By `tf.distribute.MirroredStrategy`, not by towers of our own: Keras' variables, optimizers and
spectral normalization work with it as they are (tests/feedforward/test_replicas.py), and each GPU
has the network that sees to itself. Gradients meet on the first GPU, in the same order every time;
they are a few megabytes, NCCL has little to win.
"""

import contextlib
from dataclasses import dataclass

from style_transfer.errors import SettingsError

ALL = "all"


@dataclass(frozen=True)
class One:
    """What computes by itself, whatever the backend of Keras.

    Attributes:
        name: for people, if it was asked for.
        notice: what the user should know about the choice, if anything.
        count: of replicas.
    """

    name: str = ""
    notice: str = ""
    count = 1

    def scope(self):
        """Return a context in which networks and optimizers are built, and steps are done."""
        return contextlib.nullcontext()

    def split(self, batch):
        """Return each replica's equal part of nested tensors (batch, …), for `run`."""
        return batch

    def run(self, function, *parts):
        """Return what a function returns in each replica, for `run` or `mean`."""
        return function(*parts)

    def mean(self, results):
        """Return the means over the replicas of nested tensors."""
        return results

    def apply(self, optimizer, gradients, variables):
        """Let an optimizer that `limit` knows of change the variables, on all devices."""
        optimizer.apply(gradients, variables)

    def limit(self, norm):
        """Return the `global_clipnorm` of an optimizer by which no gradient is longer than this."""
        return norm


ALONE = One()


class Mirrored:
    """Several devices of TensorFlow; see `One`. In compiled steps, and in its scope.

    Args:
        devices: TensorFlow's names of them.
    """

    def __init__(self, devices, name="", notice=""):
        import tensorflow as tf

        self.name, self.notice, self.first = name, notice, devices[0]
        together = tf.distribute.ReductionToOneDevice()
        self.strategy = tf.distribute.MirroredStrategy(devices, cross_device_ops=together)
        self.count = self.strategy.num_replicas_in_sync

    def scope(self):
        """See `One.scope`."""
        return self.strategy.scope()

    def split(self, batch):
        """See `One.split`."""
        import tensorflow as tf

        def own(each):
            number = tf.distribute.get_replica_context().replica_id_in_sync_group
            return tf.reshape(each, (self.count, -1, *each.shape[1:]))[number]

        return self.strategy.run(lambda: tf.nest.map_structure(own, batch))

    def run(self, function, *parts):
        """See `One.run`."""
        return self.strategy.run(function, args=parts)

    def mean(self, results):
        """See `One.mean`; they are on the first device."""
        import tensorflow as tf

        with tf.device(self.first):
            return tf.nest.map_structure(
                lambda each: self.strategy.reduce("MEAN", each, axis=None), results
            )

    def apply(self, optimizer, gradients, variables):
        """See `One.apply`; Keras adds up what the replicas bring: each an equal share."""

        def bring():
            optimizer.apply([each / self.count for each in gradients], variables)

        self.strategy.run(bring)

    def limit(self, norm):
        """See `One.limit`; Keras clips the shares before it adds them up."""
        return norm / self.count


def find(wanted, batch):
    """Return what a training computes on.

    Args:
        wanted: how many GPUs; `ALL`: as many as there are and divide the batch; None: what
            computes by itself.
        batch: photos a step.

    Raises:
        SettingsError: there are fewer GPUs, or one does not compute.
    """
    if wanted is None:
        return ALONE
    from style_transfer.optimization import device

    found = device.count_gpus()
    count = max(divisors(batch, found), default=0) if wanted == ALL else wanted
    if not 0 < count <= found:
        there = "1 GPU" if found == 1 else f"{found or 'no'} GPUs"
        raise SettingsError(f"--gpus {wanted}: TensorFlow finds {there}; {remedy(found)}")
    names = [device.name_gpu(number) for number in range(count)]
    name = ("1 GPU" if count == 1 else f"{count} GPUs") + f" ({', '.join(dict.fromkeys(names))})"
    notice = ""
    if wanted == ALL and count < found:
        notice = f"{count} of {found} GPUs compute: they share the {batch} photos of a step equally"
    if count == 1:
        return One(name, notice)
    return Mirrored([f"GPU:{number}" for number in range(count)], name, notice)


def divisors(batch, most):
    """List by how many, at most, a batch can be divided."""
    return [count for count in range(1, min(batch, most) + 1) if batch % count == 0]


def remedy(found):
    """Say what to do about a lack of GPUs."""
    if found:
        return "ask for no more"
    return "install requirements-gpu.txt where there is one, or leave --gpus out"
