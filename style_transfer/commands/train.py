"""`python main.py train`: a network that paints in one style, or in several, in one pass."""

import functools
import importlib.util
import math
from pathlib import Path
from types import SimpleNamespace

import click

from style_transfer.commands.console import Console
from style_transfer.commands.options import (
    CONTEXT,
    METHOD,
    RUN,
    Command,
    Option,
    explicit,
    file_options,
    make_settings,
    message_options,
    setting_options,
)
from style_transfer.commands.playing import play
from style_transfer.settings import COMMON

MINUTES = 10.0
BATCH = 4
MOST = 1000  # photos a step, GPUs
ALL = "all"
HELP = """Train a network that repaints any photo in one pass, in the style of a painting.

\b
Examples:
  python main.py train --style painting.jpg --photos DIR -o waves.style --minutes 10
  python main.py train --style a.jpg --style b.jpg --photos DIR -o two.style
  python main.py apply --content photo.jpg --model waves.style

Johnson et al. (arXiv:1603.08155), Ulyanov et al. (arXiv:1607.08022); with several styles, Dumoulin
et al. (arXiv:1610.07629). Give the same command again to go on with what was interrupted.
"""
SUFFIX = ".style"
BACKENDS = ("tensorflow", "jax")
ARCHITECTURES = ("johnson", "google", "adain", "autoencoder")
NONE = "none"
RATES, RATE = {"johnson": 0.002}, 0.001  # Adam's, and that of the other architectures
#: Of all settings, those that a training depends on.
USED = (
    "size",
    "content_weight",
    "style_weight",
    "tv_weight",
    "epochs",
    "steps",
    "style_loss",
    "style_space",
    "layer_weights",
    "style_scale",
    "loss",
    "tv_loss",
    "seed",
    "network",
    "weights",
    "content_layers",
    "style_layers",
    "pooling",
    "preprocessing",
    "border",
    "precision",
)


def file_names():
    """Make the options that name what is learned from, and what is written."""
    return [
        Option(
            "-s",
            "--style",
            section=COMMON,
            metavar="PICTURE",
            multiple=True,
            help="A painting to learn from; each of several is a style of its own.",
        ),
        Option(
            "--styles",
            section=COMMON,
            metavar="DIR",
            help="Folder of paintings, in place of --style or beside it.",
        ),
        Option(
            "--photos",
            section=COMMON,
            metavar="DIR",
            help="Folder of photos; those in the folders in it count, too.",
        ),
        Option(
            "-o",
            "--output",
            section=COMMON,
            metavar="FILE",
            help="The .style file; snapshots, losses and checkpoints go to FILE.training.  "
            "[default: data/output/<style>.style]",
        ),
        Option(
            "--preview",
            section=COMMON,
            metavar="PICTURE",
            help="The photo to show after every epoch.  [default: one of --photos, held back]",
        ),
    ]


def network_options():
    """Make the options of what is trained."""
    return [
        Option(
            "--arch",
            section=COMMON,
            type=click.Choice(ARCHITECTURES),
            default=ARCHITECTURES[0],
            show_default=True,
            help="johnson: for these paintings. For any painting, which apply is then given as "
            "--style: google predicts scales and shifts, adain and autoencoder (with skip "
            "connections) decode features that have the painting's statistics.",
        ),
        Option(
            "--from",
            "start",
            section=COMMON,
            metavar="FILE",
            help="Begin with a trained network; none: with weights of chance.  [default: for "
            "johnson, one for any style that comes with the program]",
        ),
        Option(
            "--add",
            section=COMMON,
            is_flag=True,
            help="Add the styles to those of the network of --from, of which nothing changes.",
        ),
        Option(
            "--overwrite", section=RUN, is_flag=True, help="Begin anew what the files there hold."
        ),
    ]


def pace_options():
    """Make the options of how long, how fast, and by what else it learns."""
    return [
        Option(
            "--minutes",
            section=COMMON,
            type=click.FloatRange(min=0, min_open=True, max=100_000),
            help="How long it may take: chooses --steps.  [default: 10, unless --steps is given]",
        ),
        Option(
            "--learning-rate",
            "learning_rate",
            section=METHOD,
            type=click.FloatRange(min=0, min_open=True, max=1),
            help="Adam's step size at its highest; it falls to 0 along a cosine.  [default: "
            "0.002 for johnson, else 0.001]",
        ),
        Option(
            "--batch",
            section=METHOD,
            type=click.IntRange(1, MOST),
            default=BATCH,
            show_default=True,
            metavar="N",
            help="Photos a step.",
        ),
        Option(
            "--critic",
            section=METHOD,
            type=click.FloatRange(min=0),
            default=0.0,
            show_default=True,
            metavar="WEIGHT",
            help="Weight of a third loss, by a critic that learns to tell the paintings from what "
            "is painted; try 0.3.",
        ),
    ]


