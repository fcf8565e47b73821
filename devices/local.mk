# Devices: what times a graph.
lathe_lib_sources += \
	devices/devices.h devices/devices.def devices/devices.c devices/host.c devices/roofline.c devices/table.c devices/fake.c
lathe_public_headers += src/lathe/device.h
