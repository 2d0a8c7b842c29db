\echo Use "CREATE EXTENSION noetl" to load this file. \quit

-- What lies in the schema before could be found instead of what this file creates,
-- and an owner could change all of it afterwards.
DO $$
DECLARE
    namespace pg_catalog.pg_namespace;
BEGIN
    SELECT * INTO STRICT namespace FROM pg_catalog.pg_namespace
     WHERE nspname OPERATOR(pg_catalog.=) 'noetl';
    IF namespace.nspowner OPERATOR(pg_catalog.<>) (SELECT r.oid FROM pg_catalog.pg_roles AS r
        WHERE r.rolname OPERATOR(pg_catalog.=) current_user) THEN
        RAISE EXCEPTION 'schema "noetl" belongs to another role'
            USING ERRCODE = 'insufficient_privilege',
                  HINT = 'Drop or rename it: CREATE EXTENSION creates its own.';
    END IF;
    IF EXISTS (SELECT FROM pg_catalog.pg_depend AS d
        WHERE d.refclassid OPERATOR(pg_catalog.=) 'pg_catalog.pg_namespace'::pg_catalog.regclass
          AND d.refobjid OPERATOR(pg_catalog.=) namespace.oid
          AND d.classid OPERATOR(pg_catalog.<>) 'pg_catalog.pg_extension'::pg_catalog.regclass) THEN
        RAISE EXCEPTION 'schema "noetl" is not empty'
            USING ERRCODE = 'duplicate_object',
                  HINT = 'Drop or rename it: CREATE EXTENSION creates its own.';
    END IF;
END
$$;

-- ---------------------------------------------------------------------------
-- Tables (src/store)
-- ---------------------------------------------------------------------------

-- The right to use the schema gives no right on what it contains.
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
    started_by          regrole     NOT NULL
                        DEFAULT pg_catalog.to_regrole(pg_catalog.quote_ident(current_user)),
    deadline            timestamptz
);
COMMENT ON TABLE noetl.execution IS
    'one row per execution, written at its start and at its end only';
COMMENT ON COLUMN noetl.execution.parent_event_id IS
    'of a child: the step_started event of the parent''s step';
COMMENT ON COLUMN noetl.execution.depth IS 'the number of ancestors; noetl.max_depth bounds it';
COMMENT ON COLUMN noetl.execution.current_index IS 'of a child that an iterator started: the index of its item';
COMMENT ON COLUMN noetl.execution.started_by IS 'the role that started the execution or its topmost ancestor; saves inside the database run as this role';
COMMENT ON COLUMN noetl.execution.deadline IS 'when a timeout ends the execution';

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

-- The log.  It has no foreign keys and few indexes, because each makes every
-- INSERT slower.
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
    'the event log, from which all other rows of an execution follow. An INSERT drives the execution: it gives execution_id, event_type, node_name and its payload, and the trigger fills in the rest';
COMMENT ON COLUMN noetl.event.event_id IS
    'strictly increasing inside an execution; a client that chooses its own can repeat an INSERT without effect';
COMMENT ON COLUMN noetl.event.created_at IS
    'strictly increasing inside an execution (clock time, not transaction time)';
COMMENT ON COLUMN noetl.event.status IS
    'STARTED, RUNNING, PAUSED, PENDING, FAILED, COMPLETED or CANCELLED; the trigger ensures this at less cost than a CHECK';
COMMENT ON COLUMN noetl.event.meta IS
    'ignored: why the event had no effect; attempt: the attempt that the event is about; transitions: the outcome of each "next" entry; started_by: of an execution_start, the role that the execution runs for';

-- Results are read often and may be large: lz4 decompresses several times faster
-- than pglz.
DO $$
BEGIN
    ALTER TABLE noetl.event ALTER context SET COMPRESSION lz4, ALTER result SET COMPRESSION lz4;
EXCEPTION WHEN feature_not_supported THEN
    NULL;  -- this server was built without lz4
