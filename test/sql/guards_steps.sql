-- More stories of guards of the broker: of what a step begins with, what it says of its end,
-- and who may say it.  See "Guards" in doc/guarantees.md.
SET client_min_messages = error;
\set SHOW_CONTEXT never
\pset format unaligned
\pset tuples_only on
CREATE ROLE regress_steps;
GRANT EXECUTE ON FUNCTION noetl.execute TO regress_steps;
CREATE TABLE steps_saved (what text);
GRANT INSERT ON steps_saved TO regress_steps;
CREATE FUNCTION pg_temp.add(name text, steps text, head text DEFAULT '') RETURNS boolean LANGUAGE sql AS
    $$ SELECT noetl.register(E'apiVersion: noetl.io/v1\nkind: Playbook\npath: steps/' || name || E'\n' || head || E'\nworkflow:\n' || steps) > 0 $$;
CREATE FUNCTION pg_temp.start(name text, given jsonb DEFAULT '{}') RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    id bigint;
BEGIN
    SET LOCAL ROLE regress_steps;
    id := noetl.execute('steps/' || name, given);
    RESET ROLE;
    RETURN id;
END
$$;
CREATE FUNCTION pg_temp.log(id bigint, kinds text DEFAULT '.') RETURNS TABLE (event text, node text, error text, meta jsonb) LANGUAGE sql AS
    $$ SELECT event_type, replace(node_id, id::text, ''), error, meta - 'queue_id' - 'attempt' FROM noetl.event WHERE execution_id = id AND event_type ~ kinds ORDER BY event_id $$;
CREATE FUNCTION pg_temp.outcome(id bigint) RETURNS TABLE (status text, result jsonb, error text, wrong bigint) LANGUAGE sql AS
    $$ SELECT status, result, error, (SELECT count(*) FROM noetl.verify(id)) FROM noetl.execution WHERE execution_id = id $$;

-- An end comes after all that waits, wherever the playbook has it.
SELECT pg_temp.add('end', $$
- {step: start, next: [a, b, end]}
- {step: end, result: "{{ joined }}"}
- {step: joined, type: sql, statement: "SELECT 1 AS n"}
- {step: a, type: python, code: x, next: joined}
- {step: b, type: python, code: x, next: joined}
$$);
SELECT pg_temp.start('end') AS id \gset
SELECT step FROM work();
SELECT event, node FROM pg_temp.log(:id, 'step_started|complete$');
SELECT * FROM pg_temp.outcome(:id);

-- An end waits for another one that is held.
SELECT pg_temp.add('ends', $$
- {step: start, next: [one, two]}
- {step: one, type: end, when: "{{ 1 / workload.n }}", on_error: hold, result: one}
- {step: two, type: end, result: two}
$$, 'workload: {n: 0}');
SELECT pg_temp.start('ends') AS id \gset
SELECT step_name, state FROM noetl.run WHERE execution_id = :id ORDER BY 1;
INSERT INTO noetl.event (execution_id, event_type, node_name, node_id) VALUES (:id, 'step_skipped', 'one', :id || ':one');
SELECT * FROM pg_temp.outcome(:id);

-- A step that has ended is visited again in the same transaction: that is its second visit.
SELECT pg_temp.add('visits', $$
- {step: start, next: [s, r]}
- {step: r, next: s}
- {step: s, join: each, type: sql, statement: "SELECT '{{ job.node_id.split(':')[1:] | join(':') }}' AS node", next: end}
- {step: end, result: "{{ s }}"}
$$);
SELECT pg_temp.start('visits') AS id \gset
SELECT event, node FROM pg_temp.log(:id);
SELECT * FROM pg_temp.outcome(:id);

-- An earlier visit that ends last and goes round again begins a visit of its own, also where a rule
-- for attempts has looked at the value of the newest visit before.
SELECT pg_temp.add('polls', $$
- {step: start, next: [a, b]}
- {step: a, next: poll}
- {step: b, next: poll}
- {step: poll, join: each, type: poll, code: x, retry: {max_attempts: 2, retry_when: "{{ poll == 'wait' }}"}, next: [{when: "{{ result == 'more' }}", then: poll}]}
$$);
SELECT pg_temp.start('polls') AS id \gset
SELECT queue_id AS second FROM noetl.lease('w', 2, types => '{poll}') ORDER BY queue_id DESC LIMIT 1 \gset
SELECT noetl.complete(:second, '"done"', 'w');
SELECT noetl.complete(queue_id, '"more"', 'w') FROM noetl.queue WHERE execution_id = :id;
SELECT noetl.complete(queue_id, '"done"', 'w') FROM noetl.lease('w', 2, types => '{poll}');
SELECT event, node FROM pg_temp.log(:id, 'step_started');
SELECT * FROM pg_temp.outcome(:id);

