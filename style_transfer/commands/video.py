"""`python main.py video`: a film in the style of a painting, steady from frame to frame."""

import functools
import importlib.util
import math
import shlex
import time
from pathlib import Path
from types import SimpleNamespace

import click

from style_transfer import files, film_settings
from style_transfer.commands.console import LOADING, Console
from style_transfer.commands.options import (
    CONTEXT,
    RUN,
    Command,
    Option,
    explicit,
    file_options,
    fit_recipe,
    make_settings,
    message_options,
    parse_duration,
    setting_options,
)
from style_transfer.commands.paint import mask_options
from style_transfer.commands.playing import play
from style_transfer.errors import ComputationError, SettingsError
from style_transfer.settings import COMMON, FIELDS

HELP = """Repaint a film in the style of a painting; paint stays where it is from frame to frame.

\b
Examples:
  python main.py video --content clip.mp4 --style painting.jpg
  python main.py video --content clip.mp4 --style painting.jpg --preview
  python main.py video --content clip.mp4 --style painting.jpg --keyframes 8
  python main.py video --content clip.mp4 --style painting.jpg --instant

Ruder, Dosovitskiy & Brox (arXiv:1604.08610). A GIF and a folder of pictures are films, too. Sound
and times stay. Every frame is kept; a run that was stopped goes on with --resume.
"""
SECONDS_TO_WRITE = 5.0  # what a time budget keeps for the films
PICTURES = ("content", "style", "content_mask", "style_mask", "model")


def picture_options():
    """Make the options that name the film, the painting and the folder."""
    return [
        Option("-c", "--content", section=COMMON, metavar="FILM", help="The film to repaint."),
        Option(
            "-s",
            "--style",
            section=COMMON,
            metavar="PICTURE",
            multiple=True,
            help="The painting to learn from; several, a folder or a pattern are blended.",
        ),
        Option(
            "-m",
            "--model",
            section=COMMON,
            metavar="FILE",
            help="With --instant: a .style file that train wrote, as of apply.",
        ),
        Option(
            "-o",
            "--output",
            section=COMMON,
            metavar="DIR",
            help="Folder of the run.  [default: data/output/<film>-<style>]",
        ),
    ]


def selection_options():
    """Make the options of which frames are painted."""
    section = film_settings.SECTION
    return [
        Option("--preview", section=section, is_flag=True, help="Paint three frames, and stop."),
        Option(
            "--start",
            section=section,
            metavar="TIME",
            callback=parse_time,
            help="Leave out the beginning: 3s, 1m, 2.5.",
        ),
        Option(
            "--duration",
            section=section,
            metavar="TIME",
            callback=parse_time,
            help="Paint so much of it, 2s for example.",
        ),
        Option(
            "--every",
            section=section,
            type=click.IntRange(min=1),
            default=1,
            show_default=True,
            help="Paint each N-th frame, and show it longer.",
        ),
        Option(
            "--rate",
            section=section,
            type=click.FloatRange(min=0.1, max=1000),
            default=25.0,
            show_default=True,
            help="Frames a second of a folder of pictures.",
        ),
        Option("--no-sound", section=section, is_flag=True, help="Leave the sound out."),
    ]


def run_options():
    """Make the options of what is done with a run."""
    return [
        Option(
            "--time-budget",
            section=RUN,
            metavar="TIME",
            callback=parse_duration,
            help="The best film in about that time, 20m or 2h: chooses --frame-steps.",
        ),
        Option(
            "--dry-run", section=RUN, is_flag=True, help="Say what the run would cost, and stop."
        ),
        Option("--resume", section=RUN, metavar="DIR", help="Continue the run in a folder."),
        Option(
            "--overwrite",
            section=RUN,
            is_flag=True,
            help="Replace the run that the folder holds.",
        ),
    ]


def parse_time(_context, parameter, text):
    """Turn `3s`, `2m` or plain seconds into seconds; 0 is a start."""
    if text is None:
        return None
    units = {"s": 1, "m": 60, "h": 3600}
    number, unit = (text[:-1], text[-1]) if text[-1:] in units else (text, "s")
    try:
        seconds = float(number) * units[unit]
    except ValueError:
        seconds = math.nan
    least = 0 if parameter.name == "start" else 1e-3
    if not least <= seconds < math.inf:
        raise click.BadParameter(f"{text} is no time; write 3s or 2m, for example")
    return seconds


