// Files of the project, and how their checksums are made right again once they are changed.
import { readdirSync, readFileSync } from "node:fs";
import { crc32 as zlibCrc32 } from "node:zlib";

const ROOT = new URL("../../", import.meta.url);

export const read = (path) => new Uint8Array(readFileSync(new URL(path, ROOT)));

/** What CompressedModel computes, in Python; tests/js/test_package.py keeps it so. */
export const expected = JSON.parse(readFileSync(new URL("expected.json", import.meta.url)));

/** Small nets. */
export const nets = expected.nets.map(
  ({ file }) => new Uint8Array(Buffer.from(file, "base64")),
);

export function golden() {
  const folder = new URL("tests/dcz/golden/", ROOT);
  return readdirSync(folder, { recursive: true })
    .filter((name) => name.endsWith(".dcz"))
    .sort()
    .map((name) => `tests/dcz/golden/${name}`);
}

export const zoo = ["lenet5", "lenet_300_100", "mnist_cnn"].map(
  (name) => `deepcompress/models/zoo/${name}.dcz`,
);

const TABLE = Uint32Array.from({ length: 256 }, (_, n) => {
  for (let k = 0; k < 8; k++) n = n & 1 ? (n >>> 1) ^ 0xedb88320 : n >>> 1;
  return n;
});

function crc32(bytes) {
  if (zlibCrc32) return zlibCrc32(bytes);
  let crc = -1;
  for (const byte of bytes) crc = TABLE[(crc ^ byte) & 255] ^ (crc >>> 8);
  return ~crc >>> 0;
}

/** Random numbers that are the same every time. */
export function random(seed) {
  let state = seed >>> 0;
  return (n) => {
    state = (state + 0x9e3779b9) >>> 0;
    let x = Math.imul(state ^ (state >>> 16), 0x85ebca6b);
    x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35);
    return Math.floor((((x ^ (x >>> 16)) >>> 0) / 2 ** 32) * n);
  };
}

class Reader {
  constructor(bytes, at) {
    Object.assign(this, { bytes, at });
  }
  varint() {
    let [value, factor] = [0, 1];
    for (;;) {
      const byte = this.bytes[this.at++];
      if (byte === undefined) throw new RangeError("the end");
      value += (byte & 127) * factor;
      factor *= 128;
      if (byte < 128) return value;
    }
  }
  skip(n) {
    const begin = this.at;
    this.at += n;
    if (!(this.at <= this.bytes.length)) throw new RangeError("the end");
    return begin;
  }
}

/** Where the seals of a directory of version 1 are, and the bytes that each is of. */
function seals(bytes, reader) {
  const found = [];
  const packed = reader.varint();
  const architecture = packed && { checksum: reader.skip(4), size: packed };
  if (packed) reader.varint();
  for (let n = reader.varint(); n > 0; n--) {
    reader.skip(reader.varint());
    const nArrays = reader.varint();
    const size = reader.varint();
    found.push({ size, checksum: reader.skip(4) });
    for (let i = 0; i < nArrays; i++) {
      if (reader.varint() === 0) reader.skip(reader.varint());
      const rank = bytes[reader.skip(1)] & 7;
      for (let k = rank === 7 ? reader.varint() : rank; k > 0; k--) reader.varint();
    }
  }
  return { found, architecture };
}

/** Makes the checksums right, as far as the changed bytes can still be followed. */
export function repair(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  try {
    const reader = new Reader(bytes, 5);
    if (bytes[4] === 2) {
      const head = reader.varint();
      const packed = reader.varint();
      const end = reader.skip(head + packed) + head + packed;
      view.setUint32(end, crc32(bytes.subarray(0, end)), true);
      return;
    }
    const size = reader.varint();
    const end = reader.at + size;
    const listed = new Reader(bytes, reader.at);
    try {
      const { found, architecture } = seals(bytes, listed);
      const parts = [];
      while (listed.at < end) {
        listed.skip(listed.varint());
        listed.skip(1);
        parts.push({ size: listed.varint(), checksum: listed.skip(4) });
      }
      let at = end + 4;
      for (const seal of [...found, ...(architecture ? [architecture] : []), ...parts]) {
        if (at + seal.size > bytes.length) break;
        view.setUint32(seal.checksum, crc32(bytes.subarray(at, at + seal.size)), true);
        at += seal.size;
      }
    } finally {
      view.setUint32(end, crc32(bytes.subarray(0, end)), true);
    }
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
  }
}
