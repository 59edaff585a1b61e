-- Named queries. "-- name: x" begins one; the comment below it says what it is for.
-- ROWS(...) stands for one or more rows of that shape: see stores/_queries.py.

-- name: fence
-- How many of these processes are still at the epoch that a write was made under; is any command waiting?
WITH wanted (id, epoch) AS (VALUES ROWS(?, ?))
SELECT
    (SELECT count(*) FROM wanted w JOIN procactors_processes p ON p.id = w.id AND p.epoch = w.epoch),
    EXISTS (SELECT 1 FROM procactors_commands WHERE outcome IS NULL);

-- name: epochs
-- The epochs of these processes now.
SELECT id, epoch FROM procactors_processes WHERE id IN (SELECT value FROM json_each(?));

-- name: pending_commands
-- What others want of these processes.
SELECT process, id, kind, body FROM procactors_commands
WHERE outcome IS NULL AND process IN (SELECT value FROM json_each(?)) ORDER BY id;

-- name: commands_for_owner
-- What others want of the processes that this manager owns, or that nobody does.
SELECT c.id, p.id, p.pid, p.owner, c.kind, c.body
FROM procactors_commands c JOIN procactors_processes p ON p.id = c.process
WHERE c.outcome IS NULL AND (p.owner = ? OR p.owner IS NULL) ORDER BY c.id LIMIT 1000;

-- name: insert_command
INSERT INTO procactors_commands (process, kind, body, created_at) VALUES (?, ?, ?, ?);

-- name: answer_command
UPDATE procactors_commands SET outcome = ? WHERE id = ?;

-- name: command_outcome
SELECT outcome FROM procactors_commands WHERE id = ?;

-- name: delete_commands
DELETE FROM procactors_commands WHERE id IN (SELECT value FROM json_each(?));

-- name: delete_cancels
-- The cancels of processes that have come to their end in another way than by obeying them.
DELETE FROM procactors_commands WHERE kind = 'cancel' AND process IN (SELECT value FROM json_each(?));

-- name: insert_events
INSERT INTO procactors_events (process, seq, payload_seq, body) VALUES ROWS(?, ?, ?, CAST(? AS TEXT));

-- name: update_processes
-- The snapshot after new events. The first column is the process, the rest is what changes. Who waits behind
-- another's end is not to be taken up, whatever happens to it.
WITH new (id, status, owner, epoch, due_at, expires_at, rank, call, ended_at, state) AS (
    VALUES ROWS(?, ?, ?, ?, ?, ?, ?, ?, ?, CAST(? AS TEXT))
)
UPDATE procactors_processes SET
    status = new.status, owner = new.owner, epoch = new.epoch,
    due_at = CASE WHEN behind IS NULL THEN new.due_at END,
    rank = CASE WHEN behind IS NULL THEN new.rank END,
    expires_at = new.expires_at, call = new.call, ended_at = new.ended_at, state = new.state, progress = NULL
FROM new WHERE procactors_processes.id = new.id;

-- name: insert_processes
INSERT INTO procactors_processes (
    pid, name, key, unique_key, key_scope, tags, priority, parent, depth, behind, queue, in_group, keep_s,
    status, owner, epoch, due_at, expires_at, rank, call, created_at, ended_at, state
) VALUES ROWS(?, ?, ?, ?, ?, CAST(? AS TEXT), ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, CAST(? AS TEXT));

-- name: insert_tags
INSERT OR IGNORE INTO procactors_tags (tag, process) VALUES ROWS(?, ?);

-- name: save_progress
UPDATE procactors_processes SET progress = CAST(? AS TEXT)
WHERE id = ? AND epoch = ? AND json_extract(state, '$.seq') = ? RETURNING id;

-- name: key_holder
SELECT pid FROM procactors_processes WHERE unique_key = ?;

-- name: give_up_key
UPDATE procactors_processes SET unique_key = NULL WHERE pid = ?;

-- name: take_key
UPDATE procactors_processes SET unique_key = ? WHERE pid = ?;

-- name: give_up_active_keys
-- A key of scope "active" is free again when its process has ended.
UPDATE procactors_processes SET unique_key = NULL
WHERE id IN (SELECT value FROM json_each(?)) AND key_scope = 'active';

-- name: hand_key_back
-- Whose end was waited for by one that has ended itself holds the key again, until its own end.
UPDATE procactors_processes SET unique_key = key, key_scope = 'active'
WHERE id = (SELECT b.behind FROM procactors_processes b WHERE b.id = ? AND b.key_scope = 'active')
  AND ended_at IS NULL
  AND NOT EXISTS (SELECT 1 FROM procactors_processes h WHERE h.unique_key = procactors_processes.key);

