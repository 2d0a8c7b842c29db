\pset format unaligned
\pset tuples_only on
\set VERBOSITY terse
SET statement_timeout = '30 s';
-- What a session looks at: no more than it has to, and all that it has to.
DELETE FROM noetl.queue;
VACUUM noetl.queue;

-- A worker that takes all types finds none in a queue that has never had any.
\c
SET statement_timeout = '10 s';
SELECT count(*) FROM noetl.lease('w');

-- A task of a type with a long name is found, whatever is known of the type whose name is the
-- beginning of it.
CREATE FUNCTION pg_temp.task(type text, key text DEFAULT NULL, delay interval DEFAULT '0') RETURNS bigint LANGUAGE sql AS $$
    INSERT INTO noetl.queue (execution_id, catalog_id, node_id, node_name, node_type, action, fair_key, available_at)
    VALUES (1, 1, '1:a', 'a', type, '{}', key, now() + delay) RETURNING queue_id
$$;
SELECT 'look' || repeat('x', 59) AS type \gset
SELECT pg_temp.task(:'type' || 'y') > 0;
SELECT count(pg_temp.task(:'type')) FROM generate_series(1, 200) i;
SELECT count(*) FROM noetl.lease('w', 100, types => ARRAY[:'type']);
SELECT pg_sleep(0.02);
SELECT count(*) FROM noetl.lease('w', 1, types => ARRAY[:'type']);
SELECT pg_sleep(0.02);
SELECT count(*) FROM noetl.lease('w', 1, types => ARRAY[:'type']);
SELECT count(*) FROM noetl.lease('w', 1, types => ARRAY[:'type' || 'y']);
DELETE FROM noetl.queue;

-- Of many types the tasks with a fair_key are looked at once.
SELECT count(pg_temp.task('looktype' || i, NULL, '1 h')) FROM generate_series(1, 640) i;
SELECT count(pg_temp.task('lookfair' || i, 'x', '1 h')) FROM generate_series(1, 10) i;
\c
BEGIN;
SELECT count(*) FROM noetl.lease('w');
SELECT pg_stat_get_xact_numscans('noetl.queue_fair_idx'::regclass) < 300 AS reads_once;
ROLLBACK;
DELETE FROM noetl.queue;

-- Tasks that wait come before more urgent ones in time: each priority is looked at once for that.
INSERT INTO noetl.queue (execution_id, catalog_id, node_id, node_name, node_type, action, priority)
SELECT 1, 1, '1:a', 'a', 'looks', '{}', p FROM generate_series(1, 100) i, unnest('{5,0}'::int[]) p;
SET noetl.priority_age = '1 h';
SELECT pg_stat_get_xact_numscans('noetl.queue_ready_idx'::regclass) AS before \gset
SELECT count(*), min(priority) FROM noetl.lease('w', 100, types => '{looks}');
SELECT pg_stat_get_xact_numscans('noetl.queue_ready_idx'::regclass) - :before < 50 AS reads_few;
RESET noetl.priority_age;
DELETE FROM noetl.queue;

-- A client ends an iterator: the items of another one go on.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: looks/two
workflow:
- {step: start, next: [one, two]}
- {step: one, type: iterator, collection: [1, 2], element: n, mode: distributed, concurrency: 2, task: {type: looki, code: x}}
- {step: two, type: iterator, collection: [1, 2], element: n, mode: distributed, concurrency: 2, task: {type: looki, code: x}}
$$) > 0;
SELECT noetl.execute('looks/two') AS id \gset
INSERT INTO noetl.event (execution_id, event_type, node_name) VALUES (:id, 'step_skipped', 'one');
SELECT node_name, current_index, status FROM noetl.queue WHERE execution_id = :id ORDER BY 1, 2;
SELECT count(noetl.complete(queue_id, '1', 'w')) FROM noetl.lease('w', 9, types => '{looki}');
SELECT status FROM noetl.execution WHERE execution_id = :id;
SELECT * FROM noetl.verify(:id);

