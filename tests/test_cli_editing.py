"""`recnews articles`, `dict`, `generations`, `status`, `verify`, `backup`, `restore`."""

import re
from pathlib import Path

from tests.cli_world import SMALL, answer, run, write

AT = ("--at", "2026-03-10T12:00+00:00")


def feed(home: Path) -> set[str]:
    found = answer(home, "recommend", "--user", "x", "-n", "100", *AT)
    return {item["key"] for item in found["recommendations"]}


def test_hide_and_unhide(home: Path) -> None:
    assert "足球-1" in feed(home)
    assert run(home, "articles", "hide", "足球-1", "足球-2").stdout == "2 articles hidden\n"
    assert not {"足球-1", "足球-2"} & feed(home)
    assert {it["key"] for it in answer(home, "articles", "list", "--hidden")["articles"]} == {"足球-1", "足球-2"}
    assert run(home, "articles", "unhide", "足球-1").stdout == "1 article not hidden\n"
    assert "足球-1" in feed(home)


def test_one_unknown_key_changes_nothing(home: Path) -> None:
    assert "'none'" in run(home, "articles", "hide", "足球-1", "none", code=1).stderr
    assert "足球-1" in feed(home)


def test_expire(home: Path) -> None:
    shown = run(home, "articles", "expire", "足球-1", "--at", "2026-03-10T19:00+08:00").stdout
    assert shown == "1 article served until 2026-03-10T19:00+08:00 at the latest\n"
    assert "足球-1" not in feed(home)
    assert "write the offset" in run(home, "articles", "expire", "足球-2", "--at", "2026-03-10T19:00", code=2).stderr


def test_delete_asks_or_refuses(home: Path) -> None:
    assert "give --yes" in run(home, "articles", "delete", "足球-1", code=2).stderr
    assert "足球-1" in feed(home)
    assert run(home, "articles", "delete", "足球-1", "--yes").stdout == "1 article deleted\n"
    assert "no article has the id '足球-1'" in run(home, "articles", "show", "足球-1", code=1).stderr


def test_a_key_that_starts_with_a_dash(home: Path, tmp_path: Path) -> None:
    run(home, "ingest", str(write(tmp_path / "a.jsonl", [], {"id": "-17", "title": "标题"})))
    assert answer_after_dashes(home, "-17") == "-17"
    run(home, "articles", "hide", "--", "-17")
    assert run(home, "articles", "delete", "--yes", "--", "-17").stdout == "1 article deleted\n"


def answer_after_dashes(home: Path, key: str) -> str:
    return str(run(home, "articles", "show", "--", key).stdout.split()[1])


def test_show_and_list(home: Path) -> None:
    shown = run(home, "articles", "show", "足球-1").stdout
    assert "category   足球" in shown
    assert "\n\n" in shown
    listed = answer(home, "articles", "list", "--category", "sailing", "-n", "3")["articles"]
    assert [it["key"] for it in listed] == ["sailing-0", "sailing-1", "sailing-2"]
    assert not {"body", "article_id"} & set(listed[0])
    assert "body" in answer(home, "articles", "show", "sailing-0")
    assert run(home, "articles", "list", "--contains", "%").stdout == "no article\n"


def test_columns_line_up_in_chinese(home: Path) -> None:
    run(home, "articles", "hide", "足球-0")
    lines = run(home, "articles", "list", "-n", "100").stdout.splitlines()
    # In GB 18030 a Chinese character takes two bytes and a letter one, as they take columns of a terminal.
    before = [re.split(r"[^\s-]+-\d", line[25:], maxsplit=1)[0] for line in lines]
    assert len({len(text.encode("gb18030")) for text in before}) == 1, lines


