"""What bad input gets, and that it never leaves an estimator half changed."""

import copy
import pathlib
import warnings

import keras
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import scipy.sparse
from corpus import (
    LABELS,
    STARS,
    STRANGE_TEXTS,
    TEXTS,
    TINY,
    assert_same_model,
    classifier,
    regressor,
    weights,
)
from sklearn.base import clone
from sklearn.ensemble import VotingClassifier
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline

from skrnn import RNNTextClassifier

# Two batches an epoch, so that there is a middle of it.
PARAMS = {"batch_size": 8, "clipnorm": None, "epochs": 1}


@pytest.fixture(scope="module")
def fitted():
    return RNNTextClassifier(**TINY).fit(TEXTS, LABELS)


@pytest.fixture(scope="module", params=[False, "auto"])
def untouched(request):
    return classifier(**PARAMS, wide=request.param).fit(TEXTS, LABELS)


# Texts


@pytest.mark.parametrize(
    "container",
    [
        tuple,
        np.array,
        lambda texts: np.array(texts, dtype=object),
        lambda texts: np.array(texts)[:, None],
        lambda texts: [[text] for text in texts],
        lambda texts: pd.Series(texts, index=range(100, 116)),
        lambda texts: pd.Series(texts, dtype="category"),
        lambda texts: pd.DataFrame({"text": texts}),
        pl.Series,
        lambda texts: pl.DataFrame({"text": texts}),
        pa.array,
        lambda texts: pa.chunked_array([texts[:3], texts[3:]]),
    ],
)
def test_containers_of_texts(fitted, container):
    X = container(TEXTS)
    np.testing.assert_array_equal(
        fitted.decision_function(X), fitted.decision_function(TEXTS)
    )
    initialized = classifier().initialize(X, LABELS)
    assert initialized.tokenizer_.vocabulary_ == fitted.tokenizer_.vocabulary_


BAD_TEXTS = [
    ("one bare string", ValueError, "wrap it in a list"),
    (["a", None] * 8, ValueError, "position 1 is missing.*fillna"),
    (["a", "b", np.nan, None] * 4, ValueError, "position 2 is missing.*SimpleImputer"),
    (pd.Series(["a", pd.NA] * 8), ValueError, "position 1 is missing"),
    (pd.Series(["a", None] * 8, dtype="string"), ValueError, "position 1 is missing"),
    (pl.Series(["a", None] * 8), ValueError, "position 1 is missing.*fill_null"),
    (pa.array(["a", None] * 8), ValueError, "position 1 is missing"),
    (["a", b"b"] * 8, TypeError, "position 1, got bytes: decode it first"),
    (np.array([b"a"] * 16), TypeError, "position 0, got bytes: decode it first"),
    (["a", "b", 3.5, 4] * 4, TypeError, "position 2, got float"),
    (np.arange(16), TypeError, "position 0, got int"),
    ([object()] * 16, TypeError, "position 0, got object"),
    (np.array([["a", "b"]] * 16), ValueError, "ColumnTransformer"),
    (pd.DataFrame({"one": TEXTS, "two": TEXTS}), ValueError, "ColumnTransformer"),
    (scipy.sparse.csr_array(np.eye(16)), TypeError, "got csr_array"),
    (dict.fromkeys(range(16), "a"), TypeError, "got dict"),
    ({"a", "b"}, TypeError, "got set"),
    ((text for text in TEXTS), TypeError, "got generator"),
    (b"bytes", TypeError, "got bytes"),
    (None, TypeError, "got NoneType"),
    (5, TypeError, "got int"),
    ([], ValueError, "Found array with 0 sample"),
    (np.array([], dtype=str), ValueError, "Found array with 0 sample"),
]


@pytest.mark.parametrize(("X", "error", "message"), BAD_TEXTS)
def test_bad_texts(fitted, X, error, message):
    with pytest.raises(error, match=message):
        classifier().fit(X, LABELS)
    with pytest.raises(error, match=message):
        classifier().partial_fit(X, LABELS, classes=["bad", "good"])
    for method in ("predict", "predict_proba", "decision_function", "transform"):
        with pytest.raises(error, match=message):
            getattr(fitted, method)(X)


