"""The evaluation of feeds, on worlds where the right figure is known."""

import json
import math
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any, ClassVar
from zlib import crc32

import pytest
from typer.testing import CliRunner

from recnews.cli import common
from recnews.cli.evaluate import app
from recnews.config import FeedSettings
from recnews.errors import MissingExtraError, RowError, UsageError
from recnews.evaluate import feeds, plots, readers
from recnews.evaluate.compare import compare
from recnews.evaluate.feeds import SEARCH, SERVED, Plan, evaluate
from recnews.evaluate.mind import impressions_of, mind, news_of
from recnews.evaluate.outcome import FeedsOutcome
from recnews.evaluate.readers import READERS
from recnews.evaluate.runs import Run
from recnews.evaluate.served import RANKER, search_only
from recnews.newsroom import Newsroom
from recnews.records import Draft, EventDraft
from recnews.splits import Question, Split
from tests.worlds import DAY, HOUR, NOW, articles, checkerboard, read, small_settings

TWO = ("足球", "金融")
EACH = 6


def board(each: int = EACH) -> list[EventDraft]:
    """Each reader comes last to the article withheld in the checkerboard."""
    return [
        event for user, held, reads in checkerboard(TWO, each) for event in (*reads, read(user, held, NOW - 0.5 * HOUR))
    ]


def plan(**given: object) -> Plan:
    made = Plan(articles(TWO, EACH), board(), small_settings(), k=1, resamples=50)
    return replace(made, **given)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def outcome() -> FeedsOutcome:
    return evaluate(plan(baselines=tuple(READERS), feeds=(SERVED, SEARCH)))


class Fake:
    """Stands for recnews: keeps what it is told and shows candidates in the order of their keys."""

    said: ClassVar[list[tuple[str, Any]]] = []

    def __init__(self, *_: object) -> None:
        Fake.said = []
        self._keys: list[str] = []

    def __enter__(self) -> "Fake":
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def prepare(self, given: Sequence[Draft], split: Split) -> None:
        Fake.said.append(("prepare", split.training))
        self._keys = [article.key for article in given]

    def record(self, events: Sequence[EventDraft]) -> None:
        Fake.said.append(("record", tuple(event.key for event in events)))

    def serve(self, settings: object) -> None:
        Fake.said.append(("serve", settings))

    def feed(self, name: str, question: Question, k: int) -> list[str]:
        Fake.said.append(("ask", (question.user, question.right)))
        return sorted(question.among or self._keys)[:k]


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> type[Fake]:
    monkeypatch.setattr(feeds, "Served", Fake)
    return Fake


# A world with one right answer


def test_the_withheld_article_comes_first(outcome: FeedsOutcome) -> None:
    for name in (SERVED, SEARCH):
        found = outcome.figures["all"][name]
        assert (found["hit@1"].value, found["nDCG@1"].value, found["hit@1"].n) == (1.0, 1.0, 2 * EACH)
        assert outcome.ranks[name] == [[1]] * (2 * EACH)


def test_baselines_stand_beside_it(outcome: FeedsOutcome) -> None:
    names = [
        SERVED, SEARCH, "random", "popularity", "recent popularity", "tf-idf profile", "item-to-item", "implicit ALS",
        "implicit BM25",
    ]  # fmt: skip
    assert list(outcome.figures["all"]) == names
    assert outcome.figures["all"]["random"]["hit@1"].value < 1
    for name in ("tf-idf profile", "item-to-item", "implicit ALS"):
        assert outcome.figures["all"][name]["hit@1"].value == 1, "who reads of football reads all of it"
    gap = outcome.behind["all"]["random"]["hit@1"]
    assert gap.value == pytest.approx(1 - outcome.figures["all"]["random"]["hit@1"].value)
    assert gap.low <= gap.value <= gap.high
    assert outcome.behind["all"]["item-to-item"]["hit@1"].value == 0
    assert SERVED not in outcome.behind["all"]


