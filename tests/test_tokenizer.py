"""The tokenizer: tokens, vocabulary, ids, and what a user may set."""

import os
import pickle
import re
import subprocess
import sys
import tracemalloc
import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.compose import make_column_transformer
from sklearn.exceptions import NotFittedError
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils import get_tags
from sklearn.utils.validation import check_is_fitted

from skrnn import RNNTextClassifier, RNNTextRegressor
from skrnn.sequences import Sequences
from skrnn.tokenizer import Tokenizer

TEXTS = [
    "To be, or not to be: that is the question.",
    "Whether 'tis nobler in the mind to suffer",
    "",
    "The slings & arrows of outrageous fortune;",
    "to die -- to sleep, no more.",
]

any_text = st.text(st.characters(exclude_categories=()))
ascii_texts = st.lists(
    st.text(st.characters(max_codepoint=127)), min_size=1, max_size=8
)
latin_texts = st.lists(st.text(st.characters(max_codepoint=255)), max_size=8)

# Many texts are tokenized by other means than few. This one makes many of any list.
LONG_TEXT = "The slings & arrows, of fortune.\n" * 500


def tokens_of(text, **params):
    tokenizer = Tokenizer(lowercase=False).set_params(**params)
    (tokens,) = tokenizer.inverse_transform(tokenizer.fit_transform([text]))
    return tokens.tolist()


def as_lists(sequences):
    return [ids.tolist() for ids in sequences]


# Tokens


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("Hello, world!", ["Hello", ",", "world", "!"]),
        ("don't snake_case", ["don", "'", "t", "snake", "_", "case"]),
        ("wait... 3.14%", ["wait", ".", ".", ".", "3", ".", "14", "%"]),
        ("x2y\x00z", ["x2y", "\x00", "z"]),
        ("«naïve» – “quoted”", ["«", "naïve", "»", "–", "“", "quoted", "”"]),
        ("nai\u0308ve", ["nai\u0308ve"]),
        ("İstanbul", ["İstanbul"]),
        ("नमस्ते दुनिया।", ["नमस्ते", "दुनिया", "।"]),
        ("می\u200cخواهم بروم؟", ["می\u200cخواهم", "بروم", "؟"]),
        ("שָׁלוֹם", ["שָׁלוֹם"]),
        ("我喜欢", ["我喜欢"]),
        ("👍👍🏽", ["👍", "👍🏽"]),
        ("👩\u200d🚀👨\u200d👩\u200d👧", ["👩\u200d🚀", "👨\u200d👩\u200d👧"]),
        ("🏳\ufe0f\u200d🌈❤\ufe0f❤", ["🏳\ufe0f\u200d🌈", "❤\ufe0f", "❤"]),
        ("🤷🏾\u200d♀\ufe0f!", ["🤷🏾\u200d♀\ufe0f", "!"]),
        ("🇺🇸🇬🇧🇫", ["🇺🇸", "🇬🇧", "🇫"]),
        ("1\ufe0f\u20e3 #\ufe0f\u20e3", ["1\ufe0f\u20e3", "#\ufe0f\u20e3"]),
        ("\u0301 a", ["\u0301", "a"]),
        ("\ud800\udfffx", ["\ud800", "\udfff", "x"]),
    ],
)
def test_words_and_signs(text, tokens):
    assert tokens_of(text) == tokens


@given(any_text.filter(str.strip))
def test_only_white_space_is_lost(text):
    assert "".join(tokens_of(text)) == "".join(text.split())


@given(any_text.filter(bool))
def test_characters_with_one_space_for_white_space(text):
    tokens = tokens_of(text, analyzer="char")
    assert all(len(token) == 1 for token in tokens)
    assert "".join(tokens).split() == text.split()
    assert not {"  ", "\n", "\t"} & set(tokens)


def test_characters_serve_scripts_without_spaces():
    assert tokens_of("我 \n\t喜欢", analyzer="char") == ["我", " ", "喜", "欢"]


def test_characters_agree_with_count_vectorizer():
    tokenizer = Tokenizer(analyzer="char").fit(TEXTS)
    reference = CountVectorizer(analyzer="char").fit(TEXTS)
    assert set(tokenizer.vocabulary_) == set(reference.vocabulary_)


