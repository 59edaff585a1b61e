"""The shelf: the service's own table, in the same database as its processes, and its folders."""

import hashlib
import os
import secrets
import shutil
from pathlib import Path

import aiosqlite

FOLDER = Path(os.environ.get("DATA", "data")).absolute()
DATABASE = FOLDER / "documents.db"
UPLOADS = FOLDER / "uploads"
PAGES = FOLDER / "pages"

TABLES = """
CREATE TABLE IF NOT EXISTS documents (
    id TEXT PRIMARY KEY,  -- of its content, so that the same upload is the same document
    name TEXT NOT NULL,
    pid TEXT NOT NULL,
    pages INTEGER,
    words INTEGER,
    is_published INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE IF NOT EXISTS overview (total INTEGER, published INTEGER);  -- one row, that every page shows
INSERT INTO overview SELECT 0, 0 WHERE NOT EXISTS (SELECT * FROM overview);
"""


async def open_shelf():
    """Make the tables and the folders."""
    for folder in (UPLOADS, PAGES):
        folder.mkdir(parents=True, exist_ok=True)
    async with database() as db:
        await db.executescript(TABLES)


def database():
    return aiosqlite.connect(DATABASE, timeout=10)


def keep(upload):
    """Write an upload to its place, named by what is in it; return its id and path."""
    document_id = hashlib.file_digest(upload, "sha256").hexdigest()[:32]
    upload.seek(0)
    path = UPLOADS / document_id
    draft = path.with_suffix(f".{secrets.token_hex(4)}")
    with draft.open("wb") as target:
        shutil.copyfileobj(upload, target)
    draft.replace(path)  # whole, or not at all
    return document_id, path


async def documents(document_id=None):
    """Return all documents, or those of an id."""
    async with database() as db:
        db.row_factory = aiosqlite.Row
        rows = await db.execute_fetchall(
            "SELECT * FROM documents WHERE ?1 IS NULL OR id = ?1 ORDER BY name", (document_id,)
        )
    return [dict(row) for row in rows]


async def overview():
    async with database() as db:
        db.row_factory = aiosqlite.Row
        (row,) = await db.execute_fetchall("SELECT total, published FROM overview")
    return dict(row)


async def count_shelf():
    """Bring the overview up to date: work to be deferred until documents have changed."""
    async with database() as db:
        await db.execute(
            "UPDATE overview SET total = (SELECT count(*) FROM documents),"
            " published = (SELECT count(*) FROM documents WHERE is_published)"
        )
        await db.commit()


def publish(connection, document_id, pages, words):
    """Put a document on the shelf; called within the transaction of a checkpoint."""
    connection.execute(
        "UPDATE documents SET pages = ?, words = ?, is_published = 1 WHERE id = ?",
        (pages, words, document_id),
    )
