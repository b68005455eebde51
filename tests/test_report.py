"""Evaluations kept in a home, and the pages and pictures made of them."""

import json
from datetime import UTC, datetime
from pathlib import Path
from shutil import copytree
from typing import Any

import pytest

from recnews.errors import UsageError
from recnews.evaluate.report import html
from recnews.evaluate.runs import keep, kept_runs, read_run
from recnews.newsroom import Newsroom
from recnews.records import Draft
from recnews.store import STORE_FILE
from tests.cli_world import run
from tests.conftest import database
from tests.scale.postgres import Postgres

AT = datetime(2026, 5, 1, tzinfo=UTC)


def feeds(value: float, method: str = "recnews") -> dict[str, Any]:
    """An evaluation as `evaluate feeds --json` writes it."""
    figures = {"hit@10": {"value": value, "low": value - 0.1, "high": value + 0.1, "n": 9},
               "coverage": {"value": 0.5, "low": None, "high": None, "n": 9}}  # fmt: skip
    return {
        "evaluation": "feeds", "recnews": "0", "protocol": "time", "about": "about <b>", "seed": 1, "interval": "95%",
        "settings": {"feed": {"freshness": 0.1}}, "seconds": {method: {"fit": 1.0, "ask": 2.0}},
        "views": [{"name": "readers", "methods": [{"method": method, "figures": figures, "recnews_minus": {}}]}],
        "questions": {"reader": ["abc"]},
    }  # fmt: skip


def test_a_run_is_kept_without_its_questions(trained: Path, tmp_path: Path) -> None:
    home = Path(copytree(trained, tmp_path / "home"))
    assert keep(tmp_path / "nothing", feeds(0.5), AT) is None
    file = keep(home, feeds(0.5), AT)
    assert file is not None
    assert "abc" not in file.read_text(encoding="utf-8")
    (file.parent / "20990101-torn.json").write_text("{", encoding="utf-8")
    [found] = kept_runs(home)
    assert (found.kind, found.at[:10], found.generation) == ("feeds", "2026-05-01", "g000001")
    assert found.parts()["readers"]["recnews"]["hit@10"].value == 0.5
    for text in ("{}", "[]", '{"evaluation": "other"}', '{"evaluation": "feeds"}'):
        (tmp_path / "x.json").write_text(text, encoding="utf-8")
        with pytest.raises(UsageError, match="holds no evaluation"):
            read_run(tmp_path / "x.json")


def test_a_page_holds_all_and_nothing_hostile(tmp_path: Path) -> None:
    file = tmp_path / "run.json"
    file.write_text(json.dumps(feeds(0.25, "<script>")), encoding="utf-8")
    page = html(read_run(file), "zh")
    assert '<html lang="zh-Hans">' in page
    assert "default-src 'none'" in page
    assert ".250 .150-.350" in page
    assert 'width="71.4"' in page  # .25 of .35, the longest there is
    assert "<script" not in page
    assert "about &lt;b&gt;" in page
    assert "http" not in page.replace("http-equiv", "")


@pytest.mark.scale
def test_a_run_is_kept_where_the_store_is_on_a_server(postgres: Postgres, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    with database(postgres, "template1") as address:
        (home / "recnews.toml").write_text(f'store = "{address}"\n', encoding="utf-8")
        with Newsroom.open(home) as newsroom:
            newsroom.ingest([Draft("a", "球员 进球")])
        assert keep(home, feeds(0.5), AT) is not None
        assert not (home / "corpora" / STORE_FILE).exists()
    [found] = kept_runs(home)
    assert found.kind == "feeds"


def test_reports_by_the_command_line(trained: Path, tmp_path: Path) -> None:
    home = Path(copytree(trained, tmp_path / "home"))
    assert "no evaluation is kept" in run(home, "report").stdout
    page = tmp_path / "page.html"
    assert "no evaluation is kept" in run(home, "report", "--html", str(page), code=2).stderr
    keep(home, feeds(0.5), AT)
    assert "20260501T" in run(home, "report").stdout
    run(home, "report", "--html", str(page))
    before = page.read_bytes()
    told = run(home, "report", "--html", str(page), code=2).stderr
    assert "exists already; name a new file" in told
    assert page.read_bytes() == before
    pytest.importorskip("matplotlib")
    run(home, "report", "--plot", str(tmp_path / "p.svg"))
    assert (tmp_path / "p.svg").read_text(encoding="utf-8").startswith("<?xml")
    assert "ends in" in run(home, "report", "--plot", str(tmp_path / "p.gif"), code=2).stderr


def test_an_evaluation_in_a_home_is_kept(trained: Path, tmp_path: Path) -> None:
    home = Path(copytree(trained, tmp_path / "home"))
    words = ("evaluate", "similarity", "--baselines", "none", "--epochs", "1", "--min-chars", "1", "--dim", "8")
    assert "kept as" in run(home, *words).stderr
    [found] = kept_runs(home)
    assert found.kind == "similarity"
    assert "trained on" in html(found)
