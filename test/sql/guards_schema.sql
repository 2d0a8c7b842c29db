\pset format unaligned
\pset tuples_only on
\set VERBOSITY terse
-- Tables whose definitions users have changed, and places of rows that are others' by now: in
-- a database of its own.
SELECT current_database() AS tests \gset
CREATE DATABASE noetl_schema;
\c noetl_schema
CREATE EXTENSION noetl;
CREATE FUNCTION error_of(statement text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE statement;
    RETURN 'no error';
EXCEPTION WHEN OTHERS THEN
    RETURN SQLSTATE || ' ' || regexp_replace(SQLERRM, '\d{3,}', '<id>');
END $$;
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: schema/line
workflow:
- {step: a, type: ta, code: x, next: b}
- {step: b, type: tb, code: x, input: "{{ a }}", next: [{when: "{{ b < 3 }}", step: a}, {else: {step: end}}]}
- {step: end, result: "{{ a }}{{ b }}"}
$$) > 0;
CREATE FUNCTION run() RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    id bigint := noetl.execute('schema/line');
BEGIN
    FOR i IN 1 .. 6 LOOP
        PERFORM noetl.complete(queue_id, to_jsonb((i + 1) / 2), 'w') FROM noetl.lease('w');
    END LOOP;
    RETURN (SELECT status || ' ' || result FROM noetl.execution WHERE execution_id = id) || ' ' || (SELECT count(*) FROM noetl.verify(id));
END $$;
SELECT run();

-- The row of an execution comes back to the place where a session has seen an older version.
SELECT noetl.execute('schema/line') AS id \gset
SELECT queue_id AS task FROM noetl.lease('w') \gset
SELECT ctid AS place FROM noetl.execution WHERE execution_id = :id \gset
SELECT noetl.why(:id) IS NOT NULL;
VACUUM (INDEX_CLEANUP ON) noetl.execution;
UPDATE noetl.execution SET priority = 3, deadline = now() + interval '1 h' WHERE execution_id = :id;
VACUUM (INDEX_CLEANUP ON) noetl.execution;
UPDATE noetl.execution SET priority = 5, deadline = now() + interval '2 h' WHERE execution_id = :id;
SELECT ctid = :'place' FROM noetl.execution WHERE execution_id = :id;
SELECT noetl.complete(:task, '1', 'w');
SELECT node_name, priority FROM noetl.queue WHERE execution_id = :id;
SELECT noetl.cancel(:id);
-- Pages of an index that are no more: the queue is emptied in the transaction that has made it.
BEGIN;
TRUNCATE noetl.queue;
SELECT max(noetl.execute('schema/line')) AS id FROM generate_series(1, 600) \gset
SELECT noetl.cancel(max(execution_id)) FROM noetl.queue WHERE execution_id < :id;
TRUNCATE noetl.queue;
SELECT noetl.cancel(:id);
ROLLBACK;

