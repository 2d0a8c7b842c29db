-- What a session takes from where it has seen it: entries of indexes, the last event of an
-- execution, the task that is completed, the answers of conditions.
\set VERBOSITY terse
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: leaves/fan
workflow:
- {step: split, type: python, code: x, next: [a, b, c]}
- {step: a, type: python, code: x, next: join}
- {step: b, type: python, code: x, next: join}
- {step: c, type: python, code: x, next: join}
- {step: join, type: python, code: x, next: end}
- step: end
$$) > 0 AS registered;
-- The tasks of 300 executions take turns, so the pages of the indexes are divided between
-- two looks at the same execution, also in the middle of its entries.
SELECT count(noetl.execute('leaves/fan')) FROM generate_series(1, 300);
-- Completes all tasks of a step, in an order that is not that of the queue.
CREATE FUNCTION complete_all(name text) RETURNS bigint LANGUAGE sql AS $$
    SELECT count(*) FROM noetl.lease('leaves', 1000);
    SELECT count(*) FILTER (WHERE noetl.complete(queue_id, '{}', 'leaves'))
      FROM (SELECT queue_id FROM noetl.queue WHERE node_name = name AND worker_id = 'leaves'
             ORDER BY execution_id % 17, queue_id % 5, queue_id) AS task
$$;
SELECT complete_all('split'), complete_all('b'), complete_all('a'), complete_all('c'), complete_all('join');
SELECT status, count(*) FROM noetl.execution WHERE path = 'leaves/fan' GROUP BY status;
SELECT event_type, node_name, count(*) FROM noetl.event JOIN noetl.execution AS x USING (execution_id)
 WHERE x.path = 'leaves/fan' AND event_type IN ('step_started', 'step_completed')
 GROUP BY event_type, node_name ORDER BY event_type, node_name;
SELECT count(*) AS differences FROM noetl.execution AS x, noetl.verify(x.execution_id) WHERE x.path = 'leaves/fan';
-- Time never stands still in an execution.
SELECT count(*) AS standing_still
  FROM (SELECT e.created_at <= lag(e.created_at) OVER log AS still
          FROM noetl.event AS e JOIN noetl.execution AS x USING (execution_id) WHERE x.path = 'leaves/fan'
        WINDOW log AS (PARTITION BY execution_id ORDER BY event_id)) AS t WHERE still;
