"""What scripts ask for: pictures in, orders in and about, files out."""

import base64
import binascii
import dataclasses
import functools
import io

from flask import Blueprint, Response, abort, current_app, jsonify, request, send_file
from PIL import Image

from style_transfer import files
from style_transfer.reports import frames
from style_transfer.runs.inputs import Inputs
from style_transfer.server import estimates, forms, security, store
from style_transfer.server.forms import FormError
from style_transfer.server.ledger import QueueError, QuotaError
from style_transfer.server.orders import FINISHED, INSTANT, PICTURE, RUNNING, WAITING
from style_transfer.server.progress import draw_curve, read_rows

SMALL_BODY = 2**18  # bytes of JSON that is no picture
FOREVER = "private, max-age=31536000, immutable"
THUMBNAILS = 300  # of results that are kept in memory
ORDER = "/jobs/<string(length=22):identity>"
DOWNLOADS = {"result.png": "image/png", "progress.gif": "image/gif", "report.html": "text/html"}

blueprint = Blueprint("endpoints", __name__)


def studio():
    """Return the `Studio`."""
    return current_app.extensions["studio"]


def read_json():
    """Return the table that the request's body is."""
    request.max_content_length = SMALL_BODY
    return forms.parse_json(request.get_data())


# Pictures.


@blueprint.post("/pictures")
def add_picture():
    """Keep a picture: the body of the request, or a data URL in JSON, or the name of a sample."""
    name, data = read_picture()
    kept = studio().store.keep(name, data)
    return jsonify(dataclasses.asdict(kept) | {"name": forms.clean(name)}), 201


def read_picture():
    """Return (name, bytes) of the picture that the request brings."""
    name = request.args.get("name", "")[: forms.LONGEST_NAME] or "the picture"
    if request.mimetype.startswith("image/"):
        return name, request.get_data()
    values = forms.parse_json(request.get_data())
    if "sample" in values:
        return read_sample(str(values["sample"]))
    head, _, text = str(values.get("data", "")).partition(";base64,")
    if not head.startswith("data:image/"):
        raise FormError("send a picture, or a data URL of one")
    try:
        return name, base64.b64decode(text, validate=True)
    except binascii.Error:
        raise FormError("the data URL is damaged") from None


def read_sample(name):
    """Return (name, bytes) of one of the samples."""
    for paths in current_app.extensions["samples"].values():
        if name in paths:
            return paths[name].name, paths[name].read_bytes()
    raise LookupError("there is no such sample")


@blueprint.get("/samples/<name>.jpg")
def sample(name):
    """Send a sample, small."""
    return send_bytes(small_sample(*read_sample(name)), "image/jpeg")


@functools.lru_cache(maxsize=20)
def small_sample(_name, data):
    """Return a picture of bytes as a small JPEG."""
    return store.make_thumbnail(Image.open(io.BytesIO(data)), (160, 160))


@blueprint.get("/pictures/<identity>.jpg")
def picture(identity):
    """Send a picture that is kept, small."""
    path = studio().store.picture(identity).with_suffix(".jpg")
    return send_bytes(path.read_bytes(), "image/jpeg")


@blueprint.post("/pictures/settings")
def read_settings():
    """Return the settings that a result carries, and which of its pictures are still kept."""
    found = forms.read_result(request.get_data(), studio().store, studio().list_offers())
    shares = found["settings"].pop("blend") or [1.0] * len(found["styles"])
    styles = [describe_picture(each, share) for each, share in zip(found["styles"], shares) if each]
    content = found["content"] and describe_picture(found["content"])
    return jsonify(found | {"content": content, "styles": styles})


def list_pictures(order):
    """Return what the form knows of an order's pictures; None for a photo that is gone."""
    kept, blend = studio().store, order.settings.blend
    shares = blend if len(blend) == len(order.styles) > 1 else (1.0,) * len(order.styles)
    styles = [
        describe_picture(each, share) for each, share in zip(order.styles, shares) if kept.has(each)
    ]
    content = describe_picture(order.content) if kept.has(order.content) else None
    mask = order.mask if order.mask and kept.has(order.mask) else ""
    return {"content": content, "styles": styles, "mask": mask}


