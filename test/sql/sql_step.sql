-- Steps of type sql: a statement that the broker executes itself, in the
-- transaction that starts the step.
SET client_min_messages = error;
CREATE TYPE sql_mood AS ENUM ('sad', 'happy');
-- No statement acts as a superuser.
CREATE ROLE regress_stock;
GRANT EXECUTE ON FUNCTION noetl.register, noetl.execute, noetl.cancel TO regress_stock;
GRANT INSERT ON noetl.event TO regress_stock;
CREATE TABLE stock (id int PRIMARY KEY, name text NOT NULL, left_over int CHECK (left_over >= 0), price numeric(8, 2), tags text[], at timestamptz, doc jsonb, mood sql_mood);
INSERT INTO stock VALUES (1, 'tea', 5, 1.50, '{a,"b c"}', '2025-01-02 03:04:05+00', '{"k": [1]}', 'happy'), (2, 'salt', 0, NULL, NULL, NULL, NULL, 'sad');
-- Registers "sql/<name>" with these steps and starts it.
CREATE FUNCTION run(name text, steps text, parameters jsonb DEFAULT '{}') RETURNS bigint LANGUAGE sql SECURITY DEFINER AS $$
    SELECT noetl.register('apiVersion: noetl.io/v1' || chr(10) || 'kind: Playbook' || chr(10) || 'path: sql/' || name || chr(10) || 'workflow:' || chr(10) || steps);
    SELECT noetl.execute('sql/' || name, parameters)
$$;
ALTER FUNCTION run OWNER TO regress_stock;
ALTER TABLE stock OWNER TO regress_stock;
CREATE FUNCTION events(playbook text) RETURNS TABLE (event text, node text, status text, result jsonb, error text, meta jsonb) LANGUAGE sql AS $$
    SELECT event_type, regexp_replace(node_id, '^\d+:?', ''), status, result, error, meta - 'transitions'
      FROM noetl.event WHERE execution_id = newest(playbook) AND event_type <> 'execution_start' ORDER BY event_id
$$;
SET timezone = 'UTC';

-- No worker: the whole chain has happened when the execution is started.
SELECT run('chain', $$
- {step: start, next: {step: take, data: {n: 2}}}
- step: take
  type: sql
  statement: UPDATE public.stock SET left_over = left_over - :n WHERE id = :id RETURNING id, left_over
  params: {id: "{{ workload.id }}"}
  next:
  - {when: "{{ result[0].left_over > 0 }}", step: look, data: {found: "{{ result }}"}}
- step: look
  tool: sql
  query: SELECT s.*, :found AS found FROM public.stock AS s WHERE id = (:found::jsonb) -> 0 ->> 'id' OR id = :id ORDER BY id
  args: {id: "{{ take[0].id }}"}
  on_error: {step: again}
- {step: again, type: sql, command: 'SELECT s.*, 1.50::float8 AS f FROM public.stock AS s WHERE id = ANY ($1) ORDER BY id', params: [[1, 2]], next: end}
- step: end
  result: {rows: "{{ again }}", taken: "{{ take[0].left_over }}", error: "{{ look.error }}"}
$$, '{"id": 1}') > 0 AS started;
SELECT event, node, status, result -> 'row_count' AS row_count, error, meta FROM events('sql/chain');
SELECT status, jsonb_pretty(result) AS result FROM noetl.execution WHERE execution_id = newest('sql/chain');
SELECT count(*) FROM noetl.queue;

-- What returns no rows has the empty list as its value, and says how many it wrote.
SELECT run('writes', $$
- {step: a, type: sql, statement: 'UPDATE public.stock SET name = upper(name)', next: b}
- {step: b, type: sql, statement: 'WITH gone AS (DELETE FROM public.stock WHERE id > 2 RETURNING id) SELECT * FROM gone', next: c}
- {step: c, type: sql, statement: "-- what\n(VALUES (1::bigint, NULL), (:x, 'y'));", params: {x: 9007199254740993}, next: end}
- {step: end, result: ["{{ a }}", "{{ b }}", "{{ c }}"]}
$$) > 0 AS started;
SELECT event, node, result FROM events('sql/writes') WHERE event = 'action_completed';
SELECT result FROM noetl.execution WHERE execution_id = newest('sql/writes');

