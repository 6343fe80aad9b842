"""The embedded units of a text below the recurrent layers of language models, as one can go towards
them from zero: what explanations need of a `LanguageModelTok2Vec`."""

from typing import Any, Callable, List, NamedTuple, Tuple, cast

import numpy
from spacy.tokens import Doc
from thinc.api import Model, chain
from thinc.types import Floats2d, Ragged

from ..layers.embedding import add_rows
from ..layers.ragged import to_list, to_ragged
from .lm_parts import embedding_of, is_backward, vocabulary_of
from .lm_reader import lay_out
from .lm_tok2vec import readers_of

EncodeT = Model[List[Floats2d], List[Floats2d]]


class Embedded(NamedTuple):
    """A text between its embedding and its encoder.

    rows (Floats2d): (n_rows, width) What is embedded.
    tokens (Ints1d): (n_rows,) The token that each row is of.
    encode (Model[List[Floats2d], List[Floats2d]]): From such rows to (n_tokens, nO).
    """

    rows: Floats2d
    tokens: numpy.ndarray
    encode: EncodeT


class Direction(NamedTuple):
    """What a language model reads of a text.

    end (Floats2d): (1, width) The embedded end symbol, from which it begins.
    places (Ints1d): (n_tokens,) For each token the row, from that of the end symbol on, at whose
        state it is complete.
    n_units (int): Rows without that of the end symbol.
    """

    end: Floats2d
    places: numpy.ndarray
    n_units: int


def embed_units(model: Model[List[Doc], List[Floats2d]], doc: Doc) -> Embedded:
    """Embed the units of a doc.

    model (Model): A `LanguageModelTok2Vec`.
    doc (Doc): A doc with tokens.
    RETURNS (Embedded): The rows of the forward model, then those of the backward one in the order
        in which it reads them; where one embeds less widely, with zeros at their ends.
    """
    ops = model.ops
    rows, tokens, directions = [], [], []
    encoders: List[Model[Any, Any]] = []
    for reader in readers_of(model):
        backward, vocabulary = is_backward(reader), vocabulary_of(reader)
        reading = lay_out(vocabulary, [doc], backward)
        table = cast(Floats2d, embedding_of(reader).get_param("E"))
        embedded = table[ops.asarray1i(cast(Any, reading.ids))]
        owners = vocabulary.encode(doc).tokens
        rows.append(embedded[1:])
        tokens.append(owners[::-1] if backward else owners)
        directions.append(Direction(embedded[:1], reading.rows, len(embedded) - 1))
        encoders.append(chain(*reader.layers[0].layers[1:]))
    width = max(part.shape[1] for part in rows)
    padded = [ops.xp.pad(part, ((0, 0), (0, width - part.shape[1]))) for part in rows]
    encode: EncodeT = Model(
        "encode_units", forward, layers=encoders, attrs={"directions": directions}
    )
    return Embedded(ops.xp.concatenate(padded), numpy.concatenate(tokens), encode)


def forward(
    model: EncodeT, texts: List[Floats2d], is_train: bool
) -> Tuple[List[Floats2d], Callable]:
    ops, xp = model.ops, model.ops.xp
    """Run all directions over texts that are as long as each other.

    texts (List[Floats2d]): (n_rows, width) each, as `Embedded.rows`.
    RETURNS (Tuple[List[Floats2d], Callable]): (n_tokens, nO) each.
    """
    directions: List[Direction] = model.attrs["directions"]
    columns: List[Any] = []
    callbacks: List[Tuple[Any, ...]] = []
    start = 0
    for encode, direction in zip(model.layers, directions):
        own, width = slice(start, start + direction.n_units), direction.end.shape[1]
        start = own.stop
        Xr = to_ragged(ops, [xp.concatenate([direction.end, text[own, :width]]) for text in texts])
        Hr, backprop_encode = encode(Xr, is_train)
        offsets = (direction.n_units + 1) * numpy.arange(len(texts))[:, None]
        places = ops.asarray1i((offsets + direction.places).reshape(-1))
        columns.append(Hr.dataXd[places])
        callbacks.append((backprop_encode, own, width, places, Hr))
    widths = [part.shape[1] for part in columns]
    Y = xp.concatenate(columns, axis=1)
    n_tokens = ops.asarray1i([len(directions[0].places)] * len(texts))

    def backprop(dYs: List[Floats2d]) -> List[Floats2d]:
        dY = cast(Any, to_ragged(ops, dYs).dataXd)
        d_texts = [xp.zeros_like(text) for text in texts]
        column = 0
        for (backprop_encode, own, width, places, Hr), n in zip(callbacks, widths):
            dH = xp.zeros_like(Hr.dataXd)
            add_rows(ops, dH, places, ops.as_contig(dY[:, column : column + n]))
            column += n
            d_rows = to_list(backprop_encode(Ragged(dH, Hr.lengths)), width)
            for d_text, d_row in zip(d_texts, d_rows):
                d_text[own, :width] = d_row[1:]
        return d_texts

    return to_list(Ragged(Y, n_tokens), sum(widths)), backprop
