"""Small networks with random weights."""

import numpy as np

from skrnn.network import build_network


def random_network(scale, *, n_outputs, **encoder):
    """Build one whose weights have this standard deviation."""
    network = build_network(
        compile_arguments={"optimizer": "sgd", "loss": "mse"},
        head={
            "n_outputs": n_outputs,
            "activation": "linear",
            "dropout": 0.5,
            "l2": 0.0,
            "seed": 0,
        },
        encoder={
            "embedding_size": 5,
            "cell": "gru",
            "n_layers": 1,
            "bidirectional": False,
            "learn_initial_state": False,
            "gate_activation": "hard_sigmoid",
            "pooling": "concat",
            "embedding_dropout": 0.5,
            "dropout": 0.5,
            "l2": 0.0,
            "precision": "float32",
            "seed": 0,
            **encoder,
        },
    )
    draw = np.random.RandomState(0)
    for weight in network.trainable_variables:
        weight.assign(draw.normal(0.0, scale, weight.shape))
    return network
