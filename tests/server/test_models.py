"""The trained networks of the page: offered by name, painted as the command line does."""

import io

import numpy as np
import pytest
from conftest import call, paint
from PIL import Image
from served import QUICK, Server, Site, make_order, make_pictures

from style_transfer.feedforward import style_file
from style_transfer.runs import record as records
from style_transfer.server import shop
from style_transfer.server.store import Store
from style_transfer.server.studio import Studio


@pytest.fixture
def models(tmp_path):
    """A folder of two networks: one of two styles, one for any, and a file that is none."""
    folder = tmp_path / "place" / "models"
    folder.mkdir(parents=True)
    write_style(folder / "two.style", "red", "blue")
    write_style(folder / "many.style", "red", arch="google")
    (folder / "damaged.style").write_bytes(b"none")
    return folder


def write_style(path, *colors, arch="johnson"):
    """Write a network for styles of one color each."""
    styles = [(name, Image.new("RGB", (80, 64), name)) for name in colors]
    style_file.write(path, {"a": np.zeros(2)}, styles, {"arch": arch})


@pytest.fixture
def site(tmp_path, models):
    """The application, with these networks."""
    site = Site(tmp_path / "kept")
    site.studio.list_offers = shop.Shop(models).offers
    return site


def test_each_style_is_offered_by_name_and_what_is_damaged_is_not(site, models):
    assert list(site.studio.list_offers()) == ["many", "two 1", "two 2"]
    page = site.get("/").text
    assert "two: red" in page and "many, any painting" in page and str(models) not in page


def test_what_is_trained_later_is_offered_too_and_read_once(site, models, caplog):
    first = site.studio.list_offers()
    assert "damaged.style" in caplog.text
    caplog.clear()
    write_style(models / "late.style", "green")
    (models / "many.style").unlink()
    assert list(site.studio.list_offers()) == ["late 1", "two 1", "two 2"]
    assert site.studio.list_offers()["two 1"] is first["two 1"] and not caplog.text
    choice = site.get("/models").text
    assert "late" in choice and "two: red" in choice and "many" not in choice
    write_style(models / "late.style", "yellow", arch="google")  # another one in its place
    assert site.studio.list_offers()["late"].thumbnail is None


def test_an_order_takes_a_trained_style_without_a_painting(site, tmp_path):
    photo = site.add(paint(tmp_path / "photo.png", 1))
    order = make_order(photo, "", "instant", size=64, strength="0.7")
    order |= {"styles": [], "model": "two 2"}
    assert site.post("/estimate", order).json["problem"] == ""
    sent = site.post("/jobs", order)
    assert sent.status_code == 201 and sent.json["title"] == "photo in the style of two: blue"
    kept = site.studio.ledger.get(sent.json["id"])
    assert (kept.settings.blend, kept.model) == ((0.0, 1.0), "two 2")
    assert kept.settings.strength == "0.7"  # as the slider says, and not what a network would take
    page = site.get(f"/jobs/{kept.id}/easel").text
    assert "--style-index" in page and "--model" in page and "--style " not in page
    again = Studio(Store(site.folder), target=None)  # as after a restart
    assert again.ledger.get(kept.id) == kept
    with pytest.raises(LookupError, match="no longer there"):  # in a folder that has it no more
        again.find_model(kept)


@pytest.mark.parametrize("name", ["../two 1", "/etc/passwd", "two.style", "two 3", 7, ["two 1"]])
def test_a_model_is_never_a_path(site, tmp_path, name):
    ids = [site.add(paint(tmp_path / f"{seed}.png", seed)) for seed in (1, 2)]
    before = site.files()
    answer = site.post("/jobs", make_order(*ids, "instant", size=64) | {"model": name})
    assert answer.status_code == 400 and "no such trained network" in answer.json["error"]
    assert site.files() == before
    painted = site.post("/jobs", make_order(*ids, **QUICK) | {"model": name})
    assert painted.status_code == 201  # by optimization: there, it has no meaning
    assert site.studio.ledger.get(painted.json["id"]).model == ""


def test_a_trained_network_paints_as_on_the_command_line(begin, tmp_path, models):
    server = Server(begin, make_pictures(tmp_path / "place"), "--models", "models")
    photo = server.upload(server.place / "photo.png")
    order = make_order(photo, "", "instant", size=64) | {"styles": [], "model": "two 1"}
    identity = server.ask("POST", "/jobs", order)[1]["id"]
    assert server.wait_until_ended(identity)["state"] == "finished"
    outcome = call(server.place, *server.words(identity), "-o", "by-hand.png")
    assert outcome.returncode == 0, outcome.stderr
    result = (server.folder(identity) / "result.png").read_bytes()
    assert result == (server.place / "by-hand.png").read_bytes()
    check_painting_from(server, identity)


def check_painting_from(server, identity):
    """Check that a painting goes on from what a network made, as on the command line."""
    found = server.ask("POST", f"/jobs/{identity}/start")[1]
    settings = QUICK | found["settings"]
    order = {"way": "painted", "content": found["content"], "styles": found["styles"]}
    painted = server.ask("POST", "/jobs", order | {"settings": settings})[1]["id"]
    assert server.wait_until_ended(painted)["state"] == "finished"
    result = (server.folder(identity) / "result.png").read_bytes()
    start = server.place / "kept" / "pictures" / f"{settings['init']}.png"
    assert np.array_equal(Image.open(io.BytesIO(result)), Image.open(start))
    words = server.words(painted)
    assert words[words.index("--init") + 1].endswith(start.name)
    outcome = call(server.place, *words, "-o", "from-there")
    assert outcome.returncode == 0, outcome.stderr
    first, second = (
        each / "result.png" for each in (server.folder(painted), server.place / "from-there")
    )
    assert first.read_bytes() == second.read_bytes()
    again = records.read_image(second)[1]
    assert (again.warmup, again.scales) == (0, "1")  # what it starts from is finished


def drop(site, path):
    """Drop a result onto the page; return what it brings."""
    sent = site.open("POST", "/pictures/settings", data=path.read_bytes(), content_type="image/png")
    assert sent.status_code == 200, sent.text
    return sent.json


def test_a_result_brings_its_network_back(site, models, tmp_path):
    photo = paint(tmp_path / "photo.png", 1)
    words = ["apply", "-c", photo, "--size", "64", "--model"]
    for name, more in (("two", ["--style-index", "2"]), ("many", ["-s", photo]), ("two", [])):
        output = tmp_path / f"{name}{len(more)}.png"
        outcome = call(tmp_path, *words, models / f"{name}.style", *more, "-o", output)
        assert outcome.returncode == 0, outcome.stderr
    found = drop(site, tmp_path / "two2.png")
    assert (found["model"], found["way"], found["notice"]) == ("two 2", "instant", "")
    assert found["settings"]["strength"] == "1"  # of a trained network
    assert drop(site, tmp_path / "many2.png")["model"] == "many"
    assert drop(site, tmp_path / "two0.png")["model"] == "two 1"
    (models / "two.style").unlink()
    found = drop(site, tmp_path / "two2.png")
    assert found["model"] == "" and "two.style, which is not offered here" in found["notice"]
    assert found["settings"]["size"] == 64  # the rest of it is there
