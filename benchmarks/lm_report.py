"""Write the figures of the language models into the documentation, and draw their picture.

python -m benchmarks.lm_report docs/speed.md
"""

import json
from pathlib import Path
from typing import Annotated

import typer
from wasabi import msg

from .lm_plots import draw_speed
from .lm_tables import fill_page

PICTURE = "speed-lm.png"


def main(
    page: Annotated[Path, typer.Argument(exists=True, help="Whose place is filled")],
    speed: Annotated[Path, typer.Option(exists=True, help="What benchmarks.lm_speed wrote")] = Path(
        "metrics/lm_speed.json"
    ),
    quality: Annotated[
        Path, typer.Option(help="What benchmarks.lm_quality wrote; left out if it is not there")
    ] = Path("metrics/lm_quality.json"),
) -> None:
    """Fill the place of the tables, and draw the picture beside the page."""
    # Not by srsly, whose floats are not always those that were written.
    found = json.loads(speed.read_text(encoding="utf8"))
    trained = json.loads(quality.read_text(encoding="utf8")) if quality.exists() else None
    text = fill_page(page.read_text(encoding="utf8"), found, trained)
    page.write_text(text, encoding="utf8")
    msg.good(f"Wrote the figures into {page}")
    try:
        import matplotlib
    except ImportError:
        msg.fail("Drawing needs matplotlib", "pip install 'spacy-rnn[viz]'", exits=1)
    matplotlib.use("Agg")
    figure = draw_speed(found)
    figure.savefig(page.parent / PICTURE, bbox_inches="tight", pad_inches=0.08)
    matplotlib.pyplot.close(figure)
    msg.good(f"Drew {page.parent / PICTURE}")


if __name__ == "__main__":
    typer.run(main)
