-- Events that were stored while the triggers of noetl.event were off are found later.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: undecided/two
workload: {n: 1}
workflow:
- {step: a, type: python, code: x, next: b}
- {step: b, type: python, code: x, data: {got: "{{ a.v }}"}, next: end}
- {step: end, result: "{{ b }}"}
$$) > 0 AS registered;
CREATE FUNCTION quietly(execution bigint, id bigint, type text, node text, result jsonb DEFAULT NULL,
                        context jsonb DEFAULT NULL, age interval DEFAULT '0') RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    SET LOCAL session_replication_role = replica;
    INSERT INTO noetl.event (execution_id, event_id, created_at, event_type, node_name, status, result, context)
    VALUES (execution, id, clock_timestamp() - age, type, node, 'done', result, context);
    SET LOCAL session_replication_role = origin;
END $$;
CREATE FUNCTION log_of(execution bigint) RETURNS TABLE (event text, node text, status text, ignored text, stored_before boolean)
LANGUAGE sql AS $$
    SELECT event_type, regexp_replace(node_id, '^\d+:?', ''), e.status, meta ->> 'ignored', (meta ->> 'stored_at')::timestamptz < created_at
      FROM noetl.event AS e WHERE execution_id = execution ORDER BY created_at
$$;

-- A result is no value of its step, nor the end of it, before the broker has decided on it.
SELECT noetl.execute('undecided/two') AS x \gset
SELECT quietly(:x, 7, 'action_completed', 'a', '{"v": 42}', NULL, '1 hour');
SELECT node_name, status FROM noetl.queue WHERE execution_id = :x;
SELECT relation, key, expected, found FROM noetl.verify(:x);
SELECT noetl.enqueue_next();
SELECT node_name, status, action -> 'data' AS data FROM noetl.queue WHERE execution_id = :x;
SELECT * FROM log_of(:x);
SELECT * FROM noetl.verify(:x);
-- rebuild finds it as well.
SELECT quietly(:x, 8, 'action_completed', 'b', '"done"');
SELECT noetl.rebuild(:x);
SELECT status, result FROM noetl.execution WHERE execution_id = :x;
SELECT * FROM log_of(:x);
SELECT * FROM noetl.verify(:x);
-- What came too late is marked like other late events.
SELECT quietly(:x, 9, 'action_completed', 'b', '"again"');
SELECT quietly(:x, 10, 'execution_failed', NULL);
SELECT noetl.enqueue_next(:x);
SELECT * FROM log_of(:x) OFFSET 8;
SELECT * FROM noetl.verify(:x);

-- Nobody sees the value of a result that has not been decided on.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: undecided/three
workflow:
- {step: a, type: python, code: x, next: b}
- {step: b, type: python, code: x, next: c}
- {step: c, type: python, code: x, data: {got: "{{ a.v }}"}}
$$) > 0 AS registered;
SELECT noetl.execute('undecided/three') AS x \gset
INSERT INTO noetl.event (execution_id, event_type, node_name, result) VALUES (:x, 'action_completed', 'a', '{"v": 1}');
SELECT quietly(:x, 7, 'action_completed', 'a', '{"v": 42}');
INSERT INTO noetl.event (execution_id, event_type, node_name) VALUES (:x, 'action_completed', 'b');
SELECT action -> 'data' AS data FROM noetl.queue WHERE execution_id = :x;
SELECT noetl.enqueue_next(:x);
SELECT meta ->> 'ignored' AS ignored FROM noetl.event WHERE execution_id = :x AND event_id = 7;
SELECT * FROM noetl.verify(:x);
SELECT noetl.cancel(:x);

