-- What the database makes of tasks inside tasks, and of saves that a worker executes: the
-- texts that are told apart, and the input that goes to each.
\set SHOW_CONTEXT never
\pset format unaligned
\pset tuples_only on
CREATE FUNCTION pg_temp.command(save jsonb) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    RETURN (SELECT string_agg(action ->> 'command', E'\n--\n' ORDER BY index) FROM noetl.save_tasks(save, '{}', '{}'));
EXCEPTION WHEN OTHERS THEN
    RETURN SQLSTATE || ' ' || SQLERRM;
END
$$;
CREATE FUNCTION pg_temp.action(task jsonb, context jsonb DEFAULT '{}', names jsonb DEFAULT '{}', input jsonb DEFAULT '{}') RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    RETURN noetl.task_action(task, context, names, input);
EXCEPTION WHEN OTHERS THEN
    RETURN SQLSTATE || ' ' || SQLERRM;
END
$$;

-- Which columns the names of keys mean: the case of a plain name does not count.
SELECT key, pg_temp.command(jsonb_build_object('storage', 'postgres', 'table', 't', 'mode', 'upsert', 'key', key, 'data', jsonb_build_object('id', 1, '_x', 3, '1x', 4, 'a$', 5, 'ä', 6, 'a-b', 7, 'x"y', 8, '', 9)))
  FROM unnest(ARRAY['id', 'ID', '"Id"', '"id"', '_X', '1X', 'A$', 'Ä', 'A-B', 'x"y', '"x"y"', '"id', 'id"', '""', '"']) key;
SELECT pg_temp.command(jsonb_build_object('storage', 'postgres', 'table', t, 'data', '{"a": 1}'::jsonb)) FROM unnest(ARRAY['t', '', 'S.T', '"s"."t"', 't; DROP']) t;
SELECT pg_temp.command('{"storage": "postgres", "table": "t", "statement": null, "data": {"a": 1}}');
SELECT pg_temp.command('{"storage": "postgres", "table": "t", "data": [{"a": 1}, {}]}');
SELECT pg_temp.command('{"storage": "postgres", "table": "t", "data": [{}, {"a": 1}]}');

-- Numbers and modes of DuckDB.
SELECT mode, pg_temp.command(jsonb_build_object('storage', 'duckdb', 'database', 'f.db', 'table', 't', 'mode', mode, 'key', 'a', 'data', '[{"a": 1, "b": 1.5, "c": -2}, {"a": 1.0, "b": -2.5, "c": 3}]'::jsonb)) FROM unnest(ARRAY['append', 'overwrite', 'update', 'upsert']) mode;

-- A column that a row does not have.
SELECT storage, mode, pg_temp.command(jsonb_build_object('storage', storage, 'database', 'f.db', 'table', 't', 'mode', mode, 'key', 'a', 'data', '[{"a": 1, "b": 1.5, "c": "x"}, {"a": 2}, {"c": "y", "a": 3}]'::jsonb)) FROM unnest(ARRAY['postgres', 'duckdb']) storage, unnest(ARRAY['append', 'update', 'upsert']) mode;
SELECT regexp_replace(pg_temp.command('{"storage": "postgres", "table": "t", "data": [{"a": "v", "b": "w"}, {"a": "x", "b": "[1]"}, {"b": "y"}, {"b": "z"}, {"a": "v", "b": "w"}]}'), '\(pg_catalog.jsonb_populate_record\(.*?END::pg_catalog.jsonb\)\)', '(record)', 'g');

