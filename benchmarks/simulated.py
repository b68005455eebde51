"""Made-up readers of real Chinese news: each has three topics and reads of nothing else.

A topic is declared by words of titles, below; it owes nothing to any vector. Candidates are the articles whose title
holds words of exactly one topic, so that each article of a feed is inside or outside beyond doubt.
"""

import random
import re
import tempfile
from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from report import table

from recnews.config import Settings
from recnews.evaluate.baselines import Cutter, TfIdf
from recnews.evaluate.feeds import SEARCH, SERVED
from recnews.evaluate.log import Catalogue, Log
from recnews.evaluate.readers import Popular, Random, TfIdfProfile, ordered
from recnews.evaluate.served import Served, search_only
from recnews.formats import articles_from_rows
from recnews.metrics import bootstrap
from recnews.records import Draft, EventDraft
from recnews.splits import Question, Split
from recnews.text import Tokenizer

READERS = 200  # of each kind
PORTIONS = {"15, 10 and 5 reads": (15, 10, 5), "10 reads of each": (10, 10, 10)}
READS = 30
PLACES = 10
TOPICS = {
    "航天": "航天|卫星|火箭|空间站|神舟|天舟|嫦娥|天问",
    "农业": "粮食|夏粮|秋粮|春耕|农业|丰收|农田|乡村",
    "体育": "奥运|亚运|冠军|联赛|世界杯|运动会|锦标赛|男足|女排",
    "医疗": "医保|医疗|疫苗|健康|医院|医药|中医",
    "铁路": "铁路|高铁|客流|班列|机场|航班|春运",
    "中东": "以色列|加沙|巴勒斯坦|伊朗|黎巴嫩|巴以|也门|叙利亚",
    "俄乌": "俄罗斯|乌克兰|俄乌|莫斯科|基辅",
    "灾害": "暴雨|台风|洪水|防汛|抗旱|地震|山火|降雨|强降",
    "文物": "文物|博物馆|考古|非遗|文化遗产|古籍",
    "能源": "电力|光伏|风电|煤炭|石油|天然气|核电|储能|油田",
    "教育": "高考|教育|学校|高校|学生|教师|毕业生",
    "外贸": "外贸|进出口|关税|自贸|进博会|广交会|出口",
}

Row = dict[str, Any]


def measure(rows: Sequence[Row], settings: Settings, readers: int, tell: Callable[[str], None]) -> dict[str, Any]:
    """Share of the first ten within a reader's topics, and of feeds that hold all three; with intervals."""
    articles = [article for article in articles_from_rows(rows) if isinstance(article, Draft)]
    topics = labelled(articles)
    now = datetime.fromisoformat(rows[-1]["published_at"]) + timedelta(hours=1)
    tastes, events = people(articles, topics, readers, now)
    among = frozenset(topics)
    split = Split("simulated", "", tuple(events), frozenset(), ())
    pages: dict[str, list[list[str]]] = defaultdict(list)
    questions = [Question(user, (), READS, now, among) for user in tastes]
    with tempfile.TemporaryDirectory() as folder, Served(Path(folder), settings, ()) as served:
        tell(f"learning from {len(articles):,} articles, {len(topics):,} of them with a topic, {len(events):,} reads")
        served.prepare(articles, split)
        served.serve({SERVED: settings, SEARCH: search_only(settings)})
        for question in questions:
            for name in (SERVED, SEARCH):
                pages[name].append(served.feed(name, question, PLACES))
    pages |= plain_pages(articles, events, questions, settings)
    return {
        "articles": len(articles), "with_topic": len(topics), "readers": readers, "reads": READS,
        "topics": {name: list(topics.values()).count(name) for name in TOPICS},
        "methods": {
            kind: {
                name: figures(found[row :: len(PORTIONS)], list(tastes.values())[row :: len(PORTIONS)], topics)
                for name, found in pages.items()
            }
            for row, kind in enumerate(PORTIONS)
        },
    }  # fmt: skip


def labelled(articles: Sequence[Draft]) -> dict[str, str]:
    """The topic of each article whose title holds words of exactly one."""
    named = {it.key: [name for name, words in TOPICS.items() if re.search(words, it.title)] for it in articles}
    return {key: names[0] for key, names in named.items() if len(names) == 1}


def people(
    articles: Sequence[Draft], topics: dict[str, str], readers: int, now: datetime
) -> tuple[dict[str, list[str]], list[EventDraft]]:
    """Each reader's three topics, and their reads over two weeks; the kinds of reader alternate."""
    draw = random.Random(7)
    by_topic: dict[str, list[Draft]] = defaultdict(list)
    for article in articles:
        if article.key in topics:
            by_topic[topics[article.key]].append(article)
    tastes, events = {}, []
    for number in range(readers * len(PORTIONS)):
        portions = list(PORTIONS.values())[number % len(PORTIONS)]
        user, taste = f"reader-{number}", draw.sample(list(TOPICS), 3)
        tastes[user] = taste
        for topic, count in zip(taste, portions, strict=True):
            for article in draw.sample(by_topic[topic], count):
                at = now - timedelta(days=14 * draw.random())
                events.append(EventDraft(user, article.key, at=max(at, article.published_at or at)))
    return tastes, events


def plain_pages(
    articles: Sequence[Draft], events: Sequence[EventDraft], questions: Sequence[Question], settings: Settings
) -> dict[str, list[list[str]]]:
    """What plain methods show the same readers."""
    catalogue = Catalogue.of(articles, frozenset())
    log = Log(catalogue, 0.0)
    log.record(events)
    model = TfIdf(Cutter(Tokenizer(settings.text)))
    model.fit(articles)
    texts = model.weights(articles)
    pages: dict[str, list[list[str]]] = {}
    for method in (TfIdfProfile(), Popular(), Random()):
        method.fit(catalogue, log, texts)
        pages[method.name] = [
            [
                articles[column].key
                for column in ordered(
                    method.scores(question, log), log.candidates(question), np.random.default_rng((1, row)), PLACES
                )
            ]
            for row, question in enumerate(questions)
        ]
    return pages


def figures(pages: Sequence[Sequence[str]], tastes: Sequence[Sequence[str]], topics: dict[str, str]) -> dict[str, Any]:
    """Share of the places within the reader's topics, and whether all of them are present."""
    inside = [sum(topics[key] in taste for key in page) / PLACES for page, taste in zip(pages, tastes, strict=True)]
    whole = [
        float({topics[key] for key in page} >= set(taste)) for page, taste in zip(pages, tastes, strict=True)
    ]  # fmt: skip
    return {
        name: {"value": it.value, "low": it.low, "high": it.high}
        for name, it in (("within topics", bootstrap(inside)), ("all three", bootstrap(whole)))
    }


def show(found: dict[str, Any]) -> None:
    """A table."""
    print(
        f"\nxwlb-readers: {found['readers']} made-up readers of each kind, of three of {len(TOPICS)} topics, "
        f"{found['reads']} reads each; {found['with_topic']:,} candidates"
    )
    for kind, methods in found["methods"].items():
        rows: list[tuple[str, ...]] = [(f"method, {kind}", "within topics", "all three present")]
        for name, it in methods.items():
            cells = (it[part] for part in ("within topics", "all three"))
            rows.append((name, *(f"{cell['value']:.3f} {cell['low']:.3f}-{cell['high']:.3f}" for cell in cells)))
        table(rows)
        print()
