-- Child playbooks: a step that is an execution of its own.
CREATE FUNCTION family(playbook text)
RETURNS TABLE (who text, event text, node text, status text, note text)
LANGUAGE sql AS $$
    WITH RECURSIVE member AS (
        SELECT execution_id, path FROM noetl.execution WHERE execution_id = newest(playbook)
        UNION ALL
        SELECT x.execution_id, x.path FROM noetl.execution x JOIN member m ON x.parent_execution_id = m.execution_id
    )
    SELECT m.path, e.event_type, nullif(regexp_replace(e.node_id, '^\d+:?', ''), ''), e.status,
           concat_ws(' | ', e.error, e.meta ->> 'kind', 'ignored: ' || (e.meta ->> 'ignored'),
                     CASE WHEN e.event_type = 'action_retry' THEN 'delay ' || (e.meta ->> 'delay') END,
                     CASE WHEN e.event_type ~ '^(execution|action|iterator)_complete'
                          THEN regexp_replace(e.result::text, '\d{15,}', '<id>', 'g') END)
      FROM member m JOIN noetl.event e USING (execution_id)
     ORDER BY e.created_at, e.event_id
$$;
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
metadata: {path: children/double}
workload: {x: 0, deep: {a: 1, b: 2}}
workflow:
- {step: start, next: calc}
- {step: calc, type: python, code: x, args: {x: "{{ x }}", deep: "{{ deep }}"}, next: end}
- {step: end, result: {y: "{{ calc.y }}"}}
$$) > 0 AS registered;

-- The step is open until the child is over.  Its input is all the child gets,
-- laid over the child's own workload; the parent's workload stays at home.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
metadata: {path: children/parent}
workload: {x: 99, secret: s}
workflow:
- {step: start, next: {step: call, args: {x: 5}}}
- step: call
  tool: {kind: playbook, path: children/double}
  args: {deep: {b: "{{ '{{' }} no template {{ '}}' }}"}}
  next: {when: "{{ result.y == 10 }}", then: end}
- {step: end, result: "{{ call.y }} {{ call.data.y }}"}
$$) > 0 AS registered;
SELECT noetl.execute('children/parent') > 0 AS started;
SELECT state, step_name, context - 'child_execution_id' AS context FROM noetl.run;
SELECT data FROM noetl.workload WHERE execution_id = newest('children/double');
SELECT step, input FROM work('{"calc": {"y": 10}}');
SELECT * FROM family('children/parent');
SELECT count(*) FROM noetl.run;
-- Who belongs to whom.
SELECT c.depth, c.started_by = current_user::regrole AS by_the_same, p.event_type AS parent_event, p.node_name,
       (p.context ->> 'child_execution_id')::bigint = c.execution_id AS named
  FROM noetl.execution c JOIN noetl.event p ON p.execution_id = c.parent_execution_id AND p.event_id = c.parent_event_id
 WHERE c.execution_id = newest('children/double');

-- A child without a result: the value of return_step.  A child that needs no
-- worker is over before its parent's transaction goes on.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
metadata: {path: children/silent}
workflow:
- {step: start, next: note}
- {step: note, type: python, code: x}
$$) > 0 AS registered;
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
metadata: {path: children/at_once}
workflow:
- {step: start, next: end}
- {step: end, result: done}
$$) > 0 AS registered;
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
metadata: {path: children/two}
workflow:
- {step: start, next: [a, b]}
- {step: a, type: playbook, resource_path: children/silent, return_step: "{{ 'no' ~ 'te' }}", next: end}
- {step: b, type: playbook, playbook_path: children/at_once, next: end}
- {step: end, result: ["{{ a.noted }}", "{{ b }}"]}
$$) > 0 AS registered;
SELECT noetl.execute('children/two') > 0 AS started;
SELECT step FROM work('{"note": {"noted": 7}}');
SELECT status, result FROM noetl.execution WHERE execution_id = newest('children/two');

-- A playbook written inside the step, as text or as a map; its templates are
-- its own.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
metadata: {path: children/inline}
workflow:
- {step: start, next: as_map}
- step: as_map
  type: playbook
  content: {apiVersion: noetl.io/v1, kind: Playbook, name: children/within, workflow: [{step: end, result: 1}]}
  next: as_text
- step: as_text
  type: playbook
  args: {n: 2}
  content: |
    apiVersion: noetl.io/v1
    kind: Playbook
    workload: {n: 0}
    workflow:
    - {step: end, result: "{{ workload.n }}"}
  next: broken
