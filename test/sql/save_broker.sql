-- Saves that the database executes itself, in the transaction that completes
-- the action.
SET client_min_messages = error;
CREATE TYPE saved_mood AS ENUM ('sad', 'happy');
CREATE TABLE saved (
    id int PRIMARY KEY,
    name varchar(10),
    at timestamptz,
    price numeric(8, 2),
    tags text[],
    doc jsonb,
    raw json,
    mood saved_mood,
    "Odd ""name" text,
    big bigint DEFAULT 7,
    twice int GENERATED ALWAYS AS (id * 2) STORED
);
CREATE FUNCTION saves(playbook text) RETURNS TABLE (event text, node text, status text, note text, meta jsonb) LANGUAGE sql AS $$
    SELECT event_type, regexp_replace(node_id, '^\d+:?', ''), status, error, meta - 'transitions' - 'queue_id'
      FROM noetl.event WHERE execution_id = newest(playbook)
       AND event_type NOT IN ('execution_start', 'step_started', 'iterator_started', 'iteration_started') ORDER BY event_id
$$;
-- No save acts as a superuser.
CREATE ROLE regress_noetl_saver;
ALTER TABLE saved OWNER TO regress_noetl_saver;
GRANT INSERT ON noetl.event TO regress_noetl_saver;
GRANT EXECUTE ON FUNCTION noetl.register, noetl.execute, noetl.cancel TO regress_noetl_saver;
-- Registers "saved/<name>" with these steps and starts it, as an ordinary role.
CREATE FUNCTION run(name text, steps text, parameters jsonb DEFAULT '{}') RETURNS bigint LANGUAGE sql SECURITY DEFINER AS $$
    SELECT noetl.register('apiVersion: noetl.io/v1' || chr(10) || 'kind: Playbook' || chr(10) || 'path: saved/' || name || chr(10) || 'workflow:' || chr(10) || steps);
    SELECT noetl.execute('saved/' || name, parameters)
$$;
ALTER FUNCTION run OWNER TO regress_noetl_saver;
SET timezone = 'UTC';
SET datestyle = 'Postgres, DMY';

-- The save does not reach the worker; values get the types of the columns.
SELECT run('insert', $$
- step: a
  type: python
  code: x
  args: {n: 1}
  save:
    storage: postgres
    table: public.saved
    data:
      id: "{{ result.id }}"
      name: "{{ this.name ~ '/' ~ input.n }}"
      at: "{{ data.at }}"
      price: "{{ result.price }}"
      tags: "{{ data.tags }}"
      doc: "{{ result }}"
      raw: {execution: "{{ execution_id is defined }}", list: [1, "{{ result.id }}"]}
      mood: happy
      "Odd \"name": "it's; -- \\ {{ result.id }}"
  next: end
- step: end
$$) > 0 AS started;
SELECT action, context FROM noetl.queue;
SELECT step FROM work('{"a": {"id": "41", "name": "ada", "at": "2025-02-03 04:05", "price": 1.005, "tags": ["x", "y z"]}}');
SELECT * FROM saved;
SELECT * FROM saves('saved/insert');
TRUNCATE saved;

-- The result may be a row, or a list of rows.
SELECT run('result', $$
- step: a
  type: python
  code: x
  sink: {tool: Pg, table: saved, data: "{{ result }}"}
$$) > 0 AS started;
SELECT step FROM work('{"a": {"status": "success", "data": [{"id": 1, "name": "one"}, {"id": 2}, {"name": "three", "id": 3, "big": null}]}}');
SELECT id, name, big FROM saved ORDER BY id;
SELECT * FROM saves('saved/result');
SELECT run('result', '- {step: a, type: python, code: x, sink: {tool: postgres, table: saved, data: "{{ result }}"}}') > 0 AS started;
SELECT step FROM work('{"a": {"status": "success", "data": []}}');
SELECT event, meta FROM saves('saved/result') WHERE event LIKE 'save%';

