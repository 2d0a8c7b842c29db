\pset format unaligned
\pset tuples_only on
\set VERBOSITY terse
SET statement_timeout = '20 s';
-- What callers may leave out, or say wrongly: each is an error that says so, or means nothing.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: api/steps
workflow:
- {step: start, next: [a, b]}
- {step: a, type: apione, code: x, next: both}
- {step: b, type: apitwo, command: x, next: both}
- {step: both, join: all, type: apione, code: x, next: end}
- {step: end}
$$) AS catalog \gset
SELECT noetl.execute('api/steps') AS id \gset

-- Workers.
SELECT noetl.announce(NULL, '{python}', '{"host": "h"}');
SELECT noetl.announce('', '{python}', '{"host": "h"}');
SELECT noetl.complete(NULL, '1', 'w'), noetl.fail(NULL, 'no', 'w'), noetl.heartbeat(NULL, 'w'), noetl.release(NULL, 'w');
SELECT queue_id AS task FROM noetl.lease('w', types => '{apione}') \gset
SELECT noetl.release(:task, 'another'), noetl.release(-5, 'w');
SELECT status, worker_id FROM noetl.queue WHERE queue_id = :task;
SELECT noetl.fail(:task, 'no', 'another'), noetl.complete(:task, '1', 'another'), noetl.heartbeat(:task, 'another');
SELECT noetl.release(:task, 'w');
SELECT status, worker_id FROM noetl.queue WHERE execution_id = :id ORDER BY node_name;

-- A lease says who takes what, and does not say so again at once.
SELECT count(*) FROM noetl.lease('w', types => '{none}');
SELECT xmin AS announced FROM noetl.runtime WHERE name = 'w' \gset
SELECT count(*) FROM noetl.lease('w', types => '{none}');
SELECT count(*) FROM noetl.lease('w', types => '{none}');
SELECT xmin = :'announced' AS as_before FROM noetl.runtime WHERE name = 'w';

-- Executions.
SELECT noetl.execute('api/steps', merge => NULL) AS second \gset
SELECT noetl.cancel(:second, 'no more', NULL), noetl.cancel(NULL);
SELECT event_type FROM noetl.event WHERE execution_id = :second ORDER BY event_id DESC LIMIT 1;
SELECT noetl.debounce('api/steps', NULL, '1 s');
SELECT noetl.debounce('api/steps', 'k', NULL);
SELECT noetl.debounce(NULL, 'k', '1 s');
SELECT noetl.pause(:id, 'for ever', 'infinity'), noetl.pause(NULL);
SELECT until IS NULL FROM noetl.paused WHERE execution_id = :id;
SELECT noetl.resume(:id);

SELECT noetl.signal(NULL, 'go');
SELECT noetl.signal(:id, NULL);
SELECT noetl.send(NULL, 'k');
SELECT noetl.send('go', NULL);

-- Steps that are skipped.
SELECT noetl.skip(NULL, 'a');
SELECT noetl.skip(:id, NULL);
SELECT noetl.skip(:id, 'nowhere');
SELECT noetl.skip(:id, 'end');
SELECT noetl.skip(:id, 'a', '{"skipped": 1}');
SELECT node_name, status FROM noetl.queue WHERE execution_id = :id;

-- Migrations.
CREATE FUNCTION api_migrate(id bigint) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    RETURN string_agg(message, ' ') FROM noetl.migrate(id, 1);
EXCEPTION WHEN OTHERS THEN
    RETURN regexp_replace(SQLERRM, '\d{9,}', '(id)');
END $$;
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: api/steps
workflow:
- {step: start, next: [a, b]}
- {step: a, type: apione, code: x, next: both}
- {step: b, type: apitwo, command: y, next: both}
- {step: both, join: all, type: apione, code: x, next: end}
- {step: end}
$$) > 0;
SELECT severity, step, message FROM noetl.migrate(:id, 2, '{}', NULL);
SELECT count(*) FROM noetl.event WHERE execution_id = :id AND event_type = 'execution_migrated';
SELECT * FROM noetl.migrate(NULL, 1);
SELECT * FROM noetl.migrate(:id, 1, NULL);
SELECT * FROM noetl.migrate(:id, 1, '[]');
SELECT * FROM noetl.migrate(:id, 1, '"a"');
SELECT * FROM noetl.migrate(5, 1);
SELECT api_migrate(:second);
SELECT noetl.execute('api/steps', run_at => now() + interval '1 h') AS later \gset
SELECT api_migrate(:later);
SELECT noetl.cancel(:later);

