"""The method of Gatys, Ecker and Bethge, whole (arXiv:1508.06576; CVPR 2016, pp. 2414-2423).

An image is optimized until its features in a fixed convolutional network resemble those of a
photo (the content) while the correlations between them resemble those of a painting (the
style):

    total = α · content_loss + β · style_loss + γ · total_variation

Read from top to bottom: the network, the three losses, the targets, the training step. An
image is always (1, height, width, 3), float32, sRGB in [0, 1].
"""

from typing import Any, NamedTuple

import keras
from keras import ops

from style_transfer.method import borders, gradients, regions, statistics
from style_transfer.settings import LAYERS, VGG19_WIDTHS, block_of

IMAGENET_MEANS = (103.939, 116.779, 123.68)  # of blue, green and red, in [0, 255]
TORCH_MEANS, TORCH_DEVIATIONS = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of RGB in [0, 1]

# What the squared error is divided by never falls below this, so that a target without any
# signal (a flat, single-colored style picture) gives a large loss and not infinity.
FLOOR = 1e-6


def build_model(
    layers, *, widths=VGG19_WIDTHS, pooling="max", precision="float32", preprocessing="caffe"
):
    """Build VGG19 up to the deepest of `layers`, with the features of each of them as outputs.

    The preprocessing that VGG19 was trained with is part of the model. Weights are Keras'
    initial ones; see `weights.load`.

    Args:
        layers: names of convolution layers, such as `block4_conv2`.
        widths: channels in each of the five blocks.
        pooling: `max`, as the network was trained, or `avg`, as the paper recommends.
        preprocessing: `caffe`, as Keras' own weights were trained, or `torch`, as those of
            torchvision; see `preprocess`.
        precision: what the convolutions compute in: `float32`, `bfloat16` or `float16`. The
            weights, and the features that come out, are float32 in any case.

    Returns:
        A frozen Keras model from (batch, height, width, 3) in [0, 1] to a dictionary from
        layer name to features (batch, height / 2^(block - 1), width / 2^(block - 1), channels).

    Raises:
        ValueError: a name is not a convolution layer of VGG19.
    """
    unknown = [name for name in layers if name not in LAYERS]
    if unknown or not layers:
        raise ValueError(f"unknown layer {unknown}; VGG19 has {', '.join(LAYERS)}")
    policy = precision if precision == "float32" else f"mixed_{precision}"
    outputs = {}
    image = keras.Input((None, None, 3), name="image")
    hidden = preprocess(image, preprocessing)
    for name in LAYERS[: max(map(LAYERS.index, layers)) + 1]:
        block = block_of(name)
        if name.endswith("_conv1") and block > 1:
            hidden = pool(hidden, pooling, name=f"block{block - 1}_pool", dtype=policy)
        # The first layer stays exact: in bfloat16 a pixel would lose half of its 256 levels.
        dtype = "float32" if name == LAYERS[0] else policy
        hidden = keras.layers.Conv2D(
            widths[block - 1], 3, padding="same", activation="relu", name=name, dtype=dtype
        )(hidden)
        outputs[name] = hidden
    # Float32 from here on: a Gram matrix sums over all positions, 10^5 of them and more.
    outputs = {name: ops.cast(outputs[name], "float32") for name in layers}
    model = keras.Model(image, outputs, name="vgg19")
    model.trainable = False
    return model


def preprocess(image, kind):
    """Turn RGB in [0, 1] into what VGG19 was trained on.

    `caffe`: BGR in [0, 255] minus the means of ImageNet. `torch`: RGB in [0, 1] minus its means,
    divided by its deviations.
    """
    if kind == "torch":
        means, deviations = map(ops.convert_to_tensor, (TORCH_MEANS, TORCH_DEVIATIONS))
        return (image - means) / deviations
    return ops.flip(image, axis=-1) * 255.0 - ops.convert_to_tensor(IMAGENET_MEANS)


def pool(features, kind, **keywords):
    """Halve height and width of (batch, height, width, channels)."""
    layer = {"max": keras.layers.MaxPooling2D, "avg": keras.layers.AveragePooling2D}[kind]
    return layer(2, **keywords)(features)


