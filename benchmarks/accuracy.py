"""Accuracy beside tuned linear models: film reviews at several sizes, other corpora.

    python benchmarks/accuracy.py --data-home FOLDER --out accuracy.jsonl

Every fit is one line of JSON in the file, and the probabilities it gave lie in a
folder beside it, for the votes; a run that was cut off goes on where it stopped. At the
end, tables of the means over the seeds, and with ``--figure`` error against size.
``_corpora.py`` says where the corpora are from. A seed draws the texts to learn from
and starts the network. What is tested on is seen by no choice: the linear models and
fastText choose by cross-validation of the texts they learn from, film reviews in folds
of other films each, and ours take their defaults. fastText is a peer where it is
installed: the extra "benchmark" has it.
"""

import argparse
from collections import defaultdict
from importlib.util import find_spec
from pathlib import Path
from time import perf_counter

import numpy as np
from _corpora import CORPORA, OF_CHARACTERS, OTHERS, read_corpus
from _fasttext import FastTextClassifier
from _lines import Lines
from scipy.special import expit, logit, softmax
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.ensemble import VotingClassifier
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import log_loss, mean_absolute_error, r2_score
from sklearn.model_selection import GridSearchCV, GroupKFold, StratifiedGroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import Binarizer

from skrnn import RNNTextClassifier, RNNTextRegressor
from skrnn.datasets import fetch_imdb

SIZES = (1000, 2500, 10_000, 25_000)
NGRAMS = {"ngram_range": (1, 2)}
MIN_DF = [1, 2]


class NBLogisticRegression(ClassifierMixin, BaseEstimator):
    """NB-SVM: logistic regression on binary counts scaled by log-count ratios.

    Several classes are each told from all others.
    """

    def __init__(self, C=1.0):
        self.C = C

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        of_classes = self.classes_ if len(self.classes_) > 2 else self.classes_[1:]
        self.parts_ = []
        for label in of_classes:
            inside = y == label
            p = 1 + np.ravel(X[inside].sum(axis=0))
            q = 1 + np.ravel(X[~inside].sum(axis=0))
            ratios = np.log(p / p.sum()) - np.log(q / q.sum())
            model = LogisticRegression(C=self.C).fit(X.multiply(ratios).tocsr(), inside)
            self.parts_.append((ratios, model))
        return self

    def predict_proba(self, X):
        scores = np.column_stack(
            [model.decision_function(X.multiply(r).tocsr()) for r, model in self.parts_]
        )
        if len(self.classes_) == 2:
            return expit(np.hstack([-scores, scores]))
        return softmax(scores, axis=1)

    def predict(self, X):
        return self.classes_[self.predict_proba(X).argmax(axis=1)]


class SelfTraining(ClassifierMixin, BaseEstimator):
    """Learns from texts without a label, -1, what a first fit answers to them.

    The second fit learns from all texts, and an answer weighs as much as the first was
    sure of it: nothing where all classes were as likely. Probabilities are the mean of
    both. scikit-learn's `SelfTrainingClassifier` takes numbers only.
    """

    def __init__(self, estimator):
        self.estimator = estimator

    def fit(self, X, y):
        X, labelled = np.asarray(X, object), y != -1
        first = clone(self.estimator).fit(X[labelled], y[labelled])
        probabilities = first.predict_proba(X[~labelled])
        self.classes_ = first.classes_
        n_classes = len(self.classes_)
        y, weight = y.copy(), np.ones(len(y))
        y[~labelled] = self.classes_[probabilities.argmax(axis=1)]
        sure = (n_classes * probabilities.max(axis=1) - 1) / (n_classes - 1)
        weight[~labelled] = sure
        second = clone(self.estimator).fit(X, y, sample_weight=weight)
        self.estimators_ = [first, second]
        return self

    def predict_proba(self, X):
        return np.mean([one.predict_proba(X) for one in self.estimators_], axis=0)

    def predict(self, X):
        return self.classes_[self.predict_proba(X).argmax(axis=1)]