-- A statement that fails undoes only itself; PostgreSQL says why, and where.
SELECT run('fails', $$
- {step: a, type: sql, statement: "UPDATE public.stock SET name = 'kept' WHERE id = 1", next: b}
- {step: b, type: sql, statement: "WITH n AS (INSERT INTO public.stock (id, name) VALUES (:first, :second), (:first, 'x') RETURNING 1) SELECT * FROM n", params: {first: 7, second: seven}}
$$) > 0 AS started;
SELECT event, node, result, error, meta FROM events('sql/fails');
SELECT id, name FROM stock ORDER BY id;
CREATE FUNCTION try(statement text, params text DEFAULT '{}', more text DEFAULT '') RETURNS TABLE (error text, result jsonb) LANGUAGE plpgsql AS $$
BEGIN
    PERFORM run('try', format(E'- step: a\n  type: sql\n  statement: %s\n  params: %s\n%s', to_json(statement), params, more));
    RETURN QUERY SELECT e.error, e.result - 'error' - 'status' FROM noetl.event e WHERE e.execution_id = newest('sql/try') AND e.event_type IN ('action_error', 'action_completed');
END
$$;
SELECT * FROM try('SELECT * FROM nowhere');
SELECT * FROM try('SELECT :long_name, :long_name + nosuch', '{long_name: 1}');
SELECT * FROM try('SELECT ''ä'', :é || nosuch', '{é: x}');
SELECT * FROM try('INSERT INTO public.stock (id, name) VALUES (:id, :name)', '{id: 1.5, name: x}');
SELECT * FROM try('INSERT INTO public.stock (id, name, left_over) VALUES (:id, :name, -1)', '{id: 15, name: x}');
SELECT * FROM try('SELECT 1 / :n::int', '{n: 0}');
SELECT * FROM try('{{ "CALL public.x()" }}');
SELECT * FROM try('{{ "SELECT 1; SELECT 2" }}');
SELECT * FROM try('{{ "" }}');
SELECT * FROM try('SELECT 1 INTO t');
SELECT * FROM try('SELECT e''\\u0001'' || json ''"\\u0000"'' AS nul');
SELECT * FROM try('SELECT json ''"\u0000"'' AS nul');
SELECT * FROM try('SELECT pg_catalog.set_config(''role'', ''none'', false)');
SELECT * FROM try('CREATE TEMP TABLE x (id int)') ;

-- The rows are bounded, before they fill the memory.
SET noetl.template_max_output = '64kB';
SELECT * FROM try('WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r) SELECT repeat(''x'', 100) AS x FROM r');
RESET noetl.template_max_output;

-- The retry policy and the timeout are those of a task; a retry waits for its time.
SELECT run('again', $$
- step: a
  type: sql
  statement: INSERT INTO public.stock (id, name) VALUES (:id, 'again') RETURNING name
  params: {id: 1}
  retry: {max_attempts: 3, initial_delay: 0, retry_when: "{{ result.sqlstate == '23505' and attempt < 3 }}"}
  next: end
- {step: end, result: "{{ a }}"}
$$) > 0 AS started;
SELECT step_name, state, attempts FROM noetl.run;
SELECT * FROM noetl.verify(newest('sql/again'));
SELECT noetl.enqueue_next();
SELECT * FROM noetl.verify(newest('sql/again'));
DELETE FROM noetl.run;
SELECT noetl.rebuild(newest('sql/again'));
DELETE FROM stock WHERE id = 1;
SELECT noetl.enqueue_next();
SELECT event, node, result -> 'data' AS data, error, meta FROM events('sql/again');
SELECT count(*) FROM noetl.run;
SELECT run('slow', $$
- {step: a, type: sql, statement: SELECT pg_sleep(60), timeout: 0.05, on_error: continue, next: b}
- {step: b, type: sql, statement: SELECT 1 AS one, timeout: 60}
$$) > 0 AS started;
SELECT event, node, result -> 'data' AS data, error, meta FROM events('sql/slow');
SELECT pg_sleep(0.1);
-- what the session's user cancels is not the step's
SET statement_timeout = '100ms';
SELECT run('cancelled', '- {step: a, type: sql, statement: SELECT pg_sleep(60), timeout: 60}');
RESET statement_timeout;
SELECT 1 AS alive;

