-- Stories of guards of the decisions, each of which turns red when its guard is missing: see
-- "Guards" in doc/guarantees.md.
SET client_min_messages = error;
\set SHOW_CONTEXT never
\pset format unaligned
\pset tuples_only on
CREATE FUNCTION decisions_add(name text, steps text, head text DEFAULT '') RETURNS boolean LANGUAGE sql AS
    $$ SELECT noetl.register(E'apiVersion: noetl.io/v1\nkind: Playbook\npath: decisions/' || name || E'\n' || head || E'\nworkflow:\n' || steps) > 0 $$;
CREATE FUNCTION decisions_log(id bigint, kinds text DEFAULT '.') RETURNS TABLE (event text, node text, note text, meta jsonb) LANGUAGE sql AS
    $$ SELECT event_type, replace(node_id, id::text, ''), error, meta - 'queue_id' - 'attempt' FROM noetl.event WHERE execution_id = id AND event_type ~ kinds ORDER BY event_id $$;
CREATE FUNCTION decisions_outcome(id bigint) RETURNS TABLE (status text, result jsonb, error text, wrong bigint) LANGUAGE sql AS
    $$ SELECT status, result, error, (SELECT count(*) FROM noetl.verify(id)) FROM noetl.execution WHERE execution_id = id $$;
CREATE TABLE decisions_saved (n int);
CREATE ROLE regress_decisions;
ALTER TABLE decisions_saved OWNER TO regress_decisions;
GRANT EXECUTE ON FUNCTION noetl.execute TO regress_decisions;

-- What is done for an item has its own priority, whatever that of its iterator.
SELECT decisions_add('priority', '- {step: each, type: iterator, mode: distributed, collection: [1], element: x, priority: 5, task: {type: python, code: x, priority: 9}}');
SELECT noetl.execute('decisions/priority') AS id \gset
SELECT priority, noetl.complete(queue_id, '1', 'w') FROM noetl.lease('w');

-- An item is that of the node id, whatever index comes with it.
SELECT decisions_add('each', $$
- {step: each, type: iterator, mode: distributed, element: n, collection: [1, 2], task: {type: python, code: x}, next: end}
- {step: end, result: "{{ each }}"}
$$);
SELECT noetl.execute('decisions/each') AS id \gset
INSERT INTO noetl.event (execution_id, event_type, node_name, node_id, current_index, result) VALUES (:id, 'action_completed', 'each', :'id' || ':each[1]', 0, '"second"');
INSERT INTO noetl.event (execution_id, event_type, node_name, node_id, current_index, result) VALUES (:id, 'action_completed', 'each', :'id' || ':each[0]', 1, '"first"');
SELECT * FROM decisions_outcome(:id);

-- A step whose "when" is false is skipped, whatever its "pass" says.
SELECT decisions_add('skip', '- {step: a, type: noop, when: "{{ false }}", pass: "{{ false }}"}');
SELECT noetl.execute('decisions/skip') AS id \gset
SELECT event, node FROM decisions_log(:id, 'step');

-- What a worker has returned with an error is not saved.
SELECT decisions_add('saved', '- {step: a, type: python, code: x, save: {storage: postgres, table: public.decisions_saved, data: {n: "{{ result.n }}"}}}');
SET ROLE regress_decisions;
SELECT noetl.execute('decisions/saved') AS id \gset
RESET ROLE;
SELECT noetl.fail(queue_id, 'no', 'w', '{"n": 4}') FROM noetl.lease('w');
SELECT * FROM decisions_saved;
SELECT * FROM decisions_outcome(:id);

-- A step that calls a playbook ends with that, whatever else somebody has started below it.
SELECT decisions_add('child', '- {step: a, type: python, code: x}');
SELECT decisions_add('parent', $$
- {step: call, type: playbook, path: decisions/child, next: end}
- {step: end}
$$);
SELECT noetl.execute('decisions/parent') AS id \gset
INSERT INTO noetl.event (event_type, context, parent_execution_id, parent_event_id)
SELECT 'execution_start', '{"path": "decisions/child"}', :id, event_id FROM noetl.event WHERE execution_id = :id AND event_type = 'step_started';
SELECT noetl.complete(queue_id, '1', 'w') FROM noetl.lease('w');
SELECT * FROM decisions_outcome(:id);
SELECT count(noetl.cancel(execution_id)) FROM noetl.execution WHERE path = 'decisions/child' AND status = 'RUNNING';

