"""The linear peer of the comparison by accuracy: scikit-learn's logistic regression over TF-IDF."""

from itertools import pairwise
from time import perf_counter
from typing import Any, Dict, List, Sequence, Tuple

from spacy.tokens import Doc

from .accuracy_score import score_labels
from .accuracy_sets import DataSet, label_of, read_docs

# The strengths of regularization that the dev set chooses from; a greater one is weaker.
STRENGTHS = (1.0, 3.0, 10.0, 30.0, 100.0, 300.0)
NGRAMS = (1, 2)
SETTINGS = f"TF-IDF of {NGRAMS}-grams, sublinear; logistic regression, liblinear, C of {STRENGTHS}"


def train_linear(data: DataSet) -> Dict[str, Any]:
    """Train one model for each strength, and score the one that is the best on the dev set.

    data (DataSet): What it learns from.
    RETURNS (Dict[str, Any]): Figures as of the other systems; also the strength, "C". The tokens
        are those of the files, so its speed has no tokenizer in it, as that of the others.
    """
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.multiclass import OneVsRestClassifier

    (train, y_train), (dev, y_dev), (test, y_test) = (
        read_part(data, part) for part in ("train", "dev", "test")
    )
    start = perf_counter()
    vectorizer = TfidfVectorizer(analyzer=find_ngrams, sublinear_tf=True)
    X_train, X_dev = vectorizer.fit_transform(train), vectorizer.transform(dev)
    models: Dict[float, Any] = {}
    scores: Dict[float, float] = {}
    for strength in STRENGTHS:
        # Each label against the others, as liblinear knows two classes only.
        model = LogisticRegression(C=strength, solver="liblinear", max_iter=1000)
        models[strength] = OneVsRestClassifier(model).fit(X_train, y_train)
        scores[strength] = score_labels(y_dev, models[strength].predict(X_dev))["accuracy"]
    seconds = perf_counter() - start
    best = max(scores, key=lambda strength: scores[strength])
    start = perf_counter()
    predicted = models[best].predict(vectorizer.transform(test))
    seconds_test = perf_counter() - start
    arrays = [estimator.coef_ for estimator in models[best].estimators_] + [vectorizer.idf_]
    size = sum(array.nbytes for array in arrays)
    size += sum(len(ngram.encode("utf8")) for ngram in vectorizer.vocabulary_)
    return {
        **score_labels(y_test, predicted),
        "dev_score": scores[best],
        "C": best,
        "train_words": sum(map(len, train)),
        "train_words_per_second": len(STRENGTHS) * sum(map(len, train)) / seconds,
        "words_per_second": sum(map(len, test)) / seconds_test,
        "mb": size / 1e6,
    }


def read_part(data: DataSet, part: str) -> Tuple[List[List[str]], List[str]]:
    """RETURNS (Tuple[List[List[str]], List[str]]): Lower-cased tokens of each text, and labels."""
    docs = read_docs(data.parts[part])
    return [lower_tokens(doc) for doc in docs], [label_of(doc) for doc in docs]


def lower_tokens(doc: Doc) -> List[str]:
    """RETURNS (List[str]): The tokens, lower-cased, without those of whitespace."""
    # A vocabulary that belongs to no language knows no lower-cased forms.
    return [token.text.lower() for token in doc if not token.text.isspace()]


def find_ngrams(tokens: Sequence[str]) -> List[str]:
    """RETURNS (List[str]): The words, and the pairs of neighbours, joined by a space."""
    return [*tokens, *(f"{one} {two}" for one, two in pairwise(tokens))]
