# Fuzzers of what reads bytes from the network; included by the top Makefile,
# or used alone: make -f tests/fuzz/fuzz.mk fuzz FUZZ_SECONDS=600
#
# New inputs are kept in the build folder, next to what made a target fail.

NGX_SRC ?= /usr/share/nginx/src/src
NGX_OBJS ?= build/objs
NGX_INC ?= -I $(NGX_OBJS) -I $(NGX_SRC)/core -I $(NGX_SRC)/event \
           -I $(NGX_SRC)/event/modules -I $(NGX_SRC)/os/unix \
           -I $(NGX_SRC)/http -I $(NGX_SRC)/http/modules -I $(NGX_SRC)/http/v2

FUZZ_CC ?= clang-14
FUZZ_OUT ?= build/fuzz
FUZZ_SECONDS ?= 60
FUZZ_SIZE ?= 1024
FUZZ_CFLAGS ?= -std=gnu11 -O1 -g -W -Wall -Wextra -Wpointer-arith -Werror \
               -Wno-unused-parameter \
               -fsanitize=address,undefined \
               -fno-sanitize-recover=undefined
FUZZ_LIBS = -ljansson -lhiredis -lcrypto -lpcre2-8 -lm \
             $(shell grep -qs 'NGX_LLMOPS_HYPERSCAN *1' \
                     $(NGX_OBJS)/ngx_auto_config.h && echo -lhs)

FUZZ_ROOMS ?= ngx_llmops_module/wire ngx_llmops_module/dialect \
              ngx_llmops_module/check

# files of other rooms that call no function of nginx, and where their headers
# are
FUZZ_MORE += ngx_llmops_module/core/ngx_llmops_digest.c
FUZZ_MORE += ngx_llmops_module/guard/ngx_llmops_rate.c
FUZZ_MORE += $(addprefix ngx_llmops_module/guard/ngx_llmops_, \
                 key_check.c key_cidr.c key_digest.c key_record.c key_value.c \
                 jwt_base64.c jwt_jwks.c jwt_token.c jwt_verify.c)
FUZZ_MORE += $(addprefix ngx_llmops_module/cache/ngx_llmops_cache_, \
                 canon.c canon_sort.c canon_string.c key.c kind.c number.c)
FUZZ_MORE += ngx_llmops_module/net/ngx_llmops_fetch_answer.c
FUZZ_MORE += $(filter-out %_conf.c %_route.c %_reference.c %_request.c \
                 %_arm.c %_find.c %_kept.c %_kept_table.c %_context.c, \
                 $(wildcard ngx_llmops_module/prompt/*.c))

FUZZ_INCS ?= $(addprefix ngx_llmops_module/,core net store guard prompt cache)

# what is scored in an evaluation, and how it is told
FUZZ_MORE += $(filter-out %_conf.c,$(foreach part,interval score summary \
                 report,$(wildcard \
                 ngx_llmops_module/evaluate/ngx_llmops_$(part)*.c)))
FUZZ_INCS += ngx_llmops_module/evaluate

FUZZ_SRCS := $(filter-out %/ngx_llmops_rules.c \
                 $(wildcard ngx_llmops_module/check/ngx_llmops_rules_*.c \
                            ngx_llmops_module/check/ngx_llmops_ask*.c), \
                 $(wildcard $(addsuffix /*.c,$(FUZZ_ROOMS)))) $(FUZZ_MORE)
FUZZ_OBJS := $(FUZZ_SRCS:%.c=$(FUZZ_OUT)/%.o)
FUZZ_HDRS := $(wildcard $(addsuffix /*.h,$(FUZZ_ROOMS) $(FUZZ_INCS)) \
               tests/fuzz/*.h tests/unit/*.h)
FUZZ_TARGETS := $(patsubst tests/fuzz/fuzz_%.c,%,$(wildcard tests/fuzz/fuzz_*.c))
FUZZ_BINARIES := $(FUZZ_TARGETS:%=$(FUZZ_OUT)/fuzz_%)

.PHONY: fuzz

# as many at a time as there are processors
fuzz: $(FUZZ_TARGETS:%=fuzz-%)

.PHONY: $(FUZZ_TARGETS:%=fuzz-%)

$(FUZZ_TARGETS:%=fuzz-%): fuzz-%: $(FUZZ_OUT)/fuzz_%
	@mkdir -p $(FUZZ_OUT)/corpus/$*
	@$(FUZZ_OUT)/fuzz_$* -max_total_time=$(FUZZ_SECONDS) \
	    -max_len=$(FUZZ_SIZE) -timeout=30 -verbosity=0 \
	    -print_final_stats=1 -artifact_prefix=$(FUZZ_OUT)/$*- \
	    $(FUZZ_OUT)/corpus/$* tests/fuzz/corpus/$* > $(FUZZ_OUT)/$*.log 2>&1 \
	    || { cat $(FUZZ_OUT)/$*.log; exit 1; }
	@echo "== fuzz_$*"; tail -8 $(FUZZ_OUT)/$*.log

FUZZ_BUILD = $(FUZZ_CC) $(FUZZ_CFLAGS) $(NGX_INC) \
             $(addprefix -I ,$(FUZZ_ROOMS) $(FUZZ_INCS)) -I tests/unit

$(FUZZ_OUT)/%.o: %.c $(FUZZ_HDRS)
	@mkdir -p $(dir $@)
	$(FUZZ_BUILD) -fsanitize=fuzzer-no-link -c -o $@ $<

# an archive: a fuzzer links only what it uses
$(FUZZ_OUT)/rooms.a: $(FUZZ_OBJS)
	@rm -f $@
	$(AR) rcs $@ $^

$(FUZZ_BINARIES): $(FUZZ_OUT)/fuzz_%: tests/fuzz/fuzz_%.c \
                  $(FUZZ_OUT)/rooms.a $(FUZZ_HDRS)
	$(FUZZ_BUILD) -fsanitize=fuzzer -o $@ $< $(FUZZ_OUT)/rooms.a $(FUZZ_LIBS)
