"""A batch that is given to an engine itself, with all that goes in and comes out."""

from spacy_rnn.layers.engines.base import Direction
from spacy_rnn.layers.packing import Packing


class Case:
    """A batch for a cell.

    reverse (List[bool]): The directions.
    nO (int): With 70 channels, two sequences are more than one block of threads of a GPU.
    """

    def __init__(self, cell, rng, lengths, reverse, window=1, dtype="float32", nO=70, nI=3):
        def draw(*shape):
            return rng.standard_normal(shape).astype(dtype)

        self.cell, self.lengths, self.reverse = cell, lengths, reverse
        self.widths = dict.fromkeys(cell.states, nO)
        if window > 1:
            self.widths["x"] = (window - 1) * nI
        n_seqs = len(lengths)
        self.X, self.dY = draw(sum(lengths), nI), draw(sum(lengths), len(reverse) * nO)
        n = cell.n_gates * nO
        shapes = {"Wx": (n, window * nI), "Wh": (n, nO), "b": (n,), "bh": (nO,)}
        self.weights = [{name: draw(*shapes[name]) for name in cell.params} for _ in reverse]
        self.states, self.d_finals = (
            [{key: draw(n_seqs, n) for key, n in self.widths.items()} for _ in reverse]
            for _ in range(2)
        )

    def start(self, engine, convert, is_train):
        """RETURNS (ResultT): What the engine's forward gives."""
        directions = [
            Direction(converted(weights, convert), converted(state, convert), None, turn)
            for weights, state, turn in zip(self.weights, self.states, self.reverse)
        ]
        X = convert(self.X.copy())
        return engine.forward(self.cell, X, Packing(self.lengths), directions, is_train)

    def compute(self, engine, convert, is_train=True, keys=()):
        """RETURNS (Dict[str, FloatsXd]): All that comes out.

        keys (Container[str]): Of which of the final states gradients are given.
        """
        Y, finals, backward = self.start(engine, convert, is_train)
        found = {"Y": Y.copy(), **named("final", finals)}
        if is_train:
            Y *= 2.0  # as dropout may: the way back is not to read it
            d_finals = [
                converted({key: d[key] for key in keys if key in d}, convert) or None
                for d in self.d_finals
            ]
            dX, grads, d_states = backward(convert(self.dY.copy()), d_finals)
            found.update({"dX": dX, **named("grad", grads), **named("d_state", d_states)})
        return found


def converted(values, convert):
    return {key: convert(value.copy()) for key, value in values.items()}


def named(what, of_directions):
    return {
        f"{what} {d} {key}": value
        for d, values in enumerate(of_directions)
        for key, value in values.items()
    }


def to_numpy(array):
    return array
