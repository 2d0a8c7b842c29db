-- Stories of guards of events that clients insert, or that were stored while the triggers were off,
-- each of which turns red when its guard is missing; see "Guards" in doc/guarantees.md.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: logged/one
priority: 7
workflow:
- {step: a, type: python, code: x, next: b}
- {step: b, type: python, code: x}
$$) > 0 AS registered;
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: logged/task
workflow:
- {step: a, type: logged, code: x}
$$) > 0 AS registered;
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: logged/wait
workflow:
- {step: ask, type: wait, signal: [s, t], key: k, next: end}
- {step: end, result: "{{ ask }}"}
$$) > 0 AS registered;
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: logged/each
workflow:
- {step: each, type: iterator, collection: [1, 2], element: n, task: {type: logged, code: x}}
$$) > 0 AS registered;
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: logged/divided
workload: {n: 1, of: "{{ 1 / n }}"}
workflow:
- {step: a, type: logged, code: x, next: b}
- {step: b, type: logged, code: x}
$$) > 0 AS registered;
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: logged/held
workflow:
- {step: each, type: iterator, collection: [1, 2], element: n, mode: async, on_error: hold, task: {type: playbook, path: logged/task}}
$$) > 0 AS registered;
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: logged/spread
workflow:
- {step: each, type: iterator, collection: [1, 2], element: n, mode: distributed, task: {type: spread, code: x}}
$$) > 0 AS registered;
CREATE FUNCTION logged_quietly(execution bigint, id bigint, type text, node text DEFAULT NULL, context jsonb DEFAULT NULL, meta jsonb DEFAULT NULL)
RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    SET LOCAL session_replication_role = replica;
    INSERT INTO noetl.event (execution_id, event_id, created_at, event_type, node_name, status, context, meta)
    VALUES (execution, id, clock_timestamp(), type, node, 'done', context, meta);
    SET LOCAL session_replication_role = origin;
END $$;

-- The functions of the two triggers of noetl.event are good for nothing else.
SELECT noetl.event_before();
SELECT noetl.event_after();
CREATE TABLE logged_events AS SELECT * FROM noetl.event WHERE false;
CREATE TRIGGER t AFTER INSERT ON logged_events FOR EACH ROW EXECUTE FUNCTION noetl.event_before();
INSERT INTO logged_events (execution_id, event_id, event_type, created_at) VALUES (1, 1, 'x', now());
DROP TRIGGER t ON logged_events;
CREATE TRIGGER t BEFORE INSERT ON logged_events FOR EACH STATEMENT EXECUTE FUNCTION noetl.event_before();
INSERT INTO logged_events (execution_id, event_id, event_type, created_at) VALUES (1, 1, 'x', now());
DROP TRIGGER t ON logged_events;
INSERT INTO logged_events (execution_id, event_id, event_type, created_at) VALUES (1, 1, 'x', now());
CREATE TRIGGER t BEFORE UPDATE ON logged_events FOR EACH ROW EXECUTE FUNCTION noetl.event_before();
UPDATE logged_events SET event_type = 'y';
DROP TABLE logged_events;

-- What a start says of no meaning: a version and a priority that are null, a meta that is no object, a
-- timeout that never comes.
INSERT INTO noetl.event (event_type, context) VALUES ('execution_start', '{"path": "logged/one", "version": null, "priority": null}');
SELECT priority, version FROM noetl.execution WHERE execution_id = newest('logged/one');
INSERT INTO noetl.event (event_type, context) VALUES ('execution_start', '{"path": "logged/one", "version": -1}');
INSERT INTO noetl.event (event_type, context, meta) VALUES ('execution_start', '{"path": "logged/one"}', '"text"');
SELECT meta ->> 'started_by' = current_user AS mine FROM noetl.event WHERE execution_id = newest('logged/one') AND event_type = 'execution_start';
INSERT INTO noetl.event (event_type, context, meta) VALUES ('execution_start', '{"path": "logged/one"}', '{"timeout": 9223372036854775807}');
SELECT status, deadline FROM noetl.execution WHERE execution_id = newest('logged/one');
SELECT v.* FROM noetl.execution AS x, noetl.verify(x.execution_id) AS v WHERE x.path = 'logged/one';

