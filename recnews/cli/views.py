"""Records as lines for people. What a program reads is the JSON form of the same records."""

from collections.abc import Sequence
from json import dumps
from typing import TYPE_CHECKING

from recnews.cli.output import many, size, table, typed, when

if TYPE_CHECKING:
    from recnews.backup import Backed, Listed
    from recnews.config import RetentionSettings
    from recnews.doctor import Finding
    from recnews.generation import Manifest
    from recnews.migrate import Migrated
    from recnews.newsroom.status import Status
    from recnews.prune import Pruned
    from recnews.records import Article, Held, Neighbors, Pin, Reason, Recommendation, Reject, Rules
    from recnews.repair import Repaired
    from recnews.reports import EventsReport, Forgotten, IngestReport, Segment
    from recnews.restore import Restored
    from recnews.store import ArticleCard
    from recnews.verify import Problem

_SHOWN_REJECTS = 10


def ingested(report: "IngestReport", dry_run: bool) -> list[str]:
    """The counts, which add up to the rows read, and what became of the articles."""
    lines = [
        f"read {report.read:,} = {report.added:,} added + {report.changed:,} changed + {report.unchanged:,} unchanged"
        f" + {report.duplicate:,} duplicate + {report.rejected:,} rejected"
    ]
    if dry_run:
        return [*lines, "dry run: nothing was written", *rejects(report.rejects, report.rejected)]
    if report.indexed or report.pending:
        lines.append(f"{report.indexed:,} searchable now, {report.pending:,} waiting for `recnews train`")
    return lines + rejects(report.rejects, report.rejected)


def events_taken(report: "EventsReport", dry_run: bool) -> list[str]:
    """As `ingested`, for a reading log."""
    lines = [
        f"read {report.read:,} = {report.added:,} added + {report.duplicate:,} duplicate + {report.rejected:,} rejected"
    ]
    if dry_run:
        lines.append("dry run: nothing was written")
    if report.waiting:
        lines.append(f"{report.waiting:,} of the added ones wait for an article that is not stored yet")
    return lines + rejects(report.rejects, report.rejected)


def rejects(first: Sequence["Reject"], count: int) -> list[str]:
    """The first rejected rows, each with its reason and what to do."""
    if not count:
        return []
    lines = ["rejected:"]
    for reject in first[:_SHOWN_REJECTS]:
        field = f"field {reject.field!r}: " if reject.field else ""
        lines.append(f"  {reject.where}: {field}{reject.reason}; {reject.remedy}")
    more = count - min(len(first), _SHOWN_REJECTS)
    return [*lines, f"  and {more:,} more"] if more else lines


def stories(found: "Sequence[Sequence[ArticleCard]]") -> list[str]:
    """Stories told by several articles, a block each, the oldest article first."""
    if not found:
        return ["no two articles tell the same story"]
    lines: list[str] = []
    for story in found:
        lines += [f"{len(story)} articles:", *table(([when(it.published_at), it.key, it.title] for it in story), "  ")]
    return lines


def feed(items: Sequence["Recommendation"], explain: bool) -> list[str]:
    """One line an article; with `explain`, the parts of its score below it."""
    if not items:
        return ["nothing to recommend: no article may be shown, or the filter leaves none"]
    rows = table([f"{place}", f"{it.score:.3f}", it.source, it.key, it.title] for place, it in enumerate(items, 1))
    if not explain:
        return rows
    lines = []
    for row, item in zip(rows, items, strict=True):
        parts = table(
            ([reason.part, f"{reason.value:+.3f}", _because(reason)] for reason in item.reasons), indent="      "
        )
        lines += [row, *parts]
    return lines


def _because(reason: "Reason") -> str:
    if not reason.key:
        return ""
    shared = f"; shared words: {' '.join(reason.words)}" if reason.words else ""
    return f"you read {reason.key} “{reason.title}”{shared}"


def neighbors(found: "Neighbors", cut: bool) -> list[str]:
    """Words, then articles. `cut` also tells how the text was cut."""
    lines = []
    if cut:
        lines.append(f"cut: {' / '.join(found.tokens) or '(no words)'}")
        if found.unknown:
            lines.append(f"unknown: {' '.join(found.unknown)}")
    if found.words:
        lines += ["words:", *table(([f"{near.score:.3f}", near.word] for near in found.words), indent="  ")]
    if found.articles:
        rows = ([f"{near.score:.3f}", near.key, near.title] for near in found.articles)
        lines += ["articles:", *table(rows, indent="  ")]
    if not found.words and not found.articles:
        lines.append("nothing is near: no vector is known for it")
    if found.partial:
        lines.append("partial: older articles could not be searched just now: the archive does not answer")
    return lines


def category(found: "Article | Recommendation") -> str:
    """A category, marked where it was predicted."""
    if found.category_probability is None:
        return found.category
    return f"{found.category} (predicted, {found.category_probability:.0%})"


