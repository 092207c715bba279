"""What was freed is the system's again, and what a fit learned from is freed."""

import gc
import re
from pathlib import Path

import numpy as np
import pytest
from corpus import LABELS, TEXTS, TINY

from skrnn import RNNTextClassifier, memory
from skrnn._keras import keras
from skrnn.sequences import Sequences

RESIDENT = re.compile(r"^VmRSS:\s*(\d+) kB$", re.M)


def resident_mib():
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return int(RESIDENT.search(status)[1]) / 1024


@pytest.mark.skipif(
    memory._TRIM is None, reason="the C library of this system cannot be told to"
)
def test_memory_is_given_back():
    # Small arrays are next to one another; the last ones keep the end of them all.
    held = [np.ones(2**11, np.uint8) for _ in range(100_000)]
    del held[:-10]
    before = resident_mib()
    memory.give_back()
    assert before - resident_mib() > 100


def test_memory_is_kept_where_the_system_cannot_be_told(monkeypatch):
    monkeypatch.setattr(memory, "_TRIM", None)
    memory.give_back()


def n_sequences():
    gc.collect()
    return sum(isinstance(one, Sequences) for one in gc.get_objects())


@pytest.mark.parametrize("wide", [False, True])
@pytest.mark.parametrize("early_stopping", [False, True])
@pytest.mark.parametrize("hidden_size", [8, 32])  # by the loop, by the kernel
def test_a_fit_keeps_no_texts(hidden_size, early_stopping, wide):
    before = n_sequences()
    parameters = {**TINY, "hidden_size": hidden_size, "wide": wide}
    parameters |= {"early_stopping": early_stopping}
    classifier = RNNTextClassifier(**parameters)
    classifier.fit(TEXTS, LABELS)
    assert n_sequences() == before


def test_a_fit_that_is_broken_off_keeps_no_texts():
    def stop(batch, logs):
        raise KeyboardInterrupt

    before = n_sequences()
    callback = keras.callbacks.LambdaCallback(on_train_batch_end=stop)
    classifier = RNNTextClassifier(**TINY, callbacks=callback)
    with pytest.raises(KeyboardInterrupt):
        classifier.fit(TEXTS, LABELS)
    assert n_sequences() == before
