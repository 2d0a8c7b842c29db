\echo Use "CREATE EXTENSION noetl" to load this file. \quit

-- ---------------------------------------------------------------------------
-- Tables (store.c)
-- ---------------------------------------------------------------------------

-- Anybody may name the schema; what is in it is protected piece by piece.
GRANT USAGE ON SCHEMA noetl TO PUBLIC;

CREATE SEQUENCE noetl.id_seq AS integer MINVALUE 0 START 0 MAXVALUE 4095 CYCLE;

CREATE FUNCTION noetl.next_id() RETURNS bigint
    AS 'MODULE_PATHNAME', 'noetl_next_id'
    LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION noetl.next_id() IS
    'a new time-ordered id: milliseconds since 2024-01-01 UTC << 22 | noetl.node_id << 12 | sequence';

CREATE FUNCTION noetl.id_time(id bigint) RETURNS timestamptz
    AS 'MODULE_PATHNAME', 'noetl_id_time'
    LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION noetl.id_time(bigint) IS
    'when an execution_id or event_id was made (to the millisecond)';

CREATE TABLE noetl.execution (
    execution_id        bigint      PRIMARY KEY,
    catalog_id          bigint      NOT NULL,
    parent_execution_id bigint,
    parent_event_id     bigint,
    path                text        NOT NULL,
    version             integer     NOT NULL,
    status              text        NOT NULL
                        CHECK (status IN ('RUNNING', 'COMPLETED', 'FAILED', 'CANCELLED')),
    started_at          timestamptz NOT NULL,
    ended_at            timestamptz,
    result              jsonb,
    error               text,
    depth               integer     NOT NULL DEFAULT 0,
    current_index       integer,
    started_by          text        NOT NULL DEFAULT current_user,
    deadline            timestamptz
);
COMMENT ON TABLE noetl.execution IS
    'one row per execution: written at its start and at its end, never in between';
COMMENT ON COLUMN noetl.execution.parent_event_id IS
    'of a child: the step_started of the parent''s step';
COMMENT ON COLUMN noetl.execution.depth IS 'how many ancestors it has; noetl.max_depth bounds it';
COMMENT ON COLUMN noetl.execution.current_index IS 'of a child that an iterator started: its item';
COMMENT ON COLUMN noetl.execution.started_by IS 'the role that started it, or its topmost ancestor: saves inside the database act as it';
COMMENT ON COLUMN noetl.execution.deadline IS 'when the playbook''s timeout ends it';

CREATE INDEX execution_parent_idx ON noetl.execution (parent_execution_id)
    WHERE parent_execution_id IS NOT NULL;
CREATE INDEX execution_deadline_idx ON noetl.execution (deadline) WHERE deadline IS NOT NULL;

CREATE TABLE noetl.workload (
    execution_id bigint      PRIMARY KEY,
    created_at   timestamptz NOT NULL,
    data         jsonb       NOT NULL
);
COMMENT ON TABLE noetl.workload IS
    'the rendered workload of each execution: playbook defaults merged with the start parameters';

-- The log.  No foreign keys and few indexes: each costs every event.
CREATE TABLE noetl.event (
    execution_id        bigint      NOT NULL DEFAULT noetl.next_id(),
    event_id            bigint      NOT NULL,
    parent_event_id     bigint,
    parent_execution_id bigint,
    catalog_id          bigint,
    created_at          timestamptz NOT NULL,
    event_type          text        NOT NULL,
    node_id             text,
    node_name           text,
    node_type           text,
    status              text        NOT NULL,
    duration            double precision,
    context             jsonb,
    result              jsonb,
    meta                jsonb,
    error               text,
    current_index       integer,
    current_item        jsonb,
    worker_id           text,
    stack_trace         text,
    PRIMARY KEY (execution_id, event_id)
) PARTITION BY RANGE (execution_id);
COMMENT ON TABLE noetl.event IS
    'the event log, the source of truth: INSERT here drives executions. Give execution_id, event_type, node_name and what you have to say; the rest is filled in';
COMMENT ON COLUMN noetl.event.event_id IS
    'strictly increasing inside an execution; give your own to make a repeated INSERT harmless';
COMMENT ON COLUMN noetl.event.created_at IS
    'strictly increasing inside an execution (clock time, not transaction time)';
COMMENT ON COLUMN noetl.event.status IS
    'STARTED, RUNNING, PAUSED, PENDING, FAILED, COMPLETED or CANCELLED: the trigger sees to it, a CHECK would be parsed for every event';
