"""From texts to labels."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from os import PathLike
from typing import Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import ClassifierMixin
from sklearn.utils import Tags
from sklearn.utils._param_validation import InvalidParameterError, StrOptions
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from skrnn._keras import keras
from skrnn.base import TextEstimator
from skrnn.class_weights import weigh_by_class
from skrnn.losses import (
    HINGES,
    arguments_of,
    check_loss,
    check_routed,
    is_hinge,
    is_one_against_all,
)
from skrnn.parameters import documented
from skrnn.target_encoders import ClassEncoder
from skrnn.targets import check_present, of_fixed_width


def _gives_probabilities(classifier) -> bool:
    loss = getattr(classifier, "_fitted_loss", classifier.loss)
    if is_hinge(loss):
        raise AttributeError(
            f"probability estimates are not available for loss={loss!r}"
        )
    return True


@documented
class RNNTextClassifier(ClassifierMixin, TextEstimator):
    """Classify texts with a recurrent neural network.

    Raw texts go in: a built-in tokenizer learns the vocabulary, an embedding
    turns tokens into vectors, a gated recurrent unit [1]_ reads them, and a
    linear head scores what it has read. Recurrent kernels start orthogonal, the
    gates are steep and hard, and Adam with a clipped gradient norm trains it.
    Beside it stands a linear model on word n-grams; their scores are added up.

    Parameters
    ----------
    <text>

    <network>

    <wide>

    <optimizer>

    loss : {"log_loss", "hinge", "squared_hinge"}, `keras.losses.Loss`, class or \
