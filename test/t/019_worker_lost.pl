# Workers that die, and workers that give back: the task is not lost, the attempt is not
# used up, and of an iterator only what is left is done.
use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);
use WorkerTest;

my $node = start_broker();
my $directory = PostgreSQL::Test::Utils::tempdir();
my $log;

# The lines that tasks have written into a file.
sub lines
{
	my ($name) = @_;
	return -e "$directory/$name" ? split(/\n/, slurp_file("$directory/$name")) : ();
}

# Waits until a file has so many lines.
sub wait_for_lines
{
	my ($name, $count) = @_;
	my $until = time + 60;
	sleep 0.02 while lines($name) < $count && time < $until;
	return lines($name) >= $count;
}

# Waits until an execution has so many events of a type.
sub wait_for_events
{
	my ($execution, $type, $count) = @_;
	return wait_for("SELECT count(*) >= $count FROM noetl.event WHERE execution_id = $execution AND event_type = '$type'");
}

# What verify() finds.
sub differences
{
	my ($execution) = @_;
	return sql("SELECT count(*) FROM noetl.verify($execution)");
}

#
# A step without a retry policy survives its worker.
#
my $execution = execute_step("type: shell\ncommand: 'echo x >> $directory/once; [ \$(wc -l < $directory/once) -gt 1 ] || exec sleep 600'");
my $worker = start_worker(\$log, '--name', 'first', '--lease', 1);
ok(wait_for_lines('once', 1), 'a task runs');
$worker->signal('KILL');
$worker->finish;
drain('--name', 'second', '--lease', 1);
ok(wait_for("SELECT noetl.enqueue_next() >= 0 AND EXISTS (SELECT FROM noetl.queue WHERE execution_id = $execution AND lost_leases = 1 AND status = 'queued')")
	|| wait_for_events($execution, 'execution_complete', 1), 'its worker is killed; the task goes back into the queue');
drain('--name', 'third', '--lease', 1);
is(sql("SELECT status FROM noetl.execution WHERE execution_id = $execution"), 'COMPLETED', 'the next worker does it');
is(scalar(lines('once')), 2, 'at the second time');
is(sql("SELECT meta ->> 'lost' FROM noetl.event WHERE execution_id = $execution AND event_type = 'action_error' AND (meta ->> 'lease_expired')::boolean"),
	'1', 'the loss is in the log');
is(differences($execution), 0, 'and the log explains the rows');

#
# An iterator goes on at the first item that has not ended.
#
foreach my $mode ('sequential', 'async')
{
	foreach my $end ('KILL', 'TERM')
	{
		my $name = "${mode}_$end";
		$execution = execute_step(<<"EOT");
type: iterator
mode: $mode
concurrency: 2
collection: [0, 1, 2, 3, 4, 5]
element: x
on_error: continue
task:
  tool: shell
  command: >
    echo {{ x }} >> $directory/$name;
    if [ {{ x }} = 1 ]; then echo >&2 one is bad; exit 1; fi;
    if [ {{ x }} -gt 2 -a ! -e $directory/$name.go ]; then exec sleep 600; fi;
    echo {{ x }}
EOT
		$worker = start_worker(\$log, '--name', 'w', '--lease', 2, '--grace', 1);
		ok(wait_for_events($execution, 'iteration_completed', 2)
			&& wait_for_events($execution, 'iteration_failed', 1)
			&& wait_for_lines($name, $mode eq 'async' ? 5 : 4), "$name: three items have ended, others are under way");
		$worker->signal($end);
		$worker->finish;
		append_to_file("$directory/$name.go", '');
		ok(wait_for("SELECT noetl.enqueue_next() >= 0 AND EXISTS (SELECT FROM noetl.queue WHERE execution_id = $execution AND status = 'queued')"),
			"$name: the iterator is in the queue again");
		is(differences($execution), 0, "$name: the log explains the rows");
		drain('--name', 'w', '--lease', 2);
		is(sql("SELECT status FROM noetl.execution WHERE execution_id = $execution"), 'COMPLETED', "$name: the next worker ends it");
		my %times;
		$times{$_}++ foreach lines($name);
		is(join(' ', map { $times{$_} } 0 .. 2), '1 1 1', "$name: what had ended is not done again");
		is(join(' ', sort { $a <=> $b } keys %times), '0 1 2 3 4 5', "$name: the rest is");
		is(result_of($execution, "(SELECT string_agg(coalesce(btrim(e ->> 'stdout', E'\\n'), '-'), ' ') FROM jsonb_array_elements(result -> 'data') e)"
			. " || ', ' || (result #>> '{errors,0,index}')"), '0 - 2 3 4 5, 1', "$name: the result has all items");
		is(sql("SELECT string_agg(context::text, ' ' ORDER BY created_at) FROM noetl.event WHERE execution_id = $execution AND event_type = 'iterator_started'"),
			sprintf('{"total": 6, "concurrency": %d} {"done": 3, "total": 6, "concurrency": %d}', $mode eq 'async' ? (2, 2) : (1, 1)),
			"$name: its second beginning says how many had ended");
		is(sql("SELECT count(*), count(DISTINCT current_index) FROM noetl.event WHERE execution_id = $execution"
			. " AND event_type IN ('iteration_completed', 'iteration_failed') AND (meta -> 'ignored') IS NULL"), '6|6', "$name: each item ends once");
		is(differences($execution), 0, "$name: the log still explains the rows");
	}
}

