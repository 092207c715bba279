"""The parameters both estimators share: what they may be, and what they mean."""

from __future__ import annotations

import inspect
import os
from collections.abc import Mapping
from numbers import Integral, Real

from sklearn.utils._param_validation import (
    Interval,
    InvalidParameterError,
    StrOptions,
)

from skrnn._keras import keras
from skrnn.cells import CELLS
from skrnn.gates import GATES
from skrnn.optimizers import OPTIMIZERS
from skrnn.tokenizer import Tokenizer

_SIZE = [Interval(Integral, 1, None, closed="left")]
_SHARE = [Interval(Real, 0, 1, closed="left")]

TOKENIZER_PARAMETERS = tuple(Tokenizer._parameter_constraints)

ENCODER_PARAMETERS = (
    "embedding_size",
    "hidden_size",
    "cell",
    "n_layers",
    "bidirectional",
    "learn_initial_state",
    "gate_activation",
    "pooling",
    "embedding_dropout",
    "dropout",
    "l2",
)

CONSTRAINTS: dict = {
    **Tokenizer._parameter_constraints,
    "embeddings": [Mapping, str, os.PathLike, None],
    "wide": ["boolean", StrOptions({"auto"})],
    "embedding_size": _SIZE,
    "hidden_size": _SIZE,
    "cell": [StrOptions(set(CELLS))],
    "n_layers": _SIZE,
    "bidirectional": ["boolean"],
    "learn_initial_state": ["boolean"],
    "gate_activation": [StrOptions(set(GATES))],
    "pooling": [StrOptions({"last", "mean", "max", "concat"})],
    "embedding_dropout": _SHARE,
    "dropout": _SHARE,
    "l2": [Interval(Real, 0, None, closed="left")],
    "optimizer": [str, keras.optimizers.Optimizer, type],
    "learning_rate": [
        Interval(Real, 0, None, closed="neither"),
        keras.optimizers.schedules.LearningRateSchedule,
    ],
    "learning_rate_schedule": [StrOptions({"linear", "constant"})],
    "clipnorm": [Interval(Real, 0, None, closed="neither"), None],
    "metrics": [str, list, tuple, callable, keras.metrics.Metric, None],
    "callbacks": [list, tuple, dict, type, keras.callbacks.Callback, None],
    "epochs": [*_SIZE, StrOptions({"auto"})],
    "batch_size": _SIZE,
    "precision": [StrOptions({"auto", "float32", "bfloat16"})],
    "early_stopping": ["boolean"],
    "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
    "n_iter_no_change": _SIZE,
    "warm_start": ["boolean"],
    "random_state": ["random_state"],
    "verbose": ["verbose"],
}

# What a class given for a parameter has to be a subclass of.
_CLASSES = {
    "optimizer": ("keras.optimizers.Optimizer", keras.optimizers.Optimizer),
    "loss": ("keras.losses.Loss", keras.losses.Loss),
    "metrics": ("keras.metrics.Metric", keras.metrics.Metric),
    "callbacks": ("keras.callbacks.Callback", keras.callbacks.Callback),
}


def check_keras_objects(estimator) -> None:
    """Check what scikit-learn's constraints cannot say of Keras' names and classes.

    Parameters
    ----------
    estimator : RNNTextClassifier or RNNTextRegressor
        Whose parameters are checked.

    Raises
    ------
    ValueError
        If a name is not an optimizer's, or a class is not of the right kind.
    """
    name = type(estimator).__name__
    optimizer = estimator.optimizer
    if isinstance(optimizer, str) and optimizer.lower() not in OPTIMIZERS:
        raise InvalidParameterError(
            f"The 'optimizer' parameter of {name} must be an instance or a subclass of "
            f"'keras.optimizers.Optimizer' or one of {sorted(OPTIMIZERS)}. Got "
            f"{optimizer!r} instead."
        )
    for parameter, (kind_name, kind) in _CLASSES.items():
        value = getattr(estimator, parameter)
        if inspect.isclass(value) and not issubclass(value, kind):
            raise InvalidParameterError(
                f"The {parameter!r} parameter of {name} takes subclasses of "
                f"'{kind_name}'. Got {value!r} instead."
            )


TEXT = """\
lowercase : bool, default=True
    Whether to convert texts to lower case first.

strip_accents : {"ascii", "unicode"} or callable, default=None
    Remove accents, as in `~sklearn.feature_extraction.text.CountVectorizer`.

analyzer : {"word", "char"}, default="word"
    Whether tokens are words and signs, or single characters. Scripts that write
    no spaces between words are served by "char".

tokenizer : callable, default=None
    Takes a text and returns its tokens, in place of `token_pattern`. Only used
    with ``analyzer="word"``.

token_pattern : str, default=None
    Regular expression of one token. None stands for a run of letters or digits,
    or a single other sign. Only used with ``analyzer="word"``.

max_features : int, default=20000
    Size of the vocabulary: the most frequent tokens are kept, the others are
    all read as one unknown token. None keeps every token.

min_df : int or float in [0, 1], default=1
    Ignore tokens that occur in fewer texts than this number (int) or this share of
    them (float).

max_df : int or float in [0, 1], default=1.0
    Ignore tokens that occur in more texts than this number (int) or this share of
    them (float).

vocabulary : mapping of str to int, or collection of str, default=None
    The tokens to know; nothing is learned then. See `Tokenizer`.

max_length : int, default=600
    The most tokens the network reads of a text; None reads all of every text.
    The wide part and the vocabulary have all of it.

truncate : {"head", "tail", "middle"}, default="middle"
    The part that is cut from a longer text: "head" keeps the end, "tail" the
    beginning, "middle" keeps both.
"""

