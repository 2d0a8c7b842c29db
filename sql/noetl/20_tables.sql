-- ---------------------------------------------------------------------------
-- Tables (src/store)
-- ---------------------------------------------------------------------------

-- The right to use the schema gives no right on what it contains.
GRANT USAGE ON SCHEMA noetl TO PUBLIC;

CREATE SEQUENCE noetl.id_seq AS bigint MINVALUE 0 START 0;
COMMENT ON SEQUENCE noetl.id_seq IS
    'the millisecond up to which ids may have been given: after a restart, ids go on from there whatever the clock says';

CREATE FUNCTION noetl.next_id() RETURNS bigint
    AS 'MODULE_PATHNAME', 'noetl_next_id'
    LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION noetl.next_id() IS
    'a new time-ordered id: milliseconds since 2024-01-01 UTC << 22 | noetl.node_id << 12 | number; ids grow even when the clock goes back';

CREATE FUNCTION noetl.node_of(id bigint) RETURNS integer
    AS 'MODULE_PATHNAME', 'noetl_node_of'
    LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION noetl.node_of(bigint) IS
    'the number (noetl.node_id) of the node that made an execution_id or a queue_id';

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
                        CHECK (status IN ('SCHEDULED', 'RUNNING', 'COMPLETED', 'FAILED', 'CANCELLED')),
    started_at          timestamptz NOT NULL,
    ended_at            timestamptz,
    result              jsonb,
    error               text,
    depth               integer     NOT NULL DEFAULT 0,
    current_index       integer,
    started_by          regrole     NOT NULL
                        DEFAULT pg_catalog.to_regrole(pg_catalog.quote_ident(current_user)),
    deadline            timestamptz,
    labels              jsonb,
    priority            integer     NOT NULL DEFAULT 0,
    run_at              timestamptz,
    schedule            text,
    settings            jsonb,
    drive               integer     NOT NULL DEFAULT 1,
    paused              bigint
);
COMMENT ON TABLE noetl.execution IS
    'one row per execution, written at its start and at its ends only; of one that was scheduled also when it begins';
COMMENT ON COLUMN noetl.execution.parent_event_id IS
    'of a child: the step_started event of the parent''s step';
COMMENT ON COLUMN noetl.execution.depth IS 'the number of ancestors; noetl.max_depth bounds it';
COMMENT ON COLUMN noetl.execution.current_index IS 'of a child that an iterator started: the index of its item';
COMMENT ON COLUMN noetl.execution.started_by IS 'the role that started the execution or its topmost ancestor; saves inside the database run as this role';
COMMENT ON COLUMN noetl.execution.settings IS 'the settings that decide on it, where they were not the defaults at its start';
COMMENT ON COLUMN noetl.execution.deadline IS 'when a timeout ends the execution';
COMMENT ON COLUMN noetl.execution.drive IS '1, and one more each time noetl.redrive() has the execution go on after its end';
COMMENT ON COLUMN noetl.execution.labels IS 'names and texts that its start and its playbook''s metadata have given it; null: none';

CREATE INDEX execution_parent_idx ON noetl.execution (parent_execution_id)
    WHERE parent_execution_id IS NOT NULL;
CREATE INDEX execution_deadline_idx ON noetl.execution (deadline) WHERE deadline IS NOT NULL;
COMMENT ON COLUMN noetl.execution.started_at IS 'when it began; of a SCHEDULED execution: when it was asked for';
COMMENT ON COLUMN noetl.execution.priority IS 'of its tasks, unless their step has a priority of its own';
COMMENT ON COLUMN noetl.execution.run_at IS 'when it was to begin; null: at once';
COMMENT ON COLUMN noetl.execution.schedule IS 'the schedule that started it';
CREATE INDEX execution_run_at_idx ON noetl.execution (run_at) WHERE status = 'SCHEDULED';
COMMENT ON INDEX noetl.execution_run_at_idx IS 'lists what is scheduled, the next first';
COMMENT ON COLUMN noetl.execution.paused IS 'the execution_paused event, while it and its descendants are paused';
CREATE INDEX execution_labels_idx ON noetl.execution USING gin (labels jsonb_path_ops) WHERE labels IS NOT NULL;
COMMENT ON INDEX noetl.execution_labels_idx IS 'finds executions by labels @> …';

