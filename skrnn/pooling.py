"""From hidden states to one representation a text."""

from __future__ import annotations

from skrnn._keras import keras

ops = keras.ops

# Below all hidden states, and a number in float16, too.
_LOWEST = -6e4

# What a pooling has side by side, where that is not itself alone.
PARTS = {"concat": ("last", "mean", "max")}


def pool(hidden, padding, pooling: str, *, reverse: bool):
    """Pool hidden states over a text's steps.

    Parameters
    ----------
    hidden : tensor of shape (steps, batch, size)
        Hidden states.

    padding : bool tensor of shape (steps, batch)
        True at steps that hold no token; they count in no mean and no maximum.

    pooling : {"last", "mean", "max", "concat"}
        "last" is the state after the last token read, "concat" is all three
        side by side. The mean and the maximum over no token at all are 0.

    reverse : bool
        Whether the layer read the text from its end, so that the last token
        read is the first of the text.

    Returns
    -------
    tensor of shape (batch, size) or (batch, 3 * size)
    """
    if pooling == "last":
        return hidden[0] if reverse else hidden[-1]
    if pooling == "concat":
        parts = [
            pool(hidden, padding, part, reverse=reverse) for part in PARTS["concat"]
        ]
        return ops.concatenate(parts, axis=-1)
    present = ops.cast(ops.logical_not(padding), hidden.dtype)[:, :, None]
    count = ops.sum(_exact(present), axis=0)
    if pooling == "mean":
        total = ops.sum(_exact(hidden * present), axis=0)
        return ops.cast(total / ops.maximum(count, 1.0), hidden.dtype)
    highest = ops.max(ops.where(padding[:, :, None], _LOWEST, hidden), axis=0)
    return ops.where(count > 0, highest, 0.0)


class RunningPool:
    """The same a step at a time, for who needs none of the hidden states themselves.

    What is carried from step to step is a dict of tensors of shape (batch, size).

    Parameters
    ----------
    pooling : {"last", "mean", "max", "concat"} or None
        As in `pool`; None carries nothing.
    """

    def __init__(self, pooling: str | None):
        self.parts = PARTS.get(pooling, (pooling,))

    def start(self, zeros) -> dict:
        """What is carried before the first step; `zeros` has its shape."""
        starts = {"mean": _exact(zeros), "max": zeros + _LOWEST}
        return {part: starts[part] for part in self.parts if part in starts}

    def add(self, carried: dict, hidden, padding) -> dict:
        """What is carried after a step.

        Parameters
        ----------
        carried : dict
            What was carried before it.

        hidden : tensor of shape (batch, size)
            The hidden states after the step.

        padding : tensor of shape (batch, 1)
            1 for texts without a token there, 0 for others.
        """
        added = {}
        if "mean" in carried:
            added["mean"] = carried["mean"] + _exact(hidden * (1.0 - padding))
        if "max" in carried:
            added["max"] = ops.maximum(carried["max"], hidden + _LOWEST * padding)
        return added

    def finish(self, carried: dict, last, padding):
        """The representations, shape (batch, size) or (batch, 3 * size).

        Parameters
        ----------
        carried : dict
            What is carried after the last step.

        last : tensor of shape (batch, size)
            The hidden states after the last step.

        padding : tensor of shape (steps, batch, 1)
            1 at steps that hold no token, 0 at others.
        """
        finished = {"last": last}
        count = ops.sum(_exact(1.0 - padding), axis=0)
        if "mean" in carried:
            mean = carried["mean"] / ops.maximum(count, 1.0)
            finished["mean"] = ops.cast(mean, last.dtype)
        if "max" in carried:
            finished["max"] = ops.where(count > 0, carried["max"], 0.0)
        return ops.concatenate([finished[part] for part in self.parts], axis=-1)


def _exact(values):
    """In float32 at least: in float16 a sum over many steps loses what steps add."""
    return ops.cast(values, keras.backend.result_type(values.dtype, "float32"))
