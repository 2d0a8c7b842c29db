-- Stories of what else the broker guards: items, envelopes, children, retries, late events and
-- compensations.  See "Guards" in doc/guarantees.md.
SET client_min_messages = error;
CREATE FUNCTION play(steps text, parameters jsonb DEFAULT '{}', more text DEFAULT '') RETURNS bigint LANGUAGE plpgsql AS $$
BEGIN
    PERFORM noetl.cancel(execution_id) FROM noetl.execution WHERE status = 'RUNNING' AND path = 'flow/it';
    PERFORM noetl.register(E'apiVersion: noetl.io/v1\nkind: Playbook\npath: flow/it\n' || more || E'\nworkflow:\n' || steps);
    RETURN noetl.execute('flow/it', parameters);
END
$$;
CREATE FUNCTION outcome(id bigint) RETURNS TABLE (status text, result jsonb, error text) LANGUAGE sql AS $$
    SELECT status, result, error FROM noetl.execution WHERE execution_id = id
$$;
CREATE FUNCTION told(steps text, answers jsonb DEFAULT '{}', tasks int DEFAULT 1000, parameters jsonb DEFAULT '{}', more text DEFAULT '') RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    id bigint := play(steps, parameters, more);
BEGIN
    PERFORM work(answers, tasks);
    RETURN id;
END
$$;
CREATE FUNCTION items(query text, collection text, element text DEFAULT 'n') RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
    id bigint := play(format(E'- {step: a, type: python, code: x, next: s}\n- {step: s, type: iterator, element: %s, mode: distributed, collection: %s, %s, task: {type: python, code: x}}', element, collection, query));
BEGIN
    PERFORM work('{"a": {"status": "success", "kind": "k", "data": {"v": 1}}}', 1);
    RETURN (SELECT jsonb_agg(current_item ORDER BY event_id) FROM noetl.event WHERE execution_id = id AND event_type = 'iteration_started');
END
$$;

-- What an iterator makes of its collection: the order of lists, a limit above the number of
-- items, and names of the item that hide those of the execution.
SELECT q, e AS element, items(q, c, e) FROM (VALUES
    ('order_by: n', '[[2], [1, 2], [1], [], [1, 1], [1, 2, 0]]', 'n'), ('order_by: "{{ n }} desc"', '[[2], [1, 2], [1], []]', 'n'),
    ('limit: 5', '[1, 2]', 'n'), ('limit: 2', '[1, 2, 3]', 'n'), ('chunk: 2, limit: 5', '[1, 2, 3]', 'n'),
    ('where: "{{ n.kind is defined }}"', '[{v: 1}]', 'n'), ('where: "{{ a.kind == ''k'' }}"', '[{v: 1}]', 'n'), ('where: "{{ a.kind is defined }}"', '[{v: 1}]', 'a'), ('where: "{{ index.kind is defined }}"', '[{v: 1}]', 'n'),
    ('order_by: v', '[{v: 2}, {v: 1}]', 'n'), ('order_by: a', '[{a: 2}, {a: 1}]', 'n')) q (q, c, e);

-- Of a value that is no envelope the worker gets no envelope.
CREATE FUNCTION context_after(value jsonb) RETURNS TABLE (a jsonb, steps jsonb) LANGUAGE plpgsql AS $$
DECLARE
    id bigint := told(E'- {step: a, type: python, code: x, next: b}\n- {step: b, type: python, code: x, save: {storage: http, url: "{{ a }}"}}', jsonb_build_object('a', value), 1);
BEGIN
    RETURN QUERY SELECT context -> 'a', context -> '_steps' FROM noetl.queue WHERE execution_id = id;
END
$$;
SELECT value, c.* FROM unnest(ARRAY['3', '{"rows": 2}', '{"status": "success", "rows": 2}', '{"data": 1, "rows": 2}', '{"status": "success", "data": 1, "rows": 2, "data2": 3, "note": 4, "dat": 5}']::jsonb[]) value, context_after(value) c;
DROP FUNCTION context_after(jsonb);

