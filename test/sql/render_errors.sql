-- A template that raises, in each place where a step may have one: the step fails with the
-- error of that template, and its place.
SET client_min_messages = error;
CREATE FUNCTION breaks(step text, answer jsonb DEFAULT '{}') RETURNS TABLE (status text, error text, delays text)
LANGUAGE plpgsql AS $$
DECLARE
    id bigint;
BEGIN
    PERFORM noetl.register(format(E'apiVersion: noetl.io/v1\nkind: Playbook\npath: render/errors\nworkload: {zero: 0}\nworkflow:\n- {step: s, %s}', step));
    id := noetl.execute('render/errors');
    PERFORM work(jsonb_build_object('s', answer), 10);
    RETURN QUERY SELECT x.status, x.error, (SELECT string_agg(meta ->> 'delay', ' ' ORDER BY event_id) FROM noetl.event e WHERE e.execution_id = id AND event_type = 'action_retry')
      FROM noetl.execution x WHERE execution_id = id;
    PERFORM noetl.cancel(id) FROM noetl.execution x WHERE execution_id = id AND x.status = 'RUNNING';
END
$$;

-- The keys of a task.
SELECT key, status, error FROM unnest(ARRAY[
    'code: "{{ 1 / zero }}"', 'url: "{{ 1 / zero }}"', 'data: {a: "{{ 1 / zero }}"}', 'timeout: "{{ 1 / zero }}"', 'queue_timeout: "{{ 1 / zero }}"',
    'timeout: "{{ env.T }}"', 'timeout: "{{ [1] }}"', 'timeout: "{{ -1 + zero }}"', 'timeout: "{{ ''x'' }}"', 'timeout: "{{ none }}"', 'timeout: "{{ '''' }}"',
    'priority: "{{ [1] }}"', 'priority: "{{ ''5'' }}"', 'priority: "{{ ''5x'' }}"', 'priority: "{{ ''nan'' }}"', 'priority: "{{ none }}"', 'priority: "{{ '''' }}"', 'priority: "{{ env.P }}"', 'priority: "{{ true }}"',
    'fairness: {key: k, weight: "{{ [1] }}"}', 'fairness: {key: k, weight: "{{ ''x'' }}"}', 'fairness: {key: k, weight: "{{ none }}"}', 'fairness: {key: "{{ none }}"}',
    'priority: "{{ 1 / zero }}"', 'fairness: {key: "{{ 1 / zero }}"}', 'fairness: {key: k, weight: "{{ 1 / zero }}"}',
    'limits: {name: n, concurrency: 1, key: "{{ 1 / zero }}"}',
    'when: "{{ 1 / zero }}"', 'next: [{when: "{{ 1 / zero }}", then: end}]', 'next: [{then: end, data: {a: "{{ 1 / zero }}"}}]', 'result: "{{ 1 / zero }}"']) key,
    breaks('type: http, ' || key) b;

