"""What is shown of a training while it runs: a table, and a file of figures for curves."""

import json
import math
import os
import sys
from itertools import chain, count
from pathlib import Path
from time import perf_counter
from typing import IO, Any, Callable, Dict, Optional, Tuple, Union

from spacy.language import Language

from ..errors import Errors
from .figures import Figures
from .table import Table

BARS = ("train", "eval")
LogStepT = Callable[[Optional[Dict[str, Any]]], None]
SetupT = Callable[[Language, IO, IO], Tuple[LogStepT, Callable[[], None]]]


def ConsoleLogger(
    progress_bar: Optional[str] = None,
    console_output: bool = True,
    output_file: Optional[Union[str, Path]] = None,
) -> SetupT:
    """Print a row of figures after each evaluation of `spacy train`, perplexities among them.

    progress_bar (Optional[str]): "eval" shows the steps until the next evaluation, "train" those
        until max_steps, both on stderr if that is a terminal; None shows none.
    console_output (bool): Whether to print the table.
    output_file (Optional[Union[str, Path]]): A file that gets the figures, unrounded, as a line of
        JSON for each evaluation. What was there before is renamed to end in `.bak`, or in
        `.bak.1` and so on if there is one already.
    RETURNS (Callable): What spaCy's training calls before the first step.
    RAISES (ValueError): If there is no such bar. When the training begins: if the file can't be
        written.
    """
    if progress_bar is not None and progress_bar not in BARS:
        expected = ", ".join(BARS)
        raise ValueError(
            Errors.E009.format(what="progress_bar", found=progress_bar, expected=expected)
        )

    def setup(
        nlp: Language, stdout: IO = sys.stdout, stderr: IO = sys.stderr
    ) -> Tuple[LogStepT, Callable[[], None]]:
        file = _open(Path(output_file)) if output_file is not None else None
        figures = Figures(nlp, perf_counter)
        table = Table(figures.columns, stdout) if console_output else None
        bar = _Bar(nlp, progress_bar, stderr)

        def log_step(info: Optional[Dict[str, Any]]) -> None:
            if info is None:
                figures.count_step()
                bar.advance()
                return
            row = figures.evaluated(info)
            bar.close()
            if file is not None:
                file.write(json.dumps(_without_infinities(row)) + "\n")
                file.flush()
            if table is not None:
                table.write(row)
            bar.open(info)
            figures.go_on()

        def finalize() -> None:
            bar.close()
            if file is not None:
                file.close()

        return log_step, finalize

    return setup


def _open(path: Path) -> IO:
    """Open a file for writing, and keep what was there before."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_file():
            os.replace(path, _free_name(path))
        return path.open("w", encoding="utf8")
    except OSError as error:
        raise ValueError(Errors.E042.format(path=path, reason=error.strerror)) from error


def _free_name(path: Path) -> Path:
    """RETURNS (Path): A name for what was there before that nothing has yet."""
    names = chain([".bak"], (f".bak.{i}" for i in count(1)))
    return next(new for end in names if not (new := path.with_name(path.name + end)).exists())


def _without_infinities(value: Any) -> Any:
    """RETURNS: The same with None where JSON has no number to write."""
    if isinstance(value, dict):
        return {key: _without_infinities(item) for key, item in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value


class _Bar:
    """The bar of progress, if one is wanted and the stream is a terminal."""

    def __init__(self, nlp: Language, kind: Optional[str], stream: IO) -> None:
        training = nlp.config.interpolate()["training"]
        self._kind = kind
        self._stream = stream
        # The length is not known where the number of steps has no limit.
        total = training["max_steps" if kind == "train" else "eval_frequency"]
        self._total = total or None
        self._bar: Any = None
        self.open({"step": 0, "epoch": 0})

    def open(self, info: Dict[str, Any]) -> None:
        """Begin anew, after an evaluation or before the first."""
        if self._kind is None:
            return
        import tqdm

        self._bar = tqdm.tqdm(
            total=self._total,
            initial=info["step"] if self._kind == "train" else 0,
            desc=f"Epoch {info['epoch']}",
            unit="step",
            leave=False,
            file=self._stream,
            disable=None,
        )

    def advance(self) -> None:
        if self._bar is not None:
            self._bar.update(1)

    def close(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None
