"""Paging: by offset for short lists, by opaque keyset cursors for long ones."""

import base64
import binascii
import hashlib
import json
from collections.abc import Sequence
from typing import Annotated, NamedTuple, TypeVar

from fastapi import Depends, Query

from deployments.http.errors import InvalidCursor
from riskray.models.common import PAGE_LIMIT_MAX, CursorPage, Page

Item = TypeVar("Item")


class PageQuery(NamedTuple):
    """The requested page of a list."""

    offset: int
    limit: int

    def page(self, items: list[Item], total: int) -> Page[Item]:
        """The page's body."""
        return Page(data=items, offset=self.offset, limit=self.limit, total=total, has_more=self.offset + len(items) < total)


def _page_query(
    offset: Annotated[int, Query(ge=0, le=2**31 - 1, description="Number of items to skip.")] = 0,
    limit: Annotated[int, Query(ge=1, le=PAGE_LIMIT_MAX, description="Maximum number of items on the page.")] = 50,
) -> PageQuery:
    return PageQuery(offset=offset, limit=limit)


OffsetPage = Annotated[PageQuery, Depends(_page_query)]
CursorLimit = Annotated[int, Query(ge=1, le=PAGE_LIMIT_MAX, description="Maximum number of items on the page.")]
Cursor = Annotated[str | None, Query(description="`next_cursor` of the previous page; omit it for the first page.", max_length=500)]


def _digest(scope: str) -> str:
    return hashlib.sha256(scope.encode()).hexdigest()[:16]


def encode_cursor(after: int | str, *, scope: str) -> str:
    """A cursor for the rows after a position (its number or id) of the list that `scope` describes (path and filters)."""
    return base64.urlsafe_b64encode(json.dumps([after, _digest(scope)]).encode()).decode().rstrip("=")


def decode_cursor(cursor: str | None, *, scope: str) -> int:
    """The position number after which a cursor points; −1 without a cursor. Raises InvalidCursor for another list's cursor."""
    if cursor is None:
        return -1
    after = _after(cursor, scope)
    if not isinstance(after, int) or not -1 <= after < 2**31:
        raise _not_of_this_list()
    return int(after)


def decode_id_cursor(cursor: str | None, *, scope: str) -> str:
    """The position id after which a cursor points; empty without a cursor. Raises InvalidCursor for another list's cursor."""
    if cursor is None:
        return ""
    after = _after(cursor, scope)
    if not isinstance(after, str) or "\0" in after:
        raise _not_of_this_list()
    return after


def _after(cursor: str, scope: str) -> object:
    try:
        after, digest = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (binascii.Error, UnicodeDecodeError, ValueError, TypeError):
        raise _not_of_this_list() from None
    if digest != _digest(scope):
        raise _not_of_this_list()
    return after


def _not_of_this_list() -> InvalidCursor:
    return InvalidCursor("the cursor does not come from this list with these filters; begin without a cursor")


def cursor_page(rows: list[Item], positions: Sequence[int | str], *, limit: int, scope: str) -> CursorPage[Item]:
    """A page of rows read with `limit + 1`, whose position numbers (or ids) are `positions`: a surplus row means that a page follows."""
    more = len(rows) > limit
    return CursorPage(data=rows[:limit], limit=limit, next_cursor=encode_cursor(positions[limit - 1], scope=scope) if more else None)
