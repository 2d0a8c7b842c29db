-- Stories of guards of what others have left behind, or the passing of time makes due; each
-- turns red when its guard is missing: see "Guards" in doc/guarantees.md.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: due/one
workflow:
- {step: a, type: python, code: x}
$$) > 0 AS registered;

-- A lease that outlives its execution, whose row a user has deleted, goes with its end, and
-- is nobody's error.
SELECT noetl.execute('due/one') AS id \gset
SELECT node_name FROM noetl.lease('w');
DELETE FROM noetl.execution WHERE execution_id = :id;
UPDATE noetl.queue SET lease_until = now() - interval '1 s' WHERE execution_id = :id;
SELECT noetl.enqueue_next();
SELECT count(*) FROM noetl.queue WHERE execution_id = :id;
SELECT count(*) FROM noetl.reaper_failure;
DELETE FROM noetl.event WHERE execution_id = :id;

-- So does the lease of a worker that never hears that its task is cancelled.
SELECT noetl.execute('due/one') AS id \gset
SELECT node_name FROM noetl.lease('lost');
SELECT noetl.cancel(:id);
SELECT node_name, status FROM noetl.queue WHERE execution_id = :id;
UPDATE noetl.queue SET lease_until = now() - interval '1 s' WHERE execution_id = :id;
SELECT noetl.enqueue_next();
SELECT count(*) FROM noetl.queue WHERE execution_id = :id;
SELECT * FROM noetl.verify(:id);

-- Another try of an execution that has failed has as long as the first, and says so; also when
-- nobody knows any more how long that was.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: due/again
timeout: 0.5
workflow:
- {step: a, type: python, code: x}
$$) > 0 AS registered;
SELECT noetl.execute('due/again') AS known, noetl.execute('due/again') AS unknown \gset
SELECT count(*) FROM work('{"a": {"fail": "no"}}');
SELECT pg_sleep(0.1);
SELECT count(noetl.redrive(id)) FROM unnest(ARRAY[:known, :unknown]) AS id;
DELETE FROM noetl.event WHERE execution_id = :unknown AND event_type = 'execution_start';
SELECT pg_sleep(0.5);
SELECT noetl.enqueue_next();
SELECT error FROM noetl.execution WHERE execution_id = :known;
SELECT status, error LIKE 'timed out after %' AND error <> 'timed out after 0.5 seconds' AS longer FROM noetl.execution WHERE execution_id = :unknown;
SELECT count(*) FROM noetl.reaper_failure;
SELECT * FROM noetl.verify(:known);
DELETE FROM noetl.event WHERE execution_id = :unknown;
DELETE FROM noetl.execution WHERE execution_id = :unknown;

-- What waits for the broker comes before what is due, or the end of a child: an execution that
-- it ends does not go on.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: due/wait
workflow:
- {step: wait, type: wait, signal: s, timeout: 0.01, next: after}
- {step: after, type: python, code: x}
$$) > 0 AS registered;
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: due/parent
workflow:
- {step: call, type: playbook, path: due/one, next: after}
- {step: after, type: python, code: x}
$$) > 0 AS registered;
SELECT noetl.execute('due/wait') AS waits, noetl.execute('due/parent') AS parent \gset
SET noetl.broker = off;
INSERT INTO noetl.event (execution_id, event_type) VALUES (:waits, 'execution_failed'), (:parent, 'execution_failed');
RESET noetl.broker;
SELECT pg_sleep(0.02);
SELECT step FROM work('{"a": {"v": 1}}', 1);
SELECT noetl.enqueue_next() >= 0 AS done;
SELECT event_type, coalesce(node_name, '') AS node, meta ->> 'ignored' AS ignored FROM noetl.event WHERE execution_id IN (:waits, :parent) AND event_type <> 'execution_start' ORDER BY execution_id, event_id;
SELECT v.* FROM unnest(ARRAY[:waits, :parent]) AS id, noetl.verify(id) AS v;
SELECT noetl.execute('due/wait') AS waits \gset
SET noetl.broker = off;
INSERT INTO noetl.event (execution_id, event_type) VALUES (:waits, 'execution_failed');
RESET noetl.broker;
SELECT noetl.send('s', '') AS taken_by;
SELECT status FROM noetl.execution WHERE execution_id = :waits;
SELECT * FROM noetl.verify(:waits);