@pytest.mark.parametrize(
    ("text", "n_tokens"),
    [
        ("e\u0301" * 1_000_000 + "!", 2),
        ("\u0301" * 2_000_000, 1),
        ("👩\u200d" * 1_000_000, 1),
        ("👩\u200d " * 1_000_000, 1_000_000),
        ("🇺" * 2_000_001, 1_000_001),
        ("a" * 10_000_000 + "_", 2),
    ],
)
def test_hostile_texts_end_in_linear_time(text, n_tokens):
    assert Tokenizer().fit_transform([text]).lengths.tolist() == [n_tokens]


def test_lower_case_before_accents():
    tokenizer = Tokenizer(strip_accents="ascii")
    assert list(tokenizer.fit(["ÀÉ àé"]).vocabulary_) == ["ae"]


@pytest.mark.parametrize(
    ("strip_accents", "tokens"),
    [
        (None, ["été", "ø"]),
        ("unicode", ["ete", "ø"]),
        ("ascii", ["ete"]),
        (lambda text: text.replace("é", "E"), ["EtE", "ø"]),
    ],
)
def test_strip_accents(strip_accents, tokens):
    assert tokens_of("été ø", strip_accents=strip_accents) == tokens


def test_own_tokenizer_wins_over_the_pattern():
    # A generator: a tokenizer need not return a list.
    def words(text):
        yield from text.split()

    params = {"tokenizer": words, "token_pattern": "."}
    assert tokens_of("don't stop!", **params) == ["don't", "stop!"]
    assert tokens_of("a b", analyzer="char", **params) == ["a", " ", "b"]


def test_group_of_the_token_pattern_is_the_token():
    assert tokens_of("#one two #three", token_pattern=r"#(\w+)") == ["one", "three"]


# Many texts at once


def one_by_one(tokenizer, texts):
    return [as_lists(tokenizer.transform([text]))[0] for text in texts]


def built_in_tokens(text):
    return tokens_of(f"{text} x")[:-1]


@given(
    texts=st.one_of(latin_texts, st.lists(any_text, max_size=8)),
    lowercase=st.booleans(),
    at=st.integers(0, 8),
)
def test_tokens_do_not_depend_on_the_number_of_texts(texts, lowercase, at):
    texts.insert(at, LONG_TEXT)
    tokenizer = Tokenizer(lowercase=lowercase)
    reference = Tokenizer(lowercase=lowercase, tokenizer=built_in_tokens)
    at_once = tokenizer.fit_transform(texts)
    assert as_lists(at_once) == as_lists(reference.fit_transform(texts))
    assert tokenizer.vocabulary_ == reference.vocabulary_
    assert as_lists(tokenizer.transform(texts)) == as_lists(at_once)
    assert one_by_one(tokenizer, texts) == as_lists(at_once)


@given(latin_texts)
def test_latin_words_are_those_of_a_plain_pattern(texts):
    texts = [*texts, LONG_TEXT]
    tokenizer = Tokenizer().fit(texts)
    reference = Tokenizer(token_pattern=r"[^\W_]+|[^\w\s]|_").fit(texts)
    assert tokenizer.vocabulary_ == reference.vocabulary_
    assert as_lists(tokenizer.transform(texts)) == as_lists(reference.transform(texts))


def test_every_character_between_words():
    characters = [*map(chr, range(0x300)), "\u0301", "\u2028", "\u3000", "“", "👍"]
    texts = [f"{one}a{one}{one}b {one}" for one in characters]
    tokenizer = Tokenizer(lowercase=False).fit(texts)
    together = tokenizer.inverse_transform(tokenizer.transform([*texts, LONG_TEXT]))
    for text, tokens in zip(texts, together[:-1], strict=True):
        assert tokens.tolist() == tokens_of(text)


@given(
    st.lists(
        st.text("aÿ\x00", min_size=1, max_size=40).map(lambda text: text * 7),
        min_size=1,
    )
)
def test_long_words_are_told_apart(texts):
    texts = [*texts, "ÿ" * 15, "ÿ" * 16, "ÿ" * 17, "\x00", LONG_TEXT]
    tokenizer = Tokenizer()
    assert as_lists(tokenizer.fit_transform(texts)) == one_by_one(tokenizer, texts)


