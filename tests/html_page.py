"""What is in the HTML of a picture, for tests that look at it."""

from html.parser import HTMLParser
from typing import Any, Dict, List, Optional, Sequence, Tuple

HOSTILE = "<script>document.title='x'</script> & \"<img src=x onerror=document.title='y'>'"
VOID = ("meta", "img", "br")


class Page(HTMLParser):
    """What is in a piece of HTML, for those who look at it.

    tokens (List[Dict[str, Any]]): Attributes of each shaded token, with its "text".
    texts (List[str]): The text of each doc, as a browser's user copies it.
    tips (List[str]): What is shown at each token.
    titles (List[str]): What each caption says.
    cells (List[str]): Of the tables.
    """

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: List[Tuple[str, Dict[str, Optional[str]]]] = []
        self.open: List[Tuple[str, str]] = []
        self.tokens: List[Dict[str, Any]] = []
        self.texts: List[str] = []
        self.tips: List[str] = []
        self.titles: List[str] = []
        self.cells: List[str] = []
        self.feed(html)
        self.close()
        assert self.open == [], "a tag is not closed"

    def handle_starttag(self, tag: str, attrs: List[Tuple[str, Optional[str]]]) -> None:
        table = dict(attrs)
        self.tags.append((tag, table))
        kind = (table.get("class") or "").split(" ")[0]
        if tag not in VOID:
            self.open.append((tag, kind))
        if kind == "token":
            self.tokens.append({**table, "text": ""})
        elif kind == "text":
            self.texts.append("")
        elif kind == "tip":
            self.tips.append("")
        elif tag == "figcaption":
            self.titles.append("")
        elif tag in ("td", "th"):
            self.cells.append("")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop()[0] == tag

    def handle_data(self, data: str) -> None:
        tags, kinds = [tag for tag, _ in self.open], [kind for _, kind in self.open]
        if "tip" in kinds:
            self.tips[-1] += data
        elif "text" in kinds:
            self.texts[-1] += data
            if "token" in kinds:
                self.tokens[-1]["text"] += data
        elif "figcaption" in tags:
            self.titles[-1] += data
        elif "td" in tags or "th" in tags:
            self.cells[-1] += data


def luminance(colour: Sequence[int]) -> float:
    """RETURNS (float): How bright a colour is, as WCAG 2 defines it."""
    parts = [part / 255 for part in colour]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
