"""The networks that see: VGG16 and VGG19 (Simonyan & Zisserman, arXiv:1409.1556), as numbers.

Both are five blocks of 3×3 convolutions with a pooling between two blocks, which halves the sides.
"""

import math
from dataclasses import dataclass
from functools import cached_property

MIN_SIDE = 32  # pixels; under this, the fifth block has less than two of them to look at


@dataclass(frozen=True)
class Architecture:
    """A network of VGG's kind.

    Attributes:
        name: for people, such as `VGG19`.
        convolutions: how many there are in each block.
        widths: channels of the features in each block.
    """

    name: str
    convolutions: tuple[int, ...]
    widths: tuple[int, ...]

    @cached_property
    def layers(self):
        """The names of the convolution layers in Keras, from the image upwards."""
        return tuple(
            f"block{block}_conv{convolution}"
            for block, count in enumerate(self.convolutions, start=1)
            for convolution in range(1, count + 1)
        )

    @property
    def largest_stride(self):
        """Pixels between two positions of the deepest layers; sides are best multiples of it."""
        return 2 ** (len(self.convolutions) - 1)

    def block(self, layer):
        """Return the number of a layer's block, from 1: 4 for `block4_conv2`."""
        return int(layer.removeprefix("block").partition("_")[0])

    def width(self, layer):
        """Return the channels of a layer's features."""
        return self.widths[self.block(layer) - 1]

    def stride(self, layer):
        """Return how many pixels lie between two positions of a layer."""
        return 2 ** (self.block(layer) - 1)

    def numbers(self, layers):
        """Count the numbers in the features of layers, for each pixel of the image."""
        return sum(self.width(layer) / self.stride(layer) ** 2 for layer in layers)

    def begins_block(self, layer):
        """Tell whether a pooling comes before a layer."""
        return self.block(layer) > 1 and layer.endswith("_conv1")

    def up_to(self, layers):
        """Return all layers from the image to the deepest of `layers`.

        Raises:
            ValueError: there are none, or a name is not a layer.
        """
        unknown = [name for name in layers if name not in self.layers]
        if unknown or not layers:
            names = ", ".join(self.layers)
            raise ValueError(f"unknown layer {unknown}; {self.name} has {names}")
        return self.layers[: max(map(self.layers.index, layers)) + 1]

    def mirrored(self, layer):
        """Return the convolutions of a decoder of a layer's features, in their order.

        Returns:
            A list of (name, channels): each is named after the layer that it undoes, and gives the
            channels which that one takes.
        """
        names = self.up_to([layer])
        return list(zip(names, [3, *map(self.width, names)]))[::-1]

    def margin(self, layers):
        """Return how far beyond a block of pixels features of `layers` in it see.

        Each convolution reaches one of its own positions farther. The poolings do not: the pixels
        that a position of a deep layer stands for are a block. 70 pixels for block5_conv1.

        Returns:
            Pixels, a multiple of the largest stride.
        """
        reach = sum(map(self.stride, self.up_to(layers)))
        return math.ceil(reach / self.largest_stride) * self.largest_stride

    def receptive_field(self, layer):
        """Return how many pixels, along one axis, a position of a layer sees."""
        size, stride = 1, 1
        for name in self.up_to([layer]):
            if self.begins_block(name):
                size, stride = size + stride, 2 * stride  # the pooling
            size += 2 * stride
        return size


VGG16 = Architecture("VGG16", (2, 2, 3, 3, 3), (64, 128, 256, 512, 512))
VGG19 = Architecture("VGG19", (2, 2, 4, 4, 4), (64, 128, 256, 512, 512))
ARCHITECTURES = {"vgg19": VGG19, "vgg16": VGG16}