END
$$;

CREATE TABLE noetl.event_default PARTITION OF noetl.event DEFAULT;
COMMENT ON TABLE noetl.event_default IS
    'events of executions for which there is no range partition';

-- Finds the newest value of a step.  Events without a value are not in the index.
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
    PRIMARY KEY (execution_id, step_name, visit)
);
COMMENT ON TABLE noetl.run IS
    'live steps without a queue row: waiting at a join for branches that can still arrive; open, with child executions or tasks that do the work; or waiting for a retry';
COMMENT ON COLUMN noetl.run.event_id IS 'open, retry: the step_started event of this run';
COMMENT ON COLUMN noetl.run.attempts IS 'the number of attempts that have failed';
COMMENT ON COLUMN noetl.run.due_at IS 'open: when the timeout ends the run; retry: when the next attempt is due';
COMMENT ON COLUMN noetl.run.context IS 'the input that the run was started with; of an iterator also the number of items';
COMMENT ON COLUMN noetl.run.arrivals IS
    'the branches that have arrived: [{"from": step, "visit": of that step if it is not the first, "event_id": id, "data": input of the transition, "sees": newest visit of each parallel step that it descends from}]';

CREATE INDEX run_due_idx ON noetl.run (due_at) WHERE due_at IS NOT NULL;

-- Each branch that arrives at a join rewrites the arrivals of all branches.
DO $$
BEGIN
    ALTER TABLE noetl.run ALTER arrivals SET COMPRESSION lz4;
EXCEPTION WHEN feature_not_supported THEN
    NULL;
END
$$;

-- An item is inserted when its iterator starts and deleted when the item starts.
CREATE TABLE noetl.item (
    execution_id bigint  NOT NULL,
    step_name    text    NOT NULL,
    visit        integer NOT NULL CHECK (visit > 0),
    item_index   integer NOT NULL,
    item         jsonb   NOT NULL,
    PRIMARY KEY (execution_id, step_name, visit, item_index)
);
COMMENT ON TABLE noetl.item IS
    'items of open iterators that have not started';

-- Written while noetl.broker is off, and while decisions are being written.
CREATE TABLE noetl.pending (
    execution_id bigint      NOT NULL,
    created_at   timestamptz NOT NULL,
    event_id     bigint      NOT NULL,
    PRIMARY KEY (execution_id, created_at, event_id)
);
COMMENT ON TABLE noetl.pending IS
    'events that wait for their decision, such as those stored while noetl.broker was off; noetl.enqueue_next() decides on them';

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
                        CHECK (status IN ('queued', 'leased', 'retry', 'cancelled')),
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
    deadline            timestamptz,
    leased_by           oid
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 500);
ALTER SEQUENCE noetl.queue_seq OWNED BY noetl.queue.queue_id;
COMMENT ON TABLE noetl.queue IS
    'tasks that are ready, leased or waiting for a retry; the transaction that records the end of a task deletes its row';
COMMENT ON COLUMN noetl.queue.status IS
    'the broker writes queued, leased, retry (ready at available_at) and cancelled (a worker''s lease has been revoked); done and dead are kept for clients that mark rows instead of deleting them, and such a row is no task any more';
COMMENT ON COLUMN noetl.queue.action IS
    'the keys of the step, rendered; "data" is the input';
COMMENT ON COLUMN noetl.queue.context IS
    'values of the names that unrendered parts of the action refer to';
COMMENT ON COLUMN noetl.queue.event_id IS 'the step_started event of the task''s run';
COMMENT ON COLUMN noetl.queue.current_index IS 'of an item of an iterator: the index';
COMMENT ON COLUMN noetl.queue.timeout IS 'how long an attempt may take, counted from its first lease';
COMMENT ON COLUMN noetl.queue.deadline IS 'when the timeout ends the current attempt; no lease lasts longer';
COMMENT ON COLUMN noetl.queue.leased_by IS 'the role that has leased the task: the lease is good for its members only';
COMMENT ON COLUMN noetl.queue.lease_until IS 'when the lease ends unless it is extended; of a queued row: the deadline of an attempt that has lost its lease';

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
COMMENT ON TABLE noetl.runtime IS 'workers that announce themselves; no function reads the table';

