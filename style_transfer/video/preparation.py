"""Before TensorFlow is needed: the film and the pictures are read, sizes and frames chosen."""

from dataclasses import dataclass, replace

from style_transfer import files
from style_transfer.errors import SettingsError
from style_transfer.feedforward import apply, style_file
from style_transfer.optimization import memory, preparation
from style_transfer.optimization.events import Notice
from style_transfer.pictures import films, images
from style_transfer.runs import record as records
from style_transfer.runs.inputs import Inputs
from style_transfer.video.frames import Frames
from style_transfer.video.visits import reach

FRAME_BYTES = 1.6  # of a PNG, for each pixel
STATE_BYTES = 15  # and of what the next frames hold on to


@dataclass(frozen=True)
class Prepared:
    """What a film has before TensorFlow is needed.

    Attributes:
        film: a `films.Film`.
        times: of the chosen frames.
        pictures, sizes: `Inputs`; the content is the first of these frames.
        frames: `Frames`.
        masks: `Frames` of a film of masks, or None.
        network: `Weights`, or the `instant.Source` of what paints in one pass.
    """

    film: films.Film
    times: tuple
    pictures: Inputs
    sizes: Inputs
    frames: Frames
    masks: Frames | None
    network: object


def prepare(job, downloading=None):
    """Read what a `job.FilmJob` names, and see that all fits: yields notices.

    Returns:
        A `Prepared`.

    Raises:
        files.FileError: a file cannot be used, or is not what it was in the job's record.
        SettingsError: what reads films is not installed; there is not enough memory; the trained
            network cannot do what the settings ask for.
    """
    films.check_installed()
    film = films.load(job.inputs.content, rate=job.selection.rate)
    yield from map(Notice, film.notices)
    times = job.selection.choose(film)
    masks = load_masks(job, film)
    pictures = load_pictures(job, film, times, masks)
    for _, picture in pictures.items():
        yield from map(Notice, picture.notices)
    sizes = preparation.choose_sizes(pictures, job.settings)
    distance = reach(job.film)
    frames = Frames(film, times, sizes.content, distance)
    chosen = masks and Frames(masks, pick(masks, film, times), sizes.content, distance)
    network = find_network(job, pictures, sizes, downloading)
    prepared = Prepared(film, times, pictures, sizes, frames, chosen, network)
    if job.record:
        check_unchanged(job.record, prepared)
    return prepared


def load_masks(job, film):
    """Return the film of masks, where each frame has its own, or None.

    Raises:
        files.FileError: it has not as many frames as the film, or another size.
    """
    path = job.inputs.content_mask
    if path is None or not is_film(path):
        return None
    masks = films.load(path, rate=job.selection.rate)
    found, wanted = ((len(each.times), *each.size) for each in (masks, film))
    if found != wanted:
        (count, width, height), (own, *size) = wanted, found
        reason = f"has {own} masks of {'×'.join(map(str, size))} px"
        remedy = f"give one, or as many as the film has frames: {count} of {width}×{height} px"
        raise files.FileError(path, reason, remedy)
    return masks


def is_film(path):
    """Tell whether a mask is a film: a folder, or no picture."""
    try:
        images.load(path)
    except files.FileError as error:
        return "is a film" in str(error) or "is a folder" in str(error)
    return False


def pick(masks, film, times):
    """Return the times of the masks of the chosen frames."""
    places = {time: place for place, time in enumerate(film.times)}
    return tuple(masks.times[places[time]] for time in times)


def load_pictures(job, film, times, masks):
    """Return the `Inputs` of pictures: the film's by its first chosen frame, the masks' as well."""
    first = {film.path: (film, times[:1])}
    if masks:
        first[masks.path] = masks, pick(masks, film, times[:1])

    def load(path):
        if apply.is_read(path):  # what stands for the styles that a network has
            return path
        if str(path) not in first:
            return images.load(path)
        source, wanted = first[str(path)]
        (_, pixels), *_ = source.read(wanted)
        return images.Picture(source.path, source.sha256, pixels, ())

    return job.inputs.map(load)


def find_network(job, pictures, sizes, downloading):
    """Return what paints; refuse what does not fit into the memory."""
    if job.film.instant:
        if job.model:
            style_file.check_settings(job.settings, job.model)
        apply.check_memory(pictures, sizes, job.settings)
        return apply.find_source(job.settings, job.model)
    settings = job.settings
    network = preparation.load_weights(job.weights or settings.weights, settings, downloading)
    check_memory(sizes, network, settings)
    return network


def check_memory(sizes, network, settings):
    """Raise SettingsError if a frame, which is seen as a whole, would need more memory than is."""
    needed = memory.estimate(sizes.content, sizes.styles, network.architecture, settings)
    there = memory.resident() + memory.available()
    if needed > there:
        width, height = sizes.content
        raise SettingsError(
            f"--size: frames of {width}×{height} px need about {needed / 1e9:.1f} GB of memory, "
            f"and {there / 1e9:.1f} GB are free; give a smaller one"
        )


def check_unchanged(record, prepared):
    """Raise FileError if what a film was made from is no longer what it was."""
    for role, picture in prepared.pictures.items():
        if picture.sha256 != record["inputs"][role]["sha256"]:
            reason = "has changed since the run began"
            raise files.FileError(picture.path, reason, preparation.UNCHANGED)
    if prepared.network.sha256 != record["weights"]["sha256"]:
        reason = "are other weights than the run began with"
        raise files.FileError(prepared.network.name, reason, preparation.UNCHANGED)


def make_record(job, prepared, **computed):
    """Return the record of a film: all that determines it."""
    settings = job.settings
    if settings.weights == "auto" and not job.film.instant:
        settings = replace(settings, weights=prepared.network.source)
    if job.model:
        computed["model"] = str(job.model.path)
    size = prepared.sizes.content
    return records.make_record(
        settings, prepared.pictures, prepared.network, size, command="video", **computed
    )


def estimate_memory(job, prepared):
    """Estimate the peak of the memory, in bytes."""
    sizes = prepared.sizes
    if job.film.instant:
        return memory.estimate_pass([sizes.content, *sizes.styles])
    architecture = prepared.network.architecture
    return memory.estimate(sizes.content, sizes.styles, architecture, job.settings)


def estimate_disk(job, prepared):
    """Estimate what the frames take on the disk, in bytes."""
    width, height = prepared.sizes.content
    count = len(prepared.times)
    kept = count if job.film.passes > 1 else min(count, reach(job.film) + 1)
    return width * height * (FRAME_BYTES * count + STATE_BYTES * kept)
