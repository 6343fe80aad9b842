"""How much of whether a noun has a plural can be known: from its letters, and from word vectors.

python scripts/pairs.py inflection corpus/inflection
python scripts/vectors.py
python scripts/shapes/plurals.py corpus/inflection vectors/glove
"""

from pathlib import Path
from typing import Annotated, Any, Dict, List, Tuple

import numpy
import spacy
import typer
from common import report
from inflection import is_uninflected
from inflection_rules import inflect
from pairs_report import read_pairs
from sklearn.decomposition import TruncatedSVD
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, recall_score
from sklearn.model_selection import cross_val_predict
from wasabi import msg

# The logarithm of a rank beyond that of the last of GloVe's 400,000 words.
UNKNOWN_RANK = 14.0


def main(
    corpus: Annotated[Path, typer.Argument(help="With train.jsonl and test.jsonl", exists=True)],
    vectors: Annotated[Path, typer.Argument(help="A pipeline with word vectors", exists=True)],
    output: Annotated[Path, typer.Option(help="Where to write the figures")] = Path(
        "metrics/plurals.json"
    ),
) -> None:
    """Tell nouns that have a plural from those that have none."""
    train, lacks_train = read_nouns(corpus / "train.jsonl")
    test, lacks_test = read_nouns(corpus / "test.jsonl")
    msg.info("Learning from letters")
    counts = TfidfVectorizer(analyzer="char", ngram_range=(1, 6), min_df=2, lowercase=False)
    X, Y = counts.fit_transform(bounded(train)), counts.transform(bounded(test))
    model = LogisticRegression(C=5.0, solver="liblinear", max_iter=2000)
    # As sure as it is of words that it has not learned from.
    sure = cross_val_predict(model, X, lacks_train, cv=5, method="decision_function")
    guessed = {"letters": model.fit(X, lacks_train).predict(Y)}
    msg.info("Learning from vectors")
    table = NounVectors(vectors)
    endings = TruncatedSVD(50, random_state=0).fit(X)
    known = [table.features(train), sure[:, None], endings.transform(X)]
    asked = [table.features(test), model.decision_function(Y)[:, None], endings.transform(Y)]
    trees = HistGradientBoostingClassifier(max_iter=400, learning_rate=0.05, random_state=0)
    trees.fit(numpy.hstack(known), lacks_train)
    guessed["letters and vectors"] = trees.predict(numpy.hstack(asked))
    metrics: Dict[str, Any] = {
        name: {
            "right": accuracy_score(lacks_test, found),
            "without plural": recall_score(lacks_test, found),
            "with plural": recall_score(~lacks_test, ~found),
        }
        for name, found in guessed.items()
    }
    rows = [[name, *(f"{v:.3f}" for v in found.values())] for name, found in metrics.items()]
    metrics["nouns"], metrics["nouns without plural"] = len(test), int(lacks_test.sum())
    report(output, metrics, rows, ["Known", "right", "without plural", "with plural"])


def read_nouns(path: Path) -> Tuple[List[str], Any]:
    """RETURNS (Tuple[List[str], numpy.ndarray]): Nouns, and whether each lacks a plural."""
    pairs = [pair for pair in read_pairs(path) if pair["text"].startswith("NNS ")]
    nouns = [pair["text"].split(" ", 1)[1] for pair in pairs]
    return nouns, numpy.asarray([is_uninflected(pair) for pair in pairs])


def bounded(nouns: List[str]) -> List[str]:
    return [f"^{noun}$" for noun in nouns]


class NounVectors:
    """Word vectors, by frequency, as those of GloVe are.

    path (Path): A pipeline.
    """

    def __init__(self, path: Path) -> None:
        self.vectors = spacy.load(path).vocab.vectors
        self.unknown = self.vectors.data.mean(axis=0)

    def features(self, nouns: List[str]) -> Any:
        """RETURNS (Floats2d): (n, 3 + 2 * width) For each noun whether it is a name; and for it and
        its regular plural the logarithm of its rank by frequency, and its vector."""
        rows = []
        for noun in nouns:
            row = [float(noun != noun.lower())]
            for word in (noun.lower(), inflect("NNS", noun.lower())):
                place = self.vectors.find(key=word)
                row += [numpy.log(place + 2) if place >= 0 else UNKNOWN_RANK]
                row += list(self.vectors.data[place] if place >= 0 else self.unknown)
            rows.append(row)
        return numpy.asarray(rows)


if __name__ == "__main__":
    typer.run(main)