-- A trigger of a user may start executions in a block that catches errors, while the broker
-- writes.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: looks/one
workflow:
- {step: a, type: looka, code: x, next: b}
- {step: b, type: lookb, code: x}
$$) > 0;
CREATE TABLE look_started (id bigint, error text);
CREATE FUNCTION look_starts() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    BEGIN
        INSERT INTO look_started VALUES (noetl.execute('looks/one'));
    EXCEPTION WHEN OTHERS THEN
        INSERT INTO look_started VALUES (NULL, SQLERRM);
    END;
    RETURN new;
END $$;
SELECT noetl.execute('looks/one') AS id \gset
CREATE TRIGGER look_starts BEFORE INSERT ON noetl.event FOR EACH ROW
    WHEN (new.event_type = 'step_completed') EXECUTE FUNCTION look_starts();
SELECT count(noetl.complete(queue_id, '1', 'w')) FROM noetl.lease('w', types => '{looka}');
DROP TRIGGER look_starts ON noetl.event;
SELECT count(id), count(error), min(error) FROM look_started;
SELECT x.status, q.node_name FROM noetl.execution x LEFT JOIN noetl.queue q USING (execution_id) WHERE x.path = 'looks/one' ORDER BY x.execution_id;
SELECT count(noetl.cancel(execution_id)) FROM noetl.execution WHERE path = 'looks/one' AND status = 'RUNNING';
DROP TABLE look_started;
DROP FUNCTION look_starts;

-- Of very many tasks that are paused a lease marks some, and the next one goes on.
SELECT noetl.execute('looks/one') AS id \gset
SELECT noetl.pause_tasks(path => 'looks/one') >= 0;
INSERT INTO noetl.queue (execution_id, catalog_id, node_id, node_name, node_type, action)
SELECT :id, catalog_id, node_id, node_name, node_type, action FROM noetl.queue, generate_series(1, 3500) WHERE execution_id = :id;
SELECT status, count(*) FROM noetl.queue WHERE execution_id = :id GROUP BY 1 ORDER BY 1;
SELECT count(*) FROM noetl.lease('w', types => '{looka}');
SELECT status, count(*) FROM noetl.queue WHERE execution_id = :id GROUP BY 1 ORDER BY 1;
SELECT count(*) FROM noetl.lease('w', types => '{looka}');
SELECT status, count(*) FROM noetl.queue WHERE execution_id = :id GROUP BY 1 ORDER BY 1;
DELETE FROM noetl.queue WHERE execution_id = :id;
SELECT noetl.resume_tasks(path => 'looks/one');
SELECT noetl.cancel(:id);

-- A condition on two columns holds for each pair of values, and one on a column for each of its
-- values, however long they are.
SELECT noetl.register(format($$
apiVersion: noetl.io/v1
kind: Playbook
path: looks/pair%1$s
workflow:
- {step: p, type: lookp%1$s, code: x}
$$, i)) > 0 FROM generate_series(1, 2) i;
ALTER TABLE noetl.queue ADD CONSTRAINT look_pair CHECK (node_name || node_type <> 'plookp2'), ADD CONSTRAINT look_worker CHECK (worker_id <> 'bad');
SELECT noetl.execute('looks/pair1') AS id \gset
SELECT noetl.execute('looks/pair2');
SELECT count(*) FROM noetl.lease('a' || repeat('i', 37) || E'\x03\x01bad', types => '{lookp1}');
UPDATE noetl.queue SET status = 'queued', worker_id = NULL, lease_until = NULL WHERE execution_id = :id;
SELECT count(*) FROM noetl.lease('bad', types => '{lookp1}');
ALTER TABLE noetl.queue DROP CONSTRAINT look_pair, DROP CONSTRAINT look_worker;
SELECT noetl.cancel(:id);
-- A column that a user has declared so is not null.
ALTER TABLE noetl.queue ALTER fair_key SET NOT NULL;
SELECT noetl.execute('looks/pair1');
ALTER TABLE noetl.queue ALTER fair_key DROP NOT NULL;

