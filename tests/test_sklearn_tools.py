"""The estimators inside scikit-learn's own tools, on real text."""

import copy
import re

import keras
import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import loguniform
from sklearn import config_context
from sklearn.base import clone, is_classifier, is_regressor
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.ensemble import StackingClassifier, VotingClassifier
from sklearn.exceptions import (
    FitFailedWarning,
    NotFittedError,
    UnsetMetadataPassedError,
)
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import (
    GridSearchCV,
    HalvingGridSearchCV,
    RandomizedSearchCV,
    StratifiedKFold,
    check_cv,
    cross_val_predict,
    cross_validate,
    learning_curve,
    permutation_test_score,
)
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.semi_supervised import SelfTrainingClassifier
from sklearn.utils import get_tags

from skrnn import RNNTextClassifier, RNNTextRegressor, Tokenizer

SMALL = {
    "embedding_size": 16,
    "hidden_size": 8,
    "max_length": 10,
    "embedding_dropout": 0.2,
    "learning_rate": 0.05,
    "learning_rate_schedule": "constant",
    "epochs": 3,
    "batch_size": 60,
    "random_state": 0,
    # Tracing would take longer than the few steps that follow.
    "compile__run_eagerly": True,
}

ESTIMATORS = [RNNTextClassifier, RNNTextRegressor]


def classifier(**params):
    return RNNTextClassifier(**SMALL | params)


def lengths(texts):
    return np.array([len(text) for text in texts], dtype=float)


@pytest.fixture(scope="module")
def fitted(docstrings):
    return classifier().fit(*docstrings)


# Pipelines


def test_pipeline_cleans_texts_first(docstrings):
    texts, libraries = docstrings
    shouted = [text.upper() for text in texts]
    lower = FunctionTransformer(lambda texts: [text.lower() for text in texts])
    pipeline = make_pipeline(lower, classifier(lowercase=False))
    pipeline.fit(shouted, libraries)
    assert "the" in pipeline[-1].tokenizer_.vocabulary_
    assert_array_equal(pipeline.classes_, ["keras", "numpy", "sklearn"])
    assert_array_equal(pipeline.predict(shouted), pipeline.predict(texts))
    assert pipeline.score(texts, libraries) > 0.6


def test_linear_model_on_representations(docstrings):
    texts, libraries = docstrings
    pipeline = make_pipeline(classifier(), StandardScaler(), LogisticRegression())
    pipeline.fit(texts, libraries)
    names = pipeline[:-1].get_feature_names_out()
    assert_array_equal(names, [f"rnntextclassifier{i}" for i in range(24)])
    assert pipeline[-1].coef_.shape == (3, 24)
    assert pipeline.score(texts, libraries) > 0.6


@pytest.mark.parametrize("Estimator", ESTIMATORS)
def test_column_of_texts_beside_numbers(Estimator, docstrings):
    texts, libraries = docstrings
    frame = pd.DataFrame(
        {"text": texts, "length": lengths(texts), "noise": 0.0},
        index=range(1000, 1000 + len(texts)),
    )
    y = (libraries == "numpy").astype(int)
    columns = ColumnTransformer(
        [
            ("rnn", Estimator(**SMALL, pooling="last"), "text"),
            ("number", StandardScaler(), ["length", "noise"]),
        ]
    ).set_output(transform="pandas")
    pipeline = make_pipeline(columns, LogisticRegression()).fit(frame, y)
    names = [f"rnn__{Estimator.__name__.lower()}{i}" for i in range(8)]
    names += ["number__length", "number__noise"]
    assert_array_equal(pipeline[-1].feature_names_in_, names)
    table = columns.transform(frame)
    assert_array_equal(table.index, frame.index)
    assert_allclose(table["number__length"].mean(), 0, atol=1e-9)
    assert pipeline.score(frame, y) > 0.7


# Searches


def test_grid_search_in_processes(docstrings):
    search = GridSearchCV(
        make_pipeline(classifier()),
        {"rnntextclassifier__learning_rate": [1e-9, 0.05]},
        cv=2,
        n_jobs=2,
    ).fit(*docstrings)
    untrained, trained = search.cv_results_["mean_test_score"]
    assert untrained < trained == search.best_score_
    assert search.best_estimator_[-1].learning_rate == 0.05
    assert search.score(*docstrings) > 0.6