-- The playbook of an item is the one that the item says, also where the execution has
-- something else under the same name.
SELECT noetl.register(format(E'apiVersion: noetl.io/v1\nkind: Playbook\npath: flow/%s\nworkflow:\n- {step: end, result: "%s %s"}', name, name, version)) > 0 AS registered
  FROM (VALUES ('x', 1), ('x', 2), ('y', 1)) v (name, version);
SELECT key, (outcome(told('- {step: s, type: iterator, mode: async, element: p, collection: ' || list || ', task: {type: playbook, ' || key || E'}, next: end}\n- {step: end, result: "{{ s }}"}', '{}', 0, jsonb_build_object('p', p)))).*
  FROM (VALUES ('path: "flow/{{ p }}"', '[x, y]', 'y'), ('path: flow/x, version: "{{ p }}"', '[1, 2]', '2'),
    ('content: "{{ p }}"', '["apiVersion: noetl.io/v1\nkind: Playbook\nworkflow:\n- {step: end, result: 7}", "apiVersion: noetl.io/v1\nkind: Playbook\nworkflow:\n- {step: end, result: 8}"]', E'apiVersion: noetl.io/v1\nkind: Playbook\nworkflow:\n- {step: end, result: 9}')) v (key, list, p);

-- The path of a playbook that is written in a step is that of its parent and the step: there is
-- room for it, or the step fails.
SELECT noetl.register(format(E'apiVersion: noetl.io/v1\nkind: Playbook\npath: %s\nworkflow:\n- {step: s, type: playbook, content: "workflow: ["}', repeat('p', n))) > 0 AS registered FROM (VALUES (1022), (1023)) v (n);
SELECT (outcome(noetl.execute(path))).* FROM (SELECT DISTINCT path FROM noetl.catalog WHERE path LIKE 'pppp%' ORDER BY 1) c;

-- The value of a child that says none: that of return_step, unless that raises or has none, else
-- that of its last step.
SELECT noetl.register(E'apiVersion: noetl.io/v1\nkind: Playbook\npath: flow/child\nworkflow:\n- {step: one, type: python, code: x, next: two}\n- {step: two, type: python, code: x}') > 0 AS registered;
SELECT r, told(format(E'- {step: s, type: playbook, path: flow/child, return_step: "%s", next: end}\n- {step: end, result: "{{ s }}"}', r), '{"one": 1, "two": 2}') AS id INTO returned
  FROM unnest(ARRAY['one', 'two', 'three', '{{ 1 / 0 }}', '{{ none }}']) r;
SELECT r, (outcome(id)).* FROM returned ORDER BY id;
DROP TABLE returned;

-- What the log says of a pass that raises is with the first event of its step.
SELECT (outcome(play('- {step: s, type: python, code: x, pass: "{{ 1 / 0 }}"}'))).*;
SELECT event_type, node_name, meta ->> 'pass_error' AS pass_error FROM noetl.event WHERE execution_id = newest('flow/it') ORDER BY event_id;
SELECT (outcome(play(E'- {step: start, next: [s, t]}\n- {step: s, type: noop}\n- {step: t, pass: "{{ 1 / 0 }}", type: playbook, path: flow/x}'))).*;
SELECT event_type, node_name, meta ->> 'pass_error' AS pass_error FROM noetl.event WHERE execution_id = newest('flow/it') ORDER BY event_id;
SELECT told(E'- {step: start, next: [s, t]}\n- {step: s, type: python, code: x, next: j}\n- {step: t, type: python, code: x, next: j}\n- {step: j, type: python, code: x, pass: "{{ 1 / 0 }}"}', '{}', 2) > 0 AS told;
SELECT event_type, node_name, meta ->> 'pass_error' AS pass_error FROM noetl.event WHERE execution_id = newest('flow/it') AND node_name = 'j';

