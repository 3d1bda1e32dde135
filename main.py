"""The command line: `python main.py --content photo.jpg --style painting.jpg`."""

import sys
import time
from pathlib import Path
from types import SimpleNamespace

import click

from style_transfer import files
from style_transfer.commands import config
from style_transfer.commands.console import ERASE_LINE, LOADING, Console, open_missing_streams
from style_transfer.commands.options import (
    Command,
    check_video,
    from_file,
    parse_duration,
    plain,
    setting,
)
from style_transfer.settings import FIELDS, VERSION, Settings

HELP = """Repaint a photo in the style of a painting (Gatys, Ecker & Bethge).

\b
Examples:
  python main.py --content photo.jpg --style painting.jpg
  python main.py --content photo.jpg --style painting.jpg --beta 500 --epochs 20 -o result/

The path of the result is printed; beside it lie a snapshot of every epoch, an animation, the
losses and a record of all settings. READ.txt explains every option.
"""
EXIT_FAILED, EXIT_BAD_INPUT, EXIT_INTERRUPTED = 1, 2, 130
SECONDS_TO_WRITE = 3.0  # what a time budget keeps for the result, the curves, the animation


@click.command(
    cls=Command,
    help=HELP,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@plain(
    "Common options",
    "-c",
    "--content",
    metavar="PICTURE",
    multiple=True,
    help="The photo to repaint; several, or a folder, are done one after the other.",
)
@plain(
    "Common options",
    "-s",
    "--style",
    metavar="PICTURE",
    multiple=True,
    help="The painting to learn from; several of them, or a folder, are blended.",
)
@plain(
    "Common options",
    "-o",
    "--output",
    metavar="DIR",
    help="Folder of the run.  [default: data/output/<content>-<style>]",
)
@plain(
    "Common options",
    "--recipe",
    type=click.Choice(config.list_recipes()),
    is_eager=True,
    callback=from_file,
    help="The settings of a published system, see recipes/; other options go before.",
)
@plain(
    "Common options",
    "--config",
    metavar="FILE",
    is_eager=True,
    callback=from_file,
    help="Settings from a TOML file: the long options without their dashes.",
)
@setting("Common options", "size", "--size")
@setting("Common options", "content_weight", "--alpha", "--content-weight")
@setting("Common options", "style_weight", "--beta", "--style-weight")
@setting("Common options", "tv_weight", "--tv", "--tv-weight")
@setting("Common options", "epochs", "--epochs")
@setting("Common options", "steps", "--steps")
@setting("Style", "preserve_color", "--preserve-color")
@setting("Style", "blend", "--blend", shown_default=False)
@plain(
    "Style",
    "--content-mask",
    metavar="PICTURE",
    help="Regions of the photo, by gray level or color; `alpha`: its own transparency. The "
    "brightest takes the (last) style, the next the one before, the rest stays a photo.",
)
@plain(
    "Style",
    "--style-mask",
    metavar="PICTURE",
    multiple=True,
    help="Regions of a style, one mask for each --style: what has the same color pairs up.",
)
@setting("Style", "keep_alpha", "--keep-alpha")
@setting("Style", "style_loss", "--style-loss")
@setting("Style", "layer_weights", "--layer-weights")
@setting("Method", "init", "--init")
@setting("Method", "style_scale", "--style-scale")
@setting("Method", "enlarge", "--enlarge")
@setting("Method", "loss", "--loss")
@setting("Method", "tv_loss", "--tv-loss")
@setting("Method", "scales", "--scales")
@setting("Method", "optimizer", "--optimizer")
@setting("Method", "learning_rate", "--learning-rate")
@setting("Method", "decay", "--decay")
@setting("Method", "decay_steps", "--decay-steps")
@setting("Method", "adam_beta1", "--adam-beta1")
@setting("Method", "adam_epsilon", "--adam-epsilon")
@setting("Method", "average", "--average")
@setting("Method", "warmup", "--warmup")
@setting("Method", "patience", "--patience")
@setting("Method", "seed", "--seed")
@setting("Network", "weights", "--weights")
@setting("Network", "content_layers", "--content-layer")
@setting("Network", "style_layers", "--style-layer", shown_default="block1_conv1 … block5_conv1")
@setting("Network", "pooling", "--pooling")
@setting("Network", "preprocessing", "--preprocessing")
@setting("Network", "border", "--border")
@setting("Network", "precision", "--precision")
@plain("Network", "--summary", is_flag=True, help="Print the network's layers and stop.")
@plain(
    "Run",
    "--time-budget",
    metavar="TIME",
    callback=lambda _context, _parameter, text: text and parse_duration(text),
    help="The best picture in that time, 90s or 5m: chooses --steps, and stops on time.",
)
@plain("Run", "--dry-run", is_flag=True, help="Say what the run would cost, and stop.")
@plain("Run", "--resume", metavar="DIR", help="Continue the run in a folder; --epochs may grow.")
@plain("Run", "--webp", is_flag=True, help="Write progress.webp too: full size, full color.")
@plain(
    "Run",
    "--video",
    is_flag=True,
    callback=lambda _context, _parameter, wanted: wanted and check_video(),
    help="Write progress.mp4 too (H.264); needs PyAV: pip install av.",
)
@plain(
    "Run", "--from-image", metavar="RESULT", help="Run again what made a result.png, by its record."
)
@plain("Run", "--overwrite", is_flag=True, help="Replace the run that the folder holds.")
@plain("Run", "-q", "--quiet", is_flag=True, help="Print nothing but errors and the result's path.")
@plain("Run", "-v", "--verbose", is_flag=True, help="Print the libraries' messages too.")
@click.version_option(VERSION, message="style-transfer %(version)s")
@click.pass_context
def command(context, **options):
    """Parse the options and run; the text of the help is `HELP`."""
    began = time.monotonic()
    given = SimpleNamespace(**options)
    settings = collect({name: options[name] for name in FIELDS})
    console = Console(quiet=given.quiet, verbose=given.verbose)
    if given.summary:
        print_summary(settings, console)
        return
    check_paths(context)
    # From here on things take time, be it the import of Pillow: say so first.
    console.pass_on(LOADING)
    from style_transfer.optimization import job as stylize

    workshop = stylize.Workshop([name for name in ("webp", "video") if options[name]])
    deadline = began + given.time_budget - SECONDS_TO_WRITE if given.time_budget else None
    if given.resume:
        stylize.resume(Path(given.resume), explicit(context), console, deadline, workshop)
    elif given.from_image:
        repeat(context, given, console, deadline, workshop)
    else:
        repaint(given, settings, console, deadline, workshop)


def repeat(context, given, console, deadline, workshop):
    """Run again what made a result, by the record in it."""
    from style_transfer.optimization import job as stylize
    from style_transfer.runs import folder as runs

    if flags := explicit(context):
        raise click.UsageError(f"--from-image repeats a run as it was; leave out {min(flags)}")
    record, settings = runs.read_image(given.from_image)
    inputs = runs.locate_inputs(record)
    folder = prepare_folder(given, inputs)
    stylize.start(inputs, folder, settings, console, deadline, workshop, expected=record)


def repaint(given, settings, console, deadline, workshop):
    """Repaint a photo, or several, one after the other."""
    from style_transfer.batches import sweep
    from style_transfer.optimization import job as stylize
    from style_transfer.pictures import images
    from style_transfer.runs import folder as runs

    contents = [path for each in given.content for path in images.expand(each)]
    masks = (given.content_mask, given.style_mask)
    inputs = collect_inputs(contents[0], given.style, *masks, settings)
    if len(contents) == 1:
        folder = prepare_folder(given, inputs)
        stylize.start(inputs, folder, settings, console, deadline, workshop)
        return
    if given.content_mask or given.dry_run or given.time_budget:
        raise click.UsageError("masks, --dry-run and --time-budget are for one --content")
    default = runs.OUTPUT / f"batch-{Path(inputs['style']).stem}"
    place = (Path(given.output) if given.output else default, console, workshop)
    everything = {content: inputs | {"content": content} for content in contents}
    sweep.batch(contents, everything.get, settings, *place, overwrite=given.overwrite)


def prepare_folder(given, inputs):
    """Choose the folder of a run, and see that it may go there; None for a dry run."""
    from style_transfer.runs import folder as runs

    folder = runs.choose_folder(given.output, inputs["content"], inputs["style"])
    runs.check_folder(folder, inputs.values(), overwrite=given.overwrite)
    return None if given.dry_run else folder


def check_paths(context):
    """Refuse a command without pictures, and one that names any for a run to be repeated."""
    params = context.params
    again = next((name for name in ("resume", "from_image") if params[name]), None)
    if not again:
        for name in ("content", "style"):
            if not params[name]:
                raise click.UsageError(f"--{name} is missing; name a picture file.")
        return
    refused = ["content", "style", "content_mask", "style_mask", "recipe", "config"]
    if again == "resume":
        refused += ["output", "overwrite", "dry_run", "from_image"]
    for name in refused:
        if params[name]:
            flags = [f"--{each.replace('_', '-')}" for each in (name, again)]
            raise click.UsageError(f"{flags[0]} does not go with {flags[1]}: a run is as it was")


def collect_inputs(content, styles, content_mask, style_masks, settings):
    """Return the paths of all pictures by role: `content`, `style`, `style 2`, …

    Raises:
        click.UsageError: the numbers of styles, shares and masks do not agree.
        files.FileError: a folder holds no picture.
    """
    from style_transfer.pictures import images

    styles = [path for each in styles for path in images.expand(each)]
    for flag, count in (("--blend", len(settings.blend)), ("--style-mask", len(style_masks))):
        if count not in (0, len(styles)):
            raise click.UsageError(f"{flag} is given {count} times for {len(styles)} styles")
    if settings.blend and not sum(settings.blend):
        raise click.UsageError("--blend: all shares are 0; give one of them more")
    if style_masks and not content_mask:
        raise click.UsageError("--style-mask needs a --content-mask to pair up with")
    if content_mask and settings.blend and not style_masks:
        raise click.UsageError("--blend: each style has a region of its own; leave it out")
    inputs = {"content": content}
    for kind, paths in (("style", styles), ("style mask", style_masks)):
        names = (f"{kind} {number}" if number > 1 else kind for number in range(1, len(paths) + 1))
        inputs |= dict(zip(names, paths))
    if content_mask:
        inputs["content mask"] = content if content_mask == "alpha" else content_mask
    if settings.init not in ("content", "style", "noise"):
        inputs["init"] = settings.init
    return inputs


def explicit(context):
    """Return the settings, by name, that stand on the command line itself."""
    there = click.core.ParameterSource.COMMANDLINE
    return {
        name: context.params[name] for name in FIELDS if context.get_parameter_source(name) is there
    }


def collect(options):
    """Make the `Settings`, whose values were checked one by one before; refuse bad pairs."""
    try:
        return Settings(**options)
    except ValueError as error:
        raise click.UsageError(str(error)) from None


def print_summary(settings, console):
    """Print Keras' summary of the truncated network."""
    with console.silence():
        import functions

        model = functions.build_model(settings.layers, pooling=settings.pooling)
    model.summary()


def main():
    """Run the command; bad input ends in one line on standard error and exit status 2."""
    open_missing_streams()
    try:
        arguments = sys.argv[1:] or ["--help"]
        if arguments[0] == "sweep":
            from style_transfer.batches import sweep

            chosen, name = sweep.build_command(Command, command.params), "python main.py sweep"
            arguments = arguments[1:] or ["--help"]
        else:
            chosen, name = command, "python main.py"
        chosen.main(arguments, prog_name=name, standalone_mode=False)
    except (click.UsageError, click.FileError) as error:
        fail(error.format_message(), EXIT_BAD_INPUT)
    except click.ClickException as error:
        fail(error.format_message(), EXIT_FAILED)
    except files.FileError as error:
        fail(error, EXIT_BAD_INPUT)
    except (OSError, ArithmeticError) as error:
        fail(error, EXIT_FAILED)
    except (KeyboardInterrupt, click.Abort):
        fail("interrupted", EXIT_INTERRUPTED)


def fail(message, status):
    """Print the one line that says what went wrong, and end."""
    erase = ERASE_LINE if sys.stderr.isatty() else ""
    click.echo(f"{erase}Error: {message}", err=True)
    sys.exit(status)


if __name__ == "__main__":
    main()
