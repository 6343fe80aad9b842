"""How pictures of texts look: shades, bars, and the style sheets."""

from typing import Tuple

# The text is as dark as this on any shade, and has a contrast of 6 : 1 or more with each.
INK = "#1b1b1b"
LIGHT = (255, 255, 255)
DARK = (239, 125, 27)
FOR = (104, 172, 242)
MAX_BAR = 24  # per cent of the height of a token's box, none of it at its letters

STYLE = """
.spacy-rnn-surprisal { background: #fff; color: INK; padding: .8em 1em; font-size: 16px;
  font-family: system-ui, "Segoe UI", "Noto Sans", "DejaVu Sans", sans-serif; text-align: left;
  forced-color-adjust: none; -webkit-print-color-adjust: exact; print-color-adjust: exact; }
.spacy-rnn-surprisal figure { position: relative; margin: 1.2em 0; max-width: 50em; }
.spacy-rnn-surprisal figcaption { margin: 0 0 .6em; font-size: .9em; }
.spacy-rnn-surprisal figcaption b { display: block; font-size: 1.2em; }
.spacy-rnn-surprisal .legend { margin: 0; font-size: .9em; line-height: 2.2; }
.spacy-rnn-surprisal .text { white-space: pre-wrap; overflow-wrap: anywhere; line-height: 2.3;
  font-size: 1.1em; text-align: start; }
.spacy-rnn-surprisal .token, .spacy-rnn-surprisal .key { padding: .1em .12em .42em; color: INK;
  background-image: linear-gradient(INK, INK); background-position: left bottom;
  background-repeat: no-repeat; border-radius: .15em; box-shadow: inset 0 0 0 1px #0002;
  -webkit-box-decoration-break: clone; box-decoration-break: clone; }
.spacy-rnn-surprisal figure + figure { border-top: 1px solid #ccc; padding-top: 1em; }
.spacy-rnn-surprisal .key { padding-left: .6em; padding-right: .6em; white-space: nowrap; }
.spacy-rnn-surprisal .token[data-mark]::before { content: attr(data-mark);
  content: attr(data-mark) / ""; }
.spacy-rnn-surprisal .token.end { margin-left: .3em; font-size: .8em; }
.spacy-rnn-surprisal .token::after { content: attr(data-said); position: absolute; width: 1px;
  height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
.spacy-rnn-surprisal .token:hover, .spacy-rnn-surprisal .token:focus { outline: 2px solid #0b4f9e;
  outline-offset: 1px; }
.spacy-rnn-surprisal .tip { display: none; position: absolute; left: 0; z-index: 1000;
  margin: .3em 0; padding: .5em .7em; min-width: 11em; max-width: 100%; box-sizing: border-box;
  background: #fff; color: INK; border: 1px solid #555; border-radius: .3em;
  box-shadow: 0 2px 8px #0004; font-size: 14px; line-height: 1.5; text-align: left;
  white-space: normal; pointer-events: none; }
.spacy-rnn-surprisal .token:hover > .tip, .spacy-rnn-surprisal .token:focus > .tip {
  display: block; }
.spacy-rnn-surprisal .text:hover .token:focus:not(:hover) > .tip { display: none; }
.spacy-rnn-surprisal .tip .row { display: flex; justify-content: space-between; gap: 1.5em; }
.spacy-rnn-surprisal .tip .note { display: block; margin-top: .3em; color: #444; }
.spacy-rnn-surprisal details { margin-top: .6em; font-size: .9em; }
.spacy-rnn-surprisal table { border-collapse: collapse; margin-top: .4em; color: INK; }
.spacy-rnn-surprisal table th, .spacy-rnn-surprisal table td { padding: .15em .8em;
  text-align: left; border-bottom: 1px solid #ccc; background: #fff; font-weight: normal;
  white-space: pre-wrap; }
.spacy-rnn-surprisal thead th { font-weight: bold !important; }
.spacy-rnn-surprisal td:first-child, .spacy-rnn-surprisal td:nth-child(3) { text-align: right;
  font-variant-numeric: tabular-nums; }
@supports (position-area: bottom span-right) and (anchor-scope: --token) {
  .spacy-rnn-surprisal .token { anchor-scope: --token; }
  .spacy-rnn-surprisal .token:hover, .spacy-rnn-surprisal .token:focus { anchor-name: --token; }
  .spacy-rnn-surprisal .tip { position: fixed; position-anchor: --token; left: auto;
    position-area: bottom span-right; width: max-content; max-width: 20em;
    position-try-fallbacks: flip-inline, flip-block, flip-block flip-inline; }
}
""".replace("INK", INK)

# Of explanations. What is for the label has its bar above, what is against it has it below.
ATTRIBUTION_STYLE = (
    STYLE
    + """
.spacy-rnn-surprisal .text { line-height: 2.7; }
.spacy-rnn-surprisal .legend + .legend { margin-top: .4em; }
.spacy-rnn-surprisal .token, .spacy-rnn-surprisal .key { padding: .38em .12em; }
.spacy-rnn-surprisal .key { padding-left: .6em; padding-right: .6em; }
"""
).replace("spacy-rnn-surprisal", "spacy-rnn-attribution")


def shade(share: float, dark: Tuple[int, int, int] = DARK) -> str:
    """RETURNS (str): The colour of a share of the greatest number, from 0 to 1."""
    mixed = [round(light + (end - light) * share) for light, end in zip(LIGHT, dark)]
    return "#" + "".join(f"{part:02x}" for part in mixed)


def bar_height(share: float) -> str:
    """RETURNS (str): How much of a token's box the bar at its edge takes, of the same share."""
    return f"{MAX_BAR * share:.3g}%"
