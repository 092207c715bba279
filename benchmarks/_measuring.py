"""What the benchmarks share: turns, ratios, fresh processes, memory, the machine."""

import contextlib
import importlib
import json
import os
import platform
import re
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from importlib.metadata import PackageNotFoundError, version
from multiprocessing import get_context
from pathlib import Path
from time import perf_counter

import numpy as np


def take_turns(sides, n_rounds, n_warm_up=1):
    """Time each side once a round, so that a drifting machine drifts for all.

    `sides` maps names to callables of no argument. Gives the seconds of each side's
    calls, one a round; `n_warm_up` rounds come first and are not timed.
    """
    seconds = {name: [] for name in sides}
    for i in range(n_warm_up + n_rounds):
        for name, run in sides.items():
            start = perf_counter()
            run()
            if i >= n_warm_up:
                seconds[name].append(perf_counter() - start)
    return seconds


def ratio(numerators, denominators):
    """Describe the ratios of pairs: median, lowest and highest."""
    ratios = np.divide(numerators, denominators)
    return {
        "ratio_median": float(np.median(ratios)),
        "ratio_lowest": float(ratios.min()),
        "ratio_highest": float(ratios.max()),
    }


def compare(seconds, side, rival):
    """Describe what `take_turns` gave for two sides, as one row of results.

    The ratios say how many times as fast as its rival the side is.
    """
    return {
        "side": side,
        "rival": rival,
        "n_pairs": len(seconds[side]),
        "side_seconds_median": float(np.median(seconds[side])),
        "rival_seconds_median": float(np.median(seconds[rival])),
        "ratio_of": "rival's seconds to side's",
        **ratio(seconds[rival], seconds[side]),
    }


def compare_memory(peaks, side, rival):
    """Describe the highest memory of two sides' fresh processes, as one row of results.

    `peaks` maps names to lists of bytes. The ratios say what share of its rival's
    memory the side takes.
    """
    return {
        "side": side,
        "rival": rival,
        "side_peak_mib_median": float(np.median(peaks[side])) / 2**20,
        "rival_peak_mib_median": float(np.median(peaks[rival])) / 2**20,
        "n_pairs": len(peaks[side]),
        "ratio_of": "side's memory to rival's",
        **ratio(peaks[side], peaks[rival]),
    }


def show_memory(label, row):
    """Print a row that `compare_memory` made."""
    side, rival = row["side"], row["rival"]
    print(
        f"{label}: {row['side_peak_mib_median']:.0f} MiB with {side}, "
        f"{row['rival_peak_mib_median']:.0f} MiB with {rival}, "
        f"{side} / {rival} {show_ratio(row)}",
        flush=True,
    )


def show_header(title):
    print(
        f"{title:32}{'side':28}{'rival':28}{'side [s]':>10}{'rival [s]':>10}"
        f"{'rival / side (lowest-highest)':>31}"
    )


def show(label, row, remark=""):
    """Print a row that `compare` made."""
    print(
        f"{label:32}{row['side']:28}{row['rival']:28}"
        f"{row['side_seconds_median']:10.4g}{row['rival_seconds_median']:10.4g}"
        f"{show_ratio(row):>31}  {remark}",
        flush=True,
    )


def show_ratio(row):
    """Write what `ratio` gives, as in "1.52 (1.40-1.61)"."""
    return (
        f"{row['ratio_median']:.2f} "
        f"({row['ratio_lowest']:.2f}-{row['ratio_highest']:.2f})"
    )


def in_fresh_process(function, *arguments):
    """Call a function of a module in a process that has done nothing else yet."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
        return process.submit(function, *arguments).result()


def can_measure_memory():
    """Whether `peak_memory` can: Linux has what it reads."""
    return Path("/proc/self/clear_refs").exists()


def peak_memory(run):
    """Measure how far a call raises this process' memory at its highest, in bytes.

    On Linux only. `resource.getrusage` would not do: the highest memory that it gives
    for a child process begins at that of its parent.
    """
    # Sets the highest resident memory to that of now.
    Path("/proc/self/clear_refs").write_text("5")
    before = _status_bytes("VmRSS")
    run()
    return _status_bytes("VmHWM") - before


def _status_bytes(name):
    status = Path("/proc/self/status").read_text()
    return int(re.search(rf"^{name}:\s*(\d+) kB$", status, re.MULTILINE)[1]) * 1024


def machine():
    """Describe what the figures were measured on."""
    # Seconds to import, which a script that asks for help need not wait for.
    import sklearn

    import skrnn
    from skrnn._keras import keras
    from skrnn.native.gru import KERNELS

    backend = keras.backend.backend()
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "memory_gib": _memory_gib(),
        "os": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "keras": keras.__version__,
        "backend": backend,
        "backend_version": importlib.import_module(backend).__version__,
        "scikit_learn": sklearn.__version__,
        "numpy": np.__version__,
        "skrnn": skrnn.__version__,
        "commit": _commit(Path(skrnn.__file__).parent),
        **_versions("scipy", "tensorflow", "jax", "torch", "skorch", "fasttext"),
        "kernels": KERNELS,
    }


def _commit(folder):
    """The state of the code that was measured, with a sign where it was changed."""
    with contextlib.suppress(OSError):
        told = subprocess.run(
            ["git", "describe", "--always", "--abbrev=12", "--dirty", "--exclude=*"],
            cwd=folder,
            capture_output=True,
            text=True,
        )
        return told.stdout.strip() or None
    return None


def _versions(*packages):
    """Those of what is installed, whatever takes part."""
    found = {}
    for package in packages:
        with contextlib.suppress(PackageNotFoundError):
            found[package] = version(package)
    return found


def _processor():
    information = Path("/proc/cpuinfo")
    if information.exists():
        # Not every architecture's kernel names the model.
        if name := re.search(r"^model name\s*:\s*(.+)$", information.read_text(), re.M):
            return name[1]
    return platform.processor() or platform.machine()


def _memory_gib():
    if "SC_PHYS_PAGES" not in getattr(os, "sysconf_names", {}):  # as on Windows
        return None
    n_bytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return round(n_bytes / 2**30, 1)


def write_json(path, arguments, rows, **more):
    """Write rows, the options they were measured with, and the machine.

    Nothing is written where `path` is None. `arguments` is the parsed command line;
    `more` are further parts of the file.
    """
    if path is None:
        return
    result = {
        "benchmark": Path(sys.argv[0]).name,
        # Where files lie is of no use to others.
        "options": {
            name: value
            for name, value in vars(arguments).items()
            if name not in ("data_home", "json")
        },
        "machine": machine(),
        **more,
        "rows": rows,
    }
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
