\echo Use "ALTER EXTENSION noetl UPDATE TO '0.2.0'" to load this file. \quit

-- Made by sql/upgrade/generate.

-- New columns come behind those that there are, at the numbers that the library expects.
DO LANGUAGE plpgsql $$
DECLARE
    name pg_catalog.text;
BEGIN
    SELECT v.name INTO name FROM (VALUES
        ('execution', 15),
        ('run', 10),
        ('queue', 23)
        ) AS v (name, count)
     WHERE v.count <> (SELECT count(*) FROM pg_catalog.pg_attribute AS a
                       WHERE a.attrelid = pg_catalog.to_regclass('noetl.' || v.name) AND a.attnum > 0 AND NOT a.attisdropped);
    IF FOUND THEN
        RAISE EXCEPTION 'columns were added to noetl.% or dropped', name
            USING ERRCODE = 'object_not_in_prerequisite_state',
                  HINT = 'Drop the columns of your own, update the extension, and add them again.';
    END IF;
END
$$;

-- Rights that were given are given again at the end, by those who gave them.
CREATE TEMPORARY TABLE noetl_given AS
    SELECT 'ROUTINE'::text AS kind, p.proname::text AS name, NULL::name AS attribute, p.proowner AS owner, a.*
      FROM pg_catalog.pg_proc AS p CROSS JOIN LATERAL pg_catalog.aclexplode(p.proacl) AS a
     WHERE p.pronamespace = 'noetl'::pg_catalog.regnamespace AND a.grantee NOT IN (0, p.proowner)
    UNION
    SELECT CASE c.relkind WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END, c.relname, NULL, c.relowner, a.*
      FROM pg_catalog.pg_class AS c CROSS JOIN LATERAL pg_catalog.aclexplode(c.relacl) AS a
     WHERE c.relnamespace = 'noetl'::pg_catalog.regnamespace AND c.relkind IN ('r', 'p', 'v', 'S') AND a.grantee NOT IN (0, c.relowner)
    UNION
    SELECT 'TABLE', c.relname, t.attname, c.relowner, a.*
      FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_attribute AS t ON t.attrelid = c.oid
     CROSS JOIN LATERAL pg_catalog.aclexplode(t.attacl) AS a
     WHERE c.relnamespace = 'noetl'::pg_catalog.regnamespace AND NOT t.attisdropped AND a.grantee NOT IN (0, c.relowner)
    UNION
    SELECT 'SCHEMA', n.nspname, NULL, n.nspowner, a.*
      FROM pg_catalog.pg_namespace AS n CROSS JOIN LATERAL pg_catalog.aclexplode(n.nspacl) AS a
     WHERE n.nspname = 'noetl' AND a.grantee NOT IN (0, n.nspowner);
-- Who has given them does not keep the rest of the script from taking them back.
DO LANGUAGE plpgsql $$
DECLARE
    command pg_catalog.text;
BEGIN
    FOR command IN
        SELECT DISTINCT pg_catalog.format('REVOKE ALL ON %s %s FROM %s CASCADE', g.kind,
                   CASE g.kind WHEN 'SCHEMA' THEN 'noetl' ELSE pg_catalog.format('noetl.%I', g.name) END,
                   pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(g.grantee)))
          FROM pg_temp.noetl_given AS g WHERE g.kind <> 'ROUTINE' AND g.grantor = g.owner
    LOOP
        EXECUTE command;
    END LOOP;
END
$$;

DROP TRIGGER event_before ON noetl.event;
DROP TRIGGER event_after ON noetl.event;
DROP TRIGGER catalog_guard ON noetl.catalog;

-- Partitions are no members any more, and have indexes of their own only.
CREATE TEMPORARY TABLE noetl_partition AS
    SELECT c.oid::pg_catalog.regclass AS leaf, pg_catalog.pg_get_expr(c.relpartbound, c.oid) AS bounds
      FROM pg_catalog.pg_inherits AS i JOIN pg_catalog.pg_class AS c ON c.oid = i.inhrelid
     WHERE i.inhparent = 'noetl.event'::pg_catalog.regclass;
CREATE TEMPORARY TABLE noetl_terminal AS
    SELECT i.inhrelid AS index FROM pg_catalog.pg_inherits AS i WHERE i.inhparent = 'noetl.event_terminal_idx'::pg_catalog.regclass;
ALTER TABLE noetl.event ALTER execution_id DROP DEFAULT;
DO LANGUAGE plpgsql $$
DECLARE
    leaf pg_catalog.regclass;
BEGIN
    FOR leaf IN SELECT p.leaf FROM pg_temp.noetl_partition AS p LOOP
        EXECUTE pg_catalog.format('ALTER TABLE noetl.event DETACH PARTITION %s', leaf);
        EXECUTE pg_catalog.format('ALTER TABLE %s ALTER execution_id DROP DEFAULT', leaf);
        IF EXISTS (SELECT FROM pg_catalog.pg_depend AS d WHERE d.classid = 'pg_class'::pg_catalog.regclass
                    AND d.objid = leaf AND d.deptype = 'e') THEN
            EXECUTE pg_catalog.format('ALTER EXTENSION noetl DROP TABLE %s', leaf);
        END IF;
    END LOOP;
END
$$;
DROP INDEX noetl.event_result_idx, noetl.event_terminal_idx;
ALTER TABLE noetl.event DROP CONSTRAINT event_pkey;
DO LANGUAGE plpgsql $$
DECLARE
    names pg_catalog.text;
BEGIN
    SELECT pg_catalog.string_agg(oid::pg_catalog.regclass::pg_catalog.text, ', ') INTO names FROM pg_catalog.pg_class
     WHERE relnamespace = 'noetl'::pg_catalog.regnamespace AND relkind = 'v';
    EXECUTE 'DROP VIEW ' || names;
    SELECT pg_catalog.string_agg(p.oid::pg_catalog.regprocedure::pg_catalog.text, ', ') INTO names FROM pg_catalog.pg_proc AS p
      JOIN pg_catalog.pg_depend AS d ON d.classid = 'pg_proc'::pg_catalog.regclass AND d.objid = p.oid AND d.deptype = 'e'
     WHERE p.pronamespace = 'noetl'::pg_catalog.regnamespace;
    EXECUTE 'DROP ROUTINE ' || names;
END
$$;

-- A column that was dropped has left a hole where a new one belongs.
DO LANGUAGE plpgsql $$
DECLARE
    holed pg_catalog.regclass;
    name pg_catalog.name;
    commands pg_catalog.text[];
    command pg_catalog.text;
BEGIN
    FOR holed, name IN
        SELECT c.oid, c.relname FROM pg_catalog.pg_class AS c
         WHERE c.relnamespace = 'noetl'::pg_catalog.regnamespace AND c.relname IN ('execution', 'run', 'queue')
           AND EXISTS (SELECT FROM pg_catalog.pg_attribute AS a WHERE a.attrelid = c.oid AND a.attisdropped)
    LOOP
        commands := ARRAY(
            SELECT pg_catalog.format('ALTER TABLE noetl.%I ADD CONSTRAINT %I %s', name, c.conname, pg_catalog.pg_get_constraintdef(c.oid))
              FROM pg_catalog.pg_constraint AS c WHERE c.conrelid = holed AND c.contype IN ('p', 'u', 'x', 'f')
            UNION ALL
            SELECT pg_catalog.pg_get_indexdef(i.indexrelid) FROM pg_catalog.pg_index AS i
             WHERE i.indrelid = holed AND NOT EXISTS (SELECT FROM pg_catalog.pg_constraint AS c WHERE c.conrelid = holed AND c.conindid = i.indexrelid)
            UNION ALL
            SELECT pg_catalog.pg_get_triggerdef(t.oid) FROM pg_catalog.pg_trigger AS t WHERE t.tgrelid = holed AND NOT t.tgisinternal
            UNION ALL
            SELECT pg_catalog.format('ALTER TABLE noetl.%I SET (%s)', name, pg_catalog.array_to_string(c.reloptions, ', '))
              FROM pg_catalog.pg_class AS c WHERE c.oid = holed AND c.reloptions IS NOT NULL);
        IF name OPERATOR(pg_catalog.=) 'queue' THEN
            ALTER SEQUENCE noetl.queue_seq OWNED BY NONE;
        END IF;
        EXECUTE pg_catalog.format('CREATE TABLE noetl.whole (LIKE noetl.%I INCLUDING ALL EXCLUDING INDEXES)', name);
        EXECUTE pg_catalog.format('INSERT INTO noetl.whole SELECT * FROM noetl.%I', name);
        EXECUTE pg_catalog.format('ALTER EXTENSION noetl DROP TABLE noetl.%I', name);
        EXECUTE pg_catalog.format('DROP TABLE noetl.%I', name);
        EXECUTE pg_catalog.format('ALTER TABLE noetl.whole RENAME TO %I', name);
        FOREACH command IN ARRAY commands LOOP
            EXECUTE command;
        END LOOP;
        IF name OPERATOR(pg_catalog.=) 'queue' THEN
            ALTER SEQUENCE noetl.queue_seq OWNED BY noetl.queue.queue_id;
        END IF;
    END LOOP;
END
$$;

-- ---------------------------------------------------------------------------
-- Tables (src/store)
-- ---------------------------------------------------------------------------

-- The right to use the schema gives no right on what it contains.
GRANT USAGE ON SCHEMA noetl TO PUBLIC;
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
-- Ids went on from a number of the millisecond, and go on from the millisecond.
ALTER SEQUENCE noetl.id_seq AS bigint NO MAXVALUE NO CYCLE;
SELECT pg_catalog.setval('noetl.id_seq', greatest(
    (extract(epoch FROM pg_catalog.clock_timestamp() - '2024-01-01 00:00:00+00'::pg_catalog.timestamptz) * 1000)::pg_catalog.int8,
    coalesce((SELECT max(execution_id) >> 22 FROM noetl.execution), 0)) + 1);

-- The role of an execution is the role, not its name.
ALTER TABLE noetl.execution ALTER started_by DROP DEFAULT;
ALTER TABLE noetl.execution ALTER started_by TYPE pg_catalog.regrole
    USING coalesce(pg_catalog.to_regrole(pg_catalog.quote_ident(started_by)), 0::pg_catalog.oid::pg_catalog.regrole);

-- Rows that clients had marked as done are no tasks.
DELETE FROM noetl.queue WHERE status IN ('done', 'dead');

-- A step may have several visits at once.
CREATE TEMPORARY TABLE noetl_item AS SELECT * FROM noetl.item;
ALTER EXTENSION noetl DROP TABLE noetl.item;
DROP TABLE noetl.item;

ALTER TABLE noetl.execution DROP CONSTRAINT execution_status_check;
ALTER TABLE noetl.execution ADD CONSTRAINT execution_status_check CHECK (status IN ('SCHEDULED', 'RUNNING', 'COMPLETED', 'FAILED', 'CANCELLED'));
ALTER TABLE noetl.execution ALTER started_by SET DEFAULT pg_catalog.to_regrole(pg_catalog.quote_ident(current_user));
ALTER TABLE noetl.execution ADD COLUMN labels jsonb;
ALTER TABLE noetl.execution ADD COLUMN priority integer NOT NULL DEFAULT 0;
ALTER TABLE noetl.execution ADD COLUMN run_at timestamptz;
ALTER TABLE noetl.execution ADD COLUMN schedule text;
ALTER TABLE noetl.execution ADD COLUMN settings jsonb;
ALTER TABLE noetl.execution ADD COLUMN drive integer NOT NULL DEFAULT 1;
ALTER TABLE noetl.execution ADD COLUMN paused bigint;

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

COMMENT ON TABLE noetl.workload IS
    'the rendered workload of each execution: playbook defaults merged with the start parameters';
ALTER TABLE noetl.event ALTER execution_id SET DEFAULT noetl.next_id();

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

ALTER TABLE noetl.run DROP CONSTRAINT run_state_check;
ALTER TABLE noetl.run ADD CONSTRAINT run_state_check CHECK (state IN ('waiting', 'open', 'retry', 'held', 'awaiting'));
ALTER TABLE noetl.run ADD COLUMN signals text[];
ALTER TABLE noetl.run ADD COLUMN signal_key text;
ALTER TABLE noetl.run DROP CONSTRAINT run_pkey;
ALTER TABLE noetl.run ADD PRIMARY KEY (execution_id, step_name, visit);

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
COMMENT ON SEQUENCE noetl.queue_seq IS 'places in the queue; a queue_id is a place and the number of the node';
CREATE FUNCTION noetl.next_queue_id() RETURNS bigint
    AS 'MODULE_PATHNAME', 'noetl_next_queue_id'
    LANGUAGE C VOLATILE PARALLEL UNSAFE;
REVOKE ALL ON FUNCTION noetl.next_queue_id() FROM PUBLIC;
COMMENT ON FUNCTION noetl.next_queue_id() IS
    'a new queue_id: place / 4096 << 22 | noetl.node_id << 12 | place % 4096, where places count from 1';
ALTER TABLE noetl.queue ALTER queue_id SET DEFAULT noetl.next_queue_id();
ALTER TABLE noetl.queue DROP CONSTRAINT queue_status_check;
ALTER TABLE noetl.queue ADD CONSTRAINT queue_status_check CHECK (status IN ('queued', 'blocked', 'leased', 'retry', 'paused', 'cancelled'));
ALTER TABLE noetl.queue ADD COLUMN leased_by oid;
ALTER TABLE noetl.queue ADD COLUMN lost_leases integer NOT NULL DEFAULT 0;
ALTER TABLE noetl.queue ADD COLUMN queue_timeout interval;
ALTER TABLE noetl.queue ADD COLUMN attempts_before integer;
ALTER TABLE noetl.queue ADD COLUMN paused_by bigint;
ALTER TABLE noetl.queue ADD COLUMN limits jsonb;
ALTER TABLE noetl.queue ADD COLUMN fair_key text;
ALTER TABLE noetl.queue ADD COLUMN fair_weight real;
ALTER TABLE noetl.queue ADD COLUMN visit integer;
ALTER TABLE noetl.queue ADD COLUMN slot_of bigint;

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
DROP INDEX noetl.queue_ready_idx;
CREATE INDEX queue_ready_idx ON noetl.queue (node_type, priority DESC, queue_id) WHERE status = 'queued' AND fair_key IS NULL;
CREATE INDEX queue_fair_idx ON noetl.queue (node_type, priority DESC, (pg_catalog."left"(fair_key, 200)), queue_id) WHERE status = 'queued' AND fair_key IS NOT NULL;
COMMENT ON INDEX noetl.queue_fair_idx IS 'ready tasks that are handed out key by key';
CREATE INDEX queue_fair_id_idx ON noetl.queue (node_type, priority DESC, queue_id) WHERE status = 'queued' AND fair_key IS NOT NULL;
COMMENT ON INDEX noetl.queue_fair_id_idx IS 'the same tasks by age, for when an old snapshot keeps the entries of leased ones';
CREATE INDEX queue_visit_idx ON noetl.queue (execution_id, node_name, visit DESC) WHERE visit IS NOT NULL;
COMMENT ON INDEX noetl.queue_visit_idx IS 'the newest live visit of a step, however many there are';
DROP INDEX noetl.queue_retry_idx;
CREATE INDEX queue_retry_idx ON noetl.queue (available_at, paused_by, queue_id)
    WHERE status = 'retry' OR status = 'paused';
COMMENT ON INDEX noetl.queue_retry_idx IS 'retries by their time; after them, without a time, paused tasks by their pause';
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
CREATE FUNCTION noetl.render_left(action jsonb, context jsonb, names jsonb)
    RETURNS TABLE (rendered_action jsonb, rendered_context jsonb)
    AS 'MODULE_PATHNAME', 'noetl_render_left'
    LANGUAGE C STRICT STABLE PARALLEL SAFE ROWS 1;
COMMENT ON FUNCTION noetl.render_left(jsonb, jsonb, jsonb) IS
    'returns the action and the context of a queue row with the strings rendered that the broker has left to the worker, which has the names (env ...); the names become members of the context';
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


COMMENT ON TABLE noetl.catalog IS
    'registered playbooks, one row per version; a row never changes (noetl.register adds versions)';
COMMENT ON COLUMN noetl.catalog.path IS 'the name that noetl.execute() is given; the versions of a playbook share it';
COMMENT ON COLUMN noetl.catalog.version IS 'counts from 1 within the path';
COMMENT ON COLUMN noetl.catalog.kind IS 'the kind of the document: Playbook';
COMMENT ON COLUMN noetl.catalog.content IS 'the document exactly as it was registered';
COMMENT ON COLUMN noetl.catalog.digest IS 'SHA-256 of content: registering the same text twice adds no version';
COMMENT ON COLUMN noetl.catalog.payload IS 'the parsed document';
COMMENT ON COLUMN noetl.catalog.meta IS 'free for the owner''s notes; the only column that can be updated';
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
    'trigger of noetl.catalog: refuses a path of another role, to change a registered playbook, and to delete one that executions refer to';
CREATE TRIGGER catalog_guard BEFORE INSERT OR UPDATE OR DELETE ON noetl.catalog
    FOR EACH ROW EXECUTE FUNCTION noetl.catalog_guard();
COMMENT ON TRIGGER catalog_guard ON noetl.catalog IS
    'keeps registered playbooks unchanged, and paths their owners';
-- A path that was restored without a row here belongs to the owner of noetl.catalog.
CREATE TABLE noetl.catalog_path (
    path      text      PRIMARY KEY CHECK (octet_length(path) BETWEEN 1 AND 1024),
    owner     regrole   NOT NULL,
    executors regrole[] NOT NULL DEFAULT '{-}'
);
COMMENT ON TABLE noetl.catalog_path IS
    'whom the paths of the catalog belong to, and who may start their playbooks; noetl.register() and noetl.grant_execute() write it';
COMMENT ON COLUMN noetl.catalog_path.owner IS 'the role that registered the path first: its members register versions and grant rights';
COMMENT ON COLUMN noetl.catalog_path.executors IS 'the roles whose members may start its playbooks beside the owner''s; "-" stands for PUBLIC';
CREATE FUNCTION noetl.catalog_path_changed() RETURNS trigger
    AS 'MODULE_PATHNAME', 'noetl_catalog_path_changed'
    LANGUAGE C;
REVOKE ALL ON FUNCTION noetl.catalog_path_changed() FROM PUBLIC;
COMMENT ON FUNCTION noetl.catalog_path_changed() IS
    'trigger of noetl.catalog_path: sessions forget the rights that they remember';
CREATE TRIGGER catalog_path_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON noetl.catalog_path
    FOR EACH STATEMENT EXECUTE FUNCTION noetl.catalog_path_changed();
COMMENT ON TRIGGER catalog_path_changed ON noetl.catalog_path IS 'makes changed rights known';
CREATE FUNCTION noetl.grant_execute(path text, role name) RETURNS boolean
    AS 'MODULE_PATHNAME', 'noetl_grant_execute'
    LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION noetl.grant_execute(text, name) IS
    'lets members of a role, or PUBLIC, start the playbooks of a path; for members of the path''s owner; returns false when they may already';
CREATE FUNCTION noetl.revoke_execute(path text, role name) RETURNS boolean
    AS 'MODULE_PATHNAME', 'noetl_revoke_execute'
    LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION noetl.revoke_execute(text, name) IS
    'takes back what noetl.grant_execute() has given, or that PUBLIC may start the playbooks of a path, as it may at first; returns false when there is nothing to take back';
REVOKE ALL ON FUNCTION noetl.grant_execute(text, name), noetl.revoke_execute(text, name) FROM PUBLIC;
CREATE FUNCTION noetl.playbook_schema() RETURNS jsonb
    AS 'MODULE_PATHNAME', 'noetl_playbook_schema'
    LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION noetl.playbook_schema() IS
    'returns the JSON Schema (draft 7) of playbooks, with which editors complete keys and check documents; noetl.validate() finds more';

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
                              merge boolean DEFAULT false, key text DEFAULT NULL, on_conflict text DEFAULT 'return',
                              run_at timestamptz DEFAULT NULL, labels jsonb DEFAULT NULL,
                              priority integer DEFAULT NULL) RETURNS bigint
    AS 'MODULE_PATHNAME', 'noetl_execute'
    LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION noetl.execute(text, jsonb, integer, boolean, text, text, timestamptz, jsonb, integer) IS
    'starts an execution of a playbook, of its newest version unless one is given; parameters are laid over its workload, recursively if merge; labels over those of its metadata. key: of the executions of a path one at most has it; on_conflict says what becomes of another start: return (that one), error, running (return that one while it runs), replace (cancel that one). run_at: nothing happens before. priority: of its tasks. Returns the execution_id';
CREATE FUNCTION noetl.debounce(path text, key text, delay interval, parameters jsonb DEFAULT '{}',
                               max_wait interval DEFAULT NULL) RETURNS bigint
    AS 'MODULE_PATHNAME', 'noetl_debounce'
    LANGUAGE C VOLATILE PARALLEL UNSAFE;
REVOKE ALL ON FUNCTION noetl.debounce(text, text, interval, jsonb, interval) FROM PUBLIC;
COMMENT ON FUNCTION noetl.debounce(text, text, interval, jsonb, interval) IS
    'starts an execution after a delay that each further call with the key begins anew, with the parameters of the newest call, at the latest max_wait after the first call; returns the execution_id';
CREATE FUNCTION noetl.cancel(execution_id bigint, reason text DEFAULT NULL, undo boolean DEFAULT false)
    RETURNS boolean
    AS 'MODULE_PATHNAME', 'noetl_cancel'
    LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION noetl.cancel(bigint, text, boolean) IS
    'cancels a running execution: queued tasks are withdrawn, and workers are told at their next heartbeat; undo: the compensations of what it has completed are done first; returns false when the execution is over';
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
CREATE FUNCTION noetl.last_progress(execution_id bigint, step text, node_id text DEFAULT NULL) RETURNS jsonb
    LANGUAGE sql STABLE PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
    AS $$
    -- what an attempt has told counts until the next one
    SELECT CASE WHEN e.event_type = 'progress' AND jsonb_typeof(e.context) = 'object'
                THEN e.context || jsonb_build_object('at', e.created_at) END
      FROM (SELECT * FROM noetl.event AS l WHERE l.execution_id = last_progress.execution_id
             ORDER BY l.event_id DESC LIMIT 100) AS e
     WHERE (e.node_name = last_progress.step AND e.node_id = coalesce(last_progress.node_id, e.node_id)
            AND e.event_type IN ('progress', 'step_started', 'step_resumed', 'action_started', 'task_start',
                                 'action_error', 'action_failed', 'task_error', 'action_retry', 'step_retry')
            OR e.event_type = 'execution_redriven')
       AND (e.meta -> 'ignored') IS NULL
     ORDER BY e.event_id DESC LIMIT 1
    $$;

COMMENT ON FUNCTION noetl.last_progress(bigint, text, text) IS
    'internal: what a step, or the visit of it that has this node_id, has told of the progress of its attempt last, if that is among the last 100 events of its execution';
REVOKE ALL ON FUNCTION noetl.last_progress(bigint, text, text) FROM PUBLIC;
CREATE FUNCTION noetl.pause_of(execution_id bigint)
    RETURNS TABLE (paused_execution bigint, since timestamptz, until timestamptz, by text, reason text)
    LANGUAGE sql STABLE STRICT PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
AS $$
    WITH RECURSIVE line AS (
        SELECT 0 AS up, x.execution_id, x.parent_execution_id, x.paused
          FROM noetl.execution AS x WHERE x.execution_id = pause_of.execution_id AND x.ended_at IS NULL
        UNION ALL
        SELECT l.up + 1, x.execution_id, x.parent_execution_id, x.paused
          FROM line AS l JOIN noetl.execution AS x ON x.execution_id = l.parent_execution_id
         WHERE l.paused IS NULL
    )
    SELECT l.execution_id, e.created_at, p.until, e.meta ->> 'by', e.meta ->> 'reason'
      FROM line AS l
      LEFT JOIN noetl.event AS e ON e.execution_id = l.execution_id AND e.event_id = l.paused
      LEFT JOIN noetl.paused AS p ON p.execution_id = l.execution_id
     WHERE l.paused IS NOT NULL
     ORDER BY l.up LIMIT 1
$$;

COMMENT ON FUNCTION noetl.pause_of(bigint) IS
    'the pause that an execution falls under: its own, or that of the nearest ancestor which has one; part of noetl.why() and noetl.status()';
