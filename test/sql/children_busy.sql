-- A child whose parent is busy leaves its end in noetl.pending.  What is there is put there by
-- hand here; test/specs/children_end.spec has the sessions.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: busy/child
workflow:
- {step: act, type: python, code: x, next: end}
- {step: end, result: "{{ act.n }}"}
$$) > 0 AS registered;
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: busy/parent
workflow:
- {step: start, next: each}
- {step: each, type: iterator, collection: [1, 2], element: n, mode: async, task: {type: playbook, path: busy/child}, next: end}
- {step: end, result: "{{ each }}"}
$$) > 0 AS registered;
CREATE VIEW pg_temp.child AS
    SELECT x.current_index AS item, x.execution_id, x.ended_at, x.status, q.queue_id
      FROM noetl.execution AS x LEFT JOIN noetl.queue AS q USING (execution_id)
     WHERE x.parent_execution_id = newest('busy/parent');
CREATE FUNCTION pg_temp.leave_end(of_item int) RETURNS void LANGUAGE sql AS $$
    INSERT INTO noetl.pending SELECT newest('busy/parent'), c.ended_at, -c.execution_id FROM pg_temp.child AS c WHERE c.item = of_item
$$;

-- The end of a child that is set going again is an old one: only the new one counts.
SELECT noetl.execute('busy/parent') > 0 AS started;
SELECT count(*) AS leased FROM noetl.lease('w', 10);
SELECT noetl.fail(c.queue_id, 'broken', 'w') FROM pg_temp.child AS c WHERE c.item = 0;
SELECT noetl.status(newest('busy/parent')) ->> 'status' AS status;
SELECT pg_temp.leave_end(0);
SELECT noetl.redrive(newest('busy/parent')) > 0 AS redriven;
SELECT c.item, c.status FROM pg_temp.child AS c ORDER BY 1;
-- (the redrive has looked at what was pending, so the old end comes once more)
INSERT INTO noetl.pending
    SELECT newest('busy/parent'), e.created_at, -c.execution_id
      FROM pg_temp.child AS c JOIN noetl.event AS e USING (execution_id) WHERE c.item = 0 AND e.event_type = 'execution_failed';
SELECT count(*) AS leased FROM noetl.lease('w', 10);
SELECT noetl.complete(c.queue_id, '{"n": 10}', 'w') FROM pg_temp.child AS c WHERE c.item = 0;
SELECT count(*) AS pending FROM noetl.pending;
SELECT e.event_type, e.current_index, e.result, e.meta - 'child_execution_id' AS meta
  FROM noetl.event AS e WHERE e.execution_id = newest('busy/parent') AND e.event_type LIKE 'iteration%ed' AND e.event_type <> 'iteration_started'
 ORDER BY e.event_id;
SELECT count(*) AS differences FROM noetl.verify(newest('busy/parent'));

-- What belongs to somebody else, or to nobody, has no effect.
SELECT noetl.execute('busy/child') > 0 AS started;
SELECT noetl.complete(l.queue_id, '{"n": 30}', 'w') FROM noetl.lease('w') AS l;
INSERT INTO noetl.pending SELECT newest('busy/parent'), x.ended_at, -x.execution_id
    FROM noetl.execution AS x WHERE x.execution_id = newest('busy/child');
INSERT INTO noetl.pending VALUES (newest('busy/parent'), now(), -1);
SELECT noetl.complete(c.queue_id, '{"n": 20}', 'w') FROM pg_temp.child AS c WHERE c.item = 1;
SELECT count(*) AS pending FROM noetl.pending;
SELECT noetl.status(newest('busy/parent')) ->> 'status' AS status, x.result FROM noetl.execution AS x WHERE x.execution_id = newest('busy/parent');
SELECT count(*) AS differences FROM noetl.verify(newest('busy/parent'));

-- A parent that is over hears nothing any more.
SELECT pg_temp.leave_end(1);
SELECT noetl.enqueue_next() >= 0 AS looked;
SELECT count(*) AS pending FROM noetl.pending;