-- A whole execution, from its start; whoever decides on the start owns it.
SELECT noetl.next_id() AS x \gset
SELECT quietly(:x, 1, 'execution_start', NULL, NULL, '{"path": "undecided/two", "workload": {"n": 2}}', '2 s');
SELECT quietly(:x, 2, 'action_completed', 'a', '{"v": 1}', NULL, '1 s');
SELECT quietly(:x, 3, 'action_completed', 'b', '2');
SELECT relation, found FROM noetl.verify(:x);
SELECT noetl.rebuild(:x);
SELECT status, result, started_by = current_user::regrole AS mine FROM noetl.execution WHERE execution_id = :x;
SELECT * FROM log_of(:x);
SELECT * FROM noetl.verify(:x);
SELECT noetl.next_id() AS x \gset
SELECT quietly(:x, 1, 'execution_start', NULL, NULL, '{"path": "undecided/two"}');
SELECT noetl.enqueue_next();
SELECT status, started_by = current_user::regrole AS mine FROM noetl.execution WHERE execution_id = :x;
-- A second start is none; a start of somebody who may not start for the owner waits.
SELECT quietly(:x, 2, 'execution_start', NULL, NULL, '{"path": "undecided/two"}');
SELECT noetl.enqueue_next();
SELECT * FROM log_of(:x);
SELECT * FROM noetl.verify(:x);
SELECT noetl.next_id() AS y \gset
SELECT quietly(:y, 1, 'execution_start', NULL, NULL, '{"path": "undecided/two"}');
CREATE ROLE undecided_worker;
GRANT USAGE ON SCHEMA noetl TO undecided_worker;
GRANT EXECUTE ON FUNCTION noetl.enqueue_next(bigint) TO undecided_worker;
SET ROLE undecided_worker;
SELECT noetl.enqueue_next();
RESET ROLE;
SELECT count(*) FROM noetl.execution WHERE execution_id = :y;
DELETE FROM noetl.event WHERE execution_id = :y;
REVOKE ALL ON SCHEMA noetl FROM undecided_worker;
REVOKE ALL ON FUNCTION noetl.enqueue_next(bigint) FROM undecided_worker;
DROP ROLE undecided_worker;

-- One that cannot be decided on stops no other: it is recorded, and stays.
SELECT quietly(:y, 1, 'execution_start', NULL, NULL, '{"path": "undecided/unknown"}', '1 day');
SELECT quietly(:x, 3, 'action_completed', 'a', '{"v": 3}');
SELECT noetl.enqueue_next();
SELECT node_name, action -> 'data' AS data FROM noetl.queue WHERE execution_id = :x;
SELECT error FROM noetl.reaper_failure WHERE execution_id = :y;
DELETE FROM noetl.event WHERE execution_id = :y;
DELETE FROM noetl.reaper_failure WHERE execution_id = :y;

-- DISABLE TRIGGER is the same.
ALTER TABLE noetl.event DISABLE TRIGGER USER;
INSERT INTO noetl.event (execution_id, event_id, created_at, event_type, node_name, status, result)
VALUES (:x, 4, clock_timestamp(), 'action_completed', 'b', 'COMPLETED', '4');
ALTER TABLE noetl.event ENABLE TRIGGER USER;
SELECT status FROM noetl.execution WHERE execution_id = :x;
SELECT noetl.enqueue_next();
SELECT status, result FROM noetl.execution WHERE execution_id = :x;
SELECT * FROM noetl.verify(:x);

-- A log that is brought back as a whole, with catalog_id, is history: nothing is decided.
SELECT noetl.execute('undecided/two') AS y \gset
CREATE TABLE kept AS SELECT * FROM noetl.event WHERE execution_id = :y;
DELETE FROM noetl.event WHERE execution_id = :y;
DELETE FROM noetl.queue WHERE execution_id = :y;
DELETE FROM noetl.execution WHERE execution_id = :y;
INSERT INTO noetl.event SELECT * FROM kept;
SELECT noetl.enqueue_next();
SELECT count(*) FROM noetl.execution WHERE execution_id = :y;
SELECT noetl.rebuild(:y) > 0 AS rebuilt;
SELECT node_name, status FROM noetl.queue WHERE execution_id = :y;
SELECT noetl.cancel(:y);
DROP TABLE kept;