-- What a step at a join waits for.
SELECT waiting, live, waits, noetl.join_awaits(:catalog, waiting, live, waits)
  FROM (VALUES ('both', 'a', false), ('both', 'a', true), ('both', 'end', true), ('both', 'both', true), ('a', 'b', false), ('end', 'both', false), ('end', 'end', true),
               ('end', 'end', false), ('end', 'both', true), ('both', 'nowhere', false), ('nowhere', 'a', false), ('start', 'end', false), ('both', 'end', false)) v (waiting, live, waits);
SELECT noetl.similar_word('pyhton', '{NULL,shell,python}'), noetl.similar_word('python', '{python,http}') IS NULL, noetl.similar_word('xyz', '{python}') IS NULL;

-- Schedules.
SELECT noetl.schedule(NULL, 'api/steps', '@daily');
SELECT noetl.schedule('api', NULL, '@daily');
SELECT noetl.schedule('api', 'api/steps', NULL);
SELECT noetl.schedule('api', 'api/steps', '@daily', overlap => 'maybe');
SELECT noetl.schedule('api', 'api/steps', '@daily', catch_up => 'maybe');
SELECT noetl.schedule('api', 'api/steps', '@daily', jitter => '-1 s');
SELECT noetl.schedule('api', 'api/steps', '@daily', jitter => '1 month') > now();
SELECT jitter FROM noetl.schedule WHERE name = 'api';
SELECT noetl.schedule('api', 'api/steps', '@daily', jitter => '1 day') > now();
SELECT jitter FROM noetl.schedule WHERE name = 'api';
SELECT noetl.schedule('api', 'api/steps', '@daily', jitter => '1 year -12 months') > now();
SELECT noetl.schedule('api', 'api/steps', '@daily', overlap => NULL, catch_up => NULL, jitter => NULL, enabled => NULL) > now() AS next;
SELECT overlap, catch_up, jitter, enabled FROM noetl.schedule WHERE name = 'api';
-- One that was switched off, or has no next time, gets one when it is switched on.
SELECT noetl.schedule('api', 'api/steps', '@daily', enabled => false) IS NULL AS off;
UPDATE noetl.schedule SET next_at = '2000-01-01' WHERE name = 'api';
SELECT noetl.schedule('api', 'api/steps', '@daily') > now() AS next;
UPDATE noetl.schedule SET next_at = NULL WHERE name = 'api';
SELECT noetl.schedule('api', 'api/steps', '@daily') > now() AS next;
SELECT noetl.schedule('api', 'api/steps', '@daily', time_zone => 'Asia/Tokyo') > now() AS next;
SELECT noetl.unschedule('api'), noetl.unschedule('api');
SELECT noetl.unschedule(NULL);

\set VERBOSITY default
ALTER SYSTEM SET noetl.timer_databases = 'one, "two';
\set VERBOSITY terse

-- Templates.
SELECT noetl.render_left('{"n": 1}', '[]', '{}');
SELECT noetl.render_left('{"n": 1}', '{}', '[]');
SELECT noetl.render_left('{"n": 1}', '1', '{}');
SELECT count(*) FROM noetl.save_tasks(NULL, '{}', '{}');
SELECT count(*) FROM noetl.save_tasks('{"storage": "event"}', NULL, '{}');
SELECT noetl.evaluate('a >', '{"a": 1}');
SELECT noetl.evaluate('a > b.c.d', '{"a": 1}');
SELECT noetl.evaluate('a > 0', '{"a": 1}'), noetl.render('a > 0', '{"a": 1}'), noetl.evaluate('a > 0', '{"a": 0}'), noetl.render('{{ a }}', '{"a": 0}'), noetl.evaluate('{{ a }}', '{"a": 0}');
SELECT noetl.render('{"a": "{{ 1 / 0 }}"}'::jsonb, '{}');
SELECT noetl.render('{"a": "{{ 1 / "}'::jsonb, '{}');