-- By key: changed or added; only changed; everything replaced.
SELECT run('upsert', $$
- step: a
  type: python
  code: x
  save: {storage: {kind: postgres, table: saved, mode: upsert, key: id}, data: [{id: 1, name: uno}, {id: 4, name: quattro}]}
  next: b
- step: b
  type: python
  code: x
  save: {storage: postgres, table: saved, mode: "{{ 'up' ~ 'date' }}", keys: [id, name], args: [{id: 2, name: none, big: 22}, {id: 4, name: quattro, big: 44}]}
  next: c
- step: c
  type: python
  code: x
  save: {type: postgres, table: SAVED, mode: UPSERT, key: " Id,", data: {ID: 1}}
  next: end
- step: end
$$) > 0 AS started;
SELECT step FROM work();
SELECT id, name, big FROM saved ORDER BY id;
SELECT event, node, meta FROM saves('saved/upsert') WHERE event LIKE 'save%';
SELECT run('overwrite', '- {step: a, type: python, code: x, save: {storage: postgres, table: saved, mode: overwrite, data: {id: 9}}}') > 0 AS started;
SELECT step FROM work();
SELECT id, name, big FROM saved ORDER BY id;

-- A statement with parameters, by name or by number.
SELECT run('statement', $$
- step: a
  type: python
  code: x
  save:
    storage: postgres
    statement: |
      INSERT INTO public.saved AS s (id, name, tags, doc, at, mood)
      VALUES (:id, ':id' /* :name /* */ :id */ || :name, :tags, :doc, :at::timestamptz, :mood) -- :id
      ON CONFLICT (id) DO UPDATE SET name = $x$:id$x$ || excluded.name || s.id::text
    params: {id: "{{ result.id }}", name: "x", n: 1, tags: [a, b], doc: {a: [1]}, at: "2025-01-02", mood: sad, unused: 1}
  next: b
- step: b
  type: python
  code: x
  save: {storage: postgres, statement: 'UPDATE public.saved SET big = $2, name = $3 WHERE id = $1', params: [9, "{{ 90 + 9 }}", null]}
  next: c
- step: c
  type: python
  code: x
  save: {storage: postgres, statement: SELECT id FROM public.saved}
$$) > 0 AS started;
SELECT step FROM work('{"a": {"id": 10}}');
SELECT id, name, at, tags, doc, mood, big FROM saved ORDER BY id;
SELECT event, node, note, meta FROM saves('saved/statement') WHERE event LIKE 'save%';

-- Exactly once: what is rolled back was never saved, and the next try saves it.
SELECT run('once', '- {step: a, type: python, code: x, save: {storage: postgres, table: saved, data: {id: 20}}}') > 0 AS started;
SELECT queue_id AS task FROM noetl.lease('w') \gset
BEGIN;
SELECT noetl.complete(:task, '1', 'w');
SELECT count(*) FROM saved WHERE id = 20;
ROLLBACK;
SELECT count(*) FROM saved WHERE id = 20;
SELECT noetl.complete(:task, '1', 'w'), noetl.complete(:task, '1', 'w') AS again;
INSERT INTO noetl.event (execution_id, event_type, node_name, result) VALUES (newest('saved/once'), 'action_completed', 'a', '1');
SELECT count(*) FROM saved WHERE id = 20;
SELECT event, meta FROM saves('saved/once');

