"""`python main.py web`: a page in the browser."""

import contextlib
import functools
import logging
import os
import secrets
import signal
import socket
import sys
import threading
import webbrowser
from pathlib import Path

import click

from style_transfer import files
from style_transfer.commands import config
from style_transfer.commands.console import Console
from style_transfer.commands.options import CONTEXT, RUN, Command, Option
from style_transfer.commands.playing import choose_backend
from style_transfer.settings import COMMON, FIELDS

HELP = """Paint in the browser: choose a photo and a painting, and press Predict.

\b
Examples:
  python main.py web
  python main.py web --port 9000 --no-open

Prints an address with a key in it, and opens it. Only this machine is answered, and nothing is
asked of any other. Ctrl-C ends it; what is being painted goes on with the next start.
"""
OUTPUT = Path("data/output/web")
MODELS = Path("data/output")  # where train writes them
PORT, PORTS = 8000, 20  # the first one that is tried, and how many
LOCAL = ("127.0.0.1", "localhost")
THREADS = 8
SAMPLES = Path(__file__).resolve().parents[2] / "data" / "input"
PAINTINGS = ("night_strokes", "waves", "circles")  # among the samples
TOGETHER = 2**16  # bytes; waitress would send the head of each answer alone: twice the work
MAX_WAITING = 60  # seconds for a client to send or take something


@click.command(
    "web",
    cls=Command,
    help=HELP,
    short_help="A page in the browser.",
    context_settings=CONTEXT,
    params=[
        Option(
            "--port",
            section=COMMON,
            type=click.IntRange(1, 65535),
            help=f"The port.  [default: the first free one from {PORT}]",
        ),
        Option(
            "--host",
            section=COMMON,
            default=LOCAL[0],
            show_default=True,
            help="The address to listen at; 0.0.0.0 lets other machines in, who know the key.",
        ),
        Option(
            "--name",
            section=COMMON,
            multiple=True,
            metavar="HOST",
            help="Another name that this machine is called by, with --host.",
        ),
        Option(
            "-o",
            "--output",
            section=COMMON,
            metavar="DIR",
            default=str(OUTPUT),
            show_default=True,
            help="Folder of the pictures and of what is painted.",
        ),
        Option(
            "--models",
            section=COMMON,
            metavar="DIR",
            default=str(MODELS),
            show_default=True,
            help="Folder of .style files that train wrote: the page offers them.",
        ),
        Option(
            "--disk",
            section=RUN,
            type=click.FloatRange(min=0.1),
            default=5.0,
            show_default=True,
            metavar="GB",
            help="How much that folder may hold before the page asks to remove something.",
        ),
        Option("--no-open", section=RUN, is_flag=True, help="Do not open the browser."),
    ],
)
def command(port, host, name, output, models, disk, no_open):
    """Serve the page until Ctrl-C."""
    folder = Path(output)
    make_folder(folder)
    choose_backend()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with files.Lock(folder / ".lock"), listen(host, port) as listener:
        port = listener.getsockname()[1]
        hosts = list_hosts(host, name)
        serve(folder, listener, hosts, disk * 1e9, models=Path(models), shows=not no_open)


def make_folder(folder):
    """Make the folder of the server, or say why it cannot be."""
    from style_transfer.runs.folder import check_writable

    check_writable(folder)
    folder.mkdir(parents=True, exist_ok=True)


def listen(host, port):
    """Return a socket that listens; where no port was named, at the first that is free."""
    ports = [port] if port else range(PORT, PORT + PORTS)
    for each in ports:
        listener = socket.socket()
        if os.name != "nt":  # there, it would let two servers share a port
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, each))
        except OSError as error:
            listener.close()
            reason = error.strerror or error
            continue
        listener.listen(128)
        return listener
    option = f"--port {port}" if port else f"--host {host}"
    raise click.UsageError(f"{option}: cannot listen there ({reason}); choose another one")


