"""Which paths in a record this program opens: those that the user could have meant."""

import os
from pathlib import Path, PureWindowsPath
from types import SimpleNamespace

import pytest
from test_record import sample

from style_transfer import files
from style_transfer.networks import weights
from style_transfer.runs import record as records
from style_transfer.runs.inputs import Inputs


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A home and a current folder beside it."""
    for name in ("home", "work"):
        (tmp_path / name).mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path / "home"


def test_what_lies_below_the_home_or_here(home):
    for path in ("photo.png", "a/b.png", "a/../b.png", home / "x.png", home / "a" / "b.png"):
        assert records.is_below_home(path), path
    elsewhere = ("../x.png", "a/../../x.png", "/etc/passwd", home / ".." / "x", f"{home}s/x")
    for path in elsewhere:
        assert not records.is_below_home(path), path


#: From a path to whether it is remote.
WINDOWS = {
    r"\\host\share\x.png": True,
    "//host/share/x.png": True,
    r"\/host\share\x.png": True,
    r"\\?\UNC\host\share\x.png": True,
    r"\\?\C:\x.png": True,
    r"\\.\pipe\x": True,
    r"\??\UNC\host\share\x.png": True,
    r"C:\Users\me\x.png": False,
    "C:/Users/me/x.png": False,
    r"C:x.png": False,
    r"\Users\me\x.png": False,
    r"a\x.png": False,
    "x.png": False,
}


@pytest.fixture
def windows(monkeypatch):
    """Let the module, and nothing else, take this for Windows."""
    fake = SimpleNamespace(name="nt", path=os.path, getcwd=os.getcwd, fsdecode=os.fsdecode)
    monkeypatch.setattr(records, "os", fake)


@pytest.mark.parametrize(("path", "answer"), WINDOWS.items())
def test_paths_to_another_machine_on_windows(windows, path, answer):
    assert records.is_remote(path) is answer
    assert records.is_local(path) is not answer


@pytest.mark.parametrize("path", WINDOWS)
def test_elsewhere_these_are_names_like_others(path):
    assert not records.is_remote(path)
    assert records.is_local(path)


def test_a_path_to_another_machine_is_never_below_home(windows, monkeypatch):
    """Not even looked at: the system would log in there."""
    monkeypatch.setattr(records.os, "path", None)
    assert not records.is_below_home(r"\\host\share\x.png")


def test_where_the_process_works_on_a_share_that_share_is_local(windows, monkeypatch):
    here = SimpleNamespace(cwd=lambda: PureWindowsPath(r"\\host\share\work"))
    monkeypatch.setattr(records, "Path", here)
    assert records.is_local(r"\\host\share\x.png")
    assert not records.is_local(r"\\other\share\x.png")
    assert not records.is_local(r"\\host\another\x.png")


def with_paths(**paths):
    """A record of a picture with these paths, by role; `weights` is one of the settings."""
    record = sample() | {"working_folder": ""}
    if "weights" in paths:
        record["settings"]["weights"] = paths.pop("weights")
    for role, path in paths.items():
        record["inputs"][role.replace("_", " ")] = {"path": path, "sha256": "0"}
    return record


@pytest.mark.parametrize(
    ("role", "option"),
    [
        ("content", "--content"),
        ("style", "--style"),
        ("style_2", "--style"),
        ("content_mask", "--content-mask"),
        ("style_mask", "--style-mask"),
        ("init", "--init"),
    ],
)
def test_a_picture_may_not_name_what_lies_elsewhere(home, role, option):
    record = with_paths(**{role: "/etc/pass\nwd"})
    with pytest.raises(files.FileError) as caught:
        records.locate_inputs(record, {}, is_trusted=records.is_below_home)
    message = str(caught.value)
    assert message.startswith("/etc/pass\\nwd: ") and message.isprintable()
    assert message.endswith(f"name it yourself with {option}")
    given = {role.replace("_", " "): "/etc/mine"}
    inputs = records.locate_inputs(record, given, is_trusted=records.is_below_home)
    assert dict(inputs.items()) == {
        name: given.get(name, each["path"]) for name, each in record["inputs"].items()
    }


def test_a_mask_that_is_the_content_s_own_alpha_moves_with_it(home):
    trusted = {"is_trusted": records.is_below_home}
    own = with_paths(content="cut.png", content_mask="cut.png")
    file = with_paths(content="cut.png", content_mask="mask.png")
    for record, given, expected in (
        (own, {}, ("cut.png", "cut.png")),
        (own, {"content": "moved.png"}, ("moved.png", "moved.png")),
        (own, {"content": "moved.png", "content mask": "alpha"}, ("moved.png", "moved.png")),
        (own, {"content": "moved.png", "content mask": "m.png"}, ("moved.png", "m.png")),
        (file, {"content": "moved.png"}, ("moved.png", "mask.png")),
        (file, {"content mask": "alpha"}, ("cut.png", "cut.png")),
    ):
        inputs = records.locate_inputs(record, given, **trusted)
        assert (inputs.content, inputs.content_mask) == expected


def test_a_picture_may_not_name_weights_that_lie_elsewhere(home):
    trusted = {"is_trusted": records.is_below_home}
    with pytest.raises(files.FileError, match="^/etc/x.h5: .*name it yourself with --weights$"):
        records.locate_weights(with_paths(weights="/etc/x.h5"), **trusted)
    below = str(home / "x.h5")
    assert records.locate_weights(with_paths(weights=below), **trusted) == below
    for name in weights.NAMES:
        assert records.locate_weights(with_paths(weights=name), **trusted) == name


def test_the_paths_of_a_folder_are_relative_to_where_the_run_began():
    trusted = {"is_trusted": records.is_local}
    record = with_paths(content="/photos/photo.png", weights="x.h5")
    record["working_folder"] = "/somewhere"
    inputs = records.locate_inputs(record, {}, **trusted)
    assert inputs == Inputs("/photos/photo.png", ("/somewhere/painting.png",))
    assert records.locate_weights(record, **trusted) == "/somewhere/x.h5"
    assert Path(inputs.styles[0]).is_absolute()
