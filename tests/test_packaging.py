"""What a wheel holds is told by hand: nothing of the package may be forgotten."""

import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
SETUPTOOLS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))[
    "tool"
]["setuptools"]


def test_every_folder_with_code_is_a_package():
    folders = {path.parent for path in (ROOT / "skrnn").rglob("*.py")}
    names = {".".join(folder.relative_to(ROOT).parts) for folder in folders}
    assert set(SETUPTOOLS["packages"]) == names


def test_every_file_beside_the_code_is_named():
    named = {
        path
        for package, patterns in SETUPTOOLS["package-data"].items()
        for pattern in patterns
        for path in ROOT.joinpath(*package.split(".")).glob(pattern)
    }
    beside = {
        path
        for path in (ROOT / "skrnn").rglob("*")
        if path.is_file()
        and "__pycache__" not in path.parts
        # Compiled, or to be compiled.
        and path.suffix not in (".py", ".c", ".h", ".so")
    }
    assert named == beside
