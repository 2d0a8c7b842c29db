-- Stories of guards of what changes while something else is done: triggers of users act in the middle of
-- what is due, or of decisions.  Each turns red when its guard is missing; see "Guards" in
-- doc/guarantees.md.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: meanwhile/one
workflow:
- {step: a, type: meanwhile, code: x, next: b}
- {step: b, type: meanwhile, code: x}
$$) > 0 AS registered;
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: meanwhile/short
timeout: 0.01
workflow:
- {step: a, type: meanwhile, code: x}
$$) > 0 AS registered;
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: meanwhile/queued
workflow:
- {step: a, type: meanwhile, code: x, queue_timeout: 0.01}
$$) > 0 AS registered;
CREATE TABLE meanwhile_ids (n serial, id bigint);
CREATE TABLE meanwhile_seen (what text, status text);
CREATE FUNCTION meanwhile_id(which int) RETURNS bigint LANGUAGE sql RETURN (SELECT id FROM meanwhile_ids WHERE n = which);
CREATE FUNCTION meanwhile_start(playbook text, times int) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    TRUNCATE meanwhile_ids RESTART IDENTITY;
    FOR i IN 1 .. times LOOP
        INSERT INTO meanwhile_ids (id) VALUES (noetl.execute(playbook));
        PERFORM pg_sleep(0.001);
    END LOOP;
END
$$;
CREATE FUNCTION meanwhile_log() RETURNS TABLE (n int, status text, log text) LANGUAGE sql AS $$
    SELECT i.n, x.status, (SELECT string_agg(concat_ws(': ', e.event_type, e.meta ->> 'ignored'), ', ' ORDER BY e.event_id) FROM noetl.event AS e WHERE e.execution_id = i.id AND e.event_type LIKE 'execution_%' AND e.event_type <> 'execution_start')
      FROM meanwhile_ids AS i JOIN noetl.execution AS x ON x.execution_id = i.id ORDER BY i.n
$$;

-- While an execution ends that is due, a trigger ends another one that is due as well, and puts off others;
-- when it asks for what is due, nothing is done inside what is being done.
CREATE FUNCTION meanwhile_ends() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF new.execution_id = meanwhile_id(1) THEN
        PERFORM noetl.cancel(meanwhile_id(2));
        UPDATE noetl.execution SET deadline = NULL WHERE execution_id = meanwhile_id(3);
        UPDATE noetl.execution SET deadline = now() + interval '1 hour' WHERE execution_id = meanwhile_id(4);
        INSERT INTO meanwhile_seen SELECT 'done inside: ' || noetl.enqueue_next();
        INSERT INTO meanwhile_seen SELECT 'the last', status FROM noetl.execution WHERE execution_id = meanwhile_id(5);
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER zz_ends AFTER INSERT ON noetl.event FOR EACH ROW WHEN (new.event_type = 'execution_failed') EXECUTE FUNCTION meanwhile_ends();
SELECT meanwhile_start('meanwhile/short', 5);
SELECT pg_sleep(0.02);
SELECT noetl.enqueue_next() >= 0 AS done;
DROP TRIGGER zz_ends ON noetl.event;
SELECT * FROM meanwhile_log();
SELECT * FROM meanwhile_seen;
SELECT count(noetl.cancel(id)) FROM meanwhile_ids;
SELECT count(*) FROM noetl.reaper_failure;

-- A session that only looks for work does not do more than so much of what is due, however little that takes.
SELECT meanwhile_start('meanwhile/short', 60);
SELECT pg_sleep(0.02);
SELECT count(*) FROM noetl.lease('w', 1, '1 hour', '{none}');
SELECT count(*) FILTER (WHERE status = 'FAILED') <= 32 AS some FROM noetl.execution JOIN meanwhile_ids ON execution_id = id;
SELECT noetl.enqueue_next() >= 0 AS done;
SELECT count(*) FILTER (WHERE status = 'FAILED') FROM noetl.execution JOIN meanwhile_ids ON execution_id = id;

