"""Train the compact VGG19 that ships with the tool, and measure what its pictures are worth.

    python tools/distill.py train PHOTOS_DIR --teacher imagenet
    python tools/distill.py evaluate --content CONTENTS_DIR --style STYLES_DIR --teacher imagenet

Training needs Keras alone, on any of its backends: set KERAS_BACKEND to `torch` or `jax` where
there is no TensorFlow. `evaluate` needs TensorFlow.
"""

import itertools
import sys
from pathlib import Path

import click
import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))  # `python tools/distill.py` finds the project's modules

from style_transfer import files  # noqa: E402
from style_transfer.method.architecture import VGG19  # noqa: E402
from style_transfer.networks import decoders, weights  # noqa: E402
from style_transfer.pictures import images  # noqa: E402
from style_transfer.settings import Settings  # noqa: E402
from tools import crops, distillation, teachers  # noqa: E402

COMPACT = weights.COMPACT_FILES[VGG19.name]
WIDTHS = "16,32,64,128,128"


def table(errors):
    """Format errors on held-out pictures as lines."""
    return "\n".join(f"{key:18} {value:.1e}" for key, value in errors.items())


def write(path, arrays):
    """Write the student's weights as float16 and return the file's SHA-256."""
    layers = {name: arrays[name][:2] for name in teachers.STUDENT_LAYERS}
    weights.write(path, layers, dtype=np.float16)
    return files.sha256(Path(path).read_bytes())


@click.group(help=__doc__.split("\n\n")[0])
def main():
    """Hold the two commands."""


@main.command()
@click.argument("photos", nargs=-1, required=True, type=click.Path(exists=True, file_okay=False))
@click.option("--teacher", default="imagenet", help="imagenet, or a file: .npz, .h5.")
@click.option("--widths", default=WIDTHS, help="Channels in each of the five blocks.")
@click.option(
    "--size",
    default=288,
    type=click.IntRange(176),
    help="Side of the crops in pixels; smaller ones are all border at block5.",
)
@click.option("--rounds", default=4, help="Sets of fresh crops for each layer by itself.")
@click.option("--crops", "crop_count", default=256, help="Crops in a set, for block 5.")
@click.option("--layer-steps", default=400, help="Steps of a layer with each set.")
@click.option("--rate", default=1.0, help="Adam's step size for a layer by itself.")
@click.option(
    "--again",
    type=click.Choice(teachers.STUDENT_LAYERS),
    help="Then train the layers from this one upwards once more.",
)
@click.option("--steps", default=0, help="Steps with all layers together, afterwards.")
@click.option("--batch", default=4, help="Crops in such a step.")
@click.option("--joint-rate", default=1e-4, help="Adam's step size in such a step.")
@click.option("--seed", default=0, help="Seed of everything random.")
@click.option("--output", default=COMPACT, type=click.Path(), help="The file to write.")
@click.option("--resume", is_flag=True, help="Go on with the training that was interrupted.")
def train(photos, teacher, widths, size, seed, output, resume, **options):
    """Train the compact network on the pictures in PHOTOS."""
    run = distillation.Distillation(
        crops.load_pictures(photos),
        teachers.load_teacher(teacher),
        widths=tuple(int(width) for width in widths.split(",")),
        size=size,
        seed=seed,
        checkpoint=Path(output).with_suffix(".training.npz"),
    )
    if resume:
        run.resume()
    run.work(distillation.plan(run.names, **options))
    print(table(run.measure()))
    print(f"{write(output, run.arrays)}  {output}")


