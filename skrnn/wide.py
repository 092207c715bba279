"""The wide part: a linear model on n-grams, and what it counts beside the network."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.optimize import minimize
from scipy.special import log_softmax, softmax

from skrnn.linear import Inputs, Logistic, Marks, Squared, fit_linear, with_texts
from skrnn.memory import give_back
from skrnn.ngrams import LEAST_TEXTS, NGrams
from skrnn.sequences import Sequences
from skrnn.threads import one_blas_thread

# Inverse regularization of the classes and of the values. Rows of norm 1 make one
# number serve 1,000 texts as well as 20,000: docs/trials.md has the trials.
_C_OF_CLASSES = 10.0
_C_OF_VALUES = 1.0

# Weights of all outputs, for each length of n-grams 64 MiB at most with their ratios,
# and 96 during a fit.
_MOST_WEIGHTS = 2**23

# For each length of n-grams: with more, texts of other films were scored no better
# (docs/trials.md).
_MOST_FEATURES = 2**17


class WidePart:
    """A linear model on the n-grams a text holds.

    N-grams are scaled by their log-count ratios [1]_ and rows to norm 1; logistic
    regression for classes, one class against all others, and ridge regression for
    values go on from there. For values, counts are those of the parts above and
    below the mean: ratios of classes are the special case of values 1 and -1.

    Parameters
    ----------
    n_ids : int
        Number of ids, the reserved ones included.

    max_n : int
        The most ids of an n-gram.

    of_classes : bool
        Whether targets are 0 and 1 for each class, or standardized values.

    References
    ----------
    .. [1] Wang and Manning (2012). "Baselines and bigrams: simple, good sentiment
       and topic classification". ACL.
    """

    def __init__(self, n_ids: int, *, max_n: int, of_classes: bool):
        self.n_ids = n_ids
        self.max_n = max_n
        self.of_classes = of_classes

    def __repr__(self) -> str:
        return (
            f"WidePart(n_ids={self.n_ids}, max_n={self.max_n}, "
            f"of_classes={self.of_classes})"
        )

    def fit(
        self,
        sequences: Sequences,
        targets: np.ndarray,
        sample_weight: np.ndarray,
        *,
        train: np.ndarray,
        held_out: np.ndarray,
    ) -> np.ndarray:
        """Learn from all texts; score those held out without having seen them.

        Parameters
        ----------
        sequences : Sequences of n_texts
            The texts.

        targets : ndarray of shape (n_texts, n_outputs)
            0 and 1 for each class, or standardized values.

        sample_weight : ndarray of shape (n_texts,)
            The weight of each text.

        train, held_out : ndarray of int
            The texts to learn from, and those to score, for a first model. A
            second one learns from both, and is kept.

        Returns
        -------
        ndarray of shape (n_held_out, n_outputs), float64
            Scores of the texts held out.
        """
        # In double precision these would take more memory for a million short texts
        # than all weights do.
        sample_weight = sample_weight.astype(np.float32, copy=False)
        n_outputs = targets.shape[1]
        most = min(_MOST_FEATURES, _MOST_WEIGHTS // n_outputs)
        self._ngrams = NGrams(self.n_ids, max_n=self.max_n, max_features=most)
        self._ngrams.fit(sequences)
        give_back()
        marks = self._ngrams.packed(sequences)
        give_back()
        scores = np.empty((len(held_out), n_outputs))
        learned = [None] * n_outputs
        if len(held_out):
            # Texts without weight are left out, as they are here without a copy.
            weight = _only(train, sample_weight)
            self._learn(marks, targets, weight, learned, scored=(held_out, scores))
            del weight
        self._learn(marks, targets, sample_weight, learned)
        return scores

    def scores(self, sequences: Sequences) -> np.ndarray:
        """Scores of texts: log odds of the classes, or standardized values.

        Parameters
        ----------
        sequences : Sequences of n_texts
            The texts.

        Returns
        -------
        ndarray of shape (n_texts, n_outputs), float64
        """
        marks = self._ngrams.transform(sequences)
        norms = np.sqrt(np.concatenate([part @ self._squares for part in marks]))
        sums = np.concatenate([part @ self._weights for part in marks])
        # A text without a known n-gram has sum 0 and norm 0.
        return sums / np.where(norms > 0, norms, 1.0) + self._intercepts

    def shares(self, sequence: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """What each token adds to a text's scores.

        An n-gram's part of the score is shared out equally among the places where
        it stands, and there among its tokens.

        Parameters
        ----------
        sequence : ndarray of shape (n_tokens,)
            The text's ids.

        Returns
        -------
        shares : ndarray of shape (n_tokens, n_outputs), float64
            They sum to the text's scores less the intercepts.

        intercepts : ndarray of shape (n_outputs,), float64
            The scores of a text without any n-gram.
        """
        found = self._ngrams.find(Sequences.from_lengths(sequence, [len(sequence)]))
        held, n_places = np.unique(
            np.concatenate([features for _, features in found]), return_counts=True
        )
        norms = np.sqrt(self._squares[held].sum(axis=0, dtype=np.float64))
        parts = self._weights[held] / np.where(norms > 0, norms, 1.0)
        parts /= n_places[:, None]
        shares = np.zeros((len(sequence), len(self._intercepts)))
        for n, (places, features) in enumerate(found, start=1):
            of_ngram = parts[np.searchsorted(held, features)] / n
            for i in range(n):
                np.add.at(shares, places + i, of_ngram)
        return shares, self._intercepts

    def _learn(self, marks, targets, sample_weight, learned: list, scored=None) -> None:
        """Learn from the texts that have weight.

        From what `learned` has for each column, or from the beginning where that is
        None; what was learned is left there. `scored` are texts, and an array for
        their scores.
        """
        shape = marks[0].shape[1], targets.shape[1]
        self._weights, self._squares = (np.empty(shape, np.float32) for _ in range(2))
        self._intercepts = np.empty(shape[1])
        for i, target in enumerate(targets.T):
            target = target.astype(np.float32, copy=False)
            ratios = self._ratios(marks, target, sample_weight)
            inputs = Inputs(marks, ratios)
            weights = self._learn_one(inputs, target, sample_weight, start=learned[i])
            if scored is not None:
                texts, scores = scored
                scores[:, i] = inputs.scores(weights)[texts]
            self._weights[:, i] = weights[:-1] * ratios
            self._squares[:, i] = ratios**2
            self._intercepts[i] = weights[-1]
            learned[i] = weights.astype(np.float32)

    def _ratios(self, marks, target, sample_weight) -> np.ndarray:
        """What scales the marks: zeros where nothing tells texts apart."""
        ratios = _log_count_ratios(
            marks, lambda texts: self._signed(target[texts]), sample_weight
        )
        if ratios.any() and not np.ptp(target[sample_weight > 0]):
            return np.zeros_like(ratios)
        return ratios

    def _learn_one(self, inputs, target, sample_weight, *, start) -> np.ndarray:
        """The weights of the inputs, and the intercept."""
        constant = self._constant(target, sample_weight)
        if not inputs.factors.any():
            return np.append(np.zeros(len(inputs.factors)), constant)
        with one_blas_thread():
            return fit_linear(
                inputs,
                target,
                sample_weight,
                loss=Logistic if self.of_classes else Squared,
                strength=_C_OF_CLASSES if self.of_classes else _C_OF_VALUES,
                intercept=constant,
                start=start,
            )

    def _signed(self, target) -> np.ndarray:
        """Classes as 1 and -1, values as they are."""
        return 2 * target - 1 if self.of_classes else target

    def _constant(self, target, sample_weight) -> float:
        """What to score where there is nothing to tell texts apart by."""
        total = sample_weight.sum(dtype=np.float64)
        # Without an array of products, which of very many texts takes memory.
        sum_ = np.einsum("i,i", sample_weight, target, dtype=np.float64)
        mean = sum_ / total if total else 0.0
        if not self.of_classes:
            return mean
        n_texts = np.count_nonzero(sample_weight)
        # One text more of either class keeps the odds finite.
        share = (mean * n_texts + 1) / (n_texts + 2)
        return np.log(share / (1 - share))


class Blend:
    """How much the network's scores and the wide part's count in their sum.

    Two factors, the ones under which the texts held out are likeliest, so that the
    sums are calibrated. They are held near what was right for other texts, which
    decides where few are held out.

    Parameters
    ----------
    activation : {"sigmoid", "softmax", "linear"}
        What turns scores into probabilities; with "linear" scores are values.

    Attributes
    ----------
    factors_ : ndarray of shape (2,), float64
        Factor of the network's scores, and of the wide part's.
    """

    _USUAL = np.array([0.15, 1.2])

    def __init__(self, activation: str):
        self.activation = activation

    def __repr__(self) -> str:
        return f"Blend({self.activation!r})"

    def fit(self, network, wide, targets, sample_weight) -> Blend:
        """Find the factors.

        Parameters
        ----------
        network, wide : ndarray of shape (n_held_out, n_outputs)
            Scores of texts that neither part has learned from.

        targets : ndarray of shape (n_held_out, n_outputs)
            0 and 1 for each class, or standardized values.

        sample_weight : ndarray of shape (n_held_out,)
            The weight of each text.
        """
        usual = np.log(self._USUAL)

        def surprise(logarithms):
            factors = np.exp(logarithms)
            scores = factors[0] * network + factors[1] * wide
            losses, slopes = self._losses(scores, targets)
            distance = logarithms - usual
            slopes = slopes * sample_weight[:, None]
            gradient = [np.sum(slopes * network), np.sum(slopes * wide)] * factors
            value = sample_weight @ losses + distance @ distance / 2
            return value, gradient + distance

        def loss(factors):
            scores = factors[0] * network + factors[1] * wide
            return sample_weight @ self._losses(scores, targets)[0]

        # A network that training led astray may score more than can be squared.
        with one_blas_thread(), np.errstate(over="ignore", invalid="ignore"):
            self.factors_ = np.exp(minimize(surprise, usual, jac=True).x)
            without_network = np.array([0.0, self._USUAL[1]])
            if not loss(self.factors_) <= 2 * loss(without_network):
                self.factors_ = without_network
        return self

    def _losses(self, scores, targets):
        """Loss of each text, and its slopes in the scores."""
        if self.activation == "softmax":
            losses = -(targets * log_softmax(scores, axis=1)).sum(axis=1)
            return losses, softmax(scores, axis=1) - targets
        loss = Squared if self.activation == "linear" else Logistic
        losses, (slopes, _) = loss.losses(scores, targets), loss.slopes(scores, targets)
        return losses.sum(axis=1), slopes

    def scores(self, network, wide) -> np.ndarray:
        """Add the two up, each by its factor.

        Parameters
        ----------
        network, wide : ndarray of shape (n_texts, n_outputs)
            Scores of the two parts.

        Returns
        -------
        ndarray of shape (n_texts, n_outputs), float32
        """
        factors = self.factors_
        return (factors[0] * network + factors[1] * wide).astype(np.float32)


def _log_count_ratios(
    marks: list[Marks], signed: Callable, sample_weight: np.ndarray
) -> np.ndarray:
    """How much more often each n-gram stands above than below, as a logarithm.

    `signed` tells how far above some texts are, or below. 0 where too few texts of any
    weight hold one: what only texts held out have besides must be as unknown as the
    n-grams of new texts are.
    """
    known = _count(marks, lambda texts: sample_weight[texts] > 0) >= LEAST_TEXTS

    def counts(sign):
        def beyond(texts):
            return np.maximum(sign * signed(texts), 0) * sample_weight[texts]

        return 1.0 + _count(marks, beyond)[known]

    above, below = counts(1), counts(-1)
    ratios = np.zeros(len(known), np.float32)
    ratios[known] = np.log(above / above.sum()) - np.log(below / below.sum())
    return ratios


def _count(marks: list[Marks], weight: Callable) -> np.ndarray:
    """The sum of what `weight` gives for each n-gram's texts, some at a time."""
    counts = np.zeros(marks[0].shape[1])
    for part, texts in with_texts(marks):
        counts += part.T @ weight(texts).astype(np.float32)
    return counts


def _only(texts: np.ndarray, sample_weight: np.ndarray) -> np.ndarray:
    """The weights of these texts; others have none."""
    weight = np.zeros_like(sample_weight)
    weight[texts] = sample_weight[texts]
    return weight
