\pset format unaligned
\pset tuples_only on
\set VERBOSITY terse
SET statement_timeout = '30 s';
-- Which task is meant: of several types, visits, items and versions.
CREATE FUNCTION pg_temp.tasks(which bigint) RETURNS text LANGUAGE sql AS $$
    SELECT string_agg(regexp_replace(node_id, '^\d+:', '') || ' ' || status || coalesce(' visit ' || visit, ''), ', ' ORDER BY node_id) FROM noetl.queue WHERE execution_id = which
$$;
CREATE FUNCTION pg_temp.ended(which bigint) RETURNS text LANGUAGE sql AS $$
    SELECT status || ' ' || coalesce(result::text, error, '') || ' ' || (SELECT count(*) FROM noetl.verify(which)) FROM noetl.execution WHERE execution_id = which
$$;

-- Each type has turns of its own.
SELECT noetl.register(format($$
apiVersion: noetl.io/v1
kind: Playbook
path: queue/fair_%1$s
fairness: {key: "{{ workload.k }}"}
workflow:
- {step: a, type: queue%1$s, code: x}
$$, type)) > 0 FROM unnest('{x,y}'::text[]) type;
SELECT count(noetl.execute('queue/fair_' || type, jsonb_build_object('k', k))) FROM unnest('{x,y}'::text[]) type, unnest('{a,b,c}'::text[]) k;
SELECT fair_key FROM noetl.lease('w', 1, types => '{queuex}');
SELECT fair_key FROM noetl.lease('w', 1, types => '{queuey}');
SELECT fair_key FROM noetl.lease('w', 1, types => '{queuex}');
SELECT fair_key FROM noetl.lease('w', 1, types => '{queuey}');
SELECT count(noetl.cancel(execution_id)) FROM noetl.execution WHERE path LIKE 'queue/%' AND status = 'RUNNING';

-- A pause is over by time: what was ready before comes before the task that a completion makes
-- ready, although the last scan has found nothing.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: queue/line
workflow:
- {step: a, type: queuea, code: x, next: b}
- {step: b, type: queuea, code: x, next: c}
- {step: c, type: queuea, code: x}
$$) > 0;
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: queue/first
workflow:
- {step: first, type: queuef, code: x, priority: 9}
$$) > 0;
DELETE FROM noetl.queue;
SELECT noetl.execute('queue/line') AS id \gset
SELECT noetl.execute('queue/first') AS first \gset
SELECT queue_id AS task FROM noetl.lease('w', 1, types => '{queuea}') \gset
SELECT noetl.pause_tasks(type => 'queuef', until => clock_timestamp() + interval '0.3 s') >= 0;
SELECT queue_id AS task, node_name FROM noetl.complete_and_lease(:task, '1', 'w', types => '{queuea,queuef}') \gset
SELECT :'node_name', pg_sleep(0.35);
SELECT node_name FROM noetl.complete_and_lease(:task, '1', 'w', types => '{queuea,queuef}');
SELECT count(noetl.cancel(execution_id)) FROM noetl.execution WHERE path LIKE 'queue/%' AND status = 'RUNNING';
-- Who waits for work is woken by the end of the first pause, whatever ends later.
DELETE FROM noetl.queue;
SELECT noetl.execute('queue/first') AS first \gset
SELECT noetl.pause_tasks(type => 'queuef', until => clock_timestamp() + interval '0.3 s') >= 0;
SELECT noetl.pause_tasks(type => 'queuea', until => clock_timestamp() + interval '1 h') >= 0;
SELECT clock_timestamp() AS began \gset
CALL noetl.wait_for_work('50 s', '{queuef}');
SELECT clock_timestamp() - :'began' < interval '25 s' AS woken;
SELECT noetl.resume_tasks(type => 'queuea') >= 0;
SELECT count(noetl.cancel(execution_id)) FROM noetl.execution WHERE path LIKE 'queue/%' AND status = 'RUNNING';
DELETE FROM noetl.queue;

