"""Token vectors from trained language models."""

import warnings
from typing import Any, Callable, Iterator, List, Optional, Tuple, cast

from spacy.tokens import Doc
from thinc.api import Model
from thinc.types import Floats1d, Floats2d, Ragged

from ..errors import Errors, Warnings
from ..layers.ragged import to_list, to_ragged
from .lm_reader import lm_reader

InT = List[Doc]
OutT = List[Floats2d]
LanguageModelT = Model[List[Doc], List[Floats1d]]


def LanguageModelTok2Vec(
    forward: Optional[LanguageModelT] = None,
    backward: Optional[LanguageModelT] = None,
    frozen: bool = False,
) -> Model[InT, OutT]:
    """Give each token the hidden states of language models at its edges: of a forward one that has
    read the text up to the token's end, and of a backward one that has read it from its end back to
    the token's beginning (Akbik et al. 2018, "Contextual string embeddings for sequence labeling",
    for characters).

    The weights are those of trained models, which `spacy-rnn.init_from_lm.v1` loads once, at
    initialization. They are saved with the pipeline, so the models are not needed again. Texts of
    any length are read in constant memory beside the vectors themselves, unless the layers learn.

    forward (Optional[Model[List[Doc], List[Floats1d]]]): The block of a forward language model
        (`spacy-rnn.LanguageModel.v1`), as in the config by which it was trained. Its rates of
        dropout hold for the fine-tuning; its softmax is left out.
    backward (Optional[Model[List[Doc], List[Floats1d]]]): Likewise one with backward = true.
    frozen (bool): Whether the vectors stay as the language models give them: the layers learn
        nothing, and training costs no more than prediction.
    RETURNS (Model[List[Doc], List[Floats2d]]): (n_tokens, nO) for each doc, where nO is the sum of
        the last layers' widths: `embed_width` or `width` where tied, else `width`.
    RAISES (ValueError): If neither is given, or one reads in the other direction, or depends on
        labels or a vector.
    """
    given = [(name, lm) for name, lm in (("forward", forward), ("backward", backward)) if lm]
    if not given:
        raise ValueError(Errors.E090)
    for name, lm in given:
        if lm.name != "language_model":
            raise ValueError(Errors.E091.format(name=name, found=lm.name))
        if lm.attrs["backward"] != (name == "backward"):
            value = str(name == "backward").lower()
            raise ValueError(Errors.E092.format(name=name, value=value))
        if lm.attrs["condition"]:
            raise ValueError(Errors.E093.format(name=name, condition=lm.attrs["condition"]))
    readers = [lm_reader(lm, frozen) for _, lm in given]
    width = sum(reader.get_dim("nO") for reader in readers)
    return Model(
        "lm_tok2vec",
        read,
        init=init,
        dims={"nO": width},
        layers=readers,
        attrs={
            # Where the columns begin that were read from the end; pooling needs to know.
            "reverse_from": 0 if forward is None else readers[0].get_dim("nO"),
            "has_warned": False,
        },
    )


def read(model: Model[InT, OutT], docs: InT, is_train: bool) -> Tuple[OutT, Callable]:
    """The vectors of all directions, side by side."""
    if is_train and not model.attrs["has_warned"]:
        warn_if_untrained(model)
    results = [layer(docs, is_train) for layer in model.layers]
    if len(results) == 1:
        return cast(Tuple[OutT, Callable], results[0])
    ops, width = model.ops, model.get_dim("nO")
    parts = [to_ragged(ops, rows) for rows, _ in results]
    widths = [layer.get_dim("nO") for layer in model.layers]
    whole = [cast(Any, part.dataXd).reshape(-1, w) for part, w in zip(parts, widths)]
    Y = ops.xp.concatenate(whole, axis=1)

    def backprop(dYs: OutT) -> InT:
        dYr = to_ragged(ops, dYs)
        dY = cast(Any, dYr.dataXd).reshape(-1, width)
        start = 0
        for w, (_, callback) in zip(widths, results):
            part = ops.as_contig(dY[:, start : start + w])
            callback(to_list(Ragged(part, dYr.lengths), w))
            start += w
        return []

    return to_list(Ragged(Y, parts[0].lengths), width), backprop


def init(model: Model[InT, OutT], X: Optional[InT] = None, Y: Optional[OutT] = None) -> None:
    for layer in model.layers:
        layer.initialize(X=X)


def readers_of(model: Model[Any, Any]) -> Iterator[Model[InT, OutT]]:
    """YIELDS (Model[List[Doc], List[Floats2d]]): What reads as a language model, within a model."""
    for node in model.walk():
        if node.name.startswith("lm_reader."):
            yield node


def warn_if_untrained(model: Model[InT, OutT]) -> None:
    """Tell, once, that no language model was loaded."""
    model.attrs["has_warned"] = True
    if not all(reader.attrs["has_language_model"] for reader in readers_of(model)):
        n_units = max(len(reader.attrs["vocabulary"]) for reader in readers_of(model))
        warnings.warn(Warnings.W090.format(n_units=n_units), stacklevel=3)