-- Events that somebody else sends: of an item that is not running, of an item as if it were the
-- step, of a step whose work others do, and a signal without a name.
SELECT told(E'- {step: start, next: [s, t]}\n- {step: s, type: iterator, element: n, mode: distributed, concurrency: 1, collection: [1, 2], task: {type: python, code: x}}\n- {step: t, type: playbook, path: flow/child}', '{}', 0) AS id \gset
INSERT INTO noetl.event (execution_id, event_type, node_name, node_id, worker_id)
SELECT :id, type, node, concat(:id, ':', rest), 'w' FROM (VALUES
    ('action_completed', 's', 's[1]'), ('action_error', 's', 's[7]'), ('action_completed', 's', 's:2[0]'), ('step_completed', 's', 's[0]'), ('step_failed', 's', 's[1]'),
    ('action_completed', 't', 't'), ('action_error', 't', 't:2'), ('action_started', 't', 't'), ('action_completed', 's', 's')) v (type, node, rest);
INSERT INTO noetl.event (execution_id, event_type) VALUES (:id, 'signal_received');
SELECT event_type, regexp_replace(node_id, '\d+:', '') AS node, meta ->> 'ignored' AS ignored FROM noetl.event WHERE execution_id = :id AND meta ? 'ignored' ORDER BY event_id;
-- A client that ends a step itself ends what is done for it.
INSERT INTO noetl.event (execution_id, event_type, node_name, result) VALUES (:id, 'step_completed', 't', '"by hand"'), (:id, 'step_completed', 's', '"by hand"');
SELECT path, status FROM noetl.execution WHERE execution_id >= :id ORDER BY execution_id;
SELECT count(*) AS left_over FROM noetl.queue WHERE execution_id >= :id;

-- A report that names no visit is about the oldest one that its worker has leased.
SELECT told(E'- {step: start, next: [a, b, c]}\n- {step: a, type: noop, next: s}\n- {step: b, type: noop, next: s}\n- {step: c, type: noop, next: s}\n- {step: s, type: python, code: x, join: each}', '{}', 0) AS id \gset
SELECT node_id = concat(:id, ':s') AS first, attempts FROM noetl.lease('other');
SELECT (noetl.lease('w')).attempts FROM generate_series(1, 2);
INSERT INTO noetl.event (execution_id, event_type, node_name, worker_id, result) VALUES (:id, 'action_completed', 's', 'w', '1');
SELECT regexp_replace(node_id, '\d+:', '') AS node, status, worker_id FROM noetl.queue WHERE execution_id = :id ORDER BY queue_id;
INSERT INTO noetl.event (execution_id, event_type, node_name, worker_id, result) VALUES (:id, 'action_completed', 's', 'w', '2'), (:id, 'action_completed', 's', 'w', '3');
SELECT event_type, regexp_replace(node_id, '\d+:', '') AS node, result, meta ->> 'ignored' AS ignored FROM noetl.event WHERE execution_id = :id AND event_type = 'action_completed' ORDER BY event_id;

-- A node_id of another execution, or of another step, tells nothing: the oldest leased visit it is.
SELECT told(E'- {step: start, next: [a, b, c]}\n- {step: a, type: noop, next: s}\n- {step: b, type: noop, next: s}\n- {step: c, type: noop, next: s}\n- {step: s, type: python, code: x, join: each}', '{}', 0) AS id \gset
SELECT (noetl.lease('w')).attempts FROM generate_series(1, 3);
INSERT INTO noetl.event (execution_id, event_type, node_name, node_id, worker_id, result) VALUES (:id, 'action_completed', 's', concat(:id + 1, ':s:3'), 'w', '1'), (:id, 'action_completed', 's', concat(:id, '/s:3'), 'w', '2');
SELECT regexp_replace(node_id, '\d+:', '') AS node, status, worker_id FROM noetl.queue WHERE execution_id = :id ORDER BY queue_id;
INSERT INTO noetl.event (execution_id, event_type, node_name, node_id, worker_id, result) VALUES (:id, 'action_completed', 's', concat(:id, ':s:3'), 'w', '3');
SELECT regexp_replace(node_id, '\d+:', '') AS node, status, worker_id FROM noetl.queue WHERE execution_id = :id ORDER BY queue_id;
SELECT * FROM noetl.verify(:id);