REVOKE ALL ON FUNCTION noetl.pause_of(bigint) FROM PUBLIC;
CREATE FUNCTION noetl.status_unchecked(execution_id bigint) RETURNS jsonb
    LANGUAGE sql STABLE STRICT SECURITY DEFINER PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
    AS $$
    SELECT jsonb_build_object(
        'execution_id', x.execution_id::text,
        'path', x.path,
        'version', x.version,
        'status', x.status,
        'started_at', x.started_at,
        'ended_at', x.ended_at,
        'result', x.result,
        'error', x.error)
        || CASE WHEN x.labels IS NULL THEN '{}' ELSE jsonb_build_object('labels', x.labels) END
        || coalesce((SELECT jsonb_build_object('paused', jsonb_strip_nulls(jsonb_build_object(
                                'by', p.by, 'since', p.since, 'until', p.until, 'reason', p.reason,
                                'execution_id', p.paused_execution::text)))
                       FROM noetl.pause_of(x.execution_id) AS p), '{}')
        || CASE WHEN x.status = 'SCHEDULED' THEN jsonb_build_object('run_at', x.run_at) ELSE '{}' END
        || jsonb_build_object(
        'steps', coalesce((
            SELECT jsonb_object_agg(s.node_name, jsonb_build_object(
                       'status', s.status, 'visits', s.visits, 'attempts', s.attempts, 'at', s.at))
            FROM (SELECT e.node_name,
                         (array_agg(e.status ORDER BY e.event_id DESC) FILTER (WHERE NOT r.is_report))[1] AS status,
                         greatest(count(DISTINCT e.node_id), 1) AS visits,
                         -- a redrive counts on from the attempts that were made
                         greatest(1 + count(*) FILTER (WHERE e.event_type IN ('action_retry', 'step_resumed') AND e.current_index IS NULL),
                                  max(CASE WHEN r.is_report AND e.meta ->> 'attempt' ~ '^[0-9]{1,6}$'
                                           THEN (e.meta ->> 'attempt')::bigint END)) AS attempts,
                         max(e.created_at) FILTER (WHERE NOT r.is_report) AS at
                  FROM noetl.event e
                  CROSS JOIN LATERAL (SELECT e.event_type IN ('action_completed', 'action_error') AS is_report) r
                  WHERE e.execution_id = x.execution_id
                    AND (e.event_type IN ('step_started', 'step_completed', 'step_end', 'step_failed',
                                          'step_skipped', 'step_held', 'step_resumed', 'action_retry')
                         OR r.is_report AND e.current_index IS NULL)
                    AND (e.meta -> 'ignored') IS NULL
                  GROUP BY e.node_name) s WHERE s.status IS NOT NULL), '{}'),
        'live', coalesce((
            SELECT jsonb_agg(jsonb_build_object('step', l.step, 'state', l.state, 'worker_id', l.worker_id,
                                                'attempts', l.attempts)
                             || CASE WHEN l.visit > 1 THEN jsonb_build_object('visit', l.visit) ELSE '{}' END
                             || l.items ORDER BY l.step, l.visit)
            FROM (SELECT q.node_name AS step, q.status AS state, q.worker_id, q.attempts,
                         CASE WHEN q.status = 'leased'
                              THEN jsonb_strip_nulls(jsonb_build_object('progress', noetl.last_progress(q.execution_id, q.node_name, q.node_id)))
                              ELSE '{}'::jsonb END AS items,
                         noetl.visit_of(q.node_id, q.execution_id, q.node_name) AS visit
                  FROM noetl.queue q WHERE q.execution_id = x.execution_id AND q.current_index IS NULL
                  UNION ALL
                  SELECT r.step_name, r.state, NULL, NULL,
                         CASE WHEN r.context ? 'total'
                              THEN jsonb_build_object('items', jsonb_build_object('total', r.context -> 'total',
                                       'done', coalesce(r.context -> 'done', '0'), 'failed', 0) || coalesce(
                                  (SELECT jsonb_build_object('started', e.meta -> 'started', 'done', e.meta -> 'done',
                                                             'failed', e.meta -> 'failed')
                                     FROM noetl.event e
                                    WHERE e.execution_id = r.execution_id AND e.node_name = r.step_name
                                      AND e.result IS NOT NULL
                                      -- of whoever else counts the event is ignored
                                      AND e.meta ->> 'total' ~ '^[0-9]{1,9}$' AND e.meta ->> 'done' ~ '^[0-9]{1,9}$'
                                      AND (e.meta -> 'ignored') IS NULL
                                      AND e.event_type IN ('iteration_completed', 'iteration_failed')
                                      AND e.node_id = concat(r.execution_id, ':', r.step_name,
                                              CASE WHEN r.visit > 1 THEN ':' || r.visit END, '[', e.current_index, ']')
                                      AND e.event_id > greatest((r.context ->> 'since')::bigint, (r.context ->> 'resumed')::bigint)
                                    ORDER BY e.created_at DESC LIMIT 1), '{}'))
                              WHEN r.state = 'awaiting'
                              THEN jsonb_strip_nulls(jsonb_build_object('signals', to_jsonb(r.signals),
                                       'key', r.signal_key, 'until', r.due_at))
                              ELSE '{}' END,
                         r.visit
                  FROM noetl.run r WHERE r.execution_id = x.execution_id) l), '[]'))
    FROM noetl.execution x
    WHERE x.execution_id = status_unchecked.execution_id
    $$;

COMMENT ON FUNCTION noetl.status_unchecked(bigint) IS
    'what noetl.status() returns, without its check of rights; to be granted to nobody';
CREATE FUNCTION noetl.status(execution_id bigint) RETURNS jsonb
    AS 'MODULE_PATHNAME', 'noetl_of_own_execution'
    LANGUAGE C STABLE STRICT PARALLEL RESTRICTED;
COMMENT ON FUNCTION noetl.status(bigint) IS
    'returns progress and result of an execution: status, result, error, steps {status, visits, attempts, at}, live [{step, state, worker_id, attempts, visit unless it is the first, of an iterator also items {total, started, done, failed}, of a wait also signals, key, until}], paused {by, since, until, reason, execution_id} while it or an ancestor is paused; null when the execution does not exist';

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
-- In the operator's hands: functions and views that only read, and the workers'
-- notes about themselves (announce.c, explain.c, report.c)
-- ---------------------------------------------------------------------------

-- Executions of a path, of a status and by time (execution_id) without a scan.
CREATE INDEX execution_path_idx ON noetl.execution (path, execution_id);
CREATE INDEX execution_running_idx ON noetl.execution (execution_id) WHERE status = 'RUNNING';
CREATE INDEX execution_failed_idx ON noetl.execution (execution_id) WHERE status IN ('FAILED', 'CANCELLED');
COMMENT ON INDEX noetl.execution_path_idx IS 'lists the executions of a playbook, newest first';
COMMENT ON INDEX noetl.execution_running_idx IS 'lists what runs, oldest first';
COMMENT ON INDEX noetl.execution_failed_idx IS 'lists what failed or was cancelled';
-- Rows are updated once a minute for each worker, in place.
ALTER TABLE noetl.runtime SET (fillfactor = 50);
COMMENT ON TABLE noetl.runtime IS
    'workers that announce themselves, by noetl.announce() or by what they lease; nothing depends on it';
COMMENT ON COLUMN noetl.runtime.name IS 'the worker_id';
COMMENT ON COLUMN noetl.runtime.capabilities IS '"types": task type -> when the worker last asked for it; "*" stands for any type';
COMMENT ON COLUMN noetl.runtime.runtime IS 'host, version and whatever else the worker says; pid and backend_start of its session';
COMMENT ON COLUMN noetl.runtime.last_heartbeat IS 'when the worker was last seen, to the minute';
CREATE FUNCTION noetl.note_worker(worker_id text, types text[], info jsonb) RETURNS boolean
    LANGUAGE sql VOLATILE PARALLEL UNSAFE
    SET search_path = pg_catalog, pg_temp
