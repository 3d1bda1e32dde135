"""The page: what to paint, the easel with one order on it, the queue and the history."""

import shlex

from flask import Blueprint, abort, current_app, jsonify, make_response, render_template, request

from style_transfer.feedforward.used import USED
from style_transfer.networks import weights
from style_transfer.reports import frames, provenance
from style_transfer.runs import record as records
from style_transfer.server import forms
from style_transfer.server.endpoints import ORDER, conditional, list_pictures, studio
from style_transfer.server.orders import INSTANT, PAINTED, RUNNING, WAITING
from style_transfer.settings import FIELDS, VERSION, Settings

SIZES = (256, 384, 512, 768, 1024, 1536, 2048)
#: Settings that the page shows at once; `blend` is by the paintings; the others are under a fold.
FRONT = ("size", "strength", "style_weight", "style_scale", "tv_weight", "preserve_color", "blend")
#: What people call those of them that tell two orders for the same pictures apart.
MOVED = {
    "strength": "strength",
    "style_weight": "strength",
    "style_scale": "brush",
    "tv_weight": "smoothness",
    "preserve_color": "colors",
    "epochs": "epochs",
}
RECENT = 60  # orders of the history that are shown unless all are asked for

blueprint = Blueprint("pages", __name__)


@blueprint.get("/enter")
def enter():
    """Let in who has the token, with a cookie, and send them on from a page of our own.

    Not by a redirect: where the address was opened from another page or a file, the browser would
    not send the new cookie along.
    """
    guard = current_app.extensions["guard"]
    if not guard.matches(request.args.get("token", "")):
        abort(403, "Open the address that the terminal printed: it has the key to this page.")
    return guard.let_in(make_response(render_template("enter.html")))


@blueprint.get("/")
def home():
    """Show the page with nothing on the easel."""
    return show(None)


@blueprint.get(ORDER)
def show_order(identity):
    """Show the page with an order on the easel, and its pictures and settings in the form."""
    return show(studio().ledger.get(identity))


def show(order):
    """Show the page."""
    settings = order.settings if order else Settings()
    pictures = list_pictures(order) if order else {"content": None, "styles": [], "mask": ""}
    return render_template(
        "studio.html",
        order=order,
        version=VERSION,
        way=order.way if order else INSTANT,
        values=forms.describe_settings(settings),
        pictures=pictures,
        fields=FIELDS,
        front=FRONT,
        in_one_pass=USED,
        named=forms.NAMED,
        sizes=sorted({*SIZES, settings.size}),
        samples=current_app.extensions["samples"],
        offers=studio().list_offers(),
        model=order.model if order else "",
        recipes=sorted(current_app.extensions["recipes"]("compact")),
        **on_easel(order) | on_shelf(order and order.id),
    )


@blueprint.get(f"{ORDER}/easel")
def easel(identity):
    """Send what the easel shows of an order."""
    order = studio().ledger.get(identity)
    return render_template("easel.html", order=order, **on_easel(order))


@blueprint.get("/shelf")
def shelf():
    """Send the queue and the history."""
    current = request.args.get("current", "")
    return conditional(make_response(render_template("shelf.html", **on_shelf(current))))


@blueprint.get("/models")
def models():
    """Send the choice of trained networks."""
    return render_template("models.html", offers=studio().list_offers(), model="")


@blueprint.get("/recipes/<name>")
def recipe(name):
    """Send the settings of a recipe for the network that is to paint; of `none`, the defaults."""
    network = request.args.get("weights", "auto")
    if network not in forms.NAMED["weights"]:
        abort(404)
    recipes = {"none": {}} | current_app.extensions["recipes"](weights.resolve(network))
    if name not in recipes:
        raise LookupError("there is no such recipe")
    values = {each: field.default for each, field in FIELDS.items()} | recipes[name]
    return jsonify({each: forms.to_json(value) for each, value in values.items()})


def on_easel(order):
    """Return what the easel shows of an order besides itself."""
    if order is None:
        return {}
    store, folder = studio().store, studio().store.place(order.id)
    taken, size = store.frames(order), store.result_size(order)
    return {
        "place": studio().ledger.place_of(order),
        "is_ready": studio().is_ready,
        "is_paused": studio().is_paused,
        "epochs": [frames.epoch_of(each) for each in taken],
        "size": size,
        "extent": size or find_extent(order.content),
        "can_continue": order.way == PAINTED and store.can_continue(order),
        "files": [name for name in ("progress.gif", "report.html") if (folder / name).is_file()],
        "command": list_words(order),
        "changed": [
            provenance.explain(name, value)
            for name, value in locate_settings(order).items()
            if provenance.is_changed(name, value)
        ],
    }


def summarize(order):
    """Say in a line what an order asks for: its size, and what was moved on the front."""
    moved = (name for name in MOVED if name in USED or order.way == PAINTED)
    values = ((name, getattr(order.settings, name)) for name in moved)
    changed = [
        f"{MOVED[name]} {value:g}" if isinstance(value, (int, float)) else f"{MOVED[name]} {value}"
        for name, value in values
        if value != FIELDS[name].default
    ]
    return ", ".join([f"{order.settings.size} px", *changed])


def find_extent(identity):
    """Return (width, height) of a photo; of one that is gone, what it may have been."""
    return studio().store.size(identity) if studio().store.has(identity) else (3, 2)


def locate_settings(order):
    """Return the settings of an order by name, as the command line takes them."""
    settings = forms.list_settings(order.settings)
    return settings | ({"init": str(studio().store.path(order.init))} if order.init else {})


def list_words(order):
    """List the words, quoted, of the command that makes the picture of an order again."""
    roles = ["content", "style", *(f"style {number}" for number in range(2, len(order.names)))]
    paths = [studio().store.path(each) for each in (order.content, *order.styles)]
    settings = locate_settings(order)
    if order.way == INSTANT:
        settings = {name: settings[name] for name in USED}
    inputs = {role: {"path": str(path)} for role, path in zip(roles, paths)}
    offer = studio().list_offers().get(order.model)
    if offer and offer.thumbnail:
        inputs = {"content": inputs["content"]}
        settings["blend"] = ()
    if order.mask:
        inputs[records.MASK] = {"path": str(studio().store.path(order.mask))}
    python, main, *rest = provenance.list_words({"inputs": inputs, "settings": settings})
    words = [python, main, *(["apply"] if order.way == INSTANT else []), *rest]
    return words + (list_model_words(offer) if offer else [])


def list_model_words(offer):
    """List the words, quoted, that name a trained network and its style."""
    index = [] if offer.count < 2 else ["--style-index", str(offer.index + 1)]
    return ["--model", shlex.quote(str(offer.path)), *index]


def on_shelf(current):
    """Return what the queue and the history show."""
    ended, used = studio().ledger.ended(), studio().store.count_bytes()
    return {
        "current": current,
        "running": studio().ledger.listed(RUNNING),
        "waiting": studio().ledger.listed(WAITING),
        "ended": ended if "all" in request.args else ended[:RECENT],
        "count": len(ended),
        "oldest": [each.id for each in ended[-5:]],
        "is_paused": studio().is_paused,
        "used": used,
        "quota": current_app.extensions["quota"],
    }
