/* What Model.java calls. */
#include "model.h"

#include <jni.h>
#include <stdint.h>

static void refuse(JNIEnv *env, const char *why)
{
    jclass kind = (*env)->FindClass(env, "java/lang/IllegalArgumentException");
    if (kind)
        (*env)->ThrowNew(env, kind, why);
}

JNIEXPORT jlong JNICALL Java_deepcompress_Model_open(JNIEnv *env, jclass type,
                                                     jbyteArray file)
{
    (void)type;
    char why[DCZ_WHY] = "";
    jbyte *data = (*env)->GetByteArrayElements(env, file, NULL);
    if (!data)
        return 0; /* and an OutOfMemoryError */
    dcz_model *model = dcz_model_open(data, (size_t)(*env)->GetArrayLength(env, file), why);
    (*env)->ReleaseByteArrayElements(env, file, data, JNI_ABORT);
    if (!model)
        refuse(env, why);
    return (jlong)(intptr_t)model;
}

JNIEXPORT jfloatArray JNICALL Java_deepcompress_Model_run(JNIEnv *env, jclass type,
                                                          jlong handle, jfloatArray given)
{
    (void)type;
    const dcz_model *model = (const dcz_model *)(intptr_t)handle;
    if ((size_t)(*env)->GetArrayLength(env, given) != dcz_model_n_inputs(model)) {
        refuse(env, "the model takes another number of inputs");
        return NULL;
    }
    jfloatArray made = (*env)->NewFloatArray(env, (jsize)dcz_model_n_outputs(model));
    jfloat *input = made ? (*env)->GetFloatArrayElements(env, given, NULL) : NULL;
    jfloat *output = input ? (*env)->GetFloatArrayElements(env, made, NULL) : NULL;
    const char *wrong = output ? dcz_model_run(model, input, output) : NULL;
    if (output)
        (*env)->ReleaseFloatArrayElements(env, made, output, 0);
    if (input)
        (*env)->ReleaseFloatArrayElements(env, given, input, JNI_ABORT);
    if (wrong)
        refuse(env, wrong);
    return made;
}

JNIEXPORT void JNICALL Java_deepcompress_Model_free(JNIEnv *env, jclass type, jlong handle)
{
    (void)env;
    (void)type;
    dcz_model_close((dcz_model *)(intptr_t)handle);
}
