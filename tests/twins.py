"""The weights of our recurrent layers as Keras' own layers take them."""

import numpy as np

from skrnn._keras import keras
from skrnn.cells import GRU


def keras_weights(layer):
    """Give what `set_weights` of Keras' GRU, LSTM or SimpleRNN takes."""
    kernel, recurrent_kernel, bias = (
        keras.ops.convert_to_numpy(weight)
        for weight in (layer.kernel, layer.recurrent_kernel, layer.bias)
    )
    if type(layer) is GRU:
        recurrent_bias = keras.ops.convert_to_numpy(layer.recurrent_bias)
        of_gates = np.zeros(len(bias) - len(recurrent_bias))
        bias = np.stack([bias, np.r_[of_gates, recurrent_bias]])
    return [kernel, recurrent_kernel, bias]