@click.command(
    "video",
    cls=Command,
    help=HELP,
    short_help="Repaint a film, steady from frame to frame.",
    context_settings=CONTEXT,
    params=[
        *picture_options(),
        *selection_options(),
        *setting_options(fields=film_settings.FIELDS),
        *mask_options(),
        *file_options(),
        *setting_options(without=("keep_alpha",), defaults={"size": film_settings.SIZE}),
        *run_options(),
        *message_options(),
    ],
)
@click.pass_context
def command(context, **options):
    """Parse the options and run; the text of the help is `HELP`."""
    began = time.monotonic()
    given = SimpleNamespace(**options)
    console = Console(quiet=given.quiet, verbose=given.verbose)
    settings = make_settings(fit_recipe(context, options, console))
    film = make_film_settings(options)
    check_installed()
    check_options(context, given)
    console.status(LOADING)
    from style_transfer.video import job

    if given.resume:
        work = job.resume(Path(given.resume))
    else:
        deadline = given.time_budget and began + given.time_budget - SECONDS_TO_WRITE
        work = make_job(given, settings, film, deadline)
    try:
        play(functools.partial(job.perform, work), console)
    except OSError as error:
        if error.errno not in files.FULL or not work.folder:
            raise
        again = f"python main.py video --resume {shlex.quote(str(work.folder))}"
        raise ComputationError(f"{error}; make room, and go on with: {again}") from error


def make_film_settings(options):
    """Make the `FilmSettings` of options whose values were checked one by one."""
    try:
        return film_settings.FilmSettings(**{name: options[name] for name in film_settings.FIELDS})
    except SettingsError as error:
        raise click.UsageError(str(error)) from None


def check_installed():
    """Refuse where what reads films is missing: before anything is read."""
    if any(importlib.util.find_spec(name) is None for name in ("av", "cv2")):
        raise click.UsageError(
            f"video needs PyAV and OpenCV; install them with: {film_settings.INSTALL}"
        )


def check_options(context, given):
    """Refuse a command without film or style, and one that changes a run to be continued."""
    if given.resume:
        refused = [*PICTURES, "output", "overwrite", "dry_run", "time_budget", "preview"]
        found = [f"--{name.replace('_', '-')}" for name in refused if getattr(given, name)]
        found += [FIELDS[name].metadata["flags"][0] for name in explicit(context)]
        found += find_film_options(context)
        if found:
            raise click.UsageError(f"{found[0]} does not go with --resume: a run is as it was")
        return
    if not given.content:
        raise click.UsageError("--content is missing; name a film.")
    if not given.style and not given.model:
        raise click.UsageError("--style is missing; name a picture file.")
    if given.model and not given.instant:
        raise click.UsageError("--model paints in one pass; add --instant")
    if given.time_budget and (given.instant or given.preview):
        raise click.UsageError("--time-budget chooses --frame-steps, which there are none of here")


def find_film_options(context):
    """List the flags of a film's settings and selection that stand on the command line."""
    there = click.core.ParameterSource.COMMANDLINE
    names = (*film_settings.FIELDS, "start", "duration", "every", "rate", "no_sound")
    flags = {each.name: each.opts[0] for each in context.command.params}
    return [flags[name] for name in names if context.get_parameter_source(name) is there]


def make_job(given, settings, film, deadline):
    """Return the `job.FilmJob` of the options, once its folder is safe to write to."""
    from style_transfer.commands import apply
    from style_transfer.runs import films, folder
    from style_transfer.video.job import FilmJob
    from style_transfer.video.selection import Selection

    model = None
    if given.model:
        model = apply.read_model(SimpleNamespace(**vars(given), style_index=()))
        if model.paints_any and not given.style:
            raise click.UsageError("--style is missing; this --model paints any style")
    inputs = apply.collect(given.content, given, settings, model)
    style = Path(given.style[0] if given.style else given.model)
    place = folder.choose_folder(given.output, given.content, style)
    if not given.dry_run:
        films.check_folder(place, overwrite=given.overwrite)
    return FilmJob(
        inputs,
        settings,
        film,
        Selection(given.start or 0.0, given.duration, given.every, given.preview, given.rate),
        folder=None if given.dry_run else place,
        model=model,
        has_sound=not given.no_sound,
        deadline=deadline,
    )
