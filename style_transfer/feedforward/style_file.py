"""A trained network as a file, `NAME.style`: weights, what they were trained for, thumbnails.

The format is that of checkpoints, an archive of arrays with a JSON header and checksums; nothing
in it is ever unpickled. All that is read is checked against the network that it is for.
"""

import io
from dataclasses import dataclass

import numpy as np
from PIL import Image

from style_transfer import files
from style_transfer.errors import SettingsError
from style_transfer.method.architecture import VGG19
from style_transfer.networks import weights
from style_transfer.pictures import images
from style_transfer.runs import checkpoint

SUFFIX = ".style"
#: A network for any style that comes with the program: what trainings begin with.
START = weights.COMPACT_FILES[VGG19.name].with_name("any.style")
KIND = "style"
FOR_ANY = ("google", "adain", "autoencoder")  # architectures that paint any style
THUMBNAIL = 192  # pixels of its longer side
MAX_STYLES, MAX_BYTES = 1000, 64 * 2**20
REMEDY = "give a .style file that train wrote"


@dataclass(frozen=True, eq=False)  # arrays have no single answer to ==
class StyleFile:
    """A trained network.

    Attributes:
        path: as it was given.
        sha256: of the file.
        names: of the styles.
        thumbnails: a Pillow image of each.
        facts: what it was trained with, see `training`.
        arrays: the weights by name.
    """

    path: str
    sha256: str
    names: tuple
    thumbnails: tuple
    facts: dict
    arrays: dict

    @property
    def arch(self):
        """What network it is: `johnson`, for some styles, or one of `FOR_ANY`."""
        return self.facts.get("arch", "johnson")

    @property
    def paints_any(self):
        """Whether it is given a painting to paint like; else it knows some styles."""
        return self.arch in FOR_ANY

    @property
    def count(self):
        """How many styles it was trained for."""
        return len(self.names)

    def picture(self):
        """Return the `Picture` that stands for it among the inputs of a run."""
        return images.Picture(self.path, self.sha256, self.thumbnails[0], ())


def write(path, weights, styles, facts):
    """Write a trained network, whole or not at all, in half precision.

    Args:
        path: a `Path`.
        weights: from name to array.
        styles: a list of (name, Pillow image).
        facts: a dictionary, of what JSON can hold.
    """
    arrays = {f"weight {name}": np.asarray(each, np.float16) for name, each in weights.items()}
    for number, (_, picture) in enumerate(styles):
        arrays[f"thumbnail {number}"] = np.frombuffer(encode(picture), np.uint8)
    header = {"kind": KIND, "names": [name for name, _ in styles], "facts": facts}
    checkpoint.write(path, arrays, header)


def encode(picture):
    """Return a small copy of a picture as the bytes of a JPEG."""
    small = picture.copy()
    small.thumbnail((THUMBNAIL, THUMBNAIL), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    small.save(buffer, "JPEG", quality=85)
    return buffer.getvalue()


def read(path):
    """Read a trained network.

    Raises:
        files.FileError: the file is missing, too large, damaged, or none of this kind.
    """
    data = files.read(path, remedy=REMEDY)
    try:
        if len(data) > MAX_BYTES:
            raise ValueError("it is too large to be one")
        arrays, header = checkpoint.read_data(data)
        return parse(path, files.sha256(data), arrays, header)
    except files.FileError:
        raise
    except Exception as error:  # zipfile, NumPy and JSON raise all kinds of errors for damage
        reason = f"is no trained network ({files.printable(error)})"
        raise files.FileError(path, reason, REMEDY) from None


def parse(path, sha256, arrays, header):
    """Turn arrays and a header into a `StyleFile`; raise ValueError or KeyError if they are odd."""
    names = header["names"]
    if header.get("kind") != KIND or not 1 <= len(names) <= MAX_STYLES:
        raise ValueError("it holds no style")
    thumbnails = tuple(
        images.read(f"{path}: thumbnail {number + 1}", arrays[f"thumbnail {number}"].tobytes())
        for number in range(len(names))
    )
    weights = {
        name.removeprefix("weight "): check_weight(name, each)
        for name, each in arrays.items()
        if name.startswith("weight ")
    }
    names = tuple(files.printable(str(name)) for name in names)
    pixels = tuple(each.pixels for each in thumbnails)
    return StyleFile(str(path), sha256, names, pixels, dict(header["facts"]), weights)


def check_weight(name, array):
    """Return an array as float32; raise ValueError unless it holds finite numbers."""
    if array.dtype != np.float16 or not np.isfinite(array).all():
        raise ValueError(f"{name} holds no finite numbers in half precision")
    return array.astype(np.float32)


def check_settings(settings, file):
    """Raise SettingsError unless a trained network can do what the settings ask for."""
    if "," in settings.strength:
        raise SettingsError("--strength: a trained network takes one number")
    if file.paints_any:
        return
    count = len(file.names)
    if len(settings.blend) not in (0, count):
        raise SettingsError(f"--blend is given {len(settings.blend)} times for {count} styles")
    if settings.blend and not sum(settings.blend):
        raise SettingsError("--blend: all shares are 0; give one of them more")
    if settings.preserve_color not in ("none", "luminance"):
        mode = settings.preserve_color
        raise SettingsError(f"--preserve-color {mode} recolors a painting; use luminance")


def check_eye(file):
    """Raise FileError if a network understands another compact network than the program's."""
    if file.paints_any and file.facts.get("eye") != weights.load("compact").sha256:
        raise files.FileError(file.path, "was trained with another compact network", REMEDY)


def check_start(file, arch):
    """Raise SettingsError or FileError unless a network of `arch` can begin with a trained one."""
    check_eye(file)
    if file.arch not in (arch, "google" if arch == "johnson" else arch):
        raise SettingsError(f"--from: {file.path} is of --arch {file.arch}; name another, or none")
