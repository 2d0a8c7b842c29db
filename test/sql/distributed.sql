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
DROP TABLE pg_catalog.pg_dist_partition;
RESET allow_system_table_mods;