-- The database saves what the child of an item has done only when the child has completed.
SELECT pg_temp.add('child', '- {step: only, type: python, code: x}');
SELECT pg_temp.add('children', $$
- {step: each, type: iterator, mode: distributed, collection: [a, b], element: x, task: {type: playbook, path: steps/child, save: {storage: postgres, table: steps_saved, data: {what: "{{ x }}"}}}, next: end}
- {step: end, result: "{{ each }}"}
$$);
SELECT pg_temp.start('children') AS id \gset
SELECT work('{"only": {"fail": "no"}}', 1);
SELECT * FROM pg_temp.outcome(:id);
SELECT count(*) FROM steps_saved;

-- The list of all results has them unless it is too large, of whatever kind they are.
SELECT pg_temp.add('fit', $$
- {step: each, type: iterator, mode: distributed, collection: "{{ items }}", element: x, task: {type: python, code: x}, next: end}
- {step: end, result: "{{ 'none' if each is none else each }}"}
$$, 'workload: {items: []}');
SET noetl.template_max_output = '64kB';
SELECT pg_temp.start('fit', '{"items": [1, 2, 3]}') AS id \gset
SELECT noetl.complete(queue_id, (ARRAY['7', 'true', '"x"']::jsonb[])[current_index + 1], 'w') FROM noetl.lease('w', 3);
SELECT * FROM pg_temp.outcome(:id);
SELECT pg_temp.start('fit', '{"items": [1, 2, 3]}') AS id \gset
SELECT noetl.complete(queue_id, CASE current_index WHEN 0 THEN '7' ELSE to_jsonb(repeat('x', 40000)) END, 'w') FROM noetl.lease('w', 3);
SELECT * FROM pg_temp.outcome(:id);
RESET noetl.template_max_output;

-- What only a worker can render is not given to a child: neither a member of a key of the
-- workload, nor what a transition gives to an iterator of children.
SELECT pg_temp.add('left', $$
- {step: a, type: playbook, path: steps/child, args: {h: "{{ cfg.host }}"}}
$$, 'workload: {cfg: {host: "{{ env.HOME }}"}}');
SELECT pg_temp.start('left') AS id \gset
SELECT * FROM pg_temp.outcome(:id);
SELECT pg_temp.add('given', $$
- {step: a, type: python, code: x, next: {step: each, data: {h: "{{ env.HOME }}"}}}
- {step: each, type: iterator, mode: distributed, collection: [1], element: x, task: {type: playbook, path: steps/child}}
$$);
SELECT pg_temp.start('given') AS id \gset
SELECT step FROM work('{}', 1);
SELECT * FROM pg_temp.outcome(:id);

-- A client that names neither itself nor the visit means the oldest, whoever has leased it.
SELECT pg_temp.add('again', $$
- {step: start, next: [a, b]}
- {step: a, next: many}
- {step: b, next: many}
- {step: many, join: each, type: many, code: x, next: end}
$$);
SELECT pg_temp.start('again') AS id \gset
SELECT count(*) FROM noetl.lease('w', 2, types => '{many}');
INSERT INTO noetl.event (execution_id, event_type, node_name, node_id, result) VALUES (:id, 'action_completed', 'many', 'mine', '1');
SELECT replace(node_id, :'id', '') FROM noetl.queue WHERE execution_id = :id;
SELECT noetl.cancel(:id);
DELETE FROM noetl.queue WHERE execution_id = :id;

-- A task that has been begun without the name of a worker may be ended by any.
SELECT pg_temp.start('child') AS id \gset
INSERT INTO noetl.event (execution_id, event_type, node_name) VALUES (:id, 'action_started', 'only');
SELECT status, worker_id, deadline FROM noetl.queue WHERE execution_id = :id;
INSERT INTO noetl.event (execution_id, event_type, node_name, worker_id, result) VALUES (:id, 'action_completed', 'only', 'w', '1');
SELECT * FROM pg_temp.outcome(:id);

-- A signal without data brings its result.
SELECT pg_temp.add('signal', $$
- {step: a, type: wait, signal: go, next: end}
- {step: end, result: "{{ a }}"}
$$);
SELECT pg_temp.start('signal') AS id \gset
INSERT INTO noetl.event (execution_id, event_type, node_name, result) VALUES (:id, 'signal_received', 'go', '{"n": 1}');
SELECT * FROM pg_temp.outcome(:id);

-- A transition whose input raises is not taken, and the log says so; the next one is tried.
SELECT pg_temp.add('raise', $$
- {step: a, type: python, code: x, next: {step: b, data: {n: "{{ 1 / 0 }}"}}}
- {step: b, type: python, code: x}
$$);
SELECT pg_temp.start('raise') AS id \gset
SELECT step FROM work();
SELECT * FROM pg_temp.log(:id, 'step_failed');
SELECT pg_temp.add('raise', $$
- {step: a, type: python, code: x, next_mode: exclusive, next: [{when: "{{ true }}", then: {step: b, data: {n: "{{ 1 / 0 }}"}}}, {when: "{{ true }}", then: c}]}
- {step: b, type: python, code: x}
- {step: c, type: python, code: x}
$$);
SELECT pg_temp.start('raise') AS id \gset
SELECT step FROM work();
SELECT * FROM pg_temp.log(:id, 'step_completed');

