// The part of the CUDA driver that genred uses, on the host, for tests only: "binaries" name shared objects of kernels compiled
// with shim.h. Streams are queues that run only when somebody waits for them, so that memory which is touched too early shows;
// device memory ends at a guard page and begins filled with NaN.

#include <cstdarg>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <dlfcn.h>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <sys/mman.h>
#include <unistd.h>
#include <vector>

namespace {

std::recursive_mutex lock;
int devices = 2, version = 12040, fault = 0, order = 0;
size_t capacity = (size_t)1 << 40, used = 0, allocations = 0, launches = 0;
thread_local std::vector<int*> contexts;
int retained[16];

struct Event;

struct Stream {
    std::deque<std::function<int()>> queue;
    uint64_t queued = 0, done = 0;
    int failed = 0;

    void push(std::function<int()> work) {
        queue.push_back(std::move(work));
        ++queued;
    }

    // Run everything up to a number; an error sticks.
    int run(uint64_t until) {
        while (done < until) {
            auto work = std::move(queue.front());
            queue.pop_front();
            ++done;
            const int code = failed ? failed : work();
            failed = failed ? failed : code;
        }
        return failed;
    }
};

struct Event {
    Stream* stream = nullptr;
    uint64_t at = 0;
};

Stream standard;
std::map<uintptr_t, size_t> memory;

Stream* stream_of(void* handle) {
    return handle ? (Stream*)handle : &standard;
}

struct Kernel {
    void (*entry)(const unsigned*, unsigned, const void*, int);
    size_t arguments;
};

struct Module {
    void* library;
    std::string prefix;
};

// What processes that are not the test itself are told by the environment; SHIM_MARK is a file that says that the driver was loaded.
struct Environment {
    Environment() {
        const auto number = [](const char* name, long long otherwise) {
            const char* text = getenv(name);
            return text ? atoll(text) : otherwise;
        };
        devices = (int)number("SHIM_DEVICES", devices);
        version = (int)number("SHIM_VERSION", version);
        capacity = (size_t)number("SHIM_CAPACITY", (long long)capacity);
        fault = (int)number("SHIM_FAULT", fault);
        if (const char* mark = getenv("SHIM_MARK")) {
            if (FILE* file = fopen(mark, "w")) {
                fclose(file);
            }
        }
    }
} environment;

bool current() {
    return !contexts.empty();
}

}  // namespace

#define GUARD                                                 \
    std::lock_guard<std::recursive_mutex> held(lock);         \
    if (!current()) {                                         \
        return 201;                                           \
    }

