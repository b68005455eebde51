"""Writes docs/settings.md from the settings: `python -m tests.settings_page > docs/settings.md`."""

import ast
import json
from pathlib import Path

from recnews.config import Settings

ROOT = Path(__file__).parent.parent
HEAD = """# Settings

A home may hold a file `recnews.toml`. Every setting has a default; an unknown one is an error. A variable of the
environment, `RECNEWS_<SECTION>__<KEY>` such as `RECNEWS_FEED__DIVERSITY=0.3`, goes over the file, and an option of a
command over both.

```toml
[ingest]
timezone = "Asia/Shanghai"

[feed]
freshness = 0.2
```

Settings of `text` and `embedding` are frozen into a generation by the training that reads them; a change takes effect
at the next one.
"""


def page() -> str:
    """The page: a section a class, a row a setting, with the text below it in `config.py`."""
    tree = ast.parse((ROOT / "recnews" / "config.py").read_text(encoding="utf-8"))
    classes = {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}
    every = Settings().model_dump()
    above = {name: value for name, value in every.items() if not isinstance(value, dict)}
    parts = [HEAD, "\n## Above all sections\n\n", *_table(classes["Settings"], above)]
    for section in (name for name in every if name not in above):
        node = classes[type(getattr(Settings(), section)).__name__]
        about = " ".join((ast.get_docstring(node) or "").split())
        parts += [f"\n## `[{section}]`\n\n{about}\n\n", *_table(node, every[section])]
    return "".join(parts)


def _table(node: ast.ClassDef, values: dict[str, object]) -> list[str]:
    told = {
        field.target.id: " ".join(text.value.value.split())
        for field, text in zip(node.body, node.body[1:], strict=False)
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name) and isinstance(text, ast.Expr)
        and isinstance(text.value, ast.Constant) and isinstance(text.value.value, str)
    }  # fmt: skip
    rows = [f"| `{name}` | `{json.dumps(value)}` | {told[name]} |\n" for name, value in values.items()]
    return ["| key | default | meaning |\n|---|---|---|\n", *rows]


if __name__ == "__main__":
    import sys

    sys.stdout.write(page())
