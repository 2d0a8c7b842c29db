# What the script of noetl-console does when the console has no time for it: what a page was
# told is not forgotten.  Needs node, which stands for a browser.
use strict;
use warnings;

use File::Temp;
use HTTP::Tiny;
use IPC::Run;
use Test::More;

plan skip_all => 'noetl-console is not built (no libmicrohttpd)'
  unless system('command -v noetl-console >/dev/null') == 0;
plan skip_all => 'node is not here' unless system('command -v node >/dev/null') == 0;

my $world = <<'EOT';
const fs = require("fs"), vm = require("vm");
const said = [], streams = [];
let answers = [];
class EventSource {
  constructor(url) { this.readyState = 1; streams.push(this); }
  close() { this.readyState = 2; }
}
const document = { hidden: false, body: { dataset: { live: "since=0" } }, getElementById: () => ({}), querySelectorAll: () => [], addEventListener() {} };
const world = { document, EventSource, performance, addEventListener() {}, setInterval() {}, clearTimeout,
  setTimeout: (done, ms) => setTimeout(done, ms / 100), location: { href: "/", reload: () => said.push("reload") },
  DOMParser: class { parseFromString() { return { querySelector: () => null }; } },
  fetch: async () => {
    const status = answers.shift() || 200;
    said.push(status);
    if (status === 1) throw new Error("no network");
    return { status, ok: status === 200, text: async () => "" };
  } };
world.window = world;
vm.runInNewContext(fs.readFileSync(process.argv[2], "utf8"), world);
const pause = (ms) => new Promise((done) => setTimeout(done, ms));
async function told(...next) {
  answers = next;
  said.length = 0;
  streams.at(-1).onmessage();
  await pause(400);
  console.log("told: " + said.join(" "));
}
(async () => {
  await told(200);
  await told(503, 503, 200);
  await told(1, 200);
  await told(404, 200);
  await told(401, 200);
  const last = streams.at(-1);
  last.readyState = 0;
  last.onerror();
  await pause(200);
  console.log("ended: " + streams.length);
  last.readyState = 2;
  last.onerror();
  await pause(200);
  console.log("refused: " + streams.length);
  process.exit(0);
})();
EOT

# The script is served to everybody, also where there is no database
my ($served, $complaint) = ('', '');
my $console = IPC::Run::start([ 'noetl-console', '--listen', '127.0.0.1:0' ], '>', \$served, '2>', \$complaint, IPC::Run::timeout(60));
$console->pump until $served =~ m{(http://\S+)\n};
my $script = File::Temp->new;
print $script HTTP::Tiny->new->get("${1}assets/console.js")->{content};
close $script;
$console->signal('TERM');
$console->finish;

my ($out, $err) = ('', '');
IPC::Run::run([ 'node', '-', "$script" ], '<', \$world, '>', \$out, '2>', \$err, IPC::Run::timeout(60));
is($err, '', 'the script does what it does');
my %did = $out =~ /^(\w+): (\d+)$/mg;
my @told = $out =~ /^told: (.*)$/mg;
is($told[0], '200', 'who is told of a change asks once');
is($told[1], '503 503 200', '... and again when the console has no time');
is($told[2], '1 200', '... or cannot be reached');
is($told[3], '404', 'but not when the page is gone');
is($told[4], '401 reload', 'who has to log in again gets the form for it');
is($did{ended}, 1, 'a stream that ends is for the browser to begin again');
is($did{refused}, 2, 'one that was refused is begun again');
done_testing();
