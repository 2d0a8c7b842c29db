# Several tasks at once, and a broker that does not listen: no lease is lost, nothing spins.
use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;
use POSIX ();
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);
use WorkerTest;

my $node = start_broker();

# The CPU time of the worker alone, in seconds.
sub cpu
{
	my ($worker) = @_;
	my @stat = split ' ', slurp_file("/proc/$worker->{KIDS}[0]{PID}/stat") =~ s/^.*\) //sr;
	return ($stat[11] + $stat[12]) / POSIX::sysconf(POSIX::_SC_CLK_TCK());
}

# Waits until a step is executed.
sub begun
{
	my ($execution) = @_;
	return wait_for("SELECT EXISTS (SELECT FROM noetl.event WHERE execution_id = $execution"
		  . " AND event_type = 'action_started')");
}

# How often steps were begun.
sub attempts
{
	return sql("SELECT count(*) FROM noetl.event WHERE event_type = 'action_started' AND execution_id IN ("
		  . join(', ', @_) . ')');
}

#
# The broker is away and comes again, while tasks are executed
#
my $log;
my $worker = start_worker(\$log, '--concurrency', 3, '-n', 'many');
my $long = execute_step("tool: shell\ncommand: sleep 12\n");
my $short = execute_step("tool: shell\ncommand: sleep 2\n");
ok(begun($_), 'a task begins') foreach $long, $short;
$node->stop('immediate');
sleep 3;
$node->start;
ok(wait_for("SELECT status = 'COMPLETED' FROM noetl.execution WHERE execution_id = $short"),
	'a result is reported after the broker was away');
is(sql("SELECT status FROM noetl.queue WHERE execution_id = $long"), 'leased', 'while another task is executed');
my $before = cpu($worker);
sleep 2;
cmp_ok(cpu($worker) - $before, '<', 0.5, 'the worker waits then, and does not spin');
is(sql("SELECT status FROM noetl.queue WHERE execution_id = $long"), 'leased', 'all that time');

#
# SIGTERM behind a pooler, where the worker asks again and again
#
$worker->kill_kill;
my $pooled = start_worker(\$log, '--concurrency', 3, '-n', 'pooled', '--pooler', 'yes', '--grace', 20);
foreach my $n (1 .. 3)
{
	my $one = execute_step("tool: shell\ncommand: sleep 0.2\n");
	ok(wait_for("SELECT status = 'COMPLETED' FROM noetl.execution WHERE execution_id = $one"), "task $n behind a pooler");
	sleep 0.3;
}
my $last = execute_step("tool: shell\ncommand: sleep 6\n");
ok(begun($last), 'a task begins behind a pooler');
sleep 0.5;
is(sql("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'noetl-worker pooled'"), 1,
	'and no second session waits for work: it would keep one of the pooler from others');
$pooled->signal('TERM');
sleep 1.5;
$before = cpu($pooled);
sleep 2;
cmp_ok(cpu($pooled) - $before, '<', 0.5, 'the grace is no time to spin, either');
$pooled->finish;
is($pooled->result(0), 0, 'and the worker ends');
is(sql("SELECT status FROM noetl.execution WHERE execution_id = $last"), 'COMPLETED', 'after its task');

#
# A broker that refuses a result, or a lease: the tasks in the other slots keep their leases
#
sql(q{CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
	$$BEGIN RAISE EXCEPTION 'not now'; END$$});
sql(q{CREATE TRIGGER refuse BEFORE INSERT ON noetl.event FOR EACH ROW
	WHEN (NEW.event_type = 'action_completed' AND NEW.node_name = 'refused') EXECUTE FUNCTION refuse()});
my $refused = execute("- step: refused\n  tool: shell\n  command: sleep 0.5\n");
my @slow = map { execute_step("tool: shell\ncommand: sleep 9\n") } 1 .. 2;
my $trouble = start_worker(\$log, '--concurrency', 3, '--lease', 2, '-t', 'shell', '-v');
ok(wait_for("SELECT count(*) = 3 FROM noetl.queue WHERE status = 'leased'"), 'three tasks begin');
for (1 .. 25)
{
	sql("SELECT count(*) FROM noetl.lease('other', 1, '1 s', '{none}')");
	sleep 0.3;
}
sql('DROP TRIGGER refuse ON noetl.event');
ok(wait_for("SELECT count(*) = 3 FROM noetl.execution WHERE status = 'COMPLETED' AND execution_id IN ($refused, "
	  . join(', ', @slow) . ')'), 'all complete once the broker takes the result');
is(attempts(@slow), 2, 'no lease of another task has run out meanwhile');
$trouble->signal('TERM');
$trouble->finish;
like($log, qr/reporting again: .*not now/, 'which it had refused');

# What a worker sends without waiting is refused late: its task has ended by then.
sql(q{CREATE FUNCTION refuse_late() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN PERFORM pg_sleep(1); RAISE 'too late'; END$$});
sql(q{CREATE TRIGGER refuse BEFORE INSERT ON noetl.event FOR EACH ROW
	WHEN (NEW.event_type = 'action_started' AND NEW.node_name IN ('a', 'refused')) EXECUTE FUNCTION refuse_late()});
