"""The optimizers that are known by name."""

from __future__ import annotations

import inspect

from skrnn._keras import ON_TENSORFLOW, keras
from skrnn.backend import apply_adam
from skrnn.deferred import DeferredMoves
from skrnn.native import adam

if ON_TENSORFLOW:
    import tensorflow as tf


@keras.saving.register_keras_serializable("skrnn")
class Adam(keras.optimizers.Adam):
    """Keras' Adam, its update at most one pass over the weights on TensorFlow.

    The formula is the same; results differ from Keras' by rounding only.

    Adam moves every row of an embedding at every step, whether its token was there
    or not: Keras takes about ten passes over the table, here it is one, and
    `defer_moves` leaves that out, too.
    """

    _deferred = None

    def defer_moves(self, table: keras.Variable) -> DeferredMoves | None:
        """Move the rows of a table when they are read.

        Parameters
        ----------
        table : keras.Variable of shape (n_ids, width)
            One of the variables the optimizer was built with.

        Returns
        -------
        DeferredMoves or None
            What looks the table's rows up and moves them, the same at each call. None
            where that is not possible: where nothing was compiled for this processor,
            or more is asked of the optimizer than Adam's rule and clipping.
        """
        asked = (
            self.amsgrad,
            self.use_ema,
            self.weight_decay,
            self.gradient_accumulation_steps,
            self.loss_scale_factor,
        )
        if adam.LIBRARY is None or any(asked) or table.dtype != "float32":
            return None
        rule = {"betas": (self.beta_1, self.beta_2), "epsilon": self.epsilon}
        kept = self._deferred
        if kept is None or kept.table is not table or kept.rule != rule:
            index = self._get_variable_index(table)
            averages = self._momentums[index], self._velocities[index]
            self._deferred = DeferredMoves(table, *averages, **rule)
        return self._deferred

    def _clip_gradients(self, gradients):
        if self._deferred is None:
            return super()._clip_gradients(gradients)
        # Keras would make gradients of rows those of the whole table. Each row is there
        # once.
        values = [one.values if _is_of_rows(one) else one for one in gradients]
        clipped = super()._clip_gradients(values)
        return [
            tf.IndexedSlices(new, one.indices, one.dense_shape)
            if _is_of_rows(one)
            else new
            for one, new in zip(gradients, clipped, strict=True)
        ]

    def update_step(self, gradient, variable, learning_rate):
        """Move one variable; see `keras.optimizers.Optimizer.update_step`."""
        if not ON_TENSORFLOW or self.amsgrad:
            super().update_step(gradient, variable, learning_rate)
            return
        this = {"step": self.iterations + 1, "learning_rate": learning_rate}
        if _is_of_rows(gradient):
            if self._deferred is not None and self._deferred.table.value is variable:
                self._deferred.update(gradient, **this)
                return
            # Another layer's, whose rows may be there more than once.
            gradient = tf.convert_to_tensor(gradient)
        index = self._get_variable_index(variable)
        apply_adam(
            variable,
            self._momentums[index].value,
            self._velocities[index].value,
            gradient,
            **this,
            betas=(self.beta_1, self.beta_2),
            epsilon=self.epsilon,
        )


def _is_of_rows(gradient) -> bool:
    return isinstance(gradient, tf.IndexedSlices)


# Keras' own look-up knows most of these names, and some that are no optimizers. On
# PyTorch its Adam takes all weights at once, which none that derives from it does.
OPTIMIZERS = {
    name.lower(): kind
    for name, kind in vars(keras.optimizers).items()
    if inspect.isclass(kind)
    and issubclass(kind, keras.optimizers.Optimizer)
    and kind is not keras.optimizers.Optimizer
    and "learning_rate" in inspect.signature(kind).parameters
}
if ON_TENSORFLOW:
    OPTIMIZERS["adam"] = Adam