-- While a pause ends whose time has come, a trigger ends another one, takes the time from a third and a fourth,
-- and somebody has taken the pause itself from the row of a fifth.
CREATE FUNCTION meanwhile_resumes() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF new.execution_id = meanwhile_id(1) THEN
        PERFORM noetl.resume(meanwhile_id(2));
        PERFORM noetl.resume(meanwhile_id(3)), noetl.pause(meanwhile_id(3));
        PERFORM noetl.resume(meanwhile_id(4)), noetl.pause(meanwhile_id(4), until => clock_timestamp() + interval '1 hour');
        UPDATE noetl.execution SET paused = NULL WHERE execution_id = meanwhile_id(5);
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER zz_resumes AFTER INSERT ON noetl.event FOR EACH ROW WHEN (new.event_type = 'execution_resumed') EXECUTE FUNCTION meanwhile_resumes();
SELECT meanwhile_start('meanwhile/one', 5);
SELECT count(noetl.pause(id, until => clock_timestamp() + n * interval '1 ms')) FROM meanwhile_ids;
SELECT pg_sleep(0.02);
SELECT noetl.enqueue_next() >= 0 AS done;
DROP TRIGGER zz_resumes ON noetl.event;
SELECT * FROM meanwhile_log();
SELECT count(noetl.cancel(id)) FROM meanwhile_ids;
SELECT count(*) FROM noetl.reaper_failure;

-- While a task fails that nobody has leased in time, a trigger pauses another one: its time does not run.
CREATE FUNCTION meanwhile_fails() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF new.execution_id = meanwhile_id(1) THEN
        PERFORM noetl.pause(meanwhile_id(2));
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER zz_fails AFTER INSERT ON noetl.event FOR EACH ROW WHEN (new.event_type = 'action_error') EXECUTE FUNCTION meanwhile_fails();
SELECT meanwhile_start('meanwhile/queued', 2);
SELECT pg_sleep(0.02);
SELECT noetl.enqueue_next() >= 0 AS done;
DROP TRIGGER zz_fails ON noetl.event;
SELECT * FROM meanwhile_log();
SELECT q.status FROM noetl.queue AS q WHERE execution_id = meanwhile_id(2);
SELECT v.* FROM meanwhile_ids, noetl.verify(id) AS v;
SELECT count(noetl.cancel(id)) FROM meanwhile_ids;

-- What is due of a child is done although a user has deleted its parent.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: meanwhile/parent
workflow:
- {step: call, type: playbook, path: meanwhile/short}
$$) > 0 AS registered;
SELECT noetl.execute('meanwhile/parent') AS id \gset
DELETE FROM noetl.execution WHERE execution_id = :id;
SELECT pg_sleep(0.02);
SELECT noetl.enqueue_next() >= 0 AS done;
SELECT status, error FROM noetl.execution WHERE parent_execution_id = :id;
DELETE FROM noetl.event WHERE execution_id = :id OR parent_execution_id = :id;
DELETE FROM noetl.execution WHERE parent_execution_id = :id;
DELETE FROM noetl.run WHERE execution_id = :id;

-- A statement that is cancelled while it does what is due ends, and has recorded nothing.
CREATE FUNCTION meanwhile_sleep() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(60); RETURN new; END $$;
CREATE TRIGGER zz_sleep BEFORE INSERT ON noetl.event FOR EACH ROW WHEN (new.event_type = 'execution_failed') EXECUTE FUNCTION meanwhile_sleep();
SELECT noetl.execute('meanwhile/short') AS id \gset
SELECT pg_sleep(0.02);
SET statement_timeout = '300ms';
SELECT noetl.enqueue_next();
RESET statement_timeout;
SELECT count(*) FROM noetl.reaper_failure;
DROP TRIGGER zz_sleep ON noetl.event;
SELECT noetl.enqueue_next() >= 0 AS done;
SELECT status, error FROM noetl.execution WHERE execution_id = :id;

-- A worker says that it saves before the step that it works on has been written: nothing is known against it.
CREATE FUNCTION meanwhile_begins() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO noetl.event (execution_id, event_type, node_name, worker_id) VALUES (new.execution_id, 'save_started', 'c', 'early');
    RETURN new;
END
$$;
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: meanwhile/three
workflow:
- {step: a, type: meanwhile, code: x, next: b}
- {step: b, type: meanwhile, code: x, next: c}
- {step: c, type: meanwhile, code: x}
$$) > 0 AS registered;
SELECT noetl.execute('meanwhile/three') AS id \gset
CREATE TRIGGER zz_begins BEFORE INSERT ON noetl.event FOR EACH ROW WHEN (new.event_type = 'step_started' AND new.node_name = 'b') EXECUTE FUNCTION meanwhile_begins();
INSERT INTO noetl.event (execution_id, event_type, node_name) VALUES (:id, 'action_completed', 'a');
DROP TRIGGER zz_begins ON noetl.event;
SELECT event_type, node_name, meta FROM noetl.event WHERE execution_id = :id AND event_type = 'save_started' AND worker_id = 'early';
SELECT noetl.cancel(:id);

