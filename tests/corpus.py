"""A few texts, tiny estimators that learn them, and what tests compare of these."""

import numpy as np

from skrnn import RNNTextClassifier, RNNTextRegressor

TEXTS = [
    "a fine film",
    "so dull",
    "fine, fine!",
    "dull",
    "a fine cast",
    "a dull film",
    "fine songs",
    "the dull half",
] * 2
LABELS = np.array(["good", "bad"] * 8)
STARS = np.array([8.0, 2.0, 9.0, 1.0] * 4)

TOPIC_TEXTS = ["wind and rain", "the goal!", "taxes again", "snow"] * 4
TOPICS = np.array(["weather", "sport", "politics", "weather"] * 4)
MULTILABEL = np.array([[1, 0, 0], [0, 1, 0], [1, 1, 0], [1, 0, 1]] * 4)

# Texts no vocabulary prepares for.
STRANGE_TEXTS = [
    "",
    " \t\n",
    "qwertz zxcvb",
    "\ud800 \udfff",
    "\x00",
    "a fine film " * 900_000,
]

# The network alone, and plain: tests of the rest say what they add.
TINY = {
    "embedding_size": 8,
    "hidden_size": 8,
    "batch_size": 16,
    "learning_rate": 0.001,
    "learning_rate_schedule": "constant",
    "embeddings": None,
    "embedding_dropout": 0.2,
    "wide": False,
    "epochs": 2,
    "random_state": 0,
}
EAGER = {"compile__run_eagerly": True}
LEARNS = {"learning_rate": 0.1, "epochs": 8}


def classifier(**params):
    """Give a classifier too small to need a compiled graph."""
    return RNNTextClassifier(**{**TINY, **EAGER, **params})


def regressor(**params):
    """Give a regressor too small to need a compiled graph."""
    return RNNTextRegressor(**{**TINY, **EAGER, **params})


def weights(estimator):
    """Give all weights of the network in one array."""
    return np.concatenate([w.ravel() for w in estimator.model_.get_weights()])


def assert_same_model(one, other, texts=TEXTS):
    """Check that two estimators are equal bit for bit, and trained alike."""
    np.testing.assert_array_equal(weights(one), weights(other))
    for method in ("predict", "decision_function", "transform"):
        if hasattr(one, method):
            np.testing.assert_array_equal(
                getattr(one, method)(texts), getattr(other, method)(texts)
            )
    factors = [
        None if model.blend_ is None else model.blend_.factors_.tolist()
        for model in (one, other)
    ]
    assert factors[0] == factors[1]
    assert one.tokenizer_.vocabulary_ == other.tokenizer_.vocabulary_
    assert one.history_ == other.history_
    assert one.n_iter_ == other.n_iter_