-- Who says the parent of an event, and not the visit, is told the visit; a lease without a
-- worker is nobody's.
SELECT told(E'- {step: start, next: [a, b]}\n- {step: a, type: noop, next: s}\n- {step: b, type: noop, next: s}\n- {step: s, type: python, code: x, join: each}', '{}', 0) AS id \gset
INSERT INTO noetl.event (execution_id, event_type, node_name) VALUES (:id, 'action_started', 's');
INSERT INTO noetl.event (execution_id, event_type, node_name, node_id, worker_id) VALUES (:id, 'action_started', 's', concat(:id, ':s:2'), 'w');
INSERT INTO noetl.event (execution_id, event_type, node_name, worker_id, parent_event_id, result) SELECT :id, 'action_completed', 's', 'w', min(event_id), '1' FROM noetl.event WHERE execution_id = :id;
SELECT event_type, regexp_replace(node_id, '\d+:', '') AS node, worker_id FROM noetl.event WHERE execution_id = :id AND event_type LIKE 'action%' ORDER BY event_id;
SELECT * FROM noetl.verify(:id);

-- So of a client that ends a step itself.
SELECT told(E'- {step: start, next: [a, b]}\n- {step: a, type: noop, next: s}\n- {step: b, type: noop, next: s}\n- {step: s, type: python, code: x, join: each}', '{}', 1) AS id \gset
INSERT INTO noetl.event (execution_id, event_type, node_name, parent_event_id) SELECT :id, 'step_skipped', 's', min(event_id) FROM noetl.event WHERE execution_id = :id;
SELECT event_type, regexp_replace(node_id, '\d+:', '') AS node FROM noetl.event WHERE execution_id = :id AND node_name = 's' ORDER BY event_id;
SELECT (outcome(:id)).*;

