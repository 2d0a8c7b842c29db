-- ---------------------------------------------------------------------------
-- Rules: what follows a change of a user's table (src/api/change.c, src/engine/change.c)
-- ---------------------------------------------------------------------------

CREATE TABLE noetl.change_rule (
    name       text        COLLATE "C" PRIMARY KEY,
    table_name regclass    NOT NULL,
    path       text,
    events     text        NOT NULL,
    condition  text,
    parameters jsonb,
    key        text,
    signal     text,
    made_by    regrole     NOT NULL,
    made_at    timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    CHECK (path IS NOT NULL OR signal IS NOT NULL)
);
COMMENT ON TABLE noetl.change_rule IS
    'which executions start, or which signals are sent, when rows of a table change: written by noetl.on_change() and noetl.off_change(), read by the triggers of the table';
COMMENT ON COLUMN noetl.change_rule.events IS
    'as they were given; the triggers of the table have the current names of the columns';
COMMENT ON COLUMN noetl.change_rule.signal IS 'the rule sends this signal and starts nothing';
COMMENT ON COLUMN noetl.change_rule.made_by IS 'the role that the executions run for';

CREATE TABLE noetl.change_failure (
    rule      text        NOT NULL,
    made_by   regrole     NOT NULL,
    failed_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    sqlstate  text        NOT NULL,
    error     text        NOT NULL,
    change    jsonb
);
COMMENT ON TABLE noetl.change_failure IS
    'changes of rows for which a rule could neither start an execution nor send its signal; rows stay until somebody deletes them';
COMMENT ON COLUMN noetl.change_failure.change IS 'the row: {"event": …, "new": …, "old": …}; null: the row could not be read';

CREATE FUNCTION noetl.change_fired() RETURNS trigger
    AS 'MODULE_PATHNAME', 'noetl_change_fired'
    LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION noetl.change_fired() IS
    'trigger that noetl.on_change() puts on a table; its argument is the name of a rule';

CREATE FUNCTION noetl.on_change(table_name regclass, path text, events text DEFAULT 'INSERT',
                                condition text DEFAULT NULL, parameters jsonb DEFAULT NULL,
                                key text DEFAULT NULL, signal text DEFAULT NULL,
                                name text DEFAULT NULL) RETURNS text
    AS 'MODULE_PATHNAME', 'noetl_on_change'
    LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION noetl.on_change(regclass, text, text, text, jsonb, text, text, text) IS
    'makes a rule: each row that INSERT, UPDATE [OF column, …] or DELETE (joined by OR) changes in the table starts an execution of the path in the same transaction, as the current role, or sends a signal. condition, parameters and key see new, old and event. Replaces the rule that has the name; returns the name';

CREATE FUNCTION noetl.off_change(name text) RETURNS boolean
    AS 'MODULE_PATHNAME', 'noetl_off_change'
    LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION noetl.off_change(text) IS
    'removes a rule that noetl.on_change() has made, and its triggers; false: there is none';

CREATE FUNCTION noetl.change_dropped() RETURNS event_trigger
    AS 'MODULE_PATHNAME', 'noetl_change_dropped'
    LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION noetl.change_dropped() IS
    'event trigger: deletes rules whose table, or last trigger, has been dropped';

CREATE EVENT TRIGGER noetl_change_dropped ON sql_drop
    WHEN TAG IN ('DROP TABLE', 'DROP SCHEMA', 'DROP OWNED', 'DROP TRIGGER', 'ALTER TABLE', 'DROP EXTENSION')
    EXECUTE FUNCTION noetl.change_dropped();
COMMENT ON EVENT TRIGGER noetl_change_dropped IS 'rules go with their table';

REVOKE ALL ON FUNCTION noetl.change_fired(), noetl.change_dropped(),
    noetl.on_change(regclass, text, text, text, jsonb, text, text, text), noetl.off_change(text) FROM PUBLIC;

ALTER TABLE noetl.change_rule ENABLE ROW LEVEL SECURITY;
ALTER TABLE noetl.change_failure ENABLE ROW LEVEL SECURITY;
CREATE POLICY members_read ON noetl.change_rule FOR SELECT USING (noetl.acts_for(made_by));
CREATE POLICY members_read ON noetl.change_failure FOR SELECT USING (noetl.acts_for(made_by));

SELECT pg_catalog.pg_extension_config_dump('noetl.change_rule', '');
SELECT pg_catalog.pg_extension_config_dump('noetl.change_failure', '');