-- The end of a child whose parent a user has deleted is nobody else's.
SELECT noetl.execute('due/parent') AS parent \gset
DELETE FROM noetl.execution WHERE execution_id = :parent;
SELECT step FROM work('{}', 1);
SELECT status FROM noetl.execution WHERE parent_execution_id = :parent;
DELETE FROM noetl.event WHERE execution_id = :parent;
DELETE FROM noetl.run WHERE execution_id = :parent;

-- Whoever asks for it has decided what waits for the broker, also where the broker is off, unless he
-- asks for one execution, and forgets the failures of executions that are over.
SELECT noetl.execute('due/one') AS id, noetl.execute('due/one') AS failed \gset
SET noetl.broker = off;
INSERT INTO noetl.event (execution_id, event_type, node_name) VALUES (:id, 'action_completed', 'a');
SELECT noetl.enqueue_next(:failed);
SELECT status FROM noetl.execution WHERE execution_id = :id;
SELECT noetl.enqueue_next();
SELECT status FROM noetl.execution WHERE execution_id = :id;
RESET noetl.broker;
INSERT INTO noetl.reaper_failure (execution_id, failures, sqlstate, error, next_try_at)
VALUES (:id, 1, '22012', 'of one that is over', now() - interval '1 hour'), (:failed, 1, '22012', 'of one that runs', now() - interval '1 hour');
SELECT noetl.enqueue_next();
SELECT error FROM noetl.reaper_failure;
SELECT noetl.cancel(:failed);
SELECT noetl.enqueue_next();
SELECT error FROM noetl.reaper_failure;

-- Work that exceeds its limit of time in the last moment, with an error or without, cancels
-- nothing that comes after it.
CREATE FUNCTION due_long() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    a numeric := 10::numeric ^ 60000 - 1;
BEGIN
    -- one expression, during which nobody looks for interrupts
    RETURN CASE WHEN a * a + (a - 1) * a + (a - 2) * a + (a - 3) * a + (a - 4) * a + (a - 5) * a + (a - 6) * a + (a - 7) * a
        + (a - 8) * a + (a - 9) * a + (a - 10) * a + (a - 11) * a + (a - 12) * a + (a - 13) * a + (a - 14) * a + (a - 15) * a = 0 THEN new END;
END
$$;
SELECT noetl.schedule('due', 'due/one', '@yearly', overlap => 'allow') > now() AS scheduled;
UPDATE noetl.schedule SET next_at = now() - interval '1 s';
CREATE TRIGGER due_long AFTER UPDATE ON noetl.schedule FOR EACH ROW EXECUTE FUNCTION due_long();
SELECT node_name FROM noetl.lease('w', 1, '1 hour', '{none}');
SELECT 'goes on' AS session;
ALTER TABLE noetl.schedule DISABLE TRIGGER due_long;
UPDATE noetl.schedule SET next_at = now() - interval '1 s';
ALTER TABLE noetl.schedule ENABLE TRIGGER due_long;
CREATE OR REPLACE FUNCTION due_long() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    a numeric := 10::numeric ^ 60000 - 1;
BEGIN
    RETURN CASE WHEN (a * a + (a - 1) * a + (a - 2) * a + (a - 3) * a + (a - 4) * a + (a - 5) * a + (a - 6) * a + (a - 7) * a
        + (a - 8) * a + (a - 9) * a + (a - 10) * a + (a - 11) * a + (a - 12) * a + (a - 13) * a + (a - 14) * a + (a - 15) * a) / 0 = 0 THEN new END;
