"""`recnews tune`: the weights of a feed, chosen on the operator's own log."""

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from recnews.cli import common, evaluate_feeds, measuring, output

if TYPE_CHECKING:
    from recnews.evaluate.tune import Tuned

Questions = Annotated[int, typer.Option(min=2, help="Ask about no more than this many questions.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what was found and write nothing.")]


def tune(
    *,
    articles: measuring.Articles = None,
    events: evaluate_feeds.Events = None,
    rename: evaluate_feeds.Map = None,
    questions: Questions = 500,
    share: evaluate_feeds.Share = 0.2,
    k: evaluate_feeds.Places = 10,
    timezone: measuring.Timezone = None,
    dry_run: DryRun = False,
    as_json: common.Json = False,
    home: common.Home = None,
) -> None:
    """Search the weights of the feed on a reading log, and write those that serve readers better into recnews.toml.

    Trains once in a temporary home, on what came before the last part of the log (where it has no times: on all but
    each reader's last article), and changes one weight at a time. Weights are chosen on one half of the readers and
    written only when the other half is served better by them, too.
    """
    from recnews.config import home_folder, load_settings
    from recnews.evaluate.tune import for_log, tune
    from recnews.settings_file import update_settings

    folder = home_folder(common.given_home(home))
    settings = load_settings(folder).override("ingest", timezone=timezone)
    plan = evaluate_feeds.material(folder, settings, articles, events, rename=rename, mind=None, mind_train=None)
    found = tune(for_log(replace(plan, share=share, k=k, limit=questions)), measuring.tell)
    file = None
    if found.better and not dry_run:
        file = str(update_settings(folder, "feed", found.settings))
    if as_json:
        output.document({"tuned": found, "written": file})
    else:
        output.say(*_lines(found, file))


def _lines(found: "Tuned", file: str | None) -> list[str]:
    lines = [f"{found.protocol}: {found.about}", f"{found.tried} settings tried"]
    if not found.settings:
        return [*lines, "nothing serves these readers better than what is set"]
    lines += output.table([f"feed.{name}", f"{value:g}"] for name, value in found.settings.items())
    lines += output.table(
        [
            ["nDCG", "before", "after"],
            ["readers who chose", *(f"{value:.4f}" for value in found.chosen_on)],
            ["other readers", *(f"{value:.4f}" for value in found.confirmed_on)],
        ]
    )
    gain = found.gain
    lines.append(f"gain of the other readers {gain.value:+.4f} (95%: {gain.low:+.4f} to {gain.high:+.4f})")
    if not found.better:
        return [*lines, "not written: readers who had no say in the choice are not served better"]
    return [*lines, f"written to {file}" if file else "dry run: nothing was written"]
