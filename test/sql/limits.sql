-- Limits: how many tasks or executions are under way at the same time, and how many
-- begin in a span of time.
CREATE EXTENSION IF NOT EXISTS noetl;
SET TIME ZONE 'UTC';
CREATE FUNCTION pg_temp.tasks() RETURNS TABLE(status text, n bigint) LANGUAGE sql AS
    'SELECT q.status, count(*) FROM noetl.queue q GROUP BY 1 ORDER BY 1';
CREATE FUNCTION pg_temp.slots() RETURNS TABLE(name text, key text, held bigint, waiting bigint) LANGUAGE sql AS
    'SELECT u.name, u.key, u.held, u.waiting FROM noetl.limit_use u ORDER BY 1, 2';
CREATE FUNCTION pg_temp.wrong() RETURNS TABLE(path text, relation text, what text) LANGUAGE sql AS
    'SELECT e.path, v.relation, v.key FROM noetl.execution e, noetl.verify(e.execution_id) v WHERE e.path LIKE ''limits/%'' ORDER BY 1, 2, 3';

-- A step with a limit: two tasks at the same time for each tenant.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
metadata: {name: api, path: limits/api}
workload: {tenant: a}
workflow:
  - step: start
    next: [call]
  - step: call
    type: python
    code: "def main(): pass"
    limits:
      - {name: api, key: "{{ workload.tenant }}", concurrency: 2}
    next: [end]
  - step: end
$$) IS NOT NULL AS registered;
SELECT count(noetl.execute('limits/api')) FROM generate_series(1, 4);
SELECT count(noetl.execute('limits/api', '{"tenant": "b"}'));
SELECT * FROM pg_temp.tasks();
SELECT * FROM pg_temp.slots();
SELECT * FROM pg_temp.wrong();
-- A worker gets no more than may be under way.
SELECT node_name, status FROM noetl.lease('w1', 10, '1 hour');
SELECT * FROM noetl.lease('w2', 10);
-- Who waits is told why.
SELECT w.step, w.state, w.waits_for, w.detail FROM (SELECT * FROM noetl.execution WHERE path LIKE 'limits/%' OFFSET 0) AS e, noetl.why(e.execution_id) w
 WHERE w.waits_for = 'limit' ORDER BY e.execution_id;
SELECT type, path, priority, ready, blocked, leased FROM noetl.backlog;
-- The end of a task hands its slot to who waits longest, in the same commit.
SELECT noetl.complete(min(queue_id), '{}', 'w1') FROM noetl.queue WHERE status = 'leased';
SELECT * FROM pg_temp.tasks();
SELECT rank() OVER (ORDER BY execution_id), status FROM noetl.queue ORDER BY execution_id;
-- So does giving a task back, and losing a lease; the task itself waits at the end.
SELECT noetl.release(queue_id, 'w1') FROM noetl.queue WHERE status = 'leased' ORDER BY queue_id LIMIT 1;
SELECT rank() OVER (ORDER BY execution_id), status FROM noetl.queue ORDER BY execution_id;
SELECT * FROM pg_temp.slots();
SELECT count(*) FROM noetl.lease('w1', 10, '1 hour');
UPDATE noetl.queue SET lease_until = now() - interval '1 s' WHERE status = 'leased' AND queue_id =
    (SELECT min(queue_id) FROM noetl.queue WHERE status = 'leased');
SELECT noetl.enqueue_next() >= 0 AS reaped;
SELECT * FROM pg_temp.slots();
SELECT * FROM pg_temp.wrong();
-- Rolled back: nothing has happened.
BEGIN;
SELECT noetl.complete(max(queue_id), '{}', 'w1') FROM noetl.queue WHERE status = 'leased';
ROLLBACK;
SELECT * FROM pg_temp.slots();
-- An execution that is cancelled gives its slots up, and its place.
SELECT count(noetl.cancel(execution_id)) FROM noetl.execution WHERE status = 'RUNNING';
SELECT * FROM pg_temp.slots();
SELECT noetl.release(queue_id, 'w1') FROM noetl.queue;
SELECT count(*) FROM noetl.slot;
-- Changed while running: no more than one, then any number.
SELECT count(noetl.execute('limits/api')) FROM generate_series(1, 4);
SELECT noetl.set_limit('api', 1);
SELECT * FROM pg_temp.slots();
SELECT count(*) FROM noetl.lease('w1', 10);
SELECT noetl.complete(queue_id, '{}', 'w1') FROM noetl.queue WHERE status = 'leased' ORDER BY queue_id;
SELECT * FROM pg_temp.tasks();
SELECT noetl.set_limit('api', 0);
SELECT noetl.complete(queue_id, '{}', 'w1') FROM noetl.lease('w1', 10);
SELECT * FROM pg_temp.tasks();
SELECT noetl.set_limit('api');
SELECT * FROM pg_temp.tasks();
SELECT noetl.unset_limit('api'), noetl.unset_limit('api') AS again;
SELECT noetl.set_limit('api', -1);
SELECT noetl.set_limit(repeat('n', 201), 1);
SELECT noetl.set_limit('api', NULL, '{"limit": 5}');
SELECT count(noetl.complete(queue_id, '{}', 'w1')) FROM noetl.lease('w1', 10);
SELECT * FROM pg_temp.wrong();
SELECT count(*) FROM noetl.slot;

