"""Pictures of surprisals: as HTML, and as a browser shows them."""

import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any, Dict, Iterator, List, Optional, Sequence, Tuple

import numpy
import pytest
import spacy
from hypothesis import given
from hypothesis import strategies as st
from spacy.language import Language
from spacy.tokens import Doc

from spacy_rnn.pipeline.surprisal import annotate
from spacy_rnn.visualize import ALTERNATIVES, surprisal
from spacy_rnn.visualize_style import INK, shade
from tests.chromium import HEIGHT, PROGRAM, WIDTH, Browser
from tests.html_page import HOSTILE, Page, luminance
from tests.small_lm import TEXTS, train_lm

NLP = spacy.blank("en")


def make_doc(text: str, bits: Optional[Sequence[float]] = None, lang: str = "en") -> Doc:
    """RETURNS (Doc): A doc with surprisals, 0, 1, 2 ... bits if none are given."""
    doc = (NLP if lang == "en" else spacy.blank(lang)).make_doc(text)
    values = numpy.arange(len(doc) + 1) if bits is None else numpy.asarray(bits)
    annotate(doc, values.astype("float32"), len(values), "rnn_lm")
    return doc


def draw(docs: Any, **settings: Any) -> Page:
    html = surprisal(docs, jupyter=False, **settings)
    assert html is not None
    return Page(html)


def look(token: Dict[str, Any]) -> Tuple[Tuple[int, ...], float]:
    """RETURNS (Tuple[Tuple[int, ...], float]): Colour of a token, and the height of its bar."""
    found = re.fullmatch(
        r"background-color:#(\w{6});background-size:100% ([\d.e-]+)%", str(token["style"])
    )
    assert found, token
    return tuple(bytes.fromhex(found[1])), float(found[2])


class AlternativesOnly:
    """What a picture needs of a language model."""

    def alternatives(self, doc: Doc, n: int) -> List[List[Tuple[str, float]]]:
        return [[(f"w{i}<{j}>", float(j)) for j in range(n)] for i in range(len(doc))]


# The HTML


def test_each_token_has_its_bits():
    page = draw(make_doc("The cat sat.", [1.5, 0, 12.25, 3, 2]))
    assert [token["text"] for token in page.tokens] == ["The", "cat", "sat", ".", ""]
    assert [re.findall(r"[\d.]+", token["data-said"])[0] for token in page.tokens] == [
        *("1.50", "0.00", "12.25", "3.00", "2.00")
    ]
    assert "12.25 bits, 1 in 4,871" in page.tips[2]
    assert page.tokens[-1]["data-said"] == " end of text (2.00 bits) "


def test_more_bits_are_a_darker_shade_and_a_higher_bar():
    page = draw(make_doc("a b c d e f", [0, 1, 2, 4, 8, 16, 99]), max_bits=16)
    colours, bars = zip(*map(look, page.tokens))
    brightness = [luminance(colour) for colour in colours]
    assert brightness[0] == 1.0
    assert sorted(set(brightness), reverse=True) == brightness[:-1]
    assert sorted(set(bars)) == list(bars[:-1])
    assert bars[0] == 0.0
    assert (colours[-1], bars[-1]) == (colours[-2], bars[-2])


def test_text_is_readable_on_every_shade():
    ink = luminance(bytes.fromhex(INK[1:]))
    for share in numpy.linspace(0, 1, 101):
        background = luminance(bytes.fromhex(shade(float(share))[1:]))
        assert (background + 0.05) / (ink + 0.05) >= 4.5


def test_one_rare_token_does_not_make_the_others_white():
    bits = [float(i % 10) for i in range(60)] + [90.0]
    page = draw(make_doc("a " * 59 + "b", bits))
    usual = [look(token)[1] for token in page.tokens[:-1]]
    assert max(usual) == look(page.tokens[-1])[1]
    assert len(set(usual)) == 10


def test_the_scale_is_that_of_all_docs_or_the_one_given():
    docs = [make_doc("a b", [1, 1, 1]), make_doc("a b", [20, 20, 20])]
    low, high = look(draw(docs).tokens[0]), look(draw(docs).tokens[3])
    assert low != high == look(draw(docs[0]).tokens[0])
    assert look(draw(docs[0], max_bits=20).tokens[0]) == low
    assert "20 and more" in str(surprisal(docs, jupyter=False))
    assert "0.5 and more" in str(surprisal(docs, max_bits=0.5, jupyter=False))


