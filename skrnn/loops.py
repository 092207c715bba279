"""The loop over steps, as each backend runs it fastest."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from skrnn._keras import ON_TENSORFLOW, keras

if ON_TENSORFLOW:
    import tensorflow as tf


def scan(
    step: Callable[[tuple, tuple, tuple], tuple[tuple, tuple, tuple]],
    initial: tuple,
    inputs: tuple,
    *,
    kept=(),
    reverse: bool = False,
    for_xla: bool = False,
) -> tuple[tuple, tuple, tuple]:
    """Carry states from step to step and collect what each step gives.

    Parameters
    ----------
    step : callable
        ``step(states, inputs_at_a_step, kept_of_a_step) -> states, outputs, keeps``,
        all of them tuples of tensors; states keep their shapes and dtypes.

    initial : tuple of tensors of shape (batch, ...)
        The states before the first step.

    inputs : tuple of tensors of shape (steps, batch, ...)
        What each step is given, steps first.

    kept : tuple, default=()
        What another loop kept, which ran over the same steps the other way. A step is
        given what the other loop kept of it; in TensorFlow's own loop memory is free
        of that from then on.

    reverse : bool, default=False
        Whether to start at the last step and end at the first.

    for_xla : bool, default=False
        Whether XLA compiles the loop, which knows no lists.

    Returns
    -------
    states : tuple of tensors of shape (batch, ...)
        The states after the last step taken.

    outputs : tuple of tensors of shape (steps, batch, ...)
        What the steps gave. Row ``t`` belongs to step ``t``, also when the loop runs
        backward.

    keeps : tuple
        What the steps kept, for one other loop.
    """
    if not ON_TENSORFLOW:
        return _scan_with_keras(step, initial, inputs, kept, reverse)
    if for_xla:
        return _scan_with_arrays(step, initial, inputs, kept, reverse)
    return _scan_with_tensorflow(step, initial, inputs, kept, reverse)


def _scan_with_keras(step, initial, inputs, kept, reverse):
    def with_all(states, inputs):
        states, outputs, keeps = step(states, *inputs)
        return states, (outputs, keeps)

    states, (outputs, keeps) = keras.ops.scan(
        with_all, initial, (inputs, kept), reverse=reverse
    )
    return states, outputs, keeps


class _Kept(NamedTuple):
    """What the steps of a loop kept: stacks, the last step's tensors on top.

    TensorFlow's lists, for a TensorArray would hold all it has until its end.
    """

    lists: tuple
    # Shape and dtype of a step's tensors.
    specs: tuple


def _empty_list(spec):
    return tf.raw_ops.EmptyTensorList(
        element_shape=_numbers(spec.shape),
        max_num_elements=-1,
        element_dtype=spec.dtype,
    )


def _push(tensors, lists):
    return tuple(
        tf.raw_ops.TensorListPushBack(input_handle=one, tensor=tensor)
        for one, tensor in zip(lists, tensors, strict=True)
    )


def _pop(lists, specs):
    """Take the last tensor of each list; they and the lists without them."""
    popped = [
        tf.raw_ops.TensorListPopBack(
            input_handle=one,
            element_shape=_numbers(spec.shape),
            element_dtype=spec.dtype,
        )
        for one, spec in zip(lists, specs, strict=True)
    ]
    for one, spec in zip(popped, specs, strict=True):
        one.tensor.set_shape(spec.shape)
    tensors = tuple(one.tensor for one in popped)
    return tensors, tuple(one.output_handle for one in popped)


def _numbers(shape):
    return [-1 if size is None else size for size in shape]


def _scan_with_tensorflow(step, initial, inputs, kept, reverse):
    # keras.ops.scan would copy the inputs and the states into TensorArrays, too.
    n_steps = tf.shape(inputs[0])[0]
    given, specs_of_given = kept or ((), ())

    def at(t):
        return tuple(x[t] for x in inputs)

    # One step outside the loop tells the shapes of what it gives; a graph computes
    # nothing of it.
    _, outputs, keeps = step(initial, at(0), _pop(given, specs_of_given)[0])
    specs = tuple(tf.TensorSpec(x.shape, x.dtype) for x in keeps)
    outputs = tuple(
        tf.TensorArray(x.dtype, n_steps, element_shape=x.shape) for x in outputs
    )

    def body(count, states, given, outputs, keeps):
        t = n_steps - 1 - count if reverse else count
        given_at_t, given = _pop(given, specs_of_given)
        states, outputs_at_t, keeps_at_t = step(states, at(t), given_at_t)
        outputs = tuple(
            array.write(t, x) for array, x in zip(outputs, outputs_at_t, strict=True)
        )
        return count + 1, states, given, outputs, _push(keeps_at_t, keeps)

    _, states, _, outputs, keeps = tf.while_loop(
        lambda count, *_: count < n_steps,
        body,
        (tf.constant(0), initial, given, outputs, tuple(map(_empty_list, specs))),
    )
    return states, tuple(array.stack() for array in outputs), _Kept(keeps, specs)


def _scan_with_arrays(step, initial, inputs, kept, reverse):
    """What steps keep are outputs like others, and inputs of the other loop."""
    n_outputs = None

    def with_all(states, inputs_and_kept, _):
        nonlocal n_outputs
        given = inputs_and_kept[: len(inputs)], inputs_and_kept[len(inputs) :]
        states, outputs, keeps = step(states, *given)
        n_outputs = len(outputs)
        return states, (*outputs, *keeps), ()

    states, arrays, _ = _scan_with_tensorflow(
        with_all, initial, (*inputs, *kept), (), reverse
    )
    return states, arrays[:n_outputs], arrays[n_outputs:]


def rows_of(tables: list, ids) -> list:
    """Look rows up at a step of TensorFlow's own loop.

    `keras.ops.take` would look for negative numbers, three operations more.

    Parameters
    ----------
    tables : list of tensors of shape (n_rows, size)
        What to look up in.

    ids : int32 tensor of shape (batch,)
        The rows' numbers, none of them negative.

    Returns
    -------
    list of tensors of shape (batch, size)
    """
    return [tf.gather(table, ids) for table in tables]


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
    tensor of shape (batch, ...)
        What the function gives for the whole batch.
    """
    if not ON_TENSORFLOW or tf.executing_eagerly() or inputs[0].shape[1] == 1:
        return function(*inputs)
    batch = tf.shape(inputs[0])[1]
    sizes = [batch // 2, batch - batch // 2]
    halves = zip(*(tf.split(x, sizes, axis=1) for x in inputs), strict=True)
    return tf.concat([function(*half) for half in halves], axis=0)


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
