"""scikit-learn's own checks, which skip estimators of text, run all the same.

They hand over tables of numbers: the estimators below make a text of each row.
"""

import inspect
from itertools import product

import numpy as np
import pytest
from sklearn.utils.estimator_checks import estimator_checks_generator
from sklearn.utils.validation import validate_data

from skrnn import RNNTextClassifier, RNNTextRegressor
from skrnn.tokenizer import Tokenizer

N_FEATURES = 30
MAX_LEVEL = 4


class NumericTexts:
    """A token for each feature names the feature and the level of its value."""

    def __init_subclass__(cls):
        # One check sets every name in the signature, as if `**routed` were the
        # name of a parameter.
        signature = inspect.signature(cls.__init__)
        named = [p for p in signature.parameters.values() if p.kind != p.VAR_KEYWORD]
        cls.__signature__ = signature.replace(parameters=named[1:])

    def _new_tokenizer(self):
        # Learned ids would depend on how often a row is repeated.
        levels = range(-MAX_LEVEL, MAX_LEVEL + 1)
        tokens = [f"{i}:{level}" for i, level in product(range(N_FEATURES), levels)]
        return Tokenizer(tokenizer=str.split, vocabulary=tokens)

    def _check_texts(self, X, *, reset):
        X = validate_data(self, X, reset=reset, dtype=np.float64)
        levels = np.clip(np.round(2 * X), -MAX_LEVEL, MAX_LEVEL).astype(int)
        return [
            " ".join(f"{i}:{level}" for i, level in enumerate(row)) for row in levels
        ]

    def _compile_arguments(self, loss, loss_arguments):
        # Tracing would take longer than the few steps that follow.
        arguments = super()._compile_arguments(loss, loss_arguments)
        return {**arguments, "run_eagerly": True}

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = True
        tags.input_tags.one_d_array = False
        tags.input_tags.string = False
        return tags


class NumericClassifier(NumericTexts, RNNTextClassifier):
    pass


class NumericRegressor(NumericTexts, RNNTextRegressor):
    pass


SMALL = {
    "embedding_size": 32,
    "hidden_size": 32,
    "embedding_dropout": 0,
    "dropout": 0,
    "learning_rate": 0.03,
    "epochs": 2,
    "batch_size": 32,
}


# The network and what trains it.
ALONE = {**SMALL, "wide": False, "embeddings": None}

# A text that is there twice is not a text of weight 2 to what is counted without
# labels: which n-grams two texts share, and tokens' company.
OF_THE_NETWORK_ALONE = ("weight_equivalence",)
OF_BOTH = ("weight", "subset_invariance", "sample_order", "fit2d", "pickle")


def checks():
    for kind in (NumericClassifier, NumericRegressor):
        for estimator, check in estimator_checks_generator(kind(**SMALL)):
            if not any(part in name_of(check) for part in OF_THE_NETWORK_ALONE):
                yield pytest.param(
                    estimator, check, id=f"{kind.__name__}-{name_of(check)}"
                )
        for estimator, check in estimator_checks_generator(kind(**ALONE)):
            if any(part in name_of(check) for part in OF_BOTH):
                yield pytest.param(
                    estimator, check, id=f"{kind.__name__}-alone-{name_of(check)}"
                )


def name_of(check):
    return check.func.__name__


@pytest.mark.parametrize(("estimator", "check"), checks())
def test_sklearn_checks(estimator, check, request):
    name = name_of(check)
    if "weight_equivalence" in name or "subset_invariance" in name:
        # They ask for 1e-7, the rounding of single precision in one sum.
        request.getfixturevalue("double_precision")
    check(estimator)
