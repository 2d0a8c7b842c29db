-- ---------------------------------------------------------------------------
-- What noetl-console and other pages need (src/api)
-- ---------------------------------------------------------------------------

CREATE FUNCTION noetl.draw(content text, states jsonb DEFAULT '{}') RETURNS text
    AS 'MODULE_PATHNAME', 'noetl_draw'
    LANGUAGE C STABLE STRICT PARALLEL SAFE;
REVOKE ALL ON FUNCTION noetl.draw(text, jsonb) FROM PUBLIC;
COMMENT ON FUNCTION noetl.draw(text, jsonb) IS
    'the graph of a playbook, which need not be registered, as svg like that of noetl.explain(); states: {"step": {"state": text, "visits": number, "to": [steps that it went on to]}, …}';

CREATE PROCEDURE noetl.wait_for_change(timeout interval DEFAULT '30 s', INOUT changed boolean DEFAULT NULL)
    AS 'MODULE_PATHNAME', 'noetl_wait_for_change'
    LANGUAGE C;
REVOKE ALL ON PROCEDURE noetl.wait_for_change(interval, boolean) FROM PUBLIC;
COMMENT ON PROCEDURE noetl.wait_for_change(interval, boolean) IS
    'sleeps until a transaction has stored an event of any execution (changed is true) or the timeout is over (false; a timeout of null: never); holds no snapshot while it sleeps, so it must be called outside of a transaction block. What has changed is to be read a tenth of a second after it returns, or later';
