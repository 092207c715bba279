"""One run of training: when it stops, what its errors mean, what it leaves behind."""

from __future__ import annotations

import io

import numpy as np

from skrnn._keras import keras, retracing_warnings_filtered
from skrnn.backend import memory_errors_explained
from skrnn.network import SequenceModel
from skrnn.schedules import auto_epochs
from skrnn.training_data import TrainingData

ops = keras.ops

_OF_STEP_SIZE = keras.callbacks.LearningRateScheduler, keras.callbacks.ReduceLROnPlateau

_NEEDS_CONSTANT = (
    "A callback that sets the step size needs learning_rate_schedule='constant', and "
    "no schedule of Keras as `learning_rate` or inside `optimizer`."
)


def train(
    model: SequenceModel,
    data: TrainingData,
    callbacks: list[keras.callbacks.Callback],
    *,
    epochs: int | str,
    initial_epoch: int,
    batch_size: int,
    early_stopping: bool,
    patience: int,
    random_state: np.random.RandomState,
    decay: bool,
    verbose: int,
) -> tuple[dict[str, list], int | None]:
    """Train a network in place.

    Parameters
    ----------
    model : SequenceModel
        The network, compiled.

    data : TrainingData
        What it learns from, and what is held out from it.

    callbacks : list of keras.callbacks.Callback
        Called while training, and left so that they can be pickled.

    epochs : int or "auto"
        Number of passes over the texts.

    initial_epoch : int
        Number of epochs that came before.

    batch_size : int
        Number of texts an update.

    early_stopping : bool
        Whether to look at what is held out, and stop by that.

    patience : int
        Number of epochs without a lower loss on the texts held out that are waited for
        before training stops and goes back to the best weights.

    random_state : numpy.random.RandomState
        Shuffles the batches; it is advanced.

    decay : bool
        Whether the step size follows these updates; see `SequenceModel.fit`.

    verbose : int
        0, 1 or 2, as Keras takes it.

    Returns
    -------
    history : dict of str to list
        Loss, metrics and what callbacks add, after each epoch.

    best_epoch : int or None
        Number of the epoch whose weights early stopping went back to.

    Raises
    ------
    ValueError
        If weights or losses are no numbers any more, or a callback sets a step size
        that a schedule gives.

    MemoryError
        If a batch does not fit.
    """
    if epochs == "auto":
        epochs = auto_epochs(data.read.lengths[data.train], batch_size)
    stop = None
    if early_stopping:
        stop = _EarlyStopping(
            monitor="val_loss",
            mode="min",
            patience=patience,
            restore_best_weights=True,
            verbose=min(verbose, 1),
        )
        callbacks = [*callbacks, stop]
    try:
        with (
            retracing_warnings_filtered(),
            memory_errors_explained(
                "Lower `batch_size` or `max_length`, or the network's sizes."
            ),
        ):
            run = model.fit(
                data.read,
                data.targets,
                sample_weight=data.weight,
                texts=data.train,
                batch_size=batch_size,
                random_state=random_state,
                decay=decay,
                validation_data=data.kept_aside() if early_stopping else None,
                epochs=initial_epoch + epochs,
                initial_epoch=initial_epoch,
                callbacks=callbacks,
                verbose=verbose,
            )
    except TypeError as error:
        if "LearningRateSchedule" not in str(error):
            raise
        raise ValueError(_NEEDS_CONSTANT) from error
    finally:
        for callback in callbacks:
            _make_portable(callback)
    best_epoch = None
    if stop is not None and stop.best is not None:
        # A callback that goes on from a backup begins at a later one.
        best_epoch = initial_epoch + run.epoch.index(stop.best_epoch) + 1
    _check_finite(model, run.history, best_epoch, initial_epoch)
    if not _all_finite(model.optimizer.variables):
        # Early stopping has gone back from what left it, or squares have overflowed.
        model.renew_optimizer()
    return run.history, best_epoch


def check_step_size_is_free(
    callbacks: list[keras.callbacks.Callback],
    optimizer: keras.optimizers.Optimizer | None,
) -> None:
    """Check that no callback of Keras' sets a step size that a schedule gives.

    Parameters
    ----------
    callbacks : list of keras.callbacks.Callback
        Called while training. Those of other makers are met when they set it.

    optimizer : keras.optimizers.Optimizer or None
        What the network is compiled with, if it is.

    Raises
    ------
    ValueError
        If one does.
    """
    schedule = getattr(optimizer, "_learning_rate", None)
    if isinstance(schedule, keras.optimizers.schedules.LearningRateSchedule) and any(
        isinstance(one, _OF_STEP_SIZE) for one in callbacks
    ):
        raise ValueError(_NEEDS_CONSTANT)


class _EarlyStopping(keras.callbacks.EarlyStopping):
    """Keras' own, to which a loss that is no number is as bad as an infinite one."""

    def get_monitor_value(self, logs):
        value = super().get_monitor_value(logs)
        return np.inf if np.isnan(value) else value


def _check_finite(model, history, best_epoch: int | None, initial_epoch: int) -> None:
    # A callback may have skipped all epochs, as Keras' own that goes on from a backup.
    losses = history.get("loss", [])
    if best_epoch is not None:
        # What came after it was undone.
        losses = losses[: best_epoch - initial_epoch]
    # Checked where the backend holds them: copies could be a fit's highest memory.
    if _all_finite(model.weights):
        # A loss can be no number where its slope is one, as Poisson's below zero.
        of_held_out = [0.0] if best_epoch is None else history["val_loss"]
        if np.isfinite(losses[-1:]).all() and not np.isnan(of_held_out).all():
            return
    # The last update comes after the last loss.
    finite = [*np.isfinite(losses[:-1]), False]
    epoch = initial_epoch + 1 + finite.index(False)
    raise ValueError(
        f"Training diverged in epoch {epoch}. Lower `learning_rate` or "
        "`clipnorm`, look for extreme values in `y` or `sample_weight`, or take a "
        "`loss` that is a number for every score."
    )


def _all_finite(variables) -> bool:
    return all(bool(ops.all(ops.isfinite(one))) for one in variables)


def _make_portable(callback: keras.callbacks.Callback) -> None:
    """Take the model and closed files, such as a log's, out of a user's callback.

    A pickle of the estimator would have the one twice, and cannot have the others.
    After a fit that was broken off files of others than Keras are still open.
    """
    callback._model = None
    log = getattr(callback, "csv_file", None)
    if isinstance(callback, keras.callbacks.CSVLogger) and log is not None:
        # What Keras does at the end of a training that nothing broke off.
        log.close()
        callback.writer = None
    for name, value in list(vars(callback).items()):
        if isinstance(value, io.IOBase) and value.closed:
            setattr(callback, name, None)
