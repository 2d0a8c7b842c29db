# noetl — a workflow broker inside PostgreSQL
#
#   make                 build the extension and the worker
#   make install         install both into the PostgreSQL that PG_CONFIG names
#   make check           install what is missing, run every suite in a temporary
#                        server; SUITES="style regress isolation tap diff" and
#                        REGRESS="yaml" select
#   make installcheck    run the SQL and isolation suites in a running server
#   make quickstart      see a playbook run, from zero; make quickstart-stop
#   make bench           measure, side by side with plain rows
#   make scale           measure 2 and 4 databases beside one
#   make bench-instructions   count instructions of the hot path by callgrind
#   make worker-kills    kill workers, their programs, the pooler and the server at
#                        random under load; MINUTES=30 SEED=random
#   make stress-limits   ten minutes of kills beside a sampler of limits
#   make fuzz-jinja      random templates beside Jinja2; COUNT=500000 SEED=random
#   make prove           all that is random or long, in the numbers that are promised;
#                        PROVE="recover kills" selects, PART=20 takes a twentieth;
#                        goes on where it was cut off, AGAIN=1 begins anew
#   make mutants         remove guards one by one, and see that a test turns red;
#                        COUNT=20 SEED=1 FILES="src/store/*.c" TESTS="regress tap/05*"
#   make memcheck        run the SQL suite in a server under valgrind
#   make analyze         gcc's static analyser over all C sources
#   make kill-clock      kill servers while things are due, and look what became
#                        of it; SEEDS=50 SEED=1 KILLS=5 choose how often
#   make race-approvals  signals race with the waits that they end; RACES=10000
#   make check-injections    stop sessions at points in the code, where only luck
#                        finds a race; a part of "make check"
#   make check-assertions    build PostgreSQL with assertions and run the suites in
#                        it (SUITES="regress isolation", VERSION=17)
#   make coverage        run the suites (SUITES=...) with a build of its own, and
#                        print how many lines of each file they reach
#   make format          format the C lines that differ from the commit BASE
#                        (HEAD) or are too wide; ALL=1 formats all, which is more
#                        than the sources want; "make check" looks at the width
#   make check-versions  compile and test with other versions of PostgreSQL
#   make check-packages  build the Debian packages, install, use and purge them
#   make check-images    build the images of docker/Dockerfile, and run them
#   make check-browser   use noetl-console in Chromium, as three roles, with axe-core
#   make screenshots     the pictures of noetl-console in doc/img, by Chromium
#   make dist            the archive for PGXN, in build/
#
# PG_CONFIG=/usr/lib/postgresql/NN/bin/pg_config chooses the PostgreSQL.

all:

here := $(patsubst %/,%,$(dir $(firstword $(MAKEFILE_LIST))))