-- A partition ends before the execution with which the next one begins.
SELECT noetl.make_partition('2024-01-02 00:00+00', '2024-01-03 00:00+00') AS leaf \gset
SELECT 172800000::bigint << 22 AS bound \gset
INSERT INTO noetl.event (execution_id, event_type, context) VALUES (:bound - 1, 'execution_start', '{"path": "looks/one"}');
INSERT INTO noetl.event (execution_id, event_type, context) VALUES (:bound, 'execution_start', '{"path": "looks/one"}');
SELECT execution_id - :bound AS id, tableoid = :'leaf'::regclass AS inside, event_type FROM noetl.event WHERE execution_id IN (:bound - 1, :bound) ORDER BY execution_id, event_id;
SELECT count(noetl.cancel(id)) FROM unnest(ARRAY[:bound - 1, :bound]) id;
DELETE FROM noetl.event WHERE execution_id IN (:bound - 1, :bound);
DELETE FROM noetl.workload WHERE execution_id IN (:bound - 1, :bound);
DELETE FROM noetl.execution WHERE execution_id IN (:bound - 1, :bound);
DROP TABLE :leaf;

-- Of many tasks of an execution a report reads some.
SELECT noetl.register(format($$
apiVersion: noetl.io/v1
kind: Playbook
path: looks/wide
workflow:
- {step: start, next: [%s]}
%s
$$, (SELECT string_agg('s' || i, ', ') FROM generate_series(1, 200) i), (SELECT string_agg(format('- {step: s%s, type: lookw, code: x}', i), E'\n') FROM generate_series(1, 200) i))) > 0;
SELECT noetl.execute('looks/wide') AS id \gset
SELECT max(queue_id) AS task FROM noetl.lease('w', 200, types => '{lookw}') \gset
SELECT pg_stat_get_xact_tuples_fetched('noetl.queue_run_idx'::regclass) AS before \gset
BEGIN;
SELECT noetl.complete(:task, '1', 'w');
SELECT pg_stat_get_xact_tuples_fetched('noetl.queue_run_idx'::regclass) - :before < 50 AS reads_some;
COMMIT;
SELECT noetl.cancel(:id);
SELECT count(noetl.complete(queue_id, '1', 'w')) FROM noetl.queue WHERE execution_id = :id;

-- A child that fails, goes on with its parent, and compensates only then: the log of the parent
-- says that it went on.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: looks/child
workflow:
- {step: a, type: looka, code: x, next: b}
- {step: b, type: looka, code: x, compensate: {type: looka, code: undo}, next: c}
- {step: c, type: looka, code: x}
$$) > 0;
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: looks/parent
workflow:
- {step: call, type: playbook, path: looks/child}
$$) > 0;
CREATE FUNCTION pg_temp.report(fails text) RETURNS text LANGUAGE sql AS $$
    SELECT string_agg(node_name || ' ' || CASE WHEN node_name = fails THEN noetl.fail(queue_id, 'no', 'w') ELSE noetl.complete(queue_id, '1', 'w') END, ', ') FROM noetl.lease('w', types => '{looka}')
$$;
SELECT noetl.execute('looks/parent') AS id \gset
SELECT pg_temp.report('a');
SELECT noetl.redrive(:id);
SELECT pg_temp.report('c');
SELECT pg_temp.report('c');
SELECT pg_temp.report('c');
SELECT pg_temp.report('c');
SELECT path, status FROM noetl.execution WHERE :id IN (execution_id, parent_execution_id) ORDER BY execution_id;
SELECT * FROM noetl.verify(:id);

-- A worker reports about a visit of a step whose execution is over: its task goes, and that of
-- another visit stays.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: looks/visits
workflow:
- {step: start, next: [a, b, d]}
- {step: a, type: lookv, code: x, next: v}
- {step: b, type: lookv, code: x, next: v}
- {step: d, type: lookd, code: x}
- {step: v, join: each, type: looku, code: x}
$$) > 0;
SELECT noetl.execute('looks/visits') AS id \gset
SELECT count(noetl.complete(queue_id, '1', 'w')) FROM noetl.lease('w', 2, types => '{lookv}');
SELECT count(*) FROM noetl.lease('w', 2, types => '{looku}');
SELECT count(noetl.fail(queue_id, 'no', 'w')) FROM noetl.lease('w', types => '{lookd}');
SELECT regexp_replace(node_id, '^\d+:', ''), status FROM noetl.queue WHERE execution_id = :id ORDER BY node_id;
INSERT INTO noetl.event (execution_id, event_type, node_name, node_id, worker_id) VALUES (:id, 'action_completed', 'v', :id || ':v:2', 'w');
SELECT regexp_replace(node_id, '^\d+:', ''), status FROM noetl.queue WHERE execution_id = :id ORDER BY node_id;
SELECT noetl.complete(queue_id, '1', 'w') FROM noetl.queue WHERE execution_id = :id;

