// Stands in for cuDNN's graph API where there is no GPU, beside the fake for the driver: it takes the description of
// one convolution, checks that the parts fit one another, and computes small ones on the host, where the fake's
// buffers are. Larger ones are written to $STAND_IN_LOG, as a launch with sizes for a grid, and not computed.
//
//   cc -O2 -shared -fPIC -o libcuda.so fake_driver.c fake_cudnn.c && ln -s libcuda.so libcudnn.so
//
// The numbers are those of cudnn_graph.h.
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef int Status;
typedef void *Handle;
enum { OK = 0, BAD_PARAMETER = 2000 };
enum { CANDIDATES = 3 };
enum { FLOAT = 0, BFLOAT16 = 9 };                                              // of numbers
enum { TYPE_DESCRIPTOR = 15 };                                                 // of attributes
enum {                                                                         // kinds of descriptors
    ENGINE = 2, ENGINE_CONFIG = 3, HEURISTICS = 4, PLAN = 5, FORWARD = 10, TO_WEIGHT = 11, TO_X = 12, GRAPH = 15, PACK = 16,
};

// Of the driver beside it: writes to the journal, and does `work` in the stream's turn, computing it or not.
void fake_say(const char *format, ...);
void fake_run(Handle stream, double products, void (*work)(void *data, int computes), void *data);

typedef struct Attribute {
    int name, type;
    int64_t count;
    void *values;
    struct Attribute *next;
} Attribute;
typedef struct {
    int kind, finished, users;
    Attribute *attributes;
} Descriptor;

static const char *why = "";
static Status refuse(const char *reason) { return why = reason, BAD_PARAMETER; }

static size_t size_of(int type) {
    switch (type) {
    case 0: case 3: case 5: case 6: case 15: return 8;
    case 24: return 1;
    default: return 4;
    }
}

static void leave(Descriptor *descriptor) {
    if (!descriptor || --descriptor->users) return;
    for (Attribute *a = descriptor->attributes, *next; a; a = next) {
        next = a->next;
        if (a->type == TYPE_DESCRIPTOR)
            for (int64_t i = 0; i < a->count; i++) leave(((Descriptor **)a->values)[i]);
        free(a->values), free(a);
    }
    free(descriptor);
}

static Attribute *find(const Descriptor *descriptor, int name) {
    for (Attribute *a = descriptor ? descriptor->attributes : NULL; a; a = a->next)
        if (a->name == name) return a;
    return NULL;
}
static const void *values(const Descriptor *descriptor, int name) {
    const Attribute *found = find(descriptor, name);
    return found ? found->values : NULL;
}
static const Descriptor *part(const Descriptor *descriptor, int name) {
    Descriptor *const *found = values(descriptor, name);
    return found ? *found : NULL;
}

size_t cudnnGetVersion(void) { return 91300; }
const char *cudnnGetErrorString(Status status) { return status ? "the fake refused it" : "success"; }
void cudnnGetLastErrorString(char *words, size_t room) { snprintf(words, room, "%s", why); }
Status cudnnCreate(Handle *handle) { return *handle = calloc(1, 64), OK; }
Status cudnnDestroy(Handle handle) { return free(handle), OK; }
Status cudnnSetStream(Handle handle, Handle stream) {
    return handle && stream ? (*(Handle *)handle = stream, OK) : refuse("no handle, or a stream that waits for all others");
}
Status cudnnBackendCreateDescriptor(int kind, Descriptor **descriptor) {
    *descriptor = calloc(1, sizeof(Descriptor));
    **descriptor = (Descriptor){.kind = kind, .users = 1};
    return OK;
}
Status cudnnBackendDestroyDescriptor(Descriptor *descriptor) { return leave(descriptor), OK; }

Status cudnnBackendSetAttribute(Descriptor *descriptor, int name, int type, int64_t count, const void *from) {
    if (descriptor->finished) return refuse("a finished descriptor does not change");
    if (type == TYPE_DESCRIPTOR)
        for (int64_t i = 0; i < count; i++) {
            Descriptor *part = ((Descriptor *const *)from)[i];
            if (!part->finished) return refuse("a part is not finished");
            part->users++;
        }
    Attribute *attribute = malloc(sizeof(Attribute));
    *attribute = (Attribute){name, type, count, malloc(count * size_of(type)), descriptor->attributes};
    memcpy(attribute->values, from, count * size_of(type));
    descriptor->attributes = attribute;
    return OK;
}

// A convolution's operation, and its tensors by their roles.
typedef struct {
    int kind;
    const Descriptor *convolution, *x, *weight, *y;
} Operation;

