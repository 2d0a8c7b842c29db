-- ---------------------------------------------------------------------------
-- Events and decisions (src/engine/triggers.c, src/api/execution.c)
-- ---------------------------------------------------------------------------

CREATE FUNCTION noetl.event_before() RETURNS trigger
    AS 'MODULE_PATHNAME', 'noetl_event_before'
    LANGUAGE C;
COMMENT ON FUNCTION noetl.event_before() IS
    'trigger of noetl.event: takes the execution lock and fills in the columns that the client left out; suppresses a row whose event_id is stored already';

CREATE FUNCTION noetl.event_after() RETURNS trigger
    AS 'MODULE_PATHNAME', 'noetl_event_after'
    LANGUAGE C;
COMMENT ON FUNCTION noetl.event_after() IS
    'trigger of noetl.event: decides what follows from an event, in the transaction that stores it';

CREATE TRIGGER event_before BEFORE INSERT ON noetl.event
    FOR EACH ROW EXECUTE FUNCTION noetl.event_before();
CREATE TRIGGER event_after AFTER INSERT ON noetl.event
    FOR EACH ROW EXECUTE FUNCTION noetl.event_after();

CREATE FUNCTION noetl.execute(path text, parameters jsonb DEFAULT '{}', version integer DEFAULT NULL,
                              merge boolean DEFAULT false, key text DEFAULT NULL, on_conflict text DEFAULT 'return',
                              run_at timestamptz DEFAULT NULL, labels jsonb DEFAULT NULL,
                              priority integer DEFAULT NULL) RETURNS bigint
    AS 'MODULE_PATHNAME', 'noetl_execute'
    LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION noetl.execute(text, jsonb, integer, boolean, text, text, timestamptz, jsonb, integer) IS
    'starts an execution of a playbook, of its newest version unless one is given; parameters are laid over its workload, recursively if merge; labels over those of its metadata. key: of the executions of a path one at most has it; on_conflict says what becomes of another start: return (that one), error, running (return that one while it runs), replace (cancel that one). run_at: nothing happens before. priority: of its tasks. Returns the execution_id';

CREATE FUNCTION noetl.debounce(path text, key text, delay interval, parameters jsonb DEFAULT '{}',
                               max_wait interval DEFAULT NULL) RETURNS bigint
    AS 'MODULE_PATHNAME', 'noetl_debounce'
    LANGUAGE C VOLATILE PARALLEL UNSAFE;
REVOKE ALL ON FUNCTION noetl.debounce(text, text, interval, jsonb, interval) FROM PUBLIC;
COMMENT ON FUNCTION noetl.debounce(text, text, interval, jsonb, interval) IS
    'starts an execution after a delay that each further call with the key begins anew, with the parameters of the newest call, at the latest max_wait after the first call; returns the execution_id';

CREATE FUNCTION noetl.cancel(execution_id bigint, reason text DEFAULT NULL, undo boolean DEFAULT false)
    RETURNS boolean
    AS 'MODULE_PATHNAME', 'noetl_cancel'
    LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION noetl.cancel(bigint, text, boolean) IS
    'cancels a running execution: queued tasks are withdrawn, and workers are told at their next heartbeat; undo: the compensations of what it has completed are done first; returns false when the execution is over';

CREATE FUNCTION noetl.acts_for(role oid) RETURNS boolean
    AS 'MODULE_PATHNAME', 'noetl_acts_for'
    LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION noetl.acts_for(oid) IS
    'returns whether the current role may act for executions that run for a role: it is a member of the role or of noetl_admin, or a superuser, or noetl.isolation is off';

CREATE FUNCTION noetl.may_read(execution_id bigint) RETURNS boolean
    AS 'MODULE_PATHNAME', 'noetl_may_read'
    LANGUAGE C STABLE STRICT PARALLEL RESTRICTED;
COMMENT ON FUNCTION noetl.may_read(bigint) IS
    'returns whether the current role may read the rows of an execution (see noetl.acts_for)';

CREATE VIEW noetl.event_log WITH (security_barrier) AS
    SELECT * FROM noetl.event AS e WHERE noetl.may_read(e.execution_id);
COMMENT ON VIEW noetl.event_log IS 'the event log under the name that the Python project uses; ORDER BY event_id';

