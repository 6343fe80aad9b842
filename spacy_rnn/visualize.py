"""Show texts with the surprisal of their tokens, as HTML; and, by `attribution`, what they say for
or against a label."""

import math
from functools import partial
from html import escape
from typing import Any, Iterable, List, NamedTuple, Optional, Sequence, Tuple, Union

import numpy
from spacy.tokens import Doc

from .checks import is_number, is_whole
from .errors import Errors, number_error
from .pipeline.surprisal import BACKWARD, N_UNITS, perplexity, surprisals_of
from .visualize_attribution import attribution
from .visualize_html import box, deliver, escaped, shaded, visible
from .visualize_style import STYLE, bar_height, shade

__all__ = ["ALTERNATIVES", "AlternativesT", "Item", "attribution", "surprisal", "visible"]

ALTERNATIVES = "spacy_rnn.alternatives"
N_LEGEND = 5
# At 40 bits, "1 in a million million" says no more than the bits.
MAX_ODDS_BITS = 40.0

AlternativesT = Sequence[Sequence[Tuple[str, float]]]


class Item(NamedTuple):
    """A doc with what is to be shown of it.

    doc (Doc): The doc.
    bits (List[float]): (len(doc) + 1,) Of each token, and of the end symbol, which is the text's
        end or, for a backward model, its beginning.
    alternatives (Sequence[Sequence[Tuple[str, float]]]): (len(doc) + 1,) The most probable units in
        the place of each token, with their bits; empty where they are not known.
    """

    doc: Doc
    bits: List[float]
    alternatives: AlternativesT


def surprisal(
    docs: Union[Doc, Iterable[Doc]],
    *,
    lm: Any = None,
    n_alternatives: int = 3,
    max_bits: Optional[float] = None,
    page: bool = False,
    jupyter: Optional[bool] = None,
) -> Optional[str]:
    """Draw docs as HTML, with a darker shade and a higher bar for tokens of more surprisal. What
    else could have stood there shows when the mouse is over a token, or when it has the focus.

    A title is taken from `doc.user_data["title"]`, as displaCy does.

    docs (Union[Doc, Iterable[Doc]]): One doc, or several, which a pipeline with an `rnn_lm` has
        read.
    lm (Optional[RNNLanguageModel]): Finds the most probable units in the place of each token, by
        its method `alternatives`. If None, they are taken from
        `doc.user_data["spacy_rnn.alternatives"]`: for each token a list of pairs of text and bits.
        Where there are none, bits are shown alone.
    n_alternatives (int): How many of them are shown at most; 0 for none. Recommended: 3 to 10.
    max_bits (Optional[float]): Bits from which on shade and bar grow no more. If None, what 95 % of
        the tokens do not exceed, rounded up. Set it to compare pictures.
    page (bool): Make a whole HTML page, not a part of one.
    jupyter (Optional[bool]): Show it in the notebook instead of returning it. If None, wherever
        this is run in one.
    RETURNS (Optional[str]): The HTML; None in a notebook.
    RAISES (ValueError): If a doc has no surprisals, if its alternatives do not fit, or for a number
        out of its range.
    """
    if not is_whole(n_alternatives, 0):
        raise number_error("n_alternatives", "0 or a positive number", n_alternatives)
    if max_bits is not None and not (is_number(max_bits) and 0 < max_bits < math.inf):
        raise number_error("max_bits", "a positive number, or None", max_bits)
    docs = [docs] if isinstance(docs, Doc) else _as_list(docs)
    items = [_make_item(i, doc, lm, n_alternatives) for i, doc in enumerate(docs)]
    html = _fragment(items, _find_max_bits(items) if max_bits is None else float(max_bits))
    title = str(items[0].doc.user_data.get("title") or "") if items else ""
    return deliver(html, title or "Surprisal", page=page, jupyter=jupyter)


def _as_list(docs: Any) -> List[Doc]:
    found = list(docs) if isinstance(docs, Iterable) and not isinstance(docs, str) else [docs]
    for value in found:
        if not isinstance(value, Doc):
            raise ValueError(Errors.E052.format(found=type(value).__name__))
    return found


def _make_item(i: int, doc: Doc, lm: Any, n_alternatives: int) -> Item:
    bits = surprisals_of(doc)
    if bits is None:
        raise ValueError(Errors.E050.format(i=i, text=repr(doc[:8].text)))
    found: AlternativesT = []
    if n_alternatives and lm is not None:
        found = lm.alternatives(doc, n_alternatives)
    elif n_alternatives and doc.user_data.get(ALTERNATIVES) is not None:
        found = _checked(i, doc)
    rows = [list(row)[:n_alternatives] for row in found] or [[] for _ in doc]
    return Item(doc, [float(value) for value in bits], [*rows, []])


def _checked(i: int, doc: Doc) -> AlternativesT:
    """RETURNS (AlternativesT): The alternatives that stand in the doc, if they are such."""
    try:
        pairs = [[(str(t), float(b)) for t, b in row] for row in doc.user_data[ALTERNATIVES]]
    except (TypeError, ValueError) as error:
        reason = f"{type(error).__name__}: {error}"
        raise ValueError(Errors.E051.format(i=i, key=ALTERNATIVES, found=reason)) from error
    if len(pairs) != len(doc):
        found = f"{len(pairs)} lists for {len(doc)} tokens"
        raise ValueError(Errors.E051.format(i=i, key=ALTERNATIVES, found=found))
    return pairs


def _find_max_bits(items: Sequence[Item]) -> float:
    # A single token of a model of subwords may have 60 bits; by its measure all others were white.
    known = [value for item in items for value in item.bits if math.isfinite(value)]
    return float(max(1, math.ceil(numpy.percentile(known, 95)))) if known else 1.0


