"""How the weights are changed, and by how much."""

import pickle

import keras
import numpy as np
import pytest
from corpus import (
    LABELS,
    LEARNS,
    TEXTS,
    TINY,
    assert_same_model,
    classifier,
    weights,
)

from skrnn import RNNTextClassifier


@pytest.mark.parametrize(
    "name",
    "adam Adam ADAM sgd SGD Sgd rmsprop RMSprop RMSProp adamw AdamW adagrad Adagrad "
    "adadelta Adadelta adamax nadam ftrl lion adafactor muon".split(),
)
def test_optimizers_by_name(name):
    fitted = classifier(optimizer=name, epochs=1).fit(TEXTS, LABELS)
    assert type(fitted.model_.optimizer).__name__.lower() == name.lower()
    assert np.isfinite(weights(fitted)).all()


class Plain(keras.optimizers.SGD):
    def __init__(self, learning_rate):
        super().__init__(learning_rate)


@pytest.mark.parametrize(
    ("params", "instance"),
    [
        ({}, keras.optimizers.Adam(0.001, global_clipnorm=1.0)),
        (
            {"optimizer": "sgd", "learning_rate": 0.1, "optimizer__momentum": 0.9},
            keras.optimizers.SGD(0.1, momentum=0.9, global_clipnorm=1.0),
        ),
        (
            {
                "optimizer": keras.optimizers.SGD,
                "learning_rate": 0.1,
                "optimizer__momentum": 0.9,
                "optimizer__nesterov": True,
            },
            keras.optimizers.SGD(0.1, momentum=0.9, nesterov=True, global_clipnorm=1.0),
        ),
        (
            {"optimizer__beta_1": 0.5, "clipnorm": None},
            keras.optimizers.Adam(0.001, beta_1=0.5),
        ),
        (
            {"optimizer": "sgd", "learning_rate": 1.0, "optimizer__clipvalue": 1e-3},
            keras.optimizers.SGD(1.0, clipvalue=1e-3),
        ),
        (
            {"optimizer": Plain, "clipnorm": None},
            keras.optimizers.SGD(0.001),
        ),
    ],
)
def test_parameters_of_the_optimizer(params, instance):
    by_name = classifier(**params).fit(TEXTS, LABELS)
    given = classifier(optimizer=instance).fit(TEXTS, LABELS)
    # Not bit for bit: "adam" takes its step in one pass, and rounds elsewhere.
    np.testing.assert_allclose(weights(by_name), weights(given), rtol=1e-4, atol=1e-6)
    routed = [name for name in params if name.startswith("optimizer__")]
    for name in routed:
        without = {other: value for other, value in params.items() if other != name}
        assert differs(classifier(**without).fit(TEXTS, LABELS), by_name)


def differs(one, other):
    return not np.allclose(weights(one), weights(other), rtol=1e-4, atol=1e-6)


def test_the_norm_of_the_gradient_is_clipped():
    params = {"optimizer": "sgd", "learning_rate": 1.0}
    clipped = classifier(**params, clipnorm=1e-3).fit(TEXTS, LABELS)
    by_keras = keras.optimizers.SGD(1.0, global_clipnorm=1e-3)
    given = classifier(optimizer=by_keras).fit(TEXTS, LABELS)
    assert not differs(given, clipped)
    assert differs(classifier(**params, clipnorm=None).fit(TEXTS, LABELS), clipped)


def test_adam_is_that_of_keras(binary):
    fitted = RNNTextClassifier(**TINY | LEARNS | {"optimizer": keras.optimizers.Adam})
    fitted.fit(TEXTS, LABELS)
    np.testing.assert_allclose(weights(fitted), weights(binary), rtol=1e-3, atol=1e-4)
    with_amsgrad = [
        classifier(optimizer=optimizer, optimizer__amsgrad=True).fit(TEXTS, LABELS)
        for optimizer in ("adam", keras.optimizers.Adam)
    ]
    assert_same_model(*with_amsgrad)