static Operation operation(const Descriptor *graph) {
    const Descriptor *operation = part(graph, 801);
    int kind = operation ? operation->kind : 0;
    if (kind == FORWARD) return (Operation){kind, part(operation, 702), part(operation, 704), part(operation, 703), part(operation, 705)};
    if (kind == TO_X) return (Operation){kind, part(operation, 708), part(operation, 710), part(operation, 709), part(operation, 711)};
    if (kind == TO_WEIGHT) return (Operation){kind, part(operation, 714), part(operation, 716), part(operation, 715), part(operation, 717)};
    return (Operation){0};
}

static const int64_t *shape(const Descriptor *tensor) { return values(tensor, 902); }
static const int64_t *steps(const Descriptor *tensor) { return values(tensor, 903); }
static int64_t uid(const Descriptor *tensor) { return *(const int64_t *)values(tensor, 906); }
static int numbers(const Descriptor *tensor) { return *(const int *)values(tensor, 901); }

static Status check(const Descriptor *graph) {
    Operation o = operation(graph);
    if (!o.convolution || !o.x || !o.weight || !o.y) return refuse("a part of the convolution is missing");
    const Descriptor *tensors[] = {o.x, o.weight, o.y};
    for (int i = 0; i < 3; i++) {
        const int64_t *d = shape(tensors[i]), *s = steps(tensors[i]);
        if (s[1] != 1 || s[3] != d[1] || s[2] != d[3] * d[1] || s[0] != d[2] * s[2]) return refuse("channels are not last");
        if (numbers(tensors[i]) != numbers(o.x)) return refuse("numbers of several types");
    }
    const int64_t *x = shape(o.x), *w = shape(o.weight), *y = shape(o.y);
    const int64_t *before = values(o.convolution, 105), *after = values(o.convolution, 104);
    const int64_t *stride = values(o.convolution, 103), *dilation = values(o.convolution, 102);
    if (y[0] != x[0] || y[1] != w[0] || x[1] % w[1] || w[0] % (x[1] / w[1])) return refuse("channels do not fit");
    for (int i = 0; i < 2; i++)
        if (y[2 + i] != (x[2 + i] + before[i] + after[i] - dilation[i] * (w[2 + i] - 1) - 1) / stride[i] + 1)
            return refuse("sides do not fit");
    return OK;
}

Status cudnnBackendFinalize(Descriptor *descriptor) {
    if (descriptor->finished) return refuse("it is finished already");
    descriptor->finished = 1;
    return descriptor->kind == GRAPH ? check(descriptor) : OK;
}

// Hands parts out by writing over descriptors that the caller made.
static void copy(const Descriptor *from, Descriptor *to) {
    for (const Attribute *a = from->attributes; a; a = a->next)
        cudnnBackendSetAttribute(to, a->name, a->type, a->count, a->values);
    to->finished = 1;
}
Status cudnnBackendGetAttribute(Descriptor *descriptor, int name, int type, int64_t room, int64_t *count, void *into) {
    if (!descriptor->finished) return refuse("it is not finished");
    if (descriptor->kind == HEURISTICS && name == 202) { // a few candidates, which lead back to the graph
        *count = CANDIDATES;
        Descriptor *graph = (Descriptor *)part(descriptor, 201);
        for (int64_t i = 0; into && i < room && i < CANDIDATES; i++) {
            Descriptor *config = ((Descriptor **)into)[i];
            cudnnBackendSetAttribute(config, 200, TYPE_DESCRIPTOR, 1, &graph);
            config->finished = 1;
        }
        return OK;
    }
    if (descriptor->kind == ENGINE_CONFIG && name == 300) return copy(descriptor, *(Descriptor **)into), *count = 1, OK;
    if (descriptor->kind == ENGINE && name == 1303) return *count = 1, *(uint32_t *)into = 0, OK;
    if (descriptor->kind == PLAN && name == 402) return *count = 1, *(int64_t *)into = 4096, OK;
    return refuse("an attribute that the fake does not have");
}

