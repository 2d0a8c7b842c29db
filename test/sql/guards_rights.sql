-- Stories of guards of roles: who may act for whom, and as whom what others have made is done.  Each turns red
-- when its guard is missing; see "Guards" in doc/guarantees.md.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: rights/one
workflow:
- {step: a, type: rights, code: x}
$$) > 0 AS registered;
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: rights/each
workflow:
- {step: each, type: iterator, collection: [1, 2], element: n, task: {type: rights, code: x}}
$$) > 0 AS registered;
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: rights/short
timeout: 0.01
workflow:
- {step: a, type: rights, code: x}
$$) > 0 AS registered;
CREATE ROLE regress_rights_ann;
CREATE ROLE regress_rights_bob;
CREATE ROLE regress_rights_admin;
GRANT USAGE ON SCHEMA noetl TO regress_rights_ann, regress_rights_bob, regress_rights_admin;
GRANT EXECUTE ON FUNCTION noetl.execute, noetl.send TO regress_rights_ann, regress_rights_bob, regress_rights_admin;
GRANT EXECUTE ON FUNCTION noetl.lease, noetl.complete, noetl.heartbeat TO regress_rights_ann, regress_rights_bob;
GRANT INSERT, SELECT ON noetl.event TO regress_rights_ann, regress_rights_bob;
GRANT SELECT ON noetl.execution, noetl.queue TO regress_rights_ann, regress_rights_bob;

-- Whoever holds the lease of an iterator reports of its items, whosever the execution is.
SET ROLE regress_rights_ann;
SELECT noetl.execute('rights/each', priority => 100) AS id \gset
SET ROLE regress_rights_bob;
SELECT node_name FROM noetl.lease('bob', 1, '1 hour', '{iterator}');
INSERT INTO noetl.event (execution_id, event_type, node_name, current_index, worker_id, result) VALUES (:id, 'iteration_started', 'each', 0, 'bob', NULL), (:id, 'iteration_completed', 'each', 0, 'bob', '1');
\set VERBOSITY sqlstate
INSERT INTO noetl.event (execution_id, event_type, node_name, worker_id) VALUES (:id, 'iteration_completed', 'each', 'ann');
INSERT INTO noetl.event (execution_id, event_type, node_name, current_index, worker_id) VALUES (:id, 'iteration_completed', 'each', 1, 'ann');
INSERT INTO noetl.event (execution_id, event_type, worker_id) VALUES (:id, 'execution_cancelled', 'bob');
\set VERBOSITY default
RESET ROLE;
SELECT event_type, current_index, meta FROM noetl.event WHERE execution_id = :id AND worker_id = 'bob' ORDER BY event_id;
SELECT noetl.cancel(:id);
SELECT count(noetl.release(queue_id, 'bob')) FROM noetl.queue WHERE execution_id = :id;

-- Whoever looks for work does what is due, whosever the executions are.
SET ROLE regress_rights_ann;
SELECT noetl.execute('rights/short') AS id \gset
SELECT pg_sleep(0.02);
SET ROLE regress_rights_bob;
SELECT count(*) FROM noetl.lease('bob', 1, '1 hour', '{nothing}');
RESET ROLE;
SELECT status, error FROM noetl.execution WHERE execution_id = :id;
SELECT count(*) FROM noetl.reaper_failure;

-- Where isolation is off everybody sees and does all that the rights of the tables let him.
SET ROLE regress_rights_ann;
SELECT noetl.execute('rights/one') AS id \gset
SELECT queue_id AS task FROM noetl.lease('ann', 1, '1 hour', '{rights}') \gset
SET ROLE regress_rights_bob;
SELECT count(*) FROM noetl.execution WHERE execution_id = :id;
SELECT count(*) FROM noetl.event WHERE execution_id = :id;
\set VERBOSITY sqlstate
SELECT noetl.heartbeat(:task, 'ann', '1 hour');
\set VERBOSITY default
RESET ROLE;
SET noetl.isolation = off;
SET ROLE regress_rights_bob;
SELECT count(*) FROM noetl.execution WHERE execution_id = :id;
SELECT count(*) > 0 AS events FROM noetl.event WHERE execution_id = :id;
SELECT noetl.heartbeat(:task, 'ann', '1 hour');
SELECT noetl.complete(:task, '1', 'ann');
RESET ROLE;
-- ... also of an execution that a user has deleted.
SELECT noetl.execute('rights/one') AS gone \gset
SELECT queue_id AS task FROM noetl.lease('ann', 1, '1 hour', '{rights}') \gset
DELETE FROM noetl.execution WHERE execution_id = :gone;
SET ROLE regress_rights_bob;
SELECT count(*) > 0 AS events FROM noetl.event WHERE execution_id = :gone;
SELECT noetl.heartbeat(:task, 'ann', '1 hour');
RESET ROLE;
RESET noetl.isolation;
DELETE FROM noetl.event WHERE execution_id = :gone;
DELETE FROM noetl.queue WHERE execution_id = :gone;
SELECT status FROM noetl.execution WHERE execution_id = :id;

