"""The contact with scikeras: parameters routed to Keras objects by their names."""

from __future__ import annotations

import contextlib
import inspect
import re
from collections import Counter
from numbers import Real

from sklearn.base import BaseEstimator
from sklearn.utils._param_validation import InvalidParameterError

from skrnn._keras import keras
from skrnn.optimizers import OPTIMIZERS
from skrnn.schedules import LinearDecay

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
        if self.learning_rate_schedule == "linear" and isinstance(
            self.learning_rate, Real
        ):
            return LinearDecay(float(self.learning_rate))
        return self.learning_rate

    def _compile_arguments(self, loss, loss_arguments: dict) -> dict:
        """Arguments of `keras.Model.compile`, every Keras object in them new.

        Parameters
        ----------
        loss : Keras loss class or instance, or callable
            What is minimised.

        loss_arguments : dict
            Arguments of a loss class; routed ones come before them.
        """
        given = self._routed()
        defaults = {f"loss__{name}": loss_arguments[name] for name in loss_arguments}
        if not isinstance(self.optimizer, keras.optimizers.Optimizer):
            defaults["optimizer__learning_rate"] = self._scheduled_learning_rate()
            if not any(f"optimizer__{name}" in given for name in _CLIPPING):
                defaults["optimizer__global_clipnorm"] = self.clipnorm
        optimizer = self.optimizer
        if isinstance(optimizer, str):
            optimizer = OPTIMIZERS[optimizer.lower()]
        metrics = _unused(self.metrics)
        router = BaseWrapper(
            optimizer=_unused(optimizer),
            loss=loss,
            metrics=metrics,
            **{**defaults, **given},
        )
        with _named("A parameter routed to a Keras object is wrong"):
            arguments = router._get_compile_kwargs()
            inspect.signature(keras.Model.compile).bind(None, **arguments)
        names = {given[name] for name in given if name.endswith("__name")}
        arguments["metrics"] = _renamed(
            arguments["metrics"],
            # Their names were chosen, or numbered where a user can see it.
            kept=lambda one: one.name in names or _holds(metrics, one),
        )
        return arguments

    def _build_callbacks(self) -> list:
        router = BaseWrapper(callbacks=self.callbacks, **self._routed())
        with _named("The 'callbacks' parameter, or one routed to it, is wrong"):
            router._initialize_callbacks()
        return list(keras.tree.flatten(router._fit_callbacks))


def _holds(values, one) -> bool:
    return any(one is other for other in keras.tree.flatten(values))


def _renamed(metrics, kept):
    """The same, but numbers in names count from these metrics on.

    Keras counts all metrics of a class that the process has ever made: a second fit's
    history, and what its callbacks look for, would have another name.
    """
    taken = Counter()

    def rename(metric):
        if not isinstance(metric, keras.metrics.Metric) or kept(metric):
            return metric
        # As Keras does, which has no public name for it.
        words = re.sub("(.)([A-Z][a-z]+)", r"\1_\2", type(metric).__name__)
        name = re.sub("([a-z])([A-Z])", r"\1_\2", words).lower()
        if not re.fullmatch(rf"{name}(_\d+)?", metric.name):
            return metric
        number = taken[name]
        taken[name] += 1
        name = f"{name}_{number}" if number else name
        return type(metric).from_config({**metric.get_config(), "name": name})

    return keras.tree.map_structure(rename, metrics)


def _unused(value):
    """The same, but with fresh copies of optimizers and metrics.

    They hold variables, which belong to one model; a parameter given by the
    user serves many fits.
    """
    if isinstance(value, list | tuple):
        return [_unused(one) for one in value]
    if isinstance(value, keras.optimizers.Optimizer | keras.metrics.Metric):
        fresh = type(value).from_config(value.get_config())
        if _not_decayed(fresh) != _not_decayed(value):
            raise InvalidParameterError(
                "Copies of the `optimizer` lack what its `exclude_from_weight_decay` "
                "was told, which Keras keeps out of its configuration. Give an "
                "optimizer whose class calls it in `__init__`."
            )
        return fresh
    return value


def _not_decayed(value):
    return [
        getattr(value, name, None) or None
        for name in ("_exclude_from_weight_decay", "_exclude_from_weight_decay_pattern")
    ]