-- Rules on changes.
CREATE TABLE api_rows (id int, "of" int, "on" int);
SELECT noetl.on_change(NULL, 'api/steps');
SELECT noetl.on_change('api_rows', NULL);
SELECT noetl.on_change('api_rows', 'api/steps', NULL);
SELECT noetl.on_change('api_rows', 'api/steps', 'UPDATE "of" id');
SELECT noetl.on_change('api_rows', 'api/steps', 'UPDATE on id');
SELECT noetl.on_change('api_rows', 'api/steps', 'UPDATE OF');
SELECT noetl.on_change('api_rows', 'api/steps', 'UPDATE OF id,');
SELECT noetl.on_change('api_rows', 'api/steps', 'UPDATE OF or');
SELECT noetl.on_change('api_rows', 'api/steps', 'UPDATE OF id "or" INSERT');
SELECT noetl.on_change('api_rows', 'api/steps', 'UPDATE OF id insert');
SELECT noetl.on_change('api_rows', 'api/steps', '"insert"');
SELECT noetl.on_change('api_rows', 'api/steps', 'INSERT "or" DELETE');
SELECT noetl.on_change('api_rows', 'api/steps', 'INSERT OR INSERT');
SELECT noetl.on_change('api_rows', 'api/steps', '');
SELECT noetl.on_change('api_rows', 'api/steps', 'UPDATE OF "of');
SELECT noetl.on_change('api_rows', 'api/steps', 'INSERT', parameters => '[1]');
SELECT noetl.on_change('api_rows', NULL, 'INSERT', parameters => '[1]', signal => 'rows', key => 'k', name => 'api_signal');
SELECT noetl.on_change('api_rows', NULL, 'INSERT', signal => 'rows');
SELECT noetl.on_change('api_rows', 'api/steps', 'UPDATE OF "of", "on" OR DELETE', name => 'api_rule');
-- Triggers that were made by hand stay when the rule goes.
CREATE FUNCTION api_nothing() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RETURN NULL; END$$;
CREATE TRIGGER by_hand_other AFTER INSERT ON api_rows FOR EACH ROW EXECUTE FUNCTION api_nothing('api_rule');
CREATE TRIGGER by_hand_none AFTER INSERT ON api_rows FOR EACH ROW EXECUTE FUNCTION noetl.change_fired();
CREATE TRIGGER by_hand_two AFTER INSERT ON api_rows FOR EACH ROW EXECUTE FUNCTION noetl.change_fired('api_rule', 'and more');
SELECT noetl.off_change('api_rule'), noetl.off_change('api_rule');
SELECT tgname FROM pg_trigger WHERE tgrelid = 'api_rows'::regclass ORDER BY 1;
DROP TABLE api_rows;
SELECT count(*) FROM noetl.change_rule WHERE name LIKE 'api_%';

-- Functions of triggers are called by triggers, those of the catalog before each row.
SELECT noetl.change_dropped();
SELECT noetl.change_fired();
SELECT noetl.catalog_guard();
SELECT noetl.catalog_path_changed();
CREATE TABLE api_catalog (LIKE noetl.catalog);
CREATE TRIGGER after_row AFTER INSERT ON api_catalog FOR EACH ROW EXECUTE FUNCTION noetl.catalog_guard();
INSERT INTO api_catalog SELECT * FROM noetl.catalog WHERE path = 'api/steps';
DROP TRIGGER after_row ON api_catalog;
CREATE TRIGGER before_all BEFORE INSERT ON api_catalog FOR EACH STATEMENT EXECUTE FUNCTION noetl.catalog_guard();
INSERT INTO api_catalog SELECT * FROM noetl.catalog WHERE path = 'api/steps';
DROP TABLE api_catalog;

-- A playbook comes back after its executions, as from a dump.
BEGIN;
CREATE TEMP TABLE api_kept ON COMMIT DROP AS SELECT * FROM noetl.catalog WHERE path = 'api/steps';
TRUNCATE noetl.catalog;
INSERT INTO noetl.catalog SELECT * FROM api_kept;
SELECT count(*) FROM noetl.catalog;
ROLLBACK;

-- The library is of one release, and so is the extension in the database.
SELECT format('CREATE FUNCTION api_execute(path text) RETURNS bigint LANGUAGE C AS %L, %L', probin, 'noetl_execute') FROM pg_proc WHERE oid = 'noetl.execute'::regproc \gexec
SELECT api_execute('api/steps');
CREATE FUNCTION api_release() RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    RETURN api_execute('api/steps');
EXCEPTION WHEN OTHERS THEN
    RETURN regexp_replace(SQLERRM, '[\d.]+', '(release)', 'g');
END $$;
BEGIN;
UPDATE pg_extension SET extversion = '0.0.1' WHERE extname = 'noetl';
SELECT api_release();
UPDATE pg_extension SET extname = 'another' WHERE extname = 'noetl';
SELECT api_release();
ROLLBACK;
DROP FUNCTION api_execute, api_release, api_migrate, api_nothing;

SELECT count(noetl.cancel(execution_id)) > 0 FROM noetl.execution WHERE path = 'api/steps' AND status = 'RUNNING';
SELECT v.* FROM noetl.execution x, noetl.verify(x.execution_id) v WHERE x.path = 'api/steps';
