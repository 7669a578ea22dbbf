/* Run a Python callable from a worker that attaches its own thread state, and hand back what it raised. */
#ifndef REACTVEC_CALL_H
#define REACTVEC_CALL_H

#include <Python.h>

/* The calling thread must be attached. NULL, or a new reference to the exception, traceback included. */
static inline PyObject *rv_call(PyObject *callable, PyObject *arguments) {
    PyObject *result = PyObject_Call(callable, arguments, NULL);
    if (result != NULL) {
        Py_DECREF(result);
        return NULL;
    }
#if PY_VERSION_HEX >= 0x030C0000
    return PyErr_GetRaisedException();
#else
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    PyErr_NormalizeException(&type, &value, &traceback);
    if (traceback != NULL) PyException_SetTraceback(value, traceback);
    Py_XDECREF(type);
    Py_XDECREF(traceback);
    return value;
#endif
}

#endif
