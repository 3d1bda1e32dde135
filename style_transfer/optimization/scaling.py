"""The gradient through a network in float16, scaled so that it neither overflows nor vanishes.

float16 ends at 65504, and below 6e-8 there is nothing. How large the gradient of the losses with
the features is depends on the form of the loss, on its weights and on the picture: by a factor of
10^5 between published recipes. But it is known in float32 before it enters the network.
"""

import tensorflow as tf

import functions

# What the largest value that enters is scaled to. Measured with the compact network at 96 px, for
# the defaults and all recipes: from 2^-14 to 2^11 the gradient is that of float32 (cosine above
# 0.99; from 0.001 to 512 it is the same to four digits), from 2^12 on some overflow. This is near
# the middle, since other networks and pictures make more, or less, of it.
LARGEST = 1.0
TINY = 1e-30


def build_scaled_evaluation(model, settings):
    """Build what `functions.build_evaluation` builds, for a network in float16."""

    def evaluate(image, targets, weights):
        with tf.GradientTape() as through_network:
            through_network.watch(image)
            features = functions.extract_features(model, image, border=settings.border)
        with tf.GradientTape() as through_losses:
            through_losses.watch((features, image))
            losses = functions.compute_losses(features, image, targets, settings)
            total = tf.reduce_sum(weights * losses)
        of_features, of_image = through_losses.gradient(total, (features, image))
        of_network = scaled_gradient(through_network, features, image, of_features)
        gradient = tf.ensure_shape(of_network + of_image, image.shape)
        return {"losses": losses, "total": total, "gradient": gradient}

    return evaluate


def scaled_gradient(tape, features, image, of_features):
    """Return the gradient with the image for that with the features, by way of a scaled one.

    Args:
        tape: that recorded how the features came from the image.
        features, of_features: dictionaries from layer name to (batch, height, width, N).
        image: (batch, height, width, 3).
    """
    largest = tf.reduce_max([tf.reduce_max(tf.abs(each)) for each in of_features.values()])
    scale = LARGEST / tf.maximum(largest, TINY)
    scaled = {name: scale * each for name, each in of_features.items()}
    return tape.gradient(features, image, output_gradients=scaled) / scale