-- Only the broker counts items: without a total, what a client has counted is not its count.
SELECT pg_temp.add('items', $$
- {step: each, type: iterator, mode: distributed, concurrency: 1, collection: [1, 2], element: x, task: {type: python, code: x}, next: end}
- {step: end, result: "{{ each }}"}
$$);
SELECT pg_temp.start('items') AS id \gset
INSERT INTO noetl.event (execution_id, event_type, node_name, current_index, meta) VALUES (:id, 'iteration_completed', 'each', 0, '{"done": 2, "failed": 0, "started": 2}');
SELECT step FROM work('{"each": 7}');
SELECT * FROM pg_temp.log(:id, 'iteration_completed');
SELECT * FROM pg_temp.outcome(:id);

-- An execution without labels has none, however it is started.
SELECT noetl.execute('steps/child', labels => '{}') AS id \gset
SELECT labels IS NULL FROM noetl.execution WHERE execution_id = :id;
SELECT noetl.cancel(:id);

-- A step of type save that has saved is not repeated, whatever its policy says of success.
SELECT pg_temp.add('save', $$
- {step: a, type: save, storage: postgres, table: steps_saved, data: {what: once}, retry: {max_attempts: 3, initial_delay: 0, jitter: false, retry_when: "{{ true }}"}, next: end}
$$);
SELECT pg_temp.start('save') AS id \gset
SELECT event, node, error FROM pg_temp.log(:id);
SELECT * FROM pg_temp.outcome(:id);
SELECT * FROM steps_saved;

-- A step has done its work, and the next version saves it in the database: the save and the
-- transitions see the input of the step.
SELECT pg_temp.add('kept', '- {step: a, type: playbook, path: steps/child, args: {n: 5}, on_error: hold, save: {storage: http, url: x, data: {x: "{{ result }}"}}, next: end}');
SELECT pg_temp.start('kept') AS id \gset
SELECT step FROM work('{"a": {"fail": "no"}}');
SELECT pg_temp.add('kept', $$
- {step: a, type: playbook, path: steps/child, args: {n: 5}, on_error: hold, save: {storage: postgres, table: steps_saved, data: {what: "{{ args.n }}"}}, next: {step: b, data: {n: "{{ args.n }}"}}}
- {step: b, type: python, code: x, next: end}
$$);
SELECT severity FROM noetl.migrate(:id, dry_run => false);
SELECT noetl.retry(:id, 'a');
SELECT step, input FROM work();
SELECT * FROM pg_temp.outcome(:id);
SELECT * FROM steps_saved;

-- What an iterator chooses its items by tells its place when it raises.
SELECT * FROM noetl.iterator_items('{"element": "x", "where": "{{ 1 / x }}", "collection": [1, 0]}', '{}');

-- A wait that is resumed ends when it was to end, at the latest after its timeout anew; one that
-- waits for a signal alone has no end.
SELECT pg_temp.add('waits', $$
- {step: start, next: [a, b, c, d, e]}
- {step: a, type: wait, signal: go}
- {step: b, type: wait, until: "2100-01-01T00:00:00Z"}
- {step: c, type: wait, until: "2100-01-01T00:00:00Z", timeout: 1h}
- {step: d, type: wait, for: 1h, timeout: 2h}
- {step: e, type: wait, signal: go, timeout: 1h}
$$);
SELECT pg_temp.start('waits') AS id \gset
SELECT noetl.cancel(:id);
SELECT noetl.redrive(:id);
SELECT r.step_name, r.state, r.due_at IS NULL AS endless, r.due_at = (r.context ->> 'until')::timestamptz AS as_before, r.due_at - e.created_at = '1h' AS anew
  FROM noetl.run AS r, noetl.event AS e WHERE r.execution_id = :id AND e.execution_id = :id AND e.event_type = 'execution_redriven' ORDER BY 1;
SELECT noetl.cancel(:id);

-- A run that is kept in the transaction in which its execution ends is not left behind.
SELECT pg_temp.add('kept_run', $$
- {step: start, next: [w, s]}
- {step: w, type: wait, signal: go}
- {step: s, type: sql, statement: "SELECT 1", compensate: {type: sql, statement: "SELECT 2"}, next: f}
- {step: f, type: playbook, path: steps/nowhere}
$$);
SELECT pg_temp.start('kept_run') AS id \gset
SELECT event, node, error FROM pg_temp.log(:id, 'step|exec');
SELECT * FROM pg_temp.outcome(:id);
SELECT count(*) FROM noetl.run WHERE execution_id = :id;
SELECT pg_temp.add('kept_run', $$
- {step: start, next: [w, f]}
- {step: w, type: wait, signal: go}
- {step: f, type: playbook, path: steps/nowhere}
$$);
SELECT pg_temp.start('kept_run') AS id \gset
SELECT * FROM pg_temp.outcome(:id);
SELECT count(*) FROM noetl.run WHERE execution_id = :id;

