-- Limits that are not reached: tasks take slots without a lock, and keep the slot of the
-- task before them; whoever waits comes first all the same.
CREATE EXTENSION IF NOT EXISTS noetl;
SET TIME ZONE 'UTC';
CREATE FUNCTION pg_temp.tasks(OUT execution bigint, OUT node_name text, OUT status text, OUT keeps boolean) RETURNS SETOF record LANGUAGE sql AS
    $$SELECT rank() OVER (ORDER BY q.execution_id), q.node_name, q.status, q.slot_of IS NOT NULL FROM noetl.queue q ORDER BY q.execution_id, q.queue_id$$;
CREATE FUNCTION pg_temp.slots(OUT name text, OUT key text, OUT held bigint, OUT waiting bigint) RETURNS SETOF record LANGUAGE sql AS
    'SELECT u.name, u.key, u.held, u.waiting FROM noetl.limit_use u ORDER BY 1, 2';
CREATE FUNCTION pg_temp.wrong(OUT path text, OUT relation text, OUT key text) RETURNS SETOF record LANGUAGE sql AS
    'SELECT e.path, v.relation, v.key FROM (SELECT * FROM noetl.execution WHERE path LIKE ''room/%'' OFFSET 0) AS e, noetl.verify(e.execution_id) v ORDER BY 1, 2, 3';
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
metadata: {name: three, path: room/three}
workload: {tenant: a}
workflow:
  - {step: one, type: python, code: x, limits: {name: pool, key: "{{ workload.tenant }}", concurrency: 2}, retry: {max_attempts: 3, initial_delay: 3600}, next: two}
  - {step: two, type: python, code: x, limits: {name: pool, key: "{{ workload.tenant }}", concurrency: 2}, retry: {max_attempts: 3, initial_delay: 3600}, next: three}
  - {step: three, type: python, code: x, limits: {name: pool, key: "{{ workload.tenant }}", concurrency: 2}, next: end}
  - {step: end}
$$) IS NOT NULL AS registered;

-- The second and the third task keep the slot of the first: its row is not written again.
SELECT noetl.execute('room/three') AS id \gset
SELECT queue_id AS task FROM noetl.lease('w1') \gset
SELECT xmin AS written FROM noetl.slot \gset
SELECT queue_id AS task FROM noetl.complete_and_lease(:task, '{}', 'w1') \gset
SELECT * FROM pg_temp.tasks();
SELECT s.xmin = :'written'::xid AS same, s.queue_id = q.slot_of AS slot_of_the_first FROM noetl.slot s, noetl.queue q;
SELECT * FROM pg_temp.wrong();
SELECT noetl.complete(:task, '{}', 'w1');
SELECT queue_id AS task FROM noetl.lease('w1') \gset
SELECT * FROM pg_temp.tasks();
SELECT xmin = :'written'::xid AS same FROM noetl.slot;
SELECT * FROM pg_temp.wrong();
SELECT noetl.complete(:task, '{}', 'w1');
SELECT count(*) FROM noetl.slot;

-- Who waits does not starve: a slot goes to it, and not to the next task of the execution.
SELECT noetl.execute('room/three') AS a \gset
SELECT noetl.execute('room/three') AS b \gset
SELECT count(*) FROM noetl.lease('w1', 2);
SELECT noetl.execute('room/three') AS c \gset
SELECT w.detail, w.hint FROM noetl.why(:c) w;
SELECT noetl.complete(queue_id, '{}', 'w1') FROM noetl.queue WHERE execution_id = :a;
SELECT * FROM pg_temp.tasks();
SELECT w.detail FROM noetl.why(:a) w;
SELECT noetl.complete(queue_id, '{}', 'w1') FROM noetl.queue WHERE execution_id = :b;
SELECT * FROM pg_temp.tasks();
SELECT w.detail FROM noetl.why(:b) w;
SELECT * FROM pg_temp.slots();
SELECT * FROM pg_temp.wrong();
-- In the end all have had their turns.
SELECT count(noetl.complete(queue_id, '{}', 'w2')) FROM noetl.lease('w2', 2);
SELECT count(noetl.complete(queue_id, '{}', 'w2')) FROM noetl.lease('w2', 2);
SELECT count(noetl.complete(queue_id, '{}', 'w2')) FROM noetl.lease('w2', 2);
SELECT count(noetl.complete(queue_id, '{}', 'w2')) FROM noetl.lease('w2', 2);
SELECT count(noetl.complete(queue_id, '{}', 'w2')) FROM noetl.lease('w2', 2);
SELECT status FROM noetl.execution WHERE execution_id IN (:a, :b, :c);
SELECT count(*) FROM noetl.slot;

