# noetl-console without a browser, a database and a clock: console_parts.c, linked with its
# objects, has it answer requests while console_world.c stands for libmicrohttpd, libpq and
# the system, each of whose calls may fail.  expected/console_parts.txt has each command on
# a line with ">", and behind it what comes of it; WRITE=FILE writes what comes of them today.
use strict;
use warnings;

use Digest::MD5 qw(md5_hex);
use File::Temp;
use FindBin;
use IPC::Run;
use PostgreSQL::Test::Utils;
use Test::More;

my $root = "$FindBin::RealBin/../..";
my @objects = grep { !m{/(?:main|layout_graphviz)\.o$} } glob("$root/src/console/*.o");
plan skip_all => 'the objects of noetl-console are not here' unless @objects;
plan skip_all => 'noetl-console is built without Graphviz' unless grep { m{/layout\.o$} } @objects;

my $directory = PostgreSQL::Test::Utils::tempdir_short();
sub says { my ($option) = @_; return split ' ', `$ENV{PG_CONFIG} $option` }
$ENV{PG_CONFIG} ||= 'pg_config';
my ($include) = says('--includedir');
# what the objects were compiled with, they may need again
my @more = $ENV{COPT} ? split(' ', $ENV{COPT}) : '-Werror';
IPC::Run::run([ $ENV{CC} || 'cc', '-std=gnu11', '-g', '-O1', '-Wall', @more, "-I$root/src/console", "-I$include", "-I$include/internal", "-I$include/postgresql/internal",
	'-o', "$directory/parts", "$FindBin::RealBin/console_parts.c", "$FindBin::RealBin/console_world.c", @objects, '-L' . (says('--libdir'))[0], '-lpq', '-lpthread' ]) or BAIL_OUT('it does not compile');

# A long line that has been there before is cut, with a digest that says which it is.
my %seen;
sub shortened
{
	my ($line) = @_;
	$line =~ s/0{60}([0-9a-f]{4})/\\#$1/g;
	$line =~ s/((?:noetl-console |console\.(?:css|js)\?))\d+\.\d+\.\d+/$1VERSION/g;
	return $line if $line =~ /^[>#]/ || length $line <= 70 || !$seen{$line}++;
	return substr($line, 0, 40) =~ s/[\x80-\xff]//gr . '… ' . substr(md5_hex($line), 0, 6);
}

my $expected = slurp_file("$root/expected/console_parts.txt");
my $commands = join '', map { /^> (.*)/ ? "$1\n" : /^#/ ? "$_\n" : () } split /\n/, $expected;
my $answers = '';
delete @ENV{ grep { /^PG(?!_CONFIG)/ } keys %ENV };
IPC::Run::run([ "$directory/parts" ], \$commands, '>', \$answers, IPC::Run::timeout(60));
is($?, 0, 'the program comes to its end');
$answers = join '', map { shortened($_) . "\n" } split /\n/, $answers;
if ($ENV{WRITE})
{
	open my $file, '>', $ENV{WRITE} or die "$ENV{WRITE}: $!";
	print $file $answers;
	close $file;
}

# A test for each section
my @answered = split /^(?=# )/m, $answers;
my @wanted = split /^(?=# )/m, $expected;
is(scalar(@answered), scalar(@wanted), 'as many sections as are expected');
foreach my $i (0 .. $#wanted)
{
	my ($name) = $wanted[$i] =~ /^# (.*)/;
	next if ok(($answered[$i] // '') eq $wanted[$i], $name // 'the beginning');
	my @files = map { my $file = File::Temp->new; print $file $_ // ''; close $file; $file } $wanted[$i], $answered[$i];
	diag(scalar(`diff -U3 $files[0] $files[1] | head -n 60`));
}
done_testing();
