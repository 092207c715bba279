"""Examples run, on few texts, and draw and print what they say."""

import re
import runpy
import sys
from pathlib import Path

import numpy as np
import pytest
from sklearn.utils import Bunch

import skrnn.datasets

EXAMPLES = Path(__file__).parents[1] / "examples"


@pytest.fixture
def draw(monkeypatch, tmp_path, docstrings):
    """Run a script of the gallery; its figure and its variables."""
    pyplot = pytest.importorskip(
        "matplotlib.pyplot", reason="the gallery draws with matplotlib, an extra"
    )
    texts, libraries = docstrings
    targets = np.unique(libraries, return_inverse=True)[1]
    # Film reviews are not at hand there, and of docstrings there are few.
    monkeypatch.setenv("SCIKIT_LEARN_DATA", str(tmp_path))
    bunch = Bunch(data=texts, target=targets, target_names=list(np.unique(libraries)))

    def load_docstrings(*, return_X_y=False):
        return (texts, targets) if return_X_y else bunch

    monkeypatch.setattr(skrnn.datasets, "load_docstrings", load_docstrings)
    monkeypatch.syspath_prepend(EXAMPLES)
    pyplot.switch_backend("Agg")
    monkeypatch.setattr(pyplot, "show", lambda: None)
    # Imported by the scripts, it would hold on to what is patched here.
    monkeypatch.delitem(sys.modules, "_texts", raising=False)
    # Some write a page beside them.
    monkeypatch.chdir(tmp_path)

    def run(name):
        variables = runpy.run_path(str(EXAMPLES / name), run_name="__main__")
        return variables["figure"], variables

    yield run
    pyplot.close("all")


def lines(axes):
    """The numbers of each labelled line that is drawn."""
    return {
        line.get_label(): line.get_ydata()
        for line in axes.lines
        if not line.get_label().startswith("_")
    }


def test_the_demonstration_says_how_it_went(capsys):
    main = runpy.run_path(str(EXAMPLES / "quickstart.py"))["main"]
    main(n_texts=400, epochs=1)
    printed = capsys.readouterr().out
    assert "320 texts to train on, 80 to test on" in printed
    assert re.search(r"RNNTextClassifier +[01]\.\d{3}\n", printed)
    assert "predicts the same: True" in printed


@pytest.mark.parametrize(
    "name",
    [
        "plot_grid_search.py",
        "plot_multilabel.py",
        "plot_quickstart.py",
        "plot_regression.py",
        "plot_sizes.py",
        "plot_text_and_numbers.py",
        "plot_voting.py",
    ],
)
def test_scripts_of_the_gallery_run(name, draw):
    figure, _ = draw(name)
    figure.canvas.draw()


# Its 28 fits take longer, and its means more updates than so few texts give: it runs
# when the site is built.
ELSEWHERE = "plot_optimizers.py"


def test_every_script_of_the_gallery_is_tried():
    tried = Path(__file__).read_text(encoding="utf-8")
    for script in EXAMPLES.glob("plot_*.py"):
        assert script.name in tried


def test_the_ladder_has_six_steps_and_the_last_is_lower_than_the_first(draw):
    figure, variables = draw("plot_ladder.py")
    by_update, by_second = figure.axes
    losses = lines(by_update)
    assert list(losses) == list(variables["ladder"])
    assert len(losses) == len(by_second.lines) == 6
    assert losses["Adam"][-1] < losses["simple recurrent network"][-1]


def test_early_stopping_keeps_the_weights_of_the_lowest_loss_held_out(draw):
    figure, variables = draw("plot_early_stopping.py")
    held_out = variables["going_on"].history_["val_loss"]
    n_run = variables["n_run"]
    # Until it stops, the fit that is stopped is the fit that goes on.
    np.testing.assert_array_equal(
        variables["stopping"].history_["val_loss"], held_out[:n_run]
    )
    assert variables["best"] == np.argmin(held_out[:n_run]) + 1
    assert set(lines(figure.axes[0])) == {"texts it learns from", "held out"}


def test_the_map_of_words_is_drawn_and_written(draw, tmp_path):
    _, variables = draw("plot_embedding_map.py")
    display = variables["display"]
    assert display.target_name == "share of 'Keras'"
    assert display.labels_
    assert (tmp_path / "embedding_map.html").exists()


def test_a_wrong_answer_is_explained(draw):
    _, variables = draw("plot_explain.py")
    assert variables["answer"] != variables["y_test"][variables["chosen"]]
    for explanation in (variables["reading"], variables["weighing"]):
        assert explanation.target == variables["answer"]
        assert explanation.text == variables["text"]


def test_the_endpoint_answers_and_refuses(draw, capsys):
    draw("plot_http_endpoint.py")
    printed = capsys.readouterr().out
    assert "\n200\n" in printed
    assert "wrap it in a list" in printed
    assert printed.count("\n400  ") == 3
