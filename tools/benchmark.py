"""Measure speed, memory and the loss that they buy, against the textbook, on this machine.

    python tools/benchmark.py             # everything: most of an hour on two cores
    python tools/benchmark.py --quick     # a rough idea in some minutes
    python tools/benchmark.py --sections evaluation,rate

Prints Markdown, and draws data/output/benchmark.png. Figures are medians of five measurements
or more (with --quick, what takes long is measured once), and none of them is a test.
"""

import dataclasses
import itertools
import os
import platform
import statistics
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import click

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))  # `python tools/benchmark.py` finds the project's modules

from style_transfer.networks import weights  # noqa: E402
from style_transfer.pictures import images  # noqa: E402
from style_transfer.runs import folder as runs  # noqa: E402
from style_transfer.settings import VGG19_WIDTHS, Settings  # noqa: E402
from tools import jobs  # noqa: E402

INPUT = ROOT / "data" / "input"
PAIRS = tuple(
    (INPUT / f"{content}.jpg", INPUT / f"{style}.jpg")
    for content in ("temple", "cat")
    for style in ("night_strokes", "circles", "waves")
)
COMPACT = ROOT / "data" / "weights" / "vgg19_compact.weights.h5"
COMPACT_WIDTHS = (16, 32, 64, 128, 128)
PLOT = ROOT / "data" / "output" / "benchmark.png"
MATRIX_FLAGS = ("avx2", "avx512f", "avx512_bf16", "amx_bf16")


@dataclass(frozen=True)
class Effort:
    """How much is measured.

    Attributes:
        size: longer side of the picture.
        turns: of what takes turns in being timed.
        least: seconds that such a turn takes at least.
        repetitions: of whole runs.
        epochs, steps: of a whole run, and of one of its epochs.
        textbook_steps: of the textbook's loop, whose loss is to be reached.
        pairs: of pictures, on which losses are compared.
        matrix: side of the matrices whose product tells what the processor can do.
        sides: longer sides of pictures for the growth of time with size.
    """

    size: int = 512
    turns: int = 9
    least: float = 0.5
    repetitions: int = 5
    epochs: int = Settings.epochs
    steps: int = Settings.steps
    textbook_steps: int = 1000
    pairs: int = len(PAIRS)
    matrix: int = 4096
    sides: tuple = (128, 181, 256, 362, 512, 724, 1024)


QUICK = Effort(
    turns=5,
    least=0.1,
    repetitions=1,
    steps=5,
    textbook_steps=100,
    pairs=1,
    matrix=2048,
    sides=(128, 256, 512),
)


def print_table(title, head, rows):
    """Print a Markdown table; floats with three digits."""
    cells = [[f"{x:.3g}" if isinstance(x, float) else str(x) for x in row] for row in rows]
    lines = [head, ["---"] * len(head), *cells]
    click.echo(f"\n### {title}\n")
    click.echo("\n".join("| " + " | ".join(line) + " |" for line in lines))


def verdict(value, *, most=None, least=None):
    """Say whether a value keeps within its goal."""
    goal = f"≤ {most:g}" if least is None else f"≥ {least:g}"
    met = value <= most if least is None else value >= least
    return f"{goal}: {'met' if met else 'MISSED'}"


def medians(rows):
    """Return the medians of the columns."""
    return [statistics.median(column) for column in zip(*rows)]


def load_pair(pair, size):
    """Read a photo and a painting as tensors, the longer side of each `size`."""
    pictures = [images.load(path) for path in pair]
    sizes = [images.fitted_size(each.pixels.size, size, enlarge=True) for each in pictures]
    return [images.to_tensor(*both) for both in zip(pictures, sizes)]


def load_compact():
    """Load the compact network's weights, or draw some of its widths where there are none."""
    return weights.load(str(COMPACT)) if COMPACT.exists() else weights.draw(0, COMPACT_WIDTHS)


def load_networks():
    """Return the weights of the two networks; those of full VGG19 are drawn at random."""
    return {"full": weights.draw(0, VGG19_WIDTHS), "compact": load_compact()}


def compact_file(folder):
    """Return the path of a file with the compact network, written to `folder` if need be."""
    if COMPACT.exists():
        return COMPACT
    weights.write(folder.parent / "compact.weights.h5", load_compact().layers)
    return folder.parent / "compact.weights.h5"


def describe_size(picture):
    """Write width×height of (1, height, width, 3)."""
    return f"{picture.shape[2]}×{picture.shape[1]} px"


def evaluation(effort):
    """A loss with its gradient, and a whole step, against the textbook's step."""
    from tools import evaluations

    pair = load_pair(PAIRS[0], effort.size)
    rows = []
    for row in evaluations.measure_evaluation(load_networks(), *pair, effort):
        goal = ""
        if row[0].startswith("evaluation"):
            full = 1.0 if row[0].endswith("float32") else 0.6
            goal = verdict(row[-1], most=full if "full" in row[0] else 0.08)
        rows.append((*row, goal))
    head = ("what", "ms", "range", "against the textbook", "goal")
    print_table(f"Evaluation and step, {describe_size(pair[0])}", head, rows)


