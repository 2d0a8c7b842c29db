# A standby is promoted while executions run: workers and clients that know both servers
# go on with it, nothing that was acknowledged is lost, nothing happens twice in the
# database, and schedules, timers and signals go on.
use strict;
use warnings;

use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

my $lines = 60;
my $primary = PostgreSQL::Test::Cluster->new('primary');
$primary->init(allows_streaming => 1);
$primary->append_conf('postgresql.conf', q{
shared_preload_libraries = 'noetl'
noetl.timer = on
max_worker_processes = 16
});
$primary->start;
my $directory = PostgreSQL::Test::Utils::tempdir();
$primary->safe_psql('postgres', q{
	CREATE EXTENSION noetl;
	SELECT noetl.create_roles();
	CREATE ROLE app LOGIN IN ROLE noetl_client, noetl_author, noetl_worker;
	CREATE TABLE public.counted (n int);
	CREATE TABLE public.saved (n int, v int);
	GRANT ALL ON public.counted, public.saved TO app});
my $playbooks = q{
	SELECT noetl.register('
apiVersion: noetl.io/v1
kind: Playbook
path: promoted/line
workload: {n: 0}
workflow:
- {step: first, type: shell, command: "echo {{ workload.n }} >> DIRECTORY/done", next: count}
- {step: count, type: sql, statement: "INSERT INTO public.counted VALUES (:n)", params: {n: "{{ workload.n }}"}, next: rest}
- {step: rest, type: wait, for: 1, next: second}
- step: second
  type: python
  args: {n: "{{ workload.n }}"}
  code: "def main(n): return {''v'': n * 2}"
  save: {storage: postgres, table: public.saved, data: {n: "{{ workload.n }}", v: "{{ result.v }}"}}
  next: end
- step: end
');
	SELECT noetl.register('
apiVersion: noetl.io/v1
kind: Playbook
path: promoted/held
workflow:
- {step: hold, type: shell, command: "echo held >> DIRECTORY/held; while [ ! -e DIRECTORY/promoted ]; do sleep 0.1; done", next: end}
- step: end
');
	SELECT noetl.register('
apiVersion: noetl.io/v1
kind: Playbook
path: promoted/asks
workflow:
- {step: ask, type: wait, signal: go, next: end}
- step: end
');
	SELECT noetl.register('
apiVersion: noetl.io/v1
kind: Playbook
path: promoted/paced
workflow:
- {step: a, type: nobody, limits: {name: pace, rate: {limit: 60, per: minute, burst: 8}}, next: end}
- step: end
');
	SELECT noetl.register('{apiVersion: noetl.io/v1, kind: Playbook, path: promoted/tick, workflow: [{step: end}]}');
	SELECT noetl.schedule('tick', 'promoted/tick', 'every 1 second', overlap => 'allow', catch_up => 'all')};
my @as_app = (connstr => $primary->connstr('postgres') . ' user=app');
$primary->safe_psql('postgres', $playbooks =~ s/DIRECTORY/$directory/gr, @as_app);

# Every commit of the primary is on the standby before it is acknowledged.
$primary->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'base', has_streaming => 1);
$standby->start;
$primary->append_conf('postgresql.conf', "synchronous_standby_names = '*'");
$primary->reload;
$primary->poll_query_until('postgres', q{SELECT sync_state = 'sync' FROM pg_stat_replication}) or die 'no synchronous standby';

# What clients and workers connect to: whichever of the two takes writes.
my $both = sprintf("host=%s,%s port=%d,%d dbname=postgres user=app target_session_attrs=read-write",
	$primary->host, $standby->host, $primary->port, $standby->port);

my @workers = map {
	IPC::Run::start([ 'noetl-worker', '--connect', $both, '--types', 'shell,python', '--concurrency', 3, '--lease', 15 ],
		'<', '/dev/null', '>', "$directory/worker$_.log", '2>&1')
} 1 .. 2;

# However the test ends, no worker stays behind.
END
{
	my $status = $?;
	foreach my $worker (@workers)
	{
		$worker->kill_kill if $worker->pumpable;
	}
	$? = $status;
}

# Starts an execution under a key, again and again until the answer arrives.
my %acknowledged;
sub start
{
	my ($n) = @_;
	my $until = time + 120;
	while (time < $until)
	{
		my ($out, $err) = ('', '');
		if (IPC::Run::run([ 'psql', '-XqAt', '-v', 'ON_ERROR_STOP=1', '-d', $both, '-c',
				"SELECT noetl.execute('promoted/line', '{\"n\": $n}', key => 'n $n')" ], '>', \$out, '2>', \$err))
		{
			chomp $out;
			$acknowledged{$n} = $out;
			return;
		}
		sleep 0.1;
	}
	die "no server accepts the start of $n";
}

my $asked = $primary->safe_psql('postgres', "SELECT noetl.execute('promoted/asks')", @as_app);
my $early = $primary->safe_psql('postgres', "SELECT noetl.execute('promoted/asks')", @as_app);
$primary->safe_psql('postgres', "SELECT noetl.execute('promoted/held') FROM generate_series(1, 2)", @as_app);
$primary->poll_query_until('postgres', q{SELECT count(*) = 2 FROM noetl.queue WHERE node_name = 'hold' AND status = 'leased'})
  or die 'nobody takes the tasks';
start($_) foreach 1 .. $lines;
$primary->poll_query_until('postgres', q{SELECT count(*) > 10 FROM noetl.execution WHERE path = 'promoted/line' AND status = 'COMPLETED'})
  or die 'the workers do nothing';
is($primary->safe_psql('postgres', "SELECT noetl.signal($early, 'go')"), 't', 'a signal is acknowledged');
# a burst of the rate is used up at the last moment
$_->poll_query_until('postgres', q{SELECT clock_timestamp() > pg_postmaster_start_time() + interval '10 s'}) foreach $primary, $standby;
my $began = time;
my $burst = q{SELECT count(noetl.execute('promoted/paced')) FROM generate_series(1, 8)};
my $begun = q{SELECT count(*) FROM noetl.queue WHERE node_type = 'nobody' AND status = 'queued'};
$primary->safe_psql('postgres', $burst, @as_app);
is($primary->safe_psql('postgres', $begun), '8', 'a burst of a rate begins');
my $known = $primary->safe_psql('postgres', 'SELECT max(event_id) FROM noetl.event');

# The primary is gone from one moment to the next.
$primary->stop('immediate');
$standby->promote;
$standby->safe_psql('postgres', $burst, connstr => $standby->connstr('postgres') . ' user=app');
cmp_ok($standby->safe_psql('postgres', $begun), '<=', 8 + time - $began, 'the promoted server does not begin another burst');
$standby->safe_psql('postgres', q{SELECT noetl.cancel(execution_id) FROM noetl.execution WHERE path = 'promoted/paced'});
is($standby->safe_psql('postgres', q{SELECT count(*) FROM noetl.queue WHERE node_name = 'hold' AND status = 'leased'}),
	'2', 'leases are held when the standby is promoted');
is($standby->safe_psql('postgres', "SELECT noetl.status($asked) ->> 'status'"), 'RUNNING', 'and an execution waits');
is($standby->safe_psql('postgres', "SELECT count(*) FROM noetl.event WHERE event_id = $known"), '1', 'the newest event that was seen is there');
is($standby->safe_psql('postgres', "SELECT noetl.status($early) ->> 'status'"), 'COMPLETED', 'what a signal did is there');
is($standby->safe_psql('postgres', 'SELECT count(*) FROM noetl.execution AS x, noetl.verify(x.execution_id)'), '0', 'all state follows from the log');

# Clients repeat what was not answered, and start more.
start($_) foreach $lines + 1 .. $lines + 10;
append_to_file("$directory/promoted", '');
is($standby->safe_psql('postgres', "SELECT noetl.signal($asked, 'go')"), 't', 'a wait from before takes a signal');
ok($standby->poll_query_until('postgres', q{SELECT count(*) = 0 FROM noetl.execution WHERE status = 'RUNNING'}), 'all executions end')
  or diag($standby->safe_psql('postgres', q{SELECT w.* FROM noetl.execution AS x, noetl.why(x.execution_id) AS w WHERE x.status = 'RUNNING' LIMIT 5}));
my $ticks = $standby->safe_psql('postgres', q{SELECT count(*) FROM noetl.execution WHERE schedule = 'tick'});
ok($standby->poll_query_until('postgres', "SELECT count(*) > $ticks + 1 FROM noetl.execution WHERE schedule = 'tick'"), 'the schedule goes on');
$standby->safe_psql('postgres', q{SELECT noetl.unschedule('tick')}, connstr => $standby->connstr('postgres') . ' user=app');

is($standby->safe_psql('postgres', q{SELECT status, count(*) FROM noetl.execution WHERE path = 'promoted/held' GROUP BY 1}),
	'COMPLETED|2', 'workers report to the promoted server what they had in hand');
my $total = $lines + 10;
is($standby->safe_psql('postgres', q{SELECT status, count(*) FROM noetl.execution WHERE path = 'promoted/line' GROUP BY 1}),
	"COMPLETED|$total", 'each start that was acknowledged has one execution');
is($standby->safe_psql('postgres', q{SELECT string_agg(format('%s %s', k.key, k.execution_id), ',' ORDER BY k.key COLLATE "C") FROM noetl.start_key AS k WHERE k.path = 'promoted/line'}),
	join(',', sort map { "n $_ $acknowledged{$_}" } keys %acknowledged), 'and it is the one that the client was told');
is($standby->safe_psql('postgres', 'SELECT count(*), count(DISTINCT n) FROM public.counted'), "$total|$total", 'each sql step happened once');
is($standby->safe_psql('postgres', 'SELECT count(*), count(DISTINCT n), bool_and(v = n * 2) FROM public.saved'), "$total|$total|t", 'each save happened once');
is($standby->safe_psql('postgres', q{
	SELECT count(*) FROM (SELECT FROM noetl.event WHERE event_type IN ('step_started', 'step_completed', 'execution_complete')
		AND NOT coalesce(meta ? 'ignored', false) GROUP BY execution_id, event_type, node_name HAVING count(*) > 1) AS twice}),
	'0', 'no step and no execution has ended twice');
my %did;
$did{$_}++ foreach split /\n/, slurp_file("$directory/done");
is(scalar(keys %did), $total, 'each task was done');
is($standby->safe_psql('postgres', q{
	SELECT count(*) = count(DISTINCT at), extract(epoch FROM max(at) - min(at))::int = count(*) - 1
	  FROM (SELECT (w.data #>> '{schedule,at}')::timestamptz AS at FROM noetl.workload AS w
	          JOIN noetl.execution AS x USING (execution_id) WHERE x.schedule = 'tick') AS t}), 't|t', 'no time of the schedule is missed, and none is served twice');
is($standby->safe_psql('postgres', 'SELECT count(*) FROM noetl.execution AS x, noetl.verify(x.execution_id)'), '0', 'all is as the log says');
is($standby->safe_psql('postgres', 'SELECT count(*) FROM noetl.queue'), '0', 'nothing is left');
$_->kill_kill foreach @workers;
$standby->stop;
done_testing();
