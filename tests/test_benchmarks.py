"""Benchmarks that need no data run, at sizes that tell nothing of speed."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


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
    ],
)
def test_benchmark_runs(tmp_path, script, options):
    file = tmp_path / "figures.json"
    done = subprocess.run(
        [sys.executable, script, *options.split(), "--json", str(file)],
        cwd=BENCHMARKS,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    rows = json.loads(file.read_text(encoding="utf-8"))["rows"]
    ratios = [row for row in rows if row.get("ratio_of") == "rival's seconds to side's"]
    assert ratios
    for row in ratios:
        assert row["ratio_lowest"] <= row["ratio_median"] <= row["ratio_highest"]
        if row["n_pairs"] == 1:
            of_medians = row["rival_seconds_median"] / row["side_seconds_median"]
            assert row["ratio_median"] == pytest.approx(of_medians)
