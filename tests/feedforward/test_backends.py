"""By JAX, where there is no TensorFlow, a training does what it does by TensorFlow."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
from conftest import ROOT
from trainers import build_trainer, make_narrow, take_steps

PROGRAM = Path(__file__).with_name("trainers.py")
#: Four steps are not worth what XLA would do to make them fast.
HASTY = "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true"


def continue_by_jax(saved, done):
    """Go on with a training in a process that has no TensorFlow."""
    paths = os.pathsep.join(map(str, (ROOT, ROOT / "tests")))
    environment = os.environ | {"KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu", "PYTHONPATH": paths}
    environment["XLA_FLAGS"] = HASTY
    subprocess.run([sys.executable, PROGRAM, saved, done], env=environment, check=True)
    with np.load(done) as file:
        return dict(file)


def test_by_jax_it_learns_the_same(tmp_path, monkeypatch):
    make_narrow(monkeypatch.setattr)
    trainer = build_trainer(weight=0.5)  # with a critic
    before, _ = trainer.save()
    np.savez(tmp_path / "saved.npz", **before)
    found = continue_by_jax(tmp_path / "saved.npz", tmp_path / "done.npz")
    losses = take_steps(trainer)
    np.testing.assert_allclose(found.pop("losses"), losses, rtol=1e-3)
    after, _ = trainer.save()
    assert found.keys() == after.keys()
    for kind in ("network", "other"):  # the latter: the critic's, and what Adam remembers
        names = [name for name in after if name.startswith(kind)]
        change = np.concatenate([np.ravel(after[name] - before[name]) for name in names])
        error = np.concatenate([np.ravel(found[name] - after[name]) for name in names])
        assert 0 < np.linalg.norm(change) > 50 * np.linalg.norm(error)
