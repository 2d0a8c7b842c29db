-- Timeouts of steps and of executions.  Time passes by decree: what has begun
-- moves into the past.
CREATE FUNCTION pass_time(passed interval) RETURNS bigint LANGUAGE sql AS $$
    UPDATE noetl.queue SET lease_until = lease_until - passed, deadline = deadline - passed,
                           available_at = available_at - passed;
    UPDATE noetl.execution SET deadline = deadline - passed, started_at = started_at - passed
     WHERE status = 'RUNNING';
    SELECT noetl.enqueue_next()
$$;
CREATE FUNCTION tasks() RETURNS TABLE (step text, state text, attempts int, worker text, timeout interval,
                                       lease_left numeric, time_left numeric) LANGUAGE sql AS $$
    SELECT node_name, status, attempts, worker_id, timeout,
           round(extract(epoch FROM lease_until - clock_timestamp())),
           round(extract(epoch FROM deadline - clock_timestamp()))
      FROM noetl.queue ORDER BY node_name
$$;

-- A lease lasts no longer than the timeout of the attempt.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: timeout/step
workflow:
- {step: a, type: python, code: x, timeout: 100, next: end}
- step: end
$$) > 0 AS registered;
SELECT noetl.execute('timeout/step') > 0 AS started;
SELECT * FROM tasks();
SELECT queue_id AS task FROM noetl.lease('w', 1, '30 s') \gset
SELECT * FROM tasks();
SELECT noetl.heartbeat(:task, 'w', '60 s') AS held;
SELECT * FROM tasks();
SELECT noetl.heartbeat(:task, 'w', '1 h') AS held;
SELECT * FROM tasks();
-- Given back it is as if it had never been leased.
SELECT noetl.release(:task, 'w');
SELECT * FROM tasks();
SELECT queue_id AS task FROM noetl.lease('w', 1, '1 h') \gset
SELECT * FROM tasks();
SELECT pass_time('99 s');
SELECT * FROM tasks();
-- Once the time is over the worker is told so, and the step fails.
UPDATE noetl.queue SET lease_until = lease_until - interval '1 s', deadline = deadline - interval '1 s';
SELECT noetl.heartbeat(:task, 'w', '1 h') AS held;
SELECT noetl.enqueue_next();
SELECT * FROM story('timeout/step');
SELECT node_name, worker_id, meta FROM noetl.event
 WHERE execution_id = newest('timeout/step') AND event_type = 'action_error';
SELECT noetl.complete(:task, '{}', 'w') AS too_late;
SELECT count(*) AS queued FROM noetl.queue;

-- The retry policy decides; each attempt has its own time.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: timeout/retry
workload: {limit: 1 minute}
workflow:
- step: a
  type: python
  code: x
  timeout: "{{ limit }}"
  retry: {max_attempts: 2, initial_delay: 10, jitter: false, retry_when: "{{ 'timed out' in error }}"}
  on_error: {step: rescue, data: {why: "{{ error }}"}}
  next: end
- {step: rescue, type: python, code: x, next: end}
- step: end
$$) > 0 AS registered;
SELECT noetl.execute('timeout/retry') > 0 AS started;
SELECT node_name FROM noetl.lease('w', 1, '1 h');
SELECT pass_time('60 s');
SELECT step, state, attempts, worker, timeout, lease_left, time_left FROM tasks();
SELECT pass_time('10 s');
SELECT node_name FROM noetl.lease('w', 1, '1 h');
SELECT * FROM tasks();
-- A lost lease is no timeout: the attempt goes on, its time too …
UPDATE noetl.queue SET lease_until = clock_timestamp() - interval '1 s';
SELECT noetl.enqueue_next();
SELECT * FROM tasks();
-- … even while nobody comes for it.
SELECT pass_time('60 s');
SELECT * FROM tasks();
SELECT * FROM story('timeout/retry');
SELECT * FROM work();
-- Who comes late, but in time, has what is left of it.
SELECT noetl.execute('timeout/retry') > 0 AS started;
SELECT node_name FROM noetl.lease('w', 1, '10 s');
SELECT pass_time('20 s');
SELECT node_name FROM noetl.lease('w2', 1, '1 h');
SELECT * FROM tasks();
SELECT noetl.cancel(newest('timeout/retry'));
TRUNCATE noetl.queue;

