"""Arguments of `keras.Model.compile` without variables, for pickles and copies."""

from __future__ import annotations

from collections.abc import Mapping

from skrnn._keras import keras


def without_variables(arguments: Mapping) -> dict:
    """Replace Keras objects, which hold variables, by what makes them anew.

    Parameters
    ----------
    arguments : mapping of str to object
        Losses, metrics and optimizers, alone and in lists, tuples and dicts, and
        anything else.

    Returns
    -------
    dict
        It can be pickled where everything else in it can be.
    """
    return {name: _to_config(value) for name, value in arguments.items()}


def made_anew(arguments: Mapping) -> dict:
    """Make the objects that `without_variables` replaced; each belongs to one model."""
    return {name: _from_config(value) for name, value in arguments.items()}


class _Config(tuple):
    """The class, the configuration and the name of a Keras object."""


class _State(tuple):
    """The class and the attributes of an object."""


def _to_config(value):
    # Keras' own lists and dicts, too; of tuples those that are nothing more.
    if isinstance(value, list):
        return [_to_config(one) for one in value]
    if type(value) is tuple:
        return tuple(map(_to_config, value))
    if isinstance(value, dict):
        return {name: _to_config(one) for name, one in value.items()}
    if isinstance(value, keras.losses.Loss):
        # A loss holds no variables, and a configuration may lack arguments, as
        # that of Huber lacks its width.
        return _State((type(value), vars(value)))
    if isinstance(value, (keras.optimizers.Optimizer, keras.metrics.Metric)):
        # A class that takes no name would number itself anew.
        return _Config((_public(value), _builtin(value.get_config()), value.name))
    return value


def _public(value) -> type:
    """The class by which any backend makes such an object.

    With PyTorch Keras' optimizers are of classes of its own, which load nowhere else.
    """
    return next(
        kind
        for kind in type(value).__mro__
        if not kind.__module__.startswith("keras.src.backend.")
    )


def _builtin(value):
    """The same without Keras' own lists and dicts, which cannot be pickled."""
    if isinstance(value, dict):
        return {key: _builtin(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_builtin(one) for one in value]
    return value


def _from_config(value):
    if isinstance(value, list):
        return [_from_config(one) for one in value]
    if type(value) is tuple:
        return tuple(map(_from_config, value))
    if isinstance(value, dict):
        return {name: _from_config(one) for name, one in value.items()}
    if isinstance(value, _State):
        kind, attributes = value
        loss = kind.__new__(kind)
        vars(loss).update(attributes)
        return loss
    if isinstance(value, _Config):
        kind, config, name = value
        made = kind.from_config(config)
        made.name = name
        return made
    return value
