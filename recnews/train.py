"""Training: a new generation from the stored articles, built beside the live one, checked, then switched to."""

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from recnews.ageing import learn_ageing
from recnews.atlas import Atlas, learn_map
from recnews.catalog import Catalog
from recnews.config import EmbeddingSettings, Settings
from recnews.embed.base import Embedder, Progress, TokenFile
from recnews.embed.continuing import Learned, Start
from recnews.errors import TrainingError
from recnews.generation import (
    BEHAVIOUR_FOLDER,
    EMBEDDER_FOLDER,
    LEARNED_FOLDER,
    TOKENIZER_FILE,
    Generation,
    Manifest,
    load_generation,
    write_manifest,
)
from recnews.generations import Generations
from recnews.indexing import index_pending
from recnews.labelling import learn_categories, write_guesses
from recnews.metrics import neighbour_overlap
from recnews.readership import learn, write_all
from recnews.records import Tokens
from recnews.store import ArticleText, Store
from recnews.text import DictionaryWord, Tokenizer

if TYPE_CHECKING:
    from recnews.cluster import Cluster

_TOKENS_FILE = "tokens.txt"
_CHECKED = 500
_AGES = 1_000_000
_NEIGHBOURS = 10
_NEIGHBOURS_AMONG = 20_000
_SHAPES = ("dim", "semantic_dim", "lexical_dim")
_NONE = np.zeros((0, 0), dtype=np.float32)
_LIBRARIES = ("gensim", "numpy", "faiss-cpu", "jieba", "rjieba", "scikit-learn")


def train(
    store: Store,
    generations: Generations,
    *,
    settings: Settings,
    dictionary: Sequence[DictionaryWord],
    now: datetime,
    promote: bool,
    progress: Progress,
    continued: bool = False,
    cluster: "Cluster | None" = None,
) -> Generation:
    """Fit tokenizer, embedder and space on the stored articles, encode all of them, check, switch.

    `continued` goes on from the weights of the generation that serves, and keeps its space. The workers of a `cluster`
    cut and encode; words are learned here.

    Nothing that is live is touched before the switch: killed at any moment and run again, the outcome is that of an
    undisturbed run. Raises `TrainingError`, `BusyError`, `StorageError`.
    """
    with generations.training():
        if store.articles.count() == 0:
            raise TrainingError("there are no articles to learn from; run `recnews ingest` first")
        source = _source(generations, settings.embedding) if continued else None
        before = source.id if source else generations.current().live
        start = source.start() if source else None
        name, folder = generations.begin()
        store.vectors.retain(generations.names())  # a killed training or pruning may have left some of others
        tokenizer = Tokenizer(settings.text, dictionary)
        texts = _cut(store, tokenizer, progress, cluster)
        manifest = _fit(texts, tokenizer, folder, settings=settings, progress=progress, start=start)
        manifest = replace(manifest, generation=name, created_at=now.isoformat(), promote=promote)
        manifest = replace(manifest, continued_from=source.id if source else None)
        write_manifest(folder, manifest)
        generation = load_generation(folder, name)  # what is checked is what was written
        try:
            _encode_all(store, generation, progress, cluster)
            quality = check(store, generation)
        finally:
            generation.close()
        drifted = drift(store, before, name) if before else {}
        progress("readers", 0.0)
        measured = replace(generation.manifest, quality=quality, drift=drifted, drift_from=before if drifted else None)
        measured = replace(measured, **_of_readers(store, generation, settings))
        measured = replace(measured, categories=_learn_categories(store, generation, settings, progress))
        measured = replace(measured, map=learn_map(store, generation, settings, progress))
        generation = write_manifest(folder, measured)
        write_all(store, generation, settings)
        write_guesses(store, generation)
        progress("readers", 1.0)
        catalog = Catalog(name, generation.layout, folder)
        catalog.refresh(store)
        catalog.save(folder)
        if generation.map is not None:
            atlas = Atlas(name, generation.map)
            atlas.refresh(store)
            atlas.save(folder)
        generations.finish(name, folder)
        if promote:
            generations.switch_to(name)
            index_pending(
                store, generations.load(name), cluster=cluster
            )  # what other processes ingested since all were encoded
        return generations.load(name)


def check(store: Store, generation: Generation) -> dict[str, float]:
    """Encode a sample again and see that it gives the stored bytes; returns how well titles find their articles.

    `title_to_article`: the share of up to 500 sampled articles that their own title, as a text, finds first among
    them. Raises `TrainingError` when the generation does not do what it should.
    """
    sample = store.vectors.sample(generation.id, _CHECKED)
    if not sample:
        return {}
    texts = [text for text, _ in sample]
    stored = np.stack([vector for _, vector in sample])
    again, _ = generation.encode(texts)
    if not np.array_equal(again.vectors, stored):
        raise TrainingError(
            f"generation {generation.id} encodes the same article differently each time; not switched to"
        )
    titles, _ = generation.encode([ArticleText(text.article_id, "", "", text.title) for text in texts])
    asked = titles.known
    if not asked.any():
        return {}
    found = np.argmax(titles.vectors[asked] @ stored.T, axis=1)
    return {"title_to_article": round(float((found == np.flatnonzero(asked)).mean()), 4), "sampled": float(len(texts))}