def test_beyond_accuracy(outcome: FeedsOutcome) -> None:
    ours = outcome.figures["all"][SERVED]
    assert ours["coverage"].value == 1, "each article is withheld from somebody"
    assert ours["cold share"].value == 0
    assert ours["miscalibration"].value == pytest.approx(0)
    assert ours["novelty"].value == pytest.approx(math.log2((2 * EACH + 1) / EACH)), "five of twelve readers each"
    assert math.isnan(ours["diversity"].value), "a list of one has none"
    assert outcome.figures["all"]["random"]["miscalibration"].value > 1


def test_by_length_of_history(outcome: FeedsOutcome) -> None:
    assert list(outcome.by_history["all"][SERVED]) == ["5-9"]
    assert outcome.by_history["all"][SERVED]["5-9"].n == 2 * EACH


def test_the_document_is_json_without_names_of_readers(outcome: FeedsOutcome) -> None:
    text = json.dumps(outcome.document(), ensure_ascii=False, allow_nan=False)
    assert "reader of" not in text
    document = json.loads(text)
    assert document["evaluation"] == "feeds"
    assert document["protocol"] == "leave-one-out"
    assert document["views"][0]["methods"][0]["figures"]["hit@1"]["value"] == 1
    assert document["views"][0]["methods"][0]["figures"]["diversity"]["value"] is None
    asked = document["questions"]
    assert len(asked["reader"]) == len(set(asked["reader"])) == 2 * EACH
    assert asked["right"] == [1] * (2 * EACH)
    assert asked["candidates"] == [1 + EACH] * (2 * EACH), "the withheld one, and all of the other topic"
    assert set(asked["ranks"]) == set(outcome.figures["all"])


def test_tables_have_a_row_for_each_method(outcome: FeedsOutcome) -> None:
    for table in (outcome.table("all"), outcome.table_beyond("all"), outcome.table_by_history("all")):
        assert [row[0] for row in table[1:]] == list(outcome.figures["all"])
    assert outcome.table("all")[1][1] == "1.000 1.000-1.000"
    assert outcome.table_beyond("all")[0] == ["method", "novelty", "cold share", "miscalibration", "coverage"]
    assert outcome.table_behind("all")[0][0] == "recnews minus"


# What training may know


