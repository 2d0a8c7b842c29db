-- What triggers of users on noetl.event ask of the execution whose event is being stored: it comes
-- after that event, in the log and in what is decided.
SET client_min_messages = error;
CREATE FUNCTION calls_log(id bigint) RETURNS TABLE (event text, node text, status text, error text, ignored text) LANGUAGE sql AS $$
    SELECT event_type, regexp_replace(node_id, '^\d+:?', ''), status, error, meta ->> 'ignored'
      FROM noetl.event WHERE execution_id = id AND event_type NOT IN ('execution_start', 'step_started') ORDER BY event_id
$$;
CREATE FUNCTION calls_fired() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.event_type = 'action_completed' AND NEW.node_name = 'one' THEN
        EXECUTE (SELECT call FROM calls_to_do) USING NEW.execution_id;
    END IF;
    RETURN NEW;
END
$$;
CREATE TABLE calls_to_do (call text);
INSERT INTO calls_to_do VALUES ('SELECT noetl.signal($1, ''go'')');
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: calls/child
workflow:
- {step: one, type: wait, signal: never}
$$) > 0 AS registered;
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: calls/main
workflow:
- {step: start, next: [one, wait, child]}
- {step: one, type: calls, code: x, next: two}
- {step: wait, type: wait, signal: go, next: two}
- {step: child, type: playbook, path: calls/child, on_error: continue}
- {step: two, type: calls, code: x, join: any}
$$) > 0 AS registered;

-- A trigger that fires after the row is stored, before the one of the broker.
CREATE TRIGGER called AFTER INSERT ON noetl.event FOR EACH ROW EXECUTE FUNCTION calls_fired();
SELECT noetl.execute('calls/main') AS id \gset
INSERT INTO noetl.event (execution_id, event_type, node_name, result) VALUES (:id, 'action_completed', 'one', '1');
SELECT * FROM calls_log(:id);
SELECT * FROM noetl.verify(:id);

-- What it takes back itself leaves the event to the broker.
UPDATE calls_to_do SET call = $call$
    DO $do$
    BEGIN
        INSERT INTO noetl.event (execution_id, event_type, node_name) VALUES (newest('calls/main'), 'signal_received', 'go');
        RAISE 'no';
    EXCEPTION WHEN raise_exception THEN NULL;
    END
    $do$ $call$;
SELECT noetl.execute('calls/main') AS id \gset
INSERT INTO noetl.event (execution_id, event_type, node_name, result) VALUES (:id, 'action_completed', 'one', '1');
SELECT * FROM calls_log(:id);
SELECT * FROM noetl.verify(:id);
DROP TRIGGER called ON noetl.event;

-- RETURNING, which is evaluated then, too.
SELECT noetl.execute('calls/main') AS id \gset
INSERT INTO noetl.event (execution_id, event_type, node_name, result) VALUES (:id, 'action_completed', 'one', '1')
    RETURNING noetl.signal(execution_id, 'go') AS ended;
SELECT * FROM calls_log(:id);
SELECT * FROM noetl.verify(:id);

-- A trigger that fires before the row is stored, but after the event has got its id: of a client …
UPDATE calls_to_do SET call = 'SELECT noetl.signal($1, ''go'')';
CREATE TRIGGER zz_called BEFORE INSERT ON noetl.event FOR EACH ROW EXECUTE FUNCTION calls_fired();
SELECT noetl.execute('calls/main') AS id \gset
INSERT INTO noetl.event (execution_id, event_type, node_name, result) VALUES (:id, 'action_completed', 'one', '1');
SELECT * FROM calls_log(:id);
SELECT * FROM noetl.verify(:id);
-- … and of a function,
SELECT noetl.execute('calls/main') AS id \gset
SELECT queue_id FROM noetl.lease('calls', types => '{calls}', max_tasks => 9) WHERE execution_id = :id AND node_name = 'one' \gset
SELECT noetl.complete(:queue_id, '1', 'calls') AS completed;
SELECT * FROM calls_log(:id);
SELECT * FROM noetl.verify(:id);
-- which cancels a child, …
UPDATE calls_to_do SET call = 'SELECT noetl.cancel(execution_id) FROM noetl.execution WHERE parent_execution_id = $1';
SELECT noetl.execute('calls/main') AS id \gset
SELECT queue_id FROM noetl.lease('calls', types => '{calls}', max_tasks => 9) WHERE execution_id = :id AND node_name = 'one' \gset
SELECT noetl.complete(:queue_id, '1', 'calls') AS completed;
SELECT * FROM calls_log(:id);
SELECT * FROM noetl.verify(:id);
-- … does what is due, and may not pause.
UPDATE calls_to_do SET call = 'SELECT noetl.signal($1, ''go''), noetl.enqueue_next($1), noetl.enqueue_next()';
SELECT noetl.execute('calls/main') AS id \gset
SELECT queue_id FROM noetl.lease('calls', types => '{calls}', max_tasks => 9) WHERE execution_id = :id AND node_name = 'one' \gset
SELECT noetl.complete(:queue_id, '1', 'calls') AS completed;
SELECT * FROM calls_log(:id);
SELECT * FROM noetl.verify(:id);
UPDATE calls_to_do SET call = 'SELECT noetl.pause($1)';
\set VERBOSITY sqlstate
SELECT noetl.execute('calls/main') AS id \gset
INSERT INTO noetl.event (execution_id, event_type, node_name, result) VALUES (:id, 'action_completed', 'one', '1');
\set VERBOSITY default

DROP TRIGGER zz_called ON noetl.event;
SELECT count(noetl.cancel(execution_id)) > 0 AS cancelled FROM noetl.execution WHERE path = 'calls/main' AND status = 'RUNNING';
SELECT count(noetl.release(queue_id, 'calls')) > 0 AS released FROM noetl.queue WHERE worker_id = 'calls';
DROP TABLE calls_to_do;
DROP FUNCTION calls_fired(), calls_log(bigint);
