"""Training: a new generation from the stored articles, built beside the live one, checked, then switched to."""

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from importlib.metadata import version
from pathlib import Path

import numpy as np

from recnews.catalog import Catalog
from recnews.config import EmbeddingSettings, Settings
from recnews.embed.base import Embedder, Progress, TokenFile
from recnews.errors import TrainingError
from recnews.generation import EMBEDDER_FOLDER, TOKENIZER_FILE, Generation, Manifest, load_generation, write_manifest
from recnews.generations import Generations
from recnews.indexing import index_pending
from recnews.records import Tokens
from recnews.store import ArticleText, Store
from recnews.text import DictionaryWord, Tokenizer

_TOKENS_FILE = "tokens.txt"
_CHECKED = 500
_LIBRARIES = ("gensim", "numpy", "faiss-cpu", "jieba", "rjieba")


def train(
    store: Store,
    generations: Generations,
    *,
    settings: Settings,
    dictionary: Sequence[DictionaryWord],
    now: datetime,
    promote: bool,
    progress: Progress,
) -> Generation:
    """Fit tokenizer, embedder and space on the stored articles, encode all of them, check, switch.

    Nothing that is live is touched before the switch: killed at any moment and run again, the outcome is that of an
    undisturbed run. Raises `TrainingError`, `BusyError`, `StorageError`.
    """
    with generations.training():
        if store.articles.count() == 0:
            raise TrainingError("there are no articles to learn from; run `recnews ingest` first")
        name, folder = generations.begin()
        store.vectors.retain(generations.names())  # a killed training or pruning may have left some of others
        tokenizer = Tokenizer(settings.text, dictionary)
        manifest = _fit(store, tokenizer, folder, settings, progress)
        manifest = replace(manifest, generation=name, created_at=now.isoformat(), promote=promote)
        write_manifest(folder, manifest)
        generation = load_generation(folder, name)  # what is checked is what was written
        _encode_all(store, generation, progress)
        quality = check(store, generation)
        generation = write_manifest(folder, replace(generation.manifest, quality=quality))
        catalog = Catalog(name, generation.dim)
        catalog.refresh(store)
        catalog.save(folder)
        generations.finish(name, folder)
        if promote:
            generations.promote(name)
            index_pending(store, generations.load(name))  # what other processes ingested since all were encoded
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


def _fit(store: Store, tokenizer: Tokenizer, folder: Path, settings: Settings, progress: Progress) -> Manifest:
    """Write tokenizer and embedder into the folder; returns what the manifest says of them."""
    (folder / TOKENIZER_FILE).write_text(json.dumps(tokenizer.state(), ensure_ascii=False, indent=1), encoding="utf-8")
    corpus = TokenFile.write(folder / _TOKENS_FILE, _cut(store, tokenizer, progress))
    embedder = _embedder(corpus, settings.embedding, progress)
    (folder / EMBEDDER_FOLDER).mkdir()
    embedder.save(folder / EMBEDDER_FOLDER)
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


def _cut(store: Store, tokenizer: Tokenizer, progress: Progress) -> Iterator[Tokens]:
    total = store.articles.count()
    for done, text in enumerate(store.articles.texts(), start=1):
        yield tokenizer.document(text.title, text.summary, text.body)
        if done % 200 == 0:
            progress("tokens", min(done / total, 1.0))
    progress("tokens", 1.0)


def _embedder(corpus: TokenFile, settings: EmbeddingSettings, progress: Progress) -> Embedder:
    if corpus.tokens == 0:
        raise TrainingError(f"the {corpus.articles} stored articles hold no words to learn from")
    workers = settings.workers or os.cpu_count() or 1
    if settings.embedder == "word2vec":
        from recnews.embed import word2vec

        return word2vec.fit(corpus, settings, workers, progress)
    from recnews.embed import doc2vec

    return doc2vec.fit(corpus, settings, workers, progress)


def _encode_all(store: Store, generation: Generation, progress: Progress) -> None:
    total = max(store.articles.count(), 1)
    index_pending(store, generation, live=False, progress=lambda done: progress("articles", min(done / total, 1.0)))
