"""A trained network as a file: what goes in comes out; what is no such file is refused."""

import zipfile

import numpy as np
import pytest
from PIL import Image

from style_transfer.errors import SettingsError
from style_transfer.feedforward import architectures, style_file, trained, trunk
from style_transfer.files import FileError
from style_transfer.runs import checkpoint
from style_transfer.settings import Settings


@pytest.fixture(scope="module")
def model():
    return trunk.build_trunk(2)


@pytest.fixture
def path(tmp_path, model):
    path = tmp_path / "two.style"
    pictures = [
        ("night", Image.new("RGB", (400, 100), "navy")),
        ("day", Image.new("RGB", (50, 60))),
    ]
    style_file.write(path, architectures.list_weights(model), pictures, {"steps": 7})
    return path


def test_a_file_comes_back(path, model):
    file = style_file.read(path)
    assert file.names == ("night", "day") and file.facts == {"steps": 7}
    assert [each.size for each in file.thumbnails] == [(192, 48), (50, 60)]
    network = trained.Network(file)
    for name, each in architectures.list_weights(model).items():
        found = architectures.list_weights(network.model)[name]
        np.testing.assert_array_equal(found, each.astype(np.float16).astype(np.float32))
    assert path.stat().st_size < 1e6


def test_files_that_are_none_are_refused(path, tmp_path):
    data = path.read_bytes()
    for name, bad in (("cut", data[: len(data) // 2]), ("text", b"style")):
        (tmp_path / name).write_bytes(bad)
        with pytest.raises(FileError, match="trained network"):
            style_file.read(tmp_path / name)
    flipped = bytearray(data)
    flipped[len(data) // 3] ^= 255
    (tmp_path / "flipped").write_bytes(flipped)
    with pytest.raises(FileError, match="is no trained network"):
        style_file.read(tmp_path / "flipped")
    with pytest.raises(FileError, match="no such file"):
        style_file.read(tmp_path / "none")


def rewrite(path, change):
    arrays, header = checkpoint.read(path)
    header.pop("schema", None)
    change(arrays, header)
    checkpoint.write(path, arrays, header)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda arrays, header: header.pop("names"), "names"),
        (lambda arrays, header: header.update(kind="other"), "no style"),
        (lambda arrays, header: header.update(names=[]), "no style"),
        (lambda arrays, header: arrays.pop("thumbnail 1"), "thumbnail 1"),
        (lambda arrays, header: arrays.update({"weight x": np.zeros(3)}), "half precision"),
        (
            lambda arrays, header: arrays.update({"weight x": np.full(3, np.nan, np.float16)}),
            "no finite numbers",
        ),
    ],
)
def test_odd_contents_are_refused(path, change, words):
    rewrite(path, change)
    with pytest.raises(FileError, match=words):
        style_file.read(path)


@pytest.mark.parametrize(
    "change",
    [
        lambda arrays: arrays.pop(max(arrays)),
        lambda arrays: arrays.update({"weight x": np.zeros(3, np.float16)}),
        lambda arrays: arrays.update({max(arrays): np.zeros((2, 2), np.float16)}),
    ],
)
def test_weights_of_another_network_are_refused(path, change):
    rewrite(path, lambda arrays, header: change(arrays))
    with pytest.raises(FileError, match=r"two\.style"):
        trained.Network(style_file.read(path))


def test_nothing_is_unpickled(path, tmp_path):
    """An array of objects is refused by NumPy before any of them is made."""
    with zipfile.ZipFile(path) as archive:
        members = {each.filename: archive.read(each) for each in archive.infolist()}
    np.save(tmp_path / "objects.npy", np.array([{"a": 1}], object), allow_pickle=True)
    members["thumbnail 0.npy"] = (tmp_path / "objects.npy").read_bytes()
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    with pytest.raises(FileError, match="is no trained network"):
        style_file.read(path)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"blend": (1.0,)}, "for 2 styles"),
        ({"blend": (0.0, 0.0)}, "all shares are 0"),
        ({"preserve_color": "histogram"}, "luminance"),
        ({"strength": "1,1,1,1,1"}, "one number"),
    ],
)
def test_settings_that_do_not_fit_are_refused(path, settings, words):
    with pytest.raises(SettingsError, match=words):
        style_file.check_settings(Settings(**settings), style_file.read(path))


def test_a_network_that_understands_another_compact_network_is_refused(path):
    def change(_arrays, header):
        header["facts"] = {"arch": "adain", "eye": "of another"}

    rewrite(path, change)
    file = style_file.read(path)
    with pytest.raises(FileError, match="another compact network"):
        trained.Network(file)
    with pytest.raises(FileError, match="another compact network"):
        style_file.check_start(file, "adain")
