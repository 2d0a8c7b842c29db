-- The log as a story: what happened, to which step, and because of which event.
-- Here the worker also says when it begins (action_started).
CREATE FUNCTION sequence(playbook text)
RETURNS TABLE (event text, node text, status text, because_of text)
LANGUAGE sql AS $$
    SELECT e.event_type, e.node_name || coalesce('[' || e.current_index || ']', ''), e.status,
           concat_ws(' ', p.event_type, nullif(p.node_name, playbook),
                     nullif(substring(p.node_id FROM ':\d+$'), ':1'))
      FROM noetl.event e
      LEFT JOIN noetl.event p ON p.execution_id = e.execution_id AND p.event_id = e.parent_event_id
     WHERE e.execution_id = newest(playbook)
     ORDER BY e.created_at
$$;
-- {"step": result}, {"step": {"fail": message}}; retries are due at once.
CREATE PROCEDURE act(answers jsonb DEFAULT '{}', tasks int DEFAULT 1000)
LANGUAGE plpgsql AS $$
DECLARE
    task noetl.queue;
    answer jsonb;
BEGIN
    FOR i IN 1 .. tasks LOOP
        UPDATE noetl.queue SET available_at = now() WHERE queue.status = 'retry';
        PERFORM noetl.enqueue_next();
        SELECT * INTO task FROM noetl.lease('actor');
        EXIT WHEN NOT FOUND;
        INSERT INTO noetl.event (execution_id, event_type, node_name, node_id, worker_id)
        VALUES (task.execution_id, 'action_started', task.node_name, task.node_id, 'actor');
        answer := coalesce(answers -> task.node_name, '{}');
        IF answer ? 'until' AND task.attempts < (answer ->> 'until')::int THEN
            answer := answer || '{"fail": "not yet"}';
        END IF;
        IF answer ? 'fail' THEN
            PERFORM noetl.fail(task.queue_id, answer ->> 'fail', 'actor');
        ELSE
            PERFORM noetl.complete(task.queue_id, answer, 'actor');
        END IF;
    END LOOP;
END
$$;

-- One step after the other.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: sequences/linear
workflow:
- {step: start, next: a}
- {step: a, type: python, code: x, next: b}
- {step: b, type: python, code: x, next: c}
- {step: c, type: python, code: x, next: end}
- step: end
$$) > 0 AS registered;
SELECT noetl.execute('sequences/linear') > 0 AS started;
CALL act();
SELECT * FROM sequence('sequences/linear');

-- A condition, and two branches in parallel.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: sequences/hot_path
workflow:
- {step: start, next: eval_flag}
- step: eval_flag
  type: python
  code: x
  next:
  - {when: "{{ eval_flag.is_hot }}", step: hot_path}
  - {when: "{{ not eval_flag.is_hot }}", step: cold_path}
- {step: hot_path, type: router, next: [hot_task_a, hot_task_b]}
- {step: cold_path, type: router, next: cold_task}
- {step: hot_task_a, type: python, code: x, next: end}
- {step: hot_task_b, type: python, code: x, next: end}
- {step: cold_task, type: python, code: x, next: end}
- step: end
$$) > 0 AS registered;
SELECT noetl.execute('sequences/hot_path') > 0 AS started;
CALL act('{"eval_flag": {"is_hot": true}}');
SELECT * FROM sequence('sequences/hot_path');

-- Five attempts in vain.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: sequences/retry
workflow:
- {step: start, next: call}
- step: call
  type: http
  url: x
  retry: {max_attempts: 5, initial_delay: 2.0, backoff_multiplier: 1.5, max_delay: 10.0, jitter: false}
  next: end
- step: end
$$) > 0 AS registered;
SELECT noetl.execute('sequences/retry') > 0 AS started;
CALL act('{"call": {"fail": "HTTP 500"}}');
SELECT * FROM sequence('sequences/retry');
SELECT meta FROM noetl.event WHERE execution_id = newest('sequences/retry') AND event_type = 'action_retry' ORDER BY event_id;
-- The second is better.
SELECT noetl.execute('sequences/retry') > 0 AS started;
CALL act('{"call": {"until": 2}}');
SELECT * FROM sequence('sequences/retry');

-- A child for each of four items, one after the other; the children's own
-- events are between them.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: sequences/child
workflow:
- {step: start, next: score}
- {step: score, type: python, code: x, next: end}
- {step: end, result: "{{ score }}"}
$$) > 0 AS registered;
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: sequences/iterator
workload: {users: [a, b, c, d]}
workflow:
- {step: start, next: process}
- step: process
  type: iterator
  collection: "{{ workload.users }}"
  element: user
  mode: sequential
  task: {type: playbook, path: sequences/child, args: {user: "{{ user }}"}}
  next: validate
