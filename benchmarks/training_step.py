"""A training step and a prediction, beside `keras.layers.GRU` in one run.

Both sides read the same ids, all texts of the same length, drawn so that they repeat
as words do, and train with Adam, ours as the estimators do within a fit. They take
turns, so that a machine whose speed drifts drifts for both; the ratios are what counts.

    python benchmarks/training_step.py --json training_step.json

The share of the machine's rate is that of the least work a GRU's training takes:
18 * (E + H) * H operations a token, with E the embedding's size and H the hidden one.
Three gates have (E + H) * H weights each, every weight is multiplied and added once
forward and twice backward, for the inputs' gradients and for its own:
3 * (E + H) * H * 2 * 3. The rate is that of one large product of matrices, which takes
its turn with the steps. PyTorch and skorch stand beside with --torch and --skorch,
where they are installed.
"""

import argparse
import contextlib
import itertools
from functools import partial

import numpy as np
from _measuring import compare, show, show_header, take_turns, write_json
from _networks import (
    draw_sequences,
    draw_targets,
    fit_our_network,
    our_network,
    stock_network,
)

from skrnn._keras import keras
from skrnn.batches import LengthSortedBatches
from skrnn.implementation import sizes_an_octave
from skrnn.native_losses import loss_of
from skrnn.native_training import penalties_of, trains_natively
from skrnn.native_updates import NativeUpdates
from skrnn.sequences import positions_of
from skrnn.threads import one_blas_thread

ops = keras.ops


def over_batches(step, ids, targets, batch_size):
    """Make a callable that trains on the next batch each time, round and round."""
    batches = itertools.cycle(
        slice(start, start + batch_size) for start in range(0, len(ids), batch_size)
    )

    def run():
        batch = next(batches)
        step(ids[batch], targets[batch])

    return run


@contextlib.contextmanager
def our_steps(model, sequences, targets, batch_size):
    """Lend a callable that trains our network on the next batch, as a fit does."""
    if not trains_natively(model, []):
        ids = sequences.padded()
        yield over_batches(model.train_on_batch, ids, targets, batch_size)
        return
    batches = LengthSortedBatches(
        sequences,
        targets,
        np.ones(len(sequences), np.float32),
        texts=positions_of(len(sequences)),
        batch_size=batch_size,
        sizes_an_octave=sizes_an_octave(model.encoder.implementation),
    )
    numbers = itertools.cycle(range(len(batches)))
    updates = NativeUpdates(model, penalties_of(model), loss_of(model, targets))
    with one_blas_thread():
        yield lambda: updates.make(*batches[next(numbers)])
    updates.put_back()


def matrix_product(size, precision):
    """Make a callable that multiplies two square matrices."""
    matrix = ops.cast(
        np.random.default_rng(0).standard_normal((size, size), np.float32), precision
    )

    def run():
        # Reading a number of it waits for the product.
        ops.convert_to_numpy(ops.cast(ops.matmul(matrix, matrix)[0, 0], "float32"))

    return run


def skorch_epoch(embedding_size, hidden_size, batch_size, ids, targets):
    """Make a callable that trains one epoch more with skorch."""
    import torch
    from _torch_network import TorchNetwork
    from skorch import NeuralNetBinaryClassifier
    from skorch.callbacks import GradientNormClipping

    torch.manual_seed(0)
    net = NeuralNetBinaryClassifier(
        TorchNetwork,
        module__embedding_size=embedding_size,
        module__hidden_size=hidden_size,
        optimizer=torch.optim.Adam,
        lr=0.001,
        batch_size=batch_size,
        max_epochs=1,
        iterator_train__shuffle=True,
        train_split=None,
        callbacks=[GradientNormClipping(1.0)],
        verbose=0,
    ).initialize()
    return partial(net.partial_fit, ids, targets[:, 0])


