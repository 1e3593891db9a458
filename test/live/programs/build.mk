# Forty targets that depend on each other in layers; the last one sums up. For make -j4.
SHELL = /bin/sh
WORK = n=$(1); i=0; while [ $$i -lt 30000 ]; do n=$$(((n * 1103515245 + i) & 2147483647)); i=$$((i + 1)); done; echo $$n > $@
FIRST = $(addprefix a,$(shell seq 20))
SECOND = $(addprefix b,$(shell seq 20))

all: $(SECOND)
	@echo RESULT $$(cat $(FIRST) $(SECOND) | sort | cksum)
start:
	@echo READY
$(FIRST): a%: start
	@$(call WORK,$*)
b%: a%
	@$(call WORK,$$(cat $<))
.PHONY: all start
