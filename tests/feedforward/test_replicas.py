"""On two devices a training does what it does on one, with the same batch; which GPUs are taken."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from conftest import ROOT

from style_transfer.errors import SettingsError
from style_transfer.feedforward import replicas, training
from style_transfer.optimization import device

PROGRAM = Path(__file__).with_name("twins.py")
MOMENTUM = 0.1  # the share of a gradient that Adam remembers


@pytest.fixture(scope="module")
def twins(tmp_path_factory):
    """What `twins.py` writes."""
    done = tmp_path_factory.mktemp("twins") / "done.npz"
    paths = os.pathsep.join(map(str, (ROOT, ROOT / "tests")))
    environment = os.environ | {"PYTHONPATH": paths}
    subprocess.run([sys.executable, PROGRAM, done], env=environment, check=True)
    with np.load(done) as file:
        return dict(file)


def pick(twins, prefix):
    """Return the arrays after a step, or of a kind, by the rest of their names."""
    return {key.removeprefix(prefix): each for key, each in twins.items() if key.startswith(prefix)}


def remembered(twins, name, step):
    """Return what the optimizers remember of the gradients of (the network, the critic)."""
    found = {"trunk": [], "critic": []}
    for number, path in enumerate(twins["others"]):
        if path.endswith("_momentum"):
            owner = "critic" if "_look" in path or "_judge" in path else "trunk"
            found[owner].append(twins[f"{name} {step} other {number}"].ravel())
    return [np.concatenate(each) for each in found.values()]


def test_gradients_are_those_of_one_device_clipped_and_not(twins):
    lengths = []
    for step in (1, 2, 3):
        for one, two in zip(*(remembered(twins, name, step) for name in ("one", "two"))):
            assert np.linalg.norm(one - two) < 1e-5 * np.linalg.norm(one)
        before, after = (remembered(twins, "two", each)[0] for each in (step - 1, step))
        gradient = (after - (1 - MOMENTUM) * before) / MOMENTUM
        lengths.append(np.linalg.norm(gradient))
    assert lengths[0] == pytest.approx(training.CLIP, rel=1e-4)
    assert min(lengths) < 0.9 * training.CLIP


def check_alike(found, expected, start):
    """Check that a training did the same: Adam makes much of little where gradients are small."""
    assert found.keys() == expected.keys()
    change, error = (
        np.concatenate([np.ravel(expected[key] - each[key]) for key in expected])
        for each in (start, found)
    )
    assert np.linalg.norm(change) > 100 * np.linalg.norm(error)


@pytest.mark.parametrize("name", ["two", "one continues", "two continues"])
def test_weights_and_losses_are_those_of_one_device(twins, name):
    steps = len(twins[f"{name} losses"])
    np.testing.assert_allclose(
        twins[f"{name} losses"], twins["one losses"][-steps:], rtol=1e-4, atol=1e-5
    )
    for kind in ("network", "other"):
        start, expected = (pick(twins, f"one {step} {kind}") for step in (0, 3))
        check_alike(pick(twins, f"{name} 3 {kind}"), expected, start)


@pytest.fixture
def gpus(monkeypatch):
    """A function that makes a machine with so many GPUs, one of which may not compute."""
    used = []

    def set_up(count, broken=None):
        there = [tf.config.PhysicalDevice(f"/physical_device:GPU:{n}", "GPU") for n in range(count)]
        monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind=None: there)
        details = {"device_name": "NVIDIA Test 9000"}
        monkeypatch.setattr(tf.config.experimental, "get_device_details", lambda _: details)

        def try_gpu(number):
            if number == broken:
                raise tf.errors.InternalError(None, None, "CUDA_ERROR_INVALID_PTX\nand a trace")

        monkeypatch.setattr(device, "try_gpu", try_gpu)
        mirror = lambda names, **_: used.append(names) or tf.distribute.OneDeviceStrategy("CPU:0")  # noqa: E731
        monkeypatch.setattr(tf.distribute, "MirroredStrategy", mirror)
        return used

    return set_up


@pytest.mark.parametrize(
    ("wanted", "there", "taken"),
    [(2, 4, 2), (4, 4, 4), ("all", 4, 4), ("all", 3, 2), ("all", 8, 4), (1, 2, 1), ("all", 1, 1)],
)
def test_as_many_gpus_are_taken_as_share_a_batch(gpus, wanted, there, taken):
    used = gpus(there)
    found = replicas.find(wanted, batch=4)
    assert used == ([[f"GPU:{number}" for number in range(taken)]] if taken > 1 else [])
    assert found.name.startswith(f"{taken} GPU") and "NVIDIA Test 9000" in found.name
    assert bool(found.notice) == (wanted == "all" and taken < there)


@pytest.mark.parametrize(
    ("wanted", "there", "broken", "words"),
    [
        (2, 0, None, ("--gpus 2", "no GPUs", "requirements-gpu.txt")),
        ("all", 0, None, ("--gpus all", "no GPUs")),
        (4, 1, None, ("--gpus 4", "1 GPU;", "no more")),
        (2, 2, 1, ("GPU 1, NVIDIA Test 9000", "CUDA_ERROR_INVALID_PTX)", "CUDA_VISIBLE_DEVICES")),
    ],
)
def test_gpus_that_are_not_there_or_do_not_compute_are_refused(gpus, wanted, there, broken, words):
    gpus(there, broken)
    with pytest.raises(SettingsError) as error:
        replicas.find(wanted, batch=4)
    assert all(word in str(error.value) for word in words) and "\n" not in str(error.value)


def test_without_being_asked_no_gpu_is_looked_for(monkeypatch):
    monkeypatch.setattr(tf.config, "list_physical_devices", None)
    assert replicas.find(None, batch=4) is replicas.ALONE
