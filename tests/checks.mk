# The steps around building: packages, the demo, tests, installation.

PREFIX	?= /usr/local
SBINDIR	= $(DESTDIR)$(PREFIX)/sbin
LIBEXECDIR = $(DESTDIR)$(PREFIX)/libexec/mtad
MANDIR	= $(DESTDIR)$(PREFIX)/share/man
UNITDIR	= $(DESTDIR)$(PREFIX)/lib/systemd/system
SETGID_GROUP ?= mtadrop
SUB	= $(MAKE) --no-print-directory VARIANT=$(VARIANT)

.PHONY: asan cover deps run screens check check-programs check-peers soak bench install help
asan: $(if $(filter-out asan,$(MAKECMDGOALS)),,all) ## with other goals: under the address and undefined-behaviour sanitizers
	@:
deps: ## install the Debian packages that building and testing need
	@tests/deps.sh build test peers
run: ## build, start the private demo under run/, open it (without a terminal: a tour as text)
	@tests/deps.sh build
	@$(SUB) all demo-programs
	@tests/demo/run.sh $B

screens: ## make the screens in README.md again, with the programs as they are
	@$(SUB) all demo-programs
	@tests/demo/screens.py $B README.md

check-programs: all unit-programs fuzz-replay demo-programs
check: ## unit, end-to-end, layer, size and fuzz tests; ends with "N passed, N failed"
	@tests/deps.sh build test
	@$(SUB) -j2 check-programs
	@/usr/bin/python3 tests/run.py --build $B check
check-peers: ## the same with real peers: Debian's postfix, nsd, swaks, msmtp, mutt
	@tests/deps.sh build test peers
	@$(SUB) -j2 check-programs
	@/usr/bin/python3 tests/run.py --build $B peers
soak: ## the long runs: a million executions a fuzz target, 50 crash rounds, 10,000 power cuts
	@tests/deps.sh build test peers
	@$(SUB) -j2 check-programs
	@CRASH_ROUNDS=50 POWERLOSS_CUTS=10000 /usr/bin/python3 tests/run.py --build $B soak
	@$(SUB) fuzz-soak
bench: ## measure beside Debian's Postfix and the floor; writes docs/benchmarks.md
	@tests/deps.sh build bench
	@$(SUB) -j2 all bench-programs
	@/usr/bin/python3 tests/bench/bench.py --build $B $(BENCH)
cover: ## line coverage of the unit tests, a line a file
	@$(SUB) -j2 unit-programs
	@for t in $(UNIT); do $$t >/dev/null 2>&1; done; tests/cover.sh $B

# Programs for the demo and the tests on the project's own layers, a source each: the scripted peer, the routing functions as a filter.
define helper_program
$B/tests/$(notdir $(1:.c=)): $B/obj/$(1:.c=.o) $(LAYER_A)
	@mkdir -p $$(@D)
	$$(call say,LD)
	$$(Q)$$(CC) $$(LDFLAGS) -o $$@ $$(filter %.o,$$^) $$(LAYER_LIBS) $$(LIBS)
endef
HELPERS	:= $(filter-out %/resolver_here.c,$(wildcard tests/demo/*.c tests/peers/*.c))	# its test makes that one, a library
$(foreach f,$(HELPERS),$(eval $(call helper_program,$(f))))
.PHONY: demo-programs
demo-programs: $(patsubst %.c,$B/tests/%,$(notdir $(HELPERS)))

POSTFIX_NAMES := postqueue mailq postcat postmulti postsuper postmap postalias postconf sendmail newaliases postfix
install: all ## install under DESTDIR and PREFIX; ALTERNATIVES=1 also links the Postfix names into sbin
	install -d $(SBINDIR) $(LIBEXECDIR) $(MANDIR)/man1 $(MANDIR)/man8 $(UNITDIR)
	install -m 755 $(wildcard $(addprefix $B/,$(PROGRAMS))) $(SBINDIR)
	[ ! -f $B/mtadrop ] || install -m 755 $B/mtadrop $(LIBEXECDIR)
	for n in $(POSTFIX_NAMES); do ln -sf ../../sbin/mtactl $(LIBEXECDIR)/$$n; done
	[ -z "$(ALTERNATIVES)" ] || for n in $(POSTFIX_NAMES); do ln -sf mtactl $(SBINDIR)/$$n; done
	for m in $(wildcard docs/*.1); do install -m 644 $$m $(MANDIR)/man1; done
	for m in $(wildcard docs/*.8); do install -m 644 $$m $(MANDIR)/man8; done
	sed 's|@PREFIX@|$(PREFIX)|g' docs/mtad.service >$(UNITDIR)/mtad.service
	chmod 644 $(UNITDIR)/mtad.service
	@echo
	@echo "Installed. What is left, once a machine, as root (mtad(8) says more):"
	@echo "  for u in mtad mtadq; do adduser --system --group --no-create-home \$$u; done"
	@echo "  groupadd -r $(SETGID_GROUP); chgrp $(SETGID_GROUP) $(PREFIX)/libexec/mtad/mtadrop; chmod 2755 $(PREFIX)/libexec/mtad/mtadrop"
	@echo "  mkdir -p /etc/mtad; cp /etc/postfix/main.cf /etc/postfix/master.cf /etc/mtad/   # or write them anew"
	@echo "  $(PREFIX)/sbin/mtalint /etc/mtad; $(PREFIX)/sbin/mtad -t                        # what is wrong, and what has no effect"
	@echo "  systemctl daemon-reload; systemctl enable --now mtad; $(PREFIX)/sbin/mtactl status"
help: ## this list
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/\1	\2/p' GNUmakefile tests/*.mk tests/*/*.mk | sort | awk -F'\t' '{ printf "  make %-12s %s\n", $$1, $$2 }'
