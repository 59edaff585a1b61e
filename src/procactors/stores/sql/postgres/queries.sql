-- Named queries, as in sql/sqlite/queries.sql, which says what each is for.
-- A query for many rows takes each column as an array.

-- name: end
-- The number by which the transaction can be asked after if the answer to its COMMIT is lost. Tells a channel.
SELECT pg_current_xact_id()::TEXT, pg_notify(channel, '') FROM (VALUES ($1::TEXT)) AS told (channel)
WHERE channel IS NOT NULL UNION ALL SELECT pg_current_xact_id()::TEXT, NULL WHERE $1::TEXT IS NULL;

-- name: before_guests
-- The transaction in which functions of the user's are called, and where its tables are looked for.
SELECT pg_current_xact_id()::TEXT, current_setting('search_path');

-- name: after_guests
-- The transaction that is open after them; tables are looked for where they were before.
SELECT pg_current_xact_id()::TEXT FROM set_config('search_path', $1::TEXT, FALSE);

-- name: outcome_of_transaction
SELECT pg_xact_status($1::TEXT::xid8);

-- name: backend
SELECT pg_backend_pid();

-- name: time
SELECT extract(epoch FROM clock_timestamp())::DOUBLE PRECISION;

-- name: notify
SELECT pg_notify($1::TEXT, $2::TEXT);

-- name: append
-- All appends of a batch in one round trip, or none of them.
SELECT first_position, lets_start FROM procactors_append(
    $1::BIGINT[], $2::BIGINT[], $3::INTEGER[], $4::TEXT[], $5::BIGINT[], $6::DOUBLE PRECISION[],
    $7::DOUBLE PRECISION[], $8::DOUBLE PRECISION[], $9::TEXT[], $10::DOUBLE PRECISION[], $11::TEXT[],
    $12::BIGINT[], $13::INTEGER[], $14::INTEGER[], $15::TEXT[], $16::BIGINT[], $17::DOUBLE PRECISION,
    $18::DOUBLE PRECISION, $19::TEXT);

-- name: landed
-- Position of an event, if it is stored exactly so.
SELECT position FROM procactors_events WHERE process = $1::BIGINT AND seq = $2::INTEGER AND body = $3::TEXT;

-- name: fence
WITH locked AS (
    SELECT id, epoch FROM procactors_processes WHERE id = ANY ($1::BIGINT[]) ORDER BY pid FOR UPDATE
)
SELECT
    (SELECT count(*) FROM locked JOIN unnest($1::BIGINT[], $2::BIGINT[]) AS wanted (id, epoch)
        USING (id, epoch)),
    EXISTS (SELECT 1 FROM procactors_commands WHERE outcome IS NULL AND process = ANY ($1::BIGINT[]));

-- name: epochs
SELECT id, epoch FROM procactors_processes WHERE id = ANY ($1::BIGINT[]);

-- name: pending_commands
SELECT process, id, kind, body FROM procactors_commands
WHERE outcome IS NULL AND process = ANY ($1::BIGINT[]) ORDER BY id;

-- name: commands_for_owner
SELECT c.id, p.id, p.pid, p.owner, c.kind, c.body
FROM procactors_commands c JOIN procactors_processes p ON p.id = c.process
WHERE c.outcome IS NULL AND (p.owner = $1::BIGINT OR p.owner IS NULL) ORDER BY c.id LIMIT 1000;

-- name: insert_command
INSERT INTO procactors_commands (process, kind, body, created_at)
VALUES ($1::BIGINT, $2::TEXT, $3::TEXT, $4::DOUBLE PRECISION) RETURNING id;

-- name: answer_command
UPDATE procactors_commands SET outcome = $1::TEXT WHERE id = $2::BIGINT;

-- name: command_outcome
SELECT outcome FROM procactors_commands WHERE id = $1::BIGINT;

-- name: delete_commands
DELETE FROM procactors_commands WHERE id = ANY ($1::BIGINT[]);

-- name: delete_cancels
-- The cancels of processes that have come to their end in another way than by obeying them.
DELETE FROM procactors_commands WHERE kind = 'cancel' AND process = ANY ($1::BIGINT[]);

