# A worker that leases several tasks at once: the reports of all but the last do not wait
# for their answers, and none is lost with the session.
use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;
use IPC::Run;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);
use WorkerTest;

my $node = start_broker();
my $directory = PostgreSQL::Test::Utils::tempdir();
my $session = "pid <> pg_backend_pid() AND query LIKE '%noetl.complete(%'";

# Waits until a file is there.
sub wait_for_file
{
	my ($name) = @_;
	my $until = time + 60;
	sleep 0.02 while !-e "$directory/$name" && time < $until;
	return -e "$directory/$name";
}

# Makes a file, for which a task waits.
sub make_file { append_to_file("$directory/$_[0]", '') }

# A step that makes the file $1 and waits for the file $2.
sub waits
{
	my ($made, $awaited) = @_;
	return execute_step("tool: shell\ncommand: 'echo x >> $directory/$made; until [ -e $directory/$awaited ]; do sleep 0.05; done'");
}

#
# All is well
#
my @executions = map { execute_step("tool: python\ncode: 'result = {\"n\": $_}'") } 1 .. 20;
my $log = drain('--batch', 8, '-t', 'python');
is(sql("SELECT count(*) FROM noetl.execution WHERE status = 'COMPLETED'"), 20, 'a worker with a batch drains the queue');
is(result_of($executions[$_], "result ->> 'n'"), $_ + 1, "result $_") foreach 0, 7, 8, 19;
is(sql("SELECT count(*) FROM noetl.event WHERE event_type = 'action_started'"), 20, 'each task has begun once');
is(scalar(() = $log =~ / python ok /g), 20, 'the log tells of all');
is(sql('SELECT count(*) FROM noetl.execution e, noetl.verify(e.execution_id) v'), 0, 'the event log explains the rows');

#
# A report that waits in the server holds nobody up; its session is killed.
#
my $first = waits('first', 'locked');
my $second = waits('second', 'go');
my $third = waits('third', 'go');
my $worker = start_worker(\$log, '--name', 'batch', '--batch', 3, '-t', 'shell');
ok(wait_for_file('first'), 'the first of three tasks runs');
ok(wait_for("SELECT count(*) = 1 FROM noetl.event WHERE execution_id = $first AND event_type = 'action_started'"),
	'and its beginning is in the log');
is(sql("SELECT count(*) FROM noetl.queue WHERE status = 'leased' AND worker_id = 'batch'"), 3, 'the others are leased');
my $lock = $node->background_psql('postgres');
$lock->query_safe('BEGIN; LOCK TABLE noetl.event IN EXCLUSIVE MODE');
make_file('locked');
ok(wait_for_file('second'), 'the second begins while the report of the first waits');
ok(wait_for("SELECT count(*) = 1 FROM pg_stat_activity WHERE $session AND wait_event_type = 'Lock'"), 'for a lock');
is(sql("SELECT status FROM noetl.execution WHERE execution_id = $first"), 'RUNNING', 'so that the first has not ended');
sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE $session");
ok(wait_for("SELECT count(*) = 0 FROM pg_stat_activity WHERE $session AND wait_event_type = 'Lock'"), 'the session is killed');
$lock->query_safe('ROLLBACK');
$lock->quit;
make_file('go');
ok(wait_for("SELECT count(*) = 3 FROM noetl.execution WHERE execution_id IN ($first, $second, $third) AND status = 'COMPLETED'"),
	'all three end');
is(sql("SELECT string_agg(n::text, ',') FROM (SELECT count(*) AS n FROM noetl.event"
		  . " WHERE execution_id IN ($first, $second, $third) AND event_type = 'action_completed' GROUP BY execution_id) x"),
	'1,1,1', 'once each');
is(sql("SELECT count(*) FROM noetl.event WHERE execution_id IN ($first, $second, $third) AND meta ? 'lease_expired'"), 0, 'no lease was lost');
is(slurp_file("$directory/$_"), "x\n", "the $_ was executed once") foreach qw(first second third);
is(sql('SELECT count(*) FROM noetl.execution e, noetl.verify(e.execution_id) v'), 0, 'the event log explains the rows');
$worker->signal('TERM');
$worker->finish;
is($worker->result(0), 0, 'the worker ends');
unlike($log, qr/given back/, 'what was reported in the end is not given back');
like($log, qr/connected again/, 'which had lost its session');

#
# A report that the server does not accept, although it is not the last of its batch
#
sql(q{CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN
	IF NEW.event_type = 'action_completed' AND NEW.result ->> 'n' = '2' THEN
		RAISE EXCEPTION 'no twos' USING ERRCODE = 'data_exception'; END IF;
	RETURN NEW; END$$});
sql('CREATE TRIGGER refuse BEFORE INSERT ON noetl.event FOR EACH ROW EXECUTE FUNCTION refuse()');
@executions = map { execute_step("tool: python\ncode: 'result = {\"n\": $_}'") } 1 .. 4;
drain('--batch', 4, '-t', 'python');
is(join(',', map { ended($_) } @executions), 'execution_complete,execution_failed,execution_complete,execution_complete',
	'a refused report becomes a failure of its task');
like(result_of($executions[1], 'error', 'action_error'), qr/no twos/, 'which says why');

done_testing();
