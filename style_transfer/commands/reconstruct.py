"""`python main.py reconstruct`: what single layers keep of a photo and of a painting."""

import click

from style_transfer.commands.exploring import (
    USED,
    explore,
    exploring_options,
    picture_option,
)
from style_transfer.commands.options import CONTEXT, Command
from style_transfer.exploration.choices import Choices
from style_transfer.settings import Settings

HELP = """Make a photo and a painting again, from noise, from what single layers keep of them.

\b
Examples:
  python main.py reconstruct --content photo.jpg --style painting.jpg
  python main.py reconstruct --content photo.jpg --content-layer block3_conv3 --steps 100

Figure 1 of Gatys, Ecker & Bethge: the content of one layer each, the style of one layer, of two,
of all; the number under a picture is the relative error that is left. Each picture is a run in a
folder of its own; the page moves them all through their epochs. Two to three minutes on two cores.
"""
OWN = (
    "precision",
    "epochs",
    "steps",
    "tv_weight",
    "style_loss",
    "style_space",
    "layer_weights",
    "loss",
    "tv_loss",
    "scales",
    "optimizer",
    "history",
    "learning_rate",
    "patience",
    "content_layers",
    "style_layers",
)
DEFAULTS = {
    "size": 256,
    "steps": 30,
    "tv_weight": 0.0,
    "scales": "1",
    "content_layers": Settings.style_layers,
}


@click.command(
    "reconstruct",
    cls=Command,
    help=HELP,
    short_help="What single layers keep of a photo, and of a painting.",
    context_settings=CONTEXT,
    params=[
        picture_option("-c", "--content", help="The photo."),
        picture_option("-s", "--style", help="The painting."),
        *exploring_options(Choices, used=(*USED, *OWN), defaults=DEFAULTS),
    ],
)
@click.pass_context
def command(context, **options):
    """Parse the options and make the table; the text of the help is `HELP`."""
    if not (options["content"] or options["style"] or options["resume"]):
        raise click.UsageError("--content and --style are missing; name a picture file.")
    explore(context, options, Choices, roles=("content", "style"), required=())
