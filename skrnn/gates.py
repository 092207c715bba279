"""The functions of the gates, each beside its derivative."""

from __future__ import annotations

from skrnn._keras import keras

ops = keras.ops

# Added to a gate's input it gives exactly 1 in every gate function, in float32
# and in bfloat16.
OPEN = 1e4


class HardSigmoid:
    """``clip(x + 1/2, 0, 1)``: linear with slope 1, saturated beyond 1/2.

    Keras' own ``hard_sigmoid`` has the slope 1/6; this is the one of Passage,
    four times as steep at 0 as the logistic function.
    """

    def __call__(self, x):
        return ops.clip(x + 0.5, 0.0, 1.0)

    def slope(self, y):
        """The derivative, where the gate's value is `y`."""
        # y (1 - y) is positive inside, at most 1/4, and exactly 0 where saturated.
        return ops.ceil(y - y * y)


class Sigmoid:
    """``sigmoid(steepness * x)``."""

    def __init__(self, steepness: float):
        self.steepness = steepness

    def __call__(self, x):
        return ops.sigmoid(self.steepness * x)

    def slope(self, y):
        """The derivative, where the gate's value is `y`."""
        return self.steepness * y * (1.0 - y)


GATES = {
    "hard_sigmoid": HardSigmoid(),
    # Nearly as steep as the hard one, and smooth.
    "steep_sigmoid": Sigmoid(3.75),
    "sigmoid": Sigmoid(1.0),
}
