-- The event log is the truth: verify() finds the rows that do not follow from
-- it, rebuild() makes them follow.

-- What differs, without ids.
CREATE FUNCTION differences(x bigint)
RETURNS TABLE (relation text, key text, expected text, found text)
LANGUAGE sql AS $$
    SELECT v.relation, regexp_replace(v.key, '\d{15,}', '<id>'),
           (SELECT string_agg(k, ' ' ORDER BY k) FROM jsonb_object_keys(v.expected) k),
           (SELECT string_agg(k, ' ' ORDER BY k) FROM jsonb_object_keys(v.found) k)
      FROM noetl.verify(x) v
$$;
-- An error, without ids.
CREATE FUNCTION refusal(statement text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE statement;
    RETURN 'no error';
EXCEPTION WHEN OTHERS THEN
    RETURN regexp_replace(sqlstate || ' ' || sqlerrm, '\d{15,}', '<id>');
END
$$;
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: rebuild/branches
workload: {who: nobody}
workflow:
- {step: start, next: [a, b, {step: join, data: {direct: "{{ who }}"}}]}
- step: a
  type: python
  code: x
  priority: 3
  data: {who: "{{ who }}"}
  retry: {max_attempts: 3, initial_delay: 100}
  next: {step: join, data: {from_a: "{{ result.n }}"}}
- {step: b, type: python, code: x, save: {data: "{{ result }} for {{ who }}"}, next: join}
- {step: join, type: python, code: x, next: end}
- {step: end, result: "{{ join }}"}
$$) > 0 AS registered;
SELECT noetl.execute('rebuild/branches', '{"who": "me"}') AS x \gset
SELECT * FROM differences(:x);
SELECT noetl.rebuild(:x);

-- Rows are changed by hand.
UPDATE noetl.queue SET action = action || '{"code": "y"}' WHERE execution_id = :x AND node_name = 'a';
UPDATE noetl.queue SET priority = 9, context = '{}', attempts = 2 WHERE execution_id = :x AND node_name = 'b';
UPDATE noetl.run SET attempts = 2, arrivals = '[]' WHERE execution_id = :x AND step_name = 'join';
UPDATE noetl.workload SET data = '{"who": "you"}' WHERE execution_id = :x;
UPDATE noetl.execution SET status = 'FAILED', error = 'x', version = 7 WHERE execution_id = :x;
SELECT * FROM differences(:x);
SELECT relation, expected - 'arrivals' AS expected, found FROM noetl.verify(:x) WHERE relation IN ('workload', 'run');
SELECT noetl.rebuild(:x);
SELECT * FROM differences(:x);
-- Rows go, and others come.
DELETE FROM noetl.queue WHERE execution_id = :x AND node_name = 'a';
INSERT INTO noetl.queue (execution_id, catalog_id, node_id, node_name, node_type, action) VALUES
    (:x, 0, :'x' || ':b', 'b', 'python', '{}'), (:x, 0, :'x' || ':b:2', 'b', 'python', '{}'), (:x, 0, 'x', 'nobody', 'python', '{}');
DELETE FROM noetl.run WHERE execution_id = :x;
INSERT INTO noetl.run (execution_id, step_name, visit, state, arrivals, created_at) VALUES (:x, 'end', 1, 'waiting', '[]', now());
INSERT INTO noetl.item VALUES (:x, 'a', 1, 0, '1');
DELETE FROM noetl.workload WHERE execution_id = :x;
SELECT * FROM differences(:x) ORDER BY 1, 2;
SELECT noetl.rebuild(:x);
SELECT * FROM differences(:x);
-- Everything goes: an event finds no execution until it is rebuilt.
DELETE FROM noetl.queue WHERE execution_id = :x;
DELETE FROM noetl.run WHERE execution_id = :x;
DELETE FROM noetl.workload WHERE execution_id = :x;
DELETE FROM noetl.execution WHERE execution_id = :x;
SELECT refusal('INSERT INTO noetl.event (execution_id, event_type, node_name) VALUES (' || :x || $$, 'action_completed', 'a')$$);
SELECT relation, regexp_replace(key, '\d{15,}', '<id>') AS key, found FROM noetl.verify(:x);
SELECT noetl.rebuild(:x);
SELECT * FROM differences(:x);
SELECT node_name, action -> 'data' AS data, context, status, attempts, max_attempts, priority,
       available_at, worker_id, queue_id > 0 AS placed FROM noetl.queue ORDER BY node_name;

