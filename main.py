"""The command line: `python main.py --content photo.jpg --style painting.jpg`."""

import functools
import importlib.util
import math
import operator
import sys
import time
from pathlib import Path

import click

import config
import files
from console import ERASE_LINE, LOADING, Console, open_missing_streams
from settings import FIELDS, VERSION, Settings, check

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
SECTIONS = ("Common options", "Style", "Method", "Network", "Run")


class Option(click.Option):
    """An option that knows under which heading of the help it stands."""

    def __init__(self, *arguments, section, **keywords):
        super().__init__(*arguments, **keywords)
        self.section = section


class Command(click.Command):
    """A command whose help groups the options under headings."""

    def format_options(self, context, formatter):
        """Write the options, section by section; click's own `--help` comes last."""
        for section in SECTIONS:
            options = [each for each in self.get_params(context) if section_of(each) == section]
            with formatter.section(section):
                formatter.write_dl([each.get_help_record(context) for each in options])


def section_of(option):
    """Return the heading of an option; those of click itself belong to the last."""
    return getattr(option, "section", SECTIONS[-1])


def setting(section, name, *flags, shown_default=True):
    """Make the option of a setting: type, default, meaning and range come from `Settings`."""
    field = FIELDS[name]
    default, choices = field.default, field.metadata["choices"]
    several = isinstance(default, tuple)
    kind = float if name == "blend" else str if several else type(default)

    def validate(_context, _parameter, value):
        try:
            check(name, value)
        except ValueError as error:
            raise click.BadParameter(str(error)) from None
        return value

    return click.option(
        *flags,
        name,
        cls=Option,
        section=section,
        type=click.Choice(choices) if choices and not several else kind,
        is_flag=default is False,
        multiple=several,
        default=default,
        show_default=shown_default,
        callback=validate,
        help=field.metadata["meaning"],
        envvar=[f"STYLE_{flag[2:].upper().replace('-', '_')}" for flag in flags],
    )


def from_file(context, parameter, value):
    """Take settings from a recipe or a TOML file as defaults; the file goes before the recipe."""
    if value is not None:
        flags = {each.name: each.opts for each in context.command.params if each.name in FIELDS}
        known = {flag[2:]: name for name, opts in flags.items() for flag in opts}
        read = config.read_recipe if parameter.name == "recipe" else config.read
        context.meta[parameter.name] = read(value, known)
        found = (context.meta.get(name, {}) for name in ("recipe", "config"))
        context.default_map = functools.reduce(operator.or_, found)
    return value


