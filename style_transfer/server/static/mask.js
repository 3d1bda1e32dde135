// Where to paint: a mask drawn over the photo, by hand, by keyboard, or taken from a file.
//
// The canvas has a color for each style, and nothing where the photo stays. What is kept is a list
// of what was done, so that all of it can be undone.

import { say, send } from "./http.js";

const SIDE = 1024; // pixels of the canvas' longer side
const COLORS = ["#e0662c", "#2f86e0", "#3fa344", "#ab49c9", "#d6ab1e", "#1fa9a9", "#cc4673", "#7263d3"];
const NUMBERS = COLORS.map((each) => [1, 3, 5].map((at) => parseInt(each.slice(at, at + 2), 16)));
const LEAST = 0.01; // of the picture: what a region must have, as on the command line

export class Mask {
  constructor(used) {
    this.used = used;
    this.dialog = document.getElementById("mask");
    this.canvas = this.dialog.querySelector("canvas");
    this.pen = this.canvas.getContext("2d", { willReadFrequently: true });
    this.cursor = this.dialog.querySelector(".cursor");
    this.size = this.dialog.querySelector("#mask-size");
    this.trouble = this.dialog.querySelector(".trouble");
    const click = (name, act) => this.dialog.querySelector(`[data-mask=${name}]`).addEventListener("click", act);
    click("undo", () => this.undo());
    click("clear", () => this.add({ clear: true }));
    click("use", () => this.use());
    click("close", () => this.dialog.close());
    this.dialog.querySelector("[type=file]").addEventListener("change", (event) => this.takeFile(event.target));
    this.size.addEventListener("input", () => this.moveCursor(0, 0));
    this.canvas.addEventListener("pointerdown", (event) => this.begin(event));
    this.canvas.addEventListener("pointermove", (event) => this.stroke && event.buttons && this.go(this.pointOf(event)));
    for (const name of ["pointerup", "pointercancel"]) this.canvas.addEventListener(name, () => (this.stroke = null));
    this.canvas.addEventListener("keydown", (event) => this.press(event));
  }

  // Over a photo, for styles of these names; `id`: of the mask that there is, or nothing.
  async open(photo, names, id) {
    this.photo = photo;
    this.names = names;
    const scale = SIDE / Math.max(photo.width, photo.height);
    this.canvas.width = Math.round(photo.width * scale);
    this.canvas.height = Math.round(photo.height * scale);
    this.dialog.querySelector("img").src = photo.url;
    this.done = [];
    this.place = [this.canvas.width / 2, this.canvas.height / 2];
    this.showPalette();
    say(this.trouble, "");
    const before = id && (await load(`/pictures/${id}.jpg`).catch(() => null));
    if (before) this.done.push({ image: before });
    this.redraw();
    this.dialog.showModal();
    this.moveCursor(0, 0);
    if (id && !before) say(this.trouble, "The mask that there was cannot be read: draw it anew.");
  }

  showPalette() {
    const texts = ["The photo stays", ...(this.names.length > 1 ? this.names : ["Painted"])];
    this.dialog.querySelector(".palette").replaceChildren(...texts.map((text, level) => {
      const label = document.createElement("label");
      const choice = document.createElement("input");
      Object.assign(choice, { type: "radio", name: "level", value: level, checked: level === 0 });
      const spot = document.createElement("i");
      if (level) spot.style.background = COLORS[level - 1];
      label.append(choice, spot, text);
      return label;
    }));
  }

  get level() {
    return Number(this.dialog.querySelector("[name=level]:checked").value);
  }

  // In pixels of the canvas.
  get width() {
    return (Number(this.size.value) / 100) * Math.max(this.canvas.width, this.canvas.height);
  }

  pointOf({ clientX, clientY }) {
    const box = this.canvas.getBoundingClientRect();
    const scale = this.canvas.width / box.width;
    return [(clientX - box.x) * scale, (clientY - box.y) * scale];
  }

  begin(event) {
    this.canvas.setPointerCapture(event.pointerId);
    this.stroke = { level: this.level, width: this.width, points: [] };
    this.done.push(this.stroke);
    this.go(this.pointOf(event));
  }

  go(point) {
    this.stroke.points.push(point);
    this.draw({ ...this.stroke, points: this.stroke.points.slice(-2) });
  }

  press(event) {
    const steps = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (steps) this.moveCursor(...steps);
    else if (event.key === " ") this.add({ level: this.level, width: this.width, points: [this.place] });
    else if (event.key === "z" && (event.ctrlKey || event.metaKey)) this.undo();
    else return;
    event.preventDefault();
  }

