"""Write texts by a language model, and tell what may follow one."""

from collections import OrderedDict
from typing import Any, Callable, Dict, Iterator, List, NamedTuple, Optional, Tuple

import numpy
from spacy.tokens import Doc
from thinc.api import Model
from thinc.types import Ragged

from ..errors import Errors, number_error
from ..layers.softmax import log_probs
from ..layers.state import StatesT, run
from ..models.lm_parts import parts, vocabulary_of
from ..models.reading import pieces, shift
from ..models.vocabulary import END, UNKNOWN
from .condition import VECTOR, cats_row, condition_state
from .joining import Joiner, cut_at_stop, make_joiner, prompt_units, until_stop
from .sampling import Settings, check_settings, choose, generators

# Texts whose states are kept, for `next_tokens` to go on from.
MAX_KEPT = 64
# Rows whose probabilities are computed at a time, by their number of units.
MAX_PROBS = 2**22


class Reached(NamedTuple):
    """Where the reading of texts has led.

    log_probs (Floats2d): (n_texts, n_units) Of what may follow, in nats.
    state (StatesT): (n_texts, nO) each.
    """

    log_probs: numpy.ndarray
    state: Optional[StatesT]


class Writer:
    """Reads and writes by one model.

    model (Model): A language model.
    make_doc (Callable[[str], Doc]): The tokenizer.
    """

    def __init__(self, model: Model[Any, Any], make_doc: Callable[[str], Doc]) -> None:
        self.model = model
        self._make_doc = make_doc
        self._kept: "OrderedDict[bytes, Reached]" = OrderedDict()

    def __reduce__(self) -> Any:
        return Writer, (self.model, self._make_doc)

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
        n (int): How many. With a beam, at most its width.
        cats (Optional[Dict[str, float]]): Labels, for a model whose initial state depends on them.
        vector (Any): (nI,) Likewise a vector.
        **settings: See `Settings`.
        RETURNS (List[Doc]): The texts, the most probable first if there is a beam.
        RAISES (ValueError): If an argument is not as described.
        """
        chosen = check_settings(**settings)
        if not isinstance(n, int) or isinstance(n, bool) or n < 1:
            raise number_error("n", "a positive number", n)
        if chosen.beam_width > 1 and n > chosen.beam_width:
            raise number_error("n", f"at most the beam_width of {chosen.beam_width}", n)
        doc, start = self._begin(prompt, cats, vector)
        if chosen.beam_width > 1:
            texts = self._search(doc, start, chosen, n)
        else:
            texts = [""] * n
            for row, piece in self._draw(doc, start, chosen, n):
                texts[row] += piece
        return [self._make_doc(prompt + cut_at_stop(text, chosen.stop)) for text in texts]

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

    def next_tokens(self, text: str, n: int = 10) -> List[Tuple[str, float]]:
        """RETURNS (List[Tuple[str, float]]): See `RNNLanguageModel.next_tokens`."""
        if not isinstance(n, int) or isinstance(n, bool) or n < 1:
            raise number_error("n", "a positive number", n)
        vocabulary = vocabulary_of(self.model)
        units = [END, *prompt_units(vocabulary, self._doc(text))]
        found = self._read_on(units).log_probs[0]
        best = _best(found[None], n)[0]
        return [(self._shown(unit), float(numpy.exp(found[unit]))) for unit in best.tolist()]

    def alternatives(self, doc: Doc, n: int = 3) -> List[List[Tuple[str, float]]]:
        """RETURNS (List[List[Tuple[str, float]]]): See `RNNLanguageModel.alternatives`."""
        if not isinstance(n, int) or isinstance(n, bool) or n < 1:
            raise number_error("n", "a positive number", n)
        units = vocabulary_of(self.model).encode(doc)
        # The first unit of each token; a token has at least one.
        _, firsts = numpy.unique(units.tokens, return_index=True)
        is_first = numpy.zeros(len(units.ids) + 1, dtype=bool)
        is_first[firsts] = True
        inputs, _, lengths = shift(self.model, [units.ids])
        encoder, _, output, _ = parts(self.model)
        ops = self.model.ops
        size = max(1, MAX_PROBS // len(vocabulary_of(self.model)))
        found: List[List[Tuple[str, float]]] = []
        for piece in pieces(ops.to_numpy(lengths), condition_state(self.model, [doc])):
            Xr = Ragged(inputs[ops.xp.asarray(piece.rows)], ops.asarray1i(piece.lengths))
            Hr, after, _ = run(encoder, Xr, piece.state)
            piece.leave(after)
            H = Hr.dataXd[ops.xp.asarray(numpy.nonzero(is_first[piece.rows])[0])]
            for first in range(0, len(H), size):
                probs = ops.to_numpy(log_probs(output, H[first : first + size]))
                for row, best in zip(probs, _best(probs, n)):
                    bits = -row[best] / numpy.log(2.0)
                    found.append(list(zip(map(self._shown, best.tolist()), bits.tolist())))
        return found

    def _shown(self, unit: int) -> str:
        """A unit as it adds to a text."""
        vocabulary = vocabulary_of(self.model)
        if vocabulary.pieces is None or unit < 2:
            return vocabulary.shown(unit)
        return vocabulary.pieces.join([vocabulary.shown(unit)])

    def _doc(self, text: str) -> Doc:
        if not isinstance(text, str):
            raise number_error("the text", "a string", text)
        return self._make_doc(text)

    def _begin(
        self, prompt: str, cats: Optional[Dict[str, float]], vector: Any
    ) -> Tuple[Doc, Reached]:
        """RETURNS (Tuple[Doc, Reached]): The prompt, and where it leads."""
        doc = self._doc(prompt)
        given = [name for name, value in (("cats", cats), ("vector", vector)) if value is not None]
        condition = self.model.attrs["condition"]
        if given and given != [condition]:
            raise ValueError(Errors.E072.format(given=given[0], condition=condition or "none"))
        state = None
        if condition:
            asked = doc.copy()
            if cats is not None:
                cats_row(self.model, cats)
                asked.cats = dict(cats)
            if vector is not None:
                asked.user_data[VECTOR] = numpy.asarray(vector, dtype="float32")
            if condition == "cats" or vector is not None:
                state = condition_state(self.model, [asked])
        return doc, self._read([END, *prompt_units(vocabulary_of(self.model), doc)], state)

    def _read(self, units: List[int], state: Optional[StatesT]) -> Reached:
        """Read units of one text from a state."""
        encoder, _, output, _ = parts(self.model)
        ops = self.model.ops
        H: Any = None
        for first in range(0, len(units), 4096):
            ids = ops.asarray1i(units[first : first + 4096])
            Hr, state, _ = run(encoder, Ragged(ids, ops.asarray1i([len(ids)])), state)
            H = Hr.dataXd[-1:]
        return Reached(self._probabilities(output, H), state)

    def _step(self, units: numpy.ndarray, state: Optional[StatesT]) -> Reached:
        """Read one unit of each of several texts."""
        encoder, _, output, _ = parts(self.model)
        ops = self.model.ops
        lengths = ops.asarray1i([1] * len(units))
        Hr, after, _ = run(encoder, Ragged(ops.asarray1i(units.tolist()), lengths), state)
        return Reached(self._probabilities(output, Hr.dataXd), after)

    def _probabilities(self, output: Model[Any, Any], H: Any) -> numpy.ndarray:
        found: numpy.ndarray = self.model.ops.to_numpy(log_probs(output, H)).copy()
        found[:, UNKNOWN] = -numpy.inf  # nobody can read it
        return found

    def _read_on(self, units: List[int]) -> Reached:
        """Read units from the longest text that has been read lately and that they go on from."""
        ids = numpy.asarray(units, dtype="int32")
        known = len(ids)
        while known and ids[:known].tobytes() not in self._kept:
            known -= 1
            if len(ids) - known > MAX_KEPT:
                known = 0
        reached = self._kept.get(ids[:known].tobytes()) if known else None
        # The last unit by itself, as the next text may differ in it.
        for end in sorted({max(known, len(ids) - 1), len(ids)}):
            if end > known:
                start = None if reached is None else reached.state
                reached = self._read(units[known:end], start)
                known = end
                self._keep(ids[:known].tobytes(), reached)
        assert reached is not None
        return reached

    def _keep(self, key: bytes, reached: Reached) -> None:
        self._kept[key] = reached
        while len(self._kept) > MAX_KEPT:
            self._kept.popitem(last=False)

    def _draw(
        self, doc: Doc, start: Reached, settings: Settings, n: int
    ) -> Iterator[Tuple[int, str]]:
        """Draw texts.

        YIELDS (Tuple[int, str]): The number of the text, and the piece that is added to it.
        """
        vocabulary = vocabulary_of(self.model)
        rngs = generators(settings.seed, n)
        joiners = [make_joiner(vocabulary, doc) for _ in range(n)]
        written = [""] * n
        running = list(range(n))
        reached = _repeated(start, n)
        longest = max(map(len, settings.stop), default=0)
        for i in range(settings.max_length):
            draws = [rngs[row].random() for row in running]
            units = choose(reached.log_probs, settings, draws)
            going_on = []
            for place, (row, unit) in enumerate(zip(running, units.tolist())):
                if unit == END:
                    continue
                piece = joiners[row].add(unit)
                yield row, piece
                # As much of the text as a stop may be in that ends in this piece.
                written[row] = (written[row] + piece)[-longest - len(piece) :] if longest else ""
                if not any(stop in written[row] for stop in settings.stop):
                    going_on.append(place)
            if not going_on or i + 1 == settings.max_length:
                return
            running = [running[place] for place in going_on]
            state = _take(reached.state, going_on)
            reached = self._step(units[going_on], state)

    def _search(self, doc: Doc, start: Reached, settings: Settings, n: int) -> List[str]:
        """The most probable texts that a beam finds, by the mean log-probability of their units, as
        sums would favour short ones.

        RETURNS (List[str]): At most n of them.
        """
        joiner = make_joiner(vocabulary_of(self.model), doc)
        hypotheses: List[Hypothesis] = [Hypothesis(0.0, 0, "", joiner)]
        finished: List[Hypothesis] = []
        reached = start
        for i in range(settings.max_length):
            totals = reached.log_probs + numpy.asarray([[h.total] for h in hypotheses])
            n_best = min(2 * settings.beam_width, totals.size)
            best = numpy.argsort(-totals, axis=None, kind="stable")[:n_best]
            rows, units = numpy.unravel_index(best, totals.shape)
            grown: List[Tuple[int, int, Hypothesis]] = []
            for row, unit in zip(rows.tolist(), units.tolist()):
                total = float(totals[row, unit])
                if numpy.isneginf(total) or len(grown) == settings.beam_width:
                    continue
                longer = hypotheses[row].grown(unit, total)
                is_over = unit == END or any(stop in longer.text for stop in settings.stop)
                if is_over or i + 1 == settings.max_length:
                    finished.append(longer)
                else:
                    grown.append((row, unit, longer))
            if not grown or len(finished) >= 4 * settings.beam_width:
                finished += [longer for _, _, longer in grown]
                break
            hypotheses = [longer for _, _, longer in grown]
            state = _take(reached.state, [row for row, _, _ in grown])
            reached = self._step(numpy.asarray([unit for _, unit, _ in grown]), state)
        finished.sort(key=lambda h: -h.total / h.n_units)
        texts = dict.fromkeys(h.text for h in finished)
        return list(texts)[:n]


class Hypothesis(NamedTuple):
    """A text that a beam has found.

    total (float): Log-probability of its units.
    n_units (int): How many they are.
    text (str): What they add to the prompt.
    joiner (Joiner): Turns the next unit into text.
    """

    total: float
    n_units: int
    text: str
    joiner: Joiner

    def grown(self, unit: int, total: float) -> "Hypothesis":
        """RETURNS (Hypothesis): With one more unit."""
        joiner = self.joiner.copy()
        text = self.text if unit == END else self.text + joiner.add(unit)
        return Hypothesis(total, self.n_units + 1, text, joiner)


def _best(log_probs: numpy.ndarray, n: int) -> List[numpy.ndarray]:
    """RETURNS (List[Ints1d]): The most probable units of each row, without what is impossible."""
    n = min(n, log_probs.shape[1])
    near = numpy.argpartition(-log_probs, n - 1, axis=1)[:, :n]
    found = []
    for row, places in zip(log_probs, near):
        places = places[numpy.lexsort((places, -row[places]))]
        found.append(places[(row[places] > -numpy.inf) & (places != UNKNOWN)])
    return found


def _repeated(reached: Reached, n: int) -> Reached:
    log_probs = numpy.repeat(reached.log_probs, n, axis=0)
    return Reached(log_probs, _take(reached.state, [0] * n))


def _take(state: Optional[StatesT], rows: List[int]) -> Optional[StatesT]:
    """RETURNS (Optional[StatesT]): These rows of a state."""
    if state is None:
        return None
    return [{key: values[rows] for key, values in entry.items()} for entry in state]
