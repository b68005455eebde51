"""How a reading log is divided, on logs small enough to divide by hand."""

from datetime import timedelta
from zlib import crc32

import pytest

from recnews.errors import UsageError
from recnews.records import Draft, EventDraft
from recnews.splits import (
    Reads,
    article_cold,
    counts,
    in_part,
    leave_one_out,
    read_keys,
    reader_cold,
    reads_of,
    time_split,
)
from tests.worlds import DAY, HOUR, NOW, read


def untimed(user: str, *keys: str) -> list[EventDraft]:
    return [EventDraft(user, key) for key in keys]


def keys_of(reads: Reads) -> str:
    return "".join(reads.keys)


def test_an_article_is_read_once_when_a_reader_first_comes_to_it() -> None:
    found = reads_of(untimed("u", "a", "b", "a", "c", "b"))
    assert keys_of(found["u"]) == "abc"


def test_times_go_before_the_order_of_the_log() -> None:
    log = [read("u", "b", NOW - HOUR), read("u", "a", NOW - 2 * HOUR), EventDraft("u", "z"), read("u", "a", NOW)]
    assert keys_of(reads_of(log)["u"]) == "zab"
    assert reads_of(log)["u"].first[1].at == NOW - 2 * HOUR


def test_bounces_dislikes_and_impressions_are_no_reads() -> None:
    log = [
        EventDraft("u", "bounced", dwell=2.9),
        EventDraft("u", "disliked", "dislike"),
        EventDraft("u", "shown", "impression"),
        EventDraft("u", "liked", "like", dwell=1.0),
        EventDraft("u", "read", dwell=3.0),
    ]
    assert [event.key for event in log if counts(event, 3.0)] == ["liked", "read"]
    assert reads_of(log, 3.0)["u"].keys == ("liked", "read")
    assert read_keys(log, 3.0) == {"liked": 1, "read": 1}


def test_leave_one_out_withholds_every_event_about_the_last_article() -> None:
    log = [*untimed("long", *"abcdeae"), EventDraft("long", "e", "like"), *untimed("short", *"abcd")]
    split = leave_one_out(log, None)
    (step,) = split.steps
    (question,) = step.questions
    assert (question.user, question.right, question.history, question.at) == ("long", ("e",), 4, None)
    assert all((event.user_id, event.key) != ("long", "e") for event in split.training)
    assert len(split.training) == len(log) - 3
    assert split.hidden == frozenset()


def test_leave_one_out_asks_at_the_time_of_the_withheld_read() -> None:
    log = [read("u", key, NOW - hours * HOUR) for key, hours in zip("abcde", (1, 5, 4, 3, 2), strict=True)]
    assert leave_one_out(log, None).steps[0].questions[0].right == ("a",)
    assert leave_one_out(log, None).steps[0].questions[0].at == NOW - HOUR


def test_a_last_article_that_is_no_candidate_is_not_asked_about() -> None:
    log = untimed("u", *"abcde") + untimed("v", *"bcdea")
    assert [it.user for it in leave_one_out(log, frozenset("abcd")).steps[0].questions] == ["v"]


def test_a_log_too_short_is_refused() -> None:
    with pytest.raises(UsageError, match="nothing to ask"):
        leave_one_out(untimed("u", *"abcd"), None)


KEYS = [f"k{number}" for number in range(60)]
COLD = [key for key in KEYS if crc32(key.encode()) % 5 == 0]
WARM = [key for key in KEYS if key not in COLD]


def test_a_part_is_chosen_by_a_hash_alone() -> None:
    assert [key for key in KEYS if in_part(key, 0.2)] == COLD
    assert 5 < len(COLD) < 20


def test_cold_articles_leave_no_trace_in_training() -> None:
    log = untimed("u", COLD[0], *WARM[:4], COLD[1]) + untimed("few", *WARM[:3], COLD[0]) + untimed("none", *WARM[:9])
    split = article_cold(log, KEYS, None)
    assert split.hidden == frozenset(COLD)
    assert {event.key for event in split.training} & split.hidden == set()
    everything, only = split.steps
    assert (everything.view, only.view) == ("among all", "among the hidden")
    assert [(it.user, it.right, it.history) for it in everything.questions] == [("u", (COLD[1],), 4)]
    assert everything.questions[0].among is None
    assert only.questions[0].among == frozenset(COLD)


def test_only_candidates_count_as_cold() -> None:
    log = untimed("u", *WARM[:4], COLD[0], COLD[1])
    among = frozenset([*WARM, COLD[0]])
    everything, only = article_cold(log, KEYS, among).steps
    assert everything.questions[0].right == (COLD[0],)
    assert only.questions[0].among == frozenset([COLD[0]])


def test_what_was_read_later_does_not_count_as_history() -> None:
    times = [read("u", key, NOW - hours * HOUR) for key, hours in zip(WARM[:5], (9, 8, 7, 6, 1), strict=True)]
    found = article_cold([*times, read("u", COLD[0], NOW - 2 * HOUR)], KEYS, None).steps[0].questions[0]
    assert (found.history, found.at) == (4, NOW - 2 * HOUR)
    with pytest.raises(UsageError, match="nothing to ask"):
        article_cold([*times, read("u", COLD[0], NOW - 7 * HOUR)], KEYS, None)


