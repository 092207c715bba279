"""Training and prediction on a GPU, with the backend of Keras that is set.

    KERAS_BACKEND=torch python benchmarks/gpu.py --json gpu-torch.json

Texts of 200 tokens, ids drawn so that they repeat as words do; no file and no network
is needed. Every kind of gate takes its turn with Keras' own GRU of the same backend:
with the masked embedding that texts of many lengths need, and without, as cuDNN is only
used without a mask on some backends. On PyTorch `torch.nn.GRU` takes its turn, too. In
bfloat16 the stock side is under Keras' "mixed_bfloat16" and PyTorch under autocast;
ours takes the products of training in bfloat16, and predicts as in float32.

Training is timed by `train_on_batch`, as what a short `fit` spends before and after its
batches would weigh too much; prediction by `predict`, in batches of as many texts on
the stock side, while ours chooses for itself.

The talk that this repeats trained on 1,000,000 paragraphs of 200 tokens for 2 epochs in
2 hours, on a GTX 980. Each row of training says how long that would take from the time
of the steps that were measured; with --full it is done, at the first size, batch size,
gate and precision named.
"""

import argparse
import itertools
from functools import partial
from time import perf_counter

from _measuring import compare, show, show_header, take_turns, write_json
from _networks import (
    draw_sequences,
    draw_targets,
    fit_our_network,
    our_network,
    stock_network,
)

from skrnn._keras import keras

BACKEND = keras.backend.backend()
GATES = ["hard_sigmoid", "steep_sigmoid", "sigmoid"]
STOCK_DTYPES = {"float32": "float32", "bfloat16": "mixed_bfloat16"}


def gpu_name():
    """Give the name of the GPU that the backend uses, or None."""
    if BACKEND == "torch":
        import torch

        return torch.cuda.get_device_name() if torch.cuda.is_available() else None
    if BACKEND == "jax":
        import jax

        on_cpu = jax.default_backend() == "cpu"
        return None if on_cpu else jax.devices()[0].device_kind
    import tensorflow as tf

    gpus = tf.config.list_physical_devices("GPU")
    if not gpus:
        return None
    details = tf.config.experimental.get_device_details(gpus[0])
    return details.get("device_name", gpus[0].name)


def train_on_batches(model, ids, targets, batch_size):
    for start in range(0, len(ids), batch_size):
        batch = slice(start, start + batch_size)
        model.train_on_batch(ids[batch], targets[batch])


def make_sides(sizes, batch_size, precision, gates, sequences, targets):
    """Give the names of our sides, and the runs of all that train and that predict."""
    ids = sequences.padded()
    case = (ids, targets, batch_size)
    train = {}
    predict = {}
    for gate in gates:
        model = our_network(*sizes, gate=gate, precision=precision)
        name = f"skrnn {gate} ({model.encoder.implementation})"
        train[name] = partial(train_on_batches, model, *case)
        predict[name] = partial(model.predict, sequences)
    ours = list(train)
    for name, masked in (("keras masked", True), ("keras without mask", False)):
        stock = stock_network(*sizes, masked=masked, dtype=STOCK_DTYPES[precision])
        train[name] = partial(train_on_batches, stock, *case)
        predict[name] = partial(stock.predict, ids, batch_size=batch_size, verbose=0)
    if BACKEND == "torch":
        from _torch_network import TorchTrainer

        trainer = TorchTrainer(*sizes, precision=precision)
        train["torch.nn.GRU"] = partial(train_on_batches, trainer, *case)
        predict["torch.nn.GRU"] = partial(trainer.predict, ids, batch_size)
    return ours, {"train": train, "predict": predict}


def measure(sizes, batch_size, precision, arguments):
    """Give the row of each comparison at these sizes."""
    n_texts = arguments.batches * batch_size
    sequences = draw_sequences(n_texts, arguments.steps)
    ours, runs = make_sides(
        sizes, batch_size, precision, arguments.gates, sequences, draw_targets(n_texts)
    )
    n_paragraphs = arguments.paragraphs * arguments.epochs
    for run, sides in runs.items():
        seconds = take_turns(sides, arguments.pairs)
        rivals = [name for name in sides if name not in ours]
        for side, rival in itertools.product(ours, rivals):
            row = {"run": run, **compare(seconds, side, rival)}
            for role in ("side", "rival"):
                rate = n_texts / row[f"{role}_seconds_median"]
                row[f"{role}_texts_a_second_median"] = rate
                if run == "train":
                    row[f"{role}_hours_extrapolated"] = n_paragraphs / rate / 3600
            if run == "train":
                row["n_steps_measured"] = arguments.batches * arguments.pairs
            yield row