-- A worker that noticed by itself says the same as the reaper.
SELECT noetl.execute('timeout/step') > 0 AS started;
SELECT queue_id AS task FROM noetl.lease('w', 1, '1 h') \gset
UPDATE noetl.queue SET deadline = clock_timestamp();
SELECT noetl.fail(:task, 'timed out after 100 seconds', 'w');
SELECT * FROM story('timeout/step');
-- One that fails in time has failed, whatever it calls it.
SELECT noetl.execute('timeout/step') > 0 AS started;
SELECT queue_id AS task FROM noetl.lease('w', 1, '1 h') \gset
SELECT noetl.fail(:task, 'timed out', 'w');
SELECT event, note FROM story('timeout/step') WHERE event = 'step_failed';

-- By hand: a worker that leases nothing and says that it has begun.
SELECT noetl.execute('timeout/step') AS execution \gset
INSERT INTO noetl.event (execution_id, event_type, node_name) VALUES (:execution, 'action_started', 'a');
SELECT * FROM tasks();
SELECT pass_time('100 s');
SELECT * FROM story('timeout/step');
SELECT noetl.execute('timeout/step') AS execution \gset
INSERT INTO noetl.event (execution_id, event_type, node_name, worker_id) VALUES (:execution, 'action_started', 'a', 'w');
SELECT * FROM tasks();
SELECT noetl.cancel(:execution);
TRUNCATE noetl.queue;

-- While the broker is off, a timeout is noted once, and decided when somebody asks for it: enqueue_next() does.
SELECT noetl.execute('timeout/step') > 0 AS started;
SELECT node_name FROM noetl.lease('w', 1, '1 h');
SET noetl.broker = off;
SELECT pass_time('100 s');
CALL noetl.wait_for_work('1 ms');
CALL noetl.wait_for_work('1 ms');
SELECT event, note FROM story('timeout/step');
RESET noetl.broker;
SELECT noetl.enqueue_next();
SELECT event, note FROM story('timeout/step');

-- A template may say that there is no timeout, or nonsense.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: timeout/template
workload: {limit: null}
workflow:
- {step: a, type: python, code: x, timeout: "{{ limit }}", next: end}
- step: end
$$) > 0 AS registered;
SELECT noetl.execute('timeout/template') > 0 AS started;
SELECT timeout FROM tasks();
SELECT step FROM work();
SELECT noetl.execute('timeout/template', '{"limit": 0.25}') > 0 AS started;
SELECT timeout FROM tasks();
SELECT step FROM work();
SELECT noetl.execute('timeout/template', '{"limit": "tomorrow"}') > 0 AS started;
SELECT event, note FROM story('timeout/template');
SELECT noetl.execute('timeout/template', '{"limit": -1}') > 0 AS started;
SELECT event, note FROM story('timeout/template');
SELECT noetl.execute('timeout/template', '{"limit": [1]}') > 0 AS started;
SELECT event, note FROM story('timeout/template');

-- An execution as a whole: all of its work is withdrawn.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: timeout/execution
timeout: 1 hour
workflow:
- {step: start, next: [a, b, c]}
- {step: a, type: python, code: x, next: end}
- {step: b, type: shell, command: x, next: end}
- {step: c, type: http, url: x, next: end}
- step: end
$$) > 0 AS registered;
SELECT noetl.execute('timeout/execution') AS execution \gset
SELECT deadline - started_at AS timeout FROM noetl.execution WHERE execution_id = :execution;
SELECT queue_id AS slow FROM noetl.lease('slow', 1, '10 h', '{shell}') \gset
INSERT INTO noetl.event (execution_id, event_type, node_name) VALUES (:execution, 'action_completed', 'a');
SELECT pass_time('59 min');
SELECT * FROM tasks();
SELECT pass_time('1 min');
SELECT * FROM story('timeout/execution');
SELECT status, error, result, deadline FROM noetl.execution WHERE execution_id = :execution;
SELECT node_name, status FROM noetl.queue;
SELECT noetl.heartbeat(:slow, 'slow') AS held;
SELECT noetl.complete(:slow, '{}', 'slow') AS in_vain;
SELECT event, node, note FROM story('timeout/execution') WHERE note LIKE '%ignored%';
SELECT count(*) FROM noetl.run WHERE execution_id = :execution;
-- Of one that ends in time nothing is left to time out.
SELECT noetl.execute('timeout/execution') AS execution \gset
SELECT step FROM work();
SELECT status, deadline FROM noetl.execution WHERE execution_id = :execution;
-- Of one execution only.
SELECT noetl.execute('timeout/execution') AS first \gset
SELECT noetl.execute('timeout/execution') AS second \gset
UPDATE noetl.execution SET deadline = clock_timestamp() WHERE status = 'RUNNING' AND path = 'timeout/execution';
SELECT noetl.enqueue_next(:second);
SELECT execution_id = :second AS second, status FROM noetl.execution WHERE execution_id IN (:first, :second) ORDER BY 1;
SELECT noetl.enqueue_next();
SELECT execution_id = :second AS second, status FROM noetl.execution WHERE execution_id IN (:first, :second) ORDER BY 1;

