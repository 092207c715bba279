"""Real text to train on: installed docstrings, and film reviews."""

import ast
import gzip
import hashlib
import importlib.util
import os
import re
import shutil
import tarfile
import tempfile
import warnings
import zlib
from collections import Counter
from collections.abc import Iterator
from functools import partial
from http.client import HTTPException
from pathlib import Path
from urllib.request import urlopen

import numpy as np
from sklearn.utils import Bunch
from sklearn.utils._param_validation import StrOptions, validate_params

__all__ = ["fetch_imdb", "load_docstrings"]

_LIBRARIES = ("numpy", "scipy", "sklearn", "keras", "tensorflow")
_PER_LIBRARY = 4_000
# More than needed, because the paragraphs that libraries share drop out later.
_READ_PER_LIBRARY = 4_200
_MIN_CHARACTERS = 40
# Tests and vendored code; a folder named after a library holds a copy of its API.
_LEFT_OUT_FOLDERS = {"test", "tests", "testing", "externals", *_LIBRARIES}
_LEFT_OUT_FILE = re.compile(r"test_.*|.*_test\.py")
_FENCED_CODE = re.compile(r"^[ \t]*```.*?^[ \t]*```", re.MULTILINE | re.DOTALL)
_UNDERLINED_HEADING = re.compile(r"^[^\n]+\n[ \t]*[-=~]{3,}[ \t]*$", re.MULTILINE)
_BLANK_LINES = re.compile(r"\n\s*\n")

_DOCSTRINGS_DESCR = """\
Docstrings of the installed scientific libraries
------------------------------------------------

Paragraphs of the docstrings of NumPy, SciPy, scikit-learn, Keras and TensorFlow,
in the versions that are installed. The task: tell which library a paragraph is from.

:Number of texts: at most 4,000 a library, 20,000 in all
:Classes: {names}
:Texts of each class: {counts}

Doctests, fenced code and underlined section headings are taken out; white space is
normalised; paragraphs under 40 characters and duplicates are left out, and so is
every paragraph that was read in two libraries. Parameter descriptions stay: they are
most of what docstrings say. Paragraphs of one file are often alike, so a random split
flatters a model compared with one by file.
"""

_IMDB_FILE = "aclImdb_v1.tar.gz"
_IMDB_URL = f"https://ai.stanford.edu/~amaas/data/sentiment/{_IMDB_FILE}"
_IMDB_MD5 = "7c2ac02c03563afcf9b574c7e56c153a"
_TIMEOUT_SECONDS = 60

_IMDB_DESCR = """\
Large Movie Review Dataset
--------------------------

Reviews from the Internet Movie Database, as published: line breaks are still
``<br />`` tags. Negative reviews have 1 to 4 stars and positive ones 7 to 10. No film
has more than 30 reviews, and the films of "train" and "test" differ.

:Number of texts: 25,000 "train", 25,000 "test", 50,000 "unlabeled"
:Classes: neg, pos (half of "train" and of "test" each)

.. rubric:: References

Andrew L. Maas, Raymond E. Daly, Peter T. Pham, Dan Huang, Andrew Y. Ng and
Christopher Potts (2011). Learning Word Vectors for Sentiment Analysis. Proceedings
of the 49th Annual Meeting of the Association for Computational Linguistics: Human
Language Technologies, 142-150. https://aclanthology.org/P11-1015
"""


