"""The similarity evaluation, on worlds where the right figure is known."""

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from zlib import crc32

import numpy as np
import pytest
from typer.testing import CliRunner

from recnews.cli import common
from recnews.cli.evaluate import app
from recnews.config import TextSettings
from recnews.errors import MissingExtraError, RowError, TrainingError, UsageError
from recnews.evaluate import baselines
from recnews.evaluate.baselines import BASELINES, Bm25, Cutter, Lsi, TfIdf
from recnews.evaluate.figures import shown
from recnews.evaluate.files import articles_of, pairs_of, word_pairs_of
from recnews.evaluate.similarity import Outcome, Plan, evaluate, split
from recnews.evaluate.systems import RecnewsSystem, Text, VectorSystem
from recnews.evaluate.tasks import JudgedPair, JudgedPairs, JudgedWords, Retrieval, SameCategory, WordPair
from recnews.formats import ReadOptions
from recnews.metrics import Figure
from recnews.newsroom import Newsroom
from recnews.records import Bools, Draft, Float32, HasText
from recnews.text import DictionaryWord, Tokenizer
from tests.worlds import DAY, NOW, TOPICS, articles, small, small_settings

WORDS = [f"{first}{second}ton" for first in "bcdfghjklm" for second in ("a", "e", "i", "o", "u")]


class Oracle(VectorSystem):
    """Encodes a text by a function that a test gives."""

    name = "oracle"

    def __init__(self, rows: dict[str, list[float]]) -> None:
        self._rows = rows

    def fit(self, articles: Sequence[Draft]) -> None:
        """Nothing to learn."""

    def encode(self, texts: Sequence[HasText]) -> Float32:
        """The row that a text was given."""
        return np.array([self._rows[text.title + text.body] for text in texts], dtype=np.float32)

    def words(self, words: Sequence[str]) -> tuple[Float32, Bools] | None:
        """The row that a word was given, if any."""
        known = np.array([word in self._rows for word in words])
        return np.array([self._rows.get(word, [0.0, 0.0]) for word in words], dtype=np.float32), known


def paired(count: int = 50) -> list[Draft]:
    """Articles with a word of their own, in title and body, that no other article has."""
    return [
        Draft(
            f"a-{row}",
            f"Report about {word}",
            f"{word} {word} harbour {word} keel {word} mast rudder {word} anchor",
            category="odd" if row % 2 else "even",
            published_at=NOW - row * DAY,
        )
        for row, word in enumerate(WORDS[:count])
    ]


def cutter() -> Cutter:
    return Cutter(Tokenizer(TextSettings()))


def plan(**given: object) -> Plan:
    return replace(Plan(paired(), small_settings(), min_chars=10, resamples=100), **given)  # type: ignore[arg-type]


# What is asked


def test_a_title_is_taken_out_of_its_own_body() -> None:
    task = Retrieval(
        [Draft("1", "Keel lost", "Keel lost: the mast of it. Keel lost."), Draft("2", "b", "other text")], 5
    )
    assert [text.body for text in task.titles] == ["Keel lost", "b"]
    assert [text.body for text in task.bodies] == [": the mast of it. .", "other text"]
    assert [text.title for text in (*task.titles, *task.bodies)] == [""] * 4, "a title alone is a text, not an article"


def test_only_articles_with_one_right_answer_take_part() -> None:
    given = [
        Draft("1", "first", "a body that is long"),
        Draft("2", "second", "a body that is long"),
        Draft("3", "first", "another body, as long"),
        Draft("4", "", "a body without a title"),
        Draft("5", "fifth", "short"),
        Draft("6", "all of the body", "all of the body"),
        Draft("7", "last", "a third body that is long"),
    ]
    assert [text.body for text in Retrieval(given, 10).titles] == ["first", "last"]


