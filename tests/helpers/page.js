// What scripts of the tests call. The page is ready once it shows a model, or a problem.
const $ = (id) => document.getElementById(id);
const all = (selector) => [...document.querySelectorAll(selector)];
const texts = (selector) => all(selector).map((element) => element.textContent);
const best = () => document.querySelector("#answer .best b")?.textContent;
const button = (text) => all("button").find((each) => each.textContent === text);
const wait = (ms) => new Promise((then) => setTimeout(then, ms));
const frame = () => new Promise((then) => requestAnimationFrame(() => setTimeout(then)));
async function until(condition) {
  while (!condition()) await wait(10);
}

async function drop(name, type, base64) {
  const bytes = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
  const dataTransfer = new DataTransfer();
  dataTransfer.items.add(new File([bytes], name, { type }));
  document.body.dispatchEvent(
    new DragEvent("drop", { dataTransfer, bubbles: true, cancelable: true }),
  );
}

const pad = () => document.querySelector(".pad canvas");

function stroke(points) {
  const { left, top, width, height } = pad().getBoundingClientRect();
  const point = (type, [x, y]) =>
    pad().dispatchEvent(
      new PointerEvent(type, {
        pointerId: 1,
        clientX: left + x * width,
        clientY: top + y * height,
        bubbles: true,
      }),
    );
  point("pointerdown", points[0]);
  points.slice(1).forEach((each) => point("pointermove", each));
  point("pointerup", points.at(-1));
}

const arc = (cx, cy, rx, ry, from, to) =>
  Array.from({ length: 25 }, (_, i) => {
    const angle = ((from + ((to - from) * i) / 24) * Math.PI) / 180;
    return [cx + rx * Math.cos(angle), cy + ry * Math.sin(angle)];
  });

const THREE = [...arc(0.48, 0.3, 0.2, 0.17, -160, 90), ...arc(0.47, 0.66, 0.24, 0.2, -90, 150)];

function press(key, times = 1) {
  for (; times > 0; times--)
    pad().dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
}

await until(() => document.querySelector("#given > *") || !$("problem").hidden);
