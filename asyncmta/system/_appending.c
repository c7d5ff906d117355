/* A thread that writes to a file and syncs it without the interpreter's lock.
 *
 * One task at a time: some buffers, a place in a file, with or without fdatasync. `start` hands it over, an eventfd becomes
 * readable when it is done, `result` says how it went. Between the two nothing here takes the lock: a Python thread would
 * want it after each call of the kernel, and beside a busy uvloop waits for it some eighteen times a batch, awake and asleep
 * again (docs/decisions.md). Promises: a write is whole or an error; buffers live until `result`; a sync that failed is not
 * repeated. Never: what is written, when, or what follows from an error: that is asyncmta/spool/writer.py's. Where this was
 * not compiled, a Python thread does the same.
 *
 * reliability.md R5, F1, F6.
 */
#define _GNU_SOURCE
#define _FILE_OFFSET_BITS 64
#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030B0000
#include <Python.h>

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define VERSION 2 /* as in asyncmta/system/appending.py */
#define STACK (256 << 10)

_Static_assert(sizeof(off_t) == 8, "a segment may be larger than 2 GiB");

/* What the object and the thread both hold. Who lets go of it last frees it, so that an object which goes away while the
 * disk hangs waits for nobody. */
typedef struct {
    pthread_mutex_t lock;
    pthread_cond_t given;
    enum { IDLE, GIVEN, DONE } state;
    int is_over;
    int owners;
    int event;
    /* The task: the object's until GIVEN, the thread's until DONE. */
    int file;
    int sync;
    off_t offset;
    struct iovec *parts;
    Py_ssize_t count;
    int error;
    int in_sync;
    double seconds;
} Shared;

typedef struct {
    PyObject_HEAD
    Shared *shared;
    Py_buffer *views; /* of the task's buffers, until `result` */
    Py_ssize_t held;
} Appender;

static void let_go(Shared *shared)
{
    pthread_mutex_lock(&shared->lock);
    int is_last = --shared->owners == 0;
    pthread_mutex_unlock(&shared->lock);
    if (!is_last)
        return;
    close(shared->event);
    pthread_cond_destroy(&shared->given);
    pthread_mutex_destroy(&shared->lock);
    free(shared);
}

/* ---- in the thread ---------------------------------------------------------------------------------------------- */

/* All parts, finishing short writes; 0 or an errno. A file that takes nothing of a write has an error, too. */
static int write_all(int file, struct iovec *part, Py_ssize_t left, off_t at)
{
    for (;;) {
        while (left > 0 && part->iov_len == 0) {
            part++;
            left--;
        }
        if (left == 0)
            return 0;
        ssize_t done = pwritev(file, part, left < IOV_MAX ? (int)left : IOV_MAX, at);
        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0)
            return errno;
        if (done == 0)
            return EIO;
        at += done;
        while (done > 0) {
            size_t step = (size_t)done < part->iov_len ? (size_t)done : part->iov_len;
            part->iov_base = (char *)part->iov_base + step;
            part->iov_len -= step;
            done -= (ssize_t)step;
            if (part->iov_len == 0) {
                part++;
                left--;
            }
        }
    }
}

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

static void perform(Shared *shared)
{
    shared->in_sync = 0;
    shared->error = write_all(shared->file, shared->parts, shared->count, shared->offset);
    if (shared->error != 0 || !shared->sync)
        return;
    shared->in_sync = 1;
    while (fdatasync(shared->file) != 0) {
        if (errno != EINTR) {
            shared->error = errno;
            return;
        }
    }
}

static void *run(void *argument)
{
    Shared *shared = argument;
    const uint64_t one = 1;
    prctl(PR_SET_NAME, "journal");
    pthread_mutex_lock(&shared->lock);
    for (;;) {
        while (shared->state != GIVEN && !shared->is_over)
            pthread_cond_wait(&shared->given, &shared->lock);
        if (shared->state != GIVEN)
            break;
        pthread_mutex_unlock(&shared->lock);
        double began = now();
        perform(shared);
        shared->seconds = now() - began; /* the loop may look much later */
        pthread_mutex_lock(&shared->lock);
        shared->state = DONE;
        pthread_mutex_unlock(&shared->lock); /* or who is woken goes to sleep again, for the lock */
        /* An eventfd takes 2^64-2 of these, and `result` empties it: perhaps before this, then it finds nothing later. */
        while (write(shared->event, &one, sizeof one) < 0 && errno == EINTR)
            ;
        pthread_mutex_lock(&shared->lock);
    }
    pthread_mutex_unlock(&shared->lock);
    let_go(shared);
    return NULL;
}

