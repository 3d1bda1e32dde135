// The form: settings in and out, what they will cost, and the order that is given by Predict.

import { readFragment, say, send } from "./http.js";
import { Mask } from "./mask.js";
import { Box, offerCamera } from "./pictures.js";

const DELAY = 250; // milliseconds after the last change before the cost is asked for

export class Form {
  constructor(place, ordered) {
    this.place = place;
    this.ordered = ordered;
    this.used = new Set(JSON.parse(place.dataset.used));
    const chosen = JSON.parse(place.dataset.pictures);
    const changed = () => this.change();
    this.content = new Box(document.getElementById("content"), chosen.content ? [chosen.content] : [], changed);
    this.style = new Box(document.getElementById("style"), chosen.styles, changed);
    this.sliders = [...place.querySelectorAll(".slider")].map((each) => new Slider(each));
    this.cost = document.getElementById("cost");
    this.trouble = document.getElementById("trouble");
    this.predict = document.getElementById("predict");
    this.asked = 0;
    place.addEventListener("input", changed);
    place.addEventListener("submit", (event) => {
      event.preventDefault();
      this.order();
    });
    document.getElementById("recipe").addEventListener("change", () => this.takeRecipe());
    this.models = document.getElementById("model");
    this.models.addEventListener("change", () => {
      this.settings = { strength: this.models.value ? "1" : "0.7" }; // the default of each
    });
    addEventListener("focus", () => this.lookForModels()); // one may have been trained meanwhile
    document.querySelector("#start button").addEventListener("click", () => this.beginAnew());
    const drawn = new Mask((id) => this.setMask(id));
    const masked = document.getElementById("masked");
    masked.querySelector(".where").addEventListener("click", () => drawn.open(this.content.pictures[0], this.names, this.mask));
    masked.querySelector(".anew").addEventListener("click", () => this.setMask(""));
    document.getElementById("defaults").addEventListener("click", () => this.takeRecipe("none"));
    document.getElementById("result").addEventListener("change", (event) => this.takeResult(event.target.files[0]));
    addEventListener("paste", (event) => this.paste(event));
    for (const name of ["dragover", "drop"]) document.addEventListener(name, (event) => event.preventDefault());
    document.addEventListener("drop", (event) => this.drop(event));
    offerCamera(this.content);
    this.mask = chosen.mask;
    this.maskedFor = this.maskable;
    this.restore();
    this.change();
  }

  // What was chosen on the first page is still there after a reload of it.
  restore() {
    const draft = sessionStorage.getItem("draft");
    if (location.pathname !== "/" || !draft) return;
    const { way, settings, content, styles, mask } = JSON.parse(draft);
    this.content.fill(content);
    this.style.fill(styles);
    this.settings = settings;
    this.way = way;
    this.setMask(mask);
  }

  keep() {
    if (location.pathname !== "/") return;
    const [content, styles] = [this.content.pictures, this.style.pictures].map((them) => them.filter((each) => each.id));
    const { way, settings, mask } = this;
    sessionStorage.setItem("draft", JSON.stringify({ way, settings, content, styles, mask }));
  }

  get way() {
    return new FormData(this.place).get("way");
  }

  set way(value) {
    this.place.querySelector(`[name=way][value=${value}]`).checked = true;
    this.change();
  }

  controls() {
    return [...this.place.querySelectorAll("[data-kind]")];
  }

  get settings() {
    const chosen = this.controls().filter((each) => this.way === "painted" || this.used.has(each.name));
    return Object.fromEntries(chosen.map((each) => [each.name, readValue(each)]));
  }

  set settings(values) {
    for (const each of this.controls()) if (each.name in values) writeValue(each, values[each.name]);
    this.sliders.forEach((each) => each.follow());
    this.change();
  }

  get request() {
    const name = ({ id, name, share }) => ({ id, name, share });
    return {
      way: this.way,
      content: name(this.content.pictures[0]),
      styles: this.style.pictures.map(name),
      settings: this.settings,
      model: this.model?.value ?? "",
      mask: this.mask,
    };
  }

  // The trained network of one pass that is chosen, an option; or nothing.
  get model() {
    return this.way === "instant" ? this.models.selectedOptions[0] : null;
  }

