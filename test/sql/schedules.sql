\pset format unaligned
-- Schedules: when they are due, and what they start.
SET TimeZone = 'UTC';

-- schedule_next: five fields, six with the second first, words, spans.
CREATE FUNCTION pg_temp.due(cron text, zone text, after timestamptz, n int DEFAULT 5) RETURNS text LANGUAGE sql AS
$$ SELECT string_agg(to_char(t AT TIME ZONE zone, 'YYYY-MM-DD Dy HH24:MI:SS'), ', ' ORDER BY t) FROM noetl.schedule_next(cron, zone, after, n) AS t $$;
SELECT pg_temp.due('0 9 * * 1-5', 'Europe/Berlin', '2026-01-01 12:00', 3) AS weekdays;
SELECT pg_temp.due('0 9 * * MON-FRI', 'Europe/Berlin', '2026-01-01 12:00', 3) AS names;
SELECT pg_temp.due('*/20 8-9,17 * jan,Jul *', 'UTC', '2026-01-31 08:50', 4) AS lists;
SELECT pg_temp.due('*/20 * * * * *', 'UTC', '2026-01-01 00:00:10', 3) AS seconds;
SELECT pg_temp.due('5/25 10-20/5 * * *', 'UTC', '2026-01-01', 4) AS steps;
SELECT pg_temp.due('0 22-2/2 * * *', 'UTC', '2026-01-01', 4) AS past_midnight;
SELECT pg_temp.due('0 0 * * fri-mon', 'UTC', '2026-01-01', 5) AS past_saturday;
SELECT pg_temp.due('0 0 * * 7', 'UTC', '2026-01-01', 2) AS sunday, pg_temp.due('0 0 ? * 0', 'UTC', '2026-01-01', 2) AS also_sunday;
SELECT pg_temp.due('0 0 L * *', 'UTC', '2028-01-31', 3) AS last_days;
SELECT pg_temp.due('0 0 31 * *', 'UTC', '2026-01-31', 3) AS days_31;
SELECT pg_temp.due('0 0 29 2 *', 'UTC', '2026-01-01', 2) AS leap_days;
SELECT pg_temp.due('0 0 * * 5#3', 'UTC', '2026-01-01', 3) AS third_fridays, pg_temp.due('0 0 * * tue#5', 'UTC', '2026-01-01', 2) AS fifth_tuesdays;
SELECT pg_temp.due('0 0 * * L5', 'UTC', '2026-01-01', 3) AS last_fridays, pg_temp.due('0 0 * * 5L', 'UTC', '2026-01-01', 1) AS also, pg_temp.due('0 0 * * friL', 'UTC', '2026-01-01', 1) AS also;
SELECT pg_temp.due('0 0 13 * 5', 'UTC', '2026-02-01', 5) AS either_day;
SELECT word, pg_temp.due(word, 'UTC', '2026-01-01 00:30', 2)
  FROM unnest(ARRAY['@hourly', '@daily', '@midnight', '@weekly', '@monthly', '@yearly', '@annually', ' @Daily ']) AS word;
SELECT span, pg_temp.due(span, 'UTC', '2026-01-01 00:00', 2)
  FROM unnest(ARRAY['every 90 seconds', 'every 1.5 h', 'every minute', 'every 1 day 2 hours', 'EVERY 2 Weeks']) AS span;
SELECT count(*) AS never FROM noetl.schedule_next('0 0 30 2 *', 'UTC');
SELECT count(*) AS by_default, min(t) > now() AS ahead FROM noetl.schedule_next('* * * * *') AS t;

