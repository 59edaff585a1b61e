-- Everything of procactors is prefixed procactors_, as the file may be the application's own.
-- Times are seconds since 1970 (UTC). JSON is kept as text, for people with a sqlite3 prompt.

CREATE TABLE procactors_managers (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    name          TEXT NOT NULL,
    kind          TEXT NOT NULL,             -- 'manager' runs processes, 'client' only looks and controls
    host          TEXT NOT NULL,
    boot_id       TEXT NOT NULL,             -- of the running kernel; with the next three: is it alive?
    pid_namespace TEXT NOT NULL,
    os_pid        INTEGER NOT NULL,
    os_started    TEXT NOT NULL,             -- start time of that OS process, as pids are reused
    registered_at REAL NOT NULL,
    lease_until   REAL NOT NULL
);

CREATE TABLE procactors_processes (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,   -- never reused: a late write can't hit another process
    pid        TEXT NOT NULL UNIQUE,
    name       TEXT NOT NULL,
    key        TEXT,
    unique_key TEXT UNIQUE,                  -- the key while it is held; NULL once it is given up
    key_scope  TEXT,                         -- 'kept' until retention, or 'active' until the end
    tags       TEXT NOT NULL DEFAULT '[]',
    priority   INTEGER NOT NULL DEFAULT 0,
    parent     INTEGER,
    depth      INTEGER NOT NULL DEFAULT 0,
    behind     INTEGER,                      -- the process whose end this one waits for before it may start
    status     TEXT NOT NULL,
    owner      INTEGER,                      -- the manager that runs it now
    epoch      INTEGER NOT NULL,             -- grows with each change of owner; fences off the one before
    due_at     REAL,                         -- a free process: when it may be taken up
    expires_at REAL,                         -- a free process: when it times out, or its interrupt does
    rank       REAL,                         -- order among those that are due: due_at less its priority
    call       TEXT,                         -- what its next step needs: its reference and the names of what is passed
    created_at REAL NOT NULL,
    ended_at   REAL,
    state      TEXT NOT NULL,                -- what its events fold into
    progress   TEXT,
    queue      TEXT,                         -- name of a definition that has limits
    in_group   TEXT,                         -- counts for limits per group
    keep_s     REAL,                         -- kept so many seconds after its end; NULL: as managers say
    place      INTEGER NOT NULL DEFAULT 0    -- of one that waits for children: 1, it wants its place back; 2, it has it
);
CREATE INDEX procactors_processes_rank ON procactors_processes (rank, id, due_at, name)
    WHERE due_at IS NOT NULL AND queue IS NULL;
CREATE INDEX procactors_processes_rank_of_name ON procactors_processes (name, rank, id, due_at)
    WHERE due_at IS NOT NULL AND queue IS NULL;
CREATE INDEX procactors_processes_rank_of_children ON procactors_processes (rank, id, due_at, name)
    WHERE due_at IS NOT NULL AND queue IS NULL AND parent IS NOT NULL;
CREATE INDEX procactors_processes_queue ON procactors_processes (queue, rank, id, due_at, in_group)
    WHERE due_at IS NOT NULL AND queue IS NOT NULL;
CREATE INDEX procactors_processes_place ON procactors_processes (queue, in_group)
    WHERE owner IS NOT NULL AND queue IS NOT NULL;
CREATE INDEX procactors_processes_ended ON procactors_processes (ended_at)
    WHERE ended_at IS NOT NULL AND keep_s IS NULL AND parent IS NULL;
CREATE INDEX procactors_processes_kept ON procactors_processes (ended_at + keep_s)
    WHERE ended_at IS NOT NULL AND keep_s IS NOT NULL AND parent IS NULL;
CREATE INDEX procactors_processes_due ON procactors_processes (due_at, name) WHERE due_at IS NOT NULL;
CREATE INDEX procactors_processes_expires ON procactors_processes (expires_at) WHERE expires_at IS NOT NULL;
CREATE INDEX procactors_processes_owner ON procactors_processes (owner) WHERE owner IS NOT NULL;
CREATE INDEX procactors_processes_behind ON procactors_processes (behind) WHERE behind IS NOT NULL;
CREATE INDEX procactors_processes_parent ON procactors_processes (parent, id) WHERE parent IS NOT NULL;
CREATE INDEX procactors_processes_alive_children ON procactors_processes (parent)
    WHERE parent IS NOT NULL AND ended_at IS NULL;
CREATE INDEX procactors_processes_status ON procactors_processes (status, id);
CREATE INDEX procactors_processes_name ON procactors_processes (name, status, id);
CREATE INDEX procactors_processes_key ON procactors_processes (key) WHERE key IS NOT NULL;

CREATE TABLE procactors_tags (
    tag     TEXT NOT NULL,
    process INTEGER NOT NULL REFERENCES procactors_processes (id) ON DELETE CASCADE,
    PRIMARY KEY (tag, process)
) WITHOUT ROWID;
CREATE INDEX procactors_tags_process ON procactors_tags (process);

CREATE TABLE procactors_events (
    position    INTEGER PRIMARY KEY AUTOINCREMENT,  -- grows in commit order over all processes
    process     INTEGER NOT NULL REFERENCES procactors_processes (id) ON DELETE CASCADE,
    seq         INTEGER NOT NULL,                   -- 1, 2, 3, ... within the process
    payload_seq INTEGER,                            -- the event that holds this one's payload
    body        TEXT NOT NULL
);
CREATE UNIQUE INDEX procactors_events_seq ON procactors_events (process, seq);
CREATE INDEX procactors_events_deferred ON procactors_events (position)
    WHERE body >= '{"type":"DeferredUpdateFailed"' AND body < '{"type":"DeferredUpdateFailed#';

CREATE TABLE procactors_commands (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    process    INTEGER NOT NULL REFERENCES procactors_processes (id) ON DELETE CASCADE,
    kind       TEXT NOT NULL,
    body       TEXT NOT NULL,
    created_at REAL NOT NULL,
    outcome    TEXT                                 -- for who waits for an answer: '' is yes, else why not
);
CREATE INDEX procactors_commands_process ON procactors_commands (process);

CREATE TABLE procactors_marks (
    name  TEXT PRIMARY KEY,
    value NOT NULL
);

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
