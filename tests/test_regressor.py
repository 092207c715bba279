"""What `RNNTextRegressor` learns, and of which targets."""

import warnings

import keras
import numpy as np
import pandas as pd
import pytest
from corpus import LEARNS, STARS, TEXTS, TINY, assert_same_model, regressor, weights
from sklearn.metrics import r2_score

from skrnn import RNNTextRegressor

TWO = np.column_stack([STARS, 100 - 20 * STARS])


@pytest.fixture(scope="module")
def one_output():
    return RNNTextRegressor(**TINY | LEARNS).fit(TEXTS, STARS)


@pytest.fixture(scope="module")
def two_outputs():
    return regressor(**LEARNS).fit(TEXTS, TWO)


def test_learns_one_output(one_output):
    values = one_output.predict(TEXTS)
    assert values.shape == (16,)
    assert values.dtype == np.float64
    assert r2_score(STARS, values) > 0.8
    assert one_output.n_iter_ == len(one_output.history_["loss"]) == 8
    assert not hasattr(one_output, "classes_")


def test_learns_several_outputs(two_outputs):
    values = two_outputs.predict(TEXTS)
    assert values.shape == (16, 2)
    assert values.dtype == np.float64
    assert r2_score(TWO, values) > 0.8


@pytest.mark.parametrize("weight", [None, np.arange(1.0, 17.0)])
def test_score_is_r2(one_output, two_outputs, weight):
    for fitted, y in [(one_output, STARS), (two_outputs, TWO)]:
        expected = r2_score(y, fitted.predict(TEXTS), sample_weight=weight)
        assert fitted.score(TEXTS, y, sample_weight=weight) == expected


@pytest.mark.parametrize(
    ("scale", "offset"), [(1000, 5), (1e-200, 0), (1e200, 0), (1, 1e9)]
)
def test_scale_and_offset_of_y_do_not_matter(scale, offset):
    params = {"dropout": 0, "embedding_dropout": 0}
    values = regressor(**params).fit(TEXTS, STARS).predict(TEXTS)
    scaled = regressor(**params).fit(TEXTS, STARS * scale + offset).predict(TEXTS)
    expected = values * scale + offset
    tolerance = 1e-3 * abs(scale) + 1e-12 * abs(offset)
    np.testing.assert_allclose(scaled, expected, rtol=0, atol=tolerance)


def test_outputs_of_different_scale_are_learned_alike():
    y = np.column_stack([STARS, STARS * 1e6])
    fitted = regressor(dropout=0, **LEARNS).fit(TEXTS, y)
    scores = r2_score(y, fitted.predict(TEXTS), multioutput="raw_values")
    assert scores.min() > 0.5


@pytest.mark.parametrize("constant", [0.0, 0.1, -1e6])
def test_constant_y(constant):
    fitted = regressor(**LEARNS).fit(TEXTS, np.full(16, constant))
    assert np.isfinite(fitted.history_["loss"]).all()
    np.testing.assert_allclose(fitted.predict(TEXTS), constant, rtol=1e-5, atol=0.1)


# The mean of the second is off by rounding, by far more than 1.
@pytest.mark.parametrize("constant", [7.0, 1e17 / 3])
def test_constant_output_beside_another_one(constant):
    y = np.column_stack([STARS, np.full(16, constant)])
    weight = np.linspace(0.5, 1.7, 16)
    values = regressor(**LEARNS).fit(TEXTS, y, weight).predict(TEXTS)
    assert r2_score(STARS, values[:, 0]) > 0.8
    np.testing.assert_allclose(values[:, 1], constant, rtol=1e-15, atol=1)


@pytest.mark.parametrize(
    "y",
    [
        STARS.astype(int),
        STARS.astype(np.float32),
        STARS.astype(np.uint8),
        STARS.astype(object),
        STARS.tolist(),
        pd.Series(STARS, index=range(100, 116)),
        pd.Series(STARS.astype(int), dtype="Int64"),
    ],
)
def test_numbers_of_any_kind(y):
    assert_same_model(regressor().fit(TEXTS, y), regressor().fit(TEXTS, STARS))


def test_one_column_is_flattened_with_a_warning():
    with pytest.warns(UserWarning, match="column-vector"):
        fitted = regressor().fit(TEXTS, STARS[:, None])
    assert fitted.predict(TEXTS).shape == (16,)
    assert_same_model(fitted, regressor().fit(TEXTS, STARS))


# Losses


@pytest.mark.parametrize("loss", ["squared_error", "absolute_error", "huber"])
def test_losses_learn(loss):
    fitted = regressor(loss=loss, **LEARNS).fit(TEXTS, STARS)
    assert fitted.score(TEXTS, STARS) > 0.7


