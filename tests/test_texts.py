"""What `check_texts` takes for texts, and how it refuses the rest."""

import enum
from array import array
from collections import UserList, deque

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import scipy.sparse
from sklearn.impute import SimpleImputer

from skrnn.texts import check_texts

TEXTS = ["one text", "", "naïve 🙂", " \t"]


class Label(enum.StrEnum):
    SPAM = "free money"


class SortOfText(str):
    def __str__(self):
        return "something else"


@pytest.mark.parametrize(
    "container",
    [
        list,
        tuple,
        deque,
        UserList,
        np.array,
        lambda texts: np.array(texts, dtype=object),
        lambda texts: np.array(texts, dtype=np.dtypes.StringDType()),
        np.ma.array,
        pd.Series,
        pd.Index,
        lambda texts: pd.Series(texts, index=[7, 7, 5, 0]),
        lambda texts: pd.Series(texts, dtype=object),
        lambda texts: pd.Series(texts, dtype="string"),
        lambda texts: pd.Series(texts, dtype=pd.ArrowDtype(pa.string())),
        lambda texts: pd.Series(texts, dtype="category"),
        pl.Series,
        lambda texts: pl.Series(texts, dtype=pl.Categorical),
        pa.array,
        lambda texts: pa.array(texts).dictionary_encode(),
        lambda texts: pa.chunked_array([texts[:1], texts[1:]]),
        lambda texts: [[text] for text in texts],
        lambda texts: [(text,) for text in texts],
        lambda texts: np.array(texts).reshape(-1, 1),
        lambda texts: np.array(texts, dtype=object).reshape(-1, 1),
        lambda texts: pd.DataFrame({"text": texts}),
        lambda texts: pl.DataFrame({"text": texts}),
        lambda texts: pa.table({"text": texts}),
    ],
)
def test_every_kind_of_column_is_accepted(container):
    texts = check_texts(container(TEXTS))
    assert type(texts) is list
    assert texts == TEXTS
    assert {type(text) for text in texts} == {str}


@pytest.mark.parametrize(
    "text", ["\x00", "a\x00b\x00", "\ud800", "\U0010ffff", " ", "x" * 10_000_000]
)
def test_any_str_is_a_text(text):
    assert check_texts([text, ""]) == [text, ""]


def test_a_list_of_texts_is_not_copied():
    # Of a million short texts that would take a fourteenth of their memory.
    texts = list(TEXTS)
    assert check_texts(texts) is texts


@pytest.mark.parametrize(
    ("text", "content"),
    [
        (np.str_("a"), "a"),
        (Label.SPAM, "free money"),
        (SortOfText("a"), "a"),
    ],
)
def test_subclasses_of_str_become_plain_str(text, content):
    (checked,) = check_texts([text])
    assert type(checked) is str
    assert checked == content


@pytest.mark.parametrize("text", ["one text", "", np.str_("one text")])
def test_one_bare_string(text):
    with pytest.raises(
        ValueError,
        match=r"Iterable over raw text documents expected, string object received.*"
        r"wrap it in a list",
    ):
        check_texts(text)


@pytest.mark.parametrize(
    "X",
    [
        ["a", "b", None],
        ["a", "b", float("nan")],
        ["a", "b", np.float32("nan")],
        ["a", "b", pd.NA],
        ["a", "b", pd.NaT],
        ["a", "b", np.ma.masked],
        [["a"], ["b"], [None]],
        np.array(["a", "b", None]),
        np.array(["a", "b", None], dtype=np.dtypes.StringDType(na_object=None)),
        np.ma.array(["a", "b", "c"], mask=[False, False, True]),
        np.ma.array([["a"], ["b"], ["c"]], mask=[[False], [False], [True]]),
        pd.Series(["a", "b", None]),
        pd.Series(["a", "b", None], dtype=object),
        pd.Series(["a", "b", None], dtype="string"),
        pd.Series(["a", "b", None], dtype="category"),
        pd.Series(["a", "b", None], dtype=pd.ArrowDtype(pa.string())),
        pd.DataFrame({"text": ["a", "b", None]}),
        pl.Series(["a", "b", None]),
        pl.DataFrame({"text": ["a", "b", None]}),
        pa.array(["a", "b", None]),
    ],
)
def test_missing_text(X):
    with pytest.raises(ValueError, match=r"position 2 is missing .*fillna\(\"\"\)"):
        check_texts(X)


