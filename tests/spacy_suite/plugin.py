"""pytest plugin: run spaCy's own tests with our embedding and encoder in place of spaCy's.

    python -m pytest -p tests.spacy_suite.plugin --pyargs spacy.tests.pipeline.test_textcat

It replaces the architectures in spaCy's registry, and the functions of the same names wherever
they have been imported. Then it disarms the originals, so that a reference that it has missed
makes a test fail, instead of letting it pass without us. At the end it says how often each
replacement was built; `--rnn-report` writes that, and how the tests ended, as JSON.
"""

import inspect
import json
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
from spacy.lang.en import English
from spacy.tokens import Doc
from thinc.api import Model, fix_random_seed
from thinc.types import Floats2d

from spacy_rnn.models import HashEmbed, RNNEncoder

Tok2VecT = Model[List[Doc], List[Floats2d]]
EncodeT = Model[List[Floats2d], List[Floats2d]]


class StandIns:
    """Functions with the signatures of spaCy's, which build our layers."""

    def __init__(self, cell: str) -> None:
        self.cell = cell

    def hash_embed_cnn(
        self,
        *,
        width: int,
        depth: int,
        embed_size: int,
        window_size: int,
        maxout_pieces: int,
        subword_features: bool,
        pretrained_vectors: Optional[bool],
    ) -> Tok2VecT:
        """For `spacy.HashEmbedCNN.v2` and `v1`."""
        attrs = ["NORM", "PREFIX", "SUFFIX", "SHAPE"] if subword_features else ["NORM"]
        rows = [embed_size, *[embed_size // 2] * (len(attrs) - 1)]
        return spacy.ml.models.tok2vec.build_Tok2Vec_model(
            self.multi_hash_embed(width, attrs, rows, bool(pretrained_vectors)),
            self.maxout_window_encoder(width, window_size, maxout_pieces, depth),
        )

    def multi_hash_embed(
        self,
        width: int,
        attrs: Union[List[str], List[int], List[Union[str, int]]],
        rows: List[int],
        include_static_vectors: bool,
    ) -> Tok2VecT:
        """For `spacy.MultiHashEmbed.v2` and `v1`."""
        return HashEmbed(width, list(attrs), rows, include_static_vectors)

    def maxout_window_encoder(
        self, width: int, window_size: int, maxout_pieces: int, depth: int
    ) -> EncodeT:
        """For `spacy.MaxoutWindowEncoder.v2`. One layer stands in for any depth: it has read the
        whole text, where each convolution reads one more token on either side.
        """
        model = RNNEncoder(self.cell, width, depth=1)
        for node in model.walk():
            # spaCy's encoder is as wide as its input, and some tests initialize without any.
            if node.has_dim("nI") is None:
                node.set_dim("nI", width)
        return model


class Replacement:
    """A function of spaCy's, what stands in for it, and how often that was built."""

    def __init__(
        self, module: ModuleType, original: str, stand_in: Callable, registered: Optional[str]
    ) -> None:
        self.name = registered or original
        self.original: FunctionType = getattr(module, original)
        self.registered = registered
        self.n_built = 0
        expected, found = _arguments(self.original), _arguments(stand_in)
        if expected != found:
            raise pytest.UsageError(f"{self.name} takes {expected}, its stand-in takes {found}")

        @wraps(stand_in)
        def build(*args: Any, **kwargs: Any) -> Any:
            self.n_built += 1
            return stand_in(*args, **kwargs)

        self.build = build

    def install(self) -> None:
        """Put the stand-in wherever the original is, and disarm the original."""
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
    raise AssertionError("spaCy's own layer was built, where ours should have been")


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("spacy-rnn")
    group.addoption("--rnn-cell", default="lstm", help="the encoder's cell")
    group.addoption(
        "--rnn-learn-rates",
        type=json.loads,
        default={},
        help="JSON table: names of tests -> the learn rate that they train at",
    )
    group.addoption("--rnn-report", type=Path, help="write counts and outcomes to this file")


def pytest_configure(config: pytest.Config) -> None:
    for mark in ("issue(number)", "slow"):
        config.addinivalue_line("markers", mark)
    spacy.util.registry.ensure_populated()
    stand_ins = StandIns(config.getoption("--rnn-cell"))
    models, legacy = spacy.ml.models.tok2vec, spacy_legacy.architectures.tok2vec
    replacements = [
        Replacement(module, original, stand_in, registered)
        for module, original, stand_in, registered in (
            (models, "MultiHashEmbed", stand_ins.multi_hash_embed, "spacy.MultiHashEmbed.v2"),
            (
                models,
                "MaxoutWindowEncoder",
                stand_ins.maxout_window_encoder,
                "spacy.MaxoutWindowEncoder.v2",
            ),
            (
                models,
                "build_hash_embed_cnn_tok2vec",
                stand_ins.hash_embed_cnn,
                "spacy.HashEmbedCNN.v2",
            ),
            # Entry points, which are looked up in their module each time.
            (legacy, "MultiHashEmbed_v1", stand_ins.multi_hash_embed, None),
            (legacy, "HashEmbedCNN_v1", stand_ins.hash_embed_cnn, None),
        )
    ]
    for replacement in replacements:
        replacement.install()
    learn_rates = config.getoption("--rnn-learn-rates")
    config.pluginmanager.register(Recorder(replacements, learn_rates), "spacy-rnn-recorder")


class Recorder:
    """Seeds each test, sets its learn rate, and writes down what came of it."""

    def __init__(self, replacements: List[Replacement], learn_rates: Dict[str, float]) -> None:
        self.replacements = replacements
        self.learn_rates = learn_rates
        self.optimizer = English.default_config["training"]["optimizer"]
        self.default_rate = self.optimizer["learn_rate"]
        self.outcomes: Dict[str, str] = {}
        self.failures: Dict[str, str] = {}

    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        # Most of spaCy's tests do not seed; whether a loss falls far enough must not be luck.
        fix_random_seed(0)
        self.optimizer["learn_rate"] = self.learn_rates.get(item.nodeid, self.default_rate)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call" or report.outcome != "passed":
            self.outcomes[report.nodeid] = report.outcome
        if report.failed:
            crash = getattr(report.longrepr, "reprcrash", None)
            self.failures[report.nodeid] = crash.message if crash else str(report.longrepr)

    def pytest_terminal_summary(self, terminalreporter: Any, config: pytest.Config) -> None:
        n_built = {replacement.name: replacement.n_built for replacement in self.replacements}
        terminalreporter.section("built by spacy-rnn")
        for name, count in n_built.items():
            terminalreporter.line(f"{name}: {count} times")
        path = config.getoption("--rnn-report")
        if path is not None:
            outcomes = Counter(self.outcomes.values())
            report = {"built": n_built, "outcomes": outcomes, "failures": self.failures}
            path.write_text(json.dumps(report, indent=2), encoding="utf8")
