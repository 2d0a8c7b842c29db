# What noetl-console lays out, and what it leaves as the database has drawn it: drawings
# that are none, or not of the kind that it knows, must not lead it astray.
use strict;
use warnings;

use File::Basename;
use FindBin;
use lib $FindBin::RealBin;
use ConsoleTest;
use IPC::Run;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

plan skip_all => 'noetl-console is not built (no libmicrohttpd)'
  unless system('command -v noetl-console >/dev/null') == 0;
plan skip_all => 'noetl-console is built without Graphviz'
  unless `noetl-console --version` =~ /graphviz/i;

# The editor shows what noetl.draw() makes of its text: here the text itself.
my $node = start_database(q{
	CREATE ROLE ann LOGIN PASSWORD 'ann pw' IN ROLE noetl_client, noetl_reader, noetl_author;
	ALTER FUNCTION noetl.draw(text, jsonb) RENAME TO draw_away;
	CREATE FUNCTION noetl.draw(content text, states jsonb DEFAULT '{}') RETURNS text LANGUAGE sql AS 'SELECT content';
	GRANT EXECUTE ON FUNCTION noetl.draw(text, jsonb) TO ann;
});
my $console = start_console();
my $ann = login($console, 'ann', 'ann pw');

sub drawn
{
	my ($drawing) = @_;
	my $page = post($ann, '/editor', [ csrf => $ann->{csrf}, action => 'draw', content => $drawing ])->{content} // '';
	return $page =~ m{<div class="graph" tabindex="0">(.*?)</div>\n}s ? $1 : "no graph: $page";
}

