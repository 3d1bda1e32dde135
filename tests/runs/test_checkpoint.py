"""Checkpoints come back bit by bit, or not at all: damage of any byte is noticed."""

import contextlib
import io
import json
import os
import zipfile

import numpy as np
import pytest

from style_transfer.runs import checkpoint

HEADER = {"position": {"totals": [0.1, 1 / 3]}, "name": "é", "epoch": 3}


def draw_arrays():
    generator = np.random.default_rng(0)
    return {
        "image": generator.random((1, 5, 4, 3), np.float32),
        "count": np.int32(7),
        "empty": np.empty((0, 4), np.float32),
        "turned": np.asfortranarray(generator.random((3, 2))),
    }


@pytest.fixture
def path(tmp_path):
    """A checkpoint on the disk."""
    checkpoint.write(tmp_path / "a.npz", draw_arrays(), HEADER)
    return tmp_path / "a.npz"


def check_same(found, header):
    arrays = draw_arrays()
    assert header == HEADER
    assert found.keys() == arrays.keys()
    for name, array in arrays.items():
        np.testing.assert_array_equal(found[name], array, strict=True)


def refused(path, *words):
    """Read a checkpoint that is to be refused as damaged."""
    with pytest.raises(checkpoint.DamagedError) as caught:
        checkpoint.read(path)
    message = str(caught.value)
    assert message.startswith(f"{path.name} is damaged (") and message.isprintable()
    assert all(word in message for word in words)


def test_a_checkpoint_comes_back_bit_by_bit(path):
    check_same(*checkpoint.read(path))


def test_numpy_reads_it_too(path):
    with np.load(path, allow_pickle=False) as archive:
        np.testing.assert_array_equal(archive["image"], draw_arrays()["image"])
        assert json.loads(archive["header"].tobytes())["name"] == "é"


def test_what_is_given_is_left_as_it_is(tmp_path):
    arrays, header = draw_arrays(), dict(HEADER)
    checkpoint.write(tmp_path / "a.npz", arrays, header)
    assert header == HEADER and arrays.keys() == draw_arrays().keys()


def test_the_checkpoint_before_is_kept(path):
    checkpoint.write(path, {}, {"epoch": 4}, keep=path.with_name("before.npz"))
    check_same(*checkpoint.read(path.with_name("before.npz")))
    assert checkpoint.read(path) == ({}, {"epoch": 4})


@pytest.mark.parametrize("bit", [0, 3, 7])
def test_a_flipped_bit_anywhere_is_noticed_or_without_effect(path, bit):
    """Zip keeps much that nobody reads, as a time and a system; all else has to be noticed."""
    data = path.read_bytes()
    noticed = 0
    for position in range(len(data)):
        spoiled = bytearray(data)
        spoiled[position] ^= 1 << bit
        path.write_bytes(spoiled)
        try:
            found = checkpoint.read(path)
        except checkpoint.DamagedError:
            noticed += 1
        else:
            check_same(*found)
    # At the least, what a checksum is kept for: the members themselves.
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert noticed > sum(each.file_size for each in archive.infolist())


def test_a_file_cut_anywhere_is_damaged(path):
    data = path.read_bytes()
    for length in (*range(0, len(data), 17), len(data) - 1):
        path.write_bytes(data[:length])
        refused(path)


def test_a_member_that_the_directory_lost_is_missed(path):
    with zipfile.ZipFile(path) as archive:
        texts = {each: archive.read(each) for each in archive.namelist()}
    del texts["image.npy"]
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in texts.items():
            archive.writestr(name, text)
    refused(path, "does not hold the arrays that it lists")


@pytest.mark.parametrize(
    "spoil, words",
    [
        (lambda path: path.write_bytes(b""), ()),
        (lambda path: path.write_bytes(b"PK no zip"), ()),
        (lambda path: np.savez(path, a=np.ones(3)), ("it has no header",)),
        (lambda path: np.savez(path, header=np.ones(3)), ()),
        (lambda path: np.savez(path, header=np.frombuffer(b"[]", np.uint8)), ()),
        (lambda path: np.savez(path, header=np.frombuffer(b"{}", np.uint8)), ("schema",)),
        (lambda path: np.savez_compressed(path, **draw_arrays()), ("compressed",)),
        (lambda path: np.savez(path, header=np.array([{}])), ()),
    ],
    ids=["empty", "no zip", "other", "floats", "list", "no schema", "compressed", "pickle"],
)
def test_a_foreign_file_is_damaged(path, spoil, words):
    spoil(path)
    refused(path, *words)


