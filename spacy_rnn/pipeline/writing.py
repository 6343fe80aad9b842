"""Write texts by a language model, and tell what may follow one."""

from operator import methodcaller
from typing import Any, Callable, Dict, Iterator, List, Optional, Tuple

import numpy
from spacy.tokens import Doc
from thinc.api import Model
from thinc.types import Ragged

from ..checks import is_whole
from ..errors import number_error
from ..layers.state import run
from ..models.lm_parts import parts, vocabulary_of
from ..models.reading import in_order, pieces, shift
from ..models.vocabulary import END
from .beam import search
from .condition import condition_state
from .joining import cut_at_stop, make_joiner, may_follow, prompt_units, until_stop
from .reader import Reached, Reader
from .sampling import Settings, check_settings, choose, generators


class Writer:
    """Reads and writes by one model, whose weights must not change.

    model (Model): A language model.
    make_doc (Callable[[str], Doc]): The tokenizer.
    name (str): Name of the component, for messages.
    """

    def __init__(
        self, model: Model[Any, Any], make_doc: Callable[[str], Doc], name: str = "rnn_lm"
    ) -> None:
        self.model = model
        self.reader = Reader(model, name)
        self._make_doc = make_doc

    def __reduce__(self) -> Any:
        return Writer, (self.model, self._make_doc, self.reader.name)

    def generate(
        self,
        prompt: str = "",
        *,
        n: int = 1,
        cats: Optional[Dict[str, float]] = None,
        vector: Any = None,
        **settings: Any,
    ) -> List[Doc]:
        """Write texts, all at once.

        prompt (str): What each text begins with.
        n (int): How many. With a beam, at most its width, and no more than it finds.
        cats (Optional[Dict[str, float]]): Labels, for a model whose initial state depends on them.
        vector (Any): (nI,) Likewise a vector.
        **settings: See `Settings`.
        RETURNS (List[Doc]): The texts, the most probable first if there is a beam.
        RAISES (ValueError): If an argument is not as described; E177 if the weights are broken.
        """
        chosen = check_settings(**settings)
        _check_count(n)
        if chosen.beam_width > 1 and n > chosen.beam_width:
            raise number_error("n", f"at most the beam_width of {chosen.beam_width}", n)
        doc, start = self._begin(prompt, cats, vector)
        if chosen.beam_width > 1:
            joiner = make_joiner(vocabulary_of(self.model), doc)
            texts = search(self.reader, joiner, start, chosen, n, prompt=doc.text)
        else:
            drawn: List[List[str]] = [[] for _ in range(n)]
            for row, piece in self._draw(doc, start, chosen, n):
                drawn[row].append(piece)
            texts = [cut_at_stop("".join(found), chosen.stop) for found in drawn]
        return [self._make_doc(prompt + text) for text in texts]

    def stream(
        self,
        prompt: str = "",
        *,
        cats: Optional[Dict[str, float]] = None,
        vector: Any = None,
        **settings: Any,
    ) -> Iterator[str]:
        """Write a text piece by piece: the one that `generate` writes by the same settings.

        The arguments are those of `generate`, but for `n` and `beam_width`.
        RETURNS (Iterator[str]): What follows the prompt.
        RAISES (ValueError): If an argument is not as described, before anything is written.
        """
        chosen = check_settings(**settings)
        if chosen.beam_width > 1:
            raise number_error("beam_width", "1 for a stream", chosen.beam_width)
        doc, start = self._begin(prompt, cats, vector)
        drawn = (piece for _, piece in self._draw(doc, start, chosen, 1))
        return until_stop(drawn, chosen.stop)

    def next_tokens(
        self,
        text: str,
        n: int = 10,
        *,
        cats: Optional[Dict[str, float]] = None,
        vector: Any = None,
    ) -> List[Tuple[str, float]]:
        """RETURNS (List[Tuple[str, float]]): See `RNNLanguageModel.next_tokens`."""
        _check_count(n)
        doc, vocabulary = self._doc(text), vocabulary_of(self.model)
        units = [END, *prompt_units(vocabulary, doc)]
        reached = self.reader.read_on(units, self.reader.condition(cats, vector))
        allowed = may_follow(vocabulary, doc)
        _, log_probs = next(self.reader.log_probs(reached.H, allowed, text=text))
        best = _best(log_probs, n)[0]
        p = numpy.exp(log_probs[0, best].astype("float64"))
        shown = map(self._shown, best.tolist())
        if allowed is not None:  # the space that a piece begins with is in the text already
            shown = map(methodcaller("removeprefix", " "), shown)
        return list(zip(shown, p.tolist()))

    def alternatives(self, doc: Doc, n: int = 3) -> List[List[Tuple[str, float]]]:
        """RETURNS (List[List[Tuple[str, float]]]): See `RNNLanguageModel.alternatives`."""
        _check_count(n)
        if not isinstance(doc, Doc):
            raise number_error("the doc", "a Doc", doc)
        ids, tokens = (in_order(self.model, of) for of in vocabulary_of(self.model).encode(doc))
        # Where the unit of each token is that is read first.
        _, firsts = numpy.unique(tokens, return_index=True)
        is_first = numpy.zeros(len(ids) + 1, dtype=bool)
        is_first[firsts] = True
        inputs, _, lengths = shift(self.model, [ids])
        ops, encoder = self.model.ops, parts(self.model).encoder
        found: List[List[Tuple[str, float]]] = []
        for piece in pieces(ops.to_numpy(lengths), condition_state(self.model, [doc])):
            Xr = Ragged(inputs[ops.xp.asarray(piece.rows)], ops.asarray1i(piece.lengths))
            Hr, after, _ = run(encoder, Xr, piece.state)
            piece.leave(after)
            H = Hr.dataXd[ops.xp.asarray(numpy.nonzero(is_first[piece.rows])[0])]
            for _, log_probs in self.reader.log_probs(H, text=doc.text):
                for row, best in zip(log_probs, _best(log_probs, n)):
                    bits = -row[best].astype("float64") / numpy.log(2.0)
                    found.append(list(zip(map(self._shown, best.tolist()), bits.tolist())))
        return in_order(self.model, found)

    def _shown(self, unit: int) -> str:
        """A unit as it adds to a text."""
        vocabulary = vocabulary_of(self.model)
        if vocabulary.pieces is None or unit < 2:
            return vocabulary.shown(unit)
        return vocabulary.pieces.join([vocabulary.shown(unit)])

    def _doc(self, text: str) -> Doc:
        if not isinstance(text, str):
            raise number_error("the text", "a string", text)
        try:
            return self._make_doc(text)
        except UnicodeEncodeError as e:
            raise number_error("the text", "without halves of surrogate pairs", text) from e

    def _begin(
        self, prompt: str, cats: Optional[Dict[str, float]], vector: Any
    ) -> Tuple[Doc, Reached]:
        """RETURNS (Tuple[Doc, Reached]): The prompt, and where it leads."""
        doc = self._doc(prompt)
        state = self.reader.start(self.reader.condition(cats, vector))
        vocabulary = vocabulary_of(self.model)
        reached = self.reader.read([END, *prompt_units(vocabulary, doc)], state)
        return doc, reached._replace(allowed=may_follow(vocabulary, doc))

    def _draw(
        self, doc: Doc, start: Reached, settings: Settings, n: int
    ) -> Iterator[Tuple[int, str]]:
        """Draw texts.

        YIELDS (Tuple[int, str]): The number of the text, and the piece that is added to it.
        """
        rngs = generators(settings.seed, n)
        joiners = [make_joiner(vocabulary_of(self.model), doc) for _ in range(n)]
        ends = [""] * n
        longest = max(map(len, settings.stop), default=0)
        running = list(range(n))
        reached = start.take([0] * n)
        for i in range(settings.max_length):
            going_on: List[Tuple[int, int]] = []
            units = self._choose(reached, settings, running, rngs, doc.text)
            for place, unit in enumerate(units):
                row = running[place]
                if unit == END:
                    continue
                piece = joiners[row].add(unit)
                yield row, piece
                # As much of the text as a stop may be in that ends in this piece.
                ends[row] = (ends[row] + piece)[-longest - len(piece) :] if longest else ""
                if not any(stop in ends[row] for stop in settings.stop):
                    going_on.append((place, unit))
            if not going_on or i + 1 == settings.max_length:
                return
            places = [place for place, _ in going_on]
            running = [running[place] for place in places]
            reached = self.reader.step(reached.take(places), [unit for _, unit in going_on])

    def _choose(
        self,
        reached: Reached,
        settings: Settings,
        running: List[int],
        rngs: List[numpy.random.Generator],
        prompt: str,
    ) -> List[int]:
        """RETURNS (List[int]): The next unit of each text that is running."""
        units: List[int] = []
        for first, log_probs in self.reader.log_probs(reached.H, reached.allowed, text=prompt):
            chosen = [rngs[row] for row in running[first : first + len(log_probs)]]
            units += choose(log_probs, settings, chosen).tolist()
        return units


def _check_count(n: Any) -> None:
    if not is_whole(n, 1):
        raise number_error("n", "a positive number", n)


def _best(log_probs: numpy.ndarray, n: int) -> List[numpy.ndarray]:
    """RETURNS (List[Ints1d]): The most probable units of each row, without what is impossible."""
    n = min(n, log_probs.shape[1])
    near = numpy.argpartition(-log_probs, n - 1, axis=1)[:, :n]
    found = []
    for row, places in zip(log_probs, near):
        places = places[numpy.lexsort((places, -row[places]))]
        found.append(places[row[places] > -numpy.inf])
    return found
