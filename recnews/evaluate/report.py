"""An evaluation as one page that holds all it needs: to be sent to a colleague, opened anywhere, and kept."""

import hashlib
import math
from base64 import b64encode
from collections.abc import Iterable, Mapping
from html import escape
from pathlib import Path

from recnews import drawing
from recnews.errors import StorageError, UsageError
from recnews.evaluate.figures import shown
from recnews.evaluate.runs import Figures, Run
from recnews.metrics import Figure

LANGUAGES = ("en", "zh")
_TEXTS: Mapping[str, Mapping[str, str]] = {
    "en": {
        "lang": "en", "feeds": "Do readers find what they go on to read?",
        "similarity": "How well texts are told apart",
        "at": "Measured", "generation": "Live generation then", "version": "recnews", "seed": "Seed",
        "interval": "Behind each figure stands its interval", "about": "How", "method": "Method", "seconds": "Seconds",
        "fit": "to learn", "ask": "to answer", "settings": "Settings", "value": "Figure",
    },
    "zh": {
        "lang": "zh-Hans", "feeds": "读者能否找到接下来要读的文章", "similarity": "文本区分得如何",
        "at": "测量时间", "generation": "当时启用的模型代", "version": "recnews", "seed": "随机种子",
        "interval": "每个数字后为其区间", "about": "方法", "method": "方法名", "seconds": "用时（秒）",
        "fit": "学习", "ask": "回答", "settings": "设置", "value": "数值",
    },
}  # fmt: skip
_STYLE = (Path(__file__).parent / "report.css").read_text(encoding="utf-8")


def html(run: Run, language: str = "en") -> str:
    """The page: each measure with a bar and an interval for each method. It loads nothing and runs nothing."""
    texts = _TEXTS[language]
    digest = b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'"
    title = texts[run.kind]
    facts = {"about": run.about, "at": run.at, "generation": run.generation, "version": run.document["recnews"]}
    facts |= {"seed": run.document["seed"], "interval": run.document["interval"]}
    told = "".join(
        f"<dt>{escape(texts[name])}</dt><dd>{escape(str(value))}</dd>" for name, value in facts.items() if value != ""
    )
    parts = "".join(f"<h2>{escape(name)}</h2>{_part(found, texts)}" for name, found in run.parts().items())
    return (
        f'<!doctype html>\n<html lang="{texts["lang"]}"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head><body><main><h1>{escape(title)}</h1>"
        f"<dl>{told}</dl>{parts}{_seconds(run, texts)}{_settings(run, texts)}</main></body></html>\n"
    )


def write_new(file: Path, text: str) -> None:
    """Write a file that is not there yet. Raises `UsageError` when it is, `StorageError`."""
    try:
        with file.open("x", encoding="utf-8") as out:
            out.write(text)
    except FileExistsError as error:
        raise UsageError(f"{file} exists already; name a new file") from error
    except OSError as error:
        raise StorageError(file, f"cannot be written ({error.strerror})", "name a file you may write") from error


def _part(figures: Figures, texts: Mapping[str, str]) -> str:
    measures = list(dict.fromkeys(name for found in figures.values() for name in found))
    made = []
    for measure in measures:
        rows = {method: found[measure] for method, found in figures.items() if measure in found}
        rows = {method: it for method, it in rows.items() if it.value == it.value}
        longest = max((max(it.value, it.high if it.high == it.high else 0) for it in rows.values()), default=0)
        lines = "".join(
            f'<tr><th scope="row">{escape(method)}</th><td class="drawn">{_bar(method, it, longest)}</td>'
            f"<td>{escape(shown(it))}</td></tr>"
            for method, it in rows.items()
        )
        head = f'<th scope="col">{texts["method"]}</th><th></th><th scope="col">{texts["value"]}</th>'
        made.append(f"<h3>{escape(measure)}</h3><table><thead><tr>{head}</tr></thead><tbody>{lines}</tbody></table>")
    return "".join(made)


def reach(figures: Iterable[Figure]) -> float:
    """How far bars and intervals go."""
    return max((it.value if math.isnan(it.high) else it.high for it in figures), default=0.0)


def _bar(method: str, it: Figure, longest: float) -> str:
    return drawing.bar(drawing.Bar(it.value, it.low, it.high), longest, "own" if method.startswith("recnews") else "")


def _seconds(run: Run, texts: Mapping[str, str]) -> str:
    rows = "".join(
        f'<tr><th scope="row">{escape(method)}</th><td>{it["fit"]:.1f}</td><td>{it["ask"]:.1f}</td></tr>'
        for method, it in run.document["seconds"].items()
    )
    names = "".join(f'<th scope="col">{texts[name]}</th>' for name in ("method", "fit", "ask"))
    return f"<h2>{texts['seconds']}</h2><table><thead><tr>{names}</tr></thead><tbody>{rows}</tbody></table>"


def _settings(run: Run, texts: Mapping[str, str]) -> str:
    told = "\n".join(
        f"{section}.{name} = {value}"
        for section, values in run.document["settings"].items()
        if isinstance(values, Mapping)
        for name, value in values.items()
    )
    return f"<h2>{texts['settings']}</h2><pre>{escape(told)}</pre>"