COMMENT ON COLUMN noetl.event.meta IS
    'ignored: why an event had no effect; attempt, queue_id: whose result this is; transitions: what each "next" entry decided; started_by: of execution_start, on whose behalf';

-- Results are read often and may be large: lz4 unpacks several times faster.
DO $$
BEGIN
    ALTER TABLE noetl.event ALTER context SET COMPRESSION lz4, ALTER result SET COMPRESSION lz4;
EXCEPTION WHEN feature_not_supported THEN
    NULL;  -- this PostgreSQL was built without lz4
END
$$;

CREATE TABLE noetl.event_default PARTITION OF noetl.event DEFAULT;
COMMENT ON TABLE noetl.event_default IS
    'events of executions for which no range partition was made';

-- Values of steps, found from the newest backwards.  Broker events that carry
-- no value have no result and cost this index nothing.
CREATE INDEX event_result_idx ON noetl.event (execution_id, node_name, created_at)
    WHERE result IS NOT NULL;

-- Exactly one terminal event per execution.
CREATE UNIQUE INDEX event_terminal_idx ON noetl.event (execution_id)
    WHERE event_type IN ('execution_complete', 'execution_completed', 'execution_end',
                         'execution_failed', 'workflow_failed', 'execution_cancelled')
      AND (meta -> 'ignored') IS NULL;

-- Live runs that are not in the queue.
CREATE TABLE noetl.run (
    execution_id bigint      NOT NULL,
    step_name    text        NOT NULL,
    visit        integer     NOT NULL CHECK (visit > 0),
    state        text        NOT NULL CHECK (state IN ('waiting', 'open', 'retry')),
    arrivals     jsonb       NOT NULL,
    created_at   timestamptz NOT NULL,
    event_id     bigint,
    attempts     integer     NOT NULL DEFAULT 0,
    due_at       timestamptz,
    context      jsonb,
    PRIMARY KEY (execution_id, step_name)
);
COMMENT ON TABLE noetl.run IS
    'steps that are live without a queue row: waiting at a join for branches that can still arrive, or open: their work is done by child executions or by tasks for each of their items';
COMMENT ON COLUMN noetl.run.event_id IS 'open, retry: the step_started of this run';
COMMENT ON COLUMN noetl.run.attempts IS 'attempts that have failed';
COMMENT ON COLUMN noetl.run.due_at IS 'open: when its timeout ends it; retry: when the next attempt is due';
COMMENT ON COLUMN noetl.run.context IS 'what the run was started with: its input and, of an iterator, how many items there are';
COMMENT ON COLUMN noetl.run.arrivals IS
    'who has arrived: [{"from": step, "event_id": id, "data": input of the transition}]';

CREATE INDEX run_due_idx ON noetl.run (due_at) WHERE due_at IS NOT NULL;

-- The arrivals at a join of hundreds of branches are written with each of them.
DO $$
BEGIN
    ALTER TABLE noetl.run ALTER arrivals SET COMPRESSION lz4;
EXCEPTION WHEN feature_not_supported THEN
    NULL;
END
$$;

-- Items of iterators that the broker expands; written once, deleted when started.
CREATE TABLE noetl.item (
    execution_id bigint  NOT NULL,
    step_name    text    NOT NULL,
    item_index   integer NOT NULL,
    item         jsonb   NOT NULL,
    PRIMARY KEY (execution_id, step_name, item_index)
);
COMMENT ON TABLE noetl.item IS
    'items of open iterators that have not started yet';

-- Events stored while noetl.broker was off.
CREATE TABLE noetl.pending (
    execution_id bigint      NOT NULL,
    created_at   timestamptz NOT NULL,
    event_id     bigint      NOT NULL,
    PRIMARY KEY (execution_id, created_at, event_id)
);
COMMENT ON TABLE noetl.pending IS
    'events that were stored while noetl.broker was off and wait for noetl.enqueue_next()';

CREATE SEQUENCE noetl.queue_seq AS bigint;

