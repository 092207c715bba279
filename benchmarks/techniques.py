"""What each technique is worth: the defaults, and one parameter changed at a time.

    python benchmarks/techniques.py --data-home FOLDER --out techniques.jsonl

Learns from some of IMDB's training reviews and is scored on all those of a fifth of
their films, of which it has learned from none; the test reviews are not read. A seed
draws the films and the reviews, and starts the network. Every fit is one line of JSON
in the file; a run that was cut off goes on where it stopped. At the end a table of what
each change alters, each fit held against that of the defaults with the same seed.
"""

import argparse
from pathlib import Path
from time import perf_counter

import numpy as np
from _lines import Lines
from sklearn.metrics import log_loss
from sklearn.model_selection import GroupShuffleSplit

from skrnn import RNNTextClassifier
from skrnn.datasets import fetch_imdb

DEFAULTS = "the defaults"
CHANGES = {
    DEFAULTS: {},
    # What the defaults have, taken away.
    "random starting vectors": {"embeddings": None},
    "no dropout on the embedding": {"embedding_dropout": 0.0},
    "no dropout under the head": {"dropout": 0.0},
    "neither dropout": {"embedding_dropout": 0.0, "dropout": 0.0},
    "the last state alone": {"pooling": "last"},
    "the mean of the states alone": {"pooling": "mean"},
    "the maximum of the states alone": {"pooling": "max"},
    "a constant step size": {"learning_rate_schedule": "constant"},
    "gradients not clipped": {"clipnorm": None},
    "sigmoid gates": {"gate_activation": "sigmoid"},
    "a simple cell": {"cell": "simple"},
    "an LSTM": {"cell": "lstm"},
    "a hidden size of 128": {"hidden_size": 128},
    "200 tokens of each text": {"max_length": 200},
    "the first 200": {"max_length": 200, "truncate": "head"},
    "the last 200": {"max_length": 200, "truncate": "tail"},
    "a vocabulary of 5,000": {"max_features": 5000},
    "3 epochs": {"epochs": 3},
    # What they have not, added.
    "two directions": {"bidirectional": True},
    "two layers": {"n_layers": 2},
    "weight decay of 0.0001": {"l2": 1e-4},
}
PARTS = {"network alone": {"wide": False}, "network + wide part": {}}


def measure(parameters, seed, size, reviews):
    """Fit one classifier; its figures on the reviews of the films kept apart."""
    texts = np.array(reviews.data, dtype=object)
    split = GroupShuffleSplit(1, test_size=0.2, random_state=seed)
    learned, scored = next(split.split(texts, groups=reviews.film))
    learned = np.random.RandomState(seed).permutation(learned)[:size]
    classifier = RNNTextClassifier(random_state=seed, **parameters)
    start = perf_counter()
    classifier.fit(texts[learned], reviews.target[learned])
    seconds = perf_counter() - start
    probabilities = classifier.predict_proba(texts[scored])
    predicted = classifier.classes_[probabilities.argmax(axis=1)]
    return {
        "accuracy": float((predicted == reviews.target[scored]).mean()),
        "log_loss": float(log_loss(reviews.target[scored], probabilities)),
        "fit_seconds": seconds,
    }


def table(rows):
    """What each change alters: a column of accuracy and one of log loss for each part.

    Means over the seeds, with the standard deviation between them: of the defaults
    themselves, and of each change's differences from these.
    """
    columns = {(row["size"], row["part"]): {} for row in rows}
    for row in rows:
        of_change = columns[row["size"], row["part"]].setdefault(row["change"], {})
        of_change[row["seed"]] = np.array([100 * row["accuracy"], row["log_loss"]])
    titles = [
        title
        for size, part in columns
        for title in (f"{part}, {size:,} reviews: accuracy, %", "log loss")
    ]
    lines = [
        f"| | {' | '.join(titles)} |",
        "| --- " * (1 + len(titles)) + "|",
    ]
    for change in CHANGES:
        cells = []
        for of_changes in columns.values():
            base = {} if change == DEFAULTS else of_changes[DEFAULTS]
            values = [
                one - base.get(seed, 0)
                for seed, one in of_changes.get(change, {}).items()
                if change == DEFAULTS or seed in base
            ]
            cells += _cells(np.array(values), is_difference=change != DEFAULTS)
        if any(cells):
            lines.append(f"| {change} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _cells(values, is_difference):
    if not len(values):
        return ["", ""]
    sign = "+" if is_difference else ""
    cells = []
    for column, form in zip(values.T, (".2f", ".3f"), strict=True):
        spread = f" ± {np.std(column, ddof=1):{form}}" if len(column) > 1 else ""
        cells.append(f"{np.mean(column):{sign}{form}}{spread}")
    return cells


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-home", help="folder that holds aclImdb_v1.tar.gz")
    parser.add_argument("--out", default="techniques.jsonl", help="file of the lines")
    parser.add_argument("--sizes", nargs="+", type=int, default=[2500, 10_000])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument(
        "--changes", nargs="+", choices=CHANGES, default=list(CHANGES), metavar="NAME"
    )
    arguments = parser.parse_args()
    reviews = fetch_imdb(data_home=arguments.data_home)
    lines = Lines(Path(arguments.out), ("size", "seed", "part", "change"))
    for size in arguments.sizes:
        for seed in arguments.seeds:
            for part in arguments.parts:
                # Nothing says what a change is worth without the defaults beside it.
                for change in dict.fromkeys([DEFAULTS, *arguments.changes]):
                    key = {"size": size, "seed": seed, "part": part, "change": change}
                    if key not in lines:
                        parameters = PARTS[part] | CHANGES[change]
                        lines.add(key | measure(parameters, seed, size, reviews))
    print(table(lines.rows))


if __name__ == "__main__":
    main()
