\pset format unaligned
\pset tuples_only on
\set VERBOSITY terse
SET statement_timeout = '60 s';
-- What the broker reads from the log of an execution, whoever has written into it.
CREATE FUNCTION pg_temp.done(node text, result jsonb DEFAULT '1') RETURNS bigint LANGUAGE sql AS $$
    SELECT count(noetl.complete(queue_id, result, 'w')) FROM noetl.lease('w', 1, types => ARRAY['log' || node])
$$;
CREATE FUNCTION pg_temp.ended(which bigint) RETURNS text LANGUAGE sql AS $$
    SELECT status || ' ' || coalesce(result, error::text::jsonb) || ' ' || (SELECT count(*) FROM noetl.verify(which)) FROM noetl.execution WHERE execution_id = which
$$;
-- Copies an event by hand, without the broker.
CREATE FUNCTION pg_temp.forge(which bigint, type text, node text, changes jsonb) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    last bigint := (SELECT max(event_id) + 1 FROM noetl.event WHERE execution_id = which);
BEGIN
    ALTER TABLE noetl.event DISABLE TRIGGER USER;
    INSERT INTO noetl.event SELECT (jsonb_populate_record(e, jsonb_build_object('event_id', last, 'created_at', clock_timestamp()) || changes)).*
      FROM noetl.event e WHERE execution_id = which AND event_type = type AND node_name = node ORDER BY event_id LIMIT 1;
    ALTER TABLE noetl.event ENABLE TRIGGER USER;
END $$;

-- Signals that have come before the version that waits for them: one of each id, those without
-- an id, none that was ignored, and none that was taken.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: log/signals
workflow:
- {step: a, type: loga, code: x, next: b}
- {step: b, type: logb, code: x, next: c}
- {step: c, type: logc, code: x, next: end}
- {step: end}
$$) > 0;
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: log/signals
workflow:
- {step: a, type: loga, code: x, next: one}
- {step: one, type: wait, signal: go, next: b}
- {step: b, type: logb, code: x, next: c}
- {step: c, type: logc, code: x, next: two}
- {step: two, type: wait, signal: go, next: three}
- {step: three, type: wait, signal: go, next: four}
- {step: four, type: wait, signal: go, next: end}
- {step: end, result: ["{{ one }}", "{{ two }}", "{{ three }}", "{{ four }}"]}
$$) > 0;
SELECT noetl.execute('log/signals', version => 1) AS id \gset
SELECT noetl.signal(:id, 'go', '1'), noetl.signal(:id, 'go', '2', 'first'), noetl.signal(:id, 'go', '3', 'first'), noetl.signal(:id, 'go', '4', 'second'), noetl.signal(:id, 'go', '5');
INSERT INTO noetl.event (execution_id, event_type, node_name, result, meta) VALUES (:id, 'signal', 'go', '"ignored"', '{"ignored": "by hand"}');
SELECT pg_temp.forge(:id, 'signal_received', 'go', '{"meta": {"ignored": "by hand"}}');
SELECT count(*) FROM noetl.migrate(:id, 2, dry_run => false) WHERE severity = 'error';
SELECT count(*) FROM noetl.signal WHERE execution_id = :id;
SELECT * FROM noetl.verify(:id);
SELECT pg_temp.done('a');
SELECT count(*) FROM noetl.migrate(:id, 1, dry_run => false) WHERE severity = 'error';
SELECT count(*) FROM noetl.signal WHERE execution_id = :id;
SELECT pg_temp.done('b');
SELECT count(*) FROM noetl.migrate(:id, 2, dry_run => false) WHERE severity = 'error';
SELECT count(*) FROM noetl.signal WHERE execution_id = :id;
SELECT pg_temp.done('c');
SELECT pg_temp.ended(:id);

-- A wait has taken its signal also where a transition of it raised, and an id counts once in all versions.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: log/taken
workflow:
- {step: start, next: [fails, held]}
- {step: fails, type: wait, signal: go, next: {step: a, data: {x: "{{ 1 / 0 }}"}}, on_error: {step: a}}
- {step: held, type: wait, signal: stop, next: {when: "{{ 1 / result > 0 }}", then: a}, on_error: hold}
- {step: a, type: loga, code: x}
$$) > 0, noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: log/taken
workflow:
- {step: a, type: loga, code: x}
$$) > 0, noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: log/taken
workflow:
- {step: a, type: loga, code: x, next: again}
- {step: again, type: wait, signal: [go, stop], next: kept}
- {step: kept, type: wait, signal: more, next: end}
- {step: end, result: ["{{ again }}", "{{ kept }}"]}
$$) > 0;
SELECT noetl.execute('log/taken', version => 1) AS id \gset
SELECT noetl.signal(:id, 'go', '1'), noetl.signal(:id, 'stop', '0', 'two'), noetl.signal(:id, 'more', '3');
SELECT step_name, state FROM noetl.run WHERE execution_id = :id ORDER BY step_name;
SELECT noetl.skip(:id, 'held', '1');
-- A late report that names a kept signal has not taken it.
INSERT INTO noetl.event (execution_id, event_type, node_name, parent_event_id)
SELECT execution_id, 'step_completed', 'fails', event_id FROM noetl.event WHERE execution_id = :id AND event_type = 'signal_received' AND node_name = 'more';
SELECT count(*) FROM noetl.migrate(:id, 2, dry_run => false) WHERE severity = 'error';
SELECT noetl.signal(:id, 'stop', '4', 'two');
SELECT count(*) FROM noetl.migrate(:id, 3, dry_run => false) WHERE severity = 'error';
SELECT name, id, taken FROM noetl.signal WHERE execution_id = :id ORDER BY event_id;
SELECT * FROM noetl.verify(:id);
SELECT pg_temp.done('a');
SELECT step_name, state FROM noetl.run WHERE execution_id = :id ORDER BY step_name;
SELECT noetl.signal(:id, 'stop', '5', 'two'), noetl.signal(:id, 'go', '6');
SELECT pg_temp.ended(:id);

