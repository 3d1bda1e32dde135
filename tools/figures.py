"""Make the pictures of README.md with the program itself, from the samples in `data/input`.

    python tools/figures.py [--photos DIR] [NAME ...]

Each picture of a figure is a run of `main.py`; runs go to `data/output/figures/` and are not
repeated where they are there already. Takes some minutes; `trained` trains a network before, by a
folder of photos.
"""

import functools
import json
import subprocess
import sys
from pathlib import Path

import click
from PIL import Image, ImageDraw

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))  # `python tools/figures.py` finds the project's modules

from style_transfer.reports import frames, sheet  # noqa: E402

INPUT = ROOT / "data" / "input"
RUNS = ROOT / "data" / "output" / "figures"
HEIGHT = 240  # of each picture in a figure
GAP, LABEL = 8, 24
PART = (620, 760, 540, 360)  # of the large picture: left, top, width, height
SHEET_WIDTH = 1000  # of an exploring command's sheet

TEMPLE_NIGHT = ("temple", "night_strokes")
TEMPLE_WAVES = ("temple", "waves")
CAT_WAVES = ("cat", "waves")
CAT_CIRCLES = ("cat", "circles")


def blend(share, other):
    """Return the arguments for a blend with another style."""
    shares = ("--blend", f"{share:g}", "--blend", f"{1 - share:g}")
    return ("--style", str(INPUT / f"{other}.jpg"), *shares, "--size", "320")


def sweep(pair, option, values, *others):
    """List the pictures of one option's values: (label, pair, arguments)."""
    size = ("--size", "320", *others)
    return [(f"{option} {value}", pair, (option, value, *size)) for value in values]


FROM_PHOTO = ("--init", "content", "--steps", "30")
NIGHT = str(INPUT / "night_strokes.jpg")
TAUGHT = ("waves", "night_strokes", "circles")  # the styles of the network for `trained`
MODEL = RUNS / "samples.style"
MASK = ("--content-mask", str(INPUT / "temple_mask.png"))

#: Rows of pictures: an input by its name, or (label, (content, style), arguments of main.py).
FIGURES = {
    "results": [
        ["temple", "night_strokes", ("instant", TEMPLE_NIGHT, None), ("painted", TEMPLE_NIGHT, ())],
        ["cat", "circles", ("instant", CAT_CIRCLES, None), ("painted", CAT_CIRCLES, ())],
        ["temple", "waves", ("instant", TEMPLE_WAVES, None), ("painted", TEMPLE_WAVES, ())],
    ],
    "beta": [sweep(CAT_WAVES, "--beta", ("5", "30", "80", "200"))],
    "tv": [sweep(TEMPLE_NIGHT, "--tv", ("0", "6", "15", "50"))],
    "style_scale": [sweep(CAT_WAVES, "--style-scale", ("0.5", "1", "1.5", "2"), "--enlarge")],
    "scales": [
        [
            ("--scales 1", TEMPLE_NIGHT, (*FROM_PHOTO, "--scales", "1")),
            ("--scales auto", TEMPLE_NIGHT, FROM_PHOTO),
        ]
    ],
    "color": [sweep(TEMPLE_NIGHT, "--preserve-color", ("none", "symmetric", "luminance"))],
    "blend": [
        [
            (f"{share:g} and {1 - share:g}", CAT_CIRCLES, blend(share, "waves"))
            for share in (0.9, 0.5, 0.1)
        ]
    ],
    "regions": [
        [
            "temple_mask",
            ("one style: the rest stays", TEMPLE_NIGHT, (*MASK, "--size", "320")),
            ("two styles", ("temple", "circles"), (*MASK, "--style", NIGHT, "--size", "320")),
        ]
    ],
    "statistics": [
        sweep(TEMPLE_NIGHT, "--style-loss", ("gram", "wasserstein", "mean-std")),
        sweep(TEMPLE_NIGHT, "--layer-weights", ("equal", "geometric")),
    ],
    "init": [
        [
            ("--init instant", CAT_CIRCLES, ("--size", "320")),
            ("--init content", CAT_CIRCLES, (*FROM_PHOTO, "--size", "320")),
            ("--init noise", CAT_CIRCLES, (*FROM_PHOTO, "--init", "noise", "--size", "320")),
        ]
    ],
}


def draw_sweep():
    """Draw docs/sweep.jpg: a sweep of β against total variation."""
    command = [sys.executable, ROOT / "main.py", "sweep", "--weights", "compact", "--size", "256"]
    command += ["--content", INPUT / "cat.jpg", "--style", INPUT / "waves.jpg"]
    command += ["--beta", "5,30,200", "--tv", "0,7,40", "--output", RUNS / "sweep"]
    subprocess.run(command, check=True)
    return frames.shrink(frames.read(RUNS / "sweep" / "contact_sheet.png"), (1000, 1000))


def draw_epochs():
    """Draw docs/epochs.jpg: frames of one run."""
    folder = stylize(CAT_CIRCLES, ("--scales", "1", "--size", "320", "--patience", "0"))
    found = frames.find(folder)
    return assemble([[label(found[epoch], f"epoch {epoch}") for epoch in (0, 1, 2, 4, 10)]])


def draw_large():
    """Draw docs/large.jpg: a picture painted in blocks, and a part of it at full size."""
    folder = stylize(TEMPLE_NIGHT, ("--size", "3000", "--enlarge", "--memory", "3GB"))
    left, top, width, height = PART
    part = frames.read(folder / "result.png").crop((left, top, left + width, top + height))
    part.save(RUNS / "part.png")
    whole = label(folder / "result.png", "3000 × 2002 pixels", height)
    return assemble([[whole, label(RUNS / "part.png", "a part of it at full size", height)]])