@pytest.mark.parametrize(
    ("vendor", "flags", "precision"),
    [
        ("GenuineIntel", "avx512f avx512_bf16 amx_bf16", "bfloat16"),
        ("GenuineIntel", "avx512f avx512_bf16", "float32"),
        ("AuthenticAMD", "avx512f avx512_bf16", "bfloat16"),
        ("AuthenticAMD", "avx512f", "float32"),
    ],
)
def test_precision_is_what_is_fast_on_the_processor(
    vendor, flags, precision, tmp_path, monkeypatch
):
    told = tmp_path / "cpuinfo"
    told.write_text(f"vendor_id\t: {vendor}\nflags\t\t: fpu {flags} vme\n")
    monkeypatch.setattr("skrnn.implementation._CPUINFO", told)
    monkeypatch.setattr("skrnn.implementation.sees_gpu", lambda: False)
    # What this processor's own kernels tell of AMX.
    monkeypatch.setattr("skrnn.native.gru.KERNELS", ())
    fitted = classifier(hidden_size=256).initialize(TEXTS, LABELS)
    assert fitted.model_.encoder.precision == precision
    fitted = classifier(hidden_size=255).initialize(TEXTS, LABELS)
    assert fitted.model_.encoder.precision == "float32"


def test_precision():
    with pytest.raises(ValueError, match="'precision' parameter"):
        classifier(precision="float16").fit(TEXTS, LABELS)
    # Small networks are the same on every processor.
    auto = classifier(hidden_size=255).initialize(TEXTS, LABELS)
    assert auto.model_.encoder.precision == "float32"
    auto = classifier(hidden_size=256).fit(TEXTS, LABELS)
    used = auto.model_.encoder.precision
    same = classifier(hidden_size=256, precision=used).fit(TEXTS, LABELS)
    assert_same_model(auto, same)
    exact, rounded = (
        classifier(precision=precision, **LEARNS).fit(TEXTS, LABELS)
        for precision in ("float32", "bfloat16")
    )
    assert not np.array_equal(weights(exact), weights(rounded))
    np.testing.assert_array_equal(rounded.predict(TEXTS), LABELS)
    again = pickle.loads(pickle.dumps(rounded))
    assert_same_model(rounded, again)
    assert_same_model(
        rounded.partial_fit(TEXTS, LABELS), again.partial_fit(TEXTS, LABELS)
    )


def test_instance_keeps_its_own_learning_rate_and_clipping():
    params = {"optimizer": keras.optimizers.SGD(0.1)}
    one = classifier(**params, learning_rate=5.0, clipnorm=1e-6).fit(TEXTS, LABELS)
    assert_same_model(one, classifier(**params).fit(TEXTS, LABELS))


@keras.saving.register_keras_serializable("tests")
class Halving(keras.optimizers.schedules.LearningRateSchedule):
    def __call__(self, step):
        return 0.1 * 0.5 ** keras.ops.cast(step, "float32")

    def get_config(self):
        return {}


def test_learning_rate_schedule():
    schedule = keras.optimizers.schedules.ExponentialDecay(0.1, 1, 0.5)
    fitted = classifier(learning_rate=schedule).fit(TEXTS, LABELS)
    np.testing.assert_allclose(fitted.model_.optimizer.learning_rate, 0.1 * 0.5**2)
    own = classifier(learning_rate=Halving()).fit(TEXTS, LABELS)
    np.testing.assert_allclose(weights(own), weights(fitted), atol=1e-6)


def test_own_schedule_in_an_optimizer_instance():
    by_name = classifier(optimizer="sgd", learning_rate=Halving(), clipnorm=None).fit(
        TEXTS, LABELS
    )
    instance = classifier(optimizer=keras.optimizers.SGD(Halving()))
    assert_same_model(by_name, instance.fit(TEXTS, LABELS))


