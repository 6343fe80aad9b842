"""Batches for truncated backpropagation through time: documents in parallel streams of windows."""

import itertools
import warnings
from dataclasses import dataclass
from typing import Callable, Iterable, Iterator, List, Optional

import numpy
from spacy.tokens import Doc
from spacy.training import Example
from spacy.vocab import Vocab

from ..checks import is_whole
from ..errors import Errors, Warnings, number_error
from .doc_tokens import Tokens
from .stream_text import Part, Piece, Text

# Key of `doc.user_data` under which a window says where it comes from.
WINDOW = "spacy_rnn.window"
UNITS = ("token", "char")
# Jitter as in Merity et al. 2018: one batch in twenty is half as long, and each length is drawn
# from a normal distribution, whose deviation there is 5 for windows of 70.
HALF_RATE = 0.05
DEVIATION = 1 / 14
MIN_LENGTH = 5

# Numbers the passes of all batchers of a process, so that no state is carried into another pass.
_RUNS = itertools.count()


@dataclass(frozen=True)
class Window:
    """Where the tokens of a doc come from, which `batch_by_stream` made.

    run (int): Number of the batcher's pass over the data. No two in a process have the same.
    stream (int): The stream, from 0.
    serial (int): Number of the window in its stream and run, from 0 without gaps.
    pieces (List[Piece]): The parts of documents, in the order in which the stream reads them. Their
        lengths add up to the doc's.
    reset (bool): Whether the state is to begin anew with each document.
    rate_scale (float): Factor on the learn rate: the length that the windows of the batch were to
        have, by `bptt`.
    backward (bool): Whether each document is read from its end. The tokens of a piece stand in the
        order of the text all the same.
    """

    run: int
    stream: int
    serial: int
    pieces: List[Piece]
    reset: bool
    rate_scale: float
    backward: bool = False


def read_window(doc: Doc) -> Optional[Window]:
    """Read off a doc which part of which stream it is.

    doc (Doc): Any doc.
    RETURNS (Optional[Window]): What `batch_by_stream` noted, or None for a doc of other origin.
    """
    data = doc.user_data.get(WINDOW)
    if data is None:
        return None
    pieces = [
        Piece(n_tokens, begins, ends, fresh, cats, spaced)
        for (n_tokens, begins, ends, fresh, spaced), cats in zip(data["pieces"], data["cats"])
    ]
    return Window(
        data["run"],
        data["stream"],
        data["serial"],
        pieces,
        data["reset"],
        data["rate_scale"],
        data["backward"],
    )


def batch_by_stream(
    n_streams: int = 32,
    bptt: int = 70,
    unit: str = "token",
    jitter: bool = False,
    reset: bool = False,
    seed: int = 0,
    backward: bool = False,
) -> Callable[[Iterable[Example]], Iterator[List[Example]]]:
    """Create a batcher that lays the documents into parallel streams and cuts these into windows.

    Batch k holds window k of each stream that has text left, so a language model that keeps the
    state of each stream goes on where it stopped (truncated backpropagation through time). No token
    is lost or repeated. A stream reads the next document when it has no text left for its window,
    so at most `n_streams` documents are held at a time.

    n_streams (int): Number of streams, and of windows in a batch; recommended: 16 to 128.
    bptt (int): Length of a window; recommended: 35 to 140 tokens, 100 to 250 characters.
    unit (str): What is counted, "token" or "char" (characters including whitespace; a window ends
        with the first token by which `bptt` is reached). A document without tokens counts as 1.
    jitter (bool): Draw the length of each batch around `bptt`, and scale the learn rate with it
        (Merity et al. 2018, "Regularizing and Optimizing LSTM Language Models").
    reset (bool): Begin each document with a fresh state, instead of carrying it over from the one
        before.
    seed (int): Seed of the jitter, which differs from pass to pass.
    backward (bool): Cut each document's windows from its end, for a language model with
        backward = true.
    RETURNS (Callable[[Iterable[Example]], Iterator[List[Example]]]): The batcher. In each of its
        examples, `predicted` and `reference` are the same doc, which `read_window` explains.
    RAISES (ValueError): For a number out of its range, or an unknown unit.
    """
    for what, value in (("n_streams", n_streams), ("bptt", bptt)):
        if not is_whole(value, 1):
            raise number_error(what, "a positive whole number", value)
    if not is_whole(seed, 0):
        raise number_error("seed", "a whole number of at least 0", seed)
    if unit not in UNITS:
        expected = ", ".join(UNITS)
        raise ValueError(Errors.E009.format(what="unit", found=unit, expected=expected))
    n_passes = itertools.count()

    def batch(examples: Iterable[Example]) -> Iterator[List[Example]]:
        rng = numpy.random.default_rng((seed, next(n_passes)))
        streams = _Streams(examples, n_streams, bptt, unit, reset, backward)
        while True:
            length = _draw_length(rng, bptt) if jitter else bptt
            windows = streams.next_windows(length)
            if not windows:
                return
            yield windows

    return batch


