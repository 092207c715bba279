"""The solver of the wide part, held against scikit-learn's linear models."""

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy.sparse import csr_matrix, vstack
from scipy.special import logit
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.preprocessing import normalize

from skrnn.linear import Inputs, Logistic, Squared, fit_linear


def draw(seed, n_texts=300, n_features=80):
    """Marks in parts, factors, values and weights of texts."""
    random = np.random.default_rng(seed)
    dense = (random.random((n_texts, n_features)) < 0.1).astype(np.float32)
    dense[0] = 0
    stops = np.sort(random.integers(0, n_texts + 1, size=2))
    marks = [csr_matrix(part) for part in np.split(dense, stops)]
    factors = random.normal(size=n_features)
    factors[:5] = 0
    values = dense @ random.normal(size=n_features) + random.normal(size=n_texts)
    return marks, factors, values, random.integers(0, 4, size=n_texts).astype(float)


def scaled(marks, factors):
    return normalize(vstack(marks).multiply(factors).tocsr())


def fitted(marks, factors, targets, weight, loss, strength, **start):
    weights = fit_linear(
        Inputs(marks, factors),
        targets,
        weight,
        loss=loss,
        strength=strength,
        **{"intercept": 0.0, **start},
    )
    return scaled(marks, factors) @ weights[:-1] + weights[-1]


SEED = st.integers(0, 2**32 - 1)


@given(SEED, st.sampled_from([0.1, 1.0, 10.0]))
def test_classes_are_those_of_logistic_regression(seed, strength):
    marks, factors, values, weight = draw(seed)
    targets = (values > 0).astype(float)
    reference = LogisticRegression(C=strength, tol=1e-8, max_iter=10_000)
    inputs = scaled(marks, factors)
    expected = reference.fit(inputs, targets, weight).decision_function(inputs)
    scores = fitted(marks, factors, targets, weight, Logistic, strength)
    assert_allclose(scores, expected, atol=0.02 * np.ptp(expected))


@given(SEED, st.sampled_from([0.1, 1.0, 10.0]))
@example(17624, 10.0)
@example(3, 10.0)
def test_values_are_those_of_ridge_regression(seed, strength):
    marks, factors, values, weight = draw(seed)
    inputs = scaled(marks, factors)
    reference = Ridge(1 / strength, solver="lsqr", tol=1e-10)
    expected = reference.fit(inputs, values, weight).predict(inputs)
    scores = fitted(marks, factors, values, weight, Squared, strength)
    # What a text of little weight has alone hardly counts in what is minimized.
    error = np.sqrt(np.average((scores - expected) ** 2, weights=weight))
    assert error < 5e-4 * np.ptp(expected)
    assert_allclose(scores, expected, atol=0.02 * np.ptp(expected))


@pytest.mark.parametrize("loss", [Logistic, Squared])
def test_the_minimum_does_not_depend_on_the_start(loss):
    marks, factors, values, weight = draw(0)
    targets = (values > 0).astype(float)
    arguments = marks, factors, targets, weight, loss, 1.0
    expected = fitted(*arguments)
    starts = [
        {"intercept": 3.0},
        {"start": np.zeros(len(factors) + 1)},
        {"start": np.random.default_rng(0).normal(size=len(factors) + 1)},
    ]
    for start in starts:
        assert_allclose(fitted(*arguments, **start), expected, atol=0.05)


@pytest.mark.parametrize("factor", [1e-15, 1e15])
def test_weights_of_any_size(factor):
    marks, factors, values, weight = draw(0)
    targets = (values > 0).astype(float)
    scores = fitted(marks, factors, targets, factor * weight, Logistic, 1.0)
    if factor > 1:  # So much tells all there is to be told.
        assert_array_equal((scores > 0)[weight > 0], targets[weight > 0])
    else:  # So little tells nothing but how many there are.
        assert_allclose(scores, logit(np.average(targets, weights=weight)), rtol=1e-3)


def test_what_is_learned_already_is_left_as_it_is(monkeypatch):
    marks, factors, values, weight = draw(0)
    inputs, weight = Inputs(marks, factors), weight.astype(np.float32)
    arguments = {"loss": Squared, "strength": 1.0, "intercept": 0.0}
    learned = fit_linear(inputs, values, weight, **arguments)
    monkeypatch.setattr("skrnn.linear.cg", None)
    with pytest.raises(TypeError):
        fit_linear(inputs, values, weight, **arguments)
    again = fit_linear(inputs, values, weight, **arguments, start=learned)
    assert_array_equal(learned, again)