-- What a playbook says of a way without condition is built once for all of its executions.
SELECT decisions_add('ways', $$
- {step: a, type: noop, next: b}
- {step: b, type: noop}
$$);
CREATE FUNCTION decisions_bytes() RETURNS numeric LANGUAGE sql AS $$ SELECT sum(used_bytes) FROM pg_backend_memory_contexts WHERE name = 'noetl playbook' $$;
SELECT noetl.execute('decisions/ways') > 0 AS started, decisions_bytes() AS bytes \gset
SELECT noetl.execute('decisions/ways') > 0 AS started, decisions_bytes() AS bytes \gset
SELECT count(noetl.execute('decisions/ways')) FROM generate_series(1, 20);
SELECT decisions_bytes() - :bytes AS grown;

-- An entry that is only an "else" is taken unless a "when" was true: a way without condition is none.
SELECT decisions_add('else', $$
- {step: a, type: noop, next: [{then: [b]}, {else: [c]}]}
- {step: b, type: noop}
- {step: c, type: noop}
$$);
SELECT noetl.execute('decisions/else') AS id \gset
SELECT event, node FROM decisions_log(:id, 'step_completed');

-- All visits of a step are compensated, however many other steps may have.
SELECT decisions_add('often', $$
- {step: a, type: python, code: x, max_visits: 5, compensate: {type: python, code: undo}, next: [{when: "{{ result < 3 }}", then: [a]}, {else: [b]}]}
- {step: b, type: shell, command: x}
$$);
SET noetl.max_visits = 2;
SELECT noetl.execute('decisions/often') AS id \gset
RESET noetl.max_visits;
SELECT noetl.complete(queue_id, '1', 'w') FROM noetl.lease('w');
SELECT noetl.complete(queue_id, '2', 'w') FROM noetl.lease('w');
SELECT noetl.complete(queue_id, '3', 'w') FROM noetl.lease('w');
SELECT noetl.fail(queue_id, 'no', 'w') FROM noetl.lease('w');
SELECT replace(node_id, :'id', '') AS node, noetl.complete(queue_id, '1', 'w') FROM noetl.lease('w');
SELECT replace(node_id, :'id', '') AS node, noetl.complete(queue_id, '1', 'w') FROM noetl.lease('w');
SELECT replace(node_id, :'id', '') AS node, noetl.complete(queue_id, '1', 'w') FROM noetl.lease('w');
SELECT * FROM decisions_outcome(:id);

-- A step that fails says, too, which of its ways leads to a step that takes no more branches.
SELECT decisions_add('dropped', $$
- {step: start, next: [a, b]}
- {step: a, type: python, code: x, next: j}
- {step: b, type: shell, command: x, on_error: j}
- {step: j, type: noop, join: any}
$$);
SELECT noetl.execute('decisions/dropped') AS id \gset
SELECT noetl.complete(queue_id, '1', 'w') FROM noetl.lease('w', types => '{python}');
SELECT noetl.fail(queue_id, 'no', 'w') FROM noetl.lease('w', types => '{shell}');
SELECT node, meta FROM decisions_log(:id, 'step_failed');
SELECT * FROM decisions_outcome(:id);

-- Who begins a repetition before its time has come is not told to wait.
SELECT decisions_add('early', '- {step: a, type: python, code: x, retry: {max_attempts: 3, initial_delay: 100, jitter: false}}');
SELECT noetl.execute('decisions/early') AS id \gset
SELECT noetl.fail(queue_id, 'no', 'w') FROM noetl.lease('w');
INSERT INTO noetl.event (execution_id, event_type, node_name) VALUES (:id, 'action_started', 'a');
SELECT status, attempts FROM noetl.queue WHERE execution_id = :id;
INSERT INTO noetl.event (execution_id, event_type, node_name) VALUES (:id, 'action_completed', 'a');
SELECT event, note, meta ->> 'ignored' AS ignored FROM decisions_log(:id, 'action');
SELECT * FROM decisions_outcome(:id);

-- A part of the input stands in the action as it was rendered: its strings do not see the others.
SELECT decisions_add('layers', '- {step: a, type: python, code: x, args: {a: "{{ b }}", b: 1}}', 'workload: {b: 2}');
SELECT noetl.execute('decisions/layers') AS id \gset
SELECT action -> 'data' AS data, action -> 'args' AS args, noetl.complete(queue_id, '1', 'w') FROM noetl.lease('w');

