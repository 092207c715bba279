"""What was freed is the system's again."""

import re
from pathlib import Path

import numpy as np
import pytest

from skrnn import memory

RESIDENT = re.compile(r"^VmRSS:\s*(\d+) kB$", re.M)


def resident_mib():
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return int(RESIDENT.search(status)[1]) / 1024


@pytest.mark.skipif(
    memory._TRIM is None, reason="the C library of this system cannot be told to"
)
def test_memory_is_given_back():
    # Small arrays are next to one another; the last ones keep the end of them all.
    held = [np.ones(2**11, np.uint8) for _ in range(100_000)]
    del held[:-10]
    before = resident_mib()
    memory.give_back()
    assert before - resident_mib() > 100


def test_memory_is_kept_where_the_system_cannot_be_told(monkeypatch):
    monkeypatch.setattr(memory, "_TRIM", None)
    memory.give_back()
