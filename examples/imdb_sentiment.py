"""
Sentiment and stars of film reviews
===================================

The task of the talk this package comes from, on 25,000 reviews: is a review positive,
and how many stars did it give? Beside each recurrent network stands a linear model on
TF-IDF word pairs. Run it with ``--data-home`` naming the folder that holds, or
is to hold, ``aclImdb_v1.tar.gz``.
"""

import argparse
from time import perf_counter

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import accuracy_score, mean_absolute_error, r2_score
from sklearn.pipeline import make_pipeline

from skrnn import RNNTextClassifier, RNNTextRegressor
from skrnn.datasets import fetch_imdb


def make_linear(estimator):
    vectorizer = TfidfVectorizer(ngram_range=(1, 2), min_df=2, sublinear_tf=True)
    return make_pipeline(vectorizer, estimator)


def compare(models, train, test, scores):
    """Fit each model on `train`, and print its `scores` on `test` and its times."""
    titles = [*scores, "fit [s]", "predict [s]"]
    rows = []
    for name, model in models.items():
        start = perf_counter()
        model.fit(*train)
        fitted = perf_counter()
        predicted = model.predict(test[0])
        times = [fitted - start, perf_counter() - fitted]
        values = [score(test[1], predicted) for score in scores.values()]
        rows.append(
            f"{name:30}"
            + "".join(f"{value:12.4f}" for value in values)
            + "".join(f"{seconds:12.1f}" for seconds in times)
        )
    print("\n" + " " * 30 + "".join(f"{title:>12}" for title in titles))
    print("\n".join(rows) + "\n")


def main(data_home=None, n_train=None):
    train = fetch_imdb(subset="train", data_home=data_home)
    test = fetch_imdb(subset="test", data_home=data_home)
    # The reviews come sorted by label.
    chosen = np.random.default_rng(0).permutation(len(train.data))[:n_train]
    X_train = [train.data[i] for i in chosen]
    print(f"{len(X_train)} reviews to train on, {len(test.data)} to test on\n")

    compare(
        {
            "TF-IDF + logistic regression": make_linear(
                LogisticRegression(C=10, max_iter=1000)
            ),
            "RNNTextClassifier": RNNTextClassifier(random_state=0, verbose=1),
        },
        (X_train, train.target[chosen]),
        (test.data, test.target),
        {"accuracy": accuracy_score},
    )
    compare(
        {
            "TF-IDF + ridge": make_linear(Ridge()),
            "RNNTextRegressor": RNNTextRegressor(random_state=0, verbose=1),
        },
        (X_train, train.stars[chosen]),
        (test.data, test.stars),
        {"R2": r2_score, "MAE": mean_absolute_error},
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[1])
    parser.add_argument("--data-home", help="folder of aclImdb_v1.tar.gz")
    parser.add_argument("--n-train", type=int, help="reviews to train on, of 25,000")
    arguments = parser.parse_args()
    main(arguments.data_home, arguments.n_train)
