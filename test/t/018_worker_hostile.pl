# Data, programs and servers that mean no good, or know no better: none of them ends the
# worker or keeps it busy, and none gets what is not meant for it.
use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;
use IO::Socket::INET;
use PostgreSQL::Test::Utils;
use POSIX ();
use Test::More;
use WorkerTest;

delete @ENV{qw(http_proxy HTTP_PROXY https_proxy all_proxy ALL_PROXY)};

my $node = start_broker();
my $directory = PostgreSQL::Test::Utils::tempdir_short();
my $asked = "$directory/asked";

#
# Data
#
my $printed = execute(<<'EOT');
- step: before
  tool: python
  code: |
    result = []
    for n in range(600): result = [result]
  next: act
- step: act
  tool: python
  log: true
  data: {deep: "{{ before }}"}
  code: |
    print('said')
    result = 1
EOT
drain();
is(result_of($printed, 'result'), 1, 'a task whose input is very deep prints a line');
is(events_of($printed, "context ->> 'line'"), 'log said, action_completed', '... which is stored');

done_testing();
