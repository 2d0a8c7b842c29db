\set SHOW_CONTEXT never
\pset format unaligned
\pset tuples_only on
-- What a save asks for, whatever form it is written in.
CREATE FUNCTION pg_temp.tasks(save jsonb, names jsonb DEFAULT '{}', context jsonb DEFAULT '{}') RETURNS SETOF text
LANGUAGE sql AS $$
    SELECT type || ' ' || action || ' ' || summary FROM noetl.save_tasks(save, context, names) ORDER BY index
$$;
CREATE FUNCTION pg_temp.sql(save jsonb, names jsonb DEFAULT '{}', context jsonb DEFAULT '{}') RETURNS text
LANGUAGE sql AS $$
    SELECT string_agg(action ->> 'command', E'\n--\n' ORDER BY index)
    FROM noetl.save_tasks(CASE jsonb_typeof(save) WHEN 'object' THEN '{"storage": "postgres", "table": "t"}' || save ELSE save END, context, names)
$$;
CREATE FUNCTION pg_temp.refusal(save jsonb, names jsonb DEFAULT '{}') RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
    hint text;
BEGIN
    RETURN (SELECT string_agg(type, ',') FROM noetl.save_tasks(save, '{}', names));
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS hint = PG_EXCEPTION_HINT;
    RETURN SQLSTATE || ': ' || SQLERRM || coalesce(' / ' || nullif(hint, ''), '');
END $$;

-- Names of storages, and where they stand.
SELECT save, pg_temp.tasks(save) FROM unnest(ARRAY['{}', '"event"', '"event_log"', 'null', 'false', '[]',
    '{"storage": "event", "data": {"a": 1}}', '{"tool": "event_log", "args": {"a": 1}}',
    '{"storage": "PG", "auth": "x", "table": "t", "data": {"a": 1}}',
    '{"type": "postgresql", "table": "t", "args": {"a": 1}}',
    '{"storage": {"kind": "postgres", "table": "t", "data": {"a": 1}, "auth": {"pg": {"type": "postgres", "key": "k"}}}}',
    '{"storage": {"type": "postgres", "table": "t"}, "args": {"a": 1}, "auth": "x"}',
    '{"storage": {"tool": "postgres", "table": "below"}, "table": "above", "data": {"a": 1}}',
    '{"storage": "http", "url": "http://h/", "data": [1]}',
    '{"storage": "http", "endpoint": "http://h/", "method": "PUT", "headers": {"X": "y"}, "body": "b", "data": [1]}',
    '[{"storage": "event", "data": 1}, "event", {"storage": "duckdb", "database": "f.db", "table": "t", "data": {"a": "it''s \\"}}]',
    '{"storage": "postgres", "table": "t", "mode": "overwrite", "data": []}']::jsonb[]) AS save;

-- Nonsense.
SELECT pg_temp.refusal(save) FROM unnest(ARRAY['1', '[1]', '{"storage": 1}', '{"storage": "paper"}', '{"table": "t"}', '{"statement": "SELECT 1"}',
    '{"storage": "postgres", "data": {"a": 1}}', '{"storage": "postgres", "table": "t"}', '{"storage": "postgres", "table": "t", "data": 1}',
    '{"storage": "postgres", "table": "t", "data": {}}', '{"storage": "postgres", "table": "t", "data": [{"a": 1}, 2]}',
    '{"storage": "postgres", "table": "t", "data": {"a": 1}, "mode": "merge"}', '{"storage": "postgres", "table": "t", "data": {"a": 1}, "mode": "upsert"}',
    '{"storage": "postgres", "table": "t", "data": {"a": 1}, "mode": "update", "key": "b"}', '{"storage": "postgres", "table": "t", "data": {"a": 1}, "mode": "update", "key": "a"}',
    '{"storage": "postgres", "statement": 1}', '{"storage": "postgres", "table": "t", "data": "{{ 1 / 0 }}"}', '{"storage": "postgres", "statement": "{{ 1 / 0 }}"}',
    '{"storage": "event", "data": "{{ x.y.z }}"}']::jsonb[]) AS save;

-- Templates: result and this are values of a step; data and all others are plain; names lie over the context.
SELECT pg_temp.tasks('{"data": ["{{ result.square }}", "{{ result.data.square }}", "{{ this.data.square }}", "{{ this.status }}", "{{ result.status }}", "{{ data.square }}", "{{ n }}", "{{ m }}"]}',
    '{"result": {"square": 4}, "this": {"status": "success", "data": {"square": 4}}, "data": {"square": 4}, "n": 2}', '{"n": 1, "m": 3}');
