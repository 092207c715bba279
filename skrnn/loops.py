"""The loop over steps and what surrounds it: the room that knows the backend."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from skrnn._keras import keras

_ON_TENSORFLOW = keras.backend.backend() == "tensorflow"
if _ON_TENSORFLOW:
    import tensorflow as tf

# XLA compiles anew for every batch's number of steps and was measured no faster
# on a CPU; the other backends choose for themselves.
JIT_COMPILE: bool | str = False if _ON_TENSORFLOW else "auto"


def scan(
    step: Callable[[tuple, tuple], tuple[tuple, tuple]],
    initial: tuple,
    inputs: tuple,
    *,
    reverse: bool = False,
) -> tuple[tuple, tuple]:
    """Carry states from step to step and collect what each step gives.

    Parameters
    ----------
    step : callable
        ``step(states, inputs_at_a_step) -> states, outputs``, all of them tuples
        of tensors; states keep their shapes and dtypes. No row of the batch may
        depend on another.

    initial : tuple of tensors of shape (batch, ...)
        The states before the first step.

    inputs : tuple of tensors of shape (steps, batch, ...)
        What each step is given, steps first.

    reverse : bool, default=False
        Whether to start at the last step and end at the first.

    Returns
    -------
    states : tuple of tensors of shape (batch, ...)
        The states after the last step taken.

    outputs : tuple of tensors of shape (steps, batch, ...)
        Entry ``t`` belongs to step ``t``, also when the loop runs backward.
    """
    return _scan(step, initial, inputs, reverse)


def _scan_with_keras(step, initial, inputs, reverse):
    return keras.ops.scan(step, initial, inputs, reverse=reverse)


def _scan_with_tensorflow(step, initial, inputs, reverse):
    if tf.executing_eagerly():
        return _one_loop(step, initial, inputs, reverse)
    # Two loops run side by side, one a core, where one matrix product of a step is
    # too small to keep several busy.
    half = tf.shape(initial[0])[0] // 2
    parts = [
        _one_loop(
            step,
            tuple(x[rows] for x in initial),
            tuple(x[:, rows] for x in inputs),
            reverse,
        )
        for rows in (slice(None, half), slice(half, None))
    ]
    states, outputs = zip(*parts, strict=True)
    return (
        tuple(tf.concat(x, axis=0) for x in zip(*states, strict=True)),
        tuple(tf.concat(x, axis=1) for x in zip(*outputs, strict=True)),
    )


def _one_loop(step, initial, inputs, reverse):
    # keras.ops.scan would pass the states through TensorArrays, too.
    n_steps = tf.shape(inputs[0])[0]
    given = [tf.TensorArray(x.dtype, n_steps).unstack(x) for x in inputs]
    # One step outside the loop tells the shapes of what it gives.
    outputs = step(initial, tuple(x[0] for x in inputs))[1]
    collected = tuple(
        tf.TensorArray(x.dtype, n_steps, element_shape=x.shape) for x in outputs
    )

    def body(count, states, collected):
        t = n_steps - 1 - count if reverse else count
        states, outputs = step(states, tuple(x.read(t) for x in given))
        collected = tuple(
            array.write(t, x) for array, x in zip(collected, outputs, strict=True)
        )
        return count + 1, states, collected

    _, states, collected = tf.while_loop(
        lambda count, *_: count < n_steps,
        body,
        (tf.constant(0), initial, collected),
        maximum_iterations=n_steps,
    )
    return states, tuple(x.stack() for x in collected)


_scan = _scan_with_tensorflow if _ON_TENSORFLOW else _scan_with_keras


def custom_gradient(function: Callable, *arguments):
    """Call a function that brings its own gradient.

    Parameters
    ----------
    function : callable
        ``function(*arguments) -> output, gradient``, where ``gradient(upstream)``
        maps the output's gradient to those of the arguments.

    *arguments : tensors or variables
        Everything that has a gradient: the function may use no other variable.

    Returns
    -------
    tensor
        The function's output.
    """

    @keras.ops.custom_gradient
    def run(*arguments):
        output, gradient = function(*arguments)

        def called_as_every_backend_does(*upstreams, upstream=None):
            # PyTorch passes it by name, behind the arguments.
            return gradient(upstreams[0] if upstream is None else upstream)

        return output, called_as_every_backend_does

    # TensorFlow's own takes tensors, and variables are none.
    return run(
        *(
            keras.ops.reshape(one, one.shape)
            if isinstance(one, keras.Variable)
            else one
            for one in arguments
        )
    )


def predictor(model: keras.Model) -> Callable[[np.ndarray], np.ndarray]:
    """Compile a model's prediction for batches of any shape.

    Parameters
    ----------
    model : keras.Model
        A built model that maps ids of shape (batch, steps), int32, to a tensor
        of shape (batch, width).

    Returns
    -------
    callable
        Maps an array of ids to an array. It reads the model's weights at each
        call.
    """
    if not _ON_TENSORFLOW or model.run_eagerly:
        return model.predict_on_batch
    # A function traced once for all shapes answers a single text in a fraction
    # of the time of Keras' own, which is traced again for other shapes.
    compiled = tf.function(
        lambda ids: model(ids, training=False), autograph=False
    ).get_concrete_function(tf.TensorSpec((None, None), tf.int32))
    return lambda ids: compiled(tf.constant(ids)).numpy()


def feed(batches: keras.utils.PyDataset):
    """Wrap batches of padded ids into what `keras.Model.fit` reads them from.

    Parameters
    ----------
    batches : keras.utils.PyDataset
        Gives tuples of arrays, the first of shape (batch, steps).

    Returns
    -------
    keras.utils.PyDataset or tf.data.Dataset
        The same batches in the same order.
    """
    if not _ON_TENSORFLOW:
        return batches

    def epoch():
        for i in range(len(batches)):
            yield batches[i]

    # Keras would look at two batches and, were they of one length, take it for the
    # length of all.
    ids, *others = batches[0]
    signature = (
        tf.TensorSpec((None, None), ids.dtype),
        *(tf.TensorSpec((None, *array.shape[1:]), array.dtype) for array in others),
    )
    dataset = tf.data.Dataset.from_generator(epoch, output_signature=signature)
    return dataset.apply(tf.data.experimental.assert_cardinality(len(batches)))