-- A retry that is due later; leases stay where nothing is wrong.
SELECT queue_id AS a FROM noetl.lease('w') \gset
SELECT noetl.fail(:a, 'no', 'w');
SELECT queue_id AS b, available_at AS nothing FROM noetl.lease('w') \gset
SELECT available_at AS due FROM noetl.queue WHERE status = 'retry' \gset
SELECT * FROM differences(:x);
DELETE FROM noetl.queue WHERE execution_id = :x AND status = 'retry';
SELECT * FROM differences(:x);
SELECT noetl.rebuild(:x);
SELECT node_name, status, attempts, available_at = :'due' AS due, worker_id FROM noetl.queue ORDER BY 1, 3;
UPDATE noetl.queue SET available_at = now() + interval '1 s' WHERE execution_id = :x AND status = 'retry';
SELECT relation, key FROM noetl.verify(:x);
UPDATE noetl.queue SET status = 'queued', available_at = NULL WHERE execution_id = :x AND status = 'retry';
SELECT relation, key, expected ->> 'status' AS expected, found ->> 'status' AS found FROM noetl.verify(:x);
SELECT noetl.rebuild(:x);
SELECT noetl.heartbeat(:b, 'w') AS still_leased;
-- Where something is, the lease is lost, in good order.
UPDATE noetl.queue SET action = '{}' WHERE execution_id = :x AND queue_id = :b;
SELECT noetl.rebuild(:x);
SELECT noetl.heartbeat(:b, 'w') AS still_leased, noetl.complete(:b, '1', 'w') AS completed;
SELECT node_name, status, attempts FROM noetl.queue ORDER BY 1;
-- An attempt is not gained by it, nor by tampering with the row.
UPDATE noetl.queue SET attempts = 0, status = 'queued', available_at = NULL WHERE execution_id = :x AND node_name = 'a';
SELECT noetl.rebuild(:x);
INSERT INTO noetl.event (execution_id, event_type, node_name, meta) VALUES (:x, 'action_started', 'a', '{"attempt": 2}');
SELECT * FROM differences(:x);
DELETE FROM noetl.queue WHERE execution_id = :x AND node_name = 'a';
SELECT noetl.rebuild(:x);
SELECT node_name, status, attempts FROM noetl.queue ORDER BY 1;
SELECT * FROM work('{"a": {"n": 5}, "b": {"n": 6}, "join": "done"}');
SELECT * FROM differences(:x);
SELECT status, result FROM noetl.execution WHERE execution_id = :x;
-- What has ended is rebuilt like anything else.
CREATE TEMP TABLE before AS SELECT * FROM noetl.execution WHERE execution_id = :x;
DELETE FROM noetl.execution WHERE execution_id = :x;
INSERT INTO noetl.queue (execution_id, catalog_id, node_id, node_name, node_type, action) VALUES (:x, 0, :'x' || ':b', 'b', 'python', '{}');
SELECT noetl.rebuild(:x);
SELECT count(*) AS same FROM (SELECT * FROM noetl.execution INTERSECT SELECT * FROM before) s;
SELECT count(*) FROM noetl.queue;
DROP TABLE before;

-- After a failure a sibling may still be at work, but not wait for it.
SELECT noetl.execute('rebuild/branches') AS x \gset
SELECT count(*) FROM noetl.lease('w', 2);
INSERT INTO noetl.event (execution_id, event_type, node_name) VALUES (:x, 'step_failed', 'b');
SELECT node_name, status FROM noetl.queue;
SELECT * FROM differences(:x);
UPDATE noetl.queue SET status = 'queued', worker_id = NULL WHERE execution_id = :x;
SELECT relation, key, found ->> 'status' AS found FROM noetl.verify(:x);
SELECT noetl.rebuild(:x);
SELECT count(*) FROM noetl.queue;
-- Who is told to stop is left to hear it.
SELECT noetl.execute('rebuild/branches') AS x \gset
SELECT count(*) FROM noetl.lease('w', 2);
SELECT noetl.cancel(:x);
SELECT node_name, status FROM noetl.queue ORDER BY 1;
SELECT noetl.rebuild(:x);
UPDATE noetl.queue SET status = 'leased' WHERE execution_id = :x AND node_name = 'a';
SELECT relation, key FROM noetl.verify(:x);
SELECT noetl.rebuild(:x);
SELECT noetl.complete(queue_id, '1', 'w') AS in_vain FROM noetl.queue;
SELECT noetl.rebuild(:x);