CREATE FUNCTION noetl.last_progress(execution_id bigint, step text, node_id text DEFAULT NULL) RETURNS jsonb
    LANGUAGE sql STABLE PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
    AS $$
    -- what an attempt has told counts until the next one
    SELECT CASE WHEN e.event_type = 'progress' AND jsonb_typeof(e.context) = 'object'
                THEN e.context || jsonb_build_object('at', e.created_at) END
      FROM (SELECT * FROM noetl.event AS l WHERE l.execution_id = last_progress.execution_id
             ORDER BY l.event_id DESC LIMIT 100) AS e
     WHERE (e.node_name = last_progress.step AND e.node_id = coalesce(last_progress.node_id, e.node_id)
            AND e.event_type IN ('progress', 'step_started', 'step_resumed', 'action_started', 'task_start',
                                 'action_error', 'action_failed', 'task_error', 'action_retry', 'step_retry')
            OR e.event_type = 'execution_redriven')
       AND (e.meta -> 'ignored') IS NULL
     ORDER BY e.event_id DESC LIMIT 1
    $$;
COMMENT ON FUNCTION noetl.last_progress(bigint, text, text) IS
    'internal: what a step, or the visit of it that has this node_id, has told of the progress of its attempt last, if that is among the last 100 events of its execution';
REVOKE ALL ON FUNCTION noetl.last_progress(bigint, text, text) FROM PUBLIC;

CREATE FUNCTION noetl.pause_of(execution_id bigint)
    RETURNS TABLE (paused_execution bigint, since timestamptz, until timestamptz, by text, reason text)
    LANGUAGE sql STABLE STRICT PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
AS $$
    WITH RECURSIVE line AS (
        SELECT 0 AS up, x.execution_id, x.parent_execution_id, x.paused
          FROM noetl.execution AS x WHERE x.execution_id = pause_of.execution_id AND x.ended_at IS NULL
        UNION ALL
        SELECT l.up + 1, x.execution_id, x.parent_execution_id, x.paused
          FROM line AS l JOIN noetl.execution AS x ON x.execution_id = l.parent_execution_id
         WHERE l.paused IS NULL
    )
    SELECT l.execution_id, e.created_at, p.until, e.meta ->> 'by', e.meta ->> 'reason'
      FROM line AS l
      LEFT JOIN noetl.event AS e ON e.execution_id = l.execution_id AND e.event_id = l.paused
      LEFT JOIN noetl.paused AS p ON p.execution_id = l.execution_id
     WHERE l.paused IS NOT NULL
     ORDER BY l.up LIMIT 1
$$;
COMMENT ON FUNCTION noetl.pause_of(bigint) IS
    'the pause that an execution falls under: its own, or that of the nearest ancestor which has one; part of noetl.why() and noetl.status()';

REVOKE ALL ON FUNCTION noetl.pause_of(bigint) FROM PUBLIC;

