"""What several test files share."""

import keras
import numpy as np
import pytest
from corpus import (
    LABELS,
    LEARNS,
    MULTILABEL,
    TEXTS,
    TINY,
    TOPIC_TEXTS,
    TOPICS,
    classifier,
)
from hypothesis import settings

from skrnn import RNNTextClassifier
from skrnn.datasets import load_docstrings

# No test measures time: a busy machine must not fail one. Nor must a draw that nobody
# has made before: pytest's --hypothesis-profile=exploring makes such draws.
settings.register_profile("exploring", deadline=None)
settings.register_profile("same everywhere", deadline=None, derandomize=True)
settings.load_profile("same everywhere")

PER_LIBRARY = 80


@pytest.fixture(scope="session")
def every_docstring():
    """All that `load_docstrings` gives, which takes seconds to read."""
    return load_docstrings()


@pytest.fixture(scope="session")
def docstrings(every_docstring):
    """Real texts and the library each is of, as many of each, in mixed order."""
    bunch = every_docstring
    libraries = np.asarray(bunch.target_names)[bunch.target]
    chosen = np.concatenate(
        [
            np.flatnonzero(libraries == name)[:PER_LIBRARY]
            for name in ("keras", "numpy", "sklearn")
        ]
    )
    chosen.sort()
    return [bunch.data[i] for i in chosen], libraries[chosen]


@pytest.fixture(scope="module")
def binary():
    """A classifier that has learned two classes."""
    return RNNTextClassifier(**TINY | LEARNS).fit(TEXTS, LABELS)


@pytest.fixture(scope="module")
def multiclass():
    """One that has learned three classes."""
    return RNNTextClassifier(**TINY | LEARNS).fit(TOPIC_TEXTS, TOPICS)


@pytest.fixture(scope="module")
def multilabel():
    """One that has learned three labels, of which a text has some."""
    return classifier(**LEARNS).fit(TOPIC_TEXTS, MULTILABEL)


@pytest.fixture
def double_precision():
    """Keras in float64."""
    floatx, policy = keras.config.floatx(), keras.config.dtype_policy()
    keras.config.set_floatx("float64")
    # The policy follows floatx only until its first use.
    keras.config.set_dtype_policy("float64")
    yield
    keras.config.set_floatx(floatx)
    keras.config.set_dtype_policy(policy)