@pytest.mark.parametrize("text", STRANGE_TEXTS, ids=lambda text: ascii(text[:8]))
def test_strange_texts_are_valid(fitted, text):
    for texts in ([text], [text, *TEXTS]):
        assert np.isfinite(fitted.predict_proba(texts)).all()
        assert np.isfinite(fitted.transform(texts)).all()


def test_strange_texts_can_be_learned_from():
    texts = TEXTS + STRANGE_TEXTS
    fitted = classifier(max_length=8).fit(texts, np.arange(len(texts)) % 2)
    assert np.isfinite(fitted.history_["loss"]).all()
    assert np.isfinite(fitted.predict_proba(texts)).all()


def test_strange_texts_alone_can_be_learned_from():
    texts = STRANGE_TEXTS[:-1]
    fitted = regressor(batch_size=1).fit(texts, np.arange(len(texts)))
    assert np.isfinite(fitted.history_["loss"]).all()
    assert np.isfinite(fitted.predict(texts)).all()


def test_texts_without_any_token_cannot_be_learned_from():
    with pytest.raises(ValueError, match="empty vocabulary"):
        classifier().fit(["", " "] * 8, LABELS)


# Targets and weights


@pytest.mark.parametrize(
    ("values", "container"),
    [
        ((-1, 1), np.asarray),
        ((1, 2), np.asarray),
        ((0, 5), np.asarray),
        ((0, 5), scipy.sparse.csr_array),
        ((0, 2), scipy.sparse.csr_matrix),
    ],
)
def test_an_indicator_of_other_numbers_than_0_and_1(values, container):
    y = np.array([[values[0], values[1]], [values[1], values[0]]] * 8)
    with pytest.raises(ValueError, match="indicator holds 0 and 1, but `y` holds"):
        classifier().fit(TEXTS, container(y))


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (["a", "b"], r"inconsistent numbers of samples: \[16, 2\]"),
        ([], "minimum of 1 is required|inconsistent numbers of samples"),
        ([0.0, np.nan] * 8, "Input y contains NaN"),
        (["a", None] * 8, "contains NaN"),
        (pd.Series(["a", None] * 8), "contains NaN"),
        (pd.Series(["a", np.nan] * 8, dtype="category"), "contains NaN"),
        (pd.Series([1, pd.NA] * 8, dtype="Int64"), "Input y contains NaN"),
        (pd.Series(["a", pd.NA] * 8, dtype="string"), "contains NaN"),
        (["one"] * 16, "number of classes has to be greater than one; got 1 class"),
        (np.linspace(0, 1, 16), "Unknown label type: continuous"),
        (np.arange(48).reshape(16, 3) % 4, "MultiOutputClassifier"),
        (None, "requires y to be passed, but the target y is None"),
        (np.zeros((16, 2, 2)), "dim 3|3 dim"),
        ([["a"], ["a", "b"]] * 8, r"lists of different lengths.*MultiLabelBinarizer"),
        ((["a"], ["a", "b"]) * 8, r"lists of different lengths.*MultiLabelBinarizer"),
        ([[1, [2, 3]], [1]] * 8, "lists of different lengths"),
        ([{"a"}, {"a", "b"}] * 8, r"holds sets.*MultiLabelBinarizer"),
        (np.ma.masked_equal([0, 1, -1, 1] * 4, -1), "Input y has masked entries"),
        ([np.datetime64("2020"), np.datetime64("NaT")] * 8, "contains NaN"),
    ],
)
def test_bad_labels(y, message):
    with pytest.raises(ValueError, match=message):
        classifier().fit(TEXTS, y)


@pytest.mark.parametrize(
    ("y", "message"),
    [
        ([1.0, 2.0], r"inconsistent numbers of samples: \[16, 2\]"),
        ([0.0, np.nan] * 8, "Input y contains NaN"),
        ([0.0, np.inf] * 8, "Input y contains infinity"),
        ([0.0, None] * 8, "Input y contains NaN"),
        (["a", "b"] * 8, "could not convert string to float"),
        (np.ma.masked_equal([0.5, -999] * 8, -999), "Input y has masked entries"),
        ([1j] * 16, "Complex data not supported"),
        (None, "requires y to be passed, but the target y is None"),
        ("good", "Input y should be a list or an array, got str"),
        ({1.0, 2.0}, "Input y should be a list or an array, got set"),
        ((one for one in STARS), "a list or an array, got generator"),
    ],
)
def test_bad_values(y, message):
    with pytest.raises(ValueError, match=message):
        regressor().fit(TEXTS, y)