-- name: insert_events
INSERT INTO procactors_events (process, seq, payload_seq, body)
SELECT * FROM unnest($1::BIGINT[], $2::INTEGER[], $3::INTEGER[], $4::TEXT[]) RETURNING position;

-- name: update_processes
UPDATE procactors_processes p SET
    status = new.status, owner = new.owner, epoch = new.epoch,
    due_at = CASE WHEN p.behind IS NULL THEN new.due_at END,
    rank = CASE WHEN p.behind IS NULL THEN new.rank END,
    expires_at = new.expires_at, call = new.call, ended_at = new.ended_at, state = new.state, progress = NULL
FROM unnest(
    $1::BIGINT[], $2::TEXT[], $3::BIGINT[], $4::BIGINT[], $5::DOUBLE PRECISION[], $6::DOUBLE PRECISION[],
    $7::DOUBLE PRECISION[], $8::TEXT[], $9::DOUBLE PRECISION[], $10::TEXT[]
) AS new (id, status, owner, epoch, due_at, expires_at, rank, call, ended_at, state)
WHERE p.id = new.id;

-- name: insert_processes
INSERT INTO procactors_processes (
    pid, name, key, unique_key, key_scope, tags, priority, parent, depth, behind, queue, in_group, keep_s,
    status, owner, epoch, due_at, expires_at, rank, call, created_at, ended_at, state
) SELECT * FROM unnest(
    $1::TEXT[], $2::TEXT[], $3::TEXT[], $4::TEXT[], $5::TEXT[], $6::TEXT[], $7::INTEGER[], $8::BIGINT[],
    $9::INTEGER[], $10::BIGINT[], $11::TEXT[], $12::TEXT[], $13::DOUBLE PRECISION[], $14::TEXT[],
    $15::BIGINT[], $16::BIGINT[], $17::DOUBLE PRECISION[], $18::DOUBLE PRECISION[],
    $19::DOUBLE PRECISION[], $20::TEXT[], $21::DOUBLE PRECISION[], $22::DOUBLE PRECISION[], $23::TEXT[]
) RETURNING id;

-- name: insert_tags
INSERT INTO procactors_tags (tag, process) SELECT * FROM unnest($1::TEXT[], $2::BIGINT[])
ON CONFLICT DO NOTHING;

-- name: save_progress
UPDATE procactors_processes SET progress = $1::TEXT
WHERE id = $2::BIGINT AND epoch = $3::BIGINT AND (state::json ->> 'seq')::INTEGER = $4::INTEGER
RETURNING id;

-- name: key_holder
SELECT pid FROM procactors_processes WHERE unique_key = $1::TEXT;

-- name: give_up_key
UPDATE procactors_processes SET unique_key = NULL WHERE pid = $1::TEXT;

-- name: take_key
UPDATE procactors_processes SET unique_key = $1::TEXT WHERE pid = $2::TEXT;

-- name: give_up_active_keys
UPDATE procactors_processes SET unique_key = NULL
WHERE id = ANY ($1::BIGINT[]) AND key_scope = 'active' AND unique_key IS NOT NULL;

-- name: hand_key_back
UPDATE procactors_processes p SET unique_key = key, key_scope = 'active'
WHERE id = (SELECT b.behind FROM procactors_processes b WHERE b.id = $1::BIGINT AND b.key_scope = 'active')
  AND ended_at IS NULL AND NOT EXISTS (SELECT 1 FROM procactors_processes h WHERE h.unique_key = p.key);

-- name: release_those_behind
SELECT 1 FROM procactors_release_those_behind($3::BIGINT[], $1::DOUBLE PRECISION, $2::DOUBLE PRECISION)
    AS released WHERE released > 0;

-- name: behind
SELECT behind FROM procactors_processes WHERE id = $1::BIGINT;

-- name: due
-- Nobody else writes meanwhile: whoever claims holds the lock of all writers.
SELECT id, rank FROM procactors_processes
WHERE due_at <= $1::DOUBLE PRECISION AND queue IS NULL AND (call IS NULL OR call <> ALL ($2::TEXT[]))
ORDER BY rank, id LIMIT $3::BIGINT;

