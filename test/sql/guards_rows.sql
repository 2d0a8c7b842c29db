\pset format unaligned
\pset tuples_only on
\set VERBOSITY terse
SET statement_timeout = '60 s';
-- Rows that users write, change and take away, also in the middle of a decision.
CREATE FUNCTION pg_temp.error_of(statement text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE statement;
    RETURN 'no error';
EXCEPTION WHEN OTHERS THEN
    RETURN SQLSTATE || ' ' || regexp_replace(SQLERRM, '\d{3,}', '<id>');
END $$;

-- A row of the queue that is of no step, or of no execution, or of no worker.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: rows/two
workload: {x: 7}
workflow:
- {step: start, next: [a, b]}
- {step: a, type: rowa, code: x, next: c}
- {step: b, type: rowb, code: x, next: c}
- {step: c, type: rowc, code: x, input: {x: "{{ workload.x }}"}, next: end}
- {step: end, result: "{{ c }}"}
$$) > 0;
SELECT noetl.execute('rows/two') AS id \gset
INSERT INTO noetl.queue (execution_id, catalog_id, node_id, node_name, node_type, action, status)
SELECT execution_id, catalog_id, execution_id || ':nobody', 'nobody', 'rownobody', '{}', 'queued' FROM noetl.execution WHERE execution_id = :id;
INSERT INTO noetl.run (execution_id, step_name, visit, state, arrivals, created_at) VALUES (:id, 'nobody', 1, 'waiting', '[]', now());
SELECT count(noetl.complete(queue_id, '1', 'w')) FROM noetl.lease('w', types => '{rowa}');
SELECT relation, key FROM noetl.verify(:id) ORDER BY 1;
DELETE FROM noetl.queue WHERE node_name = 'nobody';
DELETE FROM noetl.run WHERE step_name = 'nobody';
SELECT * FROM noetl.verify(:id);
SELECT queue_id AS task FROM noetl.lease('w', types => '{rowb}') \gset
UPDATE noetl.queue SET worker_id = NULL WHERE queue_id = :task;
SELECT noetl.heartbeat(:task, 'w'), noetl.release(:task, 'w');
-- A lease that was revoked is no live task.
UPDATE noetl.queue SET worker_id = 'w', status = 'cancelled' WHERE queue_id = :task;
SELECT noetl.heartbeat(:task, 'w');
INSERT INTO noetl.event (execution_id, event_type, node_name, result) VALUES (:id, 'action_completed', 'b', '2');
SELECT event_type, node_name, meta ->> 'ignored' FROM noetl.event WHERE execution_id = :id AND node_name IN ('b', 'c') ORDER BY event_id;
UPDATE noetl.queue SET status = 'leased' WHERE queue_id = :task;
-- The workload is gone: what asks for it fails, and says so.
SELECT execution_id AS id, created_at AS at, data AS workload FROM noetl.workload WHERE execution_id = :id \gset w_
DELETE FROM noetl.workload WHERE execution_id = :id;
SELECT noetl.complete(:task, '3', 'w');
SELECT status, error FROM noetl.execution WHERE execution_id = :id;

-- Retries of an execution that is not there, while some are paused; and of one whose parent
-- is not.
SELECT noetl.execute('rows/two') AS id \gset
SELECT noetl.execute('rows/two') AS other \gset
SELECT noetl.pause(:other);
INSERT INTO noetl.queue (execution_id, catalog_id, node_id, node_name, node_type, action, status, available_at)
VALUES (17, 1, '17:a', 'a', 'rowgone', '{}', 'retry', now() - interval '1 s');
UPDATE noetl.execution SET parent_execution_id = 18 WHERE execution_id = :id;
UPDATE noetl.queue SET status = 'retry', available_at = now() - interval '1 s' WHERE execution_id = :id AND node_name = 'a';
SELECT noetl.enqueue_next();
SELECT node_name, node_type, status FROM noetl.queue WHERE execution_id IN (:id, 17) ORDER BY 1, 2;
DELETE FROM noetl.queue WHERE execution_id = 17;
-- A wait for a lease that is none: the task has no deadline when its pause is over.
UPDATE noetl.queue SET queue_timeout = '-1 s' WHERE execution_id = :other AND node_name = 'a';
SELECT noetl.resume(:other), noetl.enqueue_next() >= 0;
SELECT node_name, status, deadline, lease_until FROM noetl.queue WHERE execution_id = :other ORDER BY 1;
-- What was resumed and is paused once more, before its tasks are ready, stays paused.
SELECT noetl.pause(:other);
BEGIN;
SELECT noetl.resume(:other);
SELECT noetl.pause(:other);
COMMIT;
SELECT noetl.enqueue_next() >= 0;
SELECT node_name, status FROM noetl.queue WHERE execution_id = :other ORDER BY 1;
SELECT count(noetl.cancel(execution_id)) FROM noetl.execution WHERE execution_id IN (:id, :other);
DELETE FROM noetl.queue WHERE node_type LIKE 'row%';