EXTENSION = noetl
EXTVERSION := $(shell sed -n "s/^default_version *= *'\(.*\)'/\1/p" $(here)/noetl.control)
MODULE_big = noetl
# The script is the parts of sql/noetl, in the order of their names.
SCRIPT = sql/noetl--$(EXTVERSION).sql
DATA_built = $(SCRIPT)
# Upgrades are made by sql/upgrade/generate, and kept as they were released.
DATA = $(patsubst $(here)/%,%,$(sort $(wildcard $(here)/sql/noetl--*--*.sql)))
SCRIPT_PARTS = $(sort $(wildcard $(here)/sql/noetl/*.sql))
DOCS = README.md CHANGELOG.md CONTRIBUTING.md SECURITY.md LICENSE
# Installed below DOCS as they lie here, so that the links between them hold.
DOC_PAGES = $(basename $(notdir $(sort $(wildcard $(here)/doc/*.md))))
DOC_FILES = $(DOC_PAGES:%=doc/%.md) $(patsubst $(here)/%,%,$(sort $(wildcard $(here)/doc/img/*))) \
	doc/llms.txt doc/skill/SKILL.md doc/playbook.schema.json

# The setup test creates the extension, so it always comes first.
REGRESS = $(basename $(notdir $(sort $(wildcard $(here)/test/sql/*.sql))))
override REGRESS := setup $(filter-out setup,$(REGRESS))
ISOLATION = $(basename $(notdir $(sort $(wildcard $(here)/test/specs/*.spec))))

# These goals find or install PostgreSQL themselves and run before there is a
# pg_config.  PGXS stays out of their way: it has a "check" of its own.
DRIVERS = check prove quickstart quickstart-stop bench bench-instructions stress stress-limits
DRIVERS += check-versions fuzz-jinja coverage format check-packages check-images dist screenshots
DRIVERS += mutants memcheck analyze check-browser scale worker-kills kill-clock race-approvals
DRIVERS += check-injections check-assertions

ifneq ($(filter $(DRIVERS),$(MAKECMDGOALS)),)

.NOTPARALLEL:
.PHONY: $(MAKECMDGOALS)

check:
	@REGRESS='$(REGRESS)' ISOLATION='$(ISOLATION)' SUITES='$(SUITES)' \
		bash $(here)/test/check.sh

quickstart:
	@bash $(here)/test/quickstart.sh start

quickstart-stop:
	@bash $(here)/test/quickstart.sh stop

bench:
	@bash $(here)/test/bench/run.sh

scale:
	@bash $(here)/test/bench/scale.sh

bench-instructions:
	@CALLS='$(CALLS)' bash $(here)/test/bench/instructions.sh

# Ten minutes of kills beside a sampler; "make check" has some seconds of it.
stress-limits:
	@SUITES=tap PROGRAMS=056_limits NOTES=1 NOETL_SCALE=full bash $(here)/test/check.sh

stress:
	@SEED='$(SEED)' bash $(here)/test/stress/run.sh

MINUTES = 30
worker-kills:
	@SUITES=tap PROGRAMS=029_worker_kills KILL_MINUTES='$(MINUTES)' SEED='$(SEED)' NOTES=1 \
		PROGRAM_SECONDS=$$(($(MINUTES) * 60 + 900)) bash $(here)/test/check.sh

SEED ?= random
fuzz-jinja:
	@PROGRAM_SECONDS=$${PROGRAM_SECONDS:-7200} SUITES=diff PROGRAMS=jinja COUNT='$(or $(COUNT),500000)' SEED='$(SEED)' \
		bash $(here)/test/check.sh

memcheck:
	@REGRESS='$(REGRESS)' ISOLATION='' bash $(here)/test/memcheck.sh

analyze:
	@ANALYZERS='$(ANALYZERS)' FILES='$(FILES)' bash $(here)/test/analyze.sh

check-injections:
	@INJECTION_SPECS='$(INJECTION_SPECS)' bash $(here)/test/injections.sh

check-assertions:
	@REGRESS='$(REGRESS)' ISOLATION='$(ISOLATION)' SUITES='$(SUITES)' VERSION='$(VERSION)' \
		bash $(here)/test/assertions.sh

mutants:
	@COUNT='$(or $(COUNT),20)' SEED='$(filter-out random,$(SEED))' FILES='$(FILES)' LIST='$(LIST)' TESTS='$(TESTS)' \
		NAME='$(NAME)' NAMES='$(abspath $(NAMES))' AGAIN='$(AGAIN)' TRIED='$(TRIED)' MOST_SECONDS='$(MOST_SECONDS)' \
		LEAST='$(LEAST)' \
		$(here)/test/mutants/run

SEEDS = 50
KILLS = 5
kill-clock:
	@SUITES=tap PROGRAMS=073_kill_clock NOTES=1 PROGRAM_SECONDS=43200 KILL_SEEDS='$(SEEDS)' KILL_COUNT='$(KILLS)' \
		KILL_SEED='$(filter-out random,$(SEED))' bash $(here)/test/check.sh

RACES = 10000
race-approvals:
	@SUITES=tap PROGRAMS=074_approvals NOTES=1 RACES='$(RACES)' bash $(here)/test/check.sh

prove:
	@PART='$(PART)' PROVE='$(PROVE)' bash $(here)/test/prove.sh

coverage:
	@REGRESS='$(REGRESS)' ISOLATION='$(ISOLATION)' SUITES='$(SUITES)' \
		bash $(here)/test/coverage.sh

format:
	@BASE='$(BASE)' ALL='$(ALL)' bash $(here)/test/format.sh

check-packages:
	@bash $(here)/test/packages.sh

check-browser:
	@bash $(here)/test/browser.sh

screenshots:
	@bash $(here)/test/screenshots.sh

check-images:
	@bash $(here)/test/images.sh

# The archive for PGXN: what is committed, and the script.
dist:
	@cd $(here) && mkdir -p build && rm -f build/noetl-$(EXTVERSION).zip && \
	awk 'FNR == 1 && NR > 1 { print "" } { print }' sql/noetl/*.sql > sql/noetl--$(EXTVERSION).sql && \
	git archive --format=zip -o build/noetl-$(EXTVERSION).zip \
		--prefix=noetl-$(EXTVERSION)/sql/ --add-file=sql/noetl--$(EXTVERSION).sql \
		--prefix=noetl-$(EXTVERSION)/ HEAD && echo build/noetl-$(EXTVERSION).zip

check-versions:
	@bash $(here)/test/versions.sh $(VERSIONS)

# Ordinary goals named beside them ("make all check") get a make of their own.
ifneq ($(filter-out $(DRIVERS),$(MAKECMDGOALS)),)
$(filter-out $(DRIVERS),$(MAKECMDGOALS)):
	@$(MAKE) -f $(firstword $(MAKEFILE_LIST)) $@
endif

else

PG_CONFIG ?= pg_config
PGXS := $(shell $(PG_CONFIG) --pgxs 2>/dev/null)
ifeq ($(and $(wildcard $(PGXS)),$(wildcard $(shell $(PG_CONFIG) --includedir-server 2>/dev/null)/postgres.h)),)
$(error PostgreSQL's server development files are missing (PG_CONFIG is "$(PG_CONFIG)"). \
"make check" and "make quickstart" install them on Debian; by hand it is \
apt-get install postgresql-server-dev-NN libyaml-dev libpq-dev libcurl4-openssl-dev)
endif

# A newer compiler may warn of more than the ones we test with: make WERROR=
WERROR ?= -Werror
WARNINGS = -Wall -Wextra $(WERROR) -Wno-unused-parameter -Wno-sign-compare \
	-Wno-missing-field-initializers

# src/ is a house of rooms, one folder each; programs of their own are no rooms.
PROGRAM_SOURCES = $(wildcard $(addprefix $(here)/src/,worker/*.c console/*.c))
SOURCES = $(filter-out $(PROGRAM_SOURCES),$(wildcard $(here)/src/*.c $(here)/src/*/*.c))
OBJS = $(patsubst $(here)/%.c,%.o,$(sort $(SOURCES)))
# The library exports its entry points only, and calls its own functions whatever
# other libraries of the process are called.
SHLIB_LINK = -lyaml -Wl,-Bsymbolic
# Not -I: our headers must not hide those of libyaml and PostgreSQL.
PG_CPPFLAGS = -iquote $(here)/src -DNOETL_VERSION='"$(EXTVERSION)"'
# For tests of races (common/injection.h).
ifneq ($(INJECTION),)
PG_CPPFLAGS += -DNOETL_INJECTION
endif
# Each step calls the server's functions thousands of times: without the detour of a PLT.
# Not in the preprocessor's flags: clang's run for the bitcode would overwrite
# the dependencies of the object.
PG_CFLAGS = $(WARNINGS) -fvisibility=hidden -fno-plt -MMD -MP
# PostgreSQL's flags are those of the compiler that it was built by.
ifneq ($(findstring clang,$(CC)),)
PG_CFLAGS += -Wno-unknown-warning-option -Wno-ignored-optimization-argument \
	-Wno-ignored-attributes
