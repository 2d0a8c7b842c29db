-- More stories of guards, each of which turns red when its guard is missing.

-- What the parent is told of a child that failed is the child's own error.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: guards/failing
workflow:
- {step: a, type: python, code: x}
$$) > 0 AS registered;
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: guards/parent
workflow:
- {step: call, type: playbook, path: guards/failing}
$$) > 0 AS registered;
SELECT noetl.execute('guards/parent') > 0 AS started;
SELECT * FROM work('{"a": {"fail": "no paper left"}}');
SELECT event_type, error FROM noetl.event WHERE execution_id = newest('guards/parent') AND node_name = 'call' AND error IS NOT NULL ORDER BY event_id;

-- A row that a rule does not want costs nothing but its condition.
CREATE TABLE guard_orders (id int, total text);
SELECT noetl.on_change('guard_orders', 'guards/failing', condition => '{{ new.total is not none }}',
    parameters => '{"total": "{{ new.total.amount.cents }}"}') AS name;
INSERT INTO guard_orders VALUES (1, NULL);
SELECT count(*) FROM noetl.change_failure;
-- A trigger that was made by hand, without a rule, does nothing.
CREATE TRIGGER guard_by_hand AFTER INSERT ON guard_orders FOR EACH ROW EXECUTE FUNCTION noetl.change_fired();
INSERT INTO guard_orders VALUES (2, NULL);
SELECT count(*) FROM guard_orders;
DROP TABLE guard_orders;

-- A constraint that a user has put on a table of ours holds for what the broker writes.
ALTER TABLE noetl.queue ADD CONSTRAINT guard CHECK (node_name <> 'a');
\set VERBOSITY terse
SELECT noetl.execute('guards/failing');
\set VERBOSITY default
ALTER TABLE noetl.queue DROP CONSTRAINT guard;

-- Columns of a partition in another order are an error, not other values.
CREATE TABLE guard_leaf (LIKE noetl.event INCLUDING DEFAULTS);
ALTER TABLE guard_leaf DROP COLUMN stack_trace;
ALTER TABLE guard_leaf ADD COLUMN stack_trace text;
ALTER TABLE noetl.event ATTACH PARTITION guard_leaf FOR VALUES FROM (1000) TO (2000);
\set VERBOSITY terse
INSERT INTO noetl.event (execution_id, event_type, context) VALUES (1500, 'execution_start', '{"path": "guards/failing"}');
\set VERBOSITY default
DROP TABLE guard_leaf;

-- What the broker notes about an event leaves what its sender has said.
SELECT noetl.execute('guards/failing') AS id \gset
SET noetl.broker = off;
INSERT INTO noetl.event (execution_id, event_type, node_name, result, meta)
SELECT :id, 'action_completed', 'a', '1', jsonb_build_object('mine', i) FROM generate_series(1, 2) AS i;
RESET noetl.broker;
SELECT noetl.enqueue_next(:id);
SELECT event_type, meta - 'node_id' AS meta FROM noetl.event WHERE execution_id = :id AND event_type = 'action_completed' ORDER BY event_id;

-- A loop of the old form on a step that no transition gives an input.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: guards/loop
workload: {xs: [1, 2]}
workflow:
- step: each
  tool: python
  loop: {in: "{{ workload.xs }}", iterator: x, mode: distributed, concurrency: 2}
  code: x
  args: {n: "{{ x }}"}
$$) > 0 AS registered;
SELECT noetl.execute('guards/loop') > 0 AS started;
SELECT current_index, action -> 'data' AS data FROM noetl.queue WHERE execution_id = newest('guards/loop') ORDER BY 1;
SELECT noetl.cancel(newest('guards/loop'));

-- Why somebody has an execution go on stays in its log.
SELECT noetl.execute('guards/failing') AS id \gset
SELECT * FROM work('{"a": {"fail": "no"}}');
SELECT noetl.redrive(:id, reason => 'there is paper now');
SELECT meta ->> 'reason' AS reason FROM noetl.event WHERE execution_id = :id AND meta ? 'reason';
SELECT noetl.cancel(:id);

-- A number of items at once that is too large for an integer is an error.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: guards/too_many
workload: {n: 4294967297}
workflow:
- {step: each, type: iterator, collection: [1, 2], element: n, mode: async, concurrency: "{{ workload.n }}", task: {type: playbook, path: guards/failing}}
$$) > 0 AS registered;
SELECT noetl.execute('guards/too_many') > 0 AS started;
SELECT status, error FROM noetl.execution WHERE execution_id = newest('guards/too_many');

