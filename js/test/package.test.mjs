import assert from "node:assert/strict";
import { test } from "node:test";

import { decode, DczError, inspect, open } from "../index.js";
import { hostile } from "./hostile.mjs";
import { expected, nets, read, zoo } from "./helpers.mjs";

const input = (seed) =>
  Float32Array.from({ length: 784 }, (_, i) => ((i * 7919 + seed * 31) % 101) / 101);

const near = (made, wanted) => {
  const most = Math.max(...wanted.map(Math.abs));
  assert.equal(made.length, wanted.length);
  wanted.forEach((value, i) => assert.ok(Math.abs(made[i] - value) <= 1e-5 * most));
};

for (const path of zoo) {
  const name = path.match(/(\w+)\.dcz/)[1];

  test(`${name} computes what it does in Python`, async () => {
    const net = await open(read(path));
    assert.equal(net.refused, "");
    assert.deepEqual(net.inputs, [{ name: "", shape: [28, 28, 1], size: 784 }]);
    assert.deepEqual(net.outputs, [{ name: "", shape: [10], size: 10 }]);
    expected[name].outputs.forEach((wanted, seed) => near(net.predict(input(seed)), wanted));
    const both = new Float32Array([...input(0), ...input(1)]);
    near([...net.predict(both)], expected[name].outputs.slice(0, 2).flat());
  });

  test(`${name} is inspected as in Python`, async () => {
    const { arrays, ...contents } = await inspect(read(path));
    assert.equal(contents.version, 2);
    assert.deepEqual(
      arrays.map(({ name, kept, values }) => [name, kept, values]),
      expected[name].arrays,
    );
    const { bytes, parts, architecture, overhead } = contents;
    const told = [...arrays, ...parts].reduce((sum, each) => sum + each.bytes, 0);
    assert.equal(told + architecture + overhead, bytes);
    assert.equal(bytes, read(path).length);
    assert.ok(arrays.every((array) => array.bytes > 0));
  });
}

test("small nets of many operations compute what they do in Python", async () => {
  const x = Float32Array.from({ length: 128 }, (_, i) => (i % 11) / 8 - 0.5);
  for (const [i, { outputs }] of expected.nets.entries()) {
    const net = await open(nets[i]);
    assert.equal(net.refused, "");
    const made = net.predict(x);
    for (const [name, wanted] of Object.entries(outputs)) near(name ? made[name] : made, wanted);
  }
});

test("layers tell which arrays they use", async () => {
  const { layers, work } = await open(read(zoo[0]));
  assert.deepEqual(layers[0], {
    kind: "conv",
    arrays: ["conv1/kernel", "conv1/bias"],
    shape: [24, 24, 14],
  });
  assert.ok(work > 1e5 && work < 1e7);
});

test("every dtype is decoded to a typed array", async () => {
  for (const version of [1, 2]) {
    const bytes = read(`tests/dcz/golden/features/dtypes-v${version}.dcz`);
    const { arrays } = await inspect(bytes);
    assert.equal(arrays.length, 17);
    for (const { name, dtype, shape, size } of arrays) {
      const array = await decode(bytes, name);
      assert.deepEqual([array.dtype, array.shape], [dtype, shape]);
      assert.equal(array.data.constructor.name, expected.dtypes[name].type);
      const numbers = dtype.startsWith("complex") ? 2 * size : size;
      assert.equal(array.data.length, numbers);
      expected.dtypes[name].data.forEach((text, i) => {
        const value = array.data[i];
        assert.ok(Object.is(value, typeof value === "bigint" ? BigInt(text) : Number(text)));
      });
    }
  }
});

test("bytes are taken from any view of them", async () => {
  const bytes = read(zoo[0]);
  const around = new Uint8Array(bytes.length + 7);
  around.set(bytes, 5);
  const wanted = await inspect(bytes);
  const view = around.subarray(5, 5 + bytes.length);
  assert.deepEqual(await inspect(view), wanted);
  assert.deepEqual(await inspect(bytes.slice().buffer), wanted);
  assert.equal((await inspect(bytes, { counts: false })).arrays[0].kept, undefined);
});

