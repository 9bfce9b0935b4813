// Reads and runs `.dcz` files. The work is done by c/dcz.c and c/dcz_run.c, compiled to
// WebAssembly; what is here hands memory over. Every model has an instance of its own,
// so that its memory goes with it.
import packed from "./wasm.js";

const MAX_BYTES = 2 ** 28;
const MAX_WORK = 2e10;
const KEPT = 2 ** 23; // bytes of decoded arrays
const MAX_VALUES = 65536; // more distinct values than this are not counted
// Coded bit by bit, version 2 takes about eight times as long for a byte.
const SLOWNESS = { 1: 1, 2: 8 };

const DTYPES = {
  bool: Uint8Array,
  int8: Int8Array,
  uint8: Uint8Array,
  int16: Int16Array,
  uint16: Uint16Array,
  int32: Int32Array,
  uint32: Uint32Array,
  int64: BigInt64Array,
  uint64: BigUint64Array,
  float32: Float32Array,
  float64: Float64Array,
  complex64: Float32Array,
  complex128: Float64Array,
};

// Floats that JavaScript has no arrays for: bits, bits of the mantissa, and whether the
// highest exponent stands for what is not finite, or for NaN alone where all bits are 1.
const SMALL_FLOATS = {
  float16: [Uint16Array, 10, 5, true],
  bfloat16: [Uint16Array, 7, 8, true],
  float8_e4m3fn: [Uint8Array, 3, 4, false],
  float8_e5m2: [Uint8Array, 2, 5, true],
};

/** What is wrong with a file, or with what a model was given. */
export class DczError extends Error {
  name = "DczError";
}

let compiled;

async function compile() {
  const bytes = Uint8Array.from(atob(packed), (letter) => letter.charCodeAt(0));
  const unpacking = new DecompressionStream("deflate-raw");
  const stream = new Blob([bytes]).stream().pipeThrough(unpacking);
  return WebAssembly.compile(await new Response(stream).arrayBuffer());
}

/** Opens a file, and the model in it where it has one that can be run. */
export async function open(bytes, options) {
  return (await begin(bytes, options)).start();
}

/** Tells what a file holds. */
export async function inspect(bytes, options) {
  return (await begin(bytes, options)).inspect(options);
}

/** Decodes one array of a file. */
export async function decode(bytes, name, options) {
  return (await begin(bytes, options)).decode(name);
}

async function begin(bytes, { maxBytes = MAX_BYTES, maxWork = MAX_WORK } = {}) {
  if (bytes instanceof ArrayBuffer) bytes = new Uint8Array(bytes);
  if (!ArrayBuffer.isView(bytes))
    throw new TypeError("The file must be given as an ArrayBuffer or a Uint8Array.");
  const data = new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  compiled ??= compile();
  const { exports } = await WebAssembly.instantiate(await compiled, {});
  return new Model(exports, data, maxBytes, maxWork);
}

class Model {
  inputs = [];
  outputs = [];
  layers = [];
  /** Why the model cannot be run; empty where it can. */
  refused = "";

  #wasm;
  #arrays;
  #isTooLarge;
  #maxWork;
  #decoded;

  constructor(wasm, data, maxBytes, maxWork) {
    this.#wasm = wasm;
    this.#maxWork = maxWork;
    this.size = data.length;
    // What is kept besides arrays and file takes little; see docs/web.md.
    const room = 3 * maxBytes + data.length + 2 ** 22;
    const at = this.#call("begin", data.length, Math.min(room, 2 ** 32 - 65536));
    this.#view(Uint8Array, at, data.length).set(data);
    const file = this.#call("open", at, data.length);
    [this.version, this.nArrays, this.nSections, this.nParts] = this.#words(file, 4);
    this.nBytes = Number(new DataView(wasm.memory.buffer).getBigUint64(file + 16, true));
    this.#isTooLarge = this.nBytes * SLOWNESS[this.version] > maxBytes;
  }