-- One call makes a thousand retries ready, takes back a thousand leases of an execution, and
-- resumes a thousand tasks; of two pauses none is forgotten.
INSERT INTO noetl.queue (execution_id, catalog_id, node_id, node_name, node_type, action, status, available_at)
SELECT 19, 1, '19:a', 'a', 'rowmany', '{}', 'retry', now() - interval '1 s' FROM generate_series(1, 1003);
SELECT noetl.enqueue_next();
SELECT status, count(*) FROM noetl.queue WHERE execution_id = 19 GROUP BY 1 ORDER BY 1;
SELECT noetl.enqueue_next();
UPDATE noetl.queue SET status = 'leased', worker_id = 'w', execution_id = :id, lease_until = now() - interval '1 s' WHERE execution_id = 19;
SELECT noetl.enqueue_next(:id);
SELECT count(*) FROM noetl.queue WHERE execution_id = :id;
SELECT noetl.enqueue_next(:id);
SELECT count(*) FROM noetl.queue WHERE execution_id = :id;
SELECT noetl.pause_tasks('rows/one') AS one, noetl.pause_tasks('rows/another') AS another \gset
SELECT pause_id AS one FROM noetl.pause_rule WHERE path = 'rows/one' \gset
SELECT pause_id AS another FROM noetl.pause_rule WHERE path = 'rows/another' \gset
INSERT INTO noetl.queue (execution_id, catalog_id, node_id, node_name, node_type, action, status, paused_by)
SELECT 19, 1, '19:a', 'a', 'rowmany', '{}', 'paused', CASE WHEN i <= 2000 THEN :one ELSE :another END FROM generate_series(1, 2003) i;
SELECT noetl.resume_tasks('rows/one') >= 0, noetl.resume_tasks('rows/another') >= 0;
SELECT noetl.enqueue_next() >= 0;
SELECT noetl.enqueue_next() >= 0;
SELECT noetl.enqueue_next() >= 0;
SELECT status, count(*) FROM noetl.queue WHERE execution_id = 19 GROUP BY 1 ORDER BY 1;
DELETE FROM noetl.queue WHERE node_type = 'rowmany';

-- Executions that the reaper has failed on wait until it is time to try again.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: rows/late
timeout: 0.01
workflow:
- {step: a, type: rowa, code: x}
$$) > 0;
SELECT array_agg(noetl.execute('rows/late')) AS late FROM generate_series(1, 5) \gset
INSERT INTO noetl.reaper_failure (execution_id, failures, sqlstate, error, next_try_at)
SELECT id, 1, 'XX000', 'by hand', now() + CASE WHEN n = 4 THEN interval '-1 s' ELSE interval '1 h' END
  FROM unnest(:'late'::bigint[]) WITH ORDINALITY l (id, n) WHERE n <> 2;
SELECT pg_sleep(0.02);
SELECT noetl.enqueue_next() >= 0;
SELECT x.status, f.error FROM unnest(:'late'::bigint[]) WITH ORDINALITY l (id, n) JOIN noetl.execution x ON x.execution_id = l.id
  LEFT JOIN noetl.reaper_failure f USING (execution_id) ORDER BY n;