def tfidf(seed):
    steps = make_pipeline(
        TfidfVectorizer(sublinear_tf=True, **NGRAMS), LogisticRegression(max_iter=1000)
    )
    grid = {
        "tfidfvectorizer__min_df": MIN_DF,
        "logisticregression__C": [1, 10, 100, 1000],
    }
    return GridSearchCV(steps, grid)


def nbsvm(seed):
    steps = make_pipeline(
        CountVectorizer(token_pattern=r"\w+|[^\w\s]", **NGRAMS),
        Binarizer(),
        NBLogisticRegression(),
    )
    grid = {
        "countvectorizer__min_df": MIN_DF,
        "nblogisticregression__C": [0.03, 0.3, 3, 30],
    }
    return GridSearchCV(steps, grid)


def fasttext(seed):
    grid = {"lr": [0.05, 0.1, 0.25, 0.5, 1.0], "epoch": [5, 25, 100]}
    return GridSearchCV(FastTextClassifier(random_state=seed), grid)


def tfidf_of_characters(seed):
    steps = make_pipeline(
        TfidfVectorizer(sublinear_tf=True, analyzer="char_wb"),
        LogisticRegression(max_iter=1000),
    )
    grid = {
        "tfidfvectorizer__ngram_range": [(1, 3), (1, 5)],
        "logisticregression__C": [1, 10, 100, 1000],
    }
    return GridSearchCV(steps, grid)


def default_of_characters(seed):
    return RNNTextClassifier(analyzer="char", random_state=seed)


def ridge(seed):
    steps = make_pipeline(
        TfidfVectorizer(sublinear_tf=True, **NGRAMS), Ridge(solver="sparse_cg")
    )
    grid = {
        "tfidfvectorizer__min_df": MIN_DF,
        "ridge__alpha": [0.01, 0.03, 0.1, 0.3, 1, 3],
    }
    return GridSearchCV(steps, grid)


def default(seed):
    return RNNTextClassifier(random_state=seed)


def self_trained(seed):
    return SelfTraining(default(seed))


def three_self_trained(seed):
    return SelfTraining(three(seed))


def alone(seed):
    return RNNTextClassifier(wide=False, random_state=seed)


def three(seed):
    # Where a seed draws the texts, too, other fits' probabilities are no vote.
    starts = (seed, seed + 100, seed + 200)
    members = [(str(one), default(one)) for one in starts]
    return VotingClassifier(members, voting="soft")


def default_values(seed):
    return RNNTextRegressor(random_state=seed)


def alone_values(seed):
    return RNNTextRegressor(wide=False, random_state=seed)


FASTTEXT = "fastText on pairs, tuned"
SELF_TRAINED = "RNNTextClassifier(), self-trained on unlabelled reviews"
THREE = "soft vote of three RNNTextClassifier()"
THREE_SELF_TRAINED = f"{THREE}, self-trained by their vote"
CLASSIFIERS = {
    "TF-IDF + logistic regression, tuned": tfidf,
    "NB-SVM, tuned": nbsvm,
    FASTTEXT: fasttext,
    "RNNTextClassifier()": default,
    "RNNTextClassifier(wide=False)": alone,
    THREE: three,
}
# With unlabelled reviews a model learns from those, too.
OF_IMDB = {
    "imdb": CLASSIFIERS,
    "unlabelled": {
        SELF_TRAINED: self_trained,
        THREE_SELF_TRAINED: three_self_trained,
    },
}
CLASSIFIERS_BY_CHARACTER = {
    "TF-IDF of characters + logistic regression, tuned": tfidf_of_characters,
    'RNNTextClassifier(analyzer="char")': default_of_characters,
}
REGRESSORS = {
    "TF-IDF + ridge, tuned": ridge,
    "RNNTextRegressor()": default_values,
    "RNNTextRegressor(wide=False)": alone_values,
}
# Votes, from the probabilities kept of those who vote.
LINEAR = "NB-SVM, tuned"
DEFAULT, ALONE = "RNNTextClassifier()", "RNNTextClassifier(wide=False)"
PAIR = "soft vote of NB-SVM and the net alone"
LOG_ODDS = "vote of NB-SVM and the net alone"
SEEDS = {
    one: f"soft vote of {one} of all seeds" for one in (DEFAULT, ALONE, SELF_TRAINED)
}
ORDER = [
    *CLASSIFIERS,
    *OF_IMDB["unlabelled"],
    *CLASSIFIERS_BY_CHARACTER,
    PAIR,
    LOG_ODDS,
    *SEEDS.values(),
]


