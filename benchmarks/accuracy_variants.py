"""What the default text classifier could be instead: one thing at a time."""

from typing import Any, Dict

from .accuracy_systems import CELLS, COMPONENT, DEFAULT, EMBED, ENCODE, OURS, SYSTEMS, System

MODEL = f"components.{COMPONENT}.model"
LINEAR = f"{MODEL}.linear_model"
BASE = "default"
COMPOUNDING = {"@schedules": "compounding.v1", "start": 8, "stop": 64, "compound": 1.002}
SPACYS_LINEAR = {
    "@architectures": "spacy.TextCatBOW.v3",
    "exclusive_classes": True,
    "ngram_size": 2,
    "length": 262144,
    "no_output_layer": True,
    "nO": None,
}
CNN_FIRST = {
    "@architectures": "spacy-rnn.ConvRNNEncoder.v1",
    "width": 128,
    "window_size": 1,
    "conv_depth": 1,
    "depth": 1,
    "bidirectional": True,
    "dropout": 0.0,
}
# As wide as the embedding, as it has to be.
CNN_ALONE = {
    "@architectures": "spacy.MaxoutWindowEncoder.v2",
    "width": 96,
    "window_size": 1,
    "maxout_pieces": 3,
    "depth": 4,
}
# What the recurrence and what convolutions are worth shows best without n-grams beside them. The
# LSTM alone is "linear model: none".
ALONE: Dict[str, Dict[str, Any]] = {
    **{cell: {LINEAR: None, f"{ENCODE}.cell": cell} for cell in CELLS if cell != "lstm"},
    **{
        f"convolution, {cell}": {LINEAR: None, ENCODE: {**CNN_FIRST, "cell": cell}}
        for cell in ("lstm", "gru", "qrnn")
    },
    "spaCy's CNN": {LINEAR: None, ENCODE: CNN_ALONE},
}
# What is changed, by group and name.
CHANGES: Dict[str, Dict[str, Dict[str, Any]]] = {
    "cell": {cell: {f"{ENCODE}.cell": cell} for cell in ("gru", "elman", "qrnn", "mingru")},
    "size": {
        "width 64": {f"{ENCODE}.width": 64},
        "width 256": {f"{ENCODE}.width": 256},
        "two layers": {f"{ENCODE}.depth": 2},
        "one direction": {f"{ENCODE}.bidirectional": False},
        "a hidden layer of 64": {f"{MODEL}.hidden_width": 64},
        "norms only": {f"{EMBED}.attrs": ["NORM"], f"{EMBED}.rows": [5000]},
    },
    "pooling": {
        "last": {f"{MODEL}.pooling": ["last"]},
        "mean": {f"{MODEL}.pooling": ["mean"]},
        "max": {f"{MODEL}.pooling": ["max"]},
        "mean and max": {f"{MODEL}.pooling": ["mean", "max"]},
        "attention": {f"{MODEL}.pooling": ["attention"]},
    },
    "linear model": {
        "none": {LINEAR: None},
        "nothing else": {f"{MODEL}.network_share": 0.0},
        "summed up": {f"{MODEL}.network_share": None},
        "0.5 of the network": {f"{MODEL}.network_share": 0.5},
        "spaCy's": {LINEAR: SPACYS_LINEAR},
        "words only": {f"{LINEAR}.ngram_size": 1},
        "up to three words": {f"{LINEAR}.ngram_size": 3},
        "65536 n-grams": {f"{LINEAR}.length": 65536},
        "scale 3": {f"{LINEAR}.scale": 3.0},
        "scale 15": {f"{LINEAR}.scale": 15.0},
    },
    "training": {
        "dropout 0.2": {"training.dropout": 0.2},
        "dropout 0.65": {"training.dropout": 0.65},
        "no averages": {"training.optimizer.use_averages": False},
        "learn rate 0.0007": {"training.optimizer.learn_rate": 0.0007},
        "learn rate 0.005": {"training.optimizer.learn_rate": 0.005},
        "no weight decay": {"training.optimizer.L2": 0.0},
        "no label smoothing": {f"components.{COMPONENT}.label_smoothing": 0.0},
        "8 texts a batch": {"training.batcher.size": 8},
        "128 texts a batch": {"training.batcher.size": 128},
        "8 to 64 texts a batch": {"training.batcher.size": COMPOUNDING},
    },
    "network alone": ALONE,
}
VARIANTS: Dict[str, System] = {
    BASE: System(SYSTEMS[DEFAULT].about, BASE, OURS, factory="rnn_textcat"),
    **{
        f"{group}: {name}": System(name, group, OURS, factory="rnn_textcat", overrides=overrides)
        for group, of_group in CHANGES.items()
        for name, overrides in of_group.items()
    },
}