@pytest.mark.parametrize(
    ("weight", "message"),
    [
        ([1.0, 2.0], "sample_weight.shape == "),
        (np.ones((16, 2)), "Sample weights must be 1D"),
        ([np.nan] * 16, "Input sample_weight contains NaN"),
        ([np.inf] * 16, "Input sample_weight contains infinity"),
        ([-1.0] * 16, "Negative values in data passed to `sample_weight`"),
        ([0.0] * 16, "at least one non-zero number"),
        (np.ma.masked_less([1.0, -9.0] * 8, 0), "sample_weight has masked entries"),
    ],
)
def test_bad_weights(weight, message):
    with pytest.raises(ValueError, match=message):
        classifier().fit(TEXTS, LABELS, sample_weight=weight)


@pytest.mark.parametrize(
    "method",
    [
        "predict",
        "predict_proba",
        "predict_log_proba",
        "decision_function",
        "transform",
    ],
)
def test_nothing_before_fit(method):
    with pytest.raises(NotFittedError):
        getattr(classifier(), method)(TEXTS)


def test_no_score_and_no_attributes_before_fit():
    with pytest.raises(NotFittedError):
        classifier().score(TEXTS, LABELS)
    for name in ("classes_", "tokenizer_", "model_", "history_", "n_iter_"):
        assert not hasattr(classifier(), name)


# Parameters


class Unclipped(keras.optimizers.SGD):
    def __init__(self, learning_rate=0.01):
        super().__init__(learning_rate)


WRONG = {
    "lowercase": ["yes", 2],
    "strip_accents": ["latin", 1],
    "analyzer": ["sentence", None],
    "tokenizer": ["split", 3],
    "token_pattern": [3, "("],
    "max_features": [0, 2.5, "all"],
    "min_df": [-1, 1.5, "two"],
    "max_df": [-1, 1.5, None],
    "vocabulary": [3],
    "max_length": [0, -1, 3.5],
    "truncate": ["left", None],
    "embeddings": [3, [[0.0]]],
    "embedding_size": [0, 8.0, None],
    "hidden_size": [0, 8.0, "8"],
    "cell": ["rnn", None],
    "n_layers": [0, 1.5],
    "bidirectional": ["no", 2],
    "learn_initial_state": ["no", None],
    "gate_activation": ["relu", None],
    "pooling": ["min", ["last"]],
    "embedding_dropout": [-0.1, 1, "0.5"],
    "dropout": [-0.1, 1.0, None],
    "l2": [-1e-3, None],
    "wide": ["deep", None],
    "optimizer": ["adamant", 0.1, None, int],
    "learning_rate": [0, -0.1, np.nan, "fast"],
    "learning_rate_schedule": ["cosine", None],
    "clipnorm": [0, -1.0, "none"],
    "loss": ["cross", 3, None],
    "metrics": [3],
    "callbacks": [3, "early", {keras.callbacks.Callback()}],
    "epochs": [0, 1.5, None],
    "batch_size": [0, -8, 8.0],
    "precision": ["float16", None],
    "early_stopping": ["yes", 3],
    "validation_fraction": [0, 1, 1.5, "0.1"],
    "n_iter_no_change": [0, 2.5],
    "warm_start": ["yes", None],
    "random_state": ["seed", -1, 0.5],
    "verbose": [-1, "loud"],
    "class_weight": ["equal", 2.0],
}


def test_what_stands_twice_in_a_sparse_indicator_counts_as_the_sum():
    n_texts = len(TEXTS)
    columns = [0, 0, *[1] * (n_texts - 1)]
    ends = [0, *range(2, n_texts + 2)]
    twice = scipy.sparse.csr_matrix((np.ones(n_texts + 1), columns, ends))
    with pytest.raises(ValueError, match=r"holds 0 and 1, but `y` holds \[1. 2.\]"):
        classifier().fit(TEXTS, twice)
    as_flags = scipy.sparse.csr_matrix((np.ones(n_texts + 1, bool), columns, ends))
    assert_same_model(
        classifier().fit(TEXTS, as_flags),
        classifier().fit(TEXTS, as_flags.toarray().astype(int)),
    )


