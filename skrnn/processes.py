"""Processes that were forked from one that had used TensorFlow."""

from __future__ import annotations

import os

from skrnn._keras import ON_TENSORFLOW

if ON_TENSORFLOW:
    from tensorflow.python.eager.context import context_safe

_lacks_threads = False


def _look_for_threads() -> None:
    """Find out, in a forked process, whether TensorFlow's threads were left behind."""
    global _lacks_threads
    # No public name tells whether it was started: without this one all is as before.
    _lacks_threads |= getattr(context_safe(), "_initialized", False)


if ON_TENSORFLOW and hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_look_for_threads)


def is_forked_process() -> bool:
    """Whether TensorFlow, used before this process was forked, would wait for ever."""
    return _lacks_threads


def refuse_forked_process() -> None:
    """Refuse to compute where TensorFlow would wait for ever.

    Raises
    ------
    RuntimeError
        In a process forked from one that had used TensorFlow, whose threads stayed
        there.
    """
    if is_forked_process():
        raise RuntimeError(
            "This process was forked from one that had used TensorFlow, which would "
            "wait here for ever. Start processes by 'spawn' or 'forkserver', as "
            "`multiprocessing.get_context` offers, and load the estimator in each."
        )
