"""What the exploring commands can be told, besides `Settings`: every option once."""

import dataclasses
from dataclasses import dataclass

from style_transfer.errors import SettingsError
from style_transfer.method.architecture import MIN_SIDE, VGG19
from style_transfer.settings import COMMON
from style_transfer.validation import check_value, option

ALL = "all"  # in place of a layer: every one that the weights have
MOST_CHANNELS = 512


def parse_channels(text):
    """Turn `0,38` or `0-15,20` into a tuple of different channel numbers; nothing into ().

    Raises:
        ValueError: a part is no number and no range.
    """
    numbers = []
    for part in filter(None, text.split(",")):
        first, dash, last = part.partition("-")
        if not (first.isdecimal() and (last.isdecimal() or not dash)) or len(part) > 9:
            raise ValueError(f"{part} is no channel; write 38, or 0-15, with commas between")
        numbers += range(int(first), int(last or first) + 1)
    return tuple(dict.fromkeys(numbers))


def parse_some_channels(text):
    """Turn `0,38` or `0-15,20` into channel numbers, one at least; see `parse_channels`."""
    if not (channels := parse_channels(text)):
        raise ValueError("name a channel: 38, or 0-15")
    return channels


def layer_option(default, meaning, **more):
    """Declare the option that names layers."""
    names = (ALL, *VGG19.layers)
    return option(
        default, meaning, "--layer", section=COMMON, kind=str, choices=names, optional=True, **more
    )


@dataclass(frozen=True)
class Choices:
    """What an exploring command was told.

    Raises:
        SettingsError: a value is of another type or out of its range; it names the option.
    """

    def __post_init__(self):
        for field in dataclasses.fields(self):
            try:
                check_value(getattr(self, field.name), field)
            except ValueError as error:
                flag = field.metadata["flags"][0]
                raise SettingsError(f"{flag}: {error}") from None

    @classmethod
    def from_json(cls, values):
        """Make them from a record's; lists become tuples."""
        return cls(**{k: tuple(v) if isinstance(v, list) else v for k, v in values.items()})


@dataclass(frozen=True)
class FeatureChoices(Choices):
    """Of `features`."""

    layers: tuple[str, ...] = layer_option(
        tuple(f"block{block}_conv1" for block in range(1, 6)),
        "A layer to look at; may be given several times; all: every one there is.",
    )
    top: int = option(
        16,
        "How many channels of a layer to show: those that answer most to the picture.",
        "--top",
        section=COMMON,
        minimum=1,
        maximum=64,
    )
    channels: str = option(
        "",
        "The channels to show instead, by number: 0,38 or 0-15.",
        "--channels",
        section=COMMON,
        parse=parse_channels,
    )
    gram: bool = option(
        False,
        "Draw the Gram matrices, too: what the method takes for the style.",
        "--gram",
        section=COMMON,
    )
    brightness: str = option(
        "map",
        "Brightness: each map by itself (map), or all of a layer alike (layer).",
        "--brightness",
        section=COMMON,
        choices=("map", "layer"),
    )


@dataclass(frozen=True)
class ChannelChoices(Choices):
    """Of `channels`."""

    layers: tuple[str, ...] = layer_option(
        ("block3_conv1", "block4_conv1", "block5_conv1"),
        "A layer to choose channels of; may be given several times; all: every one there is.",
    )
    channels: str = option(
        "0-7",
        "The channels, by number: 0,38 or 0-15.",
        "--channels",
        section=COMMON,
        parse=parse_some_channels,
    )
    size: int = option(
        128,
        "Sides of the pictures in pixels. Time grows with its square.",
        "--size",
        section=COMMON,
        minimum=MIN_SIDE,
        maximum=1024,
    )
    steps: int = option(
        128, "Steps; 64 show the pattern.", "--steps", section=COMMON, minimum=1, maximum=10_000
    )
    space: str = option(
        "auto",
        "The network's own channels (raw), or those of the full VGG19, as its heads estimate them "
        "(lifted); auto: lifted where the layer has a head.",
        "--space",
        choices=("auto", "raw", "lifted"),
    )
    rate: float = option(0.05, "Adam's step size.", "--rate", above=0.0, maximum=10.0)


@dataclass(frozen=True)
class DreamChoices(Choices):
    """Of `dream`."""

    layers: tuple[str, ...] = layer_option(
        (),
        "A layer to dream of; several: one dream each; all: every one there is.  [default: "
        "block4_conv2, the last of block 4, block5_conv1; with --zoom this one alone]",
    )
    channels: str = option(
        "",
        "Dream of single channels, one dream each: 38, or 0-3.",
        "--channels",
        section=COMMON,
        parse=parse_channels,
    )
    space: str = option(
        "auto",
        "Of --channels: the network's own (raw), or those of the full VGG19, as its heads estimate "
        "them (lifted); auto: lifted where the layer has a head.",
        "--space",
        choices=("auto", "raw", "lifted"),
    )
    zoom: int = option(
        0,
        "Make a film of so many frames, each a dream of the middle of the one before.",
        "--zoom",
        section=COMMON,
        minimum=0,
        maximum=10_000,
    )
    octaves: int = option(
        4, "Sizes to dream at, from small to large.", "--octaves", minimum=1, maximum=12
    )
    octave_scale: float = option(
        1.8,
        "How much larger than the one before.",
        "--octave-scale",
        above=1.0,
        maximum=4.0,
    )
    steps: int = option(
        10, "Steps in each of them: more dream deeper.", "--steps", minimum=1, maximum=1000
    )
    rate: float = option(
        0.015,
        "Deviation of a step; pixels are in [0, 1].",
        "--rate",
        above=0.0,
        maximum=1.0,
    )
    jitter: int = option(
        32, "Pixels that the picture is shifted by, at most.", "--jitter", minimum=0, maximum=1000
    )
    smoothing: float = option(
        1.0,
        "How much the gradient is smoothed; 0 shows all of its grain.",
        "--smoothing",
        minimum=0.0,
        maximum=2.0,
    )
    colors: str = option(
        "natural",
        "natural: those of photographs; free: whatever excites the network, which is garish.",
        "--colors",
        section=COMMON,
        choices=("natural", "free"),
    )


def choose_layers(names, network, flag="--layer"):
    """Return the layers that are meant, from the image upwards.

    Args:
        names: of layers, or `all`.
        network: `networks.weights.Weights`.
        flag: of the option that names them.

    Raises:
        SettingsError: the network has no such layer.
    """
    there = [name for name in network.architecture.layers if name in network.layers]
    if ALL in names:
        return tuple(there)
    for name in names:
        if name not in there:
            remedy = f"its deepest is {there[-1]}"
            if name in network.architecture.layers:
                remedy += "; --weights imagenet or random has more"
            raise SettingsError(f"{flag}: {network.name} has no {name}; {remedy}")
    return tuple(name for name in there if name in names)


def check_channels(channels, layer, network, width=None):
    """Raise SettingsError unless a layer has these channels, of `width`, or its own number."""
    width = width or network.architecture.width(layer)
    for channel in channels:
        if channel >= width:
            raise SettingsError(
                f"channel {channel}: {layer} of {network.name} has {width}, from 0 to {width - 1}"
            )
