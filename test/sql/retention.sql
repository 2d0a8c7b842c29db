\pset format unaligned
\set SHOW_CONTEXT never
-- How long executions are kept, and the partitions of noetl.event.  All other
-- playbooks of this database are kept for ever.
SELECT 'registered' FROM noetl.register($y$
apiVersion: noetl.io/v1
kind: Playbook
path: retention/short
workflow:
- {step: task, type: python, code: x, next: end}
- {step: end, result: 1}
$y$);
SELECT 'registered' FROM noetl.register($y$
apiVersion: noetl.io/v1
kind: Playbook
path: retention/parent
workflow:
- {step: call, type: playbook, path: retention/short, next: last}
- {step: last, type: shell, command: x, next: end}
- {step: end, result: 1}
$y$);

-- The time of a partition is not in its name here: the oldest is 1.
CREATE TABLE made (n int GENERATED ALWAYS AS IDENTITY, partition text);
CREATE FUNCTION number(leaf text) RETURNS text LANGUAGE sql AS $$
    SELECT CASE WHEN leaf = 'noetl.event_default' THEN 'default'
                ELSE (SELECT max(n)::text FROM made WHERE partition = leaf) END
$$;
CREATE FUNCTION maintained() RETURNS TABLE (action text, partition text, executions bigint, detail text)
LANGUAGE sql AS $$
    SELECT action, coalesce(number(partition), 'a new one'), sum(executions), detail
      FROM noetl.maintain() GROUP BY action, 2, detail ORDER BY 1, 2
$$;
-- An execution that was started at a time of the past, so that it is in the partition
-- of that time.
CREATE FUNCTION start_at(playbook text, at timestamptz) RETURNS bigint LANGUAGE sql AS $$
    INSERT INTO noetl.event (execution_id, event_type, context)
    SELECT coalesce(max(x.execution_id), noetl.id_at(at)) + 1, 'execution_start', jsonb_build_object('path', playbook)
      FROM noetl.execution x WHERE x.execution_id BETWEEN noetl.id_at(at) AND noetl.id_at(at + '1 s')
    RETURNING execution_id
$$;
CREATE FUNCTION finish(step text) RETURNS bigint LANGUAGE sql AS $$
    WITH done AS (INSERT INTO noetl.event (execution_id, event_type, node_name)
                  SELECT q.execution_id, 'action_completed', q.node_name
                    FROM noetl.queue q JOIN noetl.execution x USING (execution_id)
                   WHERE x.path LIKE 'retention/%' AND q.node_name = step RETURNING 1)
    SELECT count(*) FROM done
$$;

-- The first playbook of this database has brought the default partition.  It has its
-- own indexes, row security, and no grants; it does not belong to the extension.
SELECT c.relname, c.relrowsecurity, c.relacl, i.inhparent::regclass,
       EXISTS (SELECT FROM pg_depend d WHERE d.objid = c.oid AND d.deptype = 'e') AS member
  FROM pg_class c JOIN pg_inherits i ON i.inhrelid = c.oid
 WHERE i.inhparent = 'noetl.event'::regclass;
SELECT count(*) FROM pg_index WHERE indrelid = 'noetl.event'::regclass;

-- Partitions are made for times of which there are no events.
INSERT INTO made (partition) SELECT noetl.make_partition(now() - interval '6 hours', now() - interval '5 hours')::text;
INSERT INTO made (partition) SELECT noetl.make_partition(now() - interval '4 hours', now() - interval '3 hours')::text;
INSERT INTO made (partition) SELECT noetl.make_partition(now() - interval '3 hours', now() - interval '2 hours')::text;
SELECT replace(pg_get_indexdef(indexrelid), substr(partition, 7), 'leaf') AS indexes
  FROM made JOIN pg_index ON indrelid = partition::regclass WHERE n = 1 ORDER BY indexrelid;
SELECT polname, pg_get_expr(polqual, polrelid), pg_get_expr(polwithcheck, polrelid)
  FROM pg_policy JOIN made ON polrelid = partition::regclass WHERE n = 1 ORDER BY 1;