endif
REGRESS_OPTS = --inputdir=$(here)/test --outputdir=. --encoding=UTF8 --no-locale
ISOLATION_OPTS = --inputdir=$(here)/test --outputdir=. --encoding=UTF8 --no-locale --load-extension=noetl
EXTRA_CLEAN = $(OBJS:.o=.d) build/for build/injection

# Defines WORKER_OBJS, the objects of src/worker/noetl-worker.
-include $(here)/src/worker/Makefile.inc
WORKER = src/worker/noetl-worker
EXTRA_CLEAN += $(WORKER) $(WORKER_OBJS) $(WORKER_OBJS:.o=.d)

# Defines CONSOLE_OBJS, the objects of src/console/noetl-console; none without
# libmicrohttpd.
-include $(here)/src/console/Makefile.inc
CONSOLE = src/console/noetl-console
EXTRA_CLEAN += $(CONSOLE) $(CONSOLE_OBJS) $(CONSOLE_OBJS:.o=.d)

# Without clang there is no bitcode, and so no inlining by the JIT, nothing else.
ifeq ($(shell command -v $$(sed -n 's/^CLANG *= *//p' $(dir $(PGXS))../Makefile.global)),)
override with_llvm = no
endif
include $(PGXS)

# The documents have names that those of other extensions may have, too.
docmoduledir := extension/noetl
docs_in = $(DESTDIR)$(docdir)/$(docmoduledir)
install: install-doc
install-doc: installdirs
	$(MKDIR_P) '$(docs_in)/doc/img' '$(docs_in)/doc/skill'
	for file in $(DOC_FILES); do \
		$(INSTALL_DATA) $(here)/$$file '$(docs_in)'/$$file || exit 1; \
	done
