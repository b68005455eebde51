"""Categories of articles that carry none: predicted right, marked as predicted, and never over a given one."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from recnews.categories import Categories, calibration_error, fit
from recnews.config import CategorySettings, Settings
from recnews.errors import DamagedGenerationError, UnknownArticleError, UsageError
from recnews.newsroom import Newsroom
from recnews.records import Article, Draft, Float32, Guess
from tests.cli_world import ROOT, answer, run
from tests.test_generations import cut, flip
from tests.worlds import CHINESE, DAY, NOW, article, articles, corpus, read, small

TOPICS = tuple(CHINESE)
GIVEN, WITHOUT = 25, 5
SETTINGS = Settings(embedding=small(), categories=CategorySettings(min_articles=10, min_total=40))


def without(draft: Draft) -> Draft:
    return replace(draft, category="")


def world() -> list[Draft]:
    """Of each topic 25 articles that carry their category, and 5 that do not."""
    return [
        draft if int(draft.key.split("-")[1]) < GIVEN else without(draft) for draft in articles(TOPICS, GIVEN + WITHOUT)
    ]


LACKING = [f"{topic}-{number}" for topic in TOPICS for number in range(GIVEN, GIVEN + WITHOUT)]


@pytest.fixture(scope="module")
def learned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("learned")
    with Newsroom.open(home, SETTINGS) as newsroom:
        newsroom.ingest(world())
        newsroom.train()
    return home


@pytest.fixture
def home(learned: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(learned, tmp_path / "home"))


@pytest.fixture
def newsroom(home: Path) -> Iterator[Newsroom]:
    with Newsroom.open(home, SETTINGS) as opened:
        yield opened


def topic_of(found: Article) -> str:
    return found.key.split("-")[0]


def servable(newsroom: Newsroom, category: str) -> set[str]:
    """Keys that a feed of one category may show."""
    from recnews.servable import Filter

    _, catalog = newsroom.serving.current()
    ids = catalog.servable(NOW, Filter(categories=(category,))).ids().tolist()
    return {card.key for card in newsroom.store.articles.cards(ids).values()}


# What a home does


def test_articles_without_a_category_get_one(newsroom: Newsroom) -> None:
    for key in LACKING:
        found = newsroom.article(key)
        assert found.category == topic_of(found)
        assert found.category_probability is not None
        assert 0.6 <= found.category_probability <= 1
    given = newsroom.article("足球-0")
    assert (given.category, given.category_probability) == ("足球", None)
    assert newsroom.verify() == []


def test_a_feed_of_a_category_holds_predicted_ones(newsroom: Newsroom) -> None:
    keys = {item.key for item in newsroom.recommend("ann", 100, at=NOW + 30 * DAY, categories=["航天"])}
    assert keys == {f"航天-{number}" for number in range(GIVEN + WITHOUT)}


def test_lists_and_cards_mark_predicted_ones(newsroom: Newsroom) -> None:
    found = newsroom.articles(100, category="航天")
    assert {it.key for it in found} == {f"航天-{number}" for number in range(GIVEN + WITHOUT)}
    assert {it.key for it in found if it.category_probability is not None} == {it for it in LACKING if "航天" in it}
    ids = newsroom.store.articles.ids(["航天-0", "航天-29"])
    plain, served = (newsroom.store.articles.cards(ids.values(), name) for name in ("", "g000001"))
    assert (plain[ids["航天-29"]].category, served[ids["航天-29"]].category) == ("", "航天")
    assert served[ids["航天-29"]].category_probability == newsroom.article("航天-29").category_probability
    assert served[ids["航天-0"]].category_probability is None


def test_what_comes_later_gets_one_at_ingest(newsroom: Newsroom) -> None:
    newsroom.ingest(
        [without(article("医疗", 70)), replace(article("医疗", 71), category="专栏"), *corpus(["xyzzy plugh"])]
    )
    found = newsroom.article("医疗-70")
    assert found.category == "医疗"
    assert found.category_probability is not None
    own = newsroom.article("医疗-71")
    assert (own.category, own.category_probability) == ("专栏", None)
    nothing = newsroom.article("text-0")
    assert (nothing.category, nothing.category_probability) == ("", None), "no word of it is known"
    assert "医疗-70" in servable(newsroom, "医疗")
    assert "医疗-71" not in servable(newsroom, "医疗")
    assert newsroom.verify() == []


def test_a_changed_text_is_predicted_anew(newsroom: Newsroom) -> None:
    key = LACKING[0]
    newsroom.ingest([replace(without(article("金融", 60)), key=key)])
    assert newsroom.article(key).category == "金融"


def test_a_publisher_who_gives_a_category_and_takes_it_away(newsroom: Newsroom) -> None:
    draft = article("金融", GIVEN)
    newsroom.ingest([replace(draft, category="财经")])
    found = newsroom.article(draft.key)
    assert (found.category, found.category_probability) == ("财经", None)
    assert draft.key in servable(newsroom, "财经")
    newsroom.ingest([without(draft), without(article("金融", 0))])
    for key in (draft.key, "金融-0"):
        again = newsroom.article(key)
        assert again.category == "金融"
        assert again.category_probability is not None
        assert key in servable(newsroom, "金融")


def test_editors_go_over_everything(newsroom: Newsroom) -> None:
    newsroom.editors.categorize(["足球-0", LACKING[0]], " 专栏 ")
    for key in ("足球-0", LACKING[0]):
        found = newsroom.article(key)
        assert (found.category, found.category_probability) == ("专栏", None)
    assert servable(newsroom, "专栏") == {"足球-0", LACKING[0]}
    newsroom.ingest([replace(article("足球", 0), category="体育", body="新的正文")])
    assert newsroom.article("足球-0").category == "专栏", "it survives an ingest"
    newsroom.editors.categorize(["足球-0", LACKING[0]], None)
    assert newsroom.article("足球-0").category == "体育"
    assert newsroom.article(LACKING[0]).category_probability is not None
    with pytest.raises(UnknownArticleError):
        newsroom.editors.categorize(["足球-1", "none"], "专栏")
    with pytest.raises(UsageError, match="a category needs a name"):
        newsroom.editors.categorize(["足球-1"], "  ")
    assert newsroom.article("足球-1").category == "足球"


def test_what_editors_say_is_learned(newsroom: Newsroom) -> None:
    newsroom.editors.categorize([f"足球-{number}" for number in range(GIVEN)], "体育")
    assert newsroom.article(LACKING[0]).category == "足球"
    made = newsroom.train()
    assert set(made.manifest.categories["names"]) == {"体育", *TOPICS} - {"足球"}
    assert newsroom.article(LACKING[0]).category == "体育"


def test_a_roll_back_takes_its_predictions_along(newsroom: Newsroom) -> None:
    newsroom.editors.categorize([f"足球-{number}" for number in range(GIVEN)], "体育")
    newsroom.train()
    assert LACKING[0] in servable(newsroom, "体育")
    newsroom.generations.rollback()
    assert newsroom.article(LACKING[0]).category == "足球"
    assert LACKING[0] in servable(newsroom, "足球")
    assert LACKING[0] not in servable(newsroom, "体育")


def test_the_manifest_holds_how_good_they_are(newsroom: Newsroom) -> None:
    made = newsroom.generations.load("g000001")
    found = made.manifest.categories
    assert found["articles"] == GIVEN * len(TOPICS)
    assert found["names"] == sorted(TOPICS)
    assert found["accuracy"] == found["macro_f1"] == 1.0, "topics that share no word"
    assert 0 <= found["calibration_error"] < 0.1
    assert (found["given"], found["given_accuracy"]) == (1.0, 1.0)
    assert {"categories/categories.npz", "categories/names.json"} <= set(made.manifest.files)
    assert "scikit-learn" in made.manifest.libraries


@pytest.mark.parametrize("file", ["categories.npz", "names.json"])
@pytest.mark.parametrize("damage", [cut, flip])
def test_damage_is_found(newsroom: Newsroom, file: str, damage: object) -> None:
    damage(newsroom.home / "indexes" / "g000001" / "categories" / file)  # type: ignore[operator]
    assert any(file in problem.what for problem in newsroom.verify())
    with pytest.raises(DamagedGenerationError, match=file):
        newsroom.generations.load("g000001").prepare()


def test_a_backup_predicts_too(newsroom: Newsroom, tmp_path: Path) -> None:
    from recnews.restore import restore

    assert newsroom.backup(tmp_path / "copy").problems == ()
    restore(tmp_path / "copy", tmp_path / "back", replace=False, now=NOW)
    with Newsroom.open(tmp_path / "back", SETTINGS) as other:
        other.ingest([without(article("医疗", 70))])
        assert other.article("医疗-70").category == "医疗"


@pytest.mark.parametrize(
    ("drafts", "given"),
    [
        ([without(draft) for draft in world()], {}),
        (world(), {"min_articles": GIVEN + 1}),
        (world(), {"min_total": GIVEN * len(TOPICS) + 1}),
        (world(), {"enabled": False}),
        (articles(["足球"], 50) + [without(draft) for draft in articles(["金融"], 20)], {}),
    ],
    ids=["none is given", "too few of each", "too few in all", "switched off", "only one"],
)
def test_too_little_predicts_nothing(tmp_path: Path, drafts: list[Draft], given: dict[str, object]) -> None:
    settings = SETTINGS.override("categories", **given)
    with Newsroom.open(tmp_path, settings) as newsroom:
        newsroom.ingest(drafts)
        made = newsroom.train()
        newsroom.ingest([without(article("足球", 77))])
        assert made.manifest.categories == {}
        assert not (made.folder / "categories").exists()
        assert {it.category_probability for it in newsroom.articles(1000)} == {None}
        assert newsroom.article("足球-77").category == ""
        assert newsroom.verify() == []


def test_copies_teach_once(tmp_path: Path) -> None:
    drafts = articles(TOPICS[:2], 12, words=200)
    copies = [replace(draft, key=f"copy of {draft.key}") for draft in drafts]
    with Newsroom.open(tmp_path, SETTINGS.override("categories", min_total=20)) as newsroom:
        newsroom.ingest(drafts + copies)
        newsroom.editors.categorize([f"copy of {drafts[0].key}"], "金融")
        given = newsroom.store.guesses.given(newsroom.train().id)
        assert len(given) == len(drafts)
        first = newsroom.store.articles.ids([f"copy of {drafts[0].key}"])
        assert [row.category for row in given if row.article_id in first.values()] == ["金融"], "editors know better"


TRAINER = """
import os, signal, sys
from recnews import Newsroom, labelling
from recnews.store import Guesses
from tests.test_categories import SETTINGS
def killed(*stage):
    if repr(stage) == sys.argv[2]:
        os.kill(os.getpid(), signal.SIGKILL)