NETWORK = """\
embeddings : "cooccurrence", mapping of str to array-like of shape (size,), path \
or None, default="cooccurrence"
    Vectors the embedding starts from, to be trained further. "cooccurrence" finds
    them in the texts: tokens that stand among like tokens start alike [3]_. Or
    pre-trained vectors: a mapping from tokens to vectors, or the path of a text file
    in GloVe's or word2vec's format. These decide the embedding's size; tokens without
    one start at random. None starts all at random.

embedding_size : int, default=128
    Size of a token's vector. Not used with pre-trained `embeddings`.

hidden_size : int, default=256
    Size of the hidden states. On a CPU with TensorFlow, Linux and an x86-64 processor
    a compiled kernel computes GRUs whose size is a multiple of 32; in float32 up to
    256, on AMD processors with AVX-512 any. Other sizes run in TensorFlow's slower
    loop.

cell : {"gru", "lstm", "simple"}, default="gru"
    Kind of recurrent layer. The compiled kernel computes GRUs only.

n_layers : int, default=1
    Number of recurrent layers, each on top of the last.

bidirectional : bool, default=False
    Whether every layer also reads the text from its end.

learn_initial_state : bool, default=False
    Whether the state before the first token is learned; else it is zero.

gate_activation : {"hard_sigmoid", "steep_sigmoid", "sigmoid"}, \
default="hard_sigmoid"
    The function of the gates: ``clip(x + 1/2, 0, 1)``, ``sigmoid(3.75 x)`` or
    ``sigmoid(x)``. The simple cell has no gate.

pooling : {"last", "mean", "max", "concat"}, default="concat"
    How a text's hidden states become its representation: the state after the
    last token read, the mean, the maximum, or all three side by side.

embedding_dropout : float in [0, 1), default=0.5
    Share of the embedding's dimensions dropped while training, the same for all
    tokens of a text.

dropout : float in [0, 1), default=0.2
    Share of the representation's dimensions dropped while training, and of the
    hidden states' between two recurrent layers.

l2 : float, default=0.0
    Factor of the sum of squares of all kernels, added to the loss. Embedding
    and biases are left out.
"""

WIDE = """\
wide : bool or "auto", default="auto"
    Whether a linear model on word n-grams [4]_ stands beside the network, their
    scores added up; see `WidePart`. "auto" has one with the default `loss`, the
    only one it can do. It pays most where texts are few. `partial_fit` trains the
    network alone.
"""

OPTIMIZER = """\
optimizer : str, `keras.optimizers.Optimizer` or class, default="adam"
    A name Keras knows, a class, or an instance, which brings its own learning rate
    and clipping. Other arguments of the first two are routed:
    ``optimizer__beta_1=0.95``.

learning_rate : float or `keras.optimizers.schedules.LearningRateSchedule`, \
default=0.002
    Step size, at its highest. Not used when `optimizer` is an instance: another one
    than usual is then warned of.

learning_rate_schedule : {"linear", "constant"}, default="linear"
    How the step size follows the updates of a `fit`: "linear" lets it rise in the
    first tenth of them, and fall to zero with the last. `partial_fit` keeps it
    constant. Only used where `learning_rate` is a number, `optimizer` a name or a
    class, and there is no ``optimizer__learning_rate``.

clipnorm : float, default=1.0
    Longer gradients, all weights' taken together, are scaled down to this norm
    [2]_; None leaves them as they are. Not used when `optimizer` is an instance.
"""

