-- Lost leases are not failed attempts: a task whose worker died goes back into the queue.
CREATE FUNCTION lose() RETURNS bigint LANGUAGE sql AS $$
    UPDATE noetl.queue SET lease_until = clock_timestamp() - interval '1 s'
     WHERE status = 'leased';
    SELECT noetl.enqueue_next()
$$;
CREATE FUNCTION log_of(path text) RETURNS TABLE (event text, node text, worker text, error text, meta jsonb)
LANGUAGE sql AS $$
    SELECT event_type, split_part(node_id, ':', 2) || coalesce(':' || nullif(split_part(node_id, ':', 3), ''), ''), worker_id, e.error,
           e.meta - 'transitions' - 'started_by' - 'started_by_oid'
      FROM noetl.event AS e WHERE execution_id = newest(path) ORDER BY created_at
$$;

-- A step without a retry policy survives three lost leases.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: lost/plain
workflow:
- {step: a, type: python, code: x, next: end}
- step: end
$$) > 0 AS registered;
SELECT noetl.execute('lost/plain') > 0 AS started;
SELECT queue_id AS first, attempts, lost_leases FROM noetl.lease('w1') \gset
SELECT lose() AS ready;
SELECT status, attempts, max_attempts, lost_leases, worker_id FROM noetl.queue WHERE execution_id = newest('lost/plain');
SELECT * FROM noetl.verify(newest('lost/plain'));
-- What the first worker still reports comes too late, under its lease …
SELECT noetl.complete(:first, '{}', 'w1') AS too_late;
SELECT queue_id AS second, attempts, lost_leases FROM noetl.lease('w1') \gset
SELECT :second <> :first AS another_id, :attempts AS attempts, :lost_leases AS lost_leases;
-- … and as an event: the lease that was lost is told apart by its number, although the
-- worker has the same name.
INSERT INTO noetl.event (execution_id, event_type, node_name, worker_id, result, meta)
VALUES (newest('lost/plain'), 'action_completed', 'a', 'w1', '1', '{"attempt": 1}');
SELECT lose() AS ready;
SELECT attempts FROM noetl.lease('w2');
SELECT lose() AS ready;
SELECT queue_id AS task, attempts FROM noetl.lease('w3') \gset
SELECT * FROM noetl.verify(newest('lost/plain'));
SELECT noetl.complete(:task, '{"ok": true}', 'w3') AS completed;
SELECT * FROM log_of('lost/plain');
SELECT * FROM noetl.verify(newest('lost/plain'));

-- The fourth loss fails the step: no retry policy is asked, on_error applies.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: lost/often
workflow:
- {step: a, type: python, code: x, retry: {max_attempts: 10, retry_when: "{{ true }}"}, on_error: {step: b, data: {why: "{{ error }}"}}}
- {step: b, type: python, code: x}
$$) > 0 AS registered;
SELECT noetl.execute('lost/often') > 0 AS started;
SELECT attempts FROM noetl.lease('w');
SELECT lose();
SELECT attempts FROM noetl.lease('w');
SELECT lose();
SELECT attempts FROM noetl.lease('w');
SELECT lose();
SELECT attempts FROM noetl.lease('w');
SELECT lose();
SELECT * FROM log_of('lost/often');
SELECT node_name, action -> 'data' AS data FROM noetl.queue WHERE execution_id = newest('lost/often');
SELECT * FROM noetl.verify(newest('lost/often'));
SELECT noetl.cancel(newest('lost/often'), 'enough');

-- Lost leases and failed attempts are counted apart: the policy's two attempts remain.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: lost/retry
workflow:
- {step: a, type: python, code: x, retry: {max_attempts: 2, initial_delay: 10, jitter: false}}
$$) > 0 AS registered;
SELECT noetl.execute('lost/retry') > 0 AS started;
SELECT attempts FROM noetl.lease('w');
SELECT lose();
SELECT queue_id AS task FROM noetl.lease('w') \gset
SELECT noetl.fail(:task, 'no luck', 'w');
SELECT status, attempts, lost_leases, max_attempts FROM noetl.queue WHERE execution_id = newest('lost/retry');
SELECT * FROM noetl.verify(newest('lost/retry'));
-- The row made anew from the log counts like the old one.
DELETE FROM noetl.queue WHERE execution_id = newest('lost/retry');
SELECT noetl.rebuild(newest('lost/retry'));
SELECT status, attempts, lost_leases, max_attempts FROM noetl.queue WHERE execution_id = newest('lost/retry');
UPDATE noetl.queue SET available_at = clock_timestamp() WHERE execution_id = newest('lost/retry');
SELECT queue_id AS task FROM noetl.enqueue_next(), LATERAL noetl.lease('w') \gset
SELECT lose();
SELECT queue_id AS task, attempts, lost_leases FROM noetl.lease('w') \gset
SELECT * FROM noetl.verify(newest('lost/retry'));
SELECT noetl.fail(:task, 'no luck again', 'w');
SELECT * FROM log_of('lost/retry');
SELECT * FROM noetl.verify(newest('lost/retry'));

-- on_lost: fail.  The first loss is a failure.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: lost/once
workflow:
- {step: a, type: python, code: x, on_lost: fail, retry: true}
$$) > 0 AS registered;
SELECT noetl.execute('lost/once') > 0 AS started;
SELECT action FROM noetl.lease('w');
SELECT lose();
SELECT * FROM log_of('lost/once');
SELECT * FROM noetl.verify(newest('lost/once'));
SELECT severity, line, col, message, hint FROM noetl.validate($$
apiVersion: noetl.io/v1
kind: Playbook
path: lost/wrong
workflow:
- {step: a, type: python, code: x, on_lost: explode}
- {step: b, type: python, code: x, on_lost: requeue}
$$) WHERE severity = 'error';

-- The bound is noetl.max_lost_leases as it was when the execution started.
SET noetl.max_lost_leases = 0;
SELECT noetl.execute('lost/plain') > 0 AS started;
RESET noetl.max_lost_leases;
SELECT attempts FROM noetl.lease('w');
SELECT lose();
SELECT * FROM log_of('lost/plain');
SELECT * FROM noetl.verify(newest('lost/plain'));
-- What the session has set that notices the loss does not count.
SELECT noetl.execute('lost/plain') > 0 AS started;
SET noetl.max_lost_leases = 0;
SELECT attempts FROM noetl.lease('w');
SELECT lose();
RESET noetl.max_lost_leases;
SELECT * FROM log_of('lost/plain');
SELECT status FROM noetl.execution WHERE execution_id = newest('lost/plain');
SELECT * FROM noetl.verify(newest('lost/plain'));
SELECT noetl.cancel(newest('lost/plain'));

-- Items of a distributed iterator are tasks like others.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: lost/items
workflow:
- step: each
  type: iterator
  mode: distributed
  collection: [1, 2]
  element: x
  on_error: continue
  task: {type: python, code: x}
  next: end
- step: end
$$) > 0 AS registered;
SET noetl.max_lost_leases = 1;
SELECT noetl.execute('lost/items') > 0 AS started;
RESET noetl.max_lost_leases;
SELECT current_index, attempts FROM noetl.lease('w', 2);
SELECT lose();
SELECT * FROM noetl.verify(newest('lost/items'));
SELECT current_index, attempts, noetl.complete(queue_id, to_jsonb(current_index), 'w') FROM noetl.lease('w', 1);
SELECT current_index, attempts FROM noetl.lease('w', 1);
SELECT lose();
SELECT * FROM log_of('lost/items');
SELECT * FROM noetl.verify(newest('lost/items'));

DROP FUNCTION lose, log_of;
