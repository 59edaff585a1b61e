-- As in sql/sqlite/0002_queues.sql, which says what is for what.

ALTER TABLE procactors_processes ADD COLUMN queue TEXT;
ALTER TABLE procactors_processes ADD COLUMN in_group TEXT;
ALTER TABLE procactors_processes ADD COLUMN keep_s DOUBLE PRECISION;
ALTER TABLE procactors_processes ADD COLUMN place INTEGER NOT NULL DEFAULT 0;

DROP INDEX procactors_processes_rank;
CREATE INDEX procactors_processes_rank ON procactors_processes (rank, id, due_at, name)
    WHERE due_at IS NOT NULL AND queue IS NULL;
CREATE INDEX procactors_processes_queue ON procactors_processes (queue, rank, id, due_at, in_group)
    WHERE due_at IS NOT NULL AND queue IS NOT NULL;
CREATE INDEX procactors_processes_place ON procactors_processes (queue, in_group)
    WHERE owner IS NOT NULL AND queue IS NOT NULL;

DROP INDEX procactors_processes_ended;
CREATE INDEX procactors_processes_ended ON procactors_processes (ended_at)
    WHERE ended_at IS NOT NULL AND keep_s IS NULL AND parent IS NULL;
CREATE INDEX procactors_processes_kept ON procactors_processes ((ended_at + keep_s))
    WHERE ended_at IS NOT NULL AND keep_s IS NOT NULL AND parent IS NULL;

CREATE TABLE procactors_queues (
    name          TEXT PRIMARY KEY,
    max_running   INTEGER,
    max_per_group INTEGER,
    rate_starts   INTEGER,
    rate_s        DOUBLE PRECISION,
    paused_at     DOUBLE PRECISION
);

CREATE TABLE procactors_starts (
    queue TEXT NOT NULL,
    at    DOUBLE PRECISION NOT NULL
);
CREATE INDEX procactors_starts_at ON procactors_starts (queue, at);

CREATE TABLE procactors_plugins (
    key      TEXT PRIMARY KEY,
    last_run DOUBLE PRECISION,
    began_at DOUBLE PRECISION,
    runner   BIGINT
);
