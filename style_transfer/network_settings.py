"""The settings of the network that sees, a part of `settings.Settings`."""

from dataclasses import dataclass

from style_transfer.method.architecture import ARCHITECTURES, MIN_SIDE, VGG19
from style_transfer.validation import option, parse_style_layers

NETWORK = "Network"  # their heading


@dataclass(frozen=True)
class NetworkSettings:
    """Which network, which of its layers, and how it computes."""

    network: str = option(
        "vgg19",
        "The architecture: vgg19, or vgg16 (no compact network; --weights imagenet, 59 MB).",
        "--network",
        section=NETWORK,
        choices=tuple(ARCHITECTURES),
        compiled=True,
    )
    weights: str = option(
        "auto",
        "imagenet (the full network, 80 MB to download once), compact (bundled, about ten times "
        "faster), auto (the first if it was downloaded before, else the second), random, or a "
        "weights file (.h5).",
        "--weights",
        section=NETWORK,
    )
    content_layers: tuple[str, ...] = option(
        ("block4_conv2",),
        "A layer for the content; may be given several times, or none.",
        "--content-layer",
        section=NETWORK,
        kind=str,
        choices=VGG19.layers,  # which has all of VGG16's
        optional=True,
        compiled=True,
    )
    style_layers: tuple[str, ...] = option(
        tuple(f"block{block}_conv1" for block in range(1, 6)),
        "A layer for the style, with its share (1 if not given); several, or none: content alone.",
        "--style-layer",
        section=NETWORK,
        kind=str,
        parse=parse_style_layers,
        compiled=True,
        optional=True,
    )
    pooling: str = option(
        "max",
        "How the network shrinks: max (as trained) or avg (smoother, the paper's advice).",
        "--pooling",
        section=NETWORK,
        choices=("max", "avg"),
        compiled=True,
    )
    preprocessing: str = option(
        "caffe",
        "What the weights were trained on: caffe (Keras' own) or torch (torchvision's).",
        "--preprocessing",
        section=NETWORK,
        choices=("caffe", "torch"),
        compiled=True,
    )
    border: int = option(
        4,
        "Pixels, at least, by which the pictures go on beyond their edges, mirrored, for the "
        "network; 0 lets it see a dark frame, as the paper does.",
        "--border",
        section=NETWORK,
        minimum=0,
        maximum=MIN_SIDE // 2,
        compiled=True,
    )
    precision: str = option(
        "auto",
        "What the convolutions compute in; auto takes the fastest that is known to be right.",
        "--precision",
        section=NETWORK,
        choices=("auto", "float32", "bfloat16", "float16"),
        compiled=True,
    )
