"""Estimators in processes that were forked from others."""

import os
import subprocess
import sys

import pytest

from skrnn._keras import ON_TENSORFLOW
from skrnn.native.gru import fastest_kernel

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


# Answers of a network of this size are the kernel's, where one was compiled.
OF_THE_KERNEL = """
params["hidden_size"] = 32
classifier = RNNTextClassifier(**params).fit(texts, y)
"""


@pytest.mark.skipif(
    fastest_kernel("float32") is None, reason="no kernel was compiled, or runs here"
)
def test_the_kernel_answers_in_a_forked_process():
    program = """
many = texts * 100
expected = [ask(many) for ask in (classifier.predict_proba, classifier.transform)]


def answers():
    found = [ask(many) for ask in (classifier.predict_proba, classifier.transform)]
    alone = classifier.predict_proba(texts[:1])
    return [
        *((one == other).all() for one, other in zip(found, expected)),
        abs(alone - expected[0][:1]).max() < 1e-6,
        len(explain(classifier, texts[0]).tokens) == 3,
    ]


in_a_fork(answers)
for ask in (
    lambda: explain(classifier, texts[0], method="integrated_gradients"),
    lambda: classifier.fit(texts, y),
):
    in_a_fork(lambda: message_of(ask))
"""
    answers, *refused = printed_by(OF_THE_KERNEL + program)
    assert answers.count("True") == 4
    assert len(refused) == 2 and all("'spawn'" in line for line in refused)


@pytest.mark.parametrize("size", ["", OF_THE_KERNEL])
def test_what_was_loaded_in_a_forked_process_says_why_it_cannot(size):
    program = """
import copy
import multiprocessing
import pickle

alone = classifier.fit(texts, y).predict_proba(texts)
blob = pickle.dumps(classifier)
for ask in (
    lambda: pickle.loads(blob).predict(texts),
    lambda: copy.deepcopy(classifier).transform(texts),
    lambda: explain(pickle.loads(blob), texts[0]),
):
    in_a_fork(lambda: message_of(ask))
in_a_fork(lambda: pickle.loads(blob).tokenizer_.transform(texts[:1]))
with multiprocessing.get_context("fork").Pool(1) as pool:
    print(message_of(lambda: pool.map(classifier.predict, [texts[:2], texts[2:4]])))
    # Handed there and back, it is what it was.
    (back,) = pool.map(copy.deepcopy, [classifier])
print((back.predict_proba(texts) == alone).all())
"""
    *refused, tokenized, by_pool, goes_on = printed_by(size + program)
    assert len(refused) == 3
    assert all("forked" in line and "'spawn'" in line for line in [*refused, by_pool])
    assert "1 texts" in tokenized
    assert goes_on == "True"


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