-- complete_and_lease goes on with the slot that it has freed.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
metadata: {name: two, path: limits/two}
workflow:
  - step: start
    next: [one]
  - step: one
    type: python
    code: "def main(): pass"
    limits: {name: single, concurrency: 1}
    next: [two]
  - step: two
    type: python
    code: "def main(): pass"
    limits:
      - {name: single, concurrency: 1}
      - {name: double, concurrency: 2}
    next: [end]
  - step: end
$$) IS NOT NULL AS registered;
SELECT noetl.execute('limits/two') AS id \gset
SELECT queue_id AS task FROM noetl.lease('w1') \gset
SELECT queue_id AS task, node_name FROM noetl.complete_and_lease(:task, '{}', 'w1') \gset
SELECT :'node_name';
SELECT name, ordinal, held FROM noetl.slot ORDER BY ordinal;
-- A second execution waits for one limit after the other.
SELECT noetl.set_limit('double', 1);
SELECT noetl.execute('limits/two') AS id2 \gset
SELECT w.step, w.state, w.detail FROM noetl.why(:id2) w;
SELECT * FROM pg_temp.wrong();
-- Its rows are made anew from its log.
DELETE FROM noetl.slot WHERE execution_id = :id;
SELECT * FROM pg_temp.wrong();
SELECT noetl.rebuild(:id) IS NOT NULL AS rebuilt;
SELECT * FROM pg_temp.wrong();
SELECT * FROM pg_temp.slots();
DELETE FROM noetl.queue WHERE execution_id = :id2;
SELECT * FROM pg_temp.wrong();
SELECT noetl.rebuild(:id2) IS NOT NULL AS rebuilt;
SELECT * FROM pg_temp.wrong();
SELECT * FROM pg_temp.slots();
SELECT noetl.complete(:task, '{}', 'w1');
SELECT noetl.complete(queue_id, '{}', 'w1') FROM noetl.lease('w1', 10);
SELECT noetl.complete(queue_id, '{}', 'w1') FROM noetl.lease('w1', 10);
SELECT noetl.unset_limit('double');
SELECT status, count(*) FROM noetl.execution WHERE path = 'limits/two' GROUP BY 1;
SELECT count(*) FROM noetl.slot;

-- Who does not wait: the task is skipped, fails, or displaces the oldest.
SELECT noetl.register(format($$
apiVersion: noetl.io/v1
kind: Playbook
metadata: {name: %1$s, path: limits/%1$s}
workflow:
  - step: start
    next: [one]
  - step: one
    type: python
    code: "def main(): pass"
    limits: {name: busy, concurrency: 1, on_limit: %1$s}
    next: [end]
  - step: end
    result: {one: "{{ one }}"}
$$, word)) IS NOT NULL AS registered FROM unnest(ARRAY['wait', 'skip', 'cancel_newest', 'cancel_oldest']) AS word;
SELECT noetl.execute('limits/wait') AS first \gset
SELECT noetl.execute('limits/skip') AS id \gset
SELECT status, result FROM noetl.execution WHERE execution_id = :id;
SELECT noetl.execute('limits/cancel_newest') AS id \gset
SELECT status, error FROM noetl.execution WHERE execution_id = :id;
SELECT noetl.execute('limits/cancel_oldest') AS id \gset
SELECT path, status, error FROM noetl.execution WHERE execution_id IN (:first, :id) ORDER BY execution_id;
SELECT * FROM pg_temp.slots();
SELECT noetl.complete(queue_id, '{}', 'w1') FROM noetl.lease('w1', 10);
SELECT * FROM pg_temp.wrong();
SELECT count(*) FROM noetl.slot;