  // A network that was trained for a style needs no painting.
  get isReady() {
    return this.content.isReady && (this.isOwn || this.style.isReady);
  }

  get isOwn() {
    return Boolean(this.model?.hasAttribute("data-own"));
  }

  async lookForModels() {
    const found = await readFragment("/models").catch(() => null); // the next look tries again
    if (!found) return;
    const { value } = this.models;
    const [fresh, known] = [found.querySelector("select"), this.models];
    if (fresh.textContent === known.textContent) return; // lest the list closes that is just open
    known.replaceChildren(...document.adoptNode(fresh).children);
    known.value = value;
    known.parentElement.hidden = found.hidden;
    if (this.models.value === value) return;
    this.models.value = ""; // it is no longer there
    this.change();
  }

  // The picture that a painting goes on from, by its id; nothing if the start is none.
  get start() {
    const { init } = this.settings;
    return this.way === "painted" && /^[0-9a-f]{16}$/.test(init) ? init : "";
  }

  showStart() {
    const line = document.getElementById("start");
    const photo = this.content.pictures[0]?.id;
    if (photo && photo !== this.photo) {
      const isAnother = Boolean(this.photo);
      this.photo = photo;
      if (isAnother && this.start) this.beginAnew();
    }
    line.hidden = !this.start;
    if (this.start) line.querySelector("img").src = `/pictures/${this.start}.jpg`;
  }

  beginAnew() {
    this.settings = { init: "instant", scales: "auto" };
  }

  // What the styles are called: of a trained network, one.
  get names() {
    return this.isOwn ? [this.model.textContent] : this.style.pictures.map((each) => each.name);
  }

  // A mask, by its id, or none; it is for this photo and as many styles.
  setMask(id) {
    this.mask = id ?? "";
    this.maskedFor = this.maskable;
    this.change();
  }

  get maskable() {
    return `${this.content.pictures[0]?.id} ${this.names.length}`;
  }

  showMask() {
    if (this.mask && this.maskedFor !== this.maskable) this.mask = "";
    const line = document.getElementById("masked");
    const image = line.querySelector("img");
    line.hidden = !this.isReady;
    image.hidden = line.querySelector(".anew").hidden = !this.mask;
    if (this.mask) image.src = `/pictures/${this.mask}.jpg`;
  }

  change() {
    this.showStart();
    this.showMask();
    this.place.dataset.way = this.way;
    this.style.place.classList.toggle("unused", this.isOwn);
    this.predict.disabled = !this.isReady;
    say(this.trouble, "");
    this.keep();
    clearTimeout(this.timer);
    const waits = [...this.content.pictures, ...this.style.pictures].some((each) => !each.id);
    if (this.isReady) this.timer = setTimeout(() => this.estimate(), DELAY);
    else say(this.cost, waits ? "Reading the picture …" : this.isOwn ? "Choose a photo." : "Choose a photo and a painting.");
  }

  async estimate() {
    const number = ++this.asked;
    try {
      const found = await send("POST", "/estimate", this.request);
      if (number !== this.asked) return;
      const isSmaller = Math.max(found.width, found.height) < this.settings.size;
      const size = `${found.width} × ${found.height} px${isSmaller ? ", the photo's own" : ""}`;
      const parts = [size, `about ${clock(found.seconds)}`, `${(found.memory / 1e9).toFixed(1)} GB`];
      if (found.block) parts.push("in blocks, to fit into the memory");
      say(this.cost, parts.map((each) => each.replaceAll(" ", "\u00a0")).join(" · "));
      if (found.problem) say(this.trouble, `This ${found.problem}.`); // else what is said stays
      this.predict.disabled = Boolean(found.problem) || !this.isReady;
    } catch (error) {
      if (number === this.asked) say(this.trouble, error.message);
    }
  }

  async order() {
    if (!this.isReady) return;
    const hasFocus = document.activeElement === this.predict;
    this.predict.disabled = true;
    try {
      const order = await send("POST", "/jobs", this.request);
      await this.ordered(order);
    } catch (error) {
      say(this.trouble, error.message);
    } finally {
      this.predict.disabled = !this.isReady;
      if (hasFocus) this.predict.focus({ preventScroll: true }); // which it lost while it was disabled
    }
  }