def device_options():
    """Make the options of what computes."""
    return [
        Option(
            "--backend",
            section=RUN,
            type=click.Choice(BACKENDS),
            help="What computes; jax trains on machines with a GPU that have no TensorFlow.  "
            "[default: tensorflow, if it is installed]",
        ),
        Option(
            "--gpus",
            section=RUN,
            metavar="N",
            callback=parse_gpus,
            help="Share the photos of each step among N GPUs of this machine, equally; all: among "
            "as many as can share them. What is trained is the same.  [default: one, if there is "
            "one]",
        ),
    ]


def parse_gpus(_context, _parameter, text):
    """Turn `2` into a number; `all` stays."""
    if text is None or text == ALL:
        return text
    if not (text.isascii() and text.isdecimal() and 1 <= int(text) <= MOST):
        raise click.BadParameter(f"{text} is no number of GPUs; write 2, or {ALL}")
    return int(text)


@click.command(
    "train",
    cls=Command,
    help=HELP,
    short_help="Train a network for one style or several; apply uses it.",
    context_settings=CONTEXT,
    params=[
        *file_names(),
        *network_options(),
        *pace_options(),
        *device_options(),
        *file_options(recipes=False),
        *(each for each in setting_options() if each.name in USED),
        *message_options(),
    ],
)
@click.pass_context
def command(context, **options):
    """Parse the options and train; the text of the help is `HELP`."""
    given = SimpleNamespace(**options)
    check(given)
    rate = given.learning_rate or RATES.get(given.arch, RATE)
    settings = make_settings(options | {"optimizer": "adam", "learning_rate": rate})
    backend = choose_backend(given.backend)
    check_gpus(given, backend)
    console = Console(quiet=given.quiet, verbose=given.verbose)
    console.status(f"Loading {backend} …")
    from style_transfer.feedforward import train

    minutes = given.minutes or (None if "steps" in explicit(context) else MINUTES)
    task = train.Task(
        styles=list_styles(given),
        photos=given.photos,
        output=choose_output(given),
        settings=settings,
        batch=given.batch,
        preview=given.preview,
        minutes=minutes,
        overwrite=given.overwrite,
        arch=given.arch,
        start=choose_start(given),
        add=given.add,
        critic=given.critic,
        backend=backend,
        gpus=given.gpus,
    )
    play(functools.partial(train.perform, task), console, backend)


def choose_backend(name):
    """Return the backend of Keras to train by; raise UsageError if it is not installed."""
    installed = [each for each in BACKENDS if importlib.util.find_spec(each)]
    if not installed or (name and name not in installed):
        wanted = name or BACKENDS[0]
        raise click.UsageError(f"{wanted} is not installed; pip install {wanted}")
    return name or installed[0]


def check(given):
    """Raise UsageError where options are missing, or contradict each other."""
    for name, wanted in (("style", "picture file"), ("photos", "folder of photos")):
        if not (getattr(given, name) or (name == "style" and given.styles)):
            raise click.UsageError(f"--{name} is missing; name a {wanted}.")
    if given.precision == "float16":
        raise click.UsageError("--precision float16 cannot be trained in; take bfloat16")
    if given.add and (given.arch != ARCHITECTURES[0] or given.start in (None, NONE)):
        raise click.UsageError("--add wants --from FILE, a network that was trained for some")


def check_gpus(given, backend):
    """Raise UsageError if a backend cannot share a step among GPUs, or these not the photos."""
    if given.gpus is None:
        return
    if backend != BACKENDS[0]:
        raise click.UsageError(f"--gpus is for TensorFlow; leave it out with --backend {backend}")
    if given.gpus != ALL and given.batch % given.gpus:
        batch = given.gpus * math.ceil(given.batch / given.gpus)
        reason = f"{given.gpus} cannot share the {given.batch} photos of a step equally"
        raise click.UsageError(f"--gpus: {reason}; add --batch {batch}")


def list_styles(given):
    """Return the paths of all paintings."""
    from style_transfer.feedforward import dataset

    return (*given.style, *map(str, dataset.list_pictures(given.styles) if given.styles else ()))


def choose_start(given):
    """Return the path of the network to begin with, or None."""
    if given.start == NONE or (given.start is None and given.arch != ARCHITECTURES[0]):
        return None
    from style_transfer.feedforward import style_file

    return given.start or style_file.START


def choose_output(given):
    """Return the path of the file."""
    from style_transfer import storage
    from style_transfer.runs.folder import OUTPUT

    storage.refuse(given.output)

    names = "-".join(Path(each).stem for each in (*given.style[:3], *filter(None, [given.styles])))
    path = Path(given.output or OUTPUT / f"{names}{SUFFIX}")
    if path.suffix.lower() != SUFFIX or path.is_dir():
        raise click.UsageError(f"--output: {path} is no {SUFFIX} file; name one")
    return path
