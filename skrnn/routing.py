"""The contact with scikeras: parameters routed to Keras objects by their names."""

from __future__ import annotations

import contextlib
import inspect
import re
from collections import Counter
from collections.abc import Iterable
from functools import partial
from numbers import Real

from sklearn.base import BaseEstimator
from sklearn.utils._param_validation import InvalidParameterError

from skrnn._keras import keras
from skrnn.copies import check_copies, fresh_copy
from skrnn.optimizers import OPTIMIZERS
from skrnn.schedules import LinearDecay
from skrnn.warned import warn_user

_PATCHED_BY_SCIKERAS = (
    (keras.Model, "__reduce__"),
    (keras.Model, "__deepcopy__"),
    (keras.losses.Loss, "__reduce__"),
    (keras.metrics.Metric, "__reduce__"),
    (keras.optimizers.Optimizer, "__reduce__"),
)


@contextlib.contextmanager
def _put_back(attributes):
    before = [vars(kind).get(name) for kind, name in attributes]
    try:
        yield
    finally:
        for (kind, name), own in zip(attributes, before, strict=True):
            if own is not None:
                setattr(kind, name, own)
            elif name in vars(kind):
                delattr(kind, name)


@contextlib.contextmanager
def _named(what: str):
    """Say of a wrong argument that it came by a parameter."""
    try:
        yield
    except (TypeError, ValueError) as error:
        raise InvalidParameterError(f"{what}: {error}") from error


# Importing scikeras replaces how every Keras object of the process is pickled
# and copied. Keras' own ways do, and others in the process rely on them.
with _put_back(_PATCHED_BY_SCIKERAS):
    from scikeras.wrappers import BaseWrapper


class _Router(BaseWrapper):
    def _get_param_names(self):
        # Scikeras leaves out names that end as those of fitted attributes do.
        return (name for name in vars(self) if not name.startswith("_"))


_PREFIXES = frozenset({"optimizer", "loss", "metrics", "callbacks", "compile"})
_CLIPPING = ("clipnorm", "clipvalue", "global_clipnorm")


def _is_routed(name: str) -> bool:
    prefix, separator, rest = name.partition("__")
    return bool(separator and rest) and prefix in _PREFIXES


class RoutedEstimator(BaseEstimator):
    """An estimator that takes scikeras' routed parameters besides its own.

    Such as ``optimizer__beta_1=0.95``. `get_params` lists exactly the parameters
    of the signature and those routed ones that were given.
    """

    def _set_routed(self, routed: dict) -> None:
        for name in routed:
            if not _is_routed(name):
                raise TypeError(
                    f"{type(self).__name__}.__init__() got an unexpected keyword "
                    f"argument '{name}'"
                )
        vars(self).update(routed)

    def get_params(self, deep: bool = True) -> dict:
        """Get parameters for this estimator.

        Parameters
        ----------
        deep : bool, default=True
            Accepted for scikit-learn's sake; no parameter is an estimator.

        Returns
        -------
        dict
            Parameter names mapped to their values, the routed ones that were
            given included.
        """
        return {**super().get_params(deep), **self._routed()}

    def _routed(self) -> dict:
        return {name: vars(self)[name] for name in vars(self) if _is_routed(name)}

    def set_params(self, **params):
        """Set the parameters of this estimator.

        Parameters
        ----------
        **params : dict
            Parameter names and values; routed names such as
            ``optimizer__beta_1`` too.

        Returns
        -------
        self : object
        """
        routed = {name: params[name] for name in params if _is_routed(name)}
        plain = {name: params[name] for name in params if name not in routed}
        for name in plain:
            if name.partition("__")[0] in _PREFIXES and "__" in name:
                raise ValueError(
                    f"Invalid parameter {name!r}: what is routed is named after it, "
                    "such as 'optimizer__beta_1'."
                )
        super().set_params(**plain)
        vars(self).update(routed)
        return self

    def _scheduled_learning_rate(self):
        if not isinstance(self.learning_rate, Real):
            return self.learning_rate
        # Keras takes no whole numbers.
        highest = float(self.learning_rate)
        linear = self.learning_rate_schedule == "linear"
        return LinearDecay(highest) if linear else highest

    def _warn_of_unused_parameters(self) -> None:
        usual = inspect.signature(type(self)).parameters
        for name in ("learning_rate", "clipnorm"):
            if name in usual and getattr(self, name) not in (usual[name].default, None):
                warn_user(
                    f"The parameter '{name}' will not be used since 'optimizer' is an "
                    "object, which has its own"
                )

    def _clips(self, optimizer, given: dict) -> bool:
        """Whether an optimizer is told `clipnorm`."""
        if (
            not inspect.isclass(optimizer)
            or self.clipnorm is None
            or any(f"optimizer__{name}" in given for name in _CLIPPING)
        ):
            return False
        try:
            inspect.signature(optimizer).bind_partial(global_clipnorm=self.clipnorm)
        except TypeError:
            raise InvalidParameterError(
                f"{optimizer.__name__} takes no `global_clipnorm`, which is what "
                "`clipnorm` becomes. Let its __init__ take it, or set clipnorm=None."
            ) from None
        return True

    def _compile_arguments(self, loss, loss_arguments: dict) -> dict:
        """Arguments of `keras.Model.compile`, metrics and the optimizer new.

        Parameters
        ----------
        loss : Keras loss class or instance, or callable
            What is minimised.

        loss_arguments : dict
            Arguments of a loss class; routed ones come before them.
        """
        given = self._routed()
        for name in ("optimizer", "loss", "metrics"):
            if f"compile__{name}" in given:
                raise InvalidParameterError(
                    f"compile__{name} would overrule the '{name}' parameter: set that."
                )
        _refuse_what_nothing_takes(given, "metrics", self.metrics)
        _refuse_arguments_of_arguments(given)
        defaults = {f"loss__{name}": loss_arguments[name] for name in loss_arguments}
        if isinstance(self.optimizer, keras.optimizers.Optimizer):
            self._warn_of_unused_parameters()
        else:
            defaults["optimizer__learning_rate"] = self._scheduled_learning_rate()
        optimizer = self.optimizer
        if isinstance(optimizer, str):
            optimizer = OPTIMIZERS[optimizer.lower()]
        if self._clips(optimizer, given):
            defaults["optimizer__global_clipnorm"] = self.clipnorm
        metrics = _listed(self.metrics)
        router = _Router(
            optimizer=optimizer,
            loss=loss,
            metrics=metrics,
            **{**defaults, **given},
        )
        with _named(
            "`optimizer`, `loss`, `metrics`, or what is routed there, is wrong"
        ):
            arguments = router._get_compile_kwargs()
            inspect.signature(keras.Model.compile).bind(None, **arguments)
        _refuse_names_of_losses(arguments)
        by_user = [optimizer, metrics, given.get("compile__weighted_metrics")]
        made = []

        def ready(one, parameter):
            if parameter == "weighted_metrics":
                one = _as_metric(one)
            if not isinstance(one, keras.metrics.Metric | keras.optimizers.Optimizer):
                return one
            if _holds(by_user, one):
                return fresh_copy(one, parameter)
            check_copies(one, parameter)
            made.append(one)
            return one

        arguments = {
            name: keras.tree.map_structure(partial(ready, parameter=name), value)
            for name, value in arguments.items()
        }
        chosen = {given[name] for name in given if name.endswith("__name")}
        # Others were named, or numbered where a user can see it.
        _number_anew(one for one in made if one.name not in chosen)
        return arguments

    def _build_callbacks(self) -> list:
        _refuse_what_nothing_takes(self._routed(), "callbacks", self.callbacks)
        router = _Router(callbacks=_listed(self.callbacks), **self._routed())
        with _named("The 'callbacks' parameter, or one routed to it, is wrong"):
            router._initialize_callbacks()
        return list(keras.tree.flatten(router._fit_callbacks))