@validate_params(
    {"return_X_y": ["boolean"], "as_frame": ["boolean"]},
    prefer_skip_nested_validation=True,
)
def load_docstrings(
    *, return_X_y: bool = False, as_frame: bool = False
) -> Bunch | tuple:
    """Load paragraphs of the docstrings of the installed scientific libraries.

    The libraries are NumPy, SciPy, scikit-learn, Keras and TensorFlow, and the target
    is the library. Their source is parsed, never imported, so this works offline and
    takes a few seconds.

    The same installed versions give the same texts in the same order: files are
    visited, and paragraphs chosen and sorted, by a checksum of their name or text. The
    order therefore mixes the libraries. A paragraph read in two of them belongs to
    none, as nothing in it tells which. Doctests, fenced code and underlined headings
    are taken out, white space is normalised, and paragraphs under 40 characters are
    left out.

    Parameters
    ----------
    return_X_y : bool, default=False
        Return ``(data, target)`` instead of a Bunch.
    as_frame : bool, default=False
        Return `data` and `target` as pandas Series, and fill `frame`.

    Returns
    -------
    docstrings : :class:`~sklearn.utils.Bunch`
        Dictionary-like object, with the following attributes.

        data : list of str, or Series of str
            The paragraphs, at most 4,000 a library, about 20,000 in all.
        target : ndarray or Series of shape (n_texts,), dtype int64
            The position of the paragraph's library in `target_names`.
        frame : DataFrame of shape (n_texts, 2), or None
            The columns "text" and "target". Only with ``as_frame=True``.
        target_names : list of str
            The libraries: of those above, in that order, the ones that are installed.
        DESCR : str
            The description of the dataset.

    (data, target) : tuple
        If `return_X_y` is true.

    Raises
    ------
    ImportError
        If fewer than two of the libraries are installed, or `as_frame` is true and
        pandas is not.

    Examples
    --------
    >>> from skrnn.datasets import load_docstrings
    >>> docstrings = load_docstrings()
    >>> docstrings.target_names
    ['numpy', 'scipy', 'sklearn', 'keras', 'tensorflow']
    """
    roots = _installed_libraries()
    if len(roots) < 2:
        raise ImportError(
            "load_docstrings reads the docstrings of installed libraries and needs "
            "two of them at least: install numpy, scipy, scikit-learn, keras or "
            f"tensorflow (found: {', '.join(roots) or 'none'})."
        )
    paragraphs = {name: _read_paragraphs(root) for name, root in roots.items()}
    seen = Counter(text for texts in paragraphs.values() for text in texts)
    texts_and_targets = []
    for target, texts in enumerate(paragraphs.values()):
        own = sorted((text for text in texts if seen[text] == 1), key=_checksum)
        texts_and_targets += [(text, target) for text in own[:_PER_LIBRARY]]
    texts_and_targets.sort(key=lambda pair: _checksum(pair[0]))

    names = list(roots)
    data = [text for text, _ in texts_and_targets]
    target = np.array([target for _, target in texts_and_targets], dtype=np.int64)
    counts = np.bincount(target, minlength=len(names))
    frame = None
    if as_frame:
        # pandas is not needed by anything else here, so it is not a dependency.
        import pandas as pd

        frame = pd.DataFrame({"text": data, "target": target})
        data, target = frame["text"], frame["target"]
    if return_X_y:
        return data, target
    return Bunch(
        data=data,
        target=target,
        frame=frame,
        target_names=names,
        DESCR=_DOCSTRINGS_DESCR.format(
            names=", ".join(names), counts=", ".join(map(str, counts))
        ),
    )


def _installed_libraries() -> dict[str, Path]:
    """Map the name of each installed library to its folder."""
    roots = {}
    for name in _LIBRARIES:
        try:
            spec = importlib.util.find_spec(name)
        except ValueError:
            # A module made up by someone's tests has none.
            continue
        if spec is not None and spec.submodule_search_locations:
            roots[name] = Path(spec.submodule_search_locations[0])
    return roots


def _read_paragraphs(root: Path) -> set[str]:
    """Read files of a library until they hold enough distinct paragraphs."""
    names = sorted(_source_files(root), key=_checksum)
    paragraphs: set[str] = set()
    for name in names:
        if len(paragraphs) >= _READ_PER_LIBRARY:
            break
        for docstring in _docstrings((root / name).read_bytes()):
            paragraphs.update(_split_paragraphs(docstring))
    return paragraphs


def _source_files(root: Path) -> Iterator[str]:
    for path in root.rglob("*.py"):
        relative = path.relative_to(root)
        if _LEFT_OUT_FOLDERS.isdisjoint(
            relative.parts[:-1]
        ) and not _LEFT_OUT_FILE.fullmatch(relative.name):
            yield relative.as_posix()


def _docstrings(source: bytes) -> Iterator[str]:
    try:
        with warnings.catch_warnings():
            # Other people's invalid escape sequences are no concern of the caller's.
            warnings.simplefilter("ignore")
            tree = ast.parse(source)
    except (SyntaxError, ValueError):
        # Some libraries ship templates, or files for another version of Python.
        return
    # Only definitions are descended into: ast.walk would visit every expression.
    definitions: list = [tree]
    while definitions:
        definition = definitions.pop()
        if docstring := ast.get_docstring(definition):
            yield docstring
        definitions += [
            child
            for child in definition.body
            if isinstance(child, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef))
        ]


