"""Problems are told in Chinese on Chinese pages, as far as they are known; those of recnews itself all are."""

import ast
import itertools
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("fastapi")

from recnews import errors
from recnews.formats import json_object, values
from recnews.service import problems
from recnews.service.pages.details import _pairs, in_chinese, said
from recnews.store import on_postgres, on_sqlite
from tests.cli_world import ROOT


@pytest.mark.parametrize(
    ("english", "chinese"),
    [
        ("file: none was chosen", "没有选择文件"),
        ("this needs a key of scope admin; this one has read", "需要 admin 权限的密钥；当前密钥的权限是 read"),
        ("https://a.example/f: the server answered 404 Not Found; try it again later",
         "https://a.example/f：服务器回应 404 Not Found；请稍后再试"),
        ("no article has the id 'a {0} b'", "没有编号为 'a {0} b' 的文章"),
        ("is not a date: 'someday'; write it as 2026-05-01T08:00:00+08:00",
         "不是日期：'someday'；请写成 2026-05-01T08:00:00+08:00"),
        ("is not valid JSON: x at character 3", "不是有效的 JSON：第 3 个字符处，x"),
    ],
)  # fmt: skip
def test_a_sentence_is_found_with_what_was_filled_in(english: str, chinese: str) -> None:
    assert in_chinese(english) == chinese


def test_what_is_not_known_stays_english_and_is_marked() -> None:
    assert said("something <b>; try it again later", "zh") == (
        '<span lang="en">something &lt;b&gt;; try it again later</span>'
    )
    assert said("file: none was chosen", "en") == "file: none was chosen"
    assert said("no article has the id '<b>'", "zh") == "没有编号为 &#39;&lt;b&gt;&#39; 的文章"


def test_what_holds_many_parts_is_not_followed_for_ever() -> None:
    assert in_chinese("; " * 1999) is None
    assert in_chinese("a: " * 1300) is None


# Every message that recnews composes and a page may show, found in its source: where which arguments of what is made
# are shown to people.
_SHOWN = {
    "DamagedGenerationError": (2,), "Error": (0,), "FetchError": (1, 2), "FieldError": (1, 2), "Outcome": (4, 5),
    "Piece": (4,), "ProblemError": (1,), "Reject": (1, 2), "StorageError": (1, 2), "StreamCutError": (0,),
    "UnreadableFileError": (1,), "UsageError": (0,), "_piece": (1,),
}  # fmt: skip
_PLACES = (
    "accept.py", "formats/*.py", "generation.py", "generations.py", "newsroom/editors.py", "newsroom/given.py",
    "newsroom/rejects.py", "quarantine.py", "rejected.py", "service/**/*.py", "shared.py", "store/editorial.py",
    "text/dictionary.py", "web/*.py",
)  # fmt: skip
# What is shown without being made there: taken from an error or a row that has its text from elsewhere, or no text.
_PASSED_ON = re.compile(
    r"(self|error|reject|item|piece)\.(reason|remedy|problem)|problem|self\.problem or problem"
    r"|str\(error\)(\.replace\(.*\))?"
    r"|detail or (str\(error\)|HTTPStatus\(status\)\.phrase)|wrong( or \{.*\})?|''|True|False"
)
_FILL = "Not Found"  # a sentence that is known: where one is filled in, it must be


class _Messages:
    """The texts of a module that people may see; of a choice all, and what is filled in where it is not a text of the
    module's own either."""

    def __init__(self, file: Path) -> None:
        self.file, self.tree = file, ast.parse(file.read_text(encoding="utf-8"))
        self.functions = {it.name: it for it in ast.walk(self.tree) if isinstance(it, ast.FunctionDef)}

    def all(self) -> Iterator[tuple[int, str]]:
        """Line and text. What is neither a text nor passed on is given as it stands in the source."""
        for scope in (it for it in ast.walk(self.tree) if isinstance(it, ast.FunctionDef | ast.AsyncFunctionDef)):
            for node in ast.walk(scope):
                for shown in self._shown(node):
                    texts, source = self._texts(shown, scope), ast.unparse(shown)
                    for text in texts or ([] if _PASSED_ON.fullmatch(source) else [f"not understood: `{source}`"]):
                        yield shown.lineno, text

    def _shown(self, node: ast.AST) -> Iterator[ast.expr]:
        if isinstance(node, ast.Call):
            name = getattr(node.func, "id", None) or getattr(node.func, "attr", None)
            yield from (node.args[place] for place in _SHOWN.get(str(name), ()) if place < len(node.args))
            yield from (it.value for it in node.keywords if it.arg in {"reason", "remedy", "wrong", "detail"})
        elif isinstance(node, ast.Assign) and any(_name(it) == "problem" for it in node.targets):
            yield node.value

    def _texts(self, node: ast.expr, scope: ast.AST) -> list[str]:
        parts: list[ast.expr] = []
        match node:
            case ast.Constant(value=str(text)) if text:
                return [text]
            case ast.JoinedStr(values=pieces):
                return ["".join(it) for it in itertools.product(*(self._filled(piece, scope) for piece in pieces))]
            case ast.IfExp(body=one, orelse=two):
                parts = [one, two]
            case ast.BoolOp(values=parts):
                pass
            case ast.Subscript(value=whole) | ast.Call(func=ast.Attribute(value=whole, attr="rstrip")):
                parts = [whole]
            case ast.Name(id=name):
                parts = [it for it in self._assigned(name, scope) if name not in _names(it)]  # `x = x or y`
            case ast.Call(func=ast.Name(id=name)) if name in self.functions:
                scope = self.functions[name]
                parts = [it.value for it in ast.walk(scope) if isinstance(it, ast.Return) and it.value is not None]
        return [text for it in parts for text in self._texts(it, scope)]

    def _filled(self, part: ast.expr, scope: ast.AST) -> list[str]:
        if isinstance(part, ast.FormattedValue):
            return (self._texts(part.value, scope) if part.conversion < 0 else []) or [_FILL]
        return self._texts(part, scope) or [""]

    def _assigned(self, name: str, scope: ast.AST) -> Iterator[ast.expr]:
        for node in itertools.chain(ast.walk(scope), self.tree.body):
            match node:
                case ast.Assign(targets=[ast.Tuple(elts=names)], value=ast.Tuple(elts=values)):
                    yield from (it for one, it in zip(names, values, strict=True) if _name(one) == name)
                case ast.Assign(targets=targets, value=value) if any(_name(it) == name for it in targets):
                    yield value
                case ast.NamedExpr(target=target, value=value) if _name(target) == name:
                    yield value