-- On whose behalf: whoever rebuilds.
CREATE ROLE noetl_starter;
GRANT EXECUTE ON FUNCTION noetl.execute TO noetl_starter;
SET ROLE noetl_starter;
SELECT noetl.execute('rebuild/branches') AS x \gset
SELECT noetl.verify(:x);
SELECT noetl.rebuild(:x);
RESET ROLE;
DELETE FROM noetl.execution WHERE execution_id = :x;
SELECT noetl.rebuild(:x);
SELECT started_by FROM noetl.execution WHERE execution_id = :x;
SELECT noetl.cancel(:x);
REVOKE ALL ON FUNCTION noetl.execute FROM noetl_starter;
DROP ROLE noetl_starter;
-- A client cannot say it for somebody else.
INSERT INTO noetl.event (event_type, context, meta) VALUES
    ('execution_start', '{"path": "rebuild/branches"}', '{"started_by": "root", "note": 1}');
SELECT newest('rebuild/branches') AS x \gset
SELECT meta ->> 'started_by' = current_user AS own, meta -> 'note' AS note FROM noetl.event WHERE execution_id = :x AND event_type = 'execution_start';
SELECT noetl.cancel(:x);

-- Events that wait for the broker are not decided by this.
SET noetl.broker = off;
SELECT noetl.execute('rebuild/branches') AS x \gset
INSERT INTO noetl.event (execution_id, event_type, node_name) VALUES (:x, 'action_completed', 'a');
SELECT * FROM differences(:x);
DELETE FROM noetl.execution WHERE execution_id = :x;
SELECT noetl.rebuild(:x);
RESET noetl.broker;
SELECT noetl.enqueue_next(:x);
SELECT * FROM differences(:x);
DELETE FROM noetl.run WHERE execution_id = :x;
SELECT noetl.rebuild(:x);
SELECT event, node FROM story('rebuild/branches');
SELECT noetl.cancel(:x);

-- What clients said meanwhile looks like what the broker said later.
SELECT noetl.execute('rebuild/branches') AS x \gset
SET noetl.broker = off;
INSERT INTO noetl.event (execution_id, event_type, node_name) VALUES
    (:x, 'action_error', 'a'), (:x, 'action_retry', 'a'), (:x, 'action_error', 'b'), (:x, 'execution_failed', NULL);
RESET noetl.broker;
SELECT noetl.enqueue_next(:x);
SELECT event, node, note LIKE '%ignored%' AS ignored FROM story('rebuild/branches');
SELECT * FROM differences(:x);

-- Long delays, with luck.
SELECT noetl.register(E'apiVersion: noetl.io/v1\nkind: Playbook\npath: rebuild/luck\nworkflow:\n'
    || E'- {step: start, next: [' || string_agg('b' || i, ', ') || E']}\n'
    || string_agg(format(E'- {step: b%s, type: python, code: x, retry: {initial_delay: 20000000, max_delay: 20000000}}\n', i), '')) > 0 AS registered
  FROM generate_series(1, 500) i;
SELECT noetl.execute('rebuild/luck') AS x \gset
INSERT INTO noetl.event (execution_id, event_type, node_name) SELECT :x, 'action_error', 'b' || i FROM generate_series(1, 500) i;
SELECT count(*) FROM noetl.queue WHERE status = 'retry';
SELECT * FROM differences(:x);
SELECT noetl.cancel(:x);

