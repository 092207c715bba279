"""Benchmarks that need no data run, at sizes that tell nothing of speed."""

import json
import platform
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from test_datasets import write_archive

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


def run(script, *options):
    done = subprocess.run(
        [sys.executable, script, *options],
        cwd=BENCHMARKS,
        capture_output=True,
        text=True,
        timeout=1800,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(
    ("script", "options"),
    [
        (
            "training_step.py",
            "--sizes 4/4 --steps 3 --pairs 1 --batch-sizes 4 --batches 2 --matrix 64",
        ),
        (
            "gpu.py",
            "--sizes 4/4 --steps 3 --pairs 1 --batch-sizes 4 --batches 2 --cpu --full "
            "--paragraphs 8",
        ),
        (
            "latency.py",
            "--size 4/4 --n-texts 300 --calls 3 --bursts 1 --burst-texts 2",
        ),
        ("wide.py", "--n-texts 300 --pairs 1"),
    ],
)
def test_benchmark_runs(tmp_path, script, options):
    file = tmp_path / "figures.json"
    run(script, *options.split(), "--json", str(file))
    rows = json.loads(file.read_text(encoding="utf-8"))["rows"]
    ratios = [row for row in rows if row.get("ratio_of") == "rival's seconds to side's"]
    assert ratios
    for row in ratios:
        assert row["ratio_lowest"] <= row["ratio_median"] <= row["ratio_highest"]
        if row["n_pairs"] == 1:
            of_medians = row["rival_seconds_median"] / row["side_seconds_median"]
            assert row["ratio_median"] == pytest.approx(of_medians)


@pytest.fixture(scope="module")
def reviews(tmp_path_factory, docstrings):
    """A folder with a small archive in the layout of the film reviews'."""
    texts, _ = docstrings
    urls = [f"http://www.imdb.com/title/tt{i:07}/usercomments\n" for i in range(160)]
    files = {}
    for part, label, some in [
        ("train", "neg", texts[:20]),
        ("train", "pos", texts[20:40]),
        ("train", "unsup", texts[40:200]),
        ("test", "neg", texts[200:220]),
        ("test", "pos", texts[220:240]),
    ]:
        stars = {"neg": 2, "pos": 9, "unsup": 0}[label]
        files |= {
            f"{part}/{label}/{i}_{stars}.txt": text for i, text in enumerate(some)
        }
        files[f"{part}/urls_{label}.txt"] = "".join(urls[: len(some)])
    return write_archive(tmp_path_factory.mktemp("reviews"), files).parent


where_memory_is_measured = pytest.mark.skipif(
    sys.platform != "linux", reason="memory is measured by what Linux tells of it"
)


@pytest.mark.parametrize(
    ("script", "options"),
    [
        pytest.param(
            "imdb.py",
            "--sizes 4/4 --pairs 1 --memory-pairs 1",
            marks=where_memory_is_measured,
        ),
        pytest.param(
            "scaling.py",
            "--n-texts 300 600 --size 4/4 --pairs 1",
            marks=where_memory_is_measured,
        ),
        ("tokenizing.py", "--rounds 1"),
        ("precision.py", "--size 4/4 --epochs 1 --seeds 0"),
    ],
)
def test_benchmark_of_film_reviews_runs(tmp_path, reviews, script, options):
    file = tmp_path / "new folder" / "figures.json"
    run(script, *options.split(), "--data-home", str(reviews), "--json", str(file))
    written = json.loads(file.read_text(encoding="utf-8"))
    assert written["rows"]
    assert written["machine"]["keras"]
    for row in written["rows"]:
        assert np.isfinite(
            [one for one in row.values() if isinstance(one, float)]
        ).all()


@pytest.mark.skipif(
    sys.platform != "linux" or platform.machine() != "x86_64",
    reason="AMX is asked for on Linux alone, and there on x86-64",
)
def test_a_command_runs_without_amx():
    of_command = "from skrnn.native.gru import KERNELS; print(KERNELS)"
    kernels = run("without_amx.py", sys.executable, "-c", of_command)
    here = run("-c", of_command)
    assert kernels == here.replace(", 'amx'", "")


def test_accuracy_goes_on_where_it_stopped(tmp_path, every_docstring):
    texts, libraries = every_docstring.data, every_docstring.target
    lines = [
        f"{library}\t{' '.join(text.split())[:100]}"
        for text, library in zip(texts[:90], libraries[:90], strict=True)
    ]
    (tmp_path / "trec_train.tsv").write_text("\n".join(lines[:60]), encoding="utf-8")
    (tmp_path / "trec_test.tsv").write_text("\n".join(lines[60:]), encoding="utf-8")
    out = tmp_path / "accuracy.jsonl"

    def fit(*seeds):
        models = ["--models", "TF-IDF", "RNNTextClassifier()"]
        of_trec = ["--data-home", str(tmp_path), "--corpora", "trec", "--out", str(out)]
        printed = run("accuracy.py", *of_trec, *models, "--seeds", *map(str, seeds))
        rows = map(json.loads, out.read_text(encoding="utf-8").splitlines())
        return printed, list(rows)

    _, first = fit(1)
    assert [row["model"] for row in first] == [
        "TF-IDF + logistic regression, tuned",
        "RNNTextClassifier()",
    ]
    with out.open("a", encoding="utf-8") as lines:
        lines.write('{"corpus": "tr')  # as of a run that was killed
    printed, rows = fit(2, 1)
    assert rows[:2] == first
    # The linear model has learned from all texts: another seed would be no other fit.
    assert [(row["model"], row["seed"]) for row in rows[2:]] == [
        ("RNNTextClassifier()", 2),
        ("soft vote of RNNTextClassifier() of all seeds", 1),
    ]
    assert rows[-1]["seeds"] == [2, 1]
    assert "| RNNTextClassifier() | 2 | " in printed


def test_techniques_are_held_against_the_defaults(tmp_path, reviews):
    out = tmp_path / "techniques.jsonl"

    def fit(*seeds):
        options = "--corpora imdb --sizes 20 --changes".split() + [
            "a hidden size of 128"
        ]
        parts = ["--parts", "network alone", "--seeds", *seeds]
        files = ["--data-home", str(reviews), "--out", str(out)]
        printed = run("techniques.py", *options, *parts, *files)
        rows = map(json.loads, out.read_text(encoding="utf-8").splitlines())
        return printed, list(rows)

    _, first = fit("0")
    changes = ["the defaults", "a hidden size of 128"]
    assert [row["change"] for row in first] == changes
    printed, rows = fit("0", "1")
    assert rows[:2] == first
    assert [(row["seed"], row["change"]) for row in rows[2:]] == [
        (1, change) for change in changes
    ]
    losses = np.array([row["log_loss"] for row in rows]).reshape(2, 2)
    (line,) = [line for line in printed.splitlines() if f"| {changes[1]} |" in line]
    assert line.split(" | ")[-1].startswith(f"{np.diff(losses).mean():+.3f} ± ")


def test_rivals_choose_in_folds_of_other_films(tmp_path, reviews):
    out = tmp_path / "accuracy.jsonl"
    few = ["--sizes", "20", "--seeds", "0", "--models", "TF-IDF"]
    where = ["--data-home", str(reviews), "--out", str(out)]
    run("accuracy.py", "--corpora", "imdb", "stars", *few, *where)
    rows = list(map(json.loads, out.read_text(encoding="utf-8").splitlines()))
    assert [row["corpus"] for row in rows] == ["imdb", "stars"]
    told = run(
        "-c",
        "import json, accuracy, numpy as np; "
        "films = np.arange(60) % 12; y = np.arange(60) % 5 > 1; "
        "splitters = accuracy.StratifiedGroupKFold, accuracy.GroupKFold; "
        "folds = [accuracy.folds_by_film(one, y, films) for one in splitters]; "
        "print(json.dumps([[bool(set(films[part]) & set(films[other])) "
        "for part, other in three] for three in folds]))",
    )
    assert json.loads(told) == [[False] * 3] * 2
