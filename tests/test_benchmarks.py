"""The benchmarks that need no data run, at sizes that tell nothing of speed."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


@pytest.mark.parametrize(
    ("script", "options"),
    [
        ("training_step.py", "--batch-sizes 4 --batches 2 --matrix 64"),
        ("gpu.py", "--batch-sizes 4 --batches 2 --cpu --full --paragraphs 8"),
    ],
)
def test_benchmark_runs(tmp_path, script, options):
    file = tmp_path / "figures.json"
    common = f"--sizes 4/4 --steps 3 --pairs 1 --json {file}"
    done = subprocess.run(
        [sys.executable, script, *options.split(), *common.split()],
        cwd=BENCHMARKS,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    rows = json.loads(file.read_text(encoding="utf-8"))["rows"]
    assert rows
    assert all(row["ratio_median"] > 0 for row in rows if "ratio_median" in row)