  async takeRecipe(name = document.getElementById("recipe").value || "none") {
    const network = document.getElementById("weights").value;
    try {
      const values = await send("GET", `/recipes/${encodeURIComponent(name)}?weights=${network}`);
      delete values.weights;
      delete values.blend;
      this.settings = values;
      if (name === "none") document.getElementById("recipe").value = "";
    } catch (error) {
      say(this.trouble, error.message);
    }
  }

  // A result.png brings its settings back, and its pictures as far as the server still has them.
  async takeResult(file) {
    document.getElementById("result").value = "";
    if (!file) return false;
    try {
      const found = await send("POST", "/pictures/settings", file, "image/png");
      this.takePictures(found);
      this.settings = found.settings;
      this.way = found.way;
      if (found.model) await this.lookForModels();
      if (found.way === "instant") this.models.value = found.model;
      this.setMask(found.mask);
      this.style.complain(found.notice);
      return true;
    } catch (error) {
      say(this.trouble, error.message);
      return false;
    }
  }

  takePictures({ content, styles }) {
    if (content) this.content.fill([content]);
    if (styles.length) this.style.fill(styles);
    this.photo = this.content.pictures[0]?.id;
  }

  // Paint from where a picture of one pass is, whatever was chosen since.
  async paintFrom(identity) {
    const found = await send("POST", `/jobs/${identity}/start`);
    this.takePictures(found);
    this.way = "painted";
    this.settings = { init: "instant", ...found.settings };
    this.setMask(found.mask);
    await this.order();
  }

  boxAt(element) {
    return [this.content, this.style].find((each) => each.place.contains(element));
  }

  drop(event) {
    const files = [...event.dataTransfer.files];
    const box = this.boxAt(event.target);
    if (!files.length) return;
    if (box) box.take(files, box.several && files.length > 1);
    else if (files[0].type === "image/png") this.takeResult(files[0]);
    else this.free().take(files, false);
  }

  // Into the box under the pointer or with the focus, else into the one that is still empty.
  paste(event) {
    const files = [...event.clipboardData.files];
    if (!files.length) return;
    event.preventDefault();
    const hovered = document.querySelector(".box:hover") ?? document.activeElement;
    (this.boxAt(hovered) ?? this.free()).take(files, false);
  }

  free() {
    return this.content.pictures.length ? this.style : this.content;
  }
}

// A slider and the number that it stands for: even steps, or even ratios.
class Slider {
  constructor(place) {
    this.place = place;
    this.number = document.getElementById(place.dataset.for);
    const { least, most } = place.dataset;
    const isLogarithmic = "logarithmic" in place.dataset;
    const [from, to] = [Number(least), Number(most)];
    this.toValue = (part) => (isLogarithmic ? from * (to / from) ** part : from + (to - from) * part);
    this.toPart = (value) => (isLogarithmic ? Math.log(value / from) / Math.log(to / from) : (value - from) / (to - from));
    place.addEventListener("input", () => {
      this.number.value = Number(this.toValue(place.value / 100).toPrecision(2));
    });
    this.number.addEventListener("input", () => this.follow());
    this.follow();
  }

  follow() {
    const part = this.toPart(Number(this.number.value));
    this.place.value = Math.round(100 * Math.min(1, Math.max(0, Number.isFinite(part) ? part : 0)));
    this.place.setAttribute("aria-valuetext", this.number.value);
  }
}

function readValue(control) {
  const kind = control.dataset.kind;
  if (kind === "flag") return control.checked;
  if (kind === "whole" || kind === "number") return control.value === "" ? null : Number(control.value);
  if (kind === "list") return control.value.split(/[\s,]+/).filter(Boolean);
  return control.value;
}

function writeValue(control, value) {
  if (control.dataset.kind === "flag") control.checked = value;
  else control.value = Array.isArray(value) ? value.join(", ") : value;
  if (control.tagName === "SELECT" && control.selectedIndex < 0) {
    control.add(new Option(value, value, true, true));
  }
}

export function clock(seconds) {
  const whole = Math.max(1, Math.round(seconds));
  if (whole < 90) return `${whole} s`;
  const minutes = Math.round(whole / 60);
  return minutes < 60 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}