uninstall: uninstall-doc
uninstall-doc:
	rm -rf '$(docs_in)/doc'
.PHONY: install-doc uninstall-doc

# The version is compiled in.
src/store/release.o: $(here)/noetl.control

# A part that is gone is noticed by the date of its folder.
$(SCRIPT): $(SCRIPT_PARTS) $(here)/sql/noetl $(here)/noetl.control
	@mkdir -p $(@D)
	awk 'FNR == 1 && NR > 1 { print "" } { print }' $(SCRIPT_PARTS) > $@

# Another INJECTION compiles only the files anew that have points.
INJECTED = $(patsubst $(here)/%.c,%.o,$(shell grep -lE 'INJECTION|injection_' $(SOURCES)))
build/injection: force
	@mkdir -p build
	@echo '$(INJECTION)' | cmp -s - $@ || echo '$(INJECTION)' > $@
$(INJECTED): build/injection

# What was built for another PostgreSQL or by another compiler is built anew.
build/for: force
	@mkdir -p build $(sort $(dir $(OBJS) $(WORKER_OBJS) $(CONSOLE_OBJS)))
	@echo '$(VERSION) $(pkglibdir) $(CC) $(CONSOLE_GRAPHVIZ)' | cmp -s - $@ || \
		echo '$(VERSION) $(pkglibdir) $(CC) $(CONSOLE_GRAPHVIZ)' > $@
$(OBJS) $(WORKER_OBJS) $(CONSOLE_OBJS): build/for
$(OBJS:.o=.bc): %.bc: %.o
.PHONY: force

ifneq ($(WORKER_OBJS),)
all: $(WORKER)
$(WORKER): $(WORKER_OBJS)
	$(CC) $(CFLAGS) $(WORKER_OBJS) $(LDFLAGS) $(LDFLAGS_EX) $(WORKER_LIBS) -L$(libdir) -lpq -o $@