-- name: release_those_behind
-- Let start what was queued behind processes that have ended, unless it has ended itself meanwhile.
UPDATE procactors_processes SET
    due_at = CASE WHEN ended_at IS NULL THEN max(?1, coalesce(json_extract(state, '$.due_at'), 0)) END,
    rank = CASE WHEN ended_at IS NULL
        THEN max(?1, coalesce(json_extract(state, '$.due_at'), 0)) - priority * ?2 END,
    behind = NULL
WHERE behind IN (SELECT value FROM json_each(?3)) AND json_valid(state) RETURNING id;

-- name: behind
-- The process whose end this one waits for.
SELECT behind FROM procactors_processes WHERE id = ?;

-- name: due
-- The free processes without limits that may be taken up, best first: passing over steps that can't be resolved.
SELECT id, rank FROM procactors_processes
WHERE due_at <= ? AND queue IS NULL AND (call IS NULL OR call NOT IN (SELECT value FROM json_each(?)))
ORDER BY rank, id LIMIT ?;

-- name: due_of_names
-- Those of some names: what others have waiting, as they are paused, is not looked at.
SELECT found.value, (SELECT p.rank FROM procactors_processes p WHERE p.id = found.value) AS its_rank
FROM json_each(?3) n, json_each((
    SELECT json_group_array(id) FROM (
        SELECT id FROM procactors_processes
        WHERE name = n.value AND due_at <= ?1 AND queue IS NULL
          AND (call IS NULL OR call NOT IN (SELECT value FROM json_each(?2)))
        ORDER BY rank, id LIMIT ?4
    ))) found
ORDER BY its_rank, found.value LIMIT ?4;

-- name: due_children
-- Those that processes under way have started, but for some names.
SELECT id, rank FROM procactors_processes
WHERE due_at <= ? AND queue IS NULL AND parent IS NOT NULL
  AND (call IS NULL OR call NOT IN (SELECT value FROM json_each(?)))
  AND name NOT IN (SELECT value FROM json_each(?))
ORDER BY rank, id LIMIT ?;

-- name: due_in_queue
-- The same of one queue with limits, passing over groups that are full, and what is taken already.
SELECT id, rank, in_group FROM procactors_processes p
WHERE due_at <= ?1 AND queue = ?2 AND (call IS NULL OR call NOT IN (SELECT value FROM json_each(?3)))
  AND (?4 = 0 OR parent IS NOT NULL)
  AND (in_group IS NULL OR in_group NOT IN (SELECT value FROM json_each(?5)))
  AND id NOT IN (SELECT value FROM json_each(?6))
ORDER BY rank, id LIMIT ?7;

-- name: gates
-- Queues that are paused, or that have limits and something that is due.
SELECT name, max_running, max_per_group, rate_starts, rate_s, paused_at FROM procactors_queues q
WHERE paused_at IS NOT NULL OR EXISTS (
    SELECT 1 FROM procactors_processes p WHERE p.queue = q.name AND p.due_at <= ?);

-- name: gate_of
-- The limits that a process is under, and its group.
SELECT q.name, q.max_running, q.max_per_group, q.rate_starts, q.rate_s, q.paused_at, p.in_group
FROM procactors_processes p JOIN procactors_queues q ON q.name = p.queue WHERE p.id = ?;

-- name: busy
-- How many of a queue run, by group; who waits for children counts if it has, or only wants, its place back. Whose
-- manager is gone, and that nobody could take over, does not run.
SELECT in_group, count(*) FROM procactors_processes
WHERE queue = ? AND owner IN (SELECT id FROM procactors_managers) AND (status <> 'waiting' OR place >= ?) GROUP BY in_group;

-- name: starts_since
SELECT count(*) FROM procactors_starts WHERE queue = ? AND at > ?;

-- name: start_before
-- When the process began that has so many after it.
SELECT at FROM procactors_starts WHERE queue = ? ORDER BY at DESC LIMIT 1 OFFSET ?;

-- name: note_starts
INSERT INTO procactors_starts (queue, at) VALUES ROWS(?, ?);

-- name: forget_starts
DELETE FROM procactors_starts WHERE queue = ? AND at <= ?;