-- A rate: ten in an hour, two at once.  Time passes by hand.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
metadata: {name: rate, path: limits/rate}
workflow:
  - step: start
    next: [one]
  - step: one
    type: python
    code: "def main(): pass"
    limits: {name: pace, rate: {limit: 10, per: hour, burst: 2}}
    next: [end]
  - step: end
$$) IS NOT NULL AS registered;
SELECT count(noetl.execute('limits/rate')) FROM generate_series(1, 5);
SELECT round(extract(epoch FROM w.due - clock_timestamp()) / 60) AS minutes, regexp_replace(w.detail, '\d{4}-.*', '<time>') AS detail
  FROM noetl.execution AS x, noetl.why(x.execution_id) AS w WHERE x.path = 'limits/rate' AND w.state = 'blocked' ORDER BY w.due;
SELECT * FROM pg_temp.tasks();
SELECT full_at - due_at AS ahead, due_at > now() + interval '5 min' AS later FROM noetl.limit_pace WHERE name = 'pace';
UPDATE noetl.limit_pace SET full_at = full_at - interval '6 min', due_at = due_at - interval '6 min' WHERE name = 'pace';
SELECT noetl.enqueue_next() >= 0 AS looked;
SELECT * FROM pg_temp.tasks();
-- Another rate counts at once.
SELECT noetl.set_limit('pace', NULL, '{"limit": 1, "per": "1 ms", "burst": 100}');
SELECT pg_sleep(0.1);
SELECT noetl.enqueue_next() >= 0 AS looked;
SELECT * FROM pg_temp.tasks();
SELECT noetl.unset_limit('pace');
SELECT count(noetl.complete(queue_id, '{}', 'w1')) FROM noetl.lease('w1', 10);
-- The pace is forgotten when it does not matter any more.
INSERT INTO noetl.limit_pace (name, key, full_at, due_at) VALUES ('pace', '', now(), now())
    ON CONFLICT (name, key) DO UPDATE SET full_at = excluded.full_at, due_at = excluded.due_at;
SELECT noetl.enqueue_next() >= 0 AS looked;
SELECT count(*) FROM noetl.limit_pace;

-- The items of an iterator share a limit too.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
metadata: {name: items, path: limits/items}
workflow:
  - step: start
    next: [each]
  - step: each
    type: iterator
    collection: [1, 2, 3, 4, 5]
    element: n
    mode: distributed
    concurrency: 4
    limits: {name: items, concurrency: 2}
    task: {type: python, code: "def main(): pass"}
    next: [end]
  - step: end
$$) IS NOT NULL AS registered;
SELECT noetl.execute('limits/items') AS id \gset
SELECT * FROM pg_temp.tasks();
SELECT substring(w.detail FROM '. items wait: [^.]*.') FROM noetl.why(:id) w;
SELECT count(noetl.complete(queue_id, '{}', 'w1')) FROM noetl.lease('w1', 10);
SELECT * FROM pg_temp.wrong();
SELECT count(noetl.complete(queue_id, '{}', 'w1')) FROM noetl.lease('w1', 10);
SELECT count(noetl.complete(queue_id, '{}', 'w1')) FROM noetl.lease('w1', 10);
SELECT status FROM noetl.execution WHERE execution_id = :id;