-- A task that is done again after its end has all of its attempts again.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: guards/attempts
workflow:
- {step: a, type: python, code: x, retry: {max_attempts: 2, initial_delay: 0, jitter: false}}
$$) > 0 AS registered;
SELECT noetl.execute('guards/attempts') AS id \gset
SELECT * FROM work('{"a": {"fail": "no"}}');
SELECT noetl.redrive(:id);
SELECT attempts, max_attempts, attempts_before FROM noetl.queue WHERE execution_id = :id;
SELECT * FROM work('{"a": {"fail": "no"}}');
SELECT event_type, meta ->> 'attempt' AS attempt FROM noetl.event WHERE execution_id = :id AND event_type LIKE 'action%' ORDER BY event_id;

-- Who passes by a schedule that has missed many times starts some of them only.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: guards/end
workflow:
- {step: end}
$$) > 0 AS registered;
SELECT noetl.schedule('guards', 'guards/end', '* * * * *', catch_up => 'all') > now() AS made;
UPDATE noetl.schedule SET next_at = date_trunc('minute', now()) - interval '120 min' WHERE name = 'guards';
DO $$
DECLARE
    started bigint := 0;
    before bigint;
    largest bigint := 0;
BEGIN
    FOR i IN 1 .. 600 LOOP
        before := started;
        PERFORM noetl.lease('w', types => '{none}');
        COMMIT;
        started := (SELECT count(*) FROM noetl.execution WHERE schedule = 'guards');
        largest := greatest(largest, started - before);
        EXIT WHEN (SELECT next_at > now() FROM noetl.schedule WHERE name = 'guards');
        PERFORM pg_sleep(0.1);
    END LOOP;
    RAISE NOTICE 'all: %, at most 50 at once: %', started > 120, largest <= 50;
END
$$;
SELECT noetl.unschedule('guards');

-- Of the parts of a save that cannot be rendered the first one is named: here the parameters.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: guards/parameters
workflow:
- step: a
  type: python
  code: x
  save: {storage: postgres, statement: "SELECT $1, {{ result.x.y }}", params: ["{{ result.a.b.c }}"]}
$$) > 0 AS registered;
SELECT noetl.execute('guards/parameters') > 0 AS started;
SELECT * FROM work('{"a": {"n": 1}}');
SELECT event_type, status, error FROM noetl.event WHERE execution_id = newest('guards/parameters') AND event_type LIKE 'save%' ORDER BY event_id;

-- An item is the one that its node_id names, whatever else an event says.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: guards/two_items
workflow:
- {step: each, type: iterator, collection: [1, 2], element: n, mode: distributed, concurrency: 2, task: {type: python, code: x}, next: end}
- {step: end, result: "{{ each }}"}
$$) > 0 AS registered;
SELECT noetl.execute('guards/two_items') > 0 AS started;
INSERT INTO noetl.event (execution_id, event_type, node_name, node_id, current_index, result)
SELECT execution_id, 'action_completed', node_name, node_id, 1, '"of the first"' FROM noetl.queue WHERE current_index = 0;
SELECT current_index FROM noetl.queue WHERE execution_id = newest('guards/two_items');
SELECT count(noetl.cancel(newest('guards/two_items')));

-- An execution starts once: a second start is an error, and the same one again is none.
SELECT noetl.execute('guards/failing') AS id \gset
\set VERBOSITY terse
INSERT INTO noetl.event (execution_id, event_type, event_id, catalog_id, context)
SELECT execution_id, event_type, event_id + 1, catalog_id, context FROM noetl.event WHERE execution_id = :id AND event_type = 'execution_start';
INSERT INTO noetl.event (execution_id, event_type, event_id, catalog_id, context)
SELECT execution_id, event_type, event_id, catalog_id, context FROM noetl.event WHERE execution_id = :id AND event_type = 'execution_start';
SELECT count(*) FROM noetl.event WHERE execution_id = :id AND event_type = 'execution_start';
\set VERBOSITY default
SELECT noetl.cancel(:id);

-- A start may name the playbook by its catalog_id alone.
INSERT INTO noetl.event (execution_id, event_type, catalog_id)
SELECT noetl.next_id(), 'execution_start', max(catalog_id) FROM noetl.catalog WHERE path = 'guards/failing';
SELECT path, status FROM noetl.execution WHERE execution_id = newest('guards/failing');
SELECT noetl.cancel(newest('guards/failing'));

