"""What scripts ask for: pictures in, orders about, limits, and a line for each thing that fails."""

import base64
import errno
import io
import json
import sys

import numpy as np
import pytest
from conftest import paint
from PIL import Image, PngImagePlugin
from served import QUICK, Site, make_order

from style_transfer import files
from style_transfer.optimization import memory, room
from style_transfer.server import application, store
from style_transfer.server.ledger import LONGEST_QUEUE
from style_transfer.settings import FIELDS


@pytest.fixture
def site(tmp_path):
    return Site(tmp_path / "kept")


@pytest.fixture
def pair(site, content, style):
    return site.add(content), site.add(style)


def kept_pixels(site, identity):
    return np.asarray(Image.open(site.folder / "pictures" / f"{identity}.png"))


def test_a_picture_is_kept_upright_and_written_anew(site, tmp_path):
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8))
    exif = Image.Exif()
    exif[0x0112] = 6  # a quarter turn to the right
    exif[0x010E] = "a secret"
    path = tmp_path / "turned.png"
    picture.save(path, exif=exif)
    identity = site.add(path)
    data = (site.folder / "pictures" / f"{identity}.png").read_bytes()
    assert b"secret" not in data and b"eXIf" not in data
    np.testing.assert_array_equal(kept_pixels(site, identity), np.rot90(np.asarray(picture), -1))
    shown = site.get(f"/pictures/{identity}.jpg")
    assert shown.mimetype == "image/jpeg" and Image.open(io.BytesIO(shown.data)).size == (40, 60)
    assert b"secret" not in shown.data


def test_what_is_sent_is_never_what_is_served(site):
    """A picture that is a page as well: its text is gone."""
    buffer = io.BytesIO()
    Image.new("RGB", (64, 64), "red").save(buffer, "PNG")
    polyglot = buffer.getvalue() + b"<script>alert(1)</script>"
    sent = site.open("POST", "/pictures", data=polyglot, content_type="image/png")
    assert sent.status_code == 201
    assert all(b"<script>" not in data for data in site.files().values())


def test_the_same_picture_is_kept_once_also_as_a_data_url(site, content):
    identity = site.add(content)
    text = base64.b64encode(content.read_bytes()).decode()
    sent = site.post("/pictures", {"data": f"data:image/png;base64,{text}"})
    assert (sent.status_code, sent.json["id"]) == (201, identity)
    assert (sent.json["width"], sent.json["height"]) == (64, 48)
    assert len(list((site.folder / "pictures").glob("*.png"))) == 1


def test_a_sample_is_chosen_by_name(site):
    sent = site.post("/pictures", {"sample": "temple"})
    assert sent.json["name"] == "temple" and sent.json["width"] > 100
    assert site.post("/pictures", {"sample": "../main"}).status_code == 404


def test_a_huge_picture_is_made_smaller(site, tmp_path, monkeypatch):
    monkeypatch.setattr(store, "MAX_SIDE", 128)
    identity = site.add(paint(tmp_path / "large.png", 1, (200, 100)))
    assert kept_pixels(site, identity).shape == (64, 128, 3)


def bomb():
    """A PNG of a few kilobytes that claims 900 megapixels."""
    data = io.BytesIO()
    Image.new("1", (30_000, 30_000)).save(data, "PNG")
    return data.getvalue()


@pytest.mark.parametrize(
    ("data", "word"),
    [
        (b"", "not a picture"),
        (b"GIF89a", "not a picture"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "not a picture"),
        (bomb, "megapixels"),
    ],
)
def test_what_is_no_picture_ends_in_one_line(site, data, word):
    data = data() if callable(data) else data
    sent = site.open("POST", "/pictures?name=a.png", data=data, content_type="image/png")
    assert sent.status_code == 400 and word in sent.json["error"]
    assert site.files() == {}


def test_an_upload_of_60_megabytes_is_refused(site):
    data = b"\x89PNG" + bytes(60 * 2**20)
    sent = site.open("POST", "/pictures", data=data, content_type="image/png")
    assert sent.status_code == 413 and "24 MB" in sent.json["error"]
    assert site.files() == {}


def test_json_that_is_no_picture_is_small(site, pair):
    values = make_order(*pair, **QUICK) | {"more": "x" * 2**19}
    assert site.post("/jobs", values).status_code == 413


def test_a_full_disk_is_said_and_nothing_is_lost(site, pair, content, monkeypatch):
    before = site.files()

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device", "somewhere")

    monkeypatch.setattr(files, "write", full)
    for answer in (
        site.post("/jobs", make_order(*pair, **QUICK)),
        site.open("POST", "/pictures", data=content.read_bytes(), content_type="image/png"),
    ):
        assert answer.status_code == 507 and "disk is full" in answer.json["error"]
    assert site.files() == before
    assert site.get("/jobs").json["jobs"] == []


def test_a_history_that_is_too_large_asks_to_be_thinned_out(tmp_path, content, style):
    site = Site(tmp_path / "kept", quota=1000)
    order = make_order(site.add(content), site.add(style), **QUICK)
    answer = site.post("/jobs", order)
    assert answer.status_code == 507 and "remove old pictures" in answer.json["error"]


