-- ---------------------------------------------------------------------------
-- In the operator's hands: functions and views that only read, and the workers'
-- notes about themselves (announce.c, explain.c, report.c)
-- ---------------------------------------------------------------------------

-- Executions of a path, of a status and by time (execution_id) without a scan.
CREATE INDEX execution_path_idx ON noetl.execution (path, execution_id);
CREATE INDEX execution_running_idx ON noetl.execution (execution_id) WHERE status = 'RUNNING';
CREATE INDEX execution_failed_idx ON noetl.execution (execution_id) WHERE status IN ('FAILED', 'CANCELLED');
COMMENT ON INDEX noetl.execution_path_idx IS 'lists the executions of a playbook, newest first';
COMMENT ON INDEX noetl.execution_running_idx IS 'lists what runs, oldest first';
COMMENT ON INDEX noetl.execution_failed_idx IS 'lists what failed or was cancelled';

-- Rows are updated once a minute for each worker, in place.
ALTER TABLE noetl.runtime SET (fillfactor = 50);
COMMENT ON TABLE noetl.runtime IS
    'workers that announce themselves, by noetl.announce() or by what they lease; nothing depends on it';
COMMENT ON COLUMN noetl.runtime.name IS 'the worker_id';
COMMENT ON COLUMN noetl.runtime.capabilities IS '"types": task type -> when the worker last asked for it; "*" stands for any type';
COMMENT ON COLUMN noetl.runtime.runtime IS 'host, version and whatever else the worker says; pid and backend_start of its session';
COMMENT ON COLUMN noetl.runtime.last_heartbeat IS 'when the worker was last seen, to the minute';

CREATE FUNCTION noetl.note_worker(worker_id text, types text[], info jsonb) RETURNS boolean
    LANGUAGE sql VOLATILE PARALLEL UNSAFE
    SET search_path = pg_catalog, pg_temp
