"""What must be true of every execution when nothing runs any more."""
import json

TERMINAL = ("'execution_complete', 'execution_completed', 'execution_end', 'execution_failed',"
            " 'workflow_failed', 'execution_cancelled'")


CHECKS = {
    "not exactly one end": f"""
        SELECT x.execution_id, x.status || ' ' || count(e) AS what
          FROM noetl.execution x LEFT JOIN noetl.event e ON e.execution_id = x.execution_id
           AND e.event_type IN ({TERMINAL}) AND NOT coalesce(e.meta ? 'ignored', false)
         GROUP BY x.execution_id HAVING count(e) <> 1 OR x.status = 'RUNNING' OR x.ended_at IS NULL""",
    "status is not what the last event says": f"""
        SELECT x.execution_id, x.status || ' ' || e.event_type AS what
          FROM noetl.execution x JOIN noetl.event e USING (execution_id)
         WHERE e.event_type IN ({TERMINAL}) AND NOT coalesce(e.meta ? 'ignored', false)
           AND (x.status <> e.status OR x.result IS DISTINCT FROM e.result)""",
    "order of events": """
        SELECT execution_id, event_type || ' ' || event_id AS what
          FROM (SELECT *, lag(created_at) OVER w AS before, lag(event_id) OVER w AS id_before FROM noetl.event
                WINDOW w AS (PARTITION BY execution_id ORDER BY created_at, event_id)) t
         WHERE created_at <= before OR event_id <= id_before""",
    "events after the end": f"""
        SELECT execution_id, event_type || ' ' || node_name AS what
          FROM (SELECT *, max(event_id) FILTER (WHERE event_type IN ({TERMINAL}) AND NOT coalesce(meta ? 'ignored', false))
                          OVER (PARTITION BY execution_id) AS last FROM noetl.event) t
         WHERE event_id > last AND NOT coalesce(meta ? 'ignored', false) AND event_type NOT LIKE '%iterat%'""",
    "steps that start or end twice, or never end": """
        SELECT execution_id, node_id || ': ' || started || ' ' || ended AS what
          FROM (SELECT execution_id, node_id,
                       count(*) FILTER (WHERE event_type = 'step_started') AS started,
                       count(*) FILTER (WHERE event_type IN ('step_completed', 'step_failed', 'step_skipped', 'step_end')) AS ended
                  FROM noetl.event WHERE event_type LIKE 'step\\_%' AND NOT coalesce(meta ? 'ignored', false)
                 GROUP BY execution_id, node_id) t JOIN noetl.execution x USING (execution_id)
         WHERE started > 1 OR ended > 1 OR (started > ended AND x.status = 'COMPLETED')""",
    "lineage": """
        SELECT e.execution_id, e.event_type || ' ' || e.node_name AS what
          FROM noetl.event e LEFT JOIN noetl.event p ON p.execution_id = e.execution_id AND p.event_id = e.parent_event_id
         WHERE e.event_type NOT IN ('execution_start', 'execution_cancelled') AND NOT coalesce(e.meta ? 'ignored', false)
           AND (p.event_id IS NULL OR p.event_id >= e.event_id)
           AND NOT (e.event_type LIKE '%iterat%' AND EXISTS (  -- told too late
                    SELECT FROM noetl.event l WHERE l.execution_id = e.execution_id AND l.event_id < e.event_id
                       AND (l.event_type IN ('execution_cancelled', 'execution_failed')
                         OR l.node_name = e.node_name AND l.event_type IN ('step_completed', 'step_failed'))))""",
    "left behind": """
        SELECT execution_id, 'queue ' || node_id || ' ' || status AS what FROM noetl.queue
        UNION ALL SELECT execution_id, 'run ' || step_name || ' ' || state FROM noetl.run
        UNION ALL SELECT execution_id, 'pending' FROM noetl.pending""",
}


def check_executions(session):
    """{path: [problems]}"""
    checks = dict(CHECKS)
    if session.value("SELECT to_regclass('noetl.item') IS NOT NULL") == "t":
        checks["items left"] = "SELECT execution_id, step_name || item_index AS what FROM noetl.item"
    if session.value("SELECT to_regproc('noetl.verify') IS NOT NULL") == "t":
        checks["verify"] = ("SELECT x.execution_id, v::text AS what FROM noetl.execution x,"
                            " LATERAL noetl.verify(x.execution_id) v")
    problems = {}
    for name, sql in checks.items():
        for line in session.run(f"SELECT json_build_object('x', c.execution_id, 'what', c.what, 'path', x.path)"
                                f" FROM ({sql}) c LEFT JOIN noetl.execution x USING (execution_id) LIMIT 100"):
            row = json.loads(line)
            problems.setdefault(row["path"], []).append(f"{name}: {row['what']} in {row['path']} {row['x']}")
    return problems
