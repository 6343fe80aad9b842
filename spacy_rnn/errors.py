"""Coded messages: what was found, what was expected, what to do about it."""

from typing import Any


class _WithCodes(type):
    """Puts the code in front of each message, with the package, as spaCy has codes like these."""

    def __getattribute__(cls, code: str) -> Any:
        message = type.__getattribute__(cls, code)
        if code.startswith("_"):
            return message
        return f"[spacy-rnn {code}] {message}"


class Errors(metaclass=_WithCodes):
    """Templates, filled by `Errors.E001.format(...)`. A code never changes its meaning."""

    E001 = (
        "width={width} is odd, and a bidirectional encoder gives half of its width to each "
        "direction. Use an even width ({lower} or {upper}), or set bidirectional = false."
    )
    E002 = "Unknown cell '{cell}'. Expected one of: {cells}."
    E003 = (
        "Layer '{name}' was built for inputs of width {expected}, but got rows of width {found}. "
        "Make the width of the layer before it equal to nI, or leave nI out to have it inferred."
    )
    E004 = (
        "Layer '{name}' does not know its {dim}. Give {dim} to the constructor, or call "
        "model.initialize(X=...) with a sample of the data."
    )
    E005 = (
        "The lengths of a Ragged must add up to its rows: got {rows} rows and lengths that sum "
        "to {total}. Build it as Ragged(concatenated_rows, lengths_of_the_sequences)."
    )
    E006 = (
        "The state does not fit layer '{name}': expected '{key}' of shape {expected}, found "
        "{found}. Pass on the state that the last run() of this model returned for the same "
        "sequences, or None to begin anew."
    )
    E007 = (
        "This model has {expected} recurrent layers, but the state holds {found} entries. Pass "
        "on the state that run() returned for this model, or None to begin anew."
    )
    E008 = (
        "{what} needs {module}, which is not installed. Install it with: "
        "pip install 'spacy-rnn[{extra}]'"
    )
    E009 = "Unknown {what} '{found}'. Expected one of: {expected}."
    E010 = (
        "The callback for the gradients of '{name}' was called, but the layer was run with "
        "is_train=False, which keeps nothing to go back on. Use model.begin_update(X), or pass "
        "is_train=True."
    )
    E011 = (
        "{what} must be {expected}, but got {found}. Correct the value in the call or in the "
        "[model] block of the config."
    )
    E012 = "Cannot convert {found}. Expected {expected}. {advice}"
    E013 = (
        "Parameter '{param}' of layer '{name}' has shape {found}, but the layer was built for "
        "{expected}. The saved model and the config disagree: load the pipeline with the config "
        "it was saved with, or train it again with the new one."
    )
    E014 = (
        "'attrs' names {attrs} features but 'rows' has {rows} entries. Give one number of rows "
        "for each attribute."
    )
    E015 = (
        "include_static_vectors = true needs word vectors, but the vocab's table is empty. Set "
        "[initialize] vectors to a pipeline or folder with vectors (see `spacy init vectors`), "
        "or set include_static_vectors = false."
    )
    E016 = (
        "The linear model's exclusive_classes is {found}, but this classifier's is {expected}. "
        "Set both to the same value."
    )
    E017 = (
        "The linear model has an output layer of its own, so its scores cannot be added to the "
        "logits. Set no_output_layer = true in its config block."
    )
    E018 = (
        "Cannot read the model data of '{name}' from {path}: {reason}. The file is damaged or "
        "was cut short. Restore it from a backup, or train the pipeline again."
    )
    E019 = (
        "The saved model of '{name}' does not fit the model that the config describes: {reason}. "
        "Load the pipeline with the config.cfg that it was saved with."
    )
    E020 = (
        "class_weights names labels that '{name}' does not have: {unknown}. Its labels are: "
        "{labels}."
    )
    E021 = (
        "Component '{name}' found no labels in the training data. Fill doc.cats of the examples "
        "(for instance {{'POSITIVE': 1.0, 'NEGATIVE': 0.0}}), or pass labels = [...] in "
        "[initialize.components.{name}]."
    )
    E022 = (
        "An exclusive text classifier needs at least two labels, but '{name}' found only "
        "{labels}. Add the other label to the cats of the data, or use rnn_textcat_multilabel "
        "for a single yes/no label."
    )
    E023 = (
        "Example {index} has no category set to 1: {cats}. In '{name}' the classes exclude each "
        "other, so each training text needs one. Use rnn_textcat_multilabel for texts with "
        "missing or no labels."
    )
    E024 = (
        "Layer '{name}' has no weights yet. Call model.initialize(X=...) with a sample of the "
        "data, or load them with from_disk or from_bytes."
    )
    E025 = (
        "Layer '{name}' has no recurrent weights, so {what} = {rate} would drop nothing; it must "
        "be 0. Use dropout, which falls on the output of any layer, or one of the cells elman, "
        "lstm and gru."
    )
    E026 = (
        "The environment variable {name} must be a positive number of threads, but it is "
        "{found}. Set it to a number, such as {name}=1, or unset it."
    )
    E027 = (
        "Parameter '{param}' of layer '{name}' has the shape {found}, but expected {expected}. Set "
        "it to an array of that shape, or build the layer with the sizes of its weights."
    )
    E028 = (
        "The gradient of {what} that was given to the callback of '{name}' has the shape {found}, "
        "but expected {expected}: that of {what} itself."
    )


def number_error(what: str, expected: str, found: Any) -> ValueError:
    """RETURNS (ValueError): The error for an argument outside its range."""
    return ValueError(Errors.E011.format(what=what, expected=expected, found=repr(found)))


class Warnings(metaclass=_WithCodes):
    """Templates of warnings, likewise."""

    W001 = (
        "numba is installed but can't be used, so the recurrent layers run on NumPy alone, which "
        "gives the same results more slowly: {error}. Install versions that fit together: "
        "pip install -U 'spacy-rnn[fast]'."
    )
