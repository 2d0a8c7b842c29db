-- The same rows without anybody who decides: what storing them costs.
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