def test_retrieval_figures_follow_from_the_ranks() -> None:
    given = [Draft(str(row), f"t{row}", f"b{row}") for row in range(3)]
    # Title 0 finds its body first, title 1 second, title 2 third.
    bodies = {"b0": [1.0, 0.0, 0.0], "b1": [0.0, 1.0, 0.0], "b2": [0.0, 0.0, 1.0]}
    titles = {"t0": [1.0, 0.0, 0.0], "t1": [2.0, 1.0, 0.0], "t2": [3.0, 2.0, 1.0]}
    found = Retrieval(given, 1).measure(Oracle(bodies | titles))
    assert found["R@1"].values.tolist() == [1, 0, 0]
    assert found["R@10"].values.tolist() == [1, 1, 1]
    assert found["MRR"].values.tolist() == pytest.approx([1, 1 / 2, 1 / 3])


def test_blocks_of_queries_are_put_together_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    given = paired(23)
    system = TfIdf(cutter())
    system.fit(given)
    whole = Retrieval(given, 1).measure(system)["MRR"].values
    alike = SameCategory(given).measure(system)["P@10"].values
    monkeypatch.setattr("recnews.evaluate.systems.BLOCK", 4)
    assert Retrieval(given, 1).measure(system)["MRR"].values.tolist() == whole.tolist()
    assert SameCategory(given).measure(system)["P@10"].values.tolist() == alike.tolist()
    assert whole.tolist() == [1] * 23


def test_an_article_is_not_its_own_neighbour() -> None:
    # Two of each category; the nearest of each is itself, then one of the other category.
    given = [Draft(name, name, category=name[0]) for name in ("a1", "a2", "b1", "b2")]
    rows = {"a1": [1.0, 0.0], "b1": [0.9, 0.1], "a2": [0.0, 1.0], "b2": [0.1, 0.9]}
    found = SameCategory(given).measure(Oracle(rows))["P@10"].values
    assert found.tolist() == pytest.approx([0.1] * 4), "one of its category among the other three, of ten places"


def test_articles_without_company_are_not_asked_about() -> None:
    given = [
        Draft("1", "x", category="a"),
        Draft("2", "y", category="a"),
        Draft("3", "z"),
        Draft("4", "w", category="b"),
        Draft("5", "x", category="a"),
    ]
    assert [article.key for article in SameCategory(given).articles] == ["1", "2"]


def test_judged_pairs_are_correlated() -> None:
    rows = {"a": [1.0, 0.0], "b": [1.0, 0.0], "c": [0.6, 0.8], "d": [0.0, 1.0]}
    texts = {name: Text.free(name) for name in rows}
    pairs = [JudgedPair(texts["a"], texts[other], score) for other, score in (("b", 3), ("c", 2), ("d", 1))]
    found = JudgedPairs(pairs).measure(Oracle(rows))
    assert found["Spearman"].statistic(found["Spearman"].values) == pytest.approx(1)
    # Likeness 1, .6, 0 against 3, 2, 1: deviations (.4667, .0667, -.5333) and (1, 0, -1).
    assert found["Pearson"].statistic(found["Pearson"].values) == pytest.approx(1 / math.sqrt(2 * 0.506667), abs=1e-4)


def test_words_that_are_not_known_count_as_uncovered_only() -> None:
    rows = {"keel": [1.0, 0.0], "mast": [0.8, 0.6], "oven": [0.0, 1.0]}
    pairs = [
        WordPair("keel", "mast", 9),
        WordPair("keel", "oven", 1),
        WordPair("mast", "oven", 5),
        WordPair("keel", "x", 9),
    ]
    found = JudgedWords(pairs).measure(Oracle(rows))
    assert len(found["Spearman"].values) == 3
    assert found["Spearman"].statistic(found["Spearman"].values) == pytest.approx(1)
    assert found["known"].values.tolist() == [1, 1, 1, 0]
    assert JudgedWords(pairs).measure(TfIdf(cutter())) == {}, "a method without word vectors does not answer"


# Methods


