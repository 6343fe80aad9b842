"""Train a model on sequences of vectors, without Docs: time series, speech, images."""

import math
import time
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, Dict, List, Optional, Sequence, Tuple, Union

import numpy
from thinc.api import Model, Optimizer, fix_random_seed, set_dropout_rate
from thinc.types import Floats2d, Ragged

from ..checks import check_rate, is_whole
from ..errors import Errors, number_error
from ..layers.freezing import is_frozen
from .fit_checks import check_model, initialize
from .gradients import output_gradient
from .history import History
from .losses import Loss, LossT, resolve_loss
from .optimizers import Adam
from .sequences import (
    Part,
    SequencesT,
    batches,
    count_known,
    like,
    make_batch,
    read_part,
    read_sequences,
    rows_of,
    unreadable,
)
from .steps import StepStats, finish_update

# The most rows that are computed at a time for a prediction, unless one sequence has more.
MAX_ROWS = 16384
# The largest seed that NumPy takes.
MAX_SEED = 2**32 - 1


@dataclass(frozen=True)
class Settings:
    """How `fit` trains.

    epochs (int): How often all sequences are learned from, at most.
    batch_size (int): How many sequences go into a step. Recommended: 8 to 128.
    patience (Optional[int]): The training ends when the loss on the dev part has had no new minimum
        for so many epochs; None to go on to the last one. Recommended: 5 to 20.
    dropout (Optional[float]): Is set as the dropout rate of all layers that have one; None leaves
        the rates that they were built with.
    seed (int): What is drawn depends on it: first weights, dropout, the order of the sequences.
        From 0 to 2**32 - 1.
    progress (bool): Whether a bar is shown where a training takes more than two seconds, on
        standard error, if that is a terminal.
    """

    epochs: int = 100
    batch_size: int = 32
    patience: Optional[int] = 10
    dropout: Optional[float] = None
    seed: int = 0
    progress: bool = True

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "patience"):
            value = getattr(self, name)
            if value is None and name == "patience":
                continue
            if not is_whole(value, 1):
                raise number_error(name, "a whole number, at least 1", value)
        if not is_whole(self.seed, 0) or self.seed > MAX_SEED:
            raise number_error("seed", f"a whole number from 0 to {MAX_SEED}", self.seed)
        if self.dropout is not None:
            check_rate("dropout", self.dropout)


def fit(
    model: Model[Any, Any],
    X: SequencesT,
    Y: Any,
    *,
    X_dev: Optional[SequencesT] = None,
    Y_dev: Any = None,
    loss: LossT = "cross_entropy",
    optimizer: Optional[Optimizer] = None,
    settings: Optional[Settings] = None,
) -> History:
    """Train a model on sequences.

    Each epoch goes through all sequences in batches of like length, in an order that is drawn anew.
    The gradients of a step are clipped as a whole by the optimizers of this package. With a dev
    part the model ends with the weights of the epoch that had the lowest loss on it; if the
    optimizer averages weights, those are averages.

    model (Model): From a list of arrays, or a Ragged, to a row for each sequence, (n_seqs, nO), or
        for each step: a list of arrays (n_steps, nO), or a Ragged. Is initialized, with a sample of
        the data, if a layer has no weights yet; and changed in place.
    X (Union[List[Floats2d], Floats3d, Ragged]): The sequences: a list of arrays (n_steps, nI), an
        array (n_seqs, n_steps, nI), or a Ragged.
    Y (Union[ArrayXd, List[ArrayXd], Ragged]): The answers. One for each sequence: an array
        (n_seqs,) or (n_seqs, width). One for each step: a list of arrays (n_steps,) or (n_steps,
        width), or a Ragged. Integers from 0 are classes; numbers are values, and NaN is one that is
        not known.
    X_dev, Y_dev: A part to watch, of the same form. Don't give the test part.
    loss (Union[str, Callable]): "cross_entropy" of classes; "mse" or "quantile" of values (the
        quantiles 0.1, 0.5 and 0.9; see `quantile_loss` for others); or a function of guesses
        (n_rows, nO) and truths that returns their gradient and loss, such as Thinc's losses.
    optimizer (Optional[Optimizer]): One of this package, or another one of Thinc's. By default
        `Adam()`, with a learn rate of 0.001 and gradients clipped to the norm 1.
    settings (Optional[Settings]): Epochs, batch size, patience, dropout, seed; by default
        `Settings()`.
    RETURNS (History): Losses by epoch, and the best epoch.
    RAISES (ValueError): E160 to E165 for data that do not fit, E166 and E169 for a model that does
        not fit them, E176 for one in which nothing can learn, E167 if the training breaks down,
        E011 for settings and the optimizer.
    """
    settings = Settings() if settings is None else settings
    if not isinstance(settings, Settings):
        raise number_error("settings", "Settings(...), or None", settings)
    if optimizer is not None and not isinstance(optimizer, Optimizer):
        raise number_error("optimizer", "an optimizer such as Adam(0.001), or None", optimizer)
    criterion = resolve_loss(loss)
    train = read_part(("X", "Y"), X, Y, criterion)
    dev = None
    if X_dev is not None or Y_dev is not None:
        dev = read_part(("X_dev", "Y_dev"), [] if X_dev is None else X_dev, Y_dev, criterion)
    fix_random_seed(settings.seed)
    initialize(model, train, dev, criterion)
    if dev is not None and dev.X[0].shape[1] != train.X[0].shape[1]:
        found = f"of width {dev.X[0].shape[1]}, where X[0] has {train.X[0].shape[1]}"
        raise unreadable("X_dev", "X_dev[0]", found)
    for name, part in (("X", train), ("X_dev", dev)):
        if part is not None:
            check_model(model, name, part, criterion)
    if is_frozen(model):
        raise ValueError(Errors.E176)
    if settings.dropout is not None:
        set_dropout_rate(model, settings.dropout)
    training = _Training(model, train, dev, criterion, optimizer or Adam(), settings)
    return training.run()


