// Streams and events. Work is done as late as CUDA allows: when the host waits for its stream or for an event behind it,
// when another stream that waits for such an event gets its turn, or when memory is freed. With SOFT_CUDA_LATE=0 it is
// done as it is asked for. A collective, and what its stream holds before it, is done by a thread of its own (nccl.cpp),
// for other processes wait for it whatever this one's host does meanwhile.
#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>
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
    int device;
    std::deque<Work> queue;
    unsigned long asked = 0, done = 0;
    bool busy = false;
    std::thread::id worker; // the host's thread that does its work, while it is busy
};
using Lock = std::unique_lock<std::mutex>;

// Never destroyed: threads that collectives progress by wait for them still when the program ends.
std::mutex &mutex = *new std::mutex;
/// A stream is not busy any more.
std::condition_variable &moved = *new std::condition_variable;
std::vector<Stream *> &streams = *new std::vector<Stream *>;
/// What this thread holds while it does a stream's work.
thread_local Lock *held_here;

Stream *new_stream(int device) {
    streams.push_back(new Stream);
    streams.back()->device = device;
    return streams.back();
}
/// A stream by its handle; 0, 1 and 2 are the current device's default stream.
Stream *stream_of(Handle handle) {
    static Stream *defaults[soft::MOST_DEVICES];
    if (handle > (Handle)2) return (Stream *)handle;
    Stream *&stream = defaults[soft::current_device()];
    return stream ? stream : stream = new_stream(soft::current_device());
}

void advance(Lock &held, Stream *stream, unsigned long until) {
    while (stream->done < until) {
        if (stream->busy) {
            if (stream->worker == std::this_thread::get_id()) return soft::error("streams wait for each other");
            moved.wait(held);
            continue;
        }
        Work work = std::move(stream->queue.front());
        stream->queue.pop_front();
        stream->busy = true, stream->worker = std::this_thread::get_id();
        if (work.waits.stream) advance(held, work.waits.stream, work.waits.number);
        held_here = &held;
        if (work.run) work.run();
        stream->busy = false;
        stream->done++;
        moved.notify_all();
    }
}
unsigned long add(Handle handle, Work work) {
    Lock held(mutex);
    Stream *stream = stream_of(handle);
    stream->queue.push_back(std::move(work));
    unsigned long number = ++stream->asked;
    if (!soft::settings().late) advance(held, stream, number);
    return number;
}
} // namespace

namespace soft {
double device_ms;
unsigned long enqueue(Handle stream, std::function<void()> work) { return add(stream, {std::move(work), {}}); }
Result finish_stream(Handle handle, unsigned long number) {
    Lock held(mutex);
    Stream *stream = stream_of(handle);
    return advance(held, stream, std::min(number, stream->asked)), OK;
}
Result finish_device() {
    Lock held(mutex);
    for (size_t i = 0; i < streams.size(); i++) // others may be added meanwhile
        if (streams[i]->device == current_device()) advance(held, streams[i], streams[i]->asked);
    return OK;
}
int device_of_stream(Handle handle) {
    Lock held(mutex);
    return stream_of(handle)->device;
}
void let_others_work() {
    Lock *held = held_here;
    held->unlock();
    std::this_thread::sleep_for(std::chrono::microseconds(100));
    held->lock();
    held_here = held;
}
} // namespace soft

API Result cuStreamCreate(Handle *handle, unsigned) {
    Lock held(mutex);
    return *handle = new_stream(soft::current_device()), OK;
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
    Lock held(mutex);
    Stream *stream = stream_of(handle);
    return *(Event *)event = {stream, stream->asked, soft::device_ms}, OK;
}
API Result cuEventSynchronize(Handle handle) {
    Lock held(mutex);
    Event *event = (Event *)handle;
    if (event->stream) advance(held, event->stream, event->number);
    return OK;
}
API Result cuEventQuery(Handle handle) {
    Lock held(mutex);
    Event *event = (Event *)handle;
    return event->stream && event->stream->done < event->number ? NOT_READY : OK;
}
API Result cuEventElapsedTime(float *ms, Handle a, Handle b) {
    return *ms = (float)(((Event *)b)->ms - ((Event *)a)->ms), OK;
}
API Result cuEventElapsedTime_v2(float *ms, Handle a, Handle b) { return cuEventElapsedTime(ms, a, b); }
