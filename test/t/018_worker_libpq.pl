# Any call of libpq may fail, as it does when the session breaks or memory is short: a
# worker goes on with another session, and each task ends once.
use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;
use IPC::Run;
use PostgreSQL::Test::Utils;
use Test::More;
use WorkerTest;

my $node = start_broker();
my $directory = PostgreSQL::Test::Utils::tempdir_short();
my $library = "$directory/fail.so";
system_or_bail('cc', '-shared', '-fPIC', '-O1', '-Wall', '-Werror', '-o', $library, "$FindBin::RealBin/fail.c", '-ldl');

# A tool that answers each task; each worker has tasks of a type of its own.
my $tool = keep("$directory/tool", <<'EOT', 0755);
#!/usr/bin/perl
$| = 1;
while (<STDIN>) { print qq({"id":"$1","result":1}\n) if /"id": *"(\d+)"/ && !/"cancel"/ }
EOT

my @cases;
foreach my $mode ([ 'batch', '--batch', 3 ], [ 'pooled', '--pooler', 'yes' ], [ 'slots', '--concurrency', 2 ])
{
	my ($name, @options) = @$mode;
	foreach my $call (qw(PQsendQuery PQsendPrepare PQsendQueryPrepared PQsendQueryParams PQenterPipelineMode PQexitPipelineMode PQpipelineSync PQconsumeInput PQflush))
	{
		push @cases, { name => "$name: call $_ of $call", call => $call, nth => $_, options => \@options } foreach 1, 3;
	}
}
my $number = 0;
while (my @some = splice(@cases, 0, 18))
{
	foreach my $case (@some)
	{
		$case->{type} = 't' . ++$number;
		$case->{executions} = join ', ', map { execute_step("tool: $case->{type}\n") } 1 .. 3;
	}
	foreach my $case (@some)
	{
		local @ENV{qw(LD_PRELOAD FAIL_CALL FAIL_NTH)} = ($library, $case->{call}, $case->{nth});
		$case->{worker} = start_worker(\$case->{log}, '--once', '--tool', "$case->{type}=$tool", '-t', $case->{type}, @{ $case->{options} });
	}
	foreach my $case (@some)
	{
		$case->{worker}->finish;
		# it does not wait for a server that refuses its first session
		if ($case->{call} eq 'PQsendQuery' && $case->{nth} == 1 && $case->{name} !~ /^pooled/)
		{
			is($case->{worker}->full_result(0) >> 8, 1, "$case->{name}: the worker does not begin");
			like($case->{log}, qr/could not connect to the broker: connection lost/, '... and says why');
			next;
		}
		is($case->{worker}->full_result(0) >> 8, 0, "$case->{name}: the worker drains its queue") or diag($case->{log});
		is(sql("SELECT string_agg(x.status || (SELECT count(*) FROM noetl.event AS e WHERE e.execution_id = x.execution_id AND e.event_type = 'action_completed'), ' ')"
			  . " FROM noetl.execution AS x WHERE x.execution_id IN ($case->{executions})"), 'COMPLETED1 COMPLETED1 COMPLETED1', '... and each task ends once');
		unlike($case->{log}, qr/given back/, '... none is given back');
	}
}
is(sql('SELECT count(*) FROM noetl.execution AS x, noetl.verify(x.execution_id)'), 0, 'the log explains all rows');
done_testing();
