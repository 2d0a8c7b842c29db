-- Stories of guards of limits, each of which turns red when its guard is missing; see "Guards" in
-- doc/guarantees.md.
SELECT noetl.register(format($$
apiVersion: noetl.io/v1
kind: Playbook
path: limited/%1$s
limits: {name: limited_%1$s, %2$s}
workflow:
- {step: a, type: limited, code: x, next: b}
- {step: b, type: limited, code: x}
$$, word, terms)) > 0 AS registered FROM (VALUES ('one', 'concurrency: 1'), ('run', 'concurrency: 1, on_limit: cancel_oldest'), ('paced', 'rate: {limit: 1, per: hour, burst: 3}'), ('newest', 'rate: {limit: 1, per: hour, burst: 1}, on_limit: cancel_oldest'), ('keyed', 'key: "{{ 1 / workload.n }}", concurrency: 1')) AS of(word, terms);
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: limited/task
workflow:
- {step: a, type: limited, code: x, limits: {name: limited_task, concurrency: 1, on_limit: cancel_oldest}}
$$) > 0 AS registered;
CREATE FUNCTION limited_slots() RETURNS TABLE (name text, key text, held boolean, n bigint) LANGUAGE sql AS $$
    SELECT name, key, held, count(*) FROM noetl.slot WHERE name LIKE 'limited%' GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
$$;

-- An execution that begins in the middle of another needs a slot as well, and has it at once, or does not begin.
SELECT noetl.execute('limited/one') AS id \gset
INSERT INTO noetl.event (execution_id, event_type, node_name) VALUES (:id, 'action_completed', 'a'), (:id, 'action_completed', 'b');
SELECT status FROM noetl.execution WHERE execution_id = :id;
SELECT noetl.fork(:id, 'b') AS forked \gset
SELECT * FROM limited_slots();
SELECT noetl.fork(:id, 'b');
SELECT noetl.execute('limited/one') AS waits \gset
SELECT status FROM noetl.execution WHERE execution_id IN (:forked, :waits) ORDER BY execution_id;
SELECT v.* FROM unnest(ARRAY[:forked, :waits]) AS id, noetl.verify(id) AS v;
INSERT INTO noetl.event (execution_id, event_type, node_name) VALUES (:forked, 'action_completed', 'b');
SELECT noetl.enqueue_next() >= 0 AS looked;
SELECT status FROM noetl.execution WHERE execution_id IN (:forked, :waits) ORDER BY execution_id;
-- It keeps its slot when it goes on with a version that has the same limit.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: limited/one
limits: {name: limited_one, concurrency: 1}
workflow:
- {step: a, type: limited, code: y, next: b}
- {step: b, type: limited, code: x}
$$) > 0 AS registered;
SELECT count(*) FROM noetl.migrate(:waits, 2, '{}', false);
SELECT version FROM noetl.execution WHERE execution_id = :waits;
SELECT * FROM limited_slots();
SELECT noetl.cancel(:waits);
SELECT * FROM limited_slots();

-- Each drive of an execution counts for the rate of its limit.
SELECT noetl.execute('limited/paced') AS id \gset
INSERT INTO noetl.event (execution_id, event_type, node_name) VALUES (:id, 'action_error', 'a');
SELECT count(*) AS begun, bool_or(full_at > now() + interval '90 min') AS twice FROM noetl.limit_pace WHERE name = 'limited_paced';
SELECT noetl.redrive(:id);
SELECT count(*) AS begun, bool_or(full_at > now() + interval '90 min') AS twice FROM noetl.limit_pace WHERE name = 'limited_paced';
SELECT noetl.cancel(:id);
-- What a rate says is forgotten when it does not matter any more, although nothing waits for it.
UPDATE noetl.limit_pace SET full_at = now(), due_at = now() WHERE name = 'limited_paced';
SELECT noetl.enqueue_next() >= 0 AS looked;
SELECT count(*) FROM noetl.limit_pace WHERE name = 'limited_paced';

-- Where the rate is used up, and nothing runs, there is nobody to make room: what comes next waits.
SELECT noetl.execute('limited/newest') AS id \gset
SELECT noetl.cancel(:id);
BEGIN;
SELECT noetl.execute('limited/newest') AS id \gset
-- No other execution is locked for it.
SELECT (l.classid::bigint << 32 | l.objid::bigint) = :id AS own, count(*) FROM pg_locks l WHERE l.locktype = 'advisory' AND l.pid = pg_backend_pid() AND l.objsubid = x'6e03'::int GROUP BY 1;
COMMIT;
SELECT status FROM noetl.execution WHERE execution_id = :id;
SELECT * FROM limited_slots();
SELECT noetl.cancel(:id);

-- What a user has deleted makes room for nobody, and is nobody's error.
SELECT noetl.execute('limited/task') AS gone \gset
DELETE FROM noetl.queue WHERE execution_id = :gone;
SELECT noetl.execute('limited/task') AS id \gset
SELECT status FROM noetl.execution WHERE execution_id IN (:gone, :id) ORDER BY execution_id;
SELECT * FROM limited_slots();
SELECT count(noetl.cancel(execution_id)) FROM noetl.execution WHERE path = 'limited/task' AND status = 'RUNNING';
SELECT * FROM limited_slots();

