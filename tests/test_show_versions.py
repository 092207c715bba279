"""What a report of a bug says of the machine."""

import subprocess
import sys

import numpy as np

import skrnn
from skrnn.native.gru import KERNELS
from skrnn.native.words import IS_COMPILED


def printed(capsys):
    skrnn.show_versions()
    lines = [line.split(":", 1) for line in capsys.readouterr().out.splitlines()]
    return {line[0].strip(): line[1].strip() for line in lines if len(line) == 2}


def test_versions_and_kernels_are_shown(capsys):
    shown = printed(capsys)
    assert shown["skrnn"] == skrnn.__version__
    assert shown["numpy"] == np.__version__
    assert shown["executable"] == sys.executable
    assert shown["compiled"] == ("yes" if IS_COMPILED else "no")
    assert shown["kernels"] == (", ".join(KERNELS) or "none")


def test_what_was_not_compiled_is_shown(capsys, monkeypatch):
    parts = ["adam", "embedding", "marks", "ngrams", "words"]
    for part in parts:
        with monkeypatch.context() as patched:
            patched.setattr(f"skrnn.native.{part}.LIBRARY", None)
            shown = printed(capsys)["compiled"]
            assert shown == (f"in part, without {part}" if IS_COMPILED else "no")
    for part in parts:
        monkeypatch.setattr(f"skrnn.native.{part}.LIBRARY", None)
    monkeypatch.setattr("skrnn.native.gru.KERNELS", ())
    shown = printed(capsys)
    assert (shown["compiled"], shown["kernels"]) == ("no", "none")


def test_versions_are_shown_where_keras_cannot_be_imported():
    code = "import sys, skrnn\nsys.modules['keras'] = None\nskrnn.show_versions()\n"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert "keras: " in done.stdout
    assert "backend: cannot be imported: " in done.stdout
