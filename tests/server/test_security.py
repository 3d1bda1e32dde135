"""Who may ask for what: each point of the list by requests as a browser, or an attacker, sends."""

import os
import stat

import pytest
from conftest import ROOT, call, paint, refused
from served import PORT, QUICK, TOKEN, Site, make_order

from style_transfer.server import security


@pytest.fixture
def site(tmp_path):
    return Site(tmp_path / "kept")


@pytest.fixture
def pair(site, content, style):
    return site.add(content), site.add(style)


@pytest.mark.parametrize("host", ["127.0.0.1:8000", "localhost:8000"])
def test_our_own_names_are_answered(site, host):
    site.browser.set_cookie(f"style-transfer-{PORT}", TOKEN, domain=host.partition(":")[0])
    assert site.get("/", host=host).status_code == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:8000",
        "127.0.0.1.nip.io:8000",
        "127.0.0.1@evil.example",
        "[::1]",
    ],
)
def test_a_foreign_host_is_refused(site, host):
    """As after DNS rebinding: the name of the attacker, the address of this machine."""
    headers = {"Host": host, "Cookie": f"style-transfer-{PORT}={TOKEN}"}
    for address in ("/", "/jobs", "/assets/x/page.css", f"/enter?token={TOKEN}", "/nothing"):
        answer = site.get(address, headers=headers)
        assert answer.status_code == 400, address
        assert "Set-Cookie" not in answer.headers


def test_without_the_token_nothing_is_told(site, pair):
    site.browser.delete_cookie(f"style-transfer-{PORT}", domain="127.0.0.1")
    for address in ("/", "/jobs", "/shelf", f"/pictures/{pair[0]}.jpg", "/samples/temple.jpg"):
        assert site.get(address).status_code == 403, address
    before = site.files()
    assert site.post("/jobs", make_order(*pair, **QUICK)).status_code == 403
    assert site.get("/enter?token=guess").status_code == 403
    assert site.get("/enter").status_code == 403
    assert site.files() == before


def test_the_token_becomes_a_cookie_that_scripts_and_other_sites_do_not_get(site):
    site.browser.delete_cookie(f"style-transfer-{PORT}", domain="127.0.0.1")
    cookie = site.get(f"/enter?token={TOKEN}").headers["Set-Cookie"]
    assert cookie.startswith(f"style-transfer-{PORT}={TOKEN};")
    for word in ("HttpOnly", "SameSite=Strict", "Path=/"):
        assert word in cookie
    assert "Domain" not in cookie
    assert site.get("/").status_code == 200


@pytest.mark.skipif(os.name == "nt", reason="Windows has other permissions")
def test_the_token_is_for_the_users_eyes_and_stays(tmp_path):
    token = security.read_token(tmp_path / ".token")
    assert stat.S_IMODE((tmp_path / ".token").stat().st_mode) == 0o600
    assert security.read_token(tmp_path / ".token") == token and len(token) >= 40
    assert security.read_token(tmp_path / "another") != token


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": None, "Origin": "null"},
        {"Sec-Fetch-Site": None, "Origin": "http://evil.example"},
        {"Sec-Fetch-Site": None, "Origin": "http://127.0.0.1:9000"},
        {"Sec-Fetch-Site": None, "Origin": None},
        {"Sec-Fetch-Site": "same-origin", "Origin": "null"},
    ],
)
def test_another_page_changes_nothing(site, pair, headers):
    identity = site.post("/jobs", make_order(*pair, **QUICK)).json["id"]
    before = site.files()
    asked = {
        ("POST", "/jobs"): make_order(*pair, **QUICK),
        ("POST", "/pictures"): {"sample": "cat"},
        ("POST", f"/jobs/{identity}/stop"): {},
        ("POST", "/queue/pause"): {},
        ("DELETE", f"/jobs/{identity}"): None,
    }
    for (method, address), values in asked.items():
        site.browser.environ_base.clear()
        answer = raw(site, method, address, values, headers)
        assert answer.status_code == 403, (address, answer.text)
    assert site.files() == before


def raw(site, method, address, values, headers):
    """Send a request with these headers and no others."""
    headers = {name: each for name, each in headers.items() if each is not None}
    return site.browser.open(
        address, method=method, json=values, headers=headers, base_url="http://127.0.0.1:8000"
    )


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"]
)
def test_what_a_form_can_send_is_refused(site, pair, kind):
    """A request of these kinds needs no leave: any page may send one."""
    before = site.files()
    for address in ("/jobs", "/pictures", "/queue/pause"):
        answer = site.open("POST", address, data=b"{}", content_type=kind)
        assert answer.status_code == 415
    assert site.files() == before


