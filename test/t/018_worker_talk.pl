# What noetl-worker says to the broker, and what it does when the answers are late, bad or
# missing: a small program (worker_talk.c) that is linked with its objects runs the whole
# worker without a server and without waiting.  expected/worker_talk.txt has the cases, and
# below each what comes of it, with the seconds that it would have taken.
use strict;
use warnings;

# As in a terminal, whatever started the tests.
$SIG{HUP} = 'DEFAULT';

use FindBin;
use IPC::Run;
use PostgreSQL::Test::Utils;
use Test::More;

my $root = "$FindBin::RealBin/../..";
my @objects = grep { !m{/main\.o$} } glob("$root/src/worker/*.o");
plan skip_all => 'the objects of noetl-worker are not here' unless @objects;

my $directory = PostgreSQL::Test::Utils::tempdir_short();
sub says { my ($command) = @_; return split ' ', `$command` }
my $pg_config = $ENV{PG_CONFIG} || 'pg_config';
# what the objects were compiled with, they may need again
my @more = $ENV{COPT} ? split(' ', $ENV{COPT}) : '-Werror';
IPC::Run::run([ $ENV{CC} || 'cc', '-std=gnu11', '-g', '-O1', '-Wall', @more, "-I$root/src/worker", "-I$FindBin::RealBin", '-I' . (says("$pg_config --includedir"))[0], says('curl-config --cflags'),
	'-Wl,--wrap=child_start,--wrap=own_command', '-o', "$directory/talk", map({ "$FindBin::RealBin/$_.c" } qw(worker_talk worker_talk_libpq)), @objects, '-L' . (says("$pg_config --libdir"))[0], '-lpq', says('curl-config --libs'), '-lm', '-ldl', '-lpthread' ])
  or BAIL_OUT('it does not compile');

