-- What a statement of an execution does and takes back, in a block that catches an error, counts
-- nowhere: a child that it has cancelled goes on, a wait to which it has sent a signal is open.
SET client_min_messages = error;
CREATE ROLE regress_taken_back;
GRANT EXECUTE ON FUNCTION noetl.register, noetl.execute, noetl.cancel, noetl.send TO regress_taken_back;
GRANT INSERT ON noetl.event TO regress_taken_back;
CREATE FUNCTION taken_start(steps text) RETURNS bigint LANGUAGE sql SECURITY DEFINER AS $$
    SELECT noetl.register('apiVersion: noetl.io/v1' || chr(10) || 'kind: Playbook' || chr(10) || 'path: taken/back' || chr(10) || 'workflow:' || chr(10) || steps);
    SELECT noetl.execute('taken/back')
$$;
ALTER FUNCTION taken_start OWNER TO regress_taken_back;
CREATE FUNCTION taken_log(playbook text) RETURNS TABLE (event text, node text, status text, result jsonb, error text) LANGUAGE sql AS $$
    SELECT event_type, node_name, status, CASE jsonb_typeof(result) WHEN 'object' THEN result - 'sent_at' ELSE result END, error
      FROM noetl.event WHERE execution_id = newest(playbook) AND event_type <> 'execution_start' ORDER BY event_id
$$;

-- The child is cancelled, which is taken back: it goes on, and the step waits for its end.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: taken/child
workflow:
- {step: one, type: taken, code: x}
$$) > 0 AS registered;
CREATE FUNCTION taken_cancel(id bigint) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    child bigint;
BEGIN
    SELECT execution_id INTO STRICT child FROM noetl.execution WHERE parent_execution_id = id;
    BEGIN
        PERFORM noetl.cancel(child);
        RAISE 'no';
    EXCEPTION WHEN raise_exception THEN
        RETURN 'taken back';
    END;
END
$$;
GRANT SELECT ON noetl.execution TO regress_taken_back;
SELECT taken_start($$
- {step: start, next: [first, call]}
- {step: first, type: taken, code: x, next: cancel}
- {step: call, type: playbook, path: taken/child}
- step: cancel
  type: sql
  statement: SELECT public.taken_cancel(:id) AS did
  params: {id: "{{ execution_id }}"}
$$) > 0 AS started;
SELECT step FROM work(tasks => 1);
SELECT status FROM noetl.execution WHERE execution_id = newest('taken/child');
SELECT event, node, status, result, error FROM taken_log('taken/back');
SELECT step FROM work('{"one": {"n": 1}}');
SELECT event, node, status, result, error FROM taken_log('taken/back') OFFSET 7;

-- A signal is taken back, with the inner block that sent it, and another one is sent: it ends the wait.
CREATE FUNCTION taken_send(data jsonb) RETURNS bigint LANGUAGE plpgsql AS $$
BEGIN
    RETURN noetl.send('go', 'k', data);
EXCEPTION WHEN raise_exception THEN
    RETURN NULL;
END
$$;
CREATE FUNCTION taken_signals() RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    number bigint;
BEGIN
    BEGIN
        number := public.taken_send('1');
        RAISE 'no';
    EXCEPTION WHEN raise_exception THEN
        RETURN number || ', then ' || noetl.send('go', 'k', '2');
    END;
END
$$;
SELECT taken_start($$
- {step: start, next: [wait, send]}
- {step: wait, type: wait, signal: go, key: k}
- {step: send, type: sql, statement: SELECT public.taken_signals() AS did}
$$) > 0 AS started;
SELECT event, node, status, result, error FROM taken_log('taken/back');
SELECT * FROM noetl.verify(newest('taken/back'));

-- One that is not taken back has the wait: nobody waits for the next one.
CREATE FUNCTION taken_twice() RETURNS text LANGUAGE sql AS $$
    SELECT public.taken_send('1') || ', then ' || public.taken_send('2')
$$;
SELECT taken_start($$
- {step: start, next: [wait, send]}
- {step: wait, type: wait, signal: go, key: k}
- {step: send, type: sql, statement: SELECT public.taken_twice() AS did}
$$) > 0 AS started;
SELECT event, node, status, result, error FROM taken_log('taken/back');

-- An event that a constraint of a user refuses, or a trigger suppresses, is in nobody's way.
ALTER TABLE noetl.event ADD CONSTRAINT taken_check CHECK (error IS DISTINCT FROM 'refused');
CREATE FUNCTION taken_suppress() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RETURN CASE WHEN NEW.error IS DISTINCT FROM 'suppressed' THEN NEW END;
END
$$;
CREATE TRIGGER taken_suppress BEFORE INSERT ON noetl.event FOR EACH ROW EXECUTE FUNCTION taken_suppress();
SELECT noetl.execute('taken/child') AS id \gset
BEGIN;
SAVEPOINT before;
INSERT INTO noetl.event (execution_id, event_type, node_name, error) VALUES (:id, 'action_failed', 'one', 'suppressed');
SELECT noetl.pause(:id) AS paused;
\set VERBOSITY sqlstate
INSERT INTO noetl.event (execution_id, event_type, node_name, error) VALUES (:id, 'action_failed', 'one', 'refused');
\set VERBOSITY default
ROLLBACK TO before;
SELECT noetl.pause(:id) AS paused;
SELECT noetl.resume(:id) AS resumed;
COMMIT;

-- It is decided on once when it comes again, deeper in triggers, with the id that its client chose.
CREATE TABLE taken_reports (execution_id bigint, event_id bigint);
CREATE FUNCTION taken_report() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO noetl.event (execution_id, event_id, event_type, node_name, result)
        VALUES (NEW.execution_id, NEW.event_id, 'action_completed', 'one', '1');
    RETURN NULL;
END
$$;
CREATE TRIGGER taken_report AFTER INSERT ON taken_reports FOR EACH ROW EXECUTE FUNCTION taken_report();
SELECT noetl.next_id() AS event_id \gset
BEGIN;
SAVEPOINT before;
\set VERBOSITY sqlstate
INSERT INTO noetl.event (execution_id, event_id, event_type, node_name, error) VALUES (:id, :event_id, 'action_failed', 'one', 'refused');
\set VERBOSITY default
ROLLBACK TO before;
INSERT INTO taken_reports VALUES (:id, :event_id);
INSERT INTO noetl.event (execution_id, event_type, node_name) VALUES (:id, 'step_started', 'one');
COMMIT;
SELECT event_type, node_name, status, meta ->> 'ignored' AS ignored FROM noetl.event
 WHERE execution_id = :id AND event_type NOT IN ('execution_start', 'execution_paused', 'execution_resumed') ORDER BY event_id;
SELECT * FROM noetl.verify(:id);
ALTER TABLE noetl.event DROP CONSTRAINT taken_check;
DROP TABLE taken_reports;
DROP FUNCTION taken_suppress() CASCADE;
DROP FUNCTION taken_report();

DROP FUNCTION taken_start(text), taken_log(text), taken_cancel(bigint), taken_send(jsonb), taken_signals(), taken_twice();
DROP OWNED BY regress_taken_back;
DROP ROLE regress_taken_back;