def test_bits_that_are_no_number_are_shown_as_the_greatest():
    page = draw(make_doc("a b", [1, numpy.inf, numpy.nan]), max_bits=5)
    assert "inf bits" in page.tips[1]
    assert "nan bits" in page.tips[2]
    assert look(page.tokens[1]) == look(page.tokens[2])
    draw(make_doc("a", [numpy.nan, numpy.nan]))


@given(st.text(max_size=40))
def test_the_text_is_whole_and_can_be_copied(text):
    page = draw(make_doc(text))
    # No browser can be given a NUL.
    assert page.texts == [text.replace("\x00", "␀")]


@pytest.mark.parametrize(
    ("text", "mark", "spoken"),
    [
        ("a\nb", "↵", "line break"),
        ("a \n\n b", "↵↵", "line break and space"),
        ("a\tb", "⇥", "tab"),
        ("a  b", "␣", "space"),
        ("a\u2003b", "\u2003", "whitespace"),
        ("a\n\tb", "↵⇥", "line break and tab"),
    ],
)
def test_whitespace_has_marks_that_are_not_copied(text, mark, spoken):
    page = draw(make_doc(text))
    (space,) = [token for token in page.tokens if token["class"] == "token space"]
    assert space["text"] == ""
    assert mark in space["data-mark"]
    assert space["data-said"].startswith(f" {spoken} (")
    assert page.texts == [text]


def test_nothing_of_the_text_becomes_html():
    doc = make_doc(HOSTILE)
    doc.user_data["title"] = HOSTILE
    doc.user_data[ALTERNATIVES] = [[(HOSTILE, 1.0)] for _ in doc]
    page = draw(doc, page=True)
    assert not {"script", "img"} & {tag for tag, _ in page.tags}
    assert not [key for _, attrs in page.tags for key in attrs if key.startswith("on")]
    assert page.texts == [HOSTILE]
    assert page.titles[0].startswith(HOSTILE)
    assert HOSTILE.replace(" ", "␣") in page.tips[0]


def test_alternatives_are_those_of_the_model_or_of_the_doc():
    doc = make_doc("a b")
    plain, asked = draw(doc), draw(doc, lm=AlternativesOnly(), n_alternatives=2)
    assert not [tip for tip in plain.tips if "Most probable" in tip]
    assert "w1<0> 0.00w1<1> 1.00" in asked.tips[1]
    assert "Most probable" not in asked.tips[2]  # of the end
    assert "w1<0>\xa00.00, w1<1>\xa01.00" in asked.cells
    doc.user_data[ALTERNATIVES] = [[["x", 1], ["y", 2.5], ["z", 3]], []]
    stored = draw(doc, n_alternatives=2)
    assert "x 1.00y 2.50" in stored.tips[0]
    assert "z" not in stored.tips[0]
    assert "Most probable" not in stored.tips[1]
    assert not [tip for tip in draw(doc, n_alternatives=0).tips if "Most probable" in tip]


def test_a_table_says_the_same():
    page = draw(make_doc("It\nran", [1, 2.5, 3, 4]))
    assert page.cells == [
        *("No.", "Token", "Bits"),
        *("1", "It", "1.00", "2", "↵", "2.50", "3", "ran", "3.00", "", "end of text", "4.00"),
    ]


def test_captions_tell_title_sum_and_perplexity():
    docs = [make_doc("a b", [1, 2, 3]), make_doc("a", [40, 40]), make_doc("", [1])]
    docs[0].user_data["title"] = "First"
    del docs[2].user_data["spacy_rnn.n_units"]
    assert draw(docs).titles == [
        "First 6.0 bits in 2 tokens, perplexity 4.0",
        "80.0 bits in 1 token, perplexity 1.1e+12",
        "1.0 bits in 0 tokens",
    ]


@pytest.mark.parametrize(
    ("lang", "text", "expected"),
    [("en", "a", ("en", "ltr")), ("ar", "كتاب", ("ar", "rtl")), ("xx", "a", ("", "ltr"))],
)
def test_language_and_direction_are_those_of_the_text(lang, text, expected):
    page = draw(make_doc(text, lang=lang))
    (found,) = [attrs for _, attrs in page.tags if attrs.get("class") == "text"]
    assert (found["lang"], found["dir"]) == expected
    assert page.tags[0][1]["lang"] == "en"  # of the rest


def test_a_page_is_whole_and_a_part_is_none():
    doc = make_doc("a")
    part, page = surprisal(doc, jupyter=False), surprisal(doc, page=True, jupyter=False)
    assert part is not None
    assert page is not None
    assert part.startswith("<div ")
    assert page.startswith("<!DOCTYPE html>")
    assert part in page
    assert "<title>Surprisal</title>" in page
    doc.user_data["title"] = "A & B"
    assert "<title>A &amp; B</title>" in str(surprisal(doc, page=True, jupyter=False))


