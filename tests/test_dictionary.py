"""The user dictionary: a file people may edit by hand, and commands that edit it."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recnews.errors import StorageError, UnreadableFileError, UsageError
from recnews.text import DictionaryWord, UserDictionary, parse_word


@pytest.fixture
def dictionary(tmp_path: Path) -> UserDictionary:
    return UserDictionary(tmp_path / "corpora" / "dictionary.txt")


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("云边协同", DictionaryWord("云边协同")),
        ("云边协同 1000", DictionaryWord("云边协同", 1000)),
        ("云边协同 n", DictionaryWord("云边协同", None, "n")),
        ("  云边协同\t1000 nz ", DictionaryWord("云边协同", 1000, "nz")),
        ("Ｃ罗", DictionaryWord("c罗")),
    ],
)
def test_a_line(line: str, expected: DictionaryWord) -> None:
    assert parse_word(line) == expected
    assert parse_word(expected.line()) == expected


def test_a_line_with_too_much_names_file_and_line() -> None:
    with pytest.raises(UsageError, match=r"words\.txt:7: .*cannot contain a space"):
        parse_word("big data cloud edge", "words.txt", 7)


def test_a_line_without_a_word_names_file_and_line() -> None:
    with pytest.raises(UsageError, match=r"words\.txt:7: 'https://example\.com' holds no word"):
        parse_word("https://example.com", "words.txt", 7)


def test_no_file_is_an_empty_dictionary(dictionary: UserDictionary) -> None:
    assert dictionary.words() == ()
    assert not dictionary.remove("云边协同")
    assert not dictionary.path.exists()


def test_add_replace_remove(dictionary: UserDictionary) -> None:
    assert dictionary.add(DictionaryWord("云边协同"))
    assert dictionary.add(DictionaryWord("c罗", 10, "nr"))
    assert not dictionary.add(DictionaryWord("云边协同"))
    assert dictionary.add(DictionaryWord("云边协同", 500))
    assert dictionary.path.read_text(encoding="utf-8") == "云边协同 500\nc罗 10 nr\n"
    assert dictionary.remove("Ｃ罗"), "written another way, the same word"
    assert not dictionary.remove("c罗")
    assert dictionary.words() == (DictionaryWord("云边协同", 500),)
    assert os.listdir(dictionary.path.parent) == ["dictionary.txt"], "no temporary file is left"  # noqa: PTH208


def test_blank_lines_are_passed_over_and_lines_are_counted(dictionary: UserDictionary) -> None:
    dictionary.path.parent.mkdir()
    dictionary.path.write_text("云边协同\n\n   \nc罗 nr\n", encoding="utf-8")
    assert [word.word for word in dictionary.words()] == ["云边协同", "c罗"]
    dictionary.path.write_text("云边协同\n\na b c d\n", encoding="utf-8")
    with pytest.raises(UsageError, match=r"dictionary\.txt:3:"):
        dictionary.words()


def test_a_file_that_is_not_utf_8_is_named(dictionary: UserDictionary) -> None:
    dictionary.path.parent.mkdir()
    dictionary.path.write_bytes("云边协同\n".encode("gbk"))
    with pytest.raises(UnreadableFileError, match=r"dictionary\.txt: cannot be read as UTF-8"):
        dictionary.words()


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match=r"dictionary\.txt: cannot be written"):
        UserDictionary(tmp_path / "file" / "dictionary.txt")._write([])


words = st.builds(
    DictionaryWord,
    st.text(st.sampled_from("云边协同abc罗0"), min_size=1, max_size=6),
    st.none() | st.integers(1, 10**6),
    st.none() | st.sampled_from(["n", "nr"]),
)


@given(words)
def test_a_line_reads_back_as_the_word_it_was_written_from(word: DictionaryWord) -> None:
    assert parse_word(word.line()) == word
