"""The textbook: style transfer as TensorFlow's tutorial does it, written anew as a baseline.

https://www.tensorflow.org/tutorials/generative/style_transfer: Keras' own VGG19, float32, Adam
on the photo, one `tf.function` a step, called from a Python loop, at one size. Beside it, the
arithmetic that a step takes, counted from the shapes of its layers.
"""

import keras
import tensorflow as tf

from style_transfer.settings import LAYERS, VGG19_WIDTHS, block_of

CONTENT_LAYER = "block5_conv2"
STYLE_LAYERS = tuple(f"block{block}_conv1" for block in range(1, 6))
CONTENT_WEIGHT, STYLE_WEIGHT, VARIATION_WEIGHT = 1e4, 1e-2, 30.0
LEARNING_RATE = 0.02


def build_network(layers):
    """Build the whole VGG19 of Keras; the outputs are the features of the tutorial's layers.

    Args:
        layers: from layer name to (kernel, bias), see `weights.Weights`.

    Returns:
        A frozen model from preprocessed images to a list: the style layers, the content layer.
    """
    whole = keras.applications.VGG19(include_top=False, weights=None)
    for name in LAYERS:
        whole.get_layer(name).set_weights(layers[name])
    names = (*STYLE_LAYERS, CONTENT_LAYER)
    model = keras.Model(whole.input, [whole.get_layer(name).output for name in names])
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
            STYLE_WEIGHT * tf.add_n(errors) / len(errors)
            + CONTENT_WEIGHT * tf.reduce_mean((features - wanted_features) ** 2)
            + VARIATION_WEIGHT * tf.reduce_sum(tf.image.total_variation(image))
        )

    return loss


def build_adam():
    """Build the tutorial's optimizer; its epsilon suits its own loss, of 10^6 and more."""
    return keras.optimizers.Adam(LEARNING_RATE, beta_1=0.99, epsilon=0.1)


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


def count_operations(shape, layers, gram_layers, *, widths=VGG19_WIDTHS):
    """Count the floating-point operations of a loss and its gradient with respect to the image.

    Forward, a 3×3 convolution from K to N channels at M positions takes 9 K N M multiply-adds,
    a Gram matrix N² M. Backward, the gradient with respect to the input of either takes as many
    again (weights are frozen, so theirs is not computed), and a multiply-add is two operations:

        4 · (Σ_convolutions 9 K N M + Σ_grams N² M)

    Pooling, ReLU, losses and preprocessing, under 1 % of it, are left out.

    Args:
        shape: (height, width) of the image.
        layers: names of the layers whose features are needed.
        gram_layers: those of them that have a Gram matrix.
        widths: channels in each of the five blocks.
    """
    multiply_adds, channels = 0, 3
    for name in LAYERS[: max(map(LAYERS.index, layers)) + 1]:
        halvings = block_of(name) - 1
        positions = (shape[0] >> halvings) * (shape[1] >> halvings)
        width = widths[halvings]
        multiply_adds += 9 * channels * width * positions
        multiply_adds += (name in gram_layers) * width**2 * positions
        channels = width
    return 4 * multiply_adds