DELETE FROM noetl.reaper_failure;
SELECT noetl.enqueue_next() >= 0;
SELECT status, count(*) FROM noetl.execution WHERE path = 'rows/late' GROUP BY 1;
-- Where a table of an older version is missing, or was renamed.
BEGIN;
ALTER TABLE noetl.reaper_failure RENAME TO failures;
SELECT noetl.enqueue_next() >= 0;
ROLLBACK;
BEGIN;
CREATE TABLE watched (id int);
SELECT noetl.on_change('watched', 'rows/late') IS NOT NULL;
ALTER TABLE noetl.change_rule RENAME TO rules;
SELECT pg_temp.error_of('INSERT INTO watched VALUES (1)');
ROLLBACK;
BEGIN;
ALTER TABLE noetl.signal RENAME TO signals;
SELECT pg_temp.error_of('SELECT noetl.enqueue_next()');
ROLLBACK;

-- A user's trigger takes the event away that is at hand.
CREATE FUNCTION pg_temp.meddle() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format(TG_ARGV[0], new.execution_id, new.event_id);
    RETURN new;
END $$;
SELECT noetl.execute('rows/two') AS id \gset
CREATE TRIGGER a_meddle AFTER INSERT ON noetl.event FOR EACH ROW WHEN (new.event_type = 'action_completed')
EXECUTE FUNCTION pg_temp.meddle('DELETE FROM noetl.event WHERE execution_id = %s AND event_id = %s');
SELECT pg_temp.error_of(format($$INSERT INTO noetl.event (execution_id, event_type, node_name) VALUES (%s, 'action_completed', 'nobody')$$, :id));
DROP TRIGGER a_meddle ON noetl.event;

-- An execution that fails while it begins: its other task is written because of a trigger,
-- taken away by one, or was kept back; a slot of a limit is free again.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: rows/fails
workflow:
- {step: a, type: rowa, code: x, next: [b, c, d]}
- {step: b, type: rowb, code: x, limits: {name: rows, concurrency: 5}}
- {step: c, type: rowc, code: x}
- {step: d, type: rowd, code: x, input: "{{ 1 / 0 }}"}
$$) > 0;
CREATE FUNCTION pg_temp.fails() RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    id bigint := noetl.execute('rows/fails');
    task bigint := (SELECT queue_id FROM noetl.lease('w', types => '{rowa}'));
BEGIN
    PERFORM * FROM noetl.complete_and_lease(task, '1', 'w', types => '{rowx}');
    RETURN (SELECT status FROM noetl.execution WHERE execution_id = id) || ' tasks ' || (SELECT count(*) FROM noetl.queue WHERE execution_id = id)
        || ' slots ' || (SELECT count(*) FROM noetl.slot WHERE execution_id = id) || ' differences ' || (SELECT count(*) FROM noetl.verify(id));
END $$;
SELECT pg_temp.fails();
CREATE TRIGGER meddle BEFORE INSERT ON noetl.event FOR EACH ROW WHEN (new.event_type = 'step_failed')
EXECUTE FUNCTION pg_temp.meddle('SELECT %s, %s');
SELECT pg_temp.fails();
DROP TRIGGER meddle ON noetl.event;
CREATE TRIGGER meddle BEFORE INSERT ON noetl.event FOR EACH ROW WHEN (new.event_type = 'step_failed')
EXECUTE FUNCTION pg_temp.meddle('DELETE FROM noetl.queue WHERE execution_id = %s AND node_name = ''c''');
SELECT pg_temp.error_of('SELECT pg_temp.fails()');
DROP TRIGGER meddle ON noetl.event;
SELECT noetl.execute('rows/fails') AS id \gset
SELECT count(noetl.complete(queue_id, '1', 'w')) FROM noetl.lease('w', types => '{rowa}');
SELECT count(*) FROM noetl.slot WHERE name = 'rows';
SELECT count(noetl.cancel(execution_id)) FROM noetl.execution WHERE path LIKE 'rows/%' AND status = 'RUNNING';
DELETE FROM noetl.queue WHERE node_type LIKE 'row%';
-- What was forged is no story of the broker's.
DELETE FROM noetl.event USING noetl.execution x WHERE x.execution_id = event.execution_id AND x.path LIKE 'rows/%';
DELETE FROM noetl.execution WHERE path LIKE 'rows/%';
