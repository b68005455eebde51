"""Words coined after training: counted once, given a vector from the words around them, and searchable the same day."""

import multiprocessing
import random
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from recnews.embed.base import TokenFile, Vocabulary
from recnews.embed.space import to_unit
from recnews.embed.unknown import Induction, contexts_of, fit_induction
from recnews.errors import UnknownWordError
from recnews.newsroom import Newsroom
from recnews.newsroom.upkeep import make_searchable
from recnews.records import Draft, Float32, Tokens
from recnews.store import Often
from tests.worlds import CHINESE, ENGLISH, HOUR, NOW, article, small_settings

COINED = "zorbium"


def coined(topic: str, numbers: range, word: str = COINED, times: int = 2) -> list[Draft]:
    """Articles of a topic in whose midst a word stands that no training has seen."""
    drafts = []
    for number in numbers:
        draft, comma = article(topic, number, NOW - HOUR), " " if topic in ENGLISH else "，"
        words = draft.body.split(comma)
        for place in random.Random(number).sample(range(4, 20), times):
            words.insert(place, word)
        drafts.append(replace(draft, body=comma.join(words)))
    return drafts


def tables(newsroom: Newsroom) -> tuple[list[tuple[object, ...]], ...]:
    """All that is kept of new words and vectors, in a fixed order."""
    names = ("new_words", "induced_words", "vectors")
    with newsroom.store._database.read() as connection:
        return tuple(
            sorted((tuple(row) for row in connection.exec_driver_sql(f"SELECT * FROM {name}")), key=repr)
            for name in names
        )


# The arithmetic


def vocabulary(*words: str) -> Vocabulary:
    """Words that each stand in one of a hundred articles but for the first, which stands in half of them."""
    articles = np.ones(len(words), dtype=np.int64)
    articles[0] = 50
    return Vocabulary(words, np.full(len(words), 10), articles, 100)


def contexts(
    words: Sequence[str], texts: Sequence[Sequence[Tokens]], known: Vocabulary, unit: Float32, window: int
) -> Float32:
    """Contexts of words, each with its own texts."""
    places = iter(range(sum(map(len, texts))))
    holding = [[next(places) for _ in held] for held in texts]
    return contexts_of(words, known.numbered([text for held in texts for text in held]), holding, known, unit, window)


def test_a_context_is_what_stands_around_by_nearness_and_idf() -> None:
    """`x` has `b` to its left; `c` two to its right counts half; `a` is beyond the window; `y` is nobody."""
    known = vocabulary("a", "b", "c", "d")
    text = Tokens(["a", "d", "b"], ["x", "y", "d", "c", "a"])
    [context] = contexts(["x"], [[text]], known, np.eye(4, dtype=np.float32), window=2)
    idf = np.log(101)
    np.testing.assert_allclose(context, [0, idf, 0.5 * idf, 1.5 * idf], rtol=1e-6)
    [half] = contexts(["x"], [[Tokens([], ["a", "x"])]], known, np.eye(4, dtype=np.float32), window=2)
    np.testing.assert_allclose(half, [np.log(101 / 50), 0, 0, 0], rtol=1e-6)


def test_contexts_of_several_words_and_texts_are_each_their_own() -> None:
    known, unit = vocabulary("a", "b", "c", "d"), np.eye(4, dtype=np.float32)
    one, two = Tokens(["x", "a"], ["b", "x"]), Tokens([], ["y", "c", "x"])
    both = contexts(["x", "y"], [[one, two], [two]], known, unit, window=3)
    for row, (word, texts) in enumerate([("x", [one, two]), ("y", [two])]):
        assert both[row].tobytes() == contexts([word], [texts], known, unit, 3)[0].tobytes()
    first, second = (contexts(["x"], [[text]], known, unit, 3)[0] for text in (one, two))
    np.testing.assert_allclose(both[0], first + second, rtol=1e-6)


def test_a_word_at_two_stages_is_asked_about_twice() -> None:
    known, unit = vocabulary("a", "b", "c", "d"), np.eye(4, dtype=np.float32)
    one, two = Tokens(["x", "a"], ["b", "x"]), Tokens([], ["y", "c", "x"])
    both = contexts(["x", "x"], [[one], [one, two]], known, unit, window=3)
    assert both[0].tobytes() == contexts(["x"], [[one]], known, unit, 3)[0].tobytes()
    assert both[1].tobytes() == contexts(["x"], [[one, two]], known, unit, 3)[0].tobytes()
    assert both[0].any()


