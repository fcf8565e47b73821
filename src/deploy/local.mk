# Room: deployment bundles.
lathe_lib_sources += \
	src/deploy/deploy_priv.h src/deploy/bundle.c src/deploy/config_yaml.c src/deploy/sample.c src/deploy/program.c src/deploy/verify.c
lathe_public_headers += src/lathe/deploy.h
EXTRA_DIST += docs/formats/bundle.md
