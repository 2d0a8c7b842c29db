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

-- Nor does it matter how much time and memory the session grants that decides: the ones of
-- the start count, for templates and for the playbook that it reads for the first time.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: settings/heavy
workflow:
- {step: a, type: python, code: x, next: b}
- {step: b, type: python, code: x, args: {n: "{{ range(100000) | map('string') | join('-') | length }}"}}
$$) > 0 AS registered;
SELECT noetl.register(E'apiVersion: noetl.io/v1\nkind: Playbook\npath: settings/large\nworkflow:\n' ||
	string_agg(format(E'- {step: s%s, type: python, code: x%s, next: %s}\n', i, CASE WHEN i > 1 THEN format(', args: {n: "%s"}', repeat('{{ now() }} ', 300)) END,
		CASE WHEN i = 50 THEN 'end' ELSE 's' || i + 1 END), '' ORDER BY i)) > 0 AS registered
  FROM generate_series(1, 50) AS i;
SELECT noetl.execute('settings/heavy') > 0 AS started;
\c -
SET client_min_messages = warning;
LOAD 'noetl';
SET noetl.template_max_memory = '1MB';
SET noetl.template_max_time = '1ms';
SELECT step, input FROM work('{"a": {}}', 1);
SELECT status FROM noetl.execution WHERE execution_id = newest('settings/heavy');
SELECT noetl.execute('settings/large') > 0 AS started;
SELECT noetl.cancel(newest('settings/large'));
SELECT * FROM noetl.verify(newest('settings/heavy'));
SELECT noetl.cancel(newest('settings/heavy'));
RESET noetl.template_max_time;
SELECT noetl.render('{{ range(100000) | map("string") | join("-") | length }}', '{}') AS a_session_has_its_own;
SELECT noetl.execute('settings/heavy') > 0 AS started_with_little_memory;
RESET noetl.template_max_memory;
SELECT settings FROM noetl.execution WHERE execution_id = newest('settings/heavy');
SELECT step, input FROM work('{"a": {}}', 1);
SELECT status, error FROM noetl.execution WHERE execution_id = newest('settings/heavy');
SELECT * FROM noetl.verify(newest('settings/heavy'));
SET noetl.template_max_time = '1ms';
SELECT noetl.execute('settings/heavy') > 0 AS started_with_little_time;
RESET noetl.template_max_time;
SELECT step, input FROM work('{"a": {}}', 1);
SELECT status, error FROM noetl.execution WHERE execution_id = newest('settings/heavy');
SELECT * FROM noetl.verify(newest('settings/heavy'));

-- Nor how it writes days and intervals.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: settings/times
workflow:
- {step: a, type: python, code: x, next: [b, c]}
- {step: b, type: wait, until: "{{ a.day }}"}
- {step: c, type: wait, for: "{{ a.span }}"}
$$) > 0 AS registered;
SELECT noetl.execute('settings/times') > 0 AS started;
SET datestyle = 'ISO, DMY';
SET intervalstyle = 'sql_standard';
SELECT count(*) FROM work('{"a": {"day": "02/03/2099 00:00:00+00", "span": "-1 day 30 hours"}}');
RESET datestyle;
RESET intervalstyle;
SET timezone = 'UTC';
SELECT step_name, due_at - created_at BETWEEN interval '5 hours 59 min' AND interval '6 hours 1 min' AS in_six_hours, CASE step_name WHEN 'b' THEN due_at END AS due FROM noetl.run
 WHERE execution_id = newest('settings/times') ORDER BY 1;
RESET timezone;
SELECT * FROM noetl.verify(newest('settings/times'));
SELECT noetl.cancel(newest('settings/times'));

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