def _split_paragraphs(docstring: str) -> Iterator[str]:
    prose = _UNDERLINED_HEADING.sub("\n", _FENCED_CODE.sub("\n", docstring))
    for paragraph in _BLANK_LINES.split(prose):
        text = " ".join(paragraph.split())
        if len(text) >= _MIN_CHARACTERS and ">>>" not in text:
            yield text


def _checksum(text: str) -> tuple[int, str]:
    """Give a sort key that shuffles texts the same way everywhere."""
    return zlib.crc32(text.encode("utf-8", "surrogatepass")), text


@validate_params(
    {
        "subset": [StrOptions({"train", "test", "unlabeled"})],
        "data_home": [str, os.PathLike, None],
        "download_if_missing": ["boolean"],
        "return_X_y": ["boolean"],
    },
    prefer_skip_nested_validation=True,
)
def fetch_imdb(
    *,
    subset: str = "train",
    data_home: str | os.PathLike | None = None,
    download_if_missing: bool = True,
    return_X_y: bool = False,
) -> Bunch | tuple:
    """Load the Large Movie Review Dataset [1]_, downloading it if necessary.

    The reviews are read from ``aclImdb_v1.tar.gz`` in `data_home`, where the archive
    of 84 MB is downloaded to when it is not there. A read-only `data_home` will do if
    it holds the archive. Only a download's MD5 checksum is verified, so an archive
    put there by hand may be packed anew; that it is whole is verified always.

    Parameters
    ----------
    subset : {"train", "test", "unlabeled"}, default="train"
        The part to load.
    data_home : str or path-like, default=None
        The folder that holds the archive. None: scikit-learn's, which is the
        environment variable ``SCIKIT_LEARN_DATA`` or else ``~/scikit_learn_data``.
    download_if_missing : bool, default=True
        If false, raise an OSError when the archive is not in `data_home`.
    return_X_y : bool, default=False
        Return ``(data, target)`` instead of a Bunch.

    Returns
    -------
    imdb : :class:`~sklearn.utils.Bunch`
        Dictionary-like object, with the following attributes. Reviews are sorted by
        label and then by their id in the archive.

        data : list of str
            The reviews as published: line breaks are still ``<br />`` tags.
        target : ndarray of shape (n_texts,), dtype int64, or None
            0 for a negative review, 1 for a positive one. None if unlabeled.
        stars : ndarray of shape (n_texts,), dtype int64, or None
            The reviewer's rating, from 1 to 10. None if unlabeled.
        film : ndarray of shape (n_texts,), dtype str
            The id of the film, as in "tt0453418". Reviews of one film share words: use
            this as `groups` when you split them.
        target_names : list of str
            The names of the classes, ``["neg", "pos"]``.
        DESCR : str
            The description of the dataset.

    (data, target) : tuple
        If `return_X_y` is true.

    Raises
    ------
    ValueError
        If a parameter is invalid.
    OSError
        If the archive is missing and not to be downloaded, cannot be downloaded, or
        is damaged. The message names the file, and where to get it.

    References
    ----------
    .. [1] Andrew L. Maas, Raymond E. Daly, Peter T. Pham, Dan Huang, Andrew Y. Ng and
       Christopher Potts (2011). "Learning Word Vectors for Sentiment Analysis".
       Proceedings of ACL-HLT 2011, 142-150. https://aclanthology.org/P11-1015

    Examples
    --------
    >>> from skrnn.datasets import fetch_imdb
    >>> imdb = fetch_imdb(subset="test")  # doctest: +SKIP
    >>> imdb.target_names  # doctest: +SKIP
    ['neg', 'pos']
    """
    path = _imdb_path(data_home)
    if not path.is_file():
        by_hand = f"Download {_IMDB_URL} by other means and save it as {path}"
        if not download_if_missing:
            raise OSError(
                f"{path} not found, and `download_if_missing` is False. {by_hand}"
            )
        try:
            _download(_IMDB_URL, path, _IMDB_MD5)
        except (OSError, HTTPException) as error:
            raise OSError(
                f"{path} is missing and could not be downloaded: {error}. {by_hand}"
            ) from error
    try:
        reviews = _read_imdb(path, subset)
    except (
        tarfile.TarError,
        gzip.BadGzipFile,
        zlib.error,
        EOFError,
        LookupError,
        UnicodeDecodeError,
    ) as error:
        raise OSError(
            f"{path} is damaged or no archive of the Large Movie Review Dataset: "
            f"{error}. Delete it and download {_IMDB_URL} anew"
        ) from error
    labels, stars, data, film = map(list, zip(*reviews, strict=True))
    target_names = ["neg", "pos"]
    if subset == "unlabeled":
        target = stars = None
    else:
        target = np.array([target_names.index(label) for label in labels], np.int64)
        stars = np.array(stars, np.int64)
    if return_X_y:
        return data, target
    return Bunch(
        data=data,
        target=target,
        stars=stars,
        film=np.array(film),
        target_names=target_names,
        DESCR=_IMDB_DESCR,
    )