/* Signals are the main thread's. */
static int start_thread(Shared *shared)
{
    pthread_t thread;
    pthread_attr_t attributes;
    sigset_t all, before;
    sigfillset(&all);
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attributes, STACK);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = pthread_create(&thread, &attributes, run, shared);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    return error;
}

/* ---- the object ------------------------------------------------------------------------------------------------- */

/* References are counted by the functions of the Python that runs, Py_IncRef and Py_DecRef. The macros (Py_RETURN_NONE, Py_INCREF)
 * count as that one does whose headers this was compiled with: 3.12's take None for immortal, which it is not in 3.11, and
 * 3.11's count immortal ones until they are none (python/cpython#134989). */
static PyObject *none(void)
{
    Py_IncRef(Py_None);
    return Py_None;
}

static PyObject *appender_new(PyTypeObject *type, PyObject *arguments, PyObject *keywords)
{
    static char *names[] = {NULL};
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, ":Appender", names))
        return NULL;
    allocfunc allocate = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    Appender *self = (Appender *)allocate(type, 0);
    if (self == NULL)
        return NULL;
    Shared *shared = calloc(1, sizeof *shared);
    if (shared == NULL) {
        Py_DecRef((PyObject *)self);
        return PyErr_NoMemory();
    }
    pthread_mutex_init(&shared->lock, NULL);
    pthread_cond_init(&shared->given, NULL);
    shared->owners = 1;
    shared->event = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    self->shared = shared; /* from here on freed with the object */
    if (shared->event < 0) {
        PyErr_SetFromErrno(PyExc_OSError);
        Py_DecRef((PyObject *)self);
        return NULL;
    }
    shared->owners = 2;
    int error = start_thread(shared);
    if (error != 0) {
        shared->owners = 1;
        errno = error;
        PyErr_SetFromErrno(PyExc_OSError);
        Py_DecRef((PyObject *)self);
        return NULL;
    }
    return (PyObject *)self;
}

static void end(Appender *self)
{
    pthread_mutex_lock(&self->shared->lock);
    self->shared->is_over = 1;
    pthread_cond_signal(&self->shared->given);
    pthread_mutex_unlock(&self->shared->lock);
}

/* Views and parts belong to nobody else by now, or to nobody yet: to give a buffer back may run any Python, as does to
 * take one, and that may begin a task. */
static void release(Py_buffer *views, Py_ssize_t held, struct iovec *parts)
{
    for (Py_ssize_t i = 0; i < held; i++)
        PyBuffer_Release(&views[i]);
    PyMem_Free(views);
    free(parts);
}

static void appender_dealloc(PyObject *object)
{
    Appender *self = (Appender *)object;
    PyTypeObject *type = Py_TYPE(object);
    if (self->shared != NULL) {
        end(self);
        pthread_mutex_lock(&self->shared->lock);
        int is_free = self->shared->state != GIVEN;
        pthread_mutex_unlock(&self->shared->lock);
        if (is_free) /* else the thread still reads them, and they stay for the life of the process */
            release(self->views, self->held, self->shared->parts);
        let_go(self->shared);
    }
    freefunc forget = (freefunc)PyType_GetSlot(type, Py_tp_free);
    forget(object);
    Py_DecRef((PyObject *)type);
}

static PyObject *appender_fileno(PyObject *object, PyObject *Py_UNUSED(nothing))
{
    return PyLong_FromLong(((Appender *)object)->shared->event);
}

static int hold(PyObject *buffers, Py_ssize_t count, Py_buffer **views, struct iovec **parts)
{
    Py_ssize_t held = 0;
    *views = PyMem_Calloc(count ? (size_t)count : 1, sizeof **views);
    *parts = calloc(count ? (size_t)count : 1, sizeof **parts);
    if (*views == NULL || *parts == NULL)
        PyErr_NoMemory();
    else
        for (; held < count; held++) {
            Py_buffer *view = &(*views)[held];
            if (PyObject_GetBuffer(PyTuple_GetItem(buffers, held), view, PyBUF_SIMPLE) < 0)
                break;
            (*parts)[held].iov_base = view->buf;
            (*parts)[held].iov_len = (size_t)view->len;
        }
    if (!PyErr_Occurred())
        return 0;
    release(*views, held, *parts);
    return -1;
}