def test_the_queue_has_an_end(site, pair):
    order = make_order(*pair, **QUICK)
    for _ in range(LONGEST_QUEUE):
        assert site.post("/jobs", order).status_code == 201
    before = site.files()
    answer = site.post("/jobs", order)
    assert answer.status_code == 409 and str(LONGEST_QUEUE) in answer.json["error"]
    assert site.files() == before


def test_the_queue_is_reordered_and_thinned_out(site, pair):
    ids = [site.post("/jobs", make_order(*pair, **QUICK)).json["id"] for _ in range(3)]

    def queue():
        return [each["id"] for each in site.get("/jobs").json["jobs"]]

    assert queue() == ids
    assert site.post(f"/jobs/{ids[2]}/move", {"by": -1}).status_code == 200
    assert queue() == [ids[0], ids[2], ids[1]]
    assert site.post(f"/jobs/{ids[0]}/move", {"by": -1}).status_code == 409
    assert site.post(f"/jobs/{ids[0]}/move", {"by": 5}).status_code == 400
    assert site.open("DELETE", f"/jobs/{ids[2]}").status_code == 204
    assert queue() == [ids[0], ids[1]]
    assert site.get(f"/jobs/{ids[2]}.json").status_code == 404
    assert not (site.folder / "jobs" / ids[2]).exists()
    assert Site(site.folder).get("/jobs").json["jobs"] == site.get("/jobs").json["jobs"]


def test_the_list_is_sent_only_when_it_has_changed(site, pair):
    site.post("/jobs", make_order(*pair, **QUICK))
    tag = site.get("/jobs").headers["ETag"]
    assert site.get("/jobs", headers={"If-None-Match": tag}).status_code == 304
    site.post("/jobs", make_order(*pair, **QUICK))
    assert site.get("/jobs", headers={"If-None-Match": tag}).status_code == 200


def test_an_order_holds_what_was_asked_for(site, pair, tmp_path):
    third = site.add(paint(tmp_path / "third.png", 3))
    order = make_order(*pair, style_weight=55.5, content_layers=["block3_conv1"], **QUICK)
    order["styles"] = [{"id": pair[1], "share": 0.25}, {"id": third, "share": 0.75}]
    identity = site.post("/jobs", order).json["id"]
    held = json.loads((site.folder / "jobs" / identity / "job.json").read_text())
    settings = {name: FIELDS[name].default for name in FIELDS} | QUICK
    settings |= {"style_weight": 55.5, "content_layers": ["block3_conv1"], "blend": [0.25, 0.75]}
    assert held["settings"] == json.loads(json.dumps(settings))
    assert held["styles"] == [pair[1], third]


def test_of_one_pass_only_what_it_uses_is_kept(site, pair):
    order = make_order(*pair, "instant", strength="0.4", style_weight=99.0)
    identity = site.post("/jobs", order).json["id"]
    held = json.loads((site.folder / "jobs" / identity / "job.json").read_text())
    assert held["settings"]["strength"] == "0.4"
    assert held["settings"]["style_weight"] == FIELDS["style_weight"].default


def test_a_damaged_job_is_left_out_and_the_others_stay(site, pair):
    ids = [site.post("/jobs", make_order(*pair, **QUICK)).json["id"] for _ in range(2)]
    path = site.folder / "jobs" / ids[0] / "job.json"
    good = json.loads(path.read_text())
    for bad in ("", "{", "[]", json.dumps(good | {"content": "../../x"}), json.dumps({"id": 1})):
        path.write_text(bad)
        assert [each["id"] for each in Site(site.folder).get("/jobs").json["jobs"]] == ids[1:]


def test_a_job_for_pictures_that_are_gone_is_refused(site, pair):
    (site.folder / "pictures" / f"{pair[0]}.png").unlink()
    answer = site.post("/jobs", make_order(*pair, **QUICK))
    assert answer.status_code == 404 and "choose it again" in answer.json["error"]


def test_an_estimate_grows_with_the_work_and_says_what_is_too_much(site, pair, monkeypatch):
    def estimate(**settings):
        return site.post("/estimate", make_order(*pair, **settings)).json

    small, large = (estimate(size=size, enlarge=True) for size in (256, 512))
    assert (large["width"], large["height"]) == (512, 384)
    assert large["seconds"] > 2 * small["seconds"] and large["memory"] > small["memory"]
    assert not small["problem"]
    assert "days" in estimate(epochs=10_000, steps=1000, size=512, enlarge=True)["problem"]
    instant = site.post("/estimate", make_order(*pair, "instant", size=512)).json
    assert instant["seconds"] < large["seconds"] / 4
    monkeypatch.setattr(memory, "available", lambda: 1e6)
    assert "GB of memory" in estimate(size=4096, enlarge=True)["problem"]
    answer = site.post("/jobs", make_order(*pair, size=4096, enlarge=True))
    assert answer.status_code == 400 and "choose a smaller size" in answer.json["error"]