-- A step that could not begin begins with the input that comes with another try.
SELECT decisions_add('begin', $$
- {step: start, next: {step: a, data: {n: 0}}}
- {step: a, type: http, url: "{{ 1 / n }}"}
$$);
SELECT noetl.execute('decisions/begin') AS id \gset
SELECT * FROM decisions_outcome(:id);
SELECT noetl.redrive(:id, '{"n": 4}') IS NOT NULL AS redriven;
SELECT action -> 'url' AS url, noetl.complete(queue_id, '1', 'w') FROM noetl.lease('w');
SELECT * FROM decisions_outcome(:id);

-- What a task is told under the name of a result is not its result.
SELECT decisions_add('this', $$
- {step: a, type: python, code: x, data: {this: 5}, save: {storage: http, url: "{{ this }}"}, next: end}
- {step: end, result: "{{ a }}"}
$$);
SELECT noetl.execute('decisions/this') AS id \gset
SELECT context, noetl.complete(queue_id, '7', 'w') FROM noetl.lease('w');
SELECT * FROM decisions_outcome(:id);

-- A list is a member of what a task is given, which has what a transition gives, too.
SELECT decisions_add('list', $$
- {step: start, next: {step: a, data: {n: 1}}}
- {step: a, type: python, code: x, args: [1, 2]}
$$);
SELECT noetl.execute('decisions/list') AS id \gset
SELECT action -> 'data' AS data, noetl.complete(queue_id, '1', 'w') FROM noetl.lease('w');

-- A client that ends a step ends it with the input that it was given.
SELECT decisions_add('client', $$
- {step: start, next: {step: a, data: {n: 1}}}
- {step: a, type: python, code: x, next: {step: b, data: {m: "{{ input.n }}"}}}
- {step: b, type: python, code: x}
$$);
SELECT noetl.execute('decisions/client') AS id \gset
INSERT INTO noetl.event (execution_id, event_type, node_name, result) VALUES (:id, 'step_completed', 'a', '7');
SELECT action -> 'data' AS data, noetl.complete(queue_id, '1', 'w') FROM noetl.lease('w');

-- A save sees the result of its step as "data", what comes after does not; "results" are those of all steps.
SELECT decisions_add('data', $$
- {step: first, type: python, code: x, next: {step: a, data: {n: 1}}}
- {step: a, type: python, code: x, save: {storage: postgres, table: public.decisions_saved, data: {n: "{{ data.n + results.first * 10 }}"}}, next: {step: b, data: {m: "{{ data.n }}"}}}
- {step: b, type: python, code: x}
$$);
SET ROLE regress_decisions;
SELECT noetl.execute('decisions/data') AS id \gset
RESET ROLE;
SELECT noetl.complete(queue_id, '3', 'w') FROM noetl.lease('w');
SELECT noetl.complete(queue_id, '{"status": "success", "data": {"n": 5}}', 'w') FROM noetl.lease('w');
SELECT action -> 'data' AS data, noetl.complete(queue_id, '1', 'w') FROM noetl.lease('w');
SELECT * FROM decisions_saved;
SELECT * FROM decisions_outcome(:id);

-- An iterator that fails with an item has started no further one.
SELECT decisions_add('stops', '- {step: each, type: iterator, mode: distributed, concurrency: 1, element: n, collection: [1, 2], task: {type: python, code: x}}');
SELECT noetl.execute('decisions/stops') AS id \gset
SELECT noetl.fail(queue_id, 'no', 'w') FROM noetl.lease('w');
SELECT * FROM decisions_log(:id, 'iteration');

-- A save that failed has no result, also where its statement had returned rows before.
CREATE FUNCTION decisions_away() RETURNS int LANGUAGE plpgsql AS 'BEGIN CREATE FUNCTION pg_temp.away() RETURNS int LANGUAGE sql AS $$SELECT 1$$; RETURN 1; END';
SELECT decisions_add('away', '- {step: a, type: save, storage: postgres, statement: "SELECT public.decisions_away() AS n"}');
SET ROLE regress_decisions;
SELECT noetl.execute('decisions/away') AS id \gset
RESET ROLE;
SELECT event_type, result FROM noetl.event WHERE execution_id = :id AND event_type ~ 'save';
SELECT status FROM decisions_outcome(:id);
DROP FUNCTION decisions_away;

