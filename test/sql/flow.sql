-- How an execution moves: linear, in parallel, through joins and in circles.

-- One step after the other (the order of events is the contract).
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: flow/linear
workflow:
- step: start
  next: a
- {step: a, type: python, code: x, next: b}
- {step: b, type: python, code: x, next: [c]}
- {step: c, type: python, code: x, next: [{step: end}]}
- step: end
$$) > 0 AS registered;
SELECT noetl.execute('flow/linear') > 0 AS started;
SELECT * FROM work();
SELECT * FROM story('flow/linear');
-- Lineage: who released whom, and time never stands still.
SELECT e.event_type, e.node_name, p.event_type AS parent, p.node_name AS parent_node
  FROM noetl.event e LEFT JOIN noetl.event p
    ON p.execution_id = e.execution_id AND p.event_id = e.parent_event_id
 WHERE e.execution_id = newest('flow/linear') AND e.node_name IN ('flow/linear', 'a', 'b', 'end')
 ORDER BY e.event_id;
SELECT bool_and(created_at > before AND event_id > id_before) AS strictly_increasing
  FROM (SELECT created_at, lag(created_at) OVER w AS before, event_id, lag(event_id) OVER w AS id_before
          FROM noetl.event WHERE execution_id = newest('flow/linear') WINDOW w AS (ORDER BY event_id)) t
 WHERE before IS NOT NULL;
SELECT noetl.status(newest('flow/linear')) - '{execution_id,started_at,ended_at,steps}'::text[] AS status;
SELECT count(*) AS queued FROM noetl.queue;

-- Two branches in parallel, one completion; a router completes by itself.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: flow/parallel
workflow:
- step: start
  next: split
- step: split
  type: router
  next: [left, right]
- {step: left, type: python, code: x, next: end}
- {step: right, type: python, code: x, next: end}
- step: end
$$) > 0 AS registered;
SELECT noetl.execute('flow/parallel') > 0 AS started;
SELECT * FROM work('{}', 1);
SELECT step_name, state, arrivals #>> '{0,from}' AS from FROM noetl.run;
SELECT * FROM work();
SELECT * FROM story('flow/parallel');
SELECT count(*) AS waiting FROM noetl.run;

-- A diamond: the join waits for both sides; the data of both reaches it, in
-- the order of the playbook and not of time.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: flow/diamond
workload: {right: true}
workflow:
- step: start
  next: [left, {when: "{{ workload.right }}", step: right}]
- {step: left, type: python, code: x, next: {step: join, data: {who: left, l: "{{ result.n }}"}}}
- {step: right, type: shell, command: x, next: {step: join, data: {who: right, r: "{{ result.n }}"}}}
- {step: join, type: python, code: x, next: end}
- step: end
$$) > 0 AS registered;
SELECT noetl.execute('flow/diamond') > 0 AS started;
SELECT queue_id AS task FROM noetl.lease('tester', 1, '1 min', '{shell}') \gset
SELECT noetl.complete(:task, '{"n": 2}', 'tester');
SELECT * FROM work('{"left": {"n": 1}}');
SELECT * FROM story('flow/diamond');
-- A side that was not taken is not waited for.
SELECT noetl.execute('flow/diamond', '{"right": false}') > 0 AS started;
SELECT * FROM work('{"left": {"n": 1}}');
SELECT * FROM story('flow/diamond');

-- join: any starts with the first arrival and drops the others.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: flow/any
workflow:
- step: start
  next: [left, right]
- {step: left, type: python, code: x, next: join}
- {step: right, type: python, code: x, next: join}
- {step: join, join: any, type: python, code: x, next: end}
- step: end
$$) > 0 AS registered;
SELECT noetl.execute('flow/any') > 0 AS started;
SELECT step FROM work();
SELECT * FROM story('flow/any');

-- A direct edge and a detour: the target waits for the detour.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: flow/detour
workflow:
- {step: a, type: python, code: x, next: [c, b]}
- {step: b, type: python, code: x, next: c}
- {step: c, type: python, code: x, next: end}
- step: end
$$) > 0 AS registered;
SELECT noetl.execute('flow/detour') > 0 AS started;
SELECT step FROM work();
SELECT event, node FROM story('flow/detour') WHERE event IN ('step_started', 'execution_complete');

