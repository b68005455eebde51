"""Do readers find in their feeds what they go on to read? recnews, as served and by search alone, beside plain methods.

`ibm-loo`, `ibm-cold`: the protocols leave-one-out and article-cold of `recnews evaluate feeds` on a real reading log
without times; candidates are the 714 articles that were read at all. `xwlb-readers`: made-up readers of real Chinese
news (`simulated.py`). `latency`: how long one recommendation takes, stage by stage (`latency.py`).
"""

import argparse
import sys
from collections.abc import Callable
from functools import partial

import data
import latency
import simulated
from report import save, table

from recnews.config import Settings
from recnews.evaluate.feeds import SEARCH, SERVED, Plan, evaluate
from recnews.evaluate.outcome import FeedsOutcome
from recnews.evaluate.readers import READERS, installed
from recnews.formats import articles_from_rows, events_from_rows
from recnews.records import Draft, EventDraft


def main() -> None:
    """Measure recipe by recipe, print each; keep JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", help=f"of {', '.join(RECIPES)}; comma-separated")
    parser.add_argument("--baselines", help=f"of {', '.join(READERS)}, or none; comma-separated")
    parser.add_argument("--workers", type=int, default=0, help="1 makes figures reproducible")
    parser.add_argument("--limit", type=int, help="ask no more than this many questions: a quick look")
    asked = parser.parse_args()
    settings = Settings().override("embedding", workers=asked.workers)
    names = installed() if asked.baselines is None else tuple(asked.baselines.replace("none", "").split(","))
    for name in asked.only.split(",") if asked.only else RECIPES:
        try:
            RECIPES[name](settings, tuple(it for it in names if it), asked.limit)
        except data.AbsentError as absent:
            print(f"skipped {name}: {absent}\n")


def ibm(protocol: str, name: str, settings: Settings, baselines: tuple[str, ...], limit: int | None) -> None:
    """One protocol on the IBM log: one training, asked with and without the ranker."""
    articles = [row for row in articles_from_rows(data.ibm_all()) if isinstance(row, Draft)]
    events = [row for row in events_from_rows(data.ibm_reads()) if isinstance(row, EventDraft)]
    plan = Plan(
        articles, events, settings, protocol, baselines=baselines, feeds=(SERVED, SEARCH), candidates="read",
        limit=limit,
    )  # fmt: skip
    outcome = evaluate(plan, tell)
    save(f"feeds-{name}", outcome.document())
    show(name, outcome)


def readers(settings: Settings, _: tuple[str, ...], limit: int | None) -> None:
    """Made-up readers of Chinese news."""
    found = simulated.measure(data.xwlb(), settings, limit or simulated.READERS, tell)
    save("feeds-xwlb-readers", found)
    simulated.show(found)


def speed(settings: Settings, _: tuple[str, ...], limit: int | None) -> None:
    """One recommendation."""
    found = latency.measure(data.xwlb(), settings, limit or latency.ASKED, tell)
    save("feeds-latency", found)
    latency.show(found)


def show(name: str, outcome: FeedsOutcome) -> None:
    """One recipe in full."""
    print(f"\n{name}: {outcome.protocol}: {outcome.about}")
    for view in outcome.views:
        print(f"\n{name}, {view}:")
        for rows in (outcome.table(view), outcome.table_beyond(view), outcome.table_by_history(view)):
            table([tuple(row) for row in rows])
            print()
        table([tuple(row) for row in outcome.table_behind(view)])
    print()


Recipe = Callable[[Settings, tuple[str, ...], int | None], None]
RECIPES: dict[str, Recipe] = {
    "ibm-loo": partial(ibm, "leave-one-out", "ibm-loo"),
    "ibm-cold": partial(ibm, "article-cold", "ibm-cold"),
    "xwlb-readers": readers,
    "latency": speed,
}
tell = partial(print, file=sys.stderr)

if __name__ == "__main__":
    main()