def rate(effort):
    """Floating-point rate of an evaluation, against that of a matrix product."""
    from tools import evaluations

    pair = load_pair(PAIRS[0], effort.size)
    rows = evaluations.measure_rate(load_networks(), *pair, effort)
    goals = [verdict(row[-1], least=0.8) if row[0] == "full" else "" for row in rows]
    head = (
        "network",
        "precision",
        "GFLOP",
        "GFLOP/s",
        f"{effort.matrix}³ product",
        "share",
        "goal",
    )
    rows = [(*row, goal) for row, goal in zip(rows, goals)]
    print_table(f"Floating-point rate of an evaluation, {describe_size(pair[0])}", head, rows)
    click.echo("\nFLOP = 4 · (Σ 9 K N M over convolutions, K to N channels at M positions,")
    click.echo("+ Σ N² M over Gram matrices): forward and backward, two for a multiply-add.")


def sizes(effort):
    """How the time of an evaluation grows with the picture."""
    from tools import evaluations

    curves = {}
    pair = load_pair(PAIRS[0], max(effort.sides))
    head = ("longer side", "megapixels", "ms", "ms a megapixel")
    for name, network in load_networks().items():
        sides = effort.sides if name == "compact" else effort.sides[::2]
        rows = evaluations.measure_sizes(network, *pair, sides, effort)
        print_table(f"Evaluation over sizes, {name} VGG19, auto precision", head, rows)
        if len(rows) > 1:
            click.echo(f"\nTime grows as pixels^{evaluations.growth(rows):.3f}.")
        curves[name] = rows
    evaluations.draw_sizes(curves, PLOT)
    click.echo(f"\nDrawn: {PLOT.relative_to(ROOT)}")


def shares(effort):
    """What of a compact run is not the model."""
    books = []
    with jobs.empty_folder() as folder:
        plan = dict(size=effort.size, epochs=effort.epochs, steps=effort.steps)
        arguments = jobs.build_arguments(PAIRS[0], compact_file(folder), folder, **plan)
        for _ in range(effort.repetitions):
            books.append(jobs.measure_shares(arguments))
    seconds = dict(zip(books[0], medians(book.values() for book in books)))
    _, *loop, _ = seconds.values()
    rows = [(name, each, f"{each / sum(loop):.1%}") for name, each in seconds.items()]
    title = f"A compact run, {effort.size} px, {effort.epochs} × {effort.steps} steps"
    print_table(title, ("spent on", "seconds", "share of the loop"), rows)
    share = 1 - seconds["evaluations"] / sum(loop)
    click.echo(f"\nOf the loop is not the model: {share:.3f} ({verdict(share, most=0.1)})")


def start(effort):
    """From the start of the process to the first step."""
    timelines, imports = [], []
    with jobs.empty_folder() as folder:
        plan = dict(size=effort.size, epochs=1, steps=1)
        arguments = jobs.build_arguments(PAIRS[0], compact_file(folder), folder, **plan)
        for _ in range(effort.repetitions):
            imports.append(jobs.measure_import())
            timelines.append(jobs.measure_start(arguments))
    rows = [("importing TensorFlow, a process by itself", statistics.median(imports), "")]
    for moments in zip(*timelines):
        line, seconds = moments[0][0], statistics.median(moment for _, moment in moments)
        rows.append((line[:60], seconds, verdict(seconds, most=8) if line[:5] == "epoch" else ""))
    title = f"From the start of the process to its lines, compact, {effort.size} px, one step"
    print_table(title, ("until", "seconds", "goal"), rows)


def memory(effort):
    """Peak resident memory of whole runs."""
    with jobs.empty_folder() as folder:
        plan = dict(size=effort.size, epochs=effort.epochs, steps=2)
        programs = {"importing TensorFlow alone": jobs.IMPORT}
        for name, network in (("compact", compact_file(folder)), ("full", "random")):
            arguments = jobs.build_arguments(PAIRS[0], network, folder, **plan)
            programs[f"{name} VGG19"] = (*jobs.PROGRAM, "--quiet", *arguments)
        peaks = {name: [] for name in programs}
        for _, (name, command) in itertools.product(range(effort.repetitions), programs.items()):
            peaks[name].append(jobs.measure_memory(command))
    goals = {"compact VGG19": 0.9, "full VGG19": 1.6}
    rows = []
    for name, values in peaks.items():
        peak = statistics.median(values)
        rows.append((name, peak, verdict(peak, most=goals[name]) if name in goals else ""))
    title = f"Peak resident memory of a run, {effort.size} px, all scales, two steps an epoch"
    print_table(title, ("run", "GB", "goal"), rows)


