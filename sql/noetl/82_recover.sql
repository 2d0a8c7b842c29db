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

CREATE FUNCTION noetl.fork(execution_id bigint, from_step text, parameters jsonb DEFAULT NULL,
                           version integer DEFAULT NULL, visit integer DEFAULT NULL) RETURNS bigint
    AS 'MODULE_PATHNAME', 'noetl_fork'
    LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION noetl.fork(bigint, text, jsonb, integer, integer) IS
    'starts an execution from the middle of another, whatever its status: at a run of a step, of the newest visit unless one is given, with the values of the steps that had completed before; parameters are laid over the workload; of the same version unless one is given; returns the execution_id';

CREATE FUNCTION noetl.migrate(execution_id bigint, version integer DEFAULT NULL, step_map jsonb DEFAULT '{}',
                              dry_run boolean DEFAULT true)
    RETURNS TABLE (severity text, step text, message text)
    AS 'MODULE_PATHNAME', 'noetl_migrate'
    LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION noetl.migrate(bigint, integer, jsonb, boolean) IS
    'has a running execution go on with another version of its playbook, the newest unless one is given, in which each of its live steps has a place: the step that step_map names, else that of the same name; returns what is different. dry_run, or a row of severity error: nothing is changed';

CREATE FUNCTION noetl.redrive_all(path text DEFAULT NULL, error_like text DEFAULT NULL, since timestamptz DEFAULT NULL,
                                  labels jsonb DEFAULT NULL, max integer DEFAULT 1000, dry_run boolean DEFAULT true)
    RETURNS SETOF bigint
    AS 'MODULE_PATHNAME', 'noetl_redrive_all'
    LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION noetl.redrive_all(text, text, timestamptz, jsonb, integer, boolean) IS
    'sets executions going again that have failed: topmost ones, or all of a path; whose error is LIKE a pattern, that ended since a time, that have labels; returns their ids. dry_run: only returns them';

CREATE FUNCTION noetl.retry_all(path text DEFAULT NULL, error_like text DEFAULT NULL, since timestamptz DEFAULT NULL,
                                labels jsonb DEFAULT NULL, max integer DEFAULT 1000, dry_run boolean DEFAULT true)
    RETURNS SETOF bigint
    AS 'MODULE_PATHNAME', 'noetl_retry_all'
    LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION noetl.retry_all(text, text, timestamptz, jsonb, integer, boolean) IS
    'gives held steps new attempts in running executions: topmost ones, or all of a path; held with an error LIKE a pattern, since a time; that have labels; returns their ids. dry_run: only returns them';

CREATE FUNCTION noetl.cancel_all(path text DEFAULT NULL, error_like text DEFAULT NULL, since timestamptz DEFAULT NULL,
                                 labels jsonb DEFAULT NULL, max integer DEFAULT 1000, dry_run boolean DEFAULT true)
    RETURNS SETOF bigint
    AS 'MODULE_PATHNAME', 'noetl_cancel_all'
    LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION noetl.cancel_all(text, text, timestamptz, jsonb, integer, boolean) IS
    'cancels running and scheduled executions: topmost ones, or all of a path; started since a time (or, with error_like, that have a step held since then with such an error); that have labels; returns their ids. dry_run: only returns them';

REVOKE ALL ON FUNCTION noetl.retry(bigint, text, jsonb, text), noetl.skip(bigint, text, jsonb, text),
    noetl.redrive(bigint, jsonb, text),
    noetl.fork(bigint, text, jsonb, integer, integer), noetl.migrate(bigint, integer, jsonb, boolean),
    noetl.redrive_all(text, text, timestamptz, jsonb, integer, boolean),
    noetl.retry_all(text, text, timestamptz, jsonb, integer, boolean),
    noetl.cancel_all(text, text, timestamptz, jsonb, integer, boolean) FROM PUBLIC;