-- name: forget_queues
-- Those that hold nothing back any more: not paused, and without limits, or with limits of nobody.
DELETE FROM procactors_queues WHERE paused_at IS NULL AND (
    coalesce(max_running, max_per_group, rate_starts) IS NULL
    OR (NOT EXISTS (SELECT 1 FROM procactors_processes p WHERE p.name = procactors_queues.name)
        AND NOT EXISTS (SELECT 1 FROM procactors_starts s
            WHERE s.queue = procactors_queues.name AND s.at > ? - procactors_queues.rate_s)));

-- name: forget_starts_of_nobody
DELETE FROM procactors_starts WHERE queue NOT IN (
    SELECT name FROM procactors_queues WHERE rate_starts IS NOT NULL);

-- name: note_limits
-- The limits of who is started last hold for all of a name.
INSERT INTO procactors_queues (name, max_running, max_per_group, rate_starts, rate_s)
SELECT ?1, ?2, ?3, ?4, ?5 WHERE NOT EXISTS (
    SELECT 1 FROM procactors_queues WHERE name = ?1 AND max_running IS ?2 AND max_per_group IS ?3
    AND rate_starts IS ?4 AND rate_s IS ?5)
ON CONFLICT (name) DO UPDATE SET max_running = excluded.max_running, max_per_group = excluded.max_per_group,
    rate_starts = excluded.rate_starts, rate_s = excluded.rate_s;

-- name: set_place
UPDATE procactors_processes SET place = ? WHERE id = ?;

-- name: queues
SELECT name, max_running, max_per_group, rate_starts, rate_s, paused_at FROM procactors_queues ORDER BY name;

-- name: count_alive
SELECT name, status, count(*) FROM procactors_processes
WHERE status NOT IN ('finished', 'failed', 'timed_out', 'cancelled') GROUP BY name, status;

-- name: oldest_due
-- Since when the one of each name waits for a slot that has waited longest.
SELECT name, min(due_at) FROM procactors_processes
WHERE due_at <= ? AND id NOT IN (SELECT id FROM procactors_processes WHERE status = 'blocked') GROUP BY +name;

-- name: count_owned
-- How many processes of a name (NULL: of all) some manager runs.
SELECT count(*) FROM procactors_processes
WHERE owner IN (SELECT id FROM procactors_managers) AND (?1 IS NULL OR name = ?1);

-- name: running
-- What each owner has in hand: how many in all, and the oldest few.
SELECT owner, in_hand, pid, name, status FROM (
    SELECT id, owner, pid, name, status, count(*) OVER (PARTITION BY owner) AS in_hand,
        row_number() OVER (PARTITION BY owner ORDER BY id) AS number
    FROM procactors_processes WHERE owner IS NOT NULL
) AS owned WHERE number <= ?1 ORDER BY owner, id;

-- name: pauses
SELECT name, paused_at FROM procactors_queues WHERE paused_at IS NOT NULL;

-- name: pause
INSERT INTO procactors_queues (name, paused_at) VALUES (?, ?)
ON CONFLICT (name) DO UPDATE SET paused_at = coalesce(paused_at, excluded.paused_at);

-- name: resume
UPDATE procactors_queues SET paused_at = NULL WHERE name = ?;

-- name: counting
-- Free processes of a paused queue whose time counts, and when each became what it is.
SELECT p.id, p.name, p.parent IS NOT NULL, (
    SELECT json_extract(e.body, '$.at') FROM procactors_events e
    WHERE e.process = p.id ORDER BY e.seq DESC LIMIT 1)
FROM procactors_processes p
WHERE p.expires_at IS NOT NULL AND p.status IN ('queued', 'sleeping')
  AND (p.name = ?1 OR (?1 = '' AND p.parent IS NULL));

-- name: expired
-- The free processes whose time is over, and does not stand still as their queue is paused.
SELECT id FROM procactors_processes p WHERE expires_at <= ?
      AND (status = 'interrupted' OR NOT EXISTS (
          SELECT 1 FROM procactors_queues q WHERE q.paused_at IS NOT NULL
          AND (q.name = p.name OR (q.name = '' AND p.parent IS NULL))))
ORDER BY expires_at LIMIT ?;

-- name: next_moments
-- When something becomes due, and when something expires.
SELECT
    (SELECT min(due_at) FROM procactors_processes WHERE due_at > ?),
    (SELECT expires_at FROM procactors_processes p WHERE expires_at IS NOT NULL
      AND (status = 'interrupted' OR NOT EXISTS (
          SELECT 1 FROM procactors_queues q WHERE q.paused_at IS NOT NULL
          AND (q.name = p.name OR (q.name = '' AND p.parent IS NULL))))
    ORDER BY expires_at LIMIT 1);

