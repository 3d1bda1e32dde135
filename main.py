"""The command line: `python main.py --content photo.jpg --style painting.jpg`."""

import contextlib
import functools
import math
import sys
import time

import click

import files
import schedule
from console import ERASE_LINE, Console, clock
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
LOADING = "Loading TensorFlow …"
SECONDS_TO_WRITE = 3.0  # what a time budget keeps for the result, the curves, the animation
SECTIONS = ("Common options", "Method", "Network", "Run")


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
    kind = str if several else type(default)

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
    )


def plain(section, *flags, **keywords):
    """Make an option that is not a setting: it does not change the picture."""
    return click.option(*flags, cls=Option, section=section, **keywords)


@click.command(
    cls=Command,
    help=HELP,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@plain("Common options", "-c", "--content", metavar="PICTURE", help="The photo to repaint.")
@plain("Common options", "-s", "--style", metavar="PICTURE", help="The painting to learn from.")
@plain(
    "Common options",
    "-o",
    "--output",
    metavar="DIR",
    help="Folder of the run.  [default: data/output/<content>-<style>]",
)
@setting("Common options", "size", "--size")
@setting("Common options", "content_weight", "--alpha", "--content-weight")
@setting("Common options", "style_weight", "--beta", "--style-weight")
@setting("Common options", "tv_weight", "--tv", "--tv-weight")
@setting("Common options", "epochs", "--epochs")
@setting("Common options", "steps", "--steps")
@setting("Method", "init", "--init")
@setting("Method", "style_scale", "--style-scale")
@setting("Method", "enlarge", "--enlarge")
@setting("Method", "loss", "--loss")
@setting("Method", "scales", "--scales")
@setting("Method", "optimizer", "--optimizer")
@setting("Method", "learning_rate", "--learning-rate")
@setting("Method", "average", "--average")
@setting("Method", "patience", "--patience")
@setting("Method", "seed", "--seed")
@setting("Network", "weights", "--weights")
@setting("Network", "content_layers", "--content-layer")
@setting("Network", "style_layers", "--style-layer", shown_default="block1_conv1 … block5_conv1")
@setting("Network", "pooling", "--pooling")
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
@plain("Run", "--overwrite", is_flag=True, help="Replace the run that the folder holds.")
@plain("Run", "-q", "--quiet", is_flag=True, help="Print nothing but errors and the result's path.")
@plain("Run", "-v", "--verbose", is_flag=True, help="Print the libraries' messages too.")
@click.version_option(VERSION, message="style-transfer %(version)s")
def command(content, style, output, summary, overwrite, quiet, verbose, **options):
    """Parse the options and run; the text of the help is `HELP`."""
    began = time.monotonic()
    budget, dry_run = options.pop("time_budget"), options.pop("dry_run")
    settings = collect(options)
    console = Console(quiet=quiet, verbose=verbose)
    if summary:
        print_summary(settings, console)
        return
    for flag, value in (("--content", content), ("--style", style)):
        if not value:
            raise click.UsageError(f"{flag} is missing; name a picture file.")
    # From here on things take time, be it the import of Pillow: say so first.
    console.pass_on(LOADING)
    import runs

    folder = runs.choose_folder(output, content, style)
    inputs = {"content": content, "style": style}
    if settings.init not in ("content", "style", "noise"):
        inputs["init"] = settings.init
    runs.check_folder(folder, inputs.values(), overwrite=overwrite)
    deadline = began + budget - SECONDS_TO_WRITE if budget else None
    stylise(inputs, None if dry_run else folder, settings, console, deadline)


def collect(options):
    """Make the `Settings`, whose values were checked one by one before; refuse bad pairs."""
    try:
        return Settings(**options)
    except ValueError as error:
        raise click.UsageError(str(error)) from None


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


def stylise(inputs, folder, settings, console, deadline):
    """Make the picture: read, build, plan, train, save.

    Args:
        inputs: paths of the pictures by role: `content`, `style` and perhaps `init`.
        folder: where the run goes; None for a dry run.
        deadline: by `time.monotonic()`, or None.
    """
    import images
    import runs

    with console.silence():  # decoders of damaged files print lines of their own
        pictures = {role: images.load(path) for role, path in inputs.items()}
    tensors = prepare(pictures, settings)
    console.say(LOADING)
    for notice in (notice for picture in pictures.values() for notice in picture.notices):
        console.say(f"Note: {notice}")
    network = load_weights(settings, console)
    with console.silence():
        job = build(network, tensors, settings)
    if network.notice:
        console.say(f"Note: {network.notice}")
    height, width = job.shape
    console.say(f"{network.name}, {width}×{height} px, {describe(job)}")
    if settings.weights == "auto" and not network.notice and job.device.startswith("CPU"):
        console.say("Note: --weights compact is about ten times faster on this processor")
    plan(job, network, console, deadline)
    if folder is None:
        return
    record = runs.describe(job.settings, pictures, network, (width, height))
    run = runs.Run(folder, record | {"device": job.device, "precision": job.precision})
    interrupted = train(run, job, console, deadline)
    finish(run, console)
    if interrupted:
        console.say(f"Interrupted after {run.steps_done} steps; what there is was saved.")
        sys.exit(EXIT_INTERRUPTED)


def prepare(pictures, settings):
    """Resize the pictures for the run; refuse those that would be too small.

    Returns:
        Tensors by role: the content at most `settings.size` large, the style in proportion, a
        start picture as it is.
    """
    import images

    sizes = {role: picture.pixels.size for role, picture in pictures.items()}
    fit = functools.partial(images.fitted_size, enlarge=settings.enlarge)
    sizes["content"] = fit(sizes["content"], settings.size)
    sizes["style"] = fit(sizes["style"], round(max(sizes["content"]) * settings.style_scale))
    for role, picture in pictures.items():
        images.check_sides(picture, sizes[role])
    return {role: images.to_tensor(picture, sizes[role]) for role, picture in pictures.items()}


def load_weights(settings, console):
    """Load the network's weights; a download shows its progress on standard error."""
    import weights

    with console.silence() as stream, contextlib.redirect_stdout(stream):
        return weights.load(settings.weights, seed=settings.seed)


def build(network, tensors, settings):
    """Load TensorFlow and build the `transfer.Transfer`."""
    import transfer

    content, style = tensors["content"], tensors["style"]
    start = transfer.start_image(content, tensors.get("init", style), settings)
    try:
        model = transfer.build_network(network, settings)
    except ValueError as error:
        raise click.UsageError(f"--weights: {error}; choose other weights or layers") from None
    return transfer.Transfer(model, content, style, start, settings)


def describe(job):
    """Write how a job computes, for the start line."""
    settings = job.settings
    optimizer = "L-BFGS" if settings.optimizer == "lbfgs" else f"Adam {settings.learning_rate:g}"
    return f"{job.precision}, {optimizer}, {job.device}"


def plan(job, network, console, deadline):
    """Time the first steps, fit the run into the time there is, and say what it will cost."""
    seconds = job.measure()
    if deadline is not None:
        left = deadline - time.monotonic()
        job.settings = schedule.fit_into(left, job.scales, seconds, job.settings)
    settings = job.settings
    total = schedule.total_seconds(job.scales, seconds, settings.steps)
    memory = schedule.estimate_memory(job.shape, network.widths, settings)
    sides = " → ".join(str(scale.side) for scale in job.scales)
    console.say(
        f"{settings.epochs} epochs of {settings.steps} steps at {sides} px: "
        f"about {clock(total)}, {memory / 2**30:.1f} GB"
    )


def train(run, job, console, deadline):
    """Run the optimisation to its end, or to Ctrl-C, and save each epoch on the way.

    Returns:
        True if Ctrl-C ended it.
    """
    try:
        with console.progress(job.settings) as show:
            for iterate in job.run(deadline=deadline or math.inf):
                run.add(iterate)
                show(iterate)
    except KeyboardInterrupt:
        if run.image is None:
            raise
        return True
    return False


def finish(run, console):
    """Write the result, the curves and the animation, and print the result's path."""
    console.pass_on("Writing the result, the curves and the animation …")
    run.save_result()
    with console.silence():
        import report

        report.draw_losses(run.rows, run.path("losses.png"))
        report.animate(run.frames, run.path("progress.gif"))
    console.erase()
    if run.taken_back:
        console.say(f"Note: {run.taken_back} steps raised the loss beyond reason; taken back")
    click.echo(run.path("result.png"))


def print_summary(settings, console):
    """Print Keras' summary of the truncated network."""
    with console.silence():
        import functions

        model = functions.build_model(settings.layers, pooling=settings.pooling)
    model.summary()


def main():
    """Run the command; bad input ends in one line on standard error and exit status 2."""
    try:
        arguments = sys.argv[1:] or ["--help"]
        command.main(arguments, prog_name="python main.py", standalone_mode=False)
    except click.ClickException as error:
        fail(error.format_message(), EXIT_BAD_INPUT)
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