def describe_picture(identity, share=1.0):
    """Return what the form knows of a picture that is kept."""
    width, height = studio().store.size(identity)
    facts = {"id": identity, "width": width, "height": height}
    return facts | {"name": studio().ledger.name_of(identity), "share": share}


def send_bytes(data, kind):
    """Send what never changes."""
    return Response(data, mimetype=kind, headers={"Cache-Control": FOREVER})


# Orders.


@blueprint.post("/estimate")
def estimate():
    """Say what a picture would cost."""
    return jsonify(dataclasses.asdict(find_estimate(read_order())))


def read_order():
    """Return what `Studio.submit` takes, of the request."""
    return forms.read_order(read_json(), studio().list_offers(), keep_thumbnail)


def keep_thumbnail(offer):
    """Keep the picture of a trained style; return what an order's `styles` have of it."""
    data = store.encode(offer.thumbnail.copy(), "PNG")
    return {"id": studio().store.keep(offer.title, data).id, "name": f"{offer.title}.png"}


def find_estimate(values):
    """Return the `Estimate` of an order that is about to be given."""
    kept = studio().store
    settings = values["settings"]
    others = {"init": settings.init, "content_mask": values["mask"]}
    more = {role: kept.size(each) for role, each in others.items() if PICTURE.fullmatch(each)}
    content, styles = kept.size(values["content"]), tuple(map(kept.size, values["styles"]))
    if more.get("content_mask", content) != content:
        raise FormError("the mask has not the size of the photo; paint it again")
    sizes = Inputs(content, styles, **more)
    finished = studio().ledger.finished()
    if values["model"]:  # the shares are of what the network knows
        settings = dataclasses.replace(settings, blend=())
    return estimates.estimate(values["way"], sizes, settings, finished, kept)


@blueprint.post("/jobs")
def add_order():
    """Put an order into the queue."""
    values = read_order()
    if problem := find_estimate(values).problem:
        raise FormError(f"This {problem}.")
    used, quota = studio().store.count_bytes(), current_app.extensions["quota"]
    if used > quota:
        raise QuotaError(
            f"The history takes {used / 1e9:.1f} GB, and {quota / 1e9:.1f} GB are the most: "
            "remove old pictures at the bottom of the page."
        )
    order = studio().submit(**values)
    return jsonify(describe(order)), 201


@blueprint.get("/jobs")
def list_orders():
    """List all orders: those under way, those that wait, those that have ended."""
    every = [describe(each) for each in studio().ledger.listed(RUNNING, WAITING)]
    every += [describe(each) for each in studio().ledger.ended()]
    return conditional(jsonify(paused=studio().is_paused, jobs=every))


@blueprint.get(f"{ORDER}.json")
def show_order(identity):
    """Say where an order stands."""
    order, stood = studio().ledger.get(identity), studio().progress.get(identity)
    if not stood:
        return conditional(jsonify(describe(order, with_curve=True)))
    # Asked for again and again by each page that is open: written once for each event.
    state = order, stood.heard, identity in studio().stopping
    if stood.told is None or stood.told[0] != state:
        stood.told = state, *write_json(describe(order, with_curve=True))
    _, data, fingerprint = stood.told
    response = Response(data, mimetype="application/json")
    response.set_etag(fingerprint)
    return response.make_conditional(request)


def write_json(values):
    """Return (bytes, fingerprint) of values as JSON."""
    data = current_app.json.dumps(values).encode()
    return data, files.sha256(data)[:16]


def describe(order, *, with_curve=False):
    """Return what scripts are told of an order."""
    place = studio().ledger.place_of(order)
    facts = {name: getattr(order, name) for name in ("id", "title", "way", "state", "error")}
    stood = studio().progress.get(order.id)
    facts |= {"paused": studio().is_paused} if place else {}
    facts |= {"place": place, "stopping": order.id in studio().stopping}
    facts |= {"frame": studio().store.last_epoch(order)}
    if not stood:
        if with_curve:
            rows = read_rows(studio().store.place(order.id))
            facts["curve"] = draw_curve(rows, len(rows) - 1)
        return facts
    shown = ("phase", "epoch", "epochs", "step", "steps", "seconds_left", "pace")
    facts |= {name: getattr(stood, name) for name in shown}
    facts["terms"], rows = [*stood.terms, "total"], list(stood.rows)
    facts["losses"] = rows[-1] if rows else []
    if with_curve:
        facts["curve"] = draw_curve(rows, stood.step)
    return facts


