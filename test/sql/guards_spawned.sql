\pset format unaligned
\pset tuples_only on
\set VERBOSITY terse
SET statement_timeout = '60 s';
-- An execution whose worker has started others, of which one has completed, is redriven: its
-- step waits for the others again.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: spawn/parent
workflow:
- {step: start, type: spawnp, code: x, next: end}
- {step: end, result: "{{ start.n }}"}
$$) > 0 AND noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: spawn/child
workflow:
- {step: one, type: spawnc, code: x, next: two}
- {step: two, type: spawnd, code: x}
$$) > 0;
CREATE FUNCTION pg_temp.family(which bigint) RETURNS text LANGUAGE sql AS $$
    SELECT string_agg(path || ' ' || status, ', ' ORDER BY execution_id) FROM noetl.execution WHERE which IN (execution_id, parent_execution_id)
$$;
SELECT noetl.execute('spawn/parent') AS parent \gset
SELECT queue_id AS task FROM noetl.lease('w', types => '{spawnp}') \gset
SELECT noetl.execute('spawn/child') AS one \gset
SELECT noetl.execute('spawn/child') AS two \gset
INSERT INTO noetl.event (execution_id, event_type, node_name, current_index, context, worker_id)
SELECT :parent, 'iteration_started', 'start', i, jsonb_build_object('index', i, 'child_execution_id', c), 'w'
  FROM (VALUES (0, :one), (1, :two)) v (i, c);
SELECT noetl.complete(:task, '{"n": 5}', 'w');
SELECT count(noetl.complete(queue_id, '1', 'w')) FROM noetl.lease('w', 2, types => '{spawnc}');
SELECT count(noetl.complete(queue_id, '1', 'w')) FROM noetl.lease('w', 1, types => '{spawnd}');
SELECT pg_temp.family(:parent);
SELECT noetl.cancel(:parent);
SELECT pg_temp.family(:parent);
SELECT noetl.redrive(:parent);
SELECT pg_temp.family(:parent);
SELECT count(noetl.complete(queue_id, '1', 'w')) FROM noetl.lease('w', 1, types => '{spawnd}');
SELECT pg_temp.family(:parent);
SELECT event_type, node_name FROM noetl.event WHERE execution_id = :parent AND event_type LIKE 'step%' ORDER BY event_id;
SELECT x.path, v.* FROM noetl.execution x, noetl.verify(x.execution_id) v WHERE x.path LIKE 'spawn/%';

-- What the items of one iterator have done says nothing of those of another one beside it.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: spawn/items
workflow:
- {step: start, next: [each, other]}
- {step: each, type: iterator, collection: [1, 2, 3], element: n, mode: distributed, concurrency: 3, task: {type: spawne, code: x}}
- {step: other, type: iterator, collection: [1, 2, 3], element: n, mode: distributed, concurrency: 3, task: {type: spawno, code: x}}
$$) > 0;
SELECT noetl.execute('spawn/items') AS id \gset
SELECT count(noetl.complete(queue_id, '1', 'w')) FROM noetl.lease('w', 3, types => '{spawno}');
SELECT current_index, noetl.fail(queue_id, 'no', 'w') FROM noetl.lease('w', 1, types => '{spawne}');
SELECT status FROM noetl.execution WHERE execution_id = :id;
SELECT noetl.redrive(:id);
SELECT current_index, noetl.complete(queue_id, '1', 'w') FROM noetl.lease('w', 3, types => '{spawne}') ORDER BY 1;
SELECT status FROM noetl.execution WHERE execution_id = :id;
SELECT * FROM noetl.verify(:id);

-- An execution that a client starts is no item of an iterator, whatever its start says.
SELECT noetl.register(E'apiVersion: noetl.io/v1\nkind: Playbook\npath: spawn/item\nworkflow: [{step: a, type: spawni, code: x}]') AS item \gset
SELECT noetl.register(format(E'apiVersion: noetl.io/v1\nkind: Playbook\npath: spawn/%s\nworkflow:\n- {step: each, type: iterator, collection: [1, 2], element: n, mode: distributed, task: %s, next: end}\n- {step: end, result: "{{ each }}"}', name, task)) > 0
  FROM (VALUES ('tasks', '{type: spawni, code: x}'), ('children', '{type: playbook, path: spawn/item}')) AS t(name, task);