-- A program that asks for the workload and for the values of steps gets them.
CREATE FUNCTION gets(keys text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    id bigint := told(format('- {step: s, type: python, %s}', keys), '{}', 0, '{"a": 1}', 'workload: {a: 2}');
BEGIN
    RETURN (SELECT (context - '_undefined')::text FROM noetl.queue WHERE execution_id = id);
END
$$;
SELECT keys, gets(keys) FROM unnest(ARRAY['code: context', 'code: "x = context[1]"', 'code: x.context', 'code: my_context', 'code: contexts', 'code: context_', 'code: context1', 'code: 1context', 'code: "(context)"', 'code: "my_context context"', 'code: x', 'code_b64: eA==', 'script: x', 'file: x', 'args: {code: context}']) keys;
DROP FUNCTION gets(text);

-- What several branches give to a join is laid over each other in the order of the playbook, of
-- the visits of one step in theirs.
SELECT told(E'- {step: start, next: [a, b]}\n- {step: a, type: python, code: x, next: {step: j, data: {k: a, a: 1}}}\n- {step: b, type: python, code: x, next: {step: j, data: {k: b, b: 1}}}\n- {step: j, type: python, code: x}', '{}', 0) AS id \gset
SELECT queue_id FROM noetl.lease('w', 2) WHERE node_name = 'b' \gset b_
SELECT noetl.complete(:b_queue_id, '1', 'w'), noetl.complete(queue_id, '1', 'w') FROM noetl.queue WHERE execution_id = :id AND node_name = 'a';
SELECT action -> 'data' AS data FROM noetl.queue WHERE execution_id = :id;
SELECT told(E'- {step: start, next: [a, b]}\n- {step: a, type: noop, next: c}\n- {step: b, type: noop, next: c}\n- {step: c, join: each, type: python, code: x, next: {step: j, data: {k: "{{ c }}"}}}\n- {step: j, type: python, code: x, join: all}', '{}', 0) AS id \gset
SELECT array_agg(queue_id ORDER BY queue_id DESC) AS tasks FROM noetl.lease('w', 2) \gset
SELECT noetl.complete((:'tasks'::bigint[])[1], '2', 'w'), noetl.complete((:'tasks'::bigint[])[2], '1', 'w');
SELECT action -> 'data' AS data FROM noetl.queue WHERE execution_id = :id;

-- A task has one deadline, also when its lease is lost; the number of an attempt that is too
-- large for one counts as none.
SELECT told('- {step: s, type: python, code: x, timeout: 60}', '{}', 0) AS id \gset
INSERT INTO noetl.event (execution_id, event_type, node_name, worker_id) VALUES (:id, 'action_started', 's', 'w');
SELECT deadline AS first, status FROM noetl.queue WHERE execution_id = :id \gset
UPDATE noetl.queue SET lease_until = clock_timestamp() - interval '1 s' WHERE execution_id = :id;
SELECT noetl.enqueue_next(:id);
INSERT INTO noetl.event (execution_id, event_type, node_name, worker_id) VALUES (:id, 'action_started', 's', 'w');
SELECT deadline = :'first' AS same, status, attempts FROM noetl.queue WHERE execution_id = :id;
INSERT INTO noetl.event (execution_id, event_type, node_name, worker_id, meta) VALUES (:id, 'action_completed', 's', 'w', '{"attempt": 4294967297}');
SELECT (outcome(:id)).status;

-- The value of a task of the workbook is that of the step that has used it last, with its
-- envelope; before, it is undefined.
SELECT order_, (outcome(told(E'- {step: start, next: {step: ' || first || E', data: {was: "{{ task is defined }}"}}}\n- {step: a, type: workbook, name: task' || CASE first WHEN 'a' THEN ', next: b' ELSE ', next: end' END || E'}\n- {step: b, type: workbook, name: task' || CASE first WHEN 'b' THEN ', next: a' ELSE ', next: end' END || E'}\n- {step: end, result: ["{{ task }}", "{{ task.kind }}", "{{ task.gone | default(5) }}"]}',
    '{"a": {"status": "success", "kind": "of a", "data": {"v": "a"}}, "b": {"status": "success", "kind": "of b", "data": {"v": "b"}}}', 10, '{}', E'workbook:\n- {name: task, type: python, code: x}'))).*
  FROM (VALUES ('a, b', 'a'), ('b, a', 'b')) v (order_, first);
SELECT (outcome(told(E'- {step: start, next: end}\n- {step: a, type: workbook, name: task}\n- {step: end, result: ["{{ task is defined }}", "{{ task | default(1) }}"]}', '{}', 0, '{}', E'workbook:\n- {name: task, type: python, code: x}'))).*;

-- What the templates of a workload see.
SELECT (outcome(play('- {step: end, result: "{{ workload }}"}', '{"given": 1}', E'workload: {p: "{{ path }}", v: "{{ version > 0 }}", e: "{{ execution_id | int > 0 }}", j: "{{ job.id == execution_id }}", n: "{{ job.node_id is defined }}", g: "{{ given }}", w: "{{ workload.given }}"}'))).*;
SELECT (outcome(play('- {step: end, result: "{{ workload }}"}', '{"path": 1, "version": 2}', E'workload: {p: "{{ path }}", v: "{{ version }}"}'))).*;

-- An input hides the step of the same name, and its envelope.
SELECT (outcome(told(E'- {step: a, type: python, code: x, next: {step: b, data: {a: {v: 2}}}}\n- {step: b, type: noop, next: [{when: "{{ a.kind is defined }}", then: w}, {then: r}]}\n- {step: w}\n- {step: r, next: end}\n- {step: end, result: right}', '{"a": {"status": "success", "kind": "k", "data": {"v": 1}}}'))).*;
SELECT told(E'- {step: a, type: python, code: x, next: {step: b, data: {a: {v: 2}}}}\n- {step: b, type: python, code: x, url: "{{ a.kind is defined }} {{ a.v }}"}', '{"a": {"status": "success", "kind": "k", "data": {"v": 1}}}', 1) AS id \gset
SELECT action -> 'url' AS url FROM noetl.queue WHERE execution_id = :id;

-- A save knows the result of its own step by several names, each with its envelope.
CREATE ROLE regress_flow;
GRANT EXECUTE ON FUNCTION noetl.execute TO regress_flow;
CREATE TABLE flow_saved (v text, by_step text, by_name text, by_result text, by_this text);
GRANT INSERT ON flow_saved TO regress_flow;
SELECT told('- {step: b, type: python, code: x, save: {storage: postgres, table: flow_saved, data: {v: "{{ data.v }}", by_step: "{{ step.kind }}", by_name: "{{ b.kind }}", by_result: "{{ result.kind }}", by_this: "{{ this.kind }}"}}}', '{}', 0) > 0 AS told;
SELECT noetl.cancel(newest('flow/it'));
SET ROLE regress_flow;
SELECT noetl.execute('flow/it') > 0 AS started;
RESET ROLE;
SELECT step FROM work('{"b": {"status": "success", "kind": "k", "data": {"v": 1}}}');
SELECT status, error FROM noetl.execution WHERE execution_id = newest('flow/it');
TABLE flow_saved;
DROP TABLE flow_saved;
DROP OWNED BY regress_flow;
DROP ROLE regress_flow;

-- A step of a loop takes each branch that comes, also with join: any.
SELECT (outcome(told(E'- {step: start, next: a}\n- {step: a, join: any, type: python, code: x, next: b}\n- {step: b, type: python, code: x, next: [{when: "{{ a < 3 }}", then: a}, {then: end}]}\n- {step: end, result: "{{ a }}"}', '{"a": 2, "b": 1}', 4))).*;
SELECT max(node_id) ~ ':a:3$' AS third FROM noetl.queue WHERE execution_id = newest('flow/it');
SELECT (outcome(told(E'- {step: start, next: a}\n- {step: a, join: any, type: python, code: x, next: b}\n- {step: b, type: python, code: x, next_mode: exclusive, next: [{when: "{{ a < 3 }}", then: a}, {then: end}]}\n- {step: end, result: "{{ a }}"}', '{"a": 2, "b": 1}', 4))).*;
SELECT max(node_id) ~ ':a:3$' AS third FROM noetl.queue WHERE execution_id = newest('flow/it');

-- A transition that raises, of a step that is held: the log says what became of each.
SELECT told(E'- {step: a, type: python, code: x, on_error: hold, next: [{when: "{{ a.x / 0 > 1 }}", then: b}]}\n- {step: b}', '{"a": {"x": 1}}') AS id \gset
SELECT event_type, meta FROM noetl.event WHERE execution_id = :id AND event_type = 'step_held';

-- What a step has done is saved by a worker; a save that fails is held, and resumed alone.
SELECT told(E'- {step: s, type: iterator, element: n, mode: distributed, collection: [1, 2], data: {d: 7}, task: {type: python, code: x}, save: {storage: http, url: x, data: {x: "{{ results }}", d: "{{ d }}"}}, on_error: hold, next: end}\n- {step: end, result: "{{ s }}"}', '{"s": {"v": 1}}', 2) AS id \gset
SELECT queue_id, action ->> 'type' AS type FROM noetl.lease('w') \gset
SELECT parent_event_id = (SELECT min(event_id) FROM noetl.event WHERE execution_id = :id) AS from_start FROM noetl.queue WHERE execution_id = :id;
SELECT :'type' AS type, noetl.fail(:queue_id, 'no', 'w') AS failed;
SELECT step_name, state, context FROM noetl.run WHERE execution_id = :id;
SELECT * FROM noetl.verify(:id);
SELECT noetl.retry(:id, 's') AS resumed;
SELECT action -> 'type' AS type, action -> 'data' AS data, context - '_steps' AS context, attempts, attempts_before FROM noetl.queue WHERE execution_id = :id;
SELECT * FROM noetl.verify(:id);
SELECT step FROM work('{"s": 5}');
SELECT (outcome(:id)).*;
SELECT told(E'- {step: s, type: playbook, path: flow/x, data: {d: 7}, save: {storage: http, url: "{{ d }}", data: {x: "{{ result }}"}}, on_error: hold, next: end}\n- {step: end, result: "{{ s }}"}', '{"s": {"fail": "no"}}', 1) AS id \gset
SELECT noetl.retry(:id, 's') AS resumed;
SELECT action -> 'type' AS type, action -> 'data' AS data, attempts FROM noetl.queue WHERE execution_id = :id;
SELECT step FROM work('{"s": 5}');
SELECT (outcome(:id)).*;

-- What is held because it could not be rendered has no context of a task.
SELECT told('- {step: s, type: python, code: x, url: "{{ 1 / 0 }}", save: {storage: http, url: "{{ s }} {{ s.x }}"}, on_error: hold}') AS id \gset
SELECT step_name, state, context FROM noetl.run WHERE execution_id = :id;
SELECT * FROM noetl.verify(:id);

-- The results of an iterator that are too large for one value stay with the items.
SET noetl.template_max_output = '1kB';
SELECT answer, (outcome(told(E'- {step: s, type: iterator, element: n, mode: distributed, collection: [1, 2, 3], task: {type: python, code: x}, next: end}\n- {step: end, result: ["{{ this is defined }}", "{{ s is none }}"]}', jsonb_build_object('s', value)))).*
  FROM (VALUES ('text', to_jsonb(repeat('x', 500))), ('less text', to_jsonb(repeat('x', 100))), ('object', jsonb_build_object('x', repeat('x', 500))), ('list', to_jsonb(string_to_array(repeat('xxxxxxxxx,', 50), ','))), ('numbers', '1')) v (answer, value);
RESET noetl.template_max_output;

CREATE FUNCTION refusal() RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    PERFORM work();
    RETURN 'none';
EXCEPTION WHEN OTHERS THEN
    RETURN regexp_replace(SQLERRM, '\d{9,}', '…');
END
$$;
-- A compensation that is told of by the log alone: without its plan nobody can go on.
SELECT told(E'- {step: start, next: [a, x]}\n- {step: a, type: python, code: x, compensate: {type: python, code: undo}, next: b}\n- {step: b, type: python, code: x}\n- {step: x, type: playbook, path: flow/child}', '{"b": {"fail": "no"}}', 3) AS id \gset
SELECT path, status FROM noetl.execution WHERE execution_id >= :id ORDER BY execution_id;
SELECT node_name, action ->> 'code' AS code FROM noetl.queue WHERE execution_id >= :id;
SELECT * FROM noetl.verify(:id);
SELECT event_type, node_name, meta -> 'status' AS status FROM noetl.event WHERE execution_id = :id AND event_type = 'execution_compensating';
BEGIN;
DELETE FROM noetl.event WHERE execution_id = :id AND event_type = 'execution_compensating';
SELECT refusal();
ROLLBACK;
BEGIN;
DELETE FROM noetl.event WHERE execution_id = :id AND event_type = 'step_started' AND node_name LIKE '%a%' AND meta ? 'compensating';
SELECT refusal();
ROLLBACK;
SELECT step FROM work();
SELECT (outcome(:id)).*;

-- Signals of two names are taken in the order of the log; one that a wait has taken out of its
-- order is not taken again, and an "accept" that raises is noted.
SELECT told(E'- {step: start, next: {step: w, data: {n: 1}}}\n- {step: w, type: python, code: x, next: [one, two]}\n- {step: one, type: wait, signal: [p, q], accept: "{{ 1 / (signal.data - 1) > 0 }}", next: three}\n- {step: two, type: wait, signal: r, next: three}\n- {step: three, join: all, next: four}\n- {step: four, type: wait, signal: [q, p], next: five}\n- {step: five, type: wait, signal: [p, q]}', '{}', 0) AS id \gset
SELECT noetl.signal(:id, name, data) FROM (VALUES ('q', '1'::jsonb), ('p', '0'), ('q', '3'), ('p', '4'), ('r', '5')) v (name, data);
SELECT step FROM work();
SELECT event_type, node_name, result -> 'signal' AS signal, result -> 'data' AS data, meta - 'sent_by' - 'sent_at' AS meta FROM noetl.event WHERE execution_id = :id AND node_name IN ('one', 'two', 'four', 'five') ORDER BY event_id;
SELECT (outcome(:id)).*;
-- So in one evaluation: the end of a wait begins two others.
SELECT told(E'- {step: w, type: python, code: x, next: [one, two, three]}\n- {step: one, type: wait, signal: p, accept: "{{ signal.data > 1 }}"}\n- {step: two, type: wait, signal: p, accept: "{{ signal.data > 1 }}"}\n- {step: three, type: wait, signal: p}', '{}', 0) AS id \gset
SELECT noetl.signal(:id, 'p', data) FROM (VALUES ('1'::jsonb), ('2'), ('3')) v (data);
SELECT step FROM work();
SELECT node_name, result -> 'data' AS data FROM noetl.event WHERE execution_id = :id AND event_type = 'step_completed' AND node_name <> 'w' ORDER BY event_id;

-- A wait of a branch keeps what it descends from beside what it waits for.
SELECT told(E'- {step: start, next: [a, b]}\n- {step: a, type: python, code: x, next: c}\n- {step: b, type: python, code: x, next: c}\n- {step: c, type: python, code: x, join: each, next: d}\n- {step: d, type: wait, signal: s, join: each, next: e}\n- {step: e, type: python, code: x, join: each, data: {c: "{{ c }}"}}', '{"c": {"v": 1}}', 4) AS id \gset
SELECT regexp_replace(node_id, '\d+:', '') AS node, meta FROM noetl.event WHERE execution_id = :id AND event_type = 'step_started' AND node_name = 'd' ORDER BY event_id;
SELECT noetl.signal(:id, 's'), noetl.signal(:id, 's');
SELECT regexp_replace(node_id, '\d+:', '') AS node, action -> 'data' AS data FROM noetl.queue WHERE execution_id = :id ORDER BY queue_id;
SELECT * FROM noetl.verify(:id);

-- A wait that may last less than what it waits for fails when that time is over.
SELECT told('- {step: s, type: wait, until: "2100-01-01", timeout: 0.01}', '{}', 0) AS id \gset
SELECT pg_sleep(0.02);
SELECT noetl.enqueue_next(:id);
SELECT (outcome(:id)).*;

-- The result of an execution whose end is saved is what is saved, not what the worker answers.
SELECT told('- {step: end, save: {storage: http, url: x, data: {n: "{{ 1 + 1 }}"}}}', '{"end": {"sent": true}}', 1) AS id \gset
SELECT (outcome(:id)).*;
SELECT count(*) FROM noetl.execution x, noetl.verify(x.execution_id) v WHERE path LIKE 'flow/%' AND execution_id > 0;
SELECT count(noetl.cancel(execution_id)) FROM noetl.execution WHERE status = 'RUNNING' AND path LIKE 'flow/%';
SELECT count(noetl.complete(queue_id, '{}', worker_id)) > 0 AS left_over FROM noetl.queue q JOIN noetl.execution x USING (execution_id) WHERE x.path LIKE 'flow/%';
SELECT count(*) AS tasks FROM noetl.queue q JOIN noetl.execution x USING (execution_id) WHERE x.path LIKE 'flow/%';
RESET client_min_messages;
DROP FUNCTION refusal(), play(text, jsonb, text), outcome(bigint), told(text, jsonb, int, jsonb, text), items(text, text, text);
