# Data sets, the weight-shared supernet, its training and evaluation.
lathe_lib_sources += \
	src/supernet/data_priv.h src/supernet/data.c src/supernet/data_test.c src/supernet/data_idx.c src/supernet/data_cifar10.c \
	src/supernet/data_synthetic.c src/supernet/data_batch.c \
	src/supernet/supernet_priv.h src/supernet/shared.c src/supernet/gather.c src/supernet/scatter.c src/supernet/weights_file.c \
	src/supernet/train_priv.h src/supernet/train.c src/supernet/worker.c src/supernet/threads.c src/supernet/schedule.c src/supernet/sgd.c \
	src/supernet/checkpoint.c src/supernet/evaluate.c src/supernet/profile.c
lathe_public_headers += src/lathe/data.h src/lathe/data_test.h src/lathe/supernet.h