-- Nor is a run that has been kept before.
SELECT pg_temp.add('kept_run', $$
- {step: start, next: [w, s]}
- {step: w, type: wait, signal: go}
- {step: s, type: sql, statement: "SELECT 1", compensate: {type: sql, statement: "SELECT 2"}, next: f}
- {step: f, type: python, code: x}
$$);
SELECT pg_temp.start('kept_run') AS id \gset
SELECT step_name, state FROM noetl.run WHERE execution_id = :id;
SELECT step FROM work('{"f": {"fail": "no"}}');
SELECT status FROM noetl.execution WHERE execution_id = :id;
SELECT count(*) FROM noetl.run WHERE execution_id = :id;

-- Of many branches two meet while the others still run: the step begins with the second.
SELECT noetl.register(format(E'apiVersion: noetl.io/v1\nkind: Playbook\npath: steps/meet\nworkflow:\n- {step: start, next: [%s]}\n- {step: b1, type: fan, code: x, next: meet}\n- {step: b2, type: fan, code: x, next: meet}\n%s\n- {step: meet, type: meet, code: x}', string_agg('b' || i, ', ' ORDER BY i), string_agg(format('- {step: b%s, type: fan, code: x}', i), E'\n' ORDER BY i) FILTER (WHERE i > 2))) > 0 FROM generate_series(1, 40) AS i;
SELECT pg_temp.start('meet') AS id \gset
SELECT noetl.complete(queue_id, '1', 'w') FROM noetl.lease('w', 2, types => '{fan}');
SELECT node_name FROM noetl.queue WHERE execution_id = :id AND node_type = 'meet';
SELECT count(*) FROM noetl.verify(:id);
SELECT noetl.cancel(:id);

-- An execution with many branches goes on with a version in which there is one at a time: each
-- that reaches a step begins a visit of its own there still.
SELECT noetl.register(format(E'apiVersion: noetl.io/v1\nkind: Playbook\npath: steps/narrow\nworkflow:\n- {step: start, next_mode: %s, next: [%s]}\n%s\n- {step: then, join: each, type: then, code: x}', mode, string_agg(format('{when: "{{ true }}", then: b%s}', i), ', ' ORDER BY i), string_agg(format('- {step: b%s, type: fan, code: x, next: then}', i), E'\n' ORDER BY i))) > 0 FROM unnest('{inclusive,exclusive}'::text[]) WITH ORDINALITY AS m (mode, n), generate_series(1, 20) AS i GROUP BY mode, n ORDER BY n;
SELECT noetl.execute('steps/narrow', version => 1) AS id \gset
SELECT count(*) FROM noetl.migrate(:id, 2, dry_run => false) WHERE severity IN ('done', 'error');
SELECT noetl.complete(queue_id, '1', 'w') FROM noetl.lease('w', 3, types => '{fan}');
SELECT replace(node_id, :'id', '') FROM noetl.queue WHERE execution_id = :id AND node_name = 'then' ORDER BY 1;
SELECT count(*) FROM noetl.verify(:id);
SELECT noetl.cancel(:id);

-- Two iterators of statements are resumed together: each has its own results.
CREATE TABLE steps_part (what text, n int);
GRANT SELECT ON steps_part TO regress_steps;
INSERT INTO steps_part VALUES ('a0', 0), ('a1', 0), ('b0', 1), ('b1', 0);
SELECT pg_temp.add('both', $$
- {step: start, next: [a, b]}
- {step: a, type: iterator, collection: [a0, a1], element: x, on_error: hold, task: {type: sql, statement: "SELECT :x AS x, 1 / n AS n FROM public.steps_part WHERE what = :x", params: {x: "{{ x }}"}}, next: end}
- {step: b, type: iterator, collection: [b0, b1], element: x, on_error: hold, task: {type: sql, statement: "SELECT :x AS x, 1 / n AS n FROM public.steps_part WHERE what = :x", params: {x: "{{ x }}"}}, next: end}
- {step: end, result: ["{{ a }}", "{{ b }}"]}
$$);
SELECT pg_temp.start('both') AS id \gset
SELECT event, node FROM pg_temp.log(:id, 'iteration_(c|f)|held');
SELECT noetl.cancel(:id);
UPDATE steps_part SET n = 1;
SELECT noetl.redrive(:id);
SELECT * FROM pg_temp.outcome(:id);
-- So has each of two visits of one iterator.
UPDATE steps_part SET n = 0 WHERE what <> 'b0';
SELECT pg_temp.add('twice', $$
- {step: start, next: [p, q]}
- {step: p, next: {step: it, data: {items: [a0, a1]}}}
- {step: q, next: {step: it, data: {items: [b0, b1]}}}
- {step: it, join: each, type: iterator, collection: "{{ items }}", element: x, on_error: hold, task: {type: sql, statement: "SELECT :x AS x, 1 / n AS n FROM public.steps_part WHERE what = :x", params: {x: "{{ x }}"}}}
$$);
SELECT pg_temp.start('twice') AS id \gset
SELECT event, node FROM pg_temp.log(:id, 'iteration_(c|f)|held');
SELECT noetl.cancel(:id);
UPDATE steps_part SET n = 1;
SELECT noetl.redrive(:id);
SELECT replace(node_id, :'id', ''), result -> 'data' FROM noetl.event WHERE execution_id = :id AND event_type = 'iterator_completed' ORDER BY 1;
SELECT * FROM pg_temp.outcome(:id);