-- So does an execution that a user has deleted, whose slot is left.
SELECT noetl.execute('limited/run') AS gone \gset
DELETE FROM noetl.execution WHERE execution_id = :gone;
SELECT noetl.execute('limited/run') AS id \gset
SELECT status FROM noetl.execution WHERE execution_id = :id;
SELECT event_type FROM noetl.event WHERE execution_id = :gone ORDER BY event_id;
SELECT * FROM limited_slots();
DELETE FROM noetl.event WHERE execution_id = :gone;
DELETE FROM noetl.queue WHERE execution_id = :gone;
DELETE FROM noetl.slot WHERE execution_id = :gone;
SELECT noetl.cancel(:id);

-- Without a key that can be evaluated there is one slot for all of them.
SELECT noetl.execute('limited/keyed', '{"n": 0}') AS one \gset
SELECT noetl.execute('limited/keyed', '{"n": 0}') AS two \gset
SELECT noetl.execute('limited/keyed', '{"n": 1}') AS three \gset
SELECT * FROM limited_slots();
SELECT status, error FROM noetl.execution WHERE execution_id IN (:one, :two, :three) ORDER BY execution_id;
SELECT v.* FROM unnest(ARRAY[:one, :two, :three]) AS id, noetl.verify(id) AS v;
SELECT count(noetl.cancel(execution_id)) FROM noetl.execution WHERE path = 'limited/keyed' AND status = 'RUNNING';

-- An execution whose time comes waits for its slot, unless its log has lost its start.
SELECT noetl.execute('limited/one', run_at => clock_timestamp() + interval '10 ms') AS known, noetl.execute('limited/one', run_at => clock_timestamp() + interval '10 ms') AS unknown \gset
DELETE FROM noetl.event WHERE execution_id = :unknown AND event_type = 'execution_start';
SELECT pg_sleep(0.02);
SELECT noetl.enqueue_next() >= 0 AS looked;
SELECT execution_id = :known AS known, status FROM noetl.execution WHERE execution_id IN (:known, :unknown) ORDER BY execution_id;
SELECT execution_id = :known AS known, held FROM noetl.slot WHERE name = 'limited_one';
SELECT count(*) FROM noetl.reaper_failure;
DELETE FROM noetl.execution WHERE execution_id = :unknown;
SELECT noetl.cancel(:known);
-- One without limits cannot begin without it, either, and says so.
SELECT noetl.execute('limited/task', run_at => clock_timestamp() + interval '10 ms') AS id \gset
DELETE FROM noetl.event WHERE execution_id = :id AND event_type = 'execution_start';
SELECT pg_sleep(0.02);
SELECT noetl.enqueue_next() >= 0 AS looked;
SELECT regexp_replace(error, '\d+', 'N') AS error FROM noetl.reaper_failure;
DELETE FROM noetl.reaper_failure;
DELETE FROM noetl.execution WHERE execution_id = :id;

-- A session that does not know the playbook yet has an execution whose time comes wait for its slot, too.
SELECT noetl.execute('limited/one') AS first, noetl.execute('limited/one', run_at => clock_timestamp() + interval '10 ms') AS second \gset
SELECT pg_sleep(0.02);
\c -
SELECT noetl.enqueue_next() >= 0 AS looked;
SELECT status FROM noetl.execution WHERE execution_id IN (:first, :second) ORDER BY execution_id;
SELECT * FROM limited_slots();
SELECT noetl.cancel(:first), noetl.cancel(:second);

-- A worker completes a task and asks for the next one: what follows displaces an execution, and a slot
-- of another limit, which that has left, goes to who waits for it.
SELECT count(noetl.register(format($$
apiVersion: noetl.io/v1
kind: Playbook
path: limited/%s
workflow:
%s
$$, word, steps))) FROM (VALUES
    ('old', '- {step: start, next: [a, b]}
- {step: a, type: limitold, code: x, limits: {name: limited_newest, concurrency: 1}}
- {step: b, type: limitold, code: x, limits: {name: limited_left, concurrency: 1}}'),
    ('waits', '- {step: c, type: limitold, code: x, limits: {name: limited_left, concurrency: 1}}'),
    ('displaces', '- {step: a, type: limitnew, code: x, next: b}
- {step: b, type: limitnew, code: x, limits: {name: limited_newest, concurrency: 1, on_limit: cancel_oldest}}')) AS of(word, steps);
SELECT noetl.execute('limited/old') AS old, noetl.execute('limited/waits') AS waits, noetl.execute('limited/displaces') AS displaces \gset
SELECT queue_id AS task FROM noetl.lease('w', types => '{limitnew}') \gset
SELECT node_name FROM noetl.complete_and_lease(:task, '1', 'w', 1, types => '{limitold}');
SELECT node_name, status FROM noetl.queue WHERE execution_id IN (:old, :waits, :displaces) ORDER BY node_name;
SELECT status FROM noetl.execution WHERE execution_id = :old;
SELECT * FROM limited_slots();
SELECT count(noetl.complete(queue_id, '1', 'w')) FROM noetl.queue WHERE execution_id = :waits;

SELECT count(noetl.cancel(execution_id)) FROM noetl.execution WHERE path LIKE 'limited/%' AND status = 'RUNNING';
DELETE FROM noetl.slot WHERE name = 'limited_task';
SELECT * FROM limited_slots();
DELETE FROM noetl.limit_pace WHERE name LIKE 'limited%';
DROP FUNCTION limited_slots();
