"""Pictures and runs at addresses, from the command line to real servers on loopback."""

import contextlib
import io
import json
import os
import shutil
import signal

import numpy as np
import pytest
from conftest import call, paint, refused, wait_until

from style_transfer import files, storage

pytest.importorskip("s3fs")
pytest.importorskip("moto.server")
pytest.importorskip("sshfs")

import s3fs
import servers  # it needs none of them before it is asked for a server
from moto.server import ThreadedMotoServer

RUN = ("--weights", "compact", "--size", "48", "--epochs", "4", "--steps", "20")
INPUTS = ("-c", "s3://bucket/in/photo.png", "-s", "s3://bucket/in/painting.png")
SENDS_OFTEN = {"STAND_IN_UPLOAD": "0.05"}


@pytest.fixture(scope="module")
def server():
    """An S3 server, and the port of a wire to it."""
    machine = ThreadedMotoServer("127.0.0.1", 0)
    machine.start()
    wire = servers.Wire(machine.get_host_and_port()[1])
    yield wire
    machine.stop()


class Bucket:
    """The bucket, the folder that commands run in, and a run that nobody disturbed."""

    def __init__(self, folder, wire):
        self.folder, self.wire = folder, wire
        url = f"http://127.0.0.1:{wire.server}"
        self.system = s3fs.S3FileSystem(
            key=servers.KEY, secret=servers.SECRET, endpoint_url=url, use_listings_cache=False
        )
        self.scratch = folder / "scratch"
        self.system.mkdir("bucket")
        for name, seed in (("photo", 1), ("painting", 2)):
            path = paint(folder / f"{name}.png", seed)
            self.system.put_file(str(path), f"bucket/in/{name}.png")

    def call(self, *arguments, **more):
        return call(self.folder, *arguments, env=self.environment(**more))

    def environment(self, **more):
        named = {"AWS_ACCESS_KEY_ID": servers.KEY, "AWS_SECRET_ACCESS_KEY": servers.SECRET}
        named |= {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{self.wire.port}"}
        named["AWS_MAX_ATTEMPTS"] = "1"  # else each is tried five times, for 40 s
        return os.environ | named | {"STYLE_SCRATCH": str(self.scratch)} | more

    def read(self, folder):
        """Return what there is, by name; of what changes meanwhile, nothing."""
        found = {}
        with contextlib.suppress(FileNotFoundError):
            for path in self.system.find(f"bucket/{folder}"):
                found[path.removeprefix(f"bucket/{folder}/")] = self.system.cat_file(path)
        return found

    def is_finished(self, folder):
        record = self.read(folder).get("run.json", b"{}")
        return json.loads(record).get("finished", False)


@pytest.fixture(scope="module")
def bucket(tmp_path_factory, server):
    folder = tmp_path_factory.mktemp("bucket")
    bucket = Bucket(folder, server)
    outcome = call(folder, "-c", "photo.png", "-s", "painting.png", *RUN, "-o", "here")
    assert outcome.returncode == 0, outcome.stderr
    return bucket


@pytest.fixture(scope="module")
def whole(bucket):
    """A run at an address that nobody disturbed, by name."""
    outcome = bucket.call(*INPUTS, *RUN, "-o", "s3://bucket/whole")
    assert (outcome.returncode, outcome.stdout) == (0, "s3://bucket/whole/result.png\n")
    return bucket.read("whole")


LASTING = ("result.png", "losses.csv", *(f"frames/epoch_{epoch:04}.png" for epoch in range(5)))


def lasting(found):
    """What must not depend on where a run was interrupted."""
    return {name: found[name] for name in LASTING}


def test_a_run_at_an_address_is_the_run_here(bucket, whole):
    here = bucket.folder / "here"
    for name in LASTING[1:]:
        assert whole[name] == (here / name).read_bytes(), name
    names = {path.relative_to(here).as_posix() for path in here.rglob("*") if path.is_file()}
    assert names - whole.keys() <= {".lock", "checkpoint.npz"} and not whole.keys() - names
    inputs = json.loads(whole["run.json"])["inputs"]
    assert [each["path"] for each in inputs.values()] == list(INPUTS[1::2])
    for name, data in whole.items():
        for secret in (servers.KEY, servers.SECRET, str(bucket.scratch)):
            assert secret.encode() not in data, name
    assert [path.suffix for path in bucket.scratch.iterdir()] == [".lock"]


def test_what_is_there_is_not_done_again(bucket, whole):
    outcome = bucket.call(*INPUTS, *RUN, "-o", "s3://bucket/whole")
    assert outcome.returncode == 0 and outcome.stderr.count("done before") == 1
    assert bucket.read("whole") == whole
    outcome = bucket.call(*INPUTS, *RUN, "--beta", "3", "-o", "s3://bucket/whole")
    refused(outcome, "s3://bucket/whole", "other settings", "--overwrite")
    assert bucket.read("whole") == whole


def test_what_replaces_a_run_leaves_nothing_of_it(bucket, whole):
    command = (*INPUTS, *RUN, "-o", "s3://bucket/replaced")
    assert bucket.call(*command).returncode == 0
    outcome = bucket.call(*command, "--epochs", "2", "--overwrite")
    assert outcome.returncode == 0, outcome.stderr
    found = bucket.read("replaced")
    assert whole.keys() - found.keys() == {f"frames/epoch_000{number}.png" for number in (3, 4)}
    assert json.loads(found["run.json"])["settings"]["epochs"] == 2


@pytest.mark.parametrize("share", [0.02, 0.5, 0.95])
def test_a_connection_cut_while_sending(bucket, whole, share):
    place, wire = f"cut{share}", bucket.wire
    command = (*INPUTS, *RUN, "-o", f"s3://bucket/{place}")
    # The requests' own headers pass as well.
    wire.left = int(share * sum(len(data) + 1500 for data in whole.values()))
    outcome = bucket.call(*command)
    wire.left = None
    assert outcome.returncode == 1 and "Traceback" not in outcome.stderr, outcome.stderr
    last = outcome.stderr.splitlines()[-1]
    assert last.startswith("Error: s3://bucket/") and len(last) < 500
    assert not bucket.is_finished(place)
    outcome = bucket.call(*command)
    assert outcome.returncode == 0, outcome.stderr
    assert lasting(bucket.read(place)) == lasting(whole) and bucket.is_finished(place)


def test_a_run_whose_machine_vanished_goes_on_elsewhere(bucket, whole, begin, monkeypatch):
    place = "vanished"
    command = (*INPUTS, *RUN, "-o", f"s3://bucket/{place}")
    for name, value in bucket.environment(**SENDS_OFTEN, STAND_IN_SECONDS="0.03").items():
        monkeypatch.setenv(name, value)
    process = begin(bucket.folder, *command)

    def has_checkpoint():
        found = bucket.read(place)
        if not {"checkpoint.npz", "run.json"} <= found.keys():
            return False
        return len(np.load(io.BytesIO(found["checkpoint.npz"]))["history.totals"]) > 20

    wait_until(process, has_checkpoint)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL and not bucket.is_finished(place)
    frames = [name for name in bucket.read(place) if name.startswith("frames/")]
    assert frames
    shutil.rmtree(bucket.scratch)
    outcome = bucket.call(*command)
    assert outcome.returncode == 0 and "epoch 1/4" not in outcome.stderr, outcome.stderr
    assert lasting(bucket.read(place)) == lasting(whole) and bucket.is_finished(place)


def test_ctrl_c_sends_what_there_is(bucket, whole, begin, monkeypatch):
    command = (*INPUTS, *RUN, "-o", "s3://bucket/stopped")
    for name, value in bucket.environment(**SENDS_OFTEN, STAND_IN_SECONDS="0.03").items():
        monkeypatch.setenv(name, value)
    process = begin(bucket.folder, *command)
    wait_until(process, lambda: "frames/epoch_0002.png" in bucket.read("stopped"))
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate()
    assert process.returncode == 130 and output == "s3://bucket/stopped/result.png\n"
    assert "--resume s3://bucket/stopped" in errors
    assert not bucket.is_finished("stopped")
    outcome = bucket.call("--resume", "s3://bucket/stopped")
    assert outcome.returncode == 0, outcome.stderr
    assert lasting(bucket.read("stopped")) == lasting(whole) and bucket.is_finished("stopped")


def test_a_sweep_and_a_batch_at_an_address(bucket):
    flags = (*RUN, "--epochs", "1")
    sweep = ("sweep", "-c", INPUTS[1], "-s", INPUTS[3], *flags, "--beta", "1,10")
    outcome = bucket.call(*sweep, "-o", "s3://bucket/swept")
    assert outcome.returncode == 0, outcome.stderr
    assert outcome.stdout.splitlines()[-1] == "s3://bucket/swept/contact_sheet.png"
    found = bucket.read("swept")
    assert {"beta-1/run.json", "beta-10/result.png", "contact_sheet.html"} <= found.keys()
    outcome = bucket.call(*sweep, "-o", "s3://bucket/swept")
    assert outcome.returncode == 0 and outcome.stderr.count("done before") == 2
    assert bucket.read("swept") == found
    batch = ("-c", "s3://bucket/in", "-s", INPUTS[3], *flags, "-o", "s3://bucket/batch/")
    outcome = bucket.call(*batch)
    paths = [f"s3://bucket/batch/{name}/result.png" for name in ("painting", "photo")]
    assert outcome.stdout.splitlines() == paths


def test_apply_at_an_address(bucket):
    command = ("apply", "-c", "s3://bucket/in/p*.png", "-s", INPUTS[3], "--size", "48")
    outcome = bucket.call(*command, "-o", "s3://bucket/applied/")
    paths = [f"s3://bucket/applied/{name}.png" for name in ("painting", "photo")]
    assert outcome.stdout.splitlines() == paths, outcome.stderr
    found = bucket.read("applied")
    outcome = bucket.call(*command, "-o", "s3://bucket/applied/")
    assert outcome.stdout.splitlines() == paths and outcome.stderr.count("done before") == 2
    other = ("apply", *INPUTS, "--size", "44", "-o", paths[1])
    refused(bucket.call(*other), paths[1], "other settings", "--overwrite")
    assert bucket.read("applied") == found
    assert bucket.call(*other, "--overwrite").returncode == 0
    assert bucket.read("applied")["photo.png"] != found["photo.png"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("-c", "s3://bucket/in/none.png"), ("s3://bucket/in/none.png", "no such file")),
        (("-c", "s3://bucket/in/*.gif"), ("s3://bucket/in/*.gif", "there is no picture")),
        (("-c", "s3://bucket"), ("s3://bucket", "there is no picture")),
        (("-c", "sftp://ann:hidden@host/photo.png"), ("sftp://…@host", "password")),
        (("-o", "sftp://ann:hidden@host/runs"), ("sftp://…@host", "password")),
        (("-o", "s3://"), ("s3:", "write s3://BUCKET/PATH")),
    ],
)
def test_addresses_that_cannot_be_used(bucket, arguments, words):
    outcome = bucket.call(*INPUTS[2:], *RUN, *INPUTS[:2] * ("-c" not in arguments), *arguments)
    refused(outcome, *words)
    assert "hidden" not in outcome.stderr