-- Null is no string, though the playbook has one in its place that only a worker can render.
SELECT pg_temp.add('null', $$
- {step: start, next: {step: a, data: {b: null}}}
- {step: a, type: python, code: x, data: {a: "{{ env.A }}", b: "{{ env.A }}"}}
$$);
SELECT pg_temp.start('null') AS id \gset
SELECT action -> 'data', context -> '_left_action' FROM noetl.queue WHERE execution_id = :id;
SELECT noetl.cancel(:id);
-- Text that came as data and looks like a template is none, though the input has a string of that
-- name that only a worker can render.
SELECT pg_temp.add('text', $$
- {step: a, type: python, code: x, args: {t: "{{ env.A }}", own: "{{ t }}"}}
$$, 'workload: {t: ""}');
SELECT pg_temp.start('text', '{"t": "{{ t }}"}') AS id \gset
SELECT action -> 'data', context -> '_left_action' FROM noetl.queue WHERE execution_id = :id;
SELECT noetl.cancel(:id);
-- An end that is given no input has none: its names are those of the workload there.
SELECT pg_temp.add('input', '- {step: end, result: ["{{ data }}", "{{ args is defined }}"]}', 'workload: {data: 5}');
SELECT pg_temp.start('input') AS id \gset
SELECT * FROM pg_temp.outcome(:id);

-- What the end of one of many branches reads and writes does not depend on how many there are,
-- nor on what waits for others.
SELECT noetl.register(format(E'apiVersion: noetl.io/v1\nkind: Playbook\npath: steps/wide\nworkflow:\n- {step: start, next: [%s]}\n- {step: b1, type: fan, code: x, next: meet}\n- {step: b2, type: fan, code: x, next: meet}\n%s\n- {step: meet, type: meet, code: x}', string_agg('b' || i, ', ' ORDER BY i), string_agg(format('- {step: b%s, type: fan, code: x}', i), E'\n' ORDER BY i) FILTER (WHERE i > 2))) > 0 FROM generate_series(1, 200) AS i;
SELECT pg_temp.start('wide') AS id \gset
SELECT noetl.complete(queue_id, '1', 'w') FROM noetl.lease('w', 1, types => '{fan}');
CREATE FUNCTION pg_temp.cost(id bigint, node text) RETURNS TABLE (tasks_read bigint, runs_written bigint) LANGUAGE plpgsql AS $$
DECLARE
    read    bigint := pg_stat_get_xact_tuples_returned('noetl.queue_run_idx'::regclass);
    written bigint := pg_stat_get_xact_tuples_inserted('noetl.run'::regclass) + pg_stat_get_xact_tuples_updated('noetl.run'::regclass);
BEGIN
    INSERT INTO noetl.event (execution_id, event_type, node_name, node_id, worker_id) VALUES (id, 'action_completed', node, id || ':' || node, 'w');
    tasks_read := pg_stat_get_xact_tuples_returned('noetl.queue_run_idx'::regclass) - read;
    runs_written := pg_stat_get_xact_tuples_inserted('noetl.run'::regclass) + pg_stat_get_xact_tuples_updated('noetl.run'::regclass) - written;
    RETURN NEXT;
END
$$;
SELECT tasks_read < 60 AS few, runs_written FROM pg_temp.cost(:id, 'b9');
SELECT tasks_read < 60 AS few, runs_written FROM pg_temp.cost(:id, 'b3');
SELECT count(*) FROM noetl.queue WHERE execution_id = :id AND node_name IN ('b3', 'b9');
SELECT noetl.cancel(:id);

-- A worker that does not say which visit it has done means one of that step.
SELECT pg_temp.add('steps', $$
- {step: start, next: [first, a, b]}
- {step: first, type: fan, code: x, next: end}
- {step: a, next: many}
- {step: b, next: many}
- {step: many, join: each, type: fan, code: x, next: end}
$$);
SELECT pg_temp.start('steps') AS id \gset
SELECT count(*) FROM noetl.lease('w', 3, types => '{fan}');
INSERT INTO noetl.event (execution_id, event_type, node_name, node_id, worker_id, result) VALUES (:id, 'action_completed', 'many', 'mine', 'w', '1');
SELECT replace(node_id, :'id', '') FROM noetl.queue WHERE execution_id = :id ORDER BY 1;
SELECT noetl.cancel(:id);
DELETE FROM noetl.queue WHERE execution_id = :id;