-- name: stranded
-- Processes that have been due for long, and whose next step is among those that can't be resolved here.
SELECT id FROM procactors_processes
WHERE due_at <= ? AND status <> 'blocked' AND call IN (SELECT value FROM json_each(?)) LIMIT ?;

-- name: owned_by
SELECT id FROM procactors_processes WHERE owner = ? ORDER BY id LIMIT ?;

-- name: records
-- Processes with the events that hold their plan and their data. A state that is no JSON is one row's trouble.
SELECT
    p.id, p.pid, p.name, p.key, p.tags, p.priority, pp.pid, p.depth, p.owner, m.name, p.epoch,
    p.created_at, p.state, p.progress, q.body,
    CASE WHEN coalesce(json_extract(p.json, '$.data_seq'), 1) = 1 THEN NULL ELSE (
        SELECT d.body FROM procactors_events d
        WHERE d.process = p.id AND d.seq = json_extract(p.json, '$.data_seq')) END,
    (SELECT x.body FROM procactors_events x
        WHERE x.process = p.id AND x.seq = json_extract(p.json, '$.error_seq')),
    (SELECT i.body FROM procactors_events i
        WHERE i.process = p.id AND i.seq = json_extract(p.json, '$.interrupt_seq')),
    (SELECT CASE WHEN json_valid(c.body) THEN json_extract(c.body, '$.reason') ELSE '' END
        FROM procactors_commands c
        WHERE c.process = p.id AND c.kind = 'cancel' AND c.outcome IS NULL ORDER BY c.id LIMIT 1)
FROM (SELECT p.*, CASE WHEN json_valid(p.state) THEN p.state END AS json FROM procactors_processes p) p
LEFT JOIN procactors_events q ON q.process = p.id AND q.seq = 1
LEFT JOIN procactors_processes pp ON pp.id = p.parent
LEFT JOIN procactors_managers m ON m.id = p.owner

-- name: records_by_id (ends records)
WHERE p.id IN (SELECT value FROM json_each(?));

-- name: records_by_pid (ends records)
WHERE p.pid = ?;

-- name: records_due (ends records)
-- The free processes that may be taken up when no gate holds any back, best first.
WHERE p.id IN (
    SELECT id FROM procactors_processes
    WHERE due_at <= ? AND queue IS NULL AND (call IS NULL OR call NOT IN (SELECT value FROM json_each(?)))
    ORDER BY rank, id LIMIT ?
) ORDER BY p.rank, p.id;

-- name: records_listed (ends records)
-- The newest before a number.
WHERE p.id IN (SELECT id FROM procactors_processes WHERE id < ? ORDER BY id DESC LIMIT ?) ORDER BY p.id DESC;

-- name: records_of_statuses (ends records)
-- The newest of each status, and of those the newest: few steps in an index, however many there are.
WHERE p.id IN (
    SELECT found.value FROM json_each(?1) s, json_each((
        SELECT json_group_array(id) FROM (
            SELECT id FROM procactors_processes WHERE status = s.value AND id < ?2 ORDER BY id DESC LIMIT ?3
        ))) found
    ORDER BY found.value DESC LIMIT ?3
) ORDER BY p.id DESC;

-- name: records_of_names (ends records)
-- The same for each name and status.
WHERE p.id IN (
    SELECT found.value FROM json_each(?1) n, json_each(?2) s, json_each((
        SELECT json_group_array(id) FROM (
            SELECT id FROM procactors_processes
            WHERE name = n.value AND status = s.value AND id < ?3 ORDER BY id DESC LIMIT ?4
        ))) found
    ORDER BY found.value DESC LIMIT ?4
) ORDER BY p.id DESC;

-- name: records_of_parent (ends records)
-- The children of a process: of these statuses and names (NULL: of all).
WHERE p.id IN (
    SELECT id FROM procactors_processes
    WHERE parent = (SELECT id FROM procactors_processes WHERE pid = ?1) AND id < ?4
      AND (?2 IS NULL OR status IN (SELECT value FROM json_each(?2)))
      AND (?3 IS NULL OR name = ?3)
    ORDER BY id DESC LIMIT ?5
) ORDER BY p.id DESC;

