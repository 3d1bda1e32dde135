"""The table of losses: written, and read back."""

import csv
import io

import numpy as np
import pytest

from style_transfer import files
from style_transfer.runs import losses

TERMS = ("content", "style", "total_variation", "temporal")


def draw_table(count=5):
    """Losses of two steps an epoch, of every size that a float32 has."""
    values = 10.0 ** np.random.default_rng(0).uniform(-30, 30, (count, len(TERMS) + 1))
    steps = np.arange(count)
    values = values.astype(np.float32)
    return losses.Losses(TERMS, -(-steps // 2), steps, values[:, :-1], values[:, -1])


def test_the_table_is_what_a_csv_reader_expects():
    table = draw_table()
    rows = list(csv.reader(io.StringIO(table.to_csv())))
    assert rows[0] == ["epoch", "step", *TERMS, "total"]
    assert [row[:2] for row in rows[1:]] == [list(pair) for pair in ("00", "11", "12", "23", "24")]
    assert rows[3][2:-1] == [f"{value:.7g}" for value in table.values[2]]
    assert rows[3][-1] == f"{table.totals[2]:.7g}"


def test_it_is_read_back_to_seven_digits(tmp_path):
    table = draw_table()
    (tmp_path / "losses.csv").write_text(table.to_csv())
    again = losses.read(tmp_path / "losses.csv")
    assert again.terms == TERMS
    np.testing.assert_array_equal(again.epochs, table.epochs)
    np.testing.assert_array_equal(again.steps, table.steps)
    np.testing.assert_allclose(again.values, table.values, rtol=1e-6)
    np.testing.assert_allclose(again.totals, table.totals, rtol=1e-6)
    assert again.to_csv() == table.to_csv()


def test_a_run_without_terms_and_values_that_are_no_numbers(tmp_path):
    (tmp_path / "losses.csv").write_text("epoch,step,total\n0,0,nan\n1,1,inf\n")
    table = losses.read(tmp_path / "losses.csv")
    assert table.terms == () and table.values.shape == (2, 0)
    assert np.isnan(table.totals[0]) and np.isinf(table.totals[1])


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("\n", "is no table of losses"),
        ("a,b\n1,2\n", "is no table of losses"),
        ("epoch,step\n", "is no table of losses"),
        ("epoch,step,style,total\n0,0,1\n", "is no table of losses"),
        ("epoch,step,style,total\n0,0,1,1\n1,1,1\n", "is no table of losses"),
        ("epoch,step,style,total\n0,0\n1,1\n", "is no table of losses"),
        ("epoch,step,style,total\n0,0.5,1,1\n", "is no table of losses"),
        ("epoch,step,style,total\n0,9999999999999999999999,1,1\n", "is no table of losses"),
        ("epoch,step,style,total\n0,0,one,1\n", "is no table of losses"),
        ("epoch,step,style,total\n", "holds no losses"),
    ],
)
def test_what_is_no_table_is_refused(tmp_path, text, reason):
    (tmp_path / "losses.csv").write_text(text)
    with pytest.raises(files.FileError, match=f"losses.csv: {reason}; give the folder of a run"):
        losses.read(tmp_path / "losses.csv")


def test_a_missing_table_and_one_that_is_no_text(tmp_path):
    with pytest.raises(files.FileError, match="no such file"):
        losses.read(tmp_path / "losses.csv")
    (tmp_path / "losses.csv").write_bytes(b"\xff\xfe")
    with pytest.raises(files.FileError, match="is no table of losses"):
        losses.read(tmp_path / "losses.csv")
