import gzip
import hashlib
import io
import os
import subprocess
import sys
import tarfile
import types
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.utils import Bunch

from skrnn import datasets
from skrnn.datasets import fetch_imdb, load_docstrings

LIBRARIES = ["numpy", "scipy", "sklearn", "keras", "tensorflow"]
ARCHIVE = "aclImdb_v1.tar.gz"


@pytest.fixture(scope="module")
def docstrings(every_docstring):
    return every_docstring


def test_docstrings_bunch(docstrings):
    assert isinstance(docstrings, Bunch)
    assert docstrings.target_names == LIBRARIES
    assert docstrings.frame is None
    assert docstrings.target.dtype == np.int64
    assert docstrings.target.shape == (len(docstrings.data),)
    counts = np.bincount(docstrings.target)
    assert counts.max() <= 4_000
    assert counts.min() >= 3_000
    assert all(name in docstrings.DESCR for name in LIBRARIES)
    assert all(str(count) in docstrings.DESCR for count in counts)


def test_docstrings_are_clean_text(docstrings):
    texts = docstrings.data
    assert len(set(texts)) == len(texts)
    assert all(type(text) is str and len(text) >= 40 for text in texts)
    assert all(text == " ".join(text.split()) for text in texts)
    assert not any(">>>" in text for text in texts)


def test_docstrings_mix_the_libraries(docstrings):
    assert np.bincount(docstrings.target[:500]).min() > 50