test("errors are in words", async () => {
  const bytes = read(zoo[0]);
  const says = (promise, words) =>
    assert.rejects(promise, (error) => error instanceof DczError && words.test(error.message));
  await says(inspect(new Uint8Array(9)), /no \.dcz file/);
  await says(inspect(new Uint8Array(0)), /no \.dcz file/);
  const damaged = bytes.slice();
  damaged[1000] ^= 1;
  await says(open(damaged), /checksum/);
  await says(open(bytes.subarray(0, 99)), /cannot be read/);
  await says(decode(bytes, "conv9/kernel"), /no array "conv9\/kernel"/);
  await says(open(bytes, { maxBytes: 1000 }), /maxBytes/);
  await assert.rejects(open("lenet5.dcz"), TypeError);
  const net = await open(bytes);
  assert.throws(() => net.predict(new Float32Array(783)), /takes 784 numbers \(28 x 28 x 1\)/);
  assert.throws(() => net.predict(), /784/);
  const slow = await open(bytes, { maxWork: 1000 });
  assert.throws(() => slow.predict(new Float32Array(784)), /maxWork/);
});

test("numbers are taken in arrays of any kind", async () => {
  const net = await open(read(zoo[0]));
  const x = Float32Array.from({ length: 784 }, (_, i) => i % 5);
  const wanted = [...net.predict(x)];
  const rows = Array.from({ length: 28 }, (_, i) =>
    Array.from({ length: 28 }, (_, k) => [x[28 * i + k]]),
  );
  const typed = rows.map((row) => row.map((pixel) => Float64Array.from(pixel)));
  for (const same of [[...x], Uint8Array.from(x), Int16Array.from(x), rows, typed, [rows]])
    assert.deepEqual([...net.predict(same)], wanted);
  assert.deepEqual([...net.predict([rows, rows])], [...wanted, ...wanted]);
  assert.equal(net.predict([]).length, 0);
});

test("what is no array of numbers is refused", async () => {
  const net = await open(read(zoo[0]));
  const row = Array(28).fill([0]);
  const wrong = {
    String: "0".repeat(784),
    null: null,
    undefined: undefined,
    Buffer: Buffer.alloc(784),
    ArrayBuffer: new ArrayBuffer(784),
    DataView: new DataView(new ArrayBuffer(784)),
    BigInt64Array: new BigInt64Array(784),
    Object: { length: 784 },
  };
  const arrays = [
    Array(784),
    Array(784).fill("0"),
    Array(784).fill(null),
    Array(784).fill(1n),
    Array(784).fill(true),
    Array(27).fill(row),
    [...Array(27).fill(row), row.slice(1)],
    [...Array(27).fill(row), "0".repeat(28)],
    Array(28).fill(Array(28).fill(0)),
  ];
  const says = (x, words) =>
    assert.throws(
      () => net.predict(x),
      (error) => error instanceof TypeError && error.message.endsWith(`was given ${words}.`),
    );
  for (const [words, x] of Object.entries(wrong)) says(x, words);
  for (const x of arrays) says(x, "Array");
  assert.throws(() => net.predict("0"), /^TypeError: The input takes 784 numbers \(28 x 28 x 1\)/);
});

test("a file of weights alone is opened, and not run", async () => {
  const net = await open(read("tests/dcz/golden/v1.dcz"));
  assert.match(net.refused, /how it computes/);
  assert.throws(() => net.predict([]), DczError);
  assert.ok(net.inspect().arrays.length > 0);
});

test("files that nobody vouches for", { timeout: 120000 }, async () => {
  const { said } = await hostile(600, Number(process.env.SEED ?? 1));
  assert.ok(said.run > 10 && said["corrupt."] > 100 && said["wrong checksum."] > 0);
});