def test_every_parameter_is_tried():
    assert set(WRONG) == set(RNNTextClassifier().get_params())


@pytest.mark.parametrize(
    ("name", "value"),
    [(name, value) for name, values in WRONG.items() for value in values],
)
def test_bad_parameters(name, value):
    estimators = [classifier(**{name: value})]
    if name != "class_weight":
        estimators.append(regressor(**{name: value}))
    for estimator in estimators:
        with pytest.raises(ValueError, match=rf"(?<![\w_]){name}(?![\w])"):
            estimator.fit(TEXTS, [0, 1] * 8)


def test_losses_of_the_other_estimator():
    with pytest.raises(ValueError, match=r"'loss'.*log_loss"):
        classifier(loss="squared_error").fit(TEXTS, LABELS)
    with pytest.raises(ValueError, match=r"'loss'.*squared_error"):
        regressor(loss="log_loss").fit(TEXTS, STARS)


def test_unknown_parameters():
    with pytest.raises(TypeError, match="unexpected keyword argument 'hidden'"):
        RNNTextClassifier(hidden=3)
    with pytest.raises(TypeError, match="unexpected keyword argument 'fit__epochs'"):
        RNNTextClassifier(fit__epochs=3)
    with pytest.raises(TypeError, match="positional argument"):
        RNNTextClassifier(True)
    with pytest.raises(ValueError, match="Invalid parameter 'hidden'"):
        RNNTextClassifier().set_params(hidden=3)
    with pytest.raises(ValueError, match="Invalid parameter 'optimizer__'"):
        RNNTextClassifier().set_params(optimizer__=1)


@pytest.mark.parametrize(
    "params",
    [
        {"optimizer__nonsense": 1},
        {"loss": "hinge", "loss__nonsense": 1},
        {"compile__nonsense": 1},
    ],
)
def test_unknown_routed_arguments(params):
    with pytest.raises((TypeError, ValueError), match="nonsense"):
        classifier(**params).fit(TEXTS, LABELS)


@pytest.mark.parametrize("weight", [-3.0, np.nan, np.inf])
def test_weights_of_classes_that_are_none(weight):
    of_class = {"good": weight, "bad": weight}
    with pytest.raises(ValueError, match="`class_weight` should hold finite"):
        classifier(class_weight=of_class).fit(TEXTS, LABELS)


def test_weights_of_classes_that_are_no_single_precision():
    one = classifier(class_weight={"good": 1e39})
    with pytest.raises(ValueError, match=r"a weight of 1e\+39, more than float32"):
        one.partial_fit(TEXTS, LABELS, classes=["bad", "good"])
    # Of all the texts there are only proportions matter.
    one.fit(TEXTS, LABELS)


def test_the_loss_of_the_fit_that_is_gone_on_from_is_named():
    fitted = classifier(loss="hinge").fit(TEXTS, LABELS)
    fitted.set_params(loss="log_loss", wide=True, warm_start=True)
    with pytest.raises(ValueError, match="goes on from had loss='hinge'"):
        fitted.fit(TEXTS, LABELS)


def test_masks_that_hide_nothing_are_no_matter():
    nothing = np.ma.array([0, 1] * 8, mask=False)
    classifier().fit(TEXTS, nothing, sample_weight=np.ma.ones(16))


class CountsEpochs(keras.callbacks.Callback):
    n_epochs = 0

    def on_epoch_begin(self, epoch, logs=None):
        self.n_epochs += 1


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"tokenizer": str.split, "token_pattern": "x"}, "'token_pattern' will not be"),
        ({"vocabulary": ["Fine", "dull"]}, "Upper case characters found"),
        ({"optimizer": keras.optimizers.SGD(0.1)}, "'learning_rate' will not be used"),
    ],
)
def test_warnings_of_a_fit_point_at_its_caller(params, message):
    estimator = classifier(**params)
    model = make_pipeline(VotingClassifier([("only", estimator)]))
    for fit in (estimator.fit, estimator.initialize, model.fit):
        with pytest.warns(UserWarning, match=message) as caught:
            fit(TEXTS, LABELS)
        assert {one.filename for one in caught} == {__file__}


