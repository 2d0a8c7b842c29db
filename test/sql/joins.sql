-- Where branches meet, and steps that are visited again while an earlier visit
-- still runs.

-- The tasks of the newest execution: "save:2" is the second visit of save …
CREATE FUNCTION pg_temp.tasks(playbook text)
RETURNS TABLE (task text, input jsonb) LANGUAGE sql AS $$
    SELECT replace(q.node_id, q.execution_id || ':', ''), q.action -> 'data'
      FROM noetl.queue q WHERE q.execution_id = newest(playbook) ORDER BY q.queue_id
$$;
-- … a worker takes all of them and ends one …
CREATE FUNCTION pg_temp.done(playbook text, task text, answer jsonb DEFAULT '{}')
RETURNS boolean LANGUAGE sql AS $$
    SELECT noetl.complete(q.queue_id, answer, 'w')
      FROM (SELECT count(*) FROM noetl.lease('w', 100)) l,
           noetl.queue q
     WHERE l IS NOT NULL AND q.node_id = newest(playbook) || ':' || task
$$;
-- … and what waits.
CREATE FUNCTION pg_temp.waiting(playbook text)
RETURNS TABLE (task text, state text, arrived text) LANGUAGE sql AS $$
    SELECT r.step_name || CASE WHEN r.visit > 1 THEN ':' || r.visit ELSE '' END, r.state,
           (SELECT string_agg(a ->> 'from', ', ') FROM jsonb_array_elements(r.arrivals) a)
      FROM noetl.run r WHERE r.execution_id = newest(playbook) ORDER BY 1
$$;

-- Each page is saved while the next one is fetched.  A save sees the page that
-- it follows, however long it takes.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: joins/pages
workflow:
- step: start
  next: fetch
- step: fetch
  type: python
  code: x
  args: {after: "{{ (fetch | default({})).last }}"}
  next:
  - then: [save]
  - {when: "{{ result.more }}", then: [fetch]}
- step: save
  type: python
  code: x
  args: {page: "{{ fetch.last }}"}
  next:
  - then: [{step: report, args: {last: "{{ fetch.last }}"}}]
- step: report
  join: all
  type: python
  code: x
  args: {saved: "{{ save.rows }}"}
  next: end
- step: end
$$) > 0 AS registered;
SELECT noetl.execute('joins/pages') > 0 AS started;
SELECT pg_temp.done('joins/pages', 'fetch', '{"last": 10, "more": true}');
SELECT pg_temp.done('joins/pages', 'fetch:2', '{"last": 20, "more": true}');
SELECT * FROM pg_temp.tasks('joins/pages');
SELECT pg_temp.done('joins/pages', 'fetch:3', '{"last": 30, "more": false}');
SELECT pg_temp.done('joins/pages', 'save:2', '{"rows": 2}');
SELECT * FROM pg_temp.waiting('joins/pages');
SELECT live FROM jsonb_array_elements(noetl.status(newest('joins/pages')) -> 'live') live;
SELECT * FROM noetl.verify(newest('joins/pages'));
-- The first save ends last: it still follows page 1.
SELECT pg_temp.done('joins/pages', 'save:3', '{"rows": 3}');
SELECT pg_temp.done('joins/pages', 'save', '{"rows": 1}');
SELECT * FROM pg_temp.tasks('joins/pages');
SELECT * FROM noetl.verify(newest('joins/pages'));
SELECT pg_temp.done('joins/pages', 'report');
SELECT * FROM story('joins/pages');
SELECT e.node_name, e.meta -> 'sees' AS sees FROM noetl.event e
 WHERE e.execution_id = newest('joins/pages') AND e.event_type = 'step_started' ORDER BY e.event_id;
SELECT * FROM noetl.verify(newest('joins/pages'));

-- Two branches side by side, round after round.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: joins/rounds
workflow:
- step: s
  type: python
  code: x
  next: [a, b]
- {step: a, type: python, code: x, next: {step: j, args: {a: "{{ result.n }}"}}}
- {step: b, type: python, code: x, args: {seen: "{{ (a | default({})).n }}"},
   next: {step: j, args: {b: "{{ (a | default({})).n }}"}}}
- step: j
  type: python
  code: x
  args: {a_is: "{{ results.a.n }}"}
  next:
  - when: "{{ result.again }}"
    then: [s]