END
$$;
SELECT node_name FROM noetl.lease('w', 1, '1 hour', '{none}');
SELECT execution_id < 0 AS of_a_schedule, failures, error IN ('division by zero', 'the decision took too long') AS why FROM noetl.reaper_failure;
DROP TRIGGER due_long ON noetl.schedule;
DROP FUNCTION due_long();
SELECT noetl.unschedule('due');
DELETE FROM noetl.reaper_failure;
SELECT count(noetl.cancel(execution_id)) >= 0 AS cancelled FROM noetl.execution WHERE schedule = 'due' AND status = 'RUNNING';

-- What has got one of its slots waits for the next one: it gets ready with the last.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: due/slots
workload: {of: [due_first, due_second]}
workflow:
- {step: start, next: [{when: "{{ workload.of == 1 }}", then: [first]}, {when: "{{ workload.of == 2 }}", then: [second]}, {else: [both]}]}
- {step: first, type: python, code: x, limits: {name: due_first, concurrency: 1}}
- {step: second, type: python, code: x, limits: {name: due_second, concurrency: 1}}
- {step: both, type: python, code: x, limits: [{name: due_first, concurrency: 1}, {name: due_second, concurrency: 1}]}
$$) > 0 AS registered;
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: due/runs
limits: [{name: due_first, concurrency: 1}, {name: due_second, concurrency: 1}]
workflow:
- {step: a, type: python, code: x}
$$) > 0 AS registered;
SELECT noetl.execute('due/slots', '{"of": 1}') AS first, noetl.execute('due/slots', '{"of": 2}') AS second,
    noetl.execute('due/slots') AS both, noetl.execute('due/runs') AS runs \gset
SELECT node_name FROM noetl.lease('w', 4) ORDER BY 1;
SELECT noetl.complete(queue_id, NULL, 'w') FROM noetl.queue WHERE execution_id = :first;
SELECT status FROM noetl.queue WHERE execution_id = :both;
SELECT name, held FROM noetl.slot WHERE execution_id = :both ORDER BY ordinal;
SELECT noetl.complete(queue_id, NULL, 'w') FROM noetl.queue WHERE execution_id = :second;
SELECT status FROM noetl.queue WHERE execution_id = :both;
SELECT noetl.execute('due/slots', '{"of": 2}') AS second \gset
SELECT step FROM work('{}', 1);
SELECT name, held, execution_id = :runs AS runs FROM noetl.slot ORDER BY name, held;
SELECT status FROM noetl.execution WHERE execution_id = :runs;
SELECT count(*) FROM work();
SELECT v.* FROM unnest(ARRAY[:first, :second, :both, :runs]) AS id, noetl.verify(id) AS v;
SELECT count(*) FROM noetl.slot;

-- An iterator goes on from the items that the log has; without them it says so.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: due/items
workflow:
- {step: each, type: iterator, collection: [1, 2], element: n, task: {type: playbook, path: due/one}}
$$) > 0 AS registered;
SELECT noetl.execute('due/items') AS without_items, noetl.execute('due/items') AS without_event \gset
SELECT count(*) FROM work('{"a": {"fail": "no"}}');
SELECT status FROM noetl.execution WHERE execution_id IN (:without_items, :without_event);
UPDATE noetl.event SET context = NULL WHERE execution_id = :without_items AND event_type = 'iterator_started';
DELETE FROM noetl.event WHERE execution_id = :without_event AND event_type = 'iterator_started';
\set VERBOSITY sqlstate
SELECT noetl.redrive(:without_items);
SELECT noetl.redrive(:without_event);
\set VERBOSITY default
DELETE FROM noetl.event WHERE execution_id IN (:without_items, :without_event);
DELETE FROM noetl.execution WHERE execution_id IN (:without_items, :without_event);