-- Cycles; a bound that was another one then.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: rebuild/pages
workflow:
- {step: fetch, type: python, code: x, data: {page: "{{ (fetch.page if fetch is defined else 0) + 1 }}"},
   next: [{when: "{{ result.more }}", step: fetch}, {else: [end]}]}
- {step: end, result: "{{ fetch.page }}"}
$$) > 0 AS registered;
SELECT noetl.execute('rebuild/pages') AS x \gset
SET noetl.broker = off;
INSERT INTO noetl.event (execution_id, event_type, node_name) VALUES (:x, 'step_completed', 'fetch'), (:x, 'execution_complete', NULL);
RESET noetl.broker;
SELECT noetl.enqueue_next(:x);
SELECT event, node, note LIKE '%ignored%' AS ignored FROM story('rebuild/pages');
SELECT * FROM differences(:x);
SET noetl.max_visits = 2;
SELECT noetl.execute('rebuild/pages') AS x \gset
SELECT input FROM work('{"fetch": {"page": 7, "more": true}}');
RESET noetl.max_visits;
SELECT error FROM noetl.execution WHERE execution_id = :x;
SELECT * FROM differences(:x);
SELECT noetl.execute('rebuild/pages') AS x \gset
SELECT input FROM work('{"fetch": {"page": 7, "more": true}}', 3);
DELETE FROM noetl.queue WHERE execution_id = :x;
SET noetl.max_visits = 2;
SELECT noetl.rebuild(:x);
RESET noetl.max_visits;
SELECT node_id = :'x' || ':fetch:4' AS fourth, action -> 'data' AS data FROM noetl.queue;
SELECT input FROM work('{"fetch": {"page": 8}}');
SELECT status, result FROM noetl.execution WHERE execution_id = :x;

-- Items of an iterator: in the queue, not yet there, done.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: rebuild/items
workflow:
- step: each
  type: iterator
  mode: distributed
  collection: [3, 1, 4, 1, 5, 9]
  element: n
  concurrency: 2
  task: {type: python, code: x, data: {n: "{{ n }}", over: "{{ 'each' in results }}"}, retry: {max_attempts: 2, initial_delay: 0}}
  retry: {max_attempts: 2, initial_delay: 0}
  next: end
- {step: end, result: "{{ each }}"}
$$) > 0 AS registered;
SELECT noetl.execute('rebuild/items') AS x \gset
SELECT input FROM work('{"each": {"ok": 1}}', 1);
SELECT queue_id AS q FROM noetl.lease('w') \gset
SELECT noetl.fail(:q, 'no', 'w');
SELECT * FROM differences(:x);
DELETE FROM noetl.queue WHERE execution_id = :x AND current_index = 1;
DELETE FROM noetl.item WHERE execution_id = :x AND item_index = 3;
UPDATE noetl.item SET item = '2' WHERE execution_id = :x AND item_index = 4;
INSERT INTO noetl.item VALUES (:x, 'each', 1, 0, '3'), (:x, 'each', 1, 6, '2');
UPDATE noetl.run SET context = '{"total": 7, "concurrency": 2, "since": 0}', state = 'waiting' WHERE execution_id = :x;
SELECT relation, key, expected -> 'item' AS expected, found -> 'item' AS found FROM noetl.verify(:x) ORDER BY 1, 2;
SELECT noetl.rebuild(:x);
SELECT * FROM differences(:x);
DELETE FROM noetl.run WHERE execution_id = :x;
DELETE FROM noetl.item WHERE execution_id = :x;
DELETE FROM noetl.queue WHERE execution_id = :x;
DELETE FROM noetl.execution WHERE execution_id = :x;
SELECT noetl.rebuild(:x);
SELECT current_index, status, attempts FROM noetl.queue ORDER BY 1;
SELECT item_index, item FROM noetl.item ORDER BY 1;
SELECT input FROM work('{"each": {"ok": 2}}', 3);
SELECT * FROM differences(:x);
SELECT input FROM work('{"each": {"ok": 3}}');
SELECT status, result FROM noetl.execution WHERE execution_id = :x;
SELECT * FROM differences(:x);

