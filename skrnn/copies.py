"""Copies of metrics and optimizers, and whether their configurations are whole."""

from __future__ import annotations

import numpy as np
from sklearn.utils._param_validation import InvalidParameterError

from skrnn._keras import keras

_COPIED = (keras.metrics.Metric, keras.optimizers.Optimizer)

_PLAIN = (bool, int, float, str, bytes, np.generic, type(None))

# What an object that was used has otherwise than a new one.
_OF_USE = {
    "built",
    "_built",
    "_trainable_variables_indices",
    "_exclude_from_weight_decay_cache",
}


def fresh_copies(value, parameter: str):
    """The same, but with fresh copies of metrics and optimizers.

    They hold variables, which belong to one model; a parameter given by the user serves
    many fits. Keras copies by configuration, for clones and pickles, too: what that
    lacks would be lost in silence.

    Parameters
    ----------
    value : object
        A Keras object, or containers of some; others stay as they are.

    parameter : str
        Named in messages.

    Raises
    ------
    InvalidParameterError
        If a copy cannot be made, or lacks what the object holds.
    """
    return keras.tree.map_structure(lambda one: _fresh_copy(one, parameter), value)


def _fresh_copy(one, parameter: str):
    if not isinstance(one, _COPIED):
        return one
    kind = type(one).__name__
    try:
        fresh = type(one).from_config(one.get_config())
    except Exception as error:
        raise InvalidParameterError(
            f"The {kind} in `{parameter}` cannot be copied by its configuration, as "
            f"fits, clones and pickles do: {type(error).__name__}: {error}"
        ) from error
    lost = [
        f"{name}={held!r}"
        for name, held in vars(one).items()
        if name not in _OF_USE
        and not name.startswith("_self_")
        and _is_plain(held)
        and not (name in vars(fresh) and _are_equal(held, vars(fresh)[name]))
    ]
    if lost:
        raise InvalidParameterError(
            f"Copies of the {kind} in `{parameter}`, as fits, clones and pickles make "
            f"them, lack its {', '.join(lost)}. Give one of a class whose `get_config` "
            "returns all that its `__init__` takes."
        )
    if _not_decayed(fresh) != _not_decayed(one):
        raise InvalidParameterError(
            "Copies of the `optimizer` lack what its `exclude_from_weight_decay` "
            "was told, which Keras keeps out of its configuration. Give an "
            "optimizer whose class calls it in `__init__`."
        )
    return fresh


def _is_plain(value) -> bool:
    if isinstance(value, dict):
        return all(map(_is_plain, [*value, *value.values()]))
    if isinstance(value, list | tuple):
        return all(map(_is_plain, value))
    return isinstance(value, _PLAIN)


def _are_equal(one, other) -> bool:
    # A configuration may turn tuples into lists.
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(map(_are_equal, one, other))
    # No number is equal to itself but NaN.
    return one == other or (one != one and other != other)


def _not_decayed(value):
    return [
        getattr(value, name, None) or None
        for name in ("_exclude_from_weight_decay", "_exclude_from_weight_decay_pattern")
    ]