-- The clocks go forward: what they skip is due when they do.  They go back: once, the first time.
SELECT pg_temp.due('30 2 * * *', 'Europe/Berlin', '2026-03-28 00:00', 3) AS berlin;
SELECT t FROM noetl.schedule_next('0,30 1-3 * * *', 'Europe/Berlin', '2026-03-28 23:59', 6) AS t;
SELECT t FROM noetl.schedule_next('*/30 2 * * *', 'Europe/Berlin', '2026-10-24 12:00', 4) AS t;
SELECT t FROM noetl.schedule_next('30 2 * * *', 'Europe/Berlin', '2026-10-25 00:45', 1) AS t;
SELECT t FROM noetl.schedule_next('30 2 * * *', 'America/New_York', '2026-03-07 12:00', 2) AS t;
SELECT t FROM noetl.schedule_next('30 1 * * *', 'America/New_York', '2026-10-31 12:00', 3) AS t;
-- by half an hour: 02:00 becomes 02:30, and 02:00 comes back as 01:30
SELECT t, t AT TIME ZONE 'Australia/Lord_Howe' AS local FROM noetl.schedule_next('15,45 2 * * *', 'Australia/Lord_Howe', '2026-10-03 12:00', 3) AS t;
SELECT t, t AT TIME ZONE 'Australia/Lord_Howe' AS local FROM noetl.schedule_next('15,45 1 * * *', 'Australia/Lord_Howe', '2026-04-04 12:00', 4) AS t;
-- a whole day: Samoa had no 30 December 2011
SELECT t, t AT TIME ZONE 'Pacific/Apia' AS local FROM noetl.schedule_next('0 12 * * *', 'Pacific/Apia', '2011-12-29 12:00', 4) AS t;