-- A step of type save saves what a transition gives it, laid over what it has itself; without
-- either there is nothing to save.
SELECT pg_temp.add('saved', $$
- {step: start, next: [{step: a, data: {what: given}}, b, c]}
- {step: a, type: save, storage: postgres, table: steps_saved, data: {what: own}}
- {step: b, type: save, storage: postgres, table: steps_saved, data: {what: own}, on_error: continue}
- {step: c, type: save, storage: postgres, table: steps_saved, data: "{{ none }}", on_error: continue}
$$);
TRUNCATE steps_saved;
SELECT pg_temp.start('saved') AS id \gset

SELECT * FROM pg_temp.log(:id, 'save');
SELECT * FROM steps_saved;
SELECT * FROM pg_temp.outcome(:id);

-- The log of a step that fails says which of its branches begin nothing any more.
SELECT pg_temp.add('dropped', $$
- {step: start, next: [a, b]}
- {step: a, next: one}
- {step: b, type: playbook, path: steps/nowhere, on_error: [one, other]}
- {step: one, join: any, type: python, code: x}
- {step: other, type: python, code: x}
$$);
SELECT pg_temp.start('dropped') AS id \gset
SELECT node, meta FROM pg_temp.log(:id, 'step_failed');
SELECT noetl.cancel(:id);

-- Each compensation sees the result of the visit that it compensates, also in the transaction in
-- which that has completed.
SELECT pg_temp.add('undone', $$
- {step: start, next: [p, q]}
- {step: p, next: {step: s, data: {n: 1}}}
- {step: q, next: {step: s, data: {n: 2}}}
- {step: s, join: each, type: sql, statement: "SELECT :n AS n", params: {n: "{{ n }}"}, compensate: {type: sql, statement: "SELECT :n AS undone", params: {n: "{{ result[0].n }}"}}, next: t}
- {step: t, join: all, type: sql, statement: "SELECT 3 AS n", compensate: {type: sql, statement: "SELECT :n AS undone", params: {n: "{{ result[0].n }}"}}, next: f}
- {step: f, type: playbook, path: steps/nowhere}
$$);
SELECT pg_temp.start('undone') AS id \gset
SELECT replace(node_id, :'id', ''), result -> 'data' FROM noetl.event WHERE execution_id = :id AND event_type = 'action_completed' ORDER BY event_id;
SELECT * FROM pg_temp.outcome(:id);

-- Keys of the workload that the database can render are given to a child beside others.
SELECT pg_temp.add('beside', $$
- {step: a, type: playbook, path: steps/child, args: {n: "{{ n }}", m: "{{ workload.n }}"}}
$$, 'workload: {home: "{{ env.HOME }}", n: 7}');
SELECT pg_temp.start('beside') AS id \gset
SELECT context -> 'workload' FROM noetl.event WHERE parent_execution_id = :id AND event_type = 'execution_start';
SELECT noetl.cancel(:id);

-- What follows a step sees its input, also when executions that its worker has started end last.
SELECT pg_temp.add('spawn', $$
- {step: a, type: spawn, code: x, args: {n: 5}, next: {step: b, data: {n: "{{ args.n }}"}}}
- {step: b, type: python, code: x}
$$);
SELECT pg_temp.start('spawn') AS id \gset
SELECT queue_id FROM noetl.lease('w', types => '{spawn}') \gset
INSERT INTO noetl.event (event_type, context, parent_execution_id, parent_event_id)
SELECT 'execution_start', '{"path": "steps/child"}', execution_id, event_id FROM noetl.event WHERE execution_id = :id AND event_type = 'step_started';
SELECT noetl.complete(:queue_id, '1', 'w');
SELECT step, input FROM work();
SELECT * FROM pg_temp.outcome(:id);