def test_nothing_at_or_after_the_cutoff_is_there_while_training(monkeypatch: pytest.MonkeyPatch) -> None:
    cutoff = NOW - 3 * HOUR
    seen: list[tuple[set[str], set[datetime | None]]] = []
    trained = Newsroom.train

    def spy(self: Newsroom, *given: object, **named: object) -> object:
        stored = {article.key for article in self.articles(100)}
        seen.append((stored, {event.at for event in self.store.events.all()}))
        return trained(self, *given, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(Newsroom, "train", spy)
    found = evaluate(plan(protocol="time", cutoff=cutoff, baselines=("random",)))
    ((stored, times),) = seen
    fresh = {article.key for article in articles(TWO, EACH) if article.published_at and article.published_at >= cutoff}
    assert fresh
    assert stored == {article.key for article in articles(TWO, EACH)} - fresh
    assert times
    assert all(at is not None and at < cutoff for at in times)
    assert found.figures["all"][SERVED]["hit@1"].value == 1, "and yet the fresh article is found"
    assert {one.question.right[0] for one in found.asked} & fresh, "when it is what a reader came back for"


def test_cold_articles_are_found_without_having_been_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    each = 10
    keys = [f"{topic}-{number}" for topic in TWO for number in range(each)]
    cold = {key for key in keys if crc32(key.encode()) % 5 == 0}
    most = max(sum(key.startswith(topic) for key in cold) for topic in TWO)
    assert 0 < most < len(cold), "cold ones in both topics"
    stored: list[int] = []
    trained = Newsroom.train

    def spy(self: Newsroom, *given: object, **named: object) -> object:
        stored.append(self.status().articles)
        return trained(self, *given, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(Newsroom, "train", spy)
    log = [EventDraft(f"{topic} {n}", f"{topic}-{row}") for topic in TWO for n in range(4) for row in range(each)]
    given = plan(articles=articles(TWO, each), events=log, protocol="article-cold", k=most, baselines=("popularity",))
    found = evaluate(replace(given, feeds=(SEARCH,)))
    assert stored == [2 * each - len(cold)]
    for view in ("among all", "among the hidden"):
        assert found.figures[view][SEARCH]["hit@" + str(most)].value == 1
    assert found.figures["among all"][SEARCH]["cold share"].value > 0.5
    assert found.asked[-1].candidates == len(cold)


def test_steps_are_lived_through_in_order(fake: type[Fake]) -> None:
    drafts = articles(("足球",), 4)
    new = next(user for user in map(str, range(99)) if crc32(user.encode()) % 5 == 0)
    old = next(user for user in map(str, range(99)) if crc32(user.encode()) % 5)
    log = [EventDraft(user, key) for user in (old, new) for key in ("足球-0", "足球-1", "足球-2")]
    evaluate(Plan(drafts, log, small_settings(), "reader-cold", resamples=10))
    assert [what for what, _ in fake.said] == ["prepare", "serve", "record", "ask", "record", "ask"]
    assert {event.user_id for event in fake.said[0][1]} == {old}
    assert [told for _, told in fake.said[2:]] == [
        ("足球-0",), (new, ("足球-1",)), ("足球-1",), (new, ("足球-2",)),
    ]  # fmt: skip


def test_a_quick_look_asks_less(fake: type[Fake]) -> None:
    found = evaluate(plan(limit=5, feeds=(SERVED,)))
    assert 0 < len(found.asked) <= 5
    found = evaluate(plan(limit=3, protocol="time", each=True, cutoff=NOW - 3 * HOUR))
    assert 0 < len(found.asked) <= 3


def test_candidates_that_were_read(fake: type[Fake]) -> None:
    drafts = [*articles(TWO, EACH), Draft("unread", "nobody reads this", published_at=NOW - DAY)]
    for candidates, size in (("all", EACH + 2), ("read", EACH + 1)):
        found = evaluate(plan(articles=drafts, candidates=candidates))
        assert {one.candidates for one in found.asked} == {size}


def test_events_on_unknown_articles_are_left_out(fake: type[Fake]) -> None:
    said: list[str] = []
    found = evaluate(plan(events=[*board(), EventDraft("u", "nowhere")]), said.append)
    assert found.corpus["left_out"] == 1
    assert "1 events name articles that are not given" in said[0]
    with pytest.raises(UsageError, match="none of 1 events names"):
        evaluate(plan(events=[EventDraft("u", "nowhere")]))


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"protocol": "hope"}, "no protocol"),
        ({"candidates": "some"}, "candidates are"),
        ({"baselines": ("oracle",)}, "no baseline"),
        ({"protocol": "time", "events": [EventDraft("u", f"足球-{row}") for row in range(5)]}, "5 of 5 have no time"),
    ],
)
def test_what_cannot_be_measured_is_refused(fake: type[Fake], given: dict[str, object], reason: str) -> None:
    with pytest.raises(UsageError, match=reason):
        evaluate(plan(**given))


def test_search_only_leaves_nothing_of_the_ranker() -> None:
    bare = search_only(small_settings(freshness=0.5, popularity=0.5)).feed
    assert [getattr(bare, name) for name in RANKER] == [0] * len(RANKER)
    assert {name for name in FeedSettings.model_fields if getattr(bare, name) == 0} >= set(RANKER)


def test_without_implicit_the_rest_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readers, "find_spec", lambda _: None)
    assert readers.installed() == ("random", "popularity", "recent", "tfidf", "items")
    with pytest.raises(MissingExtraError, match=r"implicit.*recnews\[evaluate\]"):
        READERS["als"](small_settings())


