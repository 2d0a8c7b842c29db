-- The same rows without anybody who decides: what storing them costs; and where
-- the scripts note how far they are.
CREATE TABLE raw_event (
    execution_id bigint NOT NULL,
    event_id bigint GENERATED ALWAYS AS IDENTITY,
    parent_event_id bigint,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    event_type text NOT NULL,
    node_id text,
    node_name text,
    node_type text,
    status text,
    context jsonb,
    result jsonb,
    meta jsonb,
    worker_id text,
    PRIMARY KEY (execution_id, event_id)
);
CREATE INDEX ON raw_event (execution_id, node_name, event_id) WHERE event_type = 'action_completed';
CREATE TABLE raw_queue (
    queue_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    execution_id bigint NOT NULL,
    node_id text NOT NULL,
    node_name text NOT NULL,
    node_type text NOT NULL,
    action jsonb NOT NULL,
    context jsonb,
    status text NOT NULL DEFAULT 'queued',
    priority int NOT NULL DEFAULT 0,
    attempts int NOT NULL DEFAULT 0,
    available_at timestamptz,
    lease_until timestamptz,
    worker_id text,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp()
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 500);
CREATE INDEX ON raw_queue (priority DESC, queue_id) WHERE status = 'queued';
CREATE TABLE raw_execution (
    execution_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    status text NOT NULL,
    started_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE TABLE raw_workload (
    execution_id bigint PRIMARY KEY,
    data jsonb NOT NULL
);

-- CPU time that this backend has used, in nanoseconds.
CREATE FUNCTION cpu_of_backend() RETURNS bigint LANGUAGE sql VOLATILE
    AS $$SELECT split_part(pg_read_file('/proc/self/schedstat'), ' ', 1)::bigint$$;
CREATE UNLOGGED TABLE sample (
    client int NOT NULL,
    n      int NOT NULL,
    cpu    bigint NOT NULL,
    at     timestamptz NOT NULL DEFAULT clock_timestamp()
);
-- How much all clients did a second, and what CPU time each of it took (us).
CREATE VIEW pace AS
    SELECT sum((n2 - n1) / extract(epoch FROM at2 - at1))::float8 AS per_second,
           (sum(cpu2 - cpu1) / sum(n2 - n1) / 1000)::float8 AS cpu_us
      FROM (SELECT min(n) AS n1, max(n) AS n2, min(cpu) AS cpu1, max(cpu) AS cpu2, min(at) AS at1, max(at) AS at2
              FROM sample GROUP BY client HAVING max(at) > min(at)) AS client;

-- CPU microseconds of the completion of one of n branches; so many executions have n each.
CREATE PROCEDURE complete_branches(path text, n int, executions int, INOUT us numeric DEFAULT NULL) LANGUAGE plpgsql AS $$
DECLARE
    ids bigint[] = '{}';
    id bigint;
    began bigint;
BEGIN
    FOR i IN 1 .. executions LOOP
        PERFORM noetl.execute(path);
        PERFORM noetl.complete(l.queue_id, '{"rows": 1}', 'bench') FROM noetl.lease('bench', 1, '1 hour', '{produce}') AS l;
        ids = ids || ARRAY(SELECT l.queue_id FROM noetl.lease('bench', n, '1 hour', '{branch}') AS l);
        COMMIT;
    END LOOP;
    began = cpu_of_backend();
    FOREACH id IN ARRAY ids LOOP
        PERFORM noetl.complete(id, '{"n": 1}', 'bench');
        COMMIT;
    END LOOP;
    us = round((cpu_of_backend() - began) / 1000.0 / cardinality(ids), 1);
    PERFORM noetl.cancel(x.execution_id) FROM noetl.execution AS x WHERE x.status = 'RUNNING';
    COMMIT;
END
$$;