-- name: due_of_names
SELECT found.id, found.rank FROM unnest($3::TEXT[]) AS n (name), LATERAL (
    SELECT id, rank FROM procactors_processes p
    WHERE p.name = n.name AND due_at <= $1::DOUBLE PRECISION AND queue IS NULL
      AND (call IS NULL OR call <> ALL ($2::TEXT[]))
    ORDER BY rank, id LIMIT $4::BIGINT
) AS found
ORDER BY found.rank, found.id LIMIT $4::BIGINT;

-- name: due_children
SELECT id, rank FROM procactors_processes
WHERE due_at <= $1::DOUBLE PRECISION AND queue IS NULL AND parent IS NOT NULL
  AND (call IS NULL OR call <> ALL ($2::TEXT[])) AND name <> ALL ($3::TEXT[])
ORDER BY rank, id LIMIT $4::BIGINT;

-- name: due_in_queue
SELECT id, rank, in_group FROM procactors_processes
WHERE due_at <= $1::DOUBLE PRECISION AND queue = $2::TEXT AND (call IS NULL OR call <> ALL ($3::TEXT[]))
  AND ($4::INTEGER = 0 OR parent IS NOT NULL)
  AND (in_group IS NULL OR in_group <> ALL ($5::TEXT[])) AND id <> ALL ($6::BIGINT[])
ORDER BY rank, id LIMIT $7::BIGINT;

-- name: gates
SELECT name, max_running, max_per_group, rate_starts, rate_s, paused_at FROM procactors_queues q
WHERE paused_at IS NOT NULL OR EXISTS (
    SELECT 1 FROM procactors_processes p WHERE p.queue = q.name AND p.due_at <= $1::DOUBLE PRECISION);

-- name: gate_of
SELECT q.name, q.max_running, q.max_per_group, q.rate_starts, q.rate_s, q.paused_at, p.in_group
FROM procactors_processes p JOIN procactors_queues q ON q.name = p.queue WHERE p.id = $1::BIGINT;

-- name: busy
SELECT in_group, count(*) FROM procactors_processes
WHERE queue = $1::TEXT AND owner IN (SELECT id FROM procactors_managers) AND (status <> 'waiting' OR place >= $2::INTEGER)
GROUP BY in_group;

-- name: starts_since
SELECT count(*) FROM procactors_starts WHERE queue = $1::TEXT AND at > $2::DOUBLE PRECISION;

-- name: start_before
SELECT at FROM procactors_starts WHERE queue = $1::TEXT ORDER BY at DESC LIMIT 1 OFFSET $2::BIGINT;

-- name: note_starts
INSERT INTO procactors_starts (queue, at) SELECT * FROM unnest($1::TEXT[], $2::DOUBLE PRECISION[]);

-- name: forget_starts
DELETE FROM procactors_starts WHERE queue = $1::TEXT AND at <= $2::DOUBLE PRECISION;

-- name: forget_queues
DELETE FROM procactors_queues q WHERE paused_at IS NULL AND (
    coalesce(max_running, max_per_group, rate_starts) IS NULL
    OR (NOT EXISTS (SELECT 1 FROM procactors_processes p WHERE p.name = q.name)
        AND NOT EXISTS (SELECT 1 FROM procactors_starts s
            WHERE s.queue = q.name AND s.at > $1::DOUBLE PRECISION - q.rate_s)));

-- name: forget_starts_of_nobody
DELETE FROM procactors_starts WHERE queue NOT IN (
    SELECT name FROM procactors_queues WHERE rate_starts IS NOT NULL);

-- name: note_limits
INSERT INTO procactors_queues AS q (name, max_running, max_per_group, rate_starts, rate_s)
VALUES ($1::TEXT, $2::INTEGER, $3::INTEGER, $4::INTEGER, $5::DOUBLE PRECISION)
ON CONFLICT (name) DO UPDATE SET max_running = excluded.max_running, max_per_group = excluded.max_per_group,
    rate_starts = excluded.rate_starts, rate_s = excluded.rate_s
WHERE (q.max_running, q.max_per_group, q.rate_starts, q.rate_s) IS DISTINCT FROM
    (excluded.max_running, excluded.max_per_group, excluded.rate_starts, excluded.rate_s);

-- name: set_place
UPDATE procactors_processes SET place = $1::INTEGER WHERE id = $2::BIGINT;