-- Ids that clients choose: the log stays in the order in which the events came.
SELECT noetl.execute('undecided/two') AS x \gset
INSERT INTO noetl.event (execution_id, event_id, event_type, node_name, worker_id)
VALUES (:x, 4000000000000000000, 'action_started', 'a', 'w'), (:x, 5, 'save_started', 'a', 'w'), (:x, 4, 'save_completed', 'a', 'w');
INSERT INTO noetl.event (execution_id, event_id, event_type, node_name, result)
VALUES (:x, 3, 'action_completed', 'a', '{"v": 5}'), (:x, 2, 'action_completed', 'b', '6');
SELECT event_type, event_id < 10 AS chosen, created_at > lag(created_at) OVER w AS later, event_id > 4000000000000000000 AS larger
  FROM noetl.event WHERE execution_id = :x WINDOW w AS (ORDER BY created_at) ORDER BY created_at;
SELECT status, result FROM noetl.execution WHERE execution_id = :x;
SELECT * FROM noetl.verify(:x);

-- Events that only record what a task does are ignored, too, when the task is not there.
SELECT noetl.execute('undecided/two') AS x \gset
INSERT INTO noetl.event (execution_id, event_type, node_name, current_index, result)
VALUES (:x, 'iteration_started', 'b', 0, NULL), (:x, 'iteration_completed', 'nowhere', 0, '1'), (:x, 'iteration_failed', NULL, 0, NULL),
       (:x, 'save_started', 'end', NULL, NULL), (:x, 'save_completed', 'a', NULL, '1');
SELECT queue_id AS task FROM noetl.lease('w1') \gset
INSERT INTO noetl.event (execution_id, event_type, node_name, worker_id, current_index)
VALUES (:x, 'iterator_started', 'a', 'w1', NULL), (:x, 'iteration_started', 'a', 'w2', 0), (:x, 'iteration_started', 'a', 'w1', 0);
UPDATE noetl.queue SET lease_until = clock_timestamp() - interval '1 s' WHERE execution_id = :x;
SELECT noetl.enqueue_next();
INSERT INTO noetl.event (execution_id, event_type, node_name, worker_id, current_index, result)
VALUES (:x, 'iteration_completed', 'a', 'w1', 0, '1');
SELECT attempts FROM noetl.lease('w1');
INSERT INTO noetl.event (execution_id, event_type, node_name, worker_id, current_index, result, meta)
VALUES (:x, 'iteration_completed', 'a', 'w1', 0, '1', '{"attempt": 1}'), (:x, 'iteration_completed', 'a', 'w1', 0, '1', '{"attempt": 2}');
SELECT noetl.cancel(:x);
INSERT INTO noetl.event (execution_id, event_type, node_name, worker_id) VALUES (:x, 'save_completed', 'a', 'w1');
SELECT event, node, ignored FROM log_of(:x);
SELECT * FROM noetl.verify(:x);
DELETE FROM noetl.queue;

-- What cannot be decided on is not counted, and is left alone for a second.
SELECT noetl.execute('undecided/two') AS x \gset
SELECT quietly(:x, 7, 'action_completed', 'a', '{"v": 1}');
SELECT quietly(:x, 8, 'action_completed', 'b', '2');
CREATE SEQUENCE undecided_tries;
CREATE FUNCTION refuse_end() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM nextval('undecided_tries');
    RAISE 'not now';
END $$;
CREATE TRIGGER refuse_end BEFORE INSERT ON noetl.event FOR EACH ROW WHEN (new.event_type = 'execution_complete') EXECUTE FUNCTION refuse_end();
SELECT noetl.enqueue_next();
SELECT error FROM noetl.reaper_failure WHERE execution_id = :x;
SELECT clock_timestamp() AS began \gset
SELECT sum(noetl.enqueue_next()) FROM generate_series(1, 50);
SELECT last_value BETWEEN 1 AND 2 + extract(epoch FROM clock_timestamp() - :'began'::timestamptz) AS left_alone FROM undecided_tries;
DROP TRIGGER refuse_end ON noetl.event;
DROP FUNCTION refuse_end();
DROP SEQUENCE undecided_tries;
SELECT noetl.enqueue_next(:x);
SELECT status FROM noetl.execution WHERE execution_id = :x;
SELECT * FROM noetl.verify(:x);
DROP FUNCTION quietly, log_of;
DELETE FROM noetl.reaper_failure WHERE execution_id = :x;
