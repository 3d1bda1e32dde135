"""`python main.py`: repaint a photo in the style of a painting, or several photos."""

import dataclasses
import functools
import time
from pathlib import Path
from types import SimpleNamespace

import click

from style_transfer.commands.console import LOADING, Console
from style_transfer.commands.options import (
    CONTEXT,
    RUN,
    Command,
    Option,
    explicit,
    extra_options,
    file_options,
    find_extras,
    fit_recipe,
    make_settings,
    message_options,
    parse_duration,
    setting_options,
)
from style_transfer.commands.playing import play
from style_transfer.commands.sharing import NAMES, refuse_sharing, sharing_options, spread
from style_transfer.commands.storing import stored
from style_transfer.settings import COMMON, FIELDS, STARTS, STYLE

HELP = """Repaint a photo in the style of a painting (Gatys, Ecker & Bethge).

\b
Examples:
  python main.py --content photo.jpg --style painting.jpg
  python main.py --content photo.jpg --style painting.jpg --beta 500 --epochs 20 -o result/

The path of the result is printed; beside it lie a snapshot of every epoch, an animation, the
losses and a record of all settings. READ.txt explains every option.
"""
SECONDS_TO_WRITE = 3.0  # what a time budget keeps for the result, the curves, the animation
PICTURES = ("content", "style", "content_mask", "style_mask")  # options that name some


def picture_options():
    """Make the options that name the pictures and the folder."""
    return [
        Option(
            "-c",
            "--content",
            section=COMMON,
            metavar="PICTURE",
            multiple=True,
            help="The photo to repaint; several, a folder or a pattern: each for itself.",
        ),
        Option(
            "-s",
            "--style",
            section=COMMON,
            metavar="PICTURE",
            multiple=True,
            help="The painting to learn from; several, a folder or a pattern are blended.",
        ),
        Option(
            "-o",
            "--output",
            section=COMMON,
            metavar="DIR",
            help="Folder of the run, or its address, such as s3://BUCKET/PATH.  [default: "
            "data/output/<content>-<style>]",
        ),
    ]


def mask_options():
    """Make the options that name the regions of pictures."""
    return [
        Option(
            "--content-mask",
            section=STYLE,
            metavar="PICTURE",
            help="Regions of the photo, by gray level or color; `alpha`: its own transparency. The "
            "brightest takes the (last) style, the next the one before, the rest stays a photo.",
        ),
        Option(
            "--style-mask",
            section=STYLE,
            metavar="PICTURE",
            multiple=True,
            help="Regions of a style, one mask for each --style: what has the same color pairs up.",
        ),
    ]


def run_options():
    """Make the options of what is done with a run."""
    return [
        Option(
            "--time-budget",
            section=RUN,
            metavar="TIME",
            callback=parse_duration,
            help="The best picture in that time, 90s or 5m: chooses --steps, and stops on time.",
        ),
        Option(
            "--dry-run", section=RUN, is_flag=True, help="Say what the run would cost, and stop."
        ),
        Option(
            "--resume",
            section=RUN,
            metavar="DIR",
            help="Continue the run in a folder or at an address; --epochs may grow.",
        ),
        Option(
            "--from-image",
            section=RUN,
            metavar="RESULT",
            help="Run again what made a result.png, by its record.",
        ),
        Option(
            "--overwrite",
            section=RUN,
            is_flag=True,
            help="Replace the run that the folder holds.",
        ),
        *sharing_options(),
        Option("--summary", section=RUN, is_flag=True, help="Print the network's layers and stop."),
    ]


