-- INSERT INTO noetl.event is all a client needs.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: events/insert
workload: {who: nobody}
workflow:
- step: start
  next: [{step: a, data: {who: "{{ who }}"}}]
- {step: a, type: python, code: x, next: b}
- {step: b, type: python, code: x, next: end}
- step: end
$$) > 0 AS registered;
CREATE ROLE noetl_clerk;
GRANT INSERT ON noetl.event TO noetl_clerk;

-- A role that may INSERT and nothing else drives an execution to its end.
SET ROLE noetl_clerk;
INSERT INTO noetl.event (event_type, context)
VALUES ('execution_start', '{"path": "events/insert", "workload": {"who": "clerk"}}');
RESET ROLE;
SELECT newest('events/insert') AS x \gset
SELECT node_name, action FROM noetl.queue;
SET ROLE noetl_clerk;
INSERT INTO noetl.event (execution_id, event_type, node_name) VALUES (:x, 'action_started', 'a');
INSERT INTO noetl.event (execution_id, event_type, node_name, result) VALUES (:x, 'action_completed', 'a', '{"n": 1}');
INSERT INTO noetl.event (execution_id, event_type, node_name, result) VALUES (:x, 'action_completed', 'b', '[1, 2]');
SELECT count(*) FROM noetl.event;
SELECT noetl.lease('w');
SELECT noetl.register('x');
RESET ROLE;
SELECT * FROM story('events/insert');

-- Other words for the same things; stored as they were sent.
SELECT noetl.execute('events/insert') AS x \gset
INSERT INTO noetl.event (execution_id, event_type, node_name, status) VALUES
    (:x, 'task_start', 'a', 'begin'), (:x, 'task_end', 'a', 'done'), (:x, 'task_complete', 'b', 'Success');
SELECT * FROM story('events/insert');
SELECT noetl.execute('events/insert') AS x \gset
INSERT INTO noetl.event (execution_id, event_type, node_name, status) VALUES
    (:x, 'note', 'a', 'in_progress'), (:x, 'note', 'a', 'suspended'), (:x, 'note', 'a', ''), (:x, 'note', 'a', 'upside down'),
    (:x, 'step_end', 'a', 'ok'), (:x, 'step_end', 'b', 'failure');
SELECT * FROM story('events/insert');

-- Events of the execution carry its id as node_id, however it was started.
SELECT event_type, node_id = execution_id::text AS own FROM noetl.event
 WHERE execution_id = :x AND event_type LIKE 'execution%' ORDER BY event_id;
-- A version is a number; to ignore a word would start something else.
INSERT INTO noetl.event (event_type, context) VALUES ('execution_start', '{"path": "events/insert", "version": "newest"}');
INSERT INTO noetl.event (event_type, context) VALUES ('execution_start', '{"path": "events/insert", "version": 4294967297}');
INSERT INTO noetl.event (event_type, context) VALUES ('execution_start', jsonb_build_object('path', 'events/insert', 'version', repeat('é', 80)));
SELECT noetl.execute('events/insert', version => 0);

-- A worker's step_result counts when nothing else came; a client may end a step.
SELECT noetl.execute('events/insert') AS x \gset
INSERT INTO noetl.event (execution_id, event_type, node_name, result) VALUES (:x, 'step_result', 'a', '{"n": 1}');
INSERT INTO noetl.event (execution_id, event_type, node_name, result) VALUES (:x, 'step_completed', 'b', '{"n": 2}');
SELECT * FROM story('events/insert');

-- Said twice, done once: the same event_id, a second report, another visit, a
-- step that has not begun, one that does not exist, and all of it too late.
SELECT noetl.execute('events/insert') AS x \gset
INSERT INTO noetl.event (execution_id, event_id, event_type, node_name) VALUES (:x, 1, 'action_completed', 'a');
INSERT INTO noetl.event (execution_id, event_id, event_type, node_name) VALUES (:x, 1, 'action_completed', 'a');
INSERT INTO noetl.event (execution_id, event_id, event_type, node_name) VALUES (:x, 2, 'note', 'a'), (:x, 2, 'note', 'a');
INSERT INTO noetl.event (execution_id, event_type, node_name) VALUES (:x, 'action_completed', 'a');
INSERT INTO noetl.event (execution_id, event_type, node_name, node_id) VALUES (:x, 'action_completed', 'b', :'x' || ':b:2');
INSERT INTO noetl.event (execution_id, event_type, node_name) VALUES (:x, 'action_completed', 'nobody');
INSERT INTO noetl.event (execution_id, event_type) VALUES (:x, 'action_completed');
INSERT INTO noetl.event (execution_id, event_type, node_name) VALUES (:x, 'action_completed', 'b');
INSERT INTO noetl.event (execution_id, event_type, node_name) VALUES (:x, 'action_completed', 'b'), (:x, 'execution_cancelled', NULL), (:x, 'note', 'b');
SELECT event_type, node_name, status, meta ->> 'ignored' AS ignored FROM noetl.event WHERE execution_id = :x ORDER BY created_at;

