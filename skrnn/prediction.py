"""A network's answers to many texts."""

from __future__ import annotations

import numpy as np

from skrnn._keras import keras
from skrnn.batches import apply_by_length, rounded_size
from skrnn.compiled import predictor, row_predictor
from skrnn.encoder import SequenceEncoder
from skrnn.implementation import sizes_an_octave, tokens_a_batch
from skrnn.native.arrays import let_go
from skrnn.native_prediction import NativeNetwork, predicts_natively
from skrnn.processes import refuse_forked_process
from skrnn.sequences import PADDING_ID, Sequences, smallest_dtype

# In a batch of fewer texts looking rows up costs more at each step, as was measured,
# than the products that it saves.
_FEWEST_TEXTS = 16

# For each gate; a table of more takes more memory than it is worth.
_MOST_VALUES_OF_A_TABLE = 2**24

# With fewer tokens an id a table saves little, and costs its memory.
_FEWEST_TOKENS_AN_ID = 2


class Predictor:
    """What a model gives for texts, computed in batches of like length.

    On a CPU the products of the inputs are taken for each id that occurs, and looked
    up wherever it stands: texts have many times more tokens than ids.

    Parameters
    ----------
    model : keras.Model
        A built model that maps padded ids to a tensor of shape (batch, width), with
        `tabulate` and `read_rows` as `SequenceEncoder` has them.

    encoder : SequenceEncoder
        What the model reads texts with, or the model itself.

    head : keras.layers.Dense, optional
        What the model has on its encoder.
    """

    def __init__(
        self,
        model: keras.Model,
        encoder: SequenceEncoder,
        head: keras.layers.Dense | None = None,
    ):
        implementation = encoder.implementation
        self.hidden_size = encoder.hidden_size
        self.sizes_an_octave = sizes_an_octave(implementation)
        self._is_native = not model.run_eagerly and predicts_natively(
            implementation, self.hidden_size
        )
        if self._is_native:
            self._predict = native = NativeNetwork(encoder, head)
            self._with_tables_of = native.with_tables_of
        else:
            self._predict = predictor(model, implementation)
            self._with_tables_of = row_predictor(model, implementation)

    def __call__(self, x: Sequences) -> np.ndarray:
        """Give a row a text.

        Parameters
        ----------
        x : Sequences of n_texts
            At least one text.

        Returns
        -------
        ndarray of shape (n_texts, width)

        Raises
        ------
        TypeError
            If `x` is no `Sequences`.

        RuntimeError
            In a process forked from one that had used TensorFlow, unless the kernel
            answers.
        """
        if not isinstance(x, Sequences):
            raise TypeError(
                "`x` should be Sequences, as `tokenizer_.transform` gives them and "
                f"`cut` cuts them, got {type(x).__name__}. Call the model itself with "
                "padded ids."
            )
        if not self._is_native:
            refuse_forked_process()
        predict = self._predict
        if self._with_tables_of and len(x) >= _FEWEST_TEXTS:
            ids, numbered_anew = _numbered_anew(x)
            if self._are_worth_tables(len(ids), x):
                n_ids = rounded_size(len(ids), self.sizes_an_octave)
                ids = np.pad(ids, (0, n_ids - len(ids)), constant_values=PADDING_ID)
                predict, x = self._with_tables_of(ids), numbered_anew
        try:
            return apply_by_length(
                predict,
                x,
                tokens_a_batch=tokens_a_batch(self.hidden_size),
                sizes_an_octave=self.sizes_an_octave,
            )
        finally:
            # Of few texts it is little, and the next call needs it.
            if self._is_native and len(x) >= _FEWEST_TEXTS:
                let_go()

    def _are_worth_tables(self, n_ids: int, x: Sequences) -> bool:
        most = _MOST_VALUES_OF_A_TABLE // self.hidden_size
        return n_ids <= min(most, x.lengths.sum() // _FEWEST_TOKENS_AN_ID)


def _numbered_anew(x: Sequences) -> tuple[np.ndarray, Sequences]:
    """Padding's id and those that occur, int32; and each token's place among them."""
    ids = x.ids
    occurs = np.zeros(int(ids.max(initial=PADDING_ID)) + 1, bool)
    occurs[PADDING_ID] = True
    occurs[ids] = True
    those = np.flatnonzero(occurs)
    places = (np.cumsum(occurs) - 1).astype(smallest_dtype(len(those)))
    return those.astype(np.int32), Sequences.from_lengths(places[ids], x.lengths)
