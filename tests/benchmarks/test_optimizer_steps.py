"""The benchmark of the optimizers runs, over tiny arrays."""

import pytest
from typer.testing import CliRunner


def test_the_table_has_a_time_for_each_optimizer():
    pytest.importorskip("torch")
    from benchmarks.optimizers import app

    result = CliRunner().invoke(app, ["--quick"])
    assert result.exit_code == 0, result.output
    heading, _, *rows = result.output.strip().splitlines()
    assert heading == "| ms a step | spacy-rnn | Thinc | PyTorch |"
    assert [row.split(" | ")[0] for row in rows] == [
        "| Adam",
        "| Adam, averaging",
        "| SGD",
        "| SGD, momentum",
        "| NT-ASGD, averaging",
    ]
    assert all(float(row.split("|")[2]) >= 0.0 for row in rows)
