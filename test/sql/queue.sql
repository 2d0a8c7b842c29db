-- What workers call.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: queue/fan
workflow:
- {step: start, next: [low, high, other]}
- {step: low, type: python, code: x, next: end}
- {step: high, type: python, code: x, priority: 5, next: end}
- {step: other, type: shell, command: x, on_lost: fail, next: end}
- step: end
$$) > 0 AS registered;
SELECT noetl.execute('queue/fan') AS execution \gset

-- Highest priority first, then first come first served; types are a filter.
SELECT node_name, status, worker_id, attempts, priority, lease_until > now() + '50 s' AS for_a_minute
  FROM noetl.lease('w1', 1, '1 min', '{shell}');
SELECT node_name FROM noetl.reserve('w1', 2);
SELECT node_name FROM noetl.lease('w1');
-- Owners only.
SELECT queue_id AS task FROM noetl.queue WHERE node_name = 'low' \gset
SELECT noetl.heartbeat(:task, 'w2') AS other, noetl.heartbeat(:task, 'w1', '10 min') AS owner;
SELECT lease_until > now() + '9 min' AS extended FROM noetl.queue WHERE queue_id = :task;
SELECT noetl.complete(:task, '{}', 'w2') AS other, noetl.fail(:task, 'x', 'w2') AS failed, noetl.release(:task, 'w2') AS released;
-- Given back: as if it had never been leased, but behind the others.
SELECT noetl.release(:task, 'w1');
SELECT node_name, status, attempts, queue_id > :task AS new_position FROM noetl.queue WHERE node_name = 'low';
-- Complete one, lease the next: one round trip, one commit.
SELECT queue_id AS task FROM noetl.queue WHERE node_name = 'high' \gset
SELECT node_name, attempts FROM noetl.complete_and_lease(:task, '{"done": true}', 'w1', 5);
\set VERBOSITY terse
SELECT count(*) FROM noetl.complete_and_lease(:task, '{"done": true}', 'w1');
\set VERBOSITY default
-- Nobody, nothing, never.
SELECT noetl.lease(NULL);
SELECT noetl.lease('');
SELECT noetl.lease('w1', 1, '0 s');
SELECT count(*) FROM noetl.lease('w1', 0);
SELECT noetl.complete(NULL, '1', 'w1'), noetl.complete(-1, '1', 'w1'), noetl.heartbeat(NULL, 'w1'), noetl.cancel(NULL);

-- A lease that ran out: without a retry policy the step fails …
UPDATE noetl.queue SET lease_until = now() - interval '1 s' WHERE node_name = 'other';
SELECT noetl.enqueue_next();
SELECT * FROM story('queue/fan') WHERE event IN ('action_error', 'step_failed', 'execution_failed');
-- … the other lease may end in vain …
SELECT node_name, status FROM noetl.queue;
UPDATE noetl.queue SET lease_until = now() - interval '1 s';
SELECT noetl.enqueue_next();
SELECT count(*) FROM noetl.queue;
-- … otherwise the task is queued again, and the old worker is too late.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: queue/again
workflow:
- {step: a, type: python, code: x, retry: 2, next: end}
- step: end
$$) > 0 AS registered;
SELECT noetl.execute('queue/again') AS execution \gset
SELECT queue_id AS task FROM noetl.lease('dead') \gset
UPDATE noetl.queue SET lease_until = now() - interval '1 s';
SELECT noetl.enqueue_next(:execution);
SELECT noetl.complete(:task, '{}', 'dead');
INSERT INTO noetl.event (execution_id, event_type, node_name, worker_id, meta)
VALUES (:execution, 'action_completed', 'a', 'dead', '{"attempt": 1}');
SELECT step FROM work();
SELECT * FROM story('queue/again');

-- Waiting is a procedure of its own transaction; due tells whether it paid.
CALL noetl.wait_for_work('10 ms');
SELECT noetl.execute('queue/again') > 0 AS started;
CALL noetl.wait_for_work('10 s');
CALL noetl.wait_for_work('10 ms', '{shell}');
BEGIN;
CALL noetl.wait_for_work('10 ms');
ROLLBACK;
-- A retry that becomes due ends the wait.
SELECT queue_id AS task FROM noetl.lease('w') \gset
SELECT noetl.fail(:task, 'once more', 'w');
UPDATE noetl.queue SET available_at = clock_timestamp() + interval '20 ms' WHERE status = 'retry';
CALL noetl.wait_for_work('10 s');
SELECT step FROM work();

-- Off: events are stored, nothing is decided, until enqueue_next catches up.
SET noetl.broker = off;
SELECT noetl.execute('queue/again') AS execution \gset
SELECT * FROM story('queue/again');
SELECT count(*) FROM noetl.lease('w');
RESET noetl.broker;
SELECT noetl.enqueue_next();
SELECT noetl.enqueue_next();
SET noetl.broker = off;
INSERT INTO noetl.event (execution_id, event_type, node_name, result) VALUES (:execution, 'action_completed', 'a', '{}');
SELECT noetl.enqueue_next(:execution);
RESET noetl.broker;
SELECT * FROM story('queue/again');

-- A read-only transaction cannot lease.
BEGIN READ ONLY;
SELECT noetl.lease('w');
ROLLBACK;