def train_in_full(sizes, batch_size, gate, precision, arguments):
    """Train on all paragraphs, and give the row of it."""
    sequences = draw_sequences(arguments.paragraphs, arguments.steps)
    targets = draw_targets(arguments.paragraphs)
    model = our_network(*sizes, gate=gate, precision=precision)
    start = perf_counter()
    fit_our_network(model, sequences, targets, batch_size, arguments.epochs)
    seconds = perf_counter() - start
    return {"run": "train in full", "side": f"skrnn {gate}", "seconds": seconds}


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--sizes", nargs="+", default=["256/512"], help="embedding/hidden sizes"
    )
    parser.add_argument(
        "--batch-sizes", nargs="+", type=int, default=[64, 128, 256, 512, 1024]
    )
    parser.add_argument("--gates", nargs="+", choices=GATES, default=GATES)
    parser.add_argument(
        "--precision",
        nargs="+",
        choices=list(STOCK_DTYPES),
        default=list(STOCK_DTYPES),
        help="of both sides",
    )
    parser.add_argument("--steps", type=int, default=200, help="tokens a text")
    parser.add_argument(
        "--batches", type=int, default=10, help="batches of a timed run"
    )
    parser.add_argument("--pairs", type=int, default=5, help="timed runs of each side")
    parser.add_argument(
        "--paragraphs", type=int, default=1_000_000, help="texts of the talk"
    )
    parser.add_argument("--epochs", type=int, default=2, help="epochs of the talk")
    parser.add_argument(
        "--full", action="store_true", help="train on all paragraphs of the talk, too"
    )
    parser.add_argument("--cpu", action="store_true", help="go on without a GPU")
    parser.add_argument("--json", help="file to write the figures to, as they come")
    arguments = parser.parse_args()

    gpu = gpu_name()
    if gpu is None and not arguments.cpu:
        parser.error(f"{BACKEND} sees no GPU; try it without one with --cpu")
    print(
        f"{BACKEND} on {gpu or 'the CPU'}, texts of {arguments.steps} tokens; hours "
        f"for {arguments.paragraphs} texts and {arguments.epochs} epochs are "
        f"extrapolated from {arguments.batches * arguments.pairs} steps of each side"
    )
    show_header("size/batch precision, run")
    rows = []
    for size, precision, batch_size in itertools.product(
        arguments.sizes, arguments.precision, arguments.batch_sizes
    ):
        case = describe(size, precision, batch_size, arguments)
        for row in measure(parse(size), batch_size, precision, arguments):
            remark = (
                f"{row['side_texts_a_second_median']:.4g}, "
                f"{row['rival_texts_a_second_median']:.4g} texts a second"
            )
            if row["run"] == "train":
                remark += (
                    f"; {row['side_hours_extrapolated']:.3g}, "
                    f"{row['rival_hours_extrapolated']:.3g} hours"
                )
            show(f"{size}/{batch_size} {precision}, {row['run']}", row, remark)
            rows.append(case | row)
        write_json(arguments.json, arguments, rows, gpu=gpu)
    if arguments.full:
        size, precision, batch_size, gate = (
            values[0]
            for values in (
                arguments.sizes,
                arguments.precision,
                arguments.batch_sizes,
                arguments.gates,
            )
        )
        row = train_in_full(parse(size), batch_size, gate, precision, arguments)
        print(
            f"{size}/{batch_size} {precision}, {row['side']}, trained in full: "
            f"{row['seconds'] / 3600:.3g} hours"
        )
        rows.append(describe(size, precision, batch_size, arguments) | row)
        write_json(arguments.json, arguments, rows, gpu=gpu)


def parse(size):
    return tuple(map(int, size.split("/")))


def describe(size, precision, batch_size, arguments):
    embedding_size, hidden_size = parse(size)
    return {
        "embedding_size": embedding_size,
        "hidden_size": hidden_size,
        "batch_size": batch_size,
        "precision": precision,
        "tokens_a_text": arguments.steps,
        "paragraphs_of_the_talk": arguments.paragraphs,
        "epochs_of_the_talk": arguments.epochs,
    }


if __name__ == "__main__":
    main()
