"""A network's answers and slopes, as each backend compiles them."""

from __future__ import annotations

import threading
from collections.abc import Callable

import numpy as np

from skrnn._keras import ON_TENSORFLOW, keras
from skrnn.backend import gradients_forgotten
from skrnn.implementation import jit_compile

if ON_TENSORFLOW:
    import tensorflow as tf


class _Traced:
    """A function that TensorFlow traces once for all shapes, when first called.

    It answers a single text in a fraction of the time of Keras' own, which is traced
    again for other shapes. Threads may call it at once.

    Parameters
    ----------
    function : callable
        Maps tensors to tensors.

    *signature : specs of tensors
        What it is called with; or callables that give them.

    jit_compile : bool
        Whether XLA compiles it.
    """

    def __init__(self, function, *signature, jit_compile=False):
        self._function = tf.function(function, autograph=False, jit_compile=jit_compile)
        self._signature = signature
        self._tracing = threading.Lock()
        self._concrete = None

    @property
    def concrete(self):
        with self._tracing:
            if self._concrete is None:
                with gradients_forgotten():
                    self._concrete = self._function.get_concrete_function(
                        *(one() if callable(one) else one for one in self._signature)
                    )
        return self._concrete

    def __call__(self, *arguments):
        return self.concrete(*arguments)


def predictor(
    model: keras.Model, implementation: str
) -> Callable[[np.ndarray], np.ndarray]:
    """Compile a model's prediction for batches of any shape.

    Parameters
    ----------
    model : keras.Model
        A built model that maps ids of shape (batch, steps), int32, to a tensor
        of shape (batch, width).

    implementation : {"loop", "native", "xla", "cudnn"}
        What runs its recurrent layers.

    Returns
    -------
    callable
        Maps an array of ids to an array. It reads the model's weights at each
        call. Threads may call it at once.
    """
    if keras.backend.backend() == "jax":
        return _predictor_of_jax(model)
    if not ON_TENSORFLOW or model.run_eagerly:
        return model.predict_on_batch
    # A single text has a function of its own, whose batch is not taken in halves.
    of_one, of_many = (
        _Traced(
            lambda ids: model(ids, training=False),
            tf.TensorSpec((n_texts, None), tf.int32),
            jit_compile=jit_compile(implementation),
        )
        for n_texts in (1, None)
    )

    def predict(ids):
        return (of_one if len(ids) == 1 else of_many)(tf.constant(ids)).numpy()

    return predict


def _predictor_of_jax(model):
    # Keras' own gives the weights' memory away while it computes, so that no other
    # thread could read them.
    import jax

    def compute(trainable, others, ids):
        return model.stateless_call(trainable, others, ids, training=False)[0]

    if not model.run_eagerly:
        compute = jax.jit(compute)

    def predict(ids):
        trainable = [one.value for one in model.trainable_variables]
        others = [one.value for one in model.non_trainable_variables]
        return np.asarray(compute(trainable, others, ids))

    return predict


def row_predictor(
    model: keras.Model, implementation: str
) -> Callable[[np.ndarray], Callable[[np.ndarray], np.ndarray]] | None:
    """Compile a prediction that takes the inputs' products once an id.

    Parameters
    ----------
    model : keras.Model
        A built model with `tabulate` and `read_rows`, as `SequenceEncoder` has.

    implementation : {"loop", "native", "xla", "cudnn"}
        What runs its recurrent layers.

    Returns
    -------
    callable or None
        Tabulates an array of ids, the first of them padding's; and gives what maps an
        array of rows of the table, shape (batch, steps), int32, to an array. None where
        the layers run on a GPU.
    """
    if (
        not ON_TENSORFLOW
        or model.run_eagerly
        or implementation not in ("loop", "native")
    ):
        return None
    tabulate = _Traced(model.tabulate, tf.TensorSpec((None,), tf.int32))
    read_rows = _Traced(
        model.read_rows,
        tf.TensorSpec((None, None), tf.int32),
        lambda: tabulate.concrete.structured_outputs,
    )

    def with_tables_of(ids):
        tables = tabulate(tf.constant(ids))
        return lambda rows: read_rows(tf.constant(rows), tables).numpy()

    return with_tables_of


def judge(
    model: keras.Model, targets: np.ndarray
) -> Callable[[np.ndarray, np.ndarray, np.ndarray], tuple[np.ndarray, dict]]:
    """Compile what a model's loss and metrics say of its scores; on TensorFlow.

    Parameters
    ----------
    model : keras.Model
        Compiled.

    targets : ndarray of shape (n_texts, ...)
        Some, of which the dtype counts, and the shape of a text's.

    Returns
    -------
    callable
        ``judge(targets, scores, sample_weight)`` gives the loss' derivatives by the
        scores, of their shape, and loss and metrics so far, a dict of tensors.
    """

    def compute(targets, scores, weight):
        with tf.GradientTape() as tape:
            tape.watch(scores)
            loss = model.compute_loss(
                y=targets, y_pred=scores, sample_weight=weight, training=True
            )
        slopes = tape.gradient(loss, scores)
        if slopes is None:
            raise ValueError("The loss does not depend on the scores.")
        # The first is the loss' own.
        model.metrics[0].update_state(loss, sample_weight=tf.shape(scores)[0])
        logs = model.compute_metrics(None, targets, scores, sample_weight=weight)
        return tf.convert_to_tensor(slopes), logs

    run = _Traced(
        compute,
        tf.TensorSpec((None, *targets.shape[1:]), targets.dtype),
        tf.TensorSpec((None, model.head.units), model.compute_dtype),
        tf.TensorSpec((None,), model.compute_dtype),
    )

    def judge(targets, scores, weight):
        numbers = (tf.constant(one, model.compute_dtype) for one in (scores, weight))
        slopes, logs = run(tf.constant(targets), *numbers)
        return slopes.numpy(), logs

    return judge


def differentiator(
    function: Callable, width: int
) -> Callable[[np.ndarray, int], tuple[np.ndarray, np.ndarray]]:
    """Compile a function's values and slopes.

    Parameters
    ----------
    function : callable
        Maps a tensor of shape (steps, batch, width) to one of shape
        (batch, n_outputs), no row of the batch depending on another.

    width : int
        Width of what the function takes.

    Returns
    -------
    callable
        ``differentiate(x, output)`` gives the values of one output, shape (batch,),
        and their derivatives by `x`, of its shape.
    """
    if ON_TENSORFLOW:

        def of_output(x, output):
            with tf.GradientTape() as tape:
                tape.watch(x)
                values = function(x)[:, output]
            return values, tape.gradient(values, x)

        of_x = tf.TensorSpec((None, None, width), keras.config.floatx())
        compiled = _Traced(of_output, of_x, tf.TensorSpec((), tf.int32))

        def differentiate(x, output):
            values, slopes = compiled(tf.constant(x, of_x.dtype), tf.constant(output))
            return values.numpy(), slopes.numpy()

        return differentiate

    if keras.backend.backend() == "jax":
        import jax

        def differentiate(x, output):
            def total(x):
                values = function(x)[:, output]
                return values.sum(), values

            (_, values), slopes = jax.value_and_grad(total, has_aux=True)(x)
            return np.asarray(values), np.asarray(slopes)

        return differentiate

    def differentiate(x, output):
        x = keras.ops.convert_to_tensor(x).detach().requires_grad_()
        values = function(x)[:, output]
        values.sum().backward(inputs=[x])
        return keras.ops.convert_to_numpy(values), keras.ops.convert_to_numpy(x.grad)

    return differentiate
