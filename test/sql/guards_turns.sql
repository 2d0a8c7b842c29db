-- Stories of guards of the engine, each of which turns red when its guard is missing; see "Guards"
-- in doc/guarantees.md.
\pset format unaligned
\pset tuples_only on
\set VERBOSITY terse
SET client_min_messages = error;
CREATE FUNCTION turns_error(statement text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE statement;
    RETURN 'no error';
EXCEPTION WHEN OTHERS THEN
    RETURN SQLSTATE || ' ' || regexp_replace(SQLERRM, '\d{3,}', '<id>');
END $$;

-- A session that knows a playbook not yet looks for its limits, too: when the time of executions
-- has come, and when it starts a child with a priority.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: turns/limited
limits: {name: turns_limited, concurrency: 1}
workflow:
- {step: a, type: turns, code: x}
$$) > 0;
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: turns/parent
workflow:
- {step: call, type: playbook, path: turns/limited, priority: 5}
$$) > 0;
SELECT count(noetl.execute('turns/limited', run_at => clock_timestamp() + interval '10 ms')) FROM generate_series(1, 2);
SELECT pg_sleep(0.02);
\c -
SELECT noetl.enqueue_next() >= 0;
SELECT status, count(*) FROM noetl.execution WHERE path = 'turns/limited' GROUP BY 1 ORDER BY 1;
SELECT held, count(*) FROM noetl.slot WHERE name = 'turns_limited' GROUP BY 1 ORDER BY 1;
\c -
SELECT noetl.execute('turns/parent') AS id \gset
SELECT status, priority FROM noetl.execution WHERE parent_execution_id = :id;
SELECT count(noetl.cancel(execution_id)) FROM noetl.execution WHERE path LIKE 'turns/%' AND status IN ('RUNNING', 'SCHEDULED') AND parent_execution_id IS NULL;
SELECT count(*) FROM noetl.slot WHERE name = 'turns_limited';
SET client_min_messages = error;

-- A start that says nothing but which playbook it is of has its limits and its priority, too.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: turns/plain
priority: 4
limits: {name: turns_plain, concurrency: 1}
workflow:
- {step: a, type: turns, code: x}
$$) > 0;
INSERT INTO noetl.event (event_type, catalog_id)
SELECT 'execution_start', catalog_id FROM noetl.catalog, generate_series(1, 2) WHERE path = 'turns/plain';
SELECT status, priority FROM noetl.execution WHERE path = 'turns/plain' ORDER BY execution_id;
SELECT count(noetl.cancel(execution_id)) FROM noetl.execution WHERE path = 'turns/plain';

-- Who looks for work does some of what is due, and who asks for it the rest.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: turns/late
timeout: 0.01
workflow:
- {step: a, type: turns, code: x}
$$) > 0;
SELECT count(noetl.execute('turns/late')) FROM generate_series(1, 80);
SELECT pg_sleep(0.02);
SELECT count(*) FROM noetl.lease('w', types => '{turns_none}');
SELECT count(*) <= 32 FROM noetl.execution WHERE path = 'turns/late' AND status = 'FAILED';
SELECT noetl.enqueue_next() >= 0;
SELECT status, count(*) FROM noetl.execution WHERE path = 'turns/late' GROUP BY 1;

-- A task that there is no room for when it is to be done again is skipped, too.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: turns/skip
workflow:
- {step: a, type: turns, code: x, retry: {max_attempts: 3, initial_delay: 0.01, jitter: false}, limits: {name: turns_skip, concurrency: 1, on_limit: skip}, next: end}
- {step: end, result: "{{ a }}"}
$$) > 0;
SELECT noetl.execute('turns/skip') AS id \gset
SELECT noetl.fail(queue_id, 'broken', 'w') FROM noetl.lease('w', types => '{turns}');
SELECT noetl.execute('turns/skip') AS other \gset
SELECT pg_sleep(0.02);
SELECT noetl.enqueue_next() >= 0;
SELECT status, result FROM noetl.execution WHERE execution_id = :id;
SELECT event_type, meta ->> 'attempt' FROM noetl.event WHERE execution_id = :id AND event_type LIKE 'action%' ORDER BY event_id;
SELECT status FROM noetl.queue WHERE execution_id IN (:id, :other);
SELECT noetl.cancel(:other);

