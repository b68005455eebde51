"""Session tokens: what keeps the pages of one feed together.

A token says as of when the feed was asked, how long its first page was, and which article was the newest then: what
comes later moves nothing. It is not signed: whoever may page may as well ask `at` any time. The check sum finds tokens
cut short.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zlib import crc32

from recnews.service.problems import ProblemError

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Session:
    """A feed `at` a time, when `newest` was the highest id of an article; its first page had `page` places."""

    at: datetime
    page: int
    newest: int

    def token(self) -> str:
        """The text that travels."""
        text = f"{(self.at - _EPOCH) // _MICROSECOND:x}.{self.page:x}.{self.newest:x}"
        return f"{text}.{crc32(text.encode()):x}"

    @classmethod
    def read(cls, token: str) -> "Session":
        """What a token says. Raises `ProblemError`."""
        text, _, check = token.rpartition(".")
        try:
            micros, page, newest = (int(part, 16) for part in text.split("."))
            if int(check, 16) != crc32(text.encode()):
                raise ValueError("the check sum is another")
            return cls(_EPOCH + timedelta(microseconds=micros), page, newest)
        except (ValueError, OverflowError) as error:
            raise ProblemError("invalid", "session: this is no token that the service has given") from error
