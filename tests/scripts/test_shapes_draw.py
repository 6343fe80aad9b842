"""The picture of the shapes."""

from pathlib import Path

import pytest

pytest.importorskip("matplotlib")
import draw


def test_the_picture_is_drawn(tmp_path: Path) -> None:
    draw.main(tmp_path / "shapes.png")
    assert (tmp_path / "shapes.png").stat().st_size > 10_000
    assert [path.name for path in tmp_path.iterdir()] == ["shapes.png"]


def test_each_shape_is_what_its_title_says() -> None:
    for shape in draw.SHAPES:
        before, after = (len(part) for part in (shape.inputs, shape.outputs))
        words = shape.title.split()
        assert (before > 1, after > 1) == (words[0] == "many", words[2].startswith("many"))
        assert max(shape.inputs + shape.outputs) == shape.n_steps - 1
