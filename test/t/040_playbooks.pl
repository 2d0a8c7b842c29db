# Real playbooks work.  An emulated worker plays all that there are, well and
# badly, and damaged copies (test/emulate/play); the real worker plays ours, and the results are
# those that metadata.runs of each says.  NOETL_PLAYBOOKS names a directory of
# further playbooks to play.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $own = 'playbooks';
my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
# The emulated worker is a superuser, because it damages rows.
$node->append_conf('postgresql.conf', 'noetl.superuser_saves = on');
$node->start;

# A new database with the extension.
sub new_database
{
	my ($name) = @_;
	$node->safe_psql('postgres', "CREATE DATABASE $name");
	$node->safe_psql($name, 'CREATE EXTENSION noetl');
}

# Plays a directory in a database of its own; the program's tests become ours.
sub emulate
{
	my ($name, $directory, @options) = @_;
	new_database($name);
	local $ENV{PGHOST} = $node->host;
	local $ENV{PGPORT} = $node->port;
	local $ENV{PGDATABASE} = $name;
	local $ENV{PYTHONDONTWRITEBYTECODE} = 1;
	my ($out, $err) = run_command(
		[ '/usr/bin/python3', 'emulate/play', @options, $directory ]);
	my @remarks;
	foreach my $line (split /\n/, $out)
	{
		if ($line =~ /^(not )?ok \d+ - (.*)/)
		{
			ok(!$1, "$name: $2") or diag(join("\n", @remarks));
			@remarks = ();
		}
		push @remarks, $line if $line =~ /^#/;
	}
	note(join("\n", @remarks));
	like($out, qr/^1\.\.[1-9]\d*$/m, "$name: played to the end") or diag($err);
}

emulate('own', $own, '--rounds', 3, '--mutants', 300);
SKIP:
{
	skip 'NOETL_PLAYBOOKS names no directory', 1 unless $ENV{NOETL_PLAYBOOKS};
	emulate('others', $ENV{NOETL_PLAYBOOKS});
}

# Now by the real worker, as an ordinary role.
new_database('real');
$node->safe_psql(
	'real', q{
	SELECT noetl.create_roles();
	CREATE ROLE player LOGIN IN ROLE noetl_client, noetl_author, noetl_worker;
	ALTER DATABASE real OWNER TO player;
	GRANT CREATE ON SCHEMA public TO player});
my @as_player = (connstr => $node->connstr('real') . ' user=player');
foreach my $file (sort glob("$own/*.yaml"))
{
	my $content = slurp_file($file);
	$node->safe_psql('real', "SELECT noetl.register(\$playbook\$$content\$playbook\$)", @as_player);
}
$node->safe_psql(
	'real', q{
	CREATE TABLE started AS
	SELECT c.path, r.ordinality AS number, r.run, noetl.execute(c.path, coalesce(r.run -> 'workload', '{}')) AS execution_id
	  FROM noetl.catalog c,
	       jsonb_array_elements(c.payload #> '{metadata,runs}') WITH ORDINALITY r (run, ordinality)}, @as_player);
foreach my $patience (1 .. 100)
{
	$node->command_ok(
		[ 'noetl-worker', '--once', '--connect', $node->connstr('real') . ' user=player' ],
		"the worker drains the queue, $patience");
	last
	  if $node->safe_psql('real',
		q{SELECT count(*) FROM noetl.execution WHERE status = 'RUNNING'}) eq '0';
}
my $outcomes = $node->safe_psql(
	'real', q{
	SELECT s.path, s.number,
	       x.status = coalesce(s.run ->> 'status', 'COMPLETED')
	           AND (s.run -> 'result' IS NULL OR x.result = s.run -> 'result')
	           AND (s.run -> 'error' IS NULL OR starts_with(x.error, s.run ->> 'error')),
	       x.status, coalesce(x.error, ''), x.result
	  FROM started s JOIN noetl.execution x USING (execution_id) ORDER BY 1, 2});
foreach my $line (split /\n/, $outcomes)
{
	my ($path, $number, $right, $status, $error, $result) = split /\|/, $line, 6;
	is($right, 't', "real: $path, run $number") or diag("$status, $error, $result");
}
is( $node->safe_psql('real', 'SELECT (SELECT count(*) FROM noetl.queue) + (SELECT count(*) FROM noetl.run)'),
	'0', 'real: nothing is left');

$node->stop;
done_testing();