-- A start that names its playbook by its number takes its key for the path of that playbook; one of a
-- playbook that is not there takes none.
SELECT catalog_id FROM noetl.catalog WHERE path = 'logged/one' \gset
INSERT INTO noetl.event (event_type, catalog_id, context) VALUES ('execution_start', :catalog_id, '{"key": "by number"}');
SELECT execution_id = newest('logged/one') AS started, path FROM noetl.start_key WHERE key = 'by number';
SELECT noetl.execute('logged/one', key => 'by number') = newest('logged/one') AS the_same;
INSERT INTO noetl.event (event_type, catalog_id, context) VALUES ('execution_start', 999999999999, '{"key": "of nothing"}');
SELECT count(*) FROM noetl.start_key WHERE key = 'of nothing';

-- Parameters are "workload" or "parameters", or there are none, also where a start puts another one off.
INSERT INTO noetl.event (event_type, context) SELECT 'execution_start', jsonb_build_object('path', 'logged/one', 'key', 'put off', 'on_conflict', 'debounce', 'run_at', now() + interval '1 hour');
INSERT INTO noetl.event (event_type, context) SELECT 'execution_start', jsonb_build_object('path', 'logged/one', 'key', 'put off', 'on_conflict', 'debounce', 'run_at', now() + interval '2 hours', 'parameters', '{"n": 1}'::jsonb);
INSERT INTO noetl.event (event_type, context) SELECT 'execution_start', jsonb_build_object('path', 'logged/one', 'key', 'put off', 'on_conflict', 'debounce', 'run_at', now() + interval '3 hours');
SELECT context FROM noetl.event WHERE execution_id = newest('logged/one') AND event_type = 'execution_rescheduled' ORDER BY event_id;
SELECT noetl.cancel(newest('logged/one'));

-- An event has a type.
INSERT INTO noetl.event (execution_id, event_type) VALUES (newest('logged/one'), '');

-- That executions go on is said by functions only: a superuser who inserts such an event has said nothing.
SELECT noetl.execute('logged/one') AS id \gset
INSERT INTO noetl.event (execution_id, event_type, node_name) VALUES (:id, 'execution_redriven', NULL), (:id, 'step_resumed', 'a'), (:id, 'execution_forked', NULL), (:id, 'execution_migrated', NULL), (:id, 'execution_undo', NULL);
SELECT event_type, meta ->> 'ignored' AS ignored FROM noetl.event WHERE execution_id = :id ORDER BY event_id;
SELECT status, drive FROM noetl.execution WHERE execution_id = :id;
SELECT * FROM noetl.verify(:id);

-- A report of an item that names no step is about none.
SELECT noetl.execute('logged/spread') AS id \gset
INSERT INTO noetl.event (execution_id, event_type, current_index, result) VALUES (:id, 'action_completed', 0, '1');
SELECT event_type, node_name, current_index, meta FROM noetl.event WHERE execution_id = :id AND event_type = 'action_completed';
SELECT status FROM noetl.execution WHERE execution_id = :id;
SELECT * FROM noetl.verify(:id);
SELECT noetl.cancel(:id);

-- Late events say why they count for nothing: a report without a step, a record without one, a signal.
SELECT noetl.execute('logged/task') AS id \gset
SELECT node_name FROM noetl.lease('w', 10, '1 hour', '{logged}');
SELECT noetl.cancel(:id);
INSERT INTO noetl.event (execution_id, event_type) VALUES (:id, 'action_completed'), (:id, 'save_started');
INSERT INTO noetl.event (execution_id, event_type, node_name) VALUES (:id, 'signal_received', 's');
SELECT event_type, meta FROM noetl.event WHERE execution_id = :id AND meta ? 'ignored' ORDER BY event_id;
SELECT node_name, status FROM noetl.queue WHERE execution_id = :id;
SELECT noetl.release(queue_id, 'w') FROM noetl.queue WHERE execution_id = :id;
SELECT * FROM noetl.verify(:id);

