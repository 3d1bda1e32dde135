"""The folder of an exploring command: pictures, their sheets and page, and a record."""

import json

from style_transfer import files
from style_transfer.pictures import images
from style_transfer.reports import sheet
from style_transfer.runs import folder as folders
from style_transfer.runs import record as records

PICTURES = "pictures"
PAGE = "sheet.html"
SHEETS = ("sheet.png", "gram.png", "patches.png")
GRAPH = ("model.svg", "model.png", "model.csv")
FILES = (*SHEETS, *GRAPH, PAGE, "result.png", "zoom.mp4", "zoom.gif", "features.csv", records.NAME)


def check(folder, inputs, *, overwrite):
    """Raise FileError if an album may not be written to `folder`, see `runs.folder`."""
    folders.check_folder(
        folder, inputs, overwrite=overwrite, own=FILES, subfolders=(PICTURES,), what="pictures"
    )


class Album:
    """A folder that this process alone writes to; a context.

    Args:
        folder: a `Path`; it exists.
        record: from `runs.record.make_record`.

    Raises:
        files.FileError: another process writes there.
    """

    def __init__(self, folder, record):
        self.folder, self.record = folder, record
        self.lock = files.Lock(folder / folders.LOCK)
        for place in (folder, folder / PICTURES):
            files.remove_temporary(place)

    @classmethod
    def create(cls, folder, record):
        """Begin one: make the folder, remove what an earlier one wrote, write the record."""
        folder.mkdir(parents=True, exist_ok=True)
        album = cls(folder, record)
        try:
            for stale in (*map(album.path, FILES), *(folder / PICTURES).glob("*.png")):
                stale.unlink(missing_ok=True)
            album.save_record(finished=False)
        except BaseException:
            album.lock.release()
            raise
        return album

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.lock.release()

    def path(self, name):
        """Return the path of a file in the folder."""
        return self.folder / name

    def picture(self, name):
        """Return the path of a picture."""
        return self.folder / PICTURES / f"{name}.png"

    def add(self, name, image):
        """Write a picture, (1, height, width, 3) in [0, 1]; return its path."""
        return self.add_picture(name, images.to_pixels(image))

    def add_picture(self, name, picture):
        """Write a Pillow image; return its path."""
        self.path(PICTURES).mkdir(exist_ok=True)
        files.write(self.picture(name), sheet.encode(picture))
        return self.picture(name)

    def save_record(self, **measured):
        """Write `run.json`."""
        text = json.dumps(self.record | measured, indent=2)
        files.write_text(self.path(records.NAME), text + "\n")