-- Items that are tasks of their own belong to no attempt of a worker's iterator, whatever their worker says.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: due/each
workflow:
- {step: each, type: iterator, collection: [1, 2], element: n, mode: distributed, task: {type: python, code: x}}
$$) > 0 AS registered;
SELECT noetl.execute('due/each') AS id \gset
SELECT current_index FROM noetl.lease('w');
INSERT INTO noetl.event (execution_id, event_type, node_name, current_index, worker_id, result) VALUES (:id, 'iteration_completed', 'each', 0, 'w', '1'), (:id, 'iteration_failed', 'each', 0, 'w', NULL);
SELECT event_type, current_index, meta FROM noetl.event WHERE execution_id = :id AND event_type LIKE 'iteration%ed' AND worker_id = 'w' ORDER BY event_id;
SELECT noetl.cancel(:id);

-- What put an execution off may have lost what it said: the log can still be read.
SELECT noetl.debounce('due/one', 'put off', '0.01 s', '{"n": 1}') AS id \gset
SELECT noetl.debounce('due/one', 'put off', '0.02 s', '{"n": 2}') = :id AS the_same;
SELECT pg_sleep(0.05);
SELECT noetl.enqueue_next() >= 0 AS begun;
SELECT status FROM noetl.execution WHERE execution_id = :id;
SELECT * FROM noetl.verify(:id);
UPDATE noetl.event SET context = NULL WHERE execution_id = :id AND event_type = 'execution_rescheduled';
SELECT count(*) > 0 AS differs FROM noetl.verify(:id);
SELECT noetl.cancel(:id);

-- Of an execution that a user has deleted the log is left: it cannot start once more under the same event.
SELECT noetl.execute('due/one') AS id \gset
SELECT event_id AS first FROM noetl.event WHERE execution_id = :id AND event_type = 'execution_start' \gset
DELETE FROM noetl.execution WHERE execution_id = :id;
DELETE FROM noetl.queue WHERE execution_id = :id;
\set VERBOSITY sqlstate
INSERT INTO noetl.event (execution_id, event_id, event_type, context) VALUES (:id, :first, 'execution_start', '{"path": "due/one"}');
\set VERBOSITY default
SELECT noetl.rebuild(:id) > 0 AS rebuilt;
SELECT noetl.cancel(:id);

-- An event whose type nobody knows is about what it says, and no more.
SELECT noetl.execute('due/one') AS id \gset
INSERT INTO noetl.event (execution_id, event_type, node_name) VALUES (:id, 'of my own', 'a'), (:id, 'of my own', NULL);
INSERT INTO noetl.event (execution_id, event_type, node_id) VALUES (:id, 'of my own', 'mine');
SELECT node_name, nullif(node_id, execution_id::text) AS node_id, node_id = execution_id::text AS of_the_execution, meta FROM noetl.event WHERE execution_id = :id AND event_type = 'of my own' ORDER BY event_id;
SELECT noetl.cancel(:id);

-- Statements that only look alike to a hash are two, and so are those of two roles; one that failed is
-- tried anew; a statement that another one begins ends in its own time, and the one around it in its own.
CREATE TABLE due_saved (n int);
CREATE ROLE regress_due;
ALTER TABLE due_saved OWNER TO regress_due;
GRANT EXECUTE ON FUNCTION noetl.execute TO regress_due;
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: due/alike
workflow:
- {step: a, type: sql, statement: INSERT INTO public.due_saved VALUES (3870), next: b}
- {step: b, type: sql, statement: INSERT INTO public.due_saved VALUES (149442)}
$$) > 0 AS registered;
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: due/inner
workflow:
- {step: a, type: sql, statement: SELECT 1 AS one, timeout: 0.5}
$$) > 0 AS registered;
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: due/outer
workflow:
- {step: a, type: sql, statement: "SELECT public.due_around()", timeout: 2}
$$) > 0 AS registered;
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: due/broken
workflow:
- {step: a, type: sql, statement: SELECT x FROM due_nowhere}
$$) > 0 AS registered;
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: due/private
workflow:
- {step: a, type: sql, statement: SELECT n FROM due_private.numbers}
$$) > 0 AS registered;
CREATE ROLE regress_due_other;
GRANT EXECUTE ON FUNCTION noetl.execute TO regress_due_other;
CREATE SCHEMA due_private;
CREATE TABLE due_private.numbers AS SELECT 1 AS n;
GRANT USAGE ON SCHEMA due_private TO regress_due;
GRANT SELECT ON due_private.numbers TO regress_due, regress_due_other;
CREATE FUNCTION due_around() RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    PERFORM noetl.execute('due/inner');
    PERFORM pg_sleep(20);
    RETURN 'nobody has stopped it';