-- A save that fails fails the action; its retry policy decides, then on_error.
SELECT run('fails', $$
- step: a
  type: python
  code: x
  retry: {max_attempts: 2, initial_delay: 0, jitter: false, retry_when: "{{ not success and 'duplicate' in error }}"}
  save: {storage: postgres, table: saved, data: {id: "{{ result.id }}"}}
  on_error: {step: rescue, data: {why: "{{ error }}", id: "{{ result.id }}"}}
- {step: rescue, type: python, code: x}
$$) > 0 AS started;
SELECT * FROM work('{"a": {"id": 20}}');
SELECT * FROM saves('saved/fails');
SELECT run('fails', $$
- step: a
  type: python
  code: x
  retry: {max_attempts: 2, initial_delay: 0}
  save: {storage: postgres, table: saved, data: {id: "{{ result.id }}"}}
$$) > 0 AS started;
SELECT step FROM work('{"a": {"id": 20}}', 1);
SELECT step FROM work('{"a": {"id": 21}}', 1);
SELECT event, note FROM saves('saved/fails');
SELECT count(*) FROM saved WHERE id = 21;
-- The action is not asked to be repeated before it is saved; what it failed with is not saved.
SELECT run('asks', $$
- step: a
  type: python
  code: x
  retry: {max_attempts: 3, initial_delay: 0, retry_when: "{{ result.again }}"}
  save: {storage: postgres, table: saved, data: {id: "{{ result.id }}"}}
$$) > 0 AS started;
SELECT step FROM work('{"a": {"again": true, "id": 22}}', 1);
SELECT step FROM work('{"a": {"again": false, "id": 23}}');
SELECT id FROM saved WHERE id > 21;
-- Many reasons to fail.
CREATE FUNCTION try(save text, result jsonb DEFAULT '{"id": 30}') RETURNS TABLE (failed text, sqlstate text, kind text) LANGUAGE plpgsql AS $$
BEGIN
    PERFORM run('try', E'- step: a\n  type: python\n  code: x\n  save: ' || save);
    PERFORM * FROM work(jsonb_build_object('a', result));
    RETURN QUERY SELECT e.error, s.meta ->> 'sqlstate', e.meta ->> 'kind' FROM noetl.event e, noetl.event s
      WHERE e.execution_id = newest('saved/try') AND e.event_type = 'step_failed'
        AND s.execution_id = e.execution_id AND s.event_type = 'save_failed';
END
$$;
SELECT * FROM try('{storage: postgres, table: nowhere, data: {id: 1}}');
SELECT * FROM try('{storage: postgres, table: saved, data: {id: 1, nonsense: 2}}');
SELECT * FROM try('{storage: postgres, table: saved, data: {id: 1, ctid: 2}}');
SELECT * FROM try('{storage: postgres, table: saved, data: {id: 1, twice: 2}}');
SELECT * FROM try('{storage: postgres, table: saved, data: {id: 1, name: 12345678901}}');
SELECT * FROM try('{storage: postgres, table: saved, data: {id: x}}');
SELECT * FROM try('{storage: postgres, table: saved, data: {id: 1, mood: angry}}');
SELECT * FROM try('{storage: postgres, table: saved, data: [{id: 31}, 2]}');
SELECT * FROM try('{storage: postgres, table: saved, data: "text"}');
SELECT * FROM try('{storage: postgres, table: saved, mode: upsert, key: id, data: {name: x}}');
SELECT * FROM try('{storage: postgres, table: saved, mode: upsert, key: "{{ none }}", data: {name: x}}');
SELECT * FROM try('{storage: postgres, table: saved, mode: upsert, key: name, data: {name: x}}');
SELECT * FROM try('{storage: postgres, table: saved, mode: update, key: id, data: {id: 1}}');
SELECT * FROM try('{storage: postgres, table: saved, mode: update, key: id, data: {name: all}}');
SELECT count(*) AS named FROM saved WHERE name = 'all';
SELECT * FROM try('{storage: postgres, table: saved, mode: "{{ ''delete'' }}", data: {id: 1}}');
SELECT * FROM try('{storage: postgres, table: saved, mode: upsert, key: [[1]], data: {id: 1}}');
SELECT * FROM try('{storage: postgres, table: "{{ 1 }}", data: {id: 1}}');
SELECT * FROM try('{storage: postgres, table: "{{ none }}", data: {id: 1}}');
SELECT * FROM try('{storage: postgres, table: saved, data: {}}');
SELECT * FROM try('{storage: postgres, table: saved, data: "{{ none }}"}');
SELECT * FROM try('{storage: postgres, table: saved, data: {id: "{{ result.no.such.thing }}"}}');
SELECT * FROM try('{storage: postgres, statement: "INSERT INTO saved (id) VALUES (1)"}');
SELECT * FROM try('{storage: postgres, statement: "SELECT run(''x'', ''y'')"}');
SELECT * FROM try('{storage: postgres, statement: "SELECT :a", params: {b: 1}}');
SELECT * FROM try('{storage: postgres, statement: "SELECT $1 IS NULL", params: [1]}');
SELECT * FROM try('{storage: postgres, statement: "SELECT $2::int", params: [1]}');
SELECT * FROM try('{storage: postgres, statement: "SELECT 1; SELECT 2"}');
SELECT * FROM try('{storage: postgres, statement: ""}');
SELECT * FROM try('{storage: postgres, statement: "-- nothing"}');
SELECT * FROM try('{storage: postgres, statement: "COMMIT"}');
SELECT * FROM try('{storage: postgres, statement: "DROP TABLE public.saved"}');
SELECT * FROM try('{storage: postgres, statement: "SET ROLE postgres"}');
SELECT count(*) FROM saved WHERE id >= 30;
SHOW datestyle;
SHOW search_path;

