// cuDNN's graph API: a convolution and its two gradients wait for their stream, and are right.
#include "harness.hpp"

extern "C" {
int cudnnCreate(void **handle);
int cudnnSetStream(void *handle, void *stream);
int cudnnBackendCreateDescriptor(int kind, void **descriptor);
int cudnnBackendDestroyDescriptor(void *descriptor);
int cudnnBackendSetAttribute(void *descriptor, int name, int type, int64_t count, const void *values);
int cudnnBackendGetAttribute(void *descriptor, int name, int type, int64_t room, int64_t *count, void *into);
int cudnnBackendFinalize(void *descriptor);
int cudnnBackendExecute(void *handle, void *plan, void *pack);
}

// The numbers are those of cudnn_graph.h.
enum Kind { CONVOLUTION = 1, CONFIGURATION = 3, HEURISTICS = 4, PLAN = 5, FORWARD = 10, TO_WEIGHT = 11, TO_X = 12, GRAPH = 15, PACK = 16, TENSOR = 17 };
enum { INTEGERS = 3, POINTERS = 6, DESCRIPTORS = 15, NUMBERS = 1 };

static void *made(int kind) {
    void *descriptor;
    DEMAND(!cudnnBackendCreateDescriptor(kind, &descriptor));
    return descriptor;
}
static void set(void *descriptor, int name, std::vector<int64_t> values) {
    DEMAND(!cudnnBackendSetAttribute(descriptor, name, INTEGERS, (int64_t)values.size(), values.data()));
}
static void set_part(void *descriptor, int name, void *part) {
    DEMAND(!cudnnBackendSetAttribute(descriptor, name, DESCRIPTORS, 1, &part));
}
static void *finished(void *descriptor) {
    DEMAND(!cudnnBackendFinalize(descriptor));
    return descriptor;
}
static void *tensor(int64_t number, std::vector<int64_t> shape) { // f32, channels last
    void *t = made(TENSOR);
    int f32 = 0;
    DEMAND(!cudnnBackendSetAttribute(t, 901, NUMBERS, 1, &f32));
    set(t, 906, {number}), set(t, 902, shape), set(t, 900, {4});
    set(t, 903, {shape[1] * shape[2] * shape[3], 1, shape[3] * shape[1], shape[1]});
    return finished(t);
}

/// Two pictures of 1 x 1 pixels with two channels, one output: y = x w.
static void a_pass(Kind kind, std::vector<float> x, std::vector<float> weight, std::vector<float> y, std::vector<float> expected) {
    void *stream, *handle;
    DEMAND(!cuStreamCreate(&stream, 0) && !cudnnCreate(&handle) && !cudnnSetStream(handle, stream));
    void *convolution = made(CONVOLUTION);
    set(convolution, 102, {1, 1}), set(convolution, 103, {1, 1}), set(convolution, 104, {0, 0}), set(convolution, 105, {0, 0});
    int first = kind == FORWARD ? 702 : kind == TO_X ? 708 : 714;
    void *operation = made(kind);
    set_part(operation, first, finished(convolution));
    set_part(operation, first + 1, tensor(2, {1, 2, 1, 1}));
    set_part(operation, first + 2, tensor(1, {2, 2, 1, 1}));
    set_part(operation, first + 3, tensor(3, {2, 1, 1, 1}));
    void *graph = made(GRAPH), *heuristics = made(HEURISTICS), *configuration = made(CONFIGURATION), *plan = made(PLAN);
    set_part(graph, 801, finished(operation));
    set_part(heuristics, 201, finished(graph));
    int64_t count;
    DEMAND(!cudnnBackendGetAttribute(finished(heuristics), 202, DESCRIPTORS, 1, &count, &configuration));
    set_part(plan, 401, configuration);

    Buffer<float> bx(x), bw(weight), by(y), workspace(1024);
    void *pack = made(PACK), *at[] = {(void *)bx.at, (void *)bw.at, (void *)by.at}, *space = (void *)workspace.at;
    set(pack, 1000, {1, 2, 3});
    DEMAND(!cudnnBackendSetAttribute(pack, 1001, POINTERS, 3, at) && !cudnnBackendSetAttribute(pack, 1003, POINTERS, 1, &space));
    auto &result = kind == FORWARD ? by : kind == TO_X ? bx : bw;
    auto before = result.values(); // which waits for the copies above
    DEMAND(!cudnnBackendExecute(handle, finished(plan), finished(pack)));
    cudnnBackendDestroyDescriptor(plan), cudnnBackendDestroyDescriptor(pack); // it keeps what it needs
    DEMAND(result.values() == before);
    DEMAND(!cuStreamSynchronize(stream) && result.values() == expected);
}

std::vector<Check> convolution_checks() {
    return {
        {"a convolution in its stream's turn", [] { a_pass(FORWARD, {1, 2, 3, 4}, {10, 1}, {0, 0}, {12, 34}); }},
        {"a convolution's gradient of its pictures", [] { a_pass(TO_X, {0, 0, 0, 0}, {10, 1}, {2, 3}, {20, 2, 30, 3}); }},
        {"a convolution's gradient of its weights", [] { a_pass(TO_WEIGHT, {1, 2, 3, 4}, {0, 0}, {10, 1}, {13, 24}); }},
    };
}
