-- ---------------------------------------------------------------------------
-- Playbooks played in memory, and their tests (src/simulate)
-- ---------------------------------------------------------------------------

CREATE FUNCTION noetl.simulate(content text, parameters jsonb DEFAULT '{}', stubs jsonb DEFAULT '{}', at timestamptz DEFAULT NULL)
    RETURNS TABLE (seq integer, at timestamptz, event_type text, step text, status text, data jsonb)
    AS 'MODULE_PATHNAME', 'noetl_simulate'
    LANGUAGE C VOLATILE PARALLEL UNSAFE ROWS 50;
REVOKE ALL ON FUNCTION noetl.simulate(text, jsonb, jsonb, timestamptz) FROM PUBLIC;
COMMENT ON FUNCTION noetl.simulate(text, jsonb, jsonb, timestamptz) IS
    'plays an execution of a playbook in memory, from a time on (now) and with stubs for what workers, statements of SQL and senders of signals answer: a row for each event and for each task as it is handed out; writes nothing, waits for nothing, and works on a hot standby';

CREATE FUNCTION noetl.test(content text)
    RETURNS TABLE (name text, ok boolean, detail text)
    AS 'MODULE_PATHNAME', 'noetl_test'
    LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE ROWS 10;
REVOKE ALL ON FUNCTION noetl.test(text) FROM PUBLIC;
COMMENT ON FUNCTION noetl.test(text) IS
    'plays each test that a playbook has under "tests", as noetl.simulate() does, and compares; ok: all is as expected, otherwise the detail says what was expected and what was found';