# MIND


def folder(path: Path, news: Sequence[Draft], behaviours: Sequence[str]) -> Path:
    path.mkdir()
    rows = [f"{it.key}\t{it.category}\tsub\t{it.title}\t{it.body}\thttps://x/{it.key}\t[]\t[]" for it in news]
    (path / "news.tsv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    (path / "behaviors.tsv").write_text("\n".join(behaviours) + "\n", encoding="utf-8")
    return path


def test_mind_is_read_as_it_comes(tmp_path: Path) -> None:
    made = folder(tmp_path / "dev", articles(TWO, 2), ["1\tU1\t11/15/2019 1:05:58 PM\t足球-0 gone\t足球-1-1 金融-1-0"])
    assert [it.key for it in news_of(made)] == ["足球-0", "足球-1", "金融-0", "金融-1"]
    assert news_of(made)[0].category == "足球"
    (one,) = impressions_of(made)
    assert one.at.isoformat() == "2019-11-15T13:05:58+00:00"
    assert (one.history, one.shown, one.clicked) == (("足球-0", "gone"), ("足球-1", "金融-1"), ("足球-1",))


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("1\tU1\tsoon\tN1\tN1-1", "field 'time': is not a time"),
        ("1\tU1\t11/15/2019 1:05:58 PM\tN1\tN1", "field 'impressions': holds 'N1'"),
        ("1\tU1", "has 2 columns"),
    ],
)
def test_a_bad_line_of_mind_is_named(tmp_path: Path, line: str, reason: str) -> None:
    made = folder(tmp_path / "dev", articles(TWO, 1), [line])
    with pytest.raises(RowError, match=rf"behaviors.tsv:1: {reason}"):
        mind(made)


def test_impressions_are_ranked_by_the_very_recommender(tmp_path: Path) -> None:
    news = articles(TWO, EACH)
    at = "11/15/2019 1:05:58 PM"
    train = folder(
        tmp_path / "train", [it for it in news if not it.key.endswith("-5")],
        [f"{n}\tT{n}\t{at}\t{topic}-0 {topic}-1\t{topic}-2-1 {topic}-3-0" for n, topic in enumerate(TWO)],
    )  # fmt: skip
    test = folder(
        tmp_path / "dev", news,
        [
            f"1\tA\t{at}\t足球-0 足球-1 足球-2\t金融-0-0 足球-5-1 金融-4-0",
            f"2\tB\t{at}\t金融-0 金融-1 金融-2\t足球-3-0 金融-5-1 足球-4-0",
            f"3\tB\t{at}\t金融-0\t金融-4-1",
        ],
    )  # fmt: skip
    given, events, split = mind(test, train)
    assert split.hidden == {"足球-5", "金融-5"}
    assert [len(step.questions) for step in split.steps] == [0, 2], "one with nothing wrong in it asks nothing"
    assert {event.user_id for event in split.training} == {"T0", "T1"}
    found = evaluate(Plan(given, events, small_settings(), split=split, baselines=("random",), resamples=20))
    assert list(found.figures["impressions"][SERVED])[:4] == ["AUC", "MRR", "nDCG@5", "nDCG@10"]
    assert [found.figures["impressions"][SERVED][name].value for name in ("AUC", "MRR", "nDCG@5")] == [1, 1, 1]
    assert found.asked[0].candidates == 3


