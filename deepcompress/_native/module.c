/* The module: its functions, its constants, and the one exception that it takes from
 * Python. bind.h has what the functions have in common. */
#include "bind.h"
#include "context/context.h"
#include "huffman/huffman.h"
#include "positions/positions.h"
#include "run/run.h"

#define DC_METHOD(NAME) {#NAME, dc_bind_##NAME, METH_VARARGS, NULL},

static PyMethodDef methods[] = {DC_FUNCTIONS(DC_METHOD){NULL, NULL, 0, NULL}};

static int module_exec(PyObject *module)
{
    dc_module_state *state = PyModule_GetState(module);
    PyObject *errors = PyImport_ImportModule("deepcompress.errors");
    if (!errors)
        return -1;
    state->corrupt_error = PyObject_GetAttrString(errors, "CorruptFileError");
    Py_DECREF(errors);
    if (!state->corrupt_error)
        return -1;
    return dc_add_rules(module) || PyModule_AddIntMacro(module, DC_MAX_CODE_LENGTH) ||
                   PyModule_AddIntMacro(module, DC_MAX_ALPHABET) ||
                   PyModule_AddIntMacro(module, DC_MAX_GAP_WIDTH) ||
                   PyModule_AddIntMacro(module, DC_MAX_RARITY) ||
                   PyModule_AddIntMacro(module, DC_ISA_PORTABLE) ||
                   PyModule_AddIntMacro(module, DC_ISA_AVX2) ||
                   PyModule_AddIntMacro(module, DC_ISA_AVX512) ||
                   PyModule_AddIntMacro(module, DC_MAX_DEPTH) ||
                   PyModule_AddIntMacro(module, DC_TILE_TABLE) ||
                   PyModule_AddIntMacro(module, DC_LINK_TILES) ||
                   PyModule_AddIntMacro(module, DC_LINK_COLUMNS) ||
                   PyModule_AddIntMacro(module, DC_LINK_CODES) ||
                   PyModule_AddIntMacro(module, DC_LINK_CONVOLUTION) ||
                   PyModule_AddIntConstant(module, "DC_CONTEXT_SIZE",
                                           (long)dc_context_size())
               ? -1
               : 0;
}

static int module_traverse(PyObject *module, visitproc visit, void *arg)
{
    dc_module_state *state = PyModule_GetState(module);
    Py_VISIT(state->corrupt_error);
    return 0;
}

static int module_clear(PyObject *module)
{
    dc_module_state *state = PyModule_GetState(module);
    Py_CLEAR(state->corrupt_error);
    return 0;
}

static PyModuleDef_Slot slots[] = {
    {Py_mod_exec, module_exec},
    {0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "deepcompress._native",
    .m_doc = "The compiled kernels of deepcompress; their headers document them.",
    .m_size = sizeof(dc_module_state),
    .m_methods = methods,
    .m_slots = slots,
    .m_traverse = module_traverse,
    .m_clear = module_clear,
};

PyMODINIT_FUNC PyInit__native(void)
{
    return PyModuleDef_Init(&definition);
}