SELECT pg_temp.tasks('{"data": "{{ data.data }}"}', '{"data": {"square": 4}}');
-- Of the context those are values of steps that are said to be.
SELECT pg_temp.tasks('{"data": ["{{ s.data.x }}", "{{ s.status }}", "{{ s.errors }}", "{{ t.data }}", "{{ t.status }}"]}', '{}', '{"s": {"x": 1}, "t": {"x": 1}, "_steps": {"s": {"status": "success", "errors": [1]}}}');

-- What has been rendered already is not rendered again.
SELECT type, action FROM noetl.save_tasks('{"storage": "event", "data": "{{ 1 }}"}', '{}', NULL);
SELECT * FROM noetl.save_tasks(NULL, '{}', '{}');

-- The SQL.
SELECT pg_temp.sql('{"data": {"n": 1.50, "neg": -1, "b": true, "s": "it''s", "back": "a\\b", "nothing": null, "m": {"k": [1]}, "l": ["x", 2]}}');
SELECT pg_temp.sql('{"data": [{"a": 1}, {"b": 2, "a": 3}]}');
-- what a row does not mention keeps its default, or stays as it is
SELECT pg_temp.sql('{"data": [{"a": 1}, {"a": 2}, {"a": 3, "b": null}, {"a": 4, "b": 5}], "mode": "upsert", "key": "a"}');
SELECT pg_temp.sql('{"data": [{"a": 1, "b": 2}, {"a": 3, "c": 4}], "mode": "update", "key": "a"}');
SELECT pg_temp.sql('{"data": [{"a": 1, "b": 2}, {"b": 4}], "mode": "upsert", "key": "a"}');
SELECT pg_temp.sql('{"data": [{"a": 1, "b": 2}, {"a": 3}], "mode": "update", "key": "a"}');
SELECT pg_temp.sql('{"data": {"id": 1, "v": 2}, "mode": "upsert", "key": "id"}');
SELECT pg_temp.sql('{"data": {"id": 1}, "mode": "upsert", "key": ["id"]}');
SELECT pg_temp.sql('{"data": {"a": 1, "b": 2, "v": 3}, "mode": "UPSERT", "keys": " a , b "}');
SELECT pg_temp.sql('{"data": {"id": 1}, "mode": "upsert", "key": null, "keys": ["id"]}');
SELECT pg_temp.sql('{"data": [{"id": 1, "v": 2}, {"id": "x", "v": null}], "mode": "update", "key": "id"}');
SELECT pg_temp.sql('{"data": {"a": 1}, "mode": "overwrite"}');
SELECT inserts FROM (SELECT length(s) - length(replace(s, 'INSERT', 'INSER')) AS inserts
    FROM pg_temp.sql((SELECT jsonb_build_object('data', jsonb_agg(jsonb_build_object('a', i))) FROM generate_series(1, 1001) i)) s) t;
-- Names as in SQL.
SELECT pg_temp.sql('{"table": "S.Tab", "data": {"Col": 1, "\"Exact\"": 2, "with space": 3, "a\"b": 4, "order": 5}}');
SELECT pg_temp.sql('{"table": "\"My.Schema\".\"T\"", "data": {"ID": 1, "v": 2}, "mode": "upsert", "key": "Id"}');
SELECT pg_temp.sql('[{"storage": "duckdb", "table": "t", "data": {"l": ["x", 2], "s": "it''s \\", "m": {"k": "v"}, "n": -1}}]');

SELECT pg_temp.sql('[{"storage": "duckdb", "table": "t", "mode": "overwrite", "data": {"a": 1}}]');

-- Statements: parameters as literals, outside quotes and comments; templates see them, too.
SELECT pg_temp.sql('{"statement": "INSERT INTO t VALUES (:id, :s, :m, :nothing, :b, -:neg)", "params": {"id": "{{ n }}", "s": "it''s", "m": {"k": 1}, "nothing": null, "b": false, "neg": -1}}', '{"n": 7}');
SELECT pg_temp.sql('{"statement": "SELECT '':id'', \":id\", E''\\'':id'', a[1:id], x::id, $$:id$$, $q$:id$q$, :other /* :id */ -- :id\n, :id", "params": {"id": 1}}');
SELECT pg_temp.sql('{"statement": "SELECT :a, {{ a }}, {{ n | quote_literal }}", "data": {"a": 1}}', '{"n": "x''y"}');
SELECT pg_temp.sql('{"statement": "SELECT $1, ''unfinished :id", "params": {"id": 1}}');