def _draw_length(rng: numpy.random.Generator, bptt: int) -> int:
    mean = bptt / 2 if rng.random() < HALF_RATE else bptt
    return max(round(rng.normal(mean, bptt * DEVIATION)), min(MIN_LENGTH, bptt))


def _warn_of_loss(doc: Doc) -> None:
    """Tell that windows do not keep all that is known of the documents, by the first of them."""
    kinds = {
        "tags": "TAG",
        "heads": "DEP",
        "morphological features": "MORPH",
        "entities": "ENT_IOB",
    }
    # An empty doc has every kind of annotation.
    found = [name for name, attr in kinds.items() if len(doc) and doc.has_annotation(attr)]
    what = ", ".join(found)
    if what:
        warnings.warn(Warnings.W030.format(what=what), stacklevel=2)


class _Streams:
    """One pass over the documents."""

    def __init__(
        self,
        examples: Iterable[Example],
        n_streams: int,
        bptt: int,
        unit: str,
        reset: bool,
        backward: bool,
    ) -> None:
        self.docs = (example.reference for example in examples)
        self.bptt = bptt
        self.unit = unit
        self.reset = reset
        self.backward = backward
        self.run = next(_RUNS)
        self.vocab: Optional[Vocab] = None
        # By stream: what is left of its document, and the number of windows so far.
        self.texts: List[Optional[Text]] = [None] * n_streams
        self.serials = [0] * n_streams

    def next_windows(self, length: int) -> List[Example]:
        """RETURNS (List[Example]): The next window of each stream that has text left."""
        windows = (self._next_window(i, length) for i in range(len(self.texts)))
        return [Example(doc, doc) for doc in windows if doc is not None]

    def _next_window(self, stream: int, length: int) -> Optional[Doc]:
        parts: List[Part] = []
        size = 0
        while size < length:
            text = self.texts[stream] or self._next_text()
            if text is None and not parts:
                text = self._steal()
            if text is None:
                break
            part = text.take(length - size)
            self.texts[stream] = text if text.start < text.stop else None
            parts.append(part)
            # Documents without tokens count too, or a window could hold any number of them.
            size += max(part.size, 1)
        return self._make_window(stream, length, parts) if parts else None

    def _make_window(self, stream: int, length: int, parts: List[Part]) -> Doc:
        words = [word for part in parts for word in part.tokens.words]
        spaces = [space for part in parts for space in part.tokens.spaces]
        norms = numpy.concatenate([part.tokens.norms for part in parts])
        assert self.vocab is not None
        doc = Tokens(words, spaces, norms).make_doc(self.vocab)
        pieces = [part.piece for part in parts]
        if len(pieces) == 1 and pieces[0].cats:
            doc.cats = dict(pieces[0].cats)
        serial = self.serials[stream]
        self.serials[stream] += 1
        rows = [
            [piece.n_tokens, piece.begins, piece.ends, piece.fresh, piece.spaced]
            for piece in pieces
        ]
        rows[0][3] = pieces[0].fresh or serial == 0
        doc.user_data[WINDOW] = {
            "run": self.run,
            "stream": stream,
            "serial": serial,
            "pieces": rows,
            "cats": [piece.cats for piece in pieces],
            "reset": self.reset,
            "rate_scale": length / self.bptt,
            "backward": self.backward,
        }
        return doc

    def _next_text(self) -> Optional[Text]:
        doc = next(self.docs, None)
        if doc is None:
            return None
        if self.vocab is None:
            self.vocab = doc.vocab
            _warn_of_loss(doc)
        return Text(doc, self.vocab, self.unit, self.backward)

    def _steal(self) -> Optional[Text]:
        """RETURNS (Optional[Text]): The half of the longest text that is left that would be read
        last, so that the last batches are not almost empty."""
        texts = [text for text in self.texts if text is not None]
        longest = max(texts, key=lambda text: text.size, default=None)
        if longest is None or longest.size <= 2 * self.bptt:
            return None
        return longest.split()
