-- Retry policies and modes that are templates, and what their numbers come to.
SET client_min_messages = error;
-- Registers "policy/<name>" and starts it.
CREATE FUNCTION pg_temp.begin(name text, rest text, parameters jsonb DEFAULT '{}') RETURNS bigint LANGUAGE sql AS $$
    SELECT noetl.register(E'apiVersion: noetl.io/v1\nkind: Playbook\npath: policy/' || name || E'\n' || rest);
    SELECT noetl.execute('policy/' || name, parameters)
$$;

-- The mode of an iterator is a template, also where the items are executions. One that
-- is unknown is that without a mode, as a worker takes it.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: policy/item
workflow: [{step: a, type: python, code: x}]
$$) > 0 AS registered;
SELECT count(pg_temp.begin('mode_' || mode, $$
workload: {mode: async}
workflow:
- step: each
  type: iterator
  collection: [1, 2, 3]
  element: n
  mode: "{{ workload.mode }}"
  task: {type: playbook, path: policy/item}
$$, jsonb_build_object('mode', mode))) AS started FROM unnest(ARRAY['sequential', 'Async', 'parallel', 'whatever']) AS mode;
SELECT p.path, count(*) AS in_flight FROM noetl.execution p JOIN noetl.execution c ON c.parent_execution_id = p.execution_id
 WHERE p.path LIKE 'policy/mode%' GROUP BY p.path ORDER BY p.path COLLATE "C";
SELECT count(*) AS tasks FROM work();

-- A retry that is a template may be switched off by it.
SELECT pg_temp.begin('off', $$
workload: {retry: false}
workflow: [{step: a, type: python, code: x, retry: "{{ workload.retry }}"}]
$$) > 0 AS started;
SELECT max_attempts FROM noetl.queue;
SELECT step FROM work('{"a": {"fail": "no"}}');

-- Without an initial delay there is none, however many attempts there have been.
SELECT pg_temp.begin('many', $$
workflow: [{step: a, type: python, code: x, retry: {max_attempts: 1100, initial_delay: 0, jitter: false}}]
$$) > 0 AS started;
SELECT count(*) AS attempts FROM work('{"a": {"fail": "no"}}', 1200);