def test_texts_that_were_numbered_before_words_came_give_the_same() -> None:
    """Numbers are by the words of the training; those that came later stand among the others."""
    texts = [Tokens(["x", "a"], ["b", "y", "x"]), Tokens([], ["y", "c", "x", "z"]), Tokens([], [])]
    known, unit = vocabulary("a", "b", "c", "d"), np.eye(4, dtype=np.float32)
    before = known.numbered(texts)
    known.extend(["y", "q"], np.array([3, 4]))
    for position in (1.0, 100.0):
        one, other = known.weigh(before, position), known.weigh(texts, position)
        assert one.unseen == other.unseen == ("x", "z")
        assert np.array_equal(one.matrix.toarray(), other.matrix.toarray())
        assert one.known.tolist() == other.known.tolist() == [True, True, False]
    found = [contexts_of(["x", "y"], it, [[0, 1], [1]], known, unit, 3) for it in (before, known.numbered(texts))]
    assert found[0].tobytes() == found[1].tobytes()
    assert found[0].all(axis=1).tolist() == [False, False]
    assert found[0].any(axis=1).tolist() == [True, True]
    assert [known.words[row] for row in before.ids.tolist() if row < before.size] == ["a", "b", "c"]
    assert known.known(texts) == [["a", "b", "y"], ["y", "c"], []]


def test_no_context_is_no_vector() -> None:
    known, unit = vocabulary("a", "b"), np.eye(2, dtype=np.float32)
    found = contexts(["x", "y", "z"], [[Tokens(["x"], ["w"])], [], [Tokens([], ["a"])]], known, unit, 3)
    assert not found.any()
    assert not Induction(np.eye(2, dtype=np.float32), 1.0).vectors(found).any()
    assert contexts([], [], known, unit, 3).shape == (0, 2)


def test_the_map_is_found(tmp_path: Path) -> None:
    """Words whose vector is a fixed turn of their context: the regression finds the turn."""
    draw = np.random.default_rng(1)
    words = [f"w{number}" for number in range(60)]
    texts = [Tokens([], [words[i] for i in draw.integers(0, 60, 30)]) for _ in range(100)]
    corpus = TokenFile.write(tmp_path / "tokens", iter(texts))
    counts = np.array([sum(text.body.count(word) for text in texts) for word in words])
    known = Vocabulary.of_corpus(corpus, words, counts)
    unit = to_unit(draw.normal(size=(60, 8)).astype(np.float32)).vectors
    turn = np.linalg.qr(draw.normal(size=(8, 8)))[0].astype(np.float32)

    from recnews.embed import unknown

    sampled = unknown._sampled_contexts(corpus, known, np.arange(60), unit, 3)
    targets = to_unit(sampled).vectors @ turn * np.float32(2)
    rows = unknown._ridge(to_unit(sampled).vectors, targets, np.ones(60))
    np.testing.assert_allclose(rows / 2, turn, atol=0.15)
    induction = fit_induction(corpus, known, unit, 3)
    assert induction.matrix.shape == (8, 8)
    assert induction.length == pytest.approx(1.0, abs=1e-5)
    induction.save(tmp_path)
    again = Induction.load(tmp_path)
    assert (again.matrix.tobytes(), again.length) == (induction.matrix.tobytes(), induction.length)


def test_rows_do_not_touch_each_other() -> None:
    draw = np.random.default_rng(2)
    induction = Induction(draw.normal(size=(16, 16)).astype(np.float32), 0.9)
    rows = draw.normal(size=(150, 16)).astype(np.float32)
    together = induction.vectors(rows)
    np.testing.assert_allclose(np.linalg.norm(together, axis=1), 0.9, rtol=1e-5)
    for row in range(150):
        assert induction.vectors(rows[row : row + 1])[0].tobytes() == together[row].tobytes()


# From ingest to search