def test_cold_readers_come_one_read_at_a_time() -> None:
    users = [f"u{number}" for number in range(40)]
    log = [event for user in users for event in untimed(user, *"abcd")]
    new = {user for user in users if crc32(user.encode()) % 5 == 0}
    split = reader_cold(log, None)
    assert {event.user_id for event in split.training} == set(users) - new
    assert [step.view for step in split.steps] == ["after 1", "after 2", "after 3"], "nobody reads six"
    recorded: list[EventDraft] = []
    for step, (right, known) in zip(split.steps, (("b", 1), ("c", 2), ("d", 3)), strict=True):
        recorded += step.record
        assert {it.user for it in step.questions} == new
        assert {(it.right, it.history) for it in step.questions} == {((right,), known)}
        assert {event.key for event in recorded} == set("abcd"[:known]), "the right one is not recorded yet"


CUT = NOW - 10 * HOUR


def timed_log() -> list[EventDraft]:
    return [
        read("back", "old", NOW - 20 * HOUR),
        read("other", "old", NOW - 11 * HOUR),
        read("other", "edge", CUT),
        read("back", "fresh", NOW - 5 * HOUR),
        read("back", "old", NOW - 4 * HOUR),
        read("back", "later", NOW - 3 * HOUR),
        read("new", "fresh", NOW - 2 * HOUR),
    ]


def timed_articles() -> list[Draft]:
    published = {"old": NOW - DAY, "edge": CUT, "fresh": NOW - 6 * HOUR, "later": NOW - 4 * HOUR, "undated": None}
    return [Draft(key, key, published_at=at) for key, at in published.items()]


def test_a_time_split_is_half_open() -> None:
    split = time_split(timed_articles(), timed_log(), None, cutoff=CUT)
    assert [event.at for event in split.training] == [NOW - 20 * HOUR, NOW - 11 * HOUR]
    assert split.hidden == {"edge", "fresh", "later"}, "published at the cutoff is after training"
    assert all(event.at is not None and event.at < CUT for event in split.training)


def test_a_reader_is_asked_about_when_they_come_back_for_what_was_out_by_then() -> None:
    steps = time_split(timed_articles(), timed_log(), None, cutoff=CUT).steps
    found = [(it.user, it.right, it.at) for step in steps for it in step.questions]
    assert found == [("other", ("edge",), CUT), ("back", ("fresh",), NOW - 5 * HOUR)], "never who is new, nor rereads"


def test_before_a_question_everything_earlier_is_recorded_and_nothing_else() -> None:
    split = time_split(timed_articles(), timed_log(), None, cutoff=CUT, each=True)
    recorded = list(split.training)
    for step in split.steps:
        recorded += step.record
        for question in step.questions:
            assert question.at is not None
            assert recorded == [it for it in timed_log() if it.at is not None and it.at < question.at]
    assert [it.right for step in split.steps for it in step.questions] == [("edge",), ("fresh",), ("later",)]
    assert [it.history for step in split.steps for it in step.questions] == [1, 1, 2]


def test_without_a_cutoff_a_share_of_the_events_comes_after() -> None:
    log = [read(user, f"a{hour}", NOW - hour * HOUR) for hour in range(1, 51) for user in "uv"]
    split = time_split([Draft(f"a{hour}", "t") for hour in range(1, 51)], log, None, cutoff=None, share=0.3)
    assert len(split.training) == 70


def test_a_log_without_times_cannot_be_split_by_time() -> None:
    with pytest.raises(UsageError, match=r"1 of 8 have no time.*leave-one-out"):
        time_split(timed_articles(), [*timed_log(), EventDraft("u", "old")], None, cutoff=None)


@pytest.mark.parametrize("cutoff", [NOW - 20 * HOUR, NOW])
def test_a_cutoff_outside_the_log_is_refused(cutoff: object) -> None:
    with pytest.raises(UsageError, match="divides nothing"):
        time_split(timed_articles(), timed_log(), None, cutoff=cutoff)  # type: ignore[arg-type]


@pytest.mark.parametrize("share", [0.0, -1.0, 0.6, 2.0])
def test_a_share_is_a_share(share: float) -> None:
    log = timed_log()
    with pytest.raises(UsageError, match="cannot be kept out"):
        article_cold(log, ["old"], None, share=share)
    with pytest.raises(UsageError, match="cannot be kept out"):
        reader_cold(log, None, share=share)
    with pytest.raises(UsageError, match="cannot be kept out"):
        time_split(timed_articles(), log, None, cutoff=None, share=share)


def test_the_order_of_equal_times_is_that_of_the_log() -> None:
    log = [read("u", key, NOW) for key in "cab"] + [read("u", "d", NOW - timedelta(microseconds=1))]
    assert keys_of(reads_of(log)["u"]) == "dcab"
