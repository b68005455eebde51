"""Small worlds whose right answers are known.

Each topic has words of its own that no other topic shares, so that only one topic can be near a text. Chinese words
are ones that jieba keeps whole, and stand between commas, so that nothing is cut across two of them.
"""

import random
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from recnews.config import EmbeddingSettings, FeedSettings, Settings, load_settings
from recnews.records import Draft, EventDraft

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
"""When questions are asked."""
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


def _words(*lines: str) -> tuple[str, ...]:
    return tuple(" ".join(lines).split())


CHINESE: dict[str, tuple[str, ...]] = {
    "足球": _words("足球 球队 球员 教练 联赛 进球 守门员 冠军 比赛 裁判 主场 决赛 前锋 球迷 射门 世界杯"),
    "金融": _words("银行 利率 股市 债券 投资 基金 央行 贷款 通胀 货币 汇率 证券 存款 上市公司 信贷 股东"),
    "航天": _words("火箭 卫星 航天员 空间站 发射 轨道 月球 飞船 探测器 火星 太空 推进剂 望远镜 返回舱 宇宙 登月"),
    "医疗": _words("医院 医生 患者 疫苗 病毒 手术 药品 护士 临床 感染 诊断 糖尿病 肿瘤 治疗 心脏 血压"),
}
ENGLISH: dict[str, tuple[str, ...]] = {
    "sailing": _words("yacht regatta sailor harbour keel rudder mast anchor hull jib spinnaker mooring tide helm"),
    "cooking": _words("recipe oven flour butter garlic onion simmer roast pastry saucepan pepper dough whisk broth"),
}
TOPICS = CHINESE | ENGLISH


def article(
    topic: str, number: int, published_at: datetime | None = None, words: int = 24, title: str | None = None
) -> Draft:
    """Article `topic-number`: the same words for the same arguments, in every process."""
    vocabulary = TOPICS[topic]
    comma = " " if topic in ENGLISH else "，"
    draw = random.Random(f"{topic} {number}")
    body = comma.join(draw.choice(vocabulary) for _ in range(words))
    return Draft(
        key=f"{topic}-{number}",
        title=comma.join(draw.sample(vocabulary, 3)) if title is None else title,
        body=body,
        source="晚报" if number % 2 else "日报",
        category=topic,
        lang="en" if topic in ENGLISH else "zh",
        published_at=NOW - (1 + number) * HOUR if published_at is None else published_at,
    )


def articles(topics: Sequence[str], each: int, **given: int) -> list[Draft]:
    """`each` articles of every topic; those with the same number appear at the same time."""
    return [article(topic, number, **given) for topic in topics for number in range(each)]  # type: ignore[arg-type]


def corpus(texts: Sequence[str]) -> list[Draft]:
    """Articles that hold nothing but these bodies."""
    return [Draft(f"text-{row}", "", body, published_at=NOW - HOUR) for row, body in enumerate(texts)]


def read(user_id: str, key: str, at: datetime | None = None, **given: object) -> EventDraft:
    """One read, an hour ago."""
    return EventDraft(user_id, key, at=NOW - HOUR if at is None else at, **given)  # type: ignore[arg-type]


def checkerboard(topics: tuple[str, str], each: int) -> Iterator[tuple[str, str, list[EventDraft]]]:
    """Readers, the article withheld from each, and their reads: all articles of their topic but that one.

    Among the articles they have not read, the withheld one is the only one of their topic: it is the only right first
    place of their feed.
    """
    for topic in topics:
        for held in range(each):
            user = f"reader of {topic} without {held}"
            reads = [
                read(user, f"{topic}-{number}", NOW - DAY - number * HOUR) for number in range(each) if number != held
            ]
            yield user, f"{topic}-{held}", reads


def small(embedder: str = "word2vec", seed: int = 1, **given: object) -> EmbeddingSettings:
    """Embedding settings that train in a moment and come out the same every time."""
    values: dict[str, object] = {
        "embedder": embedder, "dim": 16, "semantic_dim": 16, "lexical_dim": 64, "epochs": 40, "infer_epochs": 40,
        "window": 5, "min_count": 1, "workers": 1, "seed": seed,
    }  # fmt: skip
    return EmbeddingSettings.model_validate(values | given)


def small_settings(embedder: str = "word2vec", **feed: object) -> Settings:
    """Settings of a whole home around `small`, on the engines that the environment names."""
    named = load_settings(Path("nowhere"))
    return named.model_copy(update={"embedding": small(embedder), "feed": FeedSettings.model_validate(feed)})


def mapped_settings(**given: object) -> Settings:
    """`small_settings` with a map even of a small world; `given` are settings of the map."""
    values = {"least": 20, "topics": 6, "perplexity": 6} | given
    return Settings.model_validate({"embedding": small(), "map": values})