-- Long chains do not nest; the visits are bounded.
SET noetl.max_visits = 500;
SELECT run('cycle', $$
- {step: a, type: sql, statement: 'SELECT :n::int + 1 AS n', params: {n: "{{ a[0].n | default(0) if a is defined else 0 }}"}, next: {step: b, data: {n: "{{ result[0].n }}"}}}
- {step: b, type: sql, statement: 'UPDATE public.stock SET left_over = :n WHERE id = 2', next: a}
$$) > 0 AS started;
RESET noetl.max_visits;
SELECT status, error FROM noetl.execution WHERE execution_id = newest('sql/cycle');
SELECT left_over FROM stock WHERE id = 2;
SET noetl.max_visits = 500;
SELECT * FROM noetl.verify(newest('sql/cycle'));
RESET noetl.max_visits;

-- What starts the step and what the step does are one transaction.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: sql/once
workflow:
- {step: a, type: python, code: x, next: b}
- {step: b, type: sql, statement: "INSERT INTO public.stock (id, name) VALUES (:id, 'once') RETURNING id", params: {id: "{{ a.id }}"}, next: c}
- {step: c, type: python, code: x, args: {rows: "{{ b }}"}}
$$) > 0 AS registered;
SET ROLE regress_stock;
SELECT noetl.execute('sql/once') > 0 AS started;
RESET ROLE;
SELECT queue_id AS task FROM noetl.lease('w') \gset
BEGIN;
SELECT noetl.complete(:task, '{"id": 20}', 'w');
SELECT count(*) FROM stock WHERE id = 20;
ROLLBACK;
SELECT count(*) FROM stock WHERE id = 20;
SELECT noetl.complete(:task, '{"id": 20}', 'w'), noetl.complete(:task, '{"id": 21}', 'w') AS again;
SELECT id, name FROM stock WHERE id >= 20;
SELECT event, node, result FROM events('sql/once');
SELECT node_name, action -> 'data' AS data FROM noetl.queue;
-- a client does not speak for a statement
INSERT INTO noetl.event (execution_id, event_type, node_name, result) VALUES (newest('sql/once'), 'action_completed', 'b', '1');
SELECT event, node, meta FROM events('sql/once') WHERE meta ? 'ignored';
SELECT * FROM noetl.verify(newest('sql/once'));
SELECT noetl.cancel(newest('sql/once')) \gset ignored_
TRUNCATE noetl.queue;

-- Its saves follow it: those of the database at once, others by a worker.
CREATE TABLE kept (n int, doc jsonb);
ALTER TABLE kept OWNER TO regress_stock;
SELECT run('saved', $$
- {step: a, type: sql, statement: SELECT 1 AS n, save: {storage: postgres, table: kept, data: {n: "{{ result[0].n }}", doc: "{{ this.row_count }}"}}, next: b}
- {step: b, type: sql, statement: SELECT 2 AS n, save: {storage: event, data: "{{ result[0].n }}"}, next: end}
- {step: end, result: ["{{ a }}", "{{ b }}"]}
$$) > 0 AS started;
SELECT * FROM kept;
SELECT event, node, result FROM events('sql/saved');
SELECT node_name, node_type, action FROM noetl.queue;
SELECT step FROM work('{"b": 1}');
SELECT status, result FROM noetl.execution WHERE execution_id = newest('sql/saved');
SELECT * FROM noetl.verify(newest('sql/saved'));