$$) > 0 AS registered;
SELECT noetl.execute('joins/rounds') > 0 AS started;
SELECT pg_temp.done('joins/rounds', 's'), pg_temp.done('joins/rounds', 'a', '{"n": 1}');
SELECT * FROM pg_temp.waiting('joins/rounds');
SELECT pg_temp.done('joins/rounds', 'b');
SELECT * FROM pg_temp.tasks('joins/rounds');
SELECT pg_temp.done('joins/rounds', 'j', '{"again": true}'), pg_temp.done('joins/rounds', 's:2');
-- b sees what a said in the round before: this round's a is not one of its ancestors.
SELECT pg_temp.done('joins/rounds', 'a:2', '{"n": 2}'), pg_temp.done('joins/rounds', 'b:2');
SELECT * FROM pg_temp.tasks('joins/rounds');
SELECT * FROM noetl.verify(newest('joins/rounds'));
SELECT pg_temp.done('joins/rounds', 'j:2');
SELECT * FROM story('joins/rounds');

-- "each": what two branches lead to runs once for each of them.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: joins/each
workflow:
- step: start
  next: [a, b]
- {step: a, type: python, code: x, next: {step: log, args: {of: a}}}
- {step: b, type: python, code: x, next: {step: log, args: {of: b}}}
- step: log
  join: each
  type: python
  code: x
  next: end
- step: end
$$) > 0 AS registered;
SELECT noetl.execute('joins/each') > 0 AS started;
SELECT pg_temp.done('joins/each', 'b'), pg_temp.done('joins/each', 'a');
SELECT * FROM pg_temp.tasks('joins/each');
SELECT * FROM noetl.verify(newest('joins/each'));
-- Who does not say which visit he means speaks for the oldest one …
INSERT INTO noetl.event (execution_id, event_type, node_name, result)
VALUES (newest('joins/each'), 'action_completed', 'log', '1');
SELECT * FROM pg_temp.tasks('joins/each');
INSERT INTO noetl.event (execution_id, event_type, node_name, result)
VALUES (newest('joins/each'), 'action_completed', 'log', '2');
SELECT * FROM story('joins/each');
-- … or for the oldest that he holds; so does who has ids of his own.
SELECT noetl.execute('joins/each') > 0 AS started;
SELECT step FROM work('{}', 2);
SELECT replace(node_id, execution_id || ':', '') AS first FROM noetl.lease('w1', 1);
SELECT replace(node_id, execution_id || ':', '') AS second FROM noetl.lease('w2', 1);
INSERT INTO noetl.event (execution_id, event_type, node_name, node_id, result, worker_id)
VALUES (newest('joins/each'), 'action_completed', 'log', 'mine', '2', 'w2');
SELECT task FROM pg_temp.tasks('joins/each');
INSERT INTO noetl.event (execution_id, event_type, node_name, result, worker_id)
VALUES (newest('joins/each'), 'action_completed', 'log', '3', 'w2');
SELECT task FROM pg_temp.tasks('joins/each');
SELECT e.node_id ~ ':2$' AS second_visit, e.meta ->> 'ignored' AS ignored FROM noetl.event e
 WHERE e.execution_id = newest('joins/each') AND e.worker_id = 'w2' AND e.event_type = 'action_completed' ORDER BY e.event_id;
-- Who names a visit that is over, or has not begun, speaks for none.
INSERT INTO noetl.event (execution_id, event_type, node_name, node_id, result)
SELECT newest('joins/each'), 'action_completed', 'log', newest('joins/each') || node, '4'
  FROM unnest('{:log:2,:log:3}'::text[]) node;
SELECT replace(e.node_id, e.execution_id || ':', '') AS node, e.meta ->> 'ignored' AS ignored FROM noetl.event e
 WHERE e.execution_id = newest('joins/each') AND e.meta ? 'ignored' ORDER BY e.event_id;
SELECT noetl.complete(queue_id, '5', 'w1') FROM noetl.queue WHERE execution_id = newest('joins/each');
SELECT status FROM noetl.execution WHERE execution_id = newest('joins/each');
SELECT * FROM noetl.verify(newest('joins/each'));

-- "any": the first one starts it, the others are dropped and the log says so;
-- in a cycle once a round.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: joins/any
workflow:
- step: start
  next: race
- {step: race, join: each, next: [a, b]}
- {step: a, type: python, code: x, next: won}
- {step: b, type: python, code: x, next: won}
- step: won
  join: any
  type: python
  code: x
  next: [{when: "{{ result.again }}", then: [race]}]