@pytest.mark.parametrize(("topic", "word"), [("sailing", COINED), ("航天", "zorbium"), ("金融", "covid-31")])
def test_a_coined_word_is_searchable_the_same_day(newsroom: Newsroom, topic: str, word: str) -> None:
    with pytest.raises(UnknownWordError):
        newsroom.neighbors(word=word)
    assert word in newsroom.neighbors(text=f"{word} keel").unknown
    report = newsroom.ingest(coined(topic, range(50, 53), word))
    assert (report.added, report.indexed, report.pending) == (3, 3, 0)
    found = newsroom.neighbors(word=word, k=5, at=NOW)
    assert {neighbor.word for neighbor in found.words} <= set((CHINESE | ENGLISH)[topic])
    assert {neighbor.key for neighbor in found.articles[:3]} == {f"{topic}-{number}" for number in range(50, 53)}
    assert newsroom.neighbors(text=f"{word} keel", at=NOW).unknown == ()
    assert newsroom.verify() == []
    assert newsroom.store.vectors.missing("g000001") == 0


def test_a_text_of_nothing_but_a_coined_word_has_neighbors(newsroom: Newsroom) -> None:
    assert not newsroom.embed([COINED]).any()
    newsroom.ingest(coined("cooking", range(50, 54)))
    found = newsroom.neighbors(text=COINED, k=4, at=NOW)
    assert {neighbor.key for neighbor in found.articles} == {f"cooking-{number}" for number in range(50, 54)}
    assert np.linalg.norm(newsroom.embed([COINED])[0]) == pytest.approx(1.0, abs=1e-5)


def test_it_takes_three_articles_and_five_occurrences(newsroom: Newsroom) -> None:
    def known() -> bool:
        return COINED in newsroom.explorer().generation.embedder.vocabulary.ids

    newsroom.ingest(coined("cooking", range(50, 52), times=8))
    assert not known(), "two articles, 16 occurrences"
    newsroom.ingest(coined("sailing", range(50, 53), "yarrowite", times=1))
    newsroom.ingest(coined("sailing", range(53, 54), "yarrowite", times=1))
    assert "yarrowite" not in newsroom.explorer().generation.embedder.vocabulary.ids, "four articles, 4 occurrences"
    newsroom.ingest(coined("cooking", range(52, 53), times=1))
    assert known(), "three articles"
    newsroom.ingest(coined("sailing", range(54, 55), "yarrowite", times=1))
    assert "yarrowite" in newsroom.explorer().generation.embedder.vocabulary.ids, "five occurrences"
    assert newsroom.verify() == []


def test_earlier_articles_are_brought_up_to_date(newsroom: Newsroom) -> None:
    first, *others = coined("sailing", range(50, 54))
    newsroom.ingest([first])
    article_id = newsroom.article(first.key).article_id
    before = newsroom.store.vectors.of("g000001", [article_id])[article_id].copy()
    newsroom.ingest(others)
    after = newsroom.store.vectors.of("g000001", [article_id])[article_id]
    assert not np.array_equal(before, after)
    assert np.array_equal(after, newsroom.serving.generation(prepared=True).encode([first])[0].vectors[0])
    _, catalog = newsroom.serving.current()
    served, _ = catalog.vectors(np.array([article_id]))
    assert np.abs(served[0] - after).max() < 1e-4, "and served, in 16 bits a number"
    assert newsroom.verify() == []


def test_a_word_met_more_often_is_known_better(newsroom: Newsroom) -> None:
    """At 5, at 20 and at 80 occurrences its vector is made anew; then it is counted no more."""

    def induced() -> list[tuple[object, ...]]:
        return sorted((row[2:5] for row in tables(newsroom)[1]), key=repr)

    drafts, vectors = coined("sailing", range(50, 71), times=4), list[bytes]()
    for start, end, expected in ((0, 4, 3), (4, 5, 5), (5, 19, 5), (19, 20, 20), (20, 21, 20)):
        newsroom.ingest(drafts[start:end])
        assert induced()[-1][2] == expected, "how many articles it was induced from"
        vectors.append(newsroom.explorer().generation.embedder.words[-1].tobytes())
        assert newsroom.verify() == []
        with Newsroom.open(newsroom.home, small_settings()) as other:
            assert other.embed([COINED]).tobytes() == newsroom.embed([COINED]).tobytes()
    assert len(set(vectors)) == 3
    assert induced() == [(0, 0, 3), (1, 1, 5), (2, 2, 20)], "stage, rank, articles"
    assert not [row for row in tables(newsroom)[0] if row[1] == COINED]