def look(model, image, *, border):
    """Compute the features of an image that goes on beyond its edges, mirrored.

    Without it a frame or speckles grow there, see `borders`. The paper has no such border.

    Args:
        image: (1, height, width, 3).
        border: pixels to add on each side, at least.

    Returns:
        A dictionary from layer name to the features of the image, without those of the border.
    """
    around = borders.measure(ops.shape(image)[1:3], border)
    features = model(borders.extend(image, around))
    return {name: borders.trim(each, name, around) for name, each in features.items()}


def gram_matrix(features, guide=None):
    """Correlate the channels of (1, height, width, N) over all M = height · width positions.

    Args:
        guide: (1, height, width, 1) in [0, 1], how much each position counts (Gatys et al.,
            arXiv:1611.07865, guided Gram matrices); without it all count alike.

    Returns:
        (N, N): Σ_k g_k F_ik F_jk / Σ g_k. The paper leaves out the divisor; here it lets a
        style picture of another size than the content be compared with it.
    """
    if guide is not None:
        features = features * ops.sqrt(guide)
    flat = ops.reshape(features, (-1, features.shape[-1]))  # (M, N)
    if guide is None:
        total = ops.cast(ops.shape(flat)[0], flat.dtype)
    else:
        total = ops.maximum(ops.sum(guide), FLOOR)
    return gradients.correlate(flat) * (1.0 / total)


def relative_error(value, target):
    """Mean squared error divided by the target's mean square: 0 is equal, 1 is nothing of it.

    This departs from the paper, whose losses grow with the size of the image and with the
    scale of the network's activations (by a factor of 10^9 between common set-ups). Divided by
    the target's own energy, α, β and γ are pure numbers that mean the same at every size and
    for every network, and each layer counts as much as its share says.
    """
    energy = ops.maximum(ops.mean(ops.square(target)), FLOOR)
    return gradients.mean_square(value - target) * (1.0 / energy)


def content_loss(features, targets, *, form):
    """Compare the features of the content layers with the photo's.

    Args:
        features, targets: dictionaries from layer name to (1, height, width, N).
        form: `relative`, the mean of `relative_error` over the layers; `mean`, that of the mean
            squared errors; or `gatys`, equation 1 of arXiv:1508.06576: ½ Σ (F − P)².
    """
    pairs = [(features[name], target) for name, target in targets.items()]
    if form == "gatys":
        return sum(0.5 * ops.sum(ops.square(value - target)) for value, target in pairs)
    error = MEASURES[form]
    return sum(error(value, target) for value, target in pairs) / len(pairs)


def style_loss(features, targets, *, kind, form):
    """Compare the statistics of the style layers with the painting's.

    Args:
        features: dictionary from layer name to (1, height, width, N).
        targets: dictionary from layer name to a tuple of `RegionTarget`.
        kind: of the statistics, see `describe_style`.
        form: `relative`, w_l · `relative_error` summed; `mean`, w_l · mean squared error; or
            `gatys`, equations 4 and 5 of arXiv:1508.06576: Σ w_l / (4 N² M²) Σ (G − A)², where
            G and A are sums over the M positions. Our matrices are those divided by M already
            (each by its own picture's M: the paper scales both pictures to one size), hence no
            M² there.
    """
    measure = MEASURES[form]
    total = 0.0
    for name, in_regions in targets.items():
        for weight, target, guide in in_regions:
            value = describe_style(features[name], kind, *guide)
            total += weight * statistics.differ(value, target, measure)
    return total


def describe_style(features, kind, guide=None):
    """Compute the statistics of features (1, height, width, N), as a dictionary.

    Args:
        kind: `gram`, `mean-std` or `wasserstein`.
        guide: see `gram_matrix`.
    """
    if kind == "gram":
        return {"gram": gram_matrix(features, guide)}
    if kind == "mean-std":
        return statistics.channel_moments(features, guide)
    return statistics.moments(features, guide)


def mean_error(value, target):
    """Mean squared error."""
    return gradients.mean_square(value - target)


