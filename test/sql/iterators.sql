-- Iterators.  What one worker goes through is one task: everything it needs is
-- in it, in the same form however the playbook says it.
CREATE FUNCTION items(playbook text)
RETURNS TABLE (event text, node text, status text, item jsonb, note text)
LANGUAGE sql AS $$
    SELECT e.event_type, nullif(regexp_replace(e.node_id, '^\d+:?', ''), ''), e.status, e.current_item,
           concat_ws(' | ', e.error, e.meta ->> 'kind', 'ignored: ' || (e.meta ->> 'ignored'),
                     CASE WHEN e.event_type = 'action_retry' THEN 'delay ' || (e.meta ->> 'delay') END,
                     CASE WHEN e.event_type ~ '^(execution|iteration|iterator)_complete'
                          THEN regexp_replace(e.result::text, '\d{15,}', '<id>', 'g') END,
                     CASE WHEN e.event_type ~ '^iteration_(completed|failed)'
                          THEN (e.meta ->> 'done') || ' of ' || (e.meta ->> 'total') || ', started ' || (e.meta ->> 'started') END)
      FROM noetl.event e WHERE e.execution_id = newest(playbook)
     ORDER BY e.event_id
$$;
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
metadata: {path: iterators/worker}
workload: {xs: [1, 2], table: t}
workbook:
- {name: square, type: python, code: "{{ not }} a template", with: {v: "{{ n }}"}}
workflow:
- {step: start, next: plain}
- step: plain
  type: iterator
  collection: "{{ xs }}"
  element: n
  mode: async
  concurrency: "{{ 2 + 2 }}"
  where: "{{ n > 0 }}"
  order_by: n
  limit: 10
  on_error: continue
  task: {tool: {kind: http, url: "{{ workload.table }}/{{ n }}"}, save: {table: "{{ table }}", data: {n: "{{ n }}"}}}
  save: {storage: postgres, auth: a, table: agg, data: {all: "{{ results | tojson }}"}}
  next: aliases
- step: aliases
  type: iterator
  data: "{{ xs }}"
  iterator: n
  task: square
  next: loop
- step: loop
  loop: {in: "{{ xs }}", iterator: n}
  type: workbook
  task: square
  args: {w: 1}
  sink: {tool: event_log, args: "{{ result }}"}
  next: several
- step: several
  tool: iterator
  collection: "{{ xs }}"
  element: n
  workbook:
  - {name: one, tool: shell, command: "echo {{ n }}"}
  - {name: two, type: workbook, task: square}
  next: nested
- step: nested
  type: iterator
  collection: "{{ xs }}"
  element: n
  task: {type: iterator, in: "{{ range(n) }}", iterator: m, task: {type: python, args: {m: "{{ m }}"}}}
  next: end
- {step: end, result: "{{ plain }}"}
$$) > 0 AS registered;
SELECT noetl.execute('iterators/worker') > 0 AS started;
SELECT node_name, node_type, jsonb_pretty(action) AS action, context FROM noetl.queue;
SELECT step FROM work('{"plain": {"status": "success", "data": [1, 4]}}', 1);
SELECT node_type, action FROM noetl.queue;
SELECT step FROM work('{}', 1);
SELECT node_type, action FROM noetl.queue;
SELECT step FROM work('{}', 1);
SELECT node_type, action FROM noetl.queue;
-- The worker says how far it has come; only the end of the task counts.
INSERT INTO noetl.event (execution_id, event_type, node_name, current_index, current_item)
SELECT newest('iterators/worker'), t, 'several', i, '1' FROM (VALUES ('iterator_started', NULL), ('loop_iteration', 0), ('iteration_completed', 0)) v (t, i);
SELECT step FROM work('{}', 1);
SELECT node_type, action FROM noetl.queue;
SELECT step FROM work();
SELECT event, node, status FROM items('iterators/worker') WHERE node LIKE 'several%' OR node IS NULL;
SELECT result FROM noetl.execution WHERE execution_id = newest('iterators/worker');
-- iterator_completed, under any of its names, ends the step, too.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
metadata: {path: iterators/old_names}
workflow:
- {step: start, type: iterator, collection: [1], element: n, task: {type: python}, next: end}
- {step: end, result: "{{ start }}"}
$$) > 0 AS registered;
SELECT noetl.execute('iterators/old_names') > 0 AS started;
INSERT INTO noetl.event (execution_id, event_type, node_name, result) VALUES (newest('iterators/old_names'), 'end_loop', 'start', '[4]');
SELECT event, node, status, note FROM items('iterators/old_names');