def article(found: "Article") -> list[str]:
    """All that is stored of one article."""
    fields = (
        ("id", found.key), ("title", found.title), ("published", when(found.published_at)),
        ("expires", when(found.expires_at) if found.expires_at else ""), ("hidden", "yes" if found.hidden else ""),
        ("category", category(found)), ("source", found.source), ("author", found.author), ("language", found.lang),
        ("tags", " ".join(found.tags)), ("url", found.url), ("ingested", when(found.ingested_at)),
    )  # fmt: skip
    lines = table([name, value] for name, value in fields if value)
    for text in (found.summary, found.body):
        if text:
            lines += ["", *text.split("\n")]
    return lines


def articles(found: Sequence["Article"]) -> list[str]:
    """One line an article."""
    if not found:
        return ["no article"]
    return table([when(it.published_at), "hidden" if it.hidden else "", category(it), it.key, it.title] for it in found)


def pins(found: Sequence["Pin"]) -> list[str]:
    """One line a pin: place, from when, until when, article."""
    if not found:
        return ["nothing is pinned"]
    return table([f"{it.slot}", *_span(it), it.key] for it in found)


def _span(pin: "Pin") -> tuple[str, str]:
    starts = f"from {when(pin.starts_at)}" if pin.starts_at else ""
    return starts, f"until {when(pin.until)}" if pin.until else ""


def rules(found: "Rules") -> list[str]:
    """One line a rule."""
    kinds = (
        ("blocked", "category", found.blocked_categories),
        ("blocked", "source", found.blocked_sources),
        ("impersonal", "category", found.impersonal_categories),
    )
    rows = [[kind, field, name] for kind, field, names in kinds for name in names]
    return table(rows) if rows else ["there are no rules"]


def forgotten(found: "Forgotten") -> list[str]:
    """What was removed, and where else to look."""
    lines = ["nothing was held"]
    if found.events or found.rejected:
        lines = [f"{many(found.events, 'event')} and {many(found.rejected, 'rejected row')} removed for good"]
    older = [f"older data may hold more: {typed('--home', folder, 'forget', 'USER')}" for folder in found.elsewhere]
    return [*lines, *(f"and in the backup {name}" for name in found.backups), *older]


def held(found: "Held") -> list[str]:
    """One line an event, oldest first; then the rejected rows, as they are."""
    if not found.events and not found.rejected:
        return ["nothing is held"]
    rows = [[when(it.at) if it.at else "", it.kind, it.key, it.title or ""] for it in found.events]
    if not found.rejected:
        return table(rows)
    return [*table(rows), "rejected:", *(f"  {dumps(dict(row), ensure_ascii=False)}" for row in found.rejected)]


def generation(manifest: "Manifest") -> list[str]:
    """What a generation is, in a sentence or two."""
    lines = [
        f"{manifest.generation}: {manifest.embedder}, {manifest.dim} dimensions, {many(manifest.vocabulary, 'word')}"
        f" learned from {many(manifest.articles, 'article')} ({manifest.tokens:,} tokens)"
    ]
    quality = manifest.quality
    if "title_to_article" in quality:
        share, sampled = quality["title_to_article"], int(quality.get("sampled", 0))
        lines.append(f"of {sampled} sampled titles {share:.0%} find their own article first")
    if manifest.categories:
        learned = manifest.categories
        lines.append(
            f"{len(learned['names'])} categories learned from {many(learned['articles'], 'article')}: of those held out"
            f" {learned['accuracy']:.0%} are put into their own"
        )
    if "topics" in manifest.map:
        drawn = manifest.map
        lines.append(f"a map in {many(drawn['topics'], 'topic')}, fitted on {many(drawn['articles'], 'article')}")
    elif manifest.map.get("missing") == "extra":
        lines.append("no map of the articles: pip install 'recnews[map]' before the next training")
    if manifest.behaviour:
        lines.append(f"the readers of {many(manifest.behaviour['articles'], 'article')} taught it which go together")
    if manifest.continued_from:
        lines.append(f"went on from {manifest.continued_from}")
    if "overlap" in manifest.drift:
        lines.append(
            f"of each article's nearest ten, {manifest.drift['overlap']:.0%} are those of {manifest.drift_from}"
        )
    return lines