-- Several visits descend from a step that the next version has, too, but visits once.
SELECT pg_temp.add('once', $$
- {step: start, next: [a, b]}
- {step: a, next: first}
- {step: b, next: first}
- {step: first, join: each, type: first, code: x, next: second}
- {step: second, join: each, type: wait, signal: go, next: third}
- {step: third, join: each, type: third, code: x, args: {n: "{{ first.n }} {{ second }}"}}
$$);
SELECT pg_temp.add('once', $$
- {step: start, next: [a, b]}
- {step: a, next: [first, second]}
- {step: b, next: second}
- {step: first, type: first, code: x}
- {step: second, join: each, type: wait, signal: go, next: third}
- {step: third, join: each, type: third, code: x, args: {n: "{{ first.n }} {{ second }}"}}
$$);
SELECT noetl.execute('steps/once', version => 1) AS id \gset
SELECT noetl.complete(queue_id, jsonb_build_object('n', current_index IS NULL), 'w') FROM noetl.lease('w', 2, types => '{first}');
SELECT step_name, visit, arrivals -> 0 -> 'sees' FROM noetl.run WHERE execution_id = :id ORDER BY visit;
SELECT severity, step FROM noetl.migrate(:id, 2, dry_run => false) ORDER BY 1, 2;
SELECT step_name, visit, arrivals -> 0 -> 'sees' FROM noetl.run WHERE execution_id = :id ORDER BY visit;
SELECT noetl.signal(:id, 'go', '1'), noetl.signal(:id, 'go', '2');
SELECT replace(node_id, :'id', ''), action -> 'data' FROM noetl.queue WHERE execution_id = :id ORDER BY 1;
SELECT count(*) FROM noetl.verify(:id);
SELECT noetl.cancel(:id);

-- Why "pass" has failed is noted beside what the event says anyway.
SELECT pg_temp.add('pass', $$
- {step: a, pass: "{{ 1 / 0 }}", next: b}
- {step: b, when: "{{ false }}"}
$$);
SELECT pg_temp.start('pass') AS id \gset
SELECT * FROM pg_temp.log(:id, 'step');

-- An iterator that waits for its branches may get another name.
SELECT pg_temp.add('named', $$
- {step: start, next: [a, b]}
- {step: a, type: python, code: x, next: each}
- {step: b, type: shell, command: x, next: each}
- {step: each, type: iterator, mode: distributed, collection: [1], element: x, task: {type: python, code: x}, next: end}
- {step: end, result: "{{ each }}"}
$$);
SELECT pg_temp.add('named', $$
- {step: start, next: [a, b]}
- {step: a, type: python, code: x, next: every}
- {step: b, type: shell, command: x, next: every}
- {step: every, type: iterator, mode: distributed, collection: [1], element: x, task: {type: python, code: x}, next: end}
- {step: end, result: "{{ every }}"}
$$);
SELECT noetl.execute('steps/named', version => 1) AS id \gset
SELECT noetl.complete(queue_id, '1', 'w') FROM noetl.lease('w', types => '{python}');
SELECT severity, step FROM noetl.migrate(:id, 2, step_map => '{"each": "every"}', dry_run => false) ORDER BY 1, 2;
SELECT step_name, state FROM noetl.run WHERE execution_id = :id;
SELECT noetl.complete(queue_id, '1', 'w') FROM noetl.lease('w', types => '{shell}');
SELECT step FROM work('{"every": 7}');
SELECT * FROM pg_temp.outcome(:id);
SELECT count(*) FROM noetl.run WHERE execution_id = :id;

-- A save that is done again sees the input of its step, as before.
SELECT pg_temp.add('saves', '- {step: a, type: playbook, path: steps/child, args: {n: 5}, on_error: hold, save: {storage: http, url: x, data: {x: "{{ args.n }}", y: "{{ data.n }}"}}, next: end}');
SELECT pg_temp.start('saves') AS id \gset
SELECT step FROM work('{}', 1);
SELECT context AS first FROM noetl.queue WHERE execution_id = :id \gset
SELECT step FROM work('{"a": {"fail": "no"}}');
SELECT noetl.retry(:id, 'a');
SELECT context ->> 'args', context ->> 'data', context = :'first' FROM noetl.queue WHERE execution_id = :id;
SELECT step FROM work();
SELECT status FROM noetl.execution WHERE execution_id = :id;

-- The child that a step has started is cancelled before its parent compensates.
SELECT pg_temp.add('open', $$
- {step: start, next: [s, c]}
- {step: s, type: sql, statement: "SELECT 1", compensate: {type: shell, command: x}, next: f}
- {step: f, type: shell, command: x}
- {step: c, type: playbook, path: steps/child}
$$);
SELECT pg_temp.start('open') AS id \gset
SELECT noetl.fail(queue_id, 'no', 'w') FROM noetl.lease('w', types => '{shell}');
SELECT status, (SELECT status FROM noetl.execution WHERE parent_execution_id = :id) AS child FROM noetl.execution WHERE execution_id = :id;
SELECT step FROM work();
SELECT * FROM pg_temp.outcome(:id);

