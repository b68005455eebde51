"""Settings: where they come from, and that a wrong one is named with its place."""

from pathlib import Path

import pytest

from recnews.config import Settings, home_folder, load_settings
from recnews.errors import SettingsError, StorageError


def test_defaults(tmp_path: Path) -> None:
    assert load_settings(tmp_path, {}) == Settings()


def test_file_then_environment(tmp_path: Path) -> None:
    (tmp_path / "recnews.toml").write_text("[feed]\ndiversity = 0.7\nhistory = 50\n[text]\nhmm = false\n")
    found = load_settings(tmp_path, {"RECNEWS_FEED__DIVERSITY": "0.3", "RECNEWS_TEXT__STOP_WORDS": "no", "OTHER": "x"})
    assert (found.feed.diversity, found.feed.history) == (0.3, 50)
    assert (found.text.hmm, found.text.stop_words) == (False, False)


def test_the_home_variable_is_no_setting(tmp_path: Path) -> None:
    assert load_settings(tmp_path, {"RECNEWS_HOME": "/somewhere"}) == Settings()


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("[feed]\ndiversity = 7\n", "feed.diversity"), ("[feed]\ndiversty = 0.2\n", "feed.diversty"),
        ("[fed]\n", "fed"), ("feed = 3\n", "feed"), ("[embedding]\ndim = 'many'\n", "embedding.dim"),
        ("[text]\ntokenizer = 'mecab'\n", "text.tokenizer"), ("[feed]\nhalf_life_days = nan\n", "feed.half_life_days"),
    ],
)  # fmt: skip
def test_a_wrong_setting_names_file_and_key(tmp_path: Path, text: str, field: str) -> None:
    (tmp_path / "recnews.toml").write_text(text)
    with pytest.raises(SettingsError, match=rf"recnews\.toml: setting '{field}'"):
        load_settings(tmp_path, {})


@pytest.mark.parametrize(
    ("name", "field"),
    [("RECNEWS_FEED__DIVERSITY", "feed.diversity"), ("RECNEWS_FED__X", "fed"), ("RECNEWS_FEED__X", "feed.x")],
)
def test_a_wrong_variable_names_its_key(tmp_path: Path, name: str, field: str) -> None:
    with pytest.raises(SettingsError, match=f"environment: setting '{field}'"):
        load_settings(tmp_path, {name: "lots"})


def test_a_file_that_is_not_toml(tmp_path: Path) -> None:
    (tmp_path / "recnews.toml").write_text("feed: {}\n")
    with pytest.raises(SettingsError, match="is not TOML"):
        load_settings(tmp_path, {})


@pytest.mark.parametrize("how", ["folder", "not utf-8"])
def test_a_file_that_cannot_be_read(tmp_path: Path, how: str) -> None:
    file = tmp_path / "recnews.toml"
    if how == "folder":
        file.mkdir()
    else:
        file.write_bytes(b"\xff\xfe")
    with pytest.raises(StorageError, match=r"recnews\.toml: cannot be read"):
        load_settings(tmp_path, {})


def test_overriding() -> None:
    changed = Settings().override("embedding", dim=64, epochs=None)
    assert (changed.embedding.dim, changed.embedding.epochs) == (64, Settings().embedding.epochs)
    assert Settings().embedding.dim != 64
    with pytest.raises(SettingsError, match=r"command line: setting 'embedding\.dim'"):
        Settings().override("embedding", dim=1)


def test_the_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert home_folder(None) == tmp_path
    assert home_folder("a/b") == tmp_path / "a" / "b"
    monkeypatch.setenv("HOME", "/home/ann")
    assert home_folder("~/news") == Path("/home/ann/news")
    monkeypatch.setenv("RECNEWS_HOME", "/srv/news")
    assert home_folder(None) == Path("/srv/news")
    assert home_folder("/given") == Path("/given")