-- A step that has no compensation in the version with which the execution goes on is not
-- compensated.
SELECT noetl.register(format($$
apiVersion: noetl.io/v1
kind: Playbook
path: looks/undo
workflow:
- {step: a, type: looka, code: x, %s next: b}
- {step: b, type: looka, code: x, compensate: {type: looka, code: undo}}
$$, undo)) > 0 FROM unnest(ARRAY['compensate: {type: looka, code: undo},', '']) undo;
SELECT noetl.execute('looks/undo', version => 1) AS id \gset
SELECT pg_temp.report('b');
SELECT severity, message FROM noetl.migrate(:id, 2, dry_run => false);
SELECT pg_temp.report('b');
SELECT status, error FROM noetl.execution WHERE execution_id = :id;
SELECT event_type FROM noetl.event WHERE execution_id = :id AND event_type LIKE 'execution%' ORDER BY event_id;
SELECT * FROM noetl.verify(:id);

-- What a client writes about a compensation into an event of its own is none.
SELECT noetl.execute('looks/undo', version => 1) AS id \gset
INSERT INTO noetl.event (execution_id, event_type, node_name, meta) VALUES (:id, 'action_completed', 'a', '{"compensate": {"type": "looka", "code": "mine"}}');
SELECT pg_temp.report('b');
SELECT node_name, action ->> 'code' FROM noetl.queue WHERE execution_id = :id;
SELECT pg_temp.report('b');
SELECT pg_temp.report('b');
SELECT status, error FROM noetl.execution WHERE execution_id = :id;

-- A task by hand of a step that the playbook does not have stays as it is.
SELECT noetl.execute('looks/one') AS id \gset
INSERT INTO noetl.queue (execution_id, catalog_id, node_id, node_name, node_type, action)
SELECT :id, catalog_id, :id || ':none', 'none', 'looknone', action FROM noetl.queue WHERE execution_id = :id;
SELECT pg_temp.report('b');
SELECT count(noetl.fail(queue_id, 'no', 'w')) FROM noetl.lease('w', types => '{lookb}');
SELECT status, error FROM noetl.execution WHERE execution_id = :id;
SELECT node_name, status FROM noetl.queue WHERE execution_id = :id;
DELETE FROM noetl.queue WHERE execution_id = :id;

-- An attempt whose lease is lost keeps its deadline, also where it had to begin in time.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: looks/time
workflow:
- {step: a, type: lookt, code: x, timeout: 100, queue_timeout: 1000}
$$) > 0;
SELECT noetl.execute('looks/time') AS id \gset
SELECT deadline AS before FROM noetl.lease('w', types => '{lookt}') \gset
UPDATE noetl.queue SET lease_until = now() - interval '1 s' WHERE execution_id = :id;
SELECT noetl.enqueue_next() >= 0;
SELECT attempts, status FROM noetl.queue WHERE execution_id = :id;
SELECT deadline = :'before' AS same FROM noetl.lease('w', types => '{lookt}');
SELECT count(noetl.complete(queue_id, '1', 'w')) FROM noetl.queue WHERE execution_id = :id;
SELECT * FROM noetl.verify(:id);

