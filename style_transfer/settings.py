"""Every setting of a run, written once: default, range, meaning, and how it is given."""

import dataclasses
from dataclasses import dataclass

from style_transfer.derived import Derived
from style_transfer.errors import SettingsError
from style_transfer.method.architecture import MIN_SIDE
from style_transfer.network_settings import NetworkSettings
from style_transfer.validation import (
    ORIGINAL,
    check_together,
    check_value,
    option,
    parse_memory,
    parse_scales,
    parse_strength,
)

VERSION = "0.7.0"

STARTS = ("instant", "content", "style", "noise")  # of `init`; anything else is a picture's path
COMMON, STYLE = "Common options", "Style"  # headings


@dataclass(frozen=True)
class Settings(NetworkSettings, Derived):
    """What determines the picture, besides the input pictures and the network's weights.

    Raises:
        SettingsError: a value is of another type or out of its range; it names the setting.
    """

    size: int = option(
        512,
        "Longer side of the result in pixels, or original. Time and memory grow with its square.",
        "--size",
        section=COMMON,
        minimum=MIN_SIDE,
        maximum=ORIGINAL,
    )
    content_weight: float = option(
        1.0,
        "α: how strongly the photo's content is kept.",
        "--alpha",
        "--content-weight",
        section=COMMON,
        minimum=0.0,
        maximum=1e12,
    )
    style_weight: float = option(
        30.0,
        "β: how strongly the style is painted on; β/α is what matters.",
        "--beta",
        "--style-weight",
        section=COMMON,
        minimum=0.0,
        maximum=1e12,
    )
    tv_weight: float = option(
        7.0,
        "Total variation: more gives smoother areas, less keeps fine grain.",
        "--tv",
        "--tv-weight",
        section=COMMON,
        minimum=0.0,
        maximum=1e12,
    )
    epochs: int = option(
        10,
        "Epochs; a snapshot is saved after each.",
        "--epochs",
        section=COMMON,
        minimum=1,
        maximum=100_000,
    )
    steps: int = option(
        10,
        "Optimization steps in an epoch.",
        "--steps",
        section=COMMON,
        minimum=1,
        maximum=100_000,
    )
    preserve_color: str = option(
        "none",
        "Keep the photo's colors: symmetric, cholesky or histogram recolor the painting first; "
        "luminance paints in grays and puts the photo's colors back.",
        "--preserve-color",
        section=STYLE,
        choices=("none", "luminance", "cholesky", "symmetric", "histogram"),
    )
    blend: tuple[float, ...] = option(
        (),
        "With several styles: how much of each, in their order.",
        "--blend",
        section=STYLE,
        kind=float,
        minimum=0.0,
        maximum=1e6,
    )
    keep_alpha: bool = option(
        False, "Give the result the content's transparency.", "--keep-alpha", section=STYLE
    )
    bit_depth: str = option(
        "8",
        "Bits of a channel of the result: 8, or 16 for further editing.",
        "--bit-depth",
        section=STYLE,
        choices=("8", "16"),
    )
    profile: str = option(
        "srgb",
        "srgb, or keep: the result has the photo's own color profile and resolution.",
        "--profile",
        section=STYLE,
        choices=("srgb", "keep"),
    )
    style_loss: str = option(
        "gram",
        "What of the style layers is compared: gram (the paper), wasserstein (means and "
        "covariances), mean-std (means and deviations).",
        "--style-loss",
        section=STYLE,
        choices=("gram", "wasserstein", "mean-std"),
        compiled=True,
    )
    style_space: str = option(
        "auto",
        "Compare the style in the network's own channels (raw), or in those of the full VGG19, "
        "as its heads estimate them (lifted); auto: lifted where the network has heads.",
        "--style-space",
        section=STYLE,
        choices=("auto", "raw", "lifted"),
        compiled=True,
    )
    layer_weights: str = option(
        "equal",
        "Shares of the style layers: equal; geometric (each a quarter of the one before: fine "
        "grain); gatys (1 / channels², as the authors' program).",
        "--layer-weights",
        section=STYLE,
        choices=("equal", "geometric", "gatys"),
    )
    init: str = option(
        "instant",
        "Start from: instant (what apply makes), content, style, noise, or the path of a picture.",
        "--init",
    )
    style_scale: float = option(
        1.0,
        "Size of the style picture relative to the content: more gives larger strokes.",
        "--style-scale",
        minimum=0.05,
        maximum=10.0,
    )
    transform: str = option(
        "monge",
        "How one pass gives the photo's features the painting's statistics: monge (the nearest "
        "way, which keeps the photo's structure), wct (by way of white features), adain (means "
        "and deviations alone); or google: Google's networks paint, from packages of their own.",
        "--transform",
        section=STYLE,
        choices=("monge", "wct", "adain", "google"),
    )
    strength: str = option(
        "auto",
        "How much of the painting one pass puts on, 0 to 1 (auto: 0.7; 1 of a trained network): "
        "one number, or one for each of five levels, from large shapes to fine grain: 1,1,0.8,0,0.",
        "--strength",
        section=STYLE,
        parse=parse_strength,
    )
    enlarge: bool = option(False, "Enlarge pictures that are smaller than --size.", "--enlarge")
    loss: str = option(
        "relative",
        "relative: weights are pure numbers, alike for every size and network. gatys: the "
        "paper's own formulas (with --weights compact try --beta 1e7 --tv 1). mean: mean squares.",
        "--loss",
        choices=("relative", "gatys", "mean"),
        compiled=True,
    )
    tv_loss: str = option(
        "auto",
        "Total variation: isotropic (alike in all directions), or the mean or sum of squared or "
        "absolute differences; auto goes with --loss.",
        "--tv-loss",
        choices=(
            "auto",
            "isotropic",
            "mean-squared",
            "sum-squared",
            "mean-absolute",
            "sum-absolute",
        ),
        compiled=True,
    )
    scales: str = option(
        "auto",
        "Coarse to fine: auto, 1 (the final size only), or the longer sides, as 128,256,512.",
        "--scales",
        parse=parse_scales,
    )
    optimizer: str = option(
        "lbfgs",
        "lbfgs: lower loss in the same time. adam: the steadier one, with --learning-rate.",
        "--optimizer",
        choices=("lbfgs", "adam"),
        compiled=True,
    )
    history: int = option(
        12,
        "Steps that L-BFGS remembers; fewer take less memory and more steps.",
        "--history",
        minimum=1,
        maximum=100,
        compiled=True,
    )
    learning_rate: float = option(
        0.02,
        "Adam's step size; pixels are in [0, 1].",
        "--learning-rate",
        above=0.0,
        compiled=True,
    )
    decay: float = option(
        1.0,
        "Multiply Adam's step size by this every --decay-steps.",
        "--decay",
        above=0.0,
        maximum=1.0,
        compiled=True,
    )
    decay_steps: int = option(50, "See --decay.", "--decay-steps", minimum=1, compiled=True)
    adam_beta1: float = option(
        0.9,
        "Adam's memory of the gradient.",
        "--adam-beta1",
        minimum=0.0,
        maximum=0.999,
        compiled=True,
    )
    adam_epsilon: float = option(
        1e-7,
        "Adam's ε: gradients well below it move less.",
        "--adam-epsilon",
        above=0.0,
        maximum=1e6,
        compiled=True,
    )
    average: float = option(
        0.0,
        "Show the running average of Adam's images, each counting for so much less than the "
        "next: 0.95 smooths. 0 shows the last one.",
        "--average",
        minimum=0.0,
        maximum=0.999,
        compiled=True,
    )
    warmup: int = option(
        30,
        "Steps, a third of a scale's at most, in which the style's weight grows to beta at the "
        "start of each scale; 0, or --init instant: it is beta from the start.",
        "--warmup",
        minimum=0,
        maximum=100_000,
    )
    memory: str = option(
        "auto",
        "How much a run may take, as 2GB; auto: what is free. What does not fit goes in blocks.",
        "--memory",
        parse=parse_memory,
    )
    patience: int = option(
        1,
        "Leave a scale when the loss has not fallen by 0.1 % over so many epochs; 0 never does.",
        "--patience",
        minimum=0,
    )
    seed: int = option(0, "Seed of everything random.", "--seed", minimum=0, maximum=2**31 - 1)

    def __post_init__(self):
        for name in FIELDS:
            try:
                check(name, getattr(self, name))
            except ValueError as error:
                raise SettingsError(f"{name}: {error}") from None
        check_together(self)


FIELDS = {each.name: each for each in dataclasses.fields(Settings)}


def check(name, value):
    """Raise ValueError with the reason if `value` cannot be the setting `name`."""
    check_value(value, FIELDS[name])
