"""Translates errors of the database driver for users, and tells which errors are transient."""

import re

import psycopg

from riskray.errors import InvalidRequest, RiskrayError, StoreError, StoreNotMigrated, StoreUnavailable

TRANSIENT_STATES = ("40001", "40P01", "55P03", "25P03")  # serialization failure, deadlock, lock timeout, idle in a transaction for too long
TRANSIENT_CLASSES = ("08", "53", "57P")  # connection lost, out of resources, server starting or stopping
READ_ONLY_STATE = "25006"  # a standby during failover
_NUL_REFUSED = "cannot contain NUL"  # psycopg's own message: it checks text before sending it
SCHEMA_STATES = ("42P01", "42703", "42704", "42883", "3F000")  # unknown table, column, type, function, schema
LOGIN_CLASS = "28"
UNKNOWN_DATABASE_STATE = "3D000"
TIMEOUT_STATE = "57014"
MESSAGE_LENGTH_MAX = 500


def explain(error: Exception, target: str, *, embedded: bool) -> RiskrayError:
    """The error as an exception of riskray that names the server, the cause and the remedy. `error`: of psycopg or of the ADBC driver."""
    state, message = _state(error), _first_line(error)
    if isinstance(error, psycopg.DataError) and _NUL_REFUSED in message:
        return InvalidRequest("a name or an id contains a NUL character (U+0000), which the database cannot store; remove it")
    if state in SCHEMA_STATES:
        return StoreNotMigrated(f"the database {target} does not have the schema of this version ({message}); run `riskray db migrate`")
    if state == TIMEOUT_STATE:
        message = f"a statement exceeded its time limit on {target} ({message}); raise RISKRAY_STATEMENT_TIMEOUT_S if it is large"
        return StoreError(message)
    if state in TRANSIENT_STATES:
        return StoreUnavailable(f"another session blocked the request in the database {target} ({message}); nothing was changed; retry")
    if _is_connection_trouble(error, state) or state == READ_ONLY_STATE:
        return StoreUnavailable(f"the database {target} cannot be used: {message}; {_remedy(state, message, embedded=embedded)}")
    return StoreError(f"the database {target} refused: {message}" + (f" (SQLSTATE {state})" if state else ""))


def is_transient(error: StoreError) -> bool:
    """Whether the operation may succeed if it is retried."""
    cause = error.__cause__
    if cause is None:
        return isinstance(error, StoreUnavailable)  # all connections are busy
    state = _state(cause)
    if state in TRANSIENT_STATES or state == READ_ONLY_STATE:
        return True
    return _is_connection_trouble(cause, state) and not _is_settled(state, str(cause))


def lost_connection(error: StoreError) -> bool:
    """Whether the connection broke, so that the outcome of a COMMIT in flight is unknown."""
    cause = error.__cause__
    return cause is not None and _is_connection_trouble(cause, _state(cause))


def _state(error: BaseException) -> str:
    return getattr(error, "sqlstate", None) or ""


def _is_connection_trouble(error: BaseException, state: str) -> bool:
    if state:
        return state.startswith((*TRANSIENT_CLASSES, LOGIN_CLASS)) or state == UNKNOWN_DATABASE_STATE
    return isinstance(error, psycopg.OperationalError | psycopg.InterfaceError) or type(error).__name__ == "OperationalError"


def _is_settled(state: str, message: str) -> bool:
    """Whether the server has refused the login and a retry would be refused too. (At login only a text arrives, no SQLSTATE.)"""
    return state.startswith(LOGIN_CLASS) or state == UNKNOWN_DATABASE_STATE or bool(re.search(_LOGIN_REFUSED, message))


_LOGIN_REFUSED = r"authentication failed|no password supplied|does not exist|no pg_hba\.conf entry"
_SERVER_STARTS = r"the database system is (starting up|in recovery mode|not yet accepting connections)"


def _remedy(state: str, message: str, *, embedded: bool) -> str:
    if re.search(r'database "[^"]*" does not exist', message):
        return "create it (createdb) or correct RISKRAY_DATABASE_URL"
    if _is_settled(state, message):
        return "check user and password in RISKRAY_DATABASE_URL"
    if state == READ_ONLY_STATE:
        return "it is read-only, as during a failover; retry, or set RISKRAY_DATABASE_URL to the primary"
    if re.search(_SERVER_STARTS, message):
        return "it is starting or recovering from a crash; retry"
    if state.startswith("53"):
        return "the server is out of connections, memory or disk; retry, or give it more"
    if embedded:
        return "start it with `riskray up`, or set RISKRAY_DATABASE_URL"
    return "check that the server runs and that RISKRAY_DATABASE_URL names it"


def _first_line(error: Exception) -> str:
    """The server's message on one line. Neither libpq nor the server repeats a password."""
    primary = getattr(getattr(error, "diag", None), "message_primary", None)
    if primary:
        return str(primary)
    lines = [line.strip() for line in str(error).strip().splitlines()]
    if not isinstance(error, psycopg.OperationalError):
        return lines[0] if lines else type(error).__name__
    return " ".join(lines)[:MESSAGE_LENGTH_MAX]  # one line for each address tried
