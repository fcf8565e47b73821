# Latency predictors.
lathe_lib_sources += \
	predictors/predictors.def predictors/predictor.c predictors/features.h predictors/features.c predictors/linear.c predictors/roofline.c
lathe_public_headers += src/lathe/predictor.h
