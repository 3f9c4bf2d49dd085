"""Pages: offset pages for short lists, opaque keyset cursors for long ones."""

import base64
import binascii
import hashlib
import json
from typing import Annotated, NamedTuple, TypeVar

from fastapi import Depends, Query

from deployments.errors import InvalidCursor
from riskray.models.common import PAGE_LIMIT_MAX, CursorPage, Page

Item = TypeVar("Item")


class PageQuery(NamedTuple):
    """Which page of a list."""

    offset: int
    limit: int

    def page(self, items: list[Item], total: int) -> Page[Item]:
        """The page's body."""
        return Page(data=items, offset=self.offset, limit=self.limit, total=total, has_more=self.offset + len(items) < total)


def _page_query(
    offset: Annotated[int, Query(ge=0, le=2**31 - 1, description="Items to skip.")] = 0,
    limit: Annotated[int, Query(ge=1, le=PAGE_LIMIT_MAX, description="Most items on the page.")] = 50,
) -> PageQuery:
    return PageQuery(offset=offset, limit=limit)


OffsetPage = Annotated[PageQuery, Depends(_page_query)]
CursorLimit = Annotated[int, Query(ge=1, le=PAGE_LIMIT_MAX, description="Most items on the page.")]
Cursor = Annotated[str | None, Query(description="`next_cursor` of the page before; leave out for the first page.", max_length=500)]


def _digest(scope: str) -> str:
    return hashlib.sha256(scope.encode()).hexdigest()[:16]


def encode_cursor(after_position_no: int, *, scope: str) -> str:
    """A cursor for the rows after `after_position_no` of the list that `scope` describes (path and filters)."""
    return base64.urlsafe_b64encode(json.dumps([after_position_no, _digest(scope)]).encode()).decode().rstrip("=")


def decode_cursor(cursor: str | None, *, scope: str) -> int:
    """The position number that a cursor stands after; −1 without a cursor. Raises InvalidCursor for another list's cursor."""
    if cursor is None:
        return -1
    try:
        after, digest = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        valid = isinstance(after, int) and -1 <= after < 2**31 and digest == _digest(scope)
    except (binascii.Error, UnicodeDecodeError, ValueError, TypeError):
        valid, after = False, -1
    if not valid:
        raise InvalidCursor("the cursor is not from this list with these filters; start again without one")
    return int(after)


def cursor_page(rows: list[Item], positions: list[int], *, limit: int, scope: str) -> CursorPage[Item]:
    """A page of rows read with `limit + 1`, whose position numbers are `positions`: the surplus row says that there is more."""
    more = len(rows) > limit
    return CursorPage(data=rows[:limit], limit=limit, next_cursor=encode_cursor(positions[limit - 1], scope=scope) if more else None)