@pytest.mark.parametrize("name", BASELINES)
def test_every_baseline_scores_alike_texts_above_others(name: str) -> None:
    system = BASELINES[name](cutter(), small(epochs=30))
    corpus = articles(["sailing", "cooking"], 12)
    system.fit(corpus)
    sailing, cooking = corpus[:12], corpus[12:]
    left = [*sailing[:6], *cooking[:6]]
    alike = system.likeness(left, [*sailing[6:], *cooking[6:]])
    unlike = system.likeness(left, [*cooking[6:], *sailing[6:]])
    assert alike.shape == (12,)
    assert alike.mean() > unlike.mean()
    blocks = list(system.scores(left[:3], corpus))
    assert [block.shape for block in blocks] == [(3, 24)]
    assert blocks[0].dtype == np.float32
    assert blocks[0][:, :12].mean() > blocks[0][:, 12:].mean()


@pytest.mark.parametrize("name", BASELINES)
def test_a_text_without_known_words_scores_nothing(name: str) -> None:
    system = BASELINES[name](cutter(), small())
    system.fit(articles(["sailing"], 6))
    empty = Text.free("。")
    if name != "doc2vec":  # gensim infers noise from nothing
        assert next(iter(system.scores([empty], articles(["sailing"], 6)))).tolist() == [[0] * 6]
    assert np.isfinite(system.likeness([empty], [empty])).all()


def test_tfidf_weights_by_hand() -> None:
    system = TfIdf(cutter())
    system.fit([Draft("1", "", "keel keel mast"), Draft("2", "", "keel anchor")])
    row = system.weights([Text.free("keel keel mast oven")]).toarray()[0]
    keel, mast = (1 + math.log(2)) * 1.0, math.log(3 / 2) + 1
    assert sorted(row[row > 0]) == pytest.approx(sorted(np.array([keel, mast]) / math.hypot(keel, mast)), abs=1e-6)


def test_lsi_directions_are_those_of_an_exact_decomposition(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(baselines, "TOPICS", len(TOPICS))
    corpus = articles(list(TOPICS), 10)
    system, plain = Lsi(cutter(), 1), TfIdf(cutter())
    system.fit(corpus)
    plain.fit(corpus)
    weights = plain.weights(corpus).toarray()
    _, _, right = np.linalg.svd(weights, full_matrices=False)
    exact = weights @ right[: len(TOPICS)].T
    exact /= np.maximum(np.linalg.norm(exact, axis=1, keepdims=True), 1e-9)
    rows = np.asarray(system.encode(corpus))
    assert rows @ rows.T == pytest.approx(exact @ exact.T, abs=0.02)


def test_bm25_likeness_is_a_share_of_the_likeness_to_itself() -> None:
    system = Bm25(cutter())
    corpus = articles(["sailing", "cooking"], 5)
    system.fit(corpus)
    assert system.likeness(corpus, corpus) == pytest.approx(np.ones(10), abs=1e-6)
    assert system.likeness(corpus[:1], corpus[5:6]).tolist() == [0]


def test_bm25_likeness_is_the_mean_of_both_directions() -> None:
    system = Bm25(cutter())
    system.fit(articles(["sailing"], 5))
    short, long = Text.free("keel mast"), Text.free("keel anchor hull tide helm rudder keel")
    there, back = system.likeness([short], [long])[0], system.likeness([long], [short])[0]
    assert there == pytest.approx(back)
    assert 0 < there < 1


def test_bm25_names_the_extra_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "bm25s", None)
    with pytest.raises(MissingExtraError, match=r"recnews\[evaluate\]"):
        evaluate(plan(baselines=("bm25",)))