-- Executions with a limit.
SELECT noetl.register(format($$
apiVersion: noetl.io/v1
kind: Playbook
metadata: {name: x_%1$s, path: limits/x_%1$s}
workload: {tenant: a}
limits: {name: runs, key: "{{ tenant }}", concurrency: 1, on_limit: %1$s}
workflow:
  - step: start
    next: [one]
  - step: one
    type: python
    code: "def main(): pass"
    next: [end]
  - step: end
$$, word)) IS NOT NULL AS registered FROM unnest(ARRAY['wait', 'skip', 'cancel_newest', 'cancel_oldest']) AS word;
SELECT noetl.execute('limits/x_wait') AS a1 \gset
SELECT noetl.execute('limits/x_wait') AS a2 \gset
SELECT noetl.execute('limits/x_wait', '{"tenant": "b"}') AS b1 \gset
SELECT status, count(*) FROM noetl.execution WHERE path = 'limits/x_wait' GROUP BY 1 ORDER BY 1;
SELECT w.state, w.detail FROM noetl.why(:a2) w;
SELECT * FROM pg_temp.wrong();
SELECT noetl.execute('limits/x_skip') AS id \gset
SELECT status, error FROM noetl.execution WHERE execution_id = :id;
SELECT noetl.execute('limits/x_cancel_newest') AS id \gset
SELECT status, error FROM noetl.execution WHERE execution_id = :id;
-- The end of one hands its slot on; the next begins when its time is looked at.
SELECT noetl.complete(queue_id, '{}', 'w1') FROM noetl.lease('w1', 10);
SELECT noetl.enqueue_next() AS begun;
SELECT status FROM noetl.execution WHERE execution_id = :a2;
SELECT noetl.execute('limits/x_cancel_oldest') AS id \gset
SELECT status, replace(error, :id::text, '<id>') FROM noetl.execution WHERE execution_id = :a2;
SELECT status, error FROM noetl.execution WHERE execution_id = :id;
SELECT * FROM pg_temp.slots();
SELECT * FROM pg_temp.wrong();
-- What goes on after its end needs a slot again.
SELECT noetl.redrive(:a2);
SELECT noetl.cancel(:id);
SELECT noetl.redrive(:a2) > 0 AS redriven;
SELECT * FROM pg_temp.slots();
SELECT count(noetl.complete(queue_id, '{}', 'w1')) FROM noetl.lease('w1', 10);
SELECT * FROM pg_temp.wrong();
SELECT count(*) FROM noetl.slot;
-- As a child, an execution waits too.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
metadata: {name: parent, path: limits/parent}
workflow:
  - step: start
    next: [child]
  - step: child
    type: playbook
    path: limits/x_wait
    next: [end]
  - step: end
$$) IS NOT NULL AS registered;
SELECT noetl.execute('limits/x_wait') AS first \gset
SELECT noetl.execute('limits/parent') AS id \gset
SELECT path, status FROM noetl.execution WHERE execution_id = :id OR parent_execution_id = :id ORDER BY path;
SELECT * FROM pg_temp.wrong();
SELECT noetl.complete(queue_id, '{}', 'w1') FROM noetl.lease('w1', 10);
SELECT noetl.enqueue_next() AS begun;
SELECT noetl.complete(queue_id, '{}', 'w1') FROM noetl.lease('w1', 10);
SELECT path, status FROM noetl.execution WHERE execution_id = :id OR parent_execution_id = :id ORDER BY path;
SELECT * FROM pg_temp.wrong();
-- At a time of its own: it waits for its time first, then for its slots.
SELECT noetl.execute('limits/x_wait') AS first \gset
SELECT noetl.execute('limits/x_wait', run_at => clock_timestamp() + interval '0.1 s') AS id \gset
SELECT count(*) FROM noetl.slot WHERE execution_id = :id;
SELECT pg_sleep(0.15);
SELECT noetl.enqueue_next() AS begun;
SELECT count(*) FROM noetl.slot WHERE execution_id = :id AND NOT held;
SELECT noetl.complete(queue_id, '{}', 'w1') FROM noetl.lease('w1', 10);
SELECT noetl.enqueue_next() AS begun;
SELECT noetl.complete(queue_id, '{}', 'w1') FROM noetl.lease('w1', 10);
SELECT status FROM noetl.execution WHERE execution_id = :id;
SELECT * FROM pg_temp.wrong();
SELECT count(*) FROM noetl.slot;

-- A paused task has no slot; it asks for one when the pause is over.
SELECT noetl.execute('limits/wait') AS id \gset
SELECT noetl.execute('limits/wait') AS id2 \gset
SELECT noetl.pause(:id) IS NOT NULL AS paused;
SELECT execution_id = :id2 AS second, status FROM noetl.queue ORDER BY execution_id;
SELECT noetl.resume(:id) IS NOT NULL AS resumed;
SELECT execution_id = :id2 AS second, status FROM noetl.queue ORDER BY execution_id;
SELECT * FROM pg_temp.wrong();
SELECT count(noetl.complete(queue_id, '{}', 'w1')) FROM noetl.lease('w1', 10);
SELECT count(noetl.complete(queue_id, '{}', 'w1')) FROM noetl.lease('w1', 10);
-- A failed attempt gives its slot up until the next one is due.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
metadata: {name: again, path: limits/again}
workflow:
  - step: start
    next: [one]
  - step: one
    type: python
    code: "def main(): pass"
    retry: {max_attempts: 3, initial_delay: 0.05, jitter: false}
    limits: {name: busy, concurrency: 1}
    next: [end]
  - step: end
