"""Web pages of a run and of a sweep: one file each, everything in it, nothing from outside."""

import base64
import csv
import html
import io
import json
import re
import shlex
from bisect import bisect_right
from pathlib import Path
from string import Template

from PIL import Image

from style_transfer import files
from style_transfer.reports import curves
from style_transfer.reports.curves import LOSSES
from style_transfer.reports.report import evenly
from style_transfer.runs.folder import COLUMNS
from style_transfer.settings import FIELDS

TEMPLATES = Path(__file__).resolve().parent / "templates"
REMEDY = "give the folder of a run that has ended"
QUALITY = 85  # of the JPEGs

ROLES = ("content", "style", "result")
INPUT_BOX = (480, 480)  # width and height in pixels, at most
RESULT_BOX = (960, 960)
FRAME_BOX = (512, 768)
FRAMES = 60

SHEET_BOX = (480, 480)
SHEET_FRAMES = 240  # of all cells together, but two of each cell at least


def write_report(folder, *, pictures=None):
    """Write `report.html` into a run's folder, from what lies there.

    A frame of 512×342 px takes about 60 kB: a run of 10 epochs makes a page of 1 MB, and any
    longer one of 4 MB, since at most 60 frames are shown. Pictures of pure noise reach 25 MB.

    Args:
        folder: of a run that has ended.
        pictures: Pillow images by role, `content` and `style`; shown where given, since the
            files themselves may be gone.

    Returns:
        The path of the page.

    Raises:
        files.FileError: the folder lacks its record, losses, frames or result.
    """
    folder = Path(folder)
    record = read_record(folder / "run.json")
    rows = read_losses(folder / "losses.csv")
    frames = find_frames(folder / "frames")
    with Image.open(io.BytesIO(files.read(folder / "result.png", remedy=REMEDY))) as result:
        shown = {**(pictures or {}), "result": result}
        trio = [draw_figure(role, shown[role], record) for role in ROLES if role in shown]
    page = fill(
        "report",
        title=describe_title(record),
        summary=describe_run(record),
        trio="".join(trio),
        frames=draw_frames(frames, rows),
        last=str(len(frames) - 1),
        chart=Template(read_template("chart.html")).substitute(curves.draw(rows)),
        readout=draw_readout(rows[-1]),
        command=" ".join(f"<span>{escape(word)}</span>" for word in command_words(record)),
        facts=draw_facts(record),
        changed=describe_changes(record["settings"]),
        settings=draw_settings(record["settings"]),
    )
    files.write_text(folder / "report.html", page)
    return folder / "report.html"


