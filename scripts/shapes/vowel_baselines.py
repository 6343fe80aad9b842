"""What `vowels.py` compares with: classifiers of series that do not learn to read them."""

from typing import Any, List, Tuple

import numpy
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV

# (n_frames, 12) for each utterance, and the speakers.
DataT = Tuple[List[Any], Any]


def nearest_neighbour(train: DataT, test: DataT) -> float:
    """RETURNS (float): The accuracy of the nearest training utterance, by dynamic time warping."""
    lengths = numpy.asarray([len(x) for x in train[0]])
    padded = numpy.zeros((len(lengths), lengths.max(), train[0][0].shape[1]))
    for i, x in enumerate(train[0]):
        padded[i, : len(x)] = x
    hits = 0
    for x, speaker in zip(*test):
        # cost[:, j]: of the cheapest path so far that ends at frame j of each training utterance
        cost = numpy.full((len(lengths), lengths.max() + 1), numpy.inf)
        cost[:, 0] = 0.0
        for frame in x:
            distances = ((padded - frame) ** 2).sum(axis=2)
            before, cost = cost, numpy.full_like(cost, numpy.inf)
            for j in range(lengths.max()):
                cheapest = numpy.minimum(numpy.minimum(before[:, j], before[:, j + 1]), cost[:, j])
                cost[:, j + 1] = distances[:, j] + cheapest
        hits += train[1][cost[range(len(lengths)), lengths].argmin()] == speaker
    return hits / len(test[0])


def logistic_regression(train: DataT, test: DataT) -> float:
    """RETURNS (float): The accuracy of a model of the mean frames; how regular it is was found by
    cross-validation of train."""
    X, X_test = (numpy.stack([x.mean(axis=0) for x in part]) for part in (train[0], test[0]))
    model = GridSearchCV(LogisticRegression(max_iter=5000), {"C": [0.1, 1.0, 10.0, 100.0, 1000.0]})
    return float(model.fit(X, train[1]).score(X_test, test[1]))