def test_every_answer_has_the_headers(site, pair):
    identity = site.post("/jobs", make_order(*pair, **QUICK)).json["id"]
    addresses = ["/", "/jobs", "/shelf", "/nothing", "/samples/cat.jpg", f"/jobs/{identity}"]
    addresses += [f"/pictures/{pair[0]}.jpg", f"/jobs/{identity}.json", "/assets/x/studio.js"]
    for address in addresses:
        headers = site.get(address).headers
        policy = dict(
            each.strip().partition(" ")[::2]
            for each in headers["Content-Security-Policy"].split(";")
        )
        assert policy["default-src"] == "'none'" and policy["frame-ancestors"] == "'none'"
        assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
        assert headers["X-Content-Type-Options"] == "nosniff", address
        assert headers["X-Frame-Options"] == "DENY"
        assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
        assert not any(name.startswith("Access-Control") for name, _ in headers), address


def test_no_page_has_a_script_or_a_style_of_its_own(site, pair):
    identity = site.post("/jobs", make_order(*pair, **QUICK)).json["id"]
    for address in ("/", f"/jobs/{identity}", "/shelf", f"/jobs/{identity}/easel"):
        page = site.get(address).text
        assert "style=" not in page and " onclick" not in page
        assert page.count("<script") == page.count('<script src="/assets/') + page.count(
            '<script type="module" src="/assets/'
        )


def test_names_of_pictures_are_text_and_never_paths(site, content, style):
    hostile = '../../<img src=x onerror="alert(1)">.png'
    ids = site.add(content), site.add(style)
    order = make_order(*ids, **QUICK)
    order["content"]["name"] = hostile
    identity = site.post("/jobs", order).json["id"]
    page = site.get(f"/jobs/{identity}").text
    assert "<img src=x" not in page and "&lt;img src=x" in page
    written = {path.relative_to(site.folder).as_posix() for path in site.files()}
    names = {f"pictures/{each}.{kind}" for each in ids for kind in ("png", "jpg")}
    assert written == names | {f"jobs/{identity}/job.json"}


@pytest.mark.parametrize(
    "address",
    [
        "/pictures/..%2f..%2fetc%2fpasswd.jpg",
        "/pictures/....jpg",
        "/jobs/..%2f..%2fetc%2fpasswd12.json",
        "/jobs/20260101-000000-aaaaaa/..%2f..%2fresult.png",
        "/assets/x/..%2fstudio.py",
        "/assets/x/report.html",
        "/samples/..%2f..%2fmain.jpg",
    ],
)
def test_no_address_leads_out_of_the_folder(site, address):
    assert site.get(address).status_code == 404


@pytest.mark.parametrize(
    "settings",
    [
        {"init": "/etc/passwd"},
        {"init": "~/.ssh/id_rsa"},
        {"init": str(ROOT / "data/input/cat.jpg")},
        {"weights": "/etc/passwd"},
        {"weights": "random"},
        {"content_mask": "alpha"},
        {"size": 100_000},
        {"size": "512"},
        {"size": True},
        {"epochs": 0},
        {"epochs": 100_000, "steps": 100_000},
        {"style_weight": float("nan")},
        {"style_layers": ["block1_conv1", {"a": 1}]},
        {"__class__": 1},
        {"blend": [0]},
        {"blend": "1"},
    ],
)
def test_settings_are_taken_by_a_list_of_what_is_allowed(site, pair, settings):
    before = site.files()
    for address in ("/jobs", "/estimate"):
        answer = site.post(address, make_order(*pair, **settings))
        if (
            address == "/jobs" or "epochs" not in settings
        ):  # an estimate may say that it is too long
            assert answer.status_code == 400 and len(answer.json["error"].splitlines()) == 1
    assert site.files() == before


def test_a_host_other_than_this_machine_is_told_what_it_means(tmp_path, begin):
    process = begin(tmp_path, "web", "--no-open", "--host", "0.0.0.0", "--name", "easel.lan")
    addresses = [process.stdout.readline()]
    while addresses[-1] and "easel.lan" not in addresses[-1]:
        addresses.append(process.stdout.readline())
    assert addresses[0].startswith("http://127.0.0.1:") and "token=" in addresses[0]
    process.terminate()
    _, errors = process.communicate(timeout=90)
    assert "other machines" in errors and "not encrypted" in errors
    assert addresses[-1].startswith("http://easel.lan:")
    assert "http://0.0.0.0" not in "".join(addresses)


def test_a_port_in_use_and_a_folder_in_use_are_refused(tmp_path, begin):
    first = begin(tmp_path, "web", "--no-open", "--output", "kept")
    port = first.stdout.readline().rpartition(":")[2].partition("/")[0]
    refused(call(tmp_path, "web", "--no-open", "-o", "kept"), "kept: is in use by another run")
    refused(call(tmp_path, "web", "--no-open", "-o", "other", "--port", port), "--port", port)
    paint(tmp_path / "file.png", 1)
    refused(call(tmp_path, "web", "--no-open", "-o", "file.png"), "file.png: is a file")