- {step: broken, type: playbook, content: "workflow: [", on_error: continue, next: end}
- {step: end, result: ["{{ as_map }}", "{{ as_text }}", "{{ broken.error }}"]}
$$) > 0 AS registered;
SELECT noetl.execute('children/inline') > 0 AS started;
SELECT status, jsonb_pretty(result) FROM noetl.execution WHERE execution_id = newest('children/inline');
SELECT path, version FROM noetl.catalog WHERE path LIKE 'children/inline#%' OR path = 'children/within' ORDER BY path;

-- Another version than the newest; one that does not exist.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
metadata: {path: children/at_once}
workflow: [{step: end, result: newer}]
$$) > 0 AS registered;
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
metadata: {path: children/versions}
workflow:
- {step: start, next: first}
- {step: first, type: playbook, path: children/at_once, version: 1, next: newest}
- {step: newest, type: playbook, path: children/at_once, version: latest, next: third}
- {step: third, type: playbook, path: children/at_once, version: 3, on_error: continue, next: end}
- {step: end, result: ["{{ first }}", "{{ newest }}", "{{ third.error }}"]}
$$) > 0 AS registered;
SELECT noetl.execute('children/versions') > 0 AS started;
SELECT status, result FROM noetl.execution WHERE execution_id = newest('children/versions');

-- A child that fails is a failed attempt: it is repeated by a new child.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
metadata: {path: children/retry}
workflow:
- {step: start, next: call}
- step: call
  type: playbook
  path: children/double
  retry: {max_attempts: 3, initial_delay: 0, jitter: false}
  on_error: [{when: "{{ error }}", then: [handler]}]
  next: end
- {step: handler, next: end}
- {step: end, result: "{{ call.y }}"}
$$) > 0 AS registered;
SELECT noetl.execute('children/retry') > 0 AS started;
SELECT step FROM work('{"calc": {"fail": "no"}}', 2);
SELECT step FROM work('{"calc": {"y": 3}}');
SELECT * FROM family('children/retry') WHERE who = 'children/retry';
SELECT noetl.execute('children/retry') > 0 AS started;
SELECT step FROM work('{"calc": {"fail": "never"}}');
SELECT * FROM family('children/retry') WHERE who = 'children/retry';
-- With a delay it waits in noetl.run, and enqueue_next() takes it up.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
metadata: {path: children/later}
workflow:
- {step: start, next: call}
- {step: call, type: playbook, path: children/double, retry: {initial_delay: 0.05, jitter: false}, next: end}
- {step: end}
$$) > 0 AS registered;
SELECT noetl.execute('children/later') > 0 AS started;
SELECT step FROM work('{"calc": {"fail": "once"}}', 1);
SELECT state, attempts, due_at > (SELECT max(created_at) FROM noetl.event) AS later FROM noetl.run;
SELECT pg_sleep(0.1);
SELECT noetl.enqueue_next() AS enqueued;
SELECT step FROM work('{"calc": {"y": 3}}');
SELECT * FROM family('children/later') WHERE who = 'children/later';

-- Cancelling goes down; what the cancelled ones report is ignored.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
metadata: {path: children/grand}
workflow:
- {step: start, next: [other, call]}
- {step: call, type: playbook, path: children/parent, next: end}
- {step: other, type: python, code: x, next: end}
- {step: end}
$$) > 0 AS registered;
SELECT noetl.execute('children/grand') > 0 AS started;
SELECT queue_id AS calc FROM noetl.lease('w', 2, types => '{python}') WHERE node_name = 'calc' \gset
SELECT noetl.cancel(newest('children/grand'), 'enough');
SELECT noetl.heartbeat(:calc, 'w');
SELECT noetl.complete(:calc, '{"y": 1}', 'w');
SELECT path, status, error FROM noetl.execution WHERE execution_id >= newest('children/grand') ORDER BY execution_id;
SELECT count(*) FROM noetl.run;
-- So does failing.
SELECT noetl.execute('children/grand') > 0 AS started;
SELECT step, reported FROM work('{"other": {"fail": "bad luck"}}', 1);
SELECT path, status, error FROM noetl.execution WHERE execution_id >= newest('children/grand') ORDER BY execution_id;
-- A child that is cancelled by itself fails its parent's step.
SELECT noetl.execute('children/parent') > 0 AS started;
SELECT noetl.cancel(newest('children/double'), 'not this one');
SELECT * FROM family('children/parent');

