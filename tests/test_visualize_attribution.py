"""Pictures of explanations: as HTML, and as a browser shows them."""

from pathlib import Path
from typing import Any, Iterator, List, Optional

import numpy
import pytest
import spacy
from hypothesis import given
from hypothesis import strategies as st

from spacy_rnn import visualize
from spacy_rnn.pipeline.explanation import Explanation
from spacy_rnn.visualize import attribution
from spacy_rnn.visualize_attribution import MINUS
from spacy_rnn.visualize_style import DARK, FOR, INK, shade
from tests.chromium import PROGRAM, Browser
from tests.html_page import HOSTILE, Page, luminance

NLP = spacy.blank("en")


def explained(
    text: str,
    values: Optional[List[float]] = None,
    *,
    method: str = "integrated_gradients",
    label: str = "GOOD",
    title: str = "",
) -> Explanation:
    """RETURNS (Explanation): One as of a text, with 1, -1, 2, -2 ... if no numbers are given."""
    doc = NLP.make_doc(text)
    found = [(i // 2 + 1.0) * (-1) ** i for i in range(len(doc))] if values is None else values
    is_complete = method != "attention"
    return Explanation(
        label=label,
        method=method,
        tokens=[token.text for token in doc],
        spaces=[bool(token.whitespace_) for token in doc],
        attributions=found,
        score=sum(found) - 0.5,
        baseline=-0.5 if is_complete else None,
        error=0.0 if is_complete else None,
        lang="en",
        title=title,
    )


def draw(items: Any, **settings: Any) -> Page:
    html = attribution(items, jupyter=False, **settings)
    assert html is not None
    return Page(html)


def bars(page: Page) -> List[float]:
    """RETURNS (List[float]): The bar of each token: above 0 if it is at the top, below if not."""
    found = []
    for token in page.tokens:
        style = dict(part.split(":") for part in str(token["style"]).split(";"))
        size = float(style["background-size"].split()[1].rstrip("%"))
        found.append(size if style.get("background-position") == "left top" else -size)
    return found


def colours(page: Page) -> List[str]:
    return [str(token["style"])[len("background-color:") :][:7] for token in page.tokens]


# The HTML


def test_each_token_has_its_number_in_words():
    page = draw(explained("So very good .", [0.25, -1.5, 0.0, -0.001]))
    assert [token["text"] for token in page.tokens] == ["So", "very", "good", "."]
    assert [token["data-said"] for token in page.tokens] == [
        *(" (+0.25 for) ", f" ({MINUS}1.50 against) ", " (0.00) ", " (0.00) ")
    ]
    assert page.tips[:2] == ["So +0.25 for GOOD", f"very {MINUS}1.50 against GOOD"]
    assert page.cells == [
        *("No.", "Token", "Adds to the score", "1", "So", "+0.25", "2", "very", f"{MINUS}1.50"),
        *("3", "good", "0.00", "4", ".", "0.00"),
    ]


def test_for_and_against_differ_in_colour_and_in_the_place_of_the_bar():
    page = draw(explained("a b c d e", [4.0, 1.0, 0.0, -1.0, -4.0]))
    assert bars(page) == [24.0, 6.0, 0.0, -6.0, -24.0]
    assert colours(page) == [
        *(shade(1.0, FOR), shade(0.25, FOR), "#ffffff", shade(0.25, DARK), shade(1.0, DARK))
    ]


def test_what_is_drawn_at_once_can_be_compared():
    page = draw([explained("a b", [1.0, -1.0]), explained("c", [4.0])])
    assert bars(page) == [6.0, -6.0, 24.0]


def test_weights_of_the_attention_have_a_measure_and_words_of_their_own():
    items = [explained("a b", [0.25, 0.75], method="attention"), explained("c", [-3.0])]
    page = draw(items)
    assert bars(page) == [8.0, 24.0, -24.0]
    assert page.tokens[0]["data-said"] == " (0.250 of the attention) "
    assert page.titles[0].strip() == "GOOD: score +0.50, shaded by the attention"
    html = str(attribution(items, jupyter=False))
    assert html.count('<p class="legend">') == 2
    assert "Weights of the attention" in html


def test_the_caption_tells_how_the_score_comes_about():
    page = draw(explained("a b c", [2.0, -0.75, 0.25], title="A title"))
    assert page.titles[0].strip() == (
        f"A title GOOD: score +1.00 ({MINUS}0.50 without a text, +2.25 by tokens for it, "
        f"{MINUS}0.75 by tokens against it)"
    )


@pytest.mark.parametrize("dark", [FOR, DARK])
def test_text_is_readable_on_every_shade(dark):
    ink = luminance(bytes.fromhex(INK[1:]))
    for share in numpy.linspace(0, 1, 101):
        background = luminance(bytes.fromhex(shade(float(share), dark)[1:]))
        assert (background + 0.05) / (ink + 0.05) > 5.0


@pytest.mark.parametrize("text", ["", " ", "a\n\n b", "tab\tand  spaces ", HOSTILE, "شكرا"])
def test_the_text_is_kept(text):
    assert draw(explained(text)).texts == [NLP.make_doc(text).text]


@given(st.text(max_size=30), st.text(max_size=10))
def test_no_text_breaks_the_html(text, label):
    page = draw(explained(text, label=label, title=text), page=True)
    tags = {tag for tag, _ in page.tags}
    assert not tags & {"script", "img", "a", "iframe"}
    assert page.texts == [NLP.make_doc(text).text.replace("\x00", "␀")]


def test_numbers_that_are_none_do_not_break_it():
    page = draw(explained("a b c", [float("nan"), float("inf"), 1.0]))
    assert bars(page) == [0.0, 0.0, 24.0]
    assert page.tokens[1]["data-said"] == " (inf) "


def test_zeros_are_white():
    assert set(colours(draw(explained("a b", [0.0, 0.0])))) == {"#ffffff"}


def test_several_and_none_can_be_drawn():
    page = draw(explained(text) for text in ("a b", "", "c"))
    assert page.texts == ["a b", "", "c"]
    assert draw([]).texts == []


def test_a_page_has_a_title():
    html = str(attribution(explained("a", title="A & B"), page=True, jupyter=False))
    assert html.startswith("<!DOCTYPE html>")
    assert "<title>A &amp; B</title>" in html
    html = str(attribution(explained("a"), page=True, jupyter=False))
    assert "<title>Explanation</title>" in html


def test_in_a_notebook_it_is_shown(monkeypatch):
    shown: List[str] = []
    monkeypatch.setattr("spacy_rnn.visualize_html._show", shown.append)
    html = attribution(explained("a"), jupyter=False)
    assert attribution(explained("a"), jupyter=True) is None
    monkeypatch.setattr("spacy_rnn.visualize_html.is_in_jupyter", lambda: True)
    assert visualize.attribution(explained("a")) is None
    assert shown == [html, html]


@pytest.mark.parametrize("found", ["a text", None, 5, NLP("a"), [explained("a"), "a"]])
def test_only_explanations_can_be_drawn(found):
    with pytest.raises(ValueError, match="spacy-rnn E084"):
        attribution(found)


# In a browser


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    if PROGRAM is None:
        pytest.skip("Chromium is not installed")
    with Browser(tmp_path_factory.mktemp("profile")) as found:
        yield found


def load(browser: Browser, path: Path, items: Any) -> None:
    path = path / "page.html"
    path.write_text(str(attribution(items, page=True, jupyter=False)), encoding="utf8")
    browser.move_mouse(1, 1)
    browser.show(path)


def test_a_browser_shows_colours_and_bars(browser, tmp_path):
    pytest.importorskip("matplotlib")
    load(browser, tmp_path, explained("aaaa bbbb cccc", [4.0, 0.0, -4.0]))
    pixels = browser.picture()
    script = (
        "Array.from(document.querySelectorAll('.token'), e => e.getBoundingClientRect())"
        ".map(r => [r.left, r.top, r.bottom])"
    )
    places, middles = [], []
    for left, top, bottom in browser.run(script):
        column = pixels[int(top) : int(bottom), int(left) + 5]
        is_dark = column.mean(axis=1) < 0.25
        # A bar of full size takes nearly a quarter; the row behind it is free of letters.
        places.append((bool(is_dark[2:7].all()), bool(is_dark[-7:-2].all())))
        middles.append(column[int(len(column) * 0.3)])
    assert places == [(True, False), (False, False), (False, True)]
    assert middles[0][2] > middles[0][0] + 0.2  # blue
    assert middles[1].min() > 0.9
    assert middles[2][0] > middles[2][2] + 0.2  # orange


def test_a_screen_reader_says_what_is_for_and_against(browser, tmp_path):
    load(browser, tmp_path, explained("very good", [-1.0, 2.5]))
    assert f"very({MINUS}1.00 against) good(+2.50 for)" in browser.spoken()


def test_a_token_with_the_focus_shows_its_number(browser, tmp_path):
    load(browser, tmp_path, explained("very good", [-1.0, 2.5]))
    browser.press_tab()
    script = (
        "Array.from(document.querySelectorAll('.tip')).filter(e => e.checkVisibility())"
        ".map(e => e.innerText.replace(/\\s+/g, ' '))"
    )
    assert browser.run(script) == [f"very {MINUS}1.00 against GOOD"]


def test_a_browser_runs_nothing_of_the_text(browser, tmp_path):
    load(browser, tmp_path, explained(HOSTILE, label=HOSTILE, title="A title"))
    assert browser.run("document.title") == "A title"
    assert browser.run("document.querySelectorAll('script, img').length") == 0
