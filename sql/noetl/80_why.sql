-- ---------------------------------------------------------------------------
-- noetl.why(): what an execution waits for, in words, and what to do (src/api/why.c)
-- ---------------------------------------------------------------------------

-- noetl-worker says what its sessions are called, unless a pooler is between them and it;
-- of other workers nobody knows whether they keep one.
CREATE FUNCTION noetl.worker_has_gone(runtime jsonb) RETURNS boolean
    LANGUAGE sql STABLE PARALLEL RESTRICTED
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT NOT pg_is_in_recovery() AND runtime ->> 'application' IS NOT NULL
           AND NOT EXISTS (SELECT FROM pg_stat_activity AS a
                            WHERE a.datname = current_database() AND a.application_name = runtime ->> 'application')
$$;
COMMENT ON FUNCTION noetl.worker_has_gone(jsonb) IS
    'whether a worker that keeps its session has none any more; part of noetl.why()';

-- A library that was not preloaded lets a reload change the setting, and has no timer.
CREATE FUNCTION noetl.timer_is_idle() RETURNS boolean
    LANGUAGE sql STABLE PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT EXISTS (SELECT FROM pg_settings AS s
                    WHERE s.name = 'noetl.timer' AND s.setting = 'on' AND s.context <> 'postmaster')
$$;
COMMENT ON FUNCTION noetl.timer_is_idle() IS
    'whether noetl.timer is on without effect, as the library is not in shared_preload_libraries; part of noetl.why()';

CREATE FUNCTION noetl.why_overdue() RETURNS text
    LANGUAGE sql STABLE PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT CASE WHEN noetl.timer_is_idle()
                THEN 'SELECT noetl.enqueue_next(), or start a worker; noetl.timer = on has no effect as long as noetl is not in shared_preload_libraries.'
                ELSE 'SELECT noetl.enqueue_next(), start a worker, or set noetl.timer = on.' END
$$;
COMMENT ON FUNCTION noetl.why_overdue() IS 'what to do about what is due and done by nobody; part of noetl.why()';

-- A cause is a branch of the UNION in noetl.why(); those that need more than a
-- line have a function of their own.
CREATE FUNCTION noetl.why_queued(task noetl.queue)
    RETURNS TABLE (waits_for text, detail text, hint text)
    LANGUAGE sql STABLE PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
