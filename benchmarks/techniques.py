"""What each technique is worth: the defaults, and one parameter changed at a time.

    python benchmarks/techniques.py --data-home FOLDER --out techniques.jsonl

Nothing that accuracy is tested on is read: of IMDB's training reviews those of a fifth
of the films are scored, of the other corpora's training part a fifth of the texts. A
seed draws what is scored and what is learned from, and starts the network. Every fit is
one line of JSON in the file; a run that was cut off goes on where it stopped. At the
end a table of what each change alters, each fit held against that of the defaults with
the same seed.
"""

import argparse
from itertools import product
from operator import itemgetter
from pathlib import Path
from time import perf_counter

import numpy as np
from _corpora import CORPORA, read_corpus
from _lines import Lines
from sklearn.metrics import log_loss
from sklearn.model_selection import GroupShuffleSplit, ShuffleSplit

from skrnn import RNNTextClassifier
from skrnn.datasets import fetch_imdb

DEFAULTS = "the defaults"
CHANGES = {
    DEFAULTS: {},
    # What the defaults have, taken away or exchanged.
    "random starting vectors": {"embeddings": None},
    "no dropout on the embedding": {"embedding_dropout": 0.0},
    "no dropout under the head": {"dropout": 0.0},
    "neither dropout": {"embedding_dropout": 0.0, "dropout": 0.0},
    "the last state alone": {"pooling": "last"},
    "the mean of the states alone": {"pooling": "mean"},
    "the maximum of the states alone": {"pooling": "max"},
    "a constant step size": {"learning_rate_schedule": "constant"},
    "gradients not clipped": {"clipnorm": None},
    "3 epochs": {"epochs": 3},
    "sigmoid gates": {"gate_activation": "sigmoid"},
    "steep sigmoid gates": {"gate_activation": "steep_sigmoid"},
    "a simple cell": {"cell": "simple"},
    "an LSTM": {"cell": "lstm"},
    "an embedding of 64": {"embedding_size": 64},
    "a hidden size of 128": {"hidden_size": 128},
    "a vocabulary of 5,000": {"max_features": 5000},
    "200 tokens of each text": {"max_length": 200},
    "the first 600 tokens": {"truncate": "head"},
    "the last 600 tokens": {"truncate": "tail"},
    # What they have not, added.
    "two directions": {"bidirectional": True},
    "two layers": {"n_layers": 2},
    "an initial state that is learned": {"learn_initial_state": True},
    "weight decay of 0.0001": {"l2": 1e-4},
    "label smoothing of 0.1": {"loss__label_smoothing": 0.1},
    "early stopping": {"early_stopping": True},
}
PARTS = {"network alone": {"wide": False}, "network + wide part": {}}


def tasks(arguments):
    """What to learn from: names and sizes, texts, labels, and how to part them."""
    folder = arguments.data_home
    if "imdb" in arguments.corpora:
        reviews = fetch_imdb(data_home=folder)
        of_films = GroupShuffleSplit, reviews.film
        for size in arguments.sizes:
            yield "imdb", size, (reviews.data, reviews.target), of_films
    for corpus in arguments.corpora:
        if corpus in CORPORA:
            texts, _ = read_corpus(corpus, Path(folder or "."))
            yield corpus, 4 * len(texts[0]) // 5, texts, (ShuffleSplit, None)


def measure(parameters, seed, size, data, parted):
    """Fit one classifier; its figures on the texts that were kept apart."""
    texts, labels = np.array(data[0], dtype=object), data[1]
    splitter, groups = parted
    split = splitter(1, test_size=0.2, random_state=seed)
    learned, scored = next(split.split(texts, groups=groups))
    if len(learned) < size:
        raise ValueError(f"size {size}: there are {len(learned)} texts to learn from.")
    learned = np.random.RandomState(seed).permutation(learned)[:size]
    classifier = RNNTextClassifier(random_state=seed, **parameters)
    start = perf_counter()
    classifier.fit(texts[learned], labels[learned])
    seconds = perf_counter() - start
    probabilities = classifier.predict_proba(texts[scored])
    predicted = classifier.classes_[probabilities.argmax(axis=1)]
    return {
        "accuracy": float((predicted == labels[scored]).mean()),
        "log_loss": float(log_loss(labels[scored], probabilities)),
        "fit_seconds": seconds,
    }


def table(rows):
    """What each change alters: accuracy and log loss of each part of each corpus.

    Means over the seeds, with the standard deviation between them: of the defaults
    themselves, and of each change's differences from these.
    """
    fitted_to = itemgetter("corpus", "size", "part")
    columns = {fitted_to(row): {} for row in rows}
    for row in rows:
        of_change = columns[fitted_to(row)].setdefault(row["change"], {})
        of_change[row["seed"]] = np.array([100 * row["accuracy"], row["log_loss"]])
    titles = [
        title
        for corpus, size, part in columns
        for title in (f"{corpus}, {size:,} texts, {part}: accuracy, %", "log loss")
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
    parser.add_argument("--data-home", help="folder of aclImdb_v1.tar.gz and the rest")
    parser.add_argument("--out", default="techniques.jsonl", help="file of the lines")
    corpora = ["imdb", *CORPORA]
    parser.add_argument("--corpora", nargs="+", choices=corpora, default=corpora)
    parser.add_argument("--sizes", nargs="+", type=int, default=[2500], help="of IMDB")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument(
        "--changes", nargs="+", choices=CHANGES, default=list(CHANGES), metavar="NAME"
    )
    arguments = parser.parse_args()
    lines = Lines(Path(arguments.out), ("corpus", "size", "seed", "part", "change"))
    # Nothing says what a change is worth without the defaults beside it.
    changes = dict.fromkeys([DEFAULTS, *arguments.changes])
    for corpus, size, *data in list(tasks(arguments)):
        for part, seed, change in product(arguments.parts, arguments.seeds, changes):
            key = {
                "corpus": corpus,
                "size": size,
                "part": part,
                "seed": seed,
                "change": change,
            }
            if key not in lines:
                parameters = PARTS[part] | CHANGES[change]
                lines.add(key | measure(parameters, seed, size, *data))
    print(table(lines.rows))


if __name__ == "__main__":
    main()
