"""`recnews dict`: words that are to be kept whole."""

from dataclasses import replace
from typing import Annotated

import typer

from recnews.cli import common, output
from recnews.errors import UsageError

app = common.group(common.example("recnews dict add 大兴机场", "recnews dict test '大兴机场今天通航'"))

Word = Annotated[str, typer.Argument(metavar="WORD", help="The word, without white space.")]
_LATER = "it takes effect at the next `recnews train`"


@app.callback()
def dictionary() -> None:
    """Words that the tokenizer must keep whole: names, brands, places."""


@app.command("add", epilog=common.example("recnews dict add 大兴机场 --frequency 1000 --tag ns"))
def add(
    word: Word,
    frequency: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="How often it occurs; by default as often as it takes to keep it whole."),
    ] = None,
    tag: Annotated[str | None, typer.Option(metavar="T", help="Part of speech, as in jieba: n, nr, ns, nz.")] = None,
    home: common.Home = None,
) -> None:
    """Add a word, or change its frequency or tag."""
    from recnews.text import parse_word

    if len(word.split()) != 1:
        raise UsageError(f"{word!r} is not one word: it is empty or holds white space")
    if tag is not None and (len(tag.split()) != 1 or tag.isdecimal()):
        raise UsageError(f"--tag {tag!r} is not a part of speech, such as n")
    entry = replace(parse_word(word), frequency=frequency, tag=tag)
    with common.opened(home) as newsroom:
        added = newsroom.dictionary.add(entry)
    output.say(f"added {entry.line()}; {_LATER}" if added else f"{entry.line()} is in the dictionary already")


@app.command("list", epilog=common.example("recnews dict list --json"))
def list_(as_json: common.Json = False, home: common.Home = None) -> None:
    """List the words: word, frequency, tag."""
    with common.opened(home) as newsroom:
        words = newsroom.dictionary.words()
    common.answer_with({"words": words}, [word.line() for word in words] or ["the dictionary is empty"], as_json)


@app.command("remove", epilog=common.example("recnews dict remove 大兴机场"))
def remove(word: Word, home: common.Home = None) -> None:
    """Remove a word."""
    with common.opened(home) as newsroom:
        removed = newsroom.dictionary.remove(word)
    if not removed:
        raise UsageError(f"{word!r} is not in the dictionary; `recnews dict list` shows what is")
    output.say(f"removed {word}; {_LATER}")


@app.command("test", epilog=common.example("recnews dict test '大兴机场今天通航'"))
def show_cut(
    *,
    text: Annotated[str, typer.Argument(metavar="TEXT", help="Any text.")],
    as_json: common.Json = False,
    home: common.Home = None,
) -> None:
    """Show how a text is cut now, by the live generation, and how the next training would cut it."""
    from recnews.text import Tokenizer

    with common.opened(home) as newsroom:
        live, _ = newsroom.generations.live(prepared=False)
        now = None if live is None else live.tokenizer(text)
        later = Tokenizer(newsroom.settings.text, newsroom.dictionary.words())(text)
    rows = [
        ["now", "(nothing is trained yet)" if live is None or now is None else f"{_cut(now)}  [{live.id}]"],
        ["next", _cut(later)],
    ]
    answer = {"text": text, "generation": live.id if live else None, "now": now, "next": later}
    common.answer_with(answer, output.table(rows), as_json)


def _cut(tokens: list[str]) -> str:
    return " / ".join(tokens) or "(no words)"