def test_docstrings_do_not_depend_on_the_process_and_import_nothing(docstrings):
    code = (
        "import hashlib, sys; import skrnn.datasets as datasets\n"
        "before = set(sys.modules)\n"
        "texts, target = datasets.load_docstrings(return_X_y=True)\n"
        "new = {name.partition('.')[0] for name in set(sys.modules) - before}\n"
        f"assert new.isdisjoint({LIBRARIES}), new\n"
        "print(hashlib.md5(repr((texts, target.tolist())).encode()).hexdigest())"
    )
    here = repr((docstrings.data, docstrings.target.tolist())).encode()
    for seed in "1", "2":
        printed = subprocess.run(
            [sys.executable, "-c", code],
            env=os.environ | {"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        assert printed.strip() == hashlib.md5(here).hexdigest()


@pytest.fixture
def make_library(tmp_path, monkeypatch):
    """Install made-up libraries instead of the real ones."""
    monkeypatch.syspath_prepend(tmp_path)

    def make(libraries):
        monkeypatch.setattr(datasets, "_LIBRARIES", tuple(libraries))
        for name, files in libraries.items():
            for file, source in files.items():
                path = tmp_path / name / file
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(source)

    return make


def test_docstrings_of_made_up_libraries(make_library):
    shared = "A paragraph that one library has copied from the other."
    first = f'''
raise ImportError("never imported")
class A:
    """{shared}

    Notes
    -----
    Two lines of
    one paragraph,   with some white space.

    ```
    A fenced block of code that nobody should read as prose.
    ```
    Short.

    >>> A().method("a doctest that nobody should read as prose")
    """
    def method(self):
        r"""An invalid escape, \\d, in a docstring with enough characters."""
'''
    make_library(
        {
            "skrnn_a": {
                "__init__.py": first,
                "tests/helpers.py": f'"""A docstring of a test folder. {shared}"""',
                "test_a.py": f'"""A docstring of a test module. {shared}"""',
                "template.py": "@not python@",
            },
            "skrnn_b": {"__init__.py": f'"""{shared}\n\nB: {shared}"""'},
            "skrnn_missing": {},
        }
    )
    bunch = load_docstrings()
    assert bunch.target_names == ["skrnn_a", "skrnn_b"]
    assert dict(zip(bunch.data, bunch.target.tolist(), strict=True)) == {
        "Two lines of one paragraph, with some white space.": 0,
        r"An invalid escape, \d, in a docstring with enough characters.": 0,
        f"B: {shared}": 1,
    }


def test_docstrings_as_frame_and_return_X_y(make_library):
    texts = [f"A paragraph of library {name} with enough characters." for name in "ab"]
    make_library(
        {
            f"skrnn_frame_{i}": {"__init__.py": f'"""{text}"""'}
            for i, text in enumerate(texts)
        }
    )
    X, y = load_docstrings(return_X_y=True)
    assert isinstance(X, list)
    assert sorted(zip(y.tolist(), X, strict=True)) == list(enumerate(texts))

    bunch = load_docstrings(as_frame=True)
    assert list(bunch.frame.columns) == ["text", "target"]
    assert bunch.frame["text"].to_list() == X
    assert bunch.frame["target"].to_list() == y.tolist()
    pd.testing.assert_series_equal(bunch.data, bunch.frame["text"])
    pd.testing.assert_series_equal(bunch.target, bunch.frame["target"])
    X_frame, y_frame = load_docstrings(return_X_y=True, as_frame=True)
    pd.testing.assert_series_equal(X_frame, bunch.data)
    pd.testing.assert_series_equal(y_frame, bunch.target)


def test_what_is_no_folder_of_modules_is_no_library(
    make_library, tmp_path, monkeypatch
):
    names = ["skrnn_one", "skrnn_two"]
    make_library(
        {
            name: {"__init__.py": f'"""A paragraph of enough characters, in {name}."""'}
            for name in names
        }
        | {"skrnn_made_up": {}, "skrnn_file": {}}
    )
    # As some tests put in place of a library that is not there.
    made_up = types.ModuleType("skrnn_made_up")
    monkeypatch.setitem(sys.modules, "skrnn_made_up", made_up)
    (tmp_path / "skrnn_file.py").write_text('"""One file."""')
    assert load_docstrings().target_names == names


def test_docstrings_need_two_libraries(make_library):
    make_library({"skrnn_only": {"__init__.py": ""}, "skrnn_missing": {}})
    with pytest.raises(ImportError, match=r"install numpy.*found: skrnn_only"):
        load_docstrings()


def test_docstrings_invalid_parameter():
    with pytest.raises(ValueError, match="as_frame"):
        load_docstrings(as_frame="yes")


def url(film):
    return f"http://www.imdb.com/title/tt{film:07}/usercomments\n"


# Ids 0, 2 and 10 tell the order of numbers from that of names.
FILES = {
    "train/urls_neg.txt": "".join(url(film) for film in range(11)),
    "train/urls_pos.txt": "".join(url(film) for film in range(100, 103)),
    "train/urls_unsup.txt": url(7) + url(8),
    "test/urls_neg.txt": url(200),
    "test/urls_pos.txt": url(201),
    "train/pos/0_10.txt": "Superb.",
    "train/neg/10_1.txt": "Dreadful.",
    "train/neg/2_3.txt": "Dull.<br /><br />Naïve.",
    "train/neg/0_4.txt": "Meh.",
    "train/unsup/1_0.txt": "Second.",
    "train/unsup/0_0.txt": "First.",
    "test/neg/0_2.txt": "Bad.",
    "test/pos/0_7.txt": "Good.",
    "train/labeledBow.feat": "9 0:1",
    "README": "Large Movie Review Dataset",
}


def write_archive(folder, files=FILES):
    with tarfile.open(folder / ARCHIVE, "w:gz") as archive:
        for name, text in files.items():
            content = text.encode()
            member = tarfile.TarInfo(f"aclImdb/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return folder / ARCHIVE


def test_imdb_train(tmp_path):
    write_archive(tmp_path)
    imdb = fetch_imdb(data_home=tmp_path)
    assert imdb.data == ["Meh.", "Dull.<br /><br />Naïve.", "Dreadful.", "Superb."]
    assert imdb.target.tolist() == [0, 0, 0, 1]
    assert imdb.stars.tolist() == [4, 3, 1, 10]
    assert imdb.film.tolist() == ["tt0000000", "tt0000002", "tt0000010", "tt0000100"]
    assert imdb.target.dtype == imdb.stars.dtype == np.int64
    assert imdb.target_names == ["neg", "pos"]
    assert "Maas" in imdb.DESCR


def test_imdb_test_and_return_X_y(tmp_path):
    write_archive(tmp_path)
    X, y = fetch_imdb(subset="test", data_home=str(tmp_path), return_X_y=True)
    assert X == ["Bad.", "Good."]
    assert y.tolist() == [0, 1]


def test_imdb_unlabeled(tmp_path):
    write_archive(tmp_path)
    imdb = fetch_imdb(subset="unlabeled", data_home=tmp_path)
    assert imdb.data == ["First.", "Second."]
    assert imdb.film.tolist() == ["tt0000007", "tt0000008"]
    assert imdb.target is None
    assert imdb.stars is None


def test_imdb_data_home_of_the_environment(tmp_path, monkeypatch):
    write_archive(tmp_path)
    monkeypatch.setenv("SCIKIT_LEARN_DATA", str(tmp_path))
    assert len(fetch_imdb().data) == 4
    monkeypatch.delenv("SCIKIT_LEARN_DATA")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    with pytest.raises(OSError, match="scikit_learn_data"):
        fetch_imdb(download_if_missing=False)
    assert [path.name for path in tmp_path.iterdir()] == [ARCHIVE]


def test_imdb_read_only_data_home(tmp_path):
    write_archive(tmp_path)
    before = os.stat(tmp_path).st_mtime_ns
    tmp_path.chmod(0o500)
    try:
        assert len(fetch_imdb(data_home=tmp_path).data) == 4
    finally:
        tmp_path.chmod(0o700)
    # Root may write to a read-only folder: the time shows that nothing was written.
    assert os.stat(tmp_path).st_mtime_ns == before


def test_imdb_missing_file(tmp_path):
    home = tmp_path / "home"
    with pytest.raises(OSError, match=r"ai\.stanford\.edu.*save it as .*home.*gz"):
        fetch_imdb(data_home=home, download_if_missing=False)
    assert not home.exists()


@pytest.fixture
def publisher(tmp_path, monkeypatch):
    """Publish a small archive as a file:// URL, with its checksum."""
    folder = tmp_path / "publisher"
    folder.mkdir()
    archive = write_archive(folder)
    monkeypatch.setattr(datasets, "_IMDB_URL", archive.as_uri())
    md5 = hashlib.md5(archive.read_bytes()).hexdigest()
    monkeypatch.setattr(datasets, "_IMDB_MD5", md5)
    return archive


def test_imdb_download(tmp_path, publisher):
    home = tmp_path / "new" / "home"
    assert len(fetch_imdb(data_home=home).data) == 4
    assert [path.name for path in home.iterdir()] == [ARCHIVE]
    publisher.unlink()
    assert len(fetch_imdb(data_home=home).data) == 4


def test_imdb_download_with_wrong_checksum(tmp_path, publisher, monkeypatch):
    monkeypatch.setattr(datasets, "_IMDB_MD5", "0" * 32)
    home = tmp_path / "home"
    with pytest.raises(OSError, match=r"checksum.*save it as"):
        fetch_imdb(data_home=home)
    assert list(home.iterdir()) == []


def test_imdb_download_without_network(tmp_path, publisher):
    publisher.unlink()
    home = tmp_path / "home"
    with pytest.raises(OSError, match=r"could not be downloaded.*save it as"):
        fetch_imdb(data_home=home)
    assert not home.exists()


def test_imdb_download_interrupted(tmp_path, publisher, monkeypatch):
    def interrupt(source, target):
        target.write(source.read(10))
        raise KeyboardInterrupt

    monkeypatch.setattr(datasets.shutil, "copyfileobj", interrupt)
    home = tmp_path / "home"
    with pytest.raises(KeyboardInterrupt):
        fetch_imdb(data_home=home)
    assert list(home.iterdir()) == []


def test_imdb_archive_by_hand_is_not_checksummed(tmp_path, monkeypatch):
    def no_network(*args, **kwargs):
        raise AssertionError("no download is due")

    monkeypatch.setattr(datasets, "urlopen", no_network)
    write_archive(tmp_path)
    assert len(fetch_imdb(subset="test", data_home=tmp_path).data) == 2


def truncate(archive: Path):
    archive.write_bytes(archive.read_bytes()[:-40])


def flip_a_byte(archive: Path):
    content = bytearray(archive.read_bytes())
    content[len(content) // 2] ^= 0xFF
    archive.write_bytes(content)


def flip_a_bit_of_a_text(archive: Path):
    content = bytearray(gzip.compress(gzip.decompress(archive.read_bytes()), 0))
    content[content.index(b"Dreadful")] ^= 1
    archive.write_bytes(content)


def flip_a_bit_of_a_header(archive: Path):
    content = bytearray(gzip.compress(gzip.decompress(archive.read_bytes()), 0))
    content[content.rindex(b"aclImdb/")] ^= 1
    archive.write_bytes(content)


def replace_with_html(archive: Path):
    archive.write_text("<html>Please log in to this network</html>")


def leave_out_reviews(archive: Path):
    write_archive(archive.parent, {"README": "nothing else"})


def leave_out_films(archive: Path):
    write_archive(archive.parent, FILES | {"train/urls_neg.txt": url(1)})


@pytest.mark.parametrize(
    "damage",
    [
        truncate,
        flip_a_byte,
        flip_a_bit_of_a_text,
        flip_a_bit_of_a_header,
        replace_with_html,
        leave_out_reviews,
        leave_out_films,
    ],
)
def test_imdb_damaged_archive(tmp_path, damage):
    damage(write_archive(tmp_path))
    with pytest.raises(OSError, match=rf"{ARCHIVE} is damaged"):
        fetch_imdb(data_home=tmp_path)


@pytest.mark.parametrize("left", [{}, {"train/urls_neg.txt": url(1)}])
def test_imdb_archive_without_a_film_is_told_of(tmp_path, left):
    files = {name: text for name, text in FILES.items() if "train/urls_neg" not in name}
    write_archive(tmp_path, files | left)
    with pytest.raises(
        OSError, match=r"urls_neg\.txt of the train reviews has no line"
    ):
        fetch_imdb(data_home=tmp_path)


def test_imdb_reads_files_alone(tmp_path):
    with tarfile.open(write_archive(tmp_path), "r:gz") as archive:
        members = [(one, archive.extractfile(one).read()) for one in archive]
    with tarfile.open(tmp_path / ARCHIVE, "w:gz") as archive:
        folder = tarfile.TarInfo("aclImdb/train/neg/3_1.txt")
        folder.type = tarfile.DIRTYPE
        archive.addfile(folder)
        for member, content in members:
            archive.addfile(member, io.BytesIO(content))
    assert len(fetch_imdb(data_home=tmp_path).data) == 4


def test_imdb_home_of_no_user(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(OSError, match="~nosuchuser"):
        fetch_imdb(data_home="~nosuchuser", download_if_missing=False)


@pytest.mark.parametrize(
    "parameters", [{"subset": "all"}, {"data_home": 3}, {"return_X_y": "no"}]
)
def test_imdb_invalid_parameter(parameters):
    with pytest.raises(ValueError, match=next(iter(parameters))):
        fetch_imdb(**parameters)
