"""The path from texts to a trained network that both estimators share."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from os import PathLike
from typing import Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import (
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
    is_classifier,
)
from sklearn.utils import Tags, check_random_state
from sklearn.utils.validation import check_consistent_length, check_is_fitted

from skrnn._keras import keras
from skrnn.backend import memory_errors_explained
from skrnn.fitted import Fitted
from skrnn.history import joined
from skrnn.implementation import fastest_precision
from skrnn.memory import give_back
from skrnn.metrics import check_metrics
from skrnn.network import SequenceModel, build_network, check_xla
from skrnn.parameters import (
    CONSTRAINTS,
    ENCODER_PARAMETERS,
    TOKENIZER_PARAMETERS,
    check_keras_objects,
)
from skrnn.processes import refuse_forked_process
from skrnn.routing import RoutedEstimator
from skrnn.sample_weights import (
    check_sample_weight,
    narrowed,
    of_mean_one,
    vanishing_as_zero,
    with_weight,
)
from skrnn.sequences import N_RESERVED_IDS, Sequences, positions_of
from skrnn.shown import ShownBriefly
from skrnn.targets import check_targets
from skrnn.texts import check_texts
from skrnn.threads import one_ahead, one_blas_thread
from skrnn.tokenizer import Tokenizer
from skrnn.training import check_step_size_is_free, train
from skrnn.training_data import TrainingData, hold_out
from skrnn.vectors import starting_vectors
from skrnn.versions import Versioned
from skrnn.wide import Blend, WidePart

_MAX_SEED = np.iinfo(np.int32).max

# So many texts are tokenized at a time for prediction: enough to sort by length.
_TEXTS_A_CHUNK = 4096

# With fewer texts, those held out could not tell how much each part should count.
_LEAST_TEXTS_TO_SPLIT = 200

# In place of a fingerprint, where fits went on with other texts.
_MIXED = b""

# What to do where a batch to predict does not fit.
_HOW_TO_SAVE_MEMORY = (
    "Cut the texts shorter, or fit with a lower `max_length` or smaller sizes of the "
    "network."
)

# What to do where the network itself does not.
_HOW_TO_SHRINK = (
    "Lower `max_features`, `embedding_size` or `hidden_size`, or let the embedding "
    "start at random: embeddings=None."
)

# Lengths of the wide part's n-grams.
_MOST_IDS = {"word": 2, "char": 5}


def _columns(targets: np.ndarray, n_outputs: int) -> np.ndarray:
    """A column for each class, true where it is a text's; values as they are."""
    return np.eye(n_outputs, dtype=bool)[targets] if targets.ndim == 1 else targets


def _python_number(value):
    """The same, a NumPy number as Python's, which does not overflow."""
    return value.item() if isinstance(value, np.generic) else value