def draw_trained(photos):
    """Draw docs/trained.jpg: each sample photo by a network that learned the sample paintings."""
    command = [sys.executable, ROOT / "main.py", "train", "--weights", "compact", "-o", MODEL]
    command += ["--epochs", "10", "--steps", "200"]
    for name in TAUGHT:
        command += ["--style", INPUT / f"{name}.jpg"]
    if not MODEL.exists():
        if not photos:
            raise click.UsageError("trained: name a folder of photos to learn from with --photos")
        subprocess.run([*command, "--photos", photos], check=True)
    rows = [[label(INPUT / f"{name}.jpg", name.replace("_", " ")) for name in TAUGHT]]
    for content in ("cat", "temple"):
        row = []
        for number, name in enumerate(TAUGHT, 1):
            path, _ = apply((content, name), "--model", MODEL, "--style-index", str(number))
            row.append(label(path, f"{content}, {name.replace('_', ' ')}"))
        rows.append(row)
    return assemble(rows)


def explore(command, arguments):
    """Run an exploring command; return its sheet, or its drawing."""
    whole = [sys.executable, ROOT / "main.py", command, *arguments, "--weights", "compact"]
    whole += ["--overwrite", "--output", RUNS / command]
    told = subprocess.run(whole, check=True, capture_output=True, text=True, cwd=INPUT).stdout
    return frames.shrink(frames.read(told.splitlines()[-1]), (SHEET_WIDTH, 1000))


def stylize(pair, arguments):
    """Run the program on a pair of samples, unless that was done before; return the folder."""
    content, style = pair
    words = (Path(word).stem if "/" in word else word for word in (content, style, *arguments))
    folder = RUNS / "_".join(words).replace("--", "")
    if not (folder / "run.json").exists():
        command = [sys.executable, ROOT / "main.py", "--weights", "compact", "--overwrite"]
        command += ["--content", INPUT / f"{content}.jpg", "--style", INPUT / f"{style}.jpg"]
        subprocess.run([*command, *arguments, "--output", folder], check=True)
    return folder


def draw(cell):
    """Return the labeled picture of a cell of `FIGURES`."""
    if isinstance(cell, str):
        return label(next(INPUT.glob(f"{cell}.*")), cell.replace("_", " "))
    text, pair, arguments = cell
    if arguments is None:  # one pass
        path, seconds = apply(pair, "--style", INPUT / f"{pair[1]}.jpg")
    else:
        folder = stylize(pair, arguments)
        path = folder / "result.png"
        seconds = json.loads((folder / "run.json").read_text())["total_seconds"]
    return label(path, f"{text}, {seconds:.0f} s" if text in ("instant", "painted") else text)


def apply(pair, *arguments):
    """Paint a pair of samples in one pass; return the path, and the seconds of the pass."""
    command = [sys.executable, ROOT / "main.py", "apply", "--overwrite", "--json", *arguments]
    command += ["--content", INPUT / f"{pair[0]}.jpg"]
    kind = "trained" if MODEL in arguments else "instant"
    command += ["--output", RUNS / f"{'_'.join((*pair, kind))}.png"]
    told = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    return Path(told["result"]), told["seconds"]


def label(path, text, height=HEIGHT):
    """Return the picture in a file, of a figure's height, with a line of text above."""
    picture = frames.read(path)
    width = round(picture.width * height / picture.height)
    whole = Image.new("RGB", (width, height + LABEL), sheet.PAPER)
    whole.paste(picture.resize((width, height), Image.Resampling.LANCZOS), (0, LABEL))
    ImageDraw.Draw(whole).text((2, 2), text, sheet.INK, sheet.load_font(sheet.LABEL_SIZE))
    return whole


def assemble(rows):
    """Put rows of pictures of one height under each other."""
    width = max(sum(each.width + GAP for each in row) for row in rows) - GAP
    height = sum(row[0].height + GAP for row in rows) - GAP
    whole = Image.new("RGB", (width, height), sheet.PAPER)
    top = 0
    for row in rows:
        left = 0
        for picture in row:
            whole.paste(picture, (left, top))
            left += picture.width + GAP
        top += row[0].height + GAP
    return whole


#: Exploring commands, with their arguments; pictures are in `data/input`.
EXPLORED = {
    "features": ("--content", "cat.jpg", "--top", "5"),
    "reconstruct": ("--content", "cat.jpg", "--style", "waves.jpg"),
    "dream": ("--content", "cat.jpg"),
    "channels": (),
    "model": ("--content", "temple.jpg"),
}
OTHERS = {"sweep": draw_sweep, "epochs": draw_epochs, "large": draw_large}
OTHERS |= {name: functools.partial(explore, name, each) for name, each in EXPLORED.items()}


@click.command(help=__doc__.split("\n\n")[0])
@click.argument("names", nargs=-1, type=click.Choice([*FIGURES, *OTHERS, "trained"]))
@click.option("--photos", metavar="DIR", help="Photos that the network of `trained` learns from.")
def main(names, photos):
    """Make the figures that are named, or all of them."""
    others = OTHERS | {"trained": functools.partial(draw_trained, photos)}
    for name in names or (*FIGURES, *others):
        if name in others:
            figure = others[name]()
        else:
            figure = assemble([[draw(cell) for cell in row] for row in FIGURES[name]])
        path = ROOT / "docs" / f"{name}.jpg"
        figure.save(path, quality=72 if name in EXPLORED else 88)
        print(path.relative_to(ROOT))


if __name__ == "__main__":
    main()