-- Steps that only save behave alike with and without their type, and the rows
-- that a statement returns are their value.
SELECT run('saves', $$
- {step: a, save: {storage: postgres, statement: 'INSERT INTO public.kept VALUES (:n) RETURNING n', params: {n: 10}}, next: b}
- {step: b, type: save, save: {storage: postgres, statement: 'INSERT INTO public.kept VALUES (:n) RETURNING n', params: {n: 11}}, next: c}
- {step: c, type: save, storage: postgres, statement: 'INSERT INTO public.kept VALUES (:n) RETURNING n', params: {n: 12}, next: d}
- {step: d, tool: {kind: save, storage: postgres, table: kept, data: {n: "{{ c[0].n + 1 }}"}}, next: e}
- {step: e, type: Save, tool: postgres, table: kept, data: [{n: 14}, {n: 15}], next: f}
- step: f
  save:
  - {storage: postgres, statement: 'UPDATE public.kept SET doc = :doc WHERE n >= :n', params: {n: 12, doc: [x]}}
  - {storage: postgres, statement: 'SELECT n, doc FROM public.kept WHERE n = 13'}
  next: end
- {step: end, result: ["{{ a }}", "{{ b }}", "{{ c }}", "{{ d }}", "{{ e }}", "{{ f }}"]}
$$) > 0 AS started;
SELECT jsonb_array_elements(result) AS value FROM noetl.execution WHERE execution_id = newest('sql/saves');
SELECT event, node, result, meta FROM events('sql/saves');
SELECT * FROM kept WHERE n >= 10 ORDER BY n;
SELECT count(*) FROM noetl.queue;
SELECT * FROM noetl.verify(newest('sql/saves'));

-- As the end, as a task of the workbook, in children; skipped, and marked in the graph.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: sql/child
workload: {n: 0}
workflow:
- {step: start, next: end}
- {step: end, type: sql, statement: 'SELECT :n::int * 2 AS twice', params: {n: "{{ workload.n }}"}}
$$) > 0 AS registered;
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: sql/parts
workbook:
- {name: double, type: sql, statement: 'SELECT :n::int * 2 AS twice', params: {n: 4}}
workflow:
- {step: start, next: [one]}
- {step: one, type: workbook, task: double, params: {n: 5}, next: [two]}
- {step: two, type: playbook, path: sql/child, args: {n: 6}, next: [each]}
- {step: each, type: iterator, collection: [1, 2, 3], element: n, task: {type: playbook, path: sql/child, args: {n: "{{ n }}"}}, next: [four]}
- {step: four, type: sql, statement: SELECT 1, when: "{{ false }}", next: [end]}
- {step: end, result: ["{{ one }}", "{{ double }}", "{{ two }}", "{{ each }}", "{{ four }}"]}
$$) > 0 AS registered;
SET ROLE regress_stock;
SELECT noetl.execute('sql/parts') > 0 AS started;
RESET ROLE;
SELECT status, result FROM noetl.execution WHERE execution_id = newest('sql/parts');
SELECT noetl.explain('sql/child', 'mermaid');

-- For each item of an iterator, one after the other, in the same transaction.
SELECT run('items', $$
- step: each
  type: iterator
  collection: "{{ workload.ids }}"
  element: n
  on_error: continue
  where: "{{ n != 9 }}"
  task:
    type: sql
    statement: INSERT INTO public.kept VALUES (10 / :n, to_jsonb(:i::int)) RETURNING n
    params: {n: "{{ n }}", i: "{{ _loop.index }}"}
    save: {storage: postgres, table: kept, data: {n: "{{ result[0].n * 1000 }}"}}
  next: again
- step: again
  loop: {collection: [[1, a], [2, b]], element: pair, mode: async, concurrency: 5}
  type: sql
  statement: SELECT :x::int + 1 AS y, :pair::jsonb AS pair, letter FROM (VALUES ('{{ pair[1] }}')) AS v (letter)
  args: {x: "{{ pair[0] }}", pair: "{{ pair }}"}
  next: end
- {step: end, result: ["{{ each }}", "{{ each.errors }}", "{{ again }}"]}
$$, '{"ids": [1, 0, 9, 5]}') > 0 AS started;
SELECT event, node, CASE jsonb_typeof(result) WHEN 'object' THEN result - 'error' ELSE result END AS result, error FROM events('sql/items');
SELECT * FROM kept WHERE n IN (10, 2, 10000, 2000) AND (doc IS NULL OR jsonb_typeof(doc) = 'number') ORDER BY n, doc;
SELECT * FROM noetl.verify(newest('sql/items'));
SELECT count(*) FROM noetl.item;
SELECT run('stops', $$
- {step: each, type: iterator, collection: [1, 0, 2], element: n, mode: distributed, task: {type: sql, statement: 'INSERT INTO public.kept VALUES (77 / :n)', params: {n: "{{ n }}"}}}
$$) > 0 AS started;
SELECT event, node, error FROM events('sql/stops');
SELECT count(*) FROM kept WHERE n = 77;
SELECT * FROM noetl.verify(newest('sql/stops'));

