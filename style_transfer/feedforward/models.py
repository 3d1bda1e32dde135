"""What `apply --model` takes: a file that train wrote, or the name of a network."""

import dataclasses

from PIL import Image

from style_transfer.feedforward import style_file
from style_transfer.networks import google

MULTISTYLE = google.MULTISTYLE
ANY = "any"  # the network for any style that comes with the program


def is_model(name):
    """Tell whether a name is one of a model, and not of a picture."""
    return name in (MULTISTYLE, ANY) or name.endswith(style_file.SUFFIX)


def read(name):
    """Read a model, as a `style_file.StyleFile`.

    Raises:
        files.FileError: it cannot be used.
        SettingsError: it is in packages that are not installed.
    """
    if name == MULTISTYLE:
        return read_multistyle()
    if name == ANY:
        return dataclasses.replace(style_file.read(style_file.START), path=ANY)
    return style_file.read(name)


def read_multistyle():
    """Read Google's network of 26 styles (Dumoulin et al., arXiv:1610.07629).

    Neither names nor pictures of its styles were published.
    """
    layers = google.read(MULTISTYLE)
    arrays = {f"{name}/kernel": kernel for name, (kernel,) in layers.arrays.items()}
    styles = len(arrays["expand1_scale/kernel"])
    blank = Image.new("RGB", (style_file.THUMBNAIL,) * 2)
    return style_file.StyleFile(
        path=MULTISTYLE,
        sha256=layers.sha256,
        names=tuple(str(number) for number in range(1, styles + 1)),
        thumbnails=(blank,) * styles,
        facts={"arch": MULTISTYLE},
        arrays=arrays,
    )