-- Default privileges hand nothing out.
BEGIN;
ALTER DEFAULT PRIVILEGES IN SCHEMA noetl GRANT SELECT ON TABLES TO PUBLIC;
SELECT noetl.make_partition('2024-06-01', '2024-06-02') IS NOT NULL AS made;
SELECT a.privilege_type FROM pg_class, aclexplode(relacl) a WHERE relname LIKE 'event\_20240%' AND a.grantee <> relowner;
ROLLBACK;

-- Their executions work there as everywhere.
SELECT start_at('retention/short', now() - interval '330 minutes') AS first \gset
SELECT start_at('retention/short', now() - interval '330 minutes') AS second \gset
SELECT start_at('retention/short', now() - interval '210 minutes') AS slow \gset
SELECT start_at('retention/parent', now() - interval '150 minutes') AS parent \gset
SELECT max(execution_id) AS child FROM noetl.execution WHERE parent_execution_id = :parent \gset
SELECT noetl.execute('retention/short') AS new \gset
-- Now there are events of this hour.
\set VERBOSITY sqlstate
SELECT noetl.make_partition(now() - interval '1 hour', now() + interval '1 hour');
SELECT noetl.make_partition(now() - interval '210 minutes', now() - interval '200 minutes');
\set VERBOSITY default
INSERT INTO noetl.event (execution_id, event_type, node_name)
SELECT i, 'action_completed', 'task' FROM unnest(ARRAY[:first, :second, :child, :new]) i;
SELECT CASE e.execution_id WHEN :first THEN 'first' WHEN :second THEN 'second' WHEN :slow THEN 'slow'
            WHEN :parent THEN 'parent' WHEN :child THEN 'child' WHEN :new THEN 'new' END AS execution,
       number(e.tableoid::regclass::text) AS partition, count(*) AS events
  FROM noetl.event e JOIN noetl.execution x USING (execution_id)
 WHERE x.path LIKE 'retention/%' GROUP BY 1, 2 ORDER BY 2, 1;
SELECT count(*) FROM noetl.execution x, noetl.verify(x.execution_id) v WHERE x.path LIKE 'retention/%';

-- Without a policy nothing happens.
SELECT * FROM maintained();
-- What would go is shown, and nothing is stored.
SELECT playbook, executions FROM noetl.retain('0', 'retention/short');
SELECT count(*) FROM noetl.retention;
SELECT * FROM noetl.retain('-1 day', dry_run => false);
SELECT * FROM noetl.retain('1001 years', dry_run => false);

-- Children stay as long as what they descend from, so the child does not go.
SELECT count(*) FROM noetl.retain(NULL, dry_run => false);
SELECT count(*) FROM noetl.retain('0', 'retention/short', dry_run => false);
SELECT count(*) FROM noetl.retain('0', 'retention/parent', dry_run => false);
SELECT path, keep, set_by = current_user::regrole AS mine FROM noetl.retention ORDER BY path;

-- A function that archives them gets them before they go; if it fails, they stay.
CREATE TABLE archive (execution_id bigint, events bigint);
CREATE FUNCTION archive_them(ids bigint[]) RETURNS void LANGUAGE sql AS $$
    INSERT INTO public.archive SELECT execution_id, count(*) FROM noetl.event WHERE execution_id = ANY (ids) GROUP BY 1
$$;
SET noetl.archive = 'public.archive_it';
SELECT * FROM maintained();
SET noetl.archive = 'public.archive_them';
CREATE ROLE retention_guest;
GRANT CREATE ON SCHEMA public TO retention_guest;
ALTER FUNCTION archive_them OWNER TO retention_guest;
SELECT * FROM maintained();
ALTER FUNCTION archive_them OWNER TO CURRENT_USER;
REVOKE CREATE ON SCHEMA public FROM retention_guest;
DROP ROLE retention_guest;

-- The first partition goes as a whole, in the second an execution runs, in the third
-- another one, and the new one is removed from the default partition.  Partitions
-- are made ahead.
SELECT * FROM maintained();
SELECT CASE execution_id WHEN :first THEN 'first' WHEN :second THEN 'second' WHEN :new THEN 'new' END AS archived, events
  FROM archive ORDER BY execution_id;
