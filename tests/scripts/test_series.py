"""Series of numbers: out of the packages, and into files that the scripts read."""

import csv
import io
import json
import tarfile
import zipfile
from pathlib import Path
from typing import Any, Tuple

import pytest
import series
import typer
from datalib.downloads import Archive
from datalib.errors import DataError
from datalib.readers import sha256_of
from datalib.series import CO2_MEMBER, VOWELS_MEMBER, monthly, parse_ts
from typer.testing import CliRunner

HEADER = "#A comment\n@problemName JapaneseVowels\n@classLabel true 1 2\n@data\n"
WEEKS = (
    "date,co2\n19571228,310.0\n19580104,311.0\n19580111,\n19580118,313.0\n"
    "19580208,\n19580308,\n19580405,316.0\n"
)


def ts_line(n_steps: int, label: int, n_channels: int = 12) -> str:
    channels = [[0.5 * c - i for i in range(n_steps)] for c in range(n_channels)]
    return ":".join([*(",".join(map(str, values)) for values in channels), str(label)])


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of downloads that has both packages already."""
    folder = tmp_path / "cache"
    folder.mkdir()
    with zipfile.ZipFile(folder / "vowels.whl", "w") as wheel:
        for part, lines in (("TRAIN", [ts_line(7, 1), ts_line(9, 2)]), ("TEST", [ts_line(8, 9)])):
            wheel.writestr(VOWELS_MEMBER.format(part=part), HEADER + "\n".join(lines) + "\n")
    with tarfile.open(folder / "co2.tar.gz", "w:gz") as sdist:
        info = tarfile.TarInfo(CO2_MEMBER)
        info.size = len(WEEKS)
        sdist.addfile(info, io.BytesIO(WEEKS.encode()))
    for name, path in (("vowels", folder / "vowels.whl"), ("co2", folder / "co2.tar.gz")):
        archive = Archive("none", "1.0", path.name, sha256_of(path))
        monkeypatch.setitem(series.SERIES, name, series.SERIES[name]._replace(archive=archive))
    return folder


def run(*args: Any) -> Tuple[int, str]:
    app = typer.Typer()
    app.command()(series.main)
    result = CliRunner().invoke(app, [str(arg) for arg in args])
    return result.exit_code, " ".join(result.output.split())


def test_both_are_written_as_the_scripts_read_them(cache: Path, tmp_path: Path) -> None:
    status, output = run("all", "--out-dir", tmp_path / "out", "--cache-dir", cache)
    assert status == 0, output
    vowels, co2 = tmp_path / "out" / "vowels", tmp_path / "out" / "co2"
    rows = [json.loads(line) for line in (vowels / "train.jsonl").read_text().splitlines()]
    assert [row["label"] for row in rows] == [0, 1]
    assert [len(row["steps"]) for row in rows] == [7, 9]
    assert rows[0]["steps"][2] == [0.5 * c - 2 for c in range(12)]
    assert json.loads((vowels / "test.jsonl").read_text())["label"] == 8
    with (co2 / "monthly.csv").open(newline="") as file:
        months = [row["month"] for row in csv.DictReader(file)]
    assert months == ["1957-12", "1958-01", "1958-02", "1958-03", "1958-04"]
    assert json.loads((co2 / "meta.json").read_text())["filled"] == ["1958-02", "1958-03"]
    # Once more, into the same place.
    assert run("vowels", "--out-dir", tmp_path / "out", "--cache-dir", cache)[0] == 0


def test_months_are_the_means_of_their_weeks_and_gaps_a_straight_line() -> None:
    months = monthly(WEEKS)
    assert [month.value for month in months] == [310.0, 312.0, 313.3333, 314.6667, 316.0]
    assert [month.n_weeks for month in months] == [1, 2, 0, 0, 1]


@pytest.mark.parametrize("line", [ts_line(7, 1, n_channels=11), ts_line(7, 1)[4:]])
def test_a_line_with_other_channels_is_named(line: str) -> None:
    with pytest.raises(DataError, match="Line 6 has"):
        parse_ts(HEADER + ts_line(7, 1) + "\n" + line)


def test_an_unknown_name_and_a_folder_of_other_things_are_refused(
    cache: Path, tmp_path: Path
) -> None:
    status, output = run("wovels", "--cache-dir", cache)
    assert status == 1
    assert "Unknown data set 'wovels'" in output
    (tmp_path / "co2").mkdir()
    (tmp_path / "co2" / "notes.txt").touch()
    status, output = run("co2", "--out-dir", tmp_path, "--cache-dir", cache)
    assert status == 1
    assert "holds other files" in output
