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