def test_an_estimate_knows_that_what_does_not_fit_at_once_goes_in_blocks(site, pair, monkeypatch):
    def estimate(way, free):
        monkeypatch.setattr(memory, "available", lambda: free)
        order = make_order(*pair, way, size=4096, enlarge=True)
        return site.post("/estimate", order).json

    monkeypatch.setattr(memory, "resident", lambda: memory.LIBRARIES)
    for way, little in (("painted", 6e9), ("instant", 4e9)):
        whole, parts = estimate(way, 1e12), estimate(way, little)
        assert whole["block"] is None and whole["memory"] > parts["available"] >= parts["memory"]
        assert 0 < parts["block"] < 4096 and parts["seconds"] > 1.05 * whole["seconds"]
        assert parts["available"] == room.find_budget("auto")  # as what paints finds it
        assert whole["problem"] == parts["problem"] == ""
    assert "at most" in estimate("painted", 1e9)["problem"]


def test_every_recipe_comes_with_all_that_it_sets(site):
    values = site.get("/recipes/gatys2016?weights=compact").json
    assert (values["init"], values["pooling"], values["style_weight"]) == ("noise", "avg", 1e7)
    assert values["learning_rate"] == FIELDS["learning_rate"].default
    assert site.get("/recipes/none").json["style_weight"] == FIELDS["style_weight"].default
    assert site.get("/recipes/other").status_code == 404


def make_result(path, **changed):
    """Write a picture that says it was made by this program, with a record of the test's own."""
    inputs = {role: {"path": "/etc/passwd", "sha256": "0" * 64} for role in ("content", "style")}
    settings = {name: field.default for name, field in FIELDS.items()} | {"style_weight": 77.0}
    record = {
        "settings": settings,
        "inputs": inputs,
        "weights": {"name": "any", "sha256": "0" * 64},
        "size": [64, 48],
        "versions": {},
        "terms": [],
    } | changed
    info = PngImagePlugin.PngInfo()
    info.add_itxt("Settings", json.dumps(record))
    Image.new("RGB", (64, 48)).save(path, pnginfo=info)
    return record


def send_result(site, path):
    data = path.read_bytes()
    return site.open("POST", "/pictures/settings", data=data, content_type="image/png")


def test_a_dropped_result_opens_no_file_that_it_names(site, tmp_path, monkeypatch):
    record = make_result(tmp_path / "result.png")
    names = {"init": "/etc/passwd", "weights": "/etc/shadow"}
    make_result(tmp_path / "paths.png", settings=record["settings"] | names)
    opened = []
    sys.addaudithook(lambda event, values: event == "open" and opened.append(str(values[0])))
    for name, missing in (("result.png", set()), ("paths.png", {"init", "weights"})):
        answer = send_result(site, tmp_path / name)
        assert answer.status_code == 200, answer.text
        assert (answer.json["content"], answer.json["styles"]) == (None, [])
        assert answer.json["settings"]["style_weight"] == 77.0
        assert FIELDS.keys() - answer.json["settings"].keys() == missing | {"blend"}
        assert "/etc" not in answer.text
    assert opened and not [each for each in opened if each.startswith("/etc/")]


@pytest.mark.parametrize("settings", [{"size": "512"}, {"style_weight": -1}, {"steps": 10**400}])
def test_a_dropped_result_of_nonsense_is_refused(site, tmp_path, settings):
    record = make_result(tmp_path / "result.png")
    make_result(tmp_path / "result.png", settings=record["settings"] | settings)
    answer = send_result(site, tmp_path / "result.png")
    assert answer.status_code == 400 and "record" in answer.json["error"]
    assert str(tmp_path) not in answer.text and "/tmp/" not in answer.text


def test_a_dropped_picture_of_another_command_is_said_to_be_one(site, tmp_path):
    inputs = {"content": {"path": "a.png", "sha256": "0" * 64}}
    make_result(tmp_path / "dream.png", inputs=inputs, command="dream", choices={})
    answer = send_result(site, tmp_path / "dream.png")
    assert answer.status_code == 400 and "made by dream" in answer.json["error"]
    inputs |= dict.fromkeys(("style", "content mask", "style mask"), inputs["content"])
    make_result(tmp_path / "masks.png", inputs=inputs)
    answer = send_result(site, tmp_path / "masks.png")
    assert answer.json["styles"] == [] and "masks of its paintings" in answer.json["notice"]


def test_a_picture_without_a_record_has_no_settings(site, content):
    answer = send_result(site, content)
    assert answer.status_code == 400 and "record of settings" in answer.json["error"]


def test_an_error_is_a_page_for_a_person_and_a_line_for_a_script(site):
    page = site.get("/jobs/20260101-000000-aaaaaa", headers={"Accept": "text/html"})
    assert page.status_code == 404 and "<h1>" in page.text and "removed" in page.text
    assert "removed" in site.get("/jobs/20260101-000000-aaaaaa.json").json["error"]
    assert application.SAID[404] == site.get("/nothing").json["error"]