-- What is said of a signal by somebody else does not take it: it is kept for a version that waits.
SELECT noetl.register(format($$
apiVersion: noetl.io/v1
kind: Playbook
path: looks/signal
workflow:
- {step: a, type: looka, code: x, next: w}
- {step: w, %s}
$$, what)) > 0 FROM unnest('{"type: looka, code: x","type: wait, signal: go"}'::text[]) what;
SELECT noetl.execute('looks/signal', version => 1) AS id \gset
SELECT noetl.signal(:id, 'go', '1');
INSERT INTO noetl.event (execution_id, event_type, parent_event_id, status) SELECT :id, 'note', event_id, 'COMPLETED' FROM noetl.event WHERE execution_id = :id AND event_type = 'signal_received';
SELECT count(*) FROM noetl.migrate(:id, 2, dry_run => false) WHERE severity = 'error';
SELECT pg_temp.report('b');
SELECT status FROM noetl.execution WHERE execution_id = :id;
SELECT * FROM noetl.verify(:id);

-- A trigger of a statement for one column hears of what the broker notes about events.
SELECT noetl.execute('looks/one') AS id \gset
CREATE TABLE look_heard (op text);
CREATE FUNCTION look_hear() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO look_heard VALUES (tg_op); RETURN NULL; END $$;
CREATE TRIGGER look_hear AFTER UPDATE OF node_name ON noetl.event FOR EACH STATEMENT EXECUTE FUNCTION look_hear();
SET noetl.broker = off;
INSERT INTO noetl.event (execution_id, event_type, node_name, result) SELECT :id, 'action_completed', 'a', '1' FROM generate_series(1, 2);
RESET noetl.broker;
SELECT noetl.enqueue_next(:id) >= 0;
SELECT count(*) > 0 FROM look_heard;
DROP TRIGGER look_hear ON noetl.event;
DROP FUNCTION look_hear;
DROP TABLE look_heard;
SELECT noetl.cancel(:id);

-- One of many tasks fails, which nobody has leased: the execution ends with all of them.
SELECT noetl.execute('looks/wide') AS id \gset
INSERT INTO noetl.event (execution_id, event_type, node_name, error) VALUES (:id, 'action_error', 's1', 'no');
SELECT status FROM noetl.execution WHERE execution_id = :id;
SELECT count(*) FROM noetl.queue WHERE execution_id = :id;

-- Among many tasks the one that a report is about is one.
SELECT noetl.register(format($$
apiVersion: noetl.io/v1
kind: Playbook
path: looks/joins
workflow:
- {step: start, next: [s1, s2, %s]}
- {step: s1, type: lookj, code: x, next: j}
- {step: s2, type: lookj, code: x, next: j}
- {step: j, join: all, type: lookj, code: x}
%s
$$, (SELECT string_agg('t' || i, ', ') FROM generate_series(1, 20) i), (SELECT string_agg(format('- {step: t%s, type: lookj, code: x}', i), E'\n') FROM generate_series(1, 20) i))) > 0;
SELECT noetl.execute('looks/joins') AS id \gset
SELECT count(*) FROM noetl.lease('w', 22, types => '{lookj}');
SELECT node_name, noetl.complete(queue_id, '1', 'w') FROM noetl.queue WHERE execution_id = :id AND node_name IN ('s1', 's2') ORDER BY queue_id DESC;
SELECT node_name, status FROM noetl.queue WHERE execution_id = :id AND node_name = 'j';
SELECT noetl.cancel(:id);
SELECT count(noetl.complete(queue_id, '1', 'w')) FROM noetl.queue WHERE execution_id = :id;

-- Of the tasks that run a report reads the work of its own only.
SELECT noetl.register(format($$
apiVersion: noetl.io/v1
kind: Playbook
path: looks/large
workflow:
- {step: start, next: [%s]}
%s
$$, (SELECT string_agg('s' || i, ', ') FROM generate_series(1, 8) i),
    (SELECT string_agg(format('- {step: s%s, type: lookl, code: "%s"}', i, (SELECT string_agg(md5(n::text), '') FROM generate_series(1, 1000) n)), E'\n') FROM generate_series(1, 8) i))) > 0;