-- ---------------------------------------------------------------------------
-- YAML and templates: functions of their arguments alone (src/api)
-- ---------------------------------------------------------------------------

CREATE FUNCTION noetl.parse_yaml(content text) RETURNS jsonb
    AS 'MODULE_PATHNAME', 'noetl_parse_yaml'
    LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION noetl.parse_yaml(text) IS
    'returns the JSON value of one YAML 1.1 document, by the rules of PyYAML''s safe_load; duplicate keys are errors';

CREATE FUNCTION noetl.render(template text, context jsonb) RETURNS jsonb
    AS 'MODULE_PATHNAME', 'noetl_render_text'
    LANGUAGE C STRICT STABLE PARALLEL SAFE;
COMMENT ON FUNCTION noetl.render(text, jsonb) IS
    'renders a Jinja2 template, whose variables are the members of context; a template of exactly one {{ expression }} returns its JSON value';

CREATE FUNCTION noetl.render(template jsonb, context jsonb) RETURNS jsonb
    AS 'MODULE_PATHNAME', 'noetl_render_jsonb'
    LANGUAGE C STRICT STABLE PARALLEL SAFE;
COMMENT ON FUNCTION noetl.render(jsonb, jsonb) IS
    'renders every string of a JSON document, except keys';

CREATE FUNCTION noetl.render(template jsonb, context jsonb, step_values boolean) RETURNS jsonb
    AS 'MODULE_PATHNAME', 'noetl_render_jsonb'
    LANGUAGE C STRICT STABLE PARALLEL SAFE;
COMMENT ON FUNCTION noetl.render(jsonb, jsonb, boolean) IS
    'renders every string of a JSON document for the worker of a task; step_values: the members of context are values of steps, so that x.data and x.result are x when x has no such key';

CREATE FUNCTION noetl.evaluate(condition text, context jsonb) RETURNS boolean
    AS 'MODULE_PATHNAME', 'noetl_evaluate'
    LANGUAGE C STRICT STABLE PARALLEL SAFE;
COMMENT ON FUNCTION noetl.evaluate(text, jsonb) IS
    'returns whether a condition is true; the condition is a template, or an expression without braces';

CREATE FUNCTION noetl.iterator_items(action jsonb, context jsonb, step text DEFAULT NULL)
    RETURNS TABLE (index integer, item jsonb, names jsonb)
    AS 'MODULE_PATHNAME', 'noetl_iterator_items'
    LANGUAGE C STABLE PARALLEL SAFE;
COMMENT ON FUNCTION noetl.iterator_items(jsonb, jsonb, text) IS
    'returns the items of a task of type iterator, by collection, where, order_by, limit and chunk of its action, and the names of each item, which lie over those of the context';

CREATE FUNCTION noetl.task_action(task jsonb, context jsonb, names jsonb, input jsonb DEFAULT '{}') RETURNS jsonb
    AS 'MODULE_PATHNAME', 'noetl_task_action'
    LANGUAGE C STRICT STABLE PARALLEL SAFE;
COMMENT ON FUNCTION noetl.task_action(jsonb, jsonb, jsonb, jsonb) IS
    'returns the action of a task that is the body of an iterator, rendered with names over context; "data" is its input with the argument input laid over it, "type" its type';

CREATE FUNCTION noetl.save_tasks(save jsonb, context jsonb, names jsonb)
    RETURNS TABLE (index integer, type text, action jsonb, data jsonb, summary jsonb)
    AS 'MODULE_PATHNAME', 'noetl_save_tasks'
    LANGUAGE C STABLE PARALLEL SAFE;