def test_recnews_is_measured_as_its_users_see_it(tmp_path: Path) -> None:
    corpus, settings = articles(["sailing", "cooking"], 8), small_settings()
    system = RecnewsSystem(tmp_path / "mine", settings, ())
    system.fit(corpus)
    with Newsroom.open(tmp_path / "theirs", settings) as newsroom:
        newsroom.ingest(corpus)
        newsroom.train()
        texts = [article.title for article in corpus]
        assert np.array_equal(np.asarray(system.encode([Text.free(text) for text in texts])), newsroom.embed(texts))
        vectors, known = system.words(["Rudder", "astrolabe"]) or pytest.fail("recnews has vectors of words")
        assert known.tolist() == [True, False]
        near = newsroom.neighbors(word="rudder", k=1).words[0]
        cosine = float(vectors[0] @ (system.words([near.word]) or pytest.fail("no vector"))[0][0])
        assert cosine == pytest.approx(near.score, abs=1e-5)


def test_the_dictionary_of_the_home_is_used(tmp_path: Path) -> None:
    corpus = [Draft(f"a{row}", "", "星海纵横号起航，星海纵横号返航。") for row in range(3)]
    for words, known in (((), False), ((DictionaryWord("星海纵横号"),), True)):
        system = RecnewsSystem(tmp_path / str(known), small_settings(), words)
        system.fit(corpus)
        _, found = system.words(["星海纵横号"]) or pytest.fail("recnews has vectors of words")
        assert found.tolist() == [known]


# The whole


@pytest.fixture(scope="module")
def outcome() -> Outcome:
    """Everything asked of every method."""
    judged = [
        JudgedPair(Text.free(f"{a} {a}"), Text.free(f"{b} {b}"), float(a == b)) for a in WORDS[:6] for b in WORDS[:6]
    ]
    words = [WordPair(WORDS[0], WORDS[1], 1), WordPair("harbour", "keel", 9), WordPair("keel", "mast", 9)]
    return evaluate(plan(pairs=judged, words=words, baselines=("tfidf", "bm25", "lsi", "word2vec")))


def test_tfidf_and_bm25_find_the_only_body_with_the_title_word(outcome: Outcome) -> None:
    for method in ("tf-idf", "bm25"):
        found = outcome.figures["title to body"][method]
        assert {name: figure.value for name, figure in found.items()} == {"R@1": 1, "R@10": 1, "MRR": 1}
        assert found["R@1"] == Figure(1, 1, 1, 50)
        assert outcome.figures["judged pairs"][method]["Pearson"].value == pytest.approx(1, abs=0.01)


def test_recnews_stands_first_and_is_far_above_chance(outcome: Outcome) -> None:
    assert list(outcome.figures["title to body"]) == ["recnews", "tf-idf", "bm25", "lsi", "word2vec mean"]
    found = outcome.figures["title to body"]["recnews"]
    assert found["R@10"].value > 2 * 10 / 50
    assert found["R@1"].low <= found["R@1"].value <= found["R@1"].high


def test_differences_are_those_of_the_figures(outcome: Outcome) -> None:
    figures, behind = outcome.figures["title to body"], outcome.behind["title to body"]
    assert behind["recnews"] == {}
    for name, figure in behind["tf-idf"].items():
        assert figure.value == pytest.approx(figures["recnews"][name].value - figures["tf-idf"][name].value)
        assert figure.low <= figure.value <= figure.high


def test_methods_that_know_different_words_are_not_subtracted() -> None:
    class Half(TfIdf):
        name = "half"

        def words(self, words: Sequence[str]) -> tuple[Float32, Bools] | None:
            known = np.array([word in WORDS for word in words])
            return np.ones((len(words), 2), dtype=np.float32) * known[:, None], known

    # recnews knows the first two pairs, the other method the last two.
    words = [
        WordPair("harbour", "keel", 9), WordPair(WORDS[0], WORDS[1], 1),
        WordPair(WORDS[48], WORDS[49], 3),
    ]  # fmt: skip
    BASELINES["half"] = lambda cutter, _: Half(cutter)
    try:
        outcome = evaluate(plan(articles=paired(40), words=words, judged_only=True, baselines=("half",)))
    finally:
        del BASELINES["half"]
    known = [found["known"].value for found in outcome.figures["judged words"].values()]
    assert known == pytest.approx([2 / 3, 2 / 3])
    assert list(outcome.behind["judged words"]["half"]) == ["known"]


