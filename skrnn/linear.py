"""A linear model on marks, by Newton's method."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from scipy.sparse import csr_matrix
from scipy.sparse.linalg import LinearOperator, cg
from scipy.special import expit, log_expit

from skrnn.memory import give_back
from skrnn.native.marks import PackedMarks
from skrnn.threads import in_threads

# Of some texts; products are all that is asked of them.
Marks = csr_matrix | PackedMarks

# As good as converged: more precise weights scored texts held out no better.
_TOLERANCE = 1e-3

_MOST_STEPS = 50
_MOST_PRODUCTS_A_STEP = 1000

# A step that lowers the objective by so much of what its slope promises is taken.
_LEAST_DESCENT = 1e-4
_MOST_HALVINGS = 30


class Logistic:
    """The loss of the odds' logarithm, for a class or not: targets are 1 and 0."""

    # Early steps go towards a minimum that will move; precision would be lost.
    precision_of_a_step = 0.5

    @staticmethod
    def losses(scores, targets):
        """Give each text's loss."""
        return -log_expit((2 * targets - 1) * scores)

    @staticmethod
    def slopes(scores, targets):
        """Give their first and second derivatives in the scores."""
        odds = expit(scores)
        return odds - targets, odds * (1 - odds)


class Squared:
    """Half of the error's square, for values."""

    # The first step goes to the minimum.
    precision_of_a_step = 1e-4

    @staticmethod
    def losses(scores, targets):
        """Give each text's loss."""
        return (scores - targets) ** 2 / 2

    @staticmethod
    def slopes(scores, targets):
        """Give their first and second derivatives in the scores."""
        return scores - targets, np.ones_like(scores)


def with_texts(marks: list[Marks]) -> Iterator[tuple[Marks, slice]]:
    """Give each part of the marks, and which of all texts it has."""
    stop = 0
    for part in marks:
        start, stop = stop, stop + part.shape[0]
        yield part, slice(start, stop)


class Inputs:
    """Marks, each times its column's factor, in rows of norm 1, and a column of ones.

    They are never made: the factors go to the weights, which are fewer, and a text's
    norm to its score. So the marks serve all outputs, and take no more memory than
    where they stand. Numbers of texts, and sums over them, are of single precision, in
    which products are faster and take half the memory; the weights are of double.

    Parameters
    ----------
    marks : list of Marks, each of shape (n_texts_of_part, n_features)
        The texts' marks, in parts.

    factors : ndarray of shape (n_features,)
        One for each column.
    """

    def __init__(self, marks: list[Marks], factors: np.ndarray):
        self.factors = factors
        squares = factors.astype(np.float32) ** 2
        self._parts = list(with_texts(marks))
        self.shape = sum(part.shape[0] for part in marks), len(factors) + 1
        self._scales = np.empty(self.shape[0], np.float32)
        for norms, texts in self.each_part(lambda part, _: np.sqrt(part @ squares)):
            # A text without a known n-gram has norm 0.
            self._scales[texts] = 1 / np.where(norms > 0, norms, 1.0)

    def each_part(self, function: Callable):
        """Call a function with each part and its texts; give what it gives, and them.

        Several are called at a time, and what they give comes in the texts' order.
        """
        results = in_threads(lambda one: function(*one), self._parts)
        return zip(results, (texts for _, texts in self._parts), strict=True)

    def weighted(self, weights: np.ndarray) -> Callable:
        """What gives a part's texts the sums of their inputs by these weights."""
        of_marks = (self.factors * weights[:-1]).astype(np.float32)

        def scores(part, texts):
            return self._scales[texts] * (part @ of_marks) + np.float32(weights[-1])

        return scores

    def scores(self, weights: np.ndarray) -> np.ndarray:
        """Sum each text's inputs by these weights, float32 of shape (n_texts,)."""
        scores = np.empty(self.shape[0], np.float32)
        for of_part, texts in self.each_part(self.weighted(weights)):
            scores[texts] = of_part
        return scores

    def summed(self, function: Callable) -> np.ndarray:
        """Sum the inputs of texts, each times the number that a function gives for it.

        Parameters
        ----------
        function : callable
            Takes a part and its texts, and gives an array of shape (n_texts_of_part,).

        Returns
        -------
        ndarray of shape (n_features + 1,), float32
        """

        def of_part(part, texts):
            numbers = function(part, texts)
            of_marks = part.T @ (self._scales[texts] * numbers)
            return of_marks, numbers.sum(dtype=np.float64)

        sums = np.zeros(self.shape[1], np.float32)
        for (of_marks, of_ones), _ in self.each_part(of_part):
            sums[:-1] += of_marks
            sums[-1] += of_ones
        sums[:-1] *= self.factors
        return sums


