"""`python main.py sweep`: every combination of pictures and settings, and a sheet of them all."""

from pathlib import Path

import click

from style_transfer.commands.console import LOADING, Console
from style_transfer.commands.options import (
    CONTEXT,
    RUN,
    Command,
    Option,
    extra_options,
    file_options,
    find_extras,
    fit_recipe,
    make_settings,
    message_options,
    setting_options,
)
from style_transfer.commands.playing import play
from style_transfer.commands.sharing import NAMES, sharing_options, spread
from style_transfer.commands.storing import stored
from style_transfer.settings import COMMON, FIELDS, STARTS

SHEET = "contact_sheet"
HELP = """Run every combination of pictures and settings, and draw a contact sheet.

\b
Examples:
  python main.py sweep -c cat.jpg -s waves.jpg --beta 10,100,1000 --tv 0,1,10
  python main.py sweep -c 'photos/*.jpg' -s paintings/ --size 256

A numeric option takes several values with commas between them; --content and --style take
several pictures, folders and patterns. What is done is not done again: after an interruption
give the same command once more. --workers auto paints several at once. --shard 1/4 on one
machine, 2/4 on the next: each does its part of the runs; the command without --shard
afterwards draws the sheet.
"""


def own_options():
    """Make the options that mean something else here than for one picture."""
    return [
        Option(
            "-c",
            "--content",
            section=COMMON,
            metavar="PICTURE",
            multiple=True,
            help="The photos: pictures, folders or patterns.",
        ),
        Option(
            "-s",
            "--style",
            section=COMMON,
            metavar="PICTURE",
            multiple=True,
            help="The paintings, each for itself: pictures, folders or patterns.",
        ),
        Option(
            "-o",
            "--output",
            section=COMMON,
            metavar="DIR",
            help="Folder of the sweep, or its address.  [default: "
            "data/output/sweep-<content>-<style>]",
        ),
        Option("--overwrite", section=RUN, is_flag=True, help="Run again what is done, too."),
        *sharing_options(),
    ]


@click.command(
    "sweep",
    cls=Command,
    help=HELP,
    short_help="Every combination of pictures and settings, in one sheet.",
    context_settings=CONTEXT,
    params=[
        *own_options(),
        *file_options(),
        *setting_options(several=True, without=("blend", "keep_alpha")),
        *extra_options(),
        *message_options(),
    ],
)
@click.pass_context
def command(context, content, style, output, overwrite, quiet, verbose, **options):
    """Run all combinations that the options mean, and draw their sheet."""
    console = Console(quiet=quiet, verbose=verbose)
    wanted = find_extras(options)
    workers, cluster, shard = (options.pop(name) for name in NAMES)
    for flag, value in (("--content", content), ("--style", style)):
        if not value:
            raise click.UsageError(f"{flag} is missing; name a picture file.")
    console.status(LOADING)
    from style_transfer.batches import local, plan

    several, fixed = split(fit_recipe(context, options, console))
    settings = make_settings(fixed)
    contents, styles = plan.expand(content), plan.expand(style)
    init = settings.init if settings.init not in STARTS else None
    with stored(output) as store:
        store.fetch(is_on_sheet)
        folder = Path(store.output or plan.sweep_folder(contents, styles))
        sheet = plan.sweep(contents, styles, init, settings, several, folder, wanted)
        entries = plan.select(sheet.entries, shard)
        batch = local.Batch(overwrite=overwrite)
        perform = spread(batch, entries, (workers, cluster), settings, console, store)
        failures = play(perform, console)
        if cluster:
            store.fetch(is_on_sheet)  # what was painted elsewhere
        if shard is None:  # else the others may be drawing it just now
            with console.silence():
                path = draw_sheet(folder, sheet)
            console.print(store.name(path))
        local.check_failures(failures, len(entries))


def is_on_sheet(name):
    """Tell whether a file of a run is needed for the sheet: the result, or a snapshot."""
    return name == "result.png" or name.startswith("frames/")


def split(options):
    """Split the options into settings with several values, and all with the first of theirs."""
    lists = {
        name: value
        for name, value in options.items()
        if name in FIELDS and type(FIELDS[name].default) in (int, float)
    }
    several = {name: values for name, values in lists.items() if len(values) > 1}
    return several, options | {name: values[0] for name, values in lists.items()}


def draw_sheet(folder, sheet):
    """Draw the contact sheet of what there is, as PNG and as a page; return the PNG's path."""
    from style_transfer.reports import frames, page
    from style_transfer.reports import sheet as sheets
    from style_transfer.runs import record

    first = sheet.entries[0].job.inputs
    title = " × ".join(Path(path).stem for path in (first.content, first.styles[0]))
    places = {(entry.row, entry.column): entry.job.folder for entry in sheet.entries}
    done = {place: run for place, run in places.items() if record.is_finished(run)}
    results = {place: run / "result.png" for place, run in done.items()}
    films = {place: [] for place in places}
    films |= {place: frames.find(run) or [results[place]] for place, run in done.items()}
    labels = {"title": title, "rows": sheet.rows, "columns": sheet.columns}
    path = folder / f"{SHEET}.png"
    sheets.draw(path, cells=results, **labels)
    page.write_sheet_page(folder / f"{SHEET}.html", cells=films, **labels)
    return path
