-- Stories of guards, each of which turns red when its guard is missing; see "Guards" in
-- doc/guarantees.md.
CREATE FUNCTION guard_story(id bigint) RETURNS TABLE (event text, node text, worker text, ignored text) LANGUAGE sql STABLE AS $$
    SELECT event_type, node_name, worker_id, meta ->> 'ignored' FROM noetl.event
     WHERE execution_id = id AND event_type <> 'execution_start' ORDER BY event_id
$$;
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: guards/retried
workflow:
- {step: a, type: python, code: x, retry: {max_attempts: 3, initial_delay: 0, jitter: false}}
$$) > 0 AS registered;
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: guards/two
workflow:
- {step: start, type: guard, code: x, next: end}
- {step: end}
$$) > 0 AS registered;

-- What a worker says of an attempt that is over does not count for its next one.
SELECT noetl.execute('guards/retried') AS id \gset
SELECT noetl.fail(queue_id, 'no', 'w') FROM noetl.lease('w');
SELECT attempts FROM noetl.lease('w');
INSERT INTO noetl.event (execution_id, event_type, node_name, worker_id, result, meta)
VALUES (:id, 'action_completed', 'a', 'w', '"of the first attempt"', '{"attempt": 1}');
SELECT * FROM guard_story(:id);
SELECT noetl.complete(queue_id, '"of the second"', 'w') FROM noetl.queue WHERE execution_id = :id;
SELECT result FROM noetl.event WHERE execution_id = :id AND event_type = 'step_completed';
SELECT * FROM noetl.verify(:id);

-- A step waits for all executions that its worker has started.
SELECT noetl.execute('guards/two') AS id \gset
SELECT queue_id AS task FROM noetl.lease('w', types => '{guard}') \gset
SELECT noetl.execute('guards/retried') AS one \gset
SELECT noetl.execute('guards/retried') AS two \gset
INSERT INTO noetl.event (execution_id, event_type, node_name, current_index, context, worker_id)
SELECT :id, 'iteration_started', 'start', i, jsonb_build_object('child_execution_id', c), 'w'
  FROM (VALUES (0, :one), (1, :two)) v (i, c);
SELECT noetl.complete(:task, '1', 'w');
SELECT noetl.complete(queue_id, '1', 'w') FROM noetl.lease('w') WHERE execution_id = :one;
SELECT status FROM noetl.execution WHERE execution_id IN (:id, :one, :two) ORDER BY execution_id;
INSERT INTO noetl.event (execution_id, event_type, node_name, result)
SELECT execution_id, 'action_completed', 'a', '2' FROM noetl.queue WHERE execution_id = :two;
SELECT status FROM noetl.execution WHERE execution_id IN (:id, :one, :two) ORDER BY execution_id;
SELECT * FROM noetl.verify(:id);

-- An execution that is said to be its own child goes on as if nothing had been said.
SELECT noetl.execute('guards/two') AS id \gset
SELECT queue_id AS task FROM noetl.lease('w', types => '{guard}') \gset
INSERT INTO noetl.event (execution_id, event_type, node_name, current_index, context, worker_id)
VALUES (:id, 'iteration_started', 'start', 0, jsonb_build_object('child_execution_id', :id), 'w');
SELECT noetl.complete(:task, '1', 'w');
SELECT status, parent_execution_id FROM noetl.execution WHERE execution_id = :id;
SELECT * FROM noetl.verify(:id);

-- An item that the iterator does not have.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: guards/items
workflow:
- {step: each, type: iterator, collection: [1, 2], element: n, mode: distributed, task: {type: python, code: x}, next: end}
- {step: end, result: "{{ each }}"}
$$) > 0 AS registered;
SELECT noetl.execute('guards/items') AS id \gset
SELECT noetl.complete(queue_id, to_jsonb(current_index), 'w') FROM noetl.lease('w');
INSERT INTO noetl.event (execution_id, event_type, node_name, node_id, parent_event_id, current_index, result, meta)
SELECT execution_id, event_type, node_name, node_id, parent_event_id, 900000000, '"far"', meta
  FROM noetl.event WHERE execution_id = :id AND event_type = 'iteration_completed';
SELECT noetl.complete(queue_id, to_jsonb(current_index), 'w') FROM noetl.lease('w');
SELECT status, result FROM noetl.execution WHERE execution_id = :id;
SELECT * FROM noetl.verify(:id);

-- A statement that fails leaves nothing in the session.
SELECT noetl.execute('guards/retried') AS id \gset
INSERT INTO noetl.event (execution_id, event_type, node_name, current_index)
VALUES (:id, 'action_started', 'a', NULL), (:id, NULL, 'a', NULL);
SELECT * FROM noetl.verify(:id);
SELECT noetl.rebuild(:id);
SELECT noetl.cancel(:id);

-- After the end the row of a task is its worker's: what another one says leaves it.
SELECT noetl.execute('guards/retried') AS id \gset
SELECT node_name FROM noetl.lease('w1');
SELECT noetl.cancel(:id);
INSERT INTO noetl.event (execution_id, event_type, node_name, worker_id, result) VALUES (:id, 'action_completed', 'a', 'w2', '1');
SELECT status, worker_id FROM noetl.queue WHERE execution_id = :id;
INSERT INTO noetl.event (execution_id, event_type, node_name, worker_id, result) VALUES (:id, 'action_completed', 'a', 'w1', '1');
SELECT status, worker_id FROM noetl.queue WHERE execution_id = :id;