def status(found: "Status") -> list[str]:
    """A home in figures."""
    waits = ""
    if found.pending:
        remedy = "`recnews train`" if found.live is None else "`recnews ingest` of any file"
        waits = f", {found.pending:,} waiting for {remedy}"
    rows = [
        ["home", found.home],
        ["articles", f"{found.articles:,}, {found.hidden:,} of them hidden{waits}"],
        ["events", f"{found.events:,} of {many(found.readers, 'reader')}, {found.waiting:,} waiting for their article"],
        ["live", found.live or "none yet: run `recnews train`"],
        ["generations", " ".join(found.generations) or "none"],
        ["quarantine", many(len(found.quarantine), "file")],
        ["disk", f"store {size(found.store_bytes)}, indexes {size(found.index_bytes)}, free {size(found.free_bytes)}"],
    ]
    lines = table(rows) + [f"  {file}" for file in found.quarantine]
    if found.forgotten:
        lines.append(
            f"{many(found.forgotten, 'reader')} forgotten since {found.live} was trained; run `recnews train`, which"
            " learns again without them"
        )
    return lines


def segments(found: Sequence["Segment"]) -> list[str]:
    """Sealed segments, a line each."""
    if not found:
        return ["nothing is sealed: all of the index is searched exactly"]
    rows = [
        (it.name, it.kind, f"{it.rows:,}", f"{it.alive:,}", f"{it.first:%Y-%m-%d}", f"{it.last:%Y-%m-%d}",
         f"{it.recall:.3f}", f"{it.bytes / 1e6:,.0f}")
        for it in found
    ]  # fmt: skip
    return table([("segment", "kind", "articles", "in use", "from", "to", "recall@10", "MB"), *rows])


def problems(found: Sequence["Problem"]) -> list[str]:
    """What is wrong, each with its remedy."""
    return [line for problem in found for line in (problem.what, f"  remedy: {problem.remedy}")]


def backed(made: "Backed", quick: bool) -> list[str]:
    """A backup that was made."""
    lines = [f"backed up to {made.folder} as {made.name}; {size(made.new_bytes)} of it were new"]
    if made.removed:
        lines.append(f"removed {' '.join(made.removed)}")
    if quick:
        return [*lines, "not tried: `recnews backups DIR --check` reads it again"]
    return lines + (problems(made.problems) or ["it was written out and checked: all is well"])


def backups(found: "Sequence[Listed]") -> list[str]:
    """One line a backup, and below it what is wrong."""
    if not found:
        return ["no backup yet"]
    rows = table([it.name, it.live or "", many(it.articles, "article"), many(it.events, "event")] for it in found)
    lines = []
    for row, it in zip(rows, found, strict=True):
        told = [*(f"  the home was not well: {what}" for what in it.problems), *(f"  {what}" for what in it.damages)]
        lines += [row, *told]
    return lines


def migrated(done: "Migrated") -> list[str]:
    """A home that was copied into another store."""
    rows = sum(table.rows for table in done.tables.values())
    return [
        f"{many(rows, 'row')} of {many(len(done.tables), 'table')} are the same in {done.store}",
        f"{many(done.files, 'file')} copied or compared; the settings to go on with lie in {done.home}",
    ]


def restored(done: "Restored") -> list[str]:
    """A backup that was put in place."""
    lines = [f"restored {done.backup} into {done.home}"]
    if done.aside:
        lines.append(f"what was there is in {done.aside}")
    if done.forgotten_again:
        lines.append(f"forgotten since that backup, and not brought back: {many(done.forgotten_again, 'reader')}")
    if done.forgotten_since:
        lines.append(
            f"{many(done.forgotten_since, 'reader')} forgotten since that backup may be back: "
            "run `recnews forget USER` for each again"
        )
    return lines


def to_prune(found: "Pruned", retention: "RetentionSettings") -> list[str]:
    """What would be removed."""
    if not any(value is not None for value in retention.model_dump().values()):
        return ["nothing to remove: [retention] in recnews.toml sets no limit, so all is kept"]
    return [f"would remove {_removed(found)}"] if found else ["nothing to remove"]


def pruned(done: "Pruned") -> list[str]:
    """What was removed."""
    return [f"removed {_removed(done)}"]


def _removed(found: "Pruned") -> str:
    parts = [
        many(found.articles, "expired article"), many(found.events, "event"), many(found.impressions, "impression"),
        many(len(found.generations), "generation") + (f" ({' '.join(found.generations)})" if found.generations else ""),
    ]  # fmt: skip
    return ", ".join(parts)


def findings(found: "Sequence[Finding]") -> list[str]:
    """One line a finding; below what needs doing, what that is."""
    rows = table([{"fine": "ok", "note": "note", "act": "ACT"}[it.state], it.area, it.what] for it in found)
    lines = []
    for row, it in zip(rows, found, strict=True):
        lines += [row, *([f"      do: {it.remedy}"] if it.remedy else [])]
    wrong = sum(it.state == "act" for it in found)
    return [*lines, f"{many(wrong, 'thing')} to do" if wrong else "all is well"]


def repaired(done: "Repaired") -> list[str]:
    """What was rebuilt, and what is still wrong."""
    return [*(f"repaired: {what}" for what in done.done), *(problems(done.left) or ["all is well"])]
