-- More stories of guards of the broker: of branches, names and saves, each of which turns red
-- when its guard is missing.
\set SHOW_CONTEXT never
\pset format unaligned
\pset tuples_only on
CREATE FUNCTION pg_temp.add(name text, steps text, head text DEFAULT '') RETURNS boolean LANGUAGE sql AS
    $$ SELECT noetl.register(E'apiVersion: noetl.io/v1\nkind: Playbook\npath: branches/' || name || E'\n' || head || E'\nworkflow:\n' || steps) > 0 $$;
CREATE FUNCTION pg_temp.log(id bigint, kinds text DEFAULT '.') RETURNS TABLE (event text, node text, error text, meta jsonb) LANGUAGE sql AS
    $$ SELECT event_type, replace(node_id, id::text, ''), error, meta - 'queue_id' - 'attempt' FROM noetl.event WHERE execution_id = id AND event_type ~ kinds ORDER BY event_id $$;

-- Rows beside the type of a save are its data, but not where the step has a save as well.
SELECT pg_temp.add('rows', $$
- {step: a, type: save, data: [{n: 1}], storage: http, url: "http://h/", next: b}
- {step: b, type: save, data: [{n: 2}], save: {storage: http, url: "http://h/"}, next: c}
- {step: c, type: save, data: [{n: 3}], sink: {storage: http, url: "http://h/"}, next: d}
- {step: d, type: save, args: {m: 5}, data: {n: 4}, storage: http, url: "http://h/"}
$$);
SELECT noetl.execute('branches/rows') AS id \gset
SELECT node_name, action -> 'data', noetl.complete(queue_id, '{}', 'w') FROM noetl.lease('w');
SELECT node_name, action -> 'data', noetl.complete(queue_id, '{}', 'w') FROM noetl.lease('w');
SELECT node_name, action -> 'data', noetl.complete(queue_id, '{}', 'w') FROM noetl.lease('w');
SELECT node_name, action -> 'data', noetl.complete(queue_id, '{}', 'w') FROM noetl.lease('w');

-- The turn of a save that cannot be rendered any more is that of the execution.
SELECT pg_temp.add('turn', $$
- {step: start, next: [each, other]}
- {step: each, type: iterator, mode: distributed, collection: [1], element: x, task: {type: python, code: x}, save: {storage: http, url: "http://h/"}, priority: "{{ 1 / 0 if other else 7 }}", fairness: {key: k}}
- {step: other, type: shell, command: x}
$$, 'priority: 5');
SELECT noetl.execute('branches/turn') AS id \gset
SELECT node_name, priority, fair_key, noetl.complete(queue_id, '1', 'w') FROM noetl.lease('w', types => '{shell}');
SELECT node_name, priority, fair_key, noetl.complete(queue_id, '1', 'w') FROM noetl.lease('w', types => '{python}');
SELECT action ->> 'type', priority, fair_key, noetl.complete(queue_id, '{}', 'w') FROM noetl.lease('w');
SELECT status FROM noetl.execution WHERE execution_id = :id;

-- The names of items are not those that only a worker can render, whatever the workload has under them.
SELECT pg_temp.add('items', $$
- {step: each, type: iterator, mode: distributed, collection: [{n: 3}, {n: 1}, {n: 2}], element: x, where: "{{ index >= 0 and x.n < 3 }}", order_by: "n * sign", task: {type: python, code: x, args: {n: "{{ x.n }}", i: "{{ index }}", w: "{{ workload.home }}"}}}
$$, 'workload: {index: "{{ env.HOME }}", home: "{{ env.HOME }}", x: "{{ env.HOME }}", sign: -1}');
SELECT noetl.execute('branches/items') AS id \gset
SELECT current_index, action -> 'data' FROM noetl.queue WHERE execution_id = :id ORDER BY 1;
SELECT * FROM pg_temp.log(:id, 'fail');
SELECT noetl.cancel(:id);
SELECT string_agg(item ->> 'n', ' ') FROM noetl.iterator_items('{"element": "x", "order_by": "n * sign", "collection": [{"n": 3}, {"n": 1}, {"n": 2}]}', '{"sign": -1}');
-- A worker that goes through the items gets the names by which they are chosen and sorted.
SELECT pg_temp.add('worker', $$
- {step: each, type: iterator, collection: [{n: 1}], element: x, where: "x.n < most", order_by: "x.n * sign", task: {type: python, code: x}}
$$, 'workload: {sign: -1, most: 3}');
SELECT noetl.execute('branches/worker') AS id \gset
SELECT context FROM noetl.queue WHERE execution_id = :id;
SELECT noetl.cancel(:id);
-- A program that asks for "context" gets the workload, also as the task of an iterator.
SELECT pg_temp.add('program', $$
- {step: each, type: iterator, collection: [1], element: x, task: {type: python, code: "print(context)"}}
$$, 'workload: {most: 3}');
SELECT noetl.execute('branches/program') AS id \gset
SELECT context FROM noetl.queue WHERE execution_id = :id;
SELECT noetl.cancel(:id);

