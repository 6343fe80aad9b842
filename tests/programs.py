"""Programs, run as from a shell, but in the process of the tests.

In a process of its own each would import spaCy and torch again, which takes seconds.
"""

import io
import os
import runpy
import sys
import traceback
import warnings
from contextlib import ExitStack, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Callable, Sequence, Set
from unittest import mock

ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class Ended:
    """What is left of a program: its exit status, and what it has printed."""

    returncode: int
    stdout: str
    stderr: str


def run_script(name: str, *arguments: Any) -> Ended:
    """Run a script, named by its path in this repository, as `python NAME` does.

    What the programs that it calls itself print is not caught.
    """
    path = ROOT / name
    with mock.patch.object(sys, "path", [str(path.parent), *sys.path]):
        before = set(sys.modules)
        try:
            return _run(lambda: runpy.run_path(str(path), run_name="__main__"), path, arguments)
        finally:
            _forget_scripts(but=before)


def run_module(name: str, *arguments: Any) -> Ended:
    """Run a module of this repository as `python -m NAME` does."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", f".*{name}.* found in sys.modules", RuntimeWarning)
        run = partial(runpy.run_module, name, run_name="__main__", alter_sys=True)
        return _run(run, name, arguments)


def _run(run: Callable[[], Any], name: object, arguments: Sequence[Any]) -> Ended:
    out, err = io.StringIO(), io.StringIO()
    terminal = {"COLUMNS": "200", "TERM": "dumb", "NO_COLOR": "1"}
    with ExitStack() as stack:
        stack.enter_context(mock.patch.dict(os.environ, terminal))
        stack.enter_context(mock.patch.object(sys, "argv", [str(name), *map(str, arguments)]))
        stack.enter_context(redirect_stdout(out))
        stack.enter_context(redirect_stderr(err))
        code: Any = 0
        try:
            run()
        except SystemExit as end:
            code = end.code or 0
        except Exception:
            traceback.print_exc()
            code = 1
        if not isinstance(code, int):
            print(code, file=err)
            code = 1
    return Ended(code, out.getvalue(), err.getvalue())


def _forget_scripts(but: Set[str]) -> None:
    """Let the names of the modules beside a script be free for those beside another."""
    for name in set(sys.modules) - but:
        path = getattr(sys.modules[name], "__file__", None)
        if path and Path(path).is_relative_to(ROOT / "scripts"):
            del sys.modules[name]