-- A child that was cancelled has no result, whatever its steps have returned.
SELECT decisions_add('half', $$
- {step: one, type: python, code: x, next: two}
- {step: two, type: python, code: x}
$$);
SELECT decisions_add('caller', $$
- {step: call, type: playbook, path: decisions/half, return_step: one, on_error: continue, next: end}
- {step: end}
$$);
SELECT noetl.execute('decisions/caller') AS id \gset
SELECT noetl.complete(queue_id, '1', 'w') FROM noetl.lease('w');
SELECT noetl.cancel(execution_id) IS NOT NULL AS cancelled FROM noetl.execution WHERE parent_execution_id = :id;
SELECT result, error FROM noetl.event WHERE execution_id = :id AND event_type = 'action_error';
SELECT * FROM decisions_outcome(:id);

-- The result of an execution sees the visits that its end descends from, and not newer ones.
SELECT decisions_add('seen', $$
- {step: fetch, type: python, code: x, next: [{then: [keep]}, {when: "{{ result == 1 }}", then: [fetch]}]}
- {step: keep, type: shell, command: x, next: [{when: "{{ fetch == 1 }}", then: end}]}
- {step: end, type: http, url: x, result: "{{ fetch }}"}
$$);
SELECT noetl.execute('decisions/seen') AS id \gset
SELECT noetl.complete(queue_id, '1', 'w') FROM noetl.lease('w', types => '{python}');
SELECT noetl.complete(queue_id, '2', 'w') FROM noetl.lease('w', types => '{python}');
SELECT replace(node_id, :'id', '') AS node, noetl.complete(queue_id, '1', 'w') FROM noetl.lease('w', types => '{shell}');
SELECT replace(node_id, :'id', '') AS node, noetl.complete(queue_id, '1', 'w') FROM noetl.lease('w', types => '{shell}');
SELECT replace(node_id, :'id', '') AS node, noetl.complete(queue_id, '1', 'w') FROM noetl.lease('w');
SELECT * FROM decisions_outcome(:id);

-- Who has no lease reports a repetition whose time has come, and is heard.
SELECT decisions_add('due', '- {step: a, type: python, code: x, retry: {max_attempts: 3, initial_delay: 0.001, jitter: false}}');
SELECT noetl.execute('decisions/due') AS id \gset
SELECT noetl.fail(queue_id, 'no', 'w') FROM noetl.lease('w');
SELECT pg_sleep(0.01);
INSERT INTO noetl.event (execution_id, event_type, node_name, worker_id, result) VALUES (:id, 'action_completed', 'a', 'w', '7');
SELECT event, note, meta ->> 'ignored' AS ignored FROM decisions_log(:id, 'action');
SELECT * FROM decisions_outcome(:id);


-- What fails because it cannot start follows from the event that says that it has started.
SELECT decisions_add('raises', '- {step: each, type: iterator, mode: distributed, element: n, collection: [0], task: {type: http, url: "{{ 1 / n }}"}}');
SELECT noetl.execute('decisions/raises') AS id \gset
SELECT p.event_type FROM noetl.event e JOIN noetl.event p ON p.execution_id = e.execution_id AND p.event_id = e.parent_event_id WHERE e.execution_id = :id AND e.event_type = 'iteration_failed';

-- A join waits for what runs in the same cycle.
SELECT decisions_add('cycle', $$
- {step: start, next: [a, x]}
- {step: a, type: python, code: x, next: {step: j, data: {a: 1}}}
- {step: x, type: shell, command: x, next: {step: j, data: {x: 1}}}
- {step: j, type: http, url: x, next: [{when: "{{ result == 'more' }}", then: x}]}
$$);
SELECT noetl.execute('decisions/cycle') AS id \gset
SELECT noetl.complete(queue_id, '1', 'w') FROM noetl.lease('w', types => '{python}');
SELECT step_name, state FROM noetl.run WHERE execution_id = :id;
SELECT noetl.complete(queue_id, '1', 'w') FROM noetl.lease('w', types => '{shell}');
SELECT action -> 'data' AS data, noetl.complete(queue_id, '1', 'w') FROM noetl.lease('w');
SELECT * FROM decisions_outcome(:id);