-- Who waits for work wakes up for timeouts.
SELECT noetl.execute('timeout/execution') AS execution \gset
SELECT count(*) FROM noetl.lease('slow', 10, '10 h');
UPDATE noetl.execution SET deadline = clock_timestamp() + interval '0.2 s' WHERE execution_id = :execution;
CALL noetl.wait_for_work('3 s');
SELECT status, ended_at - started_at < interval '2 s' AS in_time FROM noetl.execution WHERE execution_id = :execution;
TRUNCATE noetl.queue;

-- A child playbook: the step fails, or is tried again, and the child is cancelled.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: timeout/child
workflow:
- {step: slow, type: python, code: x}
$$) > 0 AS registered;
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: timeout/parent
workflow:
- {step: call, type: playbook, path: timeout/child, timeout: 1 hour, retry: {max_attempts: 2, initial_delay: 10, jitter: false}, next: end}
- step: end
$$) > 0 AS registered;
CREATE FUNCTION pass_run_time(passed interval) RETURNS bigint LANGUAGE sql AS $$
    UPDATE noetl.run SET due_at = due_at - passed;
    SELECT noetl.enqueue_next()
$$;
SELECT noetl.execute('timeout/parent') AS parent \gset
SELECT step_name, state, date_trunc('second', due_at - id_time) AS due FROM noetl.run, noetl.id_time(event_id) WHERE execution_id = :parent;
SELECT node_name FROM noetl.lease('w', 1, '10 h');
SELECT pass_run_time('59 min');
SELECT state FROM noetl.run;
SELECT pass_run_time('1 min');
SELECT event, node, status, note FROM story('timeout/parent');
SELECT event, node, status, note FROM story('timeout/child');
SELECT state, attempts FROM noetl.run;
SELECT status FROM noetl.queue;
-- The next attempt is a new child, with time of its own.
SELECT pass_run_time('9 s');
SELECT count(*) AS children FROM noetl.execution WHERE parent_execution_id = :parent;
SELECT pass_run_time('1 s');
SELECT state, attempts, due_at > now() + interval '59 min' AS new_time FROM noetl.run;
SELECT status FROM noetl.execution WHERE parent_execution_id = :parent ORDER BY execution_id;
SELECT pass_run_time('1 hour');
SELECT event, node, status, note FROM story('timeout/parent');
SELECT meta FROM noetl.event WHERE execution_id = :parent AND event_type = 'action_error' ORDER BY event_id;
SELECT status FROM noetl.execution WHERE parent_execution_id = :parent ORDER BY execution_id;
TRUNCATE noetl.queue;
-- While the broker is off, only who asks for it gets a decision.
SELECT noetl.execute('timeout/parent') AS parent \gset
UPDATE noetl.run SET due_at = clock_timestamp();
SET noetl.broker = off;
CALL noetl.wait_for_work('1 ms', '{none}');
SELECT state FROM noetl.run;
SELECT noetl.enqueue_next();
SELECT state FROM noetl.run;
RESET noetl.broker;
SELECT noetl.cancel(:parent);
TRUNCATE noetl.queue;
-- A retry without delay does not begin with its time over.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: timeout/again
workflow:
- {step: call, type: playbook, path: timeout/child, timeout: 1 hour, retry: {max_attempts: 2, initial_delay: 0}, next: end}
- step: end
$$) > 0 AS registered;
SELECT noetl.execute('timeout/again') AS parent \gset
SELECT pass_run_time('1 hour');
SELECT state, due_at > now() + interval '59 min' AS new_time FROM noetl.run;
SELECT noetl.enqueue_next();
SELECT step FROM work('{"slow": {"fail": "x"}}');
SELECT count(*) AS queued FROM noetl.queue;
SELECT event, node, note FROM story('timeout/again');