-- A child execution for each item, one after the other: the results come by index.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
metadata: {path: iterators/child}
workflow:
- {step: start, next: calc}
- {step: calc, type: python, code: x, args: {x: "{{ x }}", place: "{{ place }}"}, next: end}
- {step: end, result: {y: "{{ calc.y }}"}}
$$) > 0 AS registered;
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
metadata: {path: iterators/parent}
workload: {users: [{name: c, age: 3}, {name: a, age: 1}, {name: x, age: 99}, {name: b, age: 2}]}
workflow:
- {step: start, next: each}
- step: each
  tool: playbook
  loop: {collection: "{{ users }}", element: user, where: "{{ user.age < 50 }}", order_by: "{{ user.name }}"}
  path: iterators/child
  args: {x: "{{ user.name }}", place: "{{ _loop.index }} of {{ _loop.count }} in {{ each.result_index }}"}
  next: end
- {step: end, result: ["{{ each.data | map(attribute='y') | list }}", "{{ each.total_iterations }}"]}
$$) > 0 AS registered;
SELECT noetl.execute('iterators/parent') > 0 AS started;
SELECT step_name, item_index, item FROM noetl.item ORDER BY 1, 2;
SELECT step, input FROM work('{"calc": {"y": 5}}');
SELECT * FROM items('iterators/parent');
SELECT count(*) FROM noetl.item;

-- What comes with the transition is part of what a loop does for each item; the
-- task of an iterator sees the iterator's input, but is not given it.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
metadata: {path: iterators/input}
workflow:
- {step: start, next: [{step: a, args: {fast: 1}}, {step: b, args: {fast: 2}}]}
- {step: a, type: python, loop: {in: [x], iterator: i, mode: distributed}, args: {i: "{{ i }}", seen: "{{ data.fast }}"}, next: end}
- {step: b, type: iterator, in: [y], iterator: i, mode: distributed, args: {slow: 3}, task: {type: python, args: {i: "{{ i }}", seen: "{{ input }}"}}, next: end}
- {step: c, loop: {in: [1], iterator: i}}
- {step: end}
$$) > 0 AS registered;
SELECT noetl.execute('iterators/input') > 0 AS started;
SELECT step, input FROM work();

-- async: several at once; they may end in any order.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
metadata: {path: iterators/async}
workflow:
- step: start
  type: iterator
  collection: {item: [1, 2, 3, 4, 5]}
  element: n
  mode: async
  concurrency: 2
  chunk: 2
  task: {type: playbook, path: iterators/child, args: {x: "{{ batch }}", place: "{{ n | sum }}"}}
  next: end
- {step: end, result: "{{ start.data | map(attribute='y') | list }}"}
$$) > 0 AS registered;
SELECT noetl.execute('iterators/async') > 0 AS started;
SELECT queue_id AS first, action -> 'data' AS data FROM noetl.lease('w') \gset
SELECT queue_id AS second FROM noetl.lease('w') \gset
SELECT :'data'::jsonb, (SELECT count(*) FROM noetl.queue) AS in_flight;
SELECT noetl.status(newest('iterators/async')) -> 'live' -> 0 -> 'items' AS items;
SELECT noetl.complete(:second, '{"y": 20}', 'w');
SELECT noetl.status(newest('iterators/async')) -> 'live' -> 0 -> 'items' AS items;
SELECT queue_id AS third FROM noetl.lease('w') \gset
SELECT noetl.complete(:third, '{"y": 30}', 'w'), noetl.complete(:first, '{"y": 10}', 'w');
SELECT result FROM noetl.execution WHERE execution_id = newest('iterators/async');
SELECT event, node, item, note FROM items('iterators/async');

