# Search spaces: YAML files that users copy and edit, and the block library behind them.
lathe_lib_sources += \
	spaces/space_priv.h spaces/value.h spaces/space.c spaces/space_yaml.c spaces/read.c spaces/value.c spaces/expr.c \
	spaces/include.c spaces/genes.c spaces/vary.c spaces/big.h spaces/big.c spaces/count.c spaces/arch_text.c spaces/expand.c \
	spaces/bodies.def spaces/bodies.c spaces/stages.h spaces/stages.c spaces/stages_read.c spaces/stages_fields.c \
	spaces/stages_text.c spaces/head.h spaces/head.c spaces/head_ssdlite.c \
	spaces/table.h spaces/table.c spaces/table_read.c spaces/networks.c \
	spaces/costs.h spaces/costs.c spaces/range.c spaces/draw.c spaces/seg_cost.h spaces/seg_cost.c \
	spaces/blocks.h spaces/blocks.def spaces/blocks.c spaces/conv.c spaces/mbconv.c spaces/skip.c spaces/fused_mbconv.c \
	spaces/tucker.c spaces/bottleneck.c spaces/separable.c spaces/pool.c
lathe_public_headers += src/lathe/space.h
dist_spaces_DATA += spaces/mobile28.yaml spaces/mobile32.yaml
EXTRA_DIST += docs/formats/space.md
dist_spaces_DATA += spaces/tiny.yaml spaces/ofa-mobilenetv3.yaml spaces/fbnet.yaml \
	spaces/fbnet-released.yaml spaces/fbnet-released-bc.yaml spaces/mobilenet-v2.yaml spaces/mobilenet-v3-large.yaml spaces/proxyless.yaml spaces/resnet50.yaml \
	spaces/ofa-resnet50.yaml spaces/mnasnet.yaml spaces/mobiledets.yaml spaces/mobiledet-cpu.yaml spaces/mobilenet-v2-ssdlite.yaml
lathe_lib_sources += spaces/cell.c spaces/cell.h spaces/cell_build.c spaces/cell_genes.c spaces/cell_ops.c spaces/cell_text.c spaces/cell_view.c spaces/cell_yaml.c
dist_spaces_DATA += spaces/nasbench201.yaml spaces/darts.yaml
lathe_lib_sources += spaces/token_parts.h spaces/token_parts.c spaces/patches.c spaces/embedding.c spaces/transformer.c spaces/decoder.c spaces/hiera.c spaces/nextvit.c
dist_spaces_DATA += spaces/vit.yaml spaces/bert.yaml spaces/hat.yaml spaces/hybrid-lm.yaml spaces/hiera.yaml spaces/next-vit.yaml
dist_spaces_DATA += docs/space.schema.json
EXTRA_DIST += docs/formats/cells.md
