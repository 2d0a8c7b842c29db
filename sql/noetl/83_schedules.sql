-- ---------------------------------------------------------------------------
-- Schedules (src/api/schedule.c, src/engine/schedule.c)
-- ---------------------------------------------------------------------------

CREATE FUNCTION noetl.schedule(name text, path text, cron text, parameters jsonb DEFAULT '{}',
                               time_zone text DEFAULT NULL, overlap text DEFAULT 'skip',
                               catch_up text DEFAULT 'one', jitter interval DEFAULT '0',
                               enabled boolean DEFAULT true, labels jsonb DEFAULT NULL) RETURNS timestamptz
    AS 'MODULE_PATHNAME', 'noetl_schedule'
    LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION noetl.schedule(text, text, text, jsonb, text, text, text, interval, boolean, jsonb) IS
    'starts executions of a playbook again and again, as the current role: by the five fields of cron, six with the second before them, @daily and the like, or "every 90 seconds". overlap, while the last one runs: skip, allow, queue (one), cancel (the last one). catch_up, of times that nobody noticed: skip, one, all (at most 1000). jitter spreads the starts. Changes the schedule that has the name; returns the time of the next start';

CREATE FUNCTION noetl.unschedule(name text) RETURNS boolean
    AS 'MODULE_PATHNAME', 'noetl_unschedule'
    LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION noetl.unschedule(text) IS
    'deletes a schedule; its executions are not touched; returns false when there is none';

CREATE FUNCTION noetl.schedule_next(cron text, time_zone text DEFAULT NULL, after timestamptz DEFAULT now(),
                                    n integer DEFAULT 5) RETURNS SETOF timestamptz
    AS 'MODULE_PATHNAME', 'noetl_schedule_next'
    LANGUAGE C STABLE PARALLEL SAFE ROWS 5;
COMMENT ON FUNCTION noetl.schedule_next(text, text, timestamptz, integer) IS
    'returns the next n times at which a schedule would be due; a local time that the clocks skip is due when they skip, one that comes twice the first time';

REVOKE ALL ON FUNCTION noetl.schedule(text, text, text, jsonb, text, text, text, interval, boolean, jsonb),
    noetl.unschedule(text) FROM PUBLIC;

ALTER TABLE noetl.schedule ENABLE ROW LEVEL SECURITY;
CREATE POLICY members_read ON noetl.schedule FOR SELECT USING (noetl.acts_for(owner));

SELECT pg_catalog.pg_extension_config_dump('noetl.schedule', '');
SELECT pg_catalog.pg_extension_config_dump('noetl.schedule_schedule_id_seq', '');