-- An iterator whose items are tasks or children; each item may have its own time.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: timeout/items
workflow:
- step: each
  type: iterator
  collection: [1, 2, 3]
  element: n
  mode: distributed
  timeout: 1 hour
  task: {type: python, code: x, timeout: "{{ n * 100 }}"}
  next: end
- step: end
$$) > 0 AS registered;
SELECT noetl.execute('timeout/items') AS parent \gset
SELECT node_name, current_index, timeout FROM noetl.queue ORDER BY current_index;
SELECT current_index, lease_until - last_heartbeat AS lease FROM noetl.lease('w', 2, '10 h');
SELECT pass_run_time('1 hour');
SELECT event, node, status, note FROM story('timeout/items') WHERE event NOT LIKE 'it%started';
SELECT current_index, status FROM noetl.queue ORDER BY 1;
TRUNCATE noetl.queue;
SELECT noetl.execute('timeout/items') AS parent \gset
SELECT current_index FROM noetl.lease('w', 1, '10 h');
SELECT pass_time('100 s');
SELECT event, node, status, note FROM story('timeout/items') WHERE event NOT LIKE 'it%started';
TRUNCATE noetl.queue;
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: timeout/children
workflow:
- step: each
  type: iterator
  collection: [1, 2]
  element: n
  mode: async
  on_error: continue
  task: {type: playbook, path: timeout/child, timeout: "{{ n * 100 }}"}
  next: end
- {step: end, result: {data: "{{ each }}", errors: "{{ each.errors }}"}}
$$) > 0 AS registered;
SELECT noetl.execute('timeout/children') AS parent \gset
SELECT current_index, deadline - started_at AS timeout FROM noetl.execution WHERE parent_execution_id = :parent ORDER BY 1;
SELECT pass_time('100 s');
SELECT step FROM work();
SELECT status, result -> 'data' AS data, result -> 'errors' AS errors FROM noetl.execution WHERE execution_id = :parent;
-- The shorter time counts, that of the playbook or of who calls it.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: timeout/child
timeout: 150
workflow:
- {step: slow, type: python, code: x}
$$) > 0 AS registered;
SELECT noetl.execute('timeout/children') AS parent \gset
SELECT current_index, deadline - started_at AS timeout FROM noetl.execution WHERE parent_execution_id = :parent ORDER BY 1;
SELECT step FROM work();
-- Nonsense.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: timeout/nonsense
workflow:
- {step: start, next: [call, each, items]}
- {step: call, type: playbook, path: timeout/child, timeout: "{{ 'soon' }}", on_error: continue}
- {step: each, type: iterator, collection: [1], element: n, timeout: "{{ 'soon' }}", task: {type: playbook, path: timeout/child}, on_error: continue}
- {step: items, type: iterator, collection: [1], element: n, task: {type: playbook, path: timeout/child, timeout: "{{ 'soon' }}"}}
$$) > 0 AS registered;
SELECT noetl.execute('timeout/nonsense') > 0 AS started;
SELECT event, node, status, note FROM story('timeout/nonsense');

-- What is neither seconds nor an interval is refused, where it stands.
SELECT * FROM noetl.validate($$
apiVersion: noetl.io/v1
kind: Playbook
name: timeout/wrong
timeout: "{{ limit }}"
workflow:
- {step: start, next: [a, b, c, d, e, f, g]}
- {step: a, type: python, code: x, timeout: soon}
- {step: b, type: python, code: x, timeout: 0}
- {step: c, type: python, code: x, timeout: -5 minutes}
- {step: d, type: python, code: x, timeout: 1000 years}
- {step: e, type: python, code: x, timeout: true}
- step: f
  type: http
  url: x
  timeout: {connect: 5}
- {step: g, tool: {kind: python, timeout: 1e99, code: x}}
$$);
SELECT * FROM noetl.validate($$
apiVersion: noetl.io/v1
kind: Playbook
name: timeout/right
timeout: 90
workflow:
- {step: start, next: [a, b, c, d, e, f]}
- {step: a, type: python, code: x, timeout: 1.5}
- {step: b, type: python, code: x, timeout: "30"}
- {step: c, type: python, code: x, timeout: PT5M}
- {step: d, type: python, code: x, timeout: 2 days}
- {step: e, type: python, code: x, timeout: ~}
- {step: f, type: python, code: x, timeout: "00:10:00"}
$$);
DROP FUNCTION pass_time(interval);
DROP FUNCTION tasks();
DROP FUNCTION pass_run_time(interval);
