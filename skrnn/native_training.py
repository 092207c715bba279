"""A network's updates by the kernel for the processor, most of TensorFlow left out."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from skrnn._keras import ON_TENSORFLOW, keras
from skrnn.backend import copy_of, memory_of, uniform
from skrnn.batches import LengthSortedBatches
from skrnn.deferred import DeferredMoves
from skrnn.memory import give_back
from skrnn.native import adam
from skrnn.native.embedding import sum_rows
from skrnn.native.gru import backward, fastest_kernel, forward
from skrnn.optimizers import Adam
from skrnn.pooling import PARTS
from skrnn.schedules import LinearDecay
from skrnn.sequences import PADDING_ID


def trains_natively(model, callbacks: Sequence[keras.callbacks.Callback]) -> bool:
    """Whether `NativeTraining` makes the updates of a network.

    Parameters
    ----------
    model : SequenceModel
        Built and compiled.

    callbacks : sequence of keras.callbacks.Callback
        What is called meanwhile. None may look at the weights after each update.
    """
    encoder = model.encoder
    return (
        ON_TENSORFLOW
        and encoder.implementation == "native"
        and len(encoder.recurrent_layers) == 1
        and not encoder.recurrent_layers[0].learn_initial_state
        and adam.LIBRARY is not None
        and type(model.optimizer) is Adam
        and model.optimizer.built
        and model.optimizer.is_plain
        and not model.run_eagerly
        and model.steps_per_execution == 1
        and not any(map(_is_called_each_batch, callbacks))
        and all(
            weight.trainable
            and weight.regularizer is None
            and weight.constraint is None
            for weight in model.weights
        )
        and not (model.head.lora_enabled or model.head.quantization_mode)
    )


class NativeTraining:
    """Makes updates in place of what Keras compiles for a `SequenceModel`.

    TensorFlow takes some milliseconds a step for itself, as long as the kernel takes
    for a batch of short texts, and a second to make its graph. Here it tells how the
    loss changes with the scores, whatever loss that is, and draws what is dropped: the
    numbers that it draws in its graph. All else is done in arrays, whose memory the
    variables share meanwhile, and moves of the embedding are put off.

    Parameters
    ----------
    model : SequenceModel
        One that `trains_natively`.

    batches : LengthSortedBatches
        What each epoch goes through, made anew by whoever calls.

    is_looked_at : bool
        Whether others may look at the network, and change it, after each epoch.
    """

    def __init__(self, model, batches: LengthSortedBatches, *, is_looked_at: bool):
        self._model = model
        self._batches = batches
        self._is_looked_at = is_looked_at
        self._n_done = 0
        self._has_begun = False

    def __call__(self, iterator) -> dict:
        """Make the next update, as what Keras compiles does.

        Parameters
        ----------
        iterator
            Is left alone: the batches are at hand.

        Returns
        -------
        dict of str to tensor
            Loss and metrics so far.
        """
        if not self._has_begun:
            self._begin()
        ids, targets, weight = self._batches[self._n_done]
        if not self._n_done:
            self._rates = self._learning_rates(len(self._batches))
            self._judge = self._model.judge_of(targets)
        logs = self._update(ids.T, targets, weight, self._rates[self._n_done])
        self._n_done = (self._n_done + 1) % len(self._batches)
        if not self._n_done and self._is_looked_at:
            self.finish()
        return logs

    def finish(self) -> None:
        """Leave all as it is after the last update, for others to look at."""
        if not self._has_begun:
            return
        self._has_begun = False
        self._moves[0].catch_up()
        self._model.optimizer.iterations.assign(self._n_updates)
        for one in self._dropouts:
            one.put_back()

    def _begin(self) -> None:
        model = self._model
        encoder, optimizer = model.encoder, model.optimizer
        layer = encoder.recurrent_layers[0]
        rule = {
            "betas": (optimizer.beta_1, optimizer.beta_2),
            "epsilon": optimizer.epsilon,
        }
        # Nobody else holds this memory before `finish`, after which it is not changed.
        self._weights, self._moves = [], []
        for variable in (
            encoder.embedding.embeddings,
            layer.kernel,
            layer.bias,
            layer.recurrent_kernel,
            layer.recurrent_bias,
            model.head.kernel,
            model.head.bias,
        ):
            averages = optimizer.averages(variable)
            arrays = [memory_of(one) for one in (variable, *averages)]
            self._weights.append(arrays[0])
            self._moves.append(DeferredMoves(*arrays, **rule))
        # What the variables held.
        give_back()
        self._dropouts = [
            _Dropout(one) for one in (encoder.embedding_dropout, model.dropout)
        ]
        self._betas = rule["betas"]
        self._n_updates = int(optimizer.iterations)
        self._options = {
            "kernel": fastest_kernel(encoder.precision) or fastest_kernel("float32"),
            "steepness": layer.steepness,
            "reverse": layer.reverse,
        }
        self._has_begun = True

    def _learning_rates(self, n_updates: int) -> np.ndarray:
        """The step sizes of the next updates."""
        given = self._model.optimizer.given_learning_rate
        updates = self._n_updates + np.arange(n_updates)
        if isinstance(given, LinearDecay):
            rates = given(updates)
        elif isinstance(given, keras.optimizers.schedules.LearningRateSchedule):
            rates = [given(one) for one in updates]
        else:
            rates = copy_of(given)
        return np.broadcast_to(np.asarray(rates, np.float32), n_updates)

    def _update(self, ids, targets, weight, learning_rate) -> dict:
        _, kernel, bias, recurrent, recurrent_bias, head, head_bias = self._weights
        ids = np.ascontiguousarray(ids)
        padding = (ids == PADDING_ID).view(np.uint8)
        vectors, positions, rows = self._moves[0].read(ids)
        n_texts, (size, width) = ids.shape[1], (len(recurrent), vectors.shape[1])
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
        pooling = _Pooling(self._model.encoder.pooling, padding)
        representations = pooling.finish(pooled)
        factors = of_representation.draw(representations.shape)
        dropped = representations if factors is None else representations * factors

        slopes, logs = self._judge(targets, dropped @ head + head_bias, weight)

        upstream = slopes @ head.T
        if factors is not None:
            upstream *= factors
        of_inputs, of_kernel, of_recurrent, _, of_biases = backward(
            pooling.go_back(upstream, pooled),
            states=states,
            kept=kept,
            pooled=pooled,
            **read,
        )
        gradients = [
            sum_rows(
                of_inputs.reshape(-1, width),
                positions.ravel(),
                padding.ravel(),
                len(rows),
            ),
            of_kernel,
            of_biases[:-1],
            of_recurrent,
            of_biases[-1],
            dropped.T @ slopes,
            slopes.sum(axis=0),
        ]
        self._move(rows, gradients, learning_rate)
        return logs

    def _move(self, rows, gradients, learning_rate) -> None:
        scale = _scale(gradients, self._model.optimizer.global_clipnorm)
        self._n_updates += 1
        beta_1, beta_2 = self._betas
        size = learning_rate * math.sqrt(1 - beta_2**self._n_updates)
        size /= 1 - beta_1**self._n_updates
        of_all = [rows, *[None] * (len(gradients) - 1)]
        for moves, some, gradient in zip(self._moves, of_all, gradients, strict=True):
            if scale != 1:
                gradient = gradient * scale
            moves.update(some, gradient, size)


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


class _Pooling:
    """Representations of what the kernel pooled, and their gradient."""

    def __init__(self, pooling: str, padding: np.ndarray):
        self._parts = PARTS.get(pooling, (pooling,))
        n_tokens = np.count_nonzero(padding == 0, axis=0)[:, None]
        self._has_tokens = n_tokens > 0
        self._n_tokens = np.maximum(n_tokens, 1).astype(np.float32)

    def finish(self, pooled: np.ndarray) -> np.ndarray:
        """Give them, of the last states, their sums and the largest."""
        last, sums, largest = pooled
        finished = {
            "last": last,
            "mean": sums / self._n_tokens,
            "max": np.where(self._has_tokens, largest, 0),
        }
        return np.concatenate([finished[part] for part in self._parts], axis=-1)

    def go_back(self, upstream: np.ndarray, pooled: np.ndarray) -> np.ndarray:
        """Give the gradient of what was pooled."""
        of_pooled = np.zeros_like(pooled)
        slopes = np.split(upstream, len(self._parts), axis=-1)
        for part, one in zip(self._parts, slopes, strict=True):
            if part == "last":
                of_pooled[0] = one
            elif part == "mean":
                of_pooled[1] = one / self._n_tokens
            else:
                of_pooled[2] = np.where(self._has_tokens, one, 0)
        return of_pooled


def _scale(gradients: list[np.ndarray], most: float | None) -> np.float32:
    """What Keras multiplies gradients by where their common norm is above the most."""
    if most is None:
        return np.float32(1)
    norm = math.sqrt(sum(float(np.vdot(one, one)) for one in gradients))
    if not math.isfinite(norm):
        return np.float32(np.nan)
    return np.float32(most / max(norm, most))


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