-- What waits for the broker may end an execution before its signal comes.
SELECT noetl.execute('logged/wait') AS id \gset
SET noetl.broker = off;
INSERT INTO noetl.event (execution_id, event_type) VALUES (:id, 'execution_cancelled');
RESET noetl.broker;
\set VERBOSITY terse
DO $$ BEGIN PERFORM noetl.signal(newest('logged/wait'), 's'); EXCEPTION WHEN OTHERS THEN RAISE NOTICE '%', regexp_replace(SQLERRM, '\d+', 'n'); END $$;
SELECT noetl.enqueue_next(:id) >= 0 AS decided;
SELECT status FROM noetl.execution WHERE execution_id = :id;

-- Nothing is set going again while the broker is off.
SELECT noetl.execute('logged/task') AS id \gset
SELECT noetl.fail(queue_id, 'no', 'w') FROM noetl.lease('w', 10, '1 hour', '{logged}');
SET noetl.broker = off;
SELECT noetl.redrive(:id);
RESET noetl.broker;
SELECT status FROM noetl.execution WHERE execution_id = :id;

-- Of messages that are kept for a wait the first comes first, whatever their names.
SELECT noetl.send('t', 'k', '{"n": 1}', keep => '1 hour'), noetl.send('s', 'k', '{"n": 2}', keep => '1 hour');
SELECT noetl.execute('logged/wait') AS id \gset
SELECT result FROM noetl.execution WHERE execution_id = :id;
SELECT noetl.execute('logged/wait') AS id \gset
SELECT result FROM noetl.execution WHERE execution_id = :id;
SELECT noetl.send('s', 'k', '{"n": 1}', keep => '1 hour'), noetl.send('t', 'k', '{"n": 2}', keep => '1 hour');
SELECT noetl.execute('logged/wait') AS id \gset
SELECT result FROM noetl.execution WHERE execution_id = :id;
SELECT noetl.execute('logged/wait') AS id \gset
SELECT result FROM noetl.execution WHERE execution_id = :id;
\set VERBOSITY default

-- Stored while the triggers were off: signals, one without a name, one that is too late; an end without a
-- result; what was said of an event stays, if it was an object.
SELECT noetl.execute('logged/wait') AS waits, noetl.execute('logged/wait') AS nameless, noetl.execute('logged/one') AS over \gset
SELECT noetl.cancel(:over);
SELECT logged_quietly(:waits, 7, 'signal_received', 's', '{"key": "k"}', '{"mine": 1}');
SELECT logged_quietly(:nameless, 7, 'signal_received', NULL, NULL);
SELECT logged_quietly(:over, 7, 'signal_received', 's', NULL, '["a", "b"]');
SELECT noetl.enqueue_next() >= 0 AS taken_up;
SELECT e.execution_id = :waits AS of_the_wait, event_type, result, meta - 'stored_at' - 'sent_at' AS meta FROM noetl.event AS e WHERE execution_id IN (:waits, :over) AND event_id = 7 ORDER BY 1;
SELECT status FROM noetl.execution WHERE execution_id IN (:waits, :nameless) ORDER BY execution_id;
SELECT error FROM noetl.reaper_failure;
DELETE FROM noetl.reaper_failure;
DELETE FROM noetl.event WHERE execution_id = :nameless AND event_id = 7;
SELECT noetl.cancel(:nameless);
SELECT noetl.execute('logged/one') AS id \gset
SELECT logged_quietly(:id, 7, 'action_completed', 'a');
SELECT noetl.enqueue_next(:id) >= 0 AS taken_up;
SELECT event_type, node_name, result FROM noetl.event WHERE execution_id = :id AND event_id = 7;
SELECT v.* FROM unnest(ARRAY[:waits, :nameless, :over, :id]) AS x, noetl.verify(x) AS v;
SELECT noetl.cancel(:id);

