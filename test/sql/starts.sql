\pset format unaligned
-- Keys, times and priorities of starts.
SELECT noetl.register('
apiVersion: noetl.io/v1
kind: Playbook
metadata: {path: starts/one}
workload: {a: 1, at: "{{ now() }}"}
workflow:
- step: one
  type: python
  code: x
  next: end
- step: end
') > 0 AS registered;
SELECT noetl.register('
apiVersion: noetl.io/v1
kind: Playbook
metadata: {path: starts/two}
workflow:
- step: one
  type: python
  code: x
  priority: 7
  next: [two, child]
- step: two
  type: python
  code: x
- step: child
  type: playbook
  path: starts/one
') > 0 AS registered;

-- A key: one execution of a path at most has it.  return: that one, whatever became of it.
SELECT noetl.execute('starts/one', key => 'k1') AS first \gset
SELECT noetl.execute('starts/one', '{"a": 2}', key => 'k1') = :first AS same;
SELECT noetl.execute('starts/two', key => 'k1') <> :first AS other_path;
SELECT noetl.execute('starts/one', key => 'k2') <> :first AS other_key;
SELECT noetl.cancel(:first);
SELECT noetl.execute('starts/one', key => 'k1', on_conflict => 'return') = :first AS same;
SELECT count(*) FROM noetl.event WHERE execution_id = :first AND event_type = 'execution_start';
-- error
SELECT noetl.execute('starts/one', key => 'k3', on_conflict => 'error') AS third \gset
DO $$
BEGIN
    PERFORM noetl.execute('starts/one', key => 'k3', on_conflict => 'error');
EXCEPTION WHEN unique_violation THEN
    RAISE NOTICE '%: %', SQLSTATE, SQLERRM;
END
$$;
-- running: only one that runs is returned
SELECT noetl.execute('starts/one', key => 'k3', on_conflict => 'running') = :third AS same;
SELECT noetl.cancel(:third);
SELECT noetl.execute('starts/one', key => 'k3', on_conflict => 'running') AS fourth \gset
SELECT :fourth <> :third AS started, noetl.execute('starts/one', key => 'k3', on_conflict => 'running') = :fourth AS same;
-- replace: that one is cancelled
SELECT noetl.execute('starts/one', key => 'k3', on_conflict => 'replace') AS fifth \gset
SELECT status, error = 'replaced by execution ' || :fifth AS says_so FROM noetl.execution WHERE execution_id = :fourth;
SELECT key, execution_id = :fifth AS newest FROM noetl.start_key WHERE path = 'starts/one' AND key = 'k3';
-- An INSERT whose start conflicts stores nothing.
INSERT INTO noetl.event (event_type, context) VALUES
('execution_start', '{"path": "starts/one", "key": "k3"}'),
('execution_start', '{"path": "starts/one", "key": "k4"}'),
('execution_start', '{"path": "starts/one", "key": "k4"}'),
('execution_start', '{"path": "starts/one", "key": "k3", "on_conflict": "replace"}')
RETURNING context ->> 'key' AS key, context ->> 'on_conflict' AS on_conflict;
SELECT status FROM noetl.execution WHERE execution_id = :fifth;
-- A key that was rolled back is free.
BEGIN;
SELECT noetl.execute('starts/one', key => 'k5') AS undone \gset
ROLLBACK;
SELECT noetl.execute('starts/one', key => 'k5') <> :undone AS started;
-- It belongs to the role that the execution runs for: others neither learn of it nor take it.
CREATE ROLE noetl_test_tenant;
GRANT EXECUTE ON FUNCTION noetl.execute(text, jsonb, integer, boolean, text, text, timestamptz, jsonb, integer) TO noetl_test_tenant;
GRANT SELECT ON noetl.start_key TO noetl_test_tenant;
SET ROLE noetl_test_tenant;
SELECT noetl.execute('starts/one', key => 'k1', on_conflict => 'error') AS foreign \gset
SELECT key, started_by, execution_id = :foreign AS own FROM noetl.start_key;
RESET ROLE;
SELECT :foreign <> :first AS started, noetl.cancel(:foreign);
-- It follows from the log.
SELECT count(*) FROM noetl.execution AS x, noetl.verify(x.execution_id) WHERE x.path LIKE 'starts/%';
DELETE FROM noetl.start_key WHERE started_by = 'noetl_test_tenant'::regrole;
SELECT relation, key, expected ->> 'execution_id' = :'foreign' AS expected, found FROM noetl.verify(:foreign);
SELECT noetl.rebuild(:foreign);
SELECT count(*) FROM noetl.verify(:foreign);
-- One whose execution was deleted is free.
DELETE FROM noetl.event WHERE execution_id = :foreign;
DELETE FROM noetl.execution WHERE execution_id = :foreign;
SET ROLE noetl_test_tenant;
SELECT noetl.execute('starts/one', key => 'k1') AS again \gset
RESET ROLE;
SELECT :again <> :foreign AS started, noetl.cancel(:again);

-- Priority: of tasks whose step has none; children have it too.
SELECT noetl.execute('starts/two', priority => -3) AS low \gset
SELECT node_name, priority FROM noetl.queue WHERE execution_id = :low;
SELECT noetl.complete(queue_id, '1', 'w') FROM noetl.lease('w', 100) WHERE execution_id = :low;
SELECT x.path, q.node_name, q.priority FROM noetl.queue AS q JOIN noetl.execution AS x USING (execution_id)
 WHERE :low IN (x.execution_id, x.parent_execution_id) ORDER BY x.path DESC;
SELECT noetl.execute('starts/one', priority => 100) AS high \gset
SELECT priority FROM noetl.queue WHERE execution_id = :high;
SELECT count(*) FROM noetl.execution AS x, noetl.verify(x.execution_id) WHERE x.path LIKE 'starts/%';
SELECT count(noetl.cancel(execution_id)) > 0 AS cancelled FROM noetl.execution WHERE path LIKE 'starts/%' AND parent_execution_id IS NULL;

-- run_at: nothing happens before.
SELECT noetl.execute('starts/one', '{"b": 1}', run_at => now() + '1 hour', labels => '{"l": "v"}', priority => 4) AS later \gset
SELECT status, run_at > now() AS ahead, labels, priority FROM noetl.execution WHERE execution_id = :later;
SELECT (SELECT count(*) FROM noetl.queue WHERE execution_id = :later) AS tasks,
       (SELECT count(*) FROM noetl.workload WHERE execution_id = :later) AS workloads,
       (SELECT count(*) FROM noetl.running WHERE execution_id = :later) AS running;
SELECT s ->> 'status' AS status, (s ->> 'run_at')::timestamptz > now() AS run_at FROM noetl.status(:later) AS s;
SELECT state, waits_for, due > now() AS due, hint FROM noetl.why(:later);
SELECT noetl.enqueue_next(:later), noetl.enqueue_next() >= 0 AS others;
SELECT * FROM noetl.verify(:later);
SELECT execution_id = :later AS listed FROM noetl.execution WHERE status = 'SCHEDULED' ORDER BY run_at LIMIT 1;
-- Events about steps have no effect yet.
INSERT INTO noetl.event (execution_id, event_type, node_name) VALUES (:later, 'action_completed', 'one') RETURNING event_type;
SELECT meta ->> 'ignored' AS ignored FROM noetl.event WHERE execution_id = :later AND event_type = 'action_completed';
SELECT * FROM noetl.verify(:later);
-- Its time comes.
UPDATE noetl.event SET meta = meta || jsonb_build_object('run_at', to_char(clock_timestamp() AT TIME ZONE 'UTC' + '0.3 s', 'YYYY-MM-DD"T"HH24:MI:SS.US"+00:00"'))
 WHERE execution_id = :later AND event_type = 'execution_start';
SELECT noetl.rebuild(:later);
SELECT noetl.enqueue_next(:later) AS too_early;
SELECT pg_sleep(0.4);
SELECT noetl.enqueue_next(:later) AS due, noetl.enqueue_next(:later) AS done;
SELECT event_type, status FROM noetl.event WHERE execution_id = :later ORDER BY event_id;
SELECT status, started_at >= run_at AS started FROM noetl.execution WHERE execution_id = :later;
SELECT w.data ->> 'a' AS a, w.data ->> 'b' AS b, (w.data ->> 'at')::timestamptz >= x.run_at AS rendered_then
  FROM noetl.workload AS w JOIN noetl.execution AS x USING (execution_id) WHERE execution_id = :later;
SELECT node_name, priority FROM noetl.queue WHERE execution_id = :later;
SELECT * FROM noetl.verify(:later);
-- All that its log says can be brought back.
DELETE FROM noetl.workload WHERE execution_id = :later;
DELETE FROM noetl.queue WHERE execution_id = :later;
UPDATE noetl.execution SET status = 'SCHEDULED', started_at = now() WHERE execution_id = :later;
SELECT noetl.rebuild(:later);
SELECT status, count(*) FROM noetl.execution JOIN noetl.queue USING (execution_id, status) WHERE execution_id = :later GROUP BY 1;
SELECT status FROM noetl.execution WHERE execution_id = :later;
SELECT count(*) FROM noetl.queue WHERE execution_id = :later;
SELECT * FROM noetl.verify(:later);
SELECT noetl.cancel(:later);
-- Until then it can be cancelled.
SELECT noetl.execute('starts/one', run_at => now() + '1 hour', key => 'later') AS never \gset
SELECT noetl.execute('starts/one', key => 'later', on_conflict => 'running') = :never AS scheduled_counts;
SELECT noetl.cancel(:never), noetl.cancel(:never) AS again;
SELECT status, ended_at IS NOT NULL AS ended FROM noetl.execution WHERE execution_id = :never;
SELECT * FROM noetl.verify(:never);
-- A time that is over is now.
SELECT noetl.execute('starts/one', run_at => '2020-01-01') AS late \gset
SELECT status FROM noetl.execution WHERE execution_id = :late;
SELECT noetl.cancel(:late);
-- A lease begins what is due, and so does an INSERT's start.
INSERT INTO noetl.event (event_type, context)
VALUES ('execution_start', jsonb_build_object('path', 'starts/one', 'run_at', clock_timestamp() + '0.2 s'))
RETURNING execution_id AS soon \gset
SELECT pg_sleep(0.3);
SELECT count(*) IS NOT NULL AS leased FROM noetl.lease('w');
SELECT status FROM noetl.execution WHERE execution_id = :soon;
SELECT * FROM noetl.verify(:soon);
SELECT noetl.cancel(:soon);
-- With the broker off it waits for whoever asks.
SELECT noetl.execute('starts/one', run_at => clock_timestamp() + '0.1 s') AS off \gset
SET noetl.broker = off;
SELECT pg_sleep(0.2);
SELECT count(*) FROM noetl.lease('w');
RESET noetl.broker;
SELECT noetl.enqueue_next();
SELECT count(*) FROM noetl.verify(:off);
SELECT noetl.cancel(:off);

-- A debounce: each further call begins the delay anew, and its parameters count.
SELECT noetl.debounce('starts/one', 'd', '1 hour', '{"a": 1, "b": 1}') AS d \gset
SELECT run_at AS first_run_at FROM noetl.execution WHERE execution_id = :d \gset
SELECT noetl.debounce('starts/one', 'd', '2 hours', '{"a": 2}') = :d AS same;
SELECT status, run_at - :'first_run_at' BETWEEN '1 hour' AND '1 hour 1 min' AS put_off FROM noetl.execution WHERE execution_id = :d;
SELECT * FROM noetl.verify(:d);
-- Calls that follow each other closely leave the row as it is: when its time comes, the newest event counts.
SELECT noetl.debounce('starts/one', 'busy', '0.3 s', '{"n": 0}') AS busy \gset
SELECT noetl.debounce('starts/one', 'busy', '1.2 s', jsonb_build_object('n', i)) = :busy AS same, count(*) FROM generate_series(1, 100) AS i GROUP BY 1;
SELECT count(*) FROM noetl.event AS e JOIN noetl.execution AS x USING (execution_id)
 WHERE execution_id = :busy AND event_type = 'execution_rescheduled' AND (e.meta ->> 'run_at')::timestamptz > x.run_at;
SELECT * FROM noetl.verify(:busy);
SELECT pg_sleep(0.4);
SELECT noetl.enqueue_next(:busy) AS too_early;
SELECT status, (SELECT count(*) FROM noetl.event AS e WHERE e.execution_id = x.execution_id AND event_type = 'execution_rescheduled') AS events
  FROM noetl.execution AS x WHERE execution_id = :busy;
SELECT * FROM noetl.verify(:busy);
SELECT pg_sleep(1.0);
SELECT noetl.enqueue_next(:busy) AS due;
SELECT data ->> 'n' AS n FROM noetl.workload WHERE execution_id = :busy;
SELECT * FROM noetl.verify(:busy);
SELECT noetl.cancel(:busy);
-- At the latest max_wait after the first call.
SELECT noetl.debounce('starts/one', 'd', '2 hours', '{"a": 3}', max_wait => '90 min') = :d AS same;
SELECT run_at - :'first_run_at' BETWEEN '29 min 59 s' AND '31 min' AS bounded FROM noetl.execution WHERE execution_id = :d;
SELECT noetl.debounce('starts/one', 'd', '0.1 s', '{"a": 4}') = :d AS same;
SELECT pg_sleep(0.2);
SELECT noetl.enqueue_next(:d);
SELECT event_type, context -> 'workload' AS workload FROM noetl.event WHERE execution_id = :d ORDER BY event_id;
SELECT data - 'at' AS workload FROM noetl.workload WHERE execution_id = :d;
SELECT * FROM noetl.verify(:d);
-- One that has begun is not put off: the next call starts another.
SELECT noetl.debounce('starts/one', 'd', '1 hour') <> :d AS another;
SELECT noetl.debounce('starts/one', 'e', '2 hours', max_wait => '1 s') AS e \gset
SELECT run_at < now() + '1 min' AS at_once FROM noetl.execution WHERE execution_id = :e;
INSERT INTO noetl.event (event_type, context)
VALUES ('execution_start', jsonb_build_object('path', 'starts/one', 'key', 'f', 'on_conflict', 'debounce', 'run_at', now() + '2 hours', 'max_wait', 1));
SELECT run_at < now() + '1 min' AS at_once FROM noetl.execution WHERE execution_id = (SELECT execution_id FROM noetl.start_key WHERE key = 'f');

-- An execution with a limit asks for its slot by the newest parameters, when its time has come, and not while it is put off.
SELECT noetl.register('
apiVersion: noetl.io/v1
kind: Playbook
path: starts/limited
limits: [{name: starts, concurrency: 1, key: "{{ workload.tenant }}"}]
workflow: [{step: one, type: starts_limited}]
') > 0 AS registered;
SELECT noetl.execute('starts/limited', '{"tenant": "a"}') AS a \gset
SELECT noetl.debounce('starts/limited', 'd', '1 hour', '{"tenant": "b"}') AS d \gset
SELECT noetl.debounce('starts/limited', 'd', '0.01 s', '{"tenant": "a"}') = :d AS same, pg_sleep(0.05);
SELECT noetl.enqueue_next(:d);
SELECT key, held, execution_id = :d AS put_off FROM noetl.slot WHERE name = 'starts' ORDER BY held DESC;
SELECT noetl.debounce('starts/limited', 'd', '1 hour', '{"tenant": "a"}') = :d AS same;
SELECT key, held, execution_id = :d AS put_off FROM noetl.slot WHERE name = 'starts' ORDER BY held DESC;
SELECT noetl.cancel(:a);
SELECT noetl.execute('starts/limited', '{"tenant": "a"}') AS a \gset
SELECT status FROM noetl.execution WHERE execution_id = :a;
SELECT noetl.debounce('starts/limited', 'd', '0.01 s', '{"tenant": "c"}') = :d AS same, pg_sleep(0.05);
SELECT noetl.enqueue_next(:d);
SELECT key, held, execution_id = :d AS put_off FROM noetl.slot WHERE name = 'starts' ORDER BY key;
-- So does a redrive.
SELECT noetl.cancel(:d);
SELECT noetl.redrive(:d);
SELECT key, held, execution_id = :d AS put_off FROM noetl.slot WHERE name = 'starts' ORDER BY key;
SELECT * FROM noetl.verify(:d);

-- What makes no sense.
\set VERBOSITY terse
SELECT noetl.execute('starts/one', key => '');
SELECT noetl.execute('starts/one', key => repeat('k', 1025));
SELECT noetl.execute('starts/one', key => 'k', on_conflict => 'other');
SELECT noetl.execute('starts/one', on_conflict => 'error');
SELECT noetl.execute('starts/one', on_conflict => 'other');
SELECT noetl.execute('starts/one', priority => 101);
SELECT noetl.execute('starts/one', run_at => 'infinity');
SELECT noetl.debounce('starts/one', NULL, '1 s');
SELECT noetl.debounce('starts/one', 'k', '-1 s');
SELECT noetl.debounce('starts/one', 'k', '1 s', max_wait => '0');
INSERT INTO noetl.event (event_type, context) VALUES ('execution_start', '{"path": "starts/one", "key": 1}');
INSERT INTO noetl.event (event_type, context) VALUES ('execution_start', '{"path": "starts/one", "priority": "high"}');
INSERT INTO noetl.event (event_type, context) VALUES ('execution_start', '{"path": "starts/one", "run_at": "soon"}');
INSERT INTO noetl.event (event_type, context) VALUES ('execution_start', '{"path": "starts/one", "run_at": 1}');
INSERT INTO noetl.event (event_type, context) VALUES ('execution_start', '{"path": "starts/one", "on_conflict": 1}');
INSERT INTO noetl.event (event_type, context) VALUES ('execution_start', '{"path": "starts/one", "key": "k", "on_conflict": "debounce", "max_wait": 1e300}');
INSERT INTO noetl.event (event_type, context) VALUES ('execution_start', '{"path": "starts/one", "key": "k", "on_conflict": "debounce", "max_wait": "1 h"}');
\set VERBOSITY default

SELECT count(noetl.cancel(execution_id)) > 0 AS cancelled FROM noetl.execution WHERE path LIKE 'starts/%' AND parent_execution_id IS NULL;
SELECT count(*) FROM noetl.execution AS x, noetl.verify(x.execution_id) WHERE x.path LIKE 'starts/%';
DELETE FROM noetl.queue AS q USING noetl.execution AS x WHERE q.execution_id = x.execution_id AND x.path LIKE 'starts/%';
DROP OWNED BY noetl_test_tenant;
DELETE FROM noetl.start_key WHERE started_by = 'noetl_test_tenant'::regrole;
DELETE FROM noetl.event WHERE execution_id = :again;
DELETE FROM noetl.execution WHERE execution_id = :again;
DROP ROLE noetl_test_tenant;
