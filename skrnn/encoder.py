"""The network under the head: embedding, recurrent layers and pooling."""

from __future__ import annotations

from types import MappingProxyType

from skrnn._keras import keras
from skrnn.cells import CELLS
from skrnn.embedding import Embedding
from skrnn.implementation import choose_implementation
from skrnn.loops import side_by_side
from skrnn.sequences import PADDING_ID

ops = keras.ops

# Every layer draws from seeds of its own, this far apart.
_SEED_STRIDE = 16


@keras.saving.register_keras_serializable("skrnn")
class SequenceEncoder(keras.Model):
    """Maps padded ids to the texts' representations.

    Everything under the head: embedding, recurrent layers and pooling. It
    stands on its own, so that it can be trained on something else first.

    Parameters
    ----------
    vocabulary_size : int
        Number of ids, the reserved ones included.

    embedding_size, hidden_size : int
        Widths of the embedding and of each recurrent layer's hidden states.

    cell : {"gru", "lstm", "simple"}
        Kind of recurrent layer.

    n_layers : int
        Number of recurrent layers, each reading the hidden states of the last.

    bidirectional : bool
        Whether every layer also reads the text from its end; the hidden states
        of both directions stand side by side.

    learn_initial_state : bool
        Whether the states before the first token are learned.

    gate_activation : {"hard_sigmoid", "steep_sigmoid", "sigmoid"}
        The function of the gates.

    pooling : {"last", "mean", "max", "concat"}
        How the top layer's hidden states become one representation.

    embedding_dropout : float in [0, 1)
        Share of the embedding's dimensions dropped, the same for all tokens of
        a text.

    dropout : float in [0, 1)
        Share of dimensions dropped between recurrent layers, the same for all
        steps of a text.

    l2 : float
        Factor of the sum of squares of the kernels, added to the loss.

    precision : {"float32", "bfloat16"}
        What the recurrent layers' products are taken in while training.

    seed : int
        Fixes the initial weights and the dropout masks.

    Attributes
    ----------
    implementation : {"loop", "native", "xla", "cudnn"}
        What runs the recurrent layers: a loop, with TensorFlow one for each half of a
        batch; a kernel of our own, compiled for the processor; the loop compiled by
        XLA; or cuDNN's kernel.
    """

    def __init__(
        self,
        *,
        vocabulary_size: int,
        embedding_size: int,
        hidden_size: int,
        cell: str,
        n_layers: int,
        bidirectional: bool,
        learn_initial_state: bool,
        gate_activation: str,
        pooling: str,
        embedding_dropout: float,
        dropout: float,
        l2: float,
        precision: str,
        seed: int,
        name: str = "sequence_encoder",
        **kwargs,
    ):
        # Not Keras' global policy, which another model of the process may have set.
        dtype = keras.config.floatx()
        super().__init__(dtype=dtype, name=name, **kwargs)
        self._config = MappingProxyType(
            {
                "vocabulary_size": vocabulary_size,
                "embedding_size": embedding_size,
                "hidden_size": hidden_size,
                "cell": cell,
                "n_layers": n_layers,
                "bidirectional": bidirectional,
                "learn_initial_state": learn_initial_state,
                "gate_activation": gate_activation,
                "pooling": pooling,
                "embedding_dropout": embedding_dropout,
                "dropout": dropout,
                "l2": l2,
                "precision": precision,
                "seed": seed,
            }
        )
        self.hidden_size = hidden_size
        self.pooling = pooling
        self.precision = precision
        self.implementation = choose_implementation(
            cell=cell,
            hidden_size=hidden_size,
            gate_activation=gate_activation,
            bidirectional=bidirectional,
            learn_initial_state=learn_initial_state,
            precision=precision,
        )
        self.directions = (False, True) if bidirectional else (False,)
        n_poolings = 3 if pooling == "concat" else 1
        self.representation_size = hidden_size * n_poolings * len(self.directions)
        seeds = iter(range(seed, seed + 10**6, _SEED_STRIDE))
        self.embedding = Embedding(
            vocabulary_size,
            embedding_size,
            seed=next(seeds),
            name="embedding",
            dtype=dtype,
        )
        self.embedding_dropout = keras.layers.Dropout(
            embedding_dropout, seed=next(seeds), name="embedding_dropout", dtype=dtype
        )
        self.recurrent_layers = [
            CELLS[cell](
                hidden_size,
                gate_activation=gate_activation,
                learn_initial_state=learn_initial_state,
                reverse=reverse,
                l2=l2,
                precision=precision,
                implementation=self.implementation,
                seed=next(seeds),
                name=f"{cell}_{level}{'_reverse' if reverse else ''}",
                dtype=dtype,
            )
            for level in range(n_layers)
            for reverse in self.directions
        ]
        self.dropouts = [
            keras.layers.Dropout(
                dropout, seed=next(seeds), name=f"dropout_{level}", dtype=dtype
            )
            for level in range(n_layers - 1)
        ]

    @property
    def levels(self) -> list[list]:
        """The recurrent layers, a list a level: one of them for each direction."""
        layers, n = self.recurrent_layers, len(self.directions)
        return [layers[i : i + n] for i in range(0, len(layers), n)]

    def build(self, input_shape):
        self.embedding.build(input_shape)
        size = self.embedding.size
        for layers in self.levels:
            for layer in layers:
                layer.build((*input_shape, size))
            size = self.hidden_size * len(layers)
        self.built = True
        if not self.trainable:
            # What was said when it was made says nothing of the layers inside.
            for layer in self.layers:
                layer.trainable = False

    def call(self, ids, training=False):
        """Representations of shape (batch, representation_size)."""
        # Keras' inputs are floats, unless they are told.
        ids = ops.transpose(ops.cast(ids, "int32"))
        padding = ops.equal(ids, PADDING_ID)
        if self.implementation != "native":
            return self.read(self.embedding(ids), padding, training=training)
        # The kernel looks vectors up as it comes to them: all tokens' at once, and
        # their products with a mask, would be written only to be read.
        table = ops.convert_to_tensor(self.embedding.embeddings)
        masks = self._masks(padding) if training else {}
        return self._read(ids, padding, masks, training, table=table)

    def read(self, x, padding, training=False):
        """Representations of texts whose tokens are given as vectors.

        Parameters
        ----------
        x : tensor of shape (steps, batch, embedding_size)
            The tokens' vectors.

        padding : bool tensor of shape (steps, batch)
            True at steps that hold no token.

        training : bool, default=False
            Whether values are dropped.

        Returns
        -------
        tensor of shape (batch, representation_size)
        """
        masks = self._masks(padding) if training else {}

        def read(x, padding, *drawn):
            drawn = dict(zip(masks, drawn, strict=True))
            return self._read(x, padding, drawn, training)

        if self.implementation != "loop":
            return read(x, padding, *masks.values())
        return side_by_side(read, x, padding, *masks.values())

    def tabulate(self, ids):
        """What steps add of their inputs, for `read_rows` to look up.

        Each is a product of a token's vector, the same wherever the token stands.

        Parameters
        ----------
        ids : int32 tensor of shape (n_ids,)
            Tokens' ids.

        Returns
        -------
        list of lists of tensors, each a row an id
            A list for each direction of the first level, see `RecurrentLayer.tabulate`.
        """
        vectors, padding = self.embedding(ids), ops.equal(ids, PADDING_ID)
        return [layer.tabulate(vectors, padding) for layer in self.levels[0]]

    def read_rows(self, rows, tables):
        """Representations outside of training, which have no gradient.

        Parameters
        ----------
        rows : int32 tensor of shape (batch, steps)
            The place of each token's id among those that were tabulated, of which the
            first is padding's.

        tables : list of lists of tensors
            What `tabulate` gave.

        Returns
        -------
        tensor of shape (batch, representation_size)
        """

        def read(rows):
            padding = ops.equal(rows, PADDING_ID)
            given = [{"inputs": rows, "tables": one} for one in tables]
            for level, layers in enumerate(self.levels):
                pooling = self.pooling if level == len(self.dropouts) else None
                hidden = ops.concatenate(
                    [
                        layer.infer(padding=padding, pooling=pooling, **one)
                        for layer, one in zip(layers, given, strict=True)
                    ],
                    axis=-1,
                )
                given = [{"inputs": hidden}] * len(given)
            return hidden

        return side_by_side(read, ops.transpose(rows))

    def _masks(self, padding):
        """For each level that drops any, a mask a text, the same at all its steps.

        They are drawn for the whole batch: what is drawn must not depend on whether its
        halves are read side by side.
        """
        width = self.hidden_size * len(self.directions)
        sizes = [self.embedding.size, *[width] * len(self.dropouts)]
        batch, dtype = ops.shape(padding)[1], self.compute_dtype
        return {
            level: dropout(ops.ones((1, batch, size), dtype), training=True)
            for level, (dropout, size) in enumerate(
                zip([self.embedding_dropout, *self.dropouts], sizes, strict=True)
            )
            if dropout.rate
        }

    def _read(self, x, padding, masks, training, *, table=None):
        for level, layers in enumerate(self.levels):
            given = {} if level else {"table": table}
            if level in masks and self.implementation == "native":
                given["factors"] = masks[level][0]
            elif level in masks:
                x = x * masks[level]
            pooling = self.pooling if level == len(self.dropouts) else None
            made = [
                layer(x, padding, training=training, pooling=pooling, **given)
                for layer in layers
            ]
            x = ops.concatenate(made, axis=-1) if len(made) > 1 else made[0]
        return x

    def get_config(self):
        return {**self._config, "name": self.name, "trainable": self.trainable}
