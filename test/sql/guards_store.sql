\pset format unaligned
\pset tuples_only on
\set VERBOSITY terse
SET statement_timeout = '60 s';
-- Rows that are unusual, and rows that users have changed: each means what it says.

-- Types with long names, of several priorities, with keys of fairness and without; types that
-- are asked for twice; ids that nobody hands out.
SELECT noetl.register(format($$
apiVersion: noetl.io/v1
kind: Playbook
path: store/%1$s
%2$s
workflow:
- {step: a, type: %3$s, code: x, priority: "{{ workload.p }}"}
$$, name, fair, rpad('store_', 70, 'x') || type)) > 0
  FROM (VALUES ('plain_a', '', 'a'), ('plain_b', '', 'b'), ('fair_a', 'fairness: {key: "{{ workload.k }}"}', 'a'), ('fair_b', 'fairness: {key: "{{ workload.k }}"}', 'b')) v (name, fair, type);
SELECT count(noetl.execute('store/' || name, jsonb_build_object('p', p, 'k', k)))
  FROM generate_series(1, 2) p, unnest(ARRAY['x', 'y']) k, unnest(ARRAY['plain_a', 'plain_b', 'fair_a', 'fair_b']) name;
CREATE FUNCTION pg_temp.handed_out(most int, types text[]) RETURNS text LANGUAGE sql AS $$
    SELECT string_agg(right(q.node_type, 1) || q.priority || coalesce(q.fair_key, ''), ' ' ORDER BY l.ordinality)
      FROM noetl.lease('w', most, types => (SELECT array_agg(rpad('store_', 70, 'x') || t) FROM unnest(types) t)) WITH ORDINALITY l JOIN noetl.queue q USING (queue_id)
$$;
SET noetl.priority_age = 0;
SELECT pg_temp.handed_out(3, '{a,a}');
SELECT pg_temp.handed_out(3, '{b}');
SELECT pg_temp.handed_out(20, '{b,a,b}');
SELECT pg_temp.handed_out(20, '{a,b}');
SELECT count(noetl.complete(queue_id, '1', 'w')) FROM noetl.queue WHERE worker_id = 'w';
RESET noetl.priority_age;
INSERT INTO noetl.queue (queue_id, execution_id, catalog_id, node_id, node_name, node_type, action)
VALUES (-7, 1, 1, '1:s', 'negative', 'storehand', '{}'), (0, 1, 1, '1:s', 'zero', 'storehand', '{}');
SELECT string_agg(node_name, ' ') FROM noetl.lease('w', 5, types => '{storehand}');
UPDATE noetl.queue SET status = 'queued', worker_id = NULL WHERE node_type = 'storehand';
SELECT string_agg(node_name, ' ') FROM noetl.lease('w', 5, types => '{storehand}');
-- A ready row whose time has not come is not handed out.
UPDATE noetl.queue SET status = 'queued', worker_id = NULL, available_at = now() + interval '1 h' WHERE queue_id = 0;
SELECT count(*) FROM noetl.lease('w', 5, types => '{storehand}');
DELETE FROM noetl.queue WHERE node_type = 'storehand';

-- What a user demands of the columns of a table holds for what the broker writes.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: store/steps
timeout: 3600
workflow:
- {step: a, type: storea, code: x, next: b}
- {step: b, type: storeb, code: x}
$$) > 0;
ALTER TABLE noetl.queue ALTER fair_key SET NOT NULL;
SELECT noetl.execute('store/steps');
ALTER TABLE noetl.queue ALTER fair_key DROP NOT NULL;
SELECT count(*) FROM noetl.execution WHERE path = 'store/steps';

-- The timeout of an execution that begins later runs from then on.
SELECT noetl.execute('store/steps', run_at => clock_timestamp() + interval '0.1 s') AS id \gset
SELECT pg_sleep(0.2), noetl.enqueue_next() >= 0;
SELECT status, deadline - started_at BETWEEN interval '59 min' AND interval '61 min' AS in_an_hour FROM noetl.execution WHERE execution_id = :id;
SELECT * FROM noetl.verify(:id);
-- Meta of a sender that is no object is kept as it is, when the event is ignored, too.
SELECT count(noetl.complete(queue_id, '1', 'w')) FROM noetl.lease('w', types => '{storea}');
INSERT INTO noetl.event (execution_id, event_type, node_name, result, meta) VALUES (:id, 'action_completed', 'a', '2', '[1]'), (:id, 'action_completed', 'a', '3', '"text"'), (:id, 'action_completed', 'a', '4', '{"mine": 1}');
SELECT meta FROM noetl.event WHERE execution_id = :id AND event_type = 'action_completed' ORDER BY event_id;
SELECT * FROM noetl.verify(:id);