-- Text that looks like its own template is data, unless only a worker can render it.
SELECT pg_temp.add('text', $$
- {step: a, type: python, code: x, args: {own: "{{ t }}", home: "{{ env.HOME }}"}}
$$, 'workload: {t: ""}');
SELECT noetl.execute('branches/text', '{"t": "{{ t }}"}') AS id \gset
SELECT action -> 'data', context -> '_left_action' FROM noetl.queue WHERE execution_id = :id;
SELECT noetl.cancel(:id);

-- A client may say that a step has begun without saying who does it.
SELECT pg_temp.add('visits', $$
- {step: start, next: [a, b]}
- {step: a, type: python, code: x, next: many}
- {step: b, type: python, code: x, next: many}
- {step: many, join: each, type: visits, code: x, next: end}
$$);
SELECT noetl.execute('branches/visits') AS id \gset
SELECT count(noetl.complete(queue_id, '{}', 'w')) FROM noetl.lease('w', max_tasks => 2, types => '{python}');
INSERT INTO noetl.event (execution_id, event_type, node_name, node_id) VALUES (:id, 'action_started', 'many', 'mine');
INSERT INTO noetl.event (execution_id, event_type, node_name, node_id, worker_id) VALUES (:id, 'action_started', 'many', :id || ':many:2', 'w2');
SELECT replace(node_id, :'id', ''), status, worker_id FROM noetl.queue WHERE execution_id = :id ORDER BY 1;
INSERT INTO noetl.event (execution_id, event_type, node_name, node_id, worker_id, result) VALUES (:id, 'action_completed', 'many', 'mine', 'w2', '2');
SELECT * FROM pg_temp.log(:id, 'step_completed|action_completed');
INSERT INTO noetl.event (execution_id, event_type, node_name, node_id, result) VALUES (:id, 'action_completed', 'many', 'mine', '1');
SELECT * FROM pg_temp.log(:id, 'step_completed|action_completed');
-- Who says nothing about the visit means the oldest.
SELECT noetl.execute('branches/visits') AS id \gset
SELECT count(noetl.complete(queue_id, '{}', 'w')) FROM noetl.lease('w', max_tasks => 2, types => '{python}');
INSERT INTO noetl.event (execution_id, event_type, node_name, node_id, result) VALUES (:id, 'action_completed', 'many', 'mine', '1');
SELECT * FROM pg_temp.log(:id, 'step_completed');
SELECT count(*) FROM noetl.verify(:id);
SELECT noetl.cancel(:id);

-- Nobody ends the wait of a task for its first lease once it is leased.
SELECT pg_temp.add('leased', '- {step: a, type: python, code: x}');
SELECT noetl.execute('branches/leased') AS id \gset
SELECT node_name FROM noetl.lease('w');
INSERT INTO noetl.event (execution_id, event_type, node_name, error, meta) VALUES (:id, 'action_error', 'a', 'too late', '{"queue_timeout": true}');
SELECT * FROM pg_temp.log(:id, 'action_error|failed');
SELECT noetl.cancel(:id);
SELECT noetl.release(queue_id, 'w') FROM noetl.queue WHERE execution_id = :id;

