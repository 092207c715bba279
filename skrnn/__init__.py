"""Recurrent neural networks for text, as scikit-learn estimators."""

from __future__ import annotations

import importlib

__version__ = "0.1.0.dev0"

# Importing Keras and its backend takes seconds: a name is imported on first use.
_ROOMS = {
    "RNNTextClassifier": "skrnn.classifier",
    "RNNTextRegressor": "skrnn.regressor",
    "Sequences": "skrnn.sequences",
    "Tokenizer": "skrnn.tokenizer",
    "show_versions": "skrnn._show_versions",
}

_MODULES = ("datasets", "inspection")

__all__ = list(_ROOMS)


def __getattr__(name: str):
    if name in _MODULES:
        return importlib.import_module(f"skrnn.{name}")
    if name in _ROOMS:
        return getattr(importlib.import_module(_ROOMS[name]), name)
    raise AttributeError(f"module 'skrnn' has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*globals(), *__all__, *_MODULES]