@pytest.mark.parametrize("clipnorm", [1e-3, 1e-2])
def test_clipnorm_limits_the_step(clipnorm):
    params = {"optimizer": "sgd", "learning_rate": 1.0, "epochs": 1}
    steps = {}
    for limit in (None, clipnorm):
        fitted = classifier(**params, clipnorm=limit).initialize(TEXTS, LABELS)
        before = weights(fitted)
        fitted.partial_fit(TEXTS, LABELS)
        steps[limit] = weights(fitted) - before
    # Seeds of the dropout are among the variables, but not trained.
    assert np.linalg.norm(steps[None]) > 2 * clipnorm
    np.testing.assert_allclose(np.linalg.norm(steps[clipnorm]), clipnorm, rtol=1e-3)
    shrunk = steps[None] * clipnorm / np.linalg.norm(steps[None])
    np.testing.assert_allclose(steps[clipnorm], shrunk, atol=clipnorm * 1e-3)


def test_l2_keeps_kernels_small_and_counts_in_the_loss():
    plain = classifier(**LEARNS).fit(TEXTS, LABELS)
    shrunk = classifier(**LEARNS, l2=0.1).fit(TEXTS, LABELS)
    assert shrunk.history_["loss"][0] > plain.history_["loss"][0] + 0.1

    def size(fitted):
        layer = fitted.model_.encoder.recurrent_layers[0]
        kernels = (layer.kernel, layer.recurrent_kernel, fitted.model_.head.kernel)
        return sum((np.asarray(kernel) ** 2).sum() for kernel in kernels)

    assert size(shrunk) < size(plain) / 2


def test_l2_adds_the_squares_of_all_kernels_to_the_loss():
    params = {"n_layers": 2, "bidirectional": True, "epochs": 1, "batch_size": 16}
    # So small a step changes nothing before the loss is told.
    still = {"learning_rate": 1e-12, "dropout": 0.0, "embedding_dropout": 0.0}
    plain, weighed = (
        classifier(**params, **still, l2=l2).fit(TEXTS, LABELS) for l2 in (0.0, 0.3)
    )
    kernels = [
        weight
        for weight in weighed.model_.trainable_variables
        if "kernel" in weight.path
    ]
    # Of four recurrent layers, and the head's.
    assert len(kernels) == 9
    squares = sum(np.square(weight).sum() for weight in kernels)
    np.testing.assert_allclose(
        weighed.history_["loss"][0] - plain.history_["loss"][0], 0.3 * squares, 1e-4
    )


@pytest.mark.parametrize(
    ("truncate", "max_length", "read"),
    [
        ("head", 3, "fine a film"),
        ("tail", 2, "so dull"),
        ("middle", 3, "so dull film"),
        ("middle", 4, "so dull a film"),
    ],
)
def test_the_network_reads_what_is_left_of_a_text(truncate, max_length, read):
    fitted = classifier(max_length=max_length, truncate=truncate).fit(TEXTS, LABELS)
    whole, part, other = (
        fitted.transform([text]) for text in ("so dull and fine a film", read, "fine")
    )
    np.testing.assert_array_equal(whole, part)
    assert not np.array_equal(whole, other)
    sequences = fitted.tokenizer_.transform(["so dull and fine a film"])
    represented = fitted.model_.represent(sequences.cut(max_length, truncate))
    np.testing.assert_array_equal(represented, whole)


@pytest.mark.parametrize(
    ("truncate", "kept"),
    [
        ("head", "so so so so {}"),
        ("tail", "fine fine fine fine fine"),
        ("middle", "fine fine fine so {}"),
    ],
)
def test_a_fit_learns_from_what_is_left_of_a_text(truncate, kept):
    words = ["fine", "dull"] * 8
    params = {"vocabulary": ["so", "fine", "dull"]}
    long = ["fine " * 7 + "so " * 30 + word for word in words]
    cut = classifier(**params, max_length=5, truncate=truncate).fit(long, LABELS)
    short = classifier(**params).fit([kept.format(word) for word in words], LABELS)
    np.testing.assert_array_equal(weights(cut), weights(short))