COMMENT ON FUNCTION noetl.save_tasks(jsonb, jsonb, jsonb) IS
    'returns the tasks that a save asks a worker to do, of type event, postgres (the SQL is the action''s command), duckdb or http; rendered with names (result, this, data ...) over context, or not at all when names is null';

CREATE FUNCTION noetl.retry_delay(policy jsonb, context jsonb, names jsonb, attempt integer, success boolean, error text, result jsonb)
    RETURNS double precision
    AS 'MODULE_PATHNAME', 'noetl_retry_delay'
    LANGUAGE C VOLATILE PARALLEL SAFE;
COMMENT ON FUNCTION noetl.retry_delay(jsonb, jsonb, jsonb, integer, boolean, text, jsonb) IS
    'returns the seconds until the next attempt of a task that is the body of an iterator, by its retry policy; infinity: no attempt is left; null: the policy asks for no other attempt';

-- ---------------------------------------------------------------------------
-- Catalog (src/api/catalog.c, src/catalog)
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
COMMENT ON COLUMN noetl.catalog.path IS 'the name that noetl.execute() is given; the versions of a playbook share it';
COMMENT ON COLUMN noetl.catalog.version IS 'counts from 1 within the path';
COMMENT ON COLUMN noetl.catalog.kind IS 'the kind of the document: Playbook';
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
    'validates a playbook and stores it as the next version of the given path, or of the path that it names; returns its catalog_id. Content that is stored already adds no version: the catalog_id of that version is returned';

CREATE FUNCTION noetl.validate(content text)
    RETURNS TABLE (severity text, line integer, col integer, path text, message text, hint text)
    AS 'MODULE_PATHNAME', 'noetl_validate'
    LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE ROWS 10;
COMMENT ON FUNCTION noetl.validate(text) IS
    'returns every error and warning that noetl.register() has for a playbook, with its position; no rows when there is none';

CREATE FUNCTION noetl.catalog_guard() RETURNS trigger
    AS 'MODULE_PATHNAME', 'noetl_catalog_guard'
    LANGUAGE C;
REVOKE ALL ON FUNCTION noetl.catalog_guard() FROM PUBLIC;
COMMENT ON FUNCTION noetl.catalog_guard() IS
    'trigger of noetl.catalog: refuses to change a registered playbook or to delete one that executions refer to';

CREATE TRIGGER catalog_guard BEFORE UPDATE OR DELETE ON noetl.catalog
    FOR EACH ROW EXECUTE FUNCTION noetl.catalog_guard();
COMMENT ON TRIGGER catalog_guard ON noetl.catalog IS
    'keeps registered playbooks unchanged';

-- ---------------------------------------------------------------------------
-- Events and decisions (src/engine/triggers.c, src/api/execution.c)
-- ---------------------------------------------------------------------------

CREATE FUNCTION noetl.event_before() RETURNS trigger
    AS 'MODULE_PATHNAME', 'noetl_event_before'
    LANGUAGE C;
COMMENT ON FUNCTION noetl.event_before() IS
    'trigger of noetl.event: takes the execution lock and fills in the columns that the client left out; suppresses a row whose event_id is stored already';

CREATE FUNCTION noetl.event_after() RETURNS trigger
    AS 'MODULE_PATHNAME', 'noetl_event_after'
    LANGUAGE C;
COMMENT ON FUNCTION noetl.event_after() IS
    'trigger of noetl.event: decides what follows from an event, in the transaction that stores it';

CREATE TRIGGER event_before BEFORE INSERT ON noetl.event
    FOR EACH ROW EXECUTE FUNCTION noetl.event_before();
CREATE TRIGGER event_after AFTER INSERT ON noetl.event
    FOR EACH ROW EXECUTE FUNCTION noetl.event_after();

