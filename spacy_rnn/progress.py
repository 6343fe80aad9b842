"""Progress on standard error, of what takes more than two seconds, if somebody is looking."""

import contextlib
import threading
from typing import Any, Iterable, Iterator, Optional

DELAY = 2.0


def bar(
    values: Iterable[Any], unit: str, *, about: Optional[str] = None, is_needed: bool = True
) -> Iterable[Any]:
    """
    values (Iterable): Any values.
    unit (str): What they are, in the plural.
    about (Optional[str]): What is done with them.
    is_needed (bool): Whether to show anything.
    RETURNS (Iterable): The values, counted on standard error as they are taken.
    """
    from tqdm import tqdm

    # None stands for: not where standard error is no terminal.
    disable = None if is_needed else True
    counted: Iterable[Any] = tqdm(
        values, about, unit=f" {unit}", delay=DELAY, disable=disable, leave=False
    )
    return counted


@contextlib.contextmanager
def elapsed(what: str) -> Iterator[None]:
    """Show the time that has passed while the block runs, of which no part can be counted."""
    from tqdm import tqdm

    done = threading.Event()
    shown = tqdm(desc=what, bar_format="{desc} {elapsed}", delay=DELAY, disable=None, leave=False)

    def tick() -> None:
        if not done.wait(DELAY):
            while not done.wait(0.5):
                shown.refresh()

    ticker = threading.Thread(target=tick, daemon=True)
    if not shown.disable:
        ticker.start()
    try:
        yield
    finally:
        done.set()
        if ticker.is_alive():
            ticker.join()
        shown.close()