CREATE FUNCTION pg_temp.claim(parent bigint) RETURNS bigint LANGUAGE sql AS $$
    INSERT INTO noetl.event (execution_id, event_type, node_name, parent_execution_id, parent_event_id, current_index, meta, context, catalog_id)
    SELECT noetl.next_id(), 'execution_start', 'spawn/item', e.execution_id, e.event_id, 0, '{"attempt": 1, "mine": 2}', '{"path": "spawn/item"}', max(c.catalog_id)
      FROM noetl.event e, noetl.catalog c WHERE e.execution_id = parent AND e.event_type = 'step_started' AND c.path = 'spawn/item'
     GROUP BY e.execution_id, e.event_id
    RETURNING execution_id
$$;
SELECT noetl.execute('spawn/tasks') AS tasks \gset
SELECT pg_temp.claim(:tasks) AS claimed \gset
SELECT count(*) FROM noetl.lease('w', 9, types => '{spawni}');
SELECT noetl.complete(queue_id, 'null', 'w') FROM noetl.queue WHERE execution_id = :claimed;
SELECT count(noetl.complete(queue_id, '"own"', 'w')) FROM noetl.queue WHERE worker_id = 'w' AND execution_id = :tasks;
SELECT status, result FROM noetl.execution WHERE execution_id = :tasks;
SELECT noetl.execute('spawn/children') AS children \gset
SELECT pg_temp.claim(:children) AS claimed \gset
SELECT count(*) FROM noetl.lease('w', 9, types => '{spawni}');
SELECT noetl.complete(queue_id, '"claimed"', 'w') FROM noetl.queue WHERE execution_id = :claimed;
SELECT current_index, result FROM noetl.event WHERE execution_id = :children AND event_type = 'iteration_completed';
SELECT count(noetl.complete(queue_id, '"own"', 'w')) FROM noetl.queue WHERE worker_id = 'w' AND node_type = 'spawni';
SELECT status, result FROM noetl.execution WHERE execution_id = :children;
SELECT meta -> 'attempt', meta -> 'mine' FROM noetl.event WHERE execution_id = :claimed AND event_type = 'execution_start';
SELECT x.path, v.* FROM noetl.execution x, noetl.verify(x.execution_id) v WHERE x.path LIKE 'spawn/%';

-- Whoever reports what a trigger of a user has deleted is told so.
SELECT noetl.execute('spawn/parent') AS parent \gset
SELECT count(*) FROM noetl.lease('w', types => '{spawnp}');
SELECT noetl.execute('spawn/child') AS one \gset
CREATE FUNCTION pg_temp.gone() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM noetl.execution WHERE path = 'spawn/child' AND status = 'RUNNING';
    RETURN new;
END $$;
CREATE TRIGGER gone BEFORE INSERT ON noetl.event FOR EACH ROW WHEN (new.event_type = 'execution_adopted') EXECUTE FUNCTION pg_temp.gone();
CREATE FUNCTION pg_temp.spawned(parent bigint, child bigint) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO noetl.event (execution_id, event_type, node_name, context, worker_id)
    VALUES (parent, 'loop_iteration', 'start', jsonb_build_object('child_execution_id', child), 'w');
    RETURN 'adopted';
EXCEPTION WHEN OTHERS THEN
    RETURN replace(SQLERRM, child::text, 'of the child');
END $$;
SELECT pg_temp.spawned(:parent, :one);
DROP TRIGGER gone ON noetl.event;
SELECT pg_temp.spawned(:parent, :one);
SELECT pg_temp.family(:parent);
SELECT noetl.cancel(:parent);
DELETE FROM noetl.queue WHERE node_type LIKE 'spawn%';