-- An end that does something, and was not reached, has nothing to say about the result.
SELECT decisions_add('missed', $$
- {step: a, type: noop, next: [{when: "{{ false }}", then: end}]}
- {step: end, type: python, code: x, result: "{{ 1 }}"}
$$);
SELECT noetl.execute('decisions/missed') AS id \gset
SELECT node_name, result, meta FROM noetl.event WHERE execution_id = :id AND event_type = 'execution_complete';

-- A wait that goes on after its timeout says that it has ended by that.
SELECT decisions_add('late', '- {step: a, type: wait, signal: go, timeout: 0.001, on_error: continue}');
SELECT noetl.execute('decisions/late') AS id \gset
SELECT pg_sleep(0.01);
SELECT noetl.enqueue_next() IS NOT NULL AS done;
SELECT note, meta FROM decisions_log(:id, 'step_completed');

-- All items of an iterator call the version of a playbook that was the newest when it began.
SELECT decisions_add('item', '- {step: one, type: python, code: x}');
SELECT decisions_add('items', '- {step: each, type: iterator, mode: async, concurrency: 1, element: n, collection: [1, 2], task: {type: playbook, path: decisions/item}}');
SELECT noetl.execute('decisions/items') AS id \gset
SELECT decisions_add('item', '- {step: two, type: python, code: x}');
SELECT node_name, noetl.complete(queue_id, '1', 'w') FROM noetl.lease('w');
SELECT node_name, noetl.complete(queue_id, '1', 'w') FROM noetl.lease('w');
SELECT * FROM decisions_outcome(:id);

-- A step that calls a playbook and is resumed has all of its attempts once more.
SELECT decisions_add('fails', '- {step: call, type: playbook, path: decisions/child, retry: {max_attempts: 2, initial_delay: 0}, on_error: hold}');
SELECT noetl.execute('decisions/fails') AS id \gset
SELECT noetl.fail(queue_id, 'no', 'w') FROM noetl.lease('w');
SELECT noetl.fail(queue_id, 'no', 'w') FROM noetl.lease('w');
SELECT noetl.retry(:id, 'call') IS NOT NULL AS resumed;
SELECT noetl.fail(queue_id, 'no', 'w') FROM noetl.lease('w');
SELECT noetl.complete(queue_id, '1', 'w') FROM noetl.lease('w');
SELECT event, note FROM decisions_log(:id, 'action|held|resumed');
SELECT * FROM decisions_outcome(:id);

-- A step that has waited for what its worker has started ends with the input that it was given.
SELECT decisions_add('spawns', $$
- {step: start, next: {step: a, data: {n: 1}}}
- {step: a, type: python, code: x, next: {step: b, data: {m: "{{ input.n }}"}}}
- {step: b, type: python, code: x}
$$);
SELECT noetl.execute('decisions/spawns') AS id \gset
INSERT INTO noetl.event (event_type, context, parent_execution_id, parent_event_id)
SELECT 'execution_start', '{"path": "decisions/child"}', :id, event_id FROM noetl.event WHERE execution_id = :id AND event_type = 'step_started';
SELECT noetl.complete(queue_id, '1', 'w') FROM noetl.lease('w');
SELECT step_name, state FROM noetl.run WHERE execution_id = :id;
SELECT noetl.complete(queue_id, '1', 'w') FROM noetl.lease('w');
SELECT action -> 'data' AS data, noetl.complete(queue_id, '1', 'w') FROM noetl.lease('w');
SELECT * FROM decisions_outcome(:id);

-- Of two ends, the one that ends the execution says what its result is.
SELECT decisions_add('ends', $$
- {step: start, next: [end, finish]}
- {step: end, type: python, code: x}
- {step: finish, type: end, result: "{{ 7 }}"}
$$);
SELECT noetl.execute('decisions/ends') AS id \gset
SELECT noetl.complete(queue_id, '1', 'w') FROM noetl.lease('w');
SELECT * FROM decisions_outcome(:id);