-- What is rolled back, all of it or a part, changes nothing.
SELECT noetl.execute('room/three') AS a \gset
SELECT count(*) FROM noetl.lease('w1');
BEGIN;
SELECT noetl.complete(queue_id, '{}', 'w1') FROM noetl.queue;
SELECT * FROM pg_temp.tasks();
ROLLBACK;
SELECT * FROM pg_temp.tasks();
BEGIN;
SAVEPOINT part;
SELECT noetl.complete(queue_id, '{}', 'w1') FROM noetl.queue;
SELECT noetl.execute('room/three') AS lost \gset
SELECT * FROM pg_temp.slots();
ROLLBACK TO part;
SELECT * FROM pg_temp.slots();
SELECT noetl.execute('room/three') AS b \gset
SELECT noetl.execute('room/three') AS c \gset
COMMIT;
SELECT * FROM pg_temp.tasks();
SELECT * FROM pg_temp.slots();
SELECT * FROM pg_temp.wrong();
SELECT count(noetl.cancel(execution_id)) FROM noetl.execution WHERE execution_id IN (:a, :b, :c);
SELECT noetl.release(queue_id, 'w1') FROM noetl.queue;
SELECT count(*) FROM noetl.slot;

-- A slot that a transaction has given up, and not committed, is good for itself only.
SELECT noetl.execute('room/three') AS a \gset
SELECT noetl.execute('room/three') AS b \gset
BEGIN;
SELECT noetl.cancel(:a);
SELECT noetl.execute('room/three') AS c \gset
SELECT noetl.execute('room/three') AS d \gset
SELECT * FROM pg_temp.tasks();
ROLLBACK;
SELECT * FROM pg_temp.tasks();
SELECT noetl.execute('room/three') AS c \gset
SELECT * FROM pg_temp.slots();
SELECT count(noetl.cancel(execution_id)) FROM noetl.execution WHERE execution_id IN (:a, :b, :c);
SELECT count(*) FROM noetl.slot;

-- An attempt that fails, and a task that is given back, give up the slot that they keep.
SELECT noetl.execute('room/three') AS a \gset
SELECT queue_id AS task FROM noetl.lease('w1') \gset
SELECT queue_id AS task FROM noetl.complete_and_lease(:task, '{}', 'w1') \gset
SELECT noetl.release(:task, 'w1');
SELECT * FROM pg_temp.tasks();
SELECT * FROM pg_temp.slots();
SELECT * FROM pg_temp.wrong();
SELECT noetl.fail(queue_id, 'no', 'w1') FROM noetl.lease('w1');
SELECT * FROM pg_temp.tasks();
SELECT count(*) FROM noetl.slot;
SELECT * FROM pg_temp.wrong();
SELECT noetl.retry(:a) IS NOT NULL AS again;
SELECT noetl.cancel(:a);

-- A task that waits for its next attempt has no slot that the task after it could keep: that one
-- takes a slot of its own, and counts.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
metadata: {name: failing, path: room/failing}
workflow:
  - {step: one, type: python, code: x, limits: {name: pool, key: a, concurrency: 2}, retry: {max_attempts: 3, initial_delay: 0.01, jitter: false}, next: two}
  - {step: two, type: python, code: x, limits: {name: pool, key: a, concurrency: 2}, next: end}
  - {step: end}
$$) IS NOT NULL AS registered;
SELECT noetl.execute('room/failing') AS a \gset
SELECT noetl.fail(queue_id, 'no', 'w1') FROM noetl.lease('w1');
SELECT pg_sleep(0.05);
SELECT * FROM pg_temp.tasks();
INSERT INTO noetl.event (execution_id, event_type, node_name) VALUES (:a, 'action_completed', 'one');
SELECT * FROM pg_temp.tasks();
SELECT * FROM pg_temp.slots();
SELECT * FROM pg_temp.wrong();
SELECT noetl.cancel(:a);

