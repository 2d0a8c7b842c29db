# noetl — a workflow broker inside PostgreSQL
#
#   make              build the extension and the worker
#   make install      install both into the PostgreSQL that PG_CONFIG names
#   make check        install what is missing, run every suite (temporary instance)
#   make installcheck run the SQL suites against a running server
#   make quickstart   see a playbook run, from zero
#   make bench        measure, side by side

EXTENSION = noetl
EXTVERSION := $(shell sed -n "s/^default_version *= *'\(.*\)'/\1/p" noetl.control)
MODULE_big = noetl
DATA = sql/noetl--$(EXTVERSION).sql
OBJS = $(patsubst %.c,%.o,$(sort $(wildcard src/*.c)))
SHLIB_LINK = -lyaml
PG_CPPFLAGS = -iquote $(srcdir)/src -MMD -MP
PG_CFLAGS = -Wall -Wextra -Werror -Wno-unused-parameter -Wno-sign-compare -Wno-missing-field-initializers
EXTRA_CLEAN = $(OBJS:.o=.d)

PG_CONFIG ?= pg_config
PGXS := $(shell $(PG_CONFIG) --pgxs)
include $(PGXS)

-include $(OBJS:.o=.d)