-- Signals that come before a step waits for them: one of each id, and those without one.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: store/signals
workflow:
- {step: start, next: a}
- {step: a, type: storea, code: x, next: one}
- {step: one, type: wait, signal: go, next: two}
- {step: two, type: wait, signal: go, next: three}
- {step: three, type: wait, signal: go, next: end}
- {step: end, result: ["{{ one }}", "{{ two }}", "{{ three }}"]}
$$) > 0;
SELECT noetl.execute('store/signals') AS id \gset
SELECT noetl.signal(:id, 'go', '1', 'first'), noetl.signal(:id, 'go', '2', 'first'), noetl.signal(:id, 'go', '3'), noetl.signal(:id, 'stop', '4', 'first'), noetl.signal(:id, 'go', '5', 'second'), noetl.signal(:id, 'go', '6');
INSERT INTO noetl.event (execution_id, event_type, node_name, result, meta) VALUES (:id, 'signal', 'go', '"ignored"', '{"ignored": "by hand"}');
SELECT * FROM noetl.verify(:id);
SELECT count(*) FROM noetl.signal WHERE execution_id = :id;
DELETE FROM noetl.signal WHERE execution_id = :id;
SELECT count(*) FROM noetl.verify(:id);
SELECT noetl.rebuild(:id);
SELECT count(*) FROM noetl.signal WHERE execution_id = :id;
SELECT * FROM noetl.verify(:id);
SELECT count(noetl.complete(queue_id, '1', 'w')) FROM noetl.lease('w', types => '{storea}');
SELECT status, result FROM noetl.execution WHERE execution_id = :id;
SELECT * FROM noetl.verify(:id);

-- A limit that says none lets nothing begin, and one that is set to one lets one.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: store/limited
workflow:
- {step: a, type: storel, code: x, limits: {name: store_guard, concurrency: 5}}
$$) > 0;
SELECT noetl.set_limit('store_guard', 0);
SELECT count(noetl.execute('store/limited')) FROM generate_series(1, 3);
SELECT status, count(*) FROM noetl.queue WHERE node_type = 'storel' GROUP BY 1 ORDER BY 1;
SELECT noetl.set_limit('store_guard', 1);
SELECT noetl.enqueue_next() >= 0;
SELECT status, count(*) FROM noetl.queue WHERE node_type = 'storel' GROUP BY 1 ORDER BY 1;
SELECT noetl.set_limit('store_guard', NULL, '{"limit": 1, "per": "hour"}');
SELECT noetl.enqueue_next() >= 0;
SELECT status, count(*) FROM noetl.queue WHERE node_type = 'storel' GROUP BY 1 ORDER BY 1;
SELECT count(noetl.cancel(execution_id)) FROM noetl.execution WHERE path LIKE 'store/%' AND status = 'RUNNING';
SELECT noetl.set_limit('store_guard');
SELECT count(*) FROM noetl.slot WHERE name = 'store_guard';
DELETE FROM noetl.limit_pace WHERE name = 'store_guard';

-- A pause of tasks whose time is over is none, whoever looks first.
SELECT noetl.execute('store/steps') AS id \gset
SELECT noetl.pause_tasks('store/steps', 'storea', until => clock_timestamp() + interval '0.5 s') >= 0;
SELECT noetl.pause_tasks(type => 'storea', until => clock_timestamp() + interval '0.4 s') >= 0;
SELECT count(*) FROM noetl.lease('w', types => '{storea}');
SELECT pg_sleep(0.7);
SELECT noetl.execute('store/steps') AS later \gset
SELECT count(*) > 0 FROM noetl.lease('w', 5, types => '{storea}');
SELECT count(noetl.cancel(execution_id)) FROM noetl.execution WHERE path LIKE 'store/%' AND status = 'RUNNING';
SELECT v.* FROM noetl.execution x, noetl.verify(x.execution_id) v WHERE x.path LIKE 'store/%';
DELETE FROM noetl.queue WHERE node_type LIKE 'store%';
