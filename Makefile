# joborch: `make` builds, `make install` installs, `make help` lists the rest.

PROJECT_GOALS = help deps demo psql stop check check-soak bench lint indent

# Goals of the project itself are scripts that bring what they need, so they
# must work before PostgreSQL's build system is there: PGXS is left out.
ifneq ($(filter $(PROJECT_GOALS),$(MAKECMDGOALS)),)

.PHONY: $(PROJECT_GOALS)

help: ## show this list
	@echo "make                build the extension (PG_CONFIG=... chooses the server)"
	@echo "make install        install it into that server"
	@echo "make clean          remove what was built; stops the private server"
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/make \1|\2/p' Makefile | awk -F'|' '{printf "%-20s%s\n", $$1, $$2}'

deps: ## install the packages that building, demo and tests need (apt)
	@scripts/deps.sh check

demo: ## a multi-step job on real data, on a private server
	@scripts/demo.sh

psql: ## open psql on the private server of the demo
	@scripts/server.sh psql demo

stop: ## stop the private server
	@scripts/server.sh stop demo

check: ## all tests; KIND=regress|isolation|tap|pgtap|unit|lint and T="names" for some of them
	@scripts/check.sh $(KIND)

check-soak: ## crash and recover for a long time; SECONDS_TO_RUN=7200
	@scripts/soak.sh

bench: ## the table of measures; ONLY="floor one-step" for some of them, SCALE=10 for a tenth of the size
	@bench/run.sh $(ONLY)

lint: ## the house rules that a script can see
	@test/lint/run

indent: ## pgindent's formatting (needs pg_bsd_indent)
	@scripts/indent.sh

# goals of PGXS named beside them
others = $(filter-out $(PROJECT_GOALS),$(MAKECMDGOALS))
ifneq ($(others),)
.PHONY: $(others)
$(others):
	@$(MAKE) $@
endif

else

EXTENSION = joborch joborch_cron
EXTVERSION := $(shell sed -n "s/^default_version = '\(.*\)'$$/\1/p" joborch.control)

MODULE_big = joborch
OBJS = $(patsubst %.c,%.o,$(sort $(wildcard src/*.c)))
SHLIB_LINK = -lcjson -lcurl -lz -lcrypto -lical

# The install script is made of the files of sql/extension, in the order of ORDER.
SQL_PARTS := $(addprefix sql/extension/,$(shell sed 's/\#.*//' sql/extension/ORDER))
INSTALL_SQL = build/joborch--$(EXTVERSION).sql

# joborch_cron is SQL around the same library.
CRON_VERSION := $(shell sed -n "s/^default_version = '\(.*\)'$$/\1/p" joborch_cron.control)
CRON_PARTS := $(addprefix sql/cron/,$(shell sed 's/\#.*//' sql/cron/ORDER))
CRON_SQL = build/joborch_cron--$(CRON_VERSION).sql

DATA_built = $(INSTALL_SQL) $(CRON_SQL)
DATA = $(sort $(wildcard sql/upgrade/*.sql))

REGRESS = $(sort $(patsubst sql/%.sql,%,$(wildcard sql/*.sql)))
EXTRA_CLEAN = src/*.d build/*.sql

PG_CONFIG ?= pg_config
PGXS := $(wildcard $(shell $(PG_CONFIG) --pgxs 2>/dev/null))
ifeq ($(PGXS),)
$(error PostgreSQL's build files are not here: run `make deps`, or install postgresql-server-dev-NN, libcjson-dev, libcurl4-openssl-dev, libical-dev, zlib1g-dev and set PG_CONFIG)
endif

# The server's headers count as system headers, so that every warning is our own.
PG_CPPFLAGS = -isystem $(shell $(PG_CONFIG) --includedir-server) -DJO_VERSION='"$(EXTVERSION)"'
# Callbacks have the parameters that the server gives them, used or not.
PG_CFLAGS = -Wall -Wextra -Wno-unused-parameter -Werror -MMD -MP
ifeq ($(JOBORCH_TEST),1)
PG_CFLAGS += -DJOBORCH_TEST -DUSE_ASSERT_CHECKING
endif

# Bitcode would only serve to inline our functions into queries: not worth the time.
override with_llvm = no

.DEFAULT_GOAL := all
include $(PGXS)

$(OBJS): Makefile
-include $(OBJS:.o=.d)

$(INSTALL_SQL): $(SQL_PARTS) sql/extension/ORDER joborch.control
	@mkdir -p build
	cat $(SQL_PARTS) > $@

$(CRON_SQL): $(CRON_PARTS) sql/cron/ORDER joborch_cron.control
	@mkdir -p build
	cat $(CRON_PARTS) > $@

.PHONY: stop-servers
stop-servers:
	@scripts/server.sh stop-all
clean: stop-servers

endif