-- name: queues
SELECT name, max_running, max_per_group, rate_starts, rate_s, paused_at FROM procactors_queues ORDER BY name;

-- name: count_alive
SELECT name, status, count(*) FROM procactors_processes
WHERE status <> ALL ('{finished,failed,timed_out,cancelled}') GROUP BY name, status;

-- name: oldest_due
SELECT name, min(due_at) FROM procactors_processes
WHERE due_at <= $1::DOUBLE PRECISION AND status <> 'blocked' GROUP BY name;

-- name: count_owned
SELECT count(*) FROM procactors_processes
WHERE owner IN (SELECT id FROM procactors_managers) AND ($1::TEXT IS NULL OR name = $1::TEXT);

-- name: running
SELECT owner, in_hand, pid, name, status FROM (
    SELECT id, owner, pid, name, status, count(*) OVER (PARTITION BY owner) AS in_hand,
        row_number() OVER (PARTITION BY owner ORDER BY id) AS number
    FROM procactors_processes WHERE owner IS NOT NULL
) AS owned WHERE number <= $1::BIGINT ORDER BY owner, id;

-- name: pauses
SELECT name, paused_at FROM procactors_queues WHERE paused_at IS NOT NULL;

-- name: pause
INSERT INTO procactors_queues AS q (name, paused_at) VALUES ($1::TEXT, $2::DOUBLE PRECISION)
ON CONFLICT (name) DO UPDATE SET paused_at = coalesce(q.paused_at, excluded.paused_at);

-- name: resume
UPDATE procactors_queues SET paused_at = NULL WHERE name = $1::TEXT;

-- name: counting
SELECT p.id, p.name, p.parent IS NOT NULL, (
    SELECT e.body::json ->> 'at' FROM procactors_events e
    WHERE e.process = p.id ORDER BY e.seq DESC LIMIT 1)
FROM procactors_processes p
WHERE p.expires_at IS NOT NULL AND p.status IN ('queued', 'sleeping')
  AND (p.name = $1::TEXT OR ($1::TEXT = '' AND p.parent IS NULL));

-- name: expired
SELECT id FROM procactors_processes p WHERE expires_at <= $1::DOUBLE PRECISION
      AND (status = 'interrupted' OR NOT EXISTS (
          SELECT 1 FROM procactors_queues q WHERE q.paused_at IS NOT NULL
          AND (q.name = p.name OR (q.name = '' AND p.parent IS NULL))))
ORDER BY expires_at LIMIT $2::BIGINT FOR UPDATE OF p SKIP LOCKED;

-- name: next_moments
SELECT
    (SELECT min(due_at) FROM procactors_processes WHERE due_at > $1::DOUBLE PRECISION),
    (SELECT expires_at FROM procactors_processes p WHERE expires_at IS NOT NULL
      AND (status = 'interrupted' OR NOT EXISTS (
          SELECT 1 FROM procactors_queues q WHERE q.paused_at IS NOT NULL
          AND (q.name = p.name OR (q.name = '' AND p.parent IS NULL))))
    ORDER BY expires_at LIMIT 1);

-- name: stranded
SELECT id FROM procactors_processes
WHERE due_at <= $1::DOUBLE PRECISION AND status <> 'blocked' AND call = ANY ($2::TEXT[])
LIMIT $3::BIGINT FOR UPDATE SKIP LOCKED;

-- name: owned_by
SELECT id FROM procactors_processes WHERE owner = $1::BIGINT ORDER BY id LIMIT $2::BIGINT FOR UPDATE;

-- name: records
SELECT
    p.id, p.pid, p.name, p.key, p.tags, p.priority, pp.pid, p.depth, p.owner, m.name, p.epoch,
    p.created_at, p.state, p.progress, q.body,
    CASE WHEN coalesce(procactors_number(p.state, 'data_seq'), 1) = 1 THEN NULL ELSE (
        SELECT d.body FROM procactors_events d
        WHERE d.process = p.id AND d.seq = procactors_number(p.state, 'data_seq')) END,
    (SELECT x.body FROM procactors_events x
        WHERE x.process = p.id AND x.seq = procactors_number(p.state, 'error_seq')),
    (SELECT i.body FROM procactors_events i
        WHERE i.process = p.id AND i.seq = procactors_number(p.state, 'interrupt_seq')),
    (SELECT c.body::json ->> 'reason' FROM procactors_commands c
        WHERE c.process = p.id AND c.kind = 'cancel' AND c.outcome IS NULL ORDER BY c.id LIMIT 1)
