"""
Quickstart
==========

Which library is a paragraph of documentation from? The texts are the docstrings of
the libraries installed here, so this runs anywhere, offline, in under three minutes.
"""

import pickle

from sklearn.dummy import DummyClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline

from skrnn import RNNTextClassifier
from skrnn.datasets import load_docstrings

NEW_SENTENCES = [
    "Fit the estimator on the training folds and score it on the fold held out.",
    "Compute the p-value of the test under the null hypothesis.",
    "Place the operation on the given device in the default graph.",
    "A layer instance that applies dropout between the input and the output.",
    "Return a view of the array with its axes transposed.",
]


def main(n_texts=None, epochs="auto"):
    """Fit on the first `n_texts` docstrings (None: on all) and print how it went."""
    docstrings = load_docstrings()
    names = docstrings.target_names
    libraries = [names[target] for target in docstrings.target[:n_texts]]
    X_train, X_test, y_train, y_test = train_test_split(
        docstrings.data[:n_texts],
        libraries,
        test_size=0.2,
        stratify=libraries,
        random_state=0,
    )
    print(f"{len(X_train)} texts to train on, {len(X_test)} to test on: {names}\n")

    # A list of strings goes in: the classifier brings its own tokenizer.
    rnn = make_pipeline(RNNTextClassifier(epochs=epochs, random_state=0, verbose=1))
    rnn.fit(X_train, y_train)

    majority = DummyClassifier().fit(X_train, y_train)
    linear = make_pipeline(
        TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True),
        LogisticRegression(C=10, max_iter=1000),
    ).fit(X_train, y_train)
    print("\nTest accuracy")
    for name, model in [
        ("majority class", majority),
        ("TF-IDF + logistic regression", linear),
        ("RNNTextClassifier", rnn),
    ]:
        print(f"  {name:30}{model.score(X_test, y_test):.3f}")

    print("\nNew sentences")
    probabilities = rnn.predict_proba(NEW_SENTENCES).max(axis=1)
    for sentence, library, probability in zip(
        NEW_SENTENCES, rnn.predict(NEW_SENTENCES), probabilities, strict=True
    ):
        print(f"  {library:12}{probability:5.0%}  {sentence}")

    reloaded = pickle.loads(pickle.dumps(rnn))
    equal = (reloaded.predict_proba(X_test) == rnn.predict_proba(X_test)).all()
    print(f"\nThe pickled and reloaded pipeline predicts the same: {equal}")


if __name__ == "__main__":
    main()
