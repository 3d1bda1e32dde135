"""What paints any style in one pass, by the setting `transform`: which weights those are."""

from dataclasses import dataclass
from pathlib import Path

from style_transfer import files
from style_transfer.networks import decoders, google, weights

GOOGLE = "google"  # of `transform`; the others are maps of the compact network's features


@dataclass(frozen=True)
class Source:
    """Weights that one pass computes with.

    Attributes:
        name: for a record.
        path: of a file of them, or what stands for it.
        sha256: of all of them.
    """

    name: str
    path: str | Path
    sha256: str


def identify(transform):
    """Return the `Source` of what paints with a `transform`.

    Raises:
        SettingsError: it is in packages that are not installed.
        files.FileError: a file is missing or damaged.
    """
    if transform == GOOGLE:
        path = google.locate(google.TRANSFER)
        return Source("Google's style prediction and transfer", path, google.identify())
    compact = weights.load("compact")
    both = files.sha256((compact.sha256 + decoders.load().sha256).encode())
    return Source(f"{compact.name} and its decoders", decoders.FILE, both)