def test_randomized_search_in_processes(docstrings):
    search = RandomizedSearchCV(
        classifier(),
        {"learning_rate": loguniform(1e-2, 1e-1), "cell": ["lstm", "simple"]},
        n_iter=2,
        cv=2,
        n_jobs=2,
        random_state=0,
    ).fit(*docstrings)
    rates = search.cv_results_["param_learning_rate"]
    assert len(set(rates)) == 2
    best = search.best_estimator_
    assert best.learning_rate == rates[search.best_index_]
    layer = best.model_.encoder.recurrent_layers[0]
    assert layer.name.startswith(search.best_params_["cell"])


def test_halving_search_spends_epochs(docstrings):
    search = HalvingGridSearchCV(
        classifier(wide=False),
        {"learning_rate": [1e-9, 0.05]},
        resource="epochs",
        min_resources=2,
        max_resources=4,
        factor=2,
        cv=2,
    ).fit(*docstrings)
    assert search.n_resources_ == [2, 4]
    assert search.best_params_ == {"epochs": 4, "learning_rate": 0.05}
    assert search.best_estimator_.n_iter_ == 4


def test_grid_search_over_routed_names(docstrings):
    grid = {"optimizer__beta_1": [0.5, 0.8]}
    # Accuracies of few texts may well be the same.
    search = GridSearchCV(classifier(), grid, cv=2, scoring="neg_log_loss")
    best = search.fit(*docstrings).best_estimator_
    assert len(set(search.cv_results_["mean_test_score"])) == 2
    assert best.model_.optimizer.beta_1 == search.best_params_["optimizer__beta_1"]
    assert best.get_params()["optimizer__beta_1"] == best.model_.optimizer.beta_1


def test_grid_search_over_optimizer_instances(docstrings):
    still = keras.optimizers.SGD(1e-9)
    adam = keras.optimizers.Adam(0.05)
    search = GridSearchCV(classifier(), {"optimizer": [still, adam]}, cv=2)
    search.fit(*docstrings)
    assert search.best_index_ == 1
    # A parameter serves many fits: it must not take part in any.
    assert not adam.built
    assert search.best_estimator_.model_.optimizer.iterations == 12