@main.command()
@click.argument("photos", nargs=-1, required=True, type=click.Path(exists=True, file_okay=False))
@click.option("--paintings", multiple=True, required=True, type=click.Path(exists=True))
@click.option("--published", required=True, help="The published decoders: .npz.")
@click.option("--weights", "path", default=COMPACT, type=click.Path(), help="The compact network.")
@click.option("--rounds", default=2, help="Sets of fresh crops for each layer by itself.")
@click.option("--layer-steps", default=300, help="Steps of a layer with each set.")
@click.option("--rate", default=1.0, help="Adam's step size for a layer by itself.")
@click.option("--steps", default=1000, help="Steps of each decoder as a whole, afterwards.")
@click.option("--batch", default=4, help="Crops in such a step; half are to be given back.")
@click.option("--size", default=160, help="Their side in pixels.")
@click.option("--joint-rate", default=3e-4, help="Adam's step size in such a step.")
@click.option("--seed", default=0, help="Seed of everything random.")
@click.option("--output", default=decoders.FILE, type=click.Path(), help="The file to write.")
@click.option("--resume", is_flag=True, help="Go on with the training that was interrupted.")
def invert(photos, paintings, published, path, seed, output, resume, **options):
    """Train the compact network's decoders on the pictures in PHOTOS."""
    from tools import inversion

    run = inversion.Inversion(
        crops.load_pictures(photos),
        crops.load_pictures(paintings),
        weights.load(path),
        teachers.load_decoders(published),
        seed=seed,
        checkpoint=Path(output).with_suffix(".training.npz"),
    )
    if resume:
        run.resume()
    run.work(inversion.plan(run.architecture, **options))
    decoders.write(output, run.levels())
    print(f"{files.sha256(Path(output).read_bytes())}  {output}")


@main.command("heads")
@click.argument("photos", nargs=-1, required=True, type=click.Path(exists=True, file_okay=False))
@click.option("--teacher", required=True, help="The published encoder with its heads: .npz.")
@click.option("--weights", "path", default=COMPACT, type=click.Path(), help="The compact network.")
@click.option("--output", default=COMPACT, type=click.Path(), help="The file to write.")
def fit_heads(photos, teacher, path, output):
    """Fit the compact network's heads on the pictures in PHOTOS, and add them to its file."""
    from tools import heads

    network = weights.load(path)
    with np.load(teacher) as arrays:
        found, errors = heads.fit(network, dict(arrays), crops.load_pictures(photos))
    print(table(errors))
    weights.write(output, network.layers, heads=found, dtype=np.float16)
    print(f"{files.sha256(Path(output).read_bytes())}  {output}")


@main.command()
@click.option("--content", required=True, type=click.Path(exists=True), help="Folder of photos.")
@click.option("--style", required=True, type=click.Path(exists=True), help="Of paintings.")
@click.option("--teacher", default="imagenet", help="imagenet, or a file: .npz, .h5.")
@click.option("--weights", "path", default=COMPACT, type=click.Path(), help="The compact network.")
@click.option("--size", default=384, help="Longer side of all pictures.")
@click.option("--steps", default=150, help="Steps of L-BFGS.")
@click.option("--alpha", "content_weight", default=1.0)
@click.option("--beta", "style_weight", default=100.0)
@click.option("--tv", "tv_weight", default=2.0)
@click.option("--border", default=Settings.border, help="Mirrored pixels around a picture.")
@click.option("--every", default=1, help="Take each so-many-th pair only.")
@click.option("--output", type=click.Path(), help="Folder for the pictures.")
@click.option("--reuse", is_flag=True, help="Judge the pictures in --output; make what is missing.")
def evaluate(content, style, teacher, path, size, steps, every, output, reuse, **options):
    """Compare the pictures of teacher, compact network and a random one of its shape."""
    from tools import comparison

    compact = weights.load(path)
    networks = {
        "teacher": teachers.load_teacher(teacher),
        "compact": teachers.build_network(compact),
        "random": teachers.build_network(weights.draw(0, compact.architecture)),
    }
    gallery = comparison.Gallery(output, networks, size=size, reuse=reuse)
    rows = []
    pairs = itertools.product(images.expand(content), images.expand(style))
    for pair in list(pairs)[::every]:
        rows.append(gallery.compare(*pair, Settings(**options), steps=steps))
        print(comparison.summarize(rows[-1:]).splitlines()[1], flush=True)
    print(comparison.summarize(rows))


if __name__ == "__main__":
    main()