def test_several_docs_share_style_and_legend():
    docs = (make_doc(text) for text in ("a b", "", "c"))
    html = surprisal(docs, page=True, jupyter=False)
    assert html is not None
    assert Page(html).texts == ["a b", "", "c"]
    assert html.count("<style>") == html.count('<p class="legend">') == 1
    assert draw([]).texts == []


def test_a_trained_pipeline_is_drawn():
    nlp = train_lm("word")
    doc = nlp(TEXTS[0])
    page = draw(doc, lm=nlp.get_pipe("rnn_lm"), n_alternatives=4)
    assert page.texts == [doc.text]
    assert f"{doc[1].text} {doc[1]._.surprisal:.2f} bits" in page.tips[1]
    for text, bits in nlp.get_pipe("rnn_lm").alternatives(doc, 4)[1]:
        assert f"{text} {bits:.2f}" in page.tips[1]


# Notebooks


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> List[str]:
    """What a notebook has shown."""
    found: List[str] = []
    module: Any = ModuleType("IPython.display")
    module.HTML, module.display = str, found.append
    monkeypatch.setitem(sys.modules, "IPython", ModuleType("IPython"))
    monkeypatch.setitem(sys.modules, "IPython.display", module)
    return found


def test_in_a_notebook_it_is_shown(shown, monkeypatch):
    doc = make_doc("a")
    html = surprisal(doc, jupyter=False)
    assert html is not None
    assert surprisal(doc, jupyter=True) is None
    assert html in shown[0]
    monkeypatch.setattr("spacy_rnn.visualize_html.is_in_jupyter", lambda: True)
    assert surprisal(doc) is None
    assert surprisal(doc, jupyter=False) == html
    assert len(shown) == 2


def test_without_ipython_it_cannot_be_shown(monkeypatch):
    monkeypatch.setitem(sys.modules, "IPython.display", None)
    with pytest.raises(ImportError, match=r"spacy-rnn E053.*pip install ipython"):
        surprisal(make_doc("a"), jupyter=True)


# Errors


def test_a_doc_without_surprisals_is_an_error():
    with pytest.raises(ValueError, match=r"spacy-rnn E050\] Doc 1, which begins with 'a b'"):
        surprisal([make_doc("a b"), NLP("a b")])


def test_surprisals_of_other_tokens_are_an_error():
    doc = make_doc("a b c")
    with doc.retokenize() as retokenizer:
        retokenizer.merge(doc[:2])
    with pytest.raises(ValueError, match="spacy-rnn E050"):
        surprisal(doc)


@pytest.mark.parametrize("stored", [[], [[]], 5, [[("a", "b")], []], [["a", "b"], []], [[1], [2]]])
def test_alternatives_that_do_not_fit_are_an_error(stored):
    doc = make_doc("a b")
    doc.user_data[ALTERNATIVES] = stored
    with pytest.raises(ValueError, match="spacy-rnn E051"):
        surprisal(doc)


@pytest.mark.parametrize("docs", ["a text", ["a text"], None, [make_doc("a"), None]])
def test_only_docs_can_be_drawn(docs):
    with pytest.raises(ValueError, match="spacy-rnn E052"):
        surprisal(docs)


@pytest.mark.parametrize(
    "settings",
    [
        *({"n_alternatives": value} for value in (-1, 1.5, True)),
        *({"max_bits": value} for value in (0, -1.0, float("inf"), float("nan"), "5")),
    ],
)
def test_numbers_out_of_their_range_are_errors(settings):
    with pytest.raises(ValueError, match="spacy-rnn E011"):
        surprisal(make_doc("a"), **settings)


# In a browser


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    if PROGRAM is None:
        pytest.skip("Chromium is not installed")
    with Browser(tmp_path_factory.mktemp("profile")) as found:
        yield found


@pytest.fixture(scope="module")
def nlp() -> Language:
    return train_lm("word")


def load(browser: Browser, path: Path, docs: Any, **settings: Any) -> None:
    html = surprisal(docs, page=True, jupyter=False, **settings)
    path = path / "page.html"
    path.write_text(str(html), encoding="utf8")
    browser.move_mouse(1, 1)
    browser.show(path)


def boxes(browser: Browser, selector: str) -> List[List[float]]:
    """RETURNS (List[List[float]]): left, top, right and bottom of elements."""
    script = (
        f"Array.from(document.querySelectorAll({selector!r}), e => e.getBoundingClientRect())"
        ".map(r => [r.left, r.top, r.right, r.bottom])"
    )
    return browser.run(script)


