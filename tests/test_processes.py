"""Estimators in processes that were forked from others."""

import os
import subprocess
import sys

import pytest

from skrnn._keras import ON_TENSORFLOW

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="Windows has no fork"),
    pytest.mark.skipif(
        not ON_TENSORFLOW, reason="about threads that TensorFlow leaves behind"
    ),
]

PROGRAM = """
import os
from skrnn import RNNTextClassifier
from skrnn.inspection import explain
texts, y = ["a fine film", "so very dull"] * 4, ["good", "bad"] * 4
params = dict(embedding_size=4, hidden_size=4, epochs=1, random_state=0)
classifier = RNNTextClassifier(**params)


def in_a_fork(ask):
    if (process := os.fork()) == 0:
        try:
            print(ask(), flush=True)
        finally:
            os._exit(0)
    os.waitpid(process, 0)


def message_of(ask):
    try:
        ask()
    except RuntimeError as error:
        return error


"""


def printed_by(program):
    # What waits for ever fails, rather than the whole run.
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", PROGRAM + program],
        check=True,
        capture_output=True,
        text=True,
        timeout=300,
    )
    return done.stdout.splitlines()


def test_a_process_forked_before_tensorflow_was_used_fits():
    program = "in_a_fork(lambda: len(classifier.fit(texts, y).predict(texts)))"
    assert printed_by(program) == ["8"]


def test_a_process_forked_after_that_says_why_it_cannot():
    program = """
alone = classifier.fit(texts, y).predict_proba(texts)
for ask in (
    lambda: classifier.predict(texts),
    lambda: classifier.transform(texts[:1]),
    lambda: explain(classifier, texts[0]),
    lambda: RNNTextClassifier(**params).fit(texts, y),
):
    in_a_fork(lambda: message_of(ask))
print((classifier.predict_proba(texts) == alone).all())
"""
    *refused, goes_on = printed_by(program)
    assert len(refused) == 4
    assert all("forked" in line and "'spawn'" in line for line in refused)
    assert goes_on == "True"
