-- An execution that starts its own playbook twice is bounded.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: family/bomb
workflow:
- step: start
  next: [a, b]
- {step: a, type: playbook, path: family/bomb}
- {step: b, type: playbook, path: family/bomb}
$$) > 0 AS registered;
-- Errors are handled, so that nothing but the bound ends it.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: family/deaf
workflow:
- step: each
  type: iterator
  collection: [1, 2]
  element: n
  mode: async
  on_error: continue
  task: {type: playbook, path: family/deaf}
$$) > 0 AS registered;
SET noetl.max_family = 100;
SELECT noetl.execute('family/bomb') > 0 AS started;
SELECT status, error FROM noetl.execution WHERE execution_id = newest('family/bomb') AND parent_execution_id IS NULL;
SELECT count(*) <= 200 AS bounded, count(*) FILTER (WHERE status = 'RUNNING') AS running
  FROM noetl.execution WHERE path = 'family/bomb';
SELECT DISTINCT meta ->> 'refused' AS refused FROM noetl.event
 WHERE event_type = 'execution_start' AND meta ? 'refused';
-- Replayed, it is the same.
SELECT count(*) FROM noetl.execution e, LATERAL noetl.verify(e.execution_id) v WHERE path = 'family/bomb';
SELECT noetl.execute('family/deaf') > 0 AS started;
SELECT count(*) <= 200 AS bounded FROM noetl.execution WHERE path = 'family/deaf';
-- Those that run at the same time.
RESET noetl.max_family;
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: family/wide
workflow:
- step: each
  type: iterator
  collection: "{{ range(30) }}"
  element: n
  mode: async
  concurrency: 30
  on_error: continue
  task:
    type: playbook
    content: "{apiVersion: noetl.io/v1, kind: Playbook, path: family/one, workflow: [{step: a, type: python, code: x}]}"
$$) > 0 AS registered;
SET noetl.max_family_live = 10;
SELECT noetl.execute('family/wide') > 0 AS started;
SELECT status, count(*), min(error) FROM noetl.execution WHERE parent_execution_id = newest('family/wide') GROUP BY status ORDER BY status;
RESET noetl.max_family_live;
SELECT noetl.cancel(newest('family/wide'));

-- A family that is over is forgotten when others are noted.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: family/leaf
workflow:
- {step: end}
$$) > 0 AS registered;
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: family/many
workload: {n: 3}
workflow:
- {step: each, type: iterator, collection: "{{ range(workload.n) }}", element: n, mode: async, concurrency: 50, on_error: continue, task: {type: playbook, path: family/leaf}}
$$) > 0 AS registered;
SET noetl.max_family = 300;
SELECT noetl.execute('family/many') AS id \gset
SELECT count(*) FROM noetl.family WHERE root_id = :id;
SELECT noetl.execute('family/many', '{"n": 900}') AS many \gset
SELECT count(*) FROM noetl.family WHERE root_id = :id;
SELECT status, count(*) FROM noetl.execution WHERE parent_execution_id = :many GROUP BY status ORDER BY status;
-- A session that has found a family full refuses no other one's starts; of a sample each child
-- stands for several.
SET noetl.max_family = 512;
SELECT noetl.execute('family/many', '{"n": 700}') AS full \gset
SELECT noetl.execute('family/many', '{"n": 400}') AS other \gset
SELECT status, count(*) BETWEEN 1 AND 640 AS some FROM noetl.execution WHERE parent_execution_id = :full GROUP BY status ORDER BY status;
SELECT status, count(*) FROM noetl.execution WHERE parent_execution_id = :other GROUP BY status;
RESET noetl.max_family;

-- A session that has found a family full starts its children again when one of the sample has found room.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: family/turns
workflow:
- {step: first, type: wait, signal: first, next: many}
- {step: many, type: iterator, collection: "{{ range(40) }}", element: n, mode: async, concurrency: 40, on_error: continue, task: {type: playbook, path: family/leaf}, next: then}
- {step: then, type: wait, signal: then, next: more}
- {step: more, type: iterator, collection: "{{ range(40) }}", element: n, mode: async, concurrency: 40, on_error: continue, task: {type: playbook, path: family/leaf}}
$$) > 0 AS registered;
SET noetl.max_family_live = 512;
SELECT noetl.execute('family/turns') AS id \gset
RESET noetl.max_family_live;
INSERT INTO noetl.family (root_id, execution_id, weight) VALUES (:id, :id, 1000);
SELECT noetl.signal(:id, 'first');
SELECT count(*) FILTER (WHERE status = 'FAILED') > 0 AS refused FROM noetl.execution WHERE parent_execution_id = :id;
DELETE FROM noetl.family WHERE root_id = :id;
SELECT noetl.signal(:id, 'then');
SELECT count(*), count(*) FILTER (WHERE status = 'COMPLETED') > 0 AS started, coalesce(max(execution_id) FILTER (WHERE status = 'FAILED') < min(execution_id) FILTER (WHERE status = 'COMPLETED'), true) AS again
  FROM (SELECT execution_id, status FROM noetl.execution WHERE parent_execution_id = :id ORDER BY execution_id OFFSET 40) AS of_the_second_turn;
SELECT status FROM noetl.execution WHERE execution_id = :id;
