"""The pages: well-formed, self-contained, and safe from hostile names."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
from conftest import ROOT, paint
from pages import HOSTILE, TERMS, Tree, decode, make_run, write, write_sheet
from PIL import Image

from style_transfer import files
from style_transfer.reports import page
from style_transfer.settings import FIELDS, Settings


@pytest.fixture(params=["report", "sheet"])
def tree(request, tmp_path):
    return write(tmp_path / "run") if request.param == "report" else write_sheet(tmp_path)


def test_nothing_comes_from_outside(tree):
    for _, attributes in tree.elements:
        for name in ("src", "href", "srcset", "action", "data", "poster"):
            assert attributes.get(name, "data:").startswith("data:")
    assert not {"link", "iframe", "base", "object", "form"} & {tag for tag, _ in tree.elements}


def test_the_policy_allows_data_pictures_and_one_script(tree):
    (policy,) = [each["content"] for each in tree.all("meta") if "http-equiv" in each]
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules.pop("script-src").startswith("'sha256-")
    assert rules == {
        "default-src": "'none'",
        "img-src": "data:",
        "style-src": "'unsafe-inline'",
        "base-uri": "'none'",
        "form-action": "'none'",
    }
    assert len(tree.all("script")) == 1


def test_it_can_be_used_without_eyes_and_without_a_mouse(tree):
    assert tree.all("html", lang="en")
    assert all(each["alt"] for each in tree.all("img") if "src" in each)
    (slider,) = tree.all("input", type="range")
    assert tree.all("label", **{"for": slider["id"]})


def test_content_style_and_result_stand_first(tmp_path):
    tree = write(tmp_path / "run", size=(1200, 800))
    sizes = [decode(each).size for each in tree.all("img")[:3]]
    assert sizes == [(64, 48), (72, 60), (960, 640)]
    alts = [each["alt"] for each in tree.all("img")[:3]]
    assert alts == ["content: photo.png", "style: painting.png", "result: result.png"]
    assert "photo in the style of painting" in tree.text
    assert "1200 × 800 px · 3 epochs of 2 steps · compact VGG19 · 61.5 s" in tree.text


def test_a_large_photo_is_made_small(tmp_path):
    make_run(tmp_path / "run")
    large = Image.new("RGBA", (400, 1000))
    tree = Tree(page.write_report(tmp_path / "run", pictures={"content": large}))
    assert decode(tree.all("img")[0]).size == (192, 480)
    assert [each["alt"].partition(":")[0] for each in tree.all("img")[:2]] == ["content", "result"]


@pytest.mark.parametrize(
    ("size", "shown"),
    [((1024, 512), (512, 256)), ((200, 150), (200, 150)), ((600, 1800), (256, 768))],
)
def test_frames_are_embedded_small_enough(tmp_path, size, shown):
    frames = [
        each for each in write(tmp_path / "run", size=size).all("img") if "data-epoch" in each
    ]
    assert [decode(each).size for each in frames] == [shown] * 4
    assert {(int(each["width"]), int(each["height"])) for each in frames} == {shown}
    assert [np.asarray(decode(each)).mean() for each in frames] == pytest.approx(
        [0, 10, 20, 30], abs=1
    )


def test_frames_know_their_epoch_and_their_losses(tmp_path):
    frames = [each for each in write(tmp_path / "run").all("img") if "data-epoch" in each]
    assert [each["data-epoch"] for each in frames] == ["0", "1", "2", "3"]
    losses = [each["data-losses"].split(" ") for each in frames]
    assert losses == [["1"] * 4, ["0.5"] * 4, ["0.333"] * 4, ["0.25"] * 4]
    assert [float(each["data-place"]) for each in frames] == pytest.approx(
        [0, 100 / 3, 200 / 3, 100], abs=0.01
    )
    assert ["hidden" in each for each in frames] == [True, True, True, False]


def test_at_most_sixty_frames_with_the_first_and_the_last(tmp_path):
    tree = write(tmp_path / "run", epochs=90, first=9950)
    epochs = [int(each["data-epoch"]) for each in tree.all("img") if "data-epoch" in each]
    assert len(epochs) == 60
    assert (epochs[0], epochs[-1]) == (9950, 10040)
    assert epochs == sorted(epochs)


def test_what_differs_from_the_defaults_is_marked(tmp_path):
    settings = Settings(style_weight=50.0, style_layers=("block1_conv1:2", "block2_conv1"))
    tree = write(tmp_path / "run", settings=settings)
    assert len(tree.all("tr", **{"class": "changed"})) == 2
    assert f"2 of {len(FIELDS)} differ" in tree.text
    assert "style weight50.0 changed30.0" in tree.text
    assert "style layersblock1_conv1:2, block2_conv1 changedblock1_conv1, block2" in tree.text
    assert "pooling" + "max" * 2 in tree.text


def test_nothing_is_marked_in_a_run_of_defaults(tmp_path):
    tree = write(tmp_path / "run", settings=Settings())
    assert not tree.all("tr", **{"class": "changed"})
    assert not tree.all("span", **{"class": "mark"})


def test_fingerprints_and_versions(tmp_path):
    tree = write(tmp_path / "run")
    for text in (
        files.sha256((tmp_path / "photo.png").read_bytes()),
        files.sha256((tmp_path / "painting.png").read_bytes()),
        "ab" * 32,
        "style-transfer 0.1.0, python 3.11.7",
        "CPU, 2 threads, 6 steps of 0.25 s",
    ):
        assert text in tree.text


def test_hostile_names_stay_text(tmp_path):
    folder = tmp_path / "<"
    folder.mkdir()
    content = paint(folder / f"script>{HOSTILE}.png".replace("/", ""), 1, (64, 48))
    tree = write(tmp_path / "run", content=content, settings=Settings(init=HOSTILE))
    assert len(tree.all("script")) == 1
    assert not any("onerror" in attributes for _, attributes in tree.elements)
    assert tree.all("img")[0]["alt"] == f"content: {files.printable(content.name)}"
    assert files.printable(HOSTILE) in tree.text


def test_hostile_labels_stay_text(tmp_path):
    tree = write_sheet(tmp_path, HOSTILE, (HOSTILE, "</td></table>"), ("</script>", "b"))
    assert len(tree.all("script")) == 1
    assert len(tree.all("td")) == 1 + 4
    assert not any("onerror" in attributes for _, attributes in tree.elements)
    assert tree.all("button", **{"class": "cell"})[0]["aria-label"] == (
        f"{files.printable(HOSTILE)}, </script>"
    )


def test_names_that_are_not_unicode(tmp_path):
    tree = write(tmp_path / "run", settings=Settings(init="caf\udce9.png"))
    assert "caf\\udce9.png" in tree.text


def test_losses_that_are_no_numbers(tmp_path):
    make_run(tmp_path / "run")
    losses = tmp_path / "run" / "losses.csv"
    losses.write_text(losses.read_text().replace("1,2,0.5,0.5", "1,2,nan,inf"))
    tree = Tree(page.write_report(tmp_path / "run"))
    assert "nan" not in "".join(each["d"] for each in tree.all("path"))
    assert [each["data-losses"] for each in tree.all("img") if "data-epoch" in each][1] == (
        "nan inf 0.5 0.5"
    )


def test_a_term_that_nobody_thought_of_shows_up_by_itself(tmp_path):
    make_run(tmp_path / "run", terms=(*TERMS, "temporal_<b>", "critic"))
    tree = Tree(page.write_report(tmp_path / "run"))
    assert "temporal <b>0.25" in tree.text and "critic0.25" in tree.text
    names = [each["class"] for each in tree.all("dt")]
    assert names == [*(f"curve-{number}" for number in range(1, 6)), "curve-total"]
    assert all(len(tree.all("g", id=name)) == 1 for name in names)


def test_a_report_made_later_finds_the_pictures(tmp_path, monkeypatch):
    make_run(tmp_path / "run")
    record = json.loads((tmp_path / "run" / "run.json").read_text())
    for each in record["inputs"].values():
        each["path"] = os.path.basename(each["path"])
    (tmp_path / "run" / "run.json").write_text(json.dumps(record))
    tree = Tree(page.write_report(tmp_path / "run"))
    assert [decode(each).size for each in tree.all("img")[:2]] == [(64, 48), (72, 60)]
    assert "is not shown" not in tree.text
    paint(tmp_path / "photo.png", 7)
    (tmp_path / "painting.png").unlink()
    tree = Tree(page.write_report(tmp_path / "run"))
    assert [each["alt"] for each in tree.all("img")][0] == "result: result.png"
    assert "The content picture is not shown" in tree.text
    assert "The style picture is not shown" in tree.text


def test_the_settings_of_another_version(tmp_path):
    make_run(tmp_path / "run")
    path = tmp_path / "run" / "run.json"
    record = json.loads(path.read_text())
    del record["settings"]["border"]
    record["settings"]["glitter"] = 3
    path.write_text(json.dumps(record))
    text = Tree(page.write_report(tmp_path / "run")).text
    assert "glitter3 changed" in text and "--glitter" not in text


@pytest.mark.parametrize("part", ["settings", "inputs", "weights", "size", "versions"])
@pytest.mark.parametrize("value", [None, 3, [], ["x", "y"]])
def test_a_record_with_an_odd_part_is_refused(tmp_path, part, value):
    make_run(tmp_path / "run")
    path = tmp_path / "run" / "run.json"
    record = json.loads(path.read_text()) | {part: value}
    path.write_text(json.dumps(record))
    with pytest.raises(files.FileError, match=r"run.json: is no record of a run"):
        page.write_report(tmp_path / "run")


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("run.json", None, "no such file"),
        ("run.json", "{", "is no JSON"),
        ("run.json", "[]", "is no record of a run"),
        ("run.json", '{"settings": {}, "inputs": 3}', "is no record of a run"),
        ("losses.csv", None, "no such file"),
        ("losses.csv", "a,b\n1,2\n", "is no table of losses"),
        ("losses.csv", "epoch,step,content,total\n", "holds no losses"),
        ("frames", None, "holds no frames"),
        ("result.png", None, "no such file"),
    ],
)
def test_a_folder_without_a_whole_run_is_refused(tmp_path, name, text, reason):
    make_run(tmp_path / "run")
    path = tmp_path / "run" / name
    path.rename(tmp_path / "away")
    if text:
        path.write_text(text)
    with pytest.raises(files.FileError, match=f"{name}: {reason}; give the folder of a run"):
        page.write_report(tmp_path / "run")
    assert not (tmp_path / "run" / "report.html").exists()


def test_a_sheet_has_every_cell(tmp_path):
    tree = write_sheet(tmp_path)
    cells = [each["aria-label"] for each in tree.all("button", **{"class": "cell"})]
    assert cells == ["low, few", "low, many"]
    pictures = [each for each in tree.all("img") if "src" in each]
    assert [decode(each).size for each in pictures] == [(480, 320)] * 8
    assert ["hidden" in each for each in pictures] == [True, True, False] + [True] * 4 + [False]
    absent = [text for text in tree.texts if text in ("failed", "not run")]
    assert absent == ["failed", "not run"]
    assert "2 of 4 runs" in tree.text


def test_a_large_sheet_has_at_most_240_frames(tmp_path):
    frame = tmp_path / "frame.png"
    Image.new("RGB", (16, 16)).save(frame)
    cells = {(row, 0): [frame] * 50 for row in range(9)}
    names = [str(row) for row in range(9)]
    page.write_sheet_page(
        tmp_path / "sheet.html", title="t", rows=names, columns=["c"], cells=cells
    )
    pictures = [each for each in Tree(tmp_path / "sheet.html").all("img") if "src" in each]
    assert len(pictures) == 9 * (240 // 9)


def test_a_sheet_without_any_run(tmp_path):
    path = tmp_path / "sheet.html"
    page.write_sheet_page(path, title="t", rows=["a"], columns=["b"], cells={})
    assert Tree(path).all("input")[0]["max"] == "0"


def test_a_page_of_several_grids(tmp_path):
    picture = tmp_path / "picture.png"
    Image.new("RGB", (16, 16)).save(picture)
    grids = [
        page.Grid("maps", ["one"], ["a", "b"], {(0, 0): [picture]}, {(0, 0): HOSTILE}, absent=""),
        page.Grid(HOSTILE, ["two", "three\npx"], ["c"], {(1, 0): [picture]}, note=HOSTILE),
    ]
    path = tmp_path / "sheet.html"
    drawing = "<?xml?><svg><text>inside</text></svg>"
    page.write_grids(path, title="t", summary="s", grids=grids, svg=drawing, command=["python"])
    tree = Tree(path)
    assert len(tree.all("table", **{"class": "grid"})) == 2 and len(tree.all("svg")) == 1
    labels = [each["aria-label"] for each in tree.all("button", **{"class": "cell"})]
    shown = files.printable(HOSTILE)
    assert labels == [f"one, {shown}", "three, px, c"]
    assert tree.texts.count("not run") == 1 and "maps" in tree.texts
    assert {"three", "px"} <= set(tree.texts)
    assert len(tree.all("script")) == 1  # what a caption says is no HTML


def test_tensorflow_is_not_loaded():
    code = (
        "import sys; from style_transfer.reports import page; sys.exit('tensorflow' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, timeout=60).returncode == 0
