-- Retry, failure, and what on_error makes of it.

-- Five attempts, 2.0 s × 1.5: four delays, then the execution fails.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: failure/retry
workflow:
- step: a
  type: python
  code: x
  retry: {max_attempts: 5, initial_delay: 2.0, backoff_multiplier: 1.5, max_delay: 10.0, jitter: false}
  next: end
- step: end
$$) > 0 AS registered;
SELECT noetl.execute('failure/retry') > 0 AS started;
-- Time passes by decree.
CREATE FUNCTION pass_time() RETURNS bigint LANGUAGE sql AS $$
    UPDATE noetl.queue SET available_at = now() WHERE status = 'retry';
    SELECT noetl.enqueue_next()
$$;
SELECT * FROM work('{"a": {"fail": "out of luck"}}');
SELECT status, attempts, max_attempts, worker_id,
       round(extract(epoch FROM available_at - created_at)::numeric, 0) AS delay FROM noetl.queue;
SELECT pass_time() AS due;
SELECT step FROM work('{"a": {"fail": "out of luck"}}');
SELECT pass_time() AS due;
SELECT step FROM work('{"a": {"fail": "out of luck"}}');
SELECT pass_time() AS due;
SELECT step FROM work('{"a": {"fail": "out of luck"}}');
SELECT pass_time() AS due;
SELECT step FROM work('{"a": {"fail": "no luck at all"}}');
SELECT * FROM story('failure/retry');
SELECT error, result, status FROM noetl.execution WHERE execution_id = newest('failure/retry');
SELECT count(*) AS queued FROM noetl.queue;
-- The second attempt succeeds.
SELECT noetl.execute('failure/retry') > 0 AS started;
SELECT * FROM work('{"a": {"fail": "not yet"}}');
SELECT pass_time() AS due;
SELECT * FROM work('{"a": {"ok": true}}');
SELECT * FROM story('failure/retry');

-- retry_when and stop_when; jitter stays within its bounds; a delay is capped.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: failure/policy
workflow:
- {step: start, next: [by_status, never, shaken, broken]}
- {step: by_status, type: http, url: x, retry: {max_attempts: 3, jitter: false, retry_when: "{{ status_code >= 500 }}"}, on_error: continue}
- {step: never, type: http, url: x, retry: {max_attempts: 3, stop_when: "{{ error is defined and 'fatal' in error }}"}, on_error: continue}
- {step: shaken, type: http, url: x, retry: {max_attempts: 9, initial_delay: 100, max_delay: 10}, on_error: continue}
- {step: broken, type: http, url: x, retry: {retry_when: "{{ nobody.knows }}"}, on_error: continue}
$$) > 0 AS registered;
SELECT noetl.execute('failure/policy') > 0 AS started;
SELECT step FROM work('{"by_status": {"status": "success", "data": {"status_code": 503}},
                        "never": {"fail": "fatal: no disk"}, "shaken": {"fail": "x"}, "broken": {"fail": "x"}}');
SELECT node_name, (meta ->> 'delay')::float BETWEEN 5 AND 15 AS shaken_delay, CASE node_name WHEN 'by_status' THEN meta END AS meta
  FROM noetl.event WHERE execution_id = newest('failure/policy') AND event_type = 'action_retry' ORDER BY event_id;
SELECT pass_time() AS due;
SELECT step FROM work('{"by_status": {"status": "success", "data": {"status_code": 200}}}');
SELECT event, node, status, regexp_replace(note, '(delay [0-9]+).*', '\1') AS note FROM story('failure/policy') WHERE event <> 'action_retry' OR node <> 'shaken';

-- The log says which condition could not be asked, also after a success and for an item.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: failure/unasked
workflow:
- {step: start, next: [stopped, repeated, item]}
- step: stopped
  type: http
  url: x
  retry: {stop_when: "{{ result.code.kind == 1 }}", retry_when: true}
  on_error: {step: after}
- {step: repeated, type: http, url: x, retry: {retry_when: "{{ result.code.kind == 2 }}"}, next: after}
- {step: item, type: iterator, mode: distributed, collection: [1], element: x, task: {type: http, url: x, retry: {retry_when: "{{ result.code.kind == x }}"}}, next: after}
- {step: after}
$$) > 0 AS registered;
SELECT noetl.execute('failure/unasked') > 0 AS started;
SELECT step FROM work('{"stopped": {"fail": "x"}, "repeated": {"n": 1}, "item": {"fail": "y"}}');
SELECT event_type, node_name, error, meta ->> 'retry_error' AS retry_error FROM noetl.event
 WHERE execution_id = newest('failure/unasked') AND (meta ? 'retry_error' OR event_type IN ('step_completed', 'step_failed')) ORDER BY event_id;
