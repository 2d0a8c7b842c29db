# Partitions are made and dropped while workers run: no worker waits long, no task
# is lost; a long transaction postpones it.  The timer process does it by itself.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->append_conf('postgresql.conf', "shared_preload_libraries = 'noetl'\nsynchronous_commit = off");
$node->start;
$node->safe_psql(
	'postgres', q{
	CREATE EXTENSION noetl;
	SELECT noetl.register('
apiVersion: noetl.io/v1
kind: Playbook
path: load/line
workflow:
- {step: a, type: python, code: x, next: b}
- {step: b, type: python, code: x, next: c}
- {step: c, type: python, code: x, next: end}
- step: end
');
	SELECT noetl.retain('0', dry_run => false)});

# A session that has executed statements, the last of which says "ready", and goes on.
sub session
{
	my %session = (in => shift, out => '');
	$session{run} = IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr('postgres') ],
		'<', \$session{in}, '>', \$session{out}, '2>&1', IPC::Run::timeout(60));
	$session{run}->pump until $session{out} =~ /^ready$/m;
	return \%session;
}

# Rolls its transaction back.
sub end_session
{
	my $session = shift;
	$session->{in} .= "ROLLBACK;\n";
	$session->{run}->finish;
}

# Executions of the past, in partitions of the past.
$node->safe_psql(
	'postgres', q{
	BEGIN;
	SELECT noetl.make_partition(now() - (h + 1) * interval '1 hour', now() - h * interval '1 hour')
	  FROM generate_series(1, 8) h;
	INSERT INTO noetl.event (execution_id, event_type, context)
	SELECT noetl.id_at(now() - (h + 0.5) * interval '1 hour') + i, 'execution_start', '{"path": "load/line"}'
	  FROM generate_series(1, 8) h, generate_series(1, 50) i;
	COMMIT});
# They are half done when the load begins.
$node->safe_psql('postgres',
	"SELECT count(noetl.complete(queue_id, '{}', 'w')) FROM noetl.lease('w', 10000)");

# Runs workers and starts for some seconds, in the background; the latencies are logged.
sub begin_load
{
	my ($seconds, $log, $output) = @_;
	return IPC::Run::start(
		[
			'pgbench', '-n', '-T', $seconds, '-c', '8', '-j', '2', '-l', "--log-prefix=$log",
			'-f', $node->basedir . '/work.pgbench@9', '-f', $node->basedir . '/start.pgbench@1',
			$node->connstr('postgres')
		],
		'<', \undef, '>', $output, '2>', $output);
}

# Returns the part of such a load's time that its statements, of eight clients, have waited in:
# those that took longer than 200 ms.  Locks are taken for 20 ms at a time.
sub part_waited
{
	my ($what, $log, $seconds) = @_;
	my @took = sort { $a <=> $b }
	  map { my @f = split / /; $f[2] / 1000 } map { split /\n/, slurp_file($_) } glob "$log.*";
	my $waited = 0;
	$waited += $_ for grep { $_ > 200 } @took;
	note sprintf '%s: %d statements, median %.1f ms, 99 %% %.1f ms, longest %.1f ms, waited in %.1f %% of the time', $what,
	  scalar @took, $took[ @took / 2 ], $took[ @took * 0.99 ], $took[-1], $waited / 80 / $seconds;
	return $waited / 8000 / $seconds;
}

# Eight workers and two that start executions, for some seconds.
my $script = $node->basedir . '/work.pgbench';
append_to_file($script, <<'END');
SELECT count(noetl.complete(queue_id, '{}', :client_id::text)) FROM noetl.lease(:client_id::text, 5);
END
my $starts = $node->basedir . '/start.pgbench';
append_to_file($starts, "SELECT noetl.execute('load/line');\n");
my $seconds = 12;
my $log = $node->basedir . '/latency';
my $out = '';
my $bench = begin_load($seconds, $log, \$out);