@given(latin_texts)
@example(["".join(f"{chr(i)}a{chr(i)}" for i in range(256))])
@example(["ÿ" * n + " " for n in range(1, 20)])
@example([" ".join(map(str, range(50_000)))])
def test_compiled_functions_find_the_words_that_numpy_does(texts):
    texts = [*texts, LONG_TEXT, *texts]
    compiled, plain = Tokenizer(lowercase=False), Tokenizer(lowercase=False)
    found = as_lists(compiled.fit_transform(texts))
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("skrnn.native.words.IS_COMPILED", False)
        assert as_lists(plain.fit_transform(texts)) == found
        assert as_lists(plain.transform(texts)) == found
    assert list(plain.vocabulary_) == list(compiled.vocabulary_)


def test_more_words_than_are_remembered():
    words = [str(i) for i in range(300_000)]
    text = " ".join(words + words[::-1])
    tokenizer = Tokenizer()
    sequences = tokenizer.fit_transform([text])
    (tokens,) = tokenizer.inverse_transform(sequences)
    assert " ".join(tokens) == text
    np.testing.assert_array_equal(tokenizer.transform([text]).ids, sequences.ids)


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"analyzer": "char"},
        {"tokenizer": str.split},
        {"max_length": 3, "truncate": "head"},
        {"max_length": 3, "truncate": "tail"},
        {"max_length": 4, "truncate": "middle"},
    ],
)
@pytest.mark.parametrize("vocabulary", [None, ["the", "a", ",", "\x00", "é", "“"]])
def test_a_text_s_ids_do_not_depend_on_its_place(params, vocabulary):
    kinds = [
        *TEXTS,
        " ",
        "\n\x85\xa0\x1c",
        "a\nb\x00c\x1fd\re",
        "\x00",
        "Un été à Besançon, the end.",
        "“curly” quotes, i\u0308 and 👍🏽",
        "\ud800 the",
        "the " * 300,
    ]
    draw = np.random.RandomState(0)
    kind = draw.randint(len(kinds), size=4_000)
    tokenizer = Tokenizer(vocabulary=vocabulary, **params)
    together = as_lists(tokenizer.fit_transform([kinds[i] for i in kind]))
    alone = one_by_one(tokenizer, kinds)
    assert together == [alone[i] for i in kind]


@pytest.mark.parametrize("limits", [{"min_df": 2_000}, {"max_df": 0.5}])
def test_document_frequencies_of_many_texts(limits):
    texts = TEXTS * 1_000 + ["to sleep"] * 1_500
    tokenizer = Tokenizer(**limits).fit(texts)
    pattern = r"[^\W_]+|[^\w\s]|_"
    reference = CountVectorizer(token_pattern=pattern, **limits).fit(texts)
    assert set(tokenizer.vocabulary_) == set(reference.vocabulary_)


def test_fit_takes_less_memory_than_the_texts():
    draw = np.random.RandomState(0)
    numbers = draw.randint(10_000, 12_000, (100_000, 12))
    texts = [" ".join(map(str, row)) for row in numbers.tolist()]
    tracemalloc.start()
    Tokenizer().fit_transform(texts)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < sys.getsizeof(texts) + sum(map(sys.getsizeof, texts))


@pytest.mark.parametrize("vocabulary", [None, ["c", "a"]])
def test_ids_of_many_texts_stay_where_memory_is_given_back(vocabulary, monkeypatch):
    texts = ["a a b", "", "c " * 5_000, "b é"] * 50
    tokenizer = Tokenizer(vocabulary=vocabulary)
    expected = tokenizer.fit_transform(texts)
    monkeypatch.setattr("skrnn.encoding._IDS_GIVEN_BACK", 10_000)
    given = tokenizer.fit_transform(texts)
    np.testing.assert_array_equal(given.ids, expected.ids)
    np.testing.assert_array_equal(given.offsets, expected.offsets)
    assert given.ids.dtype == expected.ids.dtype


# Truncation


