"""Training by the kernel for the processor, in the place of what Keras compiles."""

from __future__ import annotations

from collections.abc import Sequence
from types import NoneType

from skrnn._keras import ON_TENSORFLOW, keras
from skrnn.batches import LengthSortedBatches
from skrnn.native import adam
from skrnn.native_losses import loss_of
from skrnn.native_updates import NativeUpdates
from skrnn.optimizers import Adam


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
        and all(
            one.noise_shape is None
            for one in (encoder.embedding_dropout, *encoder.dropouts, model.dropout)
        )
        and all(one.trainable and one.constraint is None for one in model.weights)
        and all(
            type(one.regularizer) in (NoneType, keras.regularizers.L2)
            for one in model.weights
        )
        # A penalty would give all its rows a gradient: none could be put off.
        and encoder.embedding.embeddings.regularizer is None
        and all(
            one.activity_regularizer is None and one.compute_dtype == "float32"
            for one in model._flatten_layers()
        )
    )


def penalties_of(model) -> tuple[float, ...]:
    """What the loss of a network that `trains_natively` adds of weights' squares.

    Parameters
    ----------
    model : SequenceModel
        Built and compiled.

    Returns
    -------
    tuple of float
        A factor for each of its `weights`, 0 where nothing is added.
    """
    regularizers = [one.regularizer for one in model.weights]
    return tuple(0.0 if one is None else float(one.l2) for one in regularizers)


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
    draws what is dropped, the numbers that it draws in its graph; and where a loss has
    no formula in `skrnn.native_losses`, or there are metrics, it tells how the loss
    changes with the scores. All else is done in arrays, whose memory the variables
    share meanwhile, and moves of the embedding are put off.

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
        self._loss = self._penalties = None
        self._updates = None
        self.compiled = model.train_function

    def on_epoch_begin(self, epoch, logs=None):
        """Go on from the loss that Keras has; see `keras.callbacks.Callback`."""
        if self._loss is not None:
            self._loss.begin_epoch()

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
        dict of str to tensor or float
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
            if model.trained_natively:
                self._penalties = penalties_of(model)
                self._loss = loss_of(model, self._batches.targets)
            self._has_chosen = True
        # An epoch that Keras was told to end early is gone on with in the next one.
        number = self._n_done % len(self._batches)
        self._n_done += 1
        if not model.trained_natively:
            return self._train_by_graph(iterator)
        if self._updates is None:
            self._updates = NativeUpdates(model, self._penalties, self._loss)
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
