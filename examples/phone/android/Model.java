package deepcompress;

/** A model that computes from the bytes of its {@code .dcz} file. */
public final class Model implements AutoCloseable {
    static {
        System.loadLibrary("deepcompress");
    }

    private long handle;

    /** Opens a file; says by an IllegalArgumentException what is wrong with it. */
    public Model(byte[] file) {
        handle = open(file.clone());
    }

    /** Computes the outputs of one example. */
    public synchronized float[] predict(float[] input) {
        if (handle == 0) {
            throw new IllegalStateException("The model is closed.");
        }
        return run(handle, input.clone());
    }

    @Override
    public synchronized void close() {
        free(handle);
        handle = 0;
    }

    private static native long open(byte[] file);

    private static native float[] run(long handle, float[] input);

    private static native void free(long handle);
}