def _fragment(items: Sequence[Item], max_bits: float) -> str:
    figures = "\n".join(_figure(item, max_bits) for item in items)
    return (
        f'<div class="spacy-rnn-surprisal" lang="en" dir="ltr">\n<style>{STYLE}</style>\n'
        f"{_legend(max_bits, _edges(items))}\n{figures}\n</div>"
    )


def _edge(doc: Doc) -> str:
    """RETURNS (str): Where the end symbol of a doc stands, for the model that has read it."""
    return "beginning" if doc.user_data.get(BACKWARD) else "end"


def _edges(items: Sequence[Item]) -> str:
    return " or ".join(dict.fromkeys(_edge(item.doc) for item in items)) or "end"


def _legend(max_bits: float, edges: str) -> str:
    steps = [max_bits * i / (N_LEGEND - 1) for i in range(N_LEGEND)]
    shown = [f"{step:.3g}" for step in steps[:-1]] + [f"{max_bits:.3g} and more"]
    keys = " ".join(
        f'<span class="key" style="{_look(step, max_bits)}">{text}</span>'
        for step, text in zip(steps, shown)
    )
    return (
        f'<p class="legend">Surprisal in bits, from expected to surprising: {keys} '
        f"<span>(■ is the {edges} of the text.)</span></p>"
    )


def _look(bits: float, max_bits: float) -> str:
    """RETURNS (str): Shade and bar of a surprisal, which tell the same."""
    share = bits / max_bits if bits < max_bits else 1.0  # also where the bits are not a number
    share = max(share, 0.0)
    return f"background-color:{shade(share)};background-size:100% {bar_height(share)}"


def _figure(item: Item, max_bits: float) -> str:
    doc = item.doc
    lang = escape("" if doc.lang_ == "xx" else doc.lang_)
    direction = "rtl" if doc.vocab.writing_system.get("direction") == "rtl" else "ltr"
    tokens = [
        shaded(
            token.text,
            f"{_number(bits)} bits",
            _look(bits, max_bits),
            partial(_tip, bits=bits, found=found),
        )
        + escape(token.whitespace_)
        for token, bits, found in zip(doc, item.bits, item.alternatives)
    ]
    end_bits = item.bits[-1]
    edge = _edge(doc)
    said = f"{_number(end_bits)} bits"
    tip = _tip(f"{edge.capitalize()} of the text", end_bits, [])
    mark = box("end", "■", f"{edge} of text", said, _look(end_bits, max_bits), tip)
    boxes = [mark, *tokens] if edge == "beginning" else [*tokens, mark]
    return (
        f"<figure>\n{_caption(item)}\n"
        f'<div class="text" lang="{lang}" dir="{direction}">{"".join(boxes)}</div>\n'
        f"{_table(item, lang, direction)}\n</figure>"
    )


def _caption(item: Item) -> str:
    n_tokens, total = len(item.doc), sum(item.bits)
    title = str(item.doc.user_data.get("title") or "")
    head = f"<b>{escaped(title)}</b> " if title else ""
    facts = [f"{total:,.1f} bits in {n_tokens:,} token{'' if n_tokens == 1 else 's'}"]
    n_units = item.doc.user_data.get(N_UNITS)
    if n_units:
        facts.append(f"perplexity {_short(perplexity(total, n_units))}")
    return f"<figcaption>{head}{', '.join(facts)}</figcaption>"


def _short(number: float) -> str:
    return f"{number:,.1f}" if number < 1e6 else f"{number:.3g}"


def _tip(heading: str, bits: float, found: Sequence[Tuple[str, float]]) -> str:
    rows = "".join(
        f'<span class="row"><bdi>{escaped(visible(text))}</bdi> '
        f"<span>{_number(value)}</span></span>"
        for text, value in found
    )
    likely = f'<span class="note">Most probable here, in bits:</span>{rows}' if found else ""
    return (
        f'<span class="tip" lang="en" dir="ltr"><span class="row"><bdi><b>{escaped(heading)}</b>'
        f"</bdi> <span>{_number(bits)} bits{_odds(bits)}</span></span>{likely}</span>"
    )


def _odds(bits: float) -> str:
    if not bits < MAX_ODDS_BITS:
        return ""
    times = 2.0 ** max(bits, 0.0)
    return f", 1 in {times:,.0f}" if times >= 100 else f", 1 in {times:.3g}"


def _table(item: Item, lang: str, direction: str) -> str:
    texts = [visible(token.text) if token.is_space else token.text for token in item.doc]
    is_known, edge = any(item.alternatives), _edge(item.doc)
    rows = []
    for i, (text, bits, found) in enumerate(zip([*texts, ""], item.bits, item.alternatives)):
        is_token = i < len(texts)
        number, label = (str(i + 1), escaped(text)) if is_token else ("", f"{edge} of text")
        cell = f' lang="{lang}" dir="{direction}"' if is_token else ""
        likely = ", ".join(
            f"<bdi>{escaped(visible(word))}</bdi>&nbsp;{_number(value)}" for word, value in found
        )
        rows.append(
            f'<tr><td>{number}</td><th scope="row"{cell}>{label}</th><td>{_number(bits)}</td>'
            + (f"<td>{likely}</td></tr>" if is_known else "</tr>")
        )
    heads = ["No.", "Token", "Bits"] + (["Most probable here, with bits"] if is_known else [])
    head = "".join(f'<th scope="col">{text}</th>' for text in heads)
    body = "\n".join(rows)
    return (
        f"<details><summary>The same as a table</summary>\n<table><thead><tr>{head}</tr></thead>\n"
        f"<tbody>\n{body}\n</tbody></table></details>"
    )


def _number(bits: float) -> str:
    return f"{bits:.2f}" if math.isfinite(bits) else str(bits)
