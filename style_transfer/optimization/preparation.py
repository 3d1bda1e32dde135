"""Before TensorFlow is needed: pictures and weights are read, sizes chosen, the memory counted."""

import dataclasses
import functools
from dataclasses import dataclass

from style_transfer import files
from style_transfer.errors import SettingsError
from style_transfer.networks import instant, weights
from style_transfer.networks.weights import Weights
from style_transfer.optimization import room
from style_transfer.optimization.events import Notice
from style_transfer.optimization.room import Room
from style_transfer.pictures import images
from style_transfer.runs.inputs import Inputs
from style_transfer.settings import Settings
from style_transfer.validation import ORIGINAL

UNCHANGED = "restore it, or start anew with --overwrite"


@dataclass(frozen=True)
class Prepared:
    """What a job has before TensorFlow is needed: pictures, their sizes, weights, settings."""

    pictures: Inputs
    sizes: Inputs
    network: Weights
    settings: Settings
    room: Room


def prepare(job, downloading=None):
    """Read the inputs and the weights of a `job.Job`, and see that all fits.

    A generator of events that returns `Prepared`.

    Args:
        downloading: see `job.perform`.

    Raises:
        files.FileError: a file cannot be used, or is not what it was in the job's record.
        SettingsError: there are no such weights, or not enough memory.
    """
    pictures = load_pictures(job.inputs, job.settings)
    for _, picture in pictures.items():
        yield from map(Notice, picture.notices)
    settings = job.settings
    sizes = choose_sizes(pictures, settings)
    network = load_weights(job.weights or settings.weights, settings, downloading)
    start = instant.identify(settings.transform) if settings.init == "instant" else None
    if job.record:
        check_unchanged(job.record, pictures, network, start)
    if settings.weights == "auto":
        settings = dataclasses.replace(settings, weights=network.source)
    if settings.size == ORIGINAL:
        settings = dataclasses.replace(settings, size=max(sizes.content))
    fitted, left = fit_memory(sizes, network, settings, is_fixed=job.record is not None)
    if fitted.history < settings.history:
        yield Notice(f"L-BFGS remembers {fitted.history} steps, for which there is memory")
    return Prepared(pictures, sizes, network, fitted, left)


def load_pictures(inputs, settings, load=images.load):
    """Read the pictures: all in sRGB, or all in the color profile of the content.

    Args:
        inputs: `Inputs` of paths.
        settings: `profile`.
        load: what reads one, as `images.load` does.
    """
    content = load(inputs.content, keeps=settings.profile == "keep")
    others = dataclasses.replace(inputs, content=None)
    read = others.map(lambda path: load(path, profile=content.profile))
    return dataclasses.replace(read, content=content)


def load_weights(source, settings, downloading):
    """Load weights for the architecture of the settings; refuse what there is not."""
    keywords = {"architecture": settings.architecture, "seed": settings.seed}
    try:
        return weights.load(source, **keywords, progress=downloading)
    except files.FileError:
        raise
    except ValueError as error:
        raise SettingsError(f"--weights: {error}") from None


def check_unchanged(record, pictures, network, start=None):
    """Raise FileError if the inputs of a run are no longer what they were."""
    for role, picture in pictures.items():
        if picture.sha256 != record["inputs"][role]["sha256"]:
            raise files.FileError(picture.path, "has changed since the run began", UNCHANGED)
    if start and record.get("start") not in (None, start.sha256):
        reason = "are other weights than those that painted the start of the run"
        raise files.FileError(start.path, reason, "use the version that began it")
    if network.sha256 != record["weights"]["sha256"]:
        reason = "are other weights than the run began with"
        raise files.FileError(network.source, reason, UNCHANGED)


def fit_memory(sizes, network, settings, *, is_fixed):
    """Fit a run into its budget of memory, see `room.plan`.

    Args:
        is_fixed: whether the optimizer must remember as much as the settings say.

    Returns:
        (settings, `Room`).

    Raises:
        SettingsError: the run would need more memory than the budget, or than there is.
    """
    budget = room.find_budget(settings.memory)
    arguments = sizes, network.architecture, settings
    if found := room.plan(*arguments, budget, is_fixed=is_fixed):
        return found
    side = room.largest_side(*arguments, budget, is_fixed=is_fixed)
    remedy = f"--size {side} would fit" if side else "no size would fit; free some memory"
    steady = dataclasses.replace(settings, optimizer="adam")
    if not is_fixed and room.plan(*arguments[:2], steady, budget):
        remedy += ", or --optimizer adam at this one"
    needed = room.least(*arguments, is_fixed=is_fixed)
    width, height = sizes.content
    free = "free" if settings.memory == "auto" else "given"
    raise SettingsError(
        f"--size: {width}×{height} px need about {needed / 1e9:.1f} GB of memory, and "
        f"{budget / 1e9:.1f} GB are {free}; {remedy}"
    )


def choose_sizes(pictures, settings):
    """Choose (width, height) for the pictures; refuse those that would be too small.

    The content is at most `settings.size` large, the styles in proportion; a mask is as large as
    its picture; a start picture becomes as large as the content.

    Args:
        pictures: `Inputs` of `images.Picture`.

    Returns:
        `Inputs` of (width, height).

    Raises:
        files.FileError: a picture is too small or narrow, or a mask has not its picture's size.
    """
    fit = functools.partial(images.fitted_size, enlarge=settings.enlarge)
    content = fit(pictures.content.pixels.size, settings.size)
    style_side = round(max(content) * settings.style_scale)
    styles = tuple(fit(style.pixels.size, style_side) for style in pictures.styles)
    for picture, size in zip((pictures.content, *pictures.styles), (content, *styles)):
        images.check_sides(picture, size)
    if pictures.content_mask is not None:
        check_mask(pictures.content_mask, pictures.content)
    for mask, style in zip(pictures.style_masks, pictures.styles):
        check_mask(mask, style)
    sizes = pictures.map(lambda _: content)
    return type(pictures)(
        content, styles, sizes.content_mask, styles[: len(sizes.style_masks)], sizes.init
    )


def check_mask(mask, picture):
    """Raise FileError unless a mask has the size of its picture."""
    if mask.pixels.size != picture.pixels.size:
        size, wanted = ("×".join(map(str, each.pixels.size)) for each in (mask, picture))
        remedy = f"make it as large as {files.printable(picture.path)}: {wanted} px"
        raise files.FileError(mask.path, f"is a mask of {size} px", remedy)
