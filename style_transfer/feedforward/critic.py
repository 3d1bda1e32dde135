"""An art critic: a network that learns to tell paintings from what another one paints.

The discriminator of a generative adversarial network (Goodfellow et al., arXiv:1406.2661), one
judgment for each place (Isola et al., arXiv:1611.07004). It does not look at pixels but at what VGG
sees in them, at several layers, so that it is small and learns at once; spectral normalization
(Miyato et al., arXiv:1802.05957) keeps its slopes gentle. While it wins too often it waits, as in
Sanakoyeu et al. (arXiv:1807.10201).
"""

import keras
import numpy as np
from keras import ops
from keras.layers import Conv2D, SpectralNormalization

from style_transfer.feedforward import backends, replicas

WIDTH = 64  # channels between the features and the judgment
AHEAD = 0.8  # the share of right judgments above which it does not learn


def build_critic(widths):
    """Build the critic.

    Args:
        widths: from layer name to channels.

    Returns:
        A Keras model from features, from layer name to (batch, height, width, N), to a list of
        judgments, (batch, height, width, 1) for each layer: positive for a painting.
    """
    features = {name: keras.Input((None, None, width), name=name) for name, width in widths.items()}
    judgments = []
    for name, each in features.items():
        hidden = SpectralNormalization(Conv2D(WIDTH, 1), name=f"{name}_look")(each)
        hidden = ops.leaky_relu(hidden)
        judgments.append(SpectralNormalization(Conv2D(1, 1), name=f"{name}_judge")(hidden))
    return keras.Model(features, judgments, name="critic")


class Critic:
    """A critic that learns beside the network that it judges.

    Args:
        weight: of its loss.
        widths: see `build_critic`.
        paintings: (1, height, width, 3) each, in [0, 1]; no side shorter than a crop.
        devices: see `replicas`.
    """

    def __init__(self, weight, widths, paintings, devices=replicas.ALONE):
        self.weight, self.devices = weight, devices
        self.paintings = [np.asarray(each)[0] for each in paintings]
        self.layers = tuple(widths)
        self.model = build_critic(widths)
        self.optimizer = keras.optimizers.Adam(beta_1=0.5)  # as is usual for two that compete
        self.optimizer.build(self.model.trainable_variables)

    @property
    def variables(self):
        """All that changes while it learns."""
        return [*self.model.variables, *self.optimizer.variables]

    def draw(self, generator, shape):
        """Draw crops of paintings, (batch, height, width, 3)."""
        crops = np.empty(shape, np.float32)
        for crop in crops:
            painting = self.paintings[generator.integers(len(self.paintings))]
            top, left = (
                generator.integers(whole - part + 1)
                for whole, part in zip(painting.shape, crop.shape[:2])
            )
            crop[:] = painting[top : top + crop.shape[0], left : left + crop.shape[1]]
        return ops.convert_to_tensor(crops)

    def judge(self, features):
        """Return the loss of images by their features, (batch,): log 2 where it cannot tell."""
        judgments = self.model({name: features[name] for name in self.layers})
        losses = [ops.mean(ops.softplus(-each), axis=(1, 2, 3)) for each in judgments]
        return sum(losses) / len(losses)

    def learn(self, paintings, images, rate):
        """Do one step, unless it is far ahead.

        Args:
            paintings, images: features of batches, the replicas' parts.
            rate: Adam's step size.
        """
        normalize(self.model)
        found = self.devices.run(self.differentiate, paintings, images)
        gradients, won = self.devices.mean(found)
        self.optimizer.learning_rate.assign(ops.where(won < AHEAD, rate, 0.0))
        self.devices.apply(self.optimizer, gradients, self.model.trainable_variables)

    def differentiate(self, paintings, images):
        """Return the gradients of its own loss, and the share that it judged rightly."""
        both = {name: ops.concatenate([paintings[name], images[name]]) for name in self.layers}
        both = {name: ops.stop_gradient(each) for name, each in both.items()}

        def objective():
            return compare(self.model(both))

        own = self.model.trainable_variables
        return backends.differentiate(objective, own, self.variables)


def normalize(model):
    """Divide all kernels by their largest singular values."""
    for layer in model.layers:
        if isinstance(layer, SpectralNormalization):
            vector, kernel = layer.normalized_weights()
            layer.vector_u.assign(vector)
            layer.kernel.assign(kernel)


def compare(judgments):
    """Return the critic's own loss, the cross-entropy, and the share that it judged rightly.

    Args:
        judgments: a list of (batch, height, width, 1); the first half of each are of paintings.
    """
    losses, rights = [], []
    for each in judgments:
        painting, image = ops.split(each, 2)
        losses.append(ops.mean(ops.softplus(-painting)) + ops.mean(ops.softplus(image)))
        rights += [ops.mean(ops.cast(painting > 0, "float32"))]
        rights += [ops.mean(ops.cast(image < 0, "float32"))]
    return sum(losses) / len(losses), sum(rights) / len(rights)
