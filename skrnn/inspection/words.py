"""Which words the network holds for alike."""

from __future__ import annotations

import difflib
from numbers import Integral

import numpy as np
from sklearn.preprocessing import normalize
from sklearn.utils._param_validation import Interval, validate_params

from skrnn.base import TextEstimator
from skrnn.inspection._checks import check_estimator
from skrnn.sequences import N_RESERVED_IDS


def word_vectors(estimator: TextEstimator) -> np.ndarray:
    """The embedding's vectors of the vocabulary, brought to length 1.

    Parameters
    ----------
    estimator : TextEstimator
        Fitted.

    Returns
    -------
    ndarray of shape (n_words, embedding_size), float32
        In the order of `tokenizer_.vocabulary_`.
    """
    return normalize(estimator.model_.encoder.embedding.vectors[N_RESERVED_IDS:])


@validate_params(
    {"word": [str], "n": [Interval(Integral, 1, None, closed="left")]},
    prefer_skip_nested_validation=True,
)
def nearest_words(estimator, word: str, n: int = 10) -> list[tuple[str, float]]:
    """The words whose vectors point most nearly where this word's does.

    Parameters
    ----------
    estimator : RNNTextClassifier or RNNTextRegressor
        Fitted.

    word : str
        A word of the vocabulary; it is cleaned as the estimator cleans texts, so
        "Useless" finds "useless".

    n : int, default=10
        How many words to give; fewer, where the vocabulary has fewer of which
        something was learned.

    Returns
    -------
    list of (str, float)
        Words and the cosines of the angles between their vectors and this one,
        the highest first.

    Raises
    ------
    ValueError
        If `word` is not one token or not in the vocabulary, if nothing was learned of
        it, or `n` is below 1.

    TypeError
        If `estimator` is not one of skrnn's.

    NotFittedError
        If the estimator has not been fitted.
    """
    tokenizer = check_estimator(estimator).tokenizer_
    tokens = tokenizer.build_analyzer()(word)
    if len(tokens) != 1:
        raise ValueError(
            f"{word!r} is {len(tokens)} tokens to this estimator, not one: {tokens}."
        )
    vocabulary = list(tokenizer.vocabulary_)
    if tokens[0] not in tokenizer.vocabulary_:
        alike = difflib.get_close_matches(tokens[0], vocabulary, n=3)
        hint = f" Did you mean one of {alike}?" if alike else ""
        raise ValueError(f"{tokens[0]!r} is not in the vocabulary.{hint}")
    vectors = word_vectors(estimator)
    place = tokenizer.vocabulary_[tokens[0]] - N_RESERVED_IDS
    if not vectors[place].any():
        raise ValueError(
            f"Nothing was learned of {tokens[0]!r}, whose vector is zero: no text that "
            "the estimator was fitted on has it among others."
        )
    cosines = vectors @ vectors[place]
    order = np.argsort(-cosines, kind="stable")
    order = order[vectors.any(axis=1)[order] & (order != place)][:n]
    return [(vocabulary[i], float(cosines[i])) for i in order]