-- The result of an end that is an ordinary step sees what the end descends from, whether the end
-- or another branch is the last.
SELECT pg_temp.add('ordinary', $$
- {step: start, next: [p, q, b]}
- {step: p, next: {step: s, data: {n: 1}}}
- {step: q, next: {step: s, data: {n: 2}}}
- {step: s, join: each, type: sql, statement: "SELECT :n AS n", params: {n: "{{ n }}"}, next: {when: "{{ result[0].n == '1' }}", then: end}}
- {step: b, type: shell, command: x}
- {step: end, type: python, code: x, result: "{{ s[0].n }}"}
$$);
SELECT pg_temp.start('ordinary') AS id \gset
SELECT noetl.complete(queue_id, '1', 'w') FROM noetl.lease('w', types => '{python}');
SELECT noetl.complete(queue_id, '1', 'w') FROM noetl.lease('w', types => '{shell}');
SELECT * FROM pg_temp.outcome(:id);
SELECT pg_temp.start('ordinary') AS id \gset
SELECT noetl.complete(queue_id, '1', 'w') FROM noetl.lease('w', types => '{shell}');
SELECT noetl.complete(queue_id, '1', 'w') FROM noetl.lease('w', types => '{python}');
SELECT * FROM pg_temp.outcome(:id);

-- Templates know the version of their playbook.
SELECT pg_temp.add('version', '- {step: end, result: "{{ version }}"}');
SELECT pg_temp.add('version', '- {step: end, result: "{{ version }} of {{ path }}"}');
SELECT pg_temp.start('version') AS id \gset
SELECT * FROM pg_temp.outcome(:id);

-- An action that fails without a reason fails all the same.
SELECT pg_temp.start('child') AS id \gset
INSERT INTO noetl.event (execution_id, event_type, node_name) VALUES (:id, 'action_error', 'only');
SELECT * FROM pg_temp.outcome(:id);

-- A node that is none of the step's names no item of it, whatever number it has.
SELECT pg_temp.add('nodes', '- {step: each, type: iterator, mode: distributed, collection: [1, 2], element: x, task: {type: python, code: x}}');
SELECT pg_temp.start('nodes') AS id \gset
INSERT INTO noetl.event (execution_id, event_type, node_name, node_id, result) VALUES (:id, 'action_completed', 'each', :id || ':each2[1]', '1');
SELECT node_id = :id || ':each2[1]', meta ->> 'ignored' FROM noetl.event WHERE execution_id = :id AND event_type = 'action_completed';
SELECT count(*) FROM noetl.queue WHERE execution_id = :id;
SELECT noetl.cancel(:id);

-- What a compensation has itself is laid over the input of what it compensates.
SELECT pg_temp.add('over', $$
- {step: s, type: sql, statement: "SELECT 1", args: {n: 1, m: 3}, compensate: {type: shell, command: x, args: {n: 2}}, next: f}
- {step: f, type: playbook, path: steps/nowhere}
$$);
SELECT pg_temp.start('over') AS id \gset
SELECT step, input FROM work();
SELECT * FROM pg_temp.outcome(:id);

-- Only the start of an item says that an execution has been started for it.
SELECT pg_temp.start('child') AS id \gset
INSERT INTO noetl.event (execution_id, event_type, node_name, context, result) VALUES (:id, 'action_completed', 'only', jsonb_build_object('child_execution_id', :id), '1');
SELECT * FROM pg_temp.outcome(:id);

-- What a compensation has returned when it failed is in the log.
SELECT pg_temp.start('over') AS id \gset
SELECT noetl.fail(queue_id, 'no', 'w', '{"why": 1}') FROM noetl.lease('w', types => '{shell}');
SELECT replace(node_id, :'id', ''), error, result FROM noetl.event WHERE execution_id = :id AND event_type = 'step_failed' AND node_name ~ 'compensate';
SELECT status FROM noetl.execution WHERE execution_id = :id;

-- Nobody ends a step that waits for its branches, but it may be skipped.
SELECT pg_temp.add('waiting', $$
- {step: start, next: [a, b]}
- {step: a, next: joined}
- {step: b, type: python, code: x, next: joined}
- {step: joined, join: all, type: python, code: x}
$$);
SELECT pg_temp.start('waiting') AS id \gset
INSERT INTO noetl.event (execution_id, event_type, node_name, result) SELECT :id, kind, 'joined', '1' FROM unnest('{step_completed,step_failed,action_completed,step_skipped}'::text[]) AS kind;
SELECT event_type, meta ->> 'ignored' FROM noetl.event WHERE execution_id = :id AND node_name = 'joined' ORDER BY event_id;
SELECT noetl.cancel(:id);

-- The statement of an item sees the item, and statements are executed one after the other.
SELECT pg_temp.add('statements', $$
- {step: each, type: iterator, mode: async, concurrency: 3, collection: [a, b, c, d, e], element: x, task: {type: sql, statement: "SELECT '{{ x }}' AS x, '{{ params.n }}' AS n", params: {n: "{{ index }}"}}, next: end}
- {step: end, result: "{{ each }}"}
$$);
SELECT pg_temp.start('statements') AS id \gset
SELECT node, meta FROM pg_temp.log(:id, 'iteration_completed');
SELECT * FROM pg_temp.outcome(:id);

DROP TABLE steps_saved, steps_part;
DROP OWNED BY regress_steps;
DROP ROLE regress_steps;