-- Malformed rows are errors, and lose nothing else.
INSERT INTO noetl.event (execution_id, event_type, node_name) VALUES (4711, 'action_completed', 'a');
INSERT INTO noetl.event (execution_id, event_type, node_name) VALUES (NULL, 'action_completed', 'a');
INSERT INTO noetl.event (execution_id, event_type) VALUES (:x, NULL);
INSERT INTO noetl.event (event_type) VALUES ('execution_start');
INSERT INTO noetl.event (event_type, context) VALUES ('execution_start', '{"path": "events/missing"}');
INSERT INTO noetl.event (event_type, context) VALUES ('execution_start', '{"path": "events/insert", "version": 9}');
INSERT INTO noetl.event (event_type, context) VALUES ('execution_start', '{"path": "events/insert", "workload": [1]}');
\set VERBOSITY terse
INSERT INTO noetl.event (execution_id, event_type, context) VALUES (:x, 'execution_start', '{"path": "events/insert"}');
\set VERBOSITY default
SELECT noetl.execute('events/missing');
SELECT noetl.execute(NULL);
SELECT noetl.cancel(4711);

-- Any JSON is a result, also a large one.
SELECT noetl.execute('events/insert') AS x \gset
INSERT INTO noetl.event (execution_id, event_type, node_name, result) VALUES (:x, 'action_completed', 'a', 'null');
INSERT INTO noetl.event (execution_id, event_type, node_name, result)
SELECT :x, 'action_completed', 'b', jsonb_build_object('big', repeat('0123456789', 1024 * 1024));
SELECT event_type, node_name, pg_column_size(result) > 10000 AS large FROM noetl.event WHERE execution_id = :x ORDER BY event_id;

-- Many in one statement: two executions, each step once.
SELECT noetl.execute('events/insert') AS x \gset
SELECT noetl.execute('events/insert') AS y \gset
INSERT INTO noetl.event (execution_id, event_type, node_name)
SELECT e, 'action_completed', n FROM unnest(ARRAY[:x, :y]) e, unnest('{a,b}'::text[]) n ORDER BY n, e;
SELECT status, count(*) FROM noetl.execution WHERE execution_id IN (:x, :y) GROUP BY status;
SELECT event_type, count(*) FROM noetl.event WHERE execution_id IN (:x, :y) GROUP BY 1 ORDER BY 1;

-- A transaction that is rolled back has never happened.
BEGIN;
SELECT noetl.execute('events/insert') AS x \gset
SAVEPOINT before;
INSERT INTO noetl.event (execution_id, event_type, node_name) VALUES (:x, 'action_completed', 'a');
ROLLBACK TO before;
INSERT INTO noetl.event (execution_id, event_type, node_name) VALUES (:x, 'action_completed', 'a'), (:x, 'action_completed', 'b');
COMMIT;
SELECT event_type, node_name FROM noetl.event WHERE execution_id = :x ORDER BY event_id;
-- The user's data, the event and the decision share one commit.
CREATE TABLE invoice (id int);
SELECT noetl.execute('events/insert') AS x \gset
BEGIN;
INSERT INTO invoice VALUES (1);
INSERT INTO noetl.event (execution_id, event_type, node_name) VALUES (:x, 'action_completed', 'a');
ROLLBACK;
SELECT (SELECT count(*) FROM invoice) AS invoices, (SELECT node_name FROM noetl.queue WHERE execution_id = :x) AS at;
SELECT noetl.cancel(:x);

-- A row that carries event_id, created_at and catalog_id is history: stored as
-- it is, for the owner of the tables only.
SELECT noetl.execute('events/insert') AS x \gset
INSERT INTO noetl.event (execution_id, event_id, created_at, catalog_id, event_type, node_name, status)
SELECT :x, 5, '2001-01-01 UTC', catalog_id, 'action_completed', 'a', 'COMPLETED' FROM noetl.execution WHERE execution_id = :x;
SELECT event_type, created_at < '2002-01-01' AS old FROM noetl.event WHERE execution_id = :x ORDER BY created_at;
SET noetl.isolation = off;
SET ROLE noetl_clerk;
INSERT INTO noetl.event (execution_id, event_id, created_at, catalog_id, event_type, node_name, status)
VALUES (:x, 6, '2001-01-01 UTC', 1, 'action_completed', 'a', 'COMPLETED');
RESET ROLE;
RESET noetl.isolation;
SELECT event_type, node_name, created_at < '2002-01-01' AS old FROM noetl.event WHERE execution_id = :x ORDER BY created_at;
SELECT noetl.cancel(:x);
REVOKE ALL ON noetl.event FROM noetl_clerk;
DROP ROLE noetl_clerk;
DROP TABLE invoice;

-- An execution that is deleted while one of its events waits for its decision.
SET noetl.broker = off;
SELECT noetl.execute('events/insert') AS x \gset
DELETE FROM noetl.execution WHERE execution_id = :x;
SET noetl.broker = on;
CREATE FUNCTION pg_temp.catch_up(id bigint) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    hint text;
BEGIN
    RETURN noetl.enqueue_next(id);
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS hint = PG_EXCEPTION_HINT;
    RETURN replace(concat_ws(' | ', SQLSTATE, SQLERRM, hint), id::text, 'X');
END $$;
SELECT pg_temp.catch_up(:x);
BEGIN;
SELECT noetl.rebuild(:x) > 0 AS restored;
SELECT pg_temp.catch_up(:x);
ROLLBACK;
DELETE FROM noetl.event WHERE execution_id = :x;
SELECT pg_temp.catch_up(:x);