def test_the_document_is_json_and_says_what_was_done(outcome: Outcome) -> None:
    document = json.loads(json.dumps(outcome.document(), allow_nan=False))
    assert document["corpus"]["trained_on"] == document["corpus"]["asked_about"] == 50
    assert document["corpus"]["holdout"] == 0
    assert [task["name"] for task in document["tasks"]] == [
        "title to body", "same category", "judged pairs", "judged words",
    ]  # fmt: skip
    first = document["tasks"][0]["methods"][1]
    assert first["method"] == "tf-idf"
    assert first["figures"]["R@1"] == {"value": 1, "low": 1, "high": 1, "n": 50}
    assert set(document["seconds"]) == {"recnews", "tf-idf", "bm25", "lsi", "word2vec mean"}
    assert "which training has seen" in outcome.about()


def test_the_table_leaves_out_methods_that_do_not_answer(outcome: Outcome) -> None:
    assert [row[0] for row in outcome.table("judged words")] == ["method", "recnews", "word2vec mean"]
    assert outcome.table("title to body")[0] == ["method", "R@1", "R@10", "MRR"]
    assert outcome.table("title to body")[2] == ["tf-idf", *["1.000 1.000-1.000"] * 3]


def test_a_random_category_is_found_by_chance(outcome: Outcome) -> None:
    # 25 of 50 are of each category, 24 of the other 49 of one's own: .49, of ten places.
    assert outcome.figures["same category"]["tf-idf"]["P@10"].value == pytest.approx(0.49, abs=0.12)


def test_figures_are_short() -> None:
    assert shown(Figure(0.5812, 0.5, 1.0, 9)) == ".581 .500-1.000"
    assert shown(Figure(-0.25, -0.5, 0.0, 9)) == "-.250 -.500-.000"
    assert shown(Figure(math.nan, math.nan, math.nan, 0)) == "-"
    assert shown(Figure(0.5, math.nan, math.nan, 2)) == ".500"


def test_held_out_articles_are_unknown_to_training() -> None:
    class Spy(TfIdf):
        def fit(self, articles: Sequence[Draft]) -> None:
            learned.extend(article.key for article in articles)
            super().fit(articles)

    learned: list[str] = []
    BASELINES["spy"] = lambda cutter, _: Spy(cutter)
    try:
        outcome = evaluate(plan(holdout=0.5, baselines=("spy",)))
    finally:
        del BASELINES["spy"]
    held = [article.key for article in paired() if crc32(article.key.encode()) % 100 < 50]
    assert sorted([*learned, *held]) == sorted(article.key for article in paired())
    assert outcome.corpus["asked_about"] == len(held)
    assert outcome.figures["title to body"]["recnews"]["R@1"].n == len(held)
    assert "kept out of training" in outcome.about()


def test_since_asks_about_late_articles_and_trains_on_all() -> None:
    training, asked = split(paired(), 0, NOW - 9 * DAY)
    assert len(training) == 50
    assert [article.key for article in asked] == [f"a-{row}" for row in range(10)]


def test_since_with_a_full_holdout_is_a_cut_in_time() -> None:
    training, asked = split(paired(), 1, NOW - 9 * DAY)
    assert len(training) == 40
    assert len(asked) == 10
    assert max(article.published_at or NOW for article in training) < NOW - 9 * DAY
    # Half-open: what appears at the very moment is asked about.
    assert min(article.published_at or NOW for article in asked) == NOW - 9 * DAY


@pytest.mark.parametrize("share", [0.07, 0.29, 0.57])
def test_a_share_is_that_many_hundredths(share: float) -> None:
    many = [Draft(f"k{row}", "t") for row in range(2000)]
    _, held = split(many, share, None)
    assert len(held) == sum(crc32(draft.key.encode()) % 100 < round(share * 100) for draft in many)