@pytest.mark.parametrize(
    ("params", "unused"),
    [
        ({"tokenizer": str.split, "token_pattern": "[a-z]+"}, ["token_pattern"]),
        ({"analyzer": "char", "token_pattern": "[a-z]+"}, ["token_pattern"]),
        ({"analyzer": "char", "tokenizer": str.split}, ["tokenizer"]),
        ({"tokenizer": str.split}, []),
        ({"token_pattern": "[a-z]+"}, []),
        ({"analyzer": "char"}, []),
    ],
)
def test_parameters_that_go_unused_are_told_of(params, unused):
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        Tokenizer(**params).fit(["a b"])
    assert [str(one.message).split("'")[1] for one in told] == unused


@pytest.mark.parametrize(
    ("truncate", "max_length", "tokens"),
    [
        ("head", 3, ["c", "d", "e"]),
        ("tail", 3, ["a", "b", "c"]),
        ("middle", 3, ["a", "b", "e"]),
        ("middle", 4, ["a", "b", "d", "e"]),
        ("middle", 1, ["a"]),
        ("head", 1, ["e"]),
        ("head", 5, ["a", "b", "c", "d", "e"]),
        ("tail", 9, ["a", "b", "c", "d", "e"]),
    ],
)
@pytest.mark.parametrize(
    ("text", "analyzer"), [("a b c d e", "word"), ("abcde", "char")]
)
def test_truncate_names_the_part_cut(text, analyzer, truncate, max_length, tokens):
    params = {"analyzer": analyzer, "max_length": max_length, "truncate": truncate}
    assert tokens_of(text, **params) == tokens


def test_the_middle_of_a_long_text_is_cut_by_estimators_and_its_head_otherwise():
    assert tokens_of("a b c d", max_length=2) == ["c", "d"]
    for estimator in (RNNTextClassifier(), RNNTextRegressor()):
        assert (estimator.max_length, estimator.truncate) == (600, "middle")


@pytest.mark.parametrize("analyzer", ["word", "char", str.split])
@pytest.mark.parametrize("truncate", ["head", "tail", "middle"])
@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.uint64])
def test_the_most_tokens_may_be_of_a_narrow_type(dtype, truncate, analyzer):
    params = {"truncate": truncate}
    params |= {"tokenizer": analyzer} if callable(analyzer) else {"analyzer": analyzer}
    texts = [" ".join(map(chr, range(97 + i, 110 + i))) * 300 for i in range(3)]
    texts += ["日本", "語"]
    plain = Tokenizer(max_length=100, **params)
    expected = plain.fit_transform(texts)
    cut = Tokenizer(max_length=dtype(100), **params).fit_transform(texts)
    whole = Tokenizer(vocabulary=plain.vocabulary_, **params).transform(texts)
    later = whole.cut(dtype(100), truncate)
    for one in (cut, later):
        for own, other in zip(one, expected, strict=True):
            np.testing.assert_array_equal(own, other)


@given(
    text=any_text.filter(str.strip),
    max_length=st.integers(1, 12),
    truncate=st.sampled_from(["head", "tail", "middle"]),
    analyzer=st.sampled_from(["word", "char"]),
)
def test_no_sequence_is_longer_than_max_length(text, max_length, truncate, analyzer):
    full = Tokenizer(analyzer=analyzer).fit_transform([text]).lengths
    cut = Tokenizer(analyzer=analyzer, max_length=max_length, truncate=truncate)
    np.testing.assert_array_equal(
        cut.fit_transform([text]).lengths, np.minimum(full, max_length)
    )


def test_tokens_cut_off_are_not_learned():
    tokenizer = Tokenizer(max_length=1, truncate="tail", min_df=2)
    tokenizer.fit(["a b", "a b", "c b"])
    assert list(tokenizer.vocabulary_) == ["a"]


# The vocabulary


def test_ids_by_falling_count_then_token():
    tokenizer = Tokenizer()
    sequences = tokenizer.fit_transform(["b a c c", "d b \x00"])
    assert tokenizer.vocabulary_ == {"b": 2, "c": 3, "\x00": 4, "a": 5, "d": 6}
    assert {type(i) for i in tokenizer.vocabulary_.values()} == {int}
    assert as_lists(sequences) == [[2, 5, 3, 3], [6, 2, 4]]
    assert sequences.ids.dtype == np.uint8