CREATE FUNCTION noetl.execute(path text, parameters jsonb DEFAULT '{}', version integer DEFAULT NULL,
                              merge boolean DEFAULT false) RETURNS bigint
    AS 'MODULE_PATHNAME', 'noetl_execute'
    LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION noetl.execute(text, jsonb, integer, boolean) IS
    'starts an execution of a playbook, of its newest version unless one is given; parameters are laid over its workload, recursively if merge; returns the execution_id';

CREATE FUNCTION noetl.cancel(execution_id bigint, reason text DEFAULT NULL) RETURNS boolean
    AS 'MODULE_PATHNAME', 'noetl_cancel'
    LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION noetl.cancel(bigint, text) IS
    'cancels a running execution: queued tasks are withdrawn, and workers are told at their next heartbeat; returns false when the execution is over';

CREATE FUNCTION noetl.acts_for(role oid) RETURNS boolean
    AS 'MODULE_PATHNAME', 'noetl_acts_for'
    LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION noetl.acts_for(oid) IS
    'returns whether the current role may act for executions that run for a role: it is a member of the role or of noetl_admin, or a superuser, or noetl.isolation is off';

CREATE FUNCTION noetl.may_read(execution_id bigint) RETURNS boolean
    AS 'MODULE_PATHNAME', 'noetl_may_read'
    LANGUAGE C STABLE STRICT PARALLEL RESTRICTED;
COMMENT ON FUNCTION noetl.may_read(bigint) IS
    'returns whether the current role may read the rows of an execution (see noetl.acts_for)';

CREATE VIEW noetl.event_log WITH (security_barrier) AS
    SELECT * FROM noetl.event AS e WHERE noetl.may_read(e.execution_id);
COMMENT ON VIEW noetl.event_log IS 'the event log under the name that the Python project uses; ORDER BY event_id';

CREATE FUNCTION noetl.status_unchecked(execution_id bigint) RETURNS jsonb
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
                                                'attempts', l.attempts)
                             || CASE WHEN l.visit > 1 THEN jsonb_build_object('visit', l.visit) ELSE '{}' END
                             || l.items ORDER BY l.step, l.visit)
            FROM (SELECT q.node_name AS step, q.status AS state, q.worker_id, q.attempts, '{}'::jsonb AS items,
                         coalesce(substring(q.node_id FROM '^[0-9]+:.*:([0-9]{1,9})$')::int, 1) AS visit
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
                                      AND e.node_id = concat(r.execution_id, ':', r.step_name,
                                              CASE WHEN r.visit > 1 THEN ':' || r.visit END, '[', e.current_index, ']')
                                      AND e.event_id > (r.context ->> 'since')::bigint
                                    ORDER BY e.created_at DESC LIMIT 1), '{}'))
                              ELSE '{}' END,
                         r.visit
                  FROM noetl.run r WHERE r.execution_id = x.execution_id) l), '[]'))
    FROM noetl.execution x
    WHERE x.execution_id = status_unchecked.execution_id
    $$;
COMMENT ON FUNCTION noetl.status_unchecked(bigint) IS
    'what noetl.status() returns, without its check of rights; to be granted to nobody';

CREATE FUNCTION noetl.status(execution_id bigint) RETURNS jsonb
    AS 'MODULE_PATHNAME', 'noetl_status'
    LANGUAGE C STABLE STRICT PARALLEL RESTRICTED;
COMMENT ON FUNCTION noetl.status(bigint) IS
    'returns progress and result of an execution: status, result, error, steps {status, visits, attempts, at}, live [{step, state, worker_id, attempts, visit unless it is the first, of an iterator also items {total, started, done, failed}}]; null when the execution does not exist';

-- ---------------------------------------------------------------------------
-- Queue (src/api/queue.c, src/api/wait.c)
-- ---------------------------------------------------------------------------

CREATE FUNCTION noetl.enqueue_next(execution_id bigint DEFAULT NULL) RETURNS bigint
    AS 'MODULE_PATHNAME', 'noetl_enqueue_next'
    LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION noetl.enqueue_next(bigint) IS
    'does what is due, of one execution or of all: decides on events stored while noetl.broker was off, makes retries ready, takes back expired leases, ends what exceeds its timeout; returns the number of tasks that became ready';

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

