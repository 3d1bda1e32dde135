"""Measure what pictures are worth: painted by 0.2.0's default and today's, made in one pass.

    python tools/evaluate.py --content CONTENTS --style STYLES --judge TEACHER.npz --output DIR
    … --who new --who instant --model any.style --model waves.style

Every photo with every painting; see `quality` for what the judge measures, and for how far it is
independent. Each row is printed as it is there and appended to
DIR/figures.jsonl; what is in that file is not made again.
"""

import dataclasses
import itertools
import json
import sys
import time
from pathlib import Path

import click
import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))  # `python tools/evaluate.py` finds the project's modules

from style_transfer.feedforward import instant, style_file, trained  # noqa: E402
from style_transfer.networks import weights  # noqa: E402
from style_transfer.optimization.engine import Engine  # noqa: E402
from style_transfer.optimization.targets import Style  # noqa: E402
from style_transfer.optimization.transfer import Material, Transfer  # noqa: E402
from style_transfer.pictures import images  # noqa: E402
from style_transfer.settings import Settings  # noqa: E402
from tools import quality  # noqa: E402
from tools.comparison import load_picture  # noqa: E402

#: The defaults of version 0.2.0, as far as today's differ or may differ one day.
OLD = dict(
    history=20,
    init="content",
    style_space="raw",
    style_weight=200.0,
    tv_weight=2.0,
    tv_loss="mean-squared",
    epochs=10,
    steps=30,
    scales="auto",
    warmup=30,
)
MEASURES = ("content", "style", "total", "ripple", "seconds")


class Contender:
    """One way to make a picture.

    Args:
        settings: a `Settings`.
        apply: what makes it in one pass, from a `Material` and the settings; None: it is painted.
        knows: names of the only paintings that it can paint like; None: it takes any.
    """

    def __init__(self, settings, *, apply=None, knows=None):
        self.settings, self.apply, self.knows = settings, apply, knows
        self.engine = None if apply else Engine(weights.load("compact"), settings)
        self.graphs = set()  # sizes of photos for which they are made

    def takes(self, style):
        """Tell whether it can paint like a picture of such a path."""
        return self.knows is None or Path(style).stem in self.knows

    def paint(self, content, style):
        """Return (picture, seconds) for a pair, each (1, height, width, 3)."""
        began = time.perf_counter()
        start = instant.painter(self.settings) if self.settings.init == "instant" else content
        material = Material(content, [Style(style)], start)
        if self.apply:
            return self.apply(material, self.settings), time.perf_counter() - began
        transfer = Transfer(self.engine, material, self.settings)
        for _ in transfer.run():
            pass
        return transfer.image, time.perf_counter() - began


def list_contenders(names, betas, models):
    """Return the `Contender`s by name.

    Args:
        names: of `MAKERS`.
        betas: β other than the default's, which have names of their own.
        models: paths of trained networks.
    """
    found = {name: MAKERS[name]() for name in names}
    for beta in betas:
        found[f"new, β = {beta:g}"] = Contender(Settings(style_weight=beta))
    for path in models:
        file = style_file.read(path)
        knows = None if file.paints_any else file.names[:1]
        apply = trained.Network(file).paint
        found[Path(path).stem] = Contender(Settings(), apply=apply, knows=knows)
    return found


def make_one_pass(transform):
    """Return the `Contender` that `apply` is with a transform."""
    settings = Settings(transform=transform)
    return Contender(settings, apply=instant.load_network(transform).paint)


MAKERS = {
    "old": lambda: Contender(Settings(**OLD)),
    "instant": lambda: make_one_pass(Settings().transform),
    "new": lambda: Contender(Settings()),
    "google": lambda: make_one_pass("google"),
}