def calibration_error(correct, confidence, n_bins=15):
    """Expected calibration error: mean gap of confidence and accuracy, in bins."""
    bins = np.minimum((confidence * n_bins).astype(int), n_bins - 1)
    gaps = np.bincount(bins, weights=confidence - correct, minlength=n_bins)
    return float(np.abs(gaps).sum() / len(correct))


def figures_of_probabilities(probabilities, classes, y_test):
    predicted = classes[probabilities.argmax(axis=1)]
    correct = predicted == y_test
    clipped = np.clip(probabilities, 1e-7, 1)
    clipped /= clipped.sum(axis=1, keepdims=True)
    return {
        "accuracy": float(correct.mean()),
        "log_loss": float(log_loss(y_test, clipped, labels=classes)),
        "calibration_error": calibration_error(correct, probabilities.max(axis=1)),
    }


def at_edge(search):
    """Parameters whose best value has none beyond it, so that it may lie further on."""
    return [
        name
        for name, values in search.param_grid.items()
        if len(values) > 2 and search.best_params_[name] in (values[0], values[-1])
    ]


def measure(make, seed, train, test, folds):
    """Fit one model; figures, and for votes its probabilities or None."""
    model = make(seed)
    if isinstance(model, GridSearchCV):
        model.set_params(cv=folds)
    probabilities = None
    start = perf_counter()
    model.fit(*train)
    fit_seconds = perf_counter() - start
    start = perf_counter()
    texts, y = test
    if hasattr(model, "classes_"):
        probabilities = model.predict_proba(texts)
        figures = figures_of_probabilities(probabilities, model.classes_, y)
    else:
        values = model.predict(texts)
        figures = {
            "r2": float(r2_score(y, values)),
            "mean_absolute_error": float(mean_absolute_error(y, values)),
        }
    figures |= {
        "fit_seconds": fit_seconds,
        "predict_seconds": perf_counter() - start,
    }
    if hasattr(model, "best_params_"):
        figures["best_params"] = model.best_params_
        figures["at_edge"] = at_edge(model)
    if getattr(model, "blend_", None) is not None:
        figures["factors"] = model.blend_.factors_.tolist()
    return figures, probabilities


def subset(reviews, size, seed):
    """Draw texts, labels and films; all, in their order, where the size is all."""
    texts, y, films = reviews.data, reviews.target, reviews.film
    if size >= len(texts):
        return texts, y, films
    chosen = np.random.RandomState(seed).permutation(len(texts))[:size]
    return [texts[i] for i in chosen], y[chosen], films[chosen]


def folds_by_film(splitter, y, films):
    """Three folds, the reviews of a film all in one, since they share words."""
    return list(splitter(3).split(y, y, films))


class Kept:
    """The probabilities that models gave, in a folder."""

    def __init__(self, folder):
        self.folder = folder

    def _path(self, key):
        seed = 0 if _is_the_same_at_every_seed(key) else key["seed"]
        name = "".join(c if c.isalnum() else "_" for c in key["model"])
        return self.folder / f"{key['corpus']}-{key['size']}-{seed}-{name}.npy"

    def __contains__(self, key):
        return self._path(key).exists()

    def __getitem__(self, key):
        return np.load(self._path(key))

    def __setitem__(self, key, probabilities):
        self.folder.mkdir(exist_ok=True)
        np.save(self._path(key), probabilities)


def _learns_from_all(key):
    return key["corpus"] != "imdb" or key["size"] >= 25_000