-- In circles: each visit is a run of its own; the newest value counts.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: flow/pages
workload: {pages: 3}
workflow:
- step: start
  next: fetch
- step: fetch
  type: python
  code: x
  data: {page: "{{ fetch.page | default(0) + 1 if fetch is defined else 1 }}"}
  next: keep
- step: keep
  type: router
  next:
  - when: "{{ fetch.page < workload.pages }}"
    step: fetch
  - else: [end]
- step: end
  result: "{{ fetch.page }}"
$$) > 0 AS registered;
SELECT noetl.execute('flow/pages') > 0 AS started;
SELECT * FROM work('{"fetch": {"page": 1}}', 1);
SELECT * FROM work('{"fetch": {"page": 2}}', 1);
SELECT * FROM work('{"fetch": {"page": 3}}', 1);
SELECT * FROM story('flow/pages');
-- A circle that never ends is stopped.
SET noetl.max_visits = 2;
SELECT noetl.execute('flow/pages') > 0 AS started;
SELECT * FROM work('{"fetch": {"page": 1}}');
RESET noetl.max_visits;
SELECT * FROM story('flow/pages') WHERE event IN ('step_failed', 'execution_failed');
-- Also one without any action in it.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: flow/spin
workflow:
- {step: ping, next: pong}
- {step: pong, next: ping, max_visits: 50, on_error: continue}
$$) > 0 AS registered;
SELECT noetl.execute('flow/spin') > 0 AS started;
SELECT * FROM story('flow/spin') WHERE event LIKE '%failed';

-- Without a start the first step begins; without an end the execution ends
-- when nothing is left; and so it does when no transition is taken.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: flow/bare
workflow:
- {step: one, type: python, code: x, next: two}
- {step: two, type: python, code: x}
$$) > 0 AS registered;
SELECT noetl.execute('flow/bare') > 0 AS started;
SELECT step FROM work();
SELECT * FROM story('flow/bare') WHERE event LIKE 'execution%';
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: flow/nowhere
workflow:
- {step: Start, next: [{when: "{{ false }}", step: End}]}
- step: End
$$) > 0 AS registered;
SELECT noetl.execute('flow/nowhere') > 0 AS started;
SELECT * FROM story('flow/nowhere');

-- An end with an action runs once, after everything that can reach it; its
-- value is the result, unless a mapping says otherwise.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: flow/final
workflow:
- step: start
  next: [a, b]
- {step: a, type: python, code: x, next: end}
- {step: b, type: python, code: x, next: end}
- {step: end, type: python, code: x}
$$) > 0 AS registered;
SELECT noetl.execute('flow/final') > 0 AS started;
SELECT step FROM work('{"end": {"status": "success", "data": {"sum": 3}}}');
SELECT * FROM story('flow/final') WHERE event LIKE 'execution%';
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: flow/mapped
workflow:
- {step: a, type: python, code: x, next: end}
- step: end
  result: {all: "{{ results }}", text: "a said {{ a.word }}", number: "{{ a.n + 1 }}"}
$$) > 0 AS registered;
SELECT noetl.execute('flow/mapped') > 0 AS started;
SELECT step FROM work('{"a": {"word": "yes", "n": 41}}');
SELECT result FROM noetl.execution WHERE execution_id = newest('flow/mapped');

-- A dead end beside the end: the execution waits until nothing is left.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: flow/side
workflow:
- {step: start, next: [main, side]}
- {step: main, type: python, code: x, next: end}
- {step: side, type: shell, command: x}
- step: end
$$) > 0 AS registered;
SELECT noetl.execute('flow/side') > 0 AS started;
SELECT queue_id AS task FROM noetl.lease('tester', 1, '1 min', '{python}') \gset
SELECT noetl.complete(:task, '{}', 'tester');
SELECT status FROM noetl.execution WHERE execution_id = newest('flow/side');
SELECT step FROM work();
SELECT * FROM story('flow/side') WHERE event LIKE 'execution%';
SELECT (SELECT count(*) FROM noetl.queue) AS tasks_left, (SELECT count(*) FROM noetl.run) AS runs_left;