@click.command(help=__doc__.split("\n\n")[0])
@click.option("--content", required=True, type=click.Path(exists=True), help="Folder of photos.")
@click.option("--style", required=True, type=click.Path(exists=True), help="Of paintings.")
@click.option("--judge", required=True, type=click.Path(exists=True), help="Published: .npz.")
@click.option("--output", required=True, type=click.Path(), help="Folder for pictures, figures.")
@click.option("--size", default=512, help="Longer side of all pictures.")
@click.option("--beta", "betas", multiple=True, type=float, help="Other β for today's default.")
@click.option("--who", "names", multiple=True, type=click.Choice(list(MAKERS)), help="To judge.")
@click.option("--model", "models", multiple=True, type=click.Path(exists=True), help=".style file.")
@click.option("--every", default=1, help="Take each so-many-th pair only.")
def main(content, style, judge, output, size, betas, names, models, every):
    """Make the pictures, judge them, print the table."""
    output = Path(output)
    output.mkdir(parents=True, exist_ok=True)
    with np.load(judge) as arrays:
        network = quality.build_judge(dict(arrays))
    pairs = list(itertools.product(images.expand(content), images.expand(style)))[::every]
    contenders = list_contenders(names or ("old", "instant", "new"), betas, models)
    check_folder(output, contenders, size)
    rows = read_rows(output)
    for paths in pairs:
        pictures = [load_picture(path, size) for path in paths]
        judgement = quality.Judgement(network, *pictures)
        pair = "-".join(Path(path).stem for path in paths)
        for name, contender in contenders.items():
            if (pair, name) in rows or not contender.takes(paths[1]):
                continue
            if pictures[0].shape not in contender.graphs:
                contender.paint(*pictures)  # untimed: it makes graphs
                contender.graphs.add(pictures[0].shape)
            picture, seconds = contender.paint(*pictures)
            images.save_png(output / f"{pair}-{name}.png", picture)
            rows[pair, name] = judgement.errors(picture) | {"seconds": seconds}
            append(output, pair, name, rows[pair, name])
            print(describe(pair, name, rows[pair, name]), flush=True)
    print(summarize(rows, contenders))


def check_folder(output, contenders, size):
    """Refuse a folder whose figures were made with other settings; write down those of ours."""
    made = {name: dataclasses.asdict(each.settings) for name, each in contenders.items()}
    made = {"size": size, "contenders": json.loads(json.dumps(made))}
    path = output / "settings.json"
    if path.exists():
        there = json.loads(path.read_text())
        for name, settings in there["contenders"].items():
            if (there["size"], settings) != (size, made["contenders"].get(name, settings)):
                raise click.UsageError(f"{output} holds figures of other settings; name another")
        made["contenders"] = there["contenders"] | made["contenders"]
    path.write_text(json.dumps(made, indent=1))


def read_rows(output):
    """Return the rows of an earlier call: {(pair, name): figures}."""
    path = output / "figures.jsonl"
    lines = path.read_text().splitlines() if path.exists() else []
    found = map(json.loads, lines)
    return {(each.pop("pair"), each.pop("name")): each for each in found}


def append(output, pair, name, figures):
    """Append a row to the file."""
    with (output / "figures.jsonl").open("a") as file:
        print(json.dumps({"pair": pair, "name": name, **figures}), file=file)


def describe(pair, name, figures):
    """Write a row as a line."""
    return f"{pair:36} {name:16}" + "".join(f"{figures[each]:11.4g}" for each in MEASURES)


def summarize(rows, names):
    """Write the means over all pairs that each can make, and their ratios to those of the first."""
    lines = [f"{'mean':36} {'':16}" + "".join(f"{each:>11}" for each in MEASURES)]
    means = {}
    for name in names:
        found = [figures for (_, own), figures in rows.items() if own == name]
        means[name] = {each: float(np.mean([row[each] for row in found])) for each in MEASURES}
        lines.append(describe("mean", name, means[name]))
    first, *others = names
    for name in others:
        ratios = {each: means[name][each] / means[first][each] for each in MEASURES}
        lines.append(describe(f"to {first}", name, ratios))
    return "\n".join(lines)


if __name__ == "__main__":
    main()