SELECT CASE execution_id WHEN :slow THEN 'slow' WHEN :parent THEN 'parent' WHEN :child THEN 'child' END AS left, status
  FROM noetl.execution WHERE path LIKE 'retention/%' ORDER BY execution_id;
SELECT 'left over' FROM noetl.event WHERE execution_id IN (:first, :second, :new)
UNION ALL SELECT 'left over' FROM noetl.workload WHERE execution_id IN (:first, :second, :new);
INSERT INTO made (partition) SELECT p.partition FROM noetl.partitions() p WHERE until > noetl.id_at(now()) ORDER BY since;
SELECT count(*) AS ahead, min(p.since) < noetl.id_at(now() + interval '20 s') AS soon,
       bool_and(p.until = n.since OR n.since IS NULL) AS side_by_side, max(n.since - p.since) >> 22 <= 3600000 AS an_hour
  FROM (SELECT *, row_number() OVER (ORDER BY since) FROM noetl.partitions() WHERE until > noetl.id_at(now())) p
  LEFT JOIN (SELECT *, row_number() OVER (ORDER BY since) - 1 AS row_number FROM noetl.partitions() WHERE until > noetl.id_at(now())) n USING (row_number);
-- The CHECK by which that was quick is gone again.
SELECT conname FROM pg_constraint WHERE conrelid = 'noetl.event_default'::regclass AND contype = 'c';

-- A parent stays as long as its children.
SELECT finish('task'), finish('last');
SELECT count(*) FROM noetl.retain(NULL, 'retention/short', dry_run => false);
SELECT * FROM maintained() WHERE action <> 'made';
-- They go together.
SELECT count(*) FROM noetl.retain('0', 'retention/short', dry_run => false);
SELECT * FROM maintained() WHERE action <> 'made';
SELECT count(*) FROM noetl.execution WHERE path LIKE 'retention/%';

-- Events without a row in noetl.execution, as after a restore of them alone, are no
-- reason to drop a partition.
INSERT INTO made (partition) SELECT noetl.make_partition(now() - interval '6 hours', now() - interval '5 hours')::text;
SELECT start_at('retention/short', now() - interval '330 minutes') AS again \gset
SELECT finish('task');
DELETE FROM noetl.execution WHERE execution_id = :again;
\set VERBOSITY terse
SET client_min_messages = error;
SELECT * FROM maintained() WHERE action <> 'made';
RESET client_min_messages;
\set VERBOSITY default
SELECT noetl.rebuild(:again) > 0 AS rebuilt;
SELECT action, executions FROM maintained() WHERE action <> 'made';

-- What is written later, into a range whose partition is gone, goes to the default one.
SELECT start_at('retention/short', now() - interval '330 minutes') AS late \gset
SELECT tableoid::regclass, count(*) FROM noetl.event WHERE execution_id = :late GROUP BY 1;
SELECT finish('task');
SELECT * FROM maintained() WHERE action <> 'made';

-- A partition that somebody else has made may lack what the broker needs.
CREATE TABLE bare PARTITION OF noetl.event FOR VALUES FROM (1000) TO (2000);
BEGIN;
SELECT noetl.execute('retention/short') AS read \gset
SELECT * FROM noetl.verify(:read);
SAVEPOINT here;
INSERT INTO noetl.event (execution_id, event_type, context) VALUES (1000, 'execution_start', '{"path": "retention/short"}');
ROLLBACK TO here;
-- The others are as good as before: those that are being read, and those that come.
SELECT * FROM noetl.verify(:read);
SELECT noetl.execute('retention/short') > 0 AS started;
ROLLBACK;
-- Nor is a key whose columns have another order the one that is needed.
ALTER TABLE bare ADD PRIMARY KEY (event_id, execution_id);
CREATE INDEX ON bare (execution_id, node_name, created_at) WHERE result IS NOT NULL;
\set VERBOSITY terse
INSERT INTO noetl.event (execution_id, event_type, context) VALUES (1000, 'execution_start', '{"path": "retention/short"}');
\set VERBOSITY default
DROP TABLE bare;

