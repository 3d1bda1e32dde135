"""Style sheets and scripts, those of the reports among them, each with its fingerprint."""

import functools
from pathlib import Path

from flask import Blueprint, Response, abort

from style_transfer import files

HERE = Path(__file__).resolve().parent
TEMPLATES = HERE / "templates"
REPORTS = HERE.parent / "reports" / "templates"  # whose style and player this page shares
SHARED = ("page.css", "player.js")
TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
FOREVER = "private, max-age=31536000, immutable"

blueprint = Blueprint("assets", __name__)


@functools.cache
def read_all():
    """Return (bytes, type) of all assets by name."""
    paths = [REPORTS / name for name in SHARED]
    paths += [each for each in (HERE / "static").iterdir() if each.suffix in TYPES]
    return {path.name: (path.read_bytes(), TYPES[path.suffix]) for path in paths}


def address(name):
    """Return the address of an asset, which changes with its content."""
    data, _ = read_all()[name]
    return f"/assets/{files.sha256(data)[:8]}/{name}"


@blueprint.get("/assets/<fingerprint>/<name>")
def asset(fingerprint, name):
    """Send an asset."""
    if name not in read_all():
        abort(404)
    data, kind = read_all()[name]
    response = Response(data, mimetype=kind)
    if files.sha256(data).startswith(fingerprint):
        response.headers["Cache-Control"] = FOREVER
    return response
