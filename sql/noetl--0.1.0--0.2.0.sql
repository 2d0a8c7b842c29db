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
     WHERE v.count <> (SELECT max(a.attnum) FROM pg_catalog.pg_attribute AS a
                       WHERE a.attrelid = pg_catalog.to_regclass('noetl.' || v.name));
    IF FOUND THEN
        RAISE EXCEPTION 'columns were added to noetl.% or dropped', name
            USING ERRCODE = 'object_not_in_prerequisite_state',
                  HINT = 'Drop the columns of your own, update the extension, and add them again.';
    END IF;
END
$$;

-- Rights that were given are given again at the end.
CREATE TEMPORARY TABLE noetl_given AS
    SELECT 'ROUTINE'::text AS kind, p.proname::text AS name, a.grantee, a.privilege_type, a.is_grantable
      FROM pg_catalog.pg_proc AS p CROSS JOIN LATERAL pg_catalog.aclexplode(p.proacl) AS a
     WHERE p.pronamespace = 'noetl'::pg_catalog.regnamespace AND a.grantee NOT IN (0, p.proowner)
    UNION
    SELECT 'TABLE', c.relname, a.grantee, a.privilege_type, a.is_grantable
      FROM pg_catalog.pg_class AS c CROSS JOIN LATERAL pg_catalog.aclexplode(c.relacl) AS a
     WHERE c.relnamespace = 'noetl'::pg_catalog.regnamespace AND c.relkind IN ('r', 'p', 'v') AND a.grantee NOT IN (0, c.relowner);

DROP TRIGGER event_before ON noetl.event;
DROP TRIGGER event_after ON noetl.event;
DROP TRIGGER catalog_guard ON noetl.catalog;
ALTER TABLE noetl.event ALTER execution_id DROP DEFAULT;
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
ALTER TABLE noetl.item RENAME TO item_of_before;
ALTER TABLE noetl.item_of_before DROP CONSTRAINT item_pkey;

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