def test_a_bucket_that_is_not_there_is_told_before_painting(bucket):
    outcome = bucket.call(*INPUTS, *RUN, "-o", "s3://nothing/x")
    assert outcome.returncode == 1 and outcome.stdout == ""
    assert outcome.stderr == "Error: s3://nothing/x: no such bucket; make it first\n"


def test_commands_that_write_to_no_address_say_so(tmp_path, bucket):
    photos = ("--photos", ".", "--style", "painting.png")
    for command in (("train", *photos, "-o", "s3://b/x.style"), ("web", "-o", "s3://b/x")):
        refused(call(bucket.folder, *command), "is an address", "on this machine")


def test_a_package_that_is_missing(monkeypatch):
    def fail(_scheme):
        raise ImportError

    monkeypatch.setattr("fsspec.get_filesystem_class", fail)
    with pytest.raises(files.FileError, match="gs://b: needs gcsfs; .* pip install gcsfs$"):
        storage.Place("gs://b")


def test_a_picture_of_unknown_origin_opens_no_address(bucket, whole):
    (bucket.folder / "foreign.png").write_bytes(whole["result.png"])
    outcome = bucket.call("--from-image", "foreign.png", "-o", "again")
    refused(outcome, INPUTS[1], "name it yourself with --content")
    outcome = bucket.call("--from-image", "foreign.png", *INPUTS, "-o", "again")
    assert outcome.returncode == 0, outcome.stderr
    assert (bucket.folder / "again/result.png").read_bytes() == whole["result.png"]