def _refuse_what_nothing_takes(given: dict, parameter: str, value) -> None:
    """Refuse routed names of a metric or a callback that there is not."""
    keys = []
    if isinstance(value, dict):
        keys = [str(key) for key in value]
    elif isinstance(value, (list, tuple)):
        keys = [str(number) for number in range(len(value))]
    for name in given:
        if not name.startswith(f"{parameter}__"):
            continue
        if value is None:
            raise InvalidParameterError(f"{name} needs `{parameter}` to go to.")
        key, *argument = name.split("__")[1:]
        # Or else it is an argument of all, with arguments of its own.
        if argument and key not in keys and f"{parameter}__{key}" not in given:
            has = f"which has {', '.join(keys)}" if keys else "which is a single one"
            raise InvalidParameterError(f"{name} is for {key} of `{parameter}`, {has}.")


def _refuse_arguments_of_arguments(given: dict) -> None:
    """Refuse routed names that scikeras would hand to nothing."""
    for name in given:
        parameter, argument, *more = name.split("__")
        if not more:
            continue
        if parameter == "optimizer":
            raise InvalidParameterError(
                f"{name} would be an argument of optimizer__{argument}, which takes "
                "none: give that as an object that has them."
            )
        if parameter == "loss" and f"loss__{argument}" not in given:
            raise InvalidParameterError(f"{name} needs loss__{argument} to go to.")


def _listed(value):
    """The same, a list in place of a tuple, which scikeras does not look into."""
    return list(value) if isinstance(value, tuple) else value


def _as_metric(value):
    """A metric of a class, which Keras would number among the process' in all."""
    if not inspect.isclass(value) or not issubclass(value, keras.metrics.Metric):
        return value
    try:
        return value()
    except TypeError:  # one that needs arguments, of which Keras says more
        return value


def _holds(values, one) -> bool:
    return any(one is other for other in keras.tree.flatten(values))


def _refuse_names_of_losses(arguments: dict) -> None:
    """Refuse metrics that early stopping and `history_` would take for others."""
    for parameter in ("metrics", "weighted_metrics"):
        for one in keras.tree.flatten(arguments.get(parameter)):
            name = one if isinstance(one, str) else getattr(one, "name", None)
            name = name or getattr(one, "__name__", "")
            if name == "loss" or name.startswith("val_"):
                raise InvalidParameterError(
                    f"A metric in `{parameter}` is named {name!r}, which "
                    "stands for another thing in `history_`: name it otherwise."
                )


def _number_anew(objects: Iterable) -> None:
    """Count from these metrics and optimizers on in their names.

    Keras counts all of a class that the process has ever made: a second fit's
    history, and what its callbacks look for, would have another name.
    """
    taken = Counter()
    for one in objects:
        # As Keras does, which has no public name for it.
        words = re.sub("(.)([A-Z][a-z]+)", r"\1_\2", type(one).__name__)
        name = re.sub("([a-z])([A-Z])", r"\1_\2", words).lower()
        if re.fullmatch(rf"{name}(_\d+)?", one.name):
            number = taken[name]
            taken[name] += 1
            one.name = f"{name}_{number}" if number else name
