# Programs that only measuring needs.
BENCH_C	:= $(wildcard tests/bench/*.c)
.PHONY: bench-programs
bench-programs: $(patsubst tests/bench/%.c,$B/bench/%,$(BENCH_C))
$B/bench/%: $B/obj/tests/bench/%.o $(LAYER_A)
	@mkdir -p $(@D)
	$(call say,LD)
	$(Q)$(CC) $(LDFLAGS) -o $@ $(filter %.o,$^) $(LAYER_LIBS) $(LIBS)