-- Rows are made anew from the log.
SELECT noetl.execute('room/three') AS a \gset
SELECT queue_id AS task FROM noetl.lease('w1') \gset
SELECT queue_id AS task FROM noetl.complete_and_lease(:task, '{}', 'w1') \gset
DELETE FROM noetl.queue WHERE execution_id = :a;
SELECT * FROM pg_temp.wrong();
SELECT noetl.rebuild(:a) IS NOT NULL AS rebuilt;
SELECT * FROM pg_temp.tasks();
SELECT * FROM pg_temp.slots();
SELECT * FROM pg_temp.wrong();
SELECT queue_id AS task FROM noetl.lease('w1') \gset
SELECT queue_id AS task FROM noetl.complete_and_lease(:task, '{}', 'w1') \gset
SELECT * FROM pg_temp.tasks();
DELETE FROM noetl.slot WHERE execution_id = :a;
SELECT * FROM pg_temp.wrong();
SELECT noetl.rebuild(:a) IS NOT NULL AS rebuilt;
SELECT * FROM pg_temp.slots();
SELECT * FROM pg_temp.wrong();
SELECT noetl.complete(:task, '{}', 'w1');
SELECT count(*) FROM noetl.slot;

-- A limit that is lowered: slots are kept no more until so many are given up.
SELECT noetl.execute('room/three') AS a \gset
SELECT noetl.execute('room/three') AS b \gset
SELECT count(*) FROM noetl.lease('w1', 2);
SELECT noetl.set_limit('pool', 1);
SELECT noetl.complete(queue_id, '{}', 'w1') FROM noetl.queue WHERE execution_id = :a;
SELECT * FROM pg_temp.tasks();
SELECT noetl.complete(queue_id, '{}', 'w1') FROM noetl.queue WHERE execution_id = :b;
SELECT * FROM pg_temp.tasks();
SELECT noetl.unset_limit('pool');
SELECT * FROM pg_temp.tasks();
SELECT * FROM pg_temp.wrong();
SELECT count(noetl.cancel(execution_id)) FROM noetl.execution WHERE execution_id IN (:a, :b);
SELECT count(*) FROM noetl.slot;

-- A rate of one each second or more is counted in memory: no row says how far it is used
-- up, and what a transaction takes and rolls back is lost, so that none is counted twice.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
metadata: {name: rate, path: room/rate}
workflow:
  - {step: one, type: python, code: x, limits: {name: fast, rate: {limit: 1, per: second, burst: 3}}, next: end}
  - {step: end}
$$) IS NOT NULL AS registered;
SELECT pg_sleep(greatest(0, 4 - extract(epoch FROM clock_timestamp() - pg_postmaster_start_time())))::text = '' AS burst_is_full;
SELECT clock_timestamp() AS began \gset
SELECT noetl.execute('room/rate') AS a \gset
SELECT count(*) FROM noetl.limit_pace;
BEGIN;
SELECT count(noetl.execute('room/rate')) FROM generate_series(1, 2);
ROLLBACK;
SELECT count(noetl.execute('room/rate')) FROM generate_series(1, 5);
SELECT count(*) FILTER (WHERE status = 'queued') + 2 <= 3 + floor(extract(epoch FROM clock_timestamp() - :'began'::timestamptz)) AS never_too_many,
       count(*) FILTER (WHERE status = 'blocked') > 0 OR clock_timestamp() > :'began'::timestamptz + interval '4 s' AS some_wait FROM noetl.queue;
-- Only what waits has a row, which says when to look again.
SELECT count(*) = 1 AND bool_and(due_at > :'began'::timestamptz) OR clock_timestamp() > :'began'::timestamptz + interval '4 s' AS later FROM noetl.limit_pace;
SELECT count(*) FROM pg_temp.wrong();
-- Each begins in the end.
DO $$
BEGIN
    FOR i IN 1 .. 600 LOOP
        PERFORM noetl.complete(queue_id, '{}', 'w1') FROM noetl.lease('w1', 10);
        COMMIT;
        EXIT WHEN NOT EXISTS (SELECT FROM noetl.execution WHERE path = 'room/rate' AND ended_at IS NULL);
        PERFORM pg_sleep(0.1);
    END LOOP;
END $$;
SELECT status, count(*) FROM noetl.execution WHERE path = 'room/rate' GROUP BY 1;
SELECT count(*) - 1 <= extract(epoch FROM max(e.created_at) - :'began'::timestamptz) AS in_time FROM noetl.event e JOIN noetl.execution x USING (execution_id)
 WHERE x.path = 'room/rate' AND e.event_type = 'action_completed';
SELECT count(*) FROM noetl.slot;