-- A step of a loop keeps its visit, and a join what has arrived, in another version.
SELECT noetl.register(format($$
apiVersion: noetl.io/v1
kind: Playbook
path: queue/loop
workflow:
- {step: a, type: queuea, code: x%1$s, join: any, next: b}
- {step: b, type: queueb, code: x, next: [{when: "{{ b < 2 }}", step: a}, {else: {step: end}}]}
- {step: end}
$$, v)) > 0 FROM generate_series(1, 2) v;
SELECT noetl.execute('queue/loop', version => 1) AS id \gset
SELECT count(noetl.complete(queue_id, '1', 'w')) FROM noetl.lease('w', 1, types => '{queuea}');
SELECT count(noetl.complete(queue_id, '1', 'w')) FROM noetl.lease('w', 1, types => '{queueb}');
SELECT pg_temp.tasks(:id);
SELECT count(*) FROM noetl.migrate(:id, 2, dry_run => false) WHERE severity = 'error';
SELECT pg_temp.tasks(:id);
SELECT * FROM noetl.verify(:id);
SELECT count(noetl.complete(queue_id, '1', 'w')) FROM noetl.lease('w', 1, types => '{queuea}');
SELECT count(noetl.complete(queue_id, '2', 'w')) FROM noetl.lease('w', 1, types => '{queueb}');
SELECT pg_temp.ended(:id);
-- So do the items of such a step.
SELECT noetl.register(format($$
apiVersion: noetl.io/v1
kind: Playbook
path: queue/each
workflow:
- {step: each, type: iterator, join: any, mode: distributed, collection: [1, 2], element: n, task: {type: queuea, code: x}, desc: v%1$s, next: b}
- {step: b, type: queueb, code: x, next: [{when: "{{ b < 2 }}", step: each}, {else: {step: end}}]}
- {step: end}
$$, v)) > 0 FROM generate_series(1, 2) v;
SELECT noetl.execute('queue/each', version => 1) AS id \gset
SELECT count(noetl.complete(queue_id, '1', 'w')) FROM noetl.lease('w', 2, types => '{queuea}');
SELECT count(noetl.complete(queue_id, '1', 'w')) FROM noetl.lease('w', 1, types => '{queueb}');
SELECT count(*) FROM noetl.migrate(:id, 2, dry_run => false) WHERE severity = 'error';
SELECT * FROM noetl.verify(:id);
SELECT count(noetl.complete(queue_id, '1', 'w')) FROM noetl.lease('w', 2, types => '{queuea}');
SELECT count(noetl.complete(queue_id, '2', 'w')) FROM noetl.lease('w', 1, types => '{queueb}');
SELECT pg_temp.ended(:id);
SELECT noetl.register(format($$
apiVersion: noetl.io/v1
kind: Playbook
path: queue/join
workflow:
- {step: start, next: [%2$s]}
%3$s
- {step: j%1$s, type: queuej, code: x, next: end}
- {step: end, result: "{{ j%1$s }}"}
$$, v, (SELECT string_agg(s || i, ', ') FROM generate_series(1, 12) i),
    (SELECT string_agg(format('- {step: %s%s, type: queues, code: x, next: j%s}', s, i, v), E'\n') FROM generate_series(1, 12) i))) > 0 FROM (VALUES (1, 's'), (2, 't')) v (v, s);
SELECT noetl.execute('queue/join', version => 1) AS id \gset
SELECT count(noetl.complete(queue_id, '1', 'w')) FROM noetl.lease('w', 10, types => '{queues}');
SELECT count(*) FROM noetl.arrival WHERE execution_id = :id;
SELECT count(*) FROM noetl.migrate(:id, 2, (SELECT jsonb_object_agg('s' || i, 't' || i) FROM generate_series(1, 12) i) || '{"j1": "j2"}', dry_run => false) WHERE severity = 'error';
SELECT count(*) FROM noetl.arrival WHERE execution_id = :id;
SELECT * FROM noetl.verify(:id);
SELECT count(noetl.complete(queue_id, '1', 'w')) FROM noetl.lease('w', 10, types => '{queues}');
SELECT count(noetl.complete(queue_id, '5', 'w')) FROM noetl.lease('w', 10, types => '{queuej}');
SELECT pg_temp.ended(:id);
SELECT count(*) FROM noetl.arrival WHERE execution_id = :id;