extern "C" {

// What tests set and ask.
void shim_configure(int new_devices, int new_version, size_t new_capacity) {
    devices = new_devices;
    version = new_version;
    capacity = new_capacity;
}
void shim_fault(int code) { fault = code; }
void shim_order(int new_order) { order = new_order; }
size_t shim_used() { return used; }
size_t shim_allocations() { return allocations; }
size_t shim_launches() { return launches; }
int shim_retained() { return retained[0] + retained[1]; }

int cuInit(unsigned) { return 0; }
int cuDriverGetVersion(int* out) { *out = version; return 0; }
int cuGetErrorName(int code, const char** out) {
    *out = code == 2 ? "CUDA_ERROR_OUT_OF_MEMORY" : code == 700 ? "CUDA_ERROR_ILLEGAL_ADDRESS" : nullptr;
    return *out ? 0 : 1;
}
int cuGetErrorString(int code, const char** out) {
    *out = code == 2 ? "out of memory" : code == 700 ? "an illegal memory access was encountered" : nullptr;
    return *out ? 0 : 1;
}
int cuDeviceGetCount(int* out) { *out = devices; return devices ? 0 : 100; }
int cuDeviceGet(int* out, int ordinal) { *out = ordinal + 40; return ordinal < devices ? 0 : 101; }
int cuDeviceGetName(char* out, int len, int device) {
    snprintf(out, len, "Shim %d", device - 40);
    return 0;
}
int cuDeviceGetAttribute(int* out, int attribute, int) {
    *out = attribute == 13 ? 1000000 : attribute == 16 ? 4 : attribute == 75 ? 9 : attribute == 76 ? 0 : -1;
    return *out < 0 ? 1 : 0;
}
int cuDeviceTotalMem_v2(size_t* out, int) { *out = capacity; return 0; }
int cuDevicePrimaryCtxRetain(void** out, int device) {
    std::lock_guard<std::recursive_mutex> held(lock);
    *out = &retained[device - 40];
    ++retained[device - 40];
    return 0;
}
int cuDevicePrimaryCtxRelease_v2(int device) {
    std::lock_guard<std::recursive_mutex> held(lock);
    --retained[device - 40];
    return 0;
}
int cuCtxPushCurrent_v2(void* context) { contexts.push_back((int*)context); return *(int*)context > 0 ? 0 : 201; }
int cuCtxPopCurrent_v2(void** out) {
    if (contexts.empty()) {
        return 201;
    }
    *out = contexts.back();
    contexts.pop_back();
    return 0;
}
int cuMemGetInfo_v2(size_t* free, size_t* total) {
    GUARD
    *free = capacity - used;
    *total = capacity;
    return 0;
}
int cuMemAlloc_v2(uint64_t* out, size_t bytes) {
    GUARD
    if (used + bytes > capacity) {
        return 2;
    }
    const size_t page = sysconf(_SC_PAGESIZE), kept = (bytes + 15) / 16 * 16, pages = (kept + page - 1) / page * page;
    char* base = (char*)mmap(nullptr, pages + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (base == MAP_FAILED || mprotect(base + pages, page, PROT_NONE) != 0) {
        return 2;
    }
    memset(base, 0xff, pages);
    char* start = base + pages - kept;
    memory[(uintptr_t)start] = bytes;
    used += bytes;
    ++allocations;
    *out = (uint64_t)(uintptr_t)start;
    return 0;
}
int cuMemFree_v2(uint64_t address) {
    GUARD
    const auto found = memory.find((uintptr_t)address);
    if (found == memory.end()) {
        return 1;
    }
    const size_t page = sysconf(_SC_PAGESIZE), kept = (found->second + 15) / 16 * 16, pages = (kept + page - 1) / page * page;
    used -= found->second;
    munmap((char*)address + kept - pages, pages + page);
    memory.erase(found);
    return 0;
}
int cuMemHostAlloc(void** out, size_t bytes, unsigned) {
    GUARD
    *out = malloc(bytes);
    return 0;
}
int cuMemFreeHost(void* data) {
    GUARD
    free(data);
    return 0;
}
int cuMemcpyHtoDAsync_v2(uint64_t to, const void* from, size_t bytes, void* stream) {
    GUARD
    stream_of(stream)->push([=] { memcpy((void*)to, from, bytes); return 0; });
    return 0;
}
int cuMemcpyDtoHAsync_v2(void* to, uint64_t from, size_t bytes, void* stream) {
    GUARD
    stream_of(stream)->push([=] { memcpy(to, (const void*)from, bytes); return 0; });
    return 0;
}
int cuStreamCreate(void** out, unsigned) {
    GUARD
    *out = new Stream;
    return 0;
}
int cuStreamSynchronize(void* stream) {
    GUARD
    Stream* s = stream_of(stream);
    return s->run(s->queued);
}
int cuStreamDestroy_v2(void* stream) {
    GUARD
    // Work that was queued is finished; events that were recorded on it stay reached.
    Stream* s = (Stream*)stream;
    s->run(s->queued);
    return 0;
}
int cuStreamWaitEvent(void* stream, void* event, unsigned) {
    GUARD
    const Event e = *(Event*)event;
    if (e.stream) {
        stream_of(stream)->push([=] { return e.stream->run(e.at); });
    }
    return 0;
}
int cuEventCreate(void** out, unsigned) {
    GUARD
    *out = new Event;
    return 0;
}
int cuEventRecord(void* event, void* stream) {
    GUARD
    *(Event*)event = {stream_of(stream), stream_of(stream)->queued};
    return 0;
}
int cuEventSynchronize(void* event) {
    GUARD
    const Event e = *(Event*)event;
    return e.stream ? e.stream->run(e.at) : 0;
}
int cuEventElapsedTime(float* out, void*, void*) {
    GUARD
    *out = 1.0f;
    return 0;
}
int cuEventDestroy_v2(void* event) {
    GUARD
    delete (Event*)event;
    return 0;
}
// An image is "SHIM", the prefix of the kernels' names, a colon, the path of their library, NUL.
int cuModuleLoadData(void** out, const void* image) {
    GUARD
    const char* text = (const char*)image;
    if (strncmp(text, "SHIM", 4) != 0) {
        return 200;
    }
    const std::string all = text + 4;
    const size_t colon = all.find(':');
    void* library = dlopen(all.c_str() + colon + 1, RTLD_NOW | RTLD_LOCAL);
    if (!library) {
        fprintf(stderr, "%s\n", dlerror());
        return 200;
    }
    *out = new Module{library, all.substr(0, colon)};
    return 0;
}
int cuModuleUnload(void* module) {
    GUARD
    delete (Module*)module;
    return 0;
}
int cuModuleGetFunction(void** out, void* module, const char* name) {
    GUARD
    Module* m = (Module*)module;
    void* symbol = dlsym(m->library, (m->prefix + "_" + name).c_str());
    if (!symbol) {
        return 500;
    }
    const void* size = dlsym(m->library, (m->prefix + "_" + name + "_arguments").c_str());
    *out = new Kernel{(void (*)(const unsigned*, unsigned, const void*, int))symbol, *(const size_t*)size};
    return 0;
}
int cuLaunchKernel(void* function, unsigned x, unsigned y, unsigned z, unsigned threads, unsigned, unsigned, unsigned,
                   void* stream, void** parameters, void**) {
    GUARD
    const Kernel kernel = *(Kernel*)function;
    // As the real one does: arguments are copied now.
    const char* given = (const char*)parameters[0];
    const std::vector<char> arguments(given, given + kernel.arguments);
    ++launches;
    stream_of(stream)->push([=] {
        if (fault) {
            return fault;
        }
        const unsigned grid[3] = {x, y, z};
        kernel.entry(grid, threads, arguments.data(), order);
        return 0;
    });
    return 0;
}

}  // extern "C"
