"""Every Python block of the README and of the pages in docs/ runs; links lead on.

Rooms import what the house says they know.

Code for what is no dependency, such as fastText, is marked ``py`` and is not run.
"""

import ast
import re
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = {
    path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8")
    for path in [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")]
}
TEACHING = ["README.md"] + [
    f"docs/{name}.md" for name in ("getting_started", "guide", "ideas", "coming_from")
]

BLOCK = re.compile(r"^(?P<indent> *)```(\w*)\n(.*?)^(?P=indent)```$", re.S | re.M)
HEADING = re.compile(r"^#+ (.+)$", re.M)
LINK = re.compile(r"\]\(([^)\s]+)\)")

# What draws is left out where the extra "plot" is not installed.
DRAWS = re.compile(r"matplotlib|Display|\.plot\(")
CAN_DRAW = find_spec("matplotlib") is not None


def python_blocks(page):
    """The Python blocks of a page, each on the lines where it stands there."""
    text = PAGES[page]
    return [
        "\n" * text.count("\n", 0, block.start(3)) + block[3]
        for block in BLOCK.finditer(text)
        if block[2] == "python"
    ]


def prose(page):
    return BLOCK.sub("", PAGES[page])


def anchors(page):
    """What links call a page's headings, on code hosts and on the site."""
    return {
        re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        for heading in HEADING.findall(prose(page))
    }


def test_blocks_keep_their_lines_and_other_code_is_left_out(monkeypatch):
    page = "One\n\n```py\nnot run\n```\n\n```python\nrun\n```\n\n# Two words\n"
    monkeypatch.setitem(PAGES, "page.md", page)
    assert python_blocks("page.md") == ["\n" * 7 + "run\n"]
    assert anchors("page.md") == {"two-words"}


@pytest.mark.parametrize("page", TEACHING)
def test_pages_that_teach_have_code_to_run(page):
    assert python_blocks(page)


@pytest.mark.parametrize("page", sorted(filter(python_blocks, PAGES)))
def test_the_code_on_the_page_runs(page, monkeypatch, tmp_path, capsys):
    if CAN_DRAW:
        import matplotlib.pyplot as plt

        plt.switch_backend("Agg")
        monkeypatch.setattr(plt, "show", lambda: plt.close("all"))
    # Some blocks write files.
    monkeypatch.chdir(tmp_path)
    namespace = {"__name__": "page"}
    for block in python_blocks(page):
        if CAN_DRAW or not DRAWS.search(block):
            # Named by its path, so that a traceback shows the page's own lines.
            exec(compile(block, str(ROOT / page), "exec"), namespace)
    # Pages print whether two ways lead to the same.
    assert not re.search(r"^False$", capsys.readouterr().out, re.M)


@pytest.mark.parametrize("page", sorted(PAGES))
def test_links_lead_somewhere(page):
    for target in LINK.findall(prose(page)):
        if target.startswith("http"):
            continue
        place, _, anchor = target.partition("#")
        path = ((ROOT / page).parent / place).resolve() if place else ROOT / page
        assert path.exists(), target
        if anchor:
            assert anchor in anchors(path.relative_to(ROOT).as_posix()), target


ROOM = re.compile(r"^\| (`[^|]+`) \| [^|]+ \|([^|]*)\|$", re.M)


def rooms_imported(room):
    path = ROOT / "skrnn" / room
    names = set()
    for file in path.glob("*.py") if path.is_dir() else [path]:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.ImportFrom) or not node.module:
                continue
            if node.module == "skrnn":
                names |= {alias.name for alias in node.names} - {"__version__"}
            elif node.module.startswith("skrnn."):
                names.add(node.module.split(".")[1])
    return names - {room.rstrip("/"), "_keras"}


def test_rooms_import_what_the_house_says_and_only_rooms_under_them():
    rows = [
        (re.findall(r"`([^`]+)`", rooms), set(re.findall(r"\w+", known)))
        for rooms, known in ROOM.findall(PAGES["docs/house.md"])
    ]
    described = [room for rooms, _ in rows for room in rooms]
    files = {path.name for path in (ROOT / "skrnn").glob("*.py")} - {"__init__.py"}
    assert sorted(described) == sorted(files | {"inspection/", "native/"})
    for i, (rooms, known) in enumerate(rows):
        under = {
            room.removesuffix(".py").rstrip("/")
            for below, _ in rows[i + 1 :]
            for room in below
        }
        for room in rooms:
            imported = rooms_imported(room)
            assert imported <= under, room
            assert known == {"all", "below"} or imported == known, room