@pytest.mark.parametrize(
    ("n_tokens", "dtype"),
    [
        (1, np.uint8),
        (254, np.uint8),
        (255, np.uint16),
        (65_534, np.uint16),
        (65_535, np.int32),
    ],
)
def test_ids_take_the_smallest_type_for_the_vocabulary(n_tokens, dtype):
    words = [str(i) for i in range(n_tokens)]
    learned = Tokenizer().fit([" ".join(words)])
    for tokenizer in (learned, Tokenizer(vocabulary=words)):
        for texts in (["0"], [""], ["new", "0"], words):
            assert tokenizer.transform(texts).ids.dtype == dtype
        ids = tokenizer.fit_transform([" ".join(words)]).ids
        assert ids.dtype == dtype
        assert np.sort(ids).tolist() == list(range(2, n_tokens + 2))


def test_unknown_tokens_get_id_1():
    tokenizer = Tokenizer(max_features=1)
    sequences = tokenizer.fit_transform(["a a b"])
    assert as_lists(sequences) == [[2, 2, 1]]
    assert as_lists(tokenizer.transform(["", " ", "new a"])) == [[], [], [1, 2]]
    (tokens,) = tokenizer.inverse_transform(sequences)
    assert tokens.tolist() == ["a", "a", "[UNK]"]


@given(ascii_texts.flatmap(lambda texts: st.tuples(*[st.permutations(texts)] * 2)))
def test_vocabulary_does_not_depend_on_the_order_of_texts(orders):
    one, other = ([*texts, "x"] for texts in orders)
    vocabularies = [
        list(Tokenizer(max_features=5).fit(texts).vocabulary_.items())
        for texts in (one, other)
    ]
    assert vocabularies[0] == vocabularies[1]


def test_vocabulary_does_not_depend_on_the_hash_seed():
    program = (
        "from skrnn.tokenizer import Tokenizer\n"
        f"print(Tokenizer(max_features=20).fit({TEXTS!r}).vocabulary_)"
    )
    elsewhere = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONHASHSEED": "1"},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    # As text, since equal dicts may differ in order.
    assert elsewhere.strip() == str(Tokenizer(max_features=20).fit(TEXTS).vocabulary_)


document_frequency = st.one_of(st.integers(1, 4), st.floats(0, 1))


@given(
    texts=ascii_texts,
    min_df=document_frequency,
    max_df=document_frequency,
    lowercase=st.booleans(),
)
def test_learns_what_count_vectorizer_learns(texts, min_df, max_df, lowercase):
    params = {
        "token_pattern": r"[^\W_]+|[^\w\s]|_",
        "min_df": min_df,
        "max_df": max_df,
        "lowercase": lowercase,
    }
    tokenizer, reference = Tokenizer(**params), CountVectorizer(**params)
    texts = [*texts, "x"]
    try:
        counts = reference.fit_transform(texts).toarray()
    except ValueError as error:
        with pytest.raises(ValueError, match=re.escape(str(error))):
            tokenizer.fit(texts)
        return
    names = reference.get_feature_names_out()
    sequences = tokenizer.fit_transform(texts)
    assert set(tokenizer.vocabulary_) == set(names)
    columns = [tokenizer.vocabulary_[name] for name in names]
    for ids, row in zip(sequences, counts, strict=True):
        assert np.bincount(ids, minlength=len(names) + 2)[columns].tolist() == list(row)


def test_without_a_pattern_ascii_words_are_count_vectorizer_s():
    tokenizer = Tokenizer().fit(TEXTS)
    reference = CountVectorizer(token_pattern=r"[^\W_]+|[^\w\s]|_").fit(TEXTS)
    assert set(tokenizer.vocabulary_) == set(reference.vocabulary_)


def test_max_features_counts_after_pruning():
    texts = ["the the cat", "the dog", "the cat dog emu"]
    tokenizer = Tokenizer(max_features=1, min_df=2, max_df=2).fit(texts)
    assert tokenizer.vocabulary_ == {"cat": 2}


