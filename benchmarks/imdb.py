"""Film reviews, from raw texts: ours beside what one writes with Keras alone.

    python benchmarks/imdb.py --data-home FOLDER --json imdb.json

FOLDER holds, or shall hold, ``aclImdb_v1.tar.gz``. The parts:

train    one epoch on the training reviews, from raw texts to its end: vocabulary,
         ids, network, training. Both sides keep 400 tokens of a review.
predict  the scores of all test reviews, from raw texts.
reading  what tokenizing, cutting and padding take of our epoch.
memory   how far one epoch raises the memory of a process that has done nothing yet
         but import everything and load the texts.

The stock side is `keras.layers.TextVectorization`, a masked embedding,
`keras.layers.GRU` and a dense layer, trained with the same sizes, batches of as many
texts and the same optimizer. It differs from ours in what it reads, too: it leaves
signs out, keeps the first 400 words and pads every review to 400, as in Keras' guides.
Ours reads signs, keeps both ends, and pads to the longest review of a batch of like
length. Ours is there twice: as the same network, which hands its last state on and
drops nothing, and with the three poolings and the dropout of the defaults.
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
    ratio,
    show,
    show_header,
    show_memory,
    take_turns,
    write_json,
)
from _networks import VOCABULARY_SIZE
from _stock_pipeline import StockPipeline

from skrnn import RNNTextClassifier, Tokenizer
from skrnn.batches import LengthSortedBatches
from skrnn.datasets import fetch_imdb
from skrnn.implementation import sizes_an_octave
from skrnn.sequences import positions_of

MAX_LENGTH = 400
PARTS = ["train", "predict", "reading", "memory"]
SAME_NETWORK = {"pooling": "last", "embedding_dropout": 0.0, "dropout": 0.0}
OURS = {"skrnn": SAME_NETWORK, "skrnn pooled": {}}


def load(subset, data_home, n_texts):
    """Load reviews and labels, mixed, as they come sorted by label."""
    texts, targets = fetch_imdb(subset=subset, data_home=data_home, return_X_y=True)
    chosen = np.random.default_rng(0).permutation(len(texts))[:n_texts]
    return [texts[i] for i in chosen], targets[chosen]


def make_sides(embedding_size, hidden_size, batch_size):
    ours = {
        name: RNNTextClassifier(
            max_features=VOCABULARY_SIZE,
            max_length=MAX_LENGTH,
            embedding_size=embedding_size,
            hidden_size=hidden_size,
            batch_size=batch_size,
            # The network alone, as Keras' is.
            wide=False,
            embeddings=None,
            epochs=1,
            random_state=0,
            **parameters,
        )
        for name, parameters in OURS.items()
    }
    stock = StockPipeline(
        embedding_size, hidden_size, max_length=MAX_LENGTH, batch_size=batch_size
    )
    return {**ours, "keras": stock}


def read(texts, targets, classifier):
    """Make the batches of a fitted classifier's epoch, and do nothing with them."""
    tokenizer = Tokenizer(
        max_features=VOCABULARY_SIZE, max_length=MAX_LENGTH, truncate="middle"
    )
    batches = LengthSortedBatches(
        tokenizer.fit_transform(texts),
        targets,
        np.ones(len(texts), np.float32),
        texts=positions_of(len(texts)),
        batch_size=classifier.batch_size,
        sizes_an_octave=sizes_an_octave(classifier.model_.encoder.implementation),
        random_state=np.random.RandomState(0),
    )
    batches.shuffle()
    for i in range(len(batches)):
        batches[i]


def peak_of_fit(side, sizes, batch_size, texts, targets):
    """Give the memory that one epoch's fit takes at its highest, in bytes."""
    model = make_sides(*sizes, batch_size)[side]
    return peak_memory(partial(model.fit, texts, targets))


def measure(sizes, arguments, train, test):
    """Give and print the row of each part at these sizes."""
    label = "/".join(map(str, sizes))
    sides = make_sides(*sizes, arguments.batch_size)
    epochs = {name: partial(side.fit, *train) for name, side in sides.items()}
    if "reading" in arguments.parts:
        epochs["reading"] = partial(read, *train, sides["skrnn"])

    if {"train", "reading"} & set(arguments.parts):
        seconds = take_turns(epochs, arguments.pairs)
    elif "predict" in arguments.parts:
        for side in sides.values():
            side.fit(*train)
    if "train" in arguments.parts:
        for name in OURS:
            row = {
                "part": "train",
                # What "auto" took: the rival's products are float32.
                "precision": sides[name].model_.encoder.precision,
                **compare(seconds, name, "keras"),
            }
            show(f"{label}, train", row, row["precision"])
            yield row
    if "reading" in arguments.parts:
        row = {
            "part": "reading",
            "reading_seconds_median": float(np.median(seconds["reading"])),
            "epoch_seconds_median": float(np.median(seconds["skrnn"])),
            "share_of_epoch_median": ratio(seconds["reading"], seconds["skrnn"])[
                "ratio_median"
            ],
        }
        print(
            f"{label}, reading: {row['reading_seconds_median']:.4g} s, "
            f"{row['share_of_epoch_median']:.1%} of skrnn's epoch",
            flush=True,
        )
        yield row
    if "predict" in arguments.parts:
        predictions = {
            name: partial(sides[name].predict_proba, test[0]) for name in OURS
        }
        predictions["keras"] = partial(sides["keras"].predict, test[0])
        seconds = take_turns(predictions, arguments.pairs)
        for name in OURS:
            row = {"part": "predict", **compare(seconds, name, "keras")}
            show(f"{label}, predict", row)
            yield row
    if "memory" in arguments.parts:
        peaks = {name: [] for name in sides}
        for _ in range(arguments.memory_pairs):
            for name, measured in peaks.items():
                measured.append(
                    in_fresh_process(
                        peak_of_fit, name, sizes, arguments.batch_size, *train
                    )
                )
        for name in OURS:
            row = {"part": "memory", **compare_memory(peaks, name, "keras")}
            show_memory(f"{label}, memory", row)
            yield row


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data-home", help="folder of aclImdb_v1.tar.gz")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument(
        "--sizes",
        nargs="+",
        default=["128/128", "256/256"],
        help="embedding/hidden sizes",
    )
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--pairs", type=int, default=5, help="timed runs of each side")
    parser.add_argument(
        "--memory-pairs", type=int, default=5, help="fresh processes of each side"
    )
    parser.add_argument(
        "--n-texts", type=int, help="reviews to train on and to predict, of 25,000"
    )
    parser.add_argument("--json", help="file to write the figures to, as they come")
    arguments = parser.parse_args()
    if "memory" in arguments.parts and not can_measure_memory():
        parser.error("memory is measured on Linux only; name the other --parts")

    train, test = (
        load(subset, arguments.data_home, arguments.n_texts)
        for subset in ("train", "test")
    )
    print(f"{len(train[0])} reviews to train on, {len(test[0])} to predict")
    show_header("sizes, part")
    rows = []
    for size in arguments.sizes:
        sizes = tuple(map(int, size.split("/")))
        case = {
            "embedding_size": sizes[0],
            "hidden_size": sizes[1],
            "batch_size": arguments.batch_size,
            "n_train_texts": len(train[0]),
            "n_test_texts": len(test[0]),
        }
        for row in measure(sizes, arguments, train, test):
            rows.append(case | row)
            write_json(arguments.json, arguments, rows)


if __name__ == "__main__":
    main()