static PyObject *appender_start(PyObject *object, PyObject *arguments)
{
    Appender *self = (Appender *)object;
    Shared *shared = self->shared;
    PyObject *buffers;
    int file, sync;
    long long offset;
    if (!PyArg_ParseTuple(arguments, "iOLp:start", &file, &buffers, &offset, &sync))
        return NULL;
    buffers = PySequence_Tuple(buffers);
    if (buffers == NULL)
        return NULL;
    Py_ssize_t count = PyTuple_Size(buffers);
    Py_buffer *views;
    struct iovec *parts;
    int is_held = hold(buffers, count, &views, &parts);
    Py_DecRef(buffers); /* a view keeps what it is of */
    if (is_held < 0)
        return NULL;
    pthread_mutex_lock(&shared->lock);
    int is_ready = shared->state == IDLE && !shared->is_over;
    if (is_ready) {
        self->views = views;
        self->held = count;
        shared->parts = parts;
        shared->count = count;
        shared->file = file;
        shared->sync = sync;
        shared->offset = (off_t)offset;
        shared->state = GIVEN;
    }
    pthread_mutex_unlock(&shared->lock);
    if (is_ready) {
        pthread_cond_signal(&shared->given);
        return none();
    }
    release(views, count, parts);
    PyErr_SetString(PyExc_RuntimeError, "the appender is busy or closed");
    return NULL;
}

static PyObject *appender_result(PyObject *object, PyObject *Py_UNUSED(nothing))
{
    Appender *self = (Appender *)object;
    Shared *shared = self->shared;
    uint64_t events;
    while (read(shared->event, &events, sizeof events) < 0 && errno == EINTR)
        ;
    pthread_mutex_lock(&shared->lock);
    int is_done = shared->state == DONE, code = shared->error, in_sync = shared->in_sync;
    double seconds = shared->seconds;
    Py_buffer *views = self->views;
    Py_ssize_t held = self->held;
    struct iovec *parts = shared->parts;
    if (is_done) {
        self->views = NULL;
        self->held = 0;
        shared->parts = NULL;
        shared->state = IDLE;
    }
    pthread_mutex_unlock(&shared->lock);
    if (!is_done)
        return none();
    release(views, held, parts);
    if (code == 0)
        return Py_BuildValue("(OOd)", Py_None, Py_False, seconds);
    /* Its words are of the locale, which may be no UTF-8. */
    PyObject *words = PyUnicode_DecodeLocale(strerror(code), "surrogateescape");
    PyObject *error = words == NULL ? NULL : PyObject_CallFunction(PyExc_OSError, "iN", code, words);
    if (error == NULL)
        return NULL;
    return Py_BuildValue("(NOd)", error, in_sync ? Py_True : Py_False, seconds);
}

static PyObject *appender_close(PyObject *object, PyObject *Py_UNUSED(nothing))
{
    end((Appender *)object);
    return none();
}

static PyMethodDef appender_methods[] = {
    {"fileno", appender_fileno, METH_NOARGS, "The eventfd that is readable when a task is done."},
    {"start", appender_start, METH_VARARGS, "start(file, buffers, offset, sync): hand a task over."},
    {"result", appender_result, METH_NOARGS, "(OSError or None, was it the sync, seconds) of the task; None: it is not done."},
    {"close", appender_close, METH_NOARGS, "End the thread, behind the task that it has."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot appender_slots[] = {
    {Py_tp_doc, "A thread that writes to a file and syncs it without the interpreter's lock; one task at a time."},
    {Py_tp_new, appender_new},
    {Py_tp_dealloc, appender_dealloc},
    {Py_tp_methods, appender_methods},
    {0, NULL},
};

static PyType_Spec appender_spec = {
    .name = "asyncmta.system._appending.Appender",
    .basicsize = sizeof(Appender),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = appender_slots,
};

static int execute(PyObject *module)
{
    PyObject *type = PyType_FromModuleAndSpec(module, &appender_spec, NULL);
    if (type == NULL)
        return -1;
    int failed = PyModule_AddObjectRef(module, "Appender", type);
    Py_DecRef(type);
    return failed ? failed : PyModule_AddIntConstant(module, "VERSION", VERSION);
}

static PyModuleDef_Slot module_slots[] = {
    {Py_mod_exec, execute},
    {0, NULL},
};

static struct PyModuleDef module = {
    PyModuleDef_HEAD_INIT,
    .m_name = "_appending",
    .m_doc = "A thread that writes and syncs without the interpreter's lock.",
    .m_slots = module_slots,
};

PyMODINIT_FUNC PyInit__appending(void)
{
    return PyModuleDef_Init(&module);
}
