"""The wide part against scikit-learn's pieces, from raw texts, one of two classes.

    python benchmarks/wide.py --data-home FOLDER --json wide.json

FOLDER holds, or shall hold, ``aclImdb_v1.tar.gz``: 25,000 film reviews. Without it the
texts are docstrings. The other side is such a model of `CountVectorizer`, `normalize`
and `LogisticRegression`: words and pairs of them that stand in two texts, no more than
ours may know, scaled by their log-count ratios. Its words are more, and it reads no
signs. Memory is how far a fit raises that of a process that has done nothing yet but
import everything and be given the texts.
"""

import argparse
from functools import partial

import numpy as np
from _measuring import (
    can_measure_memory,
    compare,
    compare_memory,
    in_fresh_process,
    peak_memory,
    show,
    show_header,
    show_memory,
    take_turns,
    write_json,
)
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import normalize

from skrnn import Tokenizer
from skrnn.datasets import fetch_imdb, load_docstrings
from skrnn.sequences import N_RESERVED_IDS
from skrnn.wide import WidePart

# As many as the estimators know: 20,000 words, and pairs of them.
MOST_NGRAMS = 20_000 + 2**17


class Ours:
    def fit(self, texts, target):
        self.tokenizer = Tokenizer(max_features=20_000)
        sequences = self.tokenizer.fit_transform(texts)
        n_ids = len(self.tokenizer.vocabulary_) + N_RESERVED_IDS
        self.wide = WidePart(n_ids, max_n=2, of_classes=True)
        everything = np.arange(len(texts))
        self.wide.fit(
            sequences,
            target[:, None],
            np.ones(len(texts)),
            train=everything,
            held_out=everything[:0],
        )
        return self

    def scores(self, texts):
        return self.wide.scores(self.tokenizer.transform(texts))


class Scikit:
    def fit(self, texts, target):
        self.vectorizer = CountVectorizer(
            ngram_range=(1, 2), min_df=2, binary=True, max_features=MOST_NGRAMS
        )
        marks = self.vectorizer.fit_transform(texts)
        above, below = (1 + marks.T @ part for part in (target, 1 - target))
        self.ratios = np.log(above / above.sum()) - np.log(below / below.sum())
        self.model = LogisticRegression(C=10).fit(self._scaled(marks), target)
        return self

    def scores(self, texts):
        marks = self.vectorizer.transform(texts)
        return self.model.decision_function(self._scaled(marks))

    def _scaled(self, marks):
        return normalize(marks.multiply(self.ratios).tocsr(), copy=False)


SIDES = {"skrnn": Ours, "scikit-learn": Scikit}


def peak_of_fit(side, texts, target):
    return peak_memory(partial(SIDES[side]().fit, texts, target))


def memory_row(texts, target, n_pairs):
    peaks = {side: [] for side in SIDES}
    for _ in range(n_pairs):
        for side, measured in peaks.items():
            measured.append(in_fresh_process(peak_of_fit, side, texts, target))
    return {
        "run": "memory of fit",
        "n_texts": len(texts),
        **compare_memory(peaks, *SIDES),
    }


def rows_of(texts, target, n_pairs):
    fits = {side: partial(make().fit, texts, target) for side, make in SIDES.items()}
    case = {"n_texts": len(texts)}
    yield {"run": "fit", **case, **compare(take_turns(fits, n_pairs), *SIDES)}
    scores = {
        side: partial(make().fit(texts, target).scores, texts)
        for side, make in SIDES.items()
    }
    yield {"run": "scores", **case, **compare(take_turns(scores, n_pairs), *SIDES)}


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data-home", help="folder of aclImdb_v1.tar.gz")
    parser.add_argument("--n-texts", type=int, help="so many, drawn; default: all")
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--json", help="file to write the figures to, as they come")
    arguments = parser.parse_args()
    if arguments.data_home is None:
        texts, labels = load_docstrings(return_X_y=True)
    else:
        reviews = fetch_imdb(data_home=arguments.data_home)
        texts, labels = reviews.data, reviews.target
    if arguments.n_texts is not None:
        drawn = np.random.default_rng(0).permutation(len(texts))[: arguments.n_texts]
        texts, labels = [texts[i] for i in drawn], labels[drawn]
    target = (labels == labels[0]).astype(float)
    corpus = {"corpus": "docstrings" if arguments.data_home is None else "imdb"}
    show_header(f"{len(texts)} texts")
    rows = []
    for row in rows_of(texts, target, arguments.pairs):
        show(row["run"], row)
        rows.append(row)
        write_json(arguments.json, arguments, rows, **corpus)
    if can_measure_memory():
        rows.append(memory_row(texts, target, arguments.pairs))
        show_memory(rows[-1]["run"], rows[-1])
        write_json(arguments.json, arguments, rows, **corpus)


if __name__ == "__main__":
    main()