def _imdb_path(data_home: str | os.PathLike | None) -> Path:
    """Find the archive's place; unlike `get_data_home`, create no folder."""
    if data_home is None:
        data_home = os.environ.get("SCIKIT_LEARN_DATA", "~/scikit_learn_data")
    # Unlike a path's own, this leaves a "~" of no user as it is.
    return Path(os.path.expanduser(data_home)) / _IMDB_FILE


def _download(url: str, path: Path, md5: str) -> None:
    """Download a file; it appears at its path complete and verified, or not at all."""
    with urlopen(url, timeout=_TIMEOUT_SECONDS) as response:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Beside the target, as only a move within one file system is atomic.
        with tempfile.TemporaryDirectory(dir=path.parent) as folder:
            part = Path(folder, path.name)
            with part.open("wb") as file:
                shutil.copyfileobj(response, file)
            with part.open("rb") as file:
                # FIPS builds of Python refuse an MD5 that security might rest on.
                md5_hash = partial(hashlib.md5, usedforsecurity=False)
                digest = hashlib.file_digest(file, md5_hash).hexdigest()
            if digest != md5:
                raise OSError(f"the MD5 checksum of {url} is {digest}, not {md5}")
            os.replace(part, path)


def _read_imdb(path: Path, subset: str) -> list[tuple[str, int, str, str]]:
    """Read (label, stars, text, film) of a subset's reviews, by label and id.

    Raises
    ------
    LookupError
        If there is no review of the subset, or one whose film is not listed.
    """
    part = "test" if subset == "test" else "train"
    label = "unsup" if subset == "unlabeled" else "neg|pos"
    review_name = re.compile(rf"(?:.*/)?{part}/({label})/(\d{{1,9}})_(\d{{1,2}})\.txt")
    films_name = re.compile(rf"(?:.*/)?{part}/urls_({label})\.txt")
    reviews = []
    films = {}
    with tarfile.open(path, "r:gz") as archive:
        for member in archive:
            if not member.isfile():
                continue
            if match := review_name.fullmatch(member.name):
                text = archive.extractfile(member).read().decode()
                reviews.append((match[1], int(match[2]), int(match[3]), text))
            elif match := films_name.fullmatch(member.name):
                urls = archive.extractfile(member).read().decode().splitlines()
                films[match[1]] = [_film_id(url) for url in urls]
        # tarfile takes a header it cannot read for the end; the checksum, which tells
        # damage of any kind, stands behind all the rest.
        while archive.fileobj.read(2**20):
            pass
    if not reviews:
        raise LookupError(f"no {subset} reviews in it")
    reviews.sort()
    # Line i of a list of films belongs to the review with id i.
    for label, review_id, _, _ in reviews:
        if review_id >= len(films.get(label, [])):
            raise LookupError(
                f"urls_{label}.txt of the {subset} reviews has no line for the film of "
                f"review {review_id}"
            )
    return [
        (label, stars, text, films[label][review_id])
        for label, review_id, stars, text in reviews
    ]


def _film_id(url: str) -> str:
    """Cut "tt0453418" out of "http://www.imdb.com/title/tt0453418/usercomments"."""
    return url.partition("/title/")[2].partition("/")[0]
