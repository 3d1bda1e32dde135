"""Measure speed, memory and the loss that they buy, against the textbook, on this machine.

    python tools/benchmark.py             # everything: most of an hour on two cores
    python tools/benchmark.py --quick     # a rough idea in some minutes
    python tools/benchmark.py --sections evaluation,runs

Prints Markdown. Figures are medians of several measurements (with --quick, whole runs and races
are done once), and none of them is a test.
"""

import dataclasses
import os
import platform
import statistics
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import click

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))  # `python tools/benchmark.py` finds the project's modules

from style_transfer.networks import weights  # noqa: E402
from style_transfer.pictures import images  # noqa: E402
from style_transfer.runs import record  # noqa: E402
from style_transfer.settings import Settings  # noqa: E402
from tools import jobs  # noqa: E402

INPUT = ROOT / "data" / "input"
PAIRS = tuple(
    (INPUT / f"{content}.jpg", INPUT / f"{style}.jpg")
    for content in ("temple", "cat")
    for style in ("night_strokes", "circles", "waves")
)
NETWORKS = {"full": "random", "compact": "compact"}  # random weights are as fast as trained ones
MATRIX_FLAGS = ("avx2", "avx512f", "avx512_bf16", "amx_bf16")


@dataclass(frozen=True)
class Effort:
    """How much is measured.

    Attributes:
        size: longer side of the picture.
        turns: of what takes turns in being timed.
        least: seconds that such a turn takes at least.
        repetitions: of whole runs.
        epochs, steps: of our contestants in a race.
        textbook_steps: of the textbook's loop, whose loss is to be reached.
        pairs: of pictures, on which losses are compared.
        sides: longer sides of large pictures.
    """

    size: int = 512
    turns: int = 9
    least: float = 0.5
    repetitions: int = 5
    epochs: int = Settings.epochs
    steps: int = Settings.steps
    textbook_steps: int = 1000
    pairs: int = len(PAIRS)
    sides: tuple = (512, 1024, 2048, 4096)


QUICK = Effort(
    turns=5, least=0.1, repetitions=1, steps=5, textbook_steps=100, pairs=1, sides=(512, 1024)
)


def print_table(title, head, rows):
    """Print a Markdown table; floats with three digits."""
    lines = [head, ["---"] * len(head), *([show(value) for value in row] for row in rows)]
    click.echo(f"\n### {title}\n")
    click.echo("\n".join("| " + " | ".join(line) + " |" for line in lines))


def show(value):
    """Write a cell of a table; a time is NaN where there is none, infinite where it never came."""
    if not isinstance(value, float):
        return str(value)
    text = f"{value:.3g}"
    return {"nan": "", "inf": "never"}.get(text, text)


def load_pair(pair, size):
    """Read a photo and a painting as tensors, the longer side of each `size`."""
    pictures = [images.load(path) for path in pair]
    sizes = [images.fitted_size(each.pixels.size, size, enlarge=True) for each in pictures]
    return [images.to_tensor(*both) for both in zip(pictures, sizes)]


def runs(effort):
    """Whole runs: from the start of the process to its first steps and to its end; memory."""
    plan = dict(size=effort.size, epochs=Settings.epochs, steps=2)
    with tempfile.TemporaryDirectory() as parent:
        commands = {"importing TensorFlow alone": jobs.IMPORT}
        for name, source in NETWORKS.items():
            command = jobs.build_command(PAIRS[0], source, Path(parent) / name, **plan)
            commands[f"{name} VGG19"] = command
        seen = {name: [] for name in commands}
        for _ in range(effort.repetitions):
            for name, command in commands.items():
                seen[name].append(jobs.observe(command))
    rows = []
    for name, observed in seen.items():
        figures = [(each.until("epoch"), each.seconds, each.gigabytes) for each in observed]
        rows.append((name, *map(statistics.median, zip(*figures))))
    head = ("process", "s to its first two steps", "s to its end", "peak GB")
    print_table(f"Whole runs, {effort.size} px, all scales, two steps an epoch", head, rows)


def evaluation(effort):
    """A loss with its gradient, and a whole step, against the textbook's step."""
    from tools import evaluations

    content, style = load_pair(PAIRS[0], effort.size)
    networks = {name: weights.load(source) for name, source in NETWORKS.items()}
    rows = evaluations.measure(networks, content, style, effort)
    title = f"Evaluation and step, {content.shape[2]}×{content.shape[1]} px"
    print_table(title, ("what", "ms", "range", "against the textbook"), rows)


def time_to_loss(effort):
    """Seconds to the loss that the textbook's loop ends with; compact network."""
    from tools import races

    compact, rows = weights.load("compact"), []
    for pair in PAIRS[: effort.pairs]:
        raced = races.compare_with_textbook(compact, *load_pair(pair, effort.size), effort)
        rows += [(f"{pair[0].stem}, {pair[1].stem}", *row) for row in raced]
    title = f"Time to the loss of {effort.textbook_steps} steps, compact, {effort.size} px"
    head = ("pair", "who", "s to the textbook's loss", "ratio", "loss at the end", "s to the end")
    print_table(title, head, rows)


def sizes(effort):
    """Large pictures: seconds a step and peak memory, at once and in blocks."""
    from tools import sizes as large

    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for name, source in NETWORKS.items():
            architecture = weights.load(source).architecture
            for side in effort.sides:
                rows += large.measure(name, source, architecture, PAIRS[0], side, folder)
    print_table("Sizes, a step at the final size", large.HEAD, rows)


#: In the order in which they are measured: the first two want a process without TensorFlow.
SECTIONS = {
    "runs": runs,
    "sizes": sizes,
    "evaluation": evaluation,
    "time-to-loss": time_to_loss,
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
    click.echo(f"- {', '.join(f'{name} {each}' for name, each in record.versions().items())}")
    if effort.turns < Effort.turns:
        click.echo("- quick: figures for orientation, not to be quoted")


def choose_sections(_context, _parameter, text):
    """Turn `runs,evaluation` into a list of names; refuse unknown ones."""
    names = text.split(",") if text else list(SECTIONS)
    for name in names:
        if name not in SECTIONS:
            raise click.BadParameter(f"unknown: {name}; choose from {', '.join(SECTIONS)}")
    return [name for name in SECTIONS if name in names]


@click.command(help=__doc__.replace("    python", "\b\n    python", 1))
@click.option("--quick", is_flag=True, help="Measure less and less often.")
@click.option("--sections", callback=choose_sections, help=f"Of {', '.join(SECTIONS)}.  [all]")
@click.option("--size", type=int, help=f"Longer side of the picture in pixels.  [{Effort.size}]")
@click.option("--pairs", type=click.IntRange(1, len(PAIRS)), help="Of pictures.  [all]")
def main(quick, sections, **given):
    """Print the header, and measure the sections."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    given = {name: value for name, value in given.items() if value}
    effort = dataclasses.replace(QUICK if quick else Effort(), **given)
    print_header(effort)
    for name in sections:
        click.echo(f"measuring: {name} …", err=True)
        SECTIONS[name](effort)


if __name__ == "__main__":
    main()
