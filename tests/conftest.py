"""What several test modules need: pictures, a small network, the program as a real process."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import weights

ROOT = Path(__file__).parent.parent
SMALL_WIDTHS = (4, 6, 8, 8, 8)


def paint(path, seed, size=(64, 48)):
    """Save a picture of smooth random colours."""
    generator = np.random.default_rng(seed)
    coarse = generator.integers(0, 256, (6, 8, 3), dtype=np.uint8)
    Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC).save(path)
    return path


@pytest.fixture
def content(tmp_path):
    """A photo, 64×48."""
    return paint(tmp_path / "photo.png", 1)


@pytest.fixture
def style(tmp_path):
    """A painting, 72×60."""
    return paint(tmp_path / "painting.png", 2, (72, 60))


@pytest.fixture(scope="session")
def small_weights(tmp_path_factory):
    """A weights file of a very narrow network, so that a run takes seconds."""
    path = tmp_path_factory.mktemp("weights") / "small.weights.h5"
    weights.write(path, weights.draw(0, SMALL_WIDTHS).layers)
    return path


@pytest.fixture
def run_main(tmp_path):
    """A function that runs `python main.py` in an empty folder, as a process of its own."""

    def run(*arguments, **keywords):
        command = [sys.executable, str(ROOT / "main.py"), *map(str, arguments)]
        keywords = {"capture_output": True, "text": True, "timeout": 120} | keywords
        folder = tmp_path / "cwd"
        folder.mkdir(exist_ok=True)
        return subprocess.run(command, cwd=folder, **keywords)

    return run