  moveCursor(across, down) {
    const sides = [this.canvas.width, this.canvas.height];
    this.place = this.place.map((each, axis) => Math.min(sides[axis], Math.max(0, each + ([across, down][axis] * this.width) / 2)));
    const [left, top] = this.place.map((each, axis) => `${(100 * each) / sides[axis]}%`);
    Object.assign(this.cursor.style, { left, top, width: `${(100 * this.width) / sides[0]}%` });
  }

  add(what) {
    this.done.push(what);
    this.draw(what);
  }

  undo() {
    this.done.pop();
    this.redraw();
  }

  redraw() {
    this.draw({ clear: true });
    this.done.forEach((each) => this.draw(each));
  }

  draw({ clear, image, level, width, points }) {
    const { pen, canvas } = this;
    say(this.trouble, "");
    if (image) return this.drawImage(image);
    pen.globalCompositeOperation = level === 0 ? "destination-out" : "source-over";
    pen.fillStyle = pen.strokeStyle = COLORS[Math.max(0, level - 1) || 0];
    if (clear) return pen.fillRect(0, 0, canvas.width, canvas.height);
    Object.assign(pen, { lineWidth: width, lineCap: "round", lineJoin: "round" });
    pen.beginPath();
    const [[x, y]] = points;
    pen.moveTo(x, y);
    pen.lineTo(x + 0.01, y); // a line of no length would leave no spot
    points.forEach((each) => pen.lineTo(...each));
    return pen.stroke();
  }

  // A mask in grays: black where the photo stays, the brighter, the later the style.
  drawImage(image) {
    const { pen, canvas, names } = this;
    pen.globalCompositeOperation = "copy";
    pen.drawImage(image, 0, 0, canvas.width, canvas.height);
    const pixels = pen.getImageData(0, 0, canvas.width, canvas.height);
    for (let at = 0; at < pixels.data.length; at += 4) {
      const level = Math.round((pixels.data[at] * names.length) / 255);
      pixels.data.set(NUMBERS[Math.max(0, level - 1)], at);
      pixels.data[at + 3] = level ? 255 : 0;
    }
    pen.putImageData(pixels, 0, 0);
  }

  // Each pixel's level, 0 where the photo stays.
  readLevels() {
    const { data } = this.pen.getImageData(0, 0, this.canvas.width, this.canvas.height);
    const levels = new Uint8Array(data.length / 4);
    for (let pixel = 0, at = 0; pixel < levels.length; pixel++, at += 4) {
      if (data[at + 3] < 128) continue;
      let nearest = Infinity;
      for (let index = 0; index < this.names.length; index++) { // edges are between two colors
        const color = NUMBERS[index];
        const far = Math.abs(color[0] - data[at]) + Math.abs(color[1] - data[at + 1]) + Math.abs(color[2] - data[at + 2]);
        if (far < nearest) [nearest, levels[pixel]] = [far, index + 1];
      }
    }
    return levels;
  }

  async use() {
    const levels = this.readLevels();
    const areas = new Array(this.names.length + 1).fill(0);
    levels.forEach((each) => (areas[each] += 1 / levels.length));
    const missing = this.names.find((_, index) => areas[index + 1] < LEAST);
    if (missing) {
      say(this.trouble, this.names.length > 1 ? `Paint somewhere with ${missing}, or take it out of the box.` : "Leave something to be painted.");
      return;
    }
    try {
      const isAll = this.names.length === 1 && areas[0] < LEAST;
      this.used(isAll ? "" : await this.send(levels));
      this.dialog.close();
    } catch (error) {
      say(this.trouble, error.message);
    }
  }

  // As large as the photo, as the program wants it.
  async send(levels) {
    const small = new OffscreenCanvas(this.canvas.width, this.canvas.height);
    const pixels = new ImageData(small.width, small.height);
    levels.forEach((level, pixel) => {
      const gray = Math.round((255 * level) / this.names.length);
      pixels.data.set([gray, gray, gray, 255], 4 * pixel);
    });
    small.getContext("2d").putImageData(pixels, 0, 0);
    const whole = new OffscreenCanvas(this.photo.width, this.photo.height);
    const pen = whole.getContext("2d");
    pen.imageSmoothingEnabled = this.names.length === 1; // between three grays lies a fourth
    pen.drawImage(small, 0, 0, whole.width, whole.height);
    const blob = await whole.convertToBlob({ type: "image/png" });
    return (await send("POST", "/pictures?name=mask.png", blob, "image/png")).id;
  }

  async takeFile(input) {
    const [file] = input.files;
    input.value = "";
    const image = file && (await createImageBitmap(file).catch(() => null));
    say(this.trouble, image || !file ? "" : `${file.name} is no picture that this browser can read.`);
    if (image) this.add({ image });
  }
}

async function load(address) {
  const image = new Image();
  image.src = address;
  await image.decode();
  return image;
}