def predict(model: Model[Any, Any], X: SequencesT, batch_size: int = 128) -> Any:
    """Apply a model to sequences, in batches of like length.

    What is needed beside sequences and answers does not grow with their number.

    model (Model): As for `fit`.
    X (Union[List[Floats2d], Floats3d, Ragged]): As for `fit`.
    batch_size (int): How many sequences are computed at a time, at most.
    RETURNS (Union[Floats2d, List[Floats2d], Ragged]): In the order of X: (n_seqs, nO) if the model
        gives a row for each sequence. If it gives one for each step, a list of arrays (n_steps,
        nO), or a Ragged if X is one.
    RAISES (ValueError): E005, E160 or E162 for what are no sequences, E011 for the batch size.
    """
    if not is_whole(batch_size, 1):
        raise number_error("batch_size", "a whole number of sequences, at least 1", batch_size)
    sequences = read_sequences("X", X)
    is_ragged = isinstance(X, Ragged)
    if not sequences:
        # An array has a shape, which a model would take for that of rows.
        return model.predict(X if is_ragged else [])
    found: List[Any] = [None] * len(sequences)
    per_step = False
    for numbers in _by_length([len(x) for x in sequences], batch_size):
        batch = [sequences[i] for i in numbers]
        Y = model.predict(make_batch(model.ops, batch, is_ragged))
        per_step = isinstance(Y, (list, tuple, Ragged))
        ends = numpy.cumsum([len(x) if per_step else 1 for x in batch])[:-1]
        for i, rows in zip(numbers, model.ops.xp.split(rows_of(model.ops, Y), ends.tolist())):
            # A copy, as a view would keep the whole batch.
            found[i] = rows.copy()
    if per_step and not is_ragged:
        return found
    rows = model.ops.xp.concatenate(found)
    if not per_step:
        return rows
    return Ragged(rows, model.ops.asarray1i([len(x) for x in sequences]))


def _by_length(lengths: Sequence[int], batch_size: int) -> List[List[int]]:
    """RETURNS (List[List[int]]): Numbers of sequences, the shortest first."""
    found: List[List[int]] = []
    n_rows = 0
    for i in sorted(range(len(lengths)), key=lambda i: lengths[i]):
        if not found or len(found[-1]) == batch_size or n_rows + lengths[i] > MAX_ROWS:
            found.append([])
            n_rows = 0
        found[-1].append(i)
        n_rows += lengths[i]
    return found