-- ---------------------------------------------------------------------------
-- Views of an execution's playbook (src/api/workflow.c; the views need
-- noetl.execution and noetl.catalog)
-- ---------------------------------------------------------------------------

CREATE FUNCTION noetl.playbook_steps(catalog_id bigint, digest bytea)
    RETURNS TABLE (step_name text, step_type text, description text, raw_config jsonb)
    AS 'MODULE_PATHNAME', 'noetl_playbook_steps'
    LANGUAGE C STABLE STRICT PARALLEL RESTRICTED COST 1000 ROWS 10;
COMMENT ON FUNCTION noetl.playbook_steps(bigint, bytea) IS
    'the steps of a playbook, in document order; no rows unless the digest is that of the catalog row';

CREATE FUNCTION noetl.playbook_tasks(catalog_id bigint, digest bytea)
    RETURNS TABLE (task_name text, task_type text, raw_config jsonb)
    AS 'MODULE_PATHNAME', 'noetl_playbook_tasks'
    LANGUAGE C STABLE STRICT PARALLEL RESTRICTED COST 1000 ROWS 5;
COMMENT ON FUNCTION noetl.playbook_tasks(bigint, bytea) IS
    'the workbook tasks of a playbook, in document order; no rows unless the digest is that of the catalog row';

CREATE FUNCTION noetl.playbook_transitions(catalog_id bigint, digest bytea)
    RETURNS TABLE (from_step text, to_step text, condition text, with_params jsonb)
    AS 'MODULE_PATHNAME', 'noetl_playbook_transitions'
    LANGUAGE C STABLE STRICT PARALLEL RESTRICTED COST 1000 ROWS 20;
COMMENT ON FUNCTION noetl.playbook_transitions(bigint, bytea) IS
    'the transitions of a playbook, in whichever form "next" is written; no rows unless the digest is that of the catalog row';

CREATE VIEW noetl.workflow WITH (security_barrier) AS
    SELECT x.execution_id,
           x.execution_id || ':' || s.step_name AS step_id,
           s.step_name,
           s.step_type,
           s.description,
           s.raw_config
      FROM noetl.execution AS x
      JOIN noetl.catalog AS c USING (catalog_id)
     CROSS JOIN LATERAL noetl.playbook_steps(x.catalog_id, c.digest) AS s
     WHERE noetl.acts_for(x.started_by);
COMMENT ON VIEW noetl.workflow IS 'the steps of each execution''s playbook';

CREATE VIEW noetl.workbook WITH (security_barrier) AS
    SELECT x.execution_id,
           x.execution_id || ':' || t.task_name AS task_id,
           t.task_name,
           t.task_type,
           t.raw_config
      FROM noetl.execution AS x
      JOIN noetl.catalog AS c USING (catalog_id)
     CROSS JOIN LATERAL noetl.playbook_tasks(x.catalog_id, c.digest) AS t
     WHERE noetl.acts_for(x.started_by);
COMMENT ON VIEW noetl.workbook IS 'the workbook tasks of each execution''s playbook';

CREATE VIEW noetl.transition WITH (security_barrier) AS
    SELECT x.execution_id, t.from_step, t.to_step, t.condition, t.with_params
      FROM noetl.execution AS x
      JOIN noetl.catalog AS c USING (catalog_id)
     CROSS JOIN LATERAL noetl.playbook_transitions(x.catalog_id, c.digest) AS t
     WHERE noetl.acts_for(x.started_by);
COMMENT ON VIEW noetl.transition IS
    'the transitions of each execution''s playbook; condition is null for one that is always taken';

-- ---------------------------------------------------------------------------
-- Privileges, dump configuration
-- ---------------------------------------------------------------------------

