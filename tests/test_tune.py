"""Weights chosen on a log: found where they help, confirmed on other readers, written without loss."""

import json
import random
from datetime import timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from recnews.cli import app, common
from recnews.config import load_settings
from recnews.errors import SettingsError, UsageError
from recnews.evaluate.feeds import Plan
from recnews.evaluate.tune import for_log, tune
from recnews.records import Draft, EventDraft
from recnews.settings_file import update_settings
from tests.worlds import CHINESE, NOW, article, read, small_settings

DAYS = 20
VALUES = {"freshness": (0.0, 3.0), "diversity": (0.0, 0.2)}


def world() -> tuple[list[Draft], list[EventDraft]]:
    """Every day brings an article of each topic, and all read the newest one, whatever it is about: only freshness can
    find it."""
    draw, topics = random.Random(1), list(CHINESE)
    drafts = [
        article(topic, day, NOW - timedelta(days=DAYS - day, minutes=place))
        for day in range(DAYS)
        for place, topic in enumerate(draw.sample(topics, len(topics)))
    ]
    newest = {
        day: max((d for d in drafts if d.key.endswith(f"-{day}")), key=lambda d: str(d.published_at))
        for day in range(DAYS)
    }
    events = [
        read(f"reader {number}", newest[day].key, NOW - timedelta(days=DAYS - day) + timedelta(minutes=1 + number))
        for number in range(24)
        for day in range(DAYS)
        if draw.random() < 0.6
    ]
    return drafts, events


@pytest.fixture(scope="module")
def material() -> tuple[list[Draft], list[EventDraft]]:
    return world()


def test_the_weight_that_finds_what_is_read_is_found(material: tuple[list[Draft], list[EventDraft]]) -> None:
    settings = small_settings().override("feed", freshness=0.0, exploration=0.0)
    plan = for_log(Plan(*material, settings, k=3))
    found = tune(plan, values=VALUES)
    assert plan.protocol == "time"
    assert found.settings["freshness"] == 3.0
    assert found.better
    assert found.gain.low > 0
    assert found.confirmed_on[1] > found.confirmed_on[0]
    assert found.gain.value == pytest.approx(found.confirmed_on[1] - found.confirmed_on[0])


def test_nothing_is_found_where_nothing_helps(material: tuple[list[Draft], list[EventDraft]]) -> None:
    plan = for_log(Plan(*material, small_settings().override("feed", freshness=3.0, exploration=0.0), k=3))
    found = tune(plan, values={"freshness": (3.0, 0.0)})
    assert not found.settings
    assert not found.better


def test_a_log_without_times_is_asked_for_each_readers_last_article(
    material: tuple[list[Draft], list[EventDraft]],
) -> None:
    drafts, events = material
    timeless = [EventDraft(event.user_id, event.key) for event in events]
    assert for_log(Plan(drafts, timeless, small_settings())).protocol == "leave-one-out"


def test_one_reader_cannot_choose(material: tuple[list[Draft], list[EventDraft]]) -> None:
    drafts, events = material
    alone = [event for event in events if event.user_id == "reader 1"]
    with pytest.raises(UsageError):
        tune(for_log(Plan(drafts, alone, small_settings())))


def test_the_command_writes_what_it_found(
    material: tuple[list[Draft], list[EventDraft]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drafts, events = material
    rows = [{"id": d.key, "title": d.title, "body": d.body, "published_at": str(d.published_at)} for d in drafts]
    log = [{"user": e.user_id, "article": e.key, "at": str(e.at)} for e in events]
    for name, lines in (("articles", rows), ("events", log)):
        (tmp_path / f"{name}.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines), encoding="utf-8")
    embedding = "".join(
        f"{name} = {value!r}\n".replace("'", '"') for name, value in small_settings().embedding.model_dump().items()
    )
    file = tmp_path / "recnews.toml"
    file.write_text(f"# ours\n[embedding]\n{embedding}\n[feed]\nfreshness = 0.0  # why not\n", encoding="utf-8")
    monkeypatch.setattr("recnews.evaluate.tune.VALUES", VALUES)
    common.set_home(None)
    typed = ["--home", str(tmp_path), "tune", "-k", "3"]
    typed += ["--articles", str(tmp_path / "articles.jsonl"), "--events", str(tmp_path / "events.jsonl")]
    before = file.read_text(encoding="utf-8")
    tried = CliRunner().invoke(app, [*typed, "--dry-run"], catch_exceptions=False)
    assert tried.exit_code == 0, tried.output
    assert file.read_text(encoding="utf-8") == before
    done = CliRunner().invoke(app, typed, catch_exceptions=False)
    assert f"written to {file}" in done.output
    after = file.read_text(encoding="utf-8")
    assert "# ours" in after
    assert "# why not" in after
    assert load_settings(tmp_path, {}).feed.freshness == 3.0


def test_settings_are_only_written_into_a_file_that_holds_settings(tmp_path: Path) -> None:
    (tmp_path / "recnews.toml").write_text("[feed]\nfresh = 1\n", encoding="utf-8")
    with pytest.raises(SettingsError, match="fresh"):
        update_settings(tmp_path, "feed", {"freshness": 0.2})
    assert (tmp_path / "recnews.toml").read_text(encoding="utf-8") == "[feed]\nfresh = 1\n"


def test_a_home_without_a_settings_file_gets_one(tmp_path: Path) -> None:
    assert update_settings(tmp_path, "feed", {"freshness": 0.2, "interests": 3}) == tmp_path / "recnews.toml"
    assert load_settings(tmp_path, {}).feed.freshness == 0.2
    assert load_settings(tmp_path, {}).feed.interests == 3
