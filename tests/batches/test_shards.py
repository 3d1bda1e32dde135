"""Parts of a list of pictures, as several machines do them."""

import pytest
from conftest import call, paint, refused

from style_transfer.batches import plan

FAST = ("--size", "48", "--epochs", "1", "--steps", "2")


@pytest.mark.parametrize("count", [1, 2, 3, 7, 12])
def test_the_parts_are_the_whole_and_alike(count):
    parts = [plan.select(list(range(7)), (number + 1, count)) for number in range(count)]
    assert sorted(sum(parts, [])) == list(range(7))
    lengths = [len(part) for part in parts]
    assert max(lengths) - min(lengths) <= 1
    assert plan.select([3, 4], None) == [3, 4]


@pytest.fixture
def album(tmp_path, small_weights):
    """A folder with five photos and a painting, and the flags for a sweep."""
    (tmp_path / "photos").mkdir()
    for number in range(5):
        paint(tmp_path / "photos" / f"photo{number}.png", number)
    paint(tmp_path / "painting.png", 8)
    return tmp_path, ("-c", "photos", "-s", "painting.png", "--weights", small_weights, *FAST)


def test_two_machines_do_a_sweep_and_a_third_command_draws_it(album):
    folder, flags = album
    command = ("sweep", *flags, "--tv", "0,5", "-o")
    assert call(folder, *command, "whole").returncode == 0
    for number in (1, 2):
        outcome = call(folder, *command, "parts", "--shard", f"{number}/2")
        assert outcome.returncode == 0, outcome.stderr
        assert len(outcome.stdout.splitlines()) == 5
        assert not (folder / "parts/contact_sheet.png").exists()
    outcome = call(folder, *command, "parts")
    assert outcome.returncode == 0 and outcome.stderr.count("done before") == 10
    paths = sorted((folder / "whole").glob("**/*.png"))
    assert len(paths) == 10 * 4 + 1  # the result, its curves, two frames; the sheet
    for path in paths:
        assert (
            path.read_bytes()
            == (folder / "parts" / path.relative_to(folder / "whole")).read_bytes()
        )


@pytest.mark.parametrize("command", ["paint", "apply"])
def test_parts_of_a_folder_of_photos(album, command):
    folder, flags = album
    flags = flags if command == "paint" else flags[:4]
    found = []
    for number in range(1, 8):
        outcome = call(folder, command, *flags, "-o", "out", "--shard", f"{number}/7")
        assert outcome.returncode == 0, outcome.stderr
        found.append(outcome.stdout.splitlines())
    assert [len(each) for each in found] == [1, 1, 1, 1, 1, 0, 0]
    assert len({line for each in found for line in each}) == 5


@pytest.mark.parametrize("text", ["0/4", "5/4", "1/0", "1", "a/b", "-1/4", "1/4/5", "1.0/2"])
def test_what_is_no_part_is_refused(album, text):
    folder, flags = album
    refused(call(folder, "sweep", *flags, "--shard", text), "--shard", text)


@pytest.mark.parametrize("command", ["paint", "apply"])
def test_a_single_picture_has_no_parts(album, command):
    folder, _ = album
    flags = ("-c", "photos/photo0.png", "-s", "painting.png", "--shard", "1/2")
    refused(call(folder, command, *flags), "--shard", "several")
    again = ("--from-image", "photos/photo0.png", "--shard", "1/2")
    refused(call(folder, command, *again), "--shard", "--from-image")