def time_to_loss(effort):
    """Seconds to the loss that the textbook's loop ends with; compact network."""
    from tools import races

    rows, ratios = [], []
    for pair in PAIRS[: effort.pairs]:
        tensors = load_pair(pair, effort.size)
        textbook, ours = races.compare_with_textbook(load_compact(), *tensors, effort)
        name = f"{pair[0].stem}, {pair[1].stem}"
        rows.append((name, f"textbook, {effort.textbook_steps} steps", textbook[1], 1.0, *textbook))
        rows.extend((name, *row) for row in ours)
        ratios.append(ours[0][2])
    head = ("pair", "who", "s to the textbook's loss", "ratio", "loss at the end", "s to the end")
    print_table(f"Time to the textbook's loss, compact, {effort.size} px", head, rows)
    ratio = statistics.median(ratios)
    click.echo(f"\nDefaults, median ratio: {ratio:.3f} ({verdict(ratio, most=0.15)})")


def optimizers(effort):
    """Loss of Adam and L-BFGS after equal times; compact network, one scale."""
    from tools import races

    rows = []
    for pair in PAIRS[: effort.pairs]:
        tensors = load_pair(pair, effort.size)
        compared = races.compare_optimizers(load_compact(), *tensors, effort)
        rows.extend((f"{pair[0].stem}, {pair[1].stem}", *row) for row in compared)
    head = ("pair", "seconds", "Adam", "L-BFGS", "L-BFGS / Adam")
    print_table(f"Loss after equal times, compact, one scale, {effort.size} px", head, rows)


SECTIONS = {
    "evaluation": evaluation,
    "rate": rate,
    "sizes": sizes,
    "shares": shares,
    "start": start,
    "memory": memory,
    "time-to-loss": time_to_loss,
    "optimizers": optimizers,
}


def describe_processor():
    """Name the processor, its threads and which instructions for matrices it has."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    fields = dict(line.split(":", 1) for line in reversed(lines) if ":" in line)
    fields = {key.strip(): value.strip() for key, value in fields.items()}
    model = fields.get("model name") or platform.processor() or platform.machine()
    flags = [each for each in MATRIX_FLAGS if each in fields.get("flags", "").split()]
    return f"{model}, {os.cpu_count()} threads, {' '.join(flags) or 'instructions unknown'}"


def print_header(effort):
    """Print what measures and what is measured."""
    click.echo("## Benchmark\n")
    click.echo(f"- {describe_processor()}, {platform.system()}")
    click.echo(f"- {', '.join(f'{name} {each}' for name, each in runs.versions().items())}")
    network = COMPACT.name if COMPACT.exists() else f"random weights of widths {COMPACT_WIDTHS}"
    click.echo(f"- compact network: {network}")
    if effort.turns < Effort.turns:
        click.echo("- quick: figures for orientation, not to be quoted")


def choose_sections(_context, _parameter, text):
    """Turn `rate,memory` into a list of names; refuse unknown ones."""
    names = text.split(",") if text else list(SECTIONS)
    for name in names:
        if name not in SECTIONS:
            raise click.BadParameter(f"unknown: {name}; choose from {', '.join(SECTIONS)}")
    return names


@click.command(help="\b\n" + __doc__)
@click.option("--quick", is_flag=True, help="Measure less and less often.")
@click.option("--sections", callback=choose_sections, help=f"Of {', '.join(SECTIONS)}.  [all]")
@click.option("--size", type=int, help=f"Longer side of the picture in pixels.  [{Effort.size}]")
@click.option("--pairs", type=click.IntRange(1, len(PAIRS)), help="Of pictures.  [all]")
@click.option("--alone", is_flag=True, hidden=True, help="Measure in this very process.")
def main(quick, sections, size, pairs, alone):
    """Print the header, and measure each section in a process of its own."""
    effort = QUICK if quick else Effort()
    if size:
        sides = tuple(side for side in effort.sides if side <= size) or (size,)
        effort = dataclasses.replace(effort, size=size, sides=sides)
    if pairs:
        effort = dataclasses.replace(effort, pairs=pairs)
    if alone:
        SECTIONS[sections[0]](effort)
        return
    print_header(effort)
    flags = [*(["--quick"] * quick), "--pairs", str(effort.pairs)]
    flags += [*(["--size", str(size)] if size else []), "--alone", "--sections"]
    failed = []
    for name in sections:
        click.echo(f"measuring: {name} …", err=True)
        sys.stdout.flush()
        command = [sys.executable, __file__, *flags, name]
        # The libraries' messages are of interest only where something went wrong.
        finished = subprocess.run(command, stderr=subprocess.PIPE, text=True)
        if finished.returncode:
            click.echo(finished.stderr, err=True)
            failed.append(name)
    if failed:
        raise click.ClickException(f"these sections failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