# Where the worker looks for them: beside its own directory.
TOOLS = $(notdir $(wildcard $(here)/tools/noetl-tool-*))
tools_in = $(DESTDIR)$(dir $(bindir))libexec/noetl
WORKER_PAGE = doc/man/noetl-worker.1
DESK_PAGE = doc/man/noetl.1
EXTRA_CLEAN += $(WORKER_PAGE) $(DESK_PAGE) src/worker/noetl
all: $(WORKER_PAGE) $(DESK_PAGE)
# The program goes by a second name for work at the desk.
$(DESK_PAGE): $(WORKER) $(here)/doc/man/help.awk
	@mkdir -p $(@D)
	@ln -sf noetl-worker src/worker/noetl
	src/worker/noetl --help | awk -v program=noetl -v version='$(EXTVERSION)' \
		-v about='playbooks at the desk: run, test, look, repair' -f $(here)/doc/man/help.awk > $@
$(WORKER_PAGE): $(WORKER) $(here)/doc/man/help.awk
	@mkdir -p $(@D)
	$(WORKER) --help | awk -v program=noetl-worker -v version='$(EXTVERSION)' \
		-v about='executes the tasks of noetl playbooks' -f $(here)/doc/man/help.awk > $@
installdirs: installdirs-worker
installdirs-worker:
	$(MKDIR_P) '$(DESTDIR)$(bindir)' '$(DESTDIR)$(mandir)/man1'
install: install-worker
install-worker: $(WORKER) $(WORKER_PAGE) $(DESK_PAGE) installdirs
	$(INSTALL_PROGRAM) $(WORKER) '$(DESTDIR)$(bindir)/noetl-worker'
	ln -sf noetl-worker '$(DESTDIR)$(bindir)/noetl'
	$(INSTALL_DATA) $(DESK_PAGE) '$(DESTDIR)$(mandir)/man1/noetl.1'
	$(MKDIR_P) '$(tools_in)'
	for tool in $(TOOLS); do \
		$(INSTALL_SCRIPT) $(here)/tools/$$tool '$(tools_in)'/$$tool || exit 1; \
	done
	$(INSTALL_DATA) $(WORKER_PAGE) '$(DESTDIR)$(mandir)/man1/noetl-worker.1'
uninstall: uninstall-worker
uninstall-worker:
	rm -f $(TOOLS:%='$(tools_in)/%')
	rm -f '$(DESTDIR)$(bindir)/noetl' '$(DESTDIR)$(mandir)/man1/noetl.1'
	rm -f '$(DESTDIR)$(bindir)/noetl-worker' '$(DESTDIR)$(mandir)/man1/noetl-worker.1'
.PHONY: installdirs-worker install-worker uninstall-worker
endif

ifneq ($(CONSOLE_OBJS),)
all: $(CONSOLE)
$(CONSOLE): $(CONSOLE_OBJS)
	$(CC) $(CFLAGS) $(CONSOLE_OBJS) $(LDFLAGS) $(LDFLAGS_EX) $(CONSOLE_LIBS) -L$(libdir) -lpq -o $@
CONSOLE_PAGE = doc/man/noetl-console.1
EXTRA_CLEAN += $(CONSOLE_PAGE)
all: $(CONSOLE_PAGE)
$(CONSOLE_PAGE): $(CONSOLE) $(here)/doc/man/help.awk
	@mkdir -p $(@D)
	$(CONSOLE) --help | awk -v program=noetl-console -v version='$(EXTVERSION)' \
		-v about='see what noetl does, and act' -f $(here)/doc/man/help.awk > $@
installdirs: installdirs-worker
install: install-console
install-console: $(CONSOLE) $(CONSOLE_PAGE) installdirs
	$(INSTALL_PROGRAM) $(CONSOLE) '$(DESTDIR)$(bindir)/noetl-console'
	$(INSTALL_DATA) $(CONSOLE_PAGE) '$(DESTDIR)$(mandir)/man1/noetl-console.1'
uninstall: uninstall-console
uninstall-console:
	rm -f '$(DESTDIR)$(bindir)/noetl-console' '$(DESTDIR)$(mandir)/man1/noetl-console.1'
.PHONY: install-console uninstall-console
endif

-include $(OBJS:.o=.d) $(WORKER_OBJS:.o=.d) $(CONSOLE_OBJS:.o=.d)

endif
