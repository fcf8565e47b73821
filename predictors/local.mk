# Latency predictors.
lathe_lib_sources += \
	predictors/predictors.def predictors/predictor.c predictors/predictor_priv.h predictors/predictor_file.c predictors/propose.c predictors/holdout.c \
	predictors/model_file.h predictors/model_file.c predictors/latency_set.c predictors/latency_set_table.c predictors/latency_set_priv.h \
	predictors/arch_table.c predictors/features.h predictors/features.c predictors/eigen.h predictors/eigen.c predictors/select.h predictors/select.c predictors/ridge.h predictors/ridge.c predictors/pairs.h predictors/pairs.c predictors/linear.c predictors/roofline.c
# small networks that are trained, and what is made of them
lathe_lib_sources += predictors/nn.h predictors/nn_priv.h predictors/nn.c predictors/nn_ops.c predictors/nn_attend.c predictors/nn_hessian.c predictors/nn_learn.c predictors/mlp.c
lathe_lib_sources += predictors/lut.c
lathe_lib_sources += predictors/evaluate.h predictors/evaluate.c predictors/reference.c
# HELP, BRP-NAS, NASFLAT
lathe_lib_sources += predictors/nn_space.h predictors/nn_space.c predictors/gcn.c \
	predictors/help_priv.h predictors/help.c predictors/help_net.h predictors/help_net.c predictors/help_learn.c predictors/help_adapt.c predictors/help_refs.c \
	predictors/nasflat_priv.h predictors/nasflat.c predictors/nasflat_net.c predictors/nasflat_learn.c predictors/nasflat_propose.c
lathe_public_headers += src/lathe/predictor.h src/lathe/latency_set.h
lathe_lib_sources += predictors/fewshot.c predictors/fewshot_priv.h predictors/fewshot_adapt.c predictors/fewshot_propose.c \
	predictors/fewshot_basis.h predictors/fewshot_basis.c predictors/fewshot_basis_file.c predictors/fewshot_raw.c predictors/fewshot_table.c \
	predictors/fewshot_survey.h predictors/fewshot_survey.c predictors/fewshot_maps.c \
	predictors/fewshot_learn.h predictors/fewshot_learn.c predictors/fewshot_episodes.c \
	predictors/fewshot_mix.c predictors/fewshot_mix.h predictors/fewshot_math.c predictors/fewshot_math.h