-- The statement of a save sees its parameters by name; that of an item sees them rather than the names of the item.
SELECT decisions_add('params', $$
- {step: a, type: python, code: x, save: {storage: postgres, statement: "INSERT INTO {{ t }} SELECT :n", params: {t: public.decisions_saved, n: 50}}, next: b}
- {step: b, type: iterator, element: n, collection: [1], task: {type: sql, statement: "SELECT {{ n }} AS n, {{ params.p }} AS p", params: {n: 7, p: 8}}}
$$);
SET ROLE regress_decisions;
SELECT noetl.execute('decisions/params') AS id \gset
RESET ROLE;
SELECT noetl.complete(queue_id, '1', 'w') FROM noetl.lease('w');
SELECT * FROM decisions_saved WHERE n = 50;
SELECT result FROM noetl.event WHERE execution_id = :id AND event_type = 'iteration_completed';
SELECT * FROM decisions_outcome(:id);

-- A client that ends what is held ends it with the input that it had.
SELECT decisions_add('held', $$
- {step: start, next: {step: a, data: {n: 1}}}
- {step: a, type: python, code: x, on_error: hold, next: {step: b, data: {m: "{{ input.n }}"}}}
- {step: b, type: shell, command: x}
$$);
SELECT noetl.execute('decisions/held') AS id \gset
SELECT noetl.fail(queue_id, 'no', 'w') FROM noetl.lease('w');
INSERT INTO noetl.event (execution_id, event_type, node_name, result) VALUES (:id, 'step_completed', 'a', '7');
SELECT action -> 'data' AS data, noetl.complete(queue_id, '1', 'w') FROM noetl.lease('w');
SELECT * FROM decisions_outcome(:id);

-- What a task is told under the name of its former attempts are none.
SELECT decisions_add('told', '- {step: a, type: sql, statement: "SELECT 1 AS n", retry: {max_attempts: 3, initial_delay: 32, jitter: false}, save: {storage: http, url: "{{ attempts_before }}"}}', 'workload: {attempts_before: 5}');
SET ROLE regress_decisions;
SELECT noetl.execute('decisions/told') AS id \gset
RESET ROLE;
SELECT context -> 'attempts_before' AS told, noetl.fail(queue_id, 'no', 'w') FROM noetl.lease('w');
SELECT meta FROM decisions_log(:id, 'action_retry');
SELECT noetl.cancel(:id);

-- The end tells of the conditions of an entry only if that is still one without an event of its own.
SELECT decisions_add('entry', $$
- {step: start, next: [{when: "{{ true }}", then: [a]}]}
- {step: a, type: python, code: x}
$$);
SELECT noetl.execute('decisions/entry') AS same, noetl.execute('decisions/entry') AS noop, noetl.execute('decisions/entry') AS plain \gset
SELECT decisions_add('entry', $$
- {step: start, type: noop, next: [{when: "{{ true }}", then: [a]}]}
- {step: a, type: python, code: x}
$$);
SELECT severity FROM noetl.migrate(:noop, 2, dry_run => false);
SELECT decisions_add('entry', $$
- {step: start, next: a}
- {step: a, type: python, code: x}
$$);
SELECT severity FROM noetl.migrate(:plain, 3, dry_run => false);
SELECT count(noetl.complete(queue_id, '1', 'w')) FROM noetl.lease('w', 3);
SELECT execution_id = :same AS same, meta FROM noetl.event WHERE execution_id IN (:same, :noop, :plain) AND event_type = 'execution_complete' ORDER BY execution_id;
SELECT id = :same AS same, (decisions_outcome(id)).* FROM unnest(ARRAY[:same, :noop, :plain]) AS id;

-- A way that names a step twice leads to it once, with what it says first.
SELECT decisions_add('twice', $$
- {step: start, next: [{then: [{step: a, data: {n: 1}}, {step: a, data: {n: 2}}]}]}
- {step: a, type: python, code: x}
$$);
SELECT noetl.execute('decisions/twice') AS id \gset
SELECT action -> 'data' AS data, noetl.complete(queue_id, '1', 'w') FROM noetl.lease('w', 2);
SELECT * FROM decisions_outcome(:id);

-- The attempts of a statement that is resumed are counted on.
SELECT decisions_add('counts', '- {step: a, type: sql, statement: "SELECT 1 / 0", on_error: hold}');
SET ROLE regress_decisions;
SELECT noetl.execute('decisions/counts') AS id \gset
RESET ROLE;
SELECT noetl.retry(:id, 'a') IS NOT NULL AS resumed;
SELECT error, meta -> 'attempt' AS attempt FROM noetl.event WHERE execution_id = :id AND event_type = 'action_error' ORDER BY event_id;
SELECT noetl.cancel(:id);
SELECT * FROM decisions_outcome(:id);