def list_hosts(host, names):
    """Return the names that the server answers to; say what it means if it is not local alone."""
    if host in LOCAL or host.startswith("127."):
        return [*LOCAL, host, *names]
    click.echo(
        f"Listening at {host}: other machines of this network can reach this page. Who has the "
        "address printed below can use it; it is not encrypted, so do this at home only.",
        err=True,
    )
    own = [socket.gethostname()]
    with contextlib.suppress(OSError):  # of a machine that does not know itself
        own += [each[4][0] for each in socket.getaddrinfo(own[0], None, socket.AF_INET)]
    return [*dict.fromkeys([*LOCAL, *([host] if host != "0.0.0.0" else []), *own, *names])]


def serve(folder, listener, hosts, quota, *, models, shows):
    """Answer requests until a signal comes."""
    import waitress

    from style_transfer.server import application, security, shop
    from style_transfer.server.store import Store
    from style_transfer.server.studio import Studio

    port = listener.getsockname()[1]
    token = security.read_token(folder / ".token")
    studio = Studio(Store(folder), work, shop.Shop(models).offers)
    app = application.create(
        studio,
        token=token,
        hosts=hosts,
        port=port,
        samples=find_samples(),
        recipes=read_recipes,
        quota=quota,
    )
    server = waitress.create_server(
        app,
        sockets=[listener],
        threads=THREADS,
        max_request_body_size=application.MAX_BODY,
        channel_timeout=MAX_WAITING,
        ident=None,
    )
    server.adj.send_bytes = TOGETHER
    signal.signal(signal.SIGTERM, end)
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)  # requests may wait for a moment
    studio.start()
    try:
        announce(folder, hosts, port, token, shows=shows)
        server.run()
    finally:
        studio.close()
        server.close()


def work(connection):
    """Paint in a process of its own, which Ctrl-C at the terminal is not meant for."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    from style_transfer.server import worker

    with Console().silence():  # what made it end is said after this
        worker.serve(connection)


def end(_number, _frame):
    """End as by Ctrl-C."""
    raise KeyboardInterrupt


def announce(folder, hosts, port, token, *, shows):
    """Print the addresses, and open the first in a browser."""
    addresses = [f"http://{host}:{port}/enter?token={token}" for host in dict.fromkeys(hosts)]
    for each in [addresses[0], *addresses[2:]]:  # localhost is the first one's other name
        click.echo(each)
    sys.stdout.flush()
    if shows and can_show():
        threading.Thread(target=show, args=(folder, addresses[0]), daemon=True).start()


def can_show():
    """Tell whether there is a screen; a browser of text would take the terminal."""
    if sys.platform.startswith("linux"):
        return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
    return True


def show(folder, address):
    """Open the address in a browser, by way of a file that this user alone can read.

    All users of a machine see the arguments of its programs, and the key must not be among them.
    """
    path = folder.resolve() / f".open-{secrets.token_hex(4)}.html"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(descriptor, "w") as file:
        file.write(f'<!DOCTYPE html><meta http-equiv="refresh" content="0; url={address}">\n')
    webbrowser.open(path.as_uri())
    threading.Event().wait(30)
    path.unlink(missing_ok=True)


def find_samples():
    """Return the sample pictures of a checkout by kind and name; there may be none."""
    paths = {path.stem: path for path in sorted(SAMPLES.glob("*.jpg"))}
    kinds = {"content": {}, "style": {}}
    for name, path in paths.items():
        kinds["style" if name in PAINTINGS else "content"][name] = path
    return kinds


@functools.cache
def read_recipes(network):
    """Return the recipes by name, with their values for the weights of a network."""
    known = {flag[2:]: name for name in FIELDS for flag in FIELDS[name].metadata["flags"]}
    recipes = {name: config.read_recipe(name, known) for name in config.list_recipes()}
    if network == "compact":
        for name, values in recipes.items():
            values |= config.read_recipe(name, known, compact=True)
    return recipes
