"""Whether training in bfloat16 products costs accuracy: film reviews, several seeds.

    python benchmarks/precision.py --data-home FOLDER --json precision.json

The same fits in float32 and in bfloat16, with the same seeds; accuracy and log loss on
all test reviews. What another seed changes is the measure of what precision changes.
"""

import argparse
from time import perf_counter

from _measuring import write_json
from sklearn.metrics import accuracy_score, log_loss

from skrnn import RNNTextClassifier
from skrnn.datasets import fetch_imdb


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-home", help="folder that holds aclImdb_v1.tar.gz")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--size", default="128/128", help="embedding/hidden")
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument(
        "--precision",
        nargs="+",
        choices=["float32", "bfloat16"],
        default=["float32", "bfloat16"],
    )
    parser.add_argument("--every", type=int, default=1, help="take every n-th review")
    parser.add_argument("--json", help="file to write the figures to, as they come")
    arguments = parser.parse_args()
    embedding_size, hidden_size = map(int, arguments.size.split("/"))
    (X_train, y_train), (X_test, y_test) = (
        fetch_imdb(subset=subset, data_home=arguments.data_home, return_X_y=True)
        for subset in ("train", "test")
    )
    part = slice(None, None, arguments.every)
    rows = []
    print("seed  precision   accuracy  log loss  seconds to fit")
    for seed in arguments.seeds:
        for precision in arguments.precision:
            classifier = RNNTextClassifier(
                embedding_size=embedding_size,
                hidden_size=hidden_size,
                epochs=arguments.epochs,
                wide=False,
                precision=precision,
                random_state=seed,
            )
            start = perf_counter()
            classifier.fit(X_train[part], y_train[part])
            seconds = perf_counter() - start
            probabilities = classifier.predict_proba(X_test[part])
            row = {
                "seed": seed,
                "precision": precision,
                "accuracy": accuracy_score(
                    y_test[part], classifier.classes_[probabilities.argmax(axis=1)]
                ),
                "log_loss": log_loss(y_test[part], probabilities),
                "fit_seconds": seconds,
            }
            rows.append(row)
            write_json(arguments.json, arguments, rows)
            print(
                f"{seed:4}  {precision:10}{row['accuracy']:10.4f}"
                f"{row['log_loss']:10.4f}{seconds:10.1f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
