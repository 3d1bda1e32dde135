"""What is made of the frames that are done: the films, or the sheet of a preview; the page."""

import io

import numpy as np
from PIL import Image

from style_transfer import files
from style_transfer.pictures import encoding
from style_transfer.reports import films as pages
from style_transfer.reports.frames import read


def write(run, job, prepared):
    """Write the result of the frames that are done; return its path, or None for no frame."""
    places = [place for place in range(len(prepared.times)) if run.picture(place).exists()]
    if not places:
        return None
    if job.selection.preview:
        result = run.path("preview.png")
        files.write(result, draw_preview(run, prepared, places))
    else:
        result = write_films(run, job, prepared, places)
    pages.write_page(run.folder)
    return result


def write_films(run, job, prepared, places):
    """Write the film, and one of both beside each other."""
    sound = find_sound(job, prepared, places)
    suffix = encoding.choose_suffix(sound)
    times = [prepared.times[place] for place in places]
    rest = times, prepared.film.time_base
    painted = (np.asarray(read(run.picture(place))) for place in places)
    encoding.write(run.path(f"result{suffix}"), painted, *rest, sound=sound)
    both = (np.hstack(pair) for pair in pair_up(run, prepared, places))
    encoding.write(run.path(f"beside{suffix}"), both, *rest, sound=sound)
    return run.path(f"result{suffix}")


def find_sound(job, prepared, places):
    """Return the `Sound` that goes with the frames, or None."""
    film, times = prepared.film, prepared.times
    if not (job.has_sound and film.has_sound):
        return None
    begin = times[places[0]] * film.time_base
    is_whole_start = times[places[0]] == film.times[0]
    end = job.selection.end(film, [times[place] for place in places])
    bounds = {} if is_whole_start else {"begin": float(begin)}
    return encoding.Sound(film.path, begin, end=end, **bounds)


def pair_up(run, prepared, places):
    """List what a frame was and what it became, two arrays of one size."""
    frames = prepared.film.read([prepared.times[place] for place in places])
    for place, (_, pixels) in zip(places, frames):
        small = pixels.resize(prepared.sizes.content, Image.Resampling.LANCZOS)
        yield np.asarray(small), np.asarray(read(run.picture(place)))


def draw_preview(run, prepared, places):
    """Return the PNG of a sheet: frames of the film above, what they became below."""
    columns = [np.vstack(pair) for pair in pair_up(run, prepared, places)]
    buffer = io.BytesIO()
    Image.fromarray(np.hstack(columns)).save(buffer, "PNG")
    return buffer.getvalue()