@pytest.mark.parametrize("missing", [None, np.nan])
def test_the_advice_for_missing_texts_works(missing):
    imputer = SimpleImputer(missing_values=missing, strategy="constant", fill_value="")
    X = np.array([["a"], [missing]], dtype=object)
    assert check_texts(imputer.fit_transform(X)) == ["a", ""]


@pytest.mark.parametrize(
    ("X", "message"),
    [
        (["a", b"b"], "position 1, got bytes: decode it first"),
        (np.array([b"a", b"b"]), "position 0, got bytes: decode it first"),
        (pl.Series([b"a"]), "position 0, got bytes: decode it first"),
        (["a", bytearray(b"b")], "position 1, got bytearray: decode it first"),
        (["a", "b", 3], "position 2, got int"),
        ([["a"], [3.5]], "position 1, got float"),
        (np.arange(3), "position 0, got int"),
        (np.zeros((3, 1)), "position 0, got float"),
        (pd.Series([True, False]), "position 0, got bool"),
        (range(3), "position 0, got int"),
        (array("d", [1.5]), "position 0, got float"),
        (["a", {"b"}], "position 1, got set"),
        ([[["a"]]], "position 0, got list"),
        (np.full((2, 1, 1), "a"), "position 0, got list"),
        ([pa.scalar("a")], "position 0, got StringScalar"),
    ],
)
def test_what_is_no_text(X, message):
    with pytest.raises(TypeError, match=message):
        check_texts(X)


@pytest.mark.parametrize(
    ("X", "row", "n_columns"),
    [
        ([["a", "b"], ["c", "d"]], 0, 2),
        ([["a"], ["c", "d", "e"]], 1, 3),
        ([["a"], []], 1, 0),
        (np.full((2, 2), "a"), 0, 2),
        (np.full((2, 0), "a"), 0, 0),
        (pd.DataFrame({"title": ["a"], "body": ["b"]}), 0, 2),
        (pl.DataFrame({"title": ["a"], "body": ["b"]}), 0, 2),
    ],
)
def test_one_column_only(X, row, n_columns):
    message = f"row {row} has {n_columns} columns.*ColumnTransformer"
    with pytest.raises(ValueError, match=message):
        check_texts(X)


@pytest.mark.parametrize(
    ("X", "error", "position"),
    [
        (["a", None, b"b", 3], ValueError, 1),
        (["a", b"b", None, 3], TypeError, 1),
        (["a", "b", ["c", "d"], None], ValueError, 2),
        (["a", "b", 3, ["c", "d"]], TypeError, 2),
    ],
)
def test_the_first_offence_is_the_one_reported(X, error, position):
    with pytest.raises(error, match=rf"(position|row) {position}\b"):
        check_texts(X)


@pytest.mark.parametrize(
    "X",
    [
        b"one text",
        bytearray(b"one text"),
        scipy.sparse.csr_array((2, 1)),
        scipy.sparse.csr_matrix((2, 1)),
        {"a": "b"},
        {"a", "b"},
        frozenset("a"),
        (text for text in TEXTS),
        iter(TEXTS),
        map(str, TEXTS),
        np.array("one text"),
        np.float64(1.0),
        pl.LazyFrame({"text": TEXTS}),
        None,
        1,
    ],
)
def test_what_is_no_column(X):
    with pytest.raises(TypeError, match=rf"got {type(X).__name__}\."):
        check_texts(X)


@pytest.mark.parametrize(
    "X", [[], (), np.array([]), np.empty((0, 1), dtype=object), pd.Series(dtype=str)]
)
def test_no_texts(X):
    message = r"Found array with 0 sample\(s\) \(shape=\(0,\)\) while a minimum of 1"
    with pytest.raises(ValueError, match=message):
        check_texts(X)