  /** Calls what gives an address, or 0 where it has failed. */
  #call(name, ...numbers) {
    const address = this.#wasm[name](...numbers) >>> 0;
    if (address === 0) {
      const why = this.#text(this.#wasm.message());
      if (name === "run" && why === "wrong argument")
        throw new DczError("A number in an input is out of the range that the model takes.");
      throw new DczError(`The file cannot be ${name === "run" ? "run" : "read"}: ${why}.`);
    }
    return address;
  }

  #view(type, address, length) {
    return new type(this.#wasm.memory.buffer, address, length);
  }

  #words(address, n) {
    return [...this.#view(Uint32Array, address, n)];
  }

  #text(address, length) {
    const bytes = new Uint8Array(this.#wasm.memory.buffer, address >>> 0, length);
    return new TextDecoder().decode(
      length === undefined ? bytes.subarray(0, bytes.indexOf(0)) : bytes,
    );
  }

  /** Refuses arrays that would take too much memory, or too long. */
  #checkSize() {
    if (this.#isTooLarge)
      throw new DczError(
        `The arrays of the file have ${this.nBytes} bytes in version ${this.version}, ` +
          "which is more than `maxBytes` allows.",
      );
  }

  get arrays() {
    this.#arrays ??= Array.from({ length: this.nArrays }, (_, i) => this.#array(i));
    return this.#arrays;
  }

  #array(index) {
    const address = this.#call("tensor", index);
    const [layer, leaf, layerSize, leafSize, code, itemsize, size, nBytes, section, , rank] =
      this.#words(address, 11);
    const [inside, last] = [this.#text(layer, layerSize), this.#text(leaf, leafSize)];
    return {
      name: inside ? `${inside}/${last}` : last,
      layer: inside,
      dtype: this.#text(this.#wasm.dtype(code)),
      shape: this.#words(address + 44, rank),
      size,
      itemsize,
      nBytes,
      section,
    };
  }

  decode(name) {
    const index = this.arrays.findIndex((array) => array.name === name);
    if (index < 0) throw new DczError(`The file holds no array ${JSON.stringify(name)}.`);
    this.#checkSize();
    const { data, ...array } = this.#decode(index);
    return { ...array, data: data.slice() };
  }

  #decode(index) {
    const { section, nBytes } = this.arrays[index];
    if (this.#decoded?.section === section) return this.#decoded.arrays.get(index);
    // To decode an array means to pass those before it in its section: all are kept
    // where they are small.
    const first = this.arrays.findIndex((array) => array.section === section);
    const all = this.arrays.filter((array) => array.section === section);
    if (all.reduce((sum, array) => sum + array.nBytes, 0) > KEPT)
      return this.#typed(index, this.#view(Uint8Array, this.#call("decode", index), nBytes));
    const places = this.#words(this.#call("section", section), all.length);
    const arrays = new Map(
      places.map((place, k) => [
        first + k,
        this.#typed(first + k, this.#view(Uint8Array, place, all[k].nBytes)),
      ]),
    );
    this.#decoded = { section, arrays };
    return arrays.get(index);
  }

  #typed(index, view) {
    const { dtype, shape, nBytes, itemsize } = this.arrays[index];
    const bytes = view.slice();
    const small = SMALL_FLOATS[dtype];
    if (small) return { dtype, shape, data: widen(bytes, small) };
    const type = DTYPES[dtype];
    const n = dtype.startsWith("complex") ? (2 * nBytes) / itemsize : nBytes / itemsize;
    return { dtype, shape, data: new type(bytes.buffer, 0, n) };
  }

  inspect({ counts = true } = {}) {
    const stored = this.#stored();
    const arrays = this.arrays.map(({ section, itemsize, nBytes, ...array }, index) => {
      const { kept, values } = counts ? count(this.#decode(index).data) : {};
      return { ...array, bytes: stored[index], kept, values };
    });
    const parts = Array.from({ length: this.nParts }, (_, i) => {
      const [name, nameSize, , bytes] = this.#words(this.#call("part", i), 4);
      return { name: this.#text(name, nameSize), bytes };
    });
    const architecture = this.#words(this.#call("architecture"), 4)[3];
    const told = [...arrays, ...parts].reduce((sum, { bytes }) => sum + bytes, architecture);
    return {
      version: this.version,
      bytes: this.size,
      decodedBytes: this.nBytes,
      arrays,
      parts,
      architecture,
      overhead: this.size - told,
    };
  }

  #stored() {
    this.#checkSize();
    const stored = [];
    for (let i = 0; i < this.nSections; i++) {
      const address = this.#call("sizes", i);
      stored.push(...this.#words(address + 8, this.#words(address, 2)[1]));
    }
    return stored;
  }

  start() {
    this.#checkSize();
    const address = this.#call("start");
    const [nInputs, nOutputs, nOperations, , , , refused, refusedSize] = this.#words(address, 8);
    if (nInputs === 0 || refusedSize) {
      const why = this.#text(refused, refusedSize) || "the file says nothing of how it computes";
      this.refused = `The model cannot be run here: ${why}.`;
      return this;
    }
    this.work = this.#view(Float32Array, address + 20, 1)[0];
    if (!(this.work <= this.#maxWork)) {
      const steps = this.work.toExponential(0);
      this.refused = `An example takes ${steps} multiplications, more than \`maxWork\` allows.`;
      return this;
    }
    this.inputs = Array.from({ length: nInputs }, (_, i) => this.#value(i, 0));
    this.outputs = Array.from({ length: nOutputs }, (_, i) => this.#value(i, 1));
    this.layers = Array.from({ length: nOperations }, (_, i) => this.#operation(i));
    return this;
  }

  #value(index, isOutput) {
    const address = this.#call("value", index, isOutput);
    const [name, nameSize, size, rank] = this.#words(address, 4);
    return {
      name: this.#text(name, nameSize),
      shape: this.#words(address + 16, rank),
      size,
    };
  }

  #operation(index) {
    const address = this.#call("operation", index);
    const [kind, n, ...rest] = this.#words(address, 7);
    return {
      kind: this.#text(kind),
      arrays: rest.slice(0, n).flatMap((i) => this.arrays[i]?.name ?? []),
      shape: this.#words(address + 28, rest[4]),
    };
  }

  /** Computes the outputs of one example, or of several that follow each other. */
  predict(x) {
    if (this.refused) throw new DczError(this.refused);
    const given = this.#given(x);
    const n = given[0].length / this.inputs[0].size;
    const made = this.outputs.map(({ size }) => new Float32Array(n * size));
    for (let example = 0; example < n; example++) {
      this.inputs.forEach(({ size }, i) => {
        const to = this.#view(Float32Array, this.#call("buffer", i, 0), size);
        to.set(n === 1 ? given[i] : given[i].slice(example * size, (example + 1) * size));
      });
      this.#call("run");
      this.outputs.forEach(({ size }, i) => {
        const out = this.#view(Float32Array, this.#call("buffer", i, 1), size);
        made[i].set(out, example * size);
      });
    }
    if (made.length === 1) return made[0];
    if (this.outputs.every(({ name }) => name))
      return Object.fromEntries(this.outputs.map(({ name }, i) => [name, made[i]]));
    return made;
  }

  /** What each input is given: as many examples of it as of the others. */
  #given(x) {
    const { inputs } = this;
    const [isOne, isList] = [inputs.length === 1, Array.isArray(x)];
    const names = inputs.map(({ name }) => name);
    const unknown = isList
      ? x.length !== inputs.length && `${x.length} of them`
      : Object.keys(Object(x)).find((key) => !names.includes(key));
    if (!isOne && unknown)
      throw new TypeError(`The model takes ${JSON.stringify(names)}; it was given ${unknown}.`);
    const given = inputs.map((input, i) => {
      const values = isOne ? x : isList ? x[i] : x?.[input.name];
      const flat = numbersOf(values, input.shape);
      if (flat) return flat;
      throw new TypeError(
        `${taken(input)}, in an array of numbers, a typed array, or arrays of that shape; ` +
          `it was given ${values?.constructor?.name ?? values}.`,
      );
    });
    const n = given[0].length / inputs[0].size;
    given.forEach(({ length }, i) => {
      if (!Number.isInteger(n) || length !== n * inputs[i].size)
        throw new DczError(`${taken(inputs[i])}; it was given ${length}.`);
    });
    return given;
  }
}

const taken = ({ name, shape, size }) =>
  `The input${name && ` ${JSON.stringify(name)}`} takes ${size} numbers (${shape.join(" x ")}) ` +
  "for each example";

const isNumbers = (values) =>
  Array.isArray(values)
    ? values.findIndex((value) => typeof value !== "number") < 0
    : ArrayBuffer.isView(values) &&
      typeof values[0] !== "bigint" &&
      !(values instanceof DataView) &&
      !globalThis.Buffer?.isBuffer(values); // bytes of a file, rather than numbers

/** The numbers of examples, that follow each other or lie in arrays of their shape. */
function numbersOf(values, shape) {
  if (isNumbers(values)) return values;
  if (!Array.isArray(values)) return undefined;
  return nested(values, shape) ?? nested(values, [values.length, ...shape]);
}

function nested(values, [n, ...inner]) {
  if (values?.length !== n) return undefined;
  if (!inner.length) return isNumbers(values) ? [...values] : undefined;
  if (!Array.isArray(values)) return undefined;
  const all = values.map((each) => nested(each, inner));
  return all.includes(undefined) ? undefined : all.flat();
}

/** How many numbers are not 0, and how many different ones there are. */
function count(data) {
  const values = new Set();
  let kept = 0;
  for (const number of data) {
    if (number !== 0 && number !== 0n) kept++;
    if (values.size <= MAX_VALUES) values.add(number);
  }
  return { kept, values: values.size > MAX_VALUES ? undefined : values.size };
}

/** Small floats as float32, which holds each of them. */
function widen(bytes, [type, mantissa, exponent, hasInfinity]) {
  const bias = 2 ** (exponent - 1) - 1;
  const [highest, ones] = [2 ** exponent - 1, 2 ** mantissa - 1];
  return Float32Array.from(new type(bytes.buffer), (bits) => {
    const power = (bits >> mantissa) & highest;
    const rest = bits & ones;
    const sign = bits >> (mantissa + exponent) ? -1 : 1;
    if (power === highest && (hasInfinity || rest === ones))
      return hasInfinity && rest === 0 ? sign * Infinity : NaN;
    const scale = sign * 2 ** (Math.max(power, 1) - bias - mantissa);
    return scale * (power ? rest + ones + 1 : rest);
  });
}