$$) > 0 AS registered;
SELECT noetl.execute('joins/any') > 0 AS started;
SELECT pg_temp.done('joins/any', 'b'), pg_temp.done('joins/any', 'won', '{"again": true}');
-- The loser of the first round comes in during the second one.
SELECT pg_temp.done('joins/any', 'a');
SELECT * FROM pg_temp.tasks('joins/any');
SELECT pg_temp.done('joins/any', 'a:2'), pg_temp.done('joins/any', 'b:2'), pg_temp.done('joins/any', 'won:2');
SELECT * FROM story('joins/any');
SELECT * FROM noetl.verify(newest('joins/any'));

-- A diamond of which one side is not taken; what leads to an end with an action
-- is waited for, and the end runs once.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: joins/diamond
workload: {both: false}
workflow:
- step: start
  next: [left, {when: "{{ both }}", then: [right]}]
- {step: left, type: python, code: x, next: end}
- {step: right, type: python, code: x, next: end}
- {step: end, type: python, code: x, args: {l: "{{ (left | default({})).n }}", r: "{{ (right | default({})).n }}"}}
$$) > 0 AS registered;
SELECT noetl.execute('joins/diamond') > 0 AS started;
SELECT * FROM work('{"left": {"n": 1}, "right": {"n": 2}}');
SELECT noetl.execute('joins/diamond', '{"both": true}') > 0 AS started;
SELECT * FROM work('{"left": {"n": 1}, "right": {"n": 2}}');
SELECT * FROM story('joins/diamond');

-- Two joins of one circle: the first of the document goes, then the other one
-- is looked at again.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: joins/circle
workflow:
- step: start
  next: [x, y]
- {step: x, type: python, code: x, next: [{when: "{{ result.go | default(true) }}", then: [y]}]}
- {step: y, type: python, code: x, next: [{when: "{{ result.go | default(true) }}", then: [x]}]}
$$) > 0 AS registered;
SELECT noetl.execute('joins/circle') > 0 AS started;
SELECT * FROM pg_temp.tasks('joins/circle');
SELECT * FROM pg_temp.waiting('joins/circle');
SELECT pg_temp.done('joins/circle', 'x');
SELECT * FROM pg_temp.waiting('joins/circle');
SELECT pg_temp.done('joins/circle', 'y', '{"go": false}');
SELECT * FROM story('joins/circle');

-- Visits fail, are repeated and run out of time one by one.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: joins/failures
workload: {items: 3}
workflow:
- step: next_item
  type: python
  code: x
  next:
  - handle
  - when: "{{ result.n < items }}"
    then: [next_item]
- step: handle
  type: python
  code: x
  args: {n: "{{ next_item.n }}"}
  retry: {max_attempts: 2, initial_delay: 0}
  on_error: {step: repair, args: {n: "{{ next_item.n }}", why: "{{ error }}"}}
  next: end
- {step: repair, type: python, code: x, next: end}
- step: end
$$) > 0 AS registered;
SELECT noetl.execute('joins/failures') > 0 AS started;
SELECT pg_temp.done('joins/failures', 'next_item', '{"n": 1}'), pg_temp.done('joins/failures', 'next_item:2', '{"n": 2}'),
       pg_temp.done('joins/failures', 'next_item:3', '{"n": 3}');
SELECT count(*) AS leased FROM noetl.lease('w', 10);
SELECT noetl.fail(queue_id, 'no', 'w') FROM noetl.queue WHERE node_id ~ ':handle:2$';
SELECT replace(node_id, execution_id || ':', '') AS task, status, attempts FROM noetl.queue ORDER BY node_id COLLATE "C";
SELECT * FROM noetl.verify(newest('joins/failures'));
-- What is lost is made again from the log.
DELETE FROM noetl.queue WHERE execution_id = newest('joins/failures');
SELECT noetl.rebuild(newest('joins/failures')) AS changes;
SELECT * FROM noetl.verify(newest('joins/failures'));
SELECT * FROM pg_temp.tasks('joins/failures');
SELECT count(*) AS leased FROM noetl.lease('w', 10);
SELECT noetl.fail(queue_id, 'not again', 'w') FROM noetl.queue WHERE node_id ~ ':handle:2$';
SELECT * FROM pg_temp.tasks('joins/failures');
SELECT pg_temp.done('joins/failures', 'handle:3'), pg_temp.done('joins/failures', 'repair'), pg_temp.done('joins/failures', 'handle');
SELECT * FROM story('joins/failures');
SELECT * FROM noetl.verify(newest('joins/failures'));