FROM procactors_processes p
LEFT JOIN procactors_events q ON q.process = p.id AND q.seq = 1
LEFT JOIN procactors_processes pp ON pp.id = p.parent
LEFT JOIN procactors_managers m ON m.id = p.owner

-- name: records_by_id (ends records)
WHERE p.id = ANY ($1::BIGINT[]);

-- name: records_by_pid (ends records)
WHERE p.pid = $1::TEXT;

-- name: records_due (ends records)
-- The free processes that may be taken up, best first, passing over steps that can't be resolved.
WHERE p.id IN (
    SELECT id FROM procactors_processes
    WHERE due_at <= $1::DOUBLE PRECISION AND queue IS NULL AND (call IS NULL OR call <> ALL ($2::TEXT[]))
    ORDER BY rank, id LIMIT $3::BIGINT FOR UPDATE SKIP LOCKED
) ORDER BY p.rank, p.id;

-- name: records_listed (ends records)
WHERE p.id IN (
    SELECT id FROM procactors_processes WHERE id < $1::BIGINT ORDER BY id DESC LIMIT $2::BIGINT
) ORDER BY p.id DESC;

-- name: records_of_statuses (ends records)
-- Ranges of rows keep the planner to the index that is meant: by "=" and ORDER BY id it takes that of all ids.
WHERE p.id IN (
    SELECT found.id FROM unnest($1::TEXT[]) AS s (status), LATERAL (
        SELECT one.id FROM procactors_processes one
        WHERE one.status >= s.status AND (one.status, one.id) < (s.status, $2::BIGINT)
        ORDER BY one.status DESC, one.id DESC LIMIT $3::BIGINT
    ) AS found
    ORDER BY found.id DESC LIMIT $3::BIGINT
) ORDER BY p.id DESC;

-- name: records_of_names (ends records)
WHERE p.id IN (
    SELECT found.id FROM unnest($1::TEXT[]) AS n (name), unnest($2::TEXT[]) AS s (status), LATERAL (
        SELECT one.id FROM procactors_processes one
        WHERE (one.name, one.status) >= (n.name, s.status)
          AND (one.name, one.status, one.id) < (n.name, s.status, $3::BIGINT)
        ORDER BY one.name DESC, one.status DESC, one.id DESC LIMIT $4::BIGINT
    ) AS found
    ORDER BY found.id DESC LIMIT $4::BIGINT
) ORDER BY p.id DESC;

-- name: records_of_parent (ends records)
WHERE p.id IN (
    SELECT id FROM procactors_processes
    WHERE parent = (SELECT id FROM procactors_processes WHERE pid = $1::TEXT) AND id < $4::BIGINT
      AND ($2::TEXT[] IS NULL OR status = ANY ($2::TEXT[])) AND ($3::TEXT IS NULL OR name = $3::TEXT)
    ORDER BY id DESC LIMIT $5::BIGINT
) ORDER BY p.id DESC;