-- One execution with more live tasks than are read from a page, in a queue that was vacuumed.
SELECT noetl.register('
apiVersion: noetl.io/v1
kind: Playbook
path: leaves/wide
workflow:
- {step: split, type: python, code: x, next: [' || string_agg('w' || i, ', ') || ']}
' || string_agg('- {step: w' || i || ', type: python, code: x, next: join}', E'\n') || '
- {step: join, type: python, code: x, next: end}
- step: end
') > 0 AS registered FROM generate_series(1, 20) AS i;
VACUUM noetl.queue;
SELECT noetl.execute('leaves/wide') AS wide \gset
SELECT complete_all('split');
SELECT sum(complete_all('w' || i)) FROM generate_series(1, 20) AS i;
SELECT complete_all('join');
SELECT noetl.status(:wide) ->> 'status' AS status;
SELECT * FROM noetl.verify(:wide);
-- A task is given up and leased again, which leaves several entries with the same keys.
SELECT noetl.execute('leaves/fan') AS x \gset
SELECT complete_all('split');
CREATE FUNCTION lease_again() RETURNS boolean LANGUAGE sql AS $$
    SELECT bool_and(noetl.heartbeat(queue_id, 'leaves', interval '1 hour')) FROM noetl.queue
$$;
SELECT count(*) FROM noetl.lease('leaves', 10);
SELECT bool_and(lease_again()) FROM generate_series(1, 50);
SELECT complete_all('a'), complete_all('b'), complete_all('c'), complete_all('join');
SELECT * FROM noetl.verify(:x);
-- What is rolled back is not remembered.
SELECT noetl.execute('leaves/fan') AS x \gset
BEGIN;
SELECT complete_all('split');
SAVEPOINT before;
SELECT complete_all('a'), complete_all('b'), complete_all('c');
ROLLBACK TO before;
SELECT complete_all('b'), complete_all('c');
ROLLBACK;
SELECT complete_all('split'), complete_all('c'), complete_all('a'), complete_all('b'), complete_all('join');
SELECT * FROM noetl.verify(:x);
-- An event that waits for its decision ends the task that is completed: the task is read
-- again after it.
SELECT noetl.execute('leaves/fan') AS x \gset
SELECT queue_id AS task FROM noetl.lease('leaves', 1) \gset
SET noetl.broker = off;
INSERT INTO noetl.event (execution_id, event_type, node_name, worker_id, result)
    VALUES (:x, 'action_completed', 'split', 'leaves', '{}');
SET noetl.broker = on;
SELECT noetl.complete(:task, '{}', 'leaves');
SELECT event_type, count(*), count(*) FILTER (WHERE meta ? 'ignored') AS ignored FROM noetl.event
 WHERE execution_id = :x AND event_type IN ('action_completed', 'step_completed') GROUP BY event_type;
SELECT complete_all('a'), complete_all('b'), complete_all('c'), complete_all('join');
SELECT * FROM noetl.verify(:x);
-- A trigger of a user on noetl.event changes the execution, and takes tasks away, while one
-- is completed.
CREATE FUNCTION meddle() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE noetl.execution SET priority = 7 WHERE execution_id = new.execution_id;
    DELETE FROM noetl.queue WHERE execution_id = new.execution_id AND node_name = TG_ARGV[0];
    RETURN new;
END $$;
SELECT noetl.execute('leaves/fan') AS x \gset
CREATE TRIGGER meddle BEFORE INSERT ON noetl.event FOR EACH ROW
    WHEN (new.event_type = 'action_completed') EXECUTE FUNCTION meddle('b');
SELECT complete_all('split');
SELECT node_name, priority FROM noetl.queue WHERE execution_id = :x ORDER BY node_name;
SELECT complete_all('a');
SELECT node_name, status FROM noetl.queue WHERE execution_id = :x ORDER BY node_name;
DROP TRIGGER meddle ON noetl.event;
SELECT noetl.rebuild(:x) IS NOT NULL AS rebuilt;
SELECT complete_all('b'), complete_all('c'), complete_all('join');
SELECT * FROM noetl.verify(:x);
SELECT noetl.execute('leaves/fan') AS x \gset
CREATE TRIGGER meddle BEFORE INSERT ON noetl.event FOR EACH ROW
    WHEN (new.event_type = 'action_completed') EXECUTE FUNCTION meddle('split');
SELECT complete_all('split');
SELECT event_type, meta ->> 'ignored' AS ignored FROM noetl.event
 WHERE execution_id = :x AND event_type IN ('action_completed', 'step_completed');
DROP TRIGGER meddle ON noetl.event;
SELECT noetl.cancel(:x);
-- Conditions of users: a partial index and a CHECK, whose answers depend on the value only,
-- and a CHECK whose answer changes; right after it was asked, as an error forgets all answers.
CREATE INDEX users_idx ON noetl.queue (queue_id) WHERE node_name LIKE 'a%' OR NOT (worker_id IS NULL);
CREATE TABLE forbidden (name text);
CREATE FUNCTION is_allowed(name text) RETURNS boolean LANGUAGE sql STABLE AS
$$ SELECT NOT EXISTS (SELECT FROM forbidden AS f WHERE f.name = is_allowed.name) $$;
ALTER TABLE noetl.queue ADD CONSTRAINT users_check CHECK (node_name <> 'b' OR priority < 5),
    ADD CONSTRAINT users_rule CHECK (is_allowed(node_name));
SELECT noetl.execute('leaves/fan') AS x \gset
SELECT complete_all('split');
SELECT node_name, status FROM noetl.queue WHERE execution_id = :x ORDER BY node_name;
INSERT INTO forbidden VALUES ('b');
SELECT noetl.execute('leaves/fan', '{}', priority => 4) AS y \gset
SELECT queue_id AS task FROM noetl.lease('leaves', 1) \gset
SELECT noetl.complete(:task, '{}', 'leaves');
DELETE FROM forbidden;
SELECT noetl.cancel(:y);
SELECT noetl.execute('leaves/fan', '{}', priority => 5) AS y \gset
SELECT queue_id AS task FROM noetl.lease('leaves', 1) \gset
SELECT noetl.complete(:task, '{}', 'leaves');
SELECT noetl.cancel(:y);
SET enable_seqscan = off;
SELECT count(*) FROM noetl.queue WHERE node_name LIKE 'a%' OR NOT (worker_id IS NULL);
SELECT count(*) FROM noetl.lease('leaves', 2);
SELECT count(*) FROM noetl.queue WHERE node_name LIKE 'a%' OR NOT (worker_id IS NULL);
RESET enable_seqscan;
ALTER TABLE noetl.queue DROP CONSTRAINT users_check, DROP CONSTRAINT users_rule;
DROP INDEX noetl.users_idx;
DROP FUNCTION is_allowed;
DROP TABLE forbidden;
SELECT noetl.cancel(:x);
-- A trigger of a user changes what is inserted: the row counts.
CREATE FUNCTION later() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN new.priority := 9; RETURN new; END $$;
CREATE TRIGGER later BEFORE INSERT ON noetl.execution FOR EACH ROW EXECUTE FUNCTION later();
SELECT noetl.execute('leaves/fan') AS x \gset
SELECT priority FROM noetl.queue WHERE execution_id = :x;
DROP TRIGGER later ON noetl.execution;
SELECT noetl.cancel(:x);
-- Workers report what was cancelled.
SELECT count(*) FILTER (WHERE noetl.complete(queue_id, '{}', 'leaves')) AS completed FROM noetl.queue;
SELECT count(*) AS left FROM noetl.queue;
UPDATE noetl.execution SET priority = 0 WHERE path = 'leaves/fan' AND priority IN (7, 9);
DROP FUNCTION complete_all, lease_again, meddle, later;
-- JSON that is rendered has the very bytes that the server writes.
CREATE FUNCTION same_bytes(document jsonb) RETURNS boolean LANGUAGE sql AS $$
    SELECT jsonb_send(rendered) = jsonb_send(built) AND rendered = built
       AND pg_column_size(rendered) = pg_column_size(built)
       AND jsonb_hash_extended(rendered, 0) = jsonb_hash_extended(built, 0)
      FROM (SELECT noetl.render(jsonb_build_object('t', '{{ 1 }}', 'd', document), '{}') AS rendered,
                   jsonb_build_object('d', document, 't', 1) AS built) AS t
$$;
SELECT same_bytes(document), left(document::text, 40) AS document
  FROM (VALUES ('{}'::jsonb), ('[]'), ('null'), ('1.50'), ('[1, "{{ 2 }}x", -3e400, [], {}]'::jsonb - 1),
               ('{"": 0, "b": {"a": [true, false, null]}, "aa": "x", "B": 12345.678}')) AS v (document);
-- So has what is put together of rendered parts, however many they are.
SELECT x, bool_and(jsonb_send(rendered) = jsonb_send(built) AND pg_column_size(rendered) = pg_column_size(built)) AS same
  FROM (VALUES ('7'::jsonb), ('"text"'), ('-1.5'), ('null'), ('{"a": [1.5, "x"], "": {}}')) AS v (x),
       generate_series(0, 140, 7) AS n,
       LATERAL (SELECT noetl.render(jsonb_build_object('o', coalesce(jsonb_object_agg('k' || i * 31 % 101, '{{ x }}'::text), '{}'),
                                                       'list', coalesce(jsonb_agg(CASE WHEN i > 0 THEN '{{ x }}' END), '[]')),
                                    jsonb_build_object('x', x)) AS rendered,
                       jsonb_build_object('o', coalesce(jsonb_object_agg('k' || i * 31 % 101, x), '{}'),
                                          'list', coalesce(jsonb_agg(CASE WHEN i > 0 THEN x END), '[]')) AS built
                  FROM generate_series(1, n) AS i) AS r
 GROUP BY x ORDER BY x;
DROP FUNCTION same_bytes;
