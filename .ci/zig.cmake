# zig as the C++ compiler: it carries the libraries of every architecture and of old glibc versions.
# ZIG: the command, with spaces. ZIG_TARGET: such as aarch64-linux-gnu.2.17.
string(REGEX MATCH "^[^-]+" CMAKE_SYSTEM_PROCESSOR "$ENV{ZIG_TARGET}")
set(CMAKE_SYSTEM_NAME Linux)
separate_arguments(zig UNIX_COMMAND "$ENV{ZIG}")
set(CMAKE_C_COMPILER ${zig} cc -target $ENV{ZIG_TARGET})
set(CMAKE_CXX_COMPILER ${zig} c++ -target $ENV{ZIG_TARGET})
set(CMAKE_CXX_FLAGS_INIT "$ENV{ZIG_FLAGS}")
