"""What `fit` does before the first step: first weights, and whether model and answers fit."""

from typing import Any, List, Optional

from thinc.api import Model
from thinc.types import Ragged

from ..errors import Errors
from ..layers.freezing import has_parameters
from .losses import Loss
from .sequences import Part, make_batch, rows_of

N_SAMPLE = 8


def initialize(model: Model[Any, Any], train: Part, dev: Optional[Part], loss: Loss) -> None:
    """Initialize a model with a sample, if one of its layers has no weights yet."""
    check_input(model, "X", train)
    unset = [n for n in model.walk() if any(n.has_param(name) is None for name in n.param_names)]
    if not unset:
        return
    output = _output_layer(model)
    if output is not None and output.has_dim("nO") is None:
        nO = count_outputs(loss, [part for part in (train, dev) if part is not None])
        if nO is None and train.Y.ndim == 2:
            # What most functions take: guesses as wide as the answers.
            nO = int(train.Y.shape[1])
        if nO is None:
            raise ValueError(Errors.E004.format(name=output.name, dim="nO"))
        output.set_dim("nO", nO)
    X = [train.X[i] for i in _sample(train)]
    # Initializing the whole is what tells each layer its widths, but what has been learned stays.
    learned = [
        (node, name, node.get_param(name))
        for node in model.walk()
        for name in node.param_names
        if node.has_param(name)
    ]
    model.initialize(X=make_batch(model.ops, X, train.is_ragged))
    for node, name, weights in learned:
        made = node.get_param(name)
        if made.shape != weights.shape:
            advice = "Use layers whose widths fit, or new ones."
            found = f"weights '{name}' of the shape {weights.shape} in '{node.name}'"
            raise _misfit(found, f"ones of {made.shape}", advice)
        node.set_param(name, weights)


def _output_layer(node: Model[Any, Any]) -> Optional[Model[Any, Any]]:
    """RETURNS (Optional[Model]): The last layer that has weights."""
    if not node.layers or "recurrence" in node.attrs:
        return node if has_parameters(node) else None
    found = (_output_layer(layer) for layer in reversed(node.layers))
    return next((layer for layer in found if layer is not None), None)


def count_outputs(loss: Loss, parts: List[Part]) -> Optional[int]:
    """RETURNS (Optional[int]): How many outputs a model needs; None if only the loss knows."""
    answers = parts[0].Y
    if loss.of_classes:
        if answers.ndim == 2:
            return int(answers.shape[1])
        return max(int(part.Y.max()) + 1 for part in parts)
    return int(answers.shape[1]) * loss.n_outputs if loss.n_outputs is not None else None


def check_input(model: Model[Any, Any], name: str, part: Part) -> None:
    """Raise an error if a model takes a Ragged where sequences are a list.

    RAISES (ValueError): E169.
    """
    first = model
    # The name of Thinc's `chain`.
    while first.layers and first.name == ">>".join(layer.name for layer in first.layers):
        first = first.layers[0]
    takes_ragged = "recurrence" in first.attrs or first.name.startswith("bidirectional(")
    if takes_ragged and not part.is_ragged:
        raise ValueError(Errors.E169.format(name=first.name, x=name))


def check_model(model: Model[Any, Any], name: str, part: Part, loss: Loss) -> None:
    """Compare what a model gives for a few sequences with the answers.

    name (str): What the sequences are called in messages.
    RAISES (ValueError): E166 if the rows are not as many, or not as wide, or no probabilities.
    """
    numbers = _sample(part)
    output = model.predict(make_batch(model.ops, [part.X[i] for i in numbers], part.is_ragged))
    per_step = isinstance(output, (list, tuple, Ragged))
    y_name = name.replace("X", "Y")
    if per_step != part.per_step:
        found, wanted = ("step", "sequence") if per_step else ("sequence", "step")
        raise _misfit(
            f"a row for each {found}",
            f"answers in {y_name}: one for each {wanted}",
            "Use a model of the other shape: spacy_rnn.models has classifier for one answer a "
            "sequence, tagger and forecaster for one a step. Or correct Y: one for each step is a "
            "list of arrays.",
        )
    guesses = rows_of(model.ops, output)
    n_rows = len(part.answers(numbers))
    if guesses.ndim != 2 or len(guesses) != n_rows:
        found = f"an array of the shape {guesses.shape} for the first sequences"
        raise _misfit(found, f"{n_rows} rows", f"{y_name} has so many for them.")
    needed = count_outputs(loss, [part])
    nO = guesses.shape[1]
    if loss.of_classes and bool((abs(guesses.sum(axis=1) - 1.0) > 1e-3).any()):
        advice = "End it in thinc.api.Softmax, and not in a layer without activation."
        raise _misfit("rows that do not add up to 1", "probabilities", advice)
    is_classes = loss.of_classes and part.Y.ndim == 1
    if needed is not None and (needed > nO if is_classes else needed != nO):
        advice = f"Build it with that many outputs, or correct {y_name}."
        raise _misfit(f"{nO} outputs", f"{needed} for {y_name}", advice)


def _misfit(found: str, expected: str, advice: str) -> ValueError:
    return ValueError(Errors.E166.format(found=found, expected=expected, advice=advice))


def _sample(part: Part) -> List[int]:
    """RETURNS (List[int]): Numbers of the first sequences that have steps."""
    return [int(i) for i in part.lengths.nonzero()[0][:N_SAMPLE]]