-- Indexes of users: one that checks later, one that excludes, and those of a partition that
-- are like the extension's.
ALTER TABLE noetl.execution ADD CONSTRAINT later UNIQUE (execution_id, version) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE noetl.queue ADD CONSTRAINT nobody EXCLUDE USING btree (queue_id WITH =);
CREATE INDEX by_hash ON noetl.start_key USING hash (key);
SELECT run();
SET enable_seqscan = off;
SELECT count(*) FROM noetl.execution WHERE execution_id > 0 AND version = 1;
RESET enable_seqscan;
SELECT noetl.execute('schema/line', key => 'k') = noetl.execute('schema/line', key => 'k');
SELECT count(noetl.cancel(execution_id)) FROM noetl.execution WHERE status = 'RUNNING';
ALTER TABLE noetl.execution DROP CONSTRAINT later;
ALTER TABLE noetl.queue DROP CONSTRAINT nobody;
CREATE INDEX a ON noetl.event_default (execution_id, node_name, created_at) WHERE result IS NOT NULL AND node_name = 'x';
CREATE INDEX b ON noetl.event_default (execution_id, node_name, created_at) WHERE event_type = 'note';
CREATE INDEX c ON noetl.event_default (execution_id, node_name, created_at DESC) WHERE result IS NOT NULL;
\c
SELECT run();
DROP INDEX noetl.a, noetl.b, noetl.c;
CREATE INDEX d ON noetl.event_default (execution_id, node_name, created_at);
\c
SELECT run();
DROP INDEX noetl.d;
DROP INDEX noetl.queue_run_idx;
CREATE INDEX queue_run_idx ON noetl.queue (execution_id DESC, current_index, queue_id);
\c
SELECT count(noetl.execute('schema/line')) FROM generate_series(1, 3);
SELECT count(noetl.complete(queue_id, '1', 'w')) FROM noetl.lease('w', 10);
SELECT count(noetl.complete(queue_id, '1', 'w')) FROM noetl.lease('w', 10);
SELECT node_name, count(*), count(DISTINCT execution_id) FROM noetl.queue GROUP BY 1;
SELECT count(noetl.cancel(execution_id)) FROM noetl.execution WHERE status = 'RUNNING';
DROP INDEX noetl.queue_run_idx;
CREATE INDEX queue_run_idx ON noetl.queue (execution_id, current_index, queue_id);
-- A CHECK on a column that is neither text nor a number.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: schema/timeout
workflow:
- {step: a, type: ta, code: x, timeout: "{{ workload.t }}"}
$$) > 0;
ALTER TABLE noetl.queue ADD CONSTRAINT patience CHECK (timeout < interval '60 s');
SELECT error_of(format($$SELECT noetl.execute('schema/timeout', '{"t": %s}')$$, t)) FROM unnest('{21.119495,88.228359,21.119495}'::numeric[]) t;
SELECT timeout FROM noetl.queue;
ALTER TABLE noetl.queue DROP CONSTRAINT patience;
SELECT count(noetl.cancel(execution_id)) FROM noetl.execution WHERE status = 'RUNNING';

-- A partition that is none, or somebody else's.
CREATE ROLE schema_stranger;
GRANT USAGE ON SCHEMA noetl TO schema_stranger;
GRANT EXECUTE ON FUNCTION noetl.exclude_range(regclass, bigint, bigint, name) TO schema_stranger;
SELECT error_of(format('SELECT noetl.exclude_range(%s, 1, 2, ''x'')', relation)) FROM unnest(ARRAY['12345', '''noetl.event''', '''noetl.id_seq''']) relation;
SET ROLE schema_stranger;
SELECT noetl.exclude_range('noetl.event_default', 1, 2, 'x');
RESET ROLE;
SELECT conname FROM pg_constraint WHERE conrelid = 'noetl.event_default'::regclass AND conname = 'x';
ALTER TABLE noetl.event_default OWNER TO schema_stranger;
SET ROLE schema_stranger;
SELECT noetl.exclude_range('noetl.event_default', 1, 2, 'x');
RESET ROLE;
SELECT conname FROM pg_constraint WHERE conrelid = 'noetl.event_default'::regclass AND conname = 'x';
-- A superuser need not own it.
SELECT noetl.exclude_range('noetl.event_default', 3, 4, 'y');
ALTER TABLE noetl.event_default OWNER TO CURRENT_USER;
ALTER TABLE noetl.event_default DROP CONSTRAINT x, DROP CONSTRAINT y;
-- An index that is not valid, or missing; and no partition for what begins.
SELECT indexrelid::regclass AS result_index FROM pg_index WHERE pg_get_indexdef(indexrelid) LIKE '%event\_default%(execution_id, node_name, created_at) WHERE (result IS NOT NULL)' \gset
UPDATE pg_index SET indisvalid = false WHERE indexrelid = :'result_index'::regclass;
\c
SELECT noetl.execute('schema/line');
UPDATE pg_index SET indisvalid = true WHERE NOT indisvalid;
\c
SELECT run();
BEGIN;
DROP INDEX :result_index;
SELECT noetl.execute('schema/line');
ROLLBACK;
BEGIN;
ALTER TABLE noetl.event DETACH PARTITION noetl.event_default;
SELECT error_of('SELECT noetl.execute(''schema/line'')');
CREATE TABLE noetl.event_far PARTITION OF noetl.event FOR VALUES FROM (1) TO (2);
SELECT error_of('SELECT noetl.execute(''schema/line'')');
ROLLBACK;
SELECT run();
\c :tests
DROP DATABASE noetl_schema;
DROP ROLE schema_stranger;
