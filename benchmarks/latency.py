"""How long one short text takes to predict, alone and from several threads at once.

    python benchmarks/latency.py --json latency.json

Stands beside `keras.Model.predict` of a stock model: on ids made before, and, from the
text itself, with `keras.layers.TextVectorization` in front; and beside
`keras.Model.predict_on_batch` on the ids, which Keras has for few texts. The stock side
pads nothing here: the text is as long as it is. Then threads predict at once, all as
often as they can: whether every answer comes, and is the one that a single thread gets.
"""

import argparse
import itertools
import threading
from functools import partial

import numpy as np
from _measuring import compare, show, show_header, take_turns, write_json
from _stock_pipeline import StockPipeline

from skrnn import RNNTextClassifier
from skrnn.datasets import load_docstrings

TEXT = "Returns a tensor that holds the absolute values of the given array."
SIDE = "skrnn predict_proba"
RIVALS = ["keras on ids", "keras on text", "keras on_batch on ids"]


def single(sides, n_calls):
    """Give the row of each comparison of single calls."""
    seconds = take_turns(sides, n_calls, n_warm_up=20)
    for side, rival in itertools.product(["skrnn predict", SIDE], RIVALS):
        yield {
            "run": "single call",
            **compare(seconds, side, rival),
            "side_seconds_99th_percentile": float(np.percentile(seconds[side], 99)),
            "rival_seconds_99th_percentile": float(np.percentile(seconds[rival], 99)),
        }


class Burst:
    """Calls of one function from several threads at once.

    Each thread predicts every input, beginning at a place of its own. `expected` are
    one thread's answers; `errors`, `n_answers`, `n_differing` and
    `largest_difference` are those of all bursts.
    """

    def __init__(self, predict, inputs, n_threads):
        self.predict = predict
        self.inputs = inputs
        self.n_threads = n_threads
        self.expected = [predict(one) for one in inputs]
        self.errors = []
        self.n_answers = 0
        self.n_differing = 0
        self.largest_difference = 0.0

    def __call__(self):
        start = threading.Barrier(self.n_threads)
        answers = [[] for _ in range(self.n_threads)]

        def work(thread):
            start.wait()
            first = thread * len(self.inputs) // self.n_threads
            for i in [*range(first, len(self.inputs)), *range(first)]:
                try:
                    answers[thread].append((i, self.predict(self.inputs[i])))
                except Exception as error:
                    self.errors.append(repr(error))

        threads = [
            threading.Thread(target=work, args=(thread,))
            for thread in range(self.n_threads)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for i, answer in itertools.chain.from_iterable(answers):
            difference = np.abs(answer - self.expected[i]).max()
            self.n_answers += 1
            self.n_differing += bool(difference > 0)
            self.largest_difference = max(self.largest_difference, float(difference))


def bursts(sides, arguments):
    """Give the row of each comparison of bursts.

    `sides` maps names to a callable and its inputs.
    """
    for n_threads in arguments.threads:
        runs = {
            name: Burst(predict, inputs, n_threads)
            for name, (predict, inputs) in sides.items()
        }
        seconds = take_turns(runs, arguments.bursts)
        n_calls = n_threads * arguments.burst_texts
        for rival in RIVALS:
            row = {
                "run": "burst",
                "n_threads": n_threads,
                "n_calls_a_burst": n_calls,
                **compare(seconds, SIDE, rival),
            }
            for role, name in (("side", SIDE), ("rival", rival)):
                run = runs[name]
                row |= {
                    f"{role}_calls_a_second_median": n_calls
                    / row[f"{role}_seconds_median"],
                    f"{role}_n_errors": len(run.errors),
                    f"{role}_errors": sorted(set(run.errors)),
                    f"{role}_n_answers": run.n_answers,
                    f"{role}_n_differing_answers": run.n_differing,
                    f"{role}_largest_difference": run.largest_difference,
                }
            yield row


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--size", default="128/128", help="embedding/hidden size")
    parser.add_argument(
        "--n-texts", type=int, default=4000, help="docstrings to train on"
    )
    parser.add_argument("--calls", type=int, default=500, help="timed calls of a side")
    parser.add_argument(
        "--threads", nargs="+", type=int, default=[1, 4], help="threads of a burst"
    )
    parser.add_argument("--bursts", type=int, default=5, help="timed bursts of a side")
    parser.add_argument(
        "--burst-texts", type=int, default=50, help="texts of each thread of a burst"
    )
    parser.add_argument("--json", help="file to write the figures to")
    arguments = parser.parse_args()

    docstrings = load_docstrings()
    texts = docstrings.data[: arguments.n_texts]
    is_tensorflow = docstrings.target_names.index("tensorflow")
    targets = (docstrings.target[: arguments.n_texts] == is_tensorflow).astype(int)
    embedding_size, hidden_size = map(int, arguments.size.split("/"))
    ours = RNNTextClassifier(
        embedding_size=embedding_size,
        hidden_size=hidden_size,
        epochs=1,
        random_state=0,
    ).fit(texts, targets)
    stock = StockPipeline(embedding_size, hidden_size, max_length=None).fit(
        texts, targets
    )

    def to_ids(text):
        return np.asarray(stock.vectorize([text]))

    def predict_ids(ids):
        return stock.model.predict(ids, verbose=0)

    rows = []
    print(f"{arguments.calls} calls of {TEXT!r}")
    show_header("run")
    for row in single(
        {
            "skrnn predict": partial(ours.predict, [TEXT]),
            SIDE: partial(ours.predict_proba, [TEXT]),
            "keras on ids": partial(predict_ids, to_ids(TEXT)),
            "keras on text": partial(stock.predict_one, TEXT),
            "keras on_batch on ids": partial(
                stock.model.predict_on_batch, to_ids(TEXT)
            ),
        },
        arguments.calls,
    ):
        show(
            row["run"],
            row,
            f"99 %: {row['side_seconds_99th_percentile']:.4g},"
            f" {row['rival_seconds_99th_percentile']:.4g}",
        )
        rows.append(row)

    # A dozen words each, too.
    short = [" ".join(text.split()[:12]) for text in texts[: arguments.burst_texts]]
    ids = list(map(to_ids, short))
    for row in bursts(
        {
            SIDE: (lambda text: ours.predict_proba([text]), short),
            "keras on ids": (predict_ids, ids),
            "keras on text": (stock.predict_one, short),
            "keras on_batch on ids": (stock.model.predict_on_batch, ids),
        },
        arguments,
    ):
        show(
            f"burst, {row['n_threads']} threads",
            row,
            f"{row['side_calls_a_second_median']:.4g},"
            f" {row['rival_calls_a_second_median']:.4g} calls a second; errors:"
            f" {row['side_n_errors']}, {row['rival_n_errors']}; other answers than one"
            f" thread's: {row['side_n_differing_answers']},"
            f" {row['rival_n_differing_answers']}",
        )
        rows.append(row)
    write_json(arguments.json, arguments, rows)


if __name__ == "__main__":
    main()