-- In another kind of transaction it could not see what others have begun.
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT * FROM noetl.maintain();
ROLLBACK;

-- A partition that somebody has made for a later time keeps none from being made before it.
BEGIN;
DO $$ DECLARE leaf regclass; BEGIN
    FOR leaf IN SELECT partition FROM noetl.partitions() WHERE since IS NOT NULL LOOP
        EXECUTE format('DROP TABLE %s', leaf);
    END LOOP;
END $$;
SELECT count(*) >= 0 AS stored FROM noetl.retain('90 days', dry_run => false);
SELECT noetl.make_partition('2092-01-01', '2092-02-01') IS NOT NULL AS made,
       noetl.make_partition(date_trunc('day', now(), 'UTC') + '50 hours', date_trunc('day', now(), 'UTC') + '60 hours') IS NOT NULL AS made;
SELECT string_agg(DISTINCT action, ', ') AS actions FROM noetl.maintain() WHERE action <> 'deleted';
SELECT string_agg(DISTINCT action, ', ') AS actions FROM noetl.maintain() WHERE action <> 'deleted';
SELECT string_agg(DISTINCT action, ', ') AS actions FROM noetl.maintain() WHERE action <> 'deleted';
SELECT bool_and(EXISTS (SELECT FROM noetl.partitions() AS p WHERE p.since <= noetl.id_at(t) AND p.until > noetl.id_at(t))) AS without_gaps
  FROM generate_series(now() + '1 min', now() + '6 days', '1 hour') AS t;
ROLLBACK;

-- A family stays, or goes, as a whole: a child does not go while its parent stays because of another child.
SELECT noetl.register('{apiVersion: noetl.io/v1, kind: Playbook, path: retention/kept, workflow: [{step: task, type: http, url: x}]}') > 0 AS registered,
       noetl.register('
apiVersion: noetl.io/v1
kind: Playbook
path: retention/family
workflow:
- step: start
  next: [one, two]
- {step: one, type: playbook, path: retention/kept}
- {step: two, type: playbook, path: retention/short}
') > 0 AS registered;
SELECT noetl.execute('retention/family') AS family \gset
SELECT noetl.cancel(:family);
DELETE FROM noetl.retention;
SELECT playbook, executions FROM noetl.retain('0', 'retention/family', dry_run => false) WHERE playbook = 'retention/family';
SELECT playbook, executions FROM noetl.retain('0', 'retention/short', dry_run => false) WHERE playbook = 'retention/family';
SELECT count(*) > 0 AS some FROM noetl.maintain();
SELECT path, status FROM noetl.execution WHERE :family IN (execution_id, parent_execution_id) ORDER BY path;
SELECT noetl.redrive(:family);
SELECT noetl.cancel(:family);
SELECT count(*) FROM noetl.execution x, noetl.verify(x.execution_id) v WHERE :family IN (x.execution_id, x.parent_execution_id);
DELETE FROM noetl.queue AS q USING noetl.execution AS x WHERE q.execution_id = x.execution_id AND x.path LIKE 'retention/%';
SELECT playbook, executions FROM noetl.retain('0', 'retention/kept', dry_run => false) WHERE playbook IN ('retention/family', 'retention/kept');
SELECT count(*) > 0 AS some FROM noetl.maintain();
SELECT count(*) FROM noetl.execution WHERE path IN ('retention/family', 'retention/kept');

-- Times and ids.
SELECT noetl.id_time(noetl.id_at('2026-11-27 12:00:00.123+00')) = '2026-11-27 12:00:00.123+00' AS same,
       noetl.id_at('1999-01-01') AS before, noetl.id_at('-infinity') AS never,
       noetl.id_at('2094-01-01') AS beyond, noetl.id_at('infinity') AS last;

DELETE FROM noetl.retention;
DO $$ DECLARE leaf regclass; BEGIN
    FOR leaf IN SELECT partition FROM noetl.partitions() WHERE since IS NOT NULL LOOP
        EXECUTE format('DROP TABLE %s', leaf);
    END LOOP;
END $$;
DROP TABLE made, archive;