-- A join waits for another one that comes before it in the graph, if not in the document.
SELECT decisions_add('joins', $$
- {step: start, next: [a, b]}
- {step: a, type: python, code: x, next: first}
- {step: b, type: shell, command: x, next: [first, {step: second, data: {b: 1}}]}
- {step: second, type: http, url: x}
- {step: first, type: python, code: x, next: {step: second, data: {first: 1}}}
$$);
SELECT noetl.execute('decisions/joins') AS id \gset
SELECT node_name, noetl.complete(queue_id, '1', 'w') FROM noetl.lease('w', types => '{python}');
SELECT node_name, noetl.complete(queue_id, '1', 'w') FROM noetl.lease('w', types => '{shell}');
SELECT node_name, noetl.complete(queue_id, '1', 'w') FROM noetl.lease('w');
SELECT node_name, action -> 'data' AS data, noetl.complete(queue_id, '1', 'w') FROM noetl.lease('w');
SELECT * FROM decisions_outcome(:id);

-- A signal that ends a wait is not kept, unless it has an id by which it is known again.
SELECT decisions_add('signal', $$
- {step: a, type: wait, signal: go, next: b}
- {step: b, type: wait, signal: go, next: c}
- {step: c, type: wait, signal: go}
$$);
SELECT noetl.execute('decisions/signal') AS id \gset
SELECT noetl.signal(:id, 'go');
SELECT name, id, taken FROM noetl.signal WHERE execution_id = :id;
SELECT noetl.signal(:id, 'go', id => 'one');
SELECT name, id, taken FROM noetl.signal WHERE execution_id = :id;
SELECT noetl.signal(:id, 'go');
SELECT * FROM decisions_outcome(:id);

-- An iterator that is resumed with another input begins anew.
SELECT decisions_add('anew', $$
- {step: start, next: {step: each, data: {list: [1, 2]}}}
- {step: each, type: iterator, mode: distributed, concurrency: 1, element: n, collection: "{{ input.list }}", on_error: hold, task: {type: python, code: x}}
$$);
SELECT noetl.execute('decisions/anew') AS id \gset
SELECT noetl.complete(queue_id, '1', 'w') FROM noetl.lease('w');
SELECT noetl.fail(queue_id, 'no', 'w') FROM noetl.lease('w');
SELECT noetl.retry(:id, 'each', input => '{"list": [5]}') IS NOT NULL AS resumed;
SELECT replace(node_id, :'id', '') AS node, noetl.complete(queue_id, '1', 'w') FROM noetl.lease('w');
SELECT context -> 'collection' AS items FROM noetl.event WHERE execution_id = :id AND event_type = 'iterator_started' ORDER BY event_id;
SELECT * FROM decisions_outcome(:id);

-- What reads the workload in the database reads it, although a worker renders some of its strings.
SELECT decisions_add('reads', $$
- {step: start, next: [{when: "{{ workload.n == 1 }}", then: a}, {else: b}]}
- {step: a, type: wait, for: "{{ workload.n - 1 }}", next: b}
- {step: b, type: noop}
$$, 'workload: {home: "{{ env.HOME }}", n: 1}');
SELECT noetl.execute('decisions/reads') AS id \gset
SELECT event, node, note FROM decisions_log(:id, 'step');
SELECT * FROM decisions_outcome(:id);

-- A text that is only the beginning of what the playbook has written is not rendered by the worker.
SELECT decisions_add('part', $$
- {step: start, next: {step: a, data: {text: "{{ '{' }}"}}}
- {step: a, type: python, code: x, data: {text: "{{ env.A }}", other: "{{ env.B }}"}}
$$);
SELECT noetl.execute('decisions/part') AS id \gset
SELECT action -> 'data' AS data, context, noetl.complete(queue_id, '1', 'w') FROM noetl.lease('w');

