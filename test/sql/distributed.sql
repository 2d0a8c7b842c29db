-- Tables that Citus distributes are refused: nothing is written that nobody would
-- find.  This is the table in which Citus notes them.
SET allow_system_table_mods = on;
CREATE TABLE pg_catalog.pg_dist_partition (partmethod "char" NOT NULL, logicalrelid regclass NOT NULL);
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: distributed/line
workflow:
- {step: only, type: python, code: x, next: end}
$$) > 0 AS registered;
INSERT INTO pg_dist_partition VALUES ('h', 'pg_class');
ALTER TABLE noetl.queue SET (fillfactor = 80);
SELECT noetl.execute('distributed/line') > 0 AS started;

-- Distributing a table makes sessions look at it anew, as changing it does.
INSERT INTO pg_dist_partition VALUES ('h', 'noetl.queue');
ALTER TABLE noetl.queue SET (fillfactor = 80);
SELECT noetl.execute('distributed/line');
INSERT INTO noetl.event (execution_id, event_type, node_name) VALUES (newest('distributed/line'), 'action_started', 'only');
SELECT * FROM noetl.lease('w');

DELETE FROM pg_dist_partition WHERE logicalrelid = 'noetl.queue'::regclass;
ALTER TABLE noetl.queue SET (fillfactor = 80);
SELECT step, reported FROM work();
SELECT * FROM noetl.verify(newest('distributed/line'));

-- It is so for each table that the library writes; the others are written by SQL, which
-- Citus sees.
CREATE TABLE refused (name text);
DO $$
DECLARE
    item record;
BEGIN
    FOR item IN SELECT c.oid::regclass AS name, a.attname FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum = 1
                 WHERE c.relnamespace = 'noetl'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition LOOP
        INSERT INTO pg_dist_partition VALUES ('h', item.name);
        EXECUTE format('ALTER TABLE %s ALTER %I SET STATISTICS -1', item.name, item.attname);
        BEGIN
            PERFORM noetl.execute('distributed/line');
            RAISE 'nothing is to be left';
        EXCEPTION WHEN feature_not_supported THEN
            ASSERT SQLERRM = format('table %s is distributed by Citus', item.name);
            INSERT INTO refused VALUES (item.name::text);
        WHEN raise_exception THEN
            NULL;
        END;
        DELETE FROM pg_dist_partition;
        EXECUTE format('ALTER TABLE %s ALTER %I SET STATISTICS -1', item.name, item.attname);
    END LOOP;
END
$$;
SELECT string_agg(name, ' ' ORDER BY name COLLATE "C") AS refused FROM refused;
SELECT string_agg(c.oid::regclass::text, ' ' ORDER BY c.relname COLLATE "C") AS not_refused FROM pg_class AS c
 WHERE c.relnamespace = 'noetl'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
   AND c.oid::regclass::text NOT IN (SELECT name FROM refused);
DROP TABLE refused;
DROP TABLE pg_catalog.pg_dist_partition;
RESET allow_system_table_mods;
