// Stands in for NVRTC: takes every source at once and writes it to $STAND_IN_SOURCES, for `compile.py` to compile.
//
//   cc -O2 -shared -fPIC -o libnvrtc.so fake_nvrtc.c
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef int Result;
typedef char *Program;
static const char PTX[] = "// compiled by nothing";

Result nvrtcCreateProgram(Program *program, const char *source, const char *name, int n, void *texts, void *names) {
    *program = strdup(source);
    return 0;
}
Result nvrtcCompileProgram(Program program, int n, const char **options) {
    static int last = 0;
    const char *folder = getenv("STAND_IN_SOURCES");
    char path[4096];
    if (!folder) return 0;
    snprintf(path, sizeof path, "%s/%05d.cu", folder, __sync_add_and_fetch(&last, 1));
    FILE *file = fopen(path, "w");
    if (!file) return 1;
    fputs(program, file);
    return fclose(file) ? 1 : 0;
}
Result nvrtcDestroyProgram(Program *program) { return free(*program), 0; }
Result nvrtcGetPTXSize(Program program, size_t *bytes) { return *bytes = sizeof PTX, 0; }
Result nvrtcGetPTX(Program program, char *to) { return memcpy(to, PTX, sizeof PTX), 0; }
Result nvrtcGetProgramLogSize(Program program, size_t *bytes) { return *bytes = 1, 0; }
Result nvrtcGetProgramLog(Program program, char *to) { return *to = 0, 0; }
const char *nvrtcGetErrorString(Result error) { return "the fake could not write the source"; }
