"""Read docs by the layers of a language model, for the hidden states at the edges of tokens."""

from typing import Any, Callable, List, NamedTuple, Tuple, cast

import numpy
from spacy.tokens import Doc
from thinc.api import Model
from thinc.types import Floats2d, Ragged

from ..layers.embedding import add_rows
from ..layers.freezing import constant, is_frozen
from ..layers.gradients import renew_gradients
from ..layers.ragged import to_list, to_ragged
from ..layers.stack import stack
from ..layers.state import run
from .lm_parts import embedding_of, is_backward, parts, vocabulary_of
from .reading import pieces
from .vocabulary import END, Vocabulary

InT = List[Doc]
OutT = List[Floats2d]


def lm_reader(language_model: Model[InT, Any], frozen: bool) -> Model[InT, OutT]:
    """Read docs by what stands below the softmax of a language model.

    The layers are renamed, so that patterns can tell them apart: "forward.embedding",
    "forward.lstm.1", "forward.lstm.2" and so on; "backward..." for a model that reads from the end.

    language_model (Model): `spacy-rnn.LanguageModel.v1`. Its softmax is not kept.
    frozen (bool): Whether the layers never learn.
    RETURNS (Model[List[Doc], List[Floats2d]]): (n_tokens, nO) for each doc: the hidden state that
        has read the token and all before it; of a backward model, all behind it.
    """
    attrs = language_model.attrs
    encoder = stack(*parts(language_model).encoder.layers)
    direction = "backward" if is_backward(language_model) else "forward"
    level = 0
    for node in encoder.layers:
        if "recurrence" in node.attrs:
            level += 1
            node.name = f"{direction}.{attrs['cell']}.{level}"
        elif node.name == "embedding":
            node.name = f"{direction}.embedding"
    return Model(
        f"lm_reader.{direction}",
        forward,
        init=init,
        dims={"nO": encoder.layers[-1].get_dim("nO")},
        # By place, not by reference: Model.copy() does not keep references.
        layers=[encoder],
        attrs={
            "vocabulary": vocabulary_of(language_model),
            "backward": is_backward(language_model),
            "always_frozen": frozen,
            "has_language_model": False,
            # Each text begins with the end symbol, so that pieces of it are not read as one.
            "reads_whole": True,
        },
    )


class SampleVocabulary(Vocabulary):
    """Learned from the sample of an initialization, so another initialization may replace it. What
    is saved and loaded is an ordinary one."""


def init(model: Model[InT, OutT], X: Any = None, Y: Any = None) -> None:
    """Keep the weights of a language model, if they have been loaded. Else begin anew, with the
    words of the sample, unless the vocabulary was given or loaded."""
    if model.attrs["has_language_model"]:
        return
    vocabulary = vocabulary_of(model)
    if not vocabulary.units or (X and isinstance(vocabulary, SampleVocabulary)):
        learned = SampleVocabulary.learn(vocabulary.kind, X or [], min_freq=1, attr=vocabulary.attr)
        set_reader_vocabulary(model, learned)
    model.layers[0].initialize()
    # Here too, as this layer may be in a component of spaCy's.
    renew_gradients(model)


def set_reader_vocabulary(model: Model[InT, OutT], vocabulary: Vocabulary) -> None:
    """Give a reader other units. Its table of vectors is to be set after it."""
    model.attrs["vocabulary"] = vocabulary
    # Not set_dim, which refuses to change the dims of a layer that has weights.
    embedding_of(model)._dims["nV"] = len(vocabulary)


class Reading(NamedTuple):
    """What docs are read as.

    ids (Ints1d): (n_rows,) For each doc that has tokens, the end symbol and its units, in the order
        in which they are read.
    lengths (Ints1d): (n_seqs,) Rows of each of these docs.
    rows (Ints1d): (n_tokens,) For each token of all docs, the row at whose state it is complete.
    n_tokens (Ints1d): (n_docs,)
    """

    ids: numpy.ndarray
    lengths: numpy.ndarray
    rows: numpy.ndarray
    n_tokens: numpy.ndarray


def lay_out(vocabulary: Vocabulary, docs: InT, backward: bool) -> Reading:
    """RETURNS (Reading): The units of docs, and the rows at which their tokens end. In a backward
    model a token ends with its first unit."""
    ids: List[Any] = [numpy.zeros(0, dtype="int32")]
    rows: List[Any] = [numpy.zeros(0, dtype="int64")]
    lengths: List[int] = []
    start = 0
    end = numpy.asarray([END], dtype="int32")
    for doc in docs:
        if not len(doc):
            continue
        units = vocabulary.encode(doc)
        n_units = len(units.ids)
        tokens = numpy.arange(len(doc))
        if backward:
            ids += [end, units.ids[::-1]]
            rows.append(start + n_units - numpy.searchsorted(units.tokens, tokens, side="left"))
        else:
            ids += [end, units.ids]
            rows.append(start + numpy.searchsorted(units.tokens, tokens, side="right"))
        lengths.append(n_units + 1)
        start += n_units + 1
    return Reading(
        numpy.concatenate(ids),
        numpy.asarray(lengths, dtype="int32"),
        numpy.concatenate(rows),
        numpy.asarray([len(doc) for doc in docs], dtype="int32"),
    )


def forward(model: Model[InT, OutT], docs: InT, is_train: bool) -> Tuple[OutT, Callable]:
    ops, encoder = model.ops, model.layers[0]
    width = model.get_dim("nO")
    reading = lay_out(vocabulary_of(model), docs, is_backward(model))
    n_tokens = ops.asarray1i(cast(Any, reading.n_tokens))
    if not is_train or model.attrs["always_frozen"] or is_frozen(encoder):
        Y = _predict(encoder, reading, width)
        return to_list(Ragged(Y, n_tokens), width), lambda dYs: []
    # Marked, so that frozen layers at the bottom cost no backward pass.
    ids, lengths = (ops.asarray1i(cast(Any, part)) for part in (reading.ids, reading.lengths))
    Xr = constant(Ragged(ids, lengths))
    Hr, backprop_encoder = encoder(Xr, True)
    H = cast(Floats2d, Hr.dataXd)
    rows = ops.asarray1i(cast(Any, reading.rows))

    def backprop(dYs: OutT) -> InT:
        dY = cast(Any, to_ragged(ops, dYs).dataXd).reshape(-1, width)
        dH = ops.xp.zeros_like(H)
        add_rows(ops, dH, rows, dY)
        backprop_encoder(Ragged(dH, lengths))
        return []

    return to_list(Ragged(H[rows], n_tokens), width), backprop


def _predict(encoder: Model[Ragged, Ragged], reading: Reading, width: int) -> Floats2d:
    """Read docs in pieces, and keep what is asked for.

    RETURNS (Floats2d): (n_tokens, width)
    """
    ops = encoder.ops
    # Tokens without any unit of their own share the row of the token before.
    wanted, source = numpy.unique(reading.rows, return_inverse=True)
    kept = ops.alloc2f(len(wanted), width)
    for piece in pieces(reading.lengths, None):
        Xr = Ragged(ops.asarray1i(reading.ids[piece.rows]), ops.asarray1i(cast(Any, piece.lengths)))
        Hr, after, _ = run(encoder, Xr, piece.state)
        piece.leave(after)
        places = numpy.searchsorted(wanted, piece.rows).clip(max=max(len(wanted) - 1, 0))
        found = numpy.nonzero(wanted[places] == piece.rows)[0]
        kept[ops.xp.asarray(places[found])] = Hr.dataXd[ops.xp.asarray(found)]
    return cast(Floats2d, kept[ops.xp.asarray(source.reshape(-1))])