-- name: records_found (ends records)
WHERE p.id IN (
    SELECT id FROM (
        SELECT found.id
        FROM unnest($1::TEXT[]) AS n (name), unnest(coalesce($2::TEXT[], $3::TEXT[])) AS s (status), LATERAL (
            SELECT one.id FROM procactors_processes one
            WHERE (one.name, one.status) >= (n.name, s.status)
              AND (one.name, one.status, one.id) < (n.name, s.status, $10::BIGINT)
            ORDER BY one.name DESC, one.status DESC, one.id DESC LIMIT $11::BIGINT
        ) AS found
        UNION (
            SELECT process FROM procactors_tags
            WHERE tag = $9::TEXT AND process < $10::BIGINT
              AND ($2::TEXT[] IS NULL OR process IN (
                  SELECT id FROM procactors_processes WHERE status = ANY ($2::TEXT[])))
              AND ($4::TEXT IS NULL OR process IN (SELECT id FROM procactors_processes WHERE name = $4::TEXT))
            ORDER BY process DESC LIMIT $11::BIGINT)
        UNION (
            SELECT one.id FROM (
                SELECT id FROM procactors_processes WHERE pid >= $5::TEXT AND pid < $6::TEXT
                UNION ALL
                SELECT id FROM procactors_processes
                WHERE key COLLATE "C" >= $7::TEXT AND key COLLATE "C" < $8::TEXT
            ) AS one
            WHERE one.id < $10::BIGINT
              AND ($2::TEXT[] IS NULL OR one.id IN (
                  SELECT id FROM procactors_processes WHERE status = ANY ($2::TEXT[])))
              AND ($4::TEXT IS NULL OR one.id IN (SELECT id FROM procactors_processes WHERE name = $4::TEXT))
            ORDER BY one.id DESC LIMIT $11::BIGINT)
    ) AS either ORDER BY id DESC LIMIT $11::BIGINT
) ORDER BY p.id DESC;

-- name: place_of
SELECT coalesce(
    (SELECT id FROM procactors_processes WHERE pid = $1::TEXT),
    (SELECT max(id) + 1 FROM (
        SELECT id FROM procactors_processes WHERE pid < $1::TEXT ORDER BY pid DESC LIMIT 100) AS older), 0);

-- name: names
WITH RECURSIVE names (name) AS (
    SELECT min(name) FROM procactors_processes
    UNION ALL
    SELECT (SELECT min(p.name) FROM procactors_processes p WHERE p.name > names.name)
    FROM names WHERE names.name IS NOT NULL
)
SELECT name FROM names WHERE name IS NOT NULL;

-- name: history
SELECT e.position, e.seq, e.body, x.body FROM procactors_events e
LEFT JOIN procactors_events x ON x.process = e.process AND x.seq = e.payload_seq
WHERE e.process = (SELECT id FROM procactors_processes WHERE pid = $1::TEXT) AND e.seq > $2::BIGINT
ORDER BY e.seq LIMIT $3::BIGINT;

-- name: events_after
SELECT e.position, e.seq, e.body, x.body, p.pid FROM procactors_events e
JOIN procactors_processes p ON p.id = e.process
LEFT JOIN procactors_events x ON x.process = e.process AND x.seq = e.payload_seq
WHERE e.position > $1::BIGINT ORDER BY e.position LIMIT $2::BIGINT;

-- name: deferred_failures
SELECT e.position, e.seq, e.body, p.pid FROM procactors_events e JOIN procactors_processes p ON p.id = e.process
WHERE starts_with(e.body, '{"type":"DeferredUpdateFailed"') ORDER BY e.position DESC LIMIT $1::BIGINT;

-- name: progress
SELECT p.pid, procactors_number(p.state, 'seq'), p.progress FROM procactors_processes p
WHERE p.owner IS NOT NULL AND p.progress IS NOT NULL AND procactors_number(p.state, 'seq') IS NOT NULL;

-- name: last_position
-- Of what is committed: the sequence is ahead of that.
SELECT greatest(
    (SELECT max(position) FROM procactors_events),
    (SELECT value FROM procactors_marks WHERE name = 'position_gone'), 0);

-- name: position_gone
SELECT coalesce((SELECT value FROM procactors_marks WHERE name = 'position_gone'), 0);

-- name: ended_before
SELECT id FROM (
    (
        SELECT p.id FROM procactors_processes p
        WHERE p.ended_at <= $1::DOUBLE PRECISION AND p.keep_s IS NULL AND p.parent IS NULL
          AND NOT EXISTS (
              SELECT 1 FROM procactors_processes c
              WHERE c.parent = p.id AND c.parent IS NOT NULL AND c.ended_at IS NULL)
        ORDER BY p.ended_at LIMIT $3::BIGINT
    ) UNION ALL (
        SELECT p.id FROM procactors_processes p
        WHERE p.ended_at IS NOT NULL AND p.keep_s IS NOT NULL AND p.ended_at + p.keep_s <= $2::DOUBLE PRECISION
          AND p.parent IS NULL
          AND NOT EXISTS (
              SELECT 1 FROM procactors_processes c
              WHERE c.parent = p.id AND c.parent IS NOT NULL AND c.ended_at IS NULL)
        LIMIT $3::BIGINT
    )
) found LIMIT $3::BIGINT;

