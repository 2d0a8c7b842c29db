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

-- An item that the iterator does not have, of which one hears while the broker is off.
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
SET noetl.broker = off;
INSERT INTO noetl.event (execution_id, event_type, node_name, node_id, parent_event_id, current_index, result, meta)
SELECT execution_id, event_type, node_name, node_id, parent_event_id, 900000000, '"far"', meta
  FROM noetl.event WHERE execution_id = :id AND event_type = 'iteration_completed';
RESET noetl.broker;
SELECT current_index, meta FROM noetl.event WHERE execution_id = :id AND event_type = 'iteration_completed' ORDER BY event_id;
SELECT noetl.complete(queue_id, to_jsonb(current_index), 'w') FROM noetl.lease('w');
SELECT status, result FROM noetl.execution WHERE execution_id = :id;
SELECT * FROM noetl.verify(:id);

-- A statement that fails leaves nothing in the session.
SELECT noetl.execute('guards/retried') AS id \gset
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'refused'; END $$;
CREATE TRIGGER zz_refuse BEFORE INSERT ON noetl.event FOR EACH ROW WHEN (new.event_type = 'action_started') EXECUTE FUNCTION refuse();
INSERT INTO noetl.event (execution_id, event_type, node_name) VALUES (:id, 'action_started', 'a');
SELECT * FROM noetl.verify(:id);
DROP TRIGGER zz_refuse ON noetl.event;
DROP FUNCTION refuse;
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

-- An attempt whose time has come counts, though nobody has noticed.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: guards/soon
workflow:
- {step: a, type: guard_soon, code: x, retry: {max_attempts: 4, initial_delay: 0.1, max_delay: 0.1, jitter: false}}
$$) > 0 AS registered;
SELECT noetl.execute('guards/soon') AS id \gset
SELECT noetl.fail(queue_id, 'no', 'w') FROM noetl.lease('w', types => '{guard_soon}');
SELECT pg_sleep(0.11);
SELECT status FROM noetl.queue WHERE execution_id = :id;
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
DO $$
DECLARE
	found text;
BEGIN
	PERFORM noetl.execute('guards/soon');
	PERFORM noetl.fail(queue_id, 'no', 'w') FROM noetl.lease('w', types => '{guard_soon}');
	COMMIT;
	PERFORM pg_sleep(0.06);
	PERFORM noetl.lease('w', types => '{none}');
	COMMIT;
	PERFORM pg_sleep(0.06);
	SELECT node_name || ' ' || attempts INTO found FROM noetl.lease('w', types => '{guard_soon}');
	RAISE NOTICE 'found: %', found;
END $$;
SELECT noetl.cancel(newest('guards/soon'));
DELETE FROM noetl.queue;

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
-- A plan that is being executed stays, however many others its statement has made.
CREATE ROLE regress_guard;
GRANT EXECUTE ON FUNCTION noetl.register, noetl.execute TO regress_guard;
CREATE FUNCTION guard_spawn() RETURNS int LANGUAGE sql AS $$ SELECT noetl.execute('guards/many') > 0; SELECT 7 $$;
SET ROLE regress_guard;
SELECT noetl.register(E'apiVersion: noetl.io/v1\nkind: Playbook\npath: guards/many\nworkflow:\n' ||
	string_agg(format(E'- {step: s%s, type: sql, statement: "SELECT %s AS n", next: %s}\n', i, i,
		CASE WHEN i = 100 THEN 'end' ELSE 's' || i + 1 END), '' ORDER BY i)) > 0 AS registered FROM generate_series(1, 100) AS i;
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: guards/spawning
workflow:
- {step: a, type: sql, statement: "SELECT public.guard_spawn() AS n", next: b}
- {step: b, type: sql, statement: "SELECT public.guard_spawn() AS n", next: end}
- {step: end, result: "{{ [a, b] }}"}
$$) > 0 AS registered;
SELECT noetl.execute('guards/spawning') > 0 AS started;
RESET ROLE;
SELECT path, status, result, error FROM noetl.execution WHERE path IN ('guards/spawning', 'guards/many') ORDER BY execution_id;
SELECT * FROM noetl.verify(newest('guards/spawning'));

-- A save leaves nothing of its own in the session: neither temporary tables nor cursors.
CREATE FUNCTION guard_make(what text) RETURNS int LANGUAGE plpgsql AS $$ BEGIN EXECUTE what; RETURN 1; END $$;
SET ROLE regress_guard;
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: guards/leaving
workload: {what: SELECT 1}
workflow:
- {step: a, type: sql, statement: "SELECT public.guard_make($1)", params: ["{{ workload.what }}"]}
$$) > 0 AS registered;
SELECT count(noetl.execute('guards/leaving', jsonb_build_object('what', what)))
  FROM unnest(ARRAY['SELECT 1', 'CREATE TEMP TABLE mine ()', 'DECLARE mine CURSOR WITH HOLD FOR SELECT 1']) AS what;
RESET ROLE;
SELECT status, error FROM noetl.execution WHERE path = 'guards/leaving' ORDER BY execution_id;
SELECT count(*) FROM pg_cursors;
DROP FUNCTION guard_spawn, guard_make;

-- It is made under row-level security, whatever the session and the role say.
CREATE TABLE guard_rows AS SELECT generate_series(1, 10) AS n;
ALTER TABLE guard_rows ENABLE ROW LEVEL SECURITY;
CREATE POLICY few ON guard_rows USING (n <= 3);
GRANT SELECT ON guard_rows TO regress_guard;
ALTER ROLE regress_guard SET row_security = off;
SET ROLE regress_guard;
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: guards/rows
workflow:
- {step: a, type: sql, statement: SELECT count(*) AS n FROM public.guard_rows, next: end}
- {step: end, result: "{{ a }}"}
$$) > 0 AS registered;
SET row_security = off;
SELECT noetl.execute('guards/rows') > 0 AS started;
RESET row_security;
RESET ROLE;
SELECT status, result, error FROM noetl.execution WHERE path = 'guards/rows';
DROP TABLE guard_rows;
DROP OWNED BY regress_guard;
DROP ROLE regress_guard;
DROP FUNCTION guard_story;