-- Rights must be granted.  PUBLIC keeps functions of their arguments alone, the
-- default of event.execution_id, and functions that ask for a catalog row's digest.
REVOKE ALL ON FUNCTION noetl.event_before(), noetl.event_after(),
    noetl.execute(text, jsonb, integer, boolean), noetl.cancel(bigint, text), noetl.status(bigint),
    noetl.status_unchecked(bigint),
    noetl.enqueue_next(bigint), noetl.lease(text, integer, interval, text[]),
    noetl.reserve(text, integer, interval, text[]), noetl.heartbeat(bigint, text, interval),
    noetl.release(bigint, text), noetl.complete(bigint, jsonb, text),
    noetl.fail(bigint, text, text, jsonb),
    noetl.complete_and_lease(bigint, jsonb, text, integer, interval, text[]),
    noetl.verify(bigint), noetl.rebuild(bigint) FROM PUBLIC;
REVOKE ALL ON PROCEDURE noetl.wait_for_work(interval, text[], boolean) FROM PUBLIC;

CREATE FUNCTION noetl.create_roles() RETURNS void
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['noetl_client', 'noetl_worker', 'noetl_author', 'noetl_reader', 'noetl_admin'] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name) THEN
            EXECUTE format('CREATE ROLE %I NOLOGIN', name);
        END IF;
    END LOOP;
    GRANT INSERT ON noetl.event TO noetl_client, noetl_worker;
    GRANT SELECT ON noetl.execution, noetl.event, noetl.event_log, noetl.workload, noetl.run, noetl.item,
        noetl.pending, noetl.queue, noetl.workflow, noetl.workbook, noetl.transition TO noetl_client, noetl_reader;
    GRANT SELECT ON noetl.catalog TO noetl_author, noetl_reader;
    GRANT SELECT ON noetl.queue TO noetl_worker;
    GRANT EXECUTE ON FUNCTION noetl.execute(text, jsonb, integer, boolean), noetl.cancel(bigint, text) TO noetl_client;
    GRANT EXECUTE ON FUNCTION noetl.status(bigint) TO noetl_client, noetl_reader;
    GRANT EXECUTE ON FUNCTION noetl.register(text, text) TO noetl_author;
    GRANT EXECUTE ON FUNCTION noetl.lease(text, integer, interval, text[]),
        noetl.reserve(text, integer, interval, text[]), noetl.heartbeat(bigint, text, interval),
        noetl.release(bigint, text), noetl.complete(bigint, jsonb, text), noetl.fail(bigint, text, text, jsonb),
        noetl.complete_and_lease(bigint, jsonb, text, integer, interval, text[]) TO noetl_worker;
    GRANT EXECUTE ON PROCEDURE noetl.wait_for_work(interval, text[], boolean) TO noetl_worker;
    GRANT EXECUTE ON FUNCTION noetl.enqueue_next(bigint), noetl.verify(bigint), noetl.rebuild(bigint) TO noetl_admin;
    GRANT SELECT ON noetl.runtime TO noetl_admin;
    GRANT noetl_client, noetl_worker, noetl_author, noetl_reader TO noetl_admin;
END
$$;
REVOKE ALL ON FUNCTION noetl.create_roles() FROM PUBLIC;
COMMENT ON FUNCTION noetl.create_roles() IS
    'creates the roles noetl_client, noetl_worker, noetl_author, noetl_reader and noetl_admin where they do not exist, and grants them their rights in this database; needs CREATEROLE and the rights of the extension''s owner';

-- What ALTER DEFAULT PRIVILEGES has handed out on all this is taken back.
DO $$
DECLARE
    command pg_catalog.text;
