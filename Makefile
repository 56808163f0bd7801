# Copyright (C) 2026 The ngx_llmops_module authors
#
#   make               builds build/ngx_llmops_module.so for the installed nginx
#   make run           installs what is missing, builds, starts a gateway
#   make test          unit tests, and the gateway end to end
#   make check         all that is checked before a release; see tests/check.sh
#   make bench         this module beside bare proxy_pass: bench/RESULTS.md
#   make help          the other targets
#
# All that is made lies below build/.

SHELL     := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
MAKEFLAGS += --no-print-directory

.DEFAULT_GOAL := all
.DELETE_ON_ERROR:

# Words that may be given: make NGINX_SRC=... CC=clang V=1
NGINX_SRC ?= /usr/share/nginx/src
CC        := $(if $(filter default,$(origin CC)),cc,$(CC))
CFLAGS    ?= -O2 -fstack-protector-strong -D_FORTIFY_SOURCE=2
LDFLAGS   ?= -Wl,-z,relro -Wl,-z,now
JOBS      ?= $(shell nproc)
FUZZ_SECONDS ?= 60
PYTEST_ARGS  ?=

HERE  := $(CURDIR)
BUILD := $(HERE)/build
OBJS  := $(BUILD)/objs
SO    := $(BUILD)/ngx_llmops_module.so

# nginx itself compiles with -W -Wall -Wpointer-arith -Wno-unused-parameter
# -Werror (handlers rarely use all arguments that nginx gives them).  These are
# ours; nginx's headers pass them.
WARNINGS := -Wextra -Wshadow -Wvla -Wstrict-prototypes -Wmissing-prototypes \
            -Wold-style-definition -Wformat=2