END
$$;
SET ROLE regress_due;
SELECT noetl.execute('due/alike') > 0 AS started;
SELECT noetl.execute('due/broken') > 0 AS started FROM generate_series(1, 2);
SELECT noetl.execute('due/private') > 0 AS started;
SELECT noetl.execute('due/outer') > 0 AS started;
SET ROLE regress_due_other;
SELECT noetl.execute('due/private') > 0 AS started;
RESET ROLE;
SELECT path, started_by, status, error FROM noetl.execution WHERE path IN ('due/broken', 'due/private') ORDER BY execution_id;
SELECT n FROM due_saved;
-- Settings that a session gets when it begins, and cannot change, are no hindrance.
\c -reuse-previous=on "options='-c post_auth_delay=0 -c ignore_system_indexes=off -c DateStyle=German'"
SET ROLE regress_due;
SELECT noetl.execute('due/alike') > 0 AS started;
RESET ROLE;
SELECT status, error FROM noetl.execution WHERE execution_id = newest('due/alike');
SELECT status, error FROM noetl.execution WHERE execution_id = newest('due/outer');
DROP FUNCTION due_around();
DROP SCHEMA due_private CASCADE;
DROP OWNED BY regress_due, regress_due_other;
DROP ROLE regress_due, regress_due_other;
SELECT count(*) FROM noetl.reaper_failure;

-- A session forgets the names of an execution, and of its schedule, with the version of the row
-- that had them.
SELECT 'due/' || repeat('long', 100) AS path, repeat('name', 50) AS schedule \gset
SELECT noetl.register(format($$
apiVersion: noetl.io/v1
kind: Playbook
path: %s
workflow:
- {step: a, type: python, code: x}
$$, :'path')) > 0 AS registered;
SELECT noetl.schedule(:'schedule', :'path', '@yearly') > now() AS scheduled;
UPDATE noetl.schedule SET next_at = now() - interval '1 s' WHERE name = :'schedule';
SELECT node_name FROM noetl.lease('w', 1, '1 hour', '{none}');
SELECT execution_id AS id FROM noetl.execution WHERE schedule = :'schedule' \gset
SELECT count(noetl.pause(:id, n::text)) + count(noetl.resume(:id)) AS changes FROM generate_series(1, 10) AS n;
SELECT used_bytes AS used FROM pg_backend_memory_contexts WHERE name = 'TopMemoryContext' \gset
SELECT count(noetl.pause(:id, n::text)) + count(noetl.resume(:id)) AS changes FROM generate_series(1, 500) AS n;
SELECT used_bytes - :used < 50000 AS bounded FROM pg_backend_memory_contexts WHERE name = 'TopMemoryContext';
SELECT noetl.cancel(:id);
SELECT noetl.unschedule(:'schedule');

-- Nothing is left of executions whose logs or rows were changed.
SELECT array_agg(execution_id) AS ids FROM noetl.execution WHERE path LIKE 'due/%' \gset
DELETE FROM noetl.event WHERE execution_id = ANY (:'ids');
DELETE FROM noetl.execution WHERE execution_id = ANY (:'ids');
DELETE FROM noetl.queue WHERE execution_id = ANY (:'ids');
DELETE FROM noetl.run WHERE execution_id = ANY (:'ids');
