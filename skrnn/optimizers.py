"""The optimizers that are known by name."""

from __future__ import annotations

import inspect
from numbers import Real

from skrnn._keras import ON_TENSORFLOW, keras

if ON_TENSORFLOW:
    import tensorflow as tf


@keras.saving.register_keras_serializable("skrnn")
class Adam(keras.optimizers.Adam):
    """Keras' Adam, its update at most one pass over the weights on TensorFlow.

    The formula is the same; results differ from Keras' by rounding only.

    Adam moves every row of an embedding at every step, whether its token was there
    or not: Keras takes about ten passes over the table, here it is one, and
    `skrnn.native_updates` leaves that out, too.
    """

    @property
    def is_plain(self) -> bool:
        """Whether nothing is asked but Adam's rule, and a norm to clip all to."""
        asked = (
            self.amsgrad,
            self.use_ema,
            self.weight_decay,
            self.gradient_accumulation_steps,
            self.loss_scale_factor,
            self.clipnorm,
            self.clipvalue,
        )
        # Rates out of Adam's range are left to Keras, to refuse or not.
        is_rule = isinstance(self.epsilon, Real) and all(
            isinstance(beta, Real) and 0 <= beta < 1
            for beta in (self.beta_1, self.beta_2)
        )
        return is_rule and not any(asked)

    @property
    def given_learning_rate(self):
        """The step size, a variable, or the schedule that gives it."""
        return self._learning_rate

    def averages(self, variable: keras.Variable) -> tuple[keras.Variable, ...]:
        """What is averaged of a variable: its gradient, and the square of that."""
        index = self._get_variable_index(variable)
        return self._momentums[index], self._velocities[index]

    def update_step(self, gradient, variable, learning_rate):
        """Move one variable; see `keras.optimizers.Optimizer.update_step`."""
        if not ON_TENSORFLOW or self.amsgrad:
            super().update_step(gradient, variable, learning_rate)
            return
        momentum, velocity = self.averages(variable)
        _apply_adam(
            variable,
            momentum.value,
            velocity.value,
            gradient,
            step=self.iterations + 1,
            learning_rate=learning_rate,
            betas=(self.beta_1, self.beta_2),
            epsilon=self.epsilon,
        )


def _apply_adam(
    variable, momentum, velocity, gradient, *, step, learning_rate, betas, epsilon
) -> None:
    """Take a step of Adam in one pass over a variable, on TensorFlow.

    Parameters
    ----------
    variable, momentum, velocity : tf.Variable
        Are updated.

    gradient : tensor of the variable's shape
        Its gradient.

    step : int tensor
        The number of this step, from 1.

    learning_rate, epsilon : float or tensor
        The step size, and what is added to the root of the velocity.

    betas : tuple of two floats
        The rates that momentum and velocity decay by.
    """
    step = tf.cast(step, variable.dtype)
    tf.raw_ops.ResourceApplyAdam(
        var=variable.handle,
        m=momentum.handle,
        v=velocity.handle,
        beta1_power=tf.pow(tf.cast(betas[0], variable.dtype), step),
        beta2_power=tf.pow(tf.cast(betas[1], variable.dtype), step),
        lr=tf.cast(learning_rate, variable.dtype),
        beta1=betas[0],
        beta2=betas[1],
        epsilon=epsilon,
        grad=gradient,
    )


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