SOURCES := $(sort $(wildcard ngx_llmops_module/*/*.[ch]))


.PHONY: all deb run test unit e2e check bench fuzz soak docs-check \
        agents asan browser second-nginx static-nginx check-trixie image lint deps \
        deps-test deps-check list-checks install clean help FORCE


all: $(SO)


# -- the module ---------------------------------------------------------------

# Written only when it changes: a new file, other flags, another nginx,
# another description of the API or another status page make configure run
# again.
$(OBJS)/inputs: FORCE
	@mkdir -p $(OBJS)
	@printf '%s\n' $(SOURCES) '$(CC)' '$(CFLAGS)' '$(LDFLAGS)' '$(WARNINGS)' \
	    '$(NGINX_SRC)' "$$(cat $(NGINX_SRC)/conf_flags \
	    $(NGINX_SRC)/src/core/nginx.h docs/openapi.json \
	    ngx_llmops_module/ops/status.html 2>/dev/null \
	    | cksum)" > $@.new
	@cmp -s $@.new $@ && rm $@.new || mv $@.new $@

# Debian's nginx-dev has a configure that writes only into --builddir, and the
# flags of its own nginx in conf_flags.
$(OBJS)/Makefile: config $(OBJS)/inputs
	@test -f $(NGINX_SRC)/conf_flags || { \
	    echo "$(NGINX_SRC)/conf_flags is not there: make deps installs" \
	         "nginx-dev" >&2; exit 1; }
	@echo "configuring against $(NGINX_SRC)"
	@rm -f $@
	@cd $(NGINX_SRC) && . ./conf_flags && \
	./configure --with-cc='$(CC)' \
	    --with-cc-opt='-g -fPIC $(CFLAGS) $(WARNINGS)' \
	    --with-ld-opt='-fPIC $(LDFLAGS)' "$${NGX_CONF_FLAGS[@]}" \
	    --add-dynamic-module=$(HERE) --builddir=$(OBJS) \
	    > $(OBJS)/configure.log 2>&1 \
	    || { tail -20 $(OBJS)/configure.log >&2; exit 1; }

$(SO): $(OBJS)/Makefile $(SOURCES)
	@echo "compiling $(notdir $@)"
	@$(MAKE) $(if $(V),,-s) -f $(OBJS)/Makefile -C $(NGINX_SRC) -j$(JOBS) modules
	@cp $(OBJS)/ngx_llmops_module.so $@.new && mv $@.new $@

install: $(SO)
	install -D -m 644 $(SO) \
	    $(DESTDIR)/usr/lib/nginx/modules/ngx_llmops_module.so
	for pack in lua-free-rules/*/pack.conf; do \
	    install -D -m 644 $$pack $(DESTDIR)/etc/nginx/$$pack; \
	done
	install -D -m 755 bin/llm-eval $(DESTDIR)/usr/bin/llm-eval


# The package for this Debian, below build/deb; of what is committed.
deb:
	@tests/deps.sh $(DEPS) build-essential
	@rm -rf $(BUILD)/deb && mkdir -p $(BUILD)/deb/nginx-llmops
	@git archive HEAD | tar -x -C $(BUILD)/deb/nginx-llmops
	@cd $(BUILD)/deb/nginx-llmops && dpkg-buildpackage -us -uc -b -j$(JOBS) \
	    > ../build.log 2>&1 || { tail -20 ../build.log >&2; exit 1; }
	@ls $(BUILD)/deb/*.deb


# -- a gateway to try ---------------------------------------------------------

run: deps
	@$(MAKE) all
	@exec docs/examples/quickstart.sh


# -- what is needed -----------------------------------------------------------

DEPS      := gcc make nginx nginx-dev libjansson-dev libhiredis-dev \
             libmaxminddb-dev libpcre2-dev 'libhyperscan-dev|libvectorscan-dev' \
             libssl-dev zlib1g-dev ca-certificates curl
DEPS_TEST := libcmocka-dev python3-venv openssl git redis-server redis-sentinel \
             libmaxmind-db-writer-perl libfaketime tzdata
# npm comes with nodejs, unless that is Debian's
DEPS_CHECK := 'clang-14|clang' 'libclang-rt-14-dev|libclang-rt-19-dev' cppcheck valgrind \
             shellcheck chromium \
             dpkg-dev mmdebstrap buildah podman runc iproute2 \
             $(if $(shell command -v npm),,nodejs npm)

deps:
	@tests/deps.sh $(DEPS)

deps-test:
	@tests/deps.sh $(DEPS) $(DEPS_TEST)

deps-check:
	@tests/deps.sh $(DEPS) $(DEPS_TEST) $(DEPS_CHECK)


# -- checks -------------------------------------------------------------------

# what they are built with: the headers of nginx, and what configure found
NGX_SRC  := $(NGINX_SRC)/src
NGX_OBJS := build/objs
FUZZ_CC  := $(firstword $(foreach cc,clang-14 clang,\
                $(if $(shell command -v $(cc)),$(cc))) clang)

# the targets unit and fuzz
-include tests/unit/unit.mk
-include tests/fuzz/fuzz.mk

$(UNIT_OBJS) $(UNIT_TESTS) $(FUZZ_BINARIES) unit fuzz: | $(OBJS)/Makefile

# ".../check.sh STEP..." prints what ran and how many passed
test: deps-test
	@tests/check.sh unit e2e

CHECKS ?= unit e2e docs lint browser static engines second asan fuzz soak bench agents image

check: deps-check
	@tests/check.sh $(CHECKS)

list-checks:
	@echo $(CHECKS)

e2e docs-check second-nginx static-nginx asan agents browser image soak:
	@tests/check.sh $(patsubst docs-check,docs,$(patsubst %-nginx,%,$@))

check-trixie:
	@tests/nginx/trixie.sh

bench: $(SO)
	@bench/run

lint:
	@cppcheck --quiet --error-exitcode=1 --inline-suppr --std=c99 \
	    --enable=warning,portability --suppressions-list=tests/cppcheck.txt \
	    $(addprefix -I,$(sort $(dir $(SOURCES)))) \
	    $(filter %.c,$(SOURCES))

clean:
	rm -rf $(BUILD)

help:
	@sed -n 's/^#   make/make/p' Makefile
	@echo "make install       copies the module, rule packs and llm-eval"
	@echo "make deb           Debian's package, below build/deb"
	@echo "make deps          apt-get installs what building needs"
	@echo "make docs-check    documentation against source"
	@echo "make asan          end to end under sanitizers"
	@echo "make second-nginx  end to end on nginx 1.26.3"
	@echo "make static-nginx  the module compiled into nginx"
	@echo "make fuzz          the fuzzers, FUZZ_SECONDS=$(FUZZ_SECONDS) each"
	@echo "make soak          mixed load with faults, SOAK_SECONDS=60"
	@echo "make agents        Claude Code, Codex, promptfoo through the gateway"
	@echo "make browser       the status page in Chromium"
	@echo "make image         the container image"
	@echo "make check-trixie  end to end on Debian 13, in a chroot"