def _names(node: ast.AST) -> set[str]:
    return {it.id for it in ast.walk(node) if isinstance(it, ast.Name)}


def _name(node: ast.AST) -> str:
    return str(getattr(node, "id", "") or getattr(node, "attr", ""))


def _messages() -> list[tuple[str, str]]:
    files = sorted({file for place in _PLACES for file in (ROOT / "recnews").glob(place)})
    return [(f"{file.relative_to(ROOT)}:{line}", text) for file in files for line, text in _Messages(file).all()]


def test_the_source_is_searched_as_it_is_written() -> None:
    """One of each way to write a message."""
    found = {text for _, text in _messages()}
    assert found >= {
        "is missing, and so is 'body'", "put quotes around cells that hold the separator",
        "add the missing cells", f"is not an address: {_FILL}", "the gzip stream ends early", "is neither RSS nor Atom",
        f"its <{_FILL}> is not closed before the next begins", "the file ends inside an object", "is missing",
        f"shorten it or raise ingest.max_row_bytes; only its first {_FILL} bytes were kept", "file: none was chosen",
    }  # fmt: skip


def _english(text: str) -> bool:
    """Whether a text is not, or not whole, told in Chinese; commands and names of settings stay as they are."""
    told = in_chinese(text)
    return told is None or bool(re.search(r"[a-z]+ [a-z]+", re.sub(r"`[^`]*`|--[a-z]+|pip install", "", told)))


def test_each_message_that_a_page_may_show_is_known_in_chinese() -> None:
    unknown = {f"{where}: {text}" for where, text in _messages() if _english(text)}
    assert not unknown, "write them in recnews/service/pages/texts/said.toml:\n" + "\n".join(sorted(unknown))


@pytest.mark.parametrize(
    "text",
    [
        *(str(errors.NoMapError("g000001", why)) for why in ("off", "few", "extra", "old")),
        *(str(errors.DamagedGenerationError("g000001", "/home/c.npy", it)) for it in (
            "is missing", "has 3 bytes, should have 4; noted in /home/DAMAGED, delete that once it is mended",
            "cannot be read ([Errno 2] No such file or directory: '/home/c.npy')",
        )),
        str(errors.SharedGenerationError("g000001", "db", "is missing")),
        *(str(errors.UnknownGenerationError("g000009", known)) for known in ((), ("g000001", "g000002"))),
        str(errors.UnknownArticleError("a")),
        str(errors.NoGenerationError(Path("/a"))),
        str(errors.BusyError("index", "another process")),
        str(errors.UnreachableError("db", "the server cannot be reached, or may not be written now")),
        *(f"/a: {reason}; {remedy}" for _, reason, remedy in (*on_sqlite._REMEDIES, *on_postgres._REFUSALS)),
        *(f"db: {'; '.join(it)}" for it in on_postgres._REMEDIES.values()),
        *(f"is {name}, not text" for _, name in values._NAMES),
        *(f"is {json_object._kind(it)}, not a JSON object" for it in (["a"], "", True, 1, 0.5, None)),
        *(detail for _, _, detail, _ in problems._OF_ERRORS if detail),
        "page.html: holds no text that can be told to be an article; remove it",
    ],
)  # fmt: skip
def test_errors_and_what_is_filled_in_are_told_in_chinese(text: str) -> None:
    assert not _english(text), in_chinese(text)


def test_what_is_filled_in_stays_as_it_is() -> None:
    assert in_chinese("is not a date: 'is missing'") == "不是日期：'is missing'"
    assert in_chinese("is of type set, not text") == "类型是 set，不是文本"
    assert in_chinese("is a list, not text") == "是列表，不是文本"
    assert (
        in_chinese("is not valid JSON: Expecting value at character 5")
        == "不是有效的 JSON：第 5 个字符处，此处应有一个值"
    )


def test_each_sentence_of_the_list_can_be_told() -> None:
    for english, _ in _pairs():
        told = in_chinese(english.replace("{said}", "is missing").replace("{}", "'x'"))
        assert told is not None, english
        assert told.count("'x'") == english.count("{}"), (english, told)
