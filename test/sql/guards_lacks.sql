-- Stories of guards about what is not told: what an event that tells little belongs to,
-- which of several errors is told, and what a start gets that asks for nothing.

-- An event that says which event it follows, but not which visit it is about, belongs to the
-- visit that is open.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: lacks/place
workflow:
- {step: s, type: wait, signal: never}
$$) > 0 AS registered;
SELECT noetl.execute('lacks/place') AS id \gset
INSERT INTO noetl.event (execution_id, event_type, node_name, parent_event_id) SELECT :id, 'step_completed', 's', max(event_id) FROM noetl.event WHERE execution_id = :id AND event_type = 'step_started';
SELECT event_type, node_id = :id || ':s' AS of_the_visit, node_type FROM noetl.event WHERE execution_id = :id AND event_type = 'step_completed' AND node_name = 's';
SELECT * FROM noetl.verify(:id);

-- Of the errors of a save the first is told, and what comes after it is not looked at.
SELECT noetl.register(format($$
apiVersion: noetl.io/v1
kind: Playbook
path: lacks/save/%s
workflow:
- {step: s, type: python, code: x, save: {storage: postgres, %s}}
$$, number, save)) > 0 AS registered
  FROM (VALUES (1, 'table: "{{ 1 / 0 }}", data: {a: "{{ 1 % 0 }}"}'),
               (2, 'table: "{{ 1 / 0 }}", key: "{{ 1 % 0 }}", data: {a: 1}'),
               (3, 'table: "t", key: "{{ 1 / 0 }}", data: {a: "{{ 1 % 0 }}"}'),
               (4, 'mode: "{{ ''none'' }}", table: "{{ 1 / 0 }}", data: {a: 1}')) AS s (number, save);
SELECT noetl.execute(path) > 0 AS started FROM (SELECT DISTINCT path FROM noetl.catalog WHERE path LIKE 'lacks/save/%' ORDER BY 1) c;
SELECT step FROM work();
SELECT path, error FROM noetl.execution WHERE path LIKE 'lacks/save/%' ORDER BY 1;

-- What is over is not cancelled when another execution takes its key.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: lacks/key
workflow:
- {step: s, type: noop}
$$) > 0 AS registered;
SELECT noetl.execute('lacks/key', key => 'lacks') AS id \gset
SELECT status FROM noetl.execution WHERE execution_id = :id;
SELECT noetl.execute('lacks/key', key => 'lacks', on_conflict => 'replace') <> :id AS another;
SELECT count(*) AS cancelled FROM noetl.event WHERE execution_id = :id AND event_type = 'execution_cancelled';

-- The priority of a playbook counts for a start that asks for none, whatever was asked before.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: lacks/priority
priority: 7
workflow:
- {step: s, type: python, code: x}
$$) > 0 AS registered;
INSERT INTO noetl.event (event_type, context)
SELECT 'execution_start', jsonb_build_object('path', 'lacks/priority') || CASE n % 2 WHEN 1 THEN '{"priority": 3}' ELSE '{}' END::jsonb FROM generate_series(1, 4) n;
SELECT q.priority, count(*) FROM noetl.queue q JOIN noetl.execution USING (execution_id) WHERE path = 'lacks/priority' GROUP BY 1 ORDER BY 1;

SELECT count(noetl.cancel(execution_id)) FROM noetl.execution WHERE path LIKE 'lacks/%' AND status = 'RUNNING';