static double number(const void *memory, int type, int64_t place) {
    if (type == FLOAT) return ((const float *)memory)[place];
    uint32_t bits = (uint32_t)((const uint16_t *)memory)[place] << 16;
    float value;
    return memcpy(&value, &bits, 4), value;
}
static void write(void *memory, int type, int64_t place, double sum) {
    float value = (float)sum;
    uint32_t bits;
    memcpy(&bits, &value, 4);
    if (type == FLOAT) ((float *)memory)[place] = value;
    else ((uint16_t *)memory)[place] = (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

// Goes through every product of the convolution, and adds it where it belongs.
static void compute(Operation o, void *x_at, void *w_at, void *y_at) {
    const int64_t *x = shape(o.x), *w = shape(o.weight), *y = shape(o.y);
    const int64_t *before = values(o.convolution, 105), *stride = values(o.convolution, 103);
    const int64_t *dilation = values(o.convolution, 102);
    const Descriptor *to = o.kind == FORWARD ? o.y : o.kind == TO_X ? o.x : o.weight;
    void *at = o.kind == FORWARD ? y_at : o.kind == TO_X ? x_at : w_at;
    int type = numbers(o.x);
    int64_t count = shape(to)[0] * shape(to)[1] * shape(to)[2] * shape(to)[3];
    int64_t group = w[0] / (x[1] / w[1]);
    double *sums = calloc(count, sizeof(double));
#define PLACE(tensor, n, c, h, v) ((n) * steps(tensor)[0] + (c) + (h) * steps(tensor)[2] + (v) * steps(tensor)[3])
    for (int64_t n = 0; n < y[0]; n++)
    for (int64_t k = 0; k < y[1]; k++)
    for (int64_t h = 0; h < y[2]; h++)
    for (int64_t v = 0; v < y[3]; v++)
    for (int64_t c = 0; c < w[1]; c++)
    for (int64_t i = 0; i < w[2]; i++)
    for (int64_t j = 0; j < w[3]; j++) {
        int64_t row = h * stride[0] - before[0] + i * dilation[0], column = v * stride[1] - before[1] + j * dilation[1];
        if (row < 0 || row >= x[2] || column < 0 || column >= x[3]) continue;
        int64_t px = PLACE(o.x, n, k / group * w[1] + c, row, column), pw = PLACE(o.weight, k, c, i, j);
        int64_t py = PLACE(o.y, n, k, h, v);
        if (o.kind == FORWARD) sums[py] += number(x_at, type, px) * number(w_at, type, pw);
        else if (o.kind == TO_X) sums[px] += number(y_at, type, py) * number(w_at, type, pw);
        else sums[pw] += number(y_at, type, py) * number(x_at, type, px);
    }
    for (int64_t i = 0; i < count; i++) write(at, type, i, sums[i]);
    free(sums);
}

// A convolution that waits for its stream's turn: its descriptors may be destroyed before.
typedef struct {
    Operation operation;
    void *at[3];
    Descriptor *configuration;
} Task;
static void run_task(void *data, int computes) {
    Task *task = data;
    if (computes) compute(task->operation, task->at[0], task->at[1], task->at[2]);
    leave(task->configuration), free(task);
}
Status cudnnBackendExecute(Handle handle, const Descriptor *plan, const Descriptor *pack) {
    if (plan->kind != PLAN || !plan->finished || pack->kind != PACK || !pack->finished) return refuse("no plan, or no pack");
    Operation o = operation(part(part(plan, 401), 200));
    const int64_t *uids = values(pack, 1000);
    void *const *pointers = values(pack, 1001), *at[3] = {0};
    const Descriptor *tensors[] = {o.x, o.weight, o.y};
    for (int i = 0; i < 3; i++)
        for (int j = 0; j < find(pack, 1000)->count; j++)
            if (uids[j] == uid(tensors[i])) at[i] = pointers[j];
    if (!at[0] || !at[1] || !at[2] || !*(void *const *)values(pack, 1003)) return refuse("a buffer is missing");
    for (int i = 0; i < 3; i++)
        if ((uintptr_t)at[i] % *(const int64_t *)values(tensors[i], 900)) return refuse("a buffer lies askew");
    const int64_t *x = shape(o.x), *w = shape(o.weight), *y = shape(o.y);
    const char *name = o.kind == FORWARD ? "forward" : o.kind == TO_X ? "to_x" : "to_weight";
    fake_say("launch 0 cudnn_convolution_%s %ld %ld %ld %ld %ld %ld 0\n", name, (long)y[0], (long)(y[2] * y[3]),
                 (long)y[1], (long)x[1], (long)w[2], (long)w[3]);
    double products = (double)y[0] * y[1] * y[2] * y[3] * w[1] * w[2] * w[3];
    Task *task = malloc(sizeof(Task));
    *task = (Task){o, {at[0], at[1], at[2]}, (Descriptor *)part(part(plan, 401), 200)};
    task->configuration->users++;
    fake_run(*(Handle *)handle, products, run_task, task);
    return OK;
}