def test_an_optimizer_object_with_the_usual_step_size_beside_it():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        params = {"optimizer": keras.optimizers.SGD(0.1), "hidden_size": 4, "epochs": 1}
        RNNTextClassifier(**params, embedding_size=4).fit(TEXTS, LABELS)


def test_a_callback_that_sets_a_step_size_that_falls_by_itself():
    plateau = keras.callbacks.ReduceLROnPlateau("loss", patience=1, min_delta=9.0)
    params = {"callbacks": plateau, "epochs": 4}
    needs = "needs learning_rate_schedule='constant'"
    with pytest.raises(ValueError, match=needs):
        classifier(**params, learning_rate_schedule="linear").fit(TEXTS, LABELS)
    # Before anything is trained, whether it would ever set one or not.
    never = keras.callbacks.ReduceLROnPlateau("loss", patience=9)
    falling = classifier(learning_rate_schedule="linear", epochs=1)
    falling.fit(TEXTS, LABELS)
    counts = CountsEpochs()
    falling.set_params(callbacks=[never, counts], warm_start=True)
    for one in (falling, clone(falling)):
        with pytest.raises(ValueError, match=needs):
            one.fit(TEXTS, LABELS)
    assert counts.n_epochs == 0
    fitted = classifier(**params, learning_rate_schedule="constant").fit(TEXTS, LABELS)
    assert fitted.history_["learning_rate"][-1] < TINY["learning_rate"]


# Errors leave the estimator as it was


class Fails(keras.callbacks.Callback):
    """Raises in the middle of an epoch, after weights have changed."""

    def __init__(self, error):
        super().__init__()
        self.error = error

    def on_train_batch_end(self, batch, logs=None):
        if batch == 1:
            raise self.error("enough")


class Diverges(keras.callbacks.Callback):
    """Changes what training must put back: the step size and the weights."""

    def on_epoch_begin(self, epoch, logs=None):
        self.model.optimizer.learning_rate = 1e38


class SetsSchedule(keras.callbacks.Callback):
    """Leaves the optimizer without the variable of its step size."""

    def on_epoch_begin(self, epoch, logs=None):
        schedule = keras.optimizers.schedules.CosineDecay(0.01, 100)
        self.model.optimizer.learning_rate = schedule

    def on_epoch_end(self, epoch, logs=None):
        raise RuntimeError("enough")


# What is wrong, and what comes of it.
CAUSES = {
    "bad text": ({"X": [*TEXTS[1:], None]}, ValueError, "position 15 is missing"),
    "bad labels": ({"y": ["good"] * 15}, ValueError, "inconsistent numbers"),
    "NaN in y": ({"y": [np.nan] * 16}, ValueError, "y contains NaN"),
    "bad weight": ({"sample_weight": [-1] * 16}, ValueError, "Negative values"),
    "bad parameter": ({"params": {"batch_size": 0}}, ValueError, "'batch_size'"),
    "error in a callback": (
        {"params": {"callbacks": Fails(RuntimeError)}},
        RuntimeError,
        "enough",
    ),
    "interrupted": (
        {"params": {"callbacks": Fails(KeyboardInterrupt)}},
        KeyboardInterrupt,
        "enough",
    ),
    "diverged": ({"params": {"callbacks": Diverges()}}, ValueError, "diverged in"),
    "error after a schedule": (
        {"params": {"callbacks": SetsSchedule()}},
        RuntimeError,
        "enough",
    ),
}


@pytest.mark.parametrize("cause", CAUSES)
@pytest.mark.parametrize("method", ["fit", "warm fit", "partial_fit"])
def test_error_leaves_a_fitted_estimator_as_it_was(untouched, method, cause):
    failing = copy.deepcopy(untouched)
    change, error, message = CAUSES[cause]
    change = dict(change)
    failing.set_params(warm_start=method == "warm fit", **change.pop("params", {}))
    # Other labels, from which another wide part would be learned.
    data = {"X": TEXTS, "y": LABELS[::-1], **change}
    schedule = failing.model_.optimizer.get_config()["learning_rate"]
    with pytest.raises(error, match=message):
        getattr(failing, method.removeprefix("warm "))(**data)
    assert failing.model_.optimizer.get_config()["learning_rate"] == schedule
    failing.set_params(callbacks=None, **PARAMS)
    assert_same_model(failing, untouched)
    gone_on = copy.deepcopy(untouched).partial_fit(TEXTS, LABELS)
    assert_same_model(failing.partial_fit(TEXTS, LABELS), gone_on)