def fit_linear(
    inputs: Inputs,
    targets: np.ndarray,
    sample_weight: np.ndarray,
    *,
    loss: type[Logistic] | type[Squared],
    strength: float,
    intercept: float,
    start: np.ndarray | None = None,
) -> np.ndarray:
    """Minimize half of the weights' squares and `strength` times the sum of losses.

    Each step of Newton's method solves for the weights by conjugate gradients only as
    precisely as it pays [1]_, and is halved until the objective falls.

    Parameters
    ----------
    inputs : Inputs of n_texts
        What the weights are for.

    targets : ndarray of shape (n_texts,)
        What the loss takes.

    sample_weight : ndarray of shape (n_texts,)
        The weight of each text's loss.

    loss : type
        `Logistic` or `Squared`.

    strength : float
        Scikit-learn's `C`, and ``1 / alpha`` of its `Ridge`.

    intercept : float
        What to begin with, and weights of 0.

    start : ndarray of shape (n_features + 1,), optional
        Weights to begin with instead. How close they are to the minimum is measured by
        the slope at `intercept` all the same.

    Returns
    -------
    ndarray of shape (n_features + 1,), float64
        The weights of the inputs. The last is the intercept, which is not among what is
        kept small.

    References
    ----------
    .. [1] Nocedal and Wright (2006). "Numerical optimization", 2nd edition,
       algorithm 7.1.
    """
    give_back()
    objective = _Objective(inputs, targets, sample_weight, loss, strength)
    flat = np.zeros(inputs.shape[1])
    flat[-1] = intercept
    objective.stand_at(flat)
    del flat
    tolerance = _TOLERANCE * np.linalg.norm(objective.gradient)
    if start is not None:
        objective.stand_at(start)
    for _ in range(_MOST_STEPS):
        # What threads let go of in products; it would add up.
        give_back()
        if np.linalg.norm(objective.gradient) <= tolerance:
            break
        # Where nothing is lower, what is left to gain is less than rounding.
        if not objective.descend(objective.newton_direction()):
            break
    return objective.weights


class _Objective:
    """What `fit_linear` minimizes, at the weights where it stands.

    Of the losses it takes the mean and not the sum, which no number of texts makes
    large, and of the squares their share of that.

    Parameters
    ----------
    inputs, targets, sample_weight, loss, strength
        Those of `fit_linear`.

    Attributes
    ----------
    weights : ndarray of shape (n_weights,), float64
        Where it stands.

    gradient : ndarray of shape (n_weights,), float32
        Its slopes there.
    """

    def __init__(self, inputs, targets, sample_weight, loss, strength):
        total = sample_weight.sum(dtype=np.float64)
        self._inputs = inputs
        self._loss = loss
        self._targets = targets.astype(np.float32, copy=False)
        self._sample_weight = sample_weight.astype(np.float32, copy=False)
        self._share = np.float32(1 / total)
        self._decay = 1 / (strength * total)

    def stand_at(self, weights: np.ndarray) -> None:
        """Begin at these weights."""
        self.weights = weights.astype(np.float64)
        self._scores = self._inputs.scores(self.weights)
        self._differentiate()

    def newton_direction(self) -> np.ndarray:
        """Tell where the minimum would be if the slopes changed as they do here."""
        curvatures = np.empty_like(self._scores)

        def curve(_, texts):
            _, second = self._slopes(texts)
            return self._importance(texts) * second

        for of_part, texts in self._inputs.each_part(curve):
            curvatures[texts] = of_part

        def product(direction):
            """How much the slopes change with a step in a direction."""
            weighted = self._inputs.weighted(direction)
            change = self._inputs.summed(
                lambda part, texts: curvatures[texts] * weighted(part, texts)
            )
            change[:-1] += np.float32(self._decay) * direction[:-1]
            return change

        n_weights = len(self.weights)
        direction, _ = cg(
            LinearOperator((n_weights, n_weights), matvec=product, dtype=np.float32),
            -self.gradient,
            rtol=self._loss.precision_of_a_step,
            maxiter=_MOST_PRODUCTS_A_STEP,
        )
        return direction

    def descend(self, direction: np.ndarray) -> bool:
        """Go there, or half as far until that is lower; tell whether it was found."""
        change = self._inputs.scores(direction)
        # Each step's squares follow from these, without arrays for it.
        here, there = self.weights[:-1], direction[:-1].astype(np.float64)
        squares = np.array([here @ here, 2 * (here @ there), there @ there])
        del there

        def value(step):
            def of_part(_, texts):
                moved = self._scores[texts] + np.float32(step) * change[texts]
                losses = self._loss.losses(moved, self._targets[texts])
                return (self._importance(texts) * losses).sum(dtype=np.float64)

            mean = sum(losses for losses, _ in self._inputs.each_part(of_part))
            kept_small = squares @ [1.0, step, step**2]
            return mean + self._decay * kept_small / 2

        slope, before = self.gradient @ direction, value(0.0)
        for step in 0.5 ** np.arange(_MOST_HALVINGS):
            if value(step) <= before + _LEAST_DESCENT * step * slope:
                self.weights += step * direction
                self._scores += np.float32(step) * change
                self._differentiate()
                return True
        return False

    def _differentiate(self) -> None:
        def slopes(_, texts):
            first, _ = self._slopes(texts)
            return self._importance(texts) * first

        self.gradient = self._inputs.summed(slopes)
        self.gradient[:-1] += self._decay * self.weights[:-1]

    def _slopes(self, texts: slice):
        return self._loss.slopes(self._scores[texts], self._targets[texts])

    def _importance(self, texts: slice) -> np.ndarray:
        """The share of each text in the mean."""
        return self._sample_weight[texts] * self._share
