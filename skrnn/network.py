"""The network: an encoder under a head, trained and asked by `Sequences`."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from types import MappingProxyType

import numpy as np

from skrnn._keras import keras
from skrnn.backend import feed, gradients_forgotten
from skrnn.batches import LengthSortedBatches
from skrnn.compiled import differentiator, judge
from skrnn.encoder import SequenceEncoder
from skrnn.history import Records
from skrnn.implementation import (
    choose_implementation,
    jit_compile,
    sizes_an_octave,
    tokens_a_batch,
)
from skrnn.metrics import of_each_label
from skrnn.model_state import StatefulModel
from skrnn.native_training import NativeTraining, trains_natively
from skrnn.prediction import Predictor
from skrnn.processes import refuse_forked_process
from skrnn.schedules import LinearDecay
from skrnn.sequences import Sequences, positions_of
from skrnn.threads import one_blas_thread

ops = keras.ops


def one_against_all(scores):
    """Probabilities of several classes from each one's log odds against all others."""
    return ops.softmax(ops.log_sigmoid(scores))


_ACTIVATIONS = {
    **{name: keras.activations.get(name) for name in ("linear", "sigmoid", "softmax")},
    "one_against_all": one_against_all,
}


@keras.saving.register_keras_serializable("skrnn")
class SequenceModel(StatefulModel):
    """An encoder under a head; `fit` and `predict` take `Sequences`.

    Parameters
    ----------
    encoder : SequenceEncoder
        Maps padded ids to representations.

    n_outputs : int
        Number of scores a text.

    activation : {"linear", "sigmoid", "softmax", "one_against_all"}
        What turns the scores into what the metrics see. The model's output and
        what the loss sees are the scores themselves.

    dropout : float in [0, 1)
        Share of the representation's dimensions dropped under the head.

    l2 : float
        Factor of the sum of squares of the head's kernel, added to the loss.

    seed : int
        Fixes the head's initial weights and the dropout masks.

    Attributes
    ----------
    compile_arguments : mapping of str, or None
        What `compile` was last called with.

    trained_natively : bool
        Whether the last training left most of TensorFlow out, and was not that of a
        graph that Keras compiles.
    """

    def __init__(
        self,
        encoder: SequenceEncoder,
        *,
        n_outputs: int,
        activation: str,
        dropout: float,
        l2: float,
        seed: int,
        name: str = "sequence_model",
        **kwargs,
    ):
        # As the encoder's.
        dtype = keras.config.floatx()
        # Not numbered, as Keras would: TensorFlow keeps some memory for the process'
        # life for each name that a variable ever had.
        super().__init__(dtype=dtype, name=name, **kwargs)
        self._config = MappingProxyType(
            {
                "n_outputs": n_outputs,
                "activation": activation,
                "dropout": dropout,
                "l2": l2,
                "seed": seed,
            }
        )
        self.encoder = encoder
        self.compile_arguments = None
        self.activation = _ACTIVATIONS[activation]
        self.dropout = keras.layers.Dropout(
            dropout, seed=seed, name="dropout", dtype=dtype
        )
        self.head = keras.layers.Dense(
            n_outputs,
            kernel_initializer=keras.initializers.GlorotUniform(seed=seed + 1),
            kernel_regularizer=keras.regularizers.L2(float(l2)) if l2 else None,
            name="head",
            dtype=dtype,
        )

    def build(self, input_shape):
        if not self.encoder.built:
            self.encoder.build(input_shape)
        self.head.build((None, self.encoder.representation_size))
        # Also of a model that Keras loads without compiling it.
        self._make_functions()
        self.built = True
        if not self.trainable:
            # What was said when it was made says nothing of the layers inside.
            for layer in self.layers:
                layer.trainable = False
        if self.compiled:
            self._build_optimizer()

    def train_step(self, *arguments):
        """Make one update; see `keras.Model.train_step`."""
        # What is compiled moves the weights that can be moved while it is traced.
        self._flags_when_traced = self._trainable_flags()
        return super().train_step(*arguments)

    def call(self, ids, training=False):
        """Scores of shape (batch, n_outputs)."""
        representation = self.encoder(ids, training=training)
        return self.head(self.dropout(representation, training=training))

    def tabulate(self, ids):
        """As the encoder's."""
        return self.encoder.tabulate(ids)

    def read_rows(self, rows, tables):
        """Scores outside of training; see the encoder's."""
        return self.head(self.encoder.read_rows(rows, tables))

    def compile(self, **arguments):
        """Configure training; see `keras.Model.compile`."""
        # Not kept with the others: a pickle may meet another processor.
        jit = jit_compile(self.encoder.implementation)
        if arguments.get("run_eagerly"):
            jit = False
        has_labels = self._config["activation"] == "sigmoid" and self.head.units > 1
        told = of_each_label(arguments) if has_labels else arguments
        # Keras would keep those from before where there are none.
        self._compile_metrics = None
        super().compile(**{"jit_compile": jit, **told})
        self._flags_when_traced = self._trainable_flags()
        self._judges, self.trained_natively = {}, False
        if self.built:
            # Anew, for whether they run eagerly may have changed.
            self._make_functions()
            self._build_optimizer()
        # A mapping proxy, because Keras would track a dict's metrics as layers.
        self.compile_arguments = MappingProxyType(arguments)

    def get_compile_config(self):
        """What it was compiled with; see `keras.Model.get_compile_config`."""
        config = super().get_compile_config()
        if config and "jit_compile" not in self.compile_arguments:
            # Chosen anew where it is loaded, which may be another machine.
            config = {
                name: one for name, one in config.items() if name != "jit_compile"
            }
        return config

    def compile_from_config(self, config):
        """Compile a network that Keras loads; see `keras.Model.compile_from_config`."""
        self.compile(**keras.saving.deserialize_keras_object(config))

    def _build_optimizer(self):
        # Of all weights, for a user may freeze some, and thaw them; and at once, for
        # what it keeps is a part of the network's state.
        if not self.optimizer.built:
            self.optimizer.build(self.weights)

    def _make_functions(self):
        self._predict_scores = Predictor(self, self.encoder, self.head)
        self._predict_representations = Predictor(self.encoder, self.encoder)
        self._differentiate = differentiator(
            self._scores_of_vectors, self.encoder.embedding.size
        )

    def _scores_of_vectors(self, x):
        padding = ops.zeros(ops.shape(x)[:2], "bool")
        return self.head(self.encoder.read(x, padding))

    def compute_metrics(self, x, y, y_pred, sample_weight=None):
        """Metrics see a column for each score; see `keras.Model.compute_metrics`."""
        if len(y.shape) == 1 and self.head.units > 1:
            y = ops.one_hot(y, self.head.units, dtype=y_pred.dtype)
        scores = self.activation(y_pred)
        return super().compute_metrics(x, y, scores, sample_weight=sample_weight)

    def fit(
        self,
        x: Sequences,
        y: np.ndarray,
        *,
        sample_weight: np.ndarray,
        texts: np.ndarray | None = None,
        batch_size: int,
        random_state: np.random.RandomState,
        decay: bool,
        epochs: int,
        initial_epoch: int = 0,
        validation_data: tuple[Sequences, np.ndarray, np.ndarray] | None = None,
        callbacks: Sequence[keras.callbacks.Callback] = (),
        **kwargs,
    ) -> Records:
        """Train on texts of like length; see `keras.Model.fit`.

        Parameters
        ----------
        x : Sequences of n_texts
            The texts.

        y : ndarray of shape (n_texts, ...)
            What the loss compares the scores with.

        sample_weight : ndarray of shape (n_texts,), float32
            The weight of each text in the loss.

        texts : int32 ndarray of shape (n_chosen,), or None
            Which of the texts to train on, an array that is shuffled in place; None
            for all.

        batch_size : int
            Number of texts an update.

        random_state : numpy.random.RandomState
            Shuffles the batches; it is advanced.

        decay : bool
            Whether a step size that is a `LinearDecay` falls over these updates; it
            stays at its height otherwise.

        epochs, initial_epoch : int
            Number of the last epoch, and of those before the first.

        validation_data : tuple (x, y, sample_weight) or None
            Texts to evaluate after every epoch.

        callbacks : sequence of keras.callbacks.Callback
            Called while training.

        **kwargs : dict
            Passed on to `keras.Model.fit`.

        Returns
        -------
        Records
            Its ``history`` is a dict of str to list, a value an epoch.

        Raises
        ------
        ValueError
            If the network is not compiled, or a layer is frozen on JAX.
        """
        self._check_compiled()
        sizes = {
            "batch_size": batch_size,
            "sizes_an_octave": sizes_an_octave(self.encoder.implementation),
        }
        if texts is None:
            texts = positions_of(len(x))
        batches = LengthSortedBatches(
            x, y, sample_weight, texts=texts, **sizes, random_state=random_state
        )
        to_validate = None
        if validation_data is not None:
            to_validate = LengthSortedBatches(
                *validation_data, texts=positions_of(len(validation_data[0])), **sizes
            )
        flags = self._trainable_flags()
        if keras.config.backend() == "jax" and not all(flags):
            raise ValueError(
                "With JAX Keras trains all weights or none: a layer of `model_` is "
                "frozen. Set its `trainable` to True, or take another backend."
            )
        if flags != self._flags_when_traced:
            # What was compiled moves the weights that could be moved then.
            self.train_function = None
            self._flags_when_traced = flags
        n_updates = len(batches) * (epochs - initial_epoch)
        reshuffle = keras.callbacks.LambdaCallback(
            on_epoch_begin=lambda epoch, logs: batches.shuffle()
        )
        self._schedule(n_updates if decay else None)
        way = self._way_of_training(
            batches,
            callbacks,
            is_looked_at=bool(callbacks) or validation_data is not None,
        )
        try:
            with gradients_forgotten(), way as callbacks:
                return super().fit(
                    feed(batches),
                    epochs=epochs,
                    initial_epoch=initial_epoch,
                    validation_data=None if to_validate is None else feed(to_validate),
                    shuffle=False,
                    # Last, for others add to what is logged.
                    callbacks=[reshuffle, *callbacks, Records()],
                    **kwargs,
                )
        finally:
            # Where a callback had this fit begin, which Keras keeps for all later ones.
            self._initial_epoch = None

    @contextlib.contextmanager
    def _way_of_training(self, batches, callbacks, *, is_looked_at: bool):
        """Let the kernel make the updates if it can; give the callbacks for that."""
        self.trained_natively = trains_natively(self, callbacks)
        if not self.trained_natively:
            yield callbacks
            return
        training = NativeTraining(self, batches, callbacks, is_looked_at=is_looked_at)
        self.train_function = training
        try:
            with one_blas_thread():
                yield [training, *callbacks]
        finally:
            self.train_function = training.compiled
            training.finish()

    def judge_of(self, targets: np.ndarray, penalties: tuple[float, ...]) -> Callable:
        """What tells the loss and metrics of scores, compiled once a `compile`.

        Parameters
        ----------
        targets : ndarray of shape (n_texts, ...)
            Some, of which the dtype counts, and the shape of a text's.

        penalties : tuple of float
            What the loss adds now of the squares of each of the model's `weights`.

        Returns
        -------
        callable
            Maps targets, scores and weights of texts to the loss' slopes, an array of
            the scores' shape, and loss and metrics so far, a dict of tensors.
        """
        key = targets.dtype.str, targets.shape[1:], penalties
        if key not in self._judges:
            self._judges[key] = judge(self, targets)
        return self._judges[key]

    def _schedule(self, n_updates: int | None) -> None:
        optimizer = self.optimizer
        # The public attribute has the step size of the moment.
        schedule = optimizer._learning_rate
        if not isinstance(schedule, LinearDecay):
            return
        # What a schedule is asked by; the public one counts gathered gradients once.
        start = int(optimizer._iterations) if n_updates else 0
        new = LinearDecay(schedule.height, start, n_updates)
        if new.get_config() != schedule.get_config():
            optimizer.learning_rate = new
            # What was compiled has the old one in it.
            self.train_function = None

    def predict(self, x: Sequences) -> np.ndarray:
        """Scores of many texts.

        Parameters
        ----------
        x : Sequences of n_texts
            At least one text.

        Returns
        -------
        ndarray of shape (n_texts, n_outputs), float32
        """
        return self._predict_scores(x)

    def represent(self, x: Sequences) -> np.ndarray:
        """Representations of many texts.

        Parameters
        ----------
        x : Sequences of n_texts
            At least one text.

        Returns
        -------
        ndarray of shape (n_texts, representation_size), float32
        """
        return self._predict_representations(x)

    def differentiate(
        self, vectors: np.ndarray, output: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Scores of texts given as vectors, and their slopes.

        Parameters
        ----------
        vectors : ndarray of shape (n_texts, n_tokens, embedding_size), float32
            A vector for each token, such as `encoder.embedding` has; texts of one
            length.

        output : int
            Which of the scores.

        Returns
        -------
        scores : ndarray of shape (n_texts,), float32
            The head's score of each text.

        slopes : ndarray of shape (n_texts, n_tokens, embedding_size), float32
            The derivatives of a text's score by its own vectors.

        Raises
        ------
        RuntimeError
            In a process forked from one that had used TensorFlow.
        """
        refuse_forked_process()
        tokens = tokens_a_batch(self.encoder.hidden_size)
        most = max(tokens // vectors.shape[1], 1)
        parts = [
            self._differentiate(vectors[i : i + most].swapaxes(0, 1), output)
            for i in range(0, len(vectors), most)
        ]
        scores, slopes = zip(*parts, strict=True)
        return np.concatenate(scores), np.concatenate(slopes, axis=1).swapaxes(0, 1)

    def get_config(self):
        encoder = keras.saving.serialize_keras_object(self.encoder)
        own = {"name": self.name, "trainable": self.trainable}
        return {"encoder": encoder, **self._config, **own}

    @classmethod
    def from_config(cls, config):
        encoder = keras.saving.deserialize_keras_object(config["encoder"])
        return cls(**{**config, "encoder": encoder})


def check_xla(compile_arguments: dict, encoder: dict) -> None:
    """Check that XLA is not to compile what it cannot.

    Parameters
    ----------
    compile_arguments, encoder : dict
        As `build_network` takes them.

    Raises
    ------
    ValueError
        If it is.
    """
    implementation = choose_implementation(
        cell=encoder["cell"],
        hidden_size=encoder["hidden_size"],
        gate_activation=encoder["gate_activation"],
        bidirectional=encoder["bidirectional"],
        learn_initial_state=encoder["learn_initial_state"],
        precision=encoder["precision"],
    )
    if (
        compile_arguments.get("jit_compile") is True
        and not compile_arguments.get("run_eagerly")
        and jit_compile(implementation) is False
    ):
        raise ValueError(
            "compile__jit_compile=True: XLA cannot compile what computes the recurrent "
            f"layers here (encoder.implementation={implementation!r}). Leave it out."
        )


def build_network(
    *, compile_arguments: dict, head: dict, encoder: dict, vectors=None
) -> SequenceModel:
    """Build and compile a `SequenceModel`, its weights and optimizer included.

    Parameters
    ----------
    compile_arguments : dict
        Keyword arguments of `keras.Model.compile`.

    head : dict
        Keyword arguments of `SequenceModel`, but the encoder.

    encoder : dict
        Keyword arguments of `SequenceEncoder`.

    vectors : ndarray of shape (vocabulary_size, embedding_size), optional
        What the embedding starts from.

    Returns
    -------
    SequenceModel
    """
    model = SequenceModel(SequenceEncoder(**encoder), **head)
    model.build((None, None))
    if vectors is not None:
        model.encoder.embedding.embeddings.assign(vectors)
    # Then, for some optimizers begin with a copy of the weights.
    model.compile(**compile_arguments)
    return model