class Trap:
    """What would leave a trace if it were unpickled."""

    def __reduce__(self):
        return os.mkdir, ("trap",)


def test_nothing_is_unpickled(path, monkeypatch):
    monkeypatch.chdir(path.parent)
    header = json.dumps({"schema": checkpoint.SCHEMA, "arrays": ["image"]}).encode()
    np.savez(path, header=np.frombuffer(header, np.uint8), image=np.array([Trap()]))
    refused(path)
    assert not (path.parent / "trap").exists()
    with contextlib.suppress(Exception), np.load(path, allow_pickle=True) as archive:
        archive["image"]
    assert (path.parent / "trap").exists()  # it would have been


def claim(path, shape, data, size=None):
    """Write a checkpoint whose header claims an array of some shape, and some size in bytes."""
    array = io.BytesIO()
    fields = {"descr": "<f4", "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(array, fields)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("header.npy", array.getvalue() + data)
        if size:  # as the directory at the end of the file says
            archive.infolist()[0].file_size = size


@pytest.mark.parametrize("shape", [(2**40,), (2,), ()])
def test_an_array_that_claims_other_than_it_holds_is_refused(path, shape):
    claim(path, shape, b"12345678" if shape == () else b"1234")
    refused(path, "does not hold the values that it claims")


def test_no_memory_is_taken_for_what_a_member_claims(path):
    """2³⁰ bytes, in the array's header and in the zip's directory alike."""
    claim(path, (2**28,), b"1234", size=2**30)
    refused(path, "claims to hold more bytes than it has")


def test_another_version_is_named_and_not_called_damaged(path, monkeypatch):
    monkeypatch.setattr(checkpoint, "SCHEMA", 99)
    checkpoint.write(path, draw_arrays(), HEADER)
    monkeypatch.undo()
    with pytest.raises(checkpoint.CheckpointError) as caught:
        checkpoint.read(path)
    assert not isinstance(caught.value, checkpoint.DamagedError)
    known = checkpoint.SCHEMA
    assert str(caught.value) == (
        f"a.npz is of schema 99, and this program knows {known} "
        "(the version that wrote it can continue it)"
    )


def test_schema_3_is_named(path):
    """It had a SHA-256 of all arrays, and no list of them."""
    header = np.frombuffer(json.dumps(HEADER | {"schema": 3}).encode(), np.uint8)
    np.savez(path, **draw_arrays(), header=header, sha256=np.zeros(32, np.uint8))
    with pytest.raises(checkpoint.CheckpointError, match="is of schema 3, and") as caught:
        checkpoint.read(path)
    assert not isinstance(caught.value, checkpoint.DamagedError)


def test_a_missing_file_is_not_damaged(tmp_path):
    with pytest.raises(FileNotFoundError):
        checkpoint.read(tmp_path / "none.npz")


def test_the_expected_arrays_pass(path):
    checkpoint.check_arrays(checkpoint.read(path)[0], draw_arrays())


@pytest.mark.parametrize(
    "change, words",
    [
        ({"image": np.zeros((1, 5, 4), np.float32)}, "1×5×4×3 float32 as image, not 1×5×4 float32"),
        ({"count": np.int64(7)}, "one int32 as count, not one int64"),
        ({"moment": np.zeros(3)}, "nothing as moment, not 3 float64"),
    ],
)
def test_arrays_of_another_version_are_refused(change, words):
    with pytest.raises(checkpoint.CheckpointError) as caught:
        checkpoint.check_arrays(draw_arrays(), draw_arrays() | change)
    assert words in str(caught.value) and "the version that wrote it" in str(caught.value)


def test_an_array_too_many_is_refused():
    with pytest.raises(checkpoint.CheckpointError, match="3 float64 as more, not nothing"):
        checkpoint.check_arrays(draw_arrays() | {"more": np.zeros(3)}, draw_arrays())
