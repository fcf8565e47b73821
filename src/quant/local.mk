# Room: observers, sensitivity, bit assignment.
lathe_lib_sources += \
	src/quant/quant_priv.h src/quant/metrics.def src/quant/metrics.c src/quant/options.c src/quant/observer.c src/quant/evaluate.c \
	src/quant/metric_qe.c src/quant/metric_noise.c src/quant/metric_hessian.c \
	src/quant/order.c src/quant/bisect.c src/quant/greedy.c src/quant/search.c src/quant/quantize.c
lathe_public_headers += src/lathe/quant.h