def measure(embedding_size, hidden_size, batch_size, arguments):
    """Give (run, row) for each comparison at these sizes."""
    n_texts = arguments.batches * batch_size
    sequences = draw_sequences(n_texts, arguments.steps)
    ids = sequences.padded()
    targets = draw_targets(n_texts)
    sizes = (embedding_size, hidden_size)
    ours = {
        f"skrnn {precision}": our_network(*sizes, precision=precision)
        for precision in arguments.precision
    }
    stock = stock_network(*sizes)
    case = (ids, targets, batch_size)
    train = {"keras": over_batches(stock.train_on_batch, *case)}
    predict = {
        **{name: partial(model.predict, sequences) for name, model in ours.items()},
        "keras": partial(stock.predict, ids, batch_size=batch_size, verbose=0),
    }
    rivals = ["keras"]
    if arguments.torch:
        from _torch_network import TorchTrainer

        trainer = TorchTrainer(*sizes)
        train["torch"] = over_batches(trainer.train_on_batch, *case)
        predict["torch"] = partial(trainer.predict, ids, batch_size)
        rivals.append("torch")
    products = {
        f"product {precision}": matrix_product(arguments.matrix, precision)
        for precision in arguments.precision
    }

    with contextlib.ExitStack() as stack:
        for name, model in ours.items():
            steps = our_steps(model, sequences, targets, batch_size)
            train[name] = stack.enter_context(steps)
        seconds = take_turns({**train, **products}, arguments.pairs, n_warm_up=3)
    operations = 18 * sum(sizes) * hidden_size * batch_size * arguments.steps
    for name, rival in itertools.product(ours, rivals):
        product = np.array(seconds[name.replace("skrnn", "product")])
        rates = 2 * arguments.matrix**3 / product
        shares = operations / np.array(seconds[name]) / rates
        yield {
            "run": "training step",
            "n_texts_a_run": batch_size,
            **compare(seconds, name, rival),
            "floor_gflop": operations / 1e9,
            "machine_gflop_a_second_median": float(np.median(rates)) / 1e9,
            "share_of_machine_median": float(np.median(shares)),
        }

    seconds = take_turns(predict, arguments.pairs)
    for name, rival in itertools.product(ours, rivals):
        yield {
            "run": f"prediction of {arguments.batches} batches",
            "n_texts_a_run": n_texts,
            **compare(seconds, name, rival),
        }

    if arguments.skorch:
        epochs = {
            name: partial(fit_our_network, model, sequences, targets, batch_size)
            for name, model in ours.items()
        }
        epochs["skorch"] = skorch_epoch(*sizes, batch_size, ids, targets)
        seconds = take_turns(epochs, arguments.pairs)
        for name in ours:
            yield {
                "run": f"epoch of {arguments.batches} batches",
                "n_texts_a_run": n_texts,
                **compare(seconds, name, "skorch"),
            }


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--sizes",
        nargs="+",
        default=["128/128", "256/256", "256/512"],
        help="embedding/hidden sizes",
    )
    parser.add_argument("--batch-sizes", nargs="+", type=int, default=[64, 128])
    parser.add_argument("--steps", type=int, default=200, help="tokens a text")
    parser.add_argument(
        "--precision",
        nargs="+",
        choices=["float32", "bfloat16"],
        default=["float32", "bfloat16"],
        help="of our products in training; all else is in float32",
    )
    parser.add_argument("--pairs", type=int, default=15, help="timed runs of each side")
    parser.add_argument(
        "--batches", type=int, default=16, help="batches of a prediction or epoch"
    )
    parser.add_argument(
        "--matrix", type=int, default=2048, help="rows of the matrices multiplied"
    )
    parser.add_argument("--torch", action="store_true", help="beside torch.nn.GRU, too")
    parser.add_argument("--skorch", action="store_true", help="beside skorch, too")
    parser.add_argument("--json", help="file to write the figures to, as they come")
    arguments = parser.parse_args()

    rows = []
    print(f"texts of {arguments.steps} tokens, {arguments.pairs} pairs of runs")
    show_header("size/batch, run")
    for size in arguments.sizes:
        embedding_size, hidden_size = map(int, size.split("/"))
        for batch_size in arguments.batch_sizes:
            case = {
                "embedding_size": embedding_size,
                "hidden_size": hidden_size,
                "batch_size": batch_size,
                "tokens_a_text": arguments.steps,
            }
            for row in measure(embedding_size, hidden_size, batch_size, arguments):
                share = row.get("share_of_machine_median")
                show(
                    f"{size}/{batch_size}, {row['run'].split(' of ')[0]}",
                    row,
                    "" if share is None else f"{share:.0%} of the machine",
                )
                rows.append(case | row)
                write_json(arguments.json, arguments, rows)


if __name__ == "__main__":
    main()