-- Another rate counts at once, for what waits and for what comes: as much of its burst is used
-- up as of the burst before it.
SELECT noetl.register(format($$
apiVersion: noetl.io/v1
kind: Playbook
path: room/%1$s
workflow:
- {step: one, type: %1$s, code: x, limits: {name: %1$s, rate: {limit: %2$s, per: second, burst: %3$s}}}
$$, name, rate, burst)) > 0 FROM (VALUES ('changed', 1, 3), ('waiting', 1000, 1000), ('idle', 1000, 1000)) AS v(name, rate, burst);
CREATE FUNCTION pg_temp.begun(type text) RETURNS bigint LANGUAGE sql AS
    $$SELECT count(*) FROM noetl.queue q WHERE q.node_type = type AND q.status = 'queued'$$;
CREATE FUNCTION pg_temp.never_too_many(since timestamptz) RETURNS boolean LANGUAGE sql AS
    $$SELECT pg_temp.begun('changed') <= 3 + extract(epoch FROM clock_timestamp() - since)$$;
SELECT clock_timestamp() AS began \gset
SELECT count(noetl.execute('room/changed')) FROM generate_series(1, 8);
-- When it is rolled back, what the old one has used up counts again.
BEGIN;
SELECT noetl.set_limit('changed', NULL, '{"limit": 1000, "per": "second", "burst": 1000}');
SELECT pg_temp.begun('changed');
ROLLBACK;
SELECT noetl.enqueue_next() >= 0 AS looked;
SELECT pg_temp.never_too_many(:'began');
-- A slower one, which is counted in rows, begins with what memory says.
SELECT noetl.set_limit('changed', NULL, '{"limit": 1, "per": "hour", "burst": 3}');
SELECT pg_temp.never_too_many(:'began');
SELECT noetl.set_limit('changed', NULL, '{"limit": 1000, "per": "second", "burst": 1000}'), pg_sleep(0.01);
SELECT noetl.enqueue_next() >= 0 AS looked;
SELECT pg_temp.begun('changed');
SELECT count(noetl.execute('room/changed')) FROM generate_series(1, 2);
SELECT pg_temp.begun('changed');
-- So does the playbook's when a slow rule is taken back, whether anything waits or not.
SELECT noetl.set_limit(name, NULL, '{"limit": 1, "per": "day", "burst": 2}') FROM unnest(ARRAY['waiting', 'idle']) AS name;
SELECT count(noetl.execute('room/waiting')) FROM generate_series(1, 3);
SELECT count(noetl.execute('room/idle')) FROM generate_series(1, 2);
SELECT pg_temp.begun('waiting'), pg_temp.begun('idle');
SELECT noetl.unset_limit(name) FROM unnest(ARRAY['waiting', 'idle', 'changed']) AS name;
SELECT pg_sleep(0.01);
SELECT noetl.enqueue_next() >= 0 AS looked;
SELECT noetl.execute('room/idle') AS id \gset
SELECT pg_temp.begun('waiting'), pg_temp.begun('idle');
SELECT count(*) FROM pg_temp.wrong();
SELECT count(noetl.cancel(execution_id)) FROM noetl.execution WHERE path IN ('room/changed', 'room/waiting', 'room/idle');
DELETE FROM noetl.limit_pace;
SELECT count(*) FROM noetl.slot;

-- If playbooks say different things of one name, each counts for its own tasks: what a fast rate
-- has used up, in memory, is not missing from a slow one, in rows.
SELECT noetl.register(format($$
apiVersion: noetl.io/v1
kind: Playbook
path: room/%1$s
workflow:
- {step: one, type: %1$s, code: x, limits: {name: apart, rate: {limit: 1, per: %2$s, burst: %3$s}}}
$$, name, per, burst)) > 0 FROM (VALUES ('fast', 'second', 100), ('slow', 'day', 1)) AS v(name, per, burst);
SELECT count(noetl.execute('room/fast')) FROM generate_series(1, 3);
SELECT count(noetl.execute('room/slow')) FROM generate_series(1, 2);
SELECT node_type, status FROM noetl.queue ORDER BY queue_id;
SELECT count(*) FROM pg_temp.wrong();
SELECT count(noetl.cancel(execution_id)) FROM noetl.execution WHERE path IN ('room/fast', 'room/slow');
DELETE FROM noetl.limit_pace;
SELECT count(*) FROM noetl.slot;
