"""Every setting of a run: its default, its range and its meaning, written once."""

import dataclasses
import math
from dataclasses import dataclass, field

VERSION = "0.1.0"

MIN_SIDE = 32  # pixels; under this, VGG19's fifth block has less than two of them to look at

#: VGG19 (Simonyan & Zisserman, arXiv:1409.1556): convolutions in each of its five blocks.
CONVOLUTIONS = (2, 2, 4, 4, 4)
#: And the channels of its features in each block.
VGG19_WIDTHS = (64, 128, 256, 512, 512)
#: The names of VGG19's convolution layers in Keras, from the image upwards.
LAYERS = tuple(
    f"block{block}_conv{convolution}"
    for block, count in enumerate(CONVOLUTIONS, start=1)
    for convolution in range(1, count + 1)
)


def block_of(layer):
    """Return the number of a layer's block, from 1: 4 for `block4_conv2`."""
    return int(layer.removeprefix("block").partition("_")[0])


def option(default, meaning, *, minimum=None, above=None, maximum=None, choices=None):
    """Declare one setting.

    Args:
        default: its default; its type is the setting's type.
        meaning: one sentence for `--help`.
        minimum, above, maximum: the range: inclusive, exclusive, inclusive.
        choices: the values allowed, where they can be listed.
    """
    rule = dict(meaning=meaning, minimum=minimum, above=above, maximum=maximum, choices=choices)
    return field(default=default, metadata=rule)


@dataclass(frozen=True)
class Settings:
    """What determines the picture, besides the two input pictures and the network's weights.

    Raises:
        ValueError: a value is out of its range; the message names the setting.
    """

    size: int = option(
        512,
        "Longer side of the result in pixels. Time and memory grow with its square.",
        minimum=MIN_SIDE,
        maximum=8192,
    )
    content_weight: float = option(
        1.0, "α: how strongly the photo's content is kept.", minimum=0.0, maximum=1e12
    )
    style_weight: float = option(
        200.0,
        "β: how strongly the style is painted on; β/α is what matters.",
        minimum=0.0,
        maximum=1e12,
    )
    tv_weight: float = option(
        2.0,
        "Total variation: more gives smoother areas, less keeps fine grain.",
        minimum=0.0,
        maximum=1e12,
    )
    epochs: int = option(10, "Epochs; a snapshot is saved after each.", minimum=1, maximum=100_000)
    steps: int = option(30, "Optimization steps in an epoch.", minimum=1, maximum=100_000)
    weights: str = option(
        "auto",
        "The network: imagenet (full VGG19, 80 MB to download once), compact (bundled, about "
        "ten times faster), auto (the first if it can be had, else the second), random, or a "
        "weights file (.h5).",
    )
    style_scale: float = option(
        1.0,
        "Size of the style picture relative to the content: more gives larger strokes.",
        minimum=0.05,
        maximum=10.0,
    )
    init: str = option("content", "Start from: content, style, noise, or the path of a picture.")
    enlarge: bool = option(False, "Enlarge a content picture that is smaller than --size.")
    seed: int = option(0, "Seed of everything random.", minimum=0, maximum=2**31 - 1)
    loss: str = option(
        "relative",
        "relative: weights are pure numbers, alike for every size and network. gatys: the "
        "paper's own formulas (with --weights compact try --beta 1e7 --tv 1). mean: mean squares.",
        choices=("relative", "gatys", "mean"),
    )
    style_loss: str = option(
        "gram",
        "What of the style layers is compared: gram (the paper), wasserstein (means and "
        "covariances), mean-std (means and deviations).",
        choices=("gram", "wasserstein", "mean-std"),
    )
    layer_weights: str = option(
        "equal",
        "Shares of the style layers: equal; geometric (each a quarter of the one before: fine "
        "grain); gatys (1 / channels², as the authors' program).",
        choices=("equal", "geometric", "gatys"),
    )
    tv_loss: str = option(
        "auto",
        "Total variation of: squares or absolute values, their mean or sum; auto goes with --loss.",
        choices=("auto", "mean-squared", "sum-squared", "mean-absolute", "sum-absolute"),
    )
    preserve_color: str = option(
        "none",
        "Keep the photo's colors: symmetric, cholesky or histogram recolor the painting first; "
        "luminance paints in grays and puts the photo's colors back.",
        choices=("none", "luminance", "cholesky", "symmetric", "histogram"),
    )
    blend: tuple[float, ...] = option(
        (),
        "With several styles: how much of each, in their order.",
        minimum=0.0,
        maximum=1e6,
    )
    keep_alpha: bool = option(False, "Give the result the content's transparency.")
    optimizer: str = option(
        "lbfgs",
        "lbfgs: lower loss in the same time. adam: the steadier one, with --learning-rate.",
        choices=("lbfgs", "adam"),
    )
    learning_rate: float = option(0.02, "Adam's step size; pixels are in [0, 1].", above=0.0)
    decay: float = option(
        1.0,
        "Multiply Adam's step size by this every --decay-steps.",
        above=0.0,
        maximum=1.0,
    )
    decay_steps: int = option(50, "See --decay.", minimum=1)
    adam_beta1: float = option(0.9, "Adam's memory of the gradient.", minimum=0.0, maximum=0.999)
    adam_epsilon: float = option(
        1e-7, "Adam's ε: gradients well below it move less.", above=0.0, maximum=1e6
    )
    average: float = option(
        0.0,
        "Show the running average of Adam's images, each counting for so much less than the "
        "next: 0.95 smooths. 0 shows the last one.",
        minimum=0.0,
        maximum=0.999,
    )
    scales: str = option(
        "auto",
        "Coarse to fine: auto, 1 (the final size only), or the longer sides, as 128,256,512.",
    )
    content_layers: tuple[str, ...] = option(
        ("block4_conv2",), "A layer for the content; may be given several times.", choices=LAYERS
    )
    style_layers: tuple[str, ...] = option(
        tuple(f"block{block}_conv1" for block in range(1, 6)),
        "A layer for the style, with its share (1 if not given); may be given several times.",
    )
    border: int = option(
        4,
        "Pixels, at least, by which the pictures go on beyond their edges, mirrored, for the "
        "network; 0 lets it see a dark frame, as the paper does.",
        minimum=0,
        maximum=MIN_SIDE // 2,
    )
    warmup: int = option(
        30,
        "Steps, a third of a scale's at most, in which the style's weight grows to beta at the "
        "start of each scale; 0: it is beta from the start.",
        minimum=0,
        maximum=100_000,
    )
    patience: int = option(
        1,
        "Leave a scale when the loss has not fallen by 0.1 % over so many epochs; 0 never does.",
        minimum=0,
    )
    precision: str = option(
        "auto",
        "What the convolutions compute in; auto takes the fastest that the machine has natively.",
        choices=("auto", "float32", "bfloat16", "float16"),
    )
    preprocessing: str = option(
        "caffe",
        "What the weights were trained on: caffe (Keras' own) or torch (torchvision's).",
        choices=("caffe", "torch"),
    )
    pooling: str = option(
        "max",
        "How the network shrinks: max (as trained) or avg (smoother, the paper's advice).",
        choices=("max", "avg"),
    )

    def __post_init__(self):
        for name in FIELDS:
            try:
                check(name, getattr(self, name))
            except ValueError as error:
                raise ValueError(f"{name}: {error}") from None
        if self.average and self.optimizer != "adam":
            raise ValueError("--average works with --optimizer adam only; add that")

    @property
    def style_layer_weights(self):
        """The style layers and the weights given to them: `{name: weight}`."""
        return dict(parse_style_layer(text) for text in self.style_layers)

    @property
    def tv_form(self):
        """The form of the total variation, `auto` decided."""
        if self.tv_loss != "auto":
            return self.tv_loss
        return "sum-squared" if self.loss == "gatys" else "mean-squared"

    @property
    def layers(self):
        """All layers whose features are needed, from the image upwards."""
        wanted = {*self.content_layers, *self.style_layer_weights}
        return tuple(name for name in LAYERS if name in wanted)


