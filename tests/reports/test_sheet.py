"""The contact sheet, read back pixel by pixel."""

import numpy as np
import pytest
from PIL import Image

from style_transfer import files
from style_transfer.reports import sheet

COLORS = [(200, 0, 0), (0, 160, 0), (0, 0, 220)]


def paint_cells(folder, size=(60, 40)):
    """A cell of each color, in a row; the fourth is missing."""
    paths = {(0, column): folder / f"{column}.png" for column in range(3)}
    for path, color in zip(paths.values(), COLORS):
        Image.new("RGB", size, color).save(path)
    return paths


def draw(folder, cells, title="A sweep", rows=("row",), columns=("a", "b", "c", "d")):
    sheet.draw(folder / "sheet.png", title=title, rows=rows, columns=columns, cells=cells)
    with Image.open(folder / "sheet.png") as picture:
        return np.asarray(picture.convert("RGB"))


def find_box(pixels, color):
    """Return (left, top, width, height) of the only rectangle of a color."""
    rows, columns = np.nonzero((pixels == color).all(-1))
    box = (columns.min(), rows.min(), np.ptp(columns) + 1, np.ptp(rows) + 1)
    assert len(rows) == box[2] * box[3]
    return tuple(map(int, box))


def test_pictures_lie_in_their_columns(tmp_path):
    pixels = draw(tmp_path, paint_cells(tmp_path))
    boxes = [find_box(pixels, color) for color in COLORS]
    assert {box[1:] for box in boxes} == {(boxes[0][1], 60, 40)}
    assert [box[0] - boxes[0][0] for box in boxes] == [0, 70, 140]
    assert pixels.shape[1] == boxes[2][0] + 2 * 70


def test_labels_stand_beside_and_above_and_what_is_missing_is_told(tmp_path):
    pixels = draw(tmp_path, paint_cells(tmp_path))
    left, top, width, height = find_box(pixels, COLORS[0])
    is_dark = (pixels < 90).all(-1)
    assert is_dark[top : top + height, :left].any()
    assert is_dark[top - 20 : top, left : left + width].any()
    missing = pixels[top : top + height, left + 3 * 70 :]
    assert (missing == (242, 239, 233)).all(-1).any() and (missing < 160).any()


def test_a_picture_of_another_shape_keeps_it(tmp_path):
    cells = paint_cells(tmp_path)
    Image.new("RGB", (40, 80), COLORS[1]).save(cells[0, 1])
    assert find_box(draw(tmp_path, cells), COLORS[1])[2:] == (20, 40)


def test_large_pictures_and_many_cells_make_no_huge_sheet(tmp_path):
    cells = paint_cells(tmp_path, (3000, 2000))
    assert find_box(draw(tmp_path, cells), COLORS[0])[2:] == (384, 256)
    many = {(row, column): cells[0, 0] for row in range(20) for column in range(20)}
    Image.new("RGB", (300, 200)).save(cells[0, 0])
    pixels = draw(tmp_path, many, rows=["r"] * 20, columns=["style weight 1000"] * 20)
    assert 3e6 < pixels.shape[0] * pixels.shape[1] < 7e6


def test_a_long_title_and_long_labels_have_room(tmp_path):
    cells = paint_cells(tmp_path)
    pixels = draw(tmp_path, cells, "W" * 100, ["W" * 500], ["α × β²: $x^$\n\udce9", "", "c", "d"])
    assert pixels.shape[1] > 1000
    assert find_box(pixels, COLORS[0])[0] < 400
    assert (pixels[:, -5:] == 255).all()


def test_the_lines_of_a_label_stay_and_long_ones_break():
    assert sheet.wrap("one\ntwo words", 500) == "one\ntwo words"
    assert sheet.wrap("one two\nthree\nfour", 45) == "one\ntwo\n…"
    assert sheet.wrap("", 500) == sheet.wrap("\n", 500) == ""


def test_a_note_stands_above_everything(tmp_path):
    cells, words = paint_cells(tmp_path), "what the colors are " * 6
    plain = draw(tmp_path, cells)
    sheet.draw(
        tmp_path / "noted.png", title="t", rows=["r"], columns="abcd", cells=cells, note=words
    )
    with Image.open(tmp_path / "noted.png") as picture:
        noted = np.asarray(picture.convert("RGB"))
    (_, before, *_), (_, top, *_) = (find_box(each, COLORS[0]) for each in (plain, noted))
    lines = sheet.wrap(words, noted.shape[1] - 2 * sheet.GAP, most=9).count("\n") + 1
    assert lines > 1 and top - before > lines * sheet.LABEL_SIZE
    assert (noted[40 : top - 25] < 160).any()


def test_a_sheet_without_any_run(tmp_path):
    assert draw(tmp_path, {}, rows=["a"], columns=["b"]).shape[0] > 384


def test_a_damaged_picture_is_named(tmp_path):
    cells = paint_cells(tmp_path)
    cells[0, 1].write_bytes(b"no picture")
    with pytest.raises(files.FileError, match=r"1.png: is damaged"):
        draw(tmp_path, cells)


def test_captions_stand_under_their_pictures(tmp_path):
    cells = paint_cells(tmp_path)
    labels = {"title": "t", "rows": ["a"], "columns": ["b", "c", "d"], "cells": cells}
    heights = []
    for name, captions in (("plain", None), ("told", {(0, 1): "#38"})):
        sheet.draw(tmp_path / f"{name}.png", **labels, captions=captions)
        pixels = np.asarray(Image.open(tmp_path / f"{name}.png").convert("RGB"))
        heights.append(pixels.shape[0])
    left, top, width, height = find_box(pixels, COLORS[1])
    under = pixels[top + height : top + height + 20]
    assert heights[1] > heights[0]
    assert (under[:, left : left + width] < 200).any()
    assert not (under[:, left + width + 10 :] < 200).any()
