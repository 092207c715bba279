"""Keras, imported without its backend's start-up chatter.

Every other room takes `keras` from here, so that the silence holds whichever
room is imported first, also when an estimator is unpickled.
"""

from __future__ import annotations

import contextlib
import importlib
import logging
import os
import sys

_LEVEL = "TF_CPP_MIN_LOG_LEVEL"
_NOTHING = "3"

# TensorFlow would take nearly all of a GPU's memory when it starts, also from the
# other processes of a search. Whoever sets "false" wants that.
os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")


@contextlib.contextmanager
def _native_stderr_closed():
    try:
        kept = os.dup(2)
    except OSError:  # a process without standard error has nothing to silence
        yield
        return
    if sys.stderr is not None:
        sys.stderr.flush()
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(nowhere)
        os.close(kept)


# Whoever sets another level wants to read the log. TensorFlow's libraries write
# their first lines while they load, before they look at any level.
os.environ.setdefault(_LEVEL, _NOTHING)
with (
    _native_stderr_closed()
    if os.environ[_LEVEL] == _NOTHING
    else contextlib.nullcontext()
):
    import keras

    # Keras imports it at the first fit on the other backends, too, where it is there.
    with contextlib.suppress(ModuleNotFoundError):
        importlib.import_module("tensorflow")

__all__ = ["ON_TENSORFLOW", "keras", "retracing_warnings_filtered"]

ON_TENSORFLOW = keras.backend.backend() == "tensorflow"


@contextlib.contextmanager
def retracing_warnings_filtered():
    """Keep TensorFlow from warning that each of several models is traced once.

    It counts tracings over all models of the process and would blame a grid
    search of short fits for them.
    """

    def is_other(record: logging.LogRecord) -> bool:
        return "triggered tf.function retracing" not in str(record.msg)

    logger = logging.getLogger("tensorflow")
    logger.addFilter(is_other)
    try:
        yield
    finally:
        logger.removeFilter(is_other)
