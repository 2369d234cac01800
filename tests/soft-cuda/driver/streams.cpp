// Streams and events. Work is done as late as CUDA allows: when the host waits for its stream or for an event behind it,
// when another stream that waits for such an event gets its turn, or when memory is freed. With SOFT_CUDA_LATE=0 it is
// done as it is asked for.
#include <chrono>
#include <deque>
#include <mutex>
#include <vector>
#include "driver.hpp"

namespace {
struct Stream;
struct Event {
    Stream *stream = nullptr;
    unsigned long number = 0;
    double ms = 0;
};
struct Work {
    std::function<void()> run;
    Event waits;
};
struct Stream {
    std::deque<Work> queue;
    unsigned long asked = 0, done = 0;
    bool busy = false;
};
// Recursive: work that is done may wait for another stream's.
std::recursive_mutex lock;
Stream default_stream;
std::vector<Stream *> streams = {&default_stream};

Stream *stream_of(Handle handle) { return handle > (Handle)2 ? (Stream *)handle : &default_stream; }

void advance(Stream *stream, unsigned long until) {
    while (stream->done < until && !stream->queue.empty()) {
        if (stream->busy) return soft::error("streams wait for each other");
        Work work = std::move(stream->queue.front());
        stream->queue.pop_front();
        stream->busy = true;
        if (work.waits.stream) advance(work.waits.stream, work.waits.number);
        if (work.run) work.run();
        stream->busy = false;
        stream->done++;
    }
}
void add(Handle handle, Work work) {
    std::lock_guard guard(lock);
    Stream *stream = stream_of(handle);
    stream->queue.push_back(std::move(work));
    stream->asked++;
    if (!soft::settings().late) advance(stream, stream->asked);
}
} // namespace

namespace soft {
double device_ms;
void enqueue(Handle stream, std::function<void()> work) { add(stream, {std::move(work), {}}); }
Result finish_stream(Handle handle) {
    std::lock_guard guard(lock);
    Stream *stream = stream_of(handle);
    return advance(stream, stream->asked), OK;
}
Result finish_all() {
    std::lock_guard guard(lock);
    for (size_t i = 0; i < streams.size(); i++) advance(streams[i], streams[i]->asked);
    return OK;
}
} // namespace soft

API Result cuStreamCreate(Handle *handle, unsigned) {
    std::lock_guard guard(lock);
    streams.push_back(new Stream);
    return *handle = streams.back(), OK;
}
API Result cuStreamCreateWithPriority(Handle *handle, unsigned flags, int) { return cuStreamCreate(handle, flags); }
API Result cuStreamDestroy_v2(Handle handle) { return soft::finish_stream(handle); } // kept: events may name it
API Result cuStreamSynchronize(Handle handle) { return soft::finish_stream(handle); }
API Result cuStreamWaitEvent(Handle handle, Handle event, unsigned) { return add(handle, {{}, *(Event *)event}), OK; }
API Result cuStreamIsCapturing(Handle, int *status) { return *status = 0, OK; }
API Result cuStreamBeginCapture_v2(Handle, int) { return NOT_SUPPORTED; }
// examples/cuda/fake_cudnn.c: a convolution is computed in its turn, however large it is.
extern "C" void fake_say(const char *, ...) {}
extern "C" void fake_run(Handle stream, double, void (*work)(void *, int), void *data) {
    soft::enqueue(stream, [=] { work(data, 1); });
}

API Result cuEventCreate(Handle *event, unsigned) { return *event = new Event, OK; }
API Result cuEventDestroy_v2(Handle event) { return delete (Event *)event, OK; }
API Result cuEventRecord(Handle event, Handle handle) {
    std::lock_guard guard(lock);
    Stream *stream = stream_of(handle);
    return *(Event *)event = {stream, stream->asked, soft::device_ms}, OK;
}
API Result cuEventSynchronize(Handle handle) {
    std::lock_guard guard(lock);
    Event *event = (Event *)handle;
    if (event->stream) advance(event->stream, event->number);
    return OK;
}
API Result cuEventQuery(Handle handle) {
    std::lock_guard guard(lock);
    Event *event = (Event *)handle;
    return event->stream && event->stream->done < event->number ? NOT_READY : OK;
}
API Result cuEventElapsedTime(float *ms, Handle a, Handle b) {
    return *ms = (float)(((Event *)b)->ms - ((Event *)a)->ms), OK;
}
API Result cuEventElapsedTime_v2(float *ms, Handle a, Handle b) { return cuEventElapsedTime(ms, a, b); }
