-- ---------------------------------------------------------------------------
-- Waits: signals and messages end them (src/api/signal.c); a client waits for the
-- end of an execution (src/api/wait_end.c)
-- ---------------------------------------------------------------------------

CREATE FUNCTION noetl.signal(execution_id bigint, name text, data jsonb DEFAULT NULL,
                             id text DEFAULT NULL) RETURNS boolean
    AS 'MODULE_PATHNAME', 'noetl_signal'
    LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION noetl.signal(bigint, text, jsonb, text) IS
    'sends a signal to an execution: true: it ended a wait now; false: it is kept until a wait asks for it, first in first out. A signal with an id that has come before has no effect';

CREATE FUNCTION noetl.send(name text, key text, data jsonb DEFAULT NULL, keep interval DEFAULT NULL,
                           id text DEFAULT NULL) RETURNS bigint
    AS 'MODULE_PATHNAME', 'noetl_send'
    LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION noetl.send(text, text, jsonb, interval, text) IS
    'sends a signal to all executions that wait for it with this key and that the current role may act for; returns how many took it. If none did it is kept, for the time given, for the first that waits for it. A message with an id that the same role has sent before has no effect';

CREATE VIEW noetl.waiting WITH (security_barrier) AS
    SELECT r.execution_id, x.path, r.step_name AS step, r.visit, r.created_at AS since,
           r.due_at AS until, r.signals, r.signal_key AS key, x.labels
      FROM noetl.run AS r
      JOIN noetl.execution AS x ON x.execution_id = r.execution_id
     WHERE r.state = 'awaiting' AND noetl.acts_for(x.started_by);
COMMENT ON VIEW noetl.waiting IS
    'steps that wait for a time or a signal: since when, until when at the latest (null: for ever), the names of the signals (null: none), the key under which noetl.send() reaches them';

CREATE PROCEDURE noetl.wait_for_execution(execution_id bigint, timeout interval DEFAULT '30 s',
                                          INOUT outcome jsonb DEFAULT NULL)
    AS 'MODULE_PATHNAME', 'noetl_wait_for_execution'
    LANGUAGE C;
COMMENT ON PROCEDURE noetl.wait_for_execution(bigint, interval, jsonb) IS
    'sleeps until an execution is over (outcome is what noetl.status() says of it) or the timeout is (outcome is null; a timeout of null: never); holds no snapshot while it sleeps, so it must be called outside of a transaction block';

REVOKE ALL ON FUNCTION noetl.signal(bigint, text, jsonb, text),
    noetl.send(text, text, jsonb, interval, text) FROM PUBLIC;
REVOKE ALL ON PROCEDURE noetl.wait_for_execution(bigint, interval, jsonb) FROM PUBLIC;

ALTER TABLE noetl.signal ENABLE ROW LEVEL SECURITY;
ALTER TABLE noetl.message ENABLE ROW LEVEL SECURITY;
CREATE POLICY members_read ON noetl.signal FOR SELECT USING (noetl.may_read(execution_id));
CREATE POLICY members_read ON noetl.message FOR SELECT USING (noetl.acts_for(sent_by));

SELECT pg_catalog.pg_extension_config_dump('noetl.signal', '');
SELECT pg_catalog.pg_extension_config_dump('noetl.message', '');
