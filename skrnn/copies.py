"""Copies of metrics and optimizers, and whether their configurations are whole."""

from __future__ import annotations

import inspect

import numpy as np
from sklearn.utils._param_validation import InvalidParameterError

from skrnn._keras import keras

_PLAIN = (bool, int, float, str, bytes, np.generic, np.ndarray, type(None))

# Attributes in which a used object differs from a new one, or that are numbered.
_OF_USE = {
    "built",
    "_built",
    "name",
    "_trainable_variables_indices",
    "_exclude_from_weight_decay_cache",
}


def fresh_copy(one, parameter: str):
    """Copy a metric or an optimizer by its configuration.

    It holds variables, which belong to one model, where a user's parameter serves many
    fits.

    Parameters
    ----------
    one : keras.metrics.Metric or keras.optimizers.Optimizer
        Given by the user.

    parameter : str
        Named in messages.

    Returns
    -------
    keras.metrics.Metric or keras.optimizers.Optimizer

    Raises
    ------
    InvalidParameterError
        If a copy cannot be made, or lacks an argument.
    """
    try:
        fresh = _copy(one)
    # The class may be the user's own, and raise anything.
    except Exception as error:
        raise InvalidParameterError(
            f"The {type(one).__name__} in `{parameter}` cannot be copied by its "
            f"configuration, as fits, clones and pickles do: {type(error).__name__}: "
            f"{error}"
        ) from error
    _check_copy(fresh, one, parameter)
    return fresh


def check_copies(one, parameter: str) -> None:
    """Check that copies of a metric or an optimizer lack nothing, if there are any.

    Parameters
    ----------
    one : keras.metrics.Metric or keras.optimizers.Optimizer
        Made for one fit, and copied in pickles of what was fitted.

    parameter : str
        Named in messages.

    Raises
    ------
    InvalidParameterError
        If a copy lacks an argument.
    """
    try:
        fresh = _copy(one)
    # As above. A pickle would say so, too, and may never be asked for.
    except Exception:
        return
    _check_copy(fresh, one, parameter)


def _copy(one):
    fresh = type(one).from_config(one.get_config())
    if isinstance(one, keras.metrics.Metric):
        # A class that takes no name is numbered anew.
        fresh.name = one.name
    return fresh


def _check_copy(fresh, one, parameter: str) -> None:
    if _not_decayed(fresh) != _not_decayed(one):
        raise InvalidParameterError(
            "Copies of the `optimizer` lack what its `exclude_from_weight_decay` "
            "was told, which Keras keeps out of its configuration. Give an "
            "optimizer whose class calls it in `__init__`."
        )
    left_out = _arguments(type(one)) - set(one.get_config())
    if not left_out:
        return
    held, of_fresh = vars(one), vars(fresh)
    lost = [
        name
        for name in held
        if name in of_fresh
        and name not in _OF_USE
        # So begins what TensorFlow notes of all it tracks.
        and not name.startswith("_self_")
        and _is_plain(held[name])
        and not (_is_plain(of_fresh[name]) and _are_equal(held[name], of_fresh[name]))
    ]
    if lost:
        kind = type(one).__name__
        raise InvalidParameterError(
            f"Copies of the {kind} in `{parameter}`, as fits, clones and pickles make "
            f"them, have another {' and '.join(map(repr, lost))}: its configuration "
            f"lacks {' and '.join(map(repr, sorted(left_out)))}. Give one of a class "
            "whose `get_config` returns all that its `__init__` takes."
        )


def _arguments(kind: type) -> set[str]:
    """Names of what `__init__` takes."""
    _, *parameters = inspect.signature(kind.__init__).parameters.values()
    return {
        one.name
        for one in parameters
        if one.kind not in (one.VAR_POSITIONAL, one.VAR_KEYWORD)
    }


def _is_plain(value) -> bool:
    if isinstance(value, dict):
        return all(map(_is_plain, [*value, *value.values()]))
    if isinstance(value, list | tuple | set | frozenset):
        return all(map(_is_plain, value))
    return isinstance(value, _PLAIN)


def _are_equal(one, other) -> bool:
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(
            _are_equal(one[key], other[key]) for key in one
        )
    # A configuration may turn tuples into lists.
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(map(_are_equal, one, other))
    if isinstance(one, np.ndarray) or isinstance(other, np.ndarray):
        return np.array_equal(one, other)
    # No number is equal to itself but NaN.
    return one == other or (one != one and other != other)


def _not_decayed(value):
    return [
        getattr(value, name, None) or None
        for name in ("_exclude_from_weight_decay", "_exclude_from_weight_decay_pattern")
    ]
