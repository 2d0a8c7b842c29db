# From the first release to the present one, with executions in flight.
use strict;
use warnings;

use FindBin;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->start;

sub sql { return $node->safe_psql($_[1] // 'upgraded', $_[0]); }

sql('CREATE DATABASE upgraded', 'postgres');
sql('CREATE DATABASE fresh', 'postgres');
sql('CREATE ROLE app; CREATE ROLE auditor; CREATE ROLE "An Intern"', 'postgres');
sql('CREATE EXTENSION noetl', 'fresh');
my ($missing, undef, $why) = $node->psql('upgraded', q{CREATE EXTENSION noetl VERSION '0.1.0'});
plan skip_all => "the script of the old release is not where the server looks for scripts: $why"
  if $missing && $why =~ /installation script/;

# What a database of the old release had: a dump of its rows, and rights.
my ($old, undef, $refused) = $node->psql('upgraded', q{SELECT noetl.execute('x')});
like($refused, qr/the library of noetl is of version 0\.2\.0, the extension in this database of 0\.1\.0\nHINT:  ALTER EXTENSION noetl UPDATE/, 'the new library refuses the old script');
sql(q{
	CREATE TABLE public.saved (id bigint, v text);
	GRANT ALL ON public.saved TO app;
	GRANT INSERT ON noetl.event TO app;
	GRANT SELECT ON noetl.execution, noetl.event_log TO app;
	GRANT EXECUTE ON FUNCTION noetl.execute(text, jsonb, integer, boolean), noetl.status(bigint) TO app;
	GRANT EXECUTE ON FUNCTION noetl.status(bigint) TO auditor WITH GRANT OPTION;
	CREATE FUNCTION public.note() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN new; END';
	CREATE TRIGGER note BEFORE INSERT ON noetl.event FOR EACH ROW EXECUTE FUNCTION public.note();
	ALTER TABLE noetl.event ADD COLUMN tenant text DEFAULT 'mine';
});
my $data = slurp_file("$FindBin::Bin/../upgrade/data-0.1.0.sql");
is($node->psql('upgraded', "SET session_replication_role = replica;\n$data", on_error_stop => 1), 0,
	'the rows of the old release are there');
my $before = sql(q{SELECT status, count(*) FROM noetl.execution GROUP BY 1 ORDER BY 1});

# Columns of a user's own in a table that grows are in the way.
sql('ALTER TABLE noetl.queue ADD COLUMN mine text');
my ($status, undef, $error) = $node->psql('upgraded', 'ALTER EXTENSION noetl UPDATE');
like($error, qr/columns were added to noetl.queue.*HINT:  Drop the columns of your own/s, 'a column that is in the way is refused');
is(sql(q{SELECT extversion FROM pg_extension WHERE extname = 'noetl'}), '0.1.0', 'and nothing is changed');
sql(q{
	CREATE TABLE public.queue_of_before AS SELECT * FROM noetl.queue;
	ALTER TABLE noetl.queue DROP COLUMN mine;
});
is($node->psql('upgraded', 'ALTER EXTENSION noetl UPDATE', on_error_stop => 1), 0, 'without it the extension is updated');
is(sql(q{SELECT count(*) FROM noetl.queue AS q JOIN public.queue_of_before AS b USING (queue_id, execution_id, action, attempts)}),
	sql(q{SELECT count(*) FROM public.queue_of_before}), 'and the tasks are there');

# Begin again, with tables whose columns are not as they were, and rights that others handed on.
sql('DROP DATABASE upgraded', 'postgres');
sql('CREATE DATABASE upgraded', 'postgres');
sql(q{CREATE EXTENSION noetl VERSION '0.1.0'});
sql(q{
	CREATE TABLE public.saved (id bigint, v text);
	GRANT ALL ON public.saved TO app;
	GRANT INSERT ON noetl.event TO app;
	GRANT SELECT ON noetl.execution, noetl.event_log TO app;
	GRANT EXECUTE ON FUNCTION noetl.execute(text, jsonb, integer, boolean), noetl.status(bigint) TO app;
	GRANT EXECUTE ON FUNCTION noetl.status(bigint) TO auditor WITH GRANT OPTION;
	GRANT SELECT ON noetl.execution TO auditor WITH GRANT OPTION;
	GRANT SELECT (event_type) ON noetl.event_log TO "An Intern";
	GRANT USAGE ON SEQUENCE noetl.queue_seq TO app;
	SET ROLE auditor;
	GRANT SELECT ON noetl.execution TO "An Intern";
	RESET ROLE;
	ALTER TABLE noetl.execution ADD COLUMN mine text DEFAULT 'x';
	ALTER TABLE noetl.run ADD COLUMN mine text DEFAULT 'x';
	ALTER TABLE noetl.queue ADD COLUMN mine text DEFAULT 'x', ADD COLUMN yours text DEFAULT 'y';
	CREATE INDEX mine_idx ON noetl.queue (mine);
	CREATE UNIQUE INDEX mine_event_idx ON noetl.event_default (event_id, execution_id);
	ALTER TABLE noetl.event_default ADD CONSTRAINT mine_unique UNIQUE (execution_id, created_at, event_id);
});
sql('CREATE TABLE noetl.event_early PARTITION OF noetl.event FOR VALUES FROM (0) TO (1000)');
$node->psql('upgraded', "SET session_replication_role = replica;\n$data", on_error_stop => 1);
sql("ALTER TABLE noetl.$_ DROP COLUMN mine") foreach qw(execution run queue);
sql('ALTER TABLE noetl.queue DROP COLUMN yours');
is($node->psql('upgraded', 'ALTER EXTENSION noetl UPDATE', on_error_stop => 1), 0, 'the extension is updated');
is(sql(q{SELECT extversion FROM pg_extension WHERE extname = 'noetl'}), sql(q{SELECT extversion FROM pg_extension WHERE extname = 'noetl'}, 'fresh'),
	'to the present version');

# Nothing of the catalogs differs from those of a new database, apart from rights.
my $catalogs = q{
	WITH member AS (SELECT classid, objid FROM pg_depend
		WHERE refclassid = 'pg_extension'::regclass AND deptype = 'e'
		  AND refobjid = (SELECT oid FROM pg_extension WHERE extname = 'noetl')),
	relation AS (SELECT c.* FROM pg_class AS c WHERE c.relnamespace = 'noetl'::regnamespace)
	SELECT line FROM (
		SELECT 'member ' || pg_describe_object(classid, objid, 0) FROM member WHERE classid <> 'pg_type'::regclass
		UNION ALL SELECT format('relation %s %s %s %s %s %s', oid::regclass, relkind, relpersistence, reloptions, relrowsecurity, relhassubclass) FROM relation
		UNION ALL SELECT format('column %s %s %s %s %s %s %s', attrelid::regclass, attnum, attname, format_type(atttypid, atttypmod), attnotnull, attcompression, attidentity)
			FROM pg_attribute JOIN relation ON relation.oid = attrelid WHERE attnum > 0 AND NOT attisdropped
		UNION ALL SELECT format('default %s %s %s', adrelid::regclass, adnum, pg_get_expr(adbin, adrelid)) FROM pg_attrdef JOIN relation ON relation.oid = adrelid
		UNION ALL SELECT format('constraint %s %s %s', conrelid::regclass, conname, pg_get_constraintdef(c.oid)) FROM pg_constraint AS c JOIN relation ON relation.oid = conrelid
		UNION ALL SELECT 'index ' || pg_get_indexdef(oid) FROM relation WHERE relkind IN ('i', 'I')
		UNION ALL SELECT format('sequence %s %s %s %s %s', seqrelid::regclass, seqtypid::regtype, seqmin, seqmax, seqcycle) FROM pg_sequence JOIN relation ON relation.oid = seqrelid
		UNION ALL SELECT 'view ' || oid::regclass || pg_get_viewdef(oid) FROM relation WHERE relkind = 'v'
		UNION ALL SELECT format('function %s', pg_get_functiondef(p.oid)) FROM pg_proc AS p WHERE pronamespace = 'noetl'::regnamespace
		UNION ALL SELECT format('trigger %s', pg_get_triggerdef(t.oid)) FROM pg_trigger AS t JOIN relation ON relation.oid = tgrelid WHERE NOT tgisinternal
		UNION ALL SELECT format('policy %s %s %s %s %s %s', polrelid::regclass, polname, polcmd, polroles, pg_get_expr(polqual, polrelid), pg_get_expr(polwithcheck, polrelid)) FROM pg_policy JOIN relation ON relation.oid = polrelid
		UNION ALL SELECT format('comment %s: %s', pg_describe_object(classoid, objoid, objsubid), description) FROM pg_description
			WHERE (classoid = 'pg_proc'::regclass AND objoid IN (SELECT oid FROM pg_proc WHERE pronamespace = 'noetl'::regnamespace))
			   OR (classoid = 'pg_class'::regclass AND objoid IN (SELECT oid FROM relation))
		UNION ALL SELECT format('dumped %s %s', unnest(extconfig)::regclass, unnest(extcondition)) FROM pg_extension WHERE extname = 'noetl'
		UNION ALL SELECT format('public %s', oid::regprocedure) FROM pg_proc
			WHERE pronamespace = 'noetl'::regnamespace AND (proacl IS NULL OR EXISTS (SELECT FROM aclexplode(proacl) WHERE grantee = 0))) AS l (line)
	ORDER BY line COLLATE "C"};
# The first playbook makes the default partition.
sql(q{SELECT noetl.register('{"path": "first", "workflow": [{"step": "start"}]}')}, 'fresh');
my %new = map { $_ => 1 } split /\n/, sql($catalogs, 'fresh');
my %upgraded = map { $_ => 1 } split /\n/, sql($catalogs);
is(join(' ', sort map { /^index .*(mine_\w+)/ } keys %upgraded), 'mine_event_idx mine_unique', 'unique indexes of a user stay');
is(join("\n", grep { !$new{$_} && !/event_early|mine_(?:event_idx|unique)/ } sort keys %upgraded), '', 'an upgraded database has nothing that a new one has not');
is(join("\n", grep { !$upgraded{$_} } sort keys %new), '', 'and lacks nothing that a new one has');

is(sql(q{SELECT count(*) FROM noetl.partitions()}), '2', 'partitions that were made stay');

# Rights that were given are there, those of a function that has more arguments, too.
is(sql(q{SELECT has_function_privilege('app', p.oid, 'EXECUTE') FROM pg_proc AS p WHERE proname = 'execute' AND pronamespace = 'noetl'::regnamespace}), 't', 'rights on functions stay');
is(sql(q{SELECT has_table_privilege('app', 'noetl.event', 'INSERT'), has_table_privilege('app', 'noetl.event_log', 'SELECT'),
	has_function_privilege('auditor', 'noetl.status(bigint)', 'EXECUTE WITH GRANT OPTION')}), 't|t|t', 'rights on tables and views, and to hand them on');
is(sql(q{SELECT grantor::regrole, grantee::regrole, privilege_type, is_grantable FROM pg_class CROSS JOIN aclexplode(relacl)
	WHERE oid = 'noetl.execution'::regclass AND grantor <> relowner}), 'auditor|"An Intern"|SELECT|f', 'rights that others gave are theirs');
my $dump = $node->basedir . '/upgraded.sql';
$node->command_ok([ 'pg_dump', '-s', '-f', $dump, $node->connstr('upgraded') ], 'the upgraded database is dumped');
like(slurp_file($dump), $_, 'with the rights that were given: ' . s/.*GRANT //r)
	foreach qr/GRANT ALL ON FUNCTION noetl.execute\([^)]*\) TO app/, qr/GRANT INSERT ON TABLE noetl.event TO app/,
	qr/GRANT SELECT ON TABLE noetl.event_log TO app/, qr/GRANT SELECT ON TABLE noetl.execution TO "An Intern"/,
	qr/GRANT SELECT\(event_type\) ON TABLE noetl.event_log TO "An Intern"/, qr/GRANT USAGE ON SEQUENCE noetl.queue_seq TO app/;
is(sql(q{SELECT status, count(*) FROM noetl.execution GROUP BY 1 ORDER BY 1}), $before, 'no execution has changed');
is(sql(q{SELECT DISTINCT started_by FROM noetl.execution}), 'app', 'they belong to the same role');

# Everything that was in flight is as its log says, and goes on to its end.
is(sql(q{SELECT x.path, v.relation, v.key, v.expected, v.found FROM noetl.execution AS x, noetl.verify(x.execution_id) AS v LIMIT 20}), '', 'what is in flight follows from its log');
is(sql(q{SELECT count(noetl.complete(queue_id, '{"v": "late"}', 'leaver')) FROM noetl.queue WHERE worker_id = 'leaver'}), '7', 'leases of the old release are good');
sql(q{
	CREATE PROCEDURE work() LANGUAGE plpgsql AS $$
	DECLARE
		task noetl.queue;
	BEGIN
		FOR i IN 1 .. 3000 LOOP
			SELECT * INTO task FROM noetl.lease('new');
			IF NOT FOUND THEN
				EXIT WHEN NOT EXISTS (SELECT FROM noetl.queue);
				PERFORM pg_sleep(0.1);
				CONTINUE;
			END IF;
			PERFORM noetl.complete(task.queue_id, jsonb_build_object('v', task.node_name), 'new');
			COMMIT;
		END LOOP;
	END
	$$;
	CALL work()});
is(sql(q{SELECT count(*) FROM noetl.execution WHERE status = 'RUNNING'}), '0', 'all end');
is(sql(q{SELECT x.path, v.relation, v.key, v.expected, v.found FROM noetl.execution AS x, noetl.verify(x.execution_id) AS v LIMIT 20}), '', 'as their logs say');
is(sql(q{SELECT count(*) FROM public.saved WHERE v = 'c' OR v LIKE 'c%' OR v = 'late'}), sql(q{SELECT count(*) FROM noetl.execution WHERE path = 'old/linear' AND status = 'COMPLETED'}), 'what they save is saved once');
is(sql(q{SELECT count(DISTINCT event_id) = count(*) FROM (SELECT execution_id, event_id FROM noetl.event) AS e GROUP BY execution_id ORDER BY 1 LIMIT 1}), 't', 'no event comes twice');
is(sql(q{SELECT noetl.execute('old/linear') > (SELECT max(execution_id) FROM noetl.execution WHERE status = 'COMPLETED')}), 't', 'ids go on behind those of before');

# The library refuses the script of a later release in the same way: files were taken back
# when databases had been updated.
sql(q{UPDATE pg_extension SET extversion = '9.9.9' WHERE extname = 'noetl'});
foreach my $statement (q{SELECT noetl.execute('old/linear')}, q{SELECT * FROM noetl.lease('w')}, q{SELECT noetl.enqueue_next()},
	q{INSERT INTO noetl.event (execution_id, event_type, node_name) VALUES (1, 'log', 'a')})
{
	($status, undef, $error) = $node->psql('upgraded', $statement);
	like($error, qr/the library of noetl is of version 0\.2\.0, the extension in this database of 9\.9\.9/, "the script of another release is refused: $statement");
}
$node->stop;
done_testing();