AS $$
    WITH asked AS (
        SELECT CASE WHEN types IS NULL AND info IS NOT NULL THEN '{}'
                    ELSE (SELECT coalesce(jsonb_object_agg(t, clock_timestamp()), '{}')
                            FROM (SELECT DISTINCT left(t, 200) AS t
                                    FROM unnest(coalesce(nullif(types, '{}'), '{*}')) AS t
                                   WHERE t IS NOT NULL LIMIT 64) AS given) END AS times
    ), session AS (
        SELECT jsonb_build_object('host', coalesce(host(inet_client_addr()), 'local'))
               || coalesce(CASE jsonb_typeof(info) WHEN 'object' THEN info END, '{}')
               || jsonb_build_object('pid', pg_backend_pid(),    -- which no worker says otherwise
                   'backend_start', (SELECT a.backend_start FROM pg_stat_get_activity(pg_backend_pid()) AS a)) AS says
    ), known AS (
        SELECT r.runtime_id, r.capabilities, r.runtime
          FROM noetl.runtime AS r WHERE r.name = worker_id
           FOR UPDATE SKIP LOCKED
    ), updated AS (
        UPDATE noetl.runtime AS r
           SET last_heartbeat = clock_timestamp(), updated_at = clock_timestamp(),
               capabilities = coalesce(k.capabilities, '{}') || jsonb_build_object('types',
                   (SELECT coalesce(jsonb_object_agg(e.key, e.value), '{}')
                      FROM (SELECT * FROM jsonb_each(
                                CASE jsonb_typeof(k.capabilities -> 'types') WHEN 'object'
                                     THEN k.capabilities -> 'types' ELSE '{}' END || a.times)
                             ORDER BY value #>> '{}' DESC LIMIT 64) AS e)),
               runtime = coalesce(k.runtime, '{}') || s.says
                         || CASE WHEN k.runtime ? 'host' AND NOT coalesce(info ? 'host', false)
                                 THEN jsonb_build_object('host', k.runtime -> 'host') ELSE '{}' END
          FROM known AS k, asked AS a, session AS s
         WHERE r.runtime_id = k.runtime_id
           AND (info IS NOT NULL OR r.last_heartbeat < clock_timestamp() - interval '1 minute'
                OR NOT coalesce(k.capabilities -> 'types', '{}') ?& ARRAY(SELECT jsonb_object_keys(a.times)))
        RETURNING 1
    ), inserted AS (
        INSERT INTO noetl.runtime (name, capabilities, runtime)
        SELECT worker_id, jsonb_build_object('types', a.times), s.says
          FROM asked AS a, session AS s
         WHERE NOT EXISTS (SELECT FROM noetl.runtime AS r WHERE r.name = worker_id)
        ON CONFLICT DO NOTHING
        RETURNING 1
    ), swept AS (
        DELETE FROM noetl.runtime AS r
         WHERE EXISTS (SELECT FROM inserted)
           AND r.runtime_id IN (SELECT o.runtime_id FROM noetl.runtime AS o
                                 WHERE o.last_heartbeat < clock_timestamp() - interval '7 days'
                                   AND o.component_type = 'worker'
                                 LIMIT 100 FOR UPDATE SKIP LOCKED)
    )
    SELECT EXISTS (SELECT FROM updated) OR EXISTS (SELECT FROM inserted)
$$;
COMMENT ON FUNCTION noetl.note_worker(text, text[], jsonb) IS
    'writes what noetl.announce() and leases say; internal';

CREATE FUNCTION noetl.announce(worker_id text, types text[] DEFAULT NULL, info jsonb DEFAULT NULL) RETURNS boolean
    AS 'MODULE_PATHNAME', 'noetl_announce'
    LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION noetl.announce(text, text[], jsonb) IS
    'a worker says that it is there: the types it takes (null without info: any) and what it is (info: host, version ...); false when nothing was written. Leases do so by themselves, at most once a minute';

CREATE FUNCTION noetl.join_awaits(catalog_id bigint, waiting text, live text, live_waits boolean) RETURNS boolean
    AS 'MODULE_PATHNAME', 'noetl_join_awaits'
    LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION noetl.join_awaits(bigint, text, text, boolean) IS
    'whether a run that waits at a step waits for a live run of another step (live_waits: which waits at a join itself)';

CREATE FUNCTION noetl.similar_word(word text, known text[]) RETURNS text
    AS 'MODULE_PATHNAME', 'noetl_similar_word'
    LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION noetl.similar_word(text, text[]) IS
    'the first of the known words that a misspelled word may stand for; null: none';

CREATE FUNCTION noetl.visit_of(node_id text, execution_id bigint, node_name text) RETURNS integer
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT coalesce(substring(right(node_id, -length(execution_id || ':' || node_name))
                              FROM '^:([0-9]{1,9})(?:\[|$)')::integer, 1)
$$;
COMMENT ON FUNCTION noetl.visit_of(text, bigint, text) IS 'the visit that a node_id names; 1 where it names none';

CREATE FUNCTION noetl.span(duration interval) RETURNS text
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT CASE WHEN s < 120 THEN floor(s) || ' s'
                WHEN s < 7200 THEN floor(s / 60) || ' min'
                WHEN s < 172800 THEN floor(s / 3600) || ' h'
                ELSE floor(s / 86400) || ' days' END
      FROM (SELECT greatest(extract(epoch FROM duration), 0) AS s) AS seconds
$$;
COMMENT ON FUNCTION noetl.span(interval) IS 'a duration in words, rounded down';

CREATE FUNCTION noetl.some_of(words text[]) RETURNS text
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT array_to_string(words[1:20], ', ')
           || CASE WHEN cardinality(words) > 20 THEN format(' and %s more', cardinality(words) - 20) ELSE '' END
$$;
COMMENT ON FUNCTION noetl.some_of(text[]) IS 'the first 20 words, and how many more there are';

CREATE VIEW noetl.worker WITH (security_barrier) AS
    SELECT r.name AS worker_id,
           ARRAY(SELECT t FROM jsonb_object_keys(CASE jsonb_typeof(r.capabilities -> 'types')
                     WHEN 'object' THEN r.capabilities -> 'types' ELSE '{}' END) AS t ORDER BY t) AS types,
           r.runtime ->> 'host' AS host,
           r.runtime ->> 'version' AS version,
           r.last_heartbeat AS seen,
           t.in_flight,
           CASE WHEN NOT pg_is_in_recovery()
                THEN (SELECT CASE WHEN count(*) = 0 THEN false
                                  ELSE bool_or(a.backend_start = (r.runtime ->> 'backend_start')::timestamptz) END
                        FROM pg_stat_activity AS a
                       WHERE a.pid::text = r.runtime ->> 'pid') END AS connected
      FROM noetl.runtime AS r
     CROSS JOIN LATERAL (SELECT count(*)::integer AS in_flight
                           FROM noetl.queue AS q
                           LEFT JOIN noetl.execution AS x USING (execution_id)
                          WHERE q.worker_id = r.name AND q.status = 'leased'
                            AND coalesce(noetl.acts_for(x.started_by), noetl.may_read(q.execution_id))) AS t
     WHERE r.component_type = 'worker'
       AND (t.in_flight > 0 OR (SELECT noetl.acts_for(c.relowner) FROM pg_class AS c
                                 WHERE c.oid = 'noetl.runtime'::regclass));
COMMENT ON VIEW noetl.worker IS
    'workers that have announced themselves: worker_id, the types they ask for ("*": any), host, version, when they were last seen (to the minute), tasks in flight, whether their session is still there (null on a standby, and for who may not see it). Who is no administrator sees the workers that have tasks of executions of its own, and counts these';

CREATE VIEW noetl.backlog WITH (security_barrier) AS
    SELECT q.node_type AS type, x.path, q.priority,
           count(*) FILTER (WHERE q.status = 'queued' AND NOT p.type_paused) AS ready,
           count(*) FILTER (WHERE q.status = 'leased') AS leased,
           count(*) FILTER (WHERE q.status = 'retry') AS retry,
           now() - min(q.created_at) FILTER (WHERE q.status = 'queued' AND NOT p.type_paused) AS oldest_age,
           count(*) FILTER (WHERE q.status = 'paused' OR (q.status = 'queued' AND p.type_paused)) AS paused,
           count(*) FILTER (WHERE q.status = 'blocked') AS blocked
      FROM noetl.queue AS q
     CROSS JOIN LATERAL (SELECT EXISTS (SELECT FROM noetl.pause_rule AS r     -- noetl.type_paused()
                                         WHERE r.path IS NULL AND (r.type IS NULL OR r.type = q.node_type)
                                           AND (r.until IS NULL OR r.until > clock_timestamp())) AS type_paused) AS p
      LEFT JOIN noetl.execution AS x USING (execution_id)
     WHERE q.status IN ('queued', 'blocked', 'leased', 'retry', 'paused')
       AND coalesce(noetl.acts_for(x.started_by), noetl.may_read(q.execution_id))
     GROUP BY 1, 2, 3;
COMMENT ON VIEW noetl.backlog IS
    'tasks of executions that one may read, by type, path and priority: how many are ready, leased, waiting for their next attempt, paused, blocked by a limit, and for how long the oldest ready one exists';

CREATE VIEW noetl.running WITH (security_barrier) AS
    SELECT x.execution_id, x.path, x.version, x.started_at,
           now() - x.started_at AS running_for,
           x.deadline, x.parent_execution_id, x.started_by,
           (SELECT count(*)::integer FROM noetl.queue AS q
             WHERE q.execution_id = x.execution_id AND q.status IN ('queued', 'blocked', 'leased', 'retry', 'paused')) AS tasks,
           (SELECT count(*)::integer FROM noetl.run AS r WHERE r.execution_id = x.execution_id) AS runs
      FROM noetl.execution AS x
     WHERE x.status = 'RUNNING' AND noetl.acts_for(x.started_by);
COMMENT ON VIEW noetl.running IS
    'executions that run: since when, until when at the latest, how many tasks and other live runs they have. ORDER BY execution_id LIMIT n reads the oldest n only';

CREATE FUNCTION noetl.error_fingerprint(error text) RETURNS text
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT left(regexp_replace(regexp_replace(regexp_replace(regexp_replace(regexp_replace(left(error, 2000),
               '; detail: .*', ''),
               '[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}', '<uuid>', 'g'),
               '"[^"]*"|''[^'']*''', '<text>', 'g'),
               '[0-9]+', '<n>', 'g'),
               '\s+', ' ', 'g'), 300)
$$;
COMMENT ON FUNCTION noetl.error_fingerprint(text) IS
    'an error without what differs from case to case: numbers, UUIDs, quoted parts, and the detail of an SQL error';

CREATE VIEW noetl.failure WITH (security_barrier) AS
    SELECT x.path, s.step, noetl.error_fingerprint(coalesce(s.error, x.error, '')) AS fingerprint,
           count(*) AS count, min(x.ended_at) AS first, max(x.ended_at) AS last,
           max(x.execution_id) AS execution_id, min(coalesce(s.error, x.error)) AS example
      FROM noetl.execution AS x
      -- the step that has ended it: others may have failed before, in an earlier drive or to a handler
      LEFT JOIN LATERAL (SELECT e.node_name AS step, e.error
                           FROM noetl.event AS e
                          WHERE e.execution_id = x.execution_id AND e.event_type = 'step_failed'
                            AND e.node_name = x.result OPERATOR(pg_catalog.->>) 'failed_step'
                            AND (e.meta -> 'ignored') IS NULL
                          ORDER BY e.event_id DESC LIMIT 1) AS s ON true
     WHERE x.status = 'FAILED' AND noetl.acts_for(x.started_by)
     GROUP BY 1, 2, 3;
COMMENT ON VIEW noetl.failure IS
    'executions that failed, grouped by path, step and fingerprint of the error: how many, the first, the last; execution_id and example: one of them';

CREATE FUNCTION noetl.timeline_unchecked(execution_id bigint)
    RETURNS TABLE (step text, visit integer, item integer, attempt integer, worker text,
                   queued_at timestamptz, started_at timestamptz, ended_at timestamptz,
                   status text, error text)
    LANGUAGE sql STABLE STRICT SECURITY DEFINER PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp SET jit = off
AS $$
    WITH redriven AS (
        SELECT e.event_id, e.created_at FROM noetl.event AS e
         WHERE e.execution_id = timeline_unchecked.execution_id AND e.event_type = 'execution_redriven'
           AND (e.meta -> 'ignored') IS NULL
    ), log AS (
        SELECT e.event_id, e.node_id, e.node_name, e.current_index, e.created_at, e.status, e.error,
               e.worker_id, e.meta,
               CASE WHEN e.event_type IN ('action_completed', 'task_complete', 'task_completed', 'task_end',
                                          'action_error', 'action_failed', 'task_error', 'step_result', 'result')
                    THEN 'end'
                    WHEN e.event_type IN ('step_completed', 'step_end', 'step_failed', 'step_skipped') THEN 'close'
                    WHEN e.event_type IN ('action_started', 'task_start') THEN 'start'
                    WHEN e.event_type IN ('action_retry', 'step_retry') THEN 'retry'
                    ELSE 'queue' END AS kind
          FROM noetl.event AS e
         WHERE e.execution_id = timeline_unchecked.execution_id
           AND e.node_name IS NOT NULL
           AND e.event_type IN ('step_started', 'iteration_started', 'loop_iteration', 'action_started', 'task_start',
                                'action_completed', 'task_complete', 'task_completed', 'task_end',
                                'action_error', 'action_failed', 'task_error', 'action_retry', 'step_retry',
                                'step_result', 'result', 'step_completed', 'step_end', 'step_failed', 'step_skipped', 'step_resumed')
           AND (e.meta -> 'ignored') IS NULL
           AND NOT (e.event_type = 'action_retry' AND e.worker_id IS NOT NULL)
        UNION ALL
        -- a task whose lease was lost is in the queue again, unless that has ended its step
        SELECT e.event_id, e.node_id, e.node_name, e.current_index, e.created_at, e.status, e.error,
               NULL, NULL, 'queue'
          FROM noetl.event AS e
         WHERE e.execution_id = timeline_unchecked.execution_id AND e.event_type = 'action_error'
           AND (e.meta -> 'lease_expired') IS NOT NULL AND (e.meta -> 'ignored') IS NULL
           AND NOT EXISTS (SELECT FROM noetl.event AS f
                            WHERE f.execution_id = timeline_unchecked.execution_id AND f.parent_event_id = e.event_id)
        UNION ALL
        -- what a redrive has set going again, and is live
        SELECT r.event_id, l.node_id, l.node_name, l.current_index, r.created_at, NULL, NULL, NULL, NULL, 'redrive'
          FROM (SELECT * FROM redriven ORDER BY event_id DESC LIMIT 1) AS r
         CROSS JOIN (SELECT q.event_id, q.node_id, q.node_name, q.current_index FROM noetl.queue AS q
                      WHERE q.execution_id = timeline_unchecked.execution_id AND q.status <> 'cancelled'
                     UNION ALL
                     SELECT n.event_id, concat(n.execution_id, ':', n.step_name, CASE WHEN n.visit > 1 THEN ':' || n.visit END),
                            n.step_name, NULL
                       FROM noetl.run AS n WHERE n.execution_id = timeline_unchecked.execution_id) AS l
         WHERE l.event_id < r.event_id
    ), numbered AS (
        SELECT l.*, 1 + count(*) FILTER (WHERE l.kind = 'end')
                        OVER (PARTITION BY l.node_id ORDER BY l.event_id, l.kind
                              ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS n,
               bool_or(l.kind = 'end') OVER (PARTITION BY l.node_id) AS worked,
               row_number() OVER (PARTITION BY l.node_id ORDER BY l.event_id, l.kind) AS place
          FROM log AS l
    ), attempt AS (
        SELECT n.node_id, n.node_name, n.n, min(n.current_index) AS item, min(n.event_id) AS first_event,
               -- no delay is longer than a year; what a client says need not be a number
               min(n.created_at + CASE WHEN n.kind = 'retry' AND jsonb_typeof(n.meta -> 'delay') = 'number'
                                       THEN least((n.meta -> 'delay')::numeric, 31622400)::double precision ELSE 0 END * interval '1 s')
                   FILTER (WHERE n.kind IN ('queue', 'retry', 'redrive')) AS queued_at,
               min(n.created_at) FILTER (WHERE n.kind = 'start') AS started_at,
               min(n.created_at) FILTER (WHERE n.kind IN ('end', 'close')) AS ended_at,
               (array_agg(n.status ORDER BY n.event_id) FILTER (WHERE n.kind IN ('end', 'close')))[1] AS status,
               (array_agg(n.error ORDER BY n.event_id) FILTER (WHERE n.kind IN ('end', 'close')))[1] AS error,
               max(n.worker_id) AS worker
          FROM numbered AS n
         WHERE (n.kind <> 'close' OR NOT n.worked)
           AND (n.kind <> 'redrive' OR n.place > 1)     -- an item of an open iterator may begin later
         GROUP BY n.node_id, n.node_name, n.n
    )
    SELECT a.node_name, noetl.visit_of(a.node_id, timeline_unchecked.execution_id, a.node_name), a.item, a.n::integer,
           coalesce(a.worker, q.worker_id),
           coalesce(a.queued_at, (SELECT max(r.created_at) FROM redriven AS r WHERE r.event_id < a.first_event)),
           coalesce(a.started_at, CASE WHEN q.status = 'leased' THEN q.last_heartbeat END),
           a.ended_at, coalesce(a.status, upper(q.status), upper(r.state),
                                CASE WHEN x.status = 'RUNNING' THEN 'RUNNING' ELSE 'ABANDONED' END), a.error
      FROM attempt AS a
      LEFT JOIN noetl.execution AS x ON x.execution_id = timeline_unchecked.execution_id
      LEFT JOIN noetl.queue AS q ON a.ended_at IS NULL AND q.execution_id = timeline_unchecked.execution_id
                                AND q.node_id = a.node_id
      LEFT JOIN LATERAL (SELECT r.state FROM noetl.run AS r
                          WHERE a.ended_at IS NULL AND a.item IS NULL AND r.execution_id = timeline_unchecked.execution_id
                            AND r.step_name = a.node_name
                            AND r.visit = noetl.visit_of(a.node_id, timeline_unchecked.execution_id, a.node_name)) AS r ON true
     ORDER BY a.first_event
$$;
COMMENT ON FUNCTION noetl.timeline_unchecked(bigint) IS
    'what noetl.timeline() returns, without its check of rights; to be granted to nobody';

CREATE FUNCTION noetl.timeline(execution_id bigint)
    RETURNS TABLE (step text, visit integer, item integer, attempt integer, worker text,
                   queued_at timestamptz, started_at timestamptz, ended_at timestamptz,
                   status text, error text)
    AS 'MODULE_PATHNAME', 'noetl_of_own_execution'
    LANGUAGE C STABLE STRICT PARALLEL RESTRICTED;
COMMENT ON FUNCTION noetl.timeline(bigint) IS
    'a row per attempt of each step (and item), in the order of the log: worker, when it was queued, started and ended, status, error. Steps that need no worker have one row';

CREATE FUNCTION noetl.progress_unchecked(execution_id bigint)
    RETURNS TABLE (step text, state text, visits integer, attempts integer,
                   started_at timestamptz, ended_at timestamptz, error text)
    LANGUAGE sql STABLE STRICT SECURITY DEFINER PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp SET jit = off
AS $$
    WITH past AS (
        SELECT e.node_name AS step,
               (array_agg(e.event_type ORDER BY e.event_id DESC) FILTER (WHERE e.event_type LIKE 'step_%'))[1] AS event,
               (array_agg(e.status ORDER BY e.event_id DESC) FILTER (WHERE e.event_type LIKE 'step_%'))[1] AS status,
               greatest(count(DISTINCT e.node_id), 1)::integer AS visits,
               -- a redrive counts on from the attempts that were made
               greatest(1 + count(*) FILTER (WHERE e.event_type IN ('action_retry', 'step_resumed')),
                        max(CASE WHEN e.meta ->> 'attempt' ~ '^[0-9]{1,6}$' AND e.event_type IN ('action_completed', 'action_error')
                                 THEN (e.meta ->> 'attempt')::integer END))::integer AS attempts,
               min(coalesce(w.started_at, e.created_at)) AS started_at,
               max(coalesce(w.ended_at, e.created_at)) AS ended_at,
               (array_agg(e.error ORDER BY e.event_id DESC) FILTER (WHERE e.event_type LIKE 'step_%'))[1] AS error
          FROM noetl.event AS e
          -- a step that a migration has renamed has the times that it had under its former name
          LEFT JOIN LATERAL (SELECT min(o.created_at) AS started_at, max(o.created_at) AS ended_at
                               FROM noetl.event AS o
                              WHERE e.event_type = 'step_carried' AND o.execution_id = e.execution_id
                                AND o.node_id = concat(e.execution_id, ':', e.meta ->> 'was',
                                        right(e.node_id, -length(concat(e.execution_id, ':', e.node_name))))
                                AND o.event_type IN ('step_started', 'step_completed', 'step_end', 'step_skipped')) AS w ON true
         WHERE e.execution_id = progress_unchecked.execution_id AND e.current_index IS NULL
           AND (e.event_type IN ('step_started', 'step_completed', 'step_end', 'step_failed', 'step_skipped', 'step_held',
                                 'step_resumed', 'action_retry', 'action_completed', 'action_error')
                OR e.event_type = 'step_carried' AND e.meta ? 'was')
           AND (e.meta -> 'ignored') IS NULL
         GROUP BY e.node_name
        UNION ALL
        -- the end, unless it is a step that did something
        SELECT e.node_name, 'step_completed', 'COMPLETED', 1, 1, e.created_at, e.created_at, NULL
          FROM noetl.event AS e
         WHERE e.execution_id = progress_unchecked.execution_id
           AND e.event_type IN ('execution_complete', 'execution_completed', 'execution_end')
           AND (e.meta -> 'ignored') IS NULL AND e.node_name IS NOT NULL
           AND NOT EXISTS (SELECT FROM noetl.event AS o
                            WHERE o.execution_id = e.execution_id AND o.node_name = e.node_name
                              AND o.event_type IN ('step_completed', 'step_end', 'step_skipped')
                              AND (o.meta -> 'ignored') IS NULL)
    ), live AS (
        SELECT l.step, string_agg(DISTINCT l.state, ', ' ORDER BY l.state) AS state, count(*)::integer AS runs,
               min(l.created_at) AS since
          FROM (SELECT q.node_name AS step, q.status AS state, q.created_at FROM noetl.queue AS q
                 WHERE q.execution_id = progress_unchecked.execution_id AND q.current_index IS NULL
                   AND q.status IN ('queued', 'blocked', 'leased', 'retry', 'paused')
                UNION ALL
                SELECT r.step_name, r.state, r.created_at FROM noetl.run AS r
                 WHERE r.execution_id = progress_unchecked.execution_id) AS l
         GROUP BY l.step
    )
    SELECT coalesce(p.step, l.step),
           coalesce(l.state, CASE WHEN p.event = 'step_skipped' THEN 'skipped'
                                  WHEN p.event IN ('step_started', 'step_held', 'step_resumed', 'action_retry') THEN 'abandoned'
                                  ELSE lower(p.status) END),
           coalesce(p.visits, l.runs), coalesce(p.attempts, 1), coalesce(p.started_at, l.since),
           CASE WHEN l.state IS NULL THEN p.ended_at END, CASE WHEN l.state IS NULL THEN p.error END
      FROM past AS p
      FULL JOIN live AS l ON l.step = p.step
$$;
COMMENT ON FUNCTION noetl.progress_unchecked(bigint) IS
    'what noetl.progress() returns, without its check of rights; to be granted to nobody';

CREATE FUNCTION noetl.progress(execution_id bigint)
    RETURNS TABLE (step text, state text, visits integer, attempts integer,
                   started_at timestamptz, ended_at timestamptz, error text)
    AS 'MODULE_PATHNAME', 'noetl_of_own_execution'
    LANGUAGE C STABLE STRICT PARALLEL RESTRICTED;
COMMENT ON FUNCTION noetl.progress(bigint) IS
    'the state of each step that an execution has reached: queued, leased, retry, paused, waiting, open, awaiting, held; completed, failed, skipped, abandoned; with visits, attempts and times';

-- Counters come from the statistics of the tables, gauges from the planner's
-- estimates or from index probes that stop after 10,000 entries.
CREATE FUNCTION noetl.metrics() RETURNS text
    LANGUAGE sql STABLE SECURITY DEFINER PARALLEL RESTRICTED
    SET search_path = pg_catalog, pg_temp SET jit = off
    -- an index that leads to the rows, not one with a filter, whatever is known of the tables
    SET enable_seqscan = off SET enable_bitmapscan = off SET cpu_operator_cost = 1 SET random_page_cost = 0.01
AS $$
    -- Ready tasks are in two indexes, by whether they have a key of fairness; each query below names one.
    WITH RECURSIVE kind AS (
        SELECT n.node_type, n.priority
          FROM (VALUES (true)) AS one
         CROSS JOIN LATERAL (
            (SELECT q.node_type, q.priority FROM noetl.queue AS q
              WHERE q.status = 'queued' AND q.fair_key IS NULL ORDER BY q.node_type, q.priority DESC LIMIT 1)
            UNION ALL
            (SELECT q.node_type, q.priority FROM noetl.queue AS q
              WHERE q.status = 'queued' AND q.fair_key IS NOT NULL ORDER BY q.node_type, q.priority DESC LIMIT 1)
            ORDER BY node_type, priority DESC LIMIT 1) AS n
        UNION ALL
        SELECT n.node_type, n.priority
          FROM kind AS k
         CROSS JOIN LATERAL (
            (SELECT q.node_type, q.priority FROM noetl.queue AS q
              WHERE q.status = 'queued' AND q.fair_key IS NULL AND q.node_type = k.node_type AND q.priority < k.priority
              ORDER BY q.node_type, q.priority DESC LIMIT 1)
            UNION ALL
            (SELECT q.node_type, q.priority FROM noetl.queue AS q
              WHERE q.status = 'queued' AND q.fair_key IS NOT NULL AND q.node_type = k.node_type AND q.priority < k.priority
              ORDER BY q.node_type, q.priority DESC LIMIT 1)
            UNION ALL
            (SELECT q.node_type, q.priority FROM noetl.queue AS q
              WHERE q.status = 'queued' AND q.fair_key IS NULL AND q.node_type > k.node_type
              ORDER BY q.node_type, q.priority DESC LIMIT 1)
            UNION ALL
            (SELECT q.node_type, q.priority FROM noetl.queue AS q
              WHERE q.status = 'queued' AND q.fair_key IS NOT NULL AND q.node_type > k.node_type
              ORDER BY q.node_type, q.priority DESC LIMIT 1)
            ORDER BY node_type, priority DESC LIMIT 1) AS n
    ), queued AS (
        SELECT k.node_type AS type, k.priority, noetl.type_paused(k.node_type) AS paused,
               least(c.n, 10000) AS n, c.created_at
          FROM (SELECT * FROM kind LIMIT 200) AS k
         CROSS JOIN LATERAL (SELECT sum(p.n) AS n, min(p.created_at) AS created_at
                               FROM (SELECT count(*) AS n, (array_agg(q.created_at))[1] AS created_at
                                       FROM (SELECT q.created_at FROM noetl.queue AS q
                                              WHERE q.status = 'queued' AND q.fair_key IS NULL AND q.node_type = k.node_type AND q.priority = k.priority
                                              ORDER BY q.node_type, q.priority DESC, q.queue_id LIMIT 10000) AS q
                                     UNION ALL
                                     SELECT count(*), (array_agg(q.created_at))[1]
                                       FROM (SELECT q.created_at FROM noetl.queue AS q
                                              WHERE q.status = 'queued' AND q.fair_key IS NOT NULL AND q.node_type = k.node_type AND q.priority = k.priority
                                              ORDER BY q.node_type, q.priority DESC, q.queue_id LIMIT 10000) AS q) AS p) AS c
    ), ready AS (
        SELECT * FROM queued WHERE NOT paused
    ), task AS (
        SELECT s.status, (SELECT count(*) FROM (SELECT FROM noetl.queue AS q WHERE (q.status IN ('leased', 'cancelled') OR q.deadline IS NOT NULL) AND q.status = 'leased'
                                   ORDER BY q.lease_until LIMIT 10000) AS l) AS n
          FROM (VALUES ('leased')) AS s (status)
        UNION ALL
        SELECT 'retry', (SELECT count(*) FROM (SELECT FROM noetl.queue AS q WHERE q.status = 'retry' AND q.available_at IS NOT NULL ORDER BY q.available_at LIMIT 10000) AS r)
        UNION ALL
        -- a pause of a type leaves its tasks queued
        SELECT 'paused', least(10000, (SELECT coalesce(sum(q.n), 0) FROM queued AS q WHERE q.paused)
                                      + (SELECT count(*) FROM (SELECT FROM noetl.queue AS q WHERE q.status = 'paused' AND q.available_at IS NULL ORDER BY q.paused_by LIMIT 10000) AS r))
        UNION ALL
        SELECT 'blocked', (SELECT count(*) FILTER (WHERE w.task)
                             FROM (SELECT s.task FROM noetl.slot AS s WHERE NOT s.held ORDER BY s.name, s.key, s.queue_id LIMIT 10000) AS w)
    ), stat AS (
        SELECT c.relname::text AS name, pg_stat_get_tuples_inserted(c.oid) AS ins,
               pg_stat_get_tuples_updated(c.oid) AS upd, pg_stat_get_tuples_deleted(c.oid) AS del,
               CASE WHEN c.reltuples >= 0 THEN c.reltuples::bigint ELSE 0 END AS rows,
               pg_relation_size(c.oid) AS bytes
          FROM pg_class AS c
         WHERE c.oid IN ('noetl.execution'::regclass, 'noetl.queue'::regclass, 'noetl.run'::regclass)
            OR c.oid IN (SELECT i.inhrelid FROM pg_inherits AS i WHERE i.inhparent = 'noetl.event'::regclass)
    ), event AS (
        SELECT sum(s.ins) AS ins, sum(s.bytes) AS bytes FROM stat AS s WHERE s.name NOT IN ('execution', 'queue', 'run')
    ), running AS (
        SELECT count(*) AS n, min(r.started_at) AS oldest
          FROM (SELECT x.started_at FROM noetl.execution AS x
                 WHERE x.status = 'RUNNING' ORDER BY x.execution_id LIMIT 10000) AS r
    ), worker AS (
        SELECT count(*) AS n FROM noetl.runtime AS r
         WHERE r.component_type = 'worker' AND r.last_heartbeat > clock_timestamp() - interval '5 min'
    ), family (rank, name, type, unit, help) AS (
        VALUES (1, 'target', 'info', NULL, 'The service and the database it is in'),
               (2, 'noetl_execution_active', 'gauge', NULL, 'Executions that run; at most 10000 are counted'),
               (3, 'noetl_execution_oldest_age_seconds', 'gauge', 'seconds', 'For how long the oldest execution has run'),
               (4, 'noetl_execution_started', 'counter', NULL, 'Executions started since the statistics were reset'),
               (5, 'noetl_task_ready', 'gauge', NULL, 'Tasks that a worker may lease; at most 10000 of each type and priority are counted'),
               (6, 'noetl_task_oldest_age_seconds', 'gauge', 'seconds', 'Age of the first ready task of each type and priority'),
               (7, 'noetl_task_in_flight', 'gauge', NULL, 'Tasks that are leased, wait for their next attempt or for a slot of a limit, or are paused; at most 10000 of each are counted'),
               (8, 'noetl_task_enqueued', 'counter', NULL, 'Tasks enqueued since the statistics were reset'),
               (9, 'noetl_task_finished', 'counter', NULL, 'Tasks that have left the queue since the statistics were reset'),
               (10, 'noetl_event_stored', 'counter', NULL, 'Events stored since the statistics were reset'),
               (11, 'noetl_event_storage_bytes', 'gauge', 'bytes', 'Size of the event log without indexes and TOAST'),
               (12, 'noetl_table_rows', 'gauge', NULL, 'Rows of a table as the planner estimates them'),
               (13, 'noetl_worker_active', 'gauge', NULL, 'Workers seen within five minutes')
    ), label AS (
        SELECT format('{noetl_task_type="%s",noetl_task_priority="%s"}',
                      replace(replace(replace(r.type, '\', '\\'), '"', '\"'), E'\n', '\n'), r.priority) AS text, r.*
          FROM ready AS r
    ), sample (rank, text) AS (
        SELECT 1, format('target_info{service_name="noetl",service_version="%s",db_system_name="postgresql",db_namespace="%s"} 1',
                         (SELECT e.extversion FROM pg_extension AS e WHERE e.extname = 'noetl'),
                         replace(replace(replace(current_database(), '\', '\\'), '"', '\"'), E'\n', '\n'))
        UNION ALL SELECT 2, 'noetl_execution_active ' || n FROM running
        UNION ALL SELECT 3, 'noetl_execution_oldest_age_seconds '
                            || coalesce(round(greatest(extract(epoch FROM clock_timestamp() - oldest), 0)::numeric, 3), 0) FROM running
        UNION ALL SELECT 4, 'noetl_execution_started_total ' || ins FROM stat WHERE name = 'execution'
        UNION ALL SELECT 5, 'noetl_task_ready' || l.text || ' ' || l.n FROM label AS l
        UNION ALL SELECT 6, 'noetl_task_oldest_age_seconds' || l.text || ' '
                            || round(greatest(extract(epoch FROM clock_timestamp() - l.created_at), 0)::numeric, 3) FROM label AS l
        UNION ALL SELECT 7, format('noetl_task_in_flight{noetl_task_status="%s"} %s', t.status, t.n) FROM task AS t
        UNION ALL SELECT 8, 'noetl_task_enqueued_total ' || ins FROM stat WHERE name = 'queue'
        UNION ALL SELECT 9, 'noetl_task_finished_total ' || del FROM stat WHERE name = 'queue'
        UNION ALL SELECT 10, 'noetl_event_stored_total ' || coalesce(ins, 0) FROM event
        UNION ALL SELECT 11, 'noetl_event_storage_bytes ' || coalesce(bytes, 0) FROM event
        UNION ALL SELECT 12, format('noetl_table_rows{noetl_table_name="%s"} %s', s.name, s.rows)
                    FROM stat AS s WHERE s.name IN ('execution', 'queue', 'run')
        UNION ALL SELECT 13, 'noetl_worker_active ' || n FROM worker
    )
    SELECT string_agg(concat_ws(E'\n', format('# TYPE %s %s', f.name, f.type),
                                CASE WHEN f.unit IS NOT NULL THEN format('# UNIT %s %s', f.name, f.unit) END,
                                format('# HELP %s %s.', f.name, f.help),
                                (SELECT string_agg(s.text, E'\n' ORDER BY s.text) FROM sample AS s WHERE s.rank = f.rank)),
                      E'\n' ORDER BY f.rank) || E'\n# EOF\n'
      FROM family AS f
$$;
COMMENT ON FUNCTION noetl.metrics() IS
    'gauges and counters in the OpenMetrics text format; its cost does not grow with the tables';

CREATE FUNCTION noetl.explain_unchecked(path_or_execution text, format text) RETURNS text
    AS 'MODULE_PATHNAME', 'noetl_explain_unchecked'
    LANGUAGE C STABLE STRICT PARALLEL RESTRICTED SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION noetl.explain_unchecked(text, text) IS
    'what noetl.explain() returns, without its check of rights; to be granted to nobody';

CREATE FUNCTION noetl.explain(path_or_execution text, format text DEFAULT 'text') RETURNS text
    AS 'MODULE_PATHNAME', 'noetl_explain'
    LANGUAGE C STABLE STRICT PARALLEL RESTRICTED;
COMMENT ON FUNCTION noetl.explain(text, text) IS
    'the graph of a playbook (its path: the newest version) or of an execution (its id: with states, visits and times) as text, mermaid, dot, json or svg (an element whose classes a page colours)';

CREATE FUNCTION noetl.report_unchecked(execution_id bigint) RETURNS text
    AS 'MODULE_PATHNAME', 'noetl_report_unchecked'
    LANGUAGE C STABLE STRICT PARALLEL RESTRICTED SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp SET jit = off;
COMMENT ON FUNCTION noetl.report_unchecked(bigint) IS
    'what noetl.report() returns, without its check of rights; to be granted to nobody';

CREATE FUNCTION noetl.report(execution_id bigint) RETURNS text
    AS 'MODULE_PATHNAME', 'noetl_of_own_execution'
    LANGUAGE C STABLE STRICT PARALLEL RESTRICTED;
COMMENT ON FUNCTION noetl.report(bigint) IS
    'one HTML page about an execution that loads nothing: errors, graph, timeline, events with input and result';

REVOKE ALL ON FUNCTION noetl.note_worker(text, text[], jsonb), noetl.announce(text, text[], jsonb),
    noetl.join_awaits(bigint, text, text, boolean), noetl.timeline(bigint), noetl.progress(bigint),
    noetl.timeline_unchecked(bigint), noetl.progress_unchecked(bigint),
    noetl.explain_unchecked(text, text), noetl.report_unchecked(bigint), noetl.metrics(), noetl.explain(text, text),
    noetl.report(bigint) FROM PUBLIC;
