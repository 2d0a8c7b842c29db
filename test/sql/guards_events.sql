-- Stories of guards of what senders say in events: what is filled in, what stays as it is, and what of
-- it counts.  Each turns red when its guard is missing; see "Guards" in doc/guarantees.md.
\set SHOW_CONTEXT never
\pset format unaligned
\pset tuples_only on
CREATE FUNCTION pg_temp.add(name text, steps text, head text DEFAULT '') RETURNS boolean LANGUAGE sql AS
    $$ SELECT noetl.register(E'apiVersion: noetl.io/v1\nkind: Playbook\npath: said/' || name || E'\n' || head || E'\nworkflow:\n' || steps) > 0 $$;
-- The log of an execution: instead of parent_event_id the type of that event, and which columns are empty.
CREATE FUNCTION pg_temp.log(id bigint, kinds text DEFAULT '.') RETURNS TABLE (event text, name text, node text, type text, status text, worker text, parent text, empty text, meta jsonb) LANGUAGE sql AS $$
    SELECT e.event_type, e.node_name, replace(e.node_id, e.execution_id::text, '#'), e.node_type, e.status, e.worker_id, (SELECT p.event_type FROM noetl.event AS p WHERE p.execution_id = id AND p.event_id = e.parent_event_id),
           concat(CASE WHEN e.parent_event_id IS NULL THEN 'p' END, CASE WHEN e.parent_execution_id IS NULL THEN 'x' END, CASE WHEN e.result IS NULL THEN 'r' END), e.meta - 'started_by' - 'started_by_oid' - 'by' - 'sent_at' - 'queue_id' - 'transitions'
      FROM noetl.event AS e WHERE e.execution_id = id AND e.event_type ~ kinds ORDER BY e.event_id
$$;

-- What a worker records of a former attempt does not count; the end of an item says which attempt it belongs to.
SELECT pg_temp.add('attempts', $$
- {step: a, type: python, code: x, retry: {max_attempts: 3, initial_delay: 0, jitter: false}}
$$);
SELECT noetl.execute('said/attempts') AS id \gset
SELECT noetl.fail(queue_id, 'no', 'w') FROM noetl.lease('w');
SELECT noetl.enqueue_next() >= 0;
SELECT attempts FROM noetl.lease('w');
INSERT INTO noetl.event (execution_id, event_type, node_name, worker_id, meta) VALUES
    (:id, 'save_started', 'a', 'w', '{"attempt": 1}'),
    (:id, 'save_completed', 'a', 'w', '{"attempt": 2}'),
    (:id, 'save_started', 'a', 'w', NULL),
    (:id, 'save_started', 'a', NULL, '{"n": 1}'),
    (:id, 'iteration_started', 'a', 'w', '{"n": 2}'),
    (:id, 'iteration_completed', 'a', 'w', '{"n": 3}'),
    (:id, 'save_started', 'a', 'w2', '{"n": 4}');
SELECT noetl.fail(queue_id, 'no', 'w') FROM noetl.queue WHERE execution_id = :id;
INSERT INTO noetl.event (execution_id, event_type, node_name, worker_id, meta) VALUES
    (:id, 'save_started', 'a', 'w', '{"n": 5}'),
    (:id, 'save_started', 'a', NULL, '{"n": 6}');
SELECT * FROM pg_temp.log(:id, 'save|iter');
SELECT noetl.cancel(:id);

-- What the sender leaves out of an event is filled in from the run that it is about; what the sender says stays.
SELECT pg_temp.add('two', $$
- {step: a, type: python, code: x, next: b}
- {step: b, type: shell, command: x}
$$);
SELECT noetl.execute('said/two') AS id \gset
SELECT event_id AS start FROM noetl.event WHERE execution_id = :id AND event_type = 'execution_start' \gset
INSERT INTO noetl.event (execution_id, event_type, node_name, worker_id) VALUES (:id, 'save_started', 'a', 'early');
INSERT INTO noetl.event (execution_id, event_type, node_name) VALUES (:id, 'action_started', 'a');
INSERT INTO noetl.event (execution_id, event_type, node_name, node_type, parent_event_id) VALUES (:id, 'progress', 'a', 'mine', :start);
INSERT INTO noetl.event (execution_id, event_type, node_name, node_id) VALUES (:id, 'save_started', 'a', 'mine');
INSERT INTO noetl.event (execution_id, event_type, node_name) VALUES (:id, 'of my own', 'a');
INSERT INTO noetl.event (execution_id, event_type, node_name, node_id) VALUES (:id, 'of my own', 'a', 'mine');
INSERT INTO noetl.event (execution_id, event_type) VALUES (:id, 'of my own');
INSERT INTO noetl.event (execution_id, event_type, meta) VALUES (:id, 'of my own', '{"settings": {"mine": 1}}');
INSERT INTO noetl.event (execution_id, event_type, node_name, node_id) VALUES (:id, 'signal_received', 's', 'mine');
INSERT INTO noetl.event (execution_id, event_type, node_name, node_id, parent_event_id) VALUES (:id, 'action_completed', 'a', :id || ':a', :start);
SELECT * FROM pg_temp.log(:id);
SELECT (meta ->> 'sent_at')::timestamptz = created_at FROM noetl.event WHERE execution_id = :id AND event_type = 'signal_received';
SELECT * FROM noetl.verify(:id);