-- Names and values are quoted, whatever they try.
SELECT * FROM try('{storage: postgres, table: "saved; DROP TABLE saved", data: {id: 1}}');
SELECT * FROM try('{storage: postgres, table: ''saved" (id) SELECT 1; --'', data: {id: 1}}');
SELECT * FROM try('{storage: postgres, table: pg_temp.saved, data: {id: 1}}');
SELECT * FROM try('{storage: postgres, table: saved, data: {id: "31) ; DROP TABLE saved; --"}}');
SELECT * FROM try('{storage: postgres, table: saved, data: {id: 31, "name\") SELECT 1; --": x}}');
SELECT * FROM try('{storage: postgres, table: saved, mode: upsert, key: "id) DO NOTHING; --", data: {id: 31}}');
SELECT * FROM try('{storage: postgres, statement: "UPDATE public.saved SET name = :v WHERE id = 23", params: {v: "x''; --"}}');
SELECT id, name FROM saved WHERE id >= 23;

-- All saves of a list, or none; and all by the database, or all by the worker.
SELECT run('list', $$
- step: a
  type: python
  code: x
  save:
  - {storage: postgres, table: saved, data: {id: 40}}
  - {storage: postgres, table: saved, data: {id: "{{ result.second }}"}}
$$) > 0 AS started;
SELECT step FROM work('{"a": {"second": 40}}');
SELECT event, note, meta FROM saves('saved/list');
SELECT count(*) FROM saved WHERE id = 40;
SET ROLE regress_noetl_saver;
SELECT noetl.execute('saved/list') > 0 AS started;
RESET ROLE;
SELECT step FROM work('{"a": {"second": 41}}');
SELECT event, meta FROM saves('saved/list');
SELECT run('mixed', $$
- step: a
  type: python
  code: x
  save:
  - {storage: postgres, table: saved, data: {id: 42}}
  - {storage: event}
- {step: b, type: python, code: x, save: {storage: postgres, auth: pg_local, table: saved}}
- {step: c, type: python, code: x, save: {storage: {type: postgres, credential: pg}, table: saved}}
- {step: d, type: python, code: x, save: {storage: "{{ result.where }}", table: saved}}
$$) > 0 AS started;
SELECT action FROM noetl.queue;
SELECT noetl.cancel(newest('saved/mixed'));