def test_judged_only_asks_nothing_about_articles() -> None:
    pairs = [JudgedPair(Text.free(WORDS[0]), Text.free(word), float(row)) for row, word in enumerate(WORDS[:5])]
    outcome = evaluate(plan(pairs=pairs, judged_only=True, baselines=()))
    assert list(outcome.tasks) == ["judged pairs"]
    assert "judged pairs only" in outcome.about()


def test_nothing_to_measure_is_said() -> None:
    with pytest.raises(UsageError, match="nothing to measure"):
        evaluate(plan(articles=[Draft("1", "title", "body text that is long")]))
    with pytest.raises(UsageError, match="no article is left to train on"):
        evaluate(plan(holdout=1.0))
    with pytest.raises(UsageError, match="known are word2vec"):
        evaluate(plan(baselines=("glove",)))
    with pytest.raises(UsageError, match="between 0 and 1"):
        split(paired(), 1.5, None)
    with pytest.raises(TrainingError, match="hold no words"):
        TfIdf(cutter()).fit([Draft("1", "。")])


# Files


def written(path: Path, *lines: str) -> Path:
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


def test_pairs_are_texts_or_articles(tmp_path: Path) -> None:
    file = written(
        tmp_path / "pairs.jsonl",
        '{"a": "one", "b": {"title": "two", "body": "three"}, "similarity": 2.5, "lang": "en"}',
        "",
        '{"pair": "1_2", "lang": "zh", "a": "四", "b": "五", "similarity": "3"}',
    )
    first, second = pairs_of(file)
    assert first == JudgedPair(Text("", "", "one"), Text("two", "", "three"), 2.5)
    assert second.similarity == 3
    assert pairs_of(file, "zh") == [second]
    with pytest.raises(UsageError, match="no pair with lang 'fr'"):
        pairs_of(file, "fr")


@pytest.mark.parametrize(
    ("line", "field"),
    [
        ('{"a": "x", "similarity": 1}', "b"),
        ('{"a": "x", "b": " ", "similarity": 1}', "b"),
        ('{"a": {"title": 3}, "b": "y", "similarity": 1}', "a"),
        ('{"a": {}, "b": "y", "similarity": 1}', "a"),
        ('{"a": "x", "b": "y"}', "similarity"),
        ('{"a": "x", "b": "y", "similarity": "high"}', "similarity"),
        ('{"a": "x", "b": "y", "similarity": true}', "similarity"),
        ('{"a": "x", "b": "y", "similarity": 1e999}', "similarity"),
        ("not json", None),
    ],
)
def test_a_bad_pair_is_named_by_file_line_and_field(tmp_path: Path, line: str, field: str | None) -> None:
    file = written(tmp_path / "pairs.jsonl", '{"a": "x", "b": "y", "similarity": 1}', line)
    with pytest.raises(RowError) as caught:
        pairs_of(file)
    assert (caught.value.file, caught.value.line, caught.value.field) == (str(file), 2, field)


def test_word_pairs_skip_comments(tmp_path: Path) -> None:
    file = written(tmp_path / "words.tsv", "# a comment", "tiger\tcat\t7.35", "", "火箭\t卫星\t6")
    assert word_pairs_of(file) == [WordPair("tiger", "cat", 7.35), WordPair("火箭", "卫星", 6)]


@pytest.mark.parametrize(
    ("line", "field"), [("tiger cat 7", None), ("tiger\tcat\tx", "score"), ("\tcat\t1", "word 1"), ("a\t\t1", "word 2")]
)
def test_a_bad_word_pair_is_named_by_file_line_and_field(tmp_path: Path, line: str, field: str | None) -> None:
    file = written(tmp_path / "words.tsv", "# comment", "tiger\tcat\t7.35", line)
    with pytest.raises(RowError) as caught:
        word_pairs_of(file)
    assert (caught.value.file, caught.value.line, caught.value.field) == (str(file), 3, field)