$trouble = start_worker(\$log, '-n', 'late', '-t', 'shell', '--batch', 3);
my $session = "SELECT string_agg(pid::text, ' ') FROM pg_stat_activity WHERE application_name = 'noetl-worker %s'";
ok(wait_for(sprintf "SELECT ($session) IS NOT NULL", 'late'), 'a worker waits');
my $pid = sql(sprintf $session, 'late');
$refused = execute("- step: start\n  next: [a, refused]\n- step: refused\n  tool: shell\n  command: echo done\n- step: a\n  tool: shell\n  command: echo done\n");
ok(has_said($trouble, \$log, qr/action_started was refused: .*too late/), 'it tells that the beginning of a task is refused');
ok(wait_for("SELECT status = 'COMPLETED' FROM noetl.execution WHERE execution_id = $refused"), 'which completes all the same');
is(sql(sprintf $session, 'late'), $pid, 'in the same session');
sql('DROP TRIGGER refuse ON noetl.event');
$trouble->signal('TERM');
$trouble->finish;

# Behind a pooler a refusal ends the transaction, not the session.
sql(q{CREATE TRIGGER refuse BEFORE INSERT ON noetl.event FOR EACH ROW
	WHEN (NEW.event_type = 'action_completed' AND NEW.node_name = 'refused') EXECUTE FUNCTION refuse()});
$refused = execute("- step: refused\n  tool: shell\n  command: echo done\n");
$trouble = start_worker(\$log, '--pooler', 'yes', '-n', 'refused', '-t', 'shell', '-v');
ok(has_said($trouble, \$log, qr/reporting again: .*not now/), 'a pooled worker tells why its result is refused');
$pid = sql(sprintf $session, 'refused');
sql('DROP TRIGGER refuse ON noetl.event');
ok(wait_for("SELECT status = 'COMPLETED' FROM noetl.execution WHERE execution_id = $refused"), 'its task completes, too');
is(sql(sprintf $session, 'refused'), $pid, 'in the same session');
$trouble->signal('TERM');
$trouble->finish;

@slow = map { execute_step("tool: shell\ncommand: sleep 10\n") } 1 .. 2;
$trouble = start_worker(\$log, '--concurrency', 3, '--lease', 2, '-t', 'shell');
ok(begun($_), 'a task begins') foreach @slow;
my $signature = sql("SELECT oid::regprocedure FROM pg_proc WHERE proname = 'lease' AND pronamespace = 'noetl'::regnamespace");
sql("ALTER FUNCTION $signature RENAME TO lease_away");
sleep 8;
sql('ALTER FUNCTION ' . $signature =~ s/lease/lease_away/r . ' RENAME TO lease');
ok(wait_for('SELECT count(*) = 2 FROM noetl.execution WHERE status = \'COMPLETED\' AND execution_id IN ('
	  . join(', ', @slow) . ')'), 'tasks complete while leases are refused');
is(attempts(@slow), 2, 'and no lease has run out');
my $next = execute_step("tool: shell\ncommand: echo next\n");
ok(wait_for("SELECT status = 'COMPLETED' FROM noetl.execution WHERE execution_id = $next"), 'the worker leases again');
$trouble->signal('TERM');
$trouble->finish;
is(() = $log =~ /could not lease: .* does not exist/g, 1, 'and has said once what was wrong') or diag($log);

#
# An extension of another release than the library
#
my $release = sql(q{SELECT extversion FROM pg_extension WHERE extname = 'noetl'});
foreach my $slots (1, 3)
{
	sql(q{UPDATE pg_extension SET extversion = '9.9.9' WHERE extname = 'noetl'});
	my $begun = time;
	$trouble = start_worker(\$log, '--once', '--concurrency', $slots);
	$trouble->finish;
	is($trouble->full_result(0), 256, "a worker with --once ends with an error, slots: $slots");
	cmp_ok(time - $begun, '<', 30, 'at once');
	like($log, qr/the library of noetl is of version \S+, the extension in this database of 9\.9\.9\n.*hint: ALTER EXTENSION noetl UPDATE/, 'and says what the server advises');
	my $from = -s $node->logfile;
	$trouble = start_worker(\$log, '--concurrency', $slots);
	ok(has_said($trouble, \$log, qr/hint: ALTER EXTENSION noetl UPDATE/), 'without it, it waits');
	sql(qq{UPDATE pg_extension SET extversion = '$release' WHERE extname = 'noetl'});
	my $then = execute_step("tool: shell\ncommand: echo then\n");
	ok(wait_for("SELECT status = 'COMPLETED' FROM noetl.execution WHERE execution_id = $then"), 'and works when they are of one release');
	$trouble->signal('TERM');
	$trouble->finish;
	is(() = $log =~ /hint: /g, 1, 'having said it once');
	cmp_ok(() = slurp_file($node->logfile, $from) =~ /SET search_path = pg_catalog, pg_temp;SET jit/g, '>', 1, 'in another session');
}

done_testing();
