# Search spaces: YAML files that users copy and edit, and the block library behind them.
lathe_lib_sources += \
	spaces/space_priv.h spaces/space.c spaces/space_yaml.c spaces/arch_text.c spaces/vary.c spaces/expand.c \
	spaces/blocks.h spaces/blocks.def spaces/blocks.c spaces/conv.c spaces/mbconv.c
lathe_public_headers += src/lathe/space.h
dist_spaces_DATA += spaces/mobile28.yaml spaces/mobile32.yaml
EXTRA_DIST += docs/formats/space.md
dist_spaces_DATA += spaces/tiny.yaml
