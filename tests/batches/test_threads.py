"""Jobs in threads of one process."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from conftest import paint

from style_transfer.optimization import job
from style_transfer.runs.inputs import Inputs
from style_transfer.settings import Settings

NAMES = ("result.png", "losses.csv", "frames/epoch_0001.png")


def test_two_jobs_at_once_give_the_bytes_of_two_runs(tmp_path, small_weights):
    """They share an engine: its network, its compiled steps, and the style that both learn from."""
    paint(tmp_path / "painting.png", 2, (72, 60))
    settings = Settings(size=64, epochs=2, steps=20, patience=0, weights=str(small_weights))
    jobs = []
    for number in range(2):
        inputs = Inputs(
            str(paint(tmp_path / f"photo{number}.png", number)), (str(tmp_path / "painting.png"),)
        )
        jobs.append(job.Job(inputs, replace(settings, tv_weight=1.0 + number), None))

    def work(one, name, engines):
        one = replace(one, folder=tmp_path / name)
        assert [*job.perform(one, engines)][-1].finished
        return [(one.folder / each).read_bytes() for each in NAMES]

    engines = job.Engines()
    alone = [work(one, f"alone{number}", engines) for number, one in enumerate(jobs)]
    engines = job.Engines()  # another, which both want at once
    with ThreadPoolExecutor(2) as threads:
        together = [
            threads.submit(work, one, f"both{number}", engines) for number, one in enumerate(jobs)
        ]
        assert [each.result() for each in together] == alone
    assert alone[0] != alone[1]