-- It does what it says.
SET timezone = 'UTC';
CREATE TEMP TABLE saved (id text PRIMARY KEY, n integer, r real, t text, j jsonb, a text[], b boolean, at timestamptz, d integer DEFAULT 9);
CREATE FUNCTION pg_temp.store(save jsonb, names jsonb DEFAULT '{}') RETURNS SETOF text
LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE pg_temp.sql('{"table": "saved"}' || save, names);
    RETURN QUERY SELECT row_to_json(s)::text FROM saved s ORDER BY id COLLATE "C";
END $$;
SELECT pg_temp.store('{"data": {"id": 1, "n": 1.0, "r": "0.5", "t": {"k": 1}, "j": {"k": [1, "two"]}, "a": ["x", "y,\"z\""], "b": true, "at": "2024-01-01 00:00:00+00"}}');
SELECT pg_temp.store('{"data": [{"id": "2", "j": "{{ list | tojson }}", "t": "{{ list | tojson }}"}, {"id": "3", "j": [1, 2], "t": [1, 2], "b": false, "n": "7"}]}', '{"list": ["a"]}');
SELECT pg_temp.store('{"mode": "upsert", "key": "id", "data": [{"id": "3", "n": 8}, {"id": "4", "n": 9}]}');
SELECT pg_temp.store('{"mode": "update", "key": "id", "data": [{"id": 3, "a": ["q"], "t": null}, {"id": "nobody", "t": "x"}]}');
SELECT pg_temp.store('{"mode": "overwrite", "data": {"id": "only", "j": 5, "t": 5}}');
SELECT pg_temp.store('{"mode": "overwrite", "data": {"id": "only", "j": "5", "t": 5.5, "n": 1.5}}');
SELECT pg_temp.store('{"statement": "INSERT INTO saved (id, j, a) VALUES (:id, :j, ARRAY[:id])", "params": {"id": "two", "j": {"x": ["y"]}}}');
SELECT pg_temp.store('{"mode": "overwrite", "data": []}');

-- The action of a task in an iterator's body: its templates rendered but for what comes later, its input put together.
SELECT noetl.task_action('{"tool": "Python", "code": "x = \"{{ n }}\"", "name": "double", "input": {"a": 1, "b": 1}, "with": {"b": "{{ n }}", "c": "{{ item.x }}"}, "data": "{{ extra }}", "save": {"data": "{{ result }}"}, "retry": {"retry_when": "{{ error }}"}, "next": "no", "timeout": "{{ n }}"}',
    '{"n": 2, "item": "below", "extra": {"d": 4}}', '{"item": {"x": 3}}', '{"z": 0, "a": 0}');
SELECT noetl.task_action('{"tool": {"kind": "http", "url": "{{ u }}", "params": {"q": 1}}, "args": 5}', '{"u": "http://h/"}', '{}');
SELECT noetl.task_action('{"type": "shell", "command": "{{ s.data.x }} {{ s.status }}"}', '{"s": {"x": 1}, "_steps": {"s": {"status": "success", "errors": [1]}}}', '{}');
SELECT noetl.task_action('{"type": "shell", "command": "{{ s.status }}"}', '{"s": {"x": 1}, "_steps": {"s": {"status": "success", "errors": [1]}}}', '{"s": {"y": 2}}') ->> 'command' AS hidden;
-- An iterator inside an iterator keeps its own body for later, and knows the enclosing item.
SELECT noetl.task_action('{"type": "iterator", "element": "y", "on_error": "continue", "collection": "{{ x.ys }}", "where": "y > n", "order_by": "-y", "task": {"type": "python", "data": "{{ y }}"}, "limit": "{{ n }}"}',
    '{"n": 1}', '{"x": {"ys": [1, 2, 3]}}');
SELECT item, names FROM noetl.iterator_items('{"element": "y", "where": "y > n", "collection": [1, 2]}', '{"n": 1, "_item": {"x": {"ys": [1, 2]}, "_loop": {"index": 0}}}');
SELECT noetl.task_action('{"code": "x"}', '{}', '{}');
SELECT noetl.task_action('[]', '{}', '{}');
SELECT noetl.task_action('{"type": "python", "x": "{{ 1 / 0 }}"}', '{}', '{}');