-- What makes no sense.
\set VERBOSITY terse
CREATE FUNCTION pg_temp.refused(cron text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    detail text;
BEGIN
    PERFORM noetl.schedule_next(cron, 'UTC');
    RETURN 'accepted';
EXCEPTION WHEN invalid_parameter_value THEN
    GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
    RETURN detail;
END
$$;
SELECT cron, pg_temp.refused(cron) FROM unnest(ARRAY['', '* * * *', '* * * * * * *', '60 * * * *', '* 24 * * *', '* * 0 * *', '* * * 13 *',
    '* * * * 8', '* * * foo *', '1- * * * *', '*/0 * * * *', '5-1 * * * *', '1,,2 * * * *', '1x * * * *', '* * 1é * *', '* * * * 5#6', '* * * * 5#',
    'L * * * *', '* * * * L', '* * L5 * *', '* * 15W * *', '@reboot', 'every', 'every 5', 'every 0.1 seconds', 'every month', 'every -1 s']) AS cron;
SELECT noetl.schedule_next('* * * * *', 'Mars/Olympus');
SELECT noetl.schedule_next(NULL);
SELECT noetl.schedule('s', 'schedules/none', '* * * * *');
\set VERBOSITY default

SELECT noetl.register('
apiVersion: noetl.io/v1
kind: Playbook
metadata: {path: schedules/quick}
workflow:
- step: end
') > 0 AS registered;
SELECT noetl.register('
apiVersion: noetl.io/v1
kind: Playbook
metadata: {path: schedules/slow}
workflow:
- step: one
  type: python
  code: x
  next: end
- step: end
') > 0 AS registered;
\set VERBOSITY terse
SELECT noetl.schedule('', 'schedules/quick', '* * * * *');
SELECT noetl.schedule(repeat('n', 201), 'schedules/quick', '* * * * *');
SELECT noetl.schedule('s', 'schedules/quick', '0 0 30 2 *');
SELECT noetl.schedule('s', 'schedules/quick', '* * * * *', '[1]');
SELECT noetl.schedule('s', 'schedules/quick', '* * * * *', overlap => 'maybe');
SELECT noetl.schedule('s', 'schedules/quick', '* * * * *', catch_up => 'two');
SELECT noetl.schedule('s', 'schedules/quick', '* * * * *', jitter => '-1 s');
SELECT noetl.schedule('s', 'schedules/quick', '* * * * *', labels => '[]');
SELECT noetl.schedule(NULL, 'schedules/quick', '* * * * *');
\set VERBOSITY default

-- A schedule is due: an execution starts, once, and knows why.
SELECT noetl.schedule('nightly', 'schedules/slow', '0 3 * * *', '{"a": 1}', 'Europe/Berlin', labels => '{"by": "night"}')
       = (SELECT min(t) FROM noetl.schedule_next('0 3 * * *', 'Europe/Berlin', clock_timestamp(), 1) AS t) AS next;
CREATE FUNCTION pg_temp.make_due(name text, at timestamptz) RETURNS bigint LANGUAGE plpgsql AS $$
BEGIN
    UPDATE noetl.schedule AS s SET next_at = at WHERE s.name = make_due.name;
    RETURN noetl.enqueue_next();
END
$$;
SELECT date_trunc('minute', now()) AS minute, to_char(now() AT TIME ZONE 'Europe/Berlin', 'MI HH24 * * *') AS cron \gset
UPDATE noetl.schedule SET cron = :'cron' WHERE name = 'nightly';
SELECT pg_temp.make_due('nightly', :'minute');
SELECT last_execution_id AS first FROM noetl.schedule WHERE name = 'nightly' \gset
SELECT x.path, x.status, x.schedule, x.labels, x.started_by = current_user::regrole AS own, w.data - 'schedule' AS parameters,
       w.data #>> '{schedule,name}' AS name, (w.data #>> '{schedule,at}')::timestamptz = s.last_at AS at, right(w.data #>> '{schedule,at}', 6) IN ('+01:00', '+02:00') AS local
  FROM noetl.schedule AS s JOIN noetl.execution AS x ON x.execution_id = s.last_execution_id JOIN noetl.workload AS w USING (execution_id);
SELECT next_at > now() AS ahead, error FROM noetl.schedule;
SELECT * FROM noetl.verify(:first);
-- The same time again: it has its execution.
UPDATE noetl.schedule SET next_at = last_at, overlap = 'allow';
SELECT noetl.enqueue_next();
SELECT count(*), bool_and(s.last_execution_id = :first) AS same FROM noetl.execution AS x, noetl.schedule AS s WHERE x.schedule = 'nightly';
-- It is changed by its name; one whose times stay the same keeps its next time.
UPDATE noetl.schedule SET next_at = '2100-01-01';
SELECT noetl.schedule('nightly', 'schedules/quick', :'cron', time_zone => 'Europe/Berlin');
SELECT noetl.schedule('nightly', 'schedules/quick', :'cron', time_zone => 'UTC') < '2100-01-01' AS anew;
SELECT noetl.schedule('nightly', 'schedules/quick', :'cron', time_zone => 'UTC', enabled => false);
SELECT pg_temp.make_due('nightly', now());
SELECT count(*) FROM noetl.execution WHERE schedule = 'nightly';
SELECT noetl.unschedule('nightly'), noetl.unschedule('nightly') AS again;
SELECT noetl.cancel(:first);

-- Times that nobody noticed: one (the newest), all, none.
SELECT noetl.schedule(c, 'schedules/quick', 'every 10 minutes', catch_up => c) > now() AS made FROM unnest(ARRAY['one', 'all', 'skip']) AS c;
UPDATE noetl.schedule SET next_at = now() - interval '65 min';
SELECT noetl.enqueue_next();
SELECT s.name, count(x.execution_id), date_trunc('min', s.next_at - now() + '30 s') AS next, date_trunc('min', now() - s.last_at) AS last
  FROM noetl.schedule AS s LEFT JOIN noetl.execution AS x ON x.schedule = s.name GROUP BY s.schedule_id ORDER BY s.name;
SELECT w.data #>> '{schedule,name}' AS name, date_trunc('min', now() - (w.data #>> '{schedule,at}')::timestamptz) AS ago
  FROM noetl.execution AS x JOIN noetl.workload AS w USING (execution_id) WHERE x.schedule IN ('one', 'all') ORDER BY 1, 2 DESC;
-- skip serves what it notices within a minute
SELECT pg_temp.make_due('skip', now() - interval '50 s');
SELECT count(*) FROM noetl.execution WHERE schedule = 'skip';
-- at most 1,000, and years cost nothing
SELECT pg_temp.make_due('all', now() - interval '20 years');
SELECT count(*) FROM noetl.execution WHERE schedule = 'all';
SELECT noetl.schedule('one', 'schedules/quick', '* * * * * *') > now() AS made;
SELECT pg_temp.make_due('one', now() - interval '20 years');
SELECT count(*) FROM noetl.execution WHERE schedule = 'one';
SELECT count(*) FROM noetl.execution AS x, noetl.verify(x.execution_id) WHERE x.schedule IS NOT NULL;
SELECT count(noetl.unschedule(name)) FROM noetl.schedule;

-- The last one still runs.
SELECT noetl.schedule(o, 'schedules/slow', 'every 1 hour', overlap => o) > now() AS made FROM unnest(ARRAY['skip', 'allow', 'queue', 'cancel']) AS o;
UPDATE noetl.schedule SET next_at = now() - interval '3 s';
SELECT noetl.enqueue_next();
UPDATE noetl.schedule SET next_at = now() - interval '2 s';
SELECT noetl.enqueue_next();
UPDATE noetl.schedule SET next_at = now() - interval '1 s';
SELECT noetl.enqueue_next();
SELECT schedule, status, count(*), min(error) FROM noetl.execution WHERE schedule IS NOT NULL AND path = 'schedules/slow' GROUP BY 1, 2 ORDER BY 1, 2;
SELECT name, queued_at IS NOT NULL AS queued, next_at - last_at AS until_next FROM noetl.schedule ORDER BY name;
-- It ends: the one that is queued starts, and the others as before.
SELECT last_execution_id AS first, queued_at AS queued FROM noetl.schedule WHERE name = 'queue' \gset
SELECT noetl.cancel(:first);
SELECT noetl.enqueue_next();
SELECT x.status, (w.data #>> '{schedule,at}')::timestamptz = :'queued' AS at FROM noetl.execution AS x JOIN noetl.workload AS w USING (execution_id)
 WHERE schedule = 'queue' ORDER BY execution_id;
SELECT queued_at, next_at - last_at AS until_next FROM noetl.schedule WHERE name = 'queue';
SELECT count(*) FROM noetl.execution AS x, noetl.verify(x.execution_id) WHERE x.schedule IS NOT NULL;
SELECT count(noetl.cancel(execution_id)) FROM noetl.execution WHERE schedule IS NOT NULL AND ended_at IS NULL;
SELECT count(noetl.unschedule(name)) FROM noetl.schedule;

-- What is queued does not start once the schedule is switched off, whoever does that, or queues no more.
SELECT noetl.schedule(o, 'schedules/slow', 'every 1 hour', overlap => 'queue') > now() AS made FROM unnest(ARRAY['off', 'off by hand', 'skips now']) AS o;
UPDATE noetl.schedule SET next_at = now() - interval '2 s';
SELECT noetl.enqueue_next();
UPDATE noetl.schedule SET next_at = now() - interval '1 s';
SELECT noetl.enqueue_next();
SELECT count(queued_at) FROM noetl.schedule;
SELECT noetl.schedule('off', 'schedules/slow', 'every 1 hour', overlap => 'queue', enabled => false);
SELECT noetl.schedule('skips now', 'schedules/slow', 'every 1 hour', overlap => 'skip') > now() AS changed;
UPDATE noetl.schedule SET enabled = false WHERE name = 'off by hand';
SELECT count(noetl.cancel(execution_id)) FROM noetl.execution WHERE schedule IS NOT NULL AND ended_at IS NULL;
SELECT noetl.enqueue_next();
SELECT name, enabled, queued_at IS NOT NULL AS queued FROM noetl.schedule ORDER BY name;
-- One that was only switched off by hand is served when it is on again.
UPDATE noetl.schedule SET enabled = true WHERE name = 'off by hand';
SELECT noetl.enqueue_next();
SELECT name, queued_at IS NOT NULL AS queued FROM noetl.schedule WHERE enabled ORDER BY name;
SELECT count(noetl.cancel(execution_id)) FROM noetl.execution WHERE schedule IS NOT NULL AND ended_at IS NULL;
SELECT count(noetl.unschedule(name)) FROM noetl.schedule;

-- Many schedules that wait for their last execution leave room for what is due: a lease that has run out is taken back by
-- whoever leases.
SELECT count(noetl.schedule('many ' || i, 'schedules/slow', 'every 1 hour', overlap => 'queue')) FROM generate_series(1, 40) AS i;
UPDATE noetl.schedule SET next_at = now() - interval '2 s';
SELECT noetl.enqueue_next();
UPDATE noetl.schedule SET next_at = now() - interval '1 s';
SELECT noetl.enqueue_next();
SELECT count(queued_at) FROM noetl.schedule;
SELECT noetl.register('{apiVersion: noetl.io/v1, kind: Playbook, path: schedules/other, workflow: [{step: one, type: schedules_other}]}') > 0 AS registered;
SELECT noetl.execute('schedules/other') AS other \gset
SELECT count(*) FROM noetl.lease('dies', 1, '0.1 s', '{schedules_other}');
SELECT pg_sleep(0.2);
SELECT count(*) FROM noetl.lease('next', 1, types => '{schedules_none}');
SELECT count(*) FROM noetl.lease('next', 1, types => '{schedules_other}');
SELECT noetl.cancel(:other);
SELECT count(noetl.unschedule(name)) FROM noetl.schedule;
SELECT count(noetl.cancel(execution_id)) FROM noetl.execution WHERE schedule IS NOT NULL AND ended_at IS NULL;

-- Jitter: the start is put off by a part of it.
SELECT noetl.schedule('jitter', 'schedules/slow', 'every 1 hour', jitter => '10 hours') > now() AS made;
SELECT pg_temp.make_due('jitter', now());
SELECT status, run_at - s.last_at BETWEEN '0' AND '10 hours' AS spread FROM noetl.execution AS x JOIN noetl.schedule AS s ON s.name = x.schedule WHERE name = 'jitter';
SELECT count(noetl.cancel(execution_id)) FROM noetl.execution WHERE schedule IS NOT NULL AND ended_at IS NULL;
SELECT noetl.unschedule('jitter');

-- It belongs to the role that made it, and runs as that role.
CREATE ROLE noetl_test_scheduler;
CREATE ROLE noetl_test_other;
GRANT EXECUTE ON FUNCTION noetl.schedule(text, text, text, jsonb, text, text, text, interval, boolean, jsonb), noetl.unschedule(text) TO noetl_test_scheduler, noetl_test_other;
GRANT SELECT ON noetl.schedule TO noetl_test_scheduler, noetl_test_other;
SET ROLE noetl_test_scheduler;
SELECT noetl.schedule('own', 'schedules/slow', '@daily') > now() AS made;
SET ROLE noetl_test_other;
SELECT count(*) FROM noetl.schedule;
\set VERBOSITY terse
SELECT noetl.schedule('own', 'schedules/slow', '@daily');
SELECT noetl.unschedule('own');
\set VERBOSITY default
RESET ROLE;
SELECT noetl.schedule('own', 'schedules/slow', '@daily', '{"by": "admin"}') > now() AS changed;
SELECT owner FROM noetl.schedule;
SELECT pg_temp.make_due('own', now());
SELECT started_by, status FROM noetl.execution WHERE schedule = 'own';
SELECT count(noetl.cancel(execution_id)) FROM noetl.execution WHERE schedule = 'own';
-- A start that cannot be is noted, and the next time tried anew.
SELECT noetl.register('{apiVersion: noetl.io/v1, kind: Playbook, path: schedules/gone, workflow: [{step: end}]}') > 0 AS registered;
SELECT noetl.schedule('gone', 'schedules/gone', '@daily') > now() AS made;
DELETE FROM noetl.catalog WHERE path = 'schedules/gone';
SELECT pg_temp.make_due('gone', now());
SELECT next_at > now() AS ahead, error FROM noetl.schedule WHERE name = 'gone';
SELECT noetl.register('{apiVersion: noetl.io/v1, kind: Playbook, path: schedules/gone, workflow: [{step: end}]}') > 0 AS registered;
SELECT pg_temp.make_due('gone', now());
SELECT s.error, x.status FROM noetl.schedule AS s JOIN noetl.execution AS x ON x.execution_id = s.last_execution_id WHERE name = 'gone';
SELECT count(*) FROM noetl.reaper_failure;

-- A lease notices, too.
SELECT noetl.schedule('lease', 'schedules/slow', '@daily') > now() AS made;
UPDATE noetl.schedule SET next_at = clock_timestamp() + interval '0.1 s' WHERE name = 'lease';
SELECT pg_sleep(0.4);
SELECT count(*) IS NOT NULL AS leased FROM noetl.lease('w', types => '{nothing}');
SELECT status FROM noetl.execution WHERE schedule = 'lease';

SELECT count(noetl.unschedule(name)) FROM noetl.schedule;
SELECT count(noetl.cancel(execution_id)) FROM noetl.execution WHERE schedule IS NOT NULL AND ended_at IS NULL;
SELECT count(*) FROM noetl.execution AS x, noetl.verify(x.execution_id) WHERE x.schedule IS NOT NULL;
DELETE FROM noetl.start_key WHERE path LIKE 'schedules/%';
DELETE FROM noetl.queue AS q USING noetl.execution AS x WHERE q.execution_id = x.execution_id AND x.path LIKE 'schedules/%';
DELETE FROM noetl.event WHERE execution_id IN (SELECT execution_id FROM noetl.execution WHERE path LIKE 'schedules/%');
DELETE FROM noetl.workload WHERE execution_id IN (SELECT execution_id FROM noetl.execution WHERE path LIKE 'schedules/%');
DELETE FROM noetl.execution WHERE path LIKE 'schedules/%';
DROP OWNED BY noetl_test_scheduler, noetl_test_other;
DROP ROLE noetl_test_scheduler, noetl_test_other;