-- The result of the end raises: what was done is undone.
SELECT pg_temp.add('undo', $$
- {step: a, type: python, code: x, compensate: {type: python, code: y}, next: end}
- {step: end, result: "{{ 1 / 0 }}"}
$$);
SELECT noetl.execute('branches/undo') AS id \gset
SELECT step FROM work();
SELECT event, node, error FROM pg_temp.log(:id, '^(step|execution_[^s])');
SELECT pg_temp.add('undo', $$
- {step: a, type: python, code: x, compensate: {type: python, code: y}, next: end}
- {step: end, type: python, code: x, result: "{{ 1 / 0 }}"}
$$);
SELECT noetl.execute('branches/undo') AS id \gset
SELECT step FROM work();
SELECT event, node, error FROM pg_temp.log(:id, '^(step|execution_[^s])');
SELECT count(*) FROM noetl.verify(:id);

-- Parameters of a statement that raise.
SELECT pg_temp.add('params', $$
- {step: a, type: sql, statement: "SELECT $1::int", params: ["{{ 1 / 0 }}"]}
$$);
SELECT noetl.execute('branches/params') AS id \gset
SELECT * FROM pg_temp.log(:id, 'error|failed');
-- So does one that is right in the input of the step, and raises where it sees all of it.
SELECT pg_temp.add('params', $$
- {step: a, type: sql, statement: "SELECT $1::text AS x", params: ["{{ 1 / n if n is defined else 5 }}"], args: {n: 0}}
$$);
SELECT noetl.execute('branches/params') AS id \gset
SELECT * FROM pg_temp.log(:id, 'error|failed|step_completed');

-- A step that several visits descend from is gone in the next version, or has only one visit there.
SELECT pg_temp.add('lineage', $$
- {step: start, next: [a, b]}
- {step: a, type: python, code: x, next: [first]}
- {step: b, type: python, code: x, next: [first]}
- {step: first, join: each, type: visits, code: x, next: second}
- {step: second, join: each, type: visits, code: x, args: {n: "{{ first.n }}"}, next: third}
- {step: third, join: each, type: visits, code: x, args: {n: "{{ first.n }} {{ second.n }}"}}
$$);
SELECT noetl.execute('branches/lineage') AS id \gset
SELECT count(noetl.complete(queue_id, '{}', 'w')) FROM noetl.lease('w', max_tasks => 2, types => '{python}');
SELECT count(noetl.complete(queue_id, jsonb_build_object('n', node_id ~ ':2$'), 'w')) FROM noetl.lease('w', max_tasks => 2, types => '{visits}');
SELECT pg_temp.add('lineage', $$
- {step: start, next: [a, b]}
- {step: a, type: python, code: x, next: second}
- {step: b, type: python, code: x, next: second}
- {step: second, join: each, type: visits, code: x, args: {n: "0"}, next: third}
- {step: third, join: each, type: visits, code: x, args: {n: "{{ second.n }}"}}
$$);
SELECT severity, step, message FROM noetl.migrate(:id, dry_run => false) ORDER BY 1, 2, 3;
SELECT count(*) FROM noetl.verify(:id);
SELECT count(noetl.complete(queue_id, jsonb_build_object('n', node_id ~ ':2$'), 'w')) FROM noetl.lease('w', max_tasks => 2, types => '{visits}');
SELECT replace(node_id, :'id', ''), action -> 'data' FROM noetl.queue WHERE execution_id = :id ORDER BY 1;
SELECT count(*) FROM noetl.verify(:id);
SELECT noetl.cancel(:id);