SELECT * FROM noetl.verify(newest('failure/unasked'));

-- A result that never stops asking for a retry fails the step.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: failure/exhausted
workflow:
- {step: a, type: http, url: x, retry: {max_attempts: 2, retry_when: "{{ status_code != 200 and this.status_code == result.status_code }}"}, next: end}
- step: end
$$) > 0 AS registered;
SELECT noetl.execute('failure/exhausted') > 0 AS started;
SELECT step FROM work('{"a": {"status_code": 404}}');
SELECT pass_time() AS due;
SELECT step FROM work('{"a": {"status_code": 404}}');
SELECT event, node, status, regexp_replace(note, 'delay [0-9.]+', 'delay') AS note FROM story('failure/exhausted');

-- on_error: continue makes the failure the value; a handler step sees it.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: failure/handled
workflow:
- {step: a, type: python, code: x, on_error: continue, next: [{when: "{{ result.status == 'error' }}", step: b}, {else: [end]}]}
- step: b
  type: python
  code: x
  data: {seen: "{{ a.error }}"}
  on_error: {step: rescue, data: {why: "{{ error }}", code: "{{ result.code }}"}}
  next: end
- {step: rescue, type: python, code: x, next: end}
- step: end
$$) > 0 AS registered;
SELECT noetl.execute('failure/handled') > 0 AS started;
SELECT * FROM work('{"a": {"fail": "first"}, "b": {"fail": "second", "result": {"code": 7}}}');
SELECT * FROM story('failure/handled');

-- A branch fails: queued siblings are withdrawn, a leased one may finish in
-- vain; its result is kept but has no effect.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: failure/branch
workflow:
- {step: start, next: [a, b, c]}
- {step: a, type: python, code: x, next: end}
- {step: b, type: shell, command: x, next: end}
- {step: c, type: http, url: x, next: end}
- step: end
$$) > 0 AS registered;
SELECT noetl.execute('failure/branch') > 0 AS started;
SELECT queue_id AS slow FROM noetl.lease('slow', 1, '1 min', '{shell}') \gset
SELECT queue_id AS bad FROM noetl.lease('bad', 1, '1 min', '{http}') \gset
SELECT noetl.fail(:bad, 'no route to host', 'bad');
SELECT node_name, status FROM noetl.queue;
SELECT noetl.complete(:slow, '{"late": true}', 'slow');
SELECT * FROM story('failure/branch');
SELECT count(*) AS queued FROM noetl.queue;

-- Cancelled: the worker learns it from its heartbeat, what it reports is kept.
SELECT noetl.execute('failure/branch') > 0 AS started;
SELECT queue_id AS slow FROM noetl.lease('slow', 1, '1 min', '{shell}') \gset
SELECT noetl.cancel(newest('failure/branch'), 'changed my mind');
SELECT node_name, status FROM noetl.queue;
SELECT noetl.heartbeat(:slow, 'slow');
SELECT noetl.complete(:slow, '{"late": true}', 'slow');
SELECT * FROM story('failure/branch');
SELECT status, error FROM noetl.execution WHERE execution_id = newest('failure/branch');
SELECT count(*) AS queued FROM noetl.queue;

-- An action that cannot be rendered fails its step, not the client's INSERT.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: failure/render
workload: {zero: 0}
workflow:
- {step: a, type: python, code: x, next: b}
- step: b
  type: postgres
  command: "SELECT {{ 1 / zero }}"
  next: end
- step: end
$$) > 0 AS registered;
SELECT noetl.execute('failure/render') > 0 AS started;
SELECT * FROM work();
SELECT * FROM story('failure/render');
-- Nor can a workload that cannot be rendered stop the start from being logged.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: failure/start
workload: {zero: "{{ 1 / 0 }}"}
workflow: [{step: a, type: python, code: x}]
$$) > 0 AS registered;
SELECT noetl.execute('failure/start') > 0 AS started;
SELECT * FROM story('failure/start');
-- A mapping that cannot be rendered fails at the end.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: failure/end
workflow:
- {step: a, type: python, code: x, next: end}
- {step: end, result: {x: "{{ a.no.such.thing }}"}}
$$) > 0 AS registered;
SELECT noetl.execute('failure/end') > 0 AS started;
SELECT step FROM work();
SELECT * FROM story('failure/end');
-- An end that has done its work has not failed, the execution has.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: failure/end_action
workflow:
- {step: a, type: python, code: x, next: end}
- {step: end, type: python, code: x, result: {x: "{{ a.no.such.thing }}"}}
$$) > 0 AS registered;
SELECT noetl.execute('failure/end_action') > 0 AS started;
SELECT step FROM work();
SELECT * FROM story('failure/end_action');
DROP FUNCTION pass_time();
