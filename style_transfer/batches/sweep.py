"""Many runs by one command: every combination of pictures and settings, and a sheet of them all."""

import copy
import dataclasses
import glob
import itertools
from dataclasses import dataclass
from pathlib import Path

import click

from style_transfer import files
from style_transfer.commands.console import Console
from style_transfer.optimization import job as stylize
from style_transfer.pictures import images
from style_transfer.runs import folder as runs
from style_transfer.settings import FIELDS, Settings, check

SHEET = "contact_sheet"
LABELS = {"content_weight": "alpha", "style_weight": "beta", "tv_weight": "tv"}
HELP = """Run every combination of pictures and settings, and draw a contact sheet.

\b
Examples:
  python main.py sweep -c cat.jpg -s waves.jpg --beta 10,100,1000 --tv 0,1,10
  python main.py sweep -c 'photos/*.jpg' -s paintings/ --size 256

A numeric option takes several values with commas between them; --content and --style take
several pictures, folders and patterns. What is done is not done again: after an interruption
give the same command once more.
"""
#: What options mean here, where that differs from a run.
OWN_HELP = {
    "content": "The photos: pictures, folders or patterns.",
    "style": "The paintings, each for itself: pictures, folders or patterns.",
    "output": "Folder of the sweep.  [default: data/output/sweep-<content>-<style>]",
    "overwrite": "Run again what is done, too.",
}
#: Options of a run that a sweep has no use for.
ABSENT = (
    *("resume", "from_image", "dry_run", "time_budget", "summary", "version"),
    *("content_mask", "style_mask", "blend", "keep_alpha"),
)


@dataclass(frozen=True)
class Axis:
    """What is varied.

    Attributes:
        label: as people know it, such as `beta`; of pictures, `content` or `style`.
        name: of the setting; None for pictures.
        values: at least one.
    """

    label: str
    name: str | None
    values: tuple

    def describe(self, value):
        """Write a value for a label: `beta 10`, or the name of a picture."""
        return f"{self.label} {value:g}" if self.name else Path(value).stem


@dataclass(frozen=True)
class Job:
    """One of the runs: its place in the sheet, and all that it needs."""

    row: int
    column: int
    label: str
    inputs: dict
    settings: object
    folder: Path


def expand(paths):
    """Return the pictures that paths, folders and patterns such as `*.jpg` mean."""
    found = []
    for path in paths:
        matches = sorted(glob.glob(path)) if not Path(path).exists() else [path]
        found += [each for match in matches or [path] for each in images.expand(match)]
    return tuple(found)


def plan(contents, styles, settings, values, folder):
    """List the runs of a sweep.

    Args:
        contents, styles: paths of pictures, each of which is combined with each.
        settings: those that are not varied.
        values: from name of a setting to (label, values).
        folder: of the sweep.

    Returns:
        (rows, columns, jobs): the labels of the sheet, and its `Job`s.
    """
    axes = [Axis("content", None, contents), Axis("style", None, styles)]
    axes += [Axis(label, name, several) for name, (label, several) in values.items()]
    varied = [axis for axis in axes if len(axis.values) > 1]
    across = varied[-1:]
    down = varied[:-1]
    rows = [", ".join(text) for text in itertools.product(*map(describe_all, down))]
    columns = [", ".join(text) for text in itertools.product(*map(describe_all, across))]
    jobs = []
    for number, combination in enumerate(itertools.product(*(axis.values for axis in axes))):
        chosen = list(zip(axes, combination))
        texts = [axis.describe(value) for axis, value in chosen if axis in varied]
        label = ", ".join(texts)
        changes = {axis.name: value for axis, value in chosen if axis.name}
        inputs = {"content": combination[0], "style": combination[1]}
        name = "_".join(texts).replace(" ", "-") or "run"
        place = divmod(number, len(columns))
        job_settings = dataclasses.replace(settings, **changes)
        jobs.append(Job(*place, label, inputs, job_settings, folder / name))
    check_names(jobs)
    return rows, columns, jobs


def describe_all(axis):
    """Write all values of an axis."""
    return [axis.describe(value) for value in axis.values]


def check_names(jobs):
    """Raise click.UsageError if two runs would go to one folder."""
    folders = [job.folder for job in jobs]
    for folder in folders:
        if folders.count(folder) > 1:
            raise click.UsageError(f"two runs would be called {folder.name}; rename a picture")


def run_all(jobs, console, workshop, *, overwrite=False):
    """Run what has not been done; a run that fails does not stop the others.

    Returns:
        (label, error) of those that failed.
    """
    failures = []
    for number, job in enumerate(jobs, start=1):
        console.say(f"[{number}/{len(jobs)}] {job.label}")
        try:
            run(job, console, workshop, overwrite=overwrite)
        except (click.ClickException, files.FileError, OSError, ArithmeticError) as error:
            failures.append((job.label, error))
            console.say(f"Error: {error}")
    return failures


def run(job, console, workshop, *, overwrite):
    """Do one run, continue it, or see that it is done."""
    if overwrite or not (job.folder / runs.RECORD).exists():
        runs.check_folder(job.folder, job.inputs.values(), overwrite=overwrite)
        stylize.start(job.inputs, job.folder, job.settings, console, workshop=workshop)
    else:
        check_same(job)
        if runs.is_finished(job.folder):
            console.say("done before")
            return
        stylize.resume(job.folder, {}, console, workshop=workshop)
    (job.folder / runs.CHECKPOINTS[0]).unlink()  # a sweep of them would fill the disk