-- What a client starts on behalf of an iterator, without a number, is no item of it.
SELECT pg_temp.add('child', '- {step: a, type: stray, code: x}');
SELECT pg_temp.add('parent', '- {step: each, type: iterator, mode: distributed, collection: [1, 2], element: x, concurrency: 1, task: {type: playbook, path: branches/child, save: {storage: http, url: "http://h/{{ x }}"}}}');
SELECT noetl.execute('branches/parent') AS id \gset
INSERT INTO noetl.event (event_type, context, parent_execution_id, parent_event_id, meta)
SELECT 'execution_start', '{"path": "branches/child"}', execution_id, event_id, '{"attempt": 1}' FROM noetl.event WHERE execution_id = :id AND event_type = 'step_started' RETURNING execution_id AS stray \gset
INSERT INTO noetl.event (event_type, context, parent_execution_id, parent_event_id, current_index, meta)
SELECT 'execution_start', '{"path": "branches/child"}', execution_id, event_id, 2, '{"attempt": 1}' FROM noetl.event WHERE execution_id = :id AND event_type = 'step_started' RETURNING execution_id AS beyond \gset
SELECT noetl.complete(queue_id, '"stray"', 'w') FROM noetl.lease('w', types => '{stray}');
SELECT noetl.complete(queue_id, '"stray"', 'w') FROM noetl.lease('w', types => '{stray}');
SELECT noetl.complete(queue_id, '"stray"', 'w') FROM noetl.lease('w', types => '{stray}');
SELECT status, count(*) FROM noetl.execution WHERE execution_id IN (:stray, :beyond) GROUP BY 1;
SELECT current_index, action #>> '{save,url}', noetl.complete(queue_id, '{}', 'w') FROM noetl.lease('w', max_tasks => 3, types => '{save}');
SELECT noetl.complete(queue_id, '"second"', 'w') FROM noetl.lease('w', types => '{stray}');
SELECT current_index, action #>> '{save,url}', noetl.complete(queue_id, '{}', 'w') FROM noetl.lease('w', max_tasks => 3, types => '{save}');
SELECT event_type, replace(node_id, :'id', ''), current_index, CASE jsonb_typeof(result) WHEN 'object' THEN result - 'child_executions' ELSE result END, error FROM noetl.event WHERE execution_id = :id ORDER BY event_id;
SELECT * FROM noetl.verify(:id);
SELECT status FROM noetl.execution WHERE execution_id = :id;

-- What a client says of a step that no task does is placed behind the start of the step.
SELECT noetl.execute('branches/parent') AS id \gset
INSERT INTO noetl.event (execution_id, event_type, node_name, node_id, result) VALUES (:id, 'step_completed', 'each', :id || ':each', '1');
SELECT parent_event_id = (SELECT event_id FROM noetl.event WHERE execution_id = :id AND event_type = 'step_started') FROM noetl.event WHERE execution_id = :id AND event_type = 'step_completed';
SELECT status FROM noetl.execution WHERE execution_id = :id;
SELECT count(*) FROM noetl.verify(:id);

-- A task of an execution that nobody has started on behalf of another has no parent.
SELECT noetl.execute('branches/child') AS id \gset
SELECT parent_execution_id IS NULL AS nobody, context - 'execution_id' FROM noetl.queue WHERE execution_id = :id;
SELECT noetl.cancel(:id);

-- What the child of an item has done is saved only when the child has completed.
SELECT noetl.execute('branches/parent') AS id \gset
SELECT noetl.fail(queue_id, 'no', 'w') FROM noetl.lease('w', types => '{stray}');
SELECT action ->> 'type' FROM noetl.queue WHERE execution_id = :id;
SELECT event_type, replace(node_id, :'id', ''), error FROM noetl.event WHERE execution_id = :id AND error IS NOT NULL ORDER BY event_id;

-- A rule that a table has got makes something else of a statement that was allowed before.
CREATE ROLE regress_ruled;
GRANT EXECUTE ON FUNCTION noetl.execute TO regress_ruled;
GRANT INSERT ON noetl.event TO regress_ruled;
CREATE TABLE ruled (n int);
ALTER TABLE ruled OWNER TO regress_ruled;
SELECT noetl.register('
apiVersion: noetl.io/v1
kind: Playbook
path: branches/ruled
workflow:
- {step: a, type: sql, command: "INSERT INTO public.ruled VALUES (1)"}') > 0;
SET ROLE regress_ruled;
SELECT noetl.execute('branches/ruled') AS id \gset
RESET ROLE;
SELECT status, error FROM noetl.execution WHERE execution_id = :id;
CREATE RULE also AS ON INSERT TO ruled DO ALSO NOTIFY ruled;
SET ROLE regress_ruled;
SELECT noetl.execute('branches/ruled') AS id \gset
RESET ROLE;
SELECT status, error FROM noetl.execution WHERE execution_id = :id;
SELECT count(*) FROM ruled;
DROP OWNED BY regress_ruled;
DROP ROLE regress_ruled;