-- Steps that do nothing but save need no worker.
SELECT run('control', $$
- {step: start, next: keep}
- step: keep
  save: {storage: postgres, table: saved, data: {id: "{{ workload.id }}", name: kept}}
  next: {step: end, args: {more: 1}}
- step: end
  args: {id: "{{ keep.id + 1 }}"}
  save: {storage: postgres, table: saved, data: {id: "{{ data.id }}", name: "{{ data.more ~ keep.name }}"}}
$$, '{"id": 50}') > 0 AS started;
SELECT * FROM story('saved/control');
SELECT id, name FROM saved WHERE id >= 50;
SELECT result FROM noetl.execution WHERE execution_id = newest('saved/control');
SELECT count(*) FROM noetl.queue;
-- One that fails is tried again when its time has come.
SELECT run('again', $$
- step: keep
  save: {storage: postgres, table: saved, data: {id: 50}}
  retry: {max_attempts: 3, initial_delay: 0}
  next: end
- step: end
$$) > 0 AS started;
SELECT state, attempts FROM noetl.run;
SELECT noetl.enqueue_next();
DELETE FROM saved WHERE id = 50;
SELECT noetl.enqueue_next();
SELECT event, node, note FROM story('saved/again');
SELECT run('broken', $$
- {step: keep, save: {storage: postgres, table: saved, data: {id: 50}}, on_error: continue, next: end}
- {step: end, save: {storage: postgres, table: saved, data: {id: 50}}}
$$) > 0 AS started;
SELECT event, node, note FROM story('saved/broken');

-- Items of iterators, their children, and all of their results.
SELECT run('items', $$
- step: each
  type: iterator
  collection: [60, 61]
  element: n
  mode: distributed
  task: {type: python, code: x, save: {storage: postgres, table: saved, data: {id: "{{ n }}", name: "{{ result.v ~ _loop.index }}"}}}
  save: {storage: postgres, table: saved, data: {id: 62, doc: "{{ results }}", name: "{{ count }}"}}
  next: end
- step: end
$$) > 0 AS started;
SELECT action FROM noetl.queue ORDER BY queue_id;
SELECT step FROM work('{"each": {"v": "v"}}');
SELECT id, name, doc FROM saved WHERE id >= 60 ORDER BY id;
SELECT event, node, meta FROM saves('saved/items') WHERE event LIKE 'save%';
SELECT run('child', '- {step: a, type: python, code: x}') > 0 AS started;
SELECT noetl.cancel(newest('saved/child'));
TRUNCATE noetl.queue;
SELECT run('children', $$
- step: call
  type: playbook
  path: saved/child
  save: {storage: postgres, table: saved, data: {id: 70, doc: "{{ result }}"}}
  next: each
- step: each
  type: iterator
  collection: [71, 72]
  element: n
  on_error: continue
  task: {type: playbook, path: saved/child, save: {storage: postgres, table: saved, data: {id: "{{ n if n == 71 else 70 }}", name: "{{ _loop.index }}"}}}
- {step: end}
$$) > 0 AS started;
SELECT step FROM work('{"a": {"v": 1}}');
SELECT id, name, doc FROM saved WHERE id >= 70 ORDER BY id;
SELECT event, node, note FROM saves('saved/children') WHERE event LIKE 'save%' OR event LIKE 'iter%';
-- What one worker goes through, it saves for each item itself; not so the whole.
SELECT run('loop', $$
- step: each
  loop: {in: [1], iterator: n}
  type: python
  code: x
  save: {storage: postgres, table: saved, data: {id: "{{ n }}"}}
- {step: start, next: [each, all]}
- step: all
  type: iterator
  collection: [1]
  element: n
  task: {type: python, code: x}
  save: {storage: postgres, table: saved, data: {id: 80, name: "{{ count }}", doc: "{{ results }}"}}
$$) > 0 AS started;
SELECT node_name, action -> 'save' AS whole, action #> '{task,save}' AS item FROM noetl.queue ORDER BY queue_id;
SELECT step FROM work('{"all": {"data": [{"v": 1}], "total_iterations": 1}}');
SELECT id, name, doc FROM saved WHERE id >= 80;

