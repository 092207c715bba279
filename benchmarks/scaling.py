"""Whether time and memory grow with the number of texts, and no faster.

    python benchmarks/scaling.py --data-home FOLDER --json scaling.json

FOLDER holds, or shall hold, ``aclImdb_v1.tar.gz``. Texts are sentences of 5 to 14 words
drawn from the unlabelled film reviews, about 12 tokens each; the label says whether
"the" is among its words. Every figure comes from a process that has done nothing yet
but import everything and be given the texts; where time is taken, it has fitted and
predicted a thousand of them before, as what TensorFlow does once does not grow with the
texts. What it does once a model, a second or so of every fit, is in the figures. Memory
is how far a call raises that of its process, beside the size of the list of texts.
"""

import argparse
import re
import sys
from functools import partial
from time import perf_counter

import numpy as np
from _measuring import (
    can_measure_memory,
    in_fresh_process,
    peak_memory,
    ratio,
    show_ratio,
    write_json,
)

from skrnn import RNNTextClassifier, Tokenizer
from skrnn.datasets import fetch_imdb

SENTENCE_END = re.compile(r"(?<=[.!?])\s+|<br />")
N_WORDS = range(5, 15)
FIGURES = {
    "fit": "seconds a text of fit",
    "predict": "seconds a text of predict",
    "tokenizer": "seconds a text of Tokenizer.fit_transform",
    "fit_memory": "memory of fit, ratio to the texts",
    "tokenizer_memory": "memory of Tokenizer.fit_transform, ratio to the texts",
}


def draw_texts(data_home, n_texts):
    """Draw sentences, with replacement, and label them."""
    reviews = fetch_imdb(subset="unlabeled", data_home=data_home).data
    sentences = [
        sentence
        for review in reviews
        for sentence in SENTENCE_END.split(review)
        if len(sentence.split()) in N_WORDS
    ]
    drawn = np.random.default_rng(0).integers(len(sentences), size=n_texts)
    # A string of its own for each text, as the texts of a corpus are.
    texts = [sentences[i].encode().decode() for i in drawn]
    targets = np.array(["the" in text.lower().split() for text in texts], dtype=int)
    return texts, targets


def size_in_python(texts):
    return sys.getsizeof(texts) + sum(map(sys.getsizeof, texts))


def new_classifier(sizes, batch_size):
    return RNNTextClassifier(
        embedding_size=sizes[0],
        hidden_size=sizes[1],
        batch_size=batch_size,
        epochs=1,
        random_state=0,
    )


def new_tokenizer():
    return Tokenizer(max_features=20_000, max_length=400)


def seconds_a_text(texts, targets, sizes, batch_size):
    classifier = new_classifier(sizes, batch_size).fit(texts[:1000], targets[:1000])
    classifier.predict(texts[:1000])
    start = perf_counter()
    classifier.predict(texts)
    predicted = perf_counter()
    new_tokenizer().fit_transform(texts)
    tokenized = perf_counter()
    new_classifier(sizes, batch_size).fit(texts, targets)
    fitted = perf_counter()
    return {
        "fit": (fitted - tokenized) / len(texts),
        "predict": (predicted - start) / len(texts),
        "tokenizer": (tokenized - predicted) / len(texts),
    }


def peak_of_fit(texts, targets, sizes, batch_size):
    fit = partial(new_classifier(sizes, batch_size).fit, texts, targets)
    return peak_memory(fit) / size_in_python(texts)


def peak_of_tokenizer(texts):
    return peak_memory(partial(new_tokenizer().fit_transform, texts)) / size_in_python(
        texts
    )


def measure_once(texts, targets, sizes, batch_size):
    """Give each of `FIGURES` for these texts."""
    return {
        **in_fresh_process(seconds_a_text, texts, targets, sizes, batch_size),
        "fit_memory": in_fresh_process(peak_of_fit, texts, targets, sizes, batch_size),
        "tokenizer_memory": in_fresh_process(peak_of_tokenizer, texts),
    }


def rows_of(measured):
    """Compare the figures of few texts and of many, lists by the number of texts."""
    (few, figures_of_few), (many, figures_of_many) = measured.items()
    rows = []
    for name, title in FIGURES.items():
        of_few, of_many = (
            [figures[name] for figures in measurements]
            for measurements in (figures_of_few, figures_of_many)
        )
        rows.append(
            {
                "figure": title,
                "n_texts_few": few,
                "n_texts_many": many,
                "n_pairs": len(of_few),
                "few_median": float(np.median(of_few)),
                "many_median": float(np.median(of_many)),
                "ratio_of": "many's to few's",
                **ratio(of_many, of_few),
            }
        )
    return rows


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data-home", help="folder of aclImdb_v1.tar.gz")
    parser.add_argument(
        "--n-texts",
        nargs=2,
        type=int,
        default=[100_000, 1_000_000],
        metavar=("FEW", "MANY"),
    )
    parser.add_argument("--size", default="32/32", help="embedding/hidden size")
    parser.add_argument("--batch-size", type=int, default=256)
    parser.add_argument("--pairs", type=int, default=5, help="times each number is run")
    parser.add_argument("--json", help="file to write the figures to, as they come")
    arguments = parser.parse_args()

    few, many = arguments.n_texts
    if few >= many:
        parser.error("--n-texts takes the smaller number first")
    if not can_measure_memory():
        parser.error("memory is measured on Linux only")
    sizes = tuple(map(int, arguments.size.split("/")))
    texts, targets = draw_texts(arguments.data_home, max(few, many))
    tokens = Tokenizer().fit_transform(texts[:10_000]).lengths.mean()
    print(
        f"{few} and {many} texts of {tokens:.1f} tokens, {arguments.pairs} times each"
    )
    measured = {few: [], many: []}
    for _ in range(arguments.pairs):
        for n_texts, figures in measured.items():
            figures.append(
                measure_once(
                    texts[:n_texts], targets[:n_texts], sizes, arguments.batch_size
                )
            )

        rows = rows_of(measured)
        write_json(
            arguments.json,
            arguments,
            rows,
            texts={
                "tokens_a_text_mean": float(tokens),
                "few_mib_in_python": size_in_python(texts[:few]) / 2**20,
                "many_mib_in_python": size_in_python(texts[:many]) / 2**20,
            },
        )

    print(f"{'':56}{few:>12}{many:>12}  many / few (lowest-highest)")
    for row in rows:
        print(
            f"{row['figure']:56}{row['few_median']:12.4g}{row['many_median']:12.4g}"
            f"  {show_ratio(row)}"
        )


if __name__ == "__main__":
    main()
