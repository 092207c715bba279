"""A network's updates by the kernel for the processor, most of TensorFlow left out."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from skrnn._keras import ON_TENSORFLOW, keras
from skrnn.backend import copy_of, memory_of, put_back, uniform
from skrnn.batches import LengthSortedBatches
from skrnn.deferred import DeferredMoves
from skrnn.memory import give_back
from skrnn.native import adam
from skrnn.native.embedding import sum_rows
from skrnn.native.gru import backward, fastest_kernel, forward
from skrnn.native_pooling import NativePooling
from skrnn.optimizers import Adam
from skrnn.schedules import LinearDecay
from skrnn.sequences import PADDING_ID

# After so many updates what was freed goes back to the system: arrays of many lengths
# leave gaps.
_UPDATES_GIVEN_BACK = 128

# So many step sizes are computed at once.
_RATES_AT_ONCE = 1024


def trains_natively(model, callbacks: Sequence[keras.callbacks.Callback]) -> bool:
    """Whether `NativeTraining` makes the updates of a network.

    Parameters
    ----------
    model : SequenceModel
        Built and compiled.

    callbacks : sequence of keras.callbacks.Callback
        What is called meanwhile. None may look at the weights after each update.
    """
    encoder, head, optimizer = model.encoder, model.head, model.optimizer
    return (
        ON_TENSORFLOW
        and adam.LIBRARY is not None
        and encoder.implementation == "native"
        and len(encoder.recurrent_layers) == 1
        and not encoder.recurrent_layers[0].learn_initial_state
        and type(optimizer) is Adam
        and optimizer.built
        and optimizer.is_plain
        and model.steps_per_execution == 1
        and not model.run_eagerly
        and model._distribute_strategy is None
        and not any(map(_is_called_each_batch, callbacks))
        # A user may have changed what the network computes.
        and head.activation is keras.activations.linear
        and not (head.lora_enabled or head.quantization_mode)
        and encoder.embedding_dropout.noise_shape is model.dropout.noise_shape is None
        and all(
            weight.trainable and weight.regularizer is weight.constraint is None
            for weight in model.weights
        )
        and all(one.activity_regularizer is None for one in model._flatten_layers())
    )


def _is_called_each_batch(callback: keras.callbacks.Callback) -> bool:
    hooks = [
        f"on_{kind}_{end}"
        for kind in ("batch", "train_batch")
        for end in ("begin", "end")
    ]
    return any(
        getattr(getattr(callback, hook), "__func__", None)
        is not getattr(keras.callbacks.Callback, hook)
        for hook in hooks
    )


class NativeTraining(keras.callbacks.Callback):
    """Trains in place of what Keras compiles for a `SequenceModel`, as far as it can.

    TensorFlow takes some milliseconds a step for itself, as long as the kernel takes
    for a batch of short texts, and some tenths of a second to make its graph. Here it
    tells how the loss changes with the scores, whatever loss that is, and draws what is
    dropped: the numbers that it draws in its graph. All else is done in arrays, whose
    memory the variables share meanwhile, and moves of the embedding are put off.

    Parameters
    ----------
    model : SequenceModel
        Built and compiled. What Keras has compiled for it is in its `train_function`,
        in whose place this is put.

    batches : LengthSortedBatches
        What each epoch goes through, made anew by whoever calls.

    callbacks : sequence of keras.callbacks.Callback
        Those that come after this one.

    is_looked_at : bool
        Whether others may look at the network, and change it, after each epoch.
    """

    def __init__(
        self, model, batches: LengthSortedBatches, callbacks, *, is_looked_at: bool
    ):
        super().__init__()
        self._network = model
        self._batches = batches
        self._others = callbacks
        self._is_looked_at = is_looked_at
        self._n_done = 0
        self._has_chosen = False
        self._updates = None
        self.compiled = model.train_function

    def on_epoch_end(self, epoch, logs=None):
        """Let others look; see `keras.callbacks.Callback`."""
        if self._is_looked_at:
            self.finish()

    def on_test_begin(self, logs=None):
        """Let others look."""
        self.on_epoch_end(None)

    def __call__(self, iterator) -> dict:
        """Make the next update, as what Keras compiles does.

        Parameters
        ----------
        iterator
            Of an epoch's batches, which are at hand; or of one by itself.

        Returns
        -------
        dict of str to tensor
            Loss and metrics so far.
        """
        # A callback may train on a batch of its own.
        if not hasattr(iterator, "get_next"):
            return self._train_by_graph(iterator)
        model = self._network
        if not self._has_chosen:
            # Once and not before, as Keras compiles what there is at the first batch:
            # callbacks may freeze layers when training begins.
            model.trained_natively = trains_natively(model, self._others)
            self._has_chosen = True
        # An epoch that Keras was told to end early is gone on with in the next one.
        number = self._n_done % len(self._batches)
        self._n_done += 1
        if not model.trained_natively:
            return self._train_by_graph(iterator)
        if self._updates is None:
            self._updates = NativeUpdates(model)
        return self._updates.make(*self._batches[number])

    def finish(self) -> None:
        """Leave all as it is after the last update, for others to look at."""
        if self._updates is not None:
            self._updates.put_back()
            self._updates = None

    def _train_by_graph(self, iterator) -> dict:
        self.finish()
        model = self._network
        model.train_function = self.compiled
        model.make_train_function()
        self.compiled, model.train_function = model.train_function, self
        return self.compiled(iterator)


class NativeUpdates:
    """Updates of a network from where it is, in memory that its variables share.

    Parameters
    ----------
    model : SequenceModel
        One that `trains_natively`. Nobody is to look at it, or change it, before
        `put_back`.
    """

    def __init__(self, model):
        encoder, optimizer = model.encoder, model.optimizer
        layer = encoder.recurrent_layers[0]
        self._model = model
        self._optimizer = optimizer
        self._options = {
            "kernel": fastest_kernel(encoder.precision) or fastest_kernel("float32"),
            "steepness": layer.steepness,
            "reverse": layer.reverse,
        }
        self._dropouts = [
            _Dropout(one) for one in (encoder.embedding_dropout, model.dropout)
        ]
        self._n_done = int(optimizer.iterations)
        self._rates = []
        self._betas = optimizer.beta_1, optimizer.beta_2
        rule = {"betas": self._betas, "epsilon": optimizer.epsilon}
        self._weights, self._moves, self._shared = [], [], []
        for variable in (
            encoder.embedding.embeddings,
            layer.kernel,
            layer.bias,
            layer.recurrent_kernel,
            layer.recurrent_bias,
            model.head.kernel,
            model.head.bias,
        ):
            variables = variable, *optimizer.averages(variable)
            # Nobody else holds this memory, which is not changed after `put_back`.
            arrays = [memory_of(one) for one in variables]
            self._shared += zip(variables, arrays, strict=True)
            self._weights.append(arrays[0])
            self._moves.append(DeferredMoves(*arrays, **rule))
        # What the variables held.
        give_back()

    def put_back(self) -> None:
        """Leave everything to Keras as it is now."""
        self._moves[0].catch_up()
        for variable, array in self._shared:
            put_back(variable, array)
        self._optimizer.iterations.assign(self._n_done)
        for one in self._dropouts:
            one.put_back()

    # Training that diverges is told of when it is done.
    @np.errstate(over="ignore", invalid="ignore")
    def make(self, ids, targets, weight) -> dict:
        """Make one with a batch.

        Parameters
        ----------
        ids : int32 ndarray of shape (batch, steps)
            Padded ids.

        targets : ndarray of shape (batch, ...)
            What the loss compares the scores with.

        weight : float32 ndarray of shape (batch,)
            The weight of each text in the loss.

        Returns
        -------
        dict of str to tensor
            Loss and metrics so far.
        """
        _, kernel, bias, recurrent, recurrent_bias, head, head_bias = self._weights
        ids = np.ascontiguousarray(ids.T)
        padding = (ids == PADDING_ID).view(np.uint8)
        vectors, positions, rows = self._moves[0].read(ids)
        n_texts, size, width = ids.shape[1], len(recurrent), vectors.shape[1]
        of_embedding, of_representation = self._dropouts
        read = {
            "inputs": vectors,
            "rows": positions,
            "factors": of_embedding.draw((n_texts, width)),
            "padding": padding,
            "recurrent": recurrent,
            "input_kernel": kernel,
            **self._options,
        }
        states, kept, pooled = forward(
            bias=bias,
            recurrent_bias=recurrent_bias,
            initial=np.zeros((n_texts, size), np.float32),
            keeps=True,
            pools=True,
            **read,
        )
        pooling = NativePooling(self._model.encoder.pooling, padding)
        representations = pooling.finish(pooled)
        factors = of_representation.draw(representations.shape)
        if factors is not None:
            representations *= factors

        scores = representations @ head + head_bias
        slopes, logs = self._model.judge_of(targets)(targets, scores, weight)

        upstream = slopes @ head.T
        if factors is not None:
            upstream *= factors
        of_inputs, of_kernel, of_recurrent, _, of_biases = backward(
            pooling.go_back(upstream), states=states, kept=kept, pooled=pooled, **read
        )
        of_tokens = of_inputs.reshape(-1, width)
        of_rows = sum_rows(of_tokens, positions.ravel(), padding.ravel(), len(rows))
        self._move(
            rows,
            of_rows,
            of_kernel,
            of_biases[:-1],
            of_recurrent,
            of_biases[-1],
            representations.T @ slopes,
            slopes.sum(axis=0),
        )
        return logs

    def _move(self, rows, *gradients) -> None:
        """Move the weights, of the embedding some rows."""
        scale = _scale(gradients, self._optimizer.global_clipnorm)
        size = self._next_rate()
        self._n_done += 1
        if not self._n_done % _UPDATES_GIVEN_BACK:
            give_back()
        beta_1, beta_2 = self._betas
        size *= math.sqrt(1 - beta_2**self._n_done) / (1 - beta_1**self._n_done)
        of_each = [rows, *[None] * (len(gradients) - 1)]
        for moves, some, gradient in zip(self._moves, of_each, gradients, strict=True):
            moves.update(some, gradient if scale == 1 else gradient * scale, size)

    def _next_rate(self) -> float:
        if not self._rates:
            given = self._optimizer.given_learning_rate
            if isinstance(given, LinearDecay):
                rates = given(self._n_done + np.arange(_RATES_AT_ONCE))
            elif isinstance(given, keras.optimizers.schedules.LearningRateSchedule):
                rates = given(self._n_done)
            else:
                rates = self._optimizer.learning_rate
            rates = keras.ops.convert_to_tensor(rates).numpy()
            self._rates = rates.ravel()[::-1].tolist()
        return self._rates.pop()


class _Dropout:
    """Draws what a layer of Keras' drops, from its seed."""

    def __init__(self, layer: keras.layers.Dropout):
        self._rate = layer.rate
        if self._rate:
            self._variable = layer.seed_generator.state
            self._seed = copy_of(self._variable)

    def draw(self, shape: tuple[int, int]) -> np.ndarray | None:
        """What to multiply by, float32; None where nothing is dropped."""
        if not self._rate:
            return None
        drawn = uniform(shape, self._seed)
        # As the layer's seed generator does.
        self._seed = self._seed + np.array([0, 1], self._seed.dtype)
        kept = np.float32(1 / (1 - self._rate))
        return np.where(drawn >= np.float32(self._rate), kept, np.float32(0))

    def put_back(self) -> None:
        """Let the layer go on from here."""
        if self._rate:
            self._variable.assign(self._seed)


def _scale(gradients: Sequence[np.ndarray], most: float | None) -> np.float32:
    """What Keras multiplies gradients by where their common norm is above the most."""
    # As Keras does.
    if most is None or most <= 0:
        return np.float32(1)
    norm = math.sqrt(sum(float(np.vdot(one, one)) for one in gradients))
    if not math.isfinite(norm):
        return np.float32(np.nan)
    return np.float32(most / max(norm, most))