-- As the role that started the execution, whoever reports.
CREATE ROLE regress_noetl_starter;
CREATE ROLE regress_noetl_worker;
GRANT INSERT ON noetl.event TO regress_noetl_starter, regress_noetl_worker;
GRANT EXECUTE ON FUNCTION noetl.execute TO regress_noetl_starter;
GRANT EXECUTE ON FUNCTION noetl.lease, noetl.complete TO regress_noetl_worker;
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: saved/who
workflow:
- step: a
  type: python
  code: x
  save: {storage: postgres, statement: INSERT INTO public.saved_who (who) VALUES (:who), params: {who: x}}
$$) > 0 AS registered;
CREATE TABLE saved_who (who text, by text DEFAULT current_user, session text DEFAULT session_user = current_user, path text DEFAULT current_setting('search_path'));
-- no rights: the superuser who reports has none to lend
SET ROLE regress_noetl_starter;
SELECT noetl.execute('saved/who') > 0 AS started;
RESET ROLE;
SELECT step FROM work();
SELECT event, note FROM saves('saved/who');
GRANT INSERT ON saved_who TO regress_noetl_starter, regress_noetl_saver;
SET ROLE regress_noetl_starter;
SELECT noetl.execute('saved/who') > 0 AS started;
RESET ROLE;
-- the worker has no rights to the table and needs none
SET ROLE regress_noetl_worker;
SELECT noetl.complete(queue_id, '1', 'w') FROM noetl.lease('w');
SELECT current_user;
RESET ROLE;
SELECT * FROM saved_who;
SELECT event, note FROM saves('saved/who');
-- what the session has prepared does not matter
CREATE FUNCTION public.lower(varchar) RETURNS text LANGUAGE sql AS $$ SELECT 'hijacked' $$;
SELECT * FROM try('{storage: postgres, statement: "INSERT INTO public.saved_who (who) VALUES (lower(:v::varchar))", params: {v: ABC}}');
SELECT who FROM saved_who WHERE by = 'regress_noetl_saver' OR who IN ('abc', 'hijacked');
DROP FUNCTION public.lower(varchar);
-- a trigger that would keep the role
CREATE FUNCTION become() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM set_config('role', 'regress_noetl_worker', false); RETURN new; END $$;
CREATE TRIGGER become BEFORE INSERT ON saved_who FOR EACH ROW EXECUTE FUNCTION become();
SELECT * FROM try('{storage: postgres, table: saved_who, data: {who: trigger}}');
DROP TRIGGER become ON saved_who;
SELECT current_user = session_user AS same;
-- the role has gone
SET ROLE regress_noetl_starter;
SELECT noetl.execute('saved/who') > 0 AS started;
RESET ROLE;
DROP OWNED BY regress_noetl_starter;
DROP ROLE regress_noetl_starter;
SELECT step FROM work();
SELECT event, regexp_replace(note, 'oid was \d+', 'oid was N') AS note FROM saves('saved/who');
DROP OWNED BY regress_noetl_worker;
DROP ROLE regress_noetl_worker;

-- Statements may act on executions, also on their own: that comes afterwards.
SELECT run('itself', $$
- step: a
  type: python
  code: x
  save:
  - {storage: postgres, statement: "INSERT INTO noetl.event (execution_id, event_type, context) VALUES (:id, 'note', '{\"n\": 1}')", params: {id: "{{ execution_id }}"}}
  - {storage: postgres, statement: "INSERT INTO noetl.event (execution_id, event_type, node_name) VALUES (:id, 'action_completed', 'b')", params: {id: "{{ execution_id }}"}}
  - {storage: postgres, statement: "SELECT noetl.execute('saved/child')"}
  next: c
- {step: start, next: [a, b]}
- {step: b, type: shell, command: x, next: c}
- {step: c, type: python, code: x}
$$) > 0 AS started;
SELECT noetl.complete(queue_id, '1', 'w') FROM noetl.lease('w', 1, '1 min', '{python}');
SELECT event, node, note FROM story('saved/itself');
SELECT count(*) = count(DISTINCT event_id) AND count(*) = count(DISTINCT created_at) AS in_order FROM noetl.event WHERE execution_id = newest('saved/itself');
SELECT event, node, note FROM story('saved/child');
SELECT node_name FROM noetl.queue ORDER BY queue_id;
SELECT run('ends', $$
- step: a
  type: python
  code: x
  save: {storage: postgres, statement: "SELECT noetl.cancel(:id)", params: {id: "{{ execution_id }}"}}
  next: b
- {step: b, type: python, code: x}
$$) > 0 AS started;
SELECT step FROM work();
SELECT event, node, note FROM story('saved/ends');
SELECT status FROM noetl.execution WHERE execution_id = newest('saved/ends');
SELECT run('last', '- {step: a, type: python, code: x, save: {storage: postgres, statement: "SELECT noetl.cancel(:id)", params: {id: "{{ execution_id }}"}}}') > 0 AS started;
SELECT step FROM work();
SELECT event, node, note FROM story('saved/last');
TRUNCATE noetl.queue;

