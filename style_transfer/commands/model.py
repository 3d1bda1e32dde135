"""`python main.py model`: the graph of the network, as a picture."""

from pathlib import Path

import click

from style_transfer.commands.exploring import (
    USED,
    explore,
    exploring_options,
    picture_option,
)
from style_transfer.commands.options import CONTEXT, Command
from style_transfer.exploration.choices import Choices

GRAPH = Path("data/graph")
LOSSES = ("content_layers", "style_layers", "tv_weight")
HELP = """Draw the graph of the network: its layers, their sizes, and which loss they feed.

\b
Examples:
  python main.py model
  python main.py model --network vgg16 --weights random --size 1024

As PNG, as SVG and as a table, from the Keras model itself, up to the deepest layer that a loss
needs; as it was published, with all channels but no download: --weights random. Sizes are those
of a square of --size, or of a picture.
"""


@click.command(
    "model",
    cls=Command,
    help=HELP,
    short_help="The graph of the network, as a picture.",
    context_settings=CONTEXT,
    params=[
        picture_option("-c", "--content", help="A picture whose size the layers are for."),
        *exploring_options(Choices, used=(*USED, *LOSSES), folder="data/graph/<network>-<weights>"),
    ],
)
@click.pass_context
def command(context, **options):
    """Parse the options and draw; the text of the help is `HELP`."""
    explore(context, options, Choices, roles=("content",), required=(), place=choose_place)


def choose_place(settings):
    """Return the folder for the graph of such a network."""
    from style_transfer.networks import weights

    try:
        found = weights.resolve(settings.weights, settings.architecture)
    except ValueError:  # which is told when they are loaded
        found = settings.weights
    return GRAPH / f"{settings.network}-{Path(found).name.partition('.')[0]}"