def check_same(job):
    """Raise FileError if the folder of a job holds a run with other settings or pictures."""
    record, settings = runs.read_record(job.folder)
    wanted = job.settings
    if wanted.weights == "auto":  # the record has what was found
        wanted = dataclasses.replace(wanted, weights=settings.weights)
    paths = {role: Path(path).resolve() for role, path in runs.locate_inputs(record).items()}
    same = all(paths.get(role) == Path(path).resolve() for role, path in job.inputs.items())
    if settings != wanted or not same:
        remedy = "choose another --output, or add --overwrite"
        raise files.FileError(job.folder, "holds a run with other settings", remedy)


def draw_sheet(folder, title, rows, columns, jobs):
    """Draw the contact sheet of what there is, as PNG and as a page; return the PNG's path."""
    from style_transfer.reports import page, report

    done = [job for job in jobs if runs.is_finished(job.folder)]
    results = {(job.row, job.column): job.folder / "result.png" for job in done}
    frames = {(job.row, job.column): sorted(job.folder.glob("frames/epoch_*.png")) for job in done}
    failed = {(job.row, job.column): [] for job in jobs if job not in done}
    path = folder / f"{SHEET}.png"
    report.draw_sheet(path, title=title, rows=rows, columns=columns, cells=results)
    page.write_sheet_page(
        folder / f"{SHEET}.html", title=title, rows=rows, columns=columns, cells=frames | failed
    )
    return path


class Values(click.ParamType):
    """Numbers with commas between them."""

    name = "number,…"

    def __init__(self, kind, setting):
        self.kind = kind
        self.setting = setting

    def convert(self, value, parameter, context):
        """Return a tuple of numbers in the setting's range."""
        parts = value if isinstance(value, tuple) else str(value).split(",")
        values = tuple(self.kind.convert(part, parameter, context) for part in parts)
        for each in values:
            try:
                check(self.setting, each)
            except ValueError as error:
                self.fail(str(error), parameter, context)
        if len(set(values)) < len(values):
            self.fail(f"{value} names a number twice", parameter, context)
        return values


def build_command(kind, parameters):
    """Build the command `sweep`.

    Args:
        kind: class of the command.
        parameters: the options of a run.
    """
    options = [allow_several(each) for each in parameters if each.name not in ABSENT]
    settings = {"help_option_names": ["-h", "--help"], "max_content_width": 100}
    return kind("sweep", params=options, callback=sweep, help=HELP, context_settings=settings)


def allow_several(option):
    """Return an option that takes several values where that of a run takes one number."""
    option = copy.copy(option)
    field = FIELDS.get(option.name)
    if field and type(field.default) in (int, float):
        option.type, option.callback = Values(option.type, option.name), None
    option.help = OWN_HELP.get(option.name, option.help)
    return option


def sweep(content, style, output, overwrite, quiet, verbose, recipe, config, **options):
    """Run all combinations that the options mean, and draw their sheet."""
    console = Console(quiet=quiet, verbose=verbose)
    for flag, value in (("--content", content), ("--style", style)):
        if not value:
            raise click.UsageError(f"{flag} is missing; name a picture file.")
    animations = {name: options.pop(name) for name in ("webp", "video")}
    several, fixed = split(options)
    contents, styles = expand(content), expand(style)
    if output is None:
        output = runs.OUTPUT / f"sweep-{Path(contents[0]).stem}-{Path(styles[0]).stem}"
    settings = Settings(**fixed)
    rows, columns, jobs = plan(contents, styles, settings, several, Path(output))
    workshop = stylize.Workshop([name for name, wanted in animations.items() if wanted])
    failures = run_all(jobs, console, workshop, overwrite=overwrite)
    with console.silence():
        sheet = draw_sheet(Path(output), describe(jobs[0]), rows, columns, jobs)
    console.print(sheet)
    report_failures(failures, len(jobs))


def split(options):
    """Split the options of a sweep into those with several values, labelled, and the others."""
    several, fixed = {}, {}
    for name, value in options.items():
        varied = isinstance(value, tuple) and type(FIELDS[name].default) in (int, float)
        fixed[name] = value[0] if varied else value
        if varied and len(value) > 1:
            several[name] = (LABELS.get(name, name.replace("_", " ")), value)
    return several, fixed


def describe(job):
    """Write the title of a sheet."""
    names = (Path(job.inputs[role]).stem for role in ("content", "style"))
    return " × ".join(names)


def report_failures(failures, count):
    """Raise click.ClickException, which names the runs that failed, if any did."""
    if failures:
        lines = "; ".join(f"{label}: {error}" for label, error in failures)
        raise click.ClickException(f"{len(failures)} of {count} runs failed ({lines})")


def batch(contents, styles_of, settings, folder, console, workshop, *, overwrite=False):
    """Run one picture after the other with the same settings.

    Args:
        contents: paths.
        styles_of: from a content to the paths of all inputs by role.
        folder: it gets a folder for each picture.

    Raises:
        click.ClickException: some failed; the others are there.
    """
    jobs = [
        Job(0, 0, Path(each).stem, styles_of(each), settings, folder / Path(each).stem)
        for each in contents
    ]
    check_names(jobs)
    report_failures(run_all(jobs, console, workshop, overwrite=overwrite), len(jobs))
