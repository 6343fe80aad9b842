"""What all pictures of texts are made of: pages, shaded tokens, marks, escaping."""

from html import escape
from typing import Callable, Optional

from spacy.util import is_in_jupyter

from .errors import Errors

# What is shown of characters that cannot be seen.
MARKS = {" ": "␣", "\n": "↵", "\t": "⇥", "\r": "␍", "\x7f": "␡", "\xa0": "⍽", "\u2028": "↵"}
NAMES = {" ": "space", "\n": "line break", "\t": "tab"}


def deliver(html: str, title: str, *, page: bool, jupyter: Optional[bool]) -> Optional[str]:
    """Give a picture to who has asked for it.

    html (str): The picture, a part of a page.
    title (str): Title of the page.
    page (bool): Make a whole page of it.
    jupyter (Optional[bool]): Show it in a notebook; if None, wherever this is run in one.
    RETURNS (Optional[str]): The HTML; None in a notebook.
    """
    if page:
        html = _page(title, html)
    if jupyter or (jupyter is None and is_in_jupyter()):
        _show(html)
        return None
    return html


def _show(html: str) -> None:
    try:
        from IPython.display import HTML, display
    except ImportError as error:
        raise ImportError(Errors.E053) from error
    # Of this class, so that a notebook takes no $ in the text for mathematics.
    display(HTML(f'<div class="tex2jax_ignore">{html}</div>'))


def _page(title: str, html: str) -> str:
    # The policy is a second guard beside escaping: nothing on the page may run or load.
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta http-equiv="Content-Security-Policy" '
        "content=\"default-src 'none'; style-src 'unsafe-inline'\">\n"
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escaped(title)}</title>\n</head>\n"
        f'<body style="margin:1.5rem;background:#fff">\n<main>\n{html}\n</main>\n</body>\n</html>\n'
    )


def shaded(text: str, said: str, look: str, tip: Callable[[str], str]) -> str:
    """Draw a token.

    text (str): Its text.
    said (str): What is said of it, by a screen reader.
    look (str): Its style.
    tip (Callable[[str], str]): Makes what is shown at it, from its text as that is seen.
    RETURNS (str): The HTML.
    """
    if text and not text.isspace():
        return box("", text, "", said, look, tip(text))
    # The mark is drawn by the style, and the whitespace itself stands behind the box, so that the
    # text breaks where it does, and is whole when it is copied.
    name = " and ".join(dict.fromkeys(NAMES.get(char, "whitespace") for char in text))
    mark = visible(text)
    return box("space", mark, name, said, look, tip(mark)) + escaped(text)


def box(kind: str, text: str, spoken: str, said: str, look: str, tip: str) -> str:
    """RETURNS (str): A shaded token, with what is shown at it. `kind` is "" for a word, whose text
    is in the page; the marks of other kinds are drawn by the style, and spoken as `spoken`."""
    said = f" {spoken} ({said}) " if kind else f" ({said}) "
    mark = f' data-mark="{escaped(text)}"' if kind else ""
    return (
        f'<span class="{f"token {kind}".strip()}" tabindex="0" style="{look}" '
        f'data-said="{escaped(said)}"{mark}>{"" if kind else escaped(text)}{tip}</span>'
    )


def visible(text: str) -> str:
    """RETURNS (str): The text, with a mark for each character that cannot be seen."""
    return "".join(MARKS.get(char) or _seen(char) for char in text)


def _seen(char: str) -> str:
    # Unicode has a picture for each control character.
    return chr(0x2400 + ord(char)) if char < " " else char


def escaped(text: str) -> str:
    """RETURNS (str): The text for HTML, where it comes out as it is. A parser of HTML would make
    other characters of a carriage return and of a NUL, which have to be written otherwise."""
    return escape(text).replace("\r", "&#13;").replace("\x00", "␀")
