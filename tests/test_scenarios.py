"""Items that are no news go through the same commands; the page that says so is followed to the letter."""

import csv
import json
import random
import re
from datetime import timedelta
from pathlib import Path

import pytest

from recnews import Newsroom
from recnews.cli import common
from recnews.config import load_settings
from tests.test_readme import ROOT, SMALL, commands, typed
from tests.worlds import NOW, TOPICS

PAGE = (ROOT / "docs" / "scenarios.md").read_text(encoding="utf-8")
GENRES = ("sailing", "cooking", "足球", "航天")
EACH = 12
VIEWERS = 48


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Films of four genres, and viewers who each keep to one."""
    draw = random.Random(1)
    with (tmp_path / "films.csv").open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["movieId", "title", "overview", "genre"])
        for number in range(EACH * len(GENRES)):
            genre = GENRES[number % len(GENRES)]
            words = ", ".join(draw.choices(TOPICS[genre], k=20))
            rows.writerow([number, f"Film {number}", words, genre])
    with (tmp_path / "ratings.csv").open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["userId", "movieId", "rating", "timestamp"])
        for viewer in range(VIEWERS):
            films = range(viewer % len(GENRES), EACH * len(GENRES), len(GENRES))
            for place, film in enumerate(draw.sample(films, 6)):
                at = NOW - timedelta(days=40 + 5 * place)
                rows.writerow([viewer, film, draw.choice([3, 4, 4.5, 5]), at.isoformat()])
    [settings] = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    (tmp_path / "films").mkdir()
    (tmp_path / "films" / "recnews.toml").write_text(settings, encoding="utf-8")
    for name, value in SMALL.items():
        monkeypatch.setenv(f"RECNEWS_EMBEDDING__{name.upper()}", str(value))
    monkeypatch.chdir(tmp_path)
    common.set_home(None)
    return tmp_path


def test_films_are_recommended_as_the_page_says(desk: Path) -> None:
    told = commands(PAGE)
    assert [line.split()[3] for line in told] == ["ingest", "events", "train", "recommend", "neighbors"]
    for line in told:
        typed(line)
    for viewer in range(VIEWERS):
        answer = json.loads(typed(f"recnews --home films recommend --user {viewer} -n 3 --json"))
        genres = {item["category"] for item in answer["recommendations"]}
        assert genres == {GENRES[viewer % len(GENRES)]}, f"viewer {viewer}"


def test_a_rating_is_how_much_a_film_counts(desk: Path) -> None:
    for line in commands(PAGE)[:3]:
        typed(line)
    with Newsroom.open(desk / "films", load_settings(desk / "films")) as newsroom:
        for genre, weight in ((0, 5.0), (1, 1.0)):
            for film in range(genre, 4 * len(GENRES), len(GENRES)):
                newsroom.record("mixed", str(film), weight=weight)
        first = newsroom.recommend("mixed", 1)[0]
    assert first.category == GENRES[0]