class _Training:
    """The loop of `fit`."""

    def __init__(
        self,
        model: Model[Any, Any],
        train: Part,
        dev: Optional[Part],
        loss: Loss,
        optimizer: Optimizer,
        settings: Settings,
    ) -> None:
        self.model, self.train, self.dev = model, train, dev
        self.loss, self.optimizer, self.settings = loss, optimizer, settings
        self.history, self.stats = History(), StepStats()
        self.rng = numpy.random.RandomState(settings.seed)
        self.best: Dict[Tuple[int, str], Any] = {}
        self.best_shims: List[bytes] = []

    def run(self) -> History:
        from tqdm import tqdm

        forget = getattr(self.optimizer, "forget_evaluations", None)
        if forget is not None:
            forget()  # losses of another training that it was used for
        history, start = self.history, time.perf_counter()
        epochs = range(1, self.settings.epochs + 1)
        disable = None if self.settings.progress else True
        bar = tqdm(epochs, "Training", unit=" epochs", delay=2.0, disable=disable, leave=False)
        try:
            with bar:
                for epoch in bar:
                    history.losses.append(self.learn(epoch))
                    if self.dev is None:
                        history.best_epoch = epoch
                        bar.set_postfix(loss=f"{history.losses[-1]:.4g}")
                    elif self.watch(epoch):
                        break
                    else:
                        bar.set_postfix(dev_loss=f"{history.dev_losses[-1]:.4g}")
            if self.dev is None:
                with self.averages():
                    self.keep()
        finally:
            # Also after an interruption: the best weights so far are not lost.
            self.restore()
        history.n_steps, history.n_skipped = self.stats.n_steps, self.stats.n_skipped
        history.seconds = time.perf_counter() - start
        return history

    def learn(self, epoch: int) -> float:
        """RETURNS (float): The mean loss of an epoch, over the values that are known."""
        model, train, ops = self.model, self.train, self.model.ops
        total, n_known, n_steps = 0.0, 0, 0
        for numbers in batches(train.lengths, self.settings.batch_size, self.rng):
            answers = train.answers(numbers)
            weight = count_known(answers)
            if not weight:
                continue
            X = make_batch(ops, [train.X[i] for i in numbers], train.is_ragged)
            output, backprop = model.begin_update(X)
            guesses = rows_of(ops, output)
            gradient, loss = self.loss(guesses, ops.asarray(answers))
            if self.loss.of_classes:
                gradient = output_gradient(model, gradient, guesses)
            backprop(like(ops, output, gradient))
            n_steps += finish_update(model, self.optimizer, self.stats)
            self.optimizer.step_schedules()
            total += loss * weight
            n_known += weight
        loss = total / max(1, n_known)
        if not n_steps:
            largest = max(float(abs(x).max()) for x in train.X if x.size)
            rate = getattr(self.optimizer, "learn_rate", math.nan)
            raise ValueError(Errors.E167.format(epoch=epoch, loss=loss, rate=rate, largest=largest))
        return loss

    def watch(self, epoch: int) -> bool:
        """Look at the dev part, and keep the weights if they are the best so far.

        RETURNS (bool): Whether the training is to end.
        """
        assert self.dev is not None
        history = self.history
        with self.averages():
            guesses, loss = self.evaluate(self.dev)
            if not history.dev_losses or loss < min(history.dev_losses):
                self.keep()
                history.best_epoch = epoch
        history.dev_losses.append(loss)
        if self.loss.of_classes:
            history.dev_accuracies.append(accuracy(guesses, self.dev.Y))
        self.stats.observe(loss)
        patience = self.settings.patience
        return patience is not None and epoch - history.best_epoch >= patience

    def evaluate(self, part: Part) -> Tuple[Floats2d, float]:
        """RETURNS (Tuple[Floats2d, float]): What the model gives, in rows, and its loss; infinite
        if that is no number."""
        X: Any = make_batch(self.model.ops, part.X, part.is_ragged)
        guesses = rows_of(self.model.ops, predict(self.model, X))
        loss = self.loss(guesses, self.model.ops.asarray(part.Y))[1]
        return guesses, loss if math.isfinite(loss) else math.inf

    def averages(self) -> AbstractContextManager:
        """RETURNS (ContextManager): Within it the model has averaged weights, if there are any."""
        averages = self.optimizer.averages
        return self.model.use_params(averages) if averages else nullcontext()

    def keep(self) -> None:
        """Remember the weights that the model has."""
        for node in self.model.walk():
            for name in node.param_names:
                if node.has_param(name):
                    self.best[node.id, name] = node.get_param(name).copy()
        self.best_shims = [shim.to_bytes() for node in self.model.walk() for shim in node.shims]

    def restore(self) -> None:
        """Give the model the weights that were remembered."""
        for node in self.model.walk():
            for name in node.param_names:
                if (node.id, name) in self.best:
                    node.set_param(name, self.best[node.id, name])
        shims = [shim for node in self.model.walk() for shim in node.shims]
        for shim, data in zip(shims, self.best_shims):
            shim.from_bytes(data)


def accuracy(guesses: Floats2d, truths: Union[Any, Floats2d]) -> float:
    """
    guesses (Floats2d): (n_rows, n_classes) Probabilities, or other scores.
    truths (Union[Ints1d, Floats2d]): (n_rows,) classes, or (n_rows, n_classes).
    RETURNS (float): The share of the rows whose class has the highest score.
    """
    classes = truths if truths.ndim == 1 else truths.argmax(axis=1)
    return float((guesses.argmax(axis=1) == classes).mean())
