"""How the page bears many requests while it paints: `tools/load.py ADDRESS`, as `web` prints it.

Orders a picture and watches it paint, by turns in peace and while asking for its status as often as
is wanted: the pace meanwhile is held against that before and after it. Ends with status 1 if an
answer was an error, if one of twenty took longer than 100 ms, or if, in the middle one of the
rounds, the painting was slowed by a tenth. To be run where nothing else computes.
"""

import argparse
import http.client
import itertools
import json
import re
import socket
import statistics
import sys
import threading
import time
import urllib.parse

THREADS = 8
SLOW, SLOWED = 0.1, 0.1  # seconds for 95 % of the answers; share of the pace that painting may lose
PICTURE = {"way": "painted", "settings": {"size": 512, "epochs": 300, "steps": 10, "patience": 0}}


class Client:
    """A connection that is kept, with the key of the page."""

    def __init__(self, address):
        parts = urllib.parse.urlsplit(address)
        token = urllib.parse.parse_qs(parts.query)["token"][0]
        self.connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=30)
        self.headers = {
            "Cookie": f"style-transfer-{parts.port}={token}",
            "Origin": f"http://{parts.netloc}",
            "Content-Type": "application/json",
        }

    def ask(self, method, path, values=None):
        """Return what an answer holds; raise RuntimeError if it is none that was hoped for."""
        body = json.dumps(values or {}) if method == "POST" else None
        self.connection.request(method, path, body, self.headers)
        answer = self.connection.getresponse()
        data = answer.read()
        if answer.status >= 300:
            raise RuntimeError(f"{path}: {answer.status} {data[:200]}")
        return json.loads(data) if data else None


def order(client):
    """Order a picture of the samples; return its id once it is being painted."""
    ids = [client.ask("POST", "/pictures", {"sample": name}) for name in ("temple", "waves")]
    values = PICTURE | {"content": ids[0], "styles": ids[1:]}
    identity = client.ask("POST", "/jobs", values)["id"]
    while not client.ask("GET", f"/jobs/{identity}.json").get("step"):
        time.sleep(0.5)
    return identity


def measure_pace(client, identity, seconds):
    """Return the steps a second that the painting makes, from one snapshot to a later one.

    Steps are told an epoch at a time: counted at any other moment, they would be some too few.
    """
    first, begin = await_snapshot(client, identity)
    time.sleep(seconds)
    last, end = await_snapshot(client, identity)
    return (last - first) / (end - begin)


def await_snapshot(client, identity):
    """Wait until the step that is told changes; return it, and the moment."""
    before = now = client.ask("GET", f"/jobs/{identity}.json")["step"]
    while now == before:
        time.sleep(0.02)
        now = client.ask("GET", f"/jobs/{identity}.json")["step"]
    return now, time.monotonic()


def press(address, path, rate, done, times, errors):
    """Ask for a path, so many times a second, until that is done; note how long each answer took.

    By a bare socket: what `http.client` computes for each answer, a quarter of what the server
    does, would be counted as the server's.
    """
    client = Client(address)
    lines = [f"GET {path} HTTP/1.1", f"Host: {client.connection.host}:{client.connection.port}"]
    lines += [f"{name}: {value}" for name, value in client.headers.items()]
    request = "\r\n".join([*lines, "", ""]).encode()
    place = client.connection.host, client.connection.port
    with socket.create_connection(place, timeout=30) as connection:
        begin = time.monotonic()
        for number in itertools.count():
            if done.wait(max(0, begin + number / rate - time.monotonic())):
                return
            sent = time.monotonic()
            try:
                connection.sendall(request)
                receive(connection)
            except (OSError, RuntimeError) as error:
                errors.append(error)
                return
            times.append(time.monotonic() - sent)


def receive(connection):
    """Take in one answer, whole; raise RuntimeError if it is none that was hoped for."""
    data, wanted = b"", None
    while wanted is None or len(data) < wanted:
        more = connection.recv(2**16)
        if not more:
            raise RuntimeError("the server hung up")
        data += more
        head, end, _ = data.partition(b"\r\n\r\n")
        if end and wanted is None:
            length = re.search(rb"(?i)\ncontent-length: *(\d+)", head)
            wanted = len(head) + len(end) + int(length[1])
    if not data.startswith(b"HTTP/1.1 200 "):
        raise RuntimeError(data[:200])


def measure_pressed(address, identity, rate, seconds, times, errors):
    """Return the pace while the status is asked for so many times a second."""
    path, done = f"/jobs/{identity}.json", threading.Event()
    arguments = address, path, rate / THREADS, done, times, errors
    threads = [threading.Thread(target=press, args=arguments) for _ in range(THREADS)]
    for each in threads:
        each.start()
    pace = measure_pace(Client(address), identity, seconds)
    done.set()
    for each in threads:
        each.join()
    return pace


def main():
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("address")
    parser.add_argument("--rate", type=float, default=200, help="requests a second")
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    client, times, errors = Client(given.address), [], []
    identity = order(client)
    measure_pace(client, identity, 3)  # warms up
    alone, pressed = [measure_pace(client, identity, given.seconds)], []
    for _ in range(given.rounds):
        each = given.address, identity, given.rate, given.seconds, times, errors
        pressed.append(measure_pressed(*each))
        alone.append(measure_pace(client, identity, given.seconds))
    client.ask("POST", f"/jobs/{identity}/stop")
    sys.exit(report(times, errors, alone, pressed))


def report(times, errors, alone, pressed):
    """Print what was measured; return 1 if it is not good enough."""
    quantiles = statistics.quantiles(times, n=100)
    peace = [statistics.mean(each) for each in zip(alone, alone[1:])]
    slowed = [1 - each / quiet for each, quiet in zip(pressed, peace)]
    print(f"{len(times)} requests, {len(errors)} errors {errors[:1]}")
    print(f"median {1000 * quantiles[49]:.1f} ms, 95 %: {1000 * quantiles[94]:.1f} ms")
    for name, paces in (("alone", alone), ("meanwhile", pressed)):
        print(f"steps a second, {name}:", *(f"{each:.2f}" for each in paces))
    print("the painting was slowed by", *(f"{100 * each:.1f} %" for each in slowed))
    is_slowed = statistics.median(slowed) > SLOWED
    return int(bool(errors) or quantiles[94] > SLOW or is_slowed)


if __name__ == "__main__":
    main()
