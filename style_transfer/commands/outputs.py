"""Where the pictures of one pass go: beside each other, and over nothing that was read."""

import os
from collections import Counter
from pathlib import Path

import click

from style_transfer import files

STREAM = "-"  # standard input or output
SUFFIX = ".png"


def choose_outputs(contents, style, output, several):
    """Return the path of the picture for each content; None for standard output.

    Args:
        contents: paths.
        style: the name of the style.
        output: what the user named, or None.
        several: whether a folder is wanted, be it for a single picture.
    """
    from style_transfer.pictures.images import SUFFIXES
    from style_transfer.runs.folder import OUTPUT, choose_free

    if output == STREAM:
        return [None]
    names = ["stdin" if each == STREAM else Path(each).stem for each in contents]
    if several:
        folder = Path(output or OUTPUT / f"instant-{style}")
        is_picture = output and folder.suffix.lower() in SUFFIXES and not is_folder(output)
        if is_picture or folder.is_file():
            raise click.UsageError(f"--output: {folder} is a file; name a folder for several")
        return [folder / f"{name}{SUFFIX}" for name in names]
    if output is None:
        return [choose_free(f"{names[0]}-{style}-instant", SUFFIX)]
    path = Path(output)
    if is_folder(output) or not path.suffix:
        return [path / f"{names[0]}-{style}{SUFFIX}"]
    if path.suffix.lower() not in SUFFIXES:
        raise click.UsageError(f"--output: {path} is no .png or .tif file; name one, or a folder")
    return [path]


def is_folder(output):
    """Tell whether a name is one of a folder: one that is there, or by the separator behind it."""
    return Path(output).is_dir() or output.endswith(("/", os.sep))


def check_outputs(outputs, inputs):
    """Refuse two results of one name, one in the place of an input, one that cannot be written."""
    from style_transfer.runs.folder import check_writable

    # `Path.resolve` would raise for a link to itself (before Python 3.13).
    written = Counter(os.path.realpath(path) for path in outputs if path)
    for path, count in written.items():
        if count > 1:
            name = files.printable(Path(path).name)
            raise click.UsageError(f"two results would be called {name}; rename a picture")
    for each in inputs:
        for _, path in each.items():
            path = getattr(path, "path", path)
            if os.path.realpath(path) in written:
                raise files.FileError(path, "would be overwritten", "choose another --output")
    for folder in {path.parent for path in outputs if path}:
        check_writable(folder)
