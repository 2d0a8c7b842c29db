\pset format unaligned
\pset tuples_only on
\set VERBOSITY terse
SET statement_timeout = '10 s';
-- What a session knows of one execution, of one type of tasks or of one transaction is not
-- taken for what is true of another one.
-- A worker that takes all types reads each of them once, also when it begins after the last one.
DELETE FROM noetl.queue;
VACUUM noetl.queue;
INSERT INTO noetl.queue (execution_id, catalog_id, node_id, node_name, node_type, action)
SELECT 1, 1, '1:a', 'a', 'marktype' || i, '{}' FROM generate_series(1, 64) i;
SELECT count(*) FROM noetl.lease('w', 1);
SELECT count(*) FROM noetl.lease('w', 1);
SELECT count(*) FROM noetl.lease('w', 100);
SELECT status, count(*) FROM noetl.queue WHERE node_type LIKE 'mark%' GROUP BY 1;
DELETE FROM noetl.queue WHERE node_type LIKE 'mark%';

SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: marks/line
workflow:
- {step: a, type: marka, code: x, next: b}
- {step: b, type: markb, code: x}
$$) > 0;

-- The mark of a newer execution that has the same place in memory hides no task of an older one.
SELECT count(noetl.execute('marks/line')) FROM generate_series(1, 200);
SELECT min(execution_id) AS older, max(execution_id) AS newer FROM noetl.execution WHERE path = 'marks/line' AND status = 'RUNNING'
 GROUP BY hashint8(execution_id) & 1023 HAVING count(*) > 1 ORDER BY 1 LIMIT 1 \gset
SELECT count(*) FROM noetl.lease('w', 200, types => '{marka}');
SELECT noetl.complete(queue_id, '1', 'w') FROM noetl.queue WHERE execution_id = :newer;
SELECT noetl.complete(queue_id, '1', 'w') FROM noetl.queue WHERE execution_id = :older;
SELECT execution_id = :older, node_name FROM noetl.queue WHERE execution_id IN (:older, :newer) ORDER BY execution_id;
SELECT count(noetl.cancel(execution_id)) FROM noetl.execution WHERE path = 'marks/line' AND status = 'RUNNING';
DELETE FROM noetl.queue WHERE node_type LIKE 'mark%';

-- The mark of one type hides no task of another one, nor that of a priority one of another.
INSERT INTO noetl.queue (execution_id, catalog_id, node_id, node_name, node_type, action, priority)
SELECT 1, 1, '1:a', 'a' || i, CASE WHEN i = 1 THEN 'markother' ELSE 'marktype' END, '{}', CASE WHEN i = 2 THEN 0 ELSE 5 END FROM generate_series(1, 6) i;
SELECT node_name FROM noetl.lease('w', types => '{marktype}');
SELECT pg_sleep(0.02);
SELECT node_name FROM noetl.lease('w', 3, types => '{marktype}');
SELECT node_name FROM noetl.lease('w', types => '{marktype}');
SELECT node_name FROM noetl.lease('w', types => '{markother}');
DELETE FROM noetl.queue WHERE node_type LIKE 'mark%';

-- A ready task that was seen, and not taken because a more urgent one came first, comes before
-- what is made ready later.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: marks/urgent
workflow:
- {step: a, type: markt, code: x, next: b}
- {step: b, type: markt, code: x, priority: 9, next: c}
- {step: c, type: markt, code: x}
$$) > 0;
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: marks/other
workflow:
- {step: other, type: markt, code: x, priority: 5}
$$) > 0;
SELECT noetl.execute('marks/urgent') AS id \gset
SELECT queue_id AS task FROM noetl.lease('w', types => '{markt}') \gset
SELECT noetl.execute('marks/other') > 0;
SELECT queue_id AS task, node_name FROM noetl.complete_and_lease(:task, '1', 'w', types => '{markt}') \gset
SELECT :'node_name';
SELECT node_name FROM noetl.complete_and_lease(:task, '1', 'w', types => '{markt}');
SELECT count(noetl.cancel(execution_id)) FROM noetl.execution WHERE path LIKE 'marks/%' AND status = 'RUNNING';