@pytest.mark.parametrize(
    ("loss", "of_error"),
    [
        ("squared_error", np.square),
        ("absolute_error", np.abs),
        ("huber", lambda e: np.where(np.abs(e) < 1, e**2 / 2, np.abs(e) - 0.5)),
    ],
)
def test_loss_is_of_standardized_values(loss, of_error):
    fitted = regressor(loss=loss, epochs=1, dropout=0, embedding_dropout=0)
    fitted.initialize(TEXTS, STARS)
    error = (fitted.predict(TEXTS) - STARS) / STARS.std()
    fitted.fit(TEXTS, STARS)
    np.testing.assert_allclose(fitted.history_["loss"], [of_error(error).mean()], 1e-5)


@pytest.mark.parametrize(
    ("params", "instance"),
    [
        ({"loss": "huber", "loss__delta": 0.1}, keras.losses.Huber(0.1)),
        ({"loss": keras.losses.Huber, "loss__delta": 2.0}, keras.losses.Huber(2.0)),
        ({"loss": keras.losses.mean_absolute_error}, keras.losses.MeanAbsoluteError()),
    ],
)
def test_losses_of_keras(params, instance):
    fitted = regressor(**params).fit(TEXTS, STARS)
    assert_same_model(fitted, regressor(loss=instance).fit(TEXTS, STARS))


@pytest.mark.parametrize(
    "loss",
    [
        keras.losses.BinaryCrossentropy,
        keras.losses.SparseCategoricalCrossentropy(),
        keras.losses.Hinge(),
        keras.losses.KLDivergence,
        keras.losses.binary_crossentropy,
        keras.losses.squared_hinge,
    ],
)
def test_losses_of_classes_are_refused(loss):
    with pytest.raises(ValueError, match=r"fit a regressor: .*'squared_error'"):
        regressor(loss=loss).fit(TEXTS, STARS)


def test_losses_of_keras_that_compare_values_are_taken():
    for loss in (keras.losses.LogCosh, keras.losses.mean_squared_error):
        fitted = regressor(loss=loss).fit(TEXTS, STARS)
        assert np.isfinite(fitted.history_["loss"]).all()


def test_width_of_huber_matters():
    narrow = regressor(loss="huber", loss__delta=0.1).fit(TEXTS, STARS)
    wide = regressor(loss="huber").fit(TEXTS, STARS)
    assert not np.array_equal(weights(narrow), weights(wide))


# Weights


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("value", [1e6, 1e300])
def test_text_of_weight_zero_is_left_out(value):
    fitted = regressor().fit(["odd", *TEXTS], [value, *STARS], [0] + [1] * 16)
    assert "odd" not in fitted.tokenizer_.vocabulary_
    assert_same_model(fitted, regressor().fit(TEXTS, STARS))


@pytest.mark.parametrize("width", [0.0, -1.0, np.inf, "wide"])
def test_width_of_huber_s_loss(width):
    with pytest.raises(ValueError, match=r"'loss__delta' parameter .*\(0.0, inf\)"):
        regressor(loss="huber", loss__delta=width).fit(TEXTS, STARS)


@pytest.mark.filterwarnings("error")
def test_values_too_far_apart_are_told_of():
    with pytest.raises(ValueError, match=r"`y` are too large, .* Divide them"):
        regressor().fit(TEXTS, 1.7e308 * np.repeat([1, -1], 8))


def test_metrics_see_standardized_values():
    metrics = ["mean_absolute_error", "r2_score", "cosine_similarity", "mse"]
    fitted = regressor(metrics=metrics, epochs=1, learning_rate=1e-9)
    fitted.set_params(dropout=0, embedding_dropout=0).fit(TEXTS, STARS)
    error = np.abs(fitted.predict(TEXTS) - STARS).mean() / np.std(STARS)
    np.testing.assert_allclose(
        fitted.history_["mean_absolute_error"], [error], rtol=1e-5
    )


@pytest.mark.parametrize(
    "metric",
    [
        "sparse_categorical_accuracy",
        keras.metrics.CategoricalAccuracy(),
        "accuracy",
        keras.metrics.AUC(),
        keras.metrics.F1Score(threshold=0.5),
        keras.metrics.MeanIoU(2),
        keras.metrics.binary_crossentropy,
        "KLDivergence",
        keras.metrics.kl_divergence,
    ],
)
def test_metrics_of_classes_are_refused(metric):
    with pytest.raises(ValueError, match="takes metrics that see values"):
        regressor(metrics=[metric]).fit(TEXTS, STARS)


