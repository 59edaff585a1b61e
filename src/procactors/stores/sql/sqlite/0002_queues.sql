-- Limits and pauses of queues, retention by definition, plugins.

-- queue is the name of a process whose definition has limits; in_group counts for limits per group; for keep_s
-- seconds it is kept after its end (NULL: as managers say); place is of a process that waits for its children:
-- 1, it wants its place among the running back; 2, it has it.
ALTER TABLE procactors_processes ADD COLUMN queue TEXT;
ALTER TABLE procactors_processes ADD COLUMN in_group TEXT;
ALTER TABLE procactors_processes ADD COLUMN keep_s REAL;
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
CREATE INDEX procactors_processes_kept ON procactors_processes (ended_at + keep_s)
    WHERE ended_at IS NOT NULL AND keep_s IS NOT NULL AND parent IS NULL;

CREATE TABLE procactors_queues (
    name          TEXT PRIMARY KEY,          -- of a definition; '' is for all of them
    max_running   INTEGER,
    max_per_group INTEGER,
    rate_starts   INTEGER,                   -- at most so many begin to run
    rate_s        REAL,                      -- within so many seconds
    paused_at     REAL
);

CREATE TABLE procactors_starts (
    queue TEXT NOT NULL,                     -- one that has a rate
    at    REAL NOT NULL                      -- when one of its processes began to run
);
CREATE INDEX procactors_starts_at ON procactors_starts (queue, at);

CREATE TABLE procactors_plugins (
    key      TEXT PRIMARY KEY,
    last_run REAL,                           -- when its last run began that came to an end
    began_at REAL,                           -- when the run began that is under way
    runner   INTEGER                         -- the manager that runs it now
);