-- A sender that may act for every execution keeps all waits from opening unseen, by one lock, not by one for each of
-- its roles.
BEGIN;
SELECT noetl.create_roles();
GRANT noetl_admin, regress_rights_bob, regress_rights_ann TO regress_rights_admin;
SET LOCAL ROLE regress_rights_admin;
SELECT noetl.send('rights', 'k', '1', keep => '1 hour');
SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid() AND mode = 'ExclusiveLock';
ROLLBACK;

-- A log that names a role by its number and by its name: what is a role counts; if both are, the row of the execution.
SELECT noetl.execute('rights/one') AS id \gset
UPDATE noetl.event SET meta = jsonb_set(meta, '{started_by_oid}', to_jsonb('regress_rights_ann'::regrole::oid::bigint)) WHERE execution_id = :id AND event_type = 'execution_start';
SELECT * FROM noetl.verify(:id);
UPDATE noetl.execution SET started_by = 'regress_rights_ann' WHERE execution_id = :id;
SELECT * FROM noetl.verify(:id);
DELETE FROM noetl.execution WHERE execution_id = :id;
\set VERBOSITY sqlstate
SELECT noetl.rebuild(:id);
\set VERBOSITY default
UPDATE noetl.event SET meta = jsonb_set(meta, '{started_by_oid}', '4294967295') WHERE execution_id = :id AND event_type = 'execution_start';
SELECT noetl.rebuild(:id) > 0 AS rebuilt;
SELECT started_by = current_user::regrole AS mine FROM noetl.execution WHERE execution_id = :id;
SELECT noetl.cancel(:id);
-- A log of another cluster: the number may be anybody's here.
SELECT noetl.execute('rights/one') AS id \gset
UPDATE noetl.event SET meta = meta || jsonb_build_object('started_by', 'regress_rights_elsewhere', 'started_by_oid', 'regress_rights_ann'::regrole::oid::bigint)
 WHERE execution_id = :id AND event_type = 'execution_start';
SELECT * FROM noetl.verify(:id);
DELETE FROM noetl.execution WHERE execution_id = :id;
\set VERBOSITY sqlstate
SELECT noetl.rebuild(:id);
\set VERBOSITY default
INSERT INTO noetl.execution (execution_id, catalog_id, path, version, status, started_at, started_by)
SELECT e.execution_id, e.catalog_id, 'rights/one', 1, 'RUNNING', e.created_at, 'regress_rights_bob'
  FROM noetl.event AS e WHERE e.execution_id = :id AND e.event_type = 'execution_start';
SELECT noetl.rebuild(:id) >= 0 AS rebuilt;
SELECT started_by FROM noetl.execution WHERE execution_id = :id;
SELECT * FROM noetl.verify(:id);
SELECT noetl.cancel(:id);
DELETE FROM noetl.event WHERE execution_id = :id; -- nobody can say whose it was when the roles are gone
DELETE FROM noetl.execution WHERE execution_id = :id;