-- Events that were stored while the triggers were off are not taken up in the middle of decisions.
CREATE FUNCTION meanwhile_takes_up() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM noetl.enqueue_next(new.execution_id);
    INSERT INTO meanwhile_seen SELECT 'stored at', e.meta ->> 'stored_at' FROM noetl.event AS e WHERE e.execution_id = new.execution_id AND e.event_id = 7;
    RETURN new;
END
$$;
TRUNCATE meanwhile_seen;
SELECT noetl.execute('meanwhile/one') AS id \gset
SET session_replication_role = replica;
INSERT INTO noetl.event (execution_id, event_id, created_at, event_type, node_name, status) VALUES (:id, 7, clock_timestamp(), 'action_completed', 'b', 'done');
RESET session_replication_role;
CREATE TRIGGER zz_takes_up BEFORE INSERT ON noetl.event FOR EACH ROW WHEN (new.event_type = 'step_started' AND new.node_name = 'b') EXECUTE FUNCTION meanwhile_takes_up();
INSERT INTO noetl.event (execution_id, event_type, node_name) VALUES (:id, 'action_completed', 'a');
DROP TRIGGER zz_takes_up ON noetl.event;
SELECT * FROM meanwhile_seen;
SELECT status FROM noetl.execution WHERE execution_id = :id;
SELECT noetl.enqueue_next(:id) >= 0 AS taken_up;
SELECT status FROM noetl.execution WHERE execution_id = :id;
SELECT * FROM noetl.verify(:id);

-- A row that a trigger of a user suppresses is in nobody's way.
CREATE FUNCTION meanwhile_suppress() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
CREATE TRIGGER zz_suppress BEFORE INSERT ON noetl.event FOR EACH ROW WHEN (new.event_type = 'suppressed') EXECUTE FUNCTION meanwhile_suppress();
SELECT noetl.execute('meanwhile/one') AS id \gset
BEGIN;
INSERT INTO noetl.event (execution_id, event_type) VALUES (:id, 'suppressed');
INSERT INTO noetl.event (execution_id, event_type) VALUES (:id, 'of my own');
SELECT noetl.pause(:id);
COMMIT;
DROP TRIGGER zz_suppress ON noetl.event;
SELECT event_type FROM noetl.event WHERE execution_id = :id ORDER BY event_id;
SELECT * FROM noetl.verify(:id);
SELECT noetl.cancel(:id);

-- What the log has lost of the start is not told at the end.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: meanwhile/silent
workflow:
- {step: start, next: [{when: "{{ workload.none == 1 }}", then: [a]}, {when: "{{ workload.none != 1 }}", then: [b]}]}
- {step: a, type: meanwhile, code: x}
- {step: b, type: meanwhile, code: x, next: [{when: "{{ b == 1 }}", then: [a]}]}
$$) > 0 AS registered;
SELECT noetl.execute('meanwhile/silent', '{"none": 2}') AS told, noetl.execute('meanwhile/silent', '{"none": 2}') AS untold \gset
UPDATE noetl.event SET meta = NULL WHERE execution_id = :untold AND event_type = 'execution_start';
INSERT INTO noetl.event (execution_id, event_type, node_name) VALUES (:told, 'action_completed', 'b'), (:untold, 'action_completed', 'b');
SELECT status, error FROM noetl.execution WHERE execution_id IN (:told, :untold);
SELECT e.execution_id = :told AS told, e.meta FROM noetl.event AS e WHERE execution_id IN (:told, :untold) AND event_type LIKE 'execution_%' AND event_type <> 'execution_start' ORDER BY 1;
DELETE FROM noetl.event WHERE execution_id = :untold;
DELETE FROM noetl.execution WHERE execution_id = :untold;

SELECT count(noetl.cancel(execution_id)) >= 0 AS cancelled FROM noetl.execution WHERE path LIKE 'meanwhile/%' AND status = 'RUNNING';
SELECT count(*) FROM noetl.reaper_failure;
DROP FUNCTION meanwhile_ends(), meanwhile_resumes(), meanwhile_fails(), meanwhile_sleep(), meanwhile_begins(), meanwhile_takes_up(), meanwhile_suppress(), meanwhile_log(), meanwhile_start(text, int);
DROP FUNCTION meanwhile_id(int);
DROP TABLE meanwhile_ids, meanwhile_seen;