-- distributed: the items of any task are tasks of their own.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
metadata: {path: iterators/spread}
workload: {xs: '[1, 2, 3]'}
workflow:
- {step: start, next: each}
- step: each
  type: iterator
  mode: distributed
  concurrency: 2
  collection: "{{ xs }}"
  element: n
  on_error: continue
  task: {type: python, code: x, args: {n: "{{ n }}"}, retry: {max_attempts: 2, initial_delay: 0}}
  next: end
- {step: end, result: ["{{ each }}", "{{ each.errors }}"]}
$$) > 0 AS registered;
SELECT noetl.execute('iterators/spread') > 0 AS started;
SELECT regexp_replace(node_id, '^\d+', '') AS node_id, node_type, current_index, action -> 'data' AS data, max_attempts FROM noetl.queue ORDER BY current_index;
-- by hand, without the functions
INSERT INTO noetl.event (execution_id, event_type, node_name, node_id, result)
SELECT execution_id, 'action_completed', node_name, node_id, '{"status": "success", "data": 1}' FROM noetl.queue WHERE current_index = 0;
INSERT INTO noetl.event (execution_id, event_type, node_name, current_index, error)
VALUES (newest('iterators/spread'), 'action_error', 'each', 1, 'not now');
SELECT step, input, reported FROM work('{"each": {"fail": "not at all"}}');
SELECT * FROM items('iterators/spread');
-- without on_error the first failure ends it, and withdraws the others
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
metadata: {path: iterators/fragile}
workflow:
- step: start
  type: iterator
  mode: distributed
  collection: "{{ range(5000) }}"
  element: n
  task: {type: python, code: x, args: {n: "{{ n }}"}}
  on_error: {step: mend}
  next: end
- {step: mend, type: python, next: end}
- {step: end}
$$) > 0 AS registered;
SELECT noetl.execute('iterators/fragile') > 0 AS started;
SELECT count(*), (SELECT count(*) FROM noetl.item) AS waiting FROM noetl.queue;
SELECT queue_id AS late FROM noetl.lease('w') \gset
SELECT step FROM work('{"start": {"fail": "oh"}}', 1);
SELECT node_name, status, count(*), (SELECT count(*) FROM noetl.item) AS waiting FROM noetl.queue GROUP BY 1, 2 ORDER BY 1, 2;
SELECT noetl.complete(:late, '1', 'w');
SELECT step FROM work();
SELECT event, node, note FROM items('iterators/fragile') WHERE event NOT LIKE 'iteration_started';
-- order_by decides which items a limit leaves, in which order they are handed out, and that of the results; nothing is warned of
CREATE TEMP TABLE ordered AS SELECT $$
apiVersion: noetl.io/v1
kind: Playbook
metadata: {path: iterators/ordered}
workflow:
- step: each
  type: iterator
  mode: distributed
  concurrency: 2
  collection: [{n: 2}, {n: 9}, {n: 1}, {n: 5}]
  element: x
  order_by: -n
  limit: 3
  task: {type: python, code: x, args: {n: "{{ x.n }}"}}
  next: end
