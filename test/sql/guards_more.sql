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

-- The parameters of a statement fail its save, as any other part of it does.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: guards/parameters
workflow:
- step: a
  type: python
  code: x
  save: {storage: postgres, statement: "SELECT $1", params: ["{{ result.a.b.c }}"]}
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

-- A worker that has no lease says that it saves: that is not taken for another's.
SELECT noetl.execute('guards/failing') AS id \gset
INSERT INTO noetl.event (execution_id, event_type, node_name, worker_id) VALUES (:id, 'save_started', 'a', 'w');
SELECT event_type, worker_id, meta ->> 'ignored' AS ignored FROM noetl.event WHERE execution_id = :id AND event_type LIKE 'save%';
SELECT noetl.cancel(:id);

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
