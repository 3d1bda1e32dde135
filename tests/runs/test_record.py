"""The record of a run: what is believed of it, what it may open, what differs."""

import dataclasses
import json
import os
from importlib import metadata

import numpy as np
import pytest
from conftest import SMALL_VGG19

from style_transfer import files
from style_transfer.networks import weights
from style_transfer.pictures import images
from style_transfer.runs import record as records
from style_transfer.runs.inputs import Inputs
from style_transfer.settings import Settings

TERMS = ["content", "style", "total_variation"]


def sample():
    """A record, with which nothing is wrong."""
    texts = {"path": "photo.png", "sha256": "0" * 64}
    return {
        "settings": json.loads(json.dumps(dataclasses.asdict(Settings(epochs=3)))),
        "inputs": {"content": dict(texts), "style": dict(texts, path="painting.png")},
        "weights": {"name": "compact VGG19", "sha256": "1" * 64},
        "size": [64, 48],
        "versions": {"python": "3.13.1", "tensorflow": "2.21.0"},
        "working_folder": "/somewhere",
        "device": "CPU",
        "precision": "float32",
        "terms": list(TERMS),
    }


def put(folder, text, *, inside):
    """Write the text of a record, inside a picture or beside it; return what reads it there."""
    if inside:
        image = np.zeros((1, 4, 4, 3), np.float32)
        images.save_png(folder / "result.png", image, texts={"Settings": text})
        return lambda: records.read_image(folder / "result.png")
    (folder / records.NAME).write_text(text)
    return lambda: records.read_folder(folder)


def changed(*names, to):
    """Return a record with one value changed."""
    record = sample()
    place = record
    for name in names[:-1]:
        place = place[name]
    place[names[-1]] = to
    return json.dumps(record)


def without(*names):
    """Return a record without some of its parts."""
    return json.dumps({name: each for name, each in sample().items() if name not in names})


HOSTILE = {
    "no JSON": "{",
    "a list": "[]",
    "a number": "7",
    "nothing": "null",
    "nested": "[" * 100_000,
    "nested objects": '{"a":' * 100_000,
    "a long number": changed("settings", "epochs", to=0).replace(" 0", " " + "9" * 5000),
    "epochs a text": changed("settings", "epochs", to="10"),
    "epochs true": changed("settings", "epochs", to=True),
    "epochs below": changed("settings", "epochs", to=0),
    "weight NaN": changed("settings", "content_weight", to=float("nan")),
    "weight infinite": changed("settings", "style_weight", to=float("inf")),
    "scales a list": changed("settings", "scales", to=[[1]]),
    "layers of layers": changed("settings", "content_layers", to=[["block4_conv2"]]),
    "layers numbers": changed("settings", "style_layers", to=[1, 2]),
    "an unknown setting": changed("settings", "colour", to="red"),
    "settings a list": changed("settings", to=[]),
    "settings missing": without("settings"),
    "inputs a list": changed("inputs", to=["content", "style"]),
    "inputs missing": without("inputs"),
    "an unknown role": changed("inputs", "mask", to={"path": "m.png", "sha256": "2"}),
    "no style": changed("inputs", to={"content": {"path": "p.png", "sha256": "2"}}),
    "an input a text": changed("inputs", "content", to="photo.png"),
    "a path a number": changed("inputs", "content", "path", to=7),
    "a path nothing": changed("inputs", "style", "path", to=None),
    "a sha256 a list": changed("inputs", "style", "sha256", to=["0"]),
    "weights a text": changed("weights", to="compact"),
    "weights without sha256": changed("weights", to={"name": "x"}),
    "weights' name a number": changed("weights", "name", to=1),
    "size missing": without("size"),
    "versions a list": changed("versions", to=["2.21.0"]),
    "a version a number": changed("versions", "tensorflow", to=2.21),
    "versions missing": without("versions"),
    "terms missing": without("terms"),
    "terms a number": changed("terms", to=3),
    "terms a text": changed("terms", to="content"),
    "terms an object": changed("terms", to={"content": 1}),
    "terms numbers": changed("terms", to=[1, 2, 3]),
    "ends of lines": changed("inputs", "a\nb\x1b[2J", to={"path": "x", "sha256": "y"}),
}


@pytest.mark.parametrize("inside", [False, True], ids=["run.json", "result.png"])
@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_record_is_refused_in_one_line(tmp_path, text, inside):
    read = put(tmp_path, text, inside=inside)
    with pytest.raises(files.FileError) as caught:
        read()
    message = str(caught.value)
    assert message.isprintable() and len(message) < 10_000
    assert "is not the record of a run of version" in message
    assert message.endswith("; start anew")