-- Children and items of several visits at a time.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: joins/child
workload: {n: 0}
workflow:
- {step: task, type: python, code: x, args: {n: "{{ n }}"}, next: end}
- {step: end, result: {n: "{{ n }}", said: "{{ task.said }}"}}
$$) > 0 AS registered;
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: joins/children
workflow:
- step: page
  type: python
  code: x
  next:
  - then: [child, items]
  - when: "{{ result.n < 2 }}"
    then: [page]
- step: child
  type: playbook
  playbook_path: joins/child
  args: {n: "{{ page.n }}"}
  next: {step: note, args: {child: "{{ result.said }}", page: "{{ page.n }}"}}
- step: items
  type: iterator
  mode: distributed
  concurrency: 2
  collection: "{{ page.rows }}"
  element: row
  task: {type: python, code: x, args: {row: "{{ row }}", page: "{{ page.n }}"}}
  next: {step: note, args: {rows: "{{ result }}", page: "{{ page.n }}"}}
- {step: note, join: each, type: python, code: x, next: end}
- step: end
$$) > 0 AS registered;
SELECT noetl.execute('joins/children') > 0 AS started;
SELECT pg_temp.done('joins/children', 'page', '{"n": 1, "rows": [1, 2, 3]}');
SELECT pg_temp.done('joins/children', 'page:2', '{"n": 2, "rows": [4, 5, 6]}');
SELECT * FROM pg_temp.tasks('joins/children');
SELECT * FROM pg_temp.waiting('joins/children');
SELECT step_name, visit, item_index, item FROM noetl.item ORDER BY visit, item_index;
SELECT * FROM noetl.verify(newest('joins/children'));
SELECT pg_temp.done('joins/children', 'items:2[1]', '50'), pg_temp.done('joins/children', 'items[0]', '10');
SELECT * FROM pg_temp.tasks('joins/children');
SELECT * FROM noetl.verify(newest('joins/children'));
SELECT live - 'worker_id' AS live FROM jsonb_array_elements(noetl.status(newest('joins/children')) -> 'live') live;
DELETE FROM noetl.run WHERE execution_id = newest('joins/children');
DELETE FROM noetl.item WHERE execution_id = newest('joins/children');
SELECT noetl.rebuild(newest('joins/children')) AS changes;
SELECT pg_temp.done('joins/children', 'items:2[2]', '60'), pg_temp.done('joins/children', 'items:2[0]', '40');
SELECT * FROM pg_temp.tasks('joins/children') WHERE task ~ 'note';
-- the child of page 2, then that of page 1
SELECT noetl.complete(q.queue_id, jsonb_build_object('said', q.action #> '{data,n}'), 'w')
  FROM noetl.queue q WHERE q.node_name = 'task' AND q.action #>> '{data,n}' = '2';
SELECT noetl.complete(q.queue_id, jsonb_build_object('said', q.action #> '{data,n}'), 'w')
  FROM noetl.queue q WHERE q.node_name = 'task' AND q.action #>> '{data,n}' = '1';
SELECT * FROM pg_temp.tasks('joins/children') WHERE task ~ 'note';
SELECT * FROM pg_temp.waiting('joins/children');
SELECT * FROM noetl.verify(newest('joins/children'));
SELECT pg_temp.done('joins/children', 'items[1]', '20'), pg_temp.done('joins/children', 'items[2]', '30');
SELECT * FROM pg_temp.tasks('joins/children') WHERE task ~ 'note:4';
SELECT pg_temp.done('joins/children', 'note:' || n) FROM generate_series(2, 4) n;
SELECT pg_temp.done('joins/children', 'note');
SELECT status, error FROM noetl.execution WHERE execution_id = newest('joins/children');
SELECT event, node, note FROM story('joins/children') WHERE event ~ '^(step|execution|iterator)_';
SELECT * FROM noetl.verify(newest('joins/children'));

-- A visit gets the next number, whichever of the earlier ones ended last.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: joins/numbers
workflow:
- step: page
  type: python
  code: x
  next: [{then: [items]}, {when: "{{ result.more }}", then: [page]}]
- step: items
  type: iterator
  mode: distributed
  collection: [1]
  element: row
  task: {type: python, code: x, args: {row: "{{ row }}"}}
$$) > 0 AS registered;
SELECT noetl.execute('joins/numbers') > 0 AS started;
SELECT pg_temp.done('joins/numbers', 'page', '{"more": true}'), pg_temp.done('joins/numbers', 'page:2', '{"more": true}'),
       pg_temp.done('joins/numbers', 'items:2[0]'), pg_temp.done('joins/numbers', 'items[0]'),
       pg_temp.done('joins/numbers', 'page:3', '{"more": false}'), pg_temp.done('joins/numbers', 'items:3[0]');
SELECT status FROM noetl.execution WHERE execution_id = newest('joins/numbers');
SELECT * FROM noetl.verify(newest('joins/numbers'));

-- Timeouts and retries of steps that are open come due visit by visit.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: joins/timeouts
workflow:
- step: page
  type: python
  code: x
  next:
  - then: [{step: child, args: {n: "{{ result.n }}"}}]
  - when: "{{ result.n < 3 }}"
    then: [page]
- step: child
  type: playbook
  playbook_path: joins/child
  timeout: 1 hour
  retry: {max_attempts: 2, initial_delay: 3600, max_delay: 3600, jitter: false}
  on_error: continue
  next: {step: note, args: {said: "{{ result }}"}}
- {step: note, join: each, type: python, code: x}
$$) > 0 AS registered;
SELECT noetl.execute('joins/timeouts') > 0 AS started;
SELECT pg_temp.done('joins/timeouts', 'page', '{"n": 1}'), pg_temp.done('joins/timeouts', 'page:2', '{"n": 2}'),
       pg_temp.done('joins/timeouts', 'page:3', '{"n": 3}');
UPDATE noetl.run SET due_at = now() + visit * interval '1 us' WHERE execution_id = newest('joins/timeouts') AND visit IN (2, 3);
SELECT noetl.enqueue_next(newest('joins/timeouts'));
SELECT * FROM pg_temp.waiting('joins/timeouts');
UPDATE noetl.run SET due_at = now() WHERE execution_id = newest('joins/timeouts') AND visit = 3;
SELECT noetl.enqueue_next(newest('joins/timeouts'));
SELECT * FROM pg_temp.waiting('joins/timeouts');
UPDATE noetl.run SET due_at = now() WHERE execution_id = newest('joins/timeouts') AND visit = 3;
SELECT noetl.enqueue_next(newest('joins/timeouts'));
SELECT * FROM pg_temp.waiting('joins/timeouts');
SELECT task, input -> 'said' ->> 'error' AS error FROM pg_temp.tasks('joins/timeouts');
SELECT noetl.complete(q.queue_id, jsonb_build_object('said', 'well'), 'w')
  FROM noetl.queue q WHERE q.node_name = 'task' AND q.action #>> '{data,n}' = '1';
SELECT * FROM pg_temp.tasks('joins/timeouts');
SELECT event, node, note FROM story('joins/timeouts') WHERE event ~ '^(step|execution|action_(error|retry))' AND node <> 'page';
SELECT noetl.cancel(newest('joins/timeouts'));
SELECT count(noetl.complete(queue_id, '1', 'w')) AS in_vain FROM noetl.queue;

-- A visit of a step is one too many.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: joins/limit
workflow:
- {step: a, type: python, code: x, max_visits: 2, next: [b, a]}
- {step: b, type: python, code: x}
$$) > 0 AS registered;
SELECT noetl.execute('joins/limit') > 0 AS started;
SELECT pg_temp.done('joins/limit', 'a'), pg_temp.done('joins/limit', 'a:2');
SELECT * FROM story('joins/limit');
-- What was leased then finishes in vain.
SELECT pg_temp.done('joins/limit', 'b');
SELECT count(*) AS left_behind FROM noetl.queue;

-- What registration says.
SELECT severity, path, message, hint FROM noetl.validate($$
apiVersion: noetl.io/v1
kind: Playbook
path: joins/wrong
workflow:
- {step: a, join: some, next: end}
- {step: end, join: any}
$$);

-- The end of a step's name is no visit.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: joins/named
workflow:
- {step: "load:2", type: python, code: x, next: end}
- step: end
$$) > 0 AS registered;
SELECT noetl.execute('joins/named') > 0 AS started;
SELECT noetl.status(newest('joins/named')) -> 'live' AS live;
SELECT step, reported FROM work();
