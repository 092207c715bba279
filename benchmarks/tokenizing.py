"""Tokenizing against scikit-learn's `CountVectorizer`, on 25,000 film reviews.

    python benchmarks/tokenizing.py --data-home FOLDER --json tokenizing.json

FOLDER holds, or shall hold, ``aclImdb_v1.tar.gz``. `CountVectorizer` has its default
parameters; the `Tokenizer` has its own, and then the settings of the estimators. It
finds more tokens, since signs and words of one letter count, and keeps their order.
"""

import argparse
from functools import partial

from _measuring import compare, show, show_header, take_turns, write_json
from sklearn.feature_extraction.text import CountVectorizer

from skrnn import Tokenizer
from skrnn.datasets import fetch_imdb

SETTINGS = {
    "default": {},
    "estimators": {
        "max_features": 20_000,
        "max_length": 400,
        "truncate": "middle",
    },
}


def rows_of(texts, n_rounds):
    """Give the row of each setting and method."""
    for setting, parameters in SETTINGS.items():
        vectorizers = {
            "Tokenizer": Tokenizer(**parameters),
            "CountVectorizer": CountVectorizer(),
        }
        # In this order: what fit_transform learns, transform needs.
        for method in ("fit_transform", "transform"):
            sides = {
                name: partial(getattr(vectorizer, method), texts)
                for name, vectorizer in vectorizers.items()
            }
            yield {
                "setting": setting,
                "run": method,
                **compare(take_turns(sides, n_rounds), *sides),
            }


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data-home", help="folder of aclImdb_v1.tar.gz")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--json", help="file to write the figures to, as they come")
    arguments = parser.parse_args()
    texts = fetch_imdb(data_home=arguments.data_home).data
    show_header(f"{len(texts)} texts")
    rows = []
    for row in rows_of(texts, arguments.rounds):
        show(f"{row['setting']}, {row['run']}", row)
        rows.append(row)
        write_json(arguments.json, arguments, rows)


if __name__ == "__main__":
    main()
