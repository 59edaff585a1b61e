-- A state that somebody's hand has spoilt is that row's trouble, and not that of each query which meets it.

CREATE FUNCTION procactors_number(state TEXT, field TEXT) RETURNS INTEGER
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
-- NULL if there is no such field, or if the text is no JSON.
BEGIN
    RETURN (state::json ->> field)::INTEGER;
EXCEPTION WHEN data_exception THEN
    RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION procactors_release_those_behind(
    ended BIGINT[], now DOUBLE PRECISION, ageing_s DOUBLE PRECISION
) RETURNS BIGINT LANGUAGE sql AS $$
    -- Let start what was queued behind processes that have ended, unless it has ended itself meanwhile.
    WITH released AS (
        UPDATE procactors_processes SET
            due_at = CASE WHEN ended_at IS NULL
                THEN greatest(now, (state::json ->> 'due_at')::DOUBLE PRECISION) END,
            rank = CASE WHEN ended_at IS NULL
                THEN greatest(now, (state::json ->> 'due_at')::DOUBLE PRECISION) - priority * ageing_s END,
            behind = NULL
        WHERE behind = ANY (ended) AND procactors_number(state, 'seq') IS NOT NULL RETURNING id
    ) SELECT count(*) FROM released
$$;