my %done;
my $begun = time;
while (time < $begun + $seconds - 1)
{
	for my $row (split /\n/, $node->safe_psql('postgres', 'SELECT action, count(*) FROM noetl.maintain() GROUP BY 1'))
	{
		my ($action, $count) = split /\|/, $row;
		$done{$action} += $count;
	}
	sleep 0.3;
}
$bench->finish;
is($bench->result(0), 0, 'no worker has met an error') or diag $out;
note join ', ', map { "$_ $done{$_}" } sort keys %done;
cmp_ok($done{dropped} // 0, '>', 0, 'partitions were dropped while workers ran');
cmp_ok($done{made} // 0, '>', 0, 'and made');

cmp_ok(part_waited('load', $log, $seconds), '<', 0.5, 'no worker waited most of the time');

# What was left is done, and all is as the log says.
$node->safe_psql('postgres', q{
	SELECT count(noetl.complete(queue_id, '{}', 'w')) FROM noetl.lease('w', 10000);
	SELECT count(noetl.complete(queue_id, '{}', 'w')) FROM noetl.lease('w', 10000);
	SELECT count(noetl.complete(queue_id, '{}', 'w')) FROM noetl.lease('w', 10000)});
is($node->safe_psql('postgres', q{SELECT status, count(*) > 0 FROM noetl.execution WHERE status <> 'COMPLETED' GROUP BY 1}),
	'', 'every execution has come to its end');
is($node->safe_psql('postgres', 'SELECT v.* FROM noetl.execution x, noetl.verify(x.execution_id) v LIMIT 5'),
	'', 'what is left follows from the log');
is($node->safe_psql('postgres', q{
	SELECT count(*) FROM noetl.workload w WHERE NOT EXISTS (SELECT FROM noetl.execution x WHERE x.execution_id = w.execution_id)}),
	'0', 'nothing is left of those that went');

# A transaction that has read the events keeps them: the rest of the work is done later.
my $partition = $node->safe_psql(
	'postgres', q{
	DELETE FROM noetl.retention;
	SELECT noetl.make_partition(now() - interval '40 hours', now() - interval '39 hours');
	INSERT INTO noetl.event (execution_id, event_type, context)
	SELECT noetl.id_at(now() - interval '39 hours 30 minutes') + i, 'execution_start', '{"path": "load/line"}'
	  FROM generate_series(1, 5) i;
	SELECT noetl.cancel(execution_id) FROM noetl.execution WHERE status = 'RUNNING';
	DELETE FROM noetl.queue WHERE status = 'cancelled';
	INSERT INTO noetl.retention VALUES ('', '0', 'postgres', now())});
$partition =~ s/\n.*//s;
my $reader = session("BEGIN;\nSELECT count(*) FROM $partition;\nSELECT 'ready';\n");
is($node->safe_psql('postgres', "SELECT action, detail FROM noetl.maintain() WHERE partition = '$partition'"),
	'postponed|noetl.event is in use by long transactions', 'a partition that is read stays');
is($node->safe_psql('postgres', "SELECT count(*) FROM noetl.execution WHERE execution_id < noetl.id_at(now() - interval '39 hours')"),
	'5', '... with all that belongs to it');
# Who waits for it keeps nobody waiting.
$bench = begin_load(4, "$log-reader", \$out);
$node->safe_psql('postgres', 'SELECT count(*) FROM noetl.maintain()') for 1 .. 2;
$bench->finish;
is($bench->result(0), 0, '... no worker has met an error') or diag $out;
cmp_ok(part_waited('with a reader', "$log-reader", 4), '<', 0.5, '... or waited most of the time');
end_session($reader);
is($node->safe_psql('postgres', "SELECT action, executions FROM noetl.maintain() WHERE partition = '$partition'"),
	'dropped|5', '... until the transaction has ended');

# Two sessions at once.
my $other = session("BEGIN;\nSELECT count(*) FROM noetl.maintain();\nSELECT 'ready';\n");
is($node->safe_psql('postgres', 'SELECT action, detail FROM noetl.maintain()'),
	'postponed|another session is at it', 'one session at a time');
end_session($other);

# The timer process: it begins when a policy is set.
my $old = q{noetl.id_at(now() - interval '49 hours')};
my $start = qq{INSERT INTO noetl.event (execution_id, event_type, context)
	VALUES (noetl.id_at(now() - interval '50 hours'), 'execution_start', '{"path": "load/line"}');
	SELECT noetl.cancel(execution_id) FROM noetl.execution WHERE execution_id < $old;};
my $gone = "SELECT count(*) = 0 FROM noetl.execution WHERE execution_id < $old";
$node->safe_psql('postgres', 'DELETE FROM noetl.retention');
$node->append_conf('postgresql.conf', 'noetl.timer = on');
$node->restart;
$node->safe_psql('postgres', $start);
sleep 1;
is($node->safe_psql('postgres', $gone), 'f', 'without a policy everything stays');
$node->safe_psql('postgres', "SELECT count(*) FROM noetl.retain('0', dry_run => false)");
ok($node->poll_query_until('postgres', $gone), 'noetl.retain() wakes the timer process, which removes it');

# An error is logged, and the process goes on with what else is due.
$node->safe_psql('postgres', "ALTER DATABASE postgres SET noetl.archive = 'public.nothing'");
my $offset = -s $node->logfile;
$node->restart;
$node->safe_psql('postgres', "$start SELECT count(*) FROM noetl.retain('0', dry_run => false)");
$node->wait_for_log(qr/which noetl.archive names, does not exist/, $offset);
is($node->safe_psql('postgres', $gone), 'f', 'what cannot be archived stays');

$node->stop;
done_testing();