class TextEstimator(
    Versioned,
    ShownBriefly,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
    RoutedEstimator,
):
    """What `RNNTextClassifier` and `RNNTextRegressor` have in common.

    A subclass gives `_fit_target_encoder`, `_strata` (what early stopping
    stratifies by), `_activation`, `_loss_and_arguments` and `_wide_loss` (the loss
    that the wide part has, too).
    """

    _parameter_constraints = CONSTRAINTS

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
        loss: str | keras.losses.Loss | type | Callable = "squared_error",
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
        **routed,
    ):
        self.lowercase = lowercase
        self.strip_accents = strip_accents
        self.analyzer = analyzer
        self.tokenizer = tokenizer
        self.token_pattern = token_pattern
        self.max_features = max_features
        self.min_df = min_df
        self.max_df = max_df
        self.vocabulary = vocabulary
        self.max_length = max_length
        self.truncate = truncate
        self.embeddings = embeddings
        self.embedding_size = embedding_size
        self.hidden_size = hidden_size
        self.cell = cell
        self.n_layers = n_layers
        self.bidirectional = bidirectional
        self.learn_initial_state = learn_initial_state
        self.gate_activation = gate_activation
        self.pooling = pooling
        self.embedding_dropout = embedding_dropout
        self.dropout = dropout
        self.l2 = l2
        self.wide = wide
        self.optimizer = optimizer
        self.learning_rate = learning_rate
        self.learning_rate_schedule = learning_rate_schedule
        self.clipnorm = clipnorm
        self.loss = loss
        self.metrics = metrics
        self.callbacks = callbacks
        self.epochs = epochs
        self.batch_size = batch_size
        self.precision = precision
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.warm_start = warm_start
        self.random_state = random_state
        self.verbose = verbose
        self._set_routed(routed)

    def _new_tokenizer(self) -> Tokenizer:
        parameters = {name: getattr(self, name) for name in TOKENIZER_PARAMETERS}
        # The wide part has all of a text; the network's part is cut from that.
        return Tokenizer(**{**parameters, "max_length": None})

    def initialize(self, X: ArrayLike, y: ArrayLike) -> Self:
        """Learn the vocabulary and build the network, without training it.

        The network can then be looked at, or given other weights, which `partial_fit`
        goes on from, and `fit` with ``warm_start=True``; else `fit` builds another.

        Parameters
        ----------
        X : array-like of str, shape (n_texts,)
            Texts.

        y : array-like of shape (n_texts,) or (n_texts, n_outputs)
            Targets.

        Returns
        -------
        self : object

        Raises
        ------
        ValueError, TypeError
            If a parameter, a text or a target is not valid.

        FileNotFoundError
            If `embeddings` names a file that is not there.

        MemoryError
            If the network does not fit in memory; the message says what to lower.

        RuntimeError
            In a process forked from one that had used TensorFlow.
        """
        self._validate_params()
        return self._fit(X, y, None, epochs=0)

    def _fit_whole(self, X, y, sample_weight) -> Self:
        self._validate_params()
        return self._fit(
            X,
            y,
            sample_weight,
            epochs=_python_number(self.epochs),
            go_on=self.warm_start and hasattr(self, "model_"),
            early_stopping=self.early_stopping,
            whole=True,
        )

    def transform(self, X: ArrayLike) -> np.ndarray:
        """The texts' representations: what the head sees.

        Parameters
        ----------
        X : array-like of str, shape (n_texts,)
            Texts.

        Returns
        -------
        ndarray of shape (n_texts, representation_size), float32
            Pooled hidden states of the top layer, within [-1, 1] unless the initial
            state is learned.
            ``representation_size`` is `hidden_size`, times 3 with
            ``pooling="concat"``, times 2 with ``bidirectional=True``.

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
        return self._apply(self._representations_of_sequences, X)

    def __sklearn_is_fitted__(self) -> bool:
        # A routed parameter's name may end as a fitted attribute's does.
        return hasattr(self, "model_")

    @property
    def _n_features_out(self) -> int:
        return self.model_.encoder.representation_size

    def _scores(self, X) -> np.ndarray:
        return self._apply(self._scores_of_sequences, X)

    def _representations_of_sequences(self, sequences: Sequences) -> np.ndarray:
        with memory_errors_explained(_HOW_TO_SAVE_MEMORY):
            return self.model_.represent(sequences.cut(*self._cut_to))

    def _scores_of_sequences(self, sequences: Sequences) -> np.ndarray:
        with memory_errors_explained(_HOW_TO_SAVE_MEMORY):
            of_network = self.model_.predict(sequences.cut(*self._cut_to))
            if self.wide_ is None:
                return of_network
            return self.blend_.scores(of_network, self.wide_.scores(sequences))

    def _apply(self, function, X) -> np.ndarray:
        """Call a function that takes sequences and gives an array of a row a text."""
        check_is_fitted(self)
        texts = self._check_texts(X, reset=False)
        tokenize = self.tokenizer_.transform
        if len(texts) <= _TEXTS_A_CHUNK:
            return function(tokenize(texts))
        # While the network computes one chunk, the next is tokenized.
        chunks = (
            tokenize(texts[start : start + _TEXTS_A_CHUNK])
            for start in range(0, len(texts), _TEXTS_A_CHUNK)
        )
        return np.concatenate(one_ahead(function, chunks))

    def _check_texts(self, X, *, reset: bool) -> list[str]:
        # `reset` is for subclasses whose texts have features to count.
        return check_texts(X)

    def _check_targets(self, y):
        return check_targets(y, type(self).__name__)

    def _check_partial_fit_parameters(self) -> None:
        self._validate_params()
        if self.early_stopping:
            raise ValueError("early_stopping should be False with partial_fit")
        if self._needs_wide:
            raise ValueError(
                "wide should be 'auto' or False with partial_fit, which trains the "
                "network alone"
            )

    def _check_data(self, X, y, sample_weight, *, reset: bool, whole: bool):
        texts = self._check_texts(X, reset=reset)
        y = self._check_targets(y)
        check_consistent_length(texts, y)
        return texts, y, check_sample_weight(sample_weight, y, whole=whole)

    def _weigh(self, y, sample_weight, target_encoder) -> np.ndarray:
        return sample_weight

    def _fit(
        self,
        X,
        y,
        sample_weight,
        *,
        epochs: int,
        classes=None,
        go_on: bool = False,
        early_stopping: bool = False,
        whole: bool = False,
    ) -> Self:
        """Train; nothing of the estimator changes before all has gone well.

        With `whole` these are all the texts there are, not some of many: the wide
        part learns from them too, the step size decays over them, and of their
        weights only the proportions matter.
        """
        refuse_forked_process()
        check_keras_objects(self)
        has_wide = whole and self._has_wide(go_on)
        fitted, sequences, data = self._prepare(
            X,
            y,
            sample_weight,
            classes=classes,
            go_on=go_on,
            early_stopping=early_stopping,
            has_wide=has_wide,
            whole=whole,
        )
        trains = bool(epochs) and data.weight.any()
        # First, for these may refuse what they are given.
        callbacks = self._build_callbacks() if trains else []
        if go_on:
            build = None
            # One that was loaded without its loss has none, and says so later.
            optimizer = getattr(fitted.model, "optimizer", None)
            check_step_size_is_free(callbacks, optimizer)
        else:
            build = self._network_builder(fitted, callbacks)
        # On texts that it has learned from the network would count for too much.
        fingerprint = data.fingerprint()
        if whole:
            # A copy of a column of texts may have been made.
            give_back()
        can_weigh = fitted.trained_on in (None, fingerprint)
        to_weigh = data if can_weigh else data.with_nothing_held_out()
        if not early_stopping:
            data = to_weigh
        blend = None if can_weigh else fitted.blend
        if whole:
            # `partial_fit` leaves both as they are.
            fitted.wide = fitted.blend = None
        history, best_epoch = {"loss": []}, self.best_epoch_ if go_on else None
        if trains and has_wide:
            # TensorFlow keeps the memory that building and training take.
            fitted.wide, of_wide = self._fit_wide(fitted, sequences, to_weigh)
            give_back()
        if not go_on:
            # What stops training must not shape what the embedding starts from.
            seen = sequences[data.train] if early_stopping else sequences
            with memory_errors_explained(_HOW_TO_SHRINK, "The network"):
                fitted.model = build(seen)
            del build, seen
        # Training needs the memory of all that the network does not read of long texts.
        del sequences
        if whole:
            give_back()
        if trains:
            model = fitted.model
            with model.put_back_on_error() if go_on else contextlib.nullcontext():
                try:
                    history, best_epoch = train(
                        model,
                        data,
                        callbacks,
                        epochs=epochs,
                        initial_epoch=self.n_iter_ if go_on else 0,
                        batch_size=_python_number(self.batch_size),
                        early_stopping=early_stopping,
                        patience=_python_number(self.n_iter_no_change),
                        random_state=fitted.random_state,
                        decay=whole,
                        verbose=min(int(self.verbose), 2),
                    )
                finally:
                    # Another call of `partial_fit` needs its memory again.
                    if whole:
                        give_back()
                if has_wide:
                    kept_aside = to_weigh.kept_aside()
                    # Predictions take memory, too.
                    del data, to_weigh
                    fitted.blend = blend or self._fit_blend(model, kept_aside, of_wide)
            fitted.trained_on = fingerprint if can_weigh else _MIXED
        history = joined(self.history_ if go_on else {}, history)
        vars(self).update(
            fitted.attributes(),
            history_=history,
            n_iter_=len(history.get("loss", [])),
            best_epoch_=best_epoch,
        )
        return self

    def _prepare(
        self,
        X,
        y,
        sample_weight,
        *,
        classes,
        go_on: bool,
        early_stopping: bool,
        has_wide: bool,
        whole: bool,
    ) -> tuple[Fitted, Sequences, TrainingData]:
        """What training starts from: all of the texts as ids, and what it reads."""
        texts, y, weight = self._check_data(
            X, y, sample_weight, reset=not go_on, whole=whole
        )
        fitted = (
            Fitted.of(self) if go_on else self._begin(y, weight, classes, whole=whole)
        )
        texts, y, targets, weight = self._that_count(
            texts, y, weight, fitted.target_encoder, whole=whole, go_on=go_on
        )
        learned_from, held_out = self._split(
            y, fitted.split_seed, early_stopping, has_wide
        )
        # Of very many short texts each number takes memory that others need.
        del y
        weight = of_mean_one(weight) if whole else narrowed(weight)
        if go_on:
            sequences = fitted.tokenizer.transform(texts)
        else:
            # What stops training must not lend its words to the vocabulary.
            seen = learned_from if early_stopping else None
            fitted.tokenizer, sequences = self._learn_vocabulary(texts, seen)
        read = sequences.cut(*fitted.cut_to)
        data = TrainingData(read, targets, weight, learned_from, held_out)
        return fitted, sequences, data

    def _begin(self, y, weight, classes, *, whole: bool) -> Fitted:
        seed = check_random_state(self.random_state).randint(_MAX_SEED)
        random_state = np.random.RandomState(seed)
        return Fitted(
            loss=self.loss,
            cut_to=(_python_number(self.max_length), self.truncate),
            random_state=random_state,
            # Kept, so that a warm start holds out the same texts again.
            split_seed=random_state.randint(_MAX_SEED),
            target_encoder=self._fit_target_encoder(y, weight, classes),
        )

    def _that_count(
        self, texts, y, weight, target_encoder, *, whole: bool, go_on: bool
    ):
        """The texts that have weight, their labels, targets and weights.

        It is an error if none has, but for some texts of many where others have given
        the vocabulary: then they are here, with a weight of 0.
        """
        targets = target_encoder.transform(y)
        kept = with_weight(weight)
        weight[kept] = self._weigh(y[kept], weight[kept], target_encoder)
        weight = vanishing_as_zero(weight, whole=whole)
        if weight.any():
            # A text without weight lends its label, and not even its words.
            kept = with_weight(weight)
        elif whole or not go_on:
            raise ValueError("`class_weight` leaves no text any weight.")
        if not isinstance(kept, slice):
            texts = [texts[i] for i in kept]
        return texts, y[kept], targets[kept], weight[kept]

    def _learn_vocabulary(self, texts, seen) -> tuple[Tokenizer, Sequences]:
        """The tokenizer of the texts seen, None for all; and all of them as ids."""
        tokenizer = self._new_tokenizer()
        if seen is None:
            return tokenizer, tokenizer.fit_transform(texts)
        tokenizer.fit([texts[i] for i in seen])
        return tokenizer, tokenizer.transform(texts)

    @property
    def _needs_wide(self) -> bool:
        # NumPy's True, too.
        return self.wide != "auto" and bool(self.wide)

    def _has_wide(self, go_on: bool) -> bool:
        loss = self._fitted_loss if go_on else self.loss
        if self._needs_wide and loss != self._wide_loss:
            got = "the fit that this one goes on from had" if go_on else "got"
            raise ValueError(
                f"wide=True needs loss={self._wide_loss!r}, {got} loss={loss!r}. Use "
                "wide='auto' or wide=False."
            )
        return bool(self.wide) and loss == self._wide_loss

    def _split(self, y, seed: int, early_stopping: bool, has_wide: bool):
        """Positions of the texts to train the network with, and of those held out."""
        n_texts = y.shape[0]
        if not early_stopping and (not has_wide or n_texts < _LEAST_TEXTS_TO_SPLIT):
            return positions_of(n_texts), positions_of(0)
        try:
            return hold_out(
                n_texts,
                self._strata(y),
                _python_number(self.validation_fraction),
                seed=seed,
                # A class of a single text is no reason to do without the wide part.
                strict=early_stopping,
            )
        except ValueError as error:
            # What else there is to hold texts out for.
            instead = "early_stopping=False" if early_stopping else "wide=False"
            raise ValueError(
                f"validation_fraction={self.validation_fraction} of {n_texts} texts "
                "cannot be held out, of every class where labels are single: give more "
                f"texts, another fraction, or {instead}. {error}"
            ) from error

    def _fit_wide(self, fitted, sequences, data) -> tuple[WidePart, np.ndarray]:
        """The wide part, and what one that has not seen them scores the held out."""
        wide = WidePart(
            len(fitted.tokenizer.vocabulary_) + N_RESERVED_IDS,
            # Not the parameter, which may have changed before a warm start.
            max_n=_MOST_IDS[fitted.tokenizer.analyzer],
            of_classes=is_classifier(self),
        )
        of_held_out = wide.fit(
            sequences,
            _columns(data.targets, fitted.target_encoder.n_outputs_),
            data.weight,
            train=data.train,
            held_out=data.held_out,
        )
        return wide, of_held_out

    def _fit_blend(self, model, kept_aside, of_wide) -> Blend:
        read, targets, weight = kept_aside
        # The factors are to hang on no number of threads.
        with one_blas_thread(), memory_errors_explained(_HOW_TO_SAVE_MEMORY):
            of_network = model.predict(read) if len(targets) else of_wide
        columns = _columns(targets, model.head.units)
        blend = Blend(model.activation.__name__)
        return blend.fit(of_network, of_wide, columns, weight)

    def _network_builder(
        self, fitted, callbacks
    ) -> Callable[[Sequences], SequenceModel]:
        """What builds the network from the texts as ids; all else is checked here."""
        target_encoder, random_state = fitted.target_encoder, fitted.random_state
        compile_arguments = self._compile_arguments(
            *self._loss_and_arguments(target_encoder)
        )
        check_step_size_is_free(callbacks, compile_arguments["optimizer"])
        activation = self._activation(target_encoder)
        check_metrics(compile_arguments, activation, type(self).__name__)
        encoder = {
            name: _python_number(getattr(self, name)) for name in ENCODER_PARAMETERS
        }
        n_tokens = len(fitted.tokenizer.vocabulary_)
        encoder["vocabulary_size"] = n_tokens + N_RESERVED_IDS
        encoder["precision"] = (
            fastest_precision(self.cell, self.hidden_size)
            if self.precision == "auto"
            else self.precision
        )
        check_xla(compile_arguments, encoder)
        encoder["seed"] = int(random_state.randint(_MAX_SEED // 2))
        vectors_for = starting_vectors(
            self.embeddings,
            fitted.tokenizer.vocabulary_,
            _python_number(self.embedding_size),
            random_state,
        )
        head = {
            "n_outputs": target_encoder.n_outputs_,
            "activation": activation,
            "dropout": _python_number(self.dropout),
            "l2": _python_number(self.l2),
            "seed": int(random_state.randint(_MAX_SEED // 2)),
        }

        def build(sequences):
            vectors = vectors_for(sequences)
            if vectors is not None:
                encoder["embedding_size"] = vectors.shape[1]
            return build_network(
                compile_arguments=compile_arguments,
                head=head,
                encoder=encoder,
                vectors=vectors,
            )

        return build

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags.input_tags.one_d_array = True
        tags.input_tags.string = True
        tags.transformer_tags.preserves_dtype = []
        return tags
