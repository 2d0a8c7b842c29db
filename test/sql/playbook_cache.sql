-- A backend keeps compiled playbooks and must notice when a row went away:
-- the same catalog_id may then mean another playbook.
SET client_min_messages = error;
CREATE PROCEDURE pg_temp.store(id bigint, step text) LANGUAGE sql AS $$
    INSERT INTO noetl.catalog (catalog_id, path, version, content, digest, payload)
    SELECT id, 'playbook_cache/it', id, content, sha256(convert_to(content, 'UTF8')),
           noetl.parse_yaml(content)
      FROM (VALUES ('workflow: [{step: ' || step || ', type: noop}]')) AS v (content)
$$;
-- Which step an execution of the newest version ran.
CREATE FUNCTION pg_temp.ran() RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    id bigint := noetl.execute('playbook_cache/it');
BEGIN
    RETURN (SELECT string_agg(node_name, ',') FROM noetl.event
             WHERE execution_id = id AND event_type = 'step_completed');
END $$;

-- A transaction that registers and rolls back.
BEGIN;
CALL pg_temp.store(1000001, 'rolled_back');
SELECT pg_temp.ran();
ROLLBACK;
CALL pg_temp.store(1000001, 'committed');
SELECT pg_temp.ran();

-- A savepoint.
BEGIN;
SAVEPOINT before;
CALL pg_temp.store(1000002, 'under_savepoint');
SELECT pg_temp.ran();
ROLLBACK TO before;
CALL pg_temp.store(1000002, 'after_savepoint');
SELECT pg_temp.ran();
COMMIT;
SELECT pg_temp.ran();

-- DELETE and TRUNCATE, as the owner may.
BEGIN;
DELETE FROM noetl.execution WHERE path = 'playbook_cache/it';
DELETE FROM noetl.catalog WHERE catalog_id = 1000002;
CALL pg_temp.store(1000002, 'stored_again');
SELECT pg_temp.ran();
TRUNCATE noetl.catalog;
CALL pg_temp.store(1000002, 'after_truncate');
SELECT pg_temp.ran();
ROLLBACK;
SELECT pg_temp.ran();

-- A playbook that another version has registered and this one cannot compile: the first of its errors is told.
BEGIN;
INSERT INTO noetl.catalog (catalog_id, path, version, content, digest, payload)
SELECT 1000003, 'playbook_cache/bad', 1, content, sha256(convert_to(content, 'UTF8')), '{}'
  FROM (VALUES (E'workflow:\n- {step: a, type: noop, next: nowhere}\n- {step: a, type: noop}\n- {step: b, type: noop, next: neither}')) AS v (content);
SAVEPOINT before;
SELECT noetl.execute('playbook_cache/bad');
ROLLBACK TO before;
-- Nobody's views fail because of it.
SELECT noetl.execute('playbook_cache/it') AS id \gset
INSERT INTO noetl.execution (execution_id, catalog_id, path, version, status, started_at) VALUES (1, 1000003, 'playbook_cache/bad', 1, 'RUNNING', now());
SELECT execution_id = :id AS good, step_name FROM noetl.workflow WHERE execution_id IN (1, :id);
SELECT count(*) FROM noetl.workbook WHERE execution_id IN (1, :id);
SELECT count(*) FROM noetl.transition WHERE execution_id IN (1, :id);
ROLLBACK;

-- The extension itself.
BEGIN;
DROP EXTENSION noetl CASCADE;
CREATE EXTENSION noetl;
CALL pg_temp.store(1000002, 'new_extension');
SELECT pg_temp.ran();
ROLLBACK;
SELECT pg_temp.ran();

-- More playbooks than a backend keeps.
SELECT count(noetl.register(E'name: playbook_cache/' || i || E'\nworkflow: [{step: s' || i || ', type: noop}]'))
  FROM generate_series(1, 300) AS i;
SELECT count(noetl.execute('playbook_cache/' || i)) FROM generate_series(1, 300) AS i;
SELECT count(*) <= 128 AS bounded FROM pg_backend_memory_contexts WHERE name = 'noetl playbook';
SELECT count(*), bool_and(e.node_name = 's' || split_part(x.path, '/', 2)) AS right_steps
  FROM noetl.execution AS x JOIN noetl.event AS e USING (execution_id)
 WHERE x.path ~ '^playbook_cache/\d+$' AND e.event_type = 'step_completed';