-- A worker tells of a child that is not there: it is nobody's.
SELECT noetl.execute('logged/each', priority => 100) AS id \gset
SELECT node_name FROM noetl.lease('w', 1, '1 hour', '{iterator}');
INSERT INTO noetl.event (execution_id, event_type, node_name, current_index, context, worker_id) VALUES (:id, 'iteration_started', 'each', 0, '{"child_execution_id": 7}', 'w');
SELECT event_type, context, meta FROM noetl.event WHERE execution_id = :id AND event_type IN ('iteration_started', 'child_spawned') ORDER BY event_id;
SELECT count(*) FROM noetl.event WHERE execution_id = 7;
SELECT * FROM noetl.verify(:id);
SELECT noetl.cancel(:id);
SELECT count(noetl.release(queue_id, 'w')) FROM noetl.queue WHERE execution_id = :id;

-- An execution that a user has ended by hand before the broker looks at its start does not begin.
SET noetl.broker = off;
SELECT noetl.execute('logged/one') AS id \gset
RESET noetl.broker;
UPDATE noetl.execution SET status = 'CANCELLED', ended_at = now() WHERE execution_id = :id;
SELECT noetl.enqueue_next(:id) >= 0 AS decided;
SELECT event_type, meta ->> 'ignored' AS ignored FROM noetl.event WHERE execution_id = :id ORDER BY event_id;
DELETE FROM noetl.event WHERE execution_id = :id;
DELETE FROM noetl.execution WHERE execution_id = :id;

-- An execution that begins in the middle of another, with parameters that it cannot begin with, is over at once.
SELECT noetl.execute('logged/divided') AS id \gset
INSERT INTO noetl.event (execution_id, event_type, node_name) VALUES (:id, 'action_completed', 'a');
SELECT noetl.fork(:id, 'b', '{"n": 0}') AS forked \gset
SELECT status, error FROM noetl.execution WHERE execution_id = :forked;
SELECT event_type FROM noetl.event WHERE execution_id = :forked ORDER BY event_id;
SELECT v.* FROM unnest(ARRAY[:id, :forked]) AS x, noetl.verify(x) AS v;

-- The items of an iterator that is held are in the log; without them it says so.
SELECT noetl.execute('logged/held') AS id \gset
SELECT count(noetl.fail(queue_id, 'no', 'w')) FROM noetl.lease('w', 10, '1 hour', '{logged}');
SELECT status FROM noetl.execution WHERE execution_id = :id;
DELETE FROM noetl.event WHERE execution_id = :id AND event_type = 'iterator_started';
\set VERBOSITY sqlstate
SELECT noetl.retry(:id);
\set VERBOSITY default
DELETE FROM noetl.event WHERE execution_id = :id;
-- An execution whose log somebody has deleted looks the same to all snapshots.
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT noetl.pause(:id);
ROLLBACK;
DELETE FROM noetl.run WHERE execution_id = :id;
DELETE FROM noetl.event AS e USING noetl.execution AS x WHERE e.execution_id = x.execution_id AND x.parent_execution_id = :id;
DELETE FROM noetl.execution WHERE :id IN (execution_id, parent_execution_id);

-- Nothing can come after an event that has the largest number of all.
SELECT noetl.execute('logged/one') AS id \gset
SELECT logged_quietly(:id, 9223372036854775807, 'mine', NULL);
\set VERBOSITY sqlstate
INSERT INTO noetl.event (execution_id, event_type) VALUES (:id, 'execution_cancelled');
\set VERBOSITY default
DELETE FROM noetl.event WHERE execution_id = :id AND event_id = 9223372036854775807;
SELECT noetl.cancel(:id);

-- A start that was stored while the triggers were off, whose key another execution has.
SELECT noetl.execute('logged/one', key => 'twice') AS first, noetl.next_id() AS second \gset
SELECT logged_quietly(:second, 1, 'execution_start', NULL, '{"path": "logged/one", "key": "twice"}');
SELECT noetl.enqueue_next() >= 0 AS looked;
SELECT count(*) FROM noetl.execution WHERE execution_id = :second;
SELECT count(*) FROM noetl.reaper_failure;
DELETE FROM noetl.event WHERE execution_id = :second;

SELECT count(noetl.cancel(execution_id)) >= 0 AS cancelled FROM noetl.execution WHERE path LIKE 'logged/%' AND status = 'RUNNING';
DROP FUNCTION logged_quietly(bigint, bigint, text, text, jsonb, jsonb);