def test_counting_an_article_again_changes_nothing(newsroom: Newsroom) -> None:
    drafts = coined("sailing", range(50, 52), times=3)
    newsroom.ingest(drafts)
    once = tables(newsroom)
    for _ in range(3):
        newsroom.ingest(drafts)
        newsroom.store.vectors.restart("g000001")
        newsroom.ingest([])
    assert tables(newsroom) == once
    newsroom.ingest([replace(drafts[0], body=drafts[0].body + f" keel {COINED}"), drafts[1]])
    counts = [row[3] for row in tables(newsroom)[0] if row[1] == COINED]
    assert counts == [4, 3], "a changed article counts as it is now"
    newsroom.ingest([replace(drafts[0], body="keel"), drafts[1]])
    newsroom.delete([drafts[1].key])
    assert not [row for row in tables(newsroom)[0] if row[1] == COINED]


@pytest.mark.parametrize("word", ["x", "7.5", "12-31", "z" * 65])
def test_what_is_no_name_is_not_counted(newsroom: Newsroom, word: str) -> None:
    newsroom.ingest(coined("cooking", range(50, 56), word, times=2))
    assert word not in {row[1] for table in tables(newsroom)[:2] for row in table}


def test_a_word_among_nothing_known_stays_unknown(newsroom: Newsroom) -> None:
    newsroom.ingest([Draft(f"odd-{n}", "", f"{COINED} {COINED} qqq{n}", published_at=NOW) for n in range(4)])
    with pytest.raises(UnknownWordError):
        newsroom.neighbors(word=COINED)
    newsroom.ingest(coined("sailing", range(50, 51)))
    with pytest.raises(UnknownWordError):
        newsroom.neighbors(word=COINED)
    assert newsroom.verify() == []


def test_one_by_one_or_all_at_once(home: Path, tmp_path: Path) -> None:
    """What a killed run leaves for the next is taken in larger lots: the outcome is the same to the byte."""
    drafts = [*coined("sailing", range(50, 62), times=8), *coined("航天", range(50, 54), "yarrowite")]
    other = Path(shutil.copytree(home, tmp_path / "other"))
    with Newsroom.open(home, small_settings()) as one, Newsroom.open(other, small_settings()) as all_:
        for draft in drafts:
            one.ingest([draft])
        all_.ingest(drafts)
        assert tables(one) == tables(all_)
        assert one.verify() == all_.verify() == []


def test_a_run_killed_between_ripe_and_induced(home: Path, tmp_path: Path) -> None:
    drafts = coined("sailing", range(50, 53))
    other = Path(shutil.copytree(home, tmp_path / "other"))
    with Newsroom.open(home, small_settings()) as killed, Newsroom.open(other, small_settings()) as undisturbed:
        undisturbed.ingest(drafts)
        killed.store.articles.upsert(drafts, NOW)
        generation = killed.serving.generation(prepared=True)
        pending = killed.store.vectors.pending(generation.id, 100)
        met = generation.new_words(pending.texts)
        assert met
        ids = [text.article_id for text in pending.texts]
        killed.store.words.count(generation.id, ids, pending.text_digests, met)
        assert [word.word for word in killed.store.words.ripe(generation.id, Often(3, 5, 3))] == [COINED]
        killed.ingest(drafts)  # the command is run again
        assert tables(killed) == tables(undisturbed)
        assert killed.verify() == []


def test_another_open_newsroom_follows(home: Path) -> None:
    with Newsroom.open(home, small_settings()) as one, Newsroom.open(home, small_settings()) as other:
        assert not other.embed([COINED]).any()
        with pytest.raises(UnknownWordError):
            other.neighbors(word=COINED)
        one.ingest(coined("sailing", range(50, 53)))
        assert other.neighbors(word=COINED, at=NOW) == one.neighbors(word=COINED, at=NOW)
        assert other.embed([COINED]).tobytes() == one.embed([COINED]).tobytes()
        other.ingest(coined("航天", range(50, 53), "yarrowite"))
        one.ingest(coined("cooking", range(50, 53), "xenolith"))
        words = [f"{COINED} yarrowite", "xenolith keel"]
        assert other.embed(words).tobytes() == one.embed(words).tobytes()
        assert one.verify() == other.verify() == []