-- name: next_purge
SELECT
    (SELECT min(ended_at) FROM procactors_processes
        WHERE ended_at IS NOT NULL AND keep_s IS NULL AND parent IS NULL),
    (SELECT min(ended_at + keep_s) FROM procactors_processes
        WHERE ended_at IS NOT NULL AND keep_s IS NOT NULL AND parent IS NULL);

-- name: give_up_children
UPDATE procactors_processes SET parent = NULL, keep_s = 0 WHERE parent = ANY ($1::BIGINT[]);

-- name: note_position_gone
INSERT INTO procactors_marks (name, value)
SELECT 'position_gone', max(position) FROM procactors_events
WHERE process = ANY ($1::BIGINT[]) HAVING max(position) IS NOT NULL
ON CONFLICT (name) DO UPDATE SET value = greatest(procactors_marks.value, excluded.value);

-- name: delete_processes
DELETE FROM procactors_processes WHERE id = ANY ($1::BIGINT[]);

-- name: count_by_status
SELECT status, count(*) FROM procactors_processes GROUP BY status;

-- name: register_manager
INSERT INTO procactors_managers (
    name, kind, host, boot_id, pid_namespace, os_pid, os_started, registered_at, lease_until
) VALUES (
    $1::TEXT, $2::TEXT, $3::TEXT, $4::TEXT, $5::TEXT, $6::BIGINT, $7::TEXT,
    $8::DOUBLE PRECISION, $9::DOUBLE PRECISION
) RETURNING id;

-- name: register_again
INSERT INTO procactors_managers (
    id, name, kind, host, boot_id, pid_namespace, os_pid, os_started, registered_at, lease_until
) VALUES (
    $1::BIGINT, $2::TEXT, $3::TEXT, $4::TEXT, $5::TEXT, $6::TEXT, $7::BIGINT, $8::TEXT,
    $9::DOUBLE PRECISION, $10::DOUBLE PRECISION
) ON CONFLICT (id) DO NOTHING;

-- name: renew_lease
UPDATE procactors_managers SET lease_until = $1::DOUBLE PRECISION WHERE id = $2::BIGINT RETURNING id;

-- name: managers
SELECT id, name, kind, host, boot_id, pid_namespace, os_pid, os_started, registered_at, lease_until
FROM procactors_managers ORDER BY id;

-- name: is_member
-- Whether a manager is known, and not taken for dead.
SELECT 1 FROM procactors_managers WHERE id = $1::BIGINT;

-- name: unregister_managers
DELETE FROM procactors_managers WHERE id = ANY ($1::BIGINT[]);

-- name: orphans
SELECT id FROM procactors_processes WHERE owner IS NOT NULL
AND owner NOT IN (SELECT id FROM procactors_managers) LIMIT $1::BIGINT FOR UPDATE SKIP LOCKED;

-- name: relatives
SELECT unique_key, pid, status FROM procactors_processes
WHERE parent = $1::BIGINT AND starts_with(unique_key, $2::TEXT);

-- name: bereaved
SELECT c.pid FROM procactors_processes c JOIN procactors_processes p ON p.id = c.parent
WHERE c.parent IS NOT NULL AND c.ended_at IS NULL AND p.ended_at IS NOT NULL
  AND NOT EXISTS (SELECT 1 FROM procactors_commands m WHERE m.process = c.id AND m.kind = 'cancel')
LIMIT $1::BIGINT;

-- name: plugin
SELECT last_run, runner, runner IN (SELECT id FROM procactors_managers)
FROM procactors_plugins WHERE key = $1::TEXT;

-- name: begin_plugin
INSERT INTO procactors_plugins (key, began_at, runner)
VALUES ($1::TEXT, $2::DOUBLE PRECISION, $3::BIGINT)
ON CONFLICT (key) DO UPDATE SET began_at = excluded.began_at, runner = excluded.runner;

-- name: end_plugin
UPDATE procactors_plugins SET last_run = began_at, began_at = NULL, runner = NULL
WHERE key = $1::TEXT AND runner = $2::BIGINT;
