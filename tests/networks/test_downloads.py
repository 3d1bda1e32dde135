"""Downloads: whole and with the right checksum or not at all, and never waited for for long."""

import contextlib
import hashlib
import socket
import threading
import time

import pytest
from webserver import Server

from style_transfer import files
from style_transfer.networks import downloads

DATA = bytes(range(256)) * 1000
MD5, SHA256 = hashlib.md5(DATA).hexdigest(), hashlib.sha256(DATA).hexdigest()
NOBODY = "http://127.0.0.1:9/models/weights.h5"  # no server listens there


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    """Ask this machine's servers, whatever proxy its user has set."""
    monkeypatch.setenv("no_proxy", "*")


@pytest.fixture
def folder(tmp_path):
    """Where downloads go; it is not there yet."""
    return tmp_path / "home" / "models"


@pytest.fixture
def impatient(monkeypatch):
    """Wait for half a second only."""
    assert downloads.SECONDS_TO_ANSWER < 10  # of the 15 within which a user hears of it
    monkeypatch.setattr(downloads, "SECONDS_TO_ANSWER", 0.5)


def fails(address, folder, **keywords):
    """Fetch in vain, soon and without leaving anything; return the message."""
    before = contents(folder)
    start = time.monotonic()
    with pytest.raises(files.FileError) as caught:
        downloads.fetch(address, folder=folder, **{"md5": MD5, **keywords})
    assert time.monotonic() - start < 10
    assert contents(folder) == before
    message = str(caught.value)
    assert message.isprintable() and message.startswith("weights.h5: is ")
    assert f"in {folder} and cannot be downloaded (" in message
    assert f"; put {address} there" in message
    return message


def contents(folder):
    """Return the files of a folder: {name: bytes}."""
    return {each.name: each.read_bytes() for each in folder.glob("*")}


@pytest.mark.parametrize("checksum", [{"md5": MD5}, {"sha256": SHA256}])
def test_a_file_is_fetched_once_and_progress_is_told_but_not_printed(folder, checksum, capfd):
    told = []
    with Server(DATA) as server:
        for _ in range(2):
            path = downloads.fetch(
                server.address,
                folder=folder,
                progress=lambda *numbers: told.append(numbers),
                **checksum,
            )
            assert path == folder / "weights.h5"
            assert contents(folder) == {"weights.h5": DATA}
        assert server.asked == ["/models/weights.h5"]
    assert told[0] == (0, len(DATA)) and told[-1] == (len(DATA), len(DATA))
    assert told == sorted(set(told))
    assert capfd.readouterr() == ("", "")
    assert socket.getdefaulttimeout() is None


def test_a_server_need_not_say_the_size(folder):
    told = []
    with Server(DATA, sized=False) as server:
        path = downloads.fetch(
            server.address, folder=folder, md5=MD5, progress=lambda *numbers: told.append(numbers)
        )
    assert path.read_bytes() == DATA
    assert told[0] == (0, None) and told[-1] == (len(DATA), None)


def test_what_follows_a_question_mark_is_not_part_of_the_name(folder):
    with Server(DATA) as server:
        path = downloads.fetch(f"{server.address}?raw=true", folder=folder, md5=MD5)
    assert path == folder / "weights.h5"


def test_an_intact_file_needs_no_network(folder):
    folder.mkdir(parents=True)
    (folder / "weights.h5").write_bytes(DATA)
    downloads.fetch(NOBODY, folder=folder, md5=MD5)


def test_a_damaged_file_is_replaced(folder):
    folder.mkdir(parents=True)
    (folder / "weights.h5").write_bytes(DATA[:-1] + b"x")
    with Server(DATA) as server:
        downloads.fetch(server.address, folder=folder, md5=MD5)
    assert contents(folder) == {"weights.h5": DATA}


@pytest.mark.parametrize("lies_there", [False, True])
@pytest.mark.parametrize(
    "data, options, reason",
    [
        (b"Please log in", {}, "its md5 checksum is "),
        (DATA, {"breaks": True}, f"the line broke after {len(DATA) // 2} of {len(DATA)} bytes"),
        (DATA, {"breaks": True, "sized": False}, "its md5 checksum is "),
        (DATA, {"stalls": True}, "timed out"),
        (b"", {"status": 404}, "404"),
    ],
)
def test_a_failed_download_leaves_all_as_it_was(
    folder, impatient, data, options, reason, lies_there
):
    if lies_there:
        folder.mkdir(parents=True)
        (folder / "weights.h5").write_bytes(b"half of it")
    with Server(data, **options) as server:
        message = fails(server.address, folder)
    assert reason in message
    assert ("is damaged in" if lies_there else "is not in") in message


def test_a_wrong_sha256_is_refused(folder):
    with Server(DATA) as server:
        assert "its sha256 checksum is" in fails(server.address, folder, md5=None, sha256=MD5)


def test_an_interrupted_download_leaves_all_as_it_was(folder):
    def interrupt(done, total):
        if done:
            raise KeyboardInterrupt

    folder.mkdir(parents=True)
    (folder / "weights.h5").write_bytes(b"half of it")
    with Server(DATA) as server, pytest.raises(KeyboardInterrupt):
        downloads.fetch(server.address, folder=folder, md5=MD5, progress=interrupt)
    assert contents(folder) == {"weights.h5": b"half of it"}


def test_where_nobody_answers_the_error_says_what_else_can_be_done(folder):
    assert "Connection refused" in fails(NOBODY, folder)
    message = fails(NOBODY, folder, alternative="choose another --weights")
    assert message.endswith(f"; put {NOBODY} there, or choose another --weights")


def test_a_folder_that_cannot_be_made_is_an_error_like_the_others(tmp_path):
    (tmp_path / "home").write_bytes(b"")
    with pytest.raises(files.FileError, match="cannot be downloaded .*home"):
        downloads.fetch(NOBODY, folder=tmp_path / "home" / "models", md5=MD5)


def test_a_name_that_nobody_looks_up_is_given_up(folder, impatient, monkeypatch):
    over = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_: over.wait(30))
    assert "no answer from the network" in fails("http://example.org/weights.h5", folder)
    over.set()


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 200 OK\r\n", b"nonsense\r\n\r\n"])
def test_a_server_that_never_answers_properly_is_given_up(folder, impatient, answer):
    over = threading.Event()

    def drip(connection):
        connection.sendall(answer)
        while answer.startswith(b"HTTP") and not over.wait(0.1):
            connection.sendall(b"X: more\r\n")  # each in time, and the answer never ends
        over.wait(30)

    def accept():
        with listener.accept()[0] as connection, contextlib.suppress(OSError):
            drip(connection)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=accept)
        thread.start()
        port = listener.getsockname()[1]
        message = fails(f"http://127.0.0.1:{port}/weights.h5", folder)
        over.set()
        thread.join()
    assert ("nonsense" in message) == answer.startswith(b"nonsense")


def test_a_file_is_checked_again_only_when_it_has_changed(tmp_path, monkeypatch):
    checks = []
    digest = hashlib.file_digest
    monkeypatch.setattr(hashlib, "file_digest", lambda *both: checks.append(1) or digest(*both))
    path = tmp_path / "weights.h5"
    assert not downloads.is_intact(path, md5=MD5)
    path.write_bytes(DATA)
    assert [downloads.is_intact(path, md5=MD5) for _ in range(3)] == [True] * 3
    assert len(checks) == 1
    path.write_bytes(DATA + b"x")
    assert not downloads.is_intact(path, md5=MD5)
    assert not downloads.is_intact(tmp_path, md5=MD5)
