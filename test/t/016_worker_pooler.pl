# The worker behind PgBouncer in transaction mode.
use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);
use WorkerTest;

my ($pgbouncer) = grep { -x } map { "$_/pgbouncer" } split(/:/, $ENV{PATH}), '/usr/sbin', '/usr/bin';
plan skip_all => 'there is no pgbouncer here' unless $pgbouncer;
plan skip_all => 'pgbouncer does not run as root' if $< == 0;

my $node = start_broker();
$node->append_conf('postgresql.conf', "log_statement = all\n");
$node->reload;
my $directory = PostgreSQL::Test::Utils::tempdir_short();
my $port = PostgreSQL::Test::Cluster::get_free_port();
my $role = getpwuid($<);
append_to_file("$directory/users", qq("$role" ""\n));

# Two sessions of the server for all clients, which they get for one transaction.
append_to_file("$directory/pgbouncer.ini", <<"EOT");
[databases]
postgres = host=${\ $node->host} port=${\ $node->port} dbname=postgres
[pgbouncer]
listen_addr =
listen_port = $port
unix_socket_dir = $directory
auth_type = trust
auth_file = $directory/users
pool_mode = transaction
default_pool_size = 2
server_reset_query =
logfile = $directory/log
pidfile = $directory/pid
EOT
my ($nothing, $output) = ('', '');
my $pooler = IPC::Run::start([ $pgbouncer, "$directory/pgbouncer.ini" ], \$nothing, '>', \$output, '2>', \$output);
END { my $status = $?; $pooler->kill_kill if $pooler; $? = $status; }

my $through = "host=$directory port=$port dbname=postgres user=$role";
$ENV{NOETL_AUTH_POOLED} = $through;

# The answer to a query through the pooler.
sub pooled
{
	my ($query) = @_;
	my $answer = '';
	my $error = '';
	my ($in) = ('');
	IPC::Run::run([ 'psql', '-XAtqd', $through, '-c', $query ], \$in, '>', \$answer, '2>', \$error);
	chomp $answer;
	return $answer . $error;
}

my $until = time + 30;
sleep 0.1 while pooled('SELECT 1') ne '1' && time < $until;
is(pooled('SELECT 1'), '1', 'pgbouncer runs');

# Starts executions that use every statement of the worker.
sub start_all
{
	my ($n) = @_;
	return map {
		execute(<<'EOT', '{numbers: [1, 2, 3]}')
- step: a
  tool: postgres
  commands:
  - SET LOCAL search_path = nowhere
  - SELECT 1 AS v
  next: b
- step: b
  tool: python
  timeout: 1 minute
  code: result = 2
  save: {storage: postgres, auth: pooled, table: public.saved, data: {i: "{{ result }}"}}
  next: c
- step: c
  type: iterator
  collection: "{{ workload.numbers }}"
  element: n
  task:
    tool: python
    code: result = n
    retry: 2
  next: d
- step: d
  tool: shell
  command: exit 3
  retry: {max_attempts: 2, initial_delay: 0.1}
  on_error: continue
  next: act
- step: act
  tool: postgres
  command: SELECT current_setting('search_path') AS path
EOT
	} 1 .. $n;
}

# Runs workers with options until the queue is empty; returns their logs.
sub work
{
	my ($workers, @options) = @_;
	my @logs;
	my @running = map { my $log = ''; push @logs, \$log;
		my $in = '';
		IPC::Run::start([ 'noetl-worker', '--connect', $through, '--once', @options ],
			\$in, '>', \$log, '2>', \$log, IPC::Run::timeout(120)) } 1 .. $workers;
	my $failed = 0;
	foreach my $worker (@running)
	{
		$worker->finish;
		$failed++ if $worker->full_result(0) != 0;
	}
	return ($failed, map { $$_ } @logs);
}

sql('CREATE TABLE public.saved (i int)');
my @executions = start_all(10);
my ($failed, @logs) = work(4);
is($failed, 0, 'four workers share two sessions of the server');
my $list = join(',', @executions);
is(sql("SELECT string_agg(DISTINCT status, ',') FROM noetl.execution WHERE execution_id IN ($list)"), 'COMPLETED', 'every execution completes')
  or diag(sql("SELECT node_name, error, meta FROM noetl.event WHERE execution_id IN ($list) AND node_name <> 'd'"
		  . " AND event_type IN ('action_error', 'save_failed')"), @logs);
is( sql("SELECT count(*), count(DISTINCT (execution_id, node_name)) FROM noetl.event
	WHERE execution_id IN ($list) AND event_type = 'step_completed'"), '50|50', 'every step once');
unlike(join('', @logs), qr/prepared statement|already exists/, 'no statement is missing or there twice');

# What one client sets does not reach another.
my %settings;
$settings{ pooled("SELECT current_setting('search_path') || ' ' || current_setting('statement_timeout') || ' ' || current_setting('jit')
	|| ' ' || current_setting('default_transaction_isolation') || ' ' || current_setting('plan_cache_mode')") }++ for 1 .. 10;
my $direct = sql("SELECT current_setting('search_path') || ' ' || current_setting('statement_timeout') || ' ' || current_setting('jit')
	|| ' ' || current_setting('default_transaction_isolation') || ' ' || current_setting('plan_cache_mode')");
is(join(' | ', sort keys %settings), $direct, 'the settings of the worker reach no other client');
unlike(slurp_file($node->logfile), qr/DISCARD ALL/, 'nor does the end of a postgres task');
is(pooled('SELECT count(*) FROM pg_prepared_statements'), '0', 'and it leaves no prepared statement');

# Idle workers wait without a session of the server.
my @idle = map { my $log = ''; my $in = '';
	IPC::Run::start([ 'noetl-worker', '--connect', $through ], \$in, '>', \$log, '2>', \$log, IPC::Run::timeout(120)) } 1 .. 6;
sleep 2;
my $begin = time;
is(pooled('SELECT 1'), '1', 'idle workers');
cmp_ok(time - $begin, '<', 20, 'leave the sessions of the server to others');
my ($late) = start_all(1);
ok(wait_for("SELECT status = 'COMPLETED' FROM noetl.execution WHERE execution_id = $late"), 'they notice work');

# The pooler is killed.
$pooler->kill_kill;
($late) = start_all(1);
unlink "$directory/pid", "$directory/.s.PGSQL.$port";
$pooler = IPC::Run::start([ $pgbouncer, "$directory/pgbouncer.ini" ], \$nothing, '>', \$output, '2>', \$output);
ok(wait_for("SELECT status = 'COMPLETED' FROM noetl.execution WHERE execution_id = $late"), 'they survive the end of the pooler');
$_->signal('TERM') foreach @idle;
$_->finish foreach @idle;
is(join(',', map { $_->full_result(0) } @idle), '0,0,0,0,0,0', 'and end when they are asked to');

# Told that there is no pooler, the worker meets statements of other sessions.
@executions = start_all(4);
($failed, @logs) = work(2, '--pooler', 'no');
$list = join(',', @executions);
is(sql("SELECT count(*) FROM noetl.execution WHERE execution_id IN ($list) AND status = 'FAILED'"), '0', 'a pooler that is not noticed fails no task');

$pooler->signal('INT');
$pooler->finish;
undef $pooler;
$node->stop;
done_testing();