-- Those of a wait.  What comes first is named.
SELECT key, status, error FROM unnest(ARRAY[
    'signal: "{{ 1 / zero }}"', 'signal: ["{{ 1 / zero }}"]', 'signal: s, key: "{{ 1 / zero }}"', 'for: "{{ 1 / zero }}"', 'until: "{{ 1 / zero }}"',
    'signal: s, timeout: "{{ 1 / zero }}"', 'signal: s, data: {a: "{{ 1 / zero }}"}',
    'signal: "{{ [''''] }}"', 'signal: "{{ [[]] }}"', 'signal: "{{ 1 + zero }}"', 'signal: "{{ ''x'' * 1025 }}"', 'signal: "{{ [''s'', ''x'' * 1025] }}"',
    'signal: s, key: "{{ [1] }}"', 'signal: s, key: "{{ true }}"', 'signal: s, key: "{{ ''x'' * 1025 }}"', 'signal: "{{ [''''] }}", key: "{{ 1 / zero }}"',
    'for: "{{ {} }}"', 'for: "{{ -1 }}"', 'until: "{{ 1 + zero }}"', 'until: "{{ ''soon'' }}"', 'until: "{{ '''' }}"', 'signal: "{{ [] }}"',
    'signal: s, key: "{{ [1] }}", for: "{{ 1 / zero }}"', 'for: "{{ ''x'' }}", until: "{{ 1 / zero }}"']) key,
    breaks('type: wait, ' || key) b;

-- Those of a step that starts a playbook.
SELECT key, status, error FROM unnest(ARRAY[
    'path: "{{ 1 / zero }}"', 'content: "{{ 1 / zero }}"', 'path: none/p, version: "{{ 1 / zero }}"', 'path: none/p, priority: "{{ 1 / zero }}"', 'path: none/p, timeout: "{{ 1 / zero }}"',
    'path: none/p, data: {a: "{{ 1 / zero }}"}', 'path: ""', 'path: "{{ '''' }}"', 'path: none/p, version: 1.5', 'path: none/p, version: -1', 'path: none/p, version: 0', 'path: none/p, version: "{{ -1 }}"', 'path: none/p, version: 2147483648', 'path: none/p, version: 99999999999999999999',
    'path: none/p, version: 1x', 'path: none/p, version: "{{ 2 + zero }}"', 'path: none/p, version: "{{ '''' }}"', 'path: none/p, version: Latest']) key,
    breaks('type: playbook, ' || key) b;

-- Those of an iterator, and of the playbook that it starts for an item.
SELECT key, status, error FROM unnest(ARRAY[
    'collection: "{{ 1 / zero }}"', 'collection: [1], data: {a: "{{ 1 / zero }}"}', 'collection: [1], limit: "{{ 1 / zero }}"', 'collection: [1], chunk: "{{ 1 / zero }}"', 'collection: [1], concurrency: "{{ 1 / zero }}"',
    'collection: [1], timeout: "{{ 1 / zero }}"', 'collection: [1], priority: "{{ 1 / zero }}"', 'collection: [1], where: "{{ 1 / zero }}"', 'collection: [1], order_by: "{{ 1 / zero }}"',
    'collection: [1], limit: -1', 'collection: [1], chunk: "{{ zero }}"', 'collection: [1], concurrency: "{{ zero }}"', 'collection: [1], limit: "{{ 0.5 }}"', 'collection: [1], limit: "{{ ''x'' }}"']) key,
    breaks('type: iterator, mode: async, element: n, task: {type: playbook, path: none/p}, ' || key) b;
SELECT key, status, error FROM unnest(ARRAY[
    'path: "{{ 1 / zero }}"', 'path: "{{ 1 / n }}"', 'content: "{{ 1 / n }}"', 'path: none/p, version: "{{ 1 / n }}"', 'path: none/p, priority: "{{ 1 / n }}"', 'path: none/p, data: {a: "{{ 1 / n }}"}']) key,
    breaks(format('type: iterator, mode: async, element: n, collection: [0], task: {type: playbook, %s}', key)) b;
SELECT key, status, error FROM unnest(ARRAY['code: "{{ 1 / n }}"', 'url: "{{ 1 / n }}"', 'data: {a: "{{ 1 / n }}"}', 'timeout: "{{ 1 / n }}"', 'priority: "{{ 1 / n }}"', 'queue_timeout: "{{ 1 / n }}"', 'limits: {name: n, concurrency: 1, key: "{{ 1 / n }}"}']) key,
    breaks(format('type: iterator, mode: distributed, element: n, collection: [0], task: {type: http, %s}', key)) b;

-- Those of a step that saves, of a save of another step, and of one that executes a statement.
SELECT key, status, error FROM unnest(ARRAY[
    'table: "{{ 1 / zero }}", data: {a: 1}', 'table: t, data: {a: 1}, mode: "{{ 1 / zero }}"', 'table: t, data: {a: 1}, mode: upsert, key: "{{ 1 / zero }}"', 'table: t, data: {a: "{{ 1 / zero }}"}', 'statement: "{{ 1 / zero }}"', 'statement: SELECT 1, params: {a: "{{ 1 / zero }}"}',
    'table: t, data: {a: 1}, mode: "{{ [1] }}"', 'table: "{{ [1] }}", data: {a: 1}', 'table: "{{ 1 / zero }}", mode: upsert, key: "{{ 1 + ''a'' }}", data: {a: 1}', 'table: t, mode: upsert, key: "{{ 1 / zero }}", data: {a: "{{ 1 + ''a'' }}"}', 'table: "{{ 1 / zero }}", mode: "{{ 1 + ''a'' }}", data: {a: 1}', 'table: t, data: {a: 1}, mode: "{{ ''no'' }}"', 'statement: "{{ [1] }}"']) key,
    unnest(ARRAY['type: save, storage: postgres, ', 'type: python, code: x, save: {storage: postgres, ', 'type: save, args: {b: "{{ 1 / zero }}"}, storage: postgres, ']) kind,
    breaks(kind || key || CASE WHEN kind LIKE '%{storage%' THEN '}' ELSE '' END) b;
SELECT key, status, error FROM unnest(ARRAY[
    'statement: "{{ 1 / zero }}"', 'statement: SELECT 1, params: ["{{ 1 / zero }}"]', 'statement: SELECT 1, params: {a: "{{ 1 / zero }}"}', 'statement: SELECT 1, timeout: "{{ 1 / zero }}"', 'statement: SELECT 1, data: {a: "{{ 1 / zero }}"}', 'statement: "{{ [1] }}"']) key,
    unnest(ARRAY['type: sql, ', 'type: iterator, element: n, collection: [1], task: {type: sql, ']) kind,
    breaks(kind || key || CASE WHEN kind LIKE '%{type%' THEN '}' ELSE '' END) b;

-- A retry policy that raises is one that does not repeat; a number of it that raises, or makes
-- no sense, counts as its default.
SELECT key, b.*
  FROM unnest(ARRAY['max_attempts: "{{ 1 / zero }}", initial_delay: 0', 'max_attempts: "{{ ''x'' }}", initial_delay: 0', 'max_attempts: "{{ -1 + zero }}", initial_delay: 0', 'max_attempts: "{{ 2 + zero }}", initial_delay: 0', 'initial_delay: "{{ 1 / zero }}"', 'initial_delay: "{{ ''x'' }}"', 'initial_delay: "{{ -1 + zero }}"', 'initial_delay: "{{ 9 + zero }}"',
    'max_delay: "{{ 1 / zero }}", initial_delay: 70', 'backoff_multiplier: "{{ 1 / zero }}"', 'retry_when: "{{ 1 / zero }}"', 'stop_when: "{{ 1 / zero }}"', 'stop_when: "{{ attempt == 1 }}"', 'stop_when: "{{ attempt == 2 }}"',
    'stop_when: "{{ error == ''no'' }}"', 'retry_when: "{{ error == ''no'' }}"', 'retry_when: "{{ success == false }}"', 'retry_when: "{{ result.a == 1 and response.a == 1 and data == 2 }}"', 'retry_when: "{{ status_code == 3 }}"']) key,
    breaks(format('type: python, code: x, retry: {jitter: false, %s}', key), '{"fail": "no", "result": {"status": "error", "a": 1, "data": 2, "status_code": 3}}') b;
SELECT count(*) FROM noetl.execution x, noetl.verify(x.execution_id) v WHERE path = 'render/errors';
DROP FUNCTION breaks(text, jsonb);
RESET client_min_messages;
