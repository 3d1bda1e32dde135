"""The folder of a film: its frames, a table of them, and what the next ones hold on to.

A frame is done once its line stands in `frames.csv`, which comes after the files of it. So a run
that was killed goes on behind the last whole line.
"""

import csv
import io
import json
import os
from collections import OrderedDict

import numpy as np

from style_transfer import files
from style_transfer.pictures import images
from style_transfer.runs import checkpoint, folder
from style_transfer.runs import record as records

TABLE = "frames.csv"
FILMS = ("result.mp4", "result.mkv", "beside.mp4", "beside.mkv")
FILES = (*FILMS, TABLE, "report.html", records.NAME)
FOLDERS = ("frames", "state")
RECALLED = 12  # results that are kept in memory, too
HELD = "continue it with --resume, replace it with --overwrite, or choose another --output"
ANEW = "start anew with --overwrite"


def check_folder(place, *, overwrite):
    """Raise FileError if a film may not be written to a folder; nothing is created or changed."""
    if place.exists() and not place.is_dir():
        raise files.FileError(place, "is a file", "name a folder with --output")
    folder.check_writable(place)
    files.check_unlocked(place / folder.LOCK)
    if (place / "result.png").exists():
        raise files.FileError(place, "holds a run of a picture", "choose another --output")
    if (place / records.NAME).exists() and not overwrite:
        raise files.FileError(place, "holds a run", HELD)


class FilmRun:
    """The folder of a film, being written by this process alone; a context.

    Args:
        place: its `Path`; it exists.
        record: from `record.make_record`.
        columns: of the table, `number` and `frame` first.

    Raises:
        files.FileError: another process writes there, or the table is not of this film.
    """

    def __init__(self, place, record, columns):
        self.folder, self.record, self.columns = place, record, columns
        self.lock = files.Lock(place / folder.LOCK)
        self.writer = folder.Writer()
        self.recent = OrderedDict()
        for name in ("", *FOLDERS):
            (place / name).mkdir(exist_ok=True)
            files.remove_temporary(place / name)
        self.rows = self.read_rows()

    @classmethod
    def create(cls, place, record, columns):
        """Begin a run: make the folder, remove what an earlier run wrote, write the record."""
        place.mkdir(parents=True, exist_ok=True)
        with files.Lock(place / folder.LOCK):
            for pattern in (*FILES, "frames/[0-9]*.png", "state/[0-9]*.npz"):
                for stale in place.glob(pattern):
                    stale.unlink()
        run = cls(place, record, columns)
        run.save_record(finished=False)
        return run

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        try:
            if kind is None:
                self.writer.finish()
        finally:
            self.writer.close()
            self.lock.release()

    def path(self, *names):
        """Return the path of a file in the folder."""
        return self.folder.joinpath(*names)

    def picture(self, frame):
        """Return the path of a frame, from 0."""
        return self.path("frames", f"{frame + 1:06}.png")

    def state(self, name):
        """Return the path of what is kept of a visit."""
        return self.path("state", f"{name}.npz")

    def read_rows(self):
        """Read the table, up to its last whole line, behind which it goes on."""
        path = self.path(TABLE)
        text = path.read_text() if path.exists() else ""
        whole = text[: text.rfind("\n") + 1]
        header, *rows = csv.reader(io.StringIO(whole)) if whole else [list(self.columns)]
        if header != list(self.columns) or any(len(row) != len(header) for row in rows):
            raise files.FileError(path, "is no table of this film's frames", ANEW)
        if whole != text or not text:
            files.write_text(path, whole or ",".join(self.columns) + "\n")
        return [dict(zip(header, row)) for row in rows]

    def add(self, frame, stale):
        """Take in a `video.transfer.Frame`: written behind the scenes, its line last.

        Args:
            stale: names of visits whose results nobody needs any more.

        Raises:
            OSError: an earlier file could not be written.
        """
        self.remember(frame.visit.name, frame.image, to_bytes(frame.seen), frame.measures["shot"])
        row = self.make_row(frame)
        self.rows.append(row)
        self.writer.submit(self.write, frame, row, stale)

    def make_row(self, frame):
        """Return the line of a frame, as texts."""
        values = {"number": frame.number, "frame": frame.visit.frame + 1} | frame.measures
        values |= zip(self.columns[-len(frame.losses) :], frame.losses) if len(frame.losses) else ()
        row = dict.fromkeys(self.columns, "")
        for name, value in values.items():
            row[name] = str(value) if isinstance(value, int) else f"{value:.6g}"
        return row

    def write(self, frame, row, stale):
        """Write what is left of a frame, then its line; remove what nobody needs any more."""
        header = {"shot": frame.measures["shot"], "run": records.fingerprint(self.record)}
        arrays = {"image": frame.image, "seen": to_bytes(frame.seen)}
        checkpoint.write(self.state(frame.visit.name), arrays, header)
        images.save_png(self.picture(frame.visit.frame), frame.shown)
        with open(self.path(TABLE), "a") as table:
            table.write(",".join(row.values()) + "\n")
            table.flush()
            os.fsync(table.fileno())
        for name in stale:
            self.state(name).unlink(missing_ok=True)

    def remember(self, name, *result):
        """Keep a result in memory, and let go of the oldest."""
        self.recent[name] = result
        if len(self.recent) > RECALLED:
            self.recent.popitem(last=False)

    def recall(self, name):
        """Return (image, seen, shot) of a visit that is done, see `video.transfer.Frame`.

        Raises:
            files.FileError: what was kept of it is damaged, gone, or of another run.
        """
        if name not in self.recent:
            self.writer.finish()
            path = self.state(name)
            try:
                arrays, header = checkpoint.read(path)
            except (checkpoint.CheckpointError, OSError) as error:
                raise files.FileError(path, error, ANEW) from None
            if header.pop("run", None) != records.fingerprint(self.record):
                raise files.FileError(path, "belongs to another run", ANEW)
            self.remember(name, arrays["image"], arrays["seen"], header["shot"])
        image, seen, shot = self.recent[name]
        return image, seen.astype(np.float32) / 255, shot

    def save_record(self, **measured):
        """Write `run.json`."""
        text = json.dumps(self.record | measured, indent=2)
        files.write_text(self.path(records.NAME), text + "\n")

    def clear(self):
        """Remove what only further frames would have needed."""
        for path in self.path("state").glob("[0-9]*.npz"):
            path.unlink()


def to_bytes(image):
    """Turn an image in [0, 1] into 8 bits."""
    return np.rint(255 * image).astype(np.uint8)