def test_files_without_pairs_or_articles_are_refused(tmp_path: Path) -> None:
    empty = written(tmp_path / "empty.tsv", "# nothing")
    with pytest.raises(UsageError, match="no pair of words"):
        word_pairs_of(empty)
    bad = written(tmp_path / "articles.jsonl", '{"id": "1", "title": "t"}', '{"title": "t"}')
    with pytest.raises(RowError, match=r"articles\.jsonl:2: field 'id'"):
        articles_of([bad], ReadOptions())
    assert [article.key for article in articles_of([bad], ReadOptions(), limit=1)] == ["1"]


# The command


@pytest.fixture
def corpus_file(tmp_path: Path) -> Path:
    rows = [
        {"id": it.key, "title": it.title, "body": it.body, "published_at": (NOW - timedelta(days=1)).isoformat()}
        for it in paired()
    ]
    return written(tmp_path / "articles.jsonl", *(json.dumps(row) for row in rows))


@pytest.fixture
def away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty folder to be in, whose settings train in a moment."""
    folder = tmp_path / "away"
    folder.mkdir()
    values = small().model_dump(include={"dim", "epochs", "min_count", "workers"})
    written(folder / "recnews.toml", "[embedding]", *(f"{name} = {value}" for name, value in values.items()))
    monkeypatch.chdir(folder)
    common.set_home(None)  # which a command of another test may have named
    yield folder
    assert [file.name for file in folder.iterdir()] == ["recnews.toml"], "an evaluation leaves nothing behind"


def run(*words: str) -> str:
    result = CliRunner().invoke(app, ["similarity", *words], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def test_the_command_prints_a_table_and_writes_json(away: Path, corpus_file: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.json"
    given = ["--articles", str(corpus_file), "--min-chars", "10", "--baselines", "tfidf,bm25", "--json", str(out)]
    told = run(*given, "--holdout", "0.5", "--dim", "8", "--seed", "5")
    assert "kept out of training" in told
    assert "R@1" in told
    assert "tf-idf" in told
    document = json.loads(out.read_text(encoding="utf-8"))
    assert document["settings"]["embedding"]["dim"] == 8
    assert document["seed"] == 5
    assert [method["method"] for method in document["tasks"][0]["methods"]] == ["recnews", "tf-idf", "bm25"]


def test_json_to_standard_output_is_all_there_is(away: Path, corpus_file: Path) -> None:
    told = run("--articles", str(corpus_file), "--min-chars", "10", "--baselines", "none", "--json", "-")
    assert json.loads(told)["tasks"][0]["methods"][0]["method"] == "recnews"


def test_without_files_the_articles_of_the_home_are_taken(home: Path) -> None:
    before = sorted((file, file.stat().st_size) for file in (home / "indexes").rglob("*"))
    told = run("--home", str(home), "--min-chars", "10", "--baselines", "none", "--epochs", "2", "--workers", "1")
    assert "trained on 48 articles" in told
    assert "same category" in told
    assert sorted((file, file.stat().st_size) for file in (home / "indexes").rglob("*")) == before


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ([], "no article is stored there"),
        (["--articles", "nowhere.jsonl"], "there is no such file"),
        (["--since", "soon", "--articles", "FILE"], "is not a time"),
        (["--since", "2026-01-01", "--articles", "FILE"], "no time zone"),
        (["--timezone", "Mars", "--articles", "FILE"], "not a time zone"),
        (["--baselines", "glove", "--articles", "FILE", "--min-chars", "10"], "no baseline is called"),
    ],
)
def test_wrong_use_is_told(away: Path, corpus_file: Path, words: list[str], reason: str) -> None:
    given = [str(corpus_file) if word == "FILE" else word for word in words]
    with pytest.raises(UsageError, match=reason):
        run(*given)


def test_a_date_is_read_in_the_zone_that_is_given(away: Path, corpus_file: Path) -> None:
    with pytest.raises(UsageError, match="of 0 articles"):
        run("--articles", str(corpus_file), "--since", "2026-06-01", "--timezone", "Asia/Shanghai")


def test_help_ends_with_an_example() -> None:
    assert "recnews evaluate similarity --articles" in run("--help").splitlines()[-2]
