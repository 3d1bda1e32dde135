"""The method of Gatys, Ecker and Bethge, whole (arXiv:1508.06576; CVPR 2016, pp. 2414-2423).

An image is optimized until its features in a fixed convolutional network resemble those of a
photo (the content) while the correlations between them resemble those of a painting (the style):

    total = α · content_loss + β · style_loss + γ · total_variation

Read from top to bottom: the network, the losses, their total and its gradient, the training step.
An image is always (batch, height, width, 3), float32, sRGB in [0, 1]; losses are means over the
batch. Where the code departs from the paper, it says so.
"""

import keras
from keras import ops

from style_transfer.method import borders, gradients, statistics, variation
from style_transfer.method.architecture import VGG19
from style_transfer.method.preprocessing import preprocess

#: The terms of the total, in the order of every vector of losses and of weights.
TERMS = ("content", "style", "total_variation")

POOLINGS = {"max": keras.layers.MaxPooling2D, "avg": keras.layers.AveragePooling2D}

# What an error is divided by never falls below this, so that a target without any signal (a flat,
# single-colored style picture) gives a large loss and not infinity.
FLOOR = 1e-6


def build_model(
    layers, architecture=VGG19, *, pooling="max", precision="float32", preprocessing="caffe"
):
    """Build a VGG network up to the deepest of `layers`, with the features of each as outputs.

    Its weights are Keras' initial ones; `Weights.assign` gives it trained ones.

    Args:
        layers: names of convolution layers, such as `block4_conv2`.
        architecture: an `Architecture`: its layers and their widths.
        pooling: `max`, as the network was trained, or `avg`, as the paper recommends.
        precision: what the convolutions compute in: `float32`, `bfloat16` or `float16`.
        preprocessing: `caffe`, as Keras' own weights, or `torch`, as torchvision's.

    Returns:
        A frozen Keras model from (batch, height, width, 3) in [0, 1] to a dictionary from layer
        name to features (batch, height / stride, width / stride, channels).

    Raises:
        ValueError: a name is not a layer of the architecture.
    """
    policy = precision if precision == "float32" else f"mixed_{precision}"
    image = keras.Input((None, None, 3), name="image")
    hidden = preprocess(image, preprocessing)
    outputs = {}
    for name in architecture.up_to(layers):
        if architecture.begins_block(name):
            block = architecture.block(name) - 1
            hidden = POOLINGS[pooling](2, name=f"block{block}_pool", dtype=policy)(hidden)
        # The first layer stays exact: in bfloat16 a pixel would lose half of its 256 levels.
        dtype = "float32" if name == architecture.layers[0] else policy
        convolution = keras.layers.Conv2D(
            architecture.width(name), 3, padding="same", activation="relu", name=name, dtype=dtype
        )
        hidden = outputs[name] = convolution(hidden)
    # Float32 from here on: a Gram matrix sums over all positions, 10^5 of them and more.
    features = {name: ops.cast(outputs[name], "float32") for name in layers}
    model = keras.Model(image, features, name=architecture.name.lower())
    model.trainable = False
    return model


def extract_features(model, image, *, border=0):
    """Compute the features of an image that goes on beyond its edges, mirrored.

    Without that a frame or speckles grow there, see `borders`. The paper has no such border.

    Args:
        image: (batch, height, width, 3).
        border: pixels to add on each side, at least.

    Returns:
        A dictionary from layer name to the features of the image, without those of the border.
    """
    padding = borders.padding(ops.shape(image)[1:3], border)
    features = model(borders.pad(image, padding))
    return {name: borders.crop(each, name, padding) for name, each in features.items()}


def content_loss(features, targets, *, form="relative"):
    """Compare the features of the content layers with the photo's.

    Args:
        features, targets: dictionaries from layer name to F and P, (batch, height, width, N).
        form: `gatys`, equation 1, ½ Σ (F − P)²; `mean`, the mean of (F − P)²; or `relative`, see
            `relative_error`. With several layers, their mean (`gatys`: sum); with none, 0.
    """
    return content_error(statistics.sum_errors(features, targets), form)


def content_error(sums, form):
    """Finish the content loss from `statistics.sum_errors`."""
    if form == "gatys":
        return sum(0.5 * each.squares for each in sums.values())
    errors = [each.squares / each.count for each in sums.values()]
    if form == "relative":
        energies = [ops.maximum(each.energy / each.count, FLOOR) for each in sums.values()]
        errors = [error / energy for error, energy in zip(errors, energies)]
    return sum(errors) / max(1, len(errors))


def gram_matrix(features, guide=None, lift=None):
    """Correlate the channels of (batch, height, width, N) over all M positions: equation 3.

    Args:
        guide: (batch or 1, height, width, 1) in [0, 1], how much each position counts (Gatys et
            al., arXiv:1611.07865); without it all count alike.
        lift: (K, N + 1), [A b]: correlate A F + b, what a larger network would see.

    Returns:
        (batch, N, N): G_ij = Σ_k g_k F_ik F_jk / Σ_k g_k. The paper leaves out the divisor, M;
        here it lets a painting of another size than the photo be compared with it.
    """
    return statistics.describe(features, "gram", guide, lift)["gram"]