-- name: records_found (ends records)
-- Those of some names and statuses; and those that have a tag, or whose pid or key begins as wanted, of these
-- statuses and of this name (NULL: of all). All that is looked at is in an index; "+" keeps the planner to it.
WHERE p.id IN (
    SELECT id FROM (
        SELECT found.value AS id FROM json_each(?1) n, json_each(coalesce(?2, ?3)) s, json_each((
            SELECT json_group_array(id) FROM (
                SELECT id FROM procactors_processes
                WHERE name = n.value AND status = s.value AND id < ?10 ORDER BY id DESC LIMIT ?11
            ))) found
        UNION SELECT process FROM (
            SELECT process FROM procactors_tags WHERE tag = ?9 AND process < ?10
              AND (?2 IS NULL OR process IN (
                  SELECT id FROM procactors_processes WHERE status IN (SELECT value FROM json_each(?2))))
              AND (?4 IS NULL OR process IN (SELECT id FROM procactors_processes WHERE name = ?4))
            ORDER BY process DESC LIMIT ?11)
        UNION SELECT id FROM (
            SELECT id FROM (
                SELECT id FROM procactors_processes WHERE pid >= ?5 AND pid < ?6
                UNION ALL SELECT id FROM procactors_processes WHERE key >= ?7 AND key < ?8
            ) WHERE +id < ?10
              AND (?2 IS NULL OR id IN (
                  SELECT id FROM procactors_processes WHERE status IN (SELECT value FROM json_each(?2))))
              AND (?4 IS NULL OR id IN (SELECT id FROM procactors_processes WHERE name = ?4))
            ORDER BY +id DESC LIMIT ?11)
    ) ORDER BY id DESC LIMIT ?11
) ORDER BY p.id DESC;

-- name: place_of
-- The number of a process; if it is gone, one above the numbers of those made before it.
SELECT coalesce(
    (SELECT id FROM procactors_processes WHERE pid = ?1),
    (SELECT max(id) + 1 FROM (
        SELECT id FROM procactors_processes WHERE pid < ?1 ORDER BY pid DESC LIMIT 100)), 0);

-- name: names
-- The names of all processes, from one to the next in an index.
WITH RECURSIVE names (name) AS (
    SELECT min(name) FROM procactors_processes
    UNION ALL
    SELECT (SELECT min(p.name) FROM procactors_processes p WHERE p.name > names.name)
    FROM names WHERE names.name IS NOT NULL
)
SELECT name FROM names WHERE name IS NOT NULL;

-- name: history
-- The events of one process after a seq.
SELECT e.position, e.seq, e.body, x.body FROM procactors_events e
LEFT JOIN procactors_events x ON x.process = e.process AND x.seq = e.payload_seq
WHERE e.process = (SELECT id FROM procactors_processes WHERE pid = ?) AND e.seq > ?
ORDER BY e.seq LIMIT ?;

-- name: events_after
-- The events of all processes after a position.
SELECT e.position, e.seq, e.body, x.body, p.pid FROM procactors_events e
JOIN procactors_processes p ON p.id = e.process
LEFT JOIN procactors_events x ON x.process = e.process AND x.seq = e.payload_seq
WHERE e.position > ? ORDER BY e.position LIMIT ?;

-- name: deferred_failures
-- The newest events of that kind; there is an index of them alone.
SELECT e.position, e.seq, e.body, p.pid FROM procactors_events e JOIN procactors_processes p ON p.id = e.process
WHERE e.body >= '{"type":"DeferredUpdateFailed"' AND e.body < '{"type":"DeferredUpdateFailed#'
ORDER BY e.position DESC LIMIT ?;

-- name: progress
-- What running processes said of their progress.
SELECT p.pid, json_extract(p.state, '$.seq'), p.progress FROM procactors_processes p
WHERE p.owner IS NOT NULL AND p.progress IS NOT NULL AND json_valid(p.state);

-- name: last_position
SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'procactors_events'), 0);

-- name: position_gone
-- The largest position that retention has deleted.
SELECT coalesce((SELECT value FROM procactors_marks WHERE name = 'position_gone'), 0);