# The parts of a drawing
my $open = '<svg viewBox="0 0 1 1" role="img">';
my $box = '<rect width="150" height="44"/></g>';
sub step { my ($number, $place) = @_; return "\n<g class=\"node open\" data-step=\"$number\"" . ($place // ' transform="translate(1 2)"') . ">$box" }
sub edge { my ($from, $to) = @_; return "\n<path class=\"edge\" data-from=\"$from\" data-to=\"$to\" d=\"M0 0\"/>" }
sub label { my ($edge, $text) = @_; return "\n<text class=\"label\" data-edge=\"$edge\" x=\"3\" y=\"4\">$text</text>" }
sub drawing { return join('', $open, @_, "\n</svg>") }

my @good = (step(0), step(1), edge(0, 1), label(0, 'then'));
my $laid_out = drawn(drawing(@good));
like($laid_out, qr/^<svg class="spread" viewBox="[^"]*" width="\d+" height="\d+" role="img">/, 'a drawing is laid out');
unlike($laid_out, qr/translate\(1 2\)|d="M0 0"|x="3"/, 'all places are others then');
like(drawn(drawing(step(0))), qr/class="spread"/, 'a single step, too');

# What is no such drawing
my %left = (
	'text' => 'nothing at all',
	'no steps' => drawing(),
	'edges only' => drawing(edge(0, 0)),
	'no role' => '<svg>' . join('', @good),
	'a step without end' => drawing(step(0)) . "\n<g class=\"node ",
	'a first step without end' => $open . "\n<g class=\"node ",
	'an edge without end' => drawing(step(0)) . "\n<path class=\"edge",
	'a label without end' => drawing(step(0), edge(0, 0)) . "\n<text class=\"label\" data-edge=\"0",
	'a step without a number' => $open . "\n<g class=\"node\">$box",
	'the second step only' => drawing(step(1)),
	'a step that is there twice' => drawing(step(0), step(0)),
	'steps in another order' => drawing(step(1), step(0)),
	'steps without a width' => drawing(step(0) =~ s/ width/ with/r),
	'steps without a height' => drawing(step(0) =~ s/ height/ hight/r),
	'steps that have no box' => $open . "\n<g class=\"node \" data-step=\"0\">",
	'steps of no width' => drawing(step(0) =~ s/150/0/r),
	'steps of no height' => drawing(step(0) =~ s/44/0/r),
	'an edge to a step that is not there' => drawing(step(0), step(1), edge(0, 2)),
	'an edge to a step before the first' => drawing(step(0), edge(0, -1)),
	'an edge from a step that is not there' => drawing(step(0), step(1), edge(2, 0)),
	'an edge from a step before the first' => drawing(step(0), edge(-1, 0)),
	'an edge that leads nowhere' => drawing(step(0), edge(0, 0) =~ s/ data-to="0"//r),
	'a label of an edge that is not there' => drawing(@good, label(1, 'x')),
	'a label before its edge' => drawing(step(0), label(0, 'x'), edge(0, 0)),
	'a label of an edge before the first' => drawing(@good, label(-1, 'x')),
	'a label of an edge far away' => drawing(@good, label(2000000, 'x')),
	'301 steps' => drawing(map { step($_) } 0 .. 300),
	'601 edges' => drawing(step(0), map { edge(0, 0) } 1 .. 601));
is(drawn($left{$_}), $left{$_}, "left as it is: $_") foreach sort keys %left;
like(drawn(drawing(map { step($_) } 0 .. 299)), qr/class="spread"/, '300 steps are laid out');
like(drawn(drawing(step(0), step(1), map { edge(0, 1) } 1 .. 600)), qr/class="spread"/, '600 edges are laid out');

# A tag that has no place keeps what it has; the next ones have theirs.
my $odd = drawn(drawing(step(0, ''), step(1), edge(0, 1) =~ s/ d="M0 0"//r, edge(1, 0)));
like($odd, qr{<g class="node open" data-step="0"><rect}, 'a step without a place');
like($odd, qr{data-step="1" transform="translate\((?!1 2\))}, '... the next one has got its own');
like($odd, qr{data-from="0" data-to="1"/>}, 'an edge without a path');
like($odd, qr{data-from="1" data-to="0" d="M\d.*C}, '... the next one has got its own');

# How wide a label is: an entity is a character, and so is one of several bytes.
sub place { my ($text) = @_; return drawn(drawing(step(0), step(1), step(2), edge(0, 1), label(0, $text), edge(0, 2), label(1, 'x' x 60))) =~ s{>\Q$text\E<}{><}r }
my $four = place('abcd');
like($four, qr/class="spread"/, 'a label of four characters');
is(place('&amp;b&#39;d'), $four, 'entities are characters');
is(place("\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80d"), $four, 'characters of several bytes are one each');
isnt(place('abcd' x 20), $four, 'a longer label takes more room');

#
# The process that lays out, by itself
#
my $answered;
sub laid_out
{
	my ($question) = @_;
	my $answer = '';
	IPC::Run::run([ 'noetl-console', '--lay-out-graph' ], \$question, '>', \$answer, '2>', '/dev/null', IPC::Run::timeout(60));
	$answered = $answer;
	return $? == 0 ? scalar(() = $answer =~ /\n/g) . ' lines' : $? == 1 << 8 ? 'none' : "exit status $?";
}
is(laid_out("2 1 0 150 44\n0 1 0\n"), '5 lines', 'an answer: the graph, two steps, a line, a label');
like($answered, qr/^M\S+ \S+C[^\n]+\n0 0\n\z/m, 'the place of a label that there is not');
is(laid_out("2 2 1 150 44\n0 1 0\n1 1 40\n"), '7 lines', 'with a label');
like($answered, qr/\n0 0\n(?!0 0\n)\S+ \S+\n\z/, 'which has a place');
my ($from, $to) = $answered =~ /^M(.*)\nM(.*)/m;
cmp_ok(($to // '') =~ tr/C//, '>=', 2, 'through which its edge goes, in two curves at least');
is(laid_out($_), 'none', 'no question: ' . s/\n/ /gr) foreach '', 'x', "1 0\n", "1 0 0\n", "1 0 0 150\n", "2 1 0 150\n", "0 0 0 150 44\n", "-1 0 0 150 44\n", "301 0 0 150 44\n", "1 -1 0 150 44\n", "1 601 0 150 44\n" . "0 0 0\n" x 601, "2 1 0 150 44\n", "2 1 0 150 44\n0 1\n", "2 1 0 150 44\n0 x 0\n", "2 1 0 150 44\n2 0 0\n",
  "2 1 0 150 44\n0 2 0\n", "2 1 0 150 44\n-1 0 0\n", "2 1 0 150 44\n0 -1 0\n", "2 2 0 150 44\n0 1 0\n";

IPC::Run::run([ 'noetl-console', '--lay-out-graph' ], \"2 1 0 150 44\n0 1 0\n", '>', '/dev/full', IPC::Run::timeout(60));
is($?, 1 << 8, 'no answer that cannot be written');

# What Graphviz has no line for
my $layout = PostgreSQL::Test::Utils::tempdir_short() . '/fail_layout.so';
system_or_bail('cc', '-shared', '-fPIC', '-O1', '-Wall', '-Werror', '-o', $layout, dirname(__FILE__) . '/fail_layout.c', '-ldl');
foreach my $how (qw(all none empty short lastnone lastempty lastshort well))
{
	local @ENV{qw(LD_PRELOAD FAIL_LAYOUT)} = ($layout, $how);
	is(laid_out("2 1 1 150 44\n0 1 40\n"), $how eq 'well' ? '5 lines' : 'none', "a layout that fails: $how");
	is(laid_out("2 1 0 150 44\n0 1 0\n"), $how eq 'well' ? '5 lines' : 'none', '... without a label');
}

{
	local @ENV{qw(LD_PRELOAD FAIL_LAYOUT)} = ($layout, 'limits');
	laid_out("1 0 0 150 44\n");
	is($answered, '2 0 ' . (512 * 1024 * 1024) . ' ', 'time and memory of the process are bounded');
}

#
# Where a system call fails, the drawing is that of the database.
#
my $library = PostgreSQL::Test::Utils::tempdir_short() . '/fail.so';
system_or_bail('cc', '-shared', '-fPIC', '-O1', '-Wall', '-Werror', '-o', $library, dirname(__FILE__) . '/fail.c', '-ldl');
my $good = drawing(@good);
# How many pipes and files in memory a console has open
sub files { my ($of) = @_; return scalar(() = `ls -l /proc/$of->{harness}{KIDS}[0]{PID}/fd` =~ /question|pipe:/g) }
foreach my $call (qw(memfd_create lseek pipe2 posix_spawn waitpid))
{
	local $ENV{LD_PRELOAD} = $library;
	local $ENV{FAIL_CALL} = $call;
	my $failing = start_console();
	delete @ENV{qw(LD_PRELOAD FAIL_CALL)};
	$ann = login($failing, 'ann', 'ann pw');
	my $files = files($failing);
	is(drawn($good), $good, "without $call");
	is(files($failing), $files, '... which leaves no file open');
	$failing->{harness}->kill_kill;
}

#
# An answer that is none: another program answers.
#
my $directory = PostgreSQL::Test::Utils::tempdir_short();
my $answer = "200 300\n10.0 20.0\n10.0 120.0\nM10.0 60.0C10.0 70.0 10.0 80.0 10.0 90.0\n12.0 75.0\n";
my %answers = (
	'a line fewer' => $answer =~ s/12.*\n//r, 'a line more' => "${answer}1 2\n", 'no end' => $answer =~ s/\n\z//r, 'nothing' => '', 'one line' => "200 300\n",
	'HTML' => $answer =~ s/M10/<b>/r, 'a quote' => $answer =~ s/M10/"/r, 'a NUL' => $answer =~ s/\n\z/\0\n/r, 'too much' => ' ' x (4 * 1024 * 1024) . $answer);
# Makes the program that answers with a text, and then does what else is to be done.
sub make_program
{
	my ($text, $end) = @_;
	open my $file, '>:raw', "$directory/answer" or die $!;
	print $file $text;
	close $file;
	open $file, '>', "$directory/program.new" or die $!;
	print $file "#!/bin/sh\ncat $directory/answer\n$end\n";
	close $file;
	chmod 0755, "$directory/program.new";
	rename "$directory/program.new", "$directory/program" or die $!;
	return;
}
# A drawing that has not been asked for: what has been is not asked again.
my $labels = 0;
sub another { return drawing(step(0), step(1), edge(0, 1), label(0, 'x' x ++$labels)) }
sub answered { make_program(@_); return drawn(another()) }

# Two programs answer at a time: who comes later does not wait for one.
sub two_at_a_time
{
	my ($other) = @_;
	my ($begun, $go) = ("$directory/begun", "$directory/go");
	my $count = sub { return -e $begun ? length slurp_file($begun) : 0 };
	my @browsers = map { login($other, 'ann', 'ann pw') } 1, 2;
	my @pages;
	make_program($answer, "printf x >>$begun; while [ ! -e $go ]; do sleep 0.1; done");
	foreach my $browser (@browsers)
	{
		my $body = "csrf=$browser->{csrf}&action=draw&content=" . url_part(another());
		push @pages, raw_socket($other, join("\r\n", 'POST /editor HTTP/1.1', 'Host: localhost', 'Connection: close', "Cookie: @{[ session_cookie($browser) ]}",
			'Content-Type: application/x-www-form-urlencoded', 'Content-Length: ' . length $body, '', $body));
		my $until = time + 60;
		sleep 0.1 until $count->() >= @pages || time > $until;
	}
	unlike(drawn(another()), qr/spread/, 'a third drawing is that of the database');
	is($count->(), 2, '... and no third program is asked');
	open my $file, '>', $go or die $!;
	close $file;
	like(join('', readline $_), qr/class="spread"/, 'the others are laid out') foreach @pages;
	return;
}
{
	local $ENV{LD_PRELOAD} = $library;
	local $ENV{OTHER_PROGRAM} = "$directory/program";
	my $other = start_console();
	delete @ENV{qw(LD_PRELOAD OTHER_PROGRAM)};
	$ann = login($other, 'ann', 'ann pw');
	my $files = files($other);
	like(answered($answer, 'exit 0'), qr/class="spread" .*width="240" .*translate\(10.0 20.0\).*translate\(10.0 120.0\).*d="M10.0 60.0C10.0 70.0 10.0 80.0 10.0 90.0".* x="12.0" y="79.0"/s, 'another program can answer');
	unlike(answered($answers{$_}, 'exit 0'), qr/spread/, "an answer that is none: $_") foreach sort keys %answers;
	unlike(answered($answer, 'exit 1'), qr/spread/, 'a program that fails');
	unlike(answered($answer, 'kill -9 $$'), qr/spread/, 'one that is killed');
	is(files($other), $files, 'they leave no file open');
	two_at_a_time($other);
	local @ENV{qw(LD_PRELOAD OTHER_PROGRAM FAIL_CALL)} = ($library, "$directory/program", 'memfd_create');
	my $silent = start_console();
	delete @ENV{qw(LD_PRELOAD OTHER_PROGRAM FAIL_CALL)};
	$ann = login($silent, 'ann', 'ann pw');
	unlike(answered($answer, 'exit 0'), qr/spread/, 'no program is asked what cannot be handed to it');
}
$ann = login($console, 'ann', 'ann pw');
is(get($ann, '/healthz')->{content}, "ok\n", 'the console is still there');
done_testing();