class StopAtOnce(keras.callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        self.model.stop_training = True


def epochs_trained(estimator, X, y):
    return estimator.n_iter_


def test_a_search_warns_of_a_setting_that_diverges(docstrings):
    learning_rates = {"learning_rate": [1e38, 0.05]}
    search = GridSearchCV(classifier(clipnorm=None), learning_rates, cv=2)
    with pytest.warns(FitFailedWarning, match="diverged"):
        search.fit(*docstrings)
    scores = search.cv_results_["mean_test_score"]
    assert np.isnan(scores).tolist() == [True, False]
    assert search.best_params_ == {"learning_rate": 0.05}


def test_grid_search_over_callbacks(docstrings):
    grid = {"callbacks": [None, StopAtOnce, [StopAtOnce()]]}
    search = GridSearchCV(
        classifier(), grid, cv=2, scoring=epochs_trained, refit=False
    ).fit(*docstrings)
    assert_array_equal(search.cv_results_["mean_test_score"], [3, 1, 1])


# Cross-validation


@pytest.mark.parametrize("Estimator", ESTIMATORS)
def test_folds_are_stratified_for_classifiers(Estimator, docstrings):
    texts, libraries = docstrings
    order = np.argsort(libraries)
    texts = [texts[i] for i in order]
    numbers = np.unique(libraries[order], return_inverse=True)[1]
    estimator = Estimator(**SMALL | {"epochs": 1})
    stratified = Estimator is RNNTextClassifier
    assert is_classifier(estimator) is stratified
    assert is_regressor(estimator) is not stratified
    cv = check_cv(4, numbers, classifier=is_classifier(estimator))
    assert isinstance(cv, StratifiedKFold) is stratified

    result = cross_validate(estimator, texts, numbers, cv=2, return_indices=True)
    counts = [np.bincount(numbers[fold]) for fold in result["indices"]["test"]]
    expected = [[40, 40, 40]] * 2 if stratified else [[80, 40], [0, 40, 80]]
    for count, wanted in zip(counts, expected, strict=True):
        assert_array_equal(count, wanted)


def test_cross_val_predict_is_each_fold_fitted_alone(docstrings):
    texts, libraries = docstrings
    folds = list(StratifiedKFold(2).split(texts, libraries))
    predicted = cross_val_predict(
        classifier(), texts, libraries, cv=folds, method="predict_proba"
    )
    assert_allclose(predicted.sum(axis=1), 1)
    train, test = folds[0]
    alone = classifier().fit([texts[i] for i in train], libraries[train])
    alone = alone.predict_proba([texts[i] for i in test])
    assert_array_equal(predicted[test], alone)


def test_learning_curve(docstrings):
    sizes, train_scores, test_scores = learning_curve(
        classifier(),
        *docstrings,
        train_sizes=[15, 120],
        cv=2,
        shuffle=True,
        random_state=0,
    )
    assert_array_equal(sizes, [15, 120])
    assert train_scores.shape == test_scores.shape == (2, 2)
    assert test_scores[1].mean() > test_scores[0].mean()


def test_permutation_test_score(docstrings):
    score, permuted, p_value = permutation_test_score(
        classifier(), *docstrings, n_permutations=2, cv=2, random_state=0
    )
    assert score > permuted.max()
    assert p_value == 1 / 3


# Other models around and beside


def test_calibrated_classifier(docstrings):
    texts, libraries = docstrings
    calibrated = CalibratedClassifierCV(classifier(loss="hinge"), cv=2)
    calibrated.fit(texts, libraries)
    probabilities = calibrated.predict_proba(texts)
    assert_allclose(probabilities.sum(axis=1), 1)
    assert len(calibrated.calibrated_classifiers_) == 2
    assert calibrated.score(texts, libraries) > 0.6


@pytest.fixture(scope="module")
def tfidf(docstrings):
    return make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(*docstrings)


def test_voting_beside_tfidf(docstrings, fitted, tfidf):
    texts, libraries = docstrings
    voting = VotingClassifier(
        [("rnn", classifier()), ("tfidf", tfidf)], voting="soft"
    ).fit(texts, libraries)
    mean = (fitted.predict_proba(texts) + tfidf.predict_proba(texts)) / 2
    assert_allclose(voting.predict_proba(texts), mean)


def test_stacking_beside_tfidf(docstrings, tfidf):
    texts, libraries = docstrings
    stacking = StackingClassifier(
        [("rnn", classifier()), ("tfidf", tfidf)],
        final_estimator=LogisticRegression(),
        cv=2,
    ).fit(texts, libraries)
    assert stacking.stack_method_ == ["predict_proba", "predict_proba"]
    assert stacking.final_estimator_.coef_.shape == (3, 6)
    assert stacking.score(texts, libraries) > 0.6


def test_one_vs_rest(docstrings):
    texts, libraries = docstrings
    one_vs_rest = OneVsRestClassifier(classifier()).fit(texts, libraries)
    assert [model.model_.head.units for model in one_vs_rest.estimators_] == [1] * 3
    scores = one_vs_rest.decision_function(texts)
    assert_array_equal(
        one_vs_rest.predict(texts), one_vs_rest.classes_[scores.argmax(axis=1)]
    )
    assert one_vs_rest.score(texts, libraries) > 0.6


def test_transformed_target_regressor(docstrings):
    texts, _ = docstrings
    y = lengths(texts)
    model = TransformedTargetRegressor(
        RNNTextRegressor(**SMALL), func=np.log, inverse_func=np.exp
    ).fit(texts, y)
    predicted = model.predict(texts)
    assert_allclose(predicted, np.exp(model.regressor_.predict(texts)))
    assert np.corrcoef(np.log(predicted), np.log(y))[0, 1] > 0.5


def test_self_training_labels_more_texts(docstrings):
    texts, libraries = docstrings
    numbers = np.unique(libraries, return_inverse=True)[1]
    known = np.where(np.arange(len(texts)) % 2, -1, numbers)
    # It takes nothing but numbers, here the texts' positions.
    positions = np.arange(len(texts))[:, None]
    look_up = FunctionTransformer(lambda rows: [texts[i] for i in rows[:, 0]])
    model = SelfTrainingClassifier(
        make_pipeline(look_up, classifier()), criterion="k_best", max_iter=2
    ).fit(positions, known)
    added = model.labeled_iter_ > 0
    assert added.sum() == 20
    assert not (added & (known != -1)).any()
    assert model.score(positions[known != -1], known[known != -1]) > 0.6


def test_frozen_estimator_is_not_fitted_again(docstrings, fitted):
    texts, libraries = docstrings
    before = fitted.decision_function(texts)
    frozen = FrozenEstimator(fitted)
    clone(frozen).fit(texts[:4], np.array(["other", "labels"] * 2))
    assert_array_equal(frozen.decision_function(texts), before)
    calibrated = CalibratedClassifierCV(frozen).fit(texts, libraries)
    assert calibrated.calibrated_classifiers_[0].estimator is frozen


# Metadata


def test_sample_weight_is_routed(docstrings):
    texts, libraries = docstrings
    weight = (libraries != "sklearn").astype(float)
    with config_context(enable_metadata_routing=True):
        asks = classifier().set_fit_request(sample_weight=True)
        asks.set_score_request(sample_weight=True)
        pipeline = make_pipeline(FunctionTransformer(), asks)
        pipeline.fit(texts, libraries, sample_weight=weight)
        assert "sklearn" not in pipeline.predict(texts)
        right = pipeline.predict(texts) == libraries
        assert_allclose(
            pipeline.score(texts, libraries, sample_weight=weight),
            np.average(right, weights=weight),
        )
        silent = make_pipeline(classifier())
        with pytest.raises(UnsetMetadataPassedError, match="sample_weight"):
            silent.fit(texts, libraries, sample_weight=weight)


@pytest.mark.parametrize("Estimator", ESTIMATORS)
def test_what_can_be_asked_for(Estimator):
    requests = Estimator().get_metadata_routing()
    expected = {"fit": ["sample_weight"], "score": ["sample_weight"]}
    classes = ["classes"] if Estimator is RNNTextClassifier else []
    expected["partial_fit"] = [*classes, "sample_weight"]
    for method, names in expected.items():
        assert sorted(getattr(requests, method).requests) == names
    assert not requests.predict.requests
    assert not requests.transform.requests


# Output containers


@pytest.mark.parametrize("container", ["pandas", "polars"])
def test_set_output(container, docstrings, fitted):
    texts, _ = docstrings
    series = pd.Series(texts, index=range(7, 7 + len(texts)))
    plain = fitted.transform(texts)
    with config_context(transform_output=container):
        frame = fitted.transform(series)
    assert type(frame).__module__.startswith(container)
    assert_array_equal(frame.columns, fitted.get_feature_names_out())
    assert_array_equal(frame.to_numpy(), plain)
    assert plain.dtype == frame.to_numpy().dtype == np.float32
    if container == "pandas":
        assert_array_equal(frame.index, series.index)


def test_set_output_of_one_estimator(docstrings):
    texts, libraries = docstrings
    model = classifier().set_output(transform="pandas")
    assert isinstance(model.fit_transform(texts, libraries), pd.DataFrame)
    assert isinstance(clone(model).fit_transform(texts, libraries), pd.DataFrame)
    assert isinstance(model.predict_proba(texts), np.ndarray)


# Parameters, copies and pictures


def documented_parameters(Estimator):
    section = Estimator.__doc__.split("Parameters\n----------\n")[1]
    section = section.split("\nAttributes\n----------\n")[0]
    return re.findall(r"^(\w+) : ", section, flags=re.MULTILINE)


@pytest.mark.parametrize("Estimator", ESTIMATORS)
def test_parameters_are_the_documented_ones(Estimator):
    documented = documented_parameters(Estimator)
    assert len(documented) == len(set(documented))
    assert sorted(documented) == sorted(Estimator().get_params())
    routed = {"optimizer__beta_1": 0.5, "compile__run_eagerly": True}
    with_routed = Estimator(**routed).get_params()
    assert with_routed == Estimator().get_params() | routed


@pytest.mark.parametrize("Estimator", ESTIMATORS)
@pytest.mark.parametrize(
    "name", ["units", "classweight", "model__units", "nothing__beta_1"]
)
def test_unknown_parameters_are_refused(Estimator, name):
    with pytest.raises(TypeError, match=f"unexpected keyword argument '{name}'"):
        Estimator(**{name: 1})
    estimator = Estimator()
    with pytest.raises(ValueError, match="Invalid parameter"):
        estimator.set_params(epochs=9, **{name: 1})
    assert name not in estimator.get_params()


@pytest.mark.parametrize("Estimator", [RNNTextClassifier, RNNTextRegressor])
def test_tags_say_what_is_taken(Estimator):
    tags = get_tags(Estimator())
    assert tags.input_tags.string
    assert tags.input_tags.one_d_array
    assert not tags.input_tags.two_d_array
    if Estimator is RNNTextClassifier:
        assert tags.classifier_tags.multi_label
    else:
        assert tags.target_tags.multi_output


def test_clone_is_unfitted_and_learns_the_same(docstrings, fitted):
    texts, libraries = docstrings
    again = clone(fitted)
    assert again.get_params() == fitted.get_params()
    with pytest.raises(NotFittedError):
        again.predict(texts)
    scores = again.fit(texts, libraries).decision_function(texts)
    assert_array_equal(scores, fitted.decision_function(texts))


def test_deepcopy_goes_its_own_way(docstrings, fitted):
    texts, libraries = docstrings
    before = fitted.decision_function(texts)
    other = copy.deepcopy(fitted)
    assert_array_equal(other.decision_function(texts), before)
    other.partial_fit(texts, libraries)
    assert not np.array_equal(other.decision_function(texts), before)
    assert_array_equal(fitted.decision_function(texts), before)
    assert (other.n_iter_, fitted.n_iter_) == (4, 3)


def test_repr_shows_what_was_changed():
    assert repr(RNNTextClassifier()) == "RNNTextClassifier()"
    estimator = RNNTextRegressor(hidden_size=8, optimizer__beta_1=0.5)
    assert repr(estimator) == "RNNTextRegressor(hidden_size=8, optimizer__beta_1=0.5)"


def test_repr_breaks_lines_where_scikit_learn_does():
    changed = {
        "hidden_size": 100,
        "learning_rate": 0.0001,
        "token_pattern": "[a-z]+",
        "n_iter_no_change": 10,
        "validation_fraction": 0.25,
    }
    lines = repr(RNNTextClassifier(**changed)).splitlines()
    assert len(lines) > 1 and max(map(len, lines)) < 80
    as_step = repr(make_pipeline(RNNTextClassifier(**changed))).splitlines()
    assert len(as_step) > len(lines) and max(map(len, as_step)) < 100


def test_html_repr(docstrings, fitted):
    html = make_pipeline(FunctionTransformer(), fitted)._repr_html_()
    assert "RNNTextClassifier" in html
    assert "hidden_size" in html
    assert "optimizer__beta_1" not in html
    alone = fitted._repr_html_()
    assert "Fitted" in alone
    assert "Not fitted" in clone(fitted)._repr_html_()


@pytest.mark.parametrize("parameter", ["embeddings", "vocabulary"])
def test_long_collections_of_tokens_are_counted_where_an_estimator_is_shown(parameter):
    tokens = {f"token{i}": [0.5, i] for i in range(2000)}
    estimator = RNNTextClassifier(**{parameter: tokens}, epochs=2)
    arguments = ", ".join(sorted([f"{parameter}=<dict of 2000 tokens>", "epochs=2"]))
    assert repr(estimator) == f"RNNTextClassifier({arguments})"
    page = estimator._repr_html_()
    assert "dict of 2000 tokens" in page and "token1999" not in page
    assert estimator.get_params()[parameter] is tokens
    assert getattr(clone(estimator), parameter) == tokens
    tokenizer = Tokenizer(vocabulary=tokens)
    assert repr(tokenizer) == "Tokenizer(vocabulary=<dict of 2000 tokens>)"
    few = RNNTextClassifier(**{parameter: {"a": [1.0]}})
    assert repr(few) == f"RNNTextClassifier({parameter}={{'a': [1.0]}})"