-- name: ended_before
-- Those that ended then and have no time of their own, and those whose own time is over. Children go after
-- their parent, which may still look for them; and it waits until they have ended.
SELECT id FROM (
    SELECT id FROM (
        SELECT p.id FROM procactors_processes p
        WHERE p.ended_at <= ?1 AND p.keep_s IS NULL AND p.parent IS NULL
          AND NOT EXISTS (
              SELECT 1 FROM procactors_processes c
              WHERE c.parent = p.id AND c.parent IS NOT NULL AND c.ended_at IS NULL)
        ORDER BY p.ended_at LIMIT ?3)
    UNION ALL SELECT id FROM (
        SELECT p.id FROM procactors_processes p
        WHERE p.ended_at IS NOT NULL AND p.keep_s IS NOT NULL AND p.ended_at + p.keep_s <= ?2
          AND p.parent IS NULL
          AND NOT EXISTS (
              SELECT 1 FROM procactors_processes c
              WHERE c.parent = p.id AND c.parent IS NOT NULL AND c.ended_at IS NULL)
        LIMIT ?3)
) LIMIT ?3;

-- name: next_purge
-- When the oldest ended of those without a time of their own, and when the first of the others has been kept.
SELECT
    (SELECT min(ended_at) FROM procactors_processes
        WHERE ended_at IS NOT NULL AND keep_s IS NULL AND parent IS NULL),
    (SELECT min(ended_at + keep_s) FROM procactors_processes
        WHERE ended_at IS NOT NULL AND keep_s IS NOT NULL AND parent IS NULL);

-- name: give_up_children
-- What such processes have started goes next.
UPDATE procactors_processes SET parent = NULL, keep_s = 0
WHERE parent IN (SELECT value FROM json_each(?));

-- name: note_position_gone
INSERT INTO procactors_marks (name, value)
SELECT 'position_gone', max(position) FROM procactors_events
WHERE process IN (SELECT value FROM json_each(?)) HAVING max(position) IS NOT NULL
ON CONFLICT (name) DO UPDATE SET value = max(value, excluded.value);

-- name: delete_processes
DELETE FROM procactors_processes WHERE id IN (SELECT value FROM json_each(?));

-- name: count_by_status
SELECT status, count(*) FROM procactors_processes GROUP BY status;

-- name: register_manager
INSERT INTO procactors_managers (
    name, kind, host, boot_id, pid_namespace, os_pid, os_started, registered_at, lease_until
) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?);

-- name: renew_lease
UPDATE procactors_managers SET lease_until = ? WHERE id = ? RETURNING id;

-- name: register_again
-- A manager that was taken for dead shows that it is not.
INSERT OR IGNORE INTO procactors_managers (
    id, name, kind, host, boot_id, pid_namespace, os_pid, os_started, registered_at, lease_until
) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?);

-- name: managers
SELECT id, name, kind, host, boot_id, pid_namespace, os_pid, os_started, registered_at, lease_until
FROM procactors_managers ORDER BY id;

-- name: is_member
-- Whether a manager is known, and not taken for dead.
SELECT 1 FROM procactors_managers WHERE id = ?;

-- name: unregister_managers
DELETE FROM procactors_managers WHERE id IN (SELECT value FROM json_each(?));

-- name: orphans
-- Processes whose owner has no row any more.
SELECT id FROM procactors_processes WHERE owner IS NOT NULL
AND owner NOT IN (SELECT id FROM procactors_managers) LIMIT ?;

-- name: relatives
-- The children of a process whose identity begins so.
SELECT unique_key, pid, status FROM procactors_processes
WHERE parent = ?1 AND substr(unique_key, 1, length(?2)) = ?2;

-- name: bereaved
-- Processes that are alive although the process that started them is not, and whom nobody has cancelled yet.
SELECT c.pid FROM procactors_processes c JOIN procactors_processes p ON p.id = c.parent
WHERE c.parent IS NOT NULL AND c.ended_at IS NULL AND p.ended_at IS NOT NULL
  AND NOT EXISTS (SELECT 1 FROM procactors_commands m WHERE m.process = c.id AND m.kind = 'cancel')
LIMIT ?;

-- name: plugin
SELECT last_run, runner, runner IN (SELECT id FROM procactors_managers)
FROM procactors_plugins WHERE key = ?;

-- name: begin_plugin
INSERT INTO procactors_plugins (key, began_at, runner) VALUES (?, ?, ?)
ON CONFLICT (key) DO UPDATE SET began_at = excluded.began_at, runner = excluded.runner;

-- name: end_plugin
UPDATE procactors_plugins SET last_run = began_at, began_at = NULL, runner = NULL WHERE key = ? AND runner = ?;

-- name: note_own_file
-- Only of SQLite: the file was made by us, and has nothing of anybody else's.
INSERT OR IGNORE INTO procactors_marks (name, value) VALUES ('own_file', 1);

-- name: is_own_file
SELECT 1 FROM procactors_marks WHERE name = 'own_file';
