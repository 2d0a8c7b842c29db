-- A lease that is rolled back, as a whole or to a savepoint, leaves its task
-- ready: the next lease takes that task, and not the one behind it.
INSERT INTO noetl.queue (execution_id, catalog_id, node_id, node_name, node_type, action)
VALUES (1, 1, '1:first', 'first', 'undone', '{}'), (1, 1, '1:second', 'second', 'undone', '{}');

BEGIN;
SELECT node_name FROM noetl.lease('w', types => '{undone}');
ROLLBACK;
BEGIN;
SELECT node_name FROM noetl.lease('w', types => '{undone}');
ROLLBACK;

BEGIN;
SAVEPOINT before;
SELECT node_name FROM noetl.lease('w', types => '{undone}');
ROLLBACK TO before;
SELECT node_name FROM noetl.lease('w', types => '{undone}');
COMMIT;
SELECT node_name FROM noetl.lease('w', types => '{undone}');

-- One that is made ready by hand with a higher priority comes before those behind it, too.
INSERT INTO noetl.queue (execution_id, catalog_id, node_id, node_name, node_type, action)
VALUES (1, 1, '1:third', 'third', 'undone', '{}');
UPDATE noetl.queue SET status = 'queued', priority = 9, worker_id = NULL, lease_until = NULL WHERE node_name = 'first' AND execution_id = 1;
SELECT node_name FROM noetl.lease('w', types => '{undone}');
DELETE FROM noetl.queue WHERE execution_id = 1;
