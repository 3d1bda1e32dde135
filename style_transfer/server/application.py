"""The Flask application: its limits, its templates, what it says where something goes wrong."""

import datetime
import functools

from flask import Flask, jsonify, render_template, request
from jinja2 import ChoiceLoader, FileSystemLoader, StrictUndefined
from werkzeug.exceptions import HTTPException

from style_transfer import files
from style_transfer.errors import SettingsError
from style_transfer.server import assets, endpoints, pages
from style_transfer.server.forms import FormError
from style_transfer.server.ledger import QueueError, QuotaError
from style_transfer.server.security import Guard

MAX_BYTES = 24 * 2**20  # of a picture
MAX_BODY = MAX_BYTES * 4 // 3 + 2**16  # of one in base64, which is the largest request
STATUS = {  # of what the program raises
    FormError: 400,
    SettingsError: 400,
    files.FileError: 400,
    LookupError: 404,
    QueueError: 409,
    QuotaError: 507,
}
FULL = "The disk is full: free some space, then try again. Nothing is lost."
#: What is said of what Flask and Werkzeug refuse, where the library's own words help nobody.
SAID = {
    400: "The address is none of this server's: use the one that the terminal printed.",
    404: "There is no such page.",
    405: "That cannot be done here.",
    413: f"That is too large: {MAX_BYTES // 2**20} MB are the most. Save the picture smaller.",
}


def create(studio, *, token, hosts, port, samples, recipes, quota):
    """Make the application.

    Args:
        studio: a `Studio`.
        token: that opens the page.
        hosts: the names and addresses that this server goes by.
        port: that it listens at.
        samples: paths of pictures to try, by kind, `content` and `style`, and name.
        recipes: function from the name of a network's weights to recipes by name: settings by name.
        quota: bytes that all that is kept may take.
    """
    app = Flask("style_transfer", static_folder=None, template_folder=None)
    app.config.update(TRUSTED_HOSTS=list(hosts), MAX_CONTENT_LENGTH=MAX_BODY)
    app.jinja_env.loader = ChoiceLoader(
        [FileSystemLoader(each) for each in (assets.TEMPLATES, assets.REPORTS)]
    )
    app.jinja_env.undefined = StrictUndefined
    app.jinja_env.trim_blocks = True
    app.jinja_env.filters.update(clock=clock, bytes=write_bytes, date=write_date, day=write_day)
    app.jinja_env.filters.update(summary=pages.summarize)
    app.jinja_env.globals["asset"] = assets.address
    guard = Guard(token, port)
    app.extensions.update(studio=studio, guard=guard, samples=samples)
    app.extensions.update(recipes=recipes, quota=quota)
    guard.protect(app)
    for each in (pages.blueprint, endpoints.blueprint, assets.blueprint):
        app.register_blueprint(each)
    for kind, status in STATUS.items():
        app.register_error_handler(kind, functools.partial(answer, status=status))
    app.register_error_handler(HTTPException, answer_http)
    app.register_error_handler(OSError, answer_disk)
    return app


def answer(error, status):
    """Say what is wrong in a line, with a status; as JSON, or where a person looks, as a page."""
    message = str(error.args[0]) if isinstance(error, LookupError) else str(error)
    if "text/html" in request.headers.get("Accept", ""):
        return render_template("error.html", message=message, status=status), status
    return jsonify(error=message), status


def answer_disk(error):
    """Say that the disk is full; what else the system refuses is not the user's to mend."""
    if error.errno not in files.FULL:
        raise error
    return answer(ValueError(FULL), 507)


def answer_http(error):
    """Say in a line what Flask refuses, and why."""
    is_plain = error.description == type(error).description or error.code == 413
    message = SAID.get(error.code, error.description) if is_plain else error.description
    return answer(ValueError(message), error.code or 500)


def clock(seconds):
    """Write a duration for people: `8 s`, `1 min 20 s`, `2 h 5 min`."""
    seconds = max(1, round(seconds))
    if seconds < 90:
        return f"{seconds} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def write_bytes(count):
    """Write a number of bytes for people."""
    return f"{count / 1e9:.1f} GB" if count >= 1e8 else f"{count / 1e6:.0f} MB"


def write_day(seconds):
    """Write a moment in short: today the time, else the day."""
    moment = datetime.datetime.fromtimestamp(seconds)
    is_today = moment.date() == datetime.date.today()
    return moment.strftime("%H:%M" if is_today else "%d %b").removeprefix("" if is_today else "0")


def write_date(seconds):
    """Write a moment, given in seconds since 1970, for people."""
    return datetime.datetime.fromtimestamp(seconds).strftime("%d %b, %H:%M").lstrip("0")