-- Where a newer execution does not begin although it has displaced the oldest, it displaces no other.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: turns/newest
limits: {name: turns_newest, rate: {limit: 1, per: hour, burst: 3}, on_limit: cancel_oldest}
workflow:
- {step: a, type: turns, code: x}
$$) > 0;
SELECT noetl.execute('turns/newest') > 0 FROM generate_series(1, 3);
SELECT noetl.execute('turns/newest') AS id \gset
SELECT execution_id = :id AS newest, status FROM noetl.execution WHERE path = 'turns/newest' ORDER BY execution_id;
SELECT count(noetl.cancel(execution_id)) FROM noetl.execution WHERE path = 'turns/newest' AND status IN ('RUNNING', 'SCHEDULED');
DELETE FROM noetl.limit_pace WHERE name = 'turns_newest';

-- What is wrong with a signal is said before what is wrong with its execution.
SELECT turns_error(format('SELECT noetl.signal(%s, '''')', :id));

-- A wait takes the oldest message that it accepts, also one that the wait before it has passed over.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: turns/mail
workflow:
- {step: start, next: one}
- {step: one, type: wait, signal: turns_mail, key: turns, accept: "{{ signal.data.kind == 'one' }}", next: two}
- {step: two, type: wait, signal: turns_mail, key: turns, accept: "{{ signal.data.kind == 'two' }}", next: end}
- {step: end, result: "{{ two.n }}"}
$$) > 0;
SELECT noetl.send('turns_mail', 'turns', jsonb_build_object('kind', kind, 'n', n), '1 hour') FROM unnest('{two,one,two}'::text[]) WITH ORDINALITY AS m (kind, n);
SELECT noetl.execute('turns/mail') AS id \gset
SELECT status, result FROM noetl.execution WHERE execution_id = :id;
SELECT data ->> 'n' FROM noetl.message WHERE name = 'turns_mail';
DELETE FROM noetl.message WHERE name = 'turns_mail';

-- An event comes after one whose id a client has chosen, although the newest id is another one.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: turns/two
workflow:
- {step: a, type: turns, code: x, next: b}
- {step: b, type: turns, code: x}
$$) > 0;
SELECT noetl.execute('turns/two') AS id \gset
SELECT max(event_id) + 1000 AS newest FROM noetl.event WHERE execution_id = :id \gset
INSERT INTO noetl.event (execution_id, event_id, catalog_id, event_type, status, created_at)
SELECT execution_id, :newest, catalog_id, 'turns_restored', 'PENDING', '2100-01-01' FROM noetl.execution WHERE execution_id = :id;
INSERT INTO noetl.event (execution_id, event_id, event_type) VALUES (:id, 5, 'turns_chosen');
INSERT INTO noetl.event (execution_id, event_type) VALUES (:id, 'turns_next');
SELECT event_type, extract(microseconds FROM created_at - '2100-01-01')::int AS after FROM noetl.event WHERE execution_id = :id AND event_type LIKE 'turns%' ORDER BY created_at, event_id;
DELETE FROM noetl.event WHERE execution_id = :id AND event_type LIKE 'turns%';
SELECT noetl.cancel(:id);

-- Two events of one statement that have the same id are those of their executions.
SELECT noetl.execute('turns/two') AS one, noetl.execute('turns/two') AS other \gset
SELECT max(event_id) + 1000 AS newest FROM noetl.event WHERE execution_id IN (:one, :other) \gset
INSERT INTO noetl.event (execution_id, event_id, event_type, node_name) VALUES (:one, :newest, 'action_completed', 'a'), (:other, :newest, 'action_completed', 'a');
SELECT execution_id = :one AS one, node_name FROM noetl.queue WHERE execution_id IN (:one, :other) ORDER BY execution_id;
SELECT count(noetl.cancel(id)) FROM unnest(ARRAY[:one, :other]) AS id;

-- Who asks for what is due of one execution decides on nothing of another.
SELECT noetl.execute('turns/two') AS one, noetl.execute('turns/two') AS other \gset
SET noetl.broker = off;
INSERT INTO noetl.event (execution_id, event_type, node_name) VALUES (:other, 'action_completed', 'a');
-- Neither does who looks for work, while the broker is off.
SELECT count(*) FROM noetl.lease('w', types => '{turns_none}');
SELECT node_name FROM noetl.queue WHERE execution_id = :other;
RESET noetl.broker;
SELECT noetl.enqueue_next(:one);
SELECT node_name FROM noetl.queue WHERE execution_id = :other;
SELECT noetl.enqueue_next(:other);
SELECT node_name FROM noetl.queue WHERE execution_id = :other;
-- Nor does it resume the tasks of others whose pause is over.
SELECT noetl.execute('turns/two') AS id \gset
SELECT noetl.pause_tasks('turns/two', until => clock_timestamp() + interval '10 ms') > 0;
SELECT pg_sleep(0.02);
SELECT noetl.enqueue_next(:one);
SELECT status FROM noetl.queue WHERE execution_id = :id;
SELECT noetl.enqueue_next() >= 0;
SELECT status FROM noetl.queue WHERE execution_id = :id;
SELECT noetl.cancel(:id);
-- Who asks for all that is due has it decided on although the broker is off.
SET noetl.broker = off;
INSERT INTO noetl.event (execution_id, event_type, node_name) VALUES (:other, 'action_completed', 'b');
SELECT noetl.enqueue_next() >= 0;
SELECT status FROM noetl.execution WHERE execution_id = :other;
RESET noetl.broker;
-- While an end waits for its decision, what comes after it is not judged yet.
SELECT noetl.execute('turns/two') AS id \gset
SET noetl.broker = off;
INSERT INTO noetl.event (execution_id, event_type) VALUES (:id, 'execution_cancelled');
INSERT INTO noetl.event (execution_id, event_type, node_name) VALUES (:id, 'action_completed', 'a');
SELECT event_type, meta ->> 'ignored' FROM noetl.event WHERE execution_id = :id AND event_type IN ('execution_cancelled', 'action_completed') ORDER BY event_id;
RESET noetl.broker;
SELECT noetl.enqueue_next(:id);
SELECT event_type, meta ->> 'ignored' FROM noetl.event WHERE execution_id = :id AND event_type IN ('execution_cancelled', 'action_completed') ORDER BY event_id;

-- What a transaction notes of its events it forgets when they are decided on.
CREATE FUNCTION turns_memory() RETURNS bigint LANGUAGE sql AS $$
    SELECT used_bytes FROM pg_backend_memory_contexts WHERE name = 'TopMemoryContext'
$$;
CREATE FUNCTION turns_noted(execution_id bigint, n int) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    before bigint := turns_memory();
BEGIN
    FOR i IN 1 .. n LOOP
        INSERT INTO noetl.event (execution_id, event_type) VALUES (execution_id, 'turns_noted');
    END LOOP;
    RETURN turns_memory() - before;
END $$;
BEGIN;
SELECT turns_noted(:one, 100) IS NOT NULL;
SELECT turns_noted(:one, 2500) < 65000;
ROLLBACK;

-- An event of no step is not taken from a role that has no right to the execution.
CREATE ROLE regress_turns;
GRANT INSERT ON noetl.event TO regress_turns;
SET ROLE regress_turns;
SELECT turns_error(format('INSERT INTO noetl.event (execution_id, event_type, worker_id) VALUES (%s, ''action_completed'', ''w'')', :one));
RESET ROLE;
-- Nor is one about a task that is leased, if it names no worker.
SELECT queue_id AS task, execution_id = :one AS one FROM noetl.lease('w', types => '{turns}') \gset leased_
SELECT :'leased_one';
SET ROLE regress_turns;
SELECT turns_error(format('INSERT INTO noetl.event (execution_id, event_type, node_name) VALUES (%s, ''action_completed'', ''a'')', :one));
RESET ROLE;
SELECT noetl.release(:leased_task, 'w');
-- Nor does a lease give the right to say what is not about its task.
GRANT EXECUTE ON FUNCTION noetl.lease TO regress_turns;
SET ROLE regress_turns;
SELECT queue_id AS task FROM noetl.lease('w', types => '{turns}') \gset leased_
SELECT turns_error(format('INSERT INTO noetl.event (execution_id, event_type, node_name, worker_id) VALUES (%s, ''execution_cancelled'', ''a'', ''w'')', :one));
RESET ROLE;
SELECT noetl.release(:leased_task, 'w');
SELECT noetl.cancel(:one);

-- An error whose text looks like a name with a colon gets no advice about params, and neither does
-- the error of a save.
GRANT EXECUTE ON FUNCTION noetl.execute TO regress_turns;
CREATE FUNCTION turns_raise() RETURNS int LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '{"a":"b"}';
END $$;
CREATE TABLE turns_saved (a int);
GRANT INSERT ON turns_saved TO regress_turns;
CREATE FUNCTION turns_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE 'SELECT :a';
    RETURN new;
END $$;
CREATE TRIGGER refuse BEFORE INSERT ON turns_saved FOR EACH ROW EXECUTE FUNCTION turns_refuse();
SELECT noetl.register(format($$
apiVersion: noetl.io/v1
kind: Playbook
path: turns/%s
workflow:
- %s
$$, name, step)) > 0 FROM (VALUES
    ('raise', '{step: a, type: sql, statement: "SELECT public.turns_raise()"}'),
    ('syntax', '{step: a, type: sql, statement: "SELECT :a"}'),
    ('level', '{step: a, type: sql, statement: "SELECT pg_catalog.current_setting(''transaction_isolation'') AS level"}'),
    ('slow', '{step: a, type: sql, timeout: 0.2, statement: "INSERT INTO public.turns_slow VALUES (1)", on_error: continue}'),
    ('save', '{step: a, type: turns, code: x, save: {storage: postgres, table: turns_saved, data: {a: 1}}}')) AS v (name, step);
SET ROLE regress_turns;
SELECT noetl.execute('turns/raise') AS one \gset
SELECT noetl.execute('turns/syntax') AS two \gset
SELECT noetl.execute('turns/save') AS three \gset
RESET ROLE;
SELECT count(noetl.complete(queue_id, '1', 'w')) FROM noetl.lease('w', types => '{turns}');
SELECT status, error FROM noetl.execution WHERE execution_id IN (:one, :two, :three) ORDER BY execution_id;

-- A statement whose timeout comes in its last moment, too late to cancel it, cancels nothing else.
CREATE TABLE turns_slow (a int);
GRANT INSERT ON turns_slow TO regress_turns;
CREATE FUNCTION turns_slow() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    n numeric := repeat('7', 65000)::numeric;
BEGIN
    -- one long expression: it cannot be interrupted
    RETURN nullif(n * n + n * (n + 1) + n * (n + 2) + n * (n + 3) > 0, true);
END $$;
CREATE TRIGGER slow AFTER INSERT ON turns_slow FOR EACH STATEMENT EXECUTE FUNCTION turns_slow();
SET ROLE regress_turns;
SELECT noetl.execute('turns/slow') > 0;
RESET ROLE;

-- What the broker writes is not taken for a client's where a user has made a trigger.
CREATE FUNCTION turns_seen() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN new; END';
CREATE TRIGGER turns_seen BEFORE INSERT ON noetl.event FOR EACH ROW EXECUTE FUNCTION turns_seen();
SET ROLE regress_turns;
SELECT noetl.execute('turns/level') AS id \gset
RESET ROLE;
DROP TRIGGER turns_seen ON noetl.event;
SELECT status FROM noetl.execution WHERE execution_id = :id;

-- An error that goes away by itself is the writer's at once: the rule does not try again.
CREATE SEQUENCE turns_tries;
CREATE FUNCTION turns_busy() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM nextval('public.turns_tries');
    RAISE EXCEPTION 'busy' USING ERRCODE = 'serialization_failure';
END $$;
CREATE TABLE turns_watched (id int);
SELECT noetl.on_change('turns_watched', 'turns/two', name => 'turns');
CREATE TRIGGER turns_busy BEFORE INSERT ON noetl.event FOR EACH ROW WHEN (new.event_type = 'execution_start') EXECUTE FUNCTION turns_busy();
SELECT turns_error('INSERT INTO turns_watched VALUES (1)');
DROP TRIGGER turns_busy ON noetl.event;
SELECT last_value FROM turns_tries;
SELECT noetl.off_change('turns');
SELECT count(*) FROM noetl.change_failure;

-- A transaction with a snapshot of its own sees its own events, also those of the same statement.
SELECT noetl.execute('turns/two') AS id \gset
BEGIN ISOLATION LEVEL REPEATABLE READ;
INSERT INTO noetl.event (execution_id, event_type) VALUES (:id, 'turns_one'), (:id, 'turns_other');
COMMIT;
SELECT count(*) FROM noetl.event WHERE execution_id = :id AND event_type LIKE 'turns%';
SELECT noetl.cancel(:id);

-- A statement has the isolation level of the transaction that it is part of.
SET ROLE regress_turns;
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT noetl.execute('turns/level') AS id \gset
COMMIT;
RESET ROLE;
SELECT status, error FROM noetl.execution WHERE execution_id = :id;
SELECT result FROM noetl.event WHERE execution_id = :id AND event_type = 'action_completed';

SELECT count(*) FROM noetl.queue WHERE node_type = 'turns';
SELECT count(*) FROM noetl.execution x CROSS JOIN LATERAL noetl.verify(x.execution_id) WHERE x.path LIKE 'turns/%';
DELETE FROM noetl.event USING noetl.execution x WHERE x.execution_id = event.execution_id AND x.path LIKE 'turns/%';
DELETE FROM noetl.workload USING noetl.execution x WHERE x.execution_id = workload.execution_id AND x.path LIKE 'turns/%';
DELETE FROM noetl.execution WHERE path LIKE 'turns/%';
DROP TABLE turns_saved, turns_slow, turns_watched;
DROP SEQUENCE turns_tries;
DROP FUNCTION turns_busy, turns_seen, turns_slow, turns_refuse, turns_raise, turns_noted, turns_memory, turns_error;
DROP OWNED BY regress_turns;
DROP ROLE regress_turns;