-- A worker that has no lease says that it saves: that is not taken for another's.
SELECT noetl.execute('guards/failing') AS id \gset
INSERT INTO noetl.event (execution_id, event_type, node_name, worker_id) VALUES (:id, 'save_started', 'a', 'w');
SELECT event_type, worker_id, meta ->> 'ignored' AS ignored FROM noetl.event WHERE execution_id = :id AND event_type LIKE 'save%';
SELECT noetl.cancel(:id);

-- A task that waits for a slot, and that somebody has made ready by hand, stays with the
-- worker that has leased it when its turn comes.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: guards/slot
workflow:
- {step: a, type: slot, code: x, limits: [{name: guards, concurrency: 1}]}
$$) > 0 AS registered;
SELECT count(noetl.execute('guards/slot')) FROM generate_series(1, 2);
SELECT count(*) FROM noetl.lease('first', 2, types => '{slot}');
UPDATE noetl.queue SET status = 'queued' WHERE status = 'blocked' AND node_type = 'slot';
SELECT count(*) FROM noetl.lease('second', types => '{slot}');
SELECT noetl.complete(queue_id, '1', 'first') FROM noetl.queue WHERE worker_id = 'first';
SELECT status, worker_id FROM noetl.queue WHERE node_type = 'slot';
SELECT name, held, waiting FROM noetl.limit_use WHERE name = 'guards';
SELECT noetl.complete(queue_id, '2', 'second') FROM noetl.queue WHERE worker_id = 'second';
SELECT status, count(*) FROM noetl.execution WHERE path = 'guards/slot' GROUP BY 1;
SELECT name, held, waiting FROM noetl.limit_use WHERE name = 'guards';

-- Who gives a task back that is not there locks nobody's execution.
BEGIN;
SELECT noetl.release(-5, 'w');
SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid();
COMMIT;

-- A retry of which something is not said has no delay.
SELECT noetl.retry_delay(policy, '{}', '{}', attempt, success, 'no', NULL) AS delay
  FROM (VALUES (NULL::jsonb, 1, false), ('{"max_attempts": 3, "delay": 2}', NULL, false), ('{"max_attempts": 3, "delay": 2}', 1, NULL)) v (policy, attempt, success);

-- The condition of a policy sees the result; one that cannot be read is an error.
SELECT result, noetl.retry_delay('{"max_attempts": 3, "initial_delay": 2, "jitter": false, "retry_when": "{{ result.n > 1 }}"}', '{}', '{}', 1, true, NULL, result) AS delay
  FROM (VALUES (1, '{"n": 1}'::jsonb), (2, '{"n": 2}'), (3, NULL)) v (i, result) ORDER BY i;
SELECT noetl.retry_delay('{"max_attempts": 3, "retry_when": "{{ result."}', '{}', '{}', 1, false, 'no', NULL);

-- What the worker knows does not replace what the context says.
SELECT rendered_context - '_strict' AS context FROM noetl.render_left('{"n": "{{ a }}"}', '{"a": 1}', '{"a": 2, "b": 3}');

-- Whole numbers are saved into columns of integers, also those that have decimals.
CREATE ROLE regress_guard_saver;
CREATE TABLE guard_numbers (id int, big bigint);
ALTER TABLE guard_numbers OWNER TO regress_guard_saver;
GRANT EXECUTE ON FUNCTION noetl.register, noetl.execute TO regress_guard_saver;
SET ROLE regress_guard_saver;
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: guards/numbers
workflow:
- step: a
  type: python
  code: x
  save: {storage: postgres, table: public.guard_numbers, data: {id: "{{ result.n / 2 }}", big: "{{ result.n }}"}}
$$) > 0 AS registered;
SELECT noetl.execute('guards/numbers') > 0 AS started;
RESET ROLE;
SELECT * FROM work('{"a": {"n": 4.0}}');
SELECT event_type, error FROM noetl.event WHERE execution_id = newest('guards/numbers') AND event_type LIKE 'save%' ORDER BY event_id;
SELECT * FROM guard_numbers;
DROP OWNED BY regress_guard_saver;
DROP ROLE regress_guard_saver;
SELECT v.* FROM noetl.execution x, noetl.verify(x.execution_id) v WHERE path LIKE 'guards/%';