-- A step that calls a playbook and is resumed with another input calls it anew.
SELECT decisions_add('called', '- {step: a, type: http, url: "{{ workload.n }}"}', 'workload: {n: 0}');
SELECT decisions_add('calls', '- {step: call, type: playbook, path: decisions/called, args: {n: 1}, on_error: hold}');
SELECT noetl.execute('decisions/calls') AS id \gset
SELECT action -> 'url' AS url, noetl.fail(queue_id, 'no', 'w') FROM noetl.lease('w');
SELECT noetl.retry(:id, 'call', '{"m": 2}') IS NOT NULL AS resumed;
SELECT status FROM noetl.execution WHERE parent_execution_id = :id ORDER BY execution_id;
SELECT action -> 'url' AS url, noetl.complete(queue_id, '1', 'w') FROM noetl.lease('w');
SELECT * FROM decisions_outcome(:id);

-- Where the first way that is taken is the only one, an "else" after it is not taken.
SELECT decisions_add('exclusive', $$
- {step: a, type: noop, next_mode: exclusive, next: [{then: [b]}, {else: [c]}]}
- {step: b, type: noop}
- {step: c, type: noop}
$$);
SELECT noetl.execute('decisions/exclusive') AS id \gset
SELECT event, node FROM decisions_log(:id, 'step_completed');

-- Each compensation sees the value of its own step, also where all is done at once.
SELECT decisions_add('undo', $$
- {step: a, type: sql, statement: SELECT 101 AS n, compensate: {type: sql, statement: "INSERT INTO public.decisions_saved VALUES (:n)", params: {n: "{{ result[0].n }}"}}, next: b}
- {step: b, type: sql, statement: SELECT 102 AS n, compensate: {type: sql, statement: "INSERT INTO public.decisions_saved VALUES (:n)", params: {n: "{{ result[0].n }}"}}, next: c}
- {step: c, type: sql, statement: SELECT 1 / 0}
$$);
SET ROLE regress_decisions;
SELECT noetl.execute('decisions/undo') AS id \gset
RESET ROLE;
SELECT * FROM decisions_saved WHERE n > 100;
SELECT status, wrong FROM decisions_outcome(:id);

-- A save that is resumed sees the input of its step, as the first did.
SELECT decisions_add('saves', $$
- {step: start, next: {step: a, data: {n: 1}}}
- {step: a, type: sql, statement: SELECT 1 AS n, save: {storage: http, url: "{{ input.n }}"}, on_error: hold}
$$);
SET ROLE regress_decisions;
SELECT noetl.execute('decisions/saves') AS id \gset
RESET ROLE;
SELECT context -> 'input' AS input, noetl.fail(queue_id, 'no', 'w') FROM noetl.lease('w');
SELECT noetl.retry(:id, 'a') IS NOT NULL AS resumed;
SELECT context -> 'input' AS input, noetl.complete(queue_id, '1', 'w') FROM noetl.lease('w');
SELECT * FROM decisions_outcome(:id);

-- A worker does not render what a start has given under one name, though the playbook has it under another.
SELECT decisions_add('given', $$
- {step: a, type: python, code: x, args: {x: "{{ env.C }} {{ b }}"}}
$$, 'workload: {a: "{{ env.A }}", b: "{{ env.B }}"}');
SELECT noetl.execute('decisions/given', '{"b": "{{ env.A }}"}') AS id \gset
SELECT context, noetl.complete(queue_id, '1', 'w') FROM noetl.lease('w');

-- Only the broker counts the items of an iterator, whatever a client says of them.
SELECT decisions_add('count', '- {step: each, type: iterator, mode: distributed, element: n, collection: [1, 2, 3], task: {type: python, code: x}}');
SELECT noetl.execute('decisions/count') AS id \gset
INSERT INTO noetl.event (execution_id, event_type, node_name, node_id, current_index, result, meta)
VALUES (:id, 'iteration_completed', 'each', :'id' || ':each[0]', 0, '"x"', '{"total": 3, "done": 2, "started": 3, "failed": 0}');
SELECT count(noetl.complete(queue_id, '1', 'w')) FROM noetl.lease('w');
SELECT status, wrong FROM decisions_outcome(:id);
SELECT count(noetl.complete(queue_id, '1', 'w')) FROM noetl.lease('w', 3);
SELECT status, wrong FROM decisions_outcome(:id);
SELECT node, meta FROM decisions_log(:id, 'iteration_completed');

DROP TABLE decisions_saved;
DROP FUNCTION decisions_add, decisions_log, decisions_outcome, decisions_bytes;
DROP OWNED BY regress_decisions;
DROP ROLE regress_decisions;
