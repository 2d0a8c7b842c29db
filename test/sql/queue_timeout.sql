-- A step with queue_timeout that nobody leases in time fails and says why.
CREATE FUNCTION pass_time(passed interval) RETURNS bigint LANGUAGE sql AS $$
    UPDATE noetl.queue SET lease_until = lease_until - passed, deadline = deadline - passed,
                           available_at = available_at - passed;
    SELECT noetl.enqueue_next()
$$;
CREATE FUNCTION tasks() RETURNS TABLE (step text, state text, attempts int, worker text, queue_timeout interval,
                                       timeout interval, lease_left numeric, time_left numeric) LANGUAGE sql AS $$
    SELECT node_name, status, attempts, worker_id, q.queue_timeout, q.timeout,
           round(extract(epoch FROM lease_until - clock_timestamp())),
           round(extract(epoch FROM deadline - clock_timestamp()))
      FROM noetl.queue AS q ORDER BY node_name, current_index
$$;
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: wait/step
workload: {patience: 1 minute}
workflow:
- step: a
  type: gpu
  queue_timeout: "{{ patience }}"
  timeout: 10
  retry: {max_attempts: 5, initial_delay: 1, jitter: false}
  on_error: {step: rescue, data: {why: "{{ error }}"}}
  next: end
- {step: rescue, type: python, code: x, next: end}
- step: end
$$) > 0 AS registered;

DELETE FROM noetl.runtime;

-- Nobody ever asked for the type.  The retry policy is not asked, on_error applies.
SELECT noetl.execute('wait/step') > 0 AS started;
SELECT * FROM tasks();
SELECT action FROM noetl.queue;
SELECT pass_time('59 s');
SELECT * FROM noetl.verify(newest('wait/step'));
SELECT pass_time('1 s');
SELECT * FROM story('wait/step');
SELECT worker_id, meta FROM noetl.event WHERE execution_id = newest('wait/step') AND event_type = 'action_error';
SELECT action -> 'data' AS input, noetl.complete(queue_id, '{}', 'p') FROM noetl.lease('p', 1, '1 h', '{python}');
SELECT * FROM noetl.verify(newest('wait/step'));

-- Who leases in time ends the wait: from then on the timeout of the attempt counts.
SELECT noetl.execute('wait/step') > 0 AS started;
SELECT pass_time('59 s');
SELECT queue_id AS task FROM noetl.lease('w', 1, '1 h', '{gpu}') \gset
SELECT * FROM tasks();
-- A retry waits without limit, and so does what was given back or lost.
SELECT noetl.fail(:task, 'no luck', 'w');
SELECT pass_time('1 s');
SELECT * FROM tasks();
SELECT queue_id AS task FROM noetl.lease('w', 1, '1 s', '{gpu}') \gset
SELECT pass_time('2 s');
SELECT state, attempts, time_left FROM tasks();
SELECT noetl.cancel(newest('wait/step'));
SELECT noetl.execute('wait/step') > 0 AS started;
SELECT queue_id AS task FROM noetl.lease('w', 1, '1 h', '{gpu}') \gset
SELECT noetl.release(:task, 'w');
SELECT * FROM tasks();
SELECT * FROM noetl.verify(newest('wait/step'));
SELECT noetl.cancel(newest('wait/step'));

-- A worker that starts without a lease ends the wait, too.
SELECT noetl.execute('wait/step') > 0 AS started;
INSERT INTO noetl.event (execution_id, event_type, node_name, worker_id) VALUES (newest('wait/step'), 'action_started', 'a', 'by hand');
SELECT * FROM tasks();
SELECT noetl.cancel(newest('wait/step'));
DELETE FROM noetl.queue;

-- Somebody has asked for the type: the error says when, or that nobody came to it.
SELECT noetl.execute('wait/step') > 0 AS started;
SELECT pass_time('1 minute');
SELECT error FROM noetl.event WHERE execution_id = newest('wait/step') AND event_type = 'action_error';
UPDATE noetl.runtime SET capabilities = '{"types": {"gpu": "2020-02-02 20:20:00+00", "cpu": "2040-01-01 00:00:00+00"}}' WHERE name = 'w';
SELECT noetl.execute('wait/step') > 0 AS started;
SET timezone = 'UTC';
SELECT pass_time('1 minute');
RESET timezone;
SELECT error FROM noetl.event WHERE execution_id = newest('wait/step') AND event_type = 'action_error';

