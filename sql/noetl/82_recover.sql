-- ---------------------------------------------------------------------------
-- After a failure (src/broker/recover.c, src/replay/redrive.c, src/api/recover.c)
-- ---------------------------------------------------------------------------

CREATE FUNCTION noetl.retry(execution_id bigint, step text DEFAULT NULL, input jsonb DEFAULT NULL,
                            reason text DEFAULT NULL) RETURNS integer
    AS 'MODULE_PATHNAME', 'noetl_retry'
    LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION noetl.retry(bigint, text, jsonb, text) IS
    'gives held steps of an execution new attempts, all or those of one step; an input is laid over theirs, and iterators and child executions then begin anew; returns how many steps there were';

CREATE FUNCTION noetl.skip(execution_id bigint, step text, value jsonb DEFAULT NULL, reason text DEFAULT NULL)
    RETURNS void
    AS 'MODULE_PATHNAME', 'noetl_skip'
    LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION noetl.skip(bigint, text, jsonb, text) IS
    'completes a step that is held, waits at a join, is queued or waits for its next attempt with a value, as if it had been done';

CREATE FUNCTION noetl.redrive(execution_id bigint, input jsonb DEFAULT NULL, reason text DEFAULT NULL)
    RETURNS integer
    AS 'MODULE_PATHNAME', 'noetl_redrive'
    LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION noetl.redrive(bigint, jsonb, text) IS
    'has an execution go on that failed or was cancelled, together with its parents and children that did: what was completed stays, other steps get new attempts; an input is laid over that of the steps that failed; returns how many steps go on, 0 when the execution is running';

REVOKE ALL ON FUNCTION noetl.retry(bigint, text, jsonb, text), noetl.skip(bigint, text, jsonb, text),
    noetl.redrive(bigint, jsonb, text) FROM PUBLIC;