@pytest.mark.parametrize("scale", [2.0**-20, 2.0**20])
def test_scale_of_the_weights_does_not_matter(scale):
    weight = np.arange(1.0, 17.0)
    fitted = regressor().fit(TEXTS, STARS, sample_weight=weight * scale)
    assert_same_model(fitted, regressor().fit(TEXTS, STARS, sample_weight=weight))


def test_weights_whose_sum_overflows():
    fitted = regressor().fit(TEXTS, STARS, sample_weight=np.full(16, 1e308))
    assert_same_model(fitted, regressor().fit(TEXTS, STARS))


def test_text_of_much_weight_is_fitted_better():
    texts, y = ["same text"] * 16, np.arange(16) % 2
    weight = np.where(y == 1, 9.0, 1.0)
    values = regressor(**LEARNS).fit(texts, y, sample_weight=weight).predict(texts)
    np.testing.assert_allclose(values, 0.9, atol=0.05)


# Going on


def test_one_weight_beside_which_others_vanish():
    fitted = regressor().fit(TEXTS, STARS, sample_weight=[1e60, *np.ones(15)])
    assert np.isfinite(fitted.history_["loss"]).all()
    np.testing.assert_allclose(fitted.predict(TEXTS[:1]), STARS[0], atol=0.5)


def test_a_first_call_of_partial_fit_with_one_value_warns():
    with pytest.warns(UserWarning, match="later values are taken to spread by about 1"):
        regressor().partial_fit(TEXTS[:2], [300_000.0] * 2)
    with pytest.warns(UserWarning, match="All values of an output"):
        # These differ by rounding alone.
        regressor().partial_fit(TEXTS[:2], [0.3, 0.1 + 0.2])
    with pytest.warns(UserWarning, match="All values of an output"):
        regressor().partial_fit(TEXTS, np.stack([STARS, 0 * STARS], axis=1))
    with pytest.warns(UserWarning, match="All values of an output"):
        regressor().initialize(TEXTS, np.zeros(16))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fitted = regressor().partial_fit(TEXTS, STARS)
        fitted.partial_fit(TEXTS[:2], [5.0, 5.0])
        regressor().fit(TEXTS, np.zeros(16))


@pytest.mark.parametrize("value", [1e17, 1e300])
def test_large_values_that_differ_by_rounding_alone(value):
    y = np.resize([value, np.nextafter(value, np.inf)], 16)
    fitted = regressor(**LEARNS).fit(TEXTS, y)
    np.testing.assert_allclose(fitted.predict(TEXTS), value, rtol=1e-12)


def test_partial_fit_keeps_the_scale():
    partial = regressor(epochs=1).partial_fit(TEXTS, STARS).partial_fit(TEXTS, STARS)
    assert_same_model(partial, regressor(epochs=2).fit(TEXTS, STARS))
    partial.partial_fit(TEXTS[:2], [5.0, 5.0])
    assert partial.predict(TEXTS).mean() > 2
    assert partial.n_iter_ == 3


def test_partial_fit_refuses_another_number_of_outputs(one_output):
    with pytest.raises(ValueError, match=r"2 outputs, but .* fitted with 1"):
        one_output.partial_fit(TEXTS, TWO)


def test_partial_fit_refuses_early_stopping():
    with pytest.raises(ValueError, match="early_stopping should be False"):
        regressor(early_stopping=True).partial_fit(TEXTS, STARS)


def test_warm_start_twice_is_one_long_fit():
    warm = regressor(warm_start=True).fit(TEXTS, STARS).fit(TEXTS, STARS)
    assert_same_model(warm, regressor(epochs=4).fit(TEXTS, STARS))


def test_early_stopping_restores_the_best_weights():
    texts = [f"word{i}" for i in range(16)]
    fitted = regressor(
        early_stopping=True,
        validation_fraction=0.5,
        n_iter_no_change=2,
        learning_rate=0.5,
        epochs=30,
        metrics=["mean_absolute_error"],
    ).fit(texts, STARS)
    losses = fitted.history_["val_loss"]
    best = int(np.argmin(losses))
    assert fitted.n_iter_ == len(losses) == min(best + 3, 30)
    names = {"loss", "mean_absolute_error"}
    assert set(fitted.history_) == names | {f"val_{name}" for name in names}
    known = fitted.tokenizer_.vocabulary_
    rows = [i for i, text in enumerate(texts) if text not in known]
    error = fitted.predict([texts[i] for i in rows]) - STARS[rows]
    # Values are standardized by all there are.
    restored = (error**2).mean() / STARS.var()
    assert restored == pytest.approx(losses[best], rel=1e-4)