-- Tasks whose rows are gone, with their pages, are not there, whichever is asked for.
SELECT count(noetl.execute('marks/other')) FROM generate_series(1, 3);
SELECT array_agg(queue_id) AS tasks FROM noetl.lease('w', 3, types => '{markt}') \gset
DELETE FROM noetl.queue;
VACUUM noetl.queue;
SELECT noetl.complete(task, '1', 'w') FROM unnest(:'tasks'::bigint[]) task;
SELECT count(noetl.cancel(execution_id)) FROM noetl.execution WHERE path LIKE 'marks/%' AND status = 'RUNNING';

-- No event is lost in an execution with ids that a client has chosen, and more than one page has.
SELECT noetl.execute('marks/other') AS id \gset
INSERT INTO noetl.event (execution_id, event_id, event_type, status) VALUES (:id, :id + (1::bigint << 50), 'note', 'COMPLETED');
INSERT INTO noetl.event (execution_id, event_type, status) SELECT :id, 'note', 'COMPLETED' FROM generate_series(1, 1000);
SELECT count(*), count(*) FILTER (WHERE later) FROM (SELECT created_at > lag(created_at) OVER (ORDER BY event_id) AS later FROM noetl.event WHERE execution_id = :id) e;
SELECT noetl.cancel(:id);

-- A step that waits for its next attempt has it as late in another version.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: marks/child
workflow:
- {step: a, type: markt, code: x}
$$) > 0;
SELECT noetl.register(format($$
apiVersion: noetl.io/v1
kind: Playbook
path: marks/parent
description: v%s
workflow:
- {step: call, type: playbook, path: marks/child, retry: {max_attempts: 2, initial_delay: 3600, jitter: false}}
$$, v)) > 0 FROM generate_series(1, 2) v;
SELECT noetl.execute('marks/parent', version => 1) AS id \gset
SELECT count(noetl.fail(queue_id, 'no', 'w')) FROM noetl.lease('w', types => '{markt}');
SELECT state, due_at > now() FROM noetl.run WHERE execution_id = :id;
SELECT count(*) FROM noetl.migrate(:id, 2, dry_run => false) WHERE severity = 'error';
SELECT state, due_at > now() FROM noetl.run WHERE execution_id = :id;
SELECT * FROM noetl.verify(:id);
SELECT noetl.cancel(:id);
DELETE FROM noetl.queue WHERE node_type LIKE 'mark%';

-- What a transaction has taken away, and gives back by rolling back, is there afterwards,
-- however often it has looked beside the gap.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: marks/gap
workflow:
- {step: first, type: markg, code: x}
$$) > 0;
SELECT noetl.execute('marks/gap') AS id \gset
SELECT count(nextval('noetl.queue_seq')) FROM generate_series(1, 100);
INSERT INTO noetl.queue (execution_id, catalog_id, node_id, node_name, node_type, action, available_at)
SELECT 1, 1, '1:a', 'later', 'markg', '{}', now() + interval '1 h';
BEGIN;
SELECT noetl.pause(:id);
SELECT count(*) FROM noetl.lease('w', types => '{markg}');
SELECT pg_sleep(0.02);
SELECT count(*) FROM noetl.lease('w', types => '{markg}');
ROLLBACK;
SELECT node_name FROM noetl.lease('w', types => '{markg}');
-- So is a task that is made ready again by hand.
UPDATE noetl.queue SET status = 'queued', worker_id = NULL, lease_until = NULL WHERE execution_id = :id;
SELECT node_name FROM noetl.lease('w', types => '{markg}');
SELECT noetl.cancel(:id);
DELETE FROM noetl.queue WHERE node_type LIKE 'mark%';

