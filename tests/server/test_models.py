"""The trained networks of the page: offered by name, painted as the command line does."""

import numpy as np
import pytest
from conftest import call, paint
from PIL import Image
from served import QUICK, Server, Site, make_order, make_pictures

from style_transfer.feedforward import style_file
from style_transfer.server import shop
from style_transfer.server.store import Store
from style_transfer.server.studio import Studio


@pytest.fixture
def models(tmp_path):
    """A folder of two networks: one of two styles, one for any, and a file that is none."""
    folder = tmp_path / "place" / "models"
    folder.mkdir(parents=True)
    styles = [(name, Image.new("RGB", (80, 64), name)) for name in ("red", "blue")]
    weights = {"a": np.zeros(2)}
    style_file.write(folder / "two.style", weights, styles, {"arch": "johnson"})
    style_file.write(folder / "many.style", weights, styles[:1], {"arch": "google"})
    (folder / "damaged.style").write_bytes(b"none")
    return folder


@pytest.fixture
def site(tmp_path, models):
    """The application, with these networks."""
    site = Site(tmp_path / "kept")
    site.studio.offers.update(shop.list_offers(models))
    return site


def test_each_style_is_offered_by_name_and_what_is_damaged_is_not(site, models):
    assert list(site.studio.offers) == ["many", "two 1", "two 2"]
    page = site.get("/").text
    assert "two: red" in page and "many, any painting" in page and str(models) not in page


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