- {step: validate, type: python, code: x, next: end}
- step: end
$$) > 0 AS registered;
SELECT noetl.execute('sequences/iterator') > 0 AS started;
CALL act();
SELECT CASE WHEN x.path = 'sequences/child' THEN 'child ' || x.current_index ELSE '' END AS who,
       e.event_type AS event, e.node_name || coalesce('[' || e.current_index || ']', '') AS node, e.status,
       concat_ws(' ', p.event_type, nullif(p.node_name, x.path)) AS because_of
  FROM noetl.execution x
  JOIN noetl.event e USING (execution_id)
  LEFT JOIN noetl.event p ON p.execution_id = e.execution_id AND p.event_id = e.parent_event_id
 WHERE newest('sequences/iterator') IN (x.execution_id, x.parent_execution_id)
 ORDER BY e.created_at;

-- One of three branches fails: what is queued is withdrawn.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: sequences/branch
workflow:
- {step: start, next: [good, bad, late]}
- {step: good, type: python, code: x, next: end}
- {step: bad, type: python, code: x, next: end}
- {step: late, type: python, code: x, next: end}
- step: end
$$) > 0 AS registered;
SELECT noetl.execute('sequences/branch') > 0 AS started;
CALL act('{"bad": {"fail": "no"}}');
SELECT * FROM sequence('sequences/branch');

-- Page by page: the visits of a step are runs of their own.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: sequences/pages
workflow:
- {step: start, next: fetch}
- {step: fetch, type: python, code: x, next: [{when: "{{ fetch.more }}", step: fetch}, {else: [end]}]}
- step: end
$$) > 0 AS registered;
SELECT noetl.execute('sequences/pages') > 0 AS started;
CALL act('{"fetch": {"more": true}}', 2);
CALL act('{"fetch": {"more": false}}');
SELECT * FROM sequence('sequences/pages');
SELECT DISTINCT regexp_replace(node_id, '^\d+', 'x') AS node_id FROM noetl.event
 WHERE execution_id = newest('sequences/pages') AND node_name = 'fetch' ORDER BY 1;

-- No start: the first step begins. No end: it ends when nothing is left.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: sequences/bare
workflow:
- {step: first, type: python, code: x, next: second}
- {step: second, type: python, code: x}
$$) > 0 AS registered;
SELECT noetl.execute('sequences/bare') > 0 AS started;
CALL act();
SELECT * FROM sequence('sequences/bare');
SELECT node_name, meta FROM noetl.event WHERE execution_id = newest('sequences/bare') AND event_type = 'execution_complete';

-- A diamond of which one side is not taken: nobody waits for it.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: sequences/diamond
workload: {right: false}
workflow:
- {step: start, next: [left, {when: "{{ workload.right }}", step: right}]}
- {step: left, type: python, code: x, next: join}
- {step: right, type: python, code: x, next: join}
- {step: join, type: python, code: x, next: end}
- step: end
$$) > 0 AS registered;
SELECT noetl.execute('sequences/diamond') > 0 AS started;
CALL act();
SELECT * FROM sequence('sequences/diamond');
SELECT noetl.execute('sequences/diamond', '{"right": true}') > 0 AS started;
CALL act();
SELECT * FROM sequence('sequences/diamond');

-- A target that does not exist is found before anything runs.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: sequences/unknown
workflow:
- {step: start, next: [{when: "{{ false }}", step: nowhere}]}
- step: end
$$);

-- A condition that raises: false when something else is taken …
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: sequences/raising
workflow:
- {step: start, next: a}
- {step: a, type: python, code: x, next: [{when: "{{ a.no.such.thing }}", step: b}, {when: "{{ a.go_on }}", step: end}]}
- {step: b, type: python, code: x}
- step: end
$$) > 0 AS registered;
SELECT noetl.execute('sequences/raising') > 0 AS started;
CALL act('{"a": {"go_on": true}}');
SELECT * FROM sequence('sequences/raising');
-- … and else the step has failed.
SELECT noetl.execute('sequences/raising') > 0 AS started;
CALL act();
SELECT * FROM sequence('sequences/raising');
SELECT error, meta ->> 'kind' AS kind FROM noetl.event WHERE execution_id = newest('sequences/raising') AND event_type = 'step_failed';

DROP FUNCTION sequence;
DROP PROCEDURE act;