def style_loss(features, targets, *, kind="gram", form="relative"):
    """Compare the statistics of the style layers with the painting's.

    Args:
        features: dictionary from layer name to (batch, height, width, N).
        targets: dictionary from layer name to a list of regions, each a dictionary: its `weight`,
            w_l included, the `statistics` to resemble, its `guide` and `lift`, if any.
        kind: of the statistics: `gram`, or one of `statistics.describe`.
        form: `gatys`, equations 4 and 5, Σ_l w_l E_l with E_l = Σ (G − A)² / (4 N² M²), where our
            G and A are divided by M already (each by its own picture's M: the paper scales both
            pictures to one size); `mean`, the mean of (G − A)²; or `relative`, see
            `relative_error`.
    """
    return style_error(statistics.sum_regions(features, targets, kind), targets, kind, form)


def style_error(sums, targets, kind, form):
    """Finish the style loss from `statistics.sum_regions`."""
    error = {
        "gatys": lambda gram, target: mean_error(gram, target) / 4.0,  # Σ (G − A)² / (4 N²)
        "mean": mean_error,
        "relative": relative_error,
    }[form]
    total = 0.0
    for name, regions in targets.items():
        for region, each in zip(regions, sums[name]):
            value = statistics.finish(each, kind)
            total += region["weight"] * statistics.compare(value, region["statistics"], error)
    return total


def mean_error(value, target):
    """Mean of the squared differences, for each of a batch."""
    return gradients.mean_square(value - target)


def relative_error(value, target):
    """Mean squared error divided by the target's mean square: 0 is equal, 1 is nothing of it.

    This departs from the paper, whose losses grow with the size of the image and with the
    scale of the network's activations (by a factor of 10^9 between common set-ups). Divided by
    the target's own energy, α, β and γ are pure numbers that mean the same at every size and
    for every network, and each layer counts as much as its share says.
    """
    energy = ops.maximum(gradients.mean_square(target), FLOOR)
    return gradients.mean_square(value - target) * (1.0 / energy)


def total_variation(image, *, form="mean-squared"):
    """Measure how much neighboring pixels of (batch, height, width, 3) differ.

    Not part of the paper, but of most programs after it: without it the network's blind spots
    fill with noise. Its forms: see `variation`.
    """
    return variation.finish(variation.sum_differences(image, form), form)


def compute_losses(features, image, targets, settings):
    """Return the unweighted losses of an image, in the order of `TERMS`, averaged over the batch.

    Args:
        features: of the image, from `extract_features`.
        targets: has `content` and `style`, see `content_loss` and `style_loss`.
        settings: forms and statistics of the losses.
    """
    return finish_losses(sum_up(features, image, targets, settings), targets, settings)


def sum_up(features, image, targets, settings, *, own=None):
    """Return all that the losses depend on: sums, of which those of parts add up to the whole's.

    The arguments are those of `compute_losses`, or of a part; `own`: see `variation`.
    """
    smoothness = variation.sum_differences(image, settings.tv_form, own)
    sums = statistics.sum_up(features, targets, settings.style_loss)
    return sums | {"total_variation": smoothness}


def finish_losses(sums, targets, settings):
    """Return the losses of `compute_losses` from the sums of `sum_up`."""
    content = content_error(sums["content"], settings.loss)
    style = style_error(sums["style"], targets.style, settings.style_loss, settings.loss)
    smoothness = variation.finish(sums["total_variation"], settings.tv_form)
    return ops.stack([ops.mean(each) for each in (content, style, smoothness)])


def build_evaluation(model, settings):
    """Build the function that tells how good an image is, and how to make it better.

    Returns:
        A function from an image, targets and the weights (α, β, γ) of `TERMS` to a dictionary:
        `losses` of the image, (3,), their weighted `total` (equation 7), and its `gradient`, of
        the image's shape.
    """
    import tensorflow as tf  # here, so that the losses also run on Keras' other backends

    def evaluate(image, targets, weights):
        with tf.GradientTape() as tape:
            tape.watch(image)
            features = extract_features(model, image, border=settings.border)
            losses = compute_losses(features, image, targets, settings)
            total = tf.reduce_sum(weights * losses)
        gradient = tf.ensure_shape(tape.gradient(total, image), image.shape)
        return {"losses": losses, "total": total, "gradient": gradient}

    return evaluate


def clip(image):
    """Clip an image to [0, 1]: a picture has no other colors, and the optimizer wanders off."""
    return ops.clip(image, 0.0, 1.0)


def training_step(state, optimizer, evaluate):
    """Move the image against its gradient, `clip` it, and evaluate it there.

    Args:
        state: of the optimizer: the image, its losses and gradient, and what it remembers.
        optimizer: `optimizers.LBFGS`, as in the paper, or `optimizers.Adam`.
        evaluate: from an image to what `build_evaluation` says.

    Returns: the state after the step.
    """
    image = optimizer.move(state)
    return optimizer.update(state, image, evaluate(image))
