-- Stories of guards of the order in which things are done, and of what one execution, role, schedule or
-- session keeps from another.  Each turns red when its guard is missing; see "Guards" in doc/guarantees.md.
\set SHOW_CONTEXT never
\pset format unaligned
\pset tuples_only on
CREATE FUNCTION pg_temp.add(name text, steps text, head text DEFAULT '') RETURNS boolean LANGUAGE sql AS
    $$ SELECT noetl.register(E'apiVersion: noetl.io/v1\nkind: Playbook\npath: mixed/' || name || E'\n' || head || E'\nworkflow:\n' || steps) > 0 $$;
CREATE FUNCTION pg_temp.log(id bigint, kinds text DEFAULT '.') RETURNS TABLE (event text, name text, error text, meta jsonb) LANGUAGE sql AS
    $$ SELECT event_type, node_name, error, meta - 'started_by' - 'started_by_oid' - 'queue_id' - 'transitions' FROM noetl.event WHERE execution_id = id AND event_type ~ kinds ORDER BY event_id $$;
SELECT pg_temp.add('two', $$
- {step: a, type: python, code: x, next: b}
- {step: b, type: shell, command: x}
$$);

-- What clients send while the broker is off is decided on in its order: an end ends what comes after it, and not
-- what came before; a second end does not count, and a record begins nothing.
SELECT noetl.execute('mixed/two') AS id, noetl.execute('mixed/two') AS other \gset
SET noetl.broker = off;
INSERT INTO noetl.event (execution_id, event_type, node_name) VALUES
    (:id, 'action_started', 'a'), (:id, 'save_started', 'a'), (:id, 'action_completed', 'a'), (:id, 'save_completed', 'b'),
    (:id, 'execution_cancelled', NULL), (:id, 'execution_failed', NULL), (:id, 'action_completed', 'b'),
    (:other, 'action_completed', 'a'), (:other, 'action_completed', 'b'), (:other, 'execution_cancelled', NULL);
SELECT e.event_type, e.node_name FROM noetl.pending AS p JOIN noetl.event AS e USING (execution_id, event_id) WHERE p.execution_id = :id ORDER BY e.event_id;
RESET noetl.broker;
INSERT INTO noetl.event (execution_id, event_type, node_name) VALUES (:other, 'save_started', 'a');
SELECT * FROM pg_temp.log(:other, 'step|execution');
SELECT noetl.enqueue_next(:id) >= 0, noetl.enqueue_next(:other) >= 0;
SELECT * FROM pg_temp.log(:id);
SELECT * FROM pg_temp.log(:other);
SELECT status FROM noetl.execution WHERE execution_id IN (:id, :other) ORDER BY execution_id;
SELECT v.* FROM unnest(ARRAY[:id, :other]) AS x, noetl.verify(x) AS v;