-- A worker may start executions itself and say so: the step stays open until
-- they are over, and takes them along when it is cancelled.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
metadata: {path: children/spawning}
workflow:
- {step: start, type: python, code: x, next: end}
- {step: end, result: "{{ start.n }}"}
$$) > 0 AS registered;
SELECT noetl.execute('children/spawning') AS parent \gset
SELECT queue_id AS task FROM noetl.lease('w') \gset
SELECT noetl.execute('children/double') AS one \gset
SELECT noetl.execute('children/double') AS two \gset
INSERT INTO noetl.event (execution_id, event_type, node_name, current_index, context, worker_id)
SELECT :parent, 'iteration_started', 'start', i, jsonb_build_object('index', i, 'child_execution_id', c), 'w'
  FROM (VALUES (0, :one), (1, :two)) v (i, c);
SELECT step FROM work('{"calc": {"y": 1}}', 1);
SELECT noetl.complete(:task, '{"n": 5}', 'w');
SELECT noetl.status(:parent) -> 'live' AS live;
SELECT step FROM work('{"calc": {"y": 2}}', 1);
SELECT * FROM family('children/spawning') WHERE who = 'children/spawning';
SELECT noetl.execute('children/spawning') AS parent \gset
SELECT queue_id AS task FROM noetl.lease('w') \gset
SELECT noetl.execute('children/double') AS one \gset
INSERT INTO noetl.event (execution_id, event_type, node_name, context, worker_id)
SELECT :parent, 'loop_iteration', 'start', jsonb_build_object('child_execution_id', :one), 'w';
SELECT noetl.cancel(:parent);
SELECT path, status FROM noetl.execution WHERE execution_id >= :parent ORDER BY execution_id;

-- Children of children of children … end somewhere.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
metadata: {path: children/endless}
workflow: [{step: start, next: again}, {step: again, type: playbook, path: children/endless, next: end}, {step: end}]
$$) > 0 AS registered;
SET noetl.max_depth = 5;
SELECT noetl.execute('children/endless') AS first \gset
RESET noetl.max_depth;
SELECT status, count(*), max(depth) FROM noetl.execution WHERE path = 'children/endless' GROUP BY status;
SELECT error FROM noetl.execution WHERE execution_id = :first;
SELECT count(*) FROM noetl.run;

-- What is saved of a child's result is a task of its own; the result stays.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
metadata: {path: children/saved}
workflow:
- {step: start, next: call}
- step: call
  type: playbook
  path: children/at_once
  args: {x: 1}
  save: {storage: postgres, auth: elsewhere, table: t, data: {v: "{{ result }}", w: "{{ workload.absent }}"}}
  next: end
- {step: end, result: "{{ call }}"}
$$) > 0 AS registered;
SELECT noetl.execute('children/saved') > 0 AS started;
SELECT node_name, node_type, action, context FROM noetl.queue;
SELECT step FROM work('{"call": {"saved": 1}}');
SELECT * FROM family('children/saved') WHERE who = 'children/saved';
SELECT count(*) FROM noetl.run;
-- Those who worked in vain have not said so yet.
DELETE FROM noetl.queue;

-- Executions that are no items: one that the worker of an item started, and one
-- that names the iterator as its parent.
SELECT noetl.register('
apiVersion: noetl.io/v1
kind: Playbook
path: test/stranger
workflow:
- {step: act, type: python, code: x}
') > 0 AS registered, noetl.register('
apiVersion: noetl.io/v1
kind: Playbook
path: test/strangers
workflow:
- {step: each, type: iterator, collection: [1, 2], element: n, mode: distributed, task: {type: http, url: x}, next: end}
- {step: end, result: "{{ each }}"}
') > 0 AS registered_too;
SELECT noetl.execute('test/strangers') AS x, noetl.execute('test/stranger') AS c \gset
INSERT INTO noetl.event (execution_id, event_type, node_name, node_id, current_index, context)
VALUES (:x, 'iteration_started', 'each', :'x' || ':each[0]', 0, jsonb_build_object('child_execution_id', :c));
SELECT meta FROM noetl.event WHERE execution_id = :x AND node_name = 'each' AND context ->> 'child_execution_id' = :'c';
INSERT INTO noetl.event (event_type, context, parent_execution_id, parent_event_id, current_index)
SELECT 'execution_start', '{"path": "test/stranger"}', :x, event_id, 1
  FROM noetl.event WHERE execution_id = :x AND event_type = 'step_started';
SELECT noetl.complete(queue_id, '"stranger"', 'w') FROM noetl.lease('w', 2, '1 min', ARRAY['python']);
SELECT noetl.complete(queue_id, to_jsonb(current_index), 'w') FROM noetl.lease('w', 2, '1 min', ARRAY['http']);
SELECT status, result FROM noetl.execution WHERE execution_id = :x;
SELECT * FROM noetl.verify(:x);