def _is_the_same_at_every_seed(key):
    # A seed draws texts, where there are more, and starts the networks and fastText.
    is_linear = "tuned" in key["model"] and key["model"] != FASTTEXT
    return is_linear and _learns_from_all(key)


def tasks(arguments):
    """Every fit to do: what names it, how to do it, and the folds of a grid."""
    if {*OF_IMDB, "stars"} & set(arguments.corpora):
        train, test = (
            fetch_imdb(subset=part, data_home=arguments.data_home)
            for part in ("train", "test")
        )
    for corpus, models in OF_IMDB.items():
        if corpus not in arguments.corpora:
            continue
        more = []
        if corpus == "unlabelled":
            more = fetch_imdb(subset="unlabeled", data_home=arguments.data_home).data
        for size in arguments.sizes:
            for seed in arguments.seeds:
                texts, y, films = subset(train, size, seed)
                folds = folds_by_film(StratifiedGroupKFold, y, films)
                drawn = [*texts, *more], np.append(y, np.full(len(more), -1))
                for name, make in models.items():
                    yield (
                        {"corpus": "imdb", "size": size, "seed": seed, "model": name},
                        make,
                        drawn,
                        (test.data, test.target),
                        folds,
                    )
    if "stars" in arguments.corpora:
        folds = folds_by_film(GroupKFold, train.stars, train.film)
        for seed in arguments.seeds:
            for name, make in REGRESSORS.items():
                yield (
                    {"corpus": "stars", "size": 25_000, "seed": seed, "model": name},
                    make,
                    (train.data, train.stars),
                    (test.data, test.stars),
                    folds,
                )
    for corpus in (*CORPORA, *OTHERS):
        if corpus not in arguments.corpora:
            continue
        models = CLASSIFIERS_BY_CHARACTER if corpus in OF_CHARACTERS else CLASSIFIERS
        drawn, test = read_corpus(corpus, Path(arguments.data_home or "."))
        for seed in arguments.seeds:
            for name, make in models.items():
                yield (
                    {
                        "corpus": corpus,
                        "size": len(drawn[0]),
                        "seed": seed,
                        "model": name,
                    },
                    make,
                    drawn,
                    test,
                    3,
                )


def votes(key, kept, seeds, y_test):
    """The votes that this model is the last to join: names and figures."""
    classes = np.unique(y_test)
    linear = {**key, "model": LINEAR}
    if key["model"] == ALONE and key in kept and linear in kept:
        pair = [kept[one] for one in (linear, key)]
        yield PAIR, figures_of_probabilities(np.mean(pair, axis=0), classes, y_test)
        if len(classes) == 2:
            scores = [logit(np.clip(one[:, 1], 1e-7, 1 - 1e-7)) for one in pair]
            predicted = sum(score / score.std() for score in scores) > 0
            correct = predicted == (y_test == classes[1])
            yield LOG_ODDS, {"accuracy": float(correct.mean())}
    of_seeds = [{**key, "seed": seed} for seed in seeds]
    if (
        len(seeds) > 1
        and key["model"] in SEEDS
        and key["seed"] == seeds[-1]
        and _learns_from_all(key)
        and all(one in kept for one in of_seeds)
    ):
        mean = np.mean([kept[one] for one in of_seeds], axis=0)
        figures = figures_of_probabilities(mean, classes, y_test)
        yield SEEDS[key["model"]], {**figures, "seeds": seeds}


COLUMNS = {
    "accuracy": "accuracy",
    "log loss": "log_loss",
    "calibration error": "calibration_error",
    "R2": "r2",
    "mean absolute error": "mean_absolute_error",
    "seconds to fit": "fit_seconds",
    "to predict": "predict_seconds",
}


