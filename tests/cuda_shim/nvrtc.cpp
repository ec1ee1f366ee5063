// The part of NVRTC that genred uses, on the host, for tests only: a "CUBIN" names a shared object that the host's compiler made of
// the source with shim.h, for the driver of driver.cpp. SHIM_SCRATCH is where it goes, SHIM_INCLUDE where shim.h is.

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <unistd.h>

namespace {
struct Program {
    std::string source, log, cubin;
};
int made = 0;
}  // namespace

extern "C" {

int nvrtcVersion(int* major, int* minor) { *major = 12; *minor = 4; return 0; }
const char* nvrtcGetErrorString(int) { return "NVRTC_ERROR_COMPILATION"; }
int nvrtcGetNumSupportedArchs(int* out) { *out = 2; return 0; }
int nvrtcGetSupportedArchs(int* out) { out[0] = 75; out[1] = 90; return 0; }
int nvrtcCreateProgram(void** out, const char* source, const char*, int, const char* const*, const char* const*) {
    *out = new Program{source, "", ""};
    return 0;
}
int nvrtcDestroyProgram(void** program) { delete (Program*)*program; *program = nullptr; return 0; }
int nvrtcCompileProgram(void* handle, int, const char* const*) {
    Program* p = (Program*)handle;
    const std::string stem = std::string(getenv("SHIM_SCRATCH")) + "/nvrtc" + std::to_string(getpid()) + "_" + std::to_string(made++);
    std::string text = p->source;
    for (size_t at; (at = text.find("extern \"C\" ")) != std::string::npos;) {
        text.erase(at, 11);
    }
    text = "#include \"shim.h\"\nnamespace k0 {\n" + text + "\n}\n";
    for (const char* name : {"param", "prepare", "pair", "merge", "finish"}) {
        if (text.find("genred_" + std::string(name) + "(") != std::string::npos) {
            text += "SHIM_ENTRY(k0, genred_" + std::string(name) + ")\n";
        }
    }
    FILE* file = fopen((stem + ".cpp").c_str(), "w");
    fputs(text.c_str(), file);
    fclose(file);
    const std::string command = "${CXX:-g++} -std=c++17 -shared -fPIC -O1 -mfma -ffp-contract=off -w -I '" + std::string(getenv("SHIM_INCLUDE")) +
                                "' '" + stem + ".cpp' -o '" + stem + ".so'";
    if (system(command.c_str()) != 0) {
        p->log = "the host's compiler refuses it";
        return 6;
    }
    p->cubin = "SHIMk0:" + stem + ".so";
    return 0;
}
int nvrtcGetProgramLogSize(void* p, size_t* out) { *out = ((Program*)p)->log.size() + 1; return 0; }
int nvrtcGetProgramLog(void* p, char* out) { strcpy(out, ((Program*)p)->log.c_str()); return 0; }
int nvrtcGetCUBINSize(void* p, size_t* out) { *out = ((Program*)p)->cubin.size() + 1; return 0; }
int nvrtcGetCUBIN(void* p, char* out) { memcpy(out, ((Program*)p)->cubin.c_str(), ((Program*)p)->cubin.size() + 1); return 0; }

}  // extern "C"
