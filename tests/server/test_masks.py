"""Masks of the page: where the photo stays, or which style goes where."""

import os
import time

import numpy as np
import pytest
from conftest import call
from PIL import Image
from served import QUICK, Site, make_order

from style_transfer.server import store
from style_transfer.server.studio import Studio


@pytest.fixture
def site(tmp_path):
    return Site(tmp_path / "kept")


@pytest.fixture
def order(site, tmp_path, content, style):
    """An order with a mask: of the photo, the left half is painted."""
    half = np.zeros(Image.open(content).size[::-1], np.uint8)
    half[:, : half.shape[1] // 2] = 255
    Image.fromarray(half).save(tmp_path / "half.png")
    ids = [site.add(each) for each in (content, style, tmp_path / "half.png")]
    return make_order(*ids[:2], **QUICK) | {"mask": ids[2]}


def test_an_order_with_a_mask_is_the_command_with_one(site, order):
    assert site.post("/estimate", order).json["problem"] == ""
    kept = site.studio.ledger.get(site.post("/jobs", order).json["id"])
    assert kept.mask == order["mask"]
    for address in (f"/jobs/{kept.id}/easel", f"/jobs/{kept.id}"):
        assert order["mask"] in site.get(address).text
    assert "--content-mask" in site.get(f"/jobs/{kept.id}/easel").text
    assert Studio(store.Store(site.folder), target=None).ledger.get(kept.id) == kept
    old = time.time() - 2 * store.FORGOTTEN
    for path in site.studio.store.pictures.iterdir():
        os.utime(path, (old, old))
    site.studio.store.forget_pictures([kept])
    assert site.studio.store.has(kept.mask)


@pytest.mark.parametrize("mask", ["../half", "/etc/passwd", 7, ["a"], "0" * 16])
def test_a_mask_is_a_picture_that_is_kept(site, order, mask):
    before = site.files()
    answer = site.post("/jobs", order | {"mask": mask})
    assert answer.status_code in (400, 404) and answer.json["error"]
    assert site.files() == before


def test_a_mask_of_another_size_is_refused(site, order):
    answer = site.post("/jobs", order | {"mask": order["styles"][0]["id"]})
    assert answer.status_code == 400 and "size of the photo" in answer.json["error"]


def test_a_dropped_result_brings_its_mask_back(site, order, tmp_path):
    names = {"content": order["content"]["id"], "style": order["styles"][0]["id"]}
    names["content-mask"] = order["mask"]
    paths = {name: site.studio.store.path(each) for name, each in names.items()}
    words = [word for name, path in paths.items() for word in (f"--{name}", path)]
    output = tmp_path / "result.png"
    outcome = call(tmp_path, "apply", *words, "--size", "64", "-o", output)
    assert outcome.returncode == 0, outcome.stderr
    data = output.read_bytes()
    found = site.open("POST", "/pictures/settings", data=data, content_type="image/png").json
    assert (found["mask"], found["content"]["id"]) == (names["content-mask"], names["content"])