-- Statements: their parameters, and what is text or a comment in them.
SELECT statement, pg_temp.command(jsonb_build_object('storage', s, 'database', 'f.db', 'statement', statement, 'params', '{"a": 1.5, "b": -2, "c": "x''y", "d": {"k": [1]}, "e": null, "f": true, "g": "[1]", "h": 7.0}'::jsonb))
  FROM unnest(ARRAY['duckdb']) s, unnest(ARRAY['SELECT :a, :b, :c, :d, :e, :f, :g, :h', 'SELECT :nothing', 'SELECT '':a'', ":b"', 'SELECT e''\'' :a'', :b', E'SELECT e''\\', 'SELECT $$ :a $$, $x$ :b $$ :c $x$, a$b$ :c', 'SELECT :a -- :b' || E'\n, :c', 'SELECT /* :a */ :b', 'SELECT /* /* :a */ :b */ :c', 'SELECT /* * / :a */ :b', 'SELECT /* / * :a */ :b', 'SELECT 1 / :a * :b', 'SELECT :a / * :b', 'SELECT x::a, x :: a', 'SELECT x:a, :é', 'SELECT /* :a']) statement;
SELECT statement, command !~ '^DO ' AS plain, CASE WHEN command !~ '^DO ' THEN command END, (SELECT string_agg(m[1], ' ') FROM regexp_matches(command, '(\$\d|returning|RETURNING)', 'g') m) AS parts
  FROM unnest(ARRAY['SELECT :a', 'INSERT INTO t VALUES (:a, :b, :a)', 'SELECT 1', 'values (1)', 'TABLE t', 'WITH x AS (SELECT 1) SELECT 1', 'selects 1', 'val', 'INSERT INTO t VALUES (1)', 'INSERT INTO t VALUES (1) RETURNING id', 'INSERT INTO t VALUES (1) returnin id', 'DELETE FROM t', 'DELETE FROM t WHERE a = :a; DELETE FROM t', 'CREATE TABLE x (a int DEFAULT :a)', 'COMMIT', 'TRUNCATE t', 'CALL x(:a)', 'BEGIN; SELECT :a; COMMIT', 'SELECT :c, :d, :g, :h', 'SELECT :nothing', '']) statement,
    LATERAL (SELECT pg_temp.command(jsonb_build_object('storage', 'postgres', 'statement', statement, 'params', '{"a": 1.5, "b": -2, "c": "x''y", "d": {"k": [1]}, "g": "[1]", "h": 7.0}'::jsonb)) AS command) c;

SELECT pg_temp.command('{"storage": "postgres", "statement": "SELECT :c, :d, :g, :h", "params": {"c": "x", "d": {"k": [1]}, "g": "[1]", "h": 7.0}}');

-- The parameters of a statement that its templates see.
SELECT save, (SELECT string_agg(type || ' ' || action, ' ') FROM noetl.save_tasks(save, context, '{}'))
  FROM (VALUES ('{"storage": "duckdb", "database": "f.db", "statement": "SELECT {{ x }} {{ params.x }} {{ y }}", "params": {"x": 1}}'::jsonb, '{"x": 3, "y": 2}'::jsonb),
    ('{"storage": "duckdb", "database": "f.db", "statement": "SELECT {{ env.X }} {{ x }}", "params": {"env": {"X": 1}, "x": "{{ y }}"}}', '{"y": 2}'), ('{"storage": "duckdb", "database": "f.db", "statement": "SELECT {{ params | length }}", "params": [1, 2]}', '{}')) v (save, context);

-- The input of a task inside a task: each layer sees those above it, and all are one.
SELECT task, pg_temp.action(task, context, names, input)
  FROM (VALUES ('{"type": "python", "code": "x", "args": {"a": 1, "b": "{{ a }}"}, "input": {"b": "{{ c }}", "d": 2}, "data": {"c": 4}}'::jsonb, '{"a": 5, "c": 6}'::jsonb, '{}'::jsonb, '{"z": 9}'::jsonb),
    ('{"type": "python", "code": "x", "args": null, "data": null}', '{}', '{}', '{"z": 9}'), ('{"type": "python", "code": "x", "args": 5, "data": [1]}', '{}', '{}', '{}'), ('{"type": "python", "code": "x", "data": "text"}', '{}', '{}', '{"z": 9}'),
    ('{"type": "save", "data": [{"a": 1}]}', '{}', '{}', '{}'), ('{"type": "save", "args": [{"a": 1}]}', '{}', '{}', '{}'), ('{"type": "save", "data": [{"a": 1}], "save": {"storage": "event"}}', '{}', '{}', '{}'), ('{"type": "save", "data": [{"a": 1}], "sink": {"storage": "event"}}', '{}', '{}', '{}'), ('{"type": "save", "data": {"a": 1}}', '{}', '{}', '{}'),
    ('{"type": "python", "code": "x", "args": {"t": "{{ l }}"}}', '{"l": [1, {"k": null}]}', '{}', '{}'), ('{"type": "shell", "command": "x", "args": {"t": "{{ l }}"}}', '{"l": [1, {"k": null}]}', '{}', '{}'),
    ('{"type": "http", "url": "{{ s.kind }} {{ s.x }}", "args": {"s": {"x": 2}}}', '{"s": {"x": 1}, "_steps": {"s": {"kind": "k"}}}', '{}', '{}'), ('{"type": "http", "url": "{{ s.kind }} {{ s.x }}"}', '{"s": {"x": 1}, "_steps": {"s": {"kind": "k"}}}', '{}', '{}'), ('{"type": "http", "url": "{{ n }} {{ m }}", "args": {"n": 2, "m": 2}}', '{"n": 1}', '{"n": 3}', '{}'),
    ('{"tool": {"kind": "http", "url": "{{ a }}", "args": {"a": 1}, "data": {"b": 2}}, "args": {"c": 3}}', '{}', '{}', '{}'), ('{"tool": {"kind": "http", "args": {"a": "{{ 1 / 0 }}"}}}', '{}', '{}', '{}'), ('{"tool": {"kind": "http", "url": "{{ 1 / 0 }}"}}', '{}', '{}', '{}'), ('{"type": "http", "args": {"a": "{{ 1 / 0 }}"}}', '{}', '{}', '{}'), ('{"type": "http", "args": {"a": "{{ 1 +"}}', '{}', '{}', '{}'), ('{"type": "http", "url": "{{ 1 / 0 }}"}', '{}', '{}', '{}'),
    ('{"tool": {"url": "x"}}', '{}', '{}', '{}'), ('{"tool": 5}', '{}', '{}', '{}'), ('{"tool": "HTTP", "url": "x"}', '{}', '{}', '{}'), ('{"type": 5}', '{}', '{}', '{}')) v (task, context, names, input);

-- Settings of an SQL task in its input, of each kind that it does not have itself.
SELECT task, pg_temp.action(task, '{"n": "x"}')
  FROM unnest(ARRAY['{"type": "postgres", "args": {"command": "SELECT {{ n }}", "auth": "{{ n }}", "db_host": "{{ n }}", "other": 1}}', '{"type": "postgres", "command": "SELECT 1", "args": {"command": "SELECT 2", "sql": "SELECT 3", "auth": "a"}}', '{"type": "postgres", "auth": "a", "args": {"auth": "b", "db_host": "h", "command": "SELECT 1"}}', '{"type": "postgres", "db_host": "g", "args": {"db_host": "h", "db_port": 1}}', '{"type": "postgres", "data": {"command": "SELECT 1", "auth": "a", "db_host": "h"}}',
    '{"tool": {"kind": "postgres", "auth": "a"}, "args": {"auth": "b", "db_host": "h", "command": "SELECT 1"}}', '{"tool": {"kind": "postgres", "command": "SELECT 2"}, "args": {"auth": "b", "command": "SELECT 1"}}', '{"tool": {"kind": "postgres", "db_host": "g"}, "args": {"db_host": "h", "command": "SELECT 1"}}',
    '{"type": "duckdb", "args": {"command": "SELECT 1", "database": "f.db", "db_host": "h", "auth": "a"}}', '{"type": "duckdb", "auth": "a", "args": {"database": "f.db", "code": "SELECT {{ n }}"}}', '{"type": "python", "args": {"command": "SELECT 1", "auth": "a"}}', '{"type": "postgres", "args": "SELECT 1"}', '{"type": "postgres", "args": {"command": "{{ 1 / 0 }}"}}', '{"type": "postgres", "args": {"code": "SELECT {{ n }}"}}']::jsonb[]) task;

-- A setting in the input sees the whole input: what raises there is the error of the action.
SELECT task, pg_temp.action(task)
  FROM unnest(ARRAY['{"type": "postgres", "data": {"db_host": "{{ 1 / n if n is defined else 5 }}"}, "args": {"n": 1}}', '{"type": "postgres", "data": {"db_host": "{{ 1 / n if n is defined else 5 }}"}, "args": {"n": 0}}']::jsonb[]) task;

-- A save knows the envelope of its own step by three names; a name of the item wins over that of the step.
SELECT url, names, (SELECT string_agg(action ->> 'url', ' ') FROM noetl.save_tasks(jsonb_build_object('storage', 'http', 'url', url), '{"_self": "a", "b": {"x": 3}, "_steps": {"b": {"status": "old"}}}', names))
  FROM unnest(ARRAY['{{ a.status }} {{ step.status }} {{ this.status }} {{ result.status }} {{ b.status }}', '{{ a.x }} {{ step.x }} {{ result.x }} {{ b.x }}']) url,
       unnest(ARRAY['{"result": {"x": 1}, "this": {"status": "done"}}', '{"a": {"x": 5}, "result": {"x": 1}, "this": {"status": "done"}}', '{"b": {"x": 4}, "result": {"x": 1}, "this": {"status": "done"}}']::jsonb[]) names;

-- What is left for the worker stands at places: those that there are not are passed over.
SELECT places, (SELECT rendered_action FROM noetl.render_left('{"command": "{{ n }}", "data": {"a": ["{{ n }}"]}, "5": "{{ n }}"}', jsonb_build_object('_left_action', places), '{"n": 1}'))
  FROM unnest(ARRAY['[["command"], ["data", "a", "0"]]', '5', '"command"', '{"command": 1}', '[5, "command", ["nothing"], ["data", "b"], ["command"]]', 'null']::jsonb[]) places;
SELECT rendered_action FROM noetl.render_left('{"a": "{{ n }}"}', '{"a": "{{ n }}", "_left_context": [["a"]]}', '{"n": 1}');
-- A task of an iterator sees what its step has come to before; only a save has a result of its own.
SELECT pg_temp.action('{"type": "shell", "command": "{{ a.x }} {{ a.status }}"}', '{"_self": "a", "a": {"x": 1}, "_steps": {"a": {"status": "old"}}}');
-- An order that is null is none.
SELECT orders, (SELECT string_agg(item::text, ' ') FROM noetl.iterator_items(jsonb_build_object('element', 'x', 'order_by', orders, 'collection', '[3, 1, 2]'::jsonb), '{}')) FROM unnest(ARRAY['null', '"x"']::jsonb[]) orders;