@pytest.mark.parametrize(
    ("params", "texts", "message"),
    [
        ({}, ["", " \n"], "empty vocabulary"),
        ({"token_pattern": "z"}, ["a"], "empty vocabulary.*`token_pattern`"),
        ({"min_df": 3}, ["a", "a", "b"], "After pruning, no terms remain"),
        ({"max_df": 0.5}, ["a", "a"], "After pruning, no terms remain"),
        (
            {"min_df": 3, "max_df": 2},
            ["a"] * 4,
            "< documents than min_df: at most 2, and at least 3 of",
        ),
    ],
)
def test_nothing_to_learn(params, texts, message):
    with pytest.raises(ValueError, match=message):
        Tokenizer(**params).fit(texts)


# A vocabulary given


@pytest.mark.parametrize(
    "vocabulary",
    [
        {"be": 3, "to": 2, "or": 4},
        ["to", "be", "or"],
        ("to", "be", "or"),
        np.array(["to", "be", "or"]),
        pd.Series(["to", "be", "or"]),
        {"to": None, "be": None, "or": None}.keys(),
    ],
)
def test_given_vocabulary_is_used_as_it_is(vocabulary):
    tokenizer = Tokenizer(vocabulary=vocabulary)
    unfitted = as_lists(tokenizer.transform(["to be new"]))
    assert unfitted == [[2, 3, 1]]
    assert not hasattr(tokenizer, "vocabulary_")
    assert as_lists(tokenizer.fit_transform(["new to be"])) == [[1, 2, 3]]
    assert list(tokenizer.vocabulary_.items()) == [("to", 2), ("be", 3), ("or", 4)]
    assert tokenizer.get_feature_names_out().tolist() == ["to", "be", "or"]


def test_given_set_is_sorted():
    tokenizer = Tokenizer(vocabulary={"b", "c", "a"})
    assert tokenizer.get_feature_names_out().tolist() == ["a", "b", "c"]


@pytest.mark.parametrize("lowercase", [True, False])
def test_upper_case_in_a_given_vocabulary(lowercase):
    tokenizer = Tokenizer(vocabulary=["Fine", "dull"], lowercase=lowercase)
    if lowercase:
        message = "Upper case characters found in vocab"
        for method in (tokenizer.fit, tokenizer.fit_transform):
            with pytest.warns(UserWarning, match=message) as caught:
                method(["Fine"])
            assert caught[0].filename == __file__
    else:
        tokenizer.fit(["Fine"])
    assert as_lists(tokenizer.transform(["Fine, dull"])) == [[2 - lowercase, 1, 3]]


def test_vocabulary_of_another_tokenizer():
    learned = Tokenizer().fit(TEXTS)
    given_one = Tokenizer(vocabulary=learned.vocabulary_).fit(["anything"])
    assert given_one.vocabulary_ == learned.vocabulary_
    assert as_lists(given_one.transform(TEXTS)) == as_lists(learned.transform(TEXTS))


def test_given_vocabulary_is_not_pruned():
    tokenizer = Tokenizer(vocabulary=["a", "b"], min_df=5, max_features=1)
    assert tokenizer.fit([""]).vocabulary_ == {"a": 2, "b": 3}


@pytest.mark.parametrize(
    ("vocabulary", "message"),
    [
        ([], "empty vocabulary: the vocabulary parameter should hold"),
        ({}, "empty vocabulary: the vocabulary parameter should hold"),
        (["a", "b", "a"], "Duplicate term in vocabulary: 'a'"),
        ({"a": 2, "b": 2}, "repeated indices: 2 is that of 'a' and 'b'"),
        ({"a": 0, "b": 1}, "Vocabulary of size 2 doesn't contain index 2"),
        ({"a": 2, "b": 4}, "Vocabulary of size 2 doesn't contain index 3"),
        (["a", 3], "vocabulary parameter must be str, got 3"),
        ({"a", 3}, "vocabulary parameter must be str, got 3"),
        ({"a": 2, None: 3}, "vocabulary parameter must be str, got None"),
        (3, "'vocabulary' parameter of Tokenizer"),
        ((token for token in "ab"), "'vocabulary' parameter of Tokenizer"),
    ],
)
def test_bad_vocabulary(vocabulary, message):
    tokenizer = Tokenizer(vocabulary=vocabulary)
    with pytest.raises(ValueError, match=message):
        tokenizer.fit(["a"])
    with pytest.raises(ValueError, match=message):
        tokenizer.transform(["a"])


# There and back


