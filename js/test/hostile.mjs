// node test/hostile.mjs [RUNS] [SEED] [FILE ...]
//
// Changes files at random, repairs their checksums and does all with them that one can do:
// the answer is an error in words, or numbers, soon, and in bounded memory.
import { readFileSync } from "node:fs";
import { argv, exit } from "node:process";
import { fileURLToPath } from "node:url";

import { DczError, open } from "../index.js";
import { golden, nets, random, read, repair } from "./helpers.mjs";

const LIMITS = { maxBytes: 2 ** 22, maxWork: 1e7 };
const MOST_SECONDS = 5;
const INTERESTING = [0, 1, 0x7f, 0x80, 0xff];

// Small nets, of whose changes many can still be run, come as often as all others.
function corpus() {
  const files = golden().map(read);
  return files.flatMap((file, i) => [file, nets[i % nets.length]]);
}

function changed(bytes, next) {
  const copy = bytes.slice(0, next(20) ? bytes.length : next(bytes.length));
  for (let n = 1 + next(2) * next(4); n > 0 && copy.length; n--) {
    // Most of what there is to break stands at the beginning and at the end.
    const among = Math.min(copy.length, [64, 400, copy.length][next(3)]);
    const at = next(3) ? next(among) : copy.length - 1 - next(among);
    copy[at] = next(2) ? INTERESTING[next(INTERESTING.length)] : next(256);
  }
  if (next(16)) repair(copy);
  return copy;
}

/** Opens, inspects, decodes and runs: what happened. */
export async function all(bytes) {
  let said = "read";
  try {
    const net = await open(bytes, LIMITS);
    net.inspect();
    if (net.refused) return "not run";
    const given = net.inputs.map(({ size }) => new Float32Array(size).fill(0.5));
    net.predict(given.length === 1 ? given[0] : given);
    said = "run";
  } catch (error) {
    if (!(error instanceof DczError)) throw error;
    said = error.message.replace(/.*: /, "").replace(/\d+/g, "n").slice(0, 40);
  }
  return said;
}

export async function hostile(runs, seed, files = corpus()) {
  const next = random(seed);
  const said = {};
  let slowest = 0;
  for (let i = 0; i < runs; i++) {
    const bytes = changed(files[i % files.length], next);
    const begin = performance.now();
    let what;
    try {
      what = await all(bytes);
    } catch (error) {
      error.message += ` (run ${i} of seed ${seed})`;
      throw error;
    }
    slowest = Math.max(slowest, (performance.now() - begin) / 1000);
    if (slowest > MOST_SECONDS) throw new Error(`run ${i} of seed ${seed} took ${slowest} s`);
    said[what] = (said[what] ?? 0) + 1;
  }
  return { said, slowest, memory: process.memoryUsage().rss };
}

if (argv[1] === fileURLToPath(import.meta.url)) {
  const [runs = 10000, seed = 1, ...files] = argv.slice(2);
  const given = files.map((path) => new Uint8Array(readFileSync(path)));
  const { said, slowest, memory } = await hostile(
    Number(runs),
    Number(seed),
    given.length ? given : undefined,
  );
  console.log(said);
  console.log(`${runs} files; the slowest took ${slowest.toFixed(2)} s; ${Math.round(memory / 2 ** 20)} MiB`);
  exit(0);
}