@pytest.mark.parametrize("data", [b"\xff\xfe{}", b"\x00", b"\xef\xbb\xbf{"])
def test_a_record_that_is_no_text_is_refused(tmp_path, data):
    (tmp_path / records.NAME).write_bytes(data)
    with pytest.raises(files.FileError, match="is not the record"):
        records.read_folder(tmp_path)
    assert not records.is_finished(tmp_path)


def test_the_working_folder_of_a_run_is_needed_and_that_of_a_picture_ignored(tmp_path):
    for text in (without("working_folder"), changed("working_folder", to=5)):
        with pytest.raises(files.FileError, match="is not the record"):
            put(tmp_path, text, inside=False)()
        record, _ = put(tmp_path, text, inside=True)()
        assert record["working_folder"] == ""


@pytest.mark.parametrize("inside", [False, True])
def test_a_record_is_read_as_it_was_written(tmp_path, inside):
    record, settings = put(tmp_path, json.dumps(sample() | {"finished": True}), inside=inside)()
    assert settings == Settings(epochs=3)
    assert record == sample() | ({"working_folder": ""} if inside else {})


def test_a_folder_without_a_record(tmp_path):
    with pytest.raises(files.FileError, match="holds no run; .*--resume"):
        records.read_folder(tmp_path)


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ('{"finished": true}', True),
        ('{"finished": false}', False),
        ('{"finished": 1}', False),
        ("{}", False),
        ("[]", False),
        ("7", False),
        ("{", False),
        ("[" * 100_000, False),
    ],
)
def test_whether_a_run_is_finished(tmp_path, text, answer):
    (tmp_path / records.NAME).write_text(text)
    assert records.is_finished(tmp_path) is answer
    assert not records.is_finished(tmp_path / "elsewhere")


def test_what_is_recorded(content, style, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    pictures = Inputs(images.load(content), (images.load(style), images.load(content)))
    network = weights.draw(0, SMALL_VGG19)
    facts = {"device": "CPU", "precision": "float32", "terms": TERMS}
    record = records.make_record(Settings(), pictures, network, (64, 48), **facts)
    # Which are not those of all runs.
    others = {"command", "training", "choices", "start", "model", "film", "keep"}
    assert set(record) == set(records.PARTS) - others
    assert list(record["inputs"]) == ["content", "style", "style 2"]
    assert record["inputs"]["style"] == {
        "path": str(style),
        "sha256": files.sha256(style.read_bytes()),
    }
    assert record["size"] == [64, 48]
    assert record["working_folder"] == os.getcwd()
    assert record.items() >= facts.items()
    assert put(tmp_path, json.dumps(record), inside=False)() == (
        json.loads(json.dumps(record)),
        Settings(),
    )


def test_the_fingerprint_is_of_what_determines_a_step():
    then = records.fingerprint(sample())
    for names, value in (
        (("settings", "epochs"), 7),
        (("inputs", "content", "path"), "moved.png"),
        (("versions", "python"), "3.14"),
        (("weights", "name"), "another"),
    ):
        assert records.fingerprint(json.loads(changed(*names, to=value))) == then
    for names, value in (
        (("settings", "steps"), 7),
        (("inputs", "content", "sha256"), "3"),
        (("weights", "sha256"), "3"),
        (("size",), [64, 47]),
    ):
        assert records.fingerprint(json.loads(changed(*names, to=value))) != then


def test_tensorflow_from_either_package(monkeypatch):
    def installed(**found):
        def version(name):
            try:
                return found[name.replace("-", "_")]
            except KeyError:
                raise metadata.PackageNotFoundError(name) from None

        monkeypatch.setattr(records.metadata, "version", version)

    others = {"keras": "3", "numpy": "2", "pillow": "12"}
    installed(tensorflow_cpu="2.21.0", **others)
    assert records.tensorflow_version() == "2.21.0"
    assert records.versions()["tensorflow"] == "2.21.0"
    installed(tensorflow="2.21.1", tensorflow_cpu="2.21.0")
    assert records.tensorflow_version() == "2.21.1"
    installed()
    assert records.tensorflow_version() == "unknown"


def test_what_computes_otherwise_is_listed():
    now = sample()
    assert records.differences(sample(), now) == []
    now["versions"] = {"python": "3.13.1", "tensorflow": "2.22.0", "keras": "4"}
    now["precision"] = "bfloat16"
    now["device"] = "GPU"
    assert records.differences(sample(), now) == [
        "tensorflow 2.21.0 (here 2.22.0)",
        "precision float32 (here bfloat16)",
    ]
    del now["versions"]["tensorflow"]
    assert records.differences(sample(), now)[0] == "tensorflow 2.21.0 (here None)"