@given(st.lists(any_text, min_size=1).map(lambda texts: [*texts, "a"]))
def test_known_tokens_come_back(texts):
    tokenizer = Tokenizer(lowercase=False)
    sequences = tokenizer.fit_transform(texts)
    tokens = tokenizer.inverse_transform(sequences)
    assert ["".join(one) for one in tokens] == ["".join(t.split()) for t in texts]
    assert {one.dtype for one in tokens} == {np.dtype(object)}


@given(
    texts=ascii_texts,
    analyzer=st.sampled_from(["word", "char"]),
    max_features=st.sampled_from([None, 3]),
    max_length=st.sampled_from([None, 3]),
)
def test_fit_transform_is_fit_then_transform(texts, analyzer, max_features, max_length):
    texts = [*texts, "a"]
    tokenizer = Tokenizer(
        analyzer=analyzer, max_features=max_features, max_length=max_length
    )
    at_once = tokenizer.fit_transform(texts)
    later = clone(tokenizer).fit(texts).transform(texts)
    np.testing.assert_array_equal(at_once.ids, later.ids)
    np.testing.assert_array_equal(at_once.offsets, later.offsets)
    assert at_once.ids.dtype == later.ids.dtype == np.uint8


def test_padding_comes_back_as_such():
    tokenizer = Tokenizer(vocabulary=["a"])
    (tokens,) = tokenizer.inverse_transform(Sequences.from_lists([[0, 1, 2]]))
    assert tokens.tolist() == ["[PAD]", "[UNK]", "a"]


def test_feature_names_are_the_tokens_by_id():
    tokenizer = Tokenizer().fit(TEXTS)
    names = tokenizer.get_feature_names_out()
    assert names.dtype == object
    assert all(tokenizer.vocabulary_[name] == i + 2 for i, name in enumerate(names))


# The scikit-learn contract


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("lowercase", "yes"),
        ("strip_accents", "latin"),
        ("analyzer", "char_wb"),
        ("tokenizer", "split"),
        ("token_pattern", 3),
        ("token_pattern", "(unclosed"),
        ("max_features", 0),
        ("min_df", 0),
        ("min_df", 1.5),
        ("max_df", -0.5),
        ("max_length", 0),
        ("max_length", 2.5),
        ("truncate", "end"),
    ],
)
def test_bad_parameters_are_named(name, value):
    with pytest.raises(ValueError, match=f"{name}.* parameter|The {name} parameter"):
        Tokenizer(**{name: value}).fit(TEXTS)
    with pytest.raises(ValueError, match=name):
        Tokenizer(vocabulary=["a"], **{name: value}).transform(TEXTS)


@pytest.mark.parametrize(
    "parameter",
    [
        {"lowercase": "no"},
        {"analyzer": "words"},
        {"strip_accents": "uni"},
        {"truncate": "left"},
        {"max_length": -1},
        {"max_length": 2.5},
        {"tokenizer": "split"},
        {"token_pattern": 3},
    ],
)
def test_bad_parameters_are_named_after_a_fit_and_without_one(parameter):
    (name,) = parameter
    with pytest.raises(ValueError, match=f"The '{name}' parameter"):
        Tokenizer().fit(TEXTS).set_params(**parameter).transform(TEXTS)
    with pytest.raises(ValueError, match=f"The '{name}' parameter"):
        Tokenizer(**parameter).build_analyzer()


def test_one_group_in_a_token_pattern_at_most():
    with pytest.raises(ValueError, match="More than 1 capturing group"):
        Tokenizer(token_pattern=r"(\w)(\d)").fit(TEXTS)


@pytest.mark.parametrize("vocabulary", [None, ["fine", "dull"]])
@pytest.mark.parametrize(
    ("given", "kind"),
    [([1, 2], "int"), ([b"fine"], "bytes"), ([["fine"]], "list"), (None, "NoneType")],
)
def test_tokens_must_be_str(given, kind, vocabulary):
    tokenizer = Tokenizer(tokenizer=lambda text: given, vocabulary=vocabulary)
    with pytest.raises(TypeError, match=f"tokens of type str, got {kind}"):
        tokenizer.fit(TEXTS)


