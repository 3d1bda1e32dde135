"""What the layers keep: pictures made again from noise, from the features of single layers.

Figure 1 of Gatys, Ecker & Bethge (arXiv:1508.06576): the content from one layer each, the style
from growing sets of layers. Each picture is a run as any other, but without the other term.
"""

import dataclasses
import json
from itertools import zip_longest
from pathlib import Path

import numpy as np

from style_transfer import files
from style_transfer.batches import local, plan
from style_transfer.errors import SettingsError
from style_transfer.exploration.choices import choose_layers
from style_transfer.exploration.study import Explorer
from style_transfer.optimization import job as jobs
from style_transfer.optimization.device import choose_precision
from style_transfer.optimization.events import Drawn, JobStarted, Saved
from style_transfer.pictures import images
from style_transfer.reports import frames
from style_transfer.reports.page import Grid
from style_transfer.runs import record as records
from style_transfer.runs.inputs import Inputs

ROWS = {"content": "{}\ncontent: one layer", "style": "{}\nstyle: layers so far"}
NOTE = (
    "Each picture was noise, and was changed until the network sees in it what it sees in the "
    "original: the features of one layer, or the Gram matrices of all layers up to this one. "
    "Under it the relative error that is left: 0 is the same, 1 as far off as nothing at all."
)
FIXED = {"init": "noise", "warmup": 0, "preserve_color": "none", "keep_alpha": False}


class Reconstruction(Explorer):
    """A table: of the photo a row, of the painting a row, and a column for each layer.

    Raises:
        SettingsError: the network has no such layer.
    """

    def __init__(self, study, prepared):
        self.study, self.network, self.settings = study, prepared.network, prepared.settings
        self.pictures = prepared.pictures
        self.roles = [role for role in ROWS if role in self.pictures]
        self.size = prepared.fit(self.pictures[self.roles[0]])
        self.title = f"What the layers of {self.network.name} keep"
        self.layers = {role: self.choose_layers(role) for role in self.roles}
        self.entries = self.list_entries(study.folder or Path())
        self.engines = jobs.Engines()
        self.precision = choose_precision(self.settings)

    def choose_layers(self, role):
        """Return the layers of a row, from the image upwards."""
        settings = self.settings
        wanted = settings.content_layers if role == "content" else settings.style_layer_weights
        if not wanted:
            raise SettingsError(f"--{role}-layer: name a layer, or leave out --{role}")
        return choose_layers(tuple(wanted), self.network, flag=f"--{role}-layer")

    def list_entries(self, folder):
        """List the runs, each with its place in the table."""
        entries = []
        for row, role in enumerate(self.roles):
            path = str(self.study.inputs[role])
            for column, layer in enumerate(self.layers[role], start=1):
                place = folder / f"{role}_{layer}"
                job = jobs.Job(Inputs(path, (path,)), self.settings_of(role, layer), place)
                entries.append(plan.Entry(f"{role}, {layer}", job, row, column))
        return entries

    def settings_of(self, role, layer):
        """Return the settings of a run: one term alone, and no network above its deepest layer."""
        given = dict(zip(self.settings.style_layer_weights, self.settings.style_layers))
        layers = self.layers[role]
        if role == "content":
            own = {"content_layers": (layer,), "style_layers": (), "content_weight": 1.0}
        else:
            so_far = layers[: layers.index(layer) + 1]
            own = {"content_layers": (), "style_layers": tuple(given[name] for name in so_far)}
            own["style_weight"] = 1.0
        return dataclasses.replace(self.settings, **FIXED, **own)

    def outline(self):
        """Return lines that say what will be done."""
        width, height = self.size
        steps = self.settings.epochs * self.settings.steps
        count = len(self.entries)
        runs = f"{count} run{'s' * (count > 1)} of {steps} steps"
        return (f"{self.network.name}, {width}×{height} px: {runs}",)

    def estimate(self):
        """Plan all runs: a generator of their events."""
        for number, entry in enumerate(self.entries, start=1):
            yield JobStarted(number, len(self.entries), entry.label)
            yield from jobs.perform(dataclasses.replace(entry.job, folder=None), self.engines)

    def explore(self, album, should_stop):
        """Do what is missing of the runs; see `Explorer`."""
        for role in self.roles:
            path = album.picture(role)
            if not path.exists():
                size = self.size if role == self.roles[0] else self.pictures[role].pixels.size
                album.add(role, images.to_tensor(self.pictures[role], size))
        batch = local.Batch(overwrite=self.study.record is None)
        for event in batch.perform(self.entries, should_stop=should_stop):
            if isinstance(event, Saved):  # it is no result by itself
                event = Drawn(self.count_done(), len(self.entries), Path(event.folder).name)
            yield event
        return self.count_done(), self.count_done() == len(self.entries)

    def count_done(self):
        """Return how many runs have nothing left to do."""
        return sum(records.is_finished(entry.job.folder) for entry in self.entries)

    def list_grids(self, album):
        """Return the table: the originals at the left, errors under the others."""
        cells = {(row, 0): [album.picture(role)] for row, role in enumerate(self.roles)}
        captions = {}
        for entry in self.entries:
            place, folder = (entry.row, entry.column), entry.job.folder
            if records.is_finished(folder):
                cells[place] = frames.find(folder)
                error = read_error(folder, self.roles[entry.row])
                digits = {"precision": 2, "fractional": False, "trim": "-"}
                captions[place] = np.format_float_positional(error, **digits)
        rows = [ROWS[role].format(Path(self.pictures[role].path).stem) for role in self.roles]
        columns = ["original"]
        for names in zip_longest(*self.layers.values()):
            columns.append(" / ".join(dict.fromkeys(filter(None, names))))
        more = {"absent": "not yet", "note": NOTE}
        return {"sheet.png": Grid(self.title, rows, columns, cells, captions, **more)}


def read_error(folder, term):
    """Return the final loss of a run in one term."""
    record = json.loads(files.read(folder / records.NAME, remedy="start anew with --overwrite"))
    return record["final_losses"][term]
