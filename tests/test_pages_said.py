"""Problems are told in Chinese on Chinese pages, as far as their sentences are known."""

import pytest

pytest.importorskip("fastapi")

from recnews.service.pages.details import in_chinese, said


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
