-- ---------------------------------------------------------------------------
-- Executions checked against their log (src/replay)
-- ---------------------------------------------------------------------------

CREATE FUNCTION noetl.verify(execution_id bigint)
    RETURNS TABLE (relation text, key text, expected jsonb, found jsonb)
    AS 'MODULE_PATHNAME', 'noetl_verify'
    LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE ROWS 1;
COMMENT ON FUNCTION noetl.verify(bigint) IS
    'decides an execution again from its event log and returns the differences: rows of execution, workload, run, item and queue that are not as the log says, and events that do not follow from those before; no rows when there are none';

CREATE FUNCTION noetl.rebuild(execution_id bigint) RETURNS bigint
    AS 'MODULE_PATHNAME', 'noetl_rebuild'
    LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION noetl.rebuild(bigint) IS
    'replaces the rows of an execution that are not as its event log says; returns how many there were';
