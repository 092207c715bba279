"""Silence where it is promised, and a progress bar where it is asked for."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import skrnn

PARAMS = """
texts = ["a fine film", "so dull", "fine, fine!", "dull"] * 4
params = dict(embedding_size=8, hidden_size=8, batch_size=4, epochs=2, random_state=0)
from skrnn import RNNTextClassifier, RNNTextRegressor
"""
ONE_FIT = f"{PARAMS}\nfitted = RNNTextClassifier(**params).fit(texts, [0, 1] * 8)\n"
# So many that TensorFlow would warn of tracing.
SHORT_FITS = (
    PARAMS
    + """
for n in (16, 7, 3):
    fitted = RNNTextClassifier(**params).fit(texts[:n], [0, 1, 1] + [0] * (n - 3))
    fitted.predict(texts)
    fitted.predict(texts[:1])
    RNNTextRegressor(**params, cell="lstm").fit(texts[:n], range(n)).predict(texts)
fitted.partial_fit(texts, [0, 1] * 8)
RNNTextClassifier(**params, early_stopping=True).fit(texts, [0, 1] * 8)
"""
)


def run(program, *arguments, **environment):
    inherited = {
        name: value
        for name, value in os.environ.items()
        # The parent's own import of the package has set it.
        if name != "TF_CPP_MIN_LOG_LEVEL"
    }
    return subprocess.run(
        [sys.executable, *arguments, "-c", program],
        env={**inherited, **environment},
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize(
    "program", ["import skrnn", SHORT_FITS], ids=["package", "fits"]
)
def test_nothing_is_printed(program):
    done = run(program)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_the_log_is_read_by_whoever_asks_for_it():
    program = "import os, skrnn.network; print(os.environ['TF_CPP_MIN_LOG_LEVEL'])"
    done = run(program, TF_CPP_MIN_LOG_LEVEL="0")
    assert (done.returncode, done.stdout) == (0, "0\n")
    assert done.stderr


def test_nothing_is_printed_by_unpickling(tmp_path):
    path = str(tmp_path / "fitted.pickle")
    dump = f"import pickle; pickle.dump(fitted, open({path!r}, 'wb'))"
    assert run(ONE_FIT + dump).returncode == 0
    done = run(
        f"import pickle; fitted = pickle.load(open({path!r}, 'rb'));"
        "fitted.predict(['a fine film'])",
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_progress_bar_and_line_an_epoch():
    bar = ONE_FIT.replace("**params", "**params, verbose=1")
    line = "fitted.set_params(verbose=2).fit(texts, [0, 1] * 8)"
    done = run(f"{bar}print('then')\n{line}")
    assert (done.returncode, done.stderr) == (0, "")
    printed, lines = re.sub(r"\x1b\[\d+m", "", done.stdout).split("then")
    for epoch in (1, 2):
        assert f"Epoch {epoch}/2" in printed
    # The time left within an epoch, the time taken at its end.
    # Seconds, or minutes and seconds.
    times = r"(\d+s|[\d:]+) \d+[mu]?s/step"
    assert re.search(rf"1/4 ━+ {times} - loss: \d", printed)
    assert re.search(rf"4/4 ━+ {times} - loss: \d", printed)
    assert "Epoch 2/2" in lines
    assert "\b" not in lines


def test_early_stopping_says_where_it_went_back_to():
    stops = ONE_FIT.replace(
        "**params",
        "**params | dict(verbose=1, epochs=9, learning_rate=3.0, early_stopping=True, "
        "n_iter_no_change=1, validation_fraction=0.3)",
    )
    done = run(f"{stops}print(f'best: {{fitted.best_epoch_}}.')")
    assert (done.returncode, done.stderr) == (0, "")
    said = re.search(r"Restoring model weights .* best epoch: (\d+\.)", done.stdout)
    assert f"best: {said[1]}" in done.stdout


def test_importing_the_package_imports_no_backend():
    done = run(
        "import skrnn, sys; skrnn.__version__; dir(skrnn);"
        "print({'keras', 'tensorflow', 'scikeras', 'sklearn'} & set(sys.modules))"
    )
    assert done.stdout.strip() == "set()"


def test_importing_the_package_raises_no_warning():
    done = run("import skrnn", "-W", "error")
    assert (done.returncode, done.stderr) == (0, "")


def test_importing_its_rooms_raises_no_warning_and_prints_nothing():
    # TensorFlow's own warnings, where it has some, are not ours to mend.
    rooms = sorted(path.stem for path in Path(skrnn.__file__).parent.glob("*.py"))
    rooms = [f"skrnn.{room}" for room in [*rooms, "inspection", "native"]]
    done = run(
        "import importlib, warnings\n"
        "warnings.filterwarnings('error', module='skrnn')\n"
        f"for room in {rooms}: importlib.import_module(room)"
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_docstrings_may_be_stripped():
    if run("import keras", "-OO").returncode:
        pytest.skip(
            "Keras' backend cannot be imported without docstrings, as TensorFlow 2.18"
        )
    done = run(ONE_FIT + "assert False; print(len(fitted.predict(texts)))", "-OO")
    assert (done.returncode, done.stdout, done.stderr) == (0, "16\n", "")


def test_names_of_the_package():
    assert set(skrnn.__all__) <= set(dir(skrnn))
    assert all(hasattr(skrnn, name) for name in skrnn.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        skrnn.nonsense  # noqa: B018


def test_datasets_are_reached_from_the_package():
    program = "import skrnn; print(skrnn.datasets.load_docstrings.__name__)"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout == "load_docstrings\n"