# A new attempt begins at the first item: what counts are the items of the attempt.
$execution = execute_step(<<"EOT");
type: iterator
collection: [0, 1]
element: x
retry: {max_attempts: 2, initial_delay: 0}
task:
  tool: shell
  command: "echo {{ x }} >> $directory/again; [ {{ x }} = 0 -o \$(wc -l < $directory/again) -gt 2 ]"
EOT
drain();
is(sql("SELECT status FROM noetl.execution WHERE execution_id = $execution"), 'COMPLETED', 'an iterator that failed is repeated');
is(join(' ', lines('again')), '0 1 0 1', 'from its first item');

# What has no value has ended as well.
$execution = execute_step(<<"EOT");
type: iterator
collection: [0, 1]
element: x
task:
  tool: python
  code: |
    import os, time
    def main(x):
        with open("$directory/none", "a") as file:
            file.write(f"{x}\\n")
        while x == 1 and not os.path.exists("$directory/none.go"):
            time.sleep(0.05)
EOT
$worker = start_worker(\$log, '--lease', 2, '--grace', 1);
ok(wait_for_events($execution, 'iteration_completed', 1) && wait_for_lines('none', 2), 'an item without a value has ended');
$worker->signal('TERM');
$worker->finish;
append_to_file("$directory/none.go", '');
drain();
is(join(' ', lines('none')), '0 1 1', 'it is not done again');
is(result_of($execution, "result -> 'data'"), '[null, null]', 'its value is null');

#
# Retries of items leave events.
#
foreach my $mode ('sequential', 'async')
{
	$execution = execute_step(<<"EOT");
type: iterator
mode: $mode
concurrency: 2
collection: [1, 2]
element: x
task:
  tool: shell
  command: "echo {{ x }} >> $directory/retry_$mode; if [ {{ x }} = 2 -a \$(grep -c 2 $directory/retry_$mode) -lt 3 ]; then echo >&2 not yet; exit 3; fi"
  retry: {max_attempts: 3, initial_delay: 0.01, jitter: false, backoff_multiplier: 2}
EOT
	drain();
	is(sql("SELECT string_agg(format('%s %s %s %s %s', event_type, current_index, status, meta ->> 'item_attempt', (meta ->> 'delay')::numeric(6, 2)), ', ' ORDER BY created_at)"
		. " FROM noetl.event WHERE execution_id = $execution AND event_type = 'action_retry'"),
		'action_retry 1 PENDING 1 0.01, action_retry 1 PENDING 2 0.02', "$mode: each retry of an item is an event");
	like(sql("SELECT min(error) FROM noetl.event WHERE execution_id = $execution AND event_type = 'action_retry'"), qr/not yet|exit/, "$mode: which says what failed");
	is(sql("SELECT attempts FROM noetl.progress($execution) WHERE step = 'act'"), '1', "$mode: they are no attempts of the step");
	is(differences($execution), 0, "$mode: the log explains the rows");
}

#
# A save into the log is two events like any other.
#
$execution = execute_step("type: shell\ncommand: echo saved\nsave: {storage: event, data: {text: \"{{ result.stdout | trim }}\"}}");
drain();
is(sql("SELECT string_agg(format('%s %s %s', event_type, status, coalesce(result::text, '-')), ', ' ORDER BY created_at) FROM noetl.event"
	. " WHERE execution_id = $execution AND event_type LIKE 'save_%'"),
	'save_started STARTED -, save_completed COMPLETED {"text": "saved"}', 'storage: event logs both events');

is(sql('SELECT count(*) FROM noetl.queue'), 0, 'nothing is left');
done_testing();
