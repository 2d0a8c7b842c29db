# A server whose wall clock a test sets: it preloads clock.c, which reads from a file how far
# the clock is off.
package ClockTest;
use strict;
use warnings;

use Exporter 'import';
use File::Basename qw(dirname);
use PostgreSQL::Test::Utils;

our @EXPORT = qw(prepare_clock set_clock start_under_clock);

my ($clock, $library);

# Compiles clock.c for a node; the clock is right until set_clock().  Returns the clock's file.
sub prepare_clock
{
	my ($node) = @_;
	$clock = $node->basedir . '/clock';
	$library = $node->basedir . '/clock.so';
	system_or_bail('cc', '-shared', '-fPIC', '-O1', '-Wall', '-Werror', '-o', $library, dirname(__FILE__) . '/clock.c', '-ldl');
	set_clock(0);
	return $clock;
}

# Sets the clock of the server ahead (or back) by seconds.
sub set_clock
{
	my ($seconds) = @_;
	open my $file, '>', "$clock.new" or die $!;
	printf $file "%.0f\n", $seconds * 1e6;
	close $file;
	rename "$clock.new", $clock or die $!;
	return;
}

# Starts the server of a node under the clock.
sub start_under_clock
{
	my ($node) = @_;
	local $ENV{LD_PRELOAD} = $library;
	local $ENV{CLOCK_FILE} = $clock;
	$node->start;
	return;
}

1;
