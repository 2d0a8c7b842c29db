#!/usr/bin/perl
# A client of the kill clock (test/t/073_kill_clock.pl), in a process of its own:
#
#   client.pl DIRECTORY NUMBER SEED starter|worker
#
# It asks the server whose connection string is in DIRECTORY/connect, by psql, until
# there is DIRECTORY/finish-starter (or -worker); then it brings to an end what it has
# begun.  A line of DIRECTORY/ledger.NUMBER, written and synced after the server's
# answer, says what the server has acknowledged: kind, key, id, n.  An answer that does
# not come is no acknowledgement: what can be asked for again by its key or id is.
use strict;
use warnings;

use IO::Handle;
use IPC::Open2;
use Time::HiRes qw(sleep time);

my ($directory, $number, $seed, $role) = @ARGV;
my ($pid, $in, $out);
my $count = 0;
my $over;

# What a server says that is killed, stopped, starting, or being left.
my $passing = join('|', 'terminating connection', 'server closed the connection', 'connection to server', 'database system is',
	'could not (connect|receive|send)', 'Is the server running', 'another server process', 'waiting for synchronous',
	'Connection (refused|reset)', 'no connection to the server', 'connection not open');

$SIG{PIPE} = 'IGNORE';
srand($seed * 100 + $number);
open my $ledger, '>>', "$directory/ledger.$number" or die "no ledger: $!";

# Notes what is acknowledged, so that it survives.
sub note
{
	my ($kind, $key, $id, $n) = @_;
	print $ledger join("\t", $kind, $key, $id // '\N', $n // '\N'), "\n";
	$ledger->flush;
	$ledger->sync;
	return;
}

# Returns whether to begin nothing more.
sub finishing { return -e "$directory/finish-$role"; }

# Ends psql, if it runs.
sub disconnect
{
	return unless defined $pid;
	close $in;
	close $out;
	waitpid $pid, 0;
	undef $pid;
	return;
}

# Starts psql, unless it runs.
sub ensure_psql
{
	return if defined $pid;
	open my $file, '<', "$directory/connect" or die "nothing to connect to: $!";
	chomp(my $connection = <$file>);
	close $file;
	local $ENV{CONNECTION} = $connection;
	$pid = open2($out, $in, 'exec psql -XAtq -v ON_ERROR_STOP=1 -d "$CONNECTION" 2>&1');
	$in->autoflush(1);
	return;
}

# Returns the lines that a statement gives; nothing when the server does not answer.
# Errors that no kill explains are noted.
sub ask
{
	my ($statement) = @_;
	my @lines;
	ensure_psql();
	print $in "$statement;\n\\echo =\n";
	while (defined(my $line = <$out>))
	{
		chomp $line;
		# a server that ends tells those whom it has just answered
		return grep { !/^(WARNING|FATAL|DETAIL|HINT):/ } @lines if $line eq '=';
		push @lines, $line;
	}
	disconnect();
	(my $said = join(' ', @lines)) =~ s/[\t\\]/ /g;
	$over = $said =~ /ERROR: .*execution \d+ is over/;
	note('error', $said) if $said ne '' && !$over && $said !~ /$passing/;
	sleep 0.05;
	return;
}

# Asks until the server answers: for what does nothing when it was done already.  An
# execution that is over has had its signals.
sub insist
{
	my ($statement) = @_;
	for (;;)
	{
		$over = 0;
		my @lines = ask($statement);
		return $lines[0] if @lines || $over;
		sleep 0.05;
	}
}

# Starts an execution with a key of its own; returns its id and the key.
sub start_with_key
{
	my ($path, $parameters, $more) = @_;
	my $key = "$number-" . ++$count;
	my $id = insist("SELECT noetl.execute('$path', jsonb_build_object('key', '$key'$parameters), key => '$key'$more)");
	note('start', $key, $id);
	return ($id, $key);
}

my @acts = (
	sub {
		my ($id, $key) = start_with_key('kill/line', sprintf(", 'pause', %.2f", rand(0.5)), '');
		note('line', $key, $id);
	},
	# two signals, before, when and after the waits open
	sub {
		my ($id, $key) = start_with_key('kill/ask', sprintf(", 'until', now() + interval '%.2f s'", rand(0.6)), '');
		note('ask', $key, $id);
		for my $n (1, 2)
		{
			sleep rand(0.1) if rand() < 0.7;
			insist("SELECT noetl.signal($id, 'go', '$n', 'id $n')");
			note('signal', $key, $id, $n);
		}
	},
	# a message, before and after somebody waits for it
	sub {
		my $early = rand() < 0.5;
		my $key = "$number-" . ($count + 1);
		my $send = sub {
			insist("SELECT noetl.send('mail', '$key', '\"$key\"', '1 hour', 'id')");
			note('send', $key);
		};
		$send->() if $early;
		my ($id) = start_with_key('kill/mail', '', '');
		note('mail', $key, $id);
		$send->() unless $early;
	},
	# a start that others push back
	sub {
		my $key = 'd' . int(rand(4));
		my $n = $number * 1000000 + ++$count;
		my ($id) = ask(sprintf("SELECT noetl.debounce('kill/begun', '$key', '%.2f s', '{\"n\": $n}', '1 s')",
			0.05 + rand(0.3)));
		note('debounce', $key, $id, $n) if $id;
	},
	sub {
		my ($id, $key) = start_with_key('kill/begun', '', sprintf(", run_at => now() + interval '%.2f s'", 0.05 + rand(0.7)));
		note('later', $key, $id);
	},
	# without a key nobody knows what became of a start that was not answered
	sub {
		my ($id) = ask("SELECT noetl.execute('kill/line')");
		note('plain', 'none', $id) if $id;
	});

# Takes tasks and reports them; some fail before they succeed, some are forgotten.
sub work
{
	my $worker = "hand $number";
	my @tasks = ask("SELECT queue_id, execution_id, node_name, attempts FROM noetl.lease('$worker', 3, '1 s', '{hand,lost}')");
	for my $task (@tasks)
	{
		my ($queue_id, $id, $step, $attempts) = split /\|/, $task;
		next if $step eq 'lost';
		if ($step eq 'flaky' && $attempts < 3 && rand() < 0.4)
		{
			ask("SELECT noetl.fail($queue_id, 'not yet', '$worker')");
			next;
		}
		my ($done) = ask("SELECT noetl.complete($queue_id, '{\"n\": $attempts}', '$worker')");
		note('done', $step, $id) if ($done // '') eq 't';
	}
	ask("CALL noetl.wait_for_work('0.2 s', '{hand,lost}')") unless @tasks;
	return;
}

until (finishing())
{
	if ($role eq 'worker')
	{
		work();
		next;
	}
	$acts[ int(rand(@acts)) ]->();
	sleep rand(0.08);
}
disconnect();
close $ledger or die "the ledger is not complete: $!";