AS $$
    WITH asked AS (
        SELECT w.worker_id, a.key AS type, (a.value #>> '{}')::timestamptz AS at,
               coalesce(w.connected, false)
               OR (a.value #>> '{}')::timestamptz > clock_timestamp() - interval '5 min'
                  AND NOT coalesce(noetl.worker_has_gone(r.runtime), false) AS alive
          FROM noetl.worker AS w
          JOIN noetl.runtime AS r ON r.name = w.worker_id
         CROSS JOIN LATERAL jsonb_each(CASE jsonb_typeof(r.capabilities -> 'types') WHEN 'object'
                                            THEN r.capabilities -> 'types' ELSE '{}' END) AS a
    ), takers AS (
        SELECT a.* FROM asked AS a WHERE a.type IN (task.node_type, '*')
    ), last AS (
        SELECT t.* FROM takers AS t ORDER BY t.at DESC LIMIT 1
    ), ahead AS (
        SELECT count(*) AS n
          FROM (SELECT FROM noetl.queue AS q
                 WHERE q.status = 'queued' AND q.node_type = task.node_type AND q.priority > task.priority
                UNION ALL
                SELECT FROM noetl.queue AS q
                 WHERE q.status = 'queued' AND q.node_type = task.node_type AND q.priority = task.priority
                   AND q.queue_id < task.queue_id
                 LIMIT 1000) AS q
    ), near AS (
        SELECT noetl.similar_word(task.node_type, ARRAY(SELECT a.type FROM asked AS a WHERE a.alive
                                                         ORDER BY a.at DESC)) AS type
    )
    SELECT format('a worker that takes tasks of type "%s"', task.node_type),
           CASE WHEN (SELECT count(*) FROM last) = 0
                THEN format('No worker is known to have asked for type "%s". The task has been ready for %s.',
                            task.node_type, noetl.span(clock_timestamp() - task.created_at))
                WHEN NOT EXISTS (SELECT FROM takers AS t WHERE t.alive)
                     AND last.at > clock_timestamp() - interval '5 min'
                THEN format('No worker that takes tasks of type "%s" is connected; worker "%s" was the last, %s ago.',
                            task.node_type, last.worker_id, noetl.span(clock_timestamp() - last.at))
                WHEN NOT EXISTS (SELECT FROM takers AS t WHERE t.alive)
                THEN format('No worker has asked for type "%s" for %s; worker "%s" was the last.', task.node_type,
                            noetl.span(clock_timestamp() - last.at), last.worker_id)
                ELSE format('%s of type "%s"; tasks of this type ahead of this one: %s.',
                            CASE n.alive WHEN 1 THEN format('Worker "%s" takes tasks', last.worker_id)
                                         ELSE n.alive || ' workers take tasks' END,
                            task.node_type,
                            CASE ahead.n WHEN 1000 THEN '1000 or more' ELSE ahead.n::text END) END,
           CASE WHEN EXISTS (SELECT FROM takers AS t WHERE t.alive) THEN
                     CASE WHEN ahead.n = 0 THEN 'The workers may be busy with other tasks: see noetl.worker.'
                          ELSE 'Start more workers, or give the step a higher priority.' END
                WHEN near.type IS NOT NULL
                THEN format('Workers ask for "%s": correct the type of the step, or start a worker for "%s".',
                            near.type, task.node_type)
                ELSE format('Start a worker that takes type "%s".', task.node_type) END
      FROM near
     CROSS JOIN ahead
     CROSS JOIN (SELECT count(DISTINCT t.worker_id) FILTER (WHERE t.alive) AS alive FROM takers AS t) AS n
      LEFT JOIN last ON true
$$;
COMMENT ON FUNCTION noetl.why_queued(noetl.queue) IS 'why a ready task is not leased; part of noetl.why()';

CREATE FUNCTION noetl.why_leased(task noetl.queue)
    RETURNS TABLE (waits_for text, detail text, hint text)
    LANGUAGE sql STABLE PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT coalesce('worker "' || task.worker_id || '"', 'a client without a name'),
           format('%s has it since %s, attempt %s of %s; %s.', coalesce('Worker "' || task.worker_id || '"', 'A client without a name'),
                  task.last_heartbeat, task.attempts, task.max_attempts,
                  CASE WHEN task.worker_id IS NULL
                       THEN 'its action_started had no worker_id, so it has no lease that could run out'
                            || coalesce(', but the timeout ends at ' || task.deadline, '')
                       WHEN task.lease_until < clock_timestamp()
                       THEN format('the lease ran out %s ago and nobody has taken it back',
                                   noetl.span(clock_timestamp() - task.lease_until))
                       ELSE format('the lease lasts until %s%s', task.lease_until, coalesce(', the timeout ends at ' || task.deadline, '')) END)
           || coalesce((SELECT concat(' Progress: ', concat_ws(', ', CASE jsonb_typeof(p.p -> 'progress') WHEN 'number' THEN (p.p -> 'progress')::numeric * 100 || ' %' END, p.p ->> 'message',
                                      noetl.span(clock_timestamp() - (p.p ->> 'at')::timestamptz) || ' ago'), '.')
                          FROM (SELECT noetl.last_progress(task.execution_id, task.node_name, task.node_id) AS p) AS p
                         WHERE p.p IS NOT NULL), ''),
           CASE WHEN task.worker_id IS NULL
                THEN format('If the client is gone: INSERT INTO noetl.event (execution_id, event_type, node_name, node_id, error) '
                            'VALUES (%s, ''action_error'', %L, %L, ''its client is gone'');',
                            task.execution_id, task.node_name, task.node_id)
                WHEN task.lease_until < clock_timestamp()
                THEN noetl.why_overdue()
                ELSE 'If the worker is dead, the next attempt begins when the lease has run out.' END
$$;
COMMENT ON FUNCTION noetl.why_leased(noetl.queue) IS 'who works on a task, and until when; part of noetl.why()';

-- Where a rate keeps the first of those that wait back, limit_pace.due_at is the time of its
-- turn, and each of the others has to wait for one interval more; where there is no slot, none
-- is due.
CREATE FUNCTION noetl.why_blocked(queue_id bigint, OUT waits_for text, OUT detail text, OUT hint text, OUT due timestamptz)
    LANGUAGE sql STABLE PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
    AS $$
    WITH s AS (
        SELECT s.*, s.spec -> s.ordinal AS own FROM noetl.slot AS s
         WHERE s.queue_id = why_blocked.queue_id AND NOT s.held
         ORDER BY s.ordinal LIMIT 1
    ), counted AS (
        SELECT s.name, s.key,
               (SELECT count(*) FROM noetl.slot AS b
                 WHERE b.name = s.name AND b.key = s.key AND NOT b.held AND b.queue_id < s.queue_id) AS before,
               (SELECT count(*) FROM noetl.slot AS h WHERE h.name = s.name AND h.key = s.key AND h.held) AS held,
               CASE WHEN r.name IS NULL THEN (s.own ->> 'concurrency')::bigint ELSE r.concurrency END AS concurrency,
               CASE WHEN r.name IS NULL THEN (s.own ->> 'rate')::bigint ELSE r.rate END AS rate,
               CASE WHEN r.name IS NULL THEN (s.own ->> 'per')::bigint ELSE r.per END AS per, p.due_at
          FROM s
          LEFT JOIN noetl.limit_rule AS r ON r.name = s.name
          LEFT JOIN noetl.limit_pace AS p ON p.name = s.name AND p.key = s.key
    ), timed AS (
        SELECT c.*, CASE WHEN c.rate > 0 AND (c.concurrency IS NULL OR c.held < c.concurrency)
                         THEN c.due_at + c.before * (c.per / c.rate) * interval '1 us' END AS due
          FROM counted AS c
    )
    SELECT 'limit',
           format('blocked by limit "%s"%s, %s before it%s', t.name,
                  CASE WHEN t.key <> '' THEN format(' (key "%s")', t.key) ELSE '' END, t.before,
                  CASE WHEN t.due IS NOT NULL THEN format('; its rate lets it begin at %s', t.due) ELSE '' END),
           format('%s have a slot; noetl.set_limit() changes the limit', t.held), t.due
      FROM timed AS t
$$;
COMMENT ON FUNCTION noetl.why_blocked(bigint) IS 'which limit a task or an execution waits for; part of noetl.why()';

-- A rule that names no path leaves the rows of its tasks as they are.
CREATE FUNCTION noetl.type_paused(type text) RETURNS boolean
    LANGUAGE sql STABLE PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT EXISTS (SELECT FROM noetl.pause_rule AS r
                    WHERE r.path IS NULL AND (r.type IS NULL OR r.type = type_paused.type)
                      AND (r.until IS NULL OR r.until > clock_timestamp()))
$$;
COMMENT ON FUNCTION noetl.type_paused(text) IS 'whether all tasks of a type are paused by noetl.pause_tasks(); part of noetl.why()';

CREATE FUNCTION noetl.why_paused(task noetl.queue)
    RETURNS TABLE (since timestamptz, due timestamptz, waits_for text, detail text, hint text)
    LANGUAGE sql STABLE PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
AS $$
    WITH rule AS (
        SELECT r.*, concat_ws(' of ', CASE WHEN r.type IS NULL THEN 'Tasks' ELSE format('Tasks of type "%s"', r.type) END,
                              'playbook "' || r.path || '"') AS kind,
               concat_ws(', ', 'path => ' || quote_literal(r.path), 'type => ' || quote_literal(r.type)) AS arguments
          FROM noetl.pause_rule AS r
         WHERE CASE task.status WHEN 'paused' THEN r.pause_id = task.paused_by
                    ELSE r.path IS NULL AND (r.type IS NULL OR r.type = task.node_type)
                         AND (r.until IS NULL OR r.until > clock_timestamp()) END
         ORDER BY r.paused_at LIMIT 1
    ), tree AS (
        SELECT p.* FROM noetl.pause_of(task.execution_id) AS p
         WHERE task.status = 'paused' AND p.paused_execution = task.paused_by
    )
    SELECT r.paused_at, r.until, 'noetl.resume_tasks()',
           format('%s are paused by role %s since %s%s%s.', r.kind, r.paused_by, r.paused_at,
                  coalesce(', until ' || r.until, ''), coalesce(': ' || r.reason, '')),
           format('SELECT noetl.resume_tasks(%s);', r.arguments)
      FROM rule AS r
    UNION ALL
    SELECT t.since, t.until, 'noetl.resume()',
           format('%s paused by role %s since %s%s%s.',
                  CASE WHEN t.paused_execution = task.execution_id THEN 'The execution is'
                       ELSE format('Execution %s, which has started this one, is', t.paused_execution) END,
                  t.by, t.since, coalesce(', until ' || t.until, ''), coalesce(': ' || t.reason, '')),
           format('SELECT noetl.resume(%s);', t.paused_execution)
      FROM tree AS t
    UNION ALL
    SELECT task.created_at, NULL, 'a portion of the tasks whose pause is over',
           'The pause is over; whoever leases makes its tasks ready, portion by portion.',
           noetl.why_overdue()
     WHERE task.status = 'paused' AND NOT EXISTS (SELECT FROM rule) AND NOT EXISTS (SELECT FROM tree)
$$;
COMMENT ON FUNCTION noetl.why_paused(noetl.queue) IS
    'which pause keeps a task back; part of noetl.why()';

CREATE FUNCTION noetl.why_waiting(run noetl.run, catalog_id bigint)
    RETURNS TABLE (waits_for text, detail text, hint text)
    LANGUAGE sql STABLE PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
AS $$
    WITH live AS (
        SELECT q.node_name AS step, noetl.visit_of(q.node_id, q.execution_id, q.node_name) AS visit, q.status AS state
          FROM noetl.queue AS q
         WHERE q.execution_id = run.execution_id AND q.current_index IS NULL
           AND q.status IN ('queued', 'blocked', 'leased', 'retry', 'paused')
        UNION ALL
        SELECT r.step_name, r.visit, r.state
          FROM noetl.run AS r
         WHERE r.execution_id = run.execution_id
           AND (r.step_name, r.visit) IS DISTINCT FROM (run.step_name, run.visit)
    ), awaited AS (
        SELECT noetl.some_of(array_agg(l.step || CASE WHEN l.visit > 1 THEN format(' (visit %s)', l.visit) ELSE '' END
                                       || ' (' || l.state || ')' ORDER BY l.step, l.visit)) AS steps
          FROM live AS l
         WHERE noetl.join_awaits(catalog_id, run.step_name, l.step, l.state = 'waiting')
    ), arrived AS (
        SELECT noetl.some_of(array_agg(DISTINCT a.branch ->> 'from' ORDER BY a.branch ->> 'from')) AS steps
          FROM (SELECT jsonb_array_elements(run.arrivals)
                UNION ALL
                SELECT more.arrival
                  FROM noetl.arrival AS more
                 WHERE (more.execution_id, more.step_name, more.visit) = (run.execution_id, run.step_name, run.visit)) AS a (branch)
    )
    SELECT coalesce('branches that can still arrive: ' || awaited.steps, 'nothing'),
           format('The step waits at a join%s; %s.',
                  coalesce(' (arrived: ' || arrived.steps || ')', ''),
                  coalesce('still live and able to reach it: ' || awaited.steps,
                           'no live run can reach it, so it should have started')),
           CASE WHEN awaited.steps IS NULL
                THEN format('SELECT * FROM noetl.verify(%1$s); then noetl.rebuild(%1$s).', run.execution_id)
                ELSE 'Look at the rows of those steps.' END
      FROM awaited, arrived
$$;
COMMENT ON FUNCTION noetl.why_waiting(noetl.run, bigint) IS
    'which branches a join waits for; part of noetl.why()';

-- The event has the name that the step had then: migrations since may have given it others.
CREATE FUNCTION noetl.held_since(execution_id bigint, step text, visit integer, OUT created_at timestamptz, OUT error text)
    LANGUAGE sql STABLE PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
AS $$
    WITH RECURSIVE migration AS (
        SELECT e.event_id, e.context -> 'step_map' AS map, row_number() OVER (ORDER BY e.event_id) AS n
          FROM noetl.event AS e
         WHERE e.execution_id = held_since.execution_id AND e.event_type = 'execution_migrated' AND (e.meta -> 'ignored') IS NULL
    ), held AS (
        SELECT e.event_id, e.created_at, e.error, e.node_name AS step,
               (SELECT count(*) FROM migration AS m WHERE m.event_id < e.event_id) AS n
          FROM noetl.event AS e
         WHERE e.execution_id = held_since.execution_id AND e.event_type = 'step_held'
           AND noetl.visit_of(e.node_id, e.execution_id, e.node_name) = held_since.visit
        UNION ALL
        SELECT h.event_id, h.created_at, h.error, coalesce(m.map ->> h.step, h.step), m.n
          FROM held AS h JOIN migration AS m ON m.n = h.n + 1
    )
    SELECT h.created_at, h.error FROM held AS h
     WHERE h.step = held_since.step AND h.n = (SELECT count(*) FROM migration)
     ORDER BY h.event_id DESC LIMIT 1
$$;
COMMENT ON FUNCTION noetl.held_since(bigint, text, integer) IS
    'since when a visit of a step is held, and the error; part of noetl.why() and noetl.retry_all()';

CREATE FUNCTION noetl.why_open(run noetl.run)
    RETURNS TABLE (waits_for text, detail text, hint text)
    LANGUAGE sql STABLE PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
AS $$
    WITH child AS (
        SELECT count(*) AS n, count(*) FILTER (WHERE c.status = 'RUNNING') AS running,
               count(*) FILTER (WHERE c.status = 'SCHEDULED') AS scheduled,
               count(*) FILTER (WHERE c.status IN ('FAILED', 'CANCELLED')) AS failed,
               min(c.execution_id) FILTER (WHERE c.status = 'RUNNING') AS oldest,
               min(c.execution_id) FILTER (WHERE c.status = 'SCHEDULED') AS first_scheduled
          FROM noetl.execution AS c
         WHERE c.parent_execution_id = run.execution_id AND c.parent_event_id = run.event_id
    ), task AS (
        SELECT count(*) AS n, count(*) FILTER (WHERE q.status = 'queued' AND NOT p.type_paused) AS ready,
               count(*) FILTER (WHERE q.status = 'leased') AS leased,
               count(*) FILTER (WHERE q.status = 'retry') AS retry,
               count(*) FILTER (WHERE q.status = 'blocked') AS blocked,
               min(q.queue_id) FILTER (WHERE q.status = 'blocked') AS first_blocked,
               count(*) FILTER (WHERE q.status = 'paused' OR (q.status = 'queued' AND p.type_paused)) AS paused,
               min(q.queue_id) FILTER (WHERE q.status = 'paused' OR (q.status = 'queued' AND p.type_paused)) AS first_paused,
               min(q.queue_id) FILTER (WHERE q.status = 'queued' AND NOT p.type_paused) AS first_ready,
               string_agg(DISTINCT q.worker_id, ', ') FILTER (WHERE q.status = 'leased') AS workers
          FROM noetl.queue AS q
         CROSS JOIN LATERAL (SELECT noetl.type_paused(q.node_type) AS type_paused) AS p
         WHERE q.execution_id = run.execution_id AND q.node_name = run.step_name AND q.current_index IS NOT NULL
           AND noetl.visit_of(q.node_id, q.execution_id, q.node_name) = run.visit
           AND q.status IN ('queued', 'blocked', 'leased', 'retry', 'paused')
    ), items AS (
        SELECT (run.context ->> 'total')::bigint AS total,
               coalesce((p.meta ->> 'done')::bigint, (run.context ->> 'done')::bigint, 0) AS done,
               coalesce((p.meta ->> 'failed')::bigint, 0) AS failed
          FROM (VALUES (true)) AS one
          LEFT JOIN LATERAL (SELECT e.meta FROM noetl.event AS e
                              WHERE e.execution_id = run.execution_id AND e.node_name = run.step_name
                                AND e.result IS NOT NULL
                                -- of whoever else counts the event is ignored
                                AND e.meta ->> 'total' ~ '^[0-9]{1,9}$' AND e.meta ->> 'done' ~ '^[0-9]{1,9}$'
                                AND (e.meta -> 'ignored') IS NULL
                                AND e.event_type IN ('iteration_completed', 'iteration_failed')
                                AND noetl.visit_of(e.node_id, e.execution_id, e.node_name) = run.visit
                                AND e.event_id > greatest((run.context ->> 'since')::bigint, (run.context ->> 'resumed')::bigint)
                              ORDER BY e.created_at DESC LIMIT 1) AS p ON true
         WHERE run.context ? 'total'
    ), queued AS (
        SELECT w.detail, w.hint FROM task
          JOIN noetl.queue AS q ON q.queue_id = task.first_ready
         CROSS JOIN LATERAL noetl.why_queued(q) AS w
    ), paused AS (
        SELECT w.detail, w.hint FROM task
          JOIN noetl.queue AS q ON q.queue_id = task.first_paused
         CROSS JOIN LATERAL noetl.why_paused(q) AS w LIMIT 1
    )
    SELECT CASE WHEN task.n > 0 THEN format('%s items', items.total - items.done)
                WHEN child.running + child.scheduled > 0
                THEN format('child executions: %s running%s', child.running,
                            CASE WHEN child.scheduled > 0 THEN format(', %s waiting to begin', child.scheduled) END)
                ELSE 'child executions or items' END,
           concat_ws(' ',
               CASE WHEN items.total IS NOT NULL
                    THEN format('%s of %s items are done, %s of them failed.', items.done, items.total, items.failed) END,
               CASE WHEN child.n > 0
                    THEN format('Child executions: %s running%s, %s ended, %s of them failed or cancelled%s.', child.running,
                                CASE WHEN child.scheduled > 0 THEN format(', %s waiting to begin', child.scheduled) END,
                                child.n - child.running - child.scheduled, child.failed,
                                coalesce('; the oldest that runs is ' || child.oldest, '')) END,
               CASE WHEN task.n > 0 THEN format('Items in flight: %s leased%s, %s ready, %s waiting for the next attempt%s.',
                      task.leased, coalesce(' by ' || left(task.workers, 200), ''), task.ready, task.retry,
                      CASE WHEN task.paused > 0 THEN format(', %s paused', task.paused) ELSE '' END) END,
               CASE WHEN task.blocked > 0 THEN (SELECT format('%s items wait: %s.', task.blocked, b.detail)
                                                  FROM noetl.why_blocked(task.first_blocked) AS b) END,
               paused.detail,
               CASE WHEN task.leased = 0 THEN queued.detail END),
           CASE WHEN child.running + child.scheduled > 0
                THEN format('SELECT * FROM noetl.why(%s);', coalesce(child.oldest, child.first_scheduled))
                WHEN task.leased = 0 AND (queued.hint IS NOT NULL OR paused.hint IS NOT NULL)
                THEN coalesce(queued.hint, paused.hint)
                WHEN task.n = 0 THEN format('Nothing of it is in flight: SELECT * FROM noetl.verify(%s).', run.execution_id) END
      FROM child
     CROSS JOIN task
      LEFT JOIN items ON true
      LEFT JOIN queued ON true
      LEFT JOIN paused ON true
$$;
COMMENT ON FUNCTION noetl.why_open(noetl.run) IS
    'which children or items an open step waits for; part of noetl.why()';

CREATE FUNCTION noetl.why_awaiting(run noetl.run)
    RETURNS TABLE (waits_for text, detail text, hint text)
    LANGUAGE sql STABLE PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT concat_ws(' or ',
               CASE WHEN run.signals IS NOT NULL THEN
                    CASE WHEN cardinality(run.signals) = 1 THEN 'signal ' ELSE 'one of the signals ' END
                    || noetl.some_of(run.signals) END,
               'until ' || run.due_at),
           format('The step waits%s%s%s; nobody works on it.',
                  coalesce(' for a signal: ' || noetl.some_of(run.signals), ''),
                  ', under the key "' || run.signal_key || '"',
                  CASE WHEN run.due_at < clock_timestamp()
                       THEN format('; its time came %s ago and nobody has come by',
                                   noetl.span(clock_timestamp() - run.due_at))
                       ELSE '; time ends the wait in ' || noetl.span(run.due_at - clock_timestamp()) END),
           CASE WHEN run.due_at < clock_timestamp()
                THEN noetl.why_overdue()
                WHEN run.signals IS NOT NULL
                THEN format('SELECT noetl.signal(%s, %L, data);', run.execution_id, run.signals[1]) END
$$;
COMMENT ON FUNCTION noetl.why_awaiting(noetl.run) IS
    'which time or signal a wait waits for; part of noetl.why()';

CREATE FUNCTION noetl.why_locked(execution_id bigint)
    RETURNS TABLE (since timestamptz, waits_for text, detail text, hint text)
    LANGUAGE sql STABLE STRICT PARALLEL RESTRICTED
    SET search_path = pg_catalog, pg_temp
AS $$
    WITH holder AS (
        SELECT l.pid,
               (SELECT count(*) FROM pg_locks AS w
                 WHERE NOT w.granted AND w.locktype = l.locktype AND w.database = l.database
                   AND w.classid = l.classid AND w.objid = l.objid AND w.objsubid = l.objsubid) AS blocked
          FROM pg_locks AS l
         WHERE l.granted AND l.locktype = 'advisory' AND l.objsubid = 28163   -- LOCK_CLASS_EXECUTION
           AND l.database = (SELECT d.oid FROM pg_database AS d WHERE d.datname = current_database())
           AND l.classid = ((why_locked.execution_id >> 32) & 4294967295)::oid
           AND l.objid = (why_locked.execution_id & 4294967295)::oid
           -- who waits for the lock of the row has this one
           AND NOT EXISTS (SELECT FROM pg_locks AS w
                            WHERE w.pid = l.pid AND NOT w.granted AND w.locktype = 'transactionid')
        UNION ALL
        -- a transaction that has decided on many executions has locked the row
        SELECT l.pid,
               (SELECT count(*) FROM pg_locks AS w
                 WHERE NOT w.granted AND w.locktype = 'transactionid' AND w.transactionid = l.transactionid)
          FROM noetl.execution AS e
          JOIN pg_locks AS l ON l.granted AND l.locktype = 'transactionid' AND l.mode = 'ExclusiveLock'
                            AND l.transactionid = e.xmax
         WHERE e.execution_id = why_locked.execution_id
    )
    SELECT a.xact_start, format('session %s', h.pid),
           format('Session %s (role %s%s) has the lock of the execution in a transaction that began %s ago%s.',
                  h.pid, a.usename, coalesce(', application ' || quote_literal(nullif(a.application_name, '')), ''),
                  noetl.span(clock_timestamp() - a.xact_start),
                  CASE h.blocked WHEN 0 THEN '' WHEN 1 THEN '; 1 session waits for it'
                                 ELSE format('; %s sessions wait for it', h.blocked) END),
           format('Let that transaction end; SELECT pg_terminate_backend(%s) ends it by force.', h.pid)
      FROM holder AS h
      LEFT JOIN pg_stat_activity AS a ON a.pid = h.pid
     WHERE h.pid <> pg_backend_pid()
$$;
COMMENT ON FUNCTION noetl.why_locked(bigint) IS
    'which session has the lock of an execution; part of noetl.why()';

CREATE FUNCTION noetl.why_unchecked(execution_id bigint)
    RETURNS TABLE (step text, state text, since timestamptz, due timestamptz,
                   waits_for text, detail text, hint text)
    LANGUAGE sql STABLE STRICT SECURITY DEFINER PARALLEL RESTRICTED
    SET search_path = pg_catalog, pg_temp SET datestyle = 'ISO' SET jit = off
AS $$
    WITH x AS (
        SELECT * FROM noetl.execution AS e WHERE e.execution_id = why_unchecked.execution_id
    ), pending AS (
        SELECT count(*) AS n, min(p.created_at) AS since
          FROM noetl.pending AS p WHERE p.execution_id = why_unchecked.execution_id
    ), broker AS (
        SELECT CASE WHEN current_setting('noetl.broker', true) IN ('off', 'false', '0', 'no') THEN 'this session' END AS here,
               (SELECT string_agg(CASE WHEN s.setrole = 0 THEN 'this database'
                                       ELSE 'role ' || s.setrole::regrole END, ', ')
                  FROM pg_db_role_setting AS s
                 WHERE s.setdatabase IN (0, (SELECT d.oid FROM pg_database AS d WHERE d.datname = current_database()))
                   AND EXISTS (SELECT FROM unnest(s.setconfig) AS c
                                WHERE c IN ('noetl.broker=off', 'noetl.broker=false', 'noetl.broker=0', 'noetl.broker=no'))) AS there
    ), task AS (
        SELECT q AS q FROM noetl.queue AS q, x
         WHERE q.execution_id = why_unchecked.execution_id AND q.current_index IS NULL AND x.status = 'RUNNING'
           AND q.status IN ('queued', 'blocked', 'leased', 'retry', 'paused')
    ), run AS (
        SELECT r AS r, x.catalog_id FROM noetl.run AS r, x
         WHERE r.execution_id = why_unchecked.execution_id AND x.status = 'RUNNING'
    ), cause AS (
        -- the execution as a whole
        SELECT 0 AS rank, NULL::text AS step, 'unknown' AS state, NULL::timestamptz AS since, NULL::timestamptz AS due,
               NULL::text AS waits_for, format('There is no execution %s.', why_unchecked.execution_id) AS detail,
               'Its transaction may not have committed, or the id is one of another database: see noetl.id_time().' AS hint
         WHERE NOT EXISTS (SELECT FROM x)
        UNION ALL
        SELECT 0, NULL, lower(x.status), x.ended_at, NULL, NULL,
               format('The execution is over: %s%s.', x.status, coalesce(' (' || left(x.error, 500) || ')', '')),
               nullif(concat_ws('; ', CASE x.status WHEN 'FAILED'
                                    THEN format('SELECT * FROM noetl.timeline(%s) WHERE error IS NOT NULL', x.execution_id) END,
                         CASE WHEN x.status NOT IN ('FAILED', 'CANCELLED') THEN NULL
                              WHEN NOT EXISTS (SELECT FROM noetl.workload AS w WHERE w.execution_id = x.execution_id)
                              THEN 'It has never begun: start another one.'
                              WHEN EXISTS (SELECT FROM noetl.event AS e
                                            WHERE e.execution_id = x.execution_id AND e.event_type = 'execution_compensating'
                                              AND (e.meta -> 'ignored') IS NULL)
                              THEN format('What it had completed is undone: start another one, or SELECT noetl.fork(%s, step).', x.execution_id)
                              WHEN EXISTS (SELECT FROM noetl.execution AS p
                                            WHERE p.execution_id = x.parent_execution_id AND p.status IN ('RUNNING', 'COMPLETED'))
                              THEN format('Its parent decides: SELECT * FROM noetl.why(%s).', x.parent_execution_id)
                              ELSE format('SELECT noetl.redrive(%s) has it go on.', x.execution_id) END), '')
          FROM x WHERE x.status NOT IN ('RUNNING', 'SCHEDULED')
        UNION ALL
        SELECT 0, NULL, 'scheduled', x.started_at, x.run_at, 'its time',
               format('The execution begins at %s.', x.run_at),
               CASE WHEN x.run_at < clock_timestamp() THEN 'SELECT noetl.enqueue_next() begins it now; so does the next lease.' END
          FROM x WHERE x.status = 'SCHEDULED' AND NOT EXISTS (SELECT FROM noetl.slot AS s
                        WHERE s.execution_id = x.execution_id AND NOT s.task AND NOT s.held)
        UNION ALL
        SELECT 0, NULL, 'blocked', s.since, w.due, w.waits_for, w.detail, w.hint
          FROM x JOIN noetl.slot AS s ON s.execution_id = x.execution_id AND NOT s.task AND NOT s.held
          CROSS JOIN LATERAL noetl.why_blocked(s.queue_id) AS w
        UNION ALL
        SELECT 1, NULL, 'paused', p.since, p.until, 'noetl.resume()',
               format('%s paused by role %s since %s%s%s: what is leased goes on, nothing is handed out.',
                      CASE WHEN p.paused_execution = why_unchecked.execution_id THEN 'The execution is'
                           ELSE format('Execution %s, which has started this one, is', p.paused_execution) END,
                      p.by, p.since, coalesce(', until ' || p.until, ''), coalesce(' (' || p.reason || ')', '')),
               format('SELECT noetl.resume(%s);', p.paused_execution)
          FROM noetl.pause_of(why_unchecked.execution_id) AS p
        UNION ALL
        SELECT 1, NULL, 'locked', l.since, NULL, l.waits_for, l.detail, l.hint
          FROM noetl.why_locked(why_unchecked.execution_id) AS l
        UNION ALL
        SELECT 2, NULL, 'pending', p.since, NULL, 'noetl.enqueue_next()',
               format('Events that are stored and not decided yet: %s%s.', p.n,
                      coalesce('; noetl.broker is off in ' || nullif(concat_ws(', ', b.here, b.there), ''), '')),
               concat_ws(' ', CASE WHEN b.there IS NOT NULL OR b.here IS NOT NULL THEN 'Set noetl.broker = on;' END,
                         'SELECT noetl.enqueue_next() decides them.')
          FROM pending AS p, broker AS b, x
         WHERE p.n > 0 AND x.status = 'RUNNING'
        UNION ALL
        SELECT 2, NULL, 'broker off', NULL, NULL, 'the setting noetl.broker',
               format('noetl.broker is off in %s: events are stored there and nothing is decided.', concat_ws(', ', b.here, b.there)),
               'Set noetl.broker = on; SELECT noetl.enqueue_next() catches up.'
          FROM pending AS p, broker AS b, x
         WHERE p.n = 0 AND x.status = 'RUNNING' AND (b.here IS NOT NULL OR b.there IS NOT NULL)
        UNION ALL
        SELECT 2, NULL, 'stuck', x.started_at, x.deadline, 'nothing',
               'The execution runs and has no live run: its rows are not what its log says.',
               format('SELECT * FROM noetl.verify(%1$s); SELECT noetl.rebuild(%1$s);', x.execution_id)
          FROM x
         WHERE x.status = 'RUNNING' AND NOT EXISTS (SELECT FROM task) AND NOT EXISTS (SELECT FROM run)
           AND NOT EXISTS (SELECT FROM pending WHERE n > 0)
        -- its tasks
        UNION ALL
        SELECT 3, (t.q).node_name, 'queued', (t.q).created_at, (t.q).deadline, w.waits_for, w.detail, w.hint
          FROM task AS t CROSS JOIN LATERAL noetl.why_queued(t.q) AS w
         WHERE (t.q).status = 'queued' AND NOT noetl.type_paused((t.q).node_type)
        UNION ALL
        SELECT 3, (t.q).node_name, 'paused', w.since, w.due, w.waits_for, w.detail, w.hint
          FROM task AS t CROSS JOIN LATERAL noetl.why_paused(t.q) AS w
         WHERE (t.q).status = 'paused' OR ((t.q).status = 'queued' AND noetl.type_paused((t.q).node_type))
        UNION ALL
        SELECT 3, (t.q).node_name, 'blocked', (t.q).created_at, least(w.due, (t.q).deadline), w.waits_for, w.detail, w.hint
          FROM task AS t CROSS JOIN LATERAL noetl.why_blocked((t.q).queue_id) AS w
         WHERE (t.q).status = 'blocked'
        UNION ALL
        SELECT 3, (t.q).node_name, 'leased', (t.q).last_heartbeat, coalesce((t.q).lease_until, (t.q).deadline), w.waits_for, w.detail, w.hint
          FROM task AS t CROSS JOIN LATERAL noetl.why_leased(t.q) AS w
         WHERE (t.q).status = 'leased'
        UNION ALL
        SELECT 3, (t.q).node_name, 'retry', (t.q).created_at, (t.q).available_at, 'its next attempt',
               CASE WHEN (t.q).available_at < clock_timestamp()
                    THEN format('The next attempt (%s of %s failed so far) has been due for %s and nobody has come by.',
                                (t.q).attempts, (t.q).max_attempts, noetl.span(clock_timestamp() - (t.q).available_at))
                    ELSE format('%s of %s attempts have failed; the next is due in %s.', (t.q).attempts,
                                (t.q).max_attempts, noetl.span((t.q).available_at - clock_timestamp())) END,
               CASE WHEN (t.q).available_at < clock_timestamp()
                    THEN noetl.why_overdue()
                    ELSE format('SELECT * FROM noetl.timeline(%s) shows the errors.', why_unchecked.execution_id) END
          FROM task AS t WHERE (t.q).status = 'retry'
        -- its other live runs
        UNION ALL
        SELECT 3, (r.r).step_name, 'waiting', (r.r).created_at, (r.r).due_at, w.waits_for, w.detail, w.hint
          FROM run AS r CROSS JOIN LATERAL noetl.why_waiting(r.r, r.catalog_id) AS w
         WHERE (r.r).state = 'waiting'
        UNION ALL
        SELECT 3, (r.r).step_name, 'open', (r.r).created_at, (r.r).due_at, w.waits_for, w.detail, w.hint
          FROM run AS r CROSS JOIN LATERAL noetl.why_open(r.r) AS w
         WHERE (r.r).state = 'open'
        UNION ALL
        SELECT 3, (r.r).step_name, 'awaiting', (r.r).created_at, (r.r).due_at, w.waits_for, w.detail, w.hint
          FROM run AS r CROSS JOIN LATERAL noetl.why_awaiting(r.r) AS w
         WHERE (r.r).state = 'awaiting'
        UNION ALL
        SELECT 3, (r.r).step_name, 'retry', (r.r).created_at, (r.r).due_at, 'its next attempt',
               format('%s attempts have failed; the next %s.', (r.r).attempts,
                      CASE WHEN (r.r).due_at < clock_timestamp()
                           THEN format('has been due for %s and nobody has come by', noetl.span(clock_timestamp() - (r.r).due_at))
                           ELSE format('is due in %s', noetl.span((r.r).due_at - clock_timestamp())) END),
               CASE WHEN (r.r).due_at < clock_timestamp()
                    THEN noetl.why_overdue() END
          FROM run AS r WHERE (r.r).state = 'retry'
        UNION ALL
        SELECT 3, (r.r).step_name, 'held', h.created_at, NULL, 'somebody who sees to it',
               format('It failed and is held since %s: %s.', h.created_at, coalesce(left(h.error, 500), 'no error is known')),
               format('SELECT noetl.retry(%1$s, %2$L); or SELECT noetl.skip(%1$s, %2$L, value);', (r.r).execution_id, (r.r).step_name)
          FROM run AS r
          LEFT JOIN LATERAL noetl.held_since((r.r).execution_id, (r.r).step_name, (r.r).visit) AS h ON true
         WHERE (r.r).state = 'held'
        UNION ALL
        SELECT 2, NULL, 'compensating', e.created_at, NULL, 'its compensations',
               format('It ends as %s when what it has completed is undone (%s steps, the newest first): %s.',
                      e.meta ->> 'status', jsonb_array_length(e.meta -> 'steps'), coalesce(left(e.error, 500), 'no reason is known')),
               format('SELECT noetl.cancel(%s) ends it at once.', e.execution_id)
          FROM (SELECT q.execution_id FROM noetl.queue AS q
                 WHERE q.execution_id = why_unchecked.execution_id AND q.node_name LIKE '%.compensate'
                UNION SELECT (r.r).execution_id FROM run AS r WHERE (r.r).step_name LIKE '%.compensate') AS live
         CROSS JOIN LATERAL (SELECT c.* FROM noetl.event AS c
                              WHERE c.execution_id = live.execution_id AND c.event_type = 'execution_compensating'
                              ORDER BY c.event_id DESC LIMIT 1) AS e
    )
    SELECT c.step, c.state, c.since, c.due, c.waits_for, c.detail, c.hint
      FROM cause AS c
     ORDER BY c.rank, c.since, c.step
$$;
COMMENT ON FUNCTION noetl.why_unchecked(bigint) IS
    'what noetl.why() returns, without its check of rights; to be granted to nobody';

CREATE FUNCTION noetl.why(execution_id bigint)
    RETURNS TABLE (step text, state text, since timestamptz, due timestamptz,
                   waits_for text, detail text, hint text)
    AS 'MODULE_PATHNAME', 'noetl_of_own_execution'
    LANGUAGE C STABLE STRICT PARALLEL RESTRICTED;
COMMENT ON FUNCTION noetl.why(bigint) IS
    'why an execution does not move: for each live run what it waits for, in words, and what to do; rows without a step are about the execution as a whole';

REVOKE ALL ON FUNCTION noetl.worker_has_gone(jsonb), noetl.timer_is_idle(), noetl.why_overdue(), noetl.why_queued(noetl.queue), noetl.why_leased(noetl.queue),
    noetl.why_blocked(bigint), noetl.type_paused(text), noetl.why_paused(noetl.queue),
    noetl.why_waiting(noetl.run, bigint), noetl.held_since(bigint, text, integer), noetl.why_open(noetl.run), noetl.why_awaiting(noetl.run),
    noetl.why_locked(bigint), noetl.why_unchecked(bigint), noetl.why(bigint) FROM PUBLIC;