def test_what_a_method_would_not_show_stands_last(
    fake: type[Fake], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = "N1-0 N2-1 N3-0 N4-1 N5-0"
    made = folder(
        tmp_path / "dev", [Draft(f"N{n}", f"t{n}") for n in range(1, 6)], [f"1\tA\t11/15/2019 1:05:58 PM\tN5\t{shown}"]
    )
    given, events, split = mind(made)
    found = evaluate(Plan(given, events, small_settings(), split=split, resamples=20)).figures["impressions"][SERVED]
    assert found["AUC"].value == pytest.approx(3 / 6), "the second beats two, the fourth one"
    assert found["MRR"].value == pytest.approx((1 / 2 + 1 / 4) / 2)
    monkeypatch.setattr(Fake, "feed", lambda *_: ["N4"])
    one = evaluate(Plan(given, events, small_settings(), split=split, resamples=20))
    assert one.ranks[SERVED][0][0] == 1
    assert 2 <= one.ranks[SERVED][0][1] <= 5, "somewhere after all that was shown"


# Two files side by side


@pytest.fixture
def saved(outcome: FeedsOutcome, tmp_path: Path) -> Path:
    file = tmp_path / "before.json"
    file.write_text(json.dumps(outcome.document(), allow_nan=False), encoding="utf-8")
    return file


def changed(saved: Path, change: object) -> Path:
    document = json.loads(saved.read_text(encoding="utf-8"))
    change(document)  # type: ignore[operator]
    file = saved.with_name("after.json")
    file.write_text(json.dumps(document), encoding="utf-8")
    return file


def lose_half(document: dict[str, dict[str, dict[str, list[list[int]]]]]) -> None:
    ranks = document["questions"]["ranks"][SERVED]
    ranks[:EACH] = [[] for _ in range(EACH)]


def test_a_difference_is_taken_reader_by_reader(saved: Path) -> None:
    found = compare(saved, changed(saved, lose_half)).changes["all"]
    ours = found[SERVED]["hit@1"]
    assert (ours.before.value, ours.after.value, ours.difference.value) == (1, 0.5, -0.5)
    assert -1 < ours.difference.low < -0.5 < ours.difference.high < 0
    same = found["tf-idf profile"]["hit@1"].difference
    assert (same.value, same.low, same.high) == (0, 0, 0)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda it: it.update(k=5), "k is 1 in one and 5 in the other"),
        (lambda it: it.update(protocol="time"), "protocol is"),
        (lambda it: it["questions"]["reader"].reverse(), "not the same"),
        (
            lambda it: [values.pop() for name, values in it["questions"].items() if name != "ranks"],
            "12 questions and 11",
        ),
        (lambda it: it["questions"].update(ranks={"other": []}), "no method is in both"),
        (lambda it: it.update(evaluation="similarity"), "holds no evaluation of feeds"),
        (lambda it: it.pop("questions"), "holds no evaluation of feeds"),
    ],
)
def test_what_does_not_match_is_refused(saved: Path, change: object, reason: str) -> None:
    with pytest.raises(UsageError, match=reason):
        compare(saved, changed(saved, change))


def test_a_file_that_is_none_is_refused(saved: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        compare(saved, saved.with_name("nowhere.json"))
    saved.write_text("{", encoding="utf-8")
    with pytest.raises(UsageError, match="is not JSON"):
        compare(saved, saved)


# The picture


@pytest.mark.parametrize("suffix", [".png", ".svg"])
def test_a_picture(outcome: FeedsOutcome, tmp_path: Path, suffix: str) -> None:
    pytest.importorskip("matplotlib")
    file = tmp_path / f"feeds{suffix}"
    plots.plot(Run("", "", "", outcome.document()), file)
    head = file.read_bytes()[:400]
    assert head.startswith(b"\x89PNG") if suffix == ".png" else b"<svg" in file.read_bytes()


def test_a_picture_that_cannot_be_is_told_before_anything_takes_time(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match=r"ends in \.png"):
        plots.check_plot(Path("feeds.doc"))
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingExtraError, match=r"recnews\[evaluate\]"):
        plots.check_plot(Path("feeds.png"))


# The command