def test_dictionary(home: Path) -> None:
    text = "奥林匹克森林公园开放"
    before = answer(home, "dict", "test", text)
    assert before["generation"] == "g000001"
    assert before["now"] == before["next"]
    assert "奥林匹克森林公园" not in before["now"]
    shown = run(home, "dict", "add", "奥林匹克森林公园", "--frequency", "1000", "--tag", "ns").stdout
    assert shown.endswith("it takes effect at the next `recnews train`\n")
    after = answer(home, "dict", "test", text)
    assert after["now"] == before["now"]
    assert "奥林匹克森林公园" in after["next"]
    words = [{"word": "奥林匹克森林公园", "frequency": 1000, "tag": "ns"}]
    assert answer(home, "dict", "list") == {"words": words}
    assert "already" in run(home, "dict", "add", "奥林匹克森林公园", "--frequency", "1000", "--tag", "ns").stdout
    run(home, "dict", "remove", "奥林匹克森林公园")
    assert "is not in the dictionary" in run(home, "dict", "remove", "奥林匹克森林公园", code=2).stderr
    for words_ in (("New York",), ("",), ("词", "--tag", "3"), ("词", "--frequency", "0")):
        assert run(home, "dict", "add", *words_, code=2).stderr
    assert run(home, "dict", "list").stdout == "the dictionary is empty\n"


def test_dict_test_before_the_first_training(tmp_path: Path) -> None:
    assert "(nothing is trained yet)" in run(tmp_path, "dict", "test", "足球比赛").stdout


def test_generations(home: Path) -> None:
    trained = answer(home, "train", *SMALL, "--no-promote", "--seed", "7")
    assert (trained["generation"], trained["live"], trained["dim"]) == ("g000002", False, 16 + 384)
    assert trained["settings"]["seed"] == 7
    listed = answer(home, "generations", "list")["generations"]
    assert [(it["generation"], it["live"]) for it in listed] == [("g000001", True), ("g000002", False)]
    assert run(home, "generations", "promote", "g000002").stdout == "g000002 is live\n"
    assert answer(home, "generations", "rollback") == {"live": "g000001"}
    assert "no earlier generation" in run(home, "generations", "rollback", code=2).stderr
    assert "no generation 'g9'" in run(home, "generations", "promote", "g9", code=1).stderr
    assert "g000001: word2vec, 80 dimensions" in run(home, "generations", "show").stdout
    assert answer(home, "generations", "show", "g000002")["live"] is False
    assert answer(home, "generations", "prune", "--keep", "1") == {"removed": ["g000002"]}
    assert run(home, "generations", "prune").stdout == "nothing to remove\n"


def test_a_damaged_generation_is_listed_and_told(home: Path) -> None:
    (home / "indexes" / "g000001" / "tokenizer.json").write_text("{}")
    listed = answer(home, "generations", "list")["generations"]
    assert listed[0]["live"]
    assert "tokenizer.json" in listed[0]["damage"]
    assert "damaged" in run(home, "generations", "list").stdout
    problems = answer(home, "verify", code=1)["problems"]
    assert all(problem["remedy"] for problem in problems)
    assert "  remedy: " in run(home, "verify", code=1).stdout


def test_status(home: Path, tmp_path: Path) -> None:
    found = answer(home, "status")
    assert (found["articles"], found["pending"], found["live"]) == (48, 0, "g000001")
    assert "48, 0 of them hidden\n" in run(home, "status").stdout
    assert "none yet: run `recnews train`" in run(tmp_path / "new", "status").stdout


def test_backup_and_restore(home: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    made = answer(home, "backup", str(copy))
    assert (made["folder"], made["problems"], made["removed"]) == (str(copy), [], [])
    assert "0 B of it were new" in run(home, "backup", str(copy), "--quick").stdout
    assert "it was written out and checked" in run(home, "backup", str(copy), "--keep", "2").stdout
    listed = answer(home, "backups", str(copy), "--check")["backups"]
    assert [(it["articles"], it["damages"]) for it in listed] == [(48, [])] * 2
    assert run(home, "verify").stdout == "all is well\n"
    before = feed(home)
    run(home, "articles", "delete", "--yes", "足球-1")
    assert "--replace moves it aside" in run(home, "restore", str(copy), code=2).stderr
    aside = answer(home, "restore", str(copy), "--replace")["aside"]
    assert Path(aside).is_dir()
    assert feed(home) == before
    fresh = tmp_path / "fresh"
    name = listed[0]["name"]
    told = answer(fresh, "restore", str(copy), "--backup", name)
    assert told == {"backup": name, "home": str(fresh), "aside": None, "forgotten_again": 0, "forgotten_since": 0}
    assert feed(fresh) == before
    (copy / "recnews-backups.json").unlink()
    assert "is no folder of backups" in run(fresh, "restore", str(copy), "--replace", code=2).stderr