def third(write=Guesses.write, pages=[]):
    def wrapped(*given):
        pages.append(given)
        if len(pages) == 3 and sys.argv[2] == "third page":
            os.kill(os.getpid(), signal.SIGKILL)
        write(*given)
    return wrapped
labelling._PAGE, Guesses.write = 30, third()
Newsroom.open(sys.argv[1], SETTINGS).train(progress=killed)
"""


@pytest.mark.parametrize("where", ["('categories', 0.0)", "('categories', 1.0)", "third page"])
def test_a_killed_training_leaves_nothing_that_matters(home: Path, where: str) -> None:
    with Newsroom.open(home, SETTINGS) as newsroom:
        newsroom.editors.categorize([f"足球-{number}" for number in range(GIVEN)], "体育")
    done = subprocess.run([sys.executable, "-c", TRAINER, str(home), where], cwd=ROOT, check=False)
    assert done.returncode == -signal.SIGKILL
    with Newsroom.open(home, SETTINGS) as newsroom:
        assert newsroom.article(LACKING[0]).category == "足球"
        assert newsroom.train().id == "g000002"
        assert newsroom.article(LACKING[0]).category == "体育"
        assert newsroom.verify() == []


def test_the_number_of_cores_does_not_matter(tmp_path: Path) -> None:
    program = (
        "import sys, hashlib; from tests.test_categories import *\n"
        "found = fit(*clouds({'a': 900, 'b': 700, 'c': 500, 'd': 300}), CategorySettings(), 1)\n"
        "print(hashlib.sha256(found.weights.tobytes() + found.bias.tobytes()).hexdigest())"
    )
    told = {
        subprocess.run(
            [sys.executable, "-c", program], cwd=ROOT, check=True, capture_output=True, text=True,
            env={**os.environ, "OPENBLAS_NUM_THREADS": threads, "OMP_NUM_THREADS": threads},
        ).stdout
        for threads in ("1", "2")
    }  # fmt: skip
    assert len(told) == 1


def test_before_the_first_training(tmp_path: Path) -> None:
    with Newsroom.open(tmp_path, SETTINGS) as newsroom:
        newsroom.ingest(world())
        assert newsroom.article(LACKING[0]).category == ""
        newsroom.editors.categorize([LACKING[0]], "体育")
        assert [it.key for it in newsroom.articles(5, category="体育")] == [LACKING[0]]


def test_ingest_does_not_load_scikit_learn(home: Path) -> None:
    program = (
        "import sys; from recnews import Newsroom; from tests.worlds import *; from dataclasses import replace\n"
        "with Newsroom.open(sys.argv[1], small_settings()) as room:\n"
        "    room.ingest([replace(article('医疗', 70), category='')])\n"
        "    assert room.article('医疗-70').category == '医疗'\n"
        "assert 'sklearn' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program, str(home)], cwd=ROOT, check=True)


def test_on_the_command_line(home: Path) -> None:
    assert "category   足球 (predicted, " in run(home, "articles", "show", LACKING[0]).stdout
    found = answer(home, "articles", "show", LACKING[0])
    assert found["category"] == "足球"
    assert 0.6 <= found["category_probability"] <= 1
    assert answer(home, "articles", "show", "足球-0")["category_probability"] is None
    listed = run(home, "articles", "list", "--category", "足球", "-n", "100").stdout
    assert listed.count("(predicted, ") == WITHOUT
    assert run(home, "articles", "categorize", LACKING[0], "体育").stdout == f"{LACKING[0]}: 体育\n"
    assert "足球 (predicted, " in run(home, "articles", "categorize", LACKING[0], "--undo").stdout
    assert "a category or --undo" in run(home, "articles", "categorize", LACKING[0], code=2).stderr
    shown = run(home, "generations", "show").stdout
    assert "4 categories learned from 100 articles: of those held out 100% are put into their own" in shown


def test_a_reader_finds_predicted_ones(newsroom: Newsroom) -> None:
    newsroom.record_many([read("ann", f"航天-{number}") for number in range(5)])
    keys = {item.key for item in newsroom.recommend("ann", 5, at=NOW + 30 * DAY, categories=["金融"])}
    assert keys
    assert all(key.startswith("金融-") for key in keys)


# What is learned


def clouds(each: dict[str, int], spread: float = 0.3, seed: int = 0) -> tuple[Float32, list[str]]:
    """Unit vectors around a direction of their own for each name."""
    draw = np.random.default_rng(seed)
    names = [name for name, count in each.items() for _ in range(count)]
    centres = {name: np.random.default_rng(row).standard_normal(16) for row, name in enumerate(each)}
    rows = np.array([centres[name] / 4 + spread * draw.standard_normal(16) for name in names])
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32), names


def fitted(each: dict[str, int], **given: object) -> Categories:
    found = fit(*clouds(each), CategorySettings.model_validate({"min_probability": 0.0} | given), 1)
    assert found is not None
    return found


def test_probabilities_mean_what_they_say() -> None:
    each = {"a": 400, "b": 300, "c": 200}
    found = fitted(each)
    assert 0.85 < found.measured["accuracy"] < 0.99
    assert found.measured["calibration_error"] < 0.05
    vectors, names = clouds(each, seed=9)
    guesses = found.predict(vectors)
    right = np.array([guess is not None and guess.category == name for guess, name in zip(guesses, names, strict=True)])
    told = np.array([guess.probability for guess in guesses if guess])
    assert abs(float(right.mean()) - found.measured["accuracy"]) < 0.05
    assert calibration_error(told, right) < 0.05


@pytest.mark.parametrize("each", [{"a": 60, "b": 60}, {"a": 300, "b": 25}, {"a": 90, "b": 70, "c": 50}])
def test_two_or_more(each: dict[str, int]) -> None:
    found = fitted(each)
    vectors, names = clouds(each, spread=0.05, seed=4)
    rows = found.probabilities(vectors)
    assert rows.shape == (len(names), len(each))
    assert np.allclose(rows.sum(axis=1), 1)
    assert [guess.category for guess in found.predict(vectors) if guess] == names


def name_of(guess: Guess | None) -> str:
    return guess.category if guess else ""


def test_small_categories_are_heard() -> None:
    each = {"a": 800, "b": 25, "c": 25}
    vectors, names = clouds(each, seed=9)
    found = []
    for balance in (0.0, 0.5, 1.0):
        guesses = fitted(each, balance=balance).predict(vectors)
        found.append(
            sum(name != "a" and guess == name for guess, name in zip(map(name_of, guesses), names, strict=True))
        )
    assert found[0] < min(found[1:])


def test_categories_of_too_few_are_left_out() -> None:
    vectors, names = clouds({"a": 50, "b": 50, "rare": 7})
    found = fit(vectors, names, CategorySettings(min_articles=10), 1)
    assert found is not None
    assert found.names == ("a", "b")
    assert found.measured["articles"] == 100


def test_a_zero_vector_says_nothing() -> None:
    vectors, names = clouds({"a": 60, "b": 60})
    nothing = np.zeros((60, 16), dtype=np.float32)
    assert fit(nothing, names[:60], CategorySettings(), 1) is None
    assert fit(nothing[:0], [], CategorySettings(), 1) is None
    found = fit(np.vstack([vectors, nothing]), names + ["c"] * 60, CategorySettings(min_probability=0.0), 1)
    assert found is not None
    assert found.names == ("a", "b")
    assert found.predict(nothing[:1]) == [None]


def test_the_same_bytes(tmp_path: Path) -> None:
    written = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        fitted({"a": 90, "b": 70, "c": 50}).save(tmp_path / name)
        written.append({file.name: file.read_bytes() for file in (tmp_path / name).iterdir()})
    assert written[0] == written[1]
    found, again = fitted({"a": 90, "b": 70, "c": 50}), Categories.load(tmp_path / "one")
    vectors, _ = clouds({"a": 90, "b": 70, "c": 50}, seed=7)
    assert again.predict(vectors) == found.predict(vectors)
    alone = np.vstack([again.probabilities(vectors[row : row + 1]) for row in range(len(vectors))])
    assert alone.tobytes() == again.probabilities(vectors).tobytes(), "alone or in a batch"


def test_below_the_least_probability_nothing_is_said() -> None:
    each = {"a": 90, "b": 70, "c": 50}
    sure = fitted(each, min_probability=0.9)
    vectors, _ = clouds(each, seed=7)
    told = [guess.probability for guess in sure.predict(vectors) if guess]
    assert told
    assert min(told) >= 0.9
    assert len(told) == (sure.probabilities(vectors).max(axis=1).round(4) >= 0.9).sum()


def test_calibration_error_by_hand() -> None:
    told = np.array([0.9, 0.9, 0.9, 0.9, 0.1])
    right = np.array([True, True, True, False, False])
    assert calibration_error(told, right) == pytest.approx((abs(3.6 - 3) + 0.1) / 5)
    assert calibration_error(told[:0], right[:0]) == 0.0


def test_a_feed_marks_predicted_ones(newsroom: Newsroom) -> None:
    feed = {it.key: it for it in newsroom.recommend("ann", 200, at=NOW + 30 * DAY)}
    assert set(LACKING) <= set(feed)
    for key, item in feed.items():
        assert item.category == key.split("-")[0]
        assert (item.category_probability is not None) == (key in LACKING)