-- What has been completed is undone: steps, and not what looks like one.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: log/undo
workflow:
- {step: a, type: loga, code: x, next: b, compensate: {type: logu, code: x}}
- {step: b, type: logb, code: x, next: end}
- {step: end}
$$) > 0;
SELECT noetl.execute('log/undo') AS id \gset
SELECT pg_temp.done('a');
SELECT pg_temp.forge(:id, 'step_completed', 'a', changes) FROM unnest(ARRAY['{"node_name": null}', '{"node_name": "nobody"}', '{"catalog_id": null}', '{"meta": {"ignored": "by hand"}}']::jsonb[]) changes;
SELECT pg_temp.forge(:id, 'step_completed', 'a', jsonb_build_object('meta', meta || '{"ignored": "by hand"}'))
  FROM noetl.event WHERE execution_id = :id AND event_type = 'step_completed' AND meta ? 'compensate' LIMIT 1;
SELECT noetl.cancel(:id, undo => true);
SELECT node_name, status FROM noetl.queue WHERE execution_id = :id ORDER BY queue_id;
SELECT pg_temp.done('u');
SELECT status FROM noetl.execution WHERE execution_id = :id;
-- The last step of a child that did something says what the child returns.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: log/parent
workflow:
- {step: call, type: playbook, path: log/child, next: end}
- {step: end, result: "{{ call }}"}
$$) > 0;
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: log/child
workflow:
- {step: a, type: loga, code: x, next: r}
- {step: r, tool: router, next: n}
- {step: n, next: [{when: false, step: b}]}
- {step: b, type: logb, code: x}
$$) > 0;
SELECT noetl.execute('log/parent') AS id \gset
SELECT execution_id AS child FROM noetl.execution WHERE parent_execution_id = :id \gset
SELECT pg_temp.forge(:child, 'step_started', 'a', jsonb_build_object('event_type', 'step_completed', 'event_id', :child + (1::bigint << 52) + n, 'result', 7) || changes)
  FROM unnest(ARRAY['{"node_name": null}', '{"node_name": "nobody"}', '{"node_name": "b", "catalog_id": null}', '{"node_name": "b", "meta": {"ignored": "by hand"}}']::jsonb[]) WITH ORDINALITY c (changes, n);
SELECT pg_temp.done('a', '{"a": 1}');
SELECT pg_temp.ended(:id);

-- Items of an iterator that is redriven: those that have ended, as the log says, and nothing
-- else that it says.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: log/items
workflow:
- {step: each, type: iterator, collection: [1, 2, 3], element: n, mode: distributed, concurrency: 3, task: {type: logi, code: x}, next: end}
- {step: end, result: "{{ each }}"}
$$) > 0;
SELECT noetl.execute('log/items') AS id \gset
SELECT current_index, noetl.complete(queue_id, to_jsonb(current_index), 'w') FROM noetl.lease('w', 1, types => '{logi}');
SELECT current_index, noetl.fail(queue_id, 'no', 'w') FROM noetl.lease('w', 1, types => '{logi}');
SELECT status FROM noetl.execution WHERE execution_id = :id;
SELECT DISTINCT regexp_replace(node_id, '^\d+', ''), meta FROM noetl.event WHERE execution_id = :id AND event_type = 'iteration_completed';
SELECT pg_temp.forge(:id, 'iteration_completed', 'each', jsonb_build_object('current_index', 2) || changes)
  FROM (SELECT replace(node_id, '[0]', '[2]') AS node_id, meta FROM noetl.event WHERE execution_id = :id AND event_type = 'iteration_completed' LIMIT 1) e,
       unnest(ARRAY[jsonb_build_object('node_id', node_id, 'meta', meta || '{"ignored": "by hand"}'),
                    jsonb_build_object('node_id', replace(node_id, 'each', 'each#2'), 'meta', meta),
                    jsonb_build_object('node_id', node_id, 'meta', '{}'::jsonb),
                    jsonb_build_object('node_id', replace(node_id, '[2]', '[2000000000]'), 'meta', meta, 'current_index', 2000000000),
                    jsonb_build_object('node_id', replace(node_id, '[2]', '[-1]'), 'meta', meta, 'current_index', -1),
                    jsonb_build_object('node_id', replace(node_id, '[2]', ''), 'meta', meta, 'current_index', -7),
                    jsonb_build_object('node_id', node_id, 'meta', meta, 'node_name', NULL)]) changes;