def test_vectors_made_before_a_word_was_induced_are_not_written(newsroom: Newsroom, home: Path) -> None:
    drafts = coined("sailing", range(50, 54))
    newsroom.store.articles.upsert(drafts[3:], NOW)
    generation = newsroom.serving.generation(prepared=True)
    pending = newsroom.store.vectors.pending(generation.id, 100)
    vectors, keywords = generation.encode(pending.texts)
    with Newsroom.open(home, small_settings()) as other:
        other.store.articles.upsert(drafts[:3], NOW)
        make_searchable(other)  # encodes the fourth as well
    assert not newsroom.store.vectors.write(generation.id, pending, vectors.vectors, keywords, True, generation.rank)
    newsroom.ingest(drafts)
    assert newsroom.verify() == []


def test_a_restored_store_takes_its_words_back(home: Path, tmp_path: Path) -> None:
    kept = Path(shutil.copytree(home / "corpora", tmp_path / "kept"))
    with Newsroom.open(home, small_settings()) as newsroom:
        newsroom.ingest(coined("sailing", range(50, 53)))
        assert newsroom.embed([COINED]).any()
        newsroom.store.close()
        shutil.rmtree(home / "corpora")
        shutil.copytree(kept, home / "corpora")
        assert not newsroom.embed([COINED]).any()
        newsroom.ingest(coined("航天", range(50, 53), "yarrowite"))
        assert newsroom.neighbors(word="yarrowite", at=NOW).words[0].word in CHINESE["航天"]
        assert newsroom.verify() == []


def ingest_in_a_process(home: str, start: int, barrier: object) -> None:
    with Newsroom.open(home, small_settings()) as newsroom:
        barrier.wait()  # type: ignore[attr-defined]
        for number in range(start, start + 12, 3):
            newsroom.ingest(
                [*coined("sailing", range(number, number + 3)), *coined("航天", range(number, number + 3), "yarrowite")]
            )


def test_two_processes_at_once(home: Path) -> None:
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(2)
    processes = [context.Process(target=ingest_in_a_process, args=(str(home), start, barrier)) for start in (50, 70)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0, 0]
    with Newsroom.open(home, small_settings()) as newsroom:
        assert newsroom.verify() == []
        assert newsroom.neighbors(word=COINED, at=NOW).words[0].word in ENGLISH["sailing"]
        assert newsroom.neighbors(word="yarrowite", at=NOW).words[0].word in CHINESE["航天"]
        induced = tables(newsroom)[1]
        assert {row[1:3] for row in induced} == {(word, stage) for word in (COINED, "yarrowite") for stage in (0, 1)}
        assert {row[3] for row in induced} == {0, 1, 2, 3}


def test_the_next_training_learns_it_and_what_is_pruned_is_forgotten(newsroom: Newsroom) -> None:
    newsroom.ingest(coined("sailing", range(50, 53)))
    newsroom.train()
    assert COINED in newsroom.generations.load("g000002").embedder.vocabulary.ids
    assert newsroom.neighbors(word=COINED, at=NOW).words
    assert newsroom.generations.rollback() == "g000001"
    assert newsroom.neighbors(word=COINED, at=NOW).words
    newsroom.ingest(coined("sailing", range(53, 54)))
    assert newsroom.verify() == []
    newsroom.generations.promote("g000002")
    newsroom.generations.prune(keep=1)
    assert not [row for table in tables(newsroom) for row in table if row[0] == "g000001"]
    assert newsroom.verify() == []


def test_doc2vec_takes_none(tmp_path: Path) -> None:
    """Said in `docs/design.md`: it infers against output weights, which a new word does not have."""
    with Newsroom.open(tmp_path, small_settings("doc2vec")) as newsroom:
        newsroom.ingest([article("sailing", number) for number in range(8)])
        newsroom.train()
        newsroom.ingest(coined("sailing", range(50, 53)))
        with pytest.raises(UnknownWordError):
            newsroom.neighbors(word=COINED)
        assert tables(newsroom)[:2] == ([], [])
        assert newsroom.verify() == []


def test_encoding_alone_and_in_a_batch(newsroom: Newsroom) -> None:
    drafts = [*coined("sailing", range(50, 53)), *coined("航天", range(50, 53), "yarrowite")]
    newsroom.ingest(drafts)
    generation = newsroom.explorer().generation
    texts = [*drafts, *(article(topic, number) for topic in CHINESE for number in range(20))]
    together = generation.encode(texts)[0].vectors
    for row, text in enumerate(texts):
        assert generation.encode([text])[0].vectors[0].tobytes() == together[row].tobytes()