AS $$
    WITH asked AS (
        SELECT CASE WHEN types IS NULL AND info IS NOT NULL THEN '{}'
                    ELSE (SELECT coalesce(jsonb_object_agg(t, clock_timestamp()), '{}')
                            FROM (SELECT DISTINCT left(t, 200) AS t
                                    FROM unnest(coalesce(nullif(types, '{}'), '{*}')) AS t
                                   WHERE t IS NOT NULL LIMIT 64) AS given) END AS times
    ), session AS (
        SELECT jsonb_build_object('host', coalesce(host(inet_client_addr()), 'local'))
               || coalesce(CASE jsonb_typeof(info) WHEN 'object' THEN info END, '{}')
               || jsonb_build_object('pid', pg_backend_pid(),    -- which no worker says otherwise
                   'backend_start', (SELECT a.backend_start FROM pg_stat_get_activity(pg_backend_pid()) AS a)) AS says
    ), known AS (
        SELECT r.runtime_id, r.capabilities, r.runtime
          FROM noetl.runtime AS r WHERE r.name = worker_id
           FOR UPDATE SKIP LOCKED
    ), updated AS (
        UPDATE noetl.runtime AS r
           SET last_heartbeat = clock_timestamp(), updated_at = clock_timestamp(),
               capabilities = coalesce(k.capabilities, '{}') || jsonb_build_object('types',
                   (SELECT coalesce(jsonb_object_agg(e.key, e.value), '{}')
                      FROM (SELECT * FROM jsonb_each(
                                CASE jsonb_typeof(k.capabilities -> 'types') WHEN 'object'
                                     THEN k.capabilities -> 'types' ELSE '{}' END || a.times)
                             ORDER BY value #>> '{}' DESC LIMIT 64) AS e)),
               runtime = coalesce(k.runtime, '{}') || s.says
                         || CASE WHEN k.runtime ? 'host' AND NOT coalesce(info ? 'host', false)
                                 THEN jsonb_build_object('host', k.runtime -> 'host') ELSE '{}' END
          FROM known AS k, asked AS a, session AS s
         WHERE r.runtime_id = k.runtime_id
           AND (info IS NOT NULL OR r.last_heartbeat < clock_timestamp() - interval '1 minute'
                OR NOT coalesce(k.capabilities -> 'types', '{}') ?& ARRAY(SELECT jsonb_object_keys(a.times)))
        RETURNING 1
    ), inserted AS (
        INSERT INTO noetl.runtime (name, capabilities, runtime)
        SELECT worker_id, jsonb_build_object('types', a.times), s.says
          FROM asked AS a, session AS s
         WHERE NOT EXISTS (SELECT FROM noetl.runtime AS r WHERE r.name = worker_id)
        ON CONFLICT DO NOTHING
        RETURNING 1
    ), swept AS (
        DELETE FROM noetl.runtime AS r
         WHERE EXISTS (SELECT FROM inserted)
           AND r.runtime_id IN (SELECT o.runtime_id FROM noetl.runtime AS o
                                 WHERE o.last_heartbeat < clock_timestamp() - interval '7 days'
                                   AND o.component_type = 'worker'
                                 LIMIT 100 FOR UPDATE SKIP LOCKED)
    )
    SELECT EXISTS (SELECT FROM updated) OR EXISTS (SELECT FROM inserted)
$$;

COMMENT ON FUNCTION noetl.note_worker(text, text[], jsonb) IS
    'writes what noetl.announce() and leases say; internal';
CREATE FUNCTION noetl.announce(worker_id text, types text[] DEFAULT NULL, info jsonb DEFAULT NULL) RETURNS boolean
    AS 'MODULE_PATHNAME', 'noetl_announce'
    LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION noetl.announce(text, text[], jsonb) IS
    'a worker says that it is there: the types it takes (null without info: any) and what it is (info: host, version ...); false when nothing was written. Leases do so by themselves, at most once a minute';
CREATE FUNCTION noetl.join_awaits(catalog_id bigint, waiting text, live text, live_waits boolean) RETURNS boolean
    AS 'MODULE_PATHNAME', 'noetl_join_awaits'
    LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION noetl.join_awaits(bigint, text, text, boolean) IS
    'whether a run that waits at a step waits for a live run of another step (live_waits: which waits at a join itself)';
CREATE FUNCTION noetl.similar_word(word text, known text[]) RETURNS text
    AS 'MODULE_PATHNAME', 'noetl_similar_word'
    LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION noetl.similar_word(text, text[]) IS
    'the first of the known words that a misspelled word may stand for; null: none';
CREATE FUNCTION noetl.visit_of(node_id text, execution_id bigint, node_name text) RETURNS integer
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT coalesce(substring(right(node_id, -length(execution_id || ':' || node_name))
                              FROM '^:([0-9]{1,9})(?:\[|$)')::integer, 1)
$$;
COMMENT ON FUNCTION noetl.visit_of(text, bigint, text) IS 'the visit that a node_id names; 1 where it names none';
CREATE FUNCTION noetl.span(duration interval) RETURNS text
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT CASE WHEN s < 120 THEN floor(s) || ' s'
                WHEN s < 7200 THEN floor(s / 60) || ' min'
                WHEN s < 172800 THEN floor(s / 3600) || ' h'
                ELSE floor(s / 86400) || ' days' END
      FROM (SELECT greatest(extract(epoch FROM duration), 0) AS s) AS seconds
$$;

COMMENT ON FUNCTION noetl.span(interval) IS 'a duration in words, rounded down';
CREATE FUNCTION noetl.some_of(words text[]) RETURNS text
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT array_to_string(words[1:20], ', ')
           || CASE WHEN cardinality(words) > 20 THEN format(' and %s more', cardinality(words) - 20) ELSE '' END
$$;
COMMENT ON FUNCTION noetl.some_of(text[]) IS 'the first 20 words, and how many more there are';
CREATE VIEW noetl.worker WITH (security_barrier) AS
    SELECT r.name AS worker_id,
           ARRAY(SELECT t FROM jsonb_object_keys(CASE jsonb_typeof(r.capabilities -> 'types')
                     WHEN 'object' THEN r.capabilities -> 'types' ELSE '{}' END) AS t ORDER BY t) AS types,
           r.runtime ->> 'host' AS host,
           r.runtime ->> 'version' AS version,
           r.last_heartbeat AS seen,
           t.in_flight,
           CASE WHEN NOT pg_is_in_recovery()
                THEN (SELECT CASE WHEN count(*) = 0 THEN false
                                  ELSE bool_or(a.backend_start = (r.runtime ->> 'backend_start')::timestamptz) END
                        FROM pg_stat_activity AS a
                       WHERE a.pid::text = r.runtime ->> 'pid') END AS connected
      FROM noetl.runtime AS r
     CROSS JOIN LATERAL (SELECT count(*)::integer AS in_flight
                           FROM noetl.queue AS q
                           LEFT JOIN noetl.execution AS x USING (execution_id)
                          WHERE q.worker_id = r.name AND q.status = 'leased'
                            AND coalesce(noetl.acts_for(x.started_by), noetl.may_read(q.execution_id))) AS t
     WHERE r.component_type = 'worker'
       AND (t.in_flight > 0 OR (SELECT noetl.acts_for(c.relowner) FROM pg_class AS c
                                 WHERE c.oid = 'noetl.runtime'::regclass));

COMMENT ON VIEW noetl.worker IS
    'workers that have announced themselves: worker_id, the types they ask for ("*": any), host, version, when they were last seen (to the minute), tasks in flight, whether their session is still there (null on a standby, and for who may not see it). Who is no administrator sees the workers that have tasks of executions of its own, and counts these';
CREATE VIEW noetl.backlog WITH (security_barrier) AS
    SELECT q.node_type AS type, x.path, q.priority,
           count(*) FILTER (WHERE q.status = 'queued' AND NOT p.type_paused) AS ready,
           count(*) FILTER (WHERE q.status = 'leased') AS leased,
           count(*) FILTER (WHERE q.status = 'retry') AS retry,
           now() - min(q.created_at) FILTER (WHERE q.status = 'queued' AND NOT p.type_paused) AS oldest_age,
           count(*) FILTER (WHERE q.status = 'paused' OR (q.status = 'queued' AND p.type_paused)) AS paused,
           count(*) FILTER (WHERE q.status = 'blocked') AS blocked
      FROM noetl.queue AS q
     CROSS JOIN LATERAL (SELECT EXISTS (SELECT FROM noetl.pause_rule AS r     -- noetl.type_paused()
                                         WHERE r.path IS NULL AND (r.type IS NULL OR r.type = q.node_type)
                                           AND (r.until IS NULL OR r.until > clock_timestamp())) AS type_paused) AS p
      LEFT JOIN noetl.execution AS x USING (execution_id)
     WHERE q.status IN ('queued', 'blocked', 'leased', 'retry', 'paused')
       AND coalesce(noetl.acts_for(x.started_by), noetl.may_read(q.execution_id))
     GROUP BY 1, 2, 3;

COMMENT ON VIEW noetl.backlog IS
    'tasks of executions that one may read, by type, path and priority: how many are ready, leased, waiting for their next attempt, paused, blocked by a limit, and for how long the oldest ready one exists';
CREATE VIEW noetl.running WITH (security_barrier) AS
    SELECT x.execution_id, x.path, x.version, x.started_at,
           now() - x.started_at AS running_for,
           x.deadline, x.parent_execution_id, x.started_by,
           (SELECT count(*)::integer FROM noetl.queue AS q
             WHERE q.execution_id = x.execution_id AND q.status IN ('queued', 'blocked', 'leased', 'retry', 'paused')) AS tasks,
           (SELECT count(*)::integer FROM noetl.run AS r WHERE r.execution_id = x.execution_id) AS runs
      FROM noetl.execution AS x
     WHERE x.status = 'RUNNING' AND noetl.acts_for(x.started_by);

COMMENT ON VIEW noetl.running IS
    'executions that run: since when, until when at the latest, how many tasks and other live runs they have. ORDER BY execution_id LIMIT n reads the oldest n only';
CREATE FUNCTION noetl.error_fingerprint(error text) RETURNS text
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT left(regexp_replace(regexp_replace(regexp_replace(regexp_replace(regexp_replace(left(error, 2000),
               '; detail: .*', ''),
               '[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}', '<uuid>', 'g'),
               '"[^"]*"|''[^'']*''', '<text>', 'g'),
               '[0-9]+', '<n>', 'g'),
               '\s+', ' ', 'g'), 300)
$$;

COMMENT ON FUNCTION noetl.error_fingerprint(text) IS
    'an error without what differs from case to case: numbers, UUIDs, quoted parts, and the detail of an SQL error';
CREATE VIEW noetl.failure WITH (security_barrier) AS
    SELECT x.path, s.step, noetl.error_fingerprint(coalesce(s.error, x.error, '')) AS fingerprint,
           count(*) AS count, min(x.ended_at) AS first, max(x.ended_at) AS last,
           max(x.execution_id) AS execution_id, min(coalesce(s.error, x.error)) AS example
      FROM noetl.execution AS x
      -- the step that has ended it: others may have failed before, in an earlier drive or to a handler
      LEFT JOIN LATERAL (SELECT e.node_name AS step, e.error
                           FROM noetl.event AS e
                          WHERE e.execution_id = x.execution_id AND e.event_type = 'step_failed'
                            AND e.node_name = x.result OPERATOR(pg_catalog.->>) 'failed_step'
                            AND (e.meta -> 'ignored') IS NULL
                          ORDER BY e.event_id DESC LIMIT 1) AS s ON true
     WHERE x.status = 'FAILED' AND noetl.acts_for(x.started_by)
     GROUP BY 1, 2, 3;

COMMENT ON VIEW noetl.failure IS
    'executions that failed, grouped by path, step and fingerprint of the error: how many, the first, the last; execution_id and example: one of them';
CREATE FUNCTION noetl.timeline_unchecked(execution_id bigint)
    RETURNS TABLE (step text, visit integer, item integer, attempt integer, worker text,
                   queued_at timestamptz, started_at timestamptz, ended_at timestamptz,
                   status text, error text)
    LANGUAGE sql STABLE STRICT SECURITY DEFINER PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp SET jit = off
AS $$
    WITH redriven AS (
        SELECT e.event_id, e.created_at FROM noetl.event AS e
         WHERE e.execution_id = timeline_unchecked.execution_id AND e.event_type = 'execution_redriven'
           AND (e.meta -> 'ignored') IS NULL
    ), log AS (
        SELECT e.event_id, e.node_id, e.node_name, e.current_index, e.created_at, e.status, e.error,
               e.worker_id, e.meta,
               CASE WHEN e.event_type IN ('action_completed', 'task_complete', 'task_completed', 'task_end',
                                          'action_error', 'action_failed', 'task_error', 'step_result', 'result')
                    THEN 'end'
                    WHEN e.event_type IN ('step_completed', 'step_end', 'step_failed', 'step_skipped') THEN 'close'
                    WHEN e.event_type IN ('action_started', 'task_start') THEN 'start'
                    WHEN e.event_type IN ('action_retry', 'step_retry') THEN 'retry'
                    ELSE 'queue' END AS kind
          FROM noetl.event AS e
         WHERE e.execution_id = timeline_unchecked.execution_id
           AND e.node_name IS NOT NULL
           AND e.event_type IN ('step_started', 'iteration_started', 'loop_iteration', 'action_started', 'task_start',
                                'action_completed', 'task_complete', 'task_completed', 'task_end',
                                'action_error', 'action_failed', 'task_error', 'action_retry', 'step_retry',
                                'step_result', 'result', 'step_completed', 'step_end', 'step_failed', 'step_skipped', 'step_resumed')
           AND (e.meta -> 'ignored') IS NULL
           AND NOT (e.event_type = 'action_retry' AND e.worker_id IS NOT NULL)
        UNION ALL
        -- a task whose lease was lost is in the queue again, unless that has ended its step
        SELECT e.event_id, e.node_id, e.node_name, e.current_index, e.created_at, e.status, e.error,
               NULL, NULL, 'queue'
          FROM noetl.event AS e
         WHERE e.execution_id = timeline_unchecked.execution_id AND e.event_type = 'action_error'
           AND (e.meta -> 'lease_expired') IS NOT NULL AND (e.meta -> 'ignored') IS NULL
           AND NOT EXISTS (SELECT FROM noetl.event AS f
                            WHERE f.execution_id = timeline_unchecked.execution_id AND f.parent_event_id = e.event_id)
        UNION ALL
        -- what a redrive has set going again, and is live
        SELECT r.event_id, l.node_id, l.node_name, l.current_index, r.created_at, NULL, NULL, NULL, NULL, 'redrive'
          FROM (SELECT * FROM redriven ORDER BY event_id DESC LIMIT 1) AS r
         CROSS JOIN (SELECT q.event_id, q.node_id, q.node_name, q.current_index FROM noetl.queue AS q
                      WHERE q.execution_id = timeline_unchecked.execution_id AND q.status <> 'cancelled'
                     UNION ALL
                     SELECT n.event_id, concat(n.execution_id, ':', n.step_name, CASE WHEN n.visit > 1 THEN ':' || n.visit END),
                            n.step_name, NULL
                       FROM noetl.run AS n WHERE n.execution_id = timeline_unchecked.execution_id) AS l
         WHERE l.event_id < r.event_id
    ), numbered AS (
        SELECT l.*, 1 + count(*) FILTER (WHERE l.kind = 'end')
                        OVER (PARTITION BY l.node_id ORDER BY l.event_id, l.kind
                              ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS n,
               bool_or(l.kind = 'end') OVER (PARTITION BY l.node_id) AS worked,
               row_number() OVER (PARTITION BY l.node_id ORDER BY l.event_id, l.kind) AS place
          FROM log AS l
    ), attempt AS (
        SELECT n.node_id, n.node_name, n.n, min(n.current_index) AS item, min(n.event_id) AS first_event,
               -- no delay is longer than a year; what a client says need not be a number
               min(n.created_at + CASE WHEN n.kind = 'retry' AND jsonb_typeof(n.meta -> 'delay') = 'number'
                                       THEN least((n.meta -> 'delay')::numeric, 31622400)::double precision ELSE 0 END * interval '1 s')
                   FILTER (WHERE n.kind IN ('queue', 'retry', 'redrive')) AS queued_at,
               min(n.created_at) FILTER (WHERE n.kind = 'start') AS started_at,
               min(n.created_at) FILTER (WHERE n.kind IN ('end', 'close')) AS ended_at,
               (array_agg(n.status ORDER BY n.event_id) FILTER (WHERE n.kind IN ('end', 'close')))[1] AS status,
               (array_agg(n.error ORDER BY n.event_id) FILTER (WHERE n.kind IN ('end', 'close')))[1] AS error,
               max(n.worker_id) AS worker
          FROM numbered AS n
         WHERE (n.kind <> 'close' OR NOT n.worked)
           AND (n.kind <> 'redrive' OR n.place > 1)     -- an item of an open iterator may begin later
         GROUP BY n.node_id, n.node_name, n.n
    )
    SELECT a.node_name, noetl.visit_of(a.node_id, timeline_unchecked.execution_id, a.node_name), a.item, a.n::integer,
           coalesce(a.worker, q.worker_id),
           coalesce(a.queued_at, (SELECT max(r.created_at) FROM redriven AS r WHERE r.event_id < a.first_event)),
           coalesce(a.started_at, CASE WHEN q.status = 'leased' THEN q.last_heartbeat END),
           a.ended_at, coalesce(a.status, upper(q.status), upper(r.state),
                                CASE WHEN x.status = 'RUNNING' THEN 'RUNNING' ELSE 'ABANDONED' END), a.error
      FROM attempt AS a
      LEFT JOIN noetl.execution AS x ON x.execution_id = timeline_unchecked.execution_id
      LEFT JOIN noetl.queue AS q ON a.ended_at IS NULL AND q.execution_id = timeline_unchecked.execution_id
                                AND q.node_id = a.node_id
      LEFT JOIN LATERAL (SELECT r.state FROM noetl.run AS r
                          WHERE a.ended_at IS NULL AND a.item IS NULL AND r.execution_id = timeline_unchecked.execution_id
                            AND r.step_name = a.node_name
                            AND r.visit = noetl.visit_of(a.node_id, timeline_unchecked.execution_id, a.node_name)) AS r ON true
     ORDER BY a.first_event
$$;

COMMENT ON FUNCTION noetl.timeline_unchecked(bigint) IS
    'what noetl.timeline() returns, without its check of rights; to be granted to nobody';
CREATE FUNCTION noetl.timeline(execution_id bigint)
    RETURNS TABLE (step text, visit integer, item integer, attempt integer, worker text,
                   queued_at timestamptz, started_at timestamptz, ended_at timestamptz,
                   status text, error text)
    AS 'MODULE_PATHNAME', 'noetl_of_own_execution'
    LANGUAGE C STABLE STRICT PARALLEL RESTRICTED;
COMMENT ON FUNCTION noetl.timeline(bigint) IS
    'a row per attempt of each step (and item), in the order of the log: worker, when it was queued, started and ended, status, error. Steps that need no worker have one row';
CREATE FUNCTION noetl.progress_unchecked(execution_id bigint)
    RETURNS TABLE (step text, state text, visits integer, attempts integer,
                   started_at timestamptz, ended_at timestamptz, error text)
    LANGUAGE sql STABLE STRICT SECURITY DEFINER PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp SET jit = off
AS $$
    WITH past AS (
        SELECT e.node_name AS step,
               (array_agg(e.event_type ORDER BY e.event_id DESC) FILTER (WHERE e.event_type LIKE 'step_%'))[1] AS event,
               (array_agg(e.status ORDER BY e.event_id DESC) FILTER (WHERE e.event_type LIKE 'step_%'))[1] AS status,
               greatest(count(DISTINCT e.node_id), 1)::integer AS visits,
               -- a redrive counts on from the attempts that were made
               greatest(1 + count(*) FILTER (WHERE e.event_type IN ('action_retry', 'step_resumed')),
                        max(CASE WHEN e.meta ->> 'attempt' ~ '^[0-9]{1,6}$' AND e.event_type IN ('action_completed', 'action_error')
                                 THEN (e.meta ->> 'attempt')::integer END))::integer AS attempts,
               min(coalesce(w.started_at, e.created_at)) AS started_at,
               max(coalesce(w.ended_at, e.created_at)) AS ended_at,
               (array_agg(e.error ORDER BY e.event_id DESC) FILTER (WHERE e.event_type LIKE 'step_%'))[1] AS error
          FROM noetl.event AS e
          -- a step that a migration has renamed has the times that it had under its former name
          LEFT JOIN LATERAL (SELECT min(o.created_at) AS started_at, max(o.created_at) AS ended_at
                               FROM noetl.event AS o
                              WHERE e.event_type = 'step_carried' AND o.execution_id = e.execution_id
                                AND o.node_id = concat(e.execution_id, ':', e.meta ->> 'was',
                                        right(e.node_id, -length(concat(e.execution_id, ':', e.node_name))))
                                AND o.event_type IN ('step_started', 'step_completed', 'step_end', 'step_skipped')) AS w ON true
         WHERE e.execution_id = progress_unchecked.execution_id AND e.current_index IS NULL
           AND (e.event_type IN ('step_started', 'step_completed', 'step_end', 'step_failed', 'step_skipped', 'step_held',
                                 'step_resumed', 'action_retry', 'action_completed', 'action_error')
                OR e.event_type = 'step_carried' AND e.meta ? 'was')
           AND (e.meta -> 'ignored') IS NULL
         GROUP BY e.node_name
        UNION ALL
        -- the end, unless it is a step that did something
        SELECT e.node_name, 'step_completed', 'COMPLETED', 1, 1, e.created_at, e.created_at, NULL
          FROM noetl.event AS e
         WHERE e.execution_id = progress_unchecked.execution_id
           AND e.event_type IN ('execution_complete', 'execution_completed', 'execution_end')
           AND (e.meta -> 'ignored') IS NULL AND e.node_name IS NOT NULL
           AND NOT EXISTS (SELECT FROM noetl.event AS o
                            WHERE o.execution_id = e.execution_id AND o.node_name = e.node_name
                              AND o.event_type IN ('step_completed', 'step_end', 'step_skipped')
                              AND (o.meta -> 'ignored') IS NULL)
    ), live AS (
        SELECT l.step, string_agg(DISTINCT l.state, ', ' ORDER BY l.state) AS state, count(*)::integer AS runs,
               min(l.created_at) AS since
          FROM (SELECT q.node_name AS step, q.status AS state, q.created_at FROM noetl.queue AS q
                 WHERE q.execution_id = progress_unchecked.execution_id AND q.current_index IS NULL
                   AND q.status IN ('queued', 'blocked', 'leased', 'retry', 'paused')
                UNION ALL
                SELECT r.step_name, r.state, r.created_at FROM noetl.run AS r
                 WHERE r.execution_id = progress_unchecked.execution_id) AS l
         GROUP BY l.step
    )
    SELECT coalesce(p.step, l.step),
           coalesce(l.state, CASE WHEN p.event = 'step_skipped' THEN 'skipped'
                                  WHEN p.event IN ('step_started', 'step_held', 'step_resumed', 'action_retry') THEN 'abandoned'
                                  ELSE lower(p.status) END),
           coalesce(p.visits, l.runs), coalesce(p.attempts, 1), coalesce(p.started_at, l.since),
           CASE WHEN l.state IS NULL THEN p.ended_at END, CASE WHEN l.state IS NULL THEN p.error END
      FROM past AS p
      FULL JOIN live AS l ON l.step = p.step
$$;

COMMENT ON FUNCTION noetl.progress_unchecked(bigint) IS
    'what noetl.progress() returns, without its check of rights; to be granted to nobody';
CREATE FUNCTION noetl.progress(execution_id bigint)
    RETURNS TABLE (step text, state text, visits integer, attempts integer,
                   started_at timestamptz, ended_at timestamptz, error text)
    AS 'MODULE_PATHNAME', 'noetl_of_own_execution'
    LANGUAGE C STABLE STRICT PARALLEL RESTRICTED;
COMMENT ON FUNCTION noetl.progress(bigint) IS
    'the state of each step that an execution has reached: queued, leased, retry, paused, waiting, open, awaiting, held; completed, failed, skipped, abandoned; with visits, attempts and times';
-- Counters come from the statistics of the tables, gauges from the planner's
-- estimates or from index probes that stop after 10,000 entries.
CREATE FUNCTION noetl.metrics() RETURNS text
    LANGUAGE sql STABLE SECURITY DEFINER PARALLEL RESTRICTED
    SET search_path = pg_catalog, pg_temp SET jit = off
    -- an index that leads to the rows, not one with a filter, whatever is known of the tables
    SET enable_seqscan = off SET enable_bitmapscan = off SET cpu_operator_cost = 1 SET random_page_cost = 0.01
AS $$
    -- Ready tasks are in two indexes, by whether they have a key of fairness; each query below names one.
    WITH RECURSIVE kind AS (
        SELECT n.node_type, n.priority
          FROM (VALUES (true)) AS one
         CROSS JOIN LATERAL (
            (SELECT q.node_type, q.priority FROM noetl.queue AS q
              WHERE q.status = 'queued' AND q.fair_key IS NULL ORDER BY q.node_type, q.priority DESC LIMIT 1)
            UNION ALL
            (SELECT q.node_type, q.priority FROM noetl.queue AS q
              WHERE q.status = 'queued' AND q.fair_key IS NOT NULL ORDER BY q.node_type, q.priority DESC LIMIT 1)
            ORDER BY node_type, priority DESC LIMIT 1) AS n
        UNION ALL
        SELECT n.node_type, n.priority
          FROM kind AS k
         CROSS JOIN LATERAL (
            (SELECT q.node_type, q.priority FROM noetl.queue AS q
              WHERE q.status = 'queued' AND q.fair_key IS NULL AND q.node_type = k.node_type AND q.priority < k.priority
              ORDER BY q.node_type, q.priority DESC LIMIT 1)
            UNION ALL
            (SELECT q.node_type, q.priority FROM noetl.queue AS q
              WHERE q.status = 'queued' AND q.fair_key IS NOT NULL AND q.node_type = k.node_type AND q.priority < k.priority
              ORDER BY q.node_type, q.priority DESC LIMIT 1)
            UNION ALL
            (SELECT q.node_type, q.priority FROM noetl.queue AS q
              WHERE q.status = 'queued' AND q.fair_key IS NULL AND q.node_type > k.node_type
              ORDER BY q.node_type, q.priority DESC LIMIT 1)
            UNION ALL
            (SELECT q.node_type, q.priority FROM noetl.queue AS q
              WHERE q.status = 'queued' AND q.fair_key IS NOT NULL AND q.node_type > k.node_type
              ORDER BY q.node_type, q.priority DESC LIMIT 1)
            ORDER BY node_type, priority DESC LIMIT 1) AS n
    ), queued AS (
        SELECT k.node_type AS type, k.priority, noetl.type_paused(k.node_type) AS paused,
               least(c.n, 10000) AS n, c.created_at
          FROM (SELECT * FROM kind LIMIT 200) AS k
         CROSS JOIN LATERAL (SELECT sum(p.n) AS n, min(p.created_at) AS created_at
                               FROM (SELECT count(*) AS n, (array_agg(q.created_at))[1] AS created_at
                                       FROM (SELECT q.created_at FROM noetl.queue AS q
                                              WHERE q.status = 'queued' AND q.fair_key IS NULL AND q.node_type = k.node_type AND q.priority = k.priority
                                              ORDER BY q.node_type, q.priority DESC, q.queue_id LIMIT 10000) AS q
                                     UNION ALL
                                     SELECT count(*), (array_agg(q.created_at))[1]
                                       FROM (SELECT q.created_at FROM noetl.queue AS q
                                              WHERE q.status = 'queued' AND q.fair_key IS NOT NULL AND q.node_type = k.node_type AND q.priority = k.priority
                                              ORDER BY q.node_type, q.priority DESC, q.queue_id LIMIT 10000) AS q) AS p) AS c
    ), ready AS (
        SELECT * FROM queued WHERE NOT paused
    ), task AS (
        SELECT s.status, (SELECT count(*) FROM (SELECT FROM noetl.queue AS q WHERE (q.status IN ('leased', 'cancelled') OR q.deadline IS NOT NULL) AND q.status = 'leased'
                                   ORDER BY q.lease_until LIMIT 10000) AS l) AS n
          FROM (VALUES ('leased')) AS s (status)
        UNION ALL
        SELECT 'retry', (SELECT count(*) FROM (SELECT FROM noetl.queue AS q WHERE q.status = 'retry' AND q.available_at IS NOT NULL ORDER BY q.available_at LIMIT 10000) AS r)
        UNION ALL
        -- a pause of a type leaves its tasks queued
        SELECT 'paused', least(10000, (SELECT coalesce(sum(q.n), 0) FROM queued AS q WHERE q.paused)
                                      + (SELECT count(*) FROM (SELECT FROM noetl.queue AS q WHERE q.status = 'paused' AND q.available_at IS NULL ORDER BY q.paused_by LIMIT 10000) AS r))
        UNION ALL
        SELECT 'blocked', (SELECT count(*) FILTER (WHERE w.task)
                             FROM (SELECT s.task FROM noetl.slot AS s WHERE NOT s.held ORDER BY s.name, s.key, s.queue_id LIMIT 10000) AS w)
    ), stat AS (
        SELECT c.relname::text AS name, pg_stat_get_tuples_inserted(c.oid) AS ins,
               pg_stat_get_tuples_updated(c.oid) AS upd, pg_stat_get_tuples_deleted(c.oid) AS del,
               CASE WHEN c.reltuples >= 0 THEN c.reltuples::bigint ELSE 0 END AS rows,
               pg_relation_size(c.oid) AS bytes
          FROM pg_class AS c
         WHERE c.oid IN ('noetl.execution'::regclass, 'noetl.queue'::regclass, 'noetl.run'::regclass)
            OR c.oid IN (SELECT i.inhrelid FROM pg_inherits AS i WHERE i.inhparent = 'noetl.event'::regclass)
    ), event AS (
        SELECT sum(s.ins) AS ins, sum(s.bytes) AS bytes FROM stat AS s WHERE s.name NOT IN ('execution', 'queue', 'run')
    ), running AS (
        SELECT count(*) AS n, min(r.started_at) AS oldest
          FROM (SELECT x.started_at FROM noetl.execution AS x
                 WHERE x.status = 'RUNNING' ORDER BY x.execution_id LIMIT 10000) AS r
    ), worker AS (
        SELECT count(*) AS n FROM noetl.runtime AS r
         WHERE r.component_type = 'worker' AND r.last_heartbeat > clock_timestamp() - interval '5 min'
    ), family (rank, name, type, unit, help) AS (
        VALUES (1, 'target', 'info', NULL, 'The service and the database it is in'),
               (2, 'noetl_execution_active', 'gauge', NULL, 'Executions that run; at most 10000 are counted'),
               (3, 'noetl_execution_oldest_age_seconds', 'gauge', 'seconds', 'For how long the oldest execution has run'),
               (4, 'noetl_execution_started', 'counter', NULL, 'Executions started since the statistics were reset'),
               (5, 'noetl_task_ready', 'gauge', NULL, 'Tasks that a worker may lease; at most 10000 of each type and priority are counted'),
               (6, 'noetl_task_oldest_age_seconds', 'gauge', 'seconds', 'Age of the first ready task of each type and priority'),
               (7, 'noetl_task_in_flight', 'gauge', NULL, 'Tasks that are leased, wait for their next attempt or for a slot of a limit, or are paused; at most 10000 of each are counted'),
               (8, 'noetl_task_enqueued', 'counter', NULL, 'Tasks enqueued since the statistics were reset'),
               (9, 'noetl_task_finished', 'counter', NULL, 'Tasks that have left the queue since the statistics were reset'),
               (10, 'noetl_event_stored', 'counter', NULL, 'Events stored since the statistics were reset'),
               (11, 'noetl_event_storage_bytes', 'gauge', 'bytes', 'Size of the event log without indexes and TOAST'),
               (12, 'noetl_table_rows', 'gauge', NULL, 'Rows of a table as the planner estimates them'),
               (13, 'noetl_worker_active', 'gauge', NULL, 'Workers seen within five minutes')
    ), label AS (
        SELECT format('{noetl_task_type="%s",noetl_task_priority="%s"}',
                      replace(replace(replace(r.type, '\', '\\'), '"', '\"'), E'\n', '\n'), r.priority) AS text, r.*
          FROM ready AS r
    ), sample (rank, text) AS (
        SELECT 1, format('target_info{service_name="noetl",service_version="%s",db_system_name="postgresql",db_namespace="%s"} 1',
                         (SELECT e.extversion FROM pg_extension AS e WHERE e.extname = 'noetl'),
                         replace(replace(replace(current_database(), '\', '\\'), '"', '\"'), E'\n', '\n'))
        UNION ALL SELECT 2, 'noetl_execution_active ' || n FROM running
        UNION ALL SELECT 3, 'noetl_execution_oldest_age_seconds '
                            || coalesce(round(greatest(extract(epoch FROM clock_timestamp() - oldest), 0)::numeric, 3), 0) FROM running
        UNION ALL SELECT 4, 'noetl_execution_started_total ' || ins FROM stat WHERE name = 'execution'
        UNION ALL SELECT 5, 'noetl_task_ready' || l.text || ' ' || l.n FROM label AS l
        UNION ALL SELECT 6, 'noetl_task_oldest_age_seconds' || l.text || ' '
                            || round(greatest(extract(epoch FROM clock_timestamp() - l.created_at), 0)::numeric, 3) FROM label AS l
        UNION ALL SELECT 7, format('noetl_task_in_flight{noetl_task_status="%s"} %s', t.status, t.n) FROM task AS t
        UNION ALL SELECT 8, 'noetl_task_enqueued_total ' || ins FROM stat WHERE name = 'queue'
        UNION ALL SELECT 9, 'noetl_task_finished_total ' || del FROM stat WHERE name = 'queue'
        UNION ALL SELECT 10, 'noetl_event_stored_total ' || coalesce(ins, 0) FROM event
        UNION ALL SELECT 11, 'noetl_event_storage_bytes ' || coalesce(bytes, 0) FROM event
        UNION ALL SELECT 12, format('noetl_table_rows{noetl_table_name="%s"} %s', s.name, s.rows)
                    FROM stat AS s WHERE s.name IN ('execution', 'queue', 'run')
        UNION ALL SELECT 13, 'noetl_worker_active ' || n FROM worker
    )
    SELECT string_agg(concat_ws(E'\n', format('# TYPE %s %s', f.name, f.type),
                                CASE WHEN f.unit IS NOT NULL THEN format('# UNIT %s %s', f.name, f.unit) END,
                                format('# HELP %s %s.', f.name, f.help),
                                (SELECT string_agg(s.text, E'\n' ORDER BY s.text) FROM sample AS s WHERE s.rank = f.rank)),
                      E'\n' ORDER BY f.rank) || E'\n# EOF\n'
      FROM family AS f
$$;

COMMENT ON FUNCTION noetl.metrics() IS
    'gauges and counters in the OpenMetrics text format; its cost does not grow with the tables';
CREATE FUNCTION noetl.explain_unchecked(path_or_execution text, format text) RETURNS text
    AS 'MODULE_PATHNAME', 'noetl_explain_unchecked'
    LANGUAGE C STABLE STRICT PARALLEL RESTRICTED SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION noetl.explain_unchecked(text, text) IS
    'what noetl.explain() returns, without its check of rights; to be granted to nobody';
CREATE FUNCTION noetl.explain(path_or_execution text, format text DEFAULT 'text') RETURNS text
    AS 'MODULE_PATHNAME', 'noetl_explain'
    LANGUAGE C STABLE STRICT PARALLEL RESTRICTED;
COMMENT ON FUNCTION noetl.explain(text, text) IS
    'the graph of a playbook (its path: the newest version) or of an execution (its id: with states, visits and times) as text, mermaid, dot, json or svg (an element whose classes a page colours)';
CREATE FUNCTION noetl.report_unchecked(execution_id bigint) RETURNS text
    AS 'MODULE_PATHNAME', 'noetl_report_unchecked'
    LANGUAGE C STABLE STRICT PARALLEL RESTRICTED SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp SET jit = off;
COMMENT ON FUNCTION noetl.report_unchecked(bigint) IS
    'what noetl.report() returns, without its check of rights; to be granted to nobody';
CREATE FUNCTION noetl.report(execution_id bigint) RETURNS text
    AS 'MODULE_PATHNAME', 'noetl_of_own_execution'
    LANGUAGE C STABLE STRICT PARALLEL RESTRICTED;
COMMENT ON FUNCTION noetl.report(bigint) IS
    'one HTML page about an execution that loads nothing: errors, graph, timeline, events with input and result';
REVOKE ALL ON FUNCTION noetl.note_worker(text, text[], jsonb), noetl.announce(text, text[], jsonb),
    noetl.join_awaits(bigint, text, text, boolean), noetl.timeline(bigint), noetl.progress(bigint),
    noetl.timeline_unchecked(bigint), noetl.progress_unchecked(bigint),
    noetl.explain_unchecked(text, text), noetl.report_unchecked(bigint), noetl.metrics(), noetl.explain(text, text),
    noetl.report(bigint) FROM PUBLIC;

-- ---------------------------------------------------------------------------
-- noetl.why(): what an execution waits for, in words, and what to do (src/api/why.c)
-- ---------------------------------------------------------------------------

-- noetl-worker says what its sessions are called, unless a pooler is between them and it;
-- of other workers nobody knows whether they keep one.
CREATE FUNCTION noetl.worker_has_gone(runtime jsonb) RETURNS boolean
    LANGUAGE sql STABLE PARALLEL RESTRICTED
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT NOT pg_is_in_recovery() AND runtime ->> 'application' IS NOT NULL
           AND NOT EXISTS (SELECT FROM pg_stat_activity AS a
                            WHERE a.datname = current_database() AND a.application_name = runtime ->> 'application')
$$;

COMMENT ON FUNCTION noetl.worker_has_gone(jsonb) IS
    'whether a worker that keeps its session has none any more; part of noetl.why()';
-- A library that was not preloaded lets a reload change the setting, and has no timer.
CREATE FUNCTION noetl.timer_is_idle() RETURNS boolean
    LANGUAGE sql STABLE PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT EXISTS (SELECT FROM pg_settings AS s
                    WHERE s.name = 'noetl.timer' AND s.setting = 'on' AND s.context <> 'postmaster')
$$;

COMMENT ON FUNCTION noetl.timer_is_idle() IS
    'whether noetl.timer is on without effect, as the library is not in shared_preload_libraries; part of noetl.why()';
CREATE FUNCTION noetl.why_overdue() RETURNS text
    LANGUAGE sql STABLE PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT CASE WHEN noetl.timer_is_idle()
                THEN 'SELECT noetl.enqueue_next(), or start a worker; noetl.timer = on has no effect as long as noetl is not in shared_preload_libraries.'
                ELSE 'SELECT noetl.enqueue_next(), start a worker, or set noetl.timer = on.' END
$$;

COMMENT ON FUNCTION noetl.why_overdue() IS 'what to do about what is due and done by nobody; part of noetl.why()';
-- A cause is a branch of the UNION in noetl.why(); those that need more than a
-- line have a function of their own.
CREATE FUNCTION noetl.why_queued(task noetl.queue)
    RETURNS TABLE (waits_for text, detail text, hint text)
    LANGUAGE sql STABLE PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
AS $$
    WITH asked AS (
        SELECT w.worker_id, a.key AS type, (a.value #>> '{}')::timestamptz AS at,
               coalesce(w.connected, false)
               OR (a.value #>> '{}')::timestamptz > clock_timestamp() - interval '5 min'
                  AND NOT coalesce(noetl.worker_has_gone(r.runtime), false) AS alive
          FROM noetl.worker AS w
          JOIN noetl.runtime AS r ON r.name = w.worker_id
         CROSS JOIN LATERAL jsonb_each(CASE jsonb_typeof(r.capabilities -> 'types') WHEN 'object'
                                            THEN r.capabilities -> 'types' ELSE '{}' END) AS a
    ), takers AS (
        SELECT a.* FROM asked AS a WHERE a.type IN (task.node_type, '*')
    ), last AS (
        SELECT t.* FROM takers AS t ORDER BY t.at DESC LIMIT 1
    ), ahead AS (
        SELECT count(*) AS n
          FROM (SELECT FROM noetl.queue AS q
                 WHERE q.status = 'queued' AND q.node_type = task.node_type AND q.priority > task.priority
                UNION ALL
                SELECT FROM noetl.queue AS q
                 WHERE q.status = 'queued' AND q.node_type = task.node_type AND q.priority = task.priority
                   AND q.queue_id < task.queue_id
                 LIMIT 1000) AS q
    ), near AS (
        SELECT noetl.similar_word(task.node_type, ARRAY(SELECT a.type FROM asked AS a WHERE a.alive
                                                         ORDER BY a.at DESC)) AS type
    )
    SELECT format('a worker that takes tasks of type "%s"', task.node_type),
           CASE WHEN (SELECT count(*) FROM last) = 0
                THEN format('No worker is known to have asked for type "%s". The task has been ready for %s.',
                            task.node_type, noetl.span(clock_timestamp() - task.created_at))
                WHEN NOT EXISTS (SELECT FROM takers AS t WHERE t.alive)
                     AND last.at > clock_timestamp() - interval '5 min'
                THEN format('No worker that takes tasks of type "%s" is connected; worker "%s" was the last, %s ago.',
                            task.node_type, last.worker_id, noetl.span(clock_timestamp() - last.at))
                WHEN NOT EXISTS (SELECT FROM takers AS t WHERE t.alive)
                THEN format('No worker has asked for type "%s" for %s; worker "%s" was the last.', task.node_type,
                            noetl.span(clock_timestamp() - last.at), last.worker_id)
                ELSE format('%s of type "%s"; tasks of this type ahead of this one: %s.',
                            CASE n.alive WHEN 1 THEN format('Worker "%s" takes tasks', last.worker_id)
                                         ELSE n.alive || ' workers take tasks' END,
                            task.node_type,
                            CASE ahead.n WHEN 1000 THEN '1000 or more' ELSE ahead.n::text END) END,
           CASE WHEN EXISTS (SELECT FROM takers AS t WHERE t.alive) THEN
                     CASE WHEN ahead.n = 0 THEN 'The workers may be busy with other tasks: see noetl.worker.'
                          ELSE 'Start more workers, or give the step a higher priority.' END
                WHEN near.type IS NOT NULL
                THEN format('Workers ask for "%s": correct the type of the step, or start a worker for "%s".',
                            near.type, task.node_type)
                ELSE format('Start a worker that takes type "%s".', task.node_type) END
      FROM near
     CROSS JOIN ahead
     CROSS JOIN (SELECT count(DISTINCT t.worker_id) FILTER (WHERE t.alive) AS alive FROM takers AS t) AS n
      LEFT JOIN last ON true
$$;

COMMENT ON FUNCTION noetl.why_queued(noetl.queue) IS 'why a ready task is not leased; part of noetl.why()';
CREATE FUNCTION noetl.why_leased(task noetl.queue)
    RETURNS TABLE (waits_for text, detail text, hint text)
    LANGUAGE sql STABLE PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT coalesce('worker "' || task.worker_id || '"', 'a client without a name'),
           format('%s has it since %s, attempt %s of %s; %s.', coalesce('Worker "' || task.worker_id || '"', 'A client without a name'),
                  task.last_heartbeat, task.attempts, task.max_attempts,
                  CASE WHEN task.worker_id IS NULL
                       THEN 'its action_started had no worker_id, so it has no lease that could run out'
                            || coalesce(', but the timeout ends at ' || task.deadline, '')
                       WHEN task.lease_until < clock_timestamp()
                       THEN format('the lease ran out %s ago and nobody has taken it back',
                                   noetl.span(clock_timestamp() - task.lease_until))
                       ELSE format('the lease lasts until %s%s', task.lease_until, coalesce(', the timeout ends at ' || task.deadline, '')) END)
           || coalesce((SELECT concat(' Progress: ', concat_ws(', ', CASE jsonb_typeof(p.p -> 'progress') WHEN 'number' THEN (p.p -> 'progress')::numeric * 100 || ' %' END, p.p ->> 'message',
                                      noetl.span(clock_timestamp() - (p.p ->> 'at')::timestamptz) || ' ago'), '.')
                          FROM (SELECT noetl.last_progress(task.execution_id, task.node_name, task.node_id) AS p) AS p
                         WHERE p.p IS NOT NULL), ''),
           CASE WHEN task.worker_id IS NULL
                THEN format('If the client is gone: INSERT INTO noetl.event (execution_id, event_type, node_name, node_id, error) '
                            'VALUES (%s, ''action_error'', %L, %L, ''its client is gone'');',
                            task.execution_id, task.node_name, task.node_id)
                WHEN task.lease_until < clock_timestamp()
                THEN noetl.why_overdue()
                ELSE 'If the worker is dead, the next attempt begins when the lease has run out.' END
$$;

COMMENT ON FUNCTION noetl.why_leased(noetl.queue) IS 'who works on a task, and until when; part of noetl.why()';
-- Where a rate keeps the first of those that wait back, limit_pace.due_at is the time of its
-- turn, and each of the others has to wait for one interval more; where there is no slot, none
-- is due.
CREATE FUNCTION noetl.why_blocked(queue_id bigint, OUT waits_for text, OUT detail text, OUT hint text, OUT due timestamptz)
    LANGUAGE sql STABLE PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
    AS $$
    WITH s AS (
        SELECT s.*, s.spec -> s.ordinal AS own FROM noetl.slot AS s
         WHERE s.queue_id = why_blocked.queue_id AND NOT s.held
         ORDER BY s.ordinal LIMIT 1
    ), counted AS (
        SELECT s.name, s.key,
               (SELECT count(*) FROM noetl.slot AS b
                 WHERE b.name = s.name AND b.key = s.key AND NOT b.held AND b.queue_id < s.queue_id) AS before,
               (SELECT count(*) FROM noetl.slot AS h WHERE h.name = s.name AND h.key = s.key AND h.held) AS held,
               CASE WHEN r.name IS NULL THEN (s.own ->> 'concurrency')::bigint ELSE r.concurrency END AS concurrency,
               CASE WHEN r.name IS NULL THEN (s.own ->> 'rate')::bigint ELSE r.rate END AS rate,
               CASE WHEN r.name IS NULL THEN (s.own ->> 'per')::bigint ELSE r.per END AS per, p.due_at
          FROM s
          LEFT JOIN noetl.limit_rule AS r ON r.name = s.name
          LEFT JOIN noetl.limit_pace AS p ON p.name = s.name AND p.key = s.key
    ), timed AS (
        SELECT c.*, CASE WHEN c.rate > 0 AND (c.concurrency IS NULL OR c.held < c.concurrency)
                         THEN c.due_at + c.before * (c.per / c.rate) * interval '1 us' END AS due
          FROM counted AS c
    )
    SELECT 'limit',
           format('blocked by limit "%s"%s, %s before it%s', t.name,
                  CASE WHEN t.key <> '' THEN format(' (key "%s")', t.key) ELSE '' END, t.before,
                  CASE WHEN t.due IS NOT NULL THEN format('; its rate lets it begin at %s', t.due) ELSE '' END),
           format('%s have a slot; noetl.set_limit() changes the limit', t.held), t.due
      FROM timed AS t
$$;

COMMENT ON FUNCTION noetl.why_blocked(bigint) IS 'which limit a task or an execution waits for; part of noetl.why()';
-- A rule that names no path leaves the rows of its tasks as they are.
CREATE FUNCTION noetl.type_paused(type text) RETURNS boolean
    LANGUAGE sql STABLE PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT EXISTS (SELECT FROM noetl.pause_rule AS r
                    WHERE r.path IS NULL AND (r.type IS NULL OR r.type = type_paused.type)
                      AND (r.until IS NULL OR r.until > clock_timestamp()))
$$;

COMMENT ON FUNCTION noetl.type_paused(text) IS 'whether all tasks of a type are paused by noetl.pause_tasks(); part of noetl.why()';
CREATE FUNCTION noetl.why_paused(task noetl.queue)
    RETURNS TABLE (since timestamptz, due timestamptz, waits_for text, detail text, hint text)
    LANGUAGE sql STABLE PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
AS $$
    WITH rule AS (
        SELECT r.*, concat_ws(' of ', CASE WHEN r.type IS NULL THEN 'Tasks' ELSE format('Tasks of type "%s"', r.type) END,
                              'playbook "' || r.path || '"') AS kind,
               concat_ws(', ', 'path => ' || quote_literal(r.path), 'type => ' || quote_literal(r.type)) AS arguments
          FROM noetl.pause_rule AS r
         WHERE CASE task.status WHEN 'paused' THEN r.pause_id = task.paused_by
                    ELSE r.path IS NULL AND (r.type IS NULL OR r.type = task.node_type)
                         AND (r.until IS NULL OR r.until > clock_timestamp()) END
         ORDER BY r.paused_at LIMIT 1
    ), tree AS (
        SELECT p.* FROM noetl.pause_of(task.execution_id) AS p
         WHERE task.status = 'paused' AND p.paused_execution = task.paused_by
    )
    SELECT r.paused_at, r.until, 'noetl.resume_tasks()',
           format('%s are paused by role %s since %s%s%s.', r.kind, r.paused_by, r.paused_at,
                  coalesce(', until ' || r.until, ''), coalesce(': ' || r.reason, '')),
           format('SELECT noetl.resume_tasks(%s);', r.arguments)
      FROM rule AS r
    UNION ALL
    SELECT t.since, t.until, 'noetl.resume()',
           format('%s paused by role %s since %s%s%s.',
                  CASE WHEN t.paused_execution = task.execution_id THEN 'The execution is'
                       ELSE format('Execution %s, which has started this one, is', t.paused_execution) END,
                  t.by, t.since, coalesce(', until ' || t.until, ''), coalesce(': ' || t.reason, '')),
           format('SELECT noetl.resume(%s);', t.paused_execution)
      FROM tree AS t
    UNION ALL
    SELECT task.created_at, NULL, 'a portion of the tasks whose pause is over',
           'The pause is over; whoever leases makes its tasks ready, portion by portion.',
           noetl.why_overdue()
     WHERE task.status = 'paused' AND NOT EXISTS (SELECT FROM rule) AND NOT EXISTS (SELECT FROM tree)
$$;

COMMENT ON FUNCTION noetl.why_paused(noetl.queue) IS
    'which pause keeps a task back; part of noetl.why()';
CREATE FUNCTION noetl.why_waiting(run noetl.run, catalog_id bigint)
    RETURNS TABLE (waits_for text, detail text, hint text)
    LANGUAGE sql STABLE PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
AS $$
    WITH live AS (
        SELECT q.node_name AS step, noetl.visit_of(q.node_id, q.execution_id, q.node_name) AS visit, q.status AS state
          FROM noetl.queue AS q
         WHERE q.execution_id = run.execution_id AND q.current_index IS NULL
           AND q.status IN ('queued', 'blocked', 'leased', 'retry', 'paused')
        UNION ALL
        SELECT r.step_name, r.visit, r.state
          FROM noetl.run AS r
         WHERE r.execution_id = run.execution_id
           AND (r.step_name, r.visit) IS DISTINCT FROM (run.step_name, run.visit)
    ), awaited AS (
        SELECT noetl.some_of(array_agg(l.step || CASE WHEN l.visit > 1 THEN format(' (visit %s)', l.visit) ELSE '' END
                                       || ' (' || l.state || ')' ORDER BY l.step, l.visit)) AS steps
          FROM live AS l
         WHERE noetl.join_awaits(catalog_id, run.step_name, l.step, l.state = 'waiting')
    ), arrived AS (
        SELECT noetl.some_of(array_agg(DISTINCT a.branch ->> 'from' ORDER BY a.branch ->> 'from')) AS steps
          FROM (SELECT jsonb_array_elements(run.arrivals)
                UNION ALL
                SELECT more.arrival
                  FROM noetl.arrival AS more
                 WHERE (more.execution_id, more.step_name, more.visit) = (run.execution_id, run.step_name, run.visit)) AS a (branch)
    )
    SELECT coalesce('branches that can still arrive: ' || awaited.steps, 'nothing'),
           format('The step waits at a join%s; %s.',
                  coalesce(' (arrived: ' || arrived.steps || ')', ''),
                  coalesce('still live and able to reach it: ' || awaited.steps,
                           'no live run can reach it, so it should have started')),
           CASE WHEN awaited.steps IS NULL
                THEN format('SELECT * FROM noetl.verify(%1$s); then noetl.rebuild(%1$s).', run.execution_id)
                ELSE 'Look at the rows of those steps.' END
      FROM awaited, arrived
$$;

COMMENT ON FUNCTION noetl.why_waiting(noetl.run, bigint) IS
    'which branches a join waits for; part of noetl.why()';
-- The event has the name that the step had then: migrations since may have given it others.
CREATE FUNCTION noetl.held_since(execution_id bigint, step text, visit integer, OUT created_at timestamptz, OUT error text)
    LANGUAGE sql STABLE PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
AS $$
    WITH RECURSIVE migration AS (
        SELECT e.event_id, e.context -> 'step_map' AS map, row_number() OVER (ORDER BY e.event_id) AS n
          FROM noetl.event AS e
         WHERE e.execution_id = held_since.execution_id AND e.event_type = 'execution_migrated' AND (e.meta -> 'ignored') IS NULL
    ), held AS (
        SELECT e.event_id, e.created_at, e.error, e.node_name AS step,
               (SELECT count(*) FROM migration AS m WHERE m.event_id < e.event_id) AS n
          FROM noetl.event AS e
         WHERE e.execution_id = held_since.execution_id AND e.event_type = 'step_held'
           AND noetl.visit_of(e.node_id, e.execution_id, e.node_name) = held_since.visit
        UNION ALL
        SELECT h.event_id, h.created_at, h.error, coalesce(m.map ->> h.step, h.step), m.n
          FROM held AS h JOIN migration AS m ON m.n = h.n + 1
    )
    SELECT h.created_at, h.error FROM held AS h
     WHERE h.step = held_since.step AND h.n = (SELECT count(*) FROM migration)
     ORDER BY h.event_id DESC LIMIT 1
$$;

COMMENT ON FUNCTION noetl.held_since(bigint, text, integer) IS
    'since when a visit of a step is held, and the error; part of noetl.why() and noetl.retry_all()';
CREATE FUNCTION noetl.why_open(run noetl.run)
    RETURNS TABLE (waits_for text, detail text, hint text)
    LANGUAGE sql STABLE PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
AS $$
    WITH child AS (
        SELECT count(*) AS n, count(*) FILTER (WHERE c.status = 'RUNNING') AS running,
               count(*) FILTER (WHERE c.status = 'SCHEDULED') AS scheduled,
               count(*) FILTER (WHERE c.status IN ('FAILED', 'CANCELLED')) AS failed,
               min(c.execution_id) FILTER (WHERE c.status = 'RUNNING') AS oldest,
               min(c.execution_id) FILTER (WHERE c.status = 'SCHEDULED') AS first_scheduled
          FROM noetl.execution AS c
         WHERE c.parent_execution_id = run.execution_id AND c.parent_event_id = run.event_id
    ), task AS (
        SELECT count(*) AS n, count(*) FILTER (WHERE q.status = 'queued' AND NOT p.type_paused) AS ready,
               count(*) FILTER (WHERE q.status = 'leased') AS leased,
               count(*) FILTER (WHERE q.status = 'retry') AS retry,
               count(*) FILTER (WHERE q.status = 'blocked') AS blocked,
               min(q.queue_id) FILTER (WHERE q.status = 'blocked') AS first_blocked,
               count(*) FILTER (WHERE q.status = 'paused' OR (q.status = 'queued' AND p.type_paused)) AS paused,
               min(q.queue_id) FILTER (WHERE q.status = 'paused' OR (q.status = 'queued' AND p.type_paused)) AS first_paused,
               min(q.queue_id) FILTER (WHERE q.status = 'queued' AND NOT p.type_paused) AS first_ready,
               string_agg(DISTINCT q.worker_id, ', ') FILTER (WHERE q.status = 'leased') AS workers
          FROM noetl.queue AS q
         CROSS JOIN LATERAL (SELECT noetl.type_paused(q.node_type) AS type_paused) AS p
         WHERE q.execution_id = run.execution_id AND q.node_name = run.step_name AND q.current_index IS NOT NULL
           AND noetl.visit_of(q.node_id, q.execution_id, q.node_name) = run.visit
           AND q.status IN ('queued', 'blocked', 'leased', 'retry', 'paused')
    ), items AS (
        SELECT (run.context ->> 'total')::bigint AS total,
               coalesce((p.meta ->> 'done')::bigint, (run.context ->> 'done')::bigint, 0) AS done,
               coalesce((p.meta ->> 'failed')::bigint, 0) AS failed
          FROM (VALUES (true)) AS one
          LEFT JOIN LATERAL (SELECT e.meta FROM noetl.event AS e
                              WHERE e.execution_id = run.execution_id AND e.node_name = run.step_name
                                AND e.result IS NOT NULL
                                -- of whoever else counts the event is ignored
                                AND e.meta ->> 'total' ~ '^[0-9]{1,9}$' AND e.meta ->> 'done' ~ '^[0-9]{1,9}$'
                                AND (e.meta -> 'ignored') IS NULL
                                AND e.event_type IN ('iteration_completed', 'iteration_failed')
                                AND noetl.visit_of(e.node_id, e.execution_id, e.node_name) = run.visit
                                AND e.event_id > greatest((run.context ->> 'since')::bigint, (run.context ->> 'resumed')::bigint)
                              ORDER BY e.created_at DESC LIMIT 1) AS p ON true
         WHERE run.context ? 'total'
    ), queued AS (
        SELECT w.detail, w.hint FROM task
          JOIN noetl.queue AS q ON q.queue_id = task.first_ready
         CROSS JOIN LATERAL noetl.why_queued(q) AS w
    ), paused AS (
        SELECT w.detail, w.hint FROM task
          JOIN noetl.queue AS q ON q.queue_id = task.first_paused
         CROSS JOIN LATERAL noetl.why_paused(q) AS w LIMIT 1
    )
    SELECT CASE WHEN task.n > 0 THEN format('%s items', items.total - items.done)
                WHEN child.running + child.scheduled > 0
                THEN format('child executions: %s running%s', child.running,
                            CASE WHEN child.scheduled > 0 THEN format(', %s waiting to begin', child.scheduled) END)
                ELSE 'child executions or items' END,
           concat_ws(' ',
               CASE WHEN items.total IS NOT NULL
                    THEN format('%s of %s items are done, %s of them failed.', items.done, items.total, items.failed) END,
               CASE WHEN child.n > 0
                    THEN format('Child executions: %s running%s, %s ended, %s of them failed or cancelled%s.', child.running,
                                CASE WHEN child.scheduled > 0 THEN format(', %s waiting to begin', child.scheduled) END,
                                child.n - child.running - child.scheduled, child.failed,
                                coalesce('; the oldest that runs is ' || child.oldest, '')) END,
               CASE WHEN task.n > 0 THEN format('Items in flight: %s leased%s, %s ready, %s waiting for the next attempt%s.',
                      task.leased, coalesce(' by ' || left(task.workers, 200), ''), task.ready, task.retry,
                      CASE WHEN task.paused > 0 THEN format(', %s paused', task.paused) ELSE '' END) END,
               CASE WHEN task.blocked > 0 THEN (SELECT format('%s items wait: %s.', task.blocked, b.detail)
                                                  FROM noetl.why_blocked(task.first_blocked) AS b) END,
               paused.detail,
               CASE WHEN task.leased = 0 THEN queued.detail END),
           CASE WHEN child.running + child.scheduled > 0
                THEN format('SELECT * FROM noetl.why(%s);', coalesce(child.oldest, child.first_scheduled))
                WHEN task.leased = 0 AND (queued.hint IS NOT NULL OR paused.hint IS NOT NULL)
                THEN coalesce(queued.hint, paused.hint)
                WHEN task.n = 0 THEN format('Nothing of it is in flight: SELECT * FROM noetl.verify(%s).', run.execution_id) END
      FROM child
     CROSS JOIN task
      LEFT JOIN items ON true
      LEFT JOIN queued ON true
      LEFT JOIN paused ON true
$$;

COMMENT ON FUNCTION noetl.why_open(noetl.run) IS
    'which children or items an open step waits for; part of noetl.why()';
CREATE FUNCTION noetl.why_awaiting(run noetl.run)
    RETURNS TABLE (waits_for text, detail text, hint text)
    LANGUAGE sql STABLE PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT concat_ws(' or ',
               CASE WHEN run.signals IS NOT NULL THEN
                    CASE WHEN cardinality(run.signals) = 1 THEN 'signal ' ELSE 'one of the signals ' END
                    || noetl.some_of(run.signals) END,
               'until ' || run.due_at),
           format('The step waits%s%s%s; nobody works on it.',
                  coalesce(' for a signal: ' || noetl.some_of(run.signals), ''),
                  ', under the key "' || run.signal_key || '"',
                  CASE WHEN run.due_at < clock_timestamp()
                       THEN format('; its time came %s ago and nobody has come by',
                                   noetl.span(clock_timestamp() - run.due_at))
                       ELSE '; time ends the wait in ' || noetl.span(run.due_at - clock_timestamp()) END),
           CASE WHEN run.due_at < clock_timestamp()
                THEN noetl.why_overdue()
                WHEN run.signals IS NOT NULL
                THEN format('SELECT noetl.signal(%s, %L, data);', run.execution_id, run.signals[1]) END
$$;

COMMENT ON FUNCTION noetl.why_awaiting(noetl.run) IS
    'which time or signal a wait waits for; part of noetl.why()';
CREATE FUNCTION noetl.why_locked(execution_id bigint)
    RETURNS TABLE (since timestamptz, waits_for text, detail text, hint text)
    LANGUAGE sql STABLE STRICT PARALLEL RESTRICTED
    SET search_path = pg_catalog, pg_temp
AS $$
    WITH holder AS (
        SELECT l.pid,
               (SELECT count(*) FROM pg_locks AS w
                 WHERE NOT w.granted AND w.locktype = l.locktype AND w.database = l.database
                   AND w.classid = l.classid AND w.objid = l.objid AND w.objsubid = l.objsubid) AS blocked
          FROM pg_locks AS l
         WHERE l.granted AND l.locktype = 'advisory' AND l.objsubid = 28163   -- LOCK_CLASS_EXECUTION
           AND l.database = (SELECT d.oid FROM pg_database AS d WHERE d.datname = current_database())
           AND l.classid = ((why_locked.execution_id >> 32) & 4294967295)::oid
           AND l.objid = (why_locked.execution_id & 4294967295)::oid
           -- who waits for the lock of the row has this one
           AND NOT EXISTS (SELECT FROM pg_locks AS w
                            WHERE w.pid = l.pid AND NOT w.granted AND w.locktype = 'transactionid')
        UNION ALL
        -- a transaction that has decided on many executions has locked the row
        SELECT l.pid,
               (SELECT count(*) FROM pg_locks AS w
                 WHERE NOT w.granted AND w.locktype = 'transactionid' AND w.transactionid = l.transactionid)
          FROM noetl.execution AS e
          JOIN pg_locks AS l ON l.granted AND l.locktype = 'transactionid' AND l.mode = 'ExclusiveLock'
                            AND l.transactionid = e.xmax
         WHERE e.execution_id = why_locked.execution_id
    )
    SELECT a.xact_start, format('session %s', h.pid),
           format('Session %s (role %s%s) has the lock of the execution in a transaction that began %s ago%s.',
                  h.pid, a.usename, coalesce(', application ' || quote_literal(nullif(a.application_name, '')), ''),
                  noetl.span(clock_timestamp() - a.xact_start),
                  CASE h.blocked WHEN 0 THEN '' WHEN 1 THEN '; 1 session waits for it'
                                 ELSE format('; %s sessions wait for it', h.blocked) END),
           format('Let that transaction end; SELECT pg_terminate_backend(%s) ends it by force.', h.pid)
      FROM holder AS h
      LEFT JOIN pg_stat_activity AS a ON a.pid = h.pid
     WHERE h.pid <> pg_backend_pid()
$$;

COMMENT ON FUNCTION noetl.why_locked(bigint) IS
    'which session has the lock of an execution; part of noetl.why()';
CREATE FUNCTION noetl.why_unchecked(execution_id bigint)
    RETURNS TABLE (step text, state text, since timestamptz, due timestamptz,
                   waits_for text, detail text, hint text)
    LANGUAGE sql STABLE STRICT SECURITY DEFINER PARALLEL RESTRICTED
    SET search_path = pg_catalog, pg_temp SET datestyle = 'ISO' SET jit = off
AS $$
    WITH x AS (
        SELECT * FROM noetl.execution AS e WHERE e.execution_id = why_unchecked.execution_id
    ), pending AS (
        SELECT count(*) AS n, min(p.created_at) AS since
          FROM noetl.pending AS p WHERE p.execution_id = why_unchecked.execution_id
    ), broker AS (
        SELECT CASE WHEN current_setting('noetl.broker', true) IN ('off', 'false', '0', 'no') THEN 'this session' END AS here,
               (SELECT string_agg(CASE WHEN s.setrole = 0 THEN 'this database'
                                       ELSE 'role ' || s.setrole::regrole END, ', ')
                  FROM pg_db_role_setting AS s
                 WHERE s.setdatabase IN (0, (SELECT d.oid FROM pg_database AS d WHERE d.datname = current_database()))
                   AND EXISTS (SELECT FROM unnest(s.setconfig) AS c
                                WHERE c IN ('noetl.broker=off', 'noetl.broker=false', 'noetl.broker=0', 'noetl.broker=no'))) AS there
    ), task AS (
        SELECT q AS q FROM noetl.queue AS q, x
         WHERE q.execution_id = why_unchecked.execution_id AND q.current_index IS NULL AND x.status = 'RUNNING'
           AND q.status IN ('queued', 'blocked', 'leased', 'retry', 'paused')
    ), run AS (
        SELECT r AS r, x.catalog_id FROM noetl.run AS r, x
         WHERE r.execution_id = why_unchecked.execution_id AND x.status = 'RUNNING'
    ), cause AS (
        -- the execution as a whole
        SELECT 0 AS rank, NULL::text AS step, 'unknown' AS state, NULL::timestamptz AS since, NULL::timestamptz AS due,
               NULL::text AS waits_for, format('There is no execution %s.', why_unchecked.execution_id) AS detail,
               'Its transaction may not have committed, or the id is one of another database: see noetl.id_time().' AS hint
         WHERE NOT EXISTS (SELECT FROM x)
        UNION ALL
        SELECT 0, NULL, lower(x.status), x.ended_at, NULL, NULL,
               format('The execution is over: %s%s.', x.status, coalesce(' (' || left(x.error, 500) || ')', '')),
               nullif(concat_ws('; ', CASE x.status WHEN 'FAILED'
                                    THEN format('SELECT * FROM noetl.timeline(%s) WHERE error IS NOT NULL', x.execution_id) END,
                         CASE WHEN x.status NOT IN ('FAILED', 'CANCELLED') THEN NULL
                              WHEN NOT EXISTS (SELECT FROM noetl.workload AS w WHERE w.execution_id = x.execution_id)
                              THEN 'It has never begun: start another one.'
                              WHEN EXISTS (SELECT FROM noetl.event AS e
                                            WHERE e.execution_id = x.execution_id AND e.event_type = 'execution_compensating'
                                              AND (e.meta -> 'ignored') IS NULL)
                              THEN format('What it had completed is undone: start another one, or SELECT noetl.fork(%s, step).', x.execution_id)
                              WHEN EXISTS (SELECT FROM noetl.execution AS p
                                            WHERE p.execution_id = x.parent_execution_id AND p.status IN ('RUNNING', 'COMPLETED'))
                              THEN format('Its parent decides: SELECT * FROM noetl.why(%s).', x.parent_execution_id)
                              ELSE format('SELECT noetl.redrive(%s) has it go on.', x.execution_id) END), '')
          FROM x WHERE x.status NOT IN ('RUNNING', 'SCHEDULED')
        UNION ALL
        SELECT 0, NULL, 'scheduled', x.started_at, x.run_at, 'its time',
               format('The execution begins at %s.', x.run_at),
               CASE WHEN x.run_at < clock_timestamp() THEN 'SELECT noetl.enqueue_next() begins it now; so does the next lease.' END
          FROM x WHERE x.status = 'SCHEDULED' AND NOT EXISTS (SELECT FROM noetl.slot AS s
                        WHERE s.execution_id = x.execution_id AND NOT s.task AND NOT s.held)
        UNION ALL
        SELECT 0, NULL, 'blocked', s.since, w.due, w.waits_for, w.detail, w.hint
          FROM x JOIN noetl.slot AS s ON s.execution_id = x.execution_id AND NOT s.task AND NOT s.held
          CROSS JOIN LATERAL noetl.why_blocked(s.queue_id) AS w
        UNION ALL
        SELECT 1, NULL, 'paused', p.since, p.until, 'noetl.resume()',
               format('%s paused by role %s since %s%s%s: what is leased goes on, nothing is handed out.',
                      CASE WHEN p.paused_execution = why_unchecked.execution_id THEN 'The execution is'
                           ELSE format('Execution %s, which has started this one, is', p.paused_execution) END,
                      p.by, p.since, coalesce(', until ' || p.until, ''), coalesce(' (' || p.reason || ')', '')),
               format('SELECT noetl.resume(%s);', p.paused_execution)
          FROM noetl.pause_of(why_unchecked.execution_id) AS p
        UNION ALL
        SELECT 1, NULL, 'locked', l.since, NULL, l.waits_for, l.detail, l.hint
          FROM noetl.why_locked(why_unchecked.execution_id) AS l
        UNION ALL
        SELECT 2, NULL, 'pending', p.since, NULL, 'noetl.enqueue_next()',
               format('Events that are stored and not decided yet: %s%s.', p.n,
                      coalesce('; noetl.broker is off in ' || nullif(concat_ws(', ', b.here, b.there), ''), '')),
               concat_ws(' ', CASE WHEN b.there IS NOT NULL OR b.here IS NOT NULL THEN 'Set noetl.broker = on;' END,
                         'SELECT noetl.enqueue_next() decides them.')
          FROM pending AS p, broker AS b, x
         WHERE p.n > 0 AND x.status = 'RUNNING'
        UNION ALL
        SELECT 2, NULL, 'broker off', NULL, NULL, 'the setting noetl.broker',
               format('noetl.broker is off in %s: events are stored there and nothing is decided.', concat_ws(', ', b.here, b.there)),
               'Set noetl.broker = on; SELECT noetl.enqueue_next() catches up.'
          FROM pending AS p, broker AS b, x
         WHERE p.n = 0 AND x.status = 'RUNNING' AND (b.here IS NOT NULL OR b.there IS NOT NULL)
        UNION ALL
        SELECT 2, NULL, 'stuck', x.started_at, x.deadline, 'nothing',
               'The execution runs and has no live run: its rows are not what its log says.',
               format('SELECT * FROM noetl.verify(%1$s); SELECT noetl.rebuild(%1$s);', x.execution_id)
          FROM x
         WHERE x.status = 'RUNNING' AND NOT EXISTS (SELECT FROM task) AND NOT EXISTS (SELECT FROM run)
           AND NOT EXISTS (SELECT FROM pending WHERE n > 0)
        -- its tasks
        UNION ALL
        SELECT 3, (t.q).node_name, 'queued', (t.q).created_at, (t.q).deadline, w.waits_for, w.detail, w.hint
          FROM task AS t CROSS JOIN LATERAL noetl.why_queued(t.q) AS w
         WHERE (t.q).status = 'queued' AND NOT noetl.type_paused((t.q).node_type)
        UNION ALL
        SELECT 3, (t.q).node_name, 'paused', w.since, w.due, w.waits_for, w.detail, w.hint
          FROM task AS t CROSS JOIN LATERAL noetl.why_paused(t.q) AS w
         WHERE (t.q).status = 'paused' OR ((t.q).status = 'queued' AND noetl.type_paused((t.q).node_type))
        UNION ALL
        SELECT 3, (t.q).node_name, 'blocked', (t.q).created_at, least(w.due, (t.q).deadline), w.waits_for, w.detail, w.hint
          FROM task AS t CROSS JOIN LATERAL noetl.why_blocked((t.q).queue_id) AS w
         WHERE (t.q).status = 'blocked'
        UNION ALL
        SELECT 3, (t.q).node_name, 'leased', (t.q).last_heartbeat, coalesce((t.q).lease_until, (t.q).deadline), w.waits_for, w.detail, w.hint
          FROM task AS t CROSS JOIN LATERAL noetl.why_leased(t.q) AS w
         WHERE (t.q).status = 'leased'
        UNION ALL
        SELECT 3, (t.q).node_name, 'retry', (t.q).created_at, (t.q).available_at, 'its next attempt',
               CASE WHEN (t.q).available_at < clock_timestamp()
                    THEN format('The next attempt (%s of %s failed so far) has been due for %s and nobody has come by.',
                                (t.q).attempts, (t.q).max_attempts, noetl.span(clock_timestamp() - (t.q).available_at))
                    ELSE format('%s of %s attempts have failed; the next is due in %s.', (t.q).attempts,
                                (t.q).max_attempts, noetl.span((t.q).available_at - clock_timestamp())) END,
               CASE WHEN (t.q).available_at < clock_timestamp()
                    THEN noetl.why_overdue()
                    ELSE format('SELECT * FROM noetl.timeline(%s) shows the errors.', why_unchecked.execution_id) END
          FROM task AS t WHERE (t.q).status = 'retry'
        -- its other live runs
        UNION ALL
        SELECT 3, (r.r).step_name, 'waiting', (r.r).created_at, (r.r).due_at, w.waits_for, w.detail, w.hint
          FROM run AS r CROSS JOIN LATERAL noetl.why_waiting(r.r, r.catalog_id) AS w
         WHERE (r.r).state = 'waiting'
        UNION ALL
        SELECT 3, (r.r).step_name, 'open', (r.r).created_at, (r.r).due_at, w.waits_for, w.detail, w.hint
          FROM run AS r CROSS JOIN LATERAL noetl.why_open(r.r) AS w
         WHERE (r.r).state = 'open'
        UNION ALL
        SELECT 3, (r.r).step_name, 'awaiting', (r.r).created_at, (r.r).due_at, w.waits_for, w.detail, w.hint
          FROM run AS r CROSS JOIN LATERAL noetl.why_awaiting(r.r) AS w
         WHERE (r.r).state = 'awaiting'
        UNION ALL
        SELECT 3, (r.r).step_name, 'retry', (r.r).created_at, (r.r).due_at, 'its next attempt',
               format('%s attempts have failed; the next %s.', (r.r).attempts,
                      CASE WHEN (r.r).due_at < clock_timestamp()
                           THEN format('has been due for %s and nobody has come by', noetl.span(clock_timestamp() - (r.r).due_at))
                           ELSE format('is due in %s', noetl.span((r.r).due_at - clock_timestamp())) END),
               CASE WHEN (r.r).due_at < clock_timestamp()
                    THEN noetl.why_overdue() END
          FROM run AS r WHERE (r.r).state = 'retry'
        UNION ALL
        SELECT 3, (r.r).step_name, 'held', h.created_at, NULL, 'somebody who sees to it',
               format('It failed and is held since %s: %s.', h.created_at, coalesce(left(h.error, 500), 'no error is known')),
               format('SELECT noetl.retry(%1$s, %2$L); or SELECT noetl.skip(%1$s, %2$L, value);', (r.r).execution_id, (r.r).step_name)
          FROM run AS r
          LEFT JOIN LATERAL noetl.held_since((r.r).execution_id, (r.r).step_name, (r.r).visit) AS h ON true
         WHERE (r.r).state = 'held'
        UNION ALL
        SELECT 2, NULL, 'compensating', e.created_at, NULL, 'its compensations',
               format('It ends as %s when what it has completed is undone (%s steps, the newest first): %s.',
                      e.meta ->> 'status', jsonb_array_length(e.meta -> 'steps'), coalesce(left(e.error, 500), 'no reason is known')),
               format('SELECT noetl.cancel(%s) ends it at once.', e.execution_id)
          FROM (SELECT q.execution_id FROM noetl.queue AS q
                 WHERE q.execution_id = why_unchecked.execution_id AND q.node_name LIKE '%.compensate'
                UNION SELECT (r.r).execution_id FROM run AS r WHERE (r.r).step_name LIKE '%.compensate') AS live
         CROSS JOIN LATERAL (SELECT c.* FROM noetl.event AS c
                              WHERE c.execution_id = live.execution_id AND c.event_type = 'execution_compensating'
                              ORDER BY c.event_id DESC LIMIT 1) AS e
    )
    SELECT c.step, c.state, c.since, c.due, c.waits_for, c.detail, c.hint
      FROM cause AS c
     ORDER BY c.rank, c.since, c.step
$$;

COMMENT ON FUNCTION noetl.why_unchecked(bigint) IS
    'what noetl.why() returns, without its check of rights; to be granted to nobody';
CREATE FUNCTION noetl.why(execution_id bigint)
    RETURNS TABLE (step text, state text, since timestamptz, due timestamptz,
                   waits_for text, detail text, hint text)
    AS 'MODULE_PATHNAME', 'noetl_of_own_execution'
    LANGUAGE C STABLE STRICT PARALLEL RESTRICTED;
COMMENT ON FUNCTION noetl.why(bigint) IS
    'why an execution does not move: for each live run what it waits for, in words, and what to do; rows without a step are about the execution as a whole';
REVOKE ALL ON FUNCTION noetl.worker_has_gone(jsonb), noetl.timer_is_idle(), noetl.why_overdue(), noetl.why_queued(noetl.queue), noetl.why_leased(noetl.queue),
    noetl.why_blocked(bigint), noetl.type_paused(text), noetl.why_paused(noetl.queue),
    noetl.why_waiting(noetl.run, bigint), noetl.held_since(bigint, text, integer), noetl.why_open(noetl.run), noetl.why_awaiting(noetl.run),
    noetl.why_locked(bigint), noetl.why_unchecked(bigint), noetl.why(bigint) FROM PUBLIC;

-- ---------------------------------------------------------------------------
-- Waits: signals and messages end them (src/api/signal.c); a client waits for the
-- end of an execution (src/api/wait_end.c)
-- ---------------------------------------------------------------------------

CREATE FUNCTION noetl.signal(execution_id bigint, name text, data jsonb DEFAULT NULL,
                             id text DEFAULT NULL) RETURNS boolean
    AS 'MODULE_PATHNAME', 'noetl_signal'
    LANGUAGE C VOLATILE PARALLEL UNSAFE;

COMMENT ON FUNCTION noetl.signal(bigint, text, jsonb, text) IS
    'sends a signal to an execution: true: it ended a wait now; false: it is kept until a wait asks for it, first in first out. A signal with an id that has come before has no effect';
CREATE FUNCTION noetl.send(name text, key text, data jsonb DEFAULT NULL, keep interval DEFAULT NULL,
                           id text DEFAULT NULL) RETURNS bigint
    AS 'MODULE_PATHNAME', 'noetl_send'
    LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION noetl.send(text, text, jsonb, interval, text) IS
    'sends a signal to all executions that wait for it with this key and that the current role may act for; returns how many took it. If none did it is kept, for the time given, for the first that waits for it. A message with an id that the same role has sent before has no effect';
CREATE VIEW noetl.waiting WITH (security_barrier) AS
    SELECT r.execution_id, x.path, r.step_name AS step, r.visit, r.created_at AS since,
           r.due_at AS until, r.signals, r.signal_key AS key, x.labels
      FROM noetl.run AS r
      JOIN noetl.execution AS x ON x.execution_id = r.execution_id
     WHERE r.state = 'awaiting' AND noetl.acts_for(x.started_by);
COMMENT ON VIEW noetl.waiting IS
    'steps that wait for a time or a signal: since when, until when at the latest (null: for ever), the names of the signals (null: none), the key under which noetl.send() reaches them';
CREATE PROCEDURE noetl.wait_for_execution(execution_id bigint, timeout interval DEFAULT '30 s',
                                          INOUT outcome jsonb DEFAULT NULL)
    AS 'MODULE_PATHNAME', 'noetl_wait_for_execution'
    LANGUAGE C;
COMMENT ON PROCEDURE noetl.wait_for_execution(bigint, interval, jsonb) IS
    'sleeps until an execution is over (outcome is what noetl.status() says of it) or the timeout is (outcome is null; a timeout of null: never); holds no snapshot while it sleeps, so it must be called outside of a transaction block';
REVOKE ALL ON FUNCTION noetl.signal(bigint, text, jsonb, text),
    noetl.send(text, text, jsonb, interval, text) FROM PUBLIC;
REVOKE ALL ON PROCEDURE noetl.wait_for_execution(bigint, interval, jsonb) FROM PUBLIC;
ALTER TABLE noetl.signal ENABLE ROW LEVEL SECURITY;
ALTER TABLE noetl.message ENABLE ROW LEVEL SECURITY;
CREATE POLICY members_read ON noetl.signal FOR SELECT USING (noetl.may_read(execution_id));
CREATE POLICY members_read ON noetl.message FOR SELECT USING (noetl.acts_for(sent_by));
SELECT pg_catalog.pg_extension_config_dump('noetl.signal', '');
SELECT pg_catalog.pg_extension_config_dump('noetl.message', '');

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

-- ---------------------------------------------------------------------------
-- Schedules (src/api/schedule.c, src/engine/schedule.c)
-- ---------------------------------------------------------------------------

CREATE FUNCTION noetl.schedule(name text, path text, cron text, parameters jsonb DEFAULT '{}',
                               time_zone text DEFAULT NULL, overlap text DEFAULT 'skip',
                               catch_up text DEFAULT 'one', jitter interval DEFAULT '0',
                               enabled boolean DEFAULT true, labels jsonb DEFAULT NULL) RETURNS timestamptz
    AS 'MODULE_PATHNAME', 'noetl_schedule'
    LANGUAGE C VOLATILE PARALLEL UNSAFE;

COMMENT ON FUNCTION noetl.schedule(text, text, text, jsonb, text, text, text, interval, boolean, jsonb) IS
    'starts executions of a playbook again and again, as the current role: by the five fields of cron, six with the second before them, @daily and the like, or "every 90 seconds". overlap, while the last one runs: skip, allow, queue (one), cancel (the last one). catch_up, of times that nobody noticed: skip, one, all (at most 1000). jitter spreads the starts. Changes the schedule that has the name; returns the time of the next start';
CREATE FUNCTION noetl.unschedule(name text) RETURNS boolean
    AS 'MODULE_PATHNAME', 'noetl_unschedule'
    LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION noetl.unschedule(text) IS
    'deletes a schedule; its executions are not touched; returns false when there is none';
CREATE FUNCTION noetl.schedule_next(cron text, time_zone text DEFAULT NULL, after timestamptz DEFAULT now(),
                                    n integer DEFAULT 5) RETURNS SETOF timestamptz
    AS 'MODULE_PATHNAME', 'noetl_schedule_next'
    LANGUAGE C STABLE PARALLEL SAFE ROWS 5;
COMMENT ON FUNCTION noetl.schedule_next(text, text, timestamptz, integer) IS
    'returns the next n times at which a schedule would be due; a local time that the clocks skip is due when they skip, one that comes twice the first time';
REVOKE ALL ON FUNCTION noetl.schedule(text, text, text, jsonb, text, text, text, interval, boolean, jsonb),
    noetl.unschedule(text) FROM PUBLIC;
ALTER TABLE noetl.schedule ENABLE ROW LEVEL SECURITY;
CREATE POLICY members_read ON noetl.schedule FOR SELECT USING (noetl.acts_for(owner));
SELECT pg_catalog.pg_extension_config_dump('noetl.schedule', '');
SELECT pg_catalog.pg_extension_config_dump('noetl.schedule_schedule_id_seq', '');

-- ---------------------------------------------------------------------------
-- Iterators that a worker goes through (src/api/iterator.c)
-- ---------------------------------------------------------------------------

CREATE FUNCTION noetl.items_done(queue_id bigint, worker_id text)
    RETURNS TABLE (index integer, failed boolean, value jsonb, error text, item jsonb)
    AS 'MODULE_PATHNAME', 'noetl_items_done'
    LANGUAGE C STRICT VOLATILE PARALLEL UNSAFE ROWS 10;

COMMENT ON FUNCTION noetl.items_done(bigint, text) IS
    'returns the items of a leased iterator that have ended already, before it was given back or its lease was lost: by the iteration_completed and iteration_failed events of the current attempt; and those that had completed before noetl.redrive, or noetl.retry without an input, gave the step new attempts; empty when the worker does not hold the lease';
REVOKE ALL ON FUNCTION noetl.items_done(bigint, text) FROM PUBLIC;

-- ---------------------------------------------------------------------------
-- Rules: what follows a change of a user's table (src/api/change.c, src/engine/change.c)
-- ---------------------------------------------------------------------------

CREATE TABLE noetl.change_rule (
    name       text        COLLATE "C" PRIMARY KEY,
    table_name regclass    NOT NULL,
    path       text,
    events     text        NOT NULL,
    condition  text,
    parameters jsonb,
    key        text,
    signal     text,
    made_by    regrole     NOT NULL,
    made_at    timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    CHECK (path IS NOT NULL OR signal IS NOT NULL)
);
COMMENT ON TABLE noetl.change_rule IS
    'which executions start, or which signals are sent, when rows of a table change: written by noetl.on_change() and noetl.off_change(), read by the triggers of the table';
COMMENT ON COLUMN noetl.change_rule.events IS
    'as they were given; the triggers of the table have the current names of the columns';
COMMENT ON COLUMN noetl.change_rule.signal IS 'the rule sends this signal and starts nothing';
COMMENT ON COLUMN noetl.change_rule.made_by IS 'the role that the executions run for';
CREATE TABLE noetl.change_failure (
    rule      text        NOT NULL,
    made_by   regrole     NOT NULL,
    failed_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    sqlstate  text        NOT NULL,
    error     text        NOT NULL,
    change    jsonb
);
COMMENT ON TABLE noetl.change_failure IS
    'changes of rows for which a rule could neither start an execution nor send its signal; rows stay until somebody deletes them';
COMMENT ON COLUMN noetl.change_failure.change IS 'the row: {"event": …, "new": …, "old": …}; null: the row could not be read';
CREATE FUNCTION noetl.change_fired() RETURNS trigger
    AS 'MODULE_PATHNAME', 'noetl_change_fired'
    LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION noetl.change_fired() IS
    'trigger that noetl.on_change() puts on a table; its argument is the name of a rule';
CREATE FUNCTION noetl.on_change(table_name regclass, path text, events text DEFAULT 'INSERT',
                                condition text DEFAULT NULL, parameters jsonb DEFAULT NULL,
                                key text DEFAULT NULL, signal text DEFAULT NULL,
                                name text DEFAULT NULL) RETURNS text
    AS 'MODULE_PATHNAME', 'noetl_on_change'
    LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION noetl.on_change(regclass, text, text, text, jsonb, text, text, text) IS
    'makes a rule: each row that INSERT, UPDATE [OF column, …] or DELETE (joined by OR) changes in the table starts an execution of the path in the same transaction, as the current role, or sends a signal. condition, parameters and key see new, old and event. Replaces the rule that has the name; returns the name';
CREATE FUNCTION noetl.off_change(name text) RETURNS boolean
    AS 'MODULE_PATHNAME', 'noetl_off_change'
    LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION noetl.off_change(text) IS
    'removes a rule that noetl.on_change() has made, and its triggers; false: there is none';
CREATE FUNCTION noetl.change_dropped() RETURNS event_trigger
    AS 'MODULE_PATHNAME', 'noetl_change_dropped'
    LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION noetl.change_dropped() IS
    'event trigger: deletes rules whose table, or last trigger, has been dropped';
CREATE EVENT TRIGGER noetl_change_dropped ON sql_drop
    WHEN TAG IN ('DROP TABLE', 'DROP SCHEMA', 'DROP OWNED', 'DROP TRIGGER', 'ALTER TABLE', 'DROP EXTENSION')
    EXECUTE FUNCTION noetl.change_dropped();
COMMENT ON EVENT TRIGGER noetl_change_dropped IS 'rules go with their table';
REVOKE ALL ON FUNCTION noetl.change_fired(), noetl.change_dropped(),
    noetl.on_change(regclass, text, text, text, jsonb, text, text, text), noetl.off_change(text) FROM PUBLIC;
ALTER TABLE noetl.change_rule ENABLE ROW LEVEL SECURITY;
ALTER TABLE noetl.change_failure ENABLE ROW LEVEL SECURITY;
CREATE POLICY members_read ON noetl.change_rule FOR SELECT USING (noetl.acts_for(made_by));
CREATE POLICY members_read ON noetl.change_failure FOR SELECT USING (noetl.acts_for(made_by));
SELECT pg_catalog.pg_extension_config_dump('noetl.change_rule', '');
SELECT pg_catalog.pg_extension_config_dump('noetl.change_failure', '');

-- ---------------------------------------------------------------------------
-- Pauses (src/api/pause.c, src/engine/pause.c, src/store/pause.c)
-- ---------------------------------------------------------------------------

CREATE FUNCTION noetl.pause(execution_id bigint, reason text DEFAULT NULL, until timestamptz DEFAULT NULL)
    RETURNS boolean
    AS 'MODULE_PATHNAME', 'noetl_pause'
    LANGUAGE C VOLATILE PARALLEL UNSAFE;

COMMENT ON FUNCTION noetl.pause(bigint, text, timestamptz) IS
    'pauses an execution and all that it has started and starts: what is leased goes on and is decided on, no task is handed out until noetl.resume(), or until a time; false when the execution is over';
CREATE FUNCTION noetl.resume(execution_id bigint, reason text DEFAULT NULL) RETURNS boolean
    AS 'MODULE_PATHNAME', 'noetl_resume'
    LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION noetl.resume(bigint, text) IS
    'ends the pause of an execution; false when this execution itself was not paused';
CREATE FUNCTION noetl.pause_tasks(path text DEFAULT NULL, type text DEFAULT NULL, reason text DEFAULT NULL,
                                  until timestamptz DEFAULT NULL) RETURNS bigint
    AS 'MODULE_PATHNAME', 'noetl_pause_tasks'
    LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION noetl.pause_tasks(text, text, text, timestamptz) IS
    'pauses all tasks of the playbooks with a path, of a type, of both, or (null, null) all tasks: none is handed out until noetl.resume_tasks(), or until a time; a pause of the same path and type gets the new reason and time; returns the pause_id';
CREATE FUNCTION noetl.resume_tasks(path text DEFAULT NULL, type text DEFAULT NULL) RETURNS integer
    AS 'MODULE_PATHNAME', 'noetl_resume_tasks'
    LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION noetl.resume_tasks(text, text) IS
    'ends the pauses that noetl.pause_tasks() has begun, those of a path (null: of any) and of a type (null: of any); returns how many there were. Their tasks become ready portion by portion, as workers ask for them';
REVOKE ALL ON FUNCTION noetl.pause(bigint, text, timestamptz), noetl.resume(bigint, text),
    noetl.pause_tasks(text, text, text, timestamptz), noetl.resume_tasks(text, text) FROM PUBLIC;
ALTER TABLE noetl.paused ENABLE ROW LEVEL SECURITY;
ALTER TABLE noetl.pause_rule ENABLE ROW LEVEL SECURITY;
ALTER TABLE noetl.pause_end ENABLE ROW LEVEL SECURITY;
CREATE POLICY members_read ON noetl.paused FOR SELECT USING (noetl.may_read(execution_id));
CREATE POLICY all_read ON noetl.pause_rule FOR SELECT USING (true);
CREATE POLICY all_read ON noetl.pause_end FOR SELECT USING (true);
SELECT pg_catalog.pg_extension_config_dump('noetl.paused', '');
SELECT pg_catalog.pg_extension_config_dump('noetl.pause_rule', '');
SELECT pg_catalog.pg_extension_config_dump('noetl.pause_end', '');

-- ---------------------------------------------------------------------------
-- Limits (src/engine/limit.c, src/store/limit.c, src/api/limit.c)
-- ---------------------------------------------------------------------------

CREATE FUNCTION noetl.settle_limit(name text) RETURNS integer
    AS 'MODULE_PATHNAME', 'noetl_settle_limit'
    LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION noetl.settle_limit(text) IS
    'hands free slots of a limit to what waits for them; part of noetl.set_limit(). Returns the number of keys that something waits for';
CREATE FUNCTION noetl.set_limit(name text, concurrency integer DEFAULT NULL, rate jsonb DEFAULT NULL) RETURNS void
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    per text := set_limit.rate ->> 'per';
    span bigint;
BEGIN
    IF coalesce(octet_length(set_limit.name), 0) NOT BETWEEN 1 AND 200 OR set_limit.concurrency < 0 THEN
        RAISE invalid_parameter_value USING MESSAGE = 'a limit needs a name of 1 to 200 bytes, and a concurrency that is not negative';
    END IF;
    IF set_limit.rate IS NOT NULL THEN
        per := CASE WHEN per ~ '^[[:alpha:]]+$' THEN '1 ' || per WHEN per ~ '^[0-9.]+$' THEN per || ' s' ELSE per END;
        BEGIN
            span := extract(epoch FROM per::interval) * 1000000;
            IF coalesce((set_limit.rate ->> 'limit')::integer, 0) <= 0 OR coalesce(span, 0) <= 0
               OR (set_limit.rate ->> 'burst')::integer <= 0 THEN
                span := NULL;
            END IF;
        EXCEPTION WHEN data_exception THEN
            span := NULL;
        END;
        IF span IS NULL THEN
            RAISE invalid_parameter_value USING MESSAGE = 'a rate needs a limit and a span of time, per, above zero',
                HINT = 'For example {"limit": 100, "per": "minute", "burst": 10}.';
        END IF;
        IF span >= extract(epoch FROM interval '36525 days') * 1000000 THEN
            RAISE invalid_parameter_value USING MESSAGE = 'per of a rate must be shorter than a century';
        END IF;
    END IF;
    INSERT INTO noetl.limit_rule (name, concurrency, rate, per, burst)
         VALUES (set_limit.name, set_limit.concurrency, (set_limit.rate ->> 'limit')::integer, span,
                 CASE WHEN span IS NOT NULL THEN coalesce((set_limit.rate ->> 'burst')::integer, 1) END)
    ON CONFLICT ON CONSTRAINT limit_rule_pkey DO UPDATE
       SET concurrency = excluded.concurrency, rate = excluded.rate, per = excluded.per, burst = excluded.burst,
           updated_at = clock_timestamp();
    PERFORM noetl.settle_limit(set_limit.name);
END
$$;

COMMENT ON FUNCTION noetl.set_limit(text, integer, jsonb) IS
    'says what a limit is, for all playbooks that use its name, instead of what they say: how many at the same time (null: any number; 0: none), and at which rate they begin ({"limit": 100, "per": "minute", "burst": 10}). What waits begins at once if it may; nothing that has begun is stopped';
CREATE FUNCTION noetl.unset_limit(name text) RETURNS boolean
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    found_it boolean;
BEGIN
    DELETE FROM noetl.limit_rule AS r WHERE r.name = unset_limit.name;
    found_it := FOUND;
    PERFORM noetl.settle_limit(unset_limit.name);
    RETURN found_it;
END
$$;

COMMENT ON FUNCTION noetl.unset_limit(text) IS
    'takes noetl.set_limit() back: what the playbooks say counts again; returns whether there was something to take back';
CREATE VIEW noetl.limit_use WITH (security_barrier) AS
    SELECT s.name, s.key, count(*) FILTER (WHERE s.held) AS held, count(*) FILTER (WHERE NOT s.held) AS waiting,
           CASE WHEN r.name IS NULL THEN min((s.spec OPERATOR(pg_catalog.->) s.ordinal OPERATOR(pg_catalog.->>) 'concurrency')::integer) ELSE r.concurrency END AS concurrency,
           min(s.since) FILTER (WHERE NOT s.held) AS waiting_since
      FROM noetl.slot AS s LEFT JOIN noetl.limit_rule AS r USING (name)
     GROUP BY s.name, s.key, r.name, r.concurrency;
COMMENT ON VIEW noetl.limit_use IS
    'of each limit and key in use: how many have a slot, how many wait and since when';
REVOKE ALL ON FUNCTION noetl.settle_limit(text), noetl.set_limit(text, integer, jsonb), noetl.unset_limit(text) FROM PUBLIC;
ALTER TABLE noetl.slot ENABLE ROW LEVEL SECURITY;
CREATE POLICY members_read ON noetl.slot FOR SELECT USING (noetl.may_read(execution_id));
SELECT pg_catalog.pg_extension_config_dump('noetl.slot', '');
SELECT pg_catalog.pg_extension_config_dump('noetl.limit_pace', '');
SELECT pg_catalog.pg_extension_config_dump('noetl.limit_rule', '');

-- ---------------------------------------------------------------------------
-- Partitions of noetl.event, and how long executions are kept (src/store/partition.c)
-- ---------------------------------------------------------------------------

CREATE FUNCTION noetl.id_at(at timestamptz) RETURNS bigint
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
    -- 41 bits of milliseconds, which last until 2093
    AS $$ SELECT least(greatest(floor(extract(epoch FROM at) * 1000) - 1704067200000, 0), 2199023255551)::bigint << 22 $$;

COMMENT ON FUNCTION noetl.id_at(timestamptz) IS
    'the smallest execution_id or event_id that can have been made at a time, to the millisecond; noetl.id_time() is the way back';
CREATE TABLE noetl.retention (
    path   text        PRIMARY KEY,
    keep   interval    CHECK (keep >= '0'),
    set_by regrole     NOT NULL,
    set_at timestamptz NOT NULL
);
COMMENT ON TABLE noetl.retention IS
    'how long executions are kept after their end; written by noetl.retain(), read by noetl.maintain()';
COMMENT ON COLUMN noetl.retention.path IS 'of the playbook; empty: every path without a row of its own';
COMMENT ON COLUMN noetl.retention.keep IS 'null: for ever';
-- A partition is built beside noetl.event, which nobody has to wait for, and then
-- attached.  Members of a dump are its indexes and policies, so it has all of its own.
CREATE FUNCTION noetl.build_partition(name text) RETURNS void
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
    SET search_path = pg_catalog, pg_temp
    SET default_tablespace = '' SET default_table_access_method = 'heap'
    AS $$
DECLARE
    command text;
BEGIN
    EXECUTE format('CREATE TABLE noetl.%I (LIKE noetl.event INCLUDING ALL EXCLUDING INDEXES EXCLUDING COMMENTS)', name);
    EXECUTE format('ALTER TABLE noetl.%I ADD PRIMARY KEY (execution_id, event_id)', name);
    -- finds the newest value of a step: events without a value are not in it
    EXECUTE format('CREATE INDEX ON noetl.%I (execution_id, node_name, created_at) WHERE result IS NOT NULL', name);
    -- exactly one terminal event per drive of an execution
    EXECUTE format($f$CREATE UNIQUE INDEX ON noetl.%I (execution_id, (coalesce(meta -> 'drive', '1'::jsonb)))
        WHERE event_type IN ('execution_complete', 'execution_completed', 'execution_end',
                             'execution_failed', 'workflow_failed', 'execution_cancelled')
          AND (meta -> 'ignored') IS NULL AND catalog_id IS NOT NULL$f$, name);
    -- events that were stored while the triggers were off: none, mostly
    EXECUTE format('CREATE INDEX ON noetl.%I (execution_id, created_at) WHERE catalog_id IS NULL', name);
    EXECUTE format('ALTER TABLE noetl.%I ENABLE ROW LEVEL SECURITY', name);
    EXECUTE format('CREATE POLICY members_read ON noetl.%I FOR SELECT USING (noetl.may_read(execution_id))', name);
    EXECUTE format('CREATE POLICY clients_insert ON noetl.%I FOR INSERT WITH CHECK (true)', name);
    -- what ALTER DEFAULT PRIVILEGES has handed out
    FOR command IN
        SELECT format('REVOKE ALL ON noetl.%I FROM %s', c.relname,
                      CASE WHEN a.grantee = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END)
          FROM pg_class AS c CROSS JOIN LATERAL aclexplode(c.relacl) AS a
         WHERE c.oid = format('noetl.%I', name)::regclass AND a.grantee <> c.relowner
         GROUP BY 1
    LOOP
        EXECUTE command;
    END LOOP;
    SELECT format('ALTER TABLE noetl.%I OWNER TO %I', name, pg_get_userbyid(c.relowner)) INTO command
      FROM pg_class AS c
     WHERE c.oid = 'noetl.event'::regclass
       AND c.relowner <> (SELECT n.relowner FROM pg_class AS n WHERE n.oid = format('noetl.%I', name)::regclass);
    IF FOUND THEN
        EXECUTE command;
    END IF;
END
$$;

REVOKE ALL ON FUNCTION noetl.build_partition(text) FROM PUBLIC;
COMMENT ON FUNCTION noetl.build_partition(text) IS
    'makes a table that can become a partition of noetl.event: same columns, its indexes, row security, no grants; internal';
CREATE FUNCTION noetl.exclude_range(partition regclass, since bigint, until bigint, constraint_name name) RETURNS void
    AS 'MODULE_PATHNAME', 'noetl_exclude_range'
    LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
REVOKE ALL ON FUNCTION noetl.exclude_range(regclass, bigint, bigint, name) FROM PUBLIC;
COMMENT ON FUNCTION noetl.exclude_range(regclass, bigint, bigint, name) IS
    'adds a CHECK to a partition that it has no events of a range of executions; an index proves it, so that the table is not read; internal';
CREATE FUNCTION noetl.partitions()
    RETURNS TABLE (partition regclass, since bigint, until bigint)
    LANGUAGE sql STABLE PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
    AS $$
    SELECT c.oid::regclass, b.bounds[1]::bigint, b.bounds[2]::bigint
      FROM pg_inherits AS i
      JOIN pg_class AS c ON c.oid = i.inhrelid
      LEFT JOIN LATERAL regexp_match(pg_get_expr(c.relpartbound, c.oid),
                                     '^FOR VALUES FROM \(''(-?\d+)''\) TO \(''(-?\d+)''\)$') AS b (bounds) ON true
     WHERE i.inhparent = 'noetl.event'::regclass
     ORDER BY 2, 1
$$;

REVOKE ALL ON FUNCTION noetl.partitions() FROM PUBLIC;
COMMENT ON FUNCTION noetl.partitions() IS
    'the partitions of noetl.event and their execution_ids (until is the first that does not belong to it); null: the default partition';
CREATE FUNCTION noetl.attach_partitions(names text[], bounds timestamptz[]) RETURNS void
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    rest regclass := (SELECT p.partition FROM noetl.partitions() AS p WHERE p.since IS NULL);
BEGIN
    IF rest IS NOT NULL THEN
        PERFORM noetl.exclude_range(rest, noetl.id_at(bounds[1]), noetl.id_at(bounds[cardinality(bounds)]),
                                    'not_in_new_partitions');
    END IF;
    FOR i IN 1 .. cardinality(names) LOOP
        EXECUTE format('ALTER TABLE noetl.event ATTACH PARTITION noetl.%I FOR VALUES FROM (%s) TO (%s)',
                       names[i], noetl.id_at(bounds[i]), noetl.id_at(bounds[i + 1]));
        EXECUTE format('COMMENT ON TABLE noetl.%I IS %L', names[i],
                       format('events of executions that were started from %s to %s',
                              bounds[i] AT TIME ZONE 'UTC', bounds[i + 1] AT TIME ZONE 'UTC'));
    END LOOP;
    IF rest IS NOT NULL THEN
        EXECUTE format('ALTER TABLE %s DROP CONSTRAINT not_in_new_partitions', rest);
    END IF;
END
$$;

REVOKE ALL ON FUNCTION noetl.attach_partitions(text[], timestamptz[]) FROM PUBLIC;
COMMENT ON FUNCTION noetl.attach_partitions(text[], timestamptz[]) IS
    'attaches tables that lie side by side in time to noetl.event, for executions started between the bounds; internal';
CREATE FUNCTION noetl.partition_name(since timestamptz) RETURNS text
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
    AS $$ SELECT to_char(since AT TIME ZONE 'UTC', '"event_"YYYYMMDD"_"HH24MISS') $$;
REVOKE ALL ON FUNCTION noetl.partition_name(timestamptz) FROM PUBLIC;
COMMENT ON FUNCTION noetl.partition_name(timestamptz) IS 'the name of the partition that begins at a time; internal';
CREATE FUNCTION noetl.make_partition(since timestamptz, until timestamptz) RETURNS regclass
    LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    bounds timestamptz[] := ARRAY[date_trunc('second', since), date_trunc('second', until)];
    name   text := noetl.partition_name(since);
BEGIN
    PERFORM noetl.build_partition(name);
    PERFORM noetl.attach_partitions(ARRAY[name], bounds);
    RETURN format('noetl.%I', name)::regclass;
END
$$;

REVOKE ALL ON FUNCTION noetl.make_partition(timestamptz, timestamptz) FROM PUBLIC;
COMMENT ON FUNCTION noetl.make_partition(timestamptz, timestamptz) IS
    'makes a partition of noetl.event for the executions that are started between two times; noetl.maintain() does it ahead of time. Fails where there are such executions already';
CREATE FUNCTION noetl.ensure_partition() RETURNS boolean
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
    SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    IF EXISTS (SELECT FROM pg_inherits AS i WHERE i.inhparent = 'noetl.event'::regclass) THEN
        RETURN false;
    END IF;
    LOCK TABLE ONLY noetl.event IN SHARE UPDATE EXCLUSIVE MODE;
    IF EXISTS (SELECT FROM pg_inherits AS i WHERE i.inhparent = 'noetl.event'::regclass) THEN
        RETURN false;
    END IF;
    PERFORM noetl.build_partition('event_default');
    ALTER TABLE noetl.event ATTACH PARTITION noetl.event_default DEFAULT;
    COMMENT ON TABLE noetl.event_default IS 'events of executions for which there is no other partition';
    RETURN true;
END
$$;

REVOKE ALL ON FUNCTION noetl.ensure_partition() FROM PUBLIC;
COMMENT ON FUNCTION noetl.ensure_partition() IS
    'makes the default partition if noetl.event has no partition at all; returns whether it did; internal';
CREATE FUNCTION noetl.catalog_first() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    PERFORM noetl.ensure_partition();
    -- an id that does not come from the sequence, as in a copy of the catalog alone
    PERFORM setval('noetl.catalog_catalog_id_seq', new.catalog_id)
       FROM noetl.catalog_catalog_id_seq AS s
      WHERE s.last_value < new.catalog_id OR (s.last_value = new.catalog_id AND NOT s.is_called);
    RETURN new;
END
$$;

REVOKE ALL ON FUNCTION noetl.catalog_first() FROM PUBLIC;
COMMENT ON FUNCTION noetl.catalog_first() IS
    'trigger of noetl.catalog: the first playbook brings the default partition of noetl.event, and ids that do not come from the sequence move it';
-- CREATE EXTENSION makes no partition: pg_dump brings those that there were, and
-- they would be in its way.  Without a playbook there are no events.
CREATE TRIGGER catalog_first BEFORE INSERT ON noetl.catalog
    FOR EACH ROW EXECUTE FUNCTION noetl.catalog_first();
ALTER TABLE noetl.catalog ENABLE ALWAYS TRIGGER catalog_first;
COMMENT ON TRIGGER catalog_first ON noetl.catalog IS
    'sees that noetl.event has a partition before there can be an event, and that new ids are beyond those there are';
-- The policies as they are, or as they would be with a change.
CREATE FUNCTION noetl.policies(change_path text, change_keep interval)
    RETURNS TABLE (path text, keep interval)
    LANGUAGE sql STABLE PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
    AS $$
    SELECT r.path, r.keep FROM noetl.retention AS r WHERE r.path IS DISTINCT FROM change_path
    UNION ALL
    SELECT change_path, change_keep WHERE change_path IS NOT NULL
$$;

REVOKE ALL ON FUNCTION noetl.policies(text, interval) FROM PUBLIC;
COMMENT ON FUNCTION noetl.policies(text, interval) IS
    'noetl.retention, as it would be if noetl.retain() changed one path; part of noetl.expired()';
CREATE FUNCTION noetl.family_expired(topmost bigint, change_path text, change_keep interval) RETURNS boolean
    LANGUAGE sql STABLE PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp SET jit = off
    AS $$
    WITH RECURSIVE member AS (
        SELECT x.path, x.status, x.ended_at, x.execution_id
          FROM noetl.execution AS x WHERE x.execution_id = topmost
        UNION ALL
        SELECT x.path, x.status, x.ended_at, x.execution_id
          FROM member AS m JOIN noetl.execution AS x ON x.parent_execution_id = m.execution_id
    )
    SELECT NOT EXISTS (
        SELECT FROM member AS m
          LEFT JOIN noetl.policies(change_path, change_keep) AS own ON own.path = m.path
          LEFT JOIN noetl.policies(change_path, change_keep) AS general ON general.path = ''
         WHERE (m.status NOT IN ('SCHEDULED', 'RUNNING')
                AND m.ended_at < clock_timestamp() - CASE WHEN own.path IS NULL THEN general.keep ELSE own.keep END)
               IS NOT TRUE)
$$;

REVOKE ALL ON FUNCTION noetl.family_expired(bigint, text, interval) FROM PUBLIC;
COMMENT ON FUNCTION noetl.family_expired(bigint, text, interval) IS
    'whether an execution and all that descends from it is over and has been kept long enough; part of noetl.relatives_expired()';
CREATE FUNCTION noetl.relatives_expired(of_execution bigint, change_path text, change_keep interval) RETURNS boolean
    AS 'MODULE_PATHNAME', 'noetl_relatives_expired'
    LANGUAGE C STABLE PARALLEL RESTRICTED;
REVOKE ALL ON FUNCTION noetl.relatives_expired(bigint, text, interval) FROM PUBLIC;
COMMENT ON FUNCTION noetl.relatives_expired(bigint, text, interval) IS
    'whether the topmost execution that an execution descends from, and all that descends from that one, is over and has been kept long enough; a statement asks once for each family; part of noetl.expired()';
-- Streams: with LIMIT only as much is read as is needed.
CREATE FUNCTION noetl.expired(since bigint, until bigint, slack interval, most bigint DEFAULT NULL,
                              change_path text DEFAULT NULL, change_keep interval DEFAULT NULL)
    RETURNS TABLE (execution_id bigint, path text, ended_at timestamptz)
    LANGUAGE sql STABLE PARALLEL RESTRICTED
    SET search_path = pg_catalog, pg_temp SET jit = off
    AS $$
    SELECT x.execution_id, x.path, x.ended_at
      FROM noetl.execution AS x
      LEFT JOIN noetl.policies(change_path, change_keep) AS own ON own.path = x.path
      LEFT JOIN noetl.policies(change_path, change_keep) AS general ON general.path = ''
     WHERE x.execution_id >= since AND x.execution_id < until
       AND x.status NOT IN ('SCHEDULED', 'RUNNING')
       AND x.ended_at < clock_timestamp() - slack - CASE WHEN own.path IS NULL THEN general.keep ELSE own.keep END
       AND NOT EXISTS (SELECT FROM noetl.pending AS p WHERE p.execution_id = x.execution_id)
       AND NOT EXISTS (SELECT FROM noetl.queue AS q WHERE q.execution_id = x.execution_id)
       AND (x.parent_execution_id IS NULL
            AND NOT EXISTS (SELECT FROM noetl.execution AS c WHERE c.parent_execution_id = x.execution_id)
            OR noetl.relatives_expired(x.execution_id, change_path, change_keep))
     ORDER BY x.execution_id
     LIMIT most
$$;

REVOKE ALL ON FUNCTION noetl.expired(bigint, bigint, interval, bigint, text, interval) FROM PUBLIC;
COMMENT ON FUNCTION noetl.expired(bigint, bigint, interval, bigint, text, interval) IS
    'the executions of a range that noetl.maintain() may remove: over, kept long enough (and a slack longer), with nothing left to do, in families that are so as a whole';
CREATE FUNCTION noetl.any_kept(since bigint, until bigint) RETURNS boolean
    LANGUAGE sql STABLE PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp SET jit = off
    AS $$
    SELECT EXISTS (
        SELECT FROM noetl.execution AS x
          LEFT JOIN noetl.retention AS own ON own.path = x.path
          LEFT JOIN noetl.retention AS general ON general.path = ''
         WHERE x.execution_id >= since AND x.execution_id < until
           AND (x.status NOT IN ('SCHEDULED', 'RUNNING')
                AND x.ended_at < clock_timestamp() - CASE WHEN own.path IS NULL THEN general.keep ELSE own.keep END)
               IS NOT TRUE)
$$;

REVOKE ALL ON FUNCTION noetl.any_kept(bigint, bigint) FROM PUBLIC;
COMMENT ON FUNCTION noetl.any_kept(bigint, bigint) IS
    'whether a range has an execution that runs or is to be kept for its own sake; tells quickly in most cases; internal';
CREATE FUNCTION noetl.unknown_executions(partition regclass) RETURNS bigint
    LANGUAGE plpgsql STABLE PARALLEL UNSAFE
    SET search_path = pg_catalog, pg_temp SET jit = off SET enable_seqscan = off
    AS $$
DECLARE
    found bigint;
BEGIN
    -- from one execution to the next by the index, not by reading every event
    EXECUTE format($f$
        WITH RECURSIVE logged AS (
            SELECT min(e.execution_id) AS id FROM %1$s AS e
            UNION ALL
            SELECT (SELECT min(e.execution_id) FROM %1$s AS e WHERE e.execution_id > l.id)
              FROM logged AS l WHERE l.id IS NOT NULL
        )
        SELECT count(*) FROM logged AS l
         WHERE l.id IS NOT NULL
           AND NOT EXISTS (SELECT FROM noetl.execution AS x WHERE x.execution_id = l.id)$f$, partition)
       INTO found;
    RETURN found;
END
$$;

REVOKE ALL ON FUNCTION noetl.unknown_executions(regclass) FROM PUBLIC;
COMMENT ON FUNCTION noetl.unknown_executions(regclass) IS
    'how many executions have events in a partition and no row in noetl.execution, as after a restore of events alone; internal';
CREATE FUNCTION noetl.archive_executions(ids bigint[]) RETURNS void
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    hook text := nullif(current_setting('noetl.archive', true), '');
    fn   regprocedure;
BEGIN
    IF hook IS NULL THEN
        RETURN;
    END IF;
    fn := to_regprocedure(format('%s(bigint[])', hook));
    IF fn IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'undefined_function',
            MESSAGE = format('function %s(bigint[]), which noetl.archive names, does not exist', hook),
            HINT = 'Name it with its schema.';
    END IF;
    -- it is called with the rights of the extension's owner
    IF NOT EXISTS (SELECT FROM pg_proc AS p
                    WHERE p.oid = fn
                      AND (pg_has_role(p.proowner, (SELECT c.relowner FROM pg_class AS c
                                                     WHERE c.oid = 'noetl.event'::regclass), 'USAGE'))) THEN
        RAISE EXCEPTION USING ERRCODE = 'insufficient_privilege',
            MESSAGE = format('function %s belongs to a role without the rights of the owner of noetl.event', fn),
            HINT = 'Let the owner of the extension own it: noetl.archive is called with that role''s rights.';
    END IF;
    FOR i IN 1 .. cardinality(ids) BY 1000 LOOP
        EXECUTE (SELECT format('SELECT %I.%I($1)', n.nspname, p.proname)
                   FROM pg_proc AS p JOIN pg_namespace AS n ON n.oid = p.pronamespace
                  WHERE p.oid = fn)
          USING ids[i : i + 999];
    END LOOP;
END
$$;

REVOKE ALL ON FUNCTION noetl.archive_executions(bigint[]) FROM PUBLIC;
COMMENT ON FUNCTION noetl.archive_executions(bigint[]) IS
    'calls the function that noetl.archive names with the executions that are about to be removed, 1,000 at a time; internal';
CREATE FUNCTION noetl.remove_rows(ids bigint[]) RETURNS bigint[]
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
    SET search_path = pg_catalog, pg_temp SET jit = off
    AS $$
DECLARE
    gone bigint[];
BEGIN
    -- one that has been started again in the meantime stays
    WITH d AS (DELETE FROM noetl.execution AS x USING unnest(ids) AS i
                WHERE x.execution_id = i AND x.status NOT IN ('SCHEDULED', 'RUNNING') AND x.ended_at IS NOT NULL
            RETURNING x.execution_id)
    SELECT array_agg(d.execution_id) INTO gone FROM d;
    DELETE FROM noetl.workload AS t USING unnest(gone) AS i WHERE t.execution_id = i;
    DELETE FROM noetl.start_key AS t USING unnest(gone) AS i WHERE t.execution_id = i;
    DELETE FROM noetl.run AS t USING unnest(gone) AS i WHERE t.execution_id = i;
    DELETE FROM noetl.arrival AS t USING unnest(gone) AS i WHERE t.execution_id = i;
    DELETE FROM noetl.item AS t USING unnest(gone) AS i WHERE t.execution_id = i;
    DELETE FROM noetl.paused AS t USING unnest(gone) AS i WHERE t.execution_id = i;
    DELETE FROM noetl.signal AS t USING unnest(gone) AS i WHERE t.execution_id = i;
    DELETE FROM noetl.reaper_failure AS t USING unnest(gone) AS i WHERE t.execution_id = i;
    DELETE FROM noetl.family AS t USING unnest(gone) AS i WHERE t.root_id = i;
    RETURN coalesce(gone, '{}');
END
$$;

REVOKE ALL ON FUNCTION noetl.remove_rows(bigint[]) FROM PUBLIC;
COMMENT ON FUNCTION noetl.remove_rows(bigint[]) IS
    'removes executions that are over from all tables but noetl.event; returns those that it removed; internal';
CREATE FUNCTION noetl.segments()
    RETURNS TABLE (partition regclass, since bigint, until bigint, by_time boolean)
    LANGUAGE sql STABLE PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
    AS $$
    WITH p AS (SELECT * FROM noetl.partitions()), gap AS (
        SELECT coalesce(lag(p.until) OVER (ORDER BY p.since), -9223372036854775808) AS since, p.since AS until
          FROM p WHERE p.since IS NOT NULL
        UNION ALL
        SELECT coalesce(max(p.until), -9223372036854775808), 9223372036854775807 FROM p
    )
    SELECT p.partition, p.since, p.until, true FROM p WHERE p.since IS NOT NULL
    UNION ALL
    SELECT p.partition, g.since, g.until, false FROM p CROSS JOIN gap AS g WHERE p.since IS NULL AND g.since < g.until
$$;

REVOKE ALL ON FUNCTION noetl.segments() FROM PUBLIC;
COMMENT ON FUNCTION noetl.segments() IS
    'which execution_ids are in which partition; the default partition has the gaps between the others; internal';
CREATE FUNCTION noetl.partition_width() RETURNS interval
    LANGUAGE sql STABLE PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
    AS $$
    SELECT CASE WHEN k.keep <= '2 days' THEN interval '1 hour'
                WHEN k.keep <= '60 days' THEN interval '24 hours'
                WHEN k.keep > '2 years' THEN interval '672 hours'
                ELSE interval '168 hours' END
      FROM (SELECT coalesce(max(r.keep) FILTER (WHERE r.path = ''), max(r.keep)) AS keep
              FROM noetl.retention AS r) AS k
$$;

REVOKE ALL ON FUNCTION noetl.partition_width() FROM PUBLIC;
COMMENT ON FUNCTION noetl.partition_width() IS
    'how long a time a new partition is for: 1 hour, 1, 7 or 28 days, by the retention that most executions have; internal';
CREATE FUNCTION noetl.droppable() RETURNS SETOF regclass
    LANGUAGE plpgsql STABLE PARALLEL UNSAFE
    SET search_path = pg_catalog, pg_temp SET jit = off
    AS $$
DECLARE
    part    record;
    unknown bigint;
BEGIN
    FOR part IN SELECT * FROM noetl.partitions() AS p
                 WHERE p.until <= noetl.id_at(clock_timestamp()) ORDER BY p.since LOOP
        CONTINUE WHEN noetl.any_kept(part.since, part.until);
        CONTINUE WHEN (SELECT count(*) FROM noetl.expired(part.since, part.until, '0'))
                   <> (SELECT count(*) FROM noetl.execution AS x
                        WHERE x.execution_id >= part.since AND x.execution_id < part.until);
        unknown := noetl.unknown_executions(part.partition);
        IF unknown > 0 THEN
            RAISE WARNING USING
                MESSAGE = format('%s stays: it has events of %s executions without a row in noetl.execution',
                                 part.partition, unknown),
                HINT = 'noetl.rebuild(execution_id) makes the rows.';
            CONTINUE;
        END IF;
        RETURN NEXT part.partition;
    END LOOP;
END
$$;

REVOKE ALL ON FUNCTION noetl.droppable() FROM PUBLIC;
COMMENT ON FUNCTION noetl.droppable() IS
    'partitions whose time has passed and all of whose executions have expired, oldest first; internal';
CREATE FUNCTION noetl.remove_expired(most bigint, except_of regclass[])
    RETURNS TABLE (action text, partition text, executions bigint, detail text)
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
    SET search_path = pg_catalog, pg_temp SET jit = off SET lock_timeout = '1s'
    AS $$
DECLARE
    part  record;
    width interval := noetl.partition_width();
    ids   bigint[];
BEGIN
    FOR part IN SELECT * FROM noetl.segments() AS s
                 WHERE s.partition <> ALL (except_of) ORDER BY s.since LOOP
        EXIT WHEN most <= 0;
        -- a partition by time will soon be dropped as a whole, unless something in it stays longer
        ids := ARRAY(SELECT x.execution_id
                       FROM noetl.expired(part.since, part.until,
                                          CASE WHEN part.by_time THEN width ELSE '0' END, most) AS x);
        CONTINUE WHEN ids = '{}';
        PERFORM noetl.archive_executions(ids);
        ids := noetl.remove_rows(ids);
        EXECUTE format('DELETE FROM %s AS e USING unnest($1) AS i WHERE e.execution_id = i', part.partition) USING ids;
        most := most - cardinality(ids);
        action := 'deleted';
        partition := part.partition::text;
        executions := cardinality(ids);
        RETURN NEXT;
    END LOOP;
EXCEPTION WHEN lock_not_available OR deadlock_detected THEN
    action := 'postponed';
    detail := SQLERRM;
    executions := NULL;
    RETURN NEXT;
END
$$;

REVOKE ALL ON FUNCTION noetl.remove_expired(bigint, regclass[]) FROM PUBLIC;
COMMENT ON FUNCTION noetl.remove_expired(bigint, regclass[]) IS
    'removes expired executions row by row where the partition cannot be dropped; internal';
CREATE FUNCTION noetl.lock_partitions(to_drop regclass[], to_lock regclass[], tries integer) RETURNS boolean
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
    SET search_path = pg_catalog, pg_temp SET lock_timeout = '20ms'
    AS $$
DECLARE
    leaf regclass;
BEGIN
    FOR try IN 1 .. tries LOOP
        BEGIN
            IF to_drop <> '{}' THEN
                LOCK TABLE ONLY noetl.event IN ACCESS EXCLUSIVE MODE;
            ELSE
                LOCK TABLE ONLY noetl.event IN SHARE UPDATE EXCLUSIVE MODE;
            END IF;
            FOREACH leaf IN ARRAY to_drop || to_lock LOOP
                EXECUTE format('LOCK TABLE %s IN ACCESS EXCLUSIVE MODE', leaf);
            END LOOP;
            RETURN true;
        EXCEPTION WHEN lock_not_available OR deadlock_detected THEN
            NULL;               -- whoever has waited behind us goes first
        END;
        PERFORM pg_sleep(CASE WHEN try < tries THEN 0.05 + 0.15 * random() ELSE 0 END);
    END LOOP;
    RETURN false;
END
$$;

REVOKE ALL ON FUNCTION noetl.lock_partitions(regclass[], regclass[], integer) FROM PUBLIC;
COMMENT ON FUNCTION noetl.lock_partitions(regclass[], regclass[], integer) IS
    'locks noetl.event and partitions to change them; others never wait for this longer than 20 ms at a time; false: gave up after so many tries; internal';
CREATE FUNCTION noetl.drop_partitions(leaves regclass[])
    RETURNS TABLE (action text, partition text, executions bigint, detail text)
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
    SET search_path = pg_catalog, pg_temp SET jit = off SET lock_timeout = '1s'
    AS $$
DECLARE
    part  record;
    ids   bigint[];
    names text[] := '{}';
    sizes bigint[] := '{}';
BEGIN
    BEGIN
        FOR part IN SELECT * FROM noetl.partitions() AS p WHERE p.partition = ANY (leaves) ORDER BY p.since LOOP
            ids := ARRAY(SELECT x.execution_id FROM noetl.expired(part.since, part.until, '0') AS x);
            PERFORM noetl.archive_executions(ids);
            ids := noetl.remove_rows(ids);
            names := names || part.partition::text;
            sizes := sizes || cardinality(ids)::bigint;
        END LOOP;
        IF NOT noetl.lock_partitions(leaves, '{}', 20) THEN
            RAISE lock_not_available USING MESSAGE = 'noetl.event is in use by long transactions';
        END IF;
        -- nobody can insert any more; something may have come before
        IF EXISTS (SELECT FROM noetl.partitions() AS p JOIN noetl.execution AS x
                               ON x.execution_id >= p.since AND x.execution_id < p.until
                    WHERE p.partition = ANY (leaves)) THEN
            RAISE lock_not_available USING MESSAGE = 'executions have begun again';
        END IF;
        PERFORM set_config('lock_timeout', '100ms', true);  -- others wait for noetl.event
        FOR i IN 1 .. cardinality(names) LOOP
            EXECUTE format('DROP TABLE %s', names[i]);
        END LOOP;
    EXCEPTION WHEN lock_not_available OR deadlock_detected THEN
        -- the rows are back: all or nothing goes
        RETURN QUERY SELECT 'postponed', l::text, NULL::bigint, SQLERRM FROM unnest(leaves) AS l;
        RETURN;
    END;
    RETURN QUERY SELECT 'dropped', n, s, NULL::text FROM unnest(names, sizes) AS u (n, s);
END
$$;

REVOKE ALL ON FUNCTION noetl.drop_partitions(regclass[]) FROM PUBLIC;
COMMENT ON FUNCTION noetl.drop_partitions(regclass[]) IS
    'drops partitions whose executions have all expired, and removes the executions from the other tables; internal';
-- Apart from attach_ahead(): tables are made before others have to wait.
CREATE FUNCTION noetl.build_ahead(OUT names text[], OUT bounds timestamptz[])
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
    SET search_path = pg_catalog, pg_temp SET lock_timeout = '1s'
    AS $$
DECLARE
    width  interval := noetl.partition_width();
    target timestamptz := clock_timestamp() + greatest(width, interval '24 hours');
    first  timestamptz := date_trunc('second', clock_timestamp()) + interval '10 seconds';
    beyond timestamptz;
    covers bigint;
BEGIN
    -- from the first time that no partition is for, as far as one that somebody has made for a later time
    LOOP
        SELECT p.until INTO covers FROM noetl.partitions() AS p
         WHERE p.since <= noetl.id_at(first) AND p.until > noetl.id_at(first);
        EXIT WHEN NOT FOUND;
        first := noetl.id_time(covers);
    END LOOP;
    beyond := (SELECT noetl.id_time(min(p.since)) FROM noetl.partitions() AS p WHERE p.since > noetl.id_at(first));
    names := '{}';
    bounds := ARRAY[first];
    -- few at a time: the default partition is locked while they are attached
    WHILE bounds[cardinality(bounds)] < least(target, beyond) AND cardinality(names) < 4 LOOP
        names := names || noetl.partition_name(bounds[cardinality(bounds)]);
        bounds := bounds || least(date_bin(width, bounds[cardinality(bounds)], '2024-01-01 00:00:00+00') + width, beyond);
    END LOOP;
    PERFORM noetl.build_partition(n) FROM unnest(names) AS n;
END
$$;

REVOKE ALL ON FUNCTION noetl.build_ahead() FROM PUBLIC;
COMMENT ON FUNCTION noetl.build_ahead() IS
    'makes tables, four at most, that can become the partitions of the next 24 hours and of one width, and returns their names and bounds; internal';
CREATE FUNCTION noetl.attach_ahead(names text[], bounds timestamptz[], tries integer)
    RETURNS TABLE (action text, partition text, executions bigint, detail text)
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
    SET search_path = pg_catalog, pg_temp SET lock_timeout = '100ms'
    AS $$
DECLARE
    rest regclass := (SELECT p.partition FROM noetl.partitions() AS p WHERE p.since IS NULL);
    name text;
BEGIN
    IF names = '{}' THEN
        RETURN;
    END IF;
    BEGIN
        IF NOT noetl.lock_partitions('{}', CASE WHEN rest IS NULL THEN '{}' ELSE ARRAY[rest] END, tries) THEN
            RAISE lock_not_available USING MESSAGE = 'the default partition is in use by long transactions';
        END IF;
        PERFORM noetl.attach_partitions(names, bounds);
    EXCEPTION WHEN lock_not_available OR deadlock_detected OR check_violation THEN
        RETURN QUERY SELECT 'postponed', n, NULL::bigint, SQLERRM FROM unnest(names) AS n;
        FOREACH name IN ARRAY names LOOP
            EXECUTE format('DROP TABLE noetl.%I', name);
        END LOOP;
        RETURN;
    END;
    RETURN QUERY SELECT 'made', format('noetl.%I', n), NULL::bigint, NULL::text FROM unnest(names) AS n;
END
$$;

REVOKE ALL ON FUNCTION noetl.attach_ahead(text[], timestamptz[], integer) FROM PUBLIC;
COMMENT ON FUNCTION noetl.attach_ahead(text[], timestamptz[], integer) IS
    'attaches what noetl.build_ahead() has made to noetl.event, or drops it again when others keep it from being attached; internal';
CREATE FUNCTION noetl.maintain()
    RETURNS TABLE (action text, partition text, executions bigint, detail text)
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    leaves regclass[];
    ahead  record;
BEGIN
    PERFORM noetl.id_time(0);   -- loads the library: its settings are for superusers to set
    IF current_setting('transaction_isolation') <> 'read committed' THEN
        RAISE EXCEPTION USING ERRCODE = 'invalid_transaction_state',
            MESSAGE = 'noetl.maintain() needs a transaction that is READ COMMITTED';
    END IF;
    BEGIN
        LOCK TABLE noetl.retention IN SHARE UPDATE EXCLUSIVE MODE NOWAIT;
    EXCEPTION WHEN lock_not_available THEN
        RETURN QUERY SELECT 'postponed', NULL::text, NULL::bigint, 'another session is at it';
        RETURN;
    END;
    IF noetl.ensure_partition() THEN
        RETURN QUERY SELECT 'made', 'noetl.event_default', NULL::bigint, NULL::text;
    END IF;
    IF NOT EXISTS (SELECT FROM noetl.retention) THEN
        RETURN;
    END IF;
    leaves := ARRAY(SELECT d FROM noetl.droppable() AS d LIMIT 20);
    RETURN QUERY SELECT * FROM noetl.remove_expired(10000, leaves);
    SELECT b.names, b.bounds INTO ahead FROM noetl.build_ahead() AS b;
    -- Last what others have to wait for, and few partitions at a time.  With noetl.event
    -- locked, the default partition is not waited for: who uses it may wait for noetl.event.
    IF leaves <> '{}' THEN
        RETURN QUERY SELECT * FROM noetl.drop_partitions(leaves[:4]);
    END IF;
    RETURN QUERY SELECT * FROM noetl.attach_ahead(ahead.names, ahead.bounds, CASE WHEN leaves = '{}' THEN 20 ELSE 1 END);
END
$$;

REVOKE ALL ON FUNCTION noetl.maintain() FROM PUBLIC;
COMMENT ON FUNCTION noetl.maintain() IS
    'makes partitions of noetl.event ahead of time and removes what has been kept as long as noetl.retain() says, whole partitions where it can; call it once an hour, in a transaction of its own, unless noetl.timer does. It works in portions: four partitions and 10000 executions a call at most. Returns what it did (made, dropped, deleted) and what has to wait (postponed)';
CREATE FUNCTION noetl.expect_maintenance() RETURNS void
    AS 'MODULE_PATHNAME', 'noetl_expect_maintenance'
    LANGUAGE C VOLATILE PARALLEL UNSAFE;
REVOKE ALL ON FUNCTION noetl.expect_maintenance() FROM PUBLIC;
COMMENT ON FUNCTION noetl.expect_maintenance() IS
    'tells the timer process, when the transaction commits, that noetl.maintain() has work; internal';
CREATE FUNCTION noetl.retain(keep interval, path text DEFAULT NULL, dry_run boolean DEFAULT true)
    RETURNS TABLE (playbook text, executions bigint, oldest timestamptz, newest timestamptz)
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    IF keep NOT BETWEEN '0' AND '1000 years' THEN
        RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
            MESSAGE = 'executions are kept for 0 to 1000 years',
            HINT = 'Give the time that they are kept after their end, or NULL for ever.';
    END IF;
    IF retain.path = '' THEN    -- the table has that for all others
        RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
            MESSAGE = 'the path of the executions must not be empty',
            HINT = 'Give NULL for all paths without a time of their own.';
    END IF;
    RETURN QUERY
        SELECT x.path, count(*), min(x.ended_at), max(x.ended_at)
          FROM noetl.expired(-9223372036854775808, 9223372036854775807, '0', NULL,
                             coalesce(retain.path, ''), retain.keep) AS x
         GROUP BY x.path ORDER BY x.path;
    IF NOT dry_run THEN
        INSERT INTO noetl.retention AS r (path, keep, set_by, set_at)
        VALUES (coalesce(retain.path, ''), retain.keep, to_regrole(quote_ident(session_user)), clock_timestamp())
        ON CONFLICT ON CONSTRAINT retention_pkey
        DO UPDATE SET keep = excluded.keep, set_by = excluded.set_by, set_at = excluded.set_at;
        PERFORM noetl.expect_maintenance();
    END IF;
END
$$;

REVOKE ALL ON FUNCTION noetl.retain(interval, text, boolean) FROM PUBLIC;
COMMENT ON FUNCTION noetl.retain(interval, text, boolean) IS
    'says how long executions are kept after their end: those of a path, or (path null) of every path without a time of its own; keep null: for ever. Returns by playbook what noetl.maintain() then removes. dry_run: nothing is stored';

-- ---------------------------------------------------------------------------
-- Playbooks played in memory, and their tests (src/simulate)
-- ---------------------------------------------------------------------------

CREATE FUNCTION noetl.simulate(content text, parameters jsonb DEFAULT '{}', stubs jsonb DEFAULT '{}', at timestamptz DEFAULT NULL)
    RETURNS TABLE (seq integer, at timestamptz, event_type text, step text, status text, data jsonb)
    AS 'MODULE_PATHNAME', 'noetl_simulate'
    LANGUAGE C VOLATILE PARALLEL UNSAFE ROWS 50;

REVOKE ALL ON FUNCTION noetl.simulate(text, jsonb, jsonb, timestamptz) FROM PUBLIC;
COMMENT ON FUNCTION noetl.simulate(text, jsonb, jsonb, timestamptz) IS
    'plays an execution of a playbook in memory, from a time on (now) and with stubs for what workers, statements of SQL and senders of signals answer: a row for each event and for each task as it is handed out; writes nothing, waits for nothing, and works on a hot standby';
CREATE FUNCTION noetl.test(content text)
    RETURNS TABLE (name text, ok boolean, detail text)
    AS 'MODULE_PATHNAME', 'noetl_test'
    LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE ROWS 10;
REVOKE ALL ON FUNCTION noetl.test(text) FROM PUBLIC;
COMMENT ON FUNCTION noetl.test(text) IS
    'plays each test that a playbook has under "tests", as noetl.simulate() does, and compares; ok: all is as expected, otherwise the detail says what was expected and what was found';

-- ---------------------------------------------------------------------------
-- What noetl-console and other pages need (src/api)
-- ---------------------------------------------------------------------------

CREATE FUNCTION noetl.draw(content text, states jsonb DEFAULT '{}') RETURNS text
    AS 'MODULE_PATHNAME', 'noetl_draw'
    LANGUAGE C STABLE STRICT PARALLEL SAFE;
REVOKE ALL ON FUNCTION noetl.draw(text, jsonb) FROM PUBLIC;
COMMENT ON FUNCTION noetl.draw(text, jsonb) IS
    'the graph of a playbook, which need not be registered, as svg like that of noetl.explain(); states: {"step": {"state": text, "visits": number, "to": [steps that it went on to]}, …}';
CREATE PROCEDURE noetl.wait_for_change(timeout interval DEFAULT '30 s', INOUT changed boolean DEFAULT NULL)
    AS 'MODULE_PATHNAME', 'noetl_wait_for_change'
    LANGUAGE C;
REVOKE ALL ON PROCEDURE noetl.wait_for_change(interval, boolean) FROM PUBLIC;
COMMENT ON PROCEDURE noetl.wait_for_change(interval, boolean) IS
    'sleeps until a transaction has stored an event of any execution (changed is true) or the timeout is over (false; a timeout of null: never); holds no snapshot while it sleeps, so it must be called outside of a transaction block. What has changed is to be read a tenth of a second after it returns, or later';

-- ---------------------------------------------------------------------------
-- Several databases behind PL/Proxy: the script for the database in front.  It is
-- made of what the extension has, so that it lacks no function.
-- ---------------------------------------------------------------------------

CREATE FUNCTION noetl.proxy_script(nodes text[], keyed integer DEFAULT NULL) RETURNS text
    LANGUAGE plpgsql STABLE PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    count   CONSTANT integer := coalesce(cardinality(nodes), 0);
    spread  CONSTANT integer := coalesce(keyed, count);
    script  text;
    routine record;
    part    text;
BEGIN
    IF count = 0 OR array_position(nodes, NULL) IS NOT NULL OR count > 1024 THEN
        RAISE EXCEPTION 'there must be 1 to 1024 connection strings'
            USING ERRCODE = 'invalid_parameter_value',
                  HINT = 'The first one is that of the database whose noetl.node_id is 0, the second that of 1, and so on.';
    END IF;
    IF spread NOT BETWEEN 1 AND count THEN
        RAISE EXCEPTION 'keyed must be 1 to %', count USING ERRCODE = 'invalid_parameter_value';
    END IF;

    script := concat_ws(E'\n',
        '-- For the database in front of noetl''s databases; made by noetl.proxy_script().',
        '-- It replaces what an earlier script has made.',
        'BEGIN;',
        'CREATE EXTENSION IF NOT EXISTS plproxy;',
        'DROP SCHEMA IF EXISTS noetl CASCADE;',
        'DROP SERVER IF EXISTS noetl CASCADE;',
        'CREATE SCHEMA noetl;',
        'GRANT USAGE ON SCHEMA noetl TO PUBLIC;',
        'CREATE SERVER noetl FOREIGN DATA WRAPPER plproxy OPTIONS (modular_mapping ''1''');
    FOR i IN 1 .. count LOOP
        script := script || format(E',\n    p%s %L', i - 1, nodes[i]);
    END LOOP;
    script := script || concat_ws(E'\n', ');',
        'CREATE USER MAPPING FOR PUBLIC SERVER noetl;',
        'GRANT USAGE ON FOREIGN SERVER noetl TO PUBLIC;',
        '',
        '-- The node that made an execution_id or a queue_id.',
        'CREATE FUNCTION noetl.node_of(id bigint) RETURNS integer LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE',
        '    AS ''SELECT ((id >> 12) & 1023)::integer'';',
        '-- The node of what is started under a key: keys are spread over the first ' || spread || ' nodes.',
        'CREATE FUNCTION noetl.node_of_key(path text, key text) RETURNS integer LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE',
        format('    AS ''SELECT ((hashtext(path || chr(1) || key)::bigint + 2147483648) %% %s)::integer'';', spread),
        E'-- Which nodes there are.\nCREATE FUNCTION noetl.node_at(place integer, OUT node integer, OUT database text, OUT version text)',
        '    LANGUAGE plproxy AS $proxy$CLUSTER ''noetl''; RUN ON place;',
        '    SELECT current_setting(''noetl.node_id'')::integer AS node, current_database()::text AS database,',
        '           (SELECT extversion FROM pg_catalog.pg_extension WHERE extname = ''noetl'') AS version;$proxy$;',
        'CREATE VIEW noetl.nodes AS',
        format('    SELECT place, n.* FROM generate_series(0, %s) AS place, noetl.node_at(place) AS n;', count - 1),
        '', '');

    -- What is about one execution or task goes to its node, what is about many to all.
    FOR routine IN
        SELECT p.proname AS name, pg_get_function_arguments(p.oid) AS arguments,
               pg_get_function_result(p.oid) AS result,
               CASE p.proargnames[1] WHEN 'execution_id' THEN 'noetl.node_of(execution_id)'
                                     WHEN 'queue_id' THEN 'noetl.node_of(queue_id)'
                                     ELSE 'ALL' END AS target
          FROM pg_proc AS p
          JOIN pg_type AS t ON t.oid = p.prorettype
          JOIN pg_depend AS d ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e'
          JOIN pg_extension AS e ON d.refclassid = 'pg_extension'::regclass AND d.refobjid = e.oid
         WHERE e.extname = 'noetl' AND p.prokind = 'f' AND t.typtype <> 'c'
           AND p.proname !~ '_unchecked$'
           AND p.proname NOT IN ('enqueue_next', 'acts_for', 'may_read',
                                 'last_progress', 'pause_of', 'held_since', 'why_blocked', 'why_locked')
           AND (p.proargnames[1] IN ('execution_id', 'queue_id') AND p.proargtypes[0] = 'bigint'::regtype
                OR p.proretset AND p.proname ~ '_all$')
         ORDER BY p.proname, p.oid
    LOOP
        script := script || format(
            E'CREATE FUNCTION noetl.%I(%s) RETURNS %s\n    LANGUAGE plproxy AS $proxy$CLUSTER ''noetl''; RUN ON %s;$proxy$;\n',
            routine.name, routine.arguments, routine.result, routine.target);
    END LOOP;

    -- Starts: by the key, or anywhere.
    FOR routine IN
        SELECT p.proname AS name, pg_get_function_arguments(p.oid) AS arguments, array_to_string(p.proargnames, ', ') AS names,
               p.proname = 'execute' AS may_lack_key
          FROM pg_proc AS p
         WHERE p.pronamespace = 'noetl'::regnamespace AND p.proname IN ('execute', 'debounce')
    LOOP
        part := regexp_replace(routine.arguments, ' DEFAULT [^,]*(''::[a-z]+)?', '', 'g');
        script := script || format(
            E'CREATE FUNCTION noetl.%1$s_on(node integer, %2$s) RETURNS bigint\n'
            '    LANGUAGE plproxy AS $proxy$CLUSTER ''noetl''; RUN ON node; SELECT noetl.%1$s(%3$s);$proxy$;\n'
            'CREATE FUNCTION noetl.%1$s(%4$s) RETURNS bigint LANGUAGE sql\n'
            '    AS $proxy$SELECT noetl.%1$s_on(%5$s, %3$s)$proxy$;\n',
            routine.name, part, routine.names, routine.arguments,
            CASE WHEN routine.may_lack_key
                 THEN format('coalesce(noetl.node_of_key(path, key), floor(random() * %s)::integer)', count)
                 ELSE 'noetl.node_of_key(path, key)' END);
    END LOOP;
    IF to_regprocedure('noetl.send(text, text, jsonb, interval, text)') IS NOT NULL THEN
        script := script || concat_ws(E'\n',
            '-- A message goes to whoever waits for it, on any node; it is not kept for later ones.',
            'CREATE FUNCTION noetl.send_all(name text, key text, data jsonb, id text) RETURNS SETOF bigint',
            '    LANGUAGE plproxy AS $proxy$CLUSTER ''noetl''; RUN ON ALL; SELECT noetl.send(name, key, data, NULL::interval, id);$proxy$;',
            'CREATE FUNCTION noetl.send(name text, key text, data jsonb DEFAULT NULL, id text DEFAULT NULL) RETURNS bigint LANGUAGE sql',
            '    AS $proxy$SELECT sum(n)::bigint FROM noetl.send_all(name, key, data, id) AS n$proxy$;',
            '');
    END IF;

    -- The catalog is the same everywhere.
    script := script || concat_ws(E'\n',
        'CREATE FUNCTION noetl.register_on(place integer, content text, path text) RETURNS bigint',
        '    LANGUAGE plproxy AS $proxy$CLUSTER ''noetl''; RUN ON place; SELECT noetl.register(content, path);$proxy$;',
        'CREATE FUNCTION noetl.register(content text, path text DEFAULT NULL) RETURNS TABLE (node integer, catalog_id bigint)',
        '    LANGUAGE plproxy AS $proxy$CLUSTER ''noetl''; RUN ON ALL;',
        '    SELECT current_setting(''noetl.node_id'')::integer AS node, noetl.register(content, path) AS catalog_id;$proxy$;',
        'CREATE FUNCTION noetl.catalog_on(place integer) RETURNS TABLE (path text, version integer, digest bytea, content text)',
        '    LANGUAGE plproxy AS $proxy$CLUSTER ''noetl''; RUN ON place;',
        '    SELECT c.path, c.version, c.digest, c.content FROM noetl.catalog AS c',
        '     WHERE strpos(c.path, ''#'') = 0 ORDER BY c.catalog_id;$proxy$;',
        '-- Registers on one node what another has and it lacks; returns how many versions.',
        'CREATE FUNCTION noetl.copy_catalog(from_place integer, to_place integer) RETURNS bigint LANGUAGE sql',
        '    AS $proxy$SELECT count(noetl.register_on(to_place, f.content, f.path)) FROM noetl.catalog_on(from_place) AS f',
        '     WHERE (f.path, f.version, f.digest) NOT IN (SELECT t.path, t.version, t.digest FROM noetl.catalog_on(to_place) AS t)$proxy$;',
        'CREATE FUNCTION noetl.validate(content text)',
        '    RETURNS TABLE (severity text, line integer, col integer, path text, message text, hint text)',
        '    LANGUAGE plproxy AS $proxy$CLUSTER ''noetl''; RUN ON ANY;$proxy$;',
        '', '');

    -- Lists: the rows of all nodes, with the number of the node.
    FOR routine IN
        SELECT c.relname AS name, string_agg(format('%I %s', a.attname, format_type(a.atttypid, a.atttypmod)), ', ' ORDER BY a.attnum) AS columns,
               string_agg(format('v.%I', a.attname), ', ' ORDER BY a.attnum) AS names
          FROM pg_class AS c
          JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
         WHERE c.relnamespace = 'noetl'::regnamespace AND c.relkind = 'v'
           AND c.relname IN ('backlog', 'running', 'failure', 'worker', 'waiting')
         GROUP BY c.relname ORDER BY c.relname
    LOOP
        script := script || format(
            E'CREATE FUNCTION noetl.%1$s_of_all() RETURNS TABLE (node integer, %2$s)\n'
            '    LANGUAGE plproxy AS $proxy$CLUSTER ''noetl''; RUN ON ALL;\n'
            '    SELECT current_setting(''noetl.node_id'')::integer AS node, %3$s FROM noetl.%1$I AS v;$proxy$;\n'
            'CREATE VIEW noetl.%1$I AS SELECT * FROM noetl.%1$s_of_all();\n',
            routine.name, routine.columns, routine.names);
    END LOOP;
    script := script || concat_ws(E'\n',
        '-- The newest executions of all nodes.',
        'CREATE FUNCTION noetl.executions_of_all(path text, status text, max integer)',
        '    RETURNS TABLE (node integer, execution_id bigint, path text, version integer, status text, started_at timestamptz, ended_at timestamptz, error text)',
        '    LANGUAGE plproxy AS $proxy$CLUSTER ''noetl''; RUN ON ALL;',
        '    SELECT current_setting(''noetl.node_id'')::integer AS node, x.execution_id, x.path, x.version, x.status, x.started_at, x.ended_at, x.error',
        '      FROM noetl.execution AS x WHERE x.path = coalesce(path, x.path) AND x.status = coalesce(status, x.status)',
        '     ORDER BY x.execution_id DESC LIMIT max;$proxy$;',
        'CREATE FUNCTION noetl.executions(path text DEFAULT NULL, status text DEFAULT NULL, max integer DEFAULT 100)',
        '    RETURNS TABLE (node integer, execution_id bigint, path text, version integer, status text, started_at timestamptz, ended_at timestamptz, error text)',
        '    LANGUAGE sql AS $proxy$SELECT * FROM noetl.executions_of_all($1, $2, $3) AS x ORDER BY x.execution_id DESC LIMIT $3$proxy$;',
        '-- The metrics of all nodes, each with the label "node".',
        'CREATE FUNCTION noetl.metrics_on(place integer) RETURNS text',
        '    LANGUAGE plproxy AS $proxy$CLUSTER ''noetl''; RUN ON place; SELECT noetl.metrics();$proxy$;',
        'CREATE FUNCTION noetl.metrics() RETURNS text LANGUAGE sql',
        '    AS $proxy$',
        '    WITH line AS (',
        '        SELECT n.node, l.number, l.line,',
        '               sum((l.line ~ ''^# (TYPE|HELP|UNIT) '')::integer) OVER (PARTITION BY n.node ORDER BY l.number) AS head,',
        '               coalesce(substring(l.line FROM ''^# [A-Z]+ ([a-zA-Z0-9_:]+)''), '''') AS name',
        '          FROM noetl.nodes AS n, unnest(string_to_array(noetl.metrics_on(n.place), E''\n'')) WITH ORDINALITY AS l(line, number)',
        '         WHERE l.line NOT IN ('''', ''# EOF'')),',
        '    family AS (',
        '        SELECT node, number, line, max(name) FILTER (WHERE name <> '''') OVER (PARTITION BY node, head) AS name FROM line),',
        '    labelled AS (',
        '        SELECT name, number, node, line LIKE ''#%'' AS is_head,',
        '               CASE WHEN line LIKE ''#%'' THEN line',
        '                    WHEN line ~ ''^[^ ]+\{'' THEN regexp_replace(line, ''\{'', ''{node="'' || node || ''",'')',
        '                    ELSE regexp_replace(line, '' '', ''{node="'' || node || ''"} '') END AS line',
        '          FROM family),',
        '    once AS (',
        '        SELECT line, name, is_head, min(number) AS number, min(node) AS node FROM labelled GROUP BY line, name, is_head)',
        '    SELECT string_agg(line, E''\n'' ORDER BY (SELECT min(f.number) FROM once AS f WHERE f.name = once.name), name, is_head DESC, node, number)',
        '           || E''\n# EOF\n'' FROM once',
        '    $proxy$;',
        '',
        '-- The databases must be given in the order of their numbers.',
        'DO $proxy$',
        'DECLARE',
        '    wrong record;',
        'BEGIN',
        '    SELECT * INTO wrong FROM noetl.nodes WHERE node <> place LIMIT 1;',
        '    IF FOUND THEN',
        '        RAISE EXCEPTION ''the database "%" is number % of the list, and its noetl.node_id is %'', wrong.database, wrong.place, wrong.node',
        '            USING HINT = ''Each database has a number of its own: ALTER DATABASE ... SET noetl.node_id = '' || wrong.place || ''.'';',
        '    END IF;',
        'END',
        '$proxy$;',
        'COMMIT;',
        '');
    RETURN script;
END
$$;

REVOKE ALL ON FUNCTION noetl.proxy_script(text[], integer) FROM PUBLIC;
COMMENT ON FUNCTION noetl.proxy_script(text[], integer) IS
    'returns the SQL script for a database with PL/Proxy that stands in front of several databases with noetl; nodes: their connection strings, in the order of their noetl.node_id from 0; keyed: over how many of the first ones keyed starts are spread (all), which stays as it is when a node is added';

-- ---------------------------------------------------------------------------
-- Privileges, dump configuration: last, for all that the script creates
-- ---------------------------------------------------------------------------

-- Rights must be granted.  PUBLIC keeps functions of their arguments alone, the
-- default of event.execution_id, and functions that ask for a catalog row's digest.
REVOKE ALL ON FUNCTION noetl.event_before(), noetl.event_after(),
    noetl.execute(text, jsonb, integer, boolean, text, text, timestamptz, jsonb, integer), noetl.cancel(bigint, text, boolean), noetl.status_unchecked(bigint), noetl.status(bigint),
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
    SET client_min_messages = warning
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
    GRANT SELECT ON noetl.execution, noetl.start_key, noetl.event, noetl.event_log, noetl.workload, noetl.run, noetl.arrival, noetl.item,
        noetl.pending, noetl.queue, noetl.workflow, noetl.workbook, noetl.transition TO noetl_client, noetl_reader;
    GRANT SELECT ON noetl.catalog TO noetl_author, noetl_reader;
    GRANT SELECT ON noetl.queue TO noetl_worker;
    GRANT EXECUTE ON FUNCTION noetl.execute(text, jsonb, integer, boolean, text, text, timestamptz, jsonb, integer), noetl.cancel(bigint, text, boolean) TO noetl_client;
    GRANT EXECUTE ON FUNCTION noetl.schedule(text, text, text, jsonb, text, text, text, interval, boolean, jsonb),
        noetl.unschedule(text) TO noetl_client;
    GRANT SELECT ON noetl.schedule TO noetl_client, noetl_reader;
    GRANT EXECUTE ON FUNCTION noetl.debounce(text, text, interval, jsonb, interval) TO noetl_client;
    GRANT EXECUTE ON FUNCTION noetl.status(bigint) TO noetl_client, noetl_reader;
    GRANT EXECUTE ON FUNCTION noetl.register(text, text) TO noetl_author;
    GRANT EXECUTE ON FUNCTION noetl.simulate(text, jsonb, jsonb, timestamptz), noetl.test(text) TO noetl_author;
    GRANT EXECUTE ON FUNCTION noetl.draw(text, jsonb) TO noetl_author;
    GRANT EXECUTE ON PROCEDURE noetl.wait_for_change(interval, boolean) TO noetl_client, noetl_reader, noetl_author;
    GRANT EXECUTE ON FUNCTION noetl.grant_execute(text, name), noetl.revoke_execute(text, name) TO noetl_author;
    GRANT SELECT ON noetl.catalog_path TO noetl_author, noetl_reader;
    GRANT EXECUTE ON FUNCTION noetl.lease(text, integer, interval, text[]),
        noetl.reserve(text, integer, interval, text[]), noetl.heartbeat(bigint, text, interval),
        noetl.release(bigint, text), noetl.complete(bigint, jsonb, text), noetl.fail(bigint, text, text, jsonb),
        noetl.complete_and_lease(bigint, jsonb, text, integer, interval, text[]) TO noetl_worker;
    GRANT EXECUTE ON PROCEDURE noetl.wait_for_work(interval, text[], boolean) TO noetl_worker;
    GRANT EXECUTE ON FUNCTION noetl.enqueue_next(bigint), noetl.verify(bigint), noetl.rebuild(bigint) TO noetl_admin;
    GRANT EXECUTE ON FUNCTION noetl.announce(text, text[], jsonb) TO noetl_worker;
    GRANT EXECUTE ON FUNCTION noetl.items_done(bigint, text) TO noetl_worker;
    GRANT EXECUTE ON FUNCTION noetl.signal(bigint, text, jsonb, text), noetl.send(text, text, jsonb, interval, text) TO noetl_client;
    GRANT EXECUTE ON PROCEDURE noetl.wait_for_execution(bigint, interval, jsonb) TO noetl_client;
    GRANT EXECUTE ON FUNCTION noetl.on_change(regclass, text, text, text, jsonb, text, text, text), noetl.off_change(text) TO noetl_author;
    GRANT SELECT ON noetl.change_rule, noetl.change_failure TO noetl_author, noetl_reader;
    GRANT SELECT ON noetl.waiting, noetl.signal, noetl.message TO noetl_client, noetl_reader;
    GRANT SELECT ON noetl.running, noetl.failure, noetl.worker, noetl.backlog TO noetl_client, noetl_reader;
    GRANT SELECT ON noetl.runtime TO noetl_admin;
    GRANT EXECUTE ON FUNCTION noetl.timeline(bigint), noetl.progress(bigint), noetl.report(bigint),
        noetl.why(bigint), noetl.explain(text, text) TO noetl_client, noetl_reader;
    GRANT EXECUTE ON FUNCTION noetl.pause(bigint, text, timestamptz), noetl.resume(bigint, text) TO noetl_client;
    GRANT EXECUTE ON FUNCTION noetl.pause_tasks(text, text, text, timestamptz), noetl.resume_tasks(text, text) TO noetl_admin;
    GRANT SELECT ON noetl.paused TO noetl_client, noetl_reader;
    GRANT SELECT (path, type, until) ON noetl.pause_rule TO noetl_client, noetl_reader;
    GRANT SELECT ON noetl.pause_rule, noetl.pause_end TO noetl_admin;
    GRANT EXECUTE ON FUNCTION noetl.metrics() TO noetl_admin;
    GRANT EXECUTE ON FUNCTION noetl.set_limit(text, integer, jsonb), noetl.unset_limit(text) TO noetl_admin;
    GRANT SELECT ON noetl.slot TO noetl_client, noetl_reader;
    GRANT SELECT ON noetl.limit_use, noetl.limit_rule, noetl.limit_pace TO noetl_admin;
    GRANT EXECUTE ON FUNCTION noetl.retry(bigint, text, jsonb, text), noetl.skip(bigint, text, jsonb, text), noetl.redrive(bigint, jsonb, text), noetl.fork(bigint, text, jsonb, integer, integer), noetl.migrate(bigint, integer, jsonb, boolean), noetl.redrive_all(text, text, timestamptz, jsonb, integer, boolean), noetl.retry_all(text, text, timestamptz, jsonb, integer, boolean), noetl.cancel_all(text, text, timestamptz, jsonb, integer, boolean) TO noetl_client;
    GRANT EXECUTE ON FUNCTION noetl.retain(interval, text, boolean), noetl.maintain() TO noetl_admin;
    GRANT SELECT ON noetl.retention TO noetl_reader, noetl_admin;
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
ALTER TABLE noetl.start_key ENABLE ROW LEVEL SECURITY;
ALTER TABLE noetl.workload ENABLE ROW LEVEL SECURITY;
ALTER TABLE noetl.event ENABLE ROW LEVEL SECURITY;
ALTER TABLE noetl.run ENABLE ROW LEVEL SECURITY;
ALTER TABLE noetl.arrival ENABLE ROW LEVEL SECURITY;
ALTER TABLE noetl.item ENABLE ROW LEVEL SECURITY;
ALTER TABLE noetl.pending ENABLE ROW LEVEL SECURITY;
ALTER TABLE noetl.queue ENABLE ROW LEVEL SECURITY;
CREATE POLICY members_read ON noetl.execution FOR SELECT USING (noetl.acts_for(started_by));
CREATE POLICY members_read ON noetl.start_key FOR SELECT USING (noetl.acts_for(started_by));
CREATE POLICY members_read ON noetl.workload FOR SELECT USING (noetl.may_read(execution_id));
CREATE POLICY members_read ON noetl.event FOR SELECT USING (noetl.may_read(execution_id));
CREATE POLICY clients_insert ON noetl.event FOR INSERT WITH CHECK (true);
CREATE POLICY members_read ON noetl.run FOR SELECT USING (noetl.may_read(execution_id));
CREATE POLICY members_read ON noetl.arrival FOR SELECT USING (noetl.may_read(execution_id));
CREATE POLICY members_read ON noetl.item FOR SELECT USING (noetl.may_read(execution_id));
CREATE POLICY members_read ON noetl.pending FOR SELECT USING (noetl.may_read(execution_id));
CREATE POLICY members_read ON noetl.queue FOR SELECT USING (noetl.may_read(execution_id));
CREATE POLICY workers_read ON noetl.queue FOR SELECT USING ((SELECT pg_catalog.has_function_privilege(
    'noetl.lease(pg_catalog.text, pg_catalog.int4, pg_catalog.interval, pg_catalog.text[])'::pg_catalog.regprocedure,
    'EXECUTE')));
SELECT pg_catalog.pg_extension_config_dump('noetl.catalog', '');
SELECT pg_catalog.pg_extension_config_dump('noetl.catalog_catalog_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('noetl.catalog_path', '');
SELECT pg_catalog.pg_extension_config_dump('noetl.execution', '');
SELECT pg_catalog.pg_extension_config_dump('noetl.start_key', '');
SELECT pg_catalog.pg_extension_config_dump('noetl.workload', '');
SELECT pg_catalog.pg_extension_config_dump('noetl.event', '');
SELECT pg_catalog.pg_extension_config_dump('noetl.run', '');
SELECT pg_catalog.pg_extension_config_dump('noetl.retention', '');
SELECT pg_catalog.pg_extension_config_dump('noetl.arrival', '');
SELECT pg_catalog.pg_extension_config_dump('noetl.item', '');
SELECT pg_catalog.pg_extension_config_dump('noetl.pending', '');
SELECT pg_catalog.pg_extension_config_dump('noetl.family', '');
SELECT pg_catalog.pg_extension_config_dump('noetl.reaper_failure', '');
SELECT pg_catalog.pg_extension_config_dump('noetl.queue', '');
SELECT pg_catalog.pg_extension_config_dump('noetl.queue_seq', '');
SELECT pg_catalog.pg_extension_config_dump('noetl.id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('noetl.runtime', '');
SELECT pg_catalog.pg_extension_config_dump('noetl.runtime_runtime_id_seq', '');
-- Whoever installs the extension hears of a timer that does nothing; noetl.why() says it later.
DO LANGUAGE plpgsql $$
BEGIN
    IF noetl.timer_is_idle() THEN
        RAISE WARNING 'noetl.timer is on and has no effect'
            USING HINT = 'Add noetl to shared_preload_libraries and restart the server.';
    END IF;
END
$$;


DO LANGUAGE plpgsql $$
DECLARE
    part pg_temp.noetl_partition;
    index pg_catalog.regclass;
BEGIN
    FOR part IN SELECT * FROM pg_temp.noetl_partition LOOP
        FOR index IN SELECT i.indexrelid FROM pg_catalog.pg_index AS i
            WHERE i.indrelid = part.leaf AND i.indexrelid IN (SELECT t.index FROM pg_temp.noetl_terminal AS t) LOOP
            EXECUTE pg_catalog.format('DROP INDEX %s', index);
        END LOOP;
        EXECUTE pg_catalog.format('CREATE UNIQUE INDEX ON %s (execution_id, (coalesce(meta -> ''drive'', ''1''::pg_catalog.jsonb)))
            WHERE event_type IN (''execution_complete'', ''execution_completed'', ''execution_end'',
                                 ''execution_failed'', ''workflow_failed'', ''execution_cancelled'')
              AND (meta -> ''ignored'') IS NULL AND catalog_id IS NOT NULL', part.leaf);
        EXECUTE pg_catalog.format('CREATE INDEX ON %s (execution_id, created_at) WHERE catalog_id IS NULL', part.leaf);
        EXECUTE pg_catalog.format('ALTER TABLE %s ALTER execution_id SET DEFAULT noetl.next_id()', part.leaf);
        EXECUTE pg_catalog.format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', part.leaf);
        EXECUTE pg_catalog.format('CREATE POLICY members_read ON %s FOR SELECT USING (noetl.may_read(execution_id))', part.leaf);
        EXECUTE pg_catalog.format('CREATE POLICY clients_insert ON %s FOR INSERT WITH CHECK (true)', part.leaf);
        EXECUTE pg_catalog.format('ALTER TABLE noetl.event ATTACH PARTITION %s %s', part.leaf, part.bounds);
        IF part.bounds OPERATOR(pg_catalog.=) 'DEFAULT' THEN
            EXECUTE pg_catalog.format('COMMENT ON TABLE %s IS ''events of executions for which there is no other partition''', part.leaf);
        END IF;
    END LOOP;
END
$$;

INSERT INTO noetl.item (execution_id, step_name, visit, item_index, item)
    SELECT i.execution_id, i.step_name, r.visit, i.item_index, i.item
      FROM pg_temp.noetl_item AS i JOIN noetl.run AS r USING (execution_id, step_name);
DROP TABLE pg_temp.noetl_item;

-- Which steps count their visits only their playbooks tell; tasks of others may have them, too.
UPDATE noetl.queue AS q SET visit = greatest(noetl.visit_of(q.node_id, q.execution_id, q.node_name), 1)
 WHERE q.current_index IS NULL;

-- The row of a run has the first branches that have arrived.
INSERT INTO noetl.arrival (execution_id, step_name, visit, number, arrival)
    SELECT r.execution_id, r.step_name, r.visit, a.ordinality - 1, a.value
      FROM noetl.run AS r CROSS JOIN pg_catalog.jsonb_array_elements(r.arrivals) WITH ORDINALITY AS a (value, ordinality)
     WHERE a.ordinality > 8;
UPDATE noetl.run SET arrivals = pg_catalog.jsonb_path_query_array(arrivals, '$[0 to 7]')
 WHERE pg_catalog.jsonb_array_length(arrivals) > 8;

-- What is given again is not the extension's own: pg_dump leaves that out.
CREATE TEMPORARY TABLE noetl_object AS
    SELECT 'pg_class'::pg_catalog.regclass::pg_catalog.oid AS class, c.oid AS object
      FROM pg_catalog.pg_class AS c WHERE c.relnamespace = 'noetl'::pg_catalog.regnamespace
    UNION ALL
    SELECT 'pg_proc'::pg_catalog.regclass, p.oid FROM pg_catalog.pg_proc AS p WHERE p.pronamespace = 'noetl'::pg_catalog.regnamespace
    UNION ALL
    SELECT 'pg_namespace'::pg_catalog.regclass, 'noetl'::pg_catalog.regnamespace;
CREATE TEMPORARY TABLE noetl_initial AS
    SELECT i.* FROM pg_catalog.pg_init_privs AS i
      JOIN pg_temp.noetl_object AS o ON (i.classoid, i.objoid) = (o.class, o.object);
DO LANGUAGE plpgsql $$
DECLARE
    self pg_catalog.name := current_user;
    grantor pg_catalog.oid;
    command pg_catalog.text;
BEGIN
    FOR grantor, command IN
        WITH RECURSIVE chain AS (
            SELECT g.*, 0 AS place FROM pg_temp.noetl_given AS g WHERE g.grantor = g.owner
            UNION
            SELECT g.*, c.place + 1
              FROM chain AS c JOIN pg_temp.noetl_given AS g
                ON g.grantor = c.grantee AND c.is_grantable AND c.place < 100
               AND (g.kind, g.name, g.privilege_type) = (c.kind, c.name, c.privilege_type)
        )
        SELECT CASE WHEN g.grantor = g.owner THEN 0 ELSE g.grantor END,
               pg_catalog.format('GRANT %s %s ON %s %s TO %s%s', g.privilege_type, '(' || pg_catalog.quote_ident(g.attribute) || ')',
                   g.kind, o.object, pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(g.grantee)),
                   CASE WHEN g.is_grantable THEN ' WITH GRANT OPTION' END)
          FROM chain AS g
          JOIN (SELECT 'ROUTINE' AS kind, p.proname::pg_catalog.text AS name, p.oid::pg_catalog.regprocedure::pg_catalog.text AS object
                  FROM pg_catalog.pg_proc AS p WHERE p.pronamespace = 'noetl'::pg_catalog.regnamespace
                UNION ALL
                SELECT CASE c.relkind WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END, c.relname, c.oid::pg_catalog.regclass::pg_catalog.text
                  FROM pg_catalog.pg_class AS c
                 WHERE c.relnamespace = 'noetl'::pg_catalog.regnamespace AND c.relkind IN ('r', 'p', 'v', 'S')
                UNION ALL
                SELECT 'SCHEMA', 'noetl', 'noetl') AS o
            ON o.kind = g.kind AND o.name = g.name
         GROUP BY 1, 2 ORDER BY min(g.place)
    LOOP
        IF grantor = 0 THEN
            EXECUTE command;
        ELSE
            EXECUTE pg_catalog.format('SET LOCAL ROLE %I', pg_catalog.pg_get_userbyid(grantor));
            EXECUTE command;
            EXECUTE pg_catalog.format('SET LOCAL ROLE %I', self);
        END IF;
    END LOOP;
END
$$;
DELETE FROM pg_catalog.pg_init_privs AS i USING pg_temp.noetl_object AS o
 WHERE (i.classoid, i.objoid) = (o.class, o.object)
   AND NOT EXISTS (SELECT FROM pg_temp.noetl_initial AS n
        WHERE (n.objoid, n.classoid, n.objsubid) = (i.objoid, i.classoid, i.objsubid));
UPDATE pg_catalog.pg_init_privs AS i SET initprivs = n.initprivs
  FROM pg_temp.noetl_initial AS n
 WHERE (i.objoid, i.classoid, i.objsubid) = (n.objoid, n.classoid, n.objsubid)
   AND i.initprivs::pg_catalog.text <> n.initprivs::pg_catalog.text;
-- Since PostgreSQL 17 the roles that are named there cannot be dropped.
DELETE FROM pg_catalog.pg_shdepend AS d USING pg_temp.noetl_object AS o
 WHERE d.deptype = 'i' AND (d.classid, d.objid) = (o.class, o.object)
   AND d.dbid = (SELECT b.oid FROM pg_catalog.pg_database AS b WHERE b.datname = pg_catalog.current_database())
   AND NOT EXISTS (SELECT FROM pg_catalog.pg_init_privs AS i CROSS JOIN LATERAL pg_catalog.aclexplode(i.initprivs) AS a
        WHERE (i.objoid, i.classoid, i.objsubid) = (d.objid, d.classid, d.objsubid) AND a.grantee = d.refobjid);
DROP TABLE pg_temp.noetl_object;
DROP TABLE pg_temp.noetl_initial;
DROP TABLE pg_temp.noetl_given;
DROP TABLE pg_temp.noetl_partition;
DROP TABLE pg_temp.noetl_terminal;
