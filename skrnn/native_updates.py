"""A network's updates by the kernel for the processor and by Adam in C, in arrays."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from skrnn._keras import keras
from skrnn.backend import uniform
from skrnn.deferred import DeferredMoves
from skrnn.memory import give_back, trim
from skrnn.native.embedding import sum_rows
from skrnn.native.gru import training_kernel
from skrnn.native_layer import NativeLayer, joined
from skrnn.native_losses import NativeLoss
from skrnn.native_pooling import NativePooling
from skrnn.schedules import LinearDecay
from skrnn.sequences import PADDING_ID
from skrnn.variables import copy_of, memory_of, put_back

# After so many updates what was freed goes back to the system: arrays of many lengths
# leave gaps. What is kept for later arrays goes less often, for it is wanted again.
_UPDATES_TRIMMED = 16
_UPDATES_GIVEN_BACK = 128

# So many step sizes are computed at once.
_RATES_AT_ONCE = 1024


class NativeUpdates:
    """Updates of a network from where it is, in memory that its variables share.

    Parameters
    ----------
    model : SequenceModel
        One that `skrnn.native_training.trains_natively`. Nobody is to look at it, or
        change it, before `put_back`.

    penalties : sequence of float
        What the loss adds of the squares of each of the model's `weights`.

    loss : NativeLoss or None
        What judges scores; None where TensorFlow is to.
    """

    def __init__(self, model, penalties: Sequence[float], loss: NativeLoss | None):
        encoder, optimizer = model.encoder, model.optimizer
        self._model = model
        self._optimizer = optimizer
        self._loss = loss
        self._n_done = int(optimizer.iterations)
        self._rates = []
        self._betas = optimizer.beta_1, optimizer.beta_2
        # In the order in which weights are taken, as gradients are, too.
        self._moves, self._shared = [], []
        self._penalties = tuple(penalties)
        self._factors = dict(zip(map(id, model.weights), penalties, strict=True))
        # Numbers of those weights, variables, arrays and factors.
        self._penalized = []

        self._take([encoder.embedding.embeddings])
        kernel = training_kernel(encoder.precision)
        self._levels = [
            [
                (NativeLayer(layer, kernel), self._take(layer.ordered_weights))
                for layer in layers
            ]
            for layers in encoder.levels
        ]
        self._head = self._take([model.head.kernel, model.head.bias])
        dropouts = encoder.embedding_dropout, *encoder.dropouts, model.dropout
        *self._dropouts_of_levels, self._dropout = map(_Dropout, dropouts)
        # The memory that the variables held before.
        give_back()

    def _take(self, variables: Sequence[keras.Variable]) -> list[np.ndarray]:
        """Share the memory of weights, and of what is averaged of each."""
        rule = {"betas": self._betas, "epsilon": self._optimizer.epsilon}
        weights = []
        for variable in variables:
            variables_of_one = variable, *self._optimizer.averages(variable)
            # Nobody else holds this memory, which is not changed after `put_back`.
            arrays = [memory_of(one) for one in variables_of_one]
            self._shared += zip(variables_of_one, arrays, strict=True)
            self._moves.append(DeferredMoves(*arrays, **rule))
            factor = np.float32(self._factors[id(variable)])
            if factor:
                number = len(self._moves) - 1
                self._penalized.append((number, variable, arrays[0], factor))
            weights.append(arrays[0])
        return weights

    def put_back(self) -> None:
        """Leave everything to Keras as it is now."""
        self._moves[0].catch_up()
        for variable, array in self._shared:
            put_back(variable, array)
        self._optimizer.iterations.assign(self._n_done)
        for one in (*self._dropouts_of_levels, self._dropout):
            one.put_back()

    # `train` tells of training that diverges; NumPy need not warn as well.
    @np.errstate(all="ignore")
    def make(self, ids, targets, weight) -> dict:
        """Update the weights by one batch.

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
        dict of str to tensor or float
            Loss and metrics so far.
        """
        ids = np.ascontiguousarray(ids.T)
        padding = (ids == PADDING_ID).view(np.uint8)
        vectors, positions, rows = self._moves[0].read(ids)
        representations, go_back = self._represent(vectors, positions, padding)
        factors = self._dropout.draw(representations.shape)
        if factors is not None:
            representations *= factors

        kernel, bias = self._head
        scores = representations @ kernel + bias
        slopes, logs = self._judge(targets, scores, weight)

        upstream = slopes @ kernel.T
        if factors is not None:
            upstream *= factors
        of_rows, of_layers = go_back(upstream)
        of_head = representations.T @ slopes, slopes.sum(axis=0)
        self._move(rows, [of_rows, *of_layers, *of_head])
        return logs

    def _judge(self, targets, scores, weight) -> tuple[np.ndarray, dict]:
        """The loss' slopes, and loss and metrics so far."""
        if self._loss is not None:
            penalties = (factor * np.vdot(w, w) for _, _, w, factor in self._penalized)
            return self._loss(targets, scores, weight, sum(penalties))
        for _, variable, array, _ in self._penalized:
            # The loss reads it where the memory is not shared.
            put_back(variable, array)
        judge = self._model.judge_of(targets, self._penalties)
        return judge(targets, scores, weight)

    def _represent(self, vectors, positions, padding) -> tuple[np.ndarray, Callable]:
        """Representations, and what goes back from their gradient.

        That maps it to the gradient of the vectors, and a list of those of all layers'
        weights.
        """
        pooling = NativePooling(self._model.encoder.pooling, padding)
        read = {"inputs": vectors, "rows": positions}
        ways_back = []
        for layers, dropout in zip(self._levels, self._dropouts_of_levels, strict=True):
            mask = padding.shape[1], read["inputs"].shape[-1]
            read["factors"] = dropout.draw(mask)
            pooling_here = pooling if layers is self._levels[-1] else None
            trained = [
                layer.train(weights, padding, pooling_here, **read)
                for layer, weights in layers
            ]
            made = joined([one for one, _ in trained])
            ways_back.append([way for _, way in trained])
            read = {"inputs": made}
        del trained

        def of_rows(of_tokens):
            of_tokens = of_tokens.reshape(-1, vectors.shape[1])
            return sum_rows(of_tokens, positions.ravel(), padding.ravel(), len(vectors))

        def go_back(upstream):
            of_weights = []
            while ways_back:
                ways = ways_back.pop()
                collect = _as_it_is if ways_back else of_rows
                upstream, of_level = _go_back(ways, upstream, collect)
                of_weights = of_level + of_weights
            return upstream, of_weights

        return made, go_back

    def _move(self, rows, gradients: list[np.ndarray]) -> None:
        """Move the weights, of the embedding some rows."""
        for number, _, weights, factor in self._penalized:
            gradients[number] = gradients[number] + 2 * factor * weights
        scale = _scale(gradients, self._optimizer.global_clipnorm)
        size = self._next_rate()
        self._n_done += 1
        if not self._n_done % _UPDATES_GIVEN_BACK:
            give_back()
        elif not self._n_done % _UPDATES_TRIMMED:
            trim()
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


def _go_back(
    ways: list[Callable], upstream: np.ndarray, collect: Callable
) -> tuple[np.ndarray, list[np.ndarray]]:
    """Go back through the layers of a level, letting go of what each has kept.

    Gives the gradient of what they have read, each layer's as `collect` makes it, and
    those of their weights.
    """
    of_read, of_weights = None, []
    for part in np.split(upstream, len(ways), axis=-1):
        of_inputs, of_layer = ways.pop(0)(part)
        collected = collect(of_inputs)
        del of_inputs
        if of_read is None:
            of_read = collected
        else:
            of_read += collected
        of_weights += of_layer
    return of_read, of_weights


def _as_it_is(array: np.ndarray) -> np.ndarray:
    return array


def _scale(gradients: Sequence[np.ndarray], most: float | None) -> np.float32:
    """What Keras multiplies gradients by where their common norm is above the most."""
    # As Keras does.
    if most is None or most <= 0:
        return np.float32(1)
    norm = math.sqrt(sum(float(np.vdot(one, one)) for one in gradients))
    if not math.isfinite(norm):
        return np.float32(np.nan)
    return np.float32(most / max(norm, most))
