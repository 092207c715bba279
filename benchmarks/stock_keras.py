"""Training and prediction against `keras.layers.GRU`, side by side in one run.

Both sides read the same ids, all texts of the same length, in batches of the same size,
and train with the same optimizer. They take turns, so that a machine whose speed drifts
drifts for both; the ratios are what counts.

    python benchmarks/stock_keras.py --sizes 128/128 256/256 --json results.json
"""

import argparse
import json
import os
import platform
import time

import numpy as np

from skrnn import Sequences
from skrnn._keras import keras
from skrnn.network import build_network

VOCABULARY_SIZE = 20_000
BATCHES_A_RUN = 6


def compile_arguments():
    return {
        "optimizer": keras.optimizers.Adam(1e-3, global_clipnorm=1.0),
        "loss": keras.losses.BinaryCrossentropy(from_logits=True),
    }


def skrnn_runs(embedding_size, hidden_size, batch_size, sequences, targets):
    model = build_network(
        compile_arguments=compile_arguments(),
        head={
            "n_outputs": 1,
            "activation": "sigmoid",
            "dropout": 0.0,
            "l2": 0.0,
            "seed": 0,
        },
        encoder={
            "vocabulary_size": VOCABULARY_SIZE,
            "embedding_size": embedding_size,
            "hidden_size": hidden_size,
            "cell": "gru",
            "n_layers": 1,
            "bidirectional": False,
            "learn_initial_state": False,
            "gate_activation": "hard_sigmoid",
            "pooling": "last",
            "embedding_dropout": 0.0,
            "dropout": 0.0,
            "l2": 0.0,
            "seed": 0,
        },
    )
    weight = np.ones(len(sequences), np.float32)

    def fit():
        model.fit(
            sequences,
            targets,
            sample_weight=weight,
            batch_size=batch_size,
            random_state=np.random.RandomState(0),
            verbose=0,
        )

    return fit, lambda: model.predict(sequences)


def stock_runs(embedding_size, hidden_size, batch_size, sequences, targets):
    model = keras.Sequential(
        [
            keras.layers.Embedding(VOCABULARY_SIZE, embedding_size, mask_zero=True),
            keras.layers.GRU(hidden_size),
            keras.layers.Dense(1),
        ]
    )
    model.compile(**compile_arguments())
    ids = sequences.padded()
    options = {"batch_size": batch_size, "verbose": 0}
    return (
        lambda: model.fit(ids, targets, **options),
        lambda: model.predict(ids, **options),
    )


def texts_a_second(run, n_texts):
    start = time.perf_counter()
    run()
    return n_texts / (time.perf_counter() - start)


def compare(ours, stock, n_texts, repeats):
    """Median texts a second of both, and the ratios of the pairs."""
    ours()
    stock()
    pairs = [
        (texts_a_second(ours, n_texts), texts_a_second(stock, n_texts))
        for _ in range(repeats)
    ]
    ratios = sorted(one / other for one, other in pairs)
    return {
        "skrnn": float(np.median([one for one, _ in pairs])),
        "keras": float(np.median([other for _, other in pairs])),
        "ratio": float(np.median(ratios)),
        "lowest": ratios[0],
        "highest": ratios[-1],
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", nargs="+", default=["128/128", "256/256", "256/512"])
    parser.add_argument("--batch-sizes", nargs="+", type=int, default=[64, 128])
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--json", help="file to write the figures to")
    arguments = parser.parse_args()
    rows = []
    draw = np.random.RandomState(0)
    print(
        "texts a second, median of",
        arguments.repeats,
        "runs;",
        arguments.steps,
        "steps",
    )
    print("embedding/hidden  batch  run       skrnn   keras   ratio (lowest-highest)")
    for size in arguments.sizes:
        embedding_size, hidden_size = map(int, size.split("/"))
        for batch_size in arguments.batch_sizes:
            n_texts = BATCHES_A_RUN * batch_size
            sequences = Sequences.from_lengths(
                draw.randint(2, VOCABULARY_SIZE, n_texts * arguments.steps),
                [arguments.steps] * n_texts,
            )
            targets = draw.randint(0, 2, (n_texts, 1)).astype(np.float32)
            case = (embedding_size, hidden_size, batch_size, sequences, targets)
            for run, ours, stock in zip(
                ("train", "predict"), skrnn_runs(*case), stock_runs(*case), strict=True
            ):
                row = compare(ours, stock, n_texts, arguments.repeats)
                rows.append({"size": size, "batch": batch_size, "run": run, **row})
                print(
                    f"{size:16}{batch_size:7}  {run:8}{row['skrnn']:7.0f}"
                    f"{row['keras']:8.0f}{row['ratio']:8.2f}"
                    f" ({row['lowest']:.2f}-{row['highest']:.2f})",
                    flush=True,
                )
    if arguments.json:
        machine = {
            "processor": platform.processor() or platform.machine(),
            "cores": os.cpu_count(),
            "python": platform.python_version(),
            "keras": keras.__version__,
            "backend": keras.backend.backend(),
        }
        with open(arguments.json, "w", encoding="utf-8") as file:
            json.dump({"machine": machine, "rows": rows}, file, indent=1)


if __name__ == "__main__":
    main()