callable, default="log_loss"
        What is minimised. The hinges count each class against all others and
        give no probabilities. A loss of Keras is given a column of 0 and 1 for
        each class, one column for two classes, and the scores without any
        activation, as log odds or margins: those of Keras that compare values, such
        as `MeanSquaredError`, are refused. Its binary cross-entropies count each of
        several classes against all others, whose probabilities are scaled to sum to
        1; with any other loss they are the softmax of the scores.

    <training>

    class_weight : dict, list of dict, or "balanced", default=None
        Weights of the classes, by label; they multiply `sample_weight`.
        "balanced" gives every class the same total weight. A multilabel indicator
        takes a list with one dict per column, or "balanced", which counts each
        column's texts without their weights. See
        `sklearn.utils.class_weight.compute_sample_weight`.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The labels in sorted order; column numbers for a multilabel indicator.

    <attributes>

    See Also
    --------
    RNNTextRegressor : The same for values.
    Tokenizer : The tokenizer alone.

    References
    ----------
    <references>

    Examples
    --------
    >>> from skrnn import RNNTextClassifier
    >>> texts = ["a fine film", "a dull film", "fine, fine!", "so dull"] * 8
    >>> labels = ["good", "bad", "good", "bad"] * 8
    >>> classifier = RNNTextClassifier(epochs=10, batch_size=4, random_state=0)
    >>> classifier.fit(texts, labels).predict(["a dull story", "fine"])
    array(['bad', 'good'], dtype='<U4')
    """

    # What the wide part minimises.
    _wide_loss = "log_loss"

    _parameter_constraints = {
        **TextEstimator._parameter_constraints,
        "loss": [StrOptions({"log_loss", *HINGES}), keras.losses.Loss, callable],
        "class_weight": [StrOptions({"balanced"}), dict, list, None],
    }

    def __init__(
        self,
        *,
        lowercase: bool = True,
        strip_accents: str | Callable[[str], str] | None = None,
        analyzer: str = "word",
        tokenizer: Callable[[str], Iterable[str]] | None = None,
        token_pattern: str | None = None,
        max_features: int | None = 20_000,
        min_df: int | float = 1,
        max_df: int | float = 1.0,
        vocabulary: Mapping[str, int] | Collection[str] | None = None,
        max_length: int | None = 600,
        truncate: str = "middle",
        embeddings: Mapping[str, ArrayLike] | str | PathLike | None = "cooccurrence",
        embedding_size: int = 128,
        hidden_size: int = 256,
        cell: str = "gru",
        n_layers: int = 1,
        bidirectional: bool = False,
        learn_initial_state: bool = False,
        gate_activation: str = "hard_sigmoid",
        pooling: str = "concat",
        embedding_dropout: float = 0.5,
        dropout: float = 0.2,
        l2: float = 0.0,
        wide: bool | str = "auto",
        optimizer: str | keras.optimizers.Optimizer | type = "adam",
        learning_rate: float | keras.optimizers.schedules.LearningRateSchedule = 0.002,
        learning_rate_schedule: str = "linear",
        clipnorm: float | None = 1.0,
        loss: str | keras.losses.Loss | type | Callable = "log_loss",
        metrics: str | Callable | Sequence | None = None,
        callbacks: keras.callbacks.Callback | Sequence | dict | type | None = None,
        epochs: int | str = "auto",
        batch_size: int = 64,
        precision: str = "auto",
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 3,
        warm_start: bool = False,
        random_state: int | np.random.RandomState | None = None,
        verbose: int = 0,
        class_weight: dict | list[dict] | str | None = None,
        **routed,
    ):
        super().__init__(
            lowercase=lowercase,
            strip_accents=strip_accents,
            analyzer=analyzer,
            tokenizer=tokenizer,
            token_pattern=token_pattern,
            max_features=max_features,
            min_df=min_df,
            max_df=max_df,
            vocabulary=vocabulary,
            max_length=max_length,
            truncate=truncate,
            embeddings=embeddings,
            embedding_size=embedding_size,
            hidden_size=hidden_size,
            cell=cell,
            n_layers=n_layers,
            bidirectional=bidirectional,
            learn_initial_state=learn_initial_state,
            gate_activation=gate_activation,
            pooling=pooling,
            embedding_dropout=embedding_dropout,
            dropout=dropout,
            l2=l2,
            wide=wide,
            optimizer=optimizer,
            learning_rate=learning_rate,
            learning_rate_schedule=learning_rate_schedule,
            clipnorm=clipnorm,
            loss=loss,
            metrics=metrics,
            callbacks=callbacks,
            epochs=epochs,
            batch_size=batch_size,
            precision=precision,
            early_stopping=early_stopping,
            validation_fraction=validation_fraction,
            n_iter_no_change=n_iter_no_change,
            warm_start=warm_start,
            random_state=random_state,
            verbose=verbose,
            **routed,
        )
        self.class_weight = class_weight

    @property
    def classes_(self) -> np.ndarray:
        """The labels in sorted order, shape (n_classes,)."""
        check_is_fitted(self)
        return self._target_encoder.classes_

    def fit(
        self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> Self:
        """Learn vocabulary and network from texts and their labels.

        Parameters
        ----------
        X : array-like of str, shape (n_texts,)
            Texts: a list, an array, a Series, or one column of a table.

        y : array-like of shape (n_texts,), or {array-like, sparse matrix} of shape \
(n_texts, n_classes)
            Labels of any kind, or a multilabel indicator.

        sample_weight : array-like of shape (n_texts,), default=None
            Weights of the texts in the loss, of which only the proportions matter. A
            text of weight 0 is left out, and only its label counts among the classes.

        Returns
        -------
        self : object

        Raises
        ------
        ValueError
            If a parameter, a text, a label or a weight is not valid, or training
            diverges. The estimator is then left as it was.

        TypeError
            If a text is not a `str`, or a parameter is of a wrong type.

        FileNotFoundError
            If `embeddings` names a file that is not there.

        MemoryError
            If a batch or the network does not fit in memory; the message says what
            to lower.

        RuntimeError
            In a process forked from one that had used TensorFlow.
        """
        return self._fit_whole(X, y, sample_weight)

    def partial_fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        classes: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
    ) -> Self:
        """Train for one epoch more, on these texts.

        The first call learns the vocabulary, which then stays.

        Parameters
        ----------
        X : array-like of str, shape (n_texts,)
            Texts.

        y : array-like of shape (n_texts,), or {array-like, sparse matrix} of shape \