def quarter_error(value, target):
    """The error of Gram matrices in the paper's equation 4: a quarter of the mean."""
    return 0.25 * mean_error(value, target)


MEASURES = {"relative": relative_error, "mean": mean_error, "gatys": quarter_error}


def total_variation(image, *, form):
    """Measure how much neighboring pixels of (1, height, width, 3) differ.

    Not part of the paper, but of most programs after it (Mahendran & Vedaldi,
    arXiv:1412.0035, equation 4 with exponent 2): without it the network's blind spots fill
    with noise.

    Args:
        form: `mean-squared` or `sum-squared`: the squared differences along rows and along
            columns, their means or their sum; `mean-absolute` or `sum-absolute`: the absolute
            ones, as TensorFlow's and other tutorials have it.
    """
    measure = VARIATIONS[form]
    return measure(gradients.differences(image, 1)) + measure(gradients.differences(image, 2))


VARIATIONS = {
    "mean-squared": gradients.mean_square,
    "sum-squared": lambda values: ops.sum(ops.square(values)),
    "mean-absolute": lambda values: ops.mean(ops.abs(values)),
    "sum-absolute": lambda values: ops.sum(ops.abs(values)),
}


class Style(NamedTuple):
    """A picture to learn the style from.

    Attributes:
        picture: (1, height, width, 3).
        shares: for each region of the content, how much of its style comes from this picture.
        mask: (1, height, width, regions), how much a pixel belongs to each region; None: all of
            the picture speaks for every region.
    """

    picture: Any
    shares: tuple = (1.0,)
    mask: Any = None


class RegionTarget(NamedTuple):
    """What a layer is to resemble in one region.

    Attributes:
        weight: of the region in the style loss, the layer's w_l included.
        target: statistics, see `describe_style`.
        guide: () or ((1, height, width, 1),): how much each position belongs to the region.
    """

    weight: Any
    target: dict
    guide: tuple


class Targets(NamedTuple):
    """What the image is to resemble, computed once.

    Attributes:
        content: from layer name to the photo's features (1, height, width, N).
        style: from layer name to a tuple of `RegionTarget`.
        weights: (3,): α, β and γ, of content, style and total variation.
    """

    content: dict
    style: dict
    weights: Any


def compute_targets(model, content, styles, settings, *, mask=None, descriptions=None):
    """Compute the photo's features and the statistics of the style pictures.

    Args:
        model: from `build_model`.
        content: image (1, height, width, 3) in [0, 1].
        styles: a list of `Style`.
        settings: layers, statistics, and the weights of the losses.
        mask: (1, height, width, regions): how much a pixel of the content belongs to each; None
            if there is one region, which is everything.
        descriptions: of `describe_picture` for each style, where they are known.
    """
    features = look(model, content, border=settings.border)
    content_features = {name: features[name] for name in settings.content_layers}
    if descriptions is None:
        descriptions = [describe_picture(model, style, settings) for style in styles]
    shares = list(zip(*(style.shares for style in styles)))  # by region
    areas = [1.0] if mask is None else [float(each) for each in mask.mean(axis=(0, 1, 2))]
    style = {}
    for name, weight in layer_weights(features, settings).items():
        guides = regions.guide(mask, name, settings.border)
        style[name] = tuple(
            RegionTarget(
                ops.convert_to_tensor(weight * areas[region], "float32"),
                statistics.mix([each[name][region] for each in descriptions], share),
                guides[region],
            )
            for region, share in enumerate(shares)
            if sum(share)  # else nothing is painted there
        )
    weights = (settings.content_weight, settings.style_weight, settings.tv_weight)
    return Targets(content_features, style, ops.convert_to_tensor(weights, "float32"))


def describe_picture(model, style, settings):
    """Describe a `Style`: from layer name to a list of statistics, one for each region."""
    features = look(model, style.picture, border=settings.border)
    descriptions = {}
    for name in settings.style_layer_weights:
        guides = regions.guide(style.mask, name, settings.border)
        each = [describe_style(features[name], settings.style_loss, *guide) for guide in guides]
        descriptions[name] = each * len(style.shares) if style.mask is None else each
    return descriptions


def layer_weights(features, settings):
    """Return the weight w_l of each style layer.

    `equal`: as given, their sum made 1. `geometric`: each a quarter of the one before (as in
    crowsonkb's style-transfer-pytorch, 256 to 1), their sum made 1. `gatys`: divided by the
    square of the number of channels, as in the authors' release, whatever the sum.
    """
    weights = settings.style_layer_weights
    if settings.layer_weights == "gatys":
        return {name: each / features[name].shape[-1] ** 2 for name, each in weights.items()}
    if settings.layer_weights == "geometric":
        weights = {name: each / 4**index for index, (name, each) in enumerate(weights.items())}
    return {name: each / sum(weights.values()) for name, each in weights.items()}


def compute_losses(model, image, targets, settings):
    """Evaluate an image.

    Returns:
        (4,): content loss, style loss and total variation, unweighted, and their weighted
        total, which is what the training step makes smaller.
    """
    features = look(model, image, border=settings.border)
    content = content_loss(features, targets.content, form=settings.loss)
    style = style_loss(features, targets.style, kind=settings.style_loss, form=settings.loss)
    variation = total_variation(image, form=settings.tv_form)
    losses = ops.stack([content, style, variation])
    return ops.append(losses, ops.sum(targets.weights * losses))


def build_evaluation(model, settings):
    """Build the function that tells how good an image is, and how to make it better.

    Args:
        model: from `build_model`.
        settings: layers and form of the losses.

    Returns:
        A function from an image (1, height, width, 3) and `Targets` to the image's losses (4,),
        see `compute_losses`, and the gradient of their total, of the image's shape.
    """
    # Imported here, so that the network and its losses also run on Keras' other backends.
    import tensorflow as tf

    def evaluate(image, targets):
        # The losses are means, and the share of one feature in a mean over millions is too
        # small for float16: the gradient is that of the sum over the pixels, divided afterwards.
        pixels = tf.cast(tf.size(image), tf.float32)
        with tf.GradientTape() as tape:
            tape.watch(image)
            losses = compute_losses(model, image, targets, settings)
            total = losses[-1] * pixels
        gradient = tf.ensure_shape(tape.gradient(total, image), image.shape)
        return losses, gradient / pixels

    return evaluate


def build_training(evaluate, optimizer, state, targets):
    """Build the function that trains the image.

    A training step is: move the image against the gradient, clip it to [0, 1], `evaluate` it
    there with a gradient tape; see the `step` of `optimizers.Adam` and `optimizers.LBFGS`.

    Args:
        evaluate: from `build_evaluation`.
        optimizer: from `optimizers`.
        state, targets: any state of the optimizer and any targets: the function is for all of
            their kind, whatever the sizes of the pictures.

    Returns:
        A `tf.function` from a state, targets and a number of steps to the state after them and
        (steps, 4), the losses after each. The steps run inside the graph, without a return to
        Python.
    """
    import tensorflow as tf

    # Kept a function of its own: inside a loop TensorFlow's rewriting for oneDNN comes upon the
    # operations in an order of chance, and where the gradient of a max pooling comes before the
    # pooling, it is left to a kernel ten times slower. That made every other run 25 % slower.
    evaluate = tf.function(evaluate, autograph=False, experimental_attributes={"_noinline": True})

    def any_size(tensor):
        shape = tensor.shape.as_list()
        if len(shape) == 4:  # pictures, features
            shape[1:3] = None, None
        return tf.TensorSpec(shape, tensor.dtype)

    def train(state, targets, steps):
        def step(number, state, history):
            state = optimizer.step(state, lambda image: evaluate(image, targets))
            return number + 1, state, history.write(number, state["losses"])

        history = tf.TensorArray(tf.float32, size=steps, element_shape=(4,))
        begin = tf.constant(0), state, history
        _, state, history = tf.while_loop(lambda number, *_: number < steps, step, begin)
        return state, history.stack()

    examples = state, targets, tf.constant(1)
    signature = tf.nest.map_structure(any_size, examples)
    # AutoGraph would translate all functions below, which takes two seconds, and finds nothing.
    return tf.function(train, input_signature=signature, autograph=False)