SELECT noetl.redrive(:id) IS NOT NULL;
SELECT current_index, noetl.complete(queue_id, to_jsonb(current_index), 'w') FROM noetl.lease('w', 3, types => '{logi}') ORDER BY 1;
SELECT status, result FROM noetl.execution WHERE execution_id = :id;

-- Nor does an event count that is older than the iterator, whatever its time says.
SELECT noetl.execute('log/items') AS id \gset
SELECT current_index, noetl.complete(queue_id, to_jsonb(current_index), 'w') FROM noetl.lease('w', 1, types => '{logi}');
SELECT pg_temp.forge(:id, 'iteration_completed', 'each', jsonb_build_object('event_id', 7, 'meta', '{"done": 2, "total": 3, "failed": 0, "started": 3}'::jsonb));
SELECT current_index, noetl.complete(queue_id, to_jsonb(current_index), 'w') FROM noetl.lease('w', 1, types => '{logi}');
SELECT status FROM noetl.execution WHERE execution_id = :id;
SELECT current_index, noetl.complete(queue_id, to_jsonb(current_index), 'w') FROM noetl.lease('w', 1, types => '{logi}');
SELECT status, result FROM noetl.execution WHERE execution_id = :id;
-- A child of an item whose start does not say which, or is gone: its save has no item.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: log/kid
workflow:
- {step: a, type: logk, code: x}
$$) > 0;
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: log/kids
workflow:
- {step: each, type: iterator, collection: [1, 2, 3], element: n, mode: distributed, concurrency: 3, task: {type: playbook, path: log/kid, save: {storage: postgres, auth: x, data: {n: "{{ n }}"}}}, next: end}
- {step: end}
$$) > 0;
SELECT noetl.execute('log/kids') AS id \gset
UPDATE noetl.event SET current_item = NULL WHERE event_type = 'execution_start'
   AND execution_id = (SELECT execution_id FROM noetl.execution WHERE parent_execution_id = :id AND current_index = 1);
SELECT count(noetl.complete(queue_id, '1', 'w')) FROM noetl.lease('w', 3, types => '{logk}');
SELECT current_index, context -> 'n' FROM noetl.queue WHERE execution_id = :id ORDER BY 1;
SELECT noetl.cancel(:id);

-- Events that are gone: of an end that waits for its decision, and all of them.
SELECT noetl.execute('log/undo') AS id \gset
SET noetl.broker = off;
INSERT INTO noetl.event (execution_id, event_type) VALUES (:id, 'execution_cancelled');
RESET noetl.broker;
DELETE FROM noetl.event WHERE execution_id = :id AND event_type = 'execution_cancelled';
SELECT count(*) FROM noetl.pending WHERE execution_id = :id;
SELECT noetl.cancel(:id);
SELECT status FROM noetl.execution WHERE execution_id = :id;
SELECT noetl.execute('log/undo') AS id \gset
DELETE FROM noetl.event WHERE execution_id = :id;
INSERT INTO noetl.event (execution_id, event_type, node_name) VALUES (:id, 'action_started', 'a');
SELECT event_type, meta ->> 'ignored' FROM noetl.event WHERE execution_id = :id;
SELECT count(noetl.cancel(execution_id)) FROM noetl.execution WHERE path LIKE 'log/%' AND status = 'RUNNING';
-- An event whose parent is of no node.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: log/loop
workflow:
- {step: a, type: loga, code: x, next: b}
- {step: b, type: logb, code: x, input: "{{ a }}", next: [{when: "{{ b < 3 }}", step: a}, {else: {step: end}}]}
- {step: end, result: "{{ a }}{{ b }}"}
$$) > 0;
SELECT noetl.execute('log/loop') AS id \gset
SELECT pg_temp.done('a', '1'), pg_temp.done('b', '2');
INSERT INTO noetl.event (execution_id, event_type, status) VALUES (:id, 'note', 'COMPLETED') RETURNING event_id AS note \gset
INSERT INTO noetl.event (execution_id, event_type, node_name, parent_event_id, result) VALUES (:id, 'action_completed', 'a', :note, '5');
SELECT action ->> 'data' FROM noetl.queue WHERE execution_id = :id;
SELECT pg_temp.done('b', '3');
SELECT pg_temp.ended(:id);
SELECT count(noetl.cancel(execution_id)) FROM noetl.execution WHERE path LIKE 'log/%' AND status = 'RUNNING';
DELETE FROM noetl.queue WHERE node_type LIKE 'log%';
-- What was forged is no story of the broker's.
DELETE FROM noetl.event USING noetl.execution x WHERE x.execution_id = event.execution_id AND x.path LIKE 'log/%';
DELETE FROM noetl.execution WHERE path LIKE 'log/%';