BEGIN
    FOR command IN
        SELECT pg_catalog.format('REVOKE ALL ON %s FROM %s', o.object,
                   CASE WHEN a.grantee OPERATOR(pg_catalog.=) 0::pg_catalog.oid THEN 'PUBLIC'
                        ELSE pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(a.grantee)) END)
          FROM (SELECT CASE WHEN c.relkind OPERATOR(pg_catalog.=) 'S'::pg_catalog."char" THEN 'SEQUENCE '
                            ELSE 'TABLE ' END
                       OPERATOR(pg_catalog.||) c.oid::pg_catalog.regclass::pg_catalog.text AS object,
                       c.relacl AS acl, c.relowner AS owner, true AS from_public, c.relnamespace AS namespace
                  FROM pg_catalog.pg_class AS c
                UNION ALL
                SELECT 'ROUTINE ' OPERATOR(pg_catalog.||) p.oid::pg_catalog.regprocedure::pg_catalog.text,
                       p.proacl, p.proowner, false, p.pronamespace
                  FROM pg_catalog.pg_proc AS p
                UNION ALL
                SELECT 'TYPE ' OPERATOR(pg_catalog.||) t.oid::pg_catalog.regtype::pg_catalog.text,
                       t.typacl, t.typowner, false, t.typnamespace
                  FROM pg_catalog.pg_type AS t
                UNION ALL
                SELECT 'SCHEMA noetl', n.nspacl, n.nspowner, false, n.oid
                  FROM pg_catalog.pg_namespace AS n) AS o
         CROSS JOIN LATERAL pg_catalog.aclexplode(o.acl) AS a
         WHERE o.namespace OPERATOR(pg_catalog.=) 'noetl'::pg_catalog.regnamespace
           AND a.grantee OPERATOR(pg_catalog.<>) o.owner
           AND (o.from_public OR a.grantee OPERATOR(pg_catalog.<>) 0::pg_catalog.oid)
         GROUP BY 1
    LOOP
        EXECUTE command;
    END LOOP;
    REVOKE CREATE ON SCHEMA noetl FROM PUBLIC;
END
$$;

-- Who may read which rows, if granted SELECT.  Superusers and the owner read all;
-- workers read the queue.  INSERT is decided on by the trigger of noetl.event.
ALTER TABLE noetl.execution ENABLE ROW LEVEL SECURITY;
ALTER TABLE noetl.workload ENABLE ROW LEVEL SECURITY;
ALTER TABLE noetl.event ENABLE ROW LEVEL SECURITY;
ALTER TABLE noetl.event_default ENABLE ROW LEVEL SECURITY;
ALTER TABLE noetl.run ENABLE ROW LEVEL SECURITY;
ALTER TABLE noetl.item ENABLE ROW LEVEL SECURITY;
ALTER TABLE noetl.pending ENABLE ROW LEVEL SECURITY;
ALTER TABLE noetl.queue ENABLE ROW LEVEL SECURITY;
CREATE POLICY members_read ON noetl.execution FOR SELECT USING (noetl.acts_for(started_by));
CREATE POLICY members_read ON noetl.workload FOR SELECT USING (noetl.may_read(execution_id));
CREATE POLICY members_read ON noetl.event FOR SELECT USING (noetl.may_read(execution_id));
CREATE POLICY clients_insert ON noetl.event FOR INSERT WITH CHECK (true);
CREATE POLICY members_read ON noetl.event_default FOR SELECT USING (noetl.may_read(execution_id));
CREATE POLICY clients_insert ON noetl.event_default FOR INSERT WITH CHECK (true);
CREATE POLICY members_read ON noetl.run FOR SELECT USING (noetl.may_read(execution_id));
CREATE POLICY members_read ON noetl.item FOR SELECT USING (noetl.may_read(execution_id));
CREATE POLICY members_read ON noetl.pending FOR SELECT USING (noetl.may_read(execution_id));
CREATE POLICY members_read ON noetl.queue FOR SELECT USING (noetl.may_read(execution_id));
CREATE POLICY workers_read ON noetl.queue FOR SELECT USING ((SELECT pg_catalog.has_function_privilege(
    'noetl.lease(pg_catalog.text, pg_catalog.int4, pg_catalog.interval, pg_catalog.text[])'::pg_catalog.regprocedure,
    'EXECUTE')));

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