FIELDS = {each.name: each for each in dataclasses.fields(Settings)}


def check(name, value):
    """Raise ValueError with the reason if `value` cannot be the setting `name`."""
    rule = FIELDS[name].metadata
    if name == "style_layers":
        check_style_layers(value)
    elif name == "scales":
        parse_scales(value)
    elif rule["choices"]:
        for each in value if isinstance(value, tuple) else (value,):
            check_choice(each, rule["choices"])
    elif isinstance(value, (int, float, tuple)):
        for each in value if isinstance(value, tuple) else (value,):
            check_range(each, rule)


def check_choice(value, choices):
    """Raise ValueError unless `value` is one of `choices`."""
    if value not in choices:
        raise ValueError(f"unknown: {value}; choose from {', '.join(choices)}")


def check_range(value, rule):
    """Raise ValueError unless the number `value` is finite and inside the rule's range."""
    if not math.isfinite(value):
        raise ValueError(f"{value} is not a finite number")
    if rule["minimum"] is not None and value < rule["minimum"]:
        raise ValueError(f"{value} is too small; the least is {rule['minimum']}")
    if rule["above"] is not None and value <= rule["above"]:
        raise ValueError(f"{value} is too small; it must be above {rule['above']}")
    if rule["maximum"] is not None and value > rule["maximum"]:
        raise ValueError(f"{value} is too large; the most is {rule['maximum']}")


def check_style_layers(layers):
    """Raise ValueError unless each layer is a known NAME or NAME:WEIGHT, named once."""
    names = [parse_style_layer(text)[0] for text in layers]
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"{name} is given twice")


def parse_style_layer(text):
    """Split `NAME` or `NAME:WEIGHT` into (name, weight).

    Raises:
        ValueError: the name is not a layer of VGG19, or the weight not a number above 0.
    """
    name, _, weight = text.partition(":")
    check_choice(name, LAYERS)
    try:
        number = float(weight) if weight else 1.0
    except ValueError:
        raise ValueError(f"{weight} is not a number; write {name}:0.5, for example") from None
    if not (math.isfinite(number) and number > 0):
        raise ValueError(f"the weight of {name} must be a finite number above 0, not {weight}")
    return name, number


def parse_scales(text):
    """Turn `128,256,512` into (128, 256, 512); `auto` and `1` into None.

    Raises:
        ValueError: a size is no whole number of at least 32, or they do not grow.
    """
    if text in ("auto", "1"):
        return None
    try:
        sizes = tuple(int(part) for part in text.split(","))
    except ValueError:
        raise ValueError(f"{text} is not a list of sizes; write 128,256,512, for example") from None
    if min(sizes) < MIN_SIDE or list(sizes) != sorted(set(sizes)):
        raise ValueError(f"{text}: the sizes must grow, from {MIN_SIDE} at least")
    return sizes