$$) IS NOT NULL AS registered;
SELECT noetl.execute('limits/again') AS id \gset
SELECT noetl.fail(queue_id, 'no', 'w1') FROM noetl.lease('w1');
SELECT count(*) FROM noetl.slot;
SELECT noetl.execute('limits/wait') AS id2 \gset
SELECT pg_sleep(0.1);
SELECT noetl.enqueue_next() AS due;
SELECT execution_id = :id2 AS second, status FROM noetl.queue ORDER BY execution_id;
SELECT * FROM pg_temp.wrong();
-- Who starts a task by hand has its slot unasked.
INSERT INTO noetl.event (execution_id, event_type, node_name) VALUES (:id, 'action_started', 'one');
SELECT * FROM pg_temp.slots();
SELECT * FROM pg_temp.wrong();
SELECT noetl.cancel(:id), noetl.cancel(:id2);
SELECT count(*) FROM noetl.queue;
DELETE FROM noetl.queue;

-- A trigger that fires when slots are handed out starts what has a limit itself.
CREATE FUNCTION pg_temp.follow() RETURNS trigger LANGUAGE plpgsql AS
    $$BEGIN PERFORM noetl.execute('limits/api', '{"tenant": "f"}'); RETURN NULL; END$$;
CREATE TRIGGER follow AFTER UPDATE ON noetl.queue FOR EACH ROW
    WHEN (OLD.status = 'blocked' AND NEW.status = 'queued' AND NEW.node_name <> 'call')
    EXECUTE FUNCTION pg_temp.follow();
SELECT count(noetl.execute('limits/wait')) FROM generate_series(1, 2);
SELECT * FROM pg_temp.tasks();
SELECT count(noetl.complete(queue_id, '{}', 'w1')) FROM noetl.lease('w1', 1);
SELECT * FROM pg_temp.tasks();
SELECT * FROM pg_temp.slots();
DROP TRIGGER follow ON noetl.queue;
SELECT count(noetl.cancel(execution_id)) FROM noetl.execution WHERE status = 'RUNNING';
SELECT count(*) FROM noetl.slot;
DELETE FROM noetl.queue;

-- A worker that completes a task and leases the next: what its task leads to displaces the oldest.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
metadata: {path: limits/displaced}
workflow:
  - {step: start, next: [before]}
  - {step: before, type: shell, command: x, next: [one]}
  - {step: one, type: python, code: x, limits: {name: displacing, concurrency: 1, on_limit: cancel_oldest}, on_error: continue, next: [after]}
  - {step: after, type: python, code: x}
$$) IS NOT NULL AS registered;
SELECT noetl.execute('limits/displaced') AS first \gset
SELECT queue_id AS task FROM noetl.lease('w1', types => '{shell}') \gset
SELECT count(*) FROM noetl.complete_and_lease(:task, '{}', 'w1', types => '{shell}');
SELECT noetl.execute('limits/displaced') AS second \gset
SELECT queue_id AS task FROM noetl.lease('w1', types => '{shell}') \gset
SELECT count(*) FROM noetl.complete_and_lease(:task, '{}', 'w1', types => '{shell}');
SELECT execution_id = :first AS first, node_name, status FROM noetl.queue ORDER BY 1 DESC, 2;
SELECT error FROM noetl.event WHERE execution_id = :first AND event_type = 'action_error';
SELECT * FROM pg_temp.slots();
SELECT * FROM pg_temp.wrong();
SELECT count(noetl.cancel(execution_id)) FROM noetl.execution WHERE status = 'RUNNING';
SELECT count(*) FROM noetl.slot;
DELETE FROM noetl.queue;

-- Where nothing may begin, what is under way goes on: nothing is displaced for what could not begin.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: limits/shut
limits: [{name: shut, concurrency: 2, on_limit: cancel_oldest}]
workflow: [{step: one, type: limits_shut, limits: [{name: shut_task, concurrency: 2, on_limit: cancel_oldest}]}]
$$) IS NOT NULL AS registered;
SELECT noetl.execute('limits/shut') > 0 AS started FROM generate_series(1, 2);
SELECT noetl.set_limit('shut', 0);
SELECT noetl.execute('limits/shut') > 0 AS started;
SELECT status, error FROM noetl.execution WHERE path = 'limits/shut' ORDER BY execution_id;
SELECT noetl.set_limit('shut'), noetl.set_limit('shut_task', 0);
SELECT noetl.enqueue_next() >= 0 AS began;
SELECT x.status, q.status, x.error FROM noetl.execution AS x LEFT JOIN noetl.queue AS q USING (execution_id) WHERE x.path = 'limits/shut' ORDER BY 1, 2;
SELECT noetl.unset_limit('shut_task'), noetl.unset_limit('shut');
SELECT * FROM pg_temp.wrong();
SELECT count(noetl.cancel(execution_id)) FROM noetl.execution WHERE path = 'limits/shut';