CREATE TABLE noetl.queue (
    queue_id            bigint      NOT NULL DEFAULT nextval('noetl.queue_seq') PRIMARY KEY,
    execution_id        bigint      NOT NULL,
    catalog_id          bigint      NOT NULL,
    node_id             text        NOT NULL,
    node_name           text        NOT NULL,
    node_type           text        NOT NULL,
    action              jsonb       NOT NULL,
    context             jsonb,
    status              text        NOT NULL DEFAULT 'queued'
                        CHECK (status IN ('queued', 'leased', 'retry', 'done', 'dead', 'cancelled')),
    priority            integer     NOT NULL DEFAULT 0,
    attempts            integer     NOT NULL DEFAULT 0,
    max_attempts        integer     NOT NULL DEFAULT 1,
    available_at        timestamptz,
    lease_until         timestamptz,
    worker_id           text,
    last_heartbeat      timestamptz,
    created_at          timestamptz NOT NULL DEFAULT clock_timestamp(),
    parent_execution_id bigint,
    parent_event_id     bigint,
    event_id            bigint,
    current_index       integer,
    timeout             interval,
    deadline            timestamptz
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 500);
ALTER SEQUENCE noetl.queue_seq OWNED BY noetl.queue.queue_id;
COMMENT ON TABLE noetl.queue IS
    'work to do and work in flight; a finished task leaves the table in the transaction that records it';
COMMENT ON COLUMN noetl.queue.action IS
    'what to do: the step''s keys, rendered; "data" is the input';
COMMENT ON COLUMN noetl.queue.context IS
    'values of the names that unrendered parts of the action refer to';
COMMENT ON COLUMN noetl.queue.event_id IS 'the step_started event of this run';
COMMENT ON COLUMN noetl.queue.current_index IS 'of an item of an iterator: its index';
COMMENT ON COLUMN noetl.queue.timeout IS 'how long an attempt may take, from its first lease on';
COMMENT ON COLUMN noetl.queue.deadline IS 'when the timeout of the attempt in flight ends it; no lease lasts longer';
COMMENT ON COLUMN noetl.queue.lease_until IS 'when the lease ends, unless extended; queued: the deadline of an attempt that has lost its lease';

CREATE INDEX queue_ready_idx ON noetl.queue (node_type, priority DESC, queue_id) WHERE status = 'queued';
CREATE INDEX queue_run_idx ON noetl.queue (execution_id, current_index, queue_id);
CREATE INDEX queue_retry_idx ON noetl.queue (available_at) WHERE status = 'retry';
CREATE INDEX queue_lease_idx ON noetl.queue (lease_until)
    WHERE status IN ('leased', 'cancelled') OR deadline IS NOT NULL;

