# Fuzz targets. With gcc they replay their seeds (part of `make check`); with clang they are libFuzzer programs.
FUZZ_NAMES := $(patsubst tests/fuzz/%_fuzz.c,%,$(wildcard tests/fuzz/*_fuzz.c))
FUZZ_TIME ?= 60
FUZZ_RUNS ?= 1000000

$B/fuzz/%_replay: $B/obj/tests/fuzz/%_fuzz.o $B/obj/tests/fuzz/replay.o $(LAYER_A)
	@mkdir -p $(@D)
	$(call say,LD)
	$(Q)$(CC) $(LDFLAGS) -o $@ $(filter %.o,$^) $(LAYER_LIBS) $(LIBS)
$B/fuzz/%: $B/obj/tests/fuzz/%_fuzz.o $(LAYER_A)
	@mkdir -p $(@D)
	$(call say,LD)
	$(Q)$(CC) $(LDFLAGS) -fsanitize=fuzzer -o $@ $(filter %.o,$^) $(LAYER_LIBS) $(LIBS)

# What lies in a role, not in a layer.
$B/fuzz/control $B/fuzz/control_replay: $(call objects,mtad/control)
$B/fuzz/alias_text $B/fuzz/alias_text_replay: $B/obj/mtad/local/alias_text.o
$B/fuzz/names $B/fuzz/names_replay: $B/obj/mtad/local/names.o $B/obj/mtad/local/report.o
$B/fuzz/cache_record $B/fuzz/cache_record_replay: $B/obj/mtad/state/verify.o $B/obj/mtad/state/screened.o
$B/fuzz/mime $B/fuzz/mime_replay: $B/obj/tui/mime.o $B/obj/tui/mime_text.o $B/obj/mtactl/display.o

.PHONY: fuzz-replay fuzz-programs fuzz
fuzz-replay: $(foreach n,$(FUZZ_NAMES),$B/fuzz/$n_replay)
fuzz-programs: $(foreach n,$(FUZZ_NAMES),$B/fuzz/$n)
fuzz: ## fuzz each target for FUZZ_TIME (60) seconds in all; FUZZ_ONLY=name for one
	@$(MAKE) --no-print-directory VARIANT=fuzz CC=clang fuzz-programs
	@tests/fuzz/fuzz.sh time $$(( $(FUZZ_TIME) / $(words $(or $(FUZZ_ONLY),$(FUZZ_NAMES))) )) $(or $(FUZZ_ONLY),$(FUZZ_NAMES))
fuzz-soak:
	@$(MAKE) --no-print-directory VARIANT=fuzz CC=clang fuzz-programs
	@tests/fuzz/fuzz.sh runs $(FUZZ_RUNS) $(or $(FUZZ_ONLY),$(FUZZ_NAMES))