def shown_tips(browser: Browser) -> List[str]:
    """RETURNS (List[str]): The texts of the tips that are seen."""
    script = (
        "Array.from(document.querySelectorAll('.tip')).filter(e => e.checkVisibility())"
        ".map(e => e.innerText)"
    )
    return browser.run(script)


def test_a_browser_shows_shades_and_bars(browser, tmp_path):
    pytest.importorskip("matplotlib")
    load(browser, tmp_path, make_doc("aaaa bbbb cccc", [0, 5, 10, 0]), max_bits=10)
    pixels = browser.picture()
    found = boxes(browser, ".token")[:3]
    shades, bars = [], []
    for left, top, _, bottom in found:
        column = pixels[int(top) : int(bottom), int(left) + 5].mean(axis=1)
        shades.append(float(column[3]))
        bars.append(int((column < 0.25).sum()))  # of nothing but a bar at this place
    assert shades[0] > shades[1] + 0.1 > shades[2] + 0.2
    assert bars[0] + 2 < bars[1]
    assert bars[1] + 2 < bars[2]
    assert pixels.std() > 0.02  # not a blank page


def test_a_browser_runs_nothing_of_the_text(browser, tmp_path):
    doc = make_doc(HOSTILE)
    doc.user_data["title"] = "A title"
    doc.user_data[ALTERNATIVES] = [[(HOSTILE, 1.0)] for _ in doc]
    load(browser, tmp_path, doc)
    assert browser.run("document.title") == "A title"
    assert browser.run("document.querySelectorAll('script, img').length") == 0
    assert browser.run("document.querySelector('.text').textContent").startswith("<")


def test_a_token_under_the_mouse_shows_its_alternatives(browser, tmp_path, nlp):
    load(browser, tmp_path, nlp("The cat sat."), lm=nlp.get_pipe("rnn_lm"))
    assert shown_tips(browser) == []
    left, top, right, bottom = boxes(browser, ".token")[1]
    browser.move_mouse((left + right) / 2, (top + bottom) / 2)
    (tip,) = shown_tips(browser)
    doc = nlp("The cat sat.")
    assert f"{doc[1]._.surprisal:.2f} bits" in tip
    for text, _ in nlp.get_pipe("rnn_lm").alternatives(doc)[1]:
        assert text in tip
    browser.move_mouse(1, 1)
    assert shown_tips(browser) == []


def test_the_keyboard_goes_from_token_to_token(browser, tmp_path, nlp):
    load(browser, tmp_path, nlp("The cat sat."), lm=nlp.get_pipe("rnn_lm"))
    for word in ("The", "cat", "sat"):
        browser.press_tab()
        (tip,) = shown_tips(browser)
        assert tip.startswith(word)


def test_tips_are_below_their_token_and_within_the_window(browser, tmp_path):
    doc = make_doc("word " * 200)
    load(browser, tmp_path, doc, lm=AlternativesOnly())
    tokens = boxes(browser, ".token")
    at_the_right = max(range(30), key=lambda i: tokens[i][2])
    at_the_bottom = max(range(200), key=lambda i: (tokens[i][3] < HEIGHT) * tokens[i][3])
    for i in (0, at_the_right, at_the_bottom):
        left, top, right, bottom = tokens[i]
        browser.move_mouse((left + right) / 2, (top + bottom) / 2)
        (tip,) = [box for box in boxes(browser, ".tip") if box[2] > box[0]]
        assert tip[0] >= 0
        assert tip[1] >= 0
        assert tip[2] <= WIDTH
        assert tip[3] <= HEIGHT
        assert tip[1] >= bottom or tip[3] <= top  # it does not hide the token
    assert browser.run("document.documentElement.scrollWidth") <= WIDTH


def test_a_screen_reader_hears_the_bits(browser, tmp_path):
    load(browser, tmp_path, make_doc("The cat\nran", [1, 2.5, 3, 4, 5]))
    spoken = re.sub(r"\s+", " ", browser.spoken())
    expected = "The(1.00 bits) cat(2.50 bits)line break (3.00 bits) ran(4.00 bits)"
    assert expected + "end of text (5.00 bits)" in re.sub(r"\) ?(?=line|end)", ")", spoken)
    assert "Surprisal in bits, from expected to surprising" in spoken


def test_lines_break_where_the_text_does(browser, tmp_path):
    load(browser, tmp_path, make_doc("a\nb\n\nc"))
    tops = [box[1] for box in boxes(browser, ".token:not(.space):not(.end)")]
    height = tops[1] - tops[0]
    assert height > 10
    assert tops[2] - tops[1] == pytest.approx(2 * height, abs=1)