-- Ids that clients choose leave room for those of later events, and these follow them.
SELECT noetl.execute('guards/retried') AS id \gset
INSERT INTO noetl.event (execution_id, event_id, event_type, node_name) VALUES (:id, 9223372036854775806, 'action_started', 'a');
INSERT INTO noetl.event (execution_id, event_id, event_type, node_name, worker_id) VALUES (:id, 5000000000000000000, 'action_started', 'a', 'w');
SELECT noetl.complete(queue_id, '1', 'w') FROM noetl.queue WHERE execution_id = :id;
SELECT status FROM noetl.execution WHERE execution_id = :id;
SELECT event_id > 5000000000000000000 AS after_it, event_type FROM noetl.event WHERE execution_id = :id ORDER BY event_id;
SELECT * FROM noetl.verify(:id);

-- A task that was begun by hand, without a name, ends with its execution.
SELECT noetl.execute('guards/retried') AS id \gset
INSERT INTO noetl.event (execution_id, event_type, node_name) VALUES (:id, 'action_started', 'a');
SELECT status, worker_id FROM noetl.queue WHERE execution_id = :id;
INSERT INTO noetl.event (execution_id, event_type) VALUES (:id, 'execution_failed');
SELECT count(*) FROM noetl.queue WHERE execution_id = :id;
SELECT * FROM noetl.verify(:id);

-- An attempt whose time has come counts, though nobody has leased it.
SELECT noetl.execute('guards/retried') AS id \gset
SELECT noetl.fail(queue_id, 'no', 'w') FROM noetl.lease('w');
SELECT pg_sleep(0.01);
INSERT INTO noetl.event (execution_id, event_type, node_name, result) VALUES (:id, 'action_completed', 'a', '1');
SELECT status FROM noetl.execution WHERE execution_id = :id;
SELECT * FROM noetl.verify(:id);
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: guards/later
workflow:
- {step: a, type: python, code: x, retry: {max_attempts: 4, initial_delay: 100, backoff_multiplier: 2, max_delay: 300, jitter: false}}
$$) > 0 AS registered;
SELECT noetl.execute('guards/later') AS id \gset
SELECT noetl.fail(queue_id, 'no', 'w') FROM noetl.lease('w');
-- … but not one whose time is to come
INSERT INTO noetl.event (execution_id, event_type, node_name, result) VALUES (:id, 'action_completed', 'a', '1');
SELECT * FROM guard_story(:id);

-- Without jitter the delays are exact.
UPDATE noetl.queue SET available_at = now() WHERE execution_id = :id;
SELECT noetl.enqueue_next(:id);
SELECT noetl.fail(queue_id, 'no', 'w') FROM noetl.lease('w');
UPDATE noetl.queue SET available_at = now() WHERE execution_id = :id;
SELECT noetl.enqueue_next(:id);
SELECT noetl.fail(queue_id, 'no', 'w') FROM noetl.lease('w');
SELECT meta -> 'attempt' AS attempt, meta -> 'delay' AS delay FROM noetl.event WHERE execution_id = :id AND event_type = 'action_retry' ORDER BY event_id;

SELECT noetl.cancel(:id);

-- Who has just run the timers and finds nothing to lease runs them again.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: guards/soon
workflow:
- {step: a, type: guard_soon, code: x, retry: {max_attempts: 4, initial_delay: 0.1, max_delay: 0.1, jitter: false}}
$$) > 0 AS registered;
SELECT noetl.execute('guards/soon') AS id \gset
SELECT noetl.fail(queue_id, 'no', 'w') FROM noetl.lease('w', types => '{guard_soon}');
SELECT count(*) FROM noetl.lease('w', types => '{none}');
SELECT pg_sleep(0.11);
SELECT node_name, attempts FROM noetl.lease('w', types => '{guard_soon}');
SELECT noetl.cancel(:id);
DELETE FROM noetl.queue WHERE execution_id = :id;

-- A row that somebody has made ready by hand is found, below the mark too.
SELECT noetl.execute('guards/two') AS id \gset
UPDATE noetl.queue SET status = 'retry', available_at = 'infinity' WHERE execution_id = :id;
DO $$
BEGIN
	FOR i IN 1 .. 300 LOOP
		PERFORM noetl.execute('guards/two');
		PERFORM pg_sleep(0.006);
		COMMIT;
		PERFORM noetl.complete(queue_id, '1', 'w') FROM noetl.lease('w', types => '{guard}');
		COMMIT;
	END LOOP;
END $$;
UPDATE noetl.queue SET status = 'queued', available_at = now() WHERE execution_id = :id;
DO $$
DECLARE
	found bigint;
BEGIN
	FOR i IN 1 .. 600 LOOP
		SELECT queue_id INTO found FROM noetl.lease('w', types => '{guard}');
		COMMIT;
		EXIT WHEN found IS NOT NULL;
		PERFORM pg_sleep(0.1);
	END LOOP;
	RAISE NOTICE 'found: %', found IS NOT NULL;
END $$;
SELECT noetl.cancel(:id);
DELETE FROM noetl.queue WHERE execution_id = :id;

-- statement_timeout ends what goes round.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: guards/round
workflow:
- {step: start, next: one}
- {step: one, next: other}
- {step: other, next: one}
$$) > 0 AS registered;
SET noetl.max_visits = 1000000000;
SET statement_timeout = '200 ms';
SELECT noetl.execute('guards/round');
RESET statement_timeout;
RESET noetl.max_visits;
DROP FUNCTION guard_story;
