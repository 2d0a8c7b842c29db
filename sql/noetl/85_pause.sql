-- ---------------------------------------------------------------------------
-- Pauses (src/api/pause.c, src/engine/pause.c, src/store/pause.c)
-- ---------------------------------------------------------------------------

CREATE FUNCTION noetl.pause(execution_id bigint, reason text DEFAULT NULL, until timestamptz DEFAULT NULL)
    RETURNS boolean
    AS 'MODULE_PATHNAME', 'noetl_pause'
    LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION noetl.pause(bigint, text, timestamptz) IS
    'pauses an execution and all that it has started and starts: what is leased goes on and is decided on, no task is handed out until noetl.resume(), or until a time; false when the execution is over';

CREATE FUNCTION noetl.resume(execution_id bigint, reason text DEFAULT NULL) RETURNS boolean
    AS 'MODULE_PATHNAME', 'noetl_resume'
    LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION noetl.resume(bigint, text) IS
    'ends the pause of an execution; false when this execution itself was not paused';

CREATE FUNCTION noetl.pause_tasks(path text DEFAULT NULL, type text DEFAULT NULL, reason text DEFAULT NULL,
                                  until timestamptz DEFAULT NULL) RETURNS bigint
    AS 'MODULE_PATHNAME', 'noetl_pause_tasks'
    LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION noetl.pause_tasks(text, text, text, timestamptz) IS
    'pauses all tasks of the playbooks with a path, of a type, of both, or (null, null) all tasks: none is handed out until noetl.resume_tasks(), or until a time; a pause of the same path and type gets the new reason and time; returns the pause_id';

CREATE FUNCTION noetl.resume_tasks(path text DEFAULT NULL, type text DEFAULT NULL) RETURNS integer
    AS 'MODULE_PATHNAME', 'noetl_resume_tasks'
    LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION noetl.resume_tasks(text, text) IS
    'ends the pauses that noetl.pause_tasks() has begun, those of a path (null: of any) and of a type (null: of any); returns how many there were. Their tasks become ready portion by portion, as workers ask for them';

REVOKE ALL ON FUNCTION noetl.pause(bigint, text, timestamptz), noetl.resume(bigint, text),
    noetl.pause_tasks(text, text, text, timestamptz), noetl.resume_tasks(text, text) FROM PUBLIC;

ALTER TABLE noetl.paused ENABLE ROW LEVEL SECURITY;
ALTER TABLE noetl.pause_rule ENABLE ROW LEVEL SECURITY;
ALTER TABLE noetl.pause_end ENABLE ROW LEVEL SECURITY;
CREATE POLICY members_read ON noetl.paused FOR SELECT USING (noetl.may_read(execution_id));
CREATE POLICY all_read ON noetl.pause_rule FOR SELECT USING (true);
CREATE POLICY all_read ON noetl.pause_end FOR SELECT USING (true);

SELECT pg_catalog.pg_extension_config_dump('noetl.paused', '');
SELECT pg_catalog.pg_extension_config_dump('noetl.pause_rule', '');
SELECT pg_catalog.pg_extension_config_dump('noetl.pause_end', '');
