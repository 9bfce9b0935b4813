/** What is wrong with a file, or with what a model was given. */
export class DczError extends Error {}

export interface Options {
  /**
   * Bytes that the arrays of the file may take once decoded; those of version 2 count
   * eight times, since they take so much longer. Default: 2 ** 28.
   */
  maxBytes?: number;
  /**
   * Multiplications that an example may take, were no weight 0, and what else takes as
   * long. Default: 2e10.
   */
  maxWork?: number;
}

/** An input or an output, of one example. */
export interface Value {
  /** Empty where there is one. */
  name: string;
  /** The axes in Keras' order, channels last, without that of the examples. */
  shape: number[];
  /** How many numbers there are. */
  size: number;
}

/** A step of the model. */
export interface Layer {
  kind: string;
  /** The names of the arrays that it uses. */
  arrays: string[];
  /** The axes of what it gives. */
  shape: number[];
}

/** Numbers of one example in a row, or of several that follow each other. */
export type Row =
  | number[]
  | Int8Array
  | Uint8Array
  | Uint8ClampedArray
  | Int16Array
  | Uint16Array
  | Int32Array
  | Uint32Array
  | Float32Array
  | Float64Array;

/** Numbers in a row, or arrays of them in the shape of an example, or of several. */
export type Numbers = Row | Numbers[];

export interface Decoded {
  /** As NumPy calls it. */
  dtype: string;
  shape: number[];
  /**
   * In C order. Of `bool` bytes that are 0 or 1, of float16, bfloat16 and float8 the same
   * numbers as float32, of complex numbers their real and imaginary parts in turns.
   */
  data:
    | Int8Array
    | Uint8Array
    | Int16Array
    | Uint16Array
    | Int32Array
    | Uint32Array
    | BigInt64Array
    | BigUint64Array
    | Float32Array
    | Float64Array;
}

export interface ArrayInfo {
  name: string;
  /** What the name begins with: the layer. */
  layer: string;
  dtype: string;
  shape: number[];
  /** How many elements there are. */
  size: number;
  /** Bytes of the file that it takes; in version 2 to about a byte. */
  bytes: number;
  /** Elements that are not 0. */
  kept?: number;
  /** Different elements, where they are 65,536 at most. */
  values?: number;
}

export interface Contents {
  version: number;
  /** Of the file. */
  bytes: number;
  /** Of all arrays once decoded. */
  decodedBytes: number;
  arrays: ArrayInfo[];
  parts: { name: string; bytes: number }[];
  /** Bytes of the architecture. */
  architecture: number;
  /** Bytes of names, sizes and checksums. */
  overhead: number;
}

/** An open file, and the model in it. */
export interface Model {
  readonly version: number;
  /** Bytes of the file. */
  readonly size: number;
  /** Why the model cannot be run; empty where it can. Then what follows is empty too. */
  readonly refused: string;
  readonly inputs: Value[];
  readonly outputs: Value[];
  readonly layers: Layer[];
  /** Multiplications of an example, were no weight 0, and what else takes as long. */
  readonly work: number;
  /**
   * Computes the outputs of one example, or of several that follow each other. What is no
   * array of numbers is a TypeError, which names the input.
   *
   * @param x Numbers of the one input; or, of several inputs, a list or an object by name.
   * @returns Numbers of the one output; of several a list, or an object where they have
   *   names.
   */
  predict(x: Row): Float32Array;
  predict(
    x: Numbers | Record<string, Numbers>,
  ): Float32Array | Float32Array[] | Record<string, Float32Array>;
  /** Decodes one array. */
  decode(name: string): Decoded;
  /** Tells what the file holds. */
  inspect(options?: { counts?: boolean }): Contents;
}

/**
 * Opens a file, and the model in it where it has one that can be run.
 *
 * @example
 * const net = await open(await (await fetch("lenet5.dcz")).arrayBuffer());
 * const logits = net.predict(pixels); // a Float32Array of 784 numbers
 */
export function open(bytes: ArrayBuffer | ArrayBufferView, options?: Options): Promise<Model>;

/** Tells what a file holds; without `counts`, no array is decoded for it. */
export function inspect(
  bytes: ArrayBuffer | ArrayBufferView,
  options?: Options & { counts?: boolean },
): Promise<Contents>;

/** Decodes one array of a file. */
export function decode(
  bytes: ArrayBuffer | ArrayBufferView,
  name: string,
  options?: Options,
): Promise<Decoded>;