@pytest.mark.parametrize("cause", CAUSES)
def test_error_leaves_an_unfitted_estimator_unfitted(cause):
    change, error, message = CAUSES[cause]
    change = dict(change)
    failing = classifier(**{**PARAMS, **change.pop("params", {})})
    before = dict(vars(failing))
    with pytest.raises(error, match=message):
        failing.fit(**{"X": TEXTS, "y": LABELS, **change})
    assert vars(failing) == before
    with pytest.raises(NotFittedError):
        failing.predict(TEXTS)


def test_compiled_network_goes_on_after_an_error():
    untouched = RNNTextClassifier(**TINY | PARAMS).fit(TEXTS, LABELS)
    failing = copy.deepcopy(untouched).set_params(callbacks=Fails(RuntimeError))
    with pytest.raises(RuntimeError, match="enough"):
        failing.partial_fit(TEXTS, LABELS)
    assert_same_model(failing, untouched)
    failing.set_params(callbacks=None).partial_fit(TEXTS, LABELS)
    assert_same_model(failing, untouched.partial_fit(TEXTS, LABELS))


def test_weight_decay_that_copies_would_lack():
    optimizer = keras.optimizers.AdamW(weight_decay=0.5)
    optimizer.exclude_from_weight_decay(var_names=["bias"])
    with pytest.raises(ValueError, match="Copies of the `optimizer` lack what its"):
        classifier(optimizer=optimizer).fit(TEXTS, LABELS)


def test_missing_class():
    with pytest.raises(ValueError, match="Input classes contains NaN"):
        classifier().partial_fit(TEXTS, LABELS, classes=["bad", "good", None])


def test_a_callback_may_skip_all_epochs(tmp_path):
    def with_backup():
        backup = keras.callbacks.BackupAndRestore(tmp_path, delete_checkpoint=False)
        return classifier(callbacks=[backup])

    first = with_backup().fit(TEXTS, LABELS)
    second = with_backup().fit(TEXTS, LABELS)
    assert (first.n_iter_, second.n_iter_) == (2, 0)
    np.testing.assert_array_equal(second.predict(TEXTS), first.predict(TEXTS))
    # It has no part in later calls.
    second.set_params(callbacks=None).partial_fit(TEXTS, LABELS)
    assert second.n_iter_ == 1


