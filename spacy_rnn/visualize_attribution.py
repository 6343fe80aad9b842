"""Show texts with what their tokens say for or against a label, as HTML."""

import math
from html import escape
from typing import Any, Dict, Iterable, List, Optional, Sequence, Union

from .errors import Errors
from .pipeline.explanation import Explanation
from .visualize_html import deliver, escaped, shaded, visible
from .visualize_style import ATTRIBUTION_STYLE, DARK, FOR, bar_height, shade

MINUS = "\N{MINUS SIGN}"
LEGEND_SHARES = (1.0, 0.5, 0.0, -0.5, -1.0)


def attribution(
    explanations: Union[Explanation, Iterable[Explanation]],
    *,
    page: bool = False,
    jupyter: Optional[bool] = None,
) -> Optional[str]:
    """Draw explanations as HTML: blue and with a bar above for what speaks for the label, orange
    and with a bar below for what speaks against it, both the stronger, the more. Shades and bars of
    all that are drawn at once can be compared.

    explanations (Union[Explanation, Iterable[Explanation]]): What `textcat.explain(doc)` returns,
        or several of those.
    page (bool): Make a whole HTML page, not a part of one.
    jupyter (Optional[bool]): Show it in the notebook instead of returning it. If None, wherever
        this is run in one.
    RETURNS (Optional[str]): The HTML; None in a notebook.
    RAISES (ValueError): If something else is given.
    """
    items = [explanations] if isinstance(explanations, Explanation) else _as_list(explanations)
    tops = _find_tops(items)
    legends = "\n".join(_legend(method, top) for method, top in tops.items())
    figures = "\n".join(_figure(item, tops[item.method]) for item in items)
    html = (
        f'<div class="spacy-rnn-attribution" lang="en" dir="ltr">\n'
        f"<style>{ATTRIBUTION_STYLE}</style>\n{legends}\n{figures}\n</div>"
    )
    title = items[0].title if items else ""
    return deliver(html, title or "Explanation", page=page, jupyter=jupyter)


def _as_list(values: Any) -> List[Explanation]:
    is_several = isinstance(values, Iterable) and not isinstance(values, str)
    found = list(values) if is_several else [values]
    for value in found:
        if not isinstance(value, Explanation):
            raise ValueError(Errors.E084.format(found=type(value).__name__))
    return found


def _find_tops(items: Sequence[Explanation]) -> Dict[str, float]:
    """RETURNS (Dict[str, float]): For each method the greatest number, of any sign."""
    tops: Dict[str, float] = {}
    for item in items:
        known = [abs(value) for value in item.attributions if math.isfinite(value)]
        tops[item.method] = max([tops.get(item.method, 0.0), *known])
    return tops


def _legend(method: str, top: float) -> str:
    if method == "attention":
        keys = " ".join(_key(share, f"{share * top:.3g}") for share in LEGEND_SHARES[2::-1])
        return f'<p class="legend">Weights of the attention: {keys}</p>'
    keys = " ".join(
        _key(share, _signed(share * top, f"{abs(share) * top:.3g}")) for share in LEGEND_SHARES
    )
    return (
        f'<p class="legend">What tokens add to the score: for the label (bar above) {keys} against '
        "it (bar below)</p>"
    )


def _key(share: float, text: str) -> str:
    return f'<span class="key" style="{_look(share)}">{text}</span>'


def _look(share: float) -> str:
    """RETURNS (str): Shade and bar of a share, from -1 to 1, which tell the same."""
    size = min(abs(share), 1.0) if math.isfinite(share) else 0.0
    colour = shade(size, FOR if share > 0 else DARK)
    side = ";background-position:left top" if share > 0 else ""
    return f"background-color:{colour};background-size:100% {bar_height(size)}{side}"


def _signed(value: float, size: str) -> str:
    return size if value == 0 else f"+{size}" if value > 0 else f"{MINUS}{size}"


def _number(value: float) -> str:
    """RETURNS (str): With a sign and two decimals, of which zeros have no sign."""
    if not math.isfinite(value):
        return str(value)
    size = f"{abs(value):.2f}"
    return _signed(0.0 if float(size) == 0 else value, size)


def _shown(item: Explanation, value: float) -> str:
    return f"{value:.3f}" if item.method == "attention" else _number(value)


def _figure(item: Explanation, top: float) -> str:
    tokens = []
    for text, has_space, value in zip(item.tokens, item.spaces, item.attributions):
        number = _shown(item, value)
        sense = _sense(item, number)
        tokens.append(
            shaded(
                text,
                f"{number}{sense}",
                _look(value / top if top else 0.0),
                lambda seen, told=f"{number}{sense}": _tip(item, seen, told),  # type: ignore[misc]
            )
            + (" " if has_space else "")
        )
    return (
        f"<figure>\n{_caption(item)}\n"
        f'<div class="text" lang="{escape(item.lang)}" dir="auto">{"".join(tokens)}</div>\n'
        f"{_table(item)}\n</figure>"
    )


def _sense(item: Explanation, number: str) -> str:
    """RETURNS (str): What a number means, said in words."""
    if item.method == "attention":
        return " of the attention"
    return {"+": " for", MINUS: " against"}.get(number[:1], "")


def _tip(item: Explanation, seen: str, told: str) -> str:
    label = "" if item.method == "attention" else f"<bdi>{escaped(item.label)}</bdi>"
    return (
        f'<span class="tip" lang="en" dir="ltr"><span class="row"><bdi><b>{escaped(seen)}</b></bdi>'
        f" <span>{told} {label}</span></span></span>"
    )


def _caption(item: Explanation) -> str:
    head = f"<b>{escaped(item.title)}</b> " if item.title else ""
    label = f"<bdi>{escaped(item.label)}</bdi>"
    if item.baseline is None:
        score = _number(item.score)
        return f"<figcaption>{head}{label}: score {score}, shaded by the attention</figcaption>"
    favour = sum(value for value in item.attributions if value > 0)
    against = sum(value for value in item.attributions if value < 0)
    return (
        f"<figcaption>{head}{label}: score {_number(item.score)} ({_number(item.baseline)} without "
        f"a text, {_number(favour)} by tokens for it, {_number(against)} by tokens against it)"
        "</figcaption>"
    )


def _table(item: Explanation) -> str:
    rows = "\n".join(
        f'<tr><td>{i}</td><th scope="row" lang="{escape(item.lang)}" dir="auto">'
        f"{escaped(visible(text) if text.isspace() else text)}</th>"
        f"<td>{_shown(item, value)}</td></tr>"
        for i, (text, value) in enumerate(zip(item.tokens, item.attributions), start=1)
    )
    names = ("No.", "Token", "Weight" if item.method == "attention" else "Adds to the score")
    head = "".join(f'<th scope="col">{name}</th>' for name in names)
    return (
        f"<details><summary>The same as a table</summary>\n<table><thead><tr>{head}</tr></thead>\n"
        f"<tbody>\n{rows}\n</tbody></table></details>"
    )