-- What is wrong is said at registration, as far as it can be seen.
SELECT severity, line, col, message, hint FROM noetl.validate($$
apiVersion: noetl.io/v1
kind: Playbook
name: saved/wrong
workflow:
- {step: start, next: [a, b, c, d, e, f, g]}
- {step: a, type: python, code: x, save: {storage: postgres}}
- {step: b, type: python, code: x, save: {storage: postgres, table: t, mode: delete, data: {}}}
- {step: c, type: python, code: x, save: {storage: postgres, table: t, mode: upsert, data: {}}}
- {step: d, type: python, code: x, save: {storage: postgres, table: t}}
- {step: e, type: python, code: x, save: {storage: postgres, table: "{{ t", data: {a: "{{ 1 | nonsense }}"}}}
- {step: f, type: python, code: x, save: [{storage: postgres, statement: x}, {storage: postgres, table: t, mode: [1], data: {}}]}
- {step: g, type: python, code: x, save: {storage: postgres, auth: elsewhere}}
$$);

-- All of it follows from the logs, without saving anything again.
SELECT count(*) AS rows FROM saved \gset
SELECT x.path, v.* FROM noetl.execution x, noetl.verify(x.execution_id) v WHERE x.path LIKE 'saved/%';
SELECT run('rebuilt', $$
- step: keep
  save: [{storage: postgres, table: saved, data: {id: 100}}, {storage: postgres, table: saved, data: {id: 50}}]
  retry: {max_attempts: 3, initial_delay: 0}
  next: end
- {step: end, save: {storage: postgres, table: saved, data: {id: 101}}}
$$) > 0 AS started;
SELECT noetl.enqueue_next();
DELETE FROM noetl.run;
SELECT relation, key FROM noetl.verify(newest('saved/rebuilt'));
SELECT noetl.rebuild(newest('saved/rebuilt'));
SELECT state, attempts FROM noetl.run;
DELETE FROM saved WHERE id = 50;
SELECT noetl.enqueue_next();
SELECT status FROM noetl.execution WHERE execution_id = newest('saved/rebuilt');
SELECT * FROM noetl.verify(newest('saved/rebuilt'));
SELECT count(*) - :rows AS new_rows FROM saved;

-- A statement has no mode: what stands there is not looked at.
SELECT run('modeless', $$
- step: a
  type: python
  code: x
  save: {storage: postgres, mode: sideways, statement: "INSERT INTO public.saved (id) VALUES (900)"}
$$) > 0 AS started;
SELECT step FROM work();
SELECT status, error FROM noetl.execution WHERE execution_id = newest('saved/modeless');
SELECT count(*) FROM saved WHERE id = 900;

DROP TABLE saved, saved_who;
DROP TYPE saved_mood;
DROP FUNCTION saves(text), run(text, text, jsonb), try(text, jsonb), become();
DROP OWNED BY regress_noetl_saver;
DROP ROLE regress_noetl_saver;