-- The iterator as a whole, once more; nobody works for the first attempt then.
SELECT noetl.execute('rebuild/items') AS x \gset
SELECT input FROM work('{"each": {"ok": 1}}', 2);
SELECT queue_id AS late FROM noetl.lease('late') \gset
SELECT count(*) FROM work('{"each": {"fail": "no"}}', 2);
SELECT noetl.complete(:late, '"late"', 'late') AS late;
SELECT current_index, status FROM noetl.queue ORDER BY 1;
SELECT * FROM differences(:x);
SELECT input FROM work('{"each": {"ok": 1}}', 1);
SELECT * FROM differences(:x);
SELECT count(*) FROM work('{"each": {"ok": 1}}');
SELECT status FROM noetl.execution WHERE execution_id = :x;
SELECT * FROM differences(:x);

-- Children that end while nobody can be told are heard of later.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: rebuild/child
workload: {n: 0}
workflow:
- {step: calc, type: python, code: x, data: {n: "{{ n }}"}, next: end}
- {step: end, result: "{{ calc }}"}
$$) > 0 AS registered;
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: rebuild/parent
workflow:
- {step: start, next: [one, each]}
- {step: one, type: playbook, path: rebuild/child, data: {n: 1}, retry: {max_attempts: 2, initial_delay: 0}, next: end}
- {step: each, type: iterator, collection: [2, 3, 4], element: n, mode: async, concurrency: 2,
   task: {type: playbook, path: rebuild/child, data: {n: "{{ n }}"}, timeout: 3600}, next: end}
- {step: end, result: ["{{ one }}", "{{ each }}"]}
$$) > 0 AS registered;
SELECT noetl.execute('rebuild/parent') AS x \gset
SELECT count(*) FROM noetl.execution c, differences(c.execution_id) WHERE c.execution_id = :x OR parent_execution_id = :x;
DELETE FROM noetl.run WHERE execution_id = :x;
DELETE FROM noetl.execution WHERE execution_id = :x;
SELECT step, input FROM work('{"calc": {"fail": "no"}}', 1);
SELECT step, input FROM work('{"calc": 5}');
SELECT relation, regexp_replace(key, '\d{15,}', '<id>') AS key, expected ->> 'status' AS status FROM noetl.verify(:x) ORDER BY 1, 2;
SELECT noetl.rebuild(:x);
SELECT * FROM differences(:x);
SELECT step_name, state, attempts FROM noetl.run ORDER BY 1;
-- A newer version of a child is none of the old one's.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: rebuild/child
workflow:
- {step: calc, type: python, code: x, data: {version: 2}, next: end}
- {step: end, result: "{{ calc }}"}
$$) > 0 AS registered;
SELECT * FROM differences(:x);
SELECT step, input FROM work('{"calc": 6}');
SELECT status, result FROM noetl.execution WHERE execution_id = :x;
SELECT count(*) FROM noetl.execution c, differences(c.execution_id) WHERE c.execution_id = :x OR parent_execution_id = :x;
-- A child whose row is lost knows whose it is, and for how long.
SELECT noetl.execute('rebuild/parent') AS x \gset
SELECT execution_id AS c FROM noetl.execution WHERE parent_execution_id = :x AND current_index = 1 \gset
CREATE TEMP TABLE before AS SELECT * FROM noetl.execution WHERE execution_id = :c;
DELETE FROM noetl.execution WHERE execution_id = :c;
SELECT noetl.rebuild(:c);
SELECT count(*) AS same, bool_and(deadline IS NOT NULL) AS limited FROM (SELECT * FROM noetl.execution INTERSECT SELECT * FROM before) s;
DROP TABLE before;
SELECT noetl.cancel(:x);
SELECT status, count(*) FROM noetl.execution WHERE parent_execution_id = :x GROUP BY 1;
SELECT count(*) FROM noetl.execution c, differences(c.execution_id) WHERE c.execution_id = :x OR parent_execution_id = :x;

-- There was no such playbook then.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: rebuild/hopeful
workflow:
- {step: call, type: playbook, path: rebuild/late, on_error: continue, next: rest}
- {step: rest, type: python, code: x, data: {was: "{{ call.status }}"}, next: end}
- {step: end}
$$) > 0 AS registered;
SELECT noetl.execute('rebuild/hopeful') AS x \gset
SELECT noetl.register(replace(content, 'rebuild/hopeful', 'rebuild/late')) > 0 AS registered FROM noetl.catalog WHERE path = 'rebuild/hopeful';
SELECT * FROM differences(:x);
SELECT input FROM work();