def conditional(response):
    """Let a browser that has an answer already keep it."""
    response.add_etag()
    return response.make_conditional(request)


@blueprint.post(f"{ORDER}/start")
def start_from(identity):
    """Say from what a painting goes on that is to begin with an order of one pass.

    What a trained network made is kept among the pictures; the other network's is made anew by the
    painting itself.
    """
    order, kept = studio().ledger.get(identity), studio().store
    if order.way != INSTANT or order.state != FINISHED:
        raise QueueError("that picture is no finished one of one pass")
    for each in order.pictures:
        kept.picture(each)
    settings = {}
    if order.model:
        start = kept.keep(order.title, kept.result(order).read_bytes())
        settings = {"init": start.id} | forms.GOES_ON
    return jsonify(list_pictures(order) | {"settings": settings})


@blueprint.post(f"{ORDER}/<any(stop, resume, move):action>")
def change_order(identity, action):
    """Stop an order, let it go on, or move it in the queue."""
    values = read_json()
    number = values.get({"resume": "epochs", "move": "by"}.get(action))
    order = studio().ledger.get(identity)
    if action == "stop":
        studio().stop(identity)
    elif action == "move" and number in (-1, 1):
        studio().ledger.move(identity, number)
    elif action == "resume":
        epochs = order.settings.epochs if number is None else number
        given = forms.list_settings(order.settings) | {"epochs": epochs}
        settings = forms.read_settings(given, order.way)
        if settings.epochs < order.settings.epochs:
            raise FormError("epochs: there are more already")
        studio().resume(identity, settings.epochs)
    else:
        raise FormError("by: -1 moves up, 1 moves down")
    return jsonify(describe(studio().ledger.get(identity)))


@blueprint.delete(ORDER)
def remove_order(identity):
    """Remove an order with all that was painted for it."""
    studio().remove(identity)
    return "", 204


@blueprint.post("/queue/<any(pause, go):action>")
def change_queue(action):
    """Pause the queue, or let it go on."""
    (studio().pause if action == "pause" else studio().go)()
    return jsonify(paused=studio().is_paused)


# Files of orders.


@blueprint.get(f"{ORDER}/frames/<int:epoch>.png")
def frame(identity, epoch):
    """Send the snapshot of an epoch."""
    taken = studio().store.frames(studio().ledger.get(identity))
    found = [each for each in taken if frames.epoch_of(each) == epoch]
    if not found:
        abort(404)
    return send_file(found[0].resolve(), mimetype="image/png", conditional=True)


@blueprint.get(f"{ORDER}/picture.jpg")
def order_thumbnail(identity):
    """Send what an order has of its picture, small; before there is anything, the photo."""
    order = studio().ledger.get(identity)
    kept = studio().store
    path = kept.result(order) or kept.picture(order.content)
    data = small_picture(path, path.stat().st_mtime_ns)
    return conditional(Response(data, mimetype="image/jpeg"))


@functools.lru_cache(maxsize=THUMBNAILS)
def small_picture(path, _changed):
    """Return a file as a small JPEG."""
    return store.make_thumbnail(frames.read(path), (360, 360))


@blueprint.get(f"{ORDER}/<any('result.png', 'progress.gif', 'report.html'):name>")
def download(identity, name):
    """Send a file of an order: to be looked at, or to be saved."""
    order = studio().ledger.get(identity)
    path = studio().store.place(identity) / name
    if name == "result.png":
        path = studio().store.result(order)
    if path is None or not path.is_file():
        abort(404)
    title = f"{'-'.join(order.names)}{path.suffix}" if name != "report.html" else name
    response = send_file(
        path.resolve(),
        mimetype=DOWNLOADS[name],
        as_attachment="save" in request.args,
        download_name=title,
        conditional=True,
    )
    if name == "report.html":
        response.headers["Content-Security-Policy"] = security.write_policy(security.REPORT)
    return response
