# Room: experiment, store, engine, the stages of a run, report.
lathe_lib_sources += src/run/experiment.c src/run/experiment_flat.c src/run/experiment_goal.c src/run/experiment_plugin.c src/run/experiment_priv.h src/run/experiment.h src/run/yaml_edit.c src/run/yaml_edit.h src/run/store.c src/run/syncer.c src/run/syncer.h src/run/store.h \
  src/run/engine.c src/run/engine.h src/run/late.c src/run/late.h src/run/attain.c src/run/attain.h src/run/baseline.c src/run/baseline.h \
  src/run/evaluator.c src/run/evaluator.h src/run/evaluators.def src/run/eval_table.c src/run/eval_command.c src/run/spawn.c src/run/spawn.h src/run/run.c src/run/begin.c src/run/run.h src/run/run_util.c src/run/stages.h src/run/stage_measure.c src/run/stage_predict.c \
  src/run/stage_train.c src/run/stage_search.c src/run/stage_verify.c src/run/stage_quantize.c src/run/stage_final.c src/run/stage_deploy.c \
  src/run/final.c src/run/final.h src/run/estimate.c src/run/peaks.c src/run/peaks.h src/run/summary.c src/run/summary_search.c src/run/summary_text.c src/run/report.c src/run/page.c src/run/page.h
lathe_public_headers += src/lathe/report.h

# The page of the report as a C string.
src/run/report_page.inc: src/run/report_page.html
	@$(MKDIR_P) src/run
	$(AM_V_GEN)( echo 'static const char report_page[] ='; $(SED) -e 's/\\/\\\\/g' -e 's/"/\\"/g' -e 's/^/  "/' -e 's/$$/\\n"/' $(srcdir)/src/run/report_page.html; echo '  ;' ) > $@.tmp && mv $@.tmp $@
BUILT_SOURCES += src/run/report_page.inc
CLEANFILES += src/run/report_page.inc
EXTRA_DIST += src/run/report_page.html
# BUILT_SOURCES serves "make all" and "make check" only; this serves "make lathe" as well.
src/run/report.$(OBJEXT): src/run/report_page.inc
