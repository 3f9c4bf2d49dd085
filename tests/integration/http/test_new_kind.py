"""A new kind of snapshot is one declaration and its table: the store, the API, the SDK and the commands take it as it is."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

import pytest
import typer
from fastapi import APIRouter
from starlette.testclient import TestClient
from typer.testing import CliRunner

from deployments.http.service import create_service
from deployments.http.snapshots import add_snapshot_routes
from riskray.cli.snapshot_group import Columns, add_snapshot_commands
from riskray.client import Client
from riskray.client.snapshots import delete_snapshot, get_snapshot, list_uploads
from riskray.config import Settings
from riskray.errors import NotFound
from riskray.models.common import Model
from riskray.snapshots.content import SnapshotContent
from riskray.snapshots.kinds import SnapshotKind
from riskray.store import snapshots
from riskray.store.database import Database

pytestmark = pytest.mark.postgres

TABLE = """
CREATE TABLE fixing_set (
    fixing_set_no integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    fixing_set_id text NOT NULL UNIQUE,
    name          text NOT NULL,
    version       integer NOT NULL,
    content_hash  bytea NOT NULL UNIQUE,
    fixing_count  integer NOT NULL,
    document      json NOT NULL,
    created_at    timestamptz NOT NULL DEFAULT now()
);
CREATE TRIGGER fixing_set_is_named AFTER INSERT ON fixing_set
    FOR EACH ROW EXECUTE FUNCTION name_new_snapshot('fixing set', 'fixing_set_no');
CREATE TRIGGER fixing_set_is_forgotten AFTER DELETE ON fixing_set
    FOR EACH ROW EXECUTE FUNCTION forget_names_of_snapshot('fixing set', 'fixing_set_no');
"""


@dataclass(frozen=True)
class FixingSetRecord:
    fixing_set_no: int
    fixing_set_id: str
    name: str
    version: int
    content_hash: bytes
    fixing_count: int
    created_at: datetime


class FixingSet(Model):
    """A stored fixing set."""

    fixing_set_id: str
    name: str
    version: int
    content_hash: str
    fixing_count: int
    created_at: datetime


FIXING_SETS = SnapshotKind(
    "fixing set", "fixing sets", prefix="fix", table="fixing_set", key="fixing_set", record=FixingSetRecord, service="fixings",
    route="/sets", summary=FixingSet, detail=FixingSet, document="document", after_deletion="Runs keep what they have read.",
)  # fmt: skip


def store(database: Database, name: str, document: str) -> FixingSetRecord:
    content = SnapshotContent(hashlib.sha256(document.encode()).digest(), {"fixing_count": 2, "document": document})
    return snapshots.store(database, FIXING_SETS, name=name, content=content)[0]


@pytest.fixture
def client(database: Database, monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:
    with database.connection() as connection:
        connection.execute(TABLE)
    router = APIRouter()
    add_snapshot_routes(
        router, database, FIXING_SETS, describe=lambda _, record: FIXING_SETS.describe(record), list_operation="list_fixing_sets"
    )
    app = create_service("fixings", description="", settings=Settings(), database=database, routers=[router])
    with TestClient(app, base_url="http://testserver/api/v1/fixings", root_path="/api/v1/fixings") as http:
        client = Client(Settings(api_url="http://testserver"), http=http)
        monkeypatch.setattr(client.transport, "close", lambda: None)
        monkeypatch.setattr("riskray.client.Client", lambda: client)
        yield client


def test_declared_kind_is_stored_listed_described_and_deleted(database: Database, client: Client) -> None:
    first, second = store(database, "sofr", '{"v":1}'), store(database, "sofr", '{"v":2}')
    assert snapshots.read_document(database, FIXING_SETS, second.fixing_set_id) == '{"v":2}'

    page = list_uploads(client, FIXING_SETS, name="sofr")
    assert [(item.fixing_set_id, item.version) for item in page.data] == [(second.fixing_set_id, 2), (first.fixing_set_id, 1)]
    assert get_snapshot(client, FIXING_SETS, "sofr") == FIXING_SETS.describe(second)
    delete_snapshot(client, FIXING_SETS, "sofr")
    assert get_snapshot(client, FIXING_SETS, "sofr").fixing_set_id == first.fixing_set_id
    with pytest.raises(NotFound, match="no fixing set 'estr'"):
        get_snapshot(client, FIXING_SETS, "estr")


def test_declared_kind_has_commands(database: Database, client: Client) -> None:
    stored = store(database, "sofr", '{"v":1}')
    group = typer.Typer()
    columns: Columns = {"fixing set": "fixing_set_id", "name": "name", "twice": lambda item: 2 * item.fixing_count}
    add_snapshot_commands(group, FIXING_SETS, columns=columns, description=": its index and dates")

    def command(*arguments: str) -> str:
        result = CliRunner().invoke(group, list(arguments))
        assert result.exit_code == 0, result.output
        return " ".join(result.stdout.split())

    assert command("list").endswith(f"fixing set name twice {stored.fixing_set_id} sofr 4")
    assert f"content_hash {stored.content_hash.hex()}" in command("show", "sofr")
    assert command("delete", stored.fixing_set_id).endswith(f"deleted {stored.fixing_set_id}")
    assert snapshots.list_uploads(database, FIXING_SETS, offset=0, limit=9) == ([], 0)
    assert "Describe a fixing set: its index and dates." in command("show", "--help")
    assert "Runs keep what they have read." in command("delete", "--help")