CREATE TABLE noetl.start_key (
    path         text    NOT NULL,
    key          text    NOT NULL,
    started_by   regrole NOT NULL,
    execution_id bigint  NOT NULL,
    PRIMARY KEY (path, key, started_by)
);
COMMENT ON TABLE noetl.start_key IS
    'the newest execution of each business key that starts were given; a key belongs to the role that the execution runs for';

CREATE TABLE noetl.schedule (
    schedule_id       bigint      GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
    name              text        NOT NULL UNIQUE,
    path              text        NOT NULL,
    cron              text        NOT NULL,
    time_zone         text        NOT NULL,
    parameters        jsonb       NOT NULL DEFAULT '{}',
    overlap           text        NOT NULL DEFAULT 'skip' CHECK (overlap IN ('skip', 'allow', 'queue', 'cancel')),
    catch_up          text        NOT NULL DEFAULT 'one' CHECK (catch_up IN ('skip', 'one', 'all')),
    jitter            interval    NOT NULL DEFAULT '0',
    enabled           boolean     NOT NULL DEFAULT true,
    labels            jsonb,
    owner             regrole     NOT NULL,
    next_at           timestamptz,
    last_at           timestamptz,
    queued_at         timestamptz,
    last_execution_id bigint,
    error             text,
    created_at        timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at        timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE noetl.schedule IS 'executions that start again and again, see noetl.schedule()';
COMMENT ON COLUMN noetl.schedule.owner IS 'the role that made the schedule: its executions run for it';
COMMENT ON COLUMN noetl.schedule.next_at IS 'when it is due; null: never again';
COMMENT ON COLUMN noetl.schedule.last_at IS 'the newest time that was due, whether or not an execution started';
COMMENT ON COLUMN noetl.schedule.queued_at IS 'with overlap queue: the time whose execution waits for the last one to end';
COMMENT ON COLUMN noetl.schedule.error IS 'why the newest start failed; null: it did not';
CREATE INDEX schedule_next_idx ON noetl.schedule (next_at) WHERE enabled;
COMMENT ON INDEX noetl.schedule_next_idx IS 'finds what is due';
CREATE INDEX schedule_queued_idx ON noetl.schedule (queued_at) WHERE queued_at IS NOT NULL;
COMMENT ON INDEX noetl.schedule_queued_idx IS 'finds what waits for an execution to end';

CREATE TABLE noetl.workload (
    execution_id bigint      PRIMARY KEY,
    created_at   timestamptz NOT NULL,
    data         jsonb       NOT NULL
);
COMMENT ON TABLE noetl.workload IS
    'the rendered workload of each execution: playbook defaults merged with the start parameters';

-- The log.  It has no foreign keys and few indexes, because each makes every
-- INSERT slower.  Partitions, and their indexes, are made by noetl.make_partition():
-- they do not belong to the extension, so pg_dump brings them back, which it could
-- not do without an error if the table as a whole had the indexes.
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
    stack_trace         text
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
    'ignored: why the event had no effect; attempt: the attempt that the event is about; transitions: the outcome of each "next" entry; drive: of the end of an execution that was redriven, which one; started_by: of an execution_start, the role that the execution runs for; settings: those that decide on it, where they are not the defaults';

-- Results are read often and may be large: lz4 decompresses several times faster
-- than pglz.
DO $$
BEGIN
    ALTER TABLE noetl.event ALTER context SET COMPRESSION lz4, ALTER result SET COMPRESSION lz4;
EXCEPTION WHEN feature_not_supported THEN
    NULL;  -- this server was built without lz4
END
$$;

-- Live runs that are not in the queue.
CREATE TABLE noetl.run (
    execution_id bigint      NOT NULL,
    step_name    text        NOT NULL,
    visit        integer     NOT NULL CHECK (visit > 0),
    state        text        NOT NULL CHECK (state IN ('waiting', 'open', 'retry', 'held', 'awaiting')),
    arrivals     jsonb       NOT NULL,
    created_at   timestamptz NOT NULL,
    event_id     bigint,
    attempts     integer     NOT NULL DEFAULT 0,
    due_at       timestamptz,
    context      jsonb,
    signals      text[],
    signal_key   text,
    PRIMARY KEY (execution_id, step_name, visit)
);
COMMENT ON TABLE noetl.run IS
    'live steps without a queue row: waiting at a join for branches that can still arrive; open, with child executions or tasks that do the work; waiting for a retry; awaiting a time or a signal; or held after a failure';
COMMENT ON COLUMN noetl.run.event_id IS 'open, retry, held: the step_started event of this run';
COMMENT ON COLUMN noetl.run.attempts IS 'the number of attempts that have failed';
COMMENT ON COLUMN noetl.run.due_at IS 'open: when the timeout ends the run; retry: when the next attempt is due; awaiting: when time ends the wait';
COMMENT ON COLUMN noetl.run.context IS 'the input that the run was started with; of an iterator also the number of items; of a wait also what it waits for';
COMMENT ON COLUMN noetl.run.signals IS 'awaiting: the names of the signals, one of which ends the wait';
COMMENT ON COLUMN noetl.run.signal_key IS 'awaiting: the key under which noetl.send() reaches the wait';
COMMENT ON COLUMN noetl.run.arrivals IS
    'the first branches that have arrived, up to eight; the others are in noetl.arrival: [{"from": step, "visit": of that step if it is not the first, "event_id": id, "data": input of the transition, "sees": newest visit of each parallel step that it descends from}]';

CREATE INDEX run_due_idx ON noetl.run (due_at) WHERE due_at IS NOT NULL;

-- Finds the waits that a message is for: by its name those for one signal, by null
-- those for several.
CREATE INDEX run_signal_idx ON noetl.run
    (signal_key, (CASE WHEN cardinality(signals) = 1 THEN signals[1] END))
    WHERE signal_key IS NOT NULL;

-- Each of the first branches that arrive at a join rewrites the arrivals.
DO $$
BEGIN
    ALTER TABLE noetl.run ALTER arrivals SET COMPRESSION lz4;
EXCEPTION WHEN feature_not_supported THEN
    NULL;
END
$$;

-- Further branches have a row each, so that hundreds of them cost the same each.
CREATE TABLE noetl.arrival (
    execution_id bigint  NOT NULL,
    step_name    text    NOT NULL,
    visit        integer NOT NULL CHECK (visit > 0),
    number       integer NOT NULL CHECK (number > 0),
    arrival      jsonb   NOT NULL,
    PRIMARY KEY (execution_id, step_name, visit, number)
);
COMMENT ON TABLE noetl.arrival IS
    'branches that have arrived at a live step after the eighth; the first are in noetl.run';
COMMENT ON COLUMN noetl.arrival.number IS 'the place among all branches that have arrived, from 0';
COMMENT ON COLUMN noetl.arrival.arrival IS 'as the elements of noetl.run.arrivals';

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

-- What a signal brings is in its event.
CREATE TABLE noetl.signal (
    execution_id bigint  NOT NULL,
    event_id     bigint  NOT NULL,
    name         text    NOT NULL,
    id           text,
    taken        boolean NOT NULL,
    PRIMARY KEY (execution_id, event_id)
);
COMMENT ON TABLE noetl.signal IS
    'signals of running executions that no wait has taken yet, and the ids of those that one has';
COMMENT ON COLUMN noetl.signal.event_id IS 'the signal_received event';
COMMENT ON COLUMN noetl.signal.id IS 'the sender''s: another signal with it has no effect';
COMMENT ON COLUMN noetl.signal.taken IS 'a wait has taken it';

CREATE INDEX signal_kept_idx ON noetl.signal (execution_id, name, event_id) WHERE NOT taken;
CREATE UNIQUE INDEX signal_id_idx ON noetl.signal (execution_id, id) WHERE id IS NOT NULL;

-- Messages belong to no execution; what an execution takes is in its log.
CREATE TABLE noetl.message (
    message_id bigint      PRIMARY KEY,
    name       text        NOT NULL,
    key        text        NOT NULL,
    data       jsonb,
    id         text,
    sent_by    regrole     NOT NULL,
    sent_at    timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    taken      boolean     NOT NULL
);
COMMENT ON TABLE noetl.message IS
    'what noetl.send() has found nobody for: it is kept for the first that waits for the name and the key';
COMMENT ON COLUMN noetl.message.id IS 'the sender''s: another message of the same role with it has no effect';
COMMENT ON COLUMN noetl.message.sent_by IS 'a wait takes it if this role may act for its execution';
COMMENT ON COLUMN noetl.message.expires_at IS 'until then it is kept, or its id is remembered';
COMMENT ON COLUMN noetl.message.taken IS 'an execution has taken it; the row is there because of the id';

-- What one role has sent is nobody else's obstacle: the sender is part of the keys.
CREATE INDEX message_kept_idx ON noetl.message (key, name, sent_by, message_id) WHERE NOT taken;
CREATE UNIQUE INDEX message_id_idx ON noetl.message (key, name, sent_by, id) WHERE id IS NOT NULL;
CREATE INDEX message_expires_idx ON noetl.message (expires_at);

-- Written while noetl.broker is off, and while decisions are being written.
CREATE TABLE noetl.pending (
    execution_id bigint      NOT NULL,
    created_at   timestamptz NOT NULL,
    event_id     bigint      NOT NULL,
    PRIMARY KEY (execution_id, created_at, event_id)
);
COMMENT ON TABLE noetl.pending IS
    'events that wait for their decision, such as those stored while noetl.broker was off; noetl.enqueue_next() decides on them';
COMMENT ON COLUMN noetl.pending.event_id IS
    '0: the execution is to be cancelled; negative: the child with that id has ended at created_at, while the execution was busy';

-- Written by the reaper only, and nearly always empty.
CREATE TABLE noetl.reaper_failure (
    execution_id bigint      PRIMARY KEY,
    failures     integer     NOT NULL,
    sqlstate     text        NOT NULL,
    error        text        NOT NULL,
    first_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
    last_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    next_try_at  timestamptz NOT NULL
);
COMMENT ON TABLE noetl.reaper_failure IS
    'executions for which something is due that could not be done: by whoever leases, by noetl.enqueue_next() and by noetl.timer; the row goes when it is done, or when the execution is over';
COMMENT ON COLUMN noetl.reaper_failure.execution_id IS '0: retries that could not be made ready; negative: the schedule with this schedule_id';
COMMENT ON COLUMN noetl.reaper_failure.failures IS 'the number of tries that have failed';
COMMENT ON COLUMN noetl.reaper_failure.sqlstate IS 'the code of the last error';
COMMENT ON COLUMN noetl.reaper_failure.error IS 'the last error';
COMMENT ON COLUMN noetl.reaper_failure.next_try_at IS 'nothing is tried before: 1 s after the first failure, then twice as long each time, up to ten minutes';

-- A sample, so that starts of children do not wait for each other.
CREATE TABLE noetl.family (
    root_id      bigint  NOT NULL,
    execution_id bigint  NOT NULL,
    weight       integer NOT NULL,
    PRIMARY KEY (root_id, execution_id)
);
COMMENT ON TABLE noetl.family IS
    'a sample of the executions that running executions have started as children, or children of children; by it noetl.max_family and noetl.max_family_live are enforced';
COMMENT ON COLUMN noetl.family.root_id IS 'the topmost ancestor';
COMMENT ON COLUMN noetl.family.weight IS 'for how many executions this one stands';

CREATE SEQUENCE noetl.queue_seq AS bigint;
COMMENT ON SEQUENCE noetl.queue_seq IS 'places in the queue; a queue_id is a place and the number of the node';

CREATE FUNCTION noetl.next_queue_id() RETURNS bigint
    AS 'MODULE_PATHNAME', 'noetl_next_queue_id'
    LANGUAGE C VOLATILE PARALLEL UNSAFE;
REVOKE ALL ON FUNCTION noetl.next_queue_id() FROM PUBLIC;
COMMENT ON FUNCTION noetl.next_queue_id() IS
    'a new queue_id: place / 4096 << 22 | noetl.node_id << 12 | place % 4096, where places count from 1';

CREATE TABLE noetl.queue (
    queue_id            bigint      NOT NULL DEFAULT noetl.next_queue_id() PRIMARY KEY,
    execution_id        bigint      NOT NULL,
    catalog_id          bigint      NOT NULL,
    node_id             text        NOT NULL,
    node_name           text        NOT NULL,
    node_type           text        NOT NULL,
    action              jsonb       NOT NULL,
    context             jsonb,
    status              text        NOT NULL DEFAULT 'queued'
                        CHECK (status IN ('queued', 'blocked', 'leased', 'retry', 'paused', 'cancelled')),
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
    leased_by           oid,
    lost_leases         integer     NOT NULL DEFAULT 0,
    queue_timeout       interval,
    attempts_before     integer,
    paused_by           bigint,
    limits              jsonb,
    fair_key            text,
    fair_weight         real,
    visit               integer,
    slot_of             bigint
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 500);
ALTER SEQUENCE noetl.queue_seq OWNED BY noetl.queue.queue_id;
COMMENT ON TABLE noetl.queue IS
    'tasks that are ready, leased or waiting for a retry; the transaction that records the end of a task deletes its row';
COMMENT ON COLUMN noetl.queue.status IS
    'the broker writes queued, blocked (it waits for a slot of a limit), leased, retry (ready at available_at), paused (ready when the pause is over) and cancelled (a worker''s lease has been revoked); done and dead are kept for clients that mark rows instead of deleting them, and such a row is no task any more';
COMMENT ON COLUMN noetl.queue.action IS
    'the keys of the step, rendered; "data" is the input';
COMMENT ON COLUMN noetl.queue.context IS
    'values of the names that unrendered parts of the action refer to';
COMMENT ON COLUMN noetl.queue.event_id IS 'the step_started event of the task''s run';
COMMENT ON COLUMN noetl.queue.current_index IS 'of an item of an iterator: the index';
COMMENT ON COLUMN noetl.queue.timeout IS 'how long an attempt may take, counted from its first lease';
COMMENT ON COLUMN noetl.queue.deadline IS 'when the timeout ends the current attempt; no lease lasts longer';
COMMENT ON COLUMN noetl.queue.lost_leases IS 'how many leases have run out; they count among attempts but use up none of max_attempts';
COMMENT ON COLUMN noetl.queue.queue_timeout IS 'how long the task may wait for its first lease; deadline and lease_until say until when';
COMMENT ON COLUMN noetl.queue.leased_by IS 'the role that has leased the task: the lease is good for its members only';
COMMENT ON COLUMN noetl.queue.attempts_before IS 'how many attempts were made before the task was given new ones; max_attempts includes them';
COMMENT ON COLUMN noetl.queue.limits IS 'the limits that the task needs a slot of, in the order in which it gets them; null: none';
COMMENT ON COLUMN noetl.queue.slot_of IS 'the queue_id of the task before it in its execution whose slot it has kept; null: the task has slots of its own, or none';
COMMENT ON COLUMN noetl.queue.fair_key IS 'ready tasks of the same type and priority are handed out in turn, key by key; null: by themselves, one after the other';
COMMENT ON COLUMN noetl.queue.fair_weight IS 'how many turns the key has in a round; null: 1';
COMMENT ON COLUMN noetl.queue.visit IS 'of a step that takes one branch of several, or starts for each of them: which visit of the step this is; null: of another step';
COMMENT ON COLUMN noetl.queue.lease_until IS 'when the lease ends unless it is extended; of a queued row: the deadline of an attempt that has lost its lease';

COMMENT ON COLUMN noetl.queue.paused_by IS 'of a paused row: the execution whose pause, or the pause_id of the rule that, keeps it back';

CREATE INDEX queue_ready_idx ON noetl.queue (node_type, priority DESC, queue_id) WHERE status = 'queued' AND fair_key IS NULL;
CREATE INDEX queue_fair_idx ON noetl.queue (node_type, priority DESC, (pg_catalog."left"(fair_key, 200)), queue_id) WHERE status = 'queued' AND fair_key IS NOT NULL;
COMMENT ON INDEX noetl.queue_fair_idx IS 'ready tasks that are handed out key by key';
CREATE INDEX queue_fair_id_idx ON noetl.queue (node_type, priority DESC, queue_id) WHERE status = 'queued' AND fair_key IS NOT NULL;
COMMENT ON INDEX noetl.queue_fair_id_idx IS 'the same tasks by age, for when an old snapshot keeps the entries of leased ones';
CREATE INDEX queue_run_idx ON noetl.queue (execution_id, current_index, queue_id);
CREATE INDEX queue_visit_idx ON noetl.queue (execution_id, node_name, visit DESC) WHERE visit IS NOT NULL;
COMMENT ON INDEX noetl.queue_visit_idx IS 'the newest live visit of a step, however many there are';
CREATE INDEX queue_retry_idx ON noetl.queue (available_at, paused_by, queue_id)
    WHERE status = 'retry' OR status = 'paused';
COMMENT ON INDEX noetl.queue_retry_idx IS 'retries by their time; after them, without a time, paused tasks by their pause';
CREATE INDEX queue_lease_idx ON noetl.queue (lease_until)
    WHERE status IN ('leased', 'cancelled') OR deadline IS NOT NULL;

-- What has a slot of a limit, or waits for one.  A task has its slots while it is
-- ready or leased, an execution while it runs.
CREATE TABLE noetl.slot (
    queue_id     bigint      NOT NULL,
    ordinal      integer     NOT NULL,
    name         text        NOT NULL,
    key          text        NOT NULL,
    execution_id bigint      NOT NULL,
    task         boolean     NOT NULL,
    held         boolean     NOT NULL DEFAULT false,
    spec         jsonb       NOT NULL,
    since        timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (queue_id, ordinal)
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 500);
COMMENT ON TABLE noetl.slot IS
    'slots of limits: those that tasks and executions have, and what waits for one; who waits longest comes first';
COMMENT ON COLUMN noetl.slot.queue_id IS 'the task that has got it, which may have left it to a later one (queue.slot_of); of an execution: its place among those that wait';
COMMENT ON COLUMN noetl.slot.ordinal IS 'which of its limits, from 0: they are asked for one after the other';
COMMENT ON COLUMN noetl.slot.task IS 'false: the execution itself';
COMMENT ON COLUMN noetl.slot.held IS 'false: it waits';
COMMENT ON COLUMN noetl.slot.spec IS 'the limit as the playbook says; per is in microseconds';
COMMENT ON COLUMN noetl.slot.since IS 'since when it has the slot, or waits';
CREATE INDEX slot_held_idx ON noetl.slot (name, key) WHERE held;
CREATE INDEX slot_waiting_idx ON noetl.slot (name, key, queue_id) WHERE NOT held;
CREATE INDEX slot_execution_idx ON noetl.slot (execution_id) WHERE NOT task;

CREATE TABLE noetl.limit_pace (
    name   text        NOT NULL,
    key    text        NOT NULL,
    full_at timestamptz NOT NULL,
    due_at timestamptz NOT NULL,
    changed_at timestamptz,
    PRIMARY KEY (name, key)
);
COMMENT ON TABLE noetl.limit_pace IS
    'how far limits with a rate are used up; the row goes when its time has come and nothing waits';
COMMENT ON COLUMN noetl.limit_pace.full_at IS 'when a whole burst may begin again';
COMMENT ON COLUMN noetl.limit_pace.due_at IS 'when to look again whether something may begin';
COMMENT ON COLUMN noetl.limit_pace.changed_at IS
    'since when another rate counts, if none has begun by it: full_at lies no more than its burst behind that';
CREATE INDEX limit_pace_due_idx ON noetl.limit_pace (due_at);

CREATE TABLE noetl.limit_rule (
    name        text        PRIMARY KEY,
    concurrency integer     CHECK (concurrency >= 0),
    rate        integer     CHECK (rate > 0),
    per         bigint      CHECK (per > 0),
    burst       integer     CHECK (burst > 0),
    updated_at  timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE noetl.limit_rule IS 'what noetl.set_limit() says instead of the playbooks';
COMMENT ON COLUMN noetl.limit_rule.per IS 'microseconds';

CREATE TABLE noetl.paused (
    execution_id bigint      PRIMARY KEY,
    until        timestamptz
);
COMMENT ON TABLE noetl.paused IS
    'executions that are paused; their rows and logs tell more';
COMMENT ON COLUMN noetl.paused.until IS 'when the pause ends by itself; null: never';
CREATE INDEX paused_until_idx ON noetl.paused (until);

CREATE TABLE noetl.pause_rule (
    pause_id  bigint      PRIMARY KEY,
    path      text,
    type      text,
    reason    text,
    paused_by regrole     NOT NULL,
    paused_at timestamptz NOT NULL,
    until     timestamptz
);
COMMENT ON TABLE noetl.pause_rule IS
    'kinds of tasks that nobody is given; noetl.pause_tasks() and noetl.resume_tasks() write the table and tell all sessions of it';
COMMENT ON COLUMN noetl.pause_rule.path IS 'the path of the playbooks whose tasks are paused; null: of all';
COMMENT ON COLUMN noetl.pause_rule.type IS 'the type of the tasks that are paused; null: all';
COMMENT ON COLUMN noetl.pause_rule.until IS 'when the pause ends by itself; null: never';
CREATE UNIQUE INDEX pause_rule_kind_idx ON noetl.pause_rule ((coalesce(path, '')), (coalesce(type, '')));

CREATE TABLE noetl.pause_end (
    pause_id bigint      PRIMARY KEY,
    ended_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    horizon  xid8
);
COMMENT ON TABLE noetl.pause_end IS
    'pauses that are over while tasks may still be paused because of them; whoever leases makes these ready, portion by portion';
COMMENT ON COLUMN noetl.pause_end.pause_id IS 'queue.paused_by of these tasks';
COMMENT ON COLUMN noetl.pause_end.horizon IS 'the row goes when the transactions before this one have ended, and no task is left';

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