(n_texts, n_classes)
            Labels, or a multilabel indicator.

        classes : array-like of shape (n_classes,), default=None
            All labels of all calls, or for multilabel indicators one per column.
            Needed in the first call only.

        sample_weight : array-like of shape (n_texts,), default=None
            What the loss of each text is multiplied by, beside its class' weight. A
            text of weight 0 is left out, and its words are no part of the vocabulary;
            one at least needs a weight above 0.

        Returns
        -------
        self : object

        Raises
        ------
        ValueError
            As in `fit`; or if `early_stopping` is on, `wide` is True or `class_weight`
            "balanced", the first call has no `classes`, one of them is missing, or `y`
            holds a label that is not among them.

        TypeError
            If a text is not a `str`, or a parameter is of a wrong type.

        FileNotFoundError
            If `embeddings` names a file that is not there.

        MemoryError
            If a batch or the network does not fit in memory; the message says what
            to lower.

        RuntimeError
            In a process forked from one that had used TensorFlow.
        """
        self._check_partial_fit_parameters()
        if classes is not None:
            if np.ndim(classes) != 1:
                raise ValueError(
                    "`classes` should be a list or 1d array of labels, got "
                    f"{classes!r}."
                )
            check_present(classes, "classes")
            classes = of_fixed_width(classes)
        go_on = hasattr(self, "model_")
        if not go_on and classes is None:
            raise ValueError("classes must be passed on the first call to partial_fit.")
        if go_on and classes is not None:
            given = np.unique(classes)
            if self._target_encoder.kind_ == "multilabel":
                # The columns have no other names than their numbers.
                is_same = len(classes) == len(self.classes_)
            else:
                is_same = np.array_equal(self.classes_, given)
            if not is_same:
                was = (
                    f"{len(self.classes_)} columns"
                    if self._target_encoder.kind_ == "multilabel"
                    else repr(self.classes_)
                )
                raise ValueError(
                    f"`classes={classes!r}` is not the same as on last call to "
                    f"partial_fit, was: {was}"
                )
        return self._fit(X, y, sample_weight, epochs=1, classes=classes, go_on=go_on)

    def predict(self, X: ArrayLike) -> np.ndarray:
        """The likeliest label of each text.

        Parameters
        ----------
        X : array-like of str, shape (n_texts,)
            Texts.

        Returns
        -------
        ndarray of shape (n_texts,) or (n_texts, n_classes)
            Labels, or a multilabel indicator.

        Raises
        ------
        NotFittedError
            If the estimator has not been fitted.

        ValueError, TypeError
            If `X` is not a column of texts.

        MemoryError
            If a batch does not fit in memory; the message says what to lower.

        RuntimeError
            In a process forked after TensorFlow was used, unless the compiled kernel
            answers.
        """
        scores = self._scores(X)
        return self._target_encoder.inverse_transform(scores)

    def decision_function(self, X: ArrayLike) -> np.ndarray:
        """The scores of the classes.

        With log loss they are log odds for two classes and for each column of an
        indicator; for more classes their softmax gives the probabilities.

        Parameters
        ----------
        X : array-like of str, shape (n_texts,)
            Texts.

        Returns
        -------
        ndarray of shape (n_texts,) or (n_texts, n_classes), float32
            For two classes the score of ``classes_[1]``.

        Raises
        ------
        NotFittedError
            If the estimator has not been fitted.

        ValueError, TypeError
            If `X` is not a column of texts.

        MemoryError
            If a batch does not fit in memory; the message says what to lower.

        RuntimeError
            In a process forked after TensorFlow was used, unless the compiled kernel
            answers.
        """
        scores = self._scores(X)
        return scores[:, 0] if self._target_encoder.kind_ == "binary" else scores

    @available_if(_gives_probabilities)
    def predict_proba(self, X: ArrayLike) -> np.ndarray:
        """The classes' probabilities.

        Not available with the hinge losses.

        Parameters
        ----------
        X : array-like of str, shape (n_texts,)
            Texts.

        Returns
        -------
        ndarray of shape (n_texts, n_classes), float64
            In the order of `classes_`. Rows sum to 1, except for a multilabel
            indicator, where each column is a probability of its own.

        Raises
        ------
        NotFittedError
            If the estimator has not been fitted.

        ValueError, TypeError
            If `X` is not a column of texts.

        MemoryError
            If a batch does not fit in memory; the message says what to lower.

        RuntimeError
            In a process forked after TensorFlow was used, unless the compiled kernel
            answers.
        """
        scores = self._scores(X)
        return self._target_encoder.probabilities(scores)

    @available_if(_gives_probabilities)
    def predict_log_proba(self, X: ArrayLike) -> np.ndarray:
        """The logarithms of the classes' probabilities.

        Not available with the hinge losses.

        Parameters
        ----------
        X : array-like of str, shape (n_texts,)
            Texts.

        Returns
        -------
        ndarray of shape (n_texts, n_classes), float64
            In the order of `classes_`.

        Raises
        ------
        NotFittedError
            If the estimator has not been fitted.

        ValueError, TypeError
            If `X` is not a column of texts.

        MemoryError
            If a batch does not fit in memory; the message says what to lower.

        RuntimeError
            In a process forked after TensorFlow was used, unless the compiled kernel
            answers.
        """
        scores = self._scores(X)
        return self._target_encoder.log_probabilities(scores)

    def _check_partial_fit_parameters(self) -> None:
        super()._check_partial_fit_parameters()
        if self.class_weight == "balanced":
            raise ValueError(
                "class_weight 'balanced' is not supported for partial_fit. In order "
                "to use 'balanced' weights, use "
                "sklearn.utils.class_weight.compute_class_weight('balanced', "
                "classes=classes, y=y) on all labels, and pass the weights as a dict."
            )

    def _weigh(self, y, sample_weight, target_encoder: ClassEncoder) -> np.ndarray:
        if self.class_weight is None:
            return sample_weight
        is_multilabel = target_encoder.kind_ == "multilabel"
        if isinstance(self.class_weight, list) and not is_multilabel:
            raise InvalidParameterError(
                f"The 'class_weight' parameter of {type(self).__name__} is a dict or "
                "'balanced' where `y` is no multilabel indicator. Got "
                f"{self.class_weight!r} instead."
            )
        return weigh_by_class(
            sample_weight,
            y,
            self.class_weight,
            classes=None if is_multilabel else target_encoder.classes_,
        )

    def _fit_target_encoder(self, y, sample_weight, classes) -> ClassEncoder:
        return ClassEncoder(
            one_hot=self.loss != "log_loss" or self._smooths_labels,
            one_against_all=is_one_against_all(self.loss),
        ).fit(y, classes)

    def _strata(self, y):
        return y if y.ndim == 1 else None

    def _activation(self, target_encoder: ClassEncoder) -> str:
        if target_encoder.kind_ != "multiclass":
            return "sigmoid"
        return "one_against_all" if target_encoder.one_against_all else "softmax"

    def _loss_and_arguments(self, target_encoder: ClassEncoder):
        # Only names are looked up: another loss may not be hashable.
        if isinstance(self.loss, str) and self.loss in HINGES:
            return HINGES[self.loss], {}
        check_routed(self.loss, self._routed())
        if self.loss != "log_loss":
            is_multiclass = target_encoder.kind_ == "multiclass"
            check_loss(self.loss, is_multiclass=is_multiclass)
            return self.loss, arguments_of(self.loss)
        if target_encoder.kind_ != "multiclass":
            kind = keras.losses.BinaryCrossentropy
        elif self._smooths_labels:
            kind = keras.losses.CategoricalCrossentropy
        else:
            kind = keras.losses.SparseCategoricalCrossentropy
        return kind, {"from_logits": True}

    @property
    def _smooths_labels(self) -> bool:
        # Class numbers cannot be smoothed, a column for each class can.
        return "loss__label_smoothing" in self._routed()

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags
