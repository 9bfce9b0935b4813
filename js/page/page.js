// The page. Above stands the library: open() and what it gives.
const config = JSON.parse(document.getElementById("config").textContent);
const $ = (id) => document.getElementById(id);
const PAD = 280; // units that strokes are drawn in
const PEN = 21;
const BOX = 20; // MNIST's digits fill so many of 28 pixels
const STEP = 8; // of the keyboard
const RANGES = { "0..1": [1 / 255, 0], "-1..1": [2 / 255, -1], "0..255": [1, 0] };
const HUES = [14, 200, 42, 160, 262, 330, 95, 225];
const MOST_FIELDS = 24;
const MOST_BARS = 12;
const MOST_ROWS = 200; // of a table
const MOST_PICTURED = 2 ** 22; // weights of an array that is shown as a picture

let model;
let settings;
let repaints = []; // what depends on colors

// ---- Small things

function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties))
    if (name === "role" || name.startsWith("aria-")) element.setAttribute(name, value);
    else element[name] = value;
  element.append(...children);
  return element;
}

const number = (value, digits = 0) =>
  value.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits });
const percent = (part, digits = 1) => `${number(100 * part, digits)}\u00a0%`;
const certainty = (part) => (part < 1 && part > 0.999 ? ">\u00a099.9\u00a0%" : percent(part));
const shown = (value) => (Number.isInteger(value) ? number(value) : value.toPrecision(4));
const plural = (n, word) => `${number(n)} ${word}${n === 1 ? "" : "s"}`;
const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(name);
const hue = (i) => `hsl(${HUES[i % HUES.length]} 50% ${i < HUES.length ? 36 : 28}%)`;

function complain(error) {
  $("problem").textContent = error?.message ?? error ?? "";
  $("problem").hidden = !error;
}

// Said, and measured, once nothing happens any more.
let resting;
function rest(text, x) {
  clearTimeout(resting);
  resting = setTimeout(() => {
    $("said").textContent = text;
    if (x) measure(x);
  }, 400);
}

// ---- Light and dark

const prefersDark = matchMedia("(prefers-color-scheme: dark)");
let theme;
try {
  theme = localStorage.getItem("theme");
} catch {} // a file:// page may have no storage

function paint() {
  const isDark = theme ? theme === "dark" : prefersDark.matches;
  document.documentElement.dataset.theme = isDark ? "dark" : "light";
  $("theme").textContent = isDark ? "Light" : "Dark";
  $("theme").setAttribute("aria-label", `Switch to ${isDark ? "light" : "dark"} colors`);
  repaints.forEach((repaint) => repaint());
}
prefersDark.addEventListener("change", paint);
$("theme").addEventListener("click", () => {
  theme = document.documentElement.dataset.theme === "dark" ? "light" : "dark";
  try {
    localStorage.setItem("theme", theme);
  } catch {}
  paint();
});

// ---- What a model takes

function kindOf({ inputs, refused }) {
  if (refused) return "nothing";
  if (settings.input) return settings.input;
  if (inputs.length > 1) return "numbers";
  const [{ shape, size }] = inputs;
  const [height, width, channels = 1] = shape;
  if (size === 784 && (shape.length === 1 || height === 28)) return "digit";
  const isImage =
    shape.length === 3
      ? channels === 1 || channels === 3
      : shape.length === 2 && height === width && height >= 8;
  return isImage ? "image" : "numbers";
}

const INPUTS = {
  digit: { title: "Draw a digit", build: buildPad },
  image: { title: "Give it a picture", build: buildPicture },
  numbers: { title: "Give it numbers", build: buildNumbers },
};

let takePicture;
let takeText;

async function show(bytes, name, given) {
  const opened = await open(bytes);
  const info = opened.inspect();
  model = opened;
  settings = given;
  takePicture = takeText = undefined;
  repaints = [];
  clearTimeout(resting);
  complain();
  introduce(info, name);
  lookInside(info);
  const { labels } = settings;
  const areWrong = labels && !model.refused && !model.outputs.some(({ size }) => labelsOf(size));
  const input = !areWrong && INPUTS[kindOf(model)];
  $("try").hidden = !input;
  if (areWrong) complain(`There are ${labels.length} labels, and no output has as many elements.`);
  else if (!input) complain(model.refused);
  else {
    $("try-title").textContent = input.title;
    $("try").classList.toggle("wide", input === INPUTS.numbers);
    answerNothing();
    $("given").replaceChildren();
    input.build($("given"));
  }
}

function introduce({ bytes, decodedBytes, arrays }, name) {
  const n = arrays.reduce((sum, { size }) => sum + size, 0);
  const times = decodedBytes / bytes;
  const what = model.refused ? `${plural(n, "weight")} in` : "A network in";
  const title = settings.title || `${what} ${number(bytes)} bytes`;
  $("title").textContent = document.title = title;
  $("lead").textContent =
    settings.lead ||
    `${name} holds ${plural(n, "weight")}, bit for bit. ` +
      (model.refused
        ? "They are decoded here, in this page: nothing leaves your browser."
        : "It is decoded and run here, in this page: nothing that you give it leaves your browser.");
  const side = Math.max(100 / Math.sqrt(Math.max(times, 1)), 1.5);
  $("squares").innerHTML =
    '<svg viewBox="0 0 100 100" aria-hidden="true"><rect width="100" height="100" rx="2"/>' +
    `<rect y="${100 - side}" width="${side}" height="${side}" rx="1"/></svg>`;
  $("squares").append(
    make(
      "p",
      {},
      `${number(decodedBytes)} bytes of weights in`,
      make("br"),
      make("b", {}, `${number(bytes)} bytes, ${number(times, 1)}x smaller`),
    ),
  );
  $("foot").textContent = "Made by deepcompress: decoder, network and page are this one file.";
}

// ---- Computing

let duration;

function compute(x) {
  try {
    const y = model.predict(x);
    complain();
    return y;
  } catch (error) {
    fail(error);
  }
}

/** Says what is wrong with what was given, in place of an answer. */
function fail(problem) {
  answerNothing();
  complain(problem);
}

/** Says how long an example takes, of as many as fit into some milliseconds. */
function measure(x) {
  const begin = performance.now();
  let [n, passed] = [0, 0];
  do {
    model.predict(x);
    n++;
    passed = performance.now() - begin;
  } while (passed < 25);
  const micro = (1000 * passed) / n;
  const [value, unit] = micro < 1000 ? [micro, "µs"] : [micro / 1000, "ms"];
  const took = document.querySelector("#answer .took");
  if (took) took.textContent = `Computed in ${number(value, value < 10 ? 1 : 0)} ${unit}.`;
}

function answer(x) {
  const y = compute(x);
  if (!y) return;
  const outputs = model.outputs.length === 1 ? [y] : Object.values(y);
  const told = outputs.map((values, i) => tell(values, model.outputs[i]));
  const took = document.querySelector("#answer .took") ?? make("p", { className: "small took" });
  $("answer").replaceChildren(...told.flatMap(({ parts }) => parts), took);
  rest(told.map(({ text }) => text).join("; "), x);
}

/** What the answer looks like before there is one. */
function answerNothing() {
  const nothing = ({ name, shape, size }) => {
    const isList = !imageOf(shape) && size > 1 && size <= MOST_BARS;
    const row = (_, i) => [labelOf(i, size), 0, "", false];
    return [
      ...headingOf(name),
      make("div", { className: "best empty" }, make("b", {}, "?")),
      ...(isList ? [bars(Array.from({ length: size }, row))] : []),
    ];
  };
  $("answer").replaceChildren(...model.outputs.flatMap(nothing));
  rest("");
}

function softmax(values) {
  const most = Math.max(...values);
  const powers = Array.from(values, (value) => Math.exp(value - most));
  const sum = powers.reduce((a, b) => a + b);
  return powers.map((power) => power / sum);
}

/** What the elements of an output are called, where as many labels were given. */
const labelsOf = (size) => (settings.labels?.length === size ? settings.labels : undefined);

const labelOf = (i, size) => labelsOf(size)?.[i] ?? String(i);

const headingOf = (name) => (name ? [make("h3", {}, name)] : []);

/** The shape of an output as an image, if it is one. */
function imageOf(shape) {
  const [height, width, channels = 1] = shape;
  if (kindOf(model) === "digit" && shape.join() === "784") return [28, 28];
  return height >= 8 && width >= 8 && (channels === 1 || channels === 3) && shape;
}

/** An output as elements, a number, bars or a picture; and in words. */
function tell(values, { name, shape }) {
  const heading = headingOf(name);
  const image = imageOf(shape);
  if (image) return { parts: [...heading, pictureOf(values, image)], text: "a picture" };
  const sum = values.reduce((a, b) => a + b, 0);
  const areShares = values.every((value) => value >= 0) && Math.abs(sum - 1) < 1e-3;
  const isClassifier = areShares || labelsOf(values.length) || kindOf(model) === "digit";
  const told = values.length > 1 && isClassifier ? classes : numbers;
  const { parts, text } = told(areShares ? [...values] : values);
  return { parts: [...heading, ...parts], text: name ? `${name}: ${text}` : text };
}

function large(text, beside) {
  const className = text.length > 3 ? "best long" : "best";
  return make("div", { className }, make("b", {}, text), make("span", {}, beside));
}

function classes(values) {
  const shares = Array.isArray(values) ? values : softmax(values);
  const order = [...shares.keys()].sort((a, b) => shares[b] - shares[a]);
  const [best] = order;
  const some = order.slice(0, MOST_BARS);
  if (shares.length <= MOST_BARS) some.sort((a, b) => a - b);
  const name = (i) => labelOf(i, shares.length);
  const row = (i) => [name(i), shares[i], certainty(shares[i]), i === best];
  return {
    parts: [large(name(best), `${certainty(shares[best])} sure`), bars(some.map(row))],
    text: `${name(best)}, ${certainty(shares[best])} sure`,
  };
}

function numbers(values) {
  const some = Array.from(values.slice(0, MOST_BARS));
  const text = some.map(shown).join(", ");
  if (values.length === 1) return { parts: [large(text, labelsOf(1)?.[0] ?? "")], text };
  const most = Math.max(...some.map(Math.abs)) || 1;
  const left = values.length - some.length;
  const row = (value, i) => [labelOf(i, values.length), value / most, shown(value), false];
  return {
    parts: [
      bars(some.map(row)),
      make("p", { className: "small" }, left ? `and ${number(left)} more` : ""),
    ],
    text,
  };
}

/** Bars as long as shares of 1: from the left, or from the middle where one is below 0. */
function bars(rows) {
  const list = make("dl", { className: "bars" });
  const isSigned = rows.some(([, share]) => share < 0);
  const percents = isSigned ? 50 : 100;
  for (const [label, share, text, isBest] of rows) {
    const fill = make("i");
    fill.style.width = `${percents * Math.abs(share)}%`;
    if (isSigned) fill.style.marginLeft = `${50 + 50 * Math.min(share, 0)}%`;
    const track = make("i", { "aria-hidden": true, className: isSigned ? "signed" : "" }, fill);
    list.append(
      make("dt", { className: isBest ? "is-best" : "", title: label }, label),
      track,
      make("dd", {}, text),
    );
  }
  return list;
}

function pictureOf(values, [height, width, channels = 1]) {
  const canvas = make("canvas", { className: "picture", width, height });
  canvas.style.width = `${(20 * width) / Math.max(width, height)}rem`;
  const low = values.reduce((a, b) => Math.min(a, b), 0);
  const high = values.reduce((a, b) => Math.max(a, b), 1);
  const image = new ImageData(width, height);
  for (let i = 0; i < width * height; i++) {
    for (let k = 0; k < 3; k++)
      image.data[4 * i + k] =
        (255 * (values[channels * i + (channels === 1 ? 0 : k)] - low)) / (high - low);
    image.data[4 * i + 3] = 255;
  }
  canvas.getContext("2d").putImageData(image, 0, 0);
  return canvas;
}

// ---- Drawing a digit

/** A digit as MNIST has it: 20 pixels large, its center of mass in the middle of 28. */
function asMnist({ data, width, height }) {
  let [left, top, right, bottom] = [width, height, -1, -1];
  let [sum, x0, y0] = [0, 0, 0];
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++) {
      const ink = data[4 * (y * width + x) + 3];
      if (ink < 16) continue;
      [left, right] = [Math.min(left, x), Math.max(right, x)];
      [top, bottom] = [Math.min(top, y), Math.max(bottom, y)];
      [sum, x0, y0] = [sum + ink, x0 + ink * (x + 0.5), y0 + ink * (y + 0.5)];
    }
  if (sum === 0) return undefined;
  const scale = BOX / Math.max(right - left + 1, bottom - top + 1, 2 * PEN);
  const pixels = new Float32Array(784);
  for (let y = top; y <= bottom; y++)
    for (let x = left; x <= right; x++) {
      const column = Math.floor(14 + (x + 0.5 - x0 / sum) * scale);
      const row = Math.floor(14 + (y + 0.5 - y0 / sum) * scale);
      if (column >= 0 && column < 28 && row >= 0 && row < 28)
        pixels[28 * row + column] +=
          (data[4 * (y * width + x) + 3] / 255) * scale * scale;
    }
  return pixels.map((value) => Math.min(value, 1));
}

function buildPad(into) {
  const canvas = make("canvas", {
    width: PAD,
    height: PAD,
    tabIndex: 0,
    role: "application",
    "aria-label": "Drawing area",
    "aria-describedby": "pad-help",
  });
  const context = canvas.getContext("2d", { willReadFrequently: true });
  const hint = make("p", {}, "Draw here");
  const pen = make("span", { className: "pen" });
  const seen = make("canvas", { width: 28, height: 28 });
  let strokes = []; // each a list of points
  let picture; // as ink, instead of strokes
  let exact; // a picture that is a digit of MNIST already
  let at = [PAD / 2, PAD / 2];
  let isDown = false;

  function draw() {
    context.clearRect(0, 0, PAD, PAD);
    if (picture) context.drawImage(picture, 0, 0, PAD, PAD);
    context.lineWidth = PEN;
    context.lineCap = context.lineJoin = "round";
    for (const [first, ...rest] of strokes) {
      context.beginPath();
      context.moveTo(...first);
      context.lineTo(...first);
      for (const point of rest) context.lineTo(...point);
      context.stroke();
    }
    context.globalCompositeOperation = "source-in"; // all of it in one color
    context.fillStyle = color("--ink");
    context.fillRect(0, 0, PAD, PAD);
    context.globalCompositeOperation = "source-over";
    hint.hidden = strokes.length > 0 || picture !== undefined;
  }

  function update() {
    draw();
    const pixels = exact ?? asMnist(context.getImageData(0, 0, PAD, PAD));
    const image = new ImageData(28, 28);
    for (let i = 0; i < 784; i++)
      image.data.set([...Array(3).fill(255 * (pixels?.[i] ?? 0)), 255], 4 * i);
    seen.getContext("2d").putImageData(image, 0, 0);
    if (pixels) answer(scaled(pixels));
    else answerNothing();
  }

  let isWaiting = false;
  function soon() {
    if (isWaiting) return;
    isWaiting = true;
    requestAnimationFrame(() => {
      isWaiting = false;
      update();
    });
  }

  function begin(point) {
    if (picture) clear();
    strokes.push([point]);
    soon();
  }
  function extend(point) {
    strokes.at(-1).push(point);
    soon();
  }
  function clear() {
    strokes = [];
    picture = exact = undefined;
    isDown = false;
    pen.classList.remove("down");
    soon();
  }
  function undo() {
    strokes.pop();
    soon();
  }

  const pointOf = (event) => {
    const { left, top, width, height } = canvas.getBoundingClientRect();
    return [((event.clientX - left) / width) * PAD, ((event.clientY - top) / height) * PAD];
  };
  canvas.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    canvas.setPointerCapture?.(event.pointerId);
    canvas.dataset.pointer = event.pointerId;
    begin(pointOf(event));
  });
  canvas.addEventListener("pointermove", (event) => {
    if (canvas.dataset.pointer !== String(event.pointerId)) return;
    const all = event.getCoalescedEvents?.() ?? [];
    for (const each of all.length ? all : [event]) extend(pointOf(each));
  });
  for (const end of ["pointerup", "pointercancel"])
    canvas.addEventListener(end, () => delete canvas.dataset.pointer);

  const WAYS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  canvas.addEventListener("keydown", (event) => {
    const way = WAYS[event.key];
    if (way) {
      const edge = (value) => Math.min(Math.max(value, PEN), PAD - PEN);
      at = at.map((value, axis) => edge(value + STEP * way[axis]));
      if (isDown) extend(at);
    } else if (event.key === " ") {
      isDown = !isDown;
      if (isDown) begin(at);
      $("said").textContent = isDown ? "Pen down" : "Pen up";
    } else if (event.key === "Delete" || event.key === "Backspace") clear();
    else if (event.key === "z" && (event.ctrlKey || event.metaKey)) undo();
    else return;
    event.preventDefault();
    pen.classList.toggle("down", isDown);
    placePen();
  });
  function placePen() {
    pen.style.left = `${(100 * at[0]) / PAD}%`;
    pen.style.top = `${(100 * at[1]) / PAD}%`;
  }
  placePen();

  takePicture = (bitmap) => {
    clear();
    const isExact = bitmap.width === 28 && bitmap.height === 28;
    const size = isExact ? 28 : PAD;
    const image = pixelsOf(bitmap, size, size, !isExact);
    const gray = grayOf(image);
    // Ink is what differs from the edge, on paper of any color.
    const edge = gray.filter((_, i) => i < size || i % size === 0);
    const paper = edge.sort()[edge.length >> 1];
    const most = gray.reduce((a, b) => Math.max(a, Math.abs(b - paper)), 1);
    const ink = gray.map((value) => Math.abs(value - paper) / most);
    ink.forEach((value, i) => {
      image.data[4 * i + 3] = isExact || value > 0.25 ? 255 * value : 0;
    });
    if (isExact) exact = Float32Array.from(gray, (value) => Math.abs(value - paper) / 255);
    picture = make("canvas", { width: size, height: size });
    picture.getContext("2d").putImageData(image, 0, 0);
    update();
  };

  into.append(
    make("div", { className: "pad" }, canvas, hint, pen),
    make(
      "div",
      { className: "row" },
      make("button", { type: "button", onclick: clear }, "Clear"),
      make("button", { type: "button", onclick: undo }, "Undo"),
      pictureButton(),
    ),
    make(
      "div",
      { className: "seen" },
      seen,
      make(
        "p",
        { className: "small" },
        "What the network sees: 28 x 28 pixels, scaled and centered as those it learnt from.",
      ),
    ),
  );
  const help = make("p", { className: "small row keys", id: "pad-help" });
  help.innerHTML =
    "<span>By keyboard: <kbd>Tab</kbd> to the pad, <kbd>Space</kbd> puts the pen down or " +
    "lifts it, arrow keys move it, <kbd>Delete</kbd> clears.</span>";
  into.append(help);
  repaints.push(draw);
  update();
}

// ---- Pictures

function pictureButton() {
  const input = make("input", { type: "file", accept: "image/*", className: "unseen" });
  input.addEventListener("change", () => input.files[0] && takeFile(input.files[0]));
  return make("label", { className: "button" }, "Open a picture", input);
}

/** The pixels of a picture at some size: stretched, or whole with paper around it. */
function pixelsOf(bitmap, width, height, isWhole = false) {
  const canvas = make("canvas", { width, height });
  const context = canvas.getContext("2d");
  context.imageSmoothingQuality = "high";
  let [w, h] = [width, height];
  if (isWhole) {
    const scale = Math.min(width / bitmap.width, height / bitmap.height);
    [w, h] = [bitmap.width * scale, bitmap.height * scale];
    const corner = make("canvas", { width: 1, height: 1 }).getContext("2d");
    corner.drawImage(bitmap, 0, 0);
    context.fillStyle = `rgb(${corner.getImageData(0, 0, 1, 1).data.slice(0, 3).join(" ")})`;
  } else context.fillStyle = "#fff";
  context.fillRect(0, 0, width, height);
  context.drawImage(bitmap, (width - w) / 2, (height - h) / 2, w, h);
  return context.getImageData(0, 0, width, height);
}

const grayOf = ({ data }) =>
  Float32Array.from({ length: data.length / 4 }, (_, i) =>
    Math.round(0.299 * data[4 * i] + 0.587 * data[4 * i + 1] + 0.114 * data[4 * i + 2]),
  );

/** Values of 0 to 1 in the range that the model takes. */
function scaled(values) {
  const [scale, offset] = RANGES[settings.pixels ?? "0..1"];
  return Float32Array.from(values, (value) => value * 255 * scale + offset);
}

function buildPicture(into) {
  const [{ shape }] = model.inputs;
  const [height, width, channels = 1] = shape;
  const place = make("div", {}, make("p", { className: "empty" }, "Drop a picture here, paste one, or open one."));
  takePicture = (bitmap) => {
    const image = pixelsOf(bitmap, width, height);
    const values =
      channels === 1 ? grayOf(image) : image.data.filter((_, i) => i % 4 < 3);
    const x = scaled(Float32Array.from(values, (value) => value / 255));
    place.replaceChildren(pictureOf(Float32Array.from(values, (v) => v / 255), shape));
    answer(x);
  };
  into.append(
    place,
    make("div", { className: "row" }, pictureButton()),
    make(
      "p",
      { className: "small row" },
      `The network takes ${width} x ${height} pixels, ${channels === 1 ? "gray" : "in color"}. ` +
        "Pictures of another size are stretched to that.",
    ),
  );
}

addEventListener("paste", (event) => {
  const file = [...event.clipboardData.files].find(({ type }) => type.startsWith("image/"));
  if (file && takePicture) takeFile(file);
});

// ---- Numbers

/** The names of all numbers that a model takes, in the order of its inputs. */
function columnsOf({ inputs }) {
  if (settings.columns) return settings.columns;
  return inputs.flatMap(({ name, size }, i) =>
    Array.from({ length: size }, (_, k) =>
      size === 1 ? name || `input ${i + 1}` : `${name ? `${name} ` : ""}${k + 1}`,
    ),
  );
}

/** What a table of rows gives to each input. */
function tableOf(rows) {
  let from = 0;
  const given = model.inputs.map(({ size }) => {
    const columns = rows.flatMap((row) => row.slice(from, from + size));
    from += size;
    return Float32Array.from(columns);
  });
  return given.length === 1 ? given[0] : given;
}

function buildNumbers(into) {
  const columns = columnsOf(model);
  const n = model.inputs.reduce((sum, { size }) => sum + size, 0);
  const each = model.inputs.map(({ name, size }) => `${number(size)} of ${name}`);
  const inOrder = each.length > 1 ? ` (${each.join(", then ")})` : "";
  const fields = [];
  if (n <= MOST_FIELDS) {
    const form = make("div", { className: "fields" });
    for (let i = 0; i < n; i++) {
      const field = make("input", { type: "number", step: "any", value: "0" });
      field.addEventListener("input", () => one(fields.map(({ value }) => Number(value))));
      fields.push(field);
      form.append(make("label", {}, columns[i] ?? `input ${i + 1}`, field));
    }
    into.append(form);
  }
  const area = make("textarea", {
    spellcheck: false,
    placeholder: `${n} numbers in each row, apart by commas, tabs or spaces`,
  });
  area.addEventListener("input", () => takeText(area.value));
  into.append(
    make(
      "label",
      { className: "paste" },
      `Rows of ${plural(n, "number")}${inOrder}: paste them, or drop a .csv file`,
      area,
    ),
  );

  function one(row) {
    answer(tableOf([row]));
  }
  takeText = (text) => {
    if (area.value !== text) area.value = text;
    const lines = text.split(/\n/).filter((line) => line.trim());
    let rows = lines.map((line) => line.trim().split(/[\s,;]+/).map(Number));
    if (rows.length > 1 && rows[0].some(Number.isNaN)) rows = rows.slice(1); // a heading
    const wrong = rows.find((row) => row.length !== n || row.some(Number.isNaN));
    if (wrong)
      return fail(
        `Row ${rows.indexOf(wrong) + 1} is not ${plural(n, "number")}: ` +
          (wrong.length === n ? "a word is none." : `it has ${wrong.length}.`),
      );
    if (rows.length === 1) {
      fields.forEach((field, i) => (field.value = rows[0][i]));
      one(rows[0]);
    } else if (rows.length) answerAll(rows);
    return undefined;
  };
  one(Array(n).fill(0));
}

function answerAll(rows) {
  const x = tableOf(rows);
  const y = compute(x);
  if (!y) return;
  const outputs = model.outputs.length === 1 ? [y] : Object.values(y);
  const body = make("tbody");
  for (let i = 0; i < Math.min(rows.length, MOST_ROWS); i++) {
    const cells = model.outputs.flatMap(({ name, size }, k) => {
      const some = outputs[k].slice(i * size, (i + 1) * size);
      const best = some.indexOf(Math.max(...some));
      const text = Array.from(some.slice(0, MOST_BARS), shown).join("  ");
      return [
        make("td", {}, size > 1 ? labelOf(best, size) : name),
        make("td", {}, size > MOST_BARS ? `${text}  ...` : text),
      ];
    });
    body.append(make("tr", {}, make("th", { scope: "row" }, `${i + 1}`), ...cells));
  }
  rest(`${plural(rows.length, "row")} computed`);
  $("answer").replaceChildren(
    make("div", { className: "scroll" }, make("table", {}, body)),
    make(
      "p",
      { className: "small" },
      rows.length > MOST_ROWS
        ? `The first ${MOST_ROWS} of ${plural(rows.length, "row")}.`
        : plural(rows.length, "row"),
    ),
  );
}

// ---- What is in the file

function lookInside({ bytes, arrays, parts, architecture, overhead, version }) {
  const layers = new Map();
  for (const array of arrays) {
    const key = array.layer || array.name;
    layers.set(key, [...(layers.get(key) ?? []), array]);
  }
  const sum = (list, key) => list.reduce((total, each) => total + (each[key] ?? 0), 0);
  const rows = [...layers].map(([name, list], i) => {
    const [largest] = [...list].sort((a, b) => b.size - a.size);
    return {
      name,
      fill: hue(i),
      shape: largest.shape.join(" x "),
      size: sum(list, "size"),
      kept: percent(sum(list, "kept") / Math.max(sum(list, "size"), 1)),
      values: largest.values === undefined ? "many" : number(largest.values),
      bytes: sum(list, "bytes"),
    };
  });
  const rest = [
    ["architecture", architecture],
    ...parts.map((part) => [part.name, part.bytes]),
    ["names and checksums", overhead],
  ];
  for (const [name, size] of rest)
    if (size > 0) rows.push({ name, fill: "#62666d", bytes: size });

  const label = rows.map((row) => `${row.name}: ${row.bytes} bytes`).join(", ");
  const stack = make("div", { className: "stack", role: "img", "aria-label": label });
  const body = make("tbody");
  const most = Math.max(...rows.map((row) => row.bytes));
  for (const row of rows) {
    const share = make("i", { title: `${row.name}: ${number(row.bytes)} bytes` });
    share.style.cssText = `flex:${row.bytes} 0 0;background:${row.fill}`;
    if (row.bytes / bytes > 0.09) share.textContent = row.name;
    stack.append(share);
    const dot = make("span", { className: "dot" });
    dot.style.background = row.fill;
    const bar = make("i");
    bar.style.cssText = `width:${(100 * row.bytes) / most}%;background:${row.fill}`;
    body.append(
      make(
        "tr",
        {},
        make("th", { scope: "row" }, dot, row.name),
        make("td", { className: "wide-only" }, row.shape ?? ""),
        make("td", {}, row.size === undefined ? "" : number(row.size)),
        make("td", {}, row.kept ?? ""),
        make("td", { className: "wide-only" }, row.values ?? ""),
        make("td", {}, number(row.bytes)),
        make("td", { className: "wide-only share" }, bar),
      ),
    );
  }
  const head = ["Layer", "Shape", "Weights", "Kept", "Values", "Bytes", ""].map((text, i) =>
    make("th", { scope: "col", className: [1, 4, 6].includes(i) ? "wide-only" : "" }, text),
  );
  const total = make(
    "tr",
    {},
    make("th", { scope: "row" }, `The file, version ${version}`),
    make("td", { className: "wide-only" }),
    make("td", {}, number(sum(arrays, "size"))),
    make("td", {}, percent(sum(arrays, "kept") / Math.max(sum(arrays, "size"), 1))),
    make("td", { className: "wide-only" }),
    make("td", {}, number(bytes)),
    make("td", { className: "wide-only" }),
  );
  const table = make(
    "table",
    {},
    make("thead", {}, make("tr", {}, ...head)),
    body,
    make("tfoot", {}, total),
  );
  const weights = make("div", { className: "weights" });
  for (const array of arrays)
    if (array.shape.length > 1 && array.size <= MOST_PICTURED && /^(b?float|u?int)/.test(array.dtype))
      weights.append(pictureOfWeights(array));
  const legend = make("p", { className: "small" });
  legend.innerHTML =
    'Every weight that was kept: <span class="plus">positive</span> or ' +
    '<span class="minus">negative</span>, the larger the stronger. All others are 0.';
  $("inside").replaceChildren(
    stack,
    make("div", { className: "scroll" }, table),
    ...(weights.children.length ? [legend, weights] : []),
  );
}

function pictureOfWeights({ name, shape, size, kept }) {
  const { data } = model.decode(name);
  const columns = shape.at(-1);
  const across = size / columns;
  // Lying down: what goes in from left to right.
  const [width, height] = [Math.min(across, 1024), Math.min(columns, 512)];
  const strongest = data.reduce((most, value) => Math.max(most, Math.abs(Number(value))), 0) || 1;
  const strength = new Float32Array(width * height);
  for (let i = 0; i < size; i++) {
    const value = Number(data[i]);
    if (value === 0) continue;
    const x = Math.floor((Math.floor(i / columns) * width) / across);
    const y = Math.floor(((i % columns) * height) / columns);
    const at = y * width + x;
    if (Math.abs(value) > Math.abs(strength[at])) strength[at] = value / strongest;
  }
  const label = `The kept weights of ${name}`;
  const canvas = make("canvas", { width, height, role: "img", "aria-label": label });
  function repaint() {
    const image = new ImageData(width, height);
    const parse = (css) => css.match(/\w\w/g).map((hex) => parseInt(hex, 16));
    const [plus, minus] = [parse(color("--accent")), parse(color("--second"))];
    strength.forEach((value, i) => {
      if (value)
        image.data.set([...(value > 0 ? plus : minus), 110 + 145 * Math.abs(value)], 4 * i);
    });
    canvas.getContext("2d").putImageData(image, 0, 0);
  }
  repaint();
  repaints.push(repaint);
  canvas.style.width = `${width * (width > 300 ? 2 : width > 100 ? 3 : width > 40 ? 4 : 8)}px`;
  return make(
    "figure",
    {},
    canvas,
    make("figcaption", {}, `${name}, ${shape.join(" x ")}: ${percent(kept / size)} kept`),
  );
}

// ---- Files

async function takeFile(file) {
  try {
    const bytes = new Uint8Array(await file.arrayBuffer());
    const isDcz = bytes[0] === 0x89 && bytes[1] === 0x44 && bytes[2] === 0x43 && bytes[3] === 0x5a;
    if (isDcz || file.name.endsWith(".dcz")) {
      await show(bytes, file.name, {});
      scrollTo({ top: 0 });
    } else if (file.type.startsWith("image/")) {
      if (!takePicture) throw new Error("This network takes no pictures.");
      takePicture(await createImageBitmap(file));
    } else if (takeText) takeText(new TextDecoder().decode(bytes));
    else throw new Error(`${file.name} is neither a .dcz file nor a picture.`);
  } catch (error) {
    complain(error);
  }
}

$("file").addEventListener("change", (event) => {
  if (event.target.files[0]) takeFile(event.target.files[0]);
  event.target.value = "";
});
for (const kind of ["dragover", "dragleave", "drop"])
  addEventListener(kind, (event) => {
    event.preventDefault();
    document.body.classList.toggle("over", kind === "dragover");
    if (kind === "drop" && event.dataTransfer.files[0]) takeFile(event.dataTransfer.files[0]);
  });

paint();
const letters = atob(config.model);
await show(
  Uint8Array.from(letters, (letter) => letter.charCodeAt(0)),
  config.name,
  config,
).catch(complain);