-- Who becomes a member of a role, or is one no more, is known at once, also where it was asked before.
CREATE ROLE regress_mixed_ann;
CREATE ROLE regress_mixed_bob;
GRANT USAGE ON SCHEMA noetl TO regress_mixed_ann, regress_mixed_bob;
GRANT INSERT ON noetl.event TO regress_mixed_ann, regress_mixed_bob;
GRANT EXECUTE ON FUNCTION noetl.execute, noetl.cancel, noetl.send, noetl.status, noetl.enqueue_next TO regress_mixed_ann, regress_mixed_bob;
\set VERBOSITY sqlstate
SET ROLE regress_mixed_ann;
SELECT noetl.execute('mixed/two') AS id, noetl.execute('mixed/two') AS other \gset
SET ROLE regress_mixed_bob;
SELECT noetl.execute('mixed/two') AS own \gset
SELECT noetl.cancel(:id);
SELECT noetl.status(:id);
-- (what is not there is nobody's)
SELECT noetl.status(1), noetl.enqueue_next(1);
RESET ROLE;
GRANT regress_mixed_ann TO regress_mixed_bob;
SET ROLE regress_mixed_bob;
SELECT noetl.cancel(:id);
INSERT INTO noetl.event (execution_id, event_type, node_name) VALUES (:other, 'action_started', 'a');
RESET ROLE;
REVOKE regress_mixed_ann FROM regress_mixed_bob;
SET ROLE regress_mixed_bob;
INSERT INTO noetl.event (execution_id, event_type, node_name) VALUES (:other, 'action_completed', 'a');
-- Nobody makes an execution a child, or a parent, of somebody else's.
INSERT INTO noetl.event (event_type, parent_execution_id, context) VALUES ('execution_start', :other, '{"path": "mixed/two"}');
INSERT INTO noetl.event (event_type, parent_execution_id, context) VALUES ('execution_start', 1, '{"path": "mixed/two"}');
INSERT INTO noetl.event (execution_id, event_type, node_name, context) VALUES (:own, 'iteration_started', 'a', jsonb_build_object('child_execution_id', :other));
SET ROLE regress_mixed_ann;
SELECT noetl.cancel(:own);
SELECT noetl.cancel(:other);
-- What the broker says nobody else says, unless isolation is off.
SET ROLE regress_mixed_bob;
INSERT INTO noetl.event (execution_id, event_type, node_name) VALUES (:own, 'step_held', 'a');
RESET ROLE;
SET noetl.isolation = off;
SET ROLE regress_mixed_bob;
INSERT INTO noetl.event (execution_id, event_type, node_name) VALUES (:own, 'step_held', 'b');
RESET ROLE;
RESET noetl.isolation;
\set VERBOSITY default
SELECT * FROM pg_temp.log(:own);
SELECT status, parent_execution_id FROM noetl.execution WHERE execution_id IN (:own, :other) ORDER BY execution_id;
SELECT count(*) FROM noetl.execution WHERE parent_execution_id = :other;
SELECT noetl.cancel(:own);

-- What a role has sent reaches its own execution, also when the role is gone.
SELECT pg_temp.add('asks', $$
- {step: a, type: python, code: x, next: ask}
- {step: ask, type: wait, signal: mixed, key: k}
$$);
SET ROLE regress_mixed_ann;
SELECT noetl.execute('mixed/asks') AS id \gset
SELECT noetl.send('mixed', 'k', '1', keep => '1 hour');
RESET ROLE;
DROP OWNED BY regress_mixed_ann, regress_mixed_bob;
DROP ROLE regress_mixed_ann, regress_mixed_bob;
INSERT INTO noetl.event (execution_id, event_type, node_name) VALUES (:id, 'action_completed', 'a');
SELECT status FROM noetl.execution WHERE execution_id = :id;
SELECT * FROM noetl.verify(:id);

-- What a start asks for itself is not the priority of its playbook; without one it has none.
SELECT pg_temp.add('quick', '- {step: end}', 'priority: 7');
SELECT * FROM pg_temp.log(noetl.execute('mixed/quick'), 'execution_start');
SELECT * FROM pg_temp.log(noetl.execute('mixed/quick', priority => 3, labels => '{"l": "1"}', key => 'p'), 'execution_start');
SELECT * FROM pg_temp.log(noetl.execute('mixed/two', labels => '{"l": "1"}', key => 'l'), 'execution_start');

-- An execution that is over is not replaced: its log stays as it is.
SELECT noetl.execute('mixed/quick', key => 'k') AS first \gset
SELECT noetl.execute('mixed/quick', key => 'k', on_conflict => 'replace') <> :first;
SELECT event_type FROM noetl.event WHERE execution_id = :first ORDER BY event_id;

-- A schedule whose last execution runs remembers the first time that it has missed, or none.
SELECT noetl.schedule('mixed/' || o, 'mixed/two', 'every 1 hour', overlap => o) > now() FROM unnest(ARRAY['queue', 'skip']) AS o;
UPDATE noetl.schedule SET next_at = now() - interval '3 seconds' WHERE name LIKE 'mixed/%';
SELECT noetl.enqueue_next() >= 0;
UPDATE noetl.schedule SET next_at = now() - interval '2 seconds' WHERE name LIKE 'mixed/%';
SELECT noetl.enqueue_next() >= 0;
SELECT queued_at AS first FROM noetl.schedule WHERE name = 'mixed/queue' \gset
SELECT pg_sleep(0.002);
UPDATE noetl.schedule SET next_at = now() - interval '1 seconds' WHERE name LIKE 'mixed/%';
SELECT noetl.enqueue_next() >= 0;
SELECT name, queued_at = :'first' FROM noetl.schedule WHERE name LIKE 'mixed/%' ORDER BY name;
SELECT schedule, count(*) FROM noetl.execution WHERE schedule LIKE 'mixed/%' GROUP BY 1 ORDER BY 1;
SELECT count(noetl.unschedule(name)) FROM noetl.schedule WHERE name LIKE 'mixed/%';

-- Each transaction cancels so many children at once, whatever the session has cancelled before.
SELECT pg_temp.add('many', '- {step: each, type: iterator, mode: async, concurrency: 110, collection: "{{ range(110) }}", element: n, task: {type: playbook, path: mixed/two}}');
SELECT noetl.execute('mixed/many') AS id, noetl.execute('mixed/many') AS other \gset
SELECT noetl.cancel(:id);
SELECT noetl.cancel(:other);
SELECT status, count(*) FROM noetl.execution WHERE parent_execution_id IN (:id, :other) GROUP BY 1;

-- A lease that runs out before the time of the step is lost, and not too late.
SELECT pg_temp.add('slow', '- {step: a, type: mixed, code: x, timeout: 3600}');
SELECT noetl.execute('mixed/slow') AS id \gset
SELECT count(*) FROM noetl.lease('w', 1, '1 ms', '{mixed}');
SELECT pg_sleep(0.005);
SELECT noetl.enqueue_next() >= 0;
SELECT * FROM pg_temp.log(:id, 'action');
SELECT status, attempts FROM noetl.queue WHERE execution_id = :id;
SELECT noetl.cancel(:id);

-- While an execution begins whose time has come, a trigger cancels another one, and puts off a third.
CREATE TABLE mixed_ids AS SELECT n, noetl.execute('mixed/two', run_at => now() + interval '1 hour') AS id FROM generate_series(1, 3) AS n;
UPDATE noetl.execution SET run_at = now() - (4 - n) * interval '1 s' FROM mixed_ids WHERE execution_id = id;
CREATE FUNCTION mixed_begins() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF new.execution_id = (SELECT id FROM mixed_ids WHERE n = 1) THEN
        PERFORM noetl.cancel(id) FROM mixed_ids WHERE n = 2;
        UPDATE noetl.execution SET run_at = now() + interval '1 hour' WHERE execution_id = (SELECT id FROM mixed_ids WHERE n = 3);
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER zz_begins AFTER INSERT ON noetl.event FOR EACH ROW WHEN (new.event_type = 'execution_due') EXECUTE FUNCTION mixed_begins();
SELECT noetl.enqueue_next() >= 0;
DROP TRIGGER zz_begins ON noetl.event;
SELECT n, status, (SELECT string_agg(event_type, ' ' ORDER BY event_id) FROM noetl.event AS e WHERE e.execution_id = id) FROM mixed_ids JOIN noetl.execution ON execution_id = id ORDER BY n;
SELECT count(noetl.cancel(id)) FROM mixed_ids;
DELETE FROM noetl.event USING mixed_ids WHERE execution_id = id;
DELETE FROM noetl.execution USING mixed_ids WHERE execution_id = id;
DROP FUNCTION mixed_begins();
DROP TABLE mixed_ids;

-- How many executions a transaction has locked does not count for the next one: it can still be prepared.
CREATE PROCEDURE mixed_report(id bigint, n int) LANGUAGE plpgsql AS $$
BEGIN
    FOR i IN 1 .. n LOOP
        INSERT INTO noetl.event (execution_id, event_type, node_name) VALUES (id, 'progress', 'a');
        COMMIT;
    END LOOP;
END
$$;
SELECT noetl.execute('mixed/two') AS id \gset
CALL mixed_report(:id, 1000);
BEGIN;
INSERT INTO noetl.event (execution_id, event_type, node_name) VALUES (:id, 'progress', 'a');
PREPARE TRANSACTION 'mixed';
ROLLBACK PREPARED 'mixed';
SELECT count(*) FROM noetl.event WHERE execution_id = :id AND event_type = 'progress';
SELECT noetl.cancel(:id);
DROP PROCEDURE mixed_report(bigint, int);

-- A statement that is cancelled while it does what is due has no limit of time any more, if it goes on.
SELECT pg_temp.add('short', '- {step: a, type: python, code: x}', 'timeout: 0.01');
CREATE FUNCTION mixed_sleep() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(60); RETURN new; END';
CREATE TRIGGER zz_sleep BEFORE INSERT ON noetl.event FOR EACH ROW WHEN (new.event_type = 'execution_failed') EXECUTE FUNCTION mixed_sleep();
SELECT noetl.execute('mixed/short') AS id \gset
SELECT pg_sleep(0.02);
SET statement_timeout = '200 ms';
DO $$
BEGIN
    PERFORM count(*) FROM noetl.lease('w', 1, '1 hour', '{none}');
EXCEPTION WHEN query_canceled THEN
    RAISE NOTICE 'cancelled';
    PERFORM pg_sleep(0.6);
END
$$;
RESET statement_timeout;
DROP TRIGGER zz_sleep ON noetl.event;
DROP FUNCTION mixed_sleep();
SELECT noetl.enqueue_next() >= 0;
SELECT status FROM noetl.execution WHERE execution_id = :id;

-- A rule whose column is gone cannot tell updates any more; what is inserted it still can.
CREATE TABLE mixed_orders (id int, gone int);
SELECT noetl.on_change('mixed_orders', 'mixed/quick', 'INSERT OR UPDATE OF gone', name => 'mixed');
ALTER TABLE mixed_orders DROP COLUMN gone CASCADE;
INSERT INTO mixed_orders VALUES (1);
UPDATE mixed_orders SET id = 2;
SELECT x.status, w.data -> 'new' ->> 'id', x.error FROM noetl.execution AS x JOIN noetl.event AS e USING (execution_id) LEFT JOIN noetl.workload AS w USING (execution_id) WHERE e.event_type = 'execution_start' AND e.meta ->> 'rule' = 'mixed' ORDER BY x.execution_id;
SELECT noetl.off_change('mixed');
DROP TABLE mixed_orders;

-- A signal that was kept is there once after a migration.
SELECT pg_temp.add('waits', $$
- {step: a, type: python, code: x, next: one}
- {step: one, type: wait, signal: go, next: two}
- {step: two, type: wait, signal: go}
$$);
SELECT noetl.execute('mixed/waits') AS id \gset
SELECT noetl.signal(:id, 'go', '1');
SELECT pg_temp.add('waits', $$
- {step: a, type: python, code: y, next: one}
- {step: one, type: wait, signal: go, next: two}
- {step: two, type: wait, signal: go}
$$);
SELECT * FROM noetl.migrate(:id, dry_run => false);
INSERT INTO noetl.event (execution_id, event_type, node_name) VALUES (:id, 'action_completed', 'a');
SELECT step_name, state FROM noetl.run WHERE execution_id = :id;
SELECT count(*) FROM noetl.signal WHERE execution_id = :id;
SELECT * FROM noetl.verify(:id);
SELECT noetl.cancel(:id);

-- A statement that cannot be parsed fails each time in the same way.  What a save writes stays locked, and so does
-- what the session has locked before; the settings of the session's role are not those of the save.
CREATE ROLE regress_mixed_saver;
CREATE TABLE mixed_saved (n int, flag boolean, doc jsonb, output text DEFAULT current_setting('bytea_output'));
ALTER TABLE mixed_saved OWNER TO regress_mixed_saver;
GRANT USAGE ON SCHEMA noetl TO regress_mixed_saver;
GRANT EXECUTE ON FUNCTION noetl.execute TO regress_mixed_saver;
SELECT pg_temp.add('wrong', '- {step: a, type: python, code: x, retry: {max_attempts: 2, initial_delay: 0, jitter: false}, save: {storage: postgres, statement: "SELEC 1"}}');
SELECT pg_temp.add('saves', '- {step: a, type: python, code: x, save: {storage: postgres, table: mixed_saved, data: {n: 1, flag: "{{ result }}", doc: [1]}}}');
SET ROLE regress_mixed_saver;
SELECT noetl.execute('mixed/wrong') AS wrong, noetl.execute('mixed/saves') AS saves \gset
RESET ROLE;
INSERT INTO noetl.event (execution_id, event_type, node_name) VALUES (:wrong, 'action_completed', 'a');
SELECT noetl.enqueue_next() >= 0;
INSERT INTO noetl.event (execution_id, event_type, node_name) VALUES (:wrong, 'action_completed', 'a');
SELECT * FROM pg_temp.log(:wrong, 'failed|error');
ALTER ROLE CURRENT_USER IN DATABASE :"DBNAME" SET bytea_output = 'escape';
\c -
SHOW bytea_output;
SELECT pg_advisory_lock(4712);
BEGIN;
INSERT INTO noetl.event (execution_id, event_type, node_name, result) VALUES (:saves, 'action_completed', 'a', 'true');
SELECT mode FROM pg_locks WHERE relation = 'mixed_saved'::regclass AND pid = pg_backend_pid() ORDER BY 1;
COMMIT;
SELECT * FROM mixed_saved;
SELECT pg_advisory_unlock(4712);
ALTER ROLE CURRENT_USER IN DATABASE :"DBNAME" RESET bytea_output;
DROP TABLE mixed_saved;
DROP OWNED BY regress_mixed_saver;
DROP ROLE regress_mixed_saver;

-- What a trigger says in the middle of decisions comes after all that they say, also where the clock went back.
SELECT noetl.execute('mixed/two') AS id \gset
UPDATE noetl.event SET created_at = now() + interval '1 hour' WHERE execution_id = :id AND event_type = 'step_started';
\c -
CREATE FUNCTION mixed_says() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO noetl.event (execution_id, event_type) VALUES (new.execution_id, 'of my own');
    RETURN new;
END
$$;
CREATE TRIGGER zz_says BEFORE INSERT ON noetl.event FOR EACH ROW WHEN (new.event_type = 'step_completed') EXECUTE FUNCTION mixed_says();
INSERT INTO noetl.event (execution_id, event_type, node_name) VALUES (:id, 'action_completed', 'a');
DROP TRIGGER zz_says ON noetl.event;
DROP FUNCTION mixed_says();
SELECT event_type, created_at > lag(created_at) OVER (ORDER BY event_id) AS later FROM noetl.event WHERE execution_id = :id ORDER BY event_id;
SELECT noetl.cancel(:id);
DELETE FROM noetl.event WHERE execution_id = :id;
DELETE FROM noetl.execution WHERE execution_id = :id;

SELECT count(noetl.cancel(execution_id)) FROM noetl.execution WHERE path LIKE 'mixed/%' AND status = 'RUNNING';
SELECT count(*) FROM noetl.reaper_failure;