-- Two visits of an iterator at the same time, beside many tasks: an item that fails ends its
-- own visit; a report without a visit is about the oldest.
SELECT noetl.register(format($$
apiVersion: noetl.io/v1
kind: Playbook
path: queue/visits
workflow:
- {step: start, next: [a, b, %1$s]}
- {step: a, type: queuea, code: x, next: each}
- {step: b, type: queueb, code: x, next: mid}
- {step: mid, type: queueb, code: x, next: each}
%2$s
- {step: each, type: iterator, join: each, collection: [1, 2, 3], element: n, mode: distributed, concurrency: 3, on_error: hold, task: {type: queuei, code: x}, next: end}
- {step: end}
$$, (SELECT string_agg('s' || i, ', ') FROM generate_series(1, 12) i), (SELECT string_agg(format('- {step: s%s, type: queues, code: x}', i), E'\n') FROM generate_series(1, 12) i))) > 0;
SELECT noetl.execute('queue/visits') AS id \gset
SELECT count(noetl.complete(queue_id, '1', 'w')) FROM noetl.lease('w', 1, types => '{queuea}');
SELECT count(noetl.complete(queue_id, '1', 'w')) FROM noetl.lease('w', 1, types => '{queueb}');
SELECT count(noetl.complete(queue_id, '1', 'w')) FROM noetl.lease('w', 1, types => '{queueb}');
SELECT string_agg(regexp_replace(node_id, '^\d+:', ''), ' ' ORDER BY node_id) FROM noetl.queue WHERE execution_id = :id AND node_type = 'queuei';
SELECT * FROM noetl.verify(:id);
SELECT regexp_replace(node_id, '^\d+:', ''), noetl.complete(queue_id, '1', 'w') FROM noetl.lease('w', 1, types => '{queuei}');
INSERT INTO noetl.event (execution_id, event_type, node_name, current_index, result) VALUES (:id, 'action_completed', 'each', 1, '7');
SELECT string_agg(regexp_replace(node_id, '^\d+:', ''), ' ' ORDER BY node_id) FROM noetl.queue WHERE execution_id = :id AND node_type = 'queuei';
SELECT regexp_replace(node_id, '^\d+:', ''), noetl.fail(queue_id, 'no', 'w') FROM noetl.lease('w', 1, types => '{queuei}');
SELECT string_agg(regexp_replace(node_id, '^\d+:', ''), ' ' ORDER BY node_id) FROM noetl.queue WHERE execution_id = :id AND node_type = 'queuei';
SELECT * FROM noetl.verify(:id);
SELECT noetl.cancel(:id);
DELETE FROM noetl.queue WHERE node_type LIKE 'queue%';

-- Workers that ask for other types each time leave nothing in the memory of their session.
SELECT count(l.queue_id) FROM generate_series(1, 10) AS n, noetl.lease('w', 1, types => ARRAY(SELECT 'queue none ' || i % 2 || n FROM generate_series(1, 60) AS i)) AS l;
SELECT used_bytes AS used FROM pg_backend_memory_contexts WHERE name = 'TopMemoryContext' \gset
SELECT count(l.queue_id) FROM generate_series(1, 2000) AS n, noetl.lease('w', 1, types => ARRAY(SELECT 'queue none ' || i % 2 || n FROM generate_series(1, 60) AS i)) AS l;
SELECT used_bytes - :used < 300000 AS bounded FROM pg_backend_memory_contexts WHERE name = 'TopMemoryContext';