@pytest.mark.parametrize("given", [None, b"fine", ["fine"]])
def test_a_text_without_accents_must_be_str(given):
    tokenizer = Tokenizer(strip_accents=lambda text: given)
    with pytest.raises(TypeError, match="strip_accents callable must return a str"):
        tokenizer.fit(TEXTS)


def test_a_str_is_no_vocabulary():
    with pytest.raises(ValueError, match="got the str 'vocabulary'"):
        Tokenizer(vocabulary="vocabulary").fit(TEXTS)


def test_texts_are_checked():
    tokenizer = Tokenizer().fit(pd.Series(TEXTS))
    for method in (tokenizer.fit, tokenizer.fit_transform, tokenizer.transform):
        with pytest.raises(ValueError, match="wrap it in a list"):
            method("one text")


def test_a_failed_fit_changes_nothing():
    tokenizer = Tokenizer().fit(TEXTS)
    before = dict(tokenizer.vocabulary_)
    with pytest.raises(ValueError, match="empty vocabulary"):
        tokenizer.fit([""])
    assert tokenizer.vocabulary_ == before


@pytest.mark.parametrize(
    "use",
    [
        lambda tokenizer: tokenizer.transform(TEXTS),
        lambda tokenizer: tokenizer.inverse_transform(Sequences.from_lists([[2]])),
        lambda tokenizer: tokenizer.get_feature_names_out(),
        check_is_fitted,
    ],
)
def test_not_fitted(use):
    with pytest.raises(NotFittedError):
        use(Tokenizer())
    use(Tokenizer(vocabulary=["a"]))
    use(Tokenizer().fit(TEXTS))


def test_tags():
    tags = get_tags(Tokenizer())
    assert tags.input_tags.string and tags.input_tags.one_d_array
    assert not tags.input_tags.two_d_array
    assert tags.requires_fit
    assert not get_tags(Tokenizer(vocabulary=["a"])).requires_fit


def test_clone_and_pickle():
    tokenizer = Tokenizer(max_features=9, strip_accents="unicode").fit(TEXTS)
    assert clone(tokenizer).get_params() == tokenizer.get_params()
    assert not hasattr(clone(tokenizer), "vocabulary_")
    loaded = pickle.loads(pickle.dumps(tokenizer))
    assert as_lists(loaded.transform(TEXTS)) == as_lists(tokenizer.transform(TEXTS))


def test_no_text_stays_in_the_pickle():
    tokenizer = Tokenizer(max_features=2).fit(TEXTS)
    assert vars(tokenizer).keys() - tokenizer.get_params().keys() == {"vocabulary_"}
    assert b"outrageous" not in pickle.dumps(tokenizer)


def test_in_a_pipeline():
    pipeline = make_pipeline(Tokenizer(), FunctionTransformer(Sequences.padded))
    matrix = pipeline.fit_transform(TEXTS)
    assert matrix.shape == (len(TEXTS), 13)
    np.testing.assert_array_equal(pipeline.transform(TEXTS), matrix)


def test_on_a_column_of_a_data_frame():
    frame = pd.DataFrame({"text": TEXTS, "number": range(len(TEXTS))})
    padded = make_pipeline(Tokenizer(), FunctionTransformer(Sequences.padded))
    both = make_column_transformer((padded, "text"), ("passthrough", ["number"]))
    matrix = both.fit_transform(frame)
    np.testing.assert_array_equal(matrix[:, :-1], padded.fit_transform(TEXTS))


@pytest.mark.parametrize("ids", [[-1], [1, 4], [0, 10**6]])
def test_ids_of_no_token_are_refused(ids):
    tokenizer = Tokenizer(vocabulary=["a", "b"])
    assert [one.tolist() for one in tokenizer.inverse_transform([[2, 3], []])] == [
        ["a", "b"],
        [],
    ]
    with pytest.raises(ValueError, match="ids should be from 0 to 3"):
        tokenizer.inverse_transform([[2], ids])


@pytest.mark.parametrize("sequences", [[2, 3], "abc", [[2.5]], [[[2], [3]]]])
def test_ids_that_are_no_list_for_each_text(sequences):
    tokenizer = Tokenizer().fit(["a b c d"])
    with pytest.raises(
        ValueError, match="should hold a list of whole numbers for each"
    ):
        tokenizer.inverse_transform(sequences)