@pytest.fixture
def sftp(tmp_path):
    """An SFTP server, with the pictures on it."""
    server = servers.Sftp(tmp_path / "home")
    for name, seed in (("photo", 1), ("painting", 2)):
        paint(server.folder / "shown" / f"{name}.png", seed)
    yield server
    server.stop()


def run_sftp(server, folder, address, *arguments, **more):
    """Run to an address, with more variables; fsspec reads its own when it is imported."""
    environment = os.environ | {
        "HOME": str(server.folder),
        "STYLE_SCRATCH": str(folder / "scratch"),
    }
    inputs = ("-c", f"{address}/photo.png", "-s", f"{address}/painting.png", *RUN)
    command = (*inputs, "-o", f"{address}/runs/a", *arguments)
    return call(folder, *command, env=environment | more, fresh="FSSPEC_SFTP_PASSWORD" in more)


def test_a_machine_that_dies_while_it_is_sent_to(bucket, whole, sftp, tmp_path):
    total = sum(map(len, whole.values()))
    outcome = run_sftp(sftp, tmp_path, sftp.start(total // 2))
    assert sftp.process.wait(10) == 9, outcome.stderr
    assert outcome.returncode == 1 and "Traceback" not in outcome.stderr
    last = outcome.stderr.splitlines()[-1]
    assert last.startswith("Error: sftp://") and "same command again" in last
    place = sftp.folder / "shown/runs/a"
    assert not (place / "run.json").exists() and list(place.rglob("*.part"))
    address = sftp.start()
    outcome = run_sftp(sftp, tmp_path, address)
    assert outcome.returncode == 0, outcome.stderr
    assert json.loads((place / "run.json").read_text())["finished"]
    for name in LASTING[1:]:
        assert (place / name).read_bytes() == whole[name], name


def test_a_machine_that_is_not_known_is_not_spoken_to(sftp, tmp_path):
    address = sftp.start()
    (sftp.folder / ".ssh/known_hosts").unlink()
    outcome = run_sftp(sftp, tmp_path, address)
    assert outcome.returncode == 1 and "not trusted" in outcome.stderr
    assert outcome.stderr.count("\n") == 1 and outcome.stdout == ""


def test_a_password_is_in_no_file(sftp, tmp_path):
    address = sftp.start()
    (sftp.folder / ".ssh/id_ed25519").unlink()
    assert run_sftp(sftp, tmp_path, address).returncode == 1
    outcome = run_sftp(sftp, tmp_path, address, FSSPEC_SFTP_PASSWORD=servers.PASSWORD)
    assert outcome.returncode == 0, outcome.stderr
    found = [path for path in (sftp.folder / "shown/runs").rglob("*") if path.is_file()]
    assert len(found) > 8
    for path in found:
        assert servers.PASSWORD.encode() not in path.read_bytes(), path
    assert servers.PASSWORD not in outcome.stdout + outcome.stderr


def test_what_a_cluster_paints_goes_to_the_address_from_where_it_is_painted(bucket, monkeypatch):
    """The folder of the job is one of the machine that handed it out; here it is another."""
    import standin

    from style_transfer.batches import local, plan
    from style_transfer.commands.storing import Sent
    from style_transfer.optimization import job as jobs
    from style_transfer.optimization.events import JobSkipped, Saved
    from style_transfer.runs.inputs import Inputs
    from style_transfer.settings import Settings

    for name, value in bucket.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(jobs, "build", standin.build)
    inputs = Inputs(INPUTS[1], (INPUTS[3],))
    settings = Settings(size=48, epochs=4, steps=20, weights="compact", patience=0)
    work = jobs.Job(inputs, settings, bucket.folder / "elsewhere/afar", keep="result")
    sent = Sent(local.Batch(), "s3://bucket/afar")

    def perform(stops):
        hooks = {"should_stop": lambda: stops, "downloading": None}
        return list(sent.perform_one(plan.Entry("afar", work), **hooks))[-1]

    stopped = perform(True)
    assert isinstance(stopped, Saved) and not stopped.finished
    assert "checkpoint.npz" in bucket.read("afar/afar") and not bucket.is_finished("afar/afar")
    saved = perform(False)
    assert saved.finished and saved.result == "s3://bucket/afar/afar/result.png"
    assert bucket.read("afar/afar").keys() == {"run.json", "result.png"}
    assert isinstance(perform(False), JobSkipped)
    assert not (bucket.folder / "elsewhere").exists()
    assert not any(each.is_dir() for each in bucket.scratch.iterdir())