-- Whoever uses a name that others use, too, displaces nothing of theirs, and waits.
CREATE ROLE limits_one;
CREATE ROLE limits_other;
GRANT EXECUTE ON FUNCTION noetl.register, noetl.execute TO limits_one, limits_other;
SELECT noetl.register('
apiVersion: noetl.io/v1
kind: Playbook
path: limits/shared
limits: [{name: shared, concurrency: 2, on_limit: cancel_oldest}]
workflow: [{step: one, type: limits_shared, limits: [{name: shared_task, concurrency: 2, on_limit: cancel_oldest}]}]
') > 0 AS registered;
SET ROLE limits_one;
SELECT noetl.execute('limits/shared') > 0 AS started;
SET ROLE limits_other;
SELECT noetl.execute('limits/shared') > 0 AS started;
SELECT noetl.execute('limits/shared') > 0 AS started;
RESET ROLE;
SELECT started_by, status, regexp_replace(error, '\d{9,}', '<id>') AS error FROM noetl.execution WHERE path = 'limits/shared' ORDER BY execution_id;
SET ROLE limits_one;
SELECT noetl.execute('limits/shared') > 0 AS started;
SELECT noetl.execute('limits/shared') > 0 AS started;
RESET ROLE;
SELECT started_by, status FROM noetl.execution WHERE path = 'limits/shared' ORDER BY execution_id;
SELECT count(noetl.cancel(execution_id)) FROM noetl.execution WHERE path = 'limits/shared' AND started_by = 'limits_one'::regrole AND ended_at IS NULL;
-- Where all slots are another's it waits.
SELECT noetl.set_limit('shared', 1);
SET ROLE limits_one;
SELECT noetl.execute('limits/shared') > 0 AS started;
RESET ROLE;
SELECT started_by, status FROM noetl.execution WHERE path = 'limits/shared' ORDER BY execution_id;
-- A superuser may.
SELECT noetl.execute('limits/shared') > 0 AS started;
SELECT started_by = current_user::regrole AS mine, status FROM noetl.execution WHERE path = 'limits/shared' ORDER BY execution_id;
SELECT count(noetl.cancel(execution_id)) FROM noetl.execution WHERE path = 'limits/shared' AND ended_at IS NULL;
SELECT noetl.unset_limit('shared');
DROP OWNED BY limits_one, limits_other;
DROP ROLE limits_one, limits_other;

-- A burst that is spread over more time than there is counts as one of 100,000 years.
SELECT noetl.register('
apiVersion: noetl.io/v1
kind: Playbook
path: limits/bursts
workflow:
- {step: one, type: limits_bursts, limits: [{name: bursts, rate: {limit: 1, per: 30 days, burst: 2147483647}}]}
') > 0 AS registered;
SELECT count(noetl.execute('limits/bursts')) FROM generate_series(1, 3);
SELECT status, count(*) FROM noetl.queue WHERE node_type = 'limits_bursts' GROUP BY 1;
SELECT full_at < now() + '1 year' AS near, due_at < now() + '1 year' AS near FROM noetl.limit_pace WHERE name = 'bursts';
SELECT noetl.set_limit('bursts', rate => '{"limit": 1, "per": "100 years"}');
SELECT count(noetl.cancel(execution_id)) FROM noetl.execution WHERE path = 'limits/bursts';
DELETE FROM noetl.limit_pace WHERE name = 'bursts';

-- What a limit must not say.
SELECT severity, message FROM noetl.validate($$
workflow:
  - step: start
    type: python
    code: "def main(): pass"
    limits:
      - {concurrency: 1}
      - {name: a, concurrency: 0}
      - {name: b, concurrency: "{{ x }}"}
      - {name: c, rate: {limit: 1}}
      - {name: d, rate: 5}
      - {name: e, concurrency: 1, on_limit: explode}
      - {name: e, concurrency: 1}
      - {name: f, rate: {limit: 1, per: fortnight}}
      - {name: g, concurrency: 1, limit: 3}
      - 7
$$);