@click.command(
    "paint",
    cls=Command,
    help=HELP,
    short_help="Repaint a photo; the default.",
    context_settings=CONTEXT,
    params=[
        *picture_options(),
        *mask_options(),
        *file_options(),
        *setting_options(),
        *run_options(),
        *extra_options(),
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
    if given.summary:
        print_summary(settings, console)
        return
    check_options(context, given)
    # From here on things take time, be it the import of Pillow: say so first.
    console.status(LOADING)
    job_options = {
        **find_extras(options),
        "progress": console.show_share,
        "deadline": began + given.time_budget - SECONDS_TO_WRITE if given.time_budget else None,
    }
    with stored(given.resume or given.output) as store:
        # Of what is finished there nothing is needed here, but to go on with it.
        store.fetch(lambda _: bool(given.resume))
        if given.resume:
            resume(Path(store.output), explicit(context), job_options, console, store)
        elif given.from_image:
            repeat(given, job_options, console, store)
        else:
            repaint(given, settings, job_options, console, store)


def check_options(context, given):
    """Refuse a command without pictures, and one that changes a run to be repeated."""
    again = next((name for name in ("resume", "from_image") if getattr(given, name)), None)
    if not again:
        for name in ("content", "style"):
            if not getattr(given, name):
                raise click.UsageError(f"--{name} is missing; name a picture file.")
        return
    refused = ["recipe", "config", "time_budget", *NAMES]
    if again == "resume":
        refused += [*PICTURES, "output", "overwrite", "dry_run", "from_image"]
    refused = [f"--{name.replace('_', '-')}" for name in refused if getattr(given, name)]
    if again == "from_image":
        changed = explicit(context).keys() - {"weights", "init"}
        refused += [FIELDS[name].metadata["flags"][0] for name in FIELDS if name in changed]
    if refused:
        flag = f"--{again.replace('_', '-')}"
        raise click.UsageError(f"{refused[0]} does not go with {flag}: a run is as it was")


def resume(folder, settings, job_options, console, store):
    """Continue the run in a folder."""
    from style_transfer.optimization import job

    work = job.resume(folder, settings, **job_options)
    play(store.follow(functools.partial(job.perform, work)), console)


def repeat(given, job_options, console, store):
    """Run again what made a result, by the record in it; the user may say where its inputs are."""
    from style_transfer.optimization import job
    from style_transfer.runs.inputs import number

    paths = dict(number("style", given.style) + number("style mask", given.style_mask))
    others = {
        "content": given.content[0] if given.content else None,
        "content mask": given.content_mask,
        "init": given.init if given.init not in STARTS else None,
        "weights": given.weights if given.weights != "auto" else None,
    }
    paths |= {role: path for role, path in others.items() if path}
    work = job.repeat(given.from_image, paths, **job_options)
    perform_in(given, work, console, store)


def repaint(given, settings, job_options, console, store):
    """Repaint a photo, or several, one after the other."""
    from style_transfer.batches import local, plan
    from style_transfer.optimization.job import Job

    contents = plan.expand(given.content)
    inputs = collect_inputs(contents[0], given, settings)
    if contents == given.content[:1]:
        refuse_sharing(given)
        perform_in(given, Job(inputs, settings, None, **job_options), console, store)
        return
    if given.content_mask or given.dry_run or given.time_budget:
        raise click.UsageError("masks, --dry-run and --time-budget are for one --content file")
    folder = Path(store.output or plan.batch_folder(inputs))
    wanted = {name: job_options[name] for name in ("extras", "keep")}
    entries = plan.batch(contents, inputs, settings, folder, wanted)
    entries = plan.select(entries, given.shard)
    batch = local.Batch(overwrite=given.overwrite)
    shared = given.workers, given.cluster
    perform = spread(batch, entries, shared, settings, console, store)
    local.check_failures(play(perform, console), len(entries))


def perform_in(given, work, console, store):
    """Do a job in the folder that the user named, or in a new one, once it is safe to.

    At an address what is begun goes on, and what is done stays: the machine may have vanished.
    """
    from style_transfer.batches import local, plan
    from style_transfer.optimization import job
    from style_transfer.runs import folder as folders

    paths = dict(work.inputs.items())
    folder = folders.choose_folder(store.output, paths["content"], paths["style"])
    if store.is_remote and not given.dry_run:
        entry = plan.Entry(store.output, dataclasses.replace(work, folder=folder))
        batch = local.Batch(overwrite=given.overwrite)
        play(store.follow(functools.partial(batch.perform_one, entry)), console)
        return
    folders.check_folder(folder, paths.values(), overwrite=given.overwrite)
    work = dataclasses.replace(work, folder=None if given.dry_run else folder)
    play(functools.partial(job.perform, work), console)


def collect_inputs(content, given, settings):
    """Return the `Inputs`, as paths.

    Raises:
        click.UsageError: the numbers of styles, shares and masks do not agree.
        files.FileError: a folder holds no picture.
    """
    from style_transfer.batches import plan
    from style_transfer.runs.inputs import OWN_ALPHA, Inputs

    styles = plan.expand(given.style)
    masks = given.style_mask
    for flag, count in (("--blend", len(settings.blend)), ("--style-mask", len(masks))):
        if count not in (0, len(styles)):
            raise click.UsageError(f"{flag} is given {count} times for {len(styles)} styles")
    if settings.blend and not sum(settings.blend):
        raise click.UsageError("--blend: all shares are 0; give one of them more")
    if masks and not given.content_mask:
        raise click.UsageError("--style-mask needs a --content-mask to pair up with")
    if given.content_mask and settings.blend and not masks:
        raise click.UsageError("--blend: each style has a region of its own; leave it out")
    content_mask = content if given.content_mask == OWN_ALPHA else given.content_mask
    init = settings.init if settings.init not in STARTS else None
    return Inputs(content, styles, content_mask or None, masks, init)


def print_summary(settings, console):
    """Print Keras' summary of the truncated network."""
    with console.silence():
        import functions

        model = functions.build_model(
            settings.layers, settings.architecture, pooling=settings.pooling
        )
    model.summary()