-- Of the rows of one statement each is decided on before the next one is looked at.
SELECT noetl.execute('said/two') AS other \gset
INSERT INTO noetl.event (execution_id, event_type, node_name, worker_id) VALUES
    (:other, 'action_completed', 'a', NULL),
    (:other, 'save_started', 'b', NULL),
    (:other, 'action_started', 'b', 'w'),
    (:other, 'save_started', 'b', 'w2'),
    (:other, 'action_completed', 'b', 'w'),
    (:other, 'save_completed', 'b', 'w');
SELECT * FROM pg_temp.log(:other, 'action|save');
SELECT * FROM noetl.verify(:other);

-- What comes after the end says only that; the end of a further drive says which one it ends, if it counts.
INSERT INTO noetl.event (execution_id, event_type, error) VALUES (:id, 'execution_failed', 'no more');
INSERT INTO noetl.event (execution_id, event_type, node_name, worker_id) VALUES (:id, 'save_started', 'b', 'w'), (:id, 'save_started', 'a', 'w');
INSERT INTO noetl.event (execution_id, event_type, node_name, worker_id, meta) VALUES (:id, 'save_completed', 'b', 'w', '{"attempt": 0}');
INSERT INTO noetl.event (execution_id, event_type) VALUES (:id, 'execution_cancelled');
-- ... and what only the broker says changes nothing when a superuser says it.
INSERT INTO noetl.event (execution_id, event_type, node_name) VALUES (:id, 'step_held', 'b');
SELECT noetl.redrive(:id) >= 0;
INSERT INTO noetl.event (execution_id, event_type, node_name) VALUES (:id, 'action_started', 'b');
INSERT INTO noetl.event (execution_id, event_type) VALUES (:id, 'execution_cancelled');
INSERT INTO noetl.event (execution_id, event_type) VALUES (:id, 'execution_cancelled');
SELECT * FROM pg_temp.log(:id, 'execution_|save|held|action_started');
SELECT * FROM noetl.verify(:id);

-- ... also of a task that a worker still holds.
SELECT noetl.execute('said/attempts') AS id \gset
SELECT attempts FROM noetl.lease('w');
SELECT noetl.cancel(:id);
INSERT INTO noetl.event (execution_id, event_type, node_name, worker_id, meta) VALUES
    (:id, 'iteration_completed', 'a', 'w', NULL), (:id, 'save_started', 'a', 'w2', NULL), (:id, 'save_started', 'a', 'w', '{"attempt": 0}');
SELECT * FROM pg_temp.log(:id, 'execution_c|save|iter');
INSERT INTO noetl.event (execution_id, event_type, node_name, worker_id) VALUES (:id, 'action_completed', 'a', 'w');
SELECT count(*) FROM noetl.queue WHERE execution_id = :id;

-- An event that names no step is about no item, whatever its index is.
SELECT pg_temp.add('items', $$
- {step: each, type: iterator, mode: distributed, collection: [1], element: x, task: {type: python, code: x}}
$$);
SELECT noetl.execute('said/items') AS id \gset
INSERT INTO noetl.event (execution_id, event_type, current_index) VALUES (:id, 'action_completed', 0);
INSERT INTO noetl.event (execution_id, event_type, current_index) VALUES (:id, 'execution_cancelled', 0);
SELECT * FROM pg_temp.log(:id);

-- What a trigger says after a row is stored comes after what is decided on that row.
CREATE FUNCTION said_next() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO noetl.event (execution_id, event_type, node_name) VALUES (new.execution_id, 'action_completed', 'b');
    RETURN NULL;
END
$$;
CREATE TRIGGER aa_next AFTER INSERT ON noetl.event FOR EACH ROW WHEN (new.event_type = 'action_completed' AND new.node_name = 'a') EXECUTE FUNCTION said_next();
SELECT noetl.execute('said/two') AS id \gset
INSERT INTO noetl.event (execution_id, event_type, node_name) VALUES (:id, 'action_completed', 'a');
DROP TRIGGER aa_next ON noetl.event;
DROP FUNCTION said_next();
SELECT * FROM pg_temp.log(:id, 'completed|execution_c');
SELECT * FROM noetl.verify(:id);

-- What a signal is about is as long as an index allows, however it is sent.
SELECT noetl.execute('said/two') AS id \gset
\set VERBOSITY sqlstate
INSERT INTO noetl.event (execution_id, event_type, node_name, context) VALUES (:id, 'signal_received', 's', jsonb_build_object('key', repeat('k', 513)));
INSERT INTO noetl.event (execution_id, event_type, node_name, context) VALUES (:id, 'signal_received', 's', jsonb_build_object('id', repeat('i', 513)));
INSERT INTO noetl.event (execution_id, event_type, node_name) VALUES (:id, 'signal_received', repeat('s', 513));
\set VERBOSITY default
SELECT noetl.cancel(:id);