-- A schedule: what it starts runs for the role that has made it; without that role it says so.  An error that
-- passes is tried again.
CREATE ROLE regress_rights_gone;
GRANT USAGE ON SCHEMA noetl TO regress_rights_gone;
GRANT EXECUTE ON FUNCTION noetl.schedule TO regress_rights_gone;
SET ROLE regress_rights_gone;
SELECT noetl.schedule('rights gone', 'rights/one', '@yearly') > now() AS scheduled;
RESET ROLE;
DROP OWNED BY regress_rights_gone;
DROP ROLE regress_rights_gone;
UPDATE noetl.schedule SET next_at = now() - interval '1 s' WHERE name = 'rights gone';
SELECT noetl.enqueue_next() >= 0 AS done;
SELECT error, next_at > now() AS goes_on FROM noetl.schedule WHERE name = 'rights gone';
SELECT noetl.unschedule('rights gone');
CREATE FUNCTION rights_busy() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'busy' USING ERRCODE = 'lock_not_available'; END $$;
CREATE TRIGGER zz_busy BEFORE INSERT ON noetl.event FOR EACH ROW WHEN (new.event_type = 'execution_start') EXECUTE FUNCTION rights_busy();
SELECT noetl.schedule('rights busy', 'rights/one', '@yearly') > now() AS scheduled;
UPDATE noetl.schedule SET next_at = now() - interval '1 s' WHERE name = 'rights busy';
SELECT noetl.enqueue_next() >= 0 AS done;
SELECT error, next_at > now() AS goes_on FROM noetl.schedule WHERE name = 'rights busy';
SELECT execution_id < 0 AS of_a_schedule, sqlstate, error FROM noetl.reaper_failure;
DROP TRIGGER zz_busy ON noetl.event;
DROP FUNCTION rights_busy();
DELETE FROM noetl.reaper_failure;
-- One whose time never comes again has none.
UPDATE noetl.schedule SET next_at = now() - interval '1 s', cron = '0 0 30 2 *' WHERE name = 'rights busy';
\c -
SELECT noetl.enqueue_next() >= 0 AS done;
SELECT error, next_at FROM noetl.schedule WHERE name = 'rights busy';
SELECT count(*) FROM noetl.execution WHERE schedule = 'rights busy';
SELECT noetl.unschedule('rights busy');

-- Saves: what of an error is in the statement, and what in what it calls; what the role has set for itself, and what
-- stays the connection's own; temporary objects.
CREATE TABLE rights_saved (what text);
ALTER TABLE rights_saved OWNER TO regress_rights_ann;
ALTER ROLE regress_rights_ann SET lock_timeout = '7s';
ALTER ROLE regress_rights_ann SET extra_float_digits = -3;
CREATE FUNCTION rights_inner() RETURNS int LANGUAGE plpgsql AS $$ BEGIN EXECUTE 'SELEC 1'; RETURN 1; END $$;
CREATE FUNCTION rights_temporary() RETURNS int LANGUAGE plpgsql AS $$ BEGIN EXECUTE 'CREATE FUNCTION pg_temp.mine() RETURNS int LANGUAGE sql AS ''SELECT 1'''; RETURN 1; END $$;
CREATE FUNCTION rights_save(statement text) RETURNS TABLE (status text, error text) LANGUAGE plpgsql AS $$
BEGIN
    PERFORM noetl.register(format(E'apiVersion: noetl.io/v1\nkind: Playbook\npath: rights/save\nworkflow:\n- {step: a, type: rights, code: x, save: {storage: postgres, statement: %s}}', to_json(statement)));
    SET LOCAL ROLE regress_rights_ann;
    PERFORM noetl.execute('rights/save');
    RESET ROLE;
    INSERT INTO noetl.event (execution_id, event_type, node_name, result) VALUES (newest('rights/save'), 'action_completed', 'a', '1');
    RETURN QUERY SELECT x.status, x.error FROM noetl.execution AS x WHERE x.execution_id = newest('rights/save');
END
$$;
SELECT * FROM rights_save('SELEC 1');
SELECT * FROM rights_save('SELECT public.rights_inner()');
SELECT * FROM rights_save('INSERT INTO public.rights_saved VALUES (current_setting(''lock_timeout'')), (current_setting(''extra_float_digits''))');
SELECT * FROM rights_saved;
SELECT * FROM rights_save('SELECT public.rights_temporary()');

SELECT count(noetl.cancel(execution_id)) FROM noetl.execution WHERE path LIKE 'rights/%' AND status = 'RUNNING';
DROP FUNCTION rights_save(text), rights_inner(), rights_temporary();
DROP TABLE rights_saved;
DROP OWNED BY regress_rights_ann, regress_rights_bob, regress_rights_admin;
DROP ROLE regress_rights_ann, regress_rights_bob, regress_rights_admin;