def test_epochs_are_counted_from_where_a_backup_goes_on(tmp_path):
    class Breaks(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 2:
                raise InterruptedError

    params = {"epochs": 4, "early_stopping": True, "validation_fraction": 0.25}
    backup = keras.callbacks.BackupAndRestore(tmp_path, delete_checkpoint=False)
    with pytest.raises(InterruptedError):
        classifier(callbacks=[backup, Breaks()], **params).fit(TEXTS, LABELS)
    backup = keras.callbacks.BackupAndRestore(tmp_path)
    again = classifier(callbacks=[backup], **params).fit(TEXTS, LABELS)
    losses = again.history_["val_loss"]
    assert again.n_iter_ == len(losses) == 2
    assert again.best_epoch_ == 1 + np.argmin(losses)


def test_divergence_says_what_to_do():
    with pytest.raises(ValueError, match=r"in epoch 1\. Lower `learning_rate`"):
        classifier(callbacks=Diverges(), **PARAMS).fit(TEXTS, LABELS)


def test_divergence_is_told_of_by_its_epoch():
    class Later(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 3:
                self.model.optimizer.learning_rate = 1e38

    fitted = classifier(**PARAMS | {"epochs": 2}, warm_start=True).fit(TEXTS, LABELS)
    with pytest.raises(ValueError, match="in epoch 4"):
        fitted.set_params(callbacks=Later()).fit(TEXTS, LABELS)


@pytest.mark.parametrize("early_stopping", [False, True])
def test_a_loss_that_is_no_number_leaves_an_estimator_as_it_was(early_stopping):
    # Of scores below zero Poisson's logarithm is none, but its slope is one.
    failing = regressor(loss=keras.losses.Poisson(), early_stopping=early_stopping)
    failing.set_params(validation_fraction=0.25, epochs=2)
    before = dict(vars(failing))
    with pytest.raises(ValueError, match="diverged in epoch 1"):
        failing.fit(TEXTS, STARS)
    assert vars(failing) == before
    untouched = regressor(epochs=1).fit(TEXTS, STARS)
    failing = copy.deepcopy(untouched).set_params(loss=keras.losses.Poisson())
    failing.set_params(early_stopping=early_stopping, validation_fraction=0.25)
    with pytest.raises(ValueError, match="diverged in epoch 1"):
        failing.fit(TEXTS, STARS)
    assert failing.history_ == untouched.history_
    assert_same_model(failing, untouched)


def test_files_that_cannot_be_read_leave_an_estimator_unfitted():
    for nowhere in (pathlib.Path("nowhere.txt"), "coocurrence"):
        failing = classifier(embeddings=nowhere)
        with pytest.raises(FileNotFoundError, match="`embeddings` is neither"):
            failing.fit(TEXTS, LABELS)
        assert not hasattr(failing, "model_")


@pytest.mark.parametrize("classes", [{"good", "bad"}, "good", [["good", "bad"]]])
def test_classes_that_are_no_list_are_named(classes):
    failing = classifier()
    with pytest.raises(ValueError, match="`classes` should be a list"):
        failing.partial_fit(TEXTS, LABELS, classes=classes)


@pytest.mark.parametrize(
    ("params", "named"),
    [
        ({"callbacks": [3]}, "callbacks"),
        ({"callbacks": int}, "callbacks"),
        ({"loss": int}, "loss"),
        ({"loss__delta": 1.0}, "delta"),
        ({"callbacks__monitor": "loss"}, "callbacks__monitor needs `callbacks`"),
        ({"metrics": ["nonsense"]}, "`metrics`.*nonsense"),
        ({"compile__nope": 1}, "nope"),
        ({"compile__loss": "mse"}, "overrule the 'loss' parameter"),
        ({"optimizer__nope": 1}, "what is routed there, is wrong.*nope"),
        ({"optimizer": Unclipped}, "Unclipped takes no `global_clipnorm`.*clipnorm"),
        ({"compile__jit_compile": True, "compile__run_eagerly": False}, "XLA cannot"),
        ({"class_weight": {"good": [1], "bad": 1}}, "`class_weight` should hold"),
        ({"class_weight": [{"good": 1.0}]}, "'class_weight' parameter of RNNText"),
    ],
)
def test_parameters_that_only_keras_knows_to_be_wrong_are_named(params, named):
    with pytest.raises(ValueError, match=named):
        classifier(**params).fit(TEXTS, LABELS)


def test_parameters_are_checked_before_what_they_mean_to_partial_fit():
    with pytest.raises(ValueError, match="'early_stopping' parameter"):
        classifier(early_stopping="no").partial_fit(TEXTS, LABELS, classes=["a", "b"])


# Memory


def overcommits():
    file = pathlib.Path("/proc/sys/vm/overcommit_memory")
    return not file.exists() or file.read_text().strip() == "1"


@pytest.mark.skipif(
    overcommits(), reason="this system may promise memory that it does not have"
)
def test_a_batch_that_does_not_fit():
    # Some terabytes, from a few weights: asked for and refused at once.
    params = PARAMS | {"embedding_size": 10**6, "hidden_size": 1, "max_length": None}
    long_texts = ["fine " * 60_000] * 16
    fitted = classifier(**params).initialize(TEXTS, LABELS)
    with pytest.raises(MemoryError, match="Cut the texts shorter, or fit with a lower"):
        fitted.predict(long_texts)
    before = weights(fitted)
    with pytest.raises(MemoryError, match="Lower `batch_size` or `max_length`"):
        fitted.partial_fit(long_texts, LABELS)
    np.testing.assert_array_equal(weights(fitted), before)


@pytest.mark.skipif(
    overcommits(), reason="this system may promise memory that it does not have"
)
def test_a_network_that_does_not_fit():
    with pytest.raises(MemoryError, match=r"The network did not fit.*`hidden_size`"):
        classifier(embedding_size=10**12, embeddings=None).initialize(TEXTS, LABELS)
