"""What the network sees in a picture: the maps of the channels that answer most to it."""

import csv
import io
from pathlib import Path

import numpy as np
from PIL import Image

import functions
from style_transfer import files
from style_transfer.exploration import drawing
from style_transfer.exploration.answers import find_dead
from style_transfer.exploration.choices import check_channels, choose_layers, parse_channels
from style_transfer.exploration.grams import grid_of_grams
from style_transfer.exploration.patches import Patches
from style_transfer.exploration.study import Explorer
from style_transfer.optimization.device import find_device
from style_transfer.optimization.events import Drawn
from style_transfer.optimization.network import build_network
from style_transfer.pictures import images
from style_transfer.reports.page import Grid

TABLE = "features.csv"
IN_A_ROW = 8  # maps, on the sheet
COLUMNS = ("layer", "channel", "picture", "mean", "max", "share of positions that answer")
NAMES = {"content": "photo", "style": "painting", "beside": "result"}


class Features(Explorer):
    """The maps of the strongest channels of some layers.

    Args:
        study: a `Study`; of its inputs, `content` is looked at, `beside` compared with it, `style`
            counts for the Gram matrices, and of all others patches are taken.
        prepared: `Prepared`.

    Raises:
        SettingsError: the network has no such layer or channel.
    """

    def __init__(self, study, prepared):
        self.choices, self.network = study.choices, prepared.network
        self.layers = choose_layers(self.choices.layers, self.network)
        self.channels = parse_channels(self.choices.channels)
        for layer in self.layers:
            check_channels(self.channels, layer, self.network)
        sizes = {role: prepared.fit(picture) for role, picture in prepared.pictures.items()}
        self.size = sizes["content"]
        for size in sizes.values():
            prepared.check_memory(size, self.layers)
        self.settings = prepared.for_layers(self.layers)
        with find_device().scope():
            self.model = build_network(self.network, self.settings, self.precision)
        pictures = prepared.pictures
        self.stems = {role: Path(each.path).stem for role, each in pictures.items()}
        self.images = {role: images.to_tensor(each, sizes[role]) for role, each in pictures.items()}
        self.title = f"What {self.network.name} sees in {self.stems['content']}"
        self.features = {}  # by role and layer
        self.patches = Patches({layer: self.geometry(layer) for layer in self.layers})

    def outline(self):
        """Return lines that say what will be done."""
        count = len(self.channels) or self.choices.top
        width, height = self.size
        where = f"{self.network.name}, {width}×{height} px, {find_device().name}"
        return (where, f"{count} channels of {', '.join(self.layers)}")

    def explore(self, album, should_stop):
        """Compute all features, draw the maps that are missing; see `Explorer`."""
        for role in self.shown:
            self.features[role] = self.look(role)
        files.write_text(album.path(TABLE), self.to_csv())
        done = 0
        for number, layer in enumerate(self.layers, start=1):
            done += self.draw_layer(album, layer)
            yield Drawn(number, len(self.layers), layer)
            if should_stop():
                return done, False
        others = [role for role in self.images if role not in NAMES]
        wanted = {layer: self.choose(layer) for layer in self.layers}
        for number, role in enumerate(others, start=1):
            self.patches.add(self.images[role], self.look(role), wanted)
            yield Drawn(number, len(others), self.stems[role])
            if number < len(others) and should_stop():
                return done, False
        return done, True

    def look(self, role):
        """Return the features of a picture: from layer name to (1, height, width, N)."""
        with find_device().scope():
            image, border = self.images[role], self.settings.border
            found = functions.extract_features(self.model, image, border=border)
        return {name: np.asarray(each) for name, each in found.items()}

    @property
    def shown(self):
        """The roles of the pictures whose features are kept."""
        return [role for role in NAMES if role in self.images]

    @property
    def compared(self):
        """The roles whose maps are drawn."""
        return [role for role in ("content", "beside") if role in self.images]

    def choose(self, layer):
        """Return the channels of a layer to show: those named, or the strongest first."""
        if self.channels:
            return list(self.channels)
        means = self.features["content"][layer].mean(axis=(0, 1, 2))
        answering = np.flatnonzero(means > 0)
        strongest = answering[np.argsort(-means[answering], kind="stable")]
        return [int(channel) for channel in strongest[: self.choices.top]]

    def geometry(self, layer):
        """Return the `drawing.Geometry` of a layer."""
        architecture = self.network.architecture
        return drawing.Geometry(architecture.stride(layer), architecture.receptive_field(layer))

    def draw_layer(self, album, layer):
        """Draw the maps of a layer, and where the strongest answers; return how many.

        The picture with the mark comes last: where it is, the others are.
        """
        chosen = self.choose(layer)
        for role in self.compared:
            if album.picture(name_of(layer, role)).exists():
                continue
            maps = self.features[role][layer][0]
            photo = images.to_pixels(self.images[role])
            for channel in chosen:
                map_ = drawing.draw_map(maps[:, :, channel], self.brightest(layer, channel))
                enlarged = map_.resize(photo.size, Image.Resampling.NEAREST)
                album.add_picture(name_of(layer, role, channel), enlarged)
            if chosen:
                place = drawing.find_peak(maps[:, :, chosen[0]])
                drawing.mark_box(photo, self.geometry(layer).field(place))
            album.add_picture(name_of(layer, role), photo)
        return len(chosen) * len(self.compared)

    def brightest(self, layer, channel):
        """Return the value that is drawn white, of all pictures that are compared."""
        maps = [self.features[role][layer] for role in self.compared]
        if self.choices.brightness == "map":
            maps = [each[..., channel] for each in maps]
        return max(float(np.quantile(each, drawing.WHITE)) for each in maps)

    def list_grids(self, album):
        """Return the grids of maps, Gram matrices, patches."""
        grids = {"sheet.png": self.grid_of_maps(album)}
        if self.choices.gram:
            rows = {role: f"{NAMES[role]}: {self.stems[role]}" for role in self.shown}
            grids["gram.png"] = grid_of_grams(album, self.features, rows)
        if self.patches.found:
            grids["patches.png"] = self.patches.grid(album)
        return grids

    def grid_of_maps(self, album):
        """Return the grid of the maps: a row or more for each layer and picture."""
        rows, cells, captions = [], {}, {}
        for layer in self.layers:
            chosen = self.choose(layer)
            for role in self.compared:
                if not album.picture(name_of(layer, role)).exists():
                    continue  # it was stopped before
                row = len(rows)
                rows.append(self.label(layer, role))
                cells[row, 0] = [album.picture(name_of(layer, role))]
                rows += [""] * ((len(chosen) - 1) // IN_A_ROW)
                for place, channel in enumerate(chosen):
                    cell = row + place // IN_A_ROW, 1 + place % IN_A_ROW
                    cells[cell] = [album.picture(name_of(layer, role, channel))]
                    captions[cell] = self.caption(layer, role, channel)
        widest = max(len(self.choose(layer)) for layer in self.layers)
        columns = ["one position sees", *[""] * min(widest, IN_A_ROW)]
        return Grid(self.title, rows, columns, cells, captions, absent="", note=self.explain())

    def explain(self):
        """Write how the maps are to be read."""
        whose = "a channel's" if self.choices.brightness == "map" else "the layer's"
        both = len(self.compared) > 1
        text = f"Black: no answer; white: {whose} strongest{', in both pictures alike' * both}. "
        text += "The frame: all that one position sees, where the first channel answers most. "
        text += "Silent channels answer nowhere in this picture; dead ones, whose weights are all "
        text += "0, in none."
        return text + " r: correlation with the map of the photo." * both

    def label(self, layer, role):
        """Write what a row shows: the layer, how many channels are silent here, and everywhere."""
        maps = self.features[role][layer]
        count = maps.shape[-1]
        silent = int((maps.max(axis=(0, 1, 2)) <= 0).sum())
        dead = len(find_dead(self.network, layer, range(count)))
        name = f", {NAMES[role]}" if len(self.compared) > 1 else ""
        field = self.network.architecture.receptive_field(layer)
        return f"{layer}{name}\n{count} channels see {field} px\n{silent} silent, {dead} dead"

    def caption(self, layer, role, channel):
        """Write the number of a channel; of the second picture, how its map is correlated, too."""
        if role == "content":
            return f"#{channel}"
        sides = [self.features[each][layer][0, :, :, channel] for each in self.compared]
        height, width = (min(each.shape[axis] for each in sides) for axis in (0, 1))
        likeness = drawing.correlate(*(each[:height, :width] for each in sides))
        return f"#{channel}, r = {likeness:.2f}"

    def to_csv(self):
        """Write what every channel answers, as a table."""
        buffer = io.StringIO()
        table = csv.writer(buffer, lineterminator="\n")
        table.writerow(COLUMNS)
        for layer in self.layers:
            for role in self.features:
                for channel, values in enumerate(np.moveaxis(self.features[role][layer][0], -1, 0)):
                    numbers = values.mean(), values.max(), (values > 0).mean()
                    table.writerow([layer, channel, role, *(f"{each:.6g}" for each in numbers)])
        return buffer.getvalue()


def name_of(layer, role, channel=None):
    """Return the name of a map's file; without a channel, that of the picture with a mark."""
    return f"{layer}_{role}" if channel is None else f"{layer}_{channel:03}_{role}"
