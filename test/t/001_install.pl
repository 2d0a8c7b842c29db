# The extension comes, goes, comes again and survives a dump.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->start;

# What belongs to the extension, as text to compare.
my $inventory = q{
	SELECT pg_describe_object(classid, objid, objsubid)
	  FROM pg_depend
	 WHERE refclassid = 'pg_extension'::regclass AND deptype = 'e'
	   AND refobjid = (SELECT oid FROM pg_extension WHERE extname = 'noetl')
	 ORDER BY 1};

$node->safe_psql('postgres', 'CREATE DATABASE a');
$node->safe_psql('a', 'CREATE EXTENSION noetl');
my $created = $node->safe_psql('a', $inventory);
like($created, qr/table noetl\.catalog/, 'the extension brings its tables');

$node->safe_psql('a', 'DROP EXTENSION noetl');
is( $node->safe_psql(
		'a', q{
		SELECT count(*) FROM pg_depend
		 WHERE refclassid = 'pg_namespace'::regclass
		   AND refobjid = (SELECT oid FROM pg_namespace WHERE nspname = 'noetl')}),
	'0',
	'dropping it leaves nothing in its schema');

$node->safe_psql('a', 'CREATE EXTENSION noetl');
is($node->safe_psql('a', $inventory), $created,
	'created again it is the same');

my ($status, undef, $stderr) =
  $node->psql('a', 'ALTER EXTENSION noetl SET SCHEMA public');
isnt($status, 0, 'it does not move to another schema');
like($stderr, qr/does not support SET SCHEMA/, 'and says so');

# Text is UTF8 everywhere; CREATE EXTENSION says so where it is not.
$node->safe_psql('postgres', "CREATE DATABASE latin ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0");
($status, undef, $stderr) = $node->psql('latin', '\set VERBOSITY verbose
CREATE EXTENSION noetl');
isnt($status, 0, 'a database that is not UTF8 is refused');
like($stderr, qr/ERROR: +0A000: noetl needs a database whose encoding is UTF8.*HINT: +Create the database with ENCODING 'UTF8'/s,
	'with what to do instead');
is($node->safe_psql('latin', "SELECT count(*) FROM pg_namespace WHERE nspname = 'noetl'"), '0', 'and nothing of it is left');

# A dump names the extension, not its objects, and loads into a new database.
my $dump = $node->basedir . '/a.sql';
$node->command_ok([ 'pg_dump', '-f', $dump, $node->connstr('a') ],
	'pg_dump succeeds');
unlike(slurp_file($dump), qr/CREATE (TABLE|FUNCTION) noetl\./,
	'the dump leaves the objects to the extension');
$node->safe_psql('postgres', 'CREATE DATABASE b');
$node->command_ok(
	[
		'psql', '-X', '-v', 'ON_ERROR_STOP=1', '-f', $dump,
		$node->connstr('b')
	],
	'the dump loads');
is($node->safe_psql('b', $inventory), $created, 'and gives the same objects');

# Rows of a table and the position of a sequence are user data.
is( $node->safe_psql(
		'a', q{
		SELECT string_agg(c.oid::regclass::text, ' ')
		  FROM pg_extension e
		  JOIN pg_depend d ON d.refclassid = 'pg_extension'::regclass
		   AND d.refobjid = e.oid AND d.deptype = 'e'
		   AND d.classid = 'pg_class'::regclass
		  JOIN pg_class c ON c.oid = d.objid AND c.relkind IN ('r', 'S')
		   AND c.relpersistence = 'p'
		 WHERE e.extname = 'noetl' AND NOT c.oid = ANY (coalesce(e.extconfig, '{}'))}),
	'',
	'pg_dump keeps the contents of every table and sequence');

# A timer that is on and does nothing, as the library is not preloaded: whoever creates the
# extension is told, and who asks why something overdue is not done.
$node->safe_psql('postgres', 'CREATE DATABASE idle');
($status, undef, $stderr) = $node->psql('idle', 'CREATE EXTENSION noetl');
is($stderr, '', 'who has no timer hears nothing of it');
$node->safe_psql(
	'idle', q{
	SELECT noetl.register(E'apiVersion: noetl.io/v1\nkind: Playbook\npath: nap\nworkflow: [{step: nap, type: wait, for: 0.01}]');
	SELECT noetl.execute('nap');
	SELECT pg_sleep(0.1)});
my $why = q{SELECT w.hint FROM noetl.execution AS x, noetl.why(x.execution_id) AS w};
is($node->safe_psql('idle', $why), 'SELECT noetl.enqueue_next(), start a worker, or set noetl.timer = on.',
	'what to do about what is overdue');
$node->append_conf('postgresql.conf', 'noetl.timer = on');
$node->reload;
$node->safe_psql('postgres', 'CREATE DATABASE hopeful');
($status, undef, $stderr) = $node->psql('hopeful', 'CREATE EXTENSION noetl');
like($stderr, qr/WARNING:  noetl\.timer is on and has no effect\nHINT:  Add noetl to shared_preload_libraries/, 'a timer that does nothing is a warning');
like($node->safe_psql('idle', $why), qr/noetl\.timer = on has no effect as long as noetl is not in shared_preload_libraries\.$/, 'and in the hint');
$node->append_conf('postgresql.conf', "shared_preload_libraries = 'noetl'\nnoetl.timer_databases = 'none'");
$node->restart;
$node->safe_psql('postgres', 'CREATE DATABASE served');
($status, undef, $stderr) = $node->psql('served', 'CREATE EXTENSION noetl');
is($stderr, '', 'one that works is none');
is($node->safe_psql('idle', $why), 'SELECT noetl.enqueue_next(), start a worker, or set noetl.timer = on.',
	'and the hint is the other');

$node->stop;
done_testing();