@pytest.fixture
def away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty folder to be in, whose settings train in a moment."""
    inside = tmp_path / "away"
    inside.mkdir()
    values = small_settings().embedding.model_dump(include={"dim", "epochs", "min_count", "workers"})
    lines = ["[embedding]", *(f"{name} = {value}" for name, value in values.items())]
    (inside / "recnews.toml").write_text("\n".join(lines), encoding="utf-8")
    monkeypatch.chdir(inside)
    common.set_home(None)
    yield inside
    assert [file.name for file in inside.iterdir()] == ["recnews.toml"], "an evaluation leaves nothing behind"


@pytest.fixture
def files(tmp_path: Path) -> tuple[str, str]:
    """Articles, and a log without times under other names."""
    given, log = tmp_path / "articles.jsonl", tmp_path / "reads.csv"
    rows = [{"id": it.key, "title": it.title, "text": it.body} for it in articles(TWO, EACH)]
    given.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    log.write_text("\n".join(["reader,article", *(f"{it.user_id},{it.key}" for it in board())]), encoding="utf-8")
    return str(given), str(log)


def run(*words: str) -> str:
    result = CliRunner().invoke(app, ["feeds", *words], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def test_the_command_measures_files(away: Path, files: tuple[str, str], tmp_path: Path) -> None:
    out, picture = tmp_path / "out.json", tmp_path / "out.svg"
    told = run(
        "--articles", files[0], "--events", files[1], "--map", "body=text", "--map", "user=reader", "--protocol",
        "leave-one-out", "-k", "1", "--baselines", "tfidf,random", "--json", str(out), "--plot", str(picture),
        "--resamples", "20",
    )  # fmt: skip
    assert "leave-one-out: the last article of 12 readers of 5 or more" in told
    assert "recnews minus" in told
    document = json.loads(out.read_text(encoding="utf-8"))
    assert [it["method"] for it in document["views"][0]["methods"]] == [SERVED, "tf-idf profile", "random"]
    assert document["views"][0]["methods"][0]["figures"]["hit@1"]["value"] == 1
    assert picture.exists()
    assert "after minus before" in run("--compare", str(out), str(out))
    same = json.loads(run("--compare", str(out), str(out), "--json", "-"))
    assert same["views"][0]["methods"][0]["difference"]["hit@1"]["value"] == 0


def test_the_log_of_the_home_is_taken_and_the_home_left_alone(home: Path) -> None:
    with Newsroom.open(home, small_settings()) as newsroom:
        newsroom.record_many(board(8))
        before = newsroom.status()
    told = run(
        "--home", str(home), "--protocol", "leave-one-out", "-k", "1", "--search-only", "--baselines", "none",
        "--limit", "4", "--epochs", "2", "--workers", "1", "--json", "-",
    )  # fmt: skip
    document = json.loads(told)
    assert [it["method"] for it in document["views"][0]["methods"]] == [SEARCH]
    assert (document["corpus"]["articles"], document["corpus"]["events"]) == (48, 128)
    with Newsroom.open(home, small_settings()) as newsroom:
        after = newsroom.status()
    assert (after.events, after.live, after.generations) == (before.events, before.live, before.generations)


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ([], "nothing is stored there"),
        (["--mind-train", "x"], "goes with --mind"),
        (["--plot", "x.doc"], "a picture ends in"),
        (["--compare", "x.json", "y.json"], "cannot be read"),
        (["FILES", "--protocol", "time"], "72 of 72 have no time"),
        (["FILES", "--cutoff", "soon"], "--cutoff: 'soon' is not a time"),
        (["FILES", "--map", "user"], "write it as FIELD=COLUMN"),
        (["FILES", "--share", "0.9", "--protocol", "article-cold"], "a share of 0.9"),
    ],
)
def test_wrong_use_is_told(away: Path, files: tuple[str, str], words: list[str], reason: str) -> None:
    named = ["--articles", files[0], "--events", files[1], "--map", "body=text", "--map", "user=reader"]
    given = [part for word in words for part in (named if word == "FILES" else [word])]
    with pytest.raises(UsageError, match=reason):
        run("--baselines", "none", *given)


def test_help_ends_with_examples() -> None:
    assert "recnews evaluate feeds --compare before.json after.json" in run("--help").splitlines()[-1]
