-- ---------------------------------------------------------------------------
-- Queue (src/api/queue.c, src/api/wait.c)
-- ---------------------------------------------------------------------------

CREATE FUNCTION noetl.enqueue_next(execution_id bigint DEFAULT NULL) RETURNS bigint
    AS 'MODULE_PATHNAME', 'noetl_enqueue_next'
    LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION noetl.enqueue_next(bigint) IS
    'does what is due, of one execution or of all: decides on events stored while noetl.broker or the triggers were off, makes retries ready, takes back expired leases, ends what exceeds its timeout; returns the number of tasks that became ready';

CREATE FUNCTION noetl.lease(worker_id text, max_tasks integer DEFAULT 1, lease interval DEFAULT '60 s',
                            types text[] DEFAULT NULL) RETURNS SETOF noetl.queue
    AS 'MODULE_PATHNAME', 'noetl_lease'
    LANGUAGE C VOLATILE PARALLEL UNSAFE ROWS 1;
COMMENT ON FUNCTION noetl.lease(text, integer, interval, text[]) IS
    'leases up to max_tasks ready tasks of the given types (any by default), highest priority first; never waits for another worker';

CREATE FUNCTION noetl.reserve(worker_id text, max_tasks integer DEFAULT 1, lease interval DEFAULT '60 s',
                              types text[] DEFAULT NULL) RETURNS SETOF noetl.queue
    AS 'MODULE_PATHNAME', 'noetl_lease'
    LANGUAGE C VOLATILE PARALLEL UNSAFE ROWS 1;
COMMENT ON FUNCTION noetl.reserve(text, integer, interval, text[]) IS 'an alias of noetl.lease';

CREATE FUNCTION noetl.heartbeat(queue_id bigint, worker_id text, extend interval DEFAULT '60 s') RETURNS boolean
    AS 'MODULE_PATHNAME', 'noetl_heartbeat'
    LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION noetl.heartbeat(bigint, text, interval) IS
    'extends a lease, counted from now; returns false when the lease is lost or the execution was cancelled: the worker must stop';

CREATE FUNCTION noetl.release(queue_id bigint, worker_id text) RETURNS boolean
    AS 'MODULE_PATHNAME', 'noetl_release'
    LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION noetl.release(bigint, text) IS
    'gives a leased task back unfinished; the attempt does not count; returns false when the lease is lost';

CREATE FUNCTION noetl.complete(queue_id bigint, result jsonb, worker_id text) RETURNS boolean
    AS 'MODULE_PATHNAME', 'noetl_complete'
    LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION noetl.complete(bigint, jsonb, text) IS
    'stores the result of a leased task (action_completed) and decides what follows; returns false when the lease is lost';

CREATE FUNCTION noetl.fail(queue_id bigint, error text, worker_id text, result jsonb DEFAULT NULL) RETURNS boolean
    AS 'MODULE_PATHNAME', 'noetl_fail'
    LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION noetl.fail(bigint, text, text, jsonb) IS
    'stores that a leased task failed (action_error); its retry policy decides what follows; returns false when the lease is lost';

CREATE FUNCTION noetl.complete_and_lease(queue_id bigint, result jsonb, worker_id text,
                                         max_tasks integer DEFAULT 1, lease interval DEFAULT '60 s',
                                         types text[] DEFAULT NULL) RETURNS SETOF noetl.queue
    AS 'MODULE_PATHNAME', 'noetl_complete_and_lease'
    LANGUAGE C VOLATILE PARALLEL UNSAFE ROWS 1;
COMMENT ON FUNCTION noetl.complete_and_lease(bigint, jsonb, text, integer, interval, text[]) IS
    'does what noetl.complete and noetl.lease do, in one round trip and one commit; warns when the lease was lost';

CREATE PROCEDURE noetl.wait_for_work(timeout interval, types text[] DEFAULT NULL, INOUT due boolean DEFAULT NULL)
    AS 'MODULE_PATHNAME', 'noetl_wait_for_work'
    LANGUAGE C;
COMMENT ON PROCEDURE noetl.wait_for_work(interval, text[], boolean) IS
    'sleeps until a task of the given types may be ready (due is true) or the timeout is over; holds no snapshot while it sleeps, so it must be called outside of a transaction block';