TRAINING = """\
metrics : str, `keras.metrics.Metric`, class, callable, list or tuple, default=None
    Metrics of Keras to follow while training, by name, as objects, or as classes,
    whose arguments are routed: ``metrics__name="f1"``, or ``metrics__0__name="f1"`` to
    the first of a list. For a classifier they see a column of 0 and 1 for each class,
    one column for two classes, and the sigmoid or softmax of the scores; of several
    labels per text "accuracy" is the share of all that are right, and of several
    classes the binary metrics look at each column by itself. For a regressor they see
    standardized values.

callbacks : `keras.callbacks.Callback`, list, tuple, dict or class, default=None
    Called by Keras while training. A class's arguments are routed:
    ``callbacks__monitor="loss"``.

epochs : int or "auto", default="auto"
    Number of passes over the texts. "auto" aims at 60,000 / (mean number of tokens
    read per text) updates, but at least 250 and at most 750, and takes as many passes
    as that needs, from 3 to 20.

batch_size : int, default=64
    Number of texts per update.

precision : {"auto", "float32", "bfloat16"}, default="auto"
    What the recurrent layers' matrix products are taken in while training, and what
    is stored of a step for its gradient. Weights, states and all other sums stay in
    float32, and so does all of prediction. Where the compiled kernel has no bfloat16
    for the processor it computes in float32.
    "auto" is "bfloat16" where it pays: with TensorFlow on Linux, on a processor with
    AMX, unless that is kept from the process, or one of AMD's with AVX-512
    instructions for bfloat16; there from a `hidden_size` of 128 on if the compiled
    kernel runs the layer, and from 256 on if not. Otherwise it is "float32".
    ``model_.encoder.precision`` tells which it was.

early_stopping : bool, default=False
    Whether to hold out texts, stop when the loss on them no longer falls, and
    restore the weights that gave the lowest. Set `epochs` too, to the most there
    may be: of many texts "auto" takes 3, which leaves little to stop.

validation_fraction : float in (0, 1), default=0.1
    Share of the texts held out, of every class alike where `y` holds single labels:
    for early stopping, or from 200 texts on to weigh the network against the wide
    part. The wide part then learns from all texts. Where a class has a single text or
    the share is too small for all classes, the split disregards classes; with early
    stopping that is an error.

n_iter_no_change : int, default=3
    Number of epochs without a lower loss that early stopping waits.

warm_start : bool, default=False
    Whether `fit` goes on from the last fit's vocabulary, weights and optimizer.
    Parameters of these, `loss` and `metrics` among them, changed in between have no
    effect then. With other texts, labels or `validation_fraction`, or after
    `partial_fit`, nothing is held out to weigh the network: how much it counts stays
    as it was (0.15 to the wide part's 1.2 where there was no wide part). With
    `early_stopping` the texts held out are then such as an earlier fit may have
    learned from.

random_state : int, RandomState instance, default=None
    Fixes the initial weights, the dropout, the shuffling and what is held out.
    An int gives the same model at every fit on a CPU of one kind with the same number
    of threads, bit for bit.

verbose : int, default=0
    0 prints nothing, 1 a progress bar with the time left, 2 one line per
    epoch; with `early_stopping` both say which epoch's weights were gone back to.

**routed : dict
    Parameters routed to Keras objects as scikeras does:
    ``optimizer__<argument>``, ``loss__<argument>``, ``metrics__<argument>``,
    ``callbacks__<argument>`` and ``compile__<argument>``.
"""

ATTRIBUTES = """\
tokenizer_ : Tokenizer
    The fitted tokenizer; ``tokenizer_.vocabulary_`` maps tokens to ids.

model_ : SequenceModel
    The trained `keras.Model`. Its ``encoder`` maps padded ids to
    representations, its ``head`` representations to scores.
    ``encoder.implementation`` tells what runs the recurrent layers: "native" is the
    compiled kernel and "loop" the backend's loop; "cudnn" is cuDNN's kernel on a GPU,
    and "xla" the loop compiled by XLA.

wide_ : WidePart or None
    The linear model beside the network.

blend_ : Blend or None
    Its ``factors_`` are those of the network's and of the wide part's scores.

history_ : dict of str to list
    Loss, metrics and what `callbacks` add after each epoch, over consecutive warm
    starts and calls of `partial_fit`; names with ``"val_"`` are those of the texts held
    out. Values are floats, NaN for epochs in which one was not computed; a metric with
    one value per class has a list for each epoch.

best_epoch_ : int or None
    With early stopping the epoch whose weights were kept, that of the last `fit`
    with the lowest loss on the texts held out, counted from 1; else None.

n_iter_ : int
    Number of epochs run in all; early stopping may have gone back to the weights
    of an earlier one.
"""

REFERENCES = """\
.. [1] Cho et al. (2014). "Learning phrase representations using RNN
   encoder-decoder for statistical machine translation". EMNLP.

.. [2] Pascanu, Mikolov and Bengio (2013). "On the difficulty of training
   recurrent neural networks". ICML.

.. [3] Levy, Goldberg and Dagan (2015). "Improving distributional similarity with
   lessons learned from word embeddings". TACL 3.

.. [4] Wang and Manning (2012). "Baselines and bigrams: simple, good sentiment and
   topic classification". ACL.
"""


def documented(estimator: type) -> type:
    """Fill the places of the shared parts into a class's docstring."""
    if estimator.__doc__ is None:
        # Stripped by ``python -OO``.
        return estimator
    shared = {
        "text": TEXT,
        "network": NETWORK,
        "wide": WIDE,
        "optimizer": OPTIMIZER,
        "training": TRAINING,
        "attributes": ATTRIBUTES,
        "references": REFERENCES,
    }
    documentation = inspect.cleandoc(estimator.__doc__)
    for place, part in shared.items():
        documentation = documentation.replace(f"<{place}>\n", part)
    estimator.__doc__ = documentation
    return estimator
