"""The notebooks in docs/ run from their first cell to their last, and say what they are said to."""

import re

import numpy as np
import pytest
from conftest import ROOT

nbformat = pytest.importorskip("nbformat", reason="needs nbclient and ipykernel")
nbclient = pytest.importorskip("nbclient")
jupyter_client = pytest.importorskip("jupyter_client")
pytest.importorskip("ipykernel")

NOTEBOOKS = sorted((ROOT / "docs").glob("*.ipynb"))
MEGABYTES = 0.6
NUMBER = re.compile(r"\d+(?:\.\d+)?")
TRUE = {  # what NumPy, written out in the notebook, must agree with
    "in_one_pass": ("mean and covariance in NumPy: True True",),
    "the_method": ("the same in NumPy: True", "with all positions shuffled: True"),
}


def text_of(cell):
    """Return what a cell printed, but not to standard error."""
    return "".join(each.text for each in cell.outputs if each.get("name") == "stdout")


def count_pictures(cell):
    """Return how many pictures a cell shows."""
    return sum("image/jpeg" in each.get("data", {}) for each in cell.outputs)


@pytest.fixture(scope="module")
def kernel():
    """A process that runs notebooks, in which TensorFlow is loaded once."""
    manager = jupyter_client.KernelManager(kernel_name="python3")
    manager.start_kernel(cwd=str(ROOT / "docs"))
    yield manager
    manager.shutdown_kernel(now=True)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=[path.stem for path in NOTEBOOKS])
def test_a_notebook_runs_and_shows_what_was_committed(path, kernel):
    assert path.stat().st_size < MEGABYTES * 1e6
    committed = nbformat.read(path, as_version=4)
    run = nbformat.read(path, as_version=4)
    run.cells.insert(0, nbformat.v4.new_code_cell("%reset -f"))  # nothing from the one before
    nbclient.NotebookClient(run, km=kernel, timeout=300).execute()
    del run.cells[0]
    for before, after in zip(committed.cells, run.cells):
        if before.cell_type == "code":
            assert count_pictures(before) == count_pictures(after)
            assert NUMBER.sub("#", text_of(before)) == NUMBER.sub("#", text_of(after))
            numbers = [list(map(float, NUMBER.findall(text_of(each)))) for each in (before, after)]
            np.testing.assert_allclose(*numbers, rtol=0.1, atol=0.05)  # other machines round else
    printed = "".join(map(text_of, (each for each in run.cells if each.cell_type == "code")))
    for line in TRUE.get(path.stem, ()):
        assert line in printed


def test_equation_1_in_numpy_is_that_of_the_program():
    cells = nbformat.read(ROOT / "docs" / "the_method.ipynb", as_version=4).cells
    printed = "".join(text_of(each) for each in cells if each.cell_type == "code")
    by_program = re.search(r"noise +equation 1: +(\d+)", printed)[1]
    assert re.search(r"equation 1 in NumPy, for the noise: (\d+)", printed)[1] == by_program
