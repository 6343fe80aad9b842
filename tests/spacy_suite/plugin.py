"""pytest plugin: run spaCy's own tests with our embedding and encoder in place of spaCy's.

    python -m pytest -p plugin --pyargs spacy.tests.pipeline.test_textcat

It replaces the architectures in spaCy's registry, and the functions of the same names wherever
they have been imported. Then it disarms the originals, so that a reference that it has missed
makes a test fail, instead of letting it pass without us. `--rnn-report` writes what was built and
how each test ended as JSON.
"""

import inspect
import json
import os
import sys
from collections import Counter
from functools import wraps
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any, Callable, Dict, List, Optional, Union

import pytest
import spacy.ml.models.tok2vec
import spacy.util
import spacy_legacy.architectures.tok2vec
from spacy.tokens import Doc
from thinc.api import Model, fix_random_seed
from thinc.types import Floats2d

from spacy_rnn.models import HashEmbed, RNNEncoder

Tok2VecT = Model[List[Doc], List[Floats2d]]
EncodeT = Model[List[Floats2d], List[Floats2d]]

# Which cell stands in for the convolution. One layer stands in for all of its layers: it has
# read the whole text, where each convolution reads one more token on both sides.
CELL = os.environ.get("SPACY_RNN_SUITE_CELL", "lstm")


def hash_embed_cnn(
    *,
    width: int,
    depth: int,
    embed_size: int,
    window_size: int,
    maxout_pieces: int,
    subword_features: bool,
    pretrained_vectors: Optional[bool],
) -> Tok2VecT:
    """Stands in for `spacy.HashEmbedCNN.v2` and `v1`."""
    attrs = ["NORM", "PREFIX", "SUFFIX", "SHAPE"] if subword_features else ["NORM"]
    rows = [embed_size, *[embed_size // 2] * (len(attrs) - 1)]
    return spacy.ml.models.tok2vec.build_Tok2Vec_model(
        HashEmbed(width, attrs, rows, include_static_vectors=bool(pretrained_vectors)),
        maxout_window_encoder(width, window_size, maxout_pieces, depth),
    )


def multi_hash_embed(
    width: int,
    attrs: Union[List[str], List[int], List[Union[str, int]]],
    rows: List[int],
    include_static_vectors: bool,
) -> Tok2VecT:
    """Stands in for `spacy.MultiHashEmbed.v2` and `v1`."""
    return HashEmbed(width, list(attrs), rows, include_static_vectors)


def maxout_window_encoder(
    width: int, window_size: int, maxout_pieces: int, depth: int
) -> EncodeT:
    """Stands in for `spacy.MaxoutWindowEncoder.v2`."""
    model = RNNEncoder(CELL, width, depth=1)
    for node in model.walk():
        # As spaCy's encoder, it takes what it gives; some tests initialize it without data.
        if node.has_dim("nI") is None:
            node.set_dim("nI", width)
    return model


class Replacement:
    """One function of spaCy's, what stands in for it, and how often that was built."""

    def __init__(
        self, module: ModuleType, original: str, stand_in: Callable, registered: Optional[str]
    ) -> None:
        self.name = registered or original
        self.original: FunctionType = getattr(module, original)
        self.registered = registered
        self.n_built = 0
        expected, found = (list(_arguments(f)) for f in (self.original, stand_in))
        if expected != found:
            raise pytest.UsageError(f"{self.name} takes {expected}, its stand-in takes {found}")

        @wraps(stand_in)
        def build(*args: Any, **kwargs: Any) -> Any:
            self.n_built += 1
            return stand_in(*args, **kwargs)

        self.build = build

    def install(self) -> None:
        """Put the stand-in wherever the original is, and make the original useless."""
        for name, module in list(sys.modules.items()):
            if name.partition(".")[0] in ("spacy", "spacy_legacy"):
                for attribute, value in list(vars(module).items()):
                    if value is self.original:
                        setattr(module, attribute, self.build)
        if self.registered is not None:
            spacy.util.registry.architectures(self.registered)(self.build)
        self.original.__code__ = _refuse.__code__


def _arguments(function: Callable) -> List[Any]:
    parameters = inspect.signature(function).parameters.values()
    return [(p.name, p.kind, p.default) for p in parameters]


def _refuse(*args: Any, **kwargs: Any) -> None:
    raise AssertionError("spaCy's own layer was built, where spacy-rnn's should have been")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--rnn-report", type=Path, help="write counts and outcomes to this file")


def pytest_configure(config: pytest.Config) -> None:
    for mark in ("issue(number)", "slow"):
        config.addinivalue_line("markers", mark)
    spacy.util.registry.ensure_populated()
    tok2vec, legacy = spacy.ml.models.tok2vec, spacy_legacy.architectures.tok2vec
    replacements = [
        Replacement(tok2vec, original, stand_in, registered)
        for original, stand_in, registered in (
            ("build_hash_embed_cnn_tok2vec", hash_embed_cnn, "spacy.HashEmbedCNN.v2"),
            ("MultiHashEmbed", multi_hash_embed, "spacy.MultiHashEmbed.v2"),
            ("MaxoutWindowEncoder", maxout_window_encoder, "spacy.MaxoutWindowEncoder.v2"),
        )
    ]
    # These are entry points, which come before what is registered: their module is enough.
    replacements.append(Replacement(legacy, "HashEmbedCNN_v1", hash_embed_cnn, None))
    replacements.append(Replacement(legacy, "MultiHashEmbed_v1", multi_hash_embed, None))
    for replacement in replacements:
        replacement.install()
    config.pluginmanager.register(Recorder(replacements), "spacy-rnn-recorder")


class Recorder:
    """Seeds each test, and writes down what came of it."""

    def __init__(self, replacements: List[Replacement]) -> None:
        self.replacements = replacements
        self.outcomes: Dict[str, str] = {}
        self.failures: Dict[str, str] = {}

    @property
    def n_built(self) -> Dict[str, int]:
        return {replacement.name: replacement.n_built for replacement in self.replacements}

    def pytest_runtest_setup(self) -> None:
        # Most of spaCy's tests do not seed; whether one reaches its threshold must not be luck.
        fix_random_seed(0)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call" or report.outcome != "passed":
            self.outcomes[report.nodeid] = report.outcome
            if report.failed:
                self.failures[report.nodeid] = str(
                    getattr(getattr(report.longrepr, "reprcrash", None), "message", "")
                    or report.longrepr
                )

    def pytest_terminal_summary(
        self, terminalreporter: Any, exitstatus: int, config: pytest.Config
    ) -> None:
        terminalreporter.section("built by spacy-rnn")
        for name, count in self.n_built.items():
            terminalreporter.line(f"{name}: {count} times")
        path = config.getoption("--rnn-report")
        if path is not None:
            report = {
                "built": self.n_built,
                "outcomes": Counter(self.outcomes.values()),
                "failures": self.failures,
            }
            path.write_text(json.dumps(report, indent=2), encoding="utf8")
