# Four servers behind one with PL/Proxy run real playbooks by emulated workers.  One is
# killed in the middle: its executions stop, all others come to their ends; when it is
# back, so do its own.  NOETL_PLAYBOOKS names a directory of further playbooks.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $front = PostgreSQL::Test::Cluster->new('front');
$front->init;
$front->start;
plan skip_all => 'there is no PL/Proxy here'
  unless $front->safe_psql('postgres', q{SELECT count(*) FROM pg_available_extensions WHERE name = 'plproxy'});

my @nodes;
foreach my $i (0 .. 3)
{
	my $node = PostgreSQL::Test::Cluster->new("node$i");
	$node->init;
	# The emulated worker is a superuser, because it moves the time.
	$node->append_conf('postgresql.conf', "noetl.superuser_saves = on\nnoetl.node_id = $i\nfsync = off");
	$node->start;
	$node->safe_psql('postgres', 'CREATE EXTENSION noetl');
	push @nodes, $node;
}
my $list = join(', ', map { "'" . ($_->connstr('postgres') =~ s/'/''/gr) . "'" } @nodes);
$front->safe_psql('postgres', $nodes[0]->safe_psql('postgres', "SELECT noetl.proxy_script(ARRAY[$list])"));

# Runs the program; what it prints must be like a pattern.
sub play
{
	my ($expected, $what, @arguments) = @_;
	local $ENV{PYTHONDONTWRITEBYTECODE} = 1;
	my ($out, $err) = run_command([ '/usr/bin/python3', 'emulate/play_nodes', @arguments ]);
	like($out, $expected, $what) or diag($err);
	return $out;
}

# Remembers ids that a node has made, and looks at the number in them.
my %seen;
my $twice = 0;
sub note_ids
{
	my ($i, $query) = @_;
	my @ids = split /\n/, $nodes[$i]->safe_psql('postgres', $query);
	$twice += grep { exists $seen{$_} && $seen{$_} != $i } @ids;
	$seen{$_} = $i foreach @ids;
	is($nodes[$i]->safe_psql('postgres', "SELECT count(*) FROM ($query) AS made (id) WHERE noetl.node_of(id) <> $i"), '0',
		"ids of node $i have its number: $query");
}

my $started = play(qr/^[1-9]\d+$/, 'our playbooks are started in front',
	'start', $front->connstr('postgres'), 'playbooks', '--rounds', 8);
if ($ENV{NOETL_PLAYBOOKS})
{
	$started += play(qr/^[1-9]\d+$/, 'further playbooks are started in front',
		'start', $front->connstr('postgres'), $ENV{NOETL_PLAYBOOKS});
}
is($front->safe_psql('postgres', q{
	CREATE TABLE known AS SELECT node, execution_id FROM noetl.executions(max => 1000000);
	SELECT count(*) - count(DISTINCT execution_id), count(DISTINCT node), count(*) >= } . $started . ' FROM known'),
	'0|4|t', 'they are on all nodes');

my @connections = map { $_->connstr('postgres') } @nodes;
play(qr/^[1-9]\d* [1-9]\d* [1-9]\d* [1-9]\d*$/, 'four workers begin', 'work', '--turns', 20, '--seed', 1, @connections);

foreach my $i (0 .. 3)
{
	note_ids($i, 'SELECT queue_id FROM noetl.queue');
}

# One is gone.
my $before = $nodes[3]->safe_psql('postgres', 'SELECT max(event_id) FROM noetl.event');
$nodes[3]->stop('immediate');
play(qr/^0 0 0$/, 'what is on the other three comes to its end', 'work', '--seed', 2, @connections[ 0 .. 2 ]);
is($front->safe_psql('postgres', q{
	SELECT bool_and(noetl.status(execution_id) ->> 'ended_at' IS NOT NULL) FROM known WHERE node < 3}), 't', 'and the database in front says so');
is($front->safe_psql('postgres', q{
	DO $$
	DECLARE
		id bigint;
	BEGIN
		FOR id IN SELECT execution_id FROM known WHERE node = 3 LOOP
			BEGIN
				PERFORM noetl.status(id);
				RAISE 'a server that is away answers' USING ERRCODE = 'assert_failure';
			EXCEPTION WHEN OTHERS THEN
				NULL;
			END;
		END LOOP;
	END
	$$;
	SELECT noetl.node_of(execution_id) = node FROM known GROUP BY 1}), 't', 'what is on the fourth is refused, not answered by another');

# It is back.
$nodes[3]->start;
is($nodes[3]->safe_psql('postgres', 'SELECT max(event_id) FROM noetl.event'), $before, 'nothing has happened where nobody was');
is($nodes[3]->safe_psql('postgres', q{SELECT count(*) FROM noetl.execution AS x, noetl.verify(x.execution_id)}), '0',
	'and all there is as its log says');
play(qr/^0 0 0 0$/, 'and so do those of the fourth when it is back', 'work', '--seed', 3, @connections);
play(qr/^$/, 'every execution has one end, and leaves nothing', 'check', @connections);

# Ids say where they were made, and none comes twice.
foreach my $i (0 .. 3)
{
	note_ids($i, 'SELECT execution_id FROM noetl.execution');
	is($front->safe_psql('postgres', "SELECT count(*) FROM noetl.executions(max => 1000000) AS x WHERE x.node = $i AND noetl.node_of(x.execution_id) <> $i"),
		'0', "the database in front finds executions of node $i there");
}
is($twice, 0, 'no id is on two nodes');
cmp_ok(scalar(keys %seen), '>', $started, 'of many');
is($front->safe_psql('postgres', 'SELECT count(*) FROM noetl.executions(max => 1000000) AS x WHERE noetl.status(x.execution_id) IS NULL'),
	'0', 'each execution is found in front by its id');

$_->stop foreach (@nodes, $front);
done_testing();
