# What becomes due by the passing of time is done: by whoever waits for work,
# and with noetl.timer by background processes, without anybody asking.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

my $patience = 60;
my $node = PostgreSQL::Test::Cluster->new('main');

# Waits until a query gives true.
sub wait_for
{
	my ($node, $database, $query) = @_;
	my $until = time + $patience;
	while (time < $until)
	{
		# psql may find the server gone
		my ($status, $out) = eval { $node->psql($database, $query) };
		return 1 if defined $out && $status == 0 && $out eq 't';
		sleep 0.1;
	}
	return 0;
}

# How often a process has gone to sleep.
sub switches
{
	my ($pid) = @_;
	return slurp_file("/proc/$pid/status") =~ /^voluntary_ctxt_switches:\s+(\d+)/m ? $1 : undef;
}

# A database with the extension and a playbook.
sub new_database
{
	my ($node, $name) = @_;
	$node->safe_psql('postgres', "CREATE DATABASE $name") if $name ne 'postgres';
	prepare($node, $name);
}

sub prepare
{
	my ($node, $name) = @_;
	$node->safe_psql(
		$name, q{
		CREATE EXTENSION noetl;
		SELECT noetl.register('
apiVersion: noetl.io/v1
kind: Playbook
path: timer/step
workflow:
- {step: a, type: python, code: x, timeout: 0.5, retry: {max_attempts: 3, initial_delay: 0.4, jitter: false}, next: end}
- step: end
');
		SELECT noetl.register('
apiVersion: noetl.io/v1
kind: Playbook
path: timer/long
workflow:
- {step: a, type: http, url: x}
');
		SELECT noetl.register('
apiVersion: noetl.io/v1
kind: Playbook
path: timer/call
workflow:
- {step: call, type: playbook, path: timer/long}
');
		SELECT noetl.register('
apiVersion: noetl.io/v1
kind: Playbook
path: timer/queue
workflow:
- {step: a, type: shell, command: x, queue_timeout: 0.5}
');
		SELECT noetl.register('
apiVersion: noetl.io/v1
kind: Playbook
path: timer/execution
timeout: 0.6
workflow:
- {step: a, type: shell, command: x, next: end}
- step: end
');
		SELECT noetl.register('
apiVersion: noetl.io/v1
kind: Playbook
path: timer/parent
workflow:
- {step: call, type: playbook, path: timer/execution, retry: {max_attempts: 2, initial_delay: 0.5, jitter: false}}
')});
}

# A session that goes on while we do something else.
sub session
{
	my ($in, $out, $database) = @_;
	my $session = IPC::Run::start(
		[ 'psql', '-XAtq', '-d', $node->connstr($database // 'postgres') ],
		'<', $in, '>', $out, '2>', $out, IPC::Run::timeout(180));
	$session->pump_nb;
	return $session;
}

my $failed = q{SELECT status = 'FAILED' FROM noetl.execution WHERE path = '%s' ORDER BY execution_id DESC LIMIT 1};
my $processes = q{SELECT count(*) FROM pg_stat_activity WHERE backend_type LIKE 'noetl timer%'};
my $workers = q{SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'noetl timer'};

# Starts an execution of one that times out, and says whether it did in time.
sub times_out
{
	my ($node, $database) = @_;
	$node->safe_psql($database, q{SELECT noetl.execute('timer/execution')});
	return wait_for($node, $database, sprintf($failed, 'timer/execution'));
}

$node->init(allows_streaming => 1);
$node->append_conf('postgresql.conf', "max_worker_processes = 12\nrestart_after_crash = on");
$node->start;
new_database($node, 'postgres');

#
# Without the library being preloaded
#
my ($status, $out, $err) = $node->psql('postgres',
	"LOAD 'noetl'; SHOW noetl.timer; SHOW noetl.timer_databases; SET noetl.timer = on");
is($out, "off\n", 'the settings exist');
like($err, qr/parameter "noetl.timer" cannot be changed now/, 'and cannot be set in a session');
($status, $out, $err) = $node->psql('postgres', "LOAD 'noetl'; SET noetl.timer_databases = 'x'");
like($err, qr/cannot be changed now/, 'nor the other one');

# Who sleeps already hears of a deadline that is set later.
my ($in, $waited) = ("CALL noetl.wait_for_work('40 s', '{none}');\n", '');
my $sleeper = session(\$in, \$waited);
ok( wait_for($node, 'postgres', q{SELECT count(*) = 1 FROM pg_stat_activity WHERE query LIKE 'CALL noetl.wait%' AND wait_event = 'Extension'}),
	'somebody waits for work');
my $begin = time;
ok(times_out($node, 'postgres'), 'a timeout is noticed by who waits');
cmp_ok(time - $begin, '<', 20, 'although the wait had begun before');
$sleeper->kill_kill;

$node->append_conf('postgresql.conf', 'noetl.timer = on');
$node->restart;
is($node->safe_psql('postgres', $processes), '0', 'noetl.timer does nothing without the library');
is($node->safe_psql('postgres', "LOAD 'noetl'; SHOW noetl.timer"), 'on', 'but is no error');

#
# Preloaded
#
$node->safe_psql('postgres', "SELECT noetl.execute('timer/execution')");
$node->append_conf('postgresql.conf', "shared_preload_libraries = 'noetl'");
$node->restart;
ok(wait_for($node, 'postgres', sprintf($failed, 'timer/execution')),
	'what became due while the server was down is done after its start');

# Does something while another session has an execution, which is left to it.
sub while_busy
{
	my ($execution, $statement, $name) = @_;
	my ($hold, $held) = ("BEGIN;\nINSERT INTO noetl.event (execution_id, event_type) VALUES ($execution, 'note');\nSELECT 'held';\n", '');
	my $holder = session(\$hold, \$held);
	$holder->pump until $held =~ /held/;
	$node->safe_psql('postgres', $statement);
	is($node->safe_psql('postgres', "SELECT count(*) FROM noetl.pending WHERE execution_id = $execution"), '1', $name);
	sleep 1;    # the timer looks meanwhile, in vain
	$hold .= "COMMIT;\n\\q\n";
	$holder->finish;
	return;
}

# A lease that is lost to a timeout, a retry, and so on until it fails.
my $execution = $node->safe_psql('postgres',
	q{SELECT noetl.execute('timer/step')});
for my $attempt (1 .. 3)
{
	ok(wait_for($node, 'postgres', "SELECT status = 'queued' FROM noetl.queue WHERE execution_id = $execution"),
		"attempt $attempt is due");
	$node->safe_psql('postgres', q{SELECT * FROM noetl.lease('w', 1, '1 h', '{python}')});
}
ok(wait_for($node, 'postgres', sprintf($failed, 'timer/step')), 'the last one times out');
is( $node->safe_psql('postgres', "SELECT count(*) FROM noetl.event WHERE execution_id = $execution AND meta ->> 'kind' = 'timed_out'"),
	'4', 'as did the others');
# A lease that ends when the worker has said nothing.
$execution = $node->safe_psql('postgres', q{SELECT noetl.execute('timer/step')});
$node->safe_psql('postgres', q{SELECT * FROM noetl.lease('w', 1, '0.2 s', '{python}')});
ok(wait_for($node, 'postgres', "SELECT EXISTS (SELECT FROM noetl.event WHERE execution_id = $execution AND error = 'lease expired')"),
	'a lost lease is taken back');
$node->safe_psql('postgres', "SELECT noetl.cancel($execution)");
# A worker without a lease says that it has begun: its time runs from now on, and is over
# long before the lease that this gives it.
$execution = $node->safe_psql('postgres', q{SELECT noetl.execute('timer/step')});
ok(wait_for($node, 'postgres', "SELECT ($workers) = 0"), 'nothing else is due');
$node->safe_psql('postgres', qq{
	INSERT INTO noetl.event (execution_id, event_type, node_name, worker_id) VALUES ($execution, 'action_started', 'a', 'w')});
ok(wait_for($node, 'postgres', "SELECT EXISTS (SELECT FROM noetl.event WHERE execution_id = $execution AND meta ->> 'kind' = 'timed_out')"),
	'the attempt times out');
is( $node->safe_psql('postgres', qq{
	SELECT max(created_at) FILTER (WHERE meta ->> 'kind' = 'timed_out') - max(created_at) FILTER (WHERE event_type = 'action_started') < interval '30 s'
	  FROM noetl.event WHERE execution_id = $execution}), 't', '... when its time is over');
$node->safe_psql('postgres', "SELECT noetl.cancel($execution)");
# A task that nobody leases in time, and the end of a child whose parent is busy, while nothing
# else is due.
$execution = $node->safe_psql('postgres', q{SELECT noetl.execute('timer/call')});
$node->safe_psql('postgres', q{SELECT noetl.lease('w', 1, '1 h', '{http}')});
ok(wait_for($node, 'postgres', "SELECT ($workers) = 0"), 'nothing is due');
while_busy($execution, q{SELECT noetl.complete(queue_id, '1', 'w') FROM noetl.queue WHERE node_type = 'http'}, 'the parent is busy');
ok(wait_for($node, 'postgres', "SELECT status = 'COMPLETED' FROM noetl.execution WHERE execution_id = $execution"), 'the end of a child is told to it later');
ok(wait_for($node, 'postgres', "SELECT ($workers) = 0"), 'nothing is due again');
# So a child that is busy when its parent is cancelled.
$execution = $node->safe_psql('postgres', q{SELECT noetl.execute('timer/call')});
my $child = $node->safe_psql('postgres', "SELECT execution_id FROM noetl.execution WHERE parent_execution_id = $execution");
while_busy($child, "SELECT noetl.cancel($execution)", 'the child is busy');
ok(wait_for($node, 'postgres', "SELECT status = 'CANCELLED' FROM noetl.execution WHERE execution_id = $child"), 'it is cancelled later');
ok(wait_for($node, 'postgres', "SELECT ($workers) = 0"), 'nothing is due once more');
$node->safe_psql('postgres', q{SELECT noetl.execute('timer/queue')});
ok(wait_for($node, 'postgres', sprintf($failed, 'timer/queue')), 'a task is not leased in time');
# What is overdue, and left to the session that is busy with it, is looked at now and then.
my ($hold, $held) = ("SELECT noetl.execute('timer/execution') AS id \\gset\nBEGIN;\n"
	  . "INSERT INTO noetl.event (execution_id, event_type) VALUES (:id, 'note');\nSELECT 'held';\n", '');
my $holder = session(\$hold, \$held);
$holder->pump until $held =~ /held/;
sleep 2;
SKIP:
{
	my $pid = $node->safe_psql('postgres', "SELECT pid FROM pg_stat_activity WHERE backend_type = 'noetl timer'");
	skip 'no /proc', 2 unless -e "/proc/$pid/status";
	my $before = switches($pid);
	sleep 2;
	my $after = switches($pid) - $before;
	cmp_ok($after, '>', 2, 'the timer looks at what another session is busy with');
	cmp_ok($after, '<', 300, '... a few times a second');
}
$hold .= "COMMIT;\n\\q\n";
$holder->finish;
ok(wait_for($node, 'postgres', sprintf($failed, 'timer/execution')), '... and does it when that one has ended');
# Children and their retry.
$node->safe_psql('postgres', q{SELECT noetl.execute('timer/parent')});
ok(wait_for($node, 'postgres', sprintf($failed, 'timer/parent')), 'children time out');
is( $node->safe_psql('postgres', q{SELECT count(*) FROM noetl.execution WHERE parent_execution_id IS NOT NULL AND error LIKE 'timed out%'}),
	'2', 'and are started again');

# A sleeping worker is woken by what the timer has made ready.
$execution = $node->safe_psql('postgres', q{SELECT noetl.execute('timer/step')});
$node->safe_psql('postgres',
	q{SELECT noetl.fail(queue_id, 'x', 'w') FROM noetl.lease('w', 1, '1 h', '{python}')});
is($node->safe_psql('postgres', q{CALL noetl.wait_for_work('30 s', '{python}')}),
	't', 'who waits gets what became due');
$node->safe_psql('postgres', "SELECT noetl.cancel($execution)");

# Nothing to do for an hour: no process but the launcher, and it does nothing.
$node->safe_psql('postgres',
	q{SELECT noetl.execute('timer/long'); SELECT noetl.lease('w', 1, '1 h', '{http}')});
ok(wait_for($node, 'postgres', "SELECT ($workers) = 0"), 'workers end');
is($node->safe_psql('postgres', $processes), '1', 'the launcher stays');
is($node->safe_psql('postgres', q{SELECT wait_event_type = 'Extension' AND backend_xmin IS NULL FROM pg_stat_activity WHERE backend_type = 'noetl timer launcher'}),
	't', 'asleep, without a snapshot');
SKIP:
{
	my $pid = $node->safe_psql('postgres',
		"SELECT pid FROM pg_stat_activity WHERE backend_type = 'noetl timer launcher'");
	skip 'no /proc', 1 unless -e "/proc/$pid/status";
	my $before = switches($pid);
	sleep 2;
	# it looks at the clock twice a minute
	cmp_ok(switches($pid) - $before, '<', 4, 'it really sleeps');
}

#
# Other databases
#
new_database($node, 'later');
ok(times_out($node, 'later'), 'a database that is created later is served');
ok(wait_for($node, 'postgres', "SELECT ($workers) = 0"), 'its worker ends');
$node->safe_psql('later', q{SELECT noetl.execute('timer/execution')});
$node->safe_psql('later', 'DROP EXTENSION noetl CASCADE');
sleep 1;
ok(wait_for($node, 'postgres', "SELECT ($workers) = 0"), 'an extension that is dropped needs none');
prepare($node, 'later');
ok(times_out($node, 'later'), 'created again it is served again');
$node->safe_psql('later', q{SELECT noetl.execute('timer/execution')});
$node->safe_psql('postgres', 'DROP DATABASE later');
sleep 1;
ok(times_out($node, 'postgres'), 'a database that is dropped is no trouble');

# Only some of them.
new_database($node, 'other');
$node->append_conf('postgresql.conf', "noetl.timer_databases = 'other, nowhere'");
$node->reload;
ok(times_out($node, 'other'), 'a database in the list is served');
$node->safe_psql('postgres', q{SELECT noetl.execute('timer/execution')});
sleep 1.5;
is($node->safe_psql('postgres', sprintf($failed, 'timer/execution')), 'f', 'another is not');
$node->append_conf('postgresql.conf', "noetl.timer_databases = ''");
$node->reload;
ok(wait_for($node, 'postgres', sprintf($failed, 'timer/execution')), 'until the list says so');

# A database in which the broker is switched off is left alone.
$node->safe_psql('postgres', 'ALTER DATABASE other SET noetl.broker = off');
$node->safe_psql('other', q{SET noetl.broker = on; SELECT noetl.execute('timer/execution')});
sleep 1.5;
is($node->safe_psql('other', sprintf($failed, 'timer/execution')), 'f', 'nothing is decided while the broker is off');
$node->safe_psql('postgres', 'ALTER DATABASE other RESET noetl.broker');
$node->safe_psql('other', q{SELECT noetl.execute('timer/execution')});
ok(wait_for($node, 'other', q{SELECT count(*) = 0 FROM noetl.execution WHERE status = 'RUNNING'}), 'afterwards all is done');

#
# Accidents
#
$node->safe_psql('postgres', q{SELECT noetl.execute('timer/execution')});
my $launcher = $node->safe_psql('postgres',
	q{SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'noetl timer launcher'});
is($launcher, 't', 'the launcher is terminated');
ok(wait_for($node, 'postgres', sprintf($failed, 'timer/execution')), 'another one takes its place');

# A worker that cannot do its work tries again, and does not keep others from theirs.
$node->safe_psql('other', q{
	CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'not now'; END $$;
	CREATE TRIGGER refuse BEFORE INSERT ON noetl.event FOR EACH ROW WHEN (new.event_type = 'execution_failed') EXECUTE FUNCTION refuse();
	SELECT noetl.execute('timer/execution')});
ok(wait_for($node, 'other', q{SELECT count(*) > 0 FROM noetl.reaper_failure WHERE error = 'not now'}), 'why is recorded');
sleep 3;
cmp_ok($node->safe_psql('other', 'SELECT max(failures) FROM noetl.reaper_failure'), '<', 5, 'not all the time');
ok(times_out($node, 'postgres'), 'other databases are served meanwhile');
$node->safe_psql('other', 'DROP TRIGGER refuse ON noetl.event');
ok(wait_for($node, 'other', sprintf($failed, 'timer/execution')), 'it tries again');

# Databases in which somebody keeps what is due from being done get workers again
# and again; there are fewer workers than databases, and yet all are served.
my (@input, @output, @busy);
for my $i (1 .. 4)
{
	new_database($node, "busy$i");
	$input[$i] = "SELECT noetl.execute('timer/execution') AS id \\gset\nBEGIN;\n"
	  . "INSERT INTO noetl.event (execution_id, event_type) VALUES (:id, 'note');\n"
	  . "SELECT 'held';\n";
	$output[$i] = '';
	$busy[$i] = session(\$input[$i], \$output[$i], "busy$i");
	$busy[$i]->pump until $output[$i] =~ /held/;
}
sleep 2;
new_database($node, 'last');
ok(times_out($node, 'last'), 'the last of them has its turn');
for my $i (1 .. 4)
{
	$input[$i] = "COMMIT;\n\\q\n";
	$busy[$i]->finish;
	ok(wait_for($node, "busy$i", sprintf($failed, 'timer/execution')), "in the end so has busy$i");
}

# A crash of another process restarts all of them.
$node->safe_psql('postgres', q{SELECT noetl.execute('timer/execution')});
my ($ask, $pid) = ("SELECT pg_backend_pid();\n", '');
my $victim = session(\$ask, \$pid);
$victim->pump until $pid =~ /^\d+\n/;
kill 'KILL', $pid + 0;
ok(wait_for($node, 'postgres', sprintf($failed, 'timer/execution')), 'after a crash the timers go on');
$victim->kill_kill;

#
# A standby leaves it to the primary, until it is promoted
#
$node->backup('copy');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'copy', has_streaming => 1);
$standby->start;
is($standby->safe_psql('postgres', $processes), '0', 'a standby has no launcher');
# due after the primary has gone
$node->safe_psql('postgres', 'ALTER DATABASE postgres SET noetl.broker = off');
sleep 1;
ok(wait_for($node, 'postgres', "SELECT ($workers) = 0"), 'the primary is idle');
$node->safe_psql('postgres', q{SET noetl.broker = on; SELECT noetl.execute('timer/execution')});
$node->safe_psql('postgres', 'ALTER DATABASE postgres RESET noetl.broker');
$node->wait_for_catchup($standby);
$node->stop;
$standby->promote;
ok(wait_for($standby, 'postgres', sprintf($failed, 'timer/execution')), 'promoted it does what is due');

#
# Switched off
#
$standby->append_conf('postgresql.conf', 'noetl.timer = off');
$standby->restart;
is($standby->safe_psql('postgres', $processes), '0', 'noetl.timer = off: no process');
$standby->stop;
done_testing();