def drift(store: Store, before: str, after: str) -> dict[str, float]:
    """How far generation `after` went from `before`, on articles that both have encoded as they are now.

    `overlap`: the mean share of an article's ten nearest that stayed, over up to 500 `sampled` articles, looked for in
    a sample of `among` articles. `cosine`: the mean cosine of an article's old and new vector, where they are of one
    length; it says how well the spaces are aligned, which the overlap does not depend on. Empty when there are not
    enough articles.
    """
    pairs = store.vectors.shared((before, after), _NEIGHBOURS_AMONG)
    old, new = (np.stack([np.frombuffer(row, np.float32) for row in rows]) if rows else _NONE for rows in pairs)
    known = old.any(axis=1) & new.any(axis=1)
    old, new = old[known], new[known]
    asked, k = min(len(old), _CHECKED), min(_NEIGHBOURS, len(old) - 1)
    if k < 1:
        return {}
    found = {"overlap": round(float(neighbour_overlap(old, new, asked, k).mean()), 4)}
    if old.shape == new.shape:
        found["cosine"] = round(float(np.einsum("ij,ij->i", old[:asked], new[:asked]).mean()), 4)
    return found | {"sampled": float(asked), "among": float(len(old))}


def _of_readers(store: Store, generation: Generation, settings: Settings) -> dict[str, Any]:
    """What the manifest says of the log; what was learned from it is written into the generation's folder."""
    ages = store.readings.ages(settings.feed.bounce_seconds, _AGES)
    found: dict[str, Any] = {"ageing": learn_ageing(ages.hours, ages.categories)}
    behaviour = learn(store, generation, settings)
    if behaviour:
        (generation.folder / BEHAVIOUR_FOLDER).mkdir()
        behaviour.save(generation.folder / BEHAVIOUR_FOLDER)
        found["behaviour"] = {
            "dim": behaviour.dim,
            "content": round(behaviour.content, 6),
            "articles": len(behaviour.ids),
            "gain": round(behaviour.gain, 4),
        }
    return found


def _learn_categories(store: Store, generation: Generation, settings: Settings, progress: Progress) -> dict[str, Any]:
    seed = settings.embedding.seed
    found = learn_categories(store, generation, settings.categories, seed, lambda: progress("categories", 0.0))
    if found:
        progress("categories", 1.0)
    return found


def _source(generations: Generations, settings: EmbeddingSettings) -> Generation:
    """The generation that serves, if a training with `settings` can go on from it. Raises `TrainingError`."""
    source, _ = generations.live(prepared=True)
    if source is None:
        raise TrainingError("there is no live generation to go on from; run `recnews train` first")
    for embedder, whose in ((settings.embedder, "asked for"), (source.manifest.embedder, f"what {source.id} is")):
        if embedder != "word2vec":
            raise TrainingError(
                f"a training can go on from word2vec only, and {embedder} is {whose}; "
                "run `recnews train` without --continue"
            )
    for name in _SHAPES:
        asked, live = getattr(settings, name), getattr(source.settings, name)
        if asked != live:
            raise TrainingError(
                f"embedding.{name} is {asked}, but {source.id} was trained with {live}; set it to {live} (an option, "
                "recnews.toml or the environment), or run `recnews train` without --continue"
            )
    return source


def _fit(
    texts: Iterator[Tokens],
    tokenizer: Tokenizer,
    folder: Path,
    *,
    settings: Settings,
    progress: Progress,
    start: Start | None,
) -> Manifest:
    """Write tokenizer and an embedder of `texts` into the folder; returns what the manifest says of them."""
    (folder / TOKENIZER_FILE).write_text(json.dumps(tokenizer.state(), ensure_ascii=False, indent=1), encoding="utf-8")
    corpus = TokenFile.write(folder / _TOKENS_FILE, texts)
    embedder, learned = _embedder(corpus, settings.embedding, progress, start)
    (folder / EMBEDDER_FOLDER).mkdir()
    embedder.save(folder / EMBEDDER_FOLDER)
    if learned:
        (folder / LEARNED_FOLDER).mkdir()
        learned.save(folder / LEARNED_FOLDER)
    corpus.path.unlink()
    return Manifest(
        generation="",
        created_at="",
        embedder=embedder.name,
        dim=embedder.dim,
        articles=corpus.articles,
        tokens=corpus.tokens,
        vocabulary=len(embedder.vocabulary),
        settings=settings.embedding.model_dump(),
        libraries={name: version(name) for name in _LIBRARIES},
    )


def _cut(store: Store, tokenizer: Tokenizer, progress: Progress, cluster: "Cluster | None") -> Iterator[Tokens]:
    total, texts = store.articles.count(), store.articles.texts()
    here = (tokenizer.document(text.title, text.summary, text.body) for text in texts)
    for done, tokens in enumerate(cluster.cut(tokenizer, texts) if cluster else here, start=1):
        yield tokens
        if done % 200 == 0:
            progress("tokens", min(done / total, 1.0))
    progress("tokens", 1.0)


def _embedder(
    corpus: TokenFile, settings: EmbeddingSettings, progress: Progress, start: Start | None
) -> tuple[Embedder, Learned | None]:
    """The embedder, and what a later training may go on from."""
    if corpus.tokens == 0:
        raise TrainingError(f"the {corpus.articles} stored articles hold no words to learn from")
    workers = settings.workers or os.cpu_count() or 1
    if settings.embedder == "word2vec":
        from recnews.embed import word2vec

        made = word2vec.fit(corpus, settings, workers, progress, start)
        return made, made.learned
    from recnews.embed import doc2vec

    return doc2vec.fit(corpus, settings, workers, progress), None


def _encode_all(store: Store, generation: Generation, progress: Progress, cluster: "Cluster | None") -> None:
    total = max(store.articles.count(), 1)

    def tell(done: int) -> None:
        progress("articles", min(done / total, 1.0))

    index_pending(store, generation, live=False, progress=tell, cluster=cluster)