def write_sheet_page(path, *, title, rows, columns, cells):
    """Write the page of a sweep: a labelled grid of runs, all moved by one slider.

    A frame takes about 50 kB, and there are at most 240, or two of each cell if that is more:
    12 MB.

    Args:
        path: of the page.
        title: its heading.
        rows, columns: labels, a text each.
        cells: paths of a run's frames, in order, by (row index, column index), both from 0. An
            empty list is a run that failed; what is not there was not run.
    """
    runs_shown = [frames for frames in cells.values() if frames]
    most = max(2, SHEET_FRAMES // max(1, len(runs_shown)))
    lines = [
        f'<tr><th scope="row">{escape(label)}</th>'
        + "".join(
            draw_cell(cells.get((row, column)), f"{label}, {name}", most)
            for column, name in enumerate(columns)
        )
        + "</tr>"
        for row, label in enumerate(rows)
    ]
    longest = max((min(len(frames), most) for frames in runs_shown), default=1)
    page = fill(
        "sheet",
        title=escape(title),
        summary=f"{len(runs_shown)} of {len(rows) * len(columns)} runs",
        count=str(len(columns)),
        columns="".join(f'<th scope="col">{escape(name)}</th>' for name in columns),
        rows="".join(lines),
        last=str(longest - 1),
    )
    files.write_text(path, page)


def fill(name, **parts):
    """Fill in a template with parts that are HTML already.

    The policy lets the browser load nothing, and run this one script alone: were an escape ever
    forgotten, what slips in would not run.
    """
    css = read_template("page.css")
    script = read_template("player.js") + read_template(f"{name}.js")
    fingerprint = base64.b64encode(bytes.fromhex(files.sha256(script.encode()))).decode()
    policy = (
        f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; "
        f"script-src 'sha256-{fingerprint}'; base-uri 'none'; form-action 'none'"
    )
    template = Template(read_template(f"{name}.html"))
    return template.substitute(parts, policy=policy, css=css, script=script)


def read_template(name):
    """Read a file of the folder `templates`."""
    return (TEMPLATES / name).read_text(encoding="utf-8")


def escape(value):
    """Write any value as text of HTML, between tags or in quotes."""
    return html.escape(files.printable(value))


def read_record(path):
    """Read `run.json`."""
    data = files.read(path, remedy=REMEDY)
    try:
        record = json.loads(data)
    except ValueError:
        raise files.FileError(path, "is no JSON", REMEDY) from None
    parts = {"settings", "inputs", "weights", "size", "versions"}
    if not isinstance(record, dict) or not parts <= set(record):
        raise files.FileError(path, "is no record of a run", REMEDY)
    return record


def read_losses(path):
    """Read `losses.csv` into rows (epoch, step, content, style, total variation, total)."""
    data = files.read(path, remedy=REMEDY)
    try:
        lines = csv.DictReader(io.StringIO(data.decode()))
        rows = [
            (int(line["epoch"]), int(line["step"]), *(float(line[name]) for name in COLUMNS[2:]))
            for line in lines
        ]
    except (KeyError, TypeError, ValueError):
        raise files.FileError(path, "is no table of losses", REMEDY) from None
    if not rows:
        raise files.FileError(path, "holds no losses", REMEDY)
    return rows


def find_frames(folder):
    """Choose the snapshots to show, evenly: (epoch, path) each, the first and the last with them.

    Sorted by number: from epoch 10000 on, the names no longer sort as texts.
    """
    names = {path: re.fullmatch(r"epoch_(\d+)\.png", path.name) for path in folder.glob("*")}
    frames = sorted((int(name[1]), path) for path, name in names.items() if name)
    if not frames:
        raise files.FileError(folder, "holds no frames", REMEDY)
    return evenly(frames, FRAMES)


def shrink(picture, box):
    """Return a copy in RGB that fits the box (width, height); nothing is enlarged."""
    small = picture.convert("RGB")
    small.thumbnail(box, Image.Resampling.LANCZOS)
    return small


def embed(picture, text, attributes=""):
    """Write an `img` with the picture inside.

    Args:
        picture: a Pillow image, RGB.
        text: what stands for it where it cannot be seen.
        attributes: more of them, as HTML.
    """
    jpeg = io.BytesIO()
    picture.save(jpeg, "JPEG", quality=QUALITY, optimize=True)
    data = base64.b64encode(jpeg.getvalue()).decode()
    return (
        f'<img src="data:image/jpeg;base64,{data}" alt="{escape(text)}" '
        f'width="{picture.width}" height="{picture.height}" decoding="sync"{attributes}>'
    )


def embed_film(frames, box, texts, attributes=None):
    """Embed the frames of a film; the last one is seen until the script shows another."""
    images = []
    for index, path in enumerate(frames):
        with Image.open(path) as picture:
            small = shrink(picture, box)
        more = attributes[index] if attributes else ""
        hidden = "" if index == len(frames) - 1 else " hidden"
        images.append(embed(small, texts[index], more + hidden))
    return "".join(images)


def draw_figure(role, picture, record):
    """Draw content, style or result; its share of the row makes all three equally high."""
    small = shrink(picture, RESULT_BOX if role == "result" else INPUT_BOX)
    name = Path(record["inputs"].get(role, {"path": "result.png"})["path"]).name
    return (
        f'<figure style="flex: {small.width / small.height:.4f} 1 0">'
        f"{embed(small, f'{role}: {name}')}"
        f"<figcaption><b>{role.capitalize()}</b> {escape(name)}</figcaption></figure>"
    )


def draw_frames(frames, rows):
    """Embed the snapshots, each with its losses and its place on the curves, in percent."""
    epochs, last = [row[0] for row in rows], max(1, rows[-1][1])
    texts, attributes = [], []
    for epoch, _ in frames:
        row = rows[max(0, bisect_right(epochs, epoch) - 1)]
        values = {"epoch": epoch, "place": f"{100 * row[1] / last:.2f}"}
        values |= {name: f"{value:.3g}" for name, value in zip(LOSSES, row[2:])}
        attributes.append("".join(f' data-{name}="{value}"' for name, value in values.items()))
        texts.append(f"the picture after epoch {epoch}" if epoch else "the start")
    return embed_film([path for _, path in frames], FRAME_BOX, texts, attributes)


def draw_readout(row):
    """List the losses of the frame that is shown, the last one to begin with; the key too."""
    return "".join(
        f'<div><dt class="{name}">{label}</dt><dd data-loss="{name}">{value:.3g}</dd></div>'
        for (name, label), value in zip(LOSSES.items(), row[2:])
    )


def draw_cell(frames, label, most):
    """Draw a cell of a contact sheet, or say why there is nothing to draw."""
    if not frames:
        return f'<td><div class="absent">{"not run" if frames is None else "failed"}</div></td>'
    chosen = evenly(frames, most)
    film = embed_film(chosen, SHEET_BOX, [label] * len(chosen))
    button = f'<button type="button" class="cell" aria-label="{escape(label)}">{film}</button>'
    return f"<td>{button}</td>"


def describe_title(record):
    """Name the pictures of a run."""
    content, style = (Path(record["inputs"][role]["path"]).stem for role in ROLES[:2])
    return escape(f"{content} in the style of {style}")


def describe_run(record):
    """Say in one line how large, how long, and with what."""
    settings, (width, height) = record["settings"], record["size"]
    parts = [
        f"{width} × {height} px",
        f"{settings['epochs']} epochs of {settings['steps']} steps",
        record["weights"]["name"],
    ]
    if record.get("total_seconds") is not None:
        parts.append(f"{record['total_seconds']:,.1f} s")
    return escape(" · ".join(parts))


def is_changed(name, value):
    """Tell whether a setting, as `run.json` has it, differs from its default."""
    return name not in FIELDS or plain(FIELDS[name].default) != value


def plain(value):
    """Return a setting's value as JSON has it."""
    return list(value) if isinstance(value, tuple) else value


def command_words(record):
    """List the words, quoted, of the command that makes the picture again.

    Options at their default are left out.
    """
    words = ["python", "main.py"]
    for role, each in record["inputs"].items():
        if role != "init":  # is among the settings
            flag = role.rstrip("0123456789 ").replace(" ", "-")
            words += [f"--{flag}", files.printable(each["path"])]
    for name, value in record["settings"].items():
        if is_changed(name, value):
            words += option_words(name, value)
    return [shlex.quote(word) for word in words]


def option_words(name, value):
    """Write a setting as words of the command line; a list gives the option once for each."""
    flag = "--" + name.replace("_", "-")
    if value is True:
        return [flag]
    if isinstance(value, list):
        return [word for each in value for word in (flag.removesuffix("s"), str(each))]
    return [flag, str(value)]


def draw_settings(settings):
    """Draw the table of the settings, those that differ from their defaults first."""
    ordered = sorted(settings.items(), key=lambda item: not is_changed(*item))
    return "".join(draw_setting(name, value) for name, value in ordered)


def draw_setting(name, value):
    """Draw a row of the table; a setting that this version does not know has no default."""
    field = FIELDS.get(name)
    default = show(plain(field.default)) if field else ""
    meaning = escape(field.metadata["meaning"]) if field else ""
    row, mark = "<tr>", ""
    if is_changed(name, value):
        row, mark = '<tr class="changed">', ' <span class="mark">changed</span>'
    label = escape(name.replace("_", " "))
    cells = "".join(f"<td>{cell}</td>" for cell in (show(value) + mark, default, meaning))
    return f'{row}<th scope="row">{label}</th>{cells}</tr>'


def show(value):
    """Write a setting's value for reading."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return escape(", ".join(map(str, value)) if isinstance(value, list) else value)


def describe_changes(settings):
    """Say how many settings are not at their default."""
    count = sum(is_changed(*item) for item in settings.items())
    return f"{count} of {len(settings)} differ from their defaults; they come first."


def draw_facts(record):
    """Draw the table of what a run was made from and with, with fingerprints (SHA-256)."""
    made_from = [(role, each["path"], each["sha256"]) for role, each in record["inputs"].items()]
    made_from.append(("weights", record["weights"]["name"], record["weights"]["sha256"]))
    facts = [
        (name, f'{escape(text)}<span class="code">{escape(fingerprint)}</span>')
        for name, text, fingerprint in made_from
    ]
    computed = [record[name] for name in ("device", "precision") if name in record]
    if record.get("seconds_per_step"):
        computed.append(f"{record['steps_done']} steps of {record['seconds_per_step']:.2g} s")
    facts.append(("computed", escape(", ".join(computed))))
    versions = (f"{name} {version}" for name, version in record["versions"].items())
    facts.append(("versions", escape(", ".join(versions))))
    return "".join(
        f'<tr><th scope="row">{escape(name)}</th><td>{value}</td></tr>' for name, value in facts
    )