-- As the role that started the execution.
CREATE ROLE regress_noetl_sql;
GRANT USAGE ON SCHEMA noetl, public TO regress_noetl_sql;
GRANT INSERT ON noetl.event TO regress_noetl_sql;
GRANT EXECUTE ON FUNCTION noetl.execute TO regress_noetl_sql;
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: sql/who
workflow:
- {step: a, type: sql, statement: 'SELECT current_user, current_setting(''search_path'') AS path, count(*) FROM public.kept'}
$$) > 0 AS registered;
SET ROLE regress_noetl_sql;
SELECT noetl.execute('sql/who') > 0 AS started;
RESET ROLE;
SELECT event, result -> 'data' AS data, error FROM events('sql/who');
GRANT SELECT ON kept TO regress_noetl_sql;
SET ROLE regress_noetl_sql;
SELECT noetl.execute('sql/who') > 0 AS started;
RESET ROLE;
SELECT event, result -> 'data' AS data, error FROM events('sql/who');
DROP OWNED BY regress_noetl_sql;

-- What is wrong is said at registration, as far as it can be seen.
SELECT severity, line, col, message, hint FROM noetl.validate($$
apiVersion: noetl.io/v1
kind: Playbook
name: sql/wrong
workflow:
- {step: start, next: [a, b, c, d, e, f, g, h, i, j]}
- {step: a, type: sql}
- {step: b, type: sql, statement: 'CALL public.x()'}
- {step: c, type: sql, statement: 'SELECT '';'' /* ; */ ; -- ;'}
- {step: d, type: sql, statement: SELECT 1; SELECT 2}
- {step: e, type: sql, statement: /* nothing */}
- {step: f, type: sql, statement: "SELECT * FROM t WHERE id = '{{ workload.id }}'"}
- {step: g, type: sql, statement: [SELECT 1, SELECT 2], auth: pg}
- {step: h, type: iterator, collection: [1], element: n, mode: distributed, task: {type: sql, statement: SELECT 1, retry: 2, save: {storage: event}}}
- {step: i, type: iterator, collection: [1], element: n, task: [{type: sql, statement: SELECT 1}, {type: python, code: x}]}
- {step: j, type: sql, statement: "DROP TABLE t"}
$$);

-- Templates in the SQL of saves are warned of, whoever executes them.
SELECT severity, line, col, message, hint FROM noetl.validate($$
apiVersion: noetl.io/v1
kind: Playbook
name: sql/warned
workflow:
- {step: start, next: [a, b, c, d]}
- {step: a, type: python, code: x, save: {storage: postgres, statement: "SELECT '{{ result }}'"}}
- {step: b, type: python, code: x, save: [{storage: {kind: postgres, auth: pg, statement: "SELECT '{{ result }}'"}}, {storage: postgres, auth: pg, statement: "SELECT :a", params: {a: "{{ result }}"}}]}
- {step: c, type: iterator, collection: [1], element: n, task: {type: python, code: x, save: {storage: postgres, auth: pg, statement: "SELECT {{ n }}"}}}
- {step: d, type: save, storage: postgres, table: "{{ workload.t }}", data: {n: 1}}
$$);

-- All of it follows from the logs; no statement is executed again.
TRUNCATE stock, kept;
SET noetl.max_visits = 500;
SELECT x.path, v.* FROM noetl.execution x, noetl.verify(x.execution_id) v WHERE x.path LIKE 'sql/%';
SELECT count(*) FROM stock, kept;
RESET noetl.max_visits;

DROP TABLE stock, kept;
DROP TYPE sql_mood;
DROP ROLE regress_noetl_sql;
DROP FUNCTION run(text, text, jsonb), events(text), try(text, text, text);
DROP OWNED BY regress_stock;
DROP ROLE regress_stock;
