-- An execution is decided on by the settings of the session that started it.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: settings/loop
workload: {text: "17"}
workflow:
- {step: a, type: python, code: x, args: {n: "{{ workload.text }}", list: "{{ '[1]' }}{{ '' }}"}, next: [{when: "{{ result.again }}", then: [a]}, {else: [end]}]}
- {step: end, result: "{{ workload.text }}{{ '' }}"}
$$) > 0 AS registered;
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: settings/parent
workflow:
- {step: start, type: python, code: x, next: call}
- {step: call, type: playbook, path: settings/loop, next: end}
- {step: end}
$$) > 0 AS registered;

-- What is as by default is not recorded, and what another session has set does not decide.
SELECT noetl.execute('settings/loop') AS id \gset
SELECT meta ? 'settings' AS recorded FROM noetl.event WHERE execution_id = :id AND event_type = 'execution_start';
SELECT settings FROM noetl.execution WHERE execution_id = :id;
SET noetl.template_coerce = 'all';
SET noetl.max_visits = 1;
SELECT step, input FROM work('{"a": {"again": true}}', 1);
SELECT step, input FROM work('{"a": {"again": false}}', 1);
SELECT status, result, error FROM noetl.execution WHERE execution_id = :id;
SELECT * FROM noetl.verify(:id);
SELECT noetl.render('{{ "17" }}{{ "" }}', '{}') AS a_session_has_its_own;

-- The other way round.
SELECT noetl.execute('settings/loop') AS id \gset
SELECT meta -> 'settings' AS settings FROM noetl.event WHERE execution_id = :id AND event_type = 'execution_start';
SELECT settings FROM noetl.execution WHERE execution_id = :id;
RESET noetl.template_coerce;
RESET noetl.max_visits;
SELECT * FROM noetl.verify(:id);
SELECT step, input FROM work('{"a": {"again": true}}', 1);
SELECT status, error FROM noetl.execution WHERE execution_id = :id;
SELECT * FROM noetl.verify(:id);
UPDATE noetl.execution SET settings = NULL WHERE execution_id = :id;
SELECT relation, expected, found FROM noetl.verify(:id);
SELECT noetl.rebuild(:id);
SELECT settings FROM noetl.execution WHERE execution_id = :id;

-- Also while the broker was off at the start.
SET noetl.broker = off;
SET noetl.max_visits = 2;
SELECT noetl.execute('settings/loop') AS id \gset
RESET noetl.max_visits;
RESET noetl.broker;
SELECT noetl.enqueue_next();
SELECT count(*) FROM work('{"a": {"again": true}}');
SELECT status, error FROM noetl.execution WHERE execution_id = :id;
SELECT * FROM noetl.verify(:id);

-- Children have those of their parent.
SET noetl.max_visits = 3;
SET noetl.template_coerce = off;
SELECT noetl.execute('settings/parent') AS id \gset
RESET noetl.max_visits;
SET noetl.template_coerce = 'all';
SELECT step, input FROM work('{"start": {}}', 1);
SELECT count(*) FROM work('{"a": {"again": true}}');
SELECT path, status, settings, error FROM noetl.execution WHERE :id IN (execution_id, parent_execution_id) ORDER BY execution_id;
SELECT v.* FROM noetl.execution x, noetl.verify(x.execution_id) v WHERE :id IN (x.execution_id, x.parent_execution_id);
-- After an error those of the session count again.
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'refused: %', noetl.render('{{ "17" }}{{ "" }}', '{}'); END $$;
CREATE TRIGGER refuse BEFORE INSERT ON noetl.queue FOR EACH ROW EXECUTE FUNCTION refuse();
\set VERBOSITY terse
SELECT noetl.execute('settings/loop', '{"text": "{{ 1 }}"}') FROM set_config('noetl.template_coerce', 'off', false);
\set VERBOSITY default
SET noetl.template_coerce = 'all';
SELECT noetl.render('{{ "17" }}{{ "" }}', '{}') AS a_session_has_its_own;
DROP TRIGGER refuse ON noetl.queue;
DROP FUNCTION refuse;
RESET noetl.template_coerce;

-- A client does not choose them.
CREATE ROLE regress_forger;
GRANT INSERT ON noetl.event TO regress_forger;
SET ROLE regress_forger;
SET noetl.max_visits = 1000000;
INSERT INTO noetl.event (event_type, context, meta) VALUES ('execution_start', '{"path": "settings/loop"}', '{"settings": {"max_visits": 1000000}, "by": "me"}');
RESET ROLE;
SELECT meta - 'started_by_oid' AS meta FROM noetl.event WHERE execution_id = newest('settings/loop') AND event_type = 'execution_start';
SELECT settings FROM noetl.execution WHERE execution_id = newest('settings/loop');
SELECT * FROM noetl.verify(newest('settings/loop'));
SELECT noetl.cancel(newest('settings/loop'));
DROP OWNED BY regress_forger;
DROP ROLE regress_forger;