SELECT noetl.execute('looks/large') AS id \gset
SELECT max(queue_id) AS task FROM noetl.lease('w', 8, types => '{lookl}') \gset
SELECT reltoastrelid AS large FROM pg_class WHERE oid = 'noetl.queue'::regclass \gset
SELECT pg_stat_get_xact_blocks_fetched(:large) AS before \gset
BEGIN;
SELECT noetl.complete(:task, '1', 'w');
SELECT pg_stat_get_xact_blocks_fetched(:large) - :before < 60 AS reads_its_own;
COMMIT;
SELECT noetl.cancel(:id);
SELECT count(noetl.complete(queue_id, '1', 'w')) FROM noetl.queue WHERE execution_id = :id;

-- The queue is truncated, so that its ids begin anew, and its rows are made from the log: the
-- reports about them count.
SELECT noetl.execute('looks/large') AS id \gset
SELECT max(queue_id) AS task FROM noetl.lease('w', 8, types => '{lookl}') \gset
SELECT noetl.complete(:task, '1', 'w');
TRUNCATE noetl.queue RESTART IDENTITY;
SELECT noetl.rebuild(:id) IS NOT NULL;
SELECT count(noetl.complete(queue_id, '1', 'w')) FROM noetl.lease('w', 8, types => '{lookl}');
SELECT status FROM noetl.execution WHERE execution_id = :id;

-- An event that is written by hand where the table has had that of another execution, with its id,
-- is another one: what comes next is later than it.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: looks/again
workflow:
- {step: a, type: looka, code: x}
$$) > 0;
SELECT noetl.make_partition('2024-01-02 00:00+00', '2024-01-03 00:00+00') AS leaf \gset
SELECT min(id) AS x, max(id) AS y FROM (SELECT (100000000::bigint << 22) + i AS id FROM generate_series(1, 500) i) ids
 GROUP BY hashint8(id) & 63 ORDER BY 1 LIMIT 1 \gset
SELECT id AS other FROM (SELECT :x + i AS id FROM generate_series(1, 100) i) ids WHERE hashint8(id) & 63 <> hashint8(:x) & 63 LIMIT 1 \gset
INSERT INTO noetl.event (execution_id, event_type, context) VALUES (:y, 'execution_start', '{"path": "looks/again"}');
INSERT INTO noetl.event (execution_id, event_type, context) VALUES (:other, 'execution_start', '{"path": "looks/again"}');
\c
INSERT INTO noetl.event (execution_id, event_type, context) VALUES (:x, 'execution_start', '{"path": "looks/again"}');
CREATE TABLE look_again AS SELECT * FROM :leaf;
DELETE FROM :leaf;
VACUUM :leaf;
SET session_replication_role = replica;
INSERT INTO :leaf SELECT * FROM look_again WHERE execution_id IN (:y, :other) ORDER BY event_id;
UPDATE look_again SET execution_id = :y, event_type = 'note', created_at = created_at + interval '1 h' WHERE execution_id = :x;
INSERT INTO :leaf SELECT * FROM look_again WHERE event_type = 'note' ORDER BY event_id;
RESET session_replication_role;
INSERT INTO noetl.event (execution_id, event_type, status) VALUES (:other, 'last', 'COMPLETED'), (:y, 'last', 'COMPLETED');
SELECT bool_and(later) FROM (SELECT created_at > lag(created_at) OVER (ORDER BY event_id) AS later FROM :leaf WHERE execution_id = :y) e;
SELECT count(noetl.cancel(id)) FROM unnest(ARRAY[:y, :other]) id;
DELETE FROM noetl.queue;
DELETE FROM noetl.event WHERE execution_id IN (:x, :y, :other);
DELETE FROM noetl.workload WHERE execution_id IN (:x, :y, :other);
DELETE FROM noetl.execution WHERE execution_id IN (:x, :y, :other);
DROP TABLE :leaf;
DROP TABLE look_again;

-- The first id of a session is of the moment, and not of one to come.
DO $$ BEGIN
    WHILE (SELECT last_value FROM noetl.id_seq) < (noetl.next_id() >> 22) + 300 LOOP
        PERFORM pg_sleep(0.02);
    END LOOP;
END $$;
SELECT noetl.next_id() AS id \gset
\c
SELECT noetl.id_time(noetl.next_id()) <= greatest(noetl.id_time(:id), clock_timestamp());