CREATE FUNCTION noetl.status_unchecked(execution_id bigint) RETURNS jsonb
    LANGUAGE sql STABLE STRICT SECURITY DEFINER PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
    AS $$
    SELECT jsonb_build_object(
        'execution_id', x.execution_id::text,
        'path', x.path,
        'version', x.version,
        'status', x.status,
        'started_at', x.started_at,
        'ended_at', x.ended_at,
        'result', x.result,
        'error', x.error)
        || CASE WHEN x.labels IS NULL THEN '{}' ELSE jsonb_build_object('labels', x.labels) END
        || coalesce((SELECT jsonb_build_object('paused', jsonb_strip_nulls(jsonb_build_object(
                                'by', p.by, 'since', p.since, 'until', p.until, 'reason', p.reason,
                                'execution_id', p.paused_execution::text)))
                       FROM noetl.pause_of(x.execution_id) AS p), '{}')
        || CASE WHEN x.status = 'SCHEDULED' THEN jsonb_build_object('run_at', x.run_at) ELSE '{}' END
        || jsonb_build_object(
        'steps', coalesce((
            SELECT jsonb_object_agg(s.node_name, jsonb_build_object(
                       'status', s.status, 'visits', s.visits, 'attempts', s.attempts, 'at', s.at))
            FROM (SELECT e.node_name,
                         (array_agg(e.status ORDER BY e.event_id DESC) FILTER (WHERE NOT r.is_report))[1] AS status,
                         greatest(count(DISTINCT e.node_id), 1) AS visits,
                         -- a redrive counts on from the attempts that were made
                         greatest(1 + count(*) FILTER (WHERE e.event_type IN ('action_retry', 'step_resumed') AND e.current_index IS NULL),
                                  max(CASE WHEN r.is_report AND e.meta ->> 'attempt' ~ '^[0-9]{1,6}$'
                                           THEN (e.meta ->> 'attempt')::bigint END)) AS attempts,
                         max(e.created_at) FILTER (WHERE NOT r.is_report) AS at
                  FROM noetl.event e
                  CROSS JOIN LATERAL (SELECT e.event_type IN ('action_completed', 'action_error') AS is_report) r
                  WHERE e.execution_id = x.execution_id
                    AND (e.event_type IN ('step_started', 'step_completed', 'step_end', 'step_failed',
                                          'step_skipped', 'step_held', 'step_resumed', 'action_retry')
                         OR r.is_report AND e.current_index IS NULL)
                    AND (e.meta -> 'ignored') IS NULL
                  GROUP BY e.node_name) s WHERE s.status IS NOT NULL), '{}'),
        'live', coalesce((
            SELECT jsonb_agg(jsonb_build_object('step', l.step, 'state', l.state, 'worker_id', l.worker_id,
                                                'attempts', l.attempts)
                             || CASE WHEN l.visit > 1 THEN jsonb_build_object('visit', l.visit) ELSE '{}' END
                             || l.items ORDER BY l.step, l.visit)
            FROM (SELECT q.node_name AS step, q.status AS state, q.worker_id, q.attempts,
                         CASE WHEN q.status = 'leased'
                              THEN jsonb_strip_nulls(jsonb_build_object('progress', noetl.last_progress(q.execution_id, q.node_name, q.node_id)))
                              ELSE '{}'::jsonb END AS items,
                         noetl.visit_of(q.node_id, q.execution_id, q.node_name) AS visit
                  FROM noetl.queue q WHERE q.execution_id = x.execution_id AND q.current_index IS NULL
                  UNION ALL
                  SELECT r.step_name, r.state, NULL, NULL,
                         CASE WHEN r.context ? 'total'
                              THEN jsonb_build_object('items', jsonb_build_object('total', r.context -> 'total',
                                       'done', coalesce(r.context -> 'done', '0'), 'failed', 0) || coalesce(
                                  (SELECT jsonb_build_object('started', e.meta -> 'started', 'done', e.meta -> 'done',
                                                             'failed', e.meta -> 'failed')
                                     FROM noetl.event e
                                    WHERE e.execution_id = r.execution_id AND e.node_name = r.step_name
                                      AND e.result IS NOT NULL
                                      -- of whoever else counts the event is ignored
                                      AND e.meta ->> 'total' ~ '^[0-9]{1,9}$' AND e.meta ->> 'done' ~ '^[0-9]{1,9}$'
                                      AND (e.meta -> 'ignored') IS NULL
                                      AND e.event_type IN ('iteration_completed', 'iteration_failed')
                                      AND e.node_id = concat(r.execution_id, ':', r.step_name,
                                              CASE WHEN r.visit > 1 THEN ':' || r.visit END, '[', e.current_index, ']')
                                      AND e.event_id > greatest((r.context ->> 'since')::bigint, (r.context ->> 'resumed')::bigint)
                                    ORDER BY e.created_at DESC LIMIT 1), '{}'))
                              WHEN r.state = 'awaiting'
                              THEN jsonb_strip_nulls(jsonb_build_object('signals', to_jsonb(r.signals),
                                       'key', r.signal_key, 'until', r.due_at))
                              ELSE '{}' END,
                         r.visit
                  FROM noetl.run r WHERE r.execution_id = x.execution_id) l), '[]'))
    FROM noetl.execution x
    WHERE x.execution_id = status_unchecked.execution_id
    $$;
COMMENT ON FUNCTION noetl.status_unchecked(bigint) IS
    'what noetl.status() returns, without its check of rights; to be granted to nobody';

CREATE FUNCTION noetl.status(execution_id bigint) RETURNS jsonb
    AS 'MODULE_PATHNAME', 'noetl_of_own_execution'
    LANGUAGE C STABLE STRICT PARALLEL RESTRICTED;
COMMENT ON FUNCTION noetl.status(bigint) IS
    'returns progress and result of an execution: status, result, error, steps {status, visits, attempts, at}, live [{step, state, worker_id, attempts, visit unless it is the first, of an iterator also items {total, started, done, failed}, of a wait also signals, key, until}], paused {by, since, until, reason, execution_id} while it or an ancestor is paused; null when the execution does not exist';
