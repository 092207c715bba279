"""What each token of a text did to the estimator's answer."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Integral

import numpy as np
from sklearn.base import is_classifier
from sklearn.utils._param_validation import StrOptions, validate_params

from skrnn.base import TextEstimator
from skrnn.inspection._checks import check_estimator
from skrnn.inspection.explanation import Explanation
from skrnn.sequences import Sequences, kept_by_cut
from skrnn.warned import warn_user

# The beginnings of a text are scored so many tokens at a time, twice that at most.
_TOKENS_A_CHUNK = 2**20

# Integrated gradients: points of the path, doubled from the first until the scores
# add up this nearly, relative to the network's score where that is above 1.
_FEWEST_POINTS = 16
_MOST_POINTS = 1024
_TOLERANCE = 0.01


@dataclass(frozen=True)
class _Answer:
    """The one number that is explained: a class's score, or a value.

    It is ``factor * scores[:, column] + constant`` of an estimator's scores.
    """

    target: object
    column: int
    factor: float
    constant: float

    def __call__(self, scores: np.ndarray) -> np.ndarray:
        return self.factor * scores[:, self.column].astype(np.float64) + self.constant


@validate_params(
    {"method": [StrOptions({"reading", "integrated_gradients"})]},
    prefer_skip_nested_validation=True,
)
def explain(
    estimator, text: str, *, target=None, method: str = "reading"
) -> Explanation:
    """Share an answer out among the tokens of a text.

    ``"reading"`` scores every beginning of the text: a token's score is by how much
    it changed the decision score when it was read. It tells how the answer came
    about, and depends on the order: what is said twice counts where it is said
    first, and a "not" counts only where the next token has been read. The text is
    scored once per token, so the time grows with the square of its length. Beyond
    `max_length` tokens each beginning is cut as `truncate` says, so a token's score
    includes the loss of the token that it displaced.

    ``"integrated_gradients"`` [1]_ adds up the slopes of the decision score on a
    straight path from a text whose tokens all have the zero vector to the text as it
    is, so all tokens are treated alike wherever they stand. The wide part is linear
    in its n-grams: what an n-gram adds is shared out equally among its tokens. Tokens
    that the network does not read, beyond `max_length`, have only that. The zero text
    is unlike any that was ever seen, and slopes say nothing of what would happen
    if a token were replaced by another.

    With more than two classes a token may raise the scores of all of them at once;
    `Explanation.running` has the probability.

    Neither shows causes in the world, only what this estimator made of this text.

    Parameters
    ----------
    estimator : RNNTextClassifier or RNNTextRegressor
        Fitted.

    text : str
        The text to explain.

    target : label or int, default=None
        The class whose decision score is explained; for a multilabel indicator and
        for several values, the number of the column. None takes ``classes_[1]`` of
        two classes, the likeliest of more classes or of an indicator's columns, and
        the first of several values.

    method : {"reading", "integrated_gradients"}, default="reading"
        How the answer is shared out.

    Returns
    -------
    Explanation
        Its `base_value` and `scores` sum to the decision score, or for a regressor
        to the predicted value: with ``"reading"`` to 1e-5 of the decision score, and
        with ``"integrated_gradients"`` the network's part of it within 1 % of the
        network's score, or within 0.01 where that is below 1.

    Raises
    ------
    ValueError
        If `target` is neither a class nor a column's number, or a parameter is not
        valid.

    TypeError
        If `estimator` is not one of skrnn's, or `text` is not a `str`.

    NotFittedError
        If the estimator has not been fitted.

    MemoryError
        If a batch does not fit in memory; the message says what to lower.

    RuntimeError
        In a process forked after TensorFlow was used; by reading only where the
        compiled kernel does not answer.

    Warns
    -----
    UserWarning
        If the sum of integrated gradients is further off.

    References
    ----------
    .. [1] Sundararajan, Taly and Yan (2017). "Axiomatic attribution for deep
       networks". ICML.

    Examples
    --------
    >>> from skrnn import RNNTextClassifier
    >>> from skrnn.inspection import explain
    >>> texts = ["a fine film", "a dull film", "fine, fine!", "so dull"] * 8
    >>> labels = ["good", "bad", "good", "bad"] * 8
    >>> classifier = RNNTextClassifier(epochs=10, batch_size=4, random_state=0)
    >>> explanation = explain(classifier.fit(texts, labels), "A fine story")
    >>> print(explanation.target, explanation.tokens)
    good ['a', 'fine', 'story']
    >>> int(explanation.scores.argmax())
    1
    """
    estimator = check_estimator(estimator)
    if not isinstance(text, str):
        raise TypeError(f"Expected one text, a str, got {type(text).__name__}.")
    tokenizer = estimator.tokenizer_
    tokens = tokenizer.build_analyzer()(text)
    sequences = tokenizer.transform([text])
    scores_of_text = estimator._scores_of_sequences(sequences)
    answer = _choose(estimator, scores_of_text[0], target)
    (prediction,), of_prediction = _predictions(estimator, scores_of_text, answer)
    running = None
    if method == "reading":
        of_beginnings = _score_beginnings(estimator, sequences[0])
        decision_scores = answer(of_beginnings)
        base_value, scores = decision_scores[0], np.diff(decision_scores)
        running, _ = _predictions(estimator, of_beginnings, answer)
    elif tokens:
        base_value, scores = _integrate(estimator, sequences[0], answer)
    else:
        base_value, scores = answer(scores_of_text)[0], np.empty(0)
    return Explanation(
        text=text,
        tokens=tokens,
        scores=scores,
        base_value=float(base_value),
        decision_score=float(answer(scores_of_text)[0]),
        target=answer.target,
        method=method,
        prediction=float(prediction),
        of_prediction=of_prediction,
        running=running,
    )


def _choose(estimator: TextEstimator, scores: np.ndarray, target) -> _Answer:
    encoder = estimator._target_encoder
    if not is_classifier(estimator):
        target = _check_column(target, len(scores), default=0)
        named = target if encoder.ndim_ > 1 else None
        return _Answer(named, target, encoder.scale_[target], encoder.mean_[target])
    if encoder.kind_ == "multilabel":
        target = _check_column(target, len(scores), default=int(scores.argmax()))
        return _Answer(target, target, 1.0, 0.0)
    classes = estimator.classes_
    if target is None:
        number = 1 if encoder.kind_ == "binary" else int(scores.argmax())
    else:
        numbers = []
        if np.ndim(target) == 0:
            (numbers,) = np.nonzero([one == target for one in classes])
        if not len(numbers):
            raise ValueError(f"target={target!r} is none of the classes: {classes}.")
        number = int(numbers[0])
    label = classes[number]
    if encoder.kind_ == "binary":
        return _Answer(label, 0, 1.0 if number else -1.0, 0.0)
    return _Answer(label, number, 1.0, 0.0)


def _check_column(target, n_columns: int, default: int) -> int:
    if target is None:
        return default
    if not isinstance(target, Integral) or not 0 <= target < n_columns:
        raise ValueError(
            f"target={target!r} is no column: they are numbered from 0 to "
            f"{n_columns - 1}."
        )
    return int(target)


def _predictions(estimator, scores, answer: _Answer) -> tuple[np.ndarray, str]:
    """The answer in the units of a prediction, and what these are."""
    if not is_classifier(estimator):
        return answer(scores), "predicted value"
    if not hasattr(estimator, "predict_proba"):
        return answer(scores), "decision score"
    probabilities = estimator._target_encoder.probabilities(scores)
    column = np.flatnonzero(estimator.classes_ == answer.target)[0]
    return probabilities[:, column], "probability"


def _score_beginnings(estimator, sequence: np.ndarray) -> np.ndarray:
    """Scores of the text's beginnings, shape (n_tokens + 1, n_outputs)."""
    lengths = np.arange(len(sequence) + 1)
    n_chunks = -(-lengths.sum() // _TOKENS_A_CHUNK)
    parts = []
    for some in np.array_split(lengths, max(n_chunks, 1)):
        ids = np.concatenate([sequence[:length] for length in some])
        beginnings = Sequences.from_lengths(ids, some)
        parts.append(estimator._scores_of_sequences(beginnings))
    return np.concatenate(parts)


def _integrate(estimator, sequence, answer: _Answer) -> tuple[float, np.ndarray]:
    n_tokens = len(sequence)
    max_length, truncate = estimator._cut_to
    read = np.ones(n_tokens, bool)
    if max_length is not None:
        read = kept_by_cut(np.array([n_tokens]), max_length, truncate)
    scores = np.zeros(n_tokens)
    base_value, scores[read] = _integrate_network(
        estimator.model_, sequence[read], answer.column
    )
    if estimator.wide_ is not None:
        of_network, of_wide = estimator.blend_.factors_
        shares, intercepts = estimator.wide_.shares(sequence)
        scores = of_network * scores + of_wide * shares[:, answer.column]
        base_value = of_network * base_value + of_wide * intercepts[answer.column]
    return answer.factor * base_value + answer.constant, answer.factor * scores


def _integrate_network(model, sequence, output: int) -> tuple[float, np.ndarray]:
    """Score of the zero text, and integrated gradients of the tokens."""
    vectors = model.encoder.embedding.vectors[sequence]

    def on_path(points):
        path = points.astype(vectors.dtype)[:, None, None] * vectors
        return model.differentiate(path, output)

    (start, end), _ = on_path(np.array([0.0, 1.0]))
    most_off = _TOLERANCE * max(1.0, abs(end))
    n_points = _FEWEST_POINTS
    while True:
        points, weights = np.polynomial.legendre.leggauss(n_points)
        # A few points at a time: all of a long text's would take much memory.
        slopes = sum(
            np.tensordot(some_weights / 2, on_path((some + 1) / 2)[1], axes=1)
            for some, some_weights in zip(
                points.reshape(-1, _FEWEST_POINTS),
                weights.reshape(-1, _FEWEST_POINTS),
                strict=True,
            )
        )
        scores = (slopes * vectors).sum(axis=1)
        off = abs(end - start - scores.sum())
        if off <= most_off:
            break
        if n_points >= _MOST_POINTS:
            warn_user(
                f"The integrated gradients sum to {scores.sum():.4g}, where the "
                f"network's score changed by {end - start:.4g}."
            )
            break
        n_points *= 2
    return float(start), scores