-- What time it was.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: rebuild/time
workflow:
- {step: call, type: playbook, path: rebuild/child, data: {at: "{{ now() }}"}, retry: {max_attempts: 2, initial_delay: 0.001}, next: stamp}
- {step: stamp, type: python, code: x, data: {at: "{{ now() }}"}, next: end}
- {step: end}
$$) > 0 AS registered;
SELECT noetl.execute('rebuild/time') AS x \gset
SELECT step FROM work('{"calc": {"fail": "no"}}', 1);
SELECT * FROM differences(:x);
SELECT pg_sleep(0.01);
SELECT noetl.enqueue_next(:x);
SELECT * FROM differences(:x);
SELECT step FROM work('{}', 1);
SELECT node_name FROM noetl.queue;
SELECT * FROM differences(:x);
SELECT noetl.cancel(:x);

-- Executions that a worker starts itself are adopted; their own log says so.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: rebuild/spawning
workflow:
- {step: each, type: iterator, collection: [1], element: n, timeout: 3600, task: {type: python, code: x}, next: end}
- {step: end, result: "{{ each }}"}
$$) > 0 AS registered;
SELECT noetl.execute('rebuild/spawning') AS x \gset
SELECT noetl.execute('rebuild/child') AS c \gset
SELECT queue_id AS q FROM noetl.lease('w', 1, '60 s', '{iterator}') \gset
INSERT INTO noetl.event (execution_id, event_type, node_name, current_index, context)
VALUES (:x, 'iteration_started', 'each', 0, jsonb_build_object('child_execution_id', :c));
SELECT * FROM differences(:c);
SELECT noetl.complete(:q, '[7]', 'w');
SELECT * FROM differences(:x);
CREATE TEMP TABLE before AS SELECT * FROM noetl.execution WHERE execution_id = :c;
DELETE FROM noetl.execution WHERE execution_id IN (:x, :c);
DELETE FROM noetl.run WHERE execution_id = :x;
SELECT noetl.rebuild(:c);
SELECT count(*) AS same FROM (SELECT * FROM noetl.execution INTERSECT SELECT * FROM before) s;
DROP TABLE before;
SELECT noetl.rebuild(:x);
SELECT due_at > now() AS limited FROM noetl.run WHERE execution_id = :x;
DELETE FROM noetl.execution WHERE execution_id = :x;
DELETE FROM noetl.run WHERE execution_id = :x;
SELECT step FROM work('{"calc": 1}');
SELECT relation, regexp_replace(key, '\d{15,}', '<id>') AS key FROM noetl.verify(:x) ORDER BY 1, 2;
SELECT noetl.rebuild(:x);
SELECT status, result FROM noetl.execution WHERE execution_id = :x;
SELECT * FROM differences(:x);
SELECT * FROM differences(:c);

-- One that is over is not adopted, nor one that has a parent.
SELECT noetl.execute('rebuild/spawning') AS x \gset
SELECT queue_id AS q FROM noetl.lease('w', 1, '60 s', '{iterator}') \gset
INSERT INTO noetl.event (execution_id, event_type, node_name, current_index, context)
VALUES (:x, 'iteration_started', 'each', 0, jsonb_build_object('child_execution_id', :c));
SELECT * FROM differences(:x);
SELECT noetl.complete(:q, '[8]', 'w');
SELECT status, result FROM noetl.execution WHERE execution_id = :x;
SELECT * FROM differences(:x);
SELECT * FROM differences(:c);

-- Only the last of several is waited for, and only one's own.
SELECT noetl.execute('rebuild/child') AS foreign \gset
SELECT noetl.execute('rebuild/child') AS c \gset
SELECT noetl.execute('rebuild/child') AS d \gset
SELECT noetl.execute('rebuild/spawning') AS y \gset
INSERT INTO noetl.event (execution_id, event_type, node_name, context) VALUES
    (:y, 'iteration_started', 'each', jsonb_build_object('child_execution_id', :foreign));