def plain(section, *flags, **keywords):
    """Make an option that is not a setting: it does not change the picture."""
    return click.option(*flags, cls=Option, section=section, **keywords)


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
    help="Regions of the photo, by grey level or colour; `alpha`: its own transparency. The "
    "brightest takes the (last) style, the next the one before, the rest stays a photo.",
)
@plain(
    "Style",
    "--style-mask",
    metavar="PICTURE",
    multiple=True,
    help="Regions of a style, one mask for each --style: what has the same colour pairs up.",
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
@plain("Run", "--webp", is_flag=True, help="Write progress.webp too: full size, full colour.")
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
def command(
    context,
    content,
    style,
    content_mask,
    style_mask,
    output,
    summary,
    resume,
    from_image,
    overwrite,
    quiet,
    verbose,
    **options,
):
    """Parse the options and run; the text of the help is `HELP`."""
    began = time.monotonic()
    budget, dry_run = options.pop("time_budget"), options.pop("dry_run")
    animations = [name for name in ("webp", "video") if options.pop(name)]
    for name in ("recipe", "config"):  # their settings are among the options by now
        options.pop(name)
    settings = collect(options)
    console = Console(quiet=quiet, verbose=verbose)
    if summary:
        print_summary(settings, console)
        return
    check_paths(context, resume, from_image)
    # From here on things take time, be it the import of Pillow: say so first.
    console.pass_on(LOADING)
    import runs
    import stylise

    workshop = stylise.Workshop(animations)
    deadline = began + budget - SECONDS_TO_WRITE if budget else None
    if resume:
        stylise.resume(Path(resume), given(context, options), console, deadline, workshop)
        return
    record = None
    if from_image:
        if flags := given(context, options):
            raise click.UsageError(f"--from-image repeats a run as it was; leave out {min(flags)}")
        record, settings = runs.read_image(from_image)
        inputs = runs.locate_inputs(record)
        contents = [inputs["content"]]
    else:
        import images

        contents = [path for each in content for path in images.expand(each)]
        masks = (content_mask, style_mask)
        inputs = collect_inputs(contents[0], style, *masks, settings)
    if len(contents) > 1:
        place = (output, console, workshop)
        several(contents, inputs, settings, *place, overwrite=overwrite)
        return
    folder = runs.choose_folder(output, contents[0], inputs["style"])
    runs.check_folder(folder, inputs.values(), overwrite=overwrite)
    folder = None if dry_run else folder
    stylise.start(inputs, folder, settings, console, deadline, workshop, expected=record)


def check_paths(context, resume, from_image):
    """Refuse a command without pictures, and one that names any for a run to be continued."""
    taken = ("content", "style", "content_mask", "style_mask", "output", "overwrite", "dry_run")
    taken += ("recipe", "config")
    for name in taken:
        flag = f"--{name.replace('_', '-')}"
        alike = name in ("output", "overwrite", "dry_run")  # a new run may go where it likes
        if context.params[name] and (resume or (from_image and not alike)):
            other = "--resume" if resume else "--from-image"
            raise click.UsageError(
                f"{flag} does not go with {other}, which repeats a run as it was"
            )
        bare = not (resume or from_image)
        if bare and name in ("content", "style") and not context.params[name]:
            raise click.UsageError(f"{flag} is missing; name a picture file.")


def several(contents, inputs, settings, output, console, workshop, *, overwrite):
    """Repaint several photos, one after the other."""
    import runs
    import sweep

    if "content mask" in inputs:
        raise click.UsageError("--content-mask is for one photo; give one --content")
    folder = Path(output) if output else runs.OUTPUT / f"batch-{Path(inputs['style']).stem}"
    everything = {content: inputs | {"content": content} for content in contents}
    place = (folder, console, workshop)
    sweep.batch(contents, everything.get, settings, *place, overwrite=overwrite)


def collect_inputs(content, styles, content_mask, style_masks, settings):
    """Return the paths of all pictures by role: `content`, `style`, `style 2`, …

    Raises:
        click.UsageError: the numbers of styles, shares and masks do not agree.
        files.FileError: a folder holds no picture.
    """
    import images

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


def given(context, options):
    """Return those of the options, by name, that stand on the command line itself."""
    there = click.core.ParameterSource.COMMANDLINE
    return {
        name: value
        for name, value in options.items()
        if context.get_parameter_source(name) is there
    }


def collect(options):
    """Make the `Settings`, whose values were checked one by one before; refuse bad pairs."""
    try:
        return Settings(**options)
    except ValueError as error:
        raise click.UsageError(str(error)) from None


def check_video():
    """Refuse --video where PyAV is missing: long before the run, which would end with it."""
    if importlib.util.find_spec("av") is None:
        raise click.UsageError("--video needs PyAV; install it with: python -m pip install av")
    return True


def parse_duration(text):
    """Turn `90s`, `5m`, `1h` or plain seconds into seconds."""
    units = {"s": 1, "m": 60, "h": 3600}
    number, unit = (text[:-1], text[-1]) if text[-1:] in units else (text, "s")
    try:
        seconds = float(number) * units[unit]
    except ValueError:
        seconds = math.nan
    if not 1 <= seconds < math.inf:
        raise click.BadParameter(f"{text} is no time; write 90s or 5m, for example")
    return seconds


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
            import sweep

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
