"""The corpora that accuracy is measured on, the film reviews aside.

Each is read from a folder: texts and labels to learn from, and others to test on.
"""

import csv
import json

import numpy as np

from skrnn.datasets import load_docstrings


def docstrings(folder):
    texts, labels = load_docstrings(return_X_y=True)
    return _split(list(texts), labels)


def ag_news(folder):
    rows = _read_csv(folder / "ag_news_7600.csv")
    # Backslashes stand for line breaks.
    texts = [f"{title} {text}".replace("\\", " ") for _, title, text in rows]
    return _split(texts, [topic for topic, _, _ in rows])


def subj(folder):
    return _split(*_read_pairs(folder / "subj.tsv", "\t"))


def trec(folder):
    return [
        _read_pairs(folder / f"trec_{part}.tsv", "\t") for part in ("train", "test")
    ]


def tweets(name, tested_on="test"):
    """A task of TweetEval, its own test or validation part."""

    def read(folder):
        task = folder / "tweeteval" / "datasets" / name
        return [
            (_lines(task / f"{part}_text.txt"), _lines(task / f"{part}_labels.txt"))
            for part in ("train", tested_on)
        ]

    return read


def sentences(name):
    """Lines of a label, a space and a text, from a collection for sentiment."""

    def read(folder):
        path = folder / "sentiment_dataset" / "data" / name
        return _split(*_read_pairs(path, " ", encoding="latin-1"))

    return read


def intents(folder):
    """What 150 kinds of requests to an assistant ask for."""
    path = folder / "oos-eval" / "data" / "data_full.json"
    parts = json.loads(path.read_text(encoding="utf-8"))
    return [
        tuple(map(list, zip(*parts[part], strict=True))) for part in ("train", "test")
    ]


def chinese(name):
    """Reviews good and bad, in Chinese."""

    def read(folder):
        path = folder / "ChineseNlpCorpus" / "datasets" / name
        (path,) = path.parent.glob(f"{path.name}/*.csv")
        labels, texts = zip(*_read_csv(path)[1:], strict=True)
        return _split(texts, labels)

    return read


def surnames(folder):
    """Names and the language each is from."""
    texts, labels = [], []
    for path in sorted((folder / "practical-pytorch" / "data" / "names").glob("*.txt")):
        names = [line.strip() for line in _lines(path)]
        texts += names
        labels += [path.stem] * len(names)
    return _split(texts, labels)


# What the package was made with: the files as they were published.
CORPORA = {"ag_news": ag_news, "trec": trec, "subj": subj, "docstrings": docstrings}

# What it was tried on when that was done. The folder holds clones of the repositories
# that the readers name: cardiffnlp/tweeteval, AcademiaSinicaNLPLab/sentiment_dataset,
# clinc/oos-eval, SophonPlus/ChineseNlpCorpus and spro/practical-pytorch of GitHub.
OTHERS = {
    "irony": tweets("irony"),
    "emotion": tweets("emotion"),
    "hate": tweets("hate"),
    # Gathered with what is learned from, where the test part was not.
    "hate_validation": tweets("hate", "val"),
    "offence": tweets("offensive"),
    "polarity": sentences("panglee/rt-polarity.all"),
    "opinions": sentences("mpqa.all"),
    "intents": intents,
    "hotels": chinese("ChnSentiCorp_htl_all"),
    "deliveries": chinese("waimai_10k"),
    "surnames": surnames,
}

# Those that are read by characters: Chinese has no spaces, a surname is one word.
OF_CHARACTERS = ("hotels", "deliveries", "surnames")


def read_corpus(name, folder):
    """Texts and labels to learn from, and texts and labels to test on."""
    parts = {**CORPORA, **OTHERS}[name](folder)
    return [(list(texts), np.asarray(labels)) for texts, labels in parts]


def _lines(path, encoding="utf-8"):
    # Some texts hold characters at which `splitlines` would part them.
    return path.read_text(encoding=encoding).removesuffix("\n").split("\n")


def _read_pairs(path, separator, encoding="utf-8"):
    lines = _lines(path, encoding)
    labels, texts = zip(*(line.split(separator, 1) for line in lines), strict=True)
    return texts, labels


def _read_csv(path):
    with path.open(encoding="utf-8-sig", newline="") as lines:
        return list(csv.reader(lines))


def _split(texts, labels):
    """A fifth, 5,000 at most, to test on; no choice was ever made by these."""
    drawn = np.random.RandomState(0).permutation(len(texts))
    n_test = min(len(texts) // 5, 5000)
    return [
        ([texts[i] for i in part], [labels[i] for i in part])
        for part in (drawn[n_test:], drawn[:n_test])
    ]
