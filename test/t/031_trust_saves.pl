# What a save that the database executes itself can be made to do by the session
# that it happens in, and what it leaves behind there.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->append_conf('postgresql.conf', "deadlock_timeout = 10ms\ntimezone = 'Asia/Tokyo'\n");
$node->start;
# "starter" starts executions and owns tables; "mallory" reports the results.
$node->safe_psql(
	'postgres', q{
	CREATE EXTENSION noetl;
	CREATE ROLE starter LOGIN;
	CREATE ROLE mallory LOGIN;
	GRANT EXECUTE ON FUNCTION noetl.execute, noetl.register TO starter;
	GRANT INSERT ON noetl.event TO starter, mallory;
	GRANT CREATE ON SCHEMA public TO starter;
	GRANT CREATE, TEMPORARY ON DATABASE postgres TO mallory, starter;
});

my $playbooks = 0;

# Runs SQL as a role, going on after errors; returns what was printed, and the errors.
sub as_role
{
	my ($role, $sql, $options) = @_;
	local $ENV{PGOPTIONS} = $options if defined $options;
	my ($status, $stdout, $stderr) = $node->psql('postgres', $sql,
		connstr => $node->connstr('postgres') . " user=$role", on_error_stop => 0);
	return ($stdout, $stderr);
}

# Starts an execution of one step with this save; returns the SQL that completes it.
sub start
{
	my ($save, $role) = @_;
	my $path = 'trust/' . ++$playbooks;
	my ($id, $error) = as_role($role || 'starter', qq{
		SELECT noetl.execute('$path') FROM noetl.register('apiVersion: noetl.io/v1
kind: Playbook
path: $path
workflow:
- {step: a, type: python, code: x, save: $save}');});
	is($error, '', 'the execution starts');
	return ($id, qq{INSERT INTO noetl.event (execution_id, event_type, node_name, result)
		VALUES ($id, 'action_completed', 'a', '{"id": 1}');});
}

# How the execution ended.
sub outcome
{
	my ($id) = @_;
	return $node->safe_psql('postgres', "SELECT concat_ws(': ', status, error) FROM noetl.execution WHERE execution_id = $id");
}

my ($id, $report, $out, $error);

#
# What ends a transaction ends it in the way that PostgreSQL does
#
as_role('starter', 'CREATE TABLE slow (id int)');
($id, $report) = start('{storage: postgres, statement: "INSERT INTO public.slow SELECT 1 FROM pg_sleep(60)"}');
($out, $error) = as_role('mallory', qq{
	SET statement_timeout = '100ms'; BEGIN; SAVEPOINT s; $report ROLLBACK TO s; RESET statement_timeout;
	SELECT 'goes on'; ROLLBACK; SELECT 'and on';});
like($error, qr/canceling statement due to statement timeout/, 'a save that is cancelled raises the error');
unlike($error, qr/current transaction is aborted|FATAL|25P02/, 'and nothing else');
is($out, "goes on\nand on", 'and its session goes on, also after a savepoint');
is(outcome($id), 'RUNNING', 'its execution waits for another report');
($out, $error) = as_role('mallory', qq{SET statement_timeout = '100ms'; $report RESET statement_timeout; SELECT 'goes on';});
is($out, 'goes on', 'the same without a transaction block');

as_role('starter', 'CREATE TABLE locked (id int PRIMARY KEY, n int); INSERT INTO locked VALUES (1, 0), (2, 0)');
my ($first, $report1) = start('[{storage: postgres, statement: "UPDATE public.locked SET n = n + 1 WHERE id = 1"}, {storage: postgres, statement: "SELECT pg_sleep(0.5)"}, {storage: postgres, statement: "UPDATE public.locked SET n = n + 1 WHERE id = 2"}]');
my ($second, $report2) = start('[{storage: postgres, statement: "UPDATE public.locked SET n = n + 1 WHERE id = 2"}, {storage: postgres, statement: "SELECT pg_sleep(0.5)"}, {storage: postgres, statement: "UPDATE public.locked SET n = n + 1 WHERE id = 1"}]');
my @sessions = map {
	my $session = { out => '', err => '' };
	my $sql = "BEGIN; $_ COMMIT; SELECT 'goes on';";
	$session->{run} = IPC::Run::start(
		[ 'psql', '-XAtq', '-d', $node->connstr('postgres') . ' user=mallory' ],
		'<', \$sql, '>', \$session->{out}, '2>', \$session->{err});
	$session;
} ($report1, $report2);
$_->{run}->finish foreach @sessions;
like($sessions[0]{err} . $sessions[1]{err}, qr/deadlock detected/, 'a deadlock between saves is detected');
is(join("", map { $_->{out} } @sessions), "goes on\ngoes on\n", 'and both sessions go on');
unlike($sessions[0]{err} . $sessions[1]{err}, qr/aborted|FATAL/, 'without another error');

($id, $report) = start('{storage: postgres, statement: "UPDATE public.locked SET n = n + 1 WHERE id = 1"}');
my $strict = $node->background_psql('postgres', on_error_stop => 0);
$strict->query_safe('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1;');
as_role('starter', 'UPDATE locked SET n = 100 WHERE id = 1');
(my $line = $report) =~ s/\s+/ /g;
$strict->query($line);
like($strict->{stderr}, qr/could not serialize access/, 'a save that fails to serialise raises the error');
$strict->{stderr} = '';
is($strict->query('ROLLBACK; SELECT 2;'), '2', 'and its session goes on');
is($strict->{stderr}, '', 'without another error');
$strict->quit;

$node->stop;
done_testing();