-- A row made anew from the log waits from then on.
SELECT noetl.execute('wait/step') > 0 AS started;
SELECT pass_time('30 s');
DELETE FROM noetl.queue WHERE execution_id = newest('wait/step');
SELECT noetl.rebuild(newest('wait/step'));
SELECT step, state, queue_timeout, lease_left, time_left FROM tasks() WHERE step = 'a';
SELECT noetl.cancel(newest('wait/step'));

-- Of a distributed iterator each item waits; on_error: continue goes on without it.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: wait/items
workflow:
- {step: each, type: iterator, mode: distributed, concurrency: 2, collection: [1, 2, 3], element: x, queue_timeout: 5, on_error: continue, task: {type: gpu}, next: end}
- {step: end, result: "{{ each }}"}
$$) > 0 AS registered;
SELECT noetl.execute('wait/items') > 0 AS started;
SELECT noetl.complete(queue_id, '"done"', 'w') FROM noetl.lease('w', 1, '1 h', '{gpu}');
SELECT pass_time('5 s');
SELECT * FROM noetl.verify(newest('wait/items'));
SELECT pass_time('5 s');
SELECT * FROM story('wait/items');
SELECT * FROM noetl.verify(newest('wait/items'));

-- What makes no sense is refused.
SELECT severity, line, col, message, hint FROM noetl.validate($$
apiVersion: noetl.io/v1
kind: Playbook
path: wait/wrong
workflow:
- {step: a, type: python, code: x, queue_timeout: -1}
- {step: b, type: python, code: x, queue_timeout: soon}
$$) WHERE severity = 'error';
-- The tests that follow lease whatever is ready.
SELECT count(*) FROM noetl.cancel_all('wait/step', dry_run => false);
DROP FUNCTION pass_time, tasks;

-- While a type is paused the time stands still, and begins anew when the pause is over; so does that of
-- a task that waits for a slot of a limit.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: queue_timeout/paused
workflow:
- {step: start, next: [one, other]}
- {step: one, type: paused_type, code: x, queue_timeout: 0.5, limits: [{name: queue_timeout, concurrency: 1}]}
- {step: other, type: paused_type, code: x, queue_timeout: 0.5, limits: [{name: queue_timeout, concurrency: 1}]}
$$) > 0 AS registered;
SELECT noetl.pause_tasks(type => 'paused_type', reason => 'the gateway is down') > 0 AS paused;
SELECT noetl.execute('queue_timeout/paused') AS e \gset
SELECT pg_sleep(0.6);
SELECT noetl.enqueue_next() AS ready;
SELECT count(*) AS left, bool_or(status = 'paused') AS paused FROM noetl.queue WHERE execution_id = :e;
SELECT state, substring(detail FROM '^.* paused') AS detail FROM noetl.why(:e) ORDER BY 1;
SELECT pg_sleep(0.6);
SELECT noetl.enqueue_next() AS ready;
SELECT status FROM noetl.execution WHERE execution_id = :e;
SELECT x.status, v.* FROM noetl.execution AS x, noetl.verify(x.execution_id) AS v WHERE x.execution_id = :e;
SELECT noetl.resume_tasks(type => 'paused_type') AS resumed;
SELECT noetl.enqueue_next() >= 0 AS ready;
SELECT status, deadline > clock_timestamp() AS time_runs, count(*) FROM noetl.queue WHERE execution_id = :e GROUP BY 1, 2 ORDER BY 1;
SELECT count(*) FROM noetl.lease('tester', 1, '1 min', '{paused_type}');
SELECT pg_sleep(0.6);
SELECT noetl.enqueue_next() AS ready;
SELECT status, regexp_replace(error, 'step \w+', 'step …') AS error FROM noetl.execution WHERE execution_id = :e;
SELECT count(noetl.complete(queue_id, '{}', 'tester')) AS done FROM noetl.queue WHERE execution_id = :e;
