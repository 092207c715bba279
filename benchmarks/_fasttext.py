"""fastText's classifier as a scikit-learn estimator, a peer in accuracy.py."""

import re
import tempfile
from pathlib import Path

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin

TOKEN = re.compile(r"\w+|[^\w\s]")


class FastTextClassifier(ClassifierMixin, BaseEstimator):
    """A linear model of averaged word and word-pair vectors (Joulin et al. 2016).

    Texts are split into lower-case words and signs, as for the other models. Vectors
    have 10 numbers, as in the paper. It reads texts in the order they come in, so they
    are mixed first. One thread, so that a seed has one result.
    """

    def __init__(self, lr=0.25, epoch=5, random_state=0):
        self.lr = lr
        self.epoch = epoch
        self.random_state = random_state

    def fit(self, X, y):
        import fasttext

        self.classes_, numbers = np.unique(y, return_inverse=True)
        # It reads files alone.
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "train.txt")
            lines = [
                f"__label__{number} {line}\n"
                for number, line in zip(numbers, _lines(X), strict=True)
            ]
            np.random.RandomState(self.random_state).shuffle(lines)
            path.write_text("".join(lines), encoding="utf-8")
            self.model_ = fasttext.train_supervised(
                str(path),
                lr=self.lr,
                epoch=self.epoch,
                dim=10,
                wordNgrams=2,
                seed=self.random_state,
                thread=1,
                verbose=0,
            )
        return self

    def predict_proba(self, X):
        n_classes = len(self.classes_)
        # A list gets lists; one text would meet an argument that NumPy 2 refuses.
        labels, probabilities = self.model_.predict(_lines(X), k=n_classes)
        given = np.zeros((len(labels), n_classes))
        for row, names, values in zip(given, labels, probabilities, strict=True):
            row[[int(name.removeprefix("__label__")) for name in names]] = values
        return given / given.sum(axis=1, keepdims=True)

    def predict(self, X):
        return self.classes_[self.predict_proba(X).argmax(axis=1)]


def _lines(texts):
    # A text without a token gets one, for fastText gives it no answer.
    return [" ".join(TOKEN.findall(text.lower())) or "." for text in texts]