def tables(rows):
    """Means over the seeds and the spread between them, a table a corpus and size."""
    groups = defaultdict(lambda: defaultdict(list))
    for row in rows:
        groups[row["corpus"], row["size"]][row["model"]].append(row)
    lines = []
    for (corpus, size), models in sorted(groups.items()):
        of_values = corpus == "stars"
        columns = {
            title: name
            for title, name in COLUMNS.items()
            if any(name in one[0] for one in models.values())
        }
        lines += [
            f"\n{corpus}, {size:,} texts\n",
            f"| model | seeds | {' | '.join(columns)} |",
        ]
        lines.append("| --- " * (len(columns) + 2) + "|")
        for model in sorted(models, key=list(REGRESSORS if of_values else ORDER).index):
            cells = [_cell(name, models[model]) for name in columns.values()]
            lines.append(f"| {model} | {len(models[model])} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _cell(name, same):
    values = [one[name] for one in same if name in one]
    if not values:
        return ""
    if name.endswith("seconds"):
        return f"{np.median(values):.0f}"
    if name == "accuracy":
        values, form, unit = 100 * np.array(values), ".2f", " %"
    else:
        form, unit = ".3f", ""
    spread = f" ± {np.std(values, ddof=1):{form}}" if len(values) > 1 else ""
    return f"{np.mean(values):{form}}{spread}{unit}"


def draw(rows, path):
    """Test error against the number of reviews, a line a model."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(7, 4.5), layout="constrained")
    all_sizes = {row["size"] for row in rows if row["corpus"] == "imdb"}
    for model in ORDER:
        if model in (LOG_ODDS, THREE):
            continue  # their lines lie upon others
        errors = defaultdict(list)
        for row in rows:
            if row["corpus"] == "imdb" and row["model"] == model:
                errors[row["size"]].append(100 * (1 - row["accuracy"]))
        if len(errors) > 1:
            sizes = sorted(errors)
            means = [np.mean(errors[size]) for size in sizes]
            # A line over sizes that were left out would say something of those.
            line = "-" if len(sizes) == len(all_sizes) else "none"
            axes.plot(sizes, means, linestyle=line, marker="o", label=model)
    axes.set(
        xscale="log",
        xlabel="film reviews to learn from",
        ylabel="test error, %",
        xticks=SIZES,
        xticklabels=[f"{size:,}" for size in SIZES],
    )
    axes.minorticks_off()
    axes.grid(alpha=0.3)
    axes.legend(frameon=False)
    figure.savefig(path, dpi=150)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-home", help="folder of aclImdb_v1.tar.gz and the rest")
    parser.add_argument("--out", default="accuracy.jsonl", help="file of the lines")
    parser.add_argument(
        "--corpora",
        nargs="+",
        default=["imdb", "stars", *CORPORA],
        choices=[*OF_IMDB, "stars", *CORPORA, *OTHERS],
        metavar="NAME",
        help=f"default: imdb stars {' '.join(CORPORA)}; others: unlabelled "
        f"{' '.join(OTHERS)}",
    )
    parser.add_argument("--sizes", nargs="+", type=int, default=SIZES)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--figure", help="picture to draw; it takes matplotlib")
    parser.add_argument("--models", nargs="+", help="only models with this in the name")
    arguments = parser.parse_args()
    out = Path(arguments.out)
    lines = Lines(out, ("corpus", "size", "seed", "model"))
    kept = Kept(out.with_suffix(".probabilities"))
    # All at once, for a file may be missing that is wanted last.
    for key, make, train, test, folds in list(tasks(arguments)):
        if key["model"] == FASTTEXT and not find_spec("fasttext"):
            continue
        if key["model"] == THREE and _learns_from_all(key):
            continue  # the vote of all seeds says it
        wanted = arguments.models is None or any(
            part in key["model"] for part in arguments.models
        )
        if _is_the_same_at_every_seed(key):
            key = {**key, "seed": 0}
        if wanted and key not in lines:
            figures, probabilities = measure(make, key["seed"], train, test, folds)
            # First, for a fit that has its line is not done again.
            if probabilities is not None:
                kept[key] = probabilities
            lines.add({**key, **figures})
        for name, figures in votes(key, kept, arguments.seeds, test[1]):
            row = {**key, "model": name, **figures}
            if row not in lines:
                lines.add(row)
    print(tables(lines.rows))
    if arguments.figure:
        draw(lines.rows, arguments.figure)


if __name__ == "__main__":
    main()