- {step: end, result: "{{ each }}"}
$$ AS content;
SELECT v.* FROM ordered, noetl.validate(content) AS v;
SELECT noetl.register(content) > 0 AS registered FROM ordered;
SELECT noetl.execute('iterators/ordered') > 0 AS started;
SELECT l.current_index, l.action #> '{data,n}' AS n FROM noetl.lease('w', 1) AS l;
SELECT current_index, status, action #> '{data,n}' AS n FROM noetl.queue ORDER BY current_index;
SELECT noetl.complete(queue_id, action #> '{data,n}', 'w') FROM noetl.queue WHERE status = 'leased';
SELECT l.current_index, l.action #> '{data,n}' AS n, noetl.complete(l.queue_id, l.action #> '{data,n}', 'w') FROM noetl.lease('w', 1) AS l;
SELECT l.current_index, l.action #> '{data,n}' AS n, noetl.complete(l.queue_id, l.action #> '{data,n}', 'w') FROM noetl.lease('w', 1) AS l;
SELECT status, result FROM noetl.execution WHERE execution_id = newest('iterators/ordered');
SELECT * FROM noetl.verify(newest('iterators/ordered'));

-- Nothing to do; nothing that can be gone through; an item whose templates fail.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
metadata: {path: iterators/edges}
workload: {xs: ''}
workflow:
- {step: start, next: each}
- step: each
  type: iterator
  mode: distributed
  collection: "{{ xs }}"
  element: n
  on_error: continue
  task: {type: python, code: x, args: {n: "{{ 6 // n }}"}}
  next: end
- {step: end, result: "{{ each.data }}"}
$$) > 0 AS registered;
SELECT noetl.execute('iterators/edges') > 0 AS started;
SELECT event, node, note FROM items('iterators/edges');
SELECT noetl.execute('iterators/edges', '{"xs": 5}') > 0 AS started;
SELECT event, node, note FROM items('iterators/edges');
SELECT noetl.execute('iterators/edges', '{"xs": [0, 0, 3, 0]}') > 0 AS started;
SELECT step, input FROM work('{"each": 2}');
SELECT event, node, note FROM items('iterators/edges');

-- Children that need no worker: as many as there are, in one transaction.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
metadata: {path: iterators/echo}
workflow: [{step: end, result: "{{ x }}"}]
$$) > 0 AS registered;
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
metadata: {path: iterators/many}
workload: {n: 3000}
workflow:
- {step: start, type: iterator, collection: "{{ range(n) }}", element: i, mode: async,
   task: {type: playbook, path: iterators/echo, args: {x: "{{ i * 2 }}"}}, next: end}
- {step: end, result: "{{ start.data | sum }}"}
$$) > 0 AS registered;
SELECT noetl.execute('iterators/many') > 0 AS started;
SELECT status, result FROM noetl.execution WHERE execution_id = newest('iterators/many');
SELECT count(DISTINCT event_id) = count(*) AS distinct, count(*) FROM noetl.event WHERE execution_id = newest('iterators/many');

-- An iterator in a cycle, with a save after each item and one at the end.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
metadata: {path: iterators/cycle}
workflow:
- {step: start, next: each}
- step: each
  type: iterator
  collection: [a, b]
  element: n
  task: {type: playbook, path: iterators/echo, args: {x: "{{ n }}"}, save: {storage: postgres, auth: x, data: {v: "{{ result }}", n: "{{ n }}", i: "{{ _loop.index }}"}}}
  save: {storage: postgres, auth: x, data: {all: "{{ results }}", n: "{{ count }}"}}
  next: again
- step: again
  type: python
  next: [{when: "{{ again.more }}", then: each}, {else: [end]}]
- {step: end, result: "{{ each.data }}"}
$$) > 0 AS registered;
SELECT noetl.execute('iterators/cycle') > 0 AS started;
SELECT regexp_replace(node_id, '^\d+', '') AS node_id, node_type, action, noetl.render(action -> 'save' -> 'data', context) AS saves FROM noetl.queue;
SELECT step FROM work('{}', 2);
SELECT regexp_replace(node_id, '^\d+', '') AS node_id, node_type, noetl.render(action -> 'save' -> 'data', context) AS saves FROM noetl.queue;
SELECT step FROM work('{"again": {"more": true}}', 2);
SELECT step FROM work('{"again": {"more": false}}');
SELECT event, node, note FROM items('iterators/cycle');
SELECT count(*) FROM noetl.run;