CREATE TABLE noetl.runtime (
    runtime_id     bigint      GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
    name           text        NOT NULL UNIQUE,
    component_type text        NOT NULL DEFAULT 'worker',
    status         text        NOT NULL DEFAULT 'ready',
    capabilities   jsonb,
    capacity       integer,
    runtime        jsonb,
    last_heartbeat timestamptz NOT NULL DEFAULT clock_timestamp(),
    created_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at     timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE noetl.runtime IS 'workers that announce themselves; nothing depends on it';

-- ---------------------------------------------------------------------------
-- YAML and templates: functions of their arguments alone (yaml.c, template*.c)
-- ---------------------------------------------------------------------------

CREATE FUNCTION noetl.parse_yaml(content text) RETURNS jsonb
    AS 'MODULE_PATHNAME', 'noetl_parse_yaml'
    LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION noetl.parse_yaml(text) IS
    'the JSON value of one YAML 1.1 document, by the rules of PyYAML''s safe_load; duplicate keys are errors';

CREATE FUNCTION noetl.render(template text, context jsonb) RETURNS jsonb
    AS 'MODULE_PATHNAME', 'noetl_render_text'
    LANGUAGE C STRICT STABLE PARALLEL SAFE;
COMMENT ON FUNCTION noetl.render(text, jsonb) IS
    'renders a Jinja2 template; the members of context are its variables; exactly one {{ expression }} gives the native JSON value';

CREATE FUNCTION noetl.render(template jsonb, context jsonb) RETURNS jsonb
    AS 'MODULE_PATHNAME', 'noetl_render_jsonb'
    LANGUAGE C STRICT STABLE PARALLEL SAFE;
COMMENT ON FUNCTION noetl.render(jsonb, jsonb) IS
    'renders every string of a JSON document (values, not keys)';

CREATE FUNCTION noetl.render(template jsonb, context jsonb, step_values boolean) RETURNS jsonb
    AS 'MODULE_PATHNAME', 'noetl_render_jsonb'
    LANGUAGE C STRICT STABLE PARALLEL SAFE;
COMMENT ON FUNCTION noetl.render(jsonb, jsonb, boolean) IS
    'the same; step_values: every member of context answers as the value of a step does, so that x.data and x.result are x where it has no such key. For what a task leaves to its worker';

CREATE FUNCTION noetl.evaluate(condition text, context jsonb) RETURNS boolean
    AS 'MODULE_PATHNAME', 'noetl_evaluate'
    LANGUAGE C STRICT STABLE PARALLEL SAFE;
COMMENT ON FUNCTION noetl.evaluate(text, jsonb) IS
    'truth of a condition: a template, or an expression without braces';

CREATE FUNCTION noetl.iterator_items(action jsonb, context jsonb, step text DEFAULT NULL)
    RETURNS TABLE (index integer, item jsonb, names jsonb)
    AS 'MODULE_PATHNAME', 'noetl_iterator_items'
    LANGUAGE C STABLE PARALLEL SAFE;
COMMENT ON FUNCTION noetl.iterator_items(jsonb, jsonb, text) IS
    'the items of a task of type iterator (collection, where, order_by, limit, chunk of its action), and the names inside each, to be laid over its context for noetl.render()';

CREATE FUNCTION noetl.task_action(task jsonb, context jsonb, names jsonb, input jsonb DEFAULT '{}') RETURNS jsonb
    AS 'MODULE_PATHNAME', 'noetl_task_action'
    LANGUAGE C STRICT STABLE PARALLEL SAFE;
COMMENT ON FUNCTION noetl.task_action(jsonb, jsonb, jsonb, jsonb) IS
    'the action of a task inside another one''s action (the body of an iterator): rendered with names over context, its input, with input laid over it, as "data", its type as "type"';

CREATE FUNCTION noetl.save_tasks(save jsonb, context jsonb, names jsonb)
    RETURNS TABLE (index integer, type text, action jsonb, data jsonb, summary jsonb)
    AS 'MODULE_PATHNAME', 'noetl_save_tasks'
    LANGUAGE C STABLE PARALLEL SAFE;
COMMENT ON FUNCTION noetl.save_tasks(jsonb, jsonb, jsonb) IS
    'what a save, in any of its forms, asks a worker to do: tasks of type event, postgres (the SQL is the action''s command), duckdb or http; rendered with names (result, this, data ...) over context; names null: it has been rendered already';

CREATE FUNCTION noetl.retry_delay(policy jsonb, context jsonb, names jsonb, attempt integer, success boolean, error text, result jsonb)
    RETURNS double precision
    AS 'MODULE_PATHNAME', 'noetl_retry_delay'
    LANGUAGE C VOLATILE PARALLEL SAFE;
COMMENT ON FUNCTION noetl.retry_delay(jsonb, jsonb, jsonb, integer, boolean, text, jsonb) IS
    'seconds after which a task inside another one is to be repeated by its retry policy; infinity: no attempt is left; null: it is not to be';

-- ---------------------------------------------------------------------------
-- Catalog (catalog.c)
-- ---------------------------------------------------------------------------

CREATE TABLE noetl.catalog (
    catalog_id  bigint      GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
    path        text        NOT NULL CHECK (octet_length(path) BETWEEN 1 AND 1024),
    version     integer     NOT NULL CHECK (version > 0),
    kind        text        NOT NULL DEFAULT 'Playbook',
    content     text        NOT NULL,
    digest      bytea       NOT NULL,
    payload     jsonb       NOT NULL,
    meta        jsonb,
    created_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    UNIQUE (path, version)
);
COMMENT ON TABLE noetl.catalog IS
    'registered playbooks, one row per version; a row never changes (noetl.register adds versions)';
COMMENT ON COLUMN noetl.catalog.path IS 'what noetl.execute() names; several versions share it';
COMMENT ON COLUMN noetl.catalog.version IS 'counts from 1 within the path';
COMMENT ON COLUMN noetl.catalog.kind IS 'kind of document: Playbook';
COMMENT ON COLUMN noetl.catalog.content IS 'the document exactly as it was registered';
COMMENT ON COLUMN noetl.catalog.digest IS 'SHA-256 of content: registering the same text twice adds no version';
COMMENT ON COLUMN noetl.catalog.payload IS 'the parsed document';
COMMENT ON COLUMN noetl.catalog.meta IS 'free for the owner''s notes; the only column that can be updated';

CREATE INDEX catalog_digest_idx ON noetl.catalog (path, digest);
COMMENT ON INDEX noetl.catalog_digest_idx IS 'finds the version that has a given content';

CREATE FUNCTION noetl.register(content text, path text DEFAULT NULL) RETURNS bigint
    AS 'MODULE_PATHNAME', 'noetl_register'
    LANGUAGE C VOLATILE PARALLEL UNSAFE;
REVOKE ALL ON FUNCTION noetl.register(text, text) FROM PUBLIC;
COMMENT ON FUNCTION noetl.register(text, text) IS
    'validates a playbook and stores it as the next version of its path (or of the given one); returns catalog_id, for known content that of the version that has it';

CREATE FUNCTION noetl.validate(content text)
    RETURNS TABLE (severity text, line integer, col integer, path text, message text, hint text)
    AS 'MODULE_PATHNAME', 'noetl_validate'
    LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE ROWS 10;
COMMENT ON FUNCTION noetl.validate(text) IS
    'what noetl.register() would say about a playbook: every error and warning with its position; no rows when it is flawless';

CREATE FUNCTION noetl.catalog_guard() RETURNS trigger
    AS 'MODULE_PATHNAME', 'noetl_catalog_guard'
    LANGUAGE C;
REVOKE ALL ON FUNCTION noetl.catalog_guard() FROM PUBLIC;
COMMENT ON FUNCTION noetl.catalog_guard() IS
    'trigger of noetl.catalog: refuses to change a registered playbook or to delete one that executions refer to';

CREATE TRIGGER catalog_guard BEFORE UPDATE OR DELETE ON noetl.catalog
    FOR EACH ROW EXECUTE FUNCTION noetl.catalog_guard();
COMMENT ON TRIGGER catalog_guard ON noetl.catalog IS
    'registered playbooks stay as they are';

-- ---------------------------------------------------------------------------
-- Events and decisions (event.c)
-- ---------------------------------------------------------------------------

CREATE FUNCTION noetl.event_before() RETURNS trigger
    AS 'MODULE_PATHNAME', 'noetl_event_before'
    LANGUAGE C;
COMMENT ON FUNCTION noetl.event_before() IS
    'fills in what an event lacks, takes the execution''s lock, makes a repeated event_id a no-op';

CREATE FUNCTION noetl.event_after() RETURNS trigger
    AS 'MODULE_PATHNAME', 'noetl_event_after'
    LANGUAGE C;
COMMENT ON FUNCTION noetl.event_after() IS
    'decides what follows from an event, in the transaction that stores it';

CREATE TRIGGER event_before BEFORE INSERT ON noetl.event
    FOR EACH ROW EXECUTE FUNCTION noetl.event_before();
CREATE TRIGGER event_after AFTER INSERT ON noetl.event
    FOR EACH ROW EXECUTE FUNCTION noetl.event_after();

CREATE FUNCTION noetl.execute(path text, parameters jsonb DEFAULT '{}', version integer DEFAULT NULL,
                              merge boolean DEFAULT false) RETURNS bigint
    AS 'MODULE_PATHNAME', 'noetl_execute'
    LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION noetl.execute(text, jsonb, integer, boolean) IS
    'starts an execution of the playbook (newest version unless given); parameters are laid over its workload, deeply if merge; returns the execution_id';

CREATE FUNCTION noetl.cancel(execution_id bigint, reason text DEFAULT NULL) RETURNS boolean
    AS 'MODULE_PATHNAME', 'noetl_cancel'
    LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION noetl.cancel(bigint, text) IS
    'cancels a running execution: queued work is withdrawn, workers learn of it at their next heartbeat; false when it was over already';

CREATE VIEW noetl.event_log AS
    SELECT * FROM noetl.event;
COMMENT ON VIEW noetl.event_log IS 'the event log under its old name; ORDER BY event_id';

CREATE FUNCTION noetl.status(execution_id bigint) RETURNS jsonb
    LANGUAGE sql STABLE STRICT SECURITY DEFINER PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
    AS $$
    SELECT jsonb_build_object(
        'execution_id', x.execution_id,
        'path', x.path,
        'version', x.version,
        'status', x.status,
        'started_at', x.started_at,
        'ended_at', x.ended_at,
        'result', x.result,
        'error', x.error,
        'steps', coalesce((
            SELECT jsonb_object_agg(s.node_name, jsonb_build_object(
                       'status', s.status, 'visits', s.visits, 'attempts', s.attempts, 'at', s.at))
            FROM (SELECT e.node_name,
                         (array_agg(e.status ORDER BY e.event_id DESC))[1] AS status,
                         greatest(count(DISTINCT e.node_id), 1) AS visits,
                         count(*) FILTER (WHERE e.event_type = 'action_retry' AND e.current_index IS NULL) + 1 AS attempts,
                         max(e.created_at) AS at
                  FROM noetl.event e
                  WHERE e.execution_id = x.execution_id
                    AND e.event_type IN ('step_started', 'step_completed', 'step_end', 'step_failed',
                                         'step_skipped', 'action_retry')
                    AND (e.meta -> 'ignored') IS NULL
                  GROUP BY e.node_name) s), '{}'),
        'live', coalesce((
            SELECT jsonb_agg(jsonb_build_object('step', l.step, 'state', l.state, 'worker_id', l.worker_id,
                                                'attempts', l.attempts) || l.items ORDER BY l.step)
            FROM (SELECT q.node_name AS step, q.status AS state, q.worker_id, q.attempts, '{}'::jsonb AS items
                  FROM noetl.queue q WHERE q.execution_id = x.execution_id AND q.current_index IS NULL
                  UNION ALL
                  SELECT r.step_name, r.state, NULL, NULL,
                         CASE WHEN r.context ? 'total'
                              THEN jsonb_build_object('items', jsonb_build_object('total', r.context -> 'total',
                                       'done', 0, 'failed', 0) || coalesce(
                                  (SELECT jsonb_build_object('started', e.meta -> 'started', 'done', e.meta -> 'done',
                                                             'failed', e.meta -> 'failed')
                                     FROM noetl.event e
                                    WHERE e.execution_id = r.execution_id AND e.node_name = r.step_name
                                      AND e.result IS NOT NULL AND e.meta ? 'total'
                                      AND e.event_type IN ('iteration_completed', 'iteration_failed')
                                      AND e.event_id > (r.context ->> 'since')::bigint
                                    ORDER BY e.created_at DESC LIMIT 1), '{}'))
                              ELSE '{}' END
                  FROM noetl.run r WHERE r.execution_id = x.execution_id) l), '[]'))
    FROM noetl.execution x
    WHERE x.execution_id = status.execution_id
    $$;
COMMENT ON FUNCTION noetl.status(bigint) IS
    'progress and result of an execution: status, result, error, steps {status, visits, attempts, at}, live [{step, state, worker_id, attempts, of an iterator also items {total, started, done, failed}}]; null when it does not exist';

-- ---------------------------------------------------------------------------
-- Queue (queue.c, wake.c)
-- ---------------------------------------------------------------------------

CREATE FUNCTION noetl.enqueue_next(execution_id bigint DEFAULT NULL) RETURNS bigint
    AS 'MODULE_PATHNAME', 'noetl_enqueue_next'
    LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION noetl.enqueue_next(bigint) IS
    'does whatever is due, of one execution or of all: events stored while noetl.broker was off, retries, expired leases, timeouts; returns the number of tasks that became ready';

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
COMMENT ON FUNCTION noetl.reserve(text, integer, interval, text[]) IS 'the same as noetl.lease';

CREATE FUNCTION noetl.heartbeat(queue_id bigint, worker_id text, extend interval DEFAULT '60 s') RETURNS boolean
    AS 'MODULE_PATHNAME', 'noetl_heartbeat'
    LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION noetl.heartbeat(bigint, text, interval) IS
    'extends a lease from now; false: the lease is lost or the execution was cancelled, stop working';

CREATE FUNCTION noetl.release(queue_id bigint, worker_id text) RETURNS boolean
    AS 'MODULE_PATHNAME', 'noetl_release'
    LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION noetl.release(bigint, text) IS
    'gives a leased task back unfinished, without counting the attempt; false: the lease is lost';

CREATE FUNCTION noetl.complete(queue_id bigint, result jsonb, worker_id text) RETURNS boolean
    AS 'MODULE_PATHNAME', 'noetl_complete'
    LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION noetl.complete(bigint, jsonb, text) IS
    'reports the result of a leased task (action_completed) and decides what follows; false: the lease is lost';

CREATE FUNCTION noetl.fail(queue_id bigint, error text, worker_id text, result jsonb DEFAULT NULL) RETURNS boolean
    AS 'MODULE_PATHNAME', 'noetl_fail'
    LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION noetl.fail(bigint, text, text, jsonb) IS
    'reports that a leased task failed (action_error); its retry policy decides what follows; false: the lease is lost';

CREATE FUNCTION noetl.complete_and_lease(queue_id bigint, result jsonb, worker_id text,
                                         max_tasks integer DEFAULT 1, lease interval DEFAULT '60 s',
                                         types text[] DEFAULT NULL) RETURNS SETOF noetl.queue
    AS 'MODULE_PATHNAME', 'noetl_complete_and_lease'
    LANGUAGE C VOLATILE PARALLEL UNSAFE ROWS 1;
COMMENT ON FUNCTION noetl.complete_and_lease(bigint, jsonb, text, integer, interval, text[]) IS
    'noetl.complete and noetl.lease in one round trip and one commit; warns when the lease was lost';

CREATE PROCEDURE noetl.wait_for_work(timeout interval, types text[] DEFAULT NULL, INOUT due boolean DEFAULT NULL)
    AS 'MODULE_PATHNAME', 'noetl_wait_for_work'
    LANGUAGE C;
COMMENT ON PROCEDURE noetl.wait_for_work(interval, text[], boolean) IS
    'sleeps until a task of the given types may be leased (due = true) or the timeout is over; holds no snapshot, so CALL it outside of a transaction';

-- ---------------------------------------------------------------------------
-- The log as the source of truth (replay.c)
-- ---------------------------------------------------------------------------

CREATE FUNCTION noetl.verify(execution_id bigint)
    RETURNS TABLE (relation text, key text, expected jsonb, found jsonb)
    AS 'MODULE_PATHNAME', 'noetl_verify'
    LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE ROWS 1;
COMMENT ON FUNCTION noetl.verify(bigint) IS
    'decides an execution again from its event log and compares: the rows of execution, workload, run, item and queue that are not as they should be, and the events that do not follow from the ones before; no rows when all is well';

CREATE FUNCTION noetl.rebuild(execution_id bigint) RETURNS bigint
    AS 'MODULE_PATHNAME', 'noetl_rebuild'
    LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION noetl.rebuild(bigint) IS
    'makes the rows of an execution what its event log says; returns how many were not';

-- ---------------------------------------------------------------------------
-- Views of an execution's playbook (need noetl.execution and noetl.catalog)
-- ---------------------------------------------------------------------------

CREATE FUNCTION noetl.step_transitions(step jsonb)
    RETURNS TABLE (to_step text, condition text, with_params jsonb)
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE ROWS 2
    SET search_path = pg_catalog, pg_temp
AS $$
    WITH next AS (
        SELECT coalesce(step -> 'next' -> 'arcs', step -> 'next') AS value
    ), entry AS (
        SELECT e.value, e.ordinality,
               coalesce(e.value ->> 'when', e.value ->> 'condition') AS condition
          FROM next,
               jsonb_array_elements(CASE jsonb_typeof(next.value)
                                        WHEN 'array' THEN next.value
                                        WHEN 'null' THEN '[]'
                                        ELSE jsonb_build_array(next.value) END)
               WITH ORDINALITY AS e (value, ordinality)
         WHERE next.value IS NOT NULL
    ), branch AS (
        SELECT ordinality, 1 AS side, condition,
               CASE WHEN jsonb_typeof(value) <> 'object' THEN value
                    WHEN value ? 'then' THEN value -> 'then'
                    WHEN value ? 'step' THEN value END AS targets
          FROM entry
        UNION ALL
        SELECT ordinality, 2,
               CASE WHEN condition IS NULL THEN 'else'
                    ELSE 'else of ' || condition END,
               value -> 'else'
          FROM entry
    )
    SELECT coalesce(t.value ->> 'step', t.value #>> '{}'), b.condition,
           i.params
      FROM branch AS b,
           jsonb_array_elements(CASE jsonb_typeof(b.targets)
                                    WHEN 'array' THEN b.targets
                                    WHEN 'null' THEN '[]'
                                    ELSE jsonb_build_array(b.targets) END)
           WITH ORDINALITY AS t (value, ordinality),
           LATERAL (SELECT jsonb_object_agg(p.key, p.value ORDER BY l.ordinality) AS params
                      FROM unnest(ARRAY['input', 'payload', 'with', 'args', 'data'])
                           WITH ORDINALITY AS l (key, ordinality),
                           LATERAL jsonb_each(CASE jsonb_typeof(t.value -> l.key)
                                                  WHEN 'object' THEN t.value -> l.key
                                                  WHEN 'null' THEN '{}'
                                                  ELSE jsonb_build_object('input', t.value -> l.key)
                                              END) AS p
                     WHERE t.value -> l.key IS NOT NULL) AS i
     WHERE b.targets IS NOT NULL
     ORDER BY b.ordinality, b.side, t.ordinality
$$;
COMMENT ON FUNCTION noetl.step_transitions(jsonb) IS
    'the transitions of a step of a playbook, in whichever form its "next" is written';

CREATE VIEW noetl.workflow AS
    SELECT x.execution_id,
           x.execution_id || ':' || coalesce(s.value ->> 'step', s.value ->> 'name') AS step_id,
           coalesce(s.value ->> 'step', s.value ->> 'name') AS step_name,
           lower(btrim(coalesce(s.value ->> 'type', s.value -> 'tool' ->> 'kind',
                                s.value ->> 'tool',
                                CASE lower(btrim(coalesce(s.value ->> 'step', s.value ->> 'name')))
                                    WHEN 'start' THEN 'start'
                                    WHEN 'end' THEN 'end'
                                    ELSE 'router' END))) AS step_type,
           coalesce(s.value ->> 'desc', s.value ->> 'description') AS description,
           s.value AS raw_config
      FROM noetl.execution AS x
      JOIN noetl.catalog AS c USING (catalog_id)
     CROSS JOIN LATERAL jsonb_array_elements(coalesce(nullif(c.payload -> 'workflow', 'null'),
                                                      c.payload -> 'steps')) AS s;
COMMENT ON VIEW noetl.workflow IS 'the steps of each execution''s playbook';

CREATE VIEW noetl.workbook AS
    SELECT x.execution_id,
           x.execution_id || ':' || t.name AS task_id,
           t.name AS task_name,
           lower(btrim(coalesce(t.task ->> 'type', t.task -> 'tool' ->> 'kind',
                                t.task ->> 'tool'))) AS task_type,
           t.task AS raw_config
      FROM noetl.execution AS x
      JOIN noetl.catalog AS c USING (catalog_id)
     CROSS JOIN LATERAL (SELECT coalesce(nullif(c.payload -> 'workbook', 'null'),
                                         nullif(c.payload -> 'tasks', 'null')) AS tasks) AS w
     CROSS JOIN LATERAL (
           SELECT coalesce(l.value ->> 'name', l.value ->> 'task') AS name, l.value AS task
             FROM jsonb_array_elements(CASE jsonb_typeof(w.tasks) WHEN 'array' THEN w.tasks
                                                                  ELSE '[]' END) AS l
           UNION ALL
           SELECT m.key, m.value
             FROM jsonb_each(CASE jsonb_typeof(w.tasks) WHEN 'object' THEN w.tasks
                                                        ELSE '{}' END) AS m) AS t;
COMMENT ON VIEW noetl.workbook IS 'the workbook tasks of each execution''s playbook';

CREATE VIEW noetl.transition AS
    SELECT w.execution_id, w.step_name AS from_step, t.to_step, t.condition, t.with_params
      FROM noetl.workflow AS w
     CROSS JOIN LATERAL noetl.step_transitions(w.raw_config) AS t;
COMMENT ON VIEW noetl.transition IS
    'the transitions of each execution''s playbook; condition is null where it is always taken';

-- ---------------------------------------------------------------------------
-- Privileges, dump configuration
-- ---------------------------------------------------------------------------

-- Who may do what is granted, not presumed.  Left to everybody: functions of
-- their arguments alone, and the default of event.execution_id.
REVOKE ALL ON FUNCTION noetl.event_before(), noetl.event_after(),
    noetl.execute(text, jsonb, integer, boolean), noetl.cancel(bigint, text), noetl.status(bigint),
    noetl.enqueue_next(bigint), noetl.lease(text, integer, interval, text[]),
    noetl.reserve(text, integer, interval, text[]), noetl.heartbeat(bigint, text, interval),
    noetl.release(bigint, text), noetl.complete(bigint, jsonb, text),
    noetl.fail(bigint, text, text, jsonb),
    noetl.complete_and_lease(bigint, jsonb, text, integer, interval, text[]),
    noetl.verify(bigint), noetl.rebuild(bigint) FROM PUBLIC;
REVOKE ALL ON PROCEDURE noetl.wait_for_work(interval, text[], boolean) FROM PUBLIC;

SELECT pg_catalog.pg_extension_config_dump('noetl.catalog', '');
SELECT pg_catalog.pg_extension_config_dump('noetl.catalog_catalog_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('noetl.execution', '');
SELECT pg_catalog.pg_extension_config_dump('noetl.workload', '');
SELECT pg_catalog.pg_extension_config_dump('noetl.event', '');
SELECT pg_catalog.pg_extension_config_dump('noetl.event_default', '');
SELECT pg_catalog.pg_extension_config_dump('noetl.run', '');
SELECT pg_catalog.pg_extension_config_dump('noetl.item', '');
SELECT pg_catalog.pg_extension_config_dump('noetl.pending', '');
SELECT pg_catalog.pg_extension_config_dump('noetl.queue', '');
SELECT pg_catalog.pg_extension_config_dump('noetl.queue_seq', '');
SELECT pg_catalog.pg_extension_config_dump('noetl.id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('noetl.runtime', '');
SELECT pg_catalog.pg_extension_config_dump('noetl.runtime_runtime_id_seq', '');
