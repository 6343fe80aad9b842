"""What the tests need to know of a Markdown file: its snippets, headings, tables and links."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Dict, Iterator, List, Optional, Tuple

ROOT = Path(__file__).resolve().parents[2]
PAGES = [*sorted((ROOT / "docs").glob("*.md")), ROOT / "README.md", ROOT / "CONTRIBUTING.md"]

_NOT_RUN = re.compile(r"<!-- not run: (\S.*) -->")
_FENCE = re.compile(r"^```(\w*)\s*$")
_HEADING = re.compile(r"^(#+) (.+?)\s*$")


@dataclass
class Snippet:
    """A fenced block.

    lang (str): What stands behind the fence.
    text (str): What is between the fences.
    line (int): Number of the first line of the text in its file.
    not_run (str): Why it is not to be run, from the comment above it, or "".
    """

    page: Path
    lang: str
    text: str
    line: int
    not_run: str

    @property
    def where(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def snippets(page: Path, *langs: str) -> List[Snippet]:
    """RETURNS (List[Snippet]): The fenced blocks in these languages, in order."""
    return [snippet for snippet in _read(page) if snippet.lang in langs]


def _read(page: Path) -> Iterator[Snippet]:
    lines = page.read_text(encoding="utf8").splitlines()
    lang: Optional[str] = None
    begin = 0
    for i, line in enumerate(lines):
        fence = _FENCE.match(line)
        if lang is None and fence:
            lang, begin = fence[1], i + 1
        elif lang is not None and line.rstrip() == "```":
            above = lines[begin - 2].strip() if begin > 1 else ""
            reason = _NOT_RUN.fullmatch(above)
            text = "\n".join(lines[begin:i]) + "\n"
            yield Snippet(page, lang, text, begin + 1, reason[1] if reason else "")
            lang = None
    assert lang is None, f"{page.name}: the fence before line {begin + 1} is not closed"


def prose(page: Path) -> str:
    """RETURNS (str): The page without its fenced blocks."""
    return re.sub(r"^```.*?^```\s*?$", "", page.read_text(encoding="utf8"), flags=re.M | re.S)


def headings(page: Path) -> List[Tuple[int, str]]:
    """RETURNS (List[Tuple[int, str]]): Level and text of each heading."""
    found = (_HEADING.match(line) for line in prose(page).splitlines())
    return [(len(match[1]), match[2]) for match in found if match]


def anchor(heading: str) -> str:
    """RETURNS (str): The fragment by which GitHub links to a heading."""
    text = re.sub(r"[^\w\- ]", "", heading.lower())
    return text.replace(" ", "-")


def section(page: Path, name: str) -> Optional[str]:
    """RETURNS (Optional[str]): The text under the heading that names `name` as code, without its
    fenced blocks, up to the next heading of the same level or above."""
    level, text = 0, []
    for line in prose(page).splitlines():
        match = _HEADING.match(line)
        if match and level and len(match[1]) <= level:
            break
        if match and not level and f"`{name}`" in match[2]:
            level = len(match[1])
        elif level:
            text.append(line)
    return "\n".join(text) if level else None


def table(text: str, first_column: str) -> Dict[str, List[str]]:
    """Read the first table whose first column has this title.

    RETURNS (Dict[str, List[str]]): The further cells of each row by its first cell. A first cell
        with several names in code gives one row for each.
    """
    rows: Dict[str, List[str]] = {}
    inside = False
    for line in text.splitlines():
        cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip())[1:-1]]
        if not cells:
            if inside:
                break
        elif cells[0] == first_column:
            inside = True
        elif inside:
            for name in re.findall(r"`([^`]+)`", cells[0]):
                rows[name] = cells[1:]
    return rows