SELECT noetl.execute('rebuild/spawning') AS x \gset
INSERT INTO noetl.event (execution_id, event_type, node_name, context) VALUES
    (:x, 'iteration_started', 'each', jsonb_build_object('child_execution_id', :foreign)),
    (:x, 'iteration_started', 'each', jsonb_build_object('child_execution_id', :c)),
    (:x, 'iteration_started', 'each', jsonb_build_object('child_execution_id', :d)),
    (:x, 'action_completed', 'each', NULL);
DELETE FROM noetl.execution WHERE execution_id = :x;
INSERT INTO noetl.event (execution_id, event_type, node_name) VALUES (:c, 'action_completed', 'calc');
SELECT relation FROM noetl.verify(:x);
INSERT INTO noetl.event (execution_id, event_type, node_name) VALUES (:d, 'action_completed', 'calc');
SELECT relation, key LIKE 'each%' AS each FROM noetl.verify(:x) ORDER BY 1, 2;
SELECT noetl.rebuild(:x);
SELECT status FROM noetl.execution WHERE execution_id = :x;
SELECT * FROM differences(:x);
SELECT noetl.cancel(:y);
SELECT noetl.cancel(:foreign);

-- A log that does not make sense is reported, and nothing is done about it.
SELECT noetl.execute('rebuild/pages') AS x \gset
SELECT input FROM work('{"fetch": {"page": 1, "more": true}}', 1);
BEGIN;
UPDATE noetl.event SET result = '{"page": 2, "more": true}' WHERE execution_id = :x AND event_type = 'action_completed';
SELECT * FROM differences(:x);
SELECT noetl.rebuild(:x);
SELECT action -> 'data' AS data FROM noetl.queue;
UPDATE noetl.event SET node_type = 'shell' WHERE execution_id = :x AND event_type = 'step_completed';
SELECT relation, expected, found FROM noetl.verify(:x);
ROLLBACK;
BEGIN;
UPDATE noetl.event SET result = '{"page": 2}' WHERE execution_id = :x AND event_type = 'action_completed';
SELECT * FROM differences(:x);
ROLLBACK;
BEGIN;
DELETE FROM noetl.event WHERE execution_id = :x AND node_id = :'x' || ':fetch:2';
DELETE FROM noetl.queue WHERE execution_id = :x;
SELECT * FROM differences(:x);
SELECT refusal('SELECT noetl.rebuild(' || :x || ')');
SELECT count(*) FROM noetl.queue;
ROLLBACK;
BEGIN;
DELETE FROM noetl.event WHERE execution_id = :x AND event_type = 'execution_start';
SELECT * FROM differences(:x);
SELECT refusal('SELECT noetl.rebuild(' || :x || ')');
ROLLBACK;
BEGIN;
UPDATE noetl.event SET meta = NULL WHERE execution_id = :x AND event_type = 'execution_start';
SELECT refusal('SELECT noetl.verify(' || :x || ')');
ROLLBACK;
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT refusal('SELECT noetl.rebuild(' || :x || ')');
ROLLBACK;
SELECT noetl.verify(4711);
SELECT noetl.rebuild(4711);
-- Nor in the middle of things.
CREATE FUNCTION look() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM noetl.verify(NEW.execution_id);
    RETURN NEW;
END $$;
CREATE TRIGGER look BEFORE INSERT ON noetl.queue FOR EACH ROW EXECUTE FUNCTION look();
SELECT refusal($$SELECT noetl.execute('rebuild/pages')$$);
DROP TRIGGER look ON noetl.queue;
CREATE TRIGGER a_look AFTER INSERT ON noetl.event FOR EACH ROW EXECUTE FUNCTION look();
SELECT refusal('INSERT INTO noetl.event (execution_id, event_type, node_name) VALUES (' || :x || $$, 'note', 'fetch')$$);
DROP TRIGGER a_look ON noetl.event;
DROP FUNCTION look();
SELECT noetl.cancel(:x);
SELECT count(*) FROM noetl.queue;
SELECT count(*) FROM noetl.run;
