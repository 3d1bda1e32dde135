"""The textbook: style transfer as TensorFlow's tutorial does it, written anew as a baseline.

https://www.tensorflow.org/tutorials/generative/style_transfer: Keras' own VGG19, float32, Adam
on the photo, one `tf.function` a step, called from a Python loop, at one size. Its numbers are
those of `recipes/tensorflow-tutorial.toml`.
"""

import tomllib

import keras
import tensorflow as tf

from style_transfer.commands.config import RECIPES

RECIPE = tomllib.loads((RECIPES / "tensorflow-tutorial.toml").read_text())
LAYERS = (*RECIPE["style-layer"], *RECIPE["content-layer"])  # the last one is for the content


def build_network(weights):
    """Build the whole VGG19 of Keras; the outputs are the features of the tutorial's layers.

    Args:
        weights: `networks.weights.Weights` of full VGG19.

    Returns:
        A frozen model from preprocessed images to a list: the style layers, the content layer.
    """
    whole = keras.applications.VGG19(include_top=False, weights=None)
    weights.assign(whole)
    model = keras.Model(whole.input, [whole.get_layer(name).output for name in LAYERS])
    model.trainable = False
    return model


def gram_matrix(features):
    """Correlate the channels of (batch, height, width, N), by position: (batch, N, N)."""
    positions = tf.shape(features)[1] * tf.shape(features)[2]
    gram = tf.linalg.einsum("bijc,bijd->bcd", features, features)
    return gram / tf.cast(positions, tf.float32)


def extract(network, image):
    """Return Gram matrices and content features of an image (1, height, width, 3) in [0, 1]."""
    *style, content = network(keras.applications.vgg19.preprocess_input(image * 255.0))
    return [gram_matrix(features) for features in style], content


def build_loss(network, content, style):
    """Build the tutorial's loss: weighted mean squared errors and total variation.

    Args:
        network: from `build_network`.
        content, style: images (1, height, width, 3) in [0, 1].
    """
    wanted_grams, _ = extract(network, style)
    _, wanted_features = extract(network, content)

    def loss(image):
        grams, features = extract(network, image)
        errors = [tf.reduce_mean((gram - want) ** 2) for gram, want in zip(grams, wanted_grams)]
        return (
            RECIPE["beta"] * tf.add_n(errors) / len(errors)
            + RECIPE["alpha"] * tf.reduce_mean((features - wanted_features) ** 2)
            + RECIPE["tv"] * tf.reduce_sum(tf.image.total_variation(image))
        )

    return loss


def build_adam(**changed):
    """Build the tutorial's optimizer, but for what is `changed`."""
    numbers = {"beta_1": RECIPE["adam-beta1"], "epsilon": RECIPE["adam-epsilon"]}
    return keras.optimizers.Adam(RECIPE["learning-rate"], **numbers | changed)


def build_step(image, loss, optimizer):
    """Build the tutorial's training step.

    Args:
        image: `tf.Variable` (1, height, width, 3), which the step moves.
        loss: function from an image to a number.
        optimizer: of Keras.

    Returns:
        A `tf.function` that does one step and returns the loss from before it.
    """

    @tf.function
    def step():
        with tf.GradientTape() as tape:
            value = loss(image)
        gradient = tape.gradient(value, image)
        optimizer.apply_gradients([(gradient, image)])
        image.assign(tf.clip_by_value(image, 0.0, 1.0))
        return value

    return step