# A helper process, and a tool: the word that follows says what they do.  Most answer each task.
sub file
{
	my ($name, $text) = @_;
	open my $file, '>', "$directory/$name" or die $!;
	print $file $text;
	close $file;
}
file('helper', <<'EOT');
use strict;
$| = 1;
my $mode = shift;
# those of a command and of several databases
exit 3 if $mode eq 'dies';
select undef, undef, undef, 1000 if $mode eq 'worker';
open my $channel, '+<&=', 3 or die;
sub frame { return pack('N', length $_[0]) . $_[0] }
sub answer { syswrite($channel, ($mode eq 'tells' ? frame(texts('E', 'progress', '{"a":1}')) : '') . frame($_[0])) }
sub texts { return join '', map { length($_) . ":$_," } @_ }
$SIG{TERM} = 'IGNORE' if $mode eq 'stubborn';
while (sysread($channel, my $length, 4) == 4)
{
	my ($size, $request) = (unpack('N', $length), '');
	sysread($channel, $request, $size - length $request, length $request) or last while length $request < $size;
	select undef, undef, undef, 1000 if $mode =~ /stubborn|sleeps/;
	exit 3 if $mode eq 'exits';
	if ($mode eq 'splits') { my $event = frame(texts('E', 'progress', '{"a":1}')); syswrite($channel, substr($event, 0, 10)); select undef, undef, undef, 0.2; syswrite($channel, substr($event, 10)) }
	answer(texts('D', '', 'null') . 'x') if $mode eq 'malformed';
	answer('x') if $mode eq 'short';
	# that of another item has answered first
	my $other = 'answered-' . getppid;
	if ($request =~ /"after"/) { select undef, undef, undef, 0.01 until -e $other }
	answer(texts($mode eq 'gives' ? 'T' : $mode eq 'fails' ? 'F' : 'D', $mode eq 'fails' ? 'it failed' : '', $mode eq 'large' ? '"' . 'x' x 70000 . '"' : 'null', '', 0));
	if ($request =~ /"before"/) { open my $file, '>', $other }
	exit 0 if $mode eq 'once';
}
EOT
file('mute', "#!/bin/sh\nexec sleep 100\n");
file('noetl-tool-BAD', "#!/bin/sh\n");
chmod 0755, map { "$directory/$_" } qw(mute noetl-tool-BAD);
file('tool', <<'EOT');
use strict;
use IO::Handle;
$| = 1;
my $mode = shift;
STDERR->autoflush(1);
while (my $line = <STDIN>)
{
	my ($id) = $line =~ /"id": *"(\d+)"/ or next;
	my $cancel = $line =~ /"cancel"/;
	print qq({"concurrency": 2}\n) if $mode =~ /^(?:news|wrong|late)$/ && !$cancel;
	if ($mode eq 'loud') { print STDERR 'e' x 5000, 'last words'; exit 4 }
	if ($mode eq 'often') { for (1 .. 6) { print STDERR 'f' x 700; select undef, undef, undef, 0.05 } exit 4 }
	if ($mode eq 'object') { print qq({"id":"$id","error":{"code":1}}\n); next }
	if ($mode eq 'blank') { print "  \t\n\n", qq({"id":"$id","result":1}\n); next }
	if ($mode eq 'nul') { print qq({"id":"$id","result":1}\0\n); next }
	if ($mode eq 'latin') { print qq({"id":"$id","result":"\xff"}\n); next }
	if ($mode eq 'closes') { close STDIN; print qq({"id":"$id","result":1}\n); sleep 100 }
	if ($mode eq 'once') { print qq({"id":"$id","result":1}\n); exit 0 }
	if ($mode eq 'silent') { next }
	# a task is given up: what is told of it by then is for nobody
	if ($mode eq 'news') { print qq({"id":"$id","log":"words"}\n), qq({"id":"$id","progress":0.5}\n), qq({"id":"$id","result":1}\n) if $cancel; next }
	if ($mode eq 'wrong') { print qq({"id":"$id","error":"bad"}\n) if $cancel; next }
	if ($mode eq 'alone')
	{
		my $more = '';
		vec($more, 0, 1) = 1;
		print select($more, undef, undef, 0.3) > 0 ? qq({"id":"$id","error":"crowd"}\n) : qq({"id":"$id","result":"alone"}\n);
		next;
	}
	if ($mode eq 'asked') { my $attempt = $line =~ /"attempt":(\d+)/ ? $1 : 'none'; print qq({"id":"$id","result":"attempt $attempt"}\n); next }
	if ($mode eq 'tells') { print qq({"id":"$id","progress":0.5}\n) unless $cancel; next }
	next if $mode eq 'late' || $mode eq 'two';
	print qq({"id":"$id","result":1}\n);
}
EOT

delete @ENV{ grep { /^(PG|NOETL_|NOTIFY_|WATCHDOG_)/ } keys %ENV };
$ENV{TALK_HELPER} = "$directory/helper";
chdir $directory or die $!;

# Of a case, what it says; the rest is what comes of it
my @wanted = grep { /^==/ } split /\n(?=== )/, "\n" . slurp_file("$root/expected/worker_talk.txt");
sub is_answer { my ($line) = @_; return $line =~ /^(?:\d+\.\d\d |     \(|~ |DIED)/ }
sub question { my ($case) = @_; return join '', map { "$_\n" } grep { /\S/ && !is_answer($_) } split /\n/, $case }
my $questions = join '', map { question($_) . "\001" } @wanted;
my ($seen, $log) = ('', '');
IPC::Run::run([ "$directory/talk" ], '<', \$questions, '>', \$seen, '2>', \$log, IPC::Run::timeout(170));
is($?, 0, 'the program comes to its end');
my @seen = split /\001/, $seen;
is(scalar(@seen), scalar(@wanted), 'as many answers as cases');
foreach my $i (0 .. $#wanted)
{
	my ($name) = $wanted[$i] =~ /^== (.*)/;
	is($seen[$i] // '', $wanted[$i] =~ s/\s+\z/\n/r, substr($name, 0, 120));
}
done_testing();
