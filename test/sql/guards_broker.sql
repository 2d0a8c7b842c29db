-- Stories of guards of the broker, each of which turns red when its guard is missing; see
-- "Guards" in doc/guarantees.md.

-- The error that a retry policy sees is null after a success; job names the step and its visit.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: broker/again
workflow:
- {step: a, type: python, code: x, data: {node: "{{ job.node_id }}"}, retry: {max_attempts: 2, initial_delay: 0, jitter: false, retry_when: "{{ error is none and attempt < 2 }}"}}
$$) > 0 AS registered;
SELECT noetl.execute('broker/again') AS id \gset
SELECT action #>> '{data,node}' = node_id AS its_own FROM noetl.queue WHERE execution_id = :id;
SELECT step FROM work();
SELECT count(*) FROM noetl.event WHERE execution_id = :id AND event_type = 'action_completed';

-- In an exclusive list an entry whose own else is taken is the one that matches.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: broker/exclusive
workflow:
- {step: start, next_mode: exclusive, next: [{when: "{{ 1 > 2 }}", then: a, else: b}, {step: c}]}
- {step: a, type: python, code: x}
- {step: b, type: python, code: x}
- {step: c, type: python, code: x}
$$) > 0 AS registered;
SELECT noetl.execute('broker/exclusive') > 0 AS started;
SELECT step FROM work();

-- Of the envelope of a step the worker gets all but the data, whose value it has.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: broker/envelope
workflow:
- {step: a, type: python, code: x, next: b}
- {step: b, type: python, code: x, data: {home: "{{ env.HOME }}"}, save: {storage: http, url: "{{ a }}"}}
$$) > 0 AS registered;
SELECT noetl.execute('broker/envelope') AS id \gset
SELECT step FROM work('{"a": {"status": "success", "data": 1, "rows": 2, "note": "n"}}', 1);
SELECT context -> '_steps' AS steps, context -> 'a' AS a FROM noetl.queue WHERE execution_id = :id;
SELECT noetl.cancel(:id);

-- What only a worker can render makes none of the other keys of the workload the worker's.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: broker/left
workload: {home: "{{ env.HOME }}", other: x}
workflow:
- {step: start, next: [{when: "{{ other == '{' ~ '{ env.HOME }' ~ '}' }}", then: a}, {else: b}]}
- {step: a, type: python, code: x}
- {step: b, type: python, code: x}
$$) > 0 AS registered;
SELECT noetl.execute('broker/left', '{"other": "{{ env.HOME }}"}') > 0 AS started;
SELECT step FROM work();

-- A child whose path is null when it starts is an error of its step.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: broker/no_path
workload: {path: null}
workflow:
- {step: a, type: playbook, path: "{{ workload.path }}"}
$$) > 0 AS registered;
SELECT noetl.execute('broker/no_path') AS id \gset
SELECT status, error FROM noetl.execution WHERE execution_id = :id;

-- A statement of an item whose template raises fails that item, with the template's error.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: broker/items
workflow:
- {step: each, type: iterator, collection: [1, 0], element: n, task: {type: sql, statement: "SELECT :x", params: {x: "{{ 1 / n }}"}}, next: end}
- {step: end}
$$) > 0 AS registered;
CREATE ROLE regress_broker;
GRANT EXECUTE ON FUNCTION noetl.execute TO regress_broker;
SET ROLE regress_broker;
SELECT noetl.execute('broker/items') > 0 AS started;
RESET ROLE;
SELECT event_type, current_index, error FROM noetl.event WHERE execution_id = newest('broker/items') AND event_type LIKE 'iteration_%ed' AND event_type <> 'iteration_started' ORDER BY event_id;
DROP OWNED BY regress_broker;
DROP ROLE regress_broker;

-- What comes after the end of an execution is ignored because of that, and not because its
-- task is gone as well.
SELECT noetl.execute('broker/exclusive') AS id \gset
SELECT noetl.cancel(:id);
INSERT INTO noetl.event (execution_id, event_type, node_name, worker_id) VALUES (:id, 'save_started', 'b', 'w');
SELECT meta ->> 'ignored' AS ignored FROM noetl.event WHERE execution_id = :id AND event_type = 'save_started';

-- Where the start of an execution was deleted, and its conditions with it, it ends without them.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: broker/no_start
workflow:
- {step: start, next: [{when: "{{ 1 > 2 }}", then: b}, {else: a}]}
- {step: a, type: python, code: x}
- {step: b, type: python, code: x}
$$) > 0 AS registered;
SELECT noetl.execute('broker/no_start') AS id \gset
DELETE FROM noetl.event WHERE execution_id = :id AND event_type = 'execution_start';
SELECT step FROM work();
SELECT status FROM noetl.execution WHERE execution_id = :id;
SELECT meta FROM noetl.event WHERE execution_id = :id AND event_type = 'execution_complete';
DELETE FROM noetl.event WHERE execution_id = :id;
DELETE FROM noetl.execution WHERE execution_id = :id;

-- A message whose sender is gone is given with the number that the sender had.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: broker/news
workflow:
- {step: ask, type: wait, signal: news, key: broker}
$$) > 0 AS registered;
CREATE ROLE regress_broker;
SELECT 'regress_broker'::regrole::oid AS sender \gset
GRANT EXECUTE ON FUNCTION noetl.send TO regress_broker;
SET ROLE regress_broker;
SELECT noetl.send('news', 'broker', '1', '1 hour') AS delivered;
RESET ROLE;
DROP OWNED BY regress_broker;
DROP ROLE regress_broker;
SET noetl.isolation = off;
SELECT noetl.execute('broker/news') AS id \gset
RESET noetl.isolation;
SELECT status FROM noetl.execution WHERE execution_id = :id;
SELECT event_type, meta ->> 'sent_by' = :'sender' AS by_number FROM noetl.event WHERE execution_id = :id AND meta ? 'sent_by';

-- Saves that nest without an end are stopped.
CREATE FUNCTION broker_nest(n int) RETURNS bigint LANGUAGE sql AS $$SELECT noetl.execute('broker/nest', jsonb_build_object('n', n + 1))$$;
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: broker/nest
workload: {n: 1}
workflow:
- {step: a, type: sql, statement: "SELECT {{ workload.n }} AS n, public.broker_nest({{ workload.n }})", next: end}
- {step: end}
$$) > 0 AS registered;
CREATE ROLE regress_broker;
GRANT EXECUTE ON FUNCTION noetl.execute TO regress_broker;
SET ROLE regress_broker;
SELECT noetl.execute('broker/nest') > 0 AS started;
RESET ROLE;
SELECT status, count(*), max(error) FROM noetl.execution WHERE path = 'broker/nest' GROUP BY 1 ORDER BY 1;
DROP OWNED BY regress_broker;
DROP ROLE regress_broker;
DROP FUNCTION broker_nest(int);
SELECT v.* FROM noetl.execution x, noetl.verify(x.execution_id) v WHERE path LIKE 'broker/%';
SELECT count(noetl.cancel(execution_id)) FROM noetl.execution WHERE path LIKE 'broker/%' AND status = 'RUNNING';
