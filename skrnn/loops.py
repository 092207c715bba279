"""The loop over steps, as each backend runs it fastest."""

from __future__ import annotations

from collections.abc import Callable

from skrnn._keras import ON_TENSORFLOW, keras

if ON_TENSORFLOW:
    import tensorflow as tf


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
        of tensors; states keep their shapes and dtypes.

    initial : tuple of tensors of shape (batch, ...)
        The states before the first step.

    inputs : tuple of tensors of shape (steps, batch, ...), or of collections
        What each step is given, steps first. What one loop collected is given to
        another as it is.

    reverse : bool, default=False
        Whether to start at the last step and end at the first.

    Returns
    -------
    states : tuple of tensors of shape (batch, ...)
        The states after the last step taken.

    outputs : tuple of collections
        What the steps gave; `stacked` makes a tensor of one. Entry ``t`` belongs to
        step ``t``, also when the loop runs backward.
    """
    return _scan(step, initial, inputs, reverse)


def _scan_with_keras(step, initial, inputs, reverse):
    return keras.ops.scan(step, initial, inputs, reverse=reverse)


def _scan_with_tensorflow(step, initial, inputs, reverse):
    # keras.ops.scan would copy the inputs and the states into TensorArrays, too.
    first = inputs[0]
    n_steps = first.size() if isinstance(first, tf.TensorArray) else tf.shape(first)[0]

    def at(t):
        return tuple(
            x.read(t) if isinstance(x, tf.TensorArray) else x[t] for x in inputs
        )

    # One step outside the loop tells the shapes of what it gives.
    outputs = step(initial, at(0))[1]
    collected = tuple(
        tf.TensorArray(x.dtype, n_steps, element_shape=x.shape, clear_after_read=False)
        for x in outputs
    )

    def body(count, states, collected):
        t = n_steps - 1 - count if reverse else count
        states, outputs = step(states, at(t))
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
    return states, collected


_scan = _scan_with_tensorflow if ON_TENSORFLOW else _scan_with_keras


def stacked(collected):
    """Lay what a loop collected side by side in one tensor.

    Parameters
    ----------
    collected : collection
        One of the outputs of `scan`.

    Returns
    -------
    tensor of shape (steps, batch, ...)
    """
    return collected.stack() if ON_TENSORFLOW else collected


def side_by_side(function: Callable, *inputs):
    """Apply a function to both halves of a batch at once, one a processor core.

    One matrix product of a step is too small to keep several cores busy; two loops
    are not. Only TensorFlow runs two loops at once.

    Parameters
    ----------
    function : callable
        ``function(*inputs) -> output``, where no row of the batch depends on
        another.

    *inputs : tensors of shape (steps, batch, ...)
        The whole batch.

    Returns
    -------
    tensor of shape (steps, batch, ...)
        What the function gives for the whole batch.
    """
    if not ON_TENSORFLOW or tf.executing_eagerly() or inputs[0].shape[1] == 1:
        return function(*inputs)
    batch = tf.shape(inputs[0])[1]
    sizes = [batch // 2, batch - batch // 2]
    halves = zip(*(tf.split(x, sizes, axis=1) for x in inputs), strict=True)
    return tf.concat([function(*half) for half in halves], axis=1)


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