-- A task of a type whose pause is over comes before what is made ready later, although the last
-- look has found none.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: marks/line2
workflow:
- {step: a, type: markp, code: x, next: b}
- {step: b, type: markp, code: x, next: c}
- {step: c, type: markp, code: x}
$$) > 0;
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: marks/first
workflow:
- {step: first, type: markq, code: x, priority: 9}
$$) > 0;
SELECT noetl.execute('marks/line2') AS id \gset
SELECT noetl.execute('marks/first') AS first \gset
SELECT queue_id AS task FROM noetl.lease('w', types => '{markp}') \gset
SELECT noetl.pause_tasks(type => 'markq') >= 0;
SELECT queue_id AS task, node_name FROM noetl.complete_and_lease(:task, '1', 'w', types => '{markp,markq}') \gset
SELECT :'node_name';
SELECT noetl.resume_tasks(type => 'markq') >= 0;
SELECT node_name FROM noetl.complete_and_lease(:task, '1', 'w', types => '{markp,markq}');
SELECT count(noetl.cancel(id)) FROM unnest(ARRAY[:id, :first]) id;
DELETE FROM noetl.queue WHERE node_type LIKE 'mark%';

-- Time goes on from the newest event of an execution, when somebody has moved that, too.
SELECT noetl.execute('marks/other') AS id \gset
INSERT INTO noetl.event (execution_id, event_type, status) VALUES (:id, 'note', 'COMPLETED') RETURNING event_id AS note \gset
UPDATE noetl.event SET created_at = created_at + interval '1 h' WHERE execution_id = :id AND event_id = :note;
INSERT INTO noetl.event (execution_id, event_type, status) VALUES (:id, 'note', 'COMPLETED');
SELECT bool_and(later) FROM (SELECT created_at > lag(created_at) OVER (ORDER BY event_id) AS later FROM noetl.event WHERE execution_id = :id) e;
SELECT noetl.cancel(:id);
DELETE FROM noetl.event WHERE execution_id = :id;
DELETE FROM noetl.execution WHERE execution_id = :id;

-- An execution that changes all the time leaves nothing in the memory of a session.
SELECT noetl.register(format($$
apiVersion: noetl.io/v1
kind: Playbook
path: marks/%s
workflow:
- {step: a, type: marka, code: x}
$$, repeat('long', 100))) > 0;
SELECT noetl.execute('marks/' || repeat('long', 100)) AS id \gset
CREATE FUNCTION pg_temp.change(times int) RETURNS bigint LANGUAGE plpgsql AS $$
BEGIN
    FOR i IN 1 .. times LOOP
        UPDATE noetl.execution SET priority = i % 2 WHERE path LIKE 'marks/long%';
        INSERT INTO noetl.event (execution_id, event_type, status) SELECT execution_id, 'note', 'COMPLETED' FROM noetl.execution WHERE path LIKE 'marks/long%';
    END LOOP;
    RETURN (SELECT used_bytes FROM pg_backend_memory_contexts WHERE name = 'TopMemoryContext');
END $$;
SELECT pg_temp.change(10) AS used \gset
SELECT pg_temp.change(300) - :used < 50000 AS bounded;
SELECT noetl.cancel(:id);

-- Databases that were made from one another have turns of their own.
SELECT current_database() AS home \gset
CREATE DATABASE marks_one;
\c marks_one
SET client_min_messages = warning;
CREATE EXTENSION noetl;
\c :home
CREATE DATABASE marks_two TEMPLATE marks_one;
\c marks_one
INSERT INTO noetl.queue (execution_id, catalog_id, node_id, node_name, node_type, action, fair_key)
SELECT 1, 1, '1:a', 'a', 'marktype', '{}', k FROM unnest('{x,y,x,y}'::text[]) k;
\c marks_two
INSERT INTO noetl.queue (execution_id, catalog_id, node_id, node_name, node_type, action, fair_key)
SELECT 1, 1, '1:a', 'a', 'marktype', '{}', k FROM unnest('{x,y,x,y}'::text[]) k;
SELECT fair_key FROM noetl.lease('w');
\c marks_one
SELECT fair_key FROM noetl.lease('w');
SELECT fair_key FROM noetl.lease('w');
\c marks_two
SELECT fair_key FROM noetl.lease('w');
\c :home
DROP DATABASE marks_one;
DROP DATABASE marks_two;
